"""A problem written as a few lines of YAML, and the sheet it makes as a student reads it."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read_problem
from backprop_cli.render import text
from backprop_cli.run import Run, solve
from backprop_cli.worksheet.document import Block, Document
from backprop_cli.worksheet.sheet import Choices
from backprop_cli.worksheet.solution import solution

PROBLEMS = Path(__file__).parent.parent / "problems"

NEURON = """
    inputs: [1, 0.5]
    targets: [0]
    layers:
      - {activation: sigmoid, weights: [[0.4, -0.2]], biases: [0.1]}
    loss: half_squared_error
    learning_rate: 0.5
"""
"""One sigmoid neuron and one update."""


def problem(source: str) -> Problem:
    """The problem of a file in `problems/` by its name, or of YAML text."""
    if "\n" not in source:
        return read_problem(PROBLEMS / f"{source}.yaml")
    return read_problem("problem.yaml", textwrap.dedent(source))


@cache
def run(source: str, **options: Any) -> Run:
    return solve(problem(source), **options)


def document(source: str, *, show: int | None = None, **choices: Any) -> Document:
    """The worked solution; `form="gates"` takes equations apart first, as the command does."""
    asked = problem(source)
    if choices.get("form") == "gates":
        asked = replace(asked, by_gates=True)
    return solution(solve(asked, show=show), Choices(**choices))


def page(source: str, width: int = 80, **choices: Any) -> str:
    return text.render(document(source, **choices), width=width)


def only(source: str, *names: str, **choices: Any) -> str:
    """Just some quantities, without the title."""
    shown = page(source, only=names, **choices)
    return shown.partition("\n\n")[2].rstrip("\n")


def section(shown: str, heading: str) -> str:
    """The part of a page below a heading, down to the next heading of the same kind."""
    lines = shown.splitlines()
    start = lines.index(heading)
    rule = lines[start + 1][:1]
    stops = [
        place
        for place in range(start + 2, len(lines) - 1)
        if lines[place + 1].startswith(rule) and set(lines[place + 1]) == {rule}
    ]
    end = stops[0] if stops else len(lines)
    return "\n".join(lines[start + 2 : end]).strip("\n")


def written(blocks: Document | list[Block], like: Document | None = None) -> str:
    """Blocks of a document as text."""
    if isinstance(blocks, Document):
        return text.render(blocks, width=80)
    assert like is not None
    return text.render(replace(like, title="", blocks=tuple(blocks)), width=80)


def lines(shown: str) -> str:
    """An expected page: a text block of the test without its indentation."""
    return textwrap.dedent(shown).strip("\n")


def rows(shown: str) -> dict[str, list[str]]:
    """The rows of a page's tables by their first cell; give the page width enough not to wrap."""
    found: dict[str, list[str]] = {}
    for row in shown.splitlines():
        first, *rest = (cell.strip() for cell in row.split("│"))
        if rest:
            found.setdefault(first, rest)
    return found
