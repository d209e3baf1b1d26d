"""One row is one place: every row of every table, and rows added by a test, through everything."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from commands import backprop

from backprop_cli import api
from backprop_cli.formula.functions import FUNCTIONS
from backprop_cli.formula.plain import write
from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.marking.submission import Submission
from backprop_cli.problem.read import read_problem
from backprop_cli.problem.schema import problem_schema
from backprop_cli.rules import activations, losses, optimizers
from backprop_cli.rules.activations import ACTIVATIONS, ActivationRule
from backprop_cli.rules.initializers import INITIALIZERS
from backprop_cli.rules.losses import LOSSES, LossRule
from backprop_cli.rules.optimizers import OPTIMIZERS, OptimizerRule
from backprop_cli.rules.written import (
    DECAY,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    ByAnyName,
    Kink,
    numbers,
)

UNITWISE = [name for name, row in ACTIVATIONS.items() if not row.layerwise]


def network(activation: Any = "tanh", loss: Any = "half_squared_error", **training: Any) -> Any:
    """Two hidden units and an output between 0 and 1; targets that every loss takes."""
    last = "softmax" if loss == "cross_entropy" else "sigmoid"
    outputs = [[0.5, -0.25], [-0.375, 0.75]] if last == "softmax" else [[0.5, -0.25]]
    return {
        "inputs": [0.5, -1.25],
        "targets": [1, 0] if last == "softmax" else [1],
        "layers": [
            {"activation": activation, "weights": [[1, 0.25], [-0.75, 0.25]], "biases": [0.3, 0]},
            {"activation": last, "weights": outputs, "biases": 0.125},
        ],
        "loss": loss,
        "learning_rate": 0.5,
        "training": training,
    }


def file(tmp_path: Path, problem: Any) -> Path:
    path = tmp_path / "problem.yaml"
    path.write_text(yaml.safe_dump(problem, sort_keys=False), encoding="utf-8")
    return path


def through(tmp_path: Path, problem: Any) -> api.Solution:
    """Solve, verify, check with right answers and a wrong one."""
    path = file(tmp_path, problem)
    jsonschema.validate(problem, problem_schema())
    done = backprop("solve", path, "--symbolic")
    assert done.code == 0, done.complaints
    assert "nan" not in done.text
    done = backprop("verify", path)
    assert done.code == 0, done.text
    solution = api.solve(api.load(path))
    values = {
        name: f"{value:.6g}"
        for name, value in solution.values().items()
        if value is not None and (name.startswith(("dL/", "z", "a", "L")) or name.endswith("_new"))
    }
    checker = Checker(api.load(path))
    right = checker.mark(submission(values)).answers
    assert {answer.verdict for answer in right} <= {"correct", "missing"}, right
    wrong = next(name for name, text in values.items() if name.startswith("dL/dw") and float(text))
    changed = {**values, wrong: f"{float(values[wrong]) * 1.5 + 0.25:.6g}"}
    marked = reversed(checker.mark(submission(changed)).answers)
    assert {a.name: a.verdict for a in marked}[wrong] == "wrong"  # in the first update
    return solution


def submission(values: dict[str, str]) -> Submission:
    return parse_submission("s1.yaml", yaml.safe_dump({"answers": values}))


def in_every_form(tmp_path: Path, problem: Any) -> api.Solution:
    """The same, and solved in every form and format, drawn, handed out."""
    path = file(tmp_path, problem)
    for form in ("reuse", "chain", "delta") + (("matrix",) if "layers" in problem else ("gates",)):
        assert backprop("solve", path, "--form", form, "--symbolic").code == 0
    for output in ("markdown", "latex", "html", "json", "sympy"):
        assert backprop("solve", path, "--format", output).code == 0
    assert backprop("draw", path, "--format", "svg").code == 0
    assert backprop("worksheet", path).code == 0
    return through(tmp_path, problem)


@pytest.mark.parametrize("name", UNITWISE)
def test_every_activation_in_layers(name: str, tmp_path: Path) -> None:
    row = ACTIVATIONS[name]
    if row.learns:
        through(tmp_path, network(name))
    assert row.title in backprop("list", name).text


@pytest.mark.parametrize("name", [name for name in UNITWISE if ACTIVATIONS[name].learns])
def test_every_activation_in_equations(name: str, tmp_path: Path) -> None:
    """By name and written out: the same numbers as layers have."""
    expected = api.solve(api.load(text=yaml.safe_dump(network(name)))).values()
    written = write(ACTIVATIONS[name].formula_with({}))
    for formula in (f"{name}(z)", written):
        problem = {
            "equations": {
                "z": "w1*x1 + w2*x2 + b",
                "a": formula,
                "yhat": "sigmoid(0.5*a + 0.125 - 0.25*a2)",
                "L": "1/2*(y - yhat)^2",
            },
            "given": {"x1": 0.5, "x2": -1.25, "y": 1, "a2": expected["a1_2"]},
            "parameters": {"w1": 1, "w2": 0.25, "b": 0.3},
            "output": "L",
            "learning_rate": 0.5,
        }
        if formula == written:  # the more roundabout of the two
            through(tmp_path, problem)
        found = api.solve(api.load(text=yaml.safe_dump(problem))).values()
        for own, theirs in (("a", "a1_1"), ("dL/dw1", "dL/dw1_1_1"), ("dL/db", "dL/db1_1")):
            assert found[own] == pytest.approx(expected[theirs], rel=1e-12), formula


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name: str, tmp_path: Path) -> None:
    through(tmp_path, network(loss=name))
    assert backprop("list", name).code == 0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name: str, tmp_path: Path) -> None:
    problem = network(optimizer=name, steps=2)
    if name == "newton":  # one sample says nothing of more than one parameter
        problem["layers"] = [{"activation": "sigmoid", "weights": [[1, None]]}]
    through(tmp_path, problem)
    assert backprop("list", name).code == 0


# Where each range of an option begins and ends, and what is just outside.
ENDS = {
    POSITIVE: (("1e-9", "1e6"), ("0", "-1e-9")),
    NOT_NEGATIVE: (("0", "1e6"), ("-1e-9",)),
    DECAY: (("0", "0.999999"), ("1", "-1e-9")),
    SHARE: (("0", "1"), ("-1e-9", "1.000001")),
}


def options() -> Iterator[tuple[str, str, str]]:
    for table in (ACTIVATIONS, LOSSES, OPTIMIZERS, INITIALIZERS):
        for row in table.values():
            assert set(row.ranges) <= set(row.options), row.name
            for option in row.ranges:
                yield type(row).__name__, row.name, option


@pytest.mark.parametrize(("kind", "name", "option"), list(options()))
def test_options_at_the_ends_of_their_ranges(kind: str, name: str, option: str) -> None:
    table: Any = {
        "ActivationRule": ACTIVATIONS,
        "LossRule": LOSSES,
        "OptimizerRule": OPTIMIZERS,
        "InitializerRule": INITIALIZERS,
    }[kind]
    inside, outside = ENDS[table[name].ranges[option]]
    for text in (*inside, *outside):
        use = {"name": name, option: float(text)}
        match kind:
            case "ActivationRule":
                problem = network(use)
            case "LossRule":
                problem = network(loss=use)
            case "OptimizerRule":
                problem = network(optimizer=use)
            case _:
                problem = network()
                weights = {"init": name, option: float(text)}
                problem["layers"][0] |= {"units": 2, "weights": weights}
        written = yaml.safe_dump(problem)
        if text in inside:
            solution = api.solve(api.load(text=written))
            assert any(value is not None for value in solution.gradients.values())
        else:
            with pytest.raises(api.ProblemError, match=f"`{option}`") as refused:
                read_problem("problem.yaml", written)
            assert "out-of-range" in str(refused.value) or table[name].ranges[option].words in str(
                refused.value
            )


RANGES = {
    ("huber", "delta"): POSITIVE,
    ("focal", "gamma"): NOT_NEGATIVE,
    ("focal", "alpha"): SHARE,
    ("selu", "scale"): POSITIVE,
    ("momentum", "momentum"): DECAY,
    ("nesterov", "momentum"): DECAY,
    ("nesterov_look_ahead", "momentum"): DECAY,
    ("adagrad", "epsilon"): NOT_NEGATIVE,
    ("rmsprop", "alpha"): DECAY,
    ("rmsprop", "epsilon"): NOT_NEGATIVE,
    ("adam", "beta1"): DECAY,
    ("adam", "beta2"): DECAY,
    ("adam", "epsilon"): NOT_NEGATIVE,
    ("adamw", "beta1"): DECAY,
    ("adamw", "beta2"): DECAY,
    ("adamw", "epsilon"): NOT_NEGATIVE,
    ("adamw", "weight_decay"): NOT_NEGATIVE,
    ("lion", "beta1"): DECAY,
    ("lion", "beta2"): DECAY,
    ("normal", "std"): NOT_NEGATIVE,
    ("xavier", "gain"): POSITIVE,
}


def test_no_option_has_lost_its_range() -> None:
    tables = (ACTIVATIONS, LOSSES, OPTIMIZERS, INITIALIZERS)
    rows: Any = {name: row for table in tables for name, row in table.items()}
    for (name, option), allowed in RANGES.items():
        assert rows[name].ranges[option] is allowed, (name, option)


# --- rows of a test's own ----------------------------------------------------------------------

BENT = ActivationRule(
    "bent_softsign",
    "bent softsign",
    formula_text="z/(1 + abs(z)) if z > 0 else share*z/(1 + abs(z))",
    slope_text="1/(1 + abs(z))^2 if z > 0 else share/(1 + abs(z))^2",
    use="a test",
    reason="The quotient rule.",
    options=numbers(share="0.5"),
    ranges={"share": POSITIVE},
    aliases=("softsign_bent",),
    calls=("BentSoftsign",),
    kinks=(Kink("z", "0", "Bent softsign bends at z = 0", "its share is used there"),),
)
QUARTIC = LossRule(
    "quartic_error",
    "quartic error",
    term_text="(y - yhat)^4",
    slope_text="-4*(y - yhat)^3",
    use="a test",
    reason="The 4 comes down from the exponent.",
)
SIGNED = OptimizerRule(
    "signed",
    "signed descent",
    texts={"w": "w - eta*size*sign(g, 0)"},
    reason="Only the sign of the gradient counts.",
    reference="signSGD",
    options=numbers(size="0.5"),
    ranges={"size": POSITIVE},
)


def forget(table: ByAnyName[Any], row: Any) -> None:
    for name in (row.name, *row.aliases):
        del table[name]
    del table.rows[row.name]
    table.folded = {fold: each for fold, each in table.folded.items() if each is not row}


@pytest.fixture
def added() -> Iterator[None]:
    activations.add(BENT)
    losses.add(QUARTIC)
    optimizers.BY_ANY_NAME.add(SIGNED)
    yield
    forget(activations.BY_ANY_NAME, BENT)
    forget(losses.BY_ANY_NAME, QUARTIC)
    forget(optimizers.BY_ANY_NAME, SIGNED)
    for function in BENT.functions:
        for name in (function.name, *function.aliases):
            del FUNCTIONS[name]


def test_a_row_is_all_it_takes(added: None, tmp_path: Path) -> None:
    use = {"name": "bent_softsign", "share": 0.25}
    solution = in_every_form(tmp_path, network(use, "quartic_error", optimizer={"name": "signed"}))

    def bent(z: float) -> float:
        return z / (1 + abs(z)) * (1 if z > 0 else 0.25)

    zs = (0.5 - 1.25 * 0.25 + 0.3, -0.75 * 0.5 - 1.25 * 0.25)
    score = 0.5 * bent(zs[0]) - 0.25 * bent(zs[1]) + 0.125
    output = 1 / (1 + math.exp(-score))
    back = -4 * (1 - output) ** 3 * output * (1 - output) * 0.5
    gradient = back / (1 + abs(zs[0])) ** 2 * 0.5
    found = solution.values()
    assert found["a1_1"] == pytest.approx(bent(zs[0]), rel=1e-14)
    assert found["L"] == pytest.approx((1 - output) ** 4, rel=1e-13)
    assert found["dL/dw1_1_1"] == pytest.approx(gradient, rel=1e-12)
    assert found["w1_1_1_new"] == pytest.approx(1 + 0.5 * 0.5, rel=1e-14)


def test_a_row_serves_equations_and_exact_numbers(added: None, tmp_path: Path) -> None:
    problem = {
        "equations": {"z": "w*x", "a": "BentSoftsign(z, 0.25)", "L": "(y - a)^4"},
        "given": {"x": -2, "y": 1},
        "parameters": {"w": 1.5},
        "output": "L",
        "learning_rate": 0.5,
    }
    solution = in_every_form(tmp_path, problem)
    assert solution.exact("a") == Fraction(-3, 16)
    assert solution.exact("dL/dw") == -4 * Fraction(19, 16) ** 3 * Fraction(1, 64) * -2


def test_a_row_is_listed_suggested_and_limited(added: None, tmp_path: Path) -> None:
    for name in ("bent_softsign", "softsign_bent", "quartic_error", "signed"):
        assert backprop("list", name).code == 0
    assert "bent_softsign" in json.dumps(problem_schema())
    done = backprop("validate", file(tmp_path, network("bent_softsing")))
    assert done.code == 2
    assert "did you mean `bent_softsign`" in done.complaints
    done = backprop("validate", file(tmp_path, network({"name": "bent_softsign", "share": 0})))
    assert done.code == 2
    assert "greater than 0" in done.complaints
    chosen = {**network("bent_softsign"), "kinks": {"bent_softsign": 1}}
    assert backprop("validate", file(tmp_path, chosen)).code == 0


def test_a_kink_of_a_row_is_remarked_on(added: None, tmp_path: Path) -> None:
    problem = network("bent_softsign")
    problem["layers"][0] |= {"weights": [[0, 0], [-0.75, 0.25]], "biases": [0, 0]}
    done = backprop("solve", file(tmp_path, problem))
    assert "Bent softsign bends at z = 0" in " ".join(done.text.split())


def test_a_changed_row_changes_everything(added: None, tmp_path: Path) -> None:
    """Nothing that was derived from a row outlives it."""
    before = api.solve(api.load(text=yaml.safe_dump(network("bent_softsign")))).values()["a1_2"]
    activations.add(replace(BENT, options=numbers(share="0.125")))
    after = api.solve(api.load(text=yaml.safe_dump(network("bent_softsign")))).values()["a1_2"]
    assert before is not None
    assert after == pytest.approx(before / 4, rel=1e-14)
