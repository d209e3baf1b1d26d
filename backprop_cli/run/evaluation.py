"""The value of every step, top to bottom: exact fractions as far as they go, as on paper."""

from __future__ import annotations

import math
from fractions import Fraction

from backprop_cli.formula.arithmetic import Value, round_to
from backprop_cli.formula.build import names_in
from backprop_cli.formula.evaluate import as_float, evaluate, known_in
from backprop_cli.graph.step import Graph, Leaf, Step
from backprop_cli.run.failure import reason
from backprop_cli.run.model import Stop, Values
from backprop_cli.run.precise import Precisely, is_derivative, singularities


def initial_values(graph: Graph) -> dict[str, Value | None]:
    """What is carried from update to update, at the start: parameters and optimizer states."""
    return {leaf.name: leaf.value for leaf in graph.leaves if leaf.kind in ("parameter", "state")}


def clock_value(graph: Graph, number: int) -> dict[str, Value | None]:
    """The number of the update, for optimizers that count (Adam's bias correction)."""
    return {leaf.name: Fraction(number) for leaf in graph.leaves if is_clock(leaf)}


def is_clock(leaf: Leaf) -> bool:
    """Whether a leaf is the number t of the update; every other state is named for a parameter."""
    return leaf.kind == "state" and leaf.name.rstrip("_") == "t"


def leaf_values(graph: Graph, carried: Values) -> dict[str, Value | None]:
    return {
        leaf.name: carried.get(leaf.name, leaf.value)
        if leaf.kind in ("parameter", "state")
        else leaf.value
        for leaf in graph.leaves
    }


def evaluate_steps(
    graph: Graph,
    carried: Values,
    round_each: int | None = None,
    sections: tuple[str, ...] | None = None,
) -> dict[str, Value | None]:
    """The value of every leaf and step, top to bottom; None where a number is missing."""
    values = leaf_values(graph, carried)
    precisely = Precisely(graph, values)
    symbolic = any(value is None for value in values.values())
    for step in graph.steps:
        if sections is not None and step.section not in sections:
            continue
        if symbolic and any(values[name] is None for name in names_in(step.formula)):
            values[step.name] = None
            continue
        values[step.name] = _value(step, values, precisely, round_each)
    return values


def _value(step: Step, values: Values, precisely: Precisely, round_each: int | None) -> Value:
    lookup = known_in(values)
    if round_each is None:
        value = evaluate(step.numeric or step.formula, lookup, precisely.again)
    else:
        value = evaluate(step.formula, lookup)
        if step.numeric is not None and not math.isfinite(as_float(value)):
            value = evaluate(step.numeric, lookup)
    if is_derivative(step) and not math.isfinite(as_float(value)):
        singular = precisely.derivative(step)
        if singular is not None and singular.value is not None:
            value = singular.value
    return value if round_each is None else round_to(value, round_each)


def loss_with(graph: Graph, carried: Values, round_each: int | None = None) -> Value | None:
    """The loss of the graph's batch with other parameters."""
    values = evaluate_steps(graph, carried, round_each, ("forward", "loss"))
    return values.get(graph.output)


def stop_if_not_finite(graph: Graph, number: int, values: Values) -> Stop | None:
    """A loss or an updated parameter that is infinite or not a number ends the run; the first
    quantity that has left floating point says why."""
    watched = [graph.output] if graph.losses else []
    if not any(_is_lost(values.get(name)) for name in (*watched, *graph.carried.values())):
        return None
    steps = (step for step in graph.steps if step.kind != "slope")
    first = next(step for step in steps if _is_lost(values.get(step.name)))
    value = values[first.name]
    kind = "not a number" if value != value else "infinite"
    why = reason(first, values, trained=number > 1 or first.section == "update")
    if (singular := singularities(graph, values).get(first.name)) is not None:
        why = f"{singular.output} {singular.why}"
    where = f"The run stops at update {number}: " if graph.carried else ""
    return Stop("not-finite", number, f"{where}{first.name} is {kind}, because {why}.")


def _is_lost(value: Value | None) -> bool:
    """Whether a value is infinite or not a number."""
    return value is not None and not math.isfinite(as_float(value))
