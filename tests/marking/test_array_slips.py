"""Students with one idea about arrays: named with evidence, one mark, all the rest followed through.

Each student works the whole sheet out by NumPy with one thing done otherwise, rounds, and hands in
whole arrays.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
from pages import PROBLEMS, problem

from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.marking.model import SubmissionReport

Sheet = dict[str, np.ndarray]


@lru_cache(maxsize=4)
def checker(name: str) -> Checker:
    return Checker(problem(name))


def rounded(value: np.ndarray, digits: int) -> object:
    if np.ndim(value) == 0:
        return float(f"%.{digits}g" % value)
    return [rounded(each, digits) for each in value]


def marked(name: str, sheet: Sheet, digits: int) -> SubmissionReport:
    answers = {key: rounded(value, digits) for key, value in sheet.items()}
    text = json.dumps({"answers": answers})
    return checker(name).mark(parse_submission("student.json", text))


def attention(slip: str = "") -> Sheet:
    X = np.array([[1.0, 0], [0, 1], [1, 1]])
    Y = X.copy()
    W = {
        "Wq": np.array([[0.5, -0.2], [0.1, 0.4]]),
        "Wk": np.array([[0.3, 0.1], [-0.4, 0.2]]),
        "Wv": np.eye(2),
    }
    root = 1.0 if slip == "no scale" else np.sqrt(2)
    Q, K, V = (X @ W[name] for name in ("Wq", "Wk", "Wv"))
    S = Q @ K.T / root
    P = np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)
    Z = P @ V
    back = 1.0 if slip == "no scale going back" else root
    dZ = Z - Y
    dP = dZ @ V.T
    dS = P * (dP - (dP * P).sum(axis=1, keepdims=True))
    if slip == "diagonal":
        dS = dP * P * (1 - P)
    dV, dQ = P.T @ dZ, dS @ K / back
    dK = (dS if slip == "not transposed" else dS.T) @ Q / back
    gradients = {"Wv": X.T @ dV, "Wk": X.T @ dK, "Wq": X.T @ dQ}
    if slip == "transposed":
        gradients = {name: gradient.T for name, gradient in gradients.items()}
    found = {"Q": Q, "K": K, "V": V, "S": S, "P": P, "Z": Z, "L": 0.5 * np.sum(dZ**2)}
    for name, gradient in gradients.items():
        found[f"dL/d{name}"] = gradient
        found[f"{name}_new"] = W[name] - 0.1 * gradient
    return found


def regression(slip: str = "") -> Sheet:
    X = np.array([[1.0, 2], [0, 1], [2, 0], [1, 1]])
    Y = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
    W, b = np.array([[0.2, -0.1, 0.3], [0.1, 0.4, -0.2]]), np.array([0, 0.1, -0.1])
    Z = X @ W + b
    P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    rows = -(Y * np.log(P)).sum(axis=1)
    dZ = (P - Y) / (1 if slip == "no mean" else 4)
    dW = X.T @ dZ
    db = dZ[0] if slip == "one row" else dZ.sum(axis=0)
    return {
        "Z": Z, "P": P, "L_row": rows, "L": rows.mean(), "dL/dW": dW, "dL/db": db,
        "W_new": W - 0.5 * dW, "b_new": b - 0.5 * db,
    }  # fmt: skip


STUDENTS: list[tuple[str, Callable[[str], Sheet], str, str]] = [
    ("attention", attention, "diagonal", "softmax-diagonal"),
    ("attention", attention, "no scale", "missing-scale"),
    ("attention", attention, "no scale going back", "missing-scale"),
    ("attention", attention, "not transposed", "transposed"),
    ("attention", attention, "transposed", "transposed"),
    ("softmax-regression-batch", regression, "one row", "missing-sum"),
    ("softmax-regression-batch", regression, "no mean", "missing-scale"),
]


@pytest.mark.parametrize("digits", [4, 6])
@pytest.mark.parametrize(
    ("name", "solver", "slip", "code"), STUDENTS, ids=lambda each: getattr(each, "__name__", each)
)
def test_one_idea_costs_one_mark(
    name: str, solver: Callable[[str], Sheet], slip: str, code: str, digits: int
) -> None:
    right = marked(name, solver(""), digits)
    assert right.score == right.max_score
    report = marked(name, solver(slip), digits)
    wrong = [answer for answer in report.answers if answer.verdict == "wrong"]
    assert [answer.mistake and answer.mistake.code for answer in wrong] == [code], wrong
    assert report.max_score - report.score == 1


def test_a_matrix_for_a_vector_is_asked_about() -> None:
    assert (PROBLEMS / "softmax-regression-batch.yaml").exists()
    sheet = regression()
    sheet["dL/db"] = (sheet["P"] - 1) / 4
    report = marked("softmax-regression-batch", sheet, 5)
    (unread,) = (answer for answer in report.answers if answer.verdict == "unreadable")
    assert "this is 4×3 where 3 belongs: are its 4 rows not added up yet?" in unread.feedback
