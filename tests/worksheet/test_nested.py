"""The network as one formula, L as a function, bias columns, and linear layers multiplied out."""

from __future__ import annotations

import re

import pytest
from commands import backprop
from pages import page, section

from backprop_cli.api import load
from backprop_cli.diagnostics import ProblemError

MIXED = """
inputs: [x1, x2]
targets: [y]
layers:
  - {activation: [tanh, relu], units: 2}
  - {activation: sigmoid, units: 1}
loss: half_squared_error
"""
HOLE = """
inputs: [1, 2]
targets: [1]
layers:
  - {activation: sigmoid, weights: [[1, null], [2, 3]]}
  - {activation: sigmoid, weights: [[1, 1], [1, 2]]}
  - {activation: sigmoid, weights: [[1, 1]]}
loss: half_squared_error
"""


@pytest.mark.parametrize(
    ("sheet", "line"),
    [
        ("sigmoid-chain-symbolic", "y = σ(w₂·σ(w₁·x + b₁) + b₂)"),
        ("sigmoid-chain-symbolic", "L(w₁, b₁, w₂, b₂) = ½(σ(w₂·σ(w₁·x + b₁) + b₂) − t)²"),
        ("vanishing-gradient", "ŷ = σ(w₁₁⁽³⁾·σ(w₁₁⁽²⁾·σ(w₁₁⁽¹⁾·x)))"),
        ("two-hidden-layers", "ŷ = σ(W⁽³⁾ σ(W⁽²⁾ ReLU(W⁽¹⁾ x + b⁽¹⁾) + b⁽²⁾) + b⁽³⁾)"),
        ("relu-regression-symbolic", "ŷ = W⁽³⁾ ReLU(W⁽²⁾ ReLU(W⁽¹⁾ x + b⁽¹⁾) + b⁽²⁾) + b⁽³⁾"),
        ("network-as-a-function", "z₃ = 0.25·σ(−1.75·x − 0.1) + 0.5·σ(0.172·x + 0.15) + 0.2"),
    ],
)
def test_the_network_as_one_formula(sheet: str, line: str) -> None:
    assert f"\n\n{line}\n\n" in page(sheet)


def test_each_of_several_outputs() -> None:
    shown = page("tanh-two-outputs-symbolic")
    for k in "₂₃":
        assert f"\na{k} = σ(w₁{k}·tanh(w₁₁·x₁ + w₂₁·x₂ + b₁) + b{k})\n" in shown


@pytest.mark.parametrize("source", ["sum-times-circuit", "sigmoid-circuit", MIXED, HOLE])
def test_what_layers_cannot_say_is_not_said(source: str) -> None:
    """No activation in another; units that differ; a missing connection."""
    assert "W⁽" not in page(source)
    assert "As one formula" not in page(source)


def test_every_notation_writes_a_function() -> None:
    written = {
        form: backprop("solve", "problems/sigmoid-chain-symbolic.yaml", "-f", form).text
        for form in ("latex", "html")
    }
    assert r"L(w_1, b_1, w_2, b_2)" in written["latex"]
    assert "As a function of the parameters" in written["html"]
    ascii = backprop("solve", "problems/sigmoid-chain-symbolic.yaml", "--ascii").text
    assert "L(w1, b1, w2, b2) = 1/2*(sigmoid(w2*sigmoid(w1*x + b1) + b2) - t)^2" in ascii


def test_biases_as_a_column_in_every_layer() -> None:
    shown = section(page("relu-regression-step", form="matrix"), "Forward pass in matrices")
    columns = shown.partition("The layers again")[2]
    assert "⎡z₁⎤ = ⎡w₁  b₁⎤ ⎡x⎤\n⎣z₂⎦   ⎣w₂  b₂⎦ ⎣1⎦\n2×1      2×2    2×1\n" in columns
    assert "2×1        2×3      3×1\n" in columns
    assert "1×1       1×3      ⎣1 ⎦\n                   3×1\n" in columns
    # By hand: z₃ = 0.5·1 − 1·1 + 0.25, z₄ = 1·1 + 0.5·1 + 0.
    assert "     = ⎡−0.25⎤\n       ⎣ 1.5 ⎦\n" in columns
    assert "= [1.6]" in columns


def test_linear_layers_are_multiplied_out() -> None:
    shown = section(page("linear-layers-collapse"), "Forward pass")
    for line in (
        "ŷ = W⁽³⁾ a⁽²⁾ + b⁽³⁾",
        "  = W⁽³⁾ (W⁽²⁾ a⁽¹⁾ + b⁽²⁾) + b⁽³⁾",
        "  = W⁽³⁾ (W⁽²⁾ (W⁽¹⁾ x + b⁽¹⁾) + b⁽²⁾) + b⁽³⁾",
        "  = W⁽³⁾ W⁽²⁾ W⁽¹⁾ x + W⁽³⁾ W⁽²⁾ b⁽¹⁾ + W⁽³⁾ b⁽²⁾ + b⁽³⁾",
        "  = W̃ x + b̃",
        # By hand: W⁽³⁾W⁽²⁾ = (2·1 + 1·1, 2·2 − 1·1); b̃ = (3·1 − 3·1) + (2·0 − 1·1) + 0.5.
        "  = [3  3] ⎡1  0  −1⎤",
        "  = [9  3  −3]",
        "  = [0] + [−1] + [0.5]",
        "  = [−0.5]",
    ):
        assert f"\n{line}\n" in shown, line


def test_linear_layers_without_numbers_or_biases() -> None:
    text = """
    inputs: [x1, x2]
    targets: [y]
    layers:
      - {activation: identity, units: 2, biases: none}
      - {activation: identity, units: 1, biases: none}
    loss: squared_error
    """
    shown = page(text)
    assert "\nŷ = W⁽²⁾ a⁽¹⁾\n  = W⁽²⁾ (W⁽¹⁾ x)\n  = W⁽²⁾ W⁽¹⁾ x\n  = W̃ x\n" in shown


def test_thresholds_are_multiplied_out_with_their_sign() -> None:
    text = """
    inputs: [3]
    targets: [1]
    bias_input: -1
    layers:
      - {activation: identity, weights: [[2]], biases: [1]}
      - {activation: identity, weights: [[5]], biases: [4]}
    loss: squared_error
    """
    shown = page(text)
    assert "  = W⁽²⁾ W⁽¹⁾ x − W⁽²⁾ b⁽¹⁾ − b⁽²⁾\n  = W̃ x + b̃\n" in shown
    assert "  = [−5] + [−4]\n  = [−9]\n" in shown  # 5(2x − 1) − 4 = 10x − 9
    assert "[ŷ] = [10] [x] + [−9]" in shown


def test_the_gradient_as_a_vector_in_either_order() -> None:
    notation = "notation: {names: sequential, weight_order: by_input, gradient_order: %s}"

    def entries(order: str) -> list[str]:
        path = "problems/relu-regression-step.yaml"
        with open(path, encoding="utf-8") as file:
            text = re.sub("notation: .*", notation % order, file.read())
        shown = backprop("solve", "-", "--form", "matrix", stdin=text).text
        return re.findall(r"∂L/∂([wb].)", shown.partition("All parameters at once")[2])[:13]

    assert entries("weights_first") == [*(f"w{i}" for i in "₁₂₃₄₅₆₇₈"), *(f"b{i}" for i in "₁₂₃₄₅")]
    assert entries("by_unit")[:5] == ["w₁", "b₁", "w₂", "b₂", "w₃"]
    with pytest.raises(ProblemError, match="`gradient_order` cannot be"):
        load(text=MIXED + "notation: {gradient_order: biases_first}\n")
