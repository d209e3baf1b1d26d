"""An author's own equations as steps, written out for every sample of a batch."""

from __future__ import annotations

from collections.abc import Callable

from backprop_cli.formula.build import rename
from backprop_cli.formula.spelling import Lettering
from backprop_cli.graph.naming import sampled
from backprop_cli.graph.parts import batch_loss, leaf, parameter_leaf
from backprop_cli.graph.step import Graph, Leaf, Step
from backprop_cli.problem.model import Equations, Problem

LOSS_NAMES = ("L", "loss", "Loss", "E", "J", "C", "cost", "error")
"""Outputs of author's equations that count as a loss even where nothing is updated."""


def expand_equations(problem: Problem, model: Equations, batch: tuple[int, ...]) -> Graph:
    """Leaves and steps under the author's names, in order of calculation."""
    marks: tuple[int | None, ...] = batch if len(batch) > 1 else (None,)
    per_sample = {name for sample in model.samples for name in sample}
    leaves: list[Leaf] = []
    for name, value in model.given.items():
        if name not in per_sample:
            leaves.append(leaf(name, "input", value))
    if model.samples:
        for position, mark in zip(batch, marks, strict=True):
            for name, value in {**model.given, **model.samples[position - 1]}.items():
                if name in per_sample:
                    leaves.append(leaf(sampled(name, mark), "input", value, mark))
    for name, value in model.parameters.items():
        leaves.append(parameter_leaf(problem, name, value))
    # In a batch every equation is written out for every sample, also one that no sample changes:
    # each sample then has its whole chain to itself.
    varies = per_sample | set(model.equations)
    is_loss = problem.trains or model.output in LOSS_NAMES
    steps: list[Step] = []
    sample_outputs: list[str] = []
    for mark in marks:
        renamed = _renaming(varies, mark)
        for name, formula in model.equations.items():
            last = is_loss and name == model.output
            steps.append(
                Step(
                    name=renamed(name),
                    formula=rename(formula, renamed),
                    section="loss" if last else "forward",
                    kind="loss" if last else "equation",
                    sample=mark,
                )
            )
        sample_outputs.append(renamed(model.output))
    if len(sample_outputs) > 1:
        steps.append(batch_loss(problem, model.output, sample_outputs))
    return Graph(
        leaves=tuple(leaves),
        steps=tuple(steps),
        output=model.output,
        losses=tuple(sample_outputs),
        batch=batch,
        parameters=tuple(model.parameters),
        wrt=tuple(model.with_respect_to),
        lettering=Lettering(symbols=problem.notation.symbols),
    )


def _renaming(varies: set[str], mark: int | None) -> Callable[[str], str]:
    return lambda name: sampled(name, mark) if name in varies else name
