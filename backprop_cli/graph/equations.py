"""An author's own equations as steps, written out for every sample of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backprop_cli.dataclass import replace
from backprop_cli.formula.build import names_in, rename, terms_of
from backprop_cli.formula.nodes import Formula, Name, Negative, Product
from backprop_cli.formula.quantity import sampled
from backprop_cli.formula.spelling import Lettering, spell
from backprop_cli.graph.gates import gates
from backprop_cli.graph.parts import (
    batch_loss,
    leaf,
    of_sample,
    of_samples,
    parameter_leaf,
    stable_loss,
)
from backprop_cli.graph.recognised import in_equations, renamed
from backprop_cli.graph.repeated import in_all
from backprop_cli.graph.step import Applied, Graph, Leaf, Role, Step
from backprop_cli.problem.forms import Equations, Value
from backprop_cli.problem.model import Problem
from backprop_cli.problem.upstream import UPSTREAM
from backprop_cli.rules import activations

LOSS_NAMES = ("L", "loss", "Loss", "E", "J", "C", "cost", "error")
"""Outputs of author's equations that count as a loss even where nothing is updated."""


def expand_equations(problem: Problem, model: Equations, batch: tuple[int, ...]) -> Graph:
    """Leaves and steps under the author's names, in order of calculation."""
    marks: tuple[int | None, ...] = batch if len(batch) > 1 else (None,)
    per_sample = {name for sample in model.samples for name in sample}
    if problem.by_gates:
        taken = {*model.given, *model.parameters, *model.equations, *per_sample}
        model = replace(model, equations=gates(model.equations, taken))
    leaves: list[Leaf] = []
    title = dict.fromkeys(model.upstream, "Upstream gradient")
    for name, value in model.given.items():
        if name not in per_sample:
            leaves.append(leaf(name, "input", value, title=title.get(name, "Quantities")))
    if model.samples:
        for position, mark in zip(batch, marks, strict=True):
            for name, value in {**model.given, **model.samples[position - 1]}.items():
                if name in per_sample:
                    shown = title.get(name, "Sample")
                    leaves.append(leaf(sampled(name, mark), "input", value, mark, shown))
    for name, value in model.parameters.items():
        leaves.append(replace(parameter_leaf(problem, name, value), title="Parameters"))
    # In a batch every equation is written out for every sample, also one that no sample changes:
    # each sample then has its whole chain to itself.
    varies = per_sample | set(model.equations)
    measures = model.output in LOSS_NAMES and not model.upstream
    is_loss = problem.trains or model.output in LOSS_NAMES
    known = frozenset(model.given) | per_sample
    applied = in_equations(model.equations, known, model.output if is_loss else None)
    for name, loss in applied.items():
        if loss.targets:
            applied[name] = replace(loss, sum_to_one=_sum_to_one(model, loss))
    steps: list[Step] = []
    own = of_sample(varies.__contains__, marks[0])
    here = {own(name): renamed(each, own) for name, each in applied.items()}
    for name, formula in model.equations.items():
        last = is_loss and name == model.output
        rule = here.get(own(name))
        steps.append(
            Step(
                name=own(name),
                formula=rename(formula, own),
                section="loss" if last else "forward",
                kind="loss" if last else "equation",
                sample=marks[0],
                applied=rule,
                called=UPSTREAM if last and model.upstream else "",
                numeric=None if rule is None else _stable(rule, here),
            )
        )
    steps = in_all(steps, marks)
    sample_outputs = [sampled(model.output, mark) for mark in marks]
    if len(sample_outputs) > 1:
        steps.append(batch_loss(problem, model.output, sample_outputs))
    return Graph(
        leaves=_with_roles(leaves, steps),
        steps=tuple(steps),
        output=model.output,
        losses=tuple(sample_outputs),
        batch=batch,
        parameters=tuple(model.parameters),
        wrt=tuple(model.with_respect_to),
        lettering=Lettering(symbols=problem.notation.symbols),
        is_loss=measures,
        alike=True,
        arrays=of_samples(model.arrays, varies.__contains__, marks),
    )


BIAS_LETTERS = ("b", "bias")


def equation_samples(model: Equations) -> list[Mapping[str, Value]]:
    """The values that differ from sample to sample, by plain name."""
    own = dict.fromkeys(name for sample in model.samples for name in sample)
    return [
        {name: sample.get(name, model.given.get(name)) for name in own} for sample in model.samples
    ]


def _with_roles(leaves: Sequence[Leaf], steps: Sequence[Step]) -> tuple[Leaf, ...]:
    """A parameter that only weighs is a weight; one that is only ever added beside weighted terms,
    and has a bias's letter, is a bias. An author's `w0` stays what he calls it."""
    roles: dict[str, set[Role | None]] = {}
    names = {leaf.name for leaf in leaves if leaf.kind == "parameter"}
    for step in steps:
        terms = terms_of(step.formula)
        bare = [term.operand if isinstance(term, Negative) else term for term in terms]
        weighed = {
            name
            for term in bare
            if isinstance(term, Product) and all(isinstance(each, Name) for each in term.factors)
            for name in names_in(term)
        }
        for name in names.intersection(names_in(step.formula)):
            lettered = getattr(spell(name), "base", "") in BIAS_LETTERS
            alone = lettered and weighed & names and bare.count(Name(name)) == 1
            role: Role | None = "weight" if name in weighed else "bias" if alone else None
            roles.setdefault(name, set()).add(role)
    only = {name: own.pop() for name, own in roles.items() if len(own) == 1}
    return tuple(replace(leaf, role=only.get(leaf.name)) for leaf in leaves)


def _stable(applied: Applied, outputs: Mapping[str, Applied]) -> Formula | None:
    """What is evaluated in place of a joint rule or a loss as it is written."""
    if applied.targets:
        return stable_loss(applied, outputs)
    joint = activations.ACTIVATIONS[applied.rule].joint
    return None if joint is None else joint.numeric(applied.own, applied.arguments)


def _sum_to_one(model: Equations, loss: Applied) -> bool:
    """Whether the targets of each sample do; what has no number is taken as a probability."""
    names = [each.name for each in loss.targets if isinstance(each, Name)]
    samples = model.samples or ({},)
    found = ([{**model.given, **sample}[name] for name in names] for sample in samples)
    return all(None in own or sum(each.value for each in own if each) == 1 for own in found)
