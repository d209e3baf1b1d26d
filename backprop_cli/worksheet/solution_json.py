"""A run as JSON: every step by its plain name, with full-precision values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import cache
from typing import Any

from backprop_cli.algebra.compose import Proof
from backprop_cli.arrays.array import AS
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.diagnostics import json_text
from backprop_cli.formula import latex, plain
from backprop_cli.formula.build import names_in, rebuild
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Call, Formula, Name, Number
from backprop_cli.graph.step import Graph, Step
from backprop_cli.graph.views import all_views
from backprop_cli.run import Run, Value
from backprop_cli.worksheet.sheet import DEFAULT, Choices, Sheet, spelling_of
from backprop_cli.worksheet.singular import plain_note

FORMAT = "backprop-solution/1"


def solution_json(run: Run, choices: Choices = DEFAULT) -> str:
    """The run as JSON text, ending in a line feed."""
    return json_text(solution_data(run, choices))


def solution_data(run: Run, choices: Choices = DEFAULT) -> dict[str, Any]:
    """The run as plain dictionaries and lists; `stopped` is there only if something ended it."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "title": run.problem.title,
        "steps": list(_steps(run, choices)),
        "losses": [number(value) for value in run.losses],
        "parameters": {"initial": _numbers(run.initial), "final": _numbers(run.final)},
    }
    if arrays := arrays_of(run):
        data["arrays"] = arrays
    if run.stop is not None:
        data["stopped"] = {
            "reason": run.stop.reason,
            "iteration": run.stop.iteration,
            "message": run.stop.message,
        }
    return data


def arrays_of(run: Run) -> list[dict[str, Any]]:
    """Each array by the names of its entries, which the steps explain; null where there is none,
    a number (or "-inf") where nothing is calculated."""
    found: dict[str, dict[str, Any]] = {}
    for iteration in run.iterations:
        for view in all_views(iteration.graph):
            if view.name not in found:
                found[view.name] = {
                    "name": view.name,
                    "shape": list(view.shape),
                    "equation": view.text
                    or (None if view.equation is None else _as_in_a_file(view.equation)),
                    "entries": nested([_entry(each) for each in view.entries], view.shape),
                }
    return list(found.values())


def _as_in_a_file(equation: Formula) -> str:
    """An equation between arrays in the spelling of problem files."""

    def public(part: Formula) -> Formula:
        match part:
            case Call(function, parts) if function == AS:
                return Call("reshape", tuple(map(public, parts)))
            case _:
                return rebuild(part, public)

    return re.sub(r"(\w+=)\((-?\w+)\)", r"\1\2", plain.write(public(equation)))


def _entry(entry: Formula) -> str | float | None:
    match entry:
        case Name(name):
            return name or None
        case Number():
            return float(entry.value)
        case _:
            return plain.write(entry)


def nested(entries: Sequence[Any], shape: Sequence[int]) -> Any:
    """Lists in lists from a flat list, the last axis running fastest."""
    if not shape:
        return entries[0]
    if len(shape) == 1:
        return list(entries)
    size = len(entries) // shape[0]
    return [nested(entries[at * size : (at + 1) * size], shape[1:]) for at in range(shape[0])]


def number(value: Value | None) -> float | int | str | None:
    """A JSON number; `"inf"`, `"-inf"`, `"nan"` where JSON has none."""
    if value is None:
        return None
    real = as_float(value)
    return real + 0.0 if math.isfinite(real) else str(real)  # no −0


def _numbers(values: Mapping[str, Value | None]) -> dict[str, float | int | str | None]:
    return {name: number(value) for name, value in values.items()}


def _steps(run: Run, choices: Choices) -> Iterator[dict[str, Any]]:
    formulas: dict[int, _Formulas] = {}  # batches that come round again have the same graph
    for iteration in run.iterations:
        sheet = Sheet(run, iteration, choices)
        written = formulas.setdefault(id(sheet.graph), _Formulas(sheet))
        asked = {sheet.graph.aliases.get(name, name) for name in choices.only}
        for leaf in sheet.graph.leaves:
            if asked and leaf.name not in asked:
                continue
            yield {
                "iteration": iteration.number,
                "sample": sample_of(sheet.graph, leaf.sample, leaf.kind in ("input", "target")),
                "section": "given",
                "name": leaf.name,
                "formula": None,
                "substituted": None,
                "value": number(sheet.value(leaf.name)),
                "latex": written.latex(Name(leaf.name)),
                "depends_on": [],
                "note": leaf.kind,
            }
        for step in sheet.graph.steps:
            if not asked or step.name in asked:
                yield _step(sheet, step, written)


def sample_of(graph: Graph, mark: int | None, per_sample: bool) -> int | None:
    """In a batch of one, what belongs to a sample belongs to that one."""
    if mark is None and per_sample and len(graph.batch) == 1:
        return graph.batch[0]
    return mark


def _step(sheet: Sheet, step: Step, formulas: _Formulas) -> dict[str, Any]:
    numbers = sheet.substituted(step)
    written = formulas.of(step.name)
    found: dict[str, Any] = {
        "iteration": sheet.iteration.number,
        "sample": sample_of(sheet.graph, step.sample, step.section != "update"),
        "section": step.section,
        "name": step.name,
        "formula": written.formula,
        "substituted": None if numbers is None else plain.write(numbers),
        "value": number(sheet.value(step.name)),
        "latex": written.latex,
        "depends_on": list(written.depends_on),
        "note": written.note,
    }
    if (singular := sheet.singular.get(step.name)) is not None:
        found["note"] = plain_note(singular)
    if written.closed is not None:
        value = sheet.value(step.name)
        put_in = None if value is None else sheet.put_in(written.closed, value)
        found["derivation"] = {
            **written.derivation,
            "substituted": put_in and formulas.both(put_in),
        }
    if written.composed is not None:
        found.setdefault("derivation", {})["composed"] = written.composed
    return found


@dataclass(frozen=True)
class _Written:
    """What a step has in common with itself in every update: all but its numbers."""

    formula: str
    latex: str
    depends_on: tuple[str, ...]
    note: str | None  # what the formula does not say itself
    closed: Formula | None = None  # None where no derivation is asked for
    derivation: Mapping[str, dict[str, str]] = field(default_factory=dict)
    composed: dict[str, Any] | None = None  # the whole derivative, where it is asked for


class _Formulas:
    """The formulas of one graph as text, each written once."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.spelling = spelling_of(sheet.graph)
        self.of = cache(lambda name: self._write(sheet.graph.step[name]))

    def latex(self, formula: Formula) -> str:
        return latex.write(formula, self.spelling)

    def both(self, formula: Formula) -> dict[str, str]:
        return {"text": plain.write(formula), "latex": self.latex(formula)}

    def _write(self, step: Step) -> _Written:
        written = _Written(
            plain.write(step.formula),
            f"{self.latex(Name(step.name))} = {self.latex(step.formula)}",
            names_in(step.formula),
            None if step.product is None else f"combined from {plain.write(step.product)}",
        )
        if step.kind not in ("upstream", "gradient", "batch_gradient"):
            return written
        if self.sheet.choices.symbolic:
            forms = self.sheet.derivations.forms(step)
            lines = {"chain": forms.chain, "local": forms.local, "closed": forms.closed}
            derivation = {key: self.both(formula) for key, formula in lines.items()}
            written = replace(written, closed=forms.closed, derivation=derivation)
        if self.sheet.choices.composed and step.name in self.sheet.wholes.asked:
            written = replace(written, composed=self._composed(step))
        return written

    def _composed(self, step: Step) -> dict[str, Any]:
        """`proof` says how it is known to equal the product of the steps; both texts are null
        where it is too large to be written."""
        whole = self.sheet.wholes.of(step.name)
        if whole.formula is None:
            return {"text": None, "latex": None, "proof": None}
        return {**self.both(whole.formula), "proof": PROOFS[whole.proof]}


PROOFS: Mapping[Proof, str | None] = {
    "cancelled": "cancelling",
    "points": "random points",
    "unequal": "unequal",
    "open": None,
}
