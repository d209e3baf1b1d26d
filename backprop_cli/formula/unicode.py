"""Unicode text: `w₁₁⁽²⁾·x₁ + b₁`, `(ŷ − y) · ŷ(1 − ŷ)`, `∂L/∂w₁₁⁽²⁾`, `1.2×10⁻⁵`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from backprop_cli.formula import layout as tree
from backprop_cli.formula.characters import visible
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.notation import TRANSPOSED, hatted, in_line, letters, quantity
from backprop_cli.formula.shape import by_digits, by_shape
from backprop_cli.formula.spelling import Glyph, Spelling

SUBSCRIPTS = dict(zip("0123456789+-=()aehijklmnoprstuvxβγρφχ,",
                      "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ,", strict=True))  # fmt: skip
SUPERSCRIPTS = dict(zip("0123456789+-=()abcdefghijklmnoprstuvwxyz",
                        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", strict=True))  # fmt: skip
SIGNS: dict[str, str] = {
    "negative": "−", "+": " + ", "−": " − ", "·": " · ", "beside": "", "thin": " ", "/": "/",
    "correlation": " ∗ ", "full": " ∗full ",
    "hadamard": " ⊙ ", "matmul": " ", "wide": " ", ",": ", ", "if": " if ", "else": " else ",
    "<": " < ", "<=": " ≤ ", ">": " > ", ">=": " ≥ ", "==": " = ", "!=": " ≠ ", "column": "  ",
    **{sign: f" {sign} " for sign in "=≈→≥≤"},
}  # fmt: skip
ROUND, SQUARE = ("(", ")"), ("[", "]")
FENCES = {
    "group": ROUND, "call": ROUND, "layer": ROUND, "abs": ("|", "|"),
    "indicator": SQUARE, "square": SQUARE, "of": SQUARE, "sample": SQUARE, "entries": SQUARE,
}  # fmt: skip


def glyph_text(glyph: Glyph) -> str:
    """A quantity's name as it is shown: w₁₃⁽²⁾, ∂L/∂ŷ, z₁⁽²⁾[2], v[w₁₃⁽²⁾]."""
    return named(quantity(glyph))


@by_digits
def named(name: tree.Named) -> str:
    return spell(letters(name, stacked=False))


def spell(node: tree.Node) -> str:
    match node:
        case tree.Digits(_, _, power):
            if power is None:
                return node.mantissa
            return f"{node.mantissa}×10{small(str(power), SUPERSCRIPTS, '^')}"
        case tree.Named():
            return named(node)
        case tree.Word(text, _, accent):
            return visible(text) if not accent else accented(visible(text), accent)
        case tree.Operator():
            return sign(node)
        case tree.Row(parts):
            return "".join(map(spell, parts))
        case tree.Called(function):
            return function.unicode
        case tree.Fence("root", inside):
            return f"√({spell(inside)})"
        case tree.Fence(kind, inside):
            left, right = FENCES[kind]
            return f"{left}{spell(inside)}{right}"
        case tree.Fraction(above, below):
            return f"({spell(above)})/({spell(below)})"
        case tree.Script(base, below, above):
            lowered = "" if below is None else small(spell(below), SUBSCRIPTS, "_")
            if above is None:
                return spell(base) + lowered
            raised = mark(above)
            return spell(base) + lowered + (f"^{spell(above)}" if raised is None else raised)
        case tree.Grid(_, rows):
            return f"[{'; '.join('  '.join(map(spell, entries)) for entries in rows)}]"
        case tree.Under(base, sides):
            return spell(base) + beneath(sides)
        case tree.Blank(unseen):
            return " " * len(spell(unseen))
        case _:
            assert_never(node)


def accented(text: str, accent: str) -> str:
    return hatted(text) if accent == "hat" else f"{text}\u0303"


def small(text: str, letters: Mapping[str, str], sign: str) -> str:
    """In small letters; the text behind a sign where Unicode lacks one of them."""
    if letters.keys() >= set(text):
        return "".join(map(letters.__getitem__, text))
    return sign + visible(text)


def sign(operator: tree.Operator) -> str:
    return "·" if operator.tight and operator.sign == "·" else SIGNS[operator.sign]


def ends(kind: str) -> tuple[str, str]:
    """The brackets of a fence."""
    return FENCES[kind]


def beneath(sides: Sequence[tree.Word]) -> str:
    """The shape of a matrix that stands in a line."""
    return f" {{{'×'.join(map(spell, sides))}}}"


def mark(above: tree.Node) -> str | None:
    """A whole exponent or a layer in small characters; None for what stands behind `^`."""
    if above == TRANSPOSED:
        return "ᵀ"
    if isinstance(above, tree.Word) or (
        isinstance(above, tree.Fence) and above.kind in ("layer", "square")
    ):
        return small(spell(above), SUPERSCRIPTS, "^")
    return None


@by_shape(in_line, spell)
def write(formula: Formula, spelling: Spelling | None = None) -> str:
    """The formula in Unicode text on one line."""
    return spell(in_line(spelling).node(formula))
