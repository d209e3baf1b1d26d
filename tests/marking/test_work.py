"""What a student's own roundings can do to what is calculated from them."""

from __future__ import annotations

import pytest

from backprop_cli.marking.check import Checker
from backprop_cli.marking.work import Work
from backprop_cli.problem.read import read_problem

BENT = """\
equations: {z: w*x, a: relu(z), b: "a^2", L: a + b}
given: {x: 2}
parameters: {w: 0.5}
output: L
learning_rate: 0.125
"""
TWICE = """\
equations: {z: w*x, L: "(z - y)^2"}
given: {x: 3, y: 1}
parameters: {w: 0.123}
output: L
learning_rate: 0.0125
training: {steps: 2}
"""


def work(checker: Checker, update: int = 0) -> tuple[Work, dict[str, int]]:
    key = checker.keys[update]
    return Work(key), key.structure.slots


@pytest.mark.parametrize(("z", "spread"), [(0.004, 0.01), (-0.004, 0.006), (-0.02, 0.0), (2, 0.01)])
def test_a_spread_is_that_of_the_side_on_which_more_happens(z: float, spread: float) -> None:
    """ReLU at ±0.004, known to 0.01: from −0.006 it cannot fall, from 0.004 it rises by 0.01."""
    here, slots = work(Checker(read_problem("bent.yaml", BENT)))
    here.write(slots["z"], z, 0.01)
    node = here.nodes[slots["a"]]
    assert node is not None
    value, found = here.value(node)
    assert value == max(z, 0.0)
    assert found == pytest.approx(spread, abs=1e-12)


def test_a_spread_of_a_square_is_that_outwards() -> None:
    """(0.3 + 0.1)² is 0.07 more than 0.09, (0.3 − 0.1)² 0.05 less."""
    here, slots = work(Checker(read_problem("bent.yaml", BENT)))
    here.write(slots["a"], 0.3, 0.1)
    node = here.nodes[slots["b"]]
    assert node is not None
    assert here.value(node)[1] == pytest.approx(0.07, rel=1e-12)


def test_how_far_a_parameter_was_rounded_is_carried_into_the_next_update() -> None:
    """w = 0.123 − 0.0125·2(0.369 − 1)·3 = 0.170325, written as 0.17: half of 0.01 either way."""
    checker = Checker(read_problem("twice.yaml", TWICE))
    (first, slots), (second, later) = work(checker), work(checker, 1)
    first.write(slots["w_new"], 0.17, 0.005)
    second.carry(first, {"w": "w_new"})
    assert (second.v[later["w"]], second.unit[later["w"]]) == (0.17, 0.005)
    node = second.nodes[later["z"]]
    assert node is not None
    assert second.value(node) == (pytest.approx(0.51), pytest.approx(0.015))
