"""Formulas between arrays evaluated as arrays of floats: by this a rule at array level is compared
with the gradients of single numbers.

An operation of files is worth what the table of operations writes it out to, of numbers in place of
quantities. Beside these there are those of gradients only: what a rule has to say to send ∂L/∂C back
through a window, a place or a shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import assert_never

from backprop_cli.arrays.array import (
    AS,
    INDEX,
    MINUS_INFINITY,
    SLICE,
    WHOLE,
    Array,
    Shape,
    arguments_of,
    count,
    joined,
    picked,
    spread_over,
)
from backprop_cli.arrays.operations import (
    OPERATIONS,
    Arguments,
    meetings,
    pool_windows,
)
from backprop_cli.arrays.workshop import Workshop
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.arithmetic import COMPARE
from backprop_cli.formula.build import ONE, ZERO, children, number
from backprop_cli.formula.evaluate import as_float, evaluate, power, quotient
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

SPREAD = "spread"  # spread(g, 3, 2): the same number, row or column everywhere
PLACED = "placed"  # placed(G, A, places…): zeros in the shape of A, to which G is added there
WINDOWED = "windowed"  # windowed(X, G, K, stride, padding): ∂L/∂K of a convolution
FULL = "full"  # full(G, K, X, stride, padding): ∂L/∂X of a convolution
UNPOOLED = "unpooled"  # unpooled(G, X, size, stride): each entry where the largest came from
EVENLY = "evenly"  # evenly(G, X, size, stride): each entry shared evenly over its window


@dataclass(frozen=True)
class Grid:
    """Numbers in rows, the last axis running fastest; a single number has the shape `()`."""

    shape: Shape
    values: Sequence[float]

    @property
    def scalar(self) -> float:
        return self.values[0]


@dataclass
class Evaluator:
    """`known` are the arrays and numbers by name; what has been evaluated is kept."""

    known: Mapping[str, Grid]
    found: dict[int, tuple[Formula, Grid]] = field(default_factory=dict)

    def shape(self, formula: Formula) -> Shape:
        return self.value(formula).shape

    def value(self, formula: Formula) -> Grid:
        if (kept := self.found.get(id(formula))) is None:
            kept = formula, self._value(formula)  # with the formula, so that its identity lasts
            self.found[id(formula)] = kept
        return kept[1]

    def _value(self, formula: Formula) -> Grid:
        match formula:
            case Number():
                return Grid((), [float(formula.value)])
            case Name(name):
                return self.known[name]
            case _ if formula == MINUS_INFINITY:
                return Grid((), [-math.inf])
            case Comparison(left, relation, right):
                return self._entrywise((left, right), lambda a, b: float(COMPARE[relation](a, b)))
            case Sum() | Product() | Quotient() | Negative() | Power() | Conditional():
                return self._entrywise(children(formula), _ENTRY[type(formula)])
            case Shown("hadamard", factors):
                return self._entrywise(factors, _times)
            case Shown("matmul", factors):
                result = self.value(factors[0])
                lying = self._lies(factors[0])
                for factor in factors[1:]:
                    result, lying = _matmul(result, self.value(factor), lying), False
                return result
            case Shown("transpose", operands):
                return self._written_out(Call("transpose", operands))
            case Call(name, parts) if name in _OPERATIONS:
                return _OPERATIONS[name](*map(self.value, parts))
            case Call("softmax" | "log_softmax" as name, (scores, *given)):
                return self.value(_shares(scores, given, logarithms=name != "softmax"))
            case Call(name) if name in OPERATIONS:
                return self._written_out(formula)
            case Call(name, parts) if name in (INDEX, PLACED):
                return self._index(name, parts)
            case Call(name, parts):
                return self._entrywise(parts, numeric(name))
            case Matrix() | Shown():
                raise TypeError("not a formula between arrays")
            case _:
                assert_never(formula)

    def _lies(self, formula: Formula) -> bool:
        """Whether a factor is a vector lying down, uᵀ."""
        match formula:
            case Shown("transpose", (operand,)) | Call("transpose", (operand,)):
                return len(self.shape(operand)) == 1
            case _:
                return False

    def _entrywise(self, parts: Sequence[Formula], entry: Callable[..., float]) -> Grid:
        return entrywise([self.value(part) for part in parts], entry)

    def _written_out(self, call: Call) -> Grid:
        """What the table of operations says that the entries of the result are."""
        shop = Workshop(set())
        found: list[float] = []

        def named(grid: Grid) -> Array:
            return Array(grid.shape, tuple(map(entry, grid.values)))

        def entry(value: float) -> Formula:
            if value == 0:  # what counts nothing is left out: 0·ln 0 is 0
                return ZERO
            found.append(value)
            return Name(str(len(found) - 1))

        operands, by_name = arguments_of(call)
        keywords = {key: Array((), (value,)) for key, value in by_name.items()}
        values = [
            Array((), (part,)) if isinstance(part, Number) else named(self.value(part))
            for part in operands
        ]
        written = tuple(Name(f"operand {at}") for at in range(len(values)))
        row = OPERATIONS[call.function]
        result = row.apply(shop, Arguments(tuple(values), written, keywords, call))
        known: dict[str, float] = {}

        def lookup(name: str) -> float:
            return known[name] if name in known else found[int(name)]

        for name, formula in shop.equations.items():  # means and the like, which have names
            known[name] = as_float(evaluate(formula, lookup))
        return Grid(
            result.shape,
            [
                -math.inf if each == MINUS_INFINITY else as_float(evaluate(each, lookup))
                for each in result.entries
            ],
        )

    def _index(self, name: str, parts: Sequence[Formula]) -> Grid:
        """The entries at some places, or those places filled."""
        base, *specs = parts if name == INDEX else parts[1:]
        array = self.value(base)
        specs += [WHOLE] * (len(array.shape) - len(specs))
        kept, offsets = picked(array.shape, map(self._indices, specs, array.shape))
        if name == INDEX:
            return Grid(kept, [array.values[at] for at in offsets])
        values = [0.0] * count(array.shape)
        for at, each in zip(offsets, spread(self.value(parts[0]), kept), strict=True):
            values[at] += each
        return Grid(array.shape, values)

    def _indices(self, spec: Formula, size: int) -> tuple[Sequence[int], bool]:
        """Counted from 0; whether it is one place."""
        match spec:
            case Call(name, ()) if name == SLICE:
                return range(size), False
            case Call(name, (low, high)) if name == SLICE:
                first, last = self.value(low).scalar, self.value(high).scalar
                return range(int(first) - 1, int(last)), False
            case _:
                found = self.value(spec)
                return [int(each) - 1 for each in found.values], not found.shape


# --- entry by entry -------------------------------------------------------------------------------


def entrywise(grids: Sequence[Grid], entry: Callable[..., float]) -> Grid:
    if not grids:
        return Grid((), [entry()])
    shape = joined([grid.shape for grid in grids])
    columns = [spread(grid, shape) for grid in grids]
    return Grid(shape, [entry(*each) for each in zip(*columns, strict=True)])


def spread(grid: Grid, shape: Shape) -> Sequence[float]:
    """The entries of a smaller array everywhere in a larger one."""
    return [grid.values[at] for at in spread_over(grid.shape, shape)]


def _times(*factors: float) -> float:
    # What counts nothing counts nothing however large the rest is: 0·ln 0 is 0 in a cross-entropy.
    return 0.0 if 0 in factors else math.prod(factors)


_ENTRY: Mapping[type, Callable[..., float]] = {
    Sum: lambda *terms: sum(terms),
    Product: _times,
    Quotient: lambda one, other: as_float(quotient(one, other)),
    Negative: lambda entry: -entry,
    Power: lambda base, exponent: as_float(power(base, exponent)),
    Conditional: lambda then, holds, otherwise: then if holds else otherwise,
}


def _shares(scores: Formula, given: Sequence[Formula], *, logarithms: bool) -> Formula:
    """softmax and its logarithm, right at extremes as well."""
    axis = given or [Call("axis=", (number(-1),))]
    whole = Call("logsumexp", (scores, *axis, Call("keepdims=", (ONE,))))
    left = Sum((scores, Negative(whole)))
    return left if logarithms else Call("exp", (left,))


# --- products -------------------------------------------------------------------------------------


def _matmul(one: Grid, other: Grid, lying: bool) -> Grid:
    """A vector is a column, and what comes out beside one is a vector."""
    rows, inner = one.shape if len(one.shape) == 2 else (one.shape[0], 1)
    columns = other.shape[1] if len(other.shape) == 2 else 1
    down = [other.values[column::columns] for column in range(columns)]
    lines = [one.values[row * inner : (row + 1) * inner] for row in range(rows)]
    values = [
        math.fsum(a * b for a, b in zip(line, each, strict=True)) for line in lines for each in down
    ]
    if rows == columns == 1 and len(one.shape) == 2 and (len(other.shape) == 2 or lying):
        return Grid((), values)
    return Grid((rows,) if len(other.shape) == 1 and columns == 1 else (rows, columns), values)


# --- of gradients only ---------------------------------------------------------------------------


def _windowed(image: Grid, result: Grid, kernel: Grid, *settings: Grid) -> Grid:
    values = [0.0] * len(kernel.values)
    met = meetings(image.shape, kernel.shape, result.shape, *_sizes(*settings))
    for pixel, weight, at in met:
        values[weight] += image.values[pixel] * result.values[at]
    return Grid(kernel.shape, values)


def _full(image: Grid, result: Grid, kernel: Grid, *settings: Grid) -> Grid:
    values = [0.0] * len(image.values)
    met = meetings(image.shape, kernel.shape, result.shape, *_sizes(*settings))
    for pixel, weight, at in met:
        values[pixel] += kernel.values[weight] * result.values[at]
    return Grid(image.shape, values)


def _unpooled(share: Callable[[Sequence[float]], Sequence[float]]) -> Callable[..., Grid]:
    def operation(result: Grid, image: Grid, *settings: Grid) -> Grid:
        values = [0.0] * len(image.values)
        windows = pool_windows(image.shape, *_sizes(*settings))
        for window, own in zip(windows, result.values, strict=True):
            for at, each in zip(window, share([image.values[at] for at in window]), strict=True):
                values[at] += each * own
        return Grid(image.shape, values)

    return operation


def _largest(values: Sequence[float]) -> Sequence[float]:
    """1 for the largest; in a tie, where there is no derivative, equal shares."""
    top = max(values)
    return [1 / values.count(top) if each == top else 0.0 for each in values]


def _sizes(*given: Grid) -> tuple[int, ...]:
    return tuple(int(each.scalar) for each in given)


_OPERATIONS: Mapping[str, Callable[..., Grid]] = {
    AS: lambda grid, *sizes: Grid(_sizes(*sizes), grid.values),
    SPREAD: lambda grid, *sizes: Grid(_sizes(*sizes), spread(grid, _sizes(*sizes))),
    WINDOWED: _windowed,
    FULL: _full,
    UNPOOLED: _unpooled(_largest),
    EVENLY: _unpooled(lambda values: [1 / len(values)] * len(values)),
}
