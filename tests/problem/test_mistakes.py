"""Files with mistakes, and what their authors are told: all of it, at its place, with help."""

from __future__ import annotations

from textwrap import dedent

import pytest

from backprop_cli.diagnostics import Diagnostic, ProblemError, render_all
from backprop_cli.problem.forms import Equations
from backprop_cli.problem.read import read
from backprop_cli.rules import activations, losses


def mistakes(text: str) -> list[Diagnostic]:
    with pytest.raises(ProblemError) as caught:
        read("demo.yaml", text)
    return list(caught.value.diagnostics)


def told(text: str) -> str:
    return render_all(mistakes(text)) + "\n"


def warned(text: str) -> str:
    return render_all(read("demo.yaml", text)[1]) + "\n"


def test_a_file_with_a_mistake_in_every_line() -> None:
    text = """\
title: Demo
inputs: [6, 2, 5]
targets: [1]
layers:
  - {activation: relu, weights: [[0.42, 0.72, 0.21], [0.11, 0.30]], biases: [0.01]}
  - {activation: sigmod, weigths: [[0.17, yes]], bias: 0.5}
loss: {formula: "(y - yhatt)^2"}
learning_rate: 1:30
rounding: {digits: 0}
"""
    assert told(text) == dedent(
        """\
        demo.yaml:5:54: error[shape]: layer 1 has 2 units and there are 3 inputs, so weights must be 2 rows of 3 numbers
          |
        5 |   - {activation: relu, weights: [[0.42, 0.72, 0.21], [0.11, 0.30]], biases: [0.01]}
          |                                                      ^^^^^^^^^^^^
          = help: row 2 has 2 numbers

        demo.yaml:5:77: error[shape]: layer 1 has 2 units, so biases must be 2 numbers, not 1
          |
        5 |   - {activation: relu, weights: [[0.42, 0.72, 0.21], [0.11, 0.30]], biases: [0.01]}
          |                                                                             ^^^^^^
          = help: a number without brackets is one bias shared by the layer

        demo.yaml:6:18: error[unknown-activation]: `sigmod` is not an activation
          |
        6 |   - {activation: sigmod, weigths: [[0.17, yes]], bias: 0.5}
          |                  ^^^^^^
          = help: did you mean `sigmoid`?

        demo.yaml:6:26: error[unknown-key]: `weigths` is not a key of layer 2
          |
        6 |   - {activation: sigmod, weigths: [[0.17, yes]], bias: 0.5}
          |                          ^^^^^^^
          = help: did you mean `weights`?

        demo.yaml:6:43: error[not-a-number]: weight 2 of unit 1 in layer 2 must be a number, not a truth value: `yes`
          |
        6 |   - {activation: sigmod, weigths: [[0.17, yes]], bias: 0.5}
          |                                           ^^^
          = help: write 1 or 0

        demo.yaml:6:50: error[unknown-key]: `bias` is not a key of layer 2
          |
        6 |   - {activation: sigmod, weigths: [[0.17, yes]], bias: 0.5}
          |                                                  ^^^^
          = help: did you mean `biases`?

        demo.yaml:7:23: error[unknown-name]: `yhatt` is not defined here
          |
        7 | loss: {formula: "(y - yhatt)^2"}
          |                       ^^^^^
          = help: did you mean `yhat`?

        demo.yaml:8:16: error[not-a-number]: `learning_rate` must be a number, not a time: `1:30`
          |
        8 | learning_rate: 1:30
          |                ^^^^
          = help: write it as one number

        demo.yaml:9:20: error[out-of-range]: `digits` must be from 1 to 15, not 0
          |
        9 | rounding: {digits: 0}
          |                    ^
        """
    )


def test_weights_of_the_wrong_shape_say_what_was_expected_and_why() -> None:
    text = """\
inputs: [1, 2]
layers:
  - {activation: relu, weights: [[1, 2], [3, 4], [5, 6]]}
  - {activation: relu, weights: [[1, 2], [3, 4]]}
"""
    assert told(text) == dedent(
        """\
        demo.yaml:4:33: error[shape]: layer 2 has 2 units and layer 1 gives 3 values, so weights must be 2 rows of 3 numbers
          |
        4 |   - {activation: relu, weights: [[1, 2], [3, 4]]}
          |                                 ^^^^^^^^^^^^^^^^
          = help: these are 2 rows of 2 numbers
        """
    )


def test_rows_and_columns_exchanged() -> None:
    text = """\
inputs: [1, 2, 3]
layers:
  - {activation: relu, weights: [[1, 2], [3, 4], [5, 6]], biases: [7, 8]}
"""
    assert told(text) == dedent(
        """\
        demo.yaml:3:33: error[shape]: layer 1 has 2 units and there are 3 inputs, so weights must be 2 rows of 3 numbers
          |
        3 |   - {activation: relu, weights: [[1, 2], [3, 4], [5, 6]], biases: [7, 8]}
          |                                 ^^^^^^^^^^^^^^^^^^^^^^^^
          = help: these are 3 rows of 2 numbers: rows and columns are exchanged
        """
    )


def test_shared_weights_that_do_not_fit_are_numbered_too() -> None:
    text = """
inputs: [1]
targets: [1, 0]
layers:
  - {weights: [[2], [3]], activation: tanh}
  - {weights: {same_as: 1}, activation: tanh}
loss: half_squared_error
notation: {names: sequential}
"""
    (mistake,) = mistakes(text)
    assert mistake.message == "layer 2 gets 2 values, and these weights are for 1 value"


def test_equations_that_need_each_other() -> None:
    text = """\
equations:
  a: x + c
  b: 2*a
  c: b - 1
given: {x: 1}
"""
    assert told(text) == dedent(
        """\
        demo.yaml:2:6: error[cycle]: these equations need each other: `a` → `c` → `b` → `a`
          |
        2 |   a: x + c
          |      ^^^^^
          = help: each quantity is calculated from earlier ones; give one of them a number or another name
        """
    )


def test_a_mistake_inside_a_formula_that_spans_lines() -> None:
    text = """\
equations:
  f: >
    w*x +
    b*(x - )
given: {w: 1, x: 1, b: 2}
"""
    assert told(text).startswith("demo.yaml:4:12: error[bad-formula]:")


def test_batch_normalisation_of_one_sample_gives_the_reason() -> None:
    text = """\
inputs: [1]
layers: [{activation: relu, weights: [[1]], batch_norm: {epsilon: 1e-5}}]
"""
    assert told(text) == dedent(
        """\
        demo.yaml:2:57: error[batch-of-one]: batch normalisation needs several samples in a batch: the mean of one value is the value itself, so z would always become 0
          |
        2 | layers: [{activation: relu, weights: [[1]], batch_norm: {epsilon: 1e-5}}]
          |                                                         ^^^^^^^^^^^^^^^
          = help: give more `samples`
        """
    )


def test_warnings_do_not_refuse_the_file() -> None:
    text = """\
equations: {f: w*x}
given: {x: 1, y: 2}
parameters: {w: 1}
"""
    assert warned(text) == dedent(
        """\
        demo.yaml:2:15: warning[unused]: the output `f` does not depend on the given quantity `y`
          |
        2 | given: {x: 1, y: 2}
          |               ^
        """
    )


NETWORK = """\
inputs: [1, 2]
targets: [1]
layers: [{activation: sigmoid, weights: [[0.1, 0.2]], biases: [0.3]}]
loss: half_squared_error
"""
EQUATIONS = """\
equations: {f: w*x}
parameters: {w: 2}
given: {x: 3}
"""


def network(**parts: str) -> str:
    """NETWORK with some lines changed or added; an empty text leaves a line out."""
    lines = dict(line.split(": ", 1) for line in NETWORK.splitlines())
    return "".join(f"{key}: {value}\n" for key, value in (lines | parts).items() if value)


def one_layer(layer: str, **parts: str) -> str:
    return network(layers=f"[{{{layer}}}]", **parts)


def circuit(**parts: str) -> str:
    lines = dict(line.split(": ", 1) for line in EQUATIONS.splitlines())
    return "".join(f"{key}: {value}\n" for key, value in (lines | parts).items() if value)


def training(text: str, **parts: str) -> str:
    return network(learning_rate="0.1", training=text, **parts)


# file, code, what is marked, part of the message or of its help
TABLE = [
    # another colon, another space, other signs than a file has
    (network().replace("inputs: ", "inputs:\u00a0"), "yaml-syntax", "\u00a0", "another space"),
    (network().replace("inputs: ", "inputs： "), "yaml-syntax", "：", "another colon than `:`"),
    ('title = "t"\n', "not-a-mapping", 'title = "t"', "not by `=`"),
    # numbers that are none
    (network(learning_rate="alpha"), "not-a-number", "alpha", "write `learning_rate: eta`"),
    (network(inputs="[1，2]"), "not-a-number", "1，2", "write `,` and a space"),
    (network(inputs="[１, 2]"), "not-a-number", "１", "write 1"),
    (network(inputs="[½, 2]"), "not-a-number", "½", "write it as a decimal"),
    (one_layer("activation: σ, weights: [[1, 2]]"), "unknown-activation", "σ", "write `sigmoid`"),
    (one_layer("activation: torch.nn.Sigmoid(), weights: [[1, 2]]"), "unknown-activation", "torch.nn.Sigmoid()", "write `sigmoid`"),
    (one_layer("activation: sigmoid, weights: [[1, 2]], dropout: 0.5"), "not-a-mapping", "0.5", "{mask: [1, 0, 1], keep: 0.5}"),
    (training("{clip: 5}"), "not-a-mapping", "5", "{norm: 1.0}"),
    (one_layer("kind: conv2d, filters: 4"), "unknown-key", "filters", "the kernels say it"),
    (network(with_respect_to="[w1]"), "unknown-name", "w1", "did you mean `w1_1_1`?"),
    (circuit(with_respect_to="all"), "unknown-name", "all", "there are `x`, `w` and `f`"),
    (circuit(equations="{Ζ: w*x}"), "bad-name", "Ζ", "greek capital letter zeta"),
    (circuit(upstream="{q: 1}"), "unknown-name", "q", "there is no such equation"),
    (network(inputs="[1, 0o17]"), "not-a-number", "0o17", "write 15"),
    (network(inputs="[1, 0x1F]"), "not-a-number", "0x1F", "write 31"),
    (network(inputs="[1, 1_000]"), "not-a-number", "1_000", "write 1000"),
    (network(inputs="[1, 010]"), "not-a-number", "010", "write `10`"),
    (network(inputs="[1, '2']"), "not-a-number", "'2'", "remove the quotes"),
    (network(inputs="[1, .nan]"), "not-a-number", ".nan", "there is none"),
    (network(inputs="[1, -.inf]"), "not-a-number", "-.inf", "infinity"),
    (network(inputs="[1, 2024-01-01]"), "not-a-number", "2024-01-01", "not a date"),
    (network(inputs="[1, −3]"), "not-a-number", "−3", "write -3"),
    (network(inputs="[1, 1/3]"), "not-a-number", "1/3", "as a decimal"),
    (network(inputs="[1 2, 3]"), "not-a-number", "1 2", "comma between two numbers"),
    (network(inputs="[1, [2]]"), "not-a-number", "[2]", "not a list"),
    (network(inputs="[1, 1e999]"), "number-too-large", "1e999", "1e300"),
    (network(inputs=f"[1, {'7' * 41}]"), "number-too-long", "7" * 41, "41 digits"),
    (network(targets="1,5"), "not-a-number", "1,5", "write 1.5"),
    # inputs, targets, samples
    (network(inputs="[]"), "missing-value", "[]", "empty list"),
    (network(inputs="[x2, x1]"), "bad-name", "x2", "`x1`"),
    (network(inputs="[u, x2]"), "bad-name", "u", "write `x1`, or its number"),
    (network(targets="[t]"), "bad-name", "t", "write `y`, or its number"),
    (network(inputs="[1, n]"), "not-a-number", "n", "truth value"),
    ("equations:\n  p = x*w\n  q: p\n", "yaml-syntax", "=", "where a `:` belongs"),
    ("equations:\n  p: x*w\n  q = p\ngiven: {x: 1}\n", "yaml-syntax", "=", "where a `:` belongs"),
    (network(inputs="{x1: 1, x3: 2}"), "bad-name", "x3", "`x1` and `x2`"),
    (network(inputs="{x1:1, x2: 2}"), "bad-name", "x1:1", "space behind the colon"),
    (network(inputs=""), "missing-key", "layers", "`inputs: [x1, x2]`"),
    (network(targets=""), "missing-targets", "loss", "add `targets"),
    (network(targets="[1, 0]"), "shape", "[1, 0]", "layer 1 gives 1 output"),
    (network(samples="[{inputs: [1, 2]}]"), "both-forms", "inputs", "each sample has its own"),
    (
        network(inputs="", targets="", samples="[{inputs: [1, 2], targets: 1}, {inputs: [3]}]"),
        "shape", "[3]", "sample 2 has 1 input",
    ),
    (
        network(inputs="", targets="", samples="[{inputs: [1, 2], targets: 1}, {inputs: [3, 4]}]"),
        "missing-key", "[3, 4]", "sample 2 has no `targets`",
    ),
    (network(inputs="", targets="", samples="[]"), "missing-value", "[]", "at least"),
    (network(inputs="", targets="", samples="[3]"), "not-a-mapping", "3", "sample 1"),
    # layers
    (network(layers="[]"), "missing-value", "[]", "one layer at least"),
    (network(layers="3"), "not-a-list", "3", "must be a list"),
    (network(layers="[relu]"), "not-a-mapping", "relu", "layer 1 must be a mapping"),
    (one_layer("activation: relu"), "missing-key", "{activation: relu}", "neither `weights`"),
    (one_layer("activation: relu, weights: [1, 2]"), "not-a-list", "[1, 2]", "write [[1, 2]]"),
    (one_layer("activation: relu, weights: 3"), "not-a-list", "3", "rows in brackets"),
    (one_layer("activation: relu, weights: [[1, w7]]"), "bad-name", "w7", "called `w1_1_2`"),
    (one_layer("activation: relu, weights: [[null, null]]"), "no-connection", "[null, null]", "0"),
    (one_layer("activation: relu, units: 2, weights: [[1, 2]]"), "shape", "[[1, 2]]", "has 2 units"),
    (one_layer("activation: relu, units: 0"), "out-of-range", "0", "from 1 to 2,000"),
    (one_layer("activation: relu, units: 1.5"), "not-whole", "1.5", "whole number"),
    (one_layer("activation: relu, units: 5000"), "out-of-range", "5000", "2,000"),
    (one_layer("activation: relu, units: 1, biases: [b7]"), "bad-name", "b7", "called `b1_1`"),
    (one_layer("activation: relu, units: 1, biases: [null]"), "missing-value", "null", "write 0"),
    (one_layer("activation: relu, units: 1, bias_input: 0"), "out-of-range", "0", "other than 0"),
    (one_layer("activation: [relu, tanh], units: 1"), "shape", "[relu, tanh]", "1 name, not 2"),
    (
        one_layer("activation: [relu, softmax], units: 2", targets="[1, 0]"),
        "mixed-softmax", "softmax", "whole layer",
    ),
    (one_layer("activation: {slope: 3}, units: 1"), "missing-key", "{slope: 3}", "add `name:`"),
    (one_layer("activation: {name: relu, slope: 3}, units: 1"), "unknown-option", "slope", "no op"),
    (one_layer("activation: {formula: z + q}, units: 1"), "unknown-name", "q", "`z` alone"),
    (
        one_layer("activation: {formula: max(0, z)}, units: 1"),
        "unknown-option", "z)", "comma needs quotes",
    ),
    (one_layer("weights: {init: he}, activation: relu"), "missing-key", "{init: he}", "`units:`"),
    (
        one_layer("units: 1, weights: {init: hee}, activation: relu"),
        "unknown-initializer", "hee", "did you mean `he`?",
    ),
    (
        one_layer("units: 1, weights: {init: constant}, activation: relu"),
        "missing-key", "constant", "needs `value:`",
    ),
    (
        one_layer("units: 1, weights: {seed: 3}, activation: relu"),
        "missing-key", "{seed: 3}", "need `init:`",
    ),
    (
        one_layer("units: 1, weights: {init: uniform, low: 2}, activation: relu"),
        "out-of-range", "{init: uniform, low: 2}", "which is less",
    ),
    # loss
    (network(loss=""), "missing-loss", "targets", "add `loss:"),
    (
        "inputs: [1]\ntargets: [1]\nlearning_rate: 1\n"
        "layers: [{activation: step, weights: [[1]]}]\n",
        "missing-loss",
        "targets",
        "learn by `training: {rule: perceptron}`",
    ),
    (network(loss="mean_sqared_error"), "unknown-loss", "mean_sqared_error", "`mean_squared_error`"),
    (network(loss="{name: huber, delta: 0}"), "out-of-range", "0", "greater than 0"),
    (network(loss="{name: huber, delt: 1}"), "unknown-option", "delt", "did you mean `delta`?"),
    (network(loss="{formula: (y - a)^2}"), "unknown-name", "a", "`yhat` and `y`"),
    (network(loss="[mse]"), "not-a-mapping", "[mse]", "mapping"),
    (
        one_layer("activation: relu, units: 2", targets="[1, 2]", loss="{formula: y - yhat}"),
        "unknown-name", "y", "`yhat1`, `yhat2`, `y1` and `y2`",
    ),
    # learning rate and training
    (network(learning_rate="0"), "out-of-range", "0", "greater than 0"),
    (network(learning_rate="-0.1"), "out-of-range", "-0.1", "so that the loss falls"),
    (network(training="{steps: 2}"), "missing-key", "training", "learning_rate: 0.1"),
    (training("{steps: 0}"), "out-of-range", "0", "from 1"),
    (training("{steps: 2000000}"), "out-of-range", "2000000", "1,000,000"),
    (training("{steps: two}"), "not-a-number", "two", "must be a number"),
    (training("{batch: 2}"), "out-of-range", "2", "there is 1 sample"),
    (training("{batch: some}"), "unknown-choice", "some", "`all`"),
    (training("{reduction: avg}"), "unknown-choice", "avg", "`mean` or `sum`"),
    (training("{optimizer: adan}"), "unknown-optimizer", "adan", "did you mean `adam`?"),
    (training("{optimizer: {beta1: 0.9}}"), "missing-key", "{beta1: 0.9}", "add `name:`"),
    (training("{optimizer: {name: adam, beta1: 1}}"), "out-of-range", "1", "less than 1"),
    (training("{optimizer: {name: sgd, beta: 0}}"), "unknown-option", "beta", "has no option"),
    (training("{optimizer: {equations: {v: g}}}"), "missing-key", "equations", "w - eta*g"),
    (training("{optimizer: {equations: {w: w - r*g}}}"), "unknown-name", "r", "its options"),
    (training("{optimizer: {equations: {w: w, eta: 1}}}"), "bad-name", "eta", "has no equation"),
    (training("{clip: {norm: 1, value: 1}}"), "both-forms", "{norm: 1, value: 1}", "both"),
    (training("{clip: {norm: 0}}"), "out-of-range", "0", "greater than 0"),
    (training("{clip: 3}"), "not-a-mapping", "3", "mapping"),
    (training("{l2: -1}"), "out-of-range", "-1", "0 or more"),
    (training("{l2: {value: -1}}"), "out-of-range", "-1", "0 or more"),
    (training("{l2: {biases: true}}"), "missing-key", "{biases: true}", "{value: 0.1"),
    (training("{l2: {value: 1, biases: 1}}"), "not-true-or-false", "1", "true or false"),
    (training("{l1: {value: 1, half: true}}"), "unknown-key", "half", "biases"),
    (training("{direction: up}"), "unknown-choice", "up", "`descent` or `ascent`"),
    (
        training("{direction: ascent, rule: perceptron}", loss=""),
        "unknown-option",
        "direction",
        "leave `direction` out",
    ),
    (network(learning_rate="-0.1"), "out-of-range", "-0.1", "`training: {direction: ascent}`"),
    (training("{optimizer: {name: nesterov, look_ahead: 1}}"), "not-true-or-false", "1", "true"),
    (
        training("{optimizer: {equations: {w: w - g}, look_ahead: w - g}}"),
        "unknown-name",
        "g",
        "it is in `w`",
    ),
    (training("{optimizer: {name: adam, initial: 1}}"), "unknown-option", "initial", "state: {m:"),
    (training("{optimizer: {name: sgd, initial: 1}}"), "unknown-option", "initial", "leave it out"),
    (
        training("{optimizer: {name: momentum, initial: {w9: 1}}}"),
        "unknown-name",
        "w9",
        "there is no such parameter",
    ),
    (
        training("{optimizer: {name: momentum, state: {v: {w9: 1}}}}"),
        "unknown-name",
        "w9",
        "there is no such parameter",
    ),
    (training("{rule: perceptron}", loss=""), "perceptron-activation", "sigmoid", "not `sigmoid`"),
    (training("{rule: hebb}"), "unknown-choice", "hebb", "`gradient` or `perceptron`"),
    # names in lists
    (network(frozen="[b1_2]"), "unknown-name", "b1_2", "did you mean `b1_1`?"),
    (network(frozen="['q*']"), "unknown-name", "'q*'", "there is no such quantity"),
    (network(frozen="[b1_1]", trainable="['b*']"), "both-forms", "trainable", "both frozen"),
    (network(marking="{ask: [forwad]}"), "unknown-name", "forwad", "did you mean `forward`?"),
    (network(marking="{ask: dL/dw1_1}"), "unknown-name", "dL/dw1_1", "did you mean `dL/dw1_1_1`?"),
    (network(marking="{points: {z9: 2}}"), "unknown-name", "z9", "no such quantity"),
    (network(marking="{pass: 60}"), "out-of-range", "60", "0.5 is half"),
    (network(notation="{names: short}"), "unknown-choice", "short", "`indexed` or `sequential`"),
    (network(rounding="{every_step: yes}"), "not-true-or-false", "yes", "true or false"),
    # equations
    (circuit(equations="{f: w*q}"), "unknown-name", "q", "under `given` or `parameters`"),
    (
        circuit(equations="{f: w*q}", given="", parameters=""),
        "unknown-name", "w", "say what is given",
    ),
    # of names that are as near the first of the file is meant, on every run
    (
        circuit(equations="{f: k1*k2*k3*k4*x*k}", given="{x: 1, k1: 1, k2: 1, k3: 1, k4: 1}"),
        "unknown-name", "k", "did you mean `k1`?",
    ),
    (circuit(equations="{f: w*x*}"), "bad-formula", "*", "missing at the end"),
    (circuit(equations="{f: f + x}"), "cycle", "f + x", "needs `f` itself"),
    (circuit(equations="{x: 3*w}"), "defined-twice", "x", "either given or calculated"),
    (circuit(equations="{exp: w*x}"), "bad-name", "exp", "is a function"),
    (circuit(equations="{f: w > x}"), "bad-formula", "w > x", "comparison as a number"),
    (circuit(equations="{f: 2*(w > x)}"), "bad-formula", "2*(w > x)", "`1 if a > b else 0`"),
    (circuit(equations="{f: w*x + λ}"), "unknown-name", "λ", "`lambda` is not defined"),
    (circuit(equations="{f: w*x + softmax(w)}"), "bad-formula", "softmax", "is not a function"),
    (circuit(equations="{2f: w*x}"), "bad-name", "2f", "does not begin with a digit"),
    (circuit(equations="{'a b': w*x}"), "bad-name", "'a b'", "letters, digits"),
    (circuit(equations="[f: w*x]"), "not-a-mapping", "[f: w*x]", "not a list"),
    (circuit(equations="{f: }"), "missing-value", "", "is empty"),
    (circuit(equations="{}"), "missing-value", "{}", "is empty"),
    (circuit(equations="{f: 1 + 2}", given="", parameters=""), "missing-key", "equations", "nothing"),
    (circuit(output="g"), "unknown-name", "g", "there is no such equation"),
    (circuit(output="quite_other"), "unknown-name", "quite_other", "there is `f`"),
    (circuit(with_respect_to="[W]"), "unknown-name", "W", "did you mean `w`?"),
    (circuit(with_respect_to="[f]"), "unknown-name", "[f]", "the output `f` itself"),
    (circuit(given="{x: yes}"), "not-a-number", "yes", "truth value"),
    (circuit(samples="[{y: 1}, {z: 1}]"), "unknown-name", "z", "which sample 1 has not"),
    (circuit(samples="[{y: 1, u: 1}, {y: 1}]"), "missing-key", "{y: 1}", "sample 2 has no `u`"),
    (circuit(loss="mse"), "wrong-form", "loss", "the loss is an equation too"),
    (network(given="{x: 1}"), "wrong-form", "given", "write `inputs:"),
    (circuit(learning_rate="0.1", parameters="", given="{x: 1, w: 1}"), "missing-key",
     "learning_rate", "under `parameters`"),
    (circuit(learning_rate="0.1", given="{x: 3, w_new: 1}"), "bad-name", "w_new", "after the update"),
    # what beginners write
    (one_layer("weights: [[0,5, 0,3]], activation: relu"), "shape", "[[0,5, 0,3]]", "write 0.5 for"),
    (one_layer("weights: [[1, 2]], biases: [0,1], activation: relu"), "shape", "[0,1]", "write 0.1"),
    (one_layer("weights: [[1,5, 2]], activation: relu"), "shape", "[[1,5, 2]]", "write 1.5 for"),
    (network(targets="[0,5]"), "shape", "[0,5]", "write 0.5"),
    (network(inputs="[1; 2]"), "not-a-number", "1; 2", "comma between two numbers"),
    (network(inputs="[[1, 2]]"), "shape", "[[1, 2]]", "leave the inner brackets out"),
    (network(lr="0.1"), "unknown-key", "lr", "did you mean `learning_rate`?"),
    (network(outputs="[1]"), "unknown-key", "outputs", "did you mean `targets`?"),
    (network(optimizer="adam"), "unknown-key", "optimizer", "`training: {optimizer: adam"),
    (network(epochs="3"), "unknown-key", "epochs", "`training: {steps: 3}`"),
    (network(activation="relu"), "unknown-key", "activation", "each layer has its own"),
    (network(layers="[2, 1]"), "not-a-mapping", "2", "{activation: sigmoid, units: 2}"),
    (network(loss="(y - yhat)^2"), "unknown-loss", "(y - yhat)^2", '{formula: "(y - yhat)^2"}'),
    (one_layer("weights: [[1, 2]], activation: 'max(0, z)'"), "unknown-activation", "'max(0, z)'",
     '{formula: "max(0, z)"}'),
    (one_layer("weights: [[1, 2]], activation: LeakyReLU(0.2)"), "unknown-activation",
     "LeakyReLU(0.2)", "{name: leaky_relu, slope: 0.2}"),
    (circuit(equations="\n  z = w*x\n  L = z^2"), "not-a-mapping", "z = w*x\n  L = z^2",
     "write `z: w*x`"),
    (circuit(equations="|\n  z = w*x\n  L = z^2\n"), "not-a-mapping", "|\n  z = w*x\n  L = z^2\n\n", "write `z: w*x`"),
    (circuit(equations="[z = w*x, L = z^2]"), "not-a-mapping", "[z = w*x, L = z^2]", "`z: w*x`"),
    (circuit(equations="{f = w*x: }"), "bad-name", "f = w*x", "write `f: w*x`"),
    (circuit(equations="{f(x): w*x}"), "bad-name", "f(x)", "write `f` alone"),
    (circuit(given="x = 1, y = 2"), "bad-name", "x = 1, y = 2", "{x: 1, y: 0}"),
    (circuit(given="x=1"), "bad-name", "x=1", "write `{x: 1}`"),
    (circuit(given="{x: [1, 2]}"), "shape", "f", "such as `L: sum(f)`"),
    (circuit(equations="{f: w^T x}"), "unknown-name", "T", "`w1*x1 + w2*x2`"),
    (circuit(equations="{f: w*x*relu}"), "unknown-name", "relu", "`relu(x)`"),
    (circuit(equations="{f: e(w*x)}"), "bad-formula", "e", "`exp(…)` for the power"),
    (circuit(equations="{f: dL/dw*x}"), "bad-formula", "dL/dw", "worked out on the sheet"),
    (circuit(equations="{f: w*True}"), "unknown-name", "True", "write 1"),
    (circuit(equations="{f: sum_i(w*x)}"), "bad-formula", "sum_i", "`sum(x1, x2, x3)`"),
    (circuit(equations="{f: if w > x then w else x}"), "bad-formula", "if", "`a if a > 0 else 0`"),
    # the file
    ("", "empty-file", "", "begins with `title:`"),
    ("# nothing\n", "empty-file", "#", "empty"),
    ("[1]", "not-a-mapping", "[1]", "not a list"),
    ("hello", "not-a-mapping", "hello", "not a single value"),
    ("title: T\n", "missing-key", "t", "neither `layers` nor `equations`"),
    (NETWORK + EQUATIONS, "both-forms", "equations", "two files"),
    (network(loose="1"), "unknown-key", "loose", "did you mean `loss`?"),
    (network(title="[1]"), "not-text", "[1]", "must be text"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "marked", "words"),
    TABLE,
    ids=[f"{index}-{row[1]}-{row[2][:12]}" for index, row in enumerate(TABLE)],
)
def test_each_mistake_is_named_at_its_place(text: str, code: str, marked: str, words: str) -> None:
    found = [
        one
        for one in mistakes(text)
        if one.code == code
        and one.span is not None
        and text[one.span.start : one.span.end] == marked
        and words in f"{one.message} {one.help}"
    ]
    assert found, told(text)


@pytest.mark.parametrize(
    "text", [row[0] for row in TABLE], ids=[str(index) for index in range(len(TABLE))]
)
def test_a_mistake_is_not_reported_as_several(text: str) -> None:
    found = mistakes(text)
    places = [one.span and (one.span.start, one.code) for one in found]
    assert len(places) == len(set(places))
    assert sum(one.severity == "error" for one in found) <= 2, told(text)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (network(targets="[3]", loss="bce"), "unusual-target", "between 0 and 1"),
        (one_layer("activation: identity, units: 1", loss="hinge"), "partly-symbolic", "no number"),
        (
            network(targets="[0]", loss="hinge").replace("sigmoid", "identity"),
            "unusual-target",
            "-1 or 1",
        ),
        (one_layer("activation: relu, weights: [[1, 2]]", loss="bce"), "unusual-output", "sigmoid"),
        (one_layer("activation: softmax, weights: [[1, 2]]"), "softmax-of-one", "always 1"),
        (
            one_layer("activation: sigmoid, weights: [[1, 2]]", targets="[0]", loss="ce"),
            "one-output", "uses `binary_cross_entropy`",
        ),
        (one_layer("weights: [[1, 2]]"), "no-activation", "z itself"),
        (network(loss='{formula: "(y - 2)^2"}'), "unused", "does not depend on the output"),
        (
            one_layer(
                "activation: softmax, weights: [[1, 2], [3, 4]]", targets="[1, 1]", loss="ce"
            ),
            "unusual-target", "do not sum to 1",
        ),
        (
            "inputs: 1\ntargets: 3\nlayers: [{activation: step, weights: [[1]]}]\n"
            "training: {rule: perceptron}\n",
            "unusual-target", "can never give it",
        ),
        (circuit(given="{x: 1, t: 2}"), "unused", "given quantity `t`"),
        (circuit(equations="{f: w*x, g: x}", output="f"), "unused", "equation `g`"),
    ],
)  # fmt: skip
def test_warnings(text: str, code: str, words: str) -> None:
    warnings = read("demo.yaml", text)[1]
    assert [one.code for one in warnings] == [code], render_all(warnings)
    assert words in warnings[0].message + str(warnings[0].help)
    assert warnings[0].severity == "warning"


@pytest.mark.parametrize(
    "text",
    [
        network(layers="[{activation: softmax, units: 1500}]", inputs="[1]", targets=""),
        network(layers="[{activation: relu, units: 2000}, {activation: relu, units: 2000}]"),
        network(
            inputs="", targets="",
            samples=f"[{', '.join(['{inputs: [1, 2], targets: [1]}'] * 10_001)}]",
        ),
        network(
            inputs="", targets="", layers="[{activation: relu, units: 400}]",
            samples=f"[{', '.join(['{inputs: [1, 2]}'] * 9_000)}]", loss="",
        ),
        "equations:\n" + "".join(f"  f{index}: x\n" for index in range(5001)) + "given: {x: 1}\n",
    ],
    ids=["softmax", "parameters", "samples", "samples times parameters", "equations"],
)  # fmt: skip
def test_what_is_too_large_is_refused(text: str) -> None:
    assert "too-large" in {one.code for one in mistakes(text)}


def test_thousands_of_mistakes_are_cut_short() -> None:
    found = mistakes(network(inputs=f"[{', '.join(['oops'] * 1500)}]"))
    assert len(found) == 101
    assert found[-1].code == "too-many"
    assert found[-1].message.startswith("there are 1,4")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("Sigmoid", "sigmoid"), ("SIGMOID", "sigmoid"), ("ReLU", "relu"), ("LeakyReLU", "leaky_relu"),
     ("Leaky ReLU", "leaky_relu"), ("Tanh", "tanh"), ("Linear", "identity"), ("SiLU", "swish")],
)  # fmt: skip
def test_activations_are_known_however_they_are_spelled(written: str, meant: str) -> None:
    text = "inputs: [1]\nlayers: [{weights: [[2]], activation: NAME}]\n"
    spelled, plain = (
        read("demo.yaml", text.replace("NAME", name))[0].model for name in (written, meant)
    )
    assert spelled == plain


@pytest.mark.parametrize(
    ("written", "meant"),
    [("MSE", "mean_squared_error"), ("MSELoss", "mean_squared_error"), ("SSE", "squared_error"),
     ("mean squared error", "mean_squared_error"), ("BCE", "binary_cross_entropy"),
     ("BCELoss", "binary_cross_entropy"), ("binary_crossentropy", "binary_cross_entropy"),
     ("CrossEntropy", "cross_entropy"), ("cross-entropy loss", "cross_entropy"),
     ("Huber", "huber")],
)  # fmt: skip
def test_losses_are_known_however_they_are_spelled(written: str, meant: str) -> None:
    text = (
        "inputs: [1]\ntargets: [1]\nlayers: [{weights: [[2]], activation: sigmoid}]\nloss: NAME\n"
    )
    spelled, plain = (
        read("demo.yaml", text.replace("NAME", name))[0].model for name in (written, meant)
    )
    assert spelled == plain


@pytest.mark.parametrize("written", ["L1 norm", "CE2", "sigmoidal", "lossloss", "loss", ""])
def test_what_has_no_one_reading_is_not_taken(written: str) -> None:
    assert losses.find(written) is None
    assert activations.find(written) is None


def test_what_follows_from_a_mistake_is_not_reported() -> None:
    dash = "inputs: [1, 2]\ntargets: [1]\nlayers:\n  activation: sigmoid\n  weights: [[1, 2]]\n"
    with pytest.raises(ProblemError) as raised:
        read("p.yaml", dash + "loss: squared_error\n")
    (only,) = raised.value.diagnostics
    assert (only.code, only.help and only.help.startswith("put `- ` before `activation:`")) == (
        "not-a-list",
        True,
    )
    batches = "inputs: [1]\ntargets: [1]\nlayers: [{weights: [[1]], activation: sigmoid}]\n"
    batches += "loss: squared_error\nlearning_rate: 1\ntraining: {batches: 2}\n"
    with pytest.raises(ProblemError) as raised:
        read("p.yaml", batches)
    assert [each.code for each in raised.value.diagnostics] == ["unknown-key"]
    backwards = "index: {t: 3..1}\nequations: {h_t: 'tanh(w*h_{t-1} + x_t)', L: h_3^2}\n"
    backwards += "given: {x: [1, 2, 3], h_0: 0}\nparameters: {w: 1}\n"
    with pytest.raises(ProblemError) as raised:
        read("p.yaml", backwards)
    assert [each.code for each in raised.value.diagnostics] == ["out-of-range"]
    drawn = one_layer("activation: sigmoid, units: 1, weights: {init: he, seed: 1}")
    with pytest.raises(ProblemError) as raised:
        read("p.yaml", drawn + "variants: {draw: {weights: [1, 2]}}\n")
    assert [each.code for each in raised.value.diagnostics] == ["wrong-form"]


def test_what_does_not_fit_hides_no_other_mistake() -> None:
    """An entry or a gradient of what does not fit is no mistake of its own."""
    text = "equations: {h: W @ x, g: h + c, L: sum(g^2)}\ngiven: {x: [1, 2]}\n"
    text += "parameters: {W: [[1, 2, 3], [3, 4, 5]], c: [1, 2]}\n"
    text += "output: M\nwith_respect_to: [W, h_1, g, g_*, W_2_3, k]\n"
    told = [(each.code, each.message) for each in mistakes(text) if each.severity == "error"]
    assert [code for code, _ in told] == ["shape", "unknown-name", "unknown-name"]
    assert ["`output` names `M`" in told[1][1], "`with_respect_to` names `k`" in told[2][1]] == [
        True,
        True,
    ]


def test_single_numbers_are_not_counted_as_entries_of_arrays() -> None:
    """An array may have 10,000 entries, a file 20,000 names."""
    names = ", ".join(f"a{index}" for index in range(12_000))
    problem, _ = read("p.yaml", f"equations: {{f: a1 + a2}}\ngiven: [{names}]\n")
    assert isinstance(problem.model, Equations)
    assert len(problem.model.given) == 12_000


@pytest.mark.parametrize(
    "text",
    [
        network(inputs='"1, 2"'),  # nobody can say how many inputs were meant
        network(inputs="{x1: 1, x3: 2}"),
        circuit(given="x=1"),  # x is meant, and is used
        circuit(upstream="{q: 1}"),  # nothing leads there, for it is not there
    ],
)
def test_one_mistake_is_one_message(text: str) -> None:
    assert len(mistakes(text)) == 1, told(text)
