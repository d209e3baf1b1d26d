"""Values in high precision (mpmath), and derivatives by central differences in it.

A second opinion on the sheet's own floats: nothing here is shared with how they are calculated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache, reduce
from operator import mul
from typing import Any, TypeAlias, assert_never

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.arithmetic import COMPARE
from backprop_cli.formula.build import names_in, rebuild
from backprop_cli.formula.defined import by_definition
from backprop_cli.formula.functions import derived, functions
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

Precise: TypeAlias = Any
"""An mpmath number; mpmath has no types."""

Definitions: TypeAlias = Sequence[tuple[str, Formula]]

_GUARD_DIGITS = 10
_STEP = -20  # the power of ten of h in central differences
_CLOSER = -35
_LARGEST_EXPONENT = 10**6  # of e; beyond it a value is infinite or 0
_LARGEST_ANGLE = 10**30
_LONGEST_EXPONENT = 6  # digits of a written power of ten


@dataclass(frozen=True)
class Arithmetic:
    """Numbers of a fixed precision and every function of the closed list on them.

    Nothing raises on values: out of range is infinite, undefined is nan.
    """

    mp: Any

    def number(self, value: Fraction | float | int) -> Precise:
        if isinstance(value, Fraction):
            return self.mp.mpf(value.numerator) / value.denominator
        return self.mp.mpf(value)

    def written(self, text: str) -> Precise:
        _, _, exponent = text.lower().partition("e")
        if len(exponent.lstrip("+-0")) > _LONGEST_EXPONENT:
            return self.mp.zero if exponent.startswith("-") else self.mp.inf
        return self.mp.mpf(text)

    def exp(self, z: Precise) -> Precise:
        if abs(z) > _LARGEST_EXPONENT:
            return self.mp.inf if z > 0 else self.mp.zero
        return self.mp.exp(z)

    def ln(self, z: Precise) -> Precise:
        if z > 0:
            return self.mp.ln(z)
        return -self.mp.inf if z == 0 else self.mp.nan

    def quotient(self, above: Precise, below: Precise) -> Precise:
        if below != 0:
            return above / below
        return self.mp.nan if above == 0 or above != above else above * self.mp.inf

    def power(self, base: Precise, exponent: Precise) -> Precise:
        if base == 0:
            return self.mp.mpf(exponent == 0) if exponent >= 0 else self.mp.inf
        if base < 0 and not self.mp.isint(exponent):
            return self.mp.nan
        size = self.exp(exponent * self.mp.ln(abs(base)))
        return -size if base < 0 and int(exponent) % 2 == 1 else size

    def angle(self, function: Callable[[Precise], Precise], z: Precise) -> Precise:
        return function(z) if abs(z) < _LARGEST_ANGLE else self.mp.nan

    def share(self, *values: Precise) -> Precise:
        top = max(values)
        return self.mp.one / values.count(top) if values[0] == top else self.mp.zero

    @property
    def functions(self) -> Mapping[str, Callable[..., Precise]]:
        return _functions(self)

    def call(self, function: str, values: Sequence[Precise]) -> Precise:
        if any(value != value for value in values):
            return self.mp.nan
        return self.functions[function](*values)


@lru_cache(maxsize=8)
def arithmetic(digits: int) -> Arithmetic:
    import mpmath  # type: ignore[import-untyped]

    context = mpmath.MPContext()  # a context of our own: the global precision stays as it is
    context.dps = digits
    return Arithmetic(context)


@derived
def _functions(on: Arithmetic) -> Mapping[str, Callable[..., Precise]]:
    mp, exp, ln = on.mp, on.exp, on.ln
    one = mp.one

    def logsumexp(*values: Precise) -> Precise:
        top = max(values)
        return top if mp.isinf(top) else top + ln(sum(exp(value - top) for value in values))

    def sign(z: Precise, at_zero: Precise = one) -> Precise:
        return at_zero if z == 0 else mp.sign(z)

    table: dict[str, Callable[..., Precise]] = {
        "pi": lambda: +mp.pi,
        "e": lambda: +mp.e,
        "exp": exp,
        "ln": ln,
        "log": ln,
        "log1p": lambda z: mp.log1p(z) if z > -1 else ln(1 + z),
        "expm1": lambda z: mp.expm1(z) if abs(z) < _LARGEST_EXPONENT else exp(z) - 1,
        "sqrt": lambda z: mp.sqrt(z) if z >= 0 else mp.nan,
        "abs": abs,
        "max": max,
        "min": min,
        "max_share": on.share,
        "min_share": lambda *values: on.share(*(-value for value in values)),
        "sin": lambda z: on.angle(mp.sin, z),
        "cos": lambda z: on.angle(mp.cos, z),
        "tan": lambda z: on.angle(mp.tan, z),
        "sinh": lambda z: (exp(z) - exp(-z)) / 2,
        "cosh": lambda z: (exp(z) + exp(-z)) / 2,
        "tanh": lambda z: mp.tanh(z) if abs(z) < _LARGEST_EXPONENT else mp.sign(z),
        "erf": lambda z: mp.erf(z) if abs(z) < _LARGEST_EXPONENT else mp.sign(z),
        "erfc": lambda z: mp.erfc(z) if abs(z) < _LARGEST_EXPONENT else 1 - mp.sign(z),
        "logsumexp": logsumexp,
        "asin": lambda z: mp.asin(z) if abs(z) <= 1 else mp.nan,
        "acos": lambda z: mp.acos(z) if abs(z) <= 1 else mp.nan,
        "atan": mp.atan,
        "atan2": mp.atan2,
        "floor": mp.floor,
        "ceil": mp.ceil,
        "sign": sign,
    }

    def value(formula: Formula, lookup: Callable[[str], Precise]) -> Precise:
        return evaluate_precisely(formula, lookup, on)

    return {
        row.name: table.get(row.name) or by_definition(row.name, "stable", value)
        for row in functions()
    } | {"log": ln}


def evaluate_precisely(
    formula: Formula, lookup: Callable[[str], Precise], on: Arithmetic
) -> Precise:
    """The value of a formula; names are looked up as numbers of `on`."""

    def value(node: Formula) -> Precise:
        match node:
            case Number(text):
                return on.written(text)
            case Name(name):
                return lookup(name)
            case Sum(terms):
                return sum(map(value, terms), on.mp.zero)
            case Product(factors):
                return _product(list(map(value, factors)), on)
            case Quotient(numerator, denominator):
                return on.quotient(value(numerator), value(denominator))
            case Negative(operand):
                return -value(operand)
            case Power(base, exponent):
                return on.power(value(base), value(exponent))
            case Call(function, arguments):
                return on.call(function, list(map(value, arguments)))
            case Conditional(condition, then, otherwise):
                return value(then if holds(condition) else otherwise)
            case Comparison():
                return on.mp.mpf(holds(node))
            case Matrix() | Shown():
                raise TypeError("a matrix is only shown, never evaluated")
            case _:
                assert_never(node)

    def holds(node: Comparison) -> bool:
        return bool(COMPARE[node.relation](value(node.left), value(node.right)))

    return value(formula)


def _product(values: Iterable[Precise], on: Arithmetic) -> Precise:
    """0·ln 0 is 0, the limit that log-loss is defined by; in high precision so is 0·∞."""
    factors = list(values)
    if any(factor != factor for factor in factors):
        return on.mp.nan
    return on.mp.zero if 0 in factors else reduce(mul, factors, on.mp.one)


def to_fraction(value: Precise) -> Fraction:
    """A finite number as the fraction that it is."""
    sign, mantissa, exponent, _ = value._mpf_
    size = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return -size if sign else size


def finite_difference(
    definitions: Definitions,
    output: str,
    wrt: Sequence[str],
    values: Mapping[str, Fraction | float],
    digits: int = 50,
) -> dict[str, float]:
    """d output / d each name of `wrt` by central differences of the definitions.

    `definitions` are in order of calculation; `values` hold every other name. The result is good
    to double precision; nan where a value sits on a kink, so that there is no derivative.
    """
    on = arithmetic(digits + _GUARD_DIGITS)
    point = _Point(definitions, output, values, on)
    base, moved = point.base, point.moved

    def slope(name: str, h: Precise, reached: Sequence[int]) -> Precise | None:
        """The difference quotient, None where the two sides differ."""
        step = h * max(on.mp.one, abs(base[name]))
        after = (moved(name, step, reached) - base[output]) / step
        before = (base[output] - moved(name, -step, reached)) / step
        scale = max(on.mp.one, abs(after), abs(before))
        smooth = abs(after - before) <= scale * on.mp.mpf(10) ** (_STEP // 2)
        return (after + before) / 2 if smooth else None

    slopes = {}
    for name in wrt:
        reached = point.reached(name)
        # Where the sides differ it may be a bend as sharp as that of ln at 1e-15: look closer.
        tried = (slope(name, on.mp.mpf(10) ** power, reached) for power in (_STEP, _CLOSER))
        slopes[name] = float(next((found for found in tried if found is not None), on.mp.nan))
    return slopes


class _Numbers(dict[str, Precise]):
    """Values as numbers of an arithmetic, each when it is first asked for."""

    def __init__(self, values: Mapping[str, Fraction | float], on: Arithmetic) -> None:
        self.values_given, self.on = values, on

    def __missing__(self, name: str) -> Precise:
        found = self[name] = self.on.number(self.values_given[name])
        return found


class _Point:
    """Definitions at one set of numbers, and what `output` comes to when a name moves."""

    def __init__(
        self,
        definitions: Definitions,
        output: str,
        values: Mapping[str, Fraction | float],
        on: Arithmetic,
    ) -> None:
        """What is defined and known exactly all the same is taken as it is known."""
        self.definitions: list[tuple[str, Formula]] = []
        self.output = output
        self.on = on
        self.base: dict[str, Precise] = _Numbers(values, on)
        self.users: dict[str, list[int]] = {}
        self.held: dict[Formula, Name] = {}
        for index, (name, written_out) in enumerate(definitions):
            formula = self._hold(written_out)
            self.definitions.append((name, formula))
            for own in names_in(formula):
                self.users.setdefault(own, []).append(index)
            if not isinstance(values.get(name), Fraction):
                self.base[name] = evaluate_precisely(formula, self.base.__getitem__, on)

    def _hold(self, formula: Formula) -> Formula:
        """The formula with a name for the value of what `stop` keeps as it is at this point."""
        formula = rebuild(formula, self._hold)
        if not (isinstance(formula, Call) and formula.function == "stop"):
            return formula
        if formula not in self.held:
            name = self.held[formula] = Name(f"stop {len(self.held)}")
            value = evaluate_precisely(formula.arguments[0], self.base.__getitem__, self.on)
            self.base[name.name] = value
        return self.held[formula]

    def moved(self, name: str, by: Precise, steps: Sequence[int]) -> Precise:
        """The output with `name` moved, where `steps` are the definitions it reaches."""
        changed = {name: self.base[name] + by}
        for index in steps:
            defined, formula = self.definitions[index]
            changed[defined] = evaluate_precisely(
                formula,
                lambda own: changed[own] if own in changed else self.base[own],
                self.on,
            )
        return changed.get(self.output, self.base[self.output])

    def reached(self, name: str) -> Sequence[int]:
        """The definitions that change with `name`, in order."""
        found: set[int] = set()
        waiting = [name]
        while waiting:
            for index in self.users.get(waiting.pop(), ()):
                if index not in found:
                    found.add(index)
                    waiting.append(self.definitions[index][0])
        return sorted(found)


@dataclass(frozen=True)
class Sides:
    """The slopes of a function to the left and to the right of a point.

    A slope is infinite where the difference quotients grow beyond every bound, nan where the
    function is not defined on that side, None where they come to nothing.
    """

    left: float | None
    right: float | None


_NEARER = (-40, -60, -80, -100)  # powers of ten of h, on the way to a limit from one side
_DIGITS_OF_LIMITS = 320
_SETTLED = 30  # digits in which difference quotients agree that have reached their limit
_FOUND = 12  # and limits that are extrapolated


def one_sided_slopes(
    definitions: Definitions, output: str, variable: str, values: Mapping[str, Fraction | float]
) -> tuple[Sides, int]:
    """The slopes of `output` in `variable` from both sides, and how many formulas that took.

    `values` may hold numbers for what is defined: those that are exact are taken, others not.
    """
    on = arithmetic(_DIGITS_OF_LIMITS)
    point = _Point(definitions, output, values, on)
    steps = point.reached(variable)
    start = point.base[output]

    def slope(sign: int) -> float | None:
        quotients = []
        for exponent in _NEARER:
            h = sign * on.mp.mpf(10) ** exponent
            quotients.append((point.moved(variable, h, steps) - start) / h)
        return _limit(quotients, on)

    return Sides(slope(-1), slope(1)), len(definitions) + 2 * len(_NEARER) * len(steps)


def _limit(quotients: Sequence[Precise], on: Arithmetic) -> float | None:
    """What four difference quotients tend to; differences that shrink like a power of h, as
    those of x^1.5 do, are followed to their end."""
    if any(quotient != quotient for quotient in quotients):
        return float("nan")
    first, second, third, last = quotients
    if on.mp.isinf(last):
        return float(last)
    tiny = on.mp.mpf(10) ** (_NEARER[-1] * 3 // 2)
    if max(map(abs, quotients)) < tiny:  # what is left of a difference of equal numbers
        return 0.0
    steps = [second - first, third - second, last - third]
    if abs(steps[2]) * 10**_SETTLED <= abs(last):
        return float(last)
    if not 2 * abs(steps[2]) < abs(steps[1]) or not 2 * abs(steps[1]) < abs(steps[0]):
        grows = abs(last) > abs(third) > abs(second)
        return float(on.mp.inf if last > 0 else -on.mp.inf) if grows else None
    earlier = third - steps[1] ** 2 / (steps[1] - steps[0])
    limit = last - steps[2] ** 2 / (steps[2] - steps[1])
    if abs(limit) <= abs(steps[2]) or abs(last) < tiny:
        return 0.0
    return float(limit) if abs(limit - earlier) * 10**_FOUND <= abs(limit) else None
