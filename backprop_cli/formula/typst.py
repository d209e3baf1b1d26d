"""Typst mathematics: `w_(11)^((2)) ⋅ x_1`, `frac(∂ L, ∂ hat(y))`.

The result stands between `$` signs. Names are quoted strings unless they are single letters, so
nothing in an unknown name is markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import assert_never

from backprop_cli.formula.functions import Function
from backprop_cli.formula.nodes import Call, Formula, Name, Number, Relation
from backprop_cli.formula.notation import (
    Factor,
    Form,
    Level,
    Printer,
    has_superscript,
    visible,
)
from backprop_cli.formula.spelling import GREEK, LATIN, Derivative, Glyph, Spelling, Symbol

RELATIONS: dict[Relation, str] = {
    "<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠",
}  # fmt: skip


def write(formula: Formula, spelling: Spelling | None = None) -> str:
    """The formula as Typst for math mode."""
    return Typst(spelling).text(formula)


def pieces(formula: Formula, spelling: Spelling | None = None) -> list[str]:
    """The same in pieces, between which a line may be broken."""
    return Typst(spelling).pieces(formula)


def quoted(text: str) -> str:
    """Any text as upright words; inside the quotes only `\\` and `"` mean something."""
    written = visible(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{written}"'


def word(text: str) -> str:
    text = GREEK.get(text, text)
    if len(text) == 1 and (text in LATIN or (text.isascii() and text.isalnum())):
        return text
    if text.isascii() and text.isdecimal():
        return text
    return quoted(text)


def _script(text: str) -> str:
    return "(" + ",".join(word(part) for part in text.split(",") if part) + ")"


@lru_cache(maxsize=16384)
def glyph_text(glyph: Glyph, mark: str = "") -> str:
    """A quantity's name; `mark` joins its superscript (a transposition)."""
    match glyph:
        case Symbol():
            return _symbol(glyph, mark)
        case Derivative(numerator, denominator, again=other):
            above, below = f"∂ {glyph_text(numerator)}", f"∂ {glyph_text(denominator)}"
            if other is not None:
                above = f"∂^2 {glyph_text(numerator)}"
                below += "^2" if other == denominator else f" thin ∂ {glyph_text(other)}"
            text = f"frac({above}, {below})"
            marks = ['"new"'] * glyph.new + [mark] * bool(mark)
            if marks:
                text += f"^({' '.join(marks)})"
            return text if glyph.sample is None else f"{text}[{glyph.sample}]"
        case _:
            assert_never(glyph)


def _symbol(glyph: Symbol, mark: str) -> str:
    text = word(glyph.base)
    if glyph.hat:
        text = f"hat({text})"
    if glyph.tilde:
        text = f"tilde({text})"
    marks = [
        *([_script(glyph.superscript)[1:-1].join(glyph.fence)] if glyph.superscript else []),
        *(['"new"'] if glyph.new else []),
        *([mark] if mark else []),
    ]
    if glyph.subscript:
        text += f"_{_script(glyph.subscript)}"
    if marks:
        text += f"^({' thin '.join(marks)})"
    if glyph.of is not None:
        text += f" [{glyph_text(glyph.of)}]"
    return text if glyph.sample is None else f"{text}[{glyph.sample}]"


class Typst(Printer):
    stacked = True

    def number(self, mantissa: str, exponent: str) -> str:
        if not exponent:
            return mantissa
        return f"{mantissa} × 10^({exponent})"

    def name(self, name: str) -> str:
        return glyph_text(self.spelling(name))

    def level(self, formula: Formula) -> Level:
        if isinstance(formula, Number) and "e" in formula.text.lower():
            return min(super().level(formula), Level.QUOTIENT)
        if isinstance(formula, Call) and formula.function == "exp":
            return Level.POWER
        return super().level(formula)

    def negative(self, operand: str) -> str:
        return "-" + operand

    def continued(self, minus: bool, term: str) -> str:
        return (" - " if minus else " + ") + term

    def joined(self, factor: Factor, tight: bool) -> str:
        return {"first": "", "dot": " ⋅ ", "beside": " "}[factor.join] + factor.text

    def quotient(self, numerator: str, denominator: str) -> str:
        return f"frac({numerator}, {denominator})"

    def power_base(self, base: Formula) -> str:
        if isinstance(base, Name) and has_superscript(self.spelling(base.name)):
            return self.brackets(self.text(base))
        return super().power_base(base)

    def power(self, base: str, exponent: Formula) -> str:
        return f"{base}^({self.text(exponent)})"

    def call(self, function: Function, arguments: Sequence[Formula]) -> str:
        if function.constant:
            return function.unicode
        if function.name == "exp":
            return f"e^({self.text(arguments[0])})"
        if function.name == "sqrt":
            return f"sqrt({self.text(arguments[0])})"
        written = ", ".join(self.arguments(arguments))
        if function.name == "abs":
            return f"abs({written})"
        return f"{function.typst}({written})"

    def comparison(self, left: str, relation: Relation, right: str) -> str:
        return f"{left} {RELATIONS[relation]} {right}"

    def conditional(self, branches: Sequence[tuple[str, str]], otherwise: str) -> str:
        rows = [f'{then} &quad "if" {condition}' for then, condition in branches]
        return f'cases({", ".join(rows)}, {otherwise} &quad "otherwise")'

    def matrix(self, rows: Sequence[Sequence[str]]) -> str:
        return f'mat(delim: "[", {"; ".join(", ".join(row) for row in rows)})'

    def shown(self, form: Form, operands: Sequence[Formula]) -> str:
        return _SHOWN[form](self, operands)

    def brackets(self, text: str) -> str:
        return f"({text})"

    def indicator(self, comparison: str) -> str:
        return f"[{comparison}]"


def _transpose(printer: Typst, operands: Sequence[Formula]) -> str:
    operand, mark = operands[0], "upright(T)"
    if isinstance(operand, Name) and isinstance(printer.spelling(operand.name), Symbol):
        return glyph_text(printer.spelling(operand.name), mark)
    return f"{printer.fit(operand, Level.ATOM)}^({mark})"


def _hadamard(printer: Typst, operands: Sequence[Formula]) -> str:
    return " ⊙ ".join(printer.fit(operand, Level.QUOTIENT) for operand in operands)


def _matmul(printer: Typst, operands: Sequence[Formula]) -> str:
    return " thin ".join(printer.fit(operand, Level.QUOTIENT) for operand in operands)


def _correlation(printer: Typst, operands: Sequence[Formula]) -> str:
    return " ∗ ".join(printer.fit(operand, Level.QUOTIENT) for operand in operands)


def _full(printer: Typst, operands: Sequence[Formula]) -> str:
    return ' ∗_"full" '.join(printer.fit(operand, Level.QUOTIENT) for operand in operands)


def _entries(printer: Typst, operands: Sequence[Formula]) -> str:
    what, *places = operands
    return f"{printer.fit(what, Level.ATOM)} [{', '.join(map(printer.text, places))}]"


def _shape(printer: Typst, operands: Sequence[Formula]) -> str:
    formula, shape = operands
    name = shape.name if isinstance(shape, Name) else ""
    below = " × ".join(word(side) for side in name.split("×"))
    return f"limits({printer.fit(formula, Level.ATOM)})_({below})"


def _applied(printer: Typst, operands: Sequence[Formula]) -> str:
    what, *arguments = map(printer.text, operands)
    return f"{what} ({', '.join(arguments)})"


_SHOWN = {
    "transpose": _transpose,
    "hadamard": _hadamard,
    "matmul": _matmul,
    "correlation": _correlation,
    "full": _full,
    "entries": _entries,
    "shape": _shape,
    "applied": _applied,
}
