"""`backprop list --format json`: the rules as programs read them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from backprop_cli.arrays.operations import Operation
from backprop_cli.formula import latex, plain
from backprop_cli.formula.functions import Function
from backprop_cli.formula.nodes import Formula, Number
from backprop_cli.formula.spelling import spell
from backprop_cli.problem.layer_kinds import LayerKind
from backprop_cli.rules.activations import ActivationRule
from backprop_cli.rules.initializers import InitializerRule
from backprop_cli.rules.losses import LossRule
from backprop_cli.rules.optimizers import OptimizerRule
from backprop_cli.rules.remedies import RemedyRule
from backprop_cli.worksheet.catalogue import (
    GROUPS,
    Group,
    Row,
    called,
    found,
    loss_of_one_output,
)

FORMAT = "backprop-rules/1"


def catalogue_json(what: Sequence[str] = ()) -> str:
    """The groups and rules asked for, by group; everything if nothing is. Raises UnknownRule."""
    groups: dict[str, dict[str, Row]] = {}
    for group, row in _chosen(what):
        groups.setdefault(group.name, {})[row.name] = row
    written = {name: [_entry(row) for row in rows.values()] for name, rows in groups.items()}
    return json.dumps({"format": FORMAT, **written}, ensure_ascii=False, indent=2) + "\n"


def _chosen(what: Sequence[str]) -> list[tuple[Group, Row]]:
    everything = [(group, row) for group in GROUPS for row in group.rows.values()]
    if not what:
        return everything
    chosen: list[tuple[Group, Row]] = []
    for asked in what:
        match found(asked):
            case None:  # the toolbox: every rule says where it belongs
                chosen += everything
            case Group() as whole:
                chosen += [(group, row) for group, row in everything if group is whole]
            case rows:
                chosen += rows
    return chosen


def _entry(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "aliases": list(row.aliases),
        **_own(row),
    }


def _own(row: Row) -> dict[str, Any]:
    match row:
        case ActivationRule():
            return {
                "formula": _formula(row.formula),
                "also": None if row.also is None else _formula(row.also),
                "slope": _formula(row.slope),
                "output": row.range,
                "use": row.use,
                "places": list(row.places),
                "options": _numbers(row.options),
                "reason": row.reason,
            }
        case LossRule():
            return {
                "formula": _formula(loss_of_one_output(row)),
                "slope": _formula(row.slope),
                "use": row.use,
                "targets": row.target_note,
                "places": [row.place],
                "options": _numbers(row.options),
                "reason": row.reason,
            }
        case OptimizerRule():
            return {
                "equations": _formulas(row.equations),
                "state": _numbers(row.state),
                "options": _numbers(row.options),
                "reason": row.reason,
            }
        case InitializerRule():
            return {"value": row.formula_text, "use": row.use, "options": _numbers(row.options)}
        case RemedyRule():
            settings = [
                {"key": setting.key, "equations": _formulas(setting.equations)}
                for setting in row.settings
            ]
            return {"settings": settings, "use": row.use, "reason": row.reason}
        case Function():
            return {"formula": _formula(called(row)), "meaning": row.note.replace("`", "")}
        case Operation():
            return {
                "call": row.signature,
                "meaning": row.note.replace("`", ""),
                "gradient": row.backward,
            }
        case LayerKind():
            return {
                "of": row.takes,
                "meaning": row.note,
                "keys": {field.key: field.about for field in row.fields},
            }
        case _:
            raise TypeError(f"no rule: {row!r}")


def _formula(formula: Formula) -> dict[str, str]:
    return {"text": plain.write(formula), "latex": latex.write(formula, spell)}


def _formulas(formulas: Mapping[str, Formula]) -> dict[str, dict[str, str]]:
    return {name: _formula(formula) for name, formula in formulas.items()}


def _numbers(options: Mapping[str, Number | None]) -> dict[str, float | None]:
    """Options and states with their defaults; null for what has to be given."""
    return {name: None if value is None else float(value.value) for name, value in options.items()}
