"""Where functions have no derivative, and the slope that a file may choose there.

`kinks: {relu: 1, max: first}` in a problem file chooses. A formula is then differentiated in a form
that has the same values everywhere and the chosen slope at the kink: relu(z) as `1*z if z == 0 else
relu(z)`, the first of two values that tie as `x if x >= y else y`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

from backprop_cli.formula.arithmetic import COMPARE, Value
from backprop_cli.formula.build import (
    is_number,
    negative,
    number,
    product,
    rebuild,
    substitute,
    total,
)
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Number,
    Relation,
)
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.rules.losses import LOSSES
from backprop_cli.rules.written import Kink, signed

Kinks: TypeAlias = Mapping[str, Number | str]
"""What a file chooses: a slope, or for max and min `first`, `last` or `share`."""

Beyond: TypeAlias = Literal["<", ">"]
Side: TypeAlias = tuple[Beyond, Value]
"""Where z lies: less than a number, or greater."""

EXTREMES = ("max", "min")
TIES = ("share", "first", "last")

# Of functions that are no activations, in u0, u1, ….
_FUNCTIONS: Mapping[str, tuple[Kink, ...]] = {
    "abs": (Kink("u0", "0", "|·| has no derivative at 0", "0 is used there"),),
    "clip": (
        Kink("u0", "u1", "clip has no derivative at its lower edge", "0 is used there"),
        Kink("u0", "u2", "clip has no derivative at its upper edge", "0 is used there"),
    ),
    "floor": (
        Kink(
            "u0",
            "floor(u0)",
            "floor jumps at every whole number",
            "0 is used as its slope there too",
        ),
    ),
    "ceil": (
        Kink(
            "u0", "ceil(u0)", "ceil jumps at every whole number", "0 is used as its slope there too"
        ),
    ),
}


def choosable() -> tuple[str, ...]:
    """What `kinks` may name."""
    return (
        *(row.name for row in ACTIVATIONS.values() if row.kinks and row.learns),
        *(row.name for row in LOSSES.values() if row.kinks),
        "abs",
        "clip",
        *EXTREMES,
    )


def kinks_of(call: Call) -> Iterator[tuple[Kink, Mapping[str, Formula]]]:
    """The kinks of a function that is called, with its arguments for the names in them."""
    rule = ACTIVATIONS.get(call.function)
    if rule is not None and not rule.layerwise and call.arguments:
        names = ("z", *rule.options)
        values = {**signed(rule.options), **dict(zip(names, call.arguments, strict=False))}
        yield from ((kink, values) for kink in rule.kinks)
    elif call.function in _FUNCTIONS:
        values = {f"u{place}": argument for place, argument in enumerate(call.arguments)}
        yield from ((kink, values) for kink in _FUNCTIONS[call.function])


def flat_side(rule: str, options: Mapping[str, Number], z: Value | None) -> Side | None:
    """On which side of which kink z lies where an activation is flat beyond it: below 0 where a
    ReLU is off. None where a gradient passes."""
    sides = {} if z is None else _flat_beyond(rule, tuple(options.items()))
    return next((side for side in sides.items() if COMPARE[side[0]](z, side[1])), None)


@lru_cache
def _flat_beyond(rule: str, options: tuple[tuple[str, Number], ...]) -> Mapping[Beyond, Value]:
    """Below which of its kinks an activation has the slope 0, and above which."""
    row, nothing = ACTIVATIONS[rule], dict[str, Value]()
    values = signed(row.with_options(dict(options)))
    at = [evaluate(substitute(kink.at, values), nothing.__getitem__) for kink in row.kinks]
    if not at or not row.learns:
        return {}
    ends: dict[Beyond, tuple[Value, int]] = {"<": (min(at), -1), ">": (max(at), 1)}

    def is_flat(z: Value) -> bool:
        return evaluate(row.slope_call(number(z), dict(options)), nothing.__getitem__) == 0

    return {
        relation: end
        for relation, (end, step) in ends.items()
        if is_flat(end + step) and is_flat(end + 2 * step)
    }


def chosen(kinks: Kinks, name: str) -> Number | None:
    """The slope that a file chooses for a function's kinks."""
    value = kinks.get(name)
    return value if isinstance(value, Number) else None


def with_slope_at(
    slope: Formula, kink: Kink, values: Mapping[str, Formula], value: Formula
) -> Formula:
    """A slope as taught, with another value at the kink."""
    quantity, at = substitute(kink.quantity, values), substitute(kink.at, values)
    match slope:
        case Conditional(Comparison(left, ">", right), then, otherwise) if (left, right) == (
            quantity,
            at,
        ):
            if then == value:
                return Conditional(Comparison(left, ">=", right), then, otherwise)
            if otherwise == value:
                return slope
    return Conditional(Comparison(quantity, "==", at), value, slope)


def to_differentiate(formula: Formula, kinks: Kinks) -> Formula:
    """The formula in the form that has the chosen slopes at its kinks."""
    if not kinks:
        return formula
    formula = rebuild(formula, lambda part: to_differentiate(part, kinks))
    if not isinstance(formula, Call) or formula.function not in kinks:
        return formula
    if formula.function in EXTREMES:
        return _extreme(formula, str(kinks[formula.function]))
    if (value := chosen(kinks, formula.function)) is None:
        return formula
    slope = signed({"": value})[""]
    found: Formula = formula
    for kink, values in kinks_of(formula):
        # Every kink that has a slope at all lies where the function is equal to its argument.
        quantity, at = substitute(kink.quantity, values), substitute(kink.at, values)
        beyond = product(slope, total(quantity, negative(at)))
        line = product(slope, quantity) if is_number(at, 0) else total(at, beyond)
        found = Conditional(Comparison(quantity, "==", at), line, found)
    return found


def _extreme(call: Call, tie: str) -> Formula:
    first, *rest = call.arguments
    if tie == "share" or not rest:
        return call
    other: Formula = rest[0] if len(rest) == 1 else Call(call.function, tuple(rest))
    or_equal: tuple[Relation, Relation] = (">", ">=") if call.function == "max" else ("<", "<=")
    relation = or_equal[tie == "first"]
    beyond = other if len(rest) == 1 else _extreme(Call(call.function, tuple(rest)), tie)
    return Conditional(Comparison(first, relation, other), first, beyond)
