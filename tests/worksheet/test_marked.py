"""What a student reads about the answers, and an instructor about a class."""

from __future__ import annotations

from pages import NEURON, problem

from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.marking.reports.tally import Tally
from backprop_cli.render import text
from backprop_cli.worksheet.marked import class_sheet, marked

LINE = """
title: A line
samples: [{inputs: [1], targets: [2]}, {inputs: [3], targets: [5]}]
layers: [{activation: identity, weights: [[1.5]]}]
loss: squared_error
learning_rate: 0.1
training: {steps: 2, batch: 1}
"""
TWO_IN_A_BATCH = LINE.replace(
    "[{inputs", "[{inputs: [0], targets: [0]}, {inputs: [2], targets: [3]}, {inputs"
).replace("batch: 1", "batch: 2")


def checker(source: str) -> Checker:
    return Checker(problem(source))


def student(source: str, answers: str) -> str:
    made = checker(source)
    report = made.mark(parse_submission("s1.yaml", answers))
    return text.render(marked(made.head, report, made.graph), width=100)


def test_every_sample_is_named_as_on_the_sheet() -> None:
    """The second batch has samples of its own."""
    wrong = "iterations:\n  - {}\n  - yhat[3]: 9\n    dL/dw1_1_1[4]: 9\n"
    alone = student(TWO_IN_A_BATCH, wrong)
    made = checker(TWO_IN_A_BATCH)
    report = made.mark(parse_submission("s1.yaml", wrong))
    tally = Tally()
    tally.add(report)
    together = text.render(class_sheet(made.head, tally, [report], made.graph), width=100)
    for page in (alone, together):
        assert "ŷ[3]" in page
        assert "∂L[4]/∂w₁₁⁽¹⁾" in page
        assert "yhat" not in page
        assert "dL" not in page


def test_a_mark_that_is_lost_in_working_is_explained_where_it_is_lost() -> None:
    page = student(NEURON, "answers: {yhat: 0.5987, dL/dz1_1: -0.1438, dL/dw1_1_1: -0.1438}")
    (row,) = (line for line in page.splitlines() if line.startswith("∂L/∂w₁₁⁽¹⁾   │"))
    assert [cell.strip() for cell in row.split("│")[2:4]] == ["✓ follows", "0"]
    assert "the slip at ∂L/∂z₁⁽¹⁾" in " ".join(page.split()).replace("│ ", "")


def test_a_term_is_named_as_the_sheet_writes_it() -> None:
    page = student(NEURON, "answers: {z1_1: 0.600}")
    assert "The sign of w₁₂⁽¹⁾·x₂ is the wrong way round." in page


def test_no_slip_is_claimed_only_where_every_answer_was_judged() -> None:
    right = "z1_1: 0.4, yhat: 0.5987, L: 0.1792, dL/dw1_1_1: 0.1438, dL/dw1_1_2: 0.07192, dL/db1_1: 0.1438"
    new = "w1_1_1_new: 0.3281, w1_1_2_new: -0.2360, b1_1_new: 0.02808"
    assert "No slip found. Well done." in student(NEURON, f"answers: {{{right}, {new}}}")
    for some in (f"answers: {{{right}}}", f"answers: {{{right}, {new}, q: 3}}"):
        assert "No slip found" not in student(NEURON, some)


def test_the_foot_is_true_for_the_settings() -> None:
    half = NEURON + "    marking: {follow_through: 0.5, imprecise: 0}\n"
    follows = "answers: {z1_1: 0.7, yhat: 0.6682, L: 0.23}"
    assert "one slip costs one mark" in student(NEURON, follows)
    assert "it earns 50 % of the points" in student(half, follows)


ARRAYS = """
title: t
equations: {Z: X @ W, A: 2 Z, L: sum(A)}
given: {X: [[1, 2], [0, 1]]}
parameters: {W: [[1, 0], [2, 3]]}
"""


def cells(page: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")] for line in page.splitlines() if "│" in line]


def test_entries_that_went_alike_stand_in_one_row_and_so_does_what_is_missing() -> None:
    page = student(ARRAYS, "answers: {Z: [[5, 6], [2, 3]], A: [[10, 12], [4, 7]], L: 33}")
    rows = {row[0]: row[1:4] for row in cells(page)}
    assert rows["Z (2×2)"] == ["5, 6, 2, 3", "✓ correct", "4/4"]
    assert rows["A₁,₁ …"] == ["10, 12, 4", "✓ correct", "3/3"]
    assert rows["A₂,₂"] == ["7", "✗ wrong", "0"]
    assert rows["∂L/∂W (2×2)"] == ["", "– missing", "0/4"]
    neuron = student(NEURON, "answers: {yhat: 0.5987}")
    missing = [row for row in cells(neuron) if row[2:3] == ["– missing"]]
    assert len(missing) < 4
    points = sum(int(row[3].partition("/")[2] or 1) for row in missing)
    report = checker(NEURON).mark(parse_submission("s.yaml", "answers: {yhat: 0.5987}"))
    assert points == sum(each.verdict == "missing" for each in report.answers)


def test_what_is_quoted_has_no_ticks() -> None:
    page = student(ARRAYS, "answers: {L: zebra}")
    assert "“zebra” is not a name" in page
    assert "`" not in page
