"""Formulas that differ in their names and numbers alone, as the rows of a layer do: what is written
between these is found out once, and each row is filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeAlias

from backprop_cli.formula.build import children
from backprop_cli.formula.layout import Digits, Named, Node, Word, is_leaf, is_short
from backprop_cli.formula.nodes import Call, Comparison, Formula, Matrix, Name, Number, Shown
from backprop_cli.formula.notation import Layout, signed

Shape: TypeAlias = tuple[Hashable, ...]
"""All that a layout depends on, part by part in writing order; of a name and a number the kind."""

HOLE = "□"
_SAID: Mapping[type, Callable[[Any], Hashable]] = {
    Call: attrgetter("function"),
    Comparison: attrgetter("relation"),
    Shown: attrgetter("form"),
}
"""What a node says beside its parts."""


class Shapes:
    """What one notation writes, by the shape of the formula."""

    def __init__(self, layout: Layout, spell: Callable[[Node], str]) -> None:
        self.layout, self.spell = layout, spell
        self._met: dict[Shape, int] = {}
        self._pieces: dict[Shape, list[str]] = {}
        self.name = lru_cache(maxsize=65536)(self._name)
        self.number = lru_cache(maxsize=65536)(self._number)

    def write(self, formula: Formula) -> str:
        """The formula as it is spelled."""
        if isinstance(formula, Name):  # most are
            return self.name(formula.name)[1]
        shape, texts = self.take(formula)
        if (pieces := self._pieces.get(shape)) is not None:
            return filled(pieces, texts)
        node = self.layout.node(formula)
        written = self.spell(node)
        met = self._met[shape] = self._met.get(shape, 0) + 1
        if met == 2:  # not of every sum whose signs nobody else has
            pieces = self._around(node)
            if len(pieces) == 2 * len(texts) + 1 and filled(pieces, texts) == written:
                self._pieces[shape] = pieces
        return written

    def take(self, formula: Formula) -> tuple[Shape, list[str]]:
        """The shape of a formula, and its names and numbers as they are spelled."""
        shape: list[Any] = []
        texts: list[str] = []
        waiting = [formula]
        while waiting:
            part = waiting.pop()
            if isinstance(part, Name | Number):
                kind, text = (
                    self.name(part.name) if isinstance(part, Name) else self.number(part.text)
                )
                shape.append(kind)
                if text is not None:
                    texts.append(text)
            elif isinstance(part, Matrix):  # its numbers stand under one another
                shape.append(part)
            else:
                parts = children(part)
                said = _SAID.get(type(part), type)
                shape.extend((type(part), said(part), len(parts)))
                waiting += parts[::-1]
        return tuple(shape), texts

    def _name(self, name: str) -> tuple[Hashable, str]:
        written = self.spell(self.layout.name(name))
        return (self.layout.kind(name), len(written) == 1), written  # x^n has no braces in LaTeX

    def _number(self, text: str) -> tuple[Hashable, str | None]:
        """A short number belongs to the shape."""
        minus, written = signed(text)
        if is_short(written):
            return text, None
        return (Number, minus, written.power is None, not written.decimals), self.spell(written)

    def _around(self, node: Node) -> list[str]:
        """What stands around the names and numbers, each of which is empty."""

        def without(part: Any) -> Any:
            if isinstance(part, Named | Digits | Word) and is_leaf(part):
                return Word(HOLE, "sign")
            if not isinstance(part, tuple):
                return part
            parts = map(without, part)
            return type(part)(*parts) if isinstance(part, Node) else tuple(parts)

        pieces = self.spell(without(node)).split(HOLE)
        return [each for piece in pieces for each in (piece, "")][:-1]


@lru_cache(maxsize=8)
def shapes(layout: Layout, spell: Callable[[Node], str]) -> Shapes:
    """Those of one layout and one notation."""
    return Shapes(layout, spell)


def filled(pieces: Sequence[str], texts: Sequence[str]) -> str:
    """The pieces with these names and numbers at every other place."""
    whole = list(pieces)
    whole[1::2] = texts
    return "".join(whole)
