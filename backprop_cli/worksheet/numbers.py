"""How a number is written on a sheet: whole where it is short, else rounded and marked ≈."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow, Subnormal
from fractions import Fraction
from functools import cached_property, lru_cache, reduce
from typing import Literal, TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.arithmetic import Value, as_float, rounded
from backprop_cli.formula.build import is_number, names_in, substitute
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.nodes import Formula, Name, Negative, Number, Product, Quotient, Sum
from backprop_cli.worksheet.document import Line, Math, Text, numeral

SMALLEST_PLAIN = -4
"""Numbers from 0.0001 on are written out; smaller ones as ×10ⁿ."""
LARGEST_PLAIN = 7
EXTRA_WHOLE = 2
"""An exact decimal with this many digits more than asked for is still written whole."""
LONGER = 6
"""An author's number is kept as written up to so many signs more than the digits asked for."""
LONGEST_FRACTION = 10**9
LONGEST_FLOAT = 12
"""A float with more significant digits than these is taken for a rounded number."""
GUARD_DIGITS = 8
"""Operands get up to so many digits more than the result that they have to reproduce."""
MORE_DIGITS = (8, 12, 16, 24, 32)
"""So many, where terms cancel further than floating point can tell."""
NOT_DIGITS = 7
"""So many signs at most are no digits of a float, as in -0.0001 and -1.5e-308."""
LONG = Context(prec=40, traps=[Inexact])
"""No exact decimal longer than this is ever written."""
EXACT = Context(prec=38, Emin=-38, Emax=38, traps=[Inexact, InvalidOperation, Overflow, Subnormal])
"""Arithmetic that gives up where fractions are not kept as such either."""

Works: TypeAlias = Callable[[Formula, Mapping[str, Formula]], bool]


class Numbers(dict[str, Formula]):
    """The numbers of names, each written when it is first asked for."""

    def __init__(self, write: Callable[[str], Formula]) -> None:
        super().__init__()
        self.write = write

    def __missing__(self, name: str) -> Formula:
        number = self[name] = self.write(name)
        return number


InDigits: TypeAlias = Callable[[int], Mapping[str, Formula]]
"""The numbers of names with so many digits."""


@dataclass(frozen=True)
class Shown:
    """A number as written, and whether it is exact (`=`) or rounded (`≈`)."""

    formula: Formula
    exact: bool

    @property
    def sign(self) -> Literal["=", "≈"]:
        """What stands in front of the number."""
        return "=" if self.exact else "≈"

    @cached_property
    def cell(self) -> Line:
        """A table cell with the number, ≈ in front where it is rounded."""
        return numeral(self.formula, rounded=not self.exact)


def shown(value: Value | Decimal, digits: int, *, fractions: bool = False) -> Shown:
    """The number with `digits` significant digits, or whole where that is hardly longer.

    `fractions` writes exact values that are not whole as p/q.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return Shown(Name("nan") if value != value else signed("inf", value < 0), True)
    if value == 0:
        return Shown(Number("0"), True)
    if fractions and isinstance(value, Fraction) and short_fraction(value):
        return Shown(fraction(value), True)
    whole = whole_text(value, digits)
    if whole is not None:
        return Shown(signed(whole, value < 0), True)
    return Shown(signed(rounded_text(value, digits), value < 0), False)


def authored(number: Number, digits: int, *, fractions: bool = False) -> Shown:
    """A number of the problem file: as its author wrote it, unless that is very long."""
    text = number.text.removeprefix("+")
    if fractions or is_number(number, 0) or len(text) > digits + LONGER:
        return shown(number.value, digits, fractions=fractions)
    return Shown(signed(text.removeprefix("-"), text.startswith("-")), True)


def signed(text: str, negative: bool) -> Formula:
    """A number by its digits, or `inf`, with its sign in front."""
    plain: Formula = Name(text) if text == "inf" else Number(text)
    return Negative(plain) if negative else plain


def short_fraction(value: Fraction) -> bool:
    """Whether p/q is not too long to be read."""
    return max(abs(value.numerator), value.denominator) < LONGEST_FRACTION


def fraction(value: Fraction) -> Formula:
    """p/q in lowest terms, or a whole number."""
    top = Number(str(abs(value.numerator)))
    written: Formula = top
    if value.denominator != 1:
        written = Quotient(top, Number(str(value.denominator)))
    return Negative(written) if value < 0 else written


def whole_text(value: Value | Decimal, digits: int) -> str | None:
    """The number without its sign as the decimal that it is exactly, if that ends within a few
    digits more than asked for."""
    longest = digits + EXTRA_WHOLE
    most = max(longest, LARGEST_PLAIN + EXTRA_WHOLE) + NOT_DIGITS
    if isinstance(value, float) and len(repr(value)) > most:  # seen at a glance
        return None
    decimal = exact_decimal(value)
    if decimal is None:
        return None
    decimal = decimal.copy_abs().normalize(LONG)
    power = decimal.adjusted()
    plain = SMALLEST_PLAIN <= power < LARGEST_PLAIN + EXTRA_WHOLE
    if isinstance(value, float):  # with more digits than that it is no decimal's own float
        longest = min(longest, LONGEST_FLOAT)
    if plain and decimal == decimal.to_integral_value():  # all the digits of a whole number
        longest = max(longest, power + 1)
    if len(decimal.as_tuple().digits) > longest:
        return None
    return f"{decimal:f}" if plain else f"{decimal.scaleb(-power):f}e{power}"


def exact_decimal(value: Value | Decimal) -> Decimal | None:
    """The decimal that a value is exactly; None for 1/3 and its like.

    A float stands for the shortest decimal that names it.
    """
    if not isinstance(value, Fraction):
        return Decimal(repr(value)) if isinstance(value, float) else value
    try:
        return LONG.divide(Decimal(value.numerator), Decimal(value.denominator))
    except Inexact:
        return None


def rounded_text(value: Value | Decimal, digits: int) -> str:
    """A number without its sign, rounded to `digits` significant digits, last zeros kept."""
    decimal = _as_rounded(value, digits)
    power = decimal.adjusted()
    if SMALLEST_PLAIN <= power < LARGEST_PLAIN:
        return f"{decimal:.{max(digits - 1 - power, 0)}f}"
    return f"{decimal.scaleb(-power):.{digits - 1}f}e{power}"


def _as_rounded(value: Value | Decimal, digits: int) -> Decimal:
    """The number that such a text stands for: two are equal where their texts are."""
    decimal = rounded(value, digits)
    if digits <= decimal.adjusted() < LARGEST_PLAIN:  # 12345.6 is written 12346, never 12350
        decimal = rounded(value, rounded(value, 17).adjusted() + 1)
    return abs(decimal)


def in_a_sentence(value: float, digits: int = 4) -> Line:
    """A rounded number in running text: −1.2×10⁻⁵."""
    plain: Formula = Number(f"{abs(value):.{digits}g}") if math.isfinite(value) else Name("inf")
    return numeral(Negative(plain) if value < 0 else plain)


def went(before: Value, after: Value, old: Formula, new: Formula) -> Line:
    """What follows the name of a quantity that went from one value to another."""
    if before == after:
        return (Text(" stays at "), Math(old))
    way = " falls from " if after < before else " rises from "
    return (Text(way), Math(old), Text(" to "), Math(new))


def put_in(
    formula: Formula,
    numbers: InDigits,
    result: Value | None,
    digits: int,
    others: Sequence[InDigits] = (),
    exact: bool | None = None,
) -> Formula:
    """The formula with numbers for names, just long enough to reproduce the result as shown; the
    `others` are asked where that does not do: for fractions, for digits beyond floating point."""
    found = enough(formula, numbers, reproducing(result, digits, exact), digits, others)
    own = numbers(digits + GUARD_DIGITS) if found is None else found[0]
    return without_minus_zero(substitute(formula, {name: own[name] for name in names_in(formula)}))


def enough(
    formula: Formula, numbers: InDigits, works: Works, digits: int, others: Sequence[InDigits] = ()
) -> tuple[Mapping[str, Formula], int] | None:
    """The numbers of the names of a formula that reproduce its result, and how many digits they
    have; None where none do."""
    for written in (numbers, *others):
        for extra in MORE_DIGITS if written in others else range(GUARD_DIGITS + 1):
            if works(formula, own := written(digits + extra)):
                return own, digits + extra
    return None


def without_minus_zero(formula: Formula) -> Formula:
    """−0·x and −0/x as 0·x and 0/x: nobody writes −0."""
    if isinstance(formula, Negative) and _begins_with_zero(formula.operand):
        return formula.operand
    if isinstance(formula, Sum):
        first, *rest = formula.terms
        return Sum((without_minus_zero(first), *rest))
    return formula


def _begins_with_zero(formula: Formula) -> bool:
    match formula:
        case Number():
            return formula.value == 0
        case Product(factors):
            return _begins_with_zero(factors[0])
        case Quotient(numerator, _):
            return _begins_with_zero(numerator)
        case _:
            return False


def reproducing(result: Value | None, digits: int, exact: bool | None = None) -> Works:
    """Asks of a formula and the numbers of its names whether someone who works them out as written
    gets the result as written, which is whole (to the last digit, not only to those that are
    rounded to) or rounded; by default it is whole where that is short."""
    if result is None or not math.isfinite(as_float(result)):
        return lambda formula, numbers: True
    whole = shown(result, digits).exact if exact is None else exact

    def written(value: Value | Decimal) -> object:
        return shown(value, digits) if whole else (value < 0, _as_rounded(value, digits))

    wanted = written(result)

    def works(formula: Formula, numbers: Mapping[str, Formula]) -> bool:
        try:
            return written(_decimal(formula, numbers)) == wanted
        except (ArithmeticError, KeyError):
            got = evaluate(formula, lambda name: evaluate(numbers[name], lambda none: math.nan))
            return (
                any(names_in(numbers[name]) for name in names_in(formula))  # inf, nan, none
                or not math.isfinite(as_float(got))
                or written(got) == wanted
            )

    return works


def _decimal(formula: Formula, numbers: Mapping[str, Formula]) -> Decimal:
    """What a formula of short decimals comes to: they are worked with at a tenth of the cost of
    fractions. Raises ArithmeticError where that is not exact, or more than sums and products, and
    KeyError where there is no number."""
    if isinstance(formula, Name):
        formula = numbers[formula.name]
    if isinstance(formula, Number):
        return _exact(formula.text)
    if isinstance(formula, Negative):
        return _decimal(formula.operand, numbers).copy_negate()
    if isinstance(formula, Product):
        return reduce(EXACT.multiply, [_decimal(factor, numbers) for factor in formula.factors])
    if isinstance(formula, Sum):
        return reduce(EXACT.add, [_decimal(term, numbers) for term in formula.terms])
    raise ArithmeticError


_exact = lru_cache(maxsize=65536)(EXACT.create_decimal)
