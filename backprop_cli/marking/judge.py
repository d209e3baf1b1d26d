"""The verdict on each number, by the rules of fair marking.

1. Right in itself: within the last written unit, or the tolerance, of the true value.
2. Right from own work: what the student's own earlier numbers give, whatever was rounded on
   the way.
3. Neither silent credit for digits that tell nothing, nor a mark lost for honest rounding.
4. One slip costs one mark: a wrong number also tells what was used for steps not written.
5. No follow-through where being wrong made the rest trivial.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from backprop_cli.formula.nodes import Sum
from backprop_cli.marking.feedback import (
    EVERYWHERE,
    FOLLOWS,
    NO_DIGITS,
    ROUNDED_EARLY,
    TOO_COARSE,
    TRIVIAL,
    UNCHANGED,
    look_again,
)
from backprop_cli.marking.model import Mistake, Verdict
from backprop_cli.marking.numbers import Written, quantum, written_the_same
from backprop_cli.marking.sheet import AnswerKey, Node
from backprop_cli.marking.slips import LOOSE, Explanation, SlipFinder, inverse
from backprop_cli.marking.work import EASY, IMPOSSIBLE, Work

NOTHING = 1e-15
"""What a saturated unit lets through: 0 on any calculator."""
CLOSE_SHARE = 0.03
"""A number this near is taken for the right method, rounded too early."""
FITS = 0.2
"""A slip that misses by this part of what the right number misses by explains the answer."""
WIDE_SHARE = 0.25
"""An allowance wider than this part of the value tells too little for full credit."""
EPS = 1e-9
FLOAT = 1e-12
"""Floats that differ by less than this part are the same number, calculated in another order."""
FULL_PRECISION = 8
"""From so many digits on, rounding on the way explains nothing."""


class Judgement(NamedTuple):
    verdict: Verdict
    feedback: str = ""
    mistake: Mistake | None = None
    own: float | None = None  # what the student's own numbers give
    right: bool = False  # right in itself, so that what rests on it is no follow-through
    blank: bool = False  # the number says too little to go on with


CORRECT = Judgement("correct", right=True)


class NumberJudge:
    """Judges the numbers of one submission for one update.

    `work` must hold every written number before the first is judged; numbers are judged in the
    order of the sheet.
    """

    def __init__(
        self,
        key: AnswerKey,
        finder: SlipFinder,
        work: Work,
        digits: int,
        everywhere: float | None = None,
    ) -> None:
        self.key = key
        self.finder = finder
        self.work = work
        self.everywhere = everywhere  # a number written at most places, whatever belongs there
        self.coarse = digits < 2
        self.digits = max(2, digits)  # how many significant digits this student writes
        self.guess: Work | None = None  # with what the student must have used
        self.true_work: Work | None = None
        self._good: list[Node] = []  # answers that were right from own work, in order
        self._confirmed: set[int] = set()

    def judge(self, node: Node, given: Written) -> Judgement:
        """The verdict; own work then knows whether this number is right."""
        slot = node.slot
        # The common case first: most answers of most students are right.
        if abs(given.value - self.key.truth[slot]) <= self.key.margin[slot]:
            self._good.append(node)
            return CORRECT
        judgement = self._judge(node, given)
        if judgement.verdict in ("correct", "follow_through"):
            self._good.append(node)
        self._remember(node, given, judgement)
        return judgement

    def _remember(self, node: Node, given: Written, judgement: Judgement) -> None:
        slot = node.slot
        for work in (self.work, self.guess):
            if work is None:
                continue
            if judgement.blank:
                work.forget(slot, given.unit)
            else:
                work.right[slot] = judgement.right
        if judgement.verdict == "wrong":
            taint = self._trivial(node, given.value, judgement.mistake)
            for work in (self.work, self.guess):
                if work is not None:
                    work.tainted[slot] = taint

    def _trivial(self, node: Node, value: float, mistake: Mistake | None) -> int:
        """A factor made 0 or 1, or an activation outside its range, where the true one is not."""
        truth = self.key.truth[node.slot]
        if value in (0.0, 1.0) and truth not in (0.0, 1.0):
            return EASY
        if node.bounds is None:
            return 0
        low, high = node.bounds
        # An honest slip (z for a, a lost decimal place) may leave the range as well.
        honest = mistake is not None and mistake.code != "wrong-operand"
        outside = not low <= value <= high and low <= truth <= high
        return IMPOSSIBLE if outside and not honest else 0

    # The rules in turn

    def _judge(self, node: Node, given: Written) -> Judgement:
        key, slot = self.key, node.slot
        truth = key.truth[slot]
        if given.value != given.value:
            return CORRECT if truth != truth else Judgement("wrong", look_again(node.step))
        if abs(given.value - truth) <= max(FLOAT * abs(truth), NOTHING):
            return CORRECT
        if math.isinf(given.value):
            if given.value == truth:
                return CORRECT
            self.work.settle(node.needs)
            follows = given.value == self.work.value(node)[0]
            return Judgement("wrong", TRIVIAL if follows else look_again(node.step))
        # Rounding and cutting off both stay below a whole unit.
        if abs(given.value - truth) < given.unit * (1 - EPS):
            old = key.truth[node.base] if node.base >= 0 else None
            judgement = self._by_digits(node, given, truth, key.scale[slot], old, key.truth)
            if judgement is not None:
                return judgement
        own = None
        for work in (self.work, self.guess):
            if work is None:
                continue
            judgement, value = self._from_work(node, given, work)
            own = value if own is None else own
            if judgement is not None:
                return judgement._replace(own=value)
        for work in (self.work, self.guess):
            if work is None or self.digits >= FULL_PRECISION:
                continue
            judgement = self._rounded_on_the_way(node, given, work)
            if judgement is not None:
                return judgement._replace(own=own)
        if self._right_without_what_is_wrong(node, given):
            return CORRECT._replace(own=own)
        return self._wrong(node, given, own)

    def _right_without_what_is_wrong(self, node: Node, given: Written) -> bool:
        """Whether the number follows from own numbers and the right ones for those that are
        wrong: a sign lost in copying an answer out, say, that was not lost in the working."""
        work = self.work
        wrong = [slot for slot in node.parents if work.written[slot] and not work.right[slot]]
        if not wrong or given.digits < 2:
            return False
        mended = work.copy()
        for slot in wrong:
            mended.v[slot] = _to_unit(self.key.truth[slot], work.unit[slot])
            mended.right[slot] = 1
        judgement, _ = self._from_work(node, given, mended)
        return judgement is not None and judgement.verdict == "correct"

    def _by_digits(
        self,
        node: Node,
        given: Written,
        reference: float,
        scale: float,
        old: float | None,
        v: Sequence[float],
    ) -> Judgement | None:
        """The number agrees to its last unit: is that enough to be told from something else?"""
        value, unit = given.value, given.unit
        if abs(value - reference) <= max(self.key.tolerance * scale, FLOAT * abs(reference)):
            return CORRECT
        honest = written_the_same(value, unit, reference)
        covers_zero = unit >= abs(reference)
        if not honest and (covers_zero or given.digits == 0):
            return None
        if given.digits == 0 or (covers_zero and old is None):
            if _bare(given, reference):
                return None
            return Judgement("imprecise", NO_DIGITS, right=True, blank=True)
        if old is not None:
            change = reference - old
            hides = any(written_the_same(value, unit, other) for other in (old, old - change))
            if hides or (unit >= scale and not honest):
                return Judgement("imprecise", UNCHANGED, right=True)
            return CORRECT
        if honest and given.digits >= 2:
            return CORRECT
        if self._hides_slip(node, value, unit, reference, scale, v):
            return Judgement("imprecise", TOO_COARSE, right=True)
        return CORRECT

    def _hides_slip(
        self,
        node: Node,
        value: float,
        unit: float,
        reference: float,
        scale: float,
        v: Sequence[float],
    ) -> bool:
        apart = self.key.tolerance * scale
        return any(
            abs(other - reference) > apart and written_the_same(value, unit, other)
            for other in self.finder.structural(node, v)
        )

    def _from_work(
        self, node: Node, given: Written, work: Work
    ) -> tuple[Judgement | None, float | None]:
        """Rule 2: what follows from the student's own numbers, to first order in their units."""
        work.settle(node.needs)
        first: float | None = None
        definitions = [(node.function, node.parents), *node.others]
        for function, parents in definitions:
            work.settle(parents)
            own, spread = work.evaluate(function, parents, work.unit)
            first = own if first is None else first
            old = work.v[node.base] if node.base >= 0 else None
            scale = abs(own) if old is None else abs(own - old)
            distance = abs(given.value - own)
            if (
                distance <= self.key.tolerance * scale
                or distance < given.unit * (1 - EPS)
                or own == given.value
            ):
                judgement = self._by_digits(node, given, own, scale, old, work.v)
                if judgement is not None:
                    if given.value == self.everywhere and not work.right_parents(node):
                        return Judgement("wrong", EVERYWHERE), own
                    return self._with_parents(node, work, judgement, own), own
            elif spread and distance <= (given.unit + spread) * (1 + EPS):
                judgement = self._by_allowance(
                    node, given, own, given.unit + spread, scale, old, work.v
                )
                if judgement is not None:
                    return self._with_parents(node, work, judgement, own), own
        return None, first

    def _by_allowance(
        self,
        node: Node,
        given: Written,
        own: float,
        allowance: float,
        scale: float,
        old: float | None,
        v: Sequence[float],
    ) -> Judgement | None:
        """Within what earlier roundings allow: never credit for what could be anything."""
        if given.digits == 0:
            return Judgement("imprecise", NO_DIGITS, right=True, blank=True)
        if allowance > WIDE_SHARE * scale:
            if self.coarse and not written_the_same(given.value, given.unit, own):
                return None  # with one digit anything would do
            return Judgement("imprecise", TOO_COARSE, right=True)
        if self._hides_slip(node, given.value, given.unit, own, scale, v):
            return Judgement("imprecise", TOO_COARSE, right=True)
        return CORRECT

    def _pays(self, node: Node, work: Work, own: float) -> bool:
        """Rule 5: whether an earlier wrong number makes this one trivial."""
        tainted = work.tainted
        marks = [tainted[parent] for parent in node.parents]
        if not any(marks):
            return False
        if IMPOSSIBLE in marks or own == 0 or not math.isfinite(own):
            return True
        return any(tainted[slot] == EASY for slot in node.factors)

    def _with_parents(self, node: Node, work: Work, judgement: Judgement, own: float) -> Judgement:
        if work.right_parents(node):
            return judgement
        if self._pays(node, work, own):
            return Judgement("wrong", TRIVIAL)
        if judgement.verdict == "correct":
            return Judgement("follow_through", FOLLOWS)
        return judgement._replace(right=False)

    def _rounded_on_the_way(self, node: Node, given: Written, work: Work) -> Judgement | None:
        """Steps that were not written were rounded too, to as many digits as the others."""
        unit = max(given.unit, quantum(given.value, self.digits))
        for function, parents in [(node.function, node.parents), *node.others]:
            work.settle(parents)
            own = function(work.v)
            if _bare(given, own):
                continue
            spread = work.widened(node, self.digits)
            if _may_be_written(given.value, unit, own, spread):
                old = work.v[node.base] if node.base >= 0 else None
                scale = abs(own) if old is None else abs(own - old)
                judgement = self._by_allowance(node, given, own, unit + spread, scale, old, work.v)
                if judgement is not None:
                    return self._with_parents(node, work, judgement, own)
        return None

    def _confirm(self) -> set[int]:
        """The unwritten steps that an earlier right answer shows to have been done right."""
        work = self.work
        for node in self._good:
            if node.step.kind == "update" or self.key.truth[node.slot] == 0:
                continue
            waiting = [node]
            while waiting:
                at = waiting.pop()
                if isinstance(at.step.formula, Sum) and at is not node:
                    # One path of a sum may be too small to show.
                    continue
                for parent in at.parents:
                    below = work.nodes[parent]
                    if below is None or work.written[parent] or parent in self._confirmed:
                        continue
                    if isinstance(at.step.formula, Sum):
                        continue
                    self._confirmed.add(parent)
                    waiting.append(below)
        self._good.clear()
        return self._confirmed

    def _wrong(self, node: Node, given: Written, own: float | None) -> Judgement:
        explanation = None
        if given.digits and not _bare(given, self.key.truth[node.slot]):
            explanation = self.finder.explain(
                self.key,
                node,
                given.value,
                given.unit,
                self._works(),
                self._confirm(),
                self.digits,
            )
        near = self._near(node, given.value, own)
        if near and (explanation is None or (explanation.rank >= LOOSE and explanation.fit > FITS)):
            return Judgement("imprecise", ROUNDED_EARLY, own=own)
        self._infer(node, given, explanation)
        if explanation is None:
            return Judgement("wrong", look_again(node.step), own=own)
        mistake = explanation.mistake
        if explanation.slot != node.slot:
            where = self.finder.structure.names[explanation.slot]
            mistake = mistake._replace(message=f"in {where}, on the way here: {mistake.message}")
        return Judgement("wrong", look_again(node.step, mistake), mistake, own)

    def _works(self) -> list[Work]:
        works = [self.work]
        if self.guess is not None:
            works.append(self.guess)
        if self.true_work is None:
            self.true_work = Work(self.key)
            self.true_work.known = bytearray(b"\1" * len(self.key.truth))
            self.true_work.written = self.work.written
        works.append(self.true_work)
        return works

    def _near(self, node: Node, value: float, own: float | None) -> bool:
        slot = node.slot
        if abs(value - self.key.truth[slot]) <= CLOSE_SHARE * self.key.scale[slot]:
            return True
        if own is None or not math.isfinite(own):
            return False
        scale = abs(own) if node.base < 0 else abs(own - self.work.v[node.base])
        return abs(value - own) <= CLOSE_SHARE * scale

    def _infer(self, node: Node, given: Written, explanation: Explanation | None) -> None:
        """Rule 4: what must have been used for a step that was not written."""
        work = self.guess or self.work
        if explanation is not None and explanation.slot != node.slot:
            slot, value = explanation.slot, explanation.value
            found: tuple[float, float] | None = (value, abs(value) * 1e-3 + given.unit * 0)
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
        if not math.isfinite(value) or (value in (0.0, 1.0) and truth not in (0.0, 1.0)):
            return
        if abs(value) <= unit:
            return
        if self.guess is None:
            self.guess = self.work.copy()
        self.guess.assume(slot, value, unit)


def _to_unit(value: float, unit: float) -> float:
    """The value as one would write it whose last digit stands for `unit`."""
    return round(value / unit) * unit if unit and math.isfinite(value / unit) else value


def _may_be_written(value: float, unit: float, other: float, spread: float) -> bool:
    """Whether something within `spread` of `other`, rounded or cut off, is written as `value`."""
    distance = abs(value - other)
    # Cutting off goes towards zero, by up to a whole unit; rounding goes by up to half of one.
    room = unit if abs(value) <= abs(other) else 0.5 * unit
    return distance <= (room + spread) * (1 + 1e-6)


def _bare(given: Written, reference: float) -> bool:
    """Whether a bare 0 or 1 stands for a number that is not near it: it says nothing."""
    return abs(given.value) <= 1 <= given.unit and given.unit >= abs(reference) >= 0.01
