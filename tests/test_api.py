"""The package from Python: values by name, errors, and what a notebook shows."""

from __future__ import annotations

import html
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from commands import PROBLEMS, backprop

from backprop_cli import ProblemError, UnknownName, check, load, solve

SHEET = PROBLEMS / "two-hidden-layers.yaml"


def test_values_by_name() -> None:
    solution = solve(load(SHEET))
    assert solution.value("z1_1") == 5.02
    assert solution.exact("z1_1") == Fraction("5.02")
    assert solution.value("a3_1") == solution.value("yhat")
    assert solution.value("dL/dw3_1_1") == pytest.approx(-0.0466937, rel=1e-6)
    assert solution.gradients["dL/dw3_1_1"] == solution.value("dL/dw3_1_1")
    assert solution.parameters["w3_1_1"] == solution.value("w3_1_1_new")
    assert solution.losses[0] == solution.value("L")
    assert list(solution.values())[:3] == ["x1", "x2", "x3"]


def test_a_name_that_is_not_there_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match=r"^`dL/dw3_1_9` is not .* did you mean `dL/dw3_1_"):
        solve(SHEET).value("dL/dw3_1_9")
    with pytest.raises(KeyError, match="has every name"):
        solve(SHEET, only=["nothing"])


@pytest.mark.parametrize("values", ["gradients", "parameters"])
def test_so_does_a_name_that_a_mapping_lacks(values: str) -> None:
    mapping = getattr(solve(SHEET), values)
    first = next(iter(mapping))
    with pytest.raises(UnknownName, match=rf"^`{first}x` is not .* did you mean `{first}`\?"):
        mapping[f"{first}x"]
    assert mapping.get(f"{first}x") is None
    assert f"{first}x" not in mapping


def test_a_problem_says_in_a_line_what_it_is() -> None:
    assert repr(load(SHEET)) == (
        "<Problem 'Two hidden layers, one training step': "
        "3-2-2-1, relu, sigmoid, sigmoid, half_squared_error>"
    )
    assert repr(load(PROBLEMS / "xor-learnt.yaml")).endswith("4 samples, 100 updates>")
    assert (
        repr(load(PROBLEMS / "sigmoid-circuit.yaml"))
        == "<Problem 'Sigmoid neuron as a circuit': g, f>"
    )
    long = load(
        text=f"equations: {{{', '.join(f'a{i}: x + {i}' for i in range(50))}}}\ngiven: {{x: 1}}"
    )
    assert repr(long).endswith("a0, a1, a2, a3, a4, a5, …, a49>")


@pytest.mark.parametrize("problem", sorted(PROBLEMS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_problem_is_short_in_a_notebook(problem: Path) -> None:
    loaded = load(problem)
    assert len(repr(loaded)) < 200
    assert repr(loaded).count("\n") == 0
    assert html.escape(loaded.summary) in loaded._repr_html_()


def test_nothing_of_a_problem_acts_in_a_notebook() -> None:
    hostile = load(
        text='title: "<script>x</script>\\e[31m"\ninputs: [1]\n'
        "layers: [{activation: relu, weights: [[1]]}]\ndescription: <img src=x>"
    )
    assert "<script" not in hostile._repr_html_()
    assert "<img" not in hostile._repr_html_()
    assert "\x1b" not in repr(hostile) + hostile._repr_html_()


def test_an_error_reads_as_on_the_command_line() -> None:
    text = "inputs: [1]\nlayers: [{activation: sigmod, weights: [[1]]}]\nlos: x\n"
    with pytest.raises(ProblemError) as error:
        load(text=text)
    assert str(error.value) + "\n" == backprop("validate", "-", stdin=text).complaints
    assert "did you mean `sigmoid`?" in str(error.value)


def test_a_symbolic_problem_has_no_values() -> None:
    solution = solve(PROBLEMS / "relu-regression-symbolic.yaml")
    assert solution.value("dL/dw1") is None
    assert set(solution.gradients.values()) == {None}
    assert solution.losses == [None]


def test_training_keeps_the_values_of_each_update() -> None:
    solution = solve(PROBLEMS / "parabola-descent.yaml", steps=4)
    assert [solution.value("x", update) for update in (1, 2, 3, 4)] == [4, 2, 1, 0.5]
    assert solution.parameters == {"x": 0.25}
    assert len(solution.losses) == 5
    with pytest.raises(UnknownName, match="update 5"):
        solution.value("x", 5)


def test_text_and_json_are_those_of_the_command_line() -> None:
    assert str(solve(SHEET)) == backprop("solve", SHEET).text
    assert solve(SHEET).to_json() == backprop("solve", SHEET, "-f", "json").text
    derived = solve(SHEET, symbolic=True, only=["dL/dw1_1_1"], digits=6)
    command = ("solve", SHEET, "--symbolic", "--only", "dL/dw1_1_1", "--digits", "6")
    assert str(derived) == backprop(*command).text
    assert json.loads(derived.to_json())["steps"][0]["name"] == "dL/dw1_1_1"


def test_a_notebook_shows_the_sheet() -> None:
    solution = solve(SHEET)
    assert "<math" in solution._repr_html_()
    assert "<html" not in solution._repr_html_()
    assert solution._repr_markdown_().startswith("# Two hidden layers")
    assert repr(solution) == "<Solution of 'Two hidden layers, one training step'>"


def test_mistakes_come_all_at_once() -> None:
    with pytest.raises(ProblemError) as caught:
        load(text="inputs: [1]\nlayers: [{activation: sigmod, units: 0}]\nlos: squared_error\n")
    assert {one.code for one in caught.value.diagnostics} >= {"unknown-activation", "unknown-key"}


def test_marks_of_answers_by_name() -> None:
    marks = check(SHEET, {"z1_1": "5.02", "yhat": 0.7344390311, "L": ["(y - yhat)^2", "0.07"]})
    verdicts = {answer.name: answer.verdict for answer in marks.answers}
    assert (verdicts["z1_1"], verdicts["yhat"], verdicts["L"]) == ("correct", "correct", "wrong")
    assert verdicts["w1_1_1_new"] == "missing"
    assert (marks.score, marks.passed, marks.error) == (2, False, None)
    assert repr(marks) == f"<Marks: 2 of {marks.max_score:g}>"


def test_marks_of_a_file_are_those_of_the_command_line() -> None:
    answers = PROBLEMS / "answers" / "two-hidden-layers-handwritten.yaml"
    marks = check(SHEET, answers)
    assert str(marks) == backprop("check", SHEET, answers).text
    assert marks.to_text(reveal=True) == backprop("check", SHEET, answers, "--reveal").text
    assert "<math" in marks._repr_html_()
    assert "handwritten" in marks._repr_markdown_()
    assert check(SHEET, "no-such-file.yaml").error == "cannot read the file: there is no such file"


def test_importing_the_package_loads_nothing() -> None:
    code = "import sys, backprop_cli; print(sum(name.startswith('backprop_cli') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "1\n"
