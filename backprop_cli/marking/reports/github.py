"""GitHub Actions: annotations on the answer file's lines, and a step summary.

Annotations go to the log as workflow commands; GitHub shows ten errors and ten warnings a step.
The table goes to `$GITHUB_STEP_SUMMARY`, where that is set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from backprop_cli.diagnostics import cut
from backprop_cli.marking.model import Head, SubmissionReport
from backprop_cli.marking.reports import markdown
from backprop_cli.marking.reports.common import (
    harmless,
    label,
    plain,
    updates,
)

MOST_ANNOTATIONS = 10
MOST_SUMMARY = 900_000  # bytes; GitHub refuses more than a mebibyte

LEVEL = {
    "wrong": "error",
    "unreadable": "error",
    "unknown": "error",
    "imprecise": "warning",
    "missing": "warning",
}


def write(
    head: Head,
    reports: Iterable[SubmissionReport],
    environment: Mapping[str, str] = os.environ,
) -> Iterator[str]:
    left = {"error": MOST_ANNOTATIONS, "warning": MOST_ANNOTATIONS}
    lines: list[str] = []

    def annotated() -> Iterator[SubmissionReport]:
        for report in reports:
            lines.extend(_annotations(report, left))
            points = f"{plain(report.score)} of {plain(report.max_score)} points"
            passed = "passed" if report.passed else "not passed"
            lines.append(f"{harmless(report.student)}: {points}, {passed}\n".replace("::", ": :"))
            yield report

    summary: list[str] = []
    size = 0
    for part in markdown.write(head, annotated()):
        yield from lines
        lines.clear()
        if size <= MOST_SUMMARY:
            size += len(part.encode())
            summary.append(part)
    if size > MOST_SUMMARY:
        summary[-1] = "\nThe rest does not fit in here.\n"
    if path := environment.get("GITHUB_STEP_SUMMARY"):
        with open(path, "a", encoding="utf-8") as file:
            file.write("".join(summary))


_PLACE = re.compile(r"line (\d{1,9})(?:, column (\d{1,9}))?:")
"""What the reason for an unreadable file begins with, where it has a place."""


def _annotations(report: SubmissionReport, left: dict[str, int]) -> Iterator[str]:
    if report.error is not None:
        if left["error"] > 0:
            left["error"] -= 1
            place = _PLACE.match(report.error)
            line, column = (int(place[1]), int(place[2] or 1)) if place else (1, 1)
            title = "The file cannot be marked"
            yield command("error", report.file, line, column, title, report.error)
        return
    for remark in report.remarks:
        yield command("notice", report.file, 1, 1, "How it was read", remark)
    several = updates(report)
    for answer in report.answers:
        level = LEVEL.get(answer.verdict)
        if level is None or left[level] <= 0:
            continue
        left[level] -= 1
        title = f"{label(answer, several)} is {answer.verdict}"
        message = f"{cut(answer.given)}: {answer.feedback}" if answer.given else answer.feedback
        yield command(level, report.file, answer.line or 1, answer.column or 1, title, message)


def command(level: str, file: str, line: int, column: int, title: str, message: str) -> str:
    """One workflow command; nothing in it can end it or begin another."""
    return (
        f"::{level} file={_property(file)},line={line},col={column},"
        f"title={_property(title)}::{_data(message)}\n"
    )


def _data(text: str) -> str:
    return harmless(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
