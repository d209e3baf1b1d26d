"""JUnit XML as Jenkins and GitLab read it: a testsuite per submission, a testcase per answer.

Elements and attributes are those of Jenkins' junit-10.xsd. There is no time in it: the same
answers give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

from backprop_cli.marking.model import AnswerResult, Head, SubmissionReport
from backprop_cli.marking.reports.common import (
    harmless,
    label,
    notices,
    passes,
    plain,
    sentence,
    updates,
)


def write(head: Head, reports: Iterable[SubmissionReport]) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f"<testsuites name={_quoted(head.title or head.problem)}>\n"
    for report in reports:
        yield "".join(_suite(report))
    yield "</testsuites>\n"


def _suite(report: SubmissionReport) -> Iterator[str]:
    cases = report.answers
    errors = sum(answer.verdict == "unreadable" for answer in cases) + (report.error is not None)
    failures = sum(not passes(answer) for answer in cases if answer.verdict != "unreadable")
    count = len(cases) + (report.error is not None)
    yield (
        f"  <testsuite name={_quoted(report.student)} package={_quoted(report.file)} "
        f'tests="{count}" failures="{failures}" errors="{errors}" skipped="0" time="0">\n'
    )
    yield "    <properties>\n"
    for name, value in (
        ("score", plain(report.score)),
        ("max_score", plain(report.max_score)),
        ("passed", "true" if report.passed else "false"),
    ):
        yield f'      <property name="{name}" value="{value}"/>\n'
    yield "    </properties>\n"
    if report.error is not None:
        yield f'    <testcase name="file" classname={_quoted(report.student)} time="0">\n'
        yield f'      <error type="unreadable" message={_quoted(report.error)}/>\n    </testcase>\n'
    several = updates(report)
    for answer in cases:
        yield _case(report, answer, several)
    if told := notices(report):
        yield f"    <system-out>{escape(harmless(' '.join(told)))}</system-out>\n"
    yield "  </testsuite>\n"


def _case(report: SubmissionReport, answer: AnswerResult, several: int) -> str:
    opening = (
        f"    <testcase name={_quoted(label(answer, several))} "
        f'classname={_quoted(report.student)} time="0"'
    )
    if passes(answer):
        return f"{opening}/>\n"
    element = "error" if answer.verdict == "unreadable" else "failure"
    kind = answer.mistake.code if answer.mistake else answer.verdict
    where = f"{report.file}:{answer.line}: " if answer.line else ""
    text = harmless(f"{where}{answer.name}: {answer.given}" if answer.given else answer.name)
    return (
        f'{opening}>\n      <{element} type="{kind}" message={_quoted(sentence(answer))}>'
        f"{escape(text)}</{element}>\n    </testcase>\n"
    )


def _quoted(text: str) -> str:
    return quoteattr(harmless(text))
