"""Arrays on the sheet: equations as they are written, numbers in rows."""

from __future__ import annotations

import pytest
from commands import backprop

FILE = """title: t
equations:
  Z: X @ W + b
  s: sum(Z)
  L: s²
given: {X: [[1, 2], [0, 1]]}
parameters: {W: [[0.5, 1], [-1, 3]], b: [0.25, 0]}
learning_rate: 0.1
"""
# By hand: Z = (−1.25 7; −0.75 3), s = 8, ∂L/∂Z = 16 everywhere, ∂L/∂W = Xᵀ · 16, ∂L/∂b = 32.


@pytest.fixture
def problem(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(FILE, encoding="utf-8")
    return str(path)


def test_the_sheet_has_steps_and_arrays(problem):
    text = backprop("solve", problem, "--width", "100").text
    assert "X₁,₁·W₁,₁ + X₁,₂·W₂,₁ + b₁" in text
    assert "Z = X @ W + b is 2×2." in text
    assert "Z = ⎡−1.25  7⎤\n    ⎣−0.75  3⎦" in text
    assert "∂L/∂W = ⎡16  16⎤\n        ⎣48  48⎦" in text
    assert "∂L/∂b = ⎡32⎤\n        ⎣32⎦" in text


def test_the_matrix_form_has_arrays_and_single_numbers(problem):
    text = backprop("solve", problem, "--form", "matrix", "--width", "100").text
    assert "X₁,₁·W₁,₁" not in text
    assert "∂L/∂W = ⎡16  16⎤\n        ⎣48  48⎦" in text
    assert "Z₁,₁ + Z₁,₂ + Z₂,₁ + Z₂,₂" in text  # s is no array
    assert "b₁ " in text.partition("Update")[2]


def test_higher_arrays_stand_matrix_by_matrix_and_large_ones_by_shape(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(
        "title: t\nequations:\n  A: 2K\n  B: outer(v, v)\n  L: sum(A) + sum(B)\n"
        "parameters: {K: [[[1, 2]], [[3, 4]]], v: {init: constant, value: 1, shape: [11]}}\n",
        encoding="utf-8",
    )
    text = backprop("solve", str(path), "--form", "matrix").text
    assert "A₁ = [2  4]" in text
    assert "A₂ = [6  8]" in text
    assert "B is 11×11: too large to be written in rows here." in text


def test_what_cannot_reach_the_loss_has_no_gradient(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(
        "title: t\nequations:\n  P: softmax(S + causal_mask(S))\n  L: sum(P * R)\n"
        "given: {R: [[1, 2], [3, 4]]}\nparameters: {S: [[0, 0], [0, 0]]}\n",
        encoding="utf-8",
    )
    text = backprop("solve", str(path), "--form", "matrix").text
    # P = (1 0; ½ ½); row 2 of ∂L/∂S is ½·(3 − 3.5, 4 − 3.5).
    assert "−0.25  0.25" in text
    assert "nothing that is learned reaches the loss" in text
