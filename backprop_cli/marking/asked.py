"""What a sheet asks for, and how many points each answer is worth."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import lru_cache

from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.quantity import without_marks
from backprop_cli.graph.step import Graph, Step
from backprop_cli.problem.model import Marking, Problem
from backprop_cli.run import Values

DEFAULT_SECTIONS = ("forward", "loss", "gradient", "update")
SECTIONS = ("given", "forward", "loss", "backward", "gradient", "update")
MOST_UPDATES = 10
"""A run of more updates than this asks only for its first one: nobody does 1000 by hand."""


def updates_asked(problem: Problem) -> int:
    """How many updates a student is asked to do."""
    steps = problem.training.steps if problem.trains else 1
    return steps if steps <= MOST_UPDATES else 1


def asked(problem: Problem, graph: Graph, values: Values | None = None) -> tuple[Step, ...]:
    """The steps of one update that a student is asked for, in the order of the sheet.

    A derivative that does not exist at these values is not asked for, nor what is made of it;
    without values all are.
    """
    wanted = problem.marking.ask or DEFAULT_SECTIONS
    return tuple(
        step
        for step in graph.steps
        if any(_asks(each, step, graph) for each in wanted)
        and not _has_no_value(step, values or {})
    )


def _has_no_value(step: Step, values: Values) -> bool:
    value = values.get(step.name)
    if value is None or step.section not in ("backward", "gradient", "update"):
        return False
    return not math.isfinite(as_float(value))


def _asks(wanted: str, step: Step, graph: Graph) -> bool:
    if wanted in SECTIONS:
        return step.section == wanted and step.kind != "ahead"
    if graph.array_names and (entry := _entry_of(wanted, graph.array_names)) is not None:
        return entry.fullmatch(without_marks(step.name)) is not None
    return matches(wanted, step.name) or (step.alias is not None and matches(wanted, step.alias))


@lru_cache(maxsize=256)
def _entry_of(wanted: str, arrays: frozenset[str]) -> re.Pattern[str] | None:
    """The entries of an array that is asked for as a whole: `Z`, `dL/dW`, `W_new`."""
    _, _, quantity = wanted.rpartition("/d")
    bare = quantity.removesuffix("_new")
    if bare not in arrays:
        return None
    new = re.escape(quantity.removeprefix(bare))
    return re.compile(re.escape(wanted.removesuffix("_new") if new else wanted) + r"(_\d+)+" + new)


def points_of(marking: Marking, step: Step, graph: Graph) -> float:
    """What a full answer is worth: the last entry of `points` that fits, else 1."""
    points = 1.0
    for pattern, value in marking.points.items():
        if _asks(pattern, step, graph):
            points = float(value)
    return points


def matches(pattern: str, name: str) -> bool:
    """Whether a name, with or without its samples, fits a glob of `*` and `?`.

    Brackets stand for themselves: `z1_1[2]` is sample 2.
    """
    if pattern == name:
        return True
    glob = _glob(pattern)
    return glob.fullmatch(name) is not None or glob.fullmatch(without_marks(name)) is not None


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    parts = (
        ".*" if c == "*" else "." if c == "?" else re.escape(c)
        for c in re.sub(r"\*+", "*", pattern)
    )
    return re.compile("".join(parts), re.S)


def unused_patterns(marking: Marking, graphs: Iterable[Graph]) -> tuple[str, ...]:
    """Entries of `ask` and `points` that fit nothing on the sheets of the updates."""
    steps = [(step, graph) for graph in graphs for step in graph.steps]
    patterns = dict.fromkeys((*marking.ask, *marking.points))
    return tuple(
        pattern
        for pattern in patterns
        if pattern not in SECTIONS and not any(_asks(pattern, *each) for each in steps)
    )
