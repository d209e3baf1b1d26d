"""`tests/notes.md`: every item of the course's pages, where it is shown, and what must stand there."""

from __future__ import annotations

import functools
import os
import re
import shlex
from pathlib import Path

import pytest
from commands import ROOT, Outcome, backprop

TABLE = (Path(__file__).parent / "notes.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<item>[^|]+) \| (?P<command>[^|]+) \| (?P<expected>.+) \|$", re.M)
ROWS = [row.groupdict() for row in ROW.finditer(TABLE) if row["item"] != "item"]


def collapsed(text: str) -> str:
    """Without line breaks and columns of blanks."""
    return " ".join(text.split())


@functools.cache
def shown(command: str) -> Outcome:
    return backprop(*shlex.split(command), "--width", "120")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['item']}"[:60])
def test_every_item_of_the_notes(row: dict[str, str]) -> None:
    before = os.getcwd()
    os.chdir(ROOT)
    try:
        found = shown(row["command"])
    finally:
        os.chdir(before)
    assert found.code == 0, found.complaints
    rest = collapsed(found.text)
    for part in row["expected"].split(" … "):
        assert collapsed(part) in rest, part
        rest = rest.partition(collapsed(part))[2]


def test_no_page_is_left_out() -> None:
    items = {item for row in ROWS for item in re.findall(r"\b([A-E][1-7])\b", row["item"])}
    wanted = {*(f"A{i}" for i in range(1, 6)), "B1", "B2", *(f"C{i}" for i in range(1, 5))}
    wanted |= {*(f"D{i}" for i in range(1, 5)), "E1", "E2", "E3", "E4", "E5", "E6", "E7"}
    assert wanted <= items
