"""`--composed`: each derivative as one formula in inputs and parameters, as SymPy gets it."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import pytest
from commands import run_line

from backprop_cli import load, solve
from backprop_cli.formula import plain
from backprop_cli.formula.build import names_in, product
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Number
from backprop_cli.graph.composed import Whole, Wholes
from backprop_cli.graph.derivation import Derivations
from backprop_cli.run import Run

PROBLEMS = sorted((Path(__file__).parent.parent.parent / "problems").glob("*.yaml"))

NEURON = """
inputs: [1, 0.5]
targets: [0]
layers:
  - {activation: sigmoid, weights: [[0.4, -0.2]], biases: [0.1]}
loss: half_squared_error
"""


def solved(text: str) -> Run:
    return solve(load(text=text)).run


def whole(text: str, name: str) -> Whole:
    graph = solved(text).iterations[0].graph
    return Wholes(graph, Derivations(graph)).of(name)


def written(text: str, name: str) -> str:
    found = whole(text, name)
    assert found.proof == "cancelled"
    assert found.formula is not None
    return plain.write(found.formula)


@pytest.mark.parametrize(
    ("equations", "name", "expected"),
    [
        ("L: 1/2*(y - sigmoid(w*x + b))^2", "w",
         "-(y - sigmoid(w*x + b))*sigmoid(w*x + b)*(1 - sigmoid(w*x + b))*x"),
        ("L: (tanh(w*x) - y)^2", "w", "2*(tanh(w*x) - y)*(1 - tanh(w*x)^2)*x"),
        ("h: w*x\n  L: -(y*ln(sigmoid(h)) + (1 - y)*ln(1 - sigmoid(h)))", "w",
         "x*(sigmoid(w*x) - y)"),
        ("h: w*x if x > 0 else b\n  L: h^2", "w",
         "2*(w*x if x > 0 else b)*(x if x > 0 else 0)"),
        ("h: softplus(w*x)\n  L: h*y", "w", "y*sigmoid(w*x)*x"),
        ("h: relu(w*x + b)\n  L: (h - y)^2", "b", "2*(relu(w*x + b) - y)*relu'(w*x + b)"),
    ],
)  # fmt: skip
def test_what_a_person_would_write(equations: str, name: str, expected: str) -> None:
    text = f"equations:\n  {equations}\ngiven: [x, y]\nparameters: [w, b]\n"
    found = written(text, f"dL/d{name}")
    assert found == expected


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_the_formula_has_the_value_of_the_steps(path: Path) -> None:
    run = solve(load(path), show=1).run
    iteration = run.iterations[0]
    wholes = Wholes(iteration.graph, Derivations(iteration.graph))
    given = set(iteration.graph.leaf)
    for name in list(wholes.asked)[:5]:
        found = wholes.of(name)
        if found.formula is None:
            assert found.size > 2000
            continue
        assert found.proof == "cancelled", name
        assert set(names_in(found.formula)) <= given
        value = iteration.values[name]
        if value is None or run.round_each is not None:
            continue
        again = as_float(evaluate(found.formula, lambda own: iteration.values[own] or 0))
        assert again == pytest.approx(as_float(value), rel=1e-9, abs=1e-15), name


def test_a_gradient_that_is_not_the_derivative_is_found_out() -> None:
    graph = solved(NEURON).iterations[0].graph
    wrong = replace(
        graph,
        steps=tuple(
            replace(step, formula=product(Number("1.0001"), step.formula))
            if step.name == "da1_1/dz1_1" or step.name == "dyhat/dz1_1"
            else step
            for step in graph.steps
        ),
    )
    assert Wholes(graph, Derivations(graph)).of("dL/dw1_1_1").proof == "cancelled"
    changed = replace(wrong.step["dL/dz1_1"], links=(), formula=Number("0.5"))
    wrong = replace(
        wrong, steps=tuple(changed if step.name == changed.name else step for step in wrong.steps)
    )
    assert Wholes(wrong, Derivations(wrong)).of("dL/dz1_1").proof == "unequal"


def test_softmax_with_cross_entropy_takes_targets_that_sum_to_one() -> None:
    path = next(path for path in PROBLEMS if path.stem == "softmax-three-classes")
    shown = run_line(f"backprop solve {path} --composed --only dL/dw1_1_1").text
    assert "takes the targets to add up to 1" in " ".join(shown.split())


def test_the_sheet_says_how_it_is_proved() -> None:
    path = next(path for path in PROBLEMS if path.stem == "two-hidden-layers")
    shown = run_line(f"backprop solve {path} --composed --only dL/db3_1 --ascii").text
    assert shown.isascii()
    words = " ".join(shown.split())
    assert "proved equal to the product of the steps by cancelling" in words
    assert "~= -0.05179" in words or "-0.05179" in words


def test_rounding_by_hand_is_not_that_of_one_formula() -> None:
    path = next(path for path in PROBLEMS if path.stem == "two-hidden-layers")
    shown = run_line(f"backprop solve {path} --composed --only dL/dw3_1_1 --round-each 2").text
    assert shown.rstrip().splitlines()[-4].split()[-1] == "−0.04669"


def test_what_is_too_large_is_counted_before_it_is_differentiated() -> None:
    layer = "{activation: sigmoid, units: 4}"
    deep = f"inputs: [x1, x2, x3, x4]\ntargets: [y1, y2]\nlayers: [{', '.join([layer] * 6)},"
    deep += "{activation: sigmoid, units: 2}]\nloss: squared_error\n"
    started = time.process_time()
    found = whole(deep, "dL/dw1_1_1")
    assert time.process_time() - started < 5
    assert found.formula is None
    assert found.size > 100_000


def test_json() -> None:
    path = next(path for path in PROBLEMS if path.stem == "sigmoid-chain-symbolic")
    for options in ("", "--symbolic"):
        line = f"backprop solve {path} --composed {options} --format json --only dL/dw2"
        (step,) = json.loads(run_line(line).text)["steps"]
        assert step["derivation"]["composed"]["proof"] == "cancelling"
        assert step["derivation"]["composed"]["text"].count("sigmoid") >= 3
        assert r"\sigma" in step["derivation"]["composed"]["latex"]
        assert ("chain" in step["derivation"]) == bool(options)


def test_every_parameter_of_a_batch_moves_in_every_sample() -> None:
    text = """
equations: {yhat: w*x, L: (yhat - y)^2}
samples: [{x: 1, y: 2}, {x: 3, y: 4}]
parameters: {w: 0.5}
training: {reduction: sum}
learning_rate: 0.1
"""
    found = whole(text, "dL/dw")
    assert found.proof == "cancelled"
    assert found.formula is not None
    values = {"x[1]": 1.0, "x[2]": 3.0, "y[1]": 2.0, "y[2]": 4.0, "w": 0.5}
    assert math.isclose(as_float(evaluate(found.formula, values.__getitem__)), -18.0)


def test_without_gradients_it_says_so() -> None:
    path = next(path for path in PROBLEMS if path.stem == "one-neuron")
    shown = run_line(f"backprop solve {path} --composed").text
    assert "There is no gradient here to write as one formula." in " ".join(shown.split())
