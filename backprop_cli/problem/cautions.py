"""Warnings about a network that can be read but was hardly meant so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from backprop_cli.diagnostics import listed, quote
from backprop_cli.formula.build import names_in
from backprop_cli.problem.dense import ReadLayers
from backprop_cli.problem.fields import Fields
from backprop_cli.problem.forms import AnyLayer, Custom, Network, RuleUse, Value
from backprop_cli.problem.layer_parts import is_layerwise, is_rule
from backprop_cli.problem.names import NetworkNames
from backprop_cli.problem.samples import Samples
from backprop_cli.problem.values import Report
from backprop_cli.problem.yaml_tree import Node
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.rules.losses import LOSSES, LossRule
from backprop_cli.rules.written import NOT_NEGATIVE, SHARE


def warn(
    top: Fields, samples: Samples, layers: ReadLayers, names: NetworkNames, report: Report
) -> None:
    """Every warning about targets, outputs and missing numbers."""
    network = names.network
    loss = LOSSES.get(network.loss.name) if isinstance(network.loss, RuleUse) else None
    for index, read in enumerate(samples.samples, 1):
        own = read.targets
        if own.node is None or own.values is None:
            continue
        whose = f" of sample {index}" if samples.listed else ""
        if message := _unusual_target(network, loss, own.values, whose):
            report.warning("unusual-target", message[0], own.node, message[1])
    if loss is not None and (loss.output is not None or loss.targets == "signs"):
        node = layers.activation_nodes.get(len(network.layers), top.key("layers"))
        _unusual_output(network.layers[-1], loss, node, report)
    if isinstance(network.loss, Custom) and not {*names.output_names} & {
        *names_in(network.loss.formula)
    }:
        said = "this loss does not depend on the output, so that all gradients are 0"
        report.warning("unused", said, top.key("loss"))
    if loss is not None and loss.targets == "distribution":
        _one_of_one(network.layers[-1], top, report)
    _partly_symbolic(network, names, top.key("layers"), report)


def _unusual_target(
    network: Network, loss: LossRule | None, targets: tuple[Value, ...], whose: str
) -> tuple[str, str | None] | None:
    """What is unusual about a sample's targets, and help."""
    known = [value.value for value in targets if value is not None]
    kind = loss.targets if loss is not None else "numbers"
    holds, words = _EACH.get(kind, (None, ""))
    if loss is not None and holds is not None and not all(map(holds, known)):
        return f"a target{whose} is not {words}, as `{loss.name}` takes for granted", None
    whole = len(known) == len(targets) > 1 and kind == "distribution"
    if loss is not None and whole and abs(sum(known, Fraction(-1))) > Fraction(1, 10**6):
        return (
            f"the targets{whose} do not sum to 1, as `{loss.name}` takes for granted",
            "outputs that do not exclude each other use `binary_cross_entropy`",
        )
    if network.loss is None:
        for value, use in zip(targets, network.layers[-1].activations, strict=False):
            if value is None or not is_rule(use, "step", "sign"):
                continue
            low = 0 if use.name == "step" else -1
            if value.value not in (low, 1):
                message = f"a target{whose} is not {low} or 1, so a {quote(use.name)} unit can"
                return f"{message} never give it", None
    return None


_Holds = Callable[[Fraction], bool]

_EACH: Mapping[str, tuple[_Holds, str]] = {
    "probabilities": (SHARE.holds, "between 0 and 1"),
    "distribution": (SHARE.holds, "between 0 and 1"),
    "signs": (lambda value: value in (-1, 1), "-1 or 1"),
    "counts": (NOT_NEGATIVE.holds, "0 or more"),
}
"""What each target is, by the kind that a loss takes for granted."""


def _unusual_output(last: AnyLayer, loss: LossRule, node: Node, report: Report) -> None:
    """An output whose range does not suit its loss."""
    for use in last.activations:
        if not isinstance(use, RuleUse):
            continue
        rule = ACTIVATIONS[use.name]
        if loss.targets == "signs" and rule.low is not None and rule.low.value >= 0:
            message = (
                f"{quote(loss.name)} compares the sign of the output with a target of -1 or 1, and "
                f"{quote(use.name)} is never negative"
            )
            report.warning("unusual-output", message, node, "use `identity` in the last layer")
            return
        below = loss.low is not None and (rule.low is None or rule.low.value < loss.low)
        above = loss.high is not None and (rule.high is None or rule.high.value > loss.high)
        if below or above:
            outside = "below 0" if loss.high is None else "outside 0 to 1"
            report.warning(
                "unusual-output",
                f"{quote(loss.name)} takes logarithms of the outputs, and {quote(use.name)} can give "
                f"values {outside}",
                node,
                f"use {quote(loss.output or '')} in the last layer",
            )
            return


def _one_of_one(last: AnyLayer, top: Fields, report: Report) -> None:
    """A choice among several classes with a single output; softmax of one has its own warning."""
    if last.units == 1 and not any(map(is_layerwise, last.activations)):
        report.warning(
            "one-output",
            "`cross_entropy` of a single output is −y·ln(ŷ), which is 0 whatever the output is "
            "where the target is 0",
            top.key("loss"),
            "one output for two classes uses `binary_cross_entropy`",
        )


def _partly_symbolic(network: Network, names: NetworkNames, node: Node, report: Report) -> None:
    """Warn where some numbers are left out and others are not."""
    values = {
        name if sample is None else f"{name}[{sample}]": value
        for name, section, value, sample in names.values()
        if section  # γ and β have numbers to begin with anyway
    }
    without = [name for name, value in values.items() if value is None]
    if 0 < len(without) < len(values):
        one = len(without) == 1
        report.warning(
            "partly-symbolic",
            f"{listed(without, 5)} {'has' if one else 'have'} no number, so what depends on "
            f"{'it' if one else 'them'} cannot be calculated",
            node,
        )
