"""Array equations evaluated over formulas: what each entry is, in names of other entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from math import prod
from typing import assert_never

from backprop_cli.arrays.array import (
    AS,
    BESIDE,
    INDEX,
    MINUS_INFINITY,
    SLICE,
    WHOLE,
    Array,
    ArrayError,
    Shape,
    arguments_of,
    picked,
    shape_text,
)
from backprop_cli.arrays.operations import (
    OPERATIONS,
    Arguments,
    added,
    called,
    elementwise,
    finite,
    matmul,
    over,
    times,
    transpose,
)
from backprop_cli.arrays.workshop import HEAVY, Workshop
from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import quote
from backprop_cli.formula.build import children, is_number, names_in, negative, product, rebuild
from backprop_cli.formula.evaluate import evaluate
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


@dataclass
class Expansion:
    """`known` are the arrays above; `numbers` the given entries, for lists of places."""

    shop: Workshop
    known: dict[str, Array] = field(default_factory=dict)
    numbers: dict[str, Fraction] = field(default_factory=dict)

    def write(self, name: str, equation: Formula, text: str | None) -> Shape:
        """Write an equation out. Raises ArrayError, with the part of it that is meant."""
        self.shop.own = name
        value = self.value(equation)
        if not value.shape and value.scalar == MINUS_INFINITY:
            raise ArrayError("this is minus infinity whatever the numbers are")
        self.shop.write(name, value, equation, text)
        self.known[name] = Array(value.shape, self.shop.views[-1].entries)
        return value.shape

    def value(self, formula: Formula) -> Array:
        """The array that a formula comes to."""
        try:
            return self._value(formula)
        except ArrayError as error:
            if error.at is None:
                error.at = formula
            raise

    def _value(self, formula: Formula) -> Array:
        match formula:
            case Number():
                return Array((), (formula,))
            case Name(name):
                return self.known[name]
            case Shown("hadamard", factors):
                return self._together(factors, times)
            case Call(function, parts) if function == BESIDE:
                return self._beside(*parts)
            case Shown("matmul", (one, other)):
                words = ("A", "B")
                if isinstance(one, Name) and isinstance(other, Name):
                    words = (one.name, other.name)
                return matmul(self.shop, self._factor(one), self._factor(other), words)
            case Shown("transpose", (operand,)):
                return transpose(self.shop, self.value(operand))
            case Sum((scores, Call("causal_mask", (own,)) as mask)) if scores == own:
                named = self.shop.light(self.value(scores), scores, 0)
                self.shop.say(own, self.shop.in_names(scores))
                return elementwise(self.shop, (named, self.value(mask)), added)
            case Sum() | Product() | Quotient() | Negative():
                return self._together(children(formula), _ENTRY[type(formula)])
            case Power(base, exponent):
                return self._power(base, exponent)
            case Comparison(left, relation, right):
                return self._together(
                    (left, right), lambda one, other: Comparison(one, relation, other)
                )
            case Conditional(condition, then, otherwise):
                return self._together((condition, then, otherwise), _conditional)
            case Call(function, parts) if function == INDEX:
                return self._entries(parts[0], parts[1:])
            case Call(function, parts) if function == AS:
                return self._operation(Call("reshape", parts))
            case Call(function) if function in OPERATIONS:
                return self._operation(formula)
            case Call(function, parts):
                return self._together(parts, lambda *entries: called(function, *entries))
            case Matrix() | Shown():
                raise TypeError("not a formula that is read")
            case _:
                assert_never(formula)

    def _together(self, parts: Sequence[Formula], entry: Callable[..., Formula]) -> Array:
        if not parts:
            return Array((), (entry(),))
        return self._combined(parts, [self.value(part) for part in parts], entry)

    def _combined(
        self, parts: Sequence[Formula], values: Sequence[Array], entry: Callable[..., Formula]
    ) -> Array:
        most = max(len(value.entries) for value in values)
        values = [
            self.shop.named(value, "part", part)
            if value.weight > HEAVY and len(value.entries) < most
            else value
            for part, value in zip(parts, values, strict=True)
        ]
        return elementwise(self.shop, values, entry)

    def _factor(self, formula: Formula) -> Array:
        """A factor of `@`, named where its entries are too much to be written again and again."""
        return self.shop.light(self.value(formula), formula, HEAVY)

    def _beside(self, one: Formula, other: Formula) -> Array:
        """`2 A`, `A(1 - A)`; `W x` of two arrays could mean two things."""
        left, right = self.value(one), self.value(other)
        if left.shape and right.shape and not _expression_of(one, other):
            raise ArrayError(
                "this product of two arrays could be one of matrices or entry by entry",
                f"write {_both(one, '@', other)} for the matrix product, {_both(one, '*', other)} "
                "for entry by entry",
            )
        return self._combined((one, other), (left, right), times)

    def _power(self, base: Formula, exponent: Formula) -> Array:
        def entry(one: Formula, other: Formula) -> Formula:
            finite(one, other)
            return one if is_number(other, 1) else Power(one, other)

        if exponent == Negative(Number("1")) and len(self.value(base).shape) == 2:
            raise ArrayError(
                "`^-1` of a matrix could be its inverse, which is not worked out here, or entry by "
                "entry",
                "write a quotient, as in `1 / A`, for entry by entry",
            )
        return self._together((base, exponent), entry)

    def _operation(self, call: Call) -> Array:
        row = OPERATIONS[call.function]
        written, named = arguments_of(call)
        keywords = {key: self.value(value) for key, value in named.items()}
        return row.apply(
            self.shop, Arguments(tuple(map(self.value, written)), written, keywords, call)
        )

    # --- entries ---

    def _entries(self, base: Formula, places_: Sequence[Formula]) -> Array:
        value = self.value(base)
        if not value.shape:
            raise ArrayError(
                "a single number has no entries",
                "write `*` if a product is meant",
            )
        if len(places_) > len(value.shape):
            raise ArrayError(
                f"this has {len(places_)} places, and the array is {shape_text(value.shape)}"
            )
        of = f" of {quote(base.name)}" if isinstance(base, Name) else ""
        specs = [*places_, *[WHOLE] * (len(value.shape) - len(places_))]
        deeper = (f"place {{}} on level {level}" for level in range(3, len(specs) + 1))
        levels = ("row {}", "column {}", *deeper)
        chosen = [*map(self._indices, specs, value.shape, (what + of for what in levels))]
        self.shop.charge(prod(len(indices) for indices, _ in chosen), 1)
        shape, offsets = picked(value.shape, chosen)
        return Array(shape, tuple(value.entries[at] for at in offsets), value.weight)

    def _indices(self, spec: Formula, size: int, what: str) -> tuple[list[int], bool]:
        """Counted from 0; whether it is one place, which takes the axis away."""
        match spec:
            case Call(function, ()) if function == SLICE:
                return list(range(size)), False
            case Call(function, ends) if function == SLICE:
                values = [(self.value(end), end) for end in ends]
                for value, end in values:
                    if value.shape:
                        raise ArrayError("a range goes from one place to another", at=end)
                first, last = (self._place(each.scalar, size, what, at) for each, at in values)
                if first > last:
                    raise ArrayError(
                        "this range is empty: its ends are in the wrong order", at=spec
                    )
                return list(range(first, last + 1)), False
        value = self.value(spec)
        if len(value.shape) > 1:
            raise ArrayError("the places in an array are one list", at=spec)
        return [self._place(each, size, what, spec) for each in value.entries], not value.shape

    def _place(self, entry: Formula, size: int, what: str, at: Formula) -> int:
        """Counted from 0, of the numbers that are written or given."""
        try:
            found = evaluate(entry, self.numbers.__getitem__)
        except KeyError:
            raise ArrayError(
                "a place in an array is a whole number, a range like `1:2`, or a given list", at=at
            ) from None
        if not isinstance(found, Fraction) or found.denominator != 1:
            raise ArrayError("a place in an array is a whole number", at=at)
        if found == 0:
            raise ArrayError(
                "there is no entry 0: entries are counted from 1, as on paper",
                "the first is `[1]`",
                at,
            )
        if not 1 <= found <= size:
            raise ArrayError(
                f"there is no {what.format(found)}: there are {size}",
                None if found > 0 else "places are counted from the front, from 1",
                at,
            )
        return int(found) - 1


def _both(one: Formula, sign: str, other: Formula) -> str:
    """Two arrays with a sign between them, by their names where they have some."""
    names = [each.name if isinstance(each, Name) else "…" for each in (one, other)]
    return quote(f" {sign} ".join(names))


def _minus(entry: Formula) -> Formula:
    finite(entry)
    return negative(entry)


def _conditional(condition: Formula, then: Formula, otherwise: Formula) -> Formula:
    finite(then, otherwise)
    assert isinstance(condition, Comparison)
    return Conditional(condition, then, otherwise)


_ENTRY: Mapping[type, Callable[..., Formula]] = {
    Sum: added,
    Product: times,
    Quotient: over,
    Negative: _minus,
}


def _expression_of(one: Formula, other: Formula) -> bool:
    """`A(1 - A)`: the second factor is a bracket that has the first in it."""
    return not isinstance(other, Name) and isinstance(one, Name) and one.name in names_in(other)


def tidy(formula: Formula) -> Formula:
    """The equation as it is shown: what stood side by side is a product again."""
    match formula:
        case Call(function, parts) if function == BESIDE:
            return product(*map(tidy, parts))
        case Product(factors):
            return product(*map(tidy, factors))
        case _:
            return rebuild(formula, tidy)
