"""`backprop explain`: every code that the package can give has a section, and every example in
one gives just that code."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml
from commands import PROBLEMS, ROOT, backprop

from backprop_cli import check, load, manual, solve
from backprop_cli.diagnostics import ProblemError
from backprop_cli.marking.model import AnswerResult, Code
from backprop_cli.problem.read import read
from backprop_cli.variants.variant import Drawer

PACKAGE = ROOT / "backprop_cli"
SAYING = {"Doubt", "Diagnostic", "error", "warning", "fail", "refuse", "_problem", "Choices"}
"""What is called to say something about a file: a code is among its arguments."""
CODES, SLIPS = manual.sections("codes"), manual.sections("slips")
EXAMPLE = re.compile(r"^```yaml\n(.*?)^```$", re.M | re.S)
BASE = {
    "inputs": "inputs: [6, 2, 5]",
    "targets": "targets: [1]",
    "layers": "layers: [{activation: sigmoid, weights: [[0.1, 0.2, 0.3]], biases: [0.1]}]",
    "loss": "loss: half_squared_error",
    "learning_rate": "learning_rate: 0.7",
}
"""The rest of a problem of which an example shows the keys at fault."""


def codes_said() -> Iterator[tuple[str, str]]:
    """Every code in the package's source, with its place."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                function = node.func
                name = getattr(function, "attr", getattr(function, "id", ""))
                if name in SAYING:
                    yield from _codes(node.args[:2], path, node.lineno)
                    yield from _codes([word.value for word in node.keywords], path, node.lineno)
            elif isinstance(node, ast.FunctionDef) and node.name in SAYING:
                yield from _codes(node.args.defaults, path, node.lineno)
        for found in re.finditer(r"\b(?:error|warning)\[([a-z-]+)\]", text):
            yield found[1], str(path)


def _codes(arguments: list[ast.expr], path: Path, line: int) -> Iterator[tuple[str, str]]:
    for argument in arguments:
        for part in (
            [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
        ):
            word = part.value if isinstance(part, ast.Constant) else None
            if isinstance(word, str) and re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", word):
                yield word, f"{path}:{line}"


def test_every_code_of_a_message_is_explained() -> None:
    said = {code: place for code, place in codes_said() if code != "code"}
    missing = {code: place for code, place in said.items() if code not in CODES}
    assert not missing, "each needs a section in backprop_cli/pages/codes.md"
    assert set(CODES) - set(said) == set()


def test_every_slip_is_explained() -> None:
    assert set(SLIPS) == set(get_args(Code)), "sections of backprop_cli/pages/slips.md"


@pytest.mark.parametrize("topic", manual.EXPLAINED)
def test_sections_stand_in_the_order_of_the_alphabet(topic: str) -> None:
    names = list(manual.sections(topic))
    assert names == sorted(names)
    assert re.findall(r"^## (.+)", manual.source(topic), re.M) == names


@pytest.mark.parametrize("code", [code for code in CODES if EXAMPLE.search(CODES[code])])
def test_the_example_of_a_message_gives_it(code: str) -> None:
    found = EXAMPLE.search(CODES[code])
    assert found is not None
    keys = re.findall(r"^(\w+):", found[1], re.M)
    whole = "equations" in keys
    rest = [] if whole else [line for key, line in BASE.items() if key not in keys]
    try:
        problem, messages = read("example.yaml", "\n".join([*rest, found[1]]))
        if code in ("no-variant", "no-variants"):  # said when numbers are drawn
            Drawer(problem).variant("ada")
    except ProblemError as error:
        messages = list(error.diagnostics)
    assert code in [message.code for message in messages], messages


NO_EXAMPLE = {
    "bad-roster",
    "control-character",
    "empty-file",
    "file-too-large",
    "no-formula",
    "not-utf8",
    "number-too-long",
    "too-deep",
    "too-many",
    "unreadable-answers",
    "unreadable-file",
}
"""What a few lines of a problem file cannot show."""


def test_every_other_message_has_an_example_and_all_a_remedy() -> None:
    for code, text in CODES.items():
        assert (EXAMPLE.search(text) is None) == (code in NO_EXAMPLE), code
        assert len(EXAMPLE.sub("", text).split("\n\n")) >= 2, code


def neuron() -> str:
    """The problem that the examples of slips belong to unless they show another."""
    found = re.search(
        r"^```yaml\n(# neuron\.yaml\n.*?)^```$", manual.source("answers"), re.M | re.S
    )
    assert found is not None
    return found[1]


@pytest.mark.parametrize("code", SLIPS)
def test_the_example_of_a_slip_is_read_as_it_where_all_else_is_right(
    code: str, tmp_path: Path
) -> None:
    *problems, answers = EXAMPLE.findall(SLIPS[code])
    problem = load(text=problems[0] if problems else neuron())
    assert "Practise: " in SLIPS[code]
    example = yaml.safe_load(answers)
    if "iterations" in example:
        (tmp_path / "answers.yaml").write_text(answers)
        marks = check(problem, tmp_path / "answers.yaml")
        slips = [one.mistake.code for one in marks.answers if one.mistake and not one.points]
        assert slips == [code]
        return
    (name, wrong), *others = example["answers"].items()
    right = re.search(r"# right: (.+)", answers)
    assert right is not None
    steps = json.loads(solve(problem).to_json())["steps"]
    worked = {"forward", "loss", "gradient", "update"} | (set() if others else {"backward"})
    perfect = {one["name"]: f"{one['value']:.8g}" for one in steps if one["section"] in worked}

    whole = name not in perfect and isinstance(wrong, list)  # an array, marked entry by entry

    def judged(answer: str, **also: str) -> AnswerResult:
        others = {n: v for n, v in perfect.items() if not (whole and n.startswith(f"{name}_"))}
        path = tmp_path / "answers.json"
        given = yaml.safe_load(answer) if whole else answer
        path.write_text(json.dumps({"answers": {**others, name: given, **also}}), encoding="utf-8")
        marks = check(problem, path if whole else {**others, name: answer, **also})
        own = f"{name}_1_1" if whole else name
        return next(one for one in marks.answers if one.name == own)

    assert judged(right[1].partition(", because")[0]).verdict == "correct"
    found = judged(str(wrong), **{other: str(number) for other, number in others})
    assert found.verdict == "wrong"
    assert found.mistake is not None
    assert found.mistake.code == code


@pytest.mark.parametrize("typed", ["error[shape]", "error[shape]:", " Shape ", "warning[SHAPE]"])
def test_a_code_may_be_copied_from_the_message(typed: str) -> None:
    assert backprop("explain", typed).text == backprop("explain", "shape").text
    assert backprop("explain", "missing_path").text == backprop("explain", "missing-path").text


def test_an_explanation_as_it_is_shown() -> None:
    shown = backprop("explain", "missing-bias", "--width", "72")
    assert (shown.code, shown.complaints) == (0, "")
    assert (
        shown.text
        == """\
missing-bias
════════════

The bias was left out of the sum.

  answers:
    z1_1: 0.4*1 - 0.2*0.5                   # right: 0.4*1 - 0.2*0.5 +
        0.1

Practise: count the terms of z: one for each input, and one for the
bias.
"""
    )


@pytest.mark.parametrize("code", [*CODES, *SLIPS])
def test_every_code_is_explained_at_any_width(code: str) -> None:
    for width in (40, 80):
        shown = backprop("explain", code, "--width", str(width), "--ascii")
        assert shown.code == 0
        assert shown.text.startswith(f"{code}\n=")
        assert shown.text.isascii()
        assert max(map(len, shown.text.splitlines())) <= width


@pytest.mark.parametrize("problem", sorted(PROBLEMS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_names_of_a_file_are_those_of_its_json(problem: Path) -> None:
    shown = backprop("explain", "names", problem, "--width", "120")
    assert (shown.code, shown.complaints) == (0, "")
    listed = set(re.findall(r"^(\S+) +│", shown.text, re.M))
    solved = json.loads(backprop("solve", problem, "--show", "1", "--format", "json").text)
    names = {step["name"] for step in solved["steps"] if step["iteration"] == 1}
    assert names - listed == set()


def test_names_and_what_they_are() -> None:
    shown = backprop("explain", "names", "-", stdin=neuron()).text
    for name, sign, meaning in (
        ("x2", "x₂", "input, used in z₁⁽¹⁾"),
        ("w1_1_2", "w₁₂⁽¹⁾", "weight, used in z₁⁽¹⁾"),
        ("z1_1", "z₁⁽¹⁾", "weighted sum in the output unit"),
        ("dyhat/dz1_1", "∂ŷ/∂z₁⁽¹⁾", "local derivative"),
        ("dL/dw1_1_2", "∂L/∂w₁₂⁽¹⁾", "gradient, for w₁₂⁽¹⁾"),
        ("w1_1_2_new", "w₁₂⁽¹⁾ new", "new value, for w₁₂⁽¹⁾"),
        ("a1_1", "a₁⁽¹⁾", "another name of ŷ"),
        ("dz1_1/dw1_1_2", "∂z₁⁽¹⁾/∂w₁₂⁽¹⁾", "local derivative, which is x₂"),
    ):
        assert re.search(rf"^{name} +│ {re.escape(sign)} +│ {re.escape(meaning)}$", shown, re.M)
    assert backprop("explain", "names").code == 2
    assert backprop("explain", "shape", PROBLEMS / "one-neuron.yaml").code == 2
