"""Nothing for what shows nothing, nothing lost by honest rounding; ideas cost what they are worth.

Small counts of what the scripts beside this file count.
"""

from __future__ import annotations

from random import Random

import knowing_nothing
import pytest
import simulated
import single_numbers
import whole_sheets

from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.problem.read import read_problem

SHEETS = sorted(knowing_nothing.PROBLEMS.glob("*.yaml"), key=lambda path: path.stem)


def most(strategy: str, points: float) -> float:
    """Numbers of two digits out of nowhere hit something now and then, for a mark at most."""
    return max(0.05, 1 / points) if strategy in knowing_nothing.GUESSES else 0.05


@pytest.mark.parametrize("path", SHEETS[::3], ids=lambda path: path.stem)
def test_answers_that_show_nothing_earn_nothing_on_the_sheets_of_the_package(path: object) -> None:
    problem = read_problem(path)  # type: ignore[arg-type]
    for strategy, share, points in knowing_nothing.excess(problem):
        assert share <= most(strategy, points), strategy


@pytest.mark.parametrize("path", SHEETS[1::10], ids=lambda path: path.stem)
def test_working_that_says_nothing_makes_no_number_better(path: object) -> None:
    problem = read_problem(path)  # type: ignore[arg-type]
    for strategy, score, bare in knowing_nothing.dressed(problem):
        assert score <= bare + 0.5, strategy  # the working may come to what is right by accident


@pytest.mark.parametrize("seed", range(4))
def test_answers_that_show_nothing_earn_nothing_on_random_sheets(seed: int) -> None:
    for problem in (
        simulated.random_problem(Random(f"evidence-{seed}")),
        whole_sheets.problem(Random(f"evidence-{seed}")),
    ):
        for strategy, share, points in knowing_nothing.excess(problem, seed):
            assert share <= most(strategy, points), strategy
        assert knowing_nothing.honest_loss(problem) <= 0.05


@pytest.mark.parametrize("number", [33, 47, 58])
def test_an_honest_student_at_two_decimals_loses_nothing(number: int) -> None:
    """Sheets with gradients so small that most are 0.00 and most parameters seem unchanged."""
    for make in (simulated.random_problem, whole_sheets.problem):
        assert knowing_nothing.honest_loss(make(Random(f"nothing-0-{number}"))) <= 0.05


@pytest.mark.parametrize("kind", ["weights exchanged going back", "biases decayed"])
def test_one_idea_in_several_steps_costs_one_mark(kind: str) -> None:
    assert [whole_sheets.marked(Random(f"one-{n}"), [kind])[0] for n in range(1)] == [1]


@pytest.mark.parametrize("pair", whole_sheets.PAIRS, ids=" + ".join)
def test_two_ideas_cost_two_marks(pair: list[str]) -> None:
    lost = [whole_sheets.marked(Random(f"pair-{n}"), pair)[0] for n in range(3)]
    assert sum(abs(each - 2) <= 1 for each in lost) >= 2


@pytest.mark.parametrize("seed", range(25))
def test_an_integer_that_is_one_off_is_wrong(seed: int) -> None:
    tried, missed = single_numbers.one_off(Random(f"test-{seed}"))
    assert tried
    assert missed == []


@pytest.mark.parametrize("seed", range(20))
def test_a_mistyped_digit_costs_one_mark_and_accuses_nobody(seed: int) -> None:
    lost, slip, story = single_numbers.mistyped(Random(f"test-{seed}"))
    assert lost <= 1, story
    assert slip in ("", "mistyped"), story


@pytest.mark.parametrize("rounding", single_numbers.ROUNDINGS)
@pytest.mark.parametrize("end", [None, single_numbers.significant(4)])
@pytest.mark.parametrize("sizes", [(2, 2, 1), (3, 2, 2, 1)])
def test_gradients_alone_accuse_nobody(
    sizes: tuple[int, ...],
    end: single_numbers.Rounding | None,
    rounding: single_numbers.Rounding,
) -> None:
    for number in range(6):
        random = Random(f"alone-{number}")
        problem = single_numbers.network(random, sizes)
        accused, off = single_numbers.gradients_only(random, problem, rounding, end)
        assert accused == []
        assert [far for far, verdict in off if far <= 0.1 and verdict == "wrong"] == []


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("yhat", "0", "Look again at yhat"),  # a step unit has no digits to write
        ("a", "1", "Too few digits"),
        ("a", "0", "A bare 0 shows nothing"),
    ],
)
def test_nobody_is_told_to_write_digits_that_there_are_not(
    name: str, given: str, said: str
) -> None:
    text = """\
title: A threshold
equations: {z: 0.1*x, a: sigmoid(z), s: 2*x, yhat: step(s)}
given: {x: 1.5}
"""
    checker = Checker(read_problem("threshold.yaml", text))
    report = checker.mark(parse_submission("s.yaml", f"answers:\n  {name}: {given}\n"))
    (answer,) = (each for each in report.answers if each.name == name)
    assert answer.verdict != "correct"
    assert answer.feedback.startswith(said)
