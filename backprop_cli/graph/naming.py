"""Plain names that are made from other names."""

from __future__ import annotations

from backprop_cli.formula.spelling import AHEAD


def sampled(name: str, sample: int | None) -> str:
    """The name of a per-sample quantity: `z1_1[2]`, or `z1_1` in a batch of one."""
    return name if sample is None else f"{name}[{sample}]"


def derivative_name(output: str, name: str) -> str:
    """`dL/dw1_1_1`; of the loss of sample 2 alone `dL[2]/dz1_1[2]`, `dL[2]/dw1_1_1`."""
    return f"d{output}/d{name}"


def slope_name(child: str, parent: str) -> str:
    """`da1_1/dz1_1`, and `da1_1/dz1_1[2]` for sample 2."""
    child_base, _, child_sample = child.partition("[")
    parent_base, _, parent_sample = parent.partition("[")
    sample = child_sample or parent_sample
    return f"d{child_base}/d{parent_base}" + (f"[{sample}" if sample else "")


def ahead_name(name: str) -> str:
    """`ahead_w1_1_1`: a quantity of the pass at the point that an optimizer looks ahead to."""
    return AHEAD + name
