"""From a problem to its forward pass and loss: the flat list of named equations.

A layered network and an author's own equations both become leaves and steps here; a batch of
several samples is written out, sample by sample, with `[s]` behind the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from backprop_cli.graph.equations import equation_samples, expand_equations
from backprop_cli.graph.network import expand_network, network_samples
from backprop_cli.graph.penalty import with_penalties
from backprop_cli.graph.step import Graph
from backprop_cli.problem.forms import Equations, Network, Value
from backprop_cli.problem.model import Problem


def all_samples(problem: Problem) -> list[Mapping[str, Value]]:
    """The values that differ from sample to sample, by plain name."""
    match problem.model:
        case Network() as network:
            return network_samples(problem, network)
        case Equations() as equations:
            return equation_samples(equations)
        case _:
            assert_never(problem.model)


def expand(problem: Problem, batch: Sequence[int] = (1,)) -> Graph:
    """Leaves, forward steps and loss for the samples `batch` (numbered from 1)."""
    match problem.model:
        case Network() as network:
            graph = expand_network(problem, network, tuple(batch))
        case Equations() as equations:
            graph = expand_equations(problem, equations, tuple(batch))
        case _:
            assert_never(problem.model)
    return with_penalties(problem, graph)
