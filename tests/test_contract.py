"""The manual held to the letter, from outside: names, problem files, JSON, exit codes, messages.

Each test is what a script or a grader that relies on the manual would look at. The numbers come
from formulas worked out here, with the standard library only.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import pytest
from commands import PROBLEMS, Outcome, backprop

from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.parse import parse

Json = dict[str, Any]

TWO_LAYERS = """\
title: Two hidden layers, one training step
inputs: [6, 2, 5]                 # or {x1: 6, x2: 2, x3: 5}; a bare number for one input
targets: [1]
layers:
  - {activation: relu,    weights: [[0.42, 0.72, 0.21], [0.11, 0.30, 0.65]], biases: [0.01, 0.01]}
  - {activation: sigmoid, weights: [[0.17, 0.29], [0.91, 0.08]],             biases: [0.05, 0.05]}
  - {activation: sigmoid, weights: [[0.61, 0.39]],                           biases: [0.08]}
loss: half_squared_error
learning_rate: 0.7
"""
CIRCUIT = """\
title: Sigmoid neuron as a circuit
equations:
  g: w0*x0 + w1*x1 + w2
  f: 1 / (1 + exp(-g))
given: {x0: -1, x1: -2}
parameters: {w0: 2, w1: -3, w2: -3}
output: f
with_respect_to: [w0, w1, w2, x0, x1]
learning_rate: 0.1
"""
NEURON = """\
inputs: [1, 2]
targets: [1]
layers:
  - {activation: sigmoid, weights: [[0.5, -0.3]], biases: [0.2]}
loss: half_squared_error
learning_rate: 0.5
"""


def solve(text: str, *options: str) -> Outcome:
    return backprop("solve", "-", *options, stdin=text)


def solved(text: str, *options: str) -> Json:
    result = solve(text, "--format", "json", *options)
    assert result.code == 0, result.complaints
    loaded: Json = json.loads(result.text)
    return loaded


def values(solution: Json, iteration: int = 1) -> dict[str, Any]:
    return {
        step["name"]: step["value"] for step in solution["steps"] if step["iteration"] == iteration
    }


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


# Names


def test_indexed_names() -> None:
    steps = solved(TWO_LAYERS)["steps"]
    names = {
        section: [step["name"] for step in steps if step["section"] == section]
        for section in ("given", "forward", "loss", "gradient", "update")
    }
    inputs_and_constants = ["x1", "x2", "x3", "y", "eta"]
    parameters = [
        *("w1_1_1", "w1_1_2", "w1_1_3", "b1_1", "w1_2_1", "w1_2_2", "w1_2_3", "b1_2"),
        *("w2_1_1", "w2_1_2", "b2_1", "w2_2_1", "w2_2_2", "b2_2", "w3_1_1", "w3_1_2", "b3_1"),
    ]
    assert sorted(names["given"]) == sorted(inputs_and_constants + parameters)
    assert names["forward"] == [
        *("z1_1", "z1_2", "a1_1", "a1_2", "z2_1", "z2_2", "a2_1", "a2_2", "z3_1", "yhat")
    ]
    assert names["loss"] == ["L"]
    assert sorted(names["gradient"]) == sorted(f"dL/d{name}" for name in parameters)
    assert sorted(names["update"]) == sorted(f"{name}_new" for name in parameters)
    backward = {step["name"] for step in steps if step["section"] == "backward"}
    assert {"dL/dyhat", "dL/dz3_1", "dL/da2_1", "da2_1/dz2_1", "dyhat/dz3_1"} <= backward


GRID = """\
inputs: [1, 2]
targets: [0, 1]
layers:
  - {activation: tanh, weights: [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], biases: 0.7}
  - {activation: tanh, weights: [[1.1, 1.2, 1.3], [1.4, 1.5, 1.6]], biases: [0.8, 0.9]}
loss: squared_error
"""


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        ("", {"w1_2_1": 0.3, "w1_1_2": 0.2, "w2_1_3": 1.3, "b1": 0.7, "b2_2": 0.9}),
        ("{index_order: from_to}", {"w1_2_1": 0.2, "w1_1_2": 0.3, "w2_3_1": 1.3, "b1": 0.7}),
        ("{names: sequential}", {"w2": 0.2, "w3": 0.3, "w7": 1.1, "b1": 0.7, "b2": 0.8}),
        (
            "{names: sequential, weight_order: by_input}",
            {"w2": 0.3, "w4": 0.2, "w7": 1.1, "w8": 1.4, "b3": 0.9},
        ),
    ],
)
def test_where_a_weight_has_its_name(notation: str, expected: Mapping[str, float]) -> None:
    text = GRID + (f"notation: {notation}\n" if notation else "")
    initial = solved(text)["parameters"]["initial"]
    assert {name: initial[name] for name in expected} == expected


def test_several_outputs_are_numbered_and_a_single_one_is_not() -> None:
    several, single = values(solved(GRID)), values(solved(NEURON))
    assert {"yhat1", "yhat2", "y1", "y2", "dL/dyhat2"} <= set(several)
    assert {"yhat", "y", "dL/dyhat"} <= set(single)
    assert "x" in values(solved("inputs: 3\nlayers:\n  - {activation: relu, weights: [[2]]}\n"))


def test_samples_have_their_number_in_brackets_and_the_batch_has_none() -> None:
    solution = solved(
        "samples: [{inputs: [1, 2], targets: [1]}, {inputs: [3, 4], targets: 0}]\n"
        + NEURON.split("\n", 2)[2]
    )
    sample = {step["name"]: step["sample"] for step in solution["steps"]}
    assert sample["z1_1[2]"] == sample["dL[2]/dw1_1_2"] == sample["x1[2]"] == 2
    assert sample["L"] is sample["dL/dw1_1_2"] is sample["w1_1_2_new"] is sample["b1_1"] is None
    found = values(solution)
    assert found["L"] == pytest.approx((found["L[1]"] + found["L[2]"]) / 2)
    assert found["dL/db1_1"] == pytest.approx((found["dL[1]/db1_1"] + found["dL[2]/db1_1"]) / 2)


# Names that mean something to us, to SymPy or to Python are an author's own nevertheless.
TAKEN = """
    eta t L_new g_w v_w dL dw e pi lambda beta gamma E I N S Q and True class __import__
    delta1 yhat w_new update loss oo nan inf
"""


@pytest.mark.parametrize("name", TAKEN.split())
def test_an_authors_names_are_his_own(name: str) -> None:
    text = (
        f"equations: {{z: {name}*x + b, L: (z - y)^2}}\n"
        f"given: {{x: 2, y: 1}}\nparameters: {{{name}: 0.5, b: 0.1}}\nlearning_rate: 0.1\n"
    )
    found = values(solved(text))
    assert found["z"] == 1.1
    assert found[f"dL/d{name}"] == pytest.approx(2 * (1.1 - 1) * 2)
    assert found[f"{name}_new"] == pytest.approx(0.5 - 0.1 * 0.4)
    for options in (["--symbolic"], ["--form", "gates", "--ascii"]):
        assert solve(text, *options).code == 0


def test_greek_names_are_shown_as_letters() -> None:
    sheet = solve("equations: {L: (ŷ − δ₁)²·η}\ngiven: {yhat: 2, delta1: 1, eta: 3}\n").text
    assert "(ŷ − δ₁)² · η" in sheet
    assert "∂L/∂δ₁" in sheet


# Problem files: what is written differently and means the same


SAME: list[tuple[str, str, str]] = [
    ("inputs: [1, 2]", "inputs: {x1: 1, x2: 2}", "a mapping"),
    ("inputs: [1, 2]", "inputs: {x2: 2, x1: 1}", "in any order"),
    ("targets: [1]", "targets: 1", "a bare number"),
    ("inputs: [1, 2]\ntargets: [1]", "samples: [{inputs: [1, 2], targets: [1]}]", "one sample"),
    ("learning_rate: 0.5", "learning_rate: 5e-1", "an exponent without a point"),
    ("activation: sigmoid", "activation: [sigmoid]", "a name for each unit"),
    ("activation: sigmoid", "activation: {name: sigmoid}", "a mapping"),
    (
        "activation: sigmoid",
        "activation: {name: own, formula: '1/(1 + e^(-z))'}",
        "the formula",
    ),
    ("loss: half_squared_error", "loss: {name: half_squared_error}", "a mapping"),
    ("loss: half_squared_error", "loss: {formula: '½(y − ŷ)²'}", "a formula"),
    ("biases: [0.2]", "biases: 0.2", "one shared bias of one unit"),
    ("learning_rate: 0.5", "learning_rate: 0.5\ntraining: {}", "an empty section"),
    ("learning_rate: 0.5", "learning_rate: 0.5\ntraining: {steps: 1, batch: all}", "defaults"),
    (
        "learning_rate: 0.5",
        "learning_rate: 0.5\ntraining: {optimizer: {name: own, equations: {w: w − η·g}}}",
        "sgd by its equation",
    ),
]


@pytest.mark.parametrize(("usual", "other", "_"), SAME, ids=[row[2] for row in SAME])
def test_other_ways_to_write_the_same(usual: str, other: str, _: str) -> None:
    assert usual in NEURON
    one, two = solved(NEURON), solved(NEURON.replace(usual, other))
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-15)
    final = [sorted(map(float, each["parameters"]["final"].values())) for each in (one, two)]
    assert final[1] == pytest.approx(final[0], rel=1e-14)


def test_null_is_no_connection() -> None:
    solution = solved(NEURON.replace("[[0.5, -0.3]]", "[[0.5, null]]"))
    assert set(solution["parameters"]["initial"]) == {"w1_1_1", "b1_1"}
    assert values(solution)["z1_1"] == 0.7


def test_a_shared_bias_is_one_parameter() -> None:
    found = values(solved(GRID + "learning_rate: 1\n"))
    assert found["dL/db1"] == pytest.approx(sum(found[f"dL/dz1_{unit}"] for unit in (1, 2, 3)))
    assert found["b1_new"] == pytest.approx(0.7 - found["dL/db1"])


def test_thresholds() -> None:
    found = values(solved(NEURON.replace("biases: [0.2]", "biases: [0.2], bias_input: -1")))
    assert found["z1_1"] == pytest.approx(0.5 * 1 - 0.3 * 2 - 0.2)
    assert found["dL/db1_1"] == -found["dL/dz1_1"]


@pytest.mark.parametrize(
    ("line", "moved"),
    [
        ("frozen: [b1_1]", {"w1_1_1", "w1_1_2"}),
        ("trainable: [w1_1_1]", {"w1_1_1"}),
        ("frozen: ['w*']", {"b1_1"}),
    ],
)
def test_frozen_and_trainable(line: str, moved: set[str]) -> None:
    solution = solved(NEURON + line + "\n")
    updated = {step["name"] for step in solution["steps"] if step["section"] == "update"}
    assert updated == {f"{name}_new" for name in moved}
    initial, final = solution["parameters"]["initial"], solution["parameters"]["final"]
    assert {name for name in initial if initial[name] != final[name]} == moved


DRAWN = """\
inputs: [1, 2]
layers:
  - {activation: tanh, units: 50, weights: {init: INIT}}
"""


@pytest.mark.parametrize(
    ("init", "holds"),
    [
        ("uniform, low: -0.1, high: 0.1, seed: 7", lambda drawn: max(map(abs, drawn)) <= 0.1),
        ("normal, mean: 3, std: 0.5, seed: 1", lambda drawn: 2.7 < sum(drawn) / 100 < 3.3),
        ("xavier, seed: 1", lambda drawn: max(map(abs, drawn)) <= math.sqrt(6 / 52)),
        ("he, seed: 1", lambda drawn: 0.7 < sum(w * w for w in drawn) / 100 < 1.3),
        ("zeros", lambda drawn: set(drawn) == {0}),
        ("constant, value: 0.3", lambda drawn: set(drawn) == {0.3}),
    ],
)
def test_initializers(init: str, holds: Callable[[list[float]], bool]) -> None:
    first, again = (solved(DRAWN.replace("INIT", init))["parameters"]["initial"] for _ in "12")
    assert first == again
    assert len(first) == 150 or not any(name.startswith("b") for name in first)
    assert holds([value for name, value in first.items() if name.startswith("w")])


def test_equations_by_default_end_with_the_output_and_differentiate_by_the_parameters() -> None:
    text = CIRCUIT.replace("output: f\n", "").replace("with_respect_to: [w0, w1, w2, x0, x1]\n", "")
    gradients = {s["name"] for s in solved(text)["steps"] if s["section"] == "gradient"}
    assert gradients == {"df/dw0", "df/dw1", "df/dw2"}
    given = solved("equations: {f: x*y + y}\ngiven: {x: 3, y: 4}\n")
    assert {k: values(given)[k] for k in ("df/dx", "df/dy")} == {"df/dx": 4, "df/dy": 4}


def test_samples_of_equations_beside_what_is_given() -> None:
    found = values(
        solved(
            "equations: {L: (w*x - c)^2}\ngiven: {c: 1}\nsamples: [{x: 1}, {x: 3}]\n"
            "parameters: {w: 2}\n"
        )
    )
    assert (found["L[1]"], found["L[2]"], found["L"]) == (1, 25, 13)
    assert found["dL/dw"] == (2 * 1 * 1 + 2 * 5 * 3) / 2


# Formulas

W1, X, A3, B = 2.0, 1.5, 0.7, -1.25
FORMULAS: list[tuple[str, float]] = [
    ("2w1", 2 * W1),
    ("a3(1 - a3)", A3 * (1 - A3)),
    ("(1 + x)(1 - x)", (1 + X) * (1 - X)),
    ("w1x + b", W1 * X + B),
    ("w₁·x − b", W1 * X - B),
    ("−x²", -(X**2)),
    ("-x**2", -(X**2)),
    ("2^3^2", 512),
    ("8/4/2", 1),
    ("x⁻¹", 1 / X),
    ("½(x − w1)²", (X - W1) ** 2 / 2),
    ("1/2(x - w1)^2", (X - W1) ** 2 / 2),
    ("e^(-x)", math.exp(-X)),
    ("exp(x) - log(x) - ln(x)", math.exp(X) - 2 * math.log(X)),
    ("sqrt(x) + abs(b) + |b|", math.sqrt(X) - 2 * B),
    ("max(x, b, w1) - min(x, b)", W1 - B),
    ("sin(x) + cos(x) + tanh(x)", math.sin(X) + math.cos(X) + math.tanh(X)),
    ("σ(w1·x + b)", sigmoid(W1 * X + B)),
    ("relu(b) + relu(x) + ReLU(b)", X),
    ("leaky_relu(b)", 0.01 * B),
    ("elu(b)", math.exp(B) - 1),
    ("softplus(x)", math.log(1 + math.exp(X))),
    ("swish(x) + silu(x)", 2 * X * sigmoid(X)),
    ("gelu(x)", X * (1 + math.erf(X / math.sqrt(2))) / 2),
    ("step(0) + step(b) + sign(b) + sign(0)", 1),
    ("identity(x) + linear(x)", 2 * X),
    ("x if x > w1 else b if b >= 0 else 7", 7),
    ("x if x ≥ 1.5 else 0", X),
    ("1e-3*x + .5", 0.0015 + 0.5),
]


@pytest.mark.parametrize(("formula", "value"), FORMULAS)
def test_formulas(formula: str, value: float) -> None:
    text = f"equations:\n  f: {json.dumps(formula)}\ngiven: {{w1: 2, x: 1.5, a3: 0.7, b: -1.25}}\n"
    assert values(solved(text))["f"] == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("formula", ["1/2x", "x if x", "x > 1", "2(", "x..y", "q + x", "σσ", ""])
def test_what_is_no_formula_is_refused_at_its_place(formula: str) -> None:
    result = solve(f"equations:\n  f: {json.dumps(formula)}\ngiven: {{x: 1}}\n")
    assert (result.code, result.text) == (2, "")
    assert re.match(r"-:2:\d+: error\[[a-z-]+\]: ", result.complaints)


# JSON


def test_json_of_a_solution() -> None:
    solution = solved(TWO_LAYERS)
    assert {"format", "title", "steps", "losses", "parameters"} <= set(solution)
    assert solution["format"] == "backprop-solution/1"
    assert solution["title"] == "Two hidden layers, one training step"
    z = next(step for step in solution["steps"] if step["name"] == "z1_1")
    assert z == {
        "iteration": 1,
        "sample": 1,
        "section": "forward",
        "name": "z1_1",
        "formula": "w1_1_1*x1 + w1_1_2*x2 + w1_1_3*x3 + b1_1",
        "substituted": "0.42*6 + 0.72*2 + 0.21*5 + 0.01",
        "value": 5.02,
        "latex": z["latex"],
        "depends_on": ["w1_1_1", "x1", "w1_1_2", "x2", "w1_1_3", "x3", "b1_1"],
        "note": None,
    }
    sections = {"given", "forward", "loss", "backward", "gradient", "update"}
    assert {step["section"] for step in solution["steps"]} == sections
    assert [round(loss, 4) for loss in solution["losses"]] == [0.0353, 0.03]
    assert solution["parameters"]["initial"]["w1_1_1"] == 0.42
    assert solution["parameters"]["final"]["w1_1_1"] == values(solution)["w1_1_1_new"]


def test_formula_substituted_and_value_say_the_same() -> None:
    solution = solved(TWO_LAYERS)
    found = values(solution)
    for step in solution["steps"]:
        if step["section"] == "given":
            continue
        formula = parse(step["formula"], known=list(found))
        worked_out = float(evaluate(formula, lambda name: Fraction(found[name])))
        assert worked_out == pytest.approx(step["value"], rel=1e-12)
        put_in = float(evaluate(parse(step["substituted"]), lambda name: Fraction(0)))
        assert put_in == pytest.approx(step["value"], rel=6e-4)
        assert set(step["depends_on"]) <= set(found)


def test_derivations_come_with_symbolic_only() -> None:
    assert all("derivation" not in step for step in solved(TWO_LAYERS)["steps"])
    steps = {step["name"]: step for step in solved(TWO_LAYERS, "--symbolic")["steps"]}
    parts = steps["dL/dw3_1_1"]["derivation"]
    assert {key: part["text"] for key, part in parts.items()} == {
        "chain": "dL/dyhat*dyhat/dz3_1*dz3_1/dw3_1_1",
        "local": "(yhat - y)*yhat*(1 - yhat)*a2_1",
        "closed": "(yhat - y)*yhat*(1 - yhat)*a2_1",
        "substituted": "(0.73444 - 1)*0.73444*(1 - 0.73444)*0.90152",
    }
    assert all(part["latex"] for part in parts.values())
    gradients = [step for step in steps.values() if step["section"] == "gradient"]
    assert len(gradients) == 17
    assert all("derivation" in step for step in gradients)


def test_a_symbolic_problem_has_null_for_every_value() -> None:
    for text in (
        "inputs: [x1, x2]\nlayers:\n  - {activation: relu, units: 2}\n"
        "  - {activation: sigmoid, units: 1}\nloss: half_squared_error\nlearning_rate: 0.1\n",
        "equations: {h: σ(w·x), L: ½(h − t)²}\ngiven: [x, t]\nparameters: [w]\n",
    ):
        solution = solved(text, "--symbolic")
        computed = [step for step in solution["steps"] if step["section"] != "given"]
        assert computed
        assert {step["value"] for step in computed} == {None}
        assert {step["substituted"] for step in computed} == {None}
        assert set(solution["parameters"]["final"].values()) == {None}


def test_numbers_that_are_there_are_used_although_others_are_missing() -> None:
    found = values(solved("equations: {a: 2*x, f: a*w}\ngiven: {x: 3}\nparameters: {w: null}\n"))
    assert (found["a"], found["f"], found["df/dw"]) == (6, None, 6)


def test_values_that_are_not_finite_are_strings() -> None:
    text = "equations: {i: 1/x, j: -1/x, n: x/x, L: i + j + n}\ngiven: {x: 0}\n"
    found = values(solved(text))
    assert (found["i"], found["j"], found["n"]) == ("inf", "-inf", "nan")
    assert solve(text, "--format", "json").text.count("NaN") == 0


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("batch", ["all", "1", "2"])
def test_there_is_a_loss_before_each_update_and_one_after_the_last(steps: int, batch: str) -> None:
    text = (
        "equations: {L: (w*x - y)^2}\nsamples: [{x: 1, y: 2}, {x: 2, y: 2}, {x: 3, y: 5}]\n"
        f"parameters: {{w: 0}}\nlearning_rate: 0.02\ntraining: {{batch: {batch}}}\n"
    )
    solution = solved(text, "--steps", str(steps))
    data = [(1.0, 2.0), (2.0, 2.0), (3.0, 5.0)]
    size = 3 if batch == "all" else int(batch)
    w, expected = 0.0, []
    for update in range(steps):
        taken = [data[(update * size + i) % 3] for i in range(size)]
        expected.append(sum((w * x - y) ** 2 for x, y in taken) / size)
        w -= 0.02 * sum(2 * x * (w * x - y) for x, y in taken) / size
    expected.append(sum((w * x - y) ** 2 for x, y in taken) / size)
    assert solution["losses"] == pytest.approx(expected, rel=1e-13)
    assert solution["parameters"]["final"]["w"] == pytest.approx(w, rel=1e-13)


# Training

LINE = """\
equations: {L: (w - 3)^2}
parameters: {w: 1}
learning_rate: 0.1
training: {steps: 3, TRAINING}
"""


def trained(training: str) -> float:
    final = solved(LINE.replace("TRAINING", training))["parameters"]["final"]
    return float(final["w"])


def test_optimizers_by_the_formulas_of_pytorchs_documentation() -> None:
    eta = 0.1

    def slope(w: float) -> float:
        return 2 * (w - 3)

    w = v = 0.0
    w = 1.0
    for _ in range(3):
        v = 0.9 * v + slope(w)
        w -= eta * v
    assert trained("optimizer: {name: momentum, momentum: 0.9}") == pytest.approx(w, rel=1e-13)

    w, v = 1.0, 0.0
    for _ in range(3):
        g = slope(w)
        v = 0.9 * v + g
        w -= eta * (g + 0.9 * v)
    assert trained("optimizer: nesterov") == pytest.approx(w, rel=1e-13)

    w, s = 1.0, 0.0
    for _ in range(3):
        g = slope(w)
        s += g * g
        w -= eta * g / (math.sqrt(s) + 1e-10)
    assert trained("optimizer: adagrad") == pytest.approx(w, rel=1e-13)

    w, s = 1.0, 0.0
    for _ in range(3):
        g = slope(w)
        s = 0.99 * s + 0.01 * g * g
        w -= eta * g / (math.sqrt(s) + 1e-8)
    assert trained("optimizer: rmsprop") == pytest.approx(w, rel=1e-13)

    for name, decay in (("adam", 0.0), ("adamw", 0.01)):
        w, m, v = 1.0, 0.0, 0.0
        for t in (1, 2, 3):
            g = slope(w)
            w -= eta * decay * w
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g * g
            w -= eta * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        assert trained(f"optimizer: {name}") == pytest.approx(w, rel=1e-13)

    w, v = 1.0, 0.0
    for _ in range(3):
        v = 0.8 * v + 0.2 * slope(w)
        w -= eta * v
    own = (
        "{name: ema, state: {v: 0}, equations: {v: beta*v + (1 - beta)*g, w: w - eta*v}, beta: 0.8}"
    )
    assert trained(f"optimizer: {own}") == pytest.approx(w, rel=1e-13)


def test_remedies() -> None:
    w = 1.0
    for _ in range(3):
        g = 2 * (w - 3)
        w -= 0.1 * g * min(1, 0.5 / abs(g))
    assert trained("clip: {norm: 0.5}") == trained("clip: {value: 0.5}") == pytest.approx(w)
    w = 1.0
    for _ in range(3):
        w -= 0.1 * (2 * (w - 3) + 0.3 * w)
    assert trained("l2: 0.3") == pytest.approx(w)
    w = 1.0
    for _ in range(3):
        w -= 0.1 * (2 * (w - 3) + 0.3 * (1 if w > 0 else -1))
    assert trained("l1: 0.3") == pytest.approx(w)


@pytest.mark.parametrize("update", ["error", "target"])
def test_the_perceptron_learns_or_until_there_is_no_mistake(update: str) -> None:
    low = 0 if update == "error" else -1
    data = [((0, 0), low), ((0, 1), 1), ((1, 0), 1), ((1, 1), 1)]
    unit = "step" if update == "error" else "sign"
    samples = ", ".join(f"{{inputs: [{a}, {b}], targets: {t}}}" for (a, b), t in data)
    solution = solved(
        f"samples: [{samples}]\nlearning_rate: 1\n"
        f"layers:\n  - {{activation: {unit}, weights: [[0, 0]], biases: [0]}}\n"
        f"training: {{rule: {{name: perceptron, update: {update}}}}}\n"
    )
    w1 = w2 = b = 0
    while True:
        mistakes = 0
        for (x1, x2), target in data:
            answer = 1 if w1 * x1 + w2 * x2 + b >= 0 else low
            if answer != target:
                mistakes += 1
                step = target - answer if update == "error" else target
                w1, w2, b = w1 + step * x1, w2 + step * x2, b + step
        if not mistakes:
            break
    assert solution["parameters"]["final"] == {"w1_1_1": w1, "w1_1_2": w2, "b1_1": b}


def test_a_run_that_leaves_floating_point_stops_with_step_and_reason() -> None:
    text = "equations: {L: w^4}\nparameters: {w: 3}\nlearning_rate: 1\ntraining: {steps: 50}\n"
    solution = solved(text)
    assert solution["losses"][-1] == "inf"
    assert len(solution["losses"]) == max(step["iteration"] for step in solution["steps"])
    sheet = " ".join(solve(text).text.replace("┃", " ").split())
    assert f"The run stops at update {len(solution['losses'])}: L is infinite, because" in sheet
    logarithm = "equations: {L: ln(w)}\nparameters: {w: -1}\nlearning_rate: 1\n"
    assert "ln(w) is the logarithm of a negative number" in " ".join(
        solve(logarithm).text.replace("┃", " ").split()
    )


# Numbers


@pytest.mark.parametrize(
    ("loss", "z", "y", "expected"),
    [
        ("binary_cross_entropy", 1000, 1, {"yhat": 1, "L": 0, "dL/dyhat": -1, "dL/dz1_1": 0}),
        ("binary_cross_entropy", 1000, 0, {"yhat": 1, "L": 1000, "dL/dz1_1": 1}),
        ("binary_cross_entropy", -1000, 1, {"yhat": 0, "L": 1000, "dL/dz1_1": -1}),
        ("binary_cross_entropy", -1000, 0, {"yhat": 0, "L": 0, "dL/dyhat": 1, "dL/dz1_1": 0}),
        ("cross_entropy", -1000, 1, {"yhat": 0, "L": 1000, "dL/dz1_1": -1}),
        ("half_squared_error", -1000, 1, {"yhat": 0, "L": 0.5, "dL/dz1_1": 0}),
    ],
)
def test_saturated_units(loss: str, z: int, y: int, expected: Mapping[str, float]) -> None:
    text = f"inputs: [{z}]\ntargets: [{y}]\nloss: {loss}\n"
    found = values(solved(text + "layers:\n  - {activation: sigmoid, weights: [[1]]}\n"))
    assert {name: found[name] for name in expected} == expected


def test_softmax_of_large_numbers() -> None:
    text = "inputs: [1]\ntargets: [0, 1]\nloss: cross_entropy\n"
    found = values(solved(text + "layers:\n  - {activation: softmax, weights: [[1000], [0]]}\n"))
    assert (found["yhat1"], found["yhat2"], found["L"]) == (1, 0, 1000)
    assert (found["dL/dz1_1"], found["dL/dz1_2"]) == (1, -1)


def test_decimals_are_worked_out_as_on_paper() -> None:
    text = (
        "inputs: [1, 2]\nlayers:\n  - {activation: relu, weights: [[0.5, -0.3]], biases: [0.1]}\n"
    )
    assert values(solved(text))["z1_1"] == 0
    assert "│ 0.5·1 + (−0.3)·2 + 0.1 │ 0" in solve(text).text


@pytest.mark.parametrize("name", ["softmax", "tanh"])
def test_sequential_names_of_a_hidden_layer_do_not_mix_up_its_units(name: str) -> None:
    layers = (
        "layers:\n  - {activation: tanh, weights: [[0.3], [0.8]]}\n"
        f"  - {{activation: {name}, weights: [[0.5, -0.4], [0.1, 0.9], [-0.7, 0.2]]}}\n"
        "  - {activation: identity, weights: [[1, 2, -3]]}\n"
    )
    text = f"inputs: [0.6]\ntargets: [1]\nloss: squared_error\n{layers}"
    indexed = values(solved(text))
    sequential = values(solved(text + "notation: {names: sequential}\n"))
    for one, other in (("w1_1_1", "w1"), ("w1_2_1", "w2"), ("w2_1_1", "w3"), ("w2_3_2", "w8")):
        assert sequential[f"dL/d{other}"] == pytest.approx(indexed[f"dL/d{one}"], rel=1e-12)


def test_digits_are_significant_digits() -> None:
    assert "≈ 0.73444" in solve(TWO_LAYERS, "--only", "yhat", "--digits", "5").text
    assert "≈ 0.734439031132909" in solve(TWO_LAYERS, "--only", "yhat", "--digits", "15").text
    assert "≈ 0.73\n" in solve(TWO_LAYERS + "rounding: {digits: 2}\n", "--only", "yhat").text


def test_rounding_each_value_as_by_hand() -> None:
    def rounded(value: float) -> float:
        return float(f"{value:.3g}")

    by_option = values(solved(TWO_LAYERS, "--round-each", "3"))
    by_file = values(solved(TWO_LAYERS + "rounding: {digits: 3, every_step: true}\n"))
    assert by_option == by_file
    z21 = rounded(0.17 * 5.02 + 0.29 * 4.52 + 0.05)
    z22 = rounded(0.91 * 5.02 + 0.08 * 4.52 + 0.05)
    a21, a22 = rounded(sigmoid(z21)), rounded(sigmoid(z22))
    z3 = rounded(0.61 * a21 + 0.39 * a22 + 0.08)
    yhat = rounded(sigmoid(z3))
    expected = {"z2_1": z21, "z2_2": z22, "a2_1": a21, "a2_2": a22, "z3_1": z3, "yhat": yhat}
    assert {name: by_option[name] for name in expected} == expected


def test_fractions_where_they_exist() -> None:
    sheet = solve("equations: {f: x/3 + y²/7}\ngiven: {x: 1, y: 2.5}\n", "--exact").text
    assert "│ 103/84" in sheet


# The command line


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("solve", "-"), 0),
        (("solve", "-", "--symbolic", "--form", "matrix"), 0),
        (("validate", "-"), 0),
        (("verify", "-"), 0),
        (("worksheet", "-"), 0),
        (("draw", "-"), 0),
        (("list",), 0),
        (("schema",), 0),
        (("solve", "nowhere.yaml"), 2),
        (("solve", "-", "--digits", "many"), 2),
        (("solve", "-", "--only", "nothing"), 2),
        (("solve", "-", "--form", "nothing"), 2),
        (("solve", "-", "--steps", "0"), 2),
        (("solve",), 2),
        (("sovle", "-"), 2),
    ],
)
def test_exit_codes_and_streams(arguments: tuple[str, ...], code: int) -> None:
    result = backprop(*arguments, stdin=TWO_LAYERS)
    assert result.code == code
    assert (result.text == "") == (code == 2)
    assert (result.complaints == "") == (code == 0)


def test_a_mistake_as_the_manual_shows_it(tmp_path: Any) -> None:
    demo = tmp_path / "demo.yaml"
    demo.write_text(
        "title: demo\ninputs: [1, 2]\ntargets: [1]\nloss: half_squared_error\nlayers:\n"
        "  - {activation: sigmod, weights: [[0.17, 0.29]]}\n"
    )
    for command in ("solve", "validate", "verify", "worksheet", "draw"):
        result = backprop(command, demo)
        assert (result.code, result.text) == (2, "")
        assert result.complaints == (
            f"{demo}:6:18: error[unknown-activation]: `sigmod` is not an activation\n"
            "  |\n"
            "6 |   - {activation: sigmod, weights: [[0.17, 0.29]]}\n"
            "  |                  ^^^^^^\n"
            "  = help: did you mean `sigmoid`?\n"
        )


def test_every_mistake_is_reported_at_once() -> None:
    result = solve(
        "inputs: [1, 2]\ntargets: [1, 0]\nlayers:\n"
        "  - {activation: sigmod, weights: [[0.5, -0.3, 1]], biases: [1, 2]}\n"
        "loss: squared_eror\nlearning_rate: yes\ntraining: {steps: 0, optimizer: adm}\n"
    )
    lines = re.findall(r"^-:(\d+):\d+: error\[([a-z-]+)\]", result.complaints, re.M)
    assert [int(line) for line, _ in lines] == [2, 4, 4, 4, 5, 6, 7, 7]


@pytest.mark.parametrize(
    "line",
    [
        "learning_rate: 1e-3",
        "learning_rate: 1.5E-1",
        "learning_rate: .5",
    ],
)
def test_numbers_of_yaml(line: str) -> None:
    number = float(line.split()[1])
    assert values(solved(NEURON.replace("learning_rate: 0.5", line)))["eta"] == number


NOT_NUMBERS = "yes no on off 1:30 true 0x1F 1_0 ~"


@pytest.mark.parametrize(
    "text",
    [
        NEURON + "learning_rate: 0.1\n",
        *(NEURON.replace("0.2", trap) for trap in NOT_NUMBERS.split()),
        NEURON.replace("[1, 2]", "&a [1, 2]"),
        NEURON.replace("targets: [1]", "targets: *a"),
        NEURON + "<<: {title: x}\n",
        NEURON + "title: !!python/object:os.system x\n",
        NEURON + "---\na: 1\n",
        NEURON + "#" * (1 << 20),
        NEURON + "description: " + "[" * 60 + "]" * 60,
        NEURON + "description: " + "[" * 100_000,
        "x:\n" + "".join(f"{' ' * depth}a:\n" for depth in range(60)),
        NEURON + "title: a\x1b[31mred\n",
        "",
        "null",
        "- 1",
        "\t- x",
        "{",
        "equations: {f: " + "(" * 3_000 + "}",
        'equations: {f: "' + "(" * 3_000 + '"}',
        "equations: {f: __import__('os').system('x')}\n",
        "equations: {f: f + 1}\n",
    ],
)
def test_traps_and_hostile_files_are_refused_without_a_traceback(text: str) -> None:
    result = solve(text)
    assert (result.code, result.text) == (2, "")
    assert re.match(r"-(:\d+:\d+)?: (error|warning)\[[a-z-]+\]: ", result.complaints)
    assert "Traceback" not in result.complaints
    assert "\x1b" not in result.complaints
    assert len(result.complaints) < 20_000


def test_huge_powers_cost_nothing() -> None:
    found = values(solved("equations: {f: 9^9^9^9 + x, g: x^x^x}\ngiven: {x: 9}\noutput: f\n"))
    assert found["f"] == "inf"


@pytest.mark.parametrize("form", ["reuse", "chain", "delta", "matrix", "gates"])
@pytest.mark.parametrize("name", ["two-hidden-layers", "softmax-three-classes", "max-circuit-tie"])
def test_every_form_in_ascii_within_its_width(form: str, name: str) -> None:
    sheet = PROBLEMS / f"{name}.yaml"
    result = backprop("solve", sheet, "--form", form, "--symbolic", "--ascii", "--width", "72")
    assert result.code == 0, result.complaints
    assert result.output.isascii()
    assert max(map(len, result.text.splitlines())) <= 72


@pytest.mark.parametrize("activation", ["softmax", "[relu, tanh]", "{formula: z^3}"])
def test_layers_of_every_kind_in_matrices(activation: str) -> None:
    text = (
        "inputs: [2]\ntargets: [1, 0]\nloss: squared_error\nlayers:\n"
        f"  - {{activation: {activation}, weights: [[0.4], [0.2]]}}\n"
        "  - {activation: sigmoid, weights: [[0.3, 0.1], [0.2, 0.7]]}\n"
    )
    result = solve(text, "--form", "matrix", "--symbolic")
    assert (result.code, result.complaints) == (0, "")


def test_colour_only_where_it_is_wanted() -> None:
    assert b"\x1b" not in backprop("solve", "-", stdin=NEURON).output
    assert b"\x1b" in backprop("solve", "-", stdin=NEURON, terminal=True).output
    assert b"\x1b" not in backprop("solve", "-", stdin=NEURON, terminal=True, NO_COLOR="1").output


def test_the_same_problem_gives_the_same_bytes() -> None:
    problem = PROBLEMS / "small-random-weights.yaml"
    first, second = (backprop("solve", problem, "--symbolic").output for _ in "12")
    assert first == second


def test_masks_and_one_hot_targets_are_differentiated_only_when_asked() -> None:
    text = (
        "equations: {h: 'dropout(A, m, 0.5)', s: 'where(c, h, A)', P: softmax(s),"
        " L: 'cross_entropy(P, Y)'}\n"
        "given: {A: [[1, 2]], m: [[1, 0]], c: [[0, 1]], Y: [[0, 1]]}\n"
    )

    def by(solution: Json) -> set[str]:
        leaves = ("A", "m", "c", "Y")
        return {
            leaf for leaf in leaves for name in values(solution) if name.startswith(f"dL/d{leaf}_")
        }

    assert by(solved(text)) == {"A"}
    assert by(solved(text + "with_respect_to: [m, A]\n")) == {"A", "m"}
