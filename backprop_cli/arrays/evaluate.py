"""Formulas between arrays evaluated as arrays of floats, independent of what they are written out
to: by this a rule at array level is compared with the gradients of single numbers.

Beside the operations of files there are those of gradients only: what a rule has to say to send
∂L/∂C back through a window, a place or a shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import product as combinations
from typing import assert_never

from backprop_cli.arrays.array import (
    AS,
    INDEX,
    KEYWORD,
    MINUS_INFINITY,
    SLICE,
    Shape,
    count,
    offset,
    places,
)
from backprop_cli.dataclass import dataclass
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

    def at(self, place: Sequence[int]) -> float:
        return self.values[offset(self.shape, place)]

    @property
    def scalar(self) -> float:
        return self.values[0]

    def reshaped(self, shape: Shape) -> Grid:
        return Grid(shape, self.values)


@dataclass
class Evaluator:
    """`known` are the arrays and numbers by name; what has been evaluated is kept."""

    known: Mapping[str, Grid]
    found: dict[int, tuple[Formula, Grid]] = field(default_factory=dict)

    def shape(self, formula: Formula) -> Shape:
        return self.value(formula).shape

    def value(self, formula: Formula) -> Grid:
        kept = self.found.get(id(formula))
        if kept is None:
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
            case Sum(terms):
                return self._entrywise(terms, lambda *entries: sum(entries))
            case Product(factors) | Shown("hadamard", factors):
                return self._entrywise(factors, _times)
            case Quotient(one, other):
                return self._entrywise((one, other), _over)
            case Negative(operand):
                return self._entrywise((operand,), lambda entry: -entry)
            case Power(base, exponent):
                return self._entrywise((base, exponent), _power)
            case Comparison(left, relation, right):
                compare = _RELATIONS[relation]
                return self._entrywise((left, right), lambda a, b: float(compare(a, b)))
            case Conditional(condition, then, otherwise):
                return self._entrywise((condition, then, otherwise), _chosen)
            case Shown("matmul", factors):
                result = self.value(factors[0])
                lying = self._lies(factors[0])
                for factor in factors[1:]:
                    result, lying = _matmul(result, self.value(factor), lying), False
                return result
            case Shown("transpose", (operand,)):
                return _transpose(self.value(operand))
            case Call(name, parts) if name in _OPERATIONS:
                return _OPERATIONS[name](self, _arguments(self, parts))
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

    def _index(self, name: str, parts: Sequence[Formula]) -> Grid:
        """The entries at some places, or those places filled."""
        base, *specs = parts if name == INDEX else parts[1:]
        array = self.value(base)
        chosen: list[Sequence[int]] = []
        kept: list[int] = []
        for axis, size in enumerate(array.shape):
            indices, single = (
                self._indices(specs[axis], size) if axis < len(specs) else (None, False)
            )
            chosen.append(range(size) if indices is None else indices)
            if not single:
                kept.append(len(chosen[-1]))
        offsets = [offset(array.shape, place) for place in combinations(*chosen)]
        if name == INDEX:
            return Grid(tuple(kept), [array.values[at] for at in offsets])
        values = [0.0] * count(array.shape)
        for at, each in zip(offsets, spread(self.value(parts[0]), tuple(kept)), strict=True):
            values[at] += each
        return Grid(array.shape, values)

    def _indices(self, spec: Formula, size: int) -> tuple[Sequence[int], bool]:
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


def joined(shapes: Sequence[Shape]) -> Shape:
    """The shape of arrays put together entry by entry."""
    found: list[int] = []
    for shape in shapes:
        for at, size in enumerate(reversed(shape)):
            if at == len(found):
                found.append(size)
            elif found[at] == 1:
                found[at] = size
    return tuple(reversed(found))


def entrywise(grids: Sequence[Grid], entry: Callable[..., float]) -> Grid:
    if not grids:
        return Grid((), [entry()])
    shape = joined([grid.shape for grid in grids])
    columns = [spread(grid, shape) for grid in grids]
    return Grid(shape, [entry(*each) for each in zip(*columns, strict=True)])


def spread(grid: Grid, shape: Shape) -> Sequence[float]:
    """The entries of a smaller array everywhere in a larger one."""
    if grid.shape == shape:
        return grid.values
    if not grid.shape:
        return [grid.scalar] * count(shape)
    own = len(grid.shape)
    return [
        grid.at([0 if size == 1 else at for size, at in zip(grid.shape, place[-own:], strict=True)])
        for place in places(shape)
    ]


def _times(*factors: float) -> float:
    # What counts nothing counts nothing however large the rest is: 0·ln 0 is 0 in a cross-entropy.
    return 0.0 if 0 in factors else math.prod(factors)


def _over(one: float, other: float) -> float:
    if other == 0:
        return math.nan
    return one / other


def _power(base: float, exponent: float) -> float:
    try:
        found = base**exponent
    except (OverflowError, ZeroDivisionError):
        return math.inf
    return found if isinstance(found, float) else math.nan


def _chosen(condition: float, then: float, otherwise: float) -> float:
    return then if condition else otherwise


_RELATIONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


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


def _transpose(grid: Grid) -> Grid:
    if len(grid.shape) < 2:
        return Grid((1, *grid.shape), grid.values)
    rows, columns = grid.shape
    return Grid(
        (columns, rows),
        [grid.values[row * columns + column] for column in range(columns) for row in range(rows)],
    )


# --- operations -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Arguments:
    values: Sequence[Grid]
    keywords: Mapping[str, Grid]

    def whole(self, place: int | str, default: int) -> int:
        if isinstance(place, int):
            return int(self.values[place].scalar) if place < len(self.values) else default
        return int(self.keywords[place].scalar) if place in self.keywords else default

    def sizes(self, start: int) -> Shape:
        return tuple(int(each.scalar) for each in self.values[start:])


def _arguments(evaluator: Evaluator, parts: Sequence[Formula]) -> _Arguments:
    values: list[Grid] = []
    keywords: dict[str, Grid] = {}
    for part in parts:
        match part:
            case Call(name, (value,)) if name.endswith(KEYWORD):
                keywords[name.removesuffix(KEYWORD)] = evaluator.value(value)
            case _:
                values.append(evaluator.value(part))
    return _Arguments(values, keywords)


def lines(shape: Shape, axis: int | None) -> Iterator[Sequence[int]]:
    """The offsets of the entries of each line along an axis, or of all entries."""
    if axis is None:
        yield range(count(shape))
        return
    step = count(shape[axis + 1 :])
    length = shape[axis] * step
    for start in range(0, count(shape), length):
        for own in range(start, start + step):
            yield range(own, own + length, step)


def _axis(given: _Arguments, shape: Shape, default: int | None = None) -> int | None:
    if "axis" in given.keywords:
        return given.whole("axis", 0) % len(shape)
    return default


def _reduced(of: Callable[[Sequence[float]], float]) -> _Operation:
    def operation(evaluator: Evaluator, given: _Arguments) -> Grid:
        grid = given.values[0]
        if len(given.values) > 1:  # several single numbers
            grid = Grid((len(given.values),), [each.scalar for each in given.values])
        axis = _axis(given, grid.shape)
        found = [of([grid.values[at] for at in line]) for line in lines(grid.shape, axis)]
        keep = bool(given.whole("keepdims", 0))
        if axis is None:
            return Grid((1,) * len(grid.shape) if keep else (), found)
        middle = (1,) if keep else ()
        return Grid((*grid.shape[:axis], *middle, *grid.shape[axis + 1 :]), found)

    return operation


def _along(of: Callable[[Sequence[float]], Sequence[float]]) -> _Operation:
    def operation(evaluator: Evaluator, given: _Arguments) -> Grid:
        grid = given.values[0]
        values = [0.0] * len(grid.values)
        for line in lines(grid.shape, _axis(given, grid.shape, len(grid.shape) - 1)):
            for at, each in zip(line, of([grid.values[at] for at in line]), strict=True):
                values[at] = each
        return Grid(grid.shape, values)

    return operation


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _var(values: Sequence[float]) -> float:
    mean = _mean(values)
    return _mean([(each - mean) ** 2 for each in values])


def _logsumexp(values: Sequence[float]) -> float:
    return numeric("logsumexp")(*values)


def _log_softmax(values: Sequence[float]) -> Sequence[float]:
    whole = _logsumexp(values)
    return [each - whole for each in values]


def _softmax(values: Sequence[float]) -> Sequence[float]:
    return [math.exp(each) for each in _log_softmax(values)]


def _extreme(of: Callable[..., float]) -> _Operation:
    reduced = _reduced(lambda values: of(*values))

    def operation(evaluator: Evaluator, given: _Arguments) -> Grid:
        return reduced(evaluator, given) if len(given.values) == 1 else entrywise(given.values, of)

    return operation


def _cross_entropy(evaluator: Evaluator, given: _Arguments) -> Grid:
    shares, targets = given.values
    rows = shares.shape[0] if len(shares.shape) == 2 else 1
    parts = (
        y * numeric("ln")(p) for p, y in zip(shares.values, targets.values, strict=True) if y != 0
    )
    return Grid((), [-math.fsum(parts) / rows])


def _outer(evaluator: Evaluator, given: _Arguments) -> Grid:
    one, other = given.values
    return Grid((*one.shape, *other.shape), [a * b for a in one.values for b in other.values])


def _dot(evaluator: Evaluator, given: _Arguments) -> Grid:
    one, other = given.values
    return Grid((), [math.fsum(a * b for a, b in zip(one.values, other.values, strict=True))])


def _trace(evaluator: Evaluator, given: _Arguments) -> Grid:
    grid = given.values[0]
    return Grid((), [math.fsum(grid.values[:: grid.shape[0] + 1])])


def _concat(evaluator: Evaluator, given: _Arguments) -> Grid:
    grids = [each.reshaped((1,)) if not each.shape else each for each in given.values]
    first = grids[0].shape
    axis = _axis(given, first, 0) or 0
    size = sum(grid.shape[axis] for grid in grids)
    values: list[float] = []
    for at in range(count(first[:axis])):
        for grid in grids:
            length = count(grid.shape[axis:])
            values += grid.values[at * length : (at + 1) * length]
    return Grid((*first[:axis], size, *first[axis + 1 :]), values)


def _stack(evaluator: Evaluator, given: _Arguments) -> Grid:
    values = [value for grid in given.values for value in grid.values]
    return Grid((len(given.values), *given.values[0].shape), values)


def _filled(shape: Shape, entry: Callable[[Sequence[int]], float]) -> Grid:
    return Grid(shape, [entry(place) for place in places(shape)])


def _causal_mask(evaluator: Evaluator, given: _Arguments) -> Grid:
    (grid,) = given.values
    shape = grid.shape or (int(grid.scalar),) * 2
    return _filled(shape, lambda at: -math.inf if at[1] > at[0] else 0.0)


def _normalised(rows: bool) -> _Operation:
    def operation(evaluator: Evaluator, given: _Arguments) -> Grid:
        grid, *factors = given.values
        epsilon = factors.pop().scalar if len(factors) == 3 else 1e-5
        epsilon = given.keywords["epsilon"].scalar if "epsilon" in given.keywords else epsilon
        values = [0.0] * len(grid.values)
        for line in lines(grid.shape, len(grid.shape) - 1 if rows else 0):
            own = [grid.values[at] for at in line]
            mean, root = _mean(own), math.sqrt(_var(own) + epsilon)
            for at, each in zip(line, own, strict=True):
                values[at] = (each - mean) / root
        result = Grid(grid.shape, values)
        if factors:
            result = entrywise([factors[0], result], lambda a, b: a * b)
        return result if len(factors) < 2 else entrywise([result, factors[1]], lambda a, b: a + b)

    return operation


# --- windows --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Windows:
    """Which pixel of an image meets which entry of a kernel in which entry of the result."""

    image: Shape
    kernel: Shape
    result: Shape
    stride: int
    padding: int
    levels: int

    def meetings(self) -> Iterator[tuple[int, int, int]]:
        """Offsets in image, kernel and result."""
        channels = self.image[: -self.levels]
        outputs = self.result[: -self.levels]
        width = self.kernel[-self.levels :]
        sizes = self.image[-self.levels :]
        inner = count(channels) * count(width)
        for at, place in enumerate(places(self.result)):
            corner = place[len(outputs) :]
            output = offset(outputs, place[: len(outputs)])
            for number, channel in enumerate(places(channels)):
                for own, step in enumerate(places(width)):
                    pixel = [
                        c * self.stride + s - self.padding
                        for c, s in zip(corner, step, strict=True)
                    ]
                    if all(0 <= p < size for p, size in zip(pixel, sizes, strict=True)):
                        kernel = output * inner + number * count(width) + own
                        yield offset(self.image, (*channel, *pixel)), kernel, at


def _windows(image: Shape, kernel: Shape, stride: int, padding: int, levels: int) -> _Windows:
    front = kernel[:-levels]
    outputs = front[:-1] if len(image) > levels else front[:1]
    sizes = tuple(
        (size + 2 * padding - width) // stride + 1
        for size, width in zip(image[-levels:], kernel[-levels:], strict=True)
    )
    return _Windows(image, kernel, (*outputs, *sizes), stride, padding, levels)


def _settings(given: _Arguments, start: int = 2) -> tuple[int, int]:
    stride = given.whole("stride" if "stride" in given.keywords else start, 1)
    return stride, given.whole("padding" if "padding" in given.keywords else start + 1, 0)


def _convolved(levels: int) -> _Operation:
    def operation(evaluator: Evaluator, given: _Arguments) -> Grid:
        image, kernel = given.values[:2]
        windows = _windows(image.shape, kernel.shape, *_settings(given), levels)
        values = [0.0] * count(windows.result)
        for pixel, weight, at in windows.meetings():
            values[at] += image.values[pixel] * kernel.values[weight]
        return Grid(windows.result, values)

    return operation


def _conv_transpose(evaluator: Evaluator, given: _Arguments) -> Grid:
    small, kernel = given.values[:2]
    stride, padding = _settings(given)
    outputs = kernel.shape[1:2] if len(small.shape) > 2 else ()
    sizes = tuple(
        (size - 1) * stride + width - 2 * padding
        for size, width in zip(small.shape[-2:], kernel.shape[-2:], strict=True)
    )
    shape = (*outputs, *sizes)
    windows = _Windows(shape, kernel.shape, small.shape, stride, padding, 2)
    values = [0.0] * count(shape)
    for pixel, weight, at in windows.meetings():
        values[pixel] += small.values[at] * kernel.values[weight]
    return Grid(shape, values)


def _gradient_windows(given: _Arguments) -> _Windows:
    """Of `windowed(X, G, K, …)` and `full(X, G, K, …)`: an image, its result and the kernels."""
    image, result, kernel = (each.shape for each in given.values[:3])
    stride, padding, levels = (int(each.scalar) for each in given.values[3:6])
    return _Windows(image, kernel, result, stride, padding, levels)


def _windowed(evaluator: Evaluator, given: _Arguments) -> Grid:
    image, result, kernel = given.values[:3]
    values = [0.0] * len(kernel.values)
    for pixel, weight, at in _gradient_windows(given).meetings():
        values[weight] += image.values[pixel] * result.values[at]
    return Grid(kernel.shape, values)


def _full(evaluator: Evaluator, given: _Arguments) -> Grid:
    image, result, kernel = given.values[:3]
    values = [0.0] * len(image.values)
    for pixel, weight, at in _gradient_windows(given).meetings():
        values[pixel] += kernel.values[weight] * result.values[at]
    return Grid(image.shape, values)


def pool_windows(image: Shape, size: int, stride: int) -> Iterator[Sequence[int]]:
    """The offsets of the entries of each window, in the order of the result."""
    levels = min(2, len(image))
    sizes = [(each - size) // stride + 1 for each in image[-levels:]]
    for channel in places(image[:-levels]):
        for corner in places(tuple(sizes)):
            yield [
                offset(
                    image, (*channel, *(c * stride + s for c, s in zip(corner, step, strict=True)))
                )
                for step in places((size,) * levels)
            ]


def _pool_settings(given: _Arguments, start: int) -> tuple[int, int]:
    size = given.whole("size" if "size" in given.keywords else start, 2)
    return size, given.whole("stride" if "stride" in given.keywords else start + 1, size)


def _pooled(of: Callable[[Sequence[float]], float]) -> _Operation:
    def operation(evaluator: Evaluator, given: _Arguments) -> Grid:
        image = given.values[0]
        size, stride = _pool_settings(given, 1)
        levels = min(2, len(image.shape))
        sizes = tuple((each - size) // stride + 1 for each in image.shape[-levels:])
        windows = pool_windows(image.shape, size, stride)
        values = [of([image.values[at] for at in window]) for window in windows]
        return Grid((*image.shape[:-levels], *sizes), values)

    return operation


def _unpooled(share: Callable[[Sequence[float]], Sequence[float]]) -> _Operation:
    def operation(evaluator: Evaluator, given: _Arguments) -> Grid:
        result, image = given.values[:2]
        values = [0.0] * len(image.values)
        windows = pool_windows(image.shape, *_pool_settings(given, 2))
        for window, own in zip(windows, result.values, strict=True):
            for at, each in zip(window, share([image.values[at] for at in window]), strict=True):
                values[at] += each * own
        return Grid(image.shape, values)

    return operation


def _largest(values: Sequence[float]) -> Sequence[float]:
    """1 for the largest; in a tie, where there is no derivative, equal shares."""
    top = max(values)
    return [1 / values.count(top) if each == top else 0.0 for each in values]


_Operation = Callable[[Evaluator, _Arguments], Grid]

_OPERATIONS: Mapping[str, _Operation] = {
    "transpose": lambda _, given: _transpose(given.values[0]),
    "sum": _reduced(math.fsum),
    "mean": _reduced(_mean),
    "var": _reduced(_var),
    "std": _reduced(lambda values: math.sqrt(_var(values))),
    "max": _extreme(numeric("max")),
    "min": _extreme(numeric("min")),
    "norm": _reduced(lambda values: math.sqrt(math.fsum(each * each for each in values))),
    "logsumexp": _reduced(_logsumexp),
    "softmax": _along(_softmax),
    "log_softmax": _along(_log_softmax),
    "cross_entropy": _cross_entropy,
    "outer": _outer,
    "dot": _dot,
    "trace": _trace,
    "concat": _concat,
    "stack": _stack,
    "reshape": lambda _, given: given.values[0].reshaped(given.sizes(1)),
    "flatten": lambda _, given: given.values[0].reshaped((len(given.values[0].values),)),
    "eye": lambda _, given: _filled(given.sizes(0) * 2, lambda at: float(at[0] == at[1])),
    "ones": lambda _, given: _filled(given.sizes(0), lambda at: 1.0),
    "zeros": lambda _, given: _filled(given.sizes(0), lambda at: 0.0),
    "causal_mask": _causal_mask,
    "dropout": lambda _, given: entrywise(given.values, lambda a, m, keep: a * m / keep),
    "where": lambda _, given: entrywise(given.values, _chosen),
    "conv1d": _convolved(1),
    "conv2d": _convolved(2),
    "conv_transpose2d": _conv_transpose,
    "max_pool": _pooled(max),
    "avg_pool": _pooled(_mean),
    "layer_norm": _normalised(True),
    "batch_norm": _normalised(False),
    AS: lambda _, given: given.values[0].reshaped(given.sizes(1)),
    SPREAD: lambda _, given: Grid(given.sizes(1), spread(given.values[0], given.sizes(1))),
    WINDOWED: _windowed,
    FULL: _full,
    UNPOOLED: _unpooled(_largest),
    EVENLY: _unpooled(lambda values: [1 / len(values)] * len(values)),
}
