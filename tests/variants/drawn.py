"""Problems of several kinds whose numbers are drawn, for the tests of variants."""

from __future__ import annotations

DENSE = """
inputs: [1.5, -0.5]
targets: [1]
layers:
  - {activation: tanh, weights: [[0.4, -0.3], [-0.6, 0.8]], biases: [0.1, -0.2]}
  - {activation: sigmoid, weights: [[0.7, -0.9]], biases: [0.3]}
loss: half_squared_error
learning_rate: 0.5
variants:
  draw:
    inputs: {from: -2, to: 2, step: 0.5, not: [0]}
    weights: {from: -0.9, to: 0.9, step: 0.1, not: [0]}
    biases: {from: -0.4, to: 0.4, step: 0.1, not: [0]}
    targets: {choice: [0, 1]}
    learning_rate: {choice: [0.2, 0.5]}
"""
RELU = """
inputs: [1.5, 0.5]
targets: [2]
layers:
  - {activation: relu, weights: [[0.4, 0.3], [-0.6, -0.8]], biases: [0.1, 0.2]}
  - {activation: identity, weights: [[0.7, -0.9]], biases: [0.3]}
loss: squared_error
learning_rate: 0.1
variants:
  draw:
    inputs: {from: -2, to: 2, step: 0.5, not: [0]}
    weights: {from: -0.9, to: 0.9, step: 0.1, not: [0]}
    biases: {from: -0.4, to: 0.4, step: 0.1, not: [0]}
    targets: {from: -2, to: 2, step: 0.5}
"""
SOFTMAX = """
inputs: [1.5, -0.5]
targets: [0, 1, 0]
layers:
  - {activation: softmax, weights: [[0.4, -0.3], [-0.6, 0.8], [0.2, 0.5]], biases: [0.1, -0.2, 0.3]}
loss: cross_entropy
learning_rate: 0.5
variants:
  draw:
    inputs: {from: -2, to: 2, step: 0.5, not: [0]}
    weights: {from: -0.9, to: 0.9, step: 0.1, not: [0]}
    targets: {one_hot: true}
"""
CIRCUIT = """
equations: {q: x*y + w, f: q*z, g: f^2 + w}
given: {x: -2, y: 5, z: -4, w: 3}
variants:
  draw: {inputs: {from: -6, to: 6, step: 1, not: [0, 1, -1]}}
"""
TWO_SAMPLES = """
samples: [{inputs: [1.5, -0.5], targets: [1]}, {inputs: [-0.5, 2], targets: [0]}]
layers:
  - {activation: sigmoid, weights: [[0.7, -0.9]], biases: [0.3]}
loss: binary_cross_entropy
learning_rate: 0.5
variants:
  draw:
    inputs: {from: -2, to: 2, step: 0.5, not: [0]}
    parameters: {from: -0.9, to: 0.9, step: 0.1, not: [0]}
    'targets': {choice: [0, 1]}
"""
ONE_BY_ONE = TWO_SAMPLES + "training: {batch: 1, steps: 2}\n"

ARRAYS = """
equations:
  z: W @ x + b
  p: softmax(z)
  L: -sum(y * log(p))
given: {x: [1.5, -0.5], y: [0, 1, 0]}
parameters: {W: [[0.4, -0.3], [-0.6, 0.8], [0.2, 0.5]], b: [0.1, -0.2, 0.3]}
learning_rate: 0.5
variants:
  draw:
    x: {from: -2, to: 2, step: 0.5, not: [0]}
    W: {from: -0.9, to: 0.9, step: 0.1, not: [0]}
    b_1: {choice: [0.1, 0.2]}
"""

SHEETS = {
    "dense": DENSE,
    "relu": RELU,
    "softmax": SOFTMAX,
    "circuit": CIRCUIT,
    "two samples": TWO_SAMPLES,
    "one by one": ONE_BY_ONE,
    "arrays": ARRAYS,
}


DEEP = """
inputs: [1.5, -0.5, 2]
targets: [1]
layers:
  - {activation: relu, weights: [[0.3, -0.2, 0.5], [0.4, 0.1, -0.3]], biases: [0.1, 0.2]}
  - {activation: sigmoid, weights: [[0.3, -0.2], [0.4, 0.1]], biases: [0.1, 0.2]}
  - {activation: sigmoid, weights: [[0.3, -0.2]], biases: [0.1]}
loss: half_squared_error
learning_rate: 0.5
variants:
  draw:
    inputs: {from: -2, to: 2, step: 0.5, not: [0]}
    weights: {from: -0.9, to: 0.9, step: 0.1, not: [0]}
    biases: {from: -0.4, to: 0.4, step: 0.1, not: [0]}
    targets: {choice: [0, 1]}
"""
SUMS = TWO_SAMPLES + "training: {reduction: sum}\n"


def second(text: str) -> str:
    """The same file under version 2 of the requirements."""
    return text.replace("\nvariants:\n", "\nvariants:\n  rules: 2\n")


NETWORKS = [second(text) for text in (DENSE, RELU, SOFTMAX, TWO_SAMPLES, SUMS, DEEP)]
