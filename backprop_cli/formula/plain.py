"""Plain text: `w1*x1 + b1`. Names are written as they are, and `parse` reads the same tree back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from backprop_cli.formula.characters import visible
from backprop_cli.formula.layout import (
    Blank,
    Called,
    Digits,
    Fence,
    Fraction,
    Grid,
    Named,
    Node,
    Operator,
    Row,
    Script,
    Under,
    Word,
)
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.notation import Typed
from backprop_cli.formula.shape import Shapes
from backprop_cli.formula.spelling import Spelling

SIGNS: dict[str, str] = {
    "negative": "-", "+": " + ", "−": " - ", "·": "*", "beside": "", "thin": " ", "/": "/",
    "correlation": " (*) ", "full": " (*full) ",
    "hadamard": " .* ", "matmul": " @ ", "wide": " @ ", ",": ", ", "if": " if ", "else": " else ",
    "<": " < ", "<=": " <= ", ">": " > ", ">=": " >= ", "==": " == ", "!=": " != ", "column": ", ",
    "=": " = ", "≈": " ~ ", "→": " -> ", "≥": " >= ", "≤": " <= ",
}  # fmt: skip


def write(formula: Formula, spelling: Spelling | None = None) -> str:
    """The formula in plain ASCII (as far as its names are); `spelling` makes no difference."""
    return _SHAPES.write(formula)


def spell(node: Node) -> str:
    match node:
        case Digits(_, _, power):
            return node.mantissa if power is None else f"{node.mantissa}e{power}"
        case Word(text):
            return visible(text)
        case Operator():
            return sign(node)
        case Row(parts):
            return "".join(map(spell, parts))
        case Called(function):
            return function.plain
        case Fence(kind, inside):
            left, right = ends(kind)
            return f"{left}{spell(inside)}{right}"
        case Script(base, _, above):
            return f"{spell(base)}^{spell(above)}" if above else spell(base)
        case Grid(_, rows):
            return f"[{'; '.join(', '.join(map(spell, entries)) for entries in rows)}]"
        case Under(base, sides):
            return spell(base) + beneath(sides)
        case Blank(unseen):
            return " " * len(spell(unseen))
        case Named() | Fraction():
            raise ValueError("no formula is typed with this")
        case _:
            assert_never(node)


def sign(operator: Operator) -> str:
    return SIGNS[operator.sign]


def ends(kind: str) -> tuple[str, str]:
    """The brackets of a fence."""
    return ("[", "]") if kind in ("indicator", "entries") else ("(", ")")


def beneath(sides: Sequence[Word]) -> str:
    """The shape of a matrix that stands in a line."""
    return f"<{'x'.join(map(spell, sides))}>"


def mark(above: Node) -> str | None:
    """What is raised stands behind `^`."""
    return None


_SHAPES = Shapes(Typed(), spell)
