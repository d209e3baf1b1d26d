"""What every renderer needs to know of a document before it writes a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from backprop_cli.formula import unicode
from backprop_cli.formula.spelling import Spelling
from backprop_cli.worksheet import document as doc

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


def aligned(line: doc.Line) -> doc.Numeral | None:
    """The numeral that a cell is, to be set with its point under those of its column."""
    match line:
        case (doc.Numeral() as numeral,) if numeral.whole:
            return numeral
        case _:
            return None


def at_point(numeral: doc.Numeral) -> tuple[str, str]:
    """What stands before the point (or the bar of a fraction, or the power of ten), and the rest
    without the power."""
    before = f"{'≈ ' * numeral.rounded}{'−' * numeral.negative}{numeral.whole}"
    return before, f"/{numeral.over}" if numeral.over else numeral.decimals


def raised(numeral: doc.Numeral) -> str:
    """The power of ten, if there is one."""
    return numeral.exponent.replace("-", "−")


def written_out(line: doc.Line) -> Iterator[doc.Text | doc.Math | doc.Relation]:
    """The line with numerals as formulas, ≈ before those that are rounded."""
    for part in line:
        if isinstance(part, doc.Numeral):
            if part.rounded:
                yield doc.Text("≈ ")
            yield doc.Math(part.formula)
        else:
            yield part


def spoken(line: doc.Line, spelling: Spelling) -> str:
    """The line in letters and signs alone, for what is read aloud."""
    words = ""
    for part in written_out(line):
        match part:
            case doc.Text(text):
                words += text
            case doc.Math(formula):
                words += unicode.write(formula, spelling)
            case doc.Relation(left, sign, right):
                words += f"{unicode.write(left, spelling)} {sign} {unicode.write(right, spelling)}"
            case _:
                assert_never(part)
    return words


def is_display(line: doc.Line) -> bool:
    """Whether the line is a formula by itself, to be set at full size."""
    return bool(line) and not any(isinstance(part, doc.Text) for part in line)
