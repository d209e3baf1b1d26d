"""The shipped problems with arrays, beside the same calculation in NumPy, differentiated by autograd."""

from __future__ import annotations

from pathlib import Path

import autograd.numpy as np
import pytest
import yaml
from autograd import grad
from numpy import testing
from test_array_gradients import conv1d, conv2d, cross, normalised, softmax, values_of, windows

from backprop_cli.problem.read import read_problem
from backprop_cli.run import solve
from backprop_cli.worksheet.solution_json import solution_data

PROBLEMS = Path(__file__).parents[2] / "problems"


def attention(p, masked=False):
    scores = (p["X"] @ p["Wq"]) @ (p["X"] @ p["Wk"]).T / np.sqrt(2)
    if masked:
        scores = scores + np.triu(np.full((3, 3), -700.0), 1)
    return 0.5 * np.sum((softmax(scores) @ (p["X"] @ p["Wv"]) - p["Y"]) ** 2)


def conv_pool_dense(p):
    image = np.maximum(conv2d(p["X"], p["K"], 1, 1)[0] + p["c"], 0)
    pooled = np.ravel(windows(image, 2, 2, np.max))
    return 0.5 * (np.dot(p["w"], pooled) + p["b"] - p["y"]) ** 2


def rnn(p):
    h, loss = p["h_0"], 0.0
    for x, y in zip(p["x"], p["y"], strict=True):
        h = np.tanh(p["Wx"] @ x + p["Wh"] @ h + p["b"])
        loss = loss + 0.5 * np.sum((p["Wy"] @ h + p["c"] - y) ** 2)
    return loss


def embedding(p):
    rows = np.array(p["tokens"], dtype=int) - 1
    yhat = 1 / (1 + np.exp(-np.dot(p["w"], np.mean(p["E"][rows], axis=0))))
    return -(p["y"] * np.log(yhat) + (1 - p["y"]) * np.log(1 - yhat))


def next_letter(p):
    """−ln of the share of each next letter, after Karpathy's min-char-rnn."""
    h, loss = p["h_0"], 0.0
    for letter, follows in zip(p["letters"], p["next"], strict=True):
        h = np.tanh(p["Wx"] @ p["E"][int(letter) - 1] + p["Wh"] @ h + p["b"])
        loss = loss - np.log(softmax((p["Wy"] @ h + p["c"])[None])[0, int(follows) - 1])
    return loss


def batch_norm(p):
    z = p["X"] @ p["W"]
    return np.mean(0.5 * (normalised(z, 0, p["gamma"], p["beta"], 1e-5) - p["y"]) ** 2)


def skip_gram(p):
    """−ln σ(u·v) of the pair that was seen, −ln σ(−u·v) of each that was drawn."""
    v = p["V"][int(p["centre"]) - 1]
    seen = p["U"][int(p["seen"]) - 1]
    drawn = p["U"][np.array(p["drawn"], dtype=int) - 1]
    return np.log(1 + np.exp(-np.dot(seen, v))) + np.sum(np.log(1 + np.exp(drawn @ v)))


LOSSES = {
    "batch-norm-as-arrays": batch_norm,
    "skip-gram-negative-sampling": skip_gram,
    "attention": attention,
    "attention-causal-mask": lambda p: attention(p, masked=True),
    "conv-pool-dense": conv_pool_dense,
    "signal-convolution": lambda p: (
        0.5 * np.sum((np.tanh(conv1d(p["x"], p["k"]) + p["b"]) - p["y"]) ** 2)
    ),
    "softmax-regression-batch": lambda p: cross(softmax(p["X"] @ p["W"] + p["b"]), p["Y"]),
    "rnn-three-steps": rnn,
    "layer-norm": lambda p: (
        0.5 * np.sum((normalised(p["X"], -1, p["gamma"], p["beta"], 0.01) - p["Y"]) ** 2)
    ),
    "embedding-repeated-token": embedding,
    "rnn-next-letter": next_letter,
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_and_updates_are_those_of_numpy(name):
    path = PROBLEMS / f"{name}.yaml"
    file = yaml.safe_load(path.read_text(encoding="utf-8"))
    start = {
        key: np.array(value, dtype=float)
        for key, value in {**file["given"], **file["parameters"]}.items()
    }
    data = solution_data(solve(read_problem(path)))
    loss = LOSSES[name]
    moved = dict(start)
    for parameter in file["parameters"]:
        slope = grad(lambda value, p=parameter: loss({**start, p: value}))(start[parameter])
        testing.assert_allclose(
            values_of(data, f"dL/d{parameter}"), slope, rtol=1e-9, atol=1e-12, err_msg=parameter
        )
        moved[parameter] = start[parameter] - file["learning_rate"] * slope
        testing.assert_allclose(
            values_of(data, f"{parameter}_new"), moved[parameter], rtol=1e-9, atol=1e-12
        )
    testing.assert_allclose(data["losses"], [loss(start), loss(moved)], rtol=1e-12)


def test_batch_normalisation_of_arrays_is_that_of_layers():
    arrays, layers = (
        solution_data(solve(read_problem(PROBLEMS / f"batch-norm-{name}.yaml")))
        for name in ("as-arrays", "by-hand")
    )
    testing.assert_allclose(arrays["losses"], layers["losses"], rtol=1e-12)
    for one, other in (("W_1_1", "w1_1_1"), ("gamma_1", "gamma1_1"), ("beta_1", "beta1_1")):
        for name in ("dL/d{}", "{}_new"):
            found = [
                next(step["value"] for step in data["steps"] if step["name"] == name.format(each))
                for data, each in ((arrays, one), (layers, other))
            ]
            testing.assert_allclose(*found, rtol=1e-12)


def test_every_shipped_problem_with_arrays_is_here():
    with_arrays = {
        path.stem
        for path in PROBLEMS.glob("*.yaml")
        if getattr(read_problem(path).model, "arrays", ())
    }
    assert with_arrays == set(LOSSES)
