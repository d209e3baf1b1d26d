"""Right values where floating point alone has none: what cancels is 0, and small is not 0.

The expected numbers come from mathematics or from mpmath, not from the package.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import mpmath
import ours
import pytest
import strategies

from backprop_cli.problem.read import read_problem
from backprop_cli.render import text
from backprop_cli.run import solve
from backprop_cli.worksheet.blank import blank
from backprop_cli.worksheet.sheet import Choices
from backprop_cli.worksheet.solution import solution
from backprop_cli.worksheet.solution_json import solution_json


def shared_bias(seed: int) -> dict[str, Any]:
    """A softmax layer with one bias for all its outputs: the errors ŷ − y add up to 0."""
    random = Random(seed)
    inputs, outputs = random.randint(1, 4), random.randint(2, 4)
    hot = random.randrange(outputs)
    return {
        "inputs": [round(random.uniform(-3, 3), 2) for _ in range(inputs)],
        "targets": [int(place == hot) for place in range(outputs)],
        "layers": [
            {
                "activation": "softmax",
                "weights": [
                    [round(random.uniform(-2, 2), 2) for _ in range(inputs)] for _ in range(outputs)
                ],
                "biases": round(random.uniform(-1, 1), 2),
            }
        ],
        "loss": "cross_entropy",
        "learning_rate": 0.1,
        "training": {"steps": 3},
    }


@pytest.mark.parametrize("seed", range(200 if strategies.THOROUGH else 25))
def test_errors_of_softmax_add_up_to_nothing(seed: int) -> None:
    run = ours.run(shared_bias(seed))
    for iteration in run.iterations:
        assert iteration.values["dL/db1"] == 0
    assert run.final["b1"] == run.initial["b1"]


@pytest.mark.parametrize("exact", [False, True])
def test_json_has_no_dust_either(exact: bool) -> None:
    problem = shared_bias(1) | {"inputs": [1, 2, -1], "targets": [1, 0]}
    problem["layers"] = [
        {"activation": "softmax", "weights": [[0.1, 0.2, 0.3], [-0.2, 0.4, 0.1]], "biases": 0.1}
    ]
    read = read_problem("problem.yaml", strategies.as_yaml(problem))
    data = json.loads(solution_json(solve(read), Choices(fractions=exact)))
    assert {s["value"] for s in data["steps"] if s["name"] == "dL/db1"} == {0}


@pytest.mark.parametrize("seed", range(100 if strategies.THOROUGH else 15))
def test_a_bias_before_batch_normalisation_has_no_gradient(seed: int) -> None:
    """The mean takes out whatever a bias adds, so nothing depends on it."""
    random = Random(seed)
    problem = {
        "samples": [
            {"inputs": [round(random.uniform(-3, 3), 12)], "targets": [random.randint(0, 1)]}
            for _ in range(3)
        ],
        "layers": [
            {
                "activation": "sigmoid",
                "weights": [[round(random.uniform(0.5, 2), 3)]],
                "biases": [round(random.uniform(-1, 1), 3)],
                "batch_norm": True,
            }
        ],
        "loss": "squared_error",
        "learning_rate": 0.1,
        "training": {"steps": 2, "batch": 3},
    }
    for found in ours.updates(problem):
        assert found["dL/db1_1"] == 0


def test_adam_without_epsilon_takes_no_step_out_of_dust() -> None:
    """A gradient of 0 is 0/0 under Adam with ε = 0; it used to be a step of a whole η."""
    problem = shared_bias(3) | {"training": {"optimizer": {"name": "adam", "epsilon": 0}}}
    run = ours.run(problem)
    assert run.iterations[0].values["dL/db1"] == 0
    assert run.stop is not None
    assert "b1_new is not a number" in run.stop.message
    assert "divides by 0" in run.stop.message


def test_a_saturated_softmax_keeps_its_digits() -> None:
    problem = {
        "inputs": [1],
        "targets": [1, 0],
        "layers": [{"activation": "softmax", "weights": [[40], [0]]}],
        "loss": "squared_error",
    }
    (found,) = ours.updates(problem)
    with mpmath.workdps(60):
        first = 1 / (1 + mpmath.exp(-40))
        second = 1 - first
        slope = first * second
        # L = (1 − ŷ₁)² + ŷ₂² with ŷ₂ = 1 − ŷ₁
        expected = (-2 * (1 - first) - 2 * second) * slope
    assert found["dL/dz1_1"] == pytest.approx(float(expected), rel=1e-12)
    assert float(expected) == pytest.approx(-7.22e-35, rel=1e-3)


@pytest.mark.parametrize(
    ("written", "given", "expected"),
    [
        # a rounding error away from the kink is on it
        ("abs(sqrt(a)^2 - a)", {"a": 2}, {"dL/da": 0.0, "L": 0.0}),
        ("1 if sqrt(a)*sqrt(a) > a else 5", {"a": 2}, {"L": 5.0}),
        ("1 if sqrt(a)*sqrt(a) == a else 5", {"a": 2}, {"L": 1.0}),
        # a tie, told apart by floats only
        ("max(sqrt(a)*sqrt(a), a)", {"a": 2}, {"L": 2.0, "dL/da": 1.0}),
        # small is not 0
        ("relu(a)", {"a": 1e-20}, {"L": 1e-20, "dL/da": 1.0}),
        ("a + sqrt(2) - sqrt(2)", {"a": 1e-20}, {"L": 1e-20, "dL/da": 1.0}),
        ("a + sqrt(2) - sqrt(2)", {"a": 1e-150}, {"L": 1e-150, "dL/da": 1.0}),
    ],
)
def test_kinks_and_zeros_are_decided_in_many_digits(
    written: str, given: dict[str, float], expected: dict[str, float]
) -> None:
    (found,) = ours.updates({"equations": {"L": written}, "given": given, "with_respect_to": ["a"]})
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-14, abs=0)


def test_an_overflow_in_a_forward_pass_has_advice_that_fits() -> None:
    source = {
        "equations": {"p": "exp(s1)/(exp(s1) + exp(s2))", "L": "-ln(p)"},
        "given": {"s1": 1000, "s2": 998},
        "with_respect_to": ["s1"],
    }
    stop = ours.run(source).stop
    assert stop is not None
    assert "Subtract the largest score" in stop.message
    assert "logsumexp" in stop.message
    assert "learning rate" not in stop.message


def test_an_overflow_in_training_is_the_learning_rates() -> None:
    source = {
        "equations": {"L": "w^4"},
        "parameters": {"w": 10},
        "learning_rate": 10,
        "training": {"steps": 20},
    }
    stop = ours.run(source).stop
    assert stop is not None
    assert "A smaller learning rate" in stop.message


def sheet(source: dict[str, Any], **options: Any) -> str:
    problem = read_problem("problem.yaml", strategies.as_yaml(source))
    return text.render(solution(solve(problem, **options)), width=200)


@pytest.mark.parametrize("formula", ["ln(w)", "sqrt(w)", "1/(w + 1)", "ln(w + 1)"])
def test_rounding_by_hand_meets_what_is_no_number(formula: str) -> None:
    source = {
        "equations": {"a": formula, "L": "a^2"},
        "parameters": {"w": -1},
        "learning_rate": 0.1,
    }
    assert "The run stops at update 1" in sheet(source, round_each=3)


def test_a_whole_decimal_in_a_column_is_written_whole() -> None:
    """8^(1/3) has left exact fractions, and −6 · 0.1 is −0.6 all the same."""
    source = {
        "equations": {"L": "-3*w*8^(1/3)"},
        "parameters": {"w": 1},
        "learning_rate": 0.1,
    }
    row = next(line for line in sheet(source).splitlines() if line.startswith("w  "))
    assert [cell.strip() for cell in row.split("│")] == ["w", "1", "−6", "−0.6", "1.6"]


def test_what_only_rounds_to_a_whole_number_is_not_shown_as_one() -> None:
    source = {"equations": {"L": "sigmoid(z)"}, "given": {"z": 40}, "with_respect_to": ["z"]}
    assert "≈ 1.000" in sheet(source)


def test_given_numbers_stand_as_they_were_written() -> None:
    source = """
inputs: [0.10000000000000000000001]
targets: [1.50]
layers: [{activation: identity, weights: [[2.1470889123]], biases: [-0.0333333333333]}]
loss: squared_error
"""
    run = solve(read_problem("problem.yaml", source))
    for document in (blank(run), solution(run)):
        page = text.render(document, width=200)
        for number in (
            "0.10000000000000000000001",
            "1.50",
            "= 2.1470889123",
            "= −0.0333333333333",
        ):
            assert number in page


def test_a_small_difference_of_what_updates_have_left_is_no_dust() -> None:
    """It is far above the last bits of both, and far below what either has lost half of."""
    text = """
equations: {d: w1 - w2, L: "tanh(w1) + tanh(w2) + d^2"}
parameters: {w1: 0.3, w2: 0.300000001}
learning_rate: 0.1
training: {steps: 2}
"""
    values = solve(read_problem("small.yaml", text)).iterations[1].values

    def moved(w: mpmath.mpf, d: mpmath.mpf) -> mpmath.mpf:
        return w - mpmath.mpf("0.1") * (1 - mpmath.tanh(w) ** 2 + 2 * d)

    with mpmath.workdps(40):
        one, other = mpmath.mpf("0.3"), mpmath.mpf("0.300000001")
        difference = moved(one, one - other) - moved(other, other - one)
    assert float(values["d"] or 0) == pytest.approx(float(difference), rel=1e-6, abs=0)


def test_a_cube_out_of_range_is_no_root_of_a_negative_number() -> None:
    text = """
equations: {L: "w^3"}
parameters: {w: -1e200}
learning_rate: 0.1
"""
    stop = solve(read_problem("cube.yaml", text)).stop
    assert stop is not None
    assert "left the range of floating point" in stop.message
