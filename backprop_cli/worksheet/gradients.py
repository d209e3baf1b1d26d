"""Local derivatives, and the gradients grouped by unit: as tables, or derived line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from backprop_cli.formula.build import names_in
from backprop_cli.formula.nodes import Name
from backprop_cli.formula.quantity import slope_name
from backprop_cli.graph.step import Step
from backprop_cli.worksheet.derivations import derivation, path_remarks, through, with_delta
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Heading,
    Math,
    Paragraph,
    Relation,
    Text,
)
from backprop_cli.worksheet.passes import by_sample, step_table
from backprop_cli.worksheet.reasons import Reasons, share_reasons, slope_reasons
from backprop_cli.worksheet.sheet import Sheet


def slopes(sheet: Sheet) -> Iterator[Block]:
    """The local derivatives, each once."""
    steps = [step for step in sheet.graph.section("backward") if step.kind == "slope"]
    if not steps:
        return
    yield Heading(2, (Text("Local derivatives"),))
    yield from by_sample(sheet, steps)
    yield from _in_place(sheet)
    yield from slope_reasons(sheet)


def _in_place(sheet: Sheet) -> Iterator[Paragraph]:
    """Which local derivatives are not listed, and why, with one of them."""
    left_out = sheet.graph.trivial_slopes
    if sheet.first and left_out:
        name = next(
            (name for name, slope in left_out.items() if names_in(slope)), next(iter(left_out))
        )
        yield Paragraph(
            (
                Text("A slope that is only a number or a single quantity, such as "),
                Relation(Name(name), "=", left_out[name]),
                Text(", is written where it is used; the slope of "),
                Math(Name(sheet.graph.output)),
                Text(" itself stands among the gradients."),
            )
        )


def gradients(sheet: Sheet) -> Iterator[Block]:
    """∂L/∂ everything, output layer first, a table or the derivations of each unit."""
    steps = [
        step
        for step in sheet.graph.section("backward", "gradient")
        if step.kind in ("upstream", "gradient", "batch_gradient")
    ]
    if not steps:
        return
    yield Heading(2, (Text("Gradients"),))
    if sheet.choices.form == "delta":
        steps = [with_delta(sheet, step) for step in steps if step.name not in sheet.passed_back]
        if sheet.first and sheet.graph.units:
            yield Paragraph((Text(DELTA),))
        elif sheet.first:
            yield Callout("note", (Text(NO_DELTA),))
    reasons = Reasons(sheet)
    for title, group in _groups(sheet, steps):
        if title:
            yield Heading(3, (Text(title),))
        if sheet.choices.symbolic or sheet.symbolic or sheet.choices.form == "chain":
            yield from _derivations(sheet, group)
        else:
            yield from by_sample(sheet, group)
        yield from reasons.of(group)
    if not any(slopes(sheet)):  # else it is said there
        yield from share_reasons(sheet)


DELTA = (
    "δ of a unit is the derivative of the loss by its pre-activation z: what comes back along its"
    " outgoing weights, times its slope."
)
NO_DELTA = "There is no δ here: it is a unit's, and equations have no units."


def _groups(sheet: Sheet, steps: Sequence[Step]) -> Iterator[tuple[str, list[Step]]]:
    """The steps of each unit together, and of a bias that a layer shares; what belongs to none
    stays in one group."""

    places: dict[str, int] = {}
    if sheet.graph.arrays:  # the parameters of an array in the order of the array
        places = {name: place for place, name in enumerate(sheet.graph.leaf, 1)}

    def key(step: Step) -> tuple[int, int]:
        return (-step.unit.layer, step.unit.index) if step.unit else (0, 0)

    def in_order(step: Step) -> tuple[int, ...]:
        return (*key(step), places.get(step.of or "", 0) if step.unit else 0)

    for _, group in groupby(sorted(steps, key=in_order), key):
        own = list(group)
        yield own[0].unit.title if own[0].unit else "", own


def _to_the_output(sheet: Sheet, step: Step) -> Iterator[Block]:
    """∂ŷ/∂a as a sum of paths, where there is one output that they all lead to."""
    if (
        len(sheet.graph.loss_slopes) != 1
        or sheet.choices.form == "delta"
        or step.kind != "upstream"
    ):
        return
    output, name = sheet.graph.loss_slopes[0].of or "", step.of or ""
    found = sheet.towards(output)
    above = found.graph.step.get(slope_name(output, name))
    if above is not None and found.count(above) == found.count(step) > 1:
        yield through(sheet, output, name)


def _derivations(sheet: Sheet, group: Sequence[Step]) -> Iterator[Block]:
    """Line by line. Samples of a batch go alike: the first one is derived."""
    batch = sheet.graph.batch
    derived = [
        step
        for step in group
        if step.kind != "batch_gradient" and (step.sample in (None, batch[0]) or sheet.graph.woven)
    ]
    for step in derived:
        if sheet.symbolic and sheet.choices.form != "reuse" and len(step.links) > 1:
            yield from _to_the_output(sheet, step)
        yield derivation(sheet, step)
    yield from path_remarks(sheet, derived)
    if len(batch) == 1:
        return
    if not sheet.symbolic:
        yield from by_sample(sheet, group)
    elif whole := [step for step in group if step.kind == "batch_gradient"]:
        yield step_table(sheet, whole)


def second_derivatives(sheet: Sheet) -> Iterator[Block]:
    """∂²L/∂v∂w, each gradient written out and differentiated once more."""
    steps = [step for step in sheet.graph.section("gradient") if step.kind == "second"]
    if steps:
        yield Heading(2, (Text("Second derivatives"),))
        if sheet.first:
            yield Paragraph((Text(SECOND),))
        yield step_table(sheet, steps)


SECOND = (
    "Each gradient, written in the quantities of the forward pass, is differentiated once more by"
    " every one of them, times how that one moves. The order makes no difference."
)
