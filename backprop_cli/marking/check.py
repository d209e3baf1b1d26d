"""Marking as a whole: a problem and its submissions in, a report on each out."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

from backprop_cli.arrays.array import places
from backprop_cli.formula.nodes import Formula, Name, Negative, Sum
from backprop_cli.graph.step import Graph
from backprop_cli.marking.asked import updates_asked
from backprop_cli.marking.evidence import Evidence, accidental, refuse_accidents, shown_ideas
from backprop_cli.marking.expressions import ExpressionJudge, Expressions, came_to
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
from backprop_cli.marking.mistakes import Idea, Slips
from backprop_cli.marking.model import GOOD, AnswerResult, Head, Mistake, SubmissionReport, Verdict
from backprop_cli.marking.numbers import (
    Written,
    is_rounded,
    quantum,
    read_number,
    written_the_same,
)
from backprop_cli.marking.readings import (
    MOST_PAIRS,
    MOST_READINGS,
    Page,
    Reading,
    ReadWork,
    Rewritings,
    Survey,
    carried,
    given_under,
    misread,
)
from backprop_cli.marking.sheet import AnswerKey, Node, Structure
from backprop_cli.marking.slips import Budget, SlipFinder
from backprop_cli.marking.submission import MOST_CHARACTERS, Answer, Cells, Submission, joined
from backprop_cli.marking.texts import Commas, commas_of, parts_of
from backprop_cli.marking.work import Habit, Work
from backprop_cli.problem.model import Problem
from backprop_cli.run import solve

MOST_SUGGESTIONS = 5
GRADIENT, ADDED, TAKEN = "the gradient", "the change, new − old", "what is taken off, old − new"
"""What Δw may be."""
MOST_UNKNOWN = 200
GIVEN_LENGTH = 200
ROUND_OFF = 1e-9
FEWEST_DIFFERENT = 4
"""A number at places where at least so many different ones belong was not worked out there."""
MOST_TRIED = 2
"""So many readings of a whole sheet are judged in full before the next one is looked for."""
CACHED_NUMBERS = 50_000
NOT_ANSWERED = frozenset({"?", "??", "???", "-", "\u2013", "\u2014", "\u2026", "...", "n/a", "N/A"})
"""What stands where nothing was worked out: the answer is missing, not unreadable."""


def check(
    problem: Problem,
    submissions: Iterable[Submission],
    *,
    tolerance: Fraction | float | None = None,
    pass_mark: Fraction | float | None = None,
    reveal: bool = False,
) -> Iterator[SubmissionReport]:
    """Marks submissions one after the other; nothing of one is kept for the next.

    `tolerance` and `pass_mark` replace what the problem file says. With `reveal` every answer
    has its expected values; without it none is given away.
    """
    checker = Checker(problem, tolerance=tolerance, pass_mark=pass_mark, reveal=reveal)
    for submission in submissions:
        yield checker.mark(submission)


class Checker:
    """A problem made ready for marking."""

    def __init__(
        self,
        problem: Problem,
        *,
        tolerance: Fraction | float | None = None,
        pass_mark: Fraction | float | None = None,
        reveal: bool = False,
    ) -> None:
        marking = problem.marking
        self.problem = problem
        self.reveal = reveal
        self.tolerance = float(marking.tolerance if tolerance is None else tolerance)
        self.method = float(marking.method)
        self.charges_each = marking.repeated == "each"
        self.pass_mark = float(marking.pass_share if pass_mark is None else pass_mark)
        self.shares: dict[Verdict, float] = {
            "correct": 1.0,
            "follow_through": float(marking.follow_through),
            "imprecise": float(marking.imprecise),
        }
        updates = updates_asked(problem)
        run = solve(problem, steps=updates if problem.trains else None, show=updates)
        self.keys: list[AnswerKey] = []
        self.finders: list[SlipFinder] = []
        self.expressions: list[Expressions] = []
        self.rewritings: list[Rewritings] = []
        structures: dict[int, tuple[Structure, SlipFinder, Rewritings]] = {}
        for iteration in run.iterations[:updates]:
            steps = iteration.graph.steps
            if id(steps) not in structures:
                structure = Structure(iteration.graph)
                slips = Slips(structure)
                structures[id(steps)] = (
                    structure, SlipFinder(slips), Rewritings(structure, slips)
                )  # fmt: skip
            structure, finder, rewritings = structures[id(steps)]
            key = AnswerKey(problem, structure, iteration, self.tolerance)
            self.keys.append(key)
            self.finders.append(finder)
            self.rewritings.append(rewritings)
            self.expressions.append(Expressions(key, finder))
        self.max_score = sum(sum(key.asked.values()) for key in self.keys)
        self._numbers: dict[str, Written | None] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """What is compiled is compiled again where it is unpickled, in another process."""
        again = partial(
            Checker,
            self.problem,
            tolerance=self.tolerance,
            pass_mark=self.pass_mark,
            reveal=self.reveal,
        )
        return again, ()

    @cached_property
    def graph(self) -> Graph:
        """The names of all updates' sheets, whose batches have samples of their own, as one."""
        graphs = [key.graph for key in self.keys]
        steps = {step.name: step for graph in graphs for step in graph.steps}
        leaves = {leaf.name: leaf for graph in graphs for leaf in graph.leaves}
        return replace(graphs[0], steps=tuple(steps.values()), leaves=tuple(leaves.values()))

    @property
    def head(self) -> Head:
        return Head(
            self.problem.path,
            self.problem.title,
            self.pass_mark,
            self.reveal,
            self._whole(),
            self.shares["follow_through"],
            self.shares["imprecise"],
        )

    def _whole(self) -> int:
        """The least number that makes all points whole that can be given here, at most 100."""
        points = {worth for key in self.keys for worth in key.asked.values()}
        factor = 1
        shares = (*self.shares.values(), self.method)
        for value in (worth * share for worth in points for share in shares):
            denominator = Fraction(value).limit_denominator(100).denominator
            factor = math.lcm(factor, denominator)
        return min(factor, 100)

    def mark(self, submission: Submission) -> SubmissionReport:
        if submission.error is not None:
            return SubmissionReport(
                submission.file,
                submission.student,
                0.0,
                self.max_score,
                False,
                (),
                submission.error,
                submission.remarks,
            )
        written = [*submission.iterations, *[()] * len(self.keys)]
        texts = [text for answers in written for answer in answers for text in answer.texts]
        commas: Commas = commas_of(texts) if any("," in text for text in texts) else ""
        sheets = [_Sheet(self, place, written[place], commas) for place, _ in enumerate(self.keys)]
        best = self._best(sheets)
        results = best.results
        for place in range(len(self.keys), len(submission.iterations)):
            results.extend(self._beyond(place + 1, submission.iterations[place]))
        score = _score(results)
        passed = score >= self.pass_mark * self.max_score - ROUND_OFF
        return SubmissionReport(
            submission.file,
            submission.student,
            round(score, 9),
            self.max_score,
            passed,
            tuple(results),
            remarks=(*submission.remarks, *(each.note for each in best.readings if each.note)),
        )

    def _best(self, sheets: Sequence[_Sheet]) -> _Attempt:
        """The marks that the fewest slips explain: ideas that several answers show together, and
        the whole sheet read another way, where two or more answers are wrong."""
        if self.graph.arrays:
            # An idea about arrays goes through many answers, which are not searched one by one.
            judged = partial(_Attempt, self, sheets, searched=False)
            seen = self._read(sheets, judged(()), judged)
            if seen.readings:
                found = self._with_ideas(sheets, seen.readings)
                if found.settled:
                    return found
        judged = partial(self._with_ideas, sheets)
        plain = judged(())
        best = self._read(sheets, plain, judged)
        pairs = tuple(dict.fromkeys(each for page in plain.pages for each in page.exchanged()))
        if not 0 < len(pairs) <= MOST_PAIRS:
            return best
        for readings in {(): None, best.readings: None}:
            attempt = self._with_ideas(sheets, (*readings, *pairs))
            score, other = attempt.merit[0], best.merit[0]
            if score > other or (score == other and not best.explains(pairs)):
                best = attempt
        return best

    def _read(
        self, sheets: Sequence[_Sheet], best: _Attempt, judged: Callable[..., _Attempt]
    ) -> _Attempt:
        """The best of an attempt and those with further readings."""
        told = [reading for sheet in sheets for reading in sheet.told()]
        for _ in range(MOST_READINGS):
            pages = best.pages
            if not any(page.lost for page in pages) and not told:
                break
            better = None
            for reading in Survey(pages, best.readings, told).best()[:MOST_TRIED]:
                if better is not None and better.settled:
                    break
                attempt = judged((*best.readings, reading))
                if attempt.merit > (better or best).merit:
                    better = attempt
            best = better or best
            if better is None or best.settled:
                break
        return best

    def _with_ideas(self, sheets: Sequence[_Sheet], readings: tuple[Reading, ...]) -> _Attempt:
        first = _Attempt(self, sheets, readings, frozenset())
        ideas = shown_ideas(update.evidence for update in first.updates)
        if not ideas:
            return first
        again = _Attempt(self, sheets, readings, ideas)
        return again if again.merit > first.merit else first

    def _beyond(self, number: int, answers: tuple[Answer, ...]) -> Iterator[AnswerResult]:
        count = len(self.keys)
        reason = f"This sheet asks for {count} update{'s' if count != 1 else ''}; this is number {number}."
        for answer in answers[:MOST_UNKNOWN]:
            yield AnswerResult(
                number, answer.name, given_text(answer), "unknown", 0.0, 0.0, reason,
                line=answer.line, column=answer.column,
            )  # fmt: skip

    def number(self, text: str) -> Written | None:
        """The number in a text; the same texts come again and again in a class."""
        cache = self._numbers
        try:
            return cache[text]
        except KeyError:
            if len(cache) >= CACHED_NUMBERS:
                cache.clear()
            found = cache[text] = read_number(text)
            return found


def _score(results: Sequence[AnswerResult]) -> float:
    return sum(result.points for result in results)


def misfit(given: tuple[int, ...] | None, wanted: tuple[int, ...]) -> str | None:
    """Why a list cannot be the array; a vector may stand as a row or as a column."""
    if given is None:
        return "its rows are not equally long"
    if given == wanted or [n for n in given if n > 1] == [n for n in wanted if n > 1]:
        return None
    if given == (1,):
        return f"this is one answer, and {'×'.join(map(str, wanted))} belong here: give a list"
    shown, belongs = ("×".join(map(str, shape)) for shape in (given, wanted))
    question = ""
    if len(given) == 2 and given == wanted[::-1]:
        question = ": transposed?"
    elif len(given) == 2 and given[1:] == wanted:
        question = f": are its {given[0]} rows not added up yet?"
    return f"this is {shown} where {belongs} belongs{question}"


def given_text(answer: Answer) -> str:
    """What was written, on one line and of bounded length."""
    text = " = ".join(answer.texts)
    if len(answer.texts) > 1 and all(map(read_number, answer.texts)):
        text = f"[{', '.join(answer.texts)}]"  # a formula and its number are none
    return text if len(text) <= GIVEN_LENGTH else text[:GIVEN_LENGTH] + "…"


class _Sheet:
    """What was written for one update, read once."""

    def __init__(
        self, checker: Checker, place: int, answers: tuple[Answer, ...], commas: Commas
    ) -> None:
        self.checker = checker
        self.key = checker.keys[place]
        self.expressions = checker.expressions[place]
        self.commas = commas
        self.typed: dict[int, str] = {}  # names that are not the sheet's own spelling
        self.read_as: dict[int, str] = {}  # what was taken for something that it does not look like
        self.changes: dict[str, tuple[str, bool]] = {}  # Δw as what, and whether it follows
        self.extras: list[tuple[Answer, str, Formula]] = []  # right or wrong, and not on the sheet
        self.given: dict[int, Answer] = {}
        self.numbers: dict[int, Written] = {}
        self.stated: dict[int, Written] = {}  # of given quantities, written down again
        self.texts: dict[int, tuple[str, ...]] = {}
        self.strangers: list[Answer] = []
        self._sort(answers)
        self.habit = self._habit()
        self.fewest = self._fewest()
        self.everywhere = self._everywhere()
        self.order = sorted(self.key.asked.keys() | self.given.keys())

    def _sort(self, answers: tuple[Answer, ...]) -> None:
        names = self.key.names
        changes: list[tuple[Answer, str]] = []
        for answer in self._entry_by_entry(answers):
            if answer.texts and NOT_ANSWERED.issuperset(answer.texts):
                continue
            name = names.exactly(answer.name)
            if name is not None:
                self._enter(name, answer)
                continue
            found = names.look(answer.name)
            if found.change and len(found.names) == 1 and not self.key.symbolic:
                changes.append((answer, found.names[0]))
            elif found.one is not None:
                self._enter(found.one, answer, answer.name)
            elif not found.names and (derivative := names.between(answer.name)) is not None:
                self.extras.append((answer, *derivative))
            elif not answer.in_words or (found.names and any(map(str.isdigit, answer.name))):
                self.strangers.append(answer)
        if changes:
            self._sort_changes(changes)
        self._move_new_values()

    def _move_new_values(self) -> None:
        """New values under the names of the old ones, `w = 0.2 - 0.5*0.3 = 0.05`, where at least
        half of what is no given number is one."""
        slots, truth = self.key.structure.slots, self.key.truth
        moved, fitting = [], 0
        for old, new in ((slots[old], slots[new]) for old, new in self.key.graph.carried.items()):
            found, texts = self.stated.get(old), self.texts.get(old, ())
            if old not in self.given or new in self.given or (found and self.is_given(old, found)):
                continue
            if found or texts:
                moved.append((old, new))
                worked = any(re.search(r"\S\s*[-+−–]", text) for text in texts)
                same = found and found.unit <= abs(truth[new] - truth[old])
                same = same and found and written_the_same(found.value, found.unit, truth[new])
                fitting += bool(worked or same)
        for old, new in moved if 2 * fitting >= len(moved) else ():
            answer = self.given.pop(old)
            self.stated.pop(old, None)
            self.texts.pop(old, None)
            self.given[new], self.typed[new] = answer, answer.name
            self._read(new, answer)
            self.read_as[new] = "the new value"

    def _enter(self, name: str, answer: Answer, typed: str = "") -> None:
        """An answer to what the sheet calls so, under its own spelling or as it was `typed`."""
        if (extra := self.key.names.locals.get(name)) is not None:
            self.extras.append((answer, name, extra))
            return
        slot = self.key.structure.slots[name]
        if typed:
            self.typed.setdefault(slot, typed)
        if slot in self.given:
            first = self.given[slot]
            self.numbers.pop(slot, None)
            self.texts.pop(slot, None)
            if (both := joined(first, answer)) is None:
                problem = f"it is given twice, as {first.name} and as {answer.name}"
                both = first._replace(problem=problem)
            answer = both
        self.given[slot] = answer
        if answer.problem is None:
            self._read(slot, answer)

    def _sort_changes(self, changes: Sequence[tuple[Answer, str]]) -> None:
        """Δw is to some the gradient, to some the change of w and to some what is taken off it:
        all are read as what most of them are the value of, or follow as from own numbers."""
        votes = Counter(kind for each in changes for kind, fits in self._kinds(*each) if any(fits))
        kinds = votes.most_common(2)
        if not kinds or (len(kinds) > 1 and kinds[0][1] == kinds[1][1]):
            self.strangers += [answer for answer, _ in changes]
            return
        kind = kinds[0][0]
        for answer, gradient in changes:
            if kind == GRADIENT:
                self._enter(gradient, answer, answer.name)
                self.read_as[self.key.structure.slots[gradient]] = kind
                continue
            old = self.key.graph.step[gradient].of or ""
            new = Name(self.key.graph.carried[old])
            pair = (new, Name(old)) if kind == ADDED else (Name(old), new)
            name = f"{pair[0].name} - {pair[1].name}"
            self.extras.append((answer, name, Sum((pair[0], Negative(pair[1])))))
            self.changes[name] = kind, dict(self._kinds(answer, gradient)).get(kind, (False,))[-1]

    def _kinds(self, answer: Answer, gradient: str) -> Iterator[tuple[str, tuple[bool, ...]]]:
        """What the number in Δw can be: whether it is that on the sheet, and in the own work."""
        slots, truth = self.key.structure.slots, self.key.truth
        text = answer.texts[0].strip() if len(answer.texts) == 1 else ""
        found = self.checker.number(text)
        if found is None:
            found = self.expressions.reader.read(text, self.commas, False, None).number
        old = self.key.graph.step[gradient].of or ""
        new = self.key.graph.carried.get(old)
        if found is None or not found.digits or new is None:
            return
        rate = truth[slots["eta"]] if "eta" in slots else math.nan
        before = truth[slots[old]]
        after, slope = self.numbers.get(slots[new]), self.numbers.get(slots[gradient])
        change = truth[slots[new]] - before
        kinds = [(ADDED, 1.0, change), (TAKEN, -1.0, -change)]
        if slots[gradient] not in self.given:
            kinds.insert(0, (GRADIENT, -rate, truth[slots[gradient]]))
        for kind, factor, value in kinds:
            own = factor * found.value
            follows = after is not None and abs(own) > after.unit and (
                abs(before + own - after.value) <= after.unit + abs(factor) * found.unit
            )  # fmt: skip
            if (
                slope is not None
                and abs(own + rate * slope.value) <= rate * slope.unit + found.unit
            ):
                follows = True
            yield kind, (written_the_same(found.value, found.unit, value), follows)

    def _entry_by_entry(self, answers: tuple[Answer, ...]) -> Iterator[Answer]:
        """The answers, whole arrays as an answer to each of their entries. An array that does not
        fit is an answer to the first of them, which cannot be read."""
        for answer in answers:
            exactly = self.key.names.exactly(answer.name) is not None
            view = None if exactly else self.key.names.array(answer.name)
            if view is None:
                yield answer
                continue
            names = [entry.name if isinstance(entry, Name) else "" for entry in view.entries]
            cells = answer.cells
            if answer.problem is None and cells is None:
                each = tuple(answer._replace(texts=(text,)) for text in answer.texts)
                cells = Cells((len(each),), each)
            problem = None if cells is None else misfit(cells.shape, view.shape)
            said: str | None = None
            if problem and cells is not None and len(view.shape) == 2:
                rows, columns = view.shape
                if cells.shape == (columns, rows):  # it is read as what it is the transpose of
                    turned = (cells.answers[j * rows + i] for i, j in places(view.shape))
                    cells, problem, said = Cells(view.shape, tuple(turned)), None, problem
            if cells is None or problem is not None:
                first = next(name for name in names if name)
                reason = f"for all of {view.name}, {problem}" if problem else answer.problem
                yield Answer(first, answer.texts, answer.line, answer.column, reason)
                continue
            for name, cell in zip(names, cells.answers, strict=True):
                if name and cell is not None:
                    yield cell._replace(name=name, misshapen=said)
                    said = None

    def _read(self, slot: int, answer: Answer) -> None:
        """The numbers and expressions in one answer."""
        node = self.key.structure.nodes[slot]
        symbolic = self.key.symbolic
        numbers = self.stated if node is None else self.numbers
        expressions = []
        read_as: list[str] = []
        texts = list(parts_of(answer.texts))
        if len(texts) > 1:  # `z1_1 = 0.855` under z1_1
            own = self.key.structure.names[slot]
            texts = [text for text in texts if self.key.names.find(text.strip()) != own] or texts
        for text in texts:
            written = None if symbolic else self.checker.number(text.strip())
            if written is None and len(text) <= MOST_CHARACTERS:
                unit = None if node is None or node.step.unit is None else node.step.unit.index
                found = self.expressions.reader.read(text, self.commas, symbolic, unit)
                if found.question:
                    self.given[slot] = answer._replace(problem=found.question)
                    return
                written, text = found.number, found.expression or text
                read_as += [found.read_as] if found.read_as else []
            if written is None:
                expressions.append(text)
            elif slot in numbers and is_rounded(numbers[slot], written):
                numbers[slot] = written
            elif slot in numbers and not is_rounded(written, numbers[slot]):
                self.given[slot] = answer._replace(problem="it holds two numbers")
            else:
                numbers.setdefault(slot, written)
        if node is not None and not symbolic:
            expressions = self._without_working(slot, expressions)
        if expressions:
            self.texts[slot] = tuple(expressions)
        if read_as:
            self.read_as[slot] = " = ".join(read_as)

    def _without_working(self, slot: int, texts: Sequence[str]) -> list[str]:
        """The expressions but those that only have numbers put in and come to the answer's number;
        the last such one is the number where no other is given."""
        left = []
        for text in reversed(texts):
            found = self.expressions.constant(text)
            number = self.numbers.setdefault(slot, found) if found else self.numbers.get(slot)
            if not (found and number and came_to(found, number)):
                left.append(text)
        return left[::-1]

    def _habit(self) -> Habit:
        """How this student rounds: to significant digits as a rule, or to the same decimals."""
        numbers = [written for written in self.numbers.values() if written.style]
        if not numbers:
            return Habit(17)
        styles = sorted(written.style for written in numbers)
        digits = styles[3 * len(styles) // 4]
        unit, times = Counter(written.unit for written in numbers).most_common(1)[0]
        other = Counter(written.digits for written in numbers).most_common(1)[0][1]
        decimals = len(numbers) >= FEWEST_DIFFERENT and times > max(other, 0.75 * len(numbers))
        return Habit(digits, unit if decimals else 0.0)

    def _fewest(self) -> Habit:
        """The fewest digits that a gradient has, zeros at its end left out, and the largest unit: so
        coarse may the roundings on the way have been."""
        nodes = self.key.structure.nodes
        digits, unit = 17, 0.0
        for slot, written in self.numbers.items():
            node = nodes[slot]
            if written.digits and node is not None and node.step.section == "gradient":
                mantissa = f"{abs(written.value):.{min(written.digits, 17) - 1}e}".partition("e")[0]
                shown = len(mantissa.replace(".", "").rstrip("0")) or 1
                digits, unit = min(digits, shown), max(unit, quantum(written.value, shown))
        return Habit(digits, unit)

    def _everywhere(self) -> frozenset[float]:
        """The numbers that stand at most places of a section, though others belong there."""
        truth = self.key.truth
        sections: dict[str, dict[float, list[int]]] = {}
        for slot, written in self.numbers.items():
            node = self.key.structure.nodes[slot]
            if node is not None and written.digits:
                places = sections.setdefault(node.step.section, {})
                places.setdefault(written.value, []).append(slot)
        found = set()
        for places in sections.values():
            value, most = max(places.items(), key=lambda each: len(each[1]))
            belongs = {
                f"{truth[slot]:.3g}"
                for slot in most
                if not written_the_same(value, self.numbers[slot].unit, truth[slot])
            }
            all_of_it = sum(map(len, places.values()))
            if len(belongs) >= FEWEST_DIFFERENT and 2 * len(most) > all_of_it:
                found.add(value)
        return frozenset(found)

    def told(self) -> Iterator[Reading]:
        """Given quantities that were written down as another number."""
        for slot, written in self.stated.items():
            if not self.is_given(slot, written):
                yield misread(self.key.structure.names[slot], written.value)

    def is_given(self, slot: int, written: Written) -> bool:
        truth = self.key.truth[slot]
        return abs(written.value - truth) <= max(written.unit / 2, 1e-12 * abs(truth))


class _Attempt:
    """All updates judged under one set of readings and ideas."""

    def __init__(
        self,
        checker: Checker,
        sheets: Sequence[_Sheet],
        readings: tuple[Reading, ...],
        ideas: Set[Idea] = frozenset(),
        *,
        searched: bool = True,
    ) -> None:
        self.checker = checker
        self.readings = readings
        self.updates: list[_Update] = []
        budget = Budget()
        for place, sheet in enumerate(sheets):
            before = self.updates[-1] if self.updates else None
            self.updates.append(
                _Update(checker, place, sheet, before, readings, ideas, budget, searched)
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
        self.merit = (-self.lost, -wrong, 0 if searched else -unnamed)  # some answers earn nothing

    @property
    def settled(self) -> bool:
        """Whether nothing is lost but a mark for each slip that was read."""
        return self.lost <= sum(reading.mistake is not None for reading in self.readings)

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
                self.checker.rewritings[place],
                update.sheet.numbers,
                [
                    slot
                    for slot, judgement in update.judgements.items()
                    if slot in update.sheet.numbers and judgement.verdict != "correct"
                ],
                [slot for slot, each in update.judgements.items() if each.verdict == "wrong"],
                [slot for slot, each in update.judgements.items() if each.same_as],
                update.work,
            )
            for place, update in enumerate(self.updates)
        ]


class _Update:
    """The answers of one submission to one update, judged."""

    def __init__(
        self,
        checker: Checker,
        place: int,
        sheet: _Sheet,
        before: _Update | None,
        readings: tuple[Reading, ...],
        ideas: Set[Idea],
        budget: Budget,
        searched: bool,
    ) -> None:
        self.checker = checker
        self.sheet = sheet
        self.key = key = sheet.key
        self.given, self.numbers, self.texts = sheet.given, sheet.numbers, sheet.texts
        self.work: Work = self._begun(None if before is None else before.work, key.graph.carried)
        self.charged: dict[Idea, str] | None = None
        if not checker.charges_each:
            self.charged = {} if before is None else before.charged
        self.read: ReadWork | None = self._read_work(place, readings, before) if readings else None
        self.judge = NumberJudge(
            key,
            checker.finders[place],
            self.work,
            sheet.habit,
            self.charged,
            budget,
            ideas,
            sheet.everywhere,
            self.read,
            searched,
            sheet.fewest,
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
        self, place: int, readings: tuple[Reading, ...], before: _Update | None
    ) -> ReadWork:
        rewritings = self.checker.rewritings
        earlier = None if before is None or before.read is None else before.read.work
        links = carried(rewritings[place - 1], readings) if place else {}
        work = self._begun(earlier, links)
        given = given_under(readings, self.key, self.checker.keys[0])
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
        if not answer.misshapen or judgement.verdict not in GOOD:
            return judgement
        # The numbers are right where they stand in the transpose: the shape alone is wrong.
        mistake = Mistake("shape", answer.misshapen)
        said = f"{answer.misshapen[0].upper()}{answer.misshapen[1:]}"
        return judgement._replace(verdict="wrong", feedback=said, mistake=mistake)

    def _result(self, slot: int, answer: Answer, judgement: Judgement) -> AnswerResult:
        key = self.key
        node = key.structure.nodes[slot]
        points = key.asked.get(slot, 0.0)
        if node is not None and slot in self.beside:
            judgement = self._both(node, self.beside[slot], judgement)
        judgement, share = self._settled(slot, node, judgement, points)
        own = judgement.own
        if self.checker.reveal and own is None and node is not None and not key.symbolic:
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
            own if self.checker.reveal else None,
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
            share = self.checker.shares.get(judgement.verdict, 0.0)
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
        if not self.checker.reveal:
            return None
        value = self.key.truth[slot]
        return None if self.key.symbolic and value != value else value

    def _judge(self, slot: int, answer: Answer) -> Judgement:
        node = self.key.structure.nodes[slot]
        assert node is not None
        texts = self.texts.get(slot)
        number = self.numbers.get(slot)
        if texts is None:
            assert number is not None
            return self.judge.judge(node, number)
        if any(len(text) > MOST_CHARACTERS for text in texts):
            return Judgement("unreadable", f"This is longer than {MOST_CHARACTERS} characters.")
        if self.expressions is None:
            expressions = self.checker.expressions[self.place]
            self.expressions = ExpressionJudge(expressions, self.work, self.judge, self.texts)
        judgements = [self.expressions.judge(node, text, only=number is None) for text in texts]
        formula = max(judgements, key=lambda each: _ORDER[each.verdict])
        if number is None:
            return formula
        self.beside[slot] = formula
        return self.judge.judge(node, number)

    def _both(self, node: Node, formula: Judgement, result: Judgement) -> Judgement:
        """A formula and the number it came to: where one of them is right, that earns a share."""
        method = self.checker.method
        if result.same_as == node.name:
            return formula  # the slip of the formula, in the number once more
        if formula.verdict in GOOD and result.verdict == "wrong":
            mistake = Mistake("formula-right", FORMULA_RIGHT)
            return result._replace(
                feedback=look_again(node.step, mistake), mistake=mistake, share=method
            )
        if result.verdict in GOOD and formula.verdict not in GOOD:
            return formula._replace(share=method, feedback=formula.feedback or BESIDE)
        return max((formula, result), key=lambda each: (_ORDER[each.verdict], bool(each.feedback)))

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
        return AnswerResult(
            self.key.number, name, given_text(answer), verdict, 0.0, 0.0,
            "" if verdict != "wrong" else self._of_extra(name, kind), line=answer.line, column=answer.column,
            typed="" if answer.name == name else answer.name, read_as=kind,
        )  # fmt: skip

    def _of_extra(self, name: str, kind: str) -> str:
        if kind:
            return OF_CHANGE
        return LOCAL if name in self.key.names.locals else THROUGH

    def _stranger(self, answer: Answer, place: int) -> AnswerResult:
        fitting = self.key.names.look(answer.name)
        if answer.problem is not None:
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
        return AnswerResult(
            self.key.number, answer.name, given_text(answer),
            "unknown" if answer.problem is None else "unreadable", 0.0, 0.0, feedback,
            line=answer.line, column=answer.column,
        )  # fmt: skip


_ORDER: dict[Verdict, int] = {
    "correct": 0,
    "follow_through": 1,
    "imprecise": 2,
    "wrong": 3,
    "unreadable": 4,
    "missing": 5,
    "unknown": 6,
}
