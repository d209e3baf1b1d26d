"""Where in the file a layer is read, shared by the readers of its parts."""

from __future__ import annotations

from backprop_cli.dataclass import dataclass
from backprop_cli.problem.values import Report
from backprop_cli.problem.yaml_tree import Node, Scalar


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
