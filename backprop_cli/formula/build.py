"""Constructors that keep writing order but drop what nobody writes: `+ 0`, `· 1`, `−(−x)`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import chain, count, islice
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

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

ZERO = Number("0")
ONE = Number("1")

T = TypeVar("T", bound=Hashable)
Put: TypeAlias = Callable[[Formula], Formula]


def number(value: Fraction | float | int) -> Formula:
    """The number as a formula: a decimal where it ends within 17 digits, else a quotient."""
    if isinstance(value, float):
        return number(Fraction(repr(value)))
    value = Fraction(value)
    if value < 0:
        return Negative(number(-value))
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return Quotient(Number(str(value.numerator)), Number(str(value.denominator)))
    decimal = Decimal(value.numerator) / Decimal(value.denominator)
    text = format(decimal, "f")
    return Number(text if len(text) < 24 else format(decimal, "e"))


def is_number(formula: Formula, value: int) -> bool:
    # Most are told apart by their floats, at a tenth of the cost of a fraction.
    return isinstance(formula, Number) and float(formula.text) == value and formula.value == value


def negative(operand: Formula) -> Formula:
    if isinstance(operand, Negative):
        return operand.operand
    return operand if is_number(operand, 0) else Negative(operand)


def terms_of(formula: Formula) -> tuple[Formula, ...]:
    """The terms of a sum; anything else is one term."""
    return formula.terms if isinstance(formula, Sum) else (formula,)


def total(*terms: Formula) -> Formula:
    """The sum in writing order, nested sums flattened; no terms at all make 0."""
    flat: list[Formula] = []
    for term in terms:
        flat += [each for each in terms_of(term) if not is_number(each, 0)]
    if not flat:
        return ZERO
    return flat[0] if len(flat) == 1 else Sum(tuple(flat))


def product(*factors: Formula) -> Formula:
    """The product in writing order; a minus sign of any factor comes to the front."""
    flat: list[Formula] = []
    minus = False
    for factor in factors:
        if isinstance(factor, Negative):
            minus, factor = not minus, factor.operand
        for each in factor.factors if isinstance(factor, Product) else (factor,):
            if is_number(each, 0):
                return ZERO
            if not is_number(each, 1):
                flat.append(each)
    result: Formula = ONE if not flat else flat[0] if len(flat) == 1 else Product(tuple(flat))
    return negative(result) if minus else result


def quotient(numerator: Formula, denominator: Formula) -> Formula:
    if is_number(denominator, 1) or is_number(numerator, 0):
        return numerator
    if isinstance(numerator, Negative):
        return negative(quotient(numerator.operand, denominator))
    return Quotient(numerator, denominator)


# One look by type: this runs for every formula of every sheet, several times.
_NODES: Mapping[type, tuple[Callable[[Any], tuple[Formula, ...]], Callable[..., Formula]]] = {
    Number: (lambda node: (), lambda node: node),
    Name: (lambda node: (), lambda node: node),
    Sum: (attrgetter("terms"), lambda _, *parts: Sum(parts)),
    Product: (attrgetter("factors"), lambda _, *parts: Product(parts)),
    Quotient: (attrgetter("numerator", "denominator"), lambda _, *parts: Quotient(*parts)),
    Negative: (lambda node: (node.operand,), lambda _, operand: Negative(operand)),
    Power: (attrgetter("base", "exponent"), lambda _, *parts: Power(*parts)),
    Call: (attrgetter("arguments"), lambda node, *parts: Call(node.function, parts)),
    Comparison: (
        attrgetter("left", "right"),
        lambda node, left, right: Comparison(left, node.relation, right),
    ),
    Conditional: (
        attrgetter("then", "condition", "otherwise"),
        lambda _, then, condition, otherwise: Conditional(condition, then, otherwise),
    ),
    Matrix: (
        lambda node: tuple(chain.from_iterable(node.rows)),
        lambda node, *parts: Matrix(
            tuple(tuple(islice(rest, len(row))) for rest in [iter(parts)] for row in node.rows)
        ),
    ),
    Shown: (attrgetter("operands"), lambda node, *parts: Shown(node.form, parts)),
}
"""Of each node its parts in writing order, and how it is made again of others."""


def children(formula: Formula) -> tuple[Formula, ...]:
    """The parts of a node, in writing order."""
    return _NODES[type(formula)][0](formula)


def rebuild(formula: Formula, change: Callable[[Formula], Formula]) -> Formula:
    """The same node with `change` applied to each of its parts, in writing order."""
    parts, made = _NODES[type(formula)]
    own = parts(formula)
    return made(formula, *map(change, own)) if own else formula


def inside(formula: Formula, put: Put = lambda new: new) -> Iterator[tuple[Formula, Put]]:
    """Every part of a formula but the condition of a case, and what puts another in its place."""
    yield formula, put
    for at, part in enumerate(children(formula)):
        if not isinstance(part, Comparison):
            yield from inside(part, lambda new, at=at: put(_with_part(formula, at, new)))  # type: ignore[misc]


def _with_part(formula: Formula, at: int, new: Formula) -> Formula:
    place = count()
    return rebuild(formula, lambda part: new if next(place) == at else part)


def without(parts: Sequence[Formula], at: int) -> tuple[Formula, ...]:
    """All of them but one."""
    return (*parts[:at], *parts[at + 1 :])


def names_in(formula: Formula) -> tuple[str, ...]:
    """Every name in the formula once, in order of first appearance."""
    found: dict[str, None] = {}
    waiting = [formula]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Name):
            found[node.name] = None
        else:
            waiting += reversed(children(node))
    return tuple(found)


def reached(starts: Iterable[T], onward: Callable[[T], Iterable[T]]) -> dict[T, None]:
    """What is come to from some things, themselves among it, by what each leads to."""
    found = dict.fromkeys(starts)
    waiting = list(found)
    while waiting:
        new = dict.fromkeys(each for each in onward(waiting.pop()) if each not in found)
        found |= new
        waiting += new
    return found


def walk(formula: Formula) -> Iterator[Formula]:
    """The formula and everything in it in writing order, each before its parts."""
    waiting = [formula]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))


def calls_in(formula: Formula) -> Iterator[Call]:
    """Every function call in a formula, outermost first."""
    return (part for part in walk(formula) if isinstance(part, Call))


def substitute(formula: Formula, replacements: Mapping[str, Formula]) -> Formula:
    """The formula with names replaced; what is put in is not looked at again."""

    def put(part: Formula) -> Formula:
        if isinstance(part, Name):
            return replacements.get(part.name, part)
        return rebuild(part, put)

    return put(formula)


def put_together(formula: Formula, parts: Mapping[str, Formula]) -> Formula:
    """The formula with names replaced and then tidied: sums in sums and products in products run
    together, minus signs come to the front."""
    match formula:
        case Name(name):
            return parts.get(name, formula)
        case Product(factors):
            return product(*(put_together(factor, parts) for factor in factors))
        case Sum(terms):
            return total(*(put_together(term, parts) for term in terms))
        case Quotient(numerator, denominator):
            return quotient(put_together(numerator, parts), put_together(denominator, parts))
        case Negative(operand):
            return negative(put_together(operand, parts))
        case Power(base, Number("2") as two):
            new = put_together(base, parts)
            return Power(new.operand if isinstance(new, Negative) else new, two)
        case _:
            return rebuild(formula, lambda part: put_together(part, parts))


def rename(formula: Formula, new_name: Callable[[str], str]) -> Formula:
    if isinstance(formula, Name):
        return Name(new_name(formula.name))
    return rebuild(formula, lambda part: rename(part, new_name))


def replaced(formula: Formula, old: Formula, new: Formula) -> Formula:
    """The formula with one part written in another way, wherever it stands."""
    return new if formula == old else rebuild(formula, lambda part: replaced(part, old, new))


def size(formula: Formula) -> int:
    """How many nodes the tree has."""
    return sum(1 for _ in walk(formula))


def over(index: str, term: Formula) -> Formula:
    """Σ term over an index, in rules of general form that nobody evaluates."""
    return Call(f"sum_{index}", (term,))
