"""Runs `table.md`, the documentation of marking by example."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
import whole_sheets

from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.problem.read import read_problem

TABLE = Path(__file__).parent / "table.md"


class Row(NamedTuple):
    line: int
    problem: str
    before: str
    answer: str
    verdict: str
    slip: str


def rows() -> list[Row]:
    found: list[Row] = []
    problem: list[str] = []
    inside = False
    for number, line in enumerate(TABLE.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            inside = not inside
            if inside:
                problem = []
        elif inside:
            problem.append(line)
        elif line.startswith("|") and not line.startswith(("| before", "| idea", "|---")):
            if line.count("|") != 6:
                continue
            before, answer, verdict, slip, _ = (cell.strip() for cell in line.split("|")[1:-1])
            found.append(Row(number, "\n".join(problem), before, answer, verdict, slip))
    return found


def ideas() -> list[tuple[str, float, set[str]]]:
    """The table of whole sheets: the idea, how many marks it may cost, the slips it may be."""
    _, _, part = TABLE.read_text(encoding="utf-8").partition("## Whole sheets")
    found = []
    for line in part.splitlines():
        if line.startswith("| ") and not line.startswith("| idea"):
            idea, most, slips, _ = (cell.strip() for cell in line.split("|")[1:-1])
            found.append((idea, float(most), set(filter(None, slips.split(", ")))))
    return found


@lru_cache(maxsize=16)
def checker(problem: str) -> Checker:
    return Checker(read_problem("table.yaml", problem))


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"line{row.line}-{row.answer[:40]}")
def test_row(row: Row) -> None:
    lines = [*filter(None, map(str.strip, row.before.split(";"))), row.answer]
    text = "answers:\n" + "".join(f"  {line}\n" for line in lines)
    report = checker(row.problem).mark(parse_submission("student.yaml", text))
    assert report.error is None
    answer = max(report.answers, key=lambda each: each.line)
    slip = answer.mistake.code if answer.mistake else ""
    assert (answer.verdict, slip) == (row.verdict, row.slip), answer


@pytest.mark.parametrize(
    ("idea", "most", "slips"), [pytest.param(*row, id=row[0]) for row in ideas()]
)
def test_an_idea_everywhere_costs_what_it_is_worth(idea: str, most: float, slips: set[str]) -> None:
    for number in range(3):
        kinds = idea.split(" + ")
        lost, report = whole_sheets.marked(Random(f"table-{idea}-{number}"), kinds)
        assert lost <= most, report
        named = {a.mistake.code for a in report.answers if a.mistake and a.points < a.max_points}
        assert named <= slips, report


def test_there_are_a_few_hundred_rows_and_every_slip_is_shown() -> None:
    from typing import get_args

    from backprop_cli.marking.model import VERDICTS, Code

    assert len(rows()) > 250
    shown = {row.slip for row in rows()}.union(*(slips for _, _, slips in ideas()))
    assert shown - {""} == set(get_args(Code))
    assert {row.verdict for row in rows()} == set(VERDICTS) - {"missing"}
