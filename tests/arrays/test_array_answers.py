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


def marked_file(problem, name, text):
    path = problem.with_name(name)
    path.write_text(text, encoding="utf-8")
    result = backprop("check", str(problem), str(path), "--format", "json", "--exit-zero")
    found = json.loads(result.text)["submissions"][0]["answers"]
    return {each["name"]: each["verdict"] for each in found if each["verdict"] != "missing"}


EVERY = {f"Z_{at}_1": "correct" for at in (1, 2, 3)} | {
    "dL/dW_1_1": "correct", "dL/dW_2_1": "wrong",
    "dL/db_1": "correct",
}  # fmt: skip


def test_rows_of_csv_are_rows_of_an_array(problem):
    rows = "name,value\nZ,-1.25\nZ,-0.75\nZ,0.75\ndL/dW,-6\ndL/dW,6.25\ndL/db,-4.25\n"
    assert marked_file(problem, "a.csv", rows) == EVERY
    lists = 'name,value\nZ,"[[-1.25], [-0.75], [0.75]]"\ndL/dW,"[-6, 6.25]"\ndL/db,[-4.25]\n'
    assert marked_file(problem, "a.csv", lists) == EVERY
    wide = "name,value\nX,1,2\nX,0,1\nX,3,1\nZ,-1.25,-0.75,0.75\n"
    assert set(marked_file(problem, "a.csv", wide).values()) == {"correct"}


def test_a_scalar_on_two_rows_is_still_given_twice(problem):
    found = marked_file(problem, "a.csv", "name,value\nL,1\nL,2\n")
    assert found == {"L": "unreadable"}


def test_markdown_has_a_block_or_a_table(problem):
    block = "# Answers\n\n```yaml\nanswers:\n  Z: [[-1.25], [-0.75], [0.75]]\n```\nDone.\n"
    expected = {f"Z_{at}_1": "correct" for at in (1, 2, 3)}
    assert marked_file(problem, "a.md", block) == expected
    table = "| name | value |\n|---|---:|\n| Z | [[-1.25], [-0.75], [0.75]] |\n"
    assert marked_file(problem, "a.md", table) == expected
    rows = "Mine:\n\n| name | value |\n|---|---|\n| Z | -1.25 |\n| Z | -0.75 |\n| `Z` | 0.75 |\n"
    assert marked_file(problem, "a.md", rows) == expected


def test_arrays_are_asked_for_by_name(tmp_path):
    path = tmp_path / "t.yaml"
    marking = "marking: {ask: [Z, dL/dW, W_new], points: {dL/dW: 2}}\n"
    path.write_text(FILE + marking, encoding="utf-8")
    result = backprop("worksheet", str(path), "--format", "json")
    assert result.complaints == ""
    data = json.loads(result.text)
    points = {each["name"]: each["points"] for each in data["asked"]}
    assert points == {
        "Z_1_1": 1, "Z_2_1": 1, "Z_3_1": 1, "dL/dW_1_1": 2, "dL/dW_2_1": 2,
        "W_1_1_new": 1, "W_2_1_new": 1,
    }  # fmt: skip
    assert [each["name"] for each in data["arrays"]] == ["Z", "dL/dW", "W_new"]
