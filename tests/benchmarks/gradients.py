"""All gradients of a 4-4-4-4-2 network, and what differentiating its composed loss would cost."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measure import SHEET, Row, best_of_each, network

SIZES = (4, 4, 4, 4, 2)
LIMIT = 120.0
TARGET = 0.15

COMPOSED = """
import sympy

sizes = (4, 4, 4, 4, 2)
parameters = []

def symbol(name):
    parameters.append(sympy.Symbol(name))
    return parameters[-1]

values = [sympy.Symbol(f"x{i}") for i in range(sizes[0])]
for layer, (fan_in, units) in enumerate(zip(sizes, sizes[1:])):
    values = [
        1 / (1 + sympy.exp(-sum(
            (symbol(f"w{layer}_{j}_{i}") * values[i] for i in range(fan_in)),
            symbol(f"b{layer}_{j}"),
        )))
        for j in range(units)
    ]
loss = sum((sympy.Symbol(f"y{k}") - value) ** 2 for k, value in enumerate(values)) / 2
print(sum(sympy.diff(loss, parameter).count_ops() for parameter in parameters))
"""


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.yaml"
        path.write_text(network(*SIZES), encoding="utf-8")
        small, large = best_of_each(
            [
                ["-m", "backprop_cli", "solve", str(SHEET)],
                ["-m", "backprop_cli", "solve", str(path)],
            ]
        )
    name = "-".join(map(str, SIZES))
    yield Row(f"all gradients of {name} on top of the 3-2-2-1 sheet", large - small, " s", TARGET)
    begun = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, "-c", COMPOSED],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=True,
        )
    except subprocess.TimeoutExpired:
        note = f"given up after {LIMIT:g} s"
        yield Row("differentiating the composed loss with SymPy", None, note=note)
        return
    taken = time.perf_counter() - begun
    operations = int(done.stdout)
    note = f"{operations:,} operations"
    yield Row("differentiating the composed loss with SymPy", taken, " s", note=note)
