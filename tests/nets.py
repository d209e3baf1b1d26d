"""Random networks, and the same calculation written as equations."""

from __future__ import annotations

from random import Random
from typing import Any

import strategies

from backprop_cli.diagnostics import ProblemError
from backprop_cli.formula import plain
from backprop_cli.formula.evaluate import as_float
from backprop_cli.graph.expand import expand
from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read_problem
from backprop_cli.run import solve

FEW, MANY = 24, 400
SEEDS = range(MANY if strategies.THOROUGH else FEW)

ACTIVATIONS = (
    "relu", "sigmoid", "tanh", "softplus", "leaky_relu", "elu", "swish", "gelu", "hard_sigmoid",
    "selu", "mish", "step", "identity", "softmax", {"name": "leaky_relu", "slope": 0.2},
)  # fmt: skip
ENDS = (
    ("sigmoid", "binary_cross_entropy"),
    ("softmax", "cross_entropy"),
    ("identity", "half_squared_error"),
    ("identity", "mean_squared_error"),
    ("identity", "absolute_error"),
    ("identity", {"name": "huber", "delta": 0.5}),
    ("identity", "log_cosh"),
    ("tanh", "squared_error"),
    ("tanh", "hinge"),
    ("relu", "half_squared_error"),
)


def number(random: Random) -> float:
    """Mostly small numbers, now and then one that saturates, or 0."""
    if random.random() < 0.04:
        return random.choice((0.0, 20.0, -20.0))
    return random.choice((-1, 1)) * random.randrange(1, 30) / 10


def net(random: Random) -> dict[str, Any]:
    """A random network as a file has it."""
    output, loss = random.choice(ENDS)
    widths = [random.randint(1, 3) for _ in range(random.randint(2, 4))]
    if output == "softmax":
        widths[-1] = max(widths[-1], 2)
    alike = random.random() < 0.1
    layers: list[dict[str, Any]] = []
    for depth in range(1, len(widths)):
        below, units = widths[depth - 1], widths[depth]
        last = depth == len(widths) - 1
        one = number(random)
        weights: list[list[float | None]] = [
            [one if alike else number(random) for _ in range(below)] for _ in range(units)
        ]
        if below > 1 and random.random() < 0.15:
            weights[0][0] = None
        activation = output if last else random.choice(ACTIVATIONS)
        if activation == "softmax" and units == 1:
            activation = "sigmoid"
        layer: dict[str, Any] = {"activation": activation, "weights": weights}
        if random.random() < 0.8:
            each = [one if alike else number(random) for _ in range(units)]
            layer["biases"] = each if random.random() < 0.85 else each[0]
            if random.random() < 0.1:
                layer["bias_input"] = -1
        if below == units and random.random() < 0.2:
            layer["add"] = depth - 1 or "inputs"
            layer["after"] = not last and random.random() < 0.4
        if not last and random.random() < 0.1:
            mask = [random.randint(0, 1) for _ in range(units)]
            layer["dropout"] = {"mask": mask, "keep": 0.5}
        layers.append(layer)
    samples = []
    for _ in range(random.choice((1, 1, 1, 2))):
        targets = [number(random) for _ in range(widths[-1])]
        if output == "sigmoid":
            targets = [float(random.randint(0, 1)) for _ in targets]
        if output == "softmax":
            targets = [float(place == 0) for place in range(len(targets))]
        if loss == "hinge":
            targets = [float(random.choice((-1, 1))) for _ in targets]
        samples.append({"inputs": [number(random) for _ in range(widths[0])], "targets": targets})
    whole: dict[str, Any] = {"layers": layers, "loss": loss, "learning_rate": 0.1}
    whole |= samples[0] if len(samples) == 1 else {"samples": samples}
    return whole


def in_equations(layers: Problem, file: dict[str, Any]) -> str:
    """The same calculation as equations, under the same names."""
    graph = expand(layers)
    leaves = {
        kind: {leaf.name: float(leaf.value or 0) for leaf in graph.leaves if leaf.kind in kinds}
        for kind, kinds in {
            "given": ("input", "target", "constant"), "parameters": ("parameter",),
        }.items()
    }  # fmt: skip
    whole: dict[str, Any] = {
        "equations": {
            step.name: plain.write(step.formula) for step in graph.section("forward", "loss")
        },
        **leaves,
        "learning_rate": 0.1,
    }
    if len(file.get("samples", ())) > 1:
        own = [expand(layers, (number,)) for number in range(1, len(file["samples"]) + 1)]
        whole["samples"] = [
            {leaf.name: float(leaf.value or 0) for leaf in each.leaves
             if leaf.kind in ("input", "target")}
            for each in own
        ]  # fmt: skip
        whole["given"] = {
            name: value for name, value in whole["given"].items() if name not in whole["samples"][0]
        }
    return strategies.as_yaml(whole)


def both(seed: int) -> tuple[Problem, Problem] | None:
    """A random net in its two forms; None where the file cannot be, or its loss sits on a kink
    where a rule of the table and max have conventions of their own."""
    file = net(Random(seed))
    try:
        layers = read_problem("layers.yaml", strategies.as_yaml(file))
    except ProblemError:
        return None
    if file["loss"] == "hinge" and _on_a_kink(layers):
        return None
    return layers, read_problem("equations.yaml", in_equations(layers, file))


def _on_a_kink(layers: Problem) -> bool:
    """Whether y·ŷ is 1 for some output, or nearly."""
    first = solve(layers, show=1).iterations[0]
    pairs = [(step.name, step.target) for step in first.graph.steps if step.target]
    products = (as_float(first.values[a] or 0) * as_float(first.values[y] or 0) for a, y in pairs)
    return any(abs(each - 1) < 1e-3 for each in products)


OF_KINDS = {
    "convolution": (
        """
inputs: [[1, 0, 2, 1], [0, 1, 0, 3], [2, 1, 1, 0], [0, 2, 1, 1]]
targets: [1, 0]
layers:
  - kind: conv2d
    kernels: [[[0.2, -0.1], [0, 0.5]], [[1, -0.5], [0.3, 0.2]]]
    biases: [0.1, -0.6]
    activation: relu
  - {kind: max_pool, size: 2, stride: 1}
  - {kind: flatten}
  - {activation: sigmoid, biases: [0, 0.1], weights: [[0.4, -0.3, 0.2, 0.5, 0.1, -0.6, 0.7, 0.2],
     [0.1, 0.2, -0.3, 0.4, 0.5, -0.1, 0.2, 0.3]]}
loss: half_squared_error
learning_rate: 0.1
""",
        """
equations:
  z1: conv2d(x, w1) + reshape(b1, 2, 1, 1)
  a1: relu(z1)
  a2: max_pool(a1, 2, stride=1)
  z4: w4 @ flatten(a2) + b4
  yhat: sigmoid(z4)
  L: ½ sum((y - yhat)²)
given:
  x: [[1, 0, 2, 1], [0, 1, 0, 3], [2, 1, 1, 0], [0, 2, 1, 1]]
  y: [1, 0]
parameters:
  w1: [[[0.2, -0.1], [0, 0.5]], [[1, -0.5], [0.3, 0.2]]]
  b1: [0.1, -0.6]
  w4: [[0.4, -0.3, 0.2, 0.5, 0.1, -0.6, 0.7, 0.2], [0.1, 0.2, -0.3, 0.4, 0.5, -0.1, 0.2, 0.3]]
  b4: [0, 0.1]
learning_rate: 0.1
""",
    ),
    "recurrence": (
        """
inputs: [[1, 0.5], [0, 1], [0.5, 0]]
targets: [0.3]
layers:
  - kind: rnn
    weights: [[0.5, -0.2], [0.1, 0.4]]
    recurrent: [[0.3, 0.1], [-0.4, 0.2]]
    biases: [0, 0.1]
    initial: [0.2, -0.1]
  - {activation: sigmoid, weights: [[1, 0.5]], biases: [0]}
loss: half_squared_error
learning_rate: 0.1
""",
        """
index: {t: 1..3}
equations:
  z1_t: w1 @ x_t + u1 @ a1_{t-1} + b1
  a1_t: tanh(z1_t)
  z2: w2 @ a1_3 + b2
  yhat: sigmoid(z2)
  L: ½ sum((y - yhat)²)
given: {x: [[1, 0.5], [0, 1], [0.5, 0]], y: [0.3], a1_0: [0.2, -0.1]}
parameters:
  w1: [[0.5, -0.2], [0.1, 0.4]]
  u1: [[0.3, 0.1], [-0.4, 0.2]]
  b1: [0, 0.1]
  w2: [[1, 0.5]]
  b2: [0]
learning_rate: 0.1
""",
    ),
}
"""Nets with layers of other kinds, and the same as equations between arrays under the same names."""
