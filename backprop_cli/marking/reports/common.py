"""What the report files share: harmless text, plain numbers, what passes."""

from __future__ import annotations

import math

from backprop_cli.diagnostics import cut, escape
from backprop_cli.marking.feedback import CHANGE
from backprop_cli.marking.kept import grouped
from backprop_cli.marking.model import GOOD, AnswerResult, SubmissionReport


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


def all_judged(report: SubmissionReport) -> bool:
    """Whether every answer was read and is on the sheet, so that "no slip" can be said."""
    return not any(map(_unread, report.answers))


def _unread(answer: AnswerResult) -> bool:
    return answer.verdict in ("unreadable", "unknown")


def passes(answer: AnswerResult) -> bool:
    """Whether a program is told that an answer is right: it is, and it has its points."""
    return answer.verdict in GOOD and (answer.points > 0 or not answer.max_points)


MOST_NOTICES = 12


def notices(report: SubmissionReport) -> list[str]:
    """What can be repaired at once, or was read otherwise than it looks, each with its place."""
    told = (each for each in report.answers if _unread(each) or each.read_as)
    alike = grouped((_manner(answer), answer) for answer in sorted(told, key=_order))
    found = [*report.remarks, *map(_notice, alike.values())]
    more = len(found) - MOST_NOTICES
    return [*found[:MOST_NOTICES], f"And {more} more."] if more > 1 else found


def _order(answer: AnswerResult) -> tuple[bool, int, int]:
    return not _unread(answer), answer.iteration, answer.line


def _manner(answer: AnswerResult) -> object:
    """What is the same of answers that are told of once: what cannot be read, what Δw may be."""
    if answer.verdict == "unreadable":
        return answer.given, answer.feedback
    if answer.verdict == "unknown":
        return CHANGE[:40] if answer.feedback.startswith(CHANGE[:40]) else answer
    return answer.read_as


def _notice(alike: list[AnswerResult]) -> str:
    answer, *others = alike
    names = [f"{each.typed or each.name}" for each in others]
    rest = f" So is {names[0]}." if len(names) == 1 else f" So are {len(names)} more answers."
    return _of_one(answer) + (rest if names else "")


def _of_one(answer: AnswerResult) -> str:
    where = f"Line {answer.line}: " if answer.line else ""
    name, given = answer.typed or answer.name, cut(answer.given)
    if _unread(answer):
        given = f" ({given})" if answer.verdict == "unreadable" and given else ""
        return f"{where}{name}{given} is {answer.verdict}. {answer.feedback}"
    return f"{where}{given} under {name} is read as {answer.read_as}."


def as_read(answer: AnswerResult) -> str:
    """Which quantity a name was taken for, where it is not the sheet's own spelling."""
    return f"{answer.typed} was read as {answer.name}." if answer.typed else ""


def remark(answer: AnswerResult) -> str:
    """Feedback, behind how the name was read."""
    return " ".join(filter(None, (as_read(answer), answer.feedback)))


def label(answer: AnswerResult, updates: int) -> str:
    """The name of an answer, with its update where there are several."""
    return f"{answer.name} (update {answer.iteration})" if updates > 1 else answer.name


def updates(report: SubmissionReport) -> int:
    return max((answer.iteration for answer in report.answers), default=1)


def sentence(answer: AnswerResult) -> str:
    """Verdict and feedback in one line."""
    verdict = answer.verdict.replace("_", " ")
    words = remark(answer)
    return harmless(f"{verdict}: {words}" if words else verdict)
