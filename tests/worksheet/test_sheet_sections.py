"""The worked solution as a student reads it, section by section."""

from __future__ import annotations

import math
import re

import pytest
from pages import NEURON, PROBLEMS, lines, page, rows, run, section


def test_a_whole_sheet() -> None:
    assert (
        page(NEURON)
        == lines(
            """
        Untitled
        ════════

        Given
        ─────

        What          │ Values
        ──────────────┼─────────────────────────────────────────
        Inputs        │ x₁ = 1, x₂ = 0.5
        Targets       │ y = 0
        Output unit   │ w₁₁⁽¹⁾ = 0.4, w₁₂⁽¹⁾ = −0.2, b₁⁽¹⁾ = 0.1
        Learning rate │ η = 0.5

        Full precision is carried. Results marked ≈ are rounded to 4 significant digits;
        the numbers put in have as many as it takes to reproduce them.

        Forward pass
        ────────────

        Quantity │ Formula                       │ Numbers put in           │    Value
        ─────────┼───────────────────────────────┼──────────────────────────┼─────────
        z₁⁽¹⁾    │ w₁₁⁽¹⁾·x₁ + w₁₂⁽¹⁾·x₂ + b₁⁽¹⁾ │ 0.4·1 + (−0.2)·0.5 + 0.1 │   0.4
        ŷ        │ σ(z₁⁽¹⁾)                      │ σ(0.4)                   │ ≈ 0.5987

        σ(z) = 1/(1 + exp(−z))

        Loss
        ────

        Quantity │ Formula   │ Numbers put in │    Value
        ─────────┼───────────┼────────────────┼─────────
        L        │ ½(y − ŷ)² │ ½(0 − 0.5987)² │ ≈ 0.1792

        Local derivatives
        ─────────────────

        Quantity  │ Formula  │ Numbers put in     │    Value
        ──────────┼──────────┼────────────────────┼─────────
        ∂ŷ/∂z₁⁽¹⁾ │ ŷ(1 − ŷ) │ 0.5987(1 − 0.5987) │ ≈ 0.2403

        A slope that is only a number or a single quantity, such as ∂z₁⁽¹⁾/∂w₁₁⁽¹⁾ = x₁,
        is written where it is used; the slope of L itself stands among the gradients.

        The slope of σ can be read off its own output: σ(1 − σ), at most 1/4.

        Gradients
        ─────────

        Output unit
        ┄┄┄┄┄┄┄┄┄┄┄

        Quantity   │ Formula           │ Numbers put in  │     Value
        ───────────┼───────────────────┼─────────────────┼──────────
        ∂L/∂ŷ      │ ŷ − y             │ 0.5987 − 0      │ ≈ 0.5987
        ∂L/∂z₁⁽¹⁾  │ ∂L/∂ŷ · ∂ŷ/∂z₁⁽¹⁾ │ 0.59869·0.24026 │ ≈ 0.1438
        ∂L/∂w₁₁⁽¹⁾ │ ∂L/∂z₁⁽¹⁾ · x₁    │ 0.1438·1        │ ≈ 0.1438
        ∂L/∂w₁₂⁽¹⁾ │ ∂L/∂z₁⁽¹⁾ · x₂    │ 0.14384·0.5     │ ≈ 0.07192
        ∂L/∂b₁⁽¹⁾  │ ∂L/∂z₁⁽¹⁾         │ 0.1438          │ ≈ 0.1438

        The ½ is there to cancel the 2 of the square, which leaves ŷ − y.

        A bias always has the input 1, so its gradient is ∂L/∂z₁⁽¹⁾ itself.

        Update
        ──────

        Every parameter moves against its gradient: new = old − η·gradient, with
        η = 0.5.

        Parameter │  Old │  Gradient │ η · gradient │        New
        ──────────┼──────┼───────────┼──────────────┼───────────
        w₁₁⁽¹⁾    │  0.4 │ ≈ 0.14384 │ ≈ 0.07192    │  ≈ 0.3281
        w₁₂⁽¹⁾    │ −0.2 │ ≈ 0.07192 │ ≈ 0.03596    │ ≈ −0.2360
        b₁⁽¹⁾     │  0.1 │ ≈ 0.14384 │ ≈ 0.07192    │  ≈ 0.02808

        A gradient with more digits here than above has them so that η · gradient comes
        out as it is written.

        Loss after the update
        ─────────────────────

        With the new parameters, L falls from 0.1792 to 0.1564.
        """
        )
        + "\n"
    )


def test_without_a_loss_there_is_only_a_forward_pass() -> None:
    shown = page("one-neuron")
    assert "Forward pass" in shown
    assert all(title not in shown for title in ("Loss", "Gradients", "Update", "What the numbers"))


def test_what_a_network_answers_where_there_are_no_targets() -> None:
    text = (PROBLEMS / "xor-with-hidden-layer.yaml").read_text(encoding="utf-8")
    shown = page(re.sub(r", targets: \[\d\]", "", text))
    assert section(shown, "Inputs and outputs") == lines(
        """
        Sample │ x₁ │ x₂ │ ŷ
        ───────┼────┼────┼──
        1      │ 0  │ 0  │ 0
        2      │ 0  │ 1  │ 1
        3      │ 1  │ 0  │ 1
        4      │ 1  │ 1  │ 0
        """
    )


def test_without_a_learning_rate_there_is_no_update() -> None:
    shown = page("exploding-gradient")
    assert "Gradients" in shown
    assert "Update" not in shown
    assert "after the update" not in shown


def test_what_is_no_loss_is_not_called_one() -> None:
    shown = page("parabola-descent", show=1)
    assert "What is minimised" in shown
    assert "With the new parameters, y falls from 6 to −6." in shown
    assert "Loss after the update" not in shown


# ---------------------------------------------------------------- several samples

LINE = """
    samples:
      - {inputs: [1], targets: [2]}
      - {inputs: [2], targets: [3]}
      - {inputs: [3], targets: [5]}
    layers:
      - {activation: identity, weights: [[1]], biases: [0]}
    loss: half_squared_error
    learning_rate: 0.1
    training: {batch: %s, steps: %s, reduction: %s}
"""


def line(batch: object = "all", steps: int = 1, reduction: str = "mean") -> str:
    return LINE % (batch, steps, reduction)


def test_samples_stand_in_a_table() -> None:
    assert section(page(line()), "Given").startswith(
        lines(
            """
            Sample │ x │ y
            ───────┼───┼──
            1      │ 1 │ 2
            2      │ 2 │ 3
            3      │ 3 │ 5

            x[2] is x of sample 2, and so on.
            """
        )
    )


def test_a_batch_is_worked_out_sample_by_sample_and_then_as_a_whole() -> None:
    shown = page(line())
    loss = section(shown, "Loss")
    assert [row for row in loss.splitlines() if row and "│" not in row and "─" not in row] == [
        "Sample 1",
        "Sample 2",
        "Sample 3",
        "Whole batch",
    ]
    assert rows(loss)["L[2]"] == ["½(y[2] − ŷ[2])²", "½(3 − 2)²", "0.5"]
    assert rows(loss)["L"] == ["(L[1] + L[2] + L[3])/3", "(0.5 + 0.5 + 2)/3", "1"]


@pytest.mark.parametrize(
    ("reduction", "formula", "numbers", "value"),
    [
        ("mean", "(∂L[1]/∂b₁⁽¹⁾ + ∂L[2]/∂b₁⁽¹⁾ + ∂L[3]/∂b₁⁽¹⁾)/3", "(−1 − 1 − 2)/3", "≈ −1.333"),
        ("sum", "∂L[1]/∂b₁⁽¹⁾ + ∂L[2]/∂b₁⁽¹⁾ + ∂L[3]/∂b₁⁽¹⁾", "−1 − 1 − 2", "−4"),
    ],
)
def test_the_gradient_of_a_batch_is_their_mean_or_sum(
    reduction: str, formula: str, numbers: str, value: str
) -> None:
    shown = section(page(line(reduction=reduction), width=120), "Gradients")
    assert rows(shown)["∂L/∂b₁⁽¹⁾"] == [formula, numbers, value]


def test_one_sample_at_a_time_goes_in_order_and_wraps_round() -> None:
    shown = page(line(batch=1, steps=4))
    titles = [row for row in shown.splitlines() if row.startswith("Update ")]
    assert titles == [
        "Update 1: sample 1",
        "Update 2: sample 2",
        "Update 3: sample 3",
        "Update 4: sample 1",
    ]
    # In a batch of one nothing needs the number of its sample.
    assert "[1]" not in shown


def test_mini_batches_wrap_round() -> None:
    shown = page(line(batch=2, steps=2))
    assert "Update 1: samples 1–2" in shown
    assert "Update 2: samples 3, 1" in shown


def test_what_holds_of_every_update_is_said_once() -> None:
    shown = page(line(batch=1, steps=3))
    for sentence in (
        "Every parameter moves against its gradient",
        "A bias always has the input 1",
        "The ½ is there to cancel the 2",
    ):
        assert shown.count(sentence) == 1, sentence


def test_a_later_update_begins_with_its_sample_and_the_new_parameters() -> None:
    table = rows(section(page(line(batch=1, steps=2)), "Update 2: sample 2"))
    assert table["Inputs"] == ["x = 2"]
    assert table["Targets"] == ["y = 3"]
    assert table["Output unit"] == ["w₁₁⁽¹⁾ = 1.1, b₁⁽¹⁾ = 0.1"]


def test_losses_of_different_samples_are_not_compared_with_one_another() -> None:
    shown = page(line(batch=1, steps=4), show=1)
    table = rows(section(shown, "All updates"))
    assert [(when, row[0]) for when, row in table.items() if " update " in when] == [
        ("before update 1", "1"),
        ("before update 2", "2"),
        ("before update 3", "3"),
        ("before update 4", "1"),
        ("after update 4", "1"),
    ]
    assert "These are losses of different samples. Over all of them L goes from 1 to" in shown


def test_many_samples_stand_side_by_side() -> None:
    shown = section(page("xor-learnt", show=1), "Update 1: samples 1–4")
    forward = shown.partition("Forward pass")[2]
    assert "Quantity │ Formula                 │ Sample 1 │ Sample 2 │" in forward
    assert "Mean over the samples" in shown


# ---------------------------------------------------------------- other names


def test_sequential_names_count_through_the_network() -> None:
    assert section(page("relu-regression-step"), "Forward pass").startswith(
        lines(
            """
            Quantity │ Formula            │ Numbers put in        │ Value
            ─────────┼────────────────────┼───────────────────────┼──────
            z₁       │ w₁·x + b₁          │ 0.5·2 + 0             │  1
            z₂       │ w₂·x + b₂          │ 0.25·2 + 0.5          │  1
            a₁       │ ReLU(z₁)           │ ReLU(1)               │  1
            a₂       │ ReLU(z₂)           │ ReLU(1)               │  1
            z₃       │ w₃·a₁ + w₅·a₂ + b₃ │ 0.5·1 + (−1)·1 + 0.25 │ −0.25
            z₄       │ w₄·a₁ + w₆·a₂ + b₄ │ 1·1 + 0.5·1 + 0       │  1.5
            a₃       │ ReLU(z₃)           │ ReLU(−0.25)           │  0
            a₄       │ ReLU(z₄)           │ ReLU(1.5)             │  1.5
            ŷ        │ w₇·a₃ + w₈·a₄ + b₅ │ 1·0 + 1·1.5 + 0.1     │  1.6
            """
        )
    )


FROM_TO = """
    inputs: [1, 2]
    layers:
      - {activation: identity, weights: [[3, null], [5, 7]]}
    notation: {index_order: from_to}
"""


def test_from_to_names_swap_the_indices_and_a_missing_weight_has_no_term() -> None:
    shown = section(page(FROM_TO), "Forward pass")
    assert rows(shown)["z₁⁽¹⁾"] == ["w₁₁⁽¹⁾·x₁", "3·1", "3"]
    assert rows(shown)["z₂⁽¹⁾"] == ["w₁₂⁽¹⁾·x₁ + w₂₂⁽¹⁾·x₂", "5·1 + 7·2", "19"]


OPTIONS = """
    inputs: [-2]
    layers:
      - activation: [{name: leaky_relu, slope: 0.2}, {name: step, at_threshold: 0},
                     {name: bent, formula: "z/(1 + z^2)"}]
        weights: [[1], [1], [1]]
"""


def test_a_function_is_explained_with_its_own_options() -> None:
    shown = section(page(OPTIONS), "Forward pass")
    assert "LeakyReLU(z, 0.2) = z if z > 0 else 0.2·z" in shown
    assert "step(z) = 1 if z > 0 else 0" in shown
    assert rows(shown)["ŷ₃"] == ["z₃⁽¹⁾/(1 + (z₃⁽¹⁾)²)", "(−2)/(1 + (−2)²)", "−0.4"]


def test_thresholds_are_subtracted() -> None:
    shown = page("xor-thresholds")
    assert "θ₁⁽¹⁾ = 0.8" in shown
    assert "0.9·1 + 1.0·1 − (−0.1)" in shown
    assert (
        "A threshold always has the input −1, so its gradient is ∂L/∂z₁⁽²⁾ with the\n"
        "opposite sign." in shown
    )


def test_linear_layers_are_shown_to_collapse() -> None:
    shown = section(page("linear-layers-collapse"), "Forward pass")
    assert "All units are linear: the layers collapse" in shown
    assert "[ŷ] = [9  3  −3] ⎢x₂⎥ + [−0.5]" in shown


# ---------------------------------------------------------------- numbers


def test_hand_rounding_is_announced() -> None:
    shown = page("rounding: {digits: 3, every_step: true}\n" + NEURON.replace("\n    ", "\n"))
    assert "Each value is rounded to 3 significant digits and carried on rounded" in shown
    assert "ŷ        │ σ(z₁⁽¹⁾)                      │ σ(0.4)                   │ ≈ 0.599" in shown


def test_a_value_rounded_by_hand_keeps_its_last_zeros() -> None:
    """0.512·0.488 is 0.2499, which is 0.250 to three digits, where it is found and put in."""
    source = NEURON.replace("[[0.4, -0.2]]", "[[-0.15, 0.2]]").replace("\n    ", "\n")
    shown = page(f"rounding: {{digits: 3, every_step: true}}\n{source}", width=120)
    table = rows(shown)
    assert table["∂ŷ/∂z₁⁽¹⁾"][-1] == "≈ 0.250"
    assert table["∂L/∂z₁⁽¹⁾"][-2] == "0.512·0.250"


def test_fractions() -> None:
    shown = section(page("relu-regression-step", fractions=True), "Update")
    assert rows(shown)["w₁"] == ["½", "12/5", "3/25", "19/50"]


def test_digits() -> None:
    assert "≈ 0.59868766" in page(NEURON, digits=8)


def test_a_name_and_its_number_stay_on_one_line() -> None:
    shown = section(page("two-hidden-layers", width=40), "Given")
    assert "w₂₁⁽¹⁾ = 0.72" in shown
    assert not any(row.split("│")[-1].strip().startswith(("=", "≈")) for row in shown.splitlines())


def truth(shown: str) -> list[list[str]]:
    """The rows of the truth table, cell by cell."""
    lines = section(shown, "Truth table").splitlines()
    return [
        [cell.strip().replace("−", "-") for cell in line.split("│")]
        for line in lines
        if "│" in line
    ]


@pytest.mark.parametrize(("name", "bias", "table"), [("and", -1, "0001"), ("or", 0, "0111")])
def test_a_step_unit_is_compared_with_a_truth_table(name: str, bias: int, table: str) -> None:
    shown = page(f"truth-table-{name}")
    assert truth(shown)[1:] == [
        [str(k + 1), str(a), str(b), str(a + b + bias), y, y, "right"]
        for k, ((a, b), y) in enumerate(zip([(0, 0), (0, 1), (1, 0), (1, 1)], table, strict=True))
    ]
    assert "4 of 4 samples are answered correctly." in shown
    # Row by row with the numbers put in, and no gradient.
    sign = "− 1" if bias else "+ 0"
    assert f"1·1 + 1·0 {sign}" in shown
    assert "∂" not in shown


def test_xor_through_a_hidden_layer_row_by_row() -> None:
    shown = page("xor-with-hidden-layer", width=100)
    assert [row[-3:] for row in truth(shown)[1:]] == [
        ["0", "0", "right"],
        ["1", "1", "right"],
        ["1", "1", "right"],
        ["0", "0", "right"],
    ]
    assert "1·1 + (−1)·1 + 0" in shown


def test_what_is_answered_wrongly_is_said() -> None:
    """AND with the step that is on at 0 as well: (0, 1) and (1, 0) come out on."""
    text = (PROBLEMS / "truth-table-and.yaml").read_text(encoding="utf-8")
    shown = page(text.replace("{name: step, at_threshold: 0}", "step"))
    assert [row[-1] for row in truth(shown)[1:]] == ["right", "wrong", "wrong", "right"]
    assert "2 of 4 samples are answered correctly." in shown
    one = page("""
        inputs: [1, 0]
        targets: [1, -1]
        layers: [{activation: sign, weights: [[1, 1], [1, 2]], biases: [0, 0]}]
    """)
    assert truth(one) == [
        ["x₁", "x₂", "z₁⁽¹⁾", "z₂⁽¹⁾", "ŷ₁", "ŷ₂", "y₁", "y₂", "Answer"],
        ["1", "0", "1", "1", "1", "1", "1", "-1", "wrong"],
    ]


def test_what_equations_are_given_is_not_called_an_input() -> None:
    source = """
        equations: {z: w*x, L: (z - y)^2 + λ*w^2}
        given: {x: 1, y: 2, λ: 0.1}
        parameters: {w: 3}
    """
    table = rows(page(source))
    assert table["Quantities"] == ["x = 1, y = 2, λ = 0.1"]
    assert "Inputs" not in table


@pytest.mark.parametrize(
    ("equations", "slope"),
    [
        ("L1: -y ln(a)\n  L2: -(1 - y) ln(1 - a)\n  L: L1 + L2", "a − y"),
        ("L1: -(y ln(a) + (1 - y) ln(1 - a))\n  L2: w^2\n  L: L1 + 0.1 L2", "a − y"),
        ("L1: -(y ln(a) + (1 - y) ln(1 - a))\n  S: L1 + w\n  L: S", "a − y"),
        ("L1: -(y ln(a) + (1 - y) ln(1 - a))\n  L: 3 L1", "3(a − y)"),
    ],
)
def test_cross_entropy_written_in_parts_comes_down_to_a_minus_y(equations: str, slope: str) -> None:
    source = f"""
equations:
  z: w*x
  a: σ(z)
  {equations}
given: {{x: 2, y: 1}}
parameters: {{w: 0.3}}
"""
    assert rows(page(source))["∂L/∂z"][0] == slope
    value = run(source).iterations[0].values["dL/dz"]
    factor = 3 if slope.startswith("3") else 1
    expected = factor * (1 / (1 + math.exp(-0.6)) - 1)
    assert value is not None
    assert float(value) == pytest.approx(expected, rel=1e-12)


def test_a_maximum_of_many_is_written_once_and_not_once_for_each() -> None:
    names = [f"v{n}" for n in range(1, 21)]
    given = ", ".join(f"{name}: {place}" for place, name in enumerate(names))
    source = f"""
        equations: {{m: "max({", ".join(names)})", L: m^2}}
        given: {{{given}}}
    """
    shown = section(page(source), "Local derivatives")
    assert "share of max(v₂₀, …) │ share of max(19, …) │ 1" in shown
    assert "v₁, v₂" not in shown


def test_what_has_no_derivative_is_put_in_as_none() -> None:
    source = """
        equations: {n: "sqrt(x1^2 + x2^2)", f: n*w}
        given: {x1: 0, x2: 0, w: 2}
        with_respect_to: [x1]
    """
    shown = section(page(source), "Gradients")
    assert "∂f/∂x₁   │ ∂f/∂n · ∂n/∂x₁ │ 2·none" in shown
    assert "nan" not in page(source)
