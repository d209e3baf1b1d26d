"""Sentences that name quantities, in the symbols of the problem: "leaves ŷ − y" as "leaves y − t"."""

from __future__ import annotations

import re
from typing import assert_never

from backprop_cli.dataclass import replace
from backprop_cli.formula.spelling import LATIN, Lettering, spell
from backprop_cli.formula.unicode import glyph_text
from backprop_cli.patterns import pattern
from backprop_cli.worksheet.document import (
    Answers,
    Block,
    Bullets,
    Callout,
    Curve,
    Derivation,
    Diagram,
    Heading,
    HeatMap,
    Inline,
    Line,
    Listing,
    Paragraph,
    Table,
    Text,
)

# In a sentence `a` is an article, unless it is calculated with: a(1 − a).
_LETTER = pattern(r"(?<![\w′])(?:[ŷyLzwbxηδ](?![\w′])|a(?=[()²]))")
_NAMES = {**LATIN, "ŷ": "yhat"}


def worded(block: Block, lettering: Lettering) -> Block:
    """The block with single letters in its sentences as the problem writes them."""
    if not lettering.symbols:
        return block

    def line(written: Line) -> Line:
        return tuple(inline(part) for part in written)

    def inline(part: Inline) -> Inline:
        return replace(part, text=words(part.text)) if isinstance(part, Text) else part

    def words(text: str) -> str:
        return _LETTER.sub(letter, text)

    def letter(found: re.Match[str]) -> str:
        name = _NAMES.get(found[0], found[0])
        own = spell(name, Lettering(symbols={name: lettering.symbols.get(name, name)}))
        return glyph_text(own)

    match block:
        case Heading() | Paragraph() | Callout():
            return replace(block, text=line(block.text))
        case Bullets(items):
            return Bullets(tuple(map(line, items)))
        case Table(columns, rows, caption):
            headings = tuple(replace(column, heading=line(column.heading)) for column in columns)
            return Table(headings, tuple(tuple(map(line, row)) for row in rows), line(caption))
        case Derivation(lines):
            return Derivation(tuple(replace(each, label=line(each.label)) for each in lines))
        case Curve():
            series = tuple(replace(each, label=line(each.label)) for each in block.series)
            return replace(
                block,
                series=series,
                x_label=line(block.x_label),
                y_label=line(block.y_label),
                title=line(block.title),
                description=line(block.description),
            )
        case Diagram() | HeatMap() | Answers() | Listing():
            return block
        case _:
            assert_never(block)
