"""`backprop worksheet --format json`: what a sheet gives and asks for, as programs read it."""

from __future__ import annotations

from typing import Any

from backprop_cli.diagnostics import json_text
from backprop_cli.formula import latex, unicode
from backprop_cli.formula.nodes import Name
from backprop_cli.graph.views import whole_arrays
from backprop_cli.marking.asked import asked, points_of, updates_asked
from backprop_cli.run import Run
from backprop_cli.worksheet.sheet import spelling_of
from backprop_cli.worksheet.solution_json import arrays_of, number, sample_of

FORMAT = "backprop-worksheet/1"


def blank_json(run: Run) -> str:
    """The sheet without any value but the given ones, as JSON text ending in a line feed."""
    return json_text(blank_data(run))


def blank_data(run: Run) -> dict[str, Any]:
    """The sheet as plain dictionaries and lists; `points` in all are the sum of those asked for."""
    problem = run.problem
    entries = []
    for iteration in run.iterations[: updates_asked(problem)]:
        spelling = spelling_of(iteration.graph)
        for step in asked(problem, iteration.graph, iteration.values):
            entries.append(
                {
                    "iteration": iteration.number,
                    "sample": sample_of(iteration.graph, step.sample, step.section != "update"),
                    "section": step.section,
                    "name": step.name,
                    "shown": unicode.write(Name(step.name), spelling),
                    "latex": latex.write(Name(step.name), spelling),
                    "points": points_of(problem.marking, step, iteration.graph),
                }
            )
    first = run.iterations[0]
    names = {str(entry["name"]) for entry in entries}
    arrays = {view.name for view in whole_arrays(first.graph, names).values()}
    more = {"arrays": [each for each in arrays_of(run) if each["name"] in arrays]} if arrays else {}
    return {
        "format": FORMAT,
        "title": problem.title,
        "description": problem.description or None,
        "given": {
            leaf.name: number(first.values.get(leaf.name, leaf.value))
            for leaf in first.graph.leaves
        },
        "asked": entries,
        **more,
        "points": sum(entry["points"] for entry in entries),
    }
