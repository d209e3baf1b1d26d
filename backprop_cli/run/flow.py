"""How large the gradient is in each layer or stage: for one update, and at a few updates of a long run."""

from __future__ import annotations

from fractions import Fraction

from backprop_cli.graph.stages import stages
from backprop_cli.graph.step import Graph
from backprop_cli.run.model import Value, Values

LOOKS = 8
"""A run is looked at so many times, evenly spaced, its first and last update among them."""
MOST_PARAMETERS = 2000
"""A larger network is not looked at again and again: one look costs as much as many updates."""


def layer_sizes(graph: Graph, values: Values) -> dict[int, Value]:
    """The mean of |∂L/∂z| over the units (and samples) of each stage that has gradients."""
    found: dict[int, list[Value]] = {}
    for number, stage in stages(graph).items():
        for name in stage.preactivations:
            slope = graph.derivative.get(name)
            value = None if slope is None else values.get(slope.name)
            if value is not None:
                found.setdefault(number, []).append(-value if value < 0 else value)
    return {number: sum(own, start=Fraction(0)) / len(own) for number, own in found.items()}


def updates_looked_at(graph: Graph, updates: int) -> tuple[int, ...]:
    """The updates at which the flow of the gradient is recorded."""
    if updates < 3 or len(graph.parameters) > MOST_PARAMETERS:
        return ()
    last = min(LOOKS, updates) - 1
    return tuple(sorted({1 + round(place * (updates - 1) / last) for place in range(last + 1)}))
