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

from backprop_cli.formula import python
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.quantity import sampled
from backprop_cli.graph.batches import Builder
from backprop_cli.problem.read import read_problem
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.rules.optimizers import OPTIMIZERS
from backprop_cli.run import compiled
from backprop_cli.run.evaluation import initial_values
from backprop_cli.run.program import Program, needed, program

pytest.importorskip("numpy")
from backprop_cli.run import vectorized

UPDATES = 12


def ways(problem: Problem) -> list[tuple[Any, list[float]]]:
    """Updates done, the state after them and the losses: every sample written out, and then in a
    loop over the samples, where they are alike, in straight lines and on arrays."""
    builder = Builder(read_problem("problem.yaml", strategies.as_yaml(problem)))
    work = program(builder)
    written_out = Program(work.graph, given_by_sample(builder), tuple(needed(work.graph)))
    values = initial_values(work.graph)
    state = [as_float(values[name] or 0) for name in work.state]
    batches = builder.cycle()
    loops = []
    for each in (written_out, work):
        groups = vectorized.grouped(each)
        assert groups is not None
        loops.append(compiled.compile_updates(each, single=len(batches) == 1))
        loops.append(vectorized.Vectorized(each, groups).updates)
    found = []
    for loop in loops:
        losses: list[float] = []
        found.append((loop(state, batches, 0, UPDATES, losses.append), losses))
    return found


def given_by_sample(builder: Builder) -> tuple[tuple[str, ...], ...]:
    batch = builder.update(1).batch
    marks = batch if len(batch) > 1 else (None,)
    return tuple(tuple(sampled(name, mark) for name in builder.given) for mark in marks)


@pytest.fixture(autouse=True)
def however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays for small problems too, and long sums in several pieces."""
    monkeypatch.setattr(vectorized, "SPARSE", 0)
    monkeypatch.setattr(vectorized, "AT_ONCE", 16)


def assert_same(problem: Problem) -> None:
    straight, *others = map(repr, ways(problem))  # which tells −0 from 0, and compares nan
    assert others == [straight] * 3


@st.composite
def trained(draw: Any) -> Problem:
    """A network or equations with several samples, and how they are trained."""
    if draw(st.booleans()):
        norm = draw(st.booleans())
        problem: Problem = draw(strategies.networks(max_samples=9, norm=norm))
    else:
        norm = False
        problem = draw(strategies.equation_graphs(max_samples=9))
    samples = len(problem.get("samples", [None]))
    training = draw(strategies.trainings(samples))
    # Batch normalisation needs a batch.
    training["batch"] = "all" if norm else draw(st.integers(1, samples))
    return {**problem, "learning_rate": 0.05, "training": training}


@examples(20, 1500)
@given(problem=trained())
def test_random_problems_come_to_the_same_bits(problem: Problem) -> None:
    assert_same(problem)


def network(activation: Any, samples: int = 24, **more: Any) -> Problem:
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


def looped(problem: Problem) -> Program:
    return program(Builder(read_problem("problem.yaml", strategies.as_yaml(problem))))


def test_samples_that_are_alike_are_written_once() -> None:
    few, many = (looped(network("relu", samples=samples)) for samples in (20, 40))
    assert compiled.update_source(few) == compiled.update_source(many).replace("/40.0", "/20.0")


def test_samples_that_a_batch_ties_together_are_written_out() -> None:
    assert looped(network("tanh", samples=3)).each
    tied = network("tanh", samples=3)
    tied["layers"][0]["batch_norm"] = {"gamma": [1] * 5, "beta": [0] * 5}
    assert not looped(tied).each


@pytest.mark.parametrize("tokens", [((1,), (2,), (2,)), ((2, 2), (1, 2), (2, 2))])
def test_samples_that_choose_their_equations_are_written_out(
    tokens: tuple[tuple[int, ...], ...],
) -> None:
    """The rows of a table are other ones in each sample."""
    problem = {
        "samples": [{"inputs": [*own], "targets": [1]} for own in tokens],
        "layers": [
            {"kind": "embedding", "weights": [[1, 2], [3, 4]]},
            {"kind": "flatten"},
            {"activation": "sigmoid", "weights": [[0.5, -0.5] * len(tokens[0])]},
        ],
        "loss": "half_squared_error",
        "learning_rate": 0.1,
        "training": {"batch": "all"},
    }
    assert not looped(problem).each
    assert_same(problem)


def test_a_sum_that_should_be_0_is_0() -> None:
    """0.1 + 0.2 − 0.3 is on the kink of ReLU, in some samples and not in others."""
    rows = [[0.1, 0.2, -0.3], [0.1, 0.2, -0.4], [0.5, 0.25, -0.75], [0.7, 0.1, -0.8]] * 5
    problem = network("relu", samples=20)
    problem["layers"][0]["weights"] = [[1, 1, 1], [2, 2, 2], [1, 1, 1], [-1, -1, -1], [1, 1, 1]]
    problem["layers"][0]["biases"] = [0, 0, 0, 0, 0]
    problem["samples"] = [{"inputs": row, "targets": [0, 1]} for row in rows]
    assert_same(problem)


def test_a_run_that_leaves_the_numbers_stops_at_the_same_update() -> None:
    straight, *others = ways(network("identity", learning_rate=1e150))
    assert others == [straight] * 3
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


def test_long_sums_and_products_of_what_is_not_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python, "LONGEST_CHAIN", 3)
    weights = {f"w{i}": round(1 + math.sin(i) / 9, 4) for i in range(5)}
    terms = " + ".join(w if place % 2 else f"{w}*x" for place, w in enumerate(weights))
    factors = "*".join(f"({w} - x)" if place % 2 else w for place, w in enumerate(weights))
    problem = {
        "equations": {"z": terms, "p": factors, "L": "(z - p)^2"},
        "samples": [{"x": 0.01 * s} for s in range(3)],
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


def test_powers_of_e_have_every_bit_of_the_c_library() -> None:
    numbers = [(place - 15_000) / 20.37 for place in range(29_000)] + [-0.0, 5e-324, -math.inf]
    assert vectorized._exp(vectorized.np.array(numbers)).tolist() == list(map(math.exp, numbers))
    assert vectorized._exp(vectorized.np.array([1.0, 710.0])).tolist() == [math.e, math.inf]


def test_a_product_that_is_only_added_up_over_the_samples_is_not_kept() -> None:
    kept = [name for name, _ in looped(network("sigmoid")).each]
    assert "dL[1]/dz1_1[1]" in kept
    assert not any(name.startswith("dL[1]/dw") for name in kept)


def test_samples_of_which_nothing_but_a_product_is_left() -> None:
    problem = {
        "equations": {"L": "w*x"},
        "samples": [{"x": 0.1 * s} for s in range(5)],
        "parameters": {"w": 0.3},
        "learning_rate": 0.1,
        "training": {"batch": "all"},
    }
    assert_same(problem)
