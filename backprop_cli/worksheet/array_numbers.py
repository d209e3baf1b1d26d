"""Arrays of a sheet in numbers: in rows, and of a large one its corner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from backprop_cli.arrays.array import View, shape_text
from backprop_cli.formula.nodes import Formula, Name, Shown
from backprop_cli.worksheet.array_notation import corner, fits, in_rows, sides
from backprop_cli.worksheet.document import (
    Block,
    Derivation,
    DerivationLine,
    Inline,
    Math,
    Paragraph,
    Text,
)
from backprop_cli.worksheet.numbers import Shown as Written
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.sheet import Sheet

Sign: TypeAlias = Literal["=", "≈"]


def rounded(sheet: Sheet, value: float) -> Written:
    return shown(value, sheet.digits)


def note(view: View) -> tuple[Inline, ...]:
    words = f" is {shape_text(view.shape)}: only its corner is written here; "
    rest = " writes all entries, and so does JSON."
    return (Math(view.letter), Text(words), Text("--all", "code"), Text(rest))


def number_of(sheet: Sheet, name: str) -> Formula | None:
    written = sheet.entry(name)
    return None if written is None else written.formula


def _in_full(sheet: Sheet, view: View) -> bool:
    return sheet.choices.whole or fits(view.shape)


def result_of(sheet: Sheet, view: View) -> DerivationLine | None:
    """The numbers of an array in rows; of a large one its corner."""
    if len(view.shape) > 2:
        return None
    if (entries := sheet.notation.entries(view, lambda name: number_of(sheet, name))) is None:
        return None
    written = [sheet.entry(entry.name) for entry in view.entries if isinstance(entry, Name)]
    sign: Sign = "=" if all(each is not None and each.exact for each in written) else "≈"
    if not view.shape:
        return DerivationLine(None, sign, entries[0])
    matrix = in_rows(entries, view.shape) if _in_full(sheet, view) else corner(entries, view.shape)
    return DerivationLine(None, sign, matrix)


def sizes_of(view: View) -> Sequence[int]:
    return view.shape if len(view.shape) > 2 else sides(view.shape)


def size_of(view: View) -> str:
    """`2×3`; of a vector, which is a column, `3×1`."""
    return "×".join(map(str, sizes_of(view)))


def numbers(sheet: Sheet, view: View, *, shapes: bool = False) -> Iterator[Block]:
    """An array by its letter, perhaps with its shape, and in rows; of more than two levels matrix by
    matrix."""
    if len(view.shape) > 2:
        for at in range(view.shape[0]):
            yield from numbers(sheet, view.part([at]), shapes=shapes)
        return
    left: Formula = view.letter
    if shapes and view.shape:
        left = Shown("shape", (left, *(Name(str(size)) for size in sizes_of(view))))
    if (result := result_of(sheet, view)) is not None:
        yield Derivation((DerivationLine(left, result.sign, result.right),))
        if not _in_full(sheet, view):
            yield Paragraph(note(view))
