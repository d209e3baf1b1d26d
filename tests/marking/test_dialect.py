"""Runs `dialect.md`: names, numbers and formulas in the ways that people write them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backprop_cli.marking.answers import Answer, Submission
from backprop_cli.marking.check import Checker
from backprop_cli.marking.texts import commas_of
from backprop_cli.problem.read import read_problem

PAGE = (Path(__file__).parent / "dialect.md").read_text(encoding="utf-8")
CHECKER = Checker(read_problem("dialect.yaml", PAGE.split("```yaml\n")[1].split("```")[0]))
KEY = CHECKER.keys[0]


def rows(title: str) -> list[list[str]]:
    """The rows of a table, cells as written."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.split("|")[1:-2]] for line in lines]


@pytest.mark.parametrize(("written", "meant"), rows("Names"))
def test_name(written: str, meant: str) -> None:
    found = KEY.names.find(written)
    if meant == "?":
        fitting = KEY.names.look(written)
        assert found is None
        assert len(fitting.names) > 1 or fitting.change
    else:
        assert found == (None if meant == "–" else meant)


@pytest.mark.parametrize(("written", "beside", "meant", "said"), rows("Numbers"))
def test_number(written: str, beside: str, meant: str, said: str) -> None:
    commas = commas_of([written, *(cell.partition(":")[2] for cell in beside.split(";"))])
    number = CHECKER.number(written)
    if number is not None:
        assert (number.value, said) == (float(meant), "")
        return
    found = CHECKER.expressions[0].reader.read(written.lstrip("= "), commas, False, None)
    if meant == "?":
        assert found.question
    elif meant in ("–", "formula"):
        assert found.number is None
        readable = not isinstance(CHECKER.expressions[0].parsed(found.expression), str)
        assert readable == (meant == "formula")
    else:
        assert found.number is not None
        assert found.number.value == float(meant)
        assert found.read_as == said


@pytest.mark.parametrize(("name", "written", "said"), rows("Formulas"))
def test_formula(name: str, written: str, said: str) -> None:
    answer = Answer(name, (written,), 1, 1)
    report = CHECKER.mark(Submission("x.yaml", "x", ((answer,),)))
    found = next(each for each in report.answers if each.given)
    assert (found.name, found.verdict) == (name, "correct"), found
    assert re.sub(" +", " ", found.read_as) == said


def test_the_page_is_long_enough_to_be_a_reference() -> None:
    assert sum(len(rows(title)) for title in ("Names", "Numbers", "Formulas")) > 200
