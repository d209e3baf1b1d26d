"""Gradients of random problems against automatic differentiation and finite differences.

HYPOTHESIS_PROFILE=thorough tries several hundred problems instead of a few.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import oracle
import ours
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import Problem, examples

PRECISION = 1e-9


def close(found: float, expected: float) -> bool:
    """Equal to nine digits; where terms cancel, to twelve decimals."""
    return math.isclose(found, expected, rel_tol=PRECISION, abs_tol=1e-12)


def differences(found: dict[str, float], expected: dict[str, float]) -> dict[str, Any]:
    """What the sheet has otherwise than it should: name → (found, expected)."""
    return {
        name: (found.get(name), value)
        for name, value in expected.items()
        if name not in found or not close(found[name], value)
    }


def asked(problem: Problem, truth: dict[str, float], found: dict[str, float]) -> dict[str, float]:
    """What the sheet must hold: values, the parameters' gradients, and the ones it chose to name.

    The gradient for something that the output does not depend on may be left off.
    """
    made = oracle.model(problem)
    must = {f"d{made.output}/d{name}" for name in made.wrt}
    return {
        name: value
        for name, value in truth.items()
        if "/" not in name or name in found or (name in must and value != 0)
    }


def assert_right(problem: Problem) -> None:
    """Every number of the sheet agrees with autograd, every gradient with a difference quotient."""
    (found,) = ours.updates(problem)
    (truth,) = oracle.solve(problem).updates
    assert differences(found, asked(problem, truth, found)) == {}
    made = oracle.model(problem)
    quotients = {
        f"d{made.output}/d{name}": oracle.finite_difference(problem, name) for name in made.wrt
    }
    assert differences(found, asked(problem, quotients, found)) == {}


@examples(15, 300)
@given(strategies.networks())
def test_random_networks(problem: Problem) -> None:
    assert_right(problem)


@examples(15, 300)
@given(strategies.equation_graphs())
def test_random_equation_graphs(problem: Problem) -> None:
    assert_right(problem)


@examples(6, 60)
@given(strategies.networks(norm=True, max_hidden=2, max_units=3))
def test_gradients_go_through_the_statistics_of_the_batch(problem: Problem) -> None:
    assert_right(problem)


@examples(5, 30)
@given(strategies.networks(flat=True, max_hidden=2, max_units=3))
def test_no_gradient_passes_a_step(problem: Problem) -> None:
    (found,) = ours.updates(problem)
    (truth,) = oracle.solve(problem).updates
    assert differences(found, asked(problem, truth, found)) == {}


def small_network(activation: Any, loss: Any, output: Any, targets: list[float]) -> Problem:
    return {
        "inputs": [0.5, -1.25],
        "targets": targets,
        "layers": [
            {
                "activation": activation,
                "weights": [[0.3, -0.4], [-0.7, 0.2], [0.6, 0.9]],
                "biases": [0.15, -0.1, 0.25],
            },
            {
                "activation": output,
                "weights": [[0.4, -0.3, 0.8], [-0.5, 0.7, 0.35]][: len(targets)],
                "biases": [0.05, -0.15][: len(targets)],
            },
        ],
        "loss": loss,
    }


@pytest.mark.parametrize("activation", strategies.HIDDEN, ids=str)
def test_every_activation(activation: Any) -> None:
    assert_right(small_network(activation, "half_squared_error", "identity", [1.0]))


@pytest.mark.parametrize(
    ("loss", "output"),
    [(loss, output) for loss, outputs in strategies.OUTPUTS.items() for output in outputs],
)
def test_every_loss_with_every_output_it_goes_with(loss: str, output: str) -> None:
    targets = {"hinge": [1.0, -1.0], "binary_cross_entropy": [1.0, 0.3]}.get(loss, [0.0, 1.0])
    assert_right(small_network("tanh", loss, output, targets))


@pytest.mark.parametrize("activation", strategies.HIDDEN, ids=str)
def test_local_slopes(activation: Any) -> None:
    problem = small_network(activation, "half_squared_error", "identity", [1.0])
    (found,) = ours.updates(problem)
    zs = [found[f"z1_{j}"] for j in (1, 2, 3)]
    for j, z in enumerate(zs, 1):
        ((slope,),) = oracle.slopes(activation, [z])
        name = f"da1_{j}/dz1_{j}"
        assert name not in found or close(found[name], slope), name


def test_softmax_slopes_are_the_full_jacobian() -> None:
    problem = small_network("tanh", "half_squared_error", "softmax", [0.0, 1.0])
    (found,) = ours.updates(problem)
    expected = oracle.slopes("softmax", [found["z2_1"], found["z2_2"]])
    for j in (1, 2):
        for k in (1, 2):
            assert close(found[f"dyhat{j}/dz2_{k}"], expected[j - 1][k - 1])


@examples(8, 150)
@given(st.data())
def test_ten_updates_of_every_optimizer(data: st.DataObject) -> None:
    problem = copy.deepcopy(
        data.draw(strategies.networks(max_hidden=2, max_units=3, softmax_inside=False))
    )
    # One bias for a whole softmax layer has no effect: its gradient is rounding noise, which
    # some optimizers blow up.
    assume(problem["layers"][-1]["activation"] != "softmax")
    samples = len(problem.get("samples", [problem]))
    problem["training"] = data.draw(strategies.trainings(samples))
    problem["learning_rate"] = data.draw(st.sampled_from((0.01, 0.05)))
    assert_same_training(problem)


@pytest.mark.parametrize("optimizer", strategies.OPTIMIZERS, ids=str)
@pytest.mark.parametrize(
    ("batch", "remedy"), [(2, {}), ("all", {"clip": {"norm": 0.2}, "l2": 0.1, "l1": 0.01})]
)
def test_optimizers_follow_the_published_rules(
    optimizer: Any, batch: Any, remedy: dict[str, Any]
) -> None:
    problem = small_network("tanh", "half_squared_error", "sigmoid", [1.0])
    del problem["inputs"], problem["targets"]
    problem["samples"] = [
        {"inputs": [0.5, -1.25], "targets": [1.0]},
        {"inputs": [-0.75, 0.5], "targets": [0.0]},
        {"inputs": [1.0, 0.25], "targets": [0.5]},
    ]
    problem["learning_rate"] = 0.1
    problem["training"] = {"steps": 10, "batch": batch, "optimizer": optimizer, **remedy}
    assert_same_training(problem)


def assert_same_training(problem: Problem) -> None:
    """Ten updates agree to ten digits: the parameters after each, the losses before."""
    found = ours.run(problem)
    truth = oracle.solve(problem)
    for mine, theirs in zip(found.iterations, truth.updates, strict=True):
        for name, value in theirs.items():
            if name.endswith("_new"):
                got = mine.values[name]
                assert got is not None
                assert math.isclose(float(got), value, rel_tol=1e-10, abs_tol=1e-10), name
    for got, expected in zip(found.losses, truth.losses, strict=True):
        assert got is not None
        assert math.isclose(float(got), expected, rel_tol=1e-10, abs_tol=1e-10)
    for name, value in truth.final.items():
        got = found.final[name]
        assert got is not None
        assert math.isclose(float(got), value, rel_tol=1e-10, abs_tol=1e-10)
