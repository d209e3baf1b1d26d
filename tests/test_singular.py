"""Derivatives that are 0/0 or 0·∞ step by step, against difference quotients of our own.

The expected derivative comes from mpmath, from one-sided quotients of functions written down here
a second time; the package's own many-digit arithmetic has no part in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import mpmath
import ours
import pytest
import strategies
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mp
from pages import page

from backprop_cli.marking.asked import asked
from backprop_cli.problem.read import read_problem
from backprop_cli.run import Run, singularities, solve
from backprop_cli.verify import verification
from backprop_cli.worksheet.blank import answers_template
from backprop_cli.worksheet.solution_json import solution_json

Values = Mapping[str, Any]

INNER: Mapping[str, Callable[[Any, Any], Any]] = {
    "sqrt(a^2 + b^2)": lambda a, b: mp.sqrt(a**2 + b**2),
    "sqrt(a^4 + b^2)": lambda a, b: mp.sqrt(a**4 + b**2),
    "sqrt(a^2 + b^4)": lambda a, b: mp.sqrt(a**2 + b**4),
    "(a^2 + b^2)^0.25": lambda a, b: mp.root(a**2 + b**2, 4),
    "(a^2*b^2)^0.5": lambda a, b: mp.sqrt(a**2 * b**2),
    "sqrt(2*a^2 - 2*a*b + b^2)": lambda a, b: mp.sqrt(2 * a**2 - 2 * a * b + b**2),
    "a^2/sqrt(1 + b^2)": lambda a, b: a**2 / mp.sqrt(1 + b**2),
    "sqrt((a - b)^2)": lambda a, b: abs(a - b),
}
MIDDLE: Mapping[str, Callable[[Any, Any, Any], Any]] = {
    "n": lambda n, a, b: n,
    "n^2": lambda n, a, b: n**2,
    "n^4 + a": lambda n, a, b: n**4 + a,
    "n^1.5": lambda n, a, b: n * mp.sqrt(n),
    "sqrt(n)": lambda n, a, b: mp.sqrt(n),
    "n*a": lambda n, a, b: n * a,
    "n^2/(1 + n)": lambda n, a, b: n**2 / (1 + n),
    "2 if n < 0.5 else n": lambda n, a, b: mp.mpf(2) if n < 0.5 else n,
    "cos(n) + b": lambda n, a, b: mp.cos(n) + b,
}
OUTER: Mapping[str, Callable[[Any, Any, Any], Any]] = {
    "m": lambda m, a, b: m,
    "m^2": lambda m, a, b: m**2,
    "m*b": lambda m, a, b: m * b,
    "3*m + a*b": lambda m, a, b: 3 * m + a * b,
    "exp(m) - m": lambda m, a, b: mp.exp(m) - m,
    "m^2*a + b": lambda m, a, b: m**2 * a + b,
}
NUMBERS = (0, 0, 0, 1, -2, 0.1)


def sides(function: Callable[[Any], Any], at: Any) -> tuple[Any, Any] | None:
    """The slopes on the left and right, None where the quotients do not settle."""
    found = []
    with mpmath.workdps(200):
        for sign in (-1, 1):
            coarse, fine = (
                (function(at + sign * h) - function(at)) / (sign * h)
                for h in (mp.mpf(10) ** -40, mp.mpf(10) ** -60)
            )
            if abs(fine - coarse) > mp.mpf(10) ** -9 * max(1, abs(fine)):
                return None
            found.append(fine)
    return found[0], found[1]


def check(inner: str, middle: str, outer: str, at: Mapping[str, float]) -> None:
    run = ours.run(
        {
            "equations": {"n": inner, "m": middle, "f": outer},
            "given": dict(at),
            "with_respect_to": ["a", "b"],
        }
    )
    values = run.iterations[0].values
    with mpmath.workdps(200):
        point = {name: mp.mpf(Fraction(str(value)).numerator) for name, value in at.items()}
        point = {name: point[name] / Fraction(str(value)).denominator for name, value in at.items()}

        def composed(a: Any, b: Any) -> Any:
            return OUTER[outer](MIDDLE[middle](INNER[inner](a, b), a, b), a, b)

        found = {
            "df/da": sides(lambda a: composed(a, point["b"]), point["a"]),
            "df/db": sides(lambda b: composed(point["a"], b), point["b"]),
        }
        assume(abs(composed(point["a"], point["b"])) < 1e9)  # else 200 digits are too few here
    singular = singularities(run.iterations[0].graph, values)
    for name, slopes in found.items():
        value = float(values[name] or 0)
        if slopes is not None and abs(slopes[0] - slopes[1]) <= 1e-9 * max(1, abs(slopes[1])):
            assert value == pytest.approx(float(slopes[1]), rel=1e-9, abs=1e-12), name
        else:
            assert not math.isfinite(value), name
            assert singular[name].value is None
            assert name not in [step.name for step in asked(run.problem, *graph_of(run))]


def graph_of(run: Run) -> tuple[Any, Any]:
    return run.iterations[0].graph, run.iterations[0].values


@settings(max_examples=1500 if strategies.THOROUGH else 60)
@given(
    st.sampled_from(list(INNER)),
    st.sampled_from(list(MIDDLE)),
    st.sampled_from(list(OUTER)),
    st.sampled_from(NUMBERS),
    st.sampled_from(NUMBERS),
)
def test_the_composed_function_decides(
    inner: str, middle: str, outer: str, a: float, b: float
) -> None:
    check(inner, middle, outer, {"a": a, "b": b})


Row = tuple[dict[str, str], dict[str, float], dict[str, float | None]]

ROWS: tuple[Row, ...] = (
    (
        {"r": "sqrt(x^2 + y^2)", "f": "r if r > 0.5 else 1"},
        {"x": 0, "y": 0},
        {"df/dx": 0, "df/dy": 0, "dr/dx": None},
    ),
    (
        {"n": "sqrt(x1^2 + x2^2)", "f": "n^2"},
        {"x1": 0, "x2": 0},
        {"df/dx1": 0, "df/dx2": 0},
    ),
    ({"f": "c0*x^n0 + c1*x^n1 + c2*x^n2"},
     {"x": 0, "n0": 0, "n1": 1, "n2": 2, "c0": 5, "c1": 3, "c2": 7}, {"df/dx": 3}),
    ({"L": "-(y1*ln(p1) + y2*ln(p2))"}, {"p1": 1, "p2": 0, "y1": 1, "y2": 0},
     {"dL/dp1": -1, "dL/dp2": 0, "dL/dy2": None}),
    ({"L": "sqrt(x)"}, {"x": 0}, {"dL/dx": None}),
    ({"L": "x^0.5"}, {"x": 0}, {"dL/dx": None}),
    ({"L": "x^1.5"}, {"x": 0}, {"dL/dx": 0}),
    ({"L": "-x*ln(x)"}, {"x": 0}, {"dL/dx": None}),
    ({"m": "(a + b)/2", "s": "sqrt(((a - m)^2 + (b - m)^2)/2)", "L": "s"}, {"a": 2, "b": 2},
     {"dL/da": None, "dL/db": None}),
    ({"m": "(a + b)/2", "s": "sqrt(((a - m)^2 + (b - m)^2)/2)", "L": "s^2 + a"},
     {"a": 2, "b": 2}, {"dL/da": 1, "dL/db": 0}),
    # out of range on the way, 0 in the end
    ({"s": "1/(1 + exp(z))", "L": "s^2"}, {"z": 1000}, {"dL/dz": 0}),
)  # fmt: skip


@pytest.mark.parametrize(("equations", "given", "expected"), ROWS)
def test_singular_points(
    equations: dict[str, str], given: dict[str, float], expected: dict[str, float | None]
) -> None:
    source = {"equations": equations, "given": given, "with_respect_to": list(given)}
    run = ours.run(source)
    graph, values = graph_of(run)
    singular = singularities(graph, values)
    template = answers_template(run)
    agrees = verification(run.problem).agrees
    assert agrees
    data = json.loads(solution_json(run))
    notes = {step["name"]: step["note"] for step in data["steps"]}
    for name, value in expected.items():
        if value is None:
            assert not math.isfinite(float(values[name] or 0))
            assert singular[name].value is None
            assert f"{name}:" not in template
            assert notes[name].startswith("no derivative")
        else:
            assert values[name] == pytest.approx(value, abs=1e-15)


def text(source: dict[str, Any]) -> str:
    return page(strategies.as_yaml(source), width=300)


def test_the_sheet_says_where_the_value_is_from() -> None:
    shown = text(
        {
            "equations": {"n": "sqrt(x1^2 + x2^2)", "f": "n^2"},
            "given": {"x1": 0, "x2": 0},
            "with_respect_to": ["x1", "x2"],
        }
    )
    assert "∂n/∂x₁, ∂n/∂x₂ have no value here and are not asked for: n" in shown
    assert "slope −1 on the left and 1 on the right" in shown
    assert "∂f/∂x₁, ∂f/∂x₂: step by step this comes to 0/0 or 0·∞" in shown


def test_no_derivative_is_said_and_why() -> None:
    shown = text({"equations": {"L": "sqrt(x)"}, "given": {"x": 0}, "with_respect_to": ["x"]})
    assert "∂L/∂x has no value here and is not asked for" in shown
    assert "is infinitely steep" in shown


def test_nothing_times_a_logarithm_is_said() -> None:
    shown = text(
        {
            "equations": {"L": "-(y1*ln(p1) + y2*ln(p2))"},
            "given": {"y1": 1, "y2": 0, "p1": 1, "p2": 0},
            "with_respect_to": ["p1", "p2"],
        }
    )
    assert "y₂·ln(p₂): 0 · ln(0) is taken as 0" in shown
    assert "is defined on one side only" in shown


def test_a_run_stops_where_there_is_no_derivative() -> None:
    run = ours.run(
        {
            "equations": {"n": "sqrt(w1^2 + w2^2)", "f": "n + w1"},
            "parameters": {"w1": 0, "w2": 0},
            "learning_rate": 0.1,
        }
    )
    assert run.stop is not None
    assert "f has the slope 0 on the left and 2 on the right" in run.stop.message


def test_rounding_by_hand_is_no_worse() -> None:
    source = {
        "equations": {"n": "sqrt(x1^2 + x2^2)", "f": "n^2"},
        "given": {"x1": 0, "x2": 0},
        "with_respect_to": ["x1", "x2"],
    }
    problem = read_problem("p.yaml", strategies.as_yaml(source))
    assert solve(problem, round_each=3).iterations[0].values["df/dx1"] == 0
