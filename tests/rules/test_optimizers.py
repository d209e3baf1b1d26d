"""The optimizers' equations against a plain implementation of the published update rules."""

from __future__ import annotations

from math import sqrt

import pytest

from backprop_cli.formula.build import names_in
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.nodes import Number
from backprop_cli.formula.plain import write
from backprop_cli.rules.optimizers import (
    BY_ANY_NAME,
    NEWTON_STEP,
    OPTIMIZERS,
    RESERVED,
    takes_newton_steps,
)

GRADIENTS = [0.5, -0.25, 2.0, 0.0, -1.5, 0.125, 3.0, -0.75, 0.01, 1.0]
ETA = 0.1


def sgd(w):
    for g in GRADIENTS:
        w -= ETA * g
        yield w


def momentum(w, nesterov=False, mu=0.9):
    velocity = None
    for g in GRADIENTS:
        velocity = g if velocity is None else mu * velocity + g
        w -= ETA * (g + mu * velocity if nesterov else velocity)
        yield w


def looking_ahead(w, mu=0.9):
    # Sutskever et al. 2013 with velocities counted downhill; the gradients are those at the point.
    velocity = 0.0
    for g in GRADIENTS:
        velocity = mu * velocity + ETA * g
        w -= velocity
        yield w


def adagrad(w, eps=1e-10):
    total = 0.0
    for g in GRADIENTS:
        total += g * g
        w -= ETA * g / (sqrt(total) + eps)
        yield w


def rmsprop(w, alpha=0.99, eps=1e-8):
    mean = 0.0
    for g in GRADIENTS:
        mean = alpha * mean + (1 - alpha) * g * g
        w -= ETA * g / (sqrt(mean) + eps)
        yield w


def adam(w, decay=0.0, beta1=0.9, beta2=0.999, eps=1e-8):
    first = second = 0.0
    for t, g in enumerate(GRADIENTS, 1):
        w *= 1 - ETA * decay
        first += (1 - beta1) * (g - first)
        second += (1 - beta2) * (g * g - second)
        w -= ETA * (first / (1 - beta1**t)) / (sqrt(second / (1 - beta2**t)) + eps)
        yield w


def lion(w, beta1=0.9, beta2=0.99):
    mean = 0.0
    for g in GRADIENTS:
        turned = beta1 * mean + (1 - beta1) * g
        mean = beta2 * mean + (1 - beta2) * g
        w -= ETA * ((turned > 0) - (turned < 0))
        yield w


PUBLISHED = {
    "lion": lion,
    "sgd": sgd,
    "newton": sgd,  # where the second derivative is 1
    "momentum": momentum,
    "nesterov": lambda w: momentum(w, nesterov=True),
    "nesterov_look_ahead": looking_ahead,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": lambda w: adam(w, decay=0.01),
}


def updates(row, w):
    """The row's equations carried out in order, update after update."""
    known = {name: float(start.value) for name, start in row.state.items()}
    known |= {name: float(option.value) for name, option in row.options.items()}
    known |= {"w": w, "eta": ETA}
    for t, g in enumerate(GRADIENTS, 1):
        known |= {"t": t, "g": g, NEWTON_STEP: g}
        for name, formula in row.equations.items():
            known[name] = float(evaluate(formula, known.__getitem__))
        yield known["w"]


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_ten_updates_agree_with_the_published_rule(name):
    expected = list(PUBLISHED[name](1.0))
    assert list(updates(OPTIMIZERS[name], 1.0)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("row", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_equations_use_only_what_is_defined_before_them(row):
    own = {NEWTON_STEP} if takes_newton_steps(row.equations) else set()
    defined = {*RESERVED, *row.state, *row.options, *own}
    if row.point is not None:
        assert set(names_in(row.point)) <= defined - {"g"}
    for name, formula in row.equations.items():
        assert set(names_in(formula)) <= defined
        defined.add(name)
    assert list(row.texts)[-1] == "w"
    assert not set(row.options) & {*RESERVED, *row.state}


def test_every_name_of_the_manual_is_found():
    for name in ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"]:
        assert BY_ANY_NAME.find(name) is OPTIMIZERS[name]
        assert name in BY_ANY_NAME
    assert BY_ANY_NAME.find("lyon") is None


def test_options_have_the_documented_defaults_and_the_names_books_use():
    adam = OPTIMIZERS["adam"]
    assert {name: option.text for name, option in adam.options.items()} == {
        "beta1": "0.9",
        "beta2": "0.999",
        "epsilon": "1e-8",
    }
    assert adam.with_options({"eps": Number("1e-6")})["epsilon"] == Number("1e-6")


def test_equations_read_as_in_the_documentation():
    assert {name: write(formula) for name, formula in OPTIMIZERS["nesterov"].equations.items()} == {
        "v": "momentum*v + g",
        "w": "w - eta*(g + momentum*v)",
    }
