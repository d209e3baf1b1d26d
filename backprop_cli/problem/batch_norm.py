"""Batch normalisation of a layer."""

from __future__ import annotations

from backprop_cli.formula.nodes import Number
from backprop_cli.problem.forms import BatchNorm
from backprop_cli.problem.layer_place import LayerPlace
from backprop_cli.problem.samples import counted
from backprop_cli.problem.values import fields, items, number, number_in, truth
from backprop_cli.problem.yaml_tree import Items, Node, Scalar
from backprop_cli.rules.written import NOT_NEGATIVE

EPSILON = Number("1e-5")


def read_batch_norm(node: Node, at: LayerPlace, units: int) -> BatchNorm | None:
    """`true`, or `{epsilon: …, gamma: …, beta: …}`."""
    what = f"`batch_norm` of {at}"
    if isinstance(node, Scalar):
        wanted = truth(node, at.report, f"{what}, where it is no mapping,")
        if not wanted:
            return None
        return BatchNorm(EPSILON, (Number("1"),) * units, (Number("0"),) * units)
    own = fields(node, at.report, what, ("epsilon", "gamma", "beta"))
    return BatchNorm(
        own.read(
            "epsilon", lambda one: number_in(one, at.report, "`epsilon`", NOT_NEGATIVE), EPSILON
        ),
        _numbers(own.get("gamma"), at, units, "gamma", Number("1")),
        _numbers(own.get("beta"), at, units, "beta", Number("0")),
    )


def _numbers(
    node: Node | None, at: LayerPlace, units: int, name: str, default: Number
) -> tuple[Number, ...]:
    """A number for each unit: a list, or one number for all."""
    if node is None:
        return (default,) * units
    if isinstance(node, Scalar):
        return (number(node, at.report, f"`{name}`") or default,) * units
    cells = items(node, at.report, f"`{name}`", "numbers") or ()
    if isinstance(node, Items) and len(cells) != units:
        at.report.error(
            "shape",
            f"{at} has {counted(units, 'unit')}, so `{name}` must be "
            f"{counted(units, 'number')}, not {len(cells)}",
            node,
        )
        return (default,) * units
    return tuple(
        number(cell, at.report, f"`{name}` {unit}") or default for unit, cell in enumerate(cells, 1)
    )
