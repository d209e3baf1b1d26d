"""A network in layers: its quantities as arrays, and the equations that these obey.

Each array has a row for each unit and a column for each sample (W for each input), 0 where there
is nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from backprop_cli.arrays.array import View
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import ONE, ZERO
from backprop_cli.formula.nodes import Call, Formula, Matrix, Number, Shown
from backprop_cli.rules.activations import ActivationRule


@dataclass(frozen=True)
class Layer:
    """A layer: z = W·below + bias_input·b + added, a = g(z), out = scale·mask ⊙ (a + added behind).

    `weighing` is W in letters: of a layer that takes the weights of another, W⁽¹⁾ or its transpose.
    `row` is g with its options, None where the units differ or have a rule of their own. A `merged` layer is
    written in one line, without a z: its `z` is its `a`. `shared` says that b is one number. What
    a layer without dropout and without anything added behind it hands on, `out`, is its `a`.
    """

    depth: int
    below: View
    weights: View
    weighing: Formula
    biases: View | None
    bias_input: Formula
    shared: bool
    added: tuple[View, ...]
    z: View
    a: View
    merged: bool
    normalised: bool  # batch normalisation stands between z and a
    out: View
    added_behind: tuple[View, ...] = ()
    mask: View | None = None
    scale: Formula = ONE
    row: ActivationRule | None = None
    options: Mapping[str, Number] = field(default_factory=dict)

    @property
    def bare(self) -> bool:
        """Whether it is g(Wx + b) and nothing else."""
        return not (self.added or self.normalised) and self.out is self.a

    @property
    def owns_weights(self) -> bool:
        return self.weighing == self.weights.letter

    @property
    def linear(self) -> bool:
        if self.normalised:
            return False
        return self.merged or (self.row is not None and self.row.name == "identity")

    @property
    def connections(self) -> Matrix | None:
        """1 for every connection, 0 where there is none; None if nothing is missing."""
        if ZERO not in self.weights.entries:
            return None
        rows = self.weights.matrix.rows
        return Matrix(tuple(tuple(ZERO if e == ZERO else ONE for e in row) for row in rows))

    def activated(self, inside: Formula) -> Formula:
        """σ(z) of a letter or a matrix; the identity leaves it as it is, g stands for any."""
        if self.row is None:
            return Call("g", (inside,))
        return inside if self.linear else self.row.call(inside, self.options)

    def slope(self, z: Formula) -> Formula:
        """σ′(z) of a letter or a matrix."""
        return Call("g'", (z,)) if self.row is None else self.row.slope_call(z, self.options)


@dataclass(frozen=True)
class Layers:
    """The arrays of a graph in layers, from the inputs to the targets."""

    inputs: View
    layers: tuple[Layer, ...]
    targets: View | None

    @property
    def views(self) -> Iterator[View]:
        """Every array that an equation of the forward pass is in."""
        yield self.inputs
        for layer in self.layers:
            weights = layer.weights if layer.owns_weights else None
            views = (weights, layer.z, layer.a, layer.out, layer.biases, layer.mask)
            yield from (view for view in views if view is not None)

    @property
    def scattered(self) -> bool:
        """Whether a weight stands in several places of which no matrix says so."""
        own = [layer for layer in self.layers if layer.owns_weights]
        found = [entry for layer in own for entry in layer.weights.entries if entry != ZERO]
        return len(set(found)) < len(found)

    def weighed_by(self, weights: View) -> Iterator[tuple[Layer, bool]]:
        """The layers that take these weights, the one that has them first; and whether transposed."""
        for layer in self.layers:
            if layer.weighing in (weights.letter, transposed(weights.letter)):
                yield layer, layer.weighing != weights.letter

    def handed_on(self, view: View) -> str:
        """What a sentence calls the values that a layer hands on."""
        found = next((layer.depth for layer in self.layers if layer.out is view), None)
        return "the inputs are" if found is None else f"the output of layer {found} is"


def transposed(formula: Formula) -> Shown:
    return Shown("transpose", (formula,))
