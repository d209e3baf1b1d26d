"""Which parameters the update leaves alone: `frozen` and `trainable`, of a file and of layers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from backprop_cli.diagnostics import listed
from backprop_cli.problem.fields import Fields
from backprop_cli.problem.layers import ReadLayers
from backprop_cli.problem.names import NetworkNames
from backprop_cli.problem.settings import names_of
from backprop_cli.problem.values import Report
from backprop_cli.problem.yaml_tree import Node, Scalar


def top_lists(
    top: Fields,
    parameters: Iterable[str],
    report: Report,
    groups: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The two lists of the whole file; None where there is no `trainable`. `groups` are names that
    stand for several parameters."""
    known = dict.fromkeys(parameters)
    frozen, trainable = top.get("frozen"), top.get("trainable")
    return (
        () if frozen is None else names_of(frozen, report, "`frozen`", known, groups),
        None if trainable is None else names_of(trainable, report, "`trainable`", known, groups),
    )


def refuse_both(
    frozen: Collection[str], trainable: Collection[str] | None, top: Fields, report: Report
) -> None:
    both = [name for name in trainable or () if name in frozen]
    if both:
        report.error(
            "both-forms",
            f"{listed(both, 5)} {'is' if len(both) == 1 else 'are'} both frozen and trainable",
            top.key("trainable"),
            "name a parameter in one of the lists",
        )


def frozen_and_trainable(
    top: Fields, layers: ReadLayers, names: NetworkNames, report: Report
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The frozen parameters and the only trainable ones, layers' own lists put in."""
    listed_frozen, trainable = top_lists(top, names.parameters(), report)
    frozen = dict.fromkeys(listed_frozen)
    by_layer = _parameters_by_layer(names) if layers.frozen or layers.trainable else []
    for layer, node in layers.frozen:
        own = by_layer[layer - 1]
        match _truth(node):
            case True:
                frozen.update(own)
            case None:
                frozen.update(dict.fromkeys(names_of(node, report, "`frozen`", own)))
            case False:
                pass
    for layer, node in layers.trainable:
        own = by_layer[layer - 1]
        match _truth(node):
            case False:
                frozen.update(own)
            case None:
                kept = set(names_of(node, report, "`trainable`", own))
                frozen.update(dict.fromkeys(name for name in own if name not in kept))
            case True:
                pass
    refuse_both(frozen, trainable, top, report)
    return tuple(frozen), trainable


def _truth(node: Node) -> bool | None:
    """True or false where a list could stand, None where one does."""
    if isinstance(node, Scalar) and node.plain and node.text.lower() in ("true", "false"):
        return node.text.lower() == "true"
    return None


def _parameters_by_layer(names: NetworkNames) -> list[dict[str, None]]:
    found: list[dict[str, None]] = []
    for index, layer in enumerate(names.network.layers, 1):
        own: dict[str, None] = {}
        for unit in range(1, layer.units + 1):
            for source, connected in enumerate(layer.connected[unit - 1], 1):
                if connected:
                    own[names.weight(index, unit, source)] = None
            if layer.bias != "none":
                own[names.bias(index, unit)] = None
            if layer.batch_norm is not None:
                own[names.gamma(index, unit)] = None
                own[names.beta(index, unit)] = None
        found.append(own)
    return found
