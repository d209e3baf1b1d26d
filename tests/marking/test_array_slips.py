"""Students with one idea about arrays: named with evidence, one mark, all the rest followed through.

The students are those of `array_ideas.py`, which counts many of them, on the shipped sheets; each
works the sheet out by NumPy with one thing done otherwise, and hands in whole arrays.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from random import Random
from typing import Any

import array_ideas
import numpy as np
import pytest
import yaml
from array_ideas import IDEAS, SHEETS, Idea
from pages import PROBLEMS, problem

from backprop_cli import load
from backprop_cli.formula.evaluate import as_float
from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.marking.model import GOOD, SubmissionReport
from backprop_cli.problem.read import read_problem
from backprop_cli.run import solve


@lru_cache(maxsize=len(SHEETS))
def checker(name: str) -> Checker:
    return Checker(problem(name))


def marked(kind: str, idea: Idea, digits: int, whole: bool) -> SubmissionReport:
    sheet = SHEETS[kind]
    data, _ = array_ideas.loaded(sheet, Random(0), shipped=True)
    answers = array_ideas.worked(sheet, data, idea, digits, whole)
    listed = {key: array_ideas.listed(value) for key, value in answers.items()}
    text = json.dumps({"answers": listed})
    return checker(sheet.shipped).mark(parse_submission("student.json", text))


def rows() -> list[tuple[str, str]]:
    return [
        (kind, name)
        for name, idea in IDEAS.items()
        for kind in idea.sheets
        if array_ideas.changes(kind, name)
    ]


@pytest.mark.parametrize(("kind", "name"), rows())
def test_one_idea_costs_one_mark(kind: str, name: str) -> None:
    idea = IDEAS[name]
    for digits, whole in ((5, False), (6, True)):
        report = marked(kind, idea, digits, whole)
        lost = report.max_score - report.score
        if not idea.codes:
            assert lost == 0
            continue
        first = next(answer for answer in report.answers if answer.verdict == "wrong")
        assert first.mistake is not None
        assert first.mistake.code in idea.codes
        assert 0 < lost <= 2


def test_a_slope_taken_for_another_in_every_drawn_word_costs_one_mark() -> None:
    """σ(−n) for σ(n), the slope of −ln σ(−n), which no sheet asks for."""
    data = yaml.safe_load((PROBLEMS / "skip-gram-negative-sampling.yaml").read_text("utf-8"))
    v_all, u_all = (np.array(data["parameters"][name], dtype=float) for name in "VU")
    centre, seen = data["given"]["centre"] - 1, data["given"]["seen"] - 1
    drawn = [word - 1 for word in data["given"]["drawn"]]
    v, u, n = v_all[centre], u_all[seen], u_all[drawn]
    ds, dn = 1 / (1 + np.exp(-u @ v)) - 1, 1 / (1 + np.exp(n @ v))
    dv, du = np.zeros_like(v_all), np.zeros_like(u_all)
    dv[centre] = ds * u + dn @ n
    np.add.at(du, [seen, *drawn], np.outer([ds, *dn], v))
    found = {"dL/dV": dv, "dL/dU": du, "V_new": v_all - 0.5 * dv, "U_new": u_all - 0.5 * du}
    listed = {name: np.round(value, 4).tolist() for name, value in found.items()}
    text = json.dumps(
        {"answers": {"s": round(float(u @ v), 4), "n": (n @ v).round(4).tolist()} | listed}
    )
    answers = checker("skip-gram-negative-sampling").mark(parse_submission("s.json", text)).answers
    (wrong,) = [each for each in answers if each.verdict not in ("missing", *GOOD)]
    assert wrong.mistake is not None
    assert wrong.mistake.code == "sign-flipped"


def test_what_large_terms_leave_when_they_cancel_shows_an_idea_too() -> None:
    """Terms of 5 come to 0.02, so that four digits on the way leave two."""
    report = marked("layer norm", IDEAS["gamma left out going back"], 4, False)
    wrong = [answer for answer in report.answers if answer.verdict == "wrong"]
    assert [answer.mistake and answer.mistake.code for answer in wrong] == ["missing-factor"]
    assert report.max_score - report.score <= 2.5
    right = marked("layer norm", IDEAS["none"], 4, False)
    assert right.score == right.max_score


MASKED = """
equations: {{{equations}, L: ½ sum((P - Y)²)}}
given:
  X: [[1, 2], [3, -1]]
  Y: [[1, 0, 0], [0, 1, 0]]
  M: [[0, 0, -inf], [-inf, 0, 0]]
parameters: {{W: [[0.3, -0.2, 0.5], [0.4, 0.7, -0.1]]}}
"""


@pytest.mark.parametrize(
    "equations",
    [
        "S: X @ W, P: softmax(S + M)",
        "S: X @ W + M, P: softmax(S)",
        "P: softmax(X @ W + M)",
        "S: X @ W, T: S + M, P: softmax(T)",
    ],
)
def test_a_mask_left_out_wherever_it_is_added(equations: str) -> None:
    x, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[1.0, 0, 0], [0, 1, 0]])
    w = np.array([[0.3, -0.2, 0.5], [0.4, 0.7, -0.1]])
    e = np.exp(x @ w)
    p = e / e.sum(axis=1, keepdims=True)
    g = p - y
    slope = x.T @ (p * (g - (g * p).sum(axis=1, keepdims=True)))
    answers = {"P": p, "L": 0.5 * np.sum(g * g), "dL/dW": slope}
    _assert_mask_named(MASKED.format(equations=equations), answers)


@pytest.mark.parametrize(("masked", "dropped"), [(False, True), (True, False)])
def test_a_choice_or_a_dropout_left_out(masked: bool, dropped: bool) -> None:
    text = """
equations: {H: X @ W, A: "where(M, H, B)", D: "dropout(A, R, 0.5)", L: ½ sum(D²)}
given:
  X: [[1, 2], [3, -1]]
  M: [[1, 0], [0, 1]]
  B: [[0.5, 0.25], [0.1, 0.2]]
  R: [[1, 1], [1, 0]]
parameters: {W: [[0.3, -0.2], [0.4, 0.7]]}
"""
    x, w = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[0.3, -0.2], [0.4, 0.7]])
    mask = np.eye(2) if masked else np.ones((2, 2))
    r = np.array([[2.0, 2.0], [2.0, 0.0]]) if dropped else np.ones((2, 2))
    h = x @ w
    a = np.where(mask > 0, h, np.array([[0.5, 0.25], [0.1, 0.2]]))
    d = a * r
    answers = {"H": h, "A": a, "D": d, "L": 0.5 * np.sum(d * d), "dL/dW": x.T @ (d * r * mask)}
    _assert_mask_named(text, answers)


def _assert_mask_named(text: str, answers: dict[str, object]) -> None:
    listed = {key: array_ideas.listed(np.round(value, 6)) for key, value in answers.items()}
    submission = parse_submission("student.json", json.dumps({"answers": listed}))
    report = Checker(read_problem("sheet.yaml", "title: Masked" + text)).mark(submission)
    (wrong,) = (answer for answer in report.answers if answer.verdict not in (*GOOD, "missing"))
    assert wrong.mistake is not None
    assert wrong.mistake.code == "missing-factor"
    assert wrong.mistake.message.startswith("the mask was left out")


def test_a_matrix_for_a_vector_is_asked_about() -> None:
    assert (PROBLEMS / "softmax-regression-batch.yaml").exists()
    data, _ = array_ideas.loaded(SHEETS["regression"], Random(0), shipped=True)
    answers = array_ideas.worked(SHEETS["regression"], data, IDEAS["none"], 5, False)
    answers["dL/db"] = np.ones((4, 3)) / 4
    listed = {key: array_ideas.listed(value) for key, value in answers.items()}
    submission = parse_submission("student.json", json.dumps({"answers": listed}))
    report = checker("softmax-regression-batch").mark(submission)
    (asked,) = (answer for answer in report.answers if "added up yet?" in answer.feedback)
    assert asked.feedback.startswith(
        "This is 4×3 where 3 belongs: are its 4 rows not added up yet?"
    )
    assert {answer.points for answer in report.answers if answer.name.startswith("dL/db")} == {0}


def test_a_bias_gradient_handed_in_by_rows_lacks_their_sum() -> None:
    """∂L/∂b is the sum of the two rows of R; they stand there one by one: one idea, one mark."""
    text = (
        "equations: {Z: X * 2 + b, L: sum(Z * R)}\n"
        "given: {X: [[1, 2], [3, 4]], R: [[1.37, 3.2], [2.64, 5.1]]}\nparameters: {b: [0, 0]}\n"
    )
    key = Checker(load(text=text))
    rows = key.mark(
        parse_submission("s.json", '{"answers": {"dL/db": [[1.37, 3.2], [2.64, 5.1]]}}')
    )
    found = [answer for answer in rows.answers if answer.name.startswith("dL/db")]
    assert [answer.mistake and answer.mistake.code for answer in found] == ["missing-sum"] * 2
    assert sum(answer.points for answer in found) == 1
    unlike = key.mark(
        parse_submission("s.json", '{"answers": {"dL/db": [[1, 2], [3, 4], [5, 6]]}}')
    )
    assert {answer.verdict for answer in unlike.answers} <= {"unreadable", "missing"}


def _with_gates_exchanged(name: str) -> str:
    """`dL/dwf1_1_2` for `dL/dwi1_1_2`: the same quantity where the gates i and f change places."""
    return re.sub(
        r"(?<![a-ce-z])([zwub]?)([if])1(?=_)", lambda m: f"{m[1]}{'fi'['if'.index(m[2])]}1", name
    )


def test_gates_that_stand_each_in_the_others_place_cost_one_mark() -> None:
    """c = i c + f g: what the sheet gives with the weights of both gates exchanged."""
    text = (PROBLEMS / "lstm-one-unit.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    for key in ("weights", "recurrent", "biases"):
        gates = data["layers"][0][key]
        gates["i"], gates["f"] = gates["f"], gates["i"]
    other = read_problem("other.yaml", yaml.safe_dump(data, sort_keys=False))
    (iteration,) = solve(other, steps=1, show=1).iterations[:1]
    asked = [step.name for step in iteration.graph.steps if step.section != "backward"]
    answers = {
        _with_gates_exchanged(name): f"{as_float(iteration.values[name] or 0):.5g}"
        for name in asked
    }
    report = Checker(read_problem("lstm.yaml", text)).mark(
        parse_submission("student.json", json.dumps({"answers": answers}))
    )
    first = next(answer for answer in report.answers if answer.verdict == "wrong")
    assert first.mistake is not None
    assert (first.name, first.mistake.code) == ("c1_1_1", "wrong-operand")
    assert 0 < report.max_score - report.score <= 2


def test_a_variance_divided_by_one_less_costs_one_mark() -> None:
    """Worked with numpy, going back by differences of the loss as this student takes it."""
    data, _ = array_ideas.loaded(SHEETS["layer norm"], Random(0), shipped=True)
    x, gamma, beta = (np.array(each, dtype=float) for each in data["parameters"].values())
    y = np.array(data["given"]["Y"], dtype=float)

    def forward(x: Any, gamma: Any, beta: Any) -> tuple[Any, ...]:
        mean, var = x.mean(axis=1), x.var(axis=1, ddof=1)
        hat = (x - mean[:, None]) / np.sqrt(var[:, None] + 0.01)
        n = gamma * hat + beta
        return mean, var, hat, n, 0.5 * np.sum((n - y) ** 2)

    leaves = {"X": x, "gamma": gamma, "beta": beta}
    answers: dict[str, Any] = dict(
        zip(("N_mean", "N_var", "N_hat", "N", "L"), forward(x, gamma, beta), strict=True)
    )
    for name, leaf in leaves.items():
        slope = np.zeros(leaf.shape)
        for at in np.ndindex(*leaf.shape):
            step = np.zeros(leaf.shape)
            step[at] = 1e-5
            above, below = (
                forward(*{**leaves, name: leaf + way * step}.values())[-1] for way in (1, -1)
            )
            slope[at] = (above - below) / 2e-5
        answers[f"dL/d{name}"] = slope
        answers[f"{name}_new"] = leaf - data["learning_rate"] * slope
    listed = {key: array_ideas.listed(np.round(value, 5)) for key, value in answers.items()}
    text = json.dumps({"answers": listed})
    report = checker("layer-norm").mark(parse_submission("student.json", text))
    first = next(answer for answer in report.answers if answer.verdict == "wrong")
    assert first.mistake is not None
    assert (first.name, first.mistake.code) == ("N_var_1", "sum-not-mean")
    assert 0 < report.max_score - report.score <= 2
