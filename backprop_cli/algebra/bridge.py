"""Between the written tree and SymPy. Names never reach SymPy: it sees numbered symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, assert_never, cast

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
    Relation,
    Shown,
    Sum,
)

_DIGITS = 200
_EXPONENT = 64


class Beyond(ValueError):
    """The formula is outside what is handed to SymPy: too large a number, or a matrix."""


def to_sympy(
    formula: Formula,
    symbol: Callable[[str], Any],
    functions: Mapping[str, Callable[..., Any]],
    found: dict[int, Any] | None = None,
) -> Any:
    """The formula as a SymPy expression; `symbol` gives each name's symbol.

    `found` takes down what each part came to, by the part's id.

    Raises Beyond for a number or a power of numbers that SymPy would take long to write out.
    """
    import sympy

    def convert(node: Formula) -> Any:
        expression = _convert(node)
        if found is not None:
            found[id(node)] = expression
        return expression

    def _convert(node: Formula) -> Any:
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
                sides = (convert(condition.left), convert(condition.right))
                return choice(condition.relation)(*sides, convert(then), convert(otherwise))
            case Comparison() | Matrix() | Shown():
                raise Beyond("no expression")
            case _:
                assert_never(node)

    def _power(base: Any, exponent: Any) -> Any:
        if base.is_number and exponent.is_number:
            large = not exponent.is_Rational or abs(exponent) > _EXPONENT
            if large or base.count_ops() > 10 or len(str(base)) * abs(exponent) > _DIGITS:
                raise Beyond("a power of numbers is too large")
        elif exponent.is_number and abs(exponent) > _EXPONENT:
            raise Beyond("an exponent is too large")
        return base**exponent

    return convert(formula)


@lru_cache(maxsize=8)
def choice(relation: Relation) -> Any:
    """`then if left relation right else otherwise`, as a function of these four.

    SymPy's own Piecewise compares and merges the conditions of its parts: time doubles with each
    case inside another. `piecewise` gives it where SymPy is to reason about the cases.
    """
    import sympy

    @sympy.cacheit  # type: ignore[untyped-decorator]
    def derivative(self: Any, symbol: Any) -> Any:
        left, right, then, otherwise = self.args
        then, otherwise = then.diff(symbol), otherwise.diff(symbol)
        return then if then == otherwise else self.func(left, right, then, otherwise)

    found = type(f"choice{relation}", (sympy.Function,), {"_eval_derivative": derivative})
    found.relation = relation  # type: ignore[attr-defined]
    return found


def piecewise(expression: Any) -> Any:
    """The expression with every choice as SymPy's Piecewise."""
    import sympy

    relations = dict(
        zip(RELATIONS, (sympy.Lt, sympy.Le, sympy.Gt, sympy.Ge, sympy.Eq, sympy.Ne), strict=True)
    )

    def cases(relation: Relation) -> Callable[..., Any]:
        def make(left: Any, right: Any, then: Any, otherwise: Any) -> Any:
            return sympy.Piecewise((then, relations[relation](left, right)), (otherwise, True))

        return make

    for relation in RELATIONS:
        expression = expression.replace(choice(relation), cases(relation))
    return expression


RELATIONS: tuple[Relation, ...] = ("<", "<=", ">", ">=", "==", "!=")


def from_sympy(expression: Any, names: Mapping[Any, Formula], decimals: bool = False) -> Formula:
    """A SymPy expression as it would be written; `names` are the symbols in writing order.

    Terms and factors follow the order of the symbols in them; numbers come last in a sum and
    first in a product; negative exponents make a quotient. `names` may also say how larger parts
    are written, and where among the factors they stand.
    """
    import sympy

    writer = Writer(decimals)
    place = {part: index for index, part in enumerate(names)}

    def order(part: Any) -> tuple[bool, bool, int, str]:
        base = part.base if part.is_Pow and part not in place else part
        for written in (base, -base):
            if written in place:
                return (False, False, place[written], "")
        places = [place[symbol] for symbol in part.free_symbols]
        return (not places, True, min(places, default=0), sympy.srepr(part))

    def term_order(part: Any) -> tuple[bool, list[int], str]:
        places = sorted(place[symbol] for symbol in part.free_symbols)
        return (not places, places, sympy.srepr(part))

    def convert(node: Any) -> Formula:
        if node in names:
            return names[node]
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
        if node.is_Pow and node.exp.is_Rational and node not in names:
            exponent = Fraction(int(node.exp.p), int(node.exp.q))
            opposite = -node.base
            if exponent.denominator == 1 and node.base not in names and opposite in names:
                sign = Fraction(-1 if exponent.numerator % 2 else 1)
                return Monomial(sign, ((names[opposite], exponent),))
            return Monomial(Fraction(1), ((convert(node.base), exponent),))
        if node not in names and -node in names:
            return Monomial(Fraction(-1), ((names[-node], Fraction(1)),))
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
            arguments = tuple(map(convert, node.args))
            if isinstance(relation := getattr(node, "relation", None), str):
                left, right, then, otherwise = arguments
                comparison = Comparison(left, cast(Relation, relation), right)
                return Conditional(comparison, then, otherwise)
            function = type(node).__name__
            return Call("ln" if function == "log" else function, arguments)
        if node.is_Add:
            return convert(node)
        raise Beyond(f"{type(node).__name__} is not written on sheets")

    return convert(expression)
