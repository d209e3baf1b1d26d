"""The layers of a network, each read from its parts and checked against the one before."""

from __future__ import annotations

from dataclasses import field

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.batch_norm import read_batch_norm
from backprop_cli.problem.biases import Biases, read_bias_input, read_biases
from backprop_cli.problem.fields import Fields, fields
from backprop_cli.problem.forms import Layer, Tied
from backprop_cli.problem.initializer_use import initializer
from backprop_cli.problem.layer_place import LayerPlace, NamedCell
from backprop_cli.problem.samples import counted
from backprop_cli.problem.unit_activations import listed_activations, per_unit
from backprop_cli.problem.values import Report, integer, is_number, items, truth
from backprop_cli.problem.weights import MOST_PARAMETERS, MOST_UNITS, Grid, WrittenWeights, full
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar

MOST_LAYERS = 1_000

LAYER_KEYS = (
    "activation",
    "units",
    "weights",
    "biases",
    "bias_input",
    "batch_norm",
    "add",
    "frozen",
    "trainable",
)


@dataclass
class ReadLayers:
    """The layers as far as they could be read, and what can be checked only with all of them."""

    layers: list[Layer] = field(default_factory=list)
    structured: bool = True  # False: not even how many units each has is known
    units: int | None = None  # of the last layer
    fan_in: int | None = None  # of the first
    named: list[NamedCell] = field(default_factory=list)
    batch_norms: list[Node] = field(default_factory=list)
    frozen: list[tuple[int, Node]] = field(default_factory=list)  # layer, list or true
    trainable: list[tuple[int, Node]] = field(default_factory=list)
    activation_nodes: dict[int, Node] = field(default_factory=dict)


def read_layers(
    node: Node, report: Report, inputs: int | None, default_bias_input: Number
) -> ReadLayers:
    """Every layer; `inputs` is how many values the first one gets, None if nothing says so.

    A layer with mistakes is there too, with quantities without number where a value is wrong, so
    that the rest of the file can be checked as if it were right.
    """
    read = ReadLayers()
    rows = items(node, report, "`layers`", "layers") or ()
    if isinstance(node, Items) and not rows:
        report.error("missing-value", "`layers` is an empty list", node, "give one layer at least")
    if len(rows) > MOST_LAYERS:
        report.error(
            "too-large", f"there are {len(rows):,} layers; {MOST_LAYERS:,} are allowed", node
        )
        rows = ()
    read.structured = bool(rows)
    fan_in = inputs
    room = MOST_PARAMETERS
    for index, row in enumerate(rows, 1):
        place = LayerPlace(index, row, report, read.named)
        reader = _LayerReader(place, fan_in, default_bias_input, read)
        layer = reader.read(room)
        if index == 1:
            read.fan_in = reader.fan_in
        fan_in = reader.units
        if layer is None:
            read.structured = False
        else:
            read.layers.append(layer)
            room -= sum(map(sum, layer.connected)) + len(layer.biases)
        if reader.too_large:
            return read
    read.units = fan_in
    return read


class _LayerReader:
    def __init__(
        self, at: LayerPlace, fan_in: int | None, bias_input: Number, read: ReadLayers
    ) -> None:
        self.at, self.report = at, at.report
        self.fan_in, self.bias_input, self.all = fan_in, bias_input, read
        self.units: int | None = None
        self.too_large = False

    def read(self, room: int) -> Layer | None:
        """The layer, or None where its size is not known or too large."""
        node = self.at.node
        if not isinstance(node, Entries):
            kind = "a list" if isinstance(node, Items) else "a single value"
            self.report.error(
                "not-a-mapping",
                f"{self.at} must be a mapping like {{activation: relu, weights: …}}, not {kind}",
                node,
                _units_alone(node),
            )
            return None
        own = fields(node, self.report, str(self.at), LAYER_KEYS)
        activations = listed_activations(own, self.at)
        self._note(own)
        weights = own.get("weights")
        tied = self._tied(weights) if _is_tied(weights) else None
        grid = None
        if tied is not None:
            grid = self._shared(own, tied, weights or self.at.node)
        elif not _is_tied(weights):
            grid = self._weights(own, weights, len(activations))
        self._check_size(room)
        if self.too_large:
            return None
        biases = read_biases(
            own.get("biases"), self.at, self.units, self.fan_in, symbolic=weights is None
        )
        bias_input = self.bias_input
        if (found := own.get("bias_input")) is not None:
            bias_input = read_bias_input(found, self.report) or bias_input
        drawn = None
        if isinstance(weights, Entries) and not _is_tied(weights):
            drawn = initializer(weights, self.report, "weights", self.at.index)
        if self.units is None or self.fan_in is None:
            return None
        unit_activations = per_unit(activations, own, self.at, self.units)
        batch_norm = None
        if (found := own.get("batch_norm")) is not None:
            batch_norm = read_batch_norm(found, self.at, self.units)
            if batch_norm is not None:
                self.all.batch_norms.append(found)
        added = None if (found := own.get("add")) is None else self._added(found, self.units)
        if drawn is not None:
            grid = full(drawn.values(self.units, self.fan_in, self.fan_in, self.units))
        grid = grid or full(((None,) * self.fan_in,) * self.units)
        biases = biases or Biases("each", (None,) * self.units)
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
            bias_input=bias_input,
            batch_norm=batch_norm,
            add=added,
            tied=tied,
            initialised="; ".join(sentences) or None,
        )

    def _tied(self, node: Node | None) -> Tied | None:
        """`{same_as: 1, transposed: true}`"""
        assert isinstance(node, Entries)
        what, last = f"`weights` of {self.at}", self.at.index - 1
        own = fields(node, self.report, what, ("same_as", "transposed"))
        place = own.get("same_as")
        if place is None or not last:
            why = "does not say which layer's" if last else "are those of a layer below, of none"
            self.report.error("missing-value", f"{what} {why}", node, "write `same_as: 1`")
            return None
        layer = integer(place, self.report, f"`same_as` of {self.at}", 1, last)
        transposed = own.read("transposed", lambda n: truth(n, self.report, "`transposed`"), False)
        if layer is None or not self.all.structured:
            return None
        return Tied(layer, transposed)

    def _shared(self, own: Fields, tied: Tied, node: Node) -> Grid | None:
        """The weights of the layer that this one shares them with, if their shape fits."""
        other = self.all.layers[tied.layer - 1]
        shape = (other.units, other.fan_in)
        self.units, needed = shape[::-1] if tied.transposed else shape
        if (said := own.get("units")) is not None:
            integer(said, self.report, f"`units` of {self.at}", self.units, self.units)
        if needed != self.fan_in:
            self.report.error(
                "shape",
                f"{self.at} gets {counted(self.fan_in or 0, 'value')}, and these weights are for"
                f" {counted(needed, 'value')}",
                node,
                None if tied.transposed else "`transposed: true` exchanges rows and columns",
            )
            return None
        values = other.weights or ((None,) * other.fan_in,) * other.units
        if tied.transposed:
            return Grid(tuple(zip(*values, strict=True)), tuple(zip(*other.connected, strict=True)))
        return Grid(values, other.connected)

    def _added(self, node: Node, units: int) -> int | None:
        """The layer that `add` names, 0 for the inputs: one below with as many values."""
        what, last = f"`add` of {self.at}", self.at.index - 1
        layer: int | None = 0
        if not (isinstance(node, Scalar) and node.text.strip() == "inputs"):
            help = "`inputs` adds the inputs" if last else "the first layer can add `inputs`"
            layer = integer(node, self.report, what, 1, max(1, last), help)
        if layer is None or not self.all.structured:
            return None
        if layer > last:
            self.report.error("out-of-range", f"{what}: there is no layer below it", node, help)
            return None
        below = self.all.layers
        count = below[layer - 1].units if layer else below[0].fan_in if below else self.fan_in
        if count != units:
            self.report.error(
                "shape",
                f"{what}: {counted(units, 'unit')} cannot add {counted(count or 0, 'value')}",
                node,
                "what is added has one value for each unit",
            )
            return None
        return layer

    def _note(self, own: Fields) -> None:
        """What is looked at when all layers have been read."""
        index = self.at.index
        if (node := own.get("frozen")) is not None:
            self.all.frozen.append((index, node))
        if (node := own.get("trainable")) is not None:
            self.all.trainable.append((index, node))
        if (node := own.get("activation")) is not None:
            self.all.activation_nodes[index] = node

    def _weights(self, own: Fields, weights: Node | None, activations: int) -> Grid | None:
        """The weights where they are written out; in any case how many units there are."""
        node = own.get("units")
        if node is not None:
            self.units = integer(node, self.report, f"`units` of {self.at}", 1, MOST_UNITS)
        if weights is not None and not isinstance(weights, Entries):
            hint = None
            if isinstance(own.get("activation"), Items):
                hint = activations
            biases = own.get("biases")
            if isinstance(biases, Items) and biases.items:
                hint = len(biases.items)
            read = WrittenWeights(weights, self.at, self.fan_in, self.units, hint)
            self.units, self.fan_in = read.units, read.fan_in
            self.too_large = read.too_large
            return read.grid
        if node is None:
            missing = (
                f"{self.at} has neither `weights` nor `units`"
                if weights is None
                else f"{self.at} draws its weights, so it must say how many units it has"
            )
            advice = (
                "add `weights: [[…], …]`, a row per unit; or `units:` for a symbolic layer"
                if weights is None
                else "add `units:`"
            )
            self.report.error("missing-key", missing, weights or self.at.node, advice)
        return None

    def _check_size(self, room: int) -> None:
        if self.units is not None and self.units * ((self.fan_in or 0) + 1) > room:
            self.too_large = True
        if self.too_large:
            self.report.error(
                "too-large",
                f"a layer may have {MOST_UNITS:,} units and a network {MOST_PARAMETERS:,} "
                f"parameters, and {self.at} goes beyond that",
                self.at.node,
            )

    def _unconnected(self, grid: Grid, biases: Biases, node: Node | None) -> None:
        for unit, row in enumerate(grid.connected, 1):
            if not any(row) and biases.kind == "none" and isinstance(node, Items):
                self.report.error(
                    "no-connection",
                    f"unit {unit} of {self.at} has no connection and no bias",
                    node.items[unit - 1],
                    "`null` means that there is no connection; a weight can be 0",
                )


def _is_tied(node: Node | None) -> bool:
    return isinstance(node, Entries) and any(key.text == "same_as" for key, _ in node.entries)


def _units_alone(node: Node) -> str | None:
    """`layers: [2, 1]` counts units and leaves the rest to be guessed."""
    if is_number(node) and isinstance(node, Scalar):
        return f"write {{activation: sigmoid, units: {node.text}}}"
    return None
