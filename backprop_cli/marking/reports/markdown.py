"""Markdown tables: a row per submission and the class's commonest first slips.

A single submission has a row per answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from backprop_cli.marking.model import AnswerResult, Head, SubmissionReport
from backprop_cli.marking.reports.common import harmless, label, notices, plain, remark, updates
from backprop_cli.marking.reports.tally import Tally

MOST_SLIPS = 10
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$^])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
SIGNS = {
    "correct": "✓ correct",
    "follow_through": "✓ follow-through",
    "imprecise": "~ imprecise",
    "wrong": "✗ wrong",
    "missing": "– missing",
    "unreadable": "✗ unreadable",
    "unknown": "? unknown",
}


def write(head: Head, reports: Iterable[SubmissionReport]) -> Iterator[str]:
    iterator = iter(reports)
    first = list(islice(iterator, 2))
    yield f"# {text(head.title or head.problem)}\n\n"
    if len(first) == 1:
        yield from submission(first[0])
    else:
        yield from whole_class(chain(first, iterator))


def submission(report: SubmissionReport) -> Iterator[str]:
    """One student: score, first slip, a row per answer."""
    verdict = "passed" if report.passed else "not passed"
    for notice in notices(report):
        yield f"{text(notice)}\n\n"
    slip = report.first_slip
    if slip is not None:
        yield f"The first slip is at {code(slip.name)}: {text(slip.feedback)}\n\n"
    yield (
        f"**{text(report.student)}**: {plain(report.score)} of {plain(report.max_score)} points, "
        f"{verdict}.\n\n"
    )
    if report.error is not None:
        yield f"The file cannot be marked: {text(report.error)}\n"
        return
    yield "| quantity | given | verdict | points | remark |\n|---|---|---|---:|---|\n"
    several = updates(report)
    for answer in report.answers:
        yield _row(answer, several)


def _row(answer: AnswerResult, several: int) -> str:
    given = code(answer.given) if answer.given else ""
    points = f"{plain(answer.points)}/{plain(answer.max_points)}"
    return (
        f"| {code(label(answer, several))} | {given} | {SIGNS[answer.verdict]} | {points} | "
        f"{text(remark(answer))} |\n"
    )


def whole_class(reports: Iterable[SubmissionReport]) -> Iterator[str]:
    tally = Tally()
    yield "| student | score | passed | first slip | file |\n|---|---:|---|---|---|\n"
    for report in tally.watch(reports):
        slip = report.first_slip
        told = f"{code(slip.name)} {report.first_kind}" if slip else text(report.error or "")
        yield (
            f"| {text(report.student)} | {plain(report.score)}/{plain(report.max_score)} | "
            f"{'yes' if report.passed else 'no'} | {told} | {text(report.file)} |\n"
        )
    yield (
        f"\n{tally.count} submissions, {tally.passed} passed; mean {plain(round(tally.mean, 2))}, "
        f"median {plain(round(tally.median, 2))} of {plain(tally.max_score)} points.\n"
    )
    if tally.first_slips:
        yield "\n| commonest first slips | kind | students |\n|---|---|---:|\n"
        for (name, slip_kind), count in tally.first_slips.most_common(MOST_SLIPS):
            yield f"| {code(name)} | {slip_kind} | {count} |\n"


def text(words: str) -> str:
    """Words in which nothing is markup, a link or a mention."""
    words = _SPECIAL.sub(r"\\\1", harmless(words))
    words = "".join(_ENTITIES.get(character, character) for character in words)
    return words.replace("://", "&#58;//").replace("www.", "www&#46;")


def code(words: str) -> str:
    """Text in backquotes; what would end them or the table cell is replaced."""
    words = harmless(words).replace("`", "'").replace("|", "\\|")
    return f"`{words}`" if words.strip() else ""
