"""The update as equations: clipping, then penalties, then the optimizer's rule."""

from __future__ import annotations

import pytest
from pages import problem

from backprop_cli.formula import plain
from backprop_cli.formula.build import names_in
from backprop_cli.graph.batches import build
from backprop_cli.graph.step import Graph

PARABOLA = """
    equations: {{f: "x^2 + y^2"}}
    parameters: {{x: 1, y: 2}}
    learning_rate: 0.1
    training: {training}
"""


def graph(training: str) -> Graph:
    return build(problem(PARABOLA.format(training=training)), (1,))


def updates(training: str) -> dict[str, str]:
    return {step.name: plain.write(step.formula) for step in graph(training).section("update")}


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ("{steps: 1}", {"x_new": "x - eta*df/dx"}),
        (
            "{optimizer: momentum}",
            {"v_x_new": "momentum*v_x + df/dx", "x_new": "x - eta*v_x_new"},
        ),
        (
            "{optimizer: nesterov}",
            {"x_new": "x - eta*(df/dx + momentum*v_x_new)"},
        ),
        (
            "{optimizer: adagrad}",
            {"s_x_new": "s_x + (df/dx)^2", "x_new": "x - eta*df/dx/(sqrt(s_x_new) + epsilon)"},
        ),
        (
            "{optimizer: rmsprop}",
            {"s_x_new": "alpha*s_x + (1 - alpha)*(df/dx)^2"},
        ),
        (
            "{optimizer: adam}",
            {
                "m_x_new": "beta1*m_x + (1 - beta1)*df/dx",
                "mhat_x": "m_x_new/(1 - beta1^t)",
                "x_new": "x - eta*mhat_x/(sqrt(vhat_x) + epsilon)",
            },
        ),
        (
            "{optimizer: adamw}",
            {"x_new": "x - eta*weight_decay*x - eta*mhat_x/(sqrt(vhat_x) + epsilon)"},
        ),
        ("{l2: 0.5}", {"g_x": "df/dx + lambda2*x", "x_new": "x - eta*g_x"}),
        ("{l1: 0.5}", {"g_x": "df/dx + lambda1*abs'(x)"}),
        ("{clip: {value: 1}}", {"g_x": "max(-threshold, min(threshold, df/dx))"}),
        (
            "{clip: {norm: 1}, l2: 0.5}",
            {
                "norm": "sqrt((df/dx)^2 + (df/dy)^2)",
                "clip": "threshold/norm if norm > threshold else 1",
                "g_x": "clip*df/dx + lambda2*x",
                "x_new": "x - eta*g_x",
            },
        ),
    ],
)
def test_rules_written_out(training: str, expected: dict[str, str]) -> None:
    found = updates(training)
    assert {name: found.get(name) for name in expected} == expected


def test_what_is_carried_on_to_the_next_update() -> None:
    assert graph("{optimizer: adam}").carried == {
        "m_x": "m_x_new",
        "v_x": "v_x_new",
        "x": "x_new",
        "m_y": "m_y_new",
        "v_y": "v_y_new",
        "y": "y_new",
    }


@pytest.mark.parametrize(
    ("rule", "formula"),
    [
        ("perceptron", "w1_1_1 + eta*e*x1"),
        (
            "{name: perceptron, update: target}",
            "w1_1_1 + eta*y*x1 if yhat != y else w1_1_1",
        ),
    ],
)
def test_the_perceptron_rule(rule: str, formula: str) -> None:
    source = f"""
        inputs: [1, 2]
        targets: [1]
        layers: [{{activation: step, weights: [[0, 0]], biases: [0]}}]
        learning_rate: 1
        training: {{rule: {rule}}}
    """
    graph = build(problem(source), (1,))
    assert plain.write(graph.step["w1_1_1_new"].formula) == formula
    assert graph.losses == ()
    assert not graph.section("gradient")


def test_at_the_look_ahead_point_only_what_gradients_need_is_worked_out_again() -> None:
    text = """
inputs: [1]
targets: [0]
layers: [{weights: [[0.5]], activation: tanh}, {weights: [[0.2]], activation: tanh}]
loss: half_squared_error
learning_rate: 0.1
training: {optimizer: {name: nesterov, look_ahead: true}}
"""
    steps = build(problem(text), (1,)).section("update")
    used = {name for step in steps for name in names_in(step.numeric or step.formula)}
    again = [step.name for step in steps if step.kind == "ahead"]
    assert {"ahead_z1_1", "dahead_a1_1/dahead_z1_1", "dL/dahead_z1_1"} <= set(again)
    assert used.issuperset(again)
