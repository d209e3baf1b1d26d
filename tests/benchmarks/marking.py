"""Marking whole classes: submissions a second after the start, and the memory of many."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import SHEET, Row, peak, python, run

FEW, MANY = 100, 1_000
SPEED = 500
GROWTH = 1.05
ASKED = ("forward", "loss", "gradient", "update")


def measure() -> Iterator[Row]:
    answers = _solution()
    with tempfile.TemporaryDirectory() as folder:
        files = [str(_written(Path(folder), number, answers)) for number in range(MANY)]
        few, many = (min(python(*_check(files[:count])) for _ in range(3)) for count in (FEW, MANY))
        speed = (MANY - FEW) / (many - few)
        what = f"submissions of {len(answers)} answers a second"
        yield Row(what, speed, "", SPEED, "at least")
        short, long = (peak(*_check(files[:count])) for count in (FEW, MANY))
        yield Row(f"peak memory of {FEW} submissions", short, " MB")
        yield Row(f"peak memory of {MANY} submissions", long, " MB")
        yield Row("ten times the submissions", long / short, " times", GROWTH)


def _check(files: list[str]) -> list[str]:
    return ["-m", "backprop_cli", "check", str(SHEET), *files, "--format", "csv", "--exit-zero"]


def _solution() -> dict[str, float]:
    """Name and value of everything that is asked by default."""
    solved = json.loads(run("-m", "backprop_cli", "solve", str(SHEET), "--format", "json"))
    return {step["name"]: step["value"] for step in solved["steps"] if step["section"] in ASKED}


def _written(folder: Path, number: int, answers: dict[str, float]) -> Path:
    """A submission: rounded to some digits; every third student has a slip or two in it."""
    draw = random.Random(number)
    digits = draw.choice((3, 4, 5))
    slips = draw.sample(sorted(answers), draw.choice((1, 2))) if number % 3 == 0 else []
    lines = [f"student: s{number}", "answers:"]
    for name, value in answers.items():
        if name in slips:
            value *= draw.choice((-1, 10, 0.5, 1.3))
        lines.append(f"  {name}: {value:.{digits}g}")
    path = folder / f"s{number}.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
