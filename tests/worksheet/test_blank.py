"""The sheet to hand out and the answer file to fill in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import autograd.numpy as np
import pytest
import yaml
from commands import backprop
from pages import NEURON, PROBLEMS, lines, problem, run

from backprop_cli.arrays.array import View
from backprop_cli.formula.nodes import Name
from backprop_cli.graph.views import all_views
from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.asked import asked, updates_asked
from backprop_cli.marking.check import Checker
from backprop_cli.render import text
from backprop_cli.worksheet.blank import AnswerKind, answers_template, blank
from backprop_cli.worksheet.document import Answers, AnswerSpace, Document
from backprop_cli.worksheet.sheet import Choices

SHEETS = sorted(path.stem for path in PROBLEMS.glob("*.yaml"))


def spaces(sheet: Document) -> list[AnswerSpace]:
    return [space for block in sheet.blocks if isinstance(block, Answers) for space in block.spaces]


def handed_out(source: str) -> str:
    return text.render(blank(run(source)), width=80)


def test_a_whole_blank_sheet() -> None:
    assert handed_out(NEURON).rstrip("\n") == lines(
        """
        Untitled
        ════════

        Name: ______________________ Date: ______________ Points: ______ of 9

        Given
        ─────

        What          │ Values
        ──────────────┼─────────────────────────────────────────
        Inputs        │ x₁ = 1, x₂ = 0.5
        Targets       │ y = 0
        Output unit   │ w₁₁⁽¹⁾ = 0.4, w₁₂⁽¹⁾ = −0.2, b₁⁽¹⁾ = 0.1
        Learning rate │ η = 0.5

        Activations: output layer: sigmoid.

        Loss (half squared error): L = ½(y − ŷ)²

        Update (gradient descent), where g = ∂L/∂w:

        w new = w − η·g

        Write at least 4 significant digits and carry on with what you wrote. In an
        answer file, each answer goes under the name at its right. Each answer is worth
        1 point.

        Forward pass
        ────────────

        z₁⁽¹⁾ = ________________________________________   z1_1
        ŷ     = ________________________________________   yhat

        Loss
        ────

        L = ________________________________________

        Gradients
        ─────────

        ∂L/∂w₁₁⁽¹⁾ = ________________________________________   dL/dw1_1_1
        ∂L/∂w₁₂⁽¹⁾ = ________________________________________   dL/dw1_1_2
        ∂L/∂b₁⁽¹⁾  = ________________________________________   dL/db1_1

        Update
        ──────

        w₁₁⁽¹⁾ new = ________________________________________   w1_1_1_new
        w₁₂⁽¹⁾ new = ________________________________________   w1_1_2_new
        b₁⁽¹⁾ new  = ________________________________________   b1_1_new
        """
    )


@pytest.mark.parametrize("source", SHEETS)
def test_a_blank_sheet_asks_for_what_is_marked(source: str) -> None:
    solved = run(source)
    expected = [
        step.name
        for iteration in solved.iterations[: updates_asked(solved.problem)]
        for step in asked(solved.problem, iteration.graph, iteration.values)
    ]
    sheet = blank(solved, Choices(form="scalar"))
    assert [space.name for space in spaces(sheet)] == expected
    whole = [space.name.partition(" ")[0] for space in spaces(blank(solved))]
    updates = solved.iterations[: updates_asked(solved.problem)]
    shapes = {view.name: view for each in updates for view in all_views(each.graph)}
    assert sorted(entries(whole, shapes)) == sorted(expected)


def entries(names: Iterable[str], arrays: Mapping[str, View]) -> list[str]:
    """The quantities that are asked by these names, arrays entry by entry."""
    found: list[str] = []
    for name in names:
        own = arrays[name].entries if name in arrays else (Name(name),)
        found += [entry.name for entry in own if isinstance(entry, Name) and entry.name]
    return found


@pytest.mark.parametrize("source", SHEETS)
def test_a_blank_sheet_gives_no_result_away(source: str) -> None:
    """No number stands on it that is not given, and no formula of a step."""
    shown = handed_out(source)
    assert "≈" not in re.sub(r"Layer .*\n|Output unit.*\n", "", shown)
    assert "Numbers put in" not in shown


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("momentum-by-hand", "v new = momentum·v + g\n\nw new = w − η·v new"),
        ("perceptron-and", "Update: w new = w + η(y − ŷ)·x"),
        ("gradient-clipping", "clip = threshold/norm if norm > threshold else 1"),
        ("gradient-clipping", "a norm above the threshold is scaled down to it."),
        ("batch-norm-by-hand", "ẑ = (z\n− μ)/√(var + 1×10⁻⁵), u = γ·ẑ + β"),
        ("line-fit-full-batch", "The loss of a batch is the mean of its samples' losses."),
        ("line-fit-sum", "The loss of a batch is the sum of its samples' losses."),
        ("sigmoid-circuit", "f = 1/(1 + exp(−g))"),
        ("relu-regression-symbolic", "Answer with formulas in the names of this sheet."),
    ],
)
def test_the_rules_are_stated(source: str, rule: str) -> None:
    assert " ".join(rule.split()) in " ".join(handed_out(source).split())


def test_several_updates_have_headings() -> None:
    shown = handed_out("two-samples-squared-error")
    assert "Update 1: sample 1" in shown
    assert "Update 2: sample 2" in shown
    assert "1      │ 6  │ 2  │ 5  │ 1" in shown


def marked(marking: str) -> str:
    return handed_out(f"marking: {{{marking}}}\n" + NEURON.replace("\n    ", "\n"))


def test_points_are_said_once_for_answers_of_the_same_worth() -> None:
    shown = marked('points: {"dL/*": 2, yhat: 0.5}')
    assert (
        lines(
            """
        1 point

        z₁⁽¹⁾ = ________________________________________   z1_1

        0.5 points

        ŷ = ________________________________________   yhat
        """
        )
        in shown
    )
    assert (
        lines(
            """
        Gradients
        ─────────

        2 points each

        ∂L/∂w₁₁⁽¹⁾ = ________________________________________   dL/dw1_1_1
        ∂L/∂w₁₂⁽¹⁾ = ________________________________________   dL/dw1_1_2
        ∂L/∂b₁⁽¹⁾  = ________________________________________   dL/db1_1
        """
        )
        in shown
    )
    assert "point" not in shown[shown.index("Update\n") :]


def test_going_back_is_one_section_where_all_of_it_is_asked() -> None:
    shown = marked('ask: ["d*"]')
    assert shown.count("Local derivatives and gradients\n") == 1
    batch = handed_out("two-samples-squared-error")
    assert "Local derivatives" not in batch


@pytest.mark.parametrize("source", SHEETS)
def test_the_answer_file_has_every_name_once(source: str) -> None:
    solved = run(source)
    data = yaml.safe_load(answers_template(solved))
    updates = data["iterations"] if "iterations" in data else [data["answers"]]
    assert len(updates) == updates_asked(problem(source))
    for update, iteration in zip(updates, solved.iterations, strict=False):
        names = [step.name for step in asked(solved.problem, iteration.graph, iteration.values)]
        arrays = {view.name: view for view in all_views(iteration.graph)}
        assert sorted(entries(update, arrays)) == sorted(names)
        assert set(update.values()) == {None}


KINDS = (("yaml", r"^( .*:)$", r"\1 1"), ("json", r"null", "1"), ("csv", r",$", ",1"))


@pytest.mark.parametrize(
    ("source", "kind", "empty", "filled"),
    [(source, *KINDS[at % 3]) for at, source in enumerate(SHEETS)],  # each kind for many sheets
)
def test_every_kind_of_answer_file_can_be_filled_in(
    source: str, kind: AnswerKind, empty: str, filled: str
) -> None:
    solved = run(source)
    template = answers_template(solved, kind)
    handed_in = parse_submission(f"s1.{kind}", template)
    assert (handed_in.error, handed_in.student) == (None, "s1")
    checker = Checker(solved.problem)
    report = checker.mark(handed_in)
    assert {answer.verdict for answer in report.answers} == {"missing"}
    for view in all_views(solved.iterations[0].graph):
        nested = json.dumps(np.ones(view.shape).tolist())
        name = re.escape(view.name)
        template = re.sub(
            rf'^(.*[ "]{name}"?:)( null|  #.*)', rf"\1 {nested}", template, flags=re.M
        )
    handed_in = parse_submission(f"s1.{kind}", re.sub(empty, filled, template, flags=re.M))
    report = checker.mark(handed_in)
    assert not {"missing", "unknown"} & {answer.verdict for answer in report.answers}


def test_a_hostile_title_stays_in_the_comment() -> None:
    source = NEURON + '\n    title: "one\\nanswers: {L: 1}\\e[31m"\n'
    template = answers_template(run(source))
    assert template.splitlines()[0] == "# Answers to: one answers: {L: 1}?[31m"


@pytest.mark.parametrize(
    ("ending", "sign"),
    [("html", "<svg"), ("md", "```mermaid"), ("tex", r"\begin{picture}")],
)
def test_the_network_is_drawn_with_the_given_numbers(ending: str, sign: str) -> None:
    for command in ("worksheet", "solve"):
        format = {"html": "html", "md": "markdown", "tex": "latex"}[ending]
        found = backprop(command, "-", "--format", format, stdin=NEURON).text
        assert sign in found
        drawing = found.partition(sign)[2][:6000]
        assert ("0.5987" in drawing) == (command == "solve")
    drawn = backprop("draw", "-", "--blank", stdin=NEURON).text
    assert "0.4" in drawn
    assert "0.5987" not in drawn


TWO_LAYERS = PROBLEMS / "two-hidden-layers.yaml"


def written_on(*options: str) -> dict[str, str]:
    """What stands before and behind each line to write on."""
    shown = backprop("worksheet", TWO_LAYERS, *options).text
    found = re.findall(r"^(\S.*?)\s*= _+(?:   (\S+))?$", shown, re.M)
    return dict(found)


def test_room_for_delta() -> None:
    found = written_on("--form", "delta")
    assert [left for left in found if left.startswith("δ")] == [
        "δ₁⁽³⁾", "δ₁⁽²⁾", "δ₂⁽²⁾", "δ₁⁽¹⁾", "δ₂⁽¹⁾",
    ]  # fmt: skip
    assert not any("∂a" in left for left in found)
    assert found["∂L/∂w₁₁⁽³⁾"] == "dL/dw3_1_1"


def test_room_for_matrices() -> None:
    shown = backprop("worksheet", TWO_LAYERS, "--form", "matrix").text
    rooms = {"z⁽¹⁾": "z1 (2×1)", "δ⁽²⁾": "2×1", "∂L/∂b⁽³⁾": "dL/db3_1 (1×1)", "ŷ": "yhat (1×1)"}
    for left, right in rooms.items():
        assert re.search(f"^{re.escape(left)} += _+ +{re.escape(right)}$", shown, re.M)
    assert "Points: ______ of 45" in shown  # as many as of the single entries
    assert re.search(r"6 points\n\n∂L/∂W⁽¹⁾ = _+ +dL/dW1 \(2×3\)\n +_+$", shown, re.M)


def test_points_and_digits() -> None:
    assert "Points: ______ of 45" in backprop("worksheet", TWO_LAYERS).text
    assert (
        "Write at least 6 significant digits"
        in backprop("worksheet", TWO_LAYERS, "--digits", "6").text
    )
    for options in (("--form", "gates"), ("--answers", "--digits", "3")):
        assert backprop("worksheet", TWO_LAYERS, *options).code == 2


def test_latex_lines_go_over_the_whole_width() -> None:
    shown = backprop("worksheet", TWO_LAYERS, "--format", "latex").text
    assert shown.count(r"\hrulefill") == 45
