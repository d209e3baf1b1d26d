"""What is written out so far: equations between numbers, and the limits on their size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from itertools import zip_longest

from backprop_cli.arrays.array import (
    MINUS_INFINITY,
    Array,
    ArrayError,
    Shape,
    TooLarge,
    View,
    count,
    entry_names,
    joined,
    places,
    shape_text,
)
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import rebuild
from backprop_cli.formula.nodes import Formula, Name, Number

MOST_ENTRIES = 10_000  # of all equations together
MOST_PARTS = 400_000  # numbers, names and signs in all of them
HEAVY = 8  # parts of a formula that is given a name before it is used more than once


@dataclass
class Workshop:
    """Writes equations out: `own` is the array that is being written, `taken` are names in use."""

    taken: set[str]
    equations: dict[str, Formula] = field(default_factory=dict)
    views: list[View] = field(default_factory=list)
    own: str = ""
    parts: int = 0
    said: dict[int, tuple[Formula, Formula]] = field(default_factory=dict)
    """By identity: parts of equations that are written by other names (each kept, so that its
    identity lasts)."""

    def charge(self, entries: int, weight: int) -> None:
        """Refuse what would be too large, before it is written."""
        self.parts += entries * weight
        if self.parts > MOST_PARTS:
            raise TooLarge(
                f"written out, the equations would have more than {MOST_PARTS:,} parts",
                "take smaller arrays, or name what is used often as an equation of its own",
            )

    def array(
        self, shape: Shape, entry: Callable[[tuple[int, ...]], Formula], weight: int
    ) -> Array:
        self.charge(count(shape), weight)
        return Array(shape, tuple(entry(place) for place in places(shape)), weight)

    def write(self, name: str, value: Array, equation: Formula, text: str | None) -> None:
        """An equation for each entry. What is minus infinity stays in the view only."""
        if len(self.equations) + len(value.entries) > MOST_ENTRIES:
            raise TooLarge(
                f"written out, there are more than {MOST_ENTRIES:,} equations",
                "take smaller arrays",
            )
        names = entry_names(name, value.shape)
        shown: list[Formula] = []
        for entry, formula in zip(names, value.entries, strict=True):
            masked = formula == MINUS_INFINITY
            shown.append(MINUS_INFINITY if masked else Name(entry))
            if not masked:
                self.equations[entry] = formula
        self.views.append(
            View(name, value.shape, tuple(shown), self.in_names(equation), text, (), equation)
        )

    def say(self, part: Formula, formula: Formula) -> None:
        """From here on the part of an equation is written as this formula."""
        self.said[id(part)] = part, formula

    def in_names(self, formula: Formula) -> Formula:
        """An equation with the names of parts that have become quantities."""
        found = self.said.get(id(formula))
        return rebuild(formula, self.in_names) if found is None else found[1]

    def named(self, value: Array, suffix: str, equation: Formula) -> Array:
        """The same array with a name of its own, so that it is calculated once and seen."""
        name, number = f"{self.own}_{suffix}", 1
        while name in self.taken:
            number += 1
            name = f"{self.own}_{suffix}{number}"
        self.taken.add(name)
        self.write(name, value, equation, None)
        self.say(equation, Name(name))
        return Array(value.shape, self.views[-1].entries)

    def light(self, value: Array, equation: Formula, most: int = 1) -> Array:
        """An array whose entries may be written several times."""
        if value.weight <= most or all(map(_plain, value.entries)):
            return value
        return self.named(value, "part", equation)


def _plain(entry: Formula) -> bool:
    return isinstance(entry, Name | Number) or entry == MINUS_INFINITY


def broadcast(*shapes: Shape) -> Shape:
    """The shape of arrays put together entry by entry, after NumPy; a vector beside a column of
    several rows is refused, for it could be meant either way."""
    for one in shapes:
        for other in shapes:
            if len(one) == 1 and len(other) == 2 and other[1] == 1 and other[0] > 1 and one[0] > 1:
                raise ArrayError(
                    f"a vector of {one[0]} meets a column {shape_text(other)}: it could be meant "
                    "entry by entry or as a row beside a column",
                    "use `flatten(…)` on the column for the first, `transpose(…)` of the vector "
                    "for the second",
                )
    for axis, sizes in enumerate(zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1)):
        different = {size for size in sizes if size != 1}
        if len(different) > 1:
            where = "columns" if axis == 0 else "rows" if axis == 1 else f"axis {-axis - 1}"
            if all(len(shape) == 1 for shape in shapes if shape):
                where = "entries"
            raise ArrayError(
                f"{' and '.join(shape_text(shape) for shape in shapes if shape)} do not fit: their "
                f"{where} are {' and '.join(map(str, sorted(different)))}",
                _fitting(shapes),
            )
    return joined(shapes)


def _fitting(shapes: Sequence[Shape]) -> str:
    real = [shape for shape in shapes if shape]
    if len(real) == 2 and len(real[0]) == len(real[1]) == 2 and real[0] == real[1][::-1]:
        return "one of them is the transpose of the other: `A^T` turns it"
    shape = max(real, key=len)
    if len(shape) == 1:
        return f"a single number or a vector of {shape[0]} would fit the first"
    return (
        f"beside {shape_text(shape)} fits {shape_text(shape)}, a vector of {shape[-1]} (added to "
        "each row), or a single number"
    )
