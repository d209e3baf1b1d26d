"""JSON Schema of problem and answer files, for editors: completion, hints, first checks.

What is in the rule tables comes from the rule tables. The reader says more than a schema can
(shapes, names, cycles); what the schema refuses, the reader refuses too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from backprop_cli.arrays.array import MOST_LEVELS
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.array_values import MOST_VALUES as MOST_VALUES_OF_ARRAYS
from backprop_cli.problem.batch_norm import SCHEMA as BATCH_NORM
from backprop_cli.problem.dropout import DROPOUT, KEEP, MASK
from backprop_cli.problem.fields import (
    EXPONENT,
    NAME,
    NUMBER,
    SCALAR,
    Schema,
    any_of,
    list_of,
    mapping,
    number_of,
    or_nothing,
    reference,
)
from backprop_cli.problem.layer_kinds import KINDS, LayerKind
from backprop_cli.problem.layers import DENSE, MOST_LAYERS
from backprop_cli.problem.read import EQUATION_FORM_KEYS, LAYER_FORM_KEYS
from backprop_cli.problem.samples import MOST_SAMPLES, MOST_VALUES
from backprop_cli.problem.settings import MARKING, NOTATION, ROUNDING
from backprop_cli.problem.training import TRAINING
from backprop_cli.problem.variants import VARIANTS
from backprop_cli.problem.weights import MOST_UNITS
from backprop_cli.rules import activations, initializers, losses, optimizers
from backprop_cli.rules.kinks import EXTREMES, TIES, choosable
from backprop_cli.rules.written import POSITIVE, ByAnyName, Range

DIALECT = "https://json-schema.org/draft/2020-12/schema"

NUMBER_OR_NULL: Schema = {"type": ["number", "string", "null"], "pattern": EXPONENT}
TEXT: Schema = {"type": "string", "minLength": 1}
FORMULA: Schema = {
    "type": ["string", "number"],
    "description": "+ - * / ^, implicit multiplication, exp log sqrt abs max min …, every "
    "activation by name, `a if b > c else d`.",
}


def _described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


def _options(
    options: Mapping[str, Number | None],
    aliases: Mapping[str, str],
    ranges: Mapping[str, Range],
) -> dict[str, Schema]:
    """A number in its range for each option, under each of its names."""
    found: dict[str, Schema] = {}
    for name, default in options.items():
        schema = dict(NUMBER.schema)
        if name in ranges:
            schema.update(ranges[name].limits)
        if default is not None:
            schema["default"] = float(default.value)
        found[name] = schema
    for alias, name in aliases.items():
        found[alias] = {**found[name], "description": f"the same as {name}"}
    return found


def _choice(rows: Sequence[Any], table: ByAnyName[Any]) -> Schema:
    """One of a table's rows by name, each with its own title."""
    named = [
        {"const": name, "description": _sentence(row)}
        for row in rows
        for name in (row.name, *row.aliases)
    ]
    spelled = [{"type": "string", "pattern": table.pattern(row)} for row in rows]
    return {"anyOf": [*named, *spelled]}


def _name_of(row: Any, table: ByAnyName[Any]) -> Schema:
    """The names of one row, and every spelling of them."""
    names = {"enum": [row.name, *row.aliases]}
    return {"anyOf": [names, {"type": "string", "pattern": table.pattern(row)}]}


def _sentence(row: Any) -> str:
    return f"{row.title}: {getattr(row, 'use', '') or row.reason}"


def _kinked(table: ByAnyName[Any]) -> dict[str, Schema]:
    """Other spellings of the rules whose slope at a kink may be chosen."""
    return {table.pattern(row): NUMBER.schema for name, row in table.items() if name in choosable()}


def _with_options(
    row: Any, table: ByAnyName[Any], aliases: Mapping[str, str], more: Mapping[str, Schema]
) -> Schema:
    name = {**_name_of(row, table), "description": row.title}
    properties = {"name": name, **_options(row.options, aliases, row.ranges), **more}
    return mapping(_sentence(row), properties, required=["name"])


def _activation() -> Schema:
    table = activations.BY_ANY_NAME
    rows = list(activations.ACTIVATIONS.values())
    own = mapping(
        "An activation of your own.",
        {
            "name": _described({"type": SCALAR}, "How the sheet calls it."),
            "formula": FORMULA,
            "slope": _described(FORMULA, "Its slope in z and a, where it is not the derivative."),
        },
        required=["formula"],
    )
    return {
        "anyOf": [
            _choice(rows, table),
            *(_with_options(row, table, {}, _either(row)) for row in rows),
            own,
        ]
    }


def _either(row: Any) -> dict[str, Schema]:
    """Options that are true or false, for which another row stands."""
    return {key: {"type": "boolean", "default": False} for key in row.variants}


def _loss() -> Schema:
    table = losses.BY_ANY_NAME
    rows = list(losses.LOSSES.values())
    own = mapping(
        "A loss of your own, in the outputs (yhat or yhat1, …) and targets (y or y1, …).",
        {"name": _described({"type": SCALAR}, "How the sheet calls it."), "formula": FORMULA},
        required=["formula"],
    )
    return {
        "anyOf": [_choice(rows, table), *(_with_options(row, table, {}, {}) for row in rows), own]
    }


def _optimizer() -> Schema:
    rows = list(optimizers.OPTIMIZERS.values())
    first: Schema = {
        "anyOf": [
            NUMBER.schema,
            {
                "type": "object",
                "additionalProperties": NUMBER.schema,
                "description": "From parameters to numbers; the others begin at 0.",
            },
        ]
    }
    state: Schema = {
        "type": "object",
        "additionalProperties": first,
        "description": "First value of each quantity carried from update to update.",
    }
    own: Schema = {
        "type": "object",
        "description": "A rule of your own; other keys are its options.",
        "required": ["equations"],
        "properties": {
            "name": TEXT,
            "state": state,
            "intermediates": list_of(NAME.schema),
            "look_ahead": _described(FORMULA, "Where the gradient is taken instead of at w."),
            "equations": {
                "type": "object",
                "description": "In w (the parameter), g (its gradient), eta, t (the number of the "
                "update), states and options; carried out in order.",
                "additionalProperties": FORMULA,
                "required": ["w"],
            },
        },
        "additionalProperties": NUMBER.schema,
    }
    table = optimizers.BY_ANY_NAME
    initial = _described(first, "First value of the one quantity carried on.")
    known = [
        _with_options(
            row,
            table,
            row.option_aliases,
            {
                "state": state,
                **({"initial": initial} if len(row.state) == 1 else {}),
                **_either(row),
            },
        )
        for row in rows
    ]
    return {"anyOf": [_choice(rows, table), *known, own]}


def _initializer(more: Mapping[str, Schema] = MappingProxyType({})) -> Schema:
    rows = list(initializers.INITIALIZERS.values())
    common: dict[str, Schema] = {
        "seed": {
            "type": "integer",
            "minimum": 0,
            "description": "The same seed always draws the same numbers.",
        },
        "digits": {
            "type": "integer",
            "minimum": 1,
            "maximum": 15,
            "default": initializers.DECIMALS,
            "description": "Decimals that drawn numbers are rounded to.",
        },
    }
    return {
        "anyOf": [
            mapping(
                f"{row.title}: {row.formula_text}",
                {
                    "init": _name_of(row, initializers.BY_ANY_NAME),
                    **_options(row.options, {}, row.ranges),
                    **common,
                    **more,
                },
                required=[
                    "init",
                    *(name for name, default in row.options.items() if default is None),
                ],
            )
            for row in rows
        ]
    }


def _values(letter: str, what: str) -> Schema:
    name: Schema = {"type": "string", "pattern": f"^{letter}[0-9]*$"}
    one: Schema = {"anyOf": [NUMBER.schema, name, {"type": "null"}]}
    return {
        "description": f"{what} A list, a mapping by name, or a number if there is one only. "
        f"A name such as {letter}1 stands for a quantity without number.",
        "anyOf": [
            NUMBER.schema,
            name,
            list_of(one, MOST_VALUES, minItems=1),
            _described(reference("levels"), "An image or a sequence; or its shape alone."),
            {
                "type": "object",
                "patternProperties": {f"^{letter}[0-9]*$": one},
                "additionalProperties": False,
                "maxProperties": MOST_VALUES,
            },
        ],
    }


def _layer() -> Schema:
    """A dense layer, or one of the table of kinds."""
    others = [_of_kind(row) for row in KINDS.values() if row.name != DENSE]
    return {"anyOf": [_dense(), *others]}


def _of_kind(row: LayerKind) -> Schema:
    return mapping(
        f"Of {row.takes}: {row.note}",
        {
            "kind": {"const": row.name},
            **{field.key: or_nothing(field.schema) for field in row.fields},
            **_skips(),
            "dropout": or_nothing(_dropped()),
            **_moved(),
        },
        required=["kind"],
    )


def _skips() -> dict[str, Schema]:
    return {
        "add": {
            "description": "The layer below whose output is added to z, or `inputs`.",
            "anyOf": [{"type": "integer", "minimum": 1}, {"const": "inputs"}, {"type": "null"}],
        },
        "after": {
            "type": ["boolean", "null"],
            "default": False,
            "description": "Whether `add` adds to the activation, not to z.",
        },
    }


def _dropped() -> Schema:
    """Dropout of an array: a mask of its shape."""
    properties = {MASK.key: _described(reference("levels"), MASK.about), KEEP.key: KEEP.schema}
    return mapping(DROPOUT.about, properties, required=[MASK.key, KEEP.key])


def _moved() -> dict[str, Schema]:
    names: Schema = {"anyOf": [{"type": "boolean"}, reference("names")]}
    return {
        "frozen": _described(names, "Parameters of this layer that stay as they are."),
        "trainable": _described(names, "The only parameters of this layer that are updated."),
    }


def _biases() -> Schema:
    bias: Schema = {"anyOf": [NUMBER.schema, {"type": "string", "pattern": "^b[0-9_]*$"}]}
    return {
        "description": "A list, one for each unit; a number: one shared by the layer; "
        "none: no biases, as when numbers are there and this key is not. A layer without "
        "numbers has one bias for each unit unless it says `none` or `shared`.",
        "anyOf": [
            list_of(bias, MOST_UNITS),
            bias,
            {"enum": ["none", "shared", "each"]},
            {"type": ["boolean", "null"]},
            reference("initializer"),
        ],
    }


def _levels() -> Schema:
    """Lists of numbers, one in the other, or how they are drawn, or their shape alone."""
    entry: Schema = NUMBER_OR_NULL
    lists: list[Schema] = []
    for _ in range(MOST_LEVELS):
        entry = {"type": "array", "minItems": 1, "items": entry}
        lists.append(entry)
    return {"anyOf": [*lists, reference("drawn")]}


def _drawn() -> Schema:
    alone = mapping("Without numbers.", {"shape": _shape()}, required=["shape"])
    return {"anyOf": [alone, _initializer({"shape": _shape()})]}


def _dense() -> Schema:
    weight: Schema = {
        "anyOf": [NUMBER.schema, {"type": "null"}, {"type": "string", "pattern": "^w[0-9_]*$"}]
    }
    return mapping(
        "One layer of units. `weights` with numbers, or `units` for a layer without.",
        {
            "kind": {"enum": [DENSE, None]},
            "activation": {
                "description": "For every unit, or a list of one for each.",
                "anyOf": [
                    reference("activation"),
                    list_of(reference("activation"), MOST_UNITS),
                    {"type": "null"},
                ],
            },
            "units": {
                "type": ["integer", "null"],
                "minimum": 1,
                "maximum": MOST_UNITS,
                "description": "How many units; needed where weights are drawn or left out.",
            },
            "weights": {
                "description": "A row per unit, a column per input: weights[j][i] leads into unit j "
                "from input i. null: no connection; a name (w1_1_2, or just w): no number.",
                "anyOf": [
                    list_of(list_of(weight), MOST_UNITS),
                    reference("initializer"),
                    mapping(
                        "The weights of a layer below, as they are or transposed.",
                        {
                            "same_as": {"type": "integer", "minimum": 1},
                            "transposed": {"type": "boolean", "default": False},
                        },
                        required=["same_as"],
                    ),
                    {"type": "null"},
                ],
            },
            "biases": reference("biases"),
            "bias_input": or_nothing(reference("bias_input")),
            **_skips(),
            "dropout": or_nothing(DROPOUT.schema),
            "batch_norm": _described(
                BATCH_NORM, "Normalise each unit's z over the batch, before the activation."
            ),
            **_moved(),
        },
    )


def _leaves(description: str) -> Schema:
    return {
        "description": description + " Without numbers: a list of names, or null for a value.",
        "anyOf": [
            {"type": "object", "additionalProperties": reference("array")},
            list_of(NAME.schema),
            NAME.schema,
            {"type": "null"},
        ],
    }


def _array() -> Schema:
    """A number, or lists in lists of them, or how such an array is drawn."""
    entry: Schema = {"anyOf": [NUMBER_OR_NULL, {"enum": ["-inf", "-.inf"]}]}
    levels: list[Schema] = [NUMBER_OR_NULL]
    for _ in range(MOST_LEVELS):
        entry = {"type": "array", "minItems": 1, "items": entry}
        levels.append(entry)
    drawn: Schema = {
        "type": "object",
        "required": ["init", "shape"],
        "properties": {"init": {"type": "string"}, "shape": _shape(), "seed": {"type": "integer"}},
    }
    return {"anyOf": [*levels, drawn]}


def _gradient() -> Schema:
    """A number, lists of numbers, a level more where samples are listed."""
    levels: list[Schema] = [NUMBER_OR_NULL]
    for _ in range(MOST_LEVELS + 1):
        levels.append({"type": "array", "minItems": 1, "items": levels[-1]})
    return any_of(*levels, {"type": "object"})


def _shape() -> Schema:
    size: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_VALUES_OF_ARRAYS}
    return {"anyOf": [size, {**list_of(size, MOST_LEVELS), "minItems": 1}]}


def _properties() -> dict[str, Schema]:
    return {
        "title": {"type": SCALAR, "description": "The heading of the sheet."},
        "description": {"type": SCALAR, "description": "A sentence below it."},
        # layers
        "inputs": _values("x", "The inputs."),
        "targets": _values("y", "The targets, one for each output."),
        "samples": {
            "description": "Several samples. Layers: {inputs: …, targets: …}; equations: "
            "{x: 1, y: 0}, the same names in each.",
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_SAMPLES,
            "items": {"type": "object"},
        },
        "layers": {
            **list_of(reference("layer"), MOST_LAYERS),
            "minItems": 1,
            "description": "From the first hidden layer to the output layer.",
        },
        "loss": reference("loss"),
        "bias_input": reference("bias_input"),
        # equations
        "equations": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": FORMULA,
            "description": "name: formula, in any order.",
        },
        "given": _leaves("Inputs, targets and whatever else is not learned."),
        "parameters": _leaves("What is learned."),
        "shapes": {
            "type": "object",
            "additionalProperties": _shape(),
            "description": "Arrays without numbers: {W: [2, 3]}.",
        },
        "index": {
            "type": "object",
            "maxProperties": 1,
            "additionalProperties": {"type": "string"},
            "description": "Time: {t: 1..3} makes h_t one equation for each t.",
        },
        "output": _described(
            NAME.schema, "What is differentiated; the last equation unless given."
        ),
        # both
        "second_derivatives": {
            "type": "boolean",
            "default": False,
            "description": "Whether the sheet goes on to d2L/dw1dw2 of what is asked for.",
        },
        "upstream": {
            "type": "object",
            "minProperties": 1,
            "description": "Gradients in place of a loss: {yhat: [0.1, -0.2]}, or by the names of "
            "equations; with samples a list of them.",
            "additionalProperties": _gradient(),
        },
        "with_respect_to": _described(
            reference("names"),
            "What it is differentiated by, or `inputs`; the parameters unless given.",
        ),
        "learning_rate": {
            "description": "Without it there is no update. `eta`: an update without numbers.",
            "anyOf": [number_of(POSITIVE).schema, {"enum": ["eta", "η"]}, {"type": "null"}],
        },
        "training": TRAINING.schema,
        "frozen": _described(reference("names"), "Parameters that stay as they are."),
        "trainable": _described(reference("names"), "The only parameters that are updated."),
        "notation": NOTATION.schema,
        "kinks": mapping(
            "Slopes where functions have none.",
            {
                name: {"enum": list(TIES)} if name in EXTREMES else NUMBER.schema
                for name in choosable()
            },
            patternProperties=_kinked(activations.BY_ANY_NAME) | _kinked(losses.BY_ANY_NAME),
        ),
        "rounding": ROUNDING.schema,
        "marking": MARKING.schema,
        "variants": VARIANTS.schema,
    }


def _not_any(names: Sequence[str]) -> Schema:
    return {"not": {"anyOf": [{"required": [name]} for name in names]}}


def problem_schema() -> Schema:
    """JSON Schema (2020-12) of problem files."""
    sample = mapping(
        "One sample.",
        {
            "inputs": _values("x", "The inputs."),
            "targets": _values("y", "The targets."),
        },
        required=["inputs"],
    )
    equation_sample: Schema = {
        "type": "object",
        "additionalProperties": NUMBER_OR_NULL,
    }
    return {
        "$schema": DIALECT,
        "title": "backprop problem",
        "description": "A network with layers, or any calculation as equations.",
        "type": "object",
        "properties": {
            key: schema if key in ("layers", "equations") else or_nothing(schema)
            for key, schema in _properties().items()
        },
        "additionalProperties": False,
        "oneOf": [
            {
                "title": "layers",
                "required": ["layers"],
                **_not_any(EQUATION_FORM_KEYS),
                "properties": {"samples": {"items": sample}},
            },
            {
                "title": "equations",
                "required": ["equations"],
                **_not_any(LAYER_FORM_KEYS),
                "properties": {"samples": {"items": equation_sample}},
            },
        ],
        "$defs": {
            "activation": _activation(),
            "loss": _loss(),
            "optimizer": _optimizer(),
            "initializer": _initializer(),
            "array": _array(),
            "levels": _levels(),
            "drawn": _drawn(),
            "biases": _biases(),
            "layer": _layer(),
            "names": {"anyOf": [TEXT, list_of(TEXT)], "description": "Names; globs allowed."},
            "bias_input": {
                "type": "number",
                "not": {"const": 0},
                "default": 1,
                "description": "What biases are multiplied by; -1 makes them thresholds.",
            },
        },
    }


def answers_schema() -> Schema:
    """JSON Schema (2020-12) of answer files."""
    one: Schema = {"type": ["number", "string"]}
    answers: Schema = {
        "type": "object",
        "description": "An answer for each name on the sheet: a number with the digits as they "
        "were worked out, an expression in names of the sheet, or a list of both.",
        "additionalProperties": {
            "anyOf": [one, {"type": "null"}, list_of(one, 2, minItems=1)],
        },
    }
    return {
        "$schema": DIALECT,
        "title": "backprop answers",
        "description": "A student's answers to a problem.",
        "type": "object",
        "properties": {
            "student": {
                "type": ["string", "number", "null"],
                "description": "The file name unless given.",
            },
            "answers": {**answers, "type": ["object", "null"]},
            "iterations": {
                "type": "array",
                "items": answers,
                "description": "For several updates: one mapping for each, instead of `answers`.",
            },
        },
        "additionalProperties": False,
        "oneOf": [{"required": ["answers"]}, {"required": ["iterations"]}],
    }
