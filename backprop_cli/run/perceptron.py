"""The perceptron rule run to its end: until an epoch without a mistake, or a repetition."""

from __future__ import annotations

from backprop_cli.formula.evaluate import as_float
from backprop_cli.graph.batches import Builder
from backprop_cli.run.evaluation import evaluate_steps, initial_values
from backprop_cli.run.model import Iteration, Run, Stop, Value

MAXIMUM_EPOCHS = 1000
"""After so many epochs without a repetition a run is given up."""
MOST_PRESENTED = 400
"""So many updates of a run are kept for its table."""


def solve_perceptron(builder: Builder, steps: int | None, show: int | None) -> Run:
    """Present the samples in turn until the rule has nothing left to correct.

    An epoch without a mistake ends the run: the samples are separated. Weights that return at
    the start of an epoch mean that it would go on for ever (fractions are exact, so that
    returning means returning). `steps` presents exactly so many samples instead.
    """
    count = builder.samples
    wanted = steps if steps is not None else builder.problem.training.steps
    fixed = wanted > 1 or steps is not None
    limit = wanted if fixed else MAXIMUM_EPOCHS * count
    initial = initial_values(builder.update(1))
    carried: dict[str, Value | None] = dict(initial)
    presented: list[Iteration] = []
    seen = {_state(carried): 0}
    mistakes = 0
    stop: Stop | None = None
    cycle: Stop | None = None  # found before the steps asked for are done
    number = 0
    while number < limit and stop is None:
        number += 1
        graph = builder.update(number)
        values = evaluate_steps(graph, carried)
        if any(as_float(values[step.name] or 0) != 0 for step in graph.section("loss")):
            mistakes += 1
        carried.update({old: values[new] for old, new in graph.carried.items()})
        if number <= MOST_PRESENTED:
            presented.append(Iteration(number, graph, values, None))
        if None in values.values():
            break  # without numbers there is one presentation to write down, and no verdict
        if number % count == 0:
            stop = _end_of_epoch(number, number // count, mistakes, carried, seen)
            seen.setdefault(_state(carried), number // count)
            mistakes = 0
            if fixed and stop is not None and stop.reason == "cycle":
                cycle, stop = cycle or stop, None
    stop = stop or cycle
    if stop is None and not fixed and number == limit:
        stop = Stop("given-up", number, f"No end after {MAXIMUM_EPOCHS} epochs.")
    names = presented[0].graph.parameters
    shown = tuple(presented if show is None else presented[:show])
    start = {name: initial[name] for name in names}
    final = {name: carried[name] for name in names}
    return Run(builder.problem, shown, [], start, final, number, stop, presented=tuple(presented))


def _state(carried: dict[str, Value | None]) -> tuple[Value | None, ...]:
    return tuple(carried.values())


def _end_of_epoch(
    number: int,
    epoch: int,
    mistakes: int,
    carried: dict[str, Value | None],
    seen: dict[tuple[Value | None, ...], int],
) -> Stop | None:
    if mistakes == 0:
        before = "the first epoch" if epoch == 1 else f"epoch {epoch}"
        return Stop(
            "converged",
            number,
            f"No mistake in {before}: the perceptron has learnt all samples and stops.",
        )
    earlier = seen.get(_state(carried))
    if earlier is not None:
        when = "at the start" if earlier == 0 else f"after epoch {earlier}"
        return Stop(
            "cycle",
            number,
            f"After epoch {epoch} the weights are the same as {when}, so the rule cycles and never"
            " ends: no straight line separates these samples. A hidden layer is needed.",
        )
    return None
