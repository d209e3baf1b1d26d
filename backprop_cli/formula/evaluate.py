"""The value of a formula: exact fractions while they stay small, IEEE floats from there on.

On paper 0.5·1 − 0.3·2 + 0.1 is 0, so decimals are calculated with as fractions. Nothing here
raises on values: overflow is `inf`, ln 0 is `-inf`, 0/0 is `nan`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TypeAlias

from backprop_cli.formula.arithmetic import (
    BITS,
    COMPARE,
    Value,
    as_float,
    bounded,
    is_logarithm,
    number,
    power,
    quotient,
)
from backprop_cli.formula.defined import by_definition
from backprop_cli.formula.functions import FUNCTIONS, INF, NAN
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
from backprop_cli.formula.python import numeric

__all__ = ["Again", "Lookup", "Value", "as_float", "bounded", "evaluate", "exactly",
           "holds", "is_logarithm", "known_in", "power", "quotient"]  # fmt: skip

Lookup: TypeAlias = Callable[[str], Value]
Again: TypeAlias = Callable[[Sum, float], Value]
"""(a sum whose terms cancel in floating point, what came out) → its value"""

CANCELLED = 2.0**-24
"""A sum smaller than this share of its terms has lost half of its digits, perhaps all."""

_ZERO = Fraction(0)
_ONE = Fraction(1)
_EXTREMES = frozenset({"max", "min", "max_share", "min_share"})


def known_in(values: Mapping[str, Value | None]) -> Lookup:
    """Looks up names that have a value."""

    def lookup(name: str) -> Value:
        value = values[name]
        assert value is not None
        return value

    return lookup


def evaluate(formula: Formula, lookup: Lookup, again: Again | None = None) -> Value:
    """The value of `formula`, its names looked up by `lookup`.

    A comparison is worth 1 or 0. A product of 0 with an infinite logarithm is 0, the limit that
    log-loss is defined by. What exists only on a sheet (`Matrix`, `Shown`) raises TypeError.
    `again` is asked for every sum, and every difference that decides a comparison or a tie, of
    which floating point has left little.
    """
    return _RULES[type(formula)](formula, lookup, again)


def _evaluate_name(formula: Name, lookup: Lookup, again: Again | None) -> Value:
    value = lookup(formula.name)
    if type(value) is float:
        return value
    return bounded(value if type(value) is Fraction else Fraction(value))


def _evaluate_sum(formula: Sum, lookup: Lookup, again: Again | None) -> Value:
    # Fractions are added over a common denominator and reduced once, at the end.
    above, below = 0, 1
    floats: float | None = None
    size = 0.0  # of the floats: what is exact among the terms has cancelled exactly
    for term in formula.terms:
        value = _RULES[type(term)](term, lookup, again)
        if type(value) is not Fraction:
            rounded = as_float(value)
            size += abs(rounded)
            floats = rounded if floats is None else floats + rounded
            if above:
                floats += as_float(Fraction(above, below))
                above, below = 0, 1
        elif floats is not None:
            floats += as_float(value)
        elif value.denominator == below:
            above += value.numerator
        else:
            common = math.gcd(below, value.denominator)
            above = above * (value.denominator // common) + value.numerator * (below // common)
            below = below // common * value.denominator
            if below.bit_length() > 4 * BITS:
                # Denominators that share nothing would grow without end.
                floats, above, below = as_float(Fraction(above, below)), 0, 1
    if floats is None:
        return bounded(Fraction(above, below))
    if again is not None and abs(floats) <= CANCELLED * size < INF:
        return again(formula, floats)
    return floats


def _evaluate_product(formula: Product, lookup: Lookup, again: Again | None) -> Value:
    factors = iter(formula.factors)
    factor = next(factors)
    result = _RULES[type(factor)](factor, lookup, again)
    nothing = result == 0 and type(result) is Fraction
    for factor in factors:
        value = _RULES[type(factor)](factor, lookup, again)
        nothing = nothing or (value == 0 and type(value) is Fraction)
        result = result * value
        if type(result) is Fraction and result.denominator.bit_length() > 4 * BITS:
            result = as_float(result)
    if type(result) is Fraction:
        return bounded(result)
    if nothing and result == result:
        return _ZERO  # 0 times what is not rational is exactly 0 all the same
    return result if result == result else _limit(formula, lookup)


def _limit(formula: Product, lookup: Lookup) -> Value:
    """A product that came out as `nan`: 0 if that is because of 0 times an infinite logarithm."""
    zero = infinite_logarithm = False
    for factor in formula.factors:
        value = evaluate(factor, lookup)
        if value == 0:
            zero = True
        elif value != value:
            return NAN
        elif isinstance(value, float) and math.isinf(value):
            if not is_logarithm(factor):
                return NAN
            infinite_logarithm = True
    return _ZERO if zero and infinite_logarithm else NAN


def _evaluate_quotient(formula: Quotient, lookup: Lookup, again: Again | None) -> Value:
    above = evaluate(formula.numerator, lookup, again)
    return quotient(above, evaluate(formula.denominator, lookup, again))


def _evaluate_power(formula: Power, lookup: Lookup, again: Again | None) -> Value:
    base = evaluate(formula.base, lookup, again)
    return power(base, evaluate(formula.exponent, lookup, again))


def _evaluate_call(formula: Call, lookup: Lookup, again: Again | None) -> Value:
    function = FUNCTIONS[formula.function]
    values = [evaluate(argument, lookup, again) for argument in formula.arguments]
    if again is not None and function.name in _EXTREMES and len(values) > 1:
        sign = -1 if function.name.startswith("min") else 1
        values = _tied(formula.arguments, values, again, sign)
    if all(isinstance(value, Fraction) for value in values):
        found = exactly(function.name, *values)
        if found is not None:
            return found
    return numeric(function.name)(*map(as_float, values))


def exactly(function: str, *values: Value) -> Fraction | None:
    """A function of fractions; None where the result is not known to be rational."""
    row = FUNCTIONS[function]
    if row.primitive is not None:
        return row.primitive_exact(*values) if row.primitive_exact is not None else None
    found = by_definition(function, "definition", evaluate)(*values)
    return found if isinstance(found, Fraction) else None


def _evaluate_conditional(formula: Conditional, lookup: Lookup, again: Again | None) -> Value:
    chosen = formula.then if holds(formula.condition, lookup, again) else formula.otherwise
    return evaluate(chosen, lookup, again)


def holds(formula: Comparison, lookup: Lookup, again: Again | None = None) -> bool:
    """Whether a comparison is true."""
    left = evaluate(formula.left, lookup, again)
    right = evaluate(formula.right, lookup, again)
    if again is not None and _close(left, right):
        left = again(Sum((formula.left, Negative(formula.right))), as_float(left - right))
        right = _ZERO
    return bool(COMPARE[formula.relation](left, right))


def _close(left: Value, right: Value) -> bool:
    """Whether floating point cannot tell two values apart; exact ones it need not."""
    if type(left) is Fraction and type(right) is Fraction:
        return False
    a, b = as_float(left), as_float(right)
    return 0 < abs(a) + abs(b) < INF and abs(a - b) <= CANCELLED * (abs(a) + abs(b))


def _tied(
    arguments: Sequence[Formula], values: Sequence[Value], again: Again, sign: int
) -> list[Value]:
    """The values of what is compared with each other, those that are equal to the extreme one
    made equal to it; `sign` is −1 where that is the smallest."""
    extreme = max(range(len(values)), key=lambda index: sign * values[index])
    found = list(values)
    for index, (argument, value) in enumerate(zip(arguments, values, strict=True)):
        if value != values[extreme] and _close(value, values[extreme]):
            difference = Sum((argument, Negative(arguments[extreme])))
            if again(difference, as_float(value - values[extreme])) == 0:
                found[index] = values[extreme]
    return found


def _only_shown(formula: Matrix | Shown, lookup: Lookup, again: Again | None) -> Value:
    raise TypeError("a matrix is only shown, never evaluated")


# One dispatch by type: this runs for every step of every sheet.
_RULES: dict[type, Callable[..., Value]] = {
    Number: lambda formula, lookup, again: number(formula.text),
    Name: _evaluate_name,
    Sum: _evaluate_sum,
    Product: _evaluate_product,
    Quotient: _evaluate_quotient,
    Negative: lambda formula, lookup, again: -evaluate(formula.operand, lookup, again),
    Power: _evaluate_power,
    Call: _evaluate_call,
    Comparison: lambda formula, lookup, again: _ONE if holds(formula, lookup, again) else _ZERO,
    Conditional: _evaluate_conditional,
    Matrix: _only_shown,
    Shown: _only_shown,
}
