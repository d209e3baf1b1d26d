"""How a sheet writes what is an array: by its letter with its shape, or entry by entry."""

from __future__ import annotations

from collections.abc import Sequence

from backprop_cli.formula.nodes import Formula, Matrix, Name, Shown
from backprop_cli.formula.quantity import derivative_name
from backprop_cli.graph.step import Graph

MOST_ROWS = 10
MOST_COLUMNS = 7
"""A larger matrix is written as its letter and its shape, not entry by entry."""


def shape(formula: Formula, rows: int, columns: int) -> Shown:
    """A factor with its shape under it: `2×3`."""
    return Shown("shape", (formula, Name(str(rows)), Name(str(columns))))


def column(entries: Sequence[Formula]) -> Matrix:
    """Entries one below the other."""
    return Matrix(tuple((entry,) for entry in entries))


def transpose(formula: Formula) -> Shown:
    return Shown("transpose", (formula,))


def matmul(*factors: Formula) -> Shown:
    return Shown("matmul", factors)


def hadamard(*factors: Formula) -> Shown:
    flat: list[Formula] = []
    for each in factors:
        inside = isinstance(each, Shown) and each.form == "hadamard"
        flat += each.operands if isinstance(each, Shown) and inside else (each,)
    return Shown("hadamard", tuple(flat))


def fits(matrix: Matrix) -> bool:
    """Whether a matrix is written entry by entry."""
    return len(matrix.rows) <= MOST_ROWS and len(matrix.rows[0]) <= MOST_COLUMNS


def gradients(graph: Graph, matrix: Matrix) -> Matrix:
    """∂L/∂ each entry, where it has no line of its own as well; a missing connection stays 0."""

    def derivative(entry: Formula) -> Formula:
        if not isinstance(entry, Name):
            return entry
        step = graph.derivative.get(entry.name)
        return Name(derivative_name(graph.output, entry.name) if step is None else step.name)

    return Matrix(tuple(tuple(map(derivative, row)) for row in matrix.rows))
