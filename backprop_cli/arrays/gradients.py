"""How a gradient goes back through an equation between arrays: one rule an operation.

A rule says in the language of arrays what ∂L/∂C, C being the result, sends back to an operand, and
why. Rules are composed from the outside of an equation inwards, and numbers that only scale are
kept in front. Nothing here is believed: `graph.array_rules` evaluates what comes out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from functools import cached_property, reduce
from math import prod
from typing import TypeAlias, assert_never

from backprop_cli.arrays.array import (
    AS,
    INDEX,
    KEYWORD,
    SLICE,
    WHOLE,
    Shape,
    argument,
    arguments_of,
    count,
)
from backprop_cli.arrays.evaluate import (
    EVENLY,
    FULL,
    PLACED,
    SPREAD,
    UNPOOLED,
    WINDOWED,
    Evaluator,
)
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.build import ONE, ZERO, names_in, negative, number, product, total
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
    Relation,
    Shown,
    Sum,
)

Reason: TypeAlias = tuple[str | Formula, ...]
"""A sentence with formulas in it."""

Slope: TypeAlias = Callable[[Call, int, Formula | None], tuple[Formula, Reason] | None]
"""The slope of a function of single numbers by one of its arguments, as a formula of the arguments
(and of the result, where that has a name), and why it is so."""


@dataclass(frozen=True)
class Share:
    """What the equation of `via` sends back to the array `to`."""

    to: str
    via: str
    formula: Formula
    reasons: tuple[Reason, ...]


@dataclass
class Back:
    """Sends gradients back through equations; `wanted` are the names that anybody asks about."""

    evaluator: Evaluator
    slope: Slope
    wanted: Collection[str]
    shares: list[Share] = field(default_factory=list)
    via: str = ""

    def through(self, name: str, equation: Formula, upstream: Formula) -> list[Share]:
        """The shares of an equation `name = …` whose ∂L/∂name is `upstream`."""
        self.shares, self.via = [], name
        self.pull(equation, upstream, (), Name(name))
        return self._stacked()

    def _stacked(self) -> list[Share]:
        """The shares; what goes back to every entry of a vector by itself is one list of entries."""
        found: list[Share] = []
        for to in dict.fromkeys(share.to for share in self.shares):
            own = [share for share in self.shares if share.to == to]
            entries: dict[int, list[Formula]] = {}
            for share in own:
                match share.formula:
                    case Call("placed", (gradient, Name(), Number() as at)):
                        entries.setdefault(int(at.value), []).append(gradient)
            placed = sum(map(len, entries.values()))
            if placed == len(own) and self.shape(Name(to)) == (len(entries),):
                whole = Call("stack", tuple(total(*entries[at]) for at in sorted(entries)))
                reasons = (reason for share in own for reason in share.reasons)
                said = tuple(each for each in reasons if each != (RULES[INDEX].said,))
                own = [Share(to, self.via, whole, said)]
            found += own
        return found

    def asks(self, formula: Formula) -> bool:
        return any(name in self.wanted for name in names_in(formula))

    def shape(self, formula: Formula) -> Shape:
        return self.evaluator.shape(formula)

    def pull(
        self,
        formula: Formula,
        upstream: Formula,
        reasons: tuple[Reason, ...],
        result: Formula | None = None,
    ) -> None:
        """Send `upstream`, ∂L/∂formula, on to what stands in the formula. `result` is its name.

        A gradient that is the same along an axis may be smaller than the formula, as a number is
        for a matrix: it is written out only where it has to be.
        """
        if not self.asks(formula):
            return
        match formula:
            case Name(name):
                gradient = self.fitted(upstream, self.shape(formula))
                self.shares.append(Share(name, self.via, gradient, reasons))
            case Shown("matmul", (one, other)):
                for part, gradient in _matmul(self, one, other, upstream, formula):
                    self.pull(part, gradient, (*reasons, MATMUL))
            case Shown("transpose", operands):
                self.pull(Call("transpose", operands), upstream, reasons, result)
            case Call(function, parts) if function in RULES:
                rule = RULES[function]
                use = _Use(self, formula, upstream, result or formula)
                for part, gradient in rule.apply(self, use):
                    if self.asks(part):
                        said = rule.reason(part, parts)
                        self.pull(part, gradient, (*reasons, said) if said else reasons)
            case _:
                for part, gradient, said in self._entrywise(formula, upstream, result):
                    if self.asks(part):
                        gathered = self.gathered(gradient, part, formula)
                        if isinstance(part, Name) and self.shape(part) != self.shape(formula):
                            said = said or self._gathered_reason(part, formula)
                        self.pull(part, gathered, (*reasons, said) if said else reasons)

    # --- entry by entry, and products of matrices ---

    def _entrywise(
        self, formula: Formula, up: Formula, result: Formula | None
    ) -> Iterator[tuple[Formula, Formula, Reason]]:
        match formula:
            case Sum(terms):
                yield from ((term, up, ()) for term in terms)
            case Negative(operand):
                yield operand, self.opposite(up), ()
            case Product(factors) | Shown("hadamard", factors):
                for at, factor in enumerate(factors):
                    yield factor, self.times(up, *factors[:at], *factors[at + 1 :]), ()
            case Quotient(one, other):
                yield one, self.over(up, other), ()
                if self.asks(other):
                    below = self.over(self.times(up, result or formula), other)
                    yield other, self.opposite(below), ()
            case Power(base, exponent):
                yield base, self.times(up, exponent, _lowered(base, exponent)), ()
                if self.asks(exponent):
                    yield exponent, self.times(up, result or formula, Call("ln", (base,))), ()
            case Conditional(condition, then, otherwise) | Call(
                "where", (condition, then, otherwise)
            ):
                if not isinstance(condition, Comparison):
                    condition = Comparison(condition, "!=", ZERO)
                yield then, self.times(up, condition), WHERE
                yield otherwise, self.times(up, Sum((ONE, Negative(condition)))), WHERE
            case Call(_, parts):
                for at, part in enumerate(parts):
                    match self.slope(formula, at, result) if self.asks(part) else None:
                        case Quotient(above, below), why:
                            yield part, self.over(self.times(up, above), below), why
                        case slope, why:
                            yield part, self.times(up, slope), why
            case Shown() | Comparison() | Matrix() | Name() | Number():
                return
            case _:
                assert_never(formula)

    def gathered(self, up: Formula, part: Formula, whole: Formula) -> Formula:
        """What comes back to a smaller operand: the sum over the places where it stood."""
        own, sizes = self.shape(part), self.shape(whole)
        if own == sizes:
            return up
        kept = (*(1,) * (len(sizes) - len(own)), *own)
        have = (*(1,) * (len(sizes) - len(self.shape(up))), *self.shape(up))
        gone = [axis for axis, size in enumerate(sizes) if size != 1 and kept[axis] != size]
        axes = [axis for axis in gone if have[axis] != 1]
        up = self.times(number(prod(sizes[axis] for axis in gone if have[axis] == 1)), up)
        if not axes:
            return up if not self.shape(up) else self.reshaped(up, own)
        given = self.reshaped(up, have)
        left = [axis for axis in range(len(sizes)) if axis not in axes and have[axis] > 1]
        if not left:
            return self.reshaped(self.summed(given), own)
        for axis in axes:
            last = axis == axes[-1] and axis == 0 and len(own) == len(have) - 1
            given = self.summed(given, axis, keep=not last)
        return self.reshaped(given, own)

    def _gathered_reason(self, part: Formula, whole: Formula) -> Reason:
        own, sizes = self.shape(part), self.shape(whole)
        if len(sizes) == 2 and len(own) == 1:
            verb = " is added to" if isinstance(whole, Sum) else " goes with"
            return (part, f"{verb} every row, so its gradient is the sum of the rows.")
        if not own:
            return (part, " stands in every entry, so its gradient is the sum over all of them.")
        return (part, " stands in several places, so what comes back from each is added up.")

    # --- formulas ---

    def opposite(self, formula: Formula) -> Formula:
        parts = self.split(formula)
        return self.join(replace(parts, minus=not parts.minus))

    def split(self, formula: Formula) -> _Scaled:
        """A formula as a number before an array."""
        match formula:
            case Negative(operand):
                inner = self.split(operand)
                return replace(inner, minus=not inner.minus)
            case Product(factors):
                scalars = [each for each in factors if not self.shape(each)]
                rest = [each for each in factors if self.shape(each)]
                found = _Scaled(body=_fraction(rest, ()))
                if len(rest) == 1:
                    found = self.split(rest[0])
                for scalar in reversed(scalars):
                    found = self.split(scalar).before(found, found.body)
                return found
            case Quotient(one, other):
                return self.split(one).over(self.split(other))
            case _ if not self.shape(formula):
                return _Scaled(above=(formula,))
            case _:
                return _Scaled(body=formula)

    def join(self, parts: _Scaled) -> Formula:
        factor = prod((e.value for e in parts.above if isinstance(e, Number)), start=Fraction(1))
        above = [each for each in parts.above if not isinstance(each, Number)]
        below: list[Formula] = []
        for each in parts.below:
            if isinstance(each, Number) and each.value != 0:
                factor /= each.value
            elif each in above:
                above.remove(each)
            elif each in below and isinstance(each, Call) and each.function == "sqrt":
                below[below.index(each)] = each.arguments[0]  # √v·√v
            else:
                below.append(each)
        if factor == 0:
            return ZERO
        minus = parts.minus != (factor < 0)
        factor = abs(factor)
        whole = number(factor)
        if isinstance(whole, Quotient) or factor.numerator == 1:
            whole = Number(str(factor.numerator))
            if factor.denominator != 1:
                below.insert(0, Number(str(factor.denominator)))
        body = () if parts.body is None else (parts.body,)
        found = product(whole, *above, *body)
        if below and isinstance(parts.body, Quotient):
            top = product(whole, *above, parts.body.numerator)
            found = Quotient(top, product(*below, parts.body.denominator))
        elif below:
            found = Quotient(found, product(*below))
        return negative(found) if minus else found

    def times(self, *factors: Formula) -> Formula:
        """The product entry by entry, numbers in front."""
        parts = [self.split(each) for each in factors]
        found = reduce(lambda one, other: one.before(other, None), parts, _Scaled())
        bodies = [own.body for own in parts if own.body is not None]
        return self.join(replace(found, body=_fraction(bodies, ())))

    def added(self, *terms: Formula) -> Formula:
        """The sum; what is the same in every entry needs no array beside one that is not."""
        parts = [self.split(term) for term in terms]
        same = [own.body is not None and _is_ones(own.body) for own in parts]
        if not all(same):
            terms = tuple(
                self.join(replace(own, body=None)) if alike else term
                for term, own, alike in zip(terms, parts, same, strict=True)
            )
        return total(*terms)

    def over(self, one: Formula, other: Formula) -> Formula:
        return self.join(self.split(one).over(self.split(other)))

    def matmul(self, one: Formula, other: Formula) -> Formula:
        left, right = self.split(one), self.split(other)
        assert right.body is not None
        factors = (*_factors(left.body, "matmul"), right.body)
        return self.join(left.before(right, Shown("matmul", factors)))

    def transposed(self, formula: Formula) -> Formula:
        parts = self.split(formula)
        match parts.body:
            case None | Call("eye"):
                return formula
            case Shown("transpose", (body,)) | Call("transpose", (body, *_)):
                pass
            case Shown("matmul", factors):
                body = reduce(self.matmul, map(self.transposed, reversed(factors)))
            case upright:
                body = Shown("transpose", (upright,))
        inner = self.split(body)
        return self.join(parts.before(inner, inner.body))

    def summed(self, formula: Formula, axis: int | None = None, *, keep: bool = False) -> Formula:
        """Sums along an axis, numbers in front."""
        parts = self.split(formula)
        if parts.body is None:
            return formula
        keywords = () if axis is None else (_keyword("axis", axis),)
        kept = (_keyword("keepdims", 1),) if keep and axis is not None else ()
        found = Call("sum", (parts.body, *keywords, *kept))
        if not self.shape(found):
            return self.join(replace(parts, above=(*parts.above, found), body=None))
        return self.join(replace(parts, body=found))

    def reshaped(self, formula: Formula, shape: Shape) -> Formula:
        """The same entries in another shape; numbers stay in front."""
        parts = self.split(formula)
        if self.shape(formula) == shape or (parts.body is None and count(shape) != 1):
            return formula
        if parts.body is None:
            parts = _Scaled(body=formula)
        match parts.body:
            case Call(function, (body, *_)) if function == AS:
                pass
            case body:
                assert body is not None
        if _is_ones(body):
            body = Call(SPREAD, (ONE, *map(number, shape)))
        elif self.shape(body) != shape:
            body = Call(AS, (body, *map(number, shape)))
        return self.join(replace(parts, body=body))

    def fitted(self, formula: Formula, shape: Shape) -> Formula:
        """A gradient in the full shape of what it belongs to."""
        own = self.shape(formula)
        if own == shape:
            return formula
        if count(own) == count(shape):
            return self.reshaped(formula, shape)
        parts = self.split(formula)
        spread = Call(SPREAD, (parts.body or ONE, *map(number, shape)))
        return self.join(replace(parts, body=spread))


@dataclass(frozen=True)
class _Scaled:
    """±(above · body)/below, where `above` and `below` are single numbers."""

    minus: bool = False
    above: tuple[Formula, ...] = ()
    below: tuple[Formula, ...] = ()
    body: Formula | None = None

    def before(self, other: _Scaled, body: Formula | None) -> _Scaled:
        """The numbers of both in front of an array."""
        above, below = self.above + other.above, self.below + other.below
        return _Scaled(self.minus != other.minus, above, below, body)

    def over(self, divisor: _Scaled) -> _Scaled:
        body = self.body
        if divisor.body is not None:
            body = _fraction(() if body is None else (body,), (divisor.body,))
        return self.before(_Scaled(divisor.minus, divisor.below, divisor.above), body)


def _factors(body: Formula | None, form: str = "hadamard") -> Sequence[Formula]:
    """What stands in a product of a kind; a formula that is none is its only factor."""
    if isinstance(body, Shown) and body.form == form:
        return body.operands
    return () if body is None else (body,)


def _fraction(above: Sequence[Formula], below: Sequence[Formula]) -> Formula | None:
    """Arrays multiplied and divided entry by entry, what is equal above and below struck out; None
    where nothing is left."""
    top, bottom = list[Formula](), list[Formula]()
    for bodies, same, other in ((above, top, bottom), (below, bottom, top)):
        for body in bodies:
            for factor in _factors(body):
                if isinstance(factor, Quotient):
                    same += _factors(factor.numerator)
                    other += _factors(factor.denominator)
                else:
                    same.append(factor)
    for factor in [each for each in top if each in bottom]:
        if factor in bottom:
            top.remove(factor)
            bottom.remove(factor)
    found = _together([each for each in top if not _is_ones(each)] or top[:1])
    if not bottom:
        return found
    return Quotient(ONE if found is None or _is_ones(found) else found, _together(bottom) or ONE)


def _together(bodies: Sequence[Formula]) -> Formula | None:
    """The product of arrays entry by entry; what stands there more than once is a power."""
    times = Counter(bodies)
    bodies = [each if n == 1 else Power(each, number(n)) for each, n in times.items()]
    return Shown("hadamard", tuple(bodies)) if len(bodies) > 1 else next(iter(bodies), None)


def _is_ones(formula: Formula) -> bool:
    return formula == ONE or (
        isinstance(formula, Call) and formula.function == SPREAD and formula.arguments[0] == ONE
    )


def _keyword(name: str, value: int) -> Call:
    return Call(name + KEYWORD, (number(value),))


def _lowered(base: Formula, exponent: Formula) -> Formula:
    """base^(exponent − 1)."""
    if isinstance(exponent, Number):
        rest = exponent.value - 1
        return ONE if rest == 0 else base if rest == 1 else Power(base, number(rest))
    return Power(base, Sum((exponent, Negative(ONE))))


# --- operations -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Use:
    """A call of an operation that a gradient goes back through: its operands, what is asked by place
    or keyword, and `up`, ∂L/∂ what it comes to, which is called `result`."""

    back: Back
    call: Call
    up: Formula
    result: Formula

    @property
    def operands(self) -> tuple[Formula, ...]:
        return arguments_of(self.call)[0]

    @cached_property
    def full(self) -> Formula:
        """`up` in the whole shape of the result."""
        return self.back.fitted(self.up, self.back.shape(self.call))

    def whole(self, name: str, default: int, place: int | None = None) -> int:
        given = argument(self.call, name, place)
        return default if given is None else int(self.back.evaluator.value(given).scalar)

    @property
    def shape(self) -> Shape:
        """Of the first operand."""
        return self.back.shape(self.operands[0])

    def axis(self, default: int | None = None) -> int | None:
        if argument(self.call, "axis") is None:
            return default
        return self.whole("axis", 0) % len(self.shape)

    def kept(self, formula: Formula) -> Formula:
        """What belongs to each line of the operand, so that it goes with all entries of the line."""
        axis, own = self.axis(), self.back.shape(formula)
        if axis is None or not own or (axis == 0 and len(own) < len(self.shape)):
            return formula
        return self.back.reshaped(formula, (*self.shape[:axis], 1, *self.shape[axis + 1 :]))

    @property
    def line(self) -> int:
        """How many entries become one."""
        axis = self.axis()
        return count(self.shape) if axis is None else self.shape[axis]


Shares: TypeAlias = Iterator[tuple[Formula, Formula]]
Apply: TypeAlias = Callable[[Back, _Use], Shares]


@dataclass(frozen=True)
class Rule:
    """`said` is the reason; what stands in braces there is an operand: {0}, {1}."""

    apply: Apply
    said: str = ""
    of: Mapping[int, str] = field(default_factory=dict)  # other words by operand

    def reason(self, part: Formula, parts: Sequence[Formula]) -> Reason:
        at = next((at for at, each in enumerate(parts) if each is part), 0)
        words = self.of.get(at, self.said)
        pieces = filter(None, words.replace("{", "\0{").replace("}", "}\0").split("\0"))
        return tuple(parts[int(each[1:-1])] if each[0] == "{" else each for each in pieces)


WHERE: Reason = ("The gradient goes back to the branch that was taken, entry by entry.",)


def _sum(back: Back, given: _Use) -> Shares:
    up = given.kept(given.up) if len(given.operands) == 1 else given.up
    yield from ((operand, up) for operand in given.operands)


def _mean(back: Back, given: _Use) -> Shares:
    several = len(given.operands)
    size = number(given.line if several == 1 else several)
    yield from ((operand, back.over(up, size)) for operand, up in _sum(back, given))


def _extreme(relation: Relation) -> Apply:
    def apply(back: Back, given: _Use) -> Shares:
        operands = given.operands
        if len(operands) == 1:
            wins = Comparison(operands[0], "==", given.kept(given.result))
            yield operands[0], back.times(given.kept(given.up), wins)
            return
        for at, operand in enumerate(operands):
            wins = Comparison(operand, "==", given.result)
            if len(operands) == 2:
                wins = Comparison(operand, relation, operands[1 - at])
            yield operand, back.gathered(back.times(given.up, wins), operand, given.call)

    return apply


def _norm(back: Back, given: _Use) -> Shares:
    (operand,) = given.operands
    yield operand, back.over(back.times(given.kept(given.up), operand), given.kept(given.result))


def _logsumexp(back: Back, given: _Use) -> Shares:
    (operand,) = given.operands
    left = Sum((operand, Negative(given.kept(given.result))))
    yield operand, back.times(given.kept(given.up), Call("exp", (left,)))


def _softmax(back: Back, given: _Use) -> Shares:
    axis = given.axis(len(given.shape) - 1)
    parts = back.split(given.up)
    inner = parts.body or ONE
    weighed = back.summed(back.times(inner, given.result), axis, keep=len(given.shape) > 1)
    body = Shown("hadamard", (given.result, Sum((inner, Negative(weighed)))))
    yield given.operands[0], back.join(replace(parts, body=body))


def _log_softmax(back: Back, given: _Use) -> Shares:
    axis = given.axis(len(given.shape) - 1)
    weighed = back.summed(given.full, axis, keep=len(given.shape) > 1)
    shares = Call("softmax", given.call.arguments)
    yield given.operands[0], Sum((given.full, negative(back.times(shares, weighed))))


def _outer(back: Back, given: _Use) -> Shares:
    one, other = given.operands
    yield one, back.matmul(given.full, other)
    yield other, back.matmul(back.transposed(given.full), one)


def _dot(back: Back, given: _Use) -> Shares:
    one, other = given.operands
    yield one, back.times(given.up, other)
    yield other, back.times(given.up, one)


def _trace(back: Back, given: _Use) -> Shares:
    yield given.operands[0], back.times(given.up, Call("eye", (number(given.shape[0]),)))


def _concat(back: Back, given: _Use) -> Shares:
    axis = given.axis(0) or 0 if given.shape else 0
    start = 1
    for operand in given.operands:
        size = (back.shape(operand) or (1,))[axis]
        ends = Call(SLICE, (number(start), number(start + size - 1)))
        part = Call(INDEX, (given.full, *(WHOLE,) * axis, ends))
        yield operand, back.reshaped(part, back.shape(operand))
        start += size


def _stack(back: Back, given: _Use) -> Shares:
    alike = len(back.shape(given.up)) < len(back.shape(given.call))
    for at, operand in enumerate(given.operands, 1):
        yield operand, given.up if alike else Call(INDEX, (given.up, number(at)))


def _reshaped(back: Back, given: _Use) -> Shares:
    full = given.full if back.shape(given.up) else given.up
    yield given.operands[0], back.reshaped(full, given.shape)


def _entries(back: Back, given: _Use) -> Shares:
    base, *specs = given.call.arguments
    if count(given.shape) == 1:
        yield base, back.reshaped(given.up, given.shape)
    else:
        yield base, Call(PLACED, (given.full, base, *specs))


def _transposed(back: Back, given: _Use) -> Shares:
    yield given.operands[0], back.transposed(given.full if back.shape(given.up) else given.up)


def _dropout(back: Back, given: _Use) -> Shares:
    value, mask, keep = given.operands
    for operand, other in ((value, mask), (mask, value)):
        scaled = back.over(back.times(given.up, other), keep)
        yield operand, back.gathered(scaled, operand, given.call)


def _convolved(levels: int) -> Apply:
    def apply(back: Back, given: _Use) -> Shares:
        image, kernel = given.operands[:2]
        settings = given.whole("stride", 1, 2), given.whole("padding", 0, 3), levels
        parts = (image, given.full, kernel, *map(number, settings))
        yield image, Call(FULL, parts)
        yield kernel, Call(WINDOWED, parts)

    return apply


def _conv_transpose(back: Back, given: _Use) -> Shares:
    small, kernel = given.operands[:2]
    settings = number(given.whole("stride", 1, 2)), number(given.whole("padding", 0, 3))
    yield small, back.reshaped(Call("conv2d", (given.full, kernel, *settings)), given.shape)
    yield kernel, Call(WINDOWED, (given.full, small, kernel, *settings, number(2)))


def _pooled(name: str) -> Apply:
    def apply(back: Back, given: _Use) -> Shares:
        size = given.whole("size", 2, 1)
        settings = number(size), number(given.whole("stride", size, 2))
        yield given.operands[0], Call(name, (given.full, given.operands[0], *settings))

    return apply


def _matmul(back: Back, one: Formula, other: Formula, up: Formula, whole: Formula) -> Shares:
    if not (shape := back.shape(whole)):
        yield one, back.times(up, back.transposed(other))
        yield other, back.times(up, back.transposed(one))
        return
    full = back.fitted(up, shape)
    yield one, back.matmul(full, back.transposed(other))
    yield other, back.matmul(back.transposed(one), full)


MATMUL: Reason = (
    "What stood on the left of a matrix product gets the other factor, transposed, on the right; "
    "what stood on the right gets it on the left.",
)

RULES: Mapping[str, Rule] = {
    "sum": Rule(_sum),
    "mean": Rule(_mean, "Each of the entries has the same share in the mean."),
    "max": Rule(_extreme(">"), "Only the largest gets what comes back; nothing else was used."),
    "min": Rule(_extreme("<"), "Only the smallest gets what comes back; nothing else was used."),
    "norm": Rule(_norm, "The slope of the length is the direction: {0} divided by its length."),
    "logsumexp": Rule(_logsumexp, "The slope of logsumexp is the softmax of {0}."),
    "softmax": Rule(
        _softmax,
        "Every share depends on every score of its line: what comes back, less its mean weighted "
        "by the shares, times the share.",
    ),
    "log_softmax": Rule(
        _log_softmax, "ln of a softmax has the slope 1 by its own score, less the share by each."
    ),
    "outer": Rule(_outer, "Each entry of one met every entry of the other."),
    "dot": Rule(_dot),
    "trace": Rule(_trace, "Only the diagonal was added."),
    "concat": Rule(_concat, "Each part gets its part of what comes back."),
    "stack": Rule(_stack),
    "reshape": Rule(_reshaped, "What was only written in another shape is written back in its own."),
    "flatten": Rule(_reshaped, "What was only written in another shape is written back in its own."),
    "transpose": Rule(_transposed),
    "dropout": Rule(_dropout, "What was dropped gets nothing; the rest is scaled as on the way forward."),
    AS: Rule(_reshaped),
    INDEX: Rule(_entries, "What was picked gets its gradient; picked twice, it gets both."),
    "conv1d": Rule(
        _convolved(1), "",
        {0: "Each input lay under several entries of {1}: the kernel turned round collects from all "
            "of them.",
         1: "Each entry of the kernel met the inputs of every window: its gradient adds up "
            "the inputs, each weighted by what comes back to its window."},
    ),
    "conv2d": Rule(
        _convolved(2), "",
        {0: "Each pixel lay under several entries of {1}: the kernel turned round (flipped both "
            "ways) collects from all of them.",
         1: "Each entry of the kernel met a pixel of every window: its gradient adds up the "
            "pixels, each weighted by what comes back to its window."},
    ),
    "conv_transpose2d": Rule(
        _conv_transpose, "A transposed convolution goes back as a convolution: with the same kernel "
        "for what it was applied to.",
    ),
    "max_pool": Rule(
        _pooled(UNPOOLED), "The gradient of a window goes to the entry that was its largest."
    ),
    "avg_pool": Rule(_pooled(EVENLY), "The gradient of a window is shared evenly over its entries."),
}  # fmt: skip
"""What is written with other operations (var, std, the norms, cross-entropy) has none of its own."""
