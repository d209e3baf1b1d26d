"""Linear layers multiplied out into the one map W̃x + b̃ that they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from operator import mul
from typing import Literal, TypeAlias

from backprop_cli.formula.build import product, total
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.nodes import Formula, Matrix, Name
from backprop_cli.graph.layered import Layers
from backprop_cli.run import Value
from backprop_cli.worksheet.array_notation import column, fits, matmul
from backprop_cli.worksheet.document import (
    Block,
    Derivation,
    DerivationLine,
    Heading,
    Paragraph,
    Text,
)
from backprop_cli.worksheet.numbers import Shown as Written
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.sheet import Sheet

Numbers: TypeAlias = list[list[Value]]
"""The values of a matrix, row by row."""
MOST_WRITTEN = 5
"""More layers than these are not multiplied out letter by letter."""


def collapsed(sheet: Sheet) -> Iterator[Block]:
    """Where every unit is linear: ŷ = W̃x + b̃ derived, with numbers if there are any."""
    arrays = sheet.graph.layers
    if isinstance(arrays, str):
        return
    layers = arrays.layers
    plain = all(layer.linear and layer.bare for layer in layers)
    if len(layers) < 2 or not plain or not sheet.first:
        return
    yield Heading(3, (Text("All units are linear: the layers collapse"),))
    yield Paragraph((Text(COLLAPSE),))
    yield from _Collapse(sheet, arrays).derivations()


COLLAPSE = (
    "Without a nonlinear activation W(Vx + c) + b = (WV)x + (Wc + b): however many layers there"
    " are, the network is one linear map."
)


class _Collapse:
    def __init__(self, sheet: Sheet, arrays: Layers) -> None:
        self.sheet = sheet
        self.arrays = arrays
        self.layer = {layer.depth: layer for layer in arrays.layers}
        self.depth = len(self.layer)
        self.biases = {layer.depth: layer.biases for layer in arrays.layers if layer.biases}
        self.biased = list(self.biases)

    def derivations(self) -> Iterator[Derivation]:
        if self.depth <= MOST_WRITTEN:
            yield self._letters()
        if self.sheet.symbolic:
            return
        weights = [self._values(self.layer[depth].weights.matrix) for depth in self._from_above(0)]
        products = list(accumulate(weights, _times))  # of the last layer, of the last two, …
        terms = [[[Fraction(0)] for _ in weights[0]], *self._offsets(products)]
        offset: Numbers = [[sum(value for (value,) in row)] for row in zip(*terms, strict=True)]
        if self.depth <= MOST_WRITTEN and all(fits((len(rows), len(rows[0]))) for rows in weights):
            yield self._multiplied(weights, products)
            if self.biased:
                yield self._added(products, offset)
        yield self._one_map(products[-1], offset)

    def _from_above(self, depth: int) -> range:
        """The layers above one, the last first."""
        return range(self.depth, depth, -1)

    # Letters

    def _letters(self) -> Derivation:
        """ŷ = W⁽²⁾(W⁽¹⁾x + b⁽¹⁾) + b⁽²⁾ = W⁽²⁾W⁽¹⁾x + W⁽²⁾b⁽¹⁾ + b⁽²⁾ = W̃x + b̃."""
        x = self.arrays.inputs.letter
        rights = [self._put_in(self.depth, inner) for inner in self._from_above(-1)[1:]]
        rights.append(total(self._weighed(0, x), *map(self._offset_letters, self.biased)))
        whole = matmul(Name("W~"), x)
        rights.append(total(whole, Name("b~")) if self.biased else whole)
        first, *others = rights
        left = self.layer[self.depth].a.letter
        lines = [DerivationLine(None, "=", right) for right in others]
        return Derivation((DerivationLine(left, "=", first), *lines))

    def _put_in(self, depth: int, inner: int) -> Formula:
        """a of a layer in the values of layer `inner`, everything between put in."""
        above = depth - 1
        below = self.layer[depth].below.letter if above == inner else self._put_in(above, inner)
        weighed = matmul(self.layer[depth].weighing, below)
        return total(weighed, self._bias(depth)) if depth in self.biased else weighed

    def _bias(self, depth: int) -> Formula:
        return product(self.layer[depth].bias_input, self.biases[depth].letter)

    def _weighed(self, depth: int, what: Formula) -> Formula:
        """The weights of all layers above one, times what comes from there."""
        letters = [self.layer[above].weighing for above in self._from_above(depth)]
        return matmul(*letters, what) if letters else what

    def _offset_letters(self, depth: int) -> Formula:
        own = self._weighed(depth, self.biases[depth].letter)
        return product(self.layer[depth].bias_input, own)

    # Numbers

    def _values(self, matrix: Matrix) -> Numbers:
        return [
            [self.sheet.known(e.name) if isinstance(e, Name) else Fraction(0) for e in row]
            for row in matrix.rows
        ]

    def _biases(self, depth: int) -> Numbers:
        """b of a layer times the input that it has (−1 for thresholds)."""
        factor = evaluate(self.layer[depth].bias_input, self.sheet.known)
        return [[b * factor] for (b,) in self._values(self.biases[depth].matrix)]

    def _offsets(self, products: Sequence[Numbers]) -> list[Numbers]:
        """What the biases of each layer come to at the output."""
        return [
            self._biases(depth)
            if depth == self.depth
            else _times(products[self.depth - depth - 1], self._biases(depth))
            for depth in self.biased
        ]

    def _matrix(self, numbers: Numbers) -> Matrix:
        return Matrix(tuple(tuple(self._shown(each).formula for each in row) for row in numbers))

    def _shown(self, value: Value) -> Written:
        return shown(value, self.sheet.digits, fractions=self.sheet.choices.fractions)

    def _sign(self, *matrices: Numbers) -> Literal["=", "≈"]:
        exact = all(self._shown(each).exact for rows in matrices for row in rows for each in row)
        return "=" if exact else "≈"

    def _of_any_sample(self, entry: Formula) -> Formula:
        return Name(self.sheet.graph.unmarked(entry.name)) if isinstance(entry, Name) else entry

    def _multiplied(self, weights: Sequence[Numbers], products: Sequence[Numbers]) -> Derivation:
        """W̃ = W⁽³⁾W⁽²⁾W⁽¹⁾, multiplied out from the left."""
        letters = [self.layer[depth].weighing for depth in self._from_above(0)]
        lines = [DerivationLine(Name("W~"), "=", matmul(*letters))]
        for done, first in enumerate(products, 1):
            rest = weights[done:]
            factors = [self._matrix(each) for each in (first, *rest)]
            right = matmul(*factors) if rest else factors[0]
            lines.append(DerivationLine(None, self._sign(*products[:done], *rest), right))
        return Derivation(tuple(lines))

    def _added(self, products: Sequence[Numbers], offset: Numbers) -> Derivation:
        """b̃ = W⁽³⁾W⁽²⁾b⁽¹⁾ + W⁽³⁾b⁽²⁾ + b⁽³⁾, the products of the weights as they were found."""
        put_in = []
        for depth in self.biased:
            own = self._matrix(self._biases(depth))
            above = products[self.depth - depth - 1] if depth < self.depth else None
            put_in.append(own if above is None else matmul(self._matrix(above), own))
        terms = self._offsets(products)
        rights: list[tuple[Formula, tuple[Numbers, ...]]] = [
            (total(*put_in), (*products, *map(self._biases, self.biased))),
            (total(*map(self._matrix, terms)), (*products, *terms)),
            (self._matrix(offset), (*products, offset)),
        ]
        lines = [DerivationLine(Name("b~"), "=", total(*map(self._offset_letters, self.biased)))]
        for right, numbers in rights:
            if right != lines[-1].right:
                lines.append(DerivationLine(None, self._sign(*numbers), right))
        return Derivation(tuple(lines))

    def _one_map(self, weights: Numbers, offset: Numbers) -> Derivation:
        """The outputs in the inputs, by numbers alone."""
        left, inputs = (
            column([self._of_any_sample(row[0]) for row in view.matrix.rows])
            for view in (self.layer[self.depth].a, self.arrays.inputs)
        )
        right = total(matmul(self._matrix(weights), inputs), self._matrix(offset))
        return Derivation((DerivationLine(left, self._sign(weights, offset), right),))


def _times(left: Numbers, right: Numbers) -> Numbers:
    columns = list(zip(*right, strict=True))
    return [[_dot(row, each) for each in columns] for row in left]


def _dot(row: Sequence[Value], other: Sequence[Value]) -> Value:
    return sum(map(mul, row, other), Fraction(0))
