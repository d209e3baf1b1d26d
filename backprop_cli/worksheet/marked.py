"""A marked sheet: what a student reads about the answers, what an instructor about a class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from backprop_cli.arrays.array import View
from backprop_cli.formula.nodes import Name, Number
from backprop_cli.graph.step import Graph
from backprop_cli.graph.views import names_of, whole_arrays
from backprop_cli.marking.feedback import FOLLOWS
from backprop_cli.marking.model import VERDICTS, AnswerResult, Head, SubmissionReport, Verdict
from backprop_cli.marking.reports.common import all_judged, as_read, harmless, notices, remark
from backprop_cli.marking.reports.tally import Tally
from backprop_cli.patterns import pattern
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Column,
    Document,
    Heading,
    Inline,
    Line,
    Math,
    Paragraph,
    Table,
    Text,
    numeral,
    table,
)
from backprop_cli.worksheet.sheet import spelling_of

WORDS: dict[Verdict, str] = {
    "correct": "✓ correct",
    "follow_through": "✓ follows",
    "imprecise": "~ imprecise",
    "wrong": "✗ wrong",
    "missing": "– missing",
    "unreadable": "✗ unreadable",
    "unknown": "? unknown",
}
MOST_SLIPS = 10
UNREAD: tuple[Verdict, ...] = ("unreadable", "unknown")
LONGEST_GIVEN = 28
LONGEST_NAME = 40


def marked(head: Head, report: SubmissionReport, graph: Graph) -> Document:
    """One student's answers with verdicts, the first slip pointed at, and the score."""
    return _document(head, tuple(_student(head, report, graph)), graph)


def class_sheet(head: Head, tally: Tally, rows: list[SubmissionReport], graph: Graph) -> Document:
    """A class: the scores, the commonest first slips, how each step went.

    `rows` are the first submissions, of which only the score line is shown.
    """
    return _document(head, tuple(_class(head, tally, rows, graph)), graph)


def _document(head: Head, blocks: tuple[Block, ...], graph: Graph) -> Document:
    return Document(head.title or head.problem, blocks, spelling_of(graph), graph.lettering.typed)


def points(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.2f}".rstrip("0")


def _share(head: Head) -> str:
    return _percent(head.pass_mark)


def _student(head: Head, report: SubmissionReport, graph: Graph) -> Iterator[Block]:
    if report.error is not None:
        if report.student:
            nothing = Text(f": 0 of {points(report.max_score)} points.")
            yield Paragraph((Text(harmless(report.student), "strong"), nothing))
        yield Callout("warning", (Text(harmless(f"The file cannot be marked: {report.error}.")),))
        return
    for place, notice in enumerate(notices(report)):
        read = place < len(report.remarks)
        yield Callout("note" if read else "warning", prose(notice, graph))
    if (slip := report.first_slip) is not None:
        yield Callout("warning", _first_slip(slip, graph))
    yield Paragraph(
        (
            Text(harmless(report.student), "strong"),
            Text(f": {points(report.score)} of {points(report.max_score)} points."),
            Text(
                f" {_share(head)} are needed to pass: {'passed' if report.passed else 'not passed'}."
            ),
        )
    )
    if slip is None and report.passed and all_judged(report):
        yield Callout("note", (Text("No slip found. Well done."),))
    updates = [list(group) for _, group in groupby(report.answers, lambda each: each.iteration)]
    for answers in updates:
        if len(updates) > 1:
            yield Heading(2, (Text(f"Update {answers[0].iteration}"),))
        yield _answers(head, answers, graph)
    yield from _legend(head, report)


def _first_slip(slip: AnswerResult, graph: Graph) -> Line:
    update = f" in update {slip.iteration}" if len(graph.carried) and slip.iteration > 1 else ""
    place = (Text("The first slip is at "), _name(slip.name, graph), Text(f"{update}. "))
    return (*place, *prose(slip.feedback, graph))


def _name(name: str, graph: Graph) -> Inline:
    if name in graph.step or name in graph.leaf:
        return Math(Name(name))
    return Text(harmless(name[:LONGEST_NAME] + "…" * (len(name) > LONGEST_NAME)), "code")


_TIMES = pattern(r"(?<=[\w)\]])\*(?=[\w(])")
_QUOTED = pattern(r"`([^`]*)`")
_WORD = pattern(r"[A-Za-z](?:[\w/]|\[\d+\])*")


def prose(words: str, graph: Graph) -> Line:
    """A sentence, the names of the sheet in it written as the sheet writes them."""
    words = _QUOTED.sub(r"“\1”", _TIMES.sub("·", harmless(words)))
    parts: list[Inline] = []
    done = 0
    for found in _WORD.finditer(words):
        if found[0] in graph.step or (found[0] in graph.leaf and len(found[0]) > 1):
            parts += [Text(words[done : found.start()]), Math(Name(found[0]))]
            done = found.end()
    parts.append(Text(words[done:]))
    return tuple(part for part in parts if part != Text(""))


def _answers(head: Head, answers: list[AnswerResult], graph: Graph) -> Table:
    revealed = (Column((Text("Right"),), "right"), Column((Text("From yours"),), "right"))
    columns = (
        Column((Text("Quantity"),)),
        Column((Text("Your answer"),), wrap=True),
        *(revealed if head.reveal else ()),
        Column((Text("Verdict"),)),
        Column((Text("Points"),), "right"),
        Column((Text("Remark"),), wrap=True),
    )
    rows = (_row(head, alike, view, graph) for alike, view in _alike(head, answers, graph))
    return Table(columns, tuple(rows))


def _alike(
    head: Head, answers: list[AnswerResult], graph: Graph
) -> Iterator[tuple[list[AnswerResult], View | None]]:
    """The answers row by row of their arrays; entries of one array that went alike together, and
    what is missing, unless right values are to stand beside them."""
    views = whole_arrays(graph, {each.name for each in answers}) if graph.arrays else {}
    place = {each.name: at for at, each in enumerate(answers)}
    order = {
        entry: (min(map(place.__getitem__, names_of(view))), at)
        for view in views.values()
        for at, entry in enumerate(names_of(view))
    }
    answers = sorted(answers, key=lambda each: order.get(each.name, (place[each.name], 0)))

    def kind(each: AnswerResult) -> tuple[str, Verdict, str]:
        view = None if head.reveal else views.get(each.name)
        name = each.name if view is None else view.name
        together = each.verdict == "missing" and not head.reveal
        return "" if together else name, each.verdict, _said(each)

    for _, group in groupby(answers, kind):
        alike = list(group)
        yield alike, views.get(alike[0].name)


def _said(answer: AnswerResult) -> str:
    said = answer.verdict in ("correct", "missing") or answer.feedback == FOLLOWS
    return as_read(answer) if said else remark(answer)


def _row(
    head: Head, alike: list[AnswerResult], view: View | None, graph: Graph
) -> tuple[Line, ...]:
    """A row of the table: an answer, or several that went alike, the last of them at its end."""
    answer, *_, last = (*alike, alike[-1])
    given = ", ".join(each.given for each in alike if each.given)
    if len(given) > LONGEST_GIVEN:
        _, equals, number = given.rpartition(" = ")  # what working came to is not cut off
        end = f"… = {number}" if equals and len(number) < LONGEST_GIVEN // 2 else "…"
        given = given[: LONGEST_GIVEN + 1 - len(end)] + end
    most = sum(each.max_points for each in alike)
    of = "" if most == 1 else f"/{points(most)}"
    worth = points(sum(each.points for each in alike)) + of if most else "–"
    name: Line = (_name(answer.name, graph),)
    said = prose(_said(answer), graph)
    if view is not None and [each.name for each in alike] == names_of(view):
        from backprop_cli.worksheet.array_numbers import size_of  # most sheets have no arrays

        name = (Math(view.letter), Text(f" ({size_of(view)})"))
    elif len(alike) > 1:
        name = (*name, Text(" …"))
        said = (Text("… "), _name(last.name, graph), Text(". " if said else ""), *said)
    right = (answer.expected, answer.expected_from_own_work)
    return (
        name,
        (Text(harmless(given)),),
        *(((Text(_value(value)),) for value in right) if head.reveal else ()),
        (Text(WORDS[answer.verdict]),),
        (Text(worth),),
        said,
    )


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _legend(head: Head, report: SubmissionReport) -> Iterator[Block]:
    found = {answer.verdict for answer in report.answers}
    words = []
    if "follow_through" in found:
        earns = (
            "one slip costs one mark" if head.follow_through == 1 else _earns(head.follow_through)
        )
        words.append(f"“Follows” means right from your own earlier numbers: {earns}.")
        if any(answer.same_as for answer in report.answers):
            words.append("The same slip again is counted where it is first made.")
    if "imprecise" in found:
        words.append(
            "“Imprecise” means that the method looks right, but the digits do not show it"
            + (": " + _earns(head.imprecise) if head.imprecise != 0.5 else "")
            + "."
        )
    if words:
        yield Paragraph((Text(" ".join(words), "emphasis"),))


def _earns(share: float) -> str:
    return "it earns nothing" if share == 0 else f"it earns {_percent(share)} of the points"


def _percent(share: float) -> str:
    return f"{points(round(100 * share, 2))} %"


def _class(head: Head, tally: Tally, rows: list[SubmissionReport], graph: Graph) -> Iterator[Block]:
    share = f"{tally.passed} of {tally.count} passed ({_share(head)} needed)"
    spread = ""
    if tally.scores:
        spread = (
            f" Mean {points(round(tally.mean, 2))}, median {points(round(tally.median, 2))}, from "
            f"{points(min(tally.scores))} to {points(max(tally.scores))} of {points(tally.max_score)} points."
        )
    broken = f" {tally.errors} could not be read." if tally.errors else ""
    yield Paragraph((Text(f"{tally.count} submissions: {share}.{spread}{broken}"),))
    yield Heading(2, (Text("Scores"),))
    unread = [
        verdict
        for verdict in UNREAD
        if any(answer.verdict == verdict for report in rows for answer in report.answers)
    ]
    yield Table(
        (
            Column((Text("Student"),)),
            Column((Text("Score"),), "decimal"),
            Column((Text("Passed"),)),
            *(Column((Text(verdict.capitalize()),), "right") for verdict in unread),
            Column((Text("First slip"),), wrap=True),
        ),
        tuple(_score_row(report, unread, graph) for report in rows),
    )
    if tally.count > len(rows):
        more = f"and {tally.count - len(rows)} more; "
        rest = Text(" has a row for each.", "emphasis")
        yield Paragraph((Text(more, "emphasis"), Text("--format csv", "code"), rest))
    if tally.first_slips:
        yield Heading(2, (Text("Commonest first slips"),))
        yield Table(
            (
                Column((Text("Step"),)),
                Column((Text("Slip"),)),
                Column((Text("Students"),), "right"),
            ),
            tuple(
                ((_name(name, graph),), (Text(kind),), (Text(str(count)),))
                for (name, kind), count in tally.first_slips.most_common(MOST_SLIPS)
            ),
        )
    if tally.steps:
        yield Heading(2, (Text("Step by step"),))
        yield _by_step(tally, graph)


def _score_row(report: SubmissionReport, unread: list[Verdict], graph: Graph) -> tuple[Line, ...]:
    slip = report.first_slip
    remark: Line = (Text(harmless(report.error or "")),)
    if report.error is None and slip is not None:
        kind = slip.mistake.code if slip.mistake else "wrong"
        remark = (_name(slip.name, graph), Text(f" {kind}"))
    return (
        (Text(harmless(report.student)),),
        numeral(Number(points(report.score))),
        (Text("yes" if report.passed else "no"),),
        *((Text(_count(report, verdict)),) for verdict in unread),
        remark,
    )


def _count(report: SubmissionReport, verdict: Verdict) -> str:
    return str(sum(answer.verdict == verdict for answer in report.answers) or "")


def _by_step(tally: Tally, graph: Graph) -> Table:
    def how_often(verdict: Verdict) -> Callable[[tuple[int, str]], Line]:
        return lambda step: (Text(str(tally.steps[step][verdict] or "")),)

    shown = [v for v in VERDICTS if any(counts[v] for counts in tally.steps.values())]
    several = len({update for update, _ in tally.steps}) > 1
    update = (Column((Text("Update"),), "right"), lambda step: (Text(str(step[0])),))
    return table(
        tally.steps,
        *([update] if several else []),
        (Column((Text("Step"),)), lambda step: (_name(step[1], graph),)),
        *((Column((Text(v.replace("_", " ")),), "right"), how_often(v)) for v in shown),
    )
