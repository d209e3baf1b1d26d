"""A row per submission, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator

from backprop_cli.marking.model import VERDICTS, Head, SubmissionReport
from backprop_cli.marking.reports.common import harmless, plain

COLUMNS = (
    "file",
    "student",
    "score",
    "max_score",
    "passed",
    *VERDICTS,
    "first_slip",
    "first_slip_kind",
    "error",
)


def write(head: Head, reports: Iterable[SubmissionReport]) -> Iterator[str]:
    yield _line(COLUMNS)
    for report in reports:
        counts = Counter(answer.verdict for answer in report.answers)
        slip = report.first_slip
        kind = "" if slip is None else slip.mistake.code if slip.mistake else "wrong"
        yield _line(
            (
                _cell(report.file),
                _cell(report.student),
                plain(report.score),
                plain(report.max_score),
                "yes" if report.passed else "no",
                *(str(counts[verdict]) for verdict in VERDICTS),
                "" if slip is None else _cell(slip.name),
                kind,
                _cell(report.error or ""),
            )
        )


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def _cell(text: str) -> str:
    """A spreadsheet takes a cell that begins with one of these for a formula."""
    text = harmless(text)
    return f"'{text}" if text[:1] in "=+-@" and text else text
