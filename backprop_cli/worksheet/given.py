"""What is given: samples, inputs, targets, parameters; and how the sheet carries its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from backprop_cli.arrays.array import View
from backprop_cli.formula.build import names_in
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Name, Number
from backprop_cli.formula.quantity import bare
from backprop_cli.graph.expand import all_samples
from backprop_cli.graph.layered import Layers
from backprop_cli.graph.step import Leaf
from backprop_cli.worksheet.array_numbers import numbers, size_of
from backprop_cli.worksheet.document import (
    Block,
    Column,
    Heading,
    Line,
    Math,
    Paragraph,
    Table,
    Text,
    listed,
    table,
)
from backprop_cli.worksheet.numbers import LARGEST_PLAIN, Shown, authored, shown
from backprop_cli.worksheet.sheet import Sheet, cell_of, equal

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
    own = _differing(sheet)
    samples = all_samples(sheet.run.problem)
    listed = len(samples) > 1 and any(value for sample in samples for value in sample.values())
    arrays, names = _arrays(sheet), {leaf.name for leaf in own}
    if listed and not (len(sheet.graph.batch) == len(samples) and names <= _within(arrays)):
        yield from _sample_table(sheet)
        arrays = [view for view in arrays if _within([view]).isdisjoint(names)]
    alike = [leaf for leaf in _inputs(sheet) if leaf.name not in names]
    given = _groups([*([] if listed else own), *alike])
    yield from _table(sheet, given, _parameters(sheet), _constants(sheet))
    yield from _in_rows(sheet, arrays)


def _in_rows(sheet: Sheet, views: Sequence[View]) -> Iterator[Block]:
    """Vectors and matrices with their shapes, parameters apart from what is given."""
    parameters = {leaf.name for leaf in sheet.graph.leaves if leaf.kind == "parameter"}
    for learned in (False, True):
        own = [view for view in views if bool(_within([view]) & parameters) is learned]
        if own and learned:
            yield Paragraph((Text("Parameters", "strong"),))
        empty = [view for view in own if _within([view]) and not _any_number(sheet, view)]
        if sizes := listed((Math(view.letter), Text(f": {size_of(view)}")) for view in empty):
            yield Paragraph(sizes)
        for view in own:
            yield from numbers(sheet, view, shapes=True)


def _any_number(sheet: Sheet, view: View) -> bool:
    return any(sheet.value(name) is not None for name in _within([view]))


def _arrays(sheet: Sheet) -> list[View]:
    """What is given as vectors and matrices, where the sheet is written in them; and the places in
    an array that are given, which are no quantities."""
    leaves = [view for view in sheet.graph.arrays if view.equation is None]
    return [view for view in leaves if (view.shape and sheet.in_arrays) or not _within([view])]


def _within(views: Sequence[View]) -> set[str]:
    return {name for view in views for entry in view.entries for name in names_in(entry)}


def changed(sheet: Sheet) -> Iterator[Block]:
    """What a later update begins with: its sample, if it is a single one, and the parameters."""
    alone = len(sheet.graph.batch) == 1 and sheet.run.problem.sample_count > 1
    own = _differing(sheet) if alone else []
    yield from _at(sheet, own, _groups(own), _parameters(sheet))


def final(sheet: Sheet) -> Iterator[Block]:
    """The parameters alone, as a run leaves them."""
    yield from _at(sheet, [], _parameters(sheet)[:-1])


def _at(sheet: Sheet, own: Sequence[Leaf], *groups: Sequence[Group]) -> Iterator[Block]:
    """The parameters of an update and what its sample has for itself, in tables and arrays."""
    yield from _table(sheet, *groups)
    learned = (leaf for leaf in sheet.graph.leaves if leaf.kind == "parameter")
    changes = {leaf.name for leaf in (*learned, *own)}
    yield from _in_rows(sheet, [view for view in _arrays(sheet) if _within([view]) & changes])


def carried(sheet: Sheet) -> str:
    """How exact the numbers of the sheet are, in a sentence."""
    if sheet.run.round_each is not None:
        return (
            f"Each value is rounded to {sheet.run.round_each} significant digits and carried on"
            " rounded, as one does by hand."
        )
    if sheet.choices.fractions:
        return "Exact fractions are carried and shown where they exist; other numbers are marked ≈."
    layers = sheet.choices.form == "matrix" and isinstance(sheet.matrices, Layers)
    large = ", large ones to a whole number" if _has_large(sheet) and not sheet.in_arrays else ""
    alike = ", and so are the numbers put into matrices" if layers or sheet.in_arrays else ""
    which = "put into tables" if layers else "put in"
    others = f"; the numbers {which} have as many as it takes to reproduce them"
    return (
        f"Full precision is carried. Results marked ≈ are rounded to {sheet.digits} significant"
        f" digits{large}{alike}{'' if sheet.in_arrays else others}."
    )


def _has_large(sheet: Sheet) -> bool:
    """Whether a number of the sheet keeps digits that its rounding would cost before the point."""
    low, high = 10.0**sheet.digits, 10.0**LARGEST_PLAIN
    return any(
        low <= abs(as_float(value)) < high and not shown(value, sheet.digits).exact
        for iteration in sheet.run.iterations
        for value in iteration.values.values()
        if value is not None
    )


def _sample_table(sheet: Sheet) -> Iterator[Block]:
    samples = all_samples(sheet.run.problem)
    names = list(dict.fromkeys(name for sample in samples for name in sample))

    def given(name: str) -> Callable[[tuple[int, Mapping[str, Number | None]]], Line]:
        return lambda sample: cell_of(_authored(sheet, sample[1].get(name)))

    yield table(
        list(enumerate(samples[:MOST_SAMPLES], 1)),
        (Column((Text("Sample"),)), lambda sample: (Text(str(sample[0])),)),
        *((Column((Math(Name(name)),), align="decimal"), given(name)) for name in names),
    )
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


def _authored(sheet: Sheet, number: Number | None) -> Shown | None:
    """A given number as its author wrote it: the sheet can be recomputed from the sheet."""
    digits, fractions = max(sheet.digits, MOST_DIGITS), sheet.choices.fractions
    return None if number is None else authored(number, digits, fractions=fractions)


def _table(sheet: Sheet, *groups: Sequence[Group]) -> Iterator[Table]:
    within = _within(_arrays(sheet))
    rows = [
        ((Text(label),), values)
        for group in groups
        for label, leaves in group
        if (values := _listed(sheet, [leaf for leaf in leaves if leaf.name not in within]))
    ]
    if rows:
        yield Table((Column((Text("What"),)), Column((Text("Values"),), wrap=True)), tuple(rows))


def _listed(sheet: Sheet, leaves: Sequence[Leaf]) -> Line:
    """`w₁ = 0.42, w₂ = 0.72, …`; names alone where there are no numbers."""

    def written(leaf: Leaf) -> Shown | None:
        if leaf.text is not None and sheet.value(leaf.name) == leaf.value:
            return _authored(sheet, Number(leaf.text))
        return sheet.shown(leaf.name)

    return listed(equal(leaf.name, written(leaf)) for leaf in leaves)


def _inputs(sheet: Sheet) -> list[Leaf]:
    return [leaf for leaf in sheet.graph.leaves if leaf.kind in ("input", "target")]


def _differing(sheet: Sheet) -> list[Leaf]:
    """What each sample has for itself."""
    names = {name for sample in all_samples(sheet.run.problem)[:1] for name in sample}
    return [leaf for leaf in _inputs(sheet) if bare(leaf.name) in names]


def _groups(leaves: Sequence[Leaf]) -> list[Group]:
    """The quantities under the titles that they are shown under."""
    found: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        found.setdefault(leaf.title, []).append(leaf)
    return list(found.items())


def _constants(sheet: Sheet) -> list[Group]:
    """The learning rate, and what else the update needs; it stands first among them."""
    constants = [leaf for leaf in sheet.graph.leaves if leaf.kind == "constant"]
    return [(title or "Constants", leaves) for title, leaves in _groups(constants)]


def _parameters(sheet: Sheet) -> list[Group]:
    """The parameters unit by unit, and last what the optimizer keeps."""
    leaves = sheet.graph.leaves
    parameters = [leaf for leaf in leaves if leaf.kind == "parameter"]
    parameters.sort(key=lambda leaf: (leaf.unit.layer, leaf.unit.index) if leaf.unit else (0, 0))
    states = [leaf for leaf in leaves if leaf.kind == "state"]
    return [*_groups(parameters), ("Optimizer state", states)]


def update_title(sheet: Sheet) -> str:
    """`Update 2: samples 3–4`"""
    title = f"Update {sheet.iteration.number}"
    if sheet.run.problem.sample_count <= 1:
        return title
    plural = "s" if len(sheet.graph.batch) > 1 else ""
    return f"{title}: sample{plural} {ranges(sheet.graph.batch)}"


def ranges(numbers: Sequence[int]) -> str:
    """`1–4, 7`: numbers in order, those that follow one another as a range."""
    steps = groupby(enumerate(numbers), lambda each: each[1] - each[0])  # equal within a run
    runs = [[number for _, number in run] for _, run in steps]
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
