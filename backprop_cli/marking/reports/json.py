"""`backprop-report/1`: everything marking says, for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from backprop_cli.marking.model import AnswerResult, Head, SubmissionReport
from backprop_cli.marking.reports.common import notices, number

FORMAT = "backprop-report/1"


def write(head: Head, reports: Iterable[SubmissionReport]) -> Iterator[str]:
    opening = {"format": FORMAT, "problem": head.problem, "pass_mark": head.pass_mark}
    yield f'{_text(opening)[:-1]}, "submissions": ['
    between = "\n"
    for report in reports:
        yield f"{between} {_text(submission(head, report))}"
        between = ",\n"
    yield "\n]}\n"


def _text(value: Any) -> str:
    # ASCII only: what a student wrote reaches a terminal spelled out. A log may take `##[` for a
    # command wherever it stands.
    text = json.dumps(value, ensure_ascii=True, allow_nan=False)
    return text.replace("\x7f", "\\u007f").replace("##", "#\\u0023")


def submission(head: Head, report: SubmissionReport) -> dict[str, Any]:
    return {
        "file": report.file,
        "student": report.student,
        "score": float(report.score),
        "max_score": float(report.max_score),
        "passed": report.passed,
        "error": report.error,
        "notices": notices(report),
        "answers": [_answer(head, answer) for answer in report.answers],
    }


def _answer(head: Head, answer: AnswerResult) -> dict[str, Any]:
    mistake = answer.mistake
    written: dict[str, Any] = {
        "iteration": answer.iteration,
        "name": answer.name,
        "given": answer.given,
        "verdict": answer.verdict,
        "points": number(answer.points),
        "max_points": number(answer.max_points),
        # Null unless revealed: where all before it is right, both are the value to be found.
        "expected": _value(answer.expected) if head.reveal else None,
        "expected_from_own_work": _value(answer.expected_from_own_work),
        "mistake": mistake and {"code": mistake.code, "message": mistake.message},
        "feedback": answer.feedback,
    }
    # How it was read, where that is not obvious, and where its slip was charged.
    for key in ("typed", "read_as", "same_as"):
        if text := getattr(answer, key):
            written[key] = text
    return written


def _value(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "nan" if value != value else "inf" if value > 0 else "-inf"
