"""Curves: the loss over a run, and an output as a function of one input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from backprop_cli.formula import unicode
from backprop_cli.formula.build import names_in
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Name
from backprop_cli.graph.batches import batch_size
from backprop_cli.graph.step import Graph, Section
from backprop_cli.run import Run, evaluate_steps, leaf_values
from backprop_cli.worksheet.document import Curve, Series
from backprop_cli.worksheet.numbers import in_a_sentence
from backprop_cli.worksheet.sheet import spelling_of

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
        + (OWN_SAMPLES if batch_size(run.problem) < run.problem.sample_count else ""),
    )


MOST_SERIES = 6
"""More curves than these cannot be told apart in one picture."""

PASSES: tuple[Section, ...] = ("forward", "loss", "backward", "gradient")
"""What can be drawn: all that is worked out before the update."""


def drawn(graph: Graph) -> tuple[str, ...]:
    """What is drawn unless the reader chooses: every output of a network, the output of equations
    or, where that is a loss, the last forward quantity that it is worked out from."""
    if graph.handed_on:
        return tuple(step.name for step in graph.handed_on)
    forward = graph.section("forward")
    output = graph.step[graph.output]
    before = {step.name for step in forward}
    last = before.intersection(names_in(output.formula))
    if output.section != "loss" or not last:
        return (output.name,)
    return (max(last, key=[step.name for step in forward].index),)


def function_curve(run: Run, curve: tuple[str, float, float], names: Sequence[str] = ()) -> Curve:
    """Quantities over one of the given ones, everything else held fixed: `names`, of which there
    are at most `MOST_SERIES`, or what `drawn` chooses."""
    name, low, high = curve
    graph = run.iterations[0].graph
    chosen = tuple(names) or drawn(graph)
    start = leaf_values(graph, {})
    points: dict[str, list[tuple[float, float]]] = {each: [] for each in chosen}
    for index in range(CURVE_POINTS):
        place = low + (high - low) * index / (CURVE_POINTS - 1)
        leaves = tuple(
            replace(leaf, value=Fraction(repr(place))) if leaf.name == name else leaf
            for leaf in graph.leaves
        )
        carried = {**start, name: Fraction(repr(place))}
        values = evaluate_steps(replace(graph, leaves=leaves), carried, sections=PASSES)
        for each, found in points.items():
            value = values[each]
            if value is not None and math.isfinite(as_float(value)):
                found.append((place, as_float(value)))
    spelling = spelling_of(graph)

    def spelled(quantity: str) -> str:
        return unicode.write(Name(quantity), spelling)

    series = tuple(Series(spelled(key), tuple(found)) for key, found in points.items() if found)
    shown, over = ", ".join(map(spelled, points)), spelled(name)
    return Curve(
        series=series,
        x_label=over,
        y_label=shown,
        title=f"{shown} as {'a function' if len(points) == 1 else 'functions'} of {over}",
        description=_described(shown, over, low, high, series),
    )


def _described(shown: str, name: str, low: float, high: float, series: Sequence[Series]) -> str:
    ends = f"for {name} from {in_a_sentence(low)} to {in_a_sentence(high)}"
    if not series:
        return f"{shown} has no value {ends}."
    spans = [
        f"{each.label} {ends if each is series[0] else ''}: ".replace(" :", ":")
        + f"between {in_a_sentence(min(y for _, y in each.points))}"
        f" and {in_a_sentence(max(y for _, y in each.points))}"
        for each in series
    ]
    return f"{'; '.join(spans)}."
