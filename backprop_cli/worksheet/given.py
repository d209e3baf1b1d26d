"""What is given: inputs, targets, parameters, learning rate; and the conventions of the sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backprop_cli.formula.nodes import Name
from backprop_cli.graph.step import Leaf
from backprop_cli.problem.model import Equations, Network, Problem
from backprop_cli.problem.names import NetworkNames
from backprop_cli.worksheet.document import (
    Block,
    Column,
    Heading,
    Inline,
    Line,
    Math,
    Paragraph,
    Relation,
    Table,
    Text,
)
from backprop_cli.worksheet.sheet import Sheet


def given(sheet: Sheet) -> Iterator[Block]:
    """The given quantities in groups, and how numbers are carried."""
    yield Heading(2, (Text("Given"),))
    rows = [
        (label, values) for label, leaves in _groups(sheet) if (values := listed(sheet, leaves))
    ]
    if rows:
        columns = (Column((Text("What"),)), Column((Text("Values"),), wrap=True))
        yield Table(columns, tuple(((Text(label),), values) for label, values in rows))
    if not sheet.symbolic:
        yield Paragraph((Text(carried(sheet)),))


def changed(sheet: Sheet) -> Iterator[Block]:
    """The parameters with which a later update begins, and its samples."""
    rows = [
        (label, values)
        for label, leaves in _groups(sheet)
        if (values := listed(sheet, leaves)) and label != "Constants"
    ]
    columns = (Column((Text("What"),)), Column((Text("Values"),), wrap=True))
    yield Table(columns, tuple(((Text(label),), values) for label, values in rows))


def carried(sheet: Sheet) -> str:
    digits = sheet.digits
    if sheet.run.round_each is not None:
        return (
            f"Each value is rounded to {sheet.run.round_each} significant digits and carried on"
            " rounded, as one does by hand."
        )
    if sheet.choices.fractions:
        return "Exact fractions are carried and shown where they exist; other numbers are marked ≈."
    return f"Full precision is carried; what is shown with ≈ is rounded to {digits} significant digits."


def listed(sheet: Sheet, leaves: Sequence[Leaf]) -> Line:
    """`w₁ = 0.42, w₂ = 0.72, …`; names alone where there are no numbers."""
    parts: list[Inline] = []
    for leaf in leaves:
        if parts:
            parts.append(Text(", "))
        written = sheet.shown(leaf.name)
        if written is None:
            parts.append(Math(Name(leaf.name)))
        else:
            parts.append(Relation(Name(leaf.name), written.sign, written.formula))
    return tuple(parts)


def _groups(sheet: Sheet) -> Iterator[tuple[str, list[Leaf]]]:
    leaves = sheet.graph.leaves
    for mark in dict.fromkeys(leaf.sample for leaf in leaves if leaf.kind in ("input", "target")):
        own = [leaf for leaf in leaves if leaf.sample == mark]
        where = "" if mark is None else f", sample {mark}"
        yield f"Inputs{where}", [leaf for leaf in own if leaf.kind == "input"]
        yield f"Targets{where}", [leaf for leaf in own if leaf.kind == "target"]
    match sheet.run.problem.model:
        case Network() as network:
            yield from _by_unit(sheet, network)
        case Equations():
            yield "Parameters", [leaf for leaf in leaves if leaf.kind == "parameter"]
    yield "Constants", [leaf for leaf in leaves if leaf.kind == "constant"]
    yield "Optimizer state", [leaf for leaf in leaves if leaf.kind == "state"]


def _by_unit(sheet: Sheet, network: Network) -> Iterator[tuple[str, list[Leaf]]]:
    names = NetworkNames(network, sheet.run.problem.notation)
    shared: list[Leaf] = []
    for depth, layer in enumerate(network.layers, 1):
        for unit in range(1, layer.units + 1):
            found = [
                names.weight(depth, unit, source)
                for source in range(1, layer.fan_in + 1)
                if layer.connected[unit - 1][source - 1]
            ]
            if layer.bias == "each":
                found.append(names.bias(depth, unit))
            if layer.batch_norm is not None:
                found += [names.gamma(depth, unit), names.beta(depth, unit)]
            yield unit_title(network, depth, unit), [sheet.graph.leaf[name] for name in found]
        if layer.bias == "shared":
            shared = [sheet.graph.leaf[names.bias(depth, 1)]]
            yield f"Layer {depth}, shared bias", shared


def unit_title(network: Network, depth: int, unit: int) -> str:
    layer = network.layers[depth - 1]
    if depth == len(network.layers):
        return "Output unit" if layer.units == 1 else f"Output unit {unit}"
    return f"Layer {depth}, unit {unit}" if layer.units > 1 else f"Layer {depth}"


def all_samples(problem: Problem) -> Sequence[object]:
    match problem.model:
        case Network(samples=samples):
            return samples
        case Equations(samples=equation_samples):
            return equation_samples
