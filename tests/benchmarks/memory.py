"""Memory of a short run and of a long one: it must not grow with the number of updates. And that of
a PDF, which for a large network shows the corners of its sheet."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from measure import SHEET, Row, network, peak

SHORT, LONG = 10_000, 100_000
GROWTH = 1.05
PAGES = 300


def measure() -> Iterator[Row]:
    short, long = (
        peak("-m", "backprop_cli", "solve", str(SHEET), "--steps", str(steps))
        for steps in (SHORT, LONG)
    )
    yield Row(f"peak memory of {SHORT} updates", short, " MB")
    yield Row(f"peak memory of {LONG} updates", long, " MB")
    yield Row("ten times the updates", long / short, " times", GROWTH)
    yield _pdf()


def _pdf() -> Row:
    what = "peak memory of the PDF of 1,240 parameters"
    if find_spec("typst") is None:
        return Row(what, None, note="typst is not installed")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "network.yaml")
        source.write_text(network(30, 30, 10), encoding="utf-8")
        output = str(source.with_suffix(".pdf"))
        used = peak("-m", "backprop_cli", "solve", str(source), "--output", output)
    return Row(what, used, " MB", PAGES)
