"""What floating point cannot decide, decided in many digits.

A sum of which rounding has left little, a comparison or a tie between numbers that floating point
cannot tell apart, a gradient that comes to 0/0 or 0·∞ step by step: each is worked out from what is
given, with as many digits as it takes. An ordinary update needs nothing of this, and then mpmath
is not even imported.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cached_property

from backprop_cli.algebra.precise import (
    Precise,
    Sides,
    arithmetic,
    evaluate_precisely,
    one_sided_slopes,
    to_fraction,
)
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import names_in, reached
from backprop_cli.formula.evaluate import as_float, evaluate, known_in
from backprop_cli.formula.nodes import Formula, Name, Sum
from backprop_cli.graph.step import Graph, Step
from backprop_cli.graph.whole import Asked, Definitions, Forward, differentiated, forward_pass
from backprop_cli.run.model import Value, Values

DIGITS = (50, 100, 200, 400)
"""A value is what two of these in a row agree on; what none agree on is 0 to the last digit."""
AGREEING = 10
CARRIED = 2.0**-42
"""How exact a parameter is that earlier updates have left in floating point."""


SAME = 1e-12
"""Slopes from the left and from the right that differ by less are one."""
WORK = 20_000
"""So many formulas are evaluated for the singular gradients of one update, no more."""


@dataclass(frozen=True)
class Singular:
    """A derivative that comes to no number step by step, decided by what it is the derivative of.

    `value` is the derivative of `output` as a function of `variable` alone, None where it has
    none; `sides` are its slopes from the left and from the right, None where that is open.
    """

    name: str
    output: str
    variable: str
    value: float | None
    sides: Sides | None

    @property
    def at_an_edge(self) -> bool:
        """Whether the function is defined on one side only."""
        return self.sides is not None and (
            self.sides.left != self.sides.left or self.sides.right != self.sides.right
        )

    @property
    def why(self) -> str:
        """What keeps the function from having a derivative."""
        if self.sides is None or self.sides.left is None or self.sides.right is None:
            return "has difference quotients that come to nothing"
        left, right = self.sides.left, self.sides.right
        if left != left and right != right:
            return "is not defined on either side"
        if math.isinf(left) or math.isinf(right):
            return "is infinitely steep"
        return f"has the slope {_written(left)} on the left and {_written(right)} on the right"


def _written(slope: float) -> str:
    return f"{slope:.4g}".replace("-", "−")


class Precisely:
    """The values of one update in many digits, as far as something asks for them."""

    def __init__(self, graph: Graph, values: Values) -> None:
        """`values` may still be filled, top to bottom, while this is asked."""
        self.graph = graph
        self.values = values
        self._known: dict[tuple[int, bool], dict[str, Precise]] = {}
        self._work = WORK

    def again(self, terms: Sum, rounded: float) -> Value:
        """The value of a sum of which floating point has left `rounded`; exactly 0 if it is."""
        before = self._evaluate(terms, DIGITS[0])
        for digits in DIGITS[1:]:
            value = self._evaluate(terms, digits)
            if not _finite(value) or not _finite(before):
                return rounded
            if 0 != abs(value) >= abs(value - before) * 10**AGREEING:
                return Fraction(0) if self._is_noise(terms, value) else float(value)
            before = value
        return Fraction(0)

    def value(self, name: str) -> Value:
        """The value of a name to many more digits than a float has, as a fraction."""
        value = self._evaluate(Name(name), DIGITS[0])
        return to_fraction(value) if _finite(value) else as_float(self.values[name] or 0)

    def _is_noise(self, terms: Sum, value: Precise) -> bool:
        """Whether the last bits of what earlier updates have left decide a sum."""
        if not self._inexact:
            return False
        other = self._evaluate(terms, DIGITS[0], disturbed=True)
        return bool(abs(other - value) >= abs(value) / 2)

    @cached_property
    def _inexact(self) -> Mapping[str, float]:
        """What was carried into this update as a float, and by how much each is disturbed."""
        carried = [
            leaf.name
            for leaf in self.graph.leaves
            if isinstance(value := self.values[leaf.name], float) and value != leaf.value
        ]
        return {name: CARRIED * (index * 7 % 11 - 5.5) for index, name in enumerate(carried)}

    def _evaluate(self, formula: Formula, digits: int, *, disturbed: bool = False) -> Precise:
        on = arithmetic(digits)
        known = self._known.setdefault((digits, disturbed), {})
        for name in self._missing(names_in(formula), known):
            value = self.values.get(name)
            step = self.graph.step.get(name)
            if step is None or isinstance(value, Fraction):
                assert value is not None
                known[name] = on.number(value)
                if disturbed and name in self._inexact:
                    known[name] *= 1 + on.number(self._inexact[name])
            else:
                known[name] = evaluate_precisely(step.formula, known.__getitem__, on)
        return evaluate_precisely(formula, known.__getitem__, on)

    def _missing(self, wanted: Iterable[str], known: Mapping[str, Precise]) -> list[str]:
        """The names that have to be worked out first, in order of calculation."""

        def needed(name: str) -> list[str]:
            step = self.graph.step.get(name)
            given = step is None or isinstance(self.values.get(name), Fraction)
            return [] if step is None or given else unknown(names_in(step.formula))

        def unknown(names: Iterable[str]) -> list[str]:
            return [name for name in names if name not in known]

        found = reached(unknown(wanted), needed)
        leaves = [name for name in found if name not in self.graph.step]
        steps = [name for name in found if name in self.graph.step]
        return [*leaves, *sorted(steps, key=self.graph.place.__getitem__)]

    # Derivatives

    def derivative(self, step: Step) -> Singular | None:
        """The derivative that a step is meant to be; None where that is not for this to say: the
        function itself is not finite, or its slope is out of range."""
        found = self._function(step)
        if found is None:
            return None
        output, variable, definitions = found
        result = self.values.get(output, self.values.get(self.graph.output))
        if result is None or not math.isfinite(as_float(result)):
            return None
        known = {name: value for name, value in self.values.items() if value is not None}
        if self._work <= 0:
            return Singular(step.name, output, variable, None, None)
        sides, work = one_sided_slopes(definitions, output, variable, known)
        self._work -= work
        return Singular(step.name, output, variable, _agreed(sides), sides)

    def _function(self, step: Step) -> tuple[str, str, Definitions] | None:
        if step.kind == "slope":
            child = self.graph.step[step.of or ""]
            return child.name, self._parents[step.name], [(child.name, child.formula)]
        gradient = self._asked.get(step.name)
        if gradient is None:
            return None
        return gradient.output, gradient.variable, self._forward.definitions

    @cached_property
    def _forward(self) -> Forward:
        return forward_pass(self.graph, saturated=False)

    @cached_property
    def _asked(self) -> Mapping[str, Asked]:
        return differentiated(self.graph)

    @cached_property
    def _parents(self) -> Mapping[str, str]:
        """What each slope is by: the name that its step is differentiated by."""
        links = (link for step in self.graph.steps for link in step.links)
        return {link.slope: link.parent for link in links if link.slope is not None}


def _agreed(sides: Sides) -> float | None:
    """The derivative, if both sides have the same; at the edge of a domain that of the inside."""
    known = [side for side in (sides.left, sides.right) if side is None or side == side]
    if not known or any(side is None or math.isinf(side) for side in known):
        return None
    numbers = [side for side in known if side is not None]
    apart = max(numbers) - min(numbers)
    return numbers[-1] if apart <= SAME * max(map(abs, numbers)) else None


def _finite(value: Precise) -> bool:
    return bool(-math.inf < value < math.inf)


def is_derivative(step: Step) -> bool:
    """Whether a step is a derivative, local or of the loss."""
    return step.section in ("backward", "gradient")


def singularities(graph: Graph, values: Values) -> Mapping[str, Singular]:
    """The derivatives of an update that come to no number step by step."""
    precisely = Precisely(graph, values)
    unbounded = {
        name
        for name, value in values.items()
        if value is not None and not math.isfinite(as_float(value))
    }

    found = {}
    for step in graph.section("backward", "gradient"):
        if values.get(step.name) is None:
            continue
        # What is finite throughout is a number; a slope can come to one by itself.
        alone = step.kind == "slope" or any(link.upstream is None for link in step.links)
        mentioned = unbounded and (
            step.name in unbounded or not unbounded.isdisjoint(names_in(step.formula))
        )
        if not alone and not mentioned:
            continue
        if math.isfinite(as_float(evaluate(step.numeric or step.formula, known_in(values)))):
            continue
        if (singular := precisely.derivative(step)) is not None:
            found[step.name] = singular
    return found
