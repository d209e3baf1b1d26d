"""What marking evaluates by the thousand has the values that sheets have."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import NAMES, formulas

from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Quotient,
    Sum,
)
from backprop_cli.formula.parse import parse
from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.marking.compiled import compile_all, compile_formula
from backprop_cli.problem.read import read_problem

SLOTS = {name: place for place, name in enumerate(NAMES)}


@given(formulas, st.lists(st.floats(-5, 5), min_size=10, max_size=10))
@settings(max_examples=200, deadline=None)
def test_the_same_values(formula: Formula, numbers: list[float]) -> None:
    found = compile_formula(formula, SLOTS)(numbers)
    known = dict(zip(NAMES, numbers, strict=True))
    expected = as_float(evaluate(formula, known.__getitem__))
    touchy = ("Comparison", "Quotient", "Power", "relu'", "sign", "e12", "Negative")
    if (
        math.isfinite(expected)
        and math.isfinite(found)
        and not any(w in repr(formula) for w in touchy)
    ):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "x", "y", "value"),
    [
        ("1/x", -0.0, 0.0, -math.inf),
        ("1/x", 0.0, 0.0, math.inf),
        ("-1/x", -0.0, 0.0, math.inf),
        ("x/y", 0.0, 0.0, math.nan),
        ("x*y", 0.0, math.inf, math.nan),
        ("x*y*ln(2)", 0.0, math.inf, math.nan),
        ("x*ln(y)", 0.0, 0.0, 0.0),
        ("-x*ln(y)", 0.0, 0.0, 0.0),
        ("relu(x)", math.nan, 0.0, math.nan),
        ("sigmoid(x*y)", -1000.0, 1.0, 0.0),
        ("exp(x)", 1000.0, 0.0, math.inf),
        ("x^y", -8.0, 1 / 3, math.nan),
    ],
)
def test_extremes(text: str, x: float, y: float, value: float) -> None:
    formula, slots = parse(text), {"x": 0, "y": 1}
    for found in (
        compile_formula(formula, slots)((x, y)),
        compile_all([formula], slots)((x, y))[0],
        as_float(evaluate(formula, {"x": x, "y": y}.__getitem__)),
    ):
        assert found == value or math.isnan(found) == math.isnan(value) is True


DEEPER = {
    "negative": Negative,
    "sum": lambda part: Sum((Number("1"), part)),
    "quotient": lambda part: Quotient(Number("1"), part),
    "power": lambda part: Power(part, Number("2")),
    "sigmoid": lambda part: Call("sigmoid", (part,)),
    "gelu": lambda part: Call("gelu", (part,)),
    "cases": lambda part: Conditional(Comparison(part, ">", Number("0")), Name("x"), Number("2")),
    "branch": lambda part: Conditional(Comparison(Name("x"), ">", Number("0")), part, Number("2")),
}


@pytest.mark.parametrize("depth", [20, 39, 41, 150])
@pytest.mark.parametrize("kind", DEEPER)
def test_deep_formulas(kind: str, depth: int) -> None:
    formula: Formula = Name("x")
    for _ in range(depth):
        formula = DEEPER[kind](formula)
    found = compile_formula(formula, {"x": 0})((0.5,))
    assert found == pytest.approx(as_float(evaluate(formula, {"x": 0.5}.__getitem__)), rel=1e-9)


def test_a_checker_is_sent_to_another_process() -> None:
    path = Path(__file__).parent.parent.parent / "problems" / "two-hidden-layers.yaml"
    checker = Checker(read_problem(path), pass_mark=0.5, tolerance=0.01, reveal=True)
    other = pickle.loads(pickle.dumps(checker))
    answers = parse_submission("s.yaml", "answers: {z1_1: 5.02, dL/dw3_1_1: 0.0468}")
    assert other.mark(answers) == checker.mark(answers)
    assert other.pass_mark == 0.5
