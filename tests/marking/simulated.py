"""Simulated students: they solve random sheets by hand, rounding as they go, with or without a slip.

A slip is made here from the numbers, by hand, and carried on; nothing of `backprop_cli.marking`
is used, so that what marking finds is not what marking was told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

import yaml

from backprop_cli.formula.build import names_in
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Call, Formula, Name, Product, Quotient, Sum
from backprop_cli.graph.step import Graph, Step
from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read_problem
from backprop_cli.run import Iteration, solve

NOISE = 1e-15
ASKED = ("forward", "loss", "gradient", "update")

HIDDEN = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "swish", "sigmoid", "tanh")
OUTPUTS = {
    "squared_error": ("identity", "sigmoid", "tanh"),
    "half_squared_error": ("identity", "sigmoid", "tanh"),
    "mean_squared_error": ("identity", "sigmoid"),
    "binary_cross_entropy": ("sigmoid",),
    "cross_entropy": ("softmax",),
}


def random_problem(random: Random, samples: int | None = None, **fixed: Any) -> Problem:
    """A small network with numbers as a worksheet has them: one or two decimals."""
    inputs = random.randint(1, 3)
    loss = fixed.get("loss") or random.choice(tuple(OUTPUTS))
    last = random.choice(OUTPUTS[loss])
    outputs = 2 if last == "softmax" else random.randint(1, 2)
    sizes = [random.randint(1, 3) for _ in range(random.randint(1, 2))] + [outputs]
    layers = []
    width = inputs
    for depth, units in enumerate(sizes, 1):
        activation = last if depth == len(sizes) else random.choice(HIDDEN)
        layer: dict[str, Any] = {
            "activation": activation,
            "weights": [[_weight(random) for _ in range(width)] for _ in range(units)],
        }
        if random.random() < 0.85:
            layer["biases"] = [_weight(random) for _ in range(units)]
        layers.append(layer)
        width = units
    count = samples if samples is not None else (1 if random.random() < 0.75 else 2)
    rows = []
    for _ in range(count):
        targets: list[float] = [round(random.uniform(0.05, 0.95), 2) for _ in range(outputs)]
        if loss == "cross_entropy":
            targets = [0, 1]
        elif loss == "binary_cross_entropy":
            targets = [random.choice((0, 1)) for _ in range(outputs)]
        rows.append(
            {
                "inputs": [round(random.uniform(-2, 2), 1) or 0.7 for _ in range(inputs)],
                "targets": targets,
            }
        )
    data: dict[str, Any] = {"title": "Random", "layers": layers, "loss": loss}
    data |= rows[0] if count == 1 else {"samples": rows}
    data["learning_rate"] = random.choice((0.1, 0.3, 0.5, 0.7))
    if count > 1 and (fixed.get("reduction") or random.random() < 0.3):
        data["training"] = {"reduction": fixed.get("reduction", "sum")}
    return read_problem("random.yaml", yaml.safe_dump(data, sort_keys=False))


def _weight(random: Random) -> float:
    while abs(value := round(random.uniform(-1.2, 1.2), 2)) < 0.08 or abs(value) == 1:
        pass
    return value


@dataclass(frozen=True)
class Hand:
    """How a student writes numbers: so many significant digits or decimals, rounded or cut off.

    Who `keeps` numbers in a calculator rounds only what is written down: what is asked for, and
    ∂L/∂z, which is the gradient of a bias.
    """

    digits: int | None = None
    cut: bool = False
    places: int | None = None
    keeps: bool = False

    def writes(self, step: Step) -> bool:
        return not self.keeps or step.section in ASKED or step.name.startswith("dL/dz")

    def text(self, value: float) -> str:
        if (self.digits or self.places) is None or value == 0 or not math.isfinite(value):
            return repr(float(value))
        # On paper 0.1 + 0.031 is 0.131: what a float adds at its end is not there to be cut off,
        # nor what it leaves at the end of a difference.
        near = round(value, 12)
        exact = Decimal(f"{near if abs(near - value) < NOISE else value:.13g}")
        last = -self.places if self.digits is None else exact.adjusted() - self.digits + 1
        unit = Decimal(1).scaleb(last)
        way = ROUND_DOWN if self.cut else ROUND_HALF_UP
        return format(exact.quantize(unit, way), "f" if -8 < exact.adjusted() < 8 else "e")


Slip = Callable[[Mapping[str, float]], float]


@dataclass
class Paper:
    """One update on paper: every quantity's number as used, and as written."""

    values: dict[str, float]
    texts: dict[str, str]

    def answers(self, graph: Graph, sections: tuple[str, ...] = ASKED) -> dict[str, str]:
        return {s.name: self.texts[s.name] for s in graph.steps if s.section in sections}


def work_out(
    iteration: Iteration,
    hand: Hand,
    slips: Mapping[str, Slip] | None = None,
    carried: Mapping[str, float] | None = None,
) -> Paper:
    """Every step from the numbers written before it, with a slip at the steps that have one.

    `carried` holds the student's own parameters from the update before.
    """
    graph = iteration.graph
    values = {leaf.name: as_float(iteration.values[leaf.name] or 0) for leaf in graph.leaves}
    values |= carried or {}
    texts: dict[str, str] = {}
    for step in graph.steps:
        if slips and step.name in slips:
            value = slips[step.name](values)
        else:
            value = as_float(evaluate(step.formula, values.__getitem__))
            if not math.isfinite(value) and step.numeric is not None:
                value = as_float(evaluate(step.numeric, values.__getitem__))
        if hand.digits and abs(value) < NOISE:
            value = 0.0  # what floats leave of a difference that is nothing on paper
        texts[step.name] = hand.text(value)
        values[step.name] = float(texts[step.name]) if hand.writes(step) else value
    return Paper(values, texts)


# One slip of each kind, made by hand from the numbers of a sheet.


def _plain(step: Step) -> Slip:
    return lambda v: as_float(evaluate(step.formula, v.__getitem__))


def _terms(formula: Formula) -> tuple[Formula, ...]:
    return formula.terms if isinstance(formula, Sum) else (formula,)


def _value(formula: Formula, v: Mapping[str, float]) -> float:
    return as_float(evaluate(formula, v.__getitem__))


def slips(graph: Graph, code: str, random: Random) -> Iterator[tuple[str, Slip]]:
    """(step, slip) pairs of one kind that can be made on this sheet."""
    parameters = set(graph.parameters)
    steps = {step.name: step for step in graph.steps}
    for step in graph.steps:
        name = step.name
        plain = _plain(step)
        match code:
            case "sign-flipped":
                if step.kind in ("preactivation", "upstream", "gradient"):
                    yield name, lambda v, f=plain: -f(v)
            case "decimal-slip":
                if step.kind in ("preactivation", "activation", "gradient", "loss"):
                    factor = random.choice((0.1, 10.0))
                    yield name, lambda v, f=plain, k=factor: f(v) * k
            case "missing-bias":
                if step.kind == "preactivation":
                    terms = _terms(step.formula)
                    if len(terms) > 1 and isinstance(terms[-1], Name):
                        yield name, lambda v, t=terms[:-1]: sum(_value(x, v) for x in t)
            case "missing-path":
                terms = _terms(step.formula)
                if step.kind in ("preactivation", "upstream") and len(terms) > 1:
                    products = [k for k, term in enumerate(terms) if isinstance(term, Product)]
                    if len(products) > 1:
                        out = random.choice(products)
                        rest = terms[:out] + terms[out + 1 :]
                        yield name, lambda v, t=rest: sum(_value(x, v) for x in t)
            case "missing-activation":
                if step.kind == "activation" and step.rule not in ("identity", "softmax"):
                    (z,) = names_in(step.formula)
                    yield name, lambda v, z=z: v[z]
            case "wrong-activation":
                if step.kind == "activation" and isinstance(step.formula, Call):
                    (z,) = names_in(step.formula)
                    other = random.choice(
                        [r for r in ("sigmoid", "tanh", "softplus") if r != step.rule]
                    )
                    call = Call(other, (Name(z),))
                    yield name, lambda v, c=call: _value(c, v)
            case "missing-activation-derivative":
                if step.kind == "upstream" and len(step.links) == 1 and step.product is None:
                    link = step.links[0]
                    child = steps.get(link.child)
                    if (
                        link.slope
                        and link.upstream
                        and child is not None
                        and child.kind == "activation"
                    ):
                        yield name, lambda v, u=link.upstream: v[u]
            case "derivative-at-wrong-point":
                child = steps.get(step.of or "")
                if step.kind == "slope" and child is not None and child.rule in ("sigmoid", "tanh"):
                    (z,) = names_in(child.formula)
                    if child.rule == "sigmoid":
                        yield name, lambda v, z=z: v[z] * (1 - v[z])
                    else:
                        yield name, lambda v, z=z: 1 - v[z] ** 2
            case "missing-factor":
                if step.kind == "gradient" and isinstance(step.formula, Product):
                    first, last = step.formula.factors[0], step.formula.factors[-1]
                    if isinstance(first, Name) and isinstance(last, Name):
                        yield name, lambda v, f=first.name: v[f]
            case "extra-factor":
                if step.kind == "gradient" and step.of is not None and step.of.startswith("b"):
                    users = [s for s in graph.steps if step.of in names_in(s.formula)]
                    here = next((s for s in users if s.sample == step.sample), None)
                    if here is not None:
                        factor = random.choice([n for n in names_in(here.formula) if n != step.of])
                        yield name, lambda v, f=plain, n=factor: f(v) * v[n]
            case "loss-constant":
                squared = any(
                    s.rule and "squared" in s.rule for s in graph.steps if s.kind == "loss"
                )
                seed = any(link.upstream is None for link in step.links)
                if squared and (step.kind == "loss" or (step.kind == "upstream" and seed)):
                    factor = random.choice((0.5, 2.0))
                    yield name, lambda v, f=plain, k=factor: f(v) * k
            case "wrong-operand":
                if step.kind == "preactivation":
                    weights = [n for n in names_in(step.formula) if n in parameters and n[0] == "w"]
                    mine = random.choice(weights)
                    others = [n for n in graph.parameters if n != mine and n[0] == "w"]
                    if others:
                        other = random.choice(others)
                        yield (
                            name,
                            lambda v, s=step, a=mine, b=other: _value(s.formula, {**v, a: v[b]}),
                        )
            case "used-updated-weights":
                weights = [n for n in names_in(step.formula) if n in graph.carried]
                if step.kind == "upstream" and weights and step.section == "backward":
                    gradients = {w: f"dL/d{w}" for w in weights}
                    yield name, _through_new_weights(step, gradients)
            case "ascent" | "missing-learning-rate":
                if step.kind == "update" and step.of is not None:
                    g = f"dL/d{step.of}"
                    if code == "ascent":
                        yield name, lambda v, w=step.of, g=g: v[w] + v["eta"] * v[g]
                    else:
                        yield name, lambda v, w=step.of, g=g: v[w] - v[g]
            case "sum-not-mean" | "mean-not-sum":
                mean = isinstance(step.formula, Quotient)
                if step.kind in ("batch_loss", "batch_gradient") and mean == (code[0] == "s"):
                    count = len(graph.batch)
                    factor = count if code == "sum-not-mean" else 1 / count
                    yield name, lambda v, f=plain, k=factor: f(v) * k
            case _:
                raise AssertionError(code)


def at_a_glance(step: Step, v: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """What the simplest slips make of a step, each with a code that it may be called by: the sign,
    the decimal point, a term or a factor left out, a term's sign."""
    right = _value(step.formula, v)
    yield "sign-flipped", -right
    yield from (("decimal-slip", right * shift) for shift in (0.1, 10.0))
    for term in _terms(step.formula):
        rest = right - _value(term, v)
        yield "missing-bias" if isinstance(term, Name) else "missing-path", rest
        yield "sign-flipped", rest - _value(term, v)
        factors = term.factors if isinstance(term, Product) else ()
        for place in range(len(factors)):
            others = [_value(each, v) for k, each in enumerate(factors) if k != place]
            yield "missing-factor", rest + math.prod(others)


def _through_new_weights(step: Step, gradients: Mapping[str, str]) -> Slip:
    def slip(v: Mapping[str, float]) -> float:
        if not all(gradient in v for gradient in gradients.values()):
            return _value(step.formula, v)
        new = {w: v[w] - v["eta"] * v[gradient] for w, gradient in gradients.items()}
        return _value(step.formula, {**v, **new})

    return slip


CODES = (
    "sign-flipped",
    "missing-activation-derivative",
    "derivative-at-wrong-point",
    "missing-path",
    "missing-factor",
    "extra-factor",
    "loss-constant",
    "wrong-operand",
    "used-updated-weights",
    "ascent",
    "missing-learning-rate",
    "missing-bias",
    "missing-activation",
    "wrong-activation",
    "sum-not-mean",
    "mean-not-sum",
    "decimal-slip",
)


def first_update(problem: Problem) -> Iteration:
    return solve(problem, steps=1, show=1).iterations[0]
