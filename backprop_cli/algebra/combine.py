"""Cancelling: (−y/a + (1 − y)/(1 − a))·a(1 − a) is a − y."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from backprop_cli.algebra.bridge import Beyond, from_sympy, to_sympy
from backprop_cli.algebra.monomials import has_decimals
from backprop_cli.formula.build import children, names_in, rebuild, rename, size
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Matrix,
    Name,
    Number,
    Power,
    Shown,
)

_LARGEST_COMBINED = 200  # nodes; what is larger is left as it is
_MOST_PARTS = 12
_HIGHEST_DEGREE = 8


def combine(formula: Formula) -> Formula | None:
    """The product with everything cancelled, in the author's order; None if that is not simpler."""
    names = names_in(formula)
    position = {own: f"v{index}" for index, own in enumerate(names)}
    if (combined := _combine(rename(formula, position.__getitem__))) is None:
        return None
    return rename(combined, dict(zip(position.values(), names, strict=True)).__getitem__)


@lru_cache(maxsize=1024)
def _combine(formula: Formula) -> Formula | None:
    if size(formula) > _LARGEST_COMBINED:
        return None
    import sympy

    parts: dict[Formula, str] = {}
    opaque = _hide(formula, parts)
    if len(parts) > _MOST_PARTS or _degree(opaque) > _HIGHEST_DEGREE:
        return None
    symbols = {f"p{index}": sympy.Symbol(f"p{index}") for index in range(len(parts))}
    try:
        expression = sympy.cancel(to_sympy(opaque, symbols.__getitem__, {}))
    except (Beyond, sympy.PolynomialError, ArithmeticError, RecursionError):
        return None
    if expression.has(sympy.zoo, sympy.nan, sympy.oo):
        return None
    written = dict(zip(symbols.values(), parts, strict=True))
    decimals = has_decimals(formula)
    candidates = [expression, sympy.factor(expression)]
    candidates += [sympy.collect(expression, symbol) for symbol in symbols.values()]
    shortest = min((from_sympy(each, written, decimals) for each in candidates), key=size)
    return shortest if size(shortest) < size(formula) else None


def _hide(formula: Formula, parts: dict[Formula, str]) -> Formula:
    """The formula with each part that is no sum, product, quotient or whole power as a name."""
    match formula:
        case Number():
            return formula
        case Power(base, Number() as exponent) if exponent.value.denominator == 1:
            return Power(_hide(base, parts), exponent)
        case Name() | Call() | Conditional() | Comparison() | Power() | Matrix() | Shown():
            return Name(parts.setdefault(formula, f"p{len(parts)}"))
        case _:
            return rebuild(formula, lambda part: _hide(part, parts))


def _degree(formula: Formula) -> Fraction:
    match formula:
        case Name():
            return Fraction(1)
        case Number():
            return Fraction(0)
        case Power(base, Number() as exponent):
            return _degree(base) * max(Fraction(1), abs(exponent.value))
        case _:
            return sum(map(_degree, children(formula)), Fraction(0))
