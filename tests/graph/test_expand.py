"""A problem as a flat list of named equations."""

from __future__ import annotations

import pytest
from pages import NEURON, problem

from backprop_cli.formula import plain
from backprop_cli.formula.nodes import Sum
from backprop_cli.graph.batches import build
from backprop_cli.graph.expand import expand
from backprop_cli.graph.step import Graph


def equations(source: str, batch: tuple[int, ...] = (1,)) -> dict[str, str]:
    """Every step of the forward pass and the loss as plain text."""
    return {step.name: plain.write(step.formula) for step in expand(problem(source), batch).steps}


def leaves(graph: Graph, kind: str) -> list[str]:
    return [leaf.name for leaf in graph.leaves if leaf.kind == kind]


def test_a_neuron() -> None:
    assert equations(NEURON) == {
        "z1_1": "w1_1_1*x1 + w1_1_2*x2 + b1_1",
        "yhat": "sigmoid(z1_1)",
        "L": "1/2*(y - yhat)^2",
    }


def test_sequential_names_number_weights_by_unit_or_by_input() -> None:
    source = """
        inputs: [1, 2]
        layers: [{activation: relu, units: 2}, {activation: identity, units: 1}]
        notation: {names: sequential, weight_order: %s}
    """
    assert equations(source % "by_unit") == {
        "z1": "w1*x1 + w2*x2 + b1",
        "z2": "w3*x1 + w4*x2 + b2",
        "a1": "relu(z1)",
        "a2": "relu(z2)",
        "yhat": "w5*a1 + w6*a2 + b3",
    }
    assert equations(source % "by_input")["z1"] == "w1*x1 + w3*x2 + b1"


def test_from_to_swaps_the_indices_of_weights_only() -> None:
    source = """
        inputs: [1, 2]
        layers: [{activation: relu, weights: [[3, 4]], biases: [5]}]
        notation: {index_order: from_to}
    """
    assert equations(source)["z1_1"] == "w1_1_1*x1 + w1_2_1*x2 + b1_1"


def test_a_shared_bias_is_one_parameter() -> None:
    source = """
        inputs: [1]
        layers: [{activation: relu, weights: [[3], [4]], biases: 5}]
    """
    assert equations(source) == {
        "z1_1": "w1_1_1*x + b1",
        "z1_2": "w1_2_1*x + b1",
        "yhat1": "relu(z1_1)",
        "yhat2": "relu(z1_2)",
    }
    graph = expand(problem(source))
    assert leaves(graph, "parameter") == ["w1_1_1", "b1", "w1_2_1"]


def test_a_missing_connection_has_no_parameter() -> None:
    source = """
        inputs: [1, 2]
        layers: [{activation: relu, weights: [[null, 4]]}]
    """
    assert equations(source)["z1_1"] == "w1_1_2*x2"
    assert leaves(expand(problem(source)), "parameter") == ["w1_1_2"]


@pytest.mark.parametrize(
    ("bias_input", "formula"),
    [("1", "w1_1_1*x + b1_1"), ("-1", "w1_1_1*x - b1_1"), ("0.5", "w1_1_1*x + 0.5*b1_1")],
)
def test_what_a_bias_is_multiplied_by(bias_input: str, formula: str) -> None:
    source = f"""
        inputs: [1]
        layers: [{{activation: relu, weights: [[3]], biases: [2], bias_input: {bias_input}}}]
    """
    assert equations(source)["z1_1"] == formula


def test_an_author_s_own_formulas() -> None:
    source = """
        inputs: [1]
        targets: [2]
        layers: [{activation: {name: bent, formula: "z/(1 + z^2)"}, weights: [[3]]}]
        loss: {formula: "(y - yhat)^4"}
    """
    assert equations(source) == {
        "z1_1": "w1_1_1*x",
        "yhat": "z1_1/(1 + z1_1^2)",
        "L": "(y - yhat)^4",
    }


def test_options_are_written_where_they_are_not_the_usual_ones() -> None:
    source = """
        inputs: [1]
        layers: [{activation: [leaky_relu, {name: leaky_relu, slope: 0.2}], units: 2}]
    """
    found = equations(source)
    assert found["yhat1"] == "leaky_relu(z1_1)"
    assert found["yhat2"] == "leaky_relu(z1_2, 0.2)"


def test_a_batch_is_written_out_sample_by_sample() -> None:
    source = """
        samples: [{inputs: [1], targets: [2]}, {inputs: [3], targets: [4]}]
        layers: [{activation: identity, weights: [[0.5]]}]
        loss: squared_error
    """
    assert equations(source, (1, 2)) == {
        "z1_1[1]": "w1_1_1*x[1]",
        "yhat[1]": "z1_1[1]",
        "z1_1[2]": "w1_1_1*x[2]",
        "yhat[2]": "z1_1[2]",
        "L[1]": "(y[1] - yhat[1])^2",
        "L[2]": "(y[2] - yhat[2])^2",
        "L": "(L[1] + L[2])/2",
    }
    assert "x[2]" not in equations(source, (2,))["z1_1"]


def test_batch_normalisation_ties_the_samples_together() -> None:
    found = equations("batch-norm-by-hand", (1, 2, 3))
    assert found["mu1_1"] == "(z1_1[1] + z1_1[2] + z1_1[3])/3"
    assert found["zhat1_1[2]"] == "(z1_1[2] - mu1_1)/sqrt(var1_1 + 1e-5)"
    assert found["u1_1[2]"] == "gamma1_1*zhat1_1[2] + beta1_1"
    assert found["yhat[2]"] == "u1_1[2]"


def test_other_names_of_the_outputs() -> None:
    assert expand(problem(NEURON)).aliases == {"a1_1": "yhat"}


def test_equations_keep_the_author_s_names_in_order_of_calculation() -> None:
    source = """
        equations: {L: "(yhat - y)^2", yhat: "w*x"}
        given: {x: 1, y: 2}
        parameters: {w: 3}
    """
    assert list(equations(source)) == ["yhat", "L"]


def test_parameters_shared_by_samples_are_not_multiplied() -> None:
    source = """
        equations: {f: "w*x + c"}
        given: {c: 1}
        parameters: {w: 3}
        samples: [{x: 1}, {x: 2}]
    """
    graph = expand(problem(source), (1, 2))
    assert [leaf.name for leaf in graph.leaves] == ["c", "x[1]", "x[2]", "w"]


def test_names_of_the_update_keep_clear_of_the_author_s() -> None:
    source = """
        equations: {f: "eta*x^2"}
        given: {eta: 3}
        parameters: {x: 1}
        learning_rate: 0.1
    """
    graph = build(problem(source), (1,))
    assert plain.write(graph.step["x_new"].formula) == "x - eta_*df/dx"


def test_frozen_and_trainable() -> None:
    frozen = "frozen: [w1_1_2]\n" + NEURON.replace("\n    ", "\n")
    only = "trainable: [b1_1]\n" + NEURON.replace("\n    ", "\n")
    assert set(build(problem(frozen), (1,)).carried) == {"w1_1_1", "b1_1"}
    assert set(build(problem(only), (1,)).carried) == {"b1_1"}


def test_units_of_which_only_some_have_a_z_are_no_array() -> None:
    source = """
        inputs: [1, 2]
        targets: [0, 1]
        layers: [{activation: [identity, sigmoid], weights: [[1, 2], [3, 4]]}]
        loss: half_squared_error
        notation: {names: sequential}
    """
    assert expand(problem(source), (1,)).layers == ("some units of layer 1 have no z of their own")


def test_a_name_without_the_number_of_its_sample() -> None:
    source = """
        samples: [{inputs: [1], targets: [0]}, {inputs: [3], targets: [1]}]
        layers: [{activation: tanh, weights: [[1]], biases: [0]}]
        loss: half_squared_error
    """
    graph = build(problem(source), (1, 2))
    names = ("x[2]", "z1_1[1]", "w1_1_1", "L[2]", "dL[2]/dw1_1_1", "dL[1]/dz1_1[1]", "L")
    assert list(map(graph.unmarked, names)) == [
        "x", "z1_1", "w1_1_1", "L[s]", "dL[s]/dw1_1_1", "dL[s]/dz1_1", "L",
    ]  # fmt: skip


@pytest.mark.parametrize(("times", "terms"), [(2, 2), (6, 6), (9, None)])
def test_a_loss_of_few_times_is_a_sum_over_them(times: int, terms: int | None) -> None:
    source = f"""
        inputs: {[[0.5]] * times}
        targets: {[[0.1]] * times}
        layers: [{{kind: rnn, returns: all, weights: [[0.5]], recurrent: [[0.1]]}}]
        loss: binary_cross_entropy
    """
    loss = build(problem(source), (1,)).arrays[-1].equation
    assert (len(loss.terms) if isinstance(loss, Sum) else None) == terms
