"""What the program costs, as ratios measured in one run: `python tests/benchmarks`.

Give names to run only some: `python tests/benchmarks startup updates`. `--strict` leaves with
exit code 1 when a target is missed; a busy machine misses targets too, so that is not the default.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

import arrays  # noqa: E402
import gradients  # noqa: E402
import marking  # noqa: E402
import memory  # noqa: E402
import size  # noqa: E402
import startup  # noqa: E402
import updates  # noqa: E402
from measure import report  # noqa: E402

BENCHMARKS = {
    "startup": startup.measure,
    "gradients": gradients.measure,
    "arrays": arrays.measure,
    "size": size.measure,
    "updates": updates.measure,
    "memory": memory.measure,
    "marking": marking.measure,
}


def main(arguments: list[str]) -> int:
    strict = "--strict" in arguments
    chosen = [name for name in arguments if name != "--strict"] or list(BENCHMARKS)
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
        return 2
    missed = 0
    for name in chosen:
        print(f"{name}", flush=True)
        for row in BENCHMARKS[name]():
            print(report(row), flush=True)
            missed += row.met is False
    print("every target is met" if not missed else f"{missed} missed")
    return 1 if missed and strict else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
