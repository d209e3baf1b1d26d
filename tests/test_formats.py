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
LAYOUT: Mapping[str, tuple[str, ...]] = {
    "ascii": ("--ascii",),
    "width": ("--width", "60"),
    "paper": ("--paper", "letter"),
}

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
    assert plain.code == 0, plain.complaints
    assert plain.output
    for way, option in LAYOUT.items():
        laid_out = backprop(command, *asked, *option)
        if way in format.honours:
            assert laid_out.output != plain.output
        else:  # no effect, and no mistake
            assert laid_out.output == plain.output
    if name in ("json", "gradescope", "classroom50"):
        json.loads(plain.text)
    if name == "pdf":
        assert plain.output.startswith(b"%PDF")
    elif name in BEGINS:
        assert BEGINS[name] in plain.text[:200].replace("DOCTYPE", "doctype")
    if name == "text":
        laid_out = backprop(command, *asked, *LAYOUT["ascii"], *LAYOUT["width"])
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
    for option in (LAYOUT["ascii"], LAYOUT["width"]):
        laid_out = backprop("draw", SHEET, "--format", name, *option)
        assert (laid_out.output != drawn.output) == (name == "text")
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


ON_SOLVE = (
    *(
        "--symbolic",
        "--composed",
        "--only L",
        "--only dL/dw",
        "--steps 1",
        "--show 1",
        "--digits 2",
    ),
    *("--round-each 2", "--exact", "--curve x=-1:1", "--lr-sweep 0.1,0.2", "--all"),
    *(f"--form {each}" for each in ("chain", "delta", "matrix", "scalar", "gates")),
)
ONE_NEURON = """
title: one neuron
equations: {z: w*x + b, yhat: sigmoid(z), L: (yhat - y)^2}
given: {x: 1.5, y: 1}
parameters: {w: 0.25, b: -0.5}
learning_rate: 0.1
training: {steps: 3}
"""
ARRAYS = """
title: more inputs than a sheet shows
equations: {z: w @ x, L: z^2}
given: {x: {init: uniform, shape: [50], low: -1, high: 1, seed: 1}}
parameters: {w: {init: uniform, shape: [50], low: -1, high: 1, seed: 2}}
"""
LAYERS = """
title: a layer
inputs: [1, 2]
targets: [1]
layers:
  - {activation: tanh, weights: [[0.5, 0.25], [0.1, -0.3]], biases: [0.1, 0.2]}
  - {activation: sigmoid, weights: [[0.5, -0.5]]}
loss: half_squared_error
"""


@pytest.mark.parametrize(
    ("name", "option"),
    [
        (name, option)
        for name in ("text", "latex", "json", "sympy")
        for option in ON_SOLVE
        if option != "--all" or name in ("text", "latex")  # what is never shortened is whole
    ],
)
def test_an_option_changes_a_solution_or_is_refused(name: str, option: str) -> None:
    """Asked beside a format of every kind: in one of these problems its effect is seen."""
    effects = set()
    for problem in (ARRAYS,) if option in ("--all", "--form scalar") else (ONE_NEURON, LAYERS):
        asked = ("solve", "-", "--format", name)
        plain = backprop(*asked, stdin=problem)
        with_it = backprop(*asked, *option.split(), stdin=problem)
        assert with_it.code in (0, 2)
        effects.add("refused" if with_it.code else with_it.output != plain.output)
    assert True in effects or effects == {"refused"}


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("worksheet FILE --format json --form delta", "it has every step in the same form"),
        ("worksheet FILE --answers --form reuse", "they are of the sheet, not of an answer file"),
        (
            "worksheet FILE --answers -o a.txt",
            "the ending `.txt` names no format; use one of .yaml",
        ),
        ("worksheet FILE --answers --format text", "it has yaml, json, csv"),
        ("solve FILE --form delta --format json --all", "it has every step in the same form"),
        ("check FILE a.yaml --reveal --format junit", "it has no place for right values"),
        ("check FILE a.yaml --reveal -o report.md", "it has no place for right values"),
        ("practice FILE --watch a.yaml --tries 2", "it asks nothing, and marks the whole file"),
        ("practice FILE --watch a.yaml --answers b.yaml", "each is a file of answers"),
        ("practice FILE --random --student ada", "its numbers are nobody's"),
        ("new --list --seed 0", "it only says which examples there are"),
    ],
)
def test_what_has_no_effect_is_refused_with_the_reason(
    command: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = backprop(*command.replace("FILE", str(SHEET)).split())
    assert (refused.code, refused.output) == (2, b"")
    assert why in refused.complaints
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [each for each in formats.REPORTS if each != "pdf"])
def test_right_values_are_shown_or_refused(name: str, tmp_path: Path) -> None:
    answers = tmp_path / "a.yaml"
    answers.write_text("answers: {z1_1: 5.03, dL/dyhat: 2}\n", encoding="utf-8")
    asked = ("check", SHEET, answers, "--exit-zero", "--format", name)
    plain, revealed = backprop(*asked), backprop(*asked, "--reveal")
    assert revealed.code == 2 or revealed.output != plain.output
    if revealed.code:  # a sheet for each student has room for them
        folder = tmp_path / "sheets"
        assert backprop(*asked, "--reveal", "--feedback", folder).code == 0
        assert any("| Right |" in each.read_text(encoding="utf-8") for each in folder.iterdir())
