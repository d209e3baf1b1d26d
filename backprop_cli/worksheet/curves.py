"""Curves: the loss over a run, and an output as a function of one input."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from backprop_cli.formula.evaluate import as_float
from backprop_cli.run import Run, batch_size, evaluate_steps, leaf_values, sample_count
from backprop_cli.worksheet.document import Curve, Series
from backprop_cli.worksheet.numbers import in_a_sentence

CURVE_POINTS = 121
LOSS_POINTS = 400
OWN_SAMPLES = " Each point is the loss of that update's own samples."


def loss_curve(run: Run) -> Curve | None:
    """The loss before each update and after the last."""
    end = len(run.losses) - 1
    step = max(1, -(-end // LOSS_POINTS))
    points = []
    for index in sorted({*range(0, end + 1, step), end}):
        value = run.losses[index]
        if value is not None and math.isfinite(as_float(value)):
            points.append((float(index), as_float(value)))
    if len(points) < 3:
        return None
    first, last = points[0][1], points[-1][1]
    change = f"from {in_a_sentence(first)} to {in_a_sentence(last)}"
    trend = "falls" if last < first else "rises" if last > first else "stays"
    return Curve(
        series=(Series("loss", tuple(points)),),
        x_label="updates done",
        y_label="loss",
        title="Loss over the run",
        description=f"The loss {trend} {change} in {run.updates} updates."
        + (OWN_SAMPLES if batch_size(run.problem) < sample_count(run.problem) else ""),
    )


def function_curve(run: Run, curve: tuple[str, float, float]) -> Curve:
    """The outputs of the network over one of its given quantities, everything else held fixed.

    What is drawn: the last forward quantity before the loss (each output of a network), and the
    loss itself where nothing else depends on the name.
    """
    name, low, high = curve
    graph = run.iterations[0].graph
    forward = graph.section("forward") or graph.section("loss")
    last = [step for step in forward if step.unit == forward[-1].unit]
    if forward[-1].unit is not None:
        depth = forward[-1].unit.layer
        last = [
            step
            for step in forward
            if step.unit and step.unit.layer == depth and step.kind == "activation"
        ]
    else:
        last = [forward[-1]]
    start = leaf_values(graph, {})
    points: dict[str, list[tuple[float, float]]] = {step.name: [] for step in last}
    for index in range(CURVE_POINTS):
        place = low + (high - low) * index / (CURVE_POINTS - 1)
        leaves = tuple(
            replace(leaf, value=Fraction(repr(place))) if leaf.name == name else leaf
            for leaf in graph.leaves
        )
        carried = {**start, name: Fraction(repr(place))}
        values = evaluate_steps(
            replace(graph, leaves=leaves), carried, sections=("forward", "loss")
        )
        for step in last:
            value = values[step.name]
            if value is not None and math.isfinite(as_float(value)):
                points[step.name].append((place, as_float(value)))
    series = tuple(Series(key, tuple(found)) for key, found in points.items() if found)
    shown = ", ".join(points)
    return Curve(
        series=series,
        x_label=name,
        y_label=shown,
        title=f"{shown} as a function of {name}",
        description=_described(shown, name, low, high, series),
    )


def _described(shown: str, name: str, low: float, high: float, series: tuple[Series, ...]) -> str:
    ends = f"for {name} from {in_a_sentence(low)} to {in_a_sentence(high)}"
    if not series:
        return f"{shown} has no value {ends}."
    lowest = min(y for each in series for _, y in each.points)
    highest = max(y for each in series for _, y in each.points)
    return f"{shown} {ends}: between {in_a_sentence(lowest)} and {in_a_sentence(highest)}."
