"""What every renderer needs to know of a document before it writes a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar, assert_never

from backprop_cli.formula import unicode
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.spelling import Spelling
from backprop_cli.worksheet import document as doc

Written = TypeVar("Written")
KEPT_TOGETHER = 9  # lines of a derivation that stays on one page
CALLOUT_WORD = {"note": "Note", "warning": "Warning"}


def titled_blocks(document: doc.Document) -> tuple[doc.Block, ...]:
    """The blocks with the title in front, unless they begin with a heading of the first level."""
    first = document.blocks[0] if document.blocks else None
    if isinstance(first, doc.Heading) and first.level == 1:
        return document.blocks
    if not document.title.strip():
        return document.blocks
    return (doc.Heading(1, (doc.Text(document.title),)), *document.blocks)


def full_rows(table: doc.Table) -> list[list[doc.Line]]:
    """The rows, with empty cells where one is shorter than the heading."""
    return [[*row, *[()] * (len(table.columns) - len(row))] for row in table.rows]


def by_column(table: doc.Table) -> list[tuple[doc.Column, list[doc.Line]]]:
    """The columns, each with its cells."""
    rows = full_rows(table)
    return [(column, [row[place] for row in rows]) for place, column in enumerate(table.columns)]


def aligned(line: doc.Line) -> doc.Numeral | None:
    """The numeral that a cell is, to be set with its point under those of its column."""
    match line:
        case (doc.Numeral() as numeral,) if numeral.digits.whole:
            return numeral
        case _:
            return None


def at_point(numeral: doc.Numeral) -> tuple[str, str]:
    """What stands before the point (or the bar of a fraction, or the power of ten), and the rest
    without the power."""
    whole, decimals, _ = numeral.digits
    before = f"{'≈ ' * numeral.rounded}{'−' * numeral.negative}{whole}"
    return before, f"/{numeral.over}" if numeral.over else decimals


def raised(numeral: doc.Numeral) -> str:
    """The power of ten, if there is one."""
    power = numeral.digits.power
    return "" if power is None else f"{'−' * (power < 0)}{abs(power)}"


def written_out(line: doc.Line) -> Iterator[doc.Text | doc.Math]:
    """The line in words and formulas alone, ≈ before numbers that are rounded."""
    for part in line:
        match part:
            case doc.Text() | doc.Math():
                yield part
            case doc.Relation() | doc.Numeral():
                if isinstance(part, doc.Numeral) and part.rounded:
                    yield doc.Text("≈ ")
                yield doc.Math(part.formula)
            case _:
                assert_never(part)


def set_in(
    line: doc.Line, words: Callable[[str, str], Written], formula: Callable[[Formula], Written]
) -> list[Written]:
    """The parts of the line, words and their style by the one, formulas by the other."""
    return [
        words(part.text, part.style) if isinstance(part, doc.Text) else formula(part.formula)
        for part in written_out(line)
    ]


def spoken(line: doc.Line, spelling: Spelling) -> str:
    """The line in letters and signs alone, for what is read aloud."""
    return "".join(set_in(line, lambda text, _: text, partial(unicode.write, spelling=spelling)))


def alone(line: doc.Line) -> Formula | None:
    """What is nothing but a formula, to be set at full size."""
    parts = list(written_out(line))
    return parts[0].formula if len(parts) == 1 and isinstance(parts[0], doc.Math) else None
