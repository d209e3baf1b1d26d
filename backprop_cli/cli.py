"""The commands: arguments in, text out, exit code. The one place that catches errors."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from backprop_cli import __version__
from backprop_cli.diagnostics import (
    Diagnostic,
    ProblemError,
    escape,
    nearest,
    quote,
    render_all,
)

OK, NOT_PASSED, WRONG_INPUT, MISMATCH = 0, 1, 2, 3

FORMATS = ("text", "markdown", "latex", "html", "pdf", "json")
ENDINGS = {
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".tex": "latex",
    ".html": "html",
    ".htm": "html",
    ".pdf": "pdf",
    ".json": "json",
}
FORMS = ("reuse", "chain", "delta", "matrix", "gates")
TEXT_SHOWN = 2
"""So many updates are written in full on a sheet unless --show says otherwise."""
JSON_SHOWN = 1000

app = typer.Typer(
    name="backprop",
    help="Solve, explain and mark backpropagation worksheets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class UsageProblem(Exception):
    """The arguments do not fit the problem; the message says what to do."""


def main() -> NoReturn:
    """Run the command line and leave with its exit code; never with a traceback."""
    try:
        code = app(standalone_mode=False)
    except typer.Exit as leaving:
        code = leaving.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except ProblemError as error:
        complain(render_all(error.diagnostics))
        code = WRONG_INPUT
    except UsageProblem as error:
        complain(f"error: {error}")
        code = WRONG_INPUT
    except BrokenPipeError:
        # The reader has gone (`| head`): nothing to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = OK
    except Exception as error:
        if not hasattr(error, "show"):  # a usage error of the command line shows itself
            raise
        error.show()
        code = WRONG_INPUT
    sys.exit(code or OK)


def complain(message: str) -> None:
    """A message on stderr, what the terminal cannot write replaced."""
    write(message + "\n", sys.stderr)


def write(text: str, stream: object = None) -> None:
    out = sys.stdout if stream is None else stream
    encoding = getattr(out, "encoding", None) or "utf-8"
    out.write(text.encode(encoding, "replace").decode(encoding))  # type: ignore[attr-defined]
    out.flush()  # type: ignore[attr-defined]


def deliver(content: str | bytes, output: Path | None) -> None:
    """To the file, written whole or not at all; to stdout without one."""
    if output is None or str(output) == "-":
        if isinstance(content, bytes):
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            write(content)
        return
    data = content if isinstance(content, bytes) else content.encode("utf-8")
    unfinished = output.with_name(f".{output.name}.part")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(output)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        reason = error.strerror or "it cannot be written"
        raise UsageProblem(f"{escape(str(output))}: {reason}") from None


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


ProblemFile = Annotated[str, typer.Argument(help="Problem file (YAML); - reads stdin.")]
Ascii = Annotated[bool, typer.Option("--ascii", help="Plain ASCII instead of Unicode.")]
Width = Annotated[
    int | None, typer.Option("--width", min=30, max=1000, help="Columns of the text sheet.")
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to a file; its ending says the format.")
]
Digits = Annotated[
    int | None, typer.Option("--digits", min=1, max=15, help="Significant digits shown.")
]


@app.command()
def solve(
    file: ProblemFile,
    symbolic: Annotated[
        bool, typer.Option("--symbolic", help="Write out each derivation.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Just this quantity (repeatable).")
    ] = None,
    form: Annotated[
        str, typer.Option("--form", help="How gradients are written: " + ", ".join(FORMS) + ".")
    ] = "reuse",
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, max=1_000_000, help="Number of updates.")
    ] = None,
    show: Annotated[
        int | None, typer.Option("--show", min=1, max=100_000, help="Updates written in full.")
    ] = None,
    digits: Digits = None,
    round_each: Annotated[
        int | None,
        typer.Option("--round-each", min=1, max=15, help="Round every value before it is used."),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Fractions where they exist.")] = False,
    curve: Annotated[
        str | None, typer.Option("--curve", help="Draw the output over a quantity: x=-5:5.")
    ] = None,
    lr_sweep: Annotated[
        str | None, typer.Option("--lr-sweep", help="Losses for several learning rates: 0.1,0.5,1.")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", "-f", help=", ".join(FORMATS) + ".")
    ] = None,
    output: Output = None,
    ascii: Ascii = False,
    width: Width = None,
    paper: Annotated[str, typer.Option("--paper", help="a4 or letter (PDF).")] = "a4",
) -> None:
    """The worked solution: forward, loss, gradients, update, and the loss again."""
    chosen = chosen_format(format, output)
    if form not in FORMS:
        raise UsageProblem(unknown("form", form, FORMS))
    problem = read(file)
    from backprop_cli.run import solve as solve_problem
    from backprop_cli.worksheet.sheet import Choices

    if form == "gates":
        from backprop_cli.graph.gates import split_into_gates

        problem = split_into_gates(problem)
    shown = show or (JSON_SHOWN if chosen == "json" else TEXT_SHOWN)
    if lr_sweep is not None:
        from backprop_cli.worksheet.sweep import sweep

        deliver(
            rendered(sweep(problem, rates(lr_sweep), steps), chosen, ascii, width, paper), output
        )
        return
    with progress_bar() as progress:
        run = solve_problem(
            problem, steps=steps, show=shown, round_each=round_each, progress=progress
        )
    choices = Choices(
        symbolic=symbolic,
        only=only_names(run, only or []),
        form=form,  # type: ignore[arg-type]
        digits=digits,
        fractions=exact,
        curve=curve_range(run, curve),
    )
    if chosen == "json":
        from backprop_cli.worksheet.solution_json import solution_json

        deliver(solution_json(run, choices), output)
        return
    from backprop_cli.worksheet.solution import solution

    deliver(rendered(solution(run, choices), chosen, ascii, width, paper), output)


@app.command()
def validate(
    files: Annotated[list[str], typer.Argument(help="Problem files.")],
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


@app.command("list")
def list_rules(
    what: Annotated[
        list[str] | None,
        typer.Argument(help="activations, losses, optimizers, initializers, or names of rules."),
    ] = None,
    format: Annotated[str | None, typer.Option("--format", "-f", help="text, markdown, …")] = None,
    output: Output = None,
    ascii: Ascii = False,
    width: Width = None,
) -> None:
    """Activations, losses, optimizers and initializers with formulas, slopes and curves."""
    from backprop_cli.worksheet.catalogue import UnknownRule, catalogue

    chosen = chosen_format(format, output)
    if chosen == "json":
        raise UsageProblem("list has no JSON; choose text, markdown, latex, html or pdf")
    try:
        document = catalogue(tuple(what or ()))
    except UnknownRule as error:
        raise UsageProblem(str(error)) from None
    deliver(rendered(document, chosen, ascii, width, "a4"), output)


@app.command()
def schema(
    which: Annotated[str, typer.Argument(help="problem or answers.")] = "problem",
) -> None:
    """JSON Schema of problem and answer files, for editors."""
    import json

    from backprop_cli.problem.schema import answers_schema, problem_schema

    schemas = {"problem": problem_schema, "answers": answers_schema}
    if which not in schemas:
        raise UsageProblem(unknown("schema", which, tuple(schemas)))
    write(json.dumps(schemas[which](), indent=2, ensure_ascii=False) + "\n")


@app.command()
def verify(
    file: ProblemFile,
    ascii: Ascii = False,
    width: Width = None,
) -> None:
    """Compare every gradient with finite differences and with SymPy on the composed loss."""
    problem = read(file)
    from backprop_cli.verify import verification

    document, agrees = verification(problem)
    deliver(rendered(document, "text", ascii, width, "a4"), None)
    raise typer.Exit(OK if agrees else MISMATCH)


# Helpers


def read(file: str):  # type: ignore[no-untyped-def]
    """The problem in a file; warnings go to stderr."""
    from backprop_cli.problem.read import read as read_file

    problem, warnings = read_file(file)
    if warnings:
        complain(render_all(warnings))
    return problem


def chosen_format(format: str | None, output: Path | None) -> str:
    if format is not None:
        if format not in FORMATS:
            raise UsageProblem(unknown("format", format, FORMATS))
        return format
    if output is None or str(output) == "-":
        return "text"
    ending = output.suffix.lower()
    if ending not in ENDINGS:
        raise UsageProblem(
            f"the ending {quote(ending)} names no format; use one of {', '.join(ENDINGS)} or --format"
        )
    return ENDINGS[ending]


def unknown(what: str, name: str, known: tuple[str, ...]) -> str:
    close = nearest(name, known)
    hint = f"; {close}" if close else f"; known: {', '.join(known)}"
    return f"{quote(name)} is not a {what}{hint}"


def terminal_width(width: int | None) -> int:
    if width is not None:
        return width
    import shutil

    return max(40, min(shutil.get_terminal_size((80, 24)).columns, 160))


def wants_color() -> bool:
    if os.environ.get("NO_COLOR") is not None or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


def rendered(  # type: ignore[no-untyped-def]
    document, format: str, ascii: bool, width: int | None, paper: str
) -> str | bytes:
    """The document in a format."""
    if paper not in ("a4", "letter"):
        raise UsageProblem(unknown("paper", paper, ("a4", "letter")))
    match format:
        case "text":
            from backprop_cli.render import text

            return text.render(
                document, width=terminal_width(width), ascii=ascii, color=wants_color()
            )
        case "markdown":
            from backprop_cli.render import markdown

            return markdown.render(document)
        case "latex":
            from backprop_cli.render import latex

            return latex.render(document)
        case "html":
            from backprop_cli.render import html

            return html.render(document)
        case "pdf":
            from backprop_cli.render import pdf

            return pdf.render(document, paper=paper)
        case _:
            raise UsageProblem(f"{format} is not a format of this command")


def only_names(run, asked: list[str]) -> tuple[str, ...]:  # type: ignore[no-untyped-def]
    """The names asked for, each known on the sheet."""
    from backprop_cli.worksheet.gradients import known_names
    from backprop_cli.worksheet.sheet import Choices, Sheet

    known: dict[str, None] = {}
    for iteration in run.iterations:
        known.update(dict.fromkeys(known_names(Sheet(run, iteration, Choices()))))
    for name in asked:
        if name not in known:
            close = nearest(name, known)
            hint = f"; {close}" if close else ""
            raise UsageProblem(f"{quote(name)} is not on this worksheet{hint}")
    return tuple(asked)


def curve_range(run, text: str | None):  # type: ignore[no-untyped-def]
    """`x=-5:5` as (name, low, high)."""
    if text is None:
        return None
    name, equals, limits = text.partition("=")
    low, colon, high = limits.partition(":")
    leaves = run.iterations[0].graph.leaf
    try:
        ends = (float(low), float(high)) if equals and colon else None
    except ValueError:
        ends = None
    if ends is None or not all(abs(end) < 1e12 for end in ends) or ends[0] >= ends[1]:
        raise UsageProblem(f"--curve takes NAME=LOW:HIGH, as in x=-5:5, not {quote(text)}")
    if name not in leaves:
        close = nearest(name, leaves)
        hint = f"; {close}" if close else ""
        raise UsageProblem(f"{quote(name)} is not a given quantity of this worksheet{hint}")
    return (name, *ends)


def rates(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        try:
            good = 0 < float(part) < 1e12
        except ValueError:
            good = False
        if not good or len(part) > 20:
            raise UsageProblem(
                f"--lr-sweep takes positive numbers, as in 0.1,0.5,1, not {quote(text)}"
            )
    return parts


class progress_bar:
    """Updates done, on stderr, when someone is watching and the run is long."""

    def __enter__(self):  # type: ignore[no-untyped-def]
        return self._advance if sys.stderr.isatty() else None

    def __init__(self) -> None:
        self._done = 0

    def _advance(self, updates: int) -> None:
        self._done += updates
        sys.stderr.write(f"\r{self._done} updates done")
        sys.stderr.flush()

    def __exit__(self, *error: object) -> None:
        if self._done:
            sys.stderr.write("\r" + " " * 40 + "\r")


def report_warning(warnings: list[Diagnostic]) -> None:
    if warnings:
        complain(render_all(warnings))


if __name__ == "__main__":
    main()
