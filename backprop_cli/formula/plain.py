"""Plain text: `w1*x1 + b1`. Names are written as they are, and `parse` reads the same tree back."""

from __future__ import annotations

from collections.abc import Sequence

from backprop_cli.formula.functions import Function
from backprop_cli.formula.nodes import Formula, Name, Relation
from backprop_cli.formula.notation import Factor, Form, Level, Printer, visible
from backprop_cli.formula.spelling import Spelling


def write(formula: Formula, spelling: Spelling | None = None) -> str:
    """The formula in plain ASCII (as far as its names are); `spelling` makes no difference."""
    return _PRINTER.text(formula)


class Plain(Printer):
    juxtaposes = False

    def number(self, mantissa: str, exponent: str) -> str:
        return f"{mantissa}e{exponent}" if exponent else mantissa

    def name(self, name: str) -> str:
        return visible(name)

    def name_level(self, name: str) -> Level:
        return Level.QUOTIENT if "/" in name else Level.ATOM

    def _derivative(self, factor: Formula) -> bool:
        return isinstance(factor, Name) and "/" in factor.name

    def negative(self, operand: str) -> str:
        return "-" + operand

    def continued(self, minus: bool, term: str) -> str:
        return (" - " if minus else " + ") + term

    def joined(self, factor: Factor, tight: bool) -> str:
        return factor.text if factor.join == "first" else "*" + factor.text

    def quotient(self, numerator: str, denominator: str) -> str:
        return f"{numerator}/{denominator}"

    def power(self, base: str, exponent: Formula) -> str:
        return f"{base}^{self.fit(exponent, Level.ATOM)}"

    def call(self, function: Function, arguments: Sequence[Formula]) -> str:
        if function.constant:
            return function.plain
        return f"{function.plain}({', '.join(self.arguments(arguments))})"

    def comparison(self, left: str, relation: Relation, right: str) -> str:
        return f"{left} {relation} {right}"

    def conditional(self, branches: Sequence[tuple[str, str]], otherwise: str) -> str:
        ((then, condition),) = branches
        return f"{then} if {condition} else {otherwise}"

    def matrix(self, rows: Sequence[Sequence[str]]) -> str:
        return f"[{'; '.join(', '.join(row) for row in rows)}]"

    def shown(self, form: Form, operands: Sequence[Formula]) -> str:
        return _SHOWN[form](self, operands)

    def brackets(self, text: str) -> str:
        return f"({text})"

    def indicator(self, comparison: str) -> str:
        return f"[{comparison}]"


def _transpose(printer: Plain, operands: Sequence[Formula]) -> str:
    return printer.fit(operands[0], Level.ATOM) + "^T"


def _hadamard(printer: Plain, operands: Sequence[Formula]) -> str:
    return " .* ".join(printer.fit(operand, Level.POWER) for operand in operands)


def _matmul(printer: Plain, operands: Sequence[Formula]) -> str:
    return " @ ".join(printer.fit(operand, Level.POWER) for operand in operands)


def _correlation(printer: Plain, operands: Sequence[Formula]) -> str:
    return " (*) ".join(printer.fit(operand, Level.POWER) for operand in operands)


def _full(printer: Plain, operands: Sequence[Formula]) -> str:
    return " (*full) ".join(printer.fit(operand, Level.POWER) for operand in operands)


def _entries(printer: Plain, operands: Sequence[Formula]) -> str:
    what, *places = operands
    return f"{printer.fit(what, Level.ATOM)}[{', '.join(map(printer.text, places))}]"


def _shape(printer: Plain, operands: Sequence[Formula]) -> str:
    formula, shape = operands
    written = shape.name if isinstance(shape, Name) else printer.text(shape)
    return f"{printer.fit(formula, Level.ATOM)}<{visible(written).replace('×', 'x')}>"


def _applied(printer: Plain, operands: Sequence[Formula]) -> str:
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

_PRINTER = Plain()
