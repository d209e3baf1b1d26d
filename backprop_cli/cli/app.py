"""The application that the commands belong to, its exit codes, and mistakes in its usage."""

from __future__ import annotations

from typing import Annotated

import typer

from backprop_cli import __version__
from backprop_cli.console import write

OK, NOT_PASSED, WRONG_INPUT, MISMATCH = 0, 1, 2, 3
EXIT_CODES = {
    OK: "done; `check`: all passed",
    NOT_PASSED: "`check` found the pass mark not reached, or one file of several unreadable",
    WRONG_INPUT: "a file or the usage is wrong",
    MISMATCH: "`verify` found a mismatch",
}
INTERRUPTED = 130


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
