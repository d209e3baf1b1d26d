"""The plain names of a layered network's quantities, in both naming schemes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TypeAlias

from backprop_cli.arrays.array import Shape, entry_names
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.nodes import Name
from backprop_cli.formula.spelling import Lettering
from backprop_cli.problem.forms import (
    AnyLayer,
    ArrayLayer,
    Layer,
    Network,
    Parameter,
    RuleUse,
    Value,
)
from backprop_cli.problem.model import Notation


def value_names(letter: str, shape: Shape) -> tuple[str, ...]:
    """`x` alone, `x1`, `x2`, …, or the entries of an image or a sequence: `x_1_2`."""
    if len(shape) > 1:
        return tuple(entry_names(letter, shape))
    (count,) = shape
    return (letter,) if count == 1 else tuple(f"{letter}{i}" for i in range(1, count + 1))


Valued: TypeAlias = Iterator[tuple[str, str, Value, int | None]]
"""A name, the section of a file that it belongs to ("" for what is in none), its value, and its
sample where there are several."""
SECTION_OF: Mapping[str, str] = {"weight": "weights", "bias": "biases", "shared bias": "biases"}
"""The section of a layer's parameters by their role; first values of γ and β belong to none."""


@dataclass(frozen=True)
class NetworkNames:
    """Names of inputs, targets, units, weights and biases; layers and units count from 1."""

    network: Network
    notation: Notation

    @property
    def sequential(self) -> bool:
        return self.notation.names == "sequential"

    @cached_property
    def lettering(self) -> Lettering:
        """How these names are written."""
        notation = self.notation
        letters = Lettering(symbols=notation.symbols)
        numbered = self._numbered() if notation.output_units == "numbered" else {}
        dense = [layer for layer in self.network.layers if isinstance(layer, Layer)]
        biased = [layer for layer in dense if layer.bias != "none"]
        lowered = [layer for layer in biased if layer.bias_input.value == -1]
        return Lettering(
            layered=not self.sequential,
            arrays=frozenset(
                view.name
                for layer in self.network.layers
                if isinstance(layer, ArrayLayer)
                for view in layer.views
            ),
            thresholds=bool(lowered) and len(lowered) == len(biased),
            brackets=notation.layer_mark == "brackets",
            symbols={
                **{name: letters.typed(shown) for name, shown in numbered.items()},
                **notation.symbols,
            },
        )

    def _numbered(self) -> dict[str, str]:
        """Output units counted on after the last hidden layer, without a layer: z₃, a₃, w₁₃, b₃.

        Behind a single hidden layer its own units need none either: z₁, w₁₁, w₂₁.
        """
        last = len(self.network.layers)
        found = {} if self._layer(last).units == 1 else {"yhat": "a"}
        for depth in (1, 2)[:last] if last <= 2 else (last,):
            layer = self._dense(depth)
            before = self.output_number(0) if depth == last else 0
            wide = max(layer.fan_in, before + layer.units) > 9
            for unit in range(1, layer.units + 1):
                number = before + unit
                found[self.z(depth, unit)] = f"z{number}"
                found[self.a(depth, unit)] = f"a{number}"
                if layer.bias == "each":
                    found[self.bias(depth, unit)] = f"b{number}"
                for source in range(1, layer.fan_in + 1) if layer.tied is None else ():
                    first, second = self._ordered(number, source)
                    found[self.weight(depth, unit, source)] = (
                        f"w{first}_{second}" if wide else f"w{first}{second}"
                    )
                if depth == last and self.network.targets > 1:
                    found[self.target(unit)] = f"y{number}"
        return found

    def output_number(self, unit: int) -> int:
        """What an output unit is counted as: on from the last hidden layer if the file says so."""
        last = len(self.network.layers)
        if self.notation.output_units != "numbered" or last == 1:
            return unit
        return self._layer(last - 1).units + unit

    def _ordered(self, unit: int, source: int) -> tuple[int, int]:
        """The two indices of a weight in the order they are written."""
        return (source, unit) if self.notation.index_order == "from_to" else (unit, source)

    def _layer(self, layer: int) -> AnyLayer:
        return self.network.layers[layer - 1]

    def _dense(self, layer: int) -> Layer:
        """A layer whose units have names of their own."""
        found = self._layer(layer)
        assert isinstance(found, Layer)
        return found

    @cached_property
    def input_names(self) -> tuple[str, ...]:
        return value_names("x", self.network.inputs_shape or (self.network.inputs,))

    @cached_property
    def target_names(self) -> tuple[str, ...]:
        return value_names("g" if self.network.upstream else "y", self._output_shape)

    @cached_property
    def _output_shape(self) -> Shape:
        last = self.network.layers[-1]
        return last.shape if isinstance(last, ArrayLayer) else (last.units,)

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """What outputs are called: the names of their steps, but where a layer goes on with them
        itself and they have the names that they have in it."""
        return value_names("yhat", self._output_shape)

    def input(self, index: int) -> str:
        return self.input_names[index - 1]

    def target(self, index: int) -> str:
        return self.target_names[index - 1]

    def output(self, index: int) -> str:
        return self.handed(len(self.network.layers), index)

    def handed(self, layer: int, index: int) -> str:
        """Number `index` of what a layer hands on; of layer 0 an input."""
        if layer == 0:
            return self.input(index)
        found = self._layer(layer)
        if isinstance(found, ArrayLayer):
            return found.outputs[index - 1]
        if layer == len(self.network.layers):
            return self.output_names[index - 1]
        return self.of_unit("h" if found.hands_on_more else "a", layer, index)

    def _unit(self, layer: int, unit: int) -> int:
        return sum(above.units for above in self.network.layers[: layer - 1]) + unit

    def z(self, layer: int, unit: int) -> str:
        return self.of_unit("z", layer, unit)

    def a(self, layer: int, unit: int) -> str:
        """The activation; what an output unit hands on is called ŷ."""
        more = self._dense(layer).hands_on_more
        return self.inner_a(layer, unit) if more else self.handed(layer, unit)

    def inner_a(self, layer: int, unit: int) -> str:
        """The name an activation has by its place, also for outputs (`a3_1` for ŷ)."""
        return self.of_unit("a", layer, unit)

    def weight(self, layer: int, unit: int, source: int) -> str:
        """The weight into `unit` of `layer` from `source` of the layer before."""
        if (tied := self._dense(layer).tied) is not None:
            pair = (source, unit) if tied.transposed else (unit, source)
            return self.weight(tied.layer, *pair)
        if self.sequential:
            return f"w{self._weight_numbers[layer, unit, source]}"
        first, second = self._ordered(unit, source)
        return f"w{layer}_{first}_{second}"

    def bias(self, layer: int, unit: int) -> str:
        """The bias of a unit; `b2` where layer 2 shares one."""
        if self.sequential:
            return f"b{self._bias_numbers[layer, unit]}"
        return f"b{layer}" if self._dense(layer).bias == "shared" else f"b{layer}_{unit}"

    def merged(self, layer: int, unit: int) -> bool:
        """Whether the unit is written in one line, without a z of its own.

        Sheets with sequential names write a linear output as ŷ = w₇a₃ + w₈a₄ + b₅.
        """
        if not self.sequential or layer < len(self.network.layers):
            return False
        activation = self._dense(layer).activations[unit - 1]
        return (
            self._dense(layer).batch_norm is None
            and not self._dense(layer).hands_on_more
            and isinstance(activation, RuleUse)
            and activation.name in ("identity", "linear")
        )

    @cached_property
    def _weight_numbers(self) -> dict[tuple[int, int, int], int]:
        numbers: dict[tuple[int, int, int], int] = {}
        for layer in range(1, len(self.network.layers) + 1):
            row = self._dense(layer)
            pairs = [
                (unit, source)
                for unit in range(1, row.units + 1)
                for source in range(1, row.fan_in + 1)
                if row.connected[unit - 1][source - 1] and row.tied is None
            ]
            if self.notation.weight_order == "by_input":
                pairs.sort(key=lambda pair: (pair[1], pair[0]))
            for unit, source in pairs:
                numbers[layer, unit, source] = len(numbers) + 1
        return numbers

    @cached_property
    def _bias_numbers(self) -> dict[tuple[int, int], int]:
        numbers: dict[tuple[int, int], int] = {}
        count = 0
        for layer in range(1, len(self.network.layers) + 1):
            row = self._dense(layer)
            for unit in range(1, row.units + 1) if row.bias != "none" else ():
                count += row.bias == "each" or unit == 1
                numbers[layer, unit] = count
        return numbers

    def parameters_of(self, depth: int) -> Iterator[Parameter]:
        """The parameters of a layer, unit by unit; a bias that it shares comes with every unit."""
        layer = self._layer(depth)
        if isinstance(layer, ArrayLayer):
            yield from layer.parameters
            return
        for unit in range(1, layer.units + 1):
            for source in range(1, layer.fan_in + 1):
                if layer.connected[unit - 1][source - 1]:
                    value = layer.weights[unit - 1][source - 1] if layer.weights else None
                    yield Parameter(self.weight(depth, unit, source), value, "weight", unit)
            if layer.bias == "each":
                yield Parameter(self.bias(depth, unit), layer.biases[unit - 1], "bias", unit)
            elif layer.bias == "shared":
                yield Parameter(self.bias(depth, unit), layer.biases[0], "shared bias", unit)
            if (norm := layer.batch_norm) is not None:
                yield Parameter(
                    self.of_unit("gamma", depth, unit), norm.gamma[unit - 1], "scale", unit
                )
                yield Parameter(
                    self.of_unit("beta", depth, unit), norm.beta[unit - 1], "shift", unit
                )

    def parameters(self) -> tuple[str, ...]:
        """Every weight and bias (and γ, β of batch normalisation), layer by layer."""
        depths = range(1, len(self.network.layers) + 1)
        return tuple(
            dict.fromkeys(each.name for depth in depths for each in self.parameters_of(depth))
        )

    def values(self) -> Valued:
        """What the file has a value for or leaves open: of each sample, then of each layer, weights
        before biases."""
        network, several = self.network, len(self.network.samples) > 1
        targets = "upstream" if network.upstream else "targets"
        for mark, sample in enumerate(network.samples, 1):
            own = mark if several else None
            for name, value in zip(self.input_names, sample.inputs, strict=False):
                yield name, "inputs", value, own
            for name, value in zip(self.target_names, sample.targets, strict=False):
                yield name, targets, value, own
        for depth in range(1, len(network.layers) + 1):
            for each in sorted(self.parameters_of(depth), key=lambda each: each.role != "weight"):
                yield each.name, SECTION_OF.get(each.role, ""), each.value, None

    def arrays(self) -> Mapping[str, tuple[str, ...]]:
        """What the name of an array stands for: its entries."""
        found: dict[str, tuple[str, ...]] = {}
        for layer in self.network.layers:
            if isinstance(layer, ArrayLayer):
                for each in layer.parameters:
                    letters = each.name.partition("_")[0]
                    found[letters] = (*found.get(letters, ()), each.name)
                for view in layer.views:
                    names = [entry.name for entry in view.entries if isinstance(entry, Name)]
                    found[view.name] = tuple(names)
        return found

    def calculated(self) -> tuple[str, ...]:
        """z and a of every unit (one line for both where they are merged), layer by layer."""
        found: list[str] = []
        for layer, row in enumerate(self.network.layers, 1):
            if isinstance(row, ArrayLayer):
                found += [line.name for lines in row.lines for line in lines]
            for unit in range(1, row.units + 1) if isinstance(row, Layer) else ():
                if not self.merged(layer, unit):
                    found.append(self.z(layer, unit))
                found += [self.a(layer, unit), self.handed(layer, unit)]
        return tuple(dict.fromkeys(found))

    def of_unit(self, letters: str, layer: int, unit: int) -> str:
        """Any quantity that each unit has one of: `zhat2_1`, or `zhat3` in sequential names; r is
        whether dropout leaves it in."""
        if self.sequential:
            return f"{letters}{self._unit(layer, unit)}"
        return f"{letters}{layer}_{unit}"
