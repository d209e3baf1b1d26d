"""Where in the file a layer is read, shared by the readers of its parts."""

from __future__ import annotations

from backprop_cli.dataclass import dataclass
from backprop_cli.problem.values import Report, counted
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

    def one_each(
        self, node: Items, units: int, what: str, help: str | None = None, of: str = "unit"
    ) -> bool:
        """Whether a list has a number for each unit, which it must."""
        found = len(node.items)
        if found != units:
            needed = (
                f"{self} has {counted(units, of)}, so {what} must be {counted(units, 'number')}"
            )
            self.report.error("shape", f"{needed}, not {found}", node, help)
        return found == units
