"""`backprop list --format json`: the rules as programs read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from backprop_cli.diagnostics import json_text
from backprop_cli.formula import latex, plain
from backprop_cli.formula.nodes import Formula, Number
from backprop_cli.formula.spelling import spell
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
    written = {name: [_entry(name, row) for row in rows.values()] for name, rows in groups.items()}
    return json_text({"format": FORMAT, **written}, 2)


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


def _entry(group: str, row: Row) -> dict[str, Any]:
    named = {"name": row.name, "title": row.title, "aliases": list(row.aliases)}
    return named | {key: read(row) for key, read in ENTRIES[group].items()}


def _formula(formula: Formula) -> dict[str, str]:
    return {"text": plain.write(formula), "latex": latex.write(formula, spell)}


def _formulas(formulas: Mapping[str, Formula]) -> dict[str, dict[str, str]]:
    return {name: _formula(formula) for name, formula in formulas.items()}


def _numbers(options: Mapping[str, Number | None]) -> dict[str, float | None]:
    """Options and states with their defaults; null for what has to be given."""
    return {name: None if value is None else float(value.value) for name, value in options.items()}


ENTRIES: Mapping[str, Mapping[str, Callable[[Row], Any]]] = {
    "activations": {
        "formula": lambda row: _formula(row.formula),
        "also": lambda row: None if row.also is None else _formula(row.also),
        "slope": lambda row: _formula(row.slope),
        "output": lambda row: row.range,
        "use": lambda row: row.use,
        "places": lambda row: list(row.places),
        "options": lambda row: _numbers(row.options),
        "reason": lambda row: row.reason,
    },
    "losses": {
        "formula": lambda row: _formula(loss_of_one_output(row)),
        "slope": lambda row: _formula(row.slope),
        "use": lambda row: row.use,
        "targets": lambda row: row.target_note,
        "places": lambda row: [row.place],
        "options": lambda row: _numbers(row.options),
        "reason": lambda row: row.reason,
    },
    "optimizers": {
        "equations": lambda row: _formulas(row.equations),
        "state": lambda row: _numbers(row.state),
        "options": lambda row: _numbers(row.options),
        "reason": lambda row: row.reason,
    },
    "initializers": {
        "value": lambda row: row.formula_text,
        "use": lambda row: row.use,
        "options": lambda row: _numbers(row.options),
    },
    "remedies": {
        "settings": lambda row: [
            {"key": setting.key, "equations": _formulas(setting.equations)}
            for setting in row.settings
        ],
        "use": lambda row: row.use,
        "reason": lambda row: row.reason,
    },
    "functions": {
        "formula": lambda row: _formula(called(row)),
        "meaning": lambda row: row.note.replace("`", ""),
    },
    "operations": {
        "call": lambda row: row.signature,
        "meaning": lambda row: row.note.replace("`", ""),
        "gradient": lambda row: row.backward,
    },
    "layers": {
        "of": lambda row: row.takes,
        "meaning": lambda row: row.note,
        "keys": lambda row: {field.key: field.about for field in row.fields},
    },
}
"""What is said of a row of each group beside its names."""
