"""Derivatives in the author's order, cancellations, proofs, and the precise second opinions."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction

import mpmath
import pytest
import sympy
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from backprop_cli.algebra.bridge import from_sympy, to_sympy
from backprop_cli.algebra.combine import combine
from backprop_cli.algebra.compose import composed_gradient, composed_size
from backprop_cli.algebra.derivative import NotDifferentiable, differentiate
from backprop_cli.algebra.expressions import public_functions
from backprop_cli.algebra.precise import arithmetic, evaluate_precisely, finite_difference
from backprop_cli.algebra.recognise import recognise
from backprop_cli.formula.build import names_in, negative, product, quotient, rename, total
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.functions import FUNCTIONS
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Matrix,
    Name,
    Number,
    Power,
)
from backprop_cli.formula.parse import parse
from backprop_cli.formula.plain import write
from backprop_cli.rules.activations import ACTIVATIONS

# --- differentiate: what a reader sees ------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "name", "derivative"),
    [
        # sums and products keep their order, untouched parts stay as written
        ("w1*x1 + w2*x2 + b1", "w2", "x2"),
        ("w1*x1 + w2*x2 + b1", "b1", "1"),
        ("w1*x1 + w2*x2 + b1", "y", "0"),
        ("z*(y + x)", "z", "y + x"),
        ("(x + y)*z", "x", "z"),
        ("x + y*z", "z", "y"),
        ("b*x*a", "x", "b*a"),
        ("2*(x*y + max(z, w))", "x", "2*y"),
        ("x^2 - 10", "x", "2*x"),
        ("-x", "x", "-1"),
        ("x - y", "y", "-1"),
        ("w*h1 + w*h2", "w", "h1 + h2"),
        ("x*x", "x", "2*x"),
        ("3*x^2/4", "x", "3*x/2"),
        ("0.5*x^2 + 0.1*x", "x", "x + 0.1"),
        # the chain rule leaves brackets as brackets
        ("(y - yhat)^2", "yhat", "-2*(y - yhat)"),
        ("(yhat - y)^2", "yhat", "2*(yhat - y)"),
        ("1/2*(y - t)^2", "y", "y - t"),
        ("1/2*(t - y)^2", "y", "y - t"),
        ("0.5*(y - t)^2", "t", "t - y"),
        ("1/3*(y - t)^2", "y", "2/3*(y - t)"),
        ("(x^2 + 3*x)^2", "x", "2*(x^2 + 3*x)*(2*x + 3)"),
        ("x^2 + 2*x*y", "x", "2*(x + y)"),
        ("x*(1 - x)", "x", "1 - 2*x"),
        # quotients have no negative exponents
        ("1/x", "x", "-1/x^2"),
        ("x/y", "y", "-x/y^2"),
        ("1/(1 + exp(-g))", "g", "exp(-g)/(1 + exp(-g))^2"),
        ("x/(x + y)", "x", "1/(x + y) - x/(x + y)^2"),
        ("sqrt(x)", "x", "1/(2*sqrt(x))"),
        ("sqrt(x^2 + y^2)", "x", "x/sqrt(x^2 + y^2)"),
        # functions
        ("exp(-g)", "g", "-exp(-g)"),
        ("e^(-g)", "g", "-e^(-g)"),
        ("ln(x)", "x", "1/x"),
        ("x*ln(x)", "x", "ln(x) + 1"),
        ("sin(a*x)", "x", "cos(a*x)*a"),
        ("a^x", "x", "a^x*ln(a)"),
        ("x^n", "x", "n*x^(n - 1)"),
        ("sigmoid(w*x + b)", "w", "sigmoid'(w*x + b)*x"),
        ("relu(z)", "z", "relu'(z)"),
        ("leaky_relu(z, 0.2)", "z", "leaky_relu'(z, 0.2)"),
        ("abs(x - y)", "y", "-abs'(x - y)"),
        ("step(z)", "z", "0"),
        ("max(z, w)", "w", "1 if w > z else 0 if w < z else 1/2"),
        ("min(z, w)", "w", "1 if w < z else 0 if w > z else 1/2"),
        ("min(x, y, z)", "y", "min_share(y, x, z)"),
        ("max(x, 0)^2", "x", "2*max(x, 0)*(1 if x > 0 else 0 if x < 0 else 1/2)"),
        ("logsumexp(x, y)", "y", "exp(y - logsumexp(x, y))"),
        # cases stay cases
        ("x^2 if x > 0 else 0.1*x", "x", "2*x if x > 0 else 0.1"),
        ("x if y > 0 else x + 1", "x", "1"),
        ("a*(x if x > 0 else 0)", "x", "a*(1 if x > 0 else 0)"),
        # names that SymPy would read as something else
        ("E*I + N*S", "I", "E"),
        ("lambda*beta^2", "beta", "2*lambda*beta"),
    ],
)
def test_derivatives_read_as_a_person_writes_them(formula, name, derivative):
    assert write(differentiate(parse(formula), name)) == derivative


def test_names_of_the_sheet_need_not_be_identifiers():
    formula = Power(total(Name("dL/dz2_1[2]"), negative(Name("z1_1[2]"))), Number("2"))
    derivative = differentiate(formula, "z1_1[2]")
    assert write(derivative) == "-2*(dL/dz2_1[2] - z1_1[2])"


def test_what_has_no_derivative_says_so():
    with pytest.raises(NotDifferentiable, match="matrix"):
        differentiate(Matrix(((Name("x"),),)), "x")
    with pytest.raises(NotDifferentiable, match="comparison"):
        differentiate(Comparison(Name("x"), ">", Number("0")), "x")


@pytest.mark.parametrize("function", sorted({row.name for row in FUNCTIONS.values()}))
def test_every_function_has_a_slope(function):
    row = FUNCTIONS[function]
    most = row.most if row.most is not None else row.fewest + 2
    for arity in range(max(1, row.fewest), most + 1):
        arguments = [Name(name) for name in ("x", "y", "z")[:arity]]
        differentiate(Call(function, tuple(arguments)), "x")


MEASURED = {
    "log2(x)": lambda x, y: mpmath.log(x, 2),
    "log10(x*y)": lambda x, y: mpmath.log10(x * y),
    "exp2(x/y)": lambda x, y: mpmath.mpf(2) ** (x / y),
    "asin(x/9)": lambda x, y: mpmath.asin(x / 9),
    "acos(x/9)": lambda x, y: mpmath.acos(x / 9),
    "atan(x*y)": lambda x, y: mpmath.atan(x * y),
    "atan2(x, y)": lambda x, y: mpmath.atan2(x, y),
    "atan2(y, x)": lambda x, y: mpmath.atan2(y, x),
    "sinh(x)*cosh(y*x)": lambda x, y: mpmath.sinh(x) * mpmath.cosh(y * x),
    "relu6(3*x)": lambda x, y: min(max(3 * x, 0), 6),
    "relu6(x/2)": lambda x, y: min(max(x / 2, 0), 6),
    "clip(x, 0, y)": lambda x, y: min(max(x, 0), y),
    "clip(y, x, 9)": lambda x, y: min(max(y, x), 9),
    "clip(y, -1, x)": lambda x, y: min(max(y, -1), x),
    "floor(x) + ceil(x)*y": lambda x, y: mpmath.floor(x) + mpmath.ceil(x) * y,
    "logsumexp(x, y, 2*x)": lambda x, y: mpmath.log(mpmath.e**x + mpmath.e**y + mpmath.e ** (2 * x)),
    "norm(x, y, 2)": lambda x, y: mpmath.sqrt(x * x + y * y + 4),
    "mean(x, y, x*y)": lambda x, y: (x + y + x * y) / 3,
}  # fmt: skip


@pytest.mark.parametrize("x", [Fraction(7, 3), Fraction(5, 4)])
@pytest.mark.parametrize("text", MEASURED)
def test_functions_are_differentiated_rightly(text, x):
    formula, function, y = parse(text), MEASURED[text], Fraction(17, 10)
    point = {"x": x, "y": y}
    with mpmath.workdps(50):
        at = [mpmath.mpf(v.numerator) / v.denominator for v in (x, y)]
        value, slope = function(*at), mpmath.diff(function, at, (1, 0))
    assert float(precise_value(formula, point)) == pytest.approx(float(value), rel=1e-14)
    derived = differentiate(formula, "x")
    assert float(precise_value(derived, point)) == pytest.approx(float(slope), rel=1e-14, abs=1e-30)
    assert float(evaluate(derived, point.__getitem__)) == pytest.approx(
        float(slope), rel=1e-12, abs=1e-30
    )


def test_what_stop_holds_is_a_number():
    point = {"x": Fraction(3), "y": Fraction(2)}
    formula = parse("x^2*stop(x*y) + stop(x) + (x + stop(floor(x/2) - x/2))*y")
    assert float(precise_value(formula, point)) == 3**2 * 6 + 3 + (3 + (1 - 1.5)) * 2
    # d/dx of x²·6 + 3 + (x − ½)·y at 3
    assert float(precise_value(differentiate(formula, "x"), point)) == 2 * 3 * 6 + 2
    assert finite_difference([("f", formula)], "f", ["x"], point)["x"] == pytest.approx(38)
    # a stopped quantity stays where it is, however many equations lead to it
    chain = [("q", parse("stop(x)*x")), ("f", parse("q*stop(q)"))]
    # q = 9: df/dx = 9·stop(x) = 27
    assert finite_difference(chain, "f", ["x"], point)["x"] == pytest.approx(27)


# --- differentiate: what holds for every formula --------------------------------------------------

NAMES = ("x", "y", "z")
SMOOTH = ("exp", "sin", "cos", "sigmoid", "tanh", "softplus", "swish", "gelu", "erf")
KINKED = ("relu", "leaky_relu", "elu", "abs")


def precise_value(formula, values, digits=30):
    """One formula at given numbers, to so many digits."""
    on = arithmetic(digits)
    return evaluate_precisely(formula, lambda name: on.number(values[name]), on)


def pairs(inner):
    return st.tuples(inner, inner)


def grow(inner):
    return st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: total(*terms)),
        st.lists(inner, min_size=2, max_size=3).map(lambda factors: product(*factors)),
        pairs(inner).map(lambda pair: quotient(*pair)),
        inner.map(negative),
        st.tuples(inner, st.integers(2, 3)).map(lambda pair: Power(pair[0], Number(str(pair[1])))),
        st.tuples(st.sampled_from(SMOOTH + KINKED), inner).map(
            lambda pair: Call(pair[0], (pair[1],))
        ),
        inner.map(lambda part: Call("ln", (total(Number("2"), Power(part, Number("2"))),))),
        inner.map(lambda part: Call("sqrt", (total(Number("1"), Power(part, Number("2"))),))),
        pairs(inner).map(lambda pair: Call("max", pair)),
        pairs(inner).map(lambda pair: Call("logsumexp", pair)),
        st.tuples(inner, inner, inner).map(
            lambda three: Conditional(Comparison(three[0], ">", Number("0.3")), *three[1:])
        ),
    )


formulas = st.recursive(
    st.one_of(
        st.sampled_from(NAMES).map(Name),
        st.sampled_from(["1", "2", "0.5", "0.25", "3"]).map(Number),
    ),
    grow,
    max_leaves=10,
)
points = st.fixed_dictionaries(
    {name: st.integers(-190, 190).map(lambda n: Fraction(2 * n + 1, 127)) for name in NAMES}
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(formulas, points)
def test_derivatives_agree_with_finite_differences(formula, point):
    measured = finite_difference([("f", formula)], "f", ["x"], point)["x"]
    assume(math.isfinite(measured) and abs(measured) < 1e8)
    derived = float(precise_value(differentiate(formula, "x"), point, 60))
    assert derived == pytest.approx(measured, rel=1e-9, abs=1e-9)


smooth_formulas = st.recursive(
    st.one_of(st.sampled_from(NAMES).map(Name), st.sampled_from(["1", "2", "0.5"]).map(Number)),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: total(*terms)),
        st.lists(inner, min_size=2, max_size=3).map(lambda factors: product(*factors)),
        pairs(inner).map(lambda pair: quotient(*pair)),
        inner.map(lambda part: Power(part, Number("2"))),
        st.tuples(st.sampled_from(["exp", "sigmoid", "tanh", "sin"]), inner).map(
            lambda pair: Call(pair[0], (pair[1],))
        ),
    ),
    max_leaves=7,
)


@settings(max_examples=60, deadline=None)
@given(smooth_formulas, points)
def test_derivatives_agree_with_sympy_s_own(formula, point):
    symbols = {name: sympy.Symbol(name, real=True) for name in NAMES}
    sympys = sympy.diff(to_sympy(formula, symbols.__getitem__, public_functions()), symbols["x"])
    ours = to_sympy(differentiate(formula, "x"), symbols.__getitem__, public_functions())
    at = {symbols[name]: sympy.Rational(*value.as_integer_ratio()) for name, value in point.items()}
    left, right = (expression.subs(at).evalf(30, chop=True) for expression in (sympys, ours))
    assume(left.is_finite and abs(left) < 10**6)
    assert abs(left - right) < 1e-12


@settings(max_examples=60, deadline=None)
@given(formulas)
def test_derivatives_do_not_depend_on_what_names_are_called(formula):
    renamed = {"x": "dL/dw1", "y": "w2_1[3]", "z": "E"}

    derivative = differentiate(formula, "x")
    under_other_names = differentiate(rename(formula, renamed.__getitem__), "dL/dw1")
    assert under_other_names == rename(derivative, renamed.__getitem__)


@settings(max_examples=100, deadline=None)
@given(formulas)
def test_derivatives_are_printed_and_read_back(formula):
    derivative = differentiate(formula, "x")
    assert parse(write(derivative), known=NAMES) is not None


def test_hostile_sizes_are_answered_at_once():
    tower: Formula = Name("x")
    for _ in range(6):
        tower = Power(Number("9"), tower)
    assert differentiate(tower, "x") is not None
    assert differentiate(parse("1e300*x*x"), "x") is not None
    huge = product(Power(Number("9"), Number("99999")), Name("x"), Name("y"))
    assert combine(huge) is None
    wide = total(*(Power(Name(f"v{k}"), Number("2")) for k in range(2000)))
    assert write(differentiate(wide, "v1999")) == "2*v1999"


# --- recognise ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "found"),
    [
        ("1/(1 + exp(-g))", ("sigmoid", "g")),
        ("1/(exp(-g) + 1)", ("sigmoid", "g")),
        ("1/(1 + e^(-g))", ("sigmoid", "g")),
        ("1/(1 + exp(-(w0*x0 + w1*x1)))", ("sigmoid", "w0*x0 + w1*x1")),
        ("1/(1 + exp(-w*x))", ("sigmoid", "w*x")),
        ("1/(1 + exp(-w*x - b))", ("sigmoid", "w*x + b")),
        ("exp(g)/(exp(g) + 1)", ("sigmoid", "g")),
        ("sigmoid(g)", ("sigmoid", "g")),
        ("(exp(z) - exp(-z))/(exp(z) + exp(-z))", ("tanh", "z")),
        ("2*sigmoid(2*z) - 1", ("tanh", "z")),
        ("z if z > 0 else 0", ("relu", "z")),
        ("log(1 + exp(s))", ("softplus", "s")),
        ("s*sigmoid(s)", ("swish", "s")),
        ("1/(1 + exp(g))", None),
        ("1/(2 + exp(-g))", None),
        ("1/(1 + exp(-g)) + 1", None),
        ("exp(g)/(exp(h) + 1)", None),
        ("(exp(z) - exp(-z))/(exp(z) + exp(-y))", None),
        ("max(0, z)", None),
        ("x*y", None),
        ("exp(x)", None),
    ],
)
def test_activations_are_recognised_in_equations(formula, found):
    result = recognise(parse(formula))
    assert (result and (result[0], write(result[1]))) == found


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "softplus", "swish"])
def test_rules_are_recognised_by_their_own_formulas(name):
    assert recognise(ACTIVATIONS[name].formula_with({"z": Name("g")})) == (name, Name("g"))


@settings(max_examples=100, deadline=None)
@given(formulas, points)
def test_what_is_recognised_has_the_same_value(formula, point):
    found = recognise(formula)
    if found is not None:
        named = precise_value(Call(found[0], (found[1],)), point)
        assert float(named) == pytest.approx(float(precise_value(formula, point)), nan_ok=True)


# --- combine --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "combined"),
    [
        ("(-y/a + (1 - y)/(1 - a))*a*(1 - a)", "a - y"),
        ("(-y/yhat + (1 - y)/(1 - yhat))*yhat*(1 - yhat)", "yhat - y"),
        ("-y1/a1*a1*(1 - a1) + y2/a2*a2*a1", "a1*(y1 + y2) - y1"),
        ("x*y/x", "y"),
        ("2*(x + 1) - 2", "2*x"),
        ("(a - y)*a*(1 - a)", None),
        ("a*(1 - a)", None),
        ("x", None),
        ("(y/sigmoid(z))*sigmoid(z)", "y"),
    ],
)
def test_combining_cancels_or_says_that_it_does_not(formula, combined):
    result = combine(parse(formula))
    assert (result and write(result)) == combined


@settings(max_examples=60, deadline=None)
@given(formulas, smooth_formulas, points)
def test_combining_keeps_the_value(a, b, point):
    """(a/b + y)·b is a + y·b, wherever b is not 0."""
    formula = product(total(quotient(a, b), Name("y")), b)
    combined = combine(formula) or formula
    before = precise_value(formula, point, 40)
    assume(mpmath.isfinite(before) and abs(before) < 1e9)
    assert float(precise_value(combined, point, 40)) == pytest.approx(float(before), abs=1e-12)


# --- the composed loss and finite differences -----------------------------------------------------

NETWORK = [
    (name, parse(text))
    for name, text in (
        ("z1", "w1*x + b1"),
        ("a1", "sigmoid(z1)"),
        ("z2", "w2*x + b2"),
        ("a2", "relu(z2)"),
        ("yhat", "w3*a1 + w4*a2 + b3"),
        ("L", "1/2*(y - yhat)^2"),
    )
]
VALUES = {
    name: Fraction(text)
    for name, text in {
        "x": "1.5", "y": "1", "w1": "-0.3", "b1": "0.7", "w2": "0.4", "b2": "0.1", "w3": "2",
        "w4": "-1.25", "b3": "0.05",
    }.items()
}  # fmt: skip


def test_two_independent_gradients_agree_with_calculus_by_hand():
    a1 = 1 / (1 + math.exp(-0.25))
    error = 2 * a1 - 1.25 * 0.7 + 0.05 - 1
    by_hand = {
        "w1": error * 2 * a1 * (1 - a1) * 1.5,
        "w2": error * -1.25 * 1.5,
        "w3": error * a1,
        "b3": error,
        "y": -error,
        "a2": 0.0,
    }
    wrt = ["w1", "w2", "w3", "b3", "y"]
    composed = composed_gradient(NETWORK, "L", wrt, VALUES)
    measured = finite_difference(NETWORK, "L", wrt, VALUES)
    for name in wrt:
        assert composed[name] == pytest.approx(by_hand[name], rel=1e-14)
        assert measured[name] == pytest.approx(by_hand[name], rel=1e-14)


def test_a_name_that_does_not_reach_the_output_has_gradient_zero():
    values = {**VALUES, "unused": Fraction(3)}
    assert composed_gradient(NETWORK, "L", ["unused"], values) == {"unused": 0.0}
    assert finite_difference(NETWORK, "L", ["unused"], values) == {"unused": 0.0}


def test_only_what_leads_to_the_output_is_made_a_number_of_many_digits():
    asked = set()

    class Values(dict):
        def __getitem__(self, name):
            asked.add(name)
            return super().__getitem__(name)

    finite_difference(NETWORK, "L", ["w1"], Values(VALUES, unused=Fraction(3)))
    assert "w1" in asked
    assert "unused" not in asked


def test_cases_and_primes_survive_composition():
    definitions = [
        ("h", parse("x^2 if x > 1 else 3*x")),
        ("s", parse("leaky_relu(h - 2, 0.2) + elu(-h) + max(h, y)")),
        ("L", parse("s^2 + abs(h - 4)")),
    ]
    for x in ("0.4", "1.75"):
        values = {"x": Fraction(x), "y": Fraction(-1)}
        composed = composed_gradient(definitions, "L", ["x", "y"], values)
        measured = finite_difference(definitions, "L", ["x", "y"], values)
        assert composed == pytest.approx(measured, rel=1e-13)


def test_a_value_on_a_kink_has_no_measured_derivative():
    slopes = finite_difference([("L", parse("relu(x) + y"))], "L", ["x", "y"], {"x": 0, "y": 0})
    assert math.isnan(slopes["x"])
    assert slopes["y"] == 1.0


def test_what_is_too_large_to_compose_is_left_alone():
    definitions = [("h0", parse("x*x + x"))]
    definitions += [(f"h{k}", parse(f"h{k - 1}*h{k - 1} + x")) for k in range(1, 60)]
    assert composed_size(definitions, "h59") > 2**59
    assert composed_gradient(definitions, "h59", ["x"], {"x": 0.5}) is None


@pytest.mark.parametrize(
    "formula", ["1/x", "ln(x)", "0/x", "x^(-1/2)", "exp(exp(exp(exp(9 - x))))"]
)
def test_undefined_values_never_raise(formula):
    point = {"x": Fraction(0)}
    definitions = [("L", parse(formula))]
    finite_difference(definitions, "L", ["x"], point)
    composed_gradient(definitions, "L", ["x"], point)
    precise_value(parse(formula), point)


@settings(max_examples=60, deadline=None)
@given(formulas, points)
def test_composed_gradients_agree_with_finite_differences(formula, point):
    definitions = [("h", formula), ("L", total(Call("tanh", (Name("h"),)), Name("y")))]
    measured = finite_difference(definitions, "L", ["x", "y"], point)
    assume(all(map(math.isfinite, measured.values())))
    composed = composed_gradient(definitions, "L", ["x", "y"], point)
    assume(composed is not None and all(map(math.isfinite, composed.values())))
    assert composed == pytest.approx(measured, rel=1e-9, abs=1e-12)


# --- the bridge and the walls ---------------------------------------------------------------------


def test_formulas_come_back_from_sympy_in_the_order_of_their_names():
    a, b, c = sympy.symbols("a b c")
    names = {c: Name("c"), b: Name("b"), a: Name("a")}
    assert write(from_sympy(a + b + c, names)) == "c + b + a"
    assert write(from_sympy(2 * a * c / b**2, names)) == "2*c*a/b^2"
    assert write(from_sympy(-a + 1, names)) == "1 - a"


def test_sympy_is_imported_only_when_something_is_derived():
    program = (
        "import sys; from backprop_cli.algebra import derivative, recognise;"
        "from backprop_cli.formula.parse import parse;"
        "derivative.differentiate(parse('w1*x1 + w2*x2 + b'), 'x2');"
        "recognise.recognise(parse('1/(1 + exp(-g))'));"
        "print('sympy' in sys.modules, 'mpmath' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_the_global_precision_stays_as_it_is():
    before = mpmath.mp.dps
    finite_difference(NETWORK, "L", ["w1"], VALUES)
    assert mpmath.mp.dps == before


def test_derivatives_mention_only_names_of_the_formula():
    formula = parse("w3*relu(w1*x + b) + w4*tanh(w2*x)")
    for name in names_in(formula):
        assert set(names_in(differentiate(formula, name))) <= set(names_in(formula))
