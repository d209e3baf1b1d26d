"""A step keeps its meaning: whoever wrote it, the sheet says the same of it."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from random import Random

import pytest
from commands import ROOT

from backprop_cli.diagnostics import ProblemError
from backprop_cli.formula import plain
from backprop_cli.formula.build import product, rebuild
from backprop_cli.formula.nodes import Formula, Name, Number, Sum
from backprop_cli.graph.expand import expand
from backprop_cli.graph.recognised import in_equations
from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read_problem
from backprop_cli.rules.losses import LOSSES, loss_formula
from backprop_cli.run import Run, solve
from backprop_cli.worksheet.arrays import matmul, shape, transpose
from backprop_cli.worksheet.document import Callout, Derivation, Heading, Paragraph, Text
from backprop_cli.worksheet.sheet import DEFAULT, Choices
from backprop_cli.worksheet.solution import solution


def problem(text: str) -> Problem:
    return read_problem("problem.yaml", text)


READERS = ("run", "marking", "worksheet", "verify", "variants", "tutor")
EXPANSION = {"equations", "expand", "gates", "network", "parts"}


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


# The same net, as layers and as equations

ACTIVATIONS = ("relu", "sigmoid", "tanh", "softplus", "leaky_relu", "step")
ENDS = (
    ("sigmoid", "binary_cross_entropy", 1),
    ("identity", "half_squared_error", 1),
    ("identity", "mean_squared_error", 3),
    ("tanh", "squared_error", 2),
    ("sigmoid", "binary_cross_entropy", 2),
    ("softmax", "cross_entropy", 3),
)


def _number(random: Random) -> float:
    return random.choice((-1, 1)) * random.randrange(1, 30) / 10


def _both(seed: int) -> tuple[str, str]:
    """A random net with one hidden layer, in the two forms of a file, under the same names."""
    random = Random(seed)
    output, loss, last = ENDS[seed % len(ENDS)]
    hidden = random.choice(ACTIVATIONS)
    middle = random.randint(2, 3)
    alike = seed % 5 == 0
    x = [_number(random), _number(random)]
    targets = [1.0, 0.0, 0.0][:last] if "cross" in loss else [_number(random) for _ in range(last)]
    one = _number(random)
    weights = [
        [[one if alike else _number(random) for _ in range(fan)] for _ in range(units)]
        for fan, units in ((2, middle), (middle, last))
    ]
    biases = [[one if alike else _number(random) for _ in range(n)] for n in (middle, last)]
    layers = f"""
inputs: {x}
targets: {targets}
layers:
  - {{activation: {hidden}, weights: {weights[0]}, biases: {biases[0]}}}
  - {{activation: {output}, weights: {weights[1]}, biases: {biases[1]}}}
loss: {loss}
learning_rate: 0.1
"""
    graph = expand(problem(layers))
    parameters = ", ".join(
        f"{leaf.name}: {leaf.text}" for leaf in graph.leaves if leaf.kind == "parameter"
    )
    given = ", ".join(
        f"{leaf.name}: {leaf.text}" for leaf in graph.leaves if leaf.kind in ("input", "target")
    )
    lines = "\n".join(f'  {step.name}: "{plain.write(step.formula)}"' for step in graph.steps)
    equations = f"""
equations:
{lines}
given: {{{given}}}
parameters: {{{parameters}}}
learning_rate: 0.1
"""
    return layers, equations


ONLY_LAYERS = ("As one formula:",)
ONLY_EQUATIONS = ("What an activation is applied to is a z here.",)
NAMED = (  # layers name the place, equations the quantity
    ("All units of layer 1 have ", " have "),
    ("the layer works", "together they work"),
    ("Layer 1: the ReLU of unit 1 is", "The ReLU is"),
    ("Layer 1: the ReLU of unit 2 is", "The ReLU is"),
    ("Layer 1: the ReLU of unit 3 is", "The ReLU is"),
)


def _said(run: Run) -> list[str]:
    """Every sentence of the sheet, without the quantities in it."""
    found: list[str] = []
    for block in solution(run, DEFAULT).blocks:
        if isinstance(block, Callout | Paragraph):
            text = "".join(part.text for part in block.text if isinstance(part, Text))
            for place, quantity in NAMED:
                text = text.replace(place, quantity)
            if text.startswith("Every ReLU of layer 1 is off"):  # equations have no layer to blame
                text = "The ReLUs are off (z < 0) and pass no gradient."
            found.append(" ".join(text.replace(",", " ").split()))
    return sorted(text for text in found if text not in (*ONLY_LAYERS, *ONLY_EQUATIONS))


@pytest.mark.parametrize("seed", range(24))
def test_layers_and_equations_say_the_same(seed: int) -> None:
    layers, equations = map(problem, _both(seed))
    one, other = solve(layers), solve(equations)
    assert one.losses == pytest.approx(other.losses, rel=1e-12)
    assert _said(one) == _said(other)


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
    shaped = [shape(transpose(Name("W(1)")), 2, 2), shape(Name("delta(1)"), 2, 1)]
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
