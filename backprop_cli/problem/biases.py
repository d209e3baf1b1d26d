"""The biases of a layer: one each, one shared, or none."""

from __future__ import annotations

from typing import Literal, TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.fields import (
    Field,
    any_of,
    apart,
    list_of,
    number_of,
    number_or_name,
    reference,
)
from backprop_cli.problem.forms import Value
from backprop_cli.problem.initializer_use import initializer
from backprop_cli.problem.layer_place import LayerPlace
from backprop_cli.problem.values import Refused, decimal_comma
from backprop_cli.problem.weights import MOST_UNITS
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar
from backprop_cli.rules.written import NOT_ZERO

Bias: TypeAlias = Literal["each", "shared", "none"]

WAYS = ("none", "shared", "each")
BIASES_SCHEMA = any_of(
    list_of(number_or_name("b[0-9_]*"), MOST_UNITS),
    number_or_name("b[0-9_]*"),
    {"enum": list(WAYS)},
    {"type": ["boolean", "null"]},
    reference("initializer"),
)
BIASES = apart(
    "biases",
    reference("biases"),
    "a number for each, one for all, or none",
    "A list, one for each unit; a number: one shared by the layer; none: no biases, as when numbers "
    "are there and this key is not. A layer without numbers has one bias for each unit unless it "
    "says `none` or `shared`.",
)
BIAS_INPUT = Field[Number | None](
    "bias_input",
    number_of(NOT_ZERO, "a layer without biases has no `biases`"),
    None,
    "What biases are multiplied by, 1 unless given; -1 makes them thresholds.",
)


@dataclass(frozen=True)
class Biases:
    """What kind of biases, their values, and how they were drawn if they were."""

    kind: Bias
    values: tuple[Value, ...]
    drawn: str | None = None


def read_biases(
    node: Node | None,
    at: LayerPlace,
    units: int | None,
    fan_in: int | None,
    symbolic: bool,
    unit: str = "unit",
) -> Biases:
    """Raises Refused after a mistake. `symbolic` says that the layer has no weights; `unit` is what a
    bias belongs to."""
    count = units or 0
    match node:
        case None:
            # A symbolic layer is drawn as textbooks draw it: each unit has its bias.
            return Biases("each", (None,) * count) if symbolic else Biases("none", ())
        case Scalar(text="none" | "false" | "False") | Items(items=()):
            return Biases("none", ())
        case Scalar(text="shared"):
            return Biases("shared", (None,))
        case Scalar(text="each" | "true" | "True"):
            return Biases("each", (None,) * count)
        case Scalar():
            return Biases("shared", (_bias(node, 1, at, f"the shared bias of {at}"),))
        case Entries():
            drawn = initializer(node, at.report, "biases", 100 + at.index)
            if units is None:
                raise Refused
            values = drawn.values(1, count, fan_in or 1, count)
            return Biases("each", values[0], drawn.sentence)
        case Items():
            return _each(node, at, units, unit)


def _each(node: Items, at: LayerPlace, units: int | None, of: str) -> Biases:
    values = tuple(
        _bias(cell, unit, at, f"bias {unit} of {at}") for unit, cell in enumerate(node.items, 1)
    )
    alone = "a number without brackets is one bias shared by the layer"
    help = alone if len(values) == 1 else decimal_comma(node, len(values), units or 0)
    if units is not None:
        at.one_each(node, units, "biases", help, of)
    return Biases("each", values)


def _bias(cell: Node, unit: int, at: LayerPlace, what: str) -> Value:
    if isinstance(cell, Scalar) and cell.null:
        help = "write 0; a bias without a number is written as its name"
        at.report.error("missing-value", f"{what} is empty", cell, help)
        return None
    return at.number(cell, "b", what, unit, None)
