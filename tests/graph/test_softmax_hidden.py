"""A softmax in the middle of a network whose units are numbered through."""

from __future__ import annotations

from backprop_cli.formula import plain
from backprop_cli.problem.read import read_problem
from backprop_cli.run import solve

SHEET = """
inputs: [1, 2]
targets: [1, 0]
layers:
  - {activation: tanh, weights: [[0.1, 0.2], [0.3, -0.1]], biases: [0.1, 0.2]}
  - {activation: softmax, weights: [[0.5, 0.2], [0.3, -0.4]], biases: [0, 0.1]}
  - {activation: sigmoid, weights: [[0.1, 0.9], [0.7, -0.4]], biases: [0, 0.1]}
loss: squared_error
notation: {names: sequential}
"""


def test_each_softmax_output_depends_on_every_z_of_its_own_layer() -> None:
    graph = solve(read_problem("sheet.yaml", SHEET)).iterations[0].graph
    slopes = {step.name: step.formula for step in graph.steps if step.kind == "slope"}
    assert {
        name: plain.write(slopes[name]) for name in slopes if name.startswith(("da3", "da4"))
    } == {
        "da3/dz3": "a3*(1 - a3)",
        "da3/dz4": "-a3*a4",
        "da4/dz3": "-a4*a3",
        "da4/dz4": "a4*(1 - a4)",
    }
