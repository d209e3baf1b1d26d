"""Equations split into single operations, as a circuit has them: one gate, one operation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from backprop_cli.formula.build import children, rebuild
from backprop_cli.formula.nodes import (
    Comparison,
    Conditional,
    Formula,
    Name,
    Negative,
    Number,
    Product,
    Sum,
)
from backprop_cli.problem.model import Equations, Problem


def split_into_gates(problem: Problem) -> Problem:
    """The problem with every author's equation as a chain of gates; networks are left alone.

    The gates of an equation f are called f1, f2, …; the last one keeps the name f.
    """
    model = problem.model
    if not isinstance(model, Equations):
        return problem
    taken = {*model.given, *model.parameters, *model.equations}
    taken.update(name for sample in model.samples for name in sample)
    splitter = _Splitter(taken)
    for name, formula in model.equations.items():
        splitter.split(name, formula)
    return replace(problem, model=replace(model, equations=splitter.gates))


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
        if isinstance(formula, Conditional | Comparison):
            return formula
        if isinstance(formula, Sum) and len(formula.terms) > 2:
            first = self._operand(Sum(formula.terms[:-1]))
            return Sum((first, self._term(formula.terms[-1])))
        if isinstance(formula, Sum):
            return Sum(tuple(map(self._term, formula.terms)))
        if isinstance(formula, Product) and len(formula.factors) > 2:
            first = self._operand(Product(formula.factors[:-1]))
            return Product((first, self._operand(formula.factors[-1])))
        return rebuild(formula, self._operand)

    def _term(self, term: Formula) -> Formula:
        """A subtracted term stays subtracted: x − y is one gate."""
        if isinstance(term, Negative):
            return Negative(self._operand(term.operand))
        return self._operand(term)

    def _operand(self, formula: Formula) -> Formula:
        if isinstance(formula, Name | Number) or not children(formula):
            return formula
        if isinstance(formula, Negative) and isinstance(formula.operand, Number):
            return formula
        gate = self._operation(formula)
        name = self._fresh()
        self.gates[name] = gate
        return Name(name)

    def _fresh(self) -> str:
        while True:
            self.count += 1
            name = f"{self.name}{self.count}"
            if self.name[-1].isdigit():
                name = f"{self.name}_{self.count}"
            if name not in self.taken:
                self.taken.add(name)
                return name
