"""What is kept of a class: scores, the commonest first slips, how each step went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import field
from statistics import fmean, median

from backprop_cli.dataclass import dataclass
from backprop_cli.marking.model import SubmissionReport, Verdict


@dataclass
class Tally:
    """Counts over submissions; a few numbers for each, never the answers themselves."""

    count: int = 0
    passed: int = 0
    errors: int = 0
    scores: list[float] = field(default_factory=list)
    max_score: float = 0.0
    first_slips: Counter[tuple[str, str]] = field(default_factory=Counter)  # (step, kind)
    steps: dict[tuple[int, str], Counter[Verdict]] = field(default_factory=dict)

    def watch(self, reports: Iterable[SubmissionReport]) -> Iterator[SubmissionReport]:
        """The same reports, counted as they go by."""
        for report in reports:
            self.add(report)
            yield report

    def add(self, report: SubmissionReport) -> None:
        self.count += 1
        self.passed += report.passed
        self.errors += report.error is not None
        self.scores.append(report.score)
        self.max_score = max(self.max_score, report.max_score)
        slip = report.first_slip
        if slip is not None:
            self.first_slips[slip.name, report.first_kind] += 1
        for answer in report.answers:
            if answer.max_points:
                at = (answer.iteration, answer.name)
                self.steps.setdefault(at, Counter())[answer.verdict] += 1

    @property
    def mean(self) -> float:
        return fmean(self.scores) if self.scores else 0.0

    @property
    def median(self) -> float:
        return median(self.scores) if self.scores else 0.0
