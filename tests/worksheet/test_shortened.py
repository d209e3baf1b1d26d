"""A sheet that nobody reads through is written in its corners; `--all` writes it whole."""

from __future__ import annotations

from backprop_cli.problem.read import read_problem
from backprop_cli.render.text import render
from backprop_cli.run import solve
from backprop_cli.worksheet.document import Table
from backprop_cli.worksheet.sheet import Choices
from backprop_cli.worksheet.solution import solution

UNITS, INPUTS = 30, 40


def problem(units: int) -> str:
    inputs = ", ".join(f"0.{place}" for place in range(10, 10 + INPUTS))
    return f"""\
title: A wide layer
inputs: [{inputs}]
targets: [1]
layers:
  - {{activation: tanh, units: {units}, weights: {{init: uniform, low: -1, high: 1, seed: 1}}}}
  - {{activation: sigmoid, units: 1, weights: {{init: uniform, low: -1, high: 1, seed: 2}}}}
loss: half_squared_error
learning_rate: 0.1
"""


def sheet(units: int, whole: bool = False) -> str:
    run = solve(read_problem("wide.yaml", problem(units)))
    return render(solution(run, Choices(whole=whole)), width=100)


def test_a_large_sheet_has_the_first_and_last_rows_and_says_so() -> None:
    text = sheet(UNITS)
    assert "--all writes everything" in " ".join(text.replace("┃", "").split())
    assert text.count("\n") < 700
    parameters = UNITS * INPUTS + UNITS
    for name in ("∂L/∂w₁₁⁽¹⁾", "∂L/∂w₃₀,₄₀⁽¹⁾", "w₁,₃₀⁽²⁾ "):
        assert name in text, name
    assert "∂L/∂w₁₅,₂₀⁽¹⁾" not in text
    assert f"… {UNITS + 1 - 4} more like these …" in text
    assert text.count("more like these") == 1
    updates = next(line for line in text.splitlines() if line.startswith(f"… {parameters - 10:,}"))
    assert updates.rstrip().endswith("…")


def test_all_of_it_has_every_row() -> None:
    text = sheet(UNITS, whole=True)
    assert "∂L/∂w₁₅,₂₀⁽¹⁾" in text
    assert "--all" not in text
    assert " more" not in text


def test_what_somebody_may_still_read_is_whole() -> None:
    run = solve(read_problem("wide.yaml", problem(6)))
    document = solution(run)
    assert document.blocks == solution(run, Choices(whole=True)).blocks
    assert max(len(block.rows) for block in document.blocks if isinstance(block, Table)) > 200
