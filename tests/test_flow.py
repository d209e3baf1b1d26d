"""The size of the gradient layer by layer over a run."""

from __future__ import annotations

import math

from backprop_cli.problem.read import read_problem
from backprop_cli.run import solve

SHEET = """
inputs: [1, -0.5]
targets: [1]
layers:
  - {activation: tanh, weights: [[0.4, 0.2], [-0.3, 0.6]], biases: [0.1, 0]}
  - {activation: sigmoid, weights: [[0.7, -0.2]], biases: [0.05]}
loss: half_squared_error
learning_rate: 0.5
training: {steps: 30}
"""


def test_sizes_over_a_run_are_the_means_of_the_updates_themselves() -> None:
    problem = read_problem("sheet.yaml", SHEET)
    whole, brief = solve(problem), solve(problem, show=1)
    assert [flow.update for flow in brief.flow] == [1, 5, 9, 13, 18, 22, 26, 30]
    for flow in brief.flow:
        values = whole.iterations[flow.update - 1].values
        first = [abs(float(values[f"dL/dz1_{unit}"] or 0)) for unit in (1, 2)]
        assert math.isclose(float(flow.sizes[1]), sum(first) / 2, rel_tol=1e-12)
        assert math.isclose(
            float(flow.sizes[2]), abs(float(values["dL/dz2_1"] or 0)), rel_tol=1e-12
        )
    assert [flow.sizes for flow in brief.flow[:1]] == [flow.sizes for flow in whole.flow[:1]]


def test_looking_does_not_change_the_run() -> None:
    problem = read_problem("sheet.yaml", SHEET)
    assert list(solve(problem, show=1).losses)[5:] == list(solve(problem, show=2).losses)[5:]


def test_a_short_run_is_not_looked_at() -> None:
    assert solve(read_problem("sheet.yaml", SHEET), steps=2).flow == ()
