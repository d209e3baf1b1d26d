"""Batch normalisation of a layer."""

from __future__ import annotations

from contextlib import suppress

from backprop_cli.diagnostics import quote
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.fields import (
    NUMBER,
    TRUTH,
    Field,
    Fields,
    Keys,
    any_of,
    apart,
    number_of,
    one_or_several,
)
from backprop_cli.problem.forms import BatchNorm
from backprop_cli.problem.layer_place import LayerPlace
from backprop_cli.problem.values import Refused, Report
from backprop_cli.problem.weights import MOST_UNITS
from backprop_cli.problem.yaml_tree import Items, Node, Scalar
from backprop_cli.rules.written import NOT_NEGATIVE

EPSILON = Field("epsilon", number_of(NOT_NEGATIVE), Number("1e-5"), "Added to the variance.")
PER_UNIT = one_or_several(NUMBER, "numbers", MOST_UNITS)
GAMMA = Field("gamma", PER_UNIT, (Number("1"),), "First value of γ, 1 unless given.")
BETA = Field("beta", PER_UNIT, (Number("0"),), "First value of β, 0 unless given.")
BATCH_NORM = Keys("z → gamma·(z − mean)/√(variance + epsilon) + beta", EPSILON, GAMMA, BETA)
NORMALISED = apart(
    "batch_norm",
    any_of(TRUTH.schema, BATCH_NORM.schema),
    f"true, or {BATCH_NORM.words}",
    "Normalise each unit's z over the batch, before the activation.",
)


def read_batch_norm(node: Node, report: Report, at: LayerPlace, units: int) -> BatchNorm:
    """`true`, or `{epsilon: …, gamma: …, beta: …}`."""
    what = f"`batch_norm` of {at}"
    if isinstance(node, Scalar):
        if not TRUTH.read(node, report, f"{what}, where it is no mapping,"):
            raise Refused
        return BatchNorm(EPSILON.default, GAMMA.default * units, BETA.default * units)
    own = BATCH_NORM.of(node, report, what)
    return BatchNorm(own[EPSILON], _numbers(own, GAMMA, at, units), _numbers(own, BETA, at, units))


def _numbers(
    own: Fields, row: Field[tuple[Number, ...]], at: LayerPlace, units: int
) -> tuple[Number, ...]:
    """A number for each unit: a list, or one number for all."""
    node, found = own.get(row.key), own[row]
    with suppress(Refused):
        if isinstance(node, Items):
            at.one_each(node, units, quote(row.key))
    return found if len(found) == units else (found or row.default)[:1] * units
