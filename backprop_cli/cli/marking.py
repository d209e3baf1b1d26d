"""Mark: answer files, or a student at the keyboard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backprop_cli.cli import options as opt
from backprop_cli.cli.app import MARK, NOT_PASSED, OK, WRONG_INPUT, UsageProblem, command
from backprop_cli.cli.shared import (
    chosen_format,
    complain_of_unused,
    deliver_document,
    known_student,
    read,
    rendered,
    theirs,
)
from backprop_cli.console import (
    Progress,
    complain,
    deliver,
    deliver_stream,
    wants_color,
    width_of_page,
    write,
    writes_unicode,
)
from backprop_cli.diagnostics import ProblemError, escape, quote
from backprop_cli.render.formats import MARKDOWN, PAGES, REPORTS, Format

if TYPE_CHECKING:
    from backprop_cli.marking.check import Checker
    from backprop_cli.marking.hand_in import Place
    from backprop_cli.marking.model import SubmissionReport
    from backprop_cli.marking.reports.tally import Tally
    from backprop_cli.variants.students import Marker
    from backprop_cli.worksheet.document import Document


CLASS_ROWS = 2000
"""So many submissions have a line of their own in the text report of a class."""


@command(MARK, "backprop check problems/two-hidden-layers.yaml answers.yaml")
def check(
    context: typer.Context,
    file: opt.ProblemFile,
    answers: Annotated[
        list[str],
        typer.Argument(
            metavar="ANSWERS",
            help="Answer files (YAML, JSON, CSV, Markdown, filled-in blanks), folders, zips.",
        ),
    ],
    format: Annotated[str | None, opt.format_option(REPORTS, "What to report")] = None,
    output: opt.Output = None,
    pass_mark: Annotated[
        float | None,
        typer.Option("--pass-mark", metavar="SHARE", min=0, max=1, help="Share of points to pass."),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option("--tolerance", metavar="SHARE", min=0, max=0.5, help="Relative tolerance."),
    ] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the right values.")] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit with 0 whatever the marks are.")
    ] = False,
    feedback: Annotated[
        Path | None,
        typer.Option("--feedback", metavar="DIR", help="Write a sheet for each student in here."),
    ] = None,
    student: Annotated[
        str | None, typer.Option("--student", metavar="ID", help="Whose answers these are.")
    ] = None,
    students: Annotated[
        str | None,
        typer.Option("--students", metavar="CSV", help="The class that answers may come from."),
    ] = None,
    ascii: opt.Ascii = False,
    width: opt.Width = None,
    paper: opt.PaperSize = opt.Paper.A4,
) -> None:
    """Mark answer files: honest rounding costs nothing, one slip costs one mark."""
    chosen = chosen_format(context, REPORTS)
    if [file, *answers].count("-") > 1:
        raise UsageProblem("only one file can be read from stdin")
    problem = read(file)
    from backprop_cli.marking.hand_in import named, places
    from backprop_cli.marking.reports import REPORTS as WRITERS
    from backprop_cli.marking.reports.tally import Tally
    from backprop_cli.variants.roster import read_roster
    from backprop_cli.variants.students import Marker

    marker = Marker(
        problem,
        tolerance=tolerance,
        pass_mark=pass_mark,
        reveal=reveal,
        student=None if student is None else known_student(student),
        roster=() if students is None else read_roster(students),
    )
    checker = marker.checker
    complain_of_unused(problem, [checker.graph])
    found = named(list(places(answers, file, checker.keys[0].names, passed_over)))
    if student is not None and len(found) > 1:
        raise UsageProblem("--student says whose one file of answers is")
    tally = Tally()
    with Progress("submissions marked", len(found)) as progress:
        reports = tally.watch(marked_files(marker, found, progress))
        if feedback is not None:
            page = PAGES.get(chosen.name, MARKDOWN)
            reports = with_feedback(checker, reports, feedback, page, paper)
        if (writer := WRITERS.get(chosen.name)) is not None:
            deliver_stream(writer(checker.head, reports), output)
        else:
            document = marking_document(checker, reports, tally)
            deliver_document(lambda: document, chosen, output, opt.Layout(ascii, width, paper))
    raise typer.Exit(verdict(tally, exit_zero))


def passed_over(file: str) -> None:
    complain(f"warning: {escape(file)} was not read: no answer to this sheet is on this page")


def marked_files(
    marker: Marker, files: Sequence[Place], progress: Progress
) -> Iterator[SubmissionReport]:
    """The reports on answer files, one at a time; what is wrong with a file is in its report."""
    from backprop_cli.variants.students import mark_all

    for place, report in zip(files, mark_all(marker, files), strict=True):
        if report.error is not None:
            complain(f"{escape(place.file)}: error[unreadable-answers]: {escape(report.error)}")
        progress(1)
        yield report


def with_feedback(
    checker: Checker,
    reports: Iterator[SubmissionReport],
    folder: Path,
    format: Format,
    paper: opt.Paper,
) -> Iterator[SubmissionReport]:
    """The same reports, each written as a sheet of its own too, under its student's name."""
    from backprop_cli.variants.roster import FileNames
    from backprop_cli.worksheet.marked import marked

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageProblem(f"--feedback: {escape(str(folder))}: {error.strerror}") from None
    names = FileNames()
    for report in reports:
        path = folder / (names.of(report.student) + format.endings[0])
        document = marked(checker.head, report, checker.graph)
        deliver(rendered(document, format, path, opt.Layout(paper=paper)), path)
        yield report


def marking_document(
    checker: Checker, reports: Iterator[SubmissionReport], tally: Tally
) -> Document:
    """One student's answers in full, or a class at a glance."""
    from backprop_cli.worksheet.marked import class_sheet, marked

    first = list(islice(reports, CLASS_ROWS))
    for _ in reports:
        pass  # counted by the tally as they go by
    if tally.count == 1:
        return marked(checker.head, first[0], checker.graph)
    return class_sheet(checker.head, tally, first, checker.graph)


def verdict(tally: Tally, exit_zero: bool) -> int:
    """2 where no answer file could be read, 1 where a pass mark is missed."""
    if exit_zero:  # a grader wants the report, which says all this
        return OK
    if tally.errors == tally.count:
        return WRONG_INPUT
    return OK if tally.passed == tally.count else NOT_PASSED


@command(MARK, "backprop practice problems/two-hidden-layers.yaml -a answers.yaml")
def practice(
    file: opt.ProblemFile,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Just this quantity (repeatable, * and ?)."),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Begin at this quantity.")
    ] = None,
    all_steps: Annotated[
        bool, typer.Option("--all-steps", help="Ask for local derivatives too.")
    ] = False,
    tries: Annotated[
        int | None,
        typer.Option("--tries", metavar="N", min=1, max=100, help="Wrong tries before going on."),
    ] = None,
    free: Annotated[
        bool, typer.Option("--free", help="Tries and values shown cost nothing.")
    ] = False,
    answers: Annotated[
        Path | None,
        typer.Option(
            "--answers", "-a", metavar="FILE", help="Keep the answers here, and go on from them."
        ),
    ] = None,
    watch: Annotated[
        Path | None,
        typer.Option(
            "--watch", metavar="FILE", help="Mark this answer file at every save instead."
        ),
    ] = None,
    student: opt.Student = None,
    random: Annotated[
        bool, typer.Option("--random", help="One more of the same kind, with numbers of its own.")
    ] = False,
    ascii: opt.Ascii = False,
    width: opt.Width = None,
) -> None:
    """A tutor: asks for one quantity after the other, with hints, and judges as `check` does."""
    if random:
        import secrets

        student = f"random-{secrets.randbelow(10**6)}"
    state = None
    kept = answers or watch
    if kept is not None:
        from backprop_cli.tutor.state import read_state

        broken = () if watch is None else (ProblemError,)  # a watch says so, and waits for better
        with suppress(*broken):
            state = read_state(kept)
    named = "" if state is None else state.student
    from backprop_cli.variants.draw import normalised

    problem = read(file, student)
    if student is None and named and problem.variants is not None:
        problem = theirs(problem, named)
    elif student is not None and named and normalised(named) != normalised(student):
        raise UsageProblem(
            f"{kept} is by {quote(named)}; keep what {quote(student)} does elsewhere"
        )
    if random:
        complain(f"these numbers come again with --student {student}")
    from backprop_cli.tutor.page import Page

    page = Page(width_of_page(width), ascii or not writes_unicode(), wants_color())
    if watch is not None:
        from backprop_cli.tutor.watch import watch_file

        raise typer.Exit(OK if watch_file(problem, watch, write, page) else NOT_PASSED)
    from backprop_cli.dataclass import replace
    from backprop_cli.tutor.prompt import reader
    from backprop_cli.tutor.session import NoSuchQuantity, Session
    from backprop_cli.tutor.terminal import Terminal

    if state is not None and student is not None and not state.student:
        state = replace(state, student=student)
    try:
        session = Session(
            problem,
            only=only or (),
            start=start,
            all_steps=all_steps,
            arrays=True,
            tries=tries,
            free=free,
            state=state,
        )
    except NoSuchQuantity as error:
        raise UsageProblem(str(error)) from None

    def save(text: str) -> None:
        if answers is not None:
            deliver(text, answers)

    terminal = Terminal(session, write, save, page, "" if answers is None else str(answers))
    raise typer.Exit(OK if terminal.run(reader(write)) else NOT_PASSED)
