"""Second derivatives and Newton steps against automatic differentiation by another package."""

from __future__ import annotations

from functools import partial
from typing import Any

import autograd.numpy as np
import pytest
from autograd import hessian, jacobian

from backprop_cli.diagnostics import ProblemError
from backprop_cli.formula import latex, mathml, typst, unicode
from backprop_cli.formula.build import names_in
from backprop_cli.formula.nodes import Name
from backprop_cli.formula.notation import stacked
from backprop_cli.formula.spelling import Lettering, spell
from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read_problem
from backprop_cli.run import solve
from backprop_cli.verify import verification

START = np.array([0.5, -0.4, 0.3])

# Each calculation as a file has it, and written anew.
CALCULATIONS = {
    "neuron": (
        """{z: w1*x + w2, a: sigmoid(z), L: "(a - y)^2 + w3^2*w1"}""",
        lambda w: (1 / (1 + np.exp(-(w[0] * 2 + w[1]))) - 1) ** 2 + w[2] ** 2 * w[0],
    ),
    "two paths": (
        """{p: w1*w2, q: exp(p) + w3*p, L: "q^2 + tanh(p)*y + w2"}""",
        lambda w: (np.exp(w[0] * w[1]) + w[2] * w[0] * w[1]) ** 2 + np.tanh(w[0] * w[1]) + w[1],
    ),
    "chain": (
        """{a: tanh(w1*x), b: sin(w2*a), c: "b/(2 + w3^2)", L: "ln(1 + c^2)"}""",
        lambda w: np.log(1 + (np.sin(w[1] * np.tanh(w[0] * 2)) / (2 + w[2] ** 2)) ** 2),
    ),
}


def read(equations: str, more: str = "second_derivatives: true") -> Problem:
    text = f"""
equations: {equations}
given: {{x: 2, y: 1}}
parameters: {{w1: 0.5, w2: -0.4, w3: 0.3}}
{more}
"""
    return read_problem("problem.yaml", text)


@pytest.mark.parametrize("name", CALCULATIONS)
def test_every_pair_is_what_autograd_finds(name: str) -> None:
    equations, function = CALCULATIONS[name]
    values = solve(read(equations)).iterations[0].values
    expected = hessian(function)(START)
    for i in range(3):
        for j in range(i, 3):
            found = values[f"d2L/dw{i + 1}dw{j + 1}"]
            assert float(found or 0) == pytest.approx(expected[i, j], rel=1e-10, abs=1e-12)
    checked = verification(read(equations))
    assert checked.agrees
    assert checked.findings is not None
    names = {each.name for each in checked.findings.comparisons}
    assert {"d2L/dw1dw1", "d2L/dw2dw3"} <= names


@pytest.mark.parametrize("name", CALCULATIONS)
def test_a_newton_step_solves_the_system(name: str) -> None:
    equations, function = CALCULATIONS[name]
    solved = solve(read(equations, "training: {optimizer: newton}"))
    step = np.linalg.solve(hessian(function)(START), jacobian(function)(START))
    for place, start in enumerate(START):
        new = solved.iterations[0].values[f"w{place + 1}_new"]
        assert float(new or 0) == pytest.approx(start - step[place], rel=1e-8)


def test_a_parabola_is_at_its_bottom_after_one_step() -> None:
    text = """
equations: {L: "3*(w - 2)^2 + 5"}
parameters: {w: 10}
training: {optimizer: newton}
"""
    values = solve(read_problem("problem.yaml", text)).iterations[0].values
    assert (values["d2L/dwdw"], values["n_w"], values["w_new"]) == (6, 8, 2)


def test_a_neuron_in_layers_has_them_too() -> None:
    text = """
samples: [{inputs: [2], targets: [1]}, {inputs: [-1], targets: [0]}]
layers: [{activation: sigmoid, weights: [[0.5]], biases: [-0.4]}]
loss: squared_error
training: {optimizer: newton, batch: all}
"""
    values = solve(read_problem("problem.yaml", text)).iterations[0].values

    def loss(w: Any) -> Any:
        a = 1 / (1 + np.exp(-(w[0] * np.array([2.0, -1.0]) + w[1])))
        return np.mean((a - np.array([1.0, 0.0])) ** 2)

    expected = hessian(loss)(START[:2])
    assert float(values["d2L/dw1_1_1db1_1"] or 0) == pytest.approx(expected[0, 1])
    step = np.linalg.solve(expected, jacobian(loss)(START[:2]))
    assert float(values["b1_1_new"] or 0) == pytest.approx(-0.4 - step[1])


def test_the_notations() -> None:
    mixed, square = Name("d2L/dw1dw2"), Name("d2L/dwdw")
    assert unicode.write(mixed) == "∂²L/∂w₁∂w₂"
    assert unicode.write(square) == "∂²L/∂w²"
    assert latex.write(mixed) == r"\frac{\partial^2 L}{\partial w_1\,\partial w_2}"
    assert typst.write(square) == "frac(∂^2 L, ∂ w^(2))"
    assert "<mn>2</mn>" in mathml.math(stacked().node(square))
    layered = partial(spell, lettering=Lettering(layered=True))
    again = Name("d2L/dw2_1_1dw2_1_1")
    assert unicode.write(again, layered) == "∂²L/∂w₁₁⁽²⁾²"
    assert latex.write(again, layered) == r"\frac{\partial^2 L}{\partial {w^{(2)}_{11}}^2}"
    assert typst.write(again, layered).endswith('∂ class("normal", w_(11)^((2)))^(2))')


def test_an_answer_is_asked_for_and_marked() -> None:
    asked = read(CALCULATIONS["neuron"][0])
    checker = Checker(asked)
    truth = float(solve(asked).iterations[0].values["d2L/dw1dw2"] or 0)
    answers = f"answers:\n  d2L/dw1dw2: {truth}\n  d2L/dw2dw2: {-truth}\n"
    report = checker.mark(parse_submission("a.yaml", answers))
    found = {answer.name: answer.verdict for answer in report.answers}
    assert (found["d2L/dw1dw2"], found["d2L/dw2dw2"]) == ("correct", "wrong")


@pytest.mark.parametrize(
    ("equations", "more", "said"),
    [
        ("{L: w1*w2*w3*x}", "training: {optimizer: newton, l2: 0.1}", "and there is `l2`"),
        ("{z: w1*w2, L: z*w3}", "second_derivatives: true\nwith_respect_to: [z]", "is calculated"),
        ("{L: w1*w2*w3*x}", "second_derivatives: perhaps", "`second_derivatives`"),
    ],
)
def test_what_cannot_be_differentiated_twice_is_refused(
    equations: str, more: str, said: str
) -> None:
    with pytest.raises(ProblemError, match=said):
        read(equations, more)


def test_few_parameters_are_moved() -> None:
    text = """
inputs: [1, 2, 3]
targets: [1]
layers: [{activation: sigmoid, weights: [[1, 2, 3]], biases: [0]}]
loss: squared_error
training: {optimizer: newton}
"""
    with pytest.raises(ProblemError, match="moves 3 parameters at most, and here are 4"):
        read_problem("problem.yaml", text)


def test_what_is_too_long_is_said_in_words() -> None:
    steps = "".join(f", e{n}: sin(e{n - 1}*w1 + w2)*e{n - 1}" for n in range(1, 60))
    asked = read(f"{{e0: w1*x{steps}, L: e59^2 + w3*y}}")
    with pytest.raises(ProblemError, match="too many to be differentiated again"):
        solve(asked)


def test_second_derivatives_are_written_in_the_local_derivatives_of_the_sheet() -> None:
    graph = solve(read("{a: tanh(w1*x), b: a^3, L: b*w2 + w3*x^2}")).iterations[0].graph
    assert "da/dw1" in names_in(graph.step["d2L/dw1dw1"].formula)
