"""Arrays of formulas, their names and their shapes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import product as combinations
from itertools import zip_longest
from math import prod
from typing import TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.nodes import Call, Formula, Matrix, Name, Negative
from backprop_cli.formula.quantity import before_update, is_updated, last_mark, sampled, updated

Shape: TypeAlias = tuple[int, ...]

MOST_LEVELS = 4
BESIDE = "beside"  # two factors without a sign between them
INDEX = "index"
SLICE = ":"
KEYWORD = "="  # ends the name of an argument: `axis=`
WHOLE = Call(SLICE, ())  # all places of an axis
AS = "as"  # as(A, 3, 1): the same entries in another shape, which a person does not write
MINUS_INFINITY = Negative(Name("inf"))
"""What a mask adds to scores that do not count. It is only ever dropped: no step holds it."""


class ArrayError(Exception):
    """Why arrays cannot be put together so; `at` is the part of the formula that is meant."""

    def __init__(self, message: str, help: str | None = None, at: Formula | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.at = at


class TooLarge(ArrayError):
    """What is asked for is beyond the limits."""


@dataclass(frozen=True)
class Array:
    """Formulas in rows, the last axis running fastest; a single number has the shape `()`.

    `weight` bounds the number of nodes of any entry. `row` is a vector lying down: uᵀ.
    """

    shape: Shape
    entries: tuple[Formula, ...]
    weight: int = 1
    row: bool = False

    @property
    def scalar(self) -> Formula:
        return self.entries[0]

    def at(self, place: Sequence[int]) -> Formula:
        """The entry at a place, counted from 0."""
        return self.entries[offset(self.shape, place)]


@dataclass(frozen=True)
class View:
    """An array of a sheet: the names of its entries in rows (or what stands where nothing is
    calculated: 0, −∞), and the equation of the whole in other arrays where there is one.

    `text` is that equation as the author wrote it, and `written` its tree, in which no part has got
    a name of its own yet. A single number has the shape `()`. An array of
    all times has `rows`, the names of its own parts, each of which has an equation.
    """

    name: str
    shape: Shape
    entries: tuple[Formula, ...]
    equation: Formula | None = None
    text: str | None = None
    rows: tuple[str, ...] = ()
    written: Formula | None = None

    @classmethod
    def of_rows(
        cls, name: str, rows: Sequence[Sequence[Formula]], equation: Formula | None = None
    ) -> View:
        """A matrix by its rows."""
        entries = tuple(entry for row in rows for entry in row)
        return cls(name, (len(rows), len(rows[0])), entries, equation)

    @property
    def letter(self) -> Name:
        """What stands for the whole array in a formula."""
        return Name(self.name)

    def part(self, place: Sequence[int]) -> View:
        """What stands at a place (from 0) of the first levels: a row of a matrix."""
        own = self.shape[len(place) :]
        start = offset(self.shape[: len(place)], place) * count(own)
        entries = self.entries[start : start + count(own)]
        stem, tail, first = self.name, "", entries[0]
        if not own and isinstance(first, Name):
            return View(first.name, own, entries)
        if found := last_mark(stem):  # z1[2] has the rows z1_1[2], …
            stem, tail = found[0], sampled("", found[1])
        elif isinstance(first, Name) and is_updated(stem) and is_updated(first.name):
            stem, tail = before_update(stem), updated("")
        return View(entry_name(stem, place) + tail, own, entries)

    @cached_property
    def matrix(self) -> Matrix:
        """The entries in rows, those of a vector one below the other."""
        width = self.shape[1] if len(self.shape) > 1 else 1
        starts = range(0, len(self.entries), width)
        return Matrix(tuple(self.entries[start : start + width] for start in starts))


def offset(shape: Shape, place: Sequence[int]) -> int:
    found = 0
    for size, index in zip(shape, place, strict=True):
        found = found * size + index
    return found


def places(shape: Shape) -> Iterator[tuple[int, ...]]:
    """Every place in an array, counted from 0, row by row."""
    return combinations(*map(range, shape))


def picked(shape: Shape, axes: Iterable[tuple[Sequence[int], bool]]) -> tuple[Shape, Sequence[int]]:
    """What stands at some places of each axis: its shape and the offsets of its entries. A place
    that is said to be a single one takes its axis away."""
    chosen = list(axes)
    kept = tuple(len(indices) for indices, single in chosen if not single)
    found = combinations(*(indices for indices, _ in chosen))
    return kept, [offset(shape, place) for place in found]


def joined(shapes: Iterable[Shape]) -> Shape:
    """The shape of arrays put together entry by entry."""
    sizes = zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1)
    return tuple(reversed([next((size for size in each if size != 1), 1) for each in sizes]))


def spread_over(own: Shape, shape: Shape) -> Sequence[int]:
    """For each place of an array the offset of the entry of a smaller one that stands there."""
    if own == shape:
        return range(count(shape))
    steps = [(at - len(own), count(own[at + 1 :])) for at, size in enumerate(own) if size > 1]
    return [sum(place[at] * step for at, step in steps) for place in places(shape)]


def entry_name(name: str, place: Sequence[int]) -> str:
    """`W_1_2` for the place (0, 1) of W."""
    return "_".join([name, *(str(index + 1) for index in place)])


def entry_names(name: str, shape: Shape) -> list[str]:
    return [entry_name(name, place) for place in places(shape)]


def named(name: str, shape: Shape) -> Array:
    """The array whose entries are quantities of their own."""
    return Array(shape, tuple(map(Name, entry_names(name, shape))))


def arguments_of(call: Call) -> tuple[tuple[Formula, ...], dict[str, Formula]]:
    """What a call is of, in order, and what it is given by name."""
    named: dict[Formula, tuple[str, Formula]] = {}
    for part in call.arguments:
        match part:
            case Call(name, (value,)) if name.endswith(KEYWORD):
                named[part] = name.removesuffix(KEYWORD), value
    return tuple(part for part in call.arguments if part not in named), dict(named.values())


def argument(call: Call, name: str, place: int | None = None) -> Formula | None:
    """What a call is given by a name, or at a place."""
    placed, named = arguments_of(call)
    if name in named or place is None or place >= len(placed):
        return named.get(name)
    return placed[place]


def shape_text(shape: Shape) -> str:
    """`2×3`; "of length 3" for a vector; "a number"."""
    if not shape:
        return "a single number"
    if len(shape) == 1:
        return f"a vector of {shape[0]}"
    return "×".join(map(str, shape))


def count(shape: Shape) -> int:
    return prod(shape)
