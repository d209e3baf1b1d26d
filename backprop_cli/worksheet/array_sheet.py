"""The arrays of a sheet: each with its equation, its shape and its numbers in rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from backprop_cli.arrays.array import View, shape_text
from backprop_cli.formula.build import names_in
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.graph.views import NONE, gradient_views
from backprop_cli.worksheet.arrays import fits
from backprop_cli.worksheet.document import (
    Block,
    Derivation,
    DerivationLine,
    Heading,
    Paragraph,
    Text,
)
from backprop_cli.worksheet.passes import step_table
from backprop_cli.worksheet.sheet import Sheet

NO_GRADIENT = Name("none")
"""Stands in a matrix where an entry has no gradient."""


def calculated(sheet: Sheet) -> Iterator[Block]:
    """The arrays of the equations, as the author wrote them and in numbers."""
    views = [view for view in sheet.graph.arrays if view.equation is not None]
    if views:
        yield Heading(2, (Text("Forward pass as arrays"),))
        for view in views:
            if view.text is not None:
                yield _equation(view)
            yield from _numbers(sheet, view)


def single_numbers(sheet: Sheet) -> Iterator[Block]:
    """What is calculated on the way to the loss and is no array."""
    within = {
        name for view in sheet.graph.arrays for entry in view.entries for name in names_in(entry)
    }
    steps = [step for step in sheet.graph.section("forward") if step.name not in within]
    if steps:
        yield Heading(3, (Text("Single numbers"),))
        yield step_table(sheet, steps)


def gradients(sheet: Sheet) -> Iterator[Block]:
    """∂L/∂ each array, in the order in which they are found."""
    found = list(gradient_views(sheet.graph))
    if found:
        yield Heading(2, (Text("Gradients as arrays"),))
        for view in found:
            yield from _numbers(sheet, view)
        if any(entry == NONE for view in found for entry in view.entries):
            words = "Where none stands, nothing that is learned reaches the loss through the entry."
            yield Paragraph((Text(words),))


def _equation(view: View) -> Paragraph:
    shape = "a vector of" if len(view.shape) == 1 else ""
    sizes = shape_text(view.shape).removeprefix("a vector of ")
    words = f" is {shape} {sizes}." if shape else f" is {sizes}."
    return Paragraph(
        (Text(view.name, "code"), Text(" = "), Text(" ".join((view.text or "").split()), "code"),
         Text(words))
    )  # fmt: skip


def _numbers(sheet: Sheet, view: View) -> Iterator[Block]:
    """The array in rows, a vector as a column; of more than two levels matrix by matrix."""
    if len(view.shape) > 2:
        size = len(view.entries) // view.shape[0]
        for at in range(view.shape[0]):
            entries = view.entries[at * size : (at + 1) * size]
            yield from _numbers(sheet, View(f"{view.name}_{at + 1}", view.shape[1:], entries))
        return
    written: list[Formula] = []
    exact = True
    for entry in view.entries:
        if not isinstance(entry, Name) or entry == NONE:
            written.append(NO_GRADIENT if entry == NONE else entry)
            continue
        number = sheet.shown(entry.name)
        if number is None:
            return
        written.append(number.formula)
        exact = exact and number.exact
    matrix = replace(view, entries=tuple(written)).matrix
    if fits(matrix):
        yield Derivation((DerivationLine(Name(view.name), "=" if exact else "≈", matrix),))
    else:
        words = f" is {shape_text(view.shape)}: too large to be written in rows here."
        yield Paragraph((Text(view.name, "code"), Text(words)))
