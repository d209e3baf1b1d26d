"""The whole calculation as one expression in what is given, as SymPy composes and differentiates it.

Worksheets get their gradients step by step: the composed derivative explodes (645,000 operations
for 4-4-4-4-2). So its size is counted before anything is differentiated, and what is too large is
left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property, reduce
from random import Random
from typing import Any, Literal, TypeAlias

from backprop_cli.algebra.bridge import Beyond, from_sympy, to_sympy
from backprop_cli.algebra.classes import function_classes, read_off
from backprop_cli.algebra.derivative import slope_of_definition
from backprop_cli.algebra.precise import (
    Arithmetic,
    Definitions,
    Precise,
    arithmetic,
)
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.arithmetic import COMPARE
from backprop_cli.formula.build import children, product, rebuild, size, substitute, total
from backprop_cli.formula.defined import variables
from backprop_cli.formula.functions import FUNCTIONS
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Name,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)

LARGEST = 40_000
"""How many nodes the composed formula may have, times the names to differentiate by."""
LARGEST_WRITTEN = 2_000
"""How many nodes a composed derivative may have that someone is to read."""
LARGEST_EXPANDED = 4_000
"""How many terms may come of multiplying out, to see that everything cancels."""

MOST_FACTORED = 64
MOST_SYMBOLS = 16
"""A sum of at most so many terms in so many symbols is factored."""

DIGITS = 40
POINTS = 3
_ATTEMPTS = 60

Proof: TypeAlias = Literal["cancelled", "points", "unequal", "open"]
"""How two expressions were found equal: everything cancels, or the same values at random points;
`open` where there is no point at which both have one."""

_Failed = (ArithmeticError, NotImplementedError, RecursionError, TypeError, ValueError)


class TooLarge(ValueError):
    """The composed formula, or its derivative, is beyond what SymPy is given."""


def composed_size(definitions: Definitions, output: str) -> int:
    """The number of nodes of the output once every name is replaced by its definition."""
    sizes: dict[str, int] = {}
    for name, formula in definitions:
        sizes[name] = _count(formula, sizes)
    return sizes.get(output, 1)


def _count(formula: Formula, sizes: Mapping[str, int]) -> int:
    if isinstance(formula, Name):
        return sizes.get(formula.name, 1)
    return 1 + sum(_count(part, sizes) for part in children(formula))


def derivative_size(definitions: Definitions, output: str, variable: str) -> int:
    """About how many nodes the derivative of the composed output has, without writing it down."""
    sizes: dict[str, int] = {}
    slopes: dict[str, int] = {variable: 1}  # of what depends on the variable

    def slope(formula: Formula) -> int:
        if isinstance(formula, Name):
            return slopes.get(formula.name, 0)
        parts = children(formula)
        own = [slope(part) for part in parts]
        touched = sum(1 for each in own if each)
        whole = sum(_count(part, sizes) for part in parts)
        match formula:
            case _ if not touched:
                return 0
            case Product():
                return sum(own) + touched * (whole + 1)
            case Quotient() | Power() | Call():
                return sum(own) + touched * (2 * whole + 4)
            case Conditional():
                return sum(own) + whole
            case _:
                return sum(own) + touched

    for name, formula in definitions:
        if name != variable:
            slopes[name] = slope(formula)
        sizes[name] = _count(formula, sizes)
    return slopes.get(output, 0)


@dataclass(frozen=True)
class Composition:
    """A calculation in SymPy, each quantity in terms of what is given.

    `definitions` are in order of calculation.
    """

    definitions: Definitions

    @cached_property
    def _symbols(self) -> dict[str, Any]:
        return {}

    def symbol(self, name: str) -> Any:
        """What stands for a given quantity in SymPy; names never reach it."""
        import sympy

        if name not in self._symbols:
            self._symbols[name] = sympy.Symbol(f"v{len(self._symbols)}")
        return self._symbols[name]

    def by_symbol(self) -> dict[Any, str]:
        """The given quantity that each symbol met so far stands for."""
        return {symbol: name for name, symbol in self._symbols.items()}

    @cached_property
    def _expressions(self) -> dict[str, Any]:
        return self._composed(self.definitions, {})

    def _composed(
        self, definitions: Iterable[tuple[str, Formula]], known: dict[str, Any]
    ) -> dict[str, Any]:
        def lookup(name: str) -> Any:
            return known[name] if name in known else self.symbol(name)

        for name, formula in definitions:
            known[name] = to_sympy(formula, lookup, function_classes(taught=True))
        return known

    def expression(self, name: str) -> Any:
        """A quantity in what is given alone."""
        return self._expressions.get(name, self.symbol(name))

    def parts(self, formula: Formula) -> dict[int, Any]:
        """What a formula in the names of the calculation and each of its parts comes to, in what
        is given alone, by the part's id."""
        found: dict[int, Any] = {}
        to_sympy(formula, self.expression, function_classes(taught=True), found)
        return found

    def of(self, formula: Formula) -> Any:
        """A formula in the names of the calculation, in what is given alone."""
        return to_sympy(formula, self.expression, function_classes(taught=True))

    def derivative(self, output: str, variable: str) -> Any:
        """d output / d variable of the composed formula, in what is given alone.

        Raises TooLarge, or ValueError for what has no derivative in SymPy.
        """
        import sympy

        defined = [name for name, _ in self.definitions]
        place = self.symbol(variable)
        try:
            if variable not in defined:
                return sympy.diff(self._expressions.get(output, 0), place)
            # By a quantity on the way: what comes after it, with a symbol in its place.
            own = self._expressions[variable]
            later = self.definitions[defined.index(variable) + 1 :]
            before = {name: self._expressions[name] for name in defined[: defined.index(variable)]}
            after = self._composed(later, {**before, variable: place})
            return sympy.diff(after[output], place).xreplace({place: own})
        except _Failed as error:
            raise TooLarge(str(error)) from None


def composed_gradient(
    definitions: Definitions,
    output: str,
    wrt: Sequence[str],
    values: Mapping[str, Fraction | float],
    largest: int = LARGEST,
) -> dict[str, float] | None:
    """d output / d each name of `wrt`: composed, differentiated by SymPy, then evaluated precisely.

    None where the composed formula is too large (see LARGEST) or outside SymPy's reach.
    `definitions` are in order of calculation; `values` hold every other name.
    """
    if composed_size(definitions, output) * len(wrt) > largest:
        return None
    composition = Composition(definitions)
    try:
        slopes = {name: composition.derivative(output, name) for name in wrt}
        reader = _Reader(arithmetic(DIGITS), {})
        for symbol, name in composition.by_symbol().items():
            if name in values:
                reader.found[symbol] = reader.on.number(values[name])
        return {name: float(reader.value(slope)) for name, slope in slopes.items()}
    except (KeyError, *_Failed):
        return None


# Equal or not


def proved_equal(left: Any, right: Any) -> Proof:
    """Whether two expressions of one Composition are equal, and how that was found."""
    difference = left - right
    if difference == 0:
        return "cancelled"
    hidden = Hiding().hidden(difference)
    if hidden == 0 or _cancels(hidden):
        return "cancelled"
    return _at_points(left, right)


def _cancels(hidden: Any) -> bool:
    """Whether nothing is left of sums and products once they are multiplied out."""
    import sympy

    try:
        if _terms(hidden) > LARGEST_EXPANDED:
            return False
        expanded = sympy.expand(hidden)
        if expanded == 0 or expanded.is_polynomial():
            return bool(expanded == 0)
        numerator = sympy.fraction(sympy.together(hidden))[0]
        return _terms(numerator) <= LARGEST_EXPANDED and sympy.expand(numerator) == 0
    except _Failed:
        return False


def _terms(node: Any) -> int:
    """At most how many terms multiplying out would give."""
    if node.is_Add:
        return sum(map(_terms, node.args))
    most = 10 * LARGEST_EXPANDED
    if node.is_Mul:
        return reduce(lambda terms, factor: min(terms * _terms(factor), most), node.args, 1)
    if node.is_Pow and node.exp.is_Integer and node.exp > 0:
        return int(min(_terms(node.base) ** min(int(node.exp), 20), most))
    return 1


def _at_points(left: Any, right: Any) -> Proof:
    """The same values at random points, worked out with 40 digits."""
    on = arithmetic(DIGITS)
    symbols = sorted(left.free_symbols | right.free_symbols, key=lambda symbol: symbol.name)
    random, agreed = Random(40), 0
    for attempt in range(_ATTEMPTS):
        low = 1 if attempt % 2 == 0 else -150  # logarithms want positive ones
        drawn = {symbol: Fraction(random.randint(low, 150), 100) for symbol in symbols}
        reader = _Reader(on, {symbol: on.number(value) for symbol, value in drawn.items()})
        try:
            one, other = reader.value(left), reader.value(right)
        except _Failed:
            continue
        if not (on.mp.isfinite(one) and on.mp.isfinite(other)):
            continue
        if abs(one - other) > on.mp.mpf(10) ** (10 - DIGITS) * max(1, abs(one), abs(other)):
            return "unequal"
        agreed += 1
        if agreed == POINTS:
            return "points"
    return "open"


def _meant(slope: Any) -> Any:
    """What a slope stands for that steps write out; None for what is none."""
    name = type(slope).__name__
    if not name.endswith("'") or name not in FUNCTIONS:
        return None
    arity = len(slope.args)
    formula = read_off(name[:-1], arity) or slope_of_definition(name[:-1], arity)
    if formula is None:
        return None
    at = dict(zip(variables(arity), slope.args, strict=True))
    return to_sympy(formula, at.__getitem__, function_classes(taught=True))


class Hiding:
    """Expressions with every part that is no sum, product or power as a symbol of its own.

    With `primes` a slope like σ′ is such a part too; else it is what it stands for.
    """

    def __init__(self, *, primes: bool = False) -> None:
        self.primes = primes
        self.parts: dict[Any, Any] = {}
        self._found: dict[Any, Any] = {}

    def hidden(self, node: Any) -> Any:
        if node not in self._found:
            self._found[node] = self._hidden(node)
        return self._found[node]

    def _hidden(self, node: Any) -> Any:
        import sympy

        if node.is_Symbol or node.is_Number:
            return node
        if not self.primes and (meant := _meant(node)) is not None:
            return self.hidden(meant)
        if node.is_Add or node.is_Mul or (node.is_Pow and node.exp.is_Rational):
            return node.func(*map(self.hidden, node.args))
        if isinstance(node, sympy.exp):  # e^(−2z) is (e^z)^(−2)
            times, exponent = node.args[0].as_content_primitive()
            opposite = sympy.exp(-exponent)
            if opposite in self.parts:
                times, exponent = -times, -exponent
            if times != 1:
                return self.hidden(sympy.exp(exponent)) ** times
        return self.parts.setdefault(node, sympy.Symbol(f"p{len(self.parts)}"))


# Written down


def compose(formula: Formula, definitions: Mapping[str, Formula]) -> Formula:
    """The formula with every name replaced by its definition, down to what is given; σ′ as it is
    taught, σ(1 − σ)."""
    known: dict[str, Formula] = {}

    def whole(part: Formula) -> Formula:
        match part:
            case Name(name) if name in definitions:
                if name not in known:
                    known[name] = whole(definitions[name])
                return known[name]
            case Product(factors):
                return product(*map(whole, factors))
            case Sum(terms):
                return total(*map(whole, terms))
            case Call(function, (argument,)) if function.endswith("'") and (
                slope := read_off(function[:-1], 1)
            ):
                return substitute(slope, {variables(1)[0]: whole(argument)})
            case _:
                return rebuild(part, whole)

    return whole(formula)


def written(expression: Any, like: Formula, composition: Composition) -> Formula:
    """An expression as a person would write it who had `like` before him.

    `like` is in what is given alone. What occurs in it is written as it is there, factors come
    in the same order, and what all terms share stands in front of them.
    """
    import sympy

    hiding = Hiding(primes=True)
    names: dict[Any, Formula] = {}
    expressions = composition.parts(like)
    for part in _outside_in(like):
        if not isinstance(part, Number | Comparison):
            names.setdefault(hiding.hidden(expressions[id(part)]), part)
    hidden = hiding.hidden(expression)
    for symbol, name in composition.by_symbol().items():
        names.setdefault(symbol, Name(name))
    spelled = {**names}
    for part, symbol in hiding.parts.items():
        spelled.setdefault(symbol, _call(part, names, hiding))
    candidates = [hidden, sympy.factor_terms(hidden)]
    if _terms(hidden) <= MOST_FACTORED and len(hidden.free_symbols) <= MOST_SYMBOLS:
        candidates.append(sympy.factor(hidden))
    return min((from_sympy(each, spelled) for each in candidates), key=size)


def _call(part: Any, names: Mapping[Any, Formula], hiding: Hiding) -> Formula:
    """A function that `like` does not hold: its arguments may well occur there."""
    inside = {
        original: names[symbol] for original, symbol in hiding.parts.items() if symbol in names
    }
    return from_sympy(part, {**names, **inside})


def _outside_in(formula: Formula) -> Iterator[Formula]:
    """The parts of a formula, whole factors before what is inside of them."""
    waiting = [formula]
    while waiting:
        yield from waiting
        waiting = [part for outer in waiting for part in children(outer)]


class _Reader:
    """Values of SymPy expressions; equal parts are calculated once."""

    def __init__(self, on: Arithmetic, known: Mapping[Any, Precise]) -> None:
        self.on = on
        self.found: dict[Any, Precise] = dict(known)

    def value(self, node: Any) -> Precise:
        if node not in self.found:
            self.found[node] = self._value(node)
        return self.found[node]

    def _value(self, node: Any) -> Precise:
        import sympy

        on = self.on
        if node.is_Rational:
            return on.number(Fraction(int(node.p), int(node.q)))
        if node is sympy.pi or node is sympy.E:
            return on.call("pi" if node is sympy.pi else "e", ())
        if node.is_Add:
            return sum(map(self.value, node.args), on.mp.zero)
        if node.is_Mul:
            return on.mp.fprod(map(self.value, node.args))
        if node.is_Pow:
            return on.power(self.value(node.base), self.value(node.exp))
        if node.is_Function:
            relation: Any = getattr(node, "relation", None)
            if relation in COMPARE:
                left, right, then, otherwise = node.args
                holds = COMPARE[relation](self.value(left), self.value(right))
                return self.value(then if holds else otherwise)
            return on.call(type(node).__name__, list(map(self.value, node.args)))
        raise Beyond(f"{type(node).__name__} has no value here")
