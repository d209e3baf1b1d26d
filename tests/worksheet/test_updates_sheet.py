"""The update section: plain descent as a table, other rules step by step; whole runs."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from pages import NEURON, PROBLEMS, page, rows, run, section

from backprop_cli.formula.spelling import spell
from backprop_cli.render.reading import spoken
from backprop_cli.worksheet.curves import OWN_SAMPLES, function_curve, loss_curve

PARABOLA = """
    equations: {{f: "x^2"}}
    parameters: {{x: 1}}
    learning_rate: 0.1
    training: {training}
"""


def update(training: str) -> dict[str, list[str]]:
    """The rows of the update section for f = x² at 1, where the gradient is 2."""
    shown = page(PARABOLA.format(training=training), width=120)
    return rows(section(shown, "Update"))


def test_plain_descent_is_old_minus_eta_gradient() -> None:
    assert update("{steps: 1}")["x"] == ["1", "2", "0.2", "0.8"]


@pytest.mark.parametrize(
    "source",
    [NEURON, "two-hidden-layers", "softmax-three-classes", "textbook-sigmoid-3-2-1"],
)
def test_a_row_of_plain_descent_can_be_worked_out_from_itself(source: str) -> None:
    """With the numbers as they are written, down to the last digit."""
    solved = run(source)
    eta = Fraction(str(float(solved.iterations[0].values["eta"] or 0)))
    table = rows(section(page(source, width=120), "Update"))
    table.pop("Parameter")
    for old, gradient, moved, new in table.values():
        assert in_last_digit(eta * number(gradient), moved)
        assert in_last_digit(number(old) - number(moved), new)


@pytest.mark.parametrize("power", [20, 60, 90, 300])
def test_what_a_vanishing_gradient_moves_is_not_what_it_was(power: int) -> None:
    """−0.673 − 10⁻⁹¹ is not −0.673, even where floating point cannot tell them apart."""
    source = f"""
        equations: {{L: c*w + v}}
        given: {{c: 1e-{power}}}
        parameters: {{w: -0.673, v: 0.5}}
        learning_rate: 0.1
    """
    table = rows(section(page(source, width=120), "Update"))
    assert table["w"][3] == "≈ −0.6730"
    assert table["v"][3] == "0.4"


def number(cell: str) -> Fraction:
    text = cell.removeprefix("≈ ").replace("−", "-")
    mantissa, _, power = text.partition("×10")
    exponent = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or "0"
    return Fraction(mantissa) * Fraction(10) ** int(exponent)


def in_last_digit(value: Fraction, cell: str) -> bool:
    """Whether a value, rounded to the digits of a cell, is written as the cell."""
    decimals = len(cell.partition("×")[0].partition(".")[2])
    _, _, power = cell.partition("×10")
    exponent = int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or "0")
    return abs(value - number(cell)) <= Fraction(10) ** (exponent - decimals) / 2


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        (
            "{optimizer: {name: momentum, momentum: 0.9}}",
            {
                "v[x] new": ["momentum·v[x] + ∂f/∂x", "0.9·0 + 2", "2"],
                "x new": ["x − η·v[x] new", "1 − 0.1·2", "0.8"],
            },
        ),
        (
            "{optimizer: nesterov}",
            {"x new": ["x − η(∂f/∂x + momentum·v[x] new)", "1 − 0.1(2 + 0.9·2)", "0.62"]},
        ),
        (
            "{optimizer: {name: adagrad, epsilon: 0}}",
            {"s[x] new": ["s[x] + (∂f/∂x)²", "0 + 2²", "4"]},
        ),
        (
            "{clip: {value: 0.5}}",
            {"g[x]": ["max(−threshold, min(threshold, ∂f/∂x))", "max(−0.5, min(0.5, 2))", "0.5"]},
        ),
        (
            "{l2: 0.5}",
            {
                "g[x]": ["∂f/∂x + λ₂·x", "2 + 0.5·1", "2.5"],
                "x new": ["x − η·g[x]", "1 − 0.1·2.5", "0.75"],
            },
        ),
        (
            "{optimizer: {name: averaged, state: {v: 1}, beta: 0.5,"
            " equations: {v: beta*v + (1 - beta)*g, w: w - eta*v}}}",
            {
                "v[x] new": ["β·v[x] + (1 − β)·∂f/∂x", "0.5·1 + (1 − 0.5)(2)", "1.5"],
                "x new": ["x − η·v[x] new", "1 − 0.1·1.5", "0.85"],
            },
        ),
    ],
)
def test_other_rules_are_written_step_by_step(
    training: str, expected: dict[str, list[str]]
) -> None:
    table = update(training)
    assert {name: table.get(name) for name in expected} == expected


def test_the_sheet_says_what_is_penalised() -> None:
    source = """
        equations: {z: w*x + b, L: (z - y)^2}
        given: {x: 2, y: 1}
        parameters: {w: 0.5, b: 1}
        learning_rate: 0.1
        training: {l2: TRAINING}
    """
    after = page(source.replace("TRAINING", "0.5"), width=120)
    assert "λ₂ (l2) penalises w; biases are left alone." in after
    assert rows(section(after, "Update"))["g[w]"][0] == "∂L/∂w + λ₂·w"
    assert "g[b]" not in after
    inside = page(source.replace("TRAINING", "{value: 0.5, in_loss: true}"), width=120)
    loss = rows(section(inside, "Loss"))
    # (0.5·2 + 1 − 1)² + ½·0.5·0.5² and 2·1·2 + 0.5·0.5, by hand
    assert loss["penalty"] == ["½·λ₂·w²", "½·0.5·0.5²", "0.0625"]
    assert loss["L"] == ["(z − y)² + penalty", "(2 − 1)² + 0.0625", "1.0625"]
    assert rows(section(inside, "Gradients"))["∂L/∂w"][-1] == "4.25"
    assert "λ₂ (l2) penalises w; biases are left alone." in section(inside, "Loss")


HILL = """
    equations: {{f: "-x^2 + 4x"}}
    parameters: {{x: 1}}
    learning_rate: {rate}
    training: {training}
"""
BY_DIRECTION = "{direction: ascent}"
BY_RULE = '{optimizer: {name: up, equations: {w: "w + eta*g"}}}'


@pytest.mark.parametrize("training", [BY_DIRECTION, BY_RULE])
def test_going_up_is_old_plus_eta_gradient(training: str) -> None:
    shown = page(HILL.format(rate=0.1, training=training))
    assert rows(section(shown, "Update"))["x"] == ["1", "2", "0.2", "1.2"]
    assert "moves along its gradient: new = old + η·gradient" in shown
    assert "f rises from 3 to 3.36, as it should going up the\nslope." in shown
    assert "What is maximised" in shown
    assert "Warning" not in shown
    too_far = " ".join(page(HILL.format(rate=1.5, training=training)).replace("┃", "").split())
    assert "The step lowered what it should raise: it went too far. A smaller" in too_far


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ("{steps: 1}", "it went too far. A smaller learning rate would help."),
        ('{optimizer: {equations: {w: "w - 3*g"}}}', "it went too far."),
        ('{optimizer: {equations: {w: "w + 2*eta*g"}}}', "this rule does not follow the gradient."),
        ("{l2: 90}", "and the penalty outweighs it."),
        ("{optimizer: {name: momentum, initial: 80}}", "what is kept from earlier updates"),
    ],
)
def test_why_a_step_raised_what_it_should_lower(training: str, said: str) -> None:
    """f = x² − 4x: from 1 (gradient −2) with a rate of 1.2 beyond 3, or the other way."""
    source = HILL.replace("-x^2 + 4x", "x^2 - 4x").format(rate=1.2, training=training)
    shown = " ".join(page(source, width=300).replace("┃", "").split())
    warning = shown.partition("Warning: ")[2]
    assert said in warning
    assert ("smaller learning rate" in warning) == ("smaller learning rate" in said)


def test_clipping_by_norm_shows_the_norm_and_the_factor() -> None:
    table = rows(section(page("gradient-clipping", width=140), "Update"))
    assert table["norm"][1:] == ["√(3100² + 3100² + 3100²)", "≈ 5369"]
    assert table["clip"][0] == "threshold/norm if norm > threshold else 1"
    assert table["w₁₁⁽¹⁾ new"][-1] == "≈ 4.942"


def test_frozen_parameters_are_named() -> None:
    shown = page("frozen: [b1_1]\n" + NEURON.replace("\n    ", "\n"))
    assert "Not updated: b₁⁽¹⁾." in shown
    assert "b₁⁽¹⁾" not in rows(section(shown, "Update"))


def test_a_long_run_is_thinned_out() -> None:
    shown = page("xor-learnt", show=1)
    table = rows(shown.partition("All updates")[2])
    updates = [when for when in table if " update " in when]
    assert len(updates) == 25
    assert (updates[0], updates[-1]) == ("before update 1", "after update 100")
    assert "Parameters after update 100" in shown


def test_the_curve_of_the_loss() -> None:
    curve = loss_curve(run("xor-learnt", show=1))
    assert curve is not None
    (series,) = curve.series
    assert [x for x, _ in series.points] == list(range(101))
    assert (
        spoken(curve.description, spell) == "The loss falls from 0.6931 to 0.02080 in 100 updates."
    )
    assert loss_curve(run(NEURON)) is None


def test_the_curve_of_a_function_that_is_no_loss_is_called_by_its_name() -> None:
    curve = loss_curve(run("momentum-by-hand"))
    assert curve is not None
    assert [spoken(each, spell) for each in (curve.title, curve.y_label)] == ["f over the run", "f"]
    # 36, 12.96, 0, 10.4976, 23.6196: it does not only fall.
    said = "f falls from 36 to 23.6196 in 4 updates; at its lowest, after update 2, it is 0."
    assert spoken(curve.description, spell) == said


def test_the_losses_of_different_samples_are_not_said_to_fall() -> None:
    curve = loss_curve(run("line-fit-mini-batches"))
    assert curve is not None
    assert spoken(curve.description, spell) == OWN_SAMPLES


def test_an_output_as_a_function_of_an_input() -> None:
    curve = function_curve(run("network-as-a-function"), ("x", -5, 5))
    (series,) = curve.series
    places = [x for x, _ in series.points]
    assert (places[0], places[-1], len(places)) == (-5, 5, 121)
    assert spoken(series.label, spell) == "z₃"
    # Far to the left the first sigmoid is on and the second hardly: 0.25 + 0.5·σ(−0.71) + 0.2.
    assert series.points[0][1] == pytest.approx(0.6148, abs=1e-3)


def test_the_output_that_the_file_names_is_drawn() -> None:
    text = (PROBLEMS / "network-as-a-function.yaml").read_text(encoding="utf-8")
    curve = function_curve(run(f"output: a1\n{text}"), ("x", -5, 5))
    (series,) = curve.series
    said = [spoken(each, spell) for each in (series.label, curve.title)]
    assert said == ["a₁", "a₁ as a function of x"]
    assert series.points[60][1] == pytest.approx(1 / (1 + math.exp(0.1)))  # at x = 0
    # Under a loss it is what the loss is worked out from.
    loss = function_curve(run("line-fit-full-batch", steps=1), ("w1_1_1", 0, 1))
    assert [spoken(series.label, spell) for series in loss.series] == [
        f"ŷ[{s}]" for s in (1, 2, 3, 4)
    ]


def test_quantities_on_the_way_are_drawn_together() -> None:
    names = ("z1", "z2", "a1", "a2", "z3")
    curve = function_curve(run("network-as-a-function"), ("x", -5, 5), names)
    assert [spoken(series.label, spell) for series in curve.series] == [
        "z₁",
        "z₂",
        "a₁",
        "a₂",
        "z₃",
    ]
    ends = {
        spoken(series.label, spell): (series.points[0][1], series.points[-1][1])
        for series in curve.series
    }
    assert ends["z₁"] == pytest.approx((8.65, -8.85))
    assert ends["z₂"] == pytest.approx((-0.71, 1.01))
    assert ends["a₂"] == pytest.approx((1 / (1 + math.exp(0.71)), 1 / (1 + math.exp(-1.01))))
    assert spoken(curve.description, spell).startswith(
        "z₁ for x from −5 to 5: between −8.85 and 8.65; z₂:"
    )


def test_every_output_has_a_curve() -> None:
    curve = function_curve(run("softmax-three-classes"), ("x1", 0, 1))
    assert [spoken(series.label, spell) for series in curve.series] == ["ŷ₁", "ŷ₂", "ŷ₃"]
    for points in zip(*(series.points for series in curve.series), strict=True):
        assert sum(y for _, y in points) == pytest.approx(1)


# ---------------------------------------------------------------- perceptron


def test_a_perceptron_run_presentation_by_presentation() -> None:
    shown = page("perceptron-and", show=1)
    table = shown.partition("All presentations")[2]
    lines = [line for line in table.splitlines() if line.count("│") > 5]
    assert len(lines) == 25
    assert [cell.strip() for cell in lines[4].split("│")] == [
        "1", "4", "1", "1", "1", "−1", "0", "1", "1", "1", "0",
    ]  # fmt: skip
    assert "4 of 4 samples are answered correctly." in shown
    assert "No mistake in epoch 6: the perceptron has learnt all samples and stops." in shown


def test_a_perceptron_that_goes_round_in_a_circle() -> None:
    shown = page("perceptron-xor-cycles", show=1)
    assert "After epoch 3 the weights are the same as after epoch 2, so the rule\n" in shown
    assert "wrong" in shown.partition("What it answers now")[2]
