"""The network, or the graph of an author's equations, as a picture with its numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from backprop_cli.arrays.array import AS, INDEX, View
from backprop_cli.dataclass import replace
from backprop_cli.formula.build import ONE, children, names_in
from backprop_cli.formula.functions import spelled
from backprop_cli.formula.nodes import (
    Call,
    Formula,
    Name,
    Negative,
    Power,
    Product,
    Quotient,
    Shown,
    Sum,
)
from backprop_cli.graph.layered import Layers
from backprop_cli.run import Run
from backprop_cli.worksheet.document import (
    Diagram,
    DiagramEdge,
    DiagramNode,
    Inline,
    Line,
    Math,
    Relation,
    Text,
    listed,
)
from backprop_cli.worksheet.sheet import DEFAULT, Sheet

Kind: TypeAlias = Literal["input", "hidden", "output", "loss", "parameter", "array"]

IN_CIRCLES = "Each circle holds a value, and below it the gradient of the loss by it; the"
MOST_LABELS = 60
"""A picture with more edges than this is drawn without names and numbers on them."""
MOST_DRAWN = 150
"""A network with more given quantities than this has no picture on its sheet."""
LISTED = 12
"""Of more equations than these the first are said below the picture."""
SWEEPS = 8
"""Times the order of each column is improved."""


def diagram(run: Run, *, blank: bool = False) -> Diagram:
    """The first update of a run (its first sample, in a batch) as a picture; a blank one has no
    numbers but the given ones."""
    first = run.iterations[0]
    if blank:
        given = {name: first.values.get(name) for name in first.graph.leaf}
        first = replace(first, values=given)
    sheet = Sheet(run, first, DEFAULT)
    arrays = sheet.graph.layers
    if sheet.in_arrays:
        return _arrays(sheet)
    return _equations(sheet) if isinstance(arrays, str) else _network(sheet, arrays)


def _number(sheet: Sheet, name: str) -> Formula | None:
    written = sheet.shown(name)
    return None if written is None else written.formula


def _filled(sheet: Sheet) -> bool:
    """Whether there is more in the picture than what is given."""
    return any(step.name in sheet.iteration.values for step in sheet.graph.steps)


def _gradient(sheet: Sheet, name: str) -> Formula | None:
    step = sheet.graph.derivative.get(name)
    return None if step is None else _number(sheet, step.name)


def _node(sheet: Sheet, name: str, kind: Kind, gradient: Formula | None = None) -> DiagramNode:
    return DiagramNode(Name(name), 0, 0, kind, _number(sheet, name), gradient)


class _Picture:
    """Nodes by key, in columns; edges between keys."""

    def __init__(self) -> None:
        self.columns: dict[int, list[str]] = defaultdict(list)
        self.nodes: dict[str, DiagramNode] = {}
        self.edges: list[tuple[str, str, Formula | None, Formula | None]] = []

    def add(self, key: str, column: int, node: DiagramNode) -> None:
        self.columns[column].append(key)
        self.nodes[key] = node

    def finished(self, title: str, *description: Inline) -> Diagram:
        """Columns centred on one another; edges without labels where they would be too many."""
        tallest = max(len(keys) for keys in self.columns.values())
        placed = {
            key: replace(self.nodes[key], x=float(column), y=place + (tallest - len(keys)) / 2)
            for column, keys in sorted(self.columns.items())
            for place, key in enumerate(keys)
        }
        position = {key: index for index, key in enumerate(placed)}
        labelled = len(self.edges) <= MOST_LABELS
        edges = tuple(
            DiagramEdge(position[start], position[end], *(labels if labelled else ()))
            for start, end, *labels in self.edges
        )
        return Diagram(tuple(placed.values()), edges, (Text(title),), description)


def _network(sheet: Sheet, arrays: Layers) -> Diagram:
    picture = _Picture()

    def row(view: View) -> list[str]:
        return [entries[0].name for entries in view.matrix.rows if isinstance(entries[0], Name)]

    for name in row(arrays.inputs):
        picture.add(name, 0, _node(sheet, name, "input"))
    for layer in arrays.layers:
        depth, units = layer.depth, row(layer.out)
        for name in units:
            kind: Kind = "output" if layer is arrays.layers[-1] else "hidden"
            picture.add(name, depth, _node(sheet, name, kind, _gradient(sheet, name)))
        for name, weights in zip(units, layer.weights.matrix.rows, strict=True):
            for start, weight in zip(row(layer.below), weights, strict=True):
                if isinstance(weight, Name):
                    picture.edges.append((start, name, weight, _number(sheet, weight.name)))
        for view in (*layer.added, *layer.added_behind):
            picture.edges += [(s, e, None, None) for s, e in zip(row(view), units, strict=True)]
        if layer.biases is not None:
            constant = f"1 of layer {depth}"
            picture.add(constant, depth - 1, DiagramNode(layer.bias_input, 0, 0, "parameter"))
            for name, bias in zip(units, row(layer.biases), strict=True):
                picture.edges.append((constant, name, Name(bias), _number(sheet, bias)))
    if sheet.graph.losses:
        loss = sheet.graph.losses[0]
        last = arrays.layers[-1]
        picture.add(loss, last.depth + 1, _node(sheet, loss, "loss"))
        picture.edges += [(output, loss, None, None) for output in row(last.out)]
        for target in row(arrays.targets) if arrays.targets else ():
            picture.add(target, last.depth, _node(sheet, target, "input"))
            picture.edges.append((target, loss, None, None))
    sizes = [arrays.inputs.shape[0], *(layer.a.shape[0] for layer in arrays.layers)]
    return picture.finished(
        sheet.run.problem.title,
        Text(
            f"A {'-'.join(map(str, sizes))} network: {_counted(sizes[0], 'input')}, then"
            f" {_layers(sizes[1:])}. {IN_CIRCLES if _filled(sheet) else 'The'} lines carry the"
            " weights."
        ),
    )


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _layers(units: Sequence[int]) -> str:
    """`a layer of 1 unit`, `layers of 2, 2 and 1 units`"""
    if len(units) == 1:
        return f"a layer of {_counted(units[0], 'unit')}"
    *first, last = map(str, units)
    return f"layers of {', '.join(first)} and {last} units"


def _equations(sheet: Sheet) -> Diagram:
    graph = sheet.graph
    first = graph.batch[0]
    steps = [
        step
        for step in graph.section("forward", "loss")
        if step.sample in (None, first) and step.kind != "batch_loss"
    ]
    parents = {step.name: names_in(step.formula) for step in steps}
    nodes: dict[str, DiagramNode] = {}
    for leaf in graph.leaves:
        kind: Kind = "parameter" if leaf.kind == "parameter" else "input"
        nodes[leaf.name] = _node(sheet, leaf.name, kind, _gradient(sheet, leaf.name))
    for step in steps:
        is_output = step.name in graph.own_losses or step.name == graph.output
        whole = ONE if is_output and graph.wrt and _filled(sheet) else None
        slope = whole or _gradient(sheet, step.name)
        nodes[step.name] = _node(sheet, step.name, "output" if is_output else "hidden", slope)
    written = [(Relation(Name(step.name), "=", step.formula),) for step in steps[:LISTED]]
    holds: Line = (Text(" Each circle holds a value, and below it the gradient of "),)
    return _drawn(
        sheet,
        parents,
        nodes,
        lambda name, parent: None,
        *(
            Text(f"A graph of {_counted(len(steps), 'equation')}: "),
            *listed(written, "; "),
            Text("."),
        ),
        *((*holds, Math(Name(graph.output)), Text(" by it.")) if _filled(sheet) else ()),
    )


def _arrays(sheet: Sheet) -> Diagram:
    """Arrays as boxes with their shapes, and what is done with each on the way to the next."""
    graph = sheet.graph
    mark = f"[{graph.batch[0]}]"
    views = [
        view
        for view in graph.arrays
        if not view.rows and ("[" not in view.name or view.name.endswith(mark))
    ]
    known = {view.name: view for view in views}
    parents = {
        view.name: [name for name in names_in(view.equation) if name in known]
        for view in views
        if view.equation is not None
    }
    learned = set(graph.parameters)

    def node(view: View) -> DiagramNode:
        names = names_in(view.matrix) if view.shape else names_in(view.entries[0])
        kind: Kind = "parameter" if learned.intersection(names) else "input"
        if view.equation is not None:
            kind = (
                "output" if view.name in graph.own_losses else "array" if view.shape else "hidden"
            )
        value = None if view.shape else _number(sheet, view.name)
        return DiagramNode(view.letter, 0, 0, kind, value, None, "×".join(map(str, view.shape)))

    def label(name: str, parent: str) -> Formula | None:
        signs = _done_with(known[name].equation or ONE, parent)
        done = " ".join(signs[: 2 if signs[:1] == [_SIGNS["transpose"]] else 1])
        return Name(done.replace("_", " ")) if done else None

    written = [
        (Relation(view.letter, "=", sheet.notation.bare(view.equation)),)
        for view in views[:LISTED]
        if view.equation
    ]
    return _drawn(
        sheet,
        parents,
        {view.name: node(view) for view in views},
        label,
        *(
            Text(f"A graph of {_counted(len(parents), 'equation')} between arrays: "),
            *listed(written, "; "),
        ),
        Text(". Each box is an array with its shape; a line says what is done with it."),
    )


def _drawn(
    sheet: Sheet,
    parents: Mapping[str, Sequence[str]],
    nodes: Mapping[str, DiagramNode],
    label: Callable[[str, str], Formula | None],
    *said: Inline,
) -> Diagram:
    """The nodes that something is calculated from, and what is; `label` says how."""
    column, picture = _columns(parents), _Picture()
    for name, node in nodes.items():
        if name in column:
            picture.add(name, column[name], node)
    for name, above in parents.items():
        picture.edges += [(parent, name, label(name, parent), None) for parent in above]
    _untangle(picture)
    return picture.finished(sheet.run.problem.title, *said)


def _columns(parents: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Where everything stands: what is calculated behind all that it is made of; what is given just
    before what first uses it, so that its line is short."""
    column: dict[str, int] = {}
    first: dict[str, int] = {}
    for name, above in parents.items():
        column[name] = 1 + max((column.get(parent, 0) for parent in above), default=0)
    for name, above in parents.items():
        for parent in above:
            first[parent] = min(first.get(parent, column[name]), column[name])
    return {name: at - 1 for name, at in first.items()} | column


_SIGNS = {"matmul": "@", "hadamard": "⊙", "transpose": "ᵀ"}
_SIGN_OF: Mapping[type, str] = {Product: "·", Quotient: "/", Power: "^"}
_UNSAID = (INDEX, AS, "stack")


def _done_with(formula: Formula, name: str) -> list[str]:
    """The operations on an operand, from the inside out, in words or signs."""
    if isinstance(formula, Name):
        return [] if formula.name == name else ["…"]
    part = next((each for each in children(formula) if name in names_in(each)), None)
    inner = [] if part is None or isinstance(part, Name) else _done_with(part, name)
    match formula:
        case Shown(form, _):
            sign = _SIGNS.get(form, "")
        case Call(function, _):
            sign = "" if function in _UNSAID else spelled(function.rstrip("'")).unicode
        case Sum(terms):
            sign = "−" if any(isinstance(term, Negative) for term in terms) else "+"
        case _:
            sign = _SIGN_OF.get(type(formula), "")
    return inner if not sign or sign in inner else [*inner, sign]


def _untangle(picture: _Picture) -> None:
    """Order each column by the mean place of its neighbours, a few times to and fro (Sugiyama,
    Tagawa and Toda 1981), so that few lines cross."""
    neighbours: dict[str, list[str]] = defaultdict(list)
    for start, end, *_ in picture.edges:
        neighbours[start].append(end)
        neighbours[end].append(start)
    for sweep in range(SWEEPS):
        place = {
            key: index - len(keys) / 2
            for keys in picture.columns.values()
            for index, key in enumerate(keys)
        }
        for column in sorted(picture.columns, reverse=sweep % 2 == 1):
            keys = picture.columns[column]
            keys.sort(
                key=lambda key: (
                    sum(place[other] for other in neighbours[key]) / max(1, len(neighbours[key]))
                )
            )
            place.update({key: index - len(keys) / 2 for index, key in enumerate(keys)})
