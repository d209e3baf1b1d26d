"""Dropout on the output of a layer, by a mask that the file gives."""

from __future__ import annotations

from backprop_cli.formula.nodes import Number
from backprop_cli.problem.fields import Field, Keys, apart, number_of, several
from backprop_cli.problem.forms import Dropout
from backprop_cli.problem.layer_fields import LEVELS
from backprop_cli.problem.layer_place import LayerPlace
from backprop_cli.problem.values import Refused, Report
from backprop_cli.problem.weights import MOST_UNITS
from backprop_cli.problem.yaml_tree import Items, Node
from backprop_cli.rules.written import Range

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
