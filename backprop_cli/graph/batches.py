"""The list of equations of each update: which samples it is over, and what is built of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import gcd

from backprop_cli.dataclass import replace
from backprop_cli.formula.arithmetic import as_float
from backprop_cli.formula.nodes import Number
from backprop_cli.formula.quantity import sampled
from backprop_cli.graph.backward import with_gradients
from backprop_cli.graph.expand import all_samples, expand
from backprop_cli.graph.step import Graph
from backprop_cli.graph.update import with_updates
from backprop_cli.problem.model import Problem


def build(problem: Problem, batch: Sequence[int]) -> Graph:
    """The whole list of equations of one update over the samples `batch`."""
    return with_updates(problem, with_gradients(problem, expand(problem, batch)))


def batch_size(problem: Problem) -> int:
    """Samples per update; what corrects mistakes looks at one at a time."""
    if problem.training.correction is not None:
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

    @cached_property
    def _values(self) -> list[Mapping[str, Number | None]]:
        return all_samples(self.problem) or [{}]

    @property
    def given(self) -> tuple[str, ...]:
        """What differs from sample to sample, by its plain name."""
        return tuple(self._values[0])

    def cycle(self) -> list[list[tuple[float, ...]]]:
        """What is given in every batch until they repeat, sample by sample; all has numbers."""
        rows = [
            tuple(as_float(each.value) for each in own.values() if each) for own in self._values
        ]
        size, count = batch_size(self.problem), self.samples
        updates = range(1, count // gcd(size, count) + 1)
        return [[rows[place - 1] for place in batch_of(self.problem, each)] for each in updates]

    def graph(self, batch: tuple[int, ...]) -> Graph:
        key = (1,) if len(batch) == 1 else batch
        if key not in self._graphs:
            self._graphs[key] = build(self.problem, key)
        graph = self._graphs[key]
        return graph if graph.batch == batch else self._rebound(graph, batch)

    def stand_in(self, number: int) -> Graph:
        """The equations of the first update with the numbers of another: they come to the same
        values as its own, under other names where several samples have their own."""
        graph = self.update(1)
        return replace(self._rebound(graph, batch_of(self.problem, number)), batch=graph.batch)

    def _rebound(self, graph: Graph, batch: tuple[int, ...]) -> Graph:
        """The same equations with other samples' numbers."""
        marks = graph.batch if len(graph.batch) > 1 else (None,)
        own = {
            sampled(name, mark): value
            for mark, position in zip(marks, batch, strict=True)
            for name, value in self._values[position - 1].items()
        }
        leaves = []
        for leaf in graph.leaves:
            if leaf.name in own:
                value = own[leaf.name]
                known = (None, None) if value is None else (value.value, value.text)
                leaf = replace(leaf, value=known[0], text=known[1])
            leaves.append(leaf)
        return replace(graph, leaves=tuple(leaves), batch=batch)
