"""One update's sheet made ready for marking: true values, definitions as functions, allowances.

Everything that does not depend on a student is computed here, once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from backprop_cli.formula.build import children, names_in
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)
from backprop_cli.graph.step import Graph, Step
from backprop_cli.marking.asked import asked, points_of
from backprop_cli.marking.compiled import Function, compile_formula
from backprop_cli.marking.kept import grouped, kept
from backprop_cli.marking.numbers import Written, divides, is_short
from backprop_cli.problem.model import Problem
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.run import Iteration

if TYPE_CHECKING:
    from backprop_cli.marking.names import AnswerNames

NAN = math.nan
NOISE = 1e-13
"""A float this small beside the terms it was summed from is 0 with rounding noise."""
WHOLE = frozenset({"relu", "leaky_relu", "identity", "max", "min", "abs", "sign", "step"})
"""Functions that make no new decimals of short ones, with or without a prime."""


class Node:
    """A step as marking sees it: where it stands, what it needs, how it is calculated."""

    def __init__(self, step: Step, slots: dict[str, int]) -> None:
        self.step = step
        self.slots = slots
        self.slot = slots[step.name]
        self.formulas: tuple[Formula, ...] = (step.formula,)
        if step.product is not None:
            self.formulas += (step.product,)
        self.parents = tuple(slots[name] for name in names_in(step.formula))
        deeper = () if step.numeric is None else names_in(step.numeric)
        self.needs = tuple(dict.fromkeys((*self.parents, *map(slots.__getitem__, deeper))))
        self.factors = tuple(slots[name] for name in _factors(step.formula))
        # An update is judged by the size of its change, so by the distance from the old value.
        self.base = slots[step.of] if step.kind == "update" and step.of in slots else -1
        self.bounds = _bounds(step)
        self.polynomial = _is_polynomial(step.formula)

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def reached(self) -> Iterator[int]:
        """What any of the accepted definitions needs."""
        return (self.slots[name] for formula in self.formulas for name in names_in(formula))

    @cached_property
    def function(self) -> Function:
        """The definition as written; the form for extremes where that is not finite."""
        written = compile_formula(self.step.formula, self.slots)
        if self.step.numeric is None:
            return written
        return _finite_of(written, compile_formula(self.step.numeric, self.slots))

    @cached_property
    def definitions(self) -> Sequence[tuple[Function, Sequence[int]]]:
        """All that is accepted as the definition, with the slots it needs."""
        slots = self.slots
        others = (
            (compile_formula(formula, slots), [slots[name] for name in names_in(formula)])
            for formula in self.formulas[1:]
        )
        return ((self.function, self.parents), *others)


def _finite_of(written: Function, numeric: Function) -> Function:
    def function(v: Sequence[float]) -> float:
        value = written(v)
        return value if math.isfinite(value) else numeric(v)

    return function


def _is_polynomial(formula: Formula) -> bool:
    """Whether short decimals give short decimals: sums, products, powers, `max` and the like."""
    match formula:
        case Number() | Name():
            return True
        case Sum(parts) | Product(parts):
            return all(map(_is_polynomial, parts))
        case Quotient(above, Number()):
            return _is_polynomial(above)
        case Negative(operand):
            return _is_polynomial(operand)
        case Power(base, Number() as exponent):
            return exponent.value in (0, 1, 2, 3, 4) and _is_polynomial(base)
        case Call(function, arguments):
            return function.rstrip("'") in WHOLE and all(map(_is_polynomial, arguments))
        case Comparison(left, _, right):
            return _is_polynomial(left) and _is_polynomial(right)
        case Conditional(condition, then, otherwise):
            return all(map(_is_polynomial, (condition, then, otherwise)))
        case _:
            return False


def _factors(formula: Formula) -> set[str]:
    """The names that are multiplied with something in a formula."""
    found: set[str] = set()
    waiting = [formula]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Product):
            found.update(factor.name for factor in part.factors if isinstance(factor, Name))
        waiting.extend(children(part))
    return found


def _largest_term(node: Node, v: Sequence[float]) -> float:
    formula = node.step.formula
    if not isinstance(formula, Sum):
        return 0.0
    values = (as_float(evaluate(term, lambda name: v[node.slots[name]])) for term in formula.terms)
    return max((abs(value) for value in values if math.isfinite(value)), default=0.0)


def _bounds(step: Step) -> tuple[float, float] | None:
    """What an activation can come to, or None where it can be anything."""
    if step.kind != "activation" or step.rule is None or step.rule not in ACTIVATIONS:
        return None
    row = ACTIVATIONS[step.rule]
    low = -math.inf if row.low is None else float(row.low.value)
    high = math.inf if row.high is None else float(row.high.value)
    return None if (low, high) == (-math.inf, math.inf) else (low, high)


class Structure:
    """The equations of a sheet, shared by all updates that have the same ones.

    Slots count leaves first, then steps in the order of the sheet.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        names = [leaf.name for leaf in graph.leaves] + [step.name for step in graph.steps]
        self.names = names
        self.slots = {name: place for place, name in enumerate(names)}
        self.leaves = len(graph.leaves)
        self.nodes: list[Node | None] = [None] * self.leaves
        self.nodes += [Node(step, self.slots) for step in graph.steps]

    @cached_property
    def steps(self) -> list[Node]:
        return [node for node in self.nodes if node is not None]

    @cached_property
    def users(self) -> dict[int, list[int]]:
        """The slots of the steps that mention a slot."""
        return grouped((parent, node.slot) for node in self.steps for parent in node.parents)

    @kept
    def later(self, slot: int) -> frozenset[int]:
        """The quantity and all that is calculated from it."""
        found, waiting = {slot}, [slot]
        for each in waiting:
            fresh = [user for user in self.users.get(each, ()) if user not in found]
            found.update(fresh)
            waiting += fresh
        return frozenset(found)


def step_at(nodes: Sequence[Node | None], slot: int) -> Node:
    """The step in a slot that is known not to be a given quantity's."""
    node = nodes[slot]
    assert node is not None
    return node


def walk(
    nodes: Sequence[Node | None],
    starts: Iterable[int],
    known: Callable[[int], object] = lambda slot: False,
) -> list[Node]:
    """These steps and those that they rest on, each after what it needs. What stands behind a
    number that is `known` is left out, and so is that, but for where the walk starts."""
    order: list[Node] = []
    seen: set[int] = set()
    waiting = [(slot, False) for slot in starts][::-1]
    while waiting:
        slot, ready = waiting.pop()
        node = nodes[slot]
        if ready and node is not None:
            order.append(node)
        elif node is not None and slot not in seen:
            seen.add(slot)
            waiting.append((slot, True))
            waiting += [
                (need, False) for need in node.needs if need not in seen and not known(need)
            ]
    return order


class AnswerKey:
    """The true values of one update and what an answer may be off by."""

    def __init__(
        self, problem: Problem, structure: Structure, iteration: Iteration, tolerance: float
    ) -> None:
        self.number = iteration.number
        self.structure = structure
        self.graph = iteration.graph
        self.tolerance = tolerance
        values = iteration.values
        self.truth: list[float] = []
        for name in structure.names:
            value = values.get(name)
            self.truth.append(NAN if value is None else as_float(value))
        self.symbolic = any(values.get(step.name) is None for step in structure.graph.steps)
        self.scale = [abs(value) for value in self.truth]
        for node in structure.steps:
            if node.base >= 0:
                self.scale[node.slot] = abs(self.truth[node.slot] - self.truth[node.base])
            elif self._is_noise(node):
                self.truth[node.slot] = 0.0
                self.scale[node.slot] = 0.0
        # A share of infinity is infinite: where there is no number nothing is near it.
        self.scale = [scale if math.isfinite(scale) else 0.0 for scale in self.scale]
        # What is a short decimal all the way from the given numbers: nothing has to be rounded.
        self.short = [is_short(value) for value in self.truth]
        for node in structure.steps:
            self.short[node.slot] &= node.polynomial and all(
                self.short[parent] for parent in node.parents
            )
        # Where values are short nothing is within the tolerance but the value itself.
        self.margin = [
            0.0 if short else tolerance * scale
            for scale, short in zip(self.scale, self.short, strict=True)
        ]
        self.asked: dict[int, float] = {}
        if iteration.values:
            for step in asked(problem, structure.graph, values):
                self.asked[structure.slots[step.name]] = points_of(
                    problem.marking, step, iteration.graph
                )

    def room(self, slot: int, written: Written) -> float:
        """How far the number carried on may be from the one written: nothing is rounded off where
        the right number has no more digits than the one written, but off what stands for a
        constant: that was calculated otherwise."""
        node = self.structure.nodes[slot]
        if node is not None and not node.parents and written.value != self.truth[slot]:
            return written.unit
        nothing = not written.value and not self.truth[slot]
        whole = self.short[slot] and divides(written.last, self.truth[slot])
        return 0.0 if nothing or whole else written.unit

    @cached_property
    def terms(self) -> list[float]:
        """How large the terms are that a number is summed from: what a machine rounds to."""
        found = [abs(value) for value in self.truth]
        for node in self.structure.steps:
            found[node.slot] = max(found[node.slot], _largest_term(node, self.truth))
        return found

    def _is_noise(self, node: Node) -> bool:
        value = self.truth[node.slot]
        if value == 0 or not abs(value) < 1e-9:
            return False
        largest = max((abs(self.truth[parent]) for parent in node.parents), default=0.0)
        formula = node.step.formula
        return isinstance(formula, Sum) and abs(value) < NOISE * largest

    @cached_property
    def names(self) -> AnswerNames:
        # Whoever draws a student's numbers reads no answers.
        from backprop_cli.marking.names import AnswerNames

        return AnswerNames(self.graph)
