"""A graph compiled: its values in floats, and what slips of structure would give at its steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Sum
from backprop_cli.graph.step import Graph
from backprop_cli.marking.compiled import Functions, compile_all
from backprop_cli.marking.mistakes import Slips
from backprop_cli.marking.model import Code
from backprop_cli.marking.sheet import Node, Structure
from backprop_cli.run.model import Value, Values

NAN = float("nan")
MOVED = 0.37
"""What is put in place of a 0 or of a class's 1, to see whether a slip matters elsewhere."""
STRUCTURAL: frozenset[Code] = frozenset(
    {
        "ascent",
        "derivative-at-wrong-point",
        "log-base",
        "loss-constant",
        "mean-not-sum",
        "missing-activation",
        "missing-activation-derivative",
        "missing-bias",
        "missing-factor",
        "missing-learning-rate",
        "missing-path",
        "other-rule",
        "sign-flipped",
        "softmax-diagonal",
        "sum-not-mean",
        "used-updated-weights",
    }
)
"""What is left out, turned round or taken at another place. A code that marking learns later is
for a later version of the requirements: a sheet handed out must not change."""

LATER = frozenset({"one less", "square"})
"""Roles of slips under these codes that marking learnt later: likewise."""


class _Row(NamedTuple):
    """The slips of one step: their codes, and one function with all their values."""

    node: Node
    codes: Sequence[Code | None]
    functions: Functions


class SlipTable:
    """The equations of one graph, made ready once and looked at with the numbers of many draws."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._rows: dict[str, _Row] = {}

    @cached_property
    def structure(self) -> Structure:
        return Structure(self.graph)

    @cached_property
    def _slips(self) -> Slips:
        return Slips(self.structure)

    @cached_property
    def _classes(self) -> Sequence[int]:
        """The targets of samples that have several: a 1 among them says which class it is."""
        targets = [leaf for leaf in self.graph.leaves if leaf.kind == "target"]
        count = Counter(leaf.sample for leaf in targets)
        return [self.structure.slots[leaf.name] for leaf in targets if count[leaf.sample] > 1]

    def worked_out(self, leaves: Values) -> Values:
        """The value of every step in floats."""
        numbers = self._numbers(leaves)
        for node in self.structure.steps:
            numbers[node.slot] = node.function(numbers)
        return dict(zip(self.structure.names, numbers, strict=True))

    def codes(self, name: str) -> Sequence[Code | None]:
        """What each of the slips of a step is called, in the order of their values; None for a
        factor left out of one term of a sum, which is far-fetched where a simpler slip gives the
        same number."""
        return self._row(name).codes

    def values(
        self, asked: Sequence[str], values: Values, *, drawn: bool = True
    ) -> Iterator[tuple[str, Sequence[float]]]:
        """For each asked quantity what its slips of structure lead to; nan for one that changes
        nothing because a number is 0, or 1 as the class that is `drawn`: leaving it out is none."""
        numbers = self._numbers(values)
        neutral = {at for at, value in enumerate(numbers) if value == 0}
        neutral |= {at for at in self._classes if drawn and numbers[at] == 1}
        moved = [MOVED if at in neutral else value for at, value in enumerate(numbers)]
        for name in asked:
            node, _, functions = self._row(name)
            right, slips = node.function(numbers), functions(numbers)
            if any(slip == right for slip in slips) and not neutral.isdisjoint(node.needs):
                right_there = node.function(moved)
                slips = [
                    NAN if slip == right and other != right_there else slip
                    for slip, other in zip(slips, functions(moved), strict=True)
                ]
            yield name, slips

    def _row(self, name: str) -> _Row:
        if name not in self._rows:
            node = self.structure.nodes[self.structure.slots[name]]
            assert node is not None
            kept = [
                each
                for each in self._slips.variants(node)
                if each.mistake.code in STRUCTURAL
                and (each.idea is None or each.idea.role not in LATER)
            ]
            functions = compile_all([each.formula for each in kept], self.structure.slots)
            inside = isinstance(node.step.formula, Sum)
            codes = [
                None if inside and each.mistake.code == "missing-factor" else each.mistake.code
                for each in kept
            ]
            self._rows[name] = _Row(node, codes, functions)
        return self._rows[name]

    def _numbers(self, values: Values) -> list[float]:
        return [_float(values.get(name)) for name in self.structure.names]


def _float(value: Value | None) -> float:
    return NAN if value is None else as_float(value)
