"""Where in the file a layer is read, shared by the readers of its parts."""

from __future__ import annotations

import re

from backprop_cli.dataclass import dataclass
from backprop_cli.problem.forms import Value
from backprop_cli.problem.values import Report, counted, number
from backprop_cli.problem.yaml_tree import Items, Node, Scalar


@dataclass(frozen=True)
class NamedCell:
    """A name written where a number could stand; `source` is None for a bias."""

    node: Scalar
    layer: int
    unit: int
    source: int | None


@dataclass(frozen=True)
class LayerPlace:
    """A layer's number, its node, where to report, and the names found instead of numbers."""

    index: int
    node: Node
    report: Report
    named: list[NamedCell]

    def __str__(self) -> str:
        return f"layer {self.index}"

    def number(self, cell: Node, name: str, what: str, unit: int, source: int | None) -> Value:
        """A number, or in its place a name that is looked at when all layers have been read; None
        after a mistake too."""
        if isinstance(cell, Scalar) and re.fullmatch(f"{name}[0-9_]{{0,20}}", cell.text):
            self.named.append(NamedCell(cell, self.index, unit, source))
            return None
        return self.report.tried(number, cell, what)

    def one_each(
        self, node: Items, units: int, what: str, help: str | None = None, of: str = "unit"
    ) -> None:
        """Refuse a list that has not a number for each unit."""
        if (found := len(node.items)) != units:
            needed = (
                f"{self} has {counted(units, of)}, so {what} must be {counted(units, 'number')}"
            )
            self.report.refuse("shape", f"{needed}, not {found}", node, help)
