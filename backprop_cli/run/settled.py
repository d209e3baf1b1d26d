"""What is decided by the sign of a number, and when that number is 0.

A float that should be 0 often is not: 0.5·1 − 0.3·2 + 0.1 comes to −2.8e−17, and a ReLU would be
off. Where a sum decides which way to go, at a kink or in a comparison, it is 0 if it is no larger
than the roundings of its terms.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from backprop_cli.formula.build import ZERO, negative, rebuild, total
from backprop_cli.formula.defined import bends
from backprop_cli.formula.nodes import Call, Comparison, Formula, Name, Sum

NEAR = 0.01
"""Only so near to a kink is it asked whether a number is on it."""
ROUNDING = 2.0**-42
"""A sum that is no larger than this share of its terms is 0: a rounding error away from a kink is
on it."""


def settled(
    steps: Sequence[tuple[str, Formula]],
) -> tuple[list[tuple[str, Formula]], Set[str]]:
    """The steps, each sum that decides something inside a formula with a line of its own before it,
    as the difference that a comparison asks for; and the names of what decides.
    """
    deciding: dict[str, None] = {}
    lifted: dict[Formula, str] = {}

    def lift(part: Formula, own: list[tuple[str, Formula]]) -> Formula:
        if isinstance(part, Comparison) and part.right != ZERO:
            part = Comparison(total(part.left, negative(part.right)), part.relation, ZERO)
        part = rebuild(part, lambda inner: lift(inner, own))
        if isinstance(part, Call) and part.arguments and part.arguments[0] in bends(part):
            first, *rest = part.arguments
            return Call(part.function, (decide(first, own), *rest))
        if isinstance(part, Comparison) and part.right == ZERO:
            return Comparison(decide(part.left, own), part.relation, ZERO)
        return part

    def decide(part: Formula, own: list[tuple[str, Formula]]) -> Formula:
        if isinstance(part, Sum) and part not in lifted:
            lifted[part] = f"sum {len(lifted)}"
            own.append((lifted[part], part))
        name = Name(lifted[part]) if isinstance(part, Sum) else part
        if isinstance(name, Name):
            deciding[name.name] = None
        return name

    found: list[tuple[str, Formula]] = []
    for name, formula in steps:
        own: list[tuple[str, Formula]] = []
        changed = lift(formula, own)
        found += [*own, (name, changed)]
    return found, deciding.keys()


def size_of(formula: Formula) -> Formula | None:
    """How large the terms of a sum are together; None for what is no sum."""
    if not isinstance(formula, Sum):
        return None
    return total(*(Call("abs", (term,)) for term in formula.terms))
