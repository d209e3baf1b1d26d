"""The losses of a run, kept small: exact values of the updates that are shown, then bare floats."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import overload

from backprop_cli.formula.evaluate import as_float
from backprop_cli.run.model import Value


class Losses(Sequence[Value | None]):
    """One loss after another, as they were appended; eight bytes each once updates are compiled."""

    def __init__(self) -> None:
        self._shown: list[Value | None] = []
        self._compiled = array("d")

    @property
    def record(self) -> Callable[[float], None]:
        """Appends the loss of a compiled update."""
        return self._compiled.append

    def append(self, loss: Value | None) -> None:
        if self._compiled and loss is not None:
            self._compiled.append(as_float(loss))
        else:
            self._shown.append(loss)

    def __len__(self) -> int:
        return len(self._shown) + len(self._compiled)

    @overload
    def __getitem__(self, index: int) -> Value | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Value | None]: ...
    def __getitem__(self, index: int | slice) -> Value | Sequence[Value | None] | None:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]  # an IndexError of its own where there is none
        shown = len(self._shown)
        return self._shown[place] if place < shown else self._compiled[place - shown]
