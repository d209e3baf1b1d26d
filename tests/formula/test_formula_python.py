"""Generated source computes what `evaluate` computes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import NAMES, formulas

from backprop_cli.formula import python
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Formula, Name, Product, Sum
from backprop_cli.formula.parse import parse


def run(formula: Formula, values: dict[str, float]) -> float:
    source = python.write(formula, lambda name: "q_" + name)
    code = compile(source, "<formula>", "eval")
    found = eval(code, python.scope(code), {"q_" + name: v for name, v in values.items()})
    return float(found)


EXTREME = st.sampled_from([0.0, 1.0, -1.0, 0.5, -3.25, 700.0, -800.0, 1e200, math.inf, -math.inf])


@given(formulas, st.lists(st.one_of(st.floats(-5, 5), EXTREME), min_size=10, max_size=10))
@settings(max_examples=400, deadline=None)
def test_source_never_raises_and_agrees(formula: Formula, numbers: list[float]) -> None:
    values = dict(zip(NAMES, numbers, strict=True))
    found = run(formula, values)
    # Exact fractions may tell 0 from almost 0, so compare what the floats alone decide.
    expected = as_float(evaluate(formula, values.__getitem__))
    if math.isfinite(expected) and math.isfinite(found) and not _touchy(formula):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def _touchy(formula: Formula) -> bool:
    """Whether a last digit can make all the difference: kinks, quotients, huge numbers."""
    text = repr(formula)
    return any(
        word in text
        for word in ("Comparison", "Quotient", "Power", "relu'", "sign", "e12", "Negative")
    )


@pytest.mark.parametrize("z", [0.0, 5.0, -5.0, 710.0, -710.0, -745.0, 1e308, math.inf, -math.inf])
@pytest.mark.parametrize("text", ["sigmoid(z)", "sigmoid(z + 0)", "relu(z)", "tanh(z)", "abs(z)"])
def test_inlined_activations(text: str, z: float) -> None:
    formula = parse(text)
    expected = as_float(evaluate(formula, {"z": z}.__getitem__))
    assert run(formula, {"z": z}) == pytest.approx(expected, rel=1e-15)


def test_readable_source() -> None:
    written = python.write(parse("0.5*(w*x - y)^2/3"), lambda name: name)
    assert written == "((0.5*((f_t := ((w*x) - y))*f_t))/3.0)"


def test_zero_times_a_logarithm() -> None:
    assert run(parse("y*ln(p) + (1 - y)*ln(1 - p)"), {"y": 0.0, "p": 0.0}) == 0
    assert run(parse("y*ln(p)"), {"y": 1.0, "p": 0.0}) == -math.inf


@pytest.mark.parametrize("node", [Sum, Product])
def test_very_long_sums_and_products_compile(node: type[Sum] | type[Product]) -> None:
    formula = node(tuple(Name("x") for _ in range(20_000)))
    assert run(formula, {"x": 1.0}) == (20_000 if node is Sum else 1)


@pytest.mark.parametrize("x", [0.0, -0.0, 3.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("y", [0.0, -0.0, 2.0, math.inf])
def test_divisions_and_roots_of_names(x: float, y: float) -> None:
    """What is written out without a call has the same values, the sign of 1/-0 among them."""
    for text in ("x/y", "sqrt(x)", "x/(1 + exp(y))", "exp(-abs(x))/y", "x/(y^2 + 1)"):
        formula = parse(text)
        expected = as_float(evaluate(formula, {"x": x, "y": y}.__getitem__))
        found = run(formula, {"x": x, "y": y})
        assert found == expected or math.isnan(found) == math.isnan(expected) is True, text
