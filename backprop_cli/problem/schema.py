"""JSON Schema of problem and answer files, for editors: completion, hints, first checks.

The keys come from the tables of fields, what may be named from the rule tables. The reader says more
than a schema can (shapes, names, cycles); what the schema refuses, the reader refuses too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backprop_cli.arrays.array import MOST_LEVELS
from backprop_cli.problem.array_values import SHAPE
from backprop_cli.problem.dense import LAYER
from backprop_cli.problem.fields import (
    NUMBER,
    NUMBER_OR_NULL,
    TRUTH,
    Field,
    Keys,
    Schema,
    any_of,
    by_name,
    list_of,
    mapping,
    or_nothing,
    reference,
)
from backprop_cli.problem.layer_kinds import DENSE, KINDS
from backprop_cli.problem.layer_parts import BIASES_SCHEMA
from backprop_cli.problem.optimizer_use import INITIAL, OPTIMIZERS, OWN, STATE
from backprop_cli.problem.read import EQUATION_FORM, LAYER_FORM, PROBLEM
from backprop_cli.problem.rule_use import (
    ACTIVATIONS,
    DIGITS,
    INITIALIZERS,
    LOSSES,
    OWN_ACTIVATION,
    OWN_LOSS,
    SEED,
    Choices,
)
from backprop_cli.problem.samples import SAMPLE, SAMPLES
from backprop_cli.rules import activations, losses
from backprop_cli.rules.kinks import EXTREMES, TIES, choosable
from backprop_cli.rules.written import ByAnyName

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEXT: Schema = {"type": "string", "minLength": 1}


# --- rows of rule tables ----------------------------------------------------------------------


def _options(row: Any) -> dict[str, Schema]:
    """A number in its range for each option, under each of its names; true or false where an option
    means another row."""
    found: dict[str, Schema] = {}
    for name, default in row.options.items():
        limits = row.ranges[name].limits if name in row.ranges else {}
        usual = {} if default is None else {"default": float(default.value)}
        found[name] = {**NUMBER.schema, **limits, **usual}
    for alias, name in getattr(row, "option_aliases", {}).items():
        found[alias] = {**found[name], "description": f"the same as {name}"}
    return found | {key: {**TRUTH.schema, "default": False} for key in getattr(row, "variants", ())}


def _name_of(row: Any, table: ByAnyName[Any]) -> Schema:
    """The names of one row, and every spelling of them."""
    names = {"enum": [row.name, *row.aliases]}
    return any_of(names, {"type": "string", "pattern": table.pattern(row)})


def _sentence(row: Any) -> str:
    return f"{row.title}: {getattr(row, 'use', '') or row.reason}"


def _with_options(
    row: Any, choices: Choices[Any], *more: Field[Any], needed: Sequence[Field[Any]] = ()
) -> Schema:
    """The mapping form of a row, beside its options the fields that are `needed` and some `more`."""
    name = {**_name_of(row, choices.table), "description": row.title}
    beside = {each.key: each.schema for each in needed}
    beside |= {each.key: or_nothing(each.schema) for each in more}
    required = [option for option, default in row.options.items() if default is None]
    required = [choices.key, *required, *(each.key for each in needed)]
    return mapping(
        _sentence(row), {choices.key: name, **_options(row), **beside}, required=required
    )


def _has(row: Any, each: Field[Any]) -> bool:
    """Whether a key beside the options makes sense for a row."""
    return each is not INITIAL or len(row.state) == 1


def _chosen(choices: Choices[Any], own: Keys, *more: Field[Any]) -> Schema:
    """A row by its name alone or with options, or one of the author's own."""
    rows, table = list(choices.table.rows.values()), choices.table
    named = [
        {"const": name, "description": _sentence(row)}
        for row in rows
        for name in (row.name, *row.aliases)
    ]
    spelled = [{"type": "string", "pattern": table.pattern(row)} for row in rows]
    with_options = [
        _with_options(row, choices, *(each for each in more if _has(row, each))) for row in rows
    ]
    return any_of(*named, *spelled, *with_options, own.schema)


def _kinks() -> Schema:
    """Slopes at kinks, by every spelling of what has one."""
    slopes = {
        name: {"enum": list(TIES)} if name in EXTREMES else NUMBER.schema for name in choosable()
    }
    tables: tuple[ByAnyName[Any], ...] = (activations.BY_ANY_NAME, losses.BY_ANY_NAME)
    spelled = {
        table.pattern(row): NUMBER.schema
        for table in tables
        for row in table.rows.values()
        if row.name in choosable()
    }
    return mapping("Slopes where functions have none.", slopes, patternProperties=spelled)


# --- numbers ----------------------------------------------------------------------------------


def _initializer(*needed: Field[Any], more: Sequence[Field[Any]] = (SEED, DIGITS)) -> Schema:
    """How numbers are drawn."""
    rows = INITIALIZERS.table.rows.values()
    return any_of(*(_with_options(row, INITIALIZERS, *more, needed=needed) for row in rows))


def _nested(entry: Schema, most: int) -> list[Schema]:
    """Lists of it, lists of such lists, and so on."""
    found: list[Schema] = []
    for _ in range(most):
        entry = list_of(entry, minItems=1)
        found.append(entry)
    return found


# --- whole files ------------------------------------------------------------------------------


def _form(title: str, form: Keys, other: Keys, sample: Schema) -> Schema:
    """What a file of this form has, and has not."""
    needed = [row.key for row in form.required]
    return {
        "title": title,
        "required": needed,
        "not": any_of(*({"required": [name]} for name in other.names)),
        "properties": {
            SAMPLES.key: {"items": sample},
            **{key: {"not": {"type": "null"}} for key in needed},
        },
    }


def problem_schema() -> Schema:
    """JSON Schema (2020-12) of problem files."""
    shape_alone = Keys("Without numbers.", SHAPE, required=[SHAPE])
    optional_shape = _initializer(more=(SEED, DIGITS, SHAPE))
    kinds = [row.keys.schema for row in KINDS.values() if row.name != DENSE]
    numbers: Schema = by_name(reference("array"))
    return {
        "$schema": DIALECT,
        "title": "backprop problem",
        **PROBLEM.schema,
        "oneOf": [
            _form("layers", LAYER_FORM, EQUATION_FORM, SAMPLE.schema),
            _form("equations", EQUATION_FORM, LAYER_FORM, numbers),
        ],
        "$defs": {
            "activation": _chosen(ACTIVATIONS, OWN_ACTIVATION),
            "loss": _chosen(LOSSES, OWN_LOSS),
            "optimizer": _chosen(OPTIMIZERS, OWN, STATE, INITIAL),
            "initializer": _initializer(),
            "drawn": any_of(shape_alone.schema, optional_shape),
            "levels": any_of(*_nested(NUMBER_OR_NULL, MOST_LEVELS), reference("drawn")),
            "array": any_of(
                NUMBER_OR_NULL,
                *_nested(any_of(NUMBER_OR_NULL, {"enum": ["-inf", "-.inf"]}), MOST_LEVELS),
                _initializer(SHAPE),
            ),
            "gradient": any_of(
                NUMBER_OR_NULL, *_nested(NUMBER_OR_NULL, MOST_LEVELS + 1), reference("drawn")
            ),
            "biases": BIASES_SCHEMA,
            "layer": any_of(LAYER.schema, *kinds),
            "names": any_of(TEXT, list_of(TEXT)),
            "kinks": _kinks(),
        },
    }


def answers_schema() -> Schema:
    """JSON Schema (2020-12) of answer files."""
    one: Schema = {"type": ["number", "string"]}
    answers: Schema = by_name(
        any_of(one, {"type": "null"}, list_of(one, 2, minItems=1)),
        description="An answer for each name on the sheet: a number with the digits as they "
        "were worked out, an expression in names of the sheet, or a list of both.",
    )
    return {
        "$schema": DIALECT,
        "title": "backprop answers",
        **mapping(
            "A student's answers to a problem.",
            {
                "student": {
                    "type": ["string", "number", "null"],
                    "description": "The file name unless given.",
                },
                "answers": or_nothing(answers),
                "iterations": {
                    **list_of(answers),
                    "description": "For several updates: one mapping for each, instead of `answers`.",
                },
            },
            oneOf=[{"required": ["answers"]}, {"required": ["iterations"]}],
        ),
    }
