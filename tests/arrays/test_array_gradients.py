"""Every operation on arrays, with random numbers and shapes, beside autograd and differences."""

from __future__ import annotations

import random

import autograd.numpy as np
import pytest
from autograd import grad
from numpy import testing

from backprop_cli.arrays.operations import ROWS
from backprop_cli.formula.evaluate import as_float
from backprop_cli.graph.array_rules import ArrayRules
from backprop_cli.problem.read import read_problem
from backprop_cli.run import solve
from backprop_cli.worksheet.solution_json import solution_data


def numbers(shape, draw, low=-2.0, high=2.0):
    if not shape:
        return round(draw.uniform(low, high), 3)
    return [numbers(shape[1:], draw, low, high) for _ in range(shape[0])]


def values_of(data, name):
    """The values of an array of the JSON by its entries."""
    values = {step["name"]: step["value"] for step in data["steps"]}
    array = next((each for each in data["arrays"] if each["name"] == name), None)

    def read(entries):
        if isinstance(entries, list):
            return [read(each) for each in entries]
        return 0.0 if entries is None else values.get(entries, entries)

    return np.array(read(name if array is None else array["entries"]), dtype=float)


def solved(equations, given, parameters=None, more=""):
    return solution_data(ran(equations, given, parameters, more))


def ran(equations, given, parameters=None, more=""):
    lines = ["title: t", "equations:"]
    lines += [f"  {name}: {formula!r}" for name, formula in equations.items()]
    lines += [f"given: {given}"] if given else []
    lines += [f"parameters: {parameters}"] if parameters else []
    return solve(read_problem("t.yaml", "\n".join([*lines, more, ""])))


def rules_of(run):
    """The rules between whole arrays, and where they are evaluated."""
    iteration = run.iterations[0]
    values = {name: as_float(value) for name, value in iteration.values.items()}
    return ArrayRules(iteration.graph, values)


def softmax(a, axis=-1):
    e = np.exp(a)
    return e / np.sum(e, axis=axis, keepdims=True)


def lse(a, axis=None, keepdims=False):
    return np.log(np.sum(np.exp(a), axis=axis, keepdims=keepdims))


def cross(p, y):
    return -np.sum(y * np.log(p)) / (p.shape[0] if p.ndim == 2 else 1)


def padded(x, p, levels):
    return np.pad(x, [(0, 0)] * (x.ndim - levels) + [(p, p)] * levels, mode="constant")


def conv2d(x, k, stride=1, padding=0):
    x = padded(x, padding, 2)
    if x.ndim == 2:
        x, k = x[None], k[None]
    kernels = k if k.ndim == 4 else k[None]
    out = []
    h, w = kernels.shape[2:]
    for one in kernels:
        rows = []
        for i in range(0, x.shape[1] - h + 1, stride):
            rows.append(
                np.stack(
                    [
                        np.sum(x[:, i : i + h, j : j + w] * one)
                        for j in range(0, x.shape[2] - w + 1, stride)
                    ]
                )
            )
        out.append(np.stack(rows))
    return np.stack(out)


def conv_transpose2d(x, k, stride=1, padding=0):
    if x.ndim == 2:
        return conv_transpose2d(x[None], k[None, None], stride, padding)[0]
    h, w = k.shape[2:]
    rows, columns = (x.shape[1] - 1) * stride + h, (x.shape[2] - 1) * stride + w
    out = np.zeros((k.shape[1], rows, columns))
    for c in range(x.shape[0]):
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                top, left = i * stride, j * stride
                around = [(0, 0), (top, rows - top - h), (left, columns - left - w)]
                out = out + np.pad(x[c, i, j] * k[c], around, mode="constant")
    return out[:, padding : rows - padding, padding : columns - padding]


def conv1d(x, k, stride=1, padding=0):
    x = padded(x, padding, 1)
    return np.stack(
        [
            np.sum(x[..., i : i + k.shape[-1]] * k)
            for i in range(0, x.shape[-1] - k.shape[-1] + 1, stride)
        ]
    )


def windows(x, size, stride, of):
    return np.stack(
        [
            np.stack(
                [of(x[i : i + size, j : j + size]) for j in range(0, x.shape[1] - size + 1, stride)]
            )
            for i in range(0, x.shape[0] - size + 1, stride)
        ]
    )


def normalised(x, axis, g, b, eps):
    m = np.mean(x, axis=axis, keepdims=True)
    v = np.var(x, axis=axis, keepdims=True)
    return (x - m) / np.sqrt(v + eps) * g + b


POSITIVE = (0.2, 2.0)
# formula, shapes of A, B, C, the same in NumPy, the range of the numbers
CASES = {
    "matmul": ("A @ B", [(3, 2), (2, 4)], lambda a, b: a @ b),
    "matrix by vector": ("A @ B", [(3, 2), (2,)], lambda a, b: a @ b),
    "outer product": ("A @ B^T", [(3,), (2,)], np.outer),
    "inner product": ("A^T @ B", [(3,), (3,)], np.dot),
    "row by matrix": ("A^T @ B", [(3,), (3, 2)], lambda a, b: (a @ b)[None]),
    "three matrices": ("A @ B @ C", [(2, 3), (3, 2), (2, 2)], lambda a, b, c: a @ b @ c),
    "transposed twice": ("(A @ Bᵀ)ᵀ", [(2, 3), (4, 3)], lambda a, b: (a @ b.T).T),
    "rows": ("A + B", [(3, 2), (2,)], lambda a, b: a + b),
    "columns": ("A - B", [(3, 2), (3, 1)], lambda a, b: a - b),
    "number": ("2A - B/4", [(3, 2), ()], lambda a, b: 2 * a - b / 4),
    "broadcast both": ("A * B", [(3, 1), (1, 2)], lambda a, b: a * b),
    "hadamard": ("A ⊙ B", [(3, 2), (3, 2)], lambda a, b: a * b),
    "of itself": ("A(1 - A)", [(2, 2)], lambda a: a * (1 - a)),
    "quotient": ("A / B", [(2, 3), (2, 3)], lambda a, b: a / b, POSITIVE),
    "powers": ("A² + B^3", [(2,), (2,)], lambda a, b: a**2 + b**3),
    "functions": ("tanh(A) + exp(B) * sigmoid(A)", [(2, 2), (2,)],
                  lambda a, b: np.tanh(a) + np.exp(b) / (1 + np.exp(-a))),
    "conditional": ("A if A > B else 2B", [(3, 2), (2,)], lambda a, b: np.where(a > b, a, 2 * b)),
    "where": ("where(A > B, A², B)", [(3, 2), (3, 2)], lambda a, b: np.where(a > b, a**2, b)),
    "where by a mask": ("where(A, B, 0)", [(2, 2), (2, 2)], lambda a, b: np.where(a != 0, b, 0)),
    "larger of two": ("max(A, 0)", [(3, 3)], lambda a: np.maximum(a, 0)),
    "sum": ("sum(A)", [(3, 2)], np.sum),
    "sum of rows": ("sum(A, axis=1)", [(3, 2)], lambda a: np.sum(a, axis=1)),
    "sum kept": ("A / sum(A, axis=1, keepdims=true)", [(3, 2)],
                 lambda a: a / np.sum(a, axis=1, keepdims=True), POSITIVE),
    "sum of three levels": ("sum(A, axis=-2)", [(2, 3, 2)], lambda a: np.sum(a, axis=-2)),
    "mean": ("mean(A, axis=0)", [(3, 2)], lambda a: np.mean(a, axis=0)),
    "var": ("var(A * B, axis=0)", [(3, 2), (3, 2)], lambda a, b: np.var(a * b, axis=0)),
    "var of all": ("var(A)", [(3, 2)], np.var),
    "std": ("std(A, axis=-1, keepdims=true)", [(2, 3)], lambda a: np.std(a, axis=-1, keepdims=True)),
    "max": ("max(A, axis=1)", [(3, 4)], lambda a: np.max(a, axis=1)),
    "min": ("min(A)", [(3, 4)], np.min),
    "norm": ("norm(A, axis=0)", [(3, 2)], lambda a: np.sqrt(np.sum(a**2, axis=0))),
    "logsumexp": ("logsumexp(A @ B, axis=-1)", [(2, 3), (3, 2)], lambda a, b: lse(a @ b, axis=-1)),
    "softmax": ("softmax(A)", [(2, 3)], softmax),
    "softmax down": ("softmax(A @ B, axis=0)", [(2, 3), (3, 2)], lambda a, b: softmax(a @ b, 0)),
    "softmax of a vector": ("softmax(A)", [(4,)], softmax),
    "log_softmax": ("log_softmax(A)", [(2, 3)], lambda a: np.log(softmax(a))),
    "cross_entropy": ("cross_entropy(softmax(A @ B), eye(3))", [(3, 2), (2, 3)],
                      lambda a, b: cross(softmax(a @ b), np.eye(3))),
    "outer": ("outer(A, B)", [(2,), (3,)], np.outer),
    "dot": ("dot(A, B)", [(3,), (3,)], np.dot),
    "trace": ("trace(A @ B)", [(2, 3), (3, 2)], lambda a, b: np.trace(a @ b)),
    "transpose": ("transpose(A) @ B", [(3, 2), (3,)], lambda a, b: a.T @ b),
    "concat": ("concat(A, B, axis=1)", [(2, 2), (2, 3)], lambda a, b: np.concatenate([a, b], axis=1)),
    "stack": ("stack(A, B)", [(2,), (2,)], lambda a, b: np.stack([a, b])),
    "reshape": ("reshape(A, 3, 2) @ B", [(2, 3), (2,)], lambda a, b: a.reshape(3, 2) @ b),
    "flatten": ("flatten(A)", [(2, 1, 2)], np.ravel),
    "eye": ("A @ eye(2) + ones(3, 2) + zeros(2)", [(3, 2)], lambda a: a + 1),
    "entries": ("A[2] * A[1] + B[1:2, 3]", [(2, 2), (2, 3)], lambda a, b: a[1] * a[0] + b[0:2, 2]),
    "column": ("A[:, 1] + A_2_1", [(3, 2)], lambda a: a[:, 0] + a[1, 0]),
    "causal_mask": ("softmax(A + causal_mask(A)) @ B", [(3, 3), (3, 2)],
                    lambda a, b: softmax(a + np.triu(np.full((3, 3), -700.0), 1)) @ b),
    "causal_mask of scores": ("softmax(causal_mask(A)) @ B", [(3, 3), (3, 2)],
                              lambda a, b: softmax(a + np.triu(np.full((3, 3), -700.0), 1)) @ b),
    "causal_mask of a product": ("softmax(causal_mask(A @ B / 2))", [(3, 2), (2, 3)],
                                 lambda a, b: softmax(a @ b / 2 + np.triu(np.full((3, 3), -700.0), 1))),
    "dropout": ("dropout(A, B, 0.5)", [(2, 3), (2, 3)], lambda a, b: a * b / 0.5),
    "conv1d": ("conv1d(A, B)", [(5,), (3,)], conv1d),
    "conv1d wide": ("conv1d(A, B, stride=2, padding=1)", [(2, 5), (2, 2)], lambda a, b: conv1d(a, b, 2, 1)),
    "conv2d": ("conv2d(A, B)", [(4, 4), (2, 3)], lambda a, b: conv2d(a, b)[0]),
    "conv2d of channels": ("conv2d(A, B, 2, 1)", [(2, 3, 3), (2, 2, 2, 2)], lambda a, b: conv2d(a, b, 2, 1)),
    "conv_transpose2d": ("conv_transpose2d(A, B, stride=2)", [(2, 3), (2, 2)],
                         lambda a, b: conv_transpose2d(a, b, 2)),
    "conv_transpose2d of channels": ("conv_transpose2d(A, B, 2, 1)", [(2, 2, 2), (2, 3, 3, 3)],
                                     lambda a, b: conv_transpose2d(a, b, 2, 1)),
    "max_pool": ("max_pool(A, 2)", [(4, 4)], lambda a: windows(a, 2, 2, np.max)),
    "max_pool overlapping": ("max_pool(A * B, 2, stride=1)", [(3, 3), (3, 3)],
                             lambda a, b: windows(a * b, 2, 1, np.max)),
    "avg_pool": ("avg_pool(A, 2, 1)", [(3, 3)], lambda a: windows(a, 2, 1, np.mean)),
    "layer_norm": ("layer_norm(A, B, C, 0.01)", [(2, 3), (3,), (3,)],
                   lambda a, b, c: normalised(a, -1, b, c, 0.01)),
    "batch_norm": ("batch_norm(A, B, C, epsilon=0.1)", [(4, 2), (2,), (2,)],
                   lambda a, b, c: normalised(a, 0, b, c, 0.1)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_autograds(case):
    formula, shapes, same, *span = CASES[case]
    draw = random.Random(case)
    letters = "ABC"[: len(shapes)]
    given = {
        letter: numbers(shape, draw, *(span[0] if span else ()))
        for letter, shape in zip(letters, shapes, strict=True)
    }
    compare(formula, given, same, draw)


def compare(formula, given, same, draw):
    """Values, gradients and the rules between arrays, each beside autograd."""
    letters, arrays = list(given), [np.array(each) for each in given.values()]
    result = same(*arrays)
    weights = numbers(np.shape(result), draw)
    run = ran({"F": formula, "L": "sum(F * R)"}, {"R": weights}, given)
    data, rules = solution_data(run), rules_of(run)
    said = {each.name: each for each in rules.gradients}
    assert values_of(data, "F").shape == np.shape(result)
    testing.assert_allclose(values_of(data, "F"), result, rtol=1e-9, atol=1e-12)
    for at, letter in enumerate(letters):
        expected = grad(lambda *own: np.sum(same(*own) * np.array(weights)), at)(*arrays)
        testing.assert_allclose(
            values_of(data, f"dL/d{letter}"), expected, rtol=1e-9, atol=1e-11, err_msg=letter
        )
        rule = said[f"dL/d{letter}"].formula
        assert rule is not None, letter
        grid = rules.evaluator.value(rule)
        assert grid.shape == np.shape(expected)
        testing.assert_allclose(
            np.array(grid.values), np.ravel(expected), rtol=1e-9, atol=1e-11, err_msg=letter
        )
    assert all(each.formula is not None for each in rules.gradients)


def shapes_at_random(draw):
    """A formula and shapes that fit, of sizes drawn."""
    n, m, k = (draw.randint(1, 4) for _ in range(3))
    stride, padding, wide = draw.randint(1, 2), draw.randint(0, 1), draw.randint(1, 3)
    size = wide + stride * draw.randint(1, 2)
    channels, kernels = draw.randint(1, 3), draw.randint(1, 2)
    image, window = (channels, size, size + 1), (kernels, channels, wide, wide)
    settings = f"stride={stride}, padding={padding}"
    return draw.choice(
        [
            ("A @ B + C", [(n, k), (k, m), (m,)], lambda a, b, c: a @ b + c),
            ("(A @ B) * C", [(n, k), (k, m), (n, 1)], lambda a, b, c: a @ b * c),
            ("A * B - C", [(n, m), (1, m), ()], lambda a, b, c: a * b - c),
            ("A / (1 + B²)", [(2, n, m), (n, m)], lambda a, b: a / (1 + b**2)),
            ("tanh(A @ B^T)", [(n, k), (m, k)], lambda a, b: np.tanh(a @ b.T)),
            ("softmax(A * C) @ B", [(n, k), (k, m), (k,)], lambda a, b, c: softmax(a * c) @ b),
            (f"conv2d(A, B, {settings})", [image, window],
             lambda a, b: conv2d(a, b, stride, padding)),
            (f"conv1d(A, B, {settings})", [(channels, size), (channels, wide)],
             lambda a, b: conv1d(a, b, stride, padding)),
            (f"max_pool(A, {wide}, stride={stride})", [(size, size)],
             lambda a: windows(a, wide, stride, np.max)),
            (f"avg_pool(A, {wide}, stride={stride})", [(size, size)],
             lambda a: windows(a, wide, stride, np.mean)),
            ("A - mean(A, axis=0)", [(n, m)], lambda a: a - np.mean(a, axis=0)),
            ("var(A, axis=1, keepdims=true) * A", [(n, m)],
             lambda a: np.var(a, axis=1, keepdims=True) * a),
            ("layer_norm(A, B)", [(n, m + 1), (m + 1,)], lambda a, b: normalised(a, -1, b, 0, 1e-5)),
        ]
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_shapes_at_random(seed):
    draw = random.Random(seed)
    formula, shapes, same = shapes_at_random(draw)
    compare(
        formula,
        {letter: numbers(s, draw) for letter, s in zip("ABC", shapes, strict=False)},
        same,
        draw,
    )


def test_every_operation_has_a_case():
    written = " ".join(case[0] for case in CASES.values())
    assert [row.name for row in ROWS if f"{row.name}(" not in written] == []


RNN = """title: t
index: {t: 1..3}
equations:
  h_t: tanh(Wx @ x_t + Wh @ h_{t-1} + b)
  yhat_t: Wy @ h_t + c
  L_t: ½ sum((yhat_t - y_t)²)
  L: sum(L_t)
given: {x: [[1, 0.5], [0, 1], [0.5, 0]], y: [[1], [0], [1]], h_0: [0.1, -0.2]}
parameters:
  Wx: [[0.5, -0.2], [0.1, 0.4]]
  Wh: [[0.3, 0.1], [-0.4, 0.2]]
  Wy: [[1, 0.5]]
  b: [0, 0.1]
  c: [0.2]
"""


def test_time_sums_the_gradients_of_every_step():
    data = solution_data(solve(read_problem("t.yaml", RNN)))
    x = np.array([[1, 0.5], [0, 1], [0.5, 0]])
    y = np.array([[1.0], [0], [1]])

    def loss(wx, wh, wy, b, c):
        h, total = np.array([0.1, -0.2]), 0.0
        for at in range(3):
            h = np.tanh(wx @ x[at] + wh @ h + b)
            total = total + 0.5 * np.sum((wy @ h + c - y[at]) ** 2)
        return total

    names = ("Wx", "Wh", "Wy", "b", "c")
    values = [values_of(data, name) for name in names]
    assert data["losses"][0] == pytest.approx(loss(*values), rel=1e-12)
    for at, name in enumerate(names):
        expected = grad(loss, at)(*values)
        testing.assert_allclose(values_of(data, f"dL/d{name}"), expected, rtol=1e-9)
    assert next(a for a in data["arrays"] if a["name"] == "h")["entries"] == [
        ["h_1_1", "h_1_2"], ["h_2_1", "h_2_2"], ["h_3_1", "h_3_2"],
    ]  # fmt: skip
    assert "L" not in {each["name"] for each in data["arrays"]}


def test_scalar_sequences_and_later_starts():
    text = """title: t
index: {t: 2..4}
equations:
  s_t: u s_{t-1} + x_t
  L: s_4² + sum(s_t)
given: {x: [9, 1, 2, 3], s_1: 0.5}
parameters: {u: 0.7}
"""
    data = solution_data(solve(read_problem("t.yaml", text)))

    def loss(u):
        s, total = 0.5, 0.0
        for at in (1, 2, 3):
            s = u * s + at
            total = total + s
        return s**2 + total

    assert values_of(data, "dL/du") == pytest.approx(grad(loss)(0.7), rel=1e-12)
    assert next(a for a in data["arrays"] if a["name"] == "s")["entries"] == ["s_2", "s_3", "s_4"]


def test_a_repeated_token_gets_both_gradients():
    data = solved(
        {"H": "E[tokens]", "L": "sum(H * R)"},
        {"tokens": [1, 3, 1], "R": [[1, 2], [3, 4], [5, 6]]},
        {"E": [[1, 2], [3, 4], [5, 6]]},
    )
    assert values_of(data, "dL/dE").tolist() == [[6, 8], [0, 0], [3, 4]]
    assert "dL/dtokens" not in {each["name"] for each in data["arrays"]}


def test_a_given_mask_of_minus_infinity():
    text = """title: t
equations:
  P: softmax(S + M)
  L: sum(P * R)
given: {M: [[0, -inf], [0, 0]], R: [[1, 2], [3, 4]]}
parameters: {S: [[1, 2], [3, 4]]}
"""
    data = solution_data(solve(read_problem("t.yaml", text)))
    testing.assert_allclose(values_of(data, "P")[0], [1, 0])
    expected = softmax(np.array([3.0, 4.0]))
    testing.assert_allclose(values_of(data, "P")[1], expected)
    shares = expected * (np.array([3.0, 4.0]) - expected @ np.array([3.0, 4.0]))
    testing.assert_allclose(values_of(data, "dL/dS")[1], shares, rtol=1e-12)
    assert next(a for a in data["arrays"] if a["name"] == "M")["entries"][0] == ["M_1_1", "-inf"]


def test_softmax_and_cross_entropy_over_rows_are_right_at_extreme_scores():
    # −ln of a share e^(−1000): the loss of each row is the difference of its scores.
    run = ran(
        {"P": "softmax(Z)", "L": "cross_entropy(P, Y)"},
        {"Y": [[0, 1], [1, 0], [0.5, 0.5]]},
        {"Z": [[1000, 0], [0, 800], [0, 0]]},
    )
    data, rules = solution_data(run), rules_of(run)
    testing.assert_allclose(values_of(data, "L_row"), [1000, 800, np.log(2)], rtol=1e-12)
    expected = np.array([[1, -1], [-1, 1], [0, 0]]) / 3  # (P − Y)/N
    testing.assert_allclose(values_of(data, "dL/dZ"), expected, rtol=1e-12, atol=1e-15)
    (rule,) = (each for each in rules.gradients if each.name == "dL/dZ")
    assert rule.short is not None
    testing.assert_allclose(
        rules.evaluator.value(rule.short).values, np.ravel(expected), rtol=1e-12
    )


@pytest.mark.parametrize("name", ["dL/dW", "dL/dZ"])
def test_a_rule_that_misses_a_single_number_is_not_written(name):
    """By a millionth: what is printed is compared with the truth, not with something near it."""
    rules = rules_of(
        ran(
            {"Z": "X @ W", "A": "tanh(Z)", "L": "sum(A * A)"},
            "{X: [[1, 2], [3, 4]]}",
            "{W: [[0.1, 0.2], [-0.3, 0.1]]}",
        )
    )
    (found,) = (each for each in rules.gradients if each.name == name)
    assert found.formula is not None
    entry = found.view.entries[0].name
    off = {**rules.values, entry: rules.values[entry] * (1 + 1e-6)}
    (missed,) = (each for each in ArrayRules(rules.graph, off).gradients if each.name == name)
    assert missed.formula is None
