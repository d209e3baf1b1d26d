"""Which parameters the update leaves alone: `frozen` and `trainable`, of a file and of layers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from backprop_cli.diagnostics import listed, quote
from backprop_cli.problem.fields import NAMES, Field, Fields
from backprop_cli.problem.layers import ReadLayers
from backprop_cli.problem.names import NetworkNames
from backprop_cli.problem.settings import names_of
from backprop_cli.problem.values import Report
from backprop_cli.problem.yaml_tree import Node, Scalar

FROZEN = Field("frozen", NAMES, None, "Parameters that stay as they are.")
TRAINABLE = Field("trainable", NAMES, None, "The only parameters that are updated.")


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
        message = f"{listed(both, 5)} {'is' if len(both) == 1 else 'are'} both frozen and trainable"
        help = "name a parameter in one of the lists"
        report.error("both-forms", message, top.key("trainable"), help)


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
        said = _truth(node)
        if said is None:
            listing = names_of(node, report, quote(key), own, arrays)
        else:
            listing = tuple(own) if said else ()
        if key == TRAINABLE.key:
            listing = tuple(name for name in own if name not in set(listing))
        frozen.update(dict.fromkeys(listing))
    refuse_both(frozen, trainable, top, report)
    return tuple(frozen), trainable


def _truth(node: Node) -> bool | None:
    """True or false where a list could stand, None where one does."""
    if isinstance(node, Scalar) and node.plain and node.text.lower() in ("true", "false"):
        return node.text.lower() == "true"
    return None
