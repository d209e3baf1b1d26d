"""Classroom 50's result.json, `classroom50/result/v1`: whole points only.

https://github.com/foundation50/classroom50/wiki/Advanced-Autograding#the-resultjson-contract

Whose submission it is stands in the environment of its runner; what is not set there is left out,
and the runner stamps it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from backprop_cli.marking.model import Head, SubmissionReport
from backprop_cli.marking.reports.common import harmless, label, notices, passes, sentence, updates

SCHEMA = "classroom50/result/v1"
IDENTITY = {
    "classroom": "CLASSROOM",
    "assignment": "ASSIGNMENT",
    "submission": "SUBMISSION_TAG",
    "commit": "COMMIT_URL",
    "release": "RELEASE_URL",
    "review": "REVIEW_URL",
}


def write(
    head: Head,
    reports: Iterable[SubmissionReport],
    environment: Mapping[str, str] = os.environ,
) -> Iterator[str]:
    marked = list(reports)
    tests: list[dict[str, Any]] = []
    for report in marked:
        tests += _tests(report, f"{report.student}: " if len(marked) > 1 else "", head.whole)
    result: dict[str, Any] = {"schema": SCHEMA}
    for field, variable in IDENTITY.items():
        if environment.get(variable):
            result[field] = environment[variable]
    if "commit" in result:
        result.setdefault("review", result["commit"])
    result["score"] = sum(test["score"] for test in tests)
    result["max-score"] = sum(test["max-score"] for test in tests)
    result["tests"] = tests
    yield json.dumps(result, indent=2, ensure_ascii=True) + "\n"


def _tests(report: SubmissionReport, who: str, factor: int) -> Iterator[dict[str, Any]]:
    if report.error is not None:
        yield {
            "test-name": harmless(f"{who}answer file"),
            "passed": False,
            "score": 0,
            "max-score": round(report.max_score * factor),
            "output": harmless(report.error),
        }
        return
    several = updates(report)
    told = [harmless(notice) for notice in notices(report)]
    for place, answer in enumerate(report.answers):
        yield {
            "test-name": harmless(f"{who}{label(answer, several)}"),
            "passed": passes(answer),
            "score": round(answer.points * factor),
            "max-score": round(answer.max_points * factor),
            "output": "\n".join((*([] if place else told), sentence(answer))),
        }
