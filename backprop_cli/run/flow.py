"""How large the gradient is in each layer: for one update, and at a few updates of a long run."""

from __future__ import annotations

from fractions import Fraction

from backprop_cli.graph.naming import derivative_name
from backprop_cli.graph.step import Graph
from backprop_cli.problem.model import Network, Problem
from backprop_cli.problem.names import NetworkNames
from backprop_cli.run.model import Value, Values

LOOKS = 8
"""A run is looked at so many times, evenly spaced, its first and last update among them."""
MOST_PARAMETERS = 2000
"""A larger network is not looked at again and again: one look costs as much as many updates."""


def layer_sizes(problem: Problem, graph: Graph, values: Values) -> dict[int, Value]:
    """The mean of |∂L/∂z| over the units (and samples) of each layer that has gradients."""
    network = problem.model
    if not isinstance(network, Network) or not graph.losses:
        return {}
    names = NetworkNames(network, problem.notation)
    found: dict[int, list[Value]] = {}
    for step in graph.section("forward"):
        # A linear output with sequential names is one equation, without a z of its own.
        if step.unit is not None and (
            step.kind == "preactivation" or names.merged(step.unit.layer, step.unit.index)
        ):
            value = values.get(derivative_name(graph.output, step.name))
            if value is not None:
                found.setdefault(step.unit.layer, []).append(-value if value < 0 else value)
    return {layer: _mean(sizes) for layer, sizes in found.items()}


def _mean(sizes: list[Value]) -> Value:
    return sum(sizes, start=Fraction(0)) / len(sizes)


def updates_looked_at(problem: Problem, graph: Graph, updates: int) -> tuple[int, ...]:
    """The updates at which the flow of the gradient is recorded."""
    network = problem.model
    if not isinstance(network, Network) or len(network.layers) < 2 or not graph.losses:
        return ()
    if updates < 3 or len(graph.parameters) > MOST_PARAMETERS:
        return ()
    last = min(LOOKS, updates) - 1
    return tuple(sorted({1 + round(place * (updates - 1) / last) for place in range(last + 1)}))
