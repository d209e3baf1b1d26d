"""Gradescope's results.json: one test per answer.

https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from backprop_cli.marking.model import Head, SubmissionReport
from backprop_cli.marking.reports.common import (
    harmless,
    label,
    notices,
    number,
    passes,
    plain,
    sentence,
    updates,
)

MOST_LINES = 20
"""So many submissions have lines of their own in what is said of all."""


def write(head: Head, reports: Iterable[SubmissionReport]) -> Iterator[str]:
    iterator = iter(reports)
    first = list(islice(iterator, 2))
    lines: list[str] = []
    score, count = 0.0, 0
    # The tests come first, as they are made: a class is never in memory as a whole.
    yield '{\n "tests": ['
    between = "\n  "
    for report in chain(first, iterator):
        who = f"{report.student}: " if len(first) > 1 else ""
        score, count = score + report.score, count + 1
        if count <= MOST_LINES:
            lines += _lines(report, who)
        for test in _tests(report, who):
            yield between + json.dumps(test, ensure_ascii=True)
            between = ",\n  "
    if count > MOST_LINES:
        lines = [f"{count} submissions"]
    result = {
        "score": number(round(score, 6)),
        "output": "\n".join(map(harmless, lines)),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
    }
    yield f"\n ],{json.dumps(result, indent=1, ensure_ascii=True)[1:]}\n"


def _lines(report: SubmissionReport, who: str) -> Iterator[str]:
    """What can be repaired at once, the first slip, the score."""
    if report.error is not None:
        yield f"{who}the file cannot be marked: {report.error}"
        return
    if not who:
        yield from notices(report)
    slip = report.first_slip
    if slip is not None:
        yield f"{who}the first slip is at {slip.name}: {slip.feedback.rstrip('.')}"
    yield f"{who}{plain(report.score)} of {plain(report.max_score)} points"


def _tests(report: SubmissionReport, who: str) -> Iterator[dict[str, Any]]:
    if report.error is not None:
        yield {
            "name": harmless(f"{who}answer file"),
            "score": 0,
            "max_score": number(report.max_score),
            "status": "failed",
            "output": harmless(report.error),
            "output_format": "text",
            "visibility": "visible",
        }
    several = updates(report)
    for answer in report.answers:
        given = f"{answer.given} \u2014 " if answer.given else ""
        yield {
            "name": harmless(f"{who}{label(answer, several)}"),
            "score": number(answer.points),
            "max_score": number(answer.max_points),
            "status": "passed" if passes(answer) else "failed",
            "output": harmless(given) + sentence(answer),
            "output_format": "text",
            "visibility": "visible",
        }
