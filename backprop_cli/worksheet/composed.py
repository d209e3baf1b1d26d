"""The whole derivative, in inputs and parameters alone, beside the product of the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from backprop_cli.algebra.compose import DIGITS, LARGEST_WRITTEN, POINTS, Proof
from backprop_cli.formula.nodes import Name
from backprop_cli.graph.step import Step
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Derivation,
    DerivationLine,
    Heading,
    Line,
    Math,
    Paragraph,
    Text,
    named,
)
from backprop_cli.worksheet.sheet import Sheet, number_lines

if TYPE_CHECKING:
    from backprop_cli.graph.composed import Whole

LARGEST_SHEET = 30_000
"""Numbers, names and signs in all derivatives together; what comes after is left out."""


def composed(sheet: Sheet, steps: Sequence[Step]) -> Iterator[Block]:
    """Each derivative as one formula, with numbers where there are some, and what it is worth."""
    wholes = [sheet.wholes.of(step.name) for step in steps if step.name in sheet.wholes.asked]
    for whole in wholes:
        if whole.formula is not None:
            first = DerivationLine(Name(whole.name), "=", whole.formula)
            # Rounded by hand at every step, its value on the sheet is not quite that of one formula.
            own = whole.name if sheet.run.round_each is None else None
            yield Derivation((first, *number_lines(sheet, own, whole.formula)))
    for proof, sentence in PROVED.items():
        these = [each for each in wholes if each.formula is not None and each.proof == proof]
        if these:
            line = (*_those(these, wholes), Text(sentence))
            good = proof in ("cancelled", "points")
            yield Paragraph(line) if good else Callout("warning", line)
    if any(each.targets_sum_to_one for each in wholes):
        yield Paragraph((Text(SUM_TO_ONE),))
    for whole in wholes:
        if whole.formula is None:
            yield Callout("note", (Math(Name(whole.name)), Text(too_large(whole.size))))


PROVED: dict[Proof, str] = {
    "cancelled": (
        "SymPy's derivative of the composed formula, proved equal to the product of the steps by"
        " cancelling."
    ),
    "points": (
        "SymPy's derivative of the composed formula, equal to the product of the steps at"
        f" {POINTS} random points, worked out with {DIGITS} digits."
    ),
    "unequal": (
        "SymPy's derivative of the composed formula is not the product of the steps; they differ"
        " at a random point."
    ),
    "open": (
        "SymPy's derivative of the composed formula. It could not be compared with the product of"
        " the steps: no point was found at which both have a value."
    ),
}


SUM_TO_ONE = (
    "The steps go from softmax and cross-entropy straight to ŷ − y, which takes the targets to add"
    " up to 1; so does the comparison."
)


def too_large(size: int) -> str:
    """Why a derivative is not written as one formula, and what can be done instead."""
    return (
        f" as one formula would have about {_rounded(size)} numbers, names and signs; more than"
        f" {LARGEST_WRITTEN:,} are not written out. Step by step it is on the sheet."
    )


def _rounded(size: int) -> str:
    if size >= 10**12:
        return f"10^{len(str(size)) - 1}"
    zeros = 10 ** max(0, len(str(size)) - 2)
    return f"{size // zeros * zeros:,}"


def _those(these: Sequence[Whole], among: Sequence[Whole]) -> Line:
    if len(these) == len(among) and len(these) > 1:
        return (Text("All of these: "),)
    return (*named(each.name for each in these), Text(": "))


def whole_derivatives(sheet: Sheet) -> Iterator[Block]:
    """The section of a sheet: the gradients asked for, each as one formula."""
    steps = [
        step
        for step in sheet.graph.section("gradient")
        if step.sample is None and step.name in sheet.wholes.asked
    ]
    if not steps:
        yield Callout("note", (Text("There is no gradient here to write as one formula."),))
        return
    yield Heading(2, (Text("Whole derivatives"),))
    sizes = (min(sheet.wholes.size(step.name), LARGEST_WRITTEN) for step in steps)
    shown = max(1, sum(size <= LARGEST_SHEET for size in accumulate(sizes)))
    yield from composed(sheet, steps[:shown])
    if shown < len(steps):
        text = f"{len(steps) - shown} more are left out; --only NAME writes one of them."
        yield Callout("note", (Text(text),))
