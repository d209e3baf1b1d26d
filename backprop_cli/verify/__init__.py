"""`backprop verify`: every gradient of a problem against two independent calculations of it.

Central differences of the forward pass with 50 digits share nothing with the backward pass but
the equations themselves; SymPy differentiating the whole loss as one expression shares not even
the way through them, where the expression is small enough to be handed to it. Where there are no
numbers, SymPy proves that the steps come to what it gets itself; what it cannot prove is compared
at random points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from functools import cache
from random import Random
from typing import TypeVar

from backprop_cli.algebra.compose import Proof, composed_gradient, composed_size
from backprop_cli.algebra.precise import arithmetic, evaluate_precisely, finite_difference
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.build import names_in, reached, size
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.graph.array_rules import ArrayRules
from backprop_cli.graph.backward import with_gradients
from backprop_cli.graph.batches import batch_of, batch_size
from backprop_cli.graph.composed import Wholes
from backprop_cli.graph.derivation import Derivations
from backprop_cli.graph.expand import expand
from backprop_cli.graph.step import Graph
from backprop_cli.graph.whole import (
    Asked,
    Definitions,
    Forward,
    differentiated,
    forward_pass,
)
from backprop_cli.problem.model import Problem
from backprop_cli.rules.losses import LOSSES
from backprop_cli.run import Value, evaluate_steps, singularities

TOLERANCE = 1e-7
"""A larger relative error is a mismatch."""
NOTHING_LEFT = 1e-25
"""Differences below this share of the loss are the error of the difference quotient itself."""
DIGITS = 50
WORK = 250_000
"""How many nodes of formulas are evaluated in high precision; then gradients are sampled."""
COUNTED = 300
"""Of so many gradients the nodes are counted, evenly spread: in a long chain each reaches all."""
SYMPY_WORK = 6_000
"""Nodes of the composed loss, times the gradients that SymPy takes of it."""
LARGEST_PROVED = 4_000
PROOF_WORK = 60_000
"""Nodes of one derivative that SymPy is to prove, and of all of them together."""
ROUNDING = 1e-12
"""What cancelling may cost in floating point, as a share of the largest number on the sheet."""
BATCHES = 4
POINTS = 3
ATTEMPTS = 40

Item = TypeVar("Item")


@dataclass(frozen=True)
class Comparison:
    """One gradient: the sheet's number, that of the difference quotient, and SymPy's.

    `difference` is nan where the value sits on a kink; `symbolic` is None where SymPy was not
    asked. `rounding` says that the numbers differ only because terms cancel in floating point:
    the sheet's own equations, worked out with 50 digits, agree.
    """

    name: str
    place: str  # which batch or point, "" where there is only one
    ours: float
    difference: float
    symbolic: float | None
    error: float
    rounding: bool = False

    @property
    def on_kink(self) -> bool:
        return math.isnan(self.difference)

    @property
    def agrees(self) -> bool:
        return self.on_kink or self.error <= TOLERANCE


@dataclass(frozen=True)
class Proved:
    """A gradient without numbers, found equal to SymPy's derivative of the composed loss."""

    name: str
    place: str  # which batch, "" where there is only one
    proof: Proof
    targets_sum_to_one: bool


@dataclass(frozen=True)
class Uncompared:
    """A gradient where the loss has no derivative, or is defined on one side only."""

    name: str
    place: str
    ours: float
    at_an_edge: bool


@dataclass(frozen=True)
class ArrayRule:
    """∂L/∂ an array by a formula between arrays (None where none holds for these numbers), evaluated
    as arrays at these numbers and at random ones: at so many of them it does not come out."""

    name: str
    formula: Formula | None
    points: int
    failed: int


@dataclass
class Findings:
    """What was compared, and what was left out."""

    comparisons: list[Comparison] = field(default_factory=list)
    proved: list[Proved] = field(default_factory=list)
    left_out: int = 0  # gradients of a big network that were not sampled
    batches_left_out: int = 0
    bypassed: list[str] = field(default_factory=list)  # where the loss is saturated
    singular: list[Uncompared] = field(default_factory=list)
    undefined: int = 0  # points at which the loss is no finite number
    composed: int | None = None  # nodes of the composed loss, where SymPy took it on
    rules: list[ArrayRule] = field(default_factory=list)
    array_rules: ArrayRules | None = None  # by which their formulas are written

    @property
    def agree(self) -> bool:
        fitting = not any(rule.failed for rule in self.rules)
        return fitting and all(each.agrees for each in self.comparisons)


@dataclass(frozen=True)
class Place:
    """The equations at one set of numbers."""

    label: str
    graph: Graph
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Verification:
    """What verifying a problem came to; `findings` is None where nothing in it is differentiated."""

    problem: Problem
    graph: Graph  # of the first batch
    findings: Findings | None

    @property
    def agrees(self) -> bool:
        return self.findings is None or self.findings.agree


def verification(problem: Problem) -> Verification:
    """Every gradient of a problem compared."""
    first = with_gradients(problem, expand(problem, batch_of(problem, 1)))
    if not first.losses or not first.wrt:
        return Verification(problem, first, None)
    return Verification(problem, first, compare(problem))


def compare(problem: Problem) -> Findings:
    """Every gradient of every batch compared, within bounds of time that do not depend on the
    machine."""
    findings = Findings()
    places: list[tuple[Place, frozenset[str]]] = []
    for label, graph in _batches(problem, findings):
        if all(leaf.value is not None for leaf in graph.leaves):
            places.append((_place(label, graph), frozenset()))
            continue
        done = frozenset(_prove(label, graph, findings))
        if differentiated(graph).keys() <= done:
            continue
        for point in range(1, POINTS + 1):
            found = _random_place(graph, point)
            if found is None:
                findings.undefined += 1
            else:
                where = f"{label}, point {point}" if label else f"point {point}"
                places.append((replace(found, label=where), done))
    if places and places[0][0].graph.arrays:
        _compare_rules(places[0][0], findings)
    for place, done in places:
        _compare_at(place, findings, WORK // len(places), SYMPY_WORK // len(places), done)
    return findings


def _compare_rules(place: Place, findings: Findings) -> None:
    """The rules between whole arrays that a sheet would say, here and with other parameters."""
    rules = ArrayRules(place.graph, _floats(place.values))
    free = tuple(
        replace(leaf, value=None) if leaf.kind == "parameter" else leaf
        for leaf in place.graph.leaves
    )
    others: list[Mapping[str, bool]] = []
    for point in range(1, POINTS):
        drawn = _random_place(replace(place.graph, leaves=free), point)
        if drawn is not None:
            found = ArrayRules(drawn.graph, _floats(drawn.values)).gradients
            others.append({each.name: each.formula is not None for each in found})
    findings.array_rules = rules
    findings.rules = [
        ArrayRule(
            each.name,
            each.short or each.formula,
            len(others),
            sum(not other.get(each.name, True) for other in others) if each.formula else 0,
        )
        for each in rules.gradients
        if each.of.shape
    ]


def _floats(values: Mapping[str, Value]) -> Mapping[str, float]:
    return {name: as_float(value) for name, value in values.items()}


def _prove(label: str, graph: Graph, findings: Findings) -> Iterator[str]:
    """The gradients that SymPy finds equal to its own, as many as the work allows."""
    wholes = Wholes(graph, Derivations(graph))
    work = PROOF_WORK
    for name in wholes.asked:
        size_of_whole = wholes.size(name)
        if size_of_whole > min(work, LARGEST_PROVED):
            continue
        work -= size_of_whole
        proof, sum_to_one = wholes.proof(name)
        if proof in ("cancelled", "points"):
            findings.proved.append(Proved(name, label, proof, sum_to_one))
            yield name


# Where to compare


def _batches(problem: Problem, findings: Findings) -> Iterator[tuple[str, Graph]]:
    """Each batch until they repeat, and what it is called."""
    count, wide = problem.sample_count, batch_size(problem)
    repeats = count // math.gcd(wide, count)
    batches = [batch_of(problem, update) for update in range(1, repeats + 1)]
    findings.batches_left_out = max(0, len(batches) - BATCHES)
    for batch in batches[:BATCHES]:
        samples = ", ".join(map(str, batch))
        label = f"sample{'s' if len(batch) > 1 else ''} {samples}" if len(batches) > 1 else ""
        yield label, with_gradients(problem, expand(problem, batch))


def _place(label: str, graph: Graph) -> Place:
    values = evaluate_steps(graph, {})
    return Place(label, graph, {name: value for name, value in values.items() if value is not None})


def _random_place(graph: Graph, point: int) -> Place | None:
    """Seeded random numbers for what has none, at which the loss and its gradients are finite."""
    random = Random(point)
    for attempt in range(ATTEMPTS):
        low = Fraction(1, 10) if attempt % 2 else Fraction(-3, 2)  # logarithms want positive ones
        targets = _random_targets(graph, random)
        leaves = tuple(
            leaf
            if leaf.value is not None
            else replace(leaf, value=targets.get(leaf.name, _draw(random, low, Fraction(3, 2))))
            for leaf in graph.leaves
        )
        place = _place("", replace(graph, leaves=leaves))
        if all(math.isfinite(as_float(value)) for value in place.values.values()):
            return place
    return None


def _draw(random: Random, low: Fraction, high: Fraction) -> Fraction:
    return low + (high - low) * Fraction(random.randrange(1, 1000), 1000)


def _random_targets(graph: Graph, random: Random) -> dict[str, Fraction]:
    """Targets that the losses are meant for: probabilities for cross-entropy, ±1 for hinge."""
    found: dict[str, Fraction] = {}
    for step in graph.section("loss"):
        row = LOSSES.get(step.rule or "")
        if step.applied is not None and row is not None and row.targets != "numbers":
            names = [each.name for each in step.applied.targets if isinstance(each, Name)]
            own = [graph.leaf[name] for name in names if graph.leaf[name].value is None]
            drawn = [Fraction(random.randrange(1, 1000), 1000) for _ in own]
            meant = _MEANT.get(row.targets, iter)(drawn)
            found.update(zip((leaf.name for leaf in own), meant, strict=True))
    return found


_MEANT: Mapping[str, Callable[[Sequence[Fraction]], Iterable[Fraction]]] = {
    "distribution": lambda drawn: (value / sum(drawn) for value in drawn),
    "signs": lambda drawn: (Fraction(1 if value > Fraction(1, 2) else -1) for value in drawn),
    "counts": lambda drawn: (Fraction(int(4 * value)) for value in drawn),
}
"""Targets of each kind from numbers between 0 and 1."""


# The comparison


def _compare_at(
    place: Place, findings: Findings, work: int, sympy_work: int, done: frozenset[str]
) -> None:
    """All gradients but those that are `done`, at the numbers of one place."""
    graph = place.graph
    leaves = {leaf.name: place.values[leaf.name] for leaf in graph.leaves}
    loss = as_float(place.values.get(graph.output, math.nan))
    if not math.isfinite(loss):
        findings.undefined += 1
        return
    forward = forward_pass(graph, saturated=False)
    if not math.isfinite(_precisely(forward.definitions, leaves)[graph.output]):
        forward = forward_pass(graph, saturated=True)  # log-loss at saturation
    asked = [each for each in differentiated(graph).values() if each.name not in done]
    chosen = _affordable(asked, forward, work)
    findings.left_out += len(asked) - len(chosen)
    quotients = _quotients(chosen, forward, leaves)
    symbolic = _symbolic(chosen, forward, leaves, sympy_work, findings)
    noise = NOTHING_LEFT * max(1.0, abs(loss))
    precise: Mapping[str, float] | None = None
    singular = singularities(graph, place.values)
    for each in chosen:
        own = singular.get(each.name)
        if own is not None and (own.value is None or own.at_an_edge):
            ours = as_float(place.values[each.name])
            findings.singular.append(Uncompared(each.name, place.label, ours, own.at_an_edge))
            continue
        ours = as_float(place.values.get(each.name, 0.0))
        quotient = quotients[each.name]
        others = [quotient, *([symbolic[each.name]] if each.name in symbolic else [])]
        error = max(relative_error(ours, other, noise) for other in others)
        rounding = False
        if error > TOLERANCE and each.name in graph.step:
            if precise is None:
                precise = _precisely([(step.name, step.formula) for step in graph.steps], leaves)
            exact = max(relative_error(precise[each.name], other, noise) for other in others)
            if exact <= TOLERANCE and (
                not each.wanted or abs(ours - quotient) <= ROUNDING * _largest(place)
            ):
                error, rounding = exact, True
            elif forward.saturated and not each.wanted:
                findings.bypassed.append(each.name)
                continue
        findings.comparisons.append(
            Comparison(
                each.name, place.label, ours, quotient, symbolic.get(each.name), error, rounding
            )
        )


def relative_error(ours: float, other: float, noise: float) -> float:
    """|ours − other| as a share of the larger; 0 on a kink, and where both are below `noise`."""
    if math.isnan(other) or ours == other or max(abs(ours), abs(other)) <= noise:
        return 0.0
    share = abs(ours - other) / max(abs(ours), abs(other))
    return math.inf if math.isnan(share) else share


def _largest(place: Place) -> float:
    sizes = (abs(as_float(value)) for value in place.values.values())
    return max((size for size in sizes if math.isfinite(size)), default=1.0)


def _precisely(definitions: Definitions, values: Mapping[str, Value]) -> Mapping[str, float]:
    """Every definition worked out with many digits, the results as floats."""
    on = arithmetic(DIGITS)
    known = {name: on.number(value) for name, value in values.items()}
    for name, formula in definitions:
        known[name] = evaluate_precisely(formula, known.__getitem__, on)
    return {name: float(known[name]) for name, _ in definitions}


def _by_output(asked: Iterable[Asked]) -> Mapping[str, list[Asked]]:
    found: dict[str, list[Asked]] = {}
    for each in asked:
        found.setdefault(each.output, []).append(each)
    return found


def _quotients(
    chosen: Sequence[Asked], forward: Forward, leaves: Mapping[str, Value]
) -> dict[str, float]:
    found: dict[str, float] = {}
    for output, own in _by_output(chosen).items():
        names = [each.variable for each in own]
        definitions = forward.leading_to(output, *names)
        slopes = finite_difference(definitions, output, names, leaves, DIGITS)
        found.update({each.name: slopes[each.variable] for each in own})
    return found


def _symbolic(
    chosen: Sequence[Asked],
    forward: Forward,
    leaves: Mapping[str, Value],
    work: int,
    findings: Findings,
) -> dict[str, float]:
    """SymPy's gradients by what is given, as many as the size of the composed loss allows."""
    found: dict[str, float] = {}
    for output, asked in _by_output(chosen).items():
        definitions = forward.leading_to(output)
        own = [each for each in asked if each.variable in leaves]
        composed = composed_size(definitions, output)
        own = evenly(own, work // max(1, composed))
        if not own:
            continue
        names = [each.variable for each in own]
        slopes = composed_gradient(definitions, output, names, leaves, work)
        if slopes is None:
            continue
        work -= composed * len(own)
        findings.composed = max(findings.composed or 0, composed)
        found.update({each.name: slopes[each.variable] for each in own})
    return {name: slope for name, slope in found.items() if not math.isnan(slope)}


def _affordable(asked: Sequence[Asked], forward: Forward, work: int) -> list[Asked]:
    """All of them, or as many as can be compared for so much work: those asked for first, then
    those on the way; evenly spread, so that every layer is among them."""
    cost_by = {output: _cost(forward.leading_to(output)) for output in _by_output(asked)}

    def costs(some: Iterable[Asked]) -> int:
        return sum(cost_by[each.output](each.variable) for each in some)

    chosen: set[str] = set()
    for group in ([a for a in asked if a.wanted], [a for a in asked if not a.wanted]):
        if not group:
            continue
        counted = evenly(group, COUNTED)
        whole = costs(counted) * len(group) / len(counted)
        share = 1.0 if whole <= work else max(0, work) / whole
        taken = evenly(group, max(math.floor(len(group) * share), 3 if group[0].wanted else 0))
        chosen.update(each.name for each in taken)
        work -= costs(taken)
    return [each for each in asked if each.name in chosen]


def _cost(definitions: Definitions) -> Callable[[str], int]:
    """How many nodes are evaluated for the difference quotient by a variable: those that change
    with it, twice. What enters at the same places costs the same."""
    users: dict[str, list[int]] = {}
    for index, (_, formula) in enumerate(definitions):
        for name in names_in(formula):
            users.setdefault(name, []).append(index)
    sizes = [size(formula) for _, formula in definitions]

    @cache
    def cost(entries: tuple[int, ...]) -> int:
        changing = reached(entries, lambda index: users.get(definitions[index][0], ()))
        return 2 * sum(sizes[index] for index in changing)

    return lambda variable: cost(tuple(users.get(variable, ())))


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """`count` of the items, evenly spread from the first to the last; all if they are fewer."""
    if count >= len(items):
        return list(items)
    if count <= 1:
        return list(items[:count])
    last = len(items) - 1
    return [items[round(place * last / (count - 1))] for place in range(count)]
