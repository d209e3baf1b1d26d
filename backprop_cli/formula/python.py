"""Python source for straight-line code: made from a checked tree only, never from text.

The source follows the same IEEE arithmetic as `evaluate` on floats and never raises: what could
(division, powers, exponentials, logarithms) goes through a helper unless it is safe as it stands.
Names become the caller's identifiers; besides them it mentions only what `HELPERS` holds, whose
names all begin with `f_`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import assert_never

from backprop_cli.formula.evaluate import (
    as_float,
    evaluate,
    float_power,
    is_logarithm,
    quotient,
)
from backprop_cli.formula.functions import FUNCTIONS, ROWS
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

LARGEST_PRODUCT = 4  # x^4 is written x*x*x*x
LONGEST_CHAIN = 50  # a chain of operators is a nest for Python's compiler, a tuple is not

TEMPORARY = "f_t"


def divide(above: float, below: float) -> float:
    return above / below if below else float(quotient(above, below))


def times_logarithm(factor: float, logarithm: float) -> float:
    """Their product, where 0 times an infinite logarithm is 0."""
    return 0.0 if factor == 0 and math.isinf(logarithm) else factor * logarithm


def _identifier(function: str) -> str:
    return "f_" + function.replace("'", "_slope")


HELPERS: Mapping[str, Callable[..., float] | float] = MappingProxyType(
    {_identifier(row.name): row.numeric for row in ROWS}
    | {
        "f_divide": divide,
        "f_power": float_power,
        "f_times_logarithm": times_logarithm,
        "f_sum": sum,
        "f_product": math.prod,
        "f_math_exp": math.exp,
        "f_inf": math.inf,
        "f_nan": math.nan,
    }
)
"""What generated source needs around it; the caller executes it with these as globals."""


def write(formula: Formula, identifier: Callable[[str], str]) -> str:
    """An expression in brackets (or an atom) for `formula`, names through `identifier`."""

    def go(part: Formula) -> str:
        return write(part, identifier)

    match formula:
        case Number():
            return literal(as_float(evaluate(formula, _no_names)))
        case Name(name):
            return identifier(name)
        case Sum(terms):
            return _sum(terms, go)
        case Product(factors):
            return _product(factors, go)
        case Quotient(numerator, denominator):
            return _quotient(numerator, denominator, go)
        case Negative(operand):
            return f"(-{go(operand)})"
        case Power(base, exponent):
            return _power(base, exponent, go)
        case Call(function, arguments):
            return _call(FUNCTIONS[function].name, [go(argument) for argument in arguments])
        case Comparison():
            return f"(1.0 if {_condition(formula, go)} else 0.0)"
        case Conditional(condition, then, otherwise):
            return f"({go(then)} if {_condition(condition, go)} else {go(otherwise)})"
        case Matrix() | Shown():
            raise TypeError("a matrix is only shown, never evaluated")
        case _:
            assert_never(formula)


def literal(value: float) -> str:
    if math.isnan(value):
        return "f_nan"
    if math.isinf(value):
        return "f_inf" if value > 0 else "(-f_inf)"
    return repr(value) if value >= 0 else f"({value!r})"


def _no_names(name: str) -> float:
    raise KeyError(name)


_Go = Callable[[Formula], str]


def _sum(terms: Sequence[Formula], go: _Go) -> str:
    if len(terms) > LONGEST_CHAIN:
        return f"f_sum(({', '.join(map(go, terms))}))"
    first, *rest = terms
    text = go(first)
    for term in rest:
        text += f" - {go(term.operand)}" if isinstance(term, Negative) else f" + {go(term)}"
    return f"({text})"


def _product(factors: Sequence[Formula], go: _Go) -> str:
    logarithms = [factor for factor in factors if is_logarithm(factor)]
    if logarithms and len(factors) > 1:
        rest = list(factors)
        rest.remove(logarithms[-1])
        others = go(rest[0]) if len(rest) == 1 else _product(rest, go)
        return f"f_times_logarithm({others}, {go(logarithms[-1])})"
    if len(factors) > LONGEST_CHAIN:
        return f"f_product(({', '.join(map(go, factors))}))"
    return f"({'*'.join(map(go, factors))})"


def _quotient(numerator: Formula, denominator: Formula, go: _Go) -> str:
    if isinstance(denominator, Number) and as_float(evaluate(denominator, _no_names)) != 0:
        return f"({go(numerator)}/{go(denominator)})"
    return f"f_divide({go(numerator)}, {go(denominator)})"


def _power(base: Formula, exponent: Formula, go: _Go) -> str:
    written = go(base)
    if isinstance(exponent, Number) and exponent.text.isdecimal():
        times = int(exponent.text[:9])
        if times == 1:
            return written
        if 2 <= times <= LARGEST_PRODUCT:
            first, again = once(written)
            return f"({'*'.join([first] + [again] * (times - 1))})"
    return f"f_power({written}, {go(exponent)})"


def once(written: str) -> tuple[str, str]:
    """How to write an expression the first time and again, so that it is evaluated once."""
    if written.isidentifier():
        return written, written
    return f"({TEMPORARY} := {written})", TEMPORARY


_INLINE: Mapping[str, str] = {
    # {z} is evaluated first; below −700 the exponential of −z would overflow.
    "sigmoid": "(1.0/(1.0 + f_math_exp(-{again})) if {z} > -700.0 else f_math_exp({again}))",
    "relu": "(0.0 if {z} <= 0.0 else {again})",
    "relu'": "(1.0 if {z} > 0.0 else 0.0)",
    "identity": "{z}",
    "abs": "abs({z})",
}


def _call(function: str, arguments: Sequence[str]) -> str:
    if len(arguments) == 1 and function in _INLINE:
        first, again = once(arguments[0])
        return _INLINE[function].format(z=first, again=again)
    return f"{_identifier(function)}({', '.join(arguments)})"


def _condition(comparison: Comparison, go: _Go) -> str:
    return f"{go(comparison.left)} {comparison.relation} {go(comparison.right)}"
