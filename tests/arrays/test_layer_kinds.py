"""Every kind of layer with random numbers and shapes, beside the same in NumPy by autograd, beside
PyTorch where it is installed, and beside the same net written as equations between arrays."""

from __future__ import annotations

import json
import random
from pathlib import Path

import autograd.numpy as np
import nets
import pytest
import yaml
from autograd import grad
from commands import backprop
from numpy import testing
from test_array_gradients import numbers, softmax, values_of

from backprop_cli.arrays.array import entry_names
from backprop_cli.problem.layer_kinds import KINDS, ROWS
from backprop_cli.problem.read import read_problem
from backprop_cli.run import solve
from backprop_cli.worksheet.sheet import DEFAULT, Sheet
from backprop_cli.worksheet.solution import solution
from backprop_cli.worksheet.solution_json import solution_data

PROBLEMS = Path(__file__).parents[2] / "problems"


FILES = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted(PROBLEMS.glob("*.yaml"))
}
OF_KINDS = {
    name: problem
    for name, problem in FILES.items()
    if any("kind" in layer for layer in problem.get("layers", []))
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softmax": softmax,
}


def file(layers, inputs, targets, **more):
    """A problem file; JSON is YAML."""
    return json.dumps(
        {"inputs": inputs, "targets": targets, "layers": layers, "loss": "half_squared_error"}
        | more
    )


def solved(layers, inputs, targets, **more):
    return solution_data(solve(read_problem("t.yaml", file(layers, inputs, targets, **more))))


def slopes_of(data, name, shape):
    """∂L/∂ the entries of an array by their names; 0 where there is no step."""
    values = {step["name"]: step["value"] for step in data["steps"]}
    found = [values.get(f"dL/d{entry}", 0.0) for entry in entry_names(name, shape)]
    return np.reshape(np.array(found, dtype=float), shape)


# --- the same in NumPy -----------------------------------------------------------------------------
# `p` has the parameters by the names of their arrays without the layer: w, b, wf, uf, gamma, …


def convolved(levels):
    """Output channel by output channel, window by window: w · the window, summed, plus b."""

    def layer(spec, p, x):
        stride, rim = spec.get("stride", 1), spec.get("padding", 0)
        x = x if x.ndim == levels + 1 else x[None]
        w = p["w"] if p["w"].ndim == levels + 2 else p["w"][:, None]
        x = np.pad(x, [(0, 0)] + [(rim, rim)] * levels, mode="constant")
        window = w.shape[2:]
        sizes = [(a - b) // stride + 1 for a, b in zip(x.shape[1:], window, strict=True)]
        places = np.ndindex(*sizes)
        corners = [[at * stride for at in place] for place in places]
        z = np.stack(
            [
                np.stack(
                    [
                        np.sum(kernel * x[(slice(None), *(slice(c, c + n) for c, n in
                                                         zip(corner, window, strict=True)))])
                        for corner in corners
                    ]
                )
                + (p["b"][at] if "b" in p else 0)
                for at, kernel in enumerate(w)
            ]
        )  # fmt: skip
        a = ACTIVATIONS[spec["activation"]](np.reshape(z, (len(w), *sizes)))
        return a[0] if len(w) == 1 else a

    return layer


def pooled(reduce):
    def layer(spec, p, x):
        size = spec["size"]
        step = spec.get("stride", size)
        images = x if x.ndim == 3 else x[None]
        rows, columns = ((each - size) // step + 1 for each in images.shape[1:])
        a = np.stack(
            [
                np.stack([reduce(image[i * step : i * step + size, j * step : j * step + size])
                          for i in range(rows) for j in range(columns)])
                for image in images
            ]
        )  # fmt: skip
        a = np.reshape(a, (len(images), rows, columns))
        return a if x.ndim == 3 else a[0]

    return layer


def layer_norm(spec, p, x):
    mean, var = np.mean(x, axis=-1, keepdims=True), np.var(x, axis=-1, keepdims=True)
    return p["gamma"] * (x - mean) / np.sqrt(var + spec.get("epsilon", 1e-5)) + p["beta"]


def dense(spec, p, x):
    z = x @ p["w"].T + p.get("b", 0)
    return ACTIVATIONS[spec["activation"]](z)


def recurrent(step):
    def layer(spec, p, x):
        x = x if x.ndim == 2 else x[:, None]
        initial = spec.get("initial", {})
        first = initial.get("a", []) if isinstance(initial, dict) else initial
        h = np.array(first) if len(first) else np.zeros(spec["units"])
        c = np.array(initial["c"]) if "c" in initial else np.zeros(spec["units"])
        rows = []
        for row in x:
            h, c = step(spec, lambda g, h=h, row=row: (p[f"w{g}"] @ row, p[f"u{g}"] @ h, p), h, c)
            rows.append(h)
        return np.stack(rows) if spec.get("returns") == "all" else h

    return layer


def added(parts, g):
    own, again, p = parts
    return own + again + p.get(f"b{g}", 0)


def rnn_step(spec, gate, h, c):
    return ACTIVATIONS[spec.get("activation", "tanh")](added(gate(""), "")), c


def gru_step(spec, gate, h, c):
    r, z = (sigmoid(added(gate(g), g)) for g in "rz")
    own, again, p = gate("n")
    n = np.tanh(own + p.get("bn", 0) + r * (again + p.get("bun", 0)))
    return (1 - z) * n + z * h, c


def lstm_step(spec, gate, h, c):
    i, f, o = (sigmoid(added(gate(g), g)) for g in "ifo")
    c = f * c + i * np.tanh(added(gate("g"), "g"))
    return o * np.tanh(c), c


NUMPY = {
    "conv2d": convolved(2),
    "conv1d": convolved(1),
    "max_pool": pooled(np.max),
    "avg_pool": pooled(np.mean),
    "flatten": lambda spec, p, x: np.ravel(x),
    "layer_norm": layer_norm,
    "embedding": lambda spec, p, x: p["w"][np.array(x, dtype=int) - 1],
    "rnn": recurrent(rnn_step),
    "gru": recurrent(gru_step),
    "lstm": recurrent(lstm_step),
    "dense": dense,
}


def parameters(spec):
    """The arrays of parameters of a layer, by their letters."""
    found = {}
    for key, letter in (
        ("kernels", "w"),
        ("weights", "w"),
        ("recurrent", "u"),
        ("biases", "b"),
        ("recurrent_biases", "bu"),
    ):
        if isinstance(spec.get(key), dict):
            found |= {letter + gate: each for gate, each in spec[key].items()}
        elif key in spec:
            found[letter] = spec[key]
    if spec.get("kind") == "layer_norm":
        found |= {"gamma": spec["gamma"], "beta": spec["beta"]}
    return found


def loss(layers, p, x, y):
    for number, spec in enumerate(layers, 1):
        own = {letter: p[f"{letter}{number}"] for letter in parameters(spec)}
        x = NUMPY[spec.get("kind", "dense")](spec, own, x)
    return 0.5 * np.sum((x - y) ** 2), x


def agrees(layers, inputs, targets, **more):
    """The values and gradients of the net as layers and in NumPy are the same."""
    data = solved(layers, inputs, targets, **more)
    p = {
        f"{letter}{number}": np.array(value, dtype=float)
        for number, spec in enumerate(layers, 1)
        for letter, value in parameters(spec).items()
    }
    x, y = np.array(inputs, dtype=float), np.array(targets, dtype=float)
    testing.assert_allclose(data["losses"][0], loss(layers, p, x, y)[0], rtol=1e-9)
    slopes = grad(lambda p: loss(layers, p, x, y)[0])(p)
    for name, slope in slopes.items():
        found = slopes_of(data, name, slope.shape)
        testing.assert_allclose(found, slope, rtol=1e-9, atol=1e-12, err_msg=name)
    return data


# --- random nets -----------------------------------------------------------------------------------


def gates(draw, letters, units, columns):
    if not letters.strip():
        return numbers((units, columns), draw)
    return {letter: numbers((units, columns), draw) for letter in letters}


def vectors(draw, letters, units):
    if not letters.strip():
        return numbers((units,), draw)
    return {letter: numbers((units,), draw) for letter in letters}


def head(draw, features, activation="sigmoid"):
    units = draw.randint(1, 2)
    return {
        "activation": activation,
        "weights": numbers((units, features), draw),
        "biases": numbers((units,), draw),
    }, units


def convolution(draw, levels):
    """A net with one convolution, a pooling and a dense layer, of random shape."""
    channels, kernels, window = draw.choice((0, 0, 2)), draw.randint(1, 2), draw.randint(1, 3)
    size, stride, padding = draw.randint(4, 6), draw.choice((1, 1, 2)), draw.choice((0, 1))
    inner = (channels,) if channels else ()
    first = {
        "kind": f"conv{levels}d",
        "kernels": numbers((kernels, *inner, *(window,) * levels), draw),
        "biases": numbers((kernels,), draw),
        "stride": stride,
        "padding": padding,
        "activation": draw.choice(("relu", "tanh", "identity")),
    }
    if draw.random() < 0.3:
        del first["biases"]
    out = (size + 2 * padding - window) // stride + 1
    layers = [first]
    if levels == 2 and out >= 2:
        step = draw.choice((1, 2))
        pool = draw.choice(("max_pool", "avg_pool"))
        layers.append({"kind": pool, "size": 2, "stride": step})
        out = (out - 2) // step + 1
    last, units = head(draw, kernels * out**levels)
    layers += [{"kind": "flatten"}, last]
    return layers, numbers((*inner, *(size,) * levels), draw), numbers((units,), draw)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("levels", [1, 2])
def test_convolutions(levels, seed):
    agrees(*convolution(random.Random(seed), levels))


LETTERS = {"rnn": " ", "gru": "rzn", "lstm": "ifgo"}


def sequence(draw, kind):
    times, features, units = draw.randint(1, 4), draw.randint(1, 3), draw.randint(1, 3)
    letters = LETTERS[kind]
    layer = {
        "kind": kind,
        "units": units,
        "weights": gates(draw, letters, units, features),
        "recurrent": gates(draw, letters, units, units),
        "biases": vectors(draw, letters, units),
        "returns": draw.choice(("last", "all")),
    }
    if kind == "rnn":
        layer["activation"] = draw.choice(("tanh", "sigmoid"))
    if kind == "gru":
        layer["recurrent_biases"] = {"n": numbers((units,), draw)}
    if draw.random() < 0.5:
        layer["initial"] = numbers((units,), draw)
        if kind != "rnn":
            states = {"a": layer["initial"]} | (
                {"c": numbers((units,), draw)} if kind == "lstm" else {}
            )
            layer["initial"] = states
    layers, shape = [layer], (units,)
    if draw.random() < 0.6:
        last, out = head(draw, units, draw.choice(("tanh", "softmax")))
        layers.append(last)
        shape = (out,)
    if layer["returns"] == "all":
        shape = (times, *shape)
    return layers, numbers((times, features), draw), numbers(shape, draw)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", LETTERS)
def test_recurrences(kind, seed):
    agrees(*sequence(random.Random(100 + seed), kind))


def test_a_list_is_a_sequence_of_single_numbers():
    layer = {"kind": "rnn", "weights": [[0.5]], "recurrent": [[-0.3]], "biases": [0.1], "units": 1}
    agrees([layer], [1, -2, 0.5], [0.2])


@pytest.mark.parametrize("rows", [0, 3])
def test_layer_normalisation(rows):
    draw = random.Random(rows)
    layer = {
        "kind": "layer_norm",
        "epsilon": 0.01,
        "gamma": numbers((4,), draw),
        "beta": numbers((4,), draw),
    }
    shape = (rows, 4) if rows else (4,)
    agrees([layer], numbers(shape, draw), numbers(shape, draw))


def test_an_embedding_adds_the_gradients_of_a_token_that_occurs_twice():
    draw = random.Random(3)
    table = {"kind": "embedding", "weights": numbers((4, 2), draw)}
    layers = [table, {"kind": "flatten"}, head(draw, 6)[0]]
    data = agrees(layers, [2, 4, 2], numbers((len(layers[-1]["weights"]),), draw))
    slope = next(step for step in data["steps"] if step["name"] == "dL/dw1_2_1")
    assert slope["formula"] == "dL/da1_1_1 + dL/da1_3_1"


def test_tokens_may_differ_between_the_samples_of_a_batch():
    draw = random.Random(5)
    table, last = numbers((4, 2), draw), {"activation": "tanh", "weights": numbers((1, 2), draw)}
    samples = [{"inputs": [token], "targets": [0.5]} for token in (2, 4, 2)]
    layers = [{"kind": "embedding", "weights": table}, last]
    more = {"samples": samples, "layers": layers, "loss": "half_squared_error"}
    data = solution_data(solve(read_problem("t.yaml", json.dumps(more))))

    def batch(table):
        rows = [table[sample["inputs"][0] - 1] for sample in samples]
        return (
            sum(0.5 * (np.tanh(np.array(last["weights"][0]) @ row) - 0.5) ** 2 for row in rows) / 3
        )

    slopes = grad(batch)(np.array(table))
    testing.assert_allclose(values_of(data, "dL/dw1"), slopes, rtol=1e-9, atol=1e-12)


def test_the_layers_of_a_deep_net_go_on_from_each_other():
    """Two convolutions, of which the second has several input channels, and both poolings."""
    draw = random.Random(11)
    layers = [
        {"kind": "conv2d", "kernels": numbers((2, 2, 2), draw), "activation": "tanh"},
        {"kind": "avg_pool", "size": 2, "stride": 1},
        {"kind": "conv2d", "kernels": numbers((2, 2, 2, 2), draw), "biases": [0.1, -0.2],
         "activation": "relu"},
        {"kind": "max_pool", "size": 2},
        {"kind": "flatten"},
        {"kind": "layer_norm", "gamma": [1.5, -1], "beta": [0.1, 0.2]},
        head(draw, 2)[0],
    ]  # fmt: skip
    agrees(layers, numbers((5, 5), draw), numbers((len(layers[-1]["weights"]),), draw))


def entry_by_entry(problem):
    """The gradients of arrays for which a sheet knows no rule."""
    run = solve(problem)
    gradients = Sheet(run, run.iterations[0], DEFAULT).array_rules.gradients
    assert gradients
    return [each.name for each in gradients if each.formula is None]


@pytest.mark.parametrize("name", OF_KINDS)
def test_every_rule_between_arrays_holds(name):
    """A sheet says each gradient as a rule, none entry by entry."""
    assert entry_by_entry(read_problem(PROBLEMS / f"{name}.yaml")) == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", [*LETTERS, "conv1d", "conv2d"])
def test_every_rule_between_arrays_holds_at_random(kind, seed):
    draw = random.Random(seed)
    net = sequence(draw, kind) if kind in LETTERS else convolution(draw, int(kind[4]))
    assert entry_by_entry(read_problem("t.yaml", file(*net))) == []


def test_every_kind_has_an_oracle_here():
    assert NUMPY.keys() == KINDS.keys()
    assert [row.name for row in ROWS] == list(KINDS)


# --- the shipped problems ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in OF_KINDS if "targets" in OF_KINDS[name]])
def test_shipped_problems(name):
    problem = OF_KINDS[name]
    data = agrees(problem["layers"], problem["inputs"], problem["targets"])
    shipped = solution_data(solve(read_problem(PROBLEMS / f"{name}.yaml")))
    assert shipped["losses"][0] == data["losses"][0]
    assert shipped["losses"][1] < shipped["losses"][0]


GOMEZ = {
    "a1_1_1": 0.53631, "c1_1_1": 0.78572, "a1_2_1": 0.77198, "c1_2_1": 1.5176,
    "wg1_1_1_new": 0.45267, "wg1_1_2_new": 0.25922, "ug1_1_1_new": 0.15104, "bg1_1_new": 0.20364,
    "wo1_1_1_new": 0.60259, "wo1_1_2_new": 0.41626, "uo1_1_1_new": 0.25297, "bo1_1_new": 0.10536,
}  # fmt: skip
"""A. Gomez, Backpropogating an LSTM: A Numerical Example (2016); digits rounded or cut off."""


def test_an_lstm_that_was_published():
    data = solution_data(solve(read_problem(PROBLEMS / "lstm-one-unit.yaml")))
    values = {step["name"]: step["value"] for step in data["steps"]}
    for name, printed in GOMEZ.items():
        digits = len(str(printed).partition(".")[2])
        assert abs(values[name] - printed) < 10.0**-digits, name


def test_a_convolution_with_the_gradient_of_its_output_given():
    """As the comment in the file says it: ∂L/∂K is X ∗ G, ∂L/∂X is G with a rim ∗ the turned K."""
    problem = OF_KINDS["conv-upstream-gradient"]
    data = solution_data(solve(read_problem(PROBLEMS / "conv-upstream-gradient.yaml")))
    x, g = np.array(problem["inputs"]), np.array(problem["upstream"]["yhat"])
    k = np.array(problem["layers"][0]["kernels"][0])
    slopes = [[np.sum(x[i : i + 2, j : j + 2] * g) for j in range(2)] for i in range(2)]
    assert values_of(data, "dL/dw1").tolist() == slopes
    assert slopes_of(data, "b1", (1,)).tolist() == [np.sum(g)]
    rim, turned = np.pad(g, 1), k[::-1, ::-1]
    image = [[np.sum(rim[i : i + 2, j : j + 2] * turned) for j in range(3)] for i in range(3)]
    assert values_of(data, "dL/dx").tolist() == image


# --- PyTorch -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("seed", range(3))
def test_recurrences_against_pytorch_where_it_is_installed(kind, seed):
    torch = pytest.importorskip("torch")
    draw = random.Random(seed)
    times, features, units = 3, 2, 2
    letters = LETTERS[kind]
    layer = {
        "kind": kind,
        "units": units,
        "weights": gates(draw, letters, units, features),
        "recurrent": gates(draw, letters, units, units),
        "biases": vectors(draw, letters, units),
        "returns": "all",
    }
    if kind == "gru":
        layer["recurrent_biases"] = {"n": numbers((units,), draw)}
    inputs, targets = numbers((times, features), draw), numbers((times, units), draw)
    data = solved([layer], inputs, targets)
    made = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind](
        features, units, dtype=torch.float64
    )
    own = {
        letter: torch.tensor(value, dtype=torch.float64)
        for letter, value in parameters(layer).items()
    }
    names = letters.split() or [""] if not letters.strip() else letters
    zero = torch.zeros(units, dtype=torch.float64)
    with torch.no_grad():
        made.weight_ih_l0.copy_(torch.cat([own[f"w{g}"] for g in names]))
        made.weight_hh_l0.copy_(torch.cat([own[f"u{g}"] for g in names]))
        made.bias_ih_l0.copy_(torch.cat([own[f"b{g}"] for g in names]))
        made.bias_hh_l0.copy_(torch.cat([own.get(f"bu{g}", zero) for g in names]))
    out, _ = made(torch.tensor(inputs, dtype=torch.float64))
    loss = 0.5 * ((out - torch.tensor(targets, dtype=torch.float64)) ** 2).sum()
    loss.backward()
    testing.assert_allclose(data["losses"][0], loss.item(), rtol=1e-9)
    for at, g in enumerate(names):
        rows = slice(at * units, (at + 1) * units)
        for letter, whole in (
            ("w", made.weight_ih_l0),
            ("u", made.weight_hh_l0),
            ("b", made.bias_ih_l0),
        ):
            found = values_of(data, f"dL/d{letter}{g}1")
            testing.assert_allclose(found, whole.grad[rows].numpy(), rtol=1e-9, atol=1e-12)
    if kind == "gru":
        found = values_of(data, "dL/dbun1")
        testing.assert_allclose(found, made.bias_hh_l0.grad[2 * units :].numpy(), rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [1, 2])
def test_convolutions_against_pytorch_where_it_is_installed(levels, seed):
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    draw = random.Random(50 + seed)
    channels, kernels, window, size = 2, draw.randint(1, 3), draw.randint(1, 3), draw.randint(4, 6)
    stride, padding = draw.choice((1, 2)), draw.choice((0, 1))
    layer = {
        "kind": f"conv{levels}d",
        "kernels": numbers((kernels, channels, *(window,) * levels), draw),
        "biases": numbers((kernels,), draw),
        "stride": stride,
        "padding": padding,
        "activation": "sigmoid",
    }
    inputs = numbers((channels, *(size,) * levels), draw)
    x, w, b = (
        torch.tensor(each, dtype=torch.float64, requires_grad=True)
        for each in (inputs, layer["kernels"], layer["biases"])
    )
    out = (f.conv1d, f.conv2d)[levels - 1](x[None], w, b, stride, padding)
    image = torch.sigmoid(out)[0]
    layers = [layer]
    if levels == 2:
        layers.append({"kind": "max_pool", "size": 2, "stride": 1})
        image = f.max_pool2d(image[None], 2, 1)[0]
    if kernels == 1:
        image = image[0]
    targets = torch.zeros_like(image)
    loss = 0.5 * ((image - targets) ** 2).sum()
    loss.backward()
    data = solved(layers, inputs, targets.tolist(), with_respect_to=["w1", "b1", "x"])
    testing.assert_allclose(data["losses"][0], loss.item(), rtol=1e-9)
    for name, tensor in (("w1", w), ("b1", b), ("x", x)):
        found = slopes_of(data, name, tuple(tensor.shape))
        testing.assert_allclose(found, tensor.grad.numpy(), rtol=1e-9, atol=1e-12)


# --- the same nets as equations ------------------------------------------------------------------------


@pytest.mark.parametrize("net", nets.OF_KINDS)
def test_the_same_net_as_equations_has_the_same_steps_and_rules(net):
    layered, equations = (
        solve(read_problem("t.yaml", text)).iterations[0] for text in nets.OF_KINDS[net]
    )
    one = {step.name: step for step in layered.graph.steps}
    single = net == "recurrence"
    other = {}
    for step in equations.graph.steps:
        name = step.name.replace("yhat_", "yhat").replace("y_", "y")
        other[name.replace("yhat1", "yhat") if single else name] = step
    assert set(other) <= set(one)
    for name, step in other.items():
        mine = one[name]
        assert layered.values[name] == equations.values[step.name], name
        assert mine.rule == step.rule, name
        assert mine.section == step.section, name


# --- keys of every layer -------------------------------------------------------------------------------


def test_a_residual_block_of_convolutions_and_a_mask_over_an_image():
    draw = random.Random(7)
    kernels = [numbers((1, 3, 3), draw) for _ in range(2)]
    weights, mask = numbers((1, 16), draw), [[1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0]]
    image = numbers((4, 4), draw)
    first = {"kind": "conv2d", "kernels": kernels[0], "padding": 1, "activation": "tanh"}
    layers = [
        first | {"dropout": {"mask": mask, "keep": 0.75}},
        {"kind": "conv2d", "kernels": kernels[1], "padding": 1, "activation": "relu", "add": 1},
        {"kind": "avg_pool", "size": 1, "add": "inputs"},
        {"kind": "flatten"},
        {"activation": "sigmoid", "weights": weights},
    ]
    data = solved(layers, image, [0.5])
    p = {"w1": np.array(kernels[0]), "w2": np.array(kernels[1]), "w5": np.array(weights)}

    def net(p):
        convolve = convolved(2)
        spec = {"padding": 1, "activation": "identity"}
        x = np.array(image)
        h = np.tanh(convolve(spec, {"w": p["w1"]}, x)) * np.array(mask) / 0.75
        a = np.maximum(convolve(spec, {"w": p["w2"]}, h) + h, 0) + x
        return 0.5 * np.sum((sigmoid(p["w5"] @ np.ravel(a)) - 0.5) ** 2)

    testing.assert_allclose(data["losses"][0], net(p), rtol=1e-9)
    for name, slope in grad(net)(p).items():
        testing.assert_allclose(slopes_of(data, name, slope.shape), slope, rtol=1e-9, atol=1e-12)
    names = {step["name"] for step in data["steps"]}
    assert {"h1_1_1", "r1_1_2", "h3_4_4"} <= names


def test_a_skip_behind_a_recurrence():
    draw = random.Random(8)
    layer = {"kind": "rnn", "units": 2, "weights": numbers((2, 2), draw), "returns": "all",
             "recurrent": numbers((2, 2), draw)}  # fmt: skip
    inputs, targets = numbers((3, 2), draw), numbers((3, 2), draw)
    data = solved([layer | {"add": "inputs"}], inputs, targets)

    def net(p):
        h = recurrent(rnn_step)(layer, p, np.array(inputs)) + np.array(inputs)
        return 0.5 * np.sum((h - np.array(targets)) ** 2)

    p = {"w": np.array(layer["weights"]), "u": np.array(layer["recurrent"])}
    testing.assert_allclose(data["losses"][0], net(p), rtol=1e-9)
    for letter, slope in grad(net)(p).items():
        testing.assert_allclose(slopes_of(data, f"{letter}1", slope.shape), slope, rtol=1e-9)


# --- several samples, several updates --------------------------------------------------------------------


def test_a_batch_of_images_with_one_kernel_for_all():
    draw = random.Random(21)
    layers = [
        {"kind": "conv2d", "kernels": numbers((2, 2, 2), draw), "biases": [0.1, -0.2],
         "activation": "tanh"},
        {"kind": "flatten"},
        {"activation": "sigmoid", "weights": numbers((1, 8), draw)},
    ]  # fmt: skip
    samples = [{"inputs": numbers((3, 3), draw), "targets": [t]} for t in (1, 0)]
    text = json.dumps({"samples": samples, "layers": layers, "loss": "half_squared_error"})
    problem = read_problem("t.yaml", text)
    data = solution_data(solve(problem))
    p = {"w1": layers[0]["kernels"], "b1": layers[0]["biases"], "w3": layers[2]["weights"]}
    p = {name: np.array(value) for name, value in p.items()}

    def mean(p):
        return sum(
            loss(layers, p, np.array(each["inputs"]), np.array(each["targets"]))[0] / 2
            for each in samples
        )

    for name, slope in grad(mean)(p).items():
        testing.assert_allclose(slopes_of(data, name, slope.shape), slope, rtol=1e-9, atol=1e-12)
    assert entry_by_entry(problem) == []


def test_samples_one_by_one_and_over_several_updates():
    draw = random.Random(22)
    layers, _, _ = sequence(draw, "gru")
    layers = [
        layers[0] | {"returns": "last"},
        {"activation": "tanh", "weights": [[1.0] * layers[0]["units"]]},
    ]
    features = len(layers[0]["weights"]["r"][0])
    samples = [{"inputs": numbers((2, features), draw), "targets": [0.5]} for _ in range(2)]
    more = {
        "loss": "half_squared_error",
        "learning_rate": 0.1,
        "training": {"batch": 1, "steps": 3},
    }
    run = solve(read_problem("t.yaml", json.dumps({"samples": samples, "layers": layers} | more)))
    one = solved(layers, samples[0]["inputs"], [0.5])
    assert run.losses[0] == one["losses"][0]
    assert solution(run).blocks


def test_numbers_drawn_for_a_layer_differ_from_array_to_array():
    layer = {
        "kind": "rnn",
        "units": 2,
        "weights": {"init": "normal"},
        "recurrent": {"init": "normal"},
    }
    network = read_problem("t.yaml", file([layer], [[1, 2], [0, 1]], [0, 0])).model
    values = {each.name: each.value for each in network.layers[0].parameters}
    assert values["w1_1_1"] != values["u1_1_1"]
    assert (
        network.layers[0].initialised
        == "normal, mean 0, std 0.1, seed 1; normal, mean 0, std 0.1, seed 1001"
    )


# --- answers -----------------------------------------------------------------------------------------------

ANSWERS = """
answers:
  z1: [[0.3, 0, 0.1, 1.3], [-0.3, 1.4, 0, 2], [0.6, 0.6, 1.9, 0.2], [-0.2, 1.5, 0.9, 1]]
  a3: [1.4, 2, 1.5, 1.9]
  a4_1: 0.7703
  dL/dw1: [[-0.02845, 0.004064, -0.1016], [-0.02032, -0.01626, -0.008129],
    [-0.06096, -0.03658, -0.03658]]
  dL/db1: -0.03251
  "dL/da3_2": 0.01219
  "w1[1,2]": -0.1
  x1_2: 0
"""


def test_arrays_and_entries_of_a_convolutional_net_are_answered_by_their_names(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(ANSWERS, encoding="utf-8")
    problem = str(PROBLEMS / "conv-relu-pool-dense.yaml")
    result = backprop("check", problem, str(path), "--format", "json", "--exit-zero")
    found = json.loads(result.text)["submissions"][0]["answers"]
    verdicts = [each["verdict"] for each in found if each["verdict"] != "missing"]
    assert verdicts == ["correct"] * (16 + 4 + 1 + 9 + 4)


def test_a_sheet_writes_layers_with_their_shapes_and_options():
    kernels = [[[0.5, -0.2], [0.1, 0.3]], [[-0.4, 0.2], [0.6, 0.1]]]
    layers = [
        {
            "kind": "conv2d",
            "kernels": kernels,
            "biases": [0.1, 0.2],
            "padding": 1,
            "activation": "relu",
        },
        {"kind": "flatten"},
        {"activation": "identity", "weights": [[1] * 18]},
    ]
    text = file(layers, [[1, 2], [3, 4]], [1])
    sheet = backprop("solve", "-", stdin=text).text
    assert "z⁽¹⁾ = conv2d⎛ x , w⁽¹⁾, padding=1⎞ + b⁽¹⁾\n" in sheet
    assert "w₂⁽¹⁾ = ⎡" in sheet


def test_a_blank_sheet_and_practice_state_the_equations_of_a_cell():
    problem = str(PROBLEMS / "lstm-two-steps.yaml")
    for command in ("worksheet", "practice"):
        shown = backprop(command, problem, stdin="").text
        assert "For every t from 1 to 2: iₜ⁽¹⁾ = σ(ziₜ⁽¹⁾)." in shown
        assert "gₜ⁽¹⁾ = tanh(zgₜ⁽¹⁾)" in shown
        assert "aₜ⁽¹⁾ = oₜ⁽¹⁾ ⊙ tanh(cₜ⁽¹⁾)" in shown
        assert "i₂⁽¹⁾ = σ(zi₂⁽¹⁾)" not in shown  # the same equation again


# --- variants ------------------------------------------------------------------------------------------------


def test_numbers_of_kernels_and_gates_are_drawn_for_a_student():
    text = (PROBLEMS / "lstm-one-unit.yaml").read_text(encoding="utf-8") + (
        "variants: {draw: {weights: {from: 0.1, to: 0.9, step: 0.1}, inputs: [1, 2, 3], bf1_1: [0.5, 1]}}"
    )
    problem = read_problem("t.yaml", text)
    drawn = {cell.name for cell, _ in problem.variants.draws}
    inputs = {"x_1_1", "x_1_2", "x_2_1", "x_2_2"}
    weights = {f"w{gate}1_1_{i}" for gate in "ifgo" for i in (1, 2)} | {
        f"u{g}1_1_1" for g in "ifgo"
    }
    assert drawn == inputs | weights | {"bf1_1"}
    text = (PROBLEMS / "conv-relu-pool-dense.yaml").read_text(encoding="utf-8")
    problem = read_problem("t.yaml", text + "variants: {draw: {'w1_*': [1, 2], biases: [1, 2]}}")
    kernel = {f"w1_1_{i}_{j}" for i in (1, 2, 3) for j in (1, 2, 3)}
    assert {cell.name for cell, _ in problem.variants.draws} == kernel | {"b1_1", "b4_1"}


MIXED = """
inputs: [[1, 0.5], [-0.5, 1]]
targets: [0.5, 0.2, 0.1]
layers:
  - {kind: rnn, returns: all, weights: [[0.5, 1], [0.2, -0.3]], recurrent: [[0.1, 0.2], [0.3, -0.1]]}
  - {kind: flatten}
  - activation: tanh
    weights: [[0.1, 0.2, 0.3, -0.4], [0.5, 0.2, -0.1, 0.3], [0.2, 0.2, 0.1, 0.1], [0, -0.2, 1, 0.4]]
    biases: 0.1
    add: inputs
    dropout: {mask: [1, 0, 1, 1], keep: 0.5}
  - {activation: relu, weights: {same_as: 3, transposed: true}, biases: [0.1, 0.2, 0.3, 0.4], add: 3,
     after: true}
  - activation: {name: leaky_relu, slope: 0.2}
    weights: [[0.1, null, 0.3, -0.4], [0.5, 0.2, -0.1, 0.3], [0.2, 0.2, 0.1, 0.1]]
    bias_input: -1
    biases: [0, 0.1, 0.2]
loss: mean_squared_error
"""


def test_dense_layers_beside_others_keep_their_rules():
    """Skips, dropout, tied weights, a shared bias, thresholds and missing connections."""
    assert entry_by_entry(read_problem("t.yaml", MIXED)) == []
    data = solution_data(solve(read_problem("t.yaml", MIXED)))
    equations = {array["name"]: array["equation"] for array in data["arrays"]}
    assert equations["z4"] == "w3^T @ h3 + b4"
    assert equations["h4"] == "a4 + h3"
    assert equations["yhat"] == "leaky_relu(z5, 0.2)"


@pytest.mark.parametrize("name", OF_KINDS)
def test_the_table_of_names_has_every_quantity_and_array(name):
    problem = str(PROBLEMS / f"{name}.yaml")
    rows = backprop("explain", "names", problem, "--width", "120").text.splitlines()
    listed = {row.split("│")[0].strip() for row in rows if "│" in row}
    data = solution_data(solve(read_problem(problem)))
    names = {step["name"] for step in data["steps"] if step["iteration"] == 1}
    arrays = {each["name"] for each in data["arrays"]}
    assert names - listed == set()
    assert {each for each in arrays if "/" not in each and not each.endswith("_new")} <= listed


# --- beside layers of other kinds ----------------------------------------------------------------

BESIDE = """title: t
inputs: [[1, 0, 2], [0, 1, 0], [2, 1, 1]]
targets: [1, 0]
layers:
  - {{kind: conv2d, kernels: [[[0.2, -0.1], [0.3, 0.5]]], biases: [0.1], activation: relu}}
  - {{kind: flatten}}
  - activation: {hidden}
    weights: [[0.4, -0.3, 0.2, 0.5], [0.1, -0.2, 0.3, 0.4]]
    biases: [0, 0.1]
  - {{activation: sigmoid, weights: [[0.4, -0.3], [0.2, 0.1]], biases: [0, 0]}}
loss: {loss}
learning_rate: 0.1
"""


@pytest.mark.parametrize(
    ("hidden", "loss"),
    [
        ("[relu, tanh]", "half_squared_error"),
        ("[tanh, {formula: z*z*sigmoid(z)}]", "half_squared_error"),
        ("tanh", "{formula: (y1 - yhat1)^4 + abs(y2 - yhat2)}"),
        ("[leaky_relu, softplus]", "{formula: (y1 - yhat1)^2*yhat2}"),
    ],
)
def test_units_that_differ_and_own_losses_are_written_in_arrays(tmp_path, hidden, loss):
    """Every gradient by a rule, and each as difference quotients have it."""
    path = tmp_path / "t.yaml"
    path.write_text(BESIDE.format(hidden=hidden, loss=loss))
    text = backprop("solve", str(path)).text
    assert "∂L/∂w⁽¹⁾ =  x  ∗ ∂L/∂z⁽¹⁾" in text
    assert "follows no rule" not in text
    assert "placed" not in text
    if hidden == "[relu, tanh]":
        assert "∂L/∂z⁽³⁾ = stack(∂L/∂a₁⁽³⁾ · ReLU′(z₁⁽³⁾), ∂L/∂a₂⁽³⁾ · tanh′(z₂⁽³⁾))" in text
    assert "agree" in backprop("verify", str(path)).text


def test_a_single_output_has_its_own_loss_as_one_number(tmp_path):
    path = tmp_path / "t.yaml"
    text = BESIDE.format(hidden="tanh", loss="{formula: (y - yhat)^4}").replace("[1, 0]", "[1]", 1)
    path.write_text(text.replace("[[0.4, -0.3], [0.2, 0.1]], biases: [0, 0]", "[[0.4, -0.3]]"))
    text = backprop("solve", str(path)).text
    assert "L = (y − ŷ)⁴" in text
    assert "follows no rule" not in text


def test_batch_normalisation_beside_other_kinds_says_why_there_are_no_arrays(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(
        "title: t\nsamples:\n  - {inputs: [1, 0, 2], targets: [1]}\n"
        "  - {inputs: [0, 1, 1], targets: [0]}\nlayers:\n"
        "  - {kind: conv1d, kernels: [[0.5, 1]], biases: [0]}\n  - {kind: flatten}\n"
        "  - {activation: relu, batch_norm: true, weights: [[0.4, -0.3]]}\n"
        "  - {activation: sigmoid, weights: [[1]], biases: [0]}\n"
        "loss: half_squared_error\ntraining: {batch: all}\nlearning_rate: 0.1\n"
    )
    text = " ".join(backprop("solve", str(path)).text.split())
    said = "Written in single numbers, not in arrays: batch normalisation in layer 3 ┃ ties the samples"
    assert said in text
