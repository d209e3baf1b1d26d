"""Formulas between arrays as a person writes them: `Xᵀ ∂L/∂Q` with shapes, or in numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from backprop_cli.arrays.array import (
    AS,
    INDEX,
    SLICE,
    Shape,
    View,
    arguments_of,
)
from backprop_cli.arrays.evaluate import EVENLY, FULL, PLACED, SPREAD, UNPOOLED, WINDOWED
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import ONE, ZERO, children, negative, number, product, total, walk
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Matrix,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Shown,
    Sum,
)
from backprop_cli.graph.array_rules import NOTHING_LEFT, ArrayRules
from backprop_cli.graph.layered import transposed
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.worksheet.numbers import without_minus_zero

MOST_ROWS = 10
MOST_COLUMNS = 7
"""A larger matrix is written as its letter and its shape, not entry by entry."""
CORNER = 3
"""So many rows and columns of a large matrix are written."""
MOST_ACROSS = 14
"""A line of numbers has no more columns than these, in all its matrices together."""

REDUCTIONS = frozenset({"sum", "mean", "max", "min", "norm", "logsumexp"})
"""What makes a number of each row, or one row of all."""

Letter = Callable[[View, bool], Formula]
"""How an array stands in a line; True for a vector that is added to rows."""


@dataclass(frozen=True)
class Notation:
    """Writes formulas between the arrays of one graph."""

    rules: ArrayRules

    def shape(self, formula: Formula) -> Shape:
        return self.rules.evaluator.shape(formula)

    def letters(self, formula: Formula) -> Formula:
        """With the shape under each factor, where shapes meet at all."""
        mixed = any(self._mixes(part) for part in walk(formula))

        def letter(view: View, lying: bool) -> Formula:
            if not view.shape or not mixed:
                return view.letter
            return shape(view.letter, *sides(view.shape, lying))

        return self.write(formula, letter)

    def bare(self, formula: Formula) -> Formula:
        """Without shapes."""
        return self.write(formula, lambda view, _: view.letter)

    def _mixes(self, part: Formula) -> bool:
        match part:
            case Shown("matmul" | "transpose"):
                return True
            case Call(function, _):
                return function in (FULL, WINDOWED, "conv1d", "conv2d", "conv_transpose2d")
            case Sum(parts) | Product(parts) | Shown("hadamard", parts):
                return len({self.shape(each) for each in parts if self.shape(each)}) > 1
            case _:
                return False

    def inner(self, formula: Formula) -> list[Call]:
        """Sums along lines inside a formula: a person works them out before the rest."""
        outermost = _unscaled(formula)
        return [
            part
            for part in walk(formula)
            if isinstance(part, Call)
            and part is not outermost
            and part.function in ("sum", "mean")
            and any(isinstance(each, Shown) for each in walk(part))
        ]

    def numbers(
        self,
        formula: Formula,
        numbers: Callable[[str], Formula | None],
        write: Callable[[float], Formula],
    ) -> Formula | None:
        """With the numbers of the entries; None where one is missing, or they are too many."""
        complete = True

        def letter(view: View, lying: bool) -> Formula:
            nonlocal complete
            entries = self.entries(view, numbers)
            if entries is None or len(view.shape) > 2 or not fits(view.shape):
                complete = False
                return view.letter
            return laid_out(entries, view.shape, lying)

        worked = {}
        picked = (
            part
            for part in walk(formula)
            if isinstance(part, Call) and part.function == INDEX and part is not formula
            if not all(
                isinstance(place, Number) for place in part.arguments[1:]
            )  # an entry by name
        )
        for part in (*self.inner(formula), *_cases(formula), *picked):
            grid = self.rules.evaluator.value(part)
            if fits(grid.shape) and len(grid.shape) < 3:
                worked[id(part)] = list(map(write, self.cleaned(part))), grid.shape
        found = _Numbers(self.rules, worked).write(formula, letter)
        across = sum(len(each.rows[0]) for each in walk(found) if isinstance(each, Matrix))
        return without_minus_zero(found) if complete and across <= MOST_ACROSS else None

    def cleaned(self, formula: Formula) -> Sequence[float]:
        """What a formula comes to, 0 where only a rounding error is left."""
        evaluator = self.rules.evaluator
        large = max(
            abs(each)
            for part in walk(formula)
            if isinstance(part, Name)
            for each in evaluator.value(part).values
        )
        values = evaluator.value(formula).values
        return [0.0 if abs(each) < NOTHING_LEFT * large else each for each in values]

    def entries(
        self, view: View, numbers: Callable[[str], Formula | None]
    ) -> Sequence[Formula] | None:
        found: list[Formula] = []
        for entry in view.entries:
            written = numbers(entry.name) if isinstance(entry, Name) else entry
            if written is None:
                return None
            found.append(written)
        return found

    def view(self, name: str) -> View:
        """The array of a name, a row of one included."""
        if (found := self.rules.views.get(name)) is not None:
            return found
        gradient = self.rules.by_name.get(name)
        return View(name, (), (Name(name),)) if gradient is None else gradient.view

    # --- writing ---

    def write(self, formula: Formula, letter: Letter, lying: bool = False) -> Formula:
        """The formula in notation; `lying` says that a vector goes with the rows of a matrix."""

        def again(part: Formula) -> Formula:
            return self.write(part, letter, lying)

        def upright(part: Formula) -> Formula:
            return self.write(part, letter)

        match formula:
            case Name(name):
                return letter(self.view(name), lying)
            case Number():
                return formula
            case Sum((one, Negative(Comparison() as condition))) if one == ONE:
                return Conditional(self._compared(condition, letter, lying), ZERO, ONE)
            case Sum(terms):
                return Sum(tuple(self._entrywise(formula, terms, letter, lying)))
            case Product(factors) | Shown("hadamard", factors):
                written = self._entrywise(formula, factors, letter, lying)
                pairs = list(zip(written, factors, strict=True))
                arrays = [each for each, part in pairs if self.shape(part)]
                if len(arrays) > 1:
                    arrays = [Shown("hadamard", tuple(arrays))]
                return _factors(*(each for each, part in pairs if not self.shape(part)), *arrays)
            case Quotient(above, below):
                one, other = self._entrywise(formula, (above, below), letter, lying)
                if isinstance(one, Quotient):  # one fraction, not one above another
                    return Quotient(one.numerator, product(other, one.denominator))
                return Quotient(one, other)
            case Power(base, exponent):
                return Power(again(base), again(exponent))
            case Comparison():
                return Conditional(self._compared(formula, letter, lying), ONE, ZERO)
            case Conditional(Comparison() as condition, then, otherwise):
                compared = self._compared(condition, letter, lying)
                return Conditional(compared, again(then), again(otherwise))
            case Negative(operand):
                return Negative(again(operand))
            case Shown("transpose", (part,)):
                return _turned(upright(part))
            case Shown("matmul", parts):
                return matmul(*map(upright, parts))
            case Call():
                return self._call(formula, letter, lying)
            case _:
                return formula

    def _entrywise(
        self, whole: Formula, parts: Sequence[Formula], letter: Letter, lying: bool
    ) -> list[Formula]:
        wide = len(self.shape(whole)) == 2
        return [
            self.write(part, letter, lying or (wide and len(self.shape(part)) == 1))
            for part in parts
        ]

    def _compared(self, formula: Comparison, letter: Letter, lying: bool) -> Comparison:
        one, other = self._entrywise(formula, (formula.left, formula.right), letter, lying)
        return Comparison(one, formula.relation, other)

    def _call(self, call: Call, letter: Letter, lying: bool) -> Formula:
        function, parts = call.function, call.arguments

        def written(part: Formula) -> Formula:
            return self.write(part, letter)

        match function:
            case _ if function == AS:
                return self._as(call, letter, lying)
            case _ if function == SPREAD:
                return self._spread(call, letter)
            case _ if function == INDEX:
                return self._entries(call, letter, lying)
            case _ if function == PLACED:
                places_ = self._picked(parts[1], parts[2:], lambda view, _: view.letter)
                return Call("placed", (written(parts[0]), places_))
            case _ if function in (WINDOWED, FULL):
                return self._overlaps(call, letter)
            case _ if function == UNPOOLED:
                return Call("unpool", (written(parts[0]),))
            case _ if function == EVENLY:
                size = int(self.rules.evaluator.value(parts[2]).scalar)
                levels = min(2, len(self.shape(parts[1])))
                return Quotient(Call("unpool", (written(parts[0]),)), number(size**levels))
            case "sum" if isinstance(parts[0], Call) and parts[0].function == "stack":
                return total(*map(written, parts[0].arguments))
            case "where" if isinstance(parts[0], Comparison):
                compared = self._compared(parts[0], letter, False)
                return Call(function, (compared, *map(written, parts[1:])))
            case "transpose":
                return _turned(written(parts[0]))
            case "reshape" if all(size == ONE for size in parts[2:]):
                return written(parts[0])  # a number for each channel, everywhere in it
        operands, named = arguments_of(call)
        axis = named.get("axis")
        if axis is not None and function in REDUCTIONS and len(self.shape(parts[0])) == 2:
            along = int(self.rules.evaluator.value(axis).scalar) % 2
            words = f"row{function}" if along else f"{function}_rows"
            return Call(words, (written(parts[0]),))
        keywords = [
            Comparison(Name(name), "==", written(value))
            for name, value in named.items()
            if name != "keepdims" and not (name == "axis" and len(self.shape(parts[0])) == 1)
        ]
        return Call(function, (*(self.write(part, letter, lying) for part in operands), *keywords))

    def _overlaps(self, call: Call, letter: Letter) -> Formula:
        """What a convolution sends back to its kernel or its image: with the rim of zeros that was
        put round the image, and the gaps that a stride leaves."""
        image, result, kernel, *settings = call.arguments
        stride, padding, _ = (int(self.rules.evaluator.value(each).scalar) for each in settings)
        gradient = self.write(result, letter)
        if stride > 1:
            gradient = Call("dilate", (gradient, number(stride)))
        if call.function == WINDOWED:
            met = self.write(image, letter)
            return Shown("correlation", (_rimmed("pad", met, padding), gradient))
        turned = Call("flip", (self.write(kernel, letter),))
        return _rimmed("unpad", Shown("full", (gradient, turned)), padding)

    def _as(self, call: Call, letter: Letter, lying: bool) -> Formula:
        """The same entries in another shape, which goes without saying of a row or a column."""
        inner, *sizes = call.arguments
        own = [size for size in self.shape(inner) if size > 1]
        other = [size for size in sizes if size != ONE]
        written = self.write(inner, letter, lying)
        if list(map(number, own)) == other or not own:
            return written
        return Call("reshape", (written, *sizes))

    def _spread(self, call: Call, letter: Letter) -> Formula:
        """The same everywhere: a matrix of ones beside it, below it or behind it."""
        inner, *sizes_ = call.arguments
        sizes = tuple(int(self.rules.evaluator.value(size).scalar) for size in sizes_)
        own = self.shape(inner)
        ones = Name("1")
        if len(sizes) == 2 and own == (sizes[0], 1):
            return matmul(self.write(inner, letter), shape(ones, 1, sizes[1]))
        if len(sizes) == 2 and own in (sizes[1:], (1, *sizes[1:])):
            row = self.write(inner, letter)
            return matmul(shape(ones, sizes[0], 1), transposed(row) if len(own) == 1 else row)
        whole = sizes if len(sizes) > 2 else sides(sizes)
        below = Shown("shape", (ones, *(Name(str(size)) for size in whole)))
        return below if inner == ONE else product(self.write(inner, letter), below)

    def _entries(self, call: Call, letter: Letter, lying: bool) -> Formula:
        base, *specs = call.arguments
        numbers = [int(spec.value) for spec in specs if isinstance(spec, Number)]
        if isinstance(base, Name) and len(numbers) == len(specs):
            return letter(self.view(base.name).part([each - 1 for each in numbers]), lying)
        return self._picked(base, specs, letter)

    def _picked(self, base: Formula, specs: Sequence[Formula], letter: Letter) -> Formula:
        def place(spec: Formula) -> Iterable[Formula]:
            match spec:
                case Call(name, ()) if name == SLICE:
                    return (Name(":"),)
                case Call(name, ends) if name == SLICE:
                    evaluator = self.rules.evaluator
                    return (Name(":".join(f"{evaluator.value(end).scalar:.0f}" for end in ends)),)
                case _:  # a list in numbers stands beside one another
                    written = self.write(spec, letter, lying=True)
                    return written.rows[0] if isinstance(written, Matrix) else (written,)

        return Shown("entries", (self.write(base, letter), *chain.from_iterable(map(place, specs))))


def _factors(*factors: Formula) -> Formula:
    """A product with its minus in front; 0 and 1 stay, for they are numbers put in."""
    flat: list[Formula] = []
    minus = sum(isinstance(factor, Negative) for factor in factors) % 2 == 1
    for factor in factors:
        bare = factor.operand if isinstance(factor, Negative) else factor
        flat += bare.factors if isinstance(bare, Product) else (bare,)
    result = flat[0] if len(flat) == 1 else Product(tuple(flat))
    return negative(result) if minus else result


def _rimmed(function: str, inside: Formula, padding: int) -> Formula:
    return Call(function, (inside, number(padding))) if padding else inside


def _cases(formula: Formula) -> Iterator[Formula]:
    """What is one number or another, as ReLU′(z) is 1 or 0: in numbers, just those."""
    match formula:
        case Comparison() | Sum((Number(), Negative(Comparison()))):
            yield formula
        case Call(name, _) if isinstance(rule_slope(name), Conditional):
            yield formula
        case Conditional(_, then, otherwise) | Call("where", (_, then, otherwise)):
            yield from (*_cases(then), *_cases(otherwise))
        case _:
            for part in children(formula):
                yield from _cases(part)


def rule_slope(name: str) -> Formula | None:
    """The slope as it is taught that a function like `relu'` stands for."""
    rule = ACTIVATIONS.get(name.removesuffix("'"))
    return rule.slope if rule is not None and name.endswith("'") else None


def _turned(formula: Formula) -> Formula:
    """The transpose of a factor; the shape under it is that of the transpose."""
    match formula:
        case Shown("shape", (what, rows, columns)):
            return Shown("shape", (transposed(what), columns, rows))
        case _:
            return transposed(formula)


def _unscaled(formula: Formula) -> Formula:
    """Without signs and numbers before it or below it."""
    match formula:
        case Negative(operand) | Quotient(operand, Number()):
            return _unscaled(operand)
        case Call(name, (operand, *_)) if name == AS:
            return _unscaled(operand)
        case Product((*scalars, last)) if all(isinstance(each, Number) for each in scalars):
            return _unscaled(last)
        case _:
            return formula


@dataclass(frozen=True)
class _Numbers(Notation):
    """The same, with some parts worked out, by identity."""

    worked: Mapping[int, tuple[Sequence[Formula], Shape]]

    def write(self, formula: Formula, letter: Letter, lying: bool = False) -> Formula:
        if (found := self.worked.get(id(formula))) is not None:
            return laid_out(*found, lying)
        return super().write(formula, letter, lying)


def shape(formula: Formula, rows: int, columns: int) -> Shown:
    """A factor with its shape under it: `2×3`."""
    return Shown("shape", (formula, Name(str(rows)), Name(str(columns))))


def column(entries: Sequence[Formula]) -> Matrix:
    """Entries one below the other."""
    return Matrix(tuple((entry,) for entry in entries))


def matmul(*factors: Formula) -> Shown:
    return Shown("matmul", factors)


def sides(shape_: Shape, lying: bool = False) -> tuple[int, int]:
    """Rows and columns as written: a vector is a column, unless it lies down."""
    if len(shape_) == 1:
        return (1, shape_[0]) if lying else (shape_[0], 1)
    return shape_[-2], shape_[-1]


def fits(shape_: Shape) -> bool:
    """Whether an array is written entry by entry."""
    if not shape_:
        return True
    rows, columns = sides(shape_)
    return rows <= MOST_ROWS and columns <= MOST_COLUMNS


def in_rows(entries: Sequence[Formula], shape_: Shape, lying: bool = False) -> Matrix:
    rows, width = sides(shape_, lying)
    return Matrix(tuple(tuple(entries[at * width : (at + 1) * width]) for at in range(rows)))


def laid_out(entries: Sequence[Formula], shape_: Shape, lying: bool) -> Formula:
    """The entries of an array in rows, or the one number that it is."""
    return in_rows(entries, shape_, lying) if shape_ else entries[0]


def corner(entries: Sequence[Formula], shape_: Shape) -> Matrix:
    """The first rows and columns of a large matrix, dots where it goes on."""
    rows, width = sides(shape_)
    down = CORNER if rows > MOST_ROWS else rows
    along = CORNER if width > MOST_COLUMNS else width
    found: list[tuple[Formula, ...]] = []
    for row in range(down):
        line = tuple(entries[row * width : row * width + along])
        found.append((*line, Name("⋯")) if along < width else line)
    if down < rows:
        dots = (Name("⋮"),) * along
        found.append((*dots, Name("⋱")) if along < width else dots)
    return Matrix(tuple(found))
