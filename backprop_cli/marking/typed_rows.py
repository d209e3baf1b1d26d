"""A matrix typed row below row into the room that a blank sheet leaves for it.

The rows may stand in brackets of any kind or in none, with commas, semicolons or blanks between the
entries, each on a line of its own or one behind the other; or be a list of lists over several lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from backprop_cli.patterns import pattern

SHAPE = pattern(r" \((\d{1,4})(?:×|\$\\times\$)(\d{1,4})\)\Z")
"""What stands behind the name of an array on a blank sheet."""
MOST_CELLS = 10_000
_BETWEEN = (r"[;&]", r",(?!\d)|;", r"[,;]", r"\t| {2,}", r"(?<![-+*/^(])\s+(?![*/^)])")
_AROUND = " \t,;|[]⎡⎢⎣⎤⎥⎦│$\\&"
_TYPESET = pattern(r"\\(?:begin|end)\{[a-z]{0,8}(?:matrix|array)\}(?:\{[lcr]{0,20}\})?")
_LAYOUT = pattern(r"\\(?:par|emph|end\{doc|set|sub|section|makebox|hspace|text|bp)")
_IN_BRACKETS = pattern(r"[({]([^(){}]*)[)}](?: ?\^ ?\{?T\}?|ᵀ|\.T)?\Z")


def shape_of(key: str) -> tuple[int, int] | None:
    """`W (2×3)` is a matrix of two rows and three columns."""
    found = SHAPE.search(key)
    return (int(found[1]), int(found[2])) if found else None


def is_row(text: str) -> bool:
    """Whether a line may be a row of numbers or formulas, or nothing; not a sentence or a rule."""
    if _LAYOUT.search(text):
        return False
    words = (each for each in text.split() if each.strip("*_.,:").isalpha() and len(each) > 2)
    return not text or (any(map(str.isalnum, text)) and not any(words))


def as_list(lines: Sequence[str], shape: tuple[int, int]) -> str | None:
    """The rows as `[[0.5, -0.2], [0.1, 0.4]]`, a column as `[0.5, 0.1]`, one number as it is; None
    where they are not of that shape."""
    rows, columns = shape
    if rows * columns > MOST_CELLS:
        return None
    typed: Sequence[str] = [_TYPESET.sub("", line) for line in lines]
    typed = [line for line in typed if line.strip(_AROUND)]
    if len(typed) == 1 and rows > 1:
        typed = _rows_of(typed[0], shape) or typed
    if len(typed) != rows:
        return None
    cells = [_cells(row, columns) for row in typed]
    if any(row is None for row in cells):
        return None
    if rows == columns == 1:
        return cells[0][0] if cells[0] else None
    written = [f"[{', '.join(row)}]" for row in cells if row is not None]
    return f"[{', '.join(row[1:-1] if columns == 1 else row for row in written)}]"


def _rows_of(line: str, shape: tuple[int, int]) -> Sequence[str] | None:
    """The rows of a matrix that stands in one line."""
    rows, columns = shape
    for between in (r"\](?:\s*[,;])?\s*\[|\\\\", r";"):
        parts = [part for part in re.split(between, line) if part.strip(_AROUND)]
        if len(parts) == rows:
            return parts
    entries = _cells(line, rows * columns)
    starts = range(0, rows * columns, columns)
    return entries and ["; ".join(entries[at : at + columns]) for at in starts]


def _cells(row: str, columns: int) -> Sequence[str] | None:
    """The entries of a row, by whatever parts it into so many; a decimal comma is a point."""
    inside = row.strip(_AROUND)
    if bracketed := _IN_BRACKETS.match(inside):
        inside = bracketed[1].strip(_AROUND)
    for between in _BETWEEN if columns > 1 else (r"\Z(?!\Z)",):
        parts = [part.strip() for part in re.split(between, inside)]
        if len(parts) == columns and all(parts):
            return [re.sub(r"(?<=\d),(?=\d)", ".", part) for part in parts]
    return None
