"""What each gradient on a sheet is the derivative of: one calculation, one output, one variable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import names_in, negative, product, reached, substitute, total
from backprop_cli.formula.nodes import Call, Formula, Name
from backprop_cli.formula.quantity import derivative_name
from backprop_cli.graph.step import Graph, Step

Definitions: TypeAlias = list[tuple[str, Formula]]


@dataclass(frozen=True)
class Asked:
    """A gradient and what it is the derivative of: `output` by `variable`, both among the
    definitions."""

    name: str
    output: str
    variable: str
    wanted: bool  # of a parameter, not on the way to one


@dataclass(frozen=True)
class Forward:
    """The forward pass and the loss as definitions, in order of calculation."""

    definitions: Definitions
    saturated: bool  # the loss is worked out in its stable form, from z and past ŷ

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {name: place for place, (name, _) in enumerate(self.definitions)}

    def leading_to(self, *outputs: str) -> Definitions:
        """What the outputs need: the loss of one sample, hardly anything of the others."""

        def places(names: Iterable[str]) -> list[int]:
            return [self._places[name] for name in names if name in self._places]

        found = reached(places(outputs), lambda at: places(names_in(self.definitions[at][1])))
        return [self.definitions[place] for place in sorted(found)]


def forward_pass(graph: Graph, *, saturated: bool) -> Forward:
    steps = graph.section("forward", "loss")
    if any(step.kind == "second" for step in graph.steps):  # of what the gradients come to
        steps += graph.section("backward", "gradient")
    return Forward(
        [(step.name, _to_measure(step, saturated)) for step in steps],
        saturated,
    )


def _to_measure(step: Step, saturated: bool) -> Formula:
    """The formula of a step; one whose slope is the author's own as the line of that slope."""
    if step.own_slope is None or not (names := names_in(step.formula)):
        return (step.numeric if saturated else None) or step.formula
    z = Name(names[0])
    slope = substitute(step.own_slope, {step.name: step.formula})
    moved = total(z, negative(Call("stop", (z,))))
    return total(Call("stop", (step.formula,)), product(Call("stop", (slope,)), moved))


def differentiated(graph: Graph) -> dict[str, Asked]:
    """The gradients on the sheet, and those it leaves off because nothing leads there."""
    found = [
        Asked(step.name, step.over, step.of, step.section == "gradient")
        for step in graph.section("backward", "gradient")
        if step.of is not None and step.over is not None
    ]
    for name in graph.wrt:
        if name in graph.leaf and name not in graph.derivative:
            found.append(Asked(derivative_name(graph.output, name), graph.output, name, True))
    return {each.name: each for each in found}
