"""From a problem to numbers: builds the equations of each update and evaluates them.

The first updates are evaluated step by step, exactly as far as that goes; the later ones run
through compiled straight-line code. How many are first the problem decides, never what is shown.
"""

from __future__ import annotations

from collections.abc import Callable

from backprop_cli.graph.batches import Builder
from backprop_cli.graph.step import Graph
from backprop_cli.problem.model import Problem
from backprop_cli.run.compiled import Compiled
from backprop_cli.run.evaluation import (
    clock_value,
    evaluate_steps,
    initial_values,
    loss_with,
    stop_if_not_finite,
)
from backprop_cli.run.flow import layer_sizes, updates_looked_at
from backprop_cli.run.losses import Losses
from backprop_cli.run.model import Flow, Iteration, Run, Stop, Value, Values
from backprop_cli.run.perceptron import solve_perceptron

EXACT_STEPS = 5_000
"""So many steps are evaluated exactly before compiled code takes over,"""
EXACT_UPDATES = 3
"""and so many updates, however large they are."""
PROGRESS_EVERY = 20_000


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
    if problem.training.correction is not None:
        return solve_perceptron(Builder(problem), steps, show)
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
    first = builder.update(1)
    initial = initial_values(first)
    carried: dict[str, Value | None] = dict(initial)
    iterations: list[Iteration] = []
    flow: list[Flow] = []
    losses = Losses()
    looks = updates_looked_at(first, updates)
    pauses = sorted({*range(1, shown + 1), *looks}, reverse=True)
    stepwise = min(updates, max(EXACT_UPDATES, EXACT_STEPS // len(first.steps)))
    if round_each is not None:  # hand rounding has no compiled form
        stepwise = updates
    elif None in initial.values():  # nor have formulas without numbers
        stepwise = shown

    def calculated(number: int) -> tuple[Graph, Values, Stop | None]:
        """An update step by step; in its own names only where somebody reads them."""
        stop = None
        for builds in (builder.update,) if number <= shown else (builder.stand_in, builder.update):
            graph = builds(number)
            values = evaluate_steps(graph, {**carried, **clock_value(graph, number)}, round_each)
            stop = stop_if_not_finite(graph, number, values)
            if stop is None:
                break
        if number in pauses[-1:]:
            pauses.pop()
            if number in looks:
                flow.append(Flow(number, layer_sizes(graph, values)))
            if number <= shown:
                after = {old: values[new] for old, new in graph.carried.items()}
                known = stop is None and graph.carried
                loss = loss_with(graph, {**carried, **after}, round_each) if known else None
                iterations.append(Iteration(number, graph, values, loss))
        return graph, values, stop

    compiled, stop, done = None, None, 0
    while done < updates and stop is None:
        number = done + 1
        if number <= stepwise or number in pauses[-1:]:
            graph, values, found = calculated(number)
        if number <= stepwise:
            losses.append(values.get(graph.output))
            stop = found
            if stop is None:
                carried |= {old: values[new] for old, new in graph.carried.items()}
                done = number
        elif None in carried.values():
            done = updates
        else:
            compiled = compiled or Compiled(builder)
            goal = min(updates, done + PROGRESS_EVERY, *(each - 1 for each in pauses[-1:]))
            carried, done = compiled.run(carried, done, goal, losses)
            if done < goal:  # what floats cannot do, many digits may: 0·∞ has a value after all
                stepwise = done + 1
        if progress is not None:
            progress(done + 1 - number)
    last_graph = iterations[-1].graph
    if last_graph.carried and stop is None:
        losses.append(loss_with(builder.stand_in(updates), carried, round_each))
    final = {name: carried[name] for name in last_graph.parameters}
    start = {name: initial[name] for name in last_graph.parameters}
    return Run(
        problem,
        tuple(iterations),
        losses,
        start,
        final,
        done,
        stop,
        round_each,
        flow=tuple(flow),
    )
