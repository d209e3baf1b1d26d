"""The commands: arguments in, text out, exit code. The one place that catches errors."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeVar, assert_never

import typer

from backprop_cli import __version__, completion
from backprop_cli.console import (
    Progress,
    Undeliverable,
    complain,
    deliver,
    deliver_stream,
    file_of,
    silence,
    wants_color,
    width_of_page,
    write,
    writes_unicode,
)
from backprop_cli.diagnostics import ProblemError, escape, nearest, quote, render_all
from backprop_cli.together import conflict

if TYPE_CHECKING:
    from backprop_cli.graph.step import Graph
    from backprop_cli.marking.answers import Submission
    from backprop_cli.marking.check import Checker
    from backprop_cli.marking.model import SubmissionReport
    from backprop_cli.marking.names import AnswerNames
    from backprop_cli.marking.reports.tally import Tally
    from backprop_cli.problem.model import Problem
    from backprop_cli.run import Run
    from backprop_cli.variants.variant import Variant
    from backprop_cli.worksheet.blank import AnswerKind
    from backprop_cli.worksheet.document import Block, Document

Kind = TypeVar("Kind", bound=StrEnum)

OK, NOT_PASSED, WRONG_INPUT, MISMATCH = 0, 1, 2, 3
EXIT_CODES = {
    OK: "done; `check`: all passed",
    NOT_PASSED: "`check` found the pass mark not reached, or one file of several unreadable",
    WRONG_INPUT: "a file or the usage is wrong",
    MISMATCH: "`verify` found a mismatch",
}
INTERRUPTED = 130


class Format(StrEnum):
    """What a sheet can be written as."""

    TEXT = "text"
    MARKDOWN = "markdown"
    LATEX = "latex"
    HTML = "html"
    PDF = "pdf"
    JSON = "json"
    SYMPY = "sympy"


ENDINGS = {
    ".txt": Format.TEXT,
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".tex": Format.LATEX,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".pdf": Format.PDF,
    ".json": Format.JSON,
    ".py": Format.SYMPY,
}


ANSWER_ENDINGS: Mapping[str, AnswerKind] = {".json": "json", ".csv": "csv"}
"""Under any other ending an answer file to fill in is YAML."""


class Picture(StrEnum):
    """What a network can be drawn as."""

    SVG = "svg"
    MERMAID = "mermaid"
    TEXT = "text"


PICTURE_ENDINGS = {
    ".svg": Picture.SVG,
    ".mmd": Picture.MERMAID,
    ".mermaid": Picture.MERMAID,
    ".txt": Picture.TEXT,
}


class ReportFormat(StrEnum):
    """What a report on answers can be written as."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    GRADESCOPE = "gradescope"
    GITHUB = "github"
    CLASSROOM50 = "classroom50"
    CSV = "csv"
    MARKDOWN = "markdown"


REPORT_ENDINGS = {
    ".txt": ReportFormat.TEXT,
    ".json": ReportFormat.JSON,
    ".xml": ReportFormat.JUNIT,
    ".csv": ReportFormat.CSV,
    ".md": ReportFormat.MARKDOWN,
    ".markdown": ReportFormat.MARKDOWN,
}


class Form(StrEnum):
    """How gradients are written."""

    REUSE = "reuse"
    CHAIN = "chain"
    DELTA = "delta"
    MATRIX = "matrix"
    GATES = "gates"


BLANK_FORMS: Mapping[Form, Literal["reuse", "delta", "matrix"]] = {
    Form.REUSE: "reuse",
    Form.DELTA: "delta",
    Form.MATRIX: "matrix",
}
"""What a blank sheet has room for."""


class HandedOut(StrEnum):
    """What each student of a class gets: a sheet, or the file that it is made from."""

    TEXT = "text"
    MARKDOWN = "markdown"
    LATEX = "latex"
    HTML = "html"
    PDF = "pdf"
    YAML = "yaml"


HANDED_OUT_ENDINGS = {
    HandedOut.TEXT: ".txt",
    HandedOut.MARKDOWN: ".md",
    HandedOut.LATEX: ".tex",
    HandedOut.HTML: ".html",
    HandedOut.PDF: ".pdf",
    HandedOut.YAML: ".yaml",
}


class Paper(StrEnum):
    A4 = "a4"
    LETTER = "letter"


class Files(StrEnum):
    """The files that a schema describes."""

    PROBLEM = "problem"
    ANSWERS = "answers"


CLASS_ROWS = 2000
"""So many submissions have a line of their own in the text report of a class."""
TEXT_SHOWN = 2
"""So many updates are written in full on a sheet unless --show says otherwise."""
JSON_SHOWN = 1000
MOST_RATES = 20
HELP_WIDTH = 76
"""Columns of a command's help on a page of the reference, where it stands a little to the right."""
NAMES = "names"
"""What `explain` explains of a file."""

app = typer.Typer(
    name="backprop",
    help="Solve, explain and mark backpropagation worksheets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help is ready in half the time
    context_settings={"help_option_names": ["-h", "--help"]},
)


class UsageProblem(Exception):
    """The arguments do not fit the problem; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code; never with a traceback."""
    sys.exit(outcome(arguments))


def outcome(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command (of `sys.argv` if None) and give its exit code."""
    try:
        code = app(
            None if arguments is None else list(arguments),
            prog_name="backprop",
            standalone_mode=False,
        )
    except typer.Exit as leaving:
        code = leaving.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except ProblemError as error:
        complain(render_all(error.diagnostics))
        return WRONG_INPUT
    except (UsageProblem, Undeliverable) as error:
        complain(f"error: {error}")
        return WRONG_INPUT
    except BrokenPipeError:
        silence(sys.stdout)
        return OK
    except OSError as error:
        where = f"{escape(str(error.filename))}: " if error.filename else ""
        complain(f"error: {where}{error.strerror or 'it cannot be used'}")
        return WRONG_INPUT
    except Exception as error:
        if hasattr(error, "format_message"):  # the command line does not parse
            complain(usage_error(error))
            return WRONG_INPUT
        if os.environ.get("BACKPROP_TRACEBACK"):
            raise
        complain(
            f"error: this is a mistake in backprop itself, not in your file: "
            f"{type(error).__name__}: {escape(str(error))[:300]}\n"
            "Set BACKPROP_TRACEBACK=1 to see where, and report it with the problem file."
        )
        return WRONG_INPUT
    return int(code or OK)


def usage_error(error: Exception) -> str:
    """What is wrong with the arguments, and where their help is."""
    message = str(error.format_message())  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # `backprop` alone: the message is the help
        return message
    message = escape(message.replace("Value error, ", ""))
    return f"error: {message}\nTry `{getattr(context, 'command_path', 'backprop')} --help`."


def version(wanted: bool) -> None:
    if wanted:
        write(f"backprop {__version__}\n")
        raise typer.Exit


@app.callback()
def common(
    show_version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Solve, explain and mark backpropagation worksheets."""


ProblemFile = Annotated[
    str, typer.Argument(metavar="FILE", help="Problem file (YAML); - reads stdin.")
]
SheetFormat = Annotated[
    Format | None, typer.Option("--format", "-f", help="What to write; text by default.")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="PATH", help="Write to a file; its ending says the format."
    ),
]
Ascii = Annotated[bool, typer.Option("--ascii", help="Plain ASCII instead of Unicode.")]
Width = Annotated[
    int | None,
    typer.Option("--width", metavar="N", min=30, max=1000, help="Columns of the text sheet."),
]
PaperSize = Annotated[Paper, typer.Option("--paper", help="Page size of PDF and LaTeX.")]
Digits = Annotated[
    int | None,
    typer.Option("--digits", metavar="N", min=1, max=15, help="Significant digits shown."),
]


Student = Annotated[
    str | None,
    typer.Option("--student", metavar="ID", help="This student's own numbers (`variants`)."),
]


@app.command(epilog="Example: backprop solve problems/two-hidden-layers.yaml --only dL/dw1_1_1")
def solve(
    file: ProblemFile,
    student: Student = None,
    symbolic: Annotated[
        bool, typer.Option("--symbolic", help="Write out each derivation.")
    ] = False,
    composed: Annotated[
        bool,
        typer.Option("--composed", help="Each derivative as one formula in what is given."),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="NAME",
            help="Just this quantity (repeatable).",
            autocompletion=completion.quantities,
        ),
    ] = None,
    form: Annotated[Form | None, typer.Option("--form", help="How gradients are written.")] = None,
    record: Annotated[
        bool,
        typer.Option("--record", help="With --form gates: what an autograd engine records."),
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option("--steps", metavar="N", min=1, max=1_000_000, help="Number of updates."),
    ] = None,
    show: Annotated[
        int | None,
        typer.Option("--show", metavar="K", min=1, max=100_000, help="Updates written in full."),
    ] = None,
    digits: Digits = None,
    round_each: Annotated[
        int | None,
        typer.Option(
            "--round-each",
            metavar="N",
            min=1,
            max=15,
            help="Round every value to N significant digits before it is used, as by hand.",
        ),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Fractions where they exist.")] = False,
    curve: Annotated[
        str | None,
        typer.Option(
            "--curve", metavar="NAME=LOW:HIGH", help="Draw the output over a quantity: x=-5:5."
        ),
    ] = None,
    lr_sweep: Annotated[
        str | None,
        typer.Option(
            "--lr-sweep", metavar="RATES", help="Losses for several learning rates: 0.1,0.5,1."
        ),
    ] = None,
    format: SheetFormat = None,
    output: Output = None,
    ascii: Ascii = False,
    width: Width = None,
    paper: PaperSize = Paper.A4,
) -> None:
    """The worked solution: forward, loss, gradients, update, and the loss again."""
    chosen = format or by_ending(output, ENDINGS, Format.TEXT)
    honour(
        chosen,
        {
            "--symbolic": symbolic,
            "--composed": composed,
            "--only": only,
            "--form": form,
            "--record": record,
            "--steps": steps,
            "--show": show,
            "--digits": digits,
            "--round-each": round_each,
            "--exact": exact,
            "--curve": curve,
            "--lr-sweep": lr_sweep,
        },
        ascii,
        width,
        paper,
    )
    problem = read(file, student)
    from backprop_cli.run import solve as solve_problem
    from backprop_cli.worksheet.sheet import Choices

    if steps is not None and lr_sweep is None and not problem.trains:
        raise UsageProblem("--steps: without a learning_rate this problem has no updates")
    if lr_sweep is not None:
        learning_rates = rates(lr_sweep)
        from backprop_cli.worksheet.sweep import sweep

        document = sweep(problem, learning_rates, steps)
        deliver(rendered(document, chosen, output, ascii, width, paper), output)
        return
    if record and form is not Form.GATES:
        raise UsageProblem("--record: the record is kept gate by gate, so it needs --form gates")
    if form is Form.GATES:
        from backprop_cli.graph.gates import split_into_gates

        problem = split_into_gates(problem)
    shown = show or (JSON_SHOWN if chosen is Format.JSON else TEXT_SHOWN)
    with Progress("updates done") as progress:
        run = solve_problem(
            problem, steps=steps, show=shown, round_each=round_each, progress=progress
        )
    asked = only_names(run, only or [])
    choices = Choices(
        symbolic=symbolic,
        only=asked,
        form=form.value if form else None,
        digits=digits,
        fractions=exact,
        curve=curve_range(run, curve, asked),
        pictures=chosen is not Format.TEXT,
        composed=composed,
        record=record,
    )
    if chosen is Format.JSON:
        from backprop_cli.worksheet.solution_json import solution_json

        deliver(solution_json(run, choices), output)
        return
    if chosen is Format.SYMPY:
        from backprop_cli.worksheet.solution_sympy import NoScript, solution_sympy

        try:
            deliver(solution_sympy(run, choices), output)
        except NoScript as error:
            raise UsageProblem(str(error)) from None
        return
    from backprop_cli.worksheet.solution import solution

    deliver(rendered(solution(run, choices), chosen, output, ascii, width, paper), output)


@app.command(epilog="Example: backprop check problems/two-hidden-layers.yaml answers.yaml")
def check(
    file: ProblemFile,
    answers: Annotated[
        list[str], typer.Argument(metavar="ANSWERS", help="Answer files (YAML, JSON, CSV).")
    ],
    format: Annotated[
        ReportFormat | None, typer.Option("--format", "-f", help="What to report; text by default.")
    ] = None,
    output: Output = None,
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
    ascii: Ascii = False,
    width: Width = None,
) -> None:
    """Mark answer files: honest rounding costs nothing, one slip costs one mark."""
    chosen = format or by_ending(output, REPORT_ENDINGS, ReportFormat.TEXT)
    honour(chosen, {}, ascii, width)
    if [file, *answers].count("-") > 1:
        raise UsageProblem("only one file can be read from stdin")
    problem = read(file)
    from backprop_cli.marking.answers import read_submission
    from backprop_cli.marking.check import Checker
    from backprop_cli.marking.reports import REPORTS
    from backprop_cli.marking.reports.tally import Tally

    checker = Checker(problem, tolerance=tolerance, pass_mark=pass_mark, reveal=reveal)
    complain_of_unused(problem, [checker.graph])
    tally = Tally()
    with Progress("submissions marked") as progress:
        reports = tally.watch(marked_files(checker, answers, read_submission, progress))
        if chosen is ReportFormat.TEXT:
            document = marking_document(checker, reports, tally)
            deliver(rendered(document, Format.TEXT, output, ascii, width), output)
        else:
            deliver_stream(REPORTS[chosen.value](checker.head, reports), output)
    raise typer.Exit(verdict(tally, exit_zero))


def complain_of_unused(problem: Problem, graphs: Sequence[Graph]) -> None:
    """What `marking` asks for in vain: a reader of the file alone cannot know the whole sheet."""
    from backprop_cli.marking.asked import unused_patterns

    for pattern in unused_patterns(problem.marking, graphs):
        reason = f"nothing on the sheet fits {quote(pattern)} in `marking`"
        complain(f"{escape(problem.path)}: warning[unused]: {reason}")


def marked_files(
    checker: Checker,
    files: Sequence[str],
    read_file: Callable[[str], Submission],
    progress: Progress,
) -> Iterator[SubmissionReport]:
    """The reports on answer files, one at a time; what is wrong with a file is in its report."""
    for file in files:
        report = checker.mark(read_file(file))
        if report.error is not None:
            complain(f"{escape(file)}: error[unreadable-answers]: {escape(report.error)}")
        progress(1)
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


@app.command(epilog="Example: backprop worksheet problems/two-hidden-layers.yaml -o homework.html")
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
    honour(chosen, {"--answers": answers}, ascii, width, paper)
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
    choices = Choices(form=BLANK_FORMS[form], digits=digits, pictures=chosen is not Format.TEXT)
    document = blank(run, choices)
    deliver(rendered(document, chosen, output, ascii, width, paper), output)


@app.command(epilog="Example: backprop draw problems/two-hidden-layers.yaml -o network.svg")
def draw(
    file: ProblemFile,
    student: Student = None,
    format: Annotated[
        Picture | None, typer.Option("--format", "-f", help="What to draw; SVG by default.")
    ] = None,
    blank: Annotated[
        bool, typer.Option("--blank", help="Without any numbers but the given ones.")
    ] = False,
    output: Output = None,
    ascii: Ascii = False,
    width: Width = None,
) -> None:
    """The network with its values and gradients as a picture."""
    chosen = format or by_ending(output, PICTURE_ENDINGS, Picture.SVG)
    honour(chosen, {}, ascii, width)
    problem = read(file, student)
    from backprop_cli.run import solve as solve_problem
    from backprop_cli.worksheet.diagram import diagram
    from backprop_cli.worksheet.document import Document
    from backprop_cli.worksheet.sheet import spelling_of

    run = solve_problem(problem, steps=1 if problem.trains else None, show=1)
    graph = run.iterations[0].graph
    picture, spelling = diagram(run, blank=blank), spelling_of(graph)
    match chosen:
        case Picture.SVG:
            from backprop_cli.render import svg

            deliver(svg.diagram(picture, spelling), output)
        case Picture.MERMAID:
            from backprop_cli.render import mermaid

            deliver(mermaid.diagram(picture, spelling), output)
        case Picture.TEXT:
            document = Document(
                "", (picture,), spelling, graph.lettering.typed
            )  # the picture has the title
            deliver(rendered(document, Format.TEXT, output, ascii, width), output)
        case _:
            assert_never(chosen)


@app.command(epilog="Example: backprop new --layers 3-2-1 --activation tanh,sigmoid -o new.yaml")
def new(
    layers: Annotated[
        str | None,
        typer.Option("--layers", metavar="SIZES", help="A network: 3-2-2-1, inputs first."),
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(
            "--activation",
            metavar="NAMES",
            help="One for each layer: relu,sigmoid.",
            autocompletion=completion.activations,
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option("--loss", metavar="NAME", help="Its loss.", autocompletion=completion.losses),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", min=0, max=10**9, help="Draw other numbers."),
    ] = None,
    equations: Annotated[
        bool, typer.Option("--equations", help="Equations instead of layers.")
    ] = False,
    example: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME",
            help="A copy of a shipped example.",
            autocompletion=completion.examples,
        ),
    ] = None,
    list_examples: Annotated[bool, typer.Option("--list", help="The shipped examples.")] = False,
    output: Output = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that is there.")
    ] = False,
    ascii: Ascii = False,
    width: Width = None,
) -> None:
    """A problem file to start from: a network, a circuit, or a shipped example."""
    wanted = {
        "--layers": layers is not None,
        "--equations": equations,
        "--from": example is not None,
        "--list": list_examples,
    }
    chosen = only_one(wanted)
    refuse(chosen, "--layers", **{"--activation": activation, "--loss": loss})
    refuse(chosen, "--layers or --equations", **{"--seed": seed})
    refuse(chosen, "--list", **{"--ascii": ascii or None, "--width": width})
    from backprop_cli import shipped, starter

    try:
        if list_examples:
            format = by_ending(output, ENDINGS, Format.TEXT)
            deliver(rendered(shipped.contents(), format, output, ascii, width), output)
            return
        unwritten(output, force)
        if example is not None:
            text = shipped.text(example)
        elif layers is not None:
            text = starter.network_file(layers, activation, loss, seed)
        else:
            text = starter.circuit_file(seed)
    except (shipped.NoSuchExample, starter.CannotWrite) as error:
        raise UsageProblem(str(error)) from None
    deliver(text, output)


def only_one(wanted: Mapping[str, bool]) -> str:
    """The one option that was given of those that exclude each other."""
    given = [option for option, there in wanted.items() if there]
    if len(given) != 1:
        *most, last = wanted
        so_far = f", not {' and '.join(given)}" if given else ""
        raise UsageProblem(f"give one of {', '.join(most)} and {last}{so_far}")
    return given[0]


def refuse(chosen: str, where: str, **options: object) -> None:
    """Options that mean nothing beside the chosen one."""
    for option, value in options.items():
        if value is not None and chosen not in where.split(" or "):
            raise UsageProblem(f"{option} belongs to {where} and means nothing with {chosen}")


def honour(
    format: StrEnum | None,
    given: Mapping[str, object],
    ascii: bool,
    width: int | None,
    paper: Paper = Paper.A4,
) -> None:
    """Refuse the options of a command that it cannot honour beside the others."""
    layout = {"--ascii": ascii, "--width": width, "--paper": paper is not Paper.A4}
    named = {} if format is None else {f"--format {format.value}": True}
    if (reason := conflict({**given, **layout, **named})) is not None:
        raise UsageProblem(reason)


def unwritten(output: Path | None, force: bool) -> None:
    """A problem file goes where none is yet."""
    file = file_of(output)
    if file is None:
        return
    if file.suffix.lower() not in (".yaml", ".yml"):
        raise UsageProblem(f"a problem file is YAML: name it *.yaml, not {quote(file.name)}")
    if os.path.lexists(file) and not force:
        raise UsageProblem(f"{escape(str(file))} is there already; --force writes over it")


@app.command(epilog="Example: backprop validate problems/*.yaml")
def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Problem files.")],
) -> None:
    """Read problem files and report what is wrong with them."""
    from backprop_cli.problem.read import read as read_file

    failed = False
    for file in files:
        try:
            _, warnings = read_file(file)
        except ProblemError as error:
            failed = True
            complain(render_all(error.diagnostics))
        else:
            if warnings:
                complain(render_all(warnings))
            write(f"{escape(file)}: ok\n")
    raise typer.Exit(WRONG_INPUT if failed else OK)


@app.command("list", epilog="Example: backprop list sigmoid cross_entropy adam")
def list_rules(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="toolbox, activations, losses, optimizers, initializers, remedies, functions,"
            " or names of rules.",
            autocompletion=completion.rules,
        ),
    ] = None,
    format: SheetFormat = None,
    output: Output = None,
    ascii: Ascii = False,
    width: Width = None,
    paper: PaperSize = Paper.A4,
) -> None:
    """The rules: activations, losses, optimizers and more, with slopes and curves."""
    from backprop_cli.worksheet.catalogue import UnknownRule, catalogue
    from backprop_cli.worksheet.catalogue_json import catalogue_json

    chosen = format or by_ending(output, ENDINGS, Format.TEXT)
    try:
        if chosen is Format.JSON:
            deliver(catalogue_json(what or ()), output)
            return
        document = catalogue(what or ())
    except UnknownRule as error:
        raise UsageProblem(str(error)) from None
    deliver(rendered(document, chosen, output, ascii, width, paper), output)


@app.command(epilog="Example: backprop schema -o problem.schema.json")
def schema(
    which: Annotated[
        Files, typer.Argument(metavar="problem|answers", help="Which files to describe.")
    ] = Files.PROBLEM,
    output: Output = None,
) -> None:
    """JSON Schema of problem and answer files, for editors."""
    import json

    from backprop_cli.problem.schema import answers_schema, problem_schema

    described = problem_schema() if which is Files.PROBLEM else answers_schema()
    deliver(json.dumps(described, indent=2, ensure_ascii=False) + "\n", output)


@app.command("help", epilog="Example: backprop help marking")
def help_on(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="TOPIC",
            help="A page of the reference, or a command.",
            autocompletion=completion.topics,
        ),
    ] = None,
    ascii: Ascii = False,
    width: Width = None,
) -> None:
    """The reference, a page for each topic: files, names, marking, JSON, and more."""
    from backprop_cli import manual
    from backprop_cli.formula.spelling import spell
    from backprop_cli.worksheet.document import Document, Paragraph

    if topic is None:
        hint = Paragraph(manual.inline("`backprop help names` shows one of these pages."))
        document = Document("The reference", (*manual.contents(), hint), spell)
    else:
        try:
            document = manual.page(topic, command_helps(), command_tables())
        except manual.UnknownTopic as error:
            raise UsageProblem(str(error)) from None
    deliver(rendered(document, Format.TEXT, None, ascii, width), None)


@app.command(epilog="Example: backprop explain missing-path")
def explain(
    code: Annotated[
        str,
        typer.Argument(
            metavar="CODE",
            help="Of a message or of a slip; or `names`.",
            autocompletion=completion.codes,
        ),
    ],
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="Whose names are meant.")
    ] = None,
    ascii: Ascii = False,
    width: Width = None,
) -> None:
    """What a message or a slip means, with an example and the remedy; `names FILE`: its names."""
    from backprop_cli import manual

    if code == NAMES and file is not None:
        from backprop_cli.run import solve as solve_problem
        from backprop_cli.worksheet.names import names_sheet

        document = names_sheet(solve_problem(read(file), steps=None, show=1))
    elif code == NAMES or file is not None:
        raise UsageProblem("names belong to a file: `backprop explain names FILE`")
    else:
        try:
            document = manual.explanation(code)
        except manual.UnknownTopic as error:
            raise UsageProblem(str(error)) from None
    deliver(rendered(document, Format.TEXT, None, ascii, width), None)


def command_tables() -> Mapping[str, Callable[[], Sequence[Block]]]:
    """What the commands say of themselves, for the pages of the reference."""
    from backprop_cli.manual import heading, two_columns
    from backprop_cli.worksheet.document import Listing

    codes = [(str(code), meaning) for code, meaning in EXIT_CODES.items()]
    return {
        "commands": lambda: [two_columns(("Command", "Does"), list(command_lines().items()))],
        "exit codes": lambda: [two_columns(("Exit code", "Means"), codes)],
        "options": lambda: [
            block
            for name, text in command_helps().items()
            for block in (heading(f"backprop {name}"), Listing(text))
        ],
    }


def command_lines() -> dict[str, str]:
    """Every command as it is called, with what it does."""
    lines = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        words = ["backprop", name]
        for each in command.params:
            if each.param_type_name == "argument":
                several = "…" if each.nargs < 0 else ""
                words.append(
                    each.metavar + several if each.required else f"[{each.metavar}{several}]"
                )
        lines[" ".join(words)] = command.help
    return lines


def command_helps() -> dict[str, str]:
    """The help of every command, as `--help` shows it."""
    root = typer.main.get_command(app)
    settings: dict[str, Any] = {"resilient_parsing": True, "terminal_width": HELP_WIDTH}
    helps = {}
    with root.make_context("backprop", [], **settings) as context:
        for name, command in root.commands.items():  # type: ignore[attr-defined]
            with command.make_context(name, [], parent=context, **settings) as own:
                helps[name] = command.get_help(own).strip()
    return helps


@app.command(epilog="Example: backprop verify problems/two-hidden-layers.yaml")
def verify(
    file: ProblemFile,
    student: Student = None,
    format: SheetFormat = None,
    output: Output = None,
    ascii: Ascii = False,
    width: Width = None,
    paper: PaperSize = Paper.A4,
) -> None:
    """Check every gradient against finite differences and the composed loss."""
    chosen = format or by_ending(output, ENDINGS, Format.TEXT)
    problem = read(file, student)
    from backprop_cli.verify import verification

    verified = verification(problem)
    if chosen is Format.JSON:
        from backprop_cli.verify.report import verification_json

        deliver(verification_json(verified), output)
    else:
        from backprop_cli.verify.sheet import verification_sheet

        document = verification_sheet(verified)
        deliver(rendered(document, chosen, output, ascii, width, paper), output)
    raise typer.Exit(OK if verified.agrees else MISMATCH)


@app.command(epilog="Example: backprop practice problems/two-hidden-layers.yaml -a answers.yaml")
def practice(
    file: ProblemFile,
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
    student: Student = None,
    random: Annotated[
        bool, typer.Option("--random", help="One more of the same kind, with numbers of its own.")
    ] = False,
    ascii: Ascii = False,
    width: Width = None,
) -> None:
    """A tutor: asks for one quantity after the other, with hints, and judges as `check` does."""
    if random and student is not None:
        raise UsageProblem("give either --student or --random")
    if answers is not None and watch is not None:
        raise UsageProblem("give either --answers or --watch")
    if random:
        import secrets

        student = f"random-{secrets.randbelow(10**6)}"
    problem = read(file, student)
    if random:
        complain(f"these numbers come again with --student {student}")
    from backprop_cli.tutor.page import Page

    page = Page(width_of_page(width), ascii or not writes_unicode(), wants_color())
    if watch is not None:
        from backprop_cli.tutor.watch import watch_file

        raise typer.Exit(OK if watch_file(problem, watch, write, page) else NOT_PASSED)
    from dataclasses import replace

    from backprop_cli.tutor.prompt import reader
    from backprop_cli.tutor.session import NoSuchQuantity, Session
    from backprop_cli.tutor.state import read_state
    from backprop_cli.tutor.terminal import Terminal

    state = read_state(answers) if answers is not None else None
    if state is not None and student is not None and not state.student:
        state = replace(state, student=student)
    try:
        session = Session(
            problem,
            only=only or (),
            start=start,
            all_steps=all_steps,
            tries=tries,
            free=free,
            state=state,
        )
    except NoSuchQuantity as error:
        raise UsageProblem(str(error)) from None

    def save(text: str) -> None:
        if answers is not None:
            deliver(text, answers)

    terminal = Terminal(session, write, save, page)
    raise typer.Exit(OK if terminal.run(reader(write)) else NOT_PASSED)


@app.command(epilog="Example: backprop variant own.yaml --student ada")
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


@app.command(epilog="Example: backprop stress own.yaml --students 20")
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


# Helpers


def read(file: str, student: str | None = None) -> Problem:
    """The problem in a file, with the numbers of a student if one is named; warnings go to stderr."""
    from backprop_cli.problem.read import read as read_file

    problem, warnings = read_file(file)
    if warnings:
        complain(render_all(warnings))
    if student is None:
        return problem
    from backprop_cli.variants.variant import Drawer

    return Drawer(problem).variant(known_student(student)).problem


def known_student(student: str) -> str:
    if not student.strip():
        raise UsageProblem("--student: an id cannot be empty")
    return student


def by_ending(output: Path | None, endings: Mapping[str, Kind], usual: Kind) -> Kind:
    """The format that the ending of the output file names; the usual one where it has none."""
    file = file_of(output)
    if file is None or not file.suffix:
        return usual
    kind = endings.get(file.suffix.lower())
    if kind is None:
        raise UsageProblem(
            f"the ending {quote(file.suffix)} names no format; "
            f"use one of {', '.join(endings)} or --format"
        )
    return kind


def answer_kind(format: Format | None, output: Path | None) -> AnswerKind:
    """What an answer file to fill in is written as."""
    if format is Format.JSON:
        return "json"
    if format is not None:
        raise UsageProblem("an answer file is YAML, JSON or CSV; name it *.yaml, *.json or *.csv")
    file = file_of(output)
    ending = "" if file is None else file.suffix.lower()
    return ANSWER_ENDINGS.get(ending, "yaml")


def rendered(
    document: Document,
    format: Format,
    output: Path | None,
    ascii: bool,
    width: int | None,
    paper: Paper = Paper.A4,
) -> str | bytes:
    """The document in a format, as far as possible in signs that its reader can take."""
    on_screen = file_of(output) is None
    match format:
        case Format.TEXT:
            from backprop_cli.render import text

            return text.render(
                document,
                width=width_of_page(width),
                ascii=ascii or (on_screen and not writes_unicode()),
                color=on_screen and wants_color(),
            )
        case Format.MARKDOWN:
            from backprop_cli.render import markdown

            return markdown.render(document)
        case Format.LATEX:
            from backprop_cli.render import latex

            return latex.render(document, paper=paper)
        case Format.HTML:
            from backprop_cli.render import html

            return html.render(document)
        case Format.PDF:
            from backprop_cli.render import pdf

            try:
                return pdf.render(document, paper=paper)
            except pdf.PdfUnavailable as missing:
                raise Undeliverable(str(missing)) from None
        case Format.JSON:
            raise UsageProblem("only a solution is written as JSON")
        case Format.SYMPY:
            raise UsageProblem("only a solution is written as a SymPy script")
        case _:
            assert_never(format)


def only_names(run: Run, asked: Sequence[str]) -> tuple[str, ...]:
    """The names asked for, each known on the sheet; they may be spelled as in answer files, and
    `*` and `?` stand for any letters and any one, as in `marking`."""
    if not asked:
        return ()
    from backprop_cli.marking.asked import matches
    from backprop_cli.marking.names import AnswerNames, normalised
    from backprop_cli.worksheet.derivations import known_names
    from backprop_cli.worksheet.sheet import Choices, Sheet

    known: dict[str, None] = {}
    for iteration in run.iterations:
        known.update(dict.fromkeys(known_names(Sheet(run, iteration, Choices()))))
    sheets = [AnswerNames(iteration.graph) for iteration in run.iterations]
    lettering = run.iterations[0].graph.lettering
    shown = {form: name for name in known for form in lettering.spellings(name)}
    found: list[str] = []
    for name in asked:
        fitting = []
        if set("*?") & set(name):
            fitting = [each for each in known if matches(name, each)]
            fitting = fitting or [known for form, known in shown.items() if matches(name, form)]
        if fitting:
            found += fitting
            continue
        written = normalised(name)
        spellings = (
            *(shown.get(name), shown.get(written), name, written),
            *(sheet.find(name) for sheet in sheets),
        )
        plain = next((spelling for spelling in spellings if spelling in known), None)
        plain = plain or between_names(run, sheets[0], written)
        if plain is None:
            raise UsageProblem(f"{quote(name)} is not on this worksheet{suggestion(name, known)}")
        found.append(plain)
    aliases = {alias: name for it in run.iterations for alias, name in it.graph.aliases.items()}
    return tuple(dict.fromkeys(aliases.get(name, name) for name in found))


def between_names(run: Run, names: AnswerNames, written: str) -> str | None:
    """`dyhat/da1`: one calculated quantity by another that it comes from, in the sheet's names."""
    from backprop_cli.graph.naming import slope_name
    from backprop_cli.worksheet.derivations import between
    from backprop_cli.worksheet.sheet import Choices, Sheet

    above, _, below = written.removeprefix("d").partition("/d")
    bare, bracket, sample = below.partition("[")
    target = names.find(above) or names.find(above + bracket + sample)
    quantity = names.find(below) or names.find(bare)
    if target is None or quantity is None:
        return None
    name = slope_name(target, quantity)
    return name if between(Sheet(run, run.iterations[0], Choices()), name) else None


def suggestion(name: str, known: Sequence[str] | dict[str, None]) -> str:
    close = nearest(name, known)
    return f"; {close}" if close else ""


def curve_range(
    run: Run, text: str | None, only: Sequence[str] = ()
) -> tuple[str, float, float] | None:
    """`x=-5:5` as (name, low, high); `only` are the quantities to draw, all of those by default."""
    if text is None:
        return None
    name, equals, limits = text.partition("=")
    low, colon, high = limits.partition(":")
    leaves = dict.fromkeys(run.iterations[0].graph.leaf)
    try:
        ends = (float(low), float(high)) if equals and colon else None
    except ValueError:
        ends = None
    if ends is None or not all(abs(end) < 1e12 for end in ends) or ends[0] >= ends[1]:
        raise UsageProblem(f"--curve takes NAME=LOW:HIGH, as in x=-5:5, not {quote(text)}")
    if name not in leaves:
        raise UsageProblem(
            f"{quote(name)} is not a given quantity of this worksheet{suggestion(name, leaves)}"
        )
    from backprop_cli.worksheet.curves import MOST_SERIES, PASSES

    steps = run.iterations[0].graph.step
    for each in only:
        if each not in steps or steps[each].section not in PASSES:
            raise UsageProblem(f"--curve draws what is worked out before the update, not {each}")
    if len(only) > MOST_SERIES:
        raise UsageProblem(
            f"--curve draws up to {MOST_SERIES} quantities together, not {len(only)}"
        )
    return (name, *ends)


def rates(text: str) -> list[str]:
    """`0.1,0.5,1` as the learning rates, digits as written."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        written = part.isascii() and "_" not in part and len(part) <= 20
        try:
            good = written and 0 < float(part) < math.inf
        except ValueError:
            good = False
        if not good or len(parts) > MOST_RATES:
            raise UsageProblem(
                f"--lr-sweep takes up to {MOST_RATES} positive numbers, as in 0.1,0.5,1,"
                f" not {quote(text)}"
            )
    return parts


if __name__ == "__main__":
    main()
