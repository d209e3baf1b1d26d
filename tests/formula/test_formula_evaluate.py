"""Values of formulas: exact on paper, IEEE at the edges, quick on absurd exponents."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import mpmath as mp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import formulas

from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.nodes import Formula, Matrix, Name, Number, Product, Sum
from backprop_cli.formula.parse import parse


def value(text: str, **values: Fraction | float) -> Fraction | float:
    return evaluate(parse(text, names=values), values.__getitem__)


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("0.5*1 - 0.3*2 + 0.1", Fraction(0)),
        ("0.42*6 + 0.72*2 + 0.21*5 + 0.01", Fraction(502, 100)),
        ("1/3 + 1/6", Fraction(1, 2)),
        ("(1/3)^-2", Fraction(9)),
        ("(0.7 - 1)^2/2", Fraction(9, 200)),
        ("2^64", Fraction(2**64)),
        ("sqrt(0.25) + (9/16)^0.5", Fraction(5, 4)),
        ("relu(-3) + leaky_relu(-3) + max(1/3, 0.3)", Fraction(1, 3) - Fraction(3, 100)),
        ("sigmoid(0) + exp(0) + ln(1) + tanh'(0)", Fraction(5, 2)),
        ("1 if 0.1 + 0.2 == 0.3 else 0", Fraction(1)),
        ("3*[2 > 1] + [2 < 1]", Fraction(3)),
        ("max_share(2, 2)", Fraction(1, 2)),
    ],
)
def test_exact_as_on_paper(text: str, exact: Fraction) -> None:
    result = value(text)
    assert isinstance(result, Fraction)
    assert result == exact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1/0", math.inf),
        ("-1/0", -math.inf),
        ("0/0", math.nan),
        ("ln(0)", -math.inf),
        ("ln(-1)", math.nan),
        ("0*ln(0)", 0),
        ("-0*ln(0)", 0),
        ("(1 - 1)*(-ln(0))", 0),
        ("0*(1/0)", math.nan),
        ("(-8)^(1/3)", math.nan),
        ("0^0", 1),
        ("0^-1", math.inf),
        ("9**9**9", math.inf),
        ("-9**9**9", -math.inf),
        ("0.5**9**9**9", 0),
        ("1**9**9**9", 1),
        ("1e400*1e400", math.inf),
        ("1e-400", 0),
        ("exp(1e5)", math.inf),
    ],
)
def test_edges(text: str, expected: float) -> None:
    result = value(text)
    assert float(result) == expected or (math.isnan(result) and math.isnan(expected))


def test_a_number_with_an_absurd_exponent_is_not_written_out() -> None:
    begin = time.process_time()
    assert evaluate(Number("1e999999999"), dict[str, float]().__getitem__) == math.inf
    assert time.process_time() - begin < 1


def test_long_fractions_go_on_as_floats() -> None:
    result: Fraction | float = Fraction(1, 3)
    for _ in range(400):
        result = value("x*x + 1/7", x=result)
    assert isinstance(result, float)
    assert value("x + 0.5", x=2) == Fraction(5, 2)


def test_many_fractions_that_share_nothing_are_added_quickly() -> None:
    terms = tuple(Name(str(place)) for place in range(5_000))
    begin = time.process_time()
    result = evaluate(Sum(terms), lambda name: Fraction(1, 2**200 + 2 * int(name) + 1))
    product = evaluate(Product(terms), lambda name: Fraction(2**200, 2**200 + 2 * int(name) + 1))
    assert time.process_time() - begin < 5
    assert float(result) == pytest.approx(5_000 / 2**200)
    assert float(product) == pytest.approx(1)


def test_a_matrix_has_no_value() -> None:
    with pytest.raises(TypeError):
        evaluate(Matrix(((Number("1"),),)), dict[str, float]().__getitem__)


@given(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4))
@settings(max_examples=100, deadline=None)
def test_floats_agree_with_mpmath(numbers: list[float]) -> None:
    w, x, b, y = numbers
    result = value("half*(sigmoid(w*x + b) - y)^2", half=Fraction(1, 2), w=w, x=x, b=b, y=y)
    with mp.workdps(50):
        a = 1 / (1 + mp.exp(-(mp.mpf(w) * x + b)))
        expected = (a - y) ** 2 / 2
    assert float(result) == pytest.approx(float(expected), rel=1e-9, abs=1e-12)


@given(formulas, st.lists(st.sampled_from([0, 1, -1, 0.5, 1e200, -1e200, math.inf]), min_size=10))
@settings(max_examples=300, deadline=None)
def test_nothing_raises_and_fractions_stay_short(formula: Formula, values: list[float]) -> None:
    result = evaluate(formula, lambda name: values[sum(map(ord, name)) % len(values)])
    if isinstance(result, Fraction):
        assert max(result.numerator.bit_length(), result.denominator.bit_length()) <= 256
    else:
        assert isinstance(result, float)
