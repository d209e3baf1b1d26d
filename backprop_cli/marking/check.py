"""Marking as a whole: a problem and its submissions in, a report on each out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

from backprop_cli.graph.step import Graph
from backprop_cli.marking.asked import updates_asked
from backprop_cli.marking.attempt import MOST_UNKNOWN, Attempt, told
from backprop_cli.marking.entered import Entered
from backprop_cli.marking.evidence import shown_ideas
from backprop_cli.marking.expressions import Expressions
from backprop_cli.marking.mistakes import Slips
from backprop_cli.marking.model import AnswerResult, Head, SubmissionReport, Verdict
from backprop_cli.marking.readings import (
    MOST_PAIRS,
    MOST_READINGS,
    Reading,
    Rewritings,
    Survey,
    misread,
)
from backprop_cli.marking.sheet import AnswerKey, Structure
from backprop_cli.marking.slips import SlipFinder
from backprop_cli.marking.submission import Answer, Submission
from backprop_cli.marking.texts import Commas, commas_of
from backprop_cli.problem.model import Problem
from backprop_cli.run import solve

ROUND_OFF = 1e-9
MOST_TRIED = 2
"""So many readings of a whole sheet are judged in full before the next one is looked for."""


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
        sheets = [
            Entered(key, expressions, answers, commas)
            for key, expressions, answers in zip(self.keys, self.expressions, written, strict=False)
        ]
        best = self._best(sheets)
        results = best.results
        for place in range(len(self.keys), len(submission.iterations)):
            results.extend(self._beyond(place + 1, submission.iterations[place]))
        score = sum(result.points for result in results)
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

    def _best(self, sheets: Sequence[Entered]) -> Attempt:
        """The marks that the fewest slips explain: ideas that several answers show together, and
        the whole sheet read another way, where two or more answers are wrong."""
        if self.graph.arrays:
            # An idea about arrays goes through many answers, which are not searched one by one.
            judged = partial(Attempt, self, sheets, searched=False)
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
        self, sheets: Sequence[Entered], best: Attempt, judged: Callable[..., Attempt]
    ) -> Attempt:
        """The best of an attempt and those with further readings."""
        stated = [misread(*each) for sheet in sheets for each in sheet.misstated()]
        for _ in range(MOST_READINGS):
            pages = best.pages
            if not any(page.lost for page in pages) and not stated:
                break
            better = None
            for reading in Survey(pages, best.readings, stated).best()[:MOST_TRIED]:
                if better is not None and better.settled:
                    break
                attempt = judged((*best.readings, reading))
                if attempt.merit > (better or best).merit:
                    better = attempt
            best = better or best
            if better is None or best.settled:
                break
        return best

    def _with_ideas(self, sheets: Sequence[Entered], readings: tuple[Reading, ...]) -> Attempt:
        first = Attempt(self, sheets, readings, frozenset())
        ideas = shown_ideas(update.evidence for update in first.updates)
        if not ideas:
            return first
        again = Attempt(self, sheets, readings, ideas)
        return again if again.merit > first.merit else first

    def _beyond(self, number: int, answers: tuple[Answer, ...]) -> Iterator[AnswerResult]:
        count = len(self.keys)
        reason = f"This sheet asks for {count} update{'s' if count != 1 else ''}; this is number {number}."
        for answer in answers[:MOST_UNKNOWN]:
            yield told(number, answer, "unknown", reason)
