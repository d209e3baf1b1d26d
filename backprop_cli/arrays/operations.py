"""Operations on arrays, one row each: how it is called, and what its entries are in numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from backprop_cli.arrays.array import (
    AS,
    MINUS_INFINITY,
    Array,
    ArrayError,
    Shape,
    TooLarge,
    count,
    offset,
    places,
    shape_text,
    spread_over,
)
from backprop_cli.arrays.workshop import Workshop, broadcast
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import (
    ONE,
    ZERO,
    is_number,
    negative,
    number,
    product,
    quotient,
    total,
)
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Quotient,
    Shown,
)

KEYWORDS = frozenset({"axis", "keepdims", "stride", "padding", "epsilon", "size"})
TWO = Number("2")


@dataclass(frozen=True)
class Arguments:
    """What an operation is applied to: arrays in order, by keyword, and as they are written."""

    values: tuple[Array, ...]
    written: tuple[Formula, ...]
    keywords: Mapping[str, Array]
    call: Call

    def whole(self, name: str, default: int, place: int | None = None, low: int = 0) -> int:
        """A whole number among the arguments, by its name or at a place."""
        value = self.keywords.get(name)
        what = "this" if value is None else f"`{name}`"
        if value is None and place is not None and place < len(self.values):
            value = self.values[place]
        found = default if value is None else _whole(value)
        if found is None or found < low:
            raise ArrayError(f"{what} must be a whole number from {low}")
        return found


Apply: TypeAlias = Callable[[Workshop, Arguments], Array]


@dataclass(frozen=True)
class Operation:
    """A row: `signature` is how it is called, `note` what it does, `backward` how a gradient
    goes back through C = the operation of A (and B)."""

    name: str
    signature: str
    note: str
    backward: str
    apply: Apply
    fewest: int = 1
    most: int | None = 1
    keywords: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    chooses: int | None = None  # the argument that says which entries count: a mask, a one-hot row

    @property
    def title(self) -> str:
        return self.name


def _whole(value: Array) -> int | None:
    match value:
        case Array((), (Number() as found,)) if found.value.denominator == 1:
            return int(found.value)
        case Array((), (Negative(Number() as found),)) if found.value.denominator == 1:
            return -int(found.value)
        case _:
            return None


def elementwise(
    shop: Workshop, values: Sequence[Array], entry: Callable[..., Formula], parts: int = 1
) -> Array:
    shape = broadcast(*(value.shape for value in values))
    columns = [[value.entries[at] for at in spread_over(value.shape, shape)] for value in values]
    weight = sum(value.weight for value in values) + parts
    shop.charge(count(shape), weight)
    return Array(shape, tuple(entry(*each) for each in zip(*columns, strict=True)), weight)


def finite(*entries: Formula) -> None:
    """Refuse minus infinity where it cannot be dropped."""
    if MINUS_INFINITY in entries:
        raise ArrayError(
            "minus infinity can only be added to scores, under softmax, logsumexp or max",
            "write `softmax(S + M)` with the mask M",
        )


def added(*entries: Formula) -> Formula:
    return MINUS_INFINITY if MINUS_INFINITY in entries else total(*entries)


def times(*factors: Formula) -> Formula:
    finite(*factors)
    return product(*factors)


def over(one: Formula, other: Formula) -> Formula:
    finite(one, other)
    return quotient(one, other)


def called(function: str, *entries: Formula) -> Formula:
    finite(*entries)
    return Call(function, entries)


# --- products -------------------------------------------------------------------------------------


def matmul(shop: Workshop, one: Array, other: Array, words: tuple[str, str] = ("A", "B")) -> Array:
    """`@`: a vector is a column, and what comes out as a column of one's product is a vector.
    `words` are what a message calls the factors."""
    each = [
        name + "[1]" * (len(value.shape) - 2)
        for name, value in zip(words, (one, other), strict=True)
    ]
    for value in (one, other):
        if len(value.shape) not in (1, 2):
            raise ArrayError(
                f"`@` multiplies matrices and vectors, and this is {shape_text(value.shape)}",
                f"take a matrix at a time: `{' @ '.join(each)}`, and `stack(…, …)` makes one array of"
                " such products"
                if value.shape
                else "write `*` for a single number",
            )
    left: Shape = one.shape if len(one.shape) == 2 else (one.shape[0], 1)
    right: Shape = other.shape if len(other.shape) == 2 else (other.shape[0], 1)
    if left[1] != right[0]:
        raise ArrayError(
            f"{_matrix(one.shape, left)} @ {_matrix(other.shape, right)}: the first has "
            f"{left[1]} column{'s' * (left[1] != 1)}, the second {right[0]} row"
            f"{'s' * (right[0] != 1)}",
            _products(left, right, words),
        )
    rows, inner, columns = left[0], left[1], right[1]
    weight = inner * (one.weight + other.weight + 1) + 1
    shop.charge(rows * columns, weight)
    down = [other.entries[column::columns] for column in range(columns)]
    lines = [one.entries[row * inner : (row + 1) * inner] for row in range(rows)]
    entries = [total(*map(times, line, each)) for line in lines for each in down]
    shape: Shape = (rows, columns)
    if rows == columns == 1 and len(one.shape) == 2:
        shape = () if len(other.shape) == 2 or one.row else (1,)
    elif len(other.shape) == 1 and columns == 1:
        shape = (rows,)
    return Array(shape, tuple(entries), weight)


def _matrix(shape: Shape, seen: Shape) -> str:
    return shape_text(shape) + (f" ({seen[0]}×1)" if len(shape) == 1 else "")


def _products(left: Shape, right: Shape, words: tuple[str, str]) -> str:
    """The products that would fit, and what each is."""
    a, b = words
    ways = []
    if left[0] == right[0]:
        ways.append(f"`{a}^T @ {b}` is {left[1]}×{right[1]}")
    if left[1] == right[1]:
        ways.append(f"`{a} @ {b}^T` is {left[0]}×{right[0]}")
    if right[1] == left[0]:
        ways.append(f"`{b} @ {a}` is {right[0]}×{left[1]}")
    return ", ".join(ways) or f"the second needs {left[1]} row{'s' * (left[1] != 1)}"


def transpose(shop: Workshop, value: Array) -> Array:
    if len(value.shape) == 1:
        return Array((1, value.shape[0]), value.entries, value.weight, row=True)
    if len(value.shape) != 2:
        raise ArrayError(
            f"only a matrix or a vector has a transpose, and this is {shape_text(value.shape)}"
        )
    rows, columns = value.shape
    return Array(
        (columns, rows),
        tuple(
            value.entries[row * columns + column]
            for column in range(columns)
            for row in range(rows)
        ),
        value.weight,
    )


def _outer(shop: Workshop, given: Arguments) -> Array:
    one, other = given.values
    _vectors("outer", one, other)
    return shop.array(
        (*one.shape, *other.shape),
        lambda place: times(one.entries[place[0]], other.entries[place[1]]),
        one.weight + other.weight + 1,
    )


def _vectors(name: str, *values: Array) -> None:
    for value in values:
        if len(value.shape) != 1:
            raise ArrayError(f"`{name}` takes vectors, and this is {shape_text(value.shape)}")


def _dot(shop: Workshop, given: Arguments) -> Array:
    one, other = given.values
    _vectors("dot", one, other)
    if one.shape != other.shape:
        raise ArrayError(
            f"`dot` takes vectors of one length: these have {one.shape[0]} and {other.shape[0]}"
        )
    weight = count(one.shape) * (one.weight + other.weight + 1)
    return shop.array((), lambda _: total(*map(times, one.entries, other.entries)), weight)


def _trace(shop: Workshop, given: Arguments) -> Array:
    (value,) = given.values
    if len(value.shape) != 2 or value.shape[0] != value.shape[1]:
        raise ArrayError(f"`trace` takes a square matrix, and this is {shape_text(value.shape)}")
    size = value.shape[0]
    return shop.array(
        (), lambda _: total(*(value.at((k, k)) for k in range(size))), size * value.weight + 1
    )


# --- along an axis --------------------------------------------------------------------------------


def _axis(given: Arguments, shape: Shape, default: int | None = None) -> int | None:
    if (value := given.keywords.get("axis")) is None:
        return default
    found = _whole(value)
    if found is None or not -len(shape) <= found < len(shape):
        raise ArrayError(
            f"`axis` counts the levels of the array, and {shape_text(shape)} has "
            + (f"0 to {len(shape) - 1}" if shape else "none"),
            "axis=0 goes down the rows, axis=1 along each row, axis=-1 is the last",
        )
    return found % len(shape)


@dataclass(frozen=True)
class _Lines:
    """An array as the lines along one axis, or one line of everything."""

    shape: Shape  # of what is left
    kept: Shape  # the same with the axis kept as 1
    lines: tuple[tuple[int, ...], ...]  # offsets of the entries of each line


def lines_along(shape: Shape, axis: int | None) -> _Lines:
    if axis is None:
        return _Lines((), (1,) * len(shape), (tuple(range(count(shape))),))
    rest = shape[:axis] + shape[axis + 1 :]
    found: dict[tuple[int, ...], list[int]] = {}
    for at, place in enumerate(places(shape)):
        found.setdefault(place[:axis] + place[axis + 1 :], []).append(at)
    kept = (*shape[:axis], 1, *shape[axis + 1 :])
    return _Lines(rest, kept, tuple(map(tuple, found.values())))


def _several(shop: Workshop, name: str, given: Arguments) -> Array:
    """One array, or several single numbers in its place: `mean(a, b, c)`."""
    if len(given.values) == 1:
        return given.values[0]
    if any(value.shape for value in given.values):
        raise ArrayError(
            f"`{name}` is of one array, or of several single numbers",
            f"write `{name}(A, axis=0)` for an axis",
        )
    return Array(
        (len(given.values),),
        tuple(value.scalar for value in given.values),
        max(value.weight for value in given.values),
    )


def _reduction(name: str, entry: Callable[[Sequence[Formula]], Formula]) -> Apply:
    """Each line along the axis becomes one number."""

    def apply(shop: Workshop, given: Arguments) -> Array:
        value = _several(shop, name, given)
        keep = bool(given.whole("keepdims", 0))
        return _reduce(shop, value, _axis(given, value.shape), entry, keep)

    return apply


def _reduce(
    shop: Workshop,
    value: Array,
    axis: int | None,
    entry: Callable[[Sequence[Formula]], Formula],
    keep: bool,
) -> Array:
    lines = lines_along(value.shape, axis)
    weight = len(lines.lines[0]) * (value.weight + 2) + 2
    shop.charge(len(lines.lines), weight)
    entries = tuple(entry([value.entries[at] for at in line]) for line in lines.lines)
    return Array(lines.kept if keep else lines.shape, entries, weight)


def _sum(entries: Sequence[Formula]) -> Formula:
    finite(*entries)
    return total(*entries)


def _mean(entries: Sequence[Formula]) -> Formula:
    return quotient(_sum(entries), number(len(entries)))


def _norm(entries: Sequence[Formula]) -> Formula:
    finite(*entries)
    return Call("sqrt", (total(*(Power(entry, TWO) for entry in entries)),))


def _extreme(name: str) -> Callable[[Sequence[Formula]], Formula]:
    """max, min or logsumexp of what counts: under all but min, minus infinity is left out."""

    def entry(entries: Sequence[Formula]) -> Formula:
        if name == "min":
            finite(*entries)
        real = tuple(each for each in entries if each != MINUS_INFINITY)
        if len(real) < 2:
            return real[0] if real else MINUS_INFINITY
        return Call(name, real)

    return entry


_logsumexp = _extreme("logsumexp")


def _extreme_of(name: str) -> Apply:
    """`max(A, axis=…)` of the entries; `max(A, 0)` entry by entry."""
    reduced = _reduction(name, _extreme(name))

    def apply(shop: Workshop, given: Arguments) -> Array:
        if len(given.values) == 1:
            return reduced(shop, given)
        if given.keywords:
            raise ArrayError(f"`{name}` of several is entry by entry and has no axis")
        return elementwise(shop, given.values, lambda *entries: called(name, *entries))

    return apply


def _varied(root: bool) -> Apply:
    def apply(shop: Workshop, given: Arguments) -> Array:
        value = _several(shop, "var", given)
        axis, keep = _axis(given, value.shape), bool(given.whole("keepdims", 0))
        _, found, equation = _variance(shop, value, axis, given.written, keep)
        if root:
            found = elementwise(shop, (found,), lambda each: Call("sqrt", (each,)), 0)
            equation = Call("sqrt", (equation,))
        shop.say(given.call, equation)
        return found

    return apply


def _variance(
    shop: Workshop, value: Array, axis: int | None, written: Sequence[Formula], keep: bool = False
) -> tuple[Array, Array, Formula]:
    """The mean, which gets a name as it is used in every term, and stands so that it goes with every
    entry of its line; the mean square distance from it, and that as a formula between arrays."""
    of: Formula = written[0] if len(written) == 1 else Call("stack", tuple(written))
    value = shop.light(value, of)
    of = shop.in_names(of)
    along = () if axis is None else (Call("axis=", (Number(str(axis)),)),)
    mean = shop.named(_reduce(shop, value, axis, _mean, False), "mean", Call("mean", (of, *along)))
    distance = total(of, negative(_in_lines(shop, value.shape, axis)))
    kept = (Call("keepdims=", (ONE,)),) if keep else ()
    mean = Array(lines_along(value.shape, axis).kept, mean.entries)
    squares = elementwise(
        shop, (value, mean), lambda each, own: Power(total(each, negative(own)), TWO), 2
    )
    equation = Call("mean", (Power(distance, TWO), *along, *kept))
    return mean, _reduce(shop, squares, axis, _mean, keep), equation


def _in_lines(shop: Workshop, shape: Shape, axis: int | None) -> Formula:
    """What has just been named for each line of an array, so that it goes with every entry."""
    name = Name(shop.views[-1].name)
    if axis is None or (axis == 0 and len(shape) > 1) or len(shape) == 1:
        return name
    return Call(AS, (name, *map(number, lines_along(shape, axis).kept)))


def _along(name: str, entry: Callable[[Formula, Sequence[Formula]], Formula]) -> Apply:
    """Each entry becomes a function of itself and its whole line."""

    def apply(shop: Workshop, given: Arguments) -> Array:
        (value,) = given.values
        if not value.shape:
            raise ArrayError(f"`{name}` is of a vector or of the rows of a matrix")
        axis = _axis(given, value.shape, len(value.shape) - 1)
        value = shop.light(value, given.written[0])
        lines = lines_along(value.shape, axis)
        length = len(lines.lines[0])
        shop.charge(count(value.shape), 3 * length)
        entries: dict[int, Formula] = {}
        for line in lines.lines:
            row = [value.entries[at] for at in line]
            if all(each == MINUS_INFINITY for each in row):
                raise ArrayError(f"a whole line of `{name}` is masked: nothing is left to share")
            for at in line:
                entries[at] = entry(value.entries[at], row)
        return Array(
            value.shape, tuple(entries[at] for at in range(count(value.shape))), 3 * length
        )

    return apply


def _share(own: Formula, row: Sequence[Formula]) -> Formula:
    if own == MINUS_INFINITY:
        return ZERO
    parts = tuple(Call("exp", (each,)) for each in row if each != MINUS_INFINITY)
    return ONE if len(parts) == 1 else quotient(Call("exp", (own,)), total(*parts))


def _log_share(own: Formula, row: Sequence[Formula]) -> Formula:
    if own == MINUS_INFINITY:
        return MINUS_INFINITY
    found = _logsumexp(row)
    return ZERO if found == own else total(own, negative(found))


def _cross_entropy(shop: Workshop, given: Arguments) -> Array:
    shares, targets = given.values
    if shares.shape != targets.shape or len(shares.shape) not in (1, 2):
        raise ArrayError(
            "`cross_entropy(P, Y)` compares rows of probabilities with rows of the same length: "
            f"these are {shape_text(shares.shape)} and {shape_text(targets.shape)}",
            "a row of Y has a 1 for the right class and 0 elsewhere, as in `[0, 1, 0]`",
        )
    shares = shop.light(shares, given.written[0])
    rows = shares.shape[0] if len(shares.shape) == 2 else 1
    length = shares.shape[-1]
    shop.charge(rows, length * (4 + targets.weight))

    def row(place: tuple[int, ...]) -> Formula:
        start = place[0] * length
        pairs = zip(
            shares.entries[start : start + length],
            targets.entries[start : start + length],
            strict=True,
        )
        return negative(
            total(
                *(
                    product(target, Call("ln", (share,)))
                    for share, target in pairs
                    if not (is_number(target, 0) or is_number(share, 0))
                )
            )
        )

    losses = Array((rows,), tuple(map(row, places((rows,)))), length * (4 + targets.weight))
    weighed = Shown("hadamard", (given.written[1], Call("ln", (given.written[0],))))
    if rows == 1:
        shop.say(given.call, Negative(Call("sum", (shop.in_names(weighed),))))
        return Array((), losses.entries, losses.weight)
    # A row is a sample: its loss has a name, as on paper.
    along = Call("axis=", (ONE,))
    losses = shop.named(losses, "row", Negative(Call("sum", (weighed, along))))
    shop.say(given.call, Call("mean", (Name(shop.views[-1].name),)))
    return _reduce(shop, losses, None, _mean, False)


# --- normalisation --------------------------------------------------------------------------------


def _normalised(name: str, rows: bool) -> Apply:
    """(A − mean)/√(var + ε), then γ and β: over each row (layer) or down each column (batch)."""

    def apply(shop: Workshop, given: Arguments) -> Array:
        value, *factors = given.values
        if len(value.shape) not in ((1, 2) if rows else (2,)):
            raise ArrayError(
                f"`{name}` takes {'a vector or ' if rows else ''}a matrix, and this is "
                f"{shape_text(value.shape)}"
            )
        own = factors.pop() if len(factors) == 3 else Array((), (Number("1e-5"),))
        epsilon = given.keywords.get("epsilon", own).scalar
        for factor in factors:
            if factor.shape not in ((), value.shape[-1:]):
                raise ArrayError(
                    f"γ and β of `{name}` have an entry for each column: {value.shape[-1]}, and "
                    f"this is {shape_text(factor.shape)}"
                )
        value = shop.light(value, given.written[0])
        axis = len(value.shape) - 1 if rows else 0
        mean, spread, square = _variance(shop, value, axis, given.written[:1])
        distance = total(
            shop.in_names(given.written[0]),
            negative(_in_lines(shop, value.shape, axis)),
        )
        variance = Array(mean.shape, shop.named(spread, "var", square).entries)
        root = Call("sqrt", (total(_in_lines(shop, value.shape, axis), epsilon),))
        hat = elementwise(
            shop,
            (value, mean, variance),
            lambda x, own, var: quotient(
                total(x, negative(own)), Call("sqrt", (total(var, epsilon),))
            ),
            5,
        )
        hat = shop.named(hat, "hat", Quotient(distance, root))
        scaled_: Formula = Name(shop.views[-1].name)
        if factors:
            scaled_ = Shown("hadamard", (given.written[1], scaled_))
        if len(factors) > 1:
            scaled_ = total(scaled_, given.written[2])
        shop.say(given.call, shop.in_names(scaled_))
        scaled = hat if not factors else elementwise(shop, (factors[0], hat), times)
        return scaled if len(factors) < 2 else elementwise(shop, (scaled, factors[1]), added)

    return apply


# --- form -----------------------------------------------------------------------------------------


def _concat(shop: Workshop, given: Arguments) -> Array:
    values = [
        value if value.shape else Array((1,), value.entries, value.weight) for value in given.values
    ]
    shop.charge(sum(len(value.entries) for value in values), 1)
    first = values[0].shape
    axis = _axis(given, first, 0) or 0
    for value in values[1:]:
        others = (*value.shape[:axis], *value.shape[axis + 1 :])
        if len(value.shape) != len(first) or others != (*first[:axis], *first[axis + 1 :]):
            raise ArrayError(
                f"{shape_text(first)} and {shape_text(value.shape)} cannot be joined along axis "
                f"{axis}: everything else must be alike"
            )
    length = sum(value.shape[axis] for value in values)
    entries: list[Formula] = []
    for row in range(count(first[:axis])):
        for value in values:
            size = count(value.shape[axis:])
            entries += value.entries[row * size : (row + 1) * size]
    weight = max(value.weight for value in values)
    return Array((*first[:axis], length, *first[axis + 1 :]), tuple(entries), weight)


def _stack(shop: Workshop, given: Arguments) -> Array:
    """Arrays of one shape as the rows of a larger one."""
    shop.charge(sum(len(value.entries) for value in given.values), 1)
    first = given.values[0].shape
    if any(value.shape != first for value in given.values):
        raise ArrayError("rows of different shapes make no array")
    entries = tuple(entry for value in given.values for entry in value.entries)
    return Array((len(given.values), *first), entries, max(v.weight for v in given.values))


def _sizes(given: Arguments, start: int) -> Shape:
    found = tuple(given.whole("", 1, place, 1) for place in range(start, len(given.values)))
    if len(found) > 4 or count(found) > 10_000:
        raise TooLarge("an array has up to four levels and 10,000 entries here")
    return found


def _reshape(shop: Workshop, given: Arguments) -> Array:
    value, shape = given.values[0], _sizes(given, 1)
    if count(shape) != count(value.shape):
        raise ArrayError(
            f"{shape_text(value.shape)} has {count(value.shape)} entries, and {shape_text(shape)} "
            f"would have {count(shape)}"
        )
    return Array(shape, value.entries, value.weight)


def _flatten(shop: Workshop, given: Arguments) -> Array:
    (value,) = given.values
    return Array((count(value.shape),), value.entries, value.weight)


def _filled(entry: Callable[[tuple[int, ...]], Formula], square: bool = False) -> Apply:
    return lambda shop, given: shop.array(_sizes(given, 0) * (1 + square), entry, 1)


def _causal_mask(shop: Workshop, given: Arguments) -> Array:
    (value,) = given.values
    shape = value.shape
    if not shape and (size := _whole(value)) is not None and 0 < size <= 100:
        shape = (size, size)
    if len(shape) != 2:
        raise ArrayError("`causal_mask` is of a matrix of scores, a row for each query")
    return shop.array(shape, lambda at: MINUS_INFINITY if at[1] > at[0] else ZERO, 1)


def _dropout(shop: Workshop, given: Arguments) -> Array:
    value, mask, keep = given.values
    share = given.written[2]
    if isinstance(share, Number) and not 0 < share.value <= 1:
        raise ArrayError("the share that `dropout` keeps is above 0 and at most 1", at=share)
    return elementwise(shop, (value, mask, keep), lambda a, m, k: over(times(a, m), k), parts=2)


def _where(shop: Workshop, given: Arguments) -> Array:
    def entry(condition: Formula, then: Formula, otherwise: Formula) -> Formula:
        finite(condition, then, otherwise)
        if not isinstance(condition, Comparison):
            condition = Comparison(condition, "!=", ZERO)
        return Conditional(condition, then, otherwise)

    return elementwise(shop, given.values, entry, parts=3)


# --- images ---------------------------------------------------------------------------------------


def meetings(
    image: Shape, kernel: Shape, result: Shape, stride: int, padding: int, levels: int
) -> Iterator[tuple[int, int, int]]:
    """Which pixel meets which entry of the kernels for which entry of a convolution over the last
    one or two levels: their offsets, in the order of the result."""
    channels, sizes, window = image[:-levels], image[-levels:], kernel[-levels:]
    kernels = (*result[:-levels], *channels, *window)
    for at, place in enumerate(places(result)):
        corner = [start * stride - padding for start in place[-levels:]]
        for channel in places(channels):
            for step in places(window):
                pixel = [start + index for start, index in zip(corner, step, strict=True)]
                if all(0 <= index < size for index, size in zip(pixel, sizes, strict=True)):
                    weight = offset(kernels, (*place[:-levels], *channel, *step))
                    yield offset(image, (*channel, *pixel)), weight, at


def _laid_over(
    shop: Workshop,
    shape: Shape,
    parts: int,
    values: Sequence[Array],
    met: Iterator[tuple[int, int, int]],
) -> Array:
    """Products of an image and a kernel, each added to the entry (by its offset) that it belongs to:
    `met` are offsets in both and in the result; `parts` bounds how many an entry gets."""
    image, kernel = values
    weight = parts * (image.weight + kernel.weight + 1) + 1
    shop.charge(count(shape), weight)
    terms: list[list[Formula]] = [[] for _ in range(count(shape))]
    for pixel, own, at in met:
        terms[at].append(times(kernel.entries[own], image.entries[pixel]))
    return Array(shape, tuple(total(*each) for each in terms), weight)


def _convolved(levels: int) -> Apply:
    """Cross-correlation, over one axis or two; channels stand before them."""

    def apply(shop: Workshop, given: Arguments) -> Array:
        image, kernel = given.values[:2]
        stride, padding = given.whole("stride", 1, 2, 1), given.whole("padding", 0, 3)
        sizes, window = image.shape[-levels:], kernel.shape[-levels:]
        channels, front = image.shape[:-levels], kernel.shape[:-levels]
        if len(image.shape) not in (levels, levels + 1) or len(kernel.shape) < levels:
            raise ArrayError(
                f"`conv{levels}d` takes {'a signal' if levels == 1 else 'an image'} of {levels} or "
                f"{levels + 1} levels and kernels, and these are {shape_text(image.shape)} and "
                f"{shape_text(kernel.shape)}"
            )
        if channels and (front[-1:] != channels or len(front) > 2):
            raise ArrayError(
                f"there are {channels[0]} input channels, so a kernel needs "
                f"{shape_text((channels[0], *window))}, or several of them",
            )
        if not channels and len(front) > 1 and front[1:] != (1,):
            raise ArrayError(f"the kernels have {front[1]} input channels, and the image has none")
        out = tuple(
            (size + 2 * padding - width) // stride + 1
            for size, width in zip(sizes, window, strict=True)
        )
        if any(width > size + 2 * padding for size, width in zip(sizes, window, strict=True)):
            raise ArrayError(
                f"the window {shape_text(window)} is larger than {shape_text(sizes)}"
                + (f" with {padding} around it" if padding else ""),
            )
        shape = (*(front[:-1] if channels else front[:1]), *out)
        met = meetings(image.shape, kernel.shape, shape, stride, padding, levels)
        return _laid_over(shop, shape, count((*channels, *window)), (image, kernel), met)

    return apply


def _conv_transpose(shop: Workshop, given: Arguments) -> Array:
    """Each pixel, times the kernel, is added to the result where its window starts."""
    image, kernel = given.values[:2]
    stride, padding = given.whole("stride", 1, 2, 1), given.whole("padding", 0, 3)
    channels, front = image.shape[:-2], kernel.shape[:-2]
    if len(image.shape) not in (2, 3) or len(front) != 2 * len(channels):
        raise ArrayError(
            "`conv_transpose2d` takes an image of rows and columns and one kernel of rows and "
            "columns, or channels of both (kernels: input channel, output channel, rows, columns); "
            f"these are {shape_text(image.shape)} and {shape_text(kernel.shape)}"
        )
    if channels and front[:1] != channels:
        raise ArrayError(
            f"there are {channels[0]} input channels, and the kernels have {front[0]}: their first "
            "level is the input channel here"
        )
    window = kernel.shape[-2:]
    out = tuple(
        (size - 1) * stride + width - 2 * padding
        for size, width in zip(image.shape[-2:], window, strict=True)
    )
    if min(out) < 1:
        raise ArrayError(f"with {padding} taken off around it nothing is left of the result")
    shape = (*front[1:], *out)
    met = meetings(shape, kernel.shape, image.shape, stride, padding, 2)
    back = ((pixel, own, at) for at, own, pixel in met)  # as a convolution of the result meets them
    return _laid_over(shop, shape, count((*channels, *window)), (image, kernel), back)


def _pooled(name: str, entry: Callable[[Sequence[Formula]], Formula]) -> Apply:
    def apply(shop: Workshop, given: Arguments) -> Array:
        image = given.values[0]
        size = given.whole("size", 2, 1, 1)
        stride = given.whole("stride", size, 2, 1)
        if not image.shape:
            raise ArrayError(f"`{name}` takes a signal or an image")
        levels = min(2, len(image.shape))
        sizes, channels = image.shape[-levels:], image.shape[:-levels]
        if any(size > each for each in sizes):
            raise ArrayError(f"the window of {size} is larger than {shape_text(sizes)}")
        out = tuple((each - size) // stride + 1 for each in sizes)
        image = shop.light(image, given.written[0])
        shop.charge(count((*channels, *out)), size**levels * 2)
        entries = tuple(
            entry([image.entries[at] for at in window])
            for window in pool_windows(image.shape, size, stride)
        )
        return Array((*channels, *out), entries, size**levels * 2)

    return apply


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


def _transposed(shop: Workshop, given: Arguments) -> Array:
    return transpose(shop, given.values[0])


_REDUCED = ("axis", "keepdims")

ROWS: tuple[Operation, ...] = (
    Operation("transpose", "transpose(A)", "rows become columns; also written A^T or Aᵀ",
              "∂L/∂A = (∂L/∂C)ᵀ", _transposed),
    Operation("sum", "sum(A, axis=…, keepdims=false)", "of all entries, or along an axis",
              "each entry that was added gets the whole of ∂L/∂C", _reduction("sum", _sum), 1, None, _REDUCED),
    Operation("mean", "mean(A, axis=…, keepdims=false)", "of all entries, or along an axis",
              "each of the n entries gets ∂L/∂C / n", _reduction("mean", _mean), 1, None, _REDUCED),
    Operation("var", "var(A, axis=…, keepdims=false)", "mean square distance from the mean (divided by n)",
              "∂L/∂A = ∂L/∂C · 2(A − mean)/n", _varied(False), 1, None, _REDUCED),
    Operation("std", "std(A, axis=…, keepdims=false)", "the square root of the variance",
              "∂L/∂A = ∂L/∂C · (A − mean)/(n·std)", _varied(True), 1, None, _REDUCED),
    Operation("max", "max(A, axis=…, keepdims=false)", "the largest entry; `max(A, 0)` is entry by entry",
              "only the largest entry gets ∂L/∂C", _extreme_of("max"), 1, None, _REDUCED),
    Operation("min", "min(A, axis=…, keepdims=false)", "the smallest entry; `min(A, 0)` is entry by entry",
              "only the smallest entry gets ∂L/∂C", _extreme_of("min"), 1, None, _REDUCED),
    Operation("norm", "norm(A, axis=…, keepdims=false)", "the root of the sum of squares",
              "∂L/∂A = ∂L/∂C · A/norm", _reduction("norm", _norm), 1, None, _REDUCED),
    Operation("logsumexp", "logsumexp(A, axis=…, keepdims=false)", "ln of the sum of exponentials",
              "∂L/∂A = ∂L/∂C · softmax(A)", _reduction("logsumexp", _logsumexp), 1, None, _REDUCED),
    Operation("softmax", "softmax(A, axis=-1)", "exponentials divided by their sum, of a matrix row by row",
              "∂L/∂A = P ⊙ (∂L/∂P − rowsum(∂L/∂P ⊙ P))", _along("softmax", _share), 1, 1, ("axis",)),
    Operation("log_softmax", "log_softmax(A, axis=-1)", "ln of softmax, of a matrix row by row",
              "∂L/∂A = ∂L/∂C − softmax(A) ⊙ rowsum(∂L/∂C)", _along("log_softmax", _log_share), 1, 1, ("axis",)),
    Operation("cross_entropy", "cross_entropy(P, Y)", "−Σ Y ln P of each row, the mean over the rows",
              "∂L/∂P = −Y/(P·N); after softmax ∂L/∂A = (P − Y)/N", _cross_entropy, 2, 2, chooses=1),
    Operation("outer", "outer(u, v)", "u vᵀ: every entry of u times every entry of v",
              "∂L/∂u = ∂L/∂C v, ∂L/∂v = (∂L/∂C)ᵀ u", _outer, 2, 2),
    Operation("dot", "dot(u, v)", "Σ u v", "∂L/∂u = ∂L/∂C · v, ∂L/∂v = ∂L/∂C · u", _dot, 2, 2),
    Operation("trace", "trace(A)", "the sum of the diagonal", "∂L/∂A = ∂L/∂C on the diagonal, else 0", _trace),
    Operation("concat", "concat(A, B, …, axis=0)", "one behind the other",
              "each part gets its part of ∂L/∂C", _concat, 1, None, ("axis",)),
    Operation("stack", "stack(A, B, …)", "arrays of one shape as rows of a larger one",
              "each part gets its row of ∂L/∂C", _stack, 1, None),
    Operation("reshape", "reshape(A, rows, columns)", "the same entries in another shape, row by row",
              "∂L/∂A is ∂L/∂C in the shape of A", _reshape, 2, 5),
    Operation("flatten", "flatten(A)", "all entries as a vector, row by row",
              "∂L/∂A is ∂L/∂C in the shape of A", _flatten),
    Operation("eye", "eye(n)", "1 on the diagonal, else 0", "constant: no gradient",
              _filled(lambda at: ONE if at[0] == at[1] else ZERO, square=True)),
    Operation("ones", "ones(rows, columns)", "1 everywhere", "constant: no gradient", _filled(lambda at: ONE), 1, 4),
    Operation("zeros", "zeros(rows, columns)", "0 everywhere", "constant: no gradient", _filled(lambda at: ZERO), 1, 4),
    Operation("causal_mask", "causal_mask(S)", "0, and −∞ above the diagonal: no row looks at later ones",
              "constant: what is masked gets no gradient", _causal_mask),
    Operation("dropout", "dropout(a, mask, keep)", "a·mask/keep, the mask being given",
              "∂L/∂a = ∂L/∂C ⊙ mask / keep", _dropout, 3, 3, chooses=1),
    Operation("where", "where(M, A, B)", "A where M holds (or is not 0), else B",
              "∂L/∂C goes to A where M holds, to B elsewhere", _where, 3, 3, chooses=0),
    Operation("conv1d", "conv1d(x, k, stride=1, padding=0)", "the kernel laid over each window, entry times entry, added up: a cross-correlation, as frameworks have it",
              "∂L/∂k = x ∗ ∂L/∂C, ∂L/∂x = ∂L/∂C ∗full flip(k)", _convolved(1), 2, 4, ("stride", "padding")),
    Operation("conv2d", "conv2d(X, K, stride=1, padding=0)", "the kernel laid over each window, entry times entry, added up: a cross-correlation, as frameworks have it",
              "∂L/∂K = X ∗ ∂L/∂C, ∂L/∂X = ∂L/∂C ∗full flip(K)", _convolved(2), 2, 4, ("stride", "padding")),
    Operation("conv_transpose2d", "conv_transpose2d(X, K, stride=1, padding=0)",
              "each pixel spreads the kernel: a convolution gone through backwards",
              "∂L/∂X is conv2d(∂L/∂C, K), ∂L/∂K = ∂L/∂C ∗ X", _conv_transpose, 2, 4, ("stride", "padding")),
    Operation("max_pool", "max_pool(X, size, stride=size)", "the largest of each window",
              "∂L/∂C goes to where the largest came from", _pooled("max_pool", _extreme("max")), 1, 3, ("size", "stride")),
    Operation("avg_pool", "avg_pool(X, size, stride=size)", "the mean of each window",
              "∂L/∂C is shared evenly over the window", _pooled("avg_pool", _mean), 1, 3, ("size", "stride")),
    Operation("layer_norm", "layer_norm(X, gamma, beta, epsilon=1e-5)", "each row: (x − mean)/√(var + ε)·γ + β",
              "see its steps: mean, var, hat", _normalised("layer_norm", True), 1, 4, ("epsilon",)),
    Operation("batch_norm", "batch_norm(X, gamma, beta, epsilon=1e-5)", "each column: (x − mean)/√(var + ε)·γ + β",
              "see its steps: mean, var, hat", _normalised("batch_norm", False), 1, 4, ("epsilon",)),
)  # fmt: skip

OPERATIONS: Mapping[str, Operation] = {row.name: row for row in ROWS}
