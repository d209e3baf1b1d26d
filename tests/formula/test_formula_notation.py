"""The same formulas in every notation, as a reader sees them."""

from __future__ import annotations

import re
from functools import partial
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from trees import formulas

from backprop_cli.formula import latex, mathml, plain, typst, unicode
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.layout import pieces
from backprop_cli.formula.nodes import Call, Formula, Matrix, Name, Negative, Number, Product, Shown
from backprop_cli.formula.notation import InLine, Stacked, stacked
from backprop_cli.formula.parse import parse
from backprop_cli.formula.spelling import Lettering, spell

layered = partial(spell, lettering=Lettering(layered=True))

SHEET = [
    "x1",
    "x2",
    "y",
    "yhat",
    "eta",
    "L",
    "L_y",
    "w1_1_1",
    "w1_1_2",
    "b1_1",
    "z1_1",
    "a2_1",
    "w2_1_3",
    "w2_1_3_new",
    "w2_1_13",
    "z2_1[2]",
    "dL/dyhat",
    "dyhat/dz3_1",
    "dL/dw2_1_3",
    "dL/dz2_1",
    "dL/dz2_2",
    "w2_1_1",
    "w2_2_1",
    "delta3",
    "z",
    "w",
    "w7",
    "w3",
    "z3",
    "z1",
    "x",
]


def read(text: str) -> Formula:
    return parse(text, known=SHEET)


# plain text, Unicode, LaTeX
TABLE = [
    ("w1_1_1*x1 + w1_1_2*x2 + b1_1", "w₁₁⁽¹⁾·x₁ + w₁₂⁽¹⁾·x₂ + b₁⁽¹⁾",
     r"w^{(1)}_{11} \cdot x_1 + w^{(1)}_{12} \cdot x_2 + b^{(1)}_1"),
    ("(yhat - y)*yhat*(1 - yhat)*a2_1", "(ŷ − y) · ŷ(1 − ŷ) · a₁⁽²⁾",
     r"(\hat{y} - y) \cdot \hat{y}(1 - \hat{y}) \cdot a^{(2)}_1"),
    ("dL/dyhat*dyhat/dz3_1", "∂L/∂ŷ · ∂ŷ/∂z₁⁽³⁾",
     r"\frac{\partial L}{\partial \hat{y}} \cdot \frac{\partial \hat{y}}{\partial z^{(3)}_1}"),
    ("(0.734 - 1)*0.734*(1 - 0.734)*0.901", "(0.734 − 1)(0.734)(1 − 0.734)(0.901)",
     "(0.734 - 1)(0.734)(1 - 0.734)(0.901)"),
    ("0.42*6 + 0.72*2 + (-0.2)*3", "0.42·6 + 0.72·2 + (−0.2)·3",
     r"0.42 \cdot 6 + 0.72 \cdot 2 + (-0.2) \cdot 3"),
    ("w2_1_3 - eta*dL/dw2_1_3", "w₁₃⁽²⁾ − η·∂L/∂w₁₃⁽²⁾",
     r"w^{(2)}_{13} - \eta \cdot \frac{\partial L}{\partial w^{(2)}_{13}}"),
    ("0.4 - 0.7*(-0.0468)", "0.4 − 0.7·(−0.0468)", r"0.4 - 0.7 \cdot (-0.0468)"),
    ("1/2*(y - yhat)^2", "½(y − ŷ)²", r"\frac{1}{2}(y - \hat{y})^2"),
    ("-2*(y - yhat)", "−2(y − ŷ)", r"-2(y - \hat{y})"),
    ("-y/yhat + (1 - y)/(1 - yhat)", "−y/ŷ + (1 − y)/(1 − ŷ)",
     r"-\frac{y}{\hat{y}} + \frac{1 - y}{1 - \hat{y}}"),
    ("-y*ln(yhat) - (1 - y)*ln(1 - yhat)", "−y·ln(ŷ) − (1 − y)·ln(1 − ŷ)",
     r"-y \cdot \ln(\hat{y}) - (1 - y) \cdot \ln(1 - \hat{y})"),
    ("dL/dz2_1*w2_1_1 + dL/dz2_2*w2_2_1", "∂L/∂z₁⁽²⁾·w₁₁⁽²⁾ + ∂L/∂z₂⁽²⁾·w₂₁⁽²⁾",
     r"\frac{\partial L}{\partial z^{(2)}_1} \cdot w^{(2)}_{11} + "
     r"\frac{\partial L}{\partial z^{(2)}_2} \cdot w^{(2)}_{21}"),
    ("L_y*(w7*relu'(z3)*w3 + w)*relu'(z1)*x", "L_y(w₇·ReLU′(z₃)·w₃ + w) · ReLU′(z₁) · x",
     r"L_y(w_7 \cdot \mathrm{ReLU}'(z_3) \cdot w_3 + w) \cdot \mathrm{ReLU}'(z_1) \cdot x"),
    ("1/(1 + exp(-z))", "1/(1 + exp(−z))", r"\frac{1}{1 + e^{-z}}"),
    ("w2_1_3^2 + (dL/dw2_1_3)^2 + x^-1", "(w₁₃⁽²⁾)² + (∂L/∂w₁₃⁽²⁾)² + x⁻¹",
     r"(w^{(2)}_{13})^2 + \left(\frac{\partial L}{\partial w^{(2)}_{13}}\right)^2 + x^{-1}"),
    ("sqrt(z + 1) + abs(x) + sqrt(w7)", "√(z + 1) + |x| + √w₇",
     r"\sqrt{z + 1} + \left|x\right| + \sqrt{w_7}"),
    ("1.2e-5*w2_1_13", "1.2×10⁻⁵·w₁,₁₃⁽²⁾", r"1.2 \times 10^{-5} \cdot w^{(2)}_{1,13}"),
    ("z if z > 0 else 0.01*z", "z if z > 0 else 0.01·z",
     r"\begin{cases} z & \text{if } z > 0 \\ 0.01 \cdot z & \text{otherwise} \end{cases}"),
    ("[z >= w]*z2_1[2]", "[z ≥ w]·z₁⁽²⁾[2]", r"\left[z \ge w\right] \cdot z^{(2)}_1[2]"),
    ("w2_1_3_new", "w₁₃⁽²⁾ new", r"w^{(2)\,\mathrm{new}}_{13}"),
    ("max(x1, x2) + sigmoid'(z)", "max(x₁, x₂) + σ′(z)", r"\max(x_1, x_2) + \sigma'(z)"),
    ("(x1/x2)^2", "(x₁/x₂)²", r"\left(\frac{x_1}{x_2}\right)^2"),
    ("-(x1 + x2)", "−(x₁ + x₂)", "-(x_1 + x_2)"),
    ("x1 - (x2 - w)", "x₁ − (x₂ − w)", "x_1 - (x_2 - w)"),
    ("x1*(-w)", "x₁·(−w)", r"x_1 \cdot (-w)"),
    ("pi*x", "π·x", r"\pi \cdot x"),
    ("y/yhat*yhat*w", "y/ŷ · ŷ · w", r"\frac{y}{\hat{y}} \cdot \hat{y} \cdot w"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "in_unicode", "in_latex"), TABLE, ids=[row[0] for row in TABLE])
def test_notations(text: str, in_unicode: str, in_latex: str) -> None:
    formula = read(text)
    assert unicode.write(formula, layered) == in_unicode
    assert latex.write(formula, layered) == in_latex


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_what_is_shown_can_be_typed(row: tuple[str, str, str]) -> None:
    """A student may copy a formula from the sheet into an answer."""

    def value(formula: Formula) -> float:
        return float(evaluate(formula, lambda name: (hash_of(name) % 97) / 31 + 0.1))

    def hash_of(name: str) -> int:
        return sum(ord(char) * (place + 3) for place, char in enumerate(name))

    assert value(read(row[1])) == pytest.approx(value(read(row[0])), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("L_y", "L_y"),
        ("v_w1_1_1_new", "v[w₁₁⁽¹⁾] new"),
        ("mhat_w1_1_1", "m̂[w₁₁⁽¹⁾]"),
        ("delta1", "δ₁"),
        ("yhat2", "ŷ₂"),
        ("dL/dw2_1_3[2]", "∂L/∂w₁₃⁽²⁾[2]"),
        ("dL[2]/dw2_1_3", "∂L[2]/∂w₁₃⁽²⁾"),
        ("dL[2]/dyhat[2]", "∂L[2]/∂ŷ[2]"),
        ("dL[s]/dz2_1", "∂L[s]/∂z₁⁽²⁾"),
        ("b2", "b⁽²⁾"),
    ],
)
def test_names(name: str, shown: str) -> None:
    assert unicode.write(Name(name), layered) == shown


DELTA = Shown(
    "hadamard",
    (
        Shown("matmul", (Shown("transpose", (Name("W3"),)), Name("delta3"))),
        Call("relu'", (Name("z2"),)),
    ),
)
SHAPED = Shown(
    "shape", (Matrix(((Name("w7"), Name("b5")), (Number("1"), Number("0")))), Name("2"), Name("2"))
)


def test_matrix_form() -> None:
    assert unicode.write(DELTA) == "(W₃ᵀ δ₃) ⊙ ReLU′(z₂)"
    assert latex.write(DELTA) == r"(W^{\mathsf{T}}_3\,\delta_3) \odot \mathrm{ReLU}'(z_2)"
    assert plain.write(DELTA) == "(W3^T @ delta3) .* relu'(z2)"
    assert unicode.write(SHAPED) == "[w₇  b₅; 1  0] {2×2}"
    assert latex.write(SHAPED) == (
        r"\underset{2 \times 2}{\begin{bmatrix} w_7 & b_5 \\ 1 & 0 \end{bmatrix}}"
    )


def test_numbers_that_carry_their_own_sign() -> None:
    formula = Product((Number("-0.2"), Number("-3e-7")))
    assert plain.write(formula) == "(-0.2)*(-3e-7)"
    assert unicode.write(formula) == "(−0.2)·(−3×10⁻⁷)"
    assert unicode.write(Negative(Number("-0.2"))) == "−(−0.2)"


HOSTILE = [
    "</math><script>alert(1)</script>",
    "\x1b[31m\u202e",
    r"\input{x}%$",
    '"#eval("1")',
    "a&b<c",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_text(name: str) -> None:
    formula = Product((Name(name), Name("x")))
    shown = mathml.math(stacked().node(formula))
    assert "<script" not in shown
    assert "".join(ElementTree.fromstring(shown).itertext()).isprintable()
    for notation in (plain, unicode, latex, typst):
        assert notation.write(formula).isprintable()
    assert "\\input{" not in latex.write(formula)
    assert "%$" not in latex.write(formula)
    assert typst.write(formula).startswith('"')


@given(formulas)
@settings(max_examples=150, deadline=None)
def test_every_formula_is_well_formed(formula: Formula) -> None:
    math = ElementTree.fromstring(mathml.math(stacked().node(formula)))
    assert [child.tag for child in math] == ["mrow"]
    for cut in (latex, unicode):
        tree = (Stacked if cut is latex else InLine)().node(formula)
        assert "".join(map(cut.spell, pieces(tree))) == cut.write(formula)
    takes = {"mfrac": 2, "msup": 2, "msub": 2, "msubsup": 3, "mover": 2, "munder": 2}
    for element in math.iter():
        assert len(element) == takes.get(element.tag, len(element))
    written = latex.write(formula)
    assert re.sub(r"\\.", "", written).count("{") == re.sub(r"\\.", "", written).count("}")
    assert written.count(r"\left") == written.count(r"\right")


@given(formulas)
@settings(max_examples=25, deadline=None)
def test_typst_accepts_every_formula(formula: Formula) -> None:
    compiler = pytest.importorskip("typst")
    compiler.compile(f"#set page(height: auto)\n$ {typst.write(formula)} $".encode())


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("softmax", ("softmax(z)", r"\mathrm{softmax}(z)", '"softmax"(z)')),
        ("g", ("g(z)", "g(z)", "g(z)")),
        ("g'", ("g′(z)", "g'(z)", "g'(z)")),
    ],
)
def test_functions_that_only_a_sheet_in_matrices_writes(
    name: str, written: tuple[str, str, str]
) -> None:
    formula = Call(name, (Name("z"),))
    shown = (
        unicode.write(formula, spell),
        latex.write(formula, spell),
        typst.write(formula, spell),
    )
    assert shown == written
    assert "z" in mathml.math(stacked(spell).node(formula))
