"""Unicode text: `w₁₁⁽²⁾·x₁ + b₁`, `(ŷ − y) · ŷ(1 − ŷ)`, `∂L/∂w₁₁⁽²⁾`, `1.2×10⁻⁵`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import assert_never

from backprop_cli.formula.functions import Function
from backprop_cli.formula.nodes import Call, Formula, Name, Number, Power, Quotient, Relation
from backprop_cli.formula.notation import (
    Factor,
    Form,
    Level,
    Printer,
    has_superscript,
    hatted,
    visible,
    whole_exponent,
)
from backprop_cli.formula.spelling import Derivative, Glyph, Spelling, Symbol

MINUS = "−"
SUBSCRIPTS = dict(zip("0123456789+-=()aehijklmnoprstuvxβγρφχ,",
                      "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ,", strict=True))  # fmt: skip
SUPERSCRIPTS = dict(zip("0123456789+-=()abcdefghijklmnoprstuvwxyz",
                        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", strict=True))  # fmt: skip
RELATIONS: dict[Relation, str] = {
    "<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠",
}  # fmt: skip

HALF = Quotient(Number("1"), Number("2"))


def write(formula: Formula, spelling: Spelling | None = None) -> str:
    """The formula in Unicode text on one line; `notation.break_points` says where to break it."""
    return Unicode(spelling).text(formula)


@lru_cache(maxsize=16384)
def glyph_text(glyph: Glyph) -> str:
    """A quantity's name as it is shown: w₁₃⁽²⁾, ∂L/∂ŷ, z₁⁽²⁾[2], v[w₁₃⁽²⁾]."""
    match glyph:
        case Symbol():
            text = _symbol(glyph)
        case Derivative(numerator, denominator, again=other):
            text = f"∂{_part(numerator)}/∂{_part(denominator)}"
            if other is not None:
                twice = "²" if other == denominator else f"∂{_part(other)}"
                text = f"∂²{_part(numerator)}/∂{_part(denominator)}{twice}"
        case _:
            assert_never(glyph)
    if glyph.sample is not None:
        text += f"[{glyph.sample}]"
    return text + " new" if glyph.new else text


def _part(glyph: Glyph) -> str:
    """The numerator or denominator of a derivative."""
    text = glyph_text(glyph)
    return f"({text})" if isinstance(glyph, Derivative) or glyph.new else text


def _symbol(glyph: Symbol) -> str:
    base = visible(glyph.base)
    text = hatted(base) if glyph.hat else f"{base}\u0303" if glyph.tilde else base
    if glyph.subscript:
        text += subscript(glyph.subscript)
    if glyph.superscript:
        text += superscript(glyph.superscript.join(glyph.fence))
    if glyph.of is not None:
        text += f"[{glyph_text(glyph.of)}]"
    return text


def subscript(text: str) -> str:
    """As subscript characters; `_text` where Unicode lacks one of them."""
    if all(char in SUBSCRIPTS for char in text):
        return "".join(SUBSCRIPTS[char] for char in text)
    return "_" + visible(text)


def superscript(text: str) -> str:
    if all(char in SUPERSCRIPTS for char in text):
        return "".join(SUPERSCRIPTS[char] for char in text)
    return "^" + visible(text)


class Unicode(Printer):
    def number(self, mantissa: str, exponent: str) -> str:
        if not exponent:
            return mantissa
        return f"{mantissa}×10{superscript(exponent)}"

    def name(self, name: str) -> str:
        return glyph_text(self.spelling(name))

    def level(self, formula: Formula) -> Level:
        if isinstance(formula, Number) and "e" in formula.text.lower():
            return min(super().level(formula), Level.QUOTIENT)
        if isinstance(formula, Call) and formula.function == "sqrt":
            return Level.POWER
        if formula == HALF:
            return Level.POWER
        return super().level(formula)

    def text(self, formula: Formula, inside_sum: bool = False) -> str:
        return "½" if formula == HALF else super().text(formula, inside_sum)

    def negative(self, operand: str) -> str:
        return MINUS + operand

    def continued(self, minus: bool, term: str) -> str:
        return (f" {MINUS} " if minus else " + ") + term

    def joined(self, factor: Factor, tight: bool) -> str:
        if factor.join == "dot":
            return ("·" if tight else " · ") + factor.text
        return factor.text

    def quotient(self, numerator: str, denominator: str) -> str:
        return f"{numerator}/{denominator}"

    def power_base(self, base: Formula) -> str:
        if isinstance(base, Name) and has_superscript(self.spelling(base.name)):
            return self.brackets(self.text(base))
        return super().power_base(base)

    def power(self, base: str, exponent: Formula) -> str:
        digits = whole_exponent(exponent)
        if digits is not None and len(digits) <= 3:
            return base + superscript(digits)
        return f"{base}^{self.fit(exponent, Level.ATOM)}"

    def call(self, function: Function, arguments: Sequence[Formula]) -> str:
        if function.constant:
            return function.unicode
        if function.name == "sqrt":
            return function.unicode + self._root(arguments[0])
        written = ", ".join(self.arguments(arguments))
        return f"|{written}|" if function.name == "abs" else f"{function.unicode}({written})"

    def _root(self, argument: Formula) -> str:
        short = isinstance(argument, Number | Name) and self.level(argument) >= Level.ATOM
        return self.text(argument) if short else self.brackets(self.text(argument))

    def comparison(self, left: str, relation: Relation, right: str) -> str:
        return f"{left} {RELATIONS[relation]} {right}"

    def conditional(self, branches: Sequence[tuple[str, str]], otherwise: str) -> str:
        ((then, condition),) = branches
        return f"{then} if {condition} else {otherwise}"

    def matrix(self, rows: Sequence[Sequence[str]]) -> str:
        return f"[{'; '.join('  '.join(row) for row in rows)}]"

    def shown(self, form: Form, operands: Sequence[Formula]) -> str:
        return _SHOWN[form](self, operands)

    def brackets(self, text: str) -> str:
        return f"({text})"

    def indicator(self, comparison: str) -> str:
        return f"[{comparison}]"


def _transpose(printer: Unicode, operands: Sequence[Formula]) -> str:
    operand = operands[0]
    if isinstance(operand, Power):
        return printer.brackets(printer.text(operand)) + "ᵀ"
    return printer.fit(operand, Level.ATOM) + "ᵀ"


def _hadamard(printer: Unicode, operands: Sequence[Formula]) -> str:
    return " ⊙ ".join(printer.fit(operand, Level.QUOTIENT) for operand in operands)


def _matmul(printer: Unicode, operands: Sequence[Formula]) -> str:
    return " ".join(printer.fit(operand, Level.QUOTIENT) for operand in operands)


def _correlation(printer: Unicode, operands: Sequence[Formula]) -> str:
    return " ∗ ".join(printer.fit(operand, Level.QUOTIENT) for operand in operands)


def _full(printer: Unicode, operands: Sequence[Formula]) -> str:
    return " ∗full ".join(printer.fit(operand, Level.QUOTIENT) for operand in operands)


def _entries(printer: Unicode, operands: Sequence[Formula]) -> str:
    what, *places = operands
    return f"{printer.fit(what, Level.ATOM)}[{', '.join(map(printer.text, places))}]"


def _shape(printer: Unicode, operands: Sequence[Formula]) -> str:
    formula, shape = operands
    written = shape.name if isinstance(shape, Name) else printer.text(shape)
    return f"{printer.fit(formula, Level.ATOM)} {{{visible(written)}}}"


def _applied(printer: Unicode, operands: Sequence[Formula]) -> str:
    what, *arguments = map(printer.text, operands)
    return f"{what}({', '.join(arguments)})"


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
