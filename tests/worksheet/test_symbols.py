"""Symbols of one's own: every notation shows them, answers and --only read both kinds of name."""

from __future__ import annotations

import json
import re

import pytest
from commands import backprop
from pages import page

from backprop_cli.api import check, load
from backprop_cli.diagnostics import ProblemError

CHAIN = """
title: A chain of two sigmoid units
inputs: [x]
targets: [y]
layers:
  - {activation: sigmoid, units: 1}
  - {activation: sigmoid, units: 1}
loss: half_squared_error
learning_rate: 0.001
notation: {names: sequential, symbols: {eta: alpha, y: t, yhat: y, L: E, a1: h}}
"""
NUMBERS = """
title: One step
inputs: [6, 2, 5]
targets: [1]
layers:
  - {activation: relu,    weights: [[0.42, 0.72, 0.21], [0.11, 0.30, 0.65]], biases: [0.01, 0.01]}
  - {activation: sigmoid, weights: [[0.17, 0.29], [0.91, 0.08]],             biases: [0.05, 0.05]}
  - {activation: sigmoid, weights: [[0.61, 0.39]],                           biases: [0.08]}
loss: half_squared_error
learning_rate: 0.7
notation: {index_order: from_to, output_units: numbered, layer_mark: brackets}
"""
TWO_OUTPUTS = """
title: Two outputs
inputs: [x1, x2]
targets: [y1, y2]
layers:
  - {activation: tanh, units: 1, biases: [b1_1]}
  - {activation: sigmoid, units: 2, biases: [b2_1, b2_2]}
loss: binary_cross_entropy
notation: {index_order: from_to, output_units: numbered}
"""


def test_a_sheet_in_its_own_symbols() -> None:
    shown = page(CHAIN)
    for line in (
        "h        │ σ(z₁)",
        "y        │ σ(z₂)",
        "E        │ ½(t − y)²",
        "∂E/∂w₁ = ∂E/∂y · ∂y/∂z₂ · ∂z₂/∂h · ∂h/∂z₁ · ∂z₁/∂w₁",
        "       = (y − t) · y(1 − y) · w₂ · h(1 − h) · x",
        "The ½ is there to cancel the 2 of the square, which leaves y − t.",
        "w₁ new   │ w₁ − α·∂E/∂w₁",
    ):
        assert line in shown, line
    assert not re.search(r"[ŷη]|\bL\b", shown)


def test_every_notation_shows_them() -> None:
    arguments = ("solve", "-", "--only", "dL/dw2")
    written = {
        form: backprop(*arguments, *options, stdin=CHAIN).text
        for form, options in {
            "ascii": ("--ascii",),
            "latex": ("-f", "latex"),
            "html": ("-f", "html"),
            "markdown": ("-f", "markdown"),
        }.items()
    }
    assert "dE/dw2 = dE/dy*dy/dz2*dz2/dw2\n       = (y - t)*y*(1 - y)*h\n" in written["ascii"]
    assert r"\frac{\partial E}{\partial y}" in written["latex"]
    assert r"\frac{\partial E}{\partial y}" in written["markdown"]
    assert "<mi>E</mi>" in written["html"]
    assert "ŷ" not in "".join(written.values())


def test_json_keeps_the_names_of_files() -> None:
    steps = json.loads(backprop("solve", "-", "-f", "json", stdin=CHAIN).text)["steps"]
    assert next(step for step in steps if step["name"] == "yhat")["latex"] == r"y = \sigma(z_2)"


def test_numbered_outputs_beside_layers() -> None:
    shown = backprop("solve", "-", "--only", "dL/dw3_2_1", "--only", "b3_new", stdin=NUMBERS).text
    assert "∂L/∂w₂₃ = ∂L/∂a₃ · ∂a₃/∂z₃ · ∂z₃/∂w₂₃\n" in shown
    assert "        = (a₃ − y) · a₃(1 − a₃) · a₂^[2]\n" in shown
    assert "b₃ new = b₃ − η·∂L/∂b₃\n" in shown
    latex = backprop("solve", "-", "--only", "w2_2_1_new", "-f", "latex", stdin=NUMBERS).text
    assert "w^{[2],\\mathrm{new}}_{21}" in latex.replace("\\,", ",")


def test_behind_one_hidden_layer_no_unit_has_a_layer() -> None:
    shown = page(TWO_OUTPUTS)
    assert "z₁       │ w₁₁·x₁ + w₂₁·x₂ + b₁" in shown
    assert "z₃       │ w₁₃·a₁ + b₃" in shown
    assert "∂L/∂z₃ = " in shown
    assert "⁽" not in shown


@pytest.mark.parametrize("name", ["dE/dy", "dL/dyhat", "dE/dyhat", "dL/dy", "∂E/∂y", "∂L/∂ŷ"])
def test_only_takes_both(name: str) -> None:
    shown = backprop("solve", "-", "--only", name, stdin=CHAIN)
    assert shown.text.endswith("∂E/∂y = y − t\n")


def test_what_is_shown_decides_where_both_could_be_meant() -> None:
    assert "y = σ(z₂)" in backprop("solve", "-", "--only", "y", stdin=CHAIN).text
    assert "t is given" in backprop("solve", "-", "--only", "t", stdin=CHAIN).text
    answers = {
        "dE/dy": "y - t",
        "dL/dw2": "(yhat - t) y (1 - y) a1",  # both kinds of name in one formula
        "dE/db2": "(yhat - y) y (1 - y)",  # y is the output here: 0
        "w1_new": "w1 - alpha*dE/dw1",
    }
    marks = check(load(text=CHAIN), answers)
    verdicts = {answer.name: answer.verdict for answer in marks.answers}
    assert verdicts["dL/dyhat"] == verdicts["dL/dw2"] == verdicts["w1_new"] == "correct"
    assert verdicts["dL/db2"] == "wrong"


def test_answers_under_the_names_that_are_shown() -> None:
    # By hand: z3 = 0.61·0.9015 + 0.39·0.9932 + 0.08, a3 = σ(z3), ∂L/∂w13 = (a3 − 1)a3(1 − a3)a1_2.
    answers = {
        "z3": "1.0173",
        "a3": "0.73444",
        "dL/dw13": "(a3 - y) a3 (1 - a3) a2_1",
        "∂L/∂w₂₃": "-0.05144",
        "b3_new": "0.11626",
        "w₁₁^[2] new": "0.17986",
    }
    marks = check(load(text=NUMBERS), answers)
    given = [answer for answer in marks.answers if answer.verdict != "missing"]
    assert [answer.verdict for answer in given] == ["correct"] * len(answers)


@pytest.mark.parametrize(
    ("notation", "message"),
    [
        ("symbols: {yhat: y}", "`y` and `yhat` would both be shown as `y`"),
        ("symbols: {z: q, a: q}", "would both be shown as `q1_1`"),
        ("symbols: {z1_1: a1_1}", "`z1_1` would be shown as `a1_1`, and that is what another"),
        ("symbols: {z1_1: z1_2, z1_2: z9}", "what another quantity is called in answer files"),
        ("symbols: {w9: t}", "`symbols` names `w9`, and there is no such quantity"),
        ("symbols: {y: sigma}", "`sigma` is a function"),
        ("symbols: {y: '1x'}", "`1x` cannot be the name of a quantity"),
        ("symbols: {y: [t]}", "the symbol of `y` must be text, not a list"),
        ("symbols: [t]", "`symbols` must be a mapping"),
        ("output_units: two", "`output_units` cannot be `two`"),
        ("layer_mark: 3", "`layer_mark` cannot be `3`"),
        ("names: sequential, output_units: numbered", "is for layers with indexed names"),
    ],
)
def test_mistakes_in_symbols(notation: str, message: str) -> None:
    text = re.sub("notation: .*", f"notation: {{{notation}}}", NUMBERS)
    with pytest.raises(ProblemError, match=re.escape(message)):
        load(text=text)


def test_an_optimizers_alpha_is_its_own() -> None:
    training = "training: {optimizer: rmsprop}\n"
    text = re.sub("notation: .*", "notation: {symbols: {eta: alpha}}", NUMBERS) + training
    with pytest.raises(ProblemError, match="`eta` and `alpha` would both be shown as `alpha`"):
        load(text=text)


def test_equations_have_symbols_too() -> None:
    text = "equations: {z: w*x, f: z^2}\ngiven: {x: 3}\nparameters: {w: 2}\n"
    text += "notation: {symbols: {z: s, w: theta}}\n"
    assert "∂f/∂θ = ∂f/∂s · ∂s/∂θ" in backprop("solve", "-", "--only", "df/dw", stdin=text).text
