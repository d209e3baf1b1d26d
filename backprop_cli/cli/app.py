"""The application that the commands belong to, its exit codes, and mistakes in its usage."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from itertools import groupby
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import CommandInfo

from backprop_cli import __version__
from backprop_cli.console import write
from backprop_cli.diagnostics import quote
from backprop_cli.together import conflict

Run = TypeVar("Run", bound=Callable[..., Any])

OK, NOT_PASSED, WRONG_INPUT, MISMATCH = 0, 1, 2, 3
EXIT_CODES = {
    OK: "done; `check`: all passed",
    NOT_PASSED: "`check` found the pass mark not reached, or one file of several unreadable",
    WRONG_INPUT: "a file or the usage is wrong",
    MISMATCH: "`verify` found a mismatch",
}
INTERRUPTED = 130


SOLVE, HAND_OUT, MARK, LOOK_UP, FILES = GROUPS = (
    "Solve",
    "Hand out",
    "Mark",
    "Look up",
    "Problem files",
)
"""The groups of commands, in the order of the help."""


class Commands(TyperGroup):
    """The commands, told apart by group in the help, each with its whole sentence."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for param in self.get_params(ctx):
            take_plainly(param, None)
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        every = [(each, called(each)) for each in app.registered_commands]
        column = max(len(name) for _, name in every)
        for group, members in groupby(every, lambda each: each[0].rich_help_panel):
            with formatter.section(group):
                formatter.write_dl(
                    [
                        (f"{name:{column}}", inspect.getdoc(it.callback) or "")
                        for it, name in members
                    ]
                )


class Command(TyperCommand):
    """A command that takes plain values as they are: typer loads a library of validation for each,
    which takes longer than most of the commands. What is not plain, or wrong, is left to typer."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        assert self.callback is not None
        hints = get_type_hints(inspect.unwrap(self.callback), include_extras=True)
        for param in self.get_params(ctx):
            take_plainly(param, hints.get(str(param.name)))
        rest = super().parse_args(ctx, args)
        refuse_overwriting(ctx.params)
        honour(ctx)
        return rest


def honour(context: typer.Context, *more: str) -> None:
    """Refuse the options of a command that it cannot honour beside the others, and `more` that it
    has settled. Raises UsageProblem."""
    there = [str(context.info_name), *more]
    for param in context.command.params:
        value = context.params.get(str(param.name))
        said = context.get_parameter_source(str(param.name))
        if said is not None and said.name == "COMMANDLINE" and str(value) != "-":
            there += [param.opts[0], f"{param.opts[0]} {value}"]
    if (reason := conflict(there)) is not None:
        raise UsageProblem(reason)


def refuse_overwriting(params: Mapping[str, Any]) -> None:
    """A result is not written over what it is made of. Raises UsageProblem."""
    output = params.get("output")
    if not output or not os.path.isfile(output):
        return
    for name in ("file", "answers", "students"):
        found = params.get(name)
        for path in found if isinstance(found, list) else [found]:
            if isinstance(path, str) and os.path.exists(path) and os.path.samefile(path, output):
                raise UsageProblem(f"--output: {quote(path)} is read here; name another file")


def take_plainly(param: Any, hint: Any) -> None:
    """Let a parameter take words as values of the annotated type without typer's machinery."""
    by_typer = param.process_value
    declared, limits = (None, None) if hint is None else get_args(hint)
    kind = next((each for each in get_args(declared) if each is not NoneType), declared)
    if get_origin(declared) is list:
        kind = declared

    def process_value(ctx: Any, value: Any) -> Any:
        if value in (None, ()) and (ctx.resilient_parsing or not param.required):
            return None
        if kind is None or param.callback is not None:
            return by_typer(ctx, value)
        try:
            return _plain(kind, limits, value)
        except (TypeError, ValueError):
            if kind not in (int, float):
                return by_typer(ctx, value)
        what = "whole number" if kind is int else "number"
        raise UsageProblem(
            f"{param.opts[0]}: {quote(str(value))} is no {what} from {limits.min:,} to {limits.max:,}"
        )

    param.process_value = process_value


def _plain(kind: Any, limits: Any, value: Any) -> Any:
    """The value that a word stands for. Raises TypeError or ValueError if that is not plain."""
    if get_origin(kind) is list and value:
        return [_plain(get_args(kind)[0], limits, each) for each in value]
    if not isinstance(value, kind | str):
        raise TypeError
    plain = value if isinstance(value, kind) else kind(value)
    if (
        isinstance(plain, int | float)
        and limits.min is not None
        and not limits.min <= plain <= limits.max
    ):
        raise ValueError
    return plain


app = typer.Typer(
    name="backprop",
    cls=Commands,
    help="Solve, explain and mark backpropagation worksheets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help is ready in half the time
    context_settings={"help_option_names": ["-h", "--help"]},
)


def called(command: CommandInfo) -> str:
    """The name of a command."""
    return str(command.name or getattr(command.callback, "__name__", ""))


def command(group: str, example: str, name: str | None = None) -> Callable[[Run], Run]:
    """A command of a group, with an example of its use."""
    return app.command(name, cls=Command, epilog=f"Example: {example}", rich_help_panel=group)


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
