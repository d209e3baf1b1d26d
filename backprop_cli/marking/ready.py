"""What is worked out of a problem once, before any answer to it is marked."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

from backprop_cli.dataclass import replace
from backprop_cli.graph.step import Graph
from backprop_cli.marking.asked import updates_asked
from backprop_cli.marking.expressions import Expressions
from backprop_cli.marking.mistakes import Slips
from backprop_cli.marking.model import Head, Verdict
from backprop_cli.marking.readings import Rewritings
from backprop_cli.marking.sheet import AnswerKey, Structure
from backprop_cli.marking.slips import SlipFinder
from backprop_cli.problem.model import Problem
from backprop_cli.run import solve


class Ready:
    """A problem made ready for marking: what judging needs of it and no submission changes.

    `tolerance` and `pass_mark` replace what the problem file says. With `reveal` every answer has
    its expected values; without it none is given away.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        tolerance: Fraction | float | None = None,
        pass_mark: Fraction | float | None = None,
        reveal: bool = False,
    ) -> None:
        marking = problem.marking
        self.problem = problem
        self.reveal = reveal
        self.tolerance = float(marking.tolerance if tolerance is None else tolerance)
        self.method = float(marking.method)
        self.charges_each = marking.repeated == "each"
        self.pass_mark = float(marking.pass_share if pass_mark is None else pass_mark)
        self.shares: dict[Verdict, float] = {
            "correct": 1.0,
            "follow_through": float(marking.follow_through),
            "imprecise": float(marking.imprecise),
        }
        updates = updates_asked(problem)
        run = solve(problem, steps=updates if problem.trains else None, show=updates)
        self.keys: list[AnswerKey] = []
        self.finders: list[SlipFinder] = []
        self.expressions: list[Expressions] = []
        self.rewritings: list[Rewritings] = []
        structures: dict[int, tuple[Structure, SlipFinder, Rewritings]] = {}
        for iteration in run.iterations[:updates]:
            steps = iteration.graph.steps
            if id(steps) not in structures:
                structure = Structure(iteration.graph)
                slips = Slips(structure)
                structures[id(steps)] = (
                    structure, SlipFinder(slips), Rewritings(structure, slips)
                )  # fmt: skip
            structure, finder, rewritings = structures[id(steps)]
            key = AnswerKey(problem, structure, iteration, self.tolerance)
            self.keys.append(key)
            self.finders.append(finder)
            self.rewritings.append(rewritings)
            self.expressions.append(Expressions(key, finder))
        self.max_score = sum(sum(key.asked.values()) for key in self.keys)

    def __reduce__(self) -> tuple[Any, ...]:
        """What is compiled is compiled again where it is unpickled, in another process."""
        again = partial(
            type(self),
            self.problem,
            tolerance=self.tolerance,
            pass_mark=self.pass_mark,
            reveal=self.reveal,
        )
        return again, ()

    @cached_property
    def graph(self) -> Graph:
        """The names of all updates' sheets, whose batches have samples of their own, as one."""
        graphs = [key.graph for key in self.keys]
        steps = {step.name: step for graph in graphs for step in graph.steps}
        leaves = {leaf.name: leaf for graph in graphs for leaf in graph.leaves}
        return replace(graphs[0], steps=tuple(steps.values()), leaves=tuple(leaves.values()))

    @property
    def head(self) -> Head:
        return Head(
            self.problem.path,
            self.problem.title,
            self.pass_mark,
            self.reveal,
            self._whole(),
            self.shares["follow_through"],
            self.shares["imprecise"],
        )

    def _whole(self) -> int:
        """The least number that makes all points whole that can be given here, at most 100."""
        points = {worth for key in self.keys for worth in key.asked.values()}
        factor = 1
        shares = (*self.shares.values(), self.method)
        for value in (worth * share for worth in points for share in shares):
            denominator = Fraction(value).limit_denominator(100).denominator
            factor = math.lcm(factor, denominator)
        return min(factor, 100)
