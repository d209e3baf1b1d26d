"""One student working one sheet: the questions, the answers so far, and what they are worth.

No terminal here: a front end asks for `next`, hands over what was typed and shows what comes
back. The judgement is that of `check` on the answers so far, never another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import nearest, quote
from backprop_cli.formula import plain
from backprop_cli.formula.spelling import Spelling
from backprop_cli.graph.step import Graph, Section, Step
from backprop_cli.marking.asked import asked, matches, updates_asked
from backprop_cli.marking.check import Checker
from backprop_cli.marking.model import AnswerResult, Mistake, SubmissionReport, Verdict
from backprop_cli.marking.numbers import read_number
from backprop_cli.marking.texts import parts_of
from backprop_cli.problem.model import Problem
from backprop_cli.run import Iteration, Run, solve
from backprop_cli.tutor import hints
from backprop_cli.tutor.state import Place, Record, State, written
from backprop_cli.worksheet.document import Block, Document
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.sheet import DEFAULT, Sheet, spelling_of

HALF = 0.5
"""What an answer is worth that was right only at a later try."""
RIGHT: tuple[Verdict, ...] = ("correct", "follow_through")
MOST_CHARACTERS = 2_000


class NoSuchQuantity(ValueError):
    """A name that is not on the sheet, or not asked for."""


@dataclass(frozen=True)
class Question:
    """What is asked for: a quantity by its plain name, in an update of the sheet."""

    iteration: int
    name: str
    section: Section

    @property
    def place(self) -> Place:
        return self.iteration, self.name


@dataclass(frozen=True)
class Reply:
    """What `check` says of an answer, and what it is worth after this many tries."""

    question: Question
    verdict: Verdict
    feedback: str
    mistake: Mistake | None
    points: float
    max_points: float
    wrong_tries: int

    @property
    def right(self) -> bool:
        return self.verdict in RIGHT


class Session:
    """A sheet being worked.

    `only` are names with `*` and `?`; `start` is the quantity to begin at; `all_steps` asks for
    local derivatives too. After `tries` wrong tries a question is put behind; `free` lets tries
    and shown values cost nothing. `state` is what was done before.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        only: Sequence[str] = (),
        start: str | None = None,
        all_steps: bool = False,
        tries: int | None = None,
        free: bool = False,
        state: State | None = None,
    ) -> None:
        self.problem = problem
        self.tries, self.free = tries, free
        self._state = state or State()
        self._checker = Checker(problem)
        self.run: Run = solve(
            problem,
            steps=updates_asked(problem) if problem.trains else None,
            show=updates_asked(problem),
        )
        every = list(self._all(all_steps))
        self.questions = [each for each in every if not only or _fits(only, each.name)]
        if only and not self.questions:
            raise NoSuchQuantity(_unknown(only[0], every))
        self._at = self._first(start, every)
        self._report: SubmissionReport | None = None

    def _all(self, all_steps: bool) -> Iterator[Question]:
        for iteration in self.run.iterations[: updates_asked(self.problem)]:
            wanted = {step.name for step in asked(self.problem, iteration.graph, iteration.values)}
            for step in iteration.graph.steps:
                local = all_steps and step.section == "backward"
                if step.name in wanted or local:
                    yield Question(iteration.number, step.name, step.section)

    def _first(self, start: str | None, every: Sequence[Question]) -> int:
        if start is not None:
            for place, question in enumerate(self.questions):
                if matches(start, question.name):
                    return place
            raise NoSuchQuantity(_unknown(start, every))
        for place, question in enumerate(self.questions):
            if question.place not in self._state.answers:
                return place
        return len(self.questions)

    # What is asked, and what is known

    @property
    def next(self) -> Question | None:
        """The quantity asked for now, or None at the end."""
        return self.questions[self._at] if self._at < len(self.questions) else None

    @property
    def spelling(self) -> Spelling:
        return spelling_of(self._iteration(1).graph)

    @property
    def graph(self) -> Graph:
        """The equations of the update that is asked about, of the last one at the end."""
        return self._iteration(self._current(last=True).iteration).graph

    def given(self, question: Question) -> tuple[str, ...]:
        """The answer there is, as typed."""
        return self._state.answers.get(question.place, ())

    def record(self, question: Question) -> Record:
        return self._state.records.get(question.place, Record())

    @property
    def state(self) -> str:
        """The answer file so far: what would be handed in, and how it was come by."""
        return written(self._state, self._order)

    @cached_property
    def _order(self) -> list[Place]:
        return [question.place for question in self._all(all_steps=True)]

    # What a student does

    def answer(self, text: str) -> Reply:
        """Answer the question asked: a number, a formula, or both. A right answer moves on."""
        question = self._current()
        line = " ".join(text[:MOST_CHARACTERS].split())
        self._change(self._state.with_answer(question.place, (line,)))
        result = self._result(question)
        if result.verdict not in RIGHT:
            record = self.record(question)
            record = replace(record, wrong=record.wrong + 1)
            self._change(self._state.with_record(question.place, record))
            if self.tries is not None and record.wrong >= self.tries:
                self._at += 1
        else:
            self._at += 1
        return Reply(
            question,
            result.verdict,
            result.feedback,
            result.mistake,
            self._worth(question, result),
            result.max_points,
            self.record(question).wrong,
        )

    def hint(self) -> Document:
        """The next of three hints; the third again where all have been seen."""
        question = self._current()
        record = self.record(question)
        seen = min(record.hints + 1, hints.LAST)
        self._change(self._state.with_record(question.place, replace(record, hints=seen)))
        sheet, step = self._sheet(question)
        return self._said(hints.hint(sheet, step, seen, self._known(question)))

    def why(self) -> Document:
        """The reason for the step, in a sentence."""
        return self._said(hints.why(*self._sheet(self._current())))

    def show(self) -> str:
        """The value asked for, which is taken for the answer and earns nothing."""
        question = self._current()
        text = self._value(question)
        record = replace(self.record(question), shown=True)
        self._change(
            self._state.with_answer(question.place, (text,)).with_record(question.place, record)
        )
        self._at += 1
        return text

    def back(self) -> None:
        """To the question before."""
        self._at = max(0, self._at - 1)

    def skip(self) -> None:
        """Go on, with the answer there is or without one."""
        self._at = min(len(self.questions), self._at + 1)

    # What it comes to

    @property
    def report(self) -> SubmissionReport:
        """What `check` says of the answers so far."""
        if self._report is None:
            self._report = self._checker.mark(self._state.submission(len(self.run.iterations)))
        return self._report

    @property
    def score(self) -> float:
        """The points of the questions of this session, less what tries and shown values cost."""
        return sum(self._worth(question, result) for question, result in self.results())

    @property
    def max_score(self) -> float:
        return sum(result.max_points for _, result in self.results())

    @property
    def passed(self) -> bool:
        return self.score >= self._checker.pass_mark * self.max_score - 1e-9

    @property
    def slips(self) -> list[AnswerResult]:
        """The answers that are wrong in themselves."""
        return [result for _, result in self.results() if result.verdict == "wrong"]

    def again(self, count: int = 2) -> list[Question]:
        """The quantities that took most help."""

        def trouble(question: Question) -> int:
            record = self.record(question)
            wrong = any(question.place == (s.iteration, s.name) for s in self.slips)
            return 2 * record.wrong + record.hints + 4 * record.shown + 3 * wrong

        hardest = sorted(self.questions, key=trouble, reverse=True)
        return [question for question in hardest[:count] if trouble(question)]

    # Helpers

    def _current(self, *, last: bool = False) -> Question:
        if self.next is None and not last:
            raise NoSuchQuantity("every question has been asked")
        return self.next or self.questions[-1]

    def _change(self, state: State) -> None:
        self._state, self._report = state, None

    def _iteration(self, number: int) -> Iteration:
        return self.run.iterations[number - 1]

    def _sheet(self, question: Question) -> tuple[Sheet, Step]:
        iteration = self._iteration(question.iteration)
        return Sheet(self.run, iteration, DEFAULT), iteration.graph.step[question.name]

    def _said(self, blocks: Iterator[Block]) -> Document:
        graph = self.graph
        return Document("", tuple(blocks), spelling_of(graph), graph.lettering.typed)

    def _result(self, question: Question) -> AnswerResult:
        return self._by_place[question.place]

    @property
    def _by_place(self) -> dict[Place, AnswerResult]:
        return {(each.iteration, each.name): each for each in self.report.answers}

    def results(self) -> Iterator[tuple[Question, AnswerResult]]:
        found = self._by_place
        for question in self.questions:
            if (result := found.get(question.place)) is not None:
                yield question, result

    def _worth(self, question: Question, result: AnswerResult) -> float:
        record = self.record(question)
        if self.free:
            return result.points
        if record.shown:
            return 0.0
        return result.points * (HALF if record.wrong and result.verdict in RIGHT else 1.0)

    def _value(self, question: Question) -> str:
        iteration = self._iteration(question.iteration)
        value = iteration.values[question.name]
        if value is None:
            return plain.write(iteration.graph.step[question.name].formula)
        return plain.write(shown(value, max(self.problem.rounding.digits, 4)).formula)

    def _known(self, question: Question) -> dict[str, str]:
        """The student's own numbers of this update, as decimals."""
        found: dict[str, str] = {}
        for (update, name), texts in self._state.answers.items():
            if update == question.iteration and name != question.name:
                parts = [part.strip() for part in parts_of(texts)]
                numbers = [part for part in parts if read_number(part) is not None]
                found[name] = numbers[0].replace("−", "-").lstrip("+") if numbers else ""
        return found


def _fits(patterns: Sequence[str], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)


def _unknown(name: str, every: Sequence[Question]) -> str:
    close = nearest(name, [question.name for question in every])
    return f"{quote(name)} is not asked for on this sheet" + (f"; {close}" if close else "")
