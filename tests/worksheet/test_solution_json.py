"""The JSON solution: exactly the keys of the manual, full precision, nothing that JSON has not."""

from __future__ import annotations

import json
import math
from typing import Any

import ours
import pytest
import strategies
from hypothesis import given
from pages import NEURON, PROBLEMS, run
from strategies import Problem, examples

from backprop_cli.formula.build import names_in
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.parse import parse
from backprop_cli.worksheet.sheet import Choices
from backprop_cli.worksheet.solution_json import solution_json

STEP = {
    "iteration",
    "sample",
    "section",
    "name",
    "formula",
    "substituted",
    "value",
    "latex",
    "depends_on",
    "note",
}
SECTIONS = ["given", "forward", "loss", "backward", "gradient", "update"]
SHEETS = sorted(path.stem for path in PROBLEMS.glob("*.yaml"))


def solved(source: str, show: int | None = None, **choices: Any) -> dict[str, Any]:
    return dict(json.loads(solution_json(run(source, show=show), Choices(**choices))))


def step(data: dict[str, Any], name: str, iteration: int = 1) -> dict[str, Any]:
    (found,) = (
        step for step in data["steps"] if step["name"] == name and step["iteration"] == iteration
    )
    return dict(found)


@pytest.mark.parametrize("source", SHEETS)
@pytest.mark.parametrize("symbolic", [False, True])
def test_every_step_has_exactly_the_keys_of_the_manual(source: str, symbolic: bool) -> None:
    data = solved(source, show=1, symbolic=symbolic)
    assert {"format", "title", "steps", "losses", "parameters"} <= set(data)
    assert data["format"] == "backprop-solution/1"
    assert set(data["parameters"]) == {"initial", "final"}
    for each in data["steps"]:
        derived = symbolic and "/d" in each["name"] and each["section"] == "gradient"
        assert STEP <= set(each) <= STEP | {"derivation"}
        assert ("derivation" in each) or not derived
        assert each["section"] in SECTIONS
        assert isinstance(each["depends_on"], list)


def test_sections_follow_the_order_of_calculation() -> None:
    order = [SECTIONS.index(step["section"]) for step in solved("two-hidden-layers")["steps"]]
    forward = [place for place in order if place not in (3, 4)]
    assert forward == sorted(forward)
    known: set[str] = set()
    for each in solved("two-hidden-layers")["steps"]:
        assert set(each["depends_on"]) <= known, each["name"]
        known.add(each["name"])


def test_the_example_of_the_manual() -> None:
    data = solved("two-hidden-layers")
    first = step(data, "z1_1")
    assert first["latex"].startswith(r"z^{(1)}_1 = w^{(1)}_{11} \cdot x_1 + ")
    assert {**first, "latex": "…"} == {
        "iteration": 1,
        "sample": 1,
        "section": "forward",
        "name": "z1_1",
        "formula": "w1_1_1*x1 + w1_2_1*x2 + w1_3_1*x3 + b1_1",
        "substituted": "0.42*6 + 0.72*2 + 0.21*5 + 0.01",
        "value": 5.02,
        "latex": "…",
        "depends_on": ["w1_1_1", "x1", "w1_2_1", "x2", "w1_3_1", "x3", "b1_1"],
        "note": None,
    }
    assert data["losses"] == [pytest.approx(0.03526, abs=1e-5), pytest.approx(0.03005, abs=1e-5)]
    assert data["parameters"]["initial"]["w1_1_1"] == 0.42


def test_what_is_given() -> None:
    data = solved(NEURON)
    assert step(data, "x1") == {
        "iteration": 1,
        "sample": 1,
        "section": "given",
        "name": "x1",
        "formula": None,
        "substituted": None,
        "value": 1,
        "latex": "x_1",
        "depends_on": [],
        "note": "input",
    }
    assert step(data, "eta")["sample"] is None


BATCH = """
    samples: [{inputs: [1], targets: [2]}, {inputs: [3], targets: [4]}]
    layers: [{activation: identity, weights: [[0.5]]}]
    loss: half_squared_error
    learning_rate: 0.1
    training: {batch: %s, steps: 2}
"""


def test_quantities_of_a_batch_belong_to_no_sample() -> None:
    data = solved(BATCH % "all")
    assert step(data, "z1_1[2]")["sample"] == 2
    assert step(data, "dL[2]/dw1_1_1")["sample"] == 2
    for name in ("L", "dL/dw1_1_1", "w1_1_1_new", "w1_1_1"):
        assert step(data, name)["sample"] is None


def test_a_batch_of_one_names_its_sample_but_not_in_the_names() -> None:
    data = solved(BATCH % 1)
    assert [step(data, "z1_1", iteration)["sample"] for iteration in (1, 2)] == [1, 2]
    assert len(data["losses"]) == 3


def test_a_symbolic_problem_has_null_for_values() -> None:
    data = solved("relu-regression-symbolic", symbolic=True)
    gradient = step(data, "dL/dw1")
    assert (gradient["value"], gradient["substituted"]) == (None, None)
    derivation = gradient["derivation"]
    assert set(derivation) == {"chain", "local", "closed", "substituted"}
    assert derivation["substituted"] is None
    for line in ("chain", "local", "closed"):
        assert set(derivation[line]) == {"text", "latex"}
    assert data["losses"] == [None]


def test_a_derivation_with_numbers() -> None:
    derivation = step(solved("two-hidden-layers", symbolic=True), "dL/dw3_1_1")["derivation"]
    texts = {line: both["text"] for line, both in derivation.items()}
    assert texts == {
        "chain": "dL/dyhat*dyhat/dz3_1*dz3_1/dw3_1_1",
        "local": "(yhat - y)*yhat*(1 - yhat)*a2_1",
        "closed": "(yhat - y)*yhat*(1 - yhat)*a2_1",
        "substituted": "(0.73444 - 1)*0.73444*(1 - 0.73444)*0.90152",
    }


def test_combined_steps_say_what_they_were_combined_from() -> None:
    data = solved("two-samples-cross-entropy", show=1)
    found = step(data, "dL/dz3_1")
    assert found["formula"] == "yhat - y"
    assert found["note"] == "combined from dL/dyhat*dyhat/dz3_1"


def test_infinities_are_strings_and_zero_has_no_sign() -> None:
    source = """
        equations: {a: 1/x, b: -1/x, c: 0/x, d: -x}
        given: {x: 0}
    """
    data = solved(source)
    values = {name: step(data, name)["value"] for name in "abcd"}
    assert values == {"a": "inf", "b": "-inf", "c": "nan", "d": 0}
    assert math.copysign(1, values["d"]) == 1


def test_a_run_that_stops_says_why() -> None:
    source = """
        equations: {f: x^2}
        parameters: {x: 1}
        learning_rate: 1e200
        training: {steps: 5}
    """
    stopped = solved(source)["stopped"]
    assert set(stopped) == {"reason", "iteration", "message"}
    assert "stopped" not in solved(NEURON)


def test_only_some_names() -> None:
    data = solved(NEURON, only=("a1_1", "x1"))
    assert [step["name"] for step in data["steps"]] == ["x1", "yhat"]


def test_the_same_problem_gives_the_same_bytes() -> None:
    assert solution_json(ours.run({"equations": {"f": "w*x"}, "parameters": {"w": 2, "x": 3}})) == (
        solution_json(ours.run({"equations": {"f": "w*x"}, "parameters": {"w": 2, "x": 3}}))
    )


@examples(10, 100)
@given(strategies.networks(max_hidden=2, max_units=3))
def test_formulas_can_be_read_back_and_give_the_values(network: Problem) -> None:
    """A script that parses the formulas and works them out finds the values that stand there."""
    data = json.loads(solution_json(ours.run(network)))
    values = {step["name"]: step["value"] for step in data["steps"]}
    for each in data["steps"]:
        if each["formula"] is None:
            continue
        formula = parse(each["formula"], known=values)
        assert list(names_in(formula)) == each["depends_on"]
        got = as_float(evaluate(formula, values.__getitem__))
        assert got == pytest.approx(each["value"], rel=1e-6, abs=1e-9), each["name"]


def test_nothing_in_it_reorders_or_hides_text() -> None:
    title = r"a\u202eb\u200bc\U000e0041 ü∑"
    written = solution_json(run(f'title: "{title}"\nequations: {{f: 2*x}}\ngiven: {{x: 1}}\n'))
    assert written.splitlines()[2] == r' "title": "a\u202eb\u200bc\udb40\udc41 ü∑",'
    assert json.loads(written)["title"] == "a\u202eb\u200bc\U000e0041 ü∑"
