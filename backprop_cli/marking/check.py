"""Marking as a whole: a problem and its submissions in, a report on each out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from backprop_cli.marking.attempt import Attempt
from backprop_cli.marking.entered import Entered
from backprop_cli.marking.evidence import shown_ideas
from backprop_cli.marking.model import SubmissionReport
from backprop_cli.marking.readings import (
    MOST_PAIRS,
    MOST_READINGS,
    Reading,
    Survey,
    misread,
)
from backprop_cli.marking.ready import Ready
from backprop_cli.marking.submission import Answer, Submission
from backprop_cli.marking.texts import Commas, commas_of

ROUND_OFF = 1e-9
MOST_TRIED = 2
"""So many readings of a whole sheet are judged in full before the next one is looked for."""


class Checker(Ready):
    """Marks submissions one after the other; nothing of one is kept for the next."""

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
        score = sum(result.points for result in results)
        passed = score >= self.pass_mark * self.max_score - ROUND_OFF
        return SubmissionReport(
            submission.file,
            submission.student,
            round(score, 9),
            self.max_score,
            passed,
            tuple(results),
            remarks=(
                *submission.remarks,
                *self._beyond(submission.iterations),
                *(each.note for each in best.readings if each.note),
            ),
        )

    def _best(self, sheets: Sequence[Entered]) -> Attempt:
        """The marks that the fewest slips explain: ideas that several answers show together, and
        the whole sheet read another way, where two or more answers are wrong."""
        found: list[Attempt] = []
        if self.graph.arrays:
            # An idea about arrays goes through many answers, which are not searched one by one.
            judged = partial(Attempt, self, sheets, searched=False)
            seen = self._read(sheets, judged(()), judged)
            if seen.readings:
                found = [self._with_ideas(sheets, seen.readings)]
                if found[0].settled and len(seen.readings) == 1:
                    return found[0]
        judged = partial(self._with_ideas, sheets)
        plain = judged(())
        best = max((*found, self._read(sheets, plain, judged)), key=lambda each: each.merit)
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

    def _beyond(self, iterations: Sequence[tuple[Answer, ...]]) -> Iterator[str]:
        """What to say of answers to updates that are not asked for."""
        count = len(self.keys)
        if any(iterations[count:]):
            yield (
                f"This sheet asks for {count} update{'s' if count != 1 else ''}: what stands under "
                "later ones was not marked."
            )
