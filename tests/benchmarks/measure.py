"""Measuring: processor time of this process and of others, and rows of a report."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parent.parent.parent
PROBLEMS = ROOT / "problems"
SHEET = PROBLEMS / "two-hidden-layers.yaml"

_BYTECODE = tempfile.TemporaryDirectory(prefix="bytecode-")


@dataclass(frozen=True)
class Row:
    """One measured number; `target` is the bound it is held to, if there is one."""

    what: str
    value: float | None  # None: could not be measured, `note` says why
    unit: str = ""
    target: float | None = None
    bound: Literal["at most", "at least"] = "at most"
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.value is None or self.target is None:
            return None
        if self.bound == "at most":
            return self.value <= self.target
        return self.value >= self.target


def report(row: Row) -> str:
    if row.value is None:
        return f"  -       {row.what}: {row.note}"
    mark = {None: "-", True: "ok", False: "MISSED"}[row.met]
    text = f"  {mark:7} {row.what}: {row.value:.4g}{row.unit}"
    if row.target is not None:
        text += f" (target: {row.bound} {row.target:g}{row.unit})"
    return f"{text}  {row.note}".rstrip()


def run(*arguments: str) -> str:
    """What a Python process prints that ends well.

    Bytecode is kept between runs, as it is for installed packages.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": _BYTECODE.name}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments[:5])} failed:\n{done.stderr}")
    return done.stdout


PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak(*arguments: str) -> float:
    """The most memory that a Python process ever holds, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return int(run("-c", PEAK, *arguments)) * unit / 1e6


def python(*arguments: str) -> float:
    """Processor seconds of a Python process. A busy machine stretches the clock on the wall."""
    before = _of_children()
    run(*arguments)
    return _of_children() - before


def _of_children() -> float:
    """Processor seconds of all processes that have ended, finer than `os.times` has them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def best_of_each(commands: Sequence[Sequence[str]], rounds: int = 9) -> list[float]:
    """The least processor time of each command, the commands run in turn, warmed up."""
    for command in commands:
        python(*command)
    found = [[python(*command) for command in commands] for _ in range(rounds)]
    return [min(times) for times in zip(*found, strict=True)]


def seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """The least processor time of some work in this process."""
    found = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found)


def problem(text: str):  # type: ignore[no-untyped-def]
    from backprop_cli.problem.read import read_problem

    return read_problem("benchmark.yaml", text)


def network(*sizes: int, activation: str = "sigmoid", samples: int = 1) -> str:
    """The problem file of a fully connected network with weights nobody chose."""

    def number(n: int) -> str:
        return str(((n * 7919 + 104729) % 2001 - 1000) / 1000)

    lines = ["title: a benchmark", "samples:"]
    for sample in range(samples):
        inputs = ", ".join(number(sample * 31 + i) for i in range(sizes[0]))
        targets = ", ".join(number(sample * 17 + k).lstrip("-") for k in range(sizes[-1]))
        lines.append(f"  - {{inputs: [{inputs}], targets: [{targets}]}}")
    lines.append("layers:")
    for depth, (fan_in, units) in enumerate(pairwise(sizes)):
        rows = ", ".join(
            "[" + ", ".join(number(depth * 977 + j * 101 + i * 13) for i in range(fan_in)) + "]"
            for j in range(units)
        )
        biases = ", ".join(number(depth * 7 + j) for j in range(units))
        lines.append(f"  - {{activation: {activation}, weights: [{rows}], biases: [{biases}]}}")
    lines += ["loss: half_squared_error", "learning_rate: 0.1"]
    return "\n".join(lines) + "\n"
