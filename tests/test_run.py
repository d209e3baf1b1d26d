"""From equations to numbers: exact where it can be, by hand where asked, the same when compiled."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import ours
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from pages import NEURON, problem, run
from strategies import Problem, examples

from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)
from backprop_cli.graph.batches import Builder, batch_of
from backprop_cli.run import solve
from backprop_cli.run.compiled import update_source
from backprop_cli.run.program import program

LINE = """
    samples: [{inputs: [1], targets: [2]}, {inputs: [2], targets: [3]}, {inputs: [3], targets: [5]}]
    layers: [{activation: identity, weights: [[1]], biases: [0]}]
    loss: half_squared_error
    learning_rate: 0.1
    training: {batch: %s, steps: %s}
"""

# ---------------------------------------------------------------- arithmetic of our own


def arithmetic(
    formula: Formula, values: Mapping[str, Any], number: Callable[[Fraction], Any]
) -> Any:
    """A formula worked out in any kind of number, node by node."""

    def of(part: Formula) -> Any:
        return arithmetic(part, values, number)

    match formula:
        case Number():
            return number(formula.value)
        case Name(name):
            return values[name]
        case Sum(terms):
            return sum(map(of, terms), start=number(Fraction(0)))
        case Product(factors):
            return math.prod(map(of, factors), start=number(Fraction(1)))
        case Quotient(top, bottom):
            return of(top) / of(bottom)
        case Negative(operand):
            return -of(operand)
        case Power(base, exponent):
            return of(base) ** int(of(exponent))
        case Conditional(Comparison(left, relation, right), then, otherwise):
            a, b = of(left), of(right)
            holds = {">": a > b, ">=": a >= b, "<": a < b, "<=": a <= b, "==": a == b, "!=": a != b}
            return of(then if holds[relation] else otherwise)
        case Call("relu", (z,)):
            return max(of(z), number(Fraction(0)))
        case Call("abs", (z,)):
            return abs(of(z))
        case Call("max", parts):
            return max(map(of, parts))
        case Call("sigmoid", (z,)):
            return number(Fraction(1 / (1 + math.exp(-float(of(z))))))
        case Call("tanh", (z,)):
            return number(Fraction(math.tanh(float(of(z)))))
        case _:
            raise AssertionError(formula)


# ---------------------------------------------------------------- exact


@st.composite
def relu_networks(draw: st.DrawFn) -> Problem:
    """Networks whose numbers are fractions throughout."""
    inputs, hidden = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    activation = draw(st.sampled_from(("relu", "identity", "leaky_relu")))
    number = strategies.decimals(-2, 2)
    return {
        "inputs": [draw(number) for _ in range(inputs)],
        "targets": [draw(number)],
        "layers": [
            {
                "activation": "relu" if activation == "leaky_relu" else activation,
                "weights": [[draw(number) for _ in range(inputs)] for _ in range(hidden)],
                "biases": [draw(number) for _ in range(hidden)],
            },
            {"activation": "identity", "weights": [[draw(number) for _ in range(hidden)]]},
        ],
        "loss": draw(st.sampled_from(("squared_error", "half_squared_error", "absolute_error"))),
        "learning_rate": 0.1,
    }


@given(relu_networks())
def test_fractions_stay_exact_all_the_way_through(network: Problem) -> None:
    iteration = ours.run(network).iterations[0]
    exact: dict[str, Fraction] = {}
    for leaf in iteration.graph.leaves:
        assert isinstance(leaf.value, Fraction)
        exact[leaf.name] = leaf.value
    for step in iteration.graph.steps:
        exact[step.name] = arithmetic(step.formula, exact, Fraction)
        assert iteration.values[step.name] == exact[step.name], step.name


def test_what_is_zero_on_paper_is_zero() -> None:
    source = """
        equations: {z: 0.5*x - 0.3*y + 0.1}
        given: {x: 1, y: 2}
    """
    assert run(source).iterations[0].values["z"] == 0


# ---------------------------------------------------------------- by hand


@examples(20, 200)
@given(relu_networks(), st.sampled_from(("relu", "sigmoid", "tanh")), st.integers(2, 6))
def test_rounding_each_value_is_what_one_does_by_hand(
    network: Problem, activation: str, digits: int
) -> None:
    network["layers"][0]["activation"] = activation
    iteration = ours.run(network, round_each=digits).iterations[0]
    paper = Context(prec=digits, rounding=ROUND_HALF_UP)
    values: dict[str, Fraction] = {
        leaf.name: Fraction(leaf.value or 0) for leaf in iteration.graph.leaves
    }
    for step in iteration.graph.steps:
        exact = arithmetic(step.formula, values, Fraction)
        by_hand = paper.divide(Decimal(exact.numerator), Decimal(exact.denominator))
        found = iteration.values[step.name]
        assert found is not None
        assert Fraction(found) == Fraction(by_hand), step.name
        values[step.name] = Fraction(by_hand)


def test_the_file_can_ask_for_hand_rounding() -> None:
    source = "rounding: {digits: 2, every_step: true}\n" + NEURON.replace("\n    ", "\n")
    values = run(source).iterations[0].values
    assert values["yhat"] == Fraction("0.60")
    assert values["dyhat/dz1_1"] == Fraction("0.24")
    # The option of the command goes before what the file says.
    assert run(source, round_each=3).iterations[0].values["yhat"] == Fraction("0.599")


# ---------------------------------------------------------------- updates


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ("all", [(1, 2, 3), (1, 2, 3)]),
        ("1", [(1,), (2,), (3,), (1,), (2,)]),
        ("2", [(1, 2), (3, 1), (2, 3), (1, 2)]),
    ],
)
def test_samples_are_taken_in_order_and_wrap_round(
    batch: str, expected: list[tuple[int, ...]]
) -> None:
    asked = problem(LINE % (batch, 1))
    assert [batch_of(asked, update) for update in range(1, len(expected) + 1)] == expected


def test_losses_are_those_before_each_update_and_after_the_last() -> None:
    solved = run(LINE % (1, 4))
    assert len(solved.losses) == 5
    assert list(solved.losses[:-1]) == [iteration.values["L"] for iteration in solved.iterations]
    # The last one is of the last batch, sample 1 again, with the final parameters.
    assert solved.losses[-1] == solved.iterations[-1].loss_after
    assert solved.updates == 4


def test_parameters_before_and_after() -> None:
    solved = run(NEURON)
    last = solved.iterations[-1]
    assert solved.initial == {name: last.values[name] for name in solved.final}
    assert solved.final == {name: last.values[f"{name}_new"] for name in solved.final}


@examples(8, 80)
@given(strategies.networks(max_hidden=2, max_units=3), st.data())
def test_updates_that_are_not_shown_are_the_same(network: Problem, data: st.DataObject) -> None:
    """Compiled updates agree with those that are written out step by step."""
    samples = len(network.get("samples", [1]))
    network["training"] = data.draw(strategies.trainings(samples, steps=6))
    # A rule that divides by the gradient's size makes much of what cancels to nearly nothing.
    network["training"]["optimizer"] = data.draw(st.sampled_from(("sgd", "momentum", "nesterov")))
    network["learning_rate"] = 0.1
    shown, hidden = ours.run(network), ours.run(network, show=1)
    assert len(hidden.iterations) == 1
    for name, value in shown.final.items():
        assert float(hidden.final[name] or 0) == pytest.approx(float(value or 0), rel=1e-9)
    assert [float(x or 0) for x in hidden.losses] == pytest.approx(
        [float(x or 0) for x in shown.losses], rel=1e-9, abs=1e-12
    )


def test_steps_of_the_command_go_before_those_of_the_file() -> None:
    assert run(LINE % ("all", 4), steps=2).updates == 2
    assert run("exploding-gradient", steps=5).updates == 1  # nothing is updated there


@pytest.mark.parametrize("show", [1, 50])
def test_a_run_that_leaves_floating_point_stops_with_what_was_worked_out(show: int) -> None:
    source = """
        equations: {f: x^2}
        parameters: {x: 1}
        learning_rate: 1e100
        training: {steps: 50}
    """
    solved = run(source, show=show)
    assert solved.stop is not None
    assert solved.stop.reason == "not-finite"
    assert solved.stop.iteration == 3
    assert solved.updates == 2
    assert "stops at update 3: f is infinite" in solved.stop.message
    assert all(math.isfinite(float(value or 0)) for value in solved.final.values())


@pytest.mark.parametrize("show", [1, 9])
def test_it_stops_by_the_name_that_its_own_sample_gives(show: int) -> None:
    """Also in an update that nobody is shown, which is not written down."""
    source = """
        equations: {f: w*x, L: exp(f)}
        samples: [{x: 1}, {x: 2}, {x: 3}, {x: 4000}]
        parameters: {w: 0.5}
        learning_rate: 0.01
        training: {batch: 2, steps: 9}
    """
    stop = run(source, show=show).stop
    assert stop is not None
    assert "stops at update 2: L[4] is infinite" in stop.message


def test_a_symbolic_problem_has_no_values() -> None:
    solved = run("relu-regression-symbolic")
    assert solved.symbolic
    assert set(solved.iterations[0].values.values()) == {None}
    assert list(solved.losses) == [None]


def test_a_number_that_is_missing_leaves_the_rest_of_the_sheet_with_numbers() -> None:
    source = """
        equations: {a: 2*x, b: w*x, L: a + b}
        given: {x: 3}
        parameters: [w]
    """
    values = run(source).iterations[0].values
    assert (values["a"], values["b"], values["L"]) == (6, None, None)


def test_progress_is_told() -> None:
    told: list[int] = []
    solve(problem(LINE % ("all", 50_000)), show=1, progress=told.append)
    assert sum(told) == 50_000


# ---------------------------------------------------------------- perceptron


def test_a_perceptron_stops_after_an_epoch_without_mistakes() -> None:
    solved = run("perceptron-and")
    assert solved.stop is not None
    assert (solved.stop.reason, solved.updates) == ("converged", 24)
    assert list(solved.final.values()) == [2, 1, -3]


def test_a_perceptron_that_comes_back_to_its_weights_cycles() -> None:
    asked = problem("perceptron-xor-cycles")
    solved = solve(asked, steps=400)
    assert solved.stop is not None
    assert solved.stop.reason == "cycle"
    assert solved.updates == 400  # as many as were asked for, whatever was found before


def test_what_updates_have_in_common_is_calculated_once():
    """Adam's 1 − βᵗ for two parameters; what only constants go into is calculated before."""
    adam = problem(NEURON + "    training: {optimizer: adam, steps: 9}\n")
    source = update_source(program(Builder(adam)), single=True)
    assert source.count("f_power(") == 2
    before, _, loop = source.partition("while done < wanted:")
    assert before.count("(1.0 - ") == 2
    assert loop.count("(1.0 - ") == 2 + 1  # the powers, and the slope of the unit


def test_a_cycle_names_the_epoch_that_it_comes_back_to() -> None:
    corners = [([0, 0], 0), ([0, 1], 1), ([1, 0], 1), ([1, 1], 0)]
    samples = ", ".join(f"{{inputs: {x}, targets: [{y}]}}" for x, y in corners)
    text = f"""
samples: [{samples}]
layers: [{{activation: step, weights: [[0.5, -1]], biases: [0.25]}}]
training: {{rule: perceptron}}
"""
    stop = solve(problem(text)).stop
    assert stop is not None
    assert stop.message.startswith("After epoch 3 the weights are the same as after epoch 2,")


def test_the_updates_looked_at_are_spread_over_the_run() -> None:
    text = """
inputs: [1]
targets: [1]
layers: [{activation: tanh, weights: [[0.5]]}, {activation: sigmoid, weights: [[1]]}]
loss: half_squared_error
learning_rate: 0.1
training: {steps: 100}
"""
    looked = [flow.update for flow in solve(problem(text), show=1).flow]
    assert (looked[0], looked[-1]) == (1, 100)
    apart = [later - sooner for sooner, later in pairwise(looked)]
    assert max(apart) - min(apart) <= 1


def test_a_saturated_loss_has_a_value_where_every_value_is_rounded() -> None:
    """ŷ is rounded to 1, and −ln(1 − ŷ) is z + ln(1 + e⁻ᶻ) all the same: 40."""
    text = """
inputs: [1]
targets: [0]
layers: [{weights: [[40]], activation: sigmoid}]
loss: binary_cross_entropy
"""
    values = solve(problem(text), round_each=4).iterations[0].values
    assert (values["yhat"], values["L"]) == (1, 40)


def test_a_parameter_may_have_the_name_of_the_number_of_the_update() -> None:
    text = "equations: {L: (t - 1)^2}\nparameters: {t: 3}\nlearning_rate: 0.25\n"
    assert solve(problem(text + "training: {steps: 3}\n")).final == {"t": Fraction(5, 4)}


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_compiled_updates_are_over_their_own_samples(
    monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(sys.modules["backprop_cli.run.solve"], "EXACT_UPDATES", 1)
    monkeypatch.setattr(sys.modules["backprop_cli.run.solve"], "EXACT_STEPS", 0)
    w, b = 1.0, 0.0
    samples, losses = [(1, 2), (2, 3), (3, 5)] * batch, list[float]()
    for update in range(4):
        own = samples[batch * update % 3 :][:batch]
        errors = [(w * x + b - y, x) for x, y in own]
        losses.append(sum(error**2 for error, _ in errors) / 2 / batch)
        w -= 0.1 * sum(error * x for error, x in errors) / batch
        b -= 0.1 * sum(error for error, _ in errors) / batch
    solved = run(LINE % (batch, 4), show=1)
    final = [float(solved.final[name] or 0) for name in ("w1_1_1", "b1_1")]
    assert final == pytest.approx([w, b])
    *before, last = solved.losses
    assert (len(solved.losses), solved.losses[-1]) == (5, last)
    assert list(map(float, before)) == pytest.approx(losses)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("equations", "slope"),
    [
        ("L: w if a + b > 0.3 else 3w", 3),
        ("L: w if 2*(a + b - 0.3) > 0 else 3w", 3),
        ("L: w if (a + b - 0.3)/5 > 0 else 3w", 3),
        ("z: -2*(a + b - 0.3)\n          L: w if z < 0 else 3w", 3),
        ("z: (a + b - 0.3)/7\n          L: w*relu(z) + w", 1),
    ],
)
def test_whether_a_comparison_holds_is_decided_without_rounding_in_compiled_updates_too(
    monkeypatch: pytest.MonkeyPatch, equations: str, slope: int
) -> None:
    """In floats 0.1 + 0.2 is more than 0.3."""
    monkeypatch.setattr(sys.modules["backprop_cli.run.solve"], "EXACT_UPDATES", 1)
    monkeypatch.setattr(sys.modules["backprop_cli.run.solve"], "EXACT_STEPS", 0)
    text = f"""
        equations:
          {equations}
        given: {{a: 0.1, b: 0.2}}
        parameters: {{w: 100}}
        learning_rate: 1
        training: {{steps: 8}}
    """
    assert run(text, show=1).final == {"w": 100 - slope * 8}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_gradient_that_samples_cancel_has_no_sign_in_compiled_updates(
    monkeypatch: pytest.MonkeyPatch, reduction: str
) -> None:
    """Of −0.1, −0.2 and 0.3 floats leave −5.6e−17; `sign` of 0 is 1."""
    monkeypatch.setattr(sys.modules["backprop_cli.run.solve"], "EXACT_UPDATES", 1)
    monkeypatch.setattr(sys.modules["backprop_cli.run.solve"], "EXACT_STEPS", 0)
    text = f"""
        equations: {{L: w*x}}
        samples: [{{x: -0.1}}, {{x: -0.2}}, {{x: 0.3}}]
        parameters: {{w: 1}}
        learning_rate: 1
        training:
          {{batch: all, reduction: {reduction}, steps: 6,
            optimizer: {{equations: {{w: w - eta*sign(g)}}}}}}
    """
    assert run(text, show=1).final == {"w": 1 - 6}


def test_a_perceptron_is_asked_until_an_epoch_without_a_mistake() -> None:
    corners = [((0, 0), 0), ((0, 1), 0), ((1, 0), 0), ((1, 1), 1)]
    weights, presented, mistakes = [0, 0, 0], 0, 1
    while mistakes:
        mistakes = 0
        for (one, other), wanted in corners:
            presented += 1
            error = wanted - (weights[0] * one + weights[1] * other + weights[2] >= 0)
            mistakes += error != 0
            weights = [w + error * x for w, x in zip(weights, (one, other, 1), strict=True)]
    samples = ", ".join(f"{{inputs: {list(x)}, targets: [{y}]}}" for x, y in corners)
    solved = solve(
        problem(
            f"samples: [{samples}]\nlayers: [{{activation: step, weights: [[0, 0]], biases: [0]}}]\n"
            "training: {rule: perceptron}\n"
        )
    )
    assert solved.updates == presented
    assert list(solved.final.values()) == weights
