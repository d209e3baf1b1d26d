"""Matrix form: z = Wa + b, δ = (Wᵀδ) ⊙ g′(z), ∂L/∂W = δaᵀ, with shapes under the factors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backprop_cli.formula.build import names_in, negative, number, product, quotient, rebuild, total
from backprop_cli.formula.nodes import Call, Formula, Matrix, Name, Number
from backprop_cli.graph.naming import derivative_name, slope_name
from backprop_cli.graph.penalty import biases
from backprop_cli.problem.model import Network, RuleUse
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.worksheet.arrays import (
    Arrays,
    column,
    fits,
    hadamard,
    matmul,
    shape,
    transpose,
)
from backprop_cli.worksheet.collapse import collapsed
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Derivation,
    DerivationLine,
    Heading,
    Paragraph,
    Text,
)
from backprop_cli.worksheet.gradients import gradients, slopes
from backprop_cli.worksheet.nested import nested
from backprop_cli.worksheet.passes import forward, loss
from backprop_cli.worksheet.sheet import Sheet
from backprop_cli.worksheet.updates import is_plain, moved

LONGEST_VECTOR = 20
"""More parameters than these are not written into one gradient vector."""


def matrices(sheet: Sheet) -> Iterator[Block]:
    """The whole pass in matrices, where the problem has layers that matrices can say."""
    network = sheet.run.problem.model
    reason = _why_not(network)
    if reason is None and isinstance(network, Network):
        yield from _Matrices(sheet, network).blocks()
        return
    if sheet.first:
        yield Callout("note", (Text(f"There is no matrix form here: {reason}."),))
    yield from forward(sheet)
    yield from loss(sheet)
    yield from slopes(sheet)
    yield from gradients(sheet)


def _why_not(model: object) -> str | None:
    if not isinstance(model, Network):
        return "equations have no layers"
    if any(layer.batch_norm for layer in model.layers):
        return "batch normalisation ties the samples together"
    return None


def layer_matrices(sheet: Sheet) -> dict[str, tuple[Name, int, int]]:
    """The matrix that each quantity of a layer is an entry of, by its letter, and its shape; none
    where the problem has no matrix form."""
    network = sheet.run.problem.model
    if not isinstance(network, Network) or _why_not(network) is not None:
        return {}
    arrays = Arrays(sheet, network)
    found: dict[str, tuple[Name, int, int]] = {}
    for depth in range(1, arrays.depth + 1):
        zs, weights, biases = (
            arrays.preactivations(depth), arrays.weights(depth), arrays.biases(depth),
        )  # fmt: skip
        for letter, matrix in (
            (arrays.letter("z", depth), zs),
            (arrays.letter("a", depth), arrays.activations(depth)),
            (arrays.letter("delta", depth), arrays.gradients(zs)),
            (Name(f"d{arrays.output}/dW({depth})"), arrays.gradients(weights)),
            (Name(f"d{arrays.output}/db({depth})"), arrays.gradients(biases)),
        ):
            for entry in names_in(matrix):
                found.setdefault(entry, (letter, len(matrix.rows), len(matrix.rows[0])))
    return found


class _Matrices:
    def __init__(self, sheet: Sheet, network: Network) -> None:
        self.sheet = sheet
        self.network = network
        self.arrays = Arrays(sheet, network)

    def blocks(self) -> Iterator[Block]:
        depths = range(1, self.arrays.depth + 1)
        yield Heading(2, (Text("Forward pass in matrices"),))
        if self.arrays.samples > 1 and self.sheet.first:
            yield Paragraph((Text("Each column is a sample; a bias is added to every column."),))
        for depth in depths:
            yield self._preactivation(depth)
            if not self.arrays.merged(depth):
                yield self._activation(depth)
        if self.sheet.first:
            yield from nested(self.sheet)
            yield from self._augmented()
            yield from collapsed(self.sheet)
        yield from loss(self.sheet)
        if self.sheet.graph.losses and self.sheet.graph.wrt:
            yield from slopes(self.sheet)
            yield Heading(2, (Text("Backward pass in matrices"),))
            if self.sheet.first:
                yield Paragraph((Text(DELTA),))
                if any(self.arrays.connections(depth) for depth in depths):
                    yield Paragraph((Text(MISSING),))
            for depth in reversed(depths):
                yield Heading(3, (Text(f"Layer {depth}"),))
                yield self._delta(depth)
                yield self._weight_gradients(depth)
                yield from self._bias_gradients(depth)
            yield from self._gradient_vector()

    # Numbers

    def _numbers(self, formula: Formula) -> Formula | None:
        """The formula with numbers for names, or None where one is missing."""
        missing = False

        def put(part: Formula) -> Formula:
            nonlocal missing
            if not isinstance(part, Name):
                return rebuild(part, put)
            written = self.sheet.shown(part.name)
            missing = missing or written is None
            return part if written is None else written.formula

        result = put(formula)
        return None if missing else result

    def _result(self, matrix: Matrix) -> DerivationLine | None:
        """The numbers of a matrix, ≈ in front where one of them is rounded."""
        numbers = self._numbers(matrix)
        if numbers is None:
            return None
        written = [self.sheet.shown(name) for name in names_in(matrix)]
        exact = all(each is not None and each.exact for each in written)
        return DerivationLine(None, "=" if exact else "≈", numbers)

    def _derivation(
        self, left: Formula, letters: Formula, entries: Formula | None, result: Matrix
    ) -> Derivation:
        """By letters with shapes, entry by entry, with numbers, and the result."""
        lines = [DerivationLine(left, "=", letters)]
        if entries is not None:
            if entries != result or self.sheet.symbolic:
                lines.append(DerivationLine(None, "=", entries))
            numbers = self._numbers(entries)
            if numbers is not None and numbers not in (entries, self._numbers(result)):
                lines.append(DerivationLine(None, "=", numbers))
        if fits(result) and (line := self._result(result)) is not None:
            lines.append(line)
        return Derivation(tuple(lines))

    # Forward

    def _preactivation(self, depth: int) -> Derivation:
        arrays, layer = self.arrays, self.arrays.layer(depth)
        units, inputs, samples = layer.units, layer.fan_in, arrays.samples
        weights, below = arrays.weights(depth), arrays.activations(depth - 1)
        letters: list[Formula] = [
            matmul(
                shape(arrays.letter("W", depth), units, inputs),
                shape(arrays.letter("a", depth - 1), inputs, samples),
            )
        ]
        entries: list[Formula] = [matmul(weights, below)]
        if layer.bias != "none":
            factor = number(layer.bias_input.value)
            letters.append(product(factor, shape(arrays.letter("b", depth), units, 1)))
            entries.append(product(factor, arrays.biases(depth)))
        small = fits(weights) and fits(below)
        return self._derivation(
            arrays.letter("z", depth),
            total(*letters),
            total(*entries) if small else None,
            arrays.preactivations(depth),
        )

    def _activation(self, depth: int) -> Derivation:
        arrays, use = self.arrays, self.arrays.rule(depth)
        zs, letter = arrays.preactivations(depth), arrays.letter("z", depth)
        entries = _applied(use, zs) if use is not None and fits(zs) else None
        left = arrays.letter("a", depth)
        return self._derivation(left, _applied(use, letter), entries, arrays.activations(depth))

    def _augmented(self) -> Iterator[Block]:
        """The bias as one more column of W, met by a 1 below the activations, layer by layer."""
        found = [
            line for depth in range(1, self.arrays.depth + 1) for line in self._wide_layer(depth)
        ]
        if found:
            inputs = {
                layer.bias_input.text for layer in self.network.layers if layer.bias != "none"
            }
            shown = " or ".join(sorted(text.replace("-", "−") for text in inputs))
            text = (
                "The layers again, with the biases as one more column of the weights, multiplied by"
                f" their input {shown} below the values:"
            )
            yield Paragraph((Text(text),))
            yield from found

    def _wide_layer(self, depth: int) -> Iterator[Derivation]:
        arrays, layer = self.arrays, self.arrays.layer(depth)
        weights, below = arrays.weights(depth), arrays.activations(depth - 1)
        if layer.bias == "none" or not (fits(weights) and fits(below)):
            return
        biases = arrays.biases(depth).rows
        wide = Matrix(tuple(row + bias for row, bias in zip(weights.rows, biases, strict=True)))
        bottom = (number(layer.bias_input.value),) * arrays.samples
        tall = Matrix((*below.rows, bottom))
        right = matmul(
            shape(wide, layer.units, layer.fan_in + 1),
            shape(tall, layer.fan_in + 1, arrays.samples),
        )
        result = arrays.preactivations(depth)
        left = shape(result, layer.units, arrays.samples)
        lines = [DerivationLine(left, "=", right)]
        if (numbers := self._numbers(matmul(wide, tall))) is not None:
            lines.append(DerivationLine(None, "=", numbers))
        if (line := self._result(result)) is not None:
            lines.append(line)
        yield Derivation(tuple(lines))

    # Backward

    def _delta(self, depth: int) -> Derivation:
        """δ of a layer: what comes back from above, times the slopes."""
        arrays = self.arrays
        deltas = arrays.gradients(arrays.preactivations(depth))
        left = arrays.letter("delta", depth)
        if depth == arrays.depth and (cancelled := self._cancelled(depth)) is not None:
            short, whole = cancelled
            return self._derivation(left, short, whole if fits(deltas) else None, deltas)
        upstream, entries_above = self._from_above(depth)
        use, units = arrays.rule(depth), arrays.units(depth)
        if arrays.merged(depth) or (use is not None and use.name == "identity"):
            return self._derivation(left, upstream, entries_above, deltas)
        if use is not None and ACTIVATIONS[use.name].layerwise:
            jacobian = shape(transpose(Name(f"J({depth})")), units, units)
            return self._derivation(left, matmul(jacobian, upstream), None, deltas)
        slope = shape(_slope_of(use, arrays.letter("z", depth)), units, arrays.samples)
        entries = entries_above and hadamard(entries_above, self._slopes(depth))
        return self._derivation(left, hadamard(upstream, slope), entries, deltas)

    def _from_above(self, depth: int) -> tuple[Formula, Formula | None]:
        """∂L/∂a of a layer, by letters and entry by entry."""
        arrays = self.arrays
        units, samples = arrays.units(depth), arrays.samples
        if depth == arrays.depth:
            letter = Name(derivative_name(arrays.output, "yhat"))
            entries = arrays.gradients(arrays.activations(depth))
            return shape(letter, units, samples), entries if fits(entries) else None
        above = arrays.units(depth + 1)
        letters = matmul(
            shape(transpose(arrays.letter("W", depth + 1)), units, above),
            shape(arrays.letter("delta", depth + 1), above, samples),
        )
        weights = arrays.weights(depth + 1)
        deltas = arrays.gradients(arrays.preactivations(depth + 1))
        small = fits(weights) and fits(deltas)
        return letters, matmul(transpose(weights), deltas) if small else None

    def _slopes(self, depth: int) -> Matrix:
        zs = self.arrays.preactivations(depth)
        values = self.arrays.activations(depth)
        return Matrix(
            tuple(
                tuple(self._slope(a, z) for a, z in zip(row_a, row_z, strict=True))
                for row_a, row_z in zip(values.rows, zs.rows, strict=True)
            )
        )

    def _slope(self, activation: Formula, z: Formula) -> Formula:
        assert isinstance(activation, Name)
        assert isinstance(z, Name)
        name = slope_name(activation.name, z.name)
        if name in self.sheet.graph.step:
            return Name(name)
        return self.sheet.graph.trivial_slopes.get(name, Number("1"))

    def _cancelled(self, depth: int) -> tuple[Formula, Formula] | None:
        """ŷ − y where cross-entropy meets its activation."""
        arrays = self.arrays
        zs = arrays.preactivations(depth)
        steps = [
            self.sheet.graph.derivative.get(z.name)
            for row in zs.rows
            for z in row
            if isinstance(z, Name)
        ]
        outputs, targets = arrays.activations(depth), arrays.targets()
        plain = [
            total(output, negative(target))
            for row, other in zip(outputs.rows, targets.rows, strict=True)
            for output, target in zip(row, other, strict=True)
        ]
        if any(step is None or step.product is None for step in steps):
            return None
        if [step.formula for step in steps if step is not None] != plain:
            return None
        letters = total(arrays.letter("a", depth), negative(Name("y")))
        return letters, total(outputs, negative(targets))

    def _weight_gradients(self, depth: int) -> Derivation:
        arrays = self.arrays
        units, inputs, samples = arrays.units(depth), arrays.units(depth - 1), arrays.samples
        deltas = arrays.gradients(arrays.preactivations(depth))
        below = arrays.activations(depth - 1)
        weights = arrays.gradients(arrays.weights(depth))
        letters = matmul(
            shape(arrays.letter("delta", depth), units, samples),
            shape(transpose(arrays.letter("a", depth - 1)), samples, inputs),
        )
        entries = matmul(deltas, transpose(below))
        if (connections := arrays.connections(depth)) is not None:
            letters = hadamard(letters, shape(Name(f"M({depth})"), units, inputs))
            entries = hadamard(entries, connections)
        small = fits(deltas) and fits(below) and fits(weights)
        left = Name(derivative_name(arrays.output, f"W({depth})"))
        written_out = self._averaged(entries) if small else None
        return self._derivation(left, self._averaged(letters), written_out, weights)

    def _bias_gradients(self, depth: int) -> Iterator[Derivation]:
        arrays, layer = self.arrays, self.arrays.layer(depth)
        if layer.bias == "none":
            return
        units, samples = layer.units, arrays.samples
        delta = shape(arrays.letter("delta", depth), units, samples)
        left = Name(derivative_name(arrays.output, f"b({depth})"))
        parts: list[Formula] = []
        biases = arrays.gradients(arrays.biases(depth))
        if layer.bias == "shared":  # summed over the units: a row of ones in front
            parts.append(shape(transpose(Name("1")), 1, units))
            biases = Matrix(biases.rows[:1])
        parts.append(delta)
        if samples > 1:  # and over the samples: a column of ones behind
            parts.append(shape(Name("1"), samples, 1))
        letters: Formula = matmul(*parts) if len(parts) > 1 else delta
        whole = product(number(layer.bias_input.value), self._averaged(letters))
        yield self._derivation(left, whole, None, biases)

    def _averaged(self, formula: Formula) -> Formula:
        """Divided by the number of samples, where the batch takes the mean."""
        samples = self.arrays.samples
        if samples == 1 or self.sheet.run.problem.training.reduction == "sum":
            return formula
        return product(quotient(Number("1"), number(samples)), formula)

    @staticmethod
    def _number(name: str) -> tuple[int, ...]:
        """Where a parameter stands in the order of its indices: w₂ before w₁₀."""
        return tuple(map(int, re.findall(r"\d+", name)))

    def _gradient_vector(self) -> Iterator[Block]:
        """All gradients in one column, and the update of all parameters in one line."""
        graph = self.sheet.graph
        if len(graph.wrt) > LONGEST_VECTOR:
            return
        yield Heading(3, (Text("All parameters at once"),))
        names = list(graph.wrt)
        if self.sheet.run.problem.notation.gradient_order == "weights_first":
            added = biases(graph)
            names.sort(key=lambda name: (name in added, self._number(name)))
        slopes_of = column([Name(derivative_name(graph.output, name)) for name in names])
        lines = [DerivationLine(Name("∇L"), "=", slopes_of)]
        if (line := self._result(slopes_of)) is not None:
            lines.append(line)
        yield Derivation(tuple(lines))
        if graph.carried and is_plain(graph):
            step = moved(graph, Name("w"), product(Name("eta"), Name("∇L")))
            yield Derivation((DerivationLine(Name("w_new"), "=", step),))


DELTA = (
    "δ of a layer is the column of the derivatives of the loss by its z: the weights above,"
    " transposed, bring it back, and ⊙ multiplies entry by entry with the slopes."
)


MISSING = (
    "M has a 1 for every connection and a 0 where there is none: what is not there has no gradient."
)


def _applied(use: RuleUse | None, inside: Formula) -> Formula:
    """σ(z) of a letter or a matrix; the identity leaves it as it is, g stands for anything."""
    if use is None:
        return Call("g", (inside,))
    return inside if use.name == "identity" else ACTIVATIONS[use.name].call(inside, use.options)


def _slope_of(use: RuleUse | None, z: Formula) -> Formula:
    if use is None:
        return Call("g'", (z,))
    return ACTIVATIONS[use.name].slope_call(z, use.options)
