"""Warnings about a network that can be read but was hardly meant so."""

from __future__ import annotations

from fractions import Fraction

from backprop_cli.diagnostics import listed, quote
from backprop_cli.problem.forms import Layer, Network, RuleUse, Value
from backprop_cli.problem.layers import ReadLayers
from backprop_cli.problem.names import NetworkNames
from backprop_cli.problem.samples import Samples
from backprop_cli.problem.unit_activations import is_rule
from backprop_cli.problem.values import Fields, Report
from backprop_cli.problem.yaml_tree import Node
from backprop_cli.rules.activations import ACTIVATIONS

LOGARITHMIC = ("binary_cross_entropy", "cross_entropy")


def warn(
    top: Fields, samples: Samples, layers: ReadLayers, names: NetworkNames, report: Report
) -> None:
    """Every warning about targets, outputs and missing numbers."""
    network = names.network
    loss = network.loss.name if isinstance(network.loss, RuleUse) else None
    for index, read in enumerate(samples.samples, 1):
        if read.targets_node is None or read.targets is None:
            continue
        whose = f" of sample {index}" if samples.listed else ""
        if message := _unusual_target(network, loss, read.targets, whose):
            report.warning("unusual-target", message[0], read.targets_node, message[1])
    if loss in LOGARITHMIC:
        node = layers.activation_nodes.get(len(network.layers), top.key("layers"))
        _outputs_of_logarithm(network.layers[-1], loss, node, report)
    if loss == "cross_entropy":
        _one_of_one(network.layers[-1], top, report)
    _partly_symbolic(network, names, top.key("layers"), report)


def _unusual_target(
    network: Network, loss: str | None, targets: tuple[Value, ...], whose: str
) -> tuple[str, str | None] | None:
    """What is unusual about a sample's targets, and help."""
    known = [value.value for value in targets if value is not None]
    if loss in LOGARITHMIC and any(not 0 <= value <= 1 for value in known):
        return f"a target{whose} is not between 0 and 1, as `{loss}` takes for granted", None
    if loss == "cross_entropy" and len(known) == len(targets) > 1:
        if abs(sum(known, Fraction(-1))) > Fraction(1, 10**6):
            return (
                f"the targets{whose} do not sum to 1, as `cross_entropy` takes for granted",
                "outputs that do not exclude each other use `binary_cross_entropy`",
            )
    elif loss == "hinge" and any(value not in (-1, 1) for value in known):
        return f"a target{whose} is not -1 or 1, as `hinge` takes for granted", None
    if network.loss is None:
        for value, use in zip(targets, network.layers[-1].activations, strict=True):
            if value is None or not is_rule(use, "step", "sign"):
                continue
            low = 0 if use.name == "step" else -1
            if value.value not in (low, 1):
                message = f"a target{whose} is not {low} or 1, so a {quote(use.name)} unit can"
                return f"{message} never give it", None
    return None


def _outputs_of_logarithm(last: Layer, loss: str, node: Node, report: Report) -> None:
    for use in last.activations:
        if not isinstance(use, RuleUse):
            continue
        rule = ACTIVATIONS[use.name]
        low, high = rule.low, rule.high
        if low is None or high is None or low.value < 0 or high.value > 1:
            better = "sigmoid" if loss == "binary_cross_entropy" else "softmax"
            report.warning(
                "unusual-output",
                f"{quote(loss)} takes logarithms of the outputs, and {quote(use.name)} can give "
                "values outside 0 to 1",
                node,
                f"use {quote(better)} in the last layer",
            )
            return


def _one_of_one(last: Layer, top: Fields, report: Report) -> None:
    """A choice among several classes with a single output; softmax of one has its own warning."""
    if last.units == 1 and not is_rule(last.activations[0], "softmax"):
        report.warning(
            "one-output",
            "`cross_entropy` of a single output is −y·ln(ŷ), which is 0 whatever the output is "
            "where the target is 0",
            top.key("loss"),
            "one output for two classes uses `binary_cross_entropy`",
        )


def _partly_symbolic(network: Network, names: NetworkNames, node: Node, report: Report) -> None:
    """Warn where some numbers are left out and others are not."""
    without: list[str] = []
    numbers = 0

    def count(value: Value, name: str) -> None:
        nonlocal numbers
        if value is None:
            without.append(name)
        else:
            numbers += 1

    several = len(network.samples) > 1
    for index, sample in enumerate(network.samples, 1):
        suffix = f"[{index}]" if several else ""
        for place, value in enumerate(sample.inputs, 1):
            count(value, names.input(place) + suffix)
        for place, value in enumerate(sample.targets, 1):
            count(value, names.target(place) + suffix)
    for index, layer in enumerate(network.layers, 1):
        for unit, row in enumerate(layer.connected, 1):
            for source, connected in enumerate(row, 1):
                if connected:
                    value = layer.weights[unit - 1][source - 1] if layer.weights else None
                    count(value, names.weight(index, unit, source))
        for unit, value in enumerate(layer.biases, 1):
            count(value, names.bias(index, unit))
    if without and numbers:
        one = len(without) == 1
        report.warning(
            "partly-symbolic",
            f"{listed(without, 5)} {'has' if one else 'have'} no number, so what depends on "
            f"{'it' if one else 'them'} cannot be calculated",
            node,
        )
