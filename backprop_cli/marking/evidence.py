"""What answers show that show nothing by themselves: a bare 0, an update that changes nothing, a
number that stands elsewhere on the sheet.

An answer that agrees may have been worked out, or be what one writes who knows nothing. The other
answers tell which.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property

from backprop_cli.graph.step import Section
from backprop_cli.marking.feedback import (
    ACCIDENT,
    NO_DIGITS,
    TOO_COARSE,
    TRIVIAL,
    UNCHANGED,
    ZERO,
    look_again,
    same_slip,
)
from backprop_cli.marking.judge import EPS, Judgement
from backprop_cli.marking.mistakes import Idea
from backprop_cli.marking.model import GOOD
from backprop_cli.marking.numbers import Written, written_the_same
from backprop_cli.marking.sheet import AnswerKey, Node, step_at
from backprop_cli.marking.slips import CHANCE

GRADIENTS: tuple[Section, ...] = ("backward", "gradient")
FEW = 0.3
"""An idea that shows at a smaller part of these places is none."""
ENOUGH = 0.4
"""Where this part of what is not right in itself is explained, it is no accident."""
ACCIDENTS = 0.05
"""What is believed of a sheet where little is explained may be an accident this often."""
SHARE = 0.5
"""An idea that a student has shows at this part of the wrong answers where it could."""


def shown_ideas(updates: Iterable[Evidence]) -> frozenset[Idea]:
    """The ideas that several answers show together, though not each of them by itself.

    The one that explains the most answers comes first, then the one that explains the most of
    the others.
    """
    judgements: list[Judgement] = []
    places: dict[Idea, dict[int, float]] = {}
    tried: Counter[Idea] = Counter()
    numbers: dict[int, Written | None] = {}
    for evidence in updates:
        for slot, judgement in evidence.judgements.items():
            for idea, chance in judgement.candidates.items():
                found = places.setdefault(idea, {})
                found[len(judgements)] = chance if evidence.tells(slot) else 1.0
                written = evidence.numbers.get(slot)
                # The same number again tells nothing new, but for a 0 where others are none.
                numbers[len(judgements)] = written if written and written.digits else None
            tried.update(judgement.tried)
            judgements.append(judgement)
    shown: set[Idea] = set()
    while places:
        idea = max(places, key=lambda each: (len(places[each]), -sum(places[each].values())))
        covered = places.pop(idea)
        if len(covered) < 2:
            break
        chances = {numbers[place] or place: chance for place, chance in covered.items()}
        # Zeros alone tell nothing, but where the other classes of a softmax are left out.
        told = idea.code == "softmax-diagonal" or any(numbers[place] for place in covered)
        if told and math.prod(chances.values()) <= CHANCE and len(covered) >= SHARE * tried[idea]:
            shown.add(idea)
            for others in places.values():
                for place in covered:
                    others.pop(place, None)
    news = any(
        each.verdict == "wrong" and not shown.isdisjoint(each.candidates) and each.idea not in shown
        for each in judgements
    )
    return frozenset(shown) if news else frozenset()


def accidental(updates: Sequence[Evidence]) -> frozenset[Idea]:
    """Ideas that answers were followed from though they show at few places where they could."""
    hits: Counter[Idea] = Counter()
    tried: Counter[Idea] = Counter()
    for evidence in updates:
        for judgement in evidence.judgements.values():
            tried.update(judgement.tried)
            if judgement.idea is not None:
                hits[judgement.idea] += 1
    return frozenset(idea for idea, times in hits.items() if times < FEW * tried[idea])


def refuse_accidents(updates: Sequence[Evidence]) -> None:
    """Where hardly a number has an explanation, those that agree with something by accident
    show nothing, unless they agree better than so many numbers out of nowhere would.

    What is right in itself is no matter of chance. Of the rest, sorted by chance, the first k
    stand where at most a share of them is likely to be accidents (Benjamini and Hochberg, 1995).
    """
    judged = [each for evidence in updates for each in evidence.judgements.values()]
    chances = sorted(judgement.chance for judgement in judged if judgement.chance)
    if 2 * len(chances) < len(judged):
        return  # most numbers are right in themselves, and so out of somewhere
    explained = [chance for chance in chances if chance < 1]
    shown = sum(1 - chance for chance in explained)
    if shown >= ENOUGH * (shown + len(chances) - len(explained)):
        return
    limit = max(
        (each for k, each in enumerate(explained, 1) if each * len(chances) <= ACCIDENTS * k),
        default=0.0,
    )
    charged: dict[Idea, str] = {}
    for evidence in updates:
        evidence.refuse(limit)
        evidence.charge_first(charged)


class Evidence:
    """The judged answers to one update, asked for what they show together."""

    def __init__(
        self,
        key: AnswerKey,
        judgements: dict[int, Judgement],
        numbers: Mapping[int, Written],
        everywhere: Set[float] = frozenset(),
    ) -> None:
        self.key = key
        self.everywhere = everywhere  # numbers written at most places, whatever belongs there
        self.judgements = judgements
        self.numbers = numbers

    def settle(self) -> None:
        """Replaces the judgements in doubt, and those that only repeat other numbers."""
        repeats = [
            slot
            for slot, judgement in self.judgements.items()
            if judgement.verdict == "follow_through" and self._repeats(slot)
        ]
        most = 2 * len(self.judgements) >= len(self.key.asked)
        if repeats and most and not any(map(self._worked_out, self.judgements)):
            for slot in repeats:
                self.judgements[slot] = Judgement("wrong", TRIVIAL)
        doubtful = [slot for slot, judgement in self.judgements.items() if judgement.doubt]
        for slot in sorted(doubtful, key=lambda at: self.judgements[at].doubt == "unchanged"):
            self.judgements[slot] = self._settled(slot, self.judgements[slot])

    def refuse(self, limit: float) -> None:
        """What chance explains more easily than this is wrong, and no slip is named."""
        for slot, judgement in self.judgements.items():
            if limit < judgement.chance < 1:
                step = step_at(self.key.structure.nodes, slot).step
                feedback = ACCIDENT if judgement.verdict != "wrong" else look_again(step)
                self.judgements[slot] = Judgement("wrong", feedback, own=judgement.own, chance=1.0)

    def charge_first(self, charged: dict[Idea, str]) -> None:
        """A slip that is no longer named where it was charged is charged where it is named first.

        `charged` are the places so far, of earlier updates too.
        """
        for slot, judgement in self.judgements.items():
            if judgement.idea is None:
                continue
            name = self.key.structure.names[slot]
            first = charged.setdefault(judgement.idea, name)
            if judgement.same_as not in ("", first):
                followed = judgement._replace(feedback=same_slip(first), same_as=first)
                own = first == name
                self.judgements[slot] = self._charged(slot, judgement) if own else followed

    def charge_each(self, ideas: Set[Idea]) -> None:
        """What was followed from these ideas is wrong each time."""
        for slot, judgement in self.judgements.items():
            if judgement.same_as and judgement.idea in ideas:
                self.judgements[slot] = self._charged(slot, judgement)

    def _charged(self, slot: int, judgement: Judgement) -> Judgement:
        """A slip that was followed from another place as one that costs its mark here."""
        step = step_at(self.key.structure.nodes, slot).step
        feedback = look_again(step, judgement.mistake)
        return judgement._replace(verdict="wrong", feedback=feedback, same_as="")

    def tells(self, slot: int) -> bool:
        """Whether an answer can be evidence of a slip: a bare 0 only where others are none."""
        written = self.numbers.get(slot)
        if written is None or written.digits:
            return True
        return any(
            self._is_good(node.slot)
            for node in self._steps(GRADIENTS)
            if node.slot in self.judgements and self.numbers.get(node.slot)
        )

    def _settled(self, slot: int, judgement: Judgement) -> Judgement:
        node = step_at(self.key.structure.nodes, slot)
        if judgement.doubt in ("zero", "rounded"):
            able = self._with_digits(node, self.numbers[slot].unit)
            if self._show(able) and self._is_small(slot, able):
                return judgement
            feedback = TOO_COARSE if self.numbers[slot].value else ZERO if able else NO_DIGITS
            if judgement.doubt == "rounded":
                return judgement._replace(verdict="imprecise", feedback=feedback, share=0.0)
            return judgement._replace(verdict="wrong", feedback=feedback)
        followed = self._followed(node)
        upheld = followed and all(self._is_good(at) or self._is_upheld(at) for at in followed)
        if upheld or self._show(followed) or self._show(self._that_change(node)):
            return judgement
        return judgement._replace(verdict="imprecise", feedback=UNCHANGED, share=0.0)

    def _show(self, slots: list[int]) -> bool:
        """Whether what these quantities could show is shown, and rightly."""
        answered = [slot for slot in slots if slot in self.judgements]
        good = sum(map(self._is_good, answered))
        return good > 0 and 2 * good >= len(answered)

    def _is_small(self, slot: int, able: list[int]) -> bool:
        """Whether a quantity comes to 0 at the decimals that the other answers are written to."""
        units = [self.numbers[at].unit for at in able if at in self.numbers and self._is_good(at)]
        return not units or abs(self.key.truth[slot]) <= 0.5 * max(units) * (1 + EPS)

    def _is_upheld(self, slot: int) -> bool:
        """Whether a 0 has been settled: what the other gradients can show they show; or a slip that
        cost its mark elsewhere was followed."""
        judgement = self.judgements[slot]
        return judgement.verdict in GOOD and bool(judgement.same_as or judgement.doubt == "zero")

    def _is_good(self, slot: int) -> bool:
        judgement = self.judgements[slot]
        written = self.numbers.get(slot)
        right = judgement.verdict in GOOD and not judgement.same_as
        if written is not None and (not written.digits or written.value in self.everywhere):
            return False
        return right and not judgement.doubt

    def _steps(self, sections: tuple[Section, ...]) -> Iterator[Node]:
        return (node for node in self.key.structure.steps if node.step.section in sections)

    def _with_digits(self, node: Node, unit: float) -> list[int]:
        """The other gradients that show a digit at these decimals, or are written with digits."""
        at = (other.slot for other in self._steps(GRADIENTS) if other is not node)
        return [
            slot
            for slot in at
            if (slot in self.numbers and self.numbers[slot].digits)
            or (
                abs(self.key.truth[slot]) >= 0.5 * unit
                and (slot in self.key.asked or slot in self.judgements)
            )
        ]

    def _followed(self, node: Node) -> list[int]:
        """The answers that an update follows from, through what was not answered."""
        found: list[int] = []
        waiting = [parent for parent in node.parents if parent != node.base]
        for slot in waiting:
            at = self.key.structure.nodes[slot]
            if at is None or at.step.section not in ("gradient", "update"):
                continue
            if slot in self.judgements:
                found.append(slot)
            else:
                waiting += [parent for parent in at.parents if parent not in waiting]
        return found

    def _that_change(self, node: Node) -> list[int]:
        """The other updates whose change can be seen at the digits written."""
        found = []
        for other in self._steps(("update",)):
            written = self.numbers.get(other.slot)
            if other is node or other.base < 0 or written is None:
                continue
            truth, old = self.key.truth[other.slot], self.key.truth[other.base]
            if truth != old and not written_the_same(old, written.unit, truth):
                found.append(other.slot)
        return found

    # Numbers that stand elsewhere

    def _worked_out(self, slot: int) -> bool:
        """Whether an answer is right and no number that was there to be copied."""
        return self._is_good(slot) and (slot not in self.numbers or not self._repeats(slot))

    def _repeats(self, slot: int) -> bool:
        written = self.numbers.get(slot)
        if written is None:
            return False
        size = abs(written.value)
        return size in (0.0, 1.0) or self._sizes[size] > 1

    @cached_property
    def _sizes(self) -> Counter[float]:
        """How often each number is given or written, whatever its sign."""
        given = self.key.truth[: self.key.structure.leaves]
        return Counter(map(abs, (*given, *(each.value for each in self.numbers.values()))))
