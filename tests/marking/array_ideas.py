"""Students with one idea about arrays, who have it everywhere: `python tests/marking/array_ideas.py
[sheets per idea] [words of sheet or idea] [-v]`.

Each works a whole sheet out by NumPy on a tape of its own: the operations stand below with their
gradients, an idea puts another one in their place, and every array is rounded as it is written and
gone on with as rounded. Nothing of `backprop_cli.marking` is used to make the numbers. One idea
costs one mark, give or take one, and the slip is named; a sheet without an idea costs none.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import yaml

from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.marking.model import SubmissionReport
from backprop_cli.problem.read import read_problem

Grid = np.ndarray
Back = Callable[..., Sequence[Any]]


class Op:
    """A way forward, and what it sends back to each operand: `back(g, result, *operands)`."""

    def __init__(self, forward: Callable[..., Any], back: Back) -> None:
        self.forward, self.back = forward, back

    def forth(self, forward: Callable[..., Any]) -> Op:
        return Op(forward, self.back)

    def going_back(self, back: Back) -> Op:
        return Op(self.forward, back)


# --- operations ---


def shares(axis: int) -> Op:
    def back(g: Grid, p: Grid, s: Grid) -> list[Grid]:
        return [p * (g - (g * p).sum(axis=axis, keepdims=True))]

    def forward(s: Grid) -> Grid:
        e = np.exp(s)
        return e / e.sum(axis=axis, keepdims=True)

    return Op(forward, back)


def windows(image: Grid, kernel: tuple[int, ...], stride: int, padding: int, start: int) -> Any:
    """For each place of the result the place of each entry of its window in the image."""
    levels = len(kernel)
    out = [(n + 2 * padding - k) // stride + 1 for n, k in zip(image.shape, kernel, strict=True)]
    for at in np.ndindex(*out):
        for inner in np.ndindex(*kernel):
            pixel = tuple(at[d] * stride + inner[d] - padding + start for d in range(levels))
            if all(0 <= p < n for p, n in zip(pixel, image.shape, strict=True)):
                yield at, inner, pixel


def correlation(
    flip: bool = False, flip_x: bool = False, flip_k: bool = False, start: int = 0, by: int = 0
) -> Op:
    """`flip` on the way forward, `flip_x` and `flip_k` on the way back to image and kernel."""

    def turned(place: tuple[int, ...], k: Grid, turn: bool) -> tuple[int, ...]:
        return tuple(n - 1 - p for n, p in zip(k.shape, place, strict=True)) if turn else place

    def meet(x: Grid, k: Grid, shape: tuple[int, ...], stride: int, padding: int) -> Any:
        for at, inner, pixel in windows(x, k.shape, by or stride, padding, start):
            if all(a < n for a, n in zip(at, shape, strict=True)):
                yield at, inner, pixel

    def forward(x: Grid, k: Grid, stride: int, padding: int) -> Grid:
        shape = [(n + 2 * padding - m) // stride + 1 for n, m in zip(x.shape, k.shape, strict=True)]
        found = np.zeros(shape)
        for at, inner, pixel in meet(x, k, tuple(shape), stride, padding):
            found[at] += x[pixel] * k[turned(inner, k, flip)]
        return found

    def back(g: Grid, c: Grid, x: Grid, k: Grid, stride: int, padding: int) -> list[Any]:
        dx, dk = np.zeros(x.shape), np.zeros(k.shape)
        for at, inner, pixel in meet(x, k, g.shape, stride, padding):
            dx[pixel] += g[at] * k[turned(inner, k, flip_x)]
            dk[turned(inner, k, flip_k)] += g[at] * x[pixel]
        return [dx, dk, None, None]

    return Op(forward, back)


def pooling(stride: int = 0, start: int = 0) -> Op:
    """Max pooling in windows of 2, whose windows may lie elsewhere."""

    def tops(x: Grid) -> Any:
        by = stride or 2
        for at in np.ndindex(*(n // 2 for n in x.shape)):
            corner = [by * a + start for a in at]
            inner = np.ndindex(*(2,) * len(at))
            seen = [tuple(c + i for c, i in zip(corner, each, strict=True)) for each in inner]
            seen = [each for each in seen if all(p < n for p, n in zip(each, x.shape, strict=True))]
            yield at, max(seen, key=lambda pixel: x[pixel])

    def forward(x: Grid) -> Grid:
        found = np.zeros([n // 2 for n in x.shape])
        for at, pixel in tops(x):
            found[at] = x[pixel]
        return found

    def back(g: Grid, m: Grid, x: Grid) -> list[Grid]:
        dx = np.zeros(x.shape)
        for at, pixel in tops(x):
            dx[pixel] += g[at]
        return [dx]

    return Op(forward, back)


def normal(axis: int) -> Mapping[str, Op]:
    """The three steps of a normalisation along an axis: mean, var, (x − mean)/√(var + ε)."""
    return normalised(
        axis, lambda var, eps: np.sqrt(var + eps), lambda var, eps: 0.5 / np.sqrt(var + eps)
    )


def normalised(axis: int, root: Callable[..., Any], slope: Callable[..., Any]) -> Mapping[str, Op]:
    """The same with something else below, and its slope by the variance."""

    def line(m: Grid) -> Grid:
        return np.expand_dims(m, axis)

    def back(g: Grid, hat: Grid, x: Grid, m: Grid, var: Grid, eps: float) -> list[Any]:
        own = g / root(line(var), eps)
        third = -(own * (x - line(m))).sum(axis) * slope(var, eps) / root(var, eps)
        return [own, -own.sum(axis), third, None]

    def back_of_var(g: Grid, v: Grid, x: Grid, m: Grid) -> list[Any]:
        own = 2 * (x - line(m)) / x.shape[axis] * line(g)
        return [own, -own.sum(axis)]

    return {
        "mean of line": Op(
            lambda x: x.mean(axis), lambda g, m, x: [np.ones(x.shape) * line(g) / x.shape[axis]]
        ),
        "var": Op(lambda x, m: ((x - line(m)) ** 2).mean(axis), back_of_var),
        "hat": Op(lambda x, m, var, eps: (x - line(m)) / root(line(var), eps), back),
    }


def gather(g: Grid, shape: tuple[int, ...]) -> Grid:
    """The sum over the places where a smaller operand stood."""
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1 and g.shape[axis] != 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


def _picked(g: Grid, e: Grid, rows: list[int], once: bool) -> Grid:
    found = np.zeros(e.shape)
    for row, each in zip(rows, g, strict=True):
        found[row] = each if once else found[row] + each
    return found


def outer_or(g: Grid, a: Grid, b: Grid) -> Grid:
    """∂L/∂a of a @ b, b a matrix or a vector."""
    return np.outer(g, b) if b.ndim == 1 else g @ b.T


RIGHT: Mapping[str, Op] = {
    "project": Op(lambda a, b: a @ b, lambda g, c, a, b: [g @ b.T, a.T @ g]),
    "scores": Op(lambda q, k: q @ k.T, lambda g, c, q, k: [g @ k, g.T @ q]),
    "scale": Op(lambda s, d: s / np.sqrt(d), lambda g, c, s, d: [g / np.sqrt(d), None]),
    "mask": Op(lambda s: np.where(np.tri(*s.shape) > 0, s, -np.inf), lambda g, c, s: [g]),
    "softmax": shares(1),
    "mix": Op(lambda p, v: p @ v, lambda g, c, p, v: [g @ v.T, p.T @ g]),
    "half square": Op(lambda z, y: 0.5 * np.sum((z - y) ** 2), lambda g, c, z, y: [g * (z - y), None]),
    "conv": correlation(),
    "pool": pooling(),
    "shift": Op(lambda a, b: a + b, lambda g, c, a, b: [g, gather(g, np.shape(b))]),
    "relu": Op(lambda z: np.maximum(z, 0), lambda g, a, z: [g * (z > 0)]),
    "tanh": Op(np.tanh, lambda g, a, z: [g * (1 - a * a)]),
    "sigmoid": Op(lambda z: 1 / (1 + np.exp(-z)), lambda g, a, z: [g * a * (1 - a)]),
    "flatten": Op(lambda a: a.reshape(-1), lambda g, c, a: [g.reshape(a.shape)]),
    "dense": Op(lambda w, a: w @ a, lambda g, c, w, a: [outer_or(g, w, a), w.T @ g]),
    "dot": Op(lambda w, a: w @ a, lambda g, c, w, a: [g * a, g * w]),
    "recurrent": Op(lambda u, h: u @ h, lambda g, c, u, h: [np.outer(g, h), u.T @ g]),
    "times": Op(lambda a, b: a * b, lambda g, c, a, b: [gather(g * b, np.shape(a)), gather(g * a, np.shape(b))]),
    "gain": Op(lambda a, b: a * b, lambda g, c, a, b: [gather(g * b, np.shape(a)), gather(g * a, np.shape(b))]),
    "rest": Op(lambda z: 1 - z, lambda g, c, z: [-g]),
    **normal(1),
    "mean rows": Op(lambda a: a.mean(axis=0), lambda g, c, a: [np.tile(g, (len(a), 1)) / len(a)]),
    "rows": Op(lambda e, rows: e[rows], lambda g, c, e, rows: [_picked(g, e, rows, False), None]),
    "losses": Op(lambda p, y: -(y * np.log(p)).sum(axis=1), lambda g, c, p, y: [-g[:, None] * y / p, None]),
    "mean": Op(lambda a: a.mean(), lambda g, c, a: [np.full(a.shape, g / a.size)]),
    "log loss": Op(lambda p, y: -(y * np.log(p) + (1 - y) * np.log(1 - p)), lambda g, c, p, y: [g * (p - y) / (p * (1 - p)), None]),
}  # fmt: skip


# --- a student at work ---


@dataclass(frozen=True, eq=False)
class Value:
    value: Any
    back: Callable[[Any], list[tuple[Value, Any]]] | None = None
    name: str = ""


def rounded(value: Any, digits: int) -> Any:
    if np.ndim(value):
        return np.array([rounded(each, digits) for each in value])
    return float(f"%.{digits}g" % value) if np.isfinite(value) else value


@dataclass
class Student:
    digits: int
    ops: Mapping[str, Op]
    gathered: Callable[[list[Any]], list[Any]] = lambda each: each
    order: list[Value] = field(default_factory=list)
    paper: dict[str, Any] = field(default_factory=dict)
    leaves: dict[str, Value] = field(default_factory=dict)
    grads: dict[str, Any] = field(default_factory=dict)

    def leaf(self, name: str, value: Any) -> Value:
        made = Value(np.array(value, dtype=float), None, name)
        self.leaves[name] = made
        return made

    def of(self, op: str, *operands: Any) -> Value:
        row = self.ops[op]
        values = [each.value if isinstance(each, Value) else each for each in operands]
        result = row.forward(*values)

        def back(g: Any) -> list[tuple[Value, Any]]:
            sent = row.back(np.asarray(g), result, *values)
            pairs = zip(operands, sent, strict=True)
            return [(each, own) for each, own in pairs if isinstance(each, Value)]

        made = Value(result, back)
        self.order.append(made)
        return made

    def write(self, name: str, value: Value) -> Value:
        made = Value(rounded(value.value, self.digits), lambda g: [(value, g)], name)
        self.order.append(made)
        self.paper[name] = made.value
        return made

    def add(self, *terms: Value) -> Value:
        total = terms[0]
        for term in terms[1:]:
            total = self.of("shift", total, term)
        return total

    def go_back(self, seed: Value, start: Any = 1.0) -> None:
        sent: dict[int, list[Any]] = {id(seed): [np.asarray(start)]}
        for node in reversed(self.order):
            if id(node) not in sent:
                continue
            g = sum(sent[id(node)])
            if node.name and node is not seed:
                g = self.grads[node.name] = rounded(g, self.digits)
            assert node.back is not None
            for to, own in node.back(g):
                sent.setdefault(id(to), []).append(own)
        for name, leaf in self.leaves.items():
            if id(leaf) in sent:
                self.grads[name] = rounded(sum(self.gathered(sent[id(leaf)])), self.digits)

    def answers(self, rate: float | None, all_gradients: bool) -> dict[str, Any]:
        found = dict(self.paper)
        for name, g in self.grads.items():
            if all_gradients or name in self.leaves:
                found[f"dL/d{name}"] = g
        for name, leaf in self.leaves.items():
            if rate is not None and name in self.grads:
                new = leaf.value - rate * self.grads[name]
                found[f"{name}_new"] = rounded(new, self.digits)
        return found


# --- sheets: a problem with its numbers, and how it is worked out ---

Data = dict[str, Any]
Work = Callable[[Student, Data], None]


def num(random: Random, low: float = -0.9, high: float = 0.95) -> float:
    while abs(value := round(random.uniform(low, high), 2)) < 0.08:
        pass
    return value


def grid(random: Random, *shape: int, whole: bool = False) -> Any:
    if not shape:
        return random.choice((-1, 0, 1, 2, 3)) if whole else num(random)
    return [grid(random, *shape[1:], whole=whole) for _ in range(shape[0])]


def spread_out(random: Random, *shape: int) -> Any:
    """Numbers of one decimal, no two alike, so that there is one largest in a window."""
    count = int(np.prod(shape))
    values = random.sample([n / 10 for n in range(-20, 31) if n], count)
    return np.array(values).reshape(shape).tolist()


def attention(random: Random, masked: bool) -> Data:
    n, d, inner = random.choice(((3, 2, 2), (2, 2, 2), (3, 2, 3), (3, 3, 2)))
    return {
        "title": "Attention",
        "equations": {
            "Q": "X @ Wq", "K": "X @ Wk", "V": "X @ Wv", "S": f"Q @ K^T / sqrt({inner})",
            "P": "softmax(S + causal_mask(S))" if masked else "softmax(S)",
            "Z": "P @ V", "L": "½ sum((Z - Y)²)",
        },
        "given": {"X": spread_out(random, n, d), "Y": spread_out(random, n, inner)},
        "parameters": {w: grid(random, d, inner) for w in ("Wq", "Wk", "Wv")},
        "learning_rate": 0.1,
    }  # fmt: skip


def work_attention(student: Student, data: Data) -> None:
    own = {name: student.leaf(name, value) for name, value in data["parameters"].items()}
    x = np.array(data["given"]["X"], dtype=float)
    q, k, v = (
        student.write(name, student.of("project", x, own[w]))
        for name, w in (("Q", "Wq"), ("K", "Wk"), ("V", "Wv"))
    )
    s = student.write("S", student.of("scale", student.of("scores", q, k), q.value.shape[1]))
    if "mask" in data["equations"]["P"]:
        s = student.of("mask", s)
    p = student.write("P", student.of("softmax", s))
    z = student.write("Z", student.of("mix", p, v))
    loss = student.of("half square", z, np.array(data["given"]["Y"], dtype=float))
    student.go_back(student.write("L", loss))


def conv_net(random: Random) -> Data:
    return {
        "title": "Convolution",
        "equations": {
            "C": "conv2d(X, K, padding=1) + c", "A": "relu(C)", "M": "max_pool(A, 2)",
            "yhat": "dot(w, flatten(M)) + b", "L": "½(yhat - y)²",
        },
        "given": {"X": spread_out(random, 4, 4), "y": 1},
        "parameters": {"K": grid(random, 3, 3), "c": 0.1, "w": grid(random, 4), "b": 0.2},
        "learning_rate": 0.1,
    }  # fmt: skip


def work_conv_net(student: Student, data: Data) -> None:
    own = {name: student.leaf(name, value) for name, value in data["parameters"].items()}
    x = np.array(data["given"]["X"], dtype=float)
    c = student.write("C", student.of("shift", student.of("conv", x, own["K"], 1, 1), own["c"]))
    a = student.write("A", student.of("relu", c))
    m = student.write("M", student.of("pool", a))
    score = student.of("dot", own["w"], student.of("flatten", m))
    yhat = student.write("yhat", student.of("shift", score, own["b"]))
    student.go_back(student.write("L", student.of("half square", yhat, data["given"]["y"])))


def conv_layers(random: Random) -> Data:
    return {
        "title": "Layers",
        "inputs": spread_out(random, 4, 4),
        "targets": [1],
        "layers": [
            {"kind": "conv2d", "kernels": [grid(random, 3, 3)], "biases": [0.1], "padding": 1,
             "activation": "relu"},
            {"kind": "max_pool", "size": 2},
            {"kind": "flatten"},
            {"activation": "sigmoid", "weights": [grid(random, 4)], "biases": [num(random)]},
        ],
        "loss": "half_squared_error",
        "learning_rate": 0.1,
    }  # fmt: skip


def work_conv_layers(student: Student, data: Data) -> None:
    first, last = data["layers"][0], data["layers"][3]
    k, c = student.leaf("w1", first["kernels"][0]), student.leaf("b1_1", first["biases"][0])
    w, b = student.leaf("w4", last["weights"]), student.leaf("b4", last["biases"])
    x = np.array(data["inputs"], dtype=float)
    z = student.write("z1", student.of("shift", student.of("conv", x, k, 1, 1), c))
    a = student.write("a1", student.of("relu", z))
    m = student.write("a2", student.of("pool", a))
    score = student.of("dense", w, student.of("flatten", m))
    yhat = student.write("yhat", student.of("sigmoid", student.write("z4", student.add(score, b))))
    loss = student.of("half square", yhat, np.array(data["targets"], dtype=float))
    student.go_back(student.write("L", loss))


def upstream(random: Random) -> Data:
    n = random.choice((3, 4))
    return {
        "title": "Upstream",
        "inputs": spread_out(random, n, n),
        "layers": [
            {"kind": "conv2d", "kernels": [spread_out(random, 2, 2)], "biases": [1],
             "activation": "identity"}
        ],
        "upstream": {"yhat": spread_out(random, n - 1, n - 1)},
        "with_respect_to": ["w1", "b1", "inputs"],
    }  # fmt: skip


def work_upstream(student: Student, data: Data) -> None:
    layer = data["layers"][0]
    k, c = student.leaf("w1", layer["kernels"][0]), student.leaf("b1_1", layer["biases"][0])
    x = student.leaf("x", data["inputs"])
    z = student.write("z1", student.of("shift", student.of("conv", x, k, 1, 0), c))
    yhat = student.write("yhat", z)
    g = np.array(data["upstream"]["yhat"], dtype=float)
    student.go_back(yhat, g)
    student.paper["L"] = rounded(float((g * yhat.value).sum()), student.digits)


def signal(random: Random) -> Data:
    stride = random.choice((1, 2))
    n, k = (6, 3) if stride == 1 else (7, 3)
    return {
        "title": "Signal",
        "equations": {
            "z": f"conv1d(x, k, stride={stride}) + b", "a": "tanh(z)", "L": "½ sum((a - y)²)",
        },
        "given": {"x": spread_out(random, n), "y": grid(random, (n - k) // stride + 1)},
        "parameters": {"k": grid(random, k), "b": 0.2},
        "learning_rate": 0.1,
    }  # fmt: skip


def work_signal(student: Student, data: Data) -> None:
    own = {name: student.leaf(name, value) for name, value in data["parameters"].items()}
    x = np.array(data["given"]["x"], dtype=float)
    stride = 2 if "stride=2" in data["equations"]["z"] else 1
    conv = student.of("conv", x, own["k"], stride, 0)
    z = student.write("z", student.of("shift", conv, own["b"]))
    a = student.write("a", student.of("tanh", z))
    loss = student.of("half square", a, np.array(data["given"]["y"], dtype=float))
    student.go_back(student.write("L", loss))


def rnn(random: Random) -> Data:
    inputs, units, outputs = random.choice(((2, 2, 1), (1, 2, 1), (2, 3, 1), (2, 2, 2)))
    return {
        "title": "Recurrent",
        "index": {"t": "1..3"},
        "equations": {
            "z_t": "Wx @ x_t + Wh @ h_{t-1} + b", "h_t": "tanh(z_t)", "yhat_t": "Wy @ h_t + c",
            "L_t": "½ sum((yhat_t - y_t)²)", "L": "sum(L_t)",
        },
        "given": {"x": spread_out(random, 3, inputs), "y": spread_out(random, 3, outputs),
                  "h_0": [0] * units},
        "parameters": {"Wx": grid(random, units, inputs), "Wh": grid(random, units, units),
                       "b": grid(random, units), "Wy": grid(random, outputs, units),
                       "c": grid(random, outputs)},
        "learning_rate": 0.1,
    }  # fmt: skip


def work_rnn(student: Student, data: Data) -> None:
    own = {name: student.leaf(name, value) for name, value in data["parameters"].items()}
    h: Any = np.zeros(len(data["given"]["h_0"]))
    losses = []
    for t, (x, y) in enumerate(zip(data["given"]["x"], data["given"]["y"], strict=True), 1):
        taken = student.of("dense", own["Wx"], np.array(x, dtype=float))
        kept = student.of("recurrent", own["Wh"], h)
        z = student.write(f"z_{t}", student.add(taken, kept, own["b"]))
        h = student.write(f"h_{t}", student.of("tanh", z))
        score = student.add(student.of("dense", own["Wy"], h), own["c"])
        yhat = student.write(f"yhat_{t}", score)
        loss = student.of("half square", yhat, np.array(y, dtype=float))
        losses.append(student.write(f"L_{t}", loss))
    student.go_back(student.write("L", student.add(*losses)))


def cell(random: Random, kind: str) -> Data:
    inputs, units = random.choice(((2, 2), (1, 2)))
    gates = "ifgo" if kind == "lstm" else "rzn"
    layer: Data = {
        "kind": kind,
        "units": units,
        "weights": {gate: grid(random, units, inputs) for gate in gates},
        "recurrent": {gate: grid(random, units, units) for gate in gates},
        "biases": {gate: grid(random, units) for gate in gates},
    }
    if kind == "gru":
        layer["recurrent_biases"] = {"n": grid(random, units)}
    layer["initial"] = {"a": grid(random, units)}
    return {
        "title": kind,
        "inputs": spread_out(random, random.choice((2, 3)), inputs),
        "targets": grid(random, units),
        "layers": [layer],
        "loss": "half_squared_error",
        "learning_rate": 0.1,
    }


def work_cell(student: Student, data: Data) -> None:
    (layer,) = data["layers"]
    gates = tuple(layer["weights"])
    w, u, b = (
        {gate: student.leaf(f"{letter}{gate}1", layer[key][gate]) for gate in gates}
        for letter, key in (("w", "weights"), ("u", "recurrent"), ("b", "biases"))
    )
    units = layer["units"]
    a: Any = np.array(layer.get("initial", {}).get("a", [0] * units), dtype=float)
    c: Any = np.zeros(units)
    extra = layer.get("recurrent_biases", {})
    bun = student.leaf("bun1", extra["n"]) if extra else None
    for t, row in enumerate(data["inputs"], 1):
        x = np.array(row, dtype=float)
        made: dict[str, Value] = {}
        for gate in gates:
            taken = student.of("dense", w[gate], x)
            kept = student.of("recurrent", u[gate], a)
            if bun is not None and gate == "n":
                first = "gate first" in student.ops
                seen = (
                    student.of("recurrent", u[gate], student.of("times", made["r"], a))
                    if first
                    else kept
                )
                kept = student.add(seen, bun)
                kept = kept if first else student.of("times", made["r"], kept)
            z = student.write(f"z{gate}1_{t}", student.add(taken, kept, b[gate]))
            squash = "tanh" if gate in "gn" else "sigmoid"
            made[gate] = student.write(f"{gate}1_{t}", student.of(squash, z))
        if layer["kind"] == "lstm":
            own = student.of("times", made["i"], made["g"])
            c = student.write(f"c1_{t}", student.add(student.of("times", made["f"], c), own))
            a = student.of("times", made["o"], student.of("tanh", c))
        else:
            new = student.of("times", student.of("rest", made["z"]), made["n"])
            a = student.add(new, student.of("times", made["z"], a))
        a = student.write(f"a1_{t}", a)
    loss = student.of("half square", a, np.array(data["targets"], dtype=float))
    student.go_back(student.write("L", loss))


def layer_norm(random: Random) -> Data:
    n, d = random.choice(((2, 3), (3, 3), (2, 2), (3, 2)))
    return {
        "title": "Layer normalisation",
        "equations": {"N": "layer_norm(X, gamma, beta, 0.01)", "L": "½ sum((N - Y)²)"},
        "given": {"Y": grid(random, n, d)},
        "parameters": {"X": spread_out(random, n, d), "gamma": grid(random, d), "beta": grid(random, d)},
        "learning_rate": 0.1,
    }  # fmt: skip


def work_layer_norm(student: Student, data: Data) -> None:
    x, gamma, beta = (student.leaf(name, value) for name, value in data["parameters"].items())
    mean = student.write("N_mean", student.of("mean of line", x))
    var = student.write("N_var", student.of("var", x, mean))
    hat = student.write("N_hat", student.of("hat", x, mean, var, 0.01))
    n = student.write("N", student.of("shift", student.of("gain", gamma, hat), beta))
    loss = student.of("half square", n, np.array(data["given"]["Y"], dtype=float))
    student.go_back(student.write("L", loss))


def regression(random: Random) -> Data:
    n, d, classes = random.choice(((4, 2, 3), (3, 2, 3), (3, 2, 2), (2, 2, 2)))
    marks = [random.randrange(classes) for _ in range(n)]
    return {
        "title": "Softmax regression",
        "equations": {"Z": "X @ W + b", "P": "softmax(Z)", "L": "cross_entropy(P, Y)"},
        "given": {"X": spread_out(random, n, d),
                  "Y": [[int(at == mark) for at in range(classes)] for mark in marks]},
        "parameters": {"W": grid(random, d, classes), "b": grid(random, classes)},
        "learning_rate": 0.5,
    }  # fmt: skip


def work_regression(student: Student, data: Data) -> None:
    w, b = (student.leaf(name, value) for name, value in data["parameters"].items())
    x, y = (np.array(each, dtype=float) for each in data["given"].values())
    z = student.write("Z", student.of("shift", student.of("project", x, w), b))
    p = student.write("P", student.of("softmax", z))
    rows = student.write("L_row", student.of("losses", p, y))
    student.go_back(student.write("L", student.of("mean", rows)))


def embedding(random: Random) -> Data:
    words, d = random.choice(((4, 2), (4, 3), (3, 2)))
    tokens = [2, words, 2]
    return {
        "title": "Embedding",
        "equations": {
            "H": "E[tokens]", "z": "mean(H, axis=0)", "yhat": "sigmoid(dot(w, z))",
            "L": "-(y ln yhat + (1 - y) ln(1 - yhat))",
        },
        "given": {"tokens": tokens, "y": 1},
        "parameters": {"E": grid(random, words, d), "w": grid(random, d)},
        "learning_rate": 0.5,
    }  # fmt: skip


def work_embedding(student: Student, data: Data) -> None:
    e, w = (student.leaf(name, value) for name, value in data["parameters"].items())
    h = student.write("H", student.of("rows", e, [at - 1 for at in data["given"]["tokens"]]))
    z = student.write("z", student.of("mean rows", h))
    yhat = student.write("yhat", student.of("sigmoid", student.of("dot", w, z)))
    student.go_back(student.write("L", student.of("log loss", yhat, data["given"]["y"])))


@dataclass(frozen=True)
class Sheet:
    make: Callable[[Random], Data]
    work: Work
    shipped: str = ""


SHEETS: Mapping[str, Sheet] = {
    "attention": Sheet(lambda r: attention(r, False), work_attention, "attention"),
    "causal": Sheet(lambda r: attention(r, True), work_attention, "attention-causal-mask"),
    "conv net": Sheet(conv_net, work_conv_net, "conv-pool-dense"),
    "conv layers": Sheet(conv_layers, work_conv_layers, "conv-relu-pool-dense"),
    "upstream": Sheet(upstream, work_upstream, "conv-upstream-gradient"),
    "signal": Sheet(signal, work_signal, "signal-convolution"),
    "rnn": Sheet(rnn, work_rnn, "rnn-three-steps"),
    "lstm": Sheet(lambda r: cell(r, "lstm"), work_cell, "lstm-two-steps"),
    "gru": Sheet(lambda r: cell(r, "gru"), work_cell, "gru-two-steps"),
    "layer norm": Sheet(layer_norm, work_layer_norm, "layer-norm"),
    "regression": Sheet(regression, work_regression, "softmax-regression-batch"),
    "embedding": Sheet(embedding, work_embedding, "embedding-repeated-token"),
}

# --- ideas: other operations in the place of the right ones ---


@dataclass(frozen=True)
class Idea:
    """`codes` are the names a person would give it."""

    codes: tuple[str, ...]
    sheets: tuple[str, ...]
    ops: Mapping[str, Op] = field(default_factory=dict)
    gathered: Callable[[list[Any]], list[Any]] = lambda each: each
    turned: bool = False  # square gradients are handed in transposed
    square: bool = False  # n×n at heart: fits only where n = d


def plain(name: str) -> Op:
    """Without its own slope."""
    return RIGHT[name].going_back(lambda g, *rest: [g])


SEEN = ("attention", "causal")
CONVOLVED = ("conv net", "conv layers", "upstream", "signal")
OVER_TIME = ("rnn", "lstm", "gru")
STAY = Op(lambda u, h: u.T @ h, lambda g, c, u, h: [np.outer(h, g), u @ g])

CONSTANT_MEAN = {"mean of line": RIGHT["mean of line"].going_back(lambda g, m, x: [0 * x])}
CONSTANT_VAR = {"var": RIGHT["var"].going_back(lambda g, v, x, m: [0 * x, 0 * m])}

IDEAS: Mapping[str, Idea] = {
    "S = K Qᵀ": Idea(("matrix-order", "transposed"), SEEN, {"scores": Op(lambda q, k: k @ q.T, lambda g, c, q, k: [g.T @ k, g @ q])}),
    "S = K Qᵀ, forward only": Idea(("matrix-order", "transposed"), SEEN, {"scores": RIGHT["scores"].forth(lambda q, k: k @ q.T)}),
    "no 1/√d": Idea(("missing-scale",), SEEN, {"scale": Op(lambda s, d: s, lambda g, c, s, d: [g, None])}),
    "no 1/√d going back": Idea(("missing-scale",), SEEN, {"scale": RIGHT["scale"].going_back(lambda g, c, s, d: [g, None])}),
    "softmax down the columns": Idea(("wrong-axis", "transposed"), (*SEEN[:1], "regression"), {"softmax": shares(0)}),
    "softmax down the columns, forward only": Idea(("wrong-axis", "transposed"), (*SEEN[:1], "regression"), {"softmax": RIGHT["softmax"].forth(shares(0).forward)}),
    "softmax down the columns, going back": Idea(("wrong-axis", "transposed"), SEEN[:1], {"softmax": RIGHT["softmax"].going_back(shares(0).back)}),
    "softmax diagonal": Idea(("softmax-diagonal",), (*SEEN, "regression"), {"softmax": RIGHT["softmax"].going_back(lambda g, p, s: [g * p * (1 - p)])}),
    "P for Pᵀ": Idea(("transposed",), SEEN, {"mix": RIGHT["mix"].going_back(lambda g, c, p, v: [g @ v.T, p @ g])}),
    "∂S for ∂Sᵀ": Idea(("transposed",), SEEN, {"scores": RIGHT["scores"].going_back(lambda g, c, q, k: [g @ k, g @ q])}),
    "gradients transposed": Idea(("transposed",), SEEN, turned=True),
    "kernel flipped": Idea(("kernel-flipped",), CONVOLVED, {"conv": correlation(True, True, True)}),
    "kernel flipped, forward only": Idea(("kernel-flipped",), CONVOLVED, {"conv": correlation(True)}),
    "∂K flipped": Idea(("kernel-flipped",), CONVOLVED, {"conv": correlation(False, False, True)}),
    "∂X not flipped": Idea(("kernel-flipped",), ("upstream",), {"conv": correlation(False, True)}),
    "∂K flipped and ∂X not": Idea(("kernel-flipped",), ("upstream",), {"conv": correlation(False, True, True)}),
    "windows one further": Idea(("wrong-window",), ("conv net", "conv layers"), {"conv": correlation(start=1)}),
    "windows one further, forward only": Idea(("wrong-window",), ("conv net", "conv layers"), {"conv": RIGHT["conv"].forth(correlation(start=1).forward)}),
    "stride 1 for 2": Idea(("wrong-window",), ("signal",), {"conv": correlation(by=1)}),
    "pooling by 1": Idea(("wrong-window",), ("conv net", "conv layers"), {"pool": pooling(stride=1)}),
    "pooling one further": Idea(("wrong-window",), ("conv net", "conv layers"), {"pool": pooling(start=1)}),
    "no slope of relu": Idea(("missing-activation-derivative",), ("conv net", "conv layers"), {"relu": plain("relu")}),
    "bias not summed": Idea(("missing-sum",), ("regression",), {"shift": RIGHT["shift"].going_back(lambda g, c, a, b: [g, g[0] if g.ndim > np.ndim(b) else g])}),
    "no 1/N": Idea(("missing-scale", "sum-not-mean"), ("regression",), {"mean": RIGHT["mean"].going_back(lambda g, c, a: [np.full(a.shape, g)])}),
    "W_h not transposed": Idea(("transposed",), OVER_TIME, {"recurrent": RIGHT["recurrent"].going_back(lambda g, c, u, h: [np.outer(g, h), u @ g])}),
    "W_h transposed throughout": Idea(("transposed",), OVER_TIME, {"recurrent": STAY}),
    "W_h transposed, forward only": Idea(("transposed",), OVER_TIME, {"recurrent": RIGHT["recurrent"].forth(STAY.forward)}),
    "∂W_h transposed": Idea(("transposed",), OVER_TIME, {"recurrent": RIGHT["recurrent"].going_back(lambda g, c, u, h: [np.outer(h, g), u.T @ g])}),
    "last time step only": Idea(("missing-sum", "missing-path"), OVER_TIME, gathered=lambda each: each[:1]),
    "path through h left out": Idea(("missing-path",), OVER_TIME, {"recurrent": RIGHT["recurrent"].going_back(lambda g, c, u, h: [np.outer(g, h), 0 * h])}),
    "no slope of tanh": Idea(("missing-activation-derivative",), (*OVER_TIME, "signal"), {"tanh": plain("tanh")}),
    "no slope of tanh and σ": Idea(("missing-activation-derivative",), ("lstm", "gru"), {"tanh": plain("tanh"), "sigmoid": plain("sigmoid")}),
    "normalised down the columns": Idea(("wrong-axis", "transposed"), ("layer norm",), normal(0)),
    "normalised down the columns, forward only": Idea(("wrong-axis", "transposed"), ("layer norm",), {key: RIGHT[key].forth(op.forward) for key, op in normal(0).items()}),
    "mean and variance constant": Idea(("missing-path",), ("layer norm",), {**CONSTANT_MEAN, **CONSTANT_VAR}),
    "mean constant": Idea(("missing-path",), ("layer norm",), CONSTANT_MEAN),
    "variance constant": Idea(("missing-path",), ("layer norm",), CONSTANT_VAR),
    "gamma left out going back": Idea(("missing-factor",), ("layer norm",), {"gain": RIGHT["gain"].going_back(lambda g, c, a, b: [gather(g * b, np.shape(a)), g])}),
    "ε left out": Idea(("missing-path",), ("layer norm",), normalised(1, lambda var, eps: np.sqrt(var), lambda var, eps: 0.5 / np.sqrt(var))),
    "ε beside the root": Idea(("missing-path",), ("layer norm",), normalised(1, lambda var, eps: np.sqrt(var) + eps, lambda var, eps: 0.5 / np.sqrt(var))),
    "no root": Idea(("missing-factor",), ("layer norm",), normalised(1, lambda var, eps: var + eps, lambda var, eps: 1)),
    "reset gate before the product": Idea(("matrix-order",), ("gru",), {"gate first": RIGHT["times"]}),
    "repeated token once": Idea(("missing-path", "missing-sum"), ("embedding",), {"rows": RIGHT["rows"].going_back(lambda g, c, e, rows: [_picked(g, e, rows, True), None])}),
    "no 1/n going back": Idea(("missing-scale", "missing-factor", "sum-not-mean"), ("embedding",), {"mean rows": RIGHT["mean rows"].going_back(lambda g, c, a: [np.tile(g, (len(a), 1))])}),
    "mask left out": Idea(("missing-factor",), ("causal",), {"mask": Op(lambda s: s, lambda g, c, s: [g])}),
    "none": Idea((), tuple(SHEETS)),
}  # fmt: skip


def listed(value: Any) -> Any:
    return [listed(each) for each in value] if np.ndim(value) else float(value)


def worked(sheet: Sheet, data: Data, idea: Idea, digits: int, whole: bool) -> dict[str, Any]:
    student = Student(digits, {**RIGHT, **idea.ops}, idea.gathered)
    sheet.work(student, data)
    if idea.turned:
        for name in student.leaves:
            g = student.grads.get(name)
            if g is not None and g.ndim == 2 and g.shape[0] == g.shape[1]:
                student.grads[name] = g.T
    return student.answers(data.get("learning_rate"), whole)


def loaded(sheet: Sheet, random: Random, shipped: bool) -> tuple[Data, str]:
    if shipped:
        from pages import PROBLEMS

        text = (PROBLEMS / f"{sheet.shipped}.yaml").read_text(encoding="utf-8")
        data = yaml.safe_load(text)
        for layer in data.get("layers", ()):  # a level less: one output channel, one input channel
            if "kernels" in layer:
                kernels = np.array(layer["kernels"], dtype=float)
                layer["kernels"] = kernels.reshape(-1, *kernels.shape[-2:])
        return data, text
    data = sheet.make(random)
    return data, yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def compared(sheet: Sheet, data: Data, idea: Idea, digits: int, whole: bool) -> Any:
    """What the student hands in and what is right; None where the idea changes nothing, gives other
    shapes, or makes something come to nothing, which shows nothing."""
    right = worked(sheet, data, IDEAS["none"], digits, whole)
    try:
        answers = worked(sheet, data, idea, digits, whole)
    except ValueError:
        return None
    if any(np.shape(answers[key]) != np.shape(right[key]) for key in right):
        return None
    exact, true = (worked(sheet, data, each, 15, whole) for each in (idea, IDEAS["none"]))
    nothing = {key: np.abs(exact[key]) < 1e-9 for key in true}
    if any(np.any(nothing[key] & (np.abs(true[key]) > 1e-9)) for key in true):
        return None
    if idea.codes and all(np.array_equal(answers[key], right[key]) for key in right):
        return None
    return answers, right


def changes(kind: str, name: str) -> bool:
    """Whether an idea can be seen on the shipped sheet."""
    data, _ = loaded(SHEETS[kind], Random(0), shipped=True)
    return all(compared(SHEETS[kind], data, IDEAS[name], 6, whole) for whole in (False, True))


@dataclass
class Count:
    sheets: int = 0
    named: int = 0
    lost: list[float] = field(default_factory=list)
    false: int = 0
    """Answers right in themselves that were called wrong."""

    @property
    def near(self) -> float:
        return sum(abs(lost - 1) <= 1 and lost > 0 for lost in self.lost) / max(1, self.sheets)


def one(name: str, idea: Idea, sheet: Sheet, number: int) -> tuple[SubmissionReport, SubmissionReport, float] | None:  # fmt: skip
    """A student's report and that of one without the idea; None where the idea changes nothing."""
    random = Random(f"{name} {sheet.shipped} {number}")
    data, text = loaded(sheet, random, shipped=number % 3 == 0)
    digits, whole = random.choice((4, 5, 6)), number % 2 == 0
    found = compared(sheet, data, idea, digits, whole)
    if found is None:
        return None
    answers, right = found
    checker = Checker(read_problem("sheet.yaml", text))
    reports = []
    for given in (answers, right):
        text = json.dumps({"answers": {key: listed(value) for key, value in given.items()}})
        submission = parse_submission("student.json", text)
        start = time.process_time()
        reports.append(checker.mark(submission))
        spent = time.process_time() - start
        if len(reports) == 1:
            first = spent
    return reports[0], reports[1], first


def students(name: str, kind: str, sheets: int) -> Iterator[Any]:
    for number in range(sheets):
        found = one(name, IDEAS[name], SHEETS[kind], number)
        if found is not None:
            yield number, *found


def main(sheets: int, words: Sequence[str], show: bool) -> int:
    bad, seconds, marked = 0, 0.0, 0
    for name, idea in IDEAS.items():
        for kind in idea.sheets:
            if not all(word in f"{kind}: {name}" for word in words):
                continue
            count = Count()
            for number, report, right, spent in students(name, kind, sheets):
                seconds, marked = seconds + spent, marked + 1
                count.sheets += 1
                count.lost.append(report.max_score - report.score)
                wrong = [each for each in report.answers if each.points < each.max_points]
                first = next((each for each in report.answers if each.verdict == "wrong"), None)
                code = "" if first is None or first.mistake is None else first.mistake.code
                count.named += code in idea.codes
                count.false += sum(each.verdict == "wrong" for each in right.answers)
                if show and (code not in idea.codes or not 0 < count.lost[-1] <= 2):
                    print(
                        f"   {kind}: {name} {number}: {count.lost[-1]} of {report.max_score} ({spent:.2f} s)"
                    )
                    for each in wrong[:8]:
                        slip = each.mistake.code if each.mistake else ""
                        print(
                            f"      {each.name} = {each.given}: {each.verdict} {slip} {each.feedback[:100]}"
                        )
            if not count.sheets:
                continue
            mean = sum(count.lost) / count.sheets
            good = (count.near >= 0.95 if idea.codes else mean == 0) and not count.false
            bad += not good
            print(
                f"{kind:12} {name:42} {count.sheets:3} sheets, named {count.named / count.sheets:5.0%}, "
                f"lost {mean:5.2f}, near {count.near:5.0%}, right called wrong {count.false}"
                + ("" if good else "  *")
            )
    print(f"{marked} sheets, {marked / max(seconds, 1e-9):.0f} a second")
    return 1 if bad else 0


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "-v"]
    number = int(words.pop(0)) if words and words[0].isdigit() else 10
    sys.exit(main(number, words, "-v" in sys.argv))
