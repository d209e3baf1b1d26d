"""From a problem to numbers: builds the list of equations and evaluates it, update by update.

The updates that are shown are evaluated step by step with exact fractions as far as they go, as
on paper; the ones between run through compiled straight-line code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypeAlias

from backprop_cli.formula.build import names_in
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.graph.backward import with_gradients
from backprop_cli.graph.expand import expand
from backprop_cli.graph.step import Graph, Leaf, Step
from backprop_cli.graph.update import with_updates
from backprop_cli.problem.model import Equations, Network, Problem
from backprop_cli.problem.model import Value as Written

Value: TypeAlias = Fraction | float
Values: TypeAlias = Mapping[str, Value | None]

MAXIMUM_EPOCHS = 1000
"""After so many epochs without a repetition a perceptron run is given up."""


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

    @property
    def symbolic(self) -> bool:
        """Whether numbers are missing, so that steps have no values."""
        first = self.iterations[0]
        return any(first.values[step.name] is None for step in first.graph.steps)


def build(problem: Problem, batch: Sequence[int]) -> Graph:
    """The whole list of equations of one update over the samples `batch`."""
    return with_updates(problem, with_gradients(problem, expand(problem, batch)))


def sample_count(problem: Problem) -> int:
    match problem.model:
        case Network(samples=samples):
            return max(1, len(samples))
        case Equations(samples=equation_samples):
            return max(1, len(equation_samples))


def batch_size(problem: Problem) -> int:
    """Samples per update; the perceptron rule looks at one at a time."""
    if problem.training.rule == "perceptron":
        return 1
    count = sample_count(problem)
    return count if problem.training.batch is None else min(problem.training.batch, count)


def batch_of(problem: Problem, update: int) -> tuple[int, ...]:
    """The samples of update number `update` (from 1): taken in order, wrapping round."""
    size, count = batch_size(problem), sample_count(problem)
    return tuple((size * (update - 1) + place) % count + 1 for place in range(size))


class Builder:
    """Builds the graph of each update, deriving it once where names do not change."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._graphs: dict[tuple[int, ...], Graph] = {}

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


def solve(
    problem: Problem,
    *,
    steps: int | None = None,
    show: int | None = None,
    round_each: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """Solve a problem: every value of the first `show` updates, the losses of all.

    `steps` overrides the file's number of updates. `round_each` rounds each value to so many
    significant digits before it is used, as one does by hand; by default the file decides.
    `progress` is told now and then how many more updates are done.
    """
    if round_each is None and problem.rounding.every_step:
        round_each = problem.rounding.digits
    if problem.training.rule == "perceptron":
        from backprop_cli.perceptron import solve_perceptron

        return solve_perceptron(problem, steps, show)
    updates = (steps or problem.training.steps) if problem.trains else 1
    shown = min(updates, show if show is not None else updates)
    return _solve_gradient(problem, updates, max(1, shown), round_each, progress)


def _solve_gradient(
    problem: Problem,
    updates: int,
    shown: int,
    round_each: int | None,
    progress: Callable[[int], None] | None,
) -> Run:
    builder = Builder(problem)
    initial = initial_values(builder.graph(batch_of(problem, 1)))
    carried: dict[str, Value | None] = dict(initial)
    iterations: list[Iteration] = []
    losses: list[Value | None] = []
    stop = None
    # Hand rounding has no compiled form: it goes step by step to the end.
    stepwise = shown if round_each is None else updates
    for number in range(1, stepwise + 1):
        graph = builder.graph(batch_of(problem, number))
        values = evaluate_steps(graph, {**carried, **_clock(graph, number)}, round_each)
        loss = values.get(graph.output)
        losses.append(loss)
        stop = _not_finite(graph, number, values)
        if stop is None:
            carried.update({old: values[new] for old, new in graph.carried.items()})
        if number <= shown:
            loss_after = None
            if graph.carried and stop is None:
                loss_after = loss_with(graph, carried, round_each)
            iterations.append(Iteration(number, graph, values, loss_after))
        if stop is not None:
            break
    if stop is None and updates > stepwise and problem.trains:
        from backprop_cli.compiled import run_on

        carried, stop = run_on(problem, builder, carried, stepwise, updates, losses, progress)
    last_graph = iterations[-1].graph
    if last_graph.carried and stop is None:
        losses.append(loss_with(builder.graph(batch_of(problem, updates)), carried, round_each))
    done = updates if stop is None else stop.iteration - 1
    final = {name: carried[name] for name in last_graph.parameters}
    start = {name: initial[name] for name in last_graph.parameters}
    return Run(problem, tuple(iterations), losses, start, final, done, stop, round_each)


def initial_values(graph: Graph) -> dict[str, Value | None]:
    """What is carried from update to update, at the start: parameters and optimizer states."""
    return {leaf.name: leaf.value for leaf in graph.leaves if leaf.kind in ("parameter", "state")}


def _clock(graph: Graph, number: int) -> dict[str, Value | None]:
    """The number of the update, for optimizers that count (Adam's bias correction)."""
    clock = next((leaf for leaf in graph.leaves if leaf.kind == "state" and is_clock(leaf)), None)
    return {} if clock is None else {clock.name: Fraction(number)}


def is_clock(leaf: Leaf) -> bool:
    return leaf.name.rstrip("_") == "t"


def leaf_values(graph: Graph, carried: Values) -> dict[str, Value | None]:
    return {
        leaf.name: carried.get(leaf.name, leaf.value)
        if leaf.kind in ("parameter", "state")
        else leaf.value
        for leaf in graph.leaves
    }


def evaluate_steps(
    graph: Graph,
    carried: Values,
    round_each: int | None = None,
    sections: tuple[str, ...] | None = None,
) -> dict[str, Value | None]:
    """The value of every leaf and step, top to bottom; None where a number is missing."""
    values = leaf_values(graph, carried)
    symbolic = any(value is None for value in values.values())
    for step in graph.steps:
        if sections is not None and step.section not in sections:
            continue
        if symbolic and any(values[name] is None for name in names_in(step.formula)):
            values[step.name] = None
            continue
        values[step.name] = _value(step, values, round_each)
    return values


def _value(step: Step, values: Values, round_each: int | None) -> Value:
    def lookup(name: str) -> Value:
        value = values[name]
        assert value is not None
        return value

    if round_each is None:
        return evaluate(step.numeric or step.formula, lookup)
    value = evaluate(step.formula, lookup)
    if step.numeric is not None and not math.isfinite(as_float(value)):
        value = evaluate(step.numeric, lookup)
    return round_to(value, round_each)


def round_to(value: Value, digits: int) -> Value:
    """The value rounded to `digits` significant digits, halves away from zero as on paper."""
    if isinstance(value, float):
        if value == 0 or not math.isfinite(value):
            return value
        # A float stands for the shortest decimal that names it: 0.125 is a half to round.
        value = Fraction(repr(value))
    if value == 0:
        return value
    scale = Fraction(10) ** (digits - 1 - magnitude(value))
    rounded = Fraction(math.floor(abs(value) * scale + Fraction(1, 2))) / scale
    return rounded if value > 0 else -rounded


def magnitude(value: Fraction) -> int:
    """The power of ten of the first significant digit: 0 for 5.02, −2 for 0.0468."""
    value = abs(value)
    guess = len(str(value.numerator)) - len(str(value.denominator))
    while value < Fraction(10) ** guess:
        guess -= 1
    while value >= Fraction(10) ** (guess + 1):
        guess += 1
    return guess


def loss_with(graph: Graph, carried: Values, round_each: int | None = None) -> Value | None:
    """The loss of the graph's batch with other parameters."""
    values = evaluate_steps(graph, carried, round_each, ("forward", "loss"))
    return values.get(graph.output)


def _not_finite(graph: Graph, number: int, values: Values) -> Stop | None:
    """A loss or an updated parameter that is infinite or not a number ends the run."""
    watched = [graph.output] if graph.losses else []
    for name in (*watched, *graph.carried.values()):
        value = values.get(name)
        if value is not None and not math.isfinite(as_float(value)):
            first = first_not_finite(graph, values)
            return Stop("not-finite", number, not_finite_message(first, values[first]))
    return None


def first_not_finite(graph: Graph, values: Values) -> str:
    """The first step whose value is infinite or not a number though those before are finite."""
    for step in graph.steps:
        value = values.get(step.name)
        if value is None or math.isfinite(as_float(value)):
            continue
        if step.section == "backward" and step.kind == "slope":
            continue
        return step.name
    return graph.output


def not_finite_message(name: str, value: Value | None) -> str:
    kind = "not a number" if value is None or value != value else "infinite"
    return (
        f"{name} is {kind} from here on: the numbers have left the range of floating point. "
        "A smaller learning rate or clipping keeps the steps small."
    )


def iterate_batches(problem: Problem, first: int, last: int) -> Iterator[tuple[int, ...]]:
    for update in range(first, last + 1):
        yield batch_of(problem, update)


def written_value(value: Written) -> Value | None:
    return None if value is None else value.value
