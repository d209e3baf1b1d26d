"""What solving a problem comes to: iterations with their values, losses, parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.arithmetic import Value as Value
from backprop_cli.graph.step import Graph
from backprop_cli.problem.model import Problem

Values: TypeAlias = Mapping[str, Value | None]


@dataclass(frozen=True)
class Stop:
    """Why a run ended before its last update, or what a perceptron run came to."""

    reason: Literal["not-finite", "converged", "cycle", "given-up"]
    iteration: int  # the update at which it ended
    message: str


@dataclass(frozen=True)
class Iteration:
    """One update: the equations over its batch and the value of every name in them.

    A value is None where a number is missing (symbolic problems). `loss_after` is the loss of
    the same batch with the updated parameters, None without an update.
    """

    number: int
    graph: Graph
    values: Values
    loss_after: Value | None


@dataclass(frozen=True)
class Flow:
    """The mean size of ∂L/∂z in each layer, in update number `update`."""

    update: int
    sizes: Mapping[int, Value]


@dataclass(frozen=True)
class Run:
    """A solved problem. `iterations` holds the updates that are shown, in order.

    `losses[n]` is the loss of the batch of update n + 1 before that update; the last entry is
    the loss of the last batch with the final parameters.
    """

    problem: Problem
    iterations: tuple[Iteration, ...]
    losses: Sequence[Value | None]
    initial: Values
    final: Values
    updates: int
    stop: Stop | None = None
    round_each: int | None = None
    presented: tuple[Iteration, ...] = ()  # every update of a perceptron run, the first hundreds
    flow: tuple[Flow, ...] = ()  # the gradient's size layer by layer, at a few updates of the run

    @property
    def symbolic(self) -> bool:
        """Whether numbers are missing, so that steps have no values."""
        first = self.iterations[0]
        return any(first.values[step.name] is None for step in first.graph.steps)
