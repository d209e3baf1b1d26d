"""MathML Core, as browsers draw it without a script: `<msubsup>`, `<mfrac>`, `<mover>`.

`write` gives a whole `<math>` element whose child is one `<mrow>`. Browsers break lines only
between `<math>` elements, so a long formula is best set as its `pieces`, each in one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
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
from backprop_cli.formula.spelling import GREEK, Derivative, Glyph, Sample, Spelling, Symbol

RELATIONS: dict[Relation, str] = {
    "<": "&lt;", "<=": "≤", ">": "&gt;", ">=": "≥", "==": "=", "!=": "≠",
}  # fmt: skip
APPLY = "<mo>\u2061</mo>"
DOT = "<mo>·</mo>"
MINUS = "<mo>−</mo>"
TALL = ("<mfrac", "<mtable", "<munder", "<msqrt")


def write(formula: Formula, spelling: Spelling | None = None) -> str:
    """The formula as a `<math>` element that stands in a line of text."""
    return math(row(formula, spelling))


def row(formula: Formula, spelling: Spelling | None = None) -> str:
    """The formula as one element, without `<math>` round it."""
    return _one(MathML(spelling).text(formula))


def pieces(formula: Formula, spelling: Spelling | None = None) -> list[str]:
    """The formula in rows between which a line may be broken, without `<math>` round them."""
    return [f"<mrow>{piece}</mrow>" for piece in MathML(spelling).pieces(formula)]


def math(*rows: str) -> str:
    return f"<math>{_one(''.join(rows))}</math>"


def _one(text: str) -> str:
    """Exactly one element, made one by an `<mrow>`."""
    return text if text.startswith("<mrow>") and _closes_at_end(text) else f"<mrow>{text}</mrow>"


def _closes_at_end(text: str) -> bool:
    """Whether the `<mrow>` that the text begins with goes on to its end."""
    depth, place = 0, 0
    while place < len(text):
        opening, closing = text.find("<mrow>", place), text.find("</mrow>", place)
        if opening != -1 and opening < closing:
            depth, place = depth + 1, opening + 6
            continue
        if closing == -1:
            return False
        depth, place = depth - 1, closing + 7
        if depth == 0:
            return place == len(text)
    return False


def _mrow(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def identifier(text: str) -> str:
    """One letter is set in italics, a word upright; a subscript of digits is a number."""
    written = escape(visible(GREEK.get(text, text)))
    if text.isdecimal():
        return f"<mn>{written}</mn>"
    return f"<mi>{written}</mi>"


def _script(text: str) -> str:
    parts = [identifier(part) for part in text.split(",") if part]
    return parts[0] if len(parts) == 1 else _mrow("<mo>,</mo>".join(parts))


@lru_cache(maxsize=16384)
def glyph_text(glyph: Glyph, mark: str = "") -> str:
    """A quantity's name as one element; `mark` joins its superscript (a transposition)."""
    match glyph:
        case Symbol():
            return _symbol(glyph, mark)
        case Derivative(numerator, denominator, again=other):
            above = _mrow("<mo>∂</mo>", glyph_text(numerator))
            below = _mrow("<mo>∂</mo>", glyph_text(denominator))
            if other is not None:
                squared = "<msup><mo>∂</mo><mn>2</mn></msup>"
                above = _mrow(squared, glyph_text(numerator))
                twice = f"<msup>{glyph_text(denominator)}<mn>2</mn></msup>"
                below = (
                    _mrow("<mo>∂</mo>", twice)
                    if other == denominator
                    else _mrow(below, "<mo>∂</mo>", glyph_text(other))
                )
            text = f"<mfrac>{above}{below}</mfrac>"
            marks = ["<mtext>new</mtext>"] * glyph.new + [mark] * bool(mark)
            if marks:
                text = f"<msup>{text}{_mrow(*marks)}</msup>"
            return _with_sample(text, glyph.sample)
        case _:
            assert_never(glyph)


def _symbol(glyph: Symbol, mark: str) -> str:
    text = identifier(glyph.base)
    if glyph.hat:
        text = f'<mover accent="true">{text}<mo stretchy="false">^</mo></mover>'
    if glyph.tilde:
        text = f'<mover accent="true">{text}<mo stretchy="false">~</mo></mover>'
    marks: list[str] = []
    if glyph.superscript:
        left, right = (f'<mo stretchy="false">{mark}</mo>' for mark in glyph.fence)
        marks += [left, _script(glyph.superscript), right]
    if glyph.new:
        marks += ['<mspace width="0.2em"></mspace>'] * bool(marks)
        marks += ["<mtext>new</mtext>"]
    marks += [mark] * bool(mark)
    above = _mrow(*marks) if len(marks) > 1 else "".join(marks)
    below = _script(glyph.subscript) if glyph.subscript else ""
    if above and below:
        text = f"<msubsup>{text}{below}{above}</msubsup>"
    elif above:
        text = f"<msup>{text}{above}</msup>"
    elif below:
        text = f"<msub>{text}{below}</msub>"
    if glyph.of is not None:
        text = _mrow(text, _fenced("[", glyph_text(glyph.of), "]"))
    return _with_sample(text, glyph.sample)


def _with_sample(text: str, sample: Sample | None) -> str:
    if sample is None:
        return text
    return _mrow(text, _fenced("[", f"<mn>{sample}</mn>" if sample != "s" else "<mi>s</mi>", "]"))


class MathML(Printer):
    stacked = True

    def number(self, mantissa: str, exponent: str) -> str:
        written = f"<mn>{escape(mantissa)}</mn>"
        if not exponent:
            return written
        digits = f"<mn>{escape(exponent.removeprefix('-'))}</mn>"
        power = _mrow(MINUS, digits) if exponent.startswith("-") else digits
        return _mrow(written, "<mo>×</mo>", f"<msup><mn>10</mn>{power}</msup>")

    def name(self, name: str) -> str:
        return glyph_text(self.spelling(name))

    def level(self, formula: Formula) -> Level:
        if isinstance(formula, Number) and "e" in formula.text.lower():
            return min(super().level(formula), Level.QUOTIENT)
        if isinstance(formula, Call) and formula.function == "exp":
            return Level.POWER
        return super().level(formula)

    def row(self, pieces: Sequence[str]) -> str:
        return _mrow(*pieces)

    def negative(self, operand: str) -> str:
        return _mrow('<mo form="prefix">−</mo>', operand)

    def continued(self, minus: bool, term: str) -> str:
        return f'<mo form="infix">{"−" if minus else "+"}</mo>{term}'

    def joined(self, factor: Factor, tight: bool) -> str:
        return (DOT if factor.join == "dot" else "") + factor.text

    def quotient(self, numerator: str, denominator: str) -> str:
        return f"<mfrac>{_one(numerator)}{_one(denominator)}</mfrac>"

    def power_base(self, base: Formula) -> str:
        if isinstance(base, Name) and has_superscript(self.spelling(base.name)):
            return self.brackets(self.text(base))
        return super().power_base(base)

    def power(self, base: str, exponent: Formula) -> str:
        return f"<msup>{_one(base)}{_one(self.text(exponent))}</msup>"

    def call(self, function: Function, arguments: Sequence[Formula]) -> str:
        word = f"<mi>{escape(function.unicode)}</mi>"
        if function.constant:
            return word
        if function.name == "exp":
            return f"<msup><mi>e</mi>{_one(self.text(arguments[0]))}</msup>"
        if function.name == "sqrt":
            return f"<msqrt>{self.text(arguments[0])}</msqrt>"
        written = "<mo>,</mo>".join(self.arguments(arguments))
        if function.name == "abs":
            return _mrow('<mo form="prefix">|</mo>', written, '<mo form="postfix">|</mo>')
        return _mrow(_slope(function.unicode), APPLY, self.brackets(written))

    def comparison(self, left: str, relation: Relation, right: str) -> str:
        return _mrow(left, f"<mo>{RELATIONS[relation]}</mo>", right)

    def conditional(self, branches: Sequence[tuple[str, str]], otherwise: str) -> str:
        rows = [
            f"<mtr>{_cell(then)}{_cell('<mtext>if&#xA0;</mtext>' + condition)}</mtr>"
            for then, condition in branches
        ]
        rows.append(f"<mtr>{_cell(otherwise)}{_cell('<mtext>otherwise</mtext>')}</mtr>")
        table = f"<mtable>{''.join(rows)}</mtable>"
        return _mrow('<mo form="prefix" stretchy="true">{</mo>', table)

    def matrix(self, rows: Sequence[Sequence[str]]) -> str:
        body = "".join(
            f"<mtr>{''.join(f'<mtd>{_one(entry)}</mtd>' for entry in entries)}</mtr>"
            for entries in rows
        )
        return _mrow("<mo>[</mo>", f"<mtable>{body}</mtable>", "<mo>]</mo>")

    def shown(self, form: Form, operands: Sequence[Formula]) -> str:
        return _SHOWN[form](self, operands)

    def brackets(self, text: str) -> str:
        return _fenced("(", text, ")")

    def indicator(self, comparison: str) -> str:
        return _fenced("[", comparison, "]")


def _fenced(opener: str, text: str, closer: str) -> str:
    """In brackets, which grow only round what is tall."""
    stretchy = "true" if any(tag in text for tag in TALL) else "false"
    return _mrow(
        f'<mo form="prefix" stretchy="{stretchy}">{opener}</mo>',
        text,
        f'<mo form="postfix" stretchy="{stretchy}">{closer}</mo>',
    )


def _cell(text: str) -> str:
    return f'<mtd style="text-align: left">{_one(text)}</mtd>'


def _slope(word: str) -> str:
    """σ′ with its prime raised as an operator, so that it is not slanted with the letter."""
    stem = word.removesuffix("′")
    name = f"<mi>{escape(stem)}</mi>"
    return name if stem == word else f"<msup>{name}<mo>′</mo></msup>"


def _transpose(printer: MathML, operands: Sequence[Formula]) -> str:
    operand, mark = operands[0], '<mi mathvariant="normal">T</mi>'
    if isinstance(operand, Name) and isinstance(printer.spelling(operand.name), Symbol):
        return glyph_text(printer.spelling(operand.name), mark)
    return f"<msup>{_one(printer.fit(operand, Level.ATOM))}{mark}</msup>"


def _hadamard(printer: MathML, operands: Sequence[Formula]) -> str:
    return _mrow("<mo>⊙</mo>".join(printer.fit(operand, Level.QUOTIENT) for operand in operands))


def _matmul(printer: MathML, operands: Sequence[Formula]) -> str:
    return _mrow(
        '<mspace width="0.15em"></mspace>'.join(
            printer.fit(operand, Level.QUOTIENT) for operand in operands
        )
    )


def _correlation(printer: MathML, operands: Sequence[Formula]) -> str:
    return _mrow("<mo>∗</mo>".join(printer.fit(operand, Level.QUOTIENT) for operand in operands))


def _full(printer: MathML, operands: Sequence[Formula]) -> str:
    sign = "<msub><mo>∗</mo><mtext>full</mtext></msub>"
    return _mrow(sign.join(printer.fit(operand, Level.QUOTIENT) for operand in operands))


def _entries(printer: MathML, operands: Sequence[Formula]) -> str:
    what, *places = operands
    inside = "<mo>,</mo>".join(map(printer.text, places))
    return _mrow(printer.fit(what, Level.ATOM), _fenced("[", inside, "]"))


def _shape(printer: MathML, operands: Sequence[Formula]) -> str:
    formula, shape = operands
    name = shape.name if isinstance(shape, Name) else ""
    below = "<mo>×</mo>".join(identifier(side) for side in name.split("×"))
    written = _one(printer.fit(formula, Level.ATOM))
    return f"<munder>{written}{_mrow(below)}</munder>"


def _applied(printer: MathML, operands: Sequence[Formula]) -> str:
    what, *arguments = map(printer.text, operands)
    return _mrow(what, _fenced("(", "<mo>,</mo>".join(arguments), ")"))


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
