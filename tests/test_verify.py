"""`backprop verify`: right gradients pass, a wrong one is found, what cannot be compared is said."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import strategies
from commands import backprop
from hypothesis import given
from strategies import Problem, as_yaml, examples

from backprop_cli import verify
from backprop_cli.formula.build import product
from backprop_cli.formula.nodes import Number
from backprop_cli.graph.step import Graph
from backprop_cli.problem.read import read_problem
from backprop_cli.render import text
from backprop_cli.verify.sheet import verification_sheet

PROBLEMS = sorted((Path(__file__).parent.parent / "problems").glob("*.yaml"))


def verified(problem: Problem | Path) -> tuple[str, bool]:
    if isinstance(problem, Path):
        found = read_problem(problem)
    else:
        found = read_problem("problem.yaml", strategies.as_yaml(problem))
    done = verify.verification(found)
    return text.render(verification_sheet(done), width=110), done.agrees


def network(**changes: Any) -> Problem:
    return {
        "inputs": [0.5, -1.25],
        "targets": [1.0],
        "layers": [
            {
                "activation": "tanh",
                "weights": [[0.3, -0.4], [-0.7, 0.2]],
                "biases": [0.15, -0.1],
            },
            {"activation": "sigmoid", "weights": [[0.4, -0.3]], "biases": [0.05]},
        ],
        "loss": "half_squared_error",
        **changes,
    }


def wide(units: int) -> Problem:
    """Two layers of so many units, of weights that no one draws."""
    weights = [[((3 * j + 7 * i) % 11 - 5) / 20 for i in range(units)] for j in range(units)]
    return {
        "inputs": [((5 * i) % 9 - 4) / 8 for i in range(units)],
        "targets": [0.5] * units,
        "layers": [{"activation": "tanh", "weights": weights}] * 2,
        "loss": "squared_error",
    }


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_every_problem_of_the_course(path: Path) -> None:
    found, agrees = verified(path)
    assert agrees
    assert "agree" in found or "no gradient to compare" in found


def test_what_is_shown() -> None:
    found, agrees = verified(network())
    assert agrees
    for name in ("∂L/∂ŷ", "∂L/∂z₁⁽²⁾", "∂L/∂w₁₂⁽¹⁾", "∂L/∂b₂⁽¹⁾"):
        assert name in found
    assert re.search(r"All 15 gradients compared agree\. Largest relative error: \S+ at ", found)


@examples(6, 60)
@given(strategies.networks(max_hidden=2, max_units=3))
def test_random_networks_agree(problem: Problem) -> None:
    found, agrees = verified(problem)
    assert agrees, found


@examples(6, 60)
@given(strategies.equation_graphs())
def test_random_equations_agree(problem: Problem) -> None:
    found, agrees = verified(problem)
    assert agrees, found


@examples(4, 40)
@given(strategies.networks(norm=True, max_hidden=1, max_units=3))
def test_batches_and_batch_normalisation_agree(problem: Problem) -> None:
    found, agrees = verified(problem)
    assert agrees, found


@pytest.mark.parametrize("name", ["dL/dw1_1_2", "dL/dz1_2", "dL/db2_1", "dL/dyhat"])
def test_a_wrong_gradient_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = verify.with_gradients

    def wrong(problem: Any, graph: Graph) -> Graph:
        found = right(problem, graph)
        return replace(
            found,
            steps=tuple(
                replace(step, formula=product(Number("1.000001"), step.formula))
                if step.name == name
                else step
                for step in found.steps
            ),
        )

    monkeypatch.setattr(verify, "with_gradients", wrong)
    found, agrees = verified(network())
    assert not agrees
    assert "do not agree" in found


def test_a_gradient_left_off_the_sheet_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = verify.with_gradients

    def without(problem: Any, graph: Graph) -> Graph:
        found = right(problem, graph)
        return replace(found, steps=tuple(s for s in found.steps if s.name != "dL/dw1_1_2"))

    monkeypatch.setattr(verify, "with_gradients", without)
    found, agrees = verified(network())
    assert not agrees
    assert "∂L/∂w₁₂⁽¹⁾" in found


def test_a_wrong_sample_of_a_batch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [{"inputs": [0.5, -1.25], "targets": [1.0]}, {"inputs": [1, 2], "targets": [0]}]
    problem = {key: value for key, value in network().items() if key not in ("inputs", "targets")}
    problem["samples"] = samples
    assert verified(problem)[1]
    right = verify.with_gradients

    def swapped(problem: Any, graph: Graph) -> Graph:
        found = right(problem, graph)
        first, second = found.step["dL[1]/dw2_1_1"], found.step["dL[2]/dw2_1_1"]
        other = {first.name: second.formula, second.name: first.formula}
        return replace(
            found,
            steps=tuple(replace(s, formula=other.get(s.name, s.formula)) for s in found.steps),
        )

    monkeypatch.setattr(verify, "with_gradients", swapped)
    assert not verified(problem)[1]


def test_a_kink_is_said_and_skipped() -> None:
    problem = network()
    problem["layers"][0] = {"activation": "relu", "weights": [[5, 2], [1, 0.5]]}
    found, agrees = verified(problem)
    assert agrees
    assert "on a kink" in found
    assert "∂L/∂z₁⁽¹⁾, ∂L/∂w₁₁⁽¹⁾, ∂L/∂w₁₂⁽¹⁾: the numbers sit on a kink" in found


@pytest.mark.parametrize("z", [20, 37, 60, 300, 2000])
@pytest.mark.parametrize("target", [0, 1])
def test_saturation_is_no_mismatch(z: int, target: int) -> None:
    problem = {
        "inputs": [1, 2],
        "targets": [target],
        "layers": [{"activation": "sigmoid", "weights": [[z, 0.25]]}],
        "loss": "binary_cross_entropy",
    }
    found, agrees = verified(problem)
    assert agrees, found


def test_terms_that_cancel_are_no_mismatch() -> None:
    """Twice the same unit with opposite weights: the true gradient is 0, in floats it need not be."""
    problem = {
        "equations": {"a": "sigmoid(w*x)", "L": "(3*a - 0.1*a - 2.9*a)^2 + (a - 0.3*a - 0.7*a)"},
        "given": {"x": 0.7},
        "parameters": {"w": 0.3},
    }
    found, agrees = verified(problem)
    assert agrees, found


def symbolic(*units: int) -> Problem:
    return {
        "inputs": ["x1", "x2"],
        "targets": ["y"],
        "layers": [{"activation": "sigmoid", "units": count} for count in (*units, 1)],
        "loss": "half_squared_error",
    }


def test_without_numbers_it_is_proved() -> None:
    problem = {
        "equations": {"z": "ln(a) + sqrt(b)", "L": "(y - z)^2"},
        "given": ["y"],
        "parameters": ["a", "b"],
    }
    found, agrees = verified(problem)
    assert agrees
    assert "∂L/∂b    │ proved: everything cancels" in found
    assert "All 3 gradients agree and are proved equal." in found


def test_what_is_too_large_to_prove_is_compared_at_the_same_random_points_each_time() -> None:
    found, agrees = verified(symbolic(4, 4, 4))
    assert agrees
    assert "∂L/∂ŷ" in found.partition("proved: everything cancels")[0]
    for point in ("point 1", "point 2", "point 3"):
        assert point in found
    assert verified(symbolic(4, 4, 4)) == (found, agrees)


def test_a_wrong_gradient_without_numbers_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = verify.with_gradients

    def wrong(problem: Any, graph: Graph) -> Graph:
        found = right(problem, graph)
        return replace(
            found,
            steps=tuple(
                replace(step, formula=product(Number("1.000001"), step.formula))
                if step.name == "dL/dw1_1_2"
                else step
                for step in found.steps
            ),
        )

    assert verified(symbolic(2))[1]
    monkeypatch.setattr(verify, "with_gradients", wrong)
    found, agrees = verified(symbolic(2))
    assert not agrees
    assert "These do not agree: ∂L/∂w₁₂⁽¹⁾" in found


def cases(depth: int) -> Problem:
    """Each equation in two cases, by the one before."""
    lines = {f"a{i}": f"a{i - 1}*w if a{i - 1} > 0.1 else a{i - 1} + w" for i in range(1, depth)}
    nested = "w"
    for i in range(depth):
        nested = f"({nested} if x > {i} else {i}*w)"
    return {
        "equations": {"a0": "w*x", **lines, "L": f"a{depth - 1}*{nested}"},
        "given": {"x": 2},
        "parameters": {"w": 0.9},
    }


@pytest.mark.parametrize("depth", [4, 20])
def test_cases_within_cases_take_no_longer_than_their_length(depth: int) -> None:
    begun = time.process_time()
    found, agrees = verified(cases(depth))
    assert agrees, found
    assert time.process_time() - begun < 5


def test_json_has_one_entry_a_gradient() -> None:
    report = json.loads(backprop("verify", "-", "--format", "json", stdin=as_yaml(network())).text)
    assert report["format"] == "backprop-verification/1"
    assert report["agrees"] is True
    assert len(report["gradients"]) == 15
    entry = next(each for each in report["gradients"] if each["name"] == "dL/dw1_1_2")
    assert entry["value"] == pytest.approx(entry["quotient"], rel=1e-12)
    assert entry["sympy"] == pytest.approx(entry["quotient"], rel=1e-12)
    assert entry["relative_error"] < 1e-12
    assert entry["verdict"] == "agrees"
    assert entry["proof"] is None


def test_json_of_a_kink_and_of_a_proof() -> None:
    problem = network()
    problem["layers"][0] = {"activation": "relu", "weights": [[5, 2], [1, 0.5]]}
    kinked = json.loads(backprop("verify", "-", "-f", "json", stdin=as_yaml(problem)).text)
    on_kink = next(each for each in kinked["gradients"] if each["name"] == "dL/dw1_1_1")
    assert on_kink["verdict"] == "convention"
    assert on_kink["quotient"] is None
    proved = json.loads(backprop("verify", "-", "-f", "json", stdin=as_yaml(symbolic(2))).text)
    assert {each["proof"] for each in proved["gradients"]} == {"cancelling"}
    assert all(each["value"] is None for each in proved["gradients"])


@pytest.mark.parametrize("ending", ["md", "tex", "html", "txt", "json"])
def test_every_sheet_format(ending: str, tmp_path: Path) -> None:
    target = tmp_path / f"verified.{ending}"
    found = backprop("verify", "-", "--output", target, stdin=as_yaml(network()))
    assert found.code == 0, found.complaints
    assert "gradients" in target.read_text(encoding="utf-8")


def test_a_loss_that_is_nowhere_finite_is_said() -> None:
    problem = {
        "equations": {"L": "ln(0 - w^2)"},
        "parameters": {"w": 1},
        "given": {},
    }
    found, agrees = verified(problem)
    assert agrees
    assert "not a finite number" in found


def test_without_gradients_there_is_nothing_to_compare() -> None:
    problem = network()
    del problem["targets"], problem["loss"]
    found, agrees = verified(problem)
    assert agrees
    assert "no gradient to compare" in found


def test_big_networks_are_sampled_in_bounded_time() -> None:
    begun = time.process_time()
    found, agrees = verified(wide(40))
    assert agrees
    assert "left out to keep the time bounded" in found
    assert time.process_time() - begun < 60
    assert len(found.splitlines()) < 80


def test_the_rules_between_arrays_are_compared_too() -> None:
    shown = backprop("verify", "problems/attention.yaml", "--width", "100")
    assert shown.code == 0
    assert "∂L/∂Wq │ Xᵀ {2×3} ∂L/∂Q {3×2}" in shown.text
    assert "here and at 2 random points" in shown.text
    data = json.loads(backprop("verify", "problems/attention.yaml", "--format", "json").text)
    assert {each["name"]: each["holds"] for each in data["rules"]} == {
        f"dL/d{name}": True for name in ("Z", "P", "S", "V", "Wv", "K", "Wk", "Q", "Wq")
    }
