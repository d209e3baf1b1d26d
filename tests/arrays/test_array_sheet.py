"""Arrays on the sheet: equations as they are written, numbers in rows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy
import pytest
from commands import backprop

from backprop_cli import load, solve
from backprop_cli.formula import typst
from backprop_cli.formula.nodes import Call, Name, Negative, Sum
from backprop_cli.worksheet.document import DerivationLine

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


def test_the_sheet_is_written_in_arrays(problem):
    text = backprop("solve", problem, "--width", "100").text
    assert "X₁,₁·W₁,₁" not in text
    assert "Z =  X   W  +  b\n    2×2 2×2   1×2" in text
    assert "= ⎡1  2⎤ ⎡ 0.5  1⎤ + [0.25  0]\n    ⎣0  1⎦ ⎣−1    3⎦" in text
    assert "= ⎡−1.25  7⎤\n    ⎣−0.75  3⎦" in text
    assert "∂L/∂W = Xᵀ  ∂L/∂Z\n        2×2  2×2" in text
    assert "= ⎡16  16⎤\n        ⎣48  48⎦" in text
    assert "∂L/∂b = Σ rows(∂L/∂Z)" in text
    assert "b is added to every row, so its gradient is the sum of the rows." in text
    assert "W new = W − η·∂L/∂W" in text


def test_the_scalar_form_writes_every_step(problem):
    text = backprop("solve", problem, "--form", "scalar", "--width", "100").text
    assert "X₁,₁·W₁,₁ + X₁,₂·W₂,₁ + b₁" in text
    assert "Xᵀ" not in text


def test_an_array_is_derived_from_the_loss_down(problem):
    text = backprop("solve", problem, "--only", "dL/dW").text
    assert "∂L/∂s = 2·s" in text
    assert "∂L/∂Z = ∂L/∂s ·  1\n                2×2" in text
    assert "∂L/∂b" not in text
    assert "∂L/∂W₂,₁ = " in backprop("solve", problem, "--only", "dL/dW_2_1").text


def test_without_numbers_the_rules_stand_alone(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(
        "title: t\nequations:\n  H: tanh(X @ W)\n  L: ½ sum((H - Y)²)\n"
        "shapes: {X: [3, 2], W: [2, 2], Y: [3, 2]}\ngiven: [X, Y]\nparameters: [W]\n",
        encoding="utf-8",
    )
    text = backprop("solve", str(path)).text
    assert "∂L/∂H = H − Y" in text
    assert "X: 3×2, Y: 3×2" in text
    assert "∂L/∂W = Xᵀ  ⎛∂L/∂H ⊙ ⎛1 −  H ²⎞⎞" in text
    assert "0." not in text.partition("Backward pass")[2]


def test_softmax_with_cross_entropy_cancels():
    text = backprop("solve", "problems/softmax-regression-batch.yaml").text
    assert "= (P − Y)/4" in text
    assert "after cancelling" in text


def test_pooling_says_where_each_value_came_from():
    text = backprop("solve", "problems/conv-pool-dense.yaml").text
    assert "M₁,₁ = A₂,₂, M₁,₂ = A₂,₄, M₂,₁ = A₄,₂, M₂,₂ = A₃,₃." in text
    assert "∂L/∂K = pad⎛ X , 1⎞ ∗ ∂L/∂C" in text
    assert "pad puts back the rim of zeros" in text


def test_a_rule_that_does_not_hold_is_not_said(tmp_path):
    # In a tie max has no derivative; the sheet shares it, and no rule between arrays says so.
    path = tmp_path / "t.yaml"
    path.write_text(
        "title: t\nequations:\n  m: max(A, axis=1)\n  L: sum(m * R)\n"
        "given: {R: [1, 2]}\nparameters: {A: [[1, 1], [3, 4]]}\n",
        encoding="utf-8",
    )
    text = backprop("solve", str(path)).text
    assert "∂L/∂A follows no rule between whole arrays here" in text
    assert "∂L/∂A = ⎡0.5  0.5⎤\n        ⎣0    2  ⎦" in text


def test_higher_arrays_stand_matrix_by_matrix_and_large_ones_by_their_corner(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(
        "title: t\nequations:\n  A: 2K\n  B: outer(v, v)\n  L: sum(A) + sum(B)\n"
        "parameters: {K: [[[1, 2]], [[3, 4]]], v: {init: constant, value: 1, shape: [11]}}\n",
        encoding="utf-8",
    )
    text = backprop("solve", str(path)).text
    assert "A₁ = [2  4]" in text
    assert "A₂ = [6  8]" in text
    assert "⎡1  1  1  ⋯⎤" in text
    assert "B is 11×11: only its corner is written here" in text


def test_what_a_mask_hides_gets_no_gradient(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(
        "title: t\nequations:\n  P: softmax(S + causal_mask(S))\n  L: sum(P * R)\n"
        "given: {R: [[1, 2], [3, 4]]}\nparameters: {S: [[0, 0], [0, 0]]}\n",
        encoding="utf-8",
    )
    text = backprop("solve", str(path)).text
    # P = (1 0; ½ ½); row 2 of ∂L/∂S is ½·(3 − 3.5, 4 − 3.5).
    assert "⎡ 0     0   ⎤\n        ⎣−0.25  0.25⎦" in text


def test_the_picture_has_a_box_for_each_array():
    picture = backprop("draw", "problems/attention.yaml", "--format", "text", "--ascii").text
    assert "3x2" in picture or "3×2" in picture
    svg = backprop("draw", "problems/attention.yaml").text
    assert svg.count("<rect") == 11  # X, Y, three weights, Q, K, V, S, P, Z
    assert svg.count("3×2") == 6
    assert ">softmax<" in svg


def test_shares_and_windows_are_drawn_with_their_numbers(tmp_path):
    out = tmp_path / "a.html"
    backprop("solve", "problems/attention.yaml", "-o", str(out))
    page = out.read_text(encoding="utf-8")
    assert "The shares P" in page
    assert ">0.3826</text>" in page
    backprop("solve", "problems/conv-pool-dense.yaml", "-o", str(out))
    page = out.read_text(encoding="utf-8")
    # A 3×3 window of the image, and the largest of each of the four windows of the pooling.
    assert page.count('stroke-width="3"') == 9 + 4
    assert "Framed are the largest of each window: they make M." in page


@pytest.mark.parametrize(
    ("stride", "padding", "size"), [(1, 0, 4), (1, 1, 4), (2, 0, 5), (2, 0, 6), (2, 1, 5)]
)
def test_the_rule_of_a_convolution_holds_as_it_is_written(tmp_path, stride, padding, size):
    """With the rim of zeros and the gaps of the stride that its words stand for, done by NumPy."""
    rng = numpy.random.default_rng(stride * 10 + padding)
    image, kernel = rng.integers(-3, 4, (size, size)), rng.integers(-3, 4, (2, 3))
    path = tmp_path / "t.yaml"
    path.write_text(
        "title: t\nequations:\n"
        f'  C: "conv2d(X, K, stride={stride}, padding={padding})"\n  L: ½ sum(C²)\n'
        f"parameters: {{X: {image.tolist()}, K: {kernel.tolist()}}}\n"
    )
    text = backprop("solve", str(path), "--ascii").text
    assert ("pad puts back the rim" in text) == (padding > 0)
    assert ("dilate puts zeros" in text) == (stride > 1)
    values = json.loads(backprop("solve", str(path), "--format", "json").text)
    numbers = {step["name"]: step["value"] for step in values["steps"]}

    def gradient(name, shape):
        names = [f"dL/d{name}_{i + 1}_{j + 1}" for i in range(shape[0]) for j in range(shape[1])]
        return numpy.array([numbers[each] for each in names], float).reshape(shape)

    padded = numpy.pad(image, padding)
    sizes = [(n - k) // stride + 1 for n, k in zip(padded.shape, kernel.shape, strict=True)]
    above = gradient("C", sizes)
    spread = [n - k + 1 for n, k in zip(padded.shape, kernel.shape, strict=True)]
    dilated = numpy.zeros(spread)  # gaps between, and zeros behind
    dilated[: stride * sizes[0] : stride, : stride * sizes[1] : stride] = above
    numpy.testing.assert_allclose(gradient("K", kernel.shape), _correlated(padded, dilated))
    full = _correlated(
        numpy.pad(dilated, [(k - 1, k - 1) for k in kernel.shape]), kernel[::-1, ::-1]
    )
    inner = slice(padding, padding + size)
    numpy.testing.assert_allclose(gradient("X", image.shape), full[inner, inner])


def _correlated(image, kernel):
    sizes = [n - k + 1 for n, k in zip(image.shape, kernel.shape, strict=True)]
    rows, columns = kernel.shape
    found = numpy.zeros(sizes)
    for row in range(sizes[0]):
        for column in range(sizes[1]):
            found[row, column] = (image[row : row + rows, column : column + columns] * kernel).sum()
    return found


def test_what_is_zero_only_here_has_its_rule_too():
    # The first state of the cell is 0, and so is what comes back to the first forget gate.
    text = backprop("solve", "problems/lstm-two-steps.yaml").text
    assert "∂L/∂f₁⁽¹⁾ = ∂L/∂c₁⁽¹⁾ ⊙ c₀⁽¹⁾" in text
    assert "│ via zf₁⁽¹⁾" in text


def test_a_slope_of_one_or_nothing_is_written_out_in_numbers():
    text = backprop("solve", "problems/conv-relu-pool-dense.yaml").text
    assert "∂L/∂z⁽¹⁾ = ∂L/∂a⁽¹⁾ ⊙ ReLU′(z⁽¹⁾)" in text
    assert "⎡1  0  1  1⎤" in text


def test_without_numbers_shapes_are_said_and_arrays_updated_whole(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(
        "title: t\nequations:\n  Z: X @ W\n  L: sum(Z²)\ngiven: [X]\nparameters: [W]\n"
        "shapes: {X: [3, 2], W: [2, 2]}\nlearning_rate: 0.1\n"
    )
    text = backprop("solve", str(path), "--symbolic").text
    assert "\nX: 3×2\n" in text
    assert "W new = W − η·∂L/∂W\n" in text
    assert "W₁,₁ new" not in text


UPSTREAM = """title: t
equations:
  Z: X @ W
  A: tanh(Z)
  s: sum(Z)
upstream: {A: [[1, 0], [2, -1]], s: 3}
given: {X: [[1, 2], [0, 1]]}
parameters: {W: [[0.5, 1], [0, 1]]}
"""


def test_gradients_that_are_given_go_back_by_rules_between_arrays(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(UPSTREAM)
    text = backprop("solve", str(path)).text
    assert "L = sum(g_A ⊙ A) + gₛ·s" in text
    assert "∂L/∂A = g_A\n" in text
    assert "∂L/∂Z = ∂L/∂A ⊙ (1 − A²)" in text
    assert "Xᵀ  ∂L/∂Z" in text
    assert "follows no rule" not in text
    assert "The gradient of the outputs is given in place of a loss." in text
    layered = backprop("solve", "problems/conv-upstream-gradient.yaml").text
    assert "L = sum(g ⊙ ŷ)" in layered
    assert "∂L/∂ŷ = g\n" in layered


def test_rows_that_are_picked_are_given(tmp_path):
    for arguments in (["solve"], ["worksheet"], ["solve", "--form", "scalar"]):
        command, *options = arguments
        text = backprop(command, "problems/skip-gram-negative-sampling.yaml", *options).text
        assert "centre = 2" in text
        assert "seen = 3" in text
        assert "drawn = ⎢5⎥" in text


def _lines_of(node):
    if isinstance(node, DerivationLine):
        yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from _lines_of(part)
    elif hasattr(node, "blocks") or hasattr(node, "lines"):
        yield from _lines_of(getattr(node, "blocks", ()) or node.lines)


@pytest.mark.parametrize("problem", sorted(Path("problems").glob("*.yaml")), ids=lambda p: p.stem)
def test_what_stands_behind_a_sign_holds_together(problem):
    """− (y − a), never − y − a: each line of a sum is a term."""
    for symbolic in (False, True):
        for line in _lines_of(solve(load(problem), show=1, symbolic=symbolic).document):
            if line.sign in ("+", "−") and isinstance(line.right, Sum):
                assert line.sign == "+"
                assert not isinstance(line.right.terms[0], Negative)


def test_a_term_of_the_loss_itself_keeps_its_brackets(tmp_path):
    text = backprop("solve", "problems/lstm-one-unit.yaml").text
    assert "− (y₁ − a₁⁽¹⁾)\n            │ via L" in text


def test_the_word_below_a_sign_stays_below_it_in_typst():
    # `Sigma_"rows"(A)` would lower the brackets and all that is in them.
    assert typst.write(Call("sum_rows", (Name("A"),))) == 'Sigma_("rows")(A)'
    assert typst.write(Call("sum_j", (Name("A"),))) == "sum_(j)(A)"


def test_what_only_rounding_leaves_of_a_masked_entry_is_nothing():
    text = backprop("solve", "problems/attention-causal-mask.yaml").text
    assert "×10⁻¹⁶" not in text


def test_brackets_are_as_tall_at_their_end_as_at_their_beginning(tmp_path):
    out = tmp_path / "a.html"
    backprop("solve", "problems/conv-relu-pool-dense.yaml", "-o", str(out))
    page = out.read_text(encoding="utf-8")
    line = next(each for each in page.split("<div") if "max_pool" in each and "<mtable>" in each)
    ending = line.partition('class="tall right"')[2]
    assert '<mpadded width="0"><mphantom>' in ending  # the matrix again, for its height
    assert ending.count("<mtr>") == 4


def test_signs_that_typing_has_are_the_same_in_letters_and_in_numbers():
    text = backprop("solve", "problems/layer-norm.yaml", "--ascii").text
    assert ".* multiplies entry" in text
    assert "(.)" not in text
    assert "gamma .* N_hat" in text
    assert "padding=1" in backprop("solve", "problems/conv-pool-dense.yaml", "--ascii").text


def test_a_picture_keeps_a_size_at_which_it_can_be_read(tmp_path):
    out = tmp_path / "a.html"
    backprop("solve", "problems/conv-relu-pool-dense.yaml", "-o", str(out))
    page = out.read_text(encoding="utf-8")
    least, width = re.search(r'<svg style="min-width:(\d+)px"[^>]* width="(\d+)"', page).groups()
    assert int(least) == round(0.6 * int(width))
    assert "An image through convolution, ReLU, pooling and a dense layer</text>" in page
    assert ">ReLU</text>" in page  # as the sheet writes it


def test_without_numbers_nothing_is_said_of_rounding(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(
        "title: t\nindex: {t: 1..2}\nequations:\n  h_t: tanh(W @ x_t)\n  L_t: ½ sum(h_t²)\n"
        "  L: sum(L_t)\nshapes: {x: [2, 2], W: [2, 2]}\ngiven: [x]\nparameters: [W]\n"
    )
    text = backprop("solve", str(path)).text
    assert "Full precision" not in text
    assert "h: a row for each t." in backprop("worksheet", str(path)).text


def test_times_are_no_layers():
    text = backprop("solve", "problems/rnn-three-steps.yaml").text
    assert "Share of the row above" in text
    assert "layer" not in text


def test_the_letters_of_a_cell_are_said():
    for command in ("solve", "worksheet"):
        text = " ".join(backprop(command, "problems/lstm-two-steps.yaml").text.split())
        assert "Layer 1 is an LSTM: i, f and o are the input, forget and output gates" in text
        text = " ".join(backprop(command, "problems/gru-two-steps.yaml").text.split())
        assert "Layer 1 is a GRU: r and z are the reset and update gates" in text
    assert "Layer 1 is a" not in backprop("solve", "problems/conv-relu-pool-dense.yaml").text


def test_noughts_and_ones_that_are_put_in_stay(tmp_path):
    problem = tmp_path / "p.yaml"
    problem.write_text(
        "equations: {z: 'dot(w, x)', yhat: sigmoid(z + b),"
        " L: -(y*ln(yhat) + (1 - y)*ln(1 - yhat))}\n"
        "given: {x: [1, 2], y: 0}\nparameters: {w: [0.5, -0.25], b: 0}\n"
    )
    shown = backprop("solve", problem).text
    assert "= σ(0 + 0)" in shown
    assert "= −(0·ln(0.5) + (1 − 0)·ln(1 − 0.5))" in shown
    assert "= 0/0.5 + (1 − 0)/(1 − 0.5)" in shown  # nobody writes −0


def test_a_sum_that_is_the_whole_gradient_is_worked_out_in_its_place():
    shown = backprop("solve", "problems/batch-norm-as-arrays.yaml").text
    assert shown.count("sum(∂L/∂ŷ ⊙ ŷₕₐₜ)") == 1
    assert "−2·0/3" in shown


@pytest.mark.parametrize(
    ("equations", "name", "rule"),
    [
        ("{q: exp(w), L: sum(t*ln(t/q))}", "q", "−t/q"),  # not t/(t/q) ⊙ t/q/q
        ("{p: softmax(w), L: sum(p*ln(p))}", "p", "ln(p) + 1"),  # not ln(p) + p/p
        ("{q: exp(w), L: sum(t/(q*t))}", "q", "−1/q²"),
        ("{q: σ(w), L: -sum(t*ln(q) + (1 - t)*ln(1 - q))}", "w", "q − t"),  # not 1 ⊙ (q − t)
    ],
)
def test_a_rule_has_no_factor_that_can_be_struck_out(equations, name, rule):
    given = "{given: {t: [0.3, 0.7]}, parameters: {w: [0.2, -0.4]}"
    text = backprop("solve", "-", stdin=f"{given}, equations: {equations}}}").text
    assert re.search(rf"^ *∂L/∂{name} = (?:.*\n +=)? *{re.escape(rule)}$", text, re.M)
