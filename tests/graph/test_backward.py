"""Gradients appended to the list of equations, each from those above it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import nets
import pytest
import strategies
import sympy
from commands import PROBLEMS
from hypothesis import given
from hypothesis import strategies as st
from pages import NEURON, problem

from backprop_cli.algebra.derivative import differentiate
from backprop_cli.diagnostics import ProblemError
from backprop_cli.formula import plain
from backprop_cli.formula.build import names_in
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.formula.parse import parse
from backprop_cli.formula.quantity import without_marks
from backprop_cli.graph.batches import build
from backprop_cli.graph.slopes import linear_coefficients
from backprop_cli.graph.step import Graph, Step
from backprop_cli.problem.read import read_problem
from backprop_cli.run import solve
from backprop_cli.verify import verification


def graph(source: str, batch: tuple[int, ...] = (1,)) -> Graph:
    return build(problem(source), batch)


def going_back(source: str, batch: tuple[int, ...] = (1,)) -> dict[str, str]:
    steps = graph(source, batch).section("backward", "gradient")
    return {step.name: plain.write(step.formula) for step in steps}


def test_a_neuron() -> None:
    assert going_back(NEURON) == {
        "dyhat/dz1_1": "yhat*(1 - yhat)",
        "dL/dyhat": "yhat - y",
        "dL/dz1_1": "dL/dyhat*dyhat/dz1_1",
        "dL/dw1_1_1": "dL/dz1_1*x1",
        "dL/dw1_1_2": "dL/dz1_1*x2",
        "dL/db1_1": "dL/dz1_1",
    }


def test_local_derivatives_that_are_a_name_or_a_number_are_written_in_place() -> None:
    slopes = graph(NEURON).trivial_slopes
    assert {name: plain.write(formula) for name, formula in slopes.items()} == {
        "dz1_1/dw1_1_1": "x1",
        "dz1_1/dw1_1_2": "x2",
        "dz1_1/db1_1": "1",
    }


def test_every_step_mentions_only_what_stands_above_it() -> None:
    for source in ("two-hidden-layers", "batch-norm-before-activation", "recurrence-two-steps"):
        solved = graph(source, (1, 2) if "norm" in source else (1,))
        known = {leaf.name for leaf in solved.leaves}
        for step in solved.steps:
            assert set(names_in(step.formula)) <= known, step.name
            known.add(step.name)


def test_a_shared_parameter_collects_from_every_use() -> None:
    assert going_back("convolution-1d")["dL/dk1"] == "dL/dz1*x1 + dL/dz2*x2 + dL/dz3*x3"


def test_what_the_loss_does_not_depend_on_has_the_gradient_zero() -> None:
    source = """
        equations: {unused: "v*2", f: "w^2"}
        parameters: {w: 1, v: 2}
    """
    found = going_back(source)
    assert (found["df/dv"], found["df/dw"]) == ("0", "2*w")


@pytest.mark.parametrize(
    ("activation", "loss", "targets", "slope"),
    [
        ("sigmoid", "binary_cross_entropy", "[1]", "yhat - y"),
        ("softmax", "cross_entropy", "[1, 0]", "yhat1 - y1"),
        ("softmax", "cross_entropy", "[0.5, 0.2]", "yhat1*(y1 + y2) - y1"),
        ("sigmoid", "squared_error", "[1]", "dL/dyhat*dyhat/dz1_1"),
        ("tanh", "binary_cross_entropy", "[1]", "dL/dyhat*dyhat/dz1_1"),
    ],
)
def test_cross_entropy_cancels_with_its_activation(
    activation: str, loss: str, targets: str, slope: str
) -> None:
    units = targets.count(",") + 1
    source = f"""
        inputs: [1]
        targets: {targets}
        layers: [{{activation: {activation}, units: {units}}}]
        loss: {loss}
    """
    assert going_back(source)["dL/dz1_1"] == slope


def test_it_cancels_in_an_author_s_equations_too() -> None:
    source = """
        equations:
          z: w*x
          p: sigmoid(z)
          L: -(y*log(p) + (1 - y)*log(1 - p))
        given: {x: 1, y: 0}
        parameters: {w: 2}
    """
    assert going_back(source)["dL/dz"] == "p - y"


def test_a_batch_takes_the_mean_over_its_samples() -> None:
    source = """
        samples: [{inputs: [1], targets: [2]}, {inputs: [3], targets: [4]}]
        layers: [{activation: identity, weights: [[0.5]]}]
        loss: half_squared_error
    """
    found = going_back(source, (1, 2))
    assert found["dL[2]/dw1_1_1"] == "dL[2]/dz1_1[2]*x[2]"
    assert found["dL/dw1_1_1"] == "(dL[1]/dw1_1_1 + dL[2]/dw1_1_1)/2"


def test_what_reaches_one_loss_is_a_derivative_of_that_loss() -> None:
    source = """
        samples: [{inputs: [1], targets: [2]}, {inputs: [3], targets: [4]}]
        layers: [{activation: tanh, weights: [[0.5]], batch_norm: {}}]
        loss: half_squared_error
        training: {reduction: REDUCTION}
        learning_rate: 1
    """
    found = going_back(source.replace("REDUCTION", "mean"), (1, 2))
    assert found["dL[1]/dzhat1_1[1]"] == "dL[1]/du1_1[1]*gamma1_1"
    # Both samples reach the variance: half of each loss is in L.
    assert found["dL/dvar1_1"] == (
        "1/2*dL[1]/dzhat1_1[1]*dzhat1_1/dvar1_1[1] + 1/2*dL[2]/dzhat1_1[2]*dzhat1_1/dvar1_1[2]"
    )
    assert found["dL/dw1_1_1"] == "dL/dz1_1[1]*x[1] + dL/dz1_1[2]*x[2]"
    assert found["dL/dgamma1_1"] == "(dL[1]/dgamma1_1 + dL[2]/dgamma1_1)/2"
    summed = going_back(source.replace("REDUCTION", "sum"), (1, 2))
    assert summed["dL/dvar1_1"] == (
        "dL[1]/dzhat1_1[1]*dzhat1_1/dvar1_1[1] + dL[2]/dzhat1_1[2]*dzhat1_1/dvar1_1[2]"
    )


def test_gradients_come_output_layer_first_and_unit_by_unit() -> None:
    names = [step.of for step in graph("two-hidden-layers").section("gradient")]
    assert names[:3] == ["w3_1_1", "w3_2_1", "b3_1"]
    assert names[3:6] == ["w2_1_1", "w2_2_1", "b2_1"]
    assert names[-1] == "b1_2"


TWO_SAMPLES = """
    samples: [{inputs: [1], targets: [1]}, {inputs: [2], targets: [0]}]
    layers: [{activation: tanh, weights: [[0.5]]NORM}, {activation: sigmoid, weights: [[1]]}]
    loss: half_squared_error
    learning_rate: 0.1
"""


def passed(source: str) -> list[str | None]:
    return [step.of for step in graph(source, (1, 2)).steps if step.kind == "upstream"]


def test_samples_are_gone_through_one_after_the_other() -> None:
    alone = ["yhat", "z2_1", "a1_1", "z1_1"]
    expected = [f"{name}[{sample}]" for sample in (1, 2) for name in alone]
    assert passed(TWO_SAMPLES.replace("NORM", "")) == expected


def test_what_a_parameter_gets_from_its_samples_stands_together_behind_the_last() -> None:
    source = """
        layers: [{activation: tanh, weights: [[1]], biases: [0]}]
        loss: half_squared_error
        samples: [{inputs: [1], targets: [0]}, {inputs: [3], targets: [1]}]
    """
    steps = graph(source, (1, 2)).section("backward", "gradient")
    assert [step.name for step in steps] == [
        "dyhat/dz1_1[1]", "dyhat/dz1_1[2]",
        "dL[1]/dyhat[1]", "dL[1]/dz1_1[1]", "dL[2]/dyhat[2]", "dL[2]/dz1_1[2]",
        "dL[1]/dw1_1_1", "dL[2]/dw1_1_1", "dL/dw1_1_1", "dL[1]/db1_1", "dL[2]/db1_1", "dL/db1_1",
    ]  # fmt: skip


def test_slopes_by_a_parameter_stand_together_as_its_gradients_do() -> None:
    source = """
        equations: {a: tanh(w*x), b: a^3, L: (b - 1)^2}
        samples: [{x: 1}, {x: 2}]
        parameters: {w: 1}
    """
    slopes = [step.name for step in graph(source, (1, 2)).steps if step.kind == "slope"]
    assert slopes == ["db/da[1]", "db/da[2]", "da/dw[1]", "da/dw[2]"]


def test_samples_that_choose_their_own_rows_are_gone_through_one_after_the_other() -> None:
    source = """
        layers:
          - {kind: embedding, weights: [[1], [2], [3]]}
          - {activation: tanh, weights: [[4], [5]]}
        loss: half_squared_error
        samples: [{inputs: [1], targets: [0, 1]}, {inputs: [3], targets: [1, 0]}]
    """
    of_samples = [name[-3:] for name in map(str, passed(source)) if name.endswith("]")]
    assert of_samples == sorted(of_samples)


def test_shares_of_what_a_batch_weaves_together_come_before_what_they_are_of() -> None:
    source = """
        layers: [{activation: softmax, weights: [[1], [2], [3]], batch_norm: {}}]
        loss: cross_entropy
        samples: [{inputs: [1], targets: [0, 0, 1]}, {inputs: [3], targets: [1, 0, 0]}]
    """
    shares = [name.startswith("yhat") for name in map(str, passed(source))]
    assert shares.count(True) == 6
    assert all(shares[:6])


def test_inputs_asked_for_in_every_sample() -> None:
    source = """
        layers: [{activation: tanh, weights: [[1, 2]]}]
        loss: half_squared_error
        samples: [{inputs: [1, 2], targets: [1]}, {inputs: [3, 4], targets: [0]}]
        with_respect_to: [inputs]
    """
    gradients = graph(source, (1, 2)).section("gradient")
    assert [step.name for step in gradients] == [
        f"dL[{sample}]/dx{place}[{sample}]" for place in (1, 2) for sample in (1, 2)
    ]
    assert {step.unit.title for step in gradients if step.unit} == {"Inputs"}


@pytest.mark.parametrize("seed", nets.SEEDS)
def test_each_sample_of_a_batch_has_the_equations_that_it_has_alone(seed: int) -> None:
    file = nets.net(Random(seed))
    sample = file.get("samples", [file])[0]
    file["samples"] = [{key: sample[key] for key in ("inputs", "targets")}] * 3
    file = {key: value for key, value in file.items() if key not in ("inputs", "targets")}
    try:
        layers = read_problem("layers.yaml", strategies.as_yaml(file))
    except ProblemError:
        return  # values that this loss cannot have
    for whole in (layers, read_problem("equations.yaml", nets.in_equations(layers, file))):
        batch = build(whole, (3, 1, 2))
        for number in batch.batch:
            own = [step for step in batch.steps if step.sample == number]
            alone = build(whole, (number,)).steps
            known = {step.name: _written(step) for step in alone if step.section != "update"}
            assert {without_marks(step.name): _written(step) for step in own} == known


def _written(step: Step) -> str:
    """What a step says, whatever the sample."""
    return without_marks(repr(replace(step, sample=None, alias=None, over=None, kind="equation")))


def test_what_is_of_one_sample_has_the_name_that_says_so_once_as_well() -> None:
    """∂L/∂z[2] for ∂L[2]/∂z[2], and ∂L/∂w[2] for what sample 2 gives to ∂L/∂w."""
    source = """
        layers: [{activation: tanh, weights: [[1]]}]
        loss: half_squared_error
        samples: [{inputs: [1], targets: [1]}, {inputs: [2], targets: [1]}, {inputs: [3], targets: [1]}]
    """
    whole = graph(source, (1, 2, 3))
    for number in (1, 2, 3):
        for plain_name, own in ((f"z1_1[{number}]",) * 2, (f"w1_1_1[{number}]", "w1_1_1")):
            assert whole.aliases[f"dL/d{plain_name}"] == f"dL[{number}]/d{own}"


def test_a_rule_of_ones_own_keeps_its_name_in_every_sample() -> None:
    source = """
        layers: [{activation: {name: "soft[1]", formula: z/2}, weights: [[1]]}]
        loss: half_squared_error
        samples: [{inputs: [1], targets: [1]}, {inputs: [2], targets: [1]}]
    """
    steps = build(problem(source), (1, 2)).steps
    assert {step.called for step in steps if step.kind == "activation"} == {"soft[1]"}


def test_a_layer_is_gone_through_unit_by_unit_and_one_of_shares_all_together() -> None:
    source = """
        inputs: [1]
        targets: [1]
        layers: [{activation: RULE, weights: [[0.5], [2]]}, {activation: tanh, weights: [[1, 3]]}]
        loss: half_squared_error
    """
    whole = ["yhat", "z2_1"]
    found = {
        rule: [
            step.of for step in graph(source.replace("RULE", rule)).steps if step.kind == "upstream"
        ]
        for rule in ("sigmoid", "softmax")
    }
    assert found["sigmoid"] == [*whole, "a1_1", "z1_1", "a1_2", "z1_2"]
    assert found["softmax"] == [*whole, "a1_1", "a1_2", "z1_1", "z1_2"]


def test_what_the_last_layer_hands_on() -> None:
    plain_net = TWO_SAMPLES.replace("NORM", "")
    woven = "samples: [{inputs: [1], targets: [1]}, {inputs: [2], targets: [0]}]"
    woven += (
        "\nlayers: [{activation: tanh, weights: [[0.5]], batch_norm: {}}]\nloss: squared_error\n"
    )
    dropped = """
        inputs: [1]
        layers: [{activation: tanh, weights: [[1], [2]], dropout: {mask: [1, 0], keep: 0.5}}]
    """
    cases: list[tuple[str, tuple[int, ...], list[str]]] = [
        (plain_net, (1,), ["yhat"]),
        (plain_net, (1, 2), ["yhat[1]", "yhat[2]"]),
        (woven, (1, 2), ["yhat[1]", "yhat[2]"]),
        (dropped, (1,), ["yhat1", "yhat2"]),
        ("equations: {a: x*2, L: a^2}\ngiven: {x: 1}\n", (1,), []),
    ]
    for source, batch, expected in cases:
        assert [step.name for step in graph(source, batch).handed_on] == expected


def test_a_slope_of_ones_own_is_what_is_verified() -> None:
    source = """
        inputs: [0.4]
        targets: [1]
        layers:
          - activation: {name: spike, formula: "1 if z >= 0 else 0", slope: "1/(1 + z^2)"}
            weights: [[0.5]]
          - {activation: sigmoid, weights: [[2]]}
        loss: half_squared_error
    """
    assert going_back(source)["da1_1/dz1_1"] == "1/(1 + z1_1^2)"
    checked = verification(problem(source))
    assert checked.agrees
    assert checked.findings is not None
    [found] = [each for each in checked.findings.comparisons if each.name == "dL/dw1_1_1"]
    assert found.ours != 0


def test_samples_that_a_batch_weaves_together_are_gone_through_stage_by_stage() -> None:
    stages = ["yhat", "z2_1", "a1_1", "u1_1", "zhat1_1"]
    expected = [f"{name}[{sample}]" for name in stages for sample in (1, 2)]
    expected += ["var1_1", "mu1_1", "z1_1[1]", "z1_1[2]"]
    assert passed(TWO_SAMPLES.replace("NORM", ", batch_norm: {}")) == expected


def test_a_penalty_in_the_loss_is_taken_off_where_the_slope_is_gone_up() -> None:
    source = """
        samples: [{inputs: [1], targets: [2]}, {inputs: [3], targets: [4]}]
        layers: [{activation: identity, weights: [[0.5]]}]
        loss: half_squared_error
        learning_rate: 0.1
        training: {direction: DIRECTION, l2: {value: 0.2, in_loss: true}}
    """
    shares = "(dL[1]/dw1_1_1 + dL[2]/dw1_1_1)/2"
    up = going_back(source.replace("DIRECTION", "ascent"), (1, 2))
    down = going_back(source.replace("DIRECTION", "descent"), (1, 2))
    assert up["dL/dw1_1_1"] == f"{shares} - lambda2*w1_1_1"
    assert down["dL/dw1_1_1"] == f"{shares} + lambda2*w1_1_1"


def test_a_penalty_in_the_loss_reaches_what_a_batch_weaves_together() -> None:
    source = TWO_SAMPLES.replace("NORM", ", batch_norm: {}")
    source += "    training: {l2: {value: 0.3, in_loss: true}}\n"
    assert going_back(source, (1, 2))["dL/dw1_1_1"] == (
        "dL/dz1_1[1]*x[1] + dL/dz1_1[2]*x[2] + lambda2*w1_1_1"
    )
    assert verification(problem(source)).agrees


# ---------------------------------------------------------------- sums of products

NAMES = ("a", "b", "c", "d")


@st.composite
def sums_of_products(draw: st.DrawFn) -> str:
    terms = []
    for _ in range(draw(st.integers(1, 4))):
        factors = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
        if draw(st.booleans()) or not factors:
            factors.insert(draw(st.integers(0, len(factors))), str(draw(st.integers(2, 9))))
        term = "*".join(factors)
        if draw(st.integers(1, 3)) == 1:
            term += f"/{draw(st.integers(2, 9))}"
        terms.append(draw(st.sampled_from(("", "-"))) + term)
    return " + ".join(f"({term})" if term.startswith("-") else term for term in terms)


def as_sympy(formula: Formula) -> sympy.Expr:
    return sympy.sympify(plain.write(formula).replace("^", "**"), rational=True)


@given(sums_of_products())
def test_the_quick_way_through_sums_of_products_is_right(text: str) -> None:
    formula = parse(text)
    found = linear_coefficients(formula)
    assert found is not None
    for name in names_in(formula):
        expected = sympy.diff(as_sympy(formula), sympy.Symbol(name))
        assert sympy.simplify(as_sympy(found[name]) - expected) == 0


@pytest.mark.parametrize("text", ["a*a", "a^2", "sin(a)", "a/b", "a*(b + c)", "max(a, b)"])
def test_anything_else_is_left_to_algebra(text: str) -> None:
    assert linear_coefficients(parse(text)) is None
    assert differentiate(parse(text), "a") is not None


@pytest.mark.parametrize("name", ["attention", "conv-pool-dense", "rnn-three-steps"])
def test_the_entries_of_an_array_come_from_the_first_on(name: str) -> None:
    graph = solve(read_problem(PROBLEMS / f"{name}.yaml")).iterations[0].graph
    names = [step.name for step in graph.section("backward", "gradient")]
    for view in graph.arrays:
        own = [
            f"d{graph.output}/d{entry.name}" for entry in view.entries if isinstance(entry, Name)
        ]
        places = [names.index(each) for each in own if each in names]
        if not view.rows:  # all times at once, which are gone through from the last
            assert places == sorted(places), view.name
