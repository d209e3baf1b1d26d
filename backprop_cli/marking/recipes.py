"""What an expression comes to with slips in it: one slip, one idea everywhere, two things left out.

Each is worked out once for a sheet, at a random point; what is found is confirmed at all others.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from typing import NamedTuple, TypeAlias

from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.marking.mistakes import Idea, Variant
from backprop_cli.marking.model import Code, Mistake
from backprop_cli.marking.ranks import LATER
from backprop_cli.marking.sheet import AnswerKey, Node
from backprop_cli.marking.slips import EXACT, Explanation, SlipFinder
from backprop_cli.marking.work import Work

MOST_PLACES = 24
"""Steps before an answer in which slips are made."""
MOST_OF_TWO = 8
"""Of these the nearest, in which two are made."""
LEFT_OUT: frozenset[Code] = frozenset({"missing-activation-derivative", "missing-factor"})
MOST_ALIKE = 100
"""So many that are the same at one point are compared at the others."""
MOST_KEPT = 100

Recipe: TypeAlias = tuple[tuple[Node, Variant], ...]
"""The steps that are done otherwise."""


class Row(NamedTuple):
    value: float
    rank: float
    where: Node  # where the mistake is said to be
    mistake: Mistake
    idea: Idea | None
    recipe: Recipe


class Recipes:
    """The slips that explain expressions on one sheet."""

    def __init__(self, key: AnswerKey, finder: SlipFinder, points: Sequence[list[float]]) -> None:
        self.finder = finder
        self.key = key
        # Where a unit is off a slip behind it does not show.
        leaves = key.structure.leaves
        self.points = sorted(points, key=lambda v: sum(not value for value in v[leaves:]))
        self._rows: dict[tuple[int, int], list[Row]] = {}

    def explain(
        self, node: Node, written: Callable[[list[float]], float], charged: Collection[Idea]
    ) -> Explanation | None:
        """The slip that gives an expression at each point: one that has been charged, or the
        simplest."""
        for place, point in enumerate(self.points):
            value = written(point)
            if not math.isfinite(value) or not value or _same(value, point[node.slot]):
                continue
            rows = self._sorted(node, place)
            first = bisect_left(rows, value - EXACT * abs(value), key=lambda row: row.value)
            some = takewhile(partial(_fits, value), rows[first : first + MOST_ALIKE])
            for row in sorted(some, key=lambda row: (row.idea not in charged, row.rank)):
                if all(_same(self._after(node, row.recipe, v), written(v)) for v in self.points):
                    slot = row.where.slot
                    return Explanation(row.rank, 0.0, row.mistake, slot, value, row.idea, row.rank)
            return None
        return None

    def _sorted(self, node: Node, place: int) -> list[Row]:
        """The values at one point, from the smallest to the largest."""
        at = (node.slot, place)
        if at not in self._rows:
            if len(self._rows) >= MOST_KEPT:
                self._rows.clear()
            point = self.points[place]
            rows = (row for row in self._made(node, point) if math.isfinite(row.value))
            others = (row for row in rows if not _same(row.value, point[node.slot]))
            self._rows[at] = sorted(others, key=lambda row: row.value)
        return self._rows[at]

    def _made(self, node: Node, point: list[float]) -> Iterator[Row]:
        nodes, of = self.key.structure.nodes, self.finder.slips.of
        levels = Work(self.key).levels(node, MOST_PLACES)
        places = [node, *(at for slot, _ in levels if (at := nodes[slot]) is not None)]
        behind = {at.slot: self._between(node, (at,))[1:] for at in places}
        ideas: dict[Idea, dict[int, tuple[Node, Variant]]] = {}
        for place, at in enumerate(places):
            later = LATER["hidden"] + LATER["deeper"] * place if place else 0.0
            made = of(at)
            for one, value in zip(made.variants, made.functions(point), strict=True):
                v = _carried(point, at, value, behind[at.slot])
                recipe: Recipe = ((at, one),)
                yield Row(v[node.slot], one.rank + later, at, one.mistake, one.idea, recipe)
                if one.idea is not None:
                    ideas.setdefault(one.idea, {}).setdefault(at.slot, recipe[0])
                if one.mistake.code not in LEFT_OUT or place >= MOST_OF_TWO or not _is_back(at):
                    continue
                for second in places[:MOST_OF_TWO]:
                    if second.slot > at.slot and _is_back(second):
                        yield from self._twice(node, recipe[0], second, v, behind[second.slot])
        for whole in ideas.values():
            # Going back, what went forward may stand for what it is; and the output be another
            # matter.
            back = tuple(each for each in whole.values() if _is_back(each[0]))
            inner = tuple(each for each in back if not self._is_of_output(each[0]))
            for recipe in {tuple(whole.values()), back, inner}:
                if len(recipe) > 1:
                    last, one = max(recipe, key=lambda each: each[0].slot)
                    value, rank = self._after(node, recipe, point), one.rank + LATER["hidden"]
                    yield Row(value, rank, last, one.mistake, one.idea, recipe)

    def _is_of_output(self, node: Node) -> bool:
        of = self.key.graph.step.get(node.step.of or "")
        return of is not None and of.target is not None

    def _twice(
        self,
        node: Node,
        first: tuple[Node, Variant],
        at: Node,
        v: list[float],
        behind: Sequence[Node],
    ) -> Iterator[Row]:
        """What is left out at a step where something has been left out before."""
        made, (_, one) = self.finder.slips.of(at), first
        for other, value in zip(made.variants, made.functions(v), strict=True):
            if other.mistake.code in LEFT_OUT:
                message = f"{one.mistake.message}, and {other.mistake.message}"
                mistake = (
                    other.mistake if one.idea == other.idea else Mistake(one.mistake.code, message)
                )
                value = _carried(v, at, value, behind)[node.slot]
                rank = one.rank + other.rank + LATER["hidden"] + LATER["twice"]
                yield Row(value, rank, node, mistake, one.idea, (first, (at, other)))

    def _after(self, node: Node, recipe: Recipe, point: Sequence[float]) -> float:
        """What a step comes to where some before it are done otherwise."""
        v, slots = list(point), self.key.structure.slots
        otherwise = {at.slot: one.formula for at, one in recipe}
        for at in self._between(node, (at for at, _ in recipe)):
            if (formula := otherwise.get(at.slot)) is not None:
                v[at.slot] = as_float(evaluate(formula, lambda name: v[slots[name]]))
            else:
                v[at.slot] = at.function(v)
        return v[node.slot]

    def _between(self, node: Node, these: Iterable[Node]) -> list[Node]:
        """The steps up to one that come from these, in order."""
        nodes, later = self.key.structure.nodes, self.key.structure.later
        slots = frozenset[int]().union(*(later(at.slot) for at in these))
        return [at for slot in sorted(slots) if slot <= node.slot and (at := nodes[slot])]


def _is_back(node: Node) -> bool:
    return node.step.section not in ("forward", "loss")


def _carried(v: list[float], at: Node, value: float, behind: Iterable[Node]) -> list[float]:
    v = list(v)
    v[at.slot] = value
    for each in behind:
        v[each.slot] = each.function(v)
    return v


def _fits(value: float, row: Row) -> bool:
    return _same(row.value, value)


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= EXACT * max(abs(one), abs(other))
