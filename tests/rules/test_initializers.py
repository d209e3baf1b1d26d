"""Drawn weights: the same on every machine, spread as the table says."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import fmean, stdev

import pytest

from backprop_cli.formula.nodes import Number
from backprop_cli.rules.initializers import INITIALIZERS, draws


def values(name: str, count: int = 4000, **options: str) -> list[float]:
    rule = INITIALIZERS[name]
    given = {key: value for key, value in rule.options.items() if value is not None}
    given |= {key: Number(text) for key, text in options.items()}
    (row,) = draws(rule, 1, count, fan_in=8, fan_out=4, options=given, seed=3, decimals=6)
    return [float(value.value) for value in row]


def test_uniform() -> None:
    drawn = values("uniform", low="-2", high="4")
    assert -2 <= min(drawn) < -1.99
    assert 3.99 < max(drawn) < 4
    assert fmean(drawn) == pytest.approx(1, abs=0.1)


def test_normal() -> None:
    drawn = values("normal", mean="1", std="2")
    assert fmean(drawn) == pytest.approx(1, abs=0.1)
    assert stdev(drawn) == pytest.approx(2, rel=0.05)
    within = sum(abs(value - 1) < 2 for value in drawn) / len(drawn)
    assert within == pytest.approx(0.6827, abs=0.02)  # one standard deviation to each side


def test_xavier_and_he_follow_the_fans() -> None:
    bound = math.sqrt(6 / (8 + 4))
    drawn = values("xavier")
    assert bound * 0.99 < max(drawn) < bound
    assert stdev(values("he")) == pytest.approx(math.sqrt(2 / 8), rel=0.05)


def test_zeros_and_constants() -> None:
    assert set(values("zeros")) == {0.0}
    assert set(values("constant", value="0.25")) == {0.25}


def test_the_first_numbers_of_a_seed_never_change() -> None:
    # random.Random(7).random() is 0.32383276483316237 on every Python since 3.2.
    rule = INITIALIZERS["uniform"]
    options = {"low": Number("-0.1"), "high": Number("0.1")}
    ((first, second),) = draws(rule, 1, 2, fan_in=2, fan_out=1, options=options, seed=7)
    assert first == Number("-0.0352")  # −0.1 + 0.2·0.3238 = −0.03523
    assert Fraction(second.text) == second.value


@pytest.mark.parametrize("name", ["uniform", "normal", "xavier", "he"])
def test_a_seed_says_everything(name: str) -> None:
    assert values(name, 50) == values(name, 50)


def test_numbers_are_short_enough_to_be_worked_with_by_hand() -> None:
    rule = INITIALIZERS["normal"]
    options = {"mean": Number("0"), "std": Number("0.1")}
    (row,) = draws(rule, 1, 200, fan_in=1, fan_out=1, options=options, seed=1)
    for value in row:
        assert len(value.text.lstrip("-")) <= 6
        assert value.text != "-0"
        assert not value.text.endswith(".")
