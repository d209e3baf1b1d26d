"""The course sheets and classics of `problems/`: true numbers, published numbers, closed forms."""

from __future__ import annotations

import functools
import json
import math
import re
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import oracle
import pytest
import students
import yaml

from backprop_cli.problem.read import read_problem
from backprop_cli.run import Run, solve

PUBLISHED: dict[str, Any] = yaml.load(
    (Path(__file__).parent / "published.yaml").read_text(encoding="utf-8"),
    Loader=yaml.BaseLoader,  # digits as printed: 0.5250 has four decimals
)

SHEETS = sorted(
    path.stem for path in oracle.PROBLEMS.glob("*.yaml") if oracle.of_numbers(path.stem)
)
SYMBOLIC = [name for name in SHEETS if name.endswith("-symbolic")]
PERCEPTRONS = [name for name in SHEETS if name.startswith("perceptron-")]
TRAINED = [name for name in SHEETS if name not in SYMBOLIC and name not in PERCEPTRONS]


@functools.cache
def sheet(name: str) -> Run:
    return solve(read_problem(oracle.PROBLEMS / f"{name}.yaml"))


@functools.cache
def truth(name: str) -> oracle.Solution:
    """The oracle's solution; random weights are taken over, since they cannot be checked."""
    initial = {parameter: as_float(value) for parameter, value in sheet(name).initial.items()}
    return oracle.solve(oracle.read(name), initial=initial)


def as_float(value: Any) -> float:
    assert value is not None
    return float(value)


def close(found: Any, expected: float) -> bool:
    return math.isclose(as_float(found), expected, rel_tol=1e-10, abs_tol=1e-12)


def agrees(value: float, printed: str) -> bool:
    """Whether rounding or cutting off the value can give what is printed."""
    unit = Decimal(1).scaleb(int(Decimal(printed).as_tuple().exponent))
    return abs(Decimal(value) - Decimal(printed)) <= unit * (1 + Decimal("1e-9"))


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("name", TRAINED)
def test_every_number_on_the_sheet_is_true(name: str) -> None:
    run, solution = sheet(name), truth(name)
    assert len(run.iterations) == len(solution.updates)
    for mine, theirs in zip(run.iterations, solution.updates, strict=True):
        wrong = {
            quantity: (mine.values.get(quantity), value)
            for quantity, value in theirs.items()
            if (quantity in mine.values and not close(mine.values[quantity], value))
            or (quantity not in mine.values and "/" not in quantity)
        }
        assert wrong == {}
    for parameter, value in solution.final.items():
        assert close(run.final[parameter], value)


@pytest.mark.parametrize("name", [name for name in TRAINED if len(truth(name).losses) > 1])
def test_the_losses_are_true(name: str) -> None:
    found, expected = sheet(name).losses, truth(name).losses
    assert len(found) == len(expected)
    assert all(close(mine, theirs) for mine, theirs in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_numbers(name: str) -> None:
    """First that our copy of the numbers is right (by the oracle), then that the sheet is."""
    numbers = PUBLISHED[name]
    for update, printed in enumerate(numbers["updates"]):
        theirs, mine = truth(name).updates[update], sheet(name).iterations[update].values
        for quantity, text in printed.items():
            assert agrees(theirs[quantity], text), quantity
            if quantity in mine:
                assert agrees(as_float(mine[quantity]), text), quantity
            else:
                assert re.fullmatch(r"d\w+/d\w+", quantity), f"{quantity} is not on the sheet"
    for text, loss in zip(numbers.get("losses", []), sheet(name).losses, strict=False):
        assert agrees(as_float(loss), text)


# ---------------------------------------------------------------- particular sheets


@pytest.mark.parametrize("gate", ["and", "or"])
def test_a_perceptron_learns_its_truth_table(gate: str) -> None:
    problem = oracle.read(f"perceptron-{gate}")
    final = sheet(f"perceptron-{gate}").final
    for sample in problem["samples"]:
        z = sum(as_float(final[f"w1_1_{i}"]) * x for i, x in enumerate(sample["inputs"], 1))
        assert int(z + as_float(final["b1_1"]) >= 0) == sample["targets"][0]


@pytest.mark.parametrize("name", PERCEPTRONS)
def test_the_perceptron_rule_update_by_update(name: str) -> None:
    found, expected = sheet(name).iterations, oracle.solve(oracle.read(name)).updates
    for mine, theirs in zip(found, expected, strict=False):
        for quantity, value in theirs.items():
            assert close(mine.values[quantity], value), (mine.number, quantity)


def test_a_perceptron_goes_round_in_circles_on_xor() -> None:
    updates = oracle.solve(oracle.read("perceptron-xor-cycles"), steps=40).updates

    def weights(update: int) -> tuple[float, ...]:
        return tuple(updates[update - 1][f"{w}_new"] for w in ("w1_1_1", "w1_1_2", "b1_1"))

    assert weights(8) == weights(12) == weights(16) != weights(9)
    stop = sheet("perceptron-xor-cycles").stop
    assert stop is not None
    assert stop.reason == "cycle"


def test_xor_from_or_and_and() -> None:
    values = sheet("xor-with-hidden-layer").iterations
    found = {
        name: value
        for iteration in values
        for name, value in iteration.values.items()
        if name.startswith("yhat")
    }
    assert [as_float(found[f"yhat[{s}]"]) for s in (1, 2, 3, 4)] == [0, 1, 1, 0]


def test_three_units_learn_xor() -> None:
    last = truth("xor-learnt").updates[-1]
    for s, target in enumerate((0, 1, 1, 0), 1):
        assert abs(last[f"yhat[{s}]"] - target) < 0.05
    assert as_float(sheet("xor-learnt").losses[-1]) < 0.03


def test_linear_layers_are_one_linear_map() -> None:
    """W̃ = W₃W₂W₁ and b̃ = W₃W₂b₁ + W₃b₂ + b₃, worked out on paper for this sheet."""
    layers = oracle.read("linear-layers-collapse")["layers"]
    x = oracle.read("linear-layers-collapse")["inputs"]
    matrix, constant = [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, 0]
    for layer in layers:
        rows = layer["weights"]
        matrix = [
            [sum(w * m[i] for w, m in zip(row, matrix, strict=True)) for i in range(3)]
            for row in rows
        ]
        constant = [
            sum(w * c for w, c in zip(row, constant, strict=True)) + b
            for row, b in zip(rows, layer["biases"], strict=True)
        ]
    assert (matrix, constant) == ([[9, 3, -3]], [-0.5])
    yhat = sum(w * value for w, value in zip(matrix[0], x, strict=True)) + constant[0]
    assert as_float(sheet("linear-layers-collapse").iterations[0].values["yhat"]) == yhat == 5.5


def test_equal_weights_give_no_gradient_at_all() -> None:
    first = truth("equal-weights-dead-relu").updates[0]
    assert all(value == 0 for name, value in first.items() if name.startswith("dL/dw"))


def test_from_zero_only_the_last_bias_learns() -> None:
    for update in truth("all-zero-weights").updates:
        learning = {name for name, value in update.items() if name.startswith("dL/d") and value}
        parameters = {name for name in learning if re.match(r"dL/d[wb]\d", name)}
        assert parameters == {"dL/db2_1"}


def test_random_weights_stay_within_their_bounds_and_differ() -> None:
    initial = sheet("small-random-weights").initial
    drawn = [as_float(value) for name, value in initial.items() if name.startswith("w")]
    assert len(set(drawn)) == len(drawn) == 9
    assert all(abs(w) <= 0.1 for w in drawn)


def test_a_clipped_step_is_as_long_as_the_threshold_allows() -> None:
    problem, update = oracle.read("gradient-clipping"), truth("gradient-clipping").updates[0]
    names = ("w1_1_1", "w2_1_1", "w3_1_1")
    step = math.hypot(*(update[f"{name}_new"] - 5 for name in names))
    assert math.isclose(step, problem["learning_rate"] * 1.0)


def test_normalised_values_have_mean_0_and_variance_1() -> None:
    values = sheet("batch-norm-by-hand").iterations[0].values
    outputs = [as_float(values[f"yhat[{s}]"]) for s in (1, 2, 3)]
    assert outputs == pytest.approx([-1.2247, 0, 1.2247], abs=1e-4)


def test_a_shared_parameter_collects_from_every_place() -> None:
    """The gradient for w of the recurrence: once through h1 by hand, once directly."""
    update = truth("recurrence-two-steps").updates[0]
    h1, h2 = update["h1"], update["h2"]
    back = (update["yhat"] - 1) * 1.2 * (1 - h2**2)
    directly, through_h1 = back * h1, back * 0.8 * (1 - h1**2) * 0  # h0 is 0
    assert math.isclose(update["dL/dw"], directly + through_h1)


# ---------------------------------------------------------------- the answer files


@pytest.mark.parametrize(("path", "text"), list(students.files()), ids=lambda one: Path(one).stem)
def test_the_answer_files_are_what_the_students_wrote(path: Path, text: str) -> None:
    """`python tests/students.py` writes them again."""
    assert path.read_text(encoding="utf-8") == text


def test_every_known_slip_has_an_answer_file() -> None:
    written = {path.stem for path in (students.ANSWERS / "slips").glob("*.yaml")}
    assert written == set(students.SLIPS)


def test_a_slip_changes_something_and_everything_before_it_is_right() -> None:
    for code, (_, solver, _) in students.SLIPS.items():
        for honest, slipped in zip(solver(""), solver(code), strict=True):
            assert list(honest.answers) == list(slipped.answers)
        first_right = next(iter(solver("")[0].answers.items()))
        assert first_right == next(iter(solver(code)[0].answers.items()))
        assert [p.answers for p in solver("")] != [p.answers for p in solver(code)], code


# ---------------------------------------------------------------- closed forms


def derivations(name: str) -> dict[str, Any]:
    """What `solve --symbolic --format json` says of each gradient."""
    command = [sys.executable, "-m", "backprop_cli", "solve", "--symbolic", "--format", "json"]
    path = str(oracle.PROBLEMS / f"{name}.yaml")
    done = subprocess.run([*command, path], capture_output=True, text=True, check=True)
    steps = json.loads(done.stdout)["steps"]
    return {step["name"]: step["derivation"] for step in steps if "derivation" in step}


NETWORK_A1 = {
    "dL/dw7": "-2*(y - yhat)*a3",
    "dL/dw8": "-2*(y - yhat)*a4",
    "dL/db5": "-2*(y - yhat)",
    "dL/dw3": "-2*(y - yhat)*w7*relu'(z3)*a1",
    "dL/dw5": "-2*(y - yhat)*w7*relu'(z3)*a2",
    "dL/db3": "-2*(y - yhat)*w7*relu'(z3)",
    "dL/dw4": "-2*(y - yhat)*w8*relu'(z4)*a1",
    "dL/dw6": "-2*(y - yhat)*w8*relu'(z4)*a2",
    "dL/db4": "-2*(y - yhat)*w8*relu'(z4)",
    "dL/dw1": "-2*(y - yhat)*(w7*relu'(z3)*w3 + w8*relu'(z4)*w4)*relu'(z1)*x",
    "dL/db1": "-2*(y - yhat)*(w7*relu'(z3)*w3 + w8*relu'(z4)*w4)*relu'(z1)",
    "dL/dw2": "-2*(y - yhat)*(w7*relu'(z3)*w5 + w8*relu'(z4)*w6)*relu'(z2)*x",
    "dL/db2": "-2*(y - yhat)*(w7*relu'(z3)*w5 + w8*relu'(z4)*w6)*relu'(z2)",
}

CHAIN_B2 = {
    "dL/dw2": "(y - t)*y*(1 - y)*h",
    "dL/db2": "(y - t)*y*(1 - y)",
    "dL/dw1": "(y - t)*y*(1 - y)*w2*h*(1 - h)*x",
    "dL/db1": "(y - t)*y*(1 - y)*w2*h*(1 - h)",
}

_OUT = "(yhat - y)*yhat*(1 - yhat)"
_UNIT = {j: f"a2_{j}*(1 - a2_{j})" for j in (1, 2)}

NETWORK_C1 = {
    "dL/db3_1": _OUT,
    **{f"dL/dw3_{i}_1": f"{_OUT}*a2_{i}" for i in (1, 2)},
    **{f"dL/db2_{j}": f"{_OUT}*w3_{j}_1*{_UNIT[j]}" for j in (1, 2)},
    **{f"dL/dw2_{i}_{j}": f"{_OUT}*w3_{j}_1*{_UNIT[j]}*a1_{i}" for i in (1, 2) for j in (1, 2)},
    **{
        f"dL/db1_{j}": (
            f"{_OUT}*(w3_1_1*{_UNIT[1]}*w2_{j}_1 + w3_2_1*{_UNIT[2]}*w2_{j}_2)*relu'(z1_{j})"
        )
        for j in (1, 2)
    },
    **{
        f"dL/dw1_{i}_{j}": (
            f"{_OUT}*(w3_1_1*{_UNIT[1]}*w2_{j}_1 + w3_2_1*{_UNIT[2]}*w2_{j}_2)*relu'(z1_{j})*x{i}"
        )
        for i in (1, 2, 3)
        for j in (1, 2)
    },
}

_BOTH = "((yhat1 - y1)*w2_1_1 + (yhat2 - y2)*w2_1_2)*(1 - a1_1^2)"

TWO_OUTPUTS_C4 = {
    **{f"dL/dw2_1_{k}": f"(yhat{k} - y{k})*a1_1" for k in (1, 2)},
    **{f"dL/db2_{k}": f"yhat{k} - y{k}" for k in (1, 2)},
    **{f"dL/dw1_{i}_1": f"{_BOTH}*x{i}" for i in (1, 2)},
    "dL/db1_1": _BOTH,
}

CLOSED = {
    "relu-regression-symbolic": NETWORK_A1,
    "sigmoid-chain-symbolic": CHAIN_B2,
    "two-hidden-layers-symbolic": NETWORK_C1,
    "tanh-two-outputs-symbolic": TWO_OUTPUTS_C4,
}


def value_of(text: str, values: Mapping[str, float]) -> float:
    """A closed form at these numbers."""
    python = text.replace("relu'", "slope_of_relu").replace("^", "**").replace("dL/dyhat", "L_y")
    names = {"slope_of_relu": lambda z: float(z > 0), "L_y": values.get("dL/dyhat")}
    return float(eval(python, {"__builtins__": {}}, {**values, **names}))


@pytest.mark.parametrize("name", sorted(CLOSED))
def test_the_expected_closed_forms_are_the_true_gradients(name: str) -> None:
    for seed in range(3):
        problem = oracle.with_numbers(oracle.read(name), seed)
        made = oracle.model(problem)
        values = dict(made.parameters)
        if "equations" in problem:
            values |= problem["given"]
        else:
            for letter, key in (("x", "inputs"), ("y", "targets")):
                entries = problem[key]
                numbered = {f"{letter}{k}": value for k, value in enumerate(entries, 1)}
                values |= {letter: entries[0]} if len(entries) == 1 else numbered
        values |= oracle.solve(problem).updates[0]
        assert set(CLOSED[name]) == {f"dL/d{parameter}" for parameter in made.parameters}
        for gradient, text in CLOSED[name].items():
            assert math.isclose(value_of(text, values), values[gradient], abs_tol=1e-12), gradient


@pytest.mark.parametrize("name", sorted(CLOSED))
def test_closed_forms_in_the_order_and_grouping_of_the_notes(name: str) -> None:
    found = derivations(name)
    closed = {gradient: found[gradient]["closed"]["text"] for gradient in CLOSED[name]}
    assert closed == CLOSED[name]
