"""What an author's equation applies of the tables, recognised from its formula.

An activation is met as a call or in one of the ways it is written out; a loss by its values: it is
a row's if it comes to the same at many points, however its terms are arranged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from random import Random

from backprop_cli.algebra.recognise import recognise
from backprop_cli.dataclass import replace
from backprop_cli.formula.build import names_in, rename, walk
from backprop_cli.formula.evaluate import Value, as_float, evaluate
from backprop_cli.formula.nodes import Call, Formula, Name, Negative, Number
from backprop_cli.graph.step import Applied
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.rules.losses import LOSSES, LossRule, loss_formula

POINTS = 12
CLOSE = 1e-12
MOST_OUTPUTS = 16
"""A loss of more outputs is not compared with the table."""


def renamed(applied: Applied, new_name: Callable[[str], str]) -> Applied:
    """The same of other quantities."""
    return replace(
        applied,
        arguments=tuple(rename(each, new_name) for each in applied.arguments),
        targets=tuple(rename(each, new_name) for each in applied.targets),
    )


def in_equations(
    equations: Mapping[str, Formula], given: frozenset[str], loss: str | None
) -> dict[str, Applied]:
    """What each equation applies: `given` holds what may be a target, `loss` is the equation that
    is one. Of its parts, those that compare outputs of softmax or σ with targets are losses too. A
    joint rule is one only where all of its outputs are there."""
    found: dict[str, Applied] = {}
    for name, formula in equations.items():
        applied = None
        if name == loss or (loss is not None and _has_logarithm(formula)):
            targets = tuple(each for each in names_in(formula) if each in given)
            outputs = tuple(each for each in names_in(formula) if each in equations)
            if name == loss or all(each in found for each in outputs):
                applied = _loss_in(formula, outputs, targets)
        elif isinstance(formula, Name) and formula.name in equations:
            applied = Applied("identity", (formula,))
        applied = applied or _as_activation(formula)
        if applied is not None:
            found[name] = applied
    units: dict[tuple[Formula, ...], set[int]] = {}
    for applied in found.values():
        units.setdefault(applied.arguments, set()).add(applied.own)
    return {
        name: applied
        for name, applied in found.items()
        if applied.targets or len(units[applied.arguments]) == len(applied.arguments)
    }


@lru_cache(maxsize=4096)
def _as_activation(formula: Formula) -> Applied | None:
    if isinstance(formula, Call) and formula.function in ACTIVATIONS:
        row = ACTIVATIONS[formula.function]
        argument, *others = formula.arguments
        values = [_number(each) for each in others]
        if row.layerwise or None in values or not names_in(argument):
            return None
        options = {name: v for name, v in zip(row.options, values, strict=False) if v is not None}
        return Applied(row.name, (argument,), options)
    if (joint := _as_joint(formula)) is not None:
        return joint
    known = recognise(formula)
    if known is None or not names_in(known[1]):
        return None
    return Applied(known[0], (known[1],))


def _number(formula: Formula) -> Number | None:
    match formula:
        case Number():
            return formula
        case Negative(Number(text)):
            return Number(f"-{text}")
        case _:
            return None


def _as_joint(formula: Formula) -> Applied | None:
    for row in ACTIVATIONS.values():
        if row.joint is not None and (found := row.joint.read(formula)) is not None:
            return Applied(row.name, found[0], own=found[1])
    return None


def _has_logarithm(formula: Formula) -> bool:
    return any(isinstance(part, Call) and part.function == "ln" for part in walk(formula))


def _loss_in(
    formula: Formula, outputs: tuple[str, ...], targets: tuple[str, ...]
) -> Applied | None:
    """A loss by whatever names: the rows of a batch are compared with the table once."""
    own = {name: f"yhat_{at}" for at, name in enumerate(outputs)}
    own |= {name: f"y_{at}" for at, name in enumerate(targets)}
    plain = rename(formula, lambda name: own.get(name, name))
    found = _as_loss(
        plain, tuple(map(own.__getitem__, outputs)), tuple(map(own.__getitem__, targets))
    )
    back = {short: name for name, short in own.items()}
    return None if found is None else renamed(found, lambda name: back.get(name, name))


@lru_cache(maxsize=256)
def _as_loss(
    formula: Formula, outputs: tuple[str, ...], targets: tuple[str, ...]
) -> Applied | None:
    if len(outputs) != len(targets) or not 0 < len(outputs) <= MOST_OUTPUTS:
        return None
    if {*outputs, *targets} != set(names_in(formula)):
        return None
    for row in LOSSES.values():
        for options in _options(row, formula):
            candidate = loss_formula(row, outputs, targets, options)
            # Where a row has kinks, max and abs have slopes of their own there.
            taught = formula == candidate and not row.kinks
            if taught or _same(formula, candidate, (*outputs, *targets)):
                names = tuple(map(Name, outputs)), tuple(map(Name, targets))
                return Applied(row.name, names[0], options, names[1], taught=taught)
    return None


def _options(row: LossRule, formula: Formula) -> Iterator[dict[str, Number]]:
    """The defaults; each number of the formula where the row has an option."""
    yield {}
    numbers = dict.fromkeys(part for part in walk(formula) if isinstance(part, Number))
    for option in row.options:
        yield from ({option: number} for number in numbers)


def _same(formula: Formula, other: Formula, names: tuple[str, ...]) -> bool:
    """Whether two formulas have the same values: between 0 and 1, where logarithms are at home,
    and further out, where they may have none."""
    random = Random(0)
    compared = 0
    for point in range(POINTS):
        reach = 1.0 if point % 2 else 3.0
        values: dict[str, Value] = {
            name: random.uniform(0.01, reach) * (1 if point % 2 else random.choice((-1, 1)))
            for name in names
        }
        one, two = (as_float(evaluate(each, values.__getitem__)) for each in (formula, other))
        if math.isfinite(one) != math.isfinite(two):
            return False
        if math.isfinite(one):
            compared += 1
            if not math.isclose(one, two, rel_tol=CLOSE, abs_tol=CLOSE):
                return False
    return compared >= POINTS // 2
