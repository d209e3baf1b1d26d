"""All updates of a submission judged under one set of readings and ideas, and the results of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cached_property

from backprop_cli.formula.nodes import Formula
from backprop_cli.marking.entered import Entered, given_text
from backprop_cli.marking.evidence import Evidence, accidental, refuse_accidents
from backprop_cli.marking.expressions import ExpressionJudge
from backprop_cli.marking.feedback import (
    BESIDE,
    CHANGE,
    FORMULA_RIGHT,
    LOCAL,
    MISSING,
    OF_CHANGE,
    THROUGH,
    counted_here,
    look_again,
)
from backprop_cli.marking.judge import Judgement, NumberJudge
from backprop_cli.marking.mistakes import Idea
from backprop_cli.marking.model import GOOD, VERDICTS, AnswerResult, Mistake, Verdict
from backprop_cli.marking.readings import Page, Reading, ReadWork, carried, given_under
from backprop_cli.marking.ready import Ready
from backprop_cli.marking.sheet import Node, step_at
from backprop_cli.marking.slips import Budget
from backprop_cli.marking.submission import MOST_CHARACTERS, Answer
from backprop_cli.marking.work import Work

MOST_SUGGESTIONS = 5
MOST_UNKNOWN = 200


def told(
    update: int, answer: Answer, verdict: Verdict, feedback: str, name: str = "", read_as: str = ""
) -> AnswerResult:
    """The result of an answer that earns nothing, whatever is said of it."""
    return AnswerResult(
        update,
        name or answer.name,
        given_text(answer),
        verdict,
        0.0,
        0.0,
        feedback,
        line=answer.line,
        column=answer.column,
        typed="" if name in ("", answer.name) else answer.name,
        read_as=read_as,
    )


class Attempt:
    """All updates judged under one set of readings and ideas."""

    def __init__(
        self,
        ready: Ready,
        sheets: Sequence[Entered],
        readings: tuple[Reading, ...],
        ideas: Set[Idea] = frozenset(),
        *,
        searched: bool = True,
    ) -> None:
        self.ready = ready
        self.readings = readings
        self.updates: list[Update] = []
        budget = Budget()
        for place, sheet in enumerate(sheets):
            before = self.updates[-1] if self.updates else None
            self.updates.append(
                Update(ready, place, sheet, before, readings, ideas, budget, searched)
            )
        evidence = [update.evidence for update in self.updates]
        refuse_accidents(evidence)
        accidents = accidental(evidence)
        for each in evidence:
            each.settle()
            each.charge_each(accidents)
        self.results = [result for update in self.updates for result in update.results()]
        wrong = sum(result.verdict == "wrong" for result in self.results)
        self.lost = sum(each.max_points - each.points for each in self.results)
        unnamed = sum(each.verdict == "wrong" and each.mistake is None for each in self.results)
        unnamed = sum(each.vague for each in readings) if searched else unnamed
        self.merit = (-self.lost, -wrong, -unnamed)  # some answers earn nothing

    @property
    def settled(self) -> bool:
        """Whether nothing is lost but a mark for each slip that was read."""
        slips = sum(each.mistake is not None and not each.vague for each in self.readings)
        return self.lost <= slips

    def explains(self, pairs: Sequence[Reading]) -> bool:
        """Whether a slip that is no accident of operands is found in what these exchange."""
        names = {name for pair in pairs for name in pair.kind.split()}
        codes = {each.mistake.code for each in self.results if each.mistake and each.name in names}
        return bool(codes - {"wrong-operand", "misread-given", "row-shift"})

    @cached_property
    def pages(self) -> list[Page]:
        return [
            Page(
                update.key,
                self.ready.rewritings[place],
                update.sheet.numbers,
                [
                    slot
                    for slot, judgement in update.judgements.items()
                    if slot in update.sheet.numbers and judgement.verdict != "correct"
                ],
                [slot for slot, each in update.judgements.items() if each.verdict == "wrong"],
                [slot for slot, each in update.judgements.items() if each.same_as],
                update.work,
                update.sheet.habit,
            )
            for place, update in enumerate(self.updates)
        ]


class Update:
    """The answers of one submission to one update, judged."""

    def __init__(
        self,
        ready: Ready,
        place: int,
        sheet: Entered,
        before: Update | None,
        readings: tuple[Reading, ...],
        ideas: Set[Idea],
        budget: Budget,
        searched: bool,
    ) -> None:
        self.ready = ready
        self.sheet = sheet
        self.key = key = sheet.key
        self.given, self.numbers, self.texts = sheet.given, sheet.numbers, sheet.texts
        self.work: Work = self._begun(None if before is None else before.work, key.graph.carried)
        self.charged: dict[Idea, str] | None = None
        if not ready.charges_each:
            self.charged = {} if before is None else before.charged
        self.read: ReadWork | None = self._read_work(place, readings, before) if readings else None
        self.judge = NumberJudge(
            key,
            ready.finders[place],
            self.work,
            sheet.habit,
            self.charged,
            budget,
            ideas,
            sheet.everywhere,
            self.read,
            searched,
            sheet.fewest,
            sheet.terms,
        )
        self.expressions: ExpressionJudge | None = None
        self.place = place
        self.beside: dict[int, Judgement] = {}  # of formulas with a number
        self.owed: set[int] = set()  # slips in what earns no points, not paid for yet
        self.judgements = {
            slot: self._judgement(slot, self.given[slot])
            for slot in sheet.order
            if slot in self.given
        }
        self.evidence = Evidence(key, self.judgements, self.numbers, sheet.everywhere)

    def _begun(self, before: Work | None, carried: Mapping[str, str]) -> Work:
        """Own work with everything written; parameters and states begin where the student's own
        last update ended."""
        work = Work(self.key)
        if before is not None:
            work.carry(before, carried)
        for slot, written in self.numbers.items():
            work.write(slot, written.value, self.key.room(slot, written))
        return work

    def _read_work(
        self, place: int, readings: tuple[Reading, ...], before: Update | None
    ) -> ReadWork:
        rewritings = self.ready.rewritings
        earlier = None if before is None or before.read is None else before.read.work
        links = carried(rewritings[place - 1], readings) if place else {}
        work = self._begun(earlier, links)
        given = given_under(readings, self.key, self.ready.keys[0])
        return ReadWork(work, rewritings[place], readings, list(given))

    # Results in the order of the sheet

    def results(self) -> Iterator[AnswerResult]:
        key = self.key
        asked, given, judgements = key.asked, self.given, self.judgements
        for slot in self.sheet.order:
            if slot in judgements:
                yield self._result(slot, given[slot], judgements[slot])
            else:
                name = key.structure.names[slot]
                yield AnswerResult(
                    key.number, name, "", "missing", 0.0, asked[slot], MISSING, None,
                    self._expected(slot), None,
                )  # fmt: skip
        for answer, name, formula in self.sheet.extras[:MOST_UNKNOWN]:
            yield self._extra(answer, name, formula)
        for place, answer in enumerate(self.sheet.strangers[:MOST_UNKNOWN]):
            yield self._stranger(answer, place)

    def _judgement(self, slot: int, answer: Answer) -> Judgement:
        if answer.problem is not None:
            return Judgement("unreadable", f"This cannot be read: {answer.problem}.")
        if self.key.structure.nodes[slot] is None:
            return self._leaf(slot, answer)
        judgement = self._judge(slot, answer)
        if not answer.misshapen or judgement.mistake is not None:
            return judgement
        said = f"{answer.misshapen[0].upper()}{answer.misshapen[1:]}"
        if judgement.verdict not in GOOD:
            return judgement._replace(feedback=f"{said} {judgement.feedback}")
        # The numbers are right where they stand: the shape alone is wrong.
        mistake = Mistake("shape", answer.misshapen)
        return judgement._replace(verdict="wrong", feedback=said, mistake=mistake)

    def _result(self, slot: int, answer: Answer, judgement: Judgement) -> AnswerResult:
        key = self.key
        node = key.structure.nodes[slot]
        points = key.asked.get(slot, 0.0)
        if node is not None and slot in self.beside:
            judgement = self._both(node, self.beside[slot], judgement)
        judgement, share = self._settled(slot, node, judgement, points)
        own = judgement.own
        if self.ready.reveal and own is None and node is not None and not key.symbolic:
            self.work.settle(node.needs)
            own = self.work.value(node)[0]
        return AnswerResult(
            key.number,
            key.structure.names[slot],
            given_text(answer),
            judgement.verdict,
            points * share,
            points,
            judgement.feedback,
            judgement.mistake,
            self._expected(slot),
            own if self.ready.reveal else None,
            answer.line,
            answer.column,
            judgement.same_as,
            self.sheet.typed.get(slot, ""),
            self.sheet.read_as.get(slot, ""),
        )

    def _settled(
        self, slot: int, node: Node | None, judgement: Judgement, points: float
    ) -> tuple[Judgement, float]:
        """The share of its points an answer gets. A slip in what earns no points costs the first
        answer with points that follows from it: otherwise showing one's work would be an excuse."""
        share = judgement.share
        if share is None:
            share = self.ready.shares.get(judgement.verdict, 0.0)
        if node is None:
            return judgement, share
        if not points:
            if judgement.verdict == "wrong":
                self.owed.add(slot)
        elif self.owed and judgement.verdict in ("follow_through", "wrong"):
            paid = self._rests_on_owed(node)
            self.owed -= paid
            if paid and judgement.verdict == "follow_through":
                feedback = counted_here([self.key.structure.names[at] for at in sorted(paid)])
                return judgement._replace(feedback=feedback), 0.0
        return judgement, share

    def _rests_on_owed(self, node: Node) -> set[int]:
        """The unpaid slips a step rests on, answers with points left aside: they have paid."""
        found: set[int] = set()
        seen = set(node.reached)
        waiting = list(seen)
        while waiting:
            at = waiting.pop()
            if at in self.owed:
                found.add(at)
            elif at not in self.given or not self.key.asked.get(at):
                below = self.key.structure.nodes[at]
                new = () if below is None else (p for p in below.reached if p not in seen)
                for parent in new:
                    seen.add(parent)
                    waiting.append(parent)
        return found

    def _expected(self, slot: int) -> float | None:
        if not self.ready.reveal:
            return None
        value = self.key.truth[slot]
        return None if self.key.symbolic and value != value else value

    def _judge(self, slot: int, answer: Answer) -> Judgement:
        node, texts = step_at(self.key.structure.nodes, slot), self.texts.get(slot)
        number = self.numbers.get(slot)
        if texts is None:
            assert number is not None
            return self.judge.judge(node, number)
        if any(len(text) > MOST_CHARACTERS for text in texts):
            return Judgement("unreadable", f"This is longer than {MOST_CHARACTERS} characters.")
        if self.expressions is None:
            expressions = self.ready.expressions[self.place]
            self.expressions = ExpressionJudge(expressions, self.work, self.judge, self.texts)
        judgements = [self.expressions.judge(node, text, number) for text in texts]
        formula = max(judgements, key=lambda each: VERDICTS.index(each.verdict))
        if number is None:
            return formula
        self.beside[slot] = formula
        return self.judge.judge(node, number)

    def _both(self, node: Node, formula: Judgement, result: Judgement) -> Judgement:
        """A formula and the number it came to: where one of them is right, that earns a share."""
        method = self.ready.method
        if result.same_as == node.name:
            return formula  # the slip of the formula, in the number once more
        if formula.verdict in GOOD and result.verdict == "wrong":
            mistake = Mistake("formula-right", FORMULA_RIGHT)
            return result._replace(
                feedback=look_again(node.step, mistake), mistake=mistake, share=method
            )
        if result.verdict in GOOD and formula.verdict not in GOOD:
            return formula._replace(share=method, feedback=formula.feedback or BESIDE)
        return max(
            (formula, result), key=lambda each: (VERDICTS.index(each.verdict), bool(each.feedback))
        )

    def _leaf(self, slot: int, answer: Answer) -> Judgement:
        """A given quantity repeated: it must be what is given, and earns nothing."""
        truth = self.key.truth[slot]
        name = self.key.structure.names[slot]
        written = self.sheet.stated.get(slot)
        if truth == truth and written is not None and self.sheet.is_given(slot, written):
            return Judgement("correct", f"{name} is given; it need not be answered.")
        return Judgement("wrong", f"{name} is given on the sheet, and it is something else there.")

    def _extra(self, answer: Answer, name: str, formula: Formula) -> AnswerResult:
        """A local derivative that the sheet writes in place, or a change: without points."""
        right = self.sheet.expressions.agrees(answer.texts, formula, self.sheet.commas)
        kind, follows = self.sheet.changes.get(name, ("", False))
        verdict: Verdict = "correct" if right else "follow_through" if follows else "wrong"
        feedback = self._of_extra(name, kind) if verdict == "wrong" else ""
        return told(self.key.number, answer, verdict, feedback, name, kind)

    def _of_extra(self, name: str, kind: str) -> str:
        if kind:
            return OF_CHANGE
        return LOCAL if name in self.key.names.locals else THROUGH

    def _stranger(self, answer: Answer, place: int) -> AnswerResult:
        fitting = self.key.names.look(answer.name)
        unreadable = answer.problem is not None and answer.cells is None
        if unreadable:
            feedback = f"This cannot be read: {answer.problem}."
        elif fitting.change:
            feedback = CHANGE.format(gradient=" or ".join(fitting.names))
        elif fitting.names:
            feedback = f"This can be {' or '.join(fitting.names)}; write the one you mean."
        elif ends := self.key.names.ends(answer.name):
            feedback = f"This is {ends[0]} differentiated by {ends[1]}, which is not on this sheet."
        else:
            feedback = "There is no such name on this sheet."
            if not place:
                feedback = f"{feedback[:-1]}; `backprop explain names FILE` lists them."
            near = place < MOST_SUGGESTIONS
            nearest = self.key.names.nearest(answer.name) if near else []
            if nearest:
                feedback += f" Did you mean {' or '.join(nearest)}?"
        return told(self.key.number, answer, "unreadable" if unreadable else "unknown", feedback)
