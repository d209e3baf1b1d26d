"""Formulas as people type them, and texts that are no formulas."""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import formulas

from backprop_cli.formula import plain
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.nodes import (
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)
from backprop_cli.formula.parse import parse
from backprop_cli.formula.words import FormulaError

a, b, c, x = Name("a"), Name("b"), Name("c"), Name("x")
two = Number("2")

SHEET = frozenset(
    [
        "a",
        "w",
        "y",
        "yhat",
        "L",
        "x1",
        "x2",
        "eta",
        "a1_1",
        "a2_1",
        "a2_2",
        "z2_1",
        "w2_1_3",
        "w2_1_3_new",
        "w2_1_1",
        "w2_1_1_new",
        "dL/dz2_1",
        "dL/dw2_1_1",
        "dL/dw2_1_3",
        "da2_1/dz2_1",
        "z1_1[1]",
        "z1_1[2]",
        "dL/dw2_1_1[2]",
        "delta1",
        "v_w2_1_3",
        "v_w2_1_3_new",
    ]
)


def read(text: str, known: frozenset[str] | None) -> Formula | FormulaError:
    try:
        return parse(text, known=known)
    except FormulaError as error:
        return error


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a + b - c", Sum((a, b, Negative(c)))),
        ("a - (b - c)", Sum((a, Negative(Sum((b, Negative(c))))))),
        ("-x^2", Negative(Power(x, two))),
        ("-a*b", Negative(Product((a, b)))),
        ("a*-b", Product((a, Negative(b)))),
        ("a/b/c", Quotient(Quotient(a, b), c)),
        ("a/b*c", Product((Quotient(a, b), c))),
        ("a*b/c", Quotient(Product((a, b)), c)),
        ("a^b^c", Power(a, Power(b, c))),
        ("2**-x", Power(two, Negative(x))),
        ("a*(b*c)", Product((a, Product((b, c))))),
        ("+a", a),
    ],
)
def test_precedence(text: str, tree: Formula) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("typed", "plainly"),
    [
        ("2w1", "2*w1"),
        ("a3(1 - a3)", "a3*(1 - a3)"),
        ("(a)(b) c", "a*b*c"),
        ("x y", "x*y"),
        ("L_y{w7 relu'(z3)w3 + w8}x", "L_y*(w7*relu'(z3)*w3 + w8)*x"),
        ("[a + b]c", "(a + b)*c"),
        ("1/2(y - yhat)^2", "1/2*(y - yhat)^2"),
        ("½(y − ŷ)²", "(1/2)*(y - yhat)^2"),
        ("σ(z)·(1 − σ(z))", "sigmoid(z)*(1 - sigmoid(z))"),
        ("σ′(z) × ReLU'(z)", "sigmoid'(z)*relu'(z)"),
        ("dRL(z3)", "relu'(z3)"),
        ("y\u0302 ÷ 2", "yhat/2"),
        ("wŷ", "w*yhat"),
        ("η·δ₁", "eta*delta1"),
        ("w₁₃⁽²⁾·a₃⁽¹⁾ + b₁⁽²⁾", "w2_1_3*a1_3 + b2_1"),
        ("x₁₂⁻¹", "x12^(-1)"),
        ("√2 + √(x + 1)", "sqrt(2) + sqrt(x + 1)"),
        ("|x| + 2|y - |z||", "abs(x) + 2*abs(y - abs(z))"),
        ("ln x + log(y)", "ln(x) + ln(y)"),
        ("1.5E+2 + .5 + 5.", "1.5e2 + 0.5 + 5"),
        ("1.2×10⁻⁵", "1.2*10^(-5)"),
        ("z if z > 0 else 0.01z", "z if z > 0 else 0.01*z"),
        ("x if a>b else y if a≥c else 0", "x if a > b else (y if a >= c else 0)"),
        ("2[z > w]", "2*[z > w]"),
        ("e^(-z) + π", "exp(1)^(-z) + pi"),
        ("silu(z) + Sigmoid(z) + sgn(z) + linear(z)", "swish(z)+sigmoid(z)+sign(z)+identity(z)"),
    ],
)  # fmt: skip
def test_as_students_write(typed: str, plainly: str) -> None:
    def value(formula: Formula) -> float:
        return float(evaluate(formula, lambda name: Fraction(len(name) * 7 + ord(name[-1]), 50)))

    formula = parse(typed)
    assert value(formula) == pytest.approx(value(parse(plainly)), rel=1e-12)
    assert parse(plain.write(formula)) == formula


@pytest.mark.parametrize(
    ("typed", "plainly"),
    [
        ("(yhat-y)yhat(1-yhat)a2_2", "(yhat - y)*yhat*(1 - yhat)*a2_2"),
        ("2yhat", "2*yhat"),
        ("dL / dz2_1 * a1_1", "dL/dz2_1*a1_1"),
        ("∂L/∂z₁⁽²⁾ · a₁⁽¹⁾", "dL/dz2_1*a1_1"),
        ("w2_1_3' - w2_1_3", "w2_1_3_new - w2_1_3"),
        ("w₁₃⁽²⁾ new", "w2_1_3_new"),
        ("w2_1_1 - η∂L/∂w₁₁⁽²⁾", "w2_1_1 - eta*dL/dw2_1_1"),
        ("z1_1[2] + z1_1 [1]", "z1_1[2] + z1_1[1]"),
        ("dL/dw2_1_1[2]", "dL/dw2_1_1[2]"),
        ("(dL/dz2_1)^2/a", "(dL/dz2_1)^2/a"),
        ("a/w", "a/w"),
        ("δ₁", "delta1"),
        ("0.9v[w₁₃⁽²⁾] + v[w₁₃⁽²⁾] new", "0.9*v_w2_1_3 + v_w2_1_3_new"),
    ],
)
def test_names_of_a_sheet(typed: str, plainly: str) -> None:
    assert plain.write(parse(typed, known=SHEET)) == plainly


@pytest.mark.parametrize(
    ("text", "column", "length", "words"),
    [
        ("", 0, 1, "empty"),
        ("  ", 0, 1, "empty"),
        ("sigmod(z) + 1", 0, 6, "did you mean `sigmoid`"),
        ("(a + b", 0, 1, "never closed"),
        ("a + b)", 5, 1, "closes nothing"),
        ("(a + b]", 6, 1, "does not close `(`"),
        ("a +", 2, 1, "missing at the end"),
        ("a*()", 2, 2, "nothing stands in the brackets"),
        ("max(a,)", 6, 1, "missing before `)`"),
        ("0,5", 1, 1, "decimal point"),
        ("a = b", 2, 1, "right-hand side"),
        ("a 2", 2, 1, "write `*` between"),
        ("1/2x", 0, 4, "`(1/2)*x` or `1/(2*x)`"),
        ("e^2x", 0, 4, "in brackets"),
        ("ln 2x", 0, 5, "`ln(2)`"),
        ("sin^2(x)", 0, 3, "without its argument"),
        ("a < b < c", 6, 1, "say both numbers"),
        ("2*(a > b and c > 0)", 9, 3, "say both numbers"),
        ("a and b", 2, 3, "joins comparisons"),
        ("not a", 0, 3, "joins comparisons"),
        ("1 if " + "a > 0 and " * 8 + "b > 0 else 0", 2, 2, "more than 8"),
        ("np.max(a, b)", 0, 6, "write `max(…)` alone"),
        ("math.pi", 0, 7, "write `pi` alone"),
        ("x.dot(w)", 0, 5, "`w1*x1 + w2*x2`"),
        ("a @ b", 2, 1, "write the product out"),
        ("∑ a", 0, 1, "`sum(x1, x2, x3)`"),
        ("lambda x: x", 8, 1, "what is calculated"),
        ("sum(a)", 0, 6, "`sum(x1, x2, x3)`"),
        ("softmax(a, b)", 0, 7, "exp(z1)/(exp(z1) + exp(z2) + exp(z3))"),
        ("log(a, 2)", 0, 9, "`log2`"),
        ("a if b else c", 2, 4, "compare two values"),
        ("a if b > c", 2, 2, "needs an `else`"),
        ("sqrt(a, b)", 0, 10, "one argument, not 2"),
        ("a \x1b[31m b", 2, 1, "`\\x1b` (U+001B)"),
        ("a + é", 4, 1, "(U+00E9)"),
        ("ŷ + \u202e", 4, 1, "(U+202E)"),
        ("1e999", 0, 5, "exponent"),
        ("1" * 41, 0, 41, "digits"),
    ],
)  # fmt: skip
def test_mistakes_are_placed(text: str, column: int, length: int, words: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse(text)
    error = caught.value
    assert (error.column, error.length) == (column, length)
    assert words in f"{error.message}; {error.help}"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("w2h", "w2*h"),
        ("(y−t)y(1−y)w2h(1−h)x", "(y - t)*y*(1 - y)*w2*h*(1 - h)*x"),
        ("aw", "a*w"),
        ("2tyy", "2*t*y*y"),
    ],
)
def test_names_run_together_are_a_product_if_only_one_is_possible(text: str, written: str) -> None:
    assert plain.write(parse(text, known=["a", "w", "w2", "h", "t", "x", "y"])) == written


def test_names_run_together_in_two_ways_are_refused() -> None:
    with pytest.raises(FormulaError, match="several names") as caught:
        parse("2abc", known=["a", "ab", "b", "bc", "c"])
    assert (caught.value.column, caught.value.length) == (1, 3)
    assert "`a*bc`" in (caught.value.help or "")


@pytest.mark.parametrize(
    ("text", "column", "length", "words"),
    [
        ("yln(yhat)", 0, 3, "`y*ln`"),
        (
            "relu*yhat",
            0,
            4,
            "is a function and stands without its argument; write its argument in brackets: `relu(x)`",
        ),
        ("dL/dz2", 0, 6, "did you mean `dL/dz2_1`"),
        ("z1_1[3]", 0, 7, "`z1_1[3]` is not a name on the sheet"),
        ("z1_1", 0, 4, "say which sample"),
        ("a2_1[2]", 0, 7, "not a name on the sheet"),
        ("Yhat", 0, 4, "did you mean `yhat`"),
        ("factorial(10**9)", 0, 9, "not a function"),
        ("__import__('os')", 0, 10, "not a function"),
        ("lambda: a", 0, 6, "not a name"),
    ],
)
def test_mistakes_on_a_sheet(text: str, column: int, length: int, words: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse(text, known=SHEET)
    error = caught.value
    assert (error.column, error.length) == (column, length)
    assert words in f"{error.message}; {error.help}"


def test_names_win_over_functions_and_constants() -> None:
    assert plain.write(parse("e*floor", names={"e", "floor"})) == "e*floor"
    with pytest.raises(FormulaError, match="the function or the quantity `floor` times") as caught:
        parse("e*floor(2)", names={"e", "floor"})
    assert "`floor*(…)`" in (caught.value.help or "")
    with pytest.raises(FormulaError, match="the function or the quantity"):
        parse("floor(2)", known={"floor"})
    assert parse("e", names={"e"}) == Name("e")
    assert parse("pi", constants=False) == Name("pi")
    with pytest.raises(FormulaError, match="not a function"):
        parse("foo(2)", names={"e"})


@pytest.mark.parametrize("text", ["foo(a)", "q(a + 1)", "w4(a)", "Σ(a)", "f'(a)"])
def test_no_unknown_name_before_brackets_is_a_product(text: str) -> None:
    with pytest.raises(FormulaError, match="not a function"):
        parse(text, names={"a", "w"})


def test_a_quantity_before_brackets_is_a_factor() -> None:
    names = {"a3", "w", "x", "foo"}
    for text, written in [
        ("a3(1 - a3)", "a3*(1 - a3)"), ("w(x+1)", "w*(x + 1)"), ("foo(x)", "foo*x"),
        ("w[x + 1]", "w*(x + 1)"),
    ]:  # fmt: skip
        assert plain.write(parse(text, names=names)) == written
    with pytest.raises(FormulaError, match="asks for an entry"):
        parse("x[1]", names=names)


@pytest.mark.parametrize(
    ("text", "plainly"),
    [
        ("1 if 0 < x < 1 else 0", "0 if x <= 0 else 1 if x < 1 else 0"),
        ("a if x > 0 and x < 1 else b", "b if x <= 0 else a if x < 1 else b"),
        ("a if x > 0 or b > 0 else c", "a if x > 0 else a if b > 0 else c"),
        ("a if not x > 0 else b", "a if x <= 0 else b"),
        ("a if not (x > 0 or b == 0) else c", "c if x > 0 else a if b != 0 else c"),
        ("a if x > 0 or b > 0 and c > 0 else 0", "a if x > 0 else 0 if b <= 0 else a if c > 0 else 0"),
        ("sum(a, -b, c)", "a - b + c"),
        ("mean(a, b, c)", "(a + b + c)/3"),
        ("norm(a, b - c)", "sqrt(a^2 + (b - c)^2)"),
        ("||a| - |b||", "abs(abs(a) - abs(b))"),
        ("|2|a||", "abs(2*abs(a))"),
        ("|a|b|c|", "abs(a)*b*abs(c)"),
    ],
)  # fmt: skip
def test_what_is_short_for_something_longer(text: str, plainly: str) -> None:
    assert plain.write(parse(text)) == plainly


def test_conditions_mean_what_python_means() -> None:
    text = "1 if not (x > 1 and a < 2) and (b == 0 or 0 <= x < c) or a != b else 0"
    tree = parse(text)
    for x, a, b, c in product(map(Fraction, range(3)), repeat=4):
        truth = (not (x > 1 and a < 2) and (b == 0 or 0 <= x < c)) or a != b
        assert evaluate(tree, {"x": x, "a": a, "b": b, "c": c}.__getitem__) == truth


HOSTILE = [
    "1 if " + "not " * 900 + "1<2 else 1",
    "1 if " + "(a>0 or a>1) and " * 200 + "a>2 else 0",
    "1 if " + "<".join("a" * 900) + " else 0",
    "sum(" * 300 + "a" + ",a)" * 300,
    "(" * 100_000,
    "(" * 1_900,
    "[{(" * 600,
    "-" * 3_999,
    "|" * 3_999,
    "√" * 1_000,
    "1/" * 1_990 + "1",
    "2^" * 1_990 + "2",
    "x²" * 1_000,
    "a" * 3_999,
    "a " * 1_999,
    "ln " * 1_300,
    "sqrt(" * 700,
    "1 if 1<2 else " * 250 + "1",
    "9" * 3_999,
    "1e" * 1_900,
    "dL/" * 1_300,
    "dL / " * 790,
    "w2_1_1" * 600,
    "w" * 3_900 + "z",
    "z1_1[" * 790,
    "'" * 3_999,
    "ŷ" * 1_300,
    "∂" * 1_300,
    "\u0302" * 1_900,
    "w₁⁽" * 400,
    "\ud800" * 1_000,
    "\x00",
    "9**9**9**9",
    "__import__('os')",
    "factorial(10**9)",
    "x" + " " * 3_900 + "/ y",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
@pytest.mark.parametrize("known", [None, SHEET], ids=["file", "sheet"])
def test_hostile_text_is_read_or_refused_at_once(text: str, known: frozenset[str] | None) -> None:
    parse("a", known=known)
    begin = time.process_time()
    outcome = read(text, known)
    if isinstance(outcome, FormulaError):
        assert 0 <= outcome.column <= len(text)
        assert outcome.message.isprintable()
        assert (outcome.help or "").isprintable()
    else:
        evaluate(outcome, lambda name: Fraction(3))
        hash(outcome)
    assert time.process_time() - begin < 3


@given(formulas)
@settings(max_examples=300, deadline=None)
def test_plain_text_parses_back_to_the_same_tree(formula: Formula) -> None:
    assert parse(plain.write(formula)) == formula


@given(st.text("0123456789.eE+-*/^()[]{}|<>=!, xywŷσ²₁⁽⁾½√∂'_\u0302if else", max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_formula_or_a_placed_mistake(text: str) -> None:
    for known in (None, SHEET):
        outcome = read(text, known)
        if isinstance(outcome, FormulaError):
            assert 0 <= outcome.column <= len(text)
            assert outcome.length >= 1
        else:
            assert parse(plain.write(outcome), known=known) == outcome
