"""The derivative of one equation by one of its names, in the author's order.

The slope of every function comes from SymPy, once each; sums, products and powers are carried
out on the written tree, because SymPy would sort and distribute them: of (y − t)² by t a sheet
says −2(y − t), not 2t − 2y. Tests compare whole derivatives with SymPy's own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import assert_never

from backprop_cli.algebra.monomials import UNIT, Monomial, Ring, Writer, collect, has_decimals
from backprop_cli.formula.build import (
    ONE,
    ZERO,
    children,
    is_number,
    names_in,
    negative,
    product,
    rename,
    substitute,
    total,
)
from backprop_cli.formula.defined import defined, read, variables
from backprop_cli.formula.functions import FUNCTIONS, derived
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
from backprop_cli.formula.parse import parse


class NotDifferentiable(ValueError):
    """The formula holds something that has no derivative here; the message says what."""


def differentiate(formula: Formula, name: str) -> Formula:
    """∂formula/∂name. At a kink: the convention of the function's primed form, and ½ for a tie.

    Formulas of the same shape are differentiated once, whatever their names are.
    """
    return derivatives(formula, (name,))[name]


def derivatives(formula: Formula, names: Sequence[str]) -> dict[str, Formula]:
    """∂formula/∂name for each of the names, of a long sum from the terms that have to do with it."""
    concerning = _concerning(formula)
    decimals = has_decimals(formula)
    return {name: _derivative(concerning.get(name, ZERO), name, decimals) for name in names}


def _concerning(formula: Formula) -> dict[str, Formula]:
    """By name: the formula without the terms that have nothing to do with it."""
    match formula:
        case Sum(terms):
            found: dict[str, list[Formula]] = defaultdict(list)
            for term in terms:
                for name, part in _concerning(term).items():
                    found[name].append(part)
            return {
                n: parts[0] if len(parts) == 1 else Sum((*parts,)) for n, parts in found.items()
            }
        case Negative(operand):
            return {name: Negative(part) for name, part in _concerning(operand).items()}
        case Quotient(numerator, denominator) if not names_in(denominator):
            parts_above = _concerning(numerator).items()
            return {name: Quotient(part, denominator) for name, part in parts_above}
        case Product((number, Sum() as total)) if not names_in(number):
            return {name: Product((number, part)) for name, part in _concerning(total).items()}
        case _:
            return dict.fromkeys(names_in(formula), formula)


def _derivative(formula: Formula, name: str, decimals: bool) -> Formula:
    if (simple := _linear(formula, name)) is not None:
        return simple
    names = names_in(formula)
    position = {own: f"v{index}" for index, own in enumerate(names)}
    shape = rename(formula, position.__getitem__)
    derivative = _differentiate(shape, position[name], decimals)
    return rename(derivative, dict(zip(position.values(), names, strict=True)).__getitem__)


def _linear(formula: Formula, name: str) -> Formula | None:
    """The derivative where the name occurs at most once, in a sum of products; else None."""
    if not mentions(formula, name):
        return ZERO
    match formula:
        case Name():
            return ONE
        case Negative(operand):
            inner = _linear(operand, name)
            return None if inner is None else negative(inner)
        case Sum(terms):
            touched = [term for term in terms if mentions(term, name)]
            return _linear(touched[0], name) if len(touched) == 1 else None
        case Product(factors):
            touched = [factor for factor in factors if mentions(factor, name)]
            numbers = any(isinstance(factor, Number | Quotient | Negative) for factor in factors)
            if touched != [Name(name)] or numbers:  # which may have to be gathered
                return None
            return product(*(factor for factor in factors if factor != Name(name)))
        case _:
            return None


def mentions(formula: Formula, name: str) -> bool:
    if isinstance(formula, Name):
        return formula.name == name
    return any(mentions(part, name) for part in children(formula))


@lru_cache(maxsize=4096)
def _differentiate(formula: Formula, name: str, decimals: bool) -> Formula:
    return _Derivation(name, decimals).written(formula)


class _Derivation:
    """One formula and one name: the ring of its parts, and which parts the name occurs in."""

    def __init__(self, name: str, decimals: bool) -> None:
        self.name = name
        self.ring = Ring()
        self.writer = Writer(decimals)
        self._touched: dict[Formula, bool] = {}

    def touches(self, formula: Formula) -> bool:
        if formula not in self._touched:
            inside = map(self.touches, children(formula))
            self._touched[formula] = formula == Name(self.name) or any(inside)
        return self._touched[formula]

    def written(self, formula: Formula) -> Formula:
        self.ring.monomial(formula)  # so that sums are written as the author writes them
        terms = collect(self.terms(formula))
        if len(terms) > 1 or (terms and terms[0].coefficient == -1):  # of −(y − t): t − y
            terms = [part for term in terms for part in self.ring.terms(term)]
        return self.writer.sum(terms)

    def terms(self, formula: Formula) -> list[Monomial]:
        """The derivative as terms, in the order in which its sources are written."""
        if not self.touches(formula):
            return []
        match formula:
            case Name():
                return [UNIT]
            case Number():
                return []
            case Sum(parts):
                return [term for part in parts for term in self.terms(part)]
            case Negative(operand):
                return [-term for term in self.terms(operand)]
            case Product(factors):
                return self._product(factors)
            case Quotient(numerator, denominator):
                return self._quotient(numerator, denominator)
            case Power(base, exponent):
                return self._power(formula, base, exponent)
            case Call():
                return self._call(formula)
            case Conditional():
                return self._conditional(formula)
            case Comparison():
                raise NotDifferentiable("a comparison has no derivative")
            case Matrix() | Shown():
                raise NotDifferentiable("a matrix is only shown, never differentiated")
            case _:
                assert_never(formula)

    def factor(self, formula: Formula) -> Monomial:
        """The derivative as one factor: several terms make a bracket."""
        terms = collect(self.terms(formula))
        if len(terms) == 1:
            return terms[0]
        return self.ring.monomial(self.writer.sum(terms))

    def _product(self, factors: Sequence[Formula]) -> list[Monomial]:
        parts = [self.ring.monomial(factor) for factor in factors]
        return [
            self.ring.times((*parts[:index], self.factor(factor), *parts[index + 1 :]))
            for index, factor in enumerate(factors)
            if self.touches(factor)
        ]

    def _quotient(self, numerator: Formula, denominator: Formula) -> list[Monomial]:
        below = self.ring.monomial(denominator)
        # A written division by 0 stays one: the sheet says that its value is not defined.
        inverse = (
            below ** Fraction(-1)
            if below.coefficient
            else self.ring.monomial(Quotient(ONE, denominator))
        )
        terms = []
        if self.touches(numerator):
            terms.append(self.factor(numerator) * inverse)
        if self.touches(denominator):
            above = self.ring.monomial(numerator)
            terms.append(-(above * self.factor(denominator) * inverse * inverse))
        return terms

    def _power(self, formula: Power, base: Formula, exponent: Formula) -> list[Monomial]:
        terms = []
        if self.touches(base):
            degree = self.ring.monomial(exponent)
            lower = Monomial(degree.coefficient - 1)
            written = total(exponent, negative(ONE))
            rest = self.ring.power(
                base, lower if not degree.powers else degree, Power(base, written)
            )
            terms.append(degree * rest * self.factor(base))
        if self.touches(exponent):
            whole = self.ring.monomial(formula)
            if base != Call("e", ()):
                whole = whole * self.ring.monomial(Call("ln", (base,)))
            terms.append(whole * self.factor(exponent))
        return terms

    def _call(self, formula: Call) -> list[Monomial]:
        terms = []
        arguments = formula.arguments
        for index, argument in enumerate(arguments):
            if not self.touches(argument):
                continue
            slope = function_slope(formula.function, len(arguments), index)
            if slope is None:
                raise NotDifferentiable(f"{formula.function} has no derivative here")
            if is_number(slope, 0):
                continue
            outer = substitute(slope, {f"u{at}": part for at, part in enumerate(arguments)})
            terms.append(self.ring.monomial(outer) * self.factor(argument))
        return terms

    def _conditional(self, formula: Conditional) -> list[Monomial]:
        then = self.writer.sum(self.terms(formula.then))
        otherwise = self.writer.sum(self.terms(formula.otherwise))
        if then == otherwise:
            return [self.ring.monomial(then)]
        return [self.ring.monomial(Conditional(formula.condition, then, otherwise))]


# The slope of every function of the closed list. Functions that a student meets as activations
# differentiate to their primed forms (σ′, ReLU′), so that no Heaviside step and no ½ at a kink comes
# up; `max` and `min` to the share of their winner.


@lru_cache(maxsize=128)
def written(text: str) -> Formula:
    """The formula of a text in the table of functions."""
    return parse(text)


# Of two values the larger (the smaller) one has the slope 1, as on paper; in a tie, where there is
# no derivative, each gets half.
_EXTREME_SLOPES: Mapping[str, tuple[str, str]] = {
    "max": ("1 if u0 > u1 else 0 if u0 < u1 else 1/2", "1 if u1 > u0 else 0 if u1 < u0 else 1/2"),
    "min": ("1 if u0 < u1 else 0 if u0 > u1 else 1/2", "1 if u1 < u0 else 0 if u1 > u0 else 1/2"),
}


def _extreme_slope(function: str, arity: int, index: int) -> Formula:
    """Of more than two values: the share of ∂L/∂max that goes to one, written first."""
    if arity == 2:
        return written(_EXTREME_SLOPES[function][index])
    names = [Name(own) for own in variables(arity)]
    return Call(f"{function}_share", (names.pop(index), *names))


@derived
def function_slope(function: str, arity: int, index: int) -> Formula | None:
    """The slope of a function by its argument `index`, in the names u0, u1, …; None without one."""
    if (row := FUNCTIONS.get(function)) is None:
        return None
    arguments = tuple(map(Name, variables(arity)))
    if row.slopes:
        return read(row.name, row.slopes[min(index, len(row.slopes) - 1)], arity)
    if function in _EXTREME_SLOPES:
        return _extreme_slope(function, arity, index)
    if function == "logsumexp":
        return Call("exp", (total(arguments[index], negative(Call(function, arguments))),))
    if index == 0 and function + "'" in FUNCTIONS:
        return Call(function + "'", arguments)
    return slope_of_definition(function, arity, index)


@derived
def slope_of_definition(function: str, arity: int, index: int = 0) -> Formula | None:
    """The same derived from what the function is defined by, if it is."""
    if (definition := defined(function, arity)) is None:
        return None
    return differentiate(definition, variables(arity)[index])
