"""Activations met inside an author's equation: `1/(1 + exp(-g))` is σ(g).

Callers then write the slope as it is taught, a(1 − a), instead of the derivative of the quotient.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from backprop_cli.formula.build import children
from backprop_cli.formula.defined import read
from backprop_cli.formula.functions import FUNCTIONS, Function, derived, functions
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)


def recognise(formula: Formula) -> tuple[str, Formula] | None:
    """The activation that the whole formula applies, and what to; None if it is none."""
    match formula:
        case Call(function, (argument,)) if _is_activation(FUNCTIONS.get(function)):
            return function, argument
        case Quotient() | Sum() | Call("ln" | "log", _) | Product() | Conditional():
            matched = ((rule, _match(form, formula, None)) for rule, form in _forms())
            return next(((rule, found[0]) for rule, found in matched if found and found[0]), None)
        case _:
            return None


def _is_activation(row: Function | None) -> bool:
    """Whether a function has a slope that is taught, and more than 0 or 1."""
    if row is None or row.of or row.slopes == ("0",) or row.arguments[:1] != ("z",):
        return False
    return row.name + "'" in FUNCTIONS and row.definition not in ("", "z")


@derived
def _forms() -> tuple[tuple[str, Formula], ...]:
    """The ways in which the activations are written, of u0, options at their defaults."""
    return tuple(
        (row.name, read(row.name, text, 1))
        for row in functions()
        if row.fewest == 1 and _is_activation(row)
        for text in (row.definition, *row.forms)
    )


def _match(form: Formula, formula: Formula, bound: Formula | None) -> tuple[Formula | None] | None:
    """(what z stands for,) if `formula` has this form, None if not; `bound` is z as known so far.

    Terms and factors may come in any order; there are at most three of them in a form.
    """
    match form, formula:
        case Name("u0"), _:
            return (formula,) if bound is None or bound == formula else None
        case Number(), Number():
            return (bound,) if form.value == formula.value else None
        case Negative(operand), _ if not isinstance(formula, Negative):
            return _match_negated(operand, formula, bound)
        case (Sum(), Sum()) | (Product(), Product()):
            return _any_order(children(form), children(formula), bound)
        case (Call(name, inner), Call(other, arguments)) if _same(name, other):
            return _in_order(inner, arguments, bound)
        case (Comparison(), Comparison()) if form.relation != formula.relation:
            return None
        case (
            (Quotient(), Quotient())
            | (Power(), Power())
            | (Negative(), Negative())
            | (Conditional(), Conditional())
            | (Comparison(), Comparison())
        ):
            return _in_order(children(form), children(formula), bound)
        case _:
            return None


def _match_negated(
    operand: Formula, formula: Formula, bound: Formula | None
) -> tuple[Formula | None] | None:
    """−z against what is written without a leading minus: z is then the opposite of it."""
    opposite = opposite_of(formula)
    if operand != Name("u0") or opposite is None or bound not in (None, opposite):
        return None
    return (opposite,)


def opposite_of(formula: Formula) -> Formula | None:
    """−formula where it is written without a bracket: of −w·x + b that is w·x − b."""
    match formula:
        case Negative(operand):
            return operand
        case Sum(terms) if any(isinstance(term, Negative) for term in terms):
            return Sum(
                tuple(
                    term.operand if isinstance(term, Negative) else Negative(term) for term in terms
                )
            )
        case Product((Negative(operand), *rest)):
            return Product((operand, *rest))
        case Quotient(Negative(operand), denominator):
            return Quotient(operand, denominator)
        case _:
            return None


def _same(name: str, other: str) -> bool:
    return name == other or {name, other} == {"ln", "log"}


def _in_order(
    forms: Sequence[Formula], formulas: Sequence[Formula], bound: Formula | None
) -> tuple[Formula | None] | None:
    if len(forms) != len(formulas):
        return None
    for form, formula in zip(forms, formulas, strict=True):
        if (found := _match(form, formula, bound)) is None:
            return None
        bound = found[0]
    return (bound,)


def _any_order(
    forms: Sequence[Formula], formulas: Sequence[Formula], bound: Formula | None
) -> tuple[Formula | None] | None:
    tried = (_in_order(forms, order, bound) for order in permutations(formulas))
    return next(filter(None, tried), None) if len(forms) == len(formulas) else None
