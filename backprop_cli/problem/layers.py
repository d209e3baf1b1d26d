"""The layers of a network: weights, biases, activations, and whether their shapes fit together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from backprop_cli.diagnostics import quote
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.initializer_use import Initializer, initializer
from backprop_cli.problem.model import Activation, BatchNorm, Custom, Layer, RuleUse, Value
from backprop_cli.problem.rule_use import activation
from backprop_cli.problem.samples import counted
from backprop_cli.problem.values import (
    NOT_NEGATIVE,
    NOT_ZERO,
    Fields,
    Report,
    fields,
    integer,
    items,
    number,
    number_in,
    truth,
)
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar

MOST_LAYERS = 1_000
MOST_UNITS = 2_000
MOST_PARAMETERS = 200_000

LAYER_KEYS = (
    "activation",
    "units",
    "weights",
    "biases",
    "bias_input",
    "batch_norm",
    "frozen",
    "trainable",
)

Bias: TypeAlias = Literal["each", "shared", "none"]


UNREAD = Custom("unread", Number("0"))
"""Stands for an activation that could not be read, until the whole file has been."""


@dataclass(frozen=True)
class NamedCell:
    """A name written where a number could stand; `source` is None for a bias."""

    node: Scalar
    layer: int
    unit: int
    source: int | None


@dataclass
class ReadLayers:
    """The layers as far as they could be read, and what can be checked only with all of them."""

    layers: list[Layer] = field(default_factory=list)
    complete: bool = True  # False: something about them was wrong
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
    """Every layer; `inputs` is how many values the first one gets, None if nothing says so."""
    read = ReadLayers()
    rows = items(node, report, "`layers`", "layers")
    if rows is not None and not rows:
        report.error("missing-value", "`layers` is an empty list", node, "give one layer at least")
    if rows is None or not rows:
        read.complete = read.structured = False
        return read
    if len(rows) > MOST_LAYERS:
        report.error(
            "too-large", f"there are {len(rows):,} layers; {MOST_LAYERS:,} are allowed", node
        )
        rows = rows[:1]
        read.complete = read.structured = False
    fan_in = inputs
    parameters = 0
    for index, row in enumerate(rows, 1):
        start = len(report.problems)
        reader = _LayerReader(row, index, report, fan_in, default_bias_input, read)
        layer = reader.read(MOST_PARAMETERS - parameters)
        if index == 1:
            read.fan_in = reader.fan_in
        fan_in = reader.units
        failed = any(problem.severity == "error" for problem in report.problems[start:])
        read.complete = read.complete and layer is not None and not failed
        read.structured = read.structured and layer is not None
        if reader.too_large:
            read.units = None
            return read
        if layer is not None:
            read.layers.append(layer)
            parameters += sum(map(sum, layer.connected)) + len(layer.biases)
    read.units = fan_in
    return read


@dataclass(frozen=True)
class _Grid:
    """Weights as written: values, and where there is a connection at all."""

    values: tuple[tuple[Value, ...], ...]
    connected: tuple[tuple[bool, ...], ...]


class _LayerReader:
    def __init__(
        self,
        node: Node,
        index: int,
        report: Report,
        fan_in: int | None,
        bias_input: Number,
        read: ReadLayers,
    ) -> None:
        self.node, self.index, self.report = node, index, report
        self.fan_in, self.bias_input, self.all = fan_in, bias_input, read
        self.units: int | None = None
        self.too_large = False
        self.initialised: list[str] = []

    @property
    def where(self) -> str:
        return f"layer {self.index}"

    def read(self, room: int) -> Layer | None:
        if not isinstance(self.node, Entries):
            kind = "a list" if isinstance(self.node, Items) else "a single value"
            self.report.error(
                "not-a-mapping",
                f"{self.where} must be a mapping like {{activation: relu, weights: …}}, not {kind}",
                self.node,
            )
            return None
        own = fields(self.node, self.report, self.where, LAYER_KEYS)
        activations = self._activations(own)
        units = own.get("units")
        said = (
            integer(units, self.report, f"`units` of {self.where}", 1, MOST_UNITS)
            if units is not None
            else None
        )
        weights = own.get("weights")
        grid: _Grid | None = None
        drawn: Initializer | None = None
        if isinstance(weights, Entries):
            drawn = initializer(weights, self.report, "weights", self.index)
            self.units = said
            if units is None:
                self.report.error(
                    "missing-key",
                    f"{self.where} draws its weights, so it must say how many units it has",
                    weights,
                    "add `units:`",
                )
        elif weights is not None:
            grid = self._written_weights(weights, said, own, activations)
        else:
            self.units = said
            if units is None:
                self.report.error(
                    "missing-key",
                    f"{self.where} has neither `weights` nor `units`",
                    self.node,
                    "add `weights: [[…], …]`, a row per unit; or `units:` for a symbolic layer",
                )
        self._check_size(room)
        if self.too_large:
            return None
        symbolic = weights is None
        bias, biases = self._biases(own.get("biases"), symbolic)
        unit_activations = self._per_unit(activations, own)
        bias_input = self.bias_input
        if (node := own.get("bias_input")) is not None:
            bias_input = read_bias_input(node, self.report) or bias_input
        batch_norm = self._batch_norm(own.get("batch_norm"))
        for name, found in (("frozen", self.all.frozen), ("trainable", self.all.trainable)):
            if (node := own.get(name)) is not None:
                found.append((self.index, node))
        if (node := own.get("activation")) is not None:
            self.all.activation_nodes[self.index] = node
        if self.units is None or self.fan_in is None:
            return None
        # What is wrong has been reported; the rest of the file is checked as if it were right.
        if drawn is not None:
            grid = self._drawn_weights(drawn)
        if grid is None:
            grid = _full(((None,) * self.fan_in,) * self.units)
        if bias is None:
            bias, biases = "each", (None,) * self.units
        self._unconnected(grid, bias, weights)
        all_symbolic = all(value is None for row in grid.values for value in row)
        whole = all(map(all, grid.connected))
        return Layer(
            units=self.units,
            fan_in=self.fan_in,
            activations=unit_activations or (UNREAD,) * self.units,
            weights=None if all_symbolic and whole else grid.values,
            connected=grid.connected,
            bias=bias,
            biases=biases,
            bias_input=bias_input,
            batch_norm=batch_norm,
            initialised="; ".join(self.initialised) or None,
        )

    def _check_size(self, room: int) -> None:
        if self.units is None or self.too_large:
            return
        parameters = self.units * ((self.fan_in or 0) + 1)
        if parameters > room or self.units > MOST_UNITS:
            self._too_large(MOST_UNITS if self.units > MOST_UNITS else None)

    def _too_large(self, units: int | None) -> None:
        limit = (
            f"a layer may have {units:,} units"
            if units is not None
            else f"a network may have {MOST_PARAMETERS:,} parameters"
        )
        self.report.error("too-large", f"{limit}, and {self.where} goes beyond that", self.node)
        self.too_large = True

    # --- weights ---------------------------------------------------------------------------------

    @property
    def _giver(self) -> str:
        assert self.fan_in is not None
        if self.index == 1:
            verb = "is" if self.fan_in == 1 else "are"
            return f"there {verb} {counted(self.fan_in, 'input')}"
        return f"layer {self.index - 1} gives {counted(self.fan_in, 'value')}"

    def _must_be(self, units: int) -> str:
        return (
            f"{self.where} has {counted(units, 'unit')} and {self._giver}, so weights must be "
            f"{counted(units, 'row')} of {counted(self.fan_in or 0, 'number')}"
        )

    def _written_weights(
        self,
        node: Node,
        said: int | None,
        own: Fields,
        activations: Sequence[Activation | None],
    ) -> _Grid | None:
        self.units = said
        if not isinstance(node, Items):
            self.report.error(
                "not-a-list",
                f"weights of {self.where} must be rows in brackets, a row per unit",
                node,
                "[[…], […]], or {init: uniform, low: -0.1, high: 0.1, seed: 7}",
            )
            return None
        rows = node.items
        if rows and not any(isinstance(row, Items) for row in rows):
            shown = [row.text if isinstance(row, Scalar) else "…" for row in rows[:4]]
            one_unit = self.fan_in is None or self.fan_in == len(rows)
            advice = ", ".join(shown) if one_unit else "], [".join(shown)
            more = ", …" if len(rows) > 4 else ""
            self.report.error(
                "not-a-list",
                f"weights of {self.where} must be a list of rows, a row per unit",
                node,
                f"write [[{advice}{more}]]",
            )
            if said is None and self.fan_in is not None:
                self.units = 1 if one_unit else len(rows)
            return None
        if not rows:
            self.report.error("missing-value", f"weights of {self.where} are empty", node)
            return None
        size = sum(len(row.items) for row in rows if isinstance(row, Items))
        if len(rows) > MOST_UNITS or size > MOST_PARAMETERS:
            self.units = len(rows)
            self._too_large(MOST_UNITS if len(rows) > MOST_UNITS else None)
            return None
        read: list[tuple[Value, ...]] = []
        connected: list[tuple[bool, ...]] = []
        for unit, row in enumerate(rows, 1):
            cells = items(row, self.report, f"row {unit} of the weights of {self.where}", "numbers")
            cells = cells or ()
            read.append(
                tuple(self._weight(cell, unit, source) for source, cell in enumerate(cells, 1))
            )
            connected.append(tuple(not (isinstance(cell, Scalar) and cell.null) for cell in cells))
        if not self._shapes(node, rows, read, said, own, activations):
            return None
        return _Grid(tuple(read), tuple(connected))

    def _weight(self, cell: Node, unit: int, source: int) -> Value:
        if isinstance(cell, Scalar):
            if cell.null:
                return None
            if _WEIGHT_NAME.match(cell.text):
                self.all.named.append(NamedCell(cell, self.index, unit, source))
                return None
        place = f"weight {source} of unit {unit} in {self.where}"
        return number(cell, self.report, place)

    def _shapes(
        self,
        node: Node,
        rows: Sequence[Node],
        read: Sequence[tuple[Value, ...]],
        said: int | None,
        own: Fields,
        activations: Sequence[Activation | None],
    ) -> bool:
        lengths = [len(row) for row in read]
        usual = Counter(lengths).most_common(1)[0][0]
        hint = said or self._units_hint(own, activations)
        self.units = said or len(read)
        if self.fan_in is None:
            if self.index == 1:
                self.fan_in = usual
            for unit, (row, length) in enumerate(zip(rows, lengths, strict=True), 1):
                if length != usual:
                    self.report.error(
                        "shape",
                        f"row {unit} of the weights of {self.where} has "
                        f"{counted(length, 'number')}, and the others have {usual}",
                        row,
                    )
            fits = set(lengths) == {usual}
        else:
            bad = [unit for unit, length in enumerate(lengths, 1) if length != self.fan_in]
            exchanged = (
                len(read) == self.fan_in
                and set(lengths) == {hint}
                and hint is not None
                and (hint != len(read) or bool(bad))
            )
            if exchanged:
                assert hint is not None
                self.units = hint
            fits = not bad
            if exchanged and (bad or said is not None):
                self.report.error(
                    "shape",
                    self._must_be(self.units),
                    node,
                    f"these are {counted(len(read), 'row')} of {counted(usual, 'number')}: rows and "
                    "columns are exchanged",
                )
                return False
            if bad and len(bad) == len(read):
                same = f" of {usual}" if len(set(lengths)) == 1 else ""
                self.report.error(
                    "shape",
                    self._must_be(self.units),
                    node,
                    f"{'this is' if len(read) == 1 else 'these are'} {counted(len(read), 'row')}"
                    f"{same}{'' if not same else ' number' + ('s' if usual != 1 else '')}",
                )
                return False
            for unit in bad:
                self.report.error(
                    "shape",
                    self._must_be(self.units),
                    rows[unit - 1],
                    f"row {unit} has {counted(lengths[unit - 1], 'number')}",
                )
        if said is not None and said != len(read):
            self.report.error(
                "shape",
                f"`units` says that {self.where} has {counted(said, 'unit')}, and its weights have "
                f"{counted(len(read), 'row')}",
                node,
                "weights have a row per unit; `units` may be left out",
            )
            return False
        return fits

    def _units_hint(self, own: Fields, activations: Sequence[Activation | None]) -> int | None:
        """How many units other keys speak of."""
        biases = own.get("biases")
        if isinstance(biases, Items) and biases.items:
            return len(biases.items)
        return len(activations) if isinstance(own.get("activation"), Items) else None

    def _drawn_weights(self, drawn: Initializer) -> _Grid:
        assert self.units is not None
        assert self.fan_in is not None
        self.initialised.insert(0, drawn.sentence)
        return _full(drawn.values(self.units, self.fan_in, self.fan_in, self.units))

    def _unconnected(self, grid: _Grid, bias: Bias, node: Node | None) -> None:
        for unit, row in enumerate(grid.connected, 1):
            if not any(row) and bias == "none" and isinstance(node, Items):
                self.report.error(
                    "no-connection",
                    f"unit {unit} of {self.where} has no connection and no bias",
                    node.items[unit - 1],
                    "`null` means that there is no connection; a weight can be 0",
                )

    # --- biases ----------------------------------------------------------------------------------

    def _biases(self, node: Node | None, symbolic: bool) -> tuple[Bias | None, tuple[Value, ...]]:
        units = self.units or 0
        match node:
            case None:
                # A symbolic layer is drawn as textbooks draw it: each unit has its bias.
                return ("each", (None,) * units) if symbolic else ("none", ())
            case Scalar(text="none" | "false" | "False"):
                return "none", ()
            case Scalar(text="shared"):
                return "shared", (None,)
            case Scalar(text="each" | "true" | "True"):
                return "each", (None,) * units
            case Scalar():
                return "shared", (self._bias(node, 1, f"the shared bias of {self.where}"),)
            case Entries():
                drawn = initializer(node, self.report, "biases", 100 + self.index)
                if drawn is None or self.units is None:
                    return None, ()
                self.initialised.append(f"biases {drawn.sentence}")
                values = drawn.values(1, units, self.fan_in or 1, units)
                return "each", values[0]
            case Items(_, ()):
                return "none", ()
            case Items(_, cells):
                read = tuple(
                    self._bias(cell, unit, f"bias {unit} of {self.where}")
                    for unit, cell in enumerate(cells, 1)
                )
                if self.units is not None and len(read) != self.units:
                    advice = None
                    if len(read) == 1:
                        advice = "a number without brackets is one bias shared by the layer"
                    self.report.error(
                        "shape",
                        f"{self.where} has {counted(units, 'unit')}, so biases must be "
                        f"{counted(units, 'number')}, not {len(read)}",
                        node,
                        advice,
                    )
                    return None, ()
                return "each", read

    def _bias(self, cell: Node, unit: int, what: str) -> Value:
        if isinstance(cell, Scalar):
            if cell.null:
                self.report.error(
                    "missing-value",
                    f"{what} is empty",
                    cell,
                    "write 0; a bias without a number is written as its name",
                )
                return None
            if _BIAS_NAME.match(cell.text):
                self.all.named.append(NamedCell(cell, self.index, unit, None))
                return None
        return number(cell, self.report, what)

    # --- activations -----------------------------------------------------------------------------

    def _activations(self, own: Fields) -> tuple[Activation | None, ...]:
        node = own.get("activation")
        if node is None:
            if "activation" not in own.values or own.get("activation") is None:
                self.report.warning(
                    "no-activation",
                    f"{self.where} has no activation, so its units give z itself",
                    own.keys.get("activation", self.node),
                    "`activation: identity` says that this is meant",
                )
            return (RuleUse("identity"),)
        if isinstance(node, Items):
            found = tuple(activation(one, self.report) for one in node.items)
            names = {one.name if isinstance(one, RuleUse) else None for one in found if one}
            if "softmax" in names and len(names) > 1:
                at = next(
                    cell
                    for cell, one in zip(node.items, found, strict=True)
                    if isinstance(one, RuleUse) and one.name == "softmax"
                )
                self.report.error(
                    "mixed-softmax",
                    "softmax stands beside another activation in one layer",
                    at,
                    "softmax turns all values of a layer into shares of 1, so the whole layer has it",
                )
            return found
        return (activation(node, self.report),)

    def _per_unit(
        self, found: tuple[Activation | None, ...], own: Fields
    ) -> tuple[Activation, ...] | None:
        node = own.get("activation")
        read = tuple(one for one in found if one is not None)
        if isinstance(node, Items) and self.units is not None and len(found) != self.units:
            self.report.error(
                "shape",
                f"{self.where} has {counted(self.units, 'unit')}, so a list of activations must have "
                f"{counted(self.units, 'name')}, not {len(found)}",
                node,
                "a name without brackets is for every unit",
            )
            return None
        if len(read) != len(found) or self.units is None:
            return None
        if isinstance(node, Items):
            return read
        if isinstance(read[0], RuleUse) and read[0].name == "softmax" and self.units == 1:
            self.report.warning(
                "softmax-of-one",
                f"softmax over the one unit of {self.where} is always 1",
                node or self.node,
                "with one output use `sigmoid`",
            )
        return read * self.units

    # --- the rest --------------------------------------------------------------------------------

    def _batch_norm(self, node: Node | None) -> BatchNorm | None:
        if node is None:
            return None
        what = f"`batch_norm` of {self.where}"
        if isinstance(node, Scalar):
            if truth(node, self.report, f"{what}, where it is no mapping,"):
                self.all.batch_norms.append(node)
                ones = (Number("1"),) * (self.units or 0)
                return BatchNorm(Number("1e-5"), ones, (Number("0"),) * (self.units or 0))
            return None
        own = fields(node, self.report, what, ("epsilon", "gamma", "beta"))
        self.all.batch_norms.append(node)
        epsilon = own.read(
            "epsilon",
            lambda one: number_in(one, self.report, "`epsilon`", NOT_NEGATIVE),
            Number("1e-5"),
        )
        return BatchNorm(
            epsilon,
            self._unit_numbers(own.get("gamma"), "gamma", Number("1")),
            self._unit_numbers(own.get("beta"), "beta", Number("0")),
        )

    def _unit_numbers(self, node: Node | None, name: str, default: Number) -> tuple[Number, ...]:
        units = self.units or 0
        if node is None:
            return (default,) * units
        if isinstance(node, Scalar):
            return (number(node, self.report, f"`{name}`") or default,) * units
        cells = items(node, self.report, f"`{name}`", "numbers") or ()
        if isinstance(node, Items) and self.units is not None and len(cells) != units:
            self.report.error(
                "shape",
                f"{self.where} has {counted(units, 'unit')}, so `{name}` must be "
                f"{counted(units, 'number')}, not {len(cells)}",
                node,
            )
        return tuple(
            number(cell, self.report, f"`{name}` {unit}") or default
            for unit, cell in enumerate(cells, 1)
        )


_WEIGHT_NAME = re.compile(r"w[0-9_]{0,20}\Z")
_BIAS_NAME = re.compile(r"b[0-9_]{0,20}\Z")


def _full(values: tuple[tuple[Value, ...], ...]) -> _Grid:
    return _Grid(values, tuple((True,) * len(row) for row in values))


def read_bias_input(node: Node, report: Report) -> Number | None:
    """What a bias is multiplied by: 1, or −1 where it is a threshold."""
    return number_in(
        node, report, f"{quote('bias_input')}", NOT_ZERO, "a layer without biases has no `biases`"
    )
