"""Linear layers multiplied out into the one map W̃x + b̃ that they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Literal, TypeAlias

from backprop_cli.formula.build import number, product, total
from backprop_cli.formula.nodes import Formula, Matrix, Name
from backprop_cli.problem.model import Network, RuleUse
from backprop_cli.run import Value
from backprop_cli.worksheet.arrays import Arrays, column, fits, matmul
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
    network = sheet.run.problem.model
    if not isinstance(network, Network) or not _is_linear(network) or not sheet.first:
        return
    yield Heading(3, (Text("All units are linear: the layers collapse"),))
    yield Paragraph((Text(COLLAPSE),))
    yield from _Collapse(sheet, network).derivations()


COLLAPSE = (
    "Without a nonlinear activation W(Vx + c) + b = (WV)x + (Wc + b): however many layers there"
    " are, the network is one linear map."
)


def _is_linear(network: Network) -> bool:
    uses = [use for layer in network.layers for use in layer.activations]
    return (
        len(network.layers) > 1
        and all(isinstance(use, RuleUse) and use.name == "identity" for use in uses)
        and not any(layer.batch_norm for layer in network.layers)
    )


class _Collapse:
    def __init__(self, sheet: Sheet, network: Network) -> None:
        self.sheet = sheet
        self.arrays = Arrays(sheet, network)
        self.depth = self.arrays.depth
        depths = range(1, self.depth + 1)
        self.biased = [depth for depth in depths if self.arrays.layer(depth).bias != "none"]

    def derivations(self) -> Iterator[Derivation]:
        if self.depth <= MOST_WRITTEN:
            yield self._letters()
        if self.sheet.symbolic:
            return
        weights = [self._values(self.arrays.weights(depth)) for depth in self._from_above(0)]
        products = [weights[0]]  # of the last layer, of the last two, …
        for below in weights[1:]:
            products.append(_times(products[-1], below))
        offset: Numbers = [[Fraction(0)] for _ in weights[0]]
        for term in self._offsets(products):
            offset = [[x + y] for (x,), (y,) in zip(offset, term, strict=True)]
        if self.depth <= MOST_WRITTEN and all(fits(self._matrix(each)) for each in weights):
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
        x = self.arrays.letter("a", 0)
        rights = [self._put_in(self.depth, inner) for inner in self._from_above(-1)[1:]]
        rights.append(total(self._weighed(0, x), *map(self._offset_letters, self.biased)))
        whole = matmul(Name("W~"), x)
        rights.append(total(whole, Name("b~")) if self.biased else whole)
        first, *others = rights
        left = self.arrays.letter("a", self.depth)
        lines = [DerivationLine(None, "=", right) for right in others]
        return Derivation((DerivationLine(left, "=", first), *lines))

    def _put_in(self, depth: int, inner: int) -> Formula:
        """a of a layer in the values of layer `inner`, everything between put in."""
        above = depth - 1
        below = self.arrays.letter("a", above) if above == inner else self._put_in(above, inner)
        weighed = matmul(self.arrays.letter("W", depth), below)
        return total(weighed, self._bias(depth)) if depth in self.biased else weighed

    def _bias(self, depth: int) -> Formula:
        factor = self.arrays.layer(depth).bias_input
        return product(number(factor.value), self.arrays.letter("b", depth))

    def _weighed(self, depth: int, what: Formula) -> Formula:
        """The weights of all layers above one, times what comes from there."""
        letters = [self.arrays.letter("W", above) for above in self._from_above(depth)]
        return matmul(*letters, what) if letters else what

    def _offset_letters(self, depth: int) -> Formula:
        factor = number(self.arrays.layer(depth).bias_input.value)
        return product(factor, self._weighed(depth, self.arrays.letter("b", depth)))

    # Numbers

    def _values(self, matrix: Matrix) -> Numbers:
        return [
            [self.sheet.known(e.name) if isinstance(e, Name) else Fraction(0) for e in row]
            for row in matrix.rows
        ]

    def _biases(self, depth: int) -> Numbers:
        """b of a layer times the input that it has (−1 for thresholds)."""
        factor = self.arrays.layer(depth).bias_input.value
        return [[b * factor] for (b,) in self._values(self.arrays.biases(depth))]

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

    def _multiplied(self, weights: Sequence[Numbers], products: Sequence[Numbers]) -> Derivation:
        """W̃ = W⁽³⁾W⁽²⁾W⁽¹⁾, multiplied out from the left."""
        letters = [self.arrays.letter("W", depth) for depth in self._from_above(0)]
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
        names, units = self.arrays.names, range(1, self.arrays.units(self.depth) + 1)
        left = column([Name(names.a(self.depth, unit)) for unit in units])
        inputs = column([Name(names.input(i)) for i in range(1, self.arrays.units(0) + 1)])
        right = total(matmul(self._matrix(weights), inputs), self._matrix(offset))
        return Derivation((DerivationLine(left, self._sign(weights, offset), right),))


def _times(left: Numbers, right: Numbers) -> Numbers:
    columns = list(zip(*right, strict=True))
    return [[_dot(row, each) for each in columns] for row in left]


def _dot(row: Sequence[Value], other: Sequence[Value]) -> Value:
    result: Value = Fraction(0)
    for left, right in zip(row, other, strict=True):
        result = result + left * right
    return result
