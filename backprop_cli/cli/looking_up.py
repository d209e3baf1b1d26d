"""Look up: the rules, the reference, the meaning of a message."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backprop_cli import completion
from backprop_cli.cli import options as opt
from backprop_cli.cli.app import EXIT_CODES, LOOK_UP, UsageProblem, app, command
from backprop_cli.cli.shared import chosen_format, deliver_document, read
from backprop_cli.render import formats
from backprop_cli.render.formats import SHEETS, TEXT

if TYPE_CHECKING:
    from backprop_cli.worksheet.document import Block


HELP_WIDTH = 76
"""Columns of a command's help on a page of the reference, where it stands a little to the right."""
NAMES = "names"
"""What `explain` explains of a file."""


@command(LOOK_UP, "backprop list sigmoid cross_entropy adam", name="list")
def list_rules(
    context: typer.Context,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="toolbox, activations, losses, optimizers, initializers, remedies, functions,"
            " layers (their kinds), operations (on arrays), or names of rules.",
            autocompletion=completion.rules,
        ),
    ] = None,
    format: opt.SheetFormat = None,
    output: opt.Output = None,
    ascii: opt.Ascii = False,
    width: opt.Width = None,
    paper: opt.PaperSize = opt.Paper.A4,
) -> None:
    """The rules: activations, losses, optimizers and more, with slopes and curves."""
    from backprop_cli.worksheet.catalogue import UnknownRule, catalogue

    def data() -> str:
        from backprop_cli.worksheet.catalogue_json import catalogue_json

        return catalogue_json(named)

    chosen = chosen_format(context, SHEETS)
    named = what or ()
    try:
        deliver_document(
            lambda: catalogue(named),
            chosen,
            output,
            opt.Layout(ascii, width, paper),
            json=data,
        )
    except UnknownRule as error:
        raise UsageProblem(str(error)) from None


@command(LOOK_UP, "backprop help marking", name="help")
def help_on(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="TOPIC",
            help="A page of the reference, or a command.",
            autocompletion=completion.topics,
        ),
    ] = None,
    ascii: opt.Ascii = False,
    width: opt.Width = None,
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
    deliver_document(lambda: document, TEXT, None, opt.Layout(ascii, width))


@command(LOOK_UP, "backprop explain missing-path")
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
    ascii: opt.Ascii = False,
    width: opt.Width = None,
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
    deliver_document(lambda: document, TEXT, None, opt.Layout(ascii, width))


def command_tables() -> Mapping[str, Callable[[], Sequence[Block]]]:
    """What the commands say of themselves, for the pages of the reference."""
    from backprop_cli.manual import heading, two_columns
    from backprop_cli.worksheet.document import Listing

    everything = {**formats.SOLUTIONS, **formats.PICTURES, **formats.REPORTS, **formats.ANSWERS}
    endings = [(name, ", ".join(each.endings)) for name, each in everything.items()]
    codes = [(str(code), meaning) for code, meaning in EXIT_CODES.items()]
    return {
        "commands": lambda: [two_columns(("Command", "Does"), list(command_lines().items()))],
        "formats": lambda: [two_columns(("Format", "Ending of a file"), endings)],
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
    for name, each in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        words = ["backprop", name]
        for param in each.params:
            if param.param_type_name == "argument":
                several = "…" if param.nargs < 0 else ""
                words.append(
                    param.metavar + several if param.required else f"[{param.metavar}{several}]"
                )
        lines[" ".join(words)] = each.help
    return lines


def command_helps() -> dict[str, str]:
    """The help of every command, as `--help` shows it."""
    root = typer.main.get_command(app)
    settings: dict[str, Any] = {"resilient_parsing": True, "terminal_width": HELP_WIDTH}
    helps = {}
    with root.make_context("backprop", [], **settings) as context:
        for name, each in root.commands.items():  # type: ignore[attr-defined]
            with each.make_context(name, [], parent=context, **settings) as own:
                helps[name] = each.get_help(own).strip()
    return helps
