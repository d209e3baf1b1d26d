"""A sheet of a size that nobody reads, in its corners: of long tables, and of many tables of one
kind, the first and the last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from backprop_cli.dataclass import replace
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Derivation,
    Heading,
    Line,
    Paragraph,
    Table,
    Text,
)

MOST_LINES = 1_500
"""Rows of tables and lines of derivations that somebody may still read, in one update."""
FIRST_ROWS, LAST_ROWS = 8, 2
FIRST_TABLES, LAST_TABLES = 3, 1


def shortened(blocks: Sequence[Block], updates: int) -> Iterator[Block]:
    """The blocks as they are, or, where so many `updates` have more lines than that, their corners
    and a note that says so."""
    lines = sum(map(_lines, blocks))
    if lines <= MOST_LINES * updates:
        yield from blocks
        return
    yield Callout(
        "note",
        (
            Text(f"In full this sheet has {lines:,} lines. Of long tables, and of many tables of"),
            Text(" one kind, the first and the last are written here; "),
            Text("--all", "code"),
            Text(" writes everything, and so does JSON."),
        ),
    )
    for kind, alike in groupby(_parts(blocks), key=_kind):
        parts = list(alike)
        left_out = parts[FIRST_TABLES:-LAST_TABLES] if kind else []
        for number, part in enumerate(parts):
            if FIRST_TABLES <= number < FIRST_TABLES + len(left_out):
                if number == FIRST_TABLES:
                    yield Paragraph((Text(f"… {len(left_out):,} more like these …", "strong"),))
                continue
            yield from map(_corner, part)


def _lines(block: Block) -> int:
    match block:
        case Table():
            return len(block.rows)
        case Derivation():
            return len(block.lines)
        case _:
            return 1


def _parts(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Each table with the heading over it and the words below it."""
    part: list[Block] = []
    for block in blocks:
        if part and (
            isinstance(block, Heading)
            or (isinstance(block, Table) and not isinstance(part[-1], Heading))
        ):
            yield part
            part = []
        part.append(block)
    if part:
        yield part


def _kind(part: Sequence[Block]) -> tuple[int, int] | None:
    """What the parts of a row of tables have in common: the level of their headings, 0 without,
    and how many columns they have; None for what is always written."""
    first, rest = (part[0], part[1:]) if isinstance(part[0], Heading) else (None, part)
    if not rest or not isinstance(rest[0], Table) or (first is not None and first.level < 3):
        return None
    return 0 if first is None else first.level, len(rest[0].columns)


def _corner(block: Block) -> Block:
    """A long table without its middle."""
    if not isinstance(block, Table) or len(block.rows) <= FIRST_ROWS + LAST_ROWS + 1:
        return block
    count = len(block.rows) - FIRST_ROWS - LAST_ROWS
    dots: Line = (Text("…"),)
    row = ((Text(f"… {count:,} more"),), *(dots for _ in block.columns[1:]))
    return replace(block, rows=(*block.rows[:FIRST_ROWS], row, *block.rows[-LAST_ROWS:]))
