"""Every row of a sheet can be worked out by its reader: the numbers put in give the value shown.

Rows are read back from the page and worked out in 60 digits by an evaluator of our own; nothing
but the text that a reader sees goes into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
import ours
import pytest
import strategies
from hypothesis import given
from mpmath import mp
from strategies import Problem, examples

from backprop_cli.formula import plain
from backprop_cli.problem.read import read_problem
from backprop_cli.run import Run, solve
from backprop_cli.worksheet.document import Document, Line, Math, Numeral, Table, Text
from backprop_cli.worksheet.sheet import Choices
from backprop_cli.worksheet.solution import solution

DIGITS = 60
PROBLEMS = sorted((Path(__file__).parent.parent / "problems").glob("*.yaml"))


def sigmoid(z: Any) -> Any:
    return 1 / (1 + mp.exp(-z))


def normal(z: Any) -> Any:
    return mp.erfc(-z / mp.sqrt(2)) / 2


def share(*values: Any) -> Any:
    return mp.one / values.count(max(values)) if values[0] == max(values) else mp.zero


FUNCTIONS: dict[str, Any] = {
    "exp": mp.exp,
    "ln": mp.ln,
    "sqrt": mp.sqrt,
    "abs": abs,
    "max": max,
    "min": min,
    "max_share": share,
    "erf": mp.erf,
    "min_share": lambda *values: share(*(-value for value in values)),
    "sin": mp.sin,
    "cos": mp.cos,
    "tanh": mp.tanh,
    "sigmoid": sigmoid,
    "sigmoid_slope": lambda z: sigmoid(z) * sigmoid(-z),
    "relu": lambda z: max(z, mp.zero),
    "relu_slope": lambda z: mp.mpf(z > 0),
    "leaky_relu": lambda z, s="0.01": z if z > 0 else mp.mpf(s) * z,
    "leaky_relu_slope": lambda z, s="0.01": mp.one if z > 0 else mp.mpf(s),
    "elu": lambda z, a=1: z if z > 0 else a * mp.expm1(z),
    "elu_slope": lambda z, a=1: mp.one if z > 0 else a * mp.exp(z),
    "softplus": lambda z: mp.log1p(mp.exp(z)),
    "softplus_slope": sigmoid,
    "swish": lambda z: z * sigmoid(z),
    "swish_slope": lambda z: sigmoid(z) + z * sigmoid(z) * sigmoid(-z),
    "gelu": lambda z: z * normal(z),
    "gelu_slope": lambda z: normal(z) + z * mp.npdf(z),
    "tanh_slope": lambda z: 1 - mp.tanh(z) ** 2,
    "cosh": mp.cosh,
    "gelu_tanh": lambda z: (
        z * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (z + mp.mpf("0.044715") * z**3))) / 2
    ),
    "mish": lambda z: z * mp.tanh(mp.log1p(mp.exp(z))),
    "selu": lambda z: (
        mp.mpf("1.0507009873554805") * (z if z > 0 else mp.mpf("1.6732632423543772") * mp.expm1(z))
    ),
    "hard_sigmoid": lambda z: min(max(z / 6 + mp.mpf(1) / 2, mp.zero), mp.one),
    "step": lambda z, t=0, at=1: at if z == t else mp.mpf(z > t),
    "sign": lambda z, at=1: at if z == 0 else mp.sign(z),
    "abs_slope": mp.sign,
    "step_slope": lambda z, *o: mp.zero,
    "sign_slope": lambda z, *o: mp.zero,
    "identity": lambda z: z,
    "identity_slope": lambda z: mp.one,
    "logsumexp": lambda *zs: mp.ln(sum(map(mp.exp, zs))),
    "pi": mp.pi,
    "e": mp.e,
}

NUMBER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?(?:e-?\d+)?)")


def worked_out(text: str) -> Any:
    """What someone with a good calculator gets for `2*(0.5 - 1)^2`."""
    python = text.replace("'", "_slope").replace("^", "**")
    python = NUMBER.sub(r"mpf('\1')", python)
    with mpmath.workdps(DIGITS):
        return mp.mpf(eval(python, {"__builtins__": {}, "mpf": mp.mpf, **FUNCTIONS}))


def unit(text: str, kept: int | None = None) -> Any:
    """One in the last place of a number as it is written; the last of `kept` digits, where each
    value is rounded to so many: 15400 is 1.54×10⁴."""
    mantissa, _, exponent = text.partition("e")
    whole, _, decimals = mantissa.partition(".")
    last = int(exponent or 0) - len(decimals)
    if kept is not None and whole.strip("0"):
        last = max(last, int(exponent or 0) + len(whole) - kept)
    return mp.mpf(10) ** last


def reproduced(numbers: str, sign: str, shown: str, kept: int | None = None) -> bool:
    with mpmath.workdps(DIGITS):
        result = worked_out(numbers)
        value = worked_out(shown)
        if sign == "=":
            # Irrational numbers that cancel exactly do so only up to the digits written.
            close = mp.mpf(10) ** (-40 if value else -8)
            return bool(abs(result - value) <= max(1, abs(value)) * close)
        return bool(abs(result - value) <= unit(shown.lstrip("-"), kept) * mp.mpf("0.5000000001"))


@dataclass(frozen=True)
class Row:
    name: str
    numbers: str
    sign: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}: {self.numbers} {self.sign} {self.value}"


def written(line: Line) -> tuple[str, str]:
    """Sign and number of a cell."""
    rounded = any(isinstance(part, Numeral) and part.rounded for part in line)
    formulas = [part.formula for part in line if isinstance(part, Math | Numeral)]
    return "≈" if rounded else "=", "".join(map(plain.write, formulas))


def heading(line: Line) -> str:
    return "".join(part.text for part in line if isinstance(part, Text))


def rows(document: Document) -> Iterator[Row]:
    """Every row of a table that shows numbers put in, and every plain update."""
    for block in document.blocks:
        if not isinstance(block, Table):
            continue
        titles = [heading(column.heading) for column in block.columns]
        if titles[2:] == ["Numbers put in", "Value"]:
            for name, _, numbers, value in block.rows:
                sign, result = written(value)
                if result:
                    yield Row(written(name)[1], written(numbers)[1], sign, result)
        elif titles[:3] == ["Parameter", "Old", "Gradient"]:
            for name, old, _, change, new in block.rows:
                sign, result = written(new)
                difference = f"{written(old)[1]} - ({written(change)[1]})"
                yield Row(written(name)[1], difference, sign, result)


STEP = re.compile(r"step\(([^(),]+)\)")


def failing(run: Run, **choices: Any) -> list[str]:
    document = solution(run, Choices(**choices))
    # Where all steps are alike the sheet says once at which z they give what: step(0).
    steps = [each.applied for each in run.iterations[0].graph.steps if each.rule == "step"]
    options = [] if not steps or steps[0] is None else list(steps[0].options.items())
    letters = {"threshold": "t", "at_threshold": "at"}  # of the function above
    alike = "".join(f", {letters[name]}={value.text}" for name, value in options)
    return [
        str(row)
        for row in rows(document)
        if not any(word in row.numbers + row.value for word in ("inf", "nan"))
        and not reproduced(
            STEP.sub(rf"step(\1{alike})", row.numbers), row.sign, row.value, run.round_each
        )
    ]


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_rows_of_the_problems(path: Path) -> None:
    problem = read_problem(path)
    ways: list[tuple[int | None, dict[str, Any]]] = [(None, {})]
    if strategies.THOROUGH:
        ways += [(3, {}), (2, {}), (None, {"digits": 6}), (None, {"fractions": True})]
    for kept, choices in ways:
        run = solve(problem, show=2, round_each=kept)
        if not run.symbolic:
            assert failing(run, **choices) == []


def check(problem: Problem) -> None:
    for kept, choices in ((None, {}), (3, {}), (None, {"digits": 2})):
        assert failing(ours.run(problem, show=2, round_each=kept), **choices) == []


@examples(8, 300)
@given(strategies.networks())
def test_rows_of_networks(problem: Problem) -> None:
    check(problem)


@examples(8, 300)
@given(strategies.equation_graphs())
def test_rows_of_equations(problem: Problem) -> None:
    check(problem)


LARGE = (
    ({"L": "(a + b + c + d)/4"}, {"a": -19081234.7, "b": -23.19, "c": -441254.3, "d": -14928617.2}),
    ({"p": "a/7", "q": "b/7", "L": "p - q"}, {"a": 781627.6, "b": 781626.1}),
    ({"p": "a*1.2345678", "L": "0.8*p"}, {"a": 1}),
    ({"L": "-1/sqrt(a + 0.00001)"}, {"a": 0}),
    ({"p": "sqrt(a)", "L": "p*p - 2"}, {"a": 2}),
    ({"p": "a/3", "L": "0.5*p + 0.5*p + 0.5*p - 0.5"}, {"a": 1}),
    ({"p": "exp(a)", "q": "p/(p + 1)", "L": "q*(1 - q)"}, {"a": 45}),
    ({"p": "exp(a)/7", "L": "p - 4"}, {"a": 20}),
    ({"w": "2.1470889123*a", "L": "w^2"}, {"a": 1.7320508}),
)


@pytest.mark.parametrize(("equations", "numbers"), LARGE)
@pytest.mark.parametrize("digits", [2, 4, 7])
@pytest.mark.parametrize("kept", [None, 2, 5])
def test_large_numbers_quotients_and_what_cancels(
    equations: dict[str, str], numbers: dict[str, float], digits: int, kept: int | None
) -> None:
    problem = {"equations": equations, "given": numbers, "with_respect_to": list(numbers)}
    assert failing(ours.run(problem, round_each=kept), digits=digits) == []


@pytest.mark.parametrize(
    ("row", "fits"),
    [
        (("0.8*1.2346", "=", "0.98765"), False),
        (("0.8*1.2346", "=", "0.98768"), True),
        (("(-1.908e7 - 23.19 - 441254 - 1.493e7)/4", "≈", "-8612776"), False),
        (("2*(0.5 - 1)^2", "=", "0.5"), True),
        (("1/3", "≈", "0.3333"), True),
        (("1/3", "≈", "0.333"), True),
        (("1/3", "≈", "0.334"), False),
    ],
)
def test_this_test_can_fail(row: tuple[str, str, str], fits: bool) -> None:
    assert reproduced(*row) is fits
