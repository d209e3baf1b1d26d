"""A layered network as steps: z = Σ w·x + b and a = g(z) of every unit, then the loss."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import assert_never

from backprop_cli.arrays.array import INDEX, Shape, View, places
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.build import (
    negative,
    number,
    product,
    quotient,
    rename,
    substitute,
    total,
)
from backprop_cli.formula.nodes import Call, Formula, Name, Number, Power, Shown
from backprop_cli.formula.quantity import bare, sampled
from backprop_cli.graph.dense import in_columns, letter_of_weights, weight_rows
from backprop_cli.graph.parts import (
    batch_loss,
    leaf,
    of_sample,
    of_samples,
    parameter_leaf,
    stable_loss,
)
from backprop_cli.graph.repeated import in_all
from backprop_cli.graph.step import Applied, Graph, Kind, Leaf, Step, Unit
from backprop_cli.problem.array_layers import applied_to, in_pairs
from backprop_cli.problem.forms import (
    Activation,
    AnyLayer,
    ArrayLayer,
    Custom,
    Layer,
    Network,
    Parameter,
    RuleUse,
    Value,
)
from backprop_cli.problem.model import Problem
from backprop_cli.problem.names import NetworkNames
from backprop_cli.rules import activations, losses

MOST_TIMES = 6
"""The loss of outputs at so many times is written as a sum over them."""

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
        given = [each.name for layer in self.network.layers if isinstance(layer, ArrayLayer)
                 for each in layer.given]  # fmt: skip
        self.common = frozenset((*self.names.parameters(), *given))
        self.woven = any(
            isinstance(each, Layer) and each.batch_norm for each in self.network.layers
        )
        self.alike = not self.woven and all(
            isinstance(each, Layer) or len(each.lines) == 1 for each in self.network.layers
        )
        self.written = self.marks[:1] if self.alike else self.marks
        self.repeated = self.marks if self.alike else self.marks[:1]
        compared = self.network.targets if not self.network.upstream else 0
        numbers = range(1, compared + 1)
        self.targets = {self.names.output(each): self.names.target(each) for each in numbers}

    def graph(self) -> Graph:
        self._given()
        for marks in [self.written] if self.woven else [(mark,) for mark in self.written]:
            for depth in range(1, len(self.network.layers) + 1):
                self._layer(depth, marks)
        self.steps = in_all(self.steps, self.repeated)
        output, sample_losses = self._loss()
        parameters, lettering = self.names.parameters(), self.names.lettering
        if self.problem.training.optimizer is not None:  # β₁ and β₂ are its options
            lettering = replace(lettering, arrays=lettering.arrays - {"beta1", "beta2"})
        return Graph(
            leaves=tuple(self.leaves),
            steps=tuple(self.steps),
            output=output,
            losses=sample_losses,
            batch=self.batch,
            parameters=parameters,
            wrt=self._wanted(parameters) if sample_losses else (),
            lettering=lettering,
            aliases=dict(in_all(tuple(self.aliases.items()), self.repeated)),
            is_loss=not self.network.upstream,
            alike=self.alike,
            arrays=self._arrays(),
            no_arrays=self._unsaid if self._kinds else "",
            layers=in_columns(self.names, self.marks),
        )

    def _arrays(self) -> tuple[View, ...]:
        """The arrays, where there are layers between arrays and all can be said in arrays."""
        if not self._kinds or self._unsaid:
            return ()
        return of_samples(tuple(self._views()), lambda name: name not in self.common, self.marks)

    @property
    def _kinds(self) -> bool:
        """Whether there are layers between arrays."""
        return any(isinstance(layer, ArrayLayer) for layer in self.network.layers)

    @property
    def _unsaid(self) -> str:
        """Why a network with layers between arrays is not written in arrays."""
        for depth, layer in enumerate(self.network.layers, 1):
            if isinstance(layer, Layer) and layer.batch_norm is not None:
                return f"batch normalisation in layer {depth} ties the samples together"
        return ""

    def _views(self) -> Iterator[View]:
        """The arrays of one sample, from the inputs to the targets."""
        network, names = self.network, self.names
        shape = network.inputs_shape or (network.inputs,)
        yield _view("x", shape, [names.input(i) for i in range(1, network.inputs + 1)])
        for depth, layer in enumerate(network.layers, 1):
            if isinstance(layer, ArrayLayer):
                yield from layer.views
            else:
                yield from self._dense_views(depth, layer)
        if network.targets:
            last = network.layers[-1]
            shape = last.shape if isinstance(last, ArrayLayer) else (last.units,)
            target = Name("g" if network.upstream else "y")
            yield _view(
                target.name, shape, [names.target(i) for i in range(1, network.targets + 1)]
            )
            yield View("L", (), (Name("L"),), self._loss_of_arrays(last, target))

    def _loss_of_arrays(self, last: AnyLayer, target: Name) -> Formula:
        """The loss as a formula between the arrays of outputs and targets; over few times as a sum
        over them."""

        def whole(output: Formula, target: Formula) -> Formula:
            if self.network.upstream:
                return Call("sum", (Shown("hadamard", (target, output)),))
            loss = self.network.loss
            assert isinstance(loss, RuleUse)
            return losses.loss_of_arrays(losses.LOSSES[loss.name], output, target, loss.options)

        letter = self._handed_letter(len(self.network.layers))
        rows = _rows(last, letter)
        loss = self.network.loss
        if (
            isinstance(loss, Custom) and not self.network.upstream
        ):  # of outputs and targets one by one
            one_by_one = {
                **_by_place(self.names.output_names, letter, last, rows),
                **_by_place(
                    map(self.names.target, range(1, self.network.targets + 1)), target, last
                ),
            }
            return in_pairs(substitute(loss.formula, one_by_one))
        if not rows:
            return whole(letter, target)
        shared = isinstance(loss, RuleUse) and losses.LOSSES[loss.name].per_output
        if shared or len(rows) > MOST_TIMES:
            return whole(Call("stack", tuple(map(Name, rows))), target)
        terms = [
            whole(Name(row), Call(INDEX, (target, number(time))))
            for time, row in enumerate(rows, 1)
        ]
        return total(*terms)

    def _dense(self, depth: int) -> Layer:
        layer = self.network.layers[depth - 1]
        assert isinstance(layer, Layer)
        return layer

    def _dense_views(self, depth: int, layer: Layer) -> Iterator[View]:
        """W, b, z = W a + b and a = g(z) of a dense layer, and what it hands on."""
        names, units = self.names, range(1, layer.units + 1)
        weights = letter_of_weights("w{}", depth, layer)
        if layer.tied is None:
            yield View.of_rows(f"w{depth}", weight_rows(names, depth, layer))
        if layer.bias == "each":
            yield _view(f"b{depth}", (layer.units,), [names.bias(depth, unit) for unit in units])
        elif layer.bias == "shared":
            yield _view(f"b{depth}", (), [names.bias(depth, 1)])
        terms: list[Formula] = [Shown("matmul", (weights, self._handed_letter(depth - 1)))]
        if layer.bias != "none":
            terms.append(product(number(layer.bias_input.value), Name(f"b{depth}")))
        if layer.add is not None and not layer.add_after:
            terms.append(self._handed_list(layer.add))
        z, a = Name(f"z{depth}"), Name(f"a{depth}")
        letter = self._handed_letter(depth)
        zs = [names.z(depth, unit) for unit in units]
        yield _view(z.name, (layer.units,), zs, total(*terms))
        use, *others = layer.activations
        activated = applied_to(use, z)
        if any(other != use for other in others):  # units that differ, one by one
            each = enumerate(layer.activations, 1)
            ones = (applied_to(own, Call(INDEX, (z, number(unit)))) for unit, own in each)
            activated = Call("stack", tuple(ones))
        outputs = [names.a(depth, unit) for unit in units]
        inner = a if layer.hands_on_more else letter
        yield _view(inner.name, (layer.units,), outputs, activated)
        if layer.hands_on_more:
            whole: Formula = a
            if layer.add_after and layer.add is not None:
                whole = total(whole, self._handed_list(layer.add))
            if layer.dropout is not None:
                mask = Name(f"r{depth}")
                yield _view(
                    mask.name, (layer.units,), [names.of_unit("r", depth, unit) for unit in units]
                )
                whole = quotient(Shown("hadamard", (mask, whole)), layer.dropout.keep)
            handed = [names.handed(depth, unit) for unit in units]
            yield _view(letter.name, (layer.units,), handed, whole)

    def _handed_list(self, depth: int) -> Formula:
        """What a layer hands on as one list, as it is added to units."""
        letter, layer = self._handed_letter(depth), self.network.layers[depth - 1]
        if depth == 0:
            return Call("flatten", (letter,)) if self.network.inputs_shape else letter
        if isinstance(layer, ArrayLayer) and len(layer.shape) > 1:
            rows = _rows(layer, letter)
            whole = Call("stack", tuple(map(Name, rows))) if rows else letter
            return Call("flatten", (whole,))
        return letter

    def _handed_letter(self, depth: int) -> Name:
        """The array that a layer hands on; of layer 0 the inputs."""
        if depth == 0:
            return Name("x")
        layer = self.network.layers[depth - 1]
        if isinstance(layer, ArrayLayer):
            return Name(layer.handed)
        if depth == len(self.network.layers):
            return Name("yhat")
        return Name(f"h{depth}" if layer.hands_on_more else f"a{depth}")

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
                self.leaves.append(leaf(name, "input", value, mark, INPUTS.title, INPUTS))
            for index, value in enumerate(sample.targets, 1):
                name = sampled(self.names.target(index), mark)
                self.leaves.append(leaf(name, "target", value, mark, title))
        seen: set[str] = set()
        for depth, layer in enumerate(self.network.layers, 1):
            if isinstance(layer, ArrayLayer):
                self.leaves += [
                    leaf(own.name, "constant", own.value, title=own.title) for own in layer.given
                ]
            for each in self.names.parameters_of(depth):
                if each.name not in seen:
                    seen.add(each.name)
                    self._parameter(depth, layer, each)
        self._masks()

    def _parameter(self, depth: int, layer: AnyLayer, parameter: Parameter) -> None:
        """The leaf of a parameter; a bias that a layer shares has a place of its own behind its
        units."""
        unit = self._unit(depth, parameter.place)
        if parameter.role == "shared bias" and isinstance(layer, Layer):
            unit = Unit(depth, layer.units + 1, f"Layer {depth}, shared bias")
        drawn = layer.initialised if parameter.role == "weight" else None
        made = parameter_leaf(self.problem, parameter.name, parameter.value)
        self.leaves.append(
            replace(made, role=parameter.role, unit=unit, title=unit.title, drawn=drawn)
        )

    def _masks(self) -> None:
        """What dropout leaves in, by layer; it is given, and no input of the network."""
        for depth, layer in enumerate(self.network.layers, 1):
            if isinstance(layer, Layer) and layer.dropout is not None:
                title = f"Dropout mask of layer {depth}"
                for unit, value in enumerate(layer.dropout.mask, 1):
                    name = self.names.of_unit("r", depth, unit)
                    self.leaves.append(leaf(name, "constant", value, title=title))

    def _unit(self, depth: int, unit: int) -> Unit:
        """A unit or another group, and its heading: `Layer 1, unit 2`, `Output unit`."""
        layer = self.network.layers[depth - 1]
        if isinstance(layer, ArrayLayer):
            title = layer.places[unit - 1]
        elif depth == len(self.network.layers):
            number = self.names.output_number(unit)
            title = "Output unit" if layer.units == 1 else f"Output unit {number}"
        else:
            title = f"Layer {depth}, unit {unit}" if layer.units > 1 else f"Layer {depth}"
        return Unit(depth, unit, title)

    def _layer(self, depth: int, marks: Sequence[int | None]) -> None:
        layer = self.network.layers[depth - 1]
        if isinstance(layer, ArrayLayer):
            for mark in marks:
                self._written_out(depth, layer, mark)
            return
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
                if layer.hands_on_more:
                    self._hand_on(depth, unit, mark)

    def _written_out(self, depth: int, layer: ArrayLayer, mark: int | None) -> None:
        """The equations of a layer between arrays, for one sample."""
        own = of_sample(lambda name: name not in self.common, mark)
        for alias, name in layer.aliases.items():
            self.aliases[alias if name in self.common else sampled(alias, mark)] = own(name)
        for line in layer.of_sample(mark or self.batch[0]):
            unit = self._unit(depth, line.place)
            if line.activation is None:
                assert line.formula is not None
                self._step(own(line.name), rename(line.formula, own), line.kind, mark, unit)
            else:
                scores = [Name(own(score)) for score in line.scores]
                self._applied(own(line.name), line.activation, line.own, scores, mark, unit)

    def _step(
        self,
        name: str,
        formula: Formula,
        kind: Kind,
        mark: int | None,
        unit: Unit,
        numeric: Formula | None = None,
        applied: Applied | None = None,
        called: str = "",
        own_slope: Formula | None = None,
    ) -> None:
        """A step of the forward pass, with what it is compared with."""
        target = self.targets.get(bare(name))
        self.steps.append(
            Step(
                name, formula, "forward", kind, mark, unit, applied,
                numeric=numeric, called=called, own_slope=own_slope,
                target=None if target is None else sampled(target, mark),
            )
        )  # fmt: skip

    def _weighted_sum(self, depth: int, unit: int, mark: int | None) -> Formula:
        layer = self._dense(depth)
        terms: list[Formula] = []
        for source in range(1, layer.fan_in + 1):
            if layer.connected[unit - 1][source - 1]:
                weight = Name(self.names.weight(depth, unit, source))
                terms.append(product(weight, self._value_from_below(depth, source, mark)))
        if layer.bias != "none":
            bias = Name(self.names.bias(depth, unit))
            terms.append(product(number(layer.bias_input.value), bias))
        if layer.add is not None and not layer.add_after:
            terms.append(self._value_from_below(layer.add + 1, unit, mark))
        return total(*terms)

    def _value_from_below(self, depth: int, source: int, mark: int | None) -> Formula:
        return Name(sampled(self.names.handed(depth - 1, source), mark))

    def _preactivation(self, depth: int, unit: int, mark: int | None) -> None:
        name = sampled(self.names.z(depth, unit), mark)
        whole = self._weighted_sum(depth, unit, mark)
        self._step(name, whole, "preactivation", mark, self._unit(depth, unit))

    def _normalise(self, depth: int, unit: int, marks: Sequence[int | None]) -> None:
        """Batch normalisation (Ioffe and Szegedy 2015): the batch's mean and variance (divided by
        N), ẑ = (z − μ)/√(σ² + ε), then γẑ + β."""
        norm = self._dense(depth).batch_norm
        assert norm is not None
        mean = self.names.of_unit("mu", depth, unit)
        variance = self.names.of_unit("var", depth, unit)
        zs = [Name(sampled(self.names.z(depth, unit), mark)) for mark in marks]
        count = number(len(marks))
        squares = [Power(total(z, negative(Name(mean))), Number("2")) for z in zs]
        place = self._unit(depth, unit)
        self._step(mean, quotient(total(*zs), count), "normalisation", None, place)
        self._step(variance, quotient(total(*squares), count), "normalisation", None, place)
        spread = Call("sqrt", (total(Name(variance), norm.epsilon),))
        for mark, z in zip(marks, zs, strict=True):
            hat = sampled(self.names.of_unit("zhat", depth, unit), mark)
            scaled = sampled(self.names.of_unit("u", depth, unit), mark)
            gamma, beta = (self.names.of_unit(each, depth, unit) for each in ("gamma", "beta"))
            distance = total(z, negative(Name(mean)))
            whole = total(product(Name(gamma), Name(hat)), Name(beta))
            self._step(hat, quotient(distance, spread), "normalisation", mark, place)
            self._step(scaled, whole, "normalisation", mark, place)

    def _activation(self, depth: int, unit: int, mark: int | None) -> None:
        layer = self._dense(depth)
        name = sampled(self.names.a(depth, unit), mark)
        inner = sampled(self.names.inner_a(depth, unit), mark)
        if inner != name:
            self.aliases[inner] = name
        use = layer.activations[unit - 1]
        place = self._unit(depth, unit)
        if self.names.merged(depth, unit):
            self.aliases[sampled(self.names.z(depth, unit), mark)] = name
            whole = self._weighted_sum(depth, unit, mark)
            self._step(name, whole, "activation", mark, place, called=use.name)
        else:
            before = "z" if layer.batch_norm is None else "u"
            zs = [
                Name(sampled(self.names.of_unit(before, depth, other), mark))
                for other in range(1, layer.units + 1)
            ]
            self._applied(name, use, unit - 1, zs, mark, place)

    def _applied(
        self,
        name: str,
        use: Activation,
        index: int,
        zs: Sequence[Name],
        mark: int | None,
        unit: Unit,
    ) -> None:
        """a = g(z) for z number `index` among `zs`."""
        formula, numeric, applied = _activation(use, index, zs)
        own_slope: Formula | None = None
        if isinstance(use, Custom) and use.slope is not None:
            own_slope = substitute(use.slope, {"z": zs[index], "a": Name(name)})
        if applied is not None:
            self.applied[name] = applied
        called = "" if applied else use.name
        self._step(name, formula, "activation", mark, unit, numeric, applied, called, own_slope)

    def _hand_on(self, depth: int, unit: int, mark: int | None) -> None:
        """What is handed on behind the activation: h = a + what is added, then r·(…)/keep."""
        layer = self._dense(depth)
        formula: Formula = Name(sampled(self.names.a(depth, unit), mark))
        if layer.add_after:
            assert layer.add is not None
            formula = total(formula, self._value_from_below(layer.add + 1, unit, mark))
        if layer.dropout is not None:
            mask = Name(self.names.of_unit("r", depth, unit))
            formula = quotient(product(mask, formula), layer.dropout.keep)
        name = sampled(self.names.handed(depth, unit), mark)
        self._step(name, formula, "handed_on", mark, self._unit(depth, unit))

    def _loss(self) -> tuple[str, tuple[str, ...]]:
        """The loss of each sample and of the batch; the perceptron rule has errors instead."""
        units = range(1, self.network.layers[-1].units + 1)
        start = len(self.steps)
        if self.problem.training.correction is not None:
            self._errors(units)
        elif self.network.loss is not None:
            for mark in self.written:
                outputs = [sampled(self.names.output(unit), mark) for unit in units]
                targets = [sampled(self.names.target(unit), mark) for unit in units]
                self.steps.append(self._sample_loss(sampled("L", mark), outputs, targets, mark))
        self.steps[start:] = in_all(self.steps[start:], self.repeated)
        if self.problem.training.correction is not None or self.network.loss is None:
            return self.steps[-1].name, ()
        sample_losses = [sampled("L", mark) for mark in self.marks]
        if len(sample_losses) > 1:
            self.steps.append(batch_loss(self.problem, "L", sample_losses))
        return "L", tuple(sample_losses)

    def _sample_loss(
        self, name: str, outputs: Sequence[str], targets: Sequence[str], mark: int | None
    ) -> Step:
        loss = self.network.loss
        match loss:
            case RuleUse():
                row = losses.LOSSES[loss.name]
                formula = losses.loss_formula(row, outputs, targets, loss.options)
                names = tuple(map(Name, outputs)), tuple(map(Name, targets))
                sure = self.network.targets_sum_to_one
                applied = Applied(row.name, names[0], loss.options, names[1], sum_to_one=sure)
                numeric = stable_loss(applied, self.applied)
                return Step(name, formula, "loss", "loss", mark, applied=applied, numeric=numeric)
            case Custom(_, formula):
                units = range(1, self.network.layers[-1].units + 1)
                plain = [*self.names.output_names, *map(self.names.target, units)]
                renaming = dict(zip(plain, [*outputs, *targets], strict=True))
                written = rename(formula, lambda old: renaming.get(old, old))
                return Step(name, written, "loss", "loss", mark, called=loss.name)
            case _:
                raise AssertionError("a network without a loss has no loss step")

    def _errors(self, units: range) -> None:
        for mark in self.written:
            for unit in units:
                name = "e" if len(units) == 1 else f"e{unit}"
                target = Name(sampled(self.names.target(unit), mark))
                output = Name(sampled(self.names.output(unit), mark))
                formula = total(target, negative(output))
                self.steps.append(Step(sampled(name, mark), formula, "loss", "equation", mark))


def _by_place(
    names: Iterable[str], letter: Name, last: AnyLayer, rows: Sequence[str] = ()
) -> dict[str, Formula]:
    """What the entries of an array of outputs are called, as its entries, or those of its rows."""
    shape = last.shape if isinstance(last, ArrayLayer) else (last.units,)
    found: dict[str, Formula] = {}
    for name, place in zip(names, places(shape), strict=True):
        base, place = (Name(rows[place[0]]), place[1:]) if rows else (letter, place)
        found[name] = Call(INDEX, (base, *(number(at + 1) for at in place))) if place else base
    return found


def _rows(layer: AnyLayer, letter: Name) -> tuple[str, ...]:
    """The rows that an array of all times is made of; none of any other."""
    views = layer.views if isinstance(layer, ArrayLayer) else ()
    return next((view.rows for view in views if view.name == letter.name), ())


def _view(
    name: str,
    shape: Shape,
    entries: Sequence[str],
    equation: Formula | None = None,
) -> View:
    return View(name, shape, tuple(map(Name, entries)), equation)


def _activation(
    activation: Activation, index: int, zs: Sequence[Name]
) -> tuple[Formula, Formula | None, Applied | None]:
    """What is written for unit `index` of a layer with pre-activations `zs`, what is evaluated
    instead (or None), and the row applied (None for the author's own formula)."""
    match activation:
        case Custom(_, formula):
            return substitute(formula, {"z": zs[index]}), None, None
        case RuleUse():
            row = activations.ACTIVATIONS[activation.name]
            formula = row.of_unit(index, zs, activation.options)
            if row.joint is not None:
                applied = Applied(row.name, tuple(zs), own=index)
                return formula, row.joint.numeric(index, zs), applied
            return formula, None, Applied(row.name, (zs[index],), activation.options)
        case _:
            assert_never(activation)
