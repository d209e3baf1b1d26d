"""Whole arrays as they are typed: rows in brackets, between semicolons, or one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from backprop_cli.marking.entered import misfit
from backprop_cli.patterns import pattern

_BETWEEN = pattern(r"[;\n]|\]\s*,?\s*\[")


def cells(text: str, shape: Sequence[int]) -> list[str] | str:
    """The entries of an array of this shape, the last index running fastest; or why they are not.

    A single row may hold them all.
    """
    rows = [_row(row, shape[-1]) for row in _BETWEEN.split(text.strip()) if row.strip(" ,[]")]
    if "[" not in text and len({len(row) for row in rows}) > 1:
        rows = [[cell for row in rows for cell in row]]  # typed in pieces
        text = " ".join(rows[0])
    if len(rows) < 2:
        whole = _row(text, math.prod(shape))
        wanted = "×".join(map(str, shape))
        few = f"This is {len(whole)} of the {wanted} entries that belong here."
        return whole if len(whole) == math.prod(shape) else few
    lengths = {len(row) for row in rows}
    given = (len(rows), lengths.pop()) if len(lengths) == 1 else None
    if (reason := misfit(given, (math.prod(shape[:-1]), shape[-1]))) is not None:
        return f"{reason[0].upper()}{reason[1:]}."
    return [cell for row in rows for cell in row]


def count(text: str, shape: Sequence[int]) -> int:
    """How many entries a line has, which may be a row of an array, less, or more."""
    return len(_row(text, shape[-1]))


def _row(text: str, wanted: int) -> list[str]:
    """The entries of a row: between commas, or between blanks where that gives the right number."""
    plain = text.strip().strip("[] ")
    words = [word.rstrip(",") for word in plain.split() if word != ","]
    if len(words) == wanted or "," not in plain:
        return words
    return [part.strip() for part in _between_commas(plain)]


def _between_commas(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for place, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def written(entries: Sequence[str], shape: Sequence[int]) -> str:
    """The array on one line: `[[1, 2], [3, 4]]`."""
    if len(shape) == 1:
        return f"[{', '.join(entries)}]"
    size = len(entries) // shape[0]
    parts = (entries[start : start + size] for start in range(0, len(entries), size))
    return f"[{', '.join(written(part, shape[1:]) for part in parts)}]"
