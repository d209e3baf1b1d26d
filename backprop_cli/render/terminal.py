"""Documents on a terminal, as renderables of Rich: rules, panels, tables, trees.

What is ours is a renderable too: a formula knows its narrowest and its natural width, and breaks
before its operators to the width that it is given. Numbers, names and operators differ in style,
and nothing is said by a style alone. Loaded only where there is a terminal; `text` writes the same
sheet for a pipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import assert_never

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.segment import Segment
from rich.style import Style
from rich.table import Table as Grid
from rich.text import Text as Words
from rich.theme import Theme
from rich.tree import Tree

from backprop_cli.dataclass import dataclass
from backprop_cli.render.breaking import WITHIN_BRACKETS, Atom, fill, longest, width_of, word_atoms
from backprop_cli.render.reading import CALLOUT_WORD, Answers, grouped, titled_blocks
from backprop_cli.render.text import READABLE, Page, Row, flush, inline, page_of, plan, rows_of
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

INNER = box.Box("    \n  │ \n ─┼ \n  │ \n ─┼ \n ─┼ \n  │ \n    \n")
ASCII_INNER = box.Box("    \n  | \n -+ \n  | \n -+ \n -+ \n  | \n    \n", ascii=True)
"""A rule below the headings and walls between columns, as in a pipe."""


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
    screen.print(Sheet(document, page))
    written = screen.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(map(_bare_end, written.splitlines())) + "\n"


def _bare_end(line: str) -> str:
    """The line without blanks at its end, which the tables fill up with."""
    return line.rstrip()


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
        if self.page.ascii:  # what Rich draws itself is ASCII too
            options = options.copy()
            options.encoding = "ascii"
        for place, block in enumerate(grouped(titled_blocks(self.document))):
            if place:
                yield Segment.line()
            yield from console.render(block_on(block, self.page), options)


def _style(console: Console, name: str) -> Style | None:
    return console.get_style(f"sheet.{name}") if name else None


def _segments(row: Row, console: Console) -> Iterator[Segment]:
    """The atoms of a line, each part in its style."""
    for place, atom in enumerate(row):
        if atom.space and place:
            yield Segment(" ")
        own = _style(console, atom.style)
        for text, style in atom.spans or ((atom.text, ""),):
            part = _style(console, style)
            yield Segment(text, part + own if part and own else part or own)


@dataclass(frozen=True)
class Rows:
    """Lines that are broken already."""

    lines: tuple[Row, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            yield from _segments(line, console)
            yield Segment.line()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = max(map(width_of, self.lines), default=0)
        return Measurement(width, width)


@dataclass(frozen=True)
class Flowing:
    """Words and formulas, broken after words and before operators to the width they are given."""

    atoms: tuple[Atom, ...]
    hanging: int = 0  # cells that all lines but the first are indented by
    style: str = ""  # of the whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        for place, line in enumerate(fill(self.atoms, width, max(1, width - self.hanging))):
            if place:
                yield Segment(" " * self.hanging)
            whole = _style(console, self.style)
            yield from Segment.apply_style(_segments(flush(line), console), whole)
            yield Segment.line()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        natural = width_of(self.atoms)
        narrowest = longest(self.atoms, WITHIN_BRACKETS) + self.hanging
        return Measurement(min(narrowest, natural), natural).with_maximum(options.max_width)


def block_on(block: doc.Block | Answers, page: Page) -> RenderableType:
    """What stands for a block of the document."""
    match block:
        case doc.Heading(level, text):
            return _heading(level, text, page)
        case doc.Paragraph(text):
            return _readable(inline(text, page), page)
        case doc.Bullets(items):
            return Group(*(_bullet(item, page) for item in items))
        case doc.Callout(kind, text):
            return Panel(
                Flowing(tuple(inline(text, page))),
                title=Words(CALLOUT_WORD[kind], f"sheet.{kind}"),
                title_align="left",
                border_style=f"sheet.{kind}",
                box=box.ASCII if page.ascii else box.ROUNDED,
                width=min(page.width, READABLE),
            )
        case doc.Table():
            return _table(block, page)
        case doc.Diagram():
            return _diagram(block, page)
        case (
            doc.Listing()
            | doc.Derivation()
            | doc.Curve()
            | doc.HeatMap()
            | doc.AnswerSpace()
            | Answers()
        ):
            return Rows(tuple(rows_of(block, page)))
        case _:
            assert_never(block)


def _readable(atoms: Sequence[Atom], page: Page) -> RenderableType:
    """Running text, which is not set wider than it is read with ease."""
    return Padding(Flowing(tuple(atoms)), (0, max(0, page.width - READABLE), 0, 0))


def _heading(level: int, text: doc.Line, page: Page) -> RenderableType:
    style = "title" if level == 1 else "heading"
    words = Flowing(tuple(inline(text, page, style)))
    under = {1: page.signs.thick, 2: page.signs.thin}.get(level)
    if under is None:
        return words
    return Group(words, Rule(style="sheet.rule", characters=under))


def _bullet(item: doc.Line, page: Page) -> RenderableType:
    mark = Atom(page.signs.bullet)
    first, *rest = inline(item, page) or [Atom("")]
    return Flowing((mark, first._replace(space=True), *rest), hanging=2)


def _table(table: doc.Table, page: Page) -> RenderableType:
    planned = plan(table, page)
    if planned.widths is None or len(table.rows) > LONG:
        return Rows(tuple(rows_of(table, page)))
    grid = Grid(
        box=ASCII_INNER if page.ascii else INNER,
        show_edge=False,
        pad_edge=False,
        border_style="sheet.rule",
        show_header=any(head.atoms for head in planned.heads),
    )
    for head, width in zip(planned.heads, planned.widths, strict=True):
        grid.add_column(Flowing(tuple(head.atoms)), width=width)
    for row in planned.rows:
        cells = zip(table.columns, row, planned.widths, strict=True)
        grid.add_row(
            *(
                Padding(
                    Flowing(tuple(cell.atoms), 2, "strong" if column.result else ""),
                    (0, 0, 0, planned.before(column, place, cell, width)),
                )
                for place, (column, cell, width) in enumerate(cells)
            )
        )
    if not table.caption:
        return grid
    return Group(Flowing(tuple(inline(table.caption, page, "caption"))), grid)


LONG = 200
"""Rows of a table that is set line by line: a longer one takes its time as a grid."""


def _diagram(picture: doc.Diagram, page: Page) -> RenderableType:
    """A network as a tree: its layers, their nodes, below each the arrows that lead to it."""
    arrows: dict[int, list[doc.DiagramEdge]] = {}
    for edge in picture.edges:
        arrows.setdefault(edge.end, []).append(edge)
    names = [doc.Math(node.name) for node in picture.nodes]
    root = Tree(_words(picture.title, "strong", page), guide_style="sheet.rule")
    for x in sorted({node.x for node in picture.nodes}):
        here = [place for place, node in enumerate(picture.nodes) if node.x == x]
        here.sort(key=lambda place: picture.nodes[place].y)
        kinds = dict.fromkeys(picture.nodes[place].kind for place in here)
        layer = root.add(_words(", ".join(kinds), "label", page))
        for place in here:
            node = picture.nodes[place]
            name, value = names[place], node.value
            line: list[doc.Inline] = [
                name if value is None else doc.Relation(name.formula, "=", value)
            ]
            if node.gradient is not None:
                line += [doc.Text(", gradient "), doc.Math(node.gradient)]
            branch = layer.add(Flowing(tuple(inline(tuple(line), page))))
            for edge in arrows.get(place, ()):
                line = [doc.Text(f"{page.signs.relation('←')} "), names[edge.start]]
                if edge.label is not None and edge.value is not None:
                    line += [
                        doc.Text(" ("),
                        doc.Relation(edge.label, "=", edge.value),
                        doc.Text(")"),
                    ]
                elif (given := edge.label or edge.value) is not None:
                    line += [doc.Text(" ("), doc.Math(given), doc.Text(")")]
                branch.add(Flowing(tuple(inline(tuple(line), page))))
    return Group(root, _words(picture.description, "caption", page))


def _words(text: str, style: str, page: Page) -> Flowing:
    return Flowing(tuple(word_atoms(page.words(text), style)))
