"""Between the written tree and SymPy. Names never reach SymPy: it sees numbered symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, assert_never

from backprop_cli.algebra.monomials import Monomial, Writer
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Matrix,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Shown,
    Sum,
)

_DIGITS = 200
_EXPONENT = 64


class Beyond(ValueError):
    """The formula is outside what is handed to SymPy: too large a number, or a matrix."""


def to_sympy(
    formula: Formula, symbol: Callable[[str], Any], functions: Mapping[str, Callable[..., Any]]
) -> Any:
    """The formula as a SymPy expression; `symbol` gives each name's symbol.

    Raises Beyond for a number or a power of numbers that SymPy would take long to write out.
    """
    import sympy

    def convert(node: Formula) -> Any:
        match node:
            case Number(text):
                mantissa, _, exponent = text.lower().partition("e")
                if len(mantissa) > _DIGITS or (exponent and abs(int(exponent)) > _DIGITS):
                    raise Beyond("a number is too long")
                return sympy.Rational(node.value.numerator, node.value.denominator)
            case Name(name):
                return symbol(name)
            case Sum(terms):
                return sympy.Add(*map(convert, terms))
            case Product(factors):
                return sympy.Mul(*map(convert, factors))
            case Quotient(numerator, denominator):
                return convert(numerator) / convert(denominator)
            case Negative(operand):
                return -convert(operand)
            case Power(base, exponent):
                return _power(convert(base), convert(exponent))
            case Call("pi", ()):
                return sympy.pi
            case Call("e", ()):
                return sympy.E
            case Call(function, arguments):
                if function not in functions:
                    raise Beyond(f"{function} is not known to SymPy")
                return functions[function](*map(convert, arguments))
            case Conditional(condition, then, otherwise):
                holds = relation(condition)
                return sympy.Piecewise((convert(then), holds), (convert(otherwise), True))
            case Comparison() | Matrix() | Shown():
                raise Beyond("no expression")
            case _:
                assert_never(node)

    def relation(node: Comparison) -> Any:
        left, right = convert(node.left), convert(node.right)
        return _relations()[node.relation](left, right)

    def _power(base: Any, exponent: Any) -> Any:
        if base.is_number and exponent.is_number:
            large = not exponent.is_Rational or abs(exponent) > _EXPONENT
            if large or base.count_ops() > 10 or len(str(base)) * abs(exponent) > _DIGITS:
                raise Beyond("a power of numbers is too large")
        elif exponent.is_number and abs(exponent) > _EXPONENT:
            raise Beyond("an exponent is too large")
        return base**exponent

    return convert(formula)


def _relations() -> dict[str, Any]:
    import sympy

    return {
        "<": sympy.Lt,
        "<=": sympy.Le,
        ">": sympy.Gt,
        ">=": sympy.Ge,
        "==": sympy.Eq,
        "!=": sympy.Ne,
    }


def from_sympy(expression: Any, names: Mapping[Any, Formula], decimals: bool = False) -> Formula:
    """A SymPy expression as it would be written; `names` are the symbols in writing order.

    Terms and factors follow the order of the symbols in them; numbers come last in a sum and
    first in a product; negative exponents make a quotient.
    """
    import sympy

    writer = Writer(decimals)
    place = {symbol: index for index, symbol in enumerate(names)}

    def order(part: Any) -> tuple[bool, bool, int, str]:
        places = [place[symbol] for symbol in part.free_symbols]
        composite = not (part.is_Symbol or (part.is_Pow and part.base.is_Symbol))
        return (not places, composite, min(places, default=0), sympy.srepr(part))

    def term_order(part: Any) -> tuple[bool, list[int], str]:
        places = sorted(place[symbol] for symbol in part.free_symbols)
        return (not places, places, sympy.srepr(part))

    def convert(node: Any) -> Formula:
        return writer.sum(map(monomial, sorted(sympy.Add.make_args(node), key=term_order)))

    def monomial(node: Any) -> Monomial:
        coefficient, rest = node.as_coeff_Mul(rational=True)
        result = Monomial(Fraction(int(coefficient.p), int(coefficient.q)))
        if rest == 1:
            return result
        for part in sorted(sympy.Mul.make_args(rest), key=order):
            result = result * power(part)
        return result

    def power(node: Any) -> Monomial:
        if node.is_Pow and node.exp.is_Rational:
            exponent = Fraction(int(node.exp.p), int(node.exp.q))
            return Monomial(Fraction(1), ((convert(node.base), exponent),))
        return Monomial(Fraction(1), ((atom(node), Fraction(1)),))

    def atom(node: Any) -> Formula:
        if node in names:
            return names[node]
        if node is sympy.pi:
            return Call("pi", ())
        if node is sympy.E:
            return Call("e", ())
        if node.is_Pow:
            return Power(convert(node.base), convert(node.exp))
        if node.is_Function:
            function = type(node).__name__
            return Call("ln" if function == "log" else function, tuple(map(convert, node.args)))
        if node.is_Add:
            return convert(node)
        raise Beyond(f"{type(node).__name__} is not written on sheets")

    return convert(expression)
