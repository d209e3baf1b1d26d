"""What things can be written as, and the endings that say so."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from backprop_cli.worksheet.blank import AnswerKind


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
    CSV_ANSWERS = "csv-answers"
    MARKDOWN = "markdown"
    LATEX = "latex"
    HTML = "html"
    PDF = "pdf"


SHEETS: Mapping[ReportFormat, Format] = {
    ReportFormat.TEXT: Format.TEXT,
    ReportFormat.LATEX: Format.LATEX,
    ReportFormat.HTML: Format.HTML,
    ReportFormat.PDF: Format.PDF,
}
"""Reports that are sheets, made as every sheet is."""

FEEDBACK_ENDINGS: Mapping[Format, str] = {
    Format.TEXT: ".txt",
    Format.LATEX: ".tex",
    Format.HTML: ".html",
    Format.PDF: ".pdf",
    Format.MARKDOWN: ".md",
}


REPORT_ENDINGS = {
    ".txt": ReportFormat.TEXT,
    ".json": ReportFormat.JSON,
    ".xml": ReportFormat.JUNIT,
    ".csv": ReportFormat.CSV,
    ".tex": ReportFormat.LATEX,
    ".html": ReportFormat.HTML,
    ".htm": ReportFormat.HTML,
    ".pdf": ReportFormat.PDF,
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
