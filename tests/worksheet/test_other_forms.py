"""The same gradients with δ, in matrices, and gate by gate."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction

import ours
import pytest
import strategies
from hypothesis import given
from pages import NEURON, document, lines, only, page, problem, rows, run, section
from strategies import Problem, examples

from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Call, Formula, Matrix, Name, Negative, Product, Shown, Sum
from backprop_cli.graph.expand import expand
from backprop_cli.run import Run, solve
from backprop_cli.verify import verification
from backprop_cli.worksheet.document import Derivation
from backprop_cli.worksheet.sheet import Choices, Sheet
from backprop_cli.worksheet.solution import solution

# ---------------------------------------------------------------- δ


def test_delta_form() -> None:
    table = rows(section(page("two-hidden-layers", form="delta", width=120), "Gradients"))
    assert table["δ₁⁽³⁾"] == ["(ŷ − y) · ∂ŷ/∂z₁⁽³⁾", "(0.7344 − 1)(0.1950)", "≈ −0.05179"]
    assert table["δ₁⁽²⁾"][0] == "δ₁⁽³⁾ · w₁₁⁽³⁾ · ∂a₁⁽²⁾/∂z₁⁽²⁾"
    assert table["δ₁⁽¹⁾"][0] == "(δ₁⁽²⁾·w₁₁⁽²⁾ + δ₂⁽²⁾·w₁₂⁽²⁾) · ∂a₁⁽¹⁾/∂z₁⁽¹⁾"
    assert table["∂L/∂w₁₁⁽¹⁾"] == ["δ₁⁽¹⁾·x₁", "(−0.0006015)·6", "≈ −0.003609"]
    assert "∂L/∂a₁⁽¹⁾" not in table


def test_equations_have_no_delta() -> None:
    shown = page("sum-times-circuit", form="delta")
    assert "There is no δ here" in shown
    assert "outgoing weights" not in shown


def test_delta_form_line_by_line() -> None:
    assert only("two-hidden-layers", "dL/dz2_1", "dL/dw2_2_1", form="delta") == lines(
        """
        δ₁⁽²⁾ = δ₁⁽³⁾ · w₁₁⁽³⁾ · ∂a₁⁽²⁾/∂z₁⁽²⁾
              = δ₁⁽³⁾ · w₁₁⁽³⁾ · a₁⁽²⁾(1 − a₁⁽²⁾)
              = (−0.05179)(0.61)(0.9015)(1 − 0.9015)
              ≈ −0.002805

        ∂L/∂w₂₁⁽²⁾ = δ₁⁽²⁾ · ∂z₁⁽²⁾/∂w₂₁⁽²⁾
                   = δ₁⁽²⁾·a₂⁽¹⁾
                   = (−0.002805)·4.52
                   ≈ −0.01268
        """
    )


def test_an_output_without_a_z_keeps_its_gradient_in_delta_form() -> None:
    shown = section(page("relu-regression-symbolic", form="delta"), "Gradients")
    assert "∂L/∂ŷ = −2(y − ŷ)\n" in shown
    assert "δ₁ = (δ₃·w₃ + δ₄·w₄) · ∂a₁/∂z₁\n   = (δ₃·w₃ + δ₄·w₄) · ReLU′(z₁)\n" in shown
    assert "∂L/∂a" not in shown


# ---------------------------------------------------------------- matrices


def test_matrix_form_goes_from_letters_with_shapes_to_numbers() -> None:
    whole = page("relu-regression-step", form="matrix")
    assert "ReLU(z) = z if z > 0 else 0" in whole
    assert "so are the numbers put into matrices" in " ".join(whole.split())
    shown = section(whole, "Backward pass in matrices")
    assert shown.count("A bias always has the input 1") == 1
    assert shown.count("a₁ acts on the loss through z₃ and z₄") == 1
    assert (
        lines(
            """
            δ⁽¹⁾ = ⎛W⁽²⁾ᵀ δ⁽²⁾⎞ ⊙ ReLU′(z⁽¹⁾)
                   ⎝ 2×2  2×1 ⎠       2×1

                 = ⎛⎡w₃  w₅⎤ᵀ ⎡δ₃⎤⎞ ⊙ ⎡∂a₁/∂z₁⎤
                   ⎝⎣w₄  w₆⎦  ⎣δ₄⎦⎠   ⎣∂a₂/∂z₂⎦

                 = ⎛⎡0.5  −1  ⎤ᵀ ⎡0  ⎤⎞ ⊙ ⎡1⎤
                   ⎝⎣1     0.5⎦  ⎣1.2⎦⎠   ⎣1⎦

                 = ⎡1.2⎤
                   ⎣0.6⎦

            ∂L/∂W⁽¹⁾ = δ⁽¹⁾ xᵀ
                       2×1  1×1

                     = ⎡δ₁⎤ [x]ᵀ
                       ⎣δ₂⎦

                     = ⎡1.2⎤ [2]ᵀ
                       ⎣0.6⎦

                     = ⎡2.4⎤
                       ⎣1.2⎦
            """
        )
        in shown
    )


def test_the_bias_as_a_column_of_the_weights() -> None:
    shown = section(page("relu-regression-step", form="matrix"), "Forward pass in matrices")
    assert (
        lines(
            """
                               ⎡a₃⎤
            [ŷ] = [w₇  w₈  b₅] ⎢a₄⎥
            1×1       1×3      ⎣1 ⎦
                               3×1
            """
        )
        in shown
    )


def test_cancelled_cross_entropy_in_matrices() -> None:
    shown = page("softmax-three-classes", form="matrix")
    assert "softmax(z) is exp(z), entry by entry, divided by the sum of its column." in shown
    assert "δ⁽¹⁾ = ŷ − y" in shown


def test_every_factor_of_delta_has_its_shape_under_it_the_mask_of_dropout_too() -> None:
    shown = page("dropout-mask", form="matrix")
    _, _, after = shown.partition("δ⁽¹⁾ = 1/0.5 · r⁽¹⁾ ⊙ ∂L/∂h⁽¹⁾ ⊙ tanh′(z⁽¹⁾)")
    assert after.splitlines()[1].split() == ["4×1", "4×1", "4×1"]


def test_options_that_are_the_same_in_every_unit_are_left_out_in_matrices_too() -> None:
    shown = page("truth-table-and", form="matrix")
    assert "ŷ = step(z⁽¹⁾)" in shown
    assert "step(z) = 1 if z > 0 else 0" in shown


def test_a_batch_is_a_matrix_with_a_column_for_each_sample() -> None:
    shown = page("line-fit-sum", form="matrix")
    assert "Each column is a sample" in shown
    assert "[z₁⁽¹⁾[1]  z₁⁽¹⁾[2]" in shown or "= [1  2  3  4]" in shown
    mean = page("line-fit-full-batch", form="matrix", show=1)
    assert "∂L/∂W⁽¹⁾\n   = 1/4" in mean


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("sigmoid-circuit", "equations have no layers"),
        ("batch-norm-by-hand", "batch normalisation ties the samples together"),
        (
            """
            inputs: [1, -0.5]
            targets: [1, -0.5]
            layers:
              - {weights: [[0.4, null], [0.3, 0.8]], activation: tanh}
              - {weights: {same_as: 1}, activation: identity}
            loss: half_squared_error
            """,
            "weights stand in several places",
        ),
    ],
)
def test_where_there_is_no_matrix_form_it_is_said(source: str, reason: str) -> None:
    shown = page(source, form="matrix", width=120)
    assert f"There is no matrix form here: {reason}." in shown
    assert "Gradients" in shown


def test_large_matrices_are_letters_with_shapes() -> None:
    wide = """
        inputs: [0.1, 0.2]
        targets: [1]
        layers:
          - {activation: tanh, units: 30, weights: {init: uniform, low: -1, high: 1, seed: 1}}
          - {activation: identity, units: 1, weights: {init: uniform, low: -1, high: 1, seed: 4}}
        loss: half_squared_error
    """
    shown = page(wide, form="matrix")
    assert "δ⁽¹⁾ = ⎛W⁽²⁾ᵀ δ⁽²⁾⎞ ⊙ tanh′(z⁽¹⁾)\n       ⎝30×1  1×1 ⎠      30×1" in shown
    assert "⎡w" not in section(shown, "Forward pass in matrices")


Array = list[list[float]]


def worked_out(formula: Formula) -> Array:
    """A formula of matrices and numbers multiplied out, by hand."""
    match formula:
        case Matrix(entries):
            return [[as_float(evaluate(entry, no_names)) for entry in row] for row in entries]
        case Shown("shape", (inside, _)):
            return worked_out(inside)
        case Shown("transpose", (inside,)):
            return [list(row) for row in zip(*worked_out(inside), strict=True)]
        case Shown("matmul", (first, *rest)):
            result = worked_out(first)
            for factor in rest:
                columns = list(zip(*worked_out(factor), strict=True))
                result = [[dot(row, column) for column in columns] for row in result]
            return result
        case Shown("hadamard", (left, *others)):
            result = worked_out(left)
            for other in others:
                pairs = zip(result, worked_out(other), strict=True)
                result = [[x * y for x, y in zip(*rows, strict=True)] for rows in pairs]
            return result
        case Sum(terms):
            result = worked_out(terms[0])
            for term in terms[1:]:
                result = added(result, worked_out(term))
            return result
        case Negative(operand):
            return [[-x for x in row] for row in worked_out(operand)]
        case Product(factors) if not all(map(is_plain, factors)):
            *scalars, last = factors
            scale = 1.0
            for scalar in scalars:
                scale *= as_float(evaluate(scalar, no_names))
            return [[scale * x for x in row] for row in worked_out(last)]
        case Call("softmax", (Matrix() as inside,)):
            powers = [[math.exp(z) for z in row] for row in worked_out(inside)]
            sums = [sum(column) for column in zip(*powers, strict=True)]
            return [[p / total for p, total in zip(row, sums, strict=True)] for row in powers]
        case Call(function, (Matrix() as inside, *options)):
            return [
                [as_float(evaluate(Call(function, (entry, *options)), no_names)) for entry in row]
                for row in inside.rows
            ]
        case _:
            return [[as_float(evaluate(formula, no_names))]]


def is_plain(formula: Formula) -> bool:
    terms = formula.terms if isinstance(formula, Sum) else ()
    return not isinstance(formula, Matrix | Shown) and all(map(is_plain, terms))


def dot(row: list[float], column: tuple[float, ...]) -> float:
    return sum(x * y for x, y in zip(row, column, strict=True))


def added(left: Array, right: Array) -> Array:
    """A single column is added to every column."""
    return [
        [x + (other[index] if len(other) > 1 else other[0]) for index, x in enumerate(row)]
        for row, other in zip(left, right, strict=True)
    ]


def no_names(name: str) -> Fraction:
    raise KeyError(name)


def numbers_only(formula: Formula) -> bool:
    if isinstance(formula, Shown) and formula.form == "shape":
        return numbers_only(formula.operands[0])
    if isinstance(formula, Name):
        return False
    parts = (
        [entry for row in formula.rows for entry in row]
        if isinstance(formula, Matrix)
        else list(getattr(formula, "operands", ()))
        + list(getattr(formula, "terms", ()))
        + list(getattr(formula, "factors", ()))
        + list(getattr(formula, "arguments", ()))
        + ([formula.operand] if isinstance(formula, Negative) else [])
    )
    return all(map(numbers_only, parts))


@examples(10, 100)
@given(strategies.networks(max_hidden=2, max_units=3, max_samples=2))
def test_matrices_with_numbers_give_the_matrix_below_them(network: Problem) -> None:
    assert numbers_hold(ours.run(network)) >= 0


def test_what_is_added_left_out_or_unconnected_stands_in_the_matrices() -> None:
    text = """
inputs: [1, -0.5]
targets: [0.2, -0.4]
layers:
  - {weights: [[0.4, -0.9], [0.3, 0.8]], biases: 0.1, activation: tanh, add: inputs, after: true,
     dropout: {mask: [1, 0], keep: 0.5}}
  - {weights: [[null, 0.2], [-0.6, 0.5]], biases: [0.05, 0.3], activation: sigmoid, add: 1,
     bias_input: -1}
  - {weights: [[1.1, -0.3], [0.4, 0.9]], activation: [tanh, relu], add: 2, after: true}
loss: half_squared_error
"""
    assert numbers_hold(solve(problem(text))) == 15


def numbers_hold(run: Run) -> int:
    """How many lines of matrices were worked out, each of which gives the matrix at the end."""
    count = 0
    for block in solution(run, Choices(form="matrix", digits=12)).blocks:
        if not isinstance(block, Derivation):
            continue
        arrays = [worked_out(line.right) for line in block.lines if numbers_only(line.right)]
        for array in arrays[:-1]:
            count += 1
            for row, expected in zip(array, arrays[-1], strict=True):
                assert row == pytest.approx(expected, rel=1e-6, abs=1e-8)
    return count


def tied(rng: random.Random, transposed: bool, samples: int) -> str:
    """Three layers, of which the last takes the weights of the first."""
    wide, narrow = (3, 2) if transposed else (2, 2)

    def numbers(count: int) -> list[float]:
        return [round(rng.uniform(-2, 2), 2) for _ in range(count)]

    def matrix(rows: int, columns: int) -> list[list[float]]:
        return [numbers(columns) for _ in range(rows)]

    listed = [f"{{inputs: {numbers(wide)}, targets: {numbers(wide)}}}" for _ in range(samples)]
    return f"""
samples: [{", ".join(listed)}]
layers:
  - {{activation: tanh, weights: {matrix(narrow, wide)}, biases: {numbers(narrow)}}}
  - {{activation: sigmoid, weights: {matrix(narrow, narrow)}, biases: {numbers(narrow)}}}
  - {{activation: tanh, weights: {{same_as: 1, transposed: {str(transposed).lower()}}}}}
loss: half_squared_error
training: {{reduction: {rng.choice(("mean", "sum"))}}}
learning_rate: 0.1
"""


@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("samples", [1, 2, 3])
def test_tied_weights_are_one_matrix_in_two_places(transposed: bool, samples: int) -> None:
    source = tied(random.Random(samples), transposed, samples)
    shown = page(source, form="matrix", width=120)
    assert ("W⁽¹⁾ᵀ a⁽²⁾" if transposed else "W⁽¹⁾ a⁽²⁾") in shown
    assert ("a⁽²⁾ δ⁽³⁾ᵀ" if transposed else "δ⁽³⁾ a⁽²⁾ᵀ") in shown
    assert "W⁽¹⁾ stands in layers 1 and 3" in shown
    assert "W⁽³⁾" not in shown
    assert numbers_hold(run(source)) > 10
    assert verification(problem(source)).agrees  # of what the matrices come to


# ---------------------------------------------------------------- gates


def test_gates_by_local_times_incoming() -> None:
    shown = section(
        page("sum-times-circuit", form="gates"), "Backward pass: local × incoming = gradient"
    )
    assert shown.endswith(
        lines(
            """
            Gate → input │ Local  │ Incoming   │ Gradient
            ─────────────┼────────┼────────────┼─────────
            f → z        │ q = 3  │ 1          │  3
            f → q        │ z = −4 │ 1          │ −4
            q → x        │ 1      │ ∂f/∂q = −4 │ −4
            q → y        │ 1      │ ∂f/∂q = −4 │ −4
            """
        )
    )


def test_the_record_of_an_autograd_engine() -> None:
    shown = section(
        page("sum-times-circuit", form="gates", record=True), "What an autograd engine records"
    )
    assert "autograd" not in page("sum-times-circuit", form="gates")
    assert shown == lines(
        """
        Variable │ Function │ Input data    │ forward() │ Output
        ─────────┼──────────┼───────────────┼───────────┼───────
        q        │ Add      │ x = −2, y = 5 │ x + y     │   3
        f        │ Mul      │ q = 3, z = −4 │ q·z       │ −12

        Gate → input │ grad_fn     │ Kept   │ Incoming │ backward() │ Outgoing
        ─────────────┼─────────────┼────────┼──────────┼────────────┼─────────
        f → z        │ MulBackward │ q = 3  │  1       │ incoming·q │  3
        f → q        │ MulBackward │ z = −4 │  1       │ incoming·z │ −4
        q → x        │ AddBackward │ nothing │ −4      │ incoming   │ −4
        q → y        │ AddBackward │ nothing │ −4      │ incoming   │ −4
        """
    ).replace("Kept   ", "Kept    ").replace(
        "┼────────┼──────────┼────────────┼", "┼─────────┼──────────┼────────────┼"
    ).replace("q = 3  │", "q = 3   │").replace("z = −4 │  1", "z = −4  │  1").replace(
        "│ −4      │", "│ −4       │"
    )


def functions(source: str) -> dict[str, str]:
    """What the record calls each operation."""
    shown = section(
        page(source, form="gates", record=True, width=120), "What an autograd engine records"
    )
    head, *found = rows(shown.partition("\n\n")[0]).items()
    assert head[0] == "Variable"
    return {name: row[0] for name, row in found}


def test_operations_have_the_names_of_what_they_do() -> None:
    assert functions(
        """
        equations: {f: 1/2*(y - t)^2, g: "max(f, -y)*3"}
        given: {y: 3, t: 1}
        """
    ) == {"f₁": "Subtract", "f₂": "Pow", "f": "Mul", "g₁": "Neg", "g₂": "Max", "g": "Mul"}
    assert functions("relu-regression-step") == {
        **{f"z{unit}": "Linear" for unit in "₁₂₃₄"},
        **{f"a{unit}": "Relu" for unit in "₁₂₃₄"},
        "ŷ": "Linear",
        "L": "SquaredError",
    }
    assert functions("vanishing-gradient-by-gates")["f₇"] == "Subtract"


def test_a_max_gate_says_to_which_side_the_gradient_goes() -> None:
    apart = rows(page("max-circuit", form="gates"))
    assert apart["f₂ → z"] == ["1 if z > w else 0 if z < w else ½ = 1", "∂f₄/∂f₂ = 2", "2"]
    assert apart["f₂ → w"] == ["1 if w > z else 0 if w < z else ½ = 0", "∂f₄/∂f₂ = 2", "0"]
    tied = rows(page("max-circuit-tie", form="gates"))
    assert tied["f₂ → z"] == ["1 if z > w else 0 if z < w else ½ = 0.5", "∂f₄/∂f₂ = 2", "1"]


@pytest.mark.parametrize("sign", ["+", "*"])
def test_a_long_sum_or_product_is_taken_apart(sign: str) -> None:
    shown = page(f"""
        equations: {{f: {sign.join("w" * 999)}}}
        given: {{w: 1}}
    """, form="gates")  # fmt: skip
    assert rows(shown)["∂f/∂w in all"][-1] == "999"


def test_a_quantity_used_twice_adds_up() -> None:
    source = """
        equations: {f: x*x + x}
        given: {x: 3}
    """
    shown = page(source, form="gates")
    assert "∂f/∂x in all" in shown
    assert rows(shown)["∂f/∂x in all"][-1] == "7"


def test_the_sigmoid_circuit_gate_by_gate() -> None:
    """f = 1/(1 + e^−(w0 x0 + w1 x1 + w2)) as the lab sheet has it."""
    shown = rows(page("sigmoid-circuit-by-gates", form="gates", width=120))
    gradients = {
        name: row[-1] for name, row in shown.items() if " → " in name and "Backward" not in row[0]
    }
    assert gradients["f1 → w0" if "f1 → w0" in gradients else "f₁ → w₀"] == "≈ −0.1966"


@examples(12, 120)
@given(strategies.equation_graphs(max_samples=1))
def test_taking_equations_apart_changes_no_value_and_no_gradient(graph: Problem) -> None:
    whole = ours.run(graph)
    apart = solve(replace(whole.problem, by_gates=True))
    for name, value in whole.iterations[0].values.items():
        step = whole.iterations[0].graph.step.get(name)
        if step is not None and step.kind == "slope":
            continue
        assert value is not None
        other = apart.iterations[0].values[name]
        assert other is not None
        assert as_float(other) == pytest.approx(as_float(value), rel=1e-9, abs=1e-9), name


@examples(12, 120)
@given(strategies.equation_graphs(max_samples=1))
def test_local_times_incoming_is_what_every_gate_sends_back(graph: Problem) -> None:
    solved = solve(replace(ours.run(graph).problem, by_gates=True))
    sheet = Sheet(solved, solved.iterations[0], Choices())
    for step in sheet.graph.section("backward", "gradient"):
        if step.kind == "slope" or not step.links:
            continue
        sent = [
            as_float(evaluate(link.local, sheet.known))
            * (1 if link.upstream is None else as_float(sheet.known(link.upstream)))
            for link in step.links
        ]
        assert sum(sent) == pytest.approx(as_float(sheet.known(step.name)), rel=1e-7, abs=1e-9)


def test_gates_of_an_equation_are_numbered_behind_its_name() -> None:
    source = """
        equations: {f: "1/(1 + exp(-(w*x + b)))"}
        given: {x: 1}
        parameters: {w: 2, b: 3}
    """
    assert forward_by_gates(source) == ["f1", "f2", "f3", "f4", "f5", "f"]


def forward_by_gates(source: str) -> list[str]:
    graph = expand(replace(problem(source), by_gates=True))
    return [step.name for step in graph.section("forward", "loss")]


def test_gates_keep_clear_of_names_in_use() -> None:
    source = """
        equations: {f1: x + 1, f: "f1*x*f2"}
        given: {x: 2, f2: 5}
    """
    assert forward_by_gates(source) == ["f1", "f3", "f"]


def test_networks_are_left_as_they_are() -> None:
    neuron = problem(NEURON)
    assert expand(replace(neuron, by_gates=True)).steps == expand(neuron).steps


def both_forms(source: str) -> tuple[Run, Run]:
    return run(source), solve(replace(problem(source), by_gates=True))


def test_forms_differ_in_writing_only() -> None:
    """Whatever the form, the update table and the loss after it are the same."""
    pages = {form: page("two-hidden-layers", form=form) for form in ("reuse", "delta", "matrix")}
    tables = {section(shown, "Update") for shown in pages.values()}
    assert len(tables) == 1
    assert (
        document("two-hidden-layers", form="gates").title == "Two hidden layers, one training step"
    )
