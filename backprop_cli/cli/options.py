"""The options and arguments that several commands have, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backprop_cli.cli.formats import Format, Paper

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
