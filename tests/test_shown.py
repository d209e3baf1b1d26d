"""A run's numbers do not depend on what is shown of it, nor on where compiled code takes over."""

from __future__ import annotations

import importlib
import json
from typing import Any

import ours
import pytest
import strategies
from hypothesis import given
from strategies import Problem, examples

from backprop_cli.run import Run
from backprop_cli.worksheet.solution_json import solution_json

solving = importlib.import_module("backprop_cli.run.solve")

ABSOLUTE = {
    "inputs": [1],
    "targets": [1],
    "layers": [{"activation": "identity", "weights": [[0]]}],
    "loss": "absolute_error",
    "learning_rate": 0.1,
    "training": {"steps": 13},
}
"""w reaches 1 after ten updates of 0.1 and stays; ten times 0.1 in floats is 0.9999999999999999."""

KINK = {
    "equations": {"z": "a + b - c + w - 1", "L": "relu(z) + (w - 0.5)^2"},
    "given": {"a": 0.1, "b": 0.2, "c": 0.3},
    "parameters": {"w": 1},
    "learning_rate": 0.5,
    "training": {"steps": 3},
}
"""z is 0 at first, where ReLU passes nothing: w goes to 0.5 at once and stays."""


def numbers(run: Run, updates: int = 1) -> dict[str, Any]:
    """Everything that a report says of a run and of its first updates."""
    data = json.loads(solution_json(run))
    data["steps"] = [step for step in data["steps"] if step["iteration"] <= updates]
    return data


@pytest.fixture(params=[None, 1])
def takes_over(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled code from the second update on, and where it is usual."""
    if request.param is not None:
        monkeypatch.setattr(solving, "EXACT_STEPS", 0)
        monkeypatch.setattr(solving, "EXACT_UPDATES", request.param)


@pytest.mark.usefixtures("takes_over")
@pytest.mark.parametrize("show", [1, 2, 3, 12, None])
def test_absolute_error_comes_to_rest(show: int | None) -> None:
    run = ours.run(ABSOLUTE, show=show)
    assert float(run.losses[-1] or 0) == 0
    assert float(run.final["w1_1_1"] or 0) == pytest.approx(1, rel=1e-12)
    assert len(run.iterations) == (show or 13)


@pytest.mark.usefixtures("takes_over")
@pytest.mark.parametrize("show", [1, 2, 3])
def test_a_kink_is_a_kink_in_every_update(show: int) -> None:
    assert float(ours.run(KINK, show=show).final["w"] or 0) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.usefixtures("takes_over")
def test_small_is_not_on_the_kink_in_compiled_code() -> None:
    """w is 10⁻²⁰ and above the kink: it falls by η each time until it is below."""
    problem = {
        "equations": {"z": "w*x + v", "L": "relu(z)"},
        "given": {"x": 1},
        "parameters": {"w": 1e-20, "v": 0},
        "learning_rate": 2e-21,
        "training": {"steps": 10},
    }
    run = ours.run(problem, show=1)
    # z falls by 4·10⁻²¹ each time: 10, 6, 2, −2 · 10⁻²¹, and stays
    assert float(run.final["w"] or 0) == pytest.approx(4e-21, rel=1e-9)


@pytest.mark.usefixtures("takes_over")
@examples(3, 100)
@given(strategies.networks())
def test_the_same_run_whatever_is_shown(problem: Problem) -> None:
    training = {**problem, "training": {**problem.get("training", {}), "steps": 5}}
    training.setdefault("learning_rate", 0.1)
    whole = ours.run(training)
    if whole.symbolic:
        return
    for show in (1, 3):
        run = ours.run(training, show=show)
        assert numbers(run) == numbers(whole)
        assert numbers(run, show) == numbers(whole, show)


def test_a_run_that_fails_among_the_updates_shown_shows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = {
        "equations": {"L": "w^4"},
        "parameters": {"w": 10},
        "learning_rate": 10,
        "training": {"steps": 20},
    }
    usual = ours.run(problem)
    monkeypatch.setattr(solving, "EXACT_STEPS", 0)
    monkeypatch.setattr(solving, "EXACT_UPDATES", 1)
    early = ours.run(problem)
    assert usual.stop is not None
    assert usual.stop == early.stop
    assert len(usual.iterations) == len(early.iterations) == usual.stop.iteration
