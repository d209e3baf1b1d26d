"""A dense layer: its keys, a row of weights per unit, and whether their shape fits what comes in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import field
from typing import NoReturn, TypeGuard

from backprop_cli.arrays.array import Shape, count
from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import quote
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.array_layers import Handed
from backprop_cli.problem.fields import (
    TRUTH,
    Field,
    Fields,
    Keys,
    any_of,
    apart,
    list_of,
    number_or_name,
    reference,
    whole,
)
from backprop_cli.problem.forms import AnyLayer, ArrayLayer, Layer, Tied, Value
from backprop_cli.problem.layer_kinds import DENSE
from backprop_cli.problem.layer_parts import (
    ADD,
    AFTER,
    BIAS_INPUT,
    BIASES,
    DROPPED,
    FROZEN,
    MOST_LAYERS,
    MOST_UNITS,
    NORMALISED,
    TRAINABLE,
    UNIT_ACTIVATIONS,
    Biases,
    LayerPlace,
    NamedCell,
    listed_activations,
    per_unit,
    read_batch_norm,
    read_biases,
    read_dropout,
)
from backprop_cli.problem.rule_use import initializer
from backprop_cli.problem.values import (
    Refused,
    Report,
    counted,
    decimal_comma,
    integer,
    is_mapping,
    is_number,
    items,
)
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar, entry

MOST_PARAMETERS = 200_000

WEIGHTS_SCHEMA = list_of(list_of(number_or_name("w[0-9_]*", {"type": "null"})), MOST_UNITS)


@dataclass(frozen=True)
class Grid:
    """Weights as written: values, and where there is a connection at all."""

    values: tuple[tuple[Value, ...], ...]
    connected: tuple[tuple[bool, ...], ...]

    @property
    def symbolic(self) -> bool:
        """Every connection is there and none has a number."""
        return all(map(all, self.connected)) and all(
            value is None for row in self.values for value in row
        )


def full(values: tuple[tuple[Value, ...], ...]) -> Grid:
    return Grid(values, tuple((True,) * len(row) for row in values))


SAME_AS = apart("same_as", whole(1, MOST_LAYERS).schema, "a layer below", "Whose weights.")
TRANSPOSED = Field("transposed", TRUTH, False, "Whether rows and columns are exchanged.")
TIED = Keys(
    "The weights of a layer below, as they are or transposed.",
    *(SAME_AS, TRANSPOSED),
    required=[SAME_AS],
    example="write `same_as: 1`",
)
KIND = apart(
    "kind",
    {"enum": [DENSE]},
    quote(DENSE),
    "`backprop help layers` has the other kinds and their keys.",
)
UNITS = Field("units", whole(1, MOST_UNITS), None, "Needed where weights are drawn or left out.")
WEIGHTS = apart(
    "weights",
    any_of(WEIGHTS_SCHEMA, reference("initializer"), TIED.schema),
    f"rows of numbers, `{{init: …}}`, or {TIED.words}",
    "A row per unit, a column per input: weights[j][i] leads into unit j from input i. null: no "
    "connection; a name (w1_1_2, or just w): no number.",
)
LAYER = Keys(
    "One layer of units. `weights` with numbers, or `units` for a layer without.",
    *(KIND, UNIT_ACTIVATIONS, UNITS, WEIGHTS, BIASES, BIAS_INPUT, NORMALISED),
    *(ADD, AFTER, DROPPED, FROZEN, TRAINABLE),
)


@dataclass
class ReadLayers:
    """The layers as far as they could be read, and what can be checked only with all of them."""

    layers: list[AnyLayer] = field(default_factory=list)
    handed: list[Handed | None] = field(default_factory=list)  # of the inputs, then of each layer
    structured: bool = True  # False: not even how many units each has is known
    shape: Shape | None = None  # of what the last layer hands on
    fan_in: int | None = None  # of the first
    named: list[NamedCell] = field(default_factory=list)
    batch_norms: list[Node] = field(default_factory=list)
    moved: list[tuple[str, int, Node]] = field(default_factory=list)
    """`frozen` or `trainable`, the layer that says it, and a list, true or false."""
    activation_nodes: dict[int, Node] = field(default_factory=dict)

    @property
    def units(self) -> int | None:
        return None if self.shape is None else count(self.shape)


class DenseReader:
    """Reads a layer of units; `units` and `fan_in` are what is known of it afterwards, whatever is
    wrong. `said` is what `units:` says, `hint` how many units other keys of the layer speak of."""

    def __init__(
        self, at: LayerPlace, fan_in: int | None, bias_input: Number, read: ReadLayers
    ) -> None:
        self.at, self.report = at, at.report
        self.fan_in, self.bias_input, self.all = fan_in, bias_input, read
        self.units: int | None = None
        self.said: int | None = None
        self.hint: int | None = None
        self.too_large = False

    def read(self, room: int) -> Layer:
        """The layer. Raises Refused where its size is not known or too large."""
        node = self.at.node
        help = None
        if isinstance(node, Scalar) and is_number(node):  # `layers: [2, 1]` counts units
            help = f"write {{activation: sigmoid, units: {node.text}}}"
        if not is_mapping(node, self.report, str(self.at), "{activation: relu, weights: …}", help):
            raise Refused
        own = LAYER.of(node, self.report, str(self.at), of=self.at)
        activations = listed_activations(own, self.at)
        note(own, self.at.index, self.all)
        weights = own[WEIGHTS]
        tied, grid = None, None
        with suppress(Refused):
            if _is_tied(weights):
                shares = self._tied(weights)
                grid = self._shared(own, shares, weights)
                tied = shares  # a layer with weights that do not fit has names of its own
            else:
                grid = self._weights(own, weights)
        self._check_size(room)
        biases = Biases("each", (None,) * (self.units or 0))
        with suppress(Refused):
            biases = read_biases(own[BIASES], self.at, self.units, self.fan_in, weights is None)
        drawn = None
        if isinstance(weights, Entries) and not _is_tied(weights):
            drawn = self.report.tried(initializer, weights, "weights", self.at.index)
        if self.units is None or self.fan_in is None:
            raise Refused
        unit_activations = per_unit(activations, own, self.at, self.units)
        norm, tried = own[NORMALISED], self.report.tried
        batch_norm = tried(read_batch_norm, norm, self.at, self.units)
        if norm is not None and batch_norm is not None:
            self.all.batch_norms.append(norm)
        added = tried(self._added, own[ADD], self.units)
        after = adds_after(own, self.at)
        dropout = tried(read_dropout, own[DROPPED], self.at, self.units)
        if drawn is not None:
            grid = full(drawn.values(self.units, self.fan_in, self.fan_in, self.units))
        grid = grid or full(((None,) * self.fan_in,) * self.units)
        self._unconnected(grid, biases, weights)
        sentences = [drawn.sentence] if drawn is not None else []
        sentences += [f"biases {biases.drawn}"] if biases.drawn else []
        return Layer(
            units=self.units,
            fan_in=self.fan_in,
            activations=unit_activations,
            weights=None if grid.symbolic else grid.values,
            connected=grid.connected,
            bias=biases.kind,
            biases=biases.values,
            bias_input=own[BIAS_INPUT] or self.bias_input,
            batch_norm=batch_norm,
            add=added,
            add_after=after and added is not None,
            dropout=dropout,
            tied=tied,
            initialised="; ".join(sentences) or None,
        )

    def _tied(self, node: Entries) -> Tied:
        """`{same_as: 1, transposed: true}`"""
        what, last = f"`weights` of {self.at}", self.at.index - 1
        own = TIED.of(node, self.report, what)
        place, transposed = own[SAME_AS], own[TRANSPOSED]
        if not last and place is not None:
            self.report.refuse("missing-value", f"{what} are those of a layer below, of none", node)
        layer = self.report.tried(integer, place, f"`same_as` of {self.at}", 1, last)
        if layer is None or not self.all.structured:
            raise Refused
        return Tied(layer, transposed)

    def _shared(self, own: Fields, tied: Tied, node: Node) -> Grid:
        """The weights of the layer that this one shares them with, if their shape fits."""
        other = self.all.layers[tied.layer - 1]
        if isinstance(other, ArrayLayer):
            self.report.refuse(
                "shape", f"layer {tied.layer} is no dense layer, so it has no such weights", node
            )
        shape = (other.units, other.fan_in)
        self.units, needed = shape[::-1] if tied.transposed else shape
        what = f"`units` of {self.at}"
        self.report.tried(integer, own.get("units"), what, self.units, self.units)
        if needed != self.fan_in:
            self.report.refuse(
                "shape",
                f"{self.at} gets {counted(self.fan_in or 0, 'value')}, and these weights are for"
                f" {counted(needed, 'value')}",
                node,
                None if tied.transposed else "`transposed: true` exchanges rows and columns",
            )
        values = other.weights or ((None,) * other.fan_in,) * other.units
        if tied.transposed:
            return Grid(tuple(zip(*values, strict=True)), tuple(zip(*other.connected, strict=True)))
        return Grid(values, other.connected)

    def _added(self, node: Node, report: Report, units: int) -> int:
        """The layer that `add` names, 0 for the inputs: one below with as many values."""
        layer = skipped(node, self.report, self.at)
        below = self.all.handed[layer]
        count = (self.all.fan_in or self.fan_in) if below is None else len(below.entries)
        if count is None or (below is None and layer > 0):
            raise Refused
        if count != units:
            message = (
                f"`add` of {self.at}: {counted(units, 'unit')} cannot add {counted(count, 'value')}"
            )
            report.refuse("shape", message, node, "what is added has one value for each unit")
        return layer

    def _weights(self, own: Fields, weights: Node | None) -> Grid | None:
        """The weights where they are written out; in any case how many units there are."""
        node, self.units = own.get("units"), own[UNITS]
        if weights is not None and not isinstance(weights, Entries):
            lists = [node for row in (BIASES, UNIT_ACTIVATIONS) if (node := own[row]) is not None]
            hint = next((len(each.items) for each in lists if isinstance(each, Items)), None)
            self.said, self.hint = self.units, self.units or hint
            return self._written(weights)
        if node is None:
            message = f"{self.at} draws its weights, so it must say how many units it has"
            help = "add `units:`"
            if weights is None:
                message = f"{self.at} has neither `weights` nor `units`"
                help = "add `weights: [[…], …]`, a row per unit; or `units:` for a symbolic layer"
            self.report.error("missing-key", message, weights or self.at.node, help)
        return None

    def _check_size(self, room: int) -> None:
        if self.units is not None and self.units * ((self.fan_in or 0) + 1) > room:
            self.too_large = True
        if self.too_large:
            self.report.refuse(
                "too-large",
                f"a layer may have {MOST_UNITS:,} units and a network {MOST_PARAMETERS:,} "
                f"parameters, and {self.at} goes beyond that",
                self.at.node,
            )

    def _unconnected(self, grid: Grid, biases: Biases, node: Node | None) -> None:
        for unit, row in enumerate(grid.connected, 1):
            if not any(row) and biases.kind == "none" and isinstance(node, Items):
                message = f"unit {unit} of {self.at} has no connection and no bias"
                help = "`null` means that there is no connection; a weight can be 0"
                self.report.error("no-connection", message, node.items[unit - 1], help)

    @property
    def _giver(self) -> str:
        assert self.fan_in is not None
        if self.at.index == 1:
            verb = "is" if self.fan_in == 1 else "are"
            return f"there {verb} {counted(self.fan_in, 'input')}"
        return f"layer {self.at.index - 1} gives {counted(self.fan_in, 'value')}"

    def _wrong_shape(self, node: Node, help: str) -> None:
        units = self.units or 0
        message = (
            f"{self.at} has {counted(units, 'unit')} and {self._giver}, so weights must be "
            f"{counted(units, 'row')} of {counted(self.fan_in or 0, 'number')}"
        )
        self.report.error("shape", message, node, help)

    def _written(self, node: Node) -> Grid | None:
        if not isinstance(node, Items):
            message = f"weights of {self.at} must be rows in brackets, a row per unit"
            help = "[[…], […]], or {init: uniform, low: -0.1, high: 0.1, seed: 7}"
            self.report.refuse("not-a-list", message, node, help)
        rows = node.items
        if not rows:
            self.report.refuse("missing-value", f"weights of {self.at} are empty", node)
        if not any(isinstance(row, Items) for row in rows):
            self._one_row(node)
        size = sum(len(row.items) for row in rows if isinstance(row, Items))
        if len(rows) > MOST_UNITS or size > MOST_PARAMETERS:
            self.too_large = True
            raise Refused
        values: list[tuple[Value, ...]] = []
        connected: list[tuple[bool, ...]] = []
        for unit, row in enumerate(rows, 1):
            what = f"row {unit} of the weights of {self.at}"
            cells = self.report.tried(items, row, what, "numbers") or ()
            values.append(
                tuple(self._weight(cell, unit, source) for source, cell in enumerate(cells, 1))
            )
            connected.append(tuple(not (isinstance(cell, Scalar) and cell.null) for cell in cells))
        self.units = self.said or len(rows)
        lengths = [len(row) for row in values]
        fits = self._fits(node, lengths) if self.fan_in is not None else self._alike(node, lengths)
        if fits and self.said is not None and self.said != len(rows):
            self.report.refuse(
                "shape",
                f"`units` says that {self.at} has {counted(self.said, 'unit')}, and its weights "
                f"have {counted(len(rows), 'row')}",
                node,
                "weights have a row per unit; `units` may be left out",
            )
        return Grid(tuple(values), tuple(connected)) if fits else None

    def _one_row(self, node: Items) -> NoReturn:
        """A row without its outer brackets, or one number for each unit."""
        one_unit = self.fan_in is None or self.fan_in == len(node.items)
        shown = [row.text if isinstance(row, Scalar) else "…" for row in node.items[:4]]
        advice = (", " if one_unit else "], [").join(shown)
        more = ", …" if len(node.items) > 4 else ""
        message = f"weights of {self.at} must be a list of rows, a row per unit"
        if self.said is None and self.fan_in is not None:
            self.units = 1 if one_unit else len(node.items)
        self.report.refuse("not-a-list", message, node, f"write [[{advice}{more}]]")

    def _weight(self, cell: Node, unit: int, source: int) -> Value:
        if isinstance(cell, Scalar) and cell.null:
            return None
        what = f"weight {source} of unit {unit} in {self.at}"
        return self.at.number(cell, "w", what, unit, source)

    def _alike(self, node: Items, lengths: Sequence[int]) -> bool:
        """Whether all rows are as long as most are, where nothing else says how long."""
        usual = Counter(lengths).most_common(1)[0][0]
        if self.at.index == 1:
            self.fan_in = usual
        for unit, (row, length) in enumerate(zip(node.items, lengths, strict=True), 1):
            if length != usual:
                self.report.error(
                    "shape",
                    f"row {unit} of the weights of {self.at} has {counted(length, 'number')}, "
                    f"and the others have {usual}",
                    row,
                )
        return set(lengths) == {usual}

    def _fits(self, node: Items, lengths: Sequence[int]) -> bool:
        """Whether each row has a number for each value that comes in."""
        bad = [unit for unit, length in enumerate(lengths, 1) if length != self.fan_in]
        commas = {
            unit: comma
            for unit in bad
            if (comma := decimal_comma(node.items[unit - 1], lengths[unit - 1], self.fan_in or 0))
        }
        rows = counted(len(lengths), "row")
        these = "this is" if len(lengths) == 1 else "these are"
        if bad and len(lengths) == self.fan_in and set(lengths) == {self.hint}:
            self.units = self.hint
            self._wrong_shape(
                node,
                f"{these} {rows} of {counted(lengths[0], 'number')}: rows and columns are "
                "exchanged",
            )
        elif len(bad) == len(lengths):
            of = f" of {counted(lengths[0], 'number')}" if len(set(lengths)) == 1 else ""
            self._wrong_shape(node, "; ".join([f"{these} {rows}{of}", *list(commas.values())[:1]]))
        else:
            for unit in bad:
                has = f"row {unit} has {counted(lengths[unit - 1], 'number')}"
                advice = "; ".join([has, commas[unit]]) if unit in commas else has
                self._wrong_shape(node.items[unit - 1], advice)
        return not bad


def skipped(node: Node, report: Report, at: LayerPlace) -> int:
    """The layer below that `add` names, 0 for the inputs."""
    what, last = f"`add` of {at}", at.index - 1
    if isinstance(node, Scalar) and node.text.strip() == "inputs":
        return 0
    help = "`inputs` adds the inputs" if last else "the first layer can add `inputs`"
    layer = integer(node, report, what, 1, max(1, last), help)
    if layer > last:
        report.refuse("out-of-range", f"{what}: there is no layer below it", node, help)
    return layer


def adds_after(own: Fields, at: LayerPlace) -> bool:
    """Whether `add` adds behind the activation."""
    after = own[AFTER]
    if after and own.get("add") is None:
        at.report.error(
            "missing-key", f"`after` of {at} says where `add` adds", at.node,
            "write `add: 1` beside it, or leave it out",
        )  # fmt: skip
    return after


def note(own: Fields, index: int, read: ReadLayers) -> None:
    """What is looked at when all layers have been read."""
    for row in (FROZEN, TRAINABLE):
        if (node := own[row]) is not None:
            read.moved.append((row.key, index, node))
    if (node := own.get("activation")) is not None:
        read.activation_nodes[index] = node


def _is_tied(node: Node | None) -> TypeGuard[Entries]:
    return entry(node, "same_as") is not None
