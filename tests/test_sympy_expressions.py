"""SymPy from Python: formulas of a solution as expressions, and a problem made of expressions."""

from __future__ import annotations

import math

import pytest
import sympy
from commands import PROBLEMS

from backprop_cli import ProblemError, Solution, TooLarge, UnknownName, load, solve

SHEET = PROBLEMS / "two-hidden-layers.yaml"


def at(solution: Solution, expression: sympy.Expr) -> float:
    """The value at the solution's own numbers."""
    values = solution.values()
    return float(expression.subs({each: values[each.name] for each in expression.free_symbols}))


def test_formulas_in_the_sheets_names() -> None:
    solution = solve(SHEET)
    y, yhat, a, z = sympy.symbols("y yhat a2_1 z3_1")
    assert solution.expression("dL/dw3_1_1") == (yhat - y) * yhat * (1 - yhat) * a
    assert solution.expression("L") == (y - yhat) ** 2 / 2
    assert float(solution.expression("yhat").diff(z).subs(z, 0)) == 0.25
    assert solution.expression("x1") == sympy.Symbol("x1")
    with pytest.raises(UnknownName, match="did you mean"):
        solution.expression("dL/dw3_1_7")


def test_composed_is_in_inputs_and_parameters_alone() -> None:
    solution = solve(SHEET)
    for name in ("yhat", "L", "dL/dw1_1_1", "dL/dz2_1", "dL/db3_1", "w3_1_1_new"):
        expression = solution.composed(name)
        names = {each.name for each in expression.free_symbols}
        assert names <= {leaf.name for leaf in solution.run.iterations[0].graph.leaves}
        assert at(solution, expression) == pytest.approx(solution.value(name), rel=1e-12)
    w = sympy.Symbol("w3_1_1")
    assert sympy.simplify(solution.composed("L").diff(w) - solution.composed("dL/dw3_1_1")) == 0


def test_sigma_can_be_worked_with() -> None:
    solution = solve(PROBLEMS / "vanishing-gradient.yaml")
    expression = solution.composed(next(iter(solution.gradients)))
    symbols = sorted(expression.free_symbols, key=str)
    numbers = [solution.values()[each.name] for each in symbols]
    expected = at(solution, expression)
    assert expression.has(sympy.exp) is False
    assert sympy.lambdify(symbols, expression, "math")(*numbers) == pytest.approx(expected)
    assert at(solution, expression.rewrite(sympy.exp)) == pytest.approx(expected)
    assert r"\sigma\left(" in sympy.latex(expression)


@pytest.mark.parametrize("path", sorted(PROBLEMS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_problem(path) -> None:
    solution = solve(path)
    for name in list(solution.gradients)[:2]:
        value = solution.value(name)
        if value is None:
            solution.composed(name)
        elif solution.run.round_each is None:
            assert at(solution, solution.expression(name)) == pytest.approx(value, abs=1e-12)
            composed = solution.composed(name)
            symbols = sorted(composed.free_symbols, key=str)
            numbers = [solution.values()[each.name] for each in symbols]
            calculate = sympy.lambdify(symbols, composed, "math")  # subs takes seconds for a Max
            assert calculate(*numbers) == pytest.approx(value, abs=1e-12)


def test_what_is_too_large_says_so() -> None:
    layers = [{"activation": "sigmoid", "units": 4} for _ in range(9)]
    layers.append({"activation": "sigmoid", "units": 1})
    problem = load(inputs=["x1"], targets=["y"], layers=layers, loss="squared_error")
    with pytest.raises(TooLarge, match="`dL/dw1_1_1` as one formula"):
        solve(problem).composed("dL/dw1_1_1")


def test_a_problem_of_expressions_with_names_that_sympy_has_too() -> None:
    E, I, N, S, Q, beta, gamma = sympy.symbols("E I N S Q beta gamma")  # noqa: E741
    lambda_, w, z, yhat = sympy.symbols("lambda w z yhat")
    problem = load(
        title="All their letters",
        equations={
            "z": E * I + N * S * w + Q * beta + gamma * lambda_,
            yhat: 1 / (1 + sympy.exp(-z)),
            "L": "(y - yhat)^2/2",
        },
        given={"E": 1, "I": 2, "N": sympy.Rational(1, 2), "S": 0.25, "Q": -1, "y": 1,
               "gamma": 1, "lambda": sympy.Integer(2)},
        parameters={w: 0.3, beta: sympy.Float(0.1)},
        output=sympy.Symbol("L"),
        learning_rate=0.5,
    )  # fmt: skip
    solution = solve(problem)
    inner = 2 + 0.5 * 0.25 * 0.3 - 0.1 + 2
    out = 1 / (1 + math.exp(-inner))
    assert solution.value("z") == pytest.approx(inner)
    assert solution.value("dL/dw") == pytest.approx((out - 1) * out * (1 - out) * 0.125)
    assert solution.value("dL/dbeta") == pytest.approx(-(out - 1) * out * (1 - out))
    assert solution.composed("z") == E * I + N * S * w + Q * beta + gamma * lambda_
    assert at(solution, solution.composed("dL/dbeta")) == pytest.approx(solution.value("dL/dbeta"))


@pytest.mark.parametrize(
    ("expression", "value", "slope"),
    [
        (sympy.Max(0, sympy.Symbol("w") - 1), 0.5, 1.0),
        (sympy.Piecewise((1, sympy.Symbol("w") > 2), (sympy.Symbol("w") ** 2, True)), 2.25, 3.0),
        (sympy.Abs(-sympy.Symbol("w")), 1.5, 1.0),
        (sympy.sqrt(sympy.Symbol("w") + sympy.Rational(3, 4)), 1.5, 1 / 3),
        (sympy.log(sympy.Symbol("w")) * sympy.pi, math.pi * math.log(1.5), math.pi / 1.5),
        (sympy.Heaviside(sympy.Symbol("w")) * sympy.Symbol("w"), 1.5, 1.0),
        (sympy.Function("sigma")(sympy.Symbol("w") - 1.5), 0.5, 0.25),
        (0.1 * sympy.Symbol("w"), 0.15, 0.1),
    ],
)
def test_expressions_become_formulas(expression: sympy.Expr, value: float, slope: float) -> None:
    solution = solve(load(equations={"f": expression}, parameters={"w": 1.5}))
    assert solution.value("f") == pytest.approx(value)
    assert solution.value("df/dw") == pytest.approx(slope)


def test_a_list_of_equations() -> None:
    w, x, h, f = sympy.symbols("w x h f")
    problem = load(
        equations=[sympy.Eq(h, w * x), sympy.Eq(f, h**2)],
        given={x: 3},
        parameters={w: 2},
        with_respect_to=[w, x],
    )
    assert solve(problem).gradients == {"df/dw": 36.0, "df/dx": 24.0}


def test_what_no_file_could_hold() -> None:
    w = sympy.Symbol("w")
    with pytest.raises(ProblemError) as caught:
        load(
            equations={
                "f": sympy.Integral(w, w),
                "g": sympy.Symbol("a b") * w,
                "h": sympy.I * w,
                "k": sympy.Matrix([w]),
            },
            parameters={"w": 1},
        )
    messages = [each.message for each in caught.value.diagnostics]
    assert len(messages) == 4
    assert "Integral" in messages[0]
    assert "'a b' is no name" in messages[1]
    assert "complex" in messages[2]
    assert "Matrix" in messages[3]
    with pytest.raises(ProblemError, match="`typo` is not defined here"):
        load(equations={"f": sympy.Symbol("typo") * w}, parameters={"w": 1})
    with pytest.raises(TypeError, match="not from two"):
        load("problem.yaml", equations={"f": w})
