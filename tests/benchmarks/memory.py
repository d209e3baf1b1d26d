"""Memory of a short run and of a long one: it must not grow with the number of updates."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from measure import ROOT, SHEET, Row

SHORT, LONG = 10_000, 100_000
GROWTH = 1.05

PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak(steps: int, *options: str) -> float:
    """The most memory that `solve --steps` ever holds, in MB."""
    command = ["-m", "backprop_cli", "solve", str(SHEET), "--steps", str(steps), *options]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit / 1e6


def measure() -> Iterator[Row]:
    short, long = peak(SHORT), peak(LONG)
    yield Row(f"peak memory of {SHORT} updates", short, " MB")
    yield Row(f"peak memory of {LONG} updates", long, " MB")
    yield Row("ten times the updates", long / short, " times", GROWTH)
