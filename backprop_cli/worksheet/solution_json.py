"""A run as JSON: every step by its plain name, with full-precision values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from backprop_cli.formula import latex, plain
from backprop_cli.formula.build import names_in
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.formula.spelling import Spelling
from backprop_cli.graph.step import Step
from backprop_cli.run import Run, Value
from backprop_cli.worksheet.sheet import DEFAULT, Choices, Sheet, spelling_of

FORMAT = "backprop-solution/1"


def solution_json(run: Run, choices: Choices = DEFAULT) -> str:
    """The run as JSON text, ending in a line feed."""
    return json.dumps(solution_data(run, choices), ensure_ascii=False, indent=1) + "\n"


def solution_data(run: Run, choices: Choices = DEFAULT) -> dict[str, Any]:
    """The run as plain dictionaries and lists; `stopped` is there only if something ended it."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "title": run.problem.title,
        "steps": list(_steps(run, choices)),
        "losses": [number(value) for value in run.losses],
        "parameters": {"initial": _numbers(run.initial), "final": _numbers(run.final)},
    }
    if run.stop is not None:
        data["stopped"] = {
            "reason": run.stop.reason,
            "iteration": run.stop.iteration,
            "message": run.stop.message,
        }
    return data


def number(value: Value | None) -> float | int | str | None:
    """A JSON number; `"inf"`, `"-inf"`, `"nan"` where JSON has none."""
    if value is None:
        return None
    real = as_float(value)
    if math.isnan(real):
        return "nan"
    if math.isinf(real):
        return "inf" if real > 0 else "-inf"
    return real + 0.0  # no −0


def _numbers(values: Mapping[str, Value | None]) -> dict[str, float | int | str | None]:
    return {name: number(value) for name, value in values.items()}


def _steps(run: Run, choices: Choices) -> Iterator[dict[str, Any]]:
    for iteration in run.iterations:
        sheet = Sheet(run, iteration, choices)
        spelling = spelling_of(sheet.graph)
        asked = {sheet.graph.aliases.get(name, name) for name in choices.only}
        for leaf in sheet.graph.leaves:
            if asked and leaf.name not in asked:
                continue
            yield {
                "iteration": iteration.number,
                "sample": _sample(sheet, leaf.sample, leaf.kind in ("input", "target")),
                "section": "given",
                "name": leaf.name,
                "formula": None,
                "substituted": None,
                "value": number(sheet.value(leaf.name)),
                "latex": _latex_name(leaf.name, spelling),
                "depends_on": [],
                "note": leaf.kind,
            }
        for step in sheet.graph.steps:
            if not asked or step.name in asked:
                yield _step(sheet, step, spelling, choices)


def _sample(sheet: Sheet, mark: int | None, per_sample: bool) -> int | None:
    """In a batch of one, what belongs to a sample belongs to that one."""
    if mark is None and per_sample and len(sheet.graph.batch) == 1:
        return sheet.graph.batch[0]
    return mark


def _step(sheet: Sheet, step: Step, spelling: Spelling, choices: Choices) -> dict[str, Any]:
    numbers = sheet.substituted(step)
    found: dict[str, Any] = {
        "iteration": sheet.iteration.number,
        "sample": _sample(sheet, step.sample, step.section != "update"),
        "section": step.section,
        "name": step.name,
        "formula": plain.write(step.formula),
        "substituted": None if numbers is None else plain.write(numbers),
        "value": number(sheet.value(step.name)),
        "latex": f"{_latex_name(step.name, spelling)} = {latex.write(step.formula, spelling)}",
        "depends_on": list(names_in(step.formula)),
        "note": _note(step),
    }
    if choices.symbolic and step.kind in ("upstream", "gradient", "batch_gradient"):
        found["derivation"] = _derivation(sheet, step, spelling)
    return found


def _note(step: Step) -> str | None:
    """What the formula does not say itself."""
    if step.product is not None:
        return f"combined from {plain.write(step.product)}"
    return None


def _derivation(sheet: Sheet, step: Step, spelling: Spelling) -> dict[str, Any]:
    """The four lines of a gradient's derivation; no `substituted` without numbers."""
    forms = sheet.derivations.forms(step)
    value = sheet.value(step.name)
    lines: dict[str, Formula | None] = {
        "chain": forms.chain,
        "local": forms.local,
        "closed": forms.closed,
        "substituted": None if value is None else sheet.put_in(forms.closed, value),
    }
    return {
        key: formula and {"text": plain.write(formula), "latex": latex.write(formula, spelling)}
        for key, formula in lines.items()
    }


def _latex_name(name: str, spelling: Spelling) -> str:
    return latex.write(Name(name), spelling)
