"""A layered network as steps: z = Σ w·x + b and a = g(z) of every unit, then the loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import assert_never

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import (
    negative,
    number,
    product,
    quotient,
    rename,
    substitute,
    total,
)
from backprop_cli.formula.nodes import Call, Formula, Name, Number, Power
from backprop_cli.graph.naming import sampled
from backprop_cli.graph.parts import (
    activation_row,
    batch_loss,
    leaf,
    loss_row,
    parameter_leaf,
    stable_loss,
)
from backprop_cli.graph.step import Applied, Graph, Leaf, Role, Step, Unit
from backprop_cli.problem.forms import Activation, Custom, Network, RuleUse, Value
from backprop_cli.problem.model import Problem
from backprop_cli.problem.names import NetworkNames
from backprop_cli.rules import activations, losses

INPUTS = Unit(0, 1, "Inputs")
"""The group that the gradients of inputs are shown under, behind those of the layers."""


def network_samples(problem: Problem, network: Network) -> list[Mapping[str, Value]]:
    """The values of every sample, by plain name."""
    names = NetworkNames(network, problem.notation)
    return [
        {
            **{names.input(i): value for i, value in enumerate(sample.inputs, 1)},
            **{names.target(i): value for i, value in enumerate(sample.targets, 1)},
        }
        for sample in network.samples
    ]


def expand_network(problem: Problem, network: Network, batch: tuple[int, ...]) -> Graph:
    """Leaves, forward steps and loss of a layered network."""
    return _Expansion(problem, network, batch).graph()


@dataclass
class _Expansion:
    problem: Problem
    network: Network
    batch: tuple[int, ...]
    leaves: list[Leaf] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    applied: dict[str, Applied] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = NetworkNames(self.network, self.problem.notation)
        self.marks: tuple[int | None, ...] = self.batch if len(self.batch) > 1 else (None,)

    def graph(self) -> Graph:
        self._given()
        if any(layer.batch_norm for layer in self.network.layers):
            for depth in range(1, len(self.network.layers) + 1):
                self._layer(depth, self.marks)
        else:
            for mark in self.marks:
                for depth in range(1, len(self.network.layers) + 1):
                    self._layer(depth, (mark,))
        output, sample_losses = self._loss()
        parameters = self.names.parameters()
        return Graph(
            leaves=tuple(self.leaves),
            steps=tuple(self.steps),
            output=output,
            losses=sample_losses,
            batch=self.batch,
            parameters=parameters,
            wrt=self._wanted(parameters) if sample_losses else (),
            lettering=self.names.lettering,
            aliases=self.aliases,
            is_loss=not self.network.upstream,
        )

    def _wanted(self, parameters: tuple[str, ...]) -> tuple[str, ...]:
        """What the file asks for, and what an update moves."""
        asked = self.network.with_respect_to or parameters
        moved = parameters if self.problem.trains else ()
        return tuple(dict.fromkeys((*asked, *moved)))

    def _given(self) -> None:
        title = "Upstream gradient" if self.network.upstream else "Targets"
        for position, mark in zip(self.batch, self.marks, strict=True):
            sample = self.network.samples[position - 1]
            for index, value in enumerate(sample.inputs, 1):
                name = sampled(self.names.input(index), mark)
                made = leaf(name, "input", value, mark)
                self.leaves.append(replace(made, title=INPUTS.title, unit=INPUTS))
            for index, value in enumerate(sample.targets, 1):
                name = sampled(self.names.target(index), mark)
                self.leaves.append(replace(leaf(name, "target", value, mark), title=title))
        seen: set[str] = set()
        for name, value, role, unit in self._parameters():
            if name not in seen:
                seen.add(name)
                layer = self.network.layers[unit.layer - 1]
                drawn = layer.initialised if role == "weight" else None
                made = parameter_leaf(self.problem, name, value)
                self.leaves.append(
                    replace(made, role=role, unit=unit, title=unit.title, drawn=drawn)
                )

    def _unit(self, depth: int, unit: int) -> Unit:
        """A unit and its heading: `Layer 1, unit 2`, `Output unit`."""
        units = self.network.layers[depth - 1].units
        if depth == len(self.network.layers):
            number = self.names.output_number(unit)
            title = "Output unit" if units == 1 else f"Output unit {number}"
        else:
            title = f"Layer {depth}, unit {unit}" if units > 1 else f"Layer {depth}"
        return Unit(depth, unit, title)

    def _parameters(self) -> Iterator[tuple[str, Value, Role, Unit]]:
        """Each parameter's name, number, role and place, unit by unit; a shared bias appears for
        every unit, and has a place of its own behind them."""
        names = self.names
        for depth, layer in enumerate(self.network.layers, 1):
            shared = Unit(depth, layer.units + 1, f"Layer {depth}, shared bias")
            for unit in range(1, layer.units + 1):
                place = self._unit(depth, unit)
                for source in range(1, layer.fan_in + 1):
                    if layer.connected[unit - 1][source - 1]:
                        value = layer.weights[unit - 1][source - 1] if layer.weights else None
                        yield names.weight(depth, unit, source), value, "weight", place
                if layer.bias == "each":
                    yield names.bias(depth, unit), layer.biases[unit - 1], "bias", place
                elif layer.bias == "shared":
                    yield names.bias(depth, unit), layer.biases[0], "shared bias", shared
                if layer.batch_norm is not None:
                    gamma, beta = layer.batch_norm.gamma, layer.batch_norm.beta
                    yield names.gamma(depth, unit), gamma[unit - 1], "scale", place
                    yield names.beta(depth, unit), beta[unit - 1], "shift", place

    def _layer(self, depth: int, marks: Sequence[int | None]) -> None:
        layer = self.network.layers[depth - 1]
        for mark in marks:
            for unit in range(1, layer.units + 1):
                if not self.names.merged(depth, unit):
                    self._preactivation(depth, unit, mark)
        if layer.batch_norm is not None:
            for unit in range(1, layer.units + 1):
                self._normalise(depth, unit, marks)
        for mark in marks:
            for unit in range(1, layer.units + 1):
                self._activation(depth, unit, mark)

    def _weighted_sum(self, depth: int, unit: int, mark: int | None) -> Formula:
        layer = self.network.layers[depth - 1]
        terms: list[Formula] = []
        for source in range(1, layer.fan_in + 1):
            if layer.connected[unit - 1][source - 1]:
                weight = Name(self.names.weight(depth, unit, source))
                terms.append(product(weight, self._value_from_below(depth, source, mark)))
        if layer.bias != "none":
            bias = Name(self.names.bias(depth, unit))
            terms.append(product(number(layer.bias_input.value), bias))
        if layer.add is not None:
            terms.append(self._value_from_below(layer.add + 1, unit, mark))
        return total(*terms)

    def _value_from_below(self, depth: int, source: int, mark: int | None) -> Formula:
        name = self.names.input(source) if depth == 1 else self.names.a(depth - 1, source)
        return Name(sampled(name, mark))

    def _preactivation(self, depth: int, unit: int, mark: int | None) -> None:
        self.steps.append(
            Step(
                name=sampled(self.names.z(depth, unit), mark),
                formula=self._weighted_sum(depth, unit, mark),
                section="forward",
                kind="preactivation",
                sample=mark,
                unit=self._unit(depth, unit),
            )
        )

    def _normalise(self, depth: int, unit: int, marks: Sequence[int | None]) -> None:
        """Batch normalisation (Ioffe and Szegedy 2015): the batch's mean and variance (divided by
        N), ẑ = (z − μ)/√(σ² + ε), then γẑ + β."""
        norm = self.network.layers[depth - 1].batch_norm
        assert norm is not None
        mean = self.names.of_unit("mu", depth, unit)
        variance = self.names.of_unit("var", depth, unit)
        zs = [Name(sampled(self.names.z(depth, unit), mark)) for mark in marks]
        count = number(len(marks))
        squares = [Power(total(z, negative(Name(mean))), Number("2")) for z in zs]
        place = self._unit(depth, unit)
        self.steps.append(
            Step(mean, quotient(total(*zs), count), "forward", "normalisation", unit=place)
        )
        self.steps.append(
            Step(variance, quotient(total(*squares), count), "forward", "normalisation", unit=place)
        )
        spread = Call("sqrt", (total(Name(variance), norm.epsilon),))
        for mark, z in zip(marks, zs, strict=True):
            hat = sampled(self.names.of_unit("zhat", depth, unit), mark)
            scaled = sampled(self.names.of_unit("u", depth, unit), mark)
            gamma, beta = self.names.gamma(depth, unit), self.names.beta(depth, unit)
            for name, formula in (
                (hat, quotient(total(z, negative(Name(mean))), spread)),
                (scaled, total(product(Name(gamma), Name(hat)), Name(beta))),
            ):
                self.steps.append(Step(name, formula, "forward", "normalisation", mark, place))

    def _activation(self, depth: int, unit: int, mark: int | None) -> None:
        layer = self.network.layers[depth - 1]
        name = sampled(self.names.a(depth, unit), mark)
        inner = sampled(self.names.inner_a(depth, unit), mark)
        if inner != name:
            self.aliases[inner] = name
        own_slope: Formula | None = None
        use = layer.activations[unit - 1]
        if self.names.merged(depth, unit):
            self.aliases[sampled(self.names.z(depth, unit), mark)] = name
            formula, numeric, applied = self._weighted_sum(depth, unit, mark), None, None
        else:
            before = "z" if layer.batch_norm is None else "u"
            zs = [
                Name(sampled(self.names.of_unit(before, depth, other), mark))
                for other in range(1, layer.units + 1)
            ]
            formula, numeric, applied = _activation(use, unit - 1, zs)
            if isinstance(use, Custom) and use.slope is not None:
                own_slope = substitute(use.slope, {"z": zs[unit - 1], "a": Name(name)})
        if applied is not None:
            self.applied[name] = applied
        is_last = depth == len(self.network.layers)
        compared = is_last and self.network.targets and not self.network.upstream
        self.steps.append(
            Step(
                name=name,
                formula=formula,
                section="forward",
                kind="activation",
                sample=mark,
                unit=self._unit(depth, unit),
                applied=applied,
                numeric=numeric,
                called="" if applied else use.name,
                own_slope=own_slope,
                target=sampled(self.names.target(unit), mark) if compared else None,
            )
        )

    def _loss(self) -> tuple[str, tuple[str, ...]]:
        """The loss of each sample and of the batch; the perceptron rule has errors instead."""
        units = range(1, self.network.layers[-1].units + 1)
        if self.problem.training.rule == "perceptron":
            self._errors(units)
            return self.steps[-1].name, ()
        if self.network.loss is None:
            return self.steps[-1].name, ()
        sample_losses = []
        for mark in self.marks:
            outputs = [sampled(self.names.output(unit), mark) for unit in units]
            targets = [sampled(self.names.target(unit), mark) for unit in units]
            sample_losses.append(sampled("L", mark))
            self.steps.append(self._sample_loss(sample_losses[-1], outputs, targets, mark))
        if len(sample_losses) > 1:
            self.steps.append(batch_loss(self.problem, "L", sample_losses))
        return "L", tuple(sample_losses)

    def _sample_loss(
        self, name: str, outputs: Sequence[str], targets: Sequence[str], mark: int | None
    ) -> Step:
        loss = self.network.loss
        match loss:
            case RuleUse():
                row = loss_row(loss)
                formula = losses.loss_formula(row, outputs, targets, loss.options)
                names = tuple(map(Name, outputs)), tuple(map(Name, targets))
                sure = self.network.targets_sum_to_one
                applied = Applied(row.name, names[0], loss.options, names[1], sum_to_one=sure)
                numeric = stable_loss(applied, self.applied)
                return Step(name, formula, "loss", "loss", mark, applied=applied, numeric=numeric)
            case Custom(_, formula):
                units = range(1, self.network.layers[-1].units + 1)
                plain = [*map(self.names.output, units), *map(self.names.target, units)]
                renaming = dict(zip(plain, [*outputs, *targets], strict=True))
                written = rename(formula, lambda old: renaming.get(old, old))
                return Step(name, written, "loss", "loss", mark, called=loss.name)
            case _:
                raise AssertionError("a network without a loss has no loss step")

    def _errors(self, units: range) -> None:
        for mark in self.marks:
            for unit in units:
                name = "e" if len(units) == 1 else f"e{unit}"
                target = Name(sampled(self.names.target(unit), mark))
                output = Name(sampled(self.names.output(unit), mark))
                formula = total(target, negative(output))
                self.steps.append(Step(sampled(name, mark), formula, "loss", "equation", mark))


def _activation(
    activation: Activation, index: int, zs: Sequence[Name]
) -> tuple[Formula, Formula | None, Applied | None]:
    """What is written for unit `index` of a layer with pre-activations `zs`, what is evaluated
    instead (or None), and the row applied (None for the author's own formula)."""
    match activation:
        case Custom(_, formula):
            return substitute(formula, {"z": zs[index]}), None, None
        case RuleUse():
            row = activation_row(activation)
            if row.layerwise:
                numeric = activations.softmax_numeric(index, zs)
                applied = Applied(row.name, tuple(zs), own=index)
                return activations.softmax_formula(index, zs), numeric, applied
            z, applied = zs[index], Applied(row.name, (zs[index],), activation.options)
            if row.name == "identity":
                return z, None, applied
            return row.call(z, activation.options), None, applied
        case _:
            assert_never(activation)
