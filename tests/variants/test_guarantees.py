"""What every drawn sheet fulfils, worked out again for circuits and arrays from the text alone.

The circuits are solved by the tests' own interpreter, the arrays by loops written here; what three
carried digits come to is written out step by step. Layers are in `test_variants.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import oracle
import pytest
import yaml
from drawn import ARRAYS, second
from test_variants import rounded, variants_of

GATES = """
equations:
  u: w*x + b
  a: relu(u)
  v: c*x
  h: tanh(v)
  s: a + h
  m: max(a, h)
  L: (s - y)^2 + m
given: {x: 1.5, y: 2}
parameters: {w: 0.8, b: -0.3, c: 0.6}
learning_rate: 0.0002
variants:
  draw:
    x: {from: -2.5, to: 2.5, step: 0.5, not: [0]}
    y: {from: -2, to: 2, step: 0.01, not: [0]}
    parameters: {from: -0.9, to: 0.9, step: 0.1, not: [0]}
"""
MATRICES = """
equations:
  U: X @ W + b
  A: relu(U)
  Z: A @ V
  P: sigmoid(Z)
  L: sum((P - Y)²)
given: {X: [[1.5, -0.5], [0.5, 2]], Y: [[1], [0]]}
parameters: {W: [[0.4, -0.6], [-0.3, 0.8]], b: [0.1, -0.2], V: [[0.7], [-0.9]]}
learning_rate: 0.5
variants:
  draw:
    X: {from: -2, to: 2, step: 0.5, not: [0]}
    Y: {choice: [0, 1]}
    parameters: {from: -0.9, to: 0.9, step: 0.1, not: [0]}
"""

RULES = pytest.mark.parametrize("rules", [1, 2])


def drawn(text: str, rules: int) -> Iterator[dict]:
    for variant in variants_of(text if rules == 1 else second(text)):
        yield yaml.safe_load(variant.text)


def digits(value: float, count: int = 3) -> float:
    return float(rounded(value, count)) if value else 0.0


def apart(slips: list[float], right: float) -> bool:
    """Whether a slip is another number to three digits."""
    return all(abs(slip - right) > 0.0049 * abs(right) for slip in slips)


# --- a circuit --------------------------------------------------------------------------------


@RULES
def test_a_circuit_has_as_many_gates_on_and_none_that_is_flat(rules: int) -> None:
    own = oracle.solve(yaml.safe_load(GATES)).updates[0]
    for problem in drawn(GATES, rules):
        values = oracle.solve(problem).updates[0]
        assert (values["u"] > 0) == (own["u"] > 0)
        assert 1 - values["h"] ** 2 >= 0.02
        assert oracle.closest_kink(problem) > 1e-12


@RULES
def test_the_gradients_of_a_circuit_survive_three_digits_and_show_in_its_updates(
    rules: int,
) -> None:
    r = digits
    for problem in drawn(GATES, rules):
        (x, y), p = (problem["given"][name] for name in "xy"), problem["parameters"]
        u, v = r(p["w"] * x + p["b"]), r(p["c"] * x)
        a, h = r(max(u, 0)), r(math.tanh(v))
        s = r(a + h)
        to_sum = r(2 * (s - y))
        to_a, to_h = r(to_sum + (a > h)), r(to_sum + (h > a))
        to_u, to_v = r(to_a * (u > 0)), r(to_h * r(1 - h**2))
        by_hand = {"w": r(to_u * x), "b": to_u, "c": r(to_v * x)}
        true = oracle.solve(problem).updates[0]
        for name, value in by_hand.items():
            gradient, old = true[f"dL/d{name}"], p[name]
            assert math.isclose(value, gradient, rel_tol=0.0500001), name
            assert gradient == 0 or rounded(true[f"{name}_new"], 4) != rounded(old, 4)


@RULES
def test_slips_in_a_circuit_give_other_numbers(rules: int) -> None:
    for problem in drawn(GATES, rules):
        values = oracle.solve(problem).updates[0]
        x, y = problem["given"]["x"], problem["given"]["y"]
        w, b, c = (problem["parameters"][name] for name in "wbc")
        assert apart([w * x, b, w * x - b, b - w * x, x + b, w + b], values["u"])
        assert apart([c, x, -values["v"]], values["v"])
        assert apart([values["v"]], values["h"])
        assert apart([values["a"], values["h"], values["a"] - values["h"]], values["s"])
        s, m = values["s"], values["m"]
        assert apart([s - y + m, (s - y) ** 2, (s + y) ** 2 + m, (s - y) ** 2 - m], values["L"])
        gradient = values["dL/dc"]
        assert apart([gradient / x, -gradient, gradient / (1 - values["h"] ** 2)], gradient)


@RULES
def test_a_circuit_has_as_many_terms_and_paths_as_its_own(rules: int) -> None:
    for problem in drawn(GATES, rules):
        values = oracle.solve(problem).updates[0]
        assert 0 not in (*problem["given"].values(), *problem["parameters"].values())
        assert 0 not in (values["a"], values["h"], values["s"] - problem["given"]["y"])


# --- arrays -----------------------------------------------------------------------------------


def scores(problem: dict) -> tuple[list[float], list[float]]:
    """z and softmax(z) of the file with a matrix."""
    x, weights, bias = (
        problem["given"]["x"],
        problem["parameters"]["W"],
        problem["parameters"]["b"],
    )
    z = [
        sum(w * each for w, each in zip(row, x, strict=True)) + b
        for row, b in zip(weights, bias, strict=True)
    ]
    total = sum(map(math.exp, z))
    return z, [math.exp(each) / total for each in z]


@RULES
def test_every_output_of_softmax_is_off_its_flat_ends(rules: int) -> None:
    for problem in drawn(ARRAYS, rules):
        assert all(p * (1 - p) >= 0.02 for p in scores(problem)[1])


@RULES
def test_the_gradients_of_arrays_survive_three_digits_and_show(rules: int) -> None:
    for problem in drawn(ARRAYS.replace("learning_rate: 0.5", "learning_rate: 0.01"), rules):
        z, p = scores(problem)
        rough = [digits(each) for each in z]
        total = sum(map(math.exp, rough))
        by_hand = [digits(math.exp(each) / total) for each in rough]
        x, y = problem["given"]["x"], problem["given"]["y"]
        for place, (mine, true) in enumerate(zip(by_hand, p, strict=True)):
            error, right = digits(mine - y[place]), true - y[place]
            for factor, old in [
                *zip(x, problem["parameters"]["W"][place], strict=True),
                (1, problem["parameters"]["b"][place]),
            ]:
                assert math.isclose(digits(error * factor), right * factor, rel_tol=0.0500001)
                new = old - problem["learning_rate"] * right * factor
                assert rounded(new, 4) != rounded(old, 4)


@RULES
def test_slips_in_arrays_give_other_numbers(rules: int) -> None:
    for problem in drawn(ARRAYS, rules):
        z, p = scores(problem)
        x1, x2 = problem["given"]["x"]
        rows = zip(problem["parameters"]["W"], problem["parameters"]["b"], strict=True)
        for (w1, w2), b in rows:
            right = w1 * x1 + w2 * x2 + b
            one, two = w1 * x1, w2 * x2
            slips = [one + two, one + b, two + b, one - two + b, two - one + b, one + two - b]
            assert apart([*slips, -right, w1 + two + b, one + w2 + b, x1 + two + b], right)
        for each, true in zip(z, p, strict=True):
            assert apart([math.exp(each), each], true)


def matrices(problem: dict) -> dict[str, list[list[float]]]:
    """The values of the file with several matrices, by plain loops."""

    def times(one: list[list[float]], other: list[list[float]]) -> list[list[float]]:
        return [
            [
                sum(a * b for a, b in zip(row, column, strict=True))
                for column in zip(*other, strict=True)
            ]
            for row in one
        ]

    p = problem["parameters"]
    products = times(problem["given"]["X"], p["W"])
    u = [[each + b for each, b in zip(row, p["b"], strict=True)] for row in products]
    a = [[max(each, 0.0) for each in row] for row in u]
    z = times(a, p["V"])
    return {"U": u, "A": a, "Z": z, "P": [[1 / (1 + math.exp(-each)) for each in row] for row in z]}


@RULES
def test_matrices_have_as_many_units_on_and_none_that_is_flat(rules: int) -> None:
    def off(values: dict[str, list[list[float]]]) -> int:
        return sum(each <= 0 for row in values["U"] for each in row)

    own = off(matrices(yaml.safe_load(MATRICES)))
    for problem in drawn(MATRICES, rules):
        values = matrices(problem)
        assert off(values) == own
        assert all(abs(each) > 1e-12 for row in values["U"] for each in row)
        assert all(p * (1 - p) >= 0.02 for row in values["P"] for p in row)


@RULES
def test_matrices_have_as_many_terms_as_the_files_own(rules: int) -> None:
    def terms(problem: dict) -> int:
        values, p = matrices(problem), problem["parameters"]
        rows = [
            *(
                [x * w for x, w in zip(row, column, strict=True)] + [b]
                for row in problem["given"]["X"]
                for column, b in zip(zip(*p["W"], strict=True), p["b"], strict=True)
            ),
            *([a * v for a, (v,) in zip(row, p["V"], strict=True)] for row in values["A"]),
            [
                each - y
                for row, (y,) in zip(values["P"], problem["given"]["Y"], strict=True)
                for each in row
            ],
        ]
        return sum(term != 0 for row in rows for term in row)

    own = terms(yaml.safe_load(MATRICES))
    for problem in drawn(MATRICES, rules):
        assert abs(terms(problem) - own) <= 0.1 * own
