"""The activations of a layer: one for every unit, or a list of one for each."""

from __future__ import annotations

from backprop_cli.formula.nodes import Number
from backprop_cli.problem.fields import Fields, any_of, apart, list_of, reference
from backprop_cli.problem.forms import Activation, Custom, RuleUse
from backprop_cli.problem.layer_place import LayerPlace
from backprop_cli.problem.rule_use import activation
from backprop_cli.problem.values import counted
from backprop_cli.problem.weights import MOST_UNITS
from backprop_cli.problem.yaml_tree import Items
from backprop_cli.rules.activations import ACTIVATIONS

_ONE = reference("activation")
UNIT_ACTIVATIONS = apart(
    "activation",
    any_of(_ONE, list_of(_ONE, MOST_UNITS)),
    "an activation, or a list of them",
    "For every unit, or a list of one for each.",
)
UNREAD = Custom("unread", Number("0"))
"""Stands for an activation that could not be read, until the whole file has been."""


def is_rule(use: Activation, *names: str) -> bool:
    """Whether a unit has one of these activations of the table."""
    return isinstance(use, RuleUse) and use.name in names


def is_layerwise(use: Activation) -> bool:
    """Whether a unit shares its activation with its whole layer, as those of softmax do."""
    return isinstance(use, RuleUse) and ACTIVATIONS[use.name].layerwise


def listed_activations(own: Fields, at: LayerPlace) -> tuple[Activation, ...]:
    """The activations as the file has them, a single one for all units."""
    node = own.get("activation")
    if node is None:
        message = f"{at} has no activation, so its units give z itself"
        advice = "`activation: identity` says that this is meant"
        at.report.warning("no-activation", message, own.keys.get("activation", at.node), advice)
        return (RuleUse("identity"),)
    if not isinstance(node, Items):
        return (at.report.tried(activation, node) or UNREAD,)
    found = tuple(at.report.tried(activation, one) or UNREAD for one in node.items)
    shared = [cell for cell, use in zip(node.items, found, strict=True) if is_layerwise(use)]
    others = [use for use in found if use is not UNREAD and not is_layerwise(use)]
    if shared and others:
        message = "softmax stands beside another activation in one layer"
        help = "softmax turns all values of a layer into shares of 1, so the whole layer has it"
        at.report.error("mixed-softmax", message, shared[0], help)
    return found


def per_unit(
    found: tuple[Activation, ...], own: Fields, at: LayerPlace, units: int
) -> tuple[Activation, ...]:
    """One activation for each unit."""
    node = own.get("activation")
    if not isinstance(node, Items):
        if is_layerwise(found[0]) and units == 1:
            message = f"softmax over the one unit of {at} is always 1"
            help = "with one output use `sigmoid`"
            at.report.warning("softmax-of-one", message, node or at.node, help)
        return found * units
    if len(found) == units:
        return found
    message = (
        f"{at} has {counted(units, 'unit')}, so a list of activations must have "
        f"{counted(units, 'name')}, not {len(found)}"
    )
    at.report.error("shape", message, node, "a name without brackets is for every unit")
    return (UNREAD,) * units
