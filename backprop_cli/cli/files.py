"""Problem files: begin one, check it, describe them to an editor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from backprop_cli import completion
from backprop_cli.cli.app import FILES, OK, WRONG_INPUT, UsageProblem, command
from backprop_cli.cli.options import Ascii, Files, Layout, Output, Width
from backprop_cli.cli.shared import chosen_format, deliver_document, only_one
from backprop_cli.console import complain, deliver, file_of, write
from backprop_cli.diagnostics import ProblemError, escape, json_text, quote, render_all
from backprop_cli.render.formats import PAGES


@command(FILES, "backprop new --layers 3-2-1 --activation tanh,sigmoid -o new.yaml")
def new(
    context: typer.Context,
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
    variants: Annotated[
        bool, typer.Option("--variants", help="With other numbers for each student.")
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
    only_one(wanted)
    from backprop_cli import shipped, starter

    try:
        if list_examples:
            format = chosen_format(context, PAGES)
            deliver_document(shipped.contents, format, output, Layout(ascii, width))
            return
        unwritten(output, force)
        if example is not None:
            text = shipped.text(example)
        elif layers is not None:
            text = starter.network_file(layers, activation, loss, seed)
        else:
            text = starter.circuit_file(seed)
        if variants:
            text = starter.with_variants(text)
    except (shipped.NoSuchExample, starter.CannotWrite) as error:
        raise UsageProblem(str(error)) from None
    deliver(text, output)


def unwritten(output: Path | None, force: bool) -> None:
    """A problem file goes where none is yet."""
    file = file_of(output)
    if file is None:
        return
    if file.suffix.lower() not in (".yaml", ".yml"):
        raise UsageProblem(f"a problem file is YAML: name it *.yaml, not {quote(file.name)}")
    if os.path.lexists(file) and not force:
        raise UsageProblem(f"{escape(str(file))} is there already; --force writes over it")


@command(FILES, "backprop validate problems/*.yaml")
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


@command(FILES, "backprop schema -o problem.schema.json")
def schema(
    which: Annotated[
        Files, typer.Argument(metavar="problem|answers", help="Which files to describe.")
    ] = Files.PROBLEM,
    output: Output = None,
) -> None:
    """JSON Schema of problem and answer files, for editors."""
    from backprop_cli.problem.schema import answers_schema, problem_schema

    described = problem_schema() if which is Files.PROBLEM else answers_schema()
    deliver(json_text(described, 2), output)
