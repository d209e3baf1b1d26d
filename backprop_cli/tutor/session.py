"""One student working one sheet: the questions, the answers so far, and what they are worth.

No terminal here: a front end asks for `next`, hands over what was typed and shows what comes
back. The judgement is that of `check` on the answers so far, never another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.diagnostics import nearest, quote
from backprop_cli.formula import plain
from backprop_cli.formula.build import names_in
from backprop_cli.formula.nodes import Name
from backprop_cli.formula.spelling import Spelling
from backprop_cli.graph.step import Graph, Step
from backprop_cli.graph.views import whole_arrays
from backprop_cli.marking.asked import asked, matches, updates_asked
from backprop_cli.marking.check import Checker
from backprop_cli.marking.entered import misfit
from backprop_cli.marking.model import GOOD, AnswerResult, Mistake, SubmissionReport, Verdict
from backprop_cli.marking.numbers import read_number
from backprop_cli.marking.texts import parts_of
from backprop_cli.problem.model import Problem
from backprop_cli.run import Iteration, Run, solve
from backprop_cli.tutor import hints
from backprop_cli.tutor.arrays import cells
from backprop_cli.tutor.arrays import written as array
from backprop_cli.tutor.page import Said
from backprop_cli.tutor.question import Place, Question
from backprop_cli.tutor.state import Record, State, written
from backprop_cli.worksheet.document import Block
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.sheet import DEFAULT, Sheet, spelling_of

HALF = 0.5
"""What an answer is worth that was right only at a later try."""
_NONE = AnswerResult(1, "", "", "missing", 0.0, 0.0)
MOST_CHARACTERS = 2_000


class NoSuchQuantity(ValueError):
    """A name that is not on the sheet, or not asked for."""


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
        return self.verdict in GOOD


class Session:
    """A sheet being worked.

    `only` are names with `*` and `?`; `start` is the quantity to begin at; `all_steps` asks for
    local derivatives too; `arrays` asks for whole arrays where the sheet is written in them. After
    `tries` wrong tries a question is put behind; `free` lets tries and shown values cost nothing.
    `state` is what was done before.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        only: Sequence[str] = (),
        start: str | None = None,
        all_steps: bool = False,
        arrays: bool = False,
        tries: int | None = None,
        free: bool = False,
        state: State | None = None,
    ) -> None:
        self.problem = problem
        self.tries, self.free = tries, free
        self.arrays = arrays
        self._checker = Checker(problem)
        self._state = self._in_names(state or State())
        self.made: dict[Place, Mistake] = {}  # the slips of this session, mended or not
        self.run: Run = solve(
            problem,
            steps=updates_asked(problem) if problem.trains else None,
            show=updates_asked(problem),
        )
        every = list(self._all(all_steps))
        self.questions = list(_chosen(every, only))
        if only and not self.questions:
            raise NoSuchQuantity(_unknown(only[0], every))
        self.resumed = bool(self._state.records or self._state.answers)
        self.returning = False  # behind the last question, to what was left open
        first = self._first(start, every)
        self._begun = 0 if start is None else first
        self._go(first)

    def _in_names(self, state: State) -> State:
        """The answers of a file under the sheet's own names, arrays entry by entry."""
        found: dict[Place, tuple[str, ...]] = {}
        for place in {**state.answers, **state.arrays}:
            update, written = place
            texts, cells = state.answers.get(place, ()), state.arrays.get(place)
            names = self._checker.keys[update - 1].names if update <= self.updates else None
            name = None if names is None else names.exactly(written)
            view = None if names is None or name is not None else names.array(written)
            if view is not None:
                shape = (len(texts),) if cells is None else cells.shape
                each: list[tuple[str, ...]] = [(text,) for text in texts]
                if cells is not None:
                    each = [() if cell is None else cell.texts for cell in cells.answers]
                if misfit(shape, view.shape) is None:
                    for entry, its in zip(view.entries, each, strict=True):
                        if isinstance(entry, Name) and entry.name and its:
                            found.setdefault((update, entry.name), its)
            elif texts:
                found.setdefault((update, name or written), texts)
        return replace(state, answers=found, arrays={})

    @property
    def updates(self) -> int:
        return len(self._checker.keys)

    def _all(self, all_steps: bool) -> Iterator[Question]:
        for iteration in self.run.iterations[: updates_asked(self.problem)]:
            graph = iteration.graph
            wanted = {step.name for step in asked(self.problem, graph, iteration.values)}
            if all_steps:
                wanted.update(step.name for step in graph.section("backward"))
            whole = self.arrays and Sheet(self.run, iteration, DEFAULT).in_arrays
            views = whole_arrays(graph, wanted, in_rows=True) if whole else {}
            asked_for: set[str] = set()
            for step in graph.steps:
                if step.name not in wanted or step.name in asked_for:
                    continue
                view = views.get(step.name)
                if view is None:
                    yield Question(iteration.number, step.name, step.section)
                    continue
                names = [each.name if isinstance(each, Name) else "" for each in view.entries]
                asked_for.update(names)
                yield Question(iteration.number, view.name, step.section, view.shape, tuple(names))

    def _first(self, start: str | None, every: Sequence[Question]) -> int:
        """Where a session begins: at `start`, or where it stopped, behind the last answer."""
        if start is not None:
            for place, question in enumerate(self.questions):
                if any(matches(start, name) for name in (question.name, *question.entries)):
                    return place
            raise NoSuchQuantity(_unknown(start, every))
        answered = [place for place, each in enumerate(self.questions) if self.given(each)]
        if not answered:
            return 0
        # Whoever stopped at a wrong answer had not done with it.
        return answered[-1] + self.said(self.questions[answered[-1]]).right

    def _go(self, place: int) -> None:
        """To a question; behind the last one to those that were left open, once more each."""
        if place >= len(self.questions) and not self.returning:
            self.returning, place = True, self._begun
        if self.returning:
            left = range(place, len(self.questions))
            open_ones = (each for each in left if not self.given(self.questions[each]))
            place = next(open_ones, len(self.questions))
        self._at = place

    def __repr__(self) -> str:
        asked = "done" if self.next is None else f"{self.next.name} = ?"
        return f"<Session: {asked}, {self.score:g} of {self.max_score:g}>"

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

    def given(self, question: Question) -> str:
        """The answer there is, as typed; nothing where there is none."""
        texts = [" = ".join(self._state.answers.get(place, ())) for place in question.places]
        if not question.shape or not any(texts):
            return texts[0]
        found = dict(zip(question.places, texts, strict=True))
        cells = [found.get((question.iteration, name), "0") or "…" for name in question.entries]
        return array(cells, question.shape)

    def record(self, question: Question) -> Record:
        """How it was come by; of an array the most of any entry."""
        found = [self._record(place) for place in question.places]
        return Record(
            max(each.wrong for each in found),
            max(each.hints for each in found),
            any(each.shown for each in found),
        )

    @property
    def state(self) -> str:
        """The answer file so far: what would be handed in, and how it was come by."""
        return written(self._state, self._order)

    @cached_property
    def _order(self) -> list[Question]:
        return list(self._all(all_steps=True))

    # What a student does

    def answer(self, text: str) -> Reply:
        """Answer the question asked: a number, a formula, or both; of an array all its entries, as
        `[[1, 2], [3, 4]]` or `1 2; 3 4`. A right answer moves on."""
        question = self._current()
        line = self.entries_of(question, " ".join(text[:MOST_CHARACTERS].split()))
        typed = cells(line, question.shape) if question.shape else [line]
        if (other := self._other(question, line)) is not None:
            typed = f"You wrote {other}; asked for is {question.name}."
        if isinstance(typed, str):
            return Reply(question, "unreadable", typed, None, 0.0, self._most(question), 0)
        own = zip(question.entries, typed, strict=True)
        answers = {(question.iteration, name): (each,) for name, each in own if name}
        self._change(self._state.with_answers(answers))
        for place in question.places:
            result = self._by_place[place]
            if result.mistake is not None and not result.same_as:
                self.made[place] = result.mistake
            if result.verdict not in (*GOOD, "unreadable"):
                self._note(place, wrong=self._record(place).wrong + 1)
        reply = self.said(question)
        tried = self.tries is not None and reply.wrong_tries >= self.tries
        if reply.right or tried:
            self._go(self._at + 1)
        return reply

    def said(self, question: Question) -> Reply:
        """What is said of the answer there is; of an array, of its first entry that is not right."""
        results = [self._by_place[place] for place in question.places if place in self._by_place]
        wrong = [result for result in results if result.verdict not in GOOD]
        follows = (result for result in results if result.verdict == "follow_through")
        told = wrong[0] if wrong else next(follows, results[0] if results else None)
        feedback = "" if told is None else told.feedback
        if wrong and question.shape:
            right = len(results) - len(wrong)
            feedback = (
                f"{right} of {len(results)} entries are right. At {wrong[0].name}: {feedback}"
            )
        return Reply(
            question,
            "missing" if told is None else told.verdict,
            feedback,
            None if told is None else told.mistake,
            sum(self._worth(result) for result in results),
            self._most(question),
            self.record(question).wrong,
        )

    def hint(self) -> Said:
        """The next of three hints; the third again where all have been seen."""
        question = self._current()
        seen = min(self.record(question).hints + 1, hints.LAST)
        self._note(question.places[0], hints=seen)
        sheet, step = self._sheet(question)
        array = question.name if question.shape else None
        return self._said(hints.hint(sheet, step, seen, self._known(question, step), array))

    def why(self) -> Said:
        """The reason for the step, in a sentence."""
        question = self._current()
        sheet, step = self._sheet(question)
        return self._said(hints.why(sheet, step, question.name if question.shape else None))

    def show(self) -> str:
        """The value asked for, which is taken for the answer and earns nothing."""
        question = self._current()
        self._change(
            self._state.with_answers({place: (self._value(place),) for place in question.places})
        )
        for place in question.places:
            self._note(place, shown=True)
        self._go(self._at + 1)
        return self.given(question)

    def back(self) -> None:
        """To the question before."""
        self._at = max(0, self._at - 1)

    def skip(self) -> None:
        """Go on, with the answer there is; without one it is asked for again at the end."""
        self._go(self._at + 1)

    # What it comes to

    @cached_property
    def report(self) -> SubmissionReport:
        """What `check` says of the answers so far."""
        return self._checker.mark(self._state.submission(self.updates))

    @property
    def score(self) -> float:
        """The points of the questions of this session, less what tries and shown values cost."""
        return sum(map(self._worth, self.results()))

    @property
    def max_score(self) -> float:
        return sum(result.max_points for result in self.results())

    @property
    def passed(self) -> bool:
        return self.score >= self._checker.pass_mark * self.max_score - 1e-9

    @property
    def slips(self) -> list[AnswerResult]:
        """The answers that are wrong in themselves."""
        return [result for result in self.results() if result.verdict == "wrong"]

    def again(self, count: int = 2) -> list[Question]:
        """The quantities that took most help."""

        def trouble(question: Question) -> int:
            record = self.record(question)
            wrong = any((slip.iteration, slip.name) in question.places for slip in self.slips)
            return 2 * record.wrong + record.hints + 4 * record.shown + 3 * wrong

        hardest = sorted(self.questions, key=trouble, reverse=True)
        return [question for question in hardest[:count] if trouble(question)]

    # Helpers

    def entries_of(self, question: Question, line: str) -> str:
        """What stands behind the name of the array that is asked for, where that is typed too."""
        left, equals, right = line.partition("=")
        named = equals and self._view_of(question.iteration, left) == question.name
        return right.strip() if question.shape and named else line

    def _view_of(self, iteration: int, written: str) -> str | None:
        view = self._checker.keys[iteration - 1].names.array(written.strip())
        return None if view is None else view.name

    def _other(self, question: Question, line: str) -> str | None:
        """Another quantity of the sheet that a line `name = …` says it is, none of the formula."""
        left, equals, _ = line.partition("=")
        if not equals:
            return None
        name = self._checker.keys[question.iteration - 1].names.exactly(left.strip())
        graph = self._iteration(question.iteration).graph
        own = (step for each in question.entries if (step := graph.step.get(each)) is not None)
        meant = {
            *question.entries,
            question.name,
            *(n for step in own for n in names_in(step.formula)),
        }
        return name if name in graph.step and name not in meant else None

    def _current(self, *, last: bool = False) -> Question:
        if self.next is None and not last:
            raise NoSuchQuantity("every question has been asked")
        return self.next or self.questions[-1]

    def _change(self, state: State) -> None:
        if state.answers is not self._state.answers:  # tries and hints are no answers
            for judged in ("report", "_by_place"):
                self.__dict__.pop(judged, None)
        self._state = state

    def _record(self, place: Place) -> Record:
        return self._state.records.get(place, Record())

    def _note(self, place: Place, **changes: Any) -> None:
        """Keep how a quantity was come by."""
        self._change(self._state.with_record(place, replace(self._record(place), **changes)))

    def _iteration(self, number: int) -> Iteration:
        return self.run.iterations[number - 1]

    def _sheet(self, question: Question) -> tuple[Sheet, Step]:
        """The sheet, and the step that is asked for; of an array one that is not right yet."""
        iteration = self._iteration(question.iteration)
        found = self._by_place
        left = (n for u, n in question.places if found.get((u, n), _NONE).verdict not in GOOD)
        name = next(left, question.places[0][1])
        return Sheet(self.run, iteration, DEFAULT), iteration.graph.step[name]

    def _said(self, blocks: Iterator[Block]) -> Said:
        graph = self.graph
        return Said("", tuple(blocks), spelling_of(graph), graph.lettering.typed)

    @cached_property
    def _by_place(self) -> dict[Place, AnswerResult]:
        return {(each.iteration, each.name): each for each in self.report.answers}

    def results(self) -> Iterator[AnswerResult]:
        """What is said of each quantity that is asked for."""
        found = self._by_place
        for question in self.questions:
            yield from (found[place] for place in question.places if place in found)

    def _worth(self, result: AnswerResult) -> float:
        record = self._record((result.iteration, result.name))
        if self.free:
            return result.points
        if record.shown:
            return 0.0
        return result.points * (HALF if record.wrong and result.verdict in GOOD else 1.0)

    def _most(self, question: Question) -> float:
        found = self._by_place
        return sum(found[place].max_points for place in question.places if place in found)

    def _value(self, place: Place) -> str:
        iteration = self._iteration(place[0])
        value = iteration.values[place[1]]
        if value is None:
            return plain.write(iteration.graph.step[place[1]].formula)
        return plain.write(shown(value, max(self.problem.rounding.digits, 4)).formula)

    def _known(self, question: Question, step: Step) -> dict[str, str]:
        """The student's own numbers of this update, as decimals."""
        found: dict[str, str] = {}
        for (update, name), texts in self._state.answers.items():
            if update == question.iteration and name != step.name:
                parts = [part.strip() for part in parts_of(texts)]
                numbers = [part for part in parts if read_number(part) is not None]
                found[name] = numbers[0].replace("−", "-").lstrip("+") if numbers else ""
        return found


def _chosen(every: Sequence[Question], only: Sequence[str]) -> Iterator[Question]:
    """The questions whose name fits, and of arrays the entries whose names do."""
    for question in every:
        if not only or _fits(only, question.name):
            yield question
            continue
        for name in question.names:
            if name and _fits(only, name):
                yield Question(question.iteration, name, question.section)


def _fits(patterns: Sequence[str], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)


def _unknown(name: str, every: Sequence[Question]) -> str:
    close = nearest(name, [question.name for question in every])
    return f"{quote(name)} is not asked for on this sheet" + (f"; {close}" if close else "")
