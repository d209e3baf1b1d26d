"""The list of equations of each update: which samples it is over, and what is built of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import gcd

from backprop_cli.graph.backward import with_gradients
from backprop_cli.graph.expand import expand
from backprop_cli.graph.step import Graph
from backprop_cli.graph.update import with_updates
from backprop_cli.problem.model import Problem


def build(problem: Problem, batch: Sequence[int]) -> Graph:
    """The whole list of equations of one update over the samples `batch`."""
    return with_updates(problem, with_gradients(problem, expand(problem, batch)))


def batch_size(problem: Problem) -> int:
    """Samples per update; the perceptron rule looks at one at a time."""
    if problem.training.rule == "perceptron":
        return 1
    count = problem.sample_count
    return count if problem.training.batch is None else min(problem.training.batch, count)


def batch_of(problem: Problem, update: int) -> tuple[int, ...]:
    """The samples of update number `update` (from 1): taken in order, wrapping round."""
    size, count = batch_size(problem), problem.sample_count
    return tuple((size * (update - 1) + place) % count + 1 for place in range(size))


class Builder:
    """Builds the graph of each update, deriving it once where names do not change."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._graphs: dict[tuple[int, ...], Graph] = {}

    def update(self, number: int) -> Graph:
        """The equations of update `number` (from 1), over its own samples."""
        return self.graph(batch_of(self.problem, number))

    @property
    def samples(self) -> int:
        """How many there are in all."""
        return self.problem.sample_count

    def cycle(self) -> list[Graph]:
        """The leaves, forward pass and loss of every batch until they repeat."""
        size, count = batch_size(self.problem), self.samples
        updates = range(1, count // gcd(size, count) + 1)
        return [expand(self.problem, batch_of(self.problem, update)) for update in updates]

    def graph(self, batch: tuple[int, ...]) -> Graph:
        key = (1,) if len(batch) == 1 else batch
        if key not in self._graphs:
            self._graphs[key] = build(self.problem, key)
        graph = self._graphs[key]
        return graph if graph.batch == batch else self._rebound(graph, batch)

    def _rebound(self, graph: Graph, batch: tuple[int, ...]) -> Graph:
        """The same equations with another sample's numbers."""
        own = {leaf.name: leaf for leaf in expand(self.problem, batch).leaves}
        leaves = tuple(
            own.get(leaf.name, leaf) if leaf.kind in ("input", "target") else leaf
            for leaf in graph.leaves
        )
        return replace(graph, leaves=leaves, batch=batch)
