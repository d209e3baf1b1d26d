"""What the keys of layers between arrays take, as far as several kinds have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backprop_cli.problem import biases
from backprop_cli.problem.fields import (
    NAMES,
    TRUTH,
    Field,
    Kind,
    any_of,
    apart,
    as_it_is,
    mapping,
    or_nothing,
    reference,
    whole,
)
from backprop_cli.problem.forms import Activation
from backprop_cli.problem.rule_use import activation
from backprop_cli.problem.values import Report
from backprop_cli.problem.weights import MOST_UNITS
from backprop_cli.problem.yaml_tree import Entries, Items, Node

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
BIASES = Field(
    "biases",
    biases.BIASES.kind,
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


def drawn(node: Node) -> bool:
    """Whether numbers are drawn, or only their shape is said."""
    return isinstance(node, Entries) and any(
        key.text in ("init", "shape") for key, _ in node.entries
    )
