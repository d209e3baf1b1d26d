"""What the keys of layers between arrays take, as far as several kinds have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backprop_cli.problem.fields import (
    Field,
    Kind,
    Schema,
    any_of,
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

LARGEST = 1_000  # of a window, a stride, a rim


def as_it_is(schema: Schema, words: str) -> Kind[Node]:
    """What can be read only with the rest of the layer."""
    return Kind(lambda node, report, what: node, schema, words)


LEVELS = as_it_is(reference("levels"), "lists of numbers")
"""Or how they are drawn, or their shape alone."""
DRAWN = reference("drawn")


def by_gate(names: Sequence[str], lists: str = "lists of numbers for each gate") -> Kind[Node]:
    """Lists of numbers under the names of gates, or how all of them are drawn."""
    properties = {name: or_nothing(any_of(reference("levels"))) for name in names}
    return as_it_is(any_of(mapping("By gate.", properties), DRAWN), lists)


LETTERS: Mapping[str, str] = {
    "kernels": "w",
    "weights": "w",
    "recurrent": "u",
    "biases": "b",
    "recurrent_biases": "bu",
}
"""How the names of the parameters begin whose numbers a key holds; the letter of a gate follows."""


def _activation(node: Node, report: Report, what: str) -> Activation | None:
    if isinstance(node, Items):
        report.error(
            "not-text", f"{what} is one, for all that the layer calculates", node,
            "write its name without brackets",
        )  # fmt: skip
        return None
    return activation(node, report)


def activation_field(about: str) -> Field[Activation | None]:
    return Field(
        "activation", Kind(_activation, reference("activation"), "an activation"), None, about
    )


ACTIVATION = activation_field("Applied to every number.")
BIASES = Field(
    "biases",
    as_it_is(reference("biases"), "a number for each, one for all, or none"),
    None,
    "One for each output channel or unit, or one number for all.",
)
STRIDE = Field("stride", whole(1, LARGEST), 1, "How far the window moves.")
UNITS = Field("units", whole(1, MOST_UNITS), None, "How many; needed where no weights say it.")

ROW_PER_UNIT = "a row for each unit, a column for each number that comes in"


def drawn(node: Node) -> bool:
    """Whether numbers are drawn, or only their shape is said."""
    return isinstance(node, Entries) and any(
        key.text in ("init", "shape") for key, _ in node.entries
    )
