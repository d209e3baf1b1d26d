"""Every row of the table of functions against mpmath, ordinary values and extremes."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import mpmath as mp
import pytest

from backprop_cli.formula.evaluate import exactly
from backprop_cli.formula.functions import FUNCTIONS, functions
from backprop_cli.formula.python import numeric

ONE_ARGUMENT: dict[str, Callable[[mp.mpf], mp.mpf]] = {
    "exp": mp.exp,
    "ln": mp.log,
    "log1p": mp.log1p,
    "sqrt": mp.sqrt,
    "abs": abs,
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "log2": lambda z: mp.log(z) / mp.log(2),
    "log10": mp.log10,
    "exp2": lambda z: mp.mpf(2) ** z,
    "asin": mp.asin,
    "acos": mp.acos,
    "atan": mp.atan,
    "floor": mp.floor,
    "stop": lambda z: z,
    "ceil": mp.ceil,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "erf": mp.erf,
    "erfc": mp.erfc,
    "expm1": mp.expm1,
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
    "relu": lambda z: max(z, mp.mpf(0)),
    "relu6": lambda z: min(max(z, mp.mpf(0)), mp.mpf(6)),
    "leaky_relu": lambda z: z if z > 0 else z * mp.mpf(1) / 100,
    "elu": lambda z: z if z > 0 else mp.expm1(z),
    "softplus": lambda z: mp.log(1 + mp.exp(z)),
    "swish": lambda z: z / (1 + mp.exp(-z)),
    "gelu": lambda z: z * mp.erfc(-z / mp.sqrt(2)) / 2,
    "gelu_tanh": lambda z: (
        z / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (z + mp.mpf("0.044715") * z**3)))
    ),
    "mish": lambda z: z * mp.tanh(mp.log1p(mp.exp(z))),
    "selu": lambda z: (
        mp.mpf("1.0507009873554805") * (z if z > 0 else mp.mpf("1.6732632423543772") * mp.expm1(z))
    ),
    "hard_sigmoid": lambda z: min(max(z / 6 + mp.mpf(1) / 2, mp.mpf(0)), mp.mpf(1)),
    "step": lambda z: mp.mpf(z >= 0),
    "sign": lambda z: mp.mpf(1 if z >= 0 else -1),
}
POINTS = ["-30", "-7.25", "-2", "-1", "-0.3", "-1e-9", "1e-9", "0.3", "0.5", "1", "2", "7.25", "30"]


@pytest.mark.parametrize("name", ONE_ARGUMENT)
@pytest.mark.parametrize("point", POINTS)
def test_values(name: str, point: str) -> None:
    z = float(point)
    if (name in ("ln", "log2", "log10", "sqrt") and z <= 0) or (name == "log1p" and z <= -1):
        return
    if name in ("asin", "acos") and abs(z) > 1:
        assert math.isnan(numeric(name)(z))
        return
    with mp.workdps(60):
        expected = float(ONE_ARGUMENT[name](mp.mpf(z)))
    assert numeric(name)(z) == pytest.approx(expected, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    "name", [row.name for row in functions() if row.name.endswith("'") and row.fewest == 1]
)
@pytest.mark.parametrize("point", POINTS)
def test_slopes_are_derivatives(name: str, point: str) -> None:
    z = float(point)
    with mp.workdps(80):
        # The step stays on one side of every kink.
        expected = float(
            mp.diff(ONE_ARGUMENT[name.removesuffix("'")], mp.mpf(z), h=mp.mpf("1e-30"))
        )
    assert numeric(name)(z) == pytest.approx(expected, rel=1e-13, abs=1e-25)


@pytest.mark.parametrize(
    ("name", "at_zero"),
    [
        ("relu'", 0), ("abs'", 0), ("leaky_relu'", 0.01), ("elu'", 1), ("step'", 0), ("sign'", 0),
        ("step", 1), ("sign", 1), ("sigmoid'", 0.25), ("tanh'", 1), ("swish'", 0.5), ("gelu'", 0.5),
        ("relu6'", 0),
    ],
)  # fmt: skip
def test_conventions_at_zero(name: str, at_zero: float) -> None:
    assert numeric(name)(0.0) == at_zero
    assert exactly(name, Fraction(0)) == Fraction(str(at_zero))


@pytest.mark.parametrize(
    ("name", "z", "value"),
    [
        ("sigmoid", 1000, 1), ("sigmoid", -1000, 0), ("sigmoid'", 1000, 0), ("sigmoid'", -1000, 0),
        ("softplus", 1000, 1000), ("softplus", -1000, 0), ("softplus'", -1000, 0),
        ("tanh'", 1000, 0), ("swish", -1e308, 0), ("swish'", -1e308, 0), ("gelu", -1e308, 0),
        ("gelu'", 1e308, 1), ("elu", -1000, -1), ("exp", 1000, math.inf), ("exp", -1000, 0),
        ("cosh", -1000, math.inf), ("sinh", -1000, -math.inf), ("ln", 0, -math.inf),
        ("log1p", -1, -math.inf), ("log2", 0, -math.inf), ("log10", math.inf, math.inf),
        ("exp2", 5000, math.inf), ("floor", -math.inf, -math.inf),
    ],
)  # fmt: skip
def test_extremes(name: str, z: float, value: float) -> None:
    assert numeric(name)(float(z)) == value


@pytest.mark.parametrize("z", [700.0, 36.0, -36.0, -700.0])
def test_saturated_slopes_keep_their_digits(z: float) -> None:
    with mp.workdps(700):
        slope = float(mp.exp(-z) / (1 + mp.exp(-z)) ** 2)
    assert numeric("sigmoid'")(z) == pytest.approx(slope, rel=1e-13)


def test_nothing_raises() -> None:
    values = [0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan]
    for row in functions():
        for count in range(row.fewest, min(3, row.most if row.most is not None else 3) + 1):
            for shift in range(len(values)):
                arguments = [values[(shift + 3 * place) % len(values)] for place in range(count)]
                assert isinstance(numeric(row.name)(*arguments), float), (row.name, arguments)


def test_exact_agrees_with_numeric() -> None:
    points = [Fraction(n, 4) for n in range(-8, 9)]
    for row in functions():
        if row.fewest != 1:
            continue
        for z in points:
            exact = exactly(row.name, z)
            if exact is not None:
                assert float(exact) == pytest.approx(numeric(row.name)(float(z)), rel=1e-15), (
                    row.name
                )


def test_several_arguments() -> None:
    share = numeric("max_share")
    assert [share(2.0, 1.0), share(2.0, 2.0), share(1.0, 2.0), share(3.0, 3.0, 3.0)] == [
        1, 0.5, 0, pytest.approx(1 / 3),
    ]  # fmt: skip
    assert numeric("min_share")(1.0, 2.0) == 1
    assert numeric("logsumexp")(1000.0, 1000.0) == pytest.approx(1000 + math.log(2))
    assert numeric("logsumexp")(-1000.0, 0.0) == 0
    assert numeric("leaky_relu")(-2.0, 0.5) == -1
    assert numeric("step")(0.5, 0.5, 0.0) == 0
    assert math.isnan(numeric("max")(1.0, math.nan))
    clip, slope = numeric("clip"), numeric("clip'")
    assert [clip(z, -1.0, 2.0) for z in (-3.0, 0.5, 7.0)] == [-1, 0.5, 2]
    assert [slope(z, -1.0, 2.0) for z in (-3.0, -1.0, 0.5, 2.0, 7.0)] == [0, 0, 1, 0, 0]
    assert numeric("relu6'")(6.0) == 0
    assert numeric("atan2")(1.0, -1.0) == pytest.approx(3 * math.pi / 4)


@pytest.mark.parametrize(
    ("name", "z", "value"),
    [("log2", Fraction(8), 3), ("log2", Fraction(1, 4), -2), ("log2", Fraction(3), None),
     ("log2", Fraction(4, 3), None), ("log10", Fraction(1000), 3), ("log10", Fraction(1), 0),
     ("exp2", Fraction(-3), Fraction(1, 8)), ("exp2", Fraction(1, 2), None),
     ("floor", Fraction(-3, 2), -2), ("ceil", Fraction(-3, 2), -1)],
)  # fmt: skip
def test_whole_powers_stay_exact(name: str, z: Fraction, value: Fraction | None) -> None:
    assert exactly(name, z) == value


def test_names_are_said_once() -> None:
    names = [name for row in functions() for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))
    assert FUNCTIONS["σ"] is FUNCTIONS["sigmoid"]
    assert FUNCTIONS["ReLU'"] is FUNCTIONS["relu'"]
