"""GitHub Actions: annotations on the answer file's lines, and a step summary.

Annotations go to the log as workflow commands; GitHub shows ten errors and ten warnings a step.
The table goes to `$GITHUB_STEP_SUMMARY`, where that is set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice

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
    iterator = iter(reports)
    first = list(islice(iterator, 2))
    summary = _Summary(environment.get("GITHUB_STEP_SUMMARY"), single=len(first) == 1)
    summary.begin(head)
    for report in chain(first, iterator):
        yield from _annotations(report, left)
        yield (
            f"{harmless(report.student)}: {plain(report.score)} of {plain(report.max_score)} points, "
            f"{'passed' if report.passed else 'not passed'}\n"
        ).replace("::", ": :")
        summary.add(report)
    summary.end()


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
        message = answer.feedback
        if answer.given:
            message = f"{cut(answer.given)}: {message}"
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


class _Summary:
    """The Markdown table of the step, as far as GitHub takes it."""

    def __init__(self, path: str | None, single: bool) -> None:
        self.path = path
        self.single = single
        self.reports: list[str] = []
        self.size = 0

    def begin(self, head: Head) -> None:
        self._put(f"## {markdown.text(head.title or head.problem)}\n\n")
        if not self.single:
            self._put("| student | score | passed | first slip |\n|---|---:|---|---|\n")

    def add(self, report: SubmissionReport) -> None:
        if self.single:
            for part in markdown.submission(report):
                self._put(part)
            return
        slip = report.first_slip
        remark = markdown.text(report.error or "")
        if slip is not None:
            kind = slip.mistake.code if slip.mistake else "wrong"
            remark = f"{markdown.code(slip.name)} {kind}"
        self._put(
            f"| {markdown.text(report.student)} | {plain(report.score)}/{plain(report.max_score)} | "
            f"{'yes' if report.passed else 'no'} | {remark} |\n"
        )

    def _put(self, part: str) -> None:
        if self.path is None or self.size < 0:
            return
        self.size += len(part.encode())
        if self.size > MOST_SUMMARY:
            part, self.size = "\nThe rest does not fit in here.\n", -1
        self.reports.append(part)

    def end(self) -> None:
        if self.path is not None:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write("".join(self.reports))
