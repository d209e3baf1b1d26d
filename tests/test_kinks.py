"""`kinks:` in a file: the slope where a function has none."""

from __future__ import annotations

import pytest
from pages import page, problem, run

from backprop_cli.diagnostics import ProblemError
from backprop_cli.problem.read import read
from backprop_cli.render import text
from backprop_cli.verify import verification
from backprop_cli.verify.sheet import verification_sheet


def gradient(source: str, name: str) -> float:
    value = run(source).iterations[0].values[name]
    assert value is not None
    return float(value)


# the equation of L, at x = y = z = 2 and u = 0; what the file chooses; ∂L/∂ of what; the slope
CASES = [
    ("relu(u)", "relu: 1", "u", 1),
    ("relu(u)", "ReLU: 0.25", "u", 0.25),
    ("relu(u)", "tanh: 1", "u", None),
    ("5*relu(3*u) + u", "relu: 0.5", "u", 8.5),
    ("u if u > 0 else 0", "relu: 0.5", "u", 0.5),  # recognised for what it is
    ("leaky_relu(u, 0.2)", "leaky_relu: 0.6", "u", 0.6),
    ("leaky_relu(u, 0.2)", "relu: 1", "u", 0.2),
    ("elu(u)", "elu: 0.5", "u", 0.5),
    ("|x - y|", "abs: 1", "x", 1),
    ("|x - y|", "abs: 1", "y", -1),
    ("relu6(3*x)", "relu6: 0.5", "x", 1.5),
    ("relu6(u)", "relu6: -1", "u", -1),
    ("clip(x, 0, 2)", "clip: 1", "x", 1),
    ("clip(u, 0, 2)", "clip: 1", "u", 1),
    ("max(x, y)", "max: first", "x", 1),
    ("max(x, y)", "max: first", "y", 0),
    ("max(x, y)", "max: last", "x", 0),
    ("max(x, y)", "max: last", "y", 1),
    ("max(x, y)", "max: share", "y", 0.5),
    ("max(x, y)", "min: first", "y", 0.5),
    ("max(u, x, y, z)", "max: first", "x", 1),
    ("max(u, x, y, z)", "max: first", "y", 0),
    ("max(u, x, y, z)", "max: last", "y", 0),
    ("max(u, x, y, z)", "max: last", "z", 1),
    ("min(x, y, 3)", "min: first", "x", 1),
    ("min(x, y, 3)", "min: last", "y", 1),
]


@pytest.mark.parametrize(("formula", "kinks", "name", "slope"), CASES)
def test_a_file_chooses_the_slope_at_a_kink(
    formula: str, kinks: str, name: str, slope: float | None
) -> None:
    source = (
        f'equations: {{a: "{formula}", L: a + 0*(x + y + z + u)}}\n'
        f"given: {{x: 2, y: 2, z: 2, u: 0}}\nkinks: {{{kinks}}}\n"
    )
    if slope is None:
        with pytest.raises(ProblemError, match="has no kink"):
            run(source)
        return
    assert gradient(source, f"dL/d{name}") == slope
    assert "no derivative" in page(source) or "slopes 1 and alpha" in page(source)
    if "share" not in kinks and not kinks.startswith(("min: first", "relu: 1")):
        assert "chooses" in page(source)


LAYERS = """
    inputs: [1]
    targets: [0]
    layers:
      - {activation: relu, weights: [[0]]}
      - {activation: leaky_relu, weights: [[2]]}
      - {activation: identity, weights: [[3]]}
    loss: absolute_error
    kinks: {relu: 1, leaky_relu: 0.5, absolute_error: -1}
"""


def test_layers_have_the_chosen_slopes_too() -> None:
    assert gradient(LAYERS, "dL/dw1_1_1") == -1 * 3 * 0.5 * 2 * 1
    shown = " ".join(page(LAYERS).replace("┃", " ").split())
    assert "ReLU has no derivative at z = 0; 1 is used there, as the file chooses." in shown
    assert "has no derivative where ŷ = y; −1 is used there, as the file chooses." in shown
    assert "1 if z₁⁽¹⁾ ≥ 0 else 0" in shown


def test_away_from_the_kink_nothing_changes() -> None:
    away = LAYERS.replace("[[0]]", "[[0.5]]")
    assert gradient(away, "dL/dw1_1_1") == 6
    assert "chooses" not in page(away)
    assert verification(problem(away)).agrees


def test_verify_calls_it_a_convention() -> None:
    done = verification(problem(LAYERS))
    assert done.agrees
    shown = " ".join(text.render(verification_sheet(done)).replace("┃", " ").split())
    assert "is a convention, not a mismatch" in shown


def test_what_cannot_be_chosen_is_refused() -> None:
    for kinks, words in [
        ("{sigmoid: 1}", "has no kink"),
        ("{max: 1}", "`share`, `first` or `last`"),
        ("{relu: first}", "must be a number"),
        ("[relu]", "must be a mapping"),
        ("{step: 1}", "has no kink"),
    ]:
        with pytest.raises(ProblemError) as caught:
            problem(f"equations: {{L: x}}\ngiven: {{x: 1}}\nkinks: {kinks}\n")
        assert any(words in f"{one.message} {one.help}" for one in caught.value.diagnostics)


STRAIGHT_THROUGH = """
    equations: {q: x + stop(floor(x) - x), L: (w*q - stop(w*q) + 1)^2}
    given: {x: 2.6}
    parameters: {w: 0.5}
    with_respect_to: [w, x]
"""


def test_no_gradient_passes_what_is_stopped() -> None:
    # L = (w·q − 1 + 1)² with q = 2 and dq/dx = 1: dL/dw = 2·q, dL/dx = 2·w
    assert gradient(STRAIGHT_THROUGH, "dL/dw") == 4
    assert gradient(STRAIGHT_THROUGH, "dL/dx") == 1
    assert verification(problem(STRAIGHT_THROUGH)).agrees
    assert "passes no gradient back" in " ".join(page(STRAIGHT_THROUGH).split())


SPIKE = """
    inputs: [2]
    targets: [1]
    layers:
      - {activation: {name: spike, formula: "1 if z >= 0 else 0", slope: "1/(1 + z^2) + a"}, weights: [[0.5]]}
      - {activation: identity, weights: [[3]]}
    loss: squared_error
"""


def test_an_activation_may_have_a_slope_of_its_own() -> None:
    # z = 1, a = 1, ŷ = 3: ∂L/∂w = −2(1 − 3)·3·(1/2 + 1)·2
    assert gradient(SPIKE, "dL/dw1_1_1") == 4 * 3 * 1.5 * 2
    assert verification(problem(SPIKE)).agrees
    assert "the one that the file gives" in " ".join(page(SPIKE).split())


@pytest.mark.parametrize(
    ("formula", "slope", "warns"),
    [
        ("1/(1 + exp(-z))", "a*(1 - a)", False),
        ("1/(1 + exp(-z))", "z*(1 - z)", True),
        ("1 if z >= 0 else 0", "1/(1 + z^2)", True),
        ("z^2", "2*z", False),
    ],
)
def test_a_slope_that_is_no_derivative_is_warned_of(formula: str, slope: str, warns: bool) -> None:
    layer = f'{{activation: {{formula: "{formula}", slope: "{slope}"}}, weights: [[0.5]]}}'
    warnings = read("one.yaml", f"inputs: [2]\nlayers: [{layer}]\n")[1]
    assert any(one.code == "own-slope" for one in warnings) == warns
