"""Equations split into single operations, as a circuit has them: one gate, one operation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from backprop_cli.formula.build import names_in, rebuild
from backprop_cli.formula.nodes import (
    Comparison,
    Conditional,
    Formula,
    Name,
    Negative,
    Product,
    Sum,
)


def gates(equations: Mapping[str, Formula], taken: Collection[str]) -> Mapping[str, Formula]:
    """Every equation as a chain of gates, under names that are not `taken`.

    The gates of an equation f are called f1, f2, …; the last one keeps the name f.
    """
    splitter = _Splitter(taken)
    for name, formula in equations.items():
        splitter.split(name, formula)
    return splitter.gates


class _Splitter:
    def __init__(self, taken: Collection[str]) -> None:
        self.taken = set(taken)
        self.gates: dict[str, Formula] = {}

    def split(self, name: str, formula: Formula) -> None:
        self.count = 0
        self.name = name
        self.gates[name] = self._operation(formula)

    def _operation(self, formula: Formula) -> Formula:
        """The formula with every compound part replaced by the name of a gate of its own."""
        match formula:
            case Conditional() | Comparison():
                return formula
            case Sum((first, *rest)):
                return self._one_by_one(Sum, self._term(first), rest, self._term)
            case Product((first, *rest)):
                return self._one_by_one(Product, self._operand(first), rest, self._operand)
            case _:
                return rebuild(formula, self._operand)

    def _one_by_one(
        self,
        node: type[Sum] | type[Product],
        first: Formula,
        rest: Sequence[Formula],
        operand: Callable[[Formula], Formula],
    ) -> Formula:
        """A long sum or product as gates with two inputs, from the left; the last one is returned."""
        *between, last = rest
        for part in between:
            first = self._gate(node((first, operand(part))))
        return node((first, operand(last)))

    def _term(self, term: Formula) -> Formula:
        """A subtracted term stays subtracted: x − y is one gate."""
        if isinstance(term, Negative):
            return Negative(self._operand(term.operand))
        return self._operand(term)

    def _operand(self, formula: Formula) -> Formula:
        """A name for what goes into a gate; numbers (½, −1) and names are written as they are."""
        if isinstance(formula, Name) or not names_in(formula):
            return formula
        return self._gate(self._operation(formula))

    def _gate(self, formula: Formula) -> Name:
        name, between = self.name, "_" if self.name[-1].isdigit() else ""
        while name == self.name or name in self.taken:
            self.count += 1
            name = f"{self.name}{between}{self.count}"
        self.taken.add(name)
        self.gates[name] = formula
        return Name(name)
