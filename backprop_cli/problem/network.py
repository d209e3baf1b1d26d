"""The layers form: samples, layers and loss put together and checked against each other."""

from __future__ import annotations

from collections.abc import Mapping

from backprop_cli.arrays.array import shape_text
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.diagnostics import listed, quote
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.cautions import warn
from backprop_cli.problem.dense import ReadLayers
from backprop_cli.problem.fields import Fields, fields
from backprop_cli.problem.forms import ArrayLayer, Custom, Layer, Loss, Network
from backprop_cli.problem.layer_parts import BIAS_INPUT, UNREAD, is_layerwise, is_rule
from backprop_cli.problem.layers import read_layers
from backprop_cli.problem.model import Notation, Training
from backprop_cli.problem.names import NetworkNames, value_names
from backprop_cli.problem.rule_use import loss
from backprop_cli.problem.samples import Samples, read_samples
from backprop_cli.problem.settings import (
    TRAINABLE,
    check_parameters,
    names_of,
    refuse_both,
    top_lists,
)
from backprop_cli.problem.training import ReadTraining
from backprop_cli.problem.upstream import (
    UPSTREAM,
    Gradient,
    read_gradient,
    slopes_sum,
    stands_alone,
)
from backprop_cli.problem.values import Report, counted, decimal_comma, misnamed, said_truth
from backprop_cli.problem.yaml_tree import Node

MOST_EXPANDED = 1_000_000  # parameters (and pairs of softmax outputs) × samples of a batch


@dataclass(frozen=True)
class ReadNetwork:
    """The model (None if anything in it is wrong) and the names that lists may hold."""

    model: Network | None
    names: tuple[str, ...]  # inputs, targets, parameters and forward quantities
    frozen: tuple[str, ...]
    trainable: tuple[str, ...] | None


class NetworkReader:
    """Reads in two stages, since `training` needs the samples and is needed by the rest."""

    def __init__(self, top: Fields, report: Report) -> None:
        self.top, self.report = top, report
        self.samples: Samples = read_samples(top, report)
        bias_input = top[BIAS_INPUT] or Number("1")
        node = top.get("layers")
        if node is None:
            report.error("missing-value", "`layers` is empty", top.key("layers"))
            self.layers = ReadLayers(structured=False)
        else:
            self.layers = read_layers(node, report, self.samples, bias_input)
        self._missing_inputs()

    def _missing_inputs(self) -> None:
        if self.samples.have_inputs or self.samples.listed:
            return
        first = self.layers.layers[0] if self.layers.layers else None
        at = self.top.key("layers")
        if isinstance(first, Layer) and first.weights is not None:
            names = value_names("x", (first.fan_in,))
            numbers, shown = ", ".join("…" for _ in names[:5]), ", ".join(names[:5])
            more = ", …" if len(names) > 5 else ""
            advice = f"add `inputs: [{numbers}]`, or `inputs: [{shown}{more}]` without numbers"
            self.report.error("missing-key", "there are weights and no `inputs`", at, advice)
        elif self.layers.fan_in is None and self.layers.units is not None:
            message = "nothing says how many inputs there are"
            self.report.error("missing-key", message, at, "name them: `inputs: [x1, x2]`")

    @property
    def count(self) -> int | None:
        return len(self.samples.samples) or None

    def finish(self, training: ReadTraining, notation: Notation) -> ReadNetwork:
        perceptron = training.training.correction is not None
        chosen: Loss | None
        if (upstream := stands_alone(self.top, self.report, "loss", "targets")) is not None:
            given, chosen = self._upstream(upstream)
            if perceptron:
                message = "the perceptron rule needs targets, not the gradient of the outputs"
                help = "leave `upstream` out and add `targets: […]`"
                self.report.error("missing-targets", message, upstream, help)
        else:
            self._target_count()
            given, chosen = None, self._loss(perceptron)
            self._needs(chosen, training)
        layers = tuple(self.layers.layers)
        if not self.layers.structured or not layers:
            return ReadNetwork(None, (), (), None)
        inputs = layers[0].fan_in
        # Without a loss targets are not needed; what is said of them is kept.
        used = chosen is not None or perceptron or self.samples.have_targets
        targets = layers[-1].units if used else 0
        samples = self.samples.complete(inputs, targets)
        if given is not None:
            pairs = zip(samples, given, strict=True)
            samples = tuple(replace(sample, targets=own) for sample, own in pairs)
        network = Network(
            layers,
            chosen,
            inputs,
            targets,
            samples,
            upstream=given is not None,
            inputs_shape=self.samples.inputs_shape,
        )
        if any(isinstance(layer, ArrayLayer) for layer in layers) and not self._can_be_named(
            notation
        ):
            return ReadNetwork(None, (), (), None)
        names = NetworkNames(network, notation)
        network = replace(network, with_respect_to=self._asked(names))
        self._named_cells(names)
        frozen, trainable = frozen_and_trainable(self.top, self.layers, names, self.report)
        self._batch(network, training.training)
        if perceptron:
            self._perceptron(network)
        check_parameters(names.parameters(), self.report)
        if self.report.failed:
            return ReadNetwork(None, _all_names(names), frozen, trainable)
        warn(self.top, self.samples, self.layers, names, self.report)
        return ReadNetwork(network, _all_names(names), frozen, trainable)

    def _can_be_named(self, notation: Notation) -> bool:
        """Names by unit, counted through the network, are those of dense layers."""
        usual = Notation()
        for key in ("names", "output_units", "index_order"):
            if getattr(notation, key) != getattr(usual, key):
                self.report.error(
                    "wrong-form",
                    f"`{key}: {getattr(notation, key)}` is for networks of dense layers",
                    self.top.key("notation"),
                    f"leave it out: names are then by layer, as `{key}: {getattr(usual, key)}` says",
                )
        return not self.report.failed

    def _upstream(self, node: Node) -> tuple[Gradient | None, Loss | None]:
        """`upstream: {yhat: [0.1, -0.2]}`: ∂L/∂ŷ, and the sum over g·ŷ in place of a loss."""
        if self.samples.listed and self.samples.have_targets:
            message = "`upstream` gives the gradient of the outputs, and samples have `targets`"
            self.report.error("both-forms", message, node, "leave the targets out, or `upstream`")
        samples = len(self.samples.samples) if self.samples.listed else None
        shape = self.layers.shape or (1,)
        outputs, gradients = value_names("yhat", shape), value_names("g", shape)
        own = fields(node, self.report, "`upstream`", tuple(dict.fromkeys(("yhat", *outputs))))
        if (whole := own.get("yhat")) is not None:
            found = self.report.tried(read_gradient, whole, "yhat", shape, samples)
        else:
            each = [self._of_output(own, name, samples) for name in outputs]
            known = [gradient for gradient in each if gradient is not None]
            if len(known) < len(each):
                return None, None
            found = tuple(tuple(one for (one,) in row) for row in zip(*known, strict=True))
        return found, Custom(UPSTREAM, slopes_sum(gradients, outputs))

    def _of_output(self, own: Fields, name: str, samples: int | None) -> Gradient | None:
        if (node := own.get(name)) is None:
            count = counted(self.layers.units or 1, "number")
            text = f"`upstream` must be {count}, one for each output"
            self.report.error("shape", text, own.node)
            return None
        return self.report.tried(read_gradient, node, name, (), samples)

    def _asked(self, names: NetworkNames) -> tuple[str, ...]:
        """What `with_respect_to` lists: `inputs`, or any names before the loss."""
        node = self.top.get("with_respect_to")
        if node is None:
            return ()
        inputs, arrays = names.input_names, names.arrays()
        groups = {"inputs": inputs, **arrays, **({"x": inputs} if arrays else {})}
        known = (*inputs, *names.parameters(), *names.calculated(), *groups)
        return names_of(node, self.report, "`with_respect_to`", known, groups)

    # --- loss and targets ------------------------------------------------------------------------

    def _target_count(self) -> None:
        units = self.layers.units
        if units is None or not self.layers.layers:
            return
        listed, shape = self.samples.listed, self.layers.shape or (units,)
        gives = f"layer {len(self.layers.layers)} gives {counted(units, 'output')}"
        for index, sample in enumerate(self.samples.samples, 1):
            own = sample.targets
            node, found = own.node, len(own.values or ())
            if node is None:
                continue
            if own.shape not in ((), shape):
                of = f" of sample {index}" if listed else ""
                self.report.error(
                    "shape",
                    f"the outputs are {shape_text(shape)}, so `targets`{of} must be that too, not"
                    f" {shape_text(own.shape)}",
                    node,
                )
                continue
            if found in (0, units) or (listed and found != self.samples.targets):
                continue  # what differs from the other samples has been said
            needed = f"targets must be {counted(units, 'number')}"
            if listed:
                needed = f"sample {index} must have {counted(units, 'target')}"
            help = (
                "a class is written as one 1 among zeros: [0, 1, 0]"
                if found == 1 and self._softmax_output()
                else decimal_comma(node, found, units)
            )
            self.report.error("shape", f"{gives}, so {needed}, not {found}", node, help)
            if listed:
                return  # all of them are like this one: say it once

    def _softmax_output(self) -> bool:
        layers = self.layers.layers
        return bool(layers) and any(map(is_layerwise, layers[-1].activations))

    def _loss(self, perceptron: bool) -> Loss | None:
        if (node := self.top.get("loss")) is None:
            return None
        shape = self.layers.shape
        names: tuple[str, ...] | None = None
        renamed: Mapping[str, str] = {}
        advice = ""
        if shape is not None:
            outputs, targets = value_names("yhat", shape), value_names("y", shape)
            names = (*outputs, *targets)
            advice = f"a loss is in the outputs and targets: {listed(names)}"
            if len(outputs) > 1:
                every = f"with {len(outputs)} outputs they are called {listed(names)}"
                renamed = {"yhat": every, "y": every}
        chosen = self.report.tried(loss, node, names, advice, renamed)
        if perceptron and chosen is not None:
            message = "the perceptron rule looks at mistakes and uses no loss"
            self.report.warning("unused", message, self.top.key("loss"), "leave `loss` out")
            return None
        return chosen

    def _needs(self, chosen: Loss | None, training: ReadTraining) -> None:
        """Targets without loss, a loss without targets, training without either."""
        at = self.top.key("loss")
        perceptron = training.training.correction is not None
        have = self.samples.have_targets or self.top.get("targets") is not None
        wrong_loss = chosen is None and self.top.get("loss") is not None
        if chosen is None and not perceptron and not wrong_loss:
            advice = "add `loss: half_squared_error`, or another of `backprop list`"
            if have and self._decides():
                if not training.trains:
                    return  # a truth table
                advice = (
                    "step units learn by `training: {rule: perceptron}`; without `learning_rate` "
                    "and `training` there is a truth table"
                )
            if have:
                key = self.top.key("samples" if self.samples.listed else "targets")
                self.report.error("missing-loss", "there are targets and no `loss`", key, advice)
            elif training.trains:
                key = self.top.key("training" if training.section else "learning_rate")
                self.report.error(
                    "missing-loss", "an update needs `targets` and a `loss`", key, advice
                )
        elif not have and (self._numeric() or (perceptron and self.samples.have_inputs)):
            what = "the perceptron rule" if perceptron else "a loss"
            advice = "add `targets: […]`, one number for each output"
            if self.samples.listed:
                advice = "each sample has its own: {inputs: […], targets: […]}"
            if perceptron:
                at = training.section.key("rule") if training.section else at
            self.report.error("missing-targets", f"{what} needs targets", at, advice)

    def _decides(self) -> bool:
        """Whether every output unit is a step, so that an answer is right or wrong."""
        layers = self.layers.layers
        return bool(layers) and all(
            one is UNREAD or is_rule(one, "step", "sign") for one in layers[-1].activations
        )

    def _numeric(self) -> bool:
        return any(
            value is not None
            for sample in self.samples.samples
            for value in sample.inputs.values or ()
        )

    # --- checks of the whole -----------------------------------------------------------------------

    def _named_cells(self, names: NetworkNames) -> None:
        """A name in place of a number has to be the one that the sheet gives."""
        for cell in self.layers.named:
            layer = names.network.layers[cell.layer - 1]
            if isinstance(layer, ArrayLayer):
                roles = ("bias", "shared bias")
                biases = [each.name for each in layer.parameters if each.role in roles]
                if cell.unit > len(biases):
                    continue
                name, what = biases[cell.unit - 1], f"bias {cell.unit} of layer {cell.layer}"
            elif cell.unit > layer.units or (cell.source or 1) > layer.fan_in:
                continue  # the shape is wrong, which has been said
            elif cell.source is not None:
                if not layer.connected[cell.unit - 1][cell.source - 1]:
                    continue
                name = names.weight(cell.layer, cell.unit, cell.source)
                source = f"{'input' if cell.layer == 1 else 'unit'} {cell.source}"
                what = f"the weight from {source} into unit {cell.unit} of layer {cell.layer}"
            elif layer.bias == "none":
                continue
            else:
                name = names.bias(cell.layer, cell.unit)
                what = f"bias {cell.unit} of layer {cell.layer}"
                if layer.bias == "shared":
                    what = f"the shared bias of layer {cell.layer}"
            if cell.node.text not in (name, name[:1]):
                misnamed(cell.node, self.report, what, name)

    def _batch(self, network: Network, training: Training) -> None:
        samples = len(network.samples)
        batch = min(training.batch or samples, samples)
        if batch == 1 and self.count is not None:
            for node in self.layers.batch_norms:
                self.report.error(
                    "batch-of-one",
                    "batch normalisation needs several samples in a batch: the mean of one value is "
                    "the value itself, so z would always become 0",
                    node,
                    "give more `samples`" if samples == 1 else "set `batch: all` in `training`",
                )
        if batch < samples and any(
            isinstance(layer, ArrayLayer) and any(own != layer.lines[0] for own in layer.lines)
            for layer in network.layers
        ):
            self.report.error(
                "out-of-range",
                "the samples look up different rows of an embedding, so an update needs all of them",
                self.top.key("training"),
                "set `batch: all` in `training`",
            )
        size = 0
        for layer in network.layers:
            if isinstance(layer, ArrayLayer):
                size += len(layer.parameters) + len(layer.lines[0])
                continue
            size += sum(map(sum, layer.connected)) + len(layer.biases) + layer.units
            if any(map(is_layerwise, layer.activations)):
                size += layer.units**2
        if size * batch > MOST_EXPANDED:
            self.report.error(
                "too-large",
                f"{counted(batch, 'sample')} in a batch times {size:,} weights and values is more "
                f"than a worksheet can hold ({MOST_EXPANDED:,})",
                self.top.key("layers"),
                "use a smaller `batch` in `training`" if batch > 1 else "use smaller layers",
            )

    def _perceptron(self, network: Network) -> None:
        last, key = len(network.layers), self.top.key("layers")
        for one in network.layers[-1].activations:
            if one is not UNREAD and not is_rule(one, "step", "sign"):
                self.report.error(
                    "perceptron-activation",
                    f"the perceptron rule is for `step` and `sign` units, not {quote(one.name)}",
                    self.layers.activation_nodes.get(last, key),
                    "use `activation: step`, or leave `rule` out to learn by gradients",
                )
                break
        if last > 1:
            self.report.warning(
                "perceptron-layers",
                "the perceptron rule moves only the last layer: it needs a target for each unit",
                key,
            )


_NORMALISED = ("mu", "var", "zhat", "u")  # what batch normalisation calculates for each unit


def _all_names(names: NetworkNames) -> tuple[str, ...]:
    network, targets = names.network, names.target_names[: names.network.targets]
    found = [*names.input_names, *targets, *names.parameters(), *names.calculated()]
    for index, layer in enumerate(network.layers, 1):
        if isinstance(layer, ArrayLayer):
            found += layer.aliases
            continue
        for unit in range(1, layer.units + 1):
            found.append(names.inner_a(index, unit))
            if layer.dropout is not None:
                found.append(names.of_unit("r", index, unit))
            if layer.batch_norm is not None:
                found += [names.of_unit(letters, index, unit) for letters in _NORMALISED]
    found += ["L", "norm", "clip", *value_names("e", (network.layers[-1].units,))]
    return tuple(dict.fromkeys(found))


def frozen_and_trainable(
    top: Fields, layers: ReadLayers, names: NetworkNames, report: Report
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The frozen parameters and the only trainable ones, layers' own lists put in."""
    parameters = set(names.parameters())
    arrays = {name: own for name, own in names.arrays().items() if parameters.issuperset(own)}
    listed_frozen, trainable = top_lists(top, names.parameters(), report, arrays)
    frozen = dict.fromkeys(listed_frozen)
    for key, layer, node in layers.moved:
        own = dict.fromkeys(each.name for each in names.parameters_of(layer))
        said = said_truth(node)
        if said is None:
            listing = names_of(node, report, quote(key), own, arrays)
        else:
            listing = tuple(own) if said else ()
        if key == TRAINABLE.key:
            listing = tuple(name for name in own if name not in set(listing))
        frozen.update(dict.fromkeys(listing))
    refuse_both(frozen, trainable, top, report)
    return tuple(frozen), trainable
