"""JSON Schema of problem and answer files, for editors: completion, hints, first checks.

What is in the rule tables comes from the rule tables. The reader says more than a schema can
(shapes, names, cycles); what the schema refuses, the reader refuses too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from backprop_cli.arrays.array import MOST_LEVELS
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.array_values import MOST_VALUES as MOST_VALUES_OF_ARRAYS
from backprop_cli.problem.layers import MOST_LAYERS
from backprop_cli.problem.read import EQUATION_FORM_KEYS, LAYER_FORM_KEYS
from backprop_cli.problem.samples import MOST_SAMPLES, MOST_VALUES
from backprop_cli.problem.settings import MOST_DIGITS
from backprop_cli.problem.training import MOST_STEPS
from backprop_cli.problem.variants import MOST_CHOICES, REQUIREMENTS, RULES
from backprop_cli.problem.weights import MOST_UNITS
from backprop_cli.rules import activations, initializers, losses, optimizers
from backprop_cli.rules.kinks import EXTREMES, TIES, choosable
from backprop_cli.rules.written import ByAnyName

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# `1e-5` is a number here and in YAML 1.2; programs that still read YAML 1.1 hand it over as text.
EXPONENT = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"
NUMBER: Schema = {"type": ["number", "string"], "pattern": EXPONENT}
NUMBER_OR_NULL: Schema = {"type": ["number", "string", "null"], "pattern": EXPONENT}
POSITIVE: Schema = {**NUMBER, "exclusiveMinimum": 0}
NOT_NEGATIVE: Schema = {**NUMBER, "minimum": 0}
SHARE: Schema = {**NUMBER, "minimum": 0, "maximum": 1}
SCALAR = ["string", "number", "boolean", "null"]
TEXT: Schema = {"type": "string", "minLength": 1}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
FORMULA: Schema = {
    "type": ["string", "number"],
    "description": "+ - * / ^, implicit multiplication, exp log sqrt abs max min …, every "
    "activation by name, `a if b > c else d`.",
}


def _object(description: str, properties: Mapping[str, Schema], **more: Any) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": dict(properties),
        "additionalProperties": False,
        **more,
    }


def _list(of: Schema, most: int | None = None, **more: Any) -> Schema:
    limit = {} if most is None else {"maxItems": most}
    return {"type": "array", "items": of, **limit, **more}


def _described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


def _reference(name: str, description: str | None = None) -> Schema:
    found = {"$ref": f"#/$defs/{name}"}
    return found if description is None else {**found, "description": description}


def _options(options: Mapping[str, Number | None], aliases: Mapping[str, str]) -> dict[str, Schema]:
    """A number for each option, under each of its names."""
    found: dict[str, Schema] = {}
    for name, default in options.items():
        schema = dict(NUMBER)
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
    return {table.pattern(row): NUMBER for name, row in table.items() if name in choosable()}


def _with_options(
    row: Any, table: ByAnyName[Any], aliases: Mapping[str, str], more: Mapping[str, Schema]
) -> Schema:
    name = {**_name_of(row, table), "description": row.title}
    properties = {"name": name, **_options(row.options, aliases), **more}
    return _object(_sentence(row), properties, required=["name"])


def _activation() -> Schema:
    table = activations.BY_ANY_NAME
    rows = list(activations.ACTIVATIONS.values())
    own = _object(
        "An activation of your own.",
        {
            "name": _described(TEXT, "How the sheet calls it."),
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
    own = _object(
        "A loss of your own, in the outputs (yhat or yhat1, …) and targets (y or y1, …).",
        {"name": _described(TEXT, "How the sheet calls it."), "formula": FORMULA},
        required=["formula"],
    )
    return {
        "anyOf": [_choice(rows, table), *(_with_options(row, table, {}, {}) for row in rows), own]
    }


def _optimizer() -> Schema:
    rows = list(optimizers.OPTIMIZERS.values())
    first: Schema = {
        "anyOf": [
            NUMBER,
            {
                "type": "object",
                "additionalProperties": NUMBER,
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
            "intermediates": _list(NAME),
            "look_ahead": _described(FORMULA, "Where the gradient is taken instead of at w."),
            "equations": {
                "type": "object",
                "description": "In w (the parameter), g (its gradient), eta, t (the number of the "
                "update), states and options; carried out in order.",
                "additionalProperties": FORMULA,
                "required": ["w"],
            },
        },
        "additionalProperties": NUMBER,
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


def _initializer() -> Schema:
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
            _object(
                f"{row.title}: {row.formula_text}",
                {
                    "init": _name_of(row, initializers.BY_ANY_NAME),
                    **_options(row.options, {}),
                    **common,
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
    one: Schema = {"anyOf": [NUMBER, name, {"type": "null"}]}
    return {
        "description": f"{what} A list, a mapping by name, or a number if there is one only. "
        f"A name such as {letter}1 stands for a quantity without number.",
        "anyOf": [
            NUMBER,
            name,
            _list(one, MOST_VALUES, minItems=1),
            {
                "type": "object",
                "patternProperties": {f"^{letter}[0-9]*$": one},
                "additionalProperties": False,
                "maxProperties": MOST_VALUES,
            },
        ],
    }


def _layer() -> Schema:
    weight: Schema = {
        "anyOf": [NUMBER, {"type": "null"}, {"type": "string", "pattern": "^w[0-9_]*$"}]
    }
    bias: Schema = {"anyOf": [NUMBER, {"type": "string", "pattern": "^b[0-9_]*$"}]}
    per_unit: Schema = {"anyOf": [NUMBER, _list(NUMBER)]}
    names: Schema = {"anyOf": [{"type": "boolean"}, _reference("names")]}
    return _object(
        "One layer of units. `weights` with numbers, or `units` for a layer without.",
        {
            "activation": {
                "description": "For every unit, or a list of one for each.",
                "anyOf": [
                    _reference("activation"),
                    _list(_reference("activation"), MOST_UNITS),
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
                    _list(_list(weight), MOST_UNITS),
                    _reference("initializer"),
                    _object(
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
            "biases": {
                "description": "A list, one for each unit; a number: one shared by the layer; "
                "none: no biases, as when numbers are there and this key is not. A layer without "
                "numbers has one bias for each unit unless it says `none` or `shared`.",
                "anyOf": [
                    _list(bias, MOST_UNITS),
                    bias,
                    {"enum": ["none", "shared", "each"]},
                    {"type": ["boolean", "null"]},
                    _reference("initializer"),
                ],
            },
            "bias_input": _reference("bias_input"),
            "add": {
                "description": "The layer below whose output is added to z, or `inputs`.",
                "anyOf": [{"type": "integer", "minimum": 1}, {"const": "inputs"}, {"type": "null"}],
            },
            "batch_norm": {
                "description": "Normalise each unit's z over the batch, before the activation.",
                "anyOf": [
                    {"type": ["boolean", "null"]},
                    _object(
                        "z → gamma·(z − mean)/√(variance + epsilon) + beta",
                        {
                            "epsilon": {**NOT_NEGATIVE, "default": 1e-5},
                            "gamma": _described(per_unit, "First value, 1 unless given."),
                            "beta": _described(per_unit, "First value, 0 unless given."),
                        },
                    ),
                ],
            },
            "frozen": _described(names, "Parameters of this layer that stay as they are."),
            "trainable": _described(names, "The only parameters of this layer that are updated."),
        },
    )


def _training() -> Schema:
    rules = ["gradient", "perceptron"]
    return _object(
        "How parameters are updated.",
        {
            "steps": {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_STEPS,
                "default": 1,
                "description": "How many updates.",
            },
            "batch": {
                "description": "Samples per update, taken in order, wrapping round.",
                "default": "all",
                "anyOf": [{"const": "all"}, {"type": "integer", "minimum": 1}],
            },
            "reduction": {
                "enum": ["mean", "sum"],
                "default": "mean",
                "description": "How the samples of a batch are put together.",
            },
            "optimizer": _reference("optimizer"),
            "clip": {
                "description": "Limit the gradient: its norm, or each of its numbers.",
                "anyOf": [
                    _object("Scale the whole gradient.", {"norm": POSITIVE}, required=["norm"]),
                    _object("Cut each number.", {"value": POSITIVE}, required=["value"]),
                ],
            },
            "l1": _penalty("Adds l1·sign(w) to the gradient of each weight.", {}),
            "l2": _penalty(
                "Adds l2·w to the gradient of each weight.",
                {
                    "half": {
                        "type": "boolean",
                        "default": True,
                        "description": "½λw², whose slope is λw; false: λw², whose slope is 2λw.",
                    }
                },
            ),
            "direction": {
                "enum": ["descent", "ascent"],
                "default": "descent",
                "description": "Down the slope, or up: w + η·gradient.",
            },
            "rule": {
                "description": "gradient, or perceptron: w ← w + η(t − y)x for step and sign units.",
                "anyOf": [
                    {"enum": rules},
                    _object(
                        "The perceptron rule; `update: target` is w ← w + η·t·x on a mistake.",
                        {"name": {"enum": rules}, "update": {"enum": ["error", "target"]}},
                        required=["name"],
                    ),
                ],
            },
        },
        type=["object", "null"],
    )


def _penalty(description: str, more: Mapping[str, Schema]) -> Schema:
    options: dict[str, Schema] = {
        "value": _described(NOT_NEGATIVE, "λ, the strength of the penalty."),
        "biases": {
            "type": "boolean",
            "default": False,
            "description": "Whether biases are penalised too.",
        },
        "in_loss": {
            "type": "boolean",
            "default": False,
            "description": "The penalty is a part of the loss, and clipped with its gradient.",
        },
    }
    return {
        "description": description,
        "anyOf": [
            NOT_NEGATIVE,
            _object("With options.", {**options, **more}, required=["value"]),
        ],
    }


def _marking() -> Schema:
    return _object(
        "What `check` asks for and how it counts.",
        {
            "ask": {
                "description": "Sections (forward, loss, gradient, update, …) or names; globs allowed.",
                "anyOf": [TEXT, _list(TEXT)],
            },
            "points": {
                "type": "object",
                "additionalProperties": NOT_NEGATIVE,
                "description": "Points by name or glob; 1 otherwise.",
            },
            "pass": _described(SHARE, "The share of points that passes, 1 unless given."),
            "follow_through": _described(SHARE, "Credit for right work from a wrong value."),
            "imprecise": _described(SHARE, "Credit for a value that was rounded too early."),
            "method": _described(SHARE, "Credit for a right formula with a wrong number."),
            "repeated": {
                "enum": ["once", "each"],
                "description": "Whether the same slip costs once or wherever it is made.",
            },
            "tolerance": {
                "anyOf": [
                    NOT_NEGATIVE,
                    _object("Relative tolerance.", {"relative": NOT_NEGATIVE}),
                ]
            },
        },
    )


def _leaves(description: str) -> Schema:
    return {
        "description": description + " Without numbers: a list of names, or null for a value.",
        "anyOf": [
            {"type": "object", "additionalProperties": _reference("array")},
            _list(NAME),
            NAME,
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


def _shape() -> Schema:
    size: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_VALUES_OF_ARRAYS}
    return {"anyOf": [size, {**_list(size, MOST_LEVELS), "minItems": 1}]}


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
            **_list(_reference("layer"), MOST_LAYERS),
            "minItems": 1,
            "description": "From the first hidden layer to the output layer.",
        },
        "loss": _reference("loss"),
        "upstream": {
            "type": "object",
            "minProperties": 1,
            "description": "The gradient of the outputs in place of a loss: {yhat: [0.1, -0.2]}.",
            "patternProperties": {"^yhat[0-9]*$": _values("g", "One for each output.")},
            "additionalProperties": False,
        },
        "bias_input": _reference("bias_input"),
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
        "output": _described(NAME, "What is differentiated; the last equation unless given."),
        # both
        "with_respect_to": _reference(
            "names", "What it is differentiated by, or `inputs`; the parameters unless given."
        ),
        "learning_rate": {
            "description": "Without it there is no update. `eta`: an update without numbers.",
            "anyOf": [POSITIVE, {"enum": ["eta", "η"]}, {"type": "null"}],
        },
        "training": _reference("training"),
        "frozen": _reference("names", "Parameters that stay as they are."),
        "trainable": _reference("names", "The only parameters that are updated."),
        "notation": _object(
            "How quantities are called.",
            {
                "index_order": {
                    "enum": ["to_from", "from_to"],
                    "default": "to_from",
                    "description": "w2_1_3 is the weight to 1 from 3, or from 1 to 3.",
                },
                "names": {
                    "enum": ["indexed", "sequential"],
                    "default": "indexed",
                    "description": "z2_1, w2_1_3; or z1, w1, b1 counted through the network.",
                },
                "weight_order": {
                    "enum": ["by_unit", "by_input"],
                    "default": "by_unit",
                    "description": "How sequential weights are counted.",
                },
                "gradient_order": {
                    "enum": ["by_unit", "weights_first"],
                    "default": "by_unit",
                    "description": "The gradient as a vector: unit by unit, or all weights and "
                    "then all biases.",
                },
                "output_units": {
                    "enum": ["layered", "numbered"],
                    "default": "layered",
                    "description": "Output units with their layer, or counted on after the last "
                    "hidden layer: z3, a3, w13, b3.",
                },
                "layer_mark": {
                    "enum": ["parentheses", "brackets"],
                    "default": "parentheses",
                    "description": "The layer as in a^(2), or as in a^[2].",
                },
                "symbols": {
                    "type": "object",
                    "description": "What quantities are shown as, by their names or letters in "
                    "files: {eta: alpha, yhat: y, y: t, L: E}.",
                    "additionalProperties": NAME,
                },
            },
        ),
        "kinks": _object(
            "Slopes where functions have none.",
            {name: {"enum": list(TIES)} if name in EXTREMES else NUMBER for name in choosable()},
            patternProperties=_kinked(activations.BY_ANY_NAME) | _kinked(losses.BY_ANY_NAME),
        ),
        "rounding": _object(
            "How numbers are written.",
            {
                "digits": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MOST_DIGITS,
                    "default": 4,
                    "description": "Significant digits.",
                },
                "every_step": {
                    "type": "boolean",
                    "default": False,
                    "description": "Round each written value before it is used, as one does by hand.",
                },
            },
        ),
        "marking": _reference("marking"),
        "variants": _reference("variants"),
    }


def _variants() -> Schema:
    steps = _object(
        "A decimal between two bounds.",
        {
            "from": NUMBER,
            "to": NUMBER,
            "step": POSITIVE,
            "not": {"anyOf": [NUMBER, _list(NUMBER, MOST_CHOICES)]},
        },
        required=["from", "to", "step"],
    )
    numbers = _list(NUMBER, MOST_CHOICES, minItems=1)
    choice = _object("One of some numbers.", {"choice": numbers}, required=["choice"])
    one_hot = _object("A 1 among zeros.", {"one_hot": {"const": True}}, required=["one_hot"])
    return _object(
        "Other numbers for each student.",
        {
            "draw": {
                "type": "object",
                "description": "What is drawn: names with * and ?, or inputs, targets, weights, "
                "biases, parameters.",
                "additionalProperties": {"anyOf": [steps, choice, one_hot, numbers]},
            },
            "require": {
                "description": "What a drawn sheet has to fulfil; all of them unless given.",
                **_list({"enum": list(REQUIREMENTS)}),
            },
            "rules": {
                "type": "integer",
                "minimum": 1,
                "maximum": RULES,
                "description": "The version of the requirements.",
            },
            "seed": {
                "type": SCALAR,
                "description": "Another seed gives everyone other numbers.",
            },
        },
        required=["draw"],
    )


def _not_any(names: Sequence[str]) -> Schema:
    return {"not": {"anyOf": [{"required": [name]} for name in names]}}


def problem_schema() -> Schema:
    """JSON Schema (2020-12) of problem files."""
    sample = _object(
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
        "properties": _properties(),
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
            "layer": _layer(),
            "training": _training(),
            "marking": _marking(),
            "variants": _variants(),
            "names": {"anyOf": [TEXT, _list(TEXT)], "description": "Names; globs allowed."},
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
            "anyOf": [one, {"type": "null"}, _list(one, 2, minItems=1)],
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
