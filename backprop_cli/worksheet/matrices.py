"""Matrix form: z = Wa + b, δ = (Wᵀδ) ⊙ g′(z), ∂L/∂W = δaᵀ, with shapes under the factors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import compress

from backprop_cli.arrays.array import View
from backprop_cli.formula import plain
from backprop_cli.formula.build import (
    ONE,
    names_in,
    negative,
    number,
    product,
    quotient,
    rebuild,
    substitute,
    total,
    walk,
)
from backprop_cli.formula.nodes import Call, Formula, Matrix, Name, Shown
from backprop_cli.formula.quantity import derivative_name, slope_name, updated
from backprop_cli.graph.layered import Layer, Layers, transposed
from backprop_cli.graph.penalty import biases, slope
from backprop_cli.worksheet.array_notation import column, fits, matmul, shape
from backprop_cli.worksheet.collapse import collapsed
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Derivation,
    DerivationLine,
    Heading,
    Math,
    Paragraph,
    Text,
)
from backprop_cli.worksheet.gradients import gradients, slopes
from backprop_cli.worksheet.nested import nested
from backprop_cli.worksheet.passes import forward, loss
from backprop_cli.worksheet.reasons import Reasons, function_reasons
from backprop_cli.worksheet.sheet import Sheet
from backprop_cli.worksheet.updates import is_plain, moved

LONGEST_VECTOR = 20
"""More parameters than these are not written into one gradient vector."""


def matrices(sheet: Sheet) -> Iterator[Block]:
    """The whole pass in matrices, where the problem has layers that matrices can say."""
    found = sheet.matrices
    if isinstance(found, Layers):
        yield from _Matrices(sheet, found).blocks()
        return
    if sheet.first and not sheet.graph.no_arrays:
        yield Callout("note", (Text(f"There is no matrix form here: {found}."),))
    yield from forward(sheet)
    yield from loss(sheet)
    yield from slopes(sheet)
    yield from gradients(sheet)


def layer_matrices(sheet: Sheet) -> dict[str, tuple[Name, int, int]]:
    """The matrix that each quantity of a layer is an entry of, by its letter, and its shape; none
    where the problem has no matrix form."""
    found: dict[str, tuple[Name, int, int]] = {}
    if isinstance(sheet.matrices, Layers):
        for letter, matrix in _Matrices(sheet, sheet.matrices).matrix.items():
            if isinstance(letter, Name):
                found = dict.fromkeys(names_in(matrix), (letter, *_shape_of(matrix))) | found
    return found


def _delta_of(layer: Layer) -> Name:
    return Name(f"delta({layer.depth})")


def _shape_of(matrix: Matrix) -> tuple[int, int]:
    return len(matrix.rows), len(matrix.rows[0])


class _Matrices:
    def __init__(self, sheet: Sheet, arrays: Layers) -> None:
        self.sheet = sheet
        self.graph = sheet.graph
        self.arrays = arrays
        self.layers = arrays.layers
        self.samples = arrays.inputs.shape[1]
        # What a letter stands for, entry by entry.
        self.matrix: dict[Formula, Matrix] = {view.letter: view.matrix for view in arrays.views}
        for layer in arrays.layers:
            self.matrix[_delta_of(layer)] = self._slopes_by(layer.z)
            for view in (layer.out, layer.weights, layer.biases):
                if view is not None:
                    self.matrix[self._slope_by(view)] = self._slopes_by(view)
            self.matrix[layer.slope(layer.z.letter)] = self._slopes(layer)
            if layer.connections is not None:
                self.matrix[Name(f"M({layer.depth})")] = layer.connections
        if arrays.targets is not None:
            self.matrix[arrays.targets.letter] = arrays.targets.matrix

    def blocks(self) -> Iterator[Block]:
        yield Heading(2, (Text("Forward pass in matrices"),))
        if self.samples > 1 and self.sheet.first:
            yield Paragraph((Text("Each column is a sample; a bias is added to every column."),))
        for layer in self.layers:
            yield self._equation(layer.z, shapes=True)
            if not layer.merged:
                yield self._equation(layer.a, shapes=False)
            if layer.out is not layer.a:
                yield self._equation(layer.out, shapes=False)
        yield from function_reasons(self.sheet)
        if self.sheet.first:
            if any(map(_is_joint, self.layers)):
                yield Paragraph((Text(SOFTMAX),))
            yield from nested(self.sheet)
            yield from self._augmented()
            yield from collapsed(self.sheet)
        yield from loss(self.sheet)
        if self.sheet.graph.losses and self.sheet.graph.wrt:
            yield from slopes(self.sheet)
            yield Heading(2, (Text("Backward pass in matrices"),))
            if self.sheet.first:
                yield Paragraph((Text(DELTA),))
                if any(layer.connections for layer in self.layers):
                    yield Paragraph((Text(MISSING),))
            reasons = Reasons(self.sheet)
            for layer in reversed(self.layers):
                yield Heading(3, (Text(f"Layer {layer.depth}"),))
                if layer.out is not layer.a and layer is not self.layers[-1]:
                    yield self._handed_back(layer.out)
                yield self._delta(layer)
                if layer.owns_weights and self._asked(layer.weights):
                    yield self._weight_gradients(layer)
                    users = [str(user.depth) for user, _ in self.arrays.weighed_by(layer.weights)]
                    if len(users) > 1:
                        said = f" stands in layers {' and '.join(users)}{SHARED}"
                        yield Paragraph((Math(layer.weights.letter), Text(said)))
                if layer.biases is not None and self._asked(layer.biases):
                    yield self._bias_gradients(layer, layer.biases)
                going_back = self.graph.section("backward", "gradient")
                within = (step.unit and step.unit.layer == layer.depth for step in going_back)
                yield from map(Paragraph, reasons.once(list(compress(going_back, within))))
            if self._asked(self.arrays.inputs):
                yield Heading(3, (Text("Inputs"),))
                yield self._handed_back(self.arrays.inputs)
            yield from self._gradient_vector()

    # Numbers

    def _numbers(self, formula: Formula) -> Formula | None:
        """The formula with numbers for names, or None where one is missing."""
        names = names_in(formula)
        known = {n: written.formula for n in names if (written := self.sheet.shown(n)) is not None}
        return substitute(formula, known) if len(known) == len(names) else None

    def _result(self, matrix: Matrix) -> list[DerivationLine]:
        """The numbers of a matrix, ≈ in front where one of them is rounded."""
        numbers = self._numbers(matrix)
        written = [self.sheet.shown(name) for name in names_in(matrix)]
        exact = all(each is not None and each.exact for each in written)
        return [] if numbers is None else [DerivationLine(None, "=" if exact else "≈", numbers)]

    def _derivation(
        self,
        left: Formula,
        letters: Formula,
        result: Matrix,
        *,
        shapes: bool = True,
        in_entries: bool = True,
    ) -> Derivation:
        """By letters with shapes, entry by entry, with numbers, and the result."""
        lines = [DerivationLine(left, "=", self._shaped(letters) if shapes else letters)]
        entries = self._in_entries(letters) if in_entries and fits(_shape_of(result)) else None
        numbers = None if entries is None else self._numbers(entries)
        if entries is not None and (entries != result or self.sheet.symbolic):
            lines.append(DerivationLine(None, "=", entries))
        if numbers is not None and numbers not in (entries, self._numbers(result)):
            lines.append(DerivationLine(None, "=", numbers))
        return Derivation((*lines, *(self._result(result) if fits(_shape_of(result)) else ())))

    # Forward

    def _shaped(self, formula: Formula) -> Formula:
        """Every array of a formula with its shape under it."""
        match formula:
            case Shown("shape", _):
                return formula
            case Shown("transpose", (letter,)) if letter in self.matrix:
                return shape(formula, *reversed(_shape_of(self.matrix[letter])))
            case _ if formula in self.matrix:
                return shape(formula, *_shape_of(self.matrix[formula]))
            case _:
                return rebuild(formula, self._shaped)

    def _in_entries(self, formula: Formula) -> Formula | None:
        """The formula entry by entry; None where an array is too large for that."""

        def put(part: Formula) -> Formula:
            return self.matrix.get(part) or rebuild(part, put)

        written = put(formula)
        arrays = (part for part in walk(written) if isinstance(part, Matrix))
        return written if all(fits(_shape_of(each)) for each in arrays) else None

    def _equation(self, view: View, *, shapes: bool) -> Derivation:
        assert view.equation is not None
        equation = self.sheet.short(view.equation)
        of_any = isinstance(equation, Call) and equation.function == "g"
        return self._derivation(
            view.letter, equation, view.matrix, shapes=shapes, in_entries=not of_any
        )

    def _augmented(self) -> Iterator[Block]:
        """The bias as one more column of W, met by a 1 below the activations, layer by layer."""
        found = [line for layer in self.layers for line in self._wide_layer(layer)]
        if found:
            inputs = {plain.write(layer.bias_input) for layer in self.layers if layer.biases}
            shown = " or ".join(sorted(text.replace("-", "−") for text in inputs))
            text = (
                "The layers again, with the biases as one more column of the weights, multiplied by"
                f" their input {shown} below the values:"
            )
            yield Paragraph((Text(text),))
            yield from found

    def _wide_layer(self, layer: Layer) -> Iterator[Derivation]:
        weights, below = layer.weights.matrix, layer.below.matrix
        if (
            layer.biases is None
            or layer.added
            or not (fits(layer.weights.shape) and fits(layer.below.shape))
        ):
            return
        biases = layer.biases.matrix.rows
        wide = Matrix(tuple(row + bias for row, bias in zip(weights.rows, biases, strict=True)))
        tall = Matrix((*below.rows, (layer.bias_input,) * self.samples))
        units, inputs = layer.weights.shape
        right = matmul(shape(wide, units, inputs + 1), shape(tall, inputs + 1, self.samples))
        lines = [DerivationLine(shape(layer.z.matrix, units, self.samples), "=", right)]
        if (numbers := self._numbers(matmul(wide, tall))) is not None:
            lines.append(DerivationLine(None, "=", numbers))
        yield Derivation((*lines, *self._result(layer.z.matrix)))

    # Backward

    def _asked(self, view: View) -> bool:
        """Whether the file asks for the gradient of any entry."""
        return any(name in self.graph.derivative for name in names_in(view.matrix))

    def _slopes_by(self, view: View) -> Matrix:
        """∂L/∂ each entry, where it has no line of its own as well; a missing connection stays 0."""

        def derivative(entry: Formula) -> Formula:
            if not isinstance(entry, Name):
                return entry
            step = self.graph.derivative.get(entry.name)
            return self._slope_by(entry) if step is None else Name(step.name)

        return Matrix(tuple(tuple(map(derivative, row)) for row in view.matrix.rows))

    def _delta(self, layer: Layer) -> Derivation:
        """δ of a layer: what comes back from above, times the slopes."""
        deltas, left = self._slopes_by(layer.z), _delta_of(layer)
        last = layer is self.layers[-1]
        if last and (cancelled := self._cancelled(layer)) is not None:
            return self._derivation(left, cancelled, deltas, shapes=False)
        alone = layer.out is layer.a and not last
        upstream = self._from_above(layer.out) if alone else self._left_in(layer)
        if layer.linear:
            return self._derivation(left, upstream, deltas)
        if _is_joint(layer):
            units = layer.z.shape[0]
            jacobian = shape(transposed(Name(f"J({layer.depth})")), units, units)
            return self._derivation(left, matmul(jacobian, upstream), deltas, in_entries=False)
        return self._derivation(left, hadamard(upstream, layer.slope(layer.z.letter)), deltas)

    def _slope_by(self, view: View | Name) -> Name:
        return Name(derivative_name(self.graph.output, view.name))

    def _left_in(self, layer: Layer) -> Formula:
        """∂L/∂ what a layer hands on, as far as its dropout lets it through."""
        whole = self._slope_by(layer.out)
        mask = layer.mask
        return whole if mask is None else hadamard(product(layer.scale, mask.letter), whole)

    def _from_above(self, values: View) -> Formula:
        """∂L/∂ what is handed on: what each layer that uses it sends back."""
        found: list[Formula] = []
        for above in self.layers:
            delta, weighing = _delta_of(above), above.weighing
            if above.below is values:
                own = weighing.operands[0] if isinstance(weighing, Shown) else None  # of (Wᵀ)ᵀ
                back = own or transposed(weighing)
                found.append(matmul(back, delta))
            found += [delta] * (values in above.added)
            found += [self._left_in(above)] * (values in above.added_behind)
        return total(*found)

    def _handed_back(self, values: View) -> Derivation:
        left, slopes = self._slope_by(values), self._slopes_by(values)
        return self._derivation(left, self._from_above(values), slopes)

    def _slopes(self, layer: Layer) -> Matrix:
        """∂a/∂z of each unit in each sample."""

        def slope(a: Formula, z: Formula) -> Formula:
            assert isinstance(a, Name)
            assert isinstance(z, Name)
            name = slope_name(a.name, z.name)
            return Name(name) if name in self.graph.step else trivial.get(name, ONE)

        trivial = self.graph.trivial_slopes
        rows = zip(layer.a.matrix.rows, layer.z.matrix.rows, strict=True)
        return Matrix(tuple(tuple(map(slope, *each)) for each in rows))

    def _cancelled(self, layer: Layer) -> Formula | None:
        """ŷ − y where cross-entropy meets its activation."""
        steps = [self.graph.derivative.get(name) for name in names_in(layer.z.matrix)]
        if (targets := self.arrays.targets) is None:
            return None
        found = [step and step.product and step.formula for step in steps]
        pairs = zip(layer.a.entries, targets.entries, strict=True)
        if found != [total(output, negative(target)) for output, target in pairs]:
            return None
        return total(layer.a.letter, negative(targets.letter))

    def _weight_gradients(self, layer: Layer) -> Derivation:
        """δ aᵀ of the layer; of weights that several layers take, what each of them sends back."""
        own, weights = layer.weights, self._slopes_by(layer.weights)
        written = total(
            *(
                matmul(user.below.letter, transposed(_delta_of(user)))  # (δ aᵀ)ᵀ
                if is_turned
                else matmul(_delta_of(user), transposed(user.below.letter))
                for user, is_turned in self.arrays.weighed_by(own)
            )
        )
        if layer.connections is not None:
            written = hadamard(written, Name(f"M({layer.depth})"))
        whole = self._penalised(self._averaged(written), own.letter, weights)
        return self._derivation(self._slope_by(own), whole, weights)

    def _bias_gradients(self, layer: Layer, view: View) -> Derivation:
        units = layer.z.shape[0]
        parts: list[Formula] = [_delta_of(layer)]
        biases = self._slopes_by(view)
        if layer.shared:  # summed over the units: a row of ones in front
            parts.insert(0, shape(transposed(Name("1")), 1, units))
            biases = Matrix(biases.rows[:1])
        if self.samples > 1:  # and over the samples: a column of ones behind
            parts.append(shape(Name("1"), self.samples, 1))
        letters: Formula = matmul(*parts) if len(parts) > 1 else parts[0]
        whole = product(layer.bias_input, self._averaged(letters))
        whole = self._penalised(whole, view.letter, biases)
        return self._derivation(self._slope_by(view), whole, biases, in_entries=False)

    def _penalised(self, formula: Formula, weights: Formula, gradients: Matrix) -> Formula:
        """With the slope of what stands in the loss as a penalty on these weights."""
        graph = self.graph
        wrt = {step.of for name in names_in(gradients) if (step := graph.step.get(name))}
        pulls = [each for each in graph.penalties if each.in_loss and wrt & {*each.parameters}]
        slopes = (slope(each, weights) for each in pulls)
        return total(formula, *map(negative, slopes) if graph.ascends else slopes)

    def _averaged(self, formula: Formula) -> Formula:
        """Divided by the number of samples, where the batch takes the mean."""
        samples = self.samples
        if samples == 1 or self.sheet.run.problem.training.reduction == "sum":
            return formula
        return product(quotient(ONE, number(samples)), formula)

    def _gradient_vector(self) -> Iterator[Block]:
        """All gradients in one column, and the update of all parameters in one line."""
        graph = self.sheet.graph
        names = [name for name in graph.wrt if name in graph.parameters]
        if not 0 < len(names) <= LONGEST_VECTOR:
            return
        yield Heading(3, (Text("All parameters at once"),))
        if self.sheet.run.problem.notation.gradient_order == "weights_first":
            added = biases(graph)  # w₂ before w₁₀
            names.sort(key=lambda name: (name in added, [*map(int, re.findall(r"\d+", name))]))
        every = column([Name(derivative_name(graph.output, name)) for name in names])
        yield Derivation((DerivationLine(Name("∇L"), "=", every), *self._result(every)))
        if graph.carried and is_plain(graph):
            step = moved(graph, Name("w"), product(Name("eta"), Name("∇L")))
            yield Derivation((DerivationLine(Name(updated("w")), "=", step),))


def hadamard(*factors: Formula) -> Shown:
    flat: list[Formula] = []
    for each in factors:
        inside = isinstance(each, Shown) and each.form == "hadamard"
        flat += each.operands if isinstance(each, Shown) and inside else (each,)
    return Shown("hadamard", tuple(flat))


def _is_joint(layer: Layer) -> bool:
    """Whether each output of a layer depends on the z of all its units."""
    return layer.row is not None and layer.row.layerwise


SOFTMAX = "softmax(z) is exp(z), entry by entry, divided by the sum of its column."
DELTA = (
    "δ of a layer is the column of the derivatives of the loss by its z: the weights above,"
    " transposed, bring it back, and ⊙ multiplies entry by entry with the slopes."
)


SHARED = ": its gradient is the sum of what comes back to it in each of them."


MISSING = (
    "M has a 1 for every connection and a 0 where there is none: what is not there has no gradient."
)
