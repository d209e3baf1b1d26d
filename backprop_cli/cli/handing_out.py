"""Hand out: blank sheets, each student's own numbers, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from backprop_cli.cli import options as opt
from backprop_cli.cli.app import HAND_OUT, UsageProblem, command
from backprop_cli.cli.shared import (
    TEXT_SHOWN,
    chosen_format,
    complain_of_unused,
    deliver_document,
    known_student,
    read,
    rendered,
)
from backprop_cli.console import Progress, complain, deliver, file_of
from backprop_cli.diagnostics import escape, quote
from backprop_cli.render.formats import ANSWERS, HANDED_OUT, SHEETS, TEXT, YAML, Format

if TYPE_CHECKING:
    from backprop_cli.variants.variant import Variant
    from backprop_cli.worksheet.blank import AnswerKind

MOST_STUDENTS = 10_000
"""Of a class that is made up."""


@command(HAND_OUT, "backprop worksheet problems/two-hidden-layers.yaml -o homework.html")
def worksheet(
    context: typer.Context,
    file: opt.ProblemFile,
    student: opt.Student = None,
    answers: Annotated[
        bool, typer.Option("--answers", help="Write the answer file to fill in instead.")
    ] = False,
    form: Annotated[
        opt.Form | None,
        typer.Option("--form", help="Room for numbers (reuse), δ (delta) or matrices (matrix)."),
    ] = None,
    digits: opt.Digits = None,
    format: opt.SheetFormat = None,
    output: opt.Output = None,
    ascii: opt.Ascii = False,
    width: opt.Width = None,
    paper: opt.PaperSize = opt.Paper.A4,
) -> None:
    """The blank sheet to hand out, or the answer file to fill in."""
    if form is not None and form not in opt.BLANK_FORMS:
        raise UsageProblem("--form: a blank sheet is made for reuse, delta, matrix or scalar")
    chosen = chosen_format(context, ANSWERS if answers else SHEETS, "yaml" if answers else "text")
    problem = read(file, student)
    from backprop_cli.marking.asked import updates_asked
    from backprop_cli.run import solve as solve_problem
    from backprop_cli.worksheet.blank import answers_template, blank
    from backprop_cli.worksheet.blank_json import blank_json
    from backprop_cli.worksheet.sheet import Choices

    run = solve_problem(problem, show=updates_asked(problem))
    complain_of_unused(problem, [iteration.graph for iteration in run.iterations])
    if answers:
        kind = cast("AnswerKind", chosen.name)
        deliver(answers_template(run, kind, student or ""), output)
        return
    choices = Choices(
        form=None if form is None else opt.BLANK_FORMS[form],
        digits=digits,
        pictures=chosen.pictured,
    )
    deliver_document(
        lambda: blank(run, choices),
        chosen,
        output,
        opt.Layout(ascii, width, paper),
        json=lambda: blank_json(run),
    )


@command(HAND_OUT, "backprop variant own.yaml --student ada")
def variant(
    context: typer.Context,
    file: opt.ProblemFile,
    student: opt.Student = None,
    students: Annotated[
        str | None,
        typer.Option("--students", metavar="CSV", help="A class: a row for each student."),
    ] = None,
    format: Annotated[
        str | None,
        opt.format_option(HANDED_OUT, "What each student gets", "yaml"),
    ] = None,
    key: Annotated[
        bool, typer.Option("--key", help="The worked solution of each student too.")
    ] = False,
    with_id: Annotated[
        bool, typer.Option("--with-id", help="Say on each file whose numbers these are.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="A file; for a class a directory."),
    ] = None,
    paper: opt.PaperSize = opt.Paper.A4,
) -> None:
    """A student's own numbers: the problem file, or sheets for a whole class."""
    if (student is None) == (students is None):
        raise UsageProblem("name one student with --student, or a class with --students")
    from backprop_cli.variants.roster import file_names, read_roster
    from backprop_cli.variants.variant import Drawer

    chosen = chosen_format(context, HANDED_OUT, "yaml", folder=True)
    drawer = Drawer(read(file))
    if student is not None:
        if chosen is not YAML or key:
            raise UsageProblem(
                "a sheet of one student's numbers: backprop worksheet (or solve) --student"
            )
        found = drawer.variant(known_student(student))
        deliver(problem_text(found, student if with_id else None), output)
        return
    assert students is not None
    if (folder := file_of(output)) is None:
        raise UsageProblem("--students needs --output DIRECTORY")
    names = file_names(read_roster(students))
    folder.mkdir(parents=True, exist_ok=True)
    variants = {}
    with Progress("students", len(names)) as progress:
        for each, name in names.items():
            found = variants[each] = drawer.variant(each)
            path = folder / f"{name}{chosen.endings[0]}"
            deliver(handed_out(found, chosen, each if with_id else None, path, paper), path)
            if key:
                sheet = TEXT if chosen is YAML else chosen
                path = folder / f"{name}.key{sheet.endings[0]}"
                deliver(key_of(found, sheet, path, paper), path)
            progress(1)
    deliver(numbers_table(variants, names), folder / "variants.csv")
    for one, other in same_sheets(variants):
        complain(
            f"warning: {escape(one)} and {escape(other)} have the same numbers; draw more widely"
        )


def same_sheets(variants: Mapping[str, Variant]) -> Iterator[tuple[str, str]]:
    """Students whose numbers are all the same, each with the first one who has them."""
    first: dict[str, str] = {}
    for student, found in variants.items():
        if (before := first.setdefault(found.text, student)) != student:
            yield before, student


def handed_out(
    found: Variant, chosen: Format, student: str | None, path: Path, paper: opt.Paper
) -> str | bytes:
    """What one student of a class gets."""
    if chosen is YAML:
        return problem_text(found, student)
    from backprop_cli.marking.asked import updates_asked
    from backprop_cli.run import solve as solve_problem
    from backprop_cli.worksheet.blank import blank

    run = solve_problem(found.problem, show=updates_asked(found.problem))
    return rendered(blank(run, student=student or ""), chosen, path, opt.Layout(paper=paper))


def key_of(found: Variant, chosen: Format, path: Path, paper: opt.Paper) -> str | bytes:
    """The worked solution of one student's sheet."""
    from backprop_cli.run import solve as solve_problem
    from backprop_cli.worksheet.sheet import Choices
    from backprop_cli.worksheet.solution import solution

    run = solve_problem(found.problem, show=TEXT_SHOWN)
    document = solution(run, Choices(pictures=chosen.pictured))
    return rendered(document, chosen, path, opt.Layout(paper=paper))


def problem_text(found: Variant, student: str | None) -> str:
    """The problem file of a student, whose name is in it only if asked for."""
    if student is None:
        return found.text
    return f"# The numbers of {escape(' '.join(student.split()))}.\n{found.text}"


def numbers_table(variants: Mapping[str, Variant], names: Mapping[str, str]) -> str:
    """What each student of a class got, as CSV."""
    import csv
    import io

    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    for place, (student, found) in enumerate(variants.items()):
        if place == 0:
            rows.writerow(["student", "file", *found.numbers])
        safe = f"'{student}" if student[:1] in "=+-@" else student
        rows.writerow([safe, names[student], *found.numbers.values()])
    return out.getvalue()


@command(HAND_OUT, "backprop stress own.yaml --students 20")
def stress(
    context: typer.Context,
    file: opt.ProblemFile,
    students: Annotated[
        str, typer.Option("--students", metavar="N", help="How many students: 2 to 10,000.")
    ] = "100",
    format: opt.SheetFormat = None,
    output: opt.Output = None,
    ascii: opt.Ascii = False,
    width: opt.Width = None,
    paper: opt.PaperSize = opt.Paper.A4,
) -> None:
    """What the variants of a class come to: tries, spread of the values, slips that stay close."""
    chosen = chosen_format(context, SHEETS)
    if not (students.isascii() and students.isdigit() and 2 <= int(students[:6]) <= MOST_STUDENTS):
        raise UsageProblem(
            f"--students: {quote(students)} is no number from 2 to {MOST_STUDENTS:,}; here students "
            "are made up (a roster is for `backprop variant` and `backprop check`)"
        )
    count = int(students)
    problem = read(file)
    from backprop_cli.variants.stress import document, report_json
    from backprop_cli.variants.stress import stress as draw_class

    with Progress("students", count) as progress:
        found = draw_class(problem, count, progress)
    deliver_document(
        lambda: document(found),
        chosen,
        output,
        opt.Layout(ascii, width, paper),
        json=lambda: report_json(found),
    )
