"""Layers read off the list: their quantities as arrays, and the equations that these obey.

Each array has a row for each unit and a column for each sample (W for each input), 0 where there
is nothing. What layers cannot say of a step is a reason to write no matrices, never to write other
ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from backprop_cli.arrays.array import View
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import ONE, ZERO, names_in, product, quotient, total
from backprop_cli.formula.nodes import Call, Formula, Matrix, Name, Product, Quotient, Shown, Sum
from backprop_cli.graph.slopes import linear_coefficients
from backprop_cli.graph.step import Applied, Graph, Leaf, Step
from backprop_cli.rules.activations import ACTIVATIONS


@dataclass(frozen=True)
class Layer:
    """A layer: z = W·below + bias_input·b + added, a = g(z), out = scale·mask ⊙ (a + added behind).

    `weighing` is W in letters: of a layer that takes the weights of another, W⁽¹⁾ or its transpose.
    `applied` is g, None where the units differ or have a rule of their own. A `merged` layer is
    written in one line, without a z: its `z` is its `a`. `shared` says that b is one number. What
    a layer without dropout and without anything added behind it hands on, `out`, is its `a`.
    """

    depth: int
    below: View
    weights: View
    weighing: Formula
    biases: View | None
    bias_input: Formula
    shared: bool
    added: tuple[View, ...]
    z: View
    a: View
    applied: Applied | None
    merged: bool
    normalised: bool  # batch normalisation stands between z and a
    out: View
    added_behind: tuple[View, ...] = ()
    mask: View | None = None
    scale: Formula = ONE

    @property
    def bare(self) -> bool:
        """Whether it is g(Wx + b) and nothing else."""
        return not (self.added or self.normalised) and self.out is self.a

    @property
    def owns_weights(self) -> bool:
        return self.weighing == self.weights.letter

    @property
    def linear(self) -> bool:
        if self.normalised:
            return False
        return self.merged or (self.applied is not None and self.applied.rule == "identity")

    @property
    def connections(self) -> Matrix | None:
        """1 for every connection, 0 where there is none; None if nothing is missing."""
        if ZERO not in self.weights.entries:
            return None
        rows = self.weights.matrix.rows
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
class Layers:
    """The arrays of a graph in layers, from the inputs to the targets."""

    inputs: View
    layers: tuple[Layer, ...]
    targets: View | None

    @property
    def views(self) -> Iterator[View]:
        """Every array that an equation of the forward pass is in."""
        yield self.inputs
        for layer in self.layers:
            weights = layer.weights if layer.owns_weights else None
            views = (weights, layer.z, layer.a, layer.out, layer.biases, layer.mask)
            yield from (view for view in views if view is not None)

    @property
    def scattered(self) -> bool:
        """Whether a weight stands in several places of which no matrix says so."""
        own = [layer for layer in self.layers if layer.owns_weights]
        found = [entry for layer in own for entry in layer.weights.entries if entry != ZERO]
        return len(set(found)) < len(found)

    def weighed_by(self, weights: View) -> Iterator[tuple[Layer, bool]]:
        """The layers that take these weights, the one that has them first; and whether transposed."""
        for layer in self.layers:
            if layer.weighing in (weights.letter, transposed(weights.letter)):
                yield layer, layer.weighing != weights.letter

    def handed_on(self, view: View) -> str:
        """What a sentence calls the values that a layer hands on."""
        found = next((layer.depth for layer in self.layers if layer.out is view), None)
        return "the inputs are" if found is None else f"the output of layer {found} is"


def transposed(formula: Formula) -> Shown:
    return Shown("transpose", (formula,))


def layers_of(graph: Graph) -> Layers | str:
    """The arrays that a graph in layers is written in, or why there are none."""
    if not graph.units:
        return "equations have no layers"
    marks = graph.batch if len(graph.batch) > 1 else (None,)
    inputs = _given(graph, "input", "x", marks)
    targets = _given(graph, "target", "y", marks)
    last = max(unit.layer for unit in graph.units)
    steps: dict[int, list[Step]] = defaultdict(list)
    for step in graph.section("forward"):
        if step.unit is not None:
            steps[step.unit.layer].append(step)
    handed = _Handed()
    if inputs is not None:
        handed.add(inputs)
    layers: list[Layer] = []
    for depth in range(1, last + 1):
        own = steps[depth]
        layer = (
            _layer(graph, depth, own, depth == last, handed, marks, layers)
            if handed.views
            else None
        )
        if layer is None:
            return f"layer {depth} is more than a weighted sum"
        layers.append(layer)
        handed.add(layer.out)
    return Layers(handed.views[0], tuple(layers), targets)


class _Handed:
    """What the layers so far hand on, and where each quantity of the first sample stands there:
    in which view, in which row."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self.place: dict[Formula, tuple[int, int]] = {}

    def add(self, view: View) -> None:
        for row, line in enumerate(view.matrix.rows):
            self.place[line[0]] = len(self.views), row
        self.views.append(view)

    def at(self, term: Formula, row: int) -> int | None:
        """Which of the views has a term in that row."""
        place = self.place.get(term)
        return None if place is None or place[1] != row else place[0]


def _given(graph: Graph, kind: str, letter: str, marks: Sequence[int | None]) -> View | None:
    columns = _of_samples([leaf for leaf in graph.leaves if leaf.kind == kind], marks)
    return _by_columns(letter, columns) if columns[0] else None


def _by_columns(
    letter: str, columns: Iterable[Sequence[str]], equation: Formula | None = None
) -> View:
    rows = [list(map(Name, row)) for row in zip(*columns, strict=True)]
    return View.of_rows(letter, rows, equation)


def _layer(
    graph: Graph,
    depth: int,
    own: Sequence[Step],
    is_last: bool,
    handed: _Handed,
    marks: Sequence[int | None],
    before: Sequence[Layer],
) -> Layer | None:
    outs = [step for step in own if step.kind == "activation"]
    units = [step for step in outs if step.sample == marks[0]]
    sums = [step for step in own if step.kind == "preactivation"]
    merged = not sums
    sums = sums or outs
    first = [step for step in sums if step.sample == marks[0]]
    if not first or len(first) != len(units):
        return None
    read = [_weighted(graph, step, handed, row) for row, step in enumerate(first)]
    rows = [each for each in read if each is not None]
    if len(rows) < len(read) or len({(each.source, each.added, each.factor) for each in rows}) > 1:
        return None
    below = handed.views[rows[0].source]
    added = tuple(handed.views[index] for index in rows[0].added)
    weights = View.of_rows(f"W({depth})", [each.weights for each in rows])
    weighing: Formula = weights.letter
    for other in before if ZERO not in weights.entries else ():
        if other.owns_weights and other.weights.matrix == weights.matrix:
            weighing = other.weights.letter
        elif other.owns_weights and other.weights.matrix == turned(weights.matrix):
            weighing = transposed(other.weights.letter)
    letters: list[Formula] = [Shown("matmul", (weighing, below.letter))]
    biases = None
    if rows[0].bias is not None:
        biases = View.of_rows(f"b({depth})", [(each.bias or ZERO,) for each in rows])
        letters.append(product(rows[0].factor, biases.letter))
    letters += [each.letter for each in added]
    last = [step for step in own if step.kind == "handed_on"]
    a_name = "yhat" if is_last and not last else f"a({depth})"
    z_name = a_name if merged else f"z({depth})"
    z = _by_columns(z_name, _of_samples(sums, marks), total(*letters))
    alike = {
        (step.rule, tuple(step.applied.options.items()) if step.applied else ()) for step in units
    }
    applied = units[0].applied if len(alike) == 1 else None
    a = _by_columns(a_name, _of_samples(outs, marks))
    layer = Layer(
        depth, below, weights, weighing, biases, rows[0].factor, _is_shared(graph, biases), added,
        z, a, applied, merged, any(step.kind == "normalisation" for step in own), a,
    )  # fmt: skip
    if not layer.normalised:
        a = replace(a, equation=z.equation if merged else layer.activated(z.letter))
        layer = replace(layer, a=a, out=a)
    if not last:
        return layer
    return _handing_on(layer, "yhat" if is_last else f"h({depth})", last, handed, marks)


def turned(matrix: Matrix) -> Matrix:
    """Rows as columns."""
    return Matrix(tuple(zip(*matrix.rows, strict=True)))


def _handing_on(
    layer: Layer,
    letter: str,
    steps: Sequence[Step],
    handed: _Handed,
    marks: Sequence[int | None],
) -> Layer | None:
    """The layer with what stands behind its activations, read off the steps of its units; None
    where they are of no such kind, or differ."""
    masks: list[tuple[Formula, ...]] = []
    ways: set[tuple[Formula, tuple[int | None, ...]]] = set()
    for row, step in enumerate(each for each in steps if each.sample == marks[0]):
        inner: Formula = step.formula
        keep: Formula = ONE
        mask: Formula = ONE
        if isinstance(inner, Quotient):
            keep, inner = inner.denominator, inner.numerator
        if isinstance(inner, Product) and len(inner.factors) == 2:
            mask, inner = inner.factors
        own, *behind = inner.terms if isinstance(inner, Sum) else (inner,)
        if own != layer.a.matrix.rows[row][0] or (mask != ONE and not isinstance(mask, Name)):
            return None
        masks.append((mask,) * len(marks))
        ways.add((keep, tuple(handed.at(term, row) for term in behind)))
    share, places = ways.pop()
    added = tuple(handed.views[place] for place in places if place is not None)
    if ways or len(added) < len(places):
        return None
    left_in = None if masks[0][0] == ONE else View.of_rows(f"r({layer.depth})", masks)
    equation = total(layer.a.letter, *(view.letter for view in added))
    scale: Formula = ONE
    if left_in is not None:
        scale = quotient(ONE, share)
        equation = Shown("hadamard", (product(scale, left_in.letter), equation))
    out = _by_columns(letter, _of_samples(steps, marks), equation)
    return replace(layer, out=out, added_behind=added, mask=left_in, scale=scale)


def _is_shared(graph: Graph, biases: View | None) -> bool:
    names = [] if biases is None else names_in(biases.matrix)
    return any(graph.leaf[name].role == "shared bias" for name in names)


def _of_samples(
    known: Sequence[Leaf] | Sequence[Step], marks: Sequence[int | None]
) -> list[list[str]]:
    found: dict[int | None, list[str]] = {mark: [] for mark in marks}
    for each in known:
        if each.sample in found:
            found[each.sample].append(each.name)
    return list(found.values())


@dataclass(frozen=True)
class _Row:
    """One unit's sum: the layer `source` that it weighs, and the layers it adds as they are."""

    source: int
    weights: tuple[Formula, ...]
    bias: Name | None
    factor: Formula
    added: tuple[int, ...]


def _weighted(graph: Graph, step: Step, handed: _Handed, row: int) -> _Row | None:
    """The sum that a step is, read term by term; None where a term is of no such kind."""
    terms = step.formula.terms if isinstance(step.formula, Sum) else (step.formula,)
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
        if (place := handed.at(term, row)) is None:
            return None
        added.append(place)
    sources = {handed.place.get(name, (None, 0))[0] for name in weighed}
    # A unit without a connection weighs the layer below it like the others do.
    source = sources.pop() if sources else len(handed.views) - 1
    if source is None or sources:
        return None
    column = [line[0] for line in handed.views[source].matrix.rows]
    entries = tuple(weighed.get(name, ZERO) for name in column)
    return _Row(source, entries, bias, factor, tuple(added))
