"""A step keeps its meaning: whoever wrote it, the sheet says the same of it."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from operator import mul
from pathlib import Path

import pytest
from commands import ROOT

from backprop_cli.diagnostics import ProblemError
from backprop_cli.formula.build import ONE, ZERO, children, product, quotient, rebuild
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.nodes import (
    Call,
    Formula,
    Matrix,
    Name,
    Negative,
    Number,
    Product,
    Shown,
    Sum,
)
from backprop_cli.formula.spelling import Derivative, Symbol
from backprop_cli.graph.expand import expand
from backprop_cli.graph.layered import Layers, transposed
from backprop_cli.graph.recognised import in_equations
from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read_problem
from backprop_cli.rules.losses import LOSSES, loss_formula
from backprop_cli.run import Run, solve
from backprop_cli.verify import verification
from backprop_cli.worksheet.array_notation import matmul, shape
from backprop_cli.worksheet.blank import blank
from backprop_cli.worksheet.diagram import diagram
from backprop_cli.worksheet.document import (
    Block,
    Derivation,
    Document,
    Heading,
    Paragraph,
    Text,
)
from backprop_cli.worksheet.sheet import DEFAULT, Choices, spelling_of
from backprop_cli.worksheet.solution import solution


def problem(text: str) -> Problem:
    return read_problem("problem.yaml", text)


READERS = ("run", "marking", "worksheet", "verify", "variants", "tutor")
EXPANSION = {"equations", "expand", "network", "parts"}


def test_readers_ask_the_steps_and_not_the_model() -> None:
    package = ROOT / "backprop_cli"
    files = [path for room in READERS for path in (package / room).rglob("*.py")]
    files += [path for path in (package / "graph").glob("*.py") if path.stem not in EXPANSION]
    asking = [path.name for path in files if _asks_for_the_model(path)]
    assert asking == []


def _asks_for_the_model(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "model"
        and isinstance(node.value, ast.Name | ast.Attribute)
        and (node.value.id if isinstance(node.value, ast.Name) else node.value.attr) == "problem"
        for node in ast.walk(tree)
    )


# What an equation applies is recognised

SAME = {  # the mean of one is the sum, the mean of two is half of it: the same formula
    ("mean_squared_error", 1): {"squared_error"},
    ("mean_squared_error", 2): {"half_squared_error"},
}


@pytest.mark.parametrize("name", [row.name for row in LOSSES.values() if not row.kinks])
@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_a_loss_is_recognised_however_its_terms_are_arranged(name: str, outputs: int) -> None:
    row = LOSSES[name]
    pairs = [(f"p{n}", f"t{n}") for n in range(1, outputs + 1)]
    formula = loss_formula(row, *zip(*pairs, strict=True))
    turned = rebuild(formula, _turned)
    for written in (formula, turned):
        equations = {**{output: Name("x") for output, _ in pairs}, "L": written}
        given = frozenset(["x", *(target for _, target in pairs)])
        found = in_equations(equations, given, "L")["L"]
        targets = dict(zip(found.arguments, found.targets, strict=True))
        assert targets == {Name(output): Name(target) for output, target in pairs}
        assert found.rule in SAME.get((name, outputs), {name})
    assert "L" not in in_equations({**equations, "L": product(Number("5"), formula)}, given, "L")


def _turned(formula: Formula) -> Formula:
    """The terms of every sum the other way round."""
    inner = rebuild(formula, _turned)
    return Sum(inner.terms[::-1]) if isinstance(inner, Sum) else inner


# What a file asks for

BY_INPUTS = """
inputs: [1, 0.5]
targets: [1]
layers:
  - {weights: [[0.4, -0.9], [0.3, 0.8]], biases: [0.1, -0.5], activation: relu}
  - {weights: [[0.7, 0.2]], biases: [0.05], activation: sigmoid}
loss: binary_cross_entropy
with_respect_to: [inputs]
"""


def test_gradients_by_the_inputs() -> None:
    solved = solve(problem(BY_INPUTS))
    yhat = 1 / (1 + math.exp(-(0.7 * 0.05 + 0.2 * 0.2 + 0.05)))
    values, graph = solved.iterations[0].values, solved.iterations[0].graph
    assert values["dL/dx1"] == pytest.approx((yhat - 1) * (0.7 * 0.4 + 0.2 * 0.3))
    assert values["dL/dx2"] == pytest.approx((yhat - 1) * (0.7 * -0.9 + 0.2 * 0.8))
    assert [step.name for step in graph.section("gradient")] == ["dL/dx1", "dL/dx2"]
    headings = [
        block.text for block in solution(solved, DEFAULT).blocks if isinstance(block, Heading)
    ]
    assert headings.index((Text("Inputs"),)) > headings.index((Text("Layer 1, unit 2"),))
    matrices = [
        block.lines
        for block in solution(solved, Choices(form="matrix")).blocks
        if isinstance(block, Derivation)
    ]
    written = {lines[0].left: lines[0].right for lines in matrices}
    shaped = [shape(transposed(Name("W(1)")), 2, 2), shape(Name("delta(1)"), 2, 1)]
    assert written[Name("dL/dx")] == matmul(*shaped)
    assert not {Name("dL/dW(1)"), Name("dL/db(1)")} & written.keys()


def test_an_update_has_its_gradients_whatever_is_asked_for() -> None:
    graph = solve(problem(BY_INPUTS + "learning_rate: 0.1\n")).iterations[0].graph
    assert {"dL/dx1", "dL/dw1_1_1", "dL/db2_1"} <= graph.step.keys()
    assert graph.carried.keys() == set(graph.parameters)


def test_inputs_in_equations_are_what_is_given() -> None:
    text = "equations: {L: (w*x - y)^2}\ngiven: {x: 1, y: 2}\nparameters: {w: 3}\n"
    graph = expand(problem(text + "with_respect_to: [inputs]\n"))
    assert graph.wrt == ("x", "y")


def test_only_names_before_the_loss_are_asked_for() -> None:
    with pytest.raises(ProblemError, match="x3"):
        problem(BY_INPUTS.replace("[inputs]", "[x3]"))


# A residual layer is an expansion and nothing else

RESIDUAL = """
inputs: [1, -0.5]
targets: [0.2, -0.4]
layers:
  - {weights: [[0.4, -0.9], [0.3, 0.8]], biases: [0.1, -0.5], activation: tanh}
  - {weights: [[0.7, 0.2], [-0.6, 0.5]], biases: [0.05, 0.3], activation: sigmoid, add: 1}
  - {weights: [[1.1, -0.3], [0.4, 0.9]], activation: tanh, add: inputs}
loss: half_squared_error
learning_rate: 0.1
"""


def _residual_loss(w: float) -> float:
    """The loss by the first weight, worked out from the definition of the net alone."""
    a = [math.tanh(w * 1 - 0.9 * -0.5 + 0.1), math.tanh(0.3 * 1 + 0.8 * -0.5 - 0.5)]
    z = [0.7 * a[0] + 0.2 * a[1] + 0.05 + a[0], -0.6 * a[0] + 0.5 * a[1] + 0.3 + a[1]]
    s = [1 / (1 + math.exp(-each)) for each in z]
    out = [math.tanh(1.1 * s[0] - 0.3 * s[1] + 1), math.tanh(0.4 * s[0] + 0.9 * s[1] - 0.5)]
    return 0.5 * ((out[0] - 0.2) ** 2 + (out[1] + 0.4) ** 2)


def test_a_residual_layer_has_the_right_values() -> None:
    values = solve(problem(RESIDUAL)).iterations[0].values
    assert values["L"] == pytest.approx(_residual_loss(0.4))
    slope = (_residual_loss(0.4 + 1e-6) - _residual_loss(0.4 - 1e-6)) / 2e-6
    assert values["dL/dw1_1_1"] == pytest.approx(slope, rel=1e-8)
    assert verification(problem(RESIDUAL)).agrees


def test_the_matrices_of_a_residual_layer_hold() -> None:
    solved = solve(problem(RESIDUAL))
    blocks = solution(solved, Choices(form="matrix")).blocks
    lines = {block.lines[0].left: block.lines for block in blocks if isinstance(block, Derivation)}
    assert shape(Name("a(1)"), 2, 1) in children(lines[Name("z(2)")][0].right)
    assert shape(Name("x"), 2, 1) in children(lines[Name("z(3)")][0].right)
    assert _matrices_hold(solved, blocks) > 20


def _matrices_hold(solved: Run, blocks: Sequence[Block]) -> int:
    """How many entries of the lines, worked out as matrices, are those of the results below."""
    checked = 0
    for block in blocks:
        if not isinstance(block, Derivation):
            continue
        result = block.lines[-1].right
        for line in block.lines[1:]:
            if line.right != result and isinstance(result, Matrix):
                checked += _compare(line.right, result, solved, block.lines[0].left)
    return checked


def _compare(formula: Formula, result: Matrix, solved: Run, left: Formula) -> int:
    """How many entries of a line, worked out as matrices, are those of the result."""
    got, want = _array(formula, solved), _array(result, solved)
    for row, other in zip(got, want, strict=True):
        assert row == pytest.approx(other, rel=2e-3, abs=2e-4), left
    return sum(map(len, want))


def _array(formula: Formula, solved: Run) -> list[list[float]]:
    match formula:
        case Matrix(rows):
            look = solved.iterations[0].values.__getitem__
            return [[float(evaluate(entry, look)) for entry in row] for row in rows]
        case Shown("transpose", (inner,)):
            return list(map(list, zip(*_array(inner, solved), strict=True)))
        case Shown("shape", (inner, _)):
            return _array(inner, solved)
        case Shown("matmul", (first, *others)):
            whole = _array(first, solved)
            for other in others:
                columns = list(zip(*_array(other, solved), strict=True))
                whole = [[sum(map(mul, row, each)) for each in columns] for row in whole]
            return whole
        case Shown("hadamard", parts):
            return _entrywise(math.prod, [_array(part, solved) for part in parts])
        case Product((scale, inner)):
            by = float(evaluate(scale, solved.iterations[0].values.__getitem__))
            return [[by * each for each in row] for row in _array(inner, solved)]
        case Sum(terms):
            return _entrywise(sum, [_array(term, solved) for term in terms])
        case Negative(inner):
            return [[-each for each in row] for row in _array(inner, solved)]
        case Call(name, (inner,)):
            rule = {"tanh": math.tanh, "sigmoid": lambda z: 1 / (1 + math.exp(-z))}[name]
            return [[rule(each) for each in row] for row in _array(inner, solved)]
        case _:
            raise AssertionError(formula)


def _entrywise(
    combine: Callable[[Sequence[float]], float], arrays: Sequence[list[list[float]]]
) -> list[list[float]]:
    return [
        [combine(entries) for entries in zip(*rows, strict=True)]
        for rows in zip(*arrays, strict=True)
    ]


def test_a_unit_without_connections_weighs_the_layer_below_by_nothing() -> None:
    text = """
inputs: [1]
targets: [1, 0]
layers:
  - {weights: [[2], [3]], activation: tanh}
  - {weights: [[0.5, 1], [null, null]], biases: [0.1, 0.2], activation: tanh}
loss: half_squared_error
"""
    layers = expand(problem(text)).layers
    assert isinstance(layers, Layers)
    below, last = layers.layers
    assert last.below is below.out
    assert last.weights.matrix.rows[1] == (ZERO, ZERO)


def test_delta_is_a_gradient_and_no_slope() -> None:
    spelling = spelling_of(solve(problem(RESIDUAL)).iterations[0].graph, deltas=True)
    assert isinstance(spelling("dz2_1/da1_1"), Derivative)  # w + 1, by the value that is added
    assert isinstance(spelling("dL/dz2_1"), Symbol)


def test_the_picture_and_the_blank_sheet_show_what_is_added() -> None:
    solved = solve(problem(RESIDUAL))
    picture = diagram(solved)
    names = [node.name for node in picture.nodes]
    edges = {(names[edge.start], names[edge.end]) for edge in picture.edges if edge.label is None}
    assert {(Name("a1_1"), Name("a2_1")), (Name("x2"), Name("yhat2"))} <= edges
    text = [part.text for part in _texts(blank(solved))]
    assert "To z of layer 2 the output of layer 1 is added, unit by unit." in text
    assert "To z of layer 3 the inputs are added, unit by unit." in text


def _texts(document: Document) -> Iterator[Text]:
    paragraphs = (block for block in document.blocks if isinstance(block, Paragraph))
    yield from (part for block in paragraphs for part in block.text if isinstance(part, Text))


def test_a_path_that_is_forgotten_is_one_slip() -> None:
    checker = Checker(problem(RESIDUAL))
    values = solve(problem(RESIDUAL)).iterations[0].values
    truth = {name: float(value) for name, value in values.items() if value is not None}
    forgotten = truth["dL/dz2_1"] * 0.7 + truth["dL/dz2_2"] * -0.6  # only through the weights
    answers = "".join(f"  {name}: {truth[name]}\n" for name in ("dL/dz2_1", "dL/dz2_2"))
    text = f"answers:\n{answers}  dL/da1_1: {forgotten}\n"
    report = checker.mark(parse_submission("a.yaml", text))
    found = {answer.name: answer for answer in report.answers}
    assert found["dL/dz2_1"].verdict == "correct"
    assert found["dL/da1_1"].verdict != "correct"
    assert found["dL/da1_1"].mistake is not None


@pytest.mark.parametrize(
    ("written", "said"),
    [("add: 2", "from 1 to 1"), ("add: 0", "from 1 to 1"), ("add: there", "number")],
)
def test_what_cannot_be_added_is_refused(written: str, said: str) -> None:
    with pytest.raises(ProblemError, match=said):
        problem(RESIDUAL.replace("add: 1", written))


def test_what_is_added_has_a_value_for_each_unit() -> None:
    wide = RESIDUAL.replace("[[0.4, -0.9], [0.3, 0.8]], biases: [0.1, -0.5]", "[[0.4, -0.9]]")
    wide = wide.replace("[[0.7, 0.2], [-0.6, 0.5]]", "[[0.7], [-0.6]]")
    with pytest.raises(ProblemError, match="2 units cannot add 1 value"):
        problem(wide)


# Dropout by a mask, and what is added behind the activation

DROPPED = """
inputs: [1, -0.5]
targets: [0.5, 1]
layers:
  - weights: [[0.4, -0.9], [0.3, 0.8], [0.2, 0.5]]
    biases: [0.1, -0.5, 0.2]
    activation: tanh
    dropout: {mask: [1, 0, 1], keep: 0.5}
  - weights: [[0.7, 0.2, -0.3], [-0.6, 0.5, 0.1]]
    biases: [0.05, 0.3]
    activation: sigmoid
    add: inputs
    after: true
  - {weights: [[0.3, 0.2], [-0.6, 0.9]], activation: tanh}
loss: half_squared_error
learning_rate: 0.1
"""


def _dropped_loss(w: float) -> float:
    """The loss by w1_1_1, from the definition of the net alone."""
    h = [math.tanh(w + 0.45 + 0.1) / 0.5, 0, math.tanh(0.2 - 0.25 + 0.2) / 0.5]
    z = [0.7 * h[0] - 0.3 * h[2] + 0.05, -0.6 * h[0] + 0.1 * h[2] + 0.3]
    s = [1 / (1 + math.exp(-each)) + x for each, x in zip(z, (1, -0.5), strict=True)]
    out = [math.tanh(0.3 * s[0] + 0.2 * s[1]), math.tanh(-0.6 * s[0] + 0.9 * s[1])]
    return 0.5 * ((out[0] - 0.5) ** 2 + (out[1] - 1) ** 2)


def test_what_is_dropped_passes_nothing_and_the_rest_is_scaled() -> None:
    solved = solve(problem(DROPPED))
    values = solved.iterations[0].values
    assert values["L"] == pytest.approx(_dropped_loss(0.4))
    slope = (_dropped_loss(0.4 + 1e-6) - _dropped_loss(0.4 - 1e-6)) / 2e-6
    assert values["dL/dw1_1_1"] == pytest.approx(slope, rel=1e-8)
    assert (values["h1_2"], values["dL/dw1_2_1"], values["dh1_3/da1_3"]) == (0, 0, 2)
    assert verification(problem(DROPPED)).agrees


def test_the_way_back_goes_through_what_is_handed_on_first() -> None:
    """The outputs of softmax come first in their layer, but for what is made of them."""
    shares = problem(DROPPED.replace("activation: tanh\n", "activation: softmax\n"))
    values = solve(shares).iterations[0].values
    assert values["dL/dw1_1_1"] != 0
    assert verification(shares).agrees


def test_matrices_picture_and_blank_sheet_have_what_is_handed_on() -> None:
    solved = solve(problem(DROPPED))
    blocks = solution(solved, Choices(form="matrix")).blocks
    assert _matrices_hold(solved, blocks) > 20
    lines = [line.right for b in blocks if isinstance(b, Derivation) for line in b.lines]
    left_in = product(quotient(ONE, Number("0.5")), Name("r(1)"))
    assert Shown("hadamard", (left_in, Name("a(1)"))) in lines
    picture = diagram(solved)
    names = [node.name for node in picture.nodes]
    edges = {(names[edge.start], names[edge.end]) for edge in picture.edges}
    assert {(Name("h1_1"), Name("h2_1")), (Name("x2"), Name("h2_2"))} <= edges
    text = " ".join(part.text for part in _texts(blank(solved)))
    assert "Dropout in layer 1: " in text
    assert "To a of layer 2 the inputs are added, unit by unit." in text
    said = " ".join(part.text for part in _texts(solution(solved, Choices())))
    assert "dropout leaves this unit out, so it hands on 0 and no gradient passes it" in said


def test_the_layer_that_is_named_is_added_behind() -> None:
    text = """
inputs: [1]
layers:
  - {weights: [[2], [3]], activation: identity}
  - {weights: [[1, 1], [1, -1]], activation: identity, add: 1, after: true}
  - {weights: [[1, 10]], activation: identity, add: 2}
upstream: {yhat: 1}
"""
    with pytest.raises(ProblemError, match="1 unit cannot add 2 values"):
        problem(text)
    values = solve(problem(text.replace(", add: 2", ""))).iterations[0].values
    # h = a + a of the layer below: 5 + 2 and −1 + 3
    assert (values["h2_1"], values["h2_2"], values["yhat"]) == (7, 2, 27)
    # through the weights 1 + 10, and past them 1; through the weights 1 − 10, and past them 10
    assert (values["dL/da1_1"], values["dL/da1_2"]) == (11 + 1, -9 + 10)


def test_a_share_that_is_forgotten_is_found() -> None:
    checker = Checker(problem(DROPPED))
    values = solve(problem(DROPPED)).iterations[0].values
    truth = {name: float(value) for name, value in values.items() if value is not None}
    answers = f"answers:\n  a1_1: {truth['a1_1']}\n  h1_1: {truth['a1_1']}\n"
    report = checker.mark(parse_submission("a.yaml", answers))
    found = {answer.name: answer for answer in report.answers}
    assert (found["a1_1"].verdict, found["h1_1"].verdict) == ("correct", "wrong")
    assert found["h1_1"].mistake is not None
    right = "".join(f"  {name}: {truth[name]}\n" for name in ("h1_1", "dL/dh1_1", "dL/da1_1"))
    report = checker.mark(parse_submission("a.yaml", f"answers:\n{right}"))
    marked = [answer for answer in report.answers if answer.verdict != "missing"]
    assert [answer.verdict for answer in marked] == ["correct"] * 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[1, 0, 1]", "[1, 0]", "3 units, so `mask` must be 3 numbers, not 2"),
        ("[1, 0, 1]", "[1, 0, 0.5]", "must be 1, or 0 for a unit that is dropped, not 0.5"),
        ("keep: 0.5", "keep: 0", "`keep` must be greater than 0"),
        (", keep: 0.5", "", "`dropout` of layer 1 has no `keep`"),
        ("    add: inputs\n", "", "`after` of layer 2 says where `add` adds"),
    ],
)
def test_dropout_that_cannot_be_is_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(ProblemError, match=re.escape(said)):
        problem(DROPPED.replace(old, new))


# Tied weights are the same parameters

AUTOENCODER = """
inputs: [1, -0.5, 0.3]
targets: [1, -0.5, 0.3]
layers:
  - {weights: [[0.4, -0.9, 0.2], [0.3, 0.8, -0.6]], biases: [0.1, -0.5], activation: tanh}
  - {weights: {same_as: 1, transposed: true}, biases: [0, 0.1, 0.2], activation: identity}
loss: half_squared_error
learning_rate: 0.1
"""


def _rebuilt(w: float) -> float:
    """The loss by w1_1_2, from the definition of the net alone."""
    weights, x = [[0.4, w, 0.2], [0.3, 0.8, -0.6]], [1, -0.5, 0.3]
    h = [math.tanh(sum(map(mul, row, x)) + b) for row, b in zip(weights, (0.1, -0.5), strict=True)]
    columns = zip(*weights, strict=True)
    out = [sum(map(mul, c, h)) + b for c, b in zip(columns, (0, 0.1, 0.2), strict=True)]
    return 0.5 * sum((a - b) ** 2 for a, b in zip(out, x, strict=True))


def test_a_tied_weight_collects_from_both_layers() -> None:
    solved = solve(problem(AUTOENCODER))
    graph, values = solved.iterations[0].graph, solved.iterations[0].values
    assert values["L"] == pytest.approx(_rebuilt(-0.9))
    slope = (_rebuilt(-0.9 + 1e-6) - _rebuilt(-0.9 - 1e-6)) / 2e-6
    assert values["dL/dw1_1_2"] == pytest.approx(slope, rel=1e-7)
    assert not any(name.startswith("w2") for name in graph.leaf)
    assert {link.child for link in graph.step["dL/dw1_1_2"].links} == {"z1_1", "z2_2"}
    assert verification(problem(AUTOENCODER)).agrees


def test_a_picture_has_a_shared_weight_on_each_of_its_lines() -> None:
    picture = diagram(solve(problem(AUTOENCODER)))
    labels = [edge.label for edge in picture.edges]
    assert labels.count(Name("w1_1_2")) == 2


def test_tied_weights_have_to_fit() -> None:
    with pytest.raises(ProblemError, match="gets 2 values, and these weights are for 3 values"):
        problem(AUTOENCODER.replace(", transposed: true", ""))
    with pytest.raises(ProblemError, match="from 1 to 1"):
        problem(AUTOENCODER.replace("same_as: 1", "same_as: 2"))


# An upstream gradient stands where a loss would

UPSTREAM = """
inputs: [1, -0.5]
layers:
  - {weights: [[0.4, -0.9], [0.3, 0.8]], biases: [0.1, -0.5], activation: tanh}
  - {weights: [[0.7, 0.2], [-0.6, 0.5]], biases: [0.05, 0.3], activation: softmax}
upstream: {yhat: [0.1, -0.2]}
with_respect_to: [inputs, "w2*"]
"""


def test_gradients_go_on_from_the_one_that_is_given() -> None:
    solved = solve(problem(UPSTREAM))
    values, graph = solved.iterations[0].values, solved.iterations[0].graph
    h = [math.tanh(0.95), math.tanh(-0.6)]
    powers = [
        math.exp(0.7 * h[0] + 0.2 * h[1] + 0.05), math.exp(-0.6 * h[0] + 0.5 * h[1] + 0.3),
    ]  # fmt: skip
    p = powers[0] / sum(powers)
    z1 = p * (1 - p) * (0.1 - -0.2)  # ∂L/∂z₁ = p₁(g₁ − (g₁p₁ + g₂p₂)), and p₂ = 1 − p₁
    assert (values["dL/dyhat1"], values["dL/dyhat2"]) == (Fraction("0.1"), Fraction("-0.2"))
    assert values["dL/dz2_1"] == pytest.approx(z1)
    assert values["dL/dw2_1_2"] == pytest.approx(z1 * h[1])
    d1 = z1 * (0.7 - -0.6) * (1 - h[0] ** 2)
    d2 = z1 * (0.2 - 0.5) * (1 - h[1] ** 2)
    assert values["dL/dx1"] == pytest.approx(0.4 * d1 + 0.3 * d2)
    assert [leaf.name for leaf in graph.leaves if leaf.title == "Upstream gradient"] == ["g1", "g2"]
    assert verification(problem(UPSTREAM)).agrees


def test_one_output_and_outputs_by_name() -> None:
    single = UPSTREAM.replace("[[0.7, 0.2], [-0.6, 0.5]], biases: [0.05, 0.3]", "[[0.7, 0.2]]")
    single = single.replace("softmax", "identity").replace("[0.1, -0.2]", "0.5")
    assert solve(problem(single)).iterations[0].values["dL/dz2_1"] == Fraction("0.5")
    named = problem(UPSTREAM.replace("{yhat: [0.1, -0.2]}", "{yhat1: 0.1, yhat2: -0.2}"))
    assert solve(named).iterations[0].values["dL/dyhat2"] == Fraction("-0.2")


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("loss: mse\n", "there is `loss`"),
        ("targets: [1, 0]\n", "there is `targets`"),
        ("training: {rule: perceptron}\nlearning_rate: 1\n", "needs targets"),
    ],
)
def test_upstream_stands_beside_no_loss(extra: str, said: str) -> None:
    with pytest.raises(ProblemError, match=said):
        problem(UPSTREAM + extra)


@pytest.mark.parametrize("given", ["[0.1]", "{yhat: 0.1}", "{yhat: [a, b]}", "{z: [1, 2]}", "{}"])
def test_upstream_has_a_number_for_each_output(given: str) -> None:
    with pytest.raises(ProblemError):
        problem(UPSTREAM.replace("{yhat: [0.1, -0.2]}", given))


IN_EQUATIONS = """
equations: {z: w*x + b, a: tanh(z), c: z^2}
given: {x: 2}
parameters: {w: 0.5, b: -0.2}
upstream: {a: 0.3, c: -1}
"""
ROWS = """
equations:
  Z: W @ x + b
  A: sigmoid(Z)
samples: [{x: [1, 2]}, {x: [0, -1]}]
parameters: {W: [[0.5, -0.2], [0.1, 0.4]], b: [0, 0.1]}
upstream: {A: [[1, 0.5], [-0.5, 2]]}
learning_rate: 0.1
"""
IN_LAYERS = """
samples: [{inputs: [1, 2]}, {inputs: [0, -1]}]
layers: [{activation: sigmoid, weights: [[0.5, -0.2], [0.1, 0.4]], biases: [0, 0.1]}]
upstream: {yhat: [[1, 0.5], [-0.5, 2]]}
learning_rate: 0.1
"""


def test_gradients_of_several_quantities_are_given_in_equations() -> None:
    solved = solve(problem(IN_EQUATIONS))
    values = solved.iterations[0].values
    through_z = 0.3 * (1 - math.tanh(0.8) ** 2) - 1 * 2 * 0.8
    assert values["dL/dz"] == pytest.approx(through_z)
    assert values["dL/dw"] == pytest.approx(2 * through_z)
    said = " ".join(part.text for part in _texts(solution(solved, Choices())))
    assert "The gradient of the outputs is given in place of a loss." in said
    assert verification(problem(IN_EQUATIONS)).agrees


def test_each_sample_of_a_batch_has_its_gradient() -> None:
    """∂L/∂W is Σ over the samples of what each row sends back, as ∂L/∂A = G means."""
    weights, x = [[0.5, -0.2], [0.1, 0.4]], [[1, 2], [0, -1]]
    given = [[1, 0.5], [-0.5, 2]]
    expected = [[0.0, 0.0], [0.0, 0.0]]
    for row, own in zip(x, given, strict=True):
        for j, (w, b) in enumerate(zip(weights, (0, 0.1), strict=True)):
            a = 1 / (1 + math.exp(-(w[0] * row[0] + w[1] * row[1] + b)))
            for i in range(2):
                expected[j][i] += own[j] * a * (1 - a) * row[i]
    for text, name in ((ROWS, "dL/dW_{}_{}"), (IN_LAYERS, "dL/dw1_{}_{}")):
        values = solve(problem(text)).iterations[0].values
        for j in range(2):
            for i in range(2):
                assert values[name.format(j + 1, i + 1)] == pytest.approx(expected[j][i])
        assert verification(problem(text)).agrees
    mean = problem(IN_LAYERS + "training: {reduction: mean}\n")
    halved = solve(mean).iterations[0].values["dL/dw1_1_1"]
    assert halved == pytest.approx(expected[0][0] / 2)


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (IN_EQUATIONS, "c: -1", "q: -1", "names `q`, and there is no such equation"),
        (IN_EQUATIONS, "c: -1", "c: [1, 2]", "`c` is a single number, so the gradient of `c`"),
        (IN_EQUATIONS, "upstream", "output: c\nupstream", "there is `output`"),
        (IN_EQUATIONS, "c: z^2", "c: z^2, L: a + c", "`L` is what the sheet calls the loss"),
        (
            ROWS,
            ", [-0.5, 2]]",
            "]",
            "there are 2 samples, so the gradient of `A` must have as many",
        ),
        (ROWS, "[-0.5, 2]", "[-0.5]", "so the gradient of `A` must be that too"),
        (IN_LAYERS, "{inputs: [1, 2]}", "{inputs: [1, 2], targets: [1, 1]}", "have `targets`"),
    ],
)
def test_gradients_that_do_not_fit_are_refused(text: str, old: str, new: str, said: str) -> None:
    with pytest.raises(ProblemError) as caught:
        problem(text.replace(old, new))
    assert said in str(caught.value)
