"""Penalties on large weights: which parameters they weigh down, their terms and their slopes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

from backprop_cli.dataclass import replace
from backprop_cli.formula.build import ONE, names_in, negative, product, quotient, total
from backprop_cli.formula.nodes import Call, Formula, Name, Negative, Number, Power, Sum
from backprop_cli.graph.parts import leaf, unused
from backprop_cli.graph.step import Graph, Penalised, Step
from backprop_cli.problem.model import Penalty, Problem

TWO = Number("2")


def with_penalties(problem: Problem, graph: Graph) -> Graph:
    """The graph with the strengths of its penalties, and with those that stand in the loss as a
    step that the loss adds. Going up a slope the penalty still pulls weights to 0, so that it is
    subtracted."""
    training = problem.training
    if not problem.trains or training.correction is not None:
        return graph
    if training.l2.value.value:
        graph = _with_penalty(graph, "l2", "lambda2", training.l2)
    if training.l1.value.value:
        graph = _with_penalty(graph, "l1", "lambda1", training.l1)
    terms = [_term(each) for each in graph.penalties if each.in_loss and each.parameters]
    if not terms:
        return graph
    name = unused("penalty", graph)
    cost = Step(name, total(*terms), "loss", "regularisation")
    place = next(n for n, step in enumerate(graph.steps) if step.name == graph.output)
    added = negative(Name(name)) if training.direction == "ascent" else Name(name)
    loss = graph.steps[place]
    numeric = None if loss.numeric is None else total(loss.numeric, added)
    whole = replace(loss, formula=total(loss.formula, added), numeric=numeric, added=added)
    steps = (*graph.steps[:place], cost, whole, *graph.steps[place + 1 :])
    return replace(graph, steps=steps)


def _with_penalty(
    graph: Graph, norm: Literal["l1", "l2"], strength: str, penalty: Penalty
) -> Graph:
    spared = set() if penalty.biases else biases(graph)
    names = tuple(name for name in graph.parameters if name not in spared)
    strength = unused(strength, graph)
    penalised = Penalised(norm, strength, names, penalty.half, penalty.in_loss)
    leaves = (*graph.leaves, leaf(strength, "constant", penalty.value))
    return replace(graph, leaves=leaves, penalties=(*graph.penalties, penalised))


def biases(graph: Graph) -> set[str]:
    """The parameters that are only ever added or subtracted: the slope of whatever they enter is
    ±1 there."""
    found = set(graph.parameters)
    for step in graph.steps:
        whole = list(_terms(step.formula))
        alone = [term.name for term in whole if isinstance(term, Name)]
        weighed = {name for term in whole if not isinstance(term, Name) for name in names_in(term)}
        found -= weighed
        found -= {name for name, count in Counter(alone).items() if count > 1}
    return found


def _terms(formula: Formula) -> Iterator[Formula]:
    """What a formula adds and subtracts, without the signs."""
    if isinstance(formula, Sum):
        for term in formula.terms:
            yield from _terms(term)
    elif isinstance(formula, Negative):
        yield from _terms(formula.operand)
    else:
        yield formula


def _term(penalty: Penalised) -> Formula:
    """½λ(w1² + w2² + …), or λ(|w1| + |w2| + …)"""
    strength = Name(penalty.strength)
    names = [Name(name) for name in penalty.parameters]
    if penalty.norm == "l1":
        return product(strength, total(*(Call("abs", (name,)) for name in names)))
    squares = total(*(Power(name, TWO) for name in names))
    return product(*([quotient(ONE, TWO)] if penalty.half else []), strength, squares)


def slope(penalty: Penalised, weight: Formula) -> Formula:
    """The derivative of a penalty by one of the weights in it."""
    strength = Name(penalty.strength)
    if penalty.norm == "l1":
        return product(strength, Call("abs'", (weight,)))
    return product(*([] if penalty.half else [TWO]), strength, weight)


def slope_in_loss(graph: Graph, parameter: str) -> Formula:
    """The derivative of all that stands in the loss as penalties; 0 where it is not penalised."""
    own = [each for each in graph.penalties if each.in_loss and parameter in each.parameters]
    return total(*(slope(each, Name(parameter)) for each in own))
