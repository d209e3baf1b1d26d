"""A draw worked out: the values of its sheet, before it becomes a file.

The equations are those of the author's numbers, built once; a try only puts other numbers in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from fractions import Fraction
from functools import cached_property
from typing import Literal, TypeAlias

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.arithmetic import as_float, rounded
from backprop_cli.formula.quantity import sampled
from backprop_cli.graph.batches import Builder
from backprop_cli.graph.step import Graph, Leaf
from backprop_cli.marking.asked import asked, updates_asked
from backprop_cli.problem.model import Problem
from backprop_cli.run.evaluation import (
    clock_value,
    evaluate_steps,
    initial_values,
    leaf_values,
)
from backprop_cli.run.model import Value, Values
from backprop_cli.variants.slips import SlipTable

Arithmetic: TypeAlias = Literal["quick", "exact", "precise"]
"""Floats, to put most draws aside; the arithmetic of the sheet; many digits, where it is close."""

CARRIED_DIGITS = 3
"""A student who carries so many digits must still see every gradient."""
PRECISE_DIGITS = 30


@dataclass(frozen=True)
class Update:
    """One update of a sheet: its equations, their values, and what is asked."""

    graph: Graph
    values: Values
    asked: tuple[str, ...]
    slips: SlipTable
    arithmetic: Arithmetic
    number: int
    rough: Values = field(repr=False)  # what a student who rounds carries into it

    @cached_property
    def by_hand(self) -> Values:
        """The values of a student who rounds each to `CARRIED_DIGITS` digits."""
        carried = {**initial_values(self.graph), **self.rough}
        carried.update(clock_value(self.graph, self.number))
        if self.arithmetic == "precise":
            return _precisely(self.graph, carried, CARRIED_DIGITS)
        return evaluate_steps(self.graph, carried, CARRIED_DIGITS)


class Sheet:
    """The equations of a problem's asked updates."""

    def __init__(self, problem: Problem) -> None:
        builder = Builder(problem)
        graphs = [builder.update(number) for number in range(1, updates_asked(problem) + 1)]
        tables = {id(graph.steps): SlipTable(graph) for graph in graphs}
        self.updates = [
            (graph, tuple(step.name for step in asked(problem, graph)), tables[id(graph.steps)])
            for graph in graphs
        ]
        self.several = problem.sample_count > 1

    def worked_out(
        self, numbers: Mapping[str, Fraction], arithmetic: Arithmetic
    ) -> tuple[Update, ...]:
        """The updates with other numbers; a number that is not drawn stays the author's."""
        found: list[Update] = []
        exact: dict[str, Value | None] = {}
        rough: dict[str, Value | None] = {}
        for number, (graph, names, slips) in enumerate(self.updates, 1):
            own = self._with_numbers(graph, numbers)
            carried = {**initial_values(own), **exact, **clock_value(own, number)}
            match arithmetic:
                case "quick":
                    values: Values = slips.worked_out(leaf_values(own, carried))
                case "exact":
                    values = evaluate_steps(own, carried)
                case "precise":
                    values = _precisely(own, carried)
            found.append(Update(own, values, names, slips, arithmetic, number, rough))
            if number < len(self.updates):
                exact = {old: values[new] for old, new in own.carried.items()}
                by_hand = found[-1].by_hand
                rough = {old: by_hand[new] for old, new in own.carried.items()}
        return tuple(found)

    def _with_numbers(self, graph: Graph, numbers: Mapping[str, Fraction]) -> Graph:
        leaves = tuple(self._leaf(leaf, graph, numbers) for leaf in graph.leaves)
        return replace(graph, leaves=leaves)

    def _leaf(self, leaf: Leaf, graph: Graph, numbers: Mapping[str, Fraction]) -> Leaf:
        name = leaf.name
        if leaf.kind == "constant" and name.rstrip("_") == "eta":
            name = "learning_rate"
        elif self.several and "[" not in name and sampled(name, graph.batch[0]) in numbers:
            name = sampled(name, graph.batch[0])
        value = numbers.get(name)
        return leaf if value is None else replace(leaf, value=value)


def _precisely(graph: Graph, carried: Values, digits: int | None = None) -> Values:
    from backprop_cli.algebra.precise import arithmetic, evaluate_precisely

    on = arithmetic(PRECISE_DIGITS)
    values: dict[str, Value | None] = dict(leaf_values(graph, carried))
    numbers = {name: on.number(value) for name, value in values.items() if value is not None}
    for step in graph.steps:
        value = evaluate_precisely(step.formula, numbers.__getitem__, on)
        if on.mp.isfinite(value):
            exact = Fraction(on.mp.nstr(value, PRECISE_DIGITS))
            if digits is not None and exact != 0:
                exact = Fraction(rounded(exact, digits))
            values[step.name], numbers[step.name] = exact, on.number(exact)
        else:
            values[step.name], numbers[step.name] = as_float(float(value)), value
    return values
