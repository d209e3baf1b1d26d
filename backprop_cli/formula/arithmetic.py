"""Arithmetic on values: exact fractions while they stay small, IEEE floats from there on.

Nothing here raises: overflow is `inf`, 0/0 is `nan`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

from backprop_cli.formula.functions import INF, NAN, exact_root
from backprop_cli.formula.nodes import Call, Formula, Negative, Relation

Value: TypeAlias = Fraction | float

BITS = 256  # a fraction with more than this above or below goes on as a float
LARGEST_EXACT_EXPONENT = 64
_LOGARITHMS = frozenset({"ln", "log", "log1p"})

COMPARE: Mapping[Relation, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
"""What a relation asks of two numbers of any kind, or of arrays of them."""


def as_float(value: Value) -> float:
    """The nearest float; infinite where a fraction is out of range."""
    try:
        return float(value)
    except OverflowError:
        return INF if value > 0 else -INF


def bounded(value: Value) -> Value:
    """The value itself, as a float when it is a fraction too long to be worth keeping."""
    if (
        isinstance(value, Fraction)
        and value.numerator.bit_length() <= BITS
        and value.denominator.bit_length() <= BITS
    ):
        return value
    return as_float(value)


def round_to(value: Value, digits: int) -> Value:
    """The value rounded to `digits` significant digits, halves away from zero as on paper."""
    if value == 0 or (isinstance(value, float) and not math.isfinite(value)):
        return value
    return Fraction(rounded(value, digits))


def rounded(value: Value | Decimal, digits: int) -> Decimal:
    """A finite value as a decimal of at most `digits` significant digits.

    A float stands for the shortest decimal that names it: 0.125 is a half to round.
    """
    if isinstance(value, float):
        return _to(digits).create_decimal(repr(value))
    if isinstance(value, Decimal):
        return _to(digits).plus(value)
    return _to(digits).divide(Decimal(value.numerator), Decimal(value.denominator))


@lru_cache
def _to(digits: int) -> Context:
    """Arithmetic with so many digits."""
    return Context(prec=digits, rounding=ROUND_HALF_UP)


@lru_cache(maxsize=65536)
def number(text: str) -> Value:
    """The value of a number as it is written."""
    mantissa, _, exponent = text.lower().partition("e")
    # `1e999999999` must not be written out as a fraction.
    if exponent and abs(int(exponent)) > 2 * BITS:
        return float(text)
    if len(mantissa) > 4 * BITS:
        return float(text)
    return bounded(Fraction(Decimal(text)))


def quotient(above: Value, below: Value) -> Value:
    """Division as IEEE defines it for floats: 1/0 is `inf`, 0/0 is `nan`."""
    if below == 0:
        if above == 0 or above != above:
            return NAN
        # Only a float has a negative zero.
        negative = math.copysign(1.0, below) < 0 if isinstance(below, float) else False
        return -INF if (above < 0) != negative else INF
    if above == 0 and type(above) is Fraction and below == below:
        return above  # exactly 0, whatever the other may be
    return bounded(above / below)


def power(base: Value, exponent: Value) -> Value:
    """base^exponent: exact for small whole exponents; `nan` for a root of a negative number."""
    if isinstance(exponent, float) and exponent.is_integer() and abs(exponent) <= 2**53:
        exponent = Fraction(int(exponent))
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        whole = exponent.numerator if exponent.denominator == 1 else None
        if whole is not None and abs(whole) <= LARGEST_EXACT_EXPONENT:
            if base == 0 and whole < 0:
                return INF
            size = max(base.numerator.bit_length(), base.denominator.bit_length())
            if (size - 1) * abs(whole) <= BITS:
                return bounded(base**whole)
        if exponent.denominator == 2 and exponent.numerator == 1:
            root = exact_root(base)
            if root is not None:
                return root
    return float_power(as_float(base), as_float(exponent))


def float_power(base: float, exponent: float) -> float:
    """C's `pow`: never an exception, never a complex number."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        odd = exponent.is_integer() and exponent % 2 == 1
        return -INF if base < 0 and odd else INF
    except ValueError:
        if base == 0:
            odd = exponent.is_integer() and exponent % 2 == 1
            return math.copysign(INF, base) if odd else INF
        return NAN


def is_logarithm(factor: Formula) -> bool:
    """Whether a factor is a logarithm, perhaps with a minus sign."""
    while isinstance(factor, Negative):
        factor = factor.operand
    return isinstance(factor, Call) and factor.function in _LOGARITHMS
