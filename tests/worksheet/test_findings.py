"""What the sheet says of its numbers, and the sentences beside them."""

from __future__ import annotations

import pytest
from pages import page, rows, run

from backprop_cli.worksheet.blank import answers_template


def plain(shown: str) -> str:
    """A page without its line breaks, so that sentences can be looked for."""
    return " ".join(shown.replace("┃", " ").split())


def notes(source: str, **choices: object) -> str:
    return plain(page(source, **choices))


def test_a_dead_layer_and_twins() -> None:
    shown = notes("equal-weights-dead-relu")
    assert "All units of layer 1 have the same weights, in and out." in shown
    assert "Every ReLU of layer 1 is off (z < 0): the layer passes no gradient" in shown
    assert "z₁⁽¹⁾ < 0, so this ReLU is off and passes no gradient." in shown
    assert "L stays at 0.6931." in shown


def test_one_dead_unit() -> None:
    shown = notes("relu-regression-step")
    assert "Layer 2: the ReLU of unit 1 is off (z < 0) and passes no gradient." in shown
    assert "All units of layer" not in shown


BATCH = """
    samples: [{inputs: [1], targets: [0]}, {inputs: [-1], targets: [0]}]
    layers:
      - {activation: relu, weights: [[1], [-1], [2]], biases: [0, -3, 5]}
      - {activation: identity, weights: [[1, 1, 1]]}
    loss: half_squared_error
"""


def test_in_a_batch_a_unit_is_dead_only_if_no_sample_wakes_it() -> None:
    shown = notes(BATCH)
    assert "z₁⁽¹⁾ < 0 for sample 2: there this ReLU is off and passes none." in shown
    assert "z₂⁽¹⁾ < 0 for every sample: there this ReLU is off and passes none." in shown
    assert "Layer 1: the ReLU of unit 2 is off (z < 0) and passes no gradient." in shown
    assert "z₃⁽¹⁾ < 0" not in shown


def test_units_of_any_rule_are_off_where_it_is_flat() -> None:
    shown = notes("""
        samples: [{inputs: [1], targets: [0]}, {inputs: [-1], targets: [0]}]
        layers:
          - {activation: hard_sigmoid, weights: [[1], [-1], [4]], biases: [5, -5, 0]}
          - {activation: relu6, weights: [[9, 9, 0], [9, 0, 0]]}
          - {activation: identity, weights: [[1, 1]]}
        loss: half_squared_error
    """)
    assert "z₁⁽¹⁾ > 3 for every sample: there this hard sigmoid is fully on and passes" in shown
    assert "Layer 1: the hard sigmoid of unit 1 is fully on (z > 3) and passes no" in shown
    assert "Layer 1: the hard sigmoid of unit 2 is off (z < −3) and passes no" in shown
    assert "unit 3 is off or fully on (z < −3 or z > 3) and passes no gradient." in shown
    assert "Every ReLU6 of layer 2 is fully on (z > 6): the layer passes no gradient" in shown
    assert "Other starting weights, a negative bias or a leaky ReLU would help." in shown


def test_a_step_is_flat_everywhere_and_not_called_off() -> None:
    shown = notes("""
        inputs: [-1]
        targets: [1]
        layers: [{activation: step, weights: [[1]]}]
        loss: squared_error
    """)
    assert "The slope of step is 0 everywhere" in shown
    assert "is off" not in shown


def test_a_saturated_unit() -> None:
    shown = notes("two-hidden-layers")
    assert "Warning: Saturated: a₂⁽²⁾. The slope there is below 0.01" in shown


@pytest.mark.parametrize(
    ("source", "remark"),
    [
        ("vanishing-gradient", "The gradient vanishes"),
        ("exploding-gradient", "The gradient explodes"),
    ],
)
def test_a_gradient_that_does_not_keep_its_size(source: str, remark: str) -> None:
    shown = notes(source)
    assert remark in shown
    assert "Gradient layer by layer" in shown


def test_the_size_of_the_gradient_layer_by_layer() -> None:
    table = rows(page("exploding-gradient").partition("Gradient layer by layer")[2])
    assert table["output"] == ["124", "–"]
    assert table["2"] == ["620", "5"]
    assert table["1"] == ["3100", "5"]


KINK = """
    inputs: [1]
    targets: [{target}]
    layers:
      - {{activation: {activation}, weights: [[0]], biases: [0]}}
    loss: {loss}
    learning_rate: 1
"""


@pytest.mark.parametrize(
    ("activation", "loss", "target", "remark"),
    [
        (
            "relu",
            "squared_error",
            1,
            "z₁⁽¹⁾ = 0: ReLU has no derivative at z = 0; 0 is used there.",
        ),
        ("leaky_relu", "squared_error", 1, "z₁⁽¹⁾ = 0: Leaky ReLU has no derivative"),
        ("identity", "absolute_error", 0, "ŷ = 0: The absolute error has no derivative"),
        ("identity", "absolute_error", 1, ""),
        ("sigmoid", "squared_error", 1, ""),
    ],
)
def test_values_on_a_kink(activation: str, loss: str, target: int, remark: str) -> None:
    shown = notes(KINK.format(activation=activation, loss=loss, target=target))
    if remark:
        assert remark in shown
    else:
        assert "no derivative" not in shown


def test_the_step_jumps_at_its_own_threshold() -> None:
    shown = notes(
        KINK.format(activation="{name: step, threshold: 0}", loss="squared_error", target=1)
    )
    assert "z₁⁽¹⁾ = 0: The step jumps at its threshold" in shown
    assert "The slope of step is 0 everywhere" in shown


def test_hinge_loss_on_the_margin() -> None:
    source = """
        inputs: [1, 1]
        targets: [1]
        layers: [{activation: identity, weights: [[0.5, 0.5]]}]
        loss: hinge
    """
    assert "y·ŷ = 1: The hinge loss has no derivative where y·ŷ = 1" in notes(source)


def test_a_tie_in_max() -> None:
    shown = notes("max-circuit-tie")
    assert "max(z, w) is a tie" in shown
    assert "each of the 2 equal arguments is given ½ of the gradient." in shown
    assert "is a tie" not in notes("max-circuit")


def test_where_the_gradient_of_max_and_min_goes() -> None:
    largest = "max passes all of the gradient on to its largest argument"
    for form in ("reuse", "chain", "gates"):
        assert largest in notes("max-circuit", form=form)
    assert "min passes all of the gradient on to its smallest argument" in notes(
        """
        equations: {f: "min(x, 3*w)"}
        given: {x: 1}
        parameters: {w: 1}
        """
    )
    assert largest not in notes("sum-times-circuit")


def test_without_gradients_a_kink_does_not_matter() -> None:
    assert "jumps" not in notes("xor-with-hidden-layer")


def test_a_step_that_goes_too_far() -> None:
    shown = notes(
        """
        equations: {y: x^2}
        parameters: {x: 1}
        learning_rate: 1.5
        """
    )
    assert "With the new parameters, y rises from 1 to 4." in shown
    assert "The step raised what it should lower: it went too far." in shown


def test_a_step_that_momentum_takes_uphill() -> None:
    """At −0.38 the slope is −0.76, and the third step leads to −0.854 all the same: no learning
    rate would have helped."""
    shown = notes(
        """
        equations: {y: x^2}
        parameters: {x: 1}
        learning_rate: 0.3
        training: {steps: 3, optimizer: momentum}
        """,
        show=3,
    )
    assert "y rises from 0.1444 to 0.729316." in shown
    assert "it does not follow this gradient alone" in shown
    assert "A smaller learning rate" not in shown


def test_a_loss_that_hardly_moves_is_written_with_the_digits_that_move() -> None:
    shown = notes(
        """
        equations: {y: x^2}
        parameters: {x: 1}
        learning_rate: 0.000001
        """
    )
    assert "y falls from 1 to 0.999996" in shown


def test_units_drawn_at_random_say_so() -> None:
    assert "Layers 1–2 are initialised: zeros." in notes("all-zero-weights")
    assert "Layers 1–2 are initialised: zeros." not in notes("small-random-weights")


def test_batch_normalisation_says_why_there_are_three_ways() -> None:
    said = "through μ₁⁽¹⁾, var₁⁽¹⁾ and ẑ₁⁽¹⁾: what comes back from each of them is added up. What"
    said += " belongs to the whole batch is shared by all its samples."
    assert said in notes("batch-norm-by-hand")


def test_shared_biases_have_a_place_of_their_own() -> None:
    shown = page("shared-biases-two-outputs")
    assert "\nLayer 2, shared bias\n" in shown
    assert "b⁽²⁾ is added in 2 places and collects the gradient of each of them." in notes(
        "shared-biases-two-outputs"
    )
    # It is written after the derivatives that it adds up.
    assert shown.index("∂L/∂z₂⁽²⁾  │") < shown.index("∂L/∂b⁽²⁾")


def test_an_author_s_own_parameter_is_not_called_a_bias() -> None:
    shown = notes("sum-times-circuit")
    assert "bias" not in shown
    shown = notes("sigmoid-circuit")
    assert "w₂ is added as it stands, so its gradient is ∂f/∂g itself." in shown


def test_targets_that_are_no_probabilities() -> None:
    source = """
        inputs: [1]
        targets: [0.5, 0.2]
        layers: [{activation: softmax, weights: [[1], [2]]}]
        loss: cross_entropy
    """
    shown = notes(source)
    assert "∂L/∂z₁⁽¹⁾ │ ŷ₁(y₁ + y₂) − y₁" in shown
    assert "but for the sum of the targets, which is not 1 here." in shown


@pytest.mark.parametrize("what", ["vanishing", "exploding"])
def test_a_circuit_and_a_network_show_the_same_flow(what: str) -> None:
    """The chain written gate by gate has the sizes and the warning of the layers."""
    circuit, layered = page(f"{what}-gradient-by-gates"), page(f"{what}-gradient")
    columns = [
        [row for name, row in rows(shown.partition("Gradient layer by layer")[2]).items()][1:4]
        for shown in (circuit, layered)
    ]
    assert len(columns[0]) == 3
    assert columns[0] == columns[1]
    warnings = [
        " ".join(line for line in shown.splitlines() if line.startswith("┃")).partition("The ")[2]
        for shown in (circuit, layered)
    ]
    assert warnings[0] == warnings[1] != ""


def test_gates_are_asked_for() -> None:
    template = answers_template(run("exploding-gradient-by-gates"), "csv")
    asked = [line.partition(",")[0] for line in template.splitlines()]
    assert {f"df9/df{gate}" for gate in range(1, 9)} <= set(asked)


def test_saturation_is_seen_in_equations_too() -> None:
    assert "Saturated" not in notes("""
        equations: {z: w*x, a: "1/(1 + exp(-z))", L: (a - y)^2}
        given: {x: 1, y: 0}
        parameters: {w: 0.5}
    """)
    assert "Saturated: a." in notes("""
        equations: {z: w*x, a: "1/(1 + exp(-z))", L: (a - y)^2}
        given: {x: 20, y: 0}
        parameters: {w: 0.5}
    """)
