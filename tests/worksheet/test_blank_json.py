"""`backprop worksheet --format json`: what a sheet gives and asks for, without the answers."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from commands import PROBLEMS, backprop
from pages import NEURON

MARKED = f"""\
{dedent(NEURON)}
marking:
  ask: [forward, "dL/dw*", update]
  points: {{"dL/dw*": 2, yhat: 0.5}}
"""
TWO = """\
equations:
  yhat: w*x
  L: (y - yhat)^2
samples: [{x: 1, y: 2}, {x: 2, y: 3}]
parameters: {w: 0.5}
learning_rate: 0.1
training: {steps: 2}
"""


def asked_of(source: str, tmp_path: Path, *options: str) -> dict[str, Any]:
    file = tmp_path / "mine.yaml"
    file.write_text(source, encoding="utf-8")
    result = backprop("worksheet", file, "--format", "json", *options)
    assert (result.code, result.complaints) == (0, "")
    return dict(json.loads(result.text))


def test_a_whole_blank_sheet_as_json(tmp_path: Path) -> None:
    data = asked_of(MARKED, tmp_path)
    assert {key: data[key] for key in ("format", "title", "description", "points")} == {
        "format": "backprop-worksheet/1",
        "title": "Untitled",
        "description": None,
        "points": 1 + 0.5 + 2 * 2 + 3,
    }
    assert data["given"]["x2"] == 0.5
    assert [(each["name"], each["section"], each["points"]) for each in data["asked"]] == [
        ("z1_1", "forward", 1.0),
        ("yhat", "forward", 0.5),
        ("dL/dw1_1_1", "gradient", 2.0),
        ("dL/dw1_1_2", "gradient", 2.0),
        ("w1_1_1_new", "update", 1.0),
        ("w1_1_2_new", "update", 1.0),
        ("b1_1_new", "update", 1.0),
    ]
    assert data["asked"][2] == {
        "iteration": 1,
        "sample": 1,
        "section": "gradient",
        "name": "dL/dw1_1_1",
        "shown": "∂L/∂w₁₁⁽¹⁾",
        "latex": data["asked"][2]["latex"],
        "points": 2.0,
    }
    assert r"\partial L" in data["asked"][2]["latex"]


def test_samples_and_updates_are_told_apart_and_no_value_is_given_away(tmp_path: Path) -> None:
    data = asked_of(TWO, tmp_path)
    assert data["given"] == {"x[1]": 1, "y[1]": 2, "x[2]": 2, "y[2]": 3, "w": 0.5, "eta": 0.1}
    names = [(each["iteration"], each["sample"], each["name"]) for each in data["asked"]]
    assert (1, 2, "yhat[2]") in names
    assert (2, None, "w_new") in names
    assert data["points"] == len(names)
    assert not {"value", "expected", "formula"} & {key for each in data["asked"] for key in each}


@pytest.mark.parametrize("name", ["two-hidden-layers", "xor-learnt", "relu-regression-symbolic"])
def test_it_asks_for_what_the_answer_file_has_room_for(name: str) -> None:
    file = PROBLEMS / f"{name}.yaml"
    data = json.loads(backprop("worksheet", file, "--format", "json").text)
    template = yaml.safe_load(backprop("worksheet", file, "--answers").text)
    assert [each["name"] for each in data["asked"]] == list(template["answers"])
