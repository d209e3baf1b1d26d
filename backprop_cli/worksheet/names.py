"""`backprop explain names`: every quantity of a sheet with its plain name, its sign, its meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from backprop_cli.arrays.array import View, shape_text
from backprop_cli.formula.build import names_in
from backprop_cli.formula.nodes import Name
from backprop_cli.graph.step import Graph, Kind, Leaf, LeafKind, Step
from backprop_cli.run import Run
from backprop_cli.worksheet.document import Column, Document, Line, Math, Paragraph, Table, Text
from backprop_cli.worksheet.sheet import spelling_of

GIVEN: Mapping[LeafKind, str] = {
    "input": "input",
    "target": "target",
    "parameter": "parameter",
    "constant": "given",
    "state": "state of the optimizer before the update",
}
CALCULATED: Mapping[Kind, str] = {
    "preactivation": "weighted sum",
    "normalisation": "part of the batch normalisation",
    "activation": "activation",
    "handed_on": "handed on",
    "equation": "equation",
    "loss": "loss",
    "regularisation": "penalty in the loss",
    "batch_loss": "loss of the batch",
    "slope": "local derivative",
    "upstream": "derivative on the way back",
    "gradient": "gradient",
    "batch_gradient": "gradient over the batch",
    "second": "second derivative",
    "penalty": "gradient after penalty and clipping",
    "ahead": "of the pass at the look-ahead point",
    "state": "state of the optimizer after the update",
    "update": "new value",
}


def names_sheet(run: Run) -> Document:
    """The names of one update, in the order of the sheet."""
    graph = run.iterations[0].graph
    columns = (
        Column((Text("Name"),)),
        Column((Text("Shown as"),), wrap=True),
        Column((Text("What it is"),), wrap=True),
    )
    rows = tuple(
        ((Text(name, "code"),), (Math(Name(name)),), meaning) for name, meaning in _names(graph)
    )
    hint = Paragraph((Text("These are the names of answer files, of --only and of JSON."),))
    return Document(
        f"Names: {run.problem.title or run.problem.path}",
        (hint, Table(columns, rows)),
        spelling_of(graph),
    )


def _names(graph: Graph) -> Iterator[tuple[str, Line]]:
    uses: dict[str, list[str]] = {}
    for step in graph.section("forward", "loss"):
        for name in names_in(step.formula):
            uses.setdefault(name, []).append(step.name)
    other, slope = Text("another name of "), Text("local derivative, which is ")
    yield from ((leaf.name, _given(leaf, uses.get(leaf.name, []))) for leaf in graph.leaves)
    yield from ((step.name, _calculated(step)) for step in graph.steps)
    yield from ((name, (other, Math(Name(own)))) for name, own in graph.aliases.items())
    yield from ((name, (slope, Math(own))) for name, own in graph.trivial_slopes.items())
    yield from ((view.name, _array(view)) for view in graph.arrays)


def _array(view: View) -> Line:
    names = [entry for entry in view.entries if isinstance(entry, Name)]
    what = shape_text(view.shape) if len(view.shape) == 1 else f"array {shape_text(view.shape)}"
    if len(names) < 2:
        return (Text(what), *((Text(" of "), Math(names[0])) if names else ()))
    return (Text(f"{what}, from "), Math(names[0]), Text(" to "), Math(names[-1]))


def _given(leaf: Leaf, uses: list[str]) -> Line:
    what = leaf.role or GIVEN[leaf.kind]
    if leaf.kind == "state" or not uses:
        return (Text(what),)
    several = f" and {len(uses) - 1} more" if len(uses) > 1 else ""
    return (Text(f"{what}, used in "), Math(Name(uses[0])), Text(several))


def _calculated(step: Step) -> Line:
    what = CALCULATED[step.kind]
    if step.of is not None and step.section in ("gradient", "update"):
        return (Text(f"{what}, for "), Math(Name(step.of)))
    if step.unit is not None and step.section == "forward":
        what = "calculated" if step.kind == "equation" else what
        title = step.unit.title
        what += f" in {'the ' * (title == 'Output unit')}{title[0].lower()}{title[1:]}"
    return (Text(what),)
