"""Matrix form: z = Wa + b, δ = (Wᵀδ) ⊙ g′(z), ∂L/∂W = δaᵀ, with shapes under the factors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backprop_cli.formula.build import negative, product, total
from backprop_cli.formula.nodes import Call, Formula, Matrix, Name, Number, Shown
from backprop_cli.graph.backward import derivative_name, slope_name
from backprop_cli.problem.model import Layer, Network, RuleUse
from backprop_cli.problem.names import NetworkNames
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Derivation,
    DerivationLine,
    Heading,
    Paragraph,
    Text,
)
from backprop_cli.worksheet.gradients import gradients as plain_gradients
from backprop_cli.worksheet.passes import forward, loss
from backprop_cli.worksheet.sheet import Sheet

LONGEST_VECTOR = 20
"""More parameters than these are not written into one gradient vector."""


def shape(formula: Formula, rows: int, columns: int) -> Shown:
    return Shown("shape", (formula, Name(f"{rows}×{columns}")))


def column(names: Sequence[Formula]) -> Matrix:
    return Matrix(tuple((name,) for name in names))


def transpose(formula: Formula) -> Shown:
    return Shown("transpose", (formula,))


def matmul(*factors: Formula) -> Shown:
    return Shown("matmul", factors)


def hadamard(*factors: Formula) -> Shown:
    return Shown("hadamard", factors)


def matrices(sheet: Sheet) -> Iterator[Block]:
    """The whole pass in matrices. A batch is shown by its first sample; equations have none."""
    network = sheet.run.problem.model
    if not isinstance(network, Network):
        yield Callout("note", (Text("Equations have no layers, so they have no matrix form."),))
        yield from forward(sheet)
        yield from loss(sheet)
        yield from plain_gradients(sheet)
        return
    yield from _Matrices(sheet, network).blocks()


class _Matrices:
    def __init__(self, sheet: Sheet, network: Network) -> None:
        self.sheet = sheet
        self.network = network
        self.names = NetworkNames(network, sheet.run.problem.notation)
        batch = sheet.graph.batch
        self.mark = f"[{batch[0]}]" if len(batch) > 1 else ""

    def blocks(self) -> Iterator[Block]:
        yield Heading(2, (Text("Forward pass in matrices"),))
        for depth, layer in enumerate(self.network.layers, 1):
            yield self._forward(depth, layer)
            yield self._activation(depth, layer)
        yield from self._augmented()
        yield from self._collapse()
        yield from loss(self.sheet)
        if self.sheet.graph.losses and self.sheet.graph.wrt:
            yield Heading(2, (Text("Backward pass in matrices"),))
            for depth in range(len(self.network.layers), 0, -1):
                yield Heading(3, (Text(f"Layer {depth}"),))
                yield self._delta(depth)
                yield from self._gradients(depth)
            yield from self._gradient_vector()

    # Symbols

    def _vector(self, letter: str, depth: int) -> Name:
        if depth == 0:
            return Name("x")
        if letter == "a" and depth == len(self.network.layers):
            return Name("yhat")
        return Name(f"{letter}{depth}_")

    def _weights(self, depth: int) -> Matrix:
        layer = self.network.layers[depth - 1]
        return Matrix(
            tuple(
                tuple(
                    Name(self.names.weight(depth, unit, source))
                    if layer.connected[unit - 1][source - 1]
                    else Number("0")
                    for source in range(1, layer.fan_in + 1)
                )
                for unit in range(1, layer.units + 1)
            )
        )

    def _biases(self, depth: int) -> Matrix:
        layer = self.network.layers[depth - 1]
        return column([Name(self.names.bias(depth, unit)) for unit in range(1, layer.units + 1)])

    def _below(self, depth: int) -> list[Formula]:
        if depth == 1:
            return [
                Name(self.names.input(i) + self.mark) for i in range(1, self.network.inputs + 1)
            ]
        units = self.network.layers[depth - 2].units
        return [Name(self.names.a(depth - 1, unit) + self.mark) for unit in range(1, units + 1)]

    def _zs(self, depth: int) -> list[Formula]:
        layer = self.network.layers[depth - 1]
        return [
            Name(
                (
                    self.names.a(depth, unit)
                    if self.names.merged(depth, unit)
                    else self.names.z(depth, unit)
                )
                + self.mark
            )
            for unit in range(1, layer.units + 1)
        ]

    def _activations(self, depth: int) -> list[Formula]:
        layer = self.network.layers[depth - 1]
        return [Name(self.names.a(depth, unit) + self.mark) for unit in range(1, layer.units + 1)]

    def _numbers(self, matrix: Matrix) -> Matrix | None:
        """The matrix with numbers for names, or None where one is missing."""
        rows = []
        for row in matrix.rows:
            entries: list[Formula] = []
            for entry in row:
                if not isinstance(entry, Name):
                    entries.append(entry)
                    continue
                written = self.sheet.shown(entry.name)
                if written is None:
                    return None
                entries.append(written.formula)
            rows.append(tuple(entries))
        return Matrix(tuple(rows))

    # Forward

    def _forward(self, depth: int, layer: Layer) -> Derivation:
        below = column(self._below(depth))
        parts = [(self._weights(depth), below)]
        terms: list[Formula] = [
            matmul(shape(parts[0][0], layer.units, layer.fan_in), shape(below, layer.fan_in, 1))
        ]
        numbers: list[Formula | None] = [self._product_numbers(self._weights(depth), below)]
        if layer.bias != "none":
            biases = self._biases(depth)
            sign = layer.bias_input.value
            scaled = shape(biases, layer.units, 1)
            terms.append(product(_coefficient(sign), scaled))
            shown_biases = self._numbers(biases)
            numbers.append(shown_biases and product(_coefficient(sign), shown_biases))
        left = column(self._zs(depth))
        lines = [DerivationLine(left, "=", total(*terms))]
        if all(part is not None for part in numbers):
            lines.append(
                DerivationLine(None, "=", total(*(part for part in numbers if part is not None)))
            )
            result = self._numbers(left)
            if result is not None:
                lines.append(DerivationLine(None, "≈", result))
        return Derivation(tuple(lines))

    def _product_numbers(self, weights: Matrix, below: Matrix) -> Formula | None:
        left, right = self._numbers(weights), self._numbers(below)
        return None if left is None or right is None else matmul(left, right)

    def _activation(self, depth: int, layer: Layer) -> Derivation:
        zs, activations = column(self._zs(depth)), column(self._activations(depth))
        name = "g"
        rules = {use.name for use in layer.activations if isinstance(use, RuleUse)}
        if len(rules) == 1:
            name = rules.pop()
        right: Formula = zs if name == "identity" else Call(name, (zs,))
        lines = [DerivationLine(activations, "=", right)]
        result = self._numbers(activations)
        if result is not None:
            lines.append(DerivationLine(None, "≈", result))
        return Derivation(tuple(lines))

    def _augmented(self) -> Iterator[Block]:
        """The bias as one more column of W, met by a 1 below the activations."""
        depth = len(self.network.layers)
        layer = self.network.layers[-1]
        if layer.bias == "none" or layer.bias_input.value != 1:
            return
        yield Paragraph(
            (
                Text(
                    "The same with the bias as a last column of the weights, multiplied by a 1"
                    " below the values:"
                ),
            )
        )
        weights = self._weights(depth)
        rows = tuple(
            (*row, Name(self.names.bias(depth, unit))) for unit, row in enumerate(weights.rows, 1)
        )
        below = column([*self._below(depth), Number("1")])
        wide = layer.fan_in + 1
        right = matmul(shape(Matrix(rows), layer.units, wide), shape(below, wide, 1))
        yield Derivation((DerivationLine(column(self._zs(depth)), "=", right),))

    def _collapse(self) -> Iterator[Block]:
        """Layers of identity units are one linear map, W̃x + b̃; its numbers are shown."""
        rules = {
            use.name if isinstance(use, RuleUse) else ""
            for layer in self.network.layers
            for use in layer.activations
        }
        if rules != {"identity"} or len(self.network.layers) < 2:
            return
        yield Heading(3, (Text("All units are linear: the layers collapse"),))
        yield Paragraph(
            (
                Text(
                    "Without a nonlinear activation, W(Vx + c) + b = (WV)x + (Wc + b): however many"
                    " layers there are, the network is one linear map."
                ),
            )
        )
        from backprop_cli.worksheet.collapse import collapsed

        yield from collapsed(self.sheet, self.network, self.names)

    # Backward

    def _gradient_column(self, names: Sequence[Formula]) -> Matrix:
        output = self.sheet.graph.output
        return column(
            [Name(derivative_name(output, name.name)) for name in names if isinstance(name, Name)]
        )

    def _gradient_vector(self) -> Iterator[Block]:
        """All gradients in one column, and the update of all parameters in one line."""
        graph = self.sheet.graph
        if len(graph.wrt) > LONGEST_VECTOR:
            return
        yield Heading(3, (Text("All parameters at once"),))
        slopes = column([Name(derivative_name(graph.output, name)) for name in graph.wrt])
        lines = [DerivationLine(Name("∇L"), "=", slopes)]
        if (numbers := self._numbers(slopes)) is not None:
            lines.append(DerivationLine(None, "≈", numbers))
        yield Derivation(tuple(lines))
        if self.sheet.run.problem.trains:
            step = total(Name("w"), negative(product(Name("eta"), Name("∇L"))))
            yield Derivation((DerivationLine(Name("w_new"), "=", step),))

    def _delta(self, depth: int) -> Derivation:
        layer = self.network.layers[depth - 1]
        zs = self._zs(depth)
        left = self._gradient_column(zs)
        activations = self._activations(depth)
        slopes = column([self._slope(a, z) for a, z in zip(activations, zs, strict=True)])
        if depth == len(self.network.layers):
            combined = [self._combined(z) for z in zs]
            upstream: Formula = self._gradient_column(activations)
            if all(formula is not None for formula in combined):
                right: Formula = column([formula for formula in combined if formula is not None])
            else:
                right = hadamard(shape(upstream, layer.units, 1), shape(slopes, layer.units, 1))
        else:
            above = self.network.layers[depth]
            upper = self._gradient_column(self._zs(depth + 1))
            right = hadamard(
                matmul(
                    shape(transpose(self._weights(depth + 1)), layer.units, above.units),
                    shape(upper, above.units, 1),
                ),
                shape(slopes, layer.units, 1),
            )
        lines = [DerivationLine(left, "=", right)]
        result = self._numbers(left)
        if result is not None:
            lines.append(DerivationLine(None, "≈", result))
        return Derivation(tuple(lines))

    def _slope(self, activation: Formula, z: Formula) -> Formula:
        assert isinstance(activation, Name)
        assert isinstance(z, Name)
        if activation == z:
            return Number("1")
        name = slope_name(activation.name, z.name)
        step = self.sheet.graph.step.get(name)
        if step is not None:
            return step.formula if not isinstance(step.numeric, Call) else step.numeric
        return self.sheet.graph.trivial_slopes.get(name, Number("1"))

    def _combined(self, z: Formula) -> Formula | None:
        assert isinstance(z, Name)
        step = self.sheet.graph.step.get(derivative_name(self.sheet.graph.output, z.name))
        return step.formula if step is not None and step.product is not None else None

    def _gradients(self, depth: int) -> Iterator[Block]:
        layer = self.network.layers[depth - 1]
        output = self.sheet.graph.output
        deltas = self._gradient_column(self._zs(depth))
        below = column(self._below(depth))
        weights = Matrix(
            tuple(
                tuple(
                    Name(derivative_name(output, entry.name) + self.mark)
                    if isinstance(entry, Name)
                    else entry
                    for entry in row
                )
                for row in self._weights(depth).rows
            )
        )
        right = matmul(shape(deltas, layer.units, 1), shape(transpose(below), 1, layer.fan_in))
        lines = [DerivationLine(weights, "=", right)]
        numbers = self._numbers(weights)
        if numbers is not None:
            lines.append(DerivationLine(None, "≈", numbers))
        yield Derivation(tuple(lines))
        if layer.bias == "each" and layer.bias_input.value == 1:
            names = [
                Name(derivative_name(output, self.names.bias(depth, unit)) + self.mark)
                for unit in range(1, layer.units + 1)
            ]
            yield Derivation((DerivationLine(column(names), "=", deltas),))


def _coefficient(value: object) -> Formula:
    from fractions import Fraction

    from backprop_cli.formula.build import number

    assert isinstance(value, Fraction)
    return number(value)
