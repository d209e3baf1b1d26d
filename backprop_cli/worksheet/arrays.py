"""A layer's quantities as matrices: a row for each unit, a column for each sample."""

from __future__ import annotations

from collections.abc import Sequence

from backprop_cli.formula.build import ONE, ZERO
from backprop_cli.formula.nodes import Formula, Matrix, Name, Shown
from backprop_cli.graph.naming import derivative_name
from backprop_cli.problem.model import Layer, Network, RuleUse
from backprop_cli.problem.names import NetworkNames
from backprop_cli.worksheet.sheet import Sheet

MOST_ROWS = 10
MOST_COLUMNS = 7
"""A larger matrix is written as its letter and its shape, not entry by entry."""


def shape(formula: Formula, rows: int, columns: int) -> Shown:
    """A factor with its shape under it: `2×3`."""
    return Shown("shape", (formula, Name(f"{rows}×{columns}")))


def column(entries: Sequence[Formula]) -> Matrix:
    """Entries one below the other."""
    return Matrix(tuple((entry,) for entry in entries))


def transpose(formula: Formula) -> Shown:
    return Shown("transpose", (formula,))


def matmul(*factors: Formula) -> Shown:
    return Shown("matmul", factors)


def hadamard(*factors: Formula) -> Shown:
    return Shown("hadamard", factors)


def fits(matrix: Matrix) -> bool:
    """Whether a matrix is written entry by entry."""
    return len(matrix.rows) <= MOST_ROWS and len(matrix.rows[0]) <= MOST_COLUMNS


class Arrays:
    """The matrices of a network's layers, by their letters and entry by entry.

    Layers count from 1; layer 0 stands for the inputs.
    """

    def __init__(self, sheet: Sheet, network: Network) -> None:
        self.network = network
        self.names = NetworkNames(network, sheet.run.problem.notation)
        self.graph = sheet.graph
        self.output = sheet.graph.output
        batch = sheet.graph.batch
        self.marks = [f"[{sample}]" for sample in batch] if len(batch) > 1 else [""]

    @property
    def depth(self) -> int:
        return len(self.network.layers)

    @property
    def samples(self) -> int:
        """How many columns the values of a batch have."""
        return len(self.marks)

    def layer(self, depth: int) -> Layer:
        return self.network.layers[depth - 1]

    def units(self, depth: int) -> int:
        """How many values a layer hands on."""
        return self.layer(depth).units if depth else self.network.inputs

    def rule(self, depth: int) -> RuleUse | None:
        """The activation of a layer's units; None where they differ or are the author's own."""
        first, *others = self.layer(depth).activations
        alike = all(use == first for use in others)
        return first if alike and isinstance(first, RuleUse) else None

    def connections(self, depth: int) -> Matrix | None:
        """1 for every connection of a layer, 0 where there is none; None if nothing is missing."""
        connected = self.layer(depth).connected
        if all(map(all, connected)):
            return None
        return Matrix(tuple(tuple(ONE if each else ZERO for each in row) for row in connected))

    # Letters

    def letter(self, letter: str, depth: int) -> Name:
        """`W(2)` is shown as W⁽²⁾; inputs and outputs keep their own letters."""
        if letter == "a" and depth == 0:
            return Name("x")
        if letter == "a" and depth == self.depth:
            return Name("yhat")
        if letter == "z" and self.merged(depth):
            return Name("yhat")
        return Name(f"{letter}({depth})")

    def merged(self, depth: int) -> bool:
        """Whether a layer's units are written in one line, without a z."""
        return all(self.names.merged(depth, unit) for unit in self._range(depth))

    # Entries

    def _range(self, depth: int) -> range:
        return range(1, self.units(depth) + 1)

    def _by_sample(self, names: Sequence[str]) -> Matrix:
        return Matrix(tuple(tuple(Name(name + mark) for mark in self.marks) for name in names))

    def weights(self, depth: int) -> Matrix:
        """A row for each unit, 0 where there is no connection."""
        layer = self.layer(depth)
        return Matrix(
            tuple(
                tuple(
                    Name(self.names.weight(depth, unit, source))
                    if layer.connected[unit - 1][source - 1]
                    else ZERO
                    for source in self._range(depth - 1)
                )
                for unit in self._range(depth)
            )
        )

    def biases(self, depth: int) -> Matrix:
        return column([Name(self.names.bias(depth, unit)) for unit in self._range(depth)])

    def activations(self, depth: int) -> Matrix:
        """What a layer hands on: a row for each unit, a column for each sample."""
        if depth == 0:
            return self._by_sample([self.names.input(index) for index in self._range(0)])
        return self._by_sample([self.names.a(depth, unit) for unit in self._range(depth)])

    def preactivations(self, depth: int) -> Matrix:
        """z of a layer; where units have none, what they hand on."""
        name = self.names.a if self.merged(depth) else self.names.z
        return self._by_sample([name(depth, unit) for unit in self._range(depth)])

    def targets(self) -> Matrix:
        return self._by_sample(
            [self.names.target(index) for index in range(1, self.network.targets + 1)]
        )

    def derivative(self, name: str) -> str:
        """∂L/∂ a quantity, where it has no line of its own as well."""
        step = self.graph.derivative.get(name)
        return derivative_name(self.output, name) if step is None else step.name

    def gradients(self, matrix: Matrix) -> Matrix:
        """∂L/∂ each entry; a missing connection stays 0."""
        return Matrix(
            tuple(
                tuple(
                    Name(self.derivative(entry.name)) if isinstance(entry, Name) else entry
                    for entry in row
                )
                for row in matrix.rows
            )
        )
