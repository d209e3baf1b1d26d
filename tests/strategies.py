"""Random problems for property tests: small, well-scaled, with few decimals, away from kinks.

Each strategy gives a problem as a dictionary, ready to be written as YAML with `as_yaml`.
"""

from __future__ import annotations

import math
import os
from typing import Any

import oracle
import yaml
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

Problem = dict[str, Any]

HIDDEN: tuple[Any, ...] = (
    "identity",
    "linear",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "softplus",
    "swish",
    "silu",
    "gelu",
    "gelu_tanh",
    "mish",
    "selu",
    "hard_sigmoid",
    {"name": "leaky_relu", "slope": 0.2},
    {"name": "elu", "alpha": 0.5},
    {"name": "bent", "formula": "z/(1 + z^2)"},
    {"name": "swish_by_hand", "formula": "z/(1 + exp(-z))"},
)
"""Every activation that a gradient passes, with options and written by the author."""

FLAT = ("step", "sign")
"""Activations that pass no gradient."""

OUTPUTS: dict[str, tuple[Any, ...]] = {
    "squared_error": ("identity", "tanh", "sigmoid", "softplus", "softmax"),
    "half_squared_error": ("identity", "sigmoid", "elu", "softmax"),
    "mean_squared_error": ("identity", "tanh", "gelu", "leaky_relu"),
    "binary_cross_entropy": ("sigmoid",),
    "cross_entropy": ("softmax",),
    "absolute_error": ("identity", "sigmoid", "swish"),
    "huber": ("identity", "tanh"),
    "hinge": ("identity", "tanh"),
    "log_cosh": ("identity", "mish"),
    "poisson": ("softplus",),
    "focal": ("sigmoid",),
}
"""Output activations that make sense with each loss."""

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"

TINY = 1e-3
"""How near a value may come to a kink: a difference quotient must not reach across."""


def examples(few: int, many: int) -> Any:
    """Settings for a property test: a few examples, many with HYPOTHESIS_PROFILE=thorough."""
    return settings(
        max_examples=many if THOROUGH else few,
        deadline=None,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much),
    )


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def as_yaml(problem: Problem) -> str:
    """The problem as a file; problem files may not use YAML's anchors and aliases."""
    return yaml.dump(problem, Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True)


def decimals(low: float, high: float, places: int = 2) -> SearchStrategy[float]:
    """Numbers with few decimals, as they stand in a problem file."""
    scale = 10**places
    return st.integers(math.ceil(low * scale), math.floor(high * scale)).map(lambda n: n / scale)


def weights() -> SearchStrategy[float]:
    """Never zero: a weight at zero or of no effect makes signs a matter of the last digit."""
    return decimals(-1, 1).map(lambda w: w or 0.5)


def sometimes(strategy: SearchStrategy[Any], one_in: int = 3) -> SearchStrategy[Any]:
    """None more often than not."""
    return st.integers(1, one_in).flatmap(lambda n: strategy if n == 1 else st.none())


@st.composite
def weight_tables(draw: DrawFn, units: int, fan_in: int) -> list[list[float | None]]:
    """A row per unit; now and then sparse, but every unit and every input stays connected."""
    table: list[list[float | None]] = [
        [draw(weights()) for _ in range(fan_in)] for _ in range(units)
    ]
    if units * fan_in > 1 and draw(st.integers(1, 3)) == 1:
        for j, i in draw(
            st.lists(st.tuples(st.integers(0, units - 1), st.integers(0, fan_in - 1)), max_size=4)
        ):
            row = [x for x in table[j] if x is not None]
            column = [line[i] for line in table if line[i] is not None]
            if len(row) > 1 and len(column) > 1:
                table[j][i] = None
    return table


@st.composite
def layers(draw: DrawFn, units: int, fan_in: int, activation: Any = None) -> dict[str, Any]:
    layer: dict[str, Any] = {}
    if activation is None:
        activation = draw(st.sampled_from(HIDDEN))
        if units > 1 and draw(st.integers(1, 4)) == 1:
            activation = [draw(st.sampled_from(HIDDEN)) for _ in range(units)]
    layer["activation"] = activation
    layer["weights"] = draw(weight_tables(units, fan_in))
    match draw(st.sampled_from(("each", "each", "shared", "none"))):
        case "each":
            layer["biases"] = [draw(weights()) for _ in range(units)]
        case "shared":
            layer["biases"] = draw(weights())
    if "biases" in layer and draw(st.integers(1, 5)) == 1:
        layer["bias_input"] = -1
    return layer


def _targets(draw: DrawFn, loss: Any, units: int) -> list[float]:
    name = loss if isinstance(loss, str) else loss.get("name", "custom")
    if name == "poisson":
        return [draw(st.integers(0, 3)) for _ in range(units)]
    if name in ("binary_cross_entropy", "focal"):
        return [draw(st.sampled_from((0, 1, 0.3))) for _ in range(units)]
    if name == "cross_entropy":
        if units == 2 and draw(st.booleans()):
            return [0.25, 0.75]
        right = draw(st.integers(0, units - 1))
        return [int(k == right) for k in range(units)]
    if name == "hinge":
        return [draw(st.sampled_from((-1, 1))) for _ in range(units)]
    return [draw(decimals(-1, 1)) for _ in range(units)]


@st.composite
def networks(
    draw: DrawFn,
    *,
    max_hidden: int = 4,
    max_units: int = 6,
    max_samples: int = 3,
    norm: bool = False,
    flat: bool = False,
    loss: str | None = None,
    softmax_inside: bool = True,
) -> Problem:
    """A layered problem. `norm` adds batch normalisation, `flat` a layer of steps.

    `softmax_inside` allows hidden layers of softmax. Where all their weights are equal, gradients
    are 0 up to the last digit, which optimizers that divide by them blow up.
    """
    hidden = draw(st.integers(1, max_hidden))
    sizes = [draw(st.integers(1, max_units if hidden < 3 else 4)) for _ in range(hidden)]
    inputs = draw(st.integers(1, 4))
    chosen = loss or draw(st.sampled_from(tuple(OUTPUTS)))
    last = draw(st.sampled_from(OUTPUTS[chosen]))
    outputs = draw(st.integers(2 if last == "softmax" else 1, 3))
    written: Any = chosen
    if chosen == "huber":
        written = {"name": "huber", "delta": draw(st.sampled_from((0.5, 1, 2)))}
    elif chosen == "squared_error" and outputs == 1 and draw(st.booleans()):
        written = {"formula": "(y - yhat)^2 + 0.1*(y - yhat)^4"}

    made: list[dict[str, Any]] = []
    width = inputs
    for units in sizes:
        softmax = softmax_inside and units > 1 and draw(st.integers(1, 6)) == 1
        made.append(draw(layers(units, width, "softmax" if softmax else None)))
        width = units
    made.append(draw(layers(outputs, width, last)))
    if draw(st.integers(1, 4)) == 1:
        _extras(draw, made, inputs, spare_output=chosen != "half_squared_error")
    if flat:
        made[draw(st.integers(0, hidden - 1))]["activation"] = draw(st.sampled_from(FLAT))
    if norm:
        layer = made[draw(st.integers(0, hidden - 1))]
        layer["batch_norm"] = {"epsilon": draw(st.sampled_from((0.001, 0.1)))}

    count = draw(st.integers(2 if norm else 1, max(max_samples, 2 if norm else 1)))
    samples = [
        {
            "inputs": [draw(decimals(-2, 2)) for _ in range(inputs)],
            "targets": _targets(draw, written, outputs),
        }
        for _ in range(count)
    ]
    problem: Problem = {"title": "A random network"}
    if count == 1 and draw(st.booleans()):
        problem |= samples[0]
    else:
        problem["samples"] = samples
    problem |= {"layers": made, "loss": written}
    notation: dict[str, str] = {}
    if order := draw(sometimes(st.sampled_from(("from_to", "to_from")))):
        notation["index_order"] = order
    if draw(st.integers(1, 4)) == 1:
        notation["names"] = "sequential"
        if order := draw(sometimes(st.sampled_from(("by_unit", "by_input")), 2)):
            notation["weight_order"] = order
    if notation:
        problem["notation"] = notation
    assume(well_behaved(problem))
    return problem


def _extras(draw: DrawFn, made: list[dict[str, Any]], inputs: int, spare_output: bool) -> None:
    """Skips and dropout wherever they fit; behind the outputs only under a loss that takes any."""
    widths = [inputs, *(len(layer["weights"]) for layer in made)]
    for depth, layer in enumerate(made, 1):
        behind = depth < len(made) or not spare_output
        fits = [below for below in range(depth) if widths[below] == widths[depth]]
        if fits and draw(st.booleans()):
            layer["add"] = draw(st.sampled_from(fits)) or "inputs"
            if behind and draw(st.booleans()):
                layer["after"] = True
        if behind and draw(st.integers(1, 3)) == 1:
            mask = [draw(st.integers(0, 1)) for _ in range(widths[depth])]
            layer["dropout"] = {"mask": mask, "keep": draw(st.sampled_from((0.5, 0.8, 1)))}


# ---------------------------------------------------------------- equations

_ONE = (
    "tanh({})",
    "sigmoid({})",
    "exp(-({})^2)",
    "({})^2",
    "1/(1 + ({})^2)",
    "log(1 + ({})^2)",
    "sqrt(1 + ({})^2)",
    "relu({})",
    "sin({})",
    "cos({})",
    "abs({})",
    "-({})",
    "softplus({})",
    "0.5*({}) - 1",
)
_TWO = (
    "({}) + ({})",
    "({}) - ({})",
    "({})*({})",
    "({})*({})",
    "({})/(2 + ({})^2)",
    "max({}, {})",
    "min({}, {})",
)
_CHOICE = "{} if {} > {} else {}"


@st.composite
def expressions(draw: DrawFn, names: tuple[str, ...], depth: int = 2) -> str:
    if depth == 0:
        return draw(st.sampled_from(names))
    part = expressions(names, depth - 1)
    match draw(st.integers(0, 5)):
        case 0:
            return draw(st.sampled_from(names))
        case 1 | 2:
            return draw(st.sampled_from(_ONE)).format(draw(part))
        case 3 | 4:
            return draw(st.sampled_from(_TWO)).format(draw(part), draw(part))
        case _:
            left, right = (draw(st.sampled_from(names)) for _ in range(2))
            assume(left != right)
            return "(" + _CHOICE.format(draw(part), left, right, draw(part)) + ")"


@st.composite
def equation_graphs(draw: DrawFn, *, max_equations: int = 6, max_samples: int = 2) -> Problem:
    """Equations in which parameters are shared and values fan out; the last one joins all."""
    given = [f"x{k}" for k in range(1, draw(st.integers(1, 3)) + 1)]
    parameters = [f"w{k}" for k in range(1, draw(st.integers(1, 4)) + 1)]
    equations: dict[str, str] = {}
    for k in range(1, draw(st.integers(1, max_equations)) + 1):
        names = (*given, *parameters, *parameters, *equations, *equations)
        equations[f"e{k}"] = draw(expressions(names))
    joined = " + ".join((*equations, *(f"{name}*{name}" for name in parameters)))
    equations["f"] = f"({joined})^2/10"
    problem: Problem = {"title": "A random graph", "equations": equations}
    count = draw(st.integers(1, max_samples))
    if count > 1:
        problem["samples"] = [{name: draw(decimals(-2, 2)) for name in given} for _ in range(count)]
    else:
        problem["given"] = {name: draw(decimals(-2, 2)) for name in given}
    problem["parameters"] = {name: draw(decimals(-1.5, 1.5)) for name in parameters}
    if count == 1 and draw(st.integers(1, 3)) == 1:
        problem["with_respect_to"] = [*parameters, *given]
    assume(well_behaved(problem))
    return problem


def well_behaved(problem: Problem) -> bool:
    """No value near a kink, none huge: a fair question for finite differences."""
    made = oracle.model(problem)
    backend = oracle.floats()
    try:
        values, losses = made.forward({**made.parameters, **made.others}, made.samples, backend, {})
    except (OverflowError, ZeroDivisionError):
        return False
    numbers = [*values.values(), *losses]
    return min(backend.gaps, default=1) > TINY and all(abs(float(x)) < 1e3 for x in numbers)


# ---------------------------------------------------------------- training

OPTIMIZERS: tuple[Any, ...] = (
    "sgd",
    {"name": "momentum", "momentum": 0.8},
    "nesterov",
    "adagrad",
    "rmsprop",
    "adam",
    "adamw",
    {"name": "lion", "weight_decay": 0.1},
    {
        "name": "ema",
        "state": {"v": 0},
        "equations": {"v": "beta*v + (1 - beta)*g", "w": "w - eta*v"},
        "beta": 0.9,
    },
)


@st.composite
def trainings(draw: DrawFn, samples: int, steps: int = 10) -> dict[str, Any]:
    """A `training:` section for so many samples."""
    training: dict[str, Any] = {
        "steps": steps,
        "batch": draw(st.sampled_from(("all", *range(1, min(samples, 2) + 1)))),
        "reduction": draw(st.sampled_from(("mean", "sum"))),
        "optimizer": draw(st.sampled_from(OPTIMIZERS)),
    }
    if clip := draw(sometimes(st.sampled_from(({"norm": 0.1}, {"norm": 5.0}, {"value": 0.05})), 2)):
        training["clip"] = clip
    for penalty in ("l1", "l2"):
        # No multiples of 0.01, by which a weight would come down to exactly zero.
        if weight := draw(sometimes(st.sampled_from((0.013, 0.17)))):
            training[penalty] = weight
    return training
