"""What is given: samples, inputs, targets, parameters; and how the sheet carries its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from backprop_cli.formula.nodes import Name, Number
from backprop_cli.graph.step import Leaf, Unit
from backprop_cli.problem.model import Equations, Network, Problem, Value
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
from backprop_cli.worksheet.numbers import Shown, authored
from backprop_cli.worksheet.sheet import NO_VALUE, Sheet, cell_of

MOST_DIGITS = 30
"""A longer number of the problem file is rounded."""
MOST_SAMPLES = 40
"""More samples than these are not all listed."""

Group = tuple[str, Sequence[Leaf]]


def given(sheet: Sheet) -> Iterator[Block]:
    """The samples, the given quantities in groups, and how numbers are carried."""
    yield Heading(2, (Text("Given"),))
    yield from what_is_given(sheet)
    if not sheet.symbolic:
        yield Paragraph((Text(carried(sheet)),))


def what_is_given(sheet: Sheet) -> Iterator[Block]:
    """Tables of the samples, where there are several, and of everything else."""
    samples = all_samples(sheet.run.problem)
    listed = len(samples) > 1 and any(value for sample in samples for value in sample.values())
    if listed:
        yield from _sample_table(sheet)
    own = [] if listed else _of_samples(sheet)
    yield from _table(sheet, own, _shared(sheet), _parameters(sheet), _constants(sheet))


def changed(sheet: Sheet) -> Iterator[Block]:
    """What a later update begins with: its sample, if it is a single one, and the parameters."""
    alone = len(sheet.graph.batch) == 1 and len(all_samples(sheet.run.problem)) > 1
    yield from _table(sheet, _of_samples(sheet) if alone else [], _parameters(sheet))


def final(sheet: Sheet) -> Iterator[Block]:
    """The parameters alone, as a run leaves them."""
    yield from _table(sheet, _parameters(sheet)[:-1])


def carried(sheet: Sheet) -> str:
    """How exact the numbers of the sheet are, in a sentence."""
    if sheet.run.round_each is not None:
        return (
            f"Each value is rounded to {sheet.run.round_each} significant digits and carried on"
            " rounded, as one does by hand."
        )
    if sheet.choices.fractions:
        return "Exact fractions are carried and shown where they exist; other numbers are marked ≈."
    return (
        f"Full precision is carried. Results marked ≈ are rounded to {sheet.digits} significant"
        " digits; the numbers put in have as many as it takes to reproduce them."
    )


def all_samples(problem: Problem) -> list[Mapping[str, Value]]:
    """The values that differ from sample to sample, by plain name."""
    match problem.model:
        case Network() as network:
            names = NetworkNames(network, problem.notation)
            return [
                {
                    **{names.input(i): value for i, value in enumerate(sample.inputs, 1)},
                    **{names.target(i): value for i, value in enumerate(sample.targets, 1)},
                }
                for sample in network.samples
            ]
        case Equations(samples=samples, given=shared):
            own = dict.fromkeys(name for sample in samples for name in sample)
            return [
                {name: sample.get(name, shared.get(name)) for name in own} for sample in samples
            ]


def _sample_table(sheet: Sheet) -> Iterator[Block]:
    samples = all_samples(sheet.run.problem)
    names = list(dict.fromkeys(name for sample in samples for name in sample))
    columns = [Column((Text("Sample"),))]
    columns += [Column((Math(Name(name)),), align="decimal") for name in names]
    rows = [
        ((Text(str(number)),), *(_cell(sheet, sample.get(name)) for name in names))
        for number, sample in enumerate(samples[:MOST_SAMPLES], 1)
    ]
    yield Table(tuple(columns), tuple(rows))
    if len(samples) > MOST_SAMPLES:
        yield Paragraph((Text(f"… and {len(samples) - MOST_SAMPLES} more samples."),))
    if len(sheet.graph.batch) > 1 and names:
        second = f"{names[0]}[{sheet.graph.batch[1]}]"
        yield Paragraph(
            (
                Math(Name(second)),
                Text(" is "),
                Math(Name(names[0])),
                Text(f" of sample {sheet.graph.batch[1]}, and so on."),
            )
        )


def _cell(sheet: Sheet, value: Value) -> Line:
    if value is None:
        return NO_VALUE
    return cell_of(_authored(sheet, value))


def _authored(sheet: Sheet, number: Number) -> Shown:
    """A given number as its author wrote it: the sheet can be recomputed from the sheet."""
    digits = max(sheet.digits, MOST_DIGITS)
    return authored(number, digits, fractions=sheet.choices.fractions)


def _table(sheet: Sheet, *groups: Sequence[Group]) -> Iterator[Table]:
    rows = [
        ((Text(label),), values)
        for group in groups
        for label, leaves in group
        if (values := _listed(sheet, leaves))
    ]
    if rows:
        yield Table((Column((Text("What"),)), Column((Text("Values"),), wrap=True)), tuple(rows))


def _listed(sheet: Sheet, leaves: Sequence[Leaf]) -> Line:
    """`w₁ = 0.42, w₂ = 0.72, …`; names alone where there are no numbers."""
    parts: list[Inline] = []
    for leaf in leaves:
        if parts:
            parts.append(Text(", "))
        written = sheet.shown(leaf.name)
        if leaf.text is not None and sheet.value(leaf.name) == leaf.value:
            written = _authored(sheet, Number(leaf.text))
        if written is None:
            parts.append(Math(Name(leaf.name)))
        else:
            parts.append(Relation(Name(leaf.name), written.sign, written.formula))
    return tuple(parts)


def _differing(sheet: Sheet) -> set[str]:
    """The names of what each sample has for itself."""
    return {name for sample in all_samples(sheet.run.problem) for name in sample}


def _of_samples(sheet: Sheet) -> list[Group]:
    """Inputs and targets of the batch."""
    own = _differing(sheet)
    leaves = [leaf for leaf in sheet.graph.leaves if leaf.name.partition("[")[0] in own]
    inputs = [leaf for leaf in leaves if leaf.kind == "input"]
    label = "Inputs" if isinstance(sheet.run.problem.model, Network) else "Sample"
    return [(label, inputs), ("Targets", [leaf for leaf in leaves if leaf.kind == "target"])]


def _shared(sheet: Sheet) -> list[Group]:
    """What an author's equations are given for all samples alike."""
    leaves, own = sheet.graph.leaves, _differing(sheet)
    inputs = [
        leaf for leaf in leaves if leaf.kind == "input" and leaf.name.partition("[")[0] not in own
    ]
    return [("Given", inputs)]  # a target or a constant among them is no input


def _constants(sheet: Sheet) -> list[Group]:
    """The learning rate, and what else the update needs; it stands first among them."""
    constants = [leaf for leaf in sheet.graph.leaves if leaf.kind == "constant"]
    return [("Learning rate", constants[:1]), ("Constants", constants[1:])]


def _parameters(sheet: Sheet) -> list[Group]:
    """The parameters unit by unit, and last what the optimizer keeps."""
    states = [leaf for leaf in sheet.graph.leaves if leaf.kind == "state"]
    match sheet.run.problem.model:
        case Network() as network:
            groups = _by_unit(sheet, network)
        case Equations():
            leaves = [leaf for leaf in sheet.graph.leaves if leaf.kind == "parameter"]
            groups = [("Parameters", leaves)]
    return [*groups, ("Optimizer state", states)]


def _by_unit(sheet: Sheet, network: Network) -> list[Group]:
    names = NetworkNames(network, sheet.run.problem.notation)
    groups: list[Group] = []
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
            leaves = [sheet.graph.leaf[name] for name in found]
            groups.append((unit_title(network, Unit(depth, unit)), leaves))
        if layer.bias == "shared":
            shared = [sheet.graph.leaf[names.bias(depth, 1)]]
            groups.append((shared_bias_title(depth), shared))
    return groups


def unit_title(network: Network, place: Unit) -> str:
    """What a heading calls a unit: `Layer 1, unit 2`, `Output unit`."""
    units = network.layers[place.layer - 1].units
    if place.layer == len(network.layers):
        return "Output unit" if units == 1 else f"Output unit {place.index}"
    return f"Layer {place.layer}, unit {place.index}" if units > 1 else f"Layer {place.layer}"


def shared_bias_title(depth: int) -> str:
    """What a heading calls the one bias of a layer."""
    return f"Layer {depth}, shared bias"


def update_title(sheet: Sheet) -> str:
    """`Update 2: samples 3–4`"""
    title = f"Update {sheet.iteration.number}"
    if len(all_samples(sheet.run.problem)) <= 1:
        return title
    plural = "s" if len(sheet.graph.batch) > 1 else ""
    return f"{title}: sample{plural} {ranges(sheet.graph.batch)}"


def ranges(numbers: Sequence[int]) -> str:
    """`1–4, 7`: numbers in order, those that follow one another as a range."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
