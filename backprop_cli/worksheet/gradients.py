"""Local derivatives, and the gradients grouped by unit: as tables, or derived line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from backprop_cli.formula.nodes import Name
from backprop_cli.graph.derivation import put_together
from backprop_cli.graph.step import Step, Unit
from backprop_cli.problem.model import Network
from backprop_cli.worksheet.derivations import derivation, path_remarks
from backprop_cli.worksheet.document import (
    Block,
    Column,
    Heading,
    Line,
    Math,
    Paragraph,
    Table,
    Text,
)
from backprop_cli.worksheet.given import unit_title
from backprop_cli.worksheet.passes import SAMPLES_ACROSS, by_sample, step_table, tied
from backprop_cli.worksheet.reasons import Reasons, slope_reasons
from backprop_cli.worksheet.sheet import Sheet


def slopes(sheet: Sheet) -> Iterator[Block]:
    """The local derivatives, each once."""
    steps = [step for step in sheet.graph.section("backward") if step.kind == "slope"]
    if not steps:
        return
    yield Heading(2, (Text("Local derivatives"),))
    yield from by_sample(sheet, steps)
    yield from slope_reasons(sheet)


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
        steps = with_deltas(sheet, steps)
        if sheet.first:
            yield Paragraph((Text(DELTA),))
    reasons = Reasons(sheet)
    for title, group in _groups(sheet, steps):
        if title:
            yield Heading(3, (Text(title),))
        if sheet.choices.symbolic or sheet.symbolic or sheet.choices.form == "chain":
            yield from _derivations(sheet, group)
        else:
            yield from _tables(sheet, group)
        yield from reasons.of(group)


DELTA = (
    "δ of a unit is the derivative of the loss by its pre-activation z: what comes back along its"
    " outgoing weights, times its slope."
)


def with_deltas(sheet: Sheet, steps: Sequence[Step]) -> list[Step]:
    """δ = (Σ w·δ of the layer above) · slope in one step: ∂L/∂a has no line of its own."""
    activations = {
        step.name for step in sheet.graph.section("forward") if step.kind == "activation"
    }
    inner = {
        step.name: step.formula
        for step in steps
        if step.kind == "upstream" and step.of in activations
    }
    return [
        replace(step, formula=put_together(step.formula, inner))
        for step in steps
        if step.name not in inner
    ]


def _groups(sheet: Sheet, steps: Sequence[Step]) -> Iterator[tuple[str, list[Step]]]:
    """The steps of each unit together; author's equations stay in one group."""
    network = sheet.run.problem.model
    if not isinstance(network, Network):
        yield "", list(steps)
        return

    def key(step: Step) -> tuple[int, int]:
        unit = step.unit or Unit(len(network.layers), 0)
        return (-unit.layer, unit.index)

    for (depth, unit), group in groupby(sorted(steps, key=key), key):
        yield unit_title(network, -depth, max(unit, 1)), list(group)


def _derivations(sheet: Sheet, group: Sequence[Step]) -> Iterator[Block]:
    """Line by line. Samples of a batch go alike: the first one is derived."""
    batch = sheet.graph.batch
    derived = [
        step
        for step in group
        if step.kind != "batch_gradient" and (step.sample in (None, batch[0]) or tied(sheet.graph))
    ]
    for step in derived:
        yield derivation(sheet, step)
    yield from path_remarks(sheet, derived)
    if len(batch) == 1:
        return
    if not sheet.symbolic:
        yield from _tables(sheet, group)
    elif whole := [step for step in group if step.kind == "batch_gradient"]:
        yield step_table(sheet, whole)


def _tables(sheet: Sheet, group: Sequence[Step]) -> Iterator[Block]:
    if len(sheet.graph.batch) == 1:
        yield step_table(sheet, group)
        return
    own = [step for step in group if step.kind == "batch_gradient"]
    samples = {f"{step.name}[{mark}]" for step in own for mark in sheet.graph.batch}
    if rest := [step for step in group if step not in own and step.name not in samples]:
        yield from by_sample(sheet, rest)
    if own:
        yield from _batch_tables(sheet, own)


def _batch_tables(sheet: Sheet, steps: Sequence[Step]) -> Iterator[Table]:
    """One row a parameter: its gradient for each sample, and last that of the batch."""
    batch = sheet.graph.batch
    reduced = "Mean" if sheet.run.problem.training.reduction == "mean" else "Sum"
    for start in range(0, len(batch), SAMPLES_ACROSS):
        marks = batch[start : start + SAMPLES_ACROSS]
        last = start + SAMPLES_ACROSS >= len(batch)
        columns = [Column((Text("Gradient"),))]
        columns += [Column((Text(f"Sample {mark}"),), align="decimal") for mark in marks]
        columns += [Column((Text(reduced),), align="decimal")] * last
        rows: list[tuple[Line, ...]] = []
        for step in steps:
            cells = [sheet.cell(f"{step.name}[{mark}]") for mark in marks]
            cells += [sheet.cell(step.name)] * last
            rows.append(((Math(Name(step.name)),), *cells))
        yield Table(tuple(columns), tuple(rows))
