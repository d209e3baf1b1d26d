"""The options and arguments that several commands have, each declared once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer

from backprop_cli.render.formats import SHEETS, Format


class Form(StrEnum):
    """How gradients are written."""

    REUSE = "reuse"
    CHAIN = "chain"
    DELTA = "delta"
    MATRIX = "matrix"
    SCALAR = "scalar"
    GATES = "gates"


BLANK_FORMS: Mapping[Form, Literal["reuse", "delta", "matrix", "scalar"]] = {
    Form.REUSE: "reuse",
    Form.DELTA: "delta",
    Form.MATRIX: "matrix",
    Form.SCALAR: "scalar",
}
"""What a blank sheet has room for."""


class Paper(StrEnum):
    A4 = "a4"
    LETTER = "letter"


class Files(StrEnum):
    """The files that a schema describes."""

    PROBLEM = "problem"
    ANSWERS = "answers"


class Layout(NamedTuple):
    """How a page is laid out, as far as its format has a use for it."""

    ascii: bool = False
    width: int | None = None
    paper: Paper = Paper.A4
    pager: bool = False


def format_option(formats: Mapping[str, Format], what: str, usual: str = "text") -> Any:
    """`--format`, with the names that it may have."""
    names = list(formats)
    return typer.Option(
        *("--format", "-f"),
        metavar="NAME",
        help=f"{what}: {', '.join(names)}; {usual} by default.",
        autocompletion=lambda: names,
    )


ProblemFile = Annotated[
    str, typer.Argument(metavar="FILE", help="Problem file (YAML); - reads stdin.")
]
SheetFormat = Annotated[str | None, format_option(SHEETS, "What to write")]
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
Pager = Annotated[
    bool, typer.Option("--pager", help="Read it page by page, where there is a terminal.")
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
