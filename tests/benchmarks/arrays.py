"""Equations between arrays beside the same network as layers, and the sheet of a small conv net."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import PROBLEMS, Row, best_of_each

INPUTS, HIDDEN, OUTPUTS, BATCH = 30, 30, 10, 16
TARGET = 1.3
SHEET_TARGET = 0.5


def _matrix(draw: random.Random, rows: int, columns: int) -> list[list[float]]:
    return [[round(draw.uniform(-1, 1), 2) for _ in range(columns)] for _ in range(rows)]


def files() -> tuple[str, str]:
    """One network, one batch: as equations between arrays, and as layers."""
    draw = random.Random(1)
    x, y = _matrix(draw, BATCH, INPUTS), _matrix(draw, BATCH, OUTPUTS)
    first, second = _matrix(draw, INPUTS, HIDDEN), _matrix(draw, HIDDEN, OUTPUTS)
    turned = [[list(row) for row in zip(*each, strict=True)] for each in (first, second)]
    arrays = f"""title: arrays
equations:
  Z1: X @ W1 + b1
  A1: sigmoid(Z1)
  Z2: A1 @ W2 + b2
  L: ½ sum((Z2 - Y)²) / {BATCH}
given: {{X: {x}, Y: {y}}}
parameters: {{W1: {first}, W2: {second}, b1: {[0.1] * HIDDEN}, b2: {[0.1] * OUTPUTS}}}
learning_rate: 0.1
"""
    samples = "".join(
        f"  - {{inputs: {one}, targets: {other}}}\n" for one, other in zip(x, y, strict=True)
    )
    layers = f"""title: layers
layers:
  - {{activation: sigmoid, weights: {turned[0]}, biases: {[0.1] * HIDDEN}}}
  - {{activation: identity, weights: {turned[1]}, biases: {[0.1] * OUTPUTS}}}
loss: half_squared_error
samples:
{samples}learning_rate: 0.1
training: {{batch: all}}
"""
    return arrays, layers


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("arrays.yaml", "layers.yaml")]
        for path, text in zip(paths, files(), strict=True):
            path.write_text(text, encoding="utf-8")
        command = ["-m", "backprop_cli", "solve", "--format", "json"]
        arrays, layers = best_of_each([[*command, str(path)] for path in paths], 2)
        conv = str(PROBLEMS / "conv-pool-dense.yaml")
        small, sheet = best_of_each(
            [["-m", "backprop_cli", "list"], ["-m", "backprop_cli", "solve", conv]]
        )
    size = f"{INPUTS}-{HIDDEN}-{OUTPUTS}, batch of {BATCH}"
    yield Row(f"{size} to JSON: arrays beside layers", arrays / layers, "×", TARGET)
    yield Row("the sheet of a 4×4 conv net, beyond `list`", sheet - small, " s", SHEET_TARGET)
