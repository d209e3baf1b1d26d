"""What a sheet says of its own numbers is true: sentences, headings, titles, matrices."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import PROBLEMS, backprop

BATCH = """\
samples: [{inputs: [1], targets: [2]}, {inputs: [2], targets: [5]}]
layers:
  - {activation: identity, weights: [[0.5]], biases: [0.25]}
loss: half_squared_error
learning_rate: 0.1
"""
NUMBERED = """\
inputs: [1]
targets: [1, 0]
layers:
  - {activation: relu, weights: [[0.5], [1]], biases: [0.1, 0]}
  - {activation: relu, weights: [[0.5, 0.2], [1, 1]], biases: [0.1, 0]}
loss: squared_error
notation: {output_units: numbered}
"""


def sheet(source: str, tmp_path: Path, *options: str) -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(source, encoding="utf-8")
    result = backprop("solve", file, *options)
    assert result.code == 0, result.complaints
    return " ".join(result.text.split())


def test_a_parameter_without_a_derivative_has_no_update(tmp_path: Path) -> None:
    """√(w² + v²) at 0 is the tip of a cone."""
    source = """\
equations: {r: sqrt(w^2 + v^2), L: 2*r}
parameters: {w: 0, v: 0}
learning_rate: 0.1
"""
    text = sheet(source, tmp_path)
    assert "w │ 0 │ none │ – │ –" in text
    assert "The run stops at update 1" in text


@pytest.mark.parametrize(
    ("x", "shown", "large"),
    [
        ("12345.678", "≈ 1202604", True),  # e^14 = 1202604.284…
        ("14", "≈ 1202604", True),
        ("2", "≈ 7.389", False),  # e^2 = 7.38905…
        ("40", "≈ 2.354×10¹⁷", False),  # e^40 = 2.35385…×10¹⁷
    ],
)
def test_how_numbers_are_rounded(x: str, shown: str, large: bool, tmp_path: Path) -> None:
    exponent = "14" if large else x
    text = sheet(f"equations: {{f: exp({exponent}) + 0*x}}\ngiven: {{x: {x}}}\n", tmp_path)
    assert shown in text
    assert ("digits, large ones to a whole number; the numbers" in text) is large


@pytest.mark.parametrize(
    ("penalty", "letters", "value"),
    [
        # ŷ = 0.75 and 1.25, δ = −1.25 and −3.75: the mean of δ·x is (−1.25 − 7.5)/2 = −4.375
        ("", "", "≈"),
        ("training: {l2: {value: 0.2, in_loss: true}}", " + λ₂·W⁽¹⁾", "−4.275"),
        ("training: {l2: {value: 0.2, half: false, in_loss: true}}", "+ 2·λ₂·W⁽¹⁾", "−4.175"),
        ("training: {l1: {value: 0.2, in_loss: true}}", " + λ₁·abs′(W⁽¹⁾)", "−4.175"),
        ("training: {l2: 0.2}", "", "−4.375"),  # added to the update, not to the gradient
    ],
)
def test_a_penalty_in_the_loss_is_in_the_matrices(
    penalty: str, letters: str, value: str, tmp_path: Path
) -> None:
    text = sheet(BATCH + penalty, tmp_path, "--form", "matrix")
    start = text.index("∂L/∂W⁽¹⁾ =")
    derived = text[start : text.index("∂L/∂b⁽¹⁾ =")]
    on_a_line = derived.translate(str.maketrans("⎛⎞", "()", " "))  # brackets are as tall as shapes
    assert letters.replace(" ", "") in on_a_line
    assert ("λ" in derived) is bool(letters)
    if penalty:
        assert f"= [{value}]" in derived


def test_a_penalised_bias_is_in_its_matrix_too(tmp_path: Path) -> None:
    """The mean of δ is (−1.25 − 3.75)/2 = −2.5, and λb = 0.2·0.25."""
    penalty = "training: {l2: {value: 0.2, biases: true, half: true, in_loss: true}}"
    text = sheet(BATCH + penalty, tmp_path, "--form", "matrix")
    derived = text[text.index("∂L/∂b⁽¹⁾ =") :]
    assert derived.index("λ₂ · b⁽¹⁾") < derived.index("= [−2.45]")


def test_output_units_are_headed_as_they_are_numbered(tmp_path: Path) -> None:
    text = sheet(NUMBERED, tmp_path)
    assert "Output unit 3 │ w₃₁ = 0.5" in text
    assert "Output unit 4 │ w₄₁ = 1" in text
    assert "Output unit 1" not in text


def test_only_what_is_subtracted_is_a_threshold(tmp_path: Path) -> None:
    """θ where every bias is one; where some are added, the sign alone tells them apart."""
    source = """\
inputs: [1]
targets: [1]
layers:
  - {{activation: relu, weights: [[0.5]], biases: [0.1], bias_input: {}}}
  - {{activation: relu, weights: [[0.5]], biases: [0.2], bias_input: -1}}
loss: squared_error
"""
    assert "w₁₁⁽¹⁾·x − θ₁⁽¹⁾" in sheet(source.format(-1), tmp_path)
    mixed = sheet(source.format(1), tmp_path)
    assert "w₁₁⁽¹⁾·x + b₁⁽¹⁾" in mixed
    assert "w₁₁⁽²⁾·a₁⁽¹⁾ − b₁⁽²⁾" in mixed


def test_curves_are_named_as_the_sheet_names_them() -> None:
    file = PROBLEMS / "two-hidden-layers.yaml"
    options = ("--curve", "x1=-5:5", "--only", "z1_1")
    assert "z₁⁽¹⁾ as a function of x₁\n" in backprop("solve", file, *options).text
    assert "z1_1 as a function of x1\n" in backprop("solve", file, *options, "--ascii").text


def test_what_passes_no_gradient_is_not_written_as_one_function(tmp_path: Path) -> None:
    """Read as a function, (ŷ(w) − stop(w))² would have another slope than the sheet's."""
    source = """\
equations: {{h: tanh(w*x), yhat: tanh(w*h), L: "(yhat - {})^2"}}
given: {{x: 2}}
parameters: {{w: 3}}
"""
    whole = "L(w) = (tanh(w·tanh(w·x)) − w)²"
    assert whole in sheet(source.format("w"), tmp_path)
    assert "As a function of the parameters" not in sheet(source.format("stop(w)"), tmp_path)


@pytest.mark.parametrize(
    ("activation", "warned"),
    [("sigmoid", True), ("relu", True), ("tanh", False), ("identity", False)],
)
def test_hinge_needs_outputs_of_both_signs(activation: str, warned: bool, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    layer = f"{{activation: {activation}, weights: [[0.5]], biases: [0.1]}}"
    file.write_text(f"inputs: [1]\ntargets: [-1]\nlayers: [{layer}]\nloss: hinge\n")
    result = backprop("validate", file)
    assert result.code == 0
    assert (f"`{activation}` is never negative" in result.complaints) is warned


def test_a_path_is_direct_where_the_others_go_a_longer_way(tmp_path: Path) -> None:
    """Unrolled three times, w enters at h₃ itself, by h₂, and by h₂ and h₁."""
    source = """\
equations: {h1: tanh(w*x1), h2: tanh(w*x2 + u*h1), h3: tanh(w*x3 + u*h2), L: h3^2}
given: {x1: 1, x2: 0.5, x3: 2}
parameters: {w: 0.4, u: 0.7}
"""
    file = tmp_path / "mine.yaml"
    file.write_text(source, encoding="utf-8")
    options = ("--only", "dL/dw", "--form", "chain", "--width", "120")
    text = backprop("solve", file, *options).text
    labels = [line.split("│")[1].strip() for line in text.splitlines() if "∂w  " in line]
    assert sorted(labels) == ["direct", "via h₂", "via h₂, h₁"]
