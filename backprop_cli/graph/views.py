"""Arrays read off the list: the quantities of a layer under one letter, and the equation they obey.

A view is what a sheet writes as a matrix; its entries are leaves and steps of the graph. What the
views cannot say of a step is a reason to write no matrices, never to write other ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from backprop_cli.formula.build import ONE, ZERO, names_in, product, total
from backprop_cli.formula.nodes import Call, Formula, Matrix, Name, Shown, Sum
from backprop_cli.graph.slopes import linear_coefficients
from backprop_cli.graph.step import Applied, Graph, Step
from backprop_cli.rules.activations import ACTIVATIONS


@dataclass(frozen=True)
class View:
    """An array by its letter: a row for each unit, a column for each sample (of `W` for each
    input), 0 where there is nothing. `equation` is in the names of other views."""

    name: Name
    entries: Matrix
    equation: Formula | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.entries.rows), len(self.entries.rows[0])


@dataclass(frozen=True)
class LayerViews:
    """A layer: z = W·below + bias_input·b + added, a = g(z).

    `applied` is g, None where the units differ or have a rule of their own. A `merged` layer is
    written in one line, without a z: its `z` is its `a`. `shared` says that b is one number.
    """

    depth: int
    below: View
    weights: View
    biases: View | None
    bias_input: Formula
    shared: bool
    added: tuple[View, ...]
    z: View
    a: View
    applied: Applied | None
    merged: bool
    normalised: bool  # batch normalisation stands between z and a

    @property
    def linear(self) -> bool:
        if self.normalised:
            return False
        return self.merged or (self.applied is not None and self.applied.rule == "identity")

    @property
    def connections(self) -> Matrix | None:
        """1 for every connection, 0 where there is none; None if nothing is missing."""
        rows = self.weights.entries.rows
        if not any(entry == ZERO for row in rows for entry in row):
            return None
        return Matrix(tuple(tuple(ZERO if e == ZERO else ONE for e in row) for row in rows))

    def activated(self, inside: Formula) -> Formula:
        """σ(z) of a letter or a matrix; the identity leaves it as it is, g stands for any."""
        if self.applied is None:
            return Call("g", (inside,))
        row = ACTIVATIONS[self.applied.rule]
        return inside if self.linear else row.call(inside, self.applied.options)

    def slope(self, z: Formula) -> Formula:
        """σ′(z) of a letter or a matrix."""
        if self.applied is None:
            return Call("g'", (z,))
        return ACTIVATIONS[self.applied.rule].slope_call(z, self.applied.options)


@dataclass(frozen=True)
class Views:
    """The arrays of a graph in layers, from the inputs to the targets."""

    inputs: View
    layers: tuple[LayerViews, ...]
    targets: View | None

    @property
    def tied(self) -> bool:
        """Whether a weight stands in several places, and collects its gradient from each."""
        found = [
            entry
            for layer in self.layers
            for row in layer.weights.entries.rows
            for entry in row
            if entry != ZERO
        ]
        return len(set(found)) < len(found)

    def handed_on(self, view: View) -> str:
        """What a sentence calls the values that a layer hands on."""
        found = next((layer.depth for layer in self.layers if layer.a is view), None)
        return "the inputs are" if found is None else f"the output of layer {found} is"


def views(graph: Graph) -> Views | str:
    """The arrays that a graph in layers is written in, or why there are none."""
    if not graph.units:
        return "equations have no layers"
    marks = graph.batch if len(graph.batch) > 1 else (None,)
    inputs = _given(graph, "input", "x", marks)
    targets = _given(graph, "target", "y", marks)
    last = max(unit.layer for unit in graph.units)
    handed: list[View] = [] if inputs is None else [inputs]
    layers: list[LayerViews] = []
    for depth in range(1, last + 1):
        layer = _layer(graph, depth, depth == last, handed, marks) if handed else None
        if layer is None:
            return f"layer {depth} is more than a weighted sum"
        layers.append(layer)
        handed.append(layer.a)
    return Views(handed[0], tuple(layers), targets)


def _given(graph: Graph, kind: str, letter: str, marks: Sequence[int | None]) -> View | None:
    columns = [
        [leaf.name for leaf in graph.leaves if leaf.kind == kind and leaf.sample == mark]
        for mark in marks
    ]
    return View(Name(letter), _matrix(columns)) if columns[0] else None


def _matrix(columns: Iterable[Sequence[str]]) -> Matrix:
    return Matrix(tuple(tuple(map(Name, row)) for row in zip(*columns, strict=True)))


def _layer(
    graph: Graph, depth: int, is_last: bool, handed: Sequence[View], marks: Sequence[int | None]
) -> LayerViews | None:
    own = [step for step in graph.section("forward") if step.unit and step.unit.layer == depth]
    outs = [step for step in own if step.kind == "activation"]
    units = [step for step in outs if step.sample == marks[0]]
    sums = [step for step in own if step.kind == "preactivation"]
    merged = not sums
    sums = sums or outs
    first = [step for step in sums if step.sample == marks[0]]
    if len(first) != len(units):
        return None
    read = [_weighted(graph, step, handed, row) for row, step in enumerate(first)]
    rows = [each for each in read if each is not None]
    if len(rows) < len(read) or len({(each.source, each.added, each.factor) for each in rows}) > 1:
        return None
    below = handed[rows[0].source]
    added = tuple(handed[index] for index in rows[0].added)
    weights = View(Name(f"W({depth})"), Matrix(tuple(each.weights for each in rows)))
    letters: list[Formula] = [Shown("matmul", (weights.name, below.name))]
    biases = None
    if rows[0].bias is not None:
        entries = Matrix(tuple((each.bias or ZERO,) for each in rows))
        biases = View(Name(f"b({depth})"), entries)
        letters.append(product(rows[0].factor, biases.name))
    letters += [each.name for each in added]
    a_name = Name("yhat") if is_last else Name(f"a({depth})")
    z_name = a_name if merged else Name(f"z({depth})")
    z = View(z_name, _by_sample(sums, marks), total(*letters))
    alike = {
        (step.rule, tuple(step.applied.options.items()) if step.applied else ()) for step in units
    }
    applied = units[0].applied if len(alike) == 1 else None
    layer = LayerViews(
        depth, below, weights, biases, rows[0].factor, _is_shared(graph, biases), added,
        z, View(a_name, _by_sample(outs, marks)), applied, merged,
        any(step.kind == "normalisation" for step in own),
    )  # fmt: skip
    if layer.normalised:
        return layer
    equation = z.equation if merged else layer.activated(z.name)
    return replace(layer, a=replace(layer.a, equation=equation))


def _is_shared(graph: Graph, biases: View | None) -> bool:
    names = [] if biases is None else names_in(biases.entries)
    return any(graph.leaf[name].role == "shared bias" for name in names)


def _by_sample(steps: Sequence[Step], marks: Sequence[int | None]) -> Matrix:
    return _matrix([step.name for step in steps if step.sample == mark] for mark in marks)


@dataclass(frozen=True)
class _Row:
    """One unit's sum: the layer `source` that it weighs, and the layers it adds as they are."""

    source: int
    weights: tuple[Formula, ...]
    bias: Name | None
    factor: Formula
    added: tuple[int, ...]


def _weighted(graph: Graph, step: Step, handed: Sequence[View], row: int) -> _Row | None:
    """The sum that a step is, read term by term; None where a term is of no such kind."""
    terms = step.formula.terms if isinstance(step.formula, Sum) else (step.formula,)
    columns = [[line[0] for line in view.entries.rows] for view in handed]
    added: list[int] = []
    weighed: dict[Formula, Formula] = {}
    bias: Name | None = None
    factor: Formula = ONE
    for term in terms:
        found = linear_coefficients(term) or {}
        parameters = [name for name in found if name in graph.leaf and graph.leaf[name].role]
        if term == ZERO:
            continue
        if len(parameters) == 1:
            name, times = parameters[0], found[parameters[0]]
            if isinstance(times, Name) and times not in weighed:
                weighed[times] = Name(name)
            elif not names_in(times) and bias is None:
                bias, factor = Name(name), times
            else:
                return None
            continue
        places = [
            place
            for place, column in enumerate(columns)
            if row < len(column) and column[row] == term
        ]
        if not places:
            return None
        added += places
    # A unit without a connection weighs the layer below it like the others do.
    source = next((i for i, c in enumerate(columns) if weighed.keys() <= set(c) and weighed), None)
    if source is None:
        if weighed:
            return None
        source = len(columns) - 1
    entries = tuple(weighed.get(name, ZERO) for name in columns[source])
    return _Row(source, entries, bias, factor, tuple(added))
