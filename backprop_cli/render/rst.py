"""reStructuredText, as docutils and Sphinx read it: formulas as LaTeX, tables as lists of cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import assert_never

from backprop_cli.dataclass import replace
from backprop_cli.formula import latex
from backprop_cli.formula.characters import visible
from backprop_cli.formula.layout import Node
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.notation import stacked
from backprop_cli.formula.shape import by_shape
from backprop_cli.formula.spelling import Spelling
from backprop_cli.render import svg
from backprop_cli.render.plot import plot
from backprop_cli.render.reading import CALLOUT_WORD, full_rows, set_in, spoken, titled_blocks
from backprop_cli.render.wide import aligned_rows
from backprop_cli.worksheet import document as doc

UNDER = {1: "=", 2: "-", 3: "~"}
MARKS = {"plain": "", "strong": "**", "emphasis": "*", "code": "``"}
SPECIAL = frozenset("\\*`|_:<>[]@")
APART = "\\ "
"""An escaped blank, which is not shown: marks hold only where something parts them from words."""


def render(document: doc.Document) -> str:
    """The document as reStructuredText, ending with a line break."""
    blocks = (_block(block, document.spelling) for block in titled_blocks(document))
    return "\n\n".join("\n".join(lines) for lines in map(list, blocks) if lines) + "\n"


def escape(text: str) -> str:
    """Text that is shown as it is."""
    return "".join(f"\\{c}" if c in SPECIAL else c for c in visible(text))


def _block(block: doc.Block, spelling: Spelling) -> Iterator[str]:
    match block:
        case doc.Heading(level, text):
            title = inline(text, spelling)
            yield from (title, UNDER[level] * max(4, 2 * len(title)))
        case doc.Paragraph(text):
            yield inline(text, spelling)
        case doc.Bullets(items):
            yield from (f"- {inline(item, spelling)}" for item in items)
        case doc.Listing(lines):
            yield from _literal("::", map(visible, lines.splitlines()))
        case doc.Table():
            yield from _table(block, spelling)
        case doc.Derivation(lines):
            yield from _derivation(lines, spelling)
        case doc.Callout(kind, text):
            yield f".. {CALLOUT_WORD[kind].lower()}::"
            yield from ("", f"   {inline(text, spelling)}")
        case doc.Curve(title=title):
            drawn = plot(block, partial(spoken, spelling=spelling), width=72)
            yield from _literal(f"{_styled(title, 'strong', spelling)}\\ ::", drawn)
            yield from ("", _styled(block.description, "emphasis", spelling))
        case doc.Diagram():
            yield from _literal(".. raw:: html", svg.draw(block, spelling).splitlines())
            yield from ("", _styled(block.description, "emphasis", spelling))
        case doc.HeatMap():  # the same numbers stand in a matrix
            yield _styled(block.description, "emphasis", spelling)
        case doc.Answers(spaces):
            for space in spaces:
                left = (doc.Math(space.left), doc.Text(f" = {'.' * 24} ("))
                words = inline((*left, doc.Text(space.name, "code"), doc.Text(")")), spelling)
                yield from (f"| {words}", *["|"] * (space.lines - 1))
        case _:
            assert_never(block)


def _literal(head: str, lines: Iterable[str]) -> Iterator[str]:
    yield from (head, "", *(f"   {line}".rstrip() for line in lines))


def inline(line: doc.Line, spelling: Spelling) -> str:
    """A line of words and formulas; its parts are kept apart, and it begins no list or table."""
    parts = set_in(line, _text, lambda formula: f":math:`{tex(formula, spelling)}`")
    written = APART.join(filter(None, parts))
    begins_plainly = written[:1].isalpha() and written[1:2] not in ("", ".", ")")
    return written if begins_plainly else APART + written


def _styled(line: doc.Line, style: doc.Style, spelling: Spelling) -> str:
    words = (replace(part, style=style) if isinstance(part, doc.Text) else part for part in line)
    return inline(tuple(words), spelling)


def _text(text: str, style: str) -> str:
    """Words; marks hold only where they touch a letter, so blanks go outside."""
    bare = visible(text).strip()
    if style == "plain" or not bare:
        return escape(text)
    if style == "code" and not (SPECIAL - {"_"}).isdisjoint(bare):
        style = "emphasis"
    inside = bare if style == "code" else escape(bare)
    before, after = " " * text[:1].isspace(), " " * text[-1:].isspace()
    return f"{before}{MARKS[style]}{inside}{MARKS[style]}{after}"


DIALECT = latex.Dialect(escapes={**latex.ESCAPES, "`": "'"})
"""A backquote would end the role that a formula stands in."""


def _spell(node: Node) -> str:
    return latex.spell(node, DIALECT).strip()


@by_shape(stacked, _spell, between=" ")
def tex(formula: Formula, spelling: Spelling) -> str:
    return _spell(stacked(spelling).node(formula))


def _derivation(lines: Sequence[doc.DerivationLine], spelling: Spelling) -> Iterator[str]:
    *most, last = aligned_rows(lines, spelling, _spell, latex.words)
    yield from _literal(".. math::", (*(f"{row} \\\\" for row in most), last))


def _table(table: doc.Table, spelling: Spelling) -> Iterator[str]:
    caption = f" {inline(table.caption, spelling)}" if table.caption else ""
    yield f".. list-table::{caption}"
    if any(column.heading for column in table.columns):
        yield "   :header-rows: 1"
        yield from ("", *_row([column.heading for column in table.columns], spelling))
    else:
        yield ""
    for row in full_rows(table):
        yield from _row(row, spelling)


def _row(cells: Sequence[doc.Line], spelling: Spelling) -> Iterator[str]:
    for place, cell in enumerate(cells):
        yield f"   {'  ' if place else '* '}- {inline(cell, spelling) if cell else ''}".rstrip()
