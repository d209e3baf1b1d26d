"""What is asked for: a quantity of the sheet, or a whole array of them."""

from __future__ import annotations

from typing import TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.graph.step import Section

Place: TypeAlias = tuple[int, str]
"""A quantity of a sheet: the number of the update, and its name."""


@dataclass(frozen=True)
class Question:
    """What is asked for, by its plain name, in an update of the sheet.

    An array has a shape; `names` are then those of its entries, the last index running fastest,
    empty where nothing is calculated.
    """

    iteration: int
    name: str
    section: Section
    shape: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def entries(self) -> tuple[str, ...]:
        """The quantities that it asks for."""
        return self.names or (self.name,)

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple((self.iteration, name) for name in self.entries if name)
