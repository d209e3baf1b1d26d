"""What layers consist of beside their weights: activations, biases, normalisation, dropout; the keys
that several kinds of layers have, and where in the file each stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Literal, TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import quote
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.fields import (
    NAMES,
    NUMBER,
    TRUTH,
    Field,
    Fields,
    Keys,
    Kind,
    any_of,
    apart,
    as_it_is,
    list_of,
    mapping,
    number_of,
    number_or_name,
    one_or_several,
    or_nothing,
    reference,
    several,
    whole,
)
from backprop_cli.problem.forms import Activation, BatchNorm, Custom, Dropout, RuleUse, Value
from backprop_cli.problem.rule_use import activation, initializer
from backprop_cli.problem.values import Refused, Report, counted, decimal_comma, number
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.rules.written import NOT_NEGATIVE, NOT_ZERO, Range

MOST_UNITS = 2_000


@dataclass(frozen=True)
class NamedCell:
    """A name written where a number could stand; `source` is None for a bias."""

    node: Scalar
    layer: int
    unit: int
    source: int | None


@dataclass(frozen=True)
class LayerPlace:
    """A layer's number, its node, where to report, and the names found instead of numbers."""

    index: int
    node: Node
    report: Report
    named: list[NamedCell]

    def __str__(self) -> str:
        return f"layer {self.index}"

    def number(self, cell: Node, name: str, what: str, unit: int, source: int | None) -> Value:
        """A number, or in its place a name that is looked at when all layers have been read; None
        after a mistake too."""
        if isinstance(cell, Scalar) and re.fullmatch(f"{name}[0-9_]{{0,20}}", cell.text):
            self.named.append(NamedCell(cell, self.index, unit, source))
            return None
        return self.report.tried(number, cell, what)

    def one_each(
        self, node: Items, units: int, what: str, help: str | None = None, of: str = "unit"
    ) -> None:
        """Refuse a list that has not a number for each unit."""
        if (found := len(node.items)) != units:
            needed = (
                f"{self} has {counted(units, of)}, so {what} must be {counted(units, 'number')}"
            )
            self.report.refuse("shape", f"{needed}, not {found}", node, help)


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


MOST_LAYERS = 1_000
LARGEST = 1_000  # of a window, a stride, a rim


LEVELS = as_it_is(reference("levels"), "lists of numbers")
"""Or how they are drawn, or their shape alone."""
DRAWN = reference("drawn")


def by_name(names: Sequence[str], words: str) -> Kind[Node]:
    """Lists of numbers under names."""
    properties = {name: or_nothing(any_of(LEVELS.schema)) for name in names}
    return as_it_is(mapping(words, properties), words)


def by_gate(names: Sequence[str]) -> Kind[Node]:
    """Lists of numbers under the names of gates, or how all of them are drawn."""
    each = by_name(names, "lists of numbers for each gate")
    return as_it_is(any_of(each.schema, DRAWN), each.words)


def or_none(kind: Kind[Node]) -> Kind[Node]:
    return as_it_is(any_of(kind.schema, {"enum": ["none"]}), f"{kind.words}, or `none`")


LETTERS: Mapping[str, str] = {
    "kernels": "w",
    "weights": "w",
    "recurrent": "u",
    "biases": "b",
    "recurrent_biases": "bu",
}
"""How the names of the parameters begin whose numbers a key holds; the letter of a gate follows."""


def _activation(node: Node, report: Report, what: str) -> Activation:
    if isinstance(node, Items):
        report.refuse(
            "not-text", f"{what} is one, for all that the layer calculates", node,
            "write its name without brackets",
        )  # fmt: skip
    return activation(node, report)


def activation_field(about: str) -> Field[Activation | None]:
    return Field(
        "activation", Kind(_activation, reference("activation"), "an activation"), None, about
    )


ACTIVATION = activation_field("Applied to every number.")
CHANNEL_BIASES = Field(
    "biases",
    BIASES.kind,
    None,
    "One for each output channel or unit, or one number for all.",
)
STRIDE = Field("stride", whole(1, LARGEST), 1, "How far the window moves.")
UNITS = Field("units", whole(1, MOST_UNITS), None, "How many; needed where no weights say it.")

ADD = apart(
    "add",
    any_of(whole(1, MOST_LAYERS).schema, {"const": "inputs"}),
    "a layer below, or `inputs`",
    "The layer below whose output is added to z, or `inputs`.",
)
AFTER = Field("after", TRUTH, False, "Whether `add` adds to the activation, not to z.")
_SOME = as_it_is(any_of(TRUTH.schema, NAMES.schema), "names, or true or false")
FROZEN = Field("frozen", _SOME, None, "Parameters of this layer that stay as they are.")
TRAINABLE = Field("trainable", _SOME, None, "The only parameters of this layer that are updated.")

ROW_PER_UNIT = "a row for each unit, a column for each number that comes in"


LEFT_IN = number_of(Range("1, or 0 for a unit that is dropped", {"enum": [0, 1]}))
PART = number_of(Range("greater than 0 and at most 1", {"exclusiveMinimum": 0, "maximum": 1}))
NO_MASK: tuple[Number, ...] = ()
MASK = Field(
    "mask", several(LEFT_IN, "numbers", MOST_UNITS), NO_MASK, "1 for every unit that stays."
)
KEEP = Field("keep", PART, Number("1"), "The share of units that stays, which the others make up.")
DROPOUT = Keys(
    "Units are left out by a mask: what is handed on is mask·a/keep.",
    *(MASK, KEEP),
    required=(MASK, KEEP),
    example="write `{mask: [1, 0, 1], keep: 0.5}`, a 1 for every unit that stays",
)
DROPPED = apart("dropout", DROPOUT.schema, DROPOUT.words, DROPOUT.about)

MASKS = Field("mask", LEVELS, None, MASK.about)
OF_ARRAYS = Keys(
    DROPOUT.about,
    *(MASKS, KEEP),
    required=(MASKS, KEEP),
    example="write `{mask: [1, 0, 1], keep: 0.5}`, a 1 for every number that stays",
)
MASKED = apart("dropout", OF_ARRAYS.schema, OF_ARRAYS.words, OF_ARRAYS.about)
"""Of a layer between arrays: a mask of their shape."""


def read_dropout(node: Node, report: Report, at: LayerPlace, units: int) -> Dropout:
    """`{mask: [1, 0, 1], keep: 0.5}`: which units stay, and the share of units that stays."""
    own = DROPOUT.of(node, report, f"`dropout` of {at}")
    mask, found = own.get("mask"), own[MASK]
    if isinstance(mask, Items):
        at.one_each(mask, units, "`mask`")
    if len(found) != units:
        raise Refused
    return Dropout(found, own[KEEP])
