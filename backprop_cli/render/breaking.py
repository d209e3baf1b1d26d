"""Where a line may end: after a word, and in a formula before an operator.

Words and formulas become `Atom`s, which are never broken. A break before an atom costs `penalty`:
nothing between words, more before a sum's sign, more again before a factor, and more the deeper it
stands in brackets, so that a formula is broken where a person would break it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from backprop_cli.formula import layout as tree
from backprop_cli.formula import plain, unicode
from backprop_cli.render.escape import no_command

BETWEEN_WORDS = 0.0
BEFORE_RELATION = tree.AT_RELATION
BEFORE_FACTOR = tree.AT_FACTOR
DEEPER = 6.0
WITHIN_BRACKETS = 16.0  # the worst break a table cell may have: two brackets deep
SHORT = 10
"""Brackets with no more than this in them, as (1 − ŷ), are rather kept on one line."""
WITHIN_SHORT = 5.0
EMPTY_LINE = 10.0  # what it costs to leave a whole line unused

Span: TypeAlias = tuple[str, str]
"""Text and the name of its style."""


_NARROW = frozenset(
    chr(code)
    for first, last in (
        (0x20, 0x7E), (0xAE, 0x2FF), (0x391, 0x3C9), (0x1D2C, 0x1D6A), (0x2013, 0x2027),
        (0x2032, 0x2032), (0x2070, 0x209C), (0x2190, 0x2193), (0x2200, 0x22FF), (0x2500, 0x257F),
    )
    for code in range(first, last + 1)
)  # fmt: skip
"""Letters and signs that each take one cell."""


@lru_cache(maxsize=65536)
def cells(text: str) -> int:
    """How many cells of a terminal the text takes."""
    if _NARROW.issuperset(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


class Atom(NamedTuple):
    """Something that is not broken, and what it costs to begin a line with it."""

    text: str
    style: str = ""
    penalty: float = BETWEEN_WORDS
    space: bool = False  # a blank stands before it, unless it begins a line
    spans: tuple[Span, ...] = ()  # the text in pieces with styles of their own
    parts: Callable[[], list[Atom]] | None = None  # what it is cut into where it is too long

    @property
    def width(self) -> int:
        """Cells in the terminal."""
        return cells(self.text)


def once(make: Callable[[], list[Atom]]) -> Callable[[], list[Atom]]:
    """What makes atoms, called when they are first asked for; a cache of the library takes longer
    to set up than most atoms to make."""
    made: list[list[Atom]] = []

    def kept() -> list[Atom]:
        if not made:
            made.append(make())
        return made[0]

    return kept


class Notation(NamedTuple):
    """How a formula is written in a line of a terminal."""

    spell: Callable[[tree.Node], str]
    sign: Callable[[tree.Operator], str]
    ends: Callable[[str], tuple[str, str]]  # of brackets
    mark: Callable[[tree.Node], str | None]  # what is raised; None where it stands behind `^`
    beneath: Callable[[Sequence[tree.Word]], str]  # the shape of a matrix


UNICODE = Notation(unicode.spell, unicode.sign, unicode.ends, unicode.mark, unicode.beneath)
PLAIN = Notation(plain.spell, plain.sign, plain.ends, plain.mark, plain.beneath)


class Flow:
    """What a formula is in a line, one after the other, and where it may be broken, whatever the
    names and numbers in it are."""

    def __init__(self, node: tree.Node, notation: Notation) -> None:
        self.notation = notation
        self.parts: list[str] = []  # of a name or a number the minus that leads it
        self.styles: list[str] = []
        self.leaves: list[int] = []  # which of the parts these are
        self.texts: list[str] = []
        self.cuts: list[int] = []  # the blank, or nothing, in whose place a line may end
        self.penalties = [tree.NEVER]
        self.fences: list[
            tuple[int, int, list[int]]
        ] = []  # brackets, and the cuts in none but these
        self.here: list[int] = []  # the cuts inside the innermost brackets
        self.walk(node, 0, False)

    def line(self, texts: Sequence[str]) -> str:
        """The formula with these names and numbers on one line."""
        return "".join(self.filled(texts))

    def filled(self, texts: Sequence[str]) -> list[str]:
        parts = list(self.parts)
        for place, text in zip(self.leaves, texts, strict=True):
            parts[place] += text
        return parts

    def atoms(self, texts: Sequence[str], style: str = "", styled: bool = False) -> list[Atom]:
        """The formula with these names and numbers, breakable before its operators; the first atom
        never begins a line."""
        parts, penalties = self.filled(texts), list(self.penalties)
        for begin, end, cuts in self.fences:
            if cuts and len("".join(parts[begin:end])) <= SHORT:
                for cut in cuts:
                    penalties[cut] += WITHIN_SHORT
        atoms = []
        ends = *self.cuts, len(parts)
        for cut, stop, penalty in zip((-1, *self.cuts), ends, penalties, strict=True):
            own = slice(cut + 1, stop)
            spans = tuple(zip(parts[own], self.styles[own], strict=True)) if styled else ()
            space = cut >= 0 and parts[cut] == " "
            atoms.append(Atom("".join(parts[own]), style, penalty, space, spans))
        return atoms

    def put(self, text: str, style: str = "operator") -> None:
        self.parts.append(text)
        self.styles.append(style)

    def leaf(self, text: str, style: str, minus: str = "") -> None:
        """A name or a number, of which others of the same shape have their own."""
        self.leaves.append(len(self.parts))
        self.texts.append(text)
        self.put(minus, style)

    def cut(self, penalty: float, space: bool) -> None:
        """A line may begin with what comes next."""
        self.here.append(len(self.penalties))
        self.cuts.append(len(self.parts))
        self.penalties.append(penalty)
        self.put(" " * space)

    def walk(self, node: tree.Node, depth: int, in_sum: bool) -> None:
        match node:
            case tree.Row((tree.Operator("negative"), tree.Digits() as digits)):
                minus, text = self.notation.sign(tree.MINUS), self.notation.spell(digits)
                if tree.is_leaf(digits):
                    self.leaf(text, "number", minus)
                else:
                    self.put(minus + text, "number")
            case tree.Row(parts, is_sum):
                in_sum = in_sum or is_sum
                for part in parts:
                    if isinstance(part, tree.Operator):
                        self.operator(part, depth, in_sum)
                    else:
                        self.walk(part, depth, in_sum)
            case tree.Fence(kind, inside):
                left, right = self.notation.ends(kind)
                self.put(left)
                outside, self.here, begin = self.here, [], len(self.parts)
                self.walk(inside, depth + 1, False)
                self.fences.append((begin, len(self.parts), self.here))
                self.here = outside
                self.put(right)
            case tree.Script(base, below, above) if below is None and above is not None:
                self.walk(base, depth, in_sum)
                if (mark := self.notation.mark(above)) is not None:
                    self.put(mark, "number")
                else:
                    self.put("^")
                    self.walk(above, depth, in_sum)
            case tree.Under(base, sides):
                self.walk(base, depth, in_sum)
                self.put(self.notation.beneath(sides), "label")
            case tree.Grid(_, rows):
                self.grid(rows, depth + 1)
            case tree.Operator():
                self.operator(node, depth, in_sum)
            case _:
                write = self.leaf if tree.is_leaf(node) else self.put
                write(self.notation.spell(node), STYLES.get(type(node), ""))

    def operator(self, operator: tree.Operator, depth: int, in_sum: bool) -> None:
        sign = self.notation.sign(operator)
        if operator.cost >= tree.NEVER:
            self.put(sign)
            return
        cost = operator.cost + DEEPER * depth
        if operator.sign in (",", "column"):  # it stands at the end of a line
            self.put(sign[:-1])
            self.cut(cost, True)
            return
        # A factor of a term stands deeper than the sum it is in.
        if in_sum and operator.cost == tree.AT_FACTOR:
            cost += DEEPER
        bare = sign.lstrip()
        self.cut(cost, len(bare) < len(sign))
        if bare:
            self.put(bare)

    def grid(self, rows: Sequence[Sequence[tree.Node]], depth: int) -> None:
        """A matrix in one line; it may be broken between its rows."""
        self.put("[")
        cost = tree.AT_FACTOR + DEEPER * depth
        between = tree.Operator("column", cost + DEEPER)
        for level, entries in enumerate(rows):
            if level:
                self.put(";")
                self.cut(cost, True)
            for place, entry in enumerate(entries):
                if place:
                    self.operator(between, 0, False)
                self.walk(entry, depth, False)
        self.put("]")


STYLES: dict[type, str] = {
    tree.Digits: "number",
    tree.Named: "name",
    tree.Word: "name",
    tree.Called: "function",
}


def opened(atoms: Iterable[Atom]) -> Iterator[Atom]:
    """The atoms with the breaks inside them."""
    for atom in atoms:
        if atom.parts is None:
            yield atom
        else:
            first, *rest = atom.parts()
            apart = atom.space or atom.penalty != first.penalty
            first = first._replace(penalty=atom.penalty, space=atom.space) if apart else first
            yield from opened((first, *rest))


def formula_atoms(
    node: tree.Node, notation: Notation, style: str = "", styled: bool = False
) -> list[Atom]:
    """A formula, breakable before its operators; the first atom never begins a line."""
    flow = Flow(node, notation)
    return flow.atoms(flow.texts, style, styled)


def word_atoms(text: str, style: str = "") -> list[Atom]:
    """Plain words; blanks at either end are kept as the space beside the neighbouring atom."""
    words = [no_command(word) for word in text.split()]
    if not words:
        return []
    first_space = text[0].isspace()
    first = Atom(words[0], style, BETWEEN_WORDS if first_space else tree.NEVER, first_space)
    return [first, *(Atom(word, style, BETWEEN_WORDS, True) for word in words[1:])]


def fill(atoms: Sequence[Atom], first: int, later: int | None = None) -> list[list[Atom]]:
    """Atoms in lines of at most `first` cells, then `later` (as many by default); nothing is ever
    clipped."""
    later = first if later is None else later
    if width_of(atoms) <= first and (len(atoms) == 1 or first <= later):
        return [list(atoms)]
    pending = list(_short_enough(opened(atoms), max(1, min(first, later))))
    lines: list[list[Atom]] = []
    begin = 0
    while begin < len(pending):
        width = first if not lines else later
        used = 0
        best, best_cost = begin, float("inf")
        fits = begin
        for place in range(begin, len(pending)):
            atom = pending[place]
            used += atom.width + (atom.space and place > begin)
            if used > width and place > begin:
                break
            fits = place + 1
            if fits < len(pending):
                cost = pending[fits].penalty + EMPTY_LINE * (width - used) / max(width, 1)
                if cost <= best_cost:
                    best, best_cost = fits, cost
        end = fits if fits == len(pending) else best
        lines.append(pending[begin:end])
        begin = end
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
            yield Atom(piece, atom.style, tree.NEVER / 2, False)


def _cut(text: str, width: int) -> list[str]:
    pieces = [""]
    used = 0
    for character in text:
        taken = cells(character)
        if used + taken > width and pieces[-1]:
            pieces.append("")
            used = 0
        pieces[-1] += character
        used += taken
    # A piece of a longer word may begin like a command of a build log.
    return [piece if not piece.startswith(("::", "##[")) else "." + piece[1:] for piece in pieces]


def width_of(atoms: Sequence[Atom]) -> int:
    """Cells of the atoms on one line."""
    if not atoms:
        return 0
    used = -atoms[0].space
    for atom in atoms:
        used += cells(atom.text) + atom.space
    return used


def narrowed_to(room: int, natural: Sequence[int], floors: Mapping[int, int]) -> list[int] | None:
    """The widths of a table's columns in a room, those that have a floor narrowed down to it at
    most; None where that does not do."""
    widths = list(natural)
    while (excess := sum(widths) - room) > 0:
        able = [place for place, floor in floors.items() if widths[place] > floor]
        if not able:
            return None
        # The widest give way first, so that all end up about equally wide.
        most = max(widths[place] for place in able)
        widest = [place for place in able if widths[place] == most]
        stops = [floors[place] for place in widest]
        stops += [widths[place] for place in able if widths[place] < most]
        for place in widest[:excess]:
            widths[place] -= max(1, min(excess // len(widest), most - max(stops)))
    return widths


def longest(atoms: Iterable[Atom], limit: float = BEFORE_FACTOR) -> int:
    """The narrowest width at which no break is worse than `limit`."""
    widest = run = 0
    for atom in atoms:
        taken = cells(atom.text)
        run = run + taken + (atom.space and run > 0) if atom.penalty > limit else taken
        if run > widest:
            widest = run
    return widest
