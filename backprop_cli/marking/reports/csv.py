"""A row per submission, or per answer, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator

from backprop_cli.marking.model import VERDICTS, Head, SubmissionReport
from backprop_cli.marking.reports.common import harmless, notices, plain

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
    "notices",
)


def write(head: Head, reports: Iterable[SubmissionReport]) -> Iterator[str]:
    yield _line(COLUMNS)
    for report in reports:
        counts = Counter(answer.verdict for answer in report.answers)
        slip = report.first_slip
        yield _line(
            (
                _cell(report.file),
                _cell(report.student),
                plain(report.score),
                plain(report.max_score),
                "yes" if report.passed else "no",
                *(str(counts[verdict]) for verdict in VERDICTS),
                "" if slip is None else _cell(slip.name),
                report.first_kind,
                _cell(report.error or ""),
                _cell(" ".join(notices(report))),
            )
        )


ANSWER_COLUMNS = (
    "file",
    "student",
    "update",
    "name",
    "given",
    "verdict",
    "points",
    "max_points",
    "slip",
    "same_as",
    "remark",
    "typed",
    "read_as",
    "line",
    "notices",
)


def write_answers(head: Head, reports: Iterable[SubmissionReport]) -> Iterator[str]:
    """A row per answer; a file that cannot be read has one row, with the reason as remark."""
    yield _line(ANSWER_COLUMNS)
    for report in reports:
        who = (_cell(report.file), _cell(report.student))
        told = _cell(" ".join(report.remarks))
        if report.error is not None:
            blank = [""] * (len(ANSWER_COLUMNS) - len(who))
            blank[3], blank[8] = "unreadable", _cell(report.error)
            yield _line((*who, *blank))
        for answer in report.answers:
            yield _line(
                (
                    *who,
                    str(answer.iteration),
                    _cell(answer.name),
                    _cell(answer.given),
                    answer.verdict,
                    plain(answer.points),
                    plain(answer.max_points),
                    "" if answer.mistake is None else answer.mistake.code,
                    _cell(answer.same_as),
                    _cell(answer.feedback),
                    _cell(answer.typed),
                    _cell(answer.read_as),
                    str(answer.line or ""),
                    told,
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
