"""Files as their authors write them, and what the reader makes of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from backprop_cli.formula.nodes import Call, Name, Number, Power
from backprop_cli.formula.parse import parse
from backprop_cli.problem.forms import Custom, Equations, Network, RuleUse, Sample
from backprop_cli.problem.model import Clip, Marking, Notation, Penalty, Problem, Rounding, Training
from backprop_cli.problem.read import read, read_problem
from backprop_cli.rules.optimizers import CORRECTIONS, OPTIMIZERS

PROBLEMS = sorted((Path(__file__).parents[2] / "problems").glob("*.yaml"))


def problem(text: str) -> Problem:
    return read_problem("f.yaml", text)


def network(text: str) -> Network:
    model = problem(text).model
    assert isinstance(model, Network)
    return model


def equations(text: str) -> Equations:
    model = problem(text).model
    assert isinstance(model, Equations)
    return model


def numbers(*texts: str) -> tuple[Number, ...]:
    return tuple(map(Number, texts))


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_every_problem_of_this_repository_is_read_without_a_warning(path: Path) -> None:
    found, warnings = read(path)
    assert found.path == str(path)
    assert found.title
    assert warnings == []


# --- layers --------------------------------------------------------------------------------------

MANUAL = """
title: Two hidden layers, one training step
inputs: [6, 2, 5]
targets: [1]
layers:
  - {activation: relu,    weights: [[0.42, 0.72, 0.21], [0.11, 0.30, 0.65]], biases: [0.01, 0.01]}
  - {activation: sigmoid, weights: [[0.17, 0.29], [0.91, 0.08]],             biases: [0.05, 0.05]}
  - {activation: sigmoid, weights: [[0.61, 0.39]],                           biases: [0.08]}
loss: half_squared_error
learning_rate: 0.7
"""


def test_the_example_of_the_manual() -> None:
    found = problem(MANUAL)
    assert found.title == "Two hidden layers, one training step"
    assert found.learning_rate == Number("0.7")
    assert found.trains
    assert found.training == Training()
    model = network(MANUAL)
    assert (model.inputs, model.targets, model.loss) == (3, 1, RuleUse("half_squared_error"))
    assert model.samples == (Sample(numbers("6", "2", "5"), numbers("1")),)
    first, second, third = model.layers
    assert (first.units, first.fan_in, second.units, third.units) == (2, 3, 2, 1)
    assert first.weights == (numbers("0.42", "0.72", "0.21"), numbers("0.11", "0.30", "0.65"))
    assert first.connected == ((True,) * 3,) * 2
    assert first.activations == (RuleUse("relu"),) * 2
    assert (second.bias, second.biases) == ("each", numbers("0.05", "0.05"))
    assert third.bias_input == Number("1")


def test_numbers_keep_their_digits() -> None:
    model = network(
        "inputs: [1e-3, 0.90, +2, -.5, 5., 1E3]\nlayers: [{activation: relu, units: 1}]\n"
    )
    texts = [value.text for value in model.samples[0].inputs if value is not None]
    assert texts == ["1e-3", "0.90", "2", "-.5", "5.", "1E3"]
    assert [Fraction(text) for text in texts] == [
        Fraction(1, 1000), Fraction(9, 10), 2, Fraction(-1, 2), 5, 1000,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "values"),
    [
        ("[6, 2]", ("6", "2")),
        ("{x1: 6, x2: 2}", ("6", "2")),
        ("{x2: 2, x1: 6}", ("6", "2")),
        ("7", ("7",)),
        ("{x: 7}", ("7",)),
        ("{x1: 7}", ("7",)),
        ("[x1, x2]", (None, None)),
        ("[null, 3]", (None, "3")),
        ("x", (None,)),
        ("{x1: null, x2: null}", (None, None)),
    ],
)
def test_ways_to_write_inputs(inputs: str, values: tuple[str | None, ...]) -> None:
    (sample,) = network(f"inputs: {inputs}\nlayers: [{{activation: relu, units: 2}}]\n").samples
    assert sample.inputs == tuple(None if one is None else Number(one) for one in values)


def layer(text: str, more: str = "") -> Network:
    return network(f"inputs: [1, 2]\nlayers:\n  - {{activation: relu, {text}}}\n{more}")


@pytest.mark.parametrize(
    ("text", "bias", "biases"),
    [
        ("weights: [[1, 2], [3, 4]], biases: [5, 6]", "each", ("5", "6")),
        ("weights: [[1, 2], [3, 4]], biases: 5", "shared", ("5",)),
        ("weights: [[1, 2], [3, 4]]", "none", ()),
        ("weights: [[1, 2], [3, 4]], biases: null", "none", ()),
        ("weights: [[1, 2], [3, 4]], biases: []", "none", ()),
        ("weights: [[1, 2], [3, 4]], biases: [b1_1, b]", "each", (None, None)),
        ("weights: [[1, 2], [3, 4]], biases: b1", "shared", (None,)),
        ("units: 2", "each", (None, None)),
        ("units: 2, biases: none", "none", ()),
        ("units: 2, biases: false", "none", ()),
        ("units: 2, biases: shared", "shared", (None,)),
        ("units: 2, biases: each", "each", (None, None)),
        ("units: 2, biases: [5, 6]", "each", ("5", "6")),
        ("weights: [[1, 2], [3, 4]], biases: {init: constant, value: 0.10}", "each", ("0.10",) * 2),
    ],
)
def test_ways_to_write_biases(text: str, bias: str, biases: tuple[str | None, ...]) -> None:
    (found,) = layer(text).layers
    assert found.bias == bias
    assert found.biases == tuple(None if one is None else Number(one) for one in biases)


def test_null_is_no_connection_and_a_name_is_one_without_number() -> None:
    (found,) = layer("weights: [[1, null], [w1_2_1, w]]").layers
    assert found.weights == ((Number("1"), None), (None, None))
    assert found.connected == ((True, False), (True, True))


def test_a_layer_without_numbers() -> None:
    (found,) = layer("units: 3").layers
    assert found.weights is None
    assert found.connected == ((True, True),) * 3


def test_thresholds_for_one_layer_or_all() -> None:
    model = network(
        "inputs: 1\nbias_input: -1\nlayers:\n"
        "  - {activation: step, weights: [[1]], biases: [2]}\n"
        "  - {activation: step, weights: [[1]], biases: [2], bias_input: 1}\n"
    )
    assert [one.bias_input.text for one in model.layers] == ["-1", "1"]


def test_ways_to_write_an_activation() -> None:
    model = network(
        "inputs: 1\nlayers:\n"
        "  - {activation: silu, weights: [[1]]}\n"
        "  - {activation: {name: leaky_relu, slope: 0.2}, weights: [[1]]}\n"
        "  - {activation: [linear, tanh], weights: [[1], [1]]}\n"
        '  - {activation: {name: bump, formula: "exp(-z^2)"}, weights: [[1, 1]]}\n'
    )
    assert [one.activations for one in model.layers] == [
        (RuleUse("swish"),),
        (RuleUse("leaky_relu", {"slope": Number("0.2")}),),
        (RuleUse("identity"), RuleUse("tanh")),
        (Custom("bump", parse("exp(-z^2)")),),
    ]


def test_ways_to_write_a_loss() -> None:
    def loss(text: str) -> object:
        return layer("weights: [[1, 2]]", f"targets: 1\nloss: {text}\n").loss

    assert loss("mse") == RuleUse("mean_squared_error")
    assert loss("{name: huber, delta: 2}") == RuleUse("huber", {"delta": Number("2")})
    own = loss('{name: quartic, formula: "(y - yhat)^4"}')
    assert own == Custom("quartic", parse("(y - yhat)^4"))
    two = layer("units: 2", "targets: [1, 2]\nloss: {formula: y1*yhat1 + y2*yhat2}\n").loss
    assert two == Custom("loss", parse("y1*yhat1 + y2*yhat2"))


def test_samples() -> None:
    model = network(
        "samples: [{inputs: [1, 2], targets: 3}, {inputs: [4, 5], targets: [6]}]\n"
        "layers: [{activation: relu, weights: [[1, 1]]}]\nloss: mse\n"
    )
    assert model.samples == (
        Sample(numbers("1", "2"), numbers("3")),
        Sample(numbers("4", "5"), numbers("6")),
    )


def test_without_targets_there_is_only_a_forward_pass() -> None:
    model = layer("weights: [[1, 2]]")
    assert (model.loss, model.targets, model.samples[0].targets) == (None, 0, ())


def test_a_symbolic_problem_needs_only_units_names_and_a_loss() -> None:
    text = "inputs: [x1, x2]\nlayers: [{activation: sigmoid, units: 2}]\nloss: mse\n"
    found, warnings = read("f.yaml", text + "learning_rate: eta\n")
    assert warnings == []
    assert isinstance(found.model, Network)
    assert found.model.samples == (Sample((None, None), (None, None)),)
    assert (found.trains, found.learning_rate) == (True, None)


def test_inputs_are_counted_by_the_weights_where_nothing_else_says() -> None:
    model = network("layers: [{activation: relu, weights: [[w, w, w]]}]\n")
    assert (model.inputs, model.layers[0].fan_in) == (3, 3)


def test_drawn_weights_are_the_draws_of_pythons_generator() -> None:
    text = "units: 2, weights: {init: uniform, low: -0.1, high: 0.1, seed: 7}"
    (found,) = layer(text).layers
    draws = Random(7)
    expected = [round(-0.1 + 0.2 * draws.random(), 4) for _ in range(4)]
    assert found.weights is not None
    drawn = [float(value.value) for row in found.weights for value in row if value is not None]
    assert drawn == expected
    assert found.initialised == "uniform, low −0.1, high 0.1, seed 7"
    assert layer(text) == layer(text)


def test_two_layers_do_not_draw_the_same_numbers_by_default() -> None:
    first, second = network(
        "inputs: [1, 2]\nlayers:\n"
        "  - {activation: relu, units: 2, weights: {init: he}, biases: {init: uniform}}\n"
        "  - {activation: relu, units: 2, weights: {init: he}}\n"
    ).layers
    assert first.weights != second.weights
    assert first.initialised == "he, seed 1; biases uniform, low −0.1, high 0.1, seed 101"
    assert second.initialised == "he, seed 2"


def test_batch_normalisation() -> None:
    model = network(
        "samples: [{inputs: 1}, {inputs: 2}]\nlayers:\n"
        "  - {activation: relu, units: 2, batch_norm: {epsilon: 0.01, gamma: [1, 2], beta: 3}}\n"
        "  - {activation: relu, units: 1, batch_norm: true}\n"
    )
    norms = [one.batch_norm for one in model.layers]
    assert norms[0] is not None
    assert norms[1] is not None
    assert (norms[0].epsilon, norms[0].gamma, norms[0].beta) == (
        Number("0.01"), numbers("1", "2"), numbers("3", "3"),
    )  # fmt: skip
    assert (norms[1].epsilon, norms[1].gamma, norms[1].beta) == (
        Number("1e-5"), numbers("1"), numbers("0"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("layers", "more", "frozen", "trainable"),
    [
        ("", "frozen: [b1_1, w1_1_2]", ("b1_1", "w1_1_2"), None),
        ("", "frozen: 'w1_*'", ("w1_1_1", "w1_1_2", "w1_2_1", "w1_2_2"), None),
        ("", "trainable: [w?_1_1]", (), ("w1_1_1", "w2_1_1")),
        (", frozen: true", "", ("w1_1_1", "w1_1_2", "b1_1", "w1_2_1", "w1_2_2", "b1_2"), None),
        (", frozen: ['b*']", "", ("b1_1", "b1_2"), None),
        (", trainable: [w1_1_1]", "", ("w1_1_2", "b1_1", "w1_2_1", "w1_2_2", "b1_2"), None),
        (", frozen: false, trainable: true", "", (), None),
    ],
)
def test_frozen_and_trainable(
    layers: str, more: str, frozen: tuple[str, ...], trainable: tuple[str, ...] | None
) -> None:
    found = problem(
        "inputs: [1, 2]\ntargets: 1\nloss: mse\nlearning_rate: 1\nlayers:\n"
        f"  - {{activation: relu, weights: [[1, 2], [3, 4]], biases: [5, 6]{layers}}}\n"
        f"  - {{activation: relu, weights: [[1, 2]]}}\n{more}\n"
    )
    assert (found.frozen, found.trainable) == (frozen, trainable)


# --- equations -----------------------------------------------------------------------------------


def test_the_circuit_of_the_manual() -> None:
    model = equations(
        "equations:\n  g: w0*x0 + w1*x1 + w2\n  f: 1 / (1 + exp(-g))\n"
        "given: {x0: -1, x1: -2}\nparameters: {w0: 2, w1: -3, w2: -3}\n"
    )
    assert dict(model.equations) == {
        "g": parse("w0*x0 + w1*x1 + w2"),
        "f": parse("1 / (1 + exp(-g))"),
    }
    assert model.given == {"x0": Number("-1"), "x1": Number("-2")}
    assert model.output == "f"
    assert model.with_respect_to == ("w0", "w1", "w2")


def test_without_parameters_everything_given_is_differentiated_by() -> None:
    model = equations("equations: {f: x*y}\ngiven: {x: 1, y: 2}\n")
    assert model.with_respect_to == ("x", "y")


def test_equations_in_any_order_are_put_into_the_order_of_calculation() -> None:
    model = equations("equations: {c: a + b, z: 3*x, b: 2*a, a: x}\ngiven: [x]\noutput: c\n")
    assert list(model.equations) == ["a", "b", "c", "z"]
    ordered = equations("equations: {p: x, q: x, r: p + q}\ngiven: [x]\n")
    assert list(ordered.equations) == ["p", "q", "r"]


def test_quantities_without_numbers() -> None:
    model = equations("equations: {f: w*x*t}\ngiven: {x: null, t: 3}\nparameters: [w]\n")
    assert model.given == {"x": None, "t": Number("3")}
    assert model.parameters == {"w": None}


def test_greek_names_and_hats() -> None:
    model = equations("equations: {ŷ: σ(w1·x), L: (y − ŷ)²}\ngiven: {x: 1, y: 1, w1: 2}\n")
    assert list(model.equations) == ["yhat", "L"]


def test_names_are_the_same_in_every_spelling_and_every_list() -> None:
    model = equations(
        "equations: {ŷ: w₁·λ, other: w₁}\nparameters: {w1: 2, λ: 3}\n"
        "output: ŷ\nwith_respect_to: [λ, w₁]\n"
    )
    assert (model.output, model.with_respect_to) == ("yhat", ("lambda", "w1"))
    updated = problem(
        "equations: {L: η1·x}\nparameters: {η1: 2}\ngiven: {x: 1}\nlearning_rate: 1\nfrozen: [η₁]\n"
    )
    assert updated.frozen == ("eta1",)


def test_an_author_may_call_a_quantity_e() -> None:
    model = equations("equations: {c: a + b, d: b + 1, e: c*d}\ngiven: {a: 2, b: 1}\n")
    assert list(model.equations) == ["c", "d", "e"]
    used = equations("equations: {e: a*b, L: e^2}\ngiven: {a: 2, b: 1}\n")
    assert used.equations["L"] == Power(Name("e"), Number("2"))
    euler = equations("equations: {L: e^a}\ngiven: {a: 2}\n")
    assert euler.equations["L"] == Power(Call("e", ()), Name("a"))


def test_names_run_together_are_a_product_where_there_is_one_way_to_cut_them() -> None:
    model = equations("equations: {z: w1x1 + b}\ngiven: {x1: 2}\nparameters: {w1: 3, b: 1}\n")
    assert model.equations["z"] == parse("w1*x1 + b")


def test_samples_of_equations() -> None:
    model = equations(
        "equations: {L: (w*x + b - y)^2}\nsamples: [{x: 1, y: 2}, {y: 4, x: 3}]\n"
        "given: {b: 1}\nparameters: {w: 1}\n"
    )
    assert [dict(sample) for sample in model.samples] == [
        {"x": Number("1"), "y": Number("2")},
        {"y": Number("4"), "x": Number("3")},
    ]


# --- training, rounding, marking -------------------------------------------------------------------


def training(text: str) -> Training:
    return problem(
        "equations: {f: k*x}\nparameters: {k: 1}\nsamples: [{x: 1}, {x: 2}, {x: 3}]\n"
        f"learning_rate: 1e-1\ntraining: {text}\n"
    ).training


def test_training_keys() -> None:
    found = training("{steps: 7, batch: 2, reduction: sum, clip: {value: 0.5}, l1: 0.1, l2: 0}")
    assert found == Training(
        steps=7,
        batch=2,
        reduction="sum",
        clip=Clip("value", Number("0.5")),
        l1=Penalty(Number("0.1")),
        l2=Penalty(Number("0")),
    )
    assert training("{batch: all}") == training("") == Training()


def test_a_built_in_optimizer_is_its_row_with_options() -> None:
    found = training("{optimizer: {name: adam, beta1: 0.8, eps: 1e-6}}").optimizer
    row = OPTIMIZERS["adam"]
    assert found is not None
    assert (found.name, found.state, found.equations) == ("adam", row.state, row.equations)
    assert found.options == {
        "beta1": Number("0.8"), "beta2": Number("0.999"), "epsilon": Number("1e-6"),
    }  # fmt: skip
    assert training("{optimizer: sgd}").optimizer is None


def test_an_optimizer_of_ones_own() -> None:
    found = training(
        '{optimizer: {name: ema, state: {v: 0}, equations: {v: "beta*v + (1 - beta)*g", '
        'w: "w - eta*v"}, beta: 0.9}}'
    ).optimizer
    assert found is not None
    assert (found.name, found.state, found.options) == (
        "ema", {"v": Number("0")}, {"beta": Number("0.9")},
    )  # fmt: skip
    assert dict(found.equations) == {
        "v": parse("beta*v + (1 - beta)*g"),
        "w": parse("w - eta*v"),
    }


@pytest.mark.parametrize(
    ("rule", "update"),
    [
        ("perceptron", "error"),
        ("{name: perceptron}", "error"),
        ("{name: perceptron, update: target}", "target"),
    ],
)
def test_the_perceptron_rule(rule: str, update: str) -> None:
    found = problem(
        "inputs: [1, 2]\ntargets: [1]\nlayers: [{activation: step, weights: [[0, 0]]}]\n"
        f"training: {{rule: {rule}}}\n"
    )
    assert found.training.correction == CORRECTIONS[update]
    assert found.learning_rate == Number("1")
    assert isinstance(found.model, Network)
    assert (found.model.loss, found.model.targets) == (None, 1)


def test_settings() -> None:
    found = problem(
        MANUAL + "description: |\n  Two lines\n  of text.\n"
        "notation: {index_order: from_to, names: sequential, weight_order: by_input}\n"
        "rounding: {digits: 3, every_step: true}\n"
        "marking:\n  ask: [forward, 'dL/*', w1_new, 'dL/dw3']\n  points: {'dL/*': 2, L: 0.5}\n"
        "  pass: 0.6\n  follow_through: 0.9\n  imprecise: 0\n  tolerance: {relative: 0.01}\n"
    )
    assert found.description == "Two lines\nof text."
    assert found.notation == Notation("from_to", "sequential", "by_input")
    assert found.rounding == Rounding(3, True)
    assert found.marking == Marking(
        ask=("forward", "dL/*", "w1_new", "dL/dw3"),
        points={"dL/*": Fraction(2), "L": Fraction(1, 2)},
        pass_share=Fraction(3, 5),
        follow_through=Fraction(9, 10),
        imprecise=Fraction(0),
        tolerance=Fraction(1, 100),
    )


def test_json_is_yaml() -> None:
    found = problem(
        '{"title": "J", "inputs": [1], "layers": [{"activation": "relu", "weights": [[1e-3]]}]}'
    )
    assert found.title == "J"
