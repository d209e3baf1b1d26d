"""Every format, its endings, and what of a layout it has a use for: whatever lists formats reads
these tables. A renderer stands in the file of its format's name and is loaded when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from backprop_cli.formula.spelling import Spelling
    from backprop_cli.worksheet.document import Diagram, Document


class Format(NamedTuple):
    """A way of writing, by the name that `--format` knows."""

    name: str
    endings: tuple[str, ...] = ()
    """Of files that are written so; the first is given to new ones. Of formats that share an
    ending only one has it here, the others are asked for by name."""
    honours: frozenset[str] = frozenset()
    """What its renderer can be told: `width`, `ascii`, `color`, `paper`."""
    pictured: bool = True
    """Whether a sheet has pictures beside its words and formulas."""


class NoRenderer(Exception):
    """What a format is written with is not installed; the message says how to get it."""


def table(*formats: Format) -> Mapping[str, Format]:
    return {each.name: each for each in formats}


TEXT = Format("text", (".txt",), frozenset({"width", "ascii", "color"}), pictured=False)
JSON = Format("json", (".json",))
YAML = Format("yaml", (".yaml", ".yml"))
CSV = Format("csv", (".csv",))
MARKDOWN = Format("markdown", (".md", ".markdown"))

PAGES = table(
    TEXT,
    MARKDOWN,
    Format("rst", (".rst",)),
    Format("latex", (".tex",), frozenset({"paper"})),
    Format("html", (".html", ".htm")),
    Format("pdf", (".pdf",), frozenset({"paper"})),
)
"""What any document can be written as."""

SHEETS = {**PAGES, **table(JSON)}
"""A sheet, or its data."""

SOLUTIONS = {**SHEETS, **table(Format("sympy", (".py",)))}
PICTURES = table(Format("svg", (".svg",)), Format("mermaid", (".mmd", ".mermaid")), TEXT)
ANSWERS = table(YAML, JSON, CSV)
HANDED_OUT = {**PAGES, **table(YAML)}
"""What each student of a class gets: a sheet, or the file that it is made from."""

REPORTS = {
    **table(
        TEXT,
        JSON,
        Format("junit", (".xml",)),
        Format("gradescope"),
        Format("github"),
        Format("classroom50"),
        CSV,
        Format("csv-answers"),
        MARKDOWN,
    ),
    **{name: each for name, each in PAGES.items() if name not in ("text", "markdown")},
}
"""What a report on answers can be written as; `marking.reports` writes those that are no pages."""


def endings(formats: Mapping[str, Format]) -> dict[str, Format]:
    """The formats by ending."""
    return {ending: each for each in formats.values() for ending in each.endings}


def render(name: str, document: Document, **layout: Any) -> str | bytes:
    """The document as a page; of the layout goes in what the format has a use for.

    Raises NoRenderer where something that the format needs is missing.
    """
    told = {option: value for option, value in layout.items() if option in PAGES[name].honours}
    if told.pop("color", False):  # text for a terminal, by a library that takes its time to load
        name = "terminal"
    written: str | bytes = import_module(f"backprop_cli.render.{name}").render(document, **told)
    return written


def draw(name: str, picture: Diagram, spelling: Spelling) -> str:
    """A picture that is not text."""
    drawn: str = import_module(f"backprop_cli.render.{name}").draw(picture, spelling)
    return drawn
