"""Runs with NumPy: the numbers are those of straight-line code, to the last bit."""

from __future__ import annotations

import math
from typing import Any

import ours
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from strategies import Problem, examples

from backprop_cli.formula.evaluate import as_float
from backprop_cli.graph.batches import Builder
from backprop_cli.problem.read import read_problem
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.rules.optimizers import OPTIMIZERS
from backprop_cli.run import compiled
from backprop_cli.run.evaluation import initial_values

pytest.importorskip("numpy")
from backprop_cli.run import vectorized

UPDATES = 12


def ways(problem: Problem) -> list[tuple[Any, list[float]]]:
    """Updates done, the state after them and the losses: in straight lines, and on arrays."""
    read = read_problem("problem.yaml", strategies.as_yaml(problem))
    graph = Builder(read).update(1)
    given_in_turn = [compiled._given(each) for each in Builder(read).cycle()]
    names = compiled._state_names(graph)
    values = initial_values(graph)
    state = [as_float(compiled._known(values[name])) for name in names]
    groups = vectorized.grouped(graph, compiled.needed(graph))
    assert groups is not None
    arrays = vectorized.Vectorized(graph, groups, names, compiled._given_names(graph))
    found = []
    for loop in (
        compiled.compile_updates(graph, single=len(given_in_turn) == 1),
        arrays.updates,
    ):
        losses: list[float] = []
        found.append((loop(state, given_in_turn, 0, UPDATES, losses.append), losses))
    return found


@pytest.fixture(autouse=True)
def however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays for small problems too, and long sums in several pieces."""
    monkeypatch.setattr(vectorized, "SPARSE", 0)
    monkeypatch.setattr(vectorized, "AT_ONCE", 16)


def assert_same(problem: Problem) -> None:
    straight, arrays = ways(problem)
    assert repr(arrays) == repr(straight)  # which tells −0 from 0, and compares nan


@st.composite
def trained(draw: Any) -> Problem:
    """A network or equations with several samples, and how they are trained."""
    if draw(st.booleans()):
        norm = draw(st.booleans())
        problem: Problem = draw(strategies.networks(max_samples=9, norm=norm))
    else:
        norm = False
        problem = draw(strategies.equation_graphs(max_samples=9))
    training = draw(strategies.trainings(len(problem.get("samples", [None]))))
    if norm:  # which needs a batch
        training["batch"] = "all"
    return {**problem, "learning_rate": 0.05, "training": training}


@examples(60, 1500)
@given(problem=trained())
def test_random_problems_come_to_the_same_bits(problem: Problem) -> None:
    assert_same(problem)


def network(activation: Any, samples: int = 40, **more: Any) -> Problem:
    """A 3-5-2 network with numbers that nobody chose, and a few that meet kinks."""

    def number(n: int) -> float:
        return ((n * 7919 + 104729) % 401 - 200) / 100

    return {
        "samples": [
            {
                "inputs": [number(3 * s + i) for i in range(3)] if s % 5 else [0, 0, 0],
                "targets": [number(s), 1],
            }
            for s in range(samples)
        ],
        "layers": [
            {
                "activation": activation,
                "weights": [[number(5 * j + i) for i in range(3)] for j in range(5)],
                "biases": [0, 0.1, -0.3, 0.5, 3],
            },
            {
                "activation": "identity",
                "weights": [[number(7 * k + j) for j in range(5)] for k in range(2)],
                "biases": [0.2, 0],
            },
        ],
        "loss": "half_squared_error",
        "learning_rate": 0.02,
        **more,
    }


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation(activation: str) -> None:
    assert_same(network(activation))


@pytest.mark.parametrize("optimizer", sorted(set(OPTIMIZERS) - {"newton"}))  # of 3 parameters
def test_every_optimizer(optimizer: str) -> None:
    training = {"optimizer": optimizer, "clip": {"norm": 0.3}, "l2": 0.1, "l1": 0.01}
    assert_same(network("tanh", training=training))


def test_a_sum_that_should_be_0_is_0() -> None:
    """0.1 + 0.2 − 0.3 is on the kink of ReLU, in some samples and not in others."""
    rows = [[0.1, 0.2, -0.3], [0.1, 0.2, -0.4], [0.5, 0.25, -0.75], [0.7, 0.1, -0.8]] * 5
    problem = network("relu", samples=20)
    problem["layers"][0]["weights"] = [[1, 1, 1], [2, 2, 2], [1, 1, 1], [-1, -1, -1], [1, 1, 1]]
    problem["layers"][0]["biases"] = [0, 0, 0, 0, 0]
    problem["samples"] = [{"inputs": row, "targets": [0, 1]} for row in rows]
    assert_same(problem)


def test_a_run_that_leaves_the_numbers_stops_at_the_same_update() -> None:
    straight, arrays = ways(network("identity", learning_rate=1e150))
    assert arrays == straight
    assert straight[0][0] < UPDATES


@pytest.mark.parametrize("terms", [2, 3, 7, 8, 9, 16, 17, 100, 129])
def test_sums_are_added_up_from_left_to_right(terms: int) -> None:
    """Where they have more and fewer terms than NumPy adds at a time, over one member and many."""
    weights = {f"w{i}": round(math.sin(i) * 10 ** (i % 7), 4) for i in range(terms)}
    problem = {
        "equations": {"z": " + ".join(f"{w}*x" for w in weights), "L": "(z/1000 - 1)^2"},
        "samples": [{"x": 0.1 * s + 0.03} for s in range(3)],
        "parameters": weights,
        "learning_rate": 0.001,
        "training": {"batch": 3},
    }
    assert_same(problem)


def test_a_large_run_is_the_same_with_and_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    made = vectorized.Vectorized.__init__
    monkeypatch.setattr(
        vectorized.Vectorized, "__init__", lambda *told: (used.append(1), made(*told))[1]
    )
    problem = network("relu", samples=60, training={"steps": 40})
    with_it = ours.run(problem, show=1)
    assert used
    monkeypatch.setattr(compiled, "find_spec", lambda name: None)
    without = ours.run(problem, show=25)
    assert len(used) == 1
    assert with_it.final == without.final
    assert list(with_it.losses) == list(without.losses)
