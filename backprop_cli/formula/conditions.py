"""Conditions joined by `and`, `or`, `not` and chains, written out as cases of one comparison each.

The joined condition is a `Call` of the word and never leaves the parser: after `cases` a formula
has nothing but `Conditional` with a single comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from backprop_cli.formula.build import children, walk
from backprop_cli.formula.nodes import Call, Comparison, Conditional, Formula, Number, Relation
from backprop_cli.formula.words import JOINS

OPPOSITE: Mapping[Relation, Relation] = {
    "<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "==",
}  # fmt: skip
MIRRORED: Mapping[Relation, Relation] = {
    "<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!=",
}  # fmt: skip
RELATIONS: frozenset[str] = frozenset(OPPOSITE)


def is_condition(formula: Formula) -> TypeGuard[Comparison | Call]:
    """Whether a formula is a comparison, or several under a word."""
    return isinstance(formula, Comparison) or _is_joined(formula)


def _is_joined(formula: Formula) -> bool:
    return isinstance(formula, Call) and formula.function in JOINS


def has_joined(formula: Formula) -> bool:
    """Whether conditions were joined where no `if` made cases of them."""
    return any(map(_is_joined, walk(formula)))


def comparisons(condition: Formula) -> int:
    """How many comparisons a condition joins."""
    waiting, count = [condition], 0
    while waiting:
        node = waiting.pop()
        if _is_joined(node):
            waiting.extend(children(node))
        else:
            count += 1
    return count


def cases(condition: Formula, then: Formula, otherwise: Formula) -> Formula:
    """`then if condition else otherwise` as a list of cases with one comparison each."""
    match condition:
        case Call("not", (denied,)):
            return cases(_opposite(denied), then, otherwise)
        case Call("or", (first, second)):
            return cases(first, then, cases(second, then, otherwise))
        case Call("and", (first, second)):
            return cases(_opposite(first), otherwise, cases(second, then, otherwise))
        case Comparison():
            return Conditional(condition, then, otherwise)
        case _:
            raise TypeError("not a condition")


def _opposite(condition: Formula) -> Formula:
    match condition:
        case Call("not", (denied,)):
            return denied
        case Call("or", parts):
            return Call("and", tuple(map(_opposite, parts)))
        case Call("and", parts):
            return Call("or", tuple(map(_opposite, parts)))
        case Comparison(Number() as left, relation, right) if not isinstance(right, Number):
            return Comparison(right, MIRRORED[OPPOSITE[relation]], left)  # x ≤ 0, not 0 ≥ x
        case Comparison(left, relation, right):
            return Comparison(left, OPPOSITE[relation], right)
        case _:
            raise TypeError("not a condition")
