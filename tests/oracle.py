"""An independent interpreter of problem files, for tests: plain loops, autograd, PyTorch's rules.

It takes a problem as loaded from YAML and returns the numbers that a sheet should show, under
the names of the manual. It shares no code with the package: the forward pass is written for
any kind of number (floats that autograd watches, mpmath's), gradients come from automatic
differentiation, and finite differences of many digits are there to check those.
"""

from __future__ import annotations

import copy
import math
import random
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import autograd.numpy as anp
import mpmath
import yaml
from autograd import grad
from autograd.extend import defvjp, primitive

PROBLEMS = Path(__file__).parent.parent / "problems"

Numbers = dict[str, Any]


def read(name: str) -> dict[str, Any]:
    """A problem file of `problems/` as a plain dictionary."""
    return yaml.safe_load((PROBLEMS / f"{name}.yaml").read_text(encoding="utf-8"))


def of_numbers(name: str) -> bool:
    """Whether a problem is one of single numbers; those with arrays, in equations or in layers, have
    oracles of their own, in `tests/arrays`."""
    problem = read(name)
    if any("kind" in layer for layer in problem.get("layers", [])):
        return False
    sections = [problem.get(section) for section in ("given", "parameters")]
    leaves = [value for each in sections if isinstance(each, dict) for value in each.values()]
    return not any(isinstance(value, list | dict) for value in leaves)


# ---------------------------------------------------------------- kinds of numbers


def _backend(
    exp: Any, log: Any, tanh: Any, erf: Any, sqrt: Any, sin: Any, cos: Any, pi: Any
) -> Any:
    """Functions for one kind of number; `gaps` collects the distances to every kink met."""
    b = SimpleNamespace(exp=exp, log=log, tanh=tanh, erf=erf, sqrt=sqrt, sin=sin, cos=cos, pi=pi)
    b.gaps = []

    def above(x: Any, threshold: Any = 0) -> bool:
        b.gaps.append(abs(_plain(x - threshold)))
        return bool(x > threshold)

    def absolute(x: Any) -> Any:
        return x if above(x) else -x

    def largest(first: Any, *others: Any) -> Any:
        for other in others:
            tie = _plain(first) == _plain(other)
            first = first if above(first, other) else (first + other) / 2 if tie else other
        return first

    def smallest(*values: Any) -> Any:
        return -largest(*(-value for value in values))

    b.above, b.abs, b.max, b.min = above, absolute, largest, smallest
    b.ln = b.log
    b.sigmoid = lambda z: 1 / (1 + exp(-z))
    return b


_erf = primitive(math.erf)  # autograd's own needs SciPy
defvjp(_erf, lambda answer, x: lambda g: g * 2 / math.sqrt(math.pi) * anp.exp(-(x**2)))


def floats() -> Any:
    return _backend(anp.exp, anp.log, anp.tanh, _erf, anp.sqrt, anp.sin, anp.cos, math.pi)


def many_digits() -> Any:
    mp = mpmath.mp
    return _backend(mp.exp, mp.log, mp.tanh, mp.erf, mp.sqrt, mp.sin, mp.cos, mp.pi)


def _plain(x: Any) -> float:
    while hasattr(x, "_value"):  # what autograd watches
        x = x._value
    return float(x)


# ---------------------------------------------------------------- activations and losses

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "identity": lambda b, z: z,
    "linear": lambda b, z: z,
    "sigmoid": lambda b, z: b.sigmoid(z),
    "tanh": lambda b, z: b.tanh(z),
    "relu": lambda b, z: z if b.above(z) else 0 * z,
    "leaky_relu": lambda b, z, slope=0.01: z if b.above(z) else slope * z,
    "elu": lambda b, z, alpha=1: z if b.above(z) else alpha * (b.exp(z) - 1),
    "softplus": lambda b, z: b.log(1 + b.exp(z)),
    "swish": lambda b, z: z * b.sigmoid(z),
    "silu": lambda b, z: z * b.sigmoid(z),
    "gelu": lambda b, z: z * (1 + b.erf(z / b.sqrt(2 + 0 * z))) / 2,
    "gelu_tanh": lambda b, z: (
        z * (1 + b.tanh(b.sqrt(2 / math.pi + 0 * z) * (z + 0.044715 * z**3))) / 2
    ),
    "mish": lambda b, z: z * b.tanh(b.log(1 + b.exp(z))),
    "selu": lambda b, z, alpha=1.6732632423543772, scale=1.0507009873554805: (
        scale * z if b.above(z) else scale * alpha * (b.exp(z) - 1)
    ),
    "hard_sigmoid": lambda b, z: (
        0 * z + 1 if b.above(z, 3) else z / 6 + 0.5 if b.above(z, -3) else 0 * z
    ),
    "step": lambda b, z, threshold=0, at_threshold=1: (
        0 * z + (1 if b.above(z, threshold) else at_threshold if z == threshold else 0)
    ),
    "sign": lambda b, z: 0 * z + (1 if b.above(z) or z == 0 else -1),
}

LOSSES: dict[str, Callable[..., Any]] = {
    "squared_error": lambda b, y, p: sum((t - o) ** 2 for t, o in zip(y, p, strict=True)),
    "half_squared_error": lambda b, y, p: sum((t - o) ** 2 for t, o in zip(y, p, strict=True)) / 2,
    "mean_squared_error": lambda b, y, p: (
        sum((t - o) ** 2 for t, o in zip(y, p, strict=True)) / len(y)
    ),
    "binary_cross_entropy": lambda b, y, p: (
        -sum(_times_log(b, t, o) + _times_log(b, 1 - t, 1 - o) for t, o in zip(y, p, strict=True))
    ),
    "cross_entropy": lambda b, y, p: -sum(_times_log(b, t, o) for t, o in zip(y, p, strict=True)),
    "absolute_error": lambda b, y, p: sum(b.abs(t - o) for t, o in zip(y, p, strict=True)),
    "huber": lambda b, y, p, delta=1: sum(
        delta * (b.abs(t - o) - delta / 2) if b.above(b.abs(t - o), delta) else (t - o) ** 2 / 2
        for t, o in zip(y, p, strict=True)
    ),
    "log_cosh": lambda b, y, p: sum(
        b.log((b.exp(o - t) + b.exp(t - o)) / 2) for t, o in zip(y, p, strict=True)
    ),
    "poisson": lambda b, y, p: sum(o - _times_log(b, t, o) for t, o in zip(y, p, strict=True)),
    "focal": lambda b, y, p, gamma=2, alpha=0.25: (
        -sum(
            (1 - o) ** gamma * _times_log(b, alpha * t, o)
            + o**gamma * _times_log(b, (1 - alpha) * (1 - t), 1 - o)
            for t, o in zip(y, p, strict=True)
        )
    ),
    "hinge": lambda b, y, p: sum(
        1 - t * o if b.above(1 - t * o) else 0 * o for t, o in zip(y, p, strict=True)
    ),
}


def _times_log(b: Any, weight: Any, x: Any) -> Any:
    return 0 * x if weight == 0 else weight * b.log(x)


def _written(text: str, names: Mapping[str, Any], b: Any) -> Any:
    """An equation of our own problem files, which are written to be Python but for `^`."""
    functions = {name: value for name, value in vars(b).items() if name != "gaps"}
    functions |= {name: _activation(name, b) for name in ACTIVATIONS}
    for left, right in re.findall(r"(\w+) [<>]=? (\w+)", text):
        if left in names and right in names:
            b.gaps.append(abs(_plain(names[left]) - _plain(names[right])))
    return eval(text.replace("^", "**"), {"__builtins__": {}, **functions, **names})


def _activation(spec: Any, b: Any) -> Callable[[Any], Any]:
    """The function that a problem file's `activation` entry means, for one unit."""
    options = dict(spec) if isinstance(spec, dict) else {"name": spec}
    name = options.pop("name", "")
    if "formula" in options:
        return lambda z: _written(options["formula"], {"z": z}, b)
    numbers = {option: float(value) for option, value in options.items()}
    return lambda z: ACTIVATIONS[name](b, z, **numbers)


def _softmax(b: Any, zs: list[Any]) -> list[Any]:
    # Shifted by the largest, which is only a number here and does not change the result.
    top = max(_plain(z) for z in zs)
    powers = [b.exp(z - top) for z in zs]
    return [power / sum(powers) for power in powers]


def _loss(spec: Any, b: Any, targets: list[Any], outputs: list[Any]) -> Any:
    options = dict(spec) if isinstance(spec, dict) else {"name": spec}
    if "formula" in options:
        one = len(targets) == 1
        names = {"y" if one else f"y{k}": t for k, t in enumerate(targets, 1)}
        names |= {"yhat" if one else f"yhat{k}": p for k, p in enumerate(outputs, 1)}
        return _written(options["formula"], names, b)
    name = options.pop("name")
    return LOSSES[name](b, targets, outputs, **{k: float(v) for k, v in options.items()})


# ---------------------------------------------------------------- models


@dataclass
class Model:
    """What both forms of problem come down to: parameters, samples and a forward pass."""

    parameters: dict[str, float]
    samples: list[Any]
    forward: Callable[[Numbers, list[Any], Any, Numbers], tuple[Numbers, list[Any]]]
    """(parameters and others, samples of the batch, backend, shifts) → values, losses."""
    output: str
    intermediates: tuple[str, ...]
    wrt: tuple[str, ...]
    others: dict[str, float] = field(default_factory=dict)  # given numbers one may derive for
    separable: bool = True  # False: batch normalisation makes each loss depend on all samples


def model(problem: Mapping[str, Any], initial: Mapping[str, float] | None = None) -> Model:
    """The model of a problem; `initial` replaces initial parameters (of random weights)."""
    made = _equations(problem) if "equations" in problem else _network(problem)
    if initial is not None:
        made.parameters.update({name: float(value) for name, value in initial.items()})
    return made


def numbers_of(entry: Any) -> list[float]:
    """`inputs:` or `targets:` as a list: from a list, a mapping or a bare number."""
    if isinstance(entry, dict):
        entry = list(entry.values())
    return [float(x) for x in (entry if isinstance(entry, list) else [entry])]


def _suffix(sample: int, batch: list[Any]) -> str:
    return "" if len(batch) == 1 else f"[{sample}]"


@dataclass
class _Layer:
    weights: list[list[str | None]]  # names
    biases: list[str | None]
    bias_input: float
    activation: Any
    z: list[str | None]  # None: the output is written in one line
    a: list[str]
    batch_norm: dict[str, Any] | None
    gamma: list[str] = field(default_factory=list)
    beta: list[str] = field(default_factory=list)
    add: int | None = None  # the layer whose output is added, 0 for the inputs
    after: bool = False
    dropout: dict[str, Any] | None = None
    h: list[str] = field(default_factory=list)  # what is handed on, where that is more than a


def _network(problem: Mapping[str, Any]) -> Model:
    notation = problem.get("notation", {})
    sequential = notation.get("names") == "sequential"
    rows = problem.get("samples") or [problem]
    samples = [
        (
            number,
            numbers_of(sample["inputs"]),
            numbers_of(sample["targets"]) if "targets" in sample else [],
        )
        for number, sample in enumerate(rows, 1)
    ]
    width = len(samples[0][1])
    parameters: dict[str, float] = {}
    layers: list[_Layer] = []
    units_before = weights_before = biases_before = 0
    specs = problem["layers"]
    for number, spec in enumerate(specs, 1):
        last = number == len(specs)
        written = spec.get("weights")
        tied = written if isinstance(written, dict) and "same_as" in written else None
        drawn = isinstance(written, dict) and tied is None
        table: list[list[Any]]
        if tied is not None:
            other = layers[tied["same_as"] - 1].weights
            shared = list(zip(*other, strict=True)) if tied.get("transposed") else other
            table = [[name and parameters[name] for name in row] for row in shared]
        elif drawn:
            table = [[_initial(spec["weights"])] * width for _ in range(spec["units"])]
        else:
            table = spec["weights"]
        units = len(table)
        pairs = [(j, i) for j in range(units) for i in range(width) if table[j][i] is not None]
        if notation.get("weight_order") == "by_input":
            numbered = sorted(pairs, key=lambda pair: (pair[1], pair[0]))
        else:
            numbered = pairs
        names: dict[tuple[int, int], str] = {}
        for count, (j, i) in enumerate(numbered, weights_before + 1):
            if sequential:
                names[j, i] = f"w{count}"
            elif notation.get("index_order") == "from_to":
                names[j, i] = f"w{number}_{i + 1}_{j + 1}"
            else:
                names[j, i] = f"w{number}_{j + 1}_{i + 1}"
        if tied is not None:
            names = {(j, i): shared[j][i] for j, i in pairs}
        weights_before += 0 if tied is not None else len(pairs)
        biases = spec.get("biases")
        bias_names: list[str | None]
        if biases is None or biases == []:
            bias_names, bias_values = [None] * units, [0.0] * units
        elif isinstance(biases, list):
            bias_values = [float(b) for b in biases]
            bias_names = [
                f"b{biases_before + j}" if sequential else f"b{number}_{j}"
                for j in range(1, units + 1)
            ]
            biases_before += units
        else:
            bias_values = [float(biases)] * units
            bias_names = [f"b{biases_before + 1}" if sequential else f"b{number}"] * units
            biases_before += 1

        def unit(letter: str, j: int, number: int = number, before: int = units_before) -> str:
            return f"{letter}{before + j}" if sequential else f"{letter}{number}_{j}"

        activation = spec.get("activation", "identity")
        norm = spec.get("batch_norm")
        more = bool(spec.get("after")) or "dropout" in spec
        plain = norm is None and not more and _named(activation) in ("identity", "linear")
        one_line = sequential and last and plain
        outputs = ["yhat"] if units == 1 else [f"yhat{j}" for j in range(1, units + 1)]
        layer = _Layer(
            weights=[[names.get((j, i)) for i in range(width)] for j in range(units)],
            biases=bias_names,
            bias_input=float(spec.get("bias_input", 1)),
            activation=activation,
            z=[None if one_line else unit("z", j) for j in range(1, units + 1)],
            a=outputs if last and not more else [unit("a", j) for j in range(1, units + 1)],
            batch_norm=norm,
            add=0 if spec.get("add") == "inputs" else spec.get("add"),
            after=bool(spec.get("after")),
            dropout=spec.get("dropout"),
            h=[] if not more else outputs if last else [unit("h", j) for j in range(1, units + 1)],
        )
        for j in range(units):
            for i in range(width):
                if (name := names.get((j, i))) is not None:
                    parameters[name] = float(table[j][i])
            if (bias := bias_names[j]) is not None:
                parameters[bias] = bias_values[j]
            if norm is not None:
                layer.gamma.append(unit("gamma", j + 1))
                layer.beta.append(unit("beta", j + 1))
                parameters[layer.gamma[j]] = _each(norm.get("gamma", 1), j)
                parameters[layer.beta[j]] = _each(norm.get("beta", 0), j)
        layers.append(layer)
        width = units
        units_before += units

    loss = problem.get("loss")

    def forward(w: Numbers, batch: list[Any], b: Any, shift: Numbers) -> tuple[Numbers, list[Any]]:
        values: Numbers = {}

        def note(name: str | None, sample: int, value: Any) -> Any:
            if name is None:
                return value
            full = name + _suffix(sample, batch)
            if full in shift:
                value = value + shift[full]
            values[full] = value
            return value

        signals = [list(inputs) for _, inputs, _ in batch]
        handed = [signals]
        for layer in layers:
            added = (
                [[0.0] * len(layer.a) for _ in batch] if layer.add is None else handed[layer.add]
            )
            zs = [
                [
                    note(
                        layer.z[j],
                        batch[s][0],
                        sum(
                            (w[name] * x for name, x in zip(row, signal, strict=True) if name),
                            start=w[bias] * layer.bias_input if (bias := layer.biases[j]) else 0.0,
                        )
                        + (0.0 if layer.after else added[s][j]),
                    )
                    for j, row in enumerate(layer.weights)
                ]
                for s, signal in enumerate(signals)
            ]
            if layer.batch_norm is not None:
                epsilon = float(layer.batch_norm.get("epsilon", 1e-5))
                for j in range(len(layer.a)):
                    mean = sum(row[j] for row in zs) / len(zs)
                    variance = sum((row[j] - mean) ** 2 for row in zs) / len(zs)
                    for row in zs:
                        normal = (row[j] - mean) / b.sqrt(variance + epsilon)
                        row[j] = w[layer.gamma[j]] * normal + w[layer.beta[j]]
            signals = [
                [
                    note(name, batch[s][0], a)
                    for name, a in zip(layer.a, _activate(layer.activation, row, b), strict=True)
                ]
                for s, row in enumerate(zs)
            ]
            if layer.h:
                mask, keep = [1.0] * len(layer.h), 1.0
                if layer.dropout is not None:
                    mask, keep = layer.dropout["mask"], float(layer.dropout["keep"])
                signals = [
                    [
                        note(name, batch[s][0], m * (a + (x if layer.after else 0.0)) / keep)
                        for name, m, a, x in zip(layer.h, mask, row, added[s], strict=True)
                    ]
                    for s, row in enumerate(signals)
                ]
            handed.append(signals)
        losses = []
        if loss is not None:
            for (number, _, targets), outputs in zip(batch, signals, strict=True):
                value = _loss(loss, b, targets, outputs)
                losses.append(value)
                values["L" + _suffix(number, batch)] = value
        return values, losses

    intermediates = tuple(
        name
        for layer in layers
        for group in zip(layer.z, layer.a, layer.h or [None] * len(layer.a), strict=True)
        for name in group
        if name
    )
    return Model(
        parameters,
        samples,
        forward,
        "L",
        intermediates,
        tuple(parameters),
        separable=all(layer.batch_norm is None for layer in layers),
    )


def _named(activation: Any) -> Any:
    return activation.get("name") if isinstance(activation, dict) else activation


def _activate(spec: Any, zs: list[Any], b: Any) -> list[Any]:
    if isinstance(spec, list):
        return [_activation(one, b)(z) for one, z in zip(spec, zs, strict=True)]
    if _named(spec) == "softmax":
        return _softmax(b, zs)
    return [_activation(spec, b)(z) for z in zs]


def _each(entry: Any, j: int) -> float:
    return float(entry[j] if isinstance(entry, list) else entry)


def _initial(spec: Mapping[str, Any]) -> float:
    """Initial weights that are not random; others must be handed in as `initial`."""
    return float(spec.get("value", 0)) if spec["init"] == "constant" else 0.0


def _equations(problem: Mapping[str, Any]) -> Model:
    texts = {name: str(text) for name, text in problem["equations"].items()}
    given = {name: float(value) for name, value in problem.get("given", {}).items()}
    parameters = {name: float(value) for name, value in problem.get("parameters", {}).items()}
    output = problem.get("output", list(texts)[-1])
    rows = problem.get("samples") or [{}]
    samples = [
        (number, {name: float(x) for name, x in row.items()}) for number, row in enumerate(rows, 1)
    ]
    wrt = tuple(problem.get("with_respect_to") or parameters or given)

    def forward(w: Numbers, batch: list[Any], b: Any, shift: Numbers) -> tuple[Numbers, list[Any]]:
        values: Numbers = {}
        losses = []
        for number, sample in batch:
            known = {**given, **w, **sample}
            for name, text in texts.items():
                value = _written(text, known, b)
                full = name + _suffix(number, batch)
                if full in shift:
                    value = value + shift[full]
                known[name] = values[full] = value
            losses.append(known[output])
        return values, losses

    others = {name: given[name] for name in wrt if name in given}
    return Model(parameters, samples, forward, output, tuple(texts), wrt, others)


# ---------------------------------------------------------------- gradients


def gradients(
    made: Model, parameters: Mapping[str, float], batch: list[Any], reduction: str = "mean"
) -> tuple[Numbers, Numbers]:
    """Values and gradients of one batch, each under its plain name.

    Gradients are there for every parameter (of the batch and, where it has several samples, of the
    loss of each), and for every intermediate quantity: found by adding a zero to it and deriving
    for that zero. Where batch normalisation ties the samples together there are also those of the
    batch's loss.
    """
    several = len(batch) > 1
    places = {**parameters, **made.others}

    def reduced(losses: list[Any]) -> Any:
        return sum(losses) / (len(losses) if reduction == "mean" else 1)

    values, losses = made.forward(dict(places), batch, floats(), {})
    values = {name: _plain(value) for name, value in values.items()}
    if not losses:
        return values, {}
    found: Numbers = {}
    if several:
        values[made.output] = _plain(reduced(losses))

    def of_batch(w: Numbers) -> Any:
        return reduced(made.forward(w, batch, floats(), {})[1])

    for name, value in _autograd(of_batch, places).items():
        found[f"d{made.output}/d{name}"] = value
    for index, sample in enumerate(batch):
        suffix = _suffix(sample[0], batch)
        zeros = {name + suffix: 0.0 for name in made.intermediates}

        def moved(both: Numbers, zeros: Numbers = zeros) -> list[Any]:
            weights = {name: both[name] for name in places}
            return made.forward(weights, batch, floats(), {name: both[name] for name in zeros})[1]

        own = _autograd(lambda both, at=index, go=moved: go(both)[at], {**places, **zeros})
        for name, value in own.items():
            if name != made.output + suffix and (several or name in zeros):
                found[f"d{made.output}{suffix}/d{name}"] = value
        if several and not made.separable:
            whole = _autograd(lambda both, go=moved: reduced(go(both)), {**places, **zeros})
            found |= {f"d{made.output}/d{name}": whole[name] for name in zeros}
    return values, found


def _autograd(function: Callable[[Numbers], Any], at: Mapping[str, float]) -> dict[str, float]:
    if not at:
        return {}

    def watched(w: Numbers) -> Any:
        # A constant loss (only steps) would not be watched; this makes it so.
        return function(w) + 0.0 * w[next(iter(at))]

    return {name: float(value) for name, value in grad(watched)(dict(at)).items()}


def finite_difference(
    problem: Mapping[str, Any], name: str, *, initial: Mapping[str, float] | None = None
) -> float:
    """∂(loss of all samples)/∂name from two evaluations with 60 digits."""
    made = model(problem, initial)
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -20

        def loss_at(change: Any) -> Any:
            places = {k: mpmath.mpf(v) for k, v in {**made.parameters, **made.others}.items()}
            places[name] += change
            losses = made.forward(places, made.samples, many_digits(), {})[1]
            return sum(losses) / len(losses)

        return float((loss_at(h) - loss_at(-h)) / (2 * h))


def closest_kink(problem: Mapping[str, Any], initial: Mapping[str, float] | None = None) -> float:
    """How near any value of the first pass comes to a kink (of ReLU, max, hinge …)."""
    made = model(problem, initial)
    b = floats()
    made.forward({**made.parameters, **made.others}, made.samples, b, {})
    return min(b.gaps, default=math.inf)


def slopes(spec: Any, zs: list[float]) -> list[list[float]]:
    """∂a_j/∂z_k of a layer with this activation, as a table of rows j."""
    places = {str(k): z for k, z in enumerate(zs)}

    def one(j: int) -> dict[str, float]:
        return _autograd(lambda w: _activate(spec, [w[k] for k in places], floats())[j], places)

    return [[one(j)[k] for k in places] for j in range(len(zs))]


# ---------------------------------------------------------------- training


@dataclass
class Solution:
    """`updates[n]` maps every name of update n + 1 to its number."""

    updates: list[dict[str, float]]
    losses: list[float]
    initial: dict[str, float]
    final: dict[str, float]


def solve(
    problem: Mapping[str, Any],
    *,
    initial: Mapping[str, float] | None = None,
    steps: int | None = None,
) -> Solution:
    """Everything a sheet shows, update by update; a single pass where nothing is trained."""
    made = model(problem, initial)
    training = problem.get("training", {})
    trains = "learning_rate" in problem or "training" in problem
    steps = steps or training.get("steps", 1)
    size = training.get("batch", "all")
    size = len(made.samples) if size == "all" else int(size)
    reduction = training.get("reduction", "mean")
    eta = float(problem.get("learning_rate", 0))
    learnt = trainable(problem, made)
    current = dict(made.parameters)
    states: dict[str, dict[str, float]] = {name: {} for name in current}
    updates: list[dict[str, float]] = []
    losses: list[float] = []

    def batch_of(update: int) -> list[Any]:
        first = update * size
        return [made.samples[(first + k) % len(made.samples)] for k in range(size)]

    for update in range(steps if trains else 1):
        batch = batch_of(update)
        if _rule(training) == "perceptron":
            values = _plain_values(made, current, batch)
            stepped = _perceptron(problem, current, batch, values, eta)
            updates.append(values | {f"{name}_new": stepped[name] for name in learnt})
            current |= {name: stepped[name] for name in learnt}
            continue
        values, found = gradients(made, current, batch, reduction)
        _charge(problem, made, current, values, found)
        sheet = {**values, **found}
        losses.append(values.get(made.output, math.nan))
        if trains:
            at = {**current, **_ahead(training, current, states, learnt)}
            slopes = found
            if at != current:
                passed, slopes = gradients(made, at, batch, reduction)
                _charge(problem, made, at, passed, slopes)
            raw = {name: slopes[f"d{made.output}/d{name}"] for name in learnt}
            for name, g in remedied(raw, at, training, biases(problem, made)).items():
                current[name] = step(
                    training.get("optimizer", "sgd"),
                    current[name],
                    g,
                    eta,
                    update + 1,
                    states[name],
                )
                sheet[f"{name}_new"] = current[name]
        updates.append(sheet)
    if trains and losses:
        values, _ = gradients(made, current, batch_of(steps - 1), reduction)
        _charge(problem, made, current, values, {})
        losses.append(values[made.output])
    return Solution(updates, losses, dict(made.parameters), current)


def _ahead(
    training: Mapping[str, Any], w: Numbers, states: Mapping[str, Any], learnt: Iterable[str]
) -> dict[str, float]:
    """Where Nesterov's own rule takes the gradient: one step of the old velocity further on."""
    spec = training.get("optimizer")
    if not isinstance(spec, dict) or not spec.get("look_ahead"):
        return {}
    mu, first = float(spec.get("momentum", 0.9)), float(spec.get("initial", 0))
    return {name: w[name] - mu * states[name].get("v", first) for name in learnt}


def _plain_values(made: Model, w: Numbers, batch: list[Any]) -> dict[str, float]:
    values, _ = made.forward({**w, **made.others}, batch, floats(), {})
    return {name: _plain(value) for name, value in values.items()}


def trainable(problem: Mapping[str, Any], made: Model) -> list[str]:
    only = problem.get("trainable")
    frozen = problem.get("frozen", [])
    return [
        name for name in made.parameters if name not in frozen and (only is None or name in only)
    ]


def remedied(
    gradient: Mapping[str, float],
    w: Mapping[str, float],
    training: Mapping[str, Any],
    spared: Collection[str] = (),
) -> dict[str, float]:
    """Clipping first (over all trainable parameters), then the penalties' share; going up a slope
    is going down that of −L."""
    clip = training.get("clip", {})
    g = dict(gradient)
    if "norm" in clip:
        norm = math.sqrt(sum(value**2 for value in g.values()))
        factor = min(1.0, float(clip["norm"]) / norm) if norm else 1.0
        g = {name: value * factor for name, value in g.items()}
    if "value" in clip:
        bound = float(clip["value"])
        g = {name: max(-bound, min(bound, value)) for name, value in g.items()}
    if training.get("direction") == "ascent":
        g = {name: -value for name, value in g.items()}
    after = [each for each in penalties(training) if not each.in_loss]
    return {
        name: value + sum(each.slope(w[name]) for each in after if each.covers(name, spared))
        for name, value in g.items()
    }


@dataclass
class Penalty:
    """What a penalty costs and how steep it is, for one parameter."""

    norm: str
    strength: float
    with_biases: bool = False
    half: bool = True
    in_loss: bool = False

    def covers(self, name: str, spared: Collection[str]) -> bool:
        return self.with_biases or name not in spared

    def cost(self, w: float) -> float:
        return self.strength * (abs(w) if self.norm == "l1" else w * w / (2 if self.half else 1))

    def slope(self, w: float) -> float:
        if self.norm == "l1":
            return self.strength * ((w > 0) - (w < 0))
        return self.strength * w * (1 if self.half else 2)


def penalties(training: Mapping[str, Any]) -> list[Penalty]:
    found = []
    for norm in ("l1", "l2"):
        spec = training.get(norm, 0)
        spec = spec if isinstance(spec, dict) else {"value": spec}
        found.append(
            Penalty(
                norm,
                float(spec["value"]),
                spec.get("biases", False),
                spec.get("half", True),
                spec.get("in_loss", False),
            )
        )
    return found


def biases(problem: Mapping[str, Any], made: Model) -> set[str]:
    """By their letter in a network; among equations what moves every equation it stands in by just
    as much as it is moved itself, whatever the other numbers are."""
    if "layers" in problem:
        return {name for name in made.parameters if name.startswith("b")}
    found = set(made.parameters)
    rng = random.Random(1)
    quantities = {*made.parameters, *problem.get("given", {}), *problem["equations"]}
    quantities |= {name for row in problem.get("samples", []) for name in row}
    for name in made.parameters:
        for text in problem["equations"].values():
            if not re.search(rf"\b{name}\b", str(text)):
                continue
            for _ in range(3):
                at = {each: rng.uniform(0.5, 2) for each in quantities}
                low = float(_written(str(text), at, floats()))
                high = float(_written(str(text), {**at, name: at[name] + 0.25}, floats()))
                if abs(abs(high - low) - 0.25) > 1e-9:
                    found.discard(name)
    return found


def _charge(
    problem: Mapping[str, Any], made: Model, w: Numbers, values: Numbers, found: Numbers
) -> None:
    """Adds to loss and gradients what stands in the loss as a penalty."""
    training = problem.get("training", {})
    spared = biases(problem, made)
    sign = -1 if training.get("direction") == "ascent" else 1
    for each in penalties(training):
        if not each.in_loss:
            continue
        for name in made.parameters:
            if each.covers(name, spared):
                values[made.output] += sign * each.cost(w[name])
                if f"d{made.output}/d{name}" in found:
                    found[f"d{made.output}/d{name}"] += sign * each.slope(w[name])


def step(optimizer: Any, w: float, g: float, eta: float, t: int, state: dict[str, float]) -> float:
    """One update of one parameter as `torch.optim` documents it; `state` is changed."""
    options = dict(optimizer) if isinstance(optimizer, dict) else {"name": optimizer}
    name = options.pop("name")
    if "equations" in options:
        return _own_rule(options, w, g, eta, t, state)
    o = {option: float(value) for option, value in options.items()}
    match name:
        case "sgd":
            return w - eta * g
        case "momentum":
            state["v"] = o.get("momentum", 0.9) * state.get("v", 0.0) + g
            return w - eta * state["v"]
        case "nesterov":
            mu = o.get("momentum", 0.9)
            if o.get("look_ahead"):
                state["v"] = mu * state.get("v", o.get("initial", 0.0)) + eta * g
                return w - state["v"]
            state["v"] = mu * state.get("v", 0.0) + g
            return w - eta * (g + mu * state["v"])
        case "lion":
            b1, b2 = o.get("beta1", 0.9), o.get("beta2", 0.99)
            mixed = b1 * state.get("m", 0.0) + (1 - b1) * g
            state["m"] = b2 * state.get("m", 0.0) + (1 - b2) * g
            return w - eta * ((mixed > 0) - (mixed < 0) + o.get("weight_decay", 0.0) * w)
        case "adagrad":
            state["s"] = state.get("s", 0.0) + g * g
            return w - eta * g / (math.sqrt(state["s"]) + o.get("epsilon", 1e-10))
        case "rmsprop":
            alpha = o.get("alpha", 0.99)
            state["s"] = alpha * state.get("s", 0.0) + (1 - alpha) * g * g
            return w - eta * g / (math.sqrt(state["s"]) + o.get("epsilon", 1e-8))
        case "adam" | "adamw":
            if name == "adamw":
                w = w - eta * o.get("weight_decay", 0.01) * w
            b1, b2 = o.get("beta1", 0.9), o.get("beta2", 0.999)
            state["m"] = b1 * state.get("m", 0.0) + (1 - b1) * g
            state["v"] = b2 * state.get("v", 0.0) + (1 - b2) * g * g
            root = math.sqrt(state["v"] / (1 - b2**t)) + o.get("epsilon", 1e-8)
            return w - eta * (state["m"] / (1 - b1**t)) / root
        case _:
            raise ValueError(name)


def _own_rule(
    options: dict[str, Any], w: float, g: float, eta: float, t: int, state: dict[str, float]
) -> float:
    equations = options.pop("equations")
    for name, value in options.pop("state", {}).items():
        state.setdefault(name, float(value))
    known = {k: float(v) for k, v in options.items()} | {"w": w, "g": g, "eta": eta, "t": t}
    known |= state
    for name, text in equations.items():
        known[name] = float(_written(text, known, floats()))
    state |= {name: known[name] for name in state}
    return known["w"]


def _rule(training: Mapping[str, Any]) -> str:
    rule = training.get("rule", "gradient")
    return rule["name"] if isinstance(rule, dict) else rule


def _perceptron(
    problem: Mapping[str, Any],
    w: Mapping[str, float],
    batch: list[Any],
    values: Mapping[str, float],
    eta: float,
) -> dict[str, float]:
    """w ← w + η (t − y) x for one layer of step units (or η t x on a mistake), sample by sample."""
    rule = problem["training"]["rule"]
    by_target = isinstance(rule, dict) and rule.get("update") == "target"
    units = len(problem["layers"][0]["weights"])
    bias_input = float(problem["layers"][0].get("bias_input", 1))
    changed = dict(w)
    for number, inputs, targets in batch:
        for j in range(1, units + 1):
            output = values[("yhat" if units == 1 else f"yhat{j}") + _suffix(number, batch)]
            target = targets[j - 1]
            error = target - output
            push = eta * ((target if error else 0.0) if by_target else error)
            for i, x in enumerate(inputs, 1):
                if f"w1_{j}_{i}" in changed:
                    changed[f"w1_{j}_{i}"] += push * x
            if f"b1_{j}" in changed:
                changed[f"b1_{j}"] += push * bias_input
    return changed


# ---------------------------------------------------------------- numbers for symbolic problems


def with_numbers(problem: Mapping[str, Any], seed: int = 0) -> dict[str, Any]:
    """The same problem with a number wherever a symbolic one has only a name or nothing."""
    made = copy.deepcopy(dict(problem))
    draw = random.Random(seed)

    def some() -> float:
        return round(draw.choice((-1, 1)) * draw.uniform(0.2, 1.5), 2)

    if "equations" in made:
        for key in ("given", "parameters"):
            if isinstance(made.get(key), list):
                made[key] = {name: some() for name in made[key]}
        return made
    for key in ("inputs", "targets"):
        if key in made and _nameless(made[key]):
            made[key] = [some() for _ in made[key]]
    width = len(numbers_of((made.get("samples") or [made])[0]["inputs"]))
    for layer in made["layers"]:
        if "weights" not in layer or isinstance(layer["weights"], dict):
            layer["weights"] = [[some() for _ in range(width)] for _ in range(layer["units"])]
            layer["biases"] = [some() for _ in range(layer["units"])]
        width = layer["units"] = len(layer["weights"])
    return made


def _nameless(entries: Iterable[Any]) -> bool:
    return any(isinstance(entry, str) and not _is_number(entry) for entry in entries)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
