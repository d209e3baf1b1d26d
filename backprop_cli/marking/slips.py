"""Which known slip explains a wrong number: variants of the step, and of unwritten steps before it.

Slips are looked for in the value itself, never in what the student may have meant. One is named
only where chance does not explain the fit: what is at least as simple is counted, at the density
it has near the number.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import NamedTuple, TypeAlias

from backprop_cli.formula.build import names_in
from backprop_cli.formula.nodes import Name, Quotient
from backprop_cli.formula.quantity import fraction
from backprop_cli.graph.step import Kind, LeafKind, Section, Step
from backprop_cli.marking.kept import grouped, kept
from backprop_cli.marking.mistakes import OF_BATCH, Idea, Slips
from backprop_cli.marking.model import Mistake
from backprop_cli.marking.numbers import Written, written_the_same
from backprop_cli.marking.ranks import LATER, RANK, SIMPLE
from backprop_cli.marking.sheet import AnswerKey, Node, step_at
from backprop_cli.marking.work import Habit, Work

CLOSE = 1e-9
"""Relative difference of two floats that were calculated in different orders."""
MOST_HIDDEN = 12
CHANCE = 0.05
"""What fits by accident this often is no evidence."""
ABOUT = 3.0
"""Candidates within this factor of a number are as likely to hit it as the one that does."""
WINDOW = 0.5
"""The part of a unit in which a candidate about the number hits it, rounded or cut off."""
EMPTY = 0.3
"""A 0 fits a slip that gives 0 this often by accident, where other gradients are right."""
MOST_SEARCHES = 50
"""Steps that are searched for one submission besides those with a number of their own."""
NEIGHBOUR = 0.5
"""So near are quantities that are tried one by one where nothing can be calculated back."""
POINTS = 2
"""A slip that gives an expression's value at so many random points gives the expression."""
EXACT = 1e-8
FAR = 2  # a slip so many steps away
NEAR_RIGHT = 0.03  # is no evidence this near to the right value
SURE = 6  # unless it gives so many digits
MOST_LOOSE = 0.05
GRADIENTS = ("upstream", "gradient", "batch_gradient", "penalty")
NO_PRODUCT = ("preactivation", "activation", "normalisation", "slope")
"""Where nobody multiplies by one thing too many."""


Slip: TypeAlias = tuple[Mistake, Idea | None]


class Explanation(NamedTuple):
    """A slip that explains an answer, the step it sits in and the value it gave there.

    `simple` is the rank without what the match itself adds to it, `near` how far off a match
    as good as this one may be in parts of the number, `fit` how far this one is in parts of what the right number is.
    `chance` is how often something at least as simple would fit by accident.
    """

    rank: float
    distance: float
    mistake: Mistake
    slot: int
    value: float
    idea: Idea | None = None
    simple: float = 0.0
    near: float = 0.0
    fit: float = 0.0
    chance: float = 0.0


class Budget:
    """How many steps may still be searched in one submission, beyond those that were written.

    It is counted, not timed: the same answers get the same marks.
    """

    def __init__(self, left: int = MOST_SEARCHES) -> None:
        self.left = left

    def spend(self) -> bool:
        if self.left:
            self.left -= 1
            return True
        return False


class Place(NamedTuple):
    """What a quantity is, given or worked out."""

    kind: LeafKind | Kind
    section: Section
    sample: int | None


class SlipFinder:
    """Looks for slips on one sheet; what does not depend on a student is kept."""

    def __init__(self, slips: Slips) -> None:
        self.slips = slips
        self.structure = slips.structure
        graph = self.structure.graph
        given = (Place(leaf.kind, "given", leaf.sample) for leaf in graph.leaves)
        steps = (Place(step.kind, step.section, step.sample) for step in graph.steps)
        self.places: Sequence[Place] = (*given, *steps)

    @kept
    def strays(self, node: Node) -> Sequence[tuple[int, Slip]]:
        """The quantities that may stand as a factor too many in a step."""
        rows = []
        for other in self._near(node):
            kind = self.places[other].kind
            message = f"the factor {self.structure.names[other]} does not belong here"
            # To multiply by any gradient of many is no idea.
            known = kind not in GRADIENTS
            idea = Idea("extra-factor", f"{node.step.kind} {kind}") if known else None
            rows.append((other, (Mistake("extra-factor", message), idea)))
        return rows

    def _near(self, node: Node) -> Sequence[int]:
        """The quantities near a step: those a stray factor is likely to be."""
        graph, step = self.structure.graph, node.step
        found: dict[str, None] = {}
        subject = step.of or (fraction(step.name) or ("", ""))[1]
        marks = self._samples if step.sample is None else {step.sample}
        others = {name: graph.step[name] for name in names_in(step.formula) if name in graph.step}
        for mark in {*marks, None}:
            for shared in (subject, *([] if step.unit is None else [step.unit])):
                others.update((other.name, other) for other in self._beside.get((shared, mark), ()))
        for other in sorted(others.values(), key=lambda other: graph.place[other.name]):
            if other.sample is None or other.sample in marks:
                found.update(dict.fromkeys((*names_in(other.formula), other.name)))
        found.update((leaf.name, None) for leaf in graph.leaves if leaf.kind == "constant")
        found.pop(step.name, None)
        slots = (self.structure.slots[name] for name in found if name in self.structure.slots)
        # What the update only works out later (the factor of a clip) cannot have strayed in.
        return [slot for slot in slots if self.places[slot].section != "update"]

    @cached_property
    def _samples(self) -> Set[int | None]:
        return {step.sample for step in self.structure.graph.steps}

    @cached_property
    def _beside(self) -> Mapping[tuple[object, int | None], Sequence[Step]]:
        """The steps by their unit and by what each is calculated from, and by their sample."""
        return grouped(
            ((shared, step.sample), step)
            for step in self.structure.graph.steps
            for shared in (step.unit, *names_in(step.formula))
        )

    @kept
    def neighbours(self, node: Node, parent: int) -> Sequence[tuple[int, float]]:
        """The quantities that are easily taken for a parent of a step."""
        others = self.of_kind(self.places[parent].kind, None)
        found = ((other, self.affinity(node, parent, other)) for other in others)
        return [(other, far) for other, far in found if far is not None and far <= NEIGHBOUR]

    @kept
    def of_kind(self, kind: str, sample: int | None) -> Sequence[int]:
        """The quantities of a kind, in a sample."""
        return [
            slot
            for slot, place in enumerate(self.places)
            if place.kind == kind and (sample is None or place.sample in (None, sample))
        ]

    def affinity(self, node: Node, parent: int, other: int) -> float | None:
        """How likely one quantity is taken for another: 0 a neighbour of the same kind, 1 any
        other; None for what cannot be."""
        mine, its, sample = self.places[parent], self.places[other], node.step.sample
        leaves = self.structure.leaves
        same = mine.kind == its.kind and (parent < leaves) == (other < leaves)
        if other in (parent, node.slot) or (mine.section == "update" and not same):
            return None  # nothing of the network is taken for an optimizer's state
        if sample is not None and its.sample not in (None, sample):
            return LATER["other sample"] if same and its.section == "given" else None
        if same:
            return 0.0
        return None if its.section in ("update", "gradient") else LATER["other kind"]

    def explain(
        self,
        key: AnswerKey,
        node: Node,
        given: Written,
        works: Sequence[Work],
        confirmed: Set[int],
        habit: Habit,
        budget: Budget,
    ) -> tuple[list[Explanation], frozenset[Idea]]:
        """The slips that give this number where the right one is another, the simplest first;
        and the ideas that give any number there.

        They are not looked for in steps that are `confirmed` to have been done right. Steps that
        were not written may have been rounded by the student's `habit`.
        """
        if key.short[node.slot]:
            given = given._replace(unit=given.last)  # the zeros of a whole number are digits
        found: list[Explanation] = []
        tried: set[Idea] = set()
        for place, work in enumerate(works):
            if place and not budget.left:
                break
            search = _Search(self, key, work, place * LATER["true parents"], habit, budget)
            search.everywhere(node, given, confirmed)
            found += search.rated()
            tried |= search.tried
        return sorted(found, key=lambda each: (each.rank, each.distance)), frozenset(tried)

    def explain_values(
        self,
        key: AnswerKey,
        node: Node,
        values: Sequence[float],
        points: Sequence[list[float]],
        budget: Budget,
    ) -> Explanation | None:
        """The simplest slip that gives these values of an expression, one at each point."""
        agreed: dict[tuple[int, Mistake], Explanation] | None = None
        looked = 0
        for value, v in zip(reversed(values), reversed(points), strict=True):
            right = node.function(v)
            if not math.isfinite(value) or not value or not math.isfinite(right) or value == right:
                continue
            work = Work(key)
            work.v, work.known = list(v), bytearray(b"\1" * len(v))
            search = _Search(self, key, work, 0.0, Habit(17), budget)
            search.paper = True
            search.everywhere(node, Written(value, EXACT * abs(value), 17, 17), frozenset())
            found = {(each.slot, each.mistake): each for each in search.found}
            agreed = {place: each for place, each in (agreed or found).items() if place in found}
            looked += 1
            if looked == POINTS or not agreed:
                break
        return min(agreed.values(), key=lambda each: each.rank) if agreed else None

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
        at = step_at(work.nodes, other)
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
    """The search for one number among one student's values."""

    def __init__(
        self,
        finder: SlipFinder,
        key: AnswerKey,
        work: Work,
        later: float,
        habit: Habit,
        budget: Budget,
    ) -> None:
        self.budget = budget
        self.rounded = True  # whether steps on the way were rounded that are not written
        self.slack = 0.0  # what roundings on the way can move the number by, in parts of it
        self.finder = finder
        self.habit = habit
        self.key = key
        self.work = work
        self.later = later
        self.found: list[Explanation] = []
        self.trials: list[tuple[float, float]] = []  # numbers that candidates give, their ranks
        self.lookups: list[_Lookup] = []
        self.tried: set[Idea] = set()
        self.empty = False  # whether the number is a bare 0
        self.paper = False  # whether everything stands on the paper, as names do
        self.whole = False  # whether numbers are short here, so that one fits in all its digits

    def everywhere(self, node: Node, given: Written, confirmed: Set[int]) -> None:
        """Slips in the step itself, and in the unwritten steps that it is reached through."""
        value, unit = given.value, given.unit if given.digits else 0.0
        self.whole = self.key.short[node.slot]
        self.empty = not given.digits
        levels = self.work.levels(node, MOST_HIDDEN)
        self.work.settle(node.needs)
        right = node.function(self.work.v)
        rounded = any(slot not in self.key.asked for slot, _ in levels)
        if rounded and self.habit.digits < 17 and right and math.isfinite(right):
            slack = self.work.widened(node, self.habit) / abs(right)
            if slack or not self.whole:
                self.slack = min(max(slack, 2 * 10.0 ** (1 - self.habit.digits)), MOST_LOOSE)
        elif right and math.isfinite(right):
            # What was written before has been rounded, too: that explains a slip, no lost place.
            self.slack, self.rounded = min(self.work.value(node)[1] / abs(right), MOST_LOOSE), False
        self.at(node, value, unit, 0.0)
        if any(each.rank <= LATER["hidden"] + 1 for each in self.rated_surely()):
            return
        for place, (slot, level) in enumerate(levels):
            if slot in confirmed:
                continue
            if not self.budget.spend():
                break
            # A gradient for a weight is its unit's, but for a factor.
            own = node.step.kind == "gradient" and not isinstance(node.step.formula, Name)
            doubtful = level >= FAR + own and given.digits < SURE
            if doubtful and abs(value - right) <= NEAR_RIGHT * abs(right):
                continue
            between = step_at(self.finder.structure.nodes, slot)
            later = LATER["hidden"] + LATER["deeper"] * place
            if slot in self.key.asked and not isinstance(node.step.formula, Name):
                later += LATER["not written"]
            needed = inverse(self.work, node, slot, value, unit)
            if needed is not None:
                self.at(between, *needed, later)
            else:
                self.carried(node, between, value, unit, later)

    def rated_surely(self) -> list[Explanation]:
        """What chance does not explain so far."""
        return [each for each in self.rated() if each.chance <= CHANCE]

    def rated(self) -> list[Explanation]:
        """What was found, each with how often chance would find something as simple."""
        if not self.found:
            return []
        best: dict[float, float] = {}
        for ratio, simple in self.trials:
            number = round(ratio, 9)
            best[number] = min(simple, best.get(number, simple))
        ranks = sorted(best.values())
        lookups = [row for lookup in self.lookups for row in self._counted(lookup)]
        rated = []
        for each in self.found:
            tried = float(bisect_right(ranks, each.simple + CLOSE))
            tried -= self.whole and each.rank <= SIMPLE
            tried += sum(times for rank, times in lookups if rank <= each.simple + CLOSE)
            chance = EMPTY if self.empty else min(1.0, tried * each.near)
            rated.append(each._replace(chance=chance))
        return rated

    def at(self, node: Node, value: float, unit: float, later: float) -> None:
        """Slips in this step that make it come to `value`."""
        work = self.work
        work.settle(node.needs)
        right = node.function(work.v)
        if not math.isfinite(right):
            return
        scale = abs(right - work.v[node.base]) if node.base >= 0 else abs(right)
        apart = max(0.5 * unit, 0.0 if self.paper else self.key.tolerance * scale)
        if self.key.short[node.slot]:
            apart = 0.4 * min(unit, abs(value - right))
        if abs(value - right) <= apart:
            return
        target = _Target(value, unit, right, apart, self.slack)
        later += self.later
        self._variants(node, target, later)
        if not value:
            return
        self._decimal(node, target, later)
        self._mean(node, target, later)
        self._extra_factor(node, target, later)
        if self.budget.left:
            self._operands(node, target, later)

    def carried(self, node: Node, between: Node, value: float, unit: float, later: float) -> None:
        """Slips in a step before that cannot be calculated back to (a unit that is off): each is
        carried on to the answer instead."""
        self.work.settle(node.needs)
        right = self.work.value(node)[0]
        if math.isfinite(right):
            target = _Target(value, unit, right, max(unit, self.key.tolerance * abs(right)))
            through = _through(self.work, node, between.slot)
            self._variants(between, target, later + self.later, through)

    def _offer(
        self,
        slip: Slip,
        at: tuple[int, float],
        target: _Target,
        result: float,
        simple: float,
    ) -> None:
        """A candidate: counted where it is about the number, found where it is the number."""
        value, unit, right = target.value, target.unit, target.right
        if not value:
            if abs(result) <= CLOSE * abs(right) and abs(right) > target.apart:
                self.trials.append((0.0, simple))
                near = min(1.0, WINDOW * unit / abs(right))
                self.found.append(Explanation(simple, 0.0, slip[0], *at, slip[1], simple, near))
            return
        ratio = result / value
        if not 1 / ABOUT < ratio < ABOUT or abs(result - right) <= target.apart:
            return
        if slip[1] is not None:
            self.tried.add(slip[1])
        self.trials.append((ratio, simple))
        distance = abs(value - result)
        if distance > unit + target.slack * abs(result) + CLOSE * abs(value):
            return
        if distance <= CLOSE * abs(value) or written_the_same(value, unit, result):
            rank, near = simple, WINDOW * unit / abs(value)
        elif target.slack:
            rank, near = simple + LATER["loose"], distance / abs(value)
        else:
            return
        fit = distance / abs(value - right)
        self.found.append(Explanation(rank, distance, slip[0], *at, slip[1], simple, near, fit))

    def _variants(
        self,
        node: Node,
        target: _Target,
        later: float,
        through: Callable[[float], float] = lambda value: value,
    ) -> None:
        made = self.finder.slips.of(node)
        self.work.settle(made.needs)
        low, high = target.about
        for variant, other in zip(made.variants, made.functions(self.work.v), strict=True):
            # Where an activation is flat it gives the same for many numbers.
            if low <= (value := through(other)) <= high and other not in variant.flat:
                slip = (variant.mistake, variant.idea)
                self._offer(slip, (node.slot, other), target, value, variant.rank + later)

    def _decimal(self, node: Node, target: _Target, later: float) -> None:
        right, value = target.right, target.value
        if right == 0 or 10 * target.unit > abs(value):
            return  # one digit stands in too many numbers
        ratio = value / right
        if not 1e-6 < ratio < 1e6:
            return
        target = target._replace(slack=target.slack * self.rounded)
        power = round(math.log10(ratio))
        if power == 0:
            return
        places = "one place" if abs(power) == 1 else f"{abs(power)} places"
        side = "right" if power > 0 else "left"
        message = (
            f"the digits are right, but the decimal point stands {places} too far to the {side}"
        )
        slip = (Mistake("decimal-slip", message), None)
        rank = RANK["decimal-slip"] + later
        self._offer(slip, (node.slot, value), target, right * 10.0**power, rank)

    def _mean(self, node: Node, target: _Target, later: float) -> None:
        """The mean over the samples, divided by another number than theirs."""
        count = len(self.key.graph.batch)
        if node.step.kind not in OF_BATCH or not isinstance(node.step.formula, Quotient):
            return
        for other in range(2, 2 * count + 2):
            if other not in (count, count - 1):  # the one that is right, and one of the variants
                message = f"the sum over the {count} samples was divided by {other}"
                slip = Mistake("sum-not-mean", message), Idea("sum-not-mean", str(other))
                result = target.right * count / other
                rank = RANK["sum-not-mean"] + LATER["another count"] + later
                self._offer(slip, (node.slot, result), target, result, rank)

    # Operands and factors: the value that would have been needed is looked up among all values.

    def _between(self, low: float, high: float) -> tuple[int, int]:
        values = self.work.ranked[0]
        return bisect_left(values, low), bisect_right(values, high)

    def _counted(self, lookup: _Lookup) -> Iterator[tuple[float, float]]:
        """Ranks of what may be taken for a parent, and how many numbers are tried with them."""
        node, parent, needed, about, simple, paper = lookup
        first, last = self._between(needed - about, needed + about)
        likely = 0
        if paper:
            place = self.finder.places[parent]
            kind = place.kind, None if place.section == "given" else node.step.sample
            values = self.work.among(kind, self.finder.of_kind(*kind))
            likely = bisect_right(values, needed + about) - bisect_left(values, needed - about)
            likely -= abs(self.work.v[parent] - needed) <= about
            yield simple, likely / 2
        yield simple + LATER["other kind"], (last - first - likely) / 2

    def _operands(self, node: Node, target: _Target, later: float) -> None:
        v, names = self.work.v, self.finder.structure.names
        for parent in (each for each in node.parents if each != node.base):
            old = v[parent]
            for other, affinity, rank in self._likely(node, parent, target, later):
                v[parent] = v[other]
                result = node.function(v)
                v[parent] = old
                message = f"{names[other]} was used where {names[parent]} belongs"
                role = f"{names[parent]}>{names[other]}"
                idea = Idea("wrong-operand", role) if affinity == 0 else None
                slip = Mistake("wrong-operand", message), idea
                self._offer(slip, (node.slot, target.value), target, result, rank + affinity)

    def _likely(
        self, node: Node, parent: int, target: _Target, later: float
    ) -> Iterator[tuple[int, float, float]]:
        """What may have been taken for a parent, how easily, and the rank of that: what has about
        the value needed where that can be calculated back to, the neighbours anywhere else."""
        v, right = self.work.v, target.right
        old, simple = v[parent], RANK["wrong-operand"] + later
        step = abs(old) or 1.0
        v[parent] = old + step
        once = node.function(v) - right
        v[parent] = old - step
        back = right - node.function(v)
        v[parent] = old
        if once == 0 or not math.isfinite(once) or not math.isfinite(back):
            return
        if abs(once - back) > 1e-9 * abs(once):
            beside = self.finder.neighbours(node, parent)
            yield from ((each, far, simple) for each, far in beside if self.work.known[each])
            return
        slope = once / step
        needed = old + (target.value - right) / slope
        # As many others as give a number between nothing and twice this one.
        about = abs(target.value / slope)
        # Of what stands on the paper one of the same kind is the likelier one.
        leaf = parent < self.finder.structure.leaves
        paper = leaf or self.paper or bool(self.work.written[parent])
        self.lookups.append(_Lookup(node, parent, needed, about, simple, paper))
        simple += 0.0 if paper else LATER["other kind"]
        width = (target.unit + target.slack * abs(target.value)) / abs(slope)
        width = min(width, about) + CLOSE * max(abs(needed), abs(old))
        first, last = self._between(needed - width, needed + width)
        for other in self.work.ranked[1][first : min(last, first + 200)]:
            affinity = self.finder.affinity(node, parent, other)
            if affinity is not None:
                yield other, affinity, simple

    def _extra_factor(self, node: Node, target: _Target, later: float) -> None:
        step, right = node.step, target.right
        if right == 0 or step.section in ("update", "loss") or step.kind in NO_PRODUCT:
            return
        v, known = self.work.v, self.work.known
        rank = RANK["extra-factor"] + later
        low, high = target.about
        for other, slip in self.finder.strays(node):
            result = right * v[other]
            if known[other] and low <= result <= high:
                self._offer(slip, (node.slot, result), target, result, rank)


class _Lookup(NamedTuple):
    """A parent of a step, and the value of it that would give the number."""

    node: Node
    parent: int
    needed: float
    about: float
    simple: float
    paper: bool  # whether it stands on the paper


class _Target(NamedTuple):
    """The number that is to be explained, where the right one is another."""

    value: float
    unit: float
    right: float
    apart: float  # what is nearer to the right number than this is no other one
    slack: float = 0.0  # what roundings on the way can move a value by, in parts of it

    @property
    def about(self) -> tuple[float, float]:
        """What may hit the number, or is as likely to: everything, where it is a bare 0."""
        if not self.value:
            return -math.inf, math.inf
        near, far = self.value / ABOUT, self.value * ABOUT
        return (near, far) if near < far else (far, near)
