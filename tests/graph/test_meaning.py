"""A step keeps its meaning: whoever wrote it, the sheet says the same of it."""

from __future__ import annotations

import ast
from pathlib import Path
from random import Random

import pytest
from commands import ROOT

from backprop_cli.formula import plain
from backprop_cli.formula.build import product, rebuild
from backprop_cli.formula.nodes import Formula, Name, Number, Sum
from backprop_cli.graph.expand import expand
from backprop_cli.graph.recognised import in_equations
from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read_problem
from backprop_cli.rules.losses import LOSSES, loss_formula
from backprop_cli.run import Run, solve
from backprop_cli.worksheet.document import Callout, Paragraph, Text
from backprop_cli.worksheet.sheet import DEFAULT
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
