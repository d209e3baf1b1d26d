"""The layers of a network, each read from its parts and checked against the one before."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import field
from typing import TypeGuard

from backprop_cli.arrays.array import ArrayError, Shape, TooLarge, count
from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import quote
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.array_layers import Handed, Making, Writer, as_output
from backprop_cli.problem.fields import (
    TRUTH,
    Field,
    Fields,
    Keys,
    any_of,
    apart,
    list_of,
    reference,
    whole,
)
from backprop_cli.problem.forms import AnyLayer, ArrayLayer, Layer, Tied
from backprop_cli.problem.layer_kinds import DENSE, KINDS, LayerKind
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
from backprop_cli.problem.names import value_names
from backprop_cli.problem.rule_use import initializer
from backprop_cli.problem.samples import Samples
from backprop_cli.problem.values import (
    Refused,
    Report,
    counted,
    integer,
    is_mapping,
    is_number,
    rows,
    word,
)
from backprop_cli.problem.weights import (
    MOST_PARAMETERS,
    WEIGHTS_SCHEMA,
    Grid,
    WrittenWeights,
    full,
)
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar

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
LAYERS = apart(
    "layers",
    list_of(reference("layer"), MOST_LAYERS, minItems=1),
    "a list of layers",
    "From the first hidden layer to the output layer.",
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


def read_layers(
    node: Node, report: Report, samples: Samples, default_bias_input: Number
) -> ReadLayers:
    """Every layer; the first one gets the inputs of the samples, if the file has them.

    A layer with mistakes is there too, with quantities without number where a value is wrong, so
    that the rest of the file can be checked as if it were right.
    """
    read = ReadLayers()
    found = rows(node, report, "`layers`", "layers", "layer", MOST_LAYERS)
    read.structured = bool(found)
    below = _inputs(samples)
    read.handed.append(below)
    writer = Writer()
    room = MOST_PARAMETERS
    for index, row in enumerate(found, 1):
        place = LayerPlace(index, row, report, read.named)
        reader: _LayerReader | None = None
        try:
            if (kind := _kind(place, below)) is None:
                reader = _LayerReader(place, _flat(place, below, samples), default_bias_input, read)
                layer: AnyLayer = reader.read(room)
            else:
                layer = _array_layer(place, kind, below, writer, samples, read)
                if index == len(found):
                    layer = as_output(layer, value_names("yhat", layer.shape), "yhat")
            read.layers.append(layer)
            below = _handed(index, layer)
            if isinstance(layer, Layer):
                room -= sum(map(sum, layer.connected)) + len(layer.biases)
        except Refused:
            read.structured = False
            below = None if reader is None else _units(index, reader.units)
        if reader is not None:
            read.fan_in = reader.fan_in if index == 1 else read.fan_in
            if reader.too_large:
                return read
        read.handed.append(below)
    read.shape = None if below is None else below.shape
    return read


def _inputs(samples: Samples) -> Handed | None:
    if samples.inputs is None:
        return None
    shape = samples.inputs_shape or (samples.inputs,)
    return Handed("x", shape, value_names("x", shape), "the input is")


def _units(index: int, units: int | None, letter: str = "a") -> Handed | None:
    """What a dense layer hands on."""
    if units is None:
        return None
    names = tuple(f"{letter}{index}_{unit}" for unit in range(1, units + 1))
    return Handed(f"{letter}{index}", (units,), names, f"layer {index} gives")


def _handed(index: int, layer: AnyLayer) -> Handed | None:
    if isinstance(layer, Layer):
        return _units(index, layer.units, "h" if layer.hands_on_more else "a")
    giver = f"layer {index} gives"
    return Handed(layer.handed, layer.shape, layer.outputs, giver, layer.axes)


def _kind(at: LayerPlace, below: Handed | None) -> LayerKind | None:
    """The row of the table for a layer that is not dense, or dense on each row of a sequence."""
    pairs = at.node.entries if isinstance(at.node, Entries) else ()
    node = next((value for key, value in pairs if key.text == "kind"), None)
    name = DENSE
    if node is not None and not (isinstance(node, Scalar) and node.null):
        name = at.report.tried(word, node, f"`kind` of {at}") or DENSE
    if name not in KINDS:
        assert node is not None
        at.report.refuse(
            "unknown-choice", f"{quote(name)} is not a kind of layer", node,
            at.report.nearest(name, KINDS) or "`backprop list layers` shows the kinds",
        )  # fmt: skip
    if name != DENSE:
        return KINDS[name]
    sequence = below is not None and len(below.shape) == 2 and (below.axes == 0 or node is not None)
    return KINDS[DENSE] if sequence else None


def _flat(at: LayerPlace, below: Handed | None, samples: Samples) -> int | None:
    """How many numbers come into a dense layer, which takes them one after the other."""
    if below is None:
        return None
    if len(below.shape) > 1:
        given = samples.samples[0].inputs_node if at.index == 1 else None
        one_row = given is not None and below.shape[0] == 1
        message = f"{at} is dense and takes a list of numbers, and {below.words}"
        help = "leave the inner brackets out" if one_row else "put `{kind: flatten}` before it"
        at.report.error("shape", message, given or at.node, help)
    return len(below.entries)


def _array_layer(
    at: LayerPlace, kind: LayerKind, below: Handed | None, writer: Writer, samples: Samples,
    read: ReadLayers,
) -> ArrayLayer:  # fmt: skip
    """A layer of the table."""
    own = kind.keys.of(at.node, at.report, f"{at} ({kind.name})", of=at)
    _note(own, at.index, read)
    settings = kind.settings(own)
    if below is None:
        if at.index == 1 and not samples.have_inputs:
            at.report.error(
                "missing-key", f"nothing says what {at} gets", at.node,
                "give `inputs: [[1, 0], [0, 1]]`, or `inputs: {shape: [4, 4]}` without numbers",
            )  # fmt: skip
        raise Refused
    writer.know(below)
    made = Making(at, own, below, writer, samples, axes=kind.axes, after=_after(own, at))
    if (layer := at.report.tried(_skip, own[ADD], at)) is not None:
        made.added = read.handed[layer]
        if made.added is not None:
            writer.know(made.added)
    try:
        out = made.behind(kind.write(made, settings))
    except ArrayError as error:
        code = "too-large" if isinstance(error, TooLarge) else "shape"
        at.report.refuse(code, f"{at}: {error.message}", at.node, error.help)
    return made.layer(kind.name, out)


class _LayerReader:
    def __init__(
        self, at: LayerPlace, fan_in: int | None, bias_input: Number, read: ReadLayers
    ) -> None:
        self.at, self.report = at, at.report
        self.fan_in, self.bias_input, self.all = fan_in, bias_input, read
        self.units: int | None = None
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
        _note(own, self.at.index, self.all)
        weights = own[WEIGHTS]
        tied, grid = None, None
        with suppress(Refused):
            if _is_tied(weights):
                tied = self._tied(weights)
                grid = self._shared(own, tied, weights)
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
        after = _after(own, self.at)
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
        layer = _skip(node, self.report, self.at)
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
            read = WrittenWeights(weights, self.at, self.fan_in, self.units, hint)
            self.units, self.fan_in = read.units, read.fan_in
            self.too_large = read.too_large
            return read.grid
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


def _skip(node: Node, report: Report, at: LayerPlace) -> int:
    """The layer below that `add` names, 0 for the inputs."""
    what, last = f"`add` of {at}", at.index - 1
    if isinstance(node, Scalar) and node.text.strip() == "inputs":
        return 0
    help = "`inputs` adds the inputs" if last else "the first layer can add `inputs`"
    layer = integer(node, report, what, 1, max(1, last), help)
    if layer > last:
        report.refuse("out-of-range", f"{what}: there is no layer below it", node, help)
    return layer


def _after(own: Fields, at: LayerPlace) -> bool:
    """Whether `add` adds behind the activation."""
    after = own[AFTER]
    if after and own.get("add") is None:
        at.report.error(
            "missing-key", f"`after` of {at} says where `add` adds", at.node,
            "write `add: 1` beside it, or leave it out",
        )  # fmt: skip
    return after


def _note(own: Fields, index: int, read: ReadLayers) -> None:
    """What is looked at when all layers have been read."""
    for row in (FROZEN, TRAINABLE):
        if (node := own[row]) is not None:
            read.moved.append((row.key, index, node))
    if (node := own.get("activation")) is not None:
        read.activation_nodes[index] = node


def _is_tied(node: Node | None) -> TypeGuard[Entries]:
    return isinstance(node, Entries) and any(key.text == "same_as" for key, _ in node.entries)
