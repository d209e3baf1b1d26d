"""Gradescope's results.json: one test per answer.

https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
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


def write(head: Head, reports: Iterable[SubmissionReport]) -> Iterator[str]:
    marked = list(reports)
    tests: list[dict[str, Any]] = []
    lines: list[str] = []
    for report in marked:
        who = f"{report.student}: " if len(marked) > 1 else ""
        if report.error is not None:
            lines.append(f"{who}the file cannot be marked: {report.error}")
        else:
            lines += notices(report) if len(marked) == 1 else []
            slip = report.first_slip
            if slip is not None:
                lines.append(f"{who}the first slip is at {slip.name}: {slip.feedback.rstrip('.')}")
            lines.append(f"{who}{plain(report.score)} of {plain(report.max_score)} points")
        tests += _tests(report, who)
    if len(marked) >= 20:
        lines = [f"{len(marked)} submissions"]
    result = {
        "score": number(round(sum(report.score for report in marked), 6)),
        "output": "\n".join(map(harmless, lines)),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }
    yield json.dumps(result, indent=1, ensure_ascii=True) + "\n"


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
