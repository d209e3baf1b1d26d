"""What floating point cannot decide, decided in many digits.

A sum of which rounding has left little, a comparison or a tie between numbers that floating point
cannot tell apart: each is worked out from what is given, with as many digits as it takes. An
ordinary update needs nothing of this, and then mpmath is not even imported.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cached_property

from backprop_cli.algebra.precise import Precise, arithmetic, evaluate_precisely
from backprop_cli.formula.build import names_in
from backprop_cli.formula.nodes import Formula, Sum
from backprop_cli.graph.step import Graph
from backprop_cli.run.model import Value, Values

DIGITS = (50, 100, 200, 400)
"""A value is what two of these in a row agree on; what none agree on is 0 to the last digit."""
AGREEING = 10
CARRIED = 2.0**-42
"""How exact a parameter is that earlier updates have left in floating point."""


class Precisely:
    """The values of one update in many digits, as far as something asks for them."""

    def __init__(self, graph: Graph, values: Values) -> None:
        """`values` may still be filled, top to bottom, while this is asked."""
        self.graph = graph
        self.values = values
        self._known: dict[tuple[int, bool], dict[str, Precise]] = {}

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
        found: set[str] = set()
        waiting = [name for name in wanted if name not in known]
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found.add(name)
            step = self.graph.step.get(name)
            if step is not None and not isinstance(self.values.get(name), Fraction):
                waiting += [own for own in names_in(step.formula) if own not in known]
        leaves = [name for name in found if name not in self.graph.step]
        return [*leaves, *sorted(found.difference(leaves), key=self.graph.place.__getitem__)]


def _finite(value: Precise) -> bool:
    return bool(-math.inf < value < math.inf)
