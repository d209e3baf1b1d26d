"""What several commands do: read a problem, settle the options, write a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, assert_never

from backprop_cli.cli.app import UsageProblem
from backprop_cli.cli.formats import Format, Paper
from backprop_cli.console import (
    Undeliverable,
    complain,
    file_of,
    wants_color,
    width_of_page,
    writes_unicode,
)
from backprop_cli.diagnostics import escape, nearest, quote, render_all
from backprop_cli.together import conflict

if TYPE_CHECKING:
    from backprop_cli.graph.step import Graph
    from backprop_cli.problem.model import Problem
    from backprop_cli.worksheet.document import Document


Kind = TypeVar("Kind", bound=StrEnum)
TEXT_SHOWN = 2
"""So many updates are written in full on a sheet unless --show says otherwise."""


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


def honour(format: StrEnum | None, given: Mapping[str, object]) -> None:
    """Refuse the options of a command that it cannot honour beside the others."""
    named = {} if format is None else {f"--format {format.value}": True}
    if (reason := conflict({**given, **named})) is not None:
        raise UsageProblem(reason)


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
            raise UsageProblem("this is not written as JSON")
        case Format.SYMPY:
            raise UsageProblem("only a solution is written as a SymPy script")
        case _:
            assert_never(format)


def suggestion(name: str, known: Sequence[str] | dict[str, None]) -> str:
    close = nearest(name, known)
    return f"; {close}" if close else ""


def complain_of_unused(problem: Problem, graphs: Sequence[Graph]) -> None:
    """What `marking` asks for in vain: a reader of the file alone cannot know the whole sheet."""
    from backprop_cli.marking.asked import unused_patterns

    for pattern in unused_patterns(problem.marking, graphs):
        reason = f"nothing on the sheet fits {quote(pattern)} in `marking`"
        complain(f"{escape(problem.path)}: warning[unused]: {reason}")
