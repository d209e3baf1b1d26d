"""What was written for one sample, written for others.

Where all samples have the same equations, these are made and differentiated for one of them only.
Writing them down again, under the mark of another sample, costs a tenth of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args

from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.quantity import sampled
from backprop_cli.graph.step import Applied, Link, Step

T = TypeVar("T")

_WRITTEN = (Step, Link, Applied, *get_args(Formula))
"""What names stand in."""


def repeated(whole: Sequence[T], sample: int) -> Callable[[int], tuple[T, ...]]:
    """A function from another sample to steps, formulas and names as they read there. What does
    not tell samples apart is shared between them."""
    return _Pattern(tuple(whole), sample).of


def in_all(whole: Sequence[T], samples: Sequence[int | None]) -> list[T]:
    """What was written for the first of these samples, and the same for each of the others."""
    first, *others = samples
    if first is None or not others:
        return list(whole)
    of_sample = repeated(whole, first)
    return [*whole, *(each for sample in others if sample for each in of_sample(sample))]


class _Pattern:
    """The parts that differ from sample to sample, each once, behind those that they are made of.

    A part is a class and what it is called with; which of these are parts themselves is kept
    beside them, as pairs of places. Part 0 is the number of the sample.
    """

    def __init__(self, whole: Any, sample: int) -> None:
        self.mark = sampled("", sample)
        self.parts: list[tuple[type, list[Any], list[tuple[int, int]]]] = []
        self.known: dict[tuple[Any, ...], int] = {}
        self.whole = whole
        self.place = self._place(whole)

    def of(self, sample: int) -> Any:
        made: list[Any] = [sample]
        mark = sampled("", sample)
        for kind, values, inner in self.parts:
            for at, place in inner:
                values[at] = made[place]
            if kind is str:
                made.append(mark.join(values))
            else:
                made.append(tuple(values) if kind is tuple else kind(*values))
        return self.whole if self.place is None else made[self.place]

    def _place(self, value: Any) -> int | None:
        """Where a value stands among the parts; None where it is the same for all samples."""
        if isinstance(value, str):
            pieces = value.split(self.mark)
            return self._part(str, pieces, []) if len(pieces) > 1 else None
        if isinstance(value, tuple):
            values, places = list(value), [self._place(each) for each in value]
        elif isinstance(value, _WRITTEN):
            fields = value.__match_args__
            values = [getattr(value, field) for field in fields]
            places = [self._place_of(*each) for each in zip(fields, values, strict=True)]
        else:
            return None
        inner = [(at, place) for at, place in enumerate(places) if place is not None]
        return self._part(type(value), values, inner) if inner else None

    def _place_of(self, field: str, value: Any) -> int | None:
        """The same of a field; what an author calls his own rule is no name of a quantity."""
        if field == "sample" and value is not None:
            return 0
        return None if field == "called" else self._place(value)

    def _part(self, kind: type, values: list[Any], inner: list[tuple[int, int]]) -> int:
        fixed = dict(enumerate(values if kind is str else map(id, values)))
        key = (kind, *(fixed | {at: ~place for at, place in inner}).values())
        if key not in self.known:
            self.parts.append((kind, values, inner))
            self.known[key] = len(self.parts)
        return self.known[key]
