"""Every slope in the table is the derivative of its formula: proved, and measured at extremes."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest
import sympy
from pieces import expression, is_zero

from backprop_cli.formula.build import names_in, rename, total
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.functions import FUNCTIONS
from backprop_cli.formula.nodes import Call, Name, Negative, Number, Quotient
from backprop_cli.formula.plain import write
from backprop_cli.rules.activations import (
    ACTIVATIONS,
    BY_ANY_NAME,
    SOFTMAX,
    find,
    softmax_formula,
    softmax_numeric,
    softmax_slope,
)
from backprop_cli.rules.kinks import flat_side

UNITWISE = [row for row in ACTIVATIONS.values() if not row.layerwise]
Z = sympy.Symbol("z", real=True)


def named(row):
    return row.name


@pytest.mark.parametrize("side", [Fraction(-3, 2), Fraction(3, 2)], ids=["left", "right"])
@pytest.mark.parametrize("row", UNITWISE, ids=named)
def test_slope_as_taught_is_the_derivative_of_the_formula(row, side):
    point = {"z": side, **{name: option.value for name, option in row.options.items()}}
    activation = expression(row.formula, point)
    slope = expression(row.slope, point, a=activation)
    assert is_zero(sympy.diff(activation, Z) - slope)


@pytest.mark.parametrize("side", [Fraction(-3, 2), Fraction(3, 2), Fraction(15, 2)], ids=str)
@pytest.mark.parametrize("row", [row for row in UNITWISE if row.also is not None], ids=named)
def test_what_is_written_otherwise_is_the_same(row, side):
    """Both are the same function on each side of a kink, and the same number on it."""
    formula = row.formula_with({})
    assert row.also != formula
    assert is_zero(expression(formula, {"z": side}) - expression(row.also, {"z": side}))
    assert evaluate(formula, {"z": Fraction(0)}.__getitem__) == evaluate(
        row.also, {"z": Fraction(0)}.__getitem__
    )


def test_softmax_with_indices_is_the_softmax_of_a_layer():
    """exp(z_i)/Σ_j exp(z_j), its sum written out over three units."""
    zs = [Name("z1"), Name("z2"), Name("z3")]
    whole = SOFTMAX.with_indices
    assert isinstance(whole, Quotient)
    assert isinstance(whole.denominator, Call)
    assert whole.denominator.function == "sum_j"
    [term] = whole.denominator.arguments
    for unit, z in enumerate(zs):
        above = rename(whole.numerator, {"z_i": z.name}.__getitem__)
        below = total(*(rename(term, {"z_j": other.name}.__getitem__) for other in zs))
        assert write(Quotient(above, below)) == write(softmax_formula(unit, zs))


@pytest.mark.parametrize("j", range(3))
@pytest.mark.parametrize("k", range(3))
def test_softmax_slopes_are_its_jacobian(j, k):
    zs = [Name("z1"), Name("z2"), Name("z3")]
    outputs = [expression(softmax_formula(unit, zs), {}) for unit in range(3)]
    names = [Name("a1"), Name("a2"), Name("a3")]
    slope = expression(softmax_slope(j, k, names), {}, a1=outputs[0], a2=outputs[1], a3=outputs[2])
    assert is_zero(sympy.diff(outputs[j], sympy.Symbol(f"z{k + 1}", real=True)) - slope)


# Written anew in mpmath, which has no trouble with large exponents.
def logistic(z):
    return 1 / (1 + mpmath.exp(-z))


IN_MPMATH = {
    "identity": lambda z: z,
    "sigmoid": logistic,
    "tanh": lambda z: 2 * logistic(2 * z) - 1,
    "relu": lambda z: max(z, mpmath.mpf(0)),
    "relu6": lambda z: min(max(z, mpmath.mpf(0)), mpmath.mpf(6)),
    "leaky_relu": lambda z: max(z, z / 100),
    "elu": lambda z: z if z > 0 else mpmath.expm1(z),
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
    "swish": lambda z: z * logistic(z),
    "gelu": lambda z: z * mpmath.ncdf(z),
    "gelu_tanh": lambda z: (
        z / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (z + mpmath.mpf("0.044715") * z**3)))
    ),
    "mish": lambda z: z * mpmath.tanh(mpmath.log1p(mpmath.exp(z))),
    "selu": lambda z: (
        mpmath.mpf("1.0507009873554805")
        * (z if z > 0 else mpmath.mpf("1.6732632423543772") * mpmath.expm1(z))
    ),
    "hard_sigmoid": lambda z: min(max(z / 6 + mpmath.mpf(1) / 2, mpmath.mpf(0)), mpmath.mpf(1)),
    "step": lambda z: mpmath.mpf(z >= 0),
    "sign": lambda z: mpmath.mpf(1 if z >= 0 else -1),
}


@pytest.mark.parametrize("z", [-700.0, -40.0, -6.25, -0.5, 0.375, 2.5, 36.0, 700.0])
@pytest.mark.parametrize("row", UNITWISE, ids=named)
def test_functions_and_their_slopes_are_right_at_extremes(row, z):
    with mpmath.workdps(700):
        value = IN_MPMATH[row.name](mpmath.mpf(z))
        slope = mpmath.diff(IN_MPMATH[row.name], mpmath.mpf(z), h=mpmath.mpf(10) ** -200)
    assert float(evaluate(row.call(Number(str(z))), {}.__getitem__)) == pytest.approx(
        float(value), rel=1e-12, abs=1e-300
    )
    assert float(evaluate(row.slope_call("z"), {"z": z}.__getitem__)) == pytest.approx(
        float(slope), rel=1e-12, abs=1e-300
    )


LEARNS = [row for row in UNITWISE if row.learns]


def slope_in_mpmath(row, z):
    with mpmath.workdps(700):
        return mpmath.diff(IN_MPMATH[row.name], mpmath.mpf(z), h=mpmath.mpf(10) ** -200)


@pytest.mark.parametrize("row", LEARNS, ids=named)
def test_where_a_row_is_flat(row):
    for z in (-20.0, -6.5, -3.5, -0.5, 0.5, 2.5, 3.5, 6.5, 20.0):
        side = flat_side(row.name, {}, z)
        assert (side is not None) == (slope_in_mpmath(row, z) == 0)
        if side is not None:
            relation, bound = side
            assert z < bound if relation == "<" else z > bound
            assert ACTIVATIONS[row.instead].learns


@pytest.mark.parametrize("row", LEARNS, ids=named)
def test_the_largest_slope_of_a_row(row):
    places = (-50, *(z / 2 for z in range(-16, 17)), 50)
    largest = max(slope_in_mpmath(row, z) for z in places)
    if row.steepest:
        assert float(largest) == pytest.approx(float(Fraction(row.steepest)), abs=1e-12)
    else:
        assert largest > 1 - 1e-12


def test_options_say_where_a_row_is_flat():
    assert flat_side("leaky_relu", {"slope": Number("0")}, -1.0) == ("<", 0)
    assert flat_side("leaky_relu", {}, -1.0) is None
    assert flat_side("relu", {}, 0) is None
    assert flat_side("relu", {}, None) is None


@pytest.mark.parametrize("z", [-3.0, -0.25, 0.5, 4.0])
@pytest.mark.parametrize("row", UNITWISE, ids=named)
def test_written_forms_have_the_value_of_the_function(row, z):
    point = {"z": z}
    point["a"] = float(evaluate(row.formula_with({}), point.__getitem__))
    assert point["a"] == pytest.approx(float(evaluate(row.call("z"), point.__getitem__)))
    slope = float(evaluate(row.slope_of("z", "a"), point.__getitem__))
    assert slope == pytest.approx(float(evaluate(row.slope_call("z"), point.__getitem__)))


@pytest.mark.parametrize("row", UNITWISE, ids=named)
def test_kinks_use_the_slope_that_the_convention_says(row):
    for kink in row.kinks:
        point = {name: option.value for name, option in row.options.items()}
        point["z"] = evaluate(kink.at, point.__getitem__)
        point["a"] = evaluate(row.formula, point.__getitem__)
        taught = evaluate(row.slope, point.__getitem__)
        assert taught == evaluate(row.slope_call("z"), point.__getitem__)
        assert kink.convention.endswith(".")


@pytest.mark.parametrize("row", UNITWISE, ids=named)
def test_bounds_hold(row):
    for z in (-50.0, -1.0, 0.0, 1.0, 50.0):
        value = evaluate(row.call(Number(str(z))), {}.__getitem__)
        assert row.low is None or value >= row.low.value
        assert row.high is None or value <= row.high.value


def test_rows_mention_only_z_a_and_their_options():
    for row in UNITWISE:
        assert set(names_in(row.formula)) <= {"z", *row.options}, row.name
        assert set(names_in(row.slope)) <= {"z", "a", *row.options}, row.name
        assert row.name in FUNCTIONS
        assert f"{row.name}'" in FUNCTIONS


def test_every_name_of_the_manual_is_found():
    listed = "identity linear sigmoid tanh relu leaky_relu elu softplus swish silu gelu step sign softmax"
    for name in listed.split():
        assert find(name) is not None
        assert name in BY_ANY_NAME
    assert find("linear") is find("identity")
    assert find("silu") is find("swish")
    assert find("sigmod") is None


def test_slopes_read_as_they_are_taught():
    taught = {
        "identity": "1",
        "sigmoid": "a*(1 - a)",
        "tanh": "1 - a^2",
        "relu": "1 if z > 0 else 0",
        "relu6": "0 if z <= 0 else 1 if z < 6 else 0",
        "leaky_relu": "1 if z > 0 else slope",
        "elu": "1 if z > 0 else a + alpha",
        "softplus": "sigmoid(z)",
        "swish": "a + sigmoid(z)*(1 - a)",
        "step": "0",
        "sign": "0",
    }
    assert {name: write(ACTIVATIONS[name].slope) for name in taught} == taught


def test_options_are_written_as_numbers():
    leaky = ACTIVATIONS["leaky_relu"]
    options = {"slope": Number("0.20")}
    assert (
        write(leaky.formula_with({"z": Name("z1_1"), **options}))
        == "z1_1 if z1_1 > 0 else 0.20*z1_1"
    )
    assert write(leaky.slope_of("z1_1", "a1_1", options)) == "1 if z1_1 > 0 else 0.20"
    assert write(leaky.call("z", options)) == "leaky_relu(z, 0.20)"
    assert write(leaky.call("z")) == "leaky_relu(z)"
    assert write(leaky.formula_with({"slope": Negative(Number("0.1"))})) == "z if z > 0 else -0.1*z"
    assert write(ACTIVATIONS["elu"].formula_with({})) == "z if z > 0 else exp(z) - 1"


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({}, "1 if z >= 0 else 0"),
        ({"threshold": Number("0.5")}, "1 if z >= 0.5 else 0"),
        ({"at_threshold": Number("0")}, "1 if z > 0 else 0"),
        ({"at_threshold": Number("0.5")}, "1 if z > 0 else 0.5 if z == 0 else 0"),
    ],
)
def test_a_step_is_written_with_as_few_cases_as_it_has(options, written):
    assert write(ACTIVATIONS["step"].formula_with(options)) == written


def test_softmax_of_large_logits():
    zs = [Name("z1"), Name("z2")]
    values = {"z1": 1000.0, "z2": 0.0}
    assert [evaluate(softmax_numeric(j, zs), values.__getitem__) for j in (0, 1)] == [1.0, 0.0]
    assert write(softmax_formula(0, zs)) == "exp(z1)/(exp(z1) + exp(z2))"
    assert write(softmax_slope(0, 1, [Name("a1"), Name("a2")])) == "-a1*a2"
    assert write(softmax_slope(1, 1, [Name("a1"), Name("a2")])) == "a2*(1 - a2)"


def test_rows_can_be_renamed_for_every_unit():
    sigmoid = ACTIVATIONS["sigmoid"].slope_of(Name("z"), "a")
    assert write(rename(sigmoid, lambda name: name + "2_1")) == "a2_1*(1 - a2_1)"
