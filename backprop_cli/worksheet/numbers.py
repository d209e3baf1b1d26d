"""How a number is written on a sheet: whole where it is short, else rounded and marked ≈."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from backprop_cli.formula.build import names_in, substitute
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Formula, Name, Negative, Number, Quotient
from backprop_cli.run import Value, magnitude, round_to

SMALLEST_PLAIN = -4
"""Numbers from 0.0001 on are written out; smaller ones as ×10ⁿ."""
LARGEST_PLAIN = 7
EXTRA_WHOLE = 2
"""An exact decimal with this many digits more than asked for is still written whole."""
LONGEST_FRACTION = 10**9
GUARD_DIGITS = 8


@dataclass(frozen=True)
class Shown:
    """A number as written, and whether it is exact (`=`) or rounded (`≈`)."""

    formula: Formula
    exact: bool

    @property
    def sign(self) -> Literal["=", "≈"]:
        return "=" if self.exact else "≈"


def shown(value: Value, digits: int, *, fractions: bool = False) -> Shown:
    """The number with `digits` significant digits, or whole where that is hardly longer.

    `fractions` writes exact values that are not whole as p/q.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return Shown(Name("nan") if value != value else signed("inf", value < 0), True)
    exact = value if isinstance(value, Fraction) else Fraction(repr(value))
    if exact == 0:
        return Shown(Number("0"), True)
    if fractions and isinstance(value, Fraction) and short_fraction(value):
        return Shown(fraction(value), True)
    whole = whole_text(exact, digits)
    if whole is not None:
        return Shown(signed(whole, exact < 0), True)
    return Shown(signed(rounded_text(abs(exact), digits), exact < 0), False)


def signed(text: str, negative: bool) -> Formula:
    plain: Formula = Name(text) if text == "inf" else Number(text)
    return Negative(plain) if negative else plain


def short_fraction(value: Fraction) -> bool:
    return max(abs(value.numerator), value.denominator) < LONGEST_FRACTION


def fraction(value: Fraction) -> Formula:
    top = Number(str(abs(value.numerator)))
    written: Formula = top
    if value.denominator != 1:
        written = Quotient(top, Number(str(value.denominator)))
    return Negative(written) if value < 0 else written


def whole_text(value: Fraction, digits: int) -> str | None:
    """The exact decimal, if it ends within a few digits more than asked for and is not tiny."""
    top, bottom = abs(value.numerator), value.denominator
    places = 0
    while bottom % 10 == 0:
        bottom, places = bottom // 10, places + 1
    twos = fives = 0
    while bottom % 2 == 0:
        bottom, twos = bottom // 2, twos + 1
    while bottom % 5 == 0:
        bottom, fives = bottom // 5, fives + 1
    if bottom != 1:
        return None
    places += max(twos, fives)
    scaled = top * 10**places // value.denominator
    significant = len(str(scaled).rstrip("0")) if places == 0 else len(str(scaled))
    power = magnitude(value)
    if power < SMALLEST_PLAIN or power >= LARGEST_PLAIN + EXTRA_WHOLE:
        return None
    if significant > max(digits + EXTRA_WHOLE, power + 1 if places == 0 else 0):
        return None
    text = str(scaled).rjust(places + 1, "0")
    return text if places == 0 else f"{text[:-places]}.{text[-places:]}"


def rounded_text(value: Fraction, digits: int) -> str:
    """A positive number rounded to `digits` significant digits, its last zeros kept."""
    rounded = round_to(value, digits)
    assert isinstance(rounded, Fraction)
    power = magnitude(rounded)
    if SMALLEST_PLAIN <= power < LARGEST_PLAIN:
        decimals = max(0, digits - 1 - power)
        if power >= digits:  # 12345.6 is written 12346, never 12350
            rounded = Fraction(math.floor(value + Fraction(1, 2)))
        return decimal_text(rounded, decimals)
    mantissa = decimal_text(rounded / Fraction(10) ** power, digits - 1)
    return f"{mantissa}e{power}"


def decimal_text(value: Fraction, decimals: int) -> str:
    """An exact multiple of 10^−decimals with so many decimals."""
    scaled = value * 10**decimals
    return f"{Decimal(scaled.numerator).scaleb(-decimals):f}"


def put_in(
    formula: Formula,
    number_of: Callable[[str, int], Formula],
    result: Value | None,
    digits: int,
) -> Formula:
    """The formula with numbers for names, just long enough to reproduce the result as shown.

    `number_of(name, digits)` writes a name's value with so many digits.
    """
    names = names_in(formula)
    candidate = formula
    for extra in range(GUARD_DIGITS + 1):
        candidate = substitute(formula, {name: number_of(name, digits + extra) for name in names})
        if result is None or reproduces(candidate, result, digits):
            return candidate
    return candidate


def reproduces(candidate: Formula, result: Value, digits: int) -> bool:
    """Whether someone who works out the numbers as written gets the result as written."""
    if any(name in ("inf", "nan") for name in names_in(candidate)):
        return True
    if not math.isfinite(as_float(result)):
        return True
    got = evaluate(candidate, lambda name: math.nan)
    if not math.isfinite(as_float(got)):
        return True
    return shown(got, digits).formula == shown(result, digits).formula or round_to(
        got, digits
    ) == round_to(result, digits)
