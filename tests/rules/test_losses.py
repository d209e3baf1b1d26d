"""Every loss slope is the derivative of its term, and the combined slopes are products of slopes."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest
import sympy
from pieces import expression, is_zero

from backprop_cli.formula.build import names_in
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.nodes import Name, Number
from backprop_cli.formula.plain import write
from backprop_cli.rules.activations import softmax_formula
from backprop_cli.rules.losses import (
    BY_ANY_NAME,
    COMBINED,
    LOSSES,
    combined_slope,
    find,
    loss_formula,
    loss_slope,
    saturated_slope,
    stable,
)

ROWS = list(LOSSES.values())
# Both sides of every kink: ŷ above and below y, near and far (huber), margin kept or not (hinge).
POINTS = [
    {"y": Fraction(1, 4), "yhat": Fraction(1, 2)},
    {"y": Fraction(3, 4), "yhat": Fraction(1, 2)},
    {"y": Fraction(3), "yhat": Fraction(1, 2)},
    {"y": Fraction(-3), "yhat": Fraction(1, 2)},
]


def named(row):
    return row.name


@pytest.mark.parametrize("point", POINTS, ids=str)
@pytest.mark.parametrize("row", ROWS, ids=named)
def test_slope_as_taught_is_the_derivative_of_the_loss(row, point):
    values = {"y1": point["y"], "yhat1": point["yhat"], "y2": Fraction(1), "yhat2": Fraction(1, 3)}
    for outputs, targets in ((["yhat1"], ["y1"]), (["yhat1", "yhat2"], ["y1", "y2"])):
        loss = expression(loss_formula(row, outputs, targets), values)
        slope = expression(loss_slope(row, "yhat1", "y1", len(outputs)), values)
        assert is_zero(sympy.diff(loss, sympy.Symbol("yhat1", real=True)) - slope)


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_the_row_s_own_slope_is_the_derivative_of_its_term(row):
    options = {name: option.value for name, option in row.options.items()}
    point = {**POINTS[0], "m": Fraction(3), **options}
    term = expression(row.term, point)
    factor = expression(row.factor, point) if row.factor else sympy.Integer(1)
    if row.per_output:
        factor = factor / sympy.Symbol("m", real=True)
    if row.minus:
        factor = -factor
    slope = expression(row.slope, point)
    assert is_zero(factor * sympy.diff(term, sympy.Symbol("yhat", real=True)) - slope)


def test_rows_mention_only_their_names():
    for row in ROWS:
        assert set(names_in(row.term)) <= {"y", "yhat", *row.options}, row.name
        assert set(names_in(row.slope)) <= {"y", "yhat", "m", *row.options}, row.name


@pytest.mark.parametrize("delta", ["0.5", "2"])
def test_huber_joins_smoothly(delta):
    huber, options = LOSSES["huber"], {"delta": Number(delta)}
    loss, slope = (
        loss_formula(huber, ["yhat"], ["y"], options),
        loss_slope(huber, "yhat", "y", 1, options),
    )
    edge = Fraction(delta)
    for sign in (1, -1):
        inside = {"y": Fraction(0), "yhat": sign * edge}
        outside = {"y": Fraction(0), "yhat": sign * (edge + Fraction(1, 10**9))}
        for formula in (loss, slope):
            left, right = (evaluate(formula, at.__getitem__) for at in (inside, outside))
            assert abs(float(left - right)) < 1e-8


@pytest.mark.parametrize("name", ["absolute_error", "hinge"])
def test_kinks_use_slope_zero_as_their_convention_says(name):
    (kink,) = LOSSES[name].kinks
    assert "0 is used there" in kink.convention
    at = {"y": Fraction(1), "yhat": Fraction(1)}
    assert evaluate(kink.quantity, at.__getitem__) == evaluate(kink.at, at.__getitem__)
    assert evaluate(LOSSES[name].slope, at.__getitem__) == 0


def test_losses_are_written_as_on_paper():
    def one(name):
        return write(loss_formula(LOSSES[name], ["yhat"], ["y"]))

    def two(name):
        return write(loss_formula(LOSSES[name], ["yhat1", "yhat2"], ["y1", "y2"]))

    assert one("squared_error") == "(y - yhat)^2"
    assert one("half_squared_error") == "1/2*(y - yhat)^2"
    assert two("half_squared_error") == "1/2*((y1 - yhat1)^2 + (y2 - yhat2)^2)"
    assert one("mean_squared_error") == "(y - yhat)^2"
    assert two("mean_squared_error") == "1/2*((y1 - yhat1)^2 + (y2 - yhat2)^2)"
    assert one("binary_cross_entropy") == "-(y*ln(yhat) + (1 - y)*ln(1 - yhat))"
    assert two("cross_entropy") == "-(y1*ln(yhat1) + y2*ln(yhat2))"


def test_slopes_read_as_they_are_taught():
    def slope(name, m=1):
        return write(loss_slope(LOSSES[name], "yhat", "y", m))

    assert slope("squared_error") == "-2*(y - yhat)"
    assert slope("half_squared_error") == "yhat - y"
    assert slope("mean_squared_error") == "2*(yhat - y)"
    assert slope("mean_squared_error", 3) == "2/3*(yhat - y)"
    assert slope("mean_squared_error", 4) == "1/2*(yhat - y)"
    assert slope("binary_cross_entropy") == "-y/yhat + (1 - y)/(1 - yhat)"
    assert slope("cross_entropy") == "-y/yhat"


def test_sigmoid_and_cross_entropy_combine():
    z = sympy.Symbol("z", real=True)
    y = sympy.Symbol("y", real=True)
    yhat = 1 / (1 + sympy.exp(-z))
    row = LOSSES["binary_cross_entropy"]
    product = expression(row.slope, {}, yhat=yhat) * sympy.diff(yhat, z)
    combined = combined_slope("binary_cross_entropy", "sigmoid", "yhat", "y")
    assert write(combined) == "yhat - y"
    assert is_zero(product - expression(combined, {}, yhat=yhat, y=y))


@pytest.mark.parametrize("j", range(3))
def test_softmax_and_cross_entropy_combine(j):
    zs = [Name(f"z{k + 1}") for k in range(3)]
    outputs = {f"yhat{k + 1}": expression(softmax_formula(k, zs), {}) for k in range(3)}
    targets = ["y1", "y2", "y3"]
    loss = expression(loss_formula(LOSSES["cross_entropy"], list(outputs), targets), {}, **outputs)
    derivative = sympy.diff(loss, sympy.Symbol(f"z{j + 1}", real=True))

    general = combined_slope(
        "cross_entropy", "softmax", f"yhat{j + 1}", targets[j], targets, targets_sum_to_one=False
    )
    assert write(general) == f"yhat{j + 1}*(y1 + y2 + y3) - y{j + 1}"
    assert is_zero(derivative - expression(general, {}, **outputs))

    short = combined_slope("cross_entropy", "softmax", f"yhat{j + 1}", targets[j], targets)
    assert write(short) == f"yhat{j + 1} - y{j + 1}"
    y1, y2, y3 = (sympy.Symbol(name, real=True) for name in targets)
    difference = derivative - expression(short, {}, **outputs)
    assert is_zero(difference.subs(y3, 1 - y1 - y2))


def test_only_pairs_of_the_table_combine():
    assert set(COMBINED) == {
        ("binary_cross_entropy", "sigmoid"),
        ("cross_entropy", "sigmoid"),
        ("cross_entropy", "softmax"),
    }
    assert combined_slope("squared_error", "sigmoid", "yhat", "y") is None


@pytest.mark.parametrize("z", [-1000.0, -40.0, -0.5, 3.0, 1000.0])
@pytest.mark.parametrize("y", [0, 1, Fraction(1, 4)])
def test_log_loss_is_right_at_saturation(z, y):
    formula = stable(LOSSES["binary_cross_entropy"], "sigmoid", ["z"], ["y"])
    with mpmath.workdps(500):
        yhat = 1 / (1 + mpmath.exp(-mpmath.mpf(z)))
        target = mpmath.mpf(y.numerator) / y.denominator
        exact = -(target * mpmath.log(yhat) + (1 - target) * mpmath.log(1 - yhat))
    value = float(evaluate(formula, {"z": z, "y": Fraction(y)}.__getitem__))
    assert value == pytest.approx(float(exact), rel=1e-14, abs=1e-300)


@pytest.mark.parametrize("z", [-1000.0, -0.5, 1000.0])
def test_cross_entropy_of_a_saturated_sigmoid(z):
    formula = stable(LOSSES["cross_entropy"], "sigmoid", ["z"], ["y"])
    with mpmath.workdps(500):
        exact = mpmath.log(1 + mpmath.exp(-mpmath.mpf(z)))
    value = float(evaluate(formula, {"z": z, "y": Fraction(1)}.__getitem__))
    assert value == pytest.approx(float(exact), rel=1e-14, abs=1e-300)
    slope = combined_slope("cross_entropy", "sigmoid", "yhat", "y")
    assert write(slope) == "-y*(1 - yhat)"


@pytest.mark.parametrize("name", ["binary_cross_entropy", "cross_entropy"])
@pytest.mark.parametrize("y", [0, Fraction(1, 4), 1])
@pytest.mark.parametrize("yhat", [0.0, 0.25, 1.0])
def test_a_term_without_target_has_no_slope_at_saturation(name, y, yhat):
    values = {"y": Fraction(y), "yhat": yhat}.__getitem__
    taught = float(evaluate(loss_slope(LOSSES[name], "yhat", "y"), values))
    safe = float(evaluate(saturated_slope(LOSSES[name], "yhat", "y"), values))
    if taught == taught:
        assert safe == taught
    elif name == "cross_entropy":
        assert (y, yhat, safe) == (0, 0.0, 0.0)
    else:
        assert (y, yhat, safe) in ((0, 0.0, 1.0), (1, 1.0, -1.0))


@pytest.mark.parametrize("zs", [(1000.0, 0.0), (0.0, 1000.0), (0.5, -0.25), (-800.0, -801.0)])
def test_cross_entropy_of_large_logits(zs):
    formula = stable(LOSSES["cross_entropy"], "softmax", ["z1", "z2"], ["y1", "y2"])
    values = {"z1": zs[0], "z2": zs[1], "y1": Fraction(1), "y2": Fraction(0)}
    with mpmath.workdps(500):
        exact = mpmath.log(1 + mpmath.exp(mpmath.mpf(zs[1]) - mpmath.mpf(zs[0])))
    value = float(evaluate(formula, values.__getitem__))
    assert value == pytest.approx(float(exact), rel=1e-12, abs=1e-15)


def test_only_losses_with_a_stable_form_have_one():
    assert stable(LOSSES["squared_error"], "sigmoid", ["z"], ["y"]) is None
    many = [f"z{k}" for k in range(40)]
    wide = stable(LOSSES["cross_entropy"], "softmax", many, [f"y{k}" for k in range(40)])
    assert wide is not None


def test_every_name_of_the_manual_is_found():
    listed = (
        "squared_error half_squared_error mean_squared_error binary_cross_entropy cross_entropy "
        "absolute_error huber hinge"
    )
    for name in listed.split():
        assert find(name) is LOSSES[name]
        assert name in BY_ANY_NAME
    assert find("mse") is LOSSES["mean_squared_error"]
    assert find("accuracy") is None
