"""Honest students lose nothing, one slip costs one mark: small counts of what the scripts count."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import honest_rounding
import pytest
import simulated
import single_numbers
import slip_table
import whole_expressions

from backprop_cli.formula.evaluate import as_float
from backprop_cli.marking.check import Checker
from backprop_cli.marking.submission import Answer, Submission
from backprop_cli.problem.read import read_problem
from backprop_cli.run import solve


def test_honest_rounding_is_never_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert honest_rounding.main(25, seed=1) == 0, capsys.readouterr().out


@pytest.mark.parametrize("number", [146, 154, 225, 522, 3779])
def test_what_is_multiplied_by_a_number_that_rounds_to_one_is_no_copy(number: int) -> None:
    """dL/dz · a = 1.02 · 0.72 is written 1.0 and 0.72; in the last, what cancels at two digits is 0."""
    for _, report in honest_rounding.sheet(Random(f"0-{number}"), simulated.ASKED):
        assert {a.verdict for a in report.answers} <= {"correct", "imprecise", "follow_through"}


@pytest.mark.parametrize(
    "hand",
    [simulated.Hand(places=places, cut=cut, keeps=True) for places in (3, 4, 5) for cut in (0, 1)]
    + [simulated.Hand(digits, keeps=True) for digits in (2, 3, 4)],
    ids=repr,
)
def test_numbers_that_went_on_in_a_calculator_are_right(hand: simulated.Hand) -> None:
    """All of them follow from what is written, but not from what is written last."""
    for seed in range(12):
        problem = simulated.random_problem(Random(f"kept-{seed}"))
        update = simulated.first_update(problem)
        answers = simulated.work_out(update, hand).answers(update.graph)
        report = Checker(problem).mark(honest_rounding.submission(answers))
        for answer in report.answers:
            if len(answer.given.strip("-0.").replace(".", "").lstrip("0")) > 1:
                assert answer.verdict in ("correct", "follow_through"), (seed, answer)


def test_honest_rounding_of_steps_that_are_not_asked_for() -> None:
    sections = ("forward", "loss", "backward", "gradient", "update")
    assert honest_rounding.main(15, seed=2, sections=sections) == 0


@pytest.mark.parametrize("source", [slip_table.random_sheet, slip_table.drawn_sheet])
@pytest.mark.parametrize("code", simulated.CODES)
def test_a_slip_is_found_and_what_follows_is_followed(code: str, source: slip_table.Source) -> None:
    row = slip_table.count(code, 12, source)
    assert row.right_called_wrong == 0
    assert row.later_wrong == 0
    assert row.share >= 0.9


@pytest.mark.parametrize("code", sorted({*simulated.CODES} - {"wrong-operand"}))
def test_a_slip_is_found_in_numbers_of_three_digits(code: str) -> None:
    """Other operands than the right ones take four: too many numbers are near in three."""
    row = slip_table.count(code, 8, digits=3)
    assert row.right_called_wrong == 0
    assert row.share >= 0.75


def test_two_numbers_exchanged_cost_one_mark() -> None:
    found = list(single_numbers.pairs(40))
    assert not any("wrong-operand" in named for _, named, _ in found)
    whole = [lost == 1 and named == {"values-exchanged"} for lost, named, _ in found]
    assert len(whole) > 30
    assert sum(whole) >= 0.85 * len(whole)


@pytest.mark.parametrize("digits", [None, 3, 5])
def test_rounding_is_carried_from_update_to_update(digits: int | None) -> None:
    problem = read_problem("two.yaml", TWO_UPDATES)
    hand = simulated.Hand(digits)
    run = solve(problem, show=2)
    first = simulated.work_out(run.iterations[0], hand)
    second = simulated.work_out(
        run.iterations[1],
        hand,
        {},
        {old: first.values[new] for old, new in run.iterations[0].graph.carried.items()},
    )
    rows = tuple(
        tuple(Answer(n, (t,), 0, 0) for n, t in paper.answers(update.graph).items())
        for paper, update in zip((first, second), run.iterations, strict=True)
    )
    report = Checker(problem).mark(Submission("s", "s", rows))
    assert {a.verdict for a in report.answers} <= {"correct", "imprecise"}
    if digits is None:
        assert report.score == report.max_score


def test_a_slip_in_the_first_update_is_followed_into_the_second() -> None:
    problem = read_problem("two.yaml", TWO_UPDATES)
    hand = simulated.Hand(6)
    run = solve(problem, show=2)
    graph = run.iterations[0].graph
    slip = dict(simulated.slips(graph, "ascent", Random(0)))
    first = simulated.work_out(run.iterations[0], hand, {"w2_1_1_new": slip["w2_1_1_new"]})
    second = simulated.work_out(
        run.iterations[1],
        hand,
        {},
        {old: first.values[new] for old, new in graph.carried.items()},
    )
    rows = tuple(
        tuple(Answer(n, (t,), 0, 0) for n, t in paper.answers(graph).items())
        for paper in (first, second)
    )
    report = Checker(problem).mark(Submission("s", "s", rows))
    wrong = [(a.iteration, a.name) for a in report.answers if a.verdict == "wrong"]
    assert wrong == [(1, "w2_1_1_new")]
    assert any(a.verdict == "follow_through" for a in report.answers if a.iteration == 2)


TWO_UPDATES = """\
title: Two updates
samples:
  - {inputs: [0.6, -1.2], targets: [0.3]}
  - {inputs: [1.1, 0.4], targets: [0.9]}
layers:
  - {activation: tanh, weights: [[0.42, 0.72], [0.11, -0.3]], biases: [0.2, 0.1]}
  - {activation: sigmoid, weights: [[0.61, 0.39]], biases: [0.08]}
loss: half_squared_error
learning_rate: 0.7
training: {steps: 2, batch: 1}
"""


def test_an_idea_in_every_formula_costs_one_mark() -> None:
    checkers: dict[str, Checker] = {}
    for sheet, idea, problem, texts in whole_expressions.cases():
        checker = checkers.setdefault(sheet, Checker(problem))
        report = whole_expressions.marked(checker, texts)
        lost = sum(a.max_points - a.points for a in report.answers if a.given)
        assert lost <= 2, (sheet, idea)


def test_a_batch_that_never_moves_on_is_one_idea() -> None:
    """A line ŷ = wx + b through two points, by hand with the first of them in both updates."""
    points = "[{inputs: [1.3], targets: [2.9]}, {inputs: [-0.7], targets: [0.6]}]"
    problem = f"""\
title: A line
samples: {points}
layers: [{{activation: identity, weights: [[0.8]], biases: [0.15]}}]
loss: half_squared_error
learning_rate: 0.1
training: {{steps: 2, batch: 1}}
"""
    w, b, pages = 0.8, 0.15, []
    for _ in range(2):
        off = w * 1.3 + b - 2.9
        after = w - 0.1 * off * 1.3, b - 0.1 * off
        named = {"z1_1": w * 1.3 + b, "yhat": w * 1.3 + b, "L": off * off / 2}
        named |= {"dL/dw1_1_1": off * 1.3, "dL/db1_1": off}
        named |= {"w1_1_1_new": after[0], "b1_1_new": after[1]}
        pages.append(tuple(Answer(name, (f"{value:.6g}",), 0, 0) for name, value in named.items()))
        w, b = after
    report = Checker(read_problem("line.yaml", problem)).mark(
        Submission("s.yaml", "s", tuple(pages))
    )
    (wrong,) = (answer for answer in report.answers if answer.points < answer.max_points)
    assert (wrong.iteration, wrong.name) == (2, "z1_1")
    assert wrong.mistake is not None
    assert wrong.mistake.code == "misread-given"
    assert "samples of the first update" in wrong.mistake.message


@pytest.mark.parametrize("digits", [4, 5])
def test_own_rounding_explains_a_slip_in_the_second_update_too(digits: int) -> None:
    """RMSprop by hand, the root forgotten: w = w - eta g / (s + epsilon), from unrounded numbers."""
    problem = """\
title: RMSprop, two updates
equations: {z: w*x + b, yhat: sigmoid(z), L: (yhat - y)^2}
given: {x: 1.7, y: 0}
parameters: {w: 0.8, b: -0.35}
learning_rate: 0.05
training: {steps: 2, optimizer: {name: rmsprop, alpha: 0.9, epsilon: 1e-8}}
"""
    w, b, s_w, s_b, pages = 0.8, -0.35, 0.0, 0.0, []
    for _ in range(2):
        z = w * 1.7 + b
        a = 1 / (1 + math.exp(-z))
        g_b = 2 * a * a * (1 - a)
        g_w = g_b * 1.7
        s_w, s_b = 0.9 * s_w + 0.1 * g_w**2, 0.9 * s_b + 0.1 * g_b**2
        w, b = w - 0.05 * g_w / (s_w + 1e-8), b - 0.05 * g_b / (s_b + 1e-8)
        named = {"z": z, "yhat": a, "L": a * a, "dL/dw": g_w, "dL/db": g_b}
        named |= {"s_w_new": s_w, "w_new": w, "s_b_new": s_b, "b_new": b}
        pages.append(
            tuple(Answer(name, (f"{value:.{digits}g}",), 0, 0) for name, value in named.items())
        )
    made = Checker(read_problem("rmsprop.yaml", problem))
    report = made.mark(Submission("s.yaml", "s", tuple(pages)))
    (wrong,) = (answer for answer in report.answers if answer.points < answer.max_points)
    assert (wrong.iteration, wrong.name) == (1, "w_new")
    assert wrong.mistake is not None
    assert wrong.mistake.code == "missing-factor"


def test_a_bare_zero_earns_no_name() -> None:
    """The gradients of an honest student with two decimals: no slope of ReLU was used."""
    problem = read_problem(Path(__file__).parents[2] / "problems" / "textbook-sigmoid-3-2-1.yaml")
    update = simulated.first_update(problem)
    texts = {
        step.name: f"{math.trunc(100 * as_float(update.values[step.name])) / 100:.2f}"
        for step in update.graph.steps
        if step.section in simulated.ASKED
    }
    report = Checker(problem).mark(honest_rounding.submission(texts))
    zeros = [answer.verdict for answer in report.answers if not float(answer.given)]
    assert zeros.count("wrong") > 3
    assert not any(answer.mistake for answer in report.answers)
    another = {"dL/dw1_1_1": "0.006544"}  # of the other unit, and no slope of another activation
    (found,) = (
        a for a in Checker(problem).mark(honest_rounding.submission(another)).answers if a.given
    )
    assert found.mistake is not None
    assert found.mistake.code == "wrong-operand"


TANH = """
equations:
  g: tanh(w*x + c)
  d: v*g
  L: ½(d - y)²
given: {x: 0.5, y: 1, v: 0.8}
parameters: {w: 0.4, c: 0.3}
learning_rate: 0.1
"""
G = math.tanh(0.4 * 0.5 + 0.3)


@pytest.mark.parametrize(
    ("forward", "back", "code"),
    [
        (0.62, 0.62, "misread-given"),
        (0.8, 0.571, ""),
        (0.8, 0.8 * G / (1 + G), "wrong-activation"),  # g(1 − g) for 1 − g²
        (0.8, 0.8 / (1 - G * G), "missing-activation-derivative"),
    ],
)
def test_a_given_number_is_not_misread_where_a_right_answer_uses_it(
    forward: float, back: float, code: str
) -> None:
    """The error of d is handed on with v, or with another factor: one slip either way."""
    d = forward * G
    slope = (d - 1) * back * (1 - G * G)
    named = {"g": G, "d": d, "L": (d - 1) ** 2 / 2, "dL/dw": slope / 2, "dL/dc": slope}
    named |= {"w_new": 0.4 - slope / 20, "c_new": 0.3 - slope / 10}
    texts = {name: f"{value:.5f}" for name, value in named.items()}
    report = Checker(read_problem("tanh.yaml", TANH)).mark(honest_rounding.submission(texts))
    (wrong,) = (each for each in report.answers if each.verdict == "wrong")
    assert wrong.name == ("dL/dw" if forward == 0.8 else "d")
    assert (wrong.mistake.code if wrong.mistake else "") == code
    assert ("stand for v" in wrong.feedback) == (code == "misread-given")


def test_what_a_parameter_multiplies_is_left_out_where_its_update_is_right() -> None:
    problem = """
index: {t: 1..3}
equations:
  h_t: tanh(w*x_t + u*h_{t-1} + b)
  L: ½ (h_3 - y)²
given: {x: [1, 0.5, -0.7], y: 0.5, h_0: 0}
parameters: {w: 0.6, u: 0.4, b: 0.1}
learning_rate: 0.1
"""
    h = [math.tanh(0.6 * x + 0.1) for x in (1, 0.5, -0.7)]
    error = (h[2] - 0.5) * (1 - h[2] ** 2)
    slopes = {"w": (0.6, -0.7 * error), "u": (0.4, h[1] * error), "b": (0.1, error)}
    named = {f"h_{t}": value for t, value in enumerate(h, 1)} | {"L": (h[2] - 0.5) ** 2 / 2}
    named |= {f"dL/d{name}": slope for name, (_, slope) in slopes.items()}
    named |= {f"{name}_new": old - slope / 10 for name, (old, slope) in slopes.items()}
    texts = {name: f"{value:.5f}" for name, value in named.items()}
    report = Checker(read_problem("recurrent.yaml", problem)).mark(
        honest_rounding.submission(texts)
    )
    (wrong,) = (each for each in report.answers if each.verdict == "wrong")
    assert wrong.name == "h_2"
    assert wrong.mistake is not None
    assert wrong.mistake.code == "missing-path"
