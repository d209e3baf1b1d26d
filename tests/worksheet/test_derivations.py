"""Derivations as they stand on a sheet, and the closed forms of the course's notes."""

from __future__ import annotations

import itertools
import json
import math
import time
from fractions import Fraction

import ours
import pytest
import strategies
from hypothesis import given
from pages import NEURON, document, lines, only, page, problem, run, section
from strategies import Problem, examples

from backprop_cli.formula import plain
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.graph.step import Section
from backprop_cli.run import Run
from backprop_cli.worksheet.derivations import known_names
from backprop_cli.worksheet.sheet import Choices, Sheet
from backprop_cli.worksheet.solution_json import solution_json


def closed(source: str, *names: str) -> dict[str, str]:
    """The factored forms of some gradients in plain text, by the JSON solution."""
    data = json.loads(solution_json(run(source), Choices(symbolic=True)))
    return {
        step["name"]: step["derivation"]["closed"]["text"]
        for step in data["steps"]
        if step["name"] in names
    }


# ---------------------------------------------------------------- the notes' own forms


def test_the_relu_regression_sheet() -> None:
    """L_y{w7 ReLU′(z3) w3 + w8 ReLU′(z4) w4} ReLU′(z1) x, in the order of the notes."""
    assert closed("relu-regression-symbolic", *(f"dL/dw{k}" for k in range(1, 9)), "dL/db1") == {
        "dL/dw7": "-2*(y - yhat)*a3",
        "dL/dw8": "-2*(y - yhat)*a4",
        "dL/dw3": "-2*(y - yhat)*w7*relu'(z3)*a1",
        "dL/dw5": "-2*(y - yhat)*w7*relu'(z3)*a2",
        "dL/dw4": "-2*(y - yhat)*w8*relu'(z4)*a1",
        "dL/dw6": "-2*(y - yhat)*w8*relu'(z4)*a2",
        "dL/dw1": "-2*(y - yhat)*(w7*relu'(z3)*w3 + w8*relu'(z4)*w4)*relu'(z1)*x",
        "dL/dw2": "-2*(y - yhat)*(w7*relu'(z3)*w5 + w8*relu'(z4)*w6)*relu'(z2)*x",
        "dL/db1": "-2*(y - yhat)*(w7*relu'(z3)*w3 + w8*relu'(z4)*w4)*relu'(z1)",
    }


def test_the_sigmoid_chain() -> None:
    assert closed("sigmoid-chain-symbolic", "dL/dw2", "dL/db2", "dL/dw1", "dL/db1") == {
        "dL/dw2": "(y - t)*y*(1 - y)*h",
        "dL/db2": "(y - t)*y*(1 - y)",  # without the w2 that the notes have by mistake
        "dL/dw1": "(y - t)*y*(1 - y)*w2*h*(1 - h)*x",
        "dL/db1": "(y - t)*y*(1 - y)*w2*h*(1 - h)",
    }


def test_the_two_hidden_layers() -> None:
    above = "(yhat - y)*yhat*(1 - yhat)"
    first, second = ("w3_1_1*a2_1*(1 - a2_1)", "w3_2_1*a2_2*(1 - a2_2)")
    assert closed(
        "two-hidden-layers-symbolic", "dL/dw3_1_1", "dL/dw2_2_1", "dL/dw1_3_2", "dL/db1_1"
    ) == {
        "dL/dw3_1_1": f"{above}*a2_1",
        "dL/dw2_2_1": f"{above}*{first}*a1_2",  # from unit 2 to unit 1
        "dL/dw1_3_2": f"{above}*({first}*w2_2_1 + {second}*w2_2_2)*relu'(z1_2)*x3",
        "dL/db1_1": f"{above}*({first}*w2_1_1 + {second}*w2_1_2)*relu'(z1_1)",
    }


def test_cross_entropy_comes_down_to_output_minus_target() -> None:
    shown = section(page("tanh-two-outputs-symbolic"), "Gradients")
    assert (
        lines(
            """
            ∂L/∂z₂ = ∂L/∂a₂ · ∂a₂/∂z₂
                   = (−y₂/a₂ + (1 − y₂)/(1 − a₂)) · a₂(1 − a₂)
                   = a₂ − y₂   │ after cancelling
            """
        )
        in shown
    )
    # Each of the two paths is named by the output unit that it goes through.
    assert "via z₂" in shown
    assert "via z₃" in shown


# ---------------------------------------------------------------- lines


def test_four_lines() -> None:
    assert only(NEURON, "dL/dw1_1_2") == lines(
        """
        ∂L/∂w₁₂⁽¹⁾ = ∂L/∂ŷ · ∂ŷ/∂z₁⁽¹⁾ · ∂z₁⁽¹⁾/∂w₁₂⁽¹⁾
                   = (ŷ − y) · ŷ(1 − ŷ) · x₂
                   = (0.5987 − 0)(0.5987)(1 − 0.5987)(0.5)
                   ≈ 0.07192
        """
    )


def test_paths_are_labelled_and_then_factored() -> None:
    shown = only("relu-regression-symbolic", "dL/dz1")
    assert [" ".join(line.split()) for line in shown.splitlines()] == [
        "∂L/∂z₁ = ∂L/∂ŷ · ∂ŷ/∂a₃ · ∂a₃/∂z₃ · ∂z₃/∂a₁ · ∂a₁/∂z₁ │ via a₃",
        "+ ∂L/∂ŷ · ∂ŷ/∂a₄ · ∂a₄/∂z₄ · ∂z₄/∂a₁ · ∂a₁/∂z₁ │ via a₄",
        "= −2(y − ŷ) · w₇ · ReLU′(z₃) · w₃ · ReLU′(z₁)",
        "− 2(y − ŷ) · w₈ · ReLU′(z₄) · w₄ · ReLU′(z₁)",
        "= −2(y − ŷ)(w₇·ReLU′(z₃)·w₃ + w₈·ReLU′(z₄)·w₄) · ReLU′(z₁) │ factored",
        "= L_y(w₇·ReLU′(z₃)·w₃ + w₈·ReLU′(z₄)·w₄) · ReLU′(z₁) │ with L_y = ∂L/∂ŷ",
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x1", "x₁ = 1 (given)"),
        ("eta", "η = 0.5 (given)"),
        (
            "z1_1",
            """
            z₁⁽¹⁾ = w₁₁⁽¹⁾·x₁ + w₁₂⁽¹⁾·x₂ + b₁⁽¹⁾
                  = 0.4·1 + (−0.2)·0.5 + 0.1
                  = 0.4
            """,
        ),
        (
            "a1_1",  # another name of the output
            """
            ŷ = σ(z₁⁽¹⁾)
              = σ(0.4)
              ≈ 0.5987
            """,
        ),
        (
            "dL/dyhat",
            """
            ∂L/∂ŷ = ŷ − y
                  = 0.5987 − 0
                  ≈ 0.5987
            """,
        ),
        (
            "dyhat/dz1_1",
            """
            ∂ŷ/∂z₁⁽¹⁾ = ŷ(1 − ŷ)
                      = 0.5987(1 − 0.5987)
                      ≈ 0.2403
            """,
        ),
        (
            "dz1_1/dw1_1_2",  # a local derivative that needs no line of its own elsewhere
            """
            ∂z₁⁽¹⁾/∂w₁₂⁽¹⁾ = x₂
                           = 0.5
            """,
        ),
        ("dz1_1/db1_1", "∂z₁⁽¹⁾/∂b₁⁽¹⁾ = 1"),
        (
            "b1_1_new",
            """
            b₁⁽¹⁾ new = b₁⁽¹⁾ − η·∂L/∂b₁⁽¹⁾
                      = 0.1 − 0.5·0.14384
                      ≈ 0.02808
            """,
        ),
    ],
)
def test_any_name_of_the_sheet_can_be_asked_for(name: str, shown: str) -> None:
    assert only(NEURON, name) == lines(shown)


@pytest.mark.parametrize("form", ["reuse", "chain", "delta"])
@pytest.mark.parametrize(
    "source", ["batch-norm-by-hand", "adam-by-hand", "max-circuit-tie", "softmax-three-classes"]
)
def test_every_known_name_has_an_answer(source: str, form: str) -> None:
    solved = run(source, show=1)
    names = known_names(Sheet(solved, solved.iterations[0], Choices()))
    blocks = document(source, show=1, only=names, form=form).blocks
    assert len(blocks) >= len(names)


def test_a_quantity_asked_for_is_shown_in_every_update() -> None:
    shown = only("parabola-descent", "x_new", show=2)
    assert shown == lines(
        """
        Update 1
        ────────

        x new = x − η·∂y/∂x
              = 4 − 0.25·8
              = 2

        Update 2
        ────────

        x new = x − η·∂y/∂x
              = 2 − 0.25·4
              = 1
        """
    )


# ---------------------------------------------------------------- many paths

WIDE = """
    inputs: [0.5, -0.5]
    targets: [1]
    layers:
      - {activation: tanh, units: 6, weights: {init: uniform, low: -1, high: 1, seed: 1}}
      - {activation: tanh, units: 6, weights: {init: uniform, low: -1, high: 1, seed: 2}}
      - {activation: tanh, units: 6, weights: {init: uniform, low: -1, high: 1, seed: 3}}
      - {activation: identity, units: 1, weights: {init: uniform, low: -1, high: 1, seed: 4}}
    loss: half_squared_error
"""


def test_more_paths_than_anyone_reads_are_counted() -> None:
    start = time.process_time()
    shown = only(WIDE, "dL/dw1_1_1", form="chain")
    assert time.process_time() - start < 8
    assert shown.startswith(
        lines(
            """
            ∂L/∂w₁₁⁽¹⁾ = ∂L/∂z₁⁽¹⁾ · ∂z₁⁽¹⁾/∂w₁₁⁽¹⁾
                       = ∂L/∂z₁⁽¹⁾ · x₁
            """
        )
    )
    assert shown.endswith(
        "∂L/∂w₁₁⁽¹⁾ is the sum of 36 paths to the loss: more than 32 are not written out,\n"
        "so it goes on from gradients above."
    )


def test_gradients_far_from_the_loss_go_on_from_those_above() -> None:
    chain = "\n".join(f"  e{place}: tanh(e{place - 1})" for place in range(1, 80))
    text = page(f"equations:\n  e0: 2*x\n{chain}\ngiven: {{x: 1}}", symbolic=True)
    assert "more than 60 links away from e₇₉: it goes on from gradients above." in " ".join(
        text.split()
    )
    assert "∂e₇₉/∂e₅ = ∂e₇₉/∂e₆ · ∂e₆/∂e₅" in text.splitlines()


def test_few_paths_are_all_written_with_the_chain_form() -> None:
    shown = only(WIDE, "dL/dw2_1_1", form="chain")
    assert shown.count("via") == 6
    reused = only(WIDE, "dL/dw2_1_1")
    assert "via" not in reused
    assert reused.endswith(
        "∂L/∂w₁₁⁽²⁾ is the sum of 6 paths to the loss; --form chain writes them out."
    )


def test_paths_that_share_a_unit_are_told_apart() -> None:
    two = """
        inputs: [1]
        targets: [1]
        layers:
          - {activation: tanh, units: 1}
          - {activation: tanh, units: 2}
          - {activation: tanh, units: 2}
          - {activation: tanh, units: 1}
        loss: half_squared_error
    """
    shown = only(two, "dL/dw1_1_1", form="chain").replace("\n", " ")
    for upper, lower in itertools.product("₁₂", "₁₂"):
        assert f"via a{upper}⁽³⁾, a{lower}⁽²⁾" in shown


def test_a_long_chain_of_equations_is_derived_too() -> None:
    """Deeper than Python would recurse."""
    count = 250
    steps = "\n".join(f"      e{k}: 0.99*e{k - 1} + w" for k in range(1, count))
    source = f"""
    equations:
      e0: w*x
{steps}
    given: {{x: 1}}
    parameters: {{w: 0.5}}
    """
    solved = run(source)
    asked = Choices(symbolic=True, only=(f"de{count - 1}/dw",))
    (step,) = json.loads(solution_json(solved, asked))["steps"]
    assert step["derivation"]["closed"]["text"]
    assert f"is the sum of {count} paths" in only(source, f"de{count - 1}/dw", form="chain")


# ---------------------------------------------------------------- laws


def check_forms(solved: Run, *sections: Section) -> None:
    """Every gradient's forms, worked out with the sheet's numbers, give the gradient."""
    sheet = Sheet(solved, solved.iterations[0], Choices())

    def lookup(name: str) -> Fraction | float:
        if name in sheet.graph.trivial_slopes:
            return evaluate(sheet.graph.trivial_slopes[name], lookup)
        return sheet.known(name)

    for step in sheet.graph.section(*sections):
        if step.kind == "slope":
            continue
        forms, value = sheet.derivations.forms(step), as_float(sheet.known(step.name))
        for form in (forms.local, forms.closed):
            got = as_float(evaluate(form, lookup))
            assert got == pytest.approx(value, rel=1e-7, abs=1e-9), (step.name, plain.write(form))


@examples(12, 150)
@given(strategies.networks(max_hidden=3, max_units=3))
def test_every_form_of_a_gradient_has_its_value(network: Problem) -> None:
    check_forms(ours.run(network), "backward", "gradient")


@examples(12, 150)
@given(strategies.equation_graphs())
def test_every_form_of_a_gradient_has_its_value_in_graphs(graph: Problem) -> None:
    check_forms(ours.run(graph), "gradient")


def test_closed_forms_mention_only_what_the_forward_pass_knows() -> None:
    solved = run("two-hidden-layers")
    sheet = Sheet(solved, solved.iterations[0], Choices())
    for step in sheet.graph.section("gradient"):
        assert "d" not in plain.write(sheet.derivations.closed(step)).replace("sigmoid", "")


def test_derivations_of_a_batch_are_those_of_its_samples_put_together() -> None:
    source = """
        samples: [{inputs: [1], targets: [2]}, {inputs: [3], targets: [4]}]
        layers: [{activation: identity, weights: [[0.5]]}]
        loss: half_squared_error
    """
    assert closed(source, "dL/dw1_1_1") == {
        "dL/dw1_1_1": "((yhat[1] - y[1])*x[1] + (yhat[2] - y[2])*x[2])/2"
    }
    assert problem(source).training.batch is None


# ---------------------------------------------------------------- reuse, chain, L_y, ∂ŷ/∂a


def test_reuse_goes_on_from_what_is_known() -> None:
    sheet = "relu-regression-symbolic"
    assert only(sheet, "dL/dw3", form="reuse") == lines(
        """
        ∂L/∂w₃ = ∂L/∂z₃ · ∂z₃/∂w₃
               = ∂L/∂z₃ · a₁
        """
    )
    assert only(sheet, "dL/da1", form="reuse") == lines(
        """
        ∂L/∂a₁ = ∂L/∂z₃ · ∂z₃/∂a₁   │ via z₃
               + ∂L/∂z₄ · ∂z₄/∂a₁   │ via z₄
               = ∂L/∂z₃·w₃ + ∂L/∂z₄·w₄
        """
    )
    chain = only(sheet, "dL/dw3", form="chain")
    assert chain.startswith("∂L/∂w₃ = ∂L/∂ŷ · ∂ŷ/∂a₃ · ∂a₃/∂z₃ · ∂z₃/∂w₃\n")
    assert chain == only(sheet, "dL/dw3")  # one path is written out unasked


def test_reuse_says_nothing_of_paths_to_write_out() -> None:
    assert "--form chain" in only(WIDE, "dL/dw2_1_1")
    assert "--form chain" not in only(WIDE, "dL/dw2_1_1", form="reuse")


def test_the_loss_by_the_output_is_abbreviated_where_that_is_shorter() -> None:
    shown = only("relu-regression-symbolic", "dL/dw1")
    short = "= L_y(w₇·ReLU′(z₃)·w₃ + w₈·ReLU′(z₄)·w₄) · ReLU′(z₁) · x"
    assert short in shown
    assert "with L_y = ∂L/∂ŷ" in shown
    assert "L_y" not in only("relu-regression-symbolic", "dL/dw3")  # one path, nothing to gather
    assert "L_y" not in only("relu-regression-step", "dL/dw1")  # numbers follow the symbols


def test_an_output_by_a_hidden_unit() -> None:
    assert only("relu-regression-symbolic", "dyhat/da1") == lines(
        """
        ∂ŷ/∂a₁ = ∂ŷ/∂a₃ · ∂a₃/∂z₃ · ∂z₃/∂a₁   │ via a₃
               + ∂ŷ/∂a₄ · ∂a₄/∂z₄ · ∂z₄/∂a₁   │ via a₄
               = w₇·ReLU′(z₃)·w₃
               + w₈·ReLU′(z₄)·w₄
        """
    ).replace("  via", "via")
    # By hand: unit 3 is off (z₃ = −0.25), unit 4 is on, so 1·0·0.5 + 1·1·1.
    assert only("relu-regression-step", "dyhat/da1").endswith("= 1")


def test_an_output_by_a_hidden_unit_is_on_the_sheet_without_numbers() -> None:
    shown = section(page("relu-regression-symbolic"), "Gradients")
    assert shown.index("∂ŷ/∂a₁ = ") < shown.index("∂L/∂a₁ = ")
    assert "∂ŷ/∂a₃ = " not in shown  # one path says nothing new
    assert "∂ŷ/∂a₁ = " not in page("relu-regression-symbolic", form="reuse")


def test_an_output_by_any_quantity_against_difference_quotients() -> None:
    """∂ŷ/∂q of the 3-2-2-1 network, by central differences in the network written out here."""
    w = [0.42, 0.72, 0.21, 0.11, 0.30, 0.65, 0.17, 0.29, 0.91, 0.08, 0.61, 0.39]

    def yhat(w: list[float]) -> float:
        x = (6, 2, 5)
        a1 = [max(0.0, sum(w[3 * j + i] * x[i] for i in range(3)) + 0.01) for j in range(2)]
        a2 = [
            1 / (1 + math.exp(-(w[6 + 2 * j] * a1[0] + w[7 + 2 * j] * a1[1] + 0.05)))
            for j in range(2)
        ]
        return 1 / (1 + math.exp(-(w[10] * a2[0] + w[11] * a2[1] + 0.08)))

    for place, name in ((0, "w1_1_1"), (4, "w1_2_2"), (7, "w2_2_1"), (11, "w3_2_1")):
        up, down = ([*w[:place], w[place] + h, *w[place + 1 :]] for h in (1e-6, -1e-6))
        quotient = (yhat(up) - yhat(down)) / 2e-6
        last = only("two-hidden-layers", f"dyhat/d{name}").rpartition("≈ ")[2]
        assert float(last) == pytest.approx(quotient, rel=2e-3)
