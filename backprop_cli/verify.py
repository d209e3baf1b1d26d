"""`backprop verify`: every gradient of a problem against two independent calculations of it.

Central differences of the forward pass with 50 digits share nothing with the backward pass but
the equations themselves; SymPy differentiating the whole loss as one expression shares not even
the way through them, where the expression is small enough to be handed to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random
from typing import TypeVar

from backprop_cli import algebra
from backprop_cli.algebra.precise import arithmetic, evaluate_precisely
from backprop_cli.formula.build import names_in, size
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.graph.backward import with_gradients
from backprop_cli.graph.expand import expand
from backprop_cli.graph.step import Graph, Leaf
from backprop_cli.graph.whole import (
    SUM_OF_LOSSES,
    Asked,
    Definitions,
    Forward,
    differentiated,
    forward_pass,
)
from backprop_cli.problem.model import Custom, Network, Problem, RuleUse
from backprop_cli.run import Value, batch_of, batch_size, evaluate_steps, sample_count
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Column,
    Document,
    Inline,
    Line,
    Math,
    Paragraph,
    Table,
    Text,
)
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.sheet import NO_VALUE, spelling_of

TOLERANCE = 1e-7
"""A larger relative error is a mismatch."""
NOTHING_LEFT = 1e-25
"""Differences below this share of the loss are the error of the difference quotient itself."""
DIGITS = 50
WORK = 250_000
"""How many nodes of formulas are evaluated in high precision; then gradients are sampled."""
SYMPY_WORK = 6_000
"""Nodes of the composed loss, times the gradients that SymPy takes of it."""
ROUNDING = 1e-12
"""What cancelling may cost in floating point, as a share of the largest number on the sheet."""
BATCHES = 4
POINTS = 3
ATTEMPTS = 40
ROWS = 40
SHOWN_DIGITS = 6

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


@dataclass
class Findings:
    """What was compared, and what was left out."""

    comparisons: list[Comparison] = field(default_factory=list)
    left_out: int = 0  # gradients of a big network that were not sampled
    batches_left_out: int = 0
    bypassed: list[str] = field(default_factory=list)  # where the loss is saturated
    undefined: int = 0  # points at which the loss is no finite number
    composed: int | None = None  # nodes of the composed loss, where SymPy took it on


@dataclass(frozen=True)
class Place:
    """The equations at one set of numbers."""

    label: str
    graph: Graph
    values: Mapping[str, Value]


def verification(problem: Problem) -> tuple[Document, bool]:
    """The comparison as a document, and whether every gradient agrees."""
    first = with_gradients(problem, expand(problem, batch_of(problem, 1)))
    spelling, typed = spelling_of(first), first.lettering.typed
    title = f"{problem.title}: gradients verified"
    if not first.losses or not first.wrt or problem.training.rule == "perceptron":
        reason = "This problem has no gradient to compare: nothing in it is differentiated."
        return Document(title, (Paragraph((Text(reason),)),), spelling, typed), True
    findings = compare(problem)
    agrees = all(each.agrees for each in findings.comparisons)
    return Document(title, tuple(_blocks(findings, agrees)), spelling, typed), agrees


def compare(problem: Problem) -> Findings:
    """Every gradient of every batch compared, within bounds of time that do not depend on the
    machine."""
    findings = Findings()
    places = list(_places(problem, findings))
    for place in places:
        _compare_at(place, findings, WORK // len(places), SYMPY_WORK // len(places))
    return findings


# Where to compare


def _places(problem: Problem, findings: Findings) -> Iterator[Place]:
    """Each batch until they repeat; a symbolic problem at a few random points."""
    count, wide = sample_count(problem), batch_size(problem)
    repeats = count // math.gcd(wide, count)
    batches = [batch_of(problem, update) for update in range(1, repeats + 1)]
    findings.batches_left_out = max(0, len(batches) - BATCHES)
    for batch in batches[:BATCHES]:
        graph = with_gradients(problem, expand(problem, batch))
        samples = ", ".join(map(str, batch))
        label = f"sample{'s' if len(batch) > 1 else ''} {samples}" if len(batches) > 1 else ""
        if all(leaf.value is not None for leaf in graph.leaves):
            yield _place(label, graph)
            continue
        for point in range(1, POINTS + 1):
            found = _random_place(problem, graph, point)
            if found is None:
                findings.undefined += 1
            else:
                where = f"{label}, point {point}" if label else f"point {point}"
                yield replace(found, label=where)


def _place(label: str, graph: Graph) -> Place:
    values = evaluate_steps(graph, {})
    return Place(label, graph, {name: value for name, value in values.items() if value is not None})


def _random_place(problem: Problem, graph: Graph, point: int) -> Place | None:
    """Seeded random numbers for what has none, at which the loss and its gradients are finite."""
    random = Random(point)
    for attempt in range(ATTEMPTS):
        low = Fraction(1, 10) if attempt % 2 else Fraction(-3, 2)  # logarithms want positive ones
        targets = _random_targets(problem, graph, random)
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


def _random_targets(problem: Problem, graph: Graph, random: Random) -> dict[str, Fraction]:
    """Targets that the loss is meant for: probabilities for cross-entropy, ±1 for hinge."""
    loss = problem.model.loss if isinstance(problem.model, Network) else None
    if loss is None or isinstance(loss, Custom):
        return {}
    kind = RULES_OF_TARGETS.get(_canonical(loss))
    if kind is None:
        return {}
    found: dict[str, Fraction] = {}
    missing = [leaf for leaf in graph.leaves if leaf.kind == "target" and leaf.value is None]
    for sample in dict.fromkeys(leaf.sample for leaf in missing):
        own = [leaf for leaf in missing if leaf.sample == sample]
        found.update(_targets(kind, own, random))
    return found


RULES_OF_TARGETS = {
    "binary_cross_entropy": "probabilities",
    "cross_entropy": "distribution",
    "hinge": "signs",
}


def _canonical(loss: RuleUse) -> str:
    from backprop_cli.rules.losses import find

    row = find(loss.name)
    return loss.name if row is None else row.name


def _targets(kind: str, leaves: Sequence[Leaf], random: Random) -> dict[str, Fraction]:
    drawn = [Fraction(random.randrange(1, 1000), 1000) for _ in leaves]
    if kind == "distribution":
        drawn = [value / sum(drawn) for value in drawn]
    elif kind == "signs":
        drawn = [Fraction(1 if value > Fraction(1, 2) else -1) for value in drawn]
    return dict(zip((leaf.name for leaf in leaves), drawn, strict=True))


# The comparison


def _compare_at(place: Place, findings: Findings, work: int, sympy_work: int) -> None:
    graph = place.graph
    leaves = {leaf.name: place.values[leaf.name] for leaf in graph.leaves}
    loss = as_float(place.values.get(graph.output, math.nan))
    if not math.isfinite(loss):
        findings.undefined += 1
        return
    forward = forward_pass(graph, saturated=False)
    if not math.isfinite(_precisely(forward.definitions, leaves)[graph.output]):
        forward = forward_pass(graph, saturated=True)  # log-loss at saturation
    asked = differentiated(graph)
    chosen = _affordable(asked, forward.definitions, work)
    findings.left_out += len(asked) - len(chosen)
    quotients = _quotients(chosen, forward, leaves)
    symbolic = _symbolic(chosen, forward, leaves, sympy_work, findings)
    noise = NOTHING_LEFT * max(1.0, abs(loss))
    precise: Mapping[str, float] | None = None
    for each in chosen:
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


def _quotients(
    chosen: Sequence[Asked], forward: Forward, leaves: Mapping[str, Value]
) -> dict[str, float]:
    found: dict[str, float] = {}
    for output in dict.fromkeys(each.output for each in chosen):
        own = [each for each in chosen if each.output == output]
        names = [each.variable for each in own]
        slopes = algebra.finite_difference(forward.definitions, output, names, leaves, DIGITS)
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
    copied = {copy: leaves[name] for copy, name in forward.copies.items()}
    for output in dict.fromkeys(each.output for each in chosen):
        of_samples = output == SUM_OF_LOSSES
        definitions = forward.steps if of_samples else forward.definitions
        values = {**leaves, **copied} if of_samples else leaves
        own = [each for each in chosen if each.output == output and each.variable in values]
        composed = algebra.composed_size(definitions, output)
        own = evenly(own, work // max(1, composed))
        if not own:
            continue
        names = [each.variable for each in own]
        slopes = algebra.composed_gradient(definitions, output, names, values, work)
        if slopes is None:
            continue
        work -= composed * len(own)
        findings.composed = max(findings.composed or 0, composed)
        found.update({each.name: slopes[each.variable] for each in own})
    return {name: slope for name, slope in found.items() if not math.isnan(slope)}


def _affordable(asked: Sequence[Asked], definitions: Definitions, work: int) -> list[Asked]:
    """All of them, or as many as can be compared for so much work: those asked for first, then
    those on the way; evenly spread, so that every layer is among them."""
    costs = _costs(asked, definitions)
    chosen: set[str] = set()
    for group in ([a for a in asked if a.wanted], [a for a in asked if not a.wanted]):
        if not group:
            continue
        whole = sum(costs[each.name] for each in group)
        share = 1.0 if whole <= work else max(0, work) / whole
        taken = evenly(group, max(math.floor(len(group) * share), 3 if group[0].wanted else 0))
        chosen.update(each.name for each in taken)
        work -= sum(costs[each.name] for each in taken)
    return [each for each in asked if each.name in chosen]


def _costs(asked: Sequence[Asked], definitions: Definitions) -> dict[str, int]:
    """How many nodes are evaluated for the difference quotient of each: those that change with
    its variable, twice. What enters at the same places costs the same."""
    users: dict[str, list[int]] = {}
    for index, (_, formula) in enumerate(definitions):
        for name in names_in(formula):
            users.setdefault(name, []).append(index)
    sizes = [size(formula) for _, formula in definitions]
    known: dict[tuple[int, ...], int] = {}

    def cost(entries: tuple[int, ...]) -> int:
        if entries not in known:
            reached: set[int] = set()
            waiting = list(entries)
            while waiting:
                index = waiting.pop()
                if index not in reached:
                    reached.add(index)
                    waiting += users.get(definitions[index][0], ())
            known[entries] = 2 * sum(sizes[index] for index in reached)
        return known[entries]

    return {each.name: cost(tuple(users.get(each.variable, ()))) for each in asked}


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """`count` of the items, evenly spread from the first to the last; all if they are fewer."""
    if count >= len(items):
        return list(items)
    if count <= 1:
        return list(items[:count])
    last = len(items) - 1
    return [items[round(place * last / (count - 1))] for place in range(count)]


# The document


def _blocks(findings: Findings, agrees: bool) -> Iterator[Block]:
    compared = [each for each in findings.comparisons if not each.on_kink]
    yield Paragraph((Text(_method(findings)),))
    if findings.comparisons:
        yield _table(findings)
    yield from _omissions(findings)
    kinks = [each for each in findings.comparisons if each.on_kink]
    if kinks:
        yield Callout("note", (*_names([each.name for each in kinks]), Text(KINK)))
    if findings.bypassed:
        line = _names(findings.bypassed)
        yield Callout("note", (*line, Text(SATURATED)))
    rounded = [each for each in compared if each.rounding]
    if rounded:
        yield Callout("note", (*_names([each.name for each in rounded]), Text(CANCELLED)))
    wrong = [each for each in compared if not each.agrees]
    if wrong:
        yield Callout(
            "warning",
            (Text("These do not agree: "), *_names([each.name for each in wrong]), Text(".")),
        )
    if compared:
        worst = max(compared, key=lambda each: each.error)
        verdict = f"All {len(compared)} gradients compared agree."
        if len(compared) == 1:
            verdict = "The gradient agrees." if agrees else "The gradient differs."
        elif not agrees:
            verdict = f"{len(wrong)} of {len(compared)} gradients differ."
        yield Paragraph(
            (
                Text(verdict, "strong"),
                Text(" Largest relative error: "),
                Math(_error(worst.error)),
                *((Text(" at "), Math(Name(worst.name))) if worst.error else ()),
                Text("."),
            )
        )


KINK = (
    ": the numbers sit on a kink or a jump, where there is no derivative and so nothing to"
    " compare with. The sheet follows a convention there and says which."
)
CANCELLED = (
    ": terms cancel or saturate here, and floating point is left with little more than its"
    " rounding; the same equations worked out with 50 digits agree."
)
SATURATED = (
    ": the output is so near to 0 or 1 that the loss is worked out from z instead, and nothing"
    " can be compared on the way through ŷ."
)
NAMED = 8


def _method(findings: Findings) -> str:
    text = (
        f"Each gradient is compared with the central difference of the forward pass in {DIGITS}"
        " digits, which knows nothing of the backward pass"
    )
    if findings.composed is None:
        return (
            text
            + ". The whole loss as one formula is too large for SymPy to differentiate, so that"
            " comparison is left out."
            if findings.comparisons
            else text + "."
        )
    return (
        text + ", and with SymPy's derivative of the whole loss as one formula"
        f" ({findings.composed} nodes)."
    )


def _table(findings: Findings) -> Table:
    rows = findings.comparisons
    caption: Line = ()
    if len(rows) > ROWS:
        shown_rows = {id(each) for each in evenly(rows, ROWS)}
        shown_rows |= {id(each) for each in [r for r in rows if not r.agrees][:ROWS]}
        rows = [each for each in rows if id(each) in shown_rows]
        caption = (Text(f"{len(rows)} of {len(findings.comparisons)} gradients compared"),)
    several = any(each.place for each in rows)
    columns = [
        Column((Text("Gradient"),)),
        Column((Text("On the sheet"),), align="decimal"),
        Column((Text("Difference"),), align="decimal"),
        Column((Text("SymPy"),), align="decimal"),
        Column((Text("Relative error"),), align="right"),
    ]
    if several:
        columns.insert(1, Column((Text("At"),)))
    return Table(tuple(columns), tuple(_row(each, several) for each in rows), caption)


def _row(each: Comparison, several: bool) -> tuple[Line, ...]:
    cells: list[Line] = [(Math(Name(each.name)),)]
    if several:
        cells.append((Text(each.place),))
    cells.append((Math(shown(each.ours, SHOWN_DIGITS).formula),))
    if each.on_kink:
        return (*cells, (Text("on a kink"),), NO_VALUE, NO_VALUE)
    cells.append((Math(shown(each.difference, SHOWN_DIGITS).formula),))
    cells.append(
        NO_VALUE if each.symbolic is None else (Math(shown(each.symbolic, SHOWN_DIGITS).formula),)
    )
    cells.append((Text("rounding"),) if each.rounding else (Math(_error(each.error)),))
    return tuple(cells)


def _error(error: float) -> Formula:
    return shown(error, 2).formula


def _names(mentioned: Sequence[str]) -> Line:
    line: list[Inline] = []
    names = list(dict.fromkeys(mentioned))
    for name in names[:NAMED]:
        line += [Text(", ")] * bool(line) + [Math(Name(name))]
    if len(names) > NAMED:
        line.append(Text(f" and {len(names) - NAMED} more"))
    return tuple(line)


def _omissions(findings: Findings) -> Iterator[Block]:
    if findings.left_out:
        yield Callout(
            "note",
            (
                Text(
                    f"{findings.left_out} more gradients were left out to keep the time bounded;"
                    " the ones compared are spread evenly over the sheet."
                ),
            ),
        )
    if findings.batches_left_out:
        text = f"The first {BATCHES} batches were compared, {findings.batches_left_out} left out."
        yield Callout("note", (Text(text),))
    if findings.undefined:
        yield Callout(
            "warning",
            (
                Text(
                    "Where the loss is not a finite number there is nothing to compare"
                    f" ({findings.undefined} time{'s' if findings.undefined > 1 else ''})."
                ),
            ),
        )
