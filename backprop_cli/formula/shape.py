"""Formulas that differ in their names and numbers alone, as the rows of a layer do: what is written
between these is found out once, and each row is filled in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache, partial, wraps
from itertools import islice, pairwise
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar, cast

from backprop_cli.formula.build import children
from backprop_cli.formula.layout import Named, Node, is_short
from backprop_cli.formula.nodes import Call, Comparison, Formula, Matrix, Name, Number, Shown, Sum
from backprop_cli.formula.notation import Layout, signed
from backprop_cli.formula.spelling import Spelling, Symbol, with_digits

Write = TypeVar("Write", bound=Callable[..., str])
Shape: TypeAlias = tuple[Hashable, ...]
"""All that a layout depends on, part by part in writing order; of a name and a number the kind."""

OFTEN = 3
"""So many quantities alike are written before what they have in common is found out."""
TENS = ("0123456789", "₀₁₂₃₄₅₆₇₈₉", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_SAID: Mapping[type, Callable[[Any], Hashable]] = {
    Call: attrgetter("function"),
    Comparison: attrgetter("relation"),
    Shown: attrgetter("form"),
}
"""What a node says beside its parts."""


MANY = 9
"""Terms of a sum that is too long for a line on a phone, whatever they are."""


def one_by_one(formula: Formula) -> Sequence[Formula]:
    """The terms of a long sum with their signs; of anything else itself."""
    if not isinstance(formula, Sum) or len(formula.terms) < MANY:
        return (formula,)
    first, *rest = formula.terms
    return [Shown("term", (first,)), *(Shown("further", (term,)) for term in rest)]


class Shapes:
    """What one way of writing makes of formulas, by their shape. Where it asks how wide they are,
    so does `width`: the shape then has the width of each name and number in it. The terms of a long
    sum are written one by one, with `between` them; None where how one is written depends on others.
    """

    def __init__(
        self,
        layout: Layout,
        spell: Callable[[Node], str],
        whole: Callable[[Formula], str] | None = None,
        width: Callable[[Formula], int] | None = None,
        between: str | None = "",
    ) -> None:
        self.layout, self.spell, self.width, self.between = layout, spell, width, between
        self.whole = whole or (lambda formula: spell(layout.node(formula)))
        self._alone = lru_cache(maxsize=65536)(lambda leaf, text: self.whole(leaf(text)))
        self._met: set[Shape] = set()
        self._pieces: dict[Shape, list[str]] = {}
        self.name = lru_cache(maxsize=65536)(self._name)
        self.number = lru_cache(maxsize=65536)(self._number)

    def write(self, formula: Formula) -> str:
        """The formula as it is written."""
        if isinstance(formula, Name):  # most are
            return self._alone(Name, formula.name)
        if isinstance(formula, Number):
            return self._alone(Number, formula.text)
        if self.between is not None and len(terms := one_by_one(formula)) > 1:
            return self.between.join(map(self.write, terms))
        shape, texts = self.take(formula)
        if (pieces := self._pieces.get(shape)) is not None:
            return filled(pieces, texts)
        written = self.whole(formula)
        if shape not in self._met:  # nobody else may have it
            self._met.add(shape)
        elif (pieces := _around(written, texts)) is not None:
            self._pieces[shape] = pieces
        return written

    def take(self, formula: Formula) -> tuple[Shape, list[str]]:
        """The shape of a formula, and its names and numbers as they are spelled."""
        shape: list[Any] = []
        texts: list[str] = []
        waiting = [formula]
        while waiting:
            part = waiting.pop()
            if isinstance(part, Name):
                kind, text = self.name(part.name)
                shape.append(kind)
                texts.append(text)
            elif isinstance(part, Number):
                kind, digits = self.number(part.text)
                shape.append(kind)
                texts += digits
            elif isinstance(part, Matrix):  # its numbers stand under one another
                shape.append(part)
            else:
                parts, node = children(part), type(part)
                shape += (node, len(parts), node in _SAID and _SAID[node](part))
                waiting += parts[::-1]
        if len(set(texts)) < len(texts):  # which of them are the same
            shape += map({text: at for at, text in enumerate(texts)}.get, texts)
        return tuple(shape), texts

    def _name(self, name: str) -> tuple[Hashable, str]:
        written = self.spell(self.layout.name(name))
        width = self.width and self.width(Name(name))
        # x^n has no braces in LaTeX
        return (self.layout.kind(name), len(written) == 1, width), written

    def _number(self, text: str) -> tuple[Hashable, tuple[str, ...]]:
        """A short number belongs to the shape."""
        minus, written = signed(text)
        if is_short(written):
            return text, ()
        width = self.width and self.width(Number(text))
        kind = Number, minus, written.power is None, not written.decimals, width
        return kind, (self.spell(written),)


def _around(written: str, texts: Sequence[str]) -> list[str] | None:
    """What stands around the names and numbers; None where it has such a text in it."""
    everything, pieces = "\0".join(texts), list[str]()
    for text in texts:
        before, found, rest = written.partition(text)
        if not found or written.count(text) != everything.count(text):
            return None
        everything, written = everything[len(text) + 1 :], rest
        pieces += (before, "")
    return [*pieces, written]


def by_shape(
    layout: Callable[[Spelling | None], Layout],
    spell: Callable[[Node], str],
    width: Callable[..., int] | None = None,
    between: str | None = "",
) -> Callable[[Write], Write]:
    """Fills in what a function writes of formulas of one shape, by their names and numbers as the
    notation spells them; `width` is what it asks of them beside, and `between` as in `Shapes`."""

    def decorated(write: Write) -> Write:
        @lru_cache(maxsize=8)
        def shapes(spelling: Spelling | None, *options: Any) -> Shapes:
            def whole(formula: Formula) -> str:
                return write(formula, spelling, *options)

            wide = partial(width, spelling=spelling) if width else None
            return Shapes(layout(spelling), spell, whole, wide, between)

        @wraps(write)
        def written(formula: Formula, spelling: Spelling | None = None, *options: Any) -> str:
            return shapes(spelling, *options).write(formula)

        return cast(Write, written)

    return decorated


def filled(pieces: Sequence[str], texts: Sequence[str]) -> str:
    """The pieces with these names and numbers at every other place."""
    whole = list(pieces)
    whole[1::2] = texts
    return "".join(whole)


def by_digits(write: Write) -> Write:
    """What a notation writes for a quantity; where others of them differ in their digits alone, as
    the weights of a layer do, these are filled in."""
    met = Counter[Hashable]()
    known: dict[Hashable, tuple[list[str], list[tuple[int, str]]]] = {}

    @lru_cache(maxsize=65536)
    def written(name: Named, *notation: Any) -> str:
        if not isinstance(name.glyph, Symbol):  # a derivative is written in those
            return write(name, *notation)
        runs: list[str] = []

        def take(run: str) -> str:
            runs.append(run)
            return "1" * len(run)

        key = with_digits(name.glyph, take), name.transposed, notation
        digits = "".join(runs)
        if key not in known:
            met[key] += 1
            if met[key] <= OFTEN or len(digits) >= 10:
                return write(name, *notation)
            known[key] = around(name.glyph, name.transposed, *notation)
        pieces, places = known[key]
        return filled(pieces, [ten[int(digits[place])] for place, ten in places])

    def around(
        glyph: Symbol, transposed: bool, *notation: Any
    ) -> tuple[list[str], list[tuple[int, str]]]:
        """What stands around the digits, and of each its place among them and the ten that it is
        one of: with one more in each place, just these change."""
        one, other = (
            write(Named(with_digits(glyph, _taken_from(row)), transposed), *notation)
            for row in ("123456789", "234567891")
        )
        changed = [at for at, signs in enumerate(zip(one, other, strict=True)) if len({*signs}) > 1]
        tens = [next(ten for ten in TENS if one[at] in ten) for at in changed]
        pieces = [one[begin + 1 : end] for begin, end in pairwise((-1, *changed, len(one)))]
        places = [ten.index(one[at]) - 1 for at, ten in zip(changed, tens, strict=True)]
        return _parted(pieces), list(zip(places, tens, strict=True))

    return cast(Write, written)


def _taken_from(row: str) -> Callable[[str], str]:
    rest = iter(row)
    return lambda run: "".join(islice(rest, len(run)))


def _parted(pieces: Sequence[str]) -> list[str]:
    """The pieces with room for something between any two."""
    return [each for piece in pieces for each in (piece, "")][:-1]
