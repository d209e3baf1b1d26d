"""Every format of the registry, from every command that offers it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from commands import PROBLEMS, backprop

from backprop_cli.marking.reports import REPORTS as WRITERS
from backprop_cli.render import formats

SHEET = PROBLEMS / "two-hidden-layers.yaml"
ROLLED = """
inputs: [1.5, -0.5]
targets: [1]
layers:
  - {activation: sigmoid, weights: [[0.4, -0.3]], biases: [0.1]}
loss: half_squared_error
learning_rate: 0.5
variants: {draw: {inputs: {from: -2, to: 2, step: 0.5, not: [0]}}, require: [], seed: spring}
"""
LAYOUT = ("--ascii", "--width", "60", "--paper", "letter")

COMMANDS: Mapping[str, Mapping[str, formats.Format]] = {
    "solve": formats.SOLUTIONS,
    "verify": formats.SHEETS,
    "worksheet": formats.SHEETS,
    "list": formats.SHEETS,
    "check": formats.REPORTS,
    "stress": formats.SHEETS,
}
BEGINS = {
    "latex": "\\documentclass",
    "html": "<!doctype html>",
    "junit": "<?xml",
    "svg": "<svg",
    "mermaid": "flowchart",
}


def arguments(command: str, folder: Path) -> list[str | Path]:
    match command:
        case "list":
            return ["sigmoid"]
        case "check":
            (folder / "answers.yaml").write_text("answers: {z1_1: 5.02}\n", encoding="utf-8")
            return [SHEET, folder / "answers.yaml", "--exit-zero"]
        case "stress":
            (folder / "own.yaml").write_text(ROLLED, encoding="utf-8")
            return [folder / "own.yaml", "--students", "2"]
        case _:
            return [SHEET]


@pytest.mark.parametrize(
    ("command", "name"), [(command, name) for command, each in COMMANDS.items() for name in each]
)
def test_every_command_writes_every_format_it_offers(
    command: str, name: str, tmp_path: Path
) -> None:
    if name == "pdf" and find_spec("typst") is None:
        pytest.skip("there is nothing here to make a PDF")
    given = arguments(command, tmp_path)
    format = COMMANDS[command][name]
    asked = [*given, "--format", name]
    plain = backprop(command, *asked)
    laid_out = backprop(command, *asked, *LAYOUT)
    assert (plain.code, laid_out.code) == (0, 0), plain.complaints + laid_out.complaints
    assert plain.output
    if not format.honours:  # a layout has no effect, and is no mistake
        assert laid_out.output == plain.output
    if name in ("json", "gradescope", "classroom50"):
        json.loads(plain.text)
    if name == "pdf":
        assert plain.output.startswith(b"%PDF")
    elif name in BEGINS:
        assert BEGINS[name] in plain.text[:200].replace("DOCTYPE", "doctype")
    if name == "text":
        assert laid_out.text.isascii()
        assert max(map(len, laid_out.text.splitlines())) <= 60
    for ending in format.endings:
        file = tmp_path / f"written{ending}"
        assert backprop(command, *given, "--output", file).code == 0
        assert file.read_bytes() == plain.output


@pytest.mark.parametrize("name", formats.PICTURES)
def test_every_picture(name: str, tmp_path: Path) -> None:
    drawn = backprop("draw", SHEET, "--format", name)
    assert drawn.code == 0
    assert BEGINS.get(name, "") in drawn.text
    for ending in formats.PICTURES[name].endings:
        file = tmp_path / f"drawn{ending}"
        assert backprop("draw", SHEET, "--output", file).code == 0
        assert file.read_text(encoding="utf-8") == drawn.text


@pytest.mark.parametrize("name", formats.HANDED_OUT)
def test_every_format_is_handed_out_with_a_key(name: str, tmp_path: Path) -> None:
    if name == "pdf" and find_spec("typst") is None:
        pytest.skip("there is nothing here to make a PDF")
    (tmp_path / "own.yaml").write_text(ROLLED, encoding="utf-8")
    (tmp_path / "class.csv").write_text("student\nada\n", encoding="utf-8")
    folder = tmp_path / "sheets"
    made = backprop(
        *("variant", tmp_path / "own.yaml", "--students", tmp_path / "class.csv"),
        *("--output", folder, "--format", name, "--key"),
    )
    assert made.code == 0, made.complaints
    ending = formats.HANDED_OUT[name].endings[0]
    key = ".txt" if name == "yaml" else ending
    assert {f"ada{ending}", f"ada.key{key}", "variants.csv"} == {
        each.name for each in folder.iterdir()
    }


def test_reports_that_are_no_pages_have_their_writers() -> None:
    assert set(formats.REPORTS) == {*WRITERS, *formats.PAGES}


@pytest.mark.parametrize(
    "offered",
    [formats.SOLUTIONS, formats.PICTURES, formats.REPORTS, formats.ANSWERS, formats.HANDED_OUT],
)
def test_an_ending_names_one_format(offered: Mapping[str, formats.Format]) -> None:
    listed = [ending for each in offered.values() for ending in each.endings]
    assert len(listed) == len(set(listed))
    assert list(offered) == [each.name for each in offered.values()]
