"""A graph compiled: its values in floats, and what slips of structure would give at its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from backprop_cli.formula.evaluate import as_float
from backprop_cli.graph.step import Graph
from backprop_cli.marking.mistakes import Slips
from backprop_cli.marking.sheet import Structure
from backprop_cli.marking.slips import SlipFinder
from backprop_cli.run.model import Value, Values

NAN = float("nan")
IDENTICAL = 1e-12
MOVED = 0.37
"""What is put in place of a 0, to see whether a slip matters where the number is none."""


class SlipTable:
    """The equations of one graph, made ready once and looked at with the numbers of many draws."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def structure(self) -> Structure:
        return Structure(self.graph)

    @cached_property
    def _finder(self) -> SlipFinder:
        return SlipFinder(Slips(self.structure))

    def worked_out(self, leaves: Values) -> Values:
        """The value of every step in floats."""
        row = self._row(leaves)
        for node in self.structure.steps:
            row[node.slot] = node.function(row)
        return dict(zip(self.structure.names, row, strict=True))

    def harmless(self, asked: Sequence[str], values: Values) -> Mapping[str, Sequence[bool]]:
        """Which of the slips change nothing with these numbers."""
        return {
            name: [abs(slip - _float(values[name])) <= IDENTICAL for slip in slips]
            for name, slips in self.values(asked, values).items()
        }

    def values(self, asked: Sequence[str], values: Values) -> Mapping[str, Sequence[float]]:
        """For each asked quantity what its slips of structure lead to; nan for one that changes
        nothing because a number is 0: leaving out a 0 is no slip."""
        row = self._row(values)
        moved = [MOVED if value == 0 else value for value in row]
        found: dict[str, Sequence[float]] = {}
        for name in asked:
            node = self.structure.nodes[self.structure.slots[name]]
            if node is None:
                continue
            right, slips = node.function(row), self._finder.structural(node, row)
            if any(slip == right for slip in slips) and any(row[at] == 0 for at in node.needs):
                elsewhere = self._finder.structural(node, moved)
                right_there = node.function(moved)
                slips = [
                    NAN if slip == right and other != right_there else slip
                    for slip, other in zip(slips, elsewhere, strict=True)
                ]
            found[name] = slips
        return found

    def _row(self, values: Values) -> list[float]:
        return [_float(values.get(name)) for name in self.structure.names]


def _float(value: Value | None) -> float:
    return NAN if value is None else as_float(value)
