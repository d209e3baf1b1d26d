"""Where a line may end: after a word, and in a formula before an operator.

Text is cut into `Atom`s. A break before an atom costs `penalty`: nothing between words, more
before a sum's sign, more again before a factor, and more the deeper it stands in brackets, so
that a formula is broken where a person would break it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from rich.cells import cell_len

from backprop_cli.dataclass import dataclass
from backprop_cli.render.escape import no_command

BETWEEN_WORDS = 0.0
BEFORE_RELATION = 0.5
BEFORE_SUM = 1.5
BEFORE_FACTOR = 3.0
DEEPER = 6.0
WITHIN_BRACKETS = 16.0  # the worst break a table cell may have: two brackets deep
SHORT = 10
"""Brackets with no more than this in them, as (1 − ŷ), are rather kept on one line."""
WITHIN_SHORT = 5.0
NEVER = 1000.0  # only a hard limit forces a break here
EMPTY_LINE = 10.0  # what it costs to leave a whole line unused


@dataclass(frozen=True)
class Atom:
    """Something that is never broken, and what it costs to begin a line with it."""

    text: str
    style: str = ""
    penalty: float = BETWEEN_WORDS
    space: bool = False  # a blank stands before it, unless it begins a line

    @property
    def width(self) -> int:
        """Cells in the terminal."""
        return _cells(self.text)


@lru_cache(maxsize=65536)
def _cells(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


_FORMULA_BREAK = re.compile(
    r"(?P<relation> (?=[=≈→←<>≤≥≠!~]|->|if |else |and ))"
    r"|(?P<sum> (?=[+−-] ))"
    r"|(?P<factor> ?(?=[·⊙⋅*×] ?(?![*]))(?!×10))"
    r"|(?P<beside>(?<=[)\]])(?=[(\[]))"
    r"|(?P<comma>(?<=[,;]) )"
    r"|(?P<open>[(\[{⁅])|(?P<close>[)\]}⁆])"
)
_COST = {
    "relation": BEFORE_RELATION,
    "sum": BEFORE_SUM,
    "factor": BEFORE_FACTOR,
    "beside": BEFORE_FACTOR,
    "comma": BEFORE_FACTOR,
}


def formula_atoms(written: str, style: str = "") -> list[Atom]:
    """A written formula, breakable before its operators; the first atom never begins a line."""
    if _FORMULA_BREAK.search(written) is None:  # most are a name or a number
        return [Atom(written, style, NEVER)]
    cuts: list[tuple[int, int, str, int]] = []  # where, where it goes on, what it is, which bracket
    brackets = [0]  # the brackets that are open, each with a number of its own
    depths, with_sum, short = [0], set(), set()
    opened = [0]
    begin = 0
    for found in _FORMULA_BREAK.finditer(written):
        kind = found.lastgroup or ""
        if kind == "open":
            brackets.append(len(depths))
            depths.append(len(brackets) - 1)
            opened.append(found.end())
        elif kind == "close":
            if len(brackets) > 1 and found.start() - opened[last := brackets.pop()] <= SHORT:
                short.add(last)
        elif found.start() > begin and written[found.start() - 1] != "*":
            cuts.append((found.start(), found.end(), kind, brackets[-1]))
            begin = found.end()
            if kind == "sum":
                with_sum.add(brackets[-1])
    atoms: list[Atom] = []
    begin, penalty, space = 0, NEVER, False
    for end, after, kind, bracket in cuts:
        atoms.append(Atom(written[begin:end], style, penalty, space))
        # A factor of a term stands deeper than the sum it is in.
        inside_term = kind in ("factor", "beside") and bracket in with_sum
        penalty = _COST[kind] + DEEPER * (depths[bracket] + inside_term)
        penalty += WITHIN_SHORT * (bracket in short)
        begin, space = after, after > end
    atoms.append(Atom(written[begin:], style, penalty, space))
    return atoms


def word_atoms(text: str, style: str = "") -> list[Atom]:
    """Plain words; blanks at either end are kept as the space beside the neighbouring atom."""
    words = [no_command(word) for word in text.split()]
    if not words:
        return []
    first_space = text[0].isspace()
    return [
        Atom(
            word,
            style,
            BETWEEN_WORDS if place or first_space else NEVER,
            bool(place) or first_space,
        )
        for place, word in enumerate(words)
    ]


def fill(atoms: Sequence[Atom], first: int, later: int) -> list[list[Atom]]:
    """Atoms in lines of at most `first` cells, then `later`; nothing is ever clipped."""
    pending = list(_short_enough(atoms, max(1, min(first, later))))
    lines: list[list[Atom]] = []
    while pending:
        width = first if not lines else later
        used = 0
        best, best_cost = 0, float("inf")
        fits = 0
        for place, atom in enumerate(pending):
            used += atom.width + (atom.space and place > 0)
            if used > width and place:
                break
            fits = place + 1
            if fits < len(pending):
                cost = pending[fits].penalty + EMPTY_LINE * (width - used) / max(width, 1)
                if cost <= best_cost:
                    best, best_cost = fits, cost
        taken = fits if fits == len(pending) else best
        lines.append(pending[:taken])
        pending = pending[taken:]
    return lines or [[]]


def _short_enough(atoms: Iterable[Atom], width: int) -> Iterable[Atom]:
    """Atoms longer than a line cut into pieces, as the last resort."""
    for atom in atoms:
        if atom.width <= width:
            yield atom
            continue
        pieces = _cut(atom.text, width)
        yield Atom(pieces[0], atom.style, atom.penalty, atom.space)
        for piece in pieces[1:]:
            yield Atom(piece, atom.style, NEVER / 2, False)


def _cut(text: str, width: int) -> list[str]:
    pieces = [""]
    used = 0
    for character in text:
        cells = cell_len(character)
        if used + cells > width and pieces[-1]:
            pieces.append("")
            used = 0
        pieces[-1] += character
        used += cells
    # A piece of a longer word may begin like a command of a build log.
    return [piece if not piece.startswith(("::", "##[")) else "." + piece[1:] for piece in pieces]


def width_of(atoms: Sequence[Atom]) -> int:
    """Cells of the atoms on one line."""
    used = 0
    for place, atom in enumerate(atoms):
        used += atom.width + (atom.space and place > 0)
    return used


def longest(atoms: Sequence[Atom], limit: float = BEFORE_FACTOR) -> int:
    """The narrowest width at which no break is worse than `limit`."""
    widest = run = 0
    for atom in atoms:
        cells = atom.width
        if atom.penalty > limit:
            run += cells + (atom.space and run > 0)
        else:
            run = cells
        widest = max(widest, run)
    return widest
