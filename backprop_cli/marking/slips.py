"""Which known slip explains a wrong number: variants of the step, and of unwritten steps before it.

Slips are looked for in the value itself, never in what the student may have meant.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence, Set
from typing import NamedTuple

from backprop_cli.formula.nodes import Name
from backprop_cli.marking.mistakes import RANK, Slips, related
from backprop_cli.marking.model import Mistake
from backprop_cli.marking.numbers import written_the_same
from backprop_cli.marking.sheet import AnswerKey, Node
from backprop_cli.marking.work import Work

CLOSE = 1e-9
"""Relative difference of two floats that were calculated in different orders."""
MOST_HIDDEN = 12
UNLIKELY = 5.0
MOST_COARSE = 0.02
"""Slips from this rank on are not named for a number that is known to so little."""
MOST_LOOSE = 0.05
MOST_SLACK = 0.005
"""Where own roundings can move a value by more than this, looking values up finds anything."""
NOT_THE_SAME = 2.0  # added where the slip would be written with other digits
LOOSE = 10.0  # added to the rank of a match that needs the allowance of own roundings
HIDDEN = 1.0  # added where the slip sits in a step before the answer
DEEPER = 0.1  # added for each step further away
NOT_WRITTEN = 5.5  # added where that step is asked for: it would have been written
NO_PRODUCT = ("preactivation", "activation", "normalisation", "slope")
"""Where nobody multiplies by one thing too many."""
TRUE_PARENTS = 0.1  # added where only the true values explain it, not the student's own


class Explanation(NamedTuple):
    """A slip that explains an answer, the step it sits in and the value it gave there.

    `fit` compares how far the slip misses the answer with how far the right number does.
    """

    rank: float
    distance: float
    mistake: Mistake
    slot: int
    value: float
    fit: float = 0.0


class SlipFinder:
    """Looks for slips on one sheet; what does not depend on a student is kept."""

    def __init__(self, slips: Slips) -> None:
        self.slips = slips
        self.structure = slips.structure
        self.related = related(self.structure)

    def explain(
        self,
        key: AnswerKey,
        node: Node,
        value: float,
        unit: float,
        works: Sequence[Work],
        confirmed: Set[int] = frozenset(),
        digits: int = 17,
    ) -> Explanation | None:
        """The simplest slip that gives `value` where the right number is another, or None.

        It is not looked for in steps that are `confirmed` to have been done right. Steps that
        were not written may have been rounded to `digits`.
        """
        found: list[Explanation] = []
        for place, work in enumerate(works):
            search = _Search(self, key, work, place * TRUE_PARENTS, digits)
            hidden = work.hidden(node)[:MOST_HIDDEN]
            search.rounded = any(slot not in key.asked for slot in hidden)
            search.at(node, value, unit, 0.0, found)
            for depth, slot in enumerate(hidden):
                if slot in confirmed:
                    continue
                between = self.structure.nodes[slot]
                assert between is not None
                later = HIDDEN + DEEPER * depth
                if slot in key.asked and not isinstance(node.step.formula, Name):
                    later += NOT_WRITTEN
                needed = inverse(work, node, slot, value, unit)
                if needed is not None:
                    search.at(between, *needed, later, found)
                else:
                    search.carried(node, between, value, unit, later, found)
        if not found:
            return None
        best = min(found, key=lambda each: (each.rank, each.distance))
        if best.mistake.code == "wrong-operand" and self._ambiguous(best, found):
            general = "another value of the sheet seems to have been put in for one of its numbers"
            return best._replace(mistake=Mistake("wrong-operand", general))
        return best

    @staticmethod
    def _ambiguous(best: Explanation, found: Sequence[Explanation]) -> bool:
        rivals = {
            e.mistake.message
            for e in found
            if e.mistake.code == "wrong-operand" and e.rank <= best.rank + 0.2
        }
        return len(rivals) > 2

    def structural(self, node: Node, v: Sequence[float]) -> list[float]:
        """What the slips of the step itself would give, operands and stray factors left aside."""
        made = self.slips.of(node)
        return [
            value
            for variant, value in zip(made.variants, made.functions(v), strict=True)
            if variant.mistake.code not in ("wrong-operand", "wrong-activation")
        ]


def inverse(
    work: Work, node: Node, slot: int, value: float, unit: float
) -> tuple[float, float] | None:
    """The value of an unwritten step that makes `node` come to `value`, and its unit.

    None where the node does not depend on it, or not on it alone in a way that can be undone.
    """
    start = work.v[slot]
    at = _through(work, node, slot)
    here = at(start)
    step = max(abs(start), 1e-3)
    slope = (at(start + step) - here) / step
    if not math.isfinite(slope) or slope == 0 or not math.isfinite(here):
        return None
    needed = start + (value - here) / slope
    if abs(at(needed) - value) > 1e-9 * max(abs(value), abs(here)):
        # Not linear: Newton, a few times.
        for _ in range(30):
            here = at(needed)
            width = max(abs(needed), 1e-3) * 1e-6
            slope = (at(needed + width) - here) / width
            if not math.isfinite(slope) or slope == 0:
                return None
            needed -= (here - value) / slope
            if abs(needed) > 1e6 or needed != needed:
                return None
        if abs(at(needed) - value) > max(0.5 * unit, 1e-9 * abs(value)):
            return None
    return needed, unit / abs(slope)


def _through(work: Work, node: Node, slot: int) -> Callable[[float], float]:
    """The value of `node` as a function of that of an unwritten step before it."""
    hidden = sorted(work.hidden(node))
    moved = {slot}
    path = []
    for other in hidden:
        at = work.nodes[other]
        assert at is not None
        if other != slot and not moved.isdisjoint(at.needs):
            moved.add(other)
            path.append((other, at.function))
    v = list(work.v)

    def at_value(x: float) -> float:
        v[slot] = x
        for other, function in path:
            v[other] = function(v)
        return node.function(v)

    return at_value


class _Search:
    def __init__(
        self, finder: SlipFinder, key: AnswerKey, work: Work, later: float, digits: int
    ) -> None:
        self.finder = finder
        self.digits = digits
        self.rounded = False  # whether there are steps that may have been rounded unseen
        self.key = key
        self.work = work
        self.later = later
        self._sorted: list[tuple[float, int]] | None = None

    def at(
        self, node: Node, value: float, unit: float, later: float, found: list[Explanation]
    ) -> None:
        """Slips in this step that make it come to `value`."""
        work = self.work
        work.settle(node.needs)
        right, spread = work.value(node)
        if not math.isfinite(right):
            return
        if self.rounded and self.digits < 17:
            spread = max(spread, work.widened(node, self.digits))
        scale = abs(right - work.v[node.base]) if node.base >= 0 else abs(right)
        apart = max(0.5 * unit, self.key.tolerance * scale)
        near = unit * 1.001 + CLOSE * abs(value)
        # What own roundings on the way can move a value by, in proportion.
        slack = spread / abs(right) if right else 0.0
        if self.rounded and self.digits < 17:
            slack = max(slack, 5 * 10.0 ** (1 - self.digits))
        slack = min(slack, MOST_LOOSE)
        loose = near + min(slack, MOST_SLACK) * abs(value)
        if abs(value - right) <= apart:
            return
        later += self.later
        self._variants(node, value, unit, near, apart, slack, right, later, found)
        self._decimal(node, value, near, right, later, found)
        self._decimal(node, value, loose, right, later + LOOSE, found)
        for width, rank in ((near, later), (loose, later + LOOSE)):
            if width <= 0.1 * abs(value):
                self._operands(node, value, width, apart, right, rank, found)
            if width <= 0.03 * abs(value):
                self._extra_factor(node, value, width, apart, right, rank, found)
            if slack > MOST_SLACK:
                break

    def carried(
        self,
        node: Node,
        between: Node,
        value: float,
        unit: float,
        later: float,
        found: list[Explanation],
    ) -> None:
        """Slips in a step before that cannot be calculated back to (a unit that is off): each is
        carried on to the answer instead."""
        self.work.settle(node.needs)
        right = self.work.value(node)[0]
        through = _through(self.work, node, between.slot)
        made = self.finder.slips.of(between)
        self.work.settle(made.needs)
        near = unit * 1.001 + CLOSE * abs(value)
        apart = max(unit, self.key.tolerance * abs(right))
        for variant, other in zip(made.variants, made.functions(self.work.v), strict=True):
            result = through(other)
            if abs(value - result) <= near and abs(result - right) > apart:
                rank = variant.rank + later + self.later
                found.append(
                    Explanation(rank, abs(value - result), variant.mistake, between.slot, other)
                )

    def _variants(
        self,
        node: Node,
        value: float,
        unit: float,
        near: float,
        apart: float,
        slack: float,
        right: float,
        later: float,
        found: list[Explanation],
    ) -> None:
        made = self.finder.slips.of(node)
        self.work.settle(made.needs)
        for variant, other in zip(made.variants, made.functions(self.work.v), strict=True):
            distance = abs(value - other)
            if variant.rank >= UNLIKELY and near > MOST_COARSE * abs(value):
                continue
            if distance <= near:
                loose = 0.0 if written_the_same(value, unit, other) else NOT_THE_SAME
            elif slack and distance <= near + slack * abs(other):
                loose = LOOSE
            else:
                continue
            if abs(other - right) > apart:
                rank = variant.rank + later + loose
                fit = distance / abs(value - right)
                found.append(Explanation(rank, distance, variant.mistake, node.slot, other, fit))

    def _decimal(
        self,
        node: Node,
        value: float,
        near: float,
        right: float,
        later: float,
        found: list[Explanation],
    ) -> None:
        if right == 0 or value == 0:
            return
        ratio = value / right
        if not 1e-6 < ratio < 1e6:
            return
        power = round(math.log10(ratio))
        if power == 0 or abs(value - right * 10.0**power) > near:
            return
        places = "one place" if abs(power) == 1 else f"{abs(power)} places"
        side = "right" if power > 0 else "left"
        message = (
            f"the digits are right, but the decimal point stands {places} too far to the {side}"
        )
        mistake = Mistake("decimal-slip", message)
        found.append(Explanation(RANK["decimal-slip"] + later, 0.0, mistake, node.slot, value))

    # Operands and factors: the value that would have been needed is looked up among all values.

    @property
    def sorted(self) -> list[tuple[float, int]]:
        if self._sorted is None:
            v, known = self.work.v, self.work.known
            self._sorted = sorted(
                (v[slot], slot) for slot in range(len(v)) if known[slot] and v[slot] == v[slot]
            )
        return self._sorted

    def _lookup(self, value: float, width: float) -> list[int]:
        values = self.sorted
        start = bisect_left(values, (value - width, -1))
        found: list[int] = []
        for at in range(start, len(values)):
            if values[at][0] > value + width or len(found) > 200:
                break
            found.append(values[at][1])
        return found

    def _operands(
        self,
        node: Node,
        value: float,
        near: float,
        apart: float,
        right: float,
        later: float,
        found: list[Explanation],
    ) -> None:
        v = self.work.v
        function = node.function
        names = self.finder.structure.names
        for parent in node.parents:
            if parent == node.base:
                continue
            old = v[parent]
            step = abs(old) or 1.0
            v[parent] = old + step
            once = function(v) - right
            v[parent] = old - step
            back = right - function(v)
            v[parent] = old
            if once == 0 or not math.isfinite(once) or not math.isfinite(back):
                continue
            if abs(once - back) > 1e-9 * abs(once):
                self._substituted(node, parent, value, near, apart, right, later, found)
                continue
            slope = once / step
            needed = old + (value - right) / slope
            width = near / abs(slope) + CLOSE * max(abs(needed), abs(old))
            for other in self._lookup(needed, width):
                affinity = self._affinity(node, parent, other)
                if affinity is None or (affinity > 0.3 and width > 0.02 * abs(needed)):
                    continue
                message = f"{names[other]} was used where {names[parent]} belongs"
                rank = RANK["wrong-operand"] + affinity + later
                distance = abs(v[other] - needed) / (abs(needed) or 1.0)
                found.append(
                    Explanation(rank, distance, Mistake("wrong-operand", message), node.slot, value)
                )

    def _substituted(
        self,
        node: Node,
        parent: int,
        value: float,
        near: float,
        apart: float,
        right: float,
        later: float,
        found: list[Explanation],
    ) -> None:
        v = self.work.v
        old = v[parent]
        names = self.finder.structure.names
        for other_value, other in self.sorted:
            affinity = self._affinity(node, parent, other)
            if affinity is None or affinity > 0.5:
                continue
            v[parent] = other_value
            result = node.function(v)
            v[parent] = old
            if abs(result - value) <= near and abs(result - right) > apart:
                message = f"{names[other]} was used where {names[parent]} belongs"
                rank = RANK["wrong-operand"] + affinity + later
                found.append(
                    Explanation(
                        rank,
                        abs(result - value),
                        Mistake("wrong-operand", message),
                        node.slot,
                        value,
                    )
                )

    def _affinity(self, node: Node, parent: int, other: int) -> float | None:
        """How likely one quantity is taken for another: 0 a neighbour of the same kind, 1 any
        other; None for what cannot be."""
        structure = self.finder.structure
        if other in (parent, node.slot):
            return None
        sample = node.step.sample
        first, second = structure.nodes[parent], structure.nodes[other]
        if first is not None and first.step.section == "update":
            # Nothing of the network is taken for the factor of a clip or an optimizer's state.
            same = second is not None and first.step.kind == second.step.kind
            return 0.0 if same else None
        if (first is None) != (second is None):
            return self._other_kind(other, sample)
        if first is not None and second is not None:
            if sample is not None and second.step.sample not in (None, sample):
                return None
            same = first.step.kind == second.step.kind
            return 0.0 if same else self._other_kind(other, sample)
        mine = structure.graph.leaves[parent]
        its = structure.graph.leaves[other]
        if mine.kind == its.kind:
            if mine.kind == "input" and sample is not None and its.sample not in (None, sample):
                return 0.4
            return 0.0
        return self._other_kind(other, sample)

    def _other_kind(self, other: int, sample: int | None) -> float | None:
        structure = self.finder.structure
        node = structure.nodes[other]
        its = node.step.sample if node is not None else structure.graph.leaves[other].sample
        if its is not None and sample is not None and its != sample:
            return None
        if node is not None and node.step.section in ("update", "gradient"):
            return None
        return 1.0

    def _extra_factor(
        self,
        node: Node,
        value: float,
        near: float,
        apart: float,
        right: float,
        later: float,
        found: list[Explanation],
    ) -> None:
        step = node.step
        if right == 0 or step.section in ("update", "loss") or step.kind in NO_PRODUCT:
            return
        v = self.work.v
        names = self.finder.structure.names
        for other in self.finder.related(node):
            if not self.work.known[other]:
                continue
            result = right * v[other]
            if abs(result - value) <= near and abs(result - right) > apart:
                message = f"the factor {names[other]} does not belong here"
                found.append(
                    Explanation(
                        RANK["extra-factor"] + later,
                        abs(result - value),
                        Mistake("extra-factor", message),
                        node.slot,
                        value,
                    )
                )
