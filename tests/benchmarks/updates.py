"""Ten thousand updates of the 3-2-2-1 sheet, against PyTorch and against micrograd.

PyTorch is not needed: without it a line says so. micrograd's engine has no sigmoid, so that it
is written here in its manner, operation by operation, with the one that is missing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

from measure import SHEET, Row, network, seconds

UPDATES = 10_000
FEW = 1_000
"""The slow ones are timed over fewer updates."""
WEIGHTS = (
    ([[0.42, 0.72, 0.21], [0.11, 0.30, 0.65]], [0.01, 0.01], "relu"),
    ([[0.17, 0.29], [0.91, 0.08]], [0.05, 0.05], "sigmoid"),
    ([[0.61, 0.39]], [0.08], "sigmoid"),
)
LARGE, SAMPLES, ROUNDS = (30, 30, 10), 32, 100
INPUTS, TARGET, RATE = (6.0, 2.0, 5.0), 1.0, 0.7


def measure() -> Iterator[Row]:
    ours, whole, final = _ours()
    yield Row("one update", ours * 1e6, " µs")
    yield Row(f"one of {UPDATES} updates, reading and building included", whole * 1e6, " µs")
    yield from _large()
    graph, check = _scalar_graph(FEW)
    yield Row("micrograd's way: one update", graph * 1e6, " µs")
    yield Row("micrograd's way against ours", graph / ours, " times", 20, "at least")
    yield Row("micrograd's way against ours, all included", graph / whole, " times", 20, "at least")
    yield Row("same first weight after so many updates", abs(check - _weight(FEW)), "", 1e-9)
    try:
        import torch
    except ImportError:
        yield Row("PyTorch eager", None, note="torch is not installed, comparison skipped")
        return
    eager, check = _eager(torch, FEW)
    yield Row("PyTorch eager: one update", eager * 1e6, " µs")
    yield Row("PyTorch eager against ours", eager / ours, " times", 40, "at least")
    yield Row("PyTorch eager against ours, all included", eager / whole, " times", 40, "at least")
    yield Row("same first weight after so many updates", abs(check - _weight(FEW)), "", 1e-9)
    del final


def _large() -> Iterator[Row]:
    """A batch of a larger network: on arrays, in straight lines, and as one writes it in NumPy."""
    from backprop_cli.graph.batches import Builder
    from backprop_cli.problem.read import read_problem
    from backprop_cli.run import compiled
    from backprop_cli.run.evaluation import initial_values
    from backprop_cli.run.program import program

    try:
        import numpy
    except ImportError:
        yield Row("a batch with NumPy", None, note="NumPy is not installed")
        return
    builder = Builder(read_problem("large.yaml", network(*LARGE, samples=SAMPLES)))
    whole = program(builder)
    values = initial_values(whole.graph)
    state = [float(values[name] or 0) for name in whole.state]
    batches = builder.cycle()
    took = []
    for loop in (compiled._loop(whole, single=True), compiled.compile_updates(whole, single=True)):
        work = partial(loop, state, batches, 0, ROUNDS, lambda loss: None)
        took.append(seconds(work) / ROUNDS)
    by_hand = seconds(partial(_by_hand, numpy)) / ROUNDS
    what = f"one update of {'-'.join(map(str, LARGE))}, {SAMPLES} samples"
    yield Row(what, took[0] * 1e6, " µs")
    yield Row("straight-line code against arrays", took[1] / took[0], " times", 3, "at least")
    yield Row(
        "arrays against NumPy by hand, e^x and sums in any order", took[0] / by_hand, " times"
    )


def _by_hand(numpy: Any) -> None:
    draw = numpy.random.default_rng(0)
    weights = [draw.normal(size=(units, inputs)) for inputs, units in pairwise(LARGE)]
    biases = [draw.normal(size=units) for units in LARGE[1:]]
    inputs, targets = draw.normal(size=(SAMPLES, LARGE[0])), draw.normal(size=(SAMPLES, LARGE[-1]))
    for _ in range(ROUNDS):
        signals = [inputs]
        for table, row in zip(weights, biases, strict=True):
            signals.append(1 / (1 + numpy.exp(-(signals[-1] @ table.T + row))))
        float((0.5 * (signals[-1] - targets) ** 2).sum(axis=1).mean())
        delta = (signals[-1] - targets) * signals[-1] * (1 - signals[-1]) / SAMPLES
        for layer in reversed(range(len(weights))):
            below, table = signals[layer], weights[layer]
            weights[layer] = table - RATE * delta.T @ below
            biases[layer] = biases[layer] - RATE * delta.sum(axis=0)
            delta = (delta @ table) * below * (1 - below)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    found = work()
    return time.process_time() - begun, found


def _run(steps: int) -> Any:
    from backprop_cli.problem.read import read_problem
    from backprop_cli.run import solve

    return solve(read_problem(SHEET), steps=steps, show=1)


def _weight(steps: int) -> float:
    return float(_run(steps).final["w1_1_1"])


def _ours() -> tuple[float, float, Any]:
    """Seconds an update at the margin, seconds an update with everything before it, the run."""
    runs = [(_timed(lambda: _run(UPDATES)), _timed(lambda: _run(3 * UPDATES))) for _ in range(5)]
    short = min(short for (short, _), _ in runs)
    long = min(long for _, (long, _) in runs)
    return (long - short) / (2 * UPDATES), short / UPDATES, runs[0][0][1]


# micrograd's engine


class Value:
    """A number that remembers where it comes from; `backward` fills in every `grad`."""

    def __init__(self, data: float, children: tuple[Value, ...] = ()) -> None:
        self.data = data
        self.grad = 0.0
        self._backward: Callable[[], None] = lambda: None
        self._prev = set(children)

    def __add__(self, other: Value | float) -> Value:
        addend = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + addend.data, (self, addend))

        def backward() -> None:
            self.grad += out.grad
            addend.grad += out.grad

        out._backward = backward
        return out

    def __mul__(self, other: Value | float) -> Value:
        factor = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * factor.data, (self, factor))

        def backward() -> None:
            self.grad += factor.data * out.grad
            factor.grad += self.data * out.grad

        out._backward = backward
        return out

    def __pow__(self, exponent: float) -> Value:
        out = Value(self.data**exponent, (self,))

        def backward() -> None:
            self.grad += (exponent * self.data ** (exponent - 1)) * out.grad

        out._backward = backward
        return out

    def __sub__(self, other: float) -> Value:
        return self + -other

    def relu(self) -> Value:
        out = Value(0.0 if self.data < 0 else self.data, (self,))

        def backward() -> None:
            self.grad += (out.data > 0) * out.grad

        out._backward = backward
        return out

    def sigmoid(self) -> Value:
        out = Value(1 / (1 + math.exp(-self.data)), (self,))

        def backward() -> None:
            self.grad += out.data * (1 - out.data) * out.grad

        out._backward = backward
        return out

    def backward(self) -> None:
        order: list[Value] = []
        visited: set[Value] = set()

        def visit(value: Value) -> None:
            if value not in visited:
                visited.add(value)
                for child in value._prev:
                    visit(child)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            value._backward()


def _scalar_graph(steps: int) -> tuple[float, float]:
    layers = [
        ([[Value(w) for w in row] for row in rows], [Value(b) for b in biases], name)
        for rows, biases, name in WEIGHTS
    ]
    parameters = [value for rows, biases, _ in layers for row in [*rows, biases] for value in row]

    def train() -> None:
        for _ in range(steps):
            signals = [Value(x) for x in INPUTS]
            for rows, biases, name in layers:
                zs = []
                for row, bias in zip(rows, biases, strict=True):
                    z = bias
                    for weight, signal in zip(row, signals, strict=True):
                        z = z + weight * signal
                    zs.append(z)
                signals = [z.relu() if name == "relu" else z.sigmoid() for z in zs]
            loss = (signals[0] - TARGET) ** 2 * 0.5
            for parameter in parameters:
                parameter.grad = 0.0
            loss.backward()
            for parameter in parameters:
                parameter.data -= RATE * parameter.grad

    taken, _ = _timed(train)
    return taken / steps, parameters[0].data


# PyTorch


def _eager(torch: Any, steps: int) -> tuple[float, float]:
    torch.set_num_threads(1)
    layers = [
        (
            torch.tensor(rows, dtype=torch.float64, requires_grad=True),
            torch.tensor(biases, dtype=torch.float64, requires_grad=True),
            torch.relu if name == "relu" else torch.sigmoid,
        )
        for rows, biases, name in WEIGHTS
    ]
    parameters = [tensor for weights, biases, _ in layers for tensor in (weights, biases)]
    optimizer = torch.optim.SGD(parameters, lr=RATE)
    inputs = torch.tensor(INPUTS, dtype=torch.float64)
    target = torch.tensor([TARGET], dtype=torch.float64)

    def train() -> None:
        for _ in range(steps):
            signal = inputs
            for weights, biases, activation in layers:
                signal = activation(weights @ signal + biases)
            loss = 0.5 * ((signal - target) ** 2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    train_few = _timed(train)
    return train_few[0] / steps, float(layers[0][0][0, 0].detach())
