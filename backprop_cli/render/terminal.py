"""Documents on a terminal: the lines of `text` with styles laid over, remarks in frames.

Numbers, names and operators differ in style, and nothing is said by a style alone. Loaded only
where there is a terminal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from io import StringIO

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.panel import Panel
from rich.segment import Segment
from rich.style import Style
from rich.text import Text as Words
from rich.theme import Theme

from backprop_cli.dataclass import dataclass
from backprop_cli.render.breaking import fill
from backprop_cli.render.reading import CALLOUT_WORD, titled_blocks
from backprop_cli.render.text import READABLE, Page, Row, flush, inline, page_of, rows_of
from backprop_cli.worksheet import document as doc

COMMON = {
    "title": "bold",
    "strong": "bold",
    "emphasis": "italic",
    "caption": "italic",
    "label": "dim",
    "rule": "dim",
    "operator": "",
    "": "",
}
THEMES = {
    "dark": {
        "heading": "bold #79c0ff",
        "code": "#79c0ff",
        "number": "#7ee787",
        "name": "#f0f6fc",
        "function": "#d2a8ff",
        "note": "#58a6ff",
        "warning": "bold #e3b341",
    },
    "light": {
        "heading": "bold #0550ae",
        "code": "#0550ae",
        "number": "#116329",
        "name": "#24292f",
        "function": "#8250df",
        "note": "#0550ae",
        "warning": "bold #9a6700",
    },
}
"""The styles by name, for a dark and for a light background."""


def theme_name() -> str:
    """`BACKPROP_THEME`, else what the terminal says of its background (`COLORFGBG`), else dark."""
    asked = os.environ.get("BACKPROP_THEME", "")
    if asked in THEMES:
        return asked
    background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return "light" if background in ("7", "15") else "dark"


def console(width: int, theme: str, *, record: bool = False) -> Console:
    """Somewhere to write to, with the styles of a theme."""
    styles = {f"sheet.{name}": style for name, style in (COMMON | THEMES[theme]).items() if name}
    return Console(
        file=StringIO(),
        force_terminal=True,
        color_system="truecolor" if record else "256",
        width=width,
        theme=Theme(styles),
        record=record,
        highlight=False,
        legacy_windows=False,
    )


def render(document: doc.Document, *, width: int = 80, ascii: bool = False) -> str:
    """The document with terminal styles, of at most `width` cells a line."""
    page = page_of(document, width, ascii, styled=True)
    screen = console(page.width, theme_name())
    screen.print(Sheet(document, page), crop=False)
    written = screen.file.getvalue()  # type: ignore[attr-defined]
    return "".join(f"{line.rstrip()}\n" for line in written.splitlines())


def picture(document: doc.Document, *, width: int = 80, title: str = "") -> str:
    """The sheet as it looks on a dark terminal, as SVG."""
    page = page_of(document, width, False, styled=True)
    screen = console(page.width, "dark", record=True)
    screen.print(Sheet(document, page))
    return screen.export_svg(title=title, unique_id="backprop")


@dataclass(frozen=True)
class Sheet:
    """A document as a renderable."""

    document: doc.Document
    page: Page

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for place, block in enumerate(titled_blocks(self.document)):
            if place:
                yield Segment.line()
            if isinstance(block, doc.Callout):
                yield _framed(block, self.page)
            else:
                yield from _segments(rows_of(block, self.page), console)


def _style(console: Console, name: str) -> Style | None:
    return console.get_style(f"sheet.{name}") if name else None


def _segments(rows: Iterable[Row], console: Console) -> Iterator[Segment]:
    """The atoms of each line, each part in its style."""
    for row in rows:
        while row and not row[-1].text.strip():  # a blank with a style is one too
            row = row[:-1]
        for place, atom in enumerate(row):
            if atom.space and place:
                yield Segment(" ")
            own = _style(console, atom.style)
            for text, style in atom.spans or ((atom.text, ""),):
                part = _style(console, style)
                yield Segment(text, part + own if part and own else part or own)
        yield Segment.line()


@dataclass(frozen=True)
class Rows:
    """Lines that are broken already."""

    lines: tuple[Row, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _segments(self.lines, console)


def _framed(remark: doc.Callout, page: Page) -> Panel:
    width = min(page.width, READABLE)
    lines = fill(inline(remark.text, page), width - 4)
    return Panel(
        Rows(tuple(map(flush, lines))),
        title=Words(CALLOUT_WORD[remark.kind], f"sheet.{remark.kind}"),
        title_align="left",
        border_style=f"sheet.{remark.kind}",
        box=box.ASCII if page.ascii else box.ROUNDED,
        width=width,
    )
