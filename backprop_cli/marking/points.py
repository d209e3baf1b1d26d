"""Where expressions are compared: the sheet's own numbers and seeded random points.

Two expressions are equal when they agree at all of them. The points lie on both sides of every
kink that they can be made to reach.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from backprop_cli.formula.build import children
from backprop_cli.formula.defined import bends
from backprop_cli.formula.nodes import Call, Conditional, Formula
from backprop_cli.graph.step import Leaf
from backprop_cli.marking.compiled import Function, compile_formula
from backprop_cli.marking.kept import grouped
from backprop_cli.marking.sheet import AnswerKey, Structure
from backprop_cli.rules.losses import LOSSES

SEED = 1986
DRAWS = 48
FEWEST = 9
MOST = 24


def points(key: AnswerKey) -> list[list[float]]:
    """Values of all quantities at each point; the sheet's own numbers first where it has any."""
    structure = key.structure
    found: list[list[float]] = []
    if not key.symbolic:
        found.append(list(key.truth))
    random = Random(SEED)
    sides = _sides(structure)
    seen: set[tuple[int, bool]] = set()
    for draw in range(DRAWS):
        v = _draw(key, random, near=draw % 2 == 1)
        for node in structure.steps:
            v[node.slot] = node.function(v)
        here = {(place, side(v) > 0) for place, side in enumerate(sides)}
        if len(found) < FEWEST or (not here <= seen and len(found) < MOST):
            found.append(v)
            seen |= here
    return found


def _draw(key: AnswerKey, random: Random, near: bool) -> list[float]:
    structure = key.structure
    v = [0.0] * len(structure.names)
    for slot, leaf in enumerate(structure.graph.leaves):
        v[slot] = _value(leaf, key.truth[slot], random, near)
    _share_out_targets(structure, v)
    return v


def _value(leaf: Leaf, known: float, random: Random, near: bool) -> float:
    chance = random.random()
    match leaf.kind:
        case "constant":
            return known if known == known else 0.05 + 0.9 * chance
        case "state":
            if leaf.name.rstrip("_") == "t":
                return known if known == known else 1.0
            return 0.1 + chance
        case "target":
            return 0.05 + 0.9 * chance
        case "input" | "parameter":
            if near and math.isfinite(known):
                # Near the sheet's own numbers, where its formulas are sure to have a value.
                return known * (0.7 + 0.6 * chance) + 0.1 * (random.random() - 0.5)
            if near:
                return 0.1 + 1.4 * chance
            size = 0.2 + 1.4 * chance
            return size if random.random() < 0.5 else -size


def _share_out_targets(structure: Structure, v: list[float]) -> None:
    """Class probabilities sum to 1: ŷ − y is the slope of cross-entropy only then."""
    rules = (LOSSES.get(step.rule or "") for step in structure.graph.steps)
    if not any(rule is not None and rule.targets == "distribution" for rule in rules):
        return
    leaves = enumerate(structure.graph.leaves)
    targets = ((leaf.sample, slot) for slot, leaf in leaves if leaf.kind == "target")
    for slots in grouped(targets).values():
        whole = sum(v[slot] for slot in slots)
        if len(slots) > 1 and whole:
            for slot in slots:
                v[slot] /= whole


def _sides(structure: Structure) -> list[Function]:
    """Functions that change sign at the kinks of the sheet."""
    found: dict[Formula, None] = {}
    for node in structure.steps:
        waiting = [node.step.formula]
        while waiting:
            part = waiting.pop()
            if isinstance(part, Call):
                found.update(dict.fromkeys(bends(part)))
            elif isinstance(part, Conditional):
                found[part.condition] = None
            waiting.extend(children(part))
    return [compile_formula(formula, structure.slots) for formula in list(found)[:60]]


def same(left: Sequence[float], right: Sequence[float]) -> bool:
    """Whether two rows of values agree wherever the right one has a value."""
    compared = 0
    for one, other in zip(left, right, strict=True):
        if not math.isfinite(other) or abs(other) > 1e12:
            continue
        if not math.isfinite(one) or abs(one - other) > 1e-7 * max(abs(one), abs(other)) + 1e-12:
            return False
        compared += 1
    return compared >= min(3, len(right))
