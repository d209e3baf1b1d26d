"""Hand out: blank sheets, each student's own numbers, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backprop_cli.cli.app import HAND_OUT, UsageProblem, command
from backprop_cli.cli.formats import (
    ANSWER_ENDINGS,
    BLANK_FORMS,
    ENDINGS,
    HANDED_OUT_ENDINGS,
    Form,
    Format,
    HandedOut,
    Paper,
)
from backprop_cli.cli.options import (
    Ascii,
    Digits,
    Output,
    PaperSize,
    ProblemFile,
    SheetFormat,
    Student,
    Width,
)
from backprop_cli.cli.shared import (
    TEXT_SHOWN,
    by_ending,
    complain_of_unused,
    honour,
    known_student,
    read,
    rendered,
)
from backprop_cli.console import Progress, deliver, file_of
from backprop_cli.diagnostics import escape

if TYPE_CHECKING:
    from backprop_cli.variants.variant import Variant
    from backprop_cli.worksheet.blank import AnswerKind


@command(HAND_OUT, "backprop worksheet problems/two-hidden-layers.yaml -o homework.html")
def worksheet(
    file: ProblemFile,
    student: Student = None,
    answers: Annotated[
        bool, typer.Option("--answers", help="Write the answer file to fill in instead.")
    ] = False,
    form: Annotated[
        Form, typer.Option("--form", help="Room for numbers, δ (delta) or matrices (matrix).")
    ] = Form.REUSE,
    digits: Digits = None,
    format: SheetFormat = None,
    output: Output = None,
    ascii: Ascii = False,
    width: Width = None,
    paper: PaperSize = Paper.A4,
) -> None:
    """The blank sheet to hand out, or the answer file to fill in."""
    if form not in BLANK_FORMS:
        raise UsageProblem("--form: a blank sheet is made for reuse, delta or matrix")
    if answers and (digits is not None or form is not Form.REUSE):
        raise UsageProblem("--form and --digits are of the sheet, not of an answer file")
    chosen = None if answers else format or by_ending(output, ENDINGS, Format.TEXT)
    honour(chosen, {"--digits": digits})
    problem = read(file, student)
    from backprop_cli.marking.asked import updates_asked
    from backprop_cli.run import solve as solve_problem
    from backprop_cli.worksheet.blank import answers_template, blank
    from backprop_cli.worksheet.sheet import Choices

    run = solve_problem(problem, show=updates_asked(problem))
    complain_of_unused(problem, [iteration.graph for iteration in run.iterations])
    if chosen is None:
        deliver(answers_template(run, answer_kind(format, output)), output)
        return
    if chosen is Format.JSON:
        from backprop_cli.worksheet.blank_json import blank_json

        deliver(blank_json(run), output)
        return
    choices = Choices(form=BLANK_FORMS[form], digits=digits, pictures=chosen is not Format.TEXT)
    document = blank(run, choices)
    deliver(rendered(document, chosen, output, ascii, width, paper), output)


def answer_kind(format: Format | None, output: Path | None) -> AnswerKind:
    """What an answer file to fill in is written as."""
    if format is Format.JSON:
        return "json"
    if format is not None:
        raise UsageProblem("an answer file is YAML, JSON or CSV; name it *.yaml, *.json or *.csv")
    file = file_of(output)
    ending = "" if file is None else file.suffix.lower()
    return ANSWER_ENDINGS.get(ending, "yaml")


@command(HAND_OUT, "backprop variant own.yaml --student ada")
def variant(
    file: ProblemFile,
    student: Student = None,
    students: Annotated[
        str | None,
        typer.Option("--students", metavar="CSV", help="A class: a row for each student."),
    ] = None,
    format: Annotated[
        HandedOut | None,
        typer.Option("--format", "-f", help="What each student gets; the problem file by default."),
    ] = None,
    key: Annotated[
        bool, typer.Option("--key", help="The worked solution of each student too.")
    ] = False,
    with_id: Annotated[
        bool, typer.Option("--with-id", help="Say in a problem file whose numbers these are.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="A file; for a class a directory."),
    ] = None,
    paper: PaperSize = Paper.A4,
) -> None:
    """A student's own numbers: the problem file, or sheets for a whole class."""
    if (student is None) == (students is None):
        raise UsageProblem("name one student with --student, or a class with --students")
    from backprop_cli.variants.roster import file_names, read_roster
    from backprop_cli.variants.variant import Drawer

    drawer = Drawer(read(file))
    if student is not None:
        if format not in (None, HandedOut.YAML) or key:
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
    chosen = format or HandedOut.YAML
    folder.mkdir(parents=True, exist_ok=True)
    variants = {}
    with Progress("students") as progress:
        for each, name in names.items():
            found = variants[each] = drawer.variant(each)
            path = folder / f"{name}{HANDED_OUT_ENDINGS[chosen]}"
            deliver(handed_out(found, chosen, each if with_id else None, path, paper), path)
            if key:
                sheet = HandedOut.TEXT if chosen is HandedOut.YAML else chosen
                path = folder / f"{name}.key{HANDED_OUT_ENDINGS[sheet]}"
                deliver(key_of(found, sheet, path, paper), path)
            progress(1)
    deliver(numbers_table(variants, names), folder / "variants.csv")


def handed_out(
    found: Variant, chosen: HandedOut, student: str | None, path: Path, paper: Paper
) -> str | bytes:
    """What one student of a class gets."""
    if chosen is HandedOut.YAML:
        return problem_text(found, student)
    from backprop_cli.marking.asked import updates_asked
    from backprop_cli.run import solve as solve_problem
    from backprop_cli.worksheet.blank import blank

    run = solve_problem(found.problem, show=updates_asked(found.problem))
    return rendered(blank(run), Format(chosen.value), path, False, None, paper)


def key_of(found: Variant, chosen: HandedOut, path: Path, paper: Paper) -> str | bytes:
    """The worked solution of one student's sheet."""
    from backprop_cli.run import solve as solve_problem
    from backprop_cli.worksheet.sheet import Choices
    from backprop_cli.worksheet.solution import solution

    run = solve_problem(found.problem, show=TEXT_SHOWN)
    document = solution(run, Choices(pictures=chosen in (HandedOut.HTML, HandedOut.PDF)))
    return rendered(document, Format(chosen.value), path, False, None, paper)


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
    file: ProblemFile,
    students: Annotated[
        int,
        typer.Option("--students", metavar="N", min=2, max=10_000, help="How many students."),
    ] = 100,
    format: SheetFormat = None,
    output: Output = None,
    ascii: Ascii = False,
    width: Width = None,
    paper: PaperSize = Paper.A4,
) -> None:
    """What the variants of a class come to: tries, spread of the values, slips that stay close."""
    chosen = format or by_ending(output, ENDINGS, Format.TEXT)
    problem = read(file)
    from backprop_cli.variants.stress import document, report_json
    from backprop_cli.variants.stress import stress as draw_class

    with Progress("students") as progress:
        found = draw_class(problem, students, progress)
    if chosen is Format.JSON:
        deliver(report_json(found), output)
        return
    deliver(rendered(document(found), chosen, output, ascii, width, paper), output)
