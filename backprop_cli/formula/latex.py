r"""LaTeX mathematics (with amsmath): `w^{(2)}_{11} \cdot x_1`, `\frac{\partial L}{\partial \hat{y}}`.

The result stands between `$` signs or in a display; it holds no line break and no `&` outside
`cases` and `bmatrix`. Unknown names are escaped, so nothing in them is a command.
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
from backprop_cli.formula.spelling import GREEK, Derivative, Glyph, Spelling, Symbol

RELATIONS: dict[Relation, str] = {
    "<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "=", "!=": r"\ne",
}  # fmt: skip
_COMMANDS = {letter: "\\" + word for word, letter in GREEK.items()}
_COMMANDS["ε"] = r"\varepsilon"
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
}  # fmt: skip
TALL = (r"\frac", r"\begin", r"\underset", r"\left")


def write(formula: Formula, spelling: Spelling | None = None) -> str:
    """The formula as LaTeX for math mode."""
    return Latex(spelling).text(formula)


def pieces(formula: Formula, spelling: Spelling | None = None) -> list[str]:
    """The same in pieces, between which a line may be broken."""
    return Latex(spelling).pieces(formula)


def escape(text: str) -> str:
    r"""Any text for use inside `\text{…}`; what LaTeX has no letter for is a question mark."""
    written = "".join(_ESCAPES.get(char, char) for char in visible(text))
    return "".join(
        rf"\ensuremath{{{_COMMANDS[char]}}}" if char in _COMMANDS
        else char if ord(char) < 0x250 else "?"
        for char in written
    )  # fmt: skip


def word(text: str) -> str:
    """A name of letters, upright if it is more than one; Greek as its command."""
    if text in _COMMANDS:
        return _COMMANDS[text]
    if len(text) == 1 and text.isascii() and text.isalpha():
        return text
    if text.isascii() and text.isalpha():
        return rf"\mathrm{{{text}}}"
    return rf"\text{{{escape(text)}}}"


@lru_cache(maxsize=16384)
def glyph_text(glyph: Glyph, mark: str = "") -> str:
    """A quantity's name; `mark` joins the layer in the superscript (a transposition)."""
    match glyph:
        case Symbol():
            return _symbol(glyph, mark)
        case Derivative(numerator, denominator, again=other):
            above, below = (
                rf"\partial {glyph_text(numerator)}",
                rf"\partial {glyph_text(denominator)}",
            )
            if other is not None:
                above = rf"\partial^2 {glyph_text(numerator)}"
                below += "^2" if other == denominator else rf"\,\partial {glyph_text(other)}"
            text = rf"\frac{{{above}}}{{{below}}}"
            if glyph.sample is not None:
                text += f"[{glyph.sample}]"
            marks = [r"\mathrm{new}"] * glyph.new + [mark] * bool(mark)
            return text + (_superscript(marks) if marks else "")
        case _:
            assert_never(glyph)


def _symbol(glyph: Symbol, mark: str) -> str:
    base = word(glyph.base)
    if glyph.hat:
        wide = len(glyph.base) > 1
        base = rf"\widehat{{{base}}}" if wide else rf"\hat{{{base}}}"
    if glyph.tilde:
        base = rf"\tilde{{{base}}}"
    marks = [
        *([_script(glyph.superscript).join(glyph.fence)] if glyph.superscript else []),
        *([r"\mathrm{new}"] if glyph.new else []),
        *([mark] if mark else []),
    ]
    text = base
    if marks:
        text += _superscript(marks)
    if glyph.subscript:
        written = _script(glyph.subscript)
        text += f"_{written}" if len(written) == 1 else f"_{{{written}}}"
    if glyph.of is not None:
        text += rf"\left[{glyph_text(glyph.of)}\right]"
    return text if glyph.sample is None else f"{text}[{glyph.sample}]"


def _superscript(marks: Sequence[str]) -> str:
    joined = r"\,".join(marks)
    return f"^{{{joined}}}"


def _script(text: str) -> str:
    """A subscript or superscript: parts between commas are digits, letters or words."""
    return ",".join(
        part if part.isascii() and part.isdecimal() else word(_greek(part))
        for part in text.split(",")
        if part
    )


def _greek(text: str) -> str:
    return GREEK.get(text, text)


class Latex(Printer):
    stacked = True

    def number(self, mantissa: str, exponent: str) -> str:
        if not exponent:
            return mantissa
        return rf"{mantissa} \times 10^{{{exponent}}}"

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
        return (r" \cdot " if factor.join == "dot" else "") + factor.text

    def quotient(self, numerator: str, denominator: str) -> str:
        return rf"\frac{{{numerator}}}{{{denominator}}}"

    def power_base(self, base: Formula) -> str:
        if isinstance(base, Name) and has_superscript(self.spelling(base.name)):
            return self.brackets(self.text(base))
        return super().power_base(base)

    def power(self, base: str, exponent: Formula) -> str:
        written = self.text(exponent)
        return f"{base}^{written}" if len(written) == 1 else f"{base}^{{{written}}}"

    def call(self, function: Function, arguments: Sequence[Formula]) -> str:
        if function.constant:
            return function.latex
        if function.name == "exp":
            return f"e^{{{self.text(arguments[0])}}}"
        if function.name == "sqrt":
            return rf"\sqrt{{{self.text(arguments[0])}}}"
        written = ", ".join(self.arguments(arguments))
        if function.name == "abs":
            return rf"\left|{written}\right|"
        return function.latex + self.brackets(written)

    def comparison(self, left: str, relation: Relation, right: str) -> str:
        return f"{left} {RELATIONS[relation]} {right}"

    def conditional(self, branches: Sequence[tuple[str, str]], otherwise: str) -> str:
        rows = [rf"{then} & \text{{if }} {condition}" for then, condition in branches]
        rows.append(rf"{otherwise} & \text{{otherwise}}")
        body = r" \\ ".join(rows)
        return rf"\begin{{cases}} {body} \end{{cases}}"

    def matrix(self, rows: Sequence[Sequence[str]]) -> str:
        body = r" \\ ".join(" & ".join(row) for row in rows)
        return rf"\begin{{bmatrix}} {body} \end{{bmatrix}}"

    def shown(self, form: Form, operands: Sequence[Formula]) -> str:
        return _SHOWN[form](self, operands)

    def brackets(self, text: str) -> str:
        if any(part in text for part in TALL):
            return rf"\left({text}\right)"
        return f"({text})"

    def indicator(self, comparison: str) -> str:
        return rf"\left[{comparison}\right]"


def _transpose(printer: Latex, operands: Sequence[Formula]) -> str:
    operand, mark = operands[0], r"\mathsf{T}"
    if isinstance(operand, Name) and isinstance(printer.spelling(operand.name), Symbol):
        return glyph_text(printer.spelling(operand.name), mark)
    return f"{printer.fit(operand, Level.ATOM)}^{{{mark}}}"


def _hadamard(printer: Latex, operands: Sequence[Formula]) -> str:
    return r" \odot ".join(printer.fit(operand, Level.QUOTIENT) for operand in operands)


def _matmul(printer: Latex, operands: Sequence[Formula]) -> str:
    return r"\,".join(printer.fit(operand, Level.QUOTIENT) for operand in operands)


def _correlation(printer: Latex, operands: Sequence[Formula]) -> str:
    return r" \ast ".join(printer.fit(operand, Level.QUOTIENT) for operand in operands)


def _full(printer: Latex, operands: Sequence[Formula]) -> str:
    sign = r" \mathbin{\ast_{\mathrm{full}}} "
    return sign.join(printer.fit(operand, Level.QUOTIENT) for operand in operands)


def _entries(printer: Latex, operands: Sequence[Formula]) -> str:
    what, *places = operands
    return rf"{printer.fit(what, Level.ATOM)}[{', '.join(map(printer.text, places))}]"


def _shape(printer: Latex, operands: Sequence[Formula]) -> str:
    formula, shape = operands
    name = shape.name if isinstance(shape, Name) else printer.text(shape)
    below = r" \times ".join(_script(side) for side in name.split("×"))
    return rf"\underset{{{below}}}{{{printer.fit(formula, Level.ATOM)}}}"


def _applied(printer: Latex, operands: Sequence[Formula]) -> str:
    what, *arguments = map(printer.text, operands)
    return rf"{what}({', '.join(arguments)})"


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
