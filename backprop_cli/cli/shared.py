"""What several commands do: read a problem, settle the options, write a document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from backprop_cli.cli.app import UsageProblem, honour
from backprop_cli.cli.options import Layout
from backprop_cli.console import (
    Undeliverable,
    complain,
    deliver,
    file_of,
    show_in_pages,
    standard_output,
    wants_color,
    width_of_page,
    writes_unicode,
)
from backprop_cli.diagnostics import escape, nearest, quote, render_all
from backprop_cli.render.formats import Format, NoRenderer, endings, render

if TYPE_CHECKING:
    from backprop_cli.graph.step import Graph
    from backprop_cli.problem.model import Problem
    from backprop_cli.worksheet.document import Document


TEXT_SHOWN = 2
"""So many updates are written in full on a sheet unless --show says otherwise."""


def read(file: str, student: str | None = None) -> Problem:
    """The problem in a file, with the numbers of a student if one is named; warnings go to stderr."""
    from backprop_cli.problem.read import read as read_file

    problem, warnings = read_file(file)
    if warnings:
        complain(render_all(warnings))
    return problem if student is None else theirs(problem, student)


def theirs(problem: Problem, student: str) -> Problem:
    """The problem with a student's own numbers."""
    from backprop_cli.variants.variant import Drawer

    return Drawer(problem).variant(known_student(student)).problem


def known_student(student: str) -> str:
    if not student.strip():
        raise UsageProblem("--student: an id cannot be empty")
    return student


def chosen_format(
    context: typer.Context,
    formats: Mapping[str, Format],
    usual: str = "text",
    folder: bool = False,
) -> Format:
    """The format asked for, else the one that the ending of the output file names; the usual one
    where it has none or is a folder. Raises UsageProblem, also where it cannot honour an option."""
    output = None if folder else context.params.get("output")
    found = _named_format(context.params.get("format"), file_of(output), formats, usual)
    honour(context, f"--format {found.name}")
    return found


def _named_format(
    asked: str | None, file: Path | None, formats: Mapping[str, Format], usual: str
) -> Format:
    if asked is not None and asked not in formats:
        raise UsageProblem(
            f"--format {quote(asked)} is none of this command; it has {', '.join(formats)}"
        )
    if asked is not None or file is None or not file.suffix:
        return formats[asked or usual]
    by_ending = endings(formats)
    if (named := by_ending.get(file.suffix.lower())) is None:
        raise UsageProblem(
            f"the ending {quote(file.suffix)} names no format; "
            f"use one of {', '.join(by_ending)} or --format"
        )
    return named


def only_one(wanted: Mapping[str, bool]) -> None:
    """Refuse more or fewer than one of the options that exclude each other."""
    given = [option for option, there in wanted.items() if there]
    if len(given) != 1:
        *most, last = wanted
        so_far = f", not {' and '.join(given)}" if given else ""
        raise UsageProblem(f"give one of {', '.join(most)} and {last}{so_far}")


def deliver_document(
    document: Callable[[], Document],
    format: Format,
    output: Path | None,
    layout: Layout,
    **data: Callable[[], str],
) -> None:
    """What a command has to say, as a page; or as data, for which it has a writer by format."""
    write = data.get(format.name)
    written = write() if write else rendered(document(), format, output, layout)
    paged = layout.pager and file_of(output) is None and standard_output().isatty()
    if paged and isinstance(written, str):
        show_in_pages(written)
    else:
        deliver(written, output)


def rendered(
    document: Document, format: Format, output: Path | None, layout: Layout
) -> str | bytes:
    """The document in a format, as far as possible in signs that its reader can take."""
    on_screen = file_of(output) is None
    try:
        return render(
            format.name,
            document,
            width=width_of_page(layout.width),
            ascii=layout.ascii or (on_screen and not writes_unicode()),
            color=on_screen and wants_color(),
            paper=layout.paper,
        )
    except NoRenderer as missing:
        raise Undeliverable(str(missing)) from None


def suggestion(name: str, known: Sequence[str] | dict[str, None]) -> str:
    close = nearest(name, known)
    return f"; {close}" if close else ""


def complain_of_unused(problem: Problem, graphs: Sequence[Graph]) -> None:
    """What `marking` asks for in vain: a reader of the file alone cannot know the whole sheet."""
    from backprop_cli.marking.asked import unused_patterns

    for pattern in unused_patterns(problem.marking, graphs):
        reason = f"nothing on the sheet fits {quote(pattern)} in `marking`"
        complain(f"{escape(problem.path)}: warning[unused]: {reason}")
