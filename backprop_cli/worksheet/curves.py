"""Curves: the loss over a run, and an output as a function of one input."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from backprop_cli.dataclass import replace
from backprop_cli.formula.build import names_in
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Name
from backprop_cli.graph.batches import batch_size
from backprop_cli.graph.step import Graph, Section
from backprop_cli.run import Run, Value, Values, evaluate_steps, leaf_values
from backprop_cli.worksheet.document import (
    Curve,
    Inline,
    Line,
    Math,
    Series,
    Text,
    listed,
    named,
)
from backprop_cli.worksheet.numbers import in_a_sentence, shown, went
from backprop_cli.worksheet.sheet import DEFAULT, Choices

CURVE_POINTS = 121
LOSS_POINTS = 400
OWN_SAMPLES = "Each point is the loss of that update's own samples."


def loss_curve(run: Run, choices: Choices = DEFAULT) -> Curve | None:
    """The loss, or what else is minimised, before each update and after the last."""
    end = len(run.losses) - 1
    step = max(1, -(-end // LOSS_POINTS))
    losses = [(index, run.losses[index]) for index in sorted({*range(0, end + 1, step), end})]
    points = _finite(losses)
    if len(points) < 3:
        return None
    graph = run.iterations[0].graph
    called: Line = (Text("loss"),) if graph.is_loss else (Math(Name(graph.output)),)
    description: Line = (Text(OWN_SAMPLES),)
    if batch_size(run.problem) == run.problem.sample_count:
        what = Text("The loss") if graph.is_loss else Math(Name(graph.output))
        description = (what, *_trend(run, choices, points))
    return Curve(
        series=(Series(called, tuple(points)),),
        x_label=(Text("updates done"),),
        y_label=called,
        title=(*((Text("Loss"),) if graph.is_loss else called), Text(" over the run")),
        description=description,
    )


def _finite(values: Sequence[tuple[float, Value | None]]) -> list[tuple[float, float]]:
    """The points that can be drawn."""
    floats = [(float(x), as_float(y)) for x, y in values if y is not None]
    return [(x, y) for x, y in floats if math.isfinite(y)]


def _trend(run: Run, choices: Choices, points: Sequence[tuple[float, float]]) -> Iterator[Inline]:
    """From what to what a loss goes, and where it was lowest if that is on the way."""
    digits = choices.digits or run.problem.rounding.digits
    done, lowest = min(points, key=lambda point: point[1])
    first, last = points[0][1], points[-1][1]
    begin, low, end = (shown(value, digits).formula for value in (first, lowest, last))
    yield from went(first, last, begin, end)
    yield Text(f" in {run.updates} updates")
    if lowest < min(first, last) and len(points) > run.updates:
        yield from (Text(f"; at its lowest, after update {done:.0f}, it is "), Math(low))
    yield Text(".")


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
    last = {step.name for step in forward}.intersection(names_in(output.formula))
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

    def values_at(place: float) -> Values:
        own = Fraction(repr(place))
        leaves = tuple(
            replace(leaf, value=own) if leaf.name == name else leaf for leaf in graph.leaves
        )
        return evaluate_steps(replace(graph, leaves=leaves), {**start, name: own}, sections=PASSES)

    places = [low + (high - low) * at / (CURVE_POINTS - 1) for at in range(CURVE_POINTS)]
    found = [(place, values_at(place)) for place in places]
    points = {each: _finite([(place, values[each]) for place, values in found]) for each in chosen}
    series = tuple(Series(named([key]), tuple(own)) for key, own in points.items() if own)
    ends = (Text(" for "), Math(Name(name)), Text(" from "), *in_a_sentence(low), Text(" to "))
    many = "a function" if len(points) == 1 else "functions"
    return Curve(
        series=series,
        x_label=named([name]),
        y_label=named(points),
        title=(*named(points), Text(f" as {many} of "), *named([name])),
        description=_described(points, (*ends, *in_a_sentence(high))),
    )


def _described(points: Mapping[str, Sequence[tuple[float, float]]], ends: Line) -> Line:
    """Between what the quantities lie."""
    heights = {name: [y for _, y in found] for name, found in points.items() if found}
    if not heights:
        return (*named(points), Text(" has no value"), *ends, Text("."))
    said: list[Line] = []
    for name, own in heights.items():
        low, high = in_a_sentence(min(own)), in_a_sentence(max(own))
        where = () if said else ends
        said.append((Math(Name(name)), *where, Text(": between "), *low, Text(" and "), *high))
    return (*listed(said, "; "), Text("."))
