"""The verdict on each number, by the rules of fair marking.

1. Right in itself: the true value, rounded or cut off as written. A tolerance exists only for
   what had to be rounded.
2. Right from own work: what the student's own earlier numbers give, whatever was rounded on
   the way.
3. Neither credit for digits that tell nothing, nor a mark lost for honest rounding: a bare 0, or
   a parameter that shows no change, counts where the other answers show that it was worked out.
4. One slip costs one mark: a wrong number also tells what was used for steps not written, and
   the same slip again is followed.
5. No follow-through where being wrong, without a reason, made the rest trivial.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, MutableMapping, Sequence, Set
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from backprop_cli.formula.build import terms_of
from backprop_cli.formula.nodes import Sum
from backprop_cli.marking.feedback import (
    EVERYWHERE,
    FOLLOWS,
    MISTYPED,
    ROUNDED_EARLY,
    TOO_COARSE,
    TRIVIAL,
    ZERO,
    look_again,
    same_slip,
    sentence,
)
from backprop_cli.marking.mistakes import Idea
from backprop_cli.marking.model import GOOD, Mistake, Verdict
from backprop_cli.marking.numbers import (
    Written,
    divides,
    is_mistyped,
    is_short,
    quantum,
    written_the_same,
)
from backprop_cli.marking.ranks import LATER, RANK
from backprop_cli.marking.readings import ReadWork
from backprop_cli.marking.sheet import AnswerKey, Node, step_at
from backprop_cli.marking.slips import (
    CHANCE,
    EMPTY,
    Budget,
    Explanation,
    SlipFinder,
    inverse,
)
from backprop_cli.marking.work import EASY, IMPOSSIBLE, THROUGH, Habit, Work

NOTHING = 1e-15
"""What a saturated unit lets through: 0 on any calculator."""
CLOSE_SHARE = 0.03
"""A number this near is taken for the right method, rounded too early."""
CLOSE_ALONE = 0.1
"""The same for a gradient handed in without anything that comes before it."""
MOST_ROUNDED = 4.0
"""Roundings add up to more than they do to first order, but for so much."""
KEPT = 3
"""So many steps are carried on in a calculator, though they are written down too."""
FITS = 0.2
"""A slip that misses by this part of what the right number misses by explains the answer."""
WIDE_SHARE = 0.25
"""An allowance wider than this part of the value tells too little for full credit."""
MOST_LIKELY = 0.99
"""What agrees is never as good as unexplained, however wide it had to be taken."""
EPS = 1e-9
FLOAT = 1e-12
"""Floats that differ by less than this part are the same number, calculated in another order."""
FULL_PRECISION = 8
"""From so many digits on a number comes from a machine: rounding on the way explains nothing."""
MACHINE = 1e-6
"""What a machine's number may be off by, in parts of the terms it was summed from."""
MACHINE_UNIT = 1e-9
"""No hand writes a digit this small beside the terms that a number was summed from."""

PEN = ("decimal-slip", "mistyped")
"""Slips of the pen: accidents, and no way of working."""

LEFT_OUT = ("missing-path", "missing-bias", "missing-sum", "softmax-diagonal")
"""Slips that leave terms of a sum out."""

COPIED = ("values-exchanged", "row-shift")
"""Slips in copying: there is nothing to look at again in how the number is worked out."""

Doubt: TypeAlias = Literal["", "zero", "rounded", "unchanged"]
"""What an answer that agrees still has to be shown by other answers."""


class Judgement(NamedTuple):
    verdict: Verdict
    feedback: str = ""
    mistake: Mistake | None = None
    explanation: Explanation | None = None
    own: float | None = None  # what the student's own numbers give
    right: bool = False  # right in itself, so that what rests on it is no follow-through
    blank: bool = False  # the number says too little to go on with
    doubt: Doubt = ""
    same_as: str = ""  # where the same slip has been charged
    candidates: Mapping[Idea, float] = {}  # ideas that may explain it, and how often by chance
    tried: frozenset[Idea] = frozenset()  # ideas that would have given some number here
    share: float | None = None  # of the points, where it is not what the verdict earns
    chance: float = 0.0
    """How often a number out of nowhere would be judged so: 0 where it is right in itself, 1
    where nothing explains it."""

    @property
    def idea(self) -> Idea | None:
        return None if self.explanation is None else self.explanation.idea


CORRECT = Judgement("correct", right=True)


class Reference(NamedTuple):
    """What a number is compared with."""

    value: float
    spread: float  # what own roundings can have moved it by
    scale: float  # what the tolerance is a part of
    old: float | None  # the value before an update
    short: bool  # nothing has to be rounded
    terms: float  # the largest term that it was summed from


class NumberJudge:
    """Judges the numbers of one submission for one update.

    `work` must hold every written number before the first is judged; numbers are judged in the
    order of the sheet. `charged` names where each idea has cost a mark; without it each place costs one.
    """

    def __init__(
        self,
        key: AnswerKey,
        finder: SlipFinder,
        work: Work,
        habit: Habit,
        charged: MutableMapping[Idea, str] | None,
        budget: Budget,
        accepted: Set[Idea] = frozenset(),
        everywhere: Set[float] = frozenset(),
        read: ReadWork | None = None,
        searched: bool = True,
        fewest: Habit | None = None,
        terms: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        self.key = key
        self.finder = finder
        self.work = work
        self.charged = charged
        self.budget = budget
        self.searched = searched  # whether each number is looked into that does not follow
        self.fewest = fewest or habit  # digits of a gradient, and the largest unit
        self.read = read  # own work under other readings of the sheet
        self.accepted = accepted  # ideas that the sheet as a whole shows
        self.everywhere = everywhere  # numbers written at most places, whatever belongs there
        self.coarse = habit.digits < 2
        self.habit = habit._replace(digits=max(2, habit.digits))
        self.terms = terms  # so many are added up in the working beside a number
        self.guess: Work | None = None  # with what the student must have used
        self.true_work: Work | None = None
        self._good: list[Node] = []  # answers that were right from own work, in order
        self._confirmed: set[int] = set()

    def judge(self, node: Node, given: Written) -> Judgement:
        """The verdict; own work then knows whether this number is right."""
        slot = node.slot
        # The common case first: most answers of most students are right.
        near = abs(given.value - self.key.truth[slot]) <= self.key.margin[slot]
        if near and (given.digits or not self.key.truth[slot]):
            self._good.append(node)
            return CORRECT
        judgement = self._judge(node, given)
        if judgement.doubt == "zero":
            judgement = self._in_doubt(node, given, judgement)
        good = judgement.verdict in GOOD
        if good and not judgement.doubt and not judgement.same_as:
            self._good.append(node)
        self._remember(node, given, judgement)
        return judgement

    def _own_works(self) -> Iterator[Work]:
        yield self.work
        if self.guess is not None:
            yield self.guess
        if self.read is not None:
            yield self.read.work

    def _different(self, node: Node) -> Sequence[Work]:
        """Own work, and what must have been used where that is something else for this step."""
        work, guess = self.work, self.guess
        if guess is None:
            return (work,)
        for each in (work, guess):
            each.settle(node.needs)
        same = all(
            work.v[slot] == guess.v[slot] and work.unit[slot] == guess.unit[slot]
            for slot in node.needs
        )
        return (work,) if same else (work, guess)

    def _remember(self, node: Node, given: Written, judgement: Judgement) -> None:
        slot = node.slot
        # Nothing was rounded off a number that a slip gives whole, nor off a 0 that is none.
        wrong_zero = judgement.verdict == "wrong" and not given.digits
        whole = wrong_zero or _is_whole(judgement, slot, given.value)
        for work in self._own_works():
            at = work.nodes[slot]
            nothing = not given.value and at is not None and at.function(work.v) == 0
            if judgement.blank:
                work.forget(slot)
            else:
                work.right[slot] = judgement.right
                if whole or nothing:
                    work.exact(slot)
                elif not work.unit[slot] and _was_rounded(judgement, slot, given):
                    work.write(slot, given.value, given.unit)
        if judgement.verdict == "wrong":
            taint = self._taint(node, given.value, judgement)
        elif judgement.verdict == "follow_through" and not judgement.same_as:
            taint = THROUGH if any(self.work.tainted[parent] for parent in node.parents) else 0
        else:
            return
        for work in self._own_works():
            work.tainted[slot] = taint

    def _taint(self, node: Node, value: float, judgement: Judgement) -> int:
        """What a wrong number makes trivial: everything, where it is a factor made 0 or 1 or an
        activation outside its range; what comes to nothing, where no slip is the reason for it."""
        truth = self.key.truth[node.slot]
        explanation = judgement.explanation
        # A way of working, or the digits of the right number: the rest was worked out.
        reason = judgement.idea is not None
        reason |= judgement.mistake is not None and judgement.mistake.code in PEN
        if value in (0.0, 1.0) and truth not in (0.0, 1.0):
            exact = reason and explanation is not None and explanation.distance < NOTHING
            return 0 if exact else EASY
        if node.bounds is not None:
            low, high = node.bounds
            # An honest slip (z for a, a lost decimal place) may leave the range as well.
            honest = judgement.mistake is not None and judgement.mistake.code != "wrong-operand"
            if not low <= value <= high and low <= truth <= high and not honest:
                return IMPOSSIBLE
        return 0 if reason else THROUGH

    # The rules in turn

    def _judge(self, node: Node, given: Written) -> Judgement:
        key, slot = self.key, node.slot
        truth = key.truth[slot]
        if given.value != given.value:
            return CORRECT if truth != truth else Judgement("wrong", look_again(node.step))
        if math.isinf(given.value):
            if given.value == truth:
                return CORRECT
            self.work.settle(node.needs)
            follows = given.value == self.work.value(node)[0]
            return Judgement("wrong", TRIVIAL if follows else look_again(node.step))
        in_itself = self._in_itself(node, given)
        if in_itself is not None and in_itself.doubt != "zero":
            return in_itself
        own = coarse = None
        works = self._different(node)
        for work in works:
            judgement, value = self._from_work(node, given, work)
            own = value if own is None else own
            if judgement is None or judgement.verdict == "imprecise":
                judgement = self._before_rounding(node, given, work) or judgement
            if judgement is None or (in_itself and judgement.doubt == "zero"):
                continue
            if judgement.verdict != "imprecise":
                return judgement._replace(own=value)
            coarse = coarse or judgement._replace(own=value)
        found = self._as_read(node, given, own) or coarse
        if found is not None:
            return found
        if in_itself is not None:
            return in_itself
        for work in works if self.habit.digits < FULL_PRECISION else ():
            judgement = self._rounded_on_the_way(node, given, work)
            if judgement is not None:
                return judgement._replace(own=own)
        mended = self._without_what_is_wrong(node, given)
        if mended is not None:
            return mended._replace(own=own)
        return self._wrong(node, given, own)

    def stands(self, node: Node, given: Written) -> Judgement | None:
        """The verdict on a number that is right in itself or from own work, without keeping
        anything of it; None for any other."""
        found = self._in_itself(node, given)
        found = self._from_work(node, given, self.work)[0] if found is None else found
        return found if found is not None and found.verdict in GOOD else None

    def _in_itself(self, node: Node, given: Written) -> Judgement | None:
        key, slot = self.key, node.slot
        old = key.truth[node.base] if node.base >= 0 else None
        scale, terms = key.scale[slot], key.terms[slot]
        reference = Reference(key.truth[slot], 0.0, scale, old, key.short[slot], terms)
        return self._against(node, given, reference, key.truth)

    def _against(
        self, node: Node, given: Written, reference: Reference, v: Sequence[float]
    ) -> Judgement | None:
        """Whether a number is the reference as written, or within what rounding can do."""
        value, other = given.value, reference.value
        unit = given.last if self.key.short[node.slot] else given.unit
        if not math.isfinite(other):
            return None  # every distance from infinity would be within a share of it
        distance = abs(value - other)
        if distance <= max(FLOAT * abs(other), NOTHING):
            return self._shown(given, reference)
        machine = given.digits >= FULL_PRECISION or unit < MACHINE_UNIT * reference.terms
        if machine and distance <= MACHINE * reference.terms:
            return CORRECT
        if reference.short and reference.spread == 0:
            # Nothing had to be rounded but what the written unit leaves out.
            if divides(given.last, other) or not written_the_same(value, given.last, other):
                return None
            return self._shown(given, reference)
        if given.digits == 0:
            near = distance <= 0.5 * unit + reference.spread
            return self._shown(given, reference) if near else None
        if written_the_same(value, unit, other) or distance <= self.key.tolerance * reference.scale:
            return self._shown(given, reference)
        if reference.spread and distance <= (unit + reference.spread) * (1 + EPS):
            return self._by_allowance(node, given, reference, v)
        return None

    def _shown(self, given: Written, reference: Reference) -> Judgement:
        """An answer that agrees, and what other answers must show for it to count."""
        value, unit = given.value, given.unit
        if given.digits == 0 and abs(reference.value) > NOTHING:
            return CORRECT._replace(doubt="zero", blank=reference.old is None)
        if abs(value) == 1 <= unit and abs(reference.value) < 1:
            return CORRECT._replace(doubt="zero", blank=True)
        old = reference.old
        moves = old is not None and reference.scale > FLOAT * abs(old)
        if old is not None and moves and written_the_same(value, unit, old):
            return CORRECT._replace(doubt="unchanged")
        return CORRECT

    def _by_allowance(
        self, node: Node, given: Written, reference: Reference, v: Sequence[float]
    ) -> Judgement | None:
        """Within what earlier roundings allow: never credit for what could be anything."""
        wide = given.unit + reference.spread > WIDE_SHARE * reference.scale
        if wide and (self.coarse or given.digits < 2):
            return None  # with one digit anything would do
        shown = self._shown(given, reference)
        if wide or self._hides_slip(node, given, reference, v):
            copied = {slot for slot in node.parents if self.work.v[slot] == given.value}
            if any(self.work.tainted[slot] for slot in node.parents) or copied - {*node.factors}:
                return None  # and so would a number out of nowhere, or, but for ·1.0, a copied one
            return shown._replace(verdict="imprecise", feedback=TOO_COARSE)
        return shown

    def _hides_slip(
        self, node: Node, given: Written, reference: Reference, v: Sequence[float]
    ) -> bool:
        apart = self.key.tolerance * reference.scale
        return any(
            abs(other - reference.value) > apart
            and written_the_same(given.value, given.unit, other)
            for other in self.finder.structural(node, v)
        )

    def _own(self, node: Node, work: Work, own: float, spread: float) -> Reference:
        """What follows from own numbers, to be compared with."""
        old = work.v[node.base] if node.base >= 0 else None
        scale = abs(own) if old is None else abs(own - old)
        short = spread == 0 and work.short(node) and is_short(own)
        terms = max(abs(own), self.key.terms[node.slot])
        return Reference(own, spread, scale, old, short, terms)

    def _from_work(
        self, node: Node, given: Written, work: Work
    ) -> tuple[Judgement | None, float | None]:
        """Rule 2: what follows from the student's own numbers, to first order in their units."""
        work.settle(node.needs)
        first: float | None = None
        for function, parents in node.definitions:
            work.settle(parents)
            own, spread = work.evaluate(function, parents, work.unit)
            first = own if first is None else first
            reference = self._own(node, work, own, spread)
            judgement = self._against(node, given, reference, work.v)
            if judgement is not None:
                if given.value in self.everywhere:
                    return Judgement("wrong", EVERYWHERE, chance=1.0), own
                judgement = judgement._replace(chance=_accident(given, reference))
                return self._with_parents(node, parents, work, judgement, own), own
        return None, first

    def _before_rounding(self, node: Node, given: Written, work: Work) -> Judgement | None:
        """What follows from own numbers as they were before they were written down: a student
        goes on with what the calculator shows."""
        tainted = any(work.tainted[slot] for slot in node.parents)
        idle = tainted or self._copies(node, given) or self.key.short[node.slot]
        if idle or not self.searched or not given.digits:
            return None
        for levels in range(KEPT + 1):
            own = work.unrounded(node, levels)
            if written_the_same(given.value, given.unit, own):
                judgement = self._shown(given, self._own(node, work, own, 0.0))
                return self._with_parents(node, node.parents, work, judgement, own)
        return None

    def _rounded_on_the_way(self, node: Node, given: Written, work: Work) -> Judgement | None:
        """Steps that were not written were rounded too, as the written numbers are."""
        habit, last = self.habit, given.unit
        if self.key.short[node.slot]:
            # The zeros of a whole number are digits where nothing had to be rounded.
            habit, last = habit._replace(digits=max(habit.digits, given.digits)), given.last
        unit = max(last, quantum(given.value, habit.digits))
        work.settle(node.needs)
        spread = work.widened(node, habit)
        if not spread:
            return None
        for function, parents in node.definitions:
            work.settle(parents)
            own = function(work.v)
            if given.digits == 0 and abs(own) > 0.5 * given.unit:
                continue
            if _may_be_written(given.value, unit, own, spread):
                reference = self._own(node, work, own, spread + unit - given.unit)
                judgement = self._by_allowance(node, given, reference, work.v)
                if judgement is not None:
                    judgement = judgement._replace(chance=_accident(given, reference))
                    return self._with_parents(node, parents, work, judgement, own)
        return None

    def _as_read(self, node: Node, given: Written, own: float | None) -> Judgement | None:
        """Whether the number follows under another reading of the sheet. The reading costs one
        mark, at the first answer that shows it, or none where it is a convention."""
        if self.read is None:
            return None
        at = step_at(self.read.work.nodes, node.slot)
        judgement, value = self._from_work(at, given, self.read.work)
        if judgement is None or judgement.verdict == "imprecise":
            judgement = self._before_rounding(at, given, self.read.work) or judgement
        if judgement is None and self.habit.digits < FULL_PRECISION:
            judgement = self._rounded_on_the_way(at, given, self.read.work)
        if judgement is None or judgement.verdict == "wrong":
            return None
        if judgement.verdict == "imprecise":
            return judgement._replace(own=own)
        behind = self.read.behind(at)
        slips = [reading for reading in behind if reading.mistake is not None]
        if not slips:
            feedback = "" if behind else FOLLOWS  # the report begins with the conventions
            verdict: Verdict = "correct" if behind else "follow_through"
            return Judgement(
                verdict, feedback, own=own, right=bool(behind), chance=judgement.chance
            )
        owed = [reading for reading in slips if reading.idea not in (self.charged or ())]
        reading = (owed or slips)[0]
        assert reading.mistake is not None
        assert value is not None
        explanation = Explanation(
            0.0, 0.0, reading.mistake, node.slot, value, reading.idea, chance=judgement.chance
        )
        judgement = self.charge(node, explanation, own)
        if not reading.vague:
            return judgement
        feedback = judgement.feedback if judgement.same_as else look_again(node.step)
        return judgement._replace(mistake=None, feedback=feedback)

    def _without_what_is_wrong(self, node: Node, given: Written) -> Judgement | None:
        """The verdict where the number follows from own numbers and, for those that are wrong, the
        right ones or what follows there: a sign lost in copying an answer out, say, that was not
        lost in the working."""
        work = self.work
        wrong = [slot for slot in node.parents if work.written[slot] and not work.right[slot]]
        if not wrong or given.digits < 2 or self._copies(node, given):
            return None
        for right in (True, *([] if any(work.tainted[slot] for slot in wrong) else [False])):
            mended = work.copy()
            for slot in wrong:
                at = work.nodes[slot]
                if right or at is None:
                    value = self.key.truth[slot]
                else:
                    work.settle(at.needs)
                    value = at.function(work.v)
                unit = max(work.unit[slot], self.habit.rounds(value))
                mended.v[slot], mended.unit[slot] = _to_unit(value, unit), unit
                mended.right[slot] = right
            judgement, _ = self._from_work(node, given, mended)
            verdict = "correct" if right else "follow_through"
            if judgement is not None and judgement.verdict == verdict and not judgement.doubt:
                return judgement
        return None

    def _pays(self, node: Node, work: Work, own: float) -> bool:
        """Rule 5: whether an earlier wrong number makes this one trivial."""
        tainted = work.tainted
        marks = [tainted[parent] for parent in node.parents]
        if not any(marks):
            return False
        unchanged = node.base >= 0 and own == work.v[node.base]
        if IMPOSSIBLE in marks or own == 0 or not math.isfinite(own) or unchanged:
            return True
        return any(tainted[slot] == EASY for slot in node.factors)

    def _with_parents(
        self, node: Node, parents: Sequence[int], work: Work, judgement: Judgement, own: float
    ) -> Judgement:
        if all(work.right[parent] for parent in parents):
            # What was rounded to nothing on the way has still to be shown.
            truth = self.key.truth
            if own == 0 and truth[node.slot] != 0:
                rounded = not self._is_nothing_as_read(node)
                return judgement._replace(doubt="rounded", blank=True) if rounded else judgement
            if node.base >= 0 and own == work.v[node.base] and truth[node.slot] != truth[node.base]:
                return judgement._replace(doubt="unchanged")
            return judgement
        if self._pays(node, work, own):
            return Judgement("wrong", TRIVIAL)
        if judgement.verdict == "correct":
            return judgement._replace(verdict="follow_through", feedback=FOLLOWS, right=False)
        return judgement._replace(right=False)

    def _is_nothing_as_read(self, node: Node) -> bool:
        """Whether a quantity is 0 under another reading, and nothing was rounded to make it so."""
        if self.read is None:
            return False
        at, work = step_at(self.read.work.nodes, node.slot), self.read.work
        work.settle(at.needs)
        return work.evaluate(at.function, at.parents, work.unit) == (0, 0)

    def _confirm(self) -> set[int]:
        """The unwritten steps that an earlier right answer shows to have been done right."""
        work = self.work
        for node in self._good:
            shown = node.step.kind != "update" and self.key.truth[node.slot] != 0
            waiting = [node] if shown else []
            for at in waiting:
                # One path of a sum may be too small to show.
                for parent in () if isinstance(at.step.formula, Sum) else at.parents:
                    below = work.nodes[parent]
                    if below and not work.written[parent] and parent not in self._confirmed:
                        self._confirmed.add(parent)
                        waiting.append(below)
        self._good.clear()
        return self._confirmed

    def _wrong(self, node: Node, given: Written, own: float | None) -> Judgement:
        found, tried = self._searched(node, given)
        if self._repeats(node, given) or self._rounds_to_nothing(node, given):
            known = () if self._alone(node) else {*self.accepted, *(self.charged or ())}
            found = [each for each in found if each.idea in known]
        if self.terms.get(node.slot, math.inf) < len(terms_of(node.step.formula)):
            found = [
                each for each in found if each.slot != node.slot or each.mistake.code in LEFT_OUT
            ]
        if self._is_another(node, given):
            found = [each for each in found if each.mistake.code != "wrong-activation"]
        near = not self._copies(node, given) and self._near(node, given.value, own)
        explanation = self._mistyped(node, given, self._chosen(found), own, near)
        if self._alone(node) and self._may_be_rounded(node, given):
            explanation = None
        loose = explanation is None or (
            explanation.rank >= LATER["loose"] and explanation.fit > FITS
        )
        if near and (loose or self._alone(node)):
            # Of gradients alone none shows how the others were come by.
            chance = 0.0 if self._alone(node) else CLOSE_SHARE
            return Judgement("imprecise", ROUNDED_EARLY, own=own, chance=chance)
        return self._explained(node, given, explanation, own)._replace(
            candidates=_candidates(found), tried=tried
        )

    def _is_another(self, node: Node, given: Written) -> bool:
        """Whether a number is that of another quantity of the kind: in the wrong line, perhaps."""
        key = self.key
        return (
            node.step.section == "gradient"
            and given.digits > 2
            and any(
                abs(given.value - key.truth[other.slot]) <= given.unit + key.margin[other.slot]
                for other in key.structure.steps
                if other is not node and other.step.kind == node.step.kind
            )
        )

    def _searched(self, node: Node, given: Written) -> tuple[list[Explanation], frozenset[Idea]]:
        if not self.searched:
            return [], frozenset()
        works, confirmed = self._works(node), self._confirm()
        return self.finder.explain(self.key, node, given, works, confirmed, self.habit, self.budget)

    def _repeats(self, node: Node, given: Written) -> bool:
        """Whether a number only repeats the old parameter, or one that came out of nowhere."""
        work = self.work
        if node.base >= 0 and written_the_same(given.value, given.unit, work.v[node.base]):
            return True
        return any(work.tainted[slot] and work.v[slot] == given.value for slot in node.parents)

    def _copies(self, node: Node, given: Written) -> bool:
        """Whether a number already stands at what this step is calculated from."""
        return any(self.work.v[slot] == given.value for slot in node.parents)

    def _in_doubt(self, node: Node, given: Written, judgement: Judgement) -> Judgement:
        """A bare 0 may also be what a slip gives."""
        if self._rounds_to_nothing(node, given):
            return judgement
        found, tried = self._searched(node, given)
        ideas = _candidates(found)
        for each in found:
            if each.idea in self.accepted:
                explained = self._explained(node, given, each, judgement.own)
                return explained._replace(candidates=ideas, tried=tried)
        return judgement._replace(candidates=ideas, tried=tried)

    def _chosen(self, found: Sequence[Explanation]) -> Explanation | None:
        """The simplest slip: one that the sheet shows elsewhere, or that is no accident here; one
        that has been charged before others that are none either."""
        for each in found:
            if each.idea in self.accepted:
                return each
        sure = [each for each in found if each.chance <= CHANCE]
        return min(sure, key=lambda each: each.idea not in (self.charged or ()), default=None)

    def _mistyped(
        self,
        node: Node,
        given: Written,
        explanation: Explanation | None,
        own: float | None,
        near: bool,
    ) -> Explanation | None:
        """A slip of the pen, where what comes next was done with another number, or where no
        simpler slip explains the number."""
        truth = self.key.truth[node.slot]
        rights = [right for right in (truth, own) if right is not None]
        if self._repeats(node, given) or not any(is_mistyped(given, each) for each in rights):
            return explanation
        uses = [
            self._goes_on(slot)
            for slot in self.finder.structure.users.get(node.slot, ())
            if self.work.written[slot]
        ]
        if "right" not in uses and explanation is not None:
            idea = explanation.idea
            known = idea in self.accepted or (self.charged is not None and idea in self.charged)
            if "own" in uses or known or explanation.simple < RANK["mistyped"]:
                return explanation
        if near and "right" not in uses:
            return None  # or rounded too early
        mistake = Mistake("mistyped", MISTYPED)
        return Explanation(RANK["mistyped"], 0.0, mistake, node.slot, given.value)

    def _goes_on(self, slot: int) -> Literal["right", "own", ""]:
        """Whether a written number follows from what is right, or from what was written before."""
        work, node = self.work, step_at(self.work.nodes, slot)
        work.settle(node.needs)
        value, unit = work.v[slot], work.unit[slot]
        true = written_the_same(value, unit, self.key.truth[slot])
        own = written_the_same(value, unit, node.function(work.v))
        return "" if true == own else "right" if true else "own"

    def _explained(
        self, node: Node, given: Written, explanation: Explanation | None, own: float | None
    ) -> Judgement:
        self._infer(node, given, explanation)
        if explanation is None:
            plainly = given.digits or self.key.short[node.slot]  # no digit is hidden behind this 0
            feedback = look_again(node.step) if plainly else ZERO
            return Judgement("wrong", feedback, own=own, chance=1.0)
        return self.charge(node, explanation, own)

    def charge(self, node: Node, explanation: Explanation, own: float | None = None) -> Judgement:
        """A wrong answer with its slip, which costs a mark where it is made first."""
        mistake, idea, charged = explanation.mistake, explanation.idea, self.charged
        if explanation.slot != node.slot:
            where = self.finder.structure.names[explanation.slot]
            mistake = mistake._replace(message=f"in {where}, on the way here: {mistake.message}")
        first = None if idea is None or charged is None else charged.get(idea)
        if first is not None:
            feedback = same_slip(first)
            return Judgement(
                "follow_through", feedback, mistake, explanation, own, same_as=first,
                chance=explanation.chance,
            )  # fmt: skip
        if idea is not None and charged is not None:
            charged[idea] = node.name
        told = mistake.code in COPIED
        feedback = sentence(mistake.message) if told else look_again(node.step, mistake)
        return Judgement("wrong", feedback, mistake, explanation, own, chance=explanation.chance)

    def _works(self, node: Node) -> list[Work]:
        works = [*self._different(node), *([] if self.read is None else [self.read.work])]
        if self.true_work is None:
            self.true_work = Work(self.key)
            self.true_work.known = bytearray(b"\1" * len(self.key.truth))
            self.true_work.written = self.work.written
        works.append(self.true_work)
        return works

    def _alone(self, node: Node) -> bool:
        """Whether this is a gradient, and nothing that comes before it was handed in."""
        return node.step.section == "gradient" and not self.work.begun

    def _rounds_to_nothing(self, node: Node, given: Written) -> bool:
        """Whether this is a gradient of 0.00, and nothing tells whether a slip or rounding made it."""
        return not given.digits and given.unit < 1 and self._alone(node)

    def _may_be_rounded(self, node: Node, given: Written) -> bool:
        """Whether rounding each step on the way as this number is rounded can have led to it."""
        if self.key.short[node.slot] or given.digits >= FULL_PRECISION:
            return False
        work = self._works(node)[-1]
        digits, unit = min(given.digits, self.fewest.digits), max(given.unit, self.fewest.unit)
        habits = (Habit(max(2, digits)), Habit(2, unit))
        coarser = digits < given.digits  # and so everything on the way was rounded
        spread = max(work.widened(node, habit, coarser) for habit in habits)
        return abs(given.value - self.key.truth[node.slot]) <= MOST_ROUNDED * spread

    def _near(self, node: Node, value: float, own: float | None) -> bool:
        slot = node.slot
        share = CLOSE_ALONE if self._alone(node) else CLOSE_SHARE
        if self.key.short[slot] and self.work.short(node):
            return False
        if abs(value - self.key.truth[slot]) <= share * self.key.scale[slot]:
            return True
        if own is None or not math.isfinite(own):
            return False
        scale = abs(own) if node.base < 0 else abs(own - self.work.v[node.base])
        return abs(value - own) <= share * scale

    def _infer(self, node: Node, given: Written, explanation: Explanation | None) -> None:
        """Rule 4: what must have been used for a step that was not written."""
        work = self.guess or self.work
        if explanation is not None and explanation.slot != node.slot:
            slot, value = explanation.slot, explanation.value
            found: tuple[float, float] | None = (value, abs(value) * 1e-3)
        else:
            hidden = [
                p for p in node.parents if not work.written[p] and p >= self.key.structure.leaves
            ]
            if len(hidden) != 1:
                return
            slot = hidden[0]
            if slot in self._confirmed:
                return
            found = inverse(work, node, slot, given.value, given.unit)
        if found is None:
            return
        value, unit = found
        truth = self.key.truth[slot]
        reason = explanation is not None and explanation.idea is not None
        trivial = value in (0.0, 1.0) and truth not in (0.0, 1.0)
        if not math.isfinite(value) or ((trivial or abs(value) <= unit) and not reason):
            return
        if self.guess is None:
            self.guess = self.work.copy()
        self.guess.assume(slot, value, unit)


def _accident(given: Written, reference: Reference) -> float:
    """How often a number out of nowhere is as near to the reference as this one is."""
    if not reference.scale:
        return EMPTY
    distance = max(abs(given.value - reference.value), 0.5 * given.unit)
    return min(distance / reference.scale, MOST_LIKELY)


def _is_whole(judgement: Judgement, slot: int, value: float) -> bool:
    """Whether a slip gives just the number written, so that nothing was rounded off it."""
    at = judgement.explanation
    return at is not None and at.slot == slot and at.value == value


def _was_rounded(judgement: Judgement, slot: int, given: Written) -> bool:
    """Whether what a slip gives, or what follows from own numbers, has more digits than written."""
    at = judgement.explanation
    value = judgement.own if judgement.verdict == "follow_through" else None
    value = at.value if at is not None and at.slot == slot else value
    return value is not None and abs(value - given.value) > FLOAT * abs(value)


def _candidates(found: Sequence[Explanation]) -> dict[Idea, float]:
    ideas: dict[Idea, float] = {}
    for each in found:
        if each.idea is not None:
            ideas[each.idea] = min(each.chance, ideas.get(each.idea, 1.0))
    return ideas


def _to_unit(value: float, unit: float) -> float:
    """The value as one would write it whose last digit stands for `unit`."""
    return round(value / unit) * unit if unit and math.isfinite(value / unit) else value


def _may_be_written(value: float, unit: float, other: float, spread: float) -> bool:
    """Whether something within `spread` of `other`, rounded or cut off, is written as `value`."""
    distance = abs(value - other)
    # Cutting off goes towards zero, by up to a whole unit; rounding goes by up to half of one.
    room = unit if abs(value) <= abs(other) else 0.5 * unit
    return distance <= (room + spread) * (1 + 1e-6)
