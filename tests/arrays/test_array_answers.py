"""Answers to whole arrays, and arrays by name on the command line."""

from __future__ import annotations

import json

import pytest
from commands import backprop

FILE = """title: t
equations:
  Z: X @ W + b
  L: ½ sum((Z - Y)²)
given: {X: [[1, 2], [0, 1], [3, 1]], Y: [[1], [0], [2]]}
parameters: {W: [[0.5], [-1]], b: [0.25]}
learning_rate: 0.1
"""
# By hand: Z = (−1.25, −0.75, 0.75), Z − Y = (−2.25, −0.75, −1.25), Xᵀ(Z − Y) = (−6, −6.5).


@pytest.fixture
def problem(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def marked(problem, answers, name="a.yaml"):
    path = problem.with_name(name)
    path.write_text(answers, encoding="utf-8")
    result = backprop("check", str(problem), str(path), "--format", "json", "--exit-zero")
    found = json.loads(result.text)["submissions"][0]["answers"]
    return {each["name"]: each for each in found}


RIGHT = "{Z: [[-1.25], [-0.75], [0.75]], dL/dW: [[-6], [-6.5]], dL/db: [-4.25], W_new: [[1.1], [-0.35]]}"


def test_whole_arrays_are_marked_entry_by_entry(problem):
    found = marked(problem, f"answers: {RIGHT}\n")
    for name in ("Z_1_1", "Z_3_1", "dL/dW_1_1", "dL/dW_2_1", "dL/db_1", "W_2_1_new"):
        assert found[name]["verdict"] == "correct", name


def test_json_is_read_the_same(problem):
    text = '{"answers": {"dL/dW": [[-6], [6.5]], "Z": [-1.25, -0.75, 0.75], "W[2,1]": -1}}'
    found = marked(problem, text, "a.json")
    assert found["dL/dW_1_1"]["verdict"] == "correct"
    assert found["dL/dW_2_1"]["verdict"] == "wrong"
    assert found["Z_2_1"]["verdict"] == "correct"


def test_brackets_name_an_entry(problem):
    found = marked(problem, 'answers: {"dL/dW[2,1]": -6.5, "Z[1,1]": -1.25, "dL/db[1]": -4.25}\n')
    for name in ("dL/dW_2_1", "Z_1_1", "dL/db_1"):
        assert found[name]["verdict"] == "correct", name


def test_a_wrong_shape_is_said(problem):
    found = marked(problem, "answers: {Z: [[1, 2], [3, 4]], W_new: 3}\n")
    assert found["Z_1_1"]["verdict"] == "unreadable"
    assert "this is 2×2 where 3×1 belongs" in found["Z_1_1"]["feedback"]
    assert "give a list" in found["W_1_1_new"]["feedback"]
    found = marked(problem, "answers: {Z: [[1], [3, 4], [5]]}\n")
    assert "not equally long" in found["Z_1_1"]["feedback"]


def test_an_array_may_be_asked_for_by_name(problem):
    result = backprop("solve", str(problem), "--only", "dL/dW", "--format", "json")
    steps = json.loads(result.text)["steps"]
    assert [(each["name"], each["value"]) for each in steps] == [
        ("dL/dW_1_1", -6.0),
        ("dL/dW_2_1", -6.5),
    ]
    one = backprop("solve", str(problem), "--only", "dL/dW_2_1", "--symbolic")
    assert "−6.5" in one.text


def test_parameters_are_chosen_by_the_name_of_the_array(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(FILE + "frozen: [b]\nwith_respect_to: [X, W]\n", encoding="utf-8")
    data = json.loads(backprop("solve", str(path), "--format", "json").text)
    names = {each["name"] for each in data["arrays"]}
    assert {"dL/dX", "dL/dW", "W_new"} <= names
    assert "b_new" not in names
