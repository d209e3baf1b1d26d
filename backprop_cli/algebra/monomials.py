"""Products of powers that remember their writing order.

SymPy sorts what it builds: `b1 + w1*x1`. A derivative on a worksheet keeps the author's order,
so its terms are collected here: a number times powers of parts that are left as written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import reduce
from operator import mul
from typing import TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import negative, product, quotient, total, walk
from backprop_cli.formula.build import number as decimal
from backprop_cli.formula.nodes import (
    Call,
    Formula,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)

Powers: TypeAlias = tuple[tuple[Formula, Fraction], ...]

_HALF = Fraction(1, 2)
_LONGEST_NUMBER = 40  # digits; a longer number is left as it is written
_LARGEST_EXPONENT = 64


@dataclass(frozen=True)
class Monomial:
    """`coefficient` times each part to its exponent; no part twice, no exponent 0."""

    coefficient: Fraction
    powers: Powers = ()

    def __mul__(self, other: Monomial) -> Monomial:
        if not self.coefficient or not other.coefficient:
            return NOTHING
        exponents = dict(self.powers)
        for part, exponent in other.powers:
            exponents[part] = exponents.get(part, Fraction(0)) + exponent
        kept = tuple((part, exponent) for part, exponent in exponents.items() if exponent)
        return Monomial(self.coefficient * other.coefficient, kept)

    def __neg__(self) -> Monomial:
        return Monomial(-self.coefficient, self.powers)

    def __pow__(self, exponent: Fraction) -> Monomial:
        """For whole exponents; the coefficient must not be 0 for a negative one."""
        return Monomial(
            self.coefficient**exponent.numerator,
            tuple((part, own * exponent) for part, own in self.powers),
        )


NOTHING = Monomial(Fraction(0))
UNIT = Monomial(Fraction(1))


class Ring:
    """The parts of one calculation: equal sums are one part, and y − t is −(t − y)."""

    def __init__(self) -> None:
        self._sums: dict[frozenset[tuple[frozenset[tuple[Formula, Fraction]], Fraction]], Formula]
        self._sums = {}
        self._known: dict[Formula, Monomial] = {}

    def monomial(self, formula: Formula) -> Monomial:
        """The formula as one product; what is no product is one part."""
        if formula not in self._known:
            self._known[formula] = self._monomial(formula)
        return self._known[formula]

    def _monomial(self, formula: Formula) -> Monomial:
        match formula:
            case Number():
                return _number(formula)
            case Negative(operand):
                return -self.monomial(operand)
            case Product(factors):
                return self.times(map(self.monomial, factors))
            case Quotient(numerator, denominator):
                below = self.monomial(denominator)
                if not below.coefficient:
                    return _part(formula)
                return self.monomial(numerator) * below ** Fraction(-1)
            case Power(base, exponent):
                return self.power(base, self.monomial(exponent), formula)
            case Call("sqrt", (operand,)):
                return self.power(operand, Monomial(_HALF), formula)
            case Sum(terms):
                return self._sum(formula, terms)
            case _:
                return _part(formula)

    def times(self, factors: Iterable[Monomial]) -> Monomial:
        return reduce(mul, factors, UNIT)

    def power(self, base: Formula, exponent: Monomial, written: Formula) -> Monomial:
        """base^exponent; `written` is what stays when that is no product of powers."""
        if exponent.powers or abs(exponent.coefficient) > _LARGEST_EXPONENT:
            return _part(written)
        below = self.monomial(base)
        degree = exponent.coefficient
        if degree.denominator == 1:
            digits = len(str(below.coefficient))
            if not below.coefficient and degree <= 0:
                return _part(written)
            if digits * abs(degree) <= _LONGEST_NUMBER or abs(below.coefficient) == 1:
                return below**degree
            return _part(written)
        if degree.denominator == 2 and below.powers:
            # √(x²) is not x: only a lone part takes a half exponent.
            lone = below.coefficient == 1 and len(below.powers) == 1 and below.powers[0][1] == 1
            part = below.powers[0][0] if lone else base
            return Monomial(Fraction(1), ((part, degree),))
        return _part(written)

    def _sum(self, formula: Formula, terms: Sequence[Formula]) -> Monomial:
        collected = collect([self.monomial(term) for term in terms])
        if len(collected) < 2:
            return collected[0] if collected else NOTHING
        key = frozenset((frozenset(term.powers), term.coefficient) for term in collected)
        opposite = frozenset((powers, -coefficient) for powers, coefficient in key)
        if opposite in self._sums:
            return -_part(self._sums[opposite])
        return _part(self._sums.setdefault(key, formula))

    def terms(self, monomial: Monomial) -> list[Monomial]:
        """A lone sum as its terms, anything else as it is."""
        match monomial.powers:
            case ((Sum(terms), exponent),) if exponent == 1 and abs(monomial.coefficient) == 1:
                sign = Monomial(monomial.coefficient)
                return [sign * self.monomial(term) for term in terms]
            case _:
                return [monomial]


def _part(formula: Formula) -> Monomial:
    return Monomial(Fraction(1), ((formula, Fraction(1)),))


def _number(formula: Number) -> Monomial:
    mantissa, _, exponent = formula.text.lower().partition("e")
    if len(mantissa) > _LONGEST_NUMBER or (exponent and abs(int(exponent)) > _LONGEST_NUMBER):
        return _part(formula)
    return Monomial(formula.value)


def collect(monomials: Iterable[Monomial]) -> list[Monomial]:
    """Like terms added up, each where the first of them stands."""
    found: dict[frozenset[tuple[Formula, Fraction]], Monomial] = {}
    for term in monomials:
        key = frozenset(term.powers)
        earlier = found.get(key)
        found[key] = (
            term
            if earlier is None
            else Monomial(earlier.coefficient + term.coefficient, earlier.powers)
        )
    return [term for term in found.values() if term.coefficient]


def has_decimals(formula: Formula) -> bool:
    return any(isinstance(part, Number) and not part.text.isdigit() for part in walk(formula))


@dataclass(frozen=True)
class Writer:
    """Monomials as formulas. `decimals`: whether ½ is written 0.5, as the author writes."""

    decimals: bool = False

    def sum(self, monomials: Iterable[Monomial]) -> Formula:
        """The terms in order; a positive one first if there is one, a common number in front."""
        terms = collect(monomials)
        positive = next((term for term in terms if term.coefficient > 0), None)
        if positive is not None and terms[0].coefficient < 0:
            terms.remove(positive)
            terms.insert(0, positive)
        sizes = {abs(term.coefficient) for term in terms}
        if len(terms) > 1 and len(sizes) == 1 and (size := sizes.pop()) != 1:
            inner = [Monomial(term.coefficient / size, term.powers) for term in terms]
            return self._product(size, [self.sum(inner)], [])
        return total(*map(self.term, terms))

    def term(self, monomial: Monomial) -> Formula:
        above = [_power(part, exponent) for part, exponent in monomial.powers if exponent > 0]
        below = [_power(part, -exponent) for part, exponent in monomial.powers if exponent < 0]
        return self._product(monomial.coefficient, above, below)

    def _product(
        self, coefficient: Fraction, above: Sequence[Formula], below: Sequence[Formula]
    ) -> Formula:
        size = abs(coefficient)
        short = self.decimals and isinstance(decimal(size), Number)
        top = decimal(size if short else size.numerator)
        bottom = decimal(1 if short else size.denominator)
        # 1/2*x is written x/2, but 1/2*(x - y) keeps its factor in front.
        if not below and above and isinstance(above[0], Sum):
            result = product(quotient(top, bottom), *above)
        else:
            result = quotient(product(top, *above), product(bottom, *below))
        return negative(result) if coefficient < 0 else result


def _power(part: Formula, exponent: Fraction) -> Formula:
    if exponent == 1:
        return part
    if exponent == _HALF:
        return Call("sqrt", (part,))
    if exponent.denominator == 1:
        return Power(part, decimal(exponent))
    top, bottom = Number(str(exponent.numerator)), Number(str(exponent.denominator))
    return Power(part, Quotient(top, bottom))
