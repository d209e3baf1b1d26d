"""How a number is written: whole where it is short, else rounded and marked, never −0."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any

import ours
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from strategies import Problem, examples

from backprop_cli.formula import plain, unicode
from backprop_cli.formula.arithmetic import Value, round_to
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.parse import parse
from backprop_cli.formula.spelling import spell
from backprop_cli.problem.read import read_problem
from backprop_cli.render.reading import spoken
from backprop_cli.run import solve
from backprop_cli.worksheet.numbers import Shown, in_a_sentence, put_in, shown, signed
from backprop_cli.worksheet.sheet import Choices, Sheet


def read(written: Shown) -> str:
    """As it stands on a sheet: `≈ −0.3333`."""
    return f"{written.sign} {unicode.write(written.formula, spell)}"


@pytest.mark.parametrize(
    ("value", "page"),
    [
        (Fraction(1, 3), "≈ 0.3333"),
        (Fraction(-1, 3), "≈ −0.3333"),
        (Fraction(2, 3), "≈ 0.6667"),
        (Fraction(251, 50), "= 5.02"),
        (Fraction(-1, 8), "= −0.125"),
        (Fraction(22142, 10000), "= 2.2142"),  # two digits more than asked for: still short
        (Fraction(1234567, 1000000), "≈ 1.235"),
        (0.1 + 0.2, "≈ 0.3000"),
        (0.5, "= 0.5"),
        (0.99996, "= 0.99996"),
        (0.9999612345, "≈ 1.000"),
        (9.99962345, "≈ 10.00"),
        (Fraction(12345), "= 12345"),
        (Fraction(123456789), "= 123456789"),
        (Fraction(123456, 10), "= 12345.6"),
        (12345.678, "≈ 12346"),  # digits before the point are never zeros that are none
        (1234567.89, "≈ 1234568"),
        (12345678.9, "≈ 1.235×10⁷"),
        (Fraction(10) ** 12, "= 1×10¹²"),
        (Fraction(1, 10000), "= 0.0001"),
        (Fraction(1, 100000), "= 1×10⁻⁵"),
        (0.00012345678, "≈ 0.0001235"),
        (0.000012345678, "≈ 1.235×10⁻⁵"),
        (5e-324, "= 5×10⁻³²⁴"),
        (Fraction(0), "= 0"),
        (-0.0, "= 0"),
        (math.inf, "= inf"),
        (-math.inf, "= −inf"),
    ],
)
def test_four_significant_digits(value: Value, page: str) -> None:
    assert read(shown(value, 4)) == page


@pytest.mark.parametrize(
    ("value", "page"),
    [
        (Fraction(1, 3), "= 1/3"),
        (Fraction(-22, 7), "= −22/7"),
        (Fraction(6), "= 6"),
        (Fraction(1, 10**9), "= 1×10⁻⁹"),  # too long for a fraction
        (0.5, "= 0.5"),  # a float has left exact arithmetic
    ],
)
def test_fractions_where_they_exist(value: Value, page: str) -> None:
    assert read(shown(value, 4, fractions=True)) == page


VALUES = st.one_of(
    st.fractions(max_denominator=10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-1000, 1000, places=3).map(Fraction),
)
DIGITS = st.integers(1, 12)


@given(VALUES, DIGITS)
def test_what_is_marked_as_exact_is_exact_and_the_rest_is_rounded(
    value: Value, digits: int
) -> None:
    written = shown(value, digits)
    read_back = Fraction(plain.write(written.formula))
    # A float stands for the shortest decimal that names it.
    exact = Fraction(repr(value)) if isinstance(value, float) else value
    if written.exact:
        assert read_back == exact
    else:
        assert abs(read_back - exact) <= abs(exact) * Fraction(1, 2) / 10 ** (digits - 1)
        whole = math.floor(abs(exact) + Fraction(1, 2))
        assert abs(read_back) in (abs(round_to(value, digits)), whole)


def no_names(name: str) -> Fraction:
    raise AssertionError(name)


@given(VALUES, DIGITS)
def test_there_is_no_minus_zero_and_no_plus_sign(value: Value, digits: int) -> None:
    text = plain.write(shown(value, digits).formula)
    assert not text.startswith("+")
    assert text != "-0" if value == 0 else text.strip("-0.") != ""


@given(VALUES, DIGITS)
def test_rounding_is_half_away_from_zero_as_on_paper(value: Value, digits: int) -> None:
    exact = Fraction(repr(value)) if isinstance(value, float) else value
    by_hand = Context(prec=digits, rounding=ROUND_HALF_UP).divide(
        Decimal(exact.numerator), Decimal(exact.denominator)
    )
    assert round_to(value, digits) == Fraction(by_hand)


@pytest.mark.parametrize(
    ("value", "digits", "rounded"),
    [("0.125", 2, "0.13"), ("-0.125", 2, "-0.13"), ("2.5", 1, "3"), ("1.005", 3, "1.01")],
)
def test_halves(value: str, digits: int, rounded: str) -> None:
    assert round_to(Fraction(value), digits) == Fraction(rounded)
    assert round_to(float(value), digits) == Fraction(rounded)


# ---------------------------------------------------------------- numbers put in


def substituted(formula: str, digits: int = 4, **values: str) -> str:
    """The formula with values put in, as a sheet of so many digits shows it."""
    exact = {name: Fraction(value) for name, value in values.items()}
    tree = parse(formula)
    result = evaluate(tree, exact.__getitem__)

    def numbers(wanted: int) -> dict[str, Any]:
        return {name: shown(value, wanted).formula for name, value in exact.items()}

    return unicode.write(put_in(tree, numbers, result, digits), spell)


@pytest.mark.parametrize(
    ("formula", "values", "page"),
    [
        ("w*x + b", {"w": "0.5", "x": "2", "b": "-1"}, "0.5·2 − 1"),
        ("w*x + b", {"w": "-0.5", "x": "-2", "b": "0"}, "(−0.5)·(−2) + 0"),
        ("x - y", {"x": "1", "y": "-2"}, "1 − (−2)"),
        ("x^2", {"x": "-3"}, "(−3)²"),
        ("-x", {"x": "-3"}, "−(−3)"),
        ("-y/x", {"x": "0.5", "y": "0"}, "0/0.5"),  # nobody writes −0
        ("-x*y + z", {"x": "0", "y": "3", "z": "1"}, "0·3 + 1"),
        # One operand needs more digits, or 1 − 0.9998 would have to give 0.0001543.
        ("1 - x", {"x": "0.99984567123"}, "1 − 0.9998457"),
    ],
)
def test_numbers_put_in(formula: str, values: dict[str, str], page: str) -> None:
    assert substituted(formula, **values) == page


@examples(10, 100)
@given(strategies.networks(max_hidden=2, max_units=3), st.integers(3, 6))
def test_the_operands_shown_give_the_result_shown(problem: Problem, digits: int) -> None:
    """Someone with a pocket calculator gets every number on the sheet from those beside it."""
    run = ours.run(problem)
    sheet = Sheet(run, run.iterations[0], Choices(digits=digits))
    for step in sheet.graph.steps:
        numbers, value = sheet.substituted(step), sheet.value(step.name)
        assert numbers is not None
        assert value is not None
        if step.numeric is not None and "exp" in plain.write(step.formula):
            continue  # softmax and log-loss are evaluated in a form that is right at extremes
        typed = parse(plain.write(numbers))
        got = evaluate(typed, no_names)
        assert round_to(got, digits) == round_to(value, digits) or close(got, value, digits), (
            step.name,
            plain.write(numbers),
        )


def close(got: Value, value: Value, digits: int) -> bool:
    """Equal in the last digit shown, or as good as zero where terms cancel: thirds have no end."""
    difference = abs(float(got) - float(value))
    return difference <= abs(float(value)) * 10.0 ** (1 - digits) or difference <= 1e-9


def test_a_negative_number_keeps_its_sign_in_front() -> None:
    assert plain.write(signed("0.5", True)) == "-0.5"


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0208, "0.0208"), (-1.0, "−1"), (3.981e-7, "3.981×10⁻⁷"), (-1.268e307, "−1.268×10³⁰⁷")],
)
def test_numbers_in_a_sentence(value: float, words: str) -> None:
    assert spoken(in_a_sentence(value), spell) == words


def test_a_float_is_whole_only_if_it_is_short() -> None:
    assert shown(0.125, 15).sign == "="
    assert plain.write(shown(0.7344390311329086, 15).formula) == "0.734439031132909"
    assert shown(0.7344390311329086, 15).sign == "≈"


def test_what_is_too_small_for_all_digits_of_a_float_is_not_whole() -> None:
    text = "equations: {a: exp(x), L: a*w}\ngiven: {x: -744}\nparameters: {w: 1}\n"
    run = solve(read_problem("small.yaml", text))
    written = Sheet(run, run.iterations[0], Choices()).shown("a")
    assert written is not None
    assert written.sign == "≈"  # e⁻⁷⁴⁴ is 7.67·10⁻³²⁴, and 1e-323 the nearest float
