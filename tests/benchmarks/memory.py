"""Memory of a short run and of a long one: it must not grow with the number of updates."""

from __future__ import annotations

from collections.abc import Iterator

from measure import SHEET, Row, peak

SHORT, LONG = 10_000, 100_000
GROWTH = 1.05


def measure() -> Iterator[Row]:
    short, long = (
        peak("-m", "backprop_cli", "solve", str(SHEET), "--steps", str(steps))
        for steps in (SHORT, LONG)
    )
    yield Row(f"peak memory of {SHORT} updates", short, " MB")
    yield Row(f"peak memory of {LONG} updates", long, " MB")
    yield Row("ten times the updates", long / short, " times", GROWTH)
