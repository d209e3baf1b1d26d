"""What is refused in files with arrays: both shapes, what would fit, and where it stands."""

from __future__ import annotations

import time

import pytest

from backprop_cli.diagnostics import ProblemError
from backprop_cli.problem.read import read, read_problem

LEAVES = """given:
  X: [[1, 2], [3, 4], [5, 6]]
  v: [1, 2, 3]
  c: [[1], [2], [3]]
  s: 2
  tokens: [1, 5]
parameters: {W: [[1, 2], [3, 4]], b: [1, 2]}
"""


def told(formula, more="", leaves=LEAVES):
    text = f"title: t\nequations:\n  F: '{formula}'\n  L: sum(F)\n{more}{leaves}"
    with pytest.raises(ProblemError) as raised:
        read_problem("t.yaml", text)
    return next(each for each in raised.value.diagnostics if each.severity == "error")


@pytest.mark.parametrize(
    ("formula", "marked", "words"),
    [
        ("W @ X", "W @ X", "2×2 @ 3×2: the first has 2 columns, the second 3 rows"),
        ("1 + (W @ X)", "W @ X", "`W @ X^T` is 2×3, `X @ W` is 3×2"),
        ("stack(W, W) @ W", "stack(W, W) @ W", "at a time: `A[1] @ B`, and `stack(…, …)`"),
        ("s @ W", "s @ W", "write `*` for a single number"),
        ("X + v", "X + v", "a vector of 2 (added to each row)"),
        ("v + c", "v + c", "`flatten(…)` on the column for the first, `transpose(…)`"),
        ("X W", "X W", "write `X @ W` for the matrix product, `X * W` for entry by entry"),
        ("X × W", "X × W", "write `X @ W` for the matrix product, `X * W` for entry by entry"),
        ("2·X · W", "2·X · W", "could be one of matrices or entry by entry"),
        ("W^-1", "W^-1", "`1 / A`"),
        ("sum X", "sum", "write `sum(X)`"),
        ("Σ(X)", "Σ", "`sum(A, axis=0)`"),
        ("inv(W)", "inv", "not inverted here"),
        ("mse(X, X)", "mse", "`mean((y - yhat)^2)`"),
        ("X[0]", "0", "counted from 1, as on paper"),
        ("X[4]", "4", "there is no row 4 of `X`: there are 3"),
        ("X[1, 3]", "3", "there is no column 3 of `X`: there are 2"),
        ("s[1]", "s[1]", "a single number has no entries"),
        ("W[tokens]", "tokens", "there is no row 5 of `W`: there are 2"),
        ("W[tokens[2]]", "tokens[2]", "there is no row 5 of `W`: there are 2"),
        ("X[s + 2]", "s + 2", "there is no row 4 of `X`: there are 3"),
        ("X[-1]", "-1", "counted from the front"),
        ("X[s / 4]", "s / 4", "a place in an array is a whole number"),
        ("X[b]", "b", "a whole number, a range like `1:2`, or a given list"),
        ("X[tokens:3]", "tokens", "a range goes from one place to another"),
        ("X[X]", "X", "the places in an array are one list"),
        ("sum(X, axis=2)", "sum(X, axis=2)", "axis=0 goes down the rows"),
        ("sum(X, 0)", "sum(X, 0)", "`sum(A, axis=0)`"),
        ("sum(X, axs=1)", "axs", "did you mean `axis`?"),
        ("conv2d(W, X)", "conv2d(W, X)", "the window 3×2 is larger than 2×2"),
        ("ln(causal_mask(X))", "ln(causal_mask(X))", "minus infinity"),
        ("softmax(where(X > 0, X, -inf))", "inf", "in a mask under `given` only"),
        ("X > 2", "X > 2", "`where(a > b, 1, 0)`"),
        ("X.T @ v", "X.T", "write `X^T`"),
        ("eye(1000)", "eye(1000)", "more than 400,000 parts"),
    ],
)
def test_each_mistake_is_told_at_its_place(formula, marked, words):
    found = told(formula)
    text = found.span.source.text[found.span.start : found.span.end].strip("'")
    assert text == marked
    assert words in f"{found.message} {found.help}"


def test_only_an_array_of_parameters_can_be_frozen():
    found = told("X @ W", "learning_rate: 0.1\nfrozen: [W, X]\n")
    assert found.message == "`frozen` names `X`, and there is no such quantity"


def test_a_quantity_t_makes_a_transpose_doubtful():
    leaves = LEAVES + "learning_rate: 0.1\n"
    found = told("X^T @ v + T", leaves=leaves.replace("  s: 2", "  s: 2\n  T: 3"))
    assert "`Xᵀ` or `transpose(X)`" in (found.help or "")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("[[1, 2], [3]]", "has 1 entry in row 2, and 2 in its first row"),
        ("[[1, 2], 3]", "has a single value in row 2 where its first row has a list"),
        ("[1, [2]]", "has a list in row 2 where its first row has a number"),
        ("[[[[[1]]]]]", "more than 4 levels"),
        ("[]", "is an empty list"),
        ("[1, yes]", "not a truth value"),
        ("{init: uniform}", "needs `shape:`"),
        ("{init: zeros, shape: [200, 200]}", "10,000 are allowed"),
        ("{init: zeros, shape: [0]}", "must be from 1"),
    ],
)
def test_values_that_are_no_arrays(value, words):
    found = told("A * 1", leaves=f"given: {{A: {value}}}\n")
    assert words in f"{found.message} {found.help}"


def test_an_array_and_its_row_cannot_both_be_quantities():
    found = told("W @ b", leaves=LEAVES.replace("  s: 2", "  s: 2\n  W_1: 3"))
    assert "`W_1` would be an entry of the array `W`" in found.message


@pytest.mark.parametrize(
    "formula",
    ["A @ A @ A", f"concat({', '.join(['A'] * 900)})", f"stack({', '.join(['A[:, :]'] * 200)})",
     "outer(flatten(A), flatten(A))", "conv2d(A, A, padding=99999999)"],
)  # fmt: skip
def test_what_is_too_large_is_refused_at_once(formula):
    big = "given: {A: {init: constant, value: 1, shape: [100, 100]}}\n"
    start = time.perf_counter()
    found = told(formula, leaves=big)
    assert found.code == "too-large"
    assert time.perf_counter() - start < 5


def test_an_output_must_be_one_number():
    with pytest.raises(ProblemError, match="only a single number can be"):
        read_problem("t.yaml", "equations: {F: 2v}\nparameters: {v: [1, 2]}\n")


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("h_{t-2} + x_t", "carry older values along"),
        ("h_{t-1} + x_t", "give the row before the first under `given`"),
    ],
)
def test_time_looks_one_step_back(formula, words):
    text = f"index: {{t: 1..3}}\nequations:\n  h_t: '{formula}'\n  L: sum(h_t)\ngiven: {{x: [1, 2, 3]}}\n"
    with pytest.raises(ProblemError) as raised:
        read_problem("t.yaml", text)
    assert any(words in (each.help or "") for each in raised.value.diagnostics)


@pytest.mark.parametrize("place", ["2", "1:2"])
def test_places_within_places_are_each_found_once(place):
    deep = "t[" * 22 + place + "]" * 22
    start = time.process_time()
    read_problem(
        "t.yaml", f"equations: {{M: 'E[{deep}]', L: sum(M)}}\ngiven: {{t: [1, 2]}}\n"
        "parameters: {E: [[1, 2], [3, 4]]}\n",
    )  # fmt: skip
    assert time.process_time() - start < 5  # twice at each level would be minutes


def test_a_subscript_that_looks_like_a_shift_is_warned_of():
    text = (
        "index: {t: 1..2}\nequations:\n  h_t: u x_t\n  L_t: h_t-1\n  L: sum(L_t)\n"
        "given: {x: [1, 2]}\nparameters: {u: 3}\n"
    )
    warnings = read("t.yaml", text)[1]
    assert {each.code for each in warnings} == {"shift"}
    assert "`h_{t-1}`" in (warnings[0].help or "")


@pytest.mark.parametrize(
    ("formula", "warned"),
    [
        ("sum (Z - Y)^2", True),
        ("2 sum(Z)**2", True),
        ("(sum(Z))^2", False),
        ("sum((Z - Y)²)", False),
    ],
)
def test_a_square_behind_a_sum_is_warned_of(formula, warned):
    text = f"equations: {{L: '{formula}'}}\ngiven: {{Y: [1, 2]}}\nparameters: {{Z: [3, 5]}}\n"
    warnings = [each for each in read("t.yaml", text)[1] if each.code == "squared-sum"]
    assert bool(warnings) == warned


@pytest.mark.parametrize("range_", ["1..101", "1..1000000", "1..999999999999", "3..2", "0..3"])
def test_a_range_of_time_names_its_limit(range_):
    text = f"index: {{t: {range_}}}\nequations:\n  h_t: x_t\n  L: sum(h_t)\ngiven: {{x: [1, 2]}}\n"
    with pytest.raises(ProblemError) as raised:
        read_problem("t.yaml", text)
    (found,) = [each for each in raised.value.diagnostics if each.code == "out-of-range"]
    assert "over 100 steps at most" in found.message


def test_the_letter_of_time_is_no_quantity():
    found = told("X_t", "index: {t: 1..3}\n", LEAVES.replace("  s: 2\n", "  s: 2\n  t: 3\n"))
    assert "`t` counts the times here: it is no quantity" in found.message


def test_places_are_not_differentiated_by():
    found = told("W[k]", "with_respect_to: [k]\n", LEAVES.replace("  s: 2\n", "  k: [2, 1]\n"))
    assert "`k` only says which rows are meant: it has no derivative" in found.message


def test_what_does_not_fit_is_said_beside_what_cannot_be_read():
    text = "equations:\n  A: X @ X\n  B: where(X, X)\n  C: A + B\n  D: X[4]\n  L: sum(C) + D + e9\n"
    with pytest.raises(ProblemError) as raised:
        read_problem("t.yaml", text + LEAVES)
    found = [(each.code, each.span.line) for each in raised.value.diagnostics if each.span]
    assert [each for each in found if each[0] != "unused"] == [
        ("shape", 2), ("bad-formula", 3), ("shape", 5), ("unknown-name", 6),
    ]  # fmt: skip


REST = "given: {x: [1, 2, 3], h_0: 0}\nparameters: {w: 1, u: 2}\n"


def all_told(text):
    with pytest.raises(ProblemError) as raised:
        read_problem("t.yaml", f"title: t\n{text}")
    return [each for each in raised.value.diagnostics if each.severity == "error"]


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("{t: 0..2}", "`t` must run from 1 or more upwards"),
        ("{t: 1..1000000}", "over 100 steps at most"),
        ("{t: three}", "the range of `t` must be like `1..3`"),
        ("{t: 1..3, s: 1..2}", "`index` has one name: that of time"),
        ("t", "`index` must be a mapping of one name and its range"),
    ],
)
def test_an_index_that_cannot_be_read_is_told_once(index, words):
    equations = "equations:\n  h_t: tanh(w*x_t + u*h_{t-1})\n  L: sum(h_t)\n"
    (one,) = all_told(f"index: {index}\n{equations}{REST}")
    assert words in one.message


@pytest.mark.parametrize(
    ("formula", "marked", "words"),
    [
        ("tanh(w*x_t + u*h_t-1)", "h_t-1", "the row before is written `h_{t-1}`"),
        ("tanh(w*x_t + u*h_(t-1))", "h_(t-1)", "write `h_{t-1}`"),
        ("tanh(w*x_t + u*h[t-1])", "h[t-1]", "write `h_{t-1}`"),
        ("tanh(w*x[t] + u*h_{t-1})", "x[t]", "write `x_t`"),
        ("tanh(w*x_t + u*h_{t-2})", "h_{t-2}", "only `{t-1}` is possible"),
    ],
)
def test_another_way_to_write_a_time_is_told_once_and_where(formula, marked, words):
    equations = f"equations:\n  h_t: {formula}\n  L: sum(h_t)\n"
    (one,) = all_told(f"index: {{t: 1..3}}\n{equations}{REST}")
    assert one.span.source.text[one.span.start : one.span.end] == marked
    assert words in f"{one.message} {one.help}"


def test_too_few_rows_are_told_by_name():
    equations = "equations:\n  h_t: tanh(w*x_t + u*h_{t-1})\n  L: sum(h_t)\n"
    (one,) = all_told(f"index: {{t: 1..4}}\n{equations}{REST}")
    assert "there is no row 4 of `x`: there are 3" in one.message


@pytest.mark.parametrize(
    "formula", ["conv2d(X, K, stride=1)", "max_pool(X, 2)", "sum(X, axis=1)", "max(X, 0)"]
)
def test_a_comma_that_cuts_a_formula_is_told_once(formula):
    leaves = "given: {X: [[1, 2], [3, 4]]}\nparameters: {K: [[1]]}\n"
    (one,) = all_told(f"equations: {{C: {formula}, L: sum(C)}}\n{leaves}")
    assert one.span.source.text[one.span.start : one.span.end] == formula
    assert one.help == f'write it in quotes: `"{formula}"`'
    read_problem("t.yaml", f'title: t\nequations: {{C: "{formula}", L: sum(C)}}\n{leaves}')


def test_brackets_inside_braces_need_quotes():
    (one,) = all_told("equations: {H: E[tokens], L: sum(H)}\n")
    assert one.help == "a formula with a bracket, a brace or a comma inside `{…}` needs quotes"


def test_what_an_output_of_several_numbers_needs():
    one = told("X @ W", more="output: F\n")
    assert "`L: sum(F)`" in one.help
    (other,) = all_told("equations: {L: X @ W}\n" + LEAVES)
    assert "`sum(…)` or `mean(…)` around it" in other.help


def test_a_share_that_dropout_keeps_is_a_share():
    assert "above 0 and at most 1" in told("dropout(X, X, 2)").message
