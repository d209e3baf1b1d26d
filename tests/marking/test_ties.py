"""Where values are equal max and min have no derivative: any choice used throughout is right.

What is right is worked out by hand: the gradient that comes in, once, for the equal value that a
student gives all of it to.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.marking.model import SubmissionReport
from backprop_cli.problem.read import read_problem

TIE = (Path(__file__).parents[2] / "problems" / "max-circuit-tie.yaml").read_text()
THREE = """\
title: Three equal values
equations: {m: "GATE(x, y, z)", f: 5*m + u}
given: {x: 2, y: 2, z: 2, u: 1}
"""
POOL = """\
title: A window of equal values
inputs: [[1, 2, 1], [1, 2, 1]]
targets: [1]
layers:
  - {kind: conv2d, kernels: [[[1, 1]]], biases: [0], activation: relu}
  - {kind: max_pool, size: 2}
  - {kind: flatten}
  - {activation: identity, weights: [[0.5]], biases: [0.2]}
loss: half_squared_error
learning_rate: 0.1
"""
FIRST = ("Read with the gradient at a tie given to the first of the equal values.",)
LAST = ("Read with the gradient at a tie given to the last of the equal values.",)
SHARED = ("Read with the gradient at a tie shared by the equal values.",)


def marked(problem: str, answers: Mapping[str, object]) -> SubmissionReport:
    rows = "".join(f"  {name}: {value}\n" for name, value in answers.items())
    checker = Checker(read_problem("tie.yaml", problem))
    return checker.mark(parse_submission("s.yaml", f"answers:\n{rows}"))


def at_the_gate(z: float, w: float, problem: str = TIE) -> SubmissionReport:
    begun = {"f1": -12, "f2": 2, "f3": -10, "f4": -20, "df4/dx": -8, "df4/dy": 6}
    return marked(problem, {**begun, "df4/dz": z, "df4/dw": w})


def lost(report: SubmissionReport) -> float:
    return report.max_score - report.score


@pytest.mark.parametrize(("z", "w", "read"), [(2, 0, FIRST), (0, 2, LAST), (1, 1, ())])
def test_every_choice_at_a_tie_is_right(z: int, w: int, read: tuple[str, ...]) -> None:
    report = at_the_gate(z, w)
    assert (lost(report), report.remarks) == (0, read)
    assert not any(answer.feedback for answer in report.answers)


@pytest.mark.parametrize(("z", "w", "least"), [(2, 2, 1), (0, 0, 2), (-2, 0, 1), (2, 1, 1)])
def test_no_choice_gives_these(z: int, w: int, least: int) -> None:
    report = at_the_gate(z, w)
    assert lost(report) >= least
    assert not report.remarks
    assert all("activation" not in answer.feedback for answer in report.answers)


def test_at_two_ties_each_choice_is_right_and_giving_all_to_each_one_idea() -> None:
    problem = """\
title: Two ties
equations: {m: "max(x, y)", n: "max(u, v)", f: 5*m + 3*n}
given: {x: 2, y: 2, u: 1, v: 1}
"""
    forward = {"m": 2, "n": 1, "f": 13}
    for x, y, u, v, least, most in (
        (5, 0, 3, 0, 0, 0),
        (5, 5, 3, 3, 1, 1),
        (5, 0, 0, 3, 0, 0),
        (0, 5, 3, 0, 0, 0),
        (0, 5, 1.5, 1.5, 0, 0),
        (5, 0, 3, 3, 1, 1),
        (0, 0, 0, 0, 4, 4),
    ):
        report = marked(problem, {**forward, "df/dx": x, "df/dy": y, "df/du": u, "df/dv": v})
        assert least <= lost(report) <= most


def test_without_a_tie_there_is_no_choice() -> None:
    problem = TIE.replace("w: 2", "w: 1")
    assert lost(at_the_gate(2, 0, problem)) == 0
    for z, w in ((0, 2), (1, 1)):
        report = at_the_gate(z, w, problem)
        assert (lost(report), report.remarks) == (2, ())


def test_a_file_that_gives_all_to_the_first_is_read_shared() -> None:
    problem = f"{TIE}kinks: {{max: first}}\n"
    for z, w, read in ((2, 0, ()), (0, 2, LAST), (1, 1, SHARED)):
        report = at_the_gate(z, w, problem)
        assert (lost(report), report.remarks) == (0, read)


@pytest.mark.parametrize("gate", ["max", "min"])
@pytest.mark.parametrize(
    ("gradients", "right", "read"),
    [
        ((5, 0, 0), True, FIRST),
        ((0, 0, 5), True, LAST),
        ((1.667, 1.667, 1.667), True, ()),
        ((5, 5, 5), False, ()),
        ((0, 0, 0), False, ()),
        ((5, 5, 0), False, ()),
    ],
)
def test_three_equal_values(
    gate: str, gradients: tuple[float, ...], right: bool, read: tuple[str, ...]
) -> None:
    answers = {f"df/d{name}": value for name, value in zip("xyz", gradients, strict=True)}
    report = marked(THREE.replace("GATE", gate), {"m": 2, "f": 11, **answers, "df/du": 1})
    assert (lost(report) == 0) is right
    if right:
        assert report.remarks == read


ENTRIES = ("1_1", "1_2", "2_1", "2_2")


def pooled(back: Mapping[str, float], x: tuple[int, int]) -> dict[str, float]:
    """All windows come to 3, so ŷ = 1.7, ∂L/∂z = 0.7 and 0.35 comes to the pool; the one position
    that gets it sees the inputs `x`."""
    grid = {f"{letter}1_{entry}": 3 for entry in ENTRIES for letter in "za"}
    forward = {"a2_1_1": 3, "z4_1": 1.7, "yhat": 1.7, "L": 0.245, "dL/da2_1_1": 0.35}
    dense = {"dL/dw4_1_1": 2.1, "dL/db4_1": 0.7, "w4_1_1_new": 0.29, "b4_1_new": 0.13}
    kernel = {f"dL/dw1_1_1_{place}": round(0.35 * x[place - 1], 9) for place in (1, 2)}
    new = {f"w1_1_1_{place}_new": round(1 - 0.035 * x[place - 1], 9) for place in (1, 2)}
    bias = {"dL/db1_1": 0.35, "b1_1_new": -0.035}
    return {**grid, **forward, **dense, **back, **kernel, **bias, **new}


@pytest.mark.parametrize(("taken", "x", "read"), [("1_1", (1, 2), FIRST), ("2_2", (2, 1), LAST)])
def test_a_pool_gives_all_to_one_of_its_equal_values(
    taken: str, x: tuple[int, int], read: tuple[str, ...]
) -> None:
    back = {
        f"dL/d{letter}1_{entry}": 0.35 if entry == taken else 0
        for letter in "az"
        for entry in ENTRIES
    }
    for written in (back, {}):  # with its way, and without
        report = marked(POOL, pooled(written, x))
        assert (lost(report), report.remarks) == (0, read)
        assert {answer.verdict for answer in report.answers} == {"correct"}


def test_a_pool_that_gives_all_to_each_is_wrong() -> None:
    back = {f"dL/da1_{entry}": 0.35 for entry in ENTRIES}
    report = marked(POOL, {**pooled(back, (6, 6)), "dL/db1_1": 1.4, "b1_1_new": -0.14})
    assert lost(report) >= 1
    assert not report.remarks


def test_a_pool_over_dead_units() -> None:
    """All windows come to −3 and all activations to 0: ŷ = 0.2, and −0.4 comes to the pool."""
    problem = POOL.replace("[[[1, 1]]]", "[[[-1, -1]]]")
    forward = {f"{letter}1_{entry}": v for entry in ENTRIES for letter, v in (("z", -3), ("a", 0))}
    forward |= {"a2_1_1": 0, "z4_1": 0.2, "yhat": 0.2, "L": 0.32, "dL/da2_1_1": -0.4}
    dense = {"dL/dw4_1_1": 0, "dL/db4_1": -0.8, "w4_1_1_new": 0.5, "b4_1_new": 0.28}
    kernel = {"dL/dw1_1_1_1": 0, "dL/dw1_1_1_2": 0, "dL/db1_1": 0}
    new = {"w1_1_1_1_new": -1, "w1_1_1_2_new": -1, "b1_1_new": 0}
    for taken, read in (("1_1", FIRST), ("2_2", LAST)):
        back = {f"dL/da1_{entry}": -0.4 if entry == taken else 0 for entry in ENTRIES}
        report = marked(problem, {**forward, **dense, **back, **kernel, **new})
        assert (lost(report), report.remarks) == (0, read)
        assert {answer.verdict for answer in report.answers} == {"correct"}


def test_a_gate_that_let_the_wrong_one_through_has_no_activation() -> None:
    """max by absolute value: −6 stands for the larger of −6 and 5."""
    problem = """\
title: A circuit with integers
equations: {p: a*b, q: c + d, m: "max(p, q)", r: m^2, f: r - a*q}
given: {a: 3, b: -2, c: 4, d: 1}
"""
    forward = {"p": -6, "q": 5, "m": -6, "r": 36, "f": 21}
    report = marked(problem, {**forward, "df/dc": -3, "df/dd": -3, "df/da": 19, "df/db": -36})
    assert 1 <= lost(report) <= 3
    assert all("activation" not in answer.feedback for answer in report.answers)
