"""What the report files share: harmless text, plain numbers, what passes."""

from __future__ import annotations

import math

from backprop_cli.diagnostics import escape
from backprop_cli.marking.model import AnswerResult, SubmissionReport

PASSING = frozenset({"correct", "follow_through"})


def harmless(text: str) -> str:
    """Text from a student's file that no terminal or build log acts on.

    Control characters and marks that reorder text are spelled out, and so is `##[`, which a log
    takes for a command anywhere in a line.
    """
    text = escape(text)
    if "##" in text:
        text = text.replace("##", "#\\#").replace("##", "#\\#")
    return text


def number(value: float) -> float | int:
    """Whole numbers without a decimal point."""
    return int(value) if math.isfinite(value) and value == int(value) else value


def plain(value: float) -> str:
    return f"{number(round(value, 6))}"


def passes(answer: AnswerResult) -> bool:
    """Whether a program is told that an answer is right: it is, and it has its points."""
    return answer.verdict in PASSING and (answer.points > 0 or not answer.max_points)


def label(answer: AnswerResult, updates: int) -> str:
    """The name of an answer, with its update where there are several."""
    return f"{answer.name} (update {answer.iteration})" if updates > 1 else answer.name


def updates(report: SubmissionReport) -> int:
    return max((answer.iteration for answer in report.answers), default=1)


def sentence(answer: AnswerResult) -> str:
    """Verdict and feedback in one line."""
    verdict = answer.verdict.replace("_", " ")
    return harmless(f"{verdict}: {answer.feedback}" if answer.feedback else verdict)
