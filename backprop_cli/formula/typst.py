"""Typst mathematics: `w_(11)^((2)) ⋅ x_1`, `frac(∂ L, ∂ hat(y))`.

The result stands between `$` signs. Names are quoted strings unless they are single letters, so
nothing in an unknown name is markup.
"""

from __future__ import annotations

from typing import assert_never

from backprop_cli.formula import layout as tree
from backprop_cli.formula.characters import visible
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.notation import letters, stacked
from backprop_cli.formula.shape import by_digits
from backprop_cli.formula.spelling import GREEK, LATIN, Spelling

SIGNS: dict[str, str] = {
    "negative": "-", "+": " + ", "−": " - ", "·": " ⋅ ", "beside": " ", "thin": " thin ",
    "/": " \\/ ", "correlation": " ∗ ", "full": ' ∗_"full" ',
    "hadamard": " ⊙ ", "matmul": " thin ", "wide": " quad ", ",": ", ", "if": ' " if " ',
    "else": ' " else " ', "<": " < ", "<=": " ≤ ", ">": " > ", ">=": " ≥ ", "==": " = ",
    "!=": " ≠ ", **{sign: f" {sign} " for sign in "=≈→≥≤"},
}  # fmt: skip
_WORDS = {"∂": "∂ ", "∂²": "∂^2 ", "T": "upright(T)", "½": "1/2"}


def write(formula: Formula, spelling: Spelling | None = None) -> str:
    """The formula as Typst for math mode."""
    return spell(stacked(spelling).node(formula))


LOOSE = 120
"""Characters of Typst source between brackets, about a third of a line."""


def loose(node: tree.Node) -> str:
    """The same with long outermost brackets as single signs: Typst never breaks a line inside a
    matched pair."""
    match node:
        case tree.Row(parts):
            return "".join(map(loose, parts))
        case tree.Fence("group", inside) if len(written := spell(inside)) >= LOOSE:
            return f"\\({written}\\)"
        case _:
            return spell(node)


ESCAPES = str.maketrans({"\\": r"\\", '"': r"\""})


def literal(text: str) -> str:
    """A string; inside its quotes only `\\` and `"` mean something."""
    return f'"{text.translate(ESCAPES)}"'


def quoted(text: str) -> str:
    """Any text as upright words."""
    return literal(visible(text))


def word(text: str) -> str:
    text = GREEK.get(text, text)
    if len(text) == 1 and (text in LATIN or (text.isascii() and text.isalnum())):
        return text
    return quoted(text)


@by_digits
def named(name: tree.Named) -> str:
    return spell(letters(name, stacked=True))


def spell(node: tree.Node) -> str:
    match node:
        case tree.Digits(_, _, power):
            if power is None:
                return node.mantissa
            return f"{node.mantissa or quoted('')} × 10^({power})"
        case tree.Named():
            return named(node)
        case tree.Word(text, kind, accent):
            if kind in ("sign", "number"):
                return _WORDS.get(text, text)
            written = quoted(text) if kind == "mark" else word(text)
            return f"{accent}({written})" if accent else written
        case tree.Operator(sign):
            return SIGNS[sign]
        case tree.Row(parts):
            return "".join(map(spell, parts))
        case tree.Called(function):
            return function.typst
        case tree.Fence("root" | "abs" as kind, inside):
            return f"{'sqrt' if kind == 'root' else kind}({spell(inside)})"
        case tree.Fence("group" | "call" | "layer", inside):
            return f"({spell(inside)})"
        case tree.Fence(_, inside):
            return f"[{spell(inside)}]"
        case tree.Fraction(above, below):
            return f"frac({spell(above)}, {spell(below)})"
        case tree.Script(base, below, above):
            written = spell(base)
            if isinstance(base, tree.Script) and base.above is not None and above is not None:
                written = f'class("normal", {written})'  # else it would be raised to a power of one
            lowered = "" if below is None else f"_({spell(below)})"
            return written + lowered + ("" if above is None else f"^({spell(above)})")
        case tree.Grid("matrix", rows):
            entries = "; ".join(", ".join(map(spell, row)) for row in tree.at_points(rows))
            return f'mat(delim: "[", {entries})'
        case tree.Blank(unseen):
            return f"#hide(${spell(unseen)}$) "
        case tree.Grid(_, rows):
            cases = [f'{spell(then)} &quad "if" {spell(when)}' for then, when in rows[:-1]]
            return f'cases({", ".join(cases)}, {spell(rows[-1][0])} &quad "otherwise")'
        case tree.Under(base, sides):
            return f"limits({spell(base)})_({' × '.join(map(spell, sides))})"
        case _:
            assert_never(node)
