"""`--lr-sweep`: each column is the run with that learning rate, and divergence is said."""

from __future__ import annotations

import math
from typing import Any

import oracle
import pytest
import strategies

from backprop_cli.problem.read import read_problem
from backprop_cli.render import text
from backprop_cli.worksheet.document import Curve, Document
from backprop_cli.worksheet.sweep import sweep


def parabola(**changes: Any) -> dict[str, Any]:
    return {
        "equations": {"L": "w^2"},
        "parameters": {"w": 3},
        "learning_rate": 0.1,
        "training": {"steps": 4},
        **changes,
    }


def swept(problem: dict[str, Any], *rates: str, steps: int | None = None) -> Document:
    return sweep(read_problem("problem.yaml", strategies.as_yaml(problem)), rates, steps)


def lines(document: Document) -> list[str]:
    return text.render(document, width=100).splitlines()


def test_whole_sheet() -> None:
    # w ← (1 − 2η)w, so that L is (1 − 2η)²ⁿ · 9.
    found = "\n".join(lines(swept(parabola(), "0.25", "0.5", "1.5")))
    rows = [tuple(cell.strip() for cell in line.split("│")) for line in found.splitlines()]
    for row in (
        ("Updates done", "η = 0.25", "η = 0.5", "η = 1.5"),
        ("0", "9", "9", "9"),
        ("1", "2.25", "0", "36"),
        ("2", "0.5625", "0", "144"),
        ("3", "0.140625", "0", "576"),
        ("4", "0.03516", "0", "2304"),
    ):
        assert row in rows, found
    assert "η = 1.5 ends with a higher loss than it began with" in found
    assert "The lowest loss at the end has η = 0.5: 0." in found


def test_each_series_is_the_run_with_that_rate() -> None:
    problem = oracle.read("xor-learnt")
    problem["training"]["steps"] = 30
    document = swept(problem, "0.1", "0.5", "2")
    (curve,) = (block for block in document.blocks if isinstance(block, Curve))
    for series, rate in zip(curve.series, (0.1, 0.5, 2.0), strict=True):
        truth = oracle.solve(problem | {"learning_rate": rate}).losses
        assert [x for x, _ in series.points] == list(range(31))
        for (_, found), expected in zip(series.points, truth, strict=True):
            assert math.isclose(found, expected, rel_tol=1e-9)


def test_the_file_s_own_steps_may_be_overridden() -> None:
    found = lines(swept(parabola(), "0.1", steps=50))
    assert any(line.strip().startswith("50 │") for line in found)
    assert sum("│" in line and "0" in line.partition("│")[0] for line in found) <= 16


def test_a_diverged_run_is_said_so() -> None:
    found = "\n".join(lines(swept(parabola(), "0.1", "100", steps=400)))
    assert "stopped" in found
    assert "η = 100 diverges. The run stops at update " in found
    assert "nan" not in found
    assert "inf " not in found.replace("infinite", "")


def test_all_diverged() -> None:
    found = "\n".join(lines(swept(parabola(), "100", "1000", steps=1000)))
    assert "η = 1000 diverges" in found
    assert "The lowest loss" not in found


def test_more_rates_than_fit_go_on_below() -> None:
    found = "\n".join(lines(swept(parabola(), *(f"0.{n}" for n in range(1, 9)))))
    assert found.count("Updates done") == 2
    assert "η = 0.8" in found


def test_without_a_learning_rate_in_the_file() -> None:
    problem = parabola()
    del problem["learning_rate"], problem["training"]
    assert "The lowest loss" in "\n".join(lines(swept(problem, "0.1", "0.2", steps=3)))


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (parabola(parameters=["w"]), "every number is given"),
        (parabola(trainable=[]), "Nothing in this problem is updated"),
        (oracle.read("perceptron-and"), "no loss to compare"),
    ],
    ids=["symbolic", "frozen", "perceptron"],
)
def test_what_cannot_be_swept(problem: dict[str, Any], reason: str) -> None:
    assert reason in "\n".join(lines(swept(problem, "0.1", "0.2")))


def test_twice_the_same() -> None:
    problem = oracle.read("xor-learnt")
    assert lines(swept(problem, "0.3", "3")) == lines(swept(problem, "0.3", "3"))
