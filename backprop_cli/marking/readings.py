"""A whole sheet read another way: a given number misread, indices exchanged, a row too low.

A reading rewrites the equations of a sheet; one that explains many answers is better than many
explanations that explain one each. Another convention that gives the same parameters is a
reading as well, and costs nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import chain, combinations, islice, pairwise, zip_longest
from typing import NamedTuple

from backprop_cli.algebra.derivative import differentiate
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.build import (
    inside,
    names_in,
    negative,
    product,
    rename,
    substitute,
    terms_of,
    total,
)
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import (
    Call,
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)
from backprop_cli.formula.quantity import bare, mark
from backprop_cli.graph.step import LeafKind, Step
from backprop_cli.marking.kept import grouped
from backprop_cli.marking.mistakes import MIRRORED, TRANSPOSED, Idea, Slips
from backprop_cli.marking.model import Mistake
from backprop_cli.marking.numbers import Written, written_the_same
from backprop_cli.marking.sheet import AnswerKey, Node, Structure, walk
from backprop_cli.marking.slips import CHANCE, WINDOW, inverse
from backprop_cli.marking.work import Habit, Work
from backprop_cli.rules.kinks import EXTREMES, to_differentiate

FEWEST = 2
"""A reading that explains fewer answers than this explains nothing else than a slip would."""
MOST_READINGS = 3
MOST_WRONG = 8
"""From so many wrong answers a given number is calculated back."""
MOST_GIVEN = 24
MOST_ORDERS = 500
MOST_PAIRED = 40
"""Where more answers of a kind are wrong no two of them are looked at for being exchanged."""
APART = 6
"""Units that a number is off at least where another stands in its place: roundings do not."""
APART_ALONE = 0.3
"""The same for gradients handed in alone, in parts of the number."""
MOST_PAIRS = 6
"""Where more are exchanged, that is no accident, or is one."""
MOST_TIED = 24
"""So many choices at single ties are tried."""
MOST_BEHIND = 500
"""From more unwritten steps no slip of whole arrays is read."""
FIRST = 3
"""A slip of whole arrays explains one of so many answers, the first that nothing explains."""
SHARE = 0.5
"""A reading must explain this part of the wrong answers that it changes."""
SAMPLED: tuple[LeafKind, ...] = ("input", "target")
TINY = 1e-9  # what is no 0
ROOM = 1.5  # units that own roundings move an answer by
TOLERANCE = 0.003


class Reading(NamedTuple):
    """One way to read a whole sheet. Without a mistake it is a convention, and no slip."""

    kind: str
    note: str
    mistake: Mistake | None = None
    given: tuple[tuple[str, float], ...] = ()  # given quantities taken for something else
    stale: bool = False  # later updates begin with parameters of the first, or have its samples
    role: str = ""  # of the idea, where it is not the kind
    shown: int = 0  # answers that must show it of those that cost something
    vague: bool = False  # these answers have one slip, and it is another than the one it is read as

    @property
    def idea(self) -> Idea | None:
        role = self.role or ", ".join((self.kind, *(name for name, _ in self.given)))
        return None if self.mistake is None else Idea(self.mistake.code, role)


class Rewriting(NamedTuple):
    """The steps that a reading changes, and where it keeps what the next update begins with."""

    nodes: Mapping[int, Node]
    carried: Mapping[str, str]


EXCHANGED, NAMES, TURNED, FASTER, DOWNHILL = "exchanged", "names", "turned", "faster", "downhill"
OF_BATCH, SAMPLES, PAIR, UNCORRECTED = "of the batch", "samples", "pair ", "uncorrected"

_EXCHANGED = Mistake("wrong-operand", MIRRORED)
STALE = Mistake("stale-parameters", "the parameters of the first update were used again")
NO_CORRECTION = Mistake(
    "missing-factor",
    "the corrections for the first steps were left out: the means were taken as they are",
)
SAME_SAMPLES = Mistake("misread-given", "the samples of the first update were used again")
ONE_LOWER = Mistake("row-shift", "the numbers stand one row too low")
ONE_HIGHER = Mistake("row-shift", "the numbers stand one row too high")

TIES = {
    "first": "given to the first of the equal values",
    "last": "given to the last of the equal values",
    "share": "shared by the equal values",
}
"""Whose the gradient is where the operands of max or min are equal: any of it is right."""

WRITTEN: tuple[Reading, ...] = (
    Reading(NAMES, "Read with the two indices of the weights exchanged."),
    Reading(TURNED, "Read with the error as target − output, and the step added."),
    Reading(FASTER, "Read with the learning rate in the velocity."),
    Reading(DOWNHILL, "Read with a velocity that points downhill, and is added."),
    Reading(OF_BATCH, "Read with each derivative in a sample as that of the mean loss."),
    *(Reading(tie, f"Read with the gradient at a tie {given}.") for tie, given in TIES.items()),
    Reading(EXCHANGED, "", _EXCHANGED, role=TRANSPOSED),
    Reading(UNCORRECTED, "", NO_CORRECTION),
    Reading("stale", "", STALE, stale=True),
    Reading(SAMPLES, "", SAME_SAMPLES, stale=True),
    *(
        Reading(f"{section} {shift:+d}", "", ONE_LOWER if shift > 0 else ONE_HIGHER)
        for section in ("gradient", "update", "forward")
        for shift in (1, -1)
    ),
)
"""The readings that do not depend on what a student wrote, conventions first."""


@dataclass(frozen=True)
class Rewritings:
    """What the readings make of the steps of one sheet, made when they are first needed."""

    structure: Structure
    slips: Slips

    @cached_property
    def of(self) -> Callable[[str], Rewriting]:
        return lru_cache(MOST_ORDERS)(self._make)

    @cached_property
    def order(self) -> Callable[[tuple[str, ...], frozenset[int] | None], Sequence[Node]]:
        """The steps as these readings have them, each after what it needs: all of them, or those
        that come out otherwise by the readings or by given quantities that have `moved`."""
        return lru_cache(MOST_ORDERS)(self._order)

    def _order(self, kinds: tuple[str, ...], moved: frozenset[int] | None) -> Sequence[Node]:
        structure = self.structure
        fresh = {slot: node for kind in kinds for slot, node in self.of(kind).nodes.items()}
        order = structure.steps
        if fresh:
            nodes = [fresh.get(slot, node) for slot, node in enumerate(structure.nodes)]
            order = walk(nodes, range(structure.leaves, len(nodes)))
        if moved is None:
            return order
        changed = frozenset[int]().union(*map(structure.later, (*fresh, *moved)))
        return [node for node in order if node.slot in changed]

    def _make(self, kind: str) -> Rewriting:
        section, _, shift = kind.partition(" ")
        match kind:
            case "names" | "exchanged":
                return self._relabelled(self._exchanged(with_weights=kind == EXCHANGED))
            case "turned":
                turned = self._changed(self._turned)
                # Gradients are turned round for the sake of updates, and wrong without any.
                updates = any(node.step.section == "update" for node in turned.nodes.values())
                return turned if updates else Rewriting({}, {})
            case "faster" | "downhill":
                return self._changed(lambda step: self._velocity(step, kind == DOWNHILL))
            case "uncorrected":
                return self._changed(_uncorrected)
            case "of the batch":
                return self._changed(self._of_batch)
            case _ if section in TIES:
                return Rewriting(self._nodes(self._at_ties(section, of=shift)), {})
            case _ if shift in ("+1", "-1"):
                return self._relabelled(self._moved(section, int(shift)))
            case _ if kind.startswith(PAIR):
                one, other = kind.removeprefix(PAIR).split()
                return self._relabelled({one: other, other: one})
            case _:
                made = self.slips.throughout.get(kind)
                return Rewriting({} if made is None else self._nodes(made.make()), {})

    @cached_property
    def throughout(self) -> Sequence[tuple[Reading, frozenset[int]]]:
        """A slip wherever it can be made, and the steps it changes."""
        slots = self.structure.slots
        return [
            (
                Reading(kind, "", each.mistake, shown=FEWEST if each.of_steps else 0),
                frozenset(map(slots.__getitem__, each.names)),
            )
            for kind, each in self.slips.throughout.items()
        ]

    def _changed(self, change: Callable[[Step], Formula | None]) -> Rewriting:
        formulas = {step.name: change(step) for step in self.structure.graph.steps}
        return Rewriting(self._nodes(formulas), {})

    def _nodes(self, formulas: Mapping[str, Formula | None]) -> dict[int, Node]:
        slots, steps = self.structure.slots, self.structure.graph.step
        return {
            slots[name]: Node(
                replace(steps[name], formula=formula, numeric=None, product=None), slots
            )
            for name, formula in formulas.items()
            if formula is not None and formula != steps[name].formula
        }

    # Names that stand for other quantities

    def _relabelled(self, labels: Mapping[str, str]) -> Rewriting:
        """Each quantity of the sheet stands under its label."""
        steps = self.structure.graph.step
        quantity = {label: name for name, label in labels.items()}
        # What has lost its label is still worked out where it is used.
        lost = {
            name: steps[name].formula for name in quantity if name in steps and name not in labels
        }
        formulas: dict[str, Formula | None] = {}
        for step in self.structure.graph.steps:
            named = quantity.get(step.name, step.name)
            if named not in steps:
                continue  # of another update
            formula = steps[named].formula
            formula = substitute(formula, {n: lost[n] for n in names_in(formula) if n in lost})
            formulas[step.name] = rename(formula, lambda name: labels.get(name, name))
        return Rewriting(self._nodes(formulas), labels)

    def _exchanged(self, with_weights: bool) -> dict[str, str]:
        """Each weight's mirror image; and their gradients, states and new values."""
        mirrored = self.slips.transposed
        labels = dict(mirrored) if with_weights else {}
        places = {
            (step.of, step.kind, step.sample): step.name for step in self.structure.graph.steps
        }
        for step in self.structure.graph.steps:
            if step.of in mirrored and step.section in ("gradient", "update"):
                other = places.get((mirrored[step.of], step.kind, step.sample))
                if other is not None:
                    labels[step.name] = other
        return labels

    def _moved(self, section: str, shift: int) -> dict[str, str]:
        rows = [step.name for step in self.structure.graph.steps if step.section == section]
        if shift > 0:
            return dict(pairwise(rows))
        return {row: above for above, row in pairwise(rows)}

    # Conventions

    def _turned(self, step: Step) -> Formula | None:
        if step.kind == "update":
            return self._stepped(step, added=True)
        return negative(step.formula) if self._begins(step) else None

    def _of_batch(self, step: Step) -> Formula | None:
        """∂L/∂ŷ[1] of the mean over the batch, so that gradients are added up: 1/n stands where a
        sample's loss begins, not where they come together."""
        graph = self.structure.graph
        share = Number(str(len(graph.losses)))
        if step.kind == "batch_gradient":
            first, *rest = terms_of(step.formula)
            if isinstance(first, Quotient) and first.denominator == share:
                return total(first.numerator, *rest)
            return None
        if self._begins(step) and step.over in graph.own_losses and self._averages:
            return Quotient(step.formula, share)
        return None

    def of_ties(self, v: Sequence[float]) -> Iterator[Reading]:
        """Another choice in one equation alone, where it has a tie at these values."""
        slots = self.structure.slots
        for name, formula in self._with_ties.items():
            operands = (each for part, _ in inside(formula) for each in _operands(part))
            values = [as_float(evaluate(each, lambda name: v[slots[name]])) for each in operands]
            if len(self._with_ties) > 1 and len({*values}) < len(values):
                for tie, given in TIES.items():
                    note = f"Read with the gradient at the tie in {name} {given}."
                    yield Reading(f"{tie} {name}", note)

    def _at_ties(self, tie: str, of: str) -> dict[str, Formula | None]:
        """The slopes of max and min, in all equations or that `of` one quantity, with another choice
        where values are equal: any is a subgradient."""
        found: dict[str, Formula | None] = {}
        bent = {
            name: to_differentiate(formula, dict.fromkeys(EXTREMES, tie))
            for name, formula in self._with_ties.items()
            if of in ("", name)
        }
        for step in self.structure.graph.steps if bent else ():
            for link in step.links:
                whole = link.upstream is None and link.local == step.formula
                name = step.name if whole else link.slope
                if name is not None and link.child in bent and name not in found:
                    found[name] = differentiate(bent[link.child], link.parent)
        return found

    @cached_property
    def _with_ties(self) -> dict[str, Formula]:
        """The equations with a max or min, those of taught rules aside."""
        return {
            step.name: step.formula
            for step in self.structure.graph.steps
            if step.applied is None
            and to_differentiate(step.formula, dict.fromkeys(EXTREMES, "first")) != step.formula
        }

    @cached_property
    def _averages(self) -> bool:
        """Whether the gradients of the samples come together as their mean."""
        steps = self.structure.graph.steps
        return any(step.kind == "batch_gradient" and self._of_batch(step) for step in steps)

    def _begins(self, step: Step) -> bool:
        """Whether a loss itself is differentiated here."""
        return step.product is not None or any(link.upstream is None for link in step.links)

    def _stepped(self, step: Step, added: bool, by: str | None = None) -> Formula | None:
        """An update with its step added, or with what is stepped `by` alone."""
        terms = terms_of(step.formula)
        if len(terms) != 2 or terms[0] != Name(step.of or ""):
            return None
        change = Name(by) if by is not None else negative(terms[1])
        return Sum((terms[0], change if added else negative(change)))

    def _velocity(self, step: Step, downhill: bool) -> Formula | None:
        """v = μv ± ηg, and the parameter changed by v alone."""
        graph = self.structure.graph
        if step.kind == "update":
            states = [
                name
                for name in names_in(step.formula)
                if (at := graph.step.get(name)) is not None and self._is_velocity(at)
            ]
            return self._stepped(step, downhill, states[0]) if len(states) == 1 else None
        if not self._is_velocity(step):
            return None
        rate = self._rate(step)
        first, second = terms_of(step.formula)
        faster = product(rate, second) if rate is not None else second
        return total(first, negative(faster) if downhill else faster)

    def _is_velocity(self, step: Step) -> bool:
        match terms_of(step.formula):
            case (Product((_, Name(old))), Name()) if step.kind == "state":
                return self.structure.graph.carried.get(old) == step.name
            case _:
                return False

    def _rate(self, state: Step) -> Formula | None:
        """What the velocity is multiplied with in the update of its parameter."""
        for step in self.structure.graph.steps:
            if step.kind == "update" and step.of == state.of:
                match terms_of(step.formula):
                    case (_, Negative(Product((rate, Name(state.name))))):
                        return rate
        return None


@dataclass
class Page:
    """One update's sheet and what was written on it, as readings are compared with it."""

    key: AnswerKey
    rewritings: Rewritings
    numbers: Mapping[int, Written]
    wrong: Sequence[int]  # what is not right in itself, in the order of the sheet
    charged: Sequence[int]  # what costs something
    repeated: Sequence[int]  # what would, if it were not the slip of another answer again
    work: Work  # the student's own values
    habit: Habit

    @property
    def lost(self) -> int:
        return len(self.charged) + len(self.repeated)

    def agrees(self, slot: int, value: float, of: int | None = None) -> bool:
        """Whether what is written at `slot` can be this value `of` another quantity, or of that one.
        Where large terms nearly cancel, what was rounded off them is left."""
        at, written = slot if of is None else of, self.numbers[slot]
        node = self.key.structure.nodes[at]
        old = 0.0 if node is None or node.base < 0 else self.key.truth[node.base]
        unit = max(written.unit, self.habit.rounds(self.key.terms[at]))
        room = ROOM * unit + TOLERANCE * abs(value - old)
        return abs(written.value - value) <= room or written_the_same(
            written.value, written.unit, value
        )

    def exchanged(self) -> Iterator[Reading]:
        """Pairs of quantities of which each has the value of the other: what is right there, or
        follows from what was written before. Only where chance does not explain it."""
        steps = self.key.structure.nodes
        told = (
            (node.step.kind, node)
            for slot in self.wrong
            if (node := steps[slot]) is not None
            and self.numbers[slot].value
            and math.isfinite(self.numbers[slot].value)
        )
        for nodes in grouped(told).values():
            if len(nodes) > MOST_PAIRED:
                continue
            tries = len(nodes) * (len(nodes) - 1) / 2
            pairs = [
                pair
                for pair in self._partners(nodes)
                if tries * self._chance(*pair) * self._chance(*pair[::-1]) <= CHANCE
            ]
            taken: set[int] = set()  # of several with one value it is the one of the likest name
            for one, other in sorted(pairs, key=lambda pair: _unlike(*pair)):
                if taken.isdisjoint({one.slot, other.slot}):
                    taken |= {one.slot, other.slot}
                    yield exchanged(one, other)

    def _values(self, node: Node) -> tuple[float, float]:
        """What is right, and what follows from what was written before."""
        self.work.settle(node.needs)
        return self.key.truth[node.slot], node.function(self.work.v)

    def _partners(self, nodes: Sequence[Node]) -> Iterator[tuple[Node, Node]]:
        """Pairs of which each is about the value of the other."""
        values = sorted((value, k) for k, node in enumerate(nodes) for value in self._values(node))
        near: set[tuple[int, int]] = set()
        for k, node in enumerate(nodes):
            written = self.numbers[node.slot]
            room = ROOM * written.unit + 2 * TOLERANCE * abs(written.value)
            first = bisect_left(values, (written.value - room, -1))
            last = bisect_right(values, (written.value + room, len(nodes)))
            near.update((k, other) for _, other in values[first:last])
        for k, other in sorted(near):
            if k < other and (other, k) in near:
                yield nodes[k], nodes[other]

    def _chance(self, one: Node, other: Node) -> float:
        """How often a number out of nowhere is so near to another quantity's; ∞ where one has its
        own, was not changed by an update, or comes from the other."""
        written = self.numbers[one.slot]
        unchanged = one.base >= 0 and written.value == self.key.truth[one.base]
        if unchanged or one.slot in self.key.structure.later(other.slot):
            return math.inf
        own, its = map(self._values, (one, other))
        near = [value for value in its if self.agrees(one.slot, value, other.slot)]
        alone = 0.0 if self.work.begun else APART_ALONE * abs(written.value)
        room = max(APART * written.unit, alone)
        rounded = min(abs(value - written.value) for value in own) <= room
        if not near or rounded or any(self.agrees(one.slot, value) for value in own):
            return math.inf
        distance = min(abs(value - written.value) for value in near)
        return max(WINDOW * written.unit, distance) / abs(written.value)


class Survey:
    """Looks for readings of all the updates of one submission."""

    def __init__(
        self, pages: Sequence[Page], taken: Sequence[Reading], told: Sequence[Reading]
    ) -> None:
        self.pages = pages
        self.taken = tuple(taken)
        self.told = tuple(told)  # given numbers that the student wrote down as something else
        self.plain: list[list[float]] = []
        self.own: list[list[float]] = []
        self.plain, self.own = self._worked_out(self.taken)

    def best(self) -> list[Reading]:
        """The readings that explain several answers that are not right, those that explain the
        most first. Where only one answer has cost something, or nothing before the gradients was
        handed in, it may still be a convention."""
        rated = []
        taken = {reading._replace(vague=False) for reading in self.taken}
        candidates = [*self.told, *WRITTEN]
        pages = zip(self.pages, self.own, strict=True)
        ties = (each for page, own in pages for each in page.rewritings.of_ties(own))
        candidates += islice(dict.fromkeys(ties), MOST_TIED)
        begun = any(page.work.begun for page in self.pages)
        if sum(page.lost for page in self.pages) < FEWEST or not begun:
            candidates = [reading for reading in candidates if reading.mistake is None]
            candidates += self._throughout() if begun else ()
        else:
            candidates += [*self._throughout(), *self._misread()]
            candidates += islice(self._for_each_other(), MOST_GIVEN)
        for place, reading in enumerate(candidates):
            if reading in taken or not self._changes(reading):
                continue
            predicted, _ = self._worked_out((*self.taken, reading))
            hits, changed = self._explained(predicted, 1 if reading.mistake is None else FEWEST)
            changed += self._contradicted(reading, predicted)
            told = reading in self.told and hits > 0
            if not told and (hits < FEWEST or hits < SHARE * changed):
                continue
            if reading.shown and self._paid(predicted) < reading.shown:
                continue
            if reading.mistake is None and not self._same_parameters(reading, predicted):
                continue
            something = not told and any(value for _, value in reading.given)
            vague = something and self._used_rightly(predicted)
            rated.append((changed - 2 * hits, vague, place, reading._replace(vague=vague)))
        return [reading for *_, reading in sorted(rated, key=lambda each: each[:3])]

    def _throughout(self) -> Iterator[Reading]:
        """The slips that are made wherever they can be and explain one of the first answers that
        nothing explains yet."""
        found: dict[Reading, None] = {}
        for place, page in enumerate(self.pages):
            first, nodes = self._first(place), self._nodes(page)
            for slot in first if len(first) >= FEWEST else ():
                behind = walk(nodes, [slot], page.numbers.__contains__)
                near = {each.slot for each in behind}
                for reading, slots in (
                    page.rewritings.throughout if len(near) <= MOST_BEHIND else ()
                ):
                    if reading in found or reading in self.taken or near.isdisjoint(slots):
                        continue
                    if page.agrees(slot, self._reached(place, behind, reading)):
                        found[reading] = None
        return iter(found)

    def _first(self, place: int) -> Sequence[int]:
        page, plain = self.pages[place], self.plain[place]
        unexplained = (
            slot
            for slot in page.wrong
            if slot in page.numbers
            and page.numbers[slot].digits >= FEWEST
            and not page.agrees(slot, plain[slot])
        )
        return list(islice(unexplained, FIRST))

    def _nodes(self, page: Page) -> Sequence[Node | None]:
        """The steps as the readings have them that are taken."""
        nodes = list(page.key.structure.nodes)
        for reading in self.taken:
            for slot, node in page.rewritings.of(reading.kind).nodes.items():
                nodes[slot] = node
        return nodes

    def _reached(self, place: int, steps: Sequence[Node], reading: Reading) -> float:
        """What the last of these steps comes to under one more reading, from the numbers written
        before it."""
        page, v, moved = self.pages[place], list(self.own[place]), set[int]()
        fresh = page.rewritings.of(reading.kind).nodes
        known = {need for at in steps for need in at.needs}
        if any(not known.issuperset(fresh[at.slot].needs) for at in steps if at.slot in fresh):
            nodes = list(self._nodes(page))
            for slot, node in fresh.items():
                nodes[slot] = node
            steps = walk(nodes, [steps[-1].slot], page.numbers.__contains__)
        for at in steps:
            node = fresh.get(at.slot, at)
            if at.slot in fresh or not moved.isdisjoint(node.needs):
                moved.add(node.slot)
                v[node.slot] = node.function(v)
        return v[steps[-1].slot]

    def _changes(self, reading: Reading) -> bool:
        """Whether a reading says anything else of these sheets."""
        return bool(reading.given or reading.stale) or any(
            page.rewritings.of(reading.kind).nodes for page in self.pages
        )

    def _worked_out(
        self, readings: Sequence[Reading]
    ) -> tuple[list[list[float]], list[list[float]]]:
        """What each step comes to under these readings, from the numbers written before it; and
        the numbers that are gone on with. Only what they change is calculated again."""
        found: list[list[float]] = []
        owned: list[list[float]] = []
        kinds = tuple(reading.kind for reading in readings)
        for place, page in enumerate(self.pages):
            v = self._beginning(place, owned[-1] if place else (), readings)
            predicted, moved, fresh = list(v), set[int](), set[int]()
            if self.own:
                before, leaves = self.own[place], page.key.structure.leaves
                predicted = list(self.plain[place])
                moved = {slot for slot in range(leaves) if v[slot] != before[slot]}
                v[leaves:] = before[leaves:]
                fresh.update(*(page.rewritings.of(kind).nodes for kind in kinds))
            affected = frozenset(moved) if self.own else None
            for node in page.rewritings.order(kinds, affected):
                slot = node.slot
                if self.own and slot not in fresh and moved.isdisjoint(node.needs):
                    continue
                value = predicted[slot] = node.function(v)
                written = page.numbers.get(slot)
                if written is not None:
                    value = written.value
                if v[slot] != value:
                    v[slot] = value
                    moved.add(slot)
            found.append(predicted)
            owned.append(v)
        return found, owned

    def _beginning(
        self, place: int, own: Sequence[float], readings: Sequence[Reading]
    ) -> list[float]:
        page = self.pages[place]
        slots = page.key.structure.slots
        v = list(page.key.truth)
        if place:
            earlier = self.pages[place - 1]
            for old, new in carried(earlier.rewritings, readings).items():
                if old in slots and new in earlier.key.structure.slots:
                    v[slots[old]] = own[earlier.key.structure.slots[new]]
        for name, value in given_under(readings, page.key, self.pages[0].key):
            v[slots[name]] = value
        return v

    def _explained(self, predicted: Sequence[Sequence[float]], fewest: int) -> tuple[int, int]:
        """How many wrong answers come out as written, and how many come out otherwise at all. With
        fewer digits an answer says nothing, but for a 0 that comes out as just that beside others;
        a convention has the parameters to show for it too."""
        hits = changed = nothing = 0
        for page, plain, values in zip(self.pages, self.plain, predicted, strict=True):
            for slot in page.wrong:
                written, value = page.numbers[slot], values[slot]
                bare = written.digits < fewest
                if value == plain[slot] or (bare and (fewest > 1 or value or written.value)):
                    continue
                # Where nothing was rounded, the next whole number is another one.
                whole = (bare or page.key.short[slot]) and math.isclose(value, written.value)
                if not whole and page.agrees(slot, plain[slot]):
                    continue
                if page.agrees(slot, value):
                    hits += 1
                    changed += 1
                    nothing += bare
                else:
                    changed += abs(value - plain[slot]) > TOLERANCE * abs(value)
        return hits if hits > nothing else 0, changed

    def _paid(self, predicted: Sequence[Sequence[float]]) -> int:
        """How many answers that cost something come out as written, and did not before."""
        return sum(
            slot in page.numbers
            and page.agrees(slot, values[slot])
            and not page.agrees(slot, plain[slot])
            for page, plain, values in zip(self.pages, self.plain, predicted, strict=True)
            for slot in page.charged
        )

    def _contradicted(self, reading: Reading, predicted: Sequence[Sequence[float]]) -> int:
        """How many answers where the slip would be made are right as they are: a 0, where nothing
        else is."""
        return sum(
            slot in page.numbers
            and slot not in page.wrong
            and (
                not page.agrees(slot, values[slot])
                or (page.key.truth[slot] == 0 and abs(values[slot]) > TINY)
            )
            for page, values in zip(self.pages, predicted, strict=True)
            for slot in page.rewritings.of(reading.kind).nodes
        )

    def _used_rightly(self, predicted: Sequence[Sequence[float]]) -> bool:
        """Whether an answer that is not charged shows the given number itself: nothing else comes
        out as written there."""
        return any(
            (slot not in page.wrong or page.agrees(slot, before)) and not page.agrees(slot, after)
            for page, plain, values in zip(self.pages, self.plain, predicted, strict=True)
            for slot in page.numbers.keys() - {*page.charged}
            if (before := plain[slot]) != (after := values[slot])
        )

    def _same_parameters(self, reading: Reading, predicted: Sequence[Sequence[float]]) -> bool:
        """Whether the gradients and the new parameters are the ones of this reading: only where
        both are it is no slip. One that says something of the updates has to show in one."""
        steps = any(
            node.step.section == "update"
            for page in self.pages
            for node in page.rewritings.of(reading.kind).nodes.values()
        )
        for section in ("gradient", "update"):
            same = [
                page.agrees(slot, values[slot])
                for page, plain, values in zip(self.pages, self.plain, predicted, strict=True)
                for slot in page.numbers
                if (node := page.key.structure.nodes[slot]) and node.step.section == section
                if section == "update" or values[slot] != plain[slot]
            ]
            if 2 * sum(same) <= len(same) and (same or (steps and section == "update")):
                return False
        return True

    def _misread(self) -> list[Reading]:
        """Given numbers that would make the first wrong answers come out as written."""
        told = (
            (page, node, page.numbers[slot], place == 0)
            for place, page in enumerate(self.pages)
            # Where other slips repeat themselves, the ones without a reason tell more.
            for slot in (*page.charged, *page.repeated)
            if (node := page.key.structure.nodes[slot]) and slot in page.numbers
            if page.numbers[slot].digits >= FEWEST
        )
        found = chain(*(self._given_for(*each) for each in islice(told, MOST_WRONG)))
        some = list(islice(dict.fromkeys(found), MOST_GIVEN))
        nothing = [left_out(name) for name, value in some if not value]
        return nothing + [misread(name, value) for name, value in some if value]

    def _for_each_other(self) -> Iterator[Reading]:
        """Two inputs or two targets taken each for the other: in all samples, or in one of them."""
        leaves = [
            (leaf, value)
            for page in self.pages
            for leaf, value in zip(page.key.graph.leaves, page.key.truth, strict=False)
            if leaf.kind in SAMPLED
        ]
        given = {leaf.name: value for leaf, value in leaves}
        kinds = grouped((leaf.kind, bare(leaf.name)) for leaf, _ in leaves)
        pairs_of = (combinations(dict.fromkeys(kinds.get(kind, ())), 2) for kind in SAMPLED)
        samples = tuple(dict.fromkeys(map(mark, given)))
        wheres = [samples, *((each,) for each in samples if len(samples) > 1)]
        for one, other in chain(*pairs_of):
            for where in wheres:
                pairs = [(one + sample, other + sample) for sample in where]
                known = [pair for pair in pairs if given.keys() >= {*pair}]
                read = ((own, given[its]) for pair in known for own, its in (pair, pair[::-1]))
                message = f"{one} and {other} seem to stand each for the other here"
                yield Reading("given", "", Mistake("misread-given", message), tuple(read))

    @staticmethod
    def _given_for(
        page: Page, node: Node, written: Written, first: bool
    ) -> Iterator[tuple[str, float]]:
        work, structure = page.work, page.key.structure
        work.settle(node.needs)
        steps = [node.slot, *(slot for slot, _ in work.levels(node, MOST_BETWEEN))]
        nodes = [at for slot in steps if (at := structure.nodes[slot]) is not None]
        for slot in dict.fromkeys(parent for at in nodes for parent in at.parents):
            if slot >= structure.leaves:
                continue
            leaf = structure.graph.leaves[slot]
            if leaf.kind == "state" or (leaf.kind == "parameter" and not first):
                continue
            needed = inverse(work, node, slot, written.value, written.unit)
            if needed is not None:
                value, unit = needed
                near = _shortest(value, ROOM * unit + TOLERANCE * abs(value - work.v[slot]))
                if near != page.key.truth[slot]:
                    yield leaf.name, near


MOST_BETWEEN = 6


class ReadWork:
    """A student's own values under readings, and which reading stands behind each of them."""

    def __init__(
        self,
        work: Work,
        rewritings: Rewritings,
        readings: Sequence[Reading],
        given: Sequence[tuple[str, float]],
    ) -> None:
        self.work = work
        self.owners: dict[int, Reading] = {}
        slots = rewritings.structure.slots
        work.nodes = list(work.nodes)
        for reading in readings:
            for slot, node in rewritings.of(reading.kind).nodes.items():
                work.nodes[slot] = node
                if not reading.kind.startswith(PAIR) or node.name in reading.kind.split():
                    self.owners[slot] = reading
            names = [name for name, _ in (given if reading.stale else reading.given)]
            self.owners |= {slots[name]: reading for name in names if name in slots}
        for name, value in given:
            work.v[slots[name]] = value
            work.unit[slots[name]] = 0.0

    def behind(self, node: Node) -> list[Reading]:
        """The readings that this step and the unwritten ones before it rest on."""
        behind = walk(self.work.nodes, [node.slot], self.work.written.__getitem__)
        slots = (node.slot, *(slot for at in reversed(behind) for slot in at.parents))
        owners = ((self.owners.get(slot), slot == node.slot) for slot in slots)
        return list(
            dict.fromkeys(
                owner for owner, own in owners if owner and (own or not owner.kind.startswith(PAIR))
            )
        )


def misread(name: str, value: float) -> Reading:
    """A given quantity taken for another number, throughout."""
    message = f"another number than the given one seems to stand for {name} here"
    return Reading("given", "", Mistake("misread-given", message), ((name, value),))


def left_out(name: str) -> Reading:
    """A given quantity taken for 0."""
    message = f"{name}, or what it multiplies, was left out here"
    return Reading("given", "", Mistake("missing-path", message), ((name, 0.0),))


def exchanged(one: Node, other: Node) -> Reading:
    """Two quantities written each where the other belongs; two units' are one idea throughout."""
    names, units = (one.name, other.name), (one.step.unit, other.step.unit)
    message = f"{names[0]} has the value of {names[1]}, and {names[1]} that of {names[0]}"
    apart = None not in units and units[0] != units[1]
    role = " ".join(map(str, units)) if apart else " ".join(names)
    mistake = Mistake("values-exchanged", f"{message}: the two are exchanged")
    return Reading(f"{PAIR}{names[0]} {names[1]}", "", mistake, role=role)


def _uncorrected(step: Step) -> Formula | None:
    """A mean that an optimizer carries, as it is: without the division by 1 − βᵗ."""
    match step.formula:
        case Quotient(Name() as mean, Sum((_, Negative(Power())))) if step.kind == "state":
            return mean
        case _:
            return None


def _operands(part: Formula) -> tuple[Formula, ...]:
    return part.arguments if isinstance(part, Call) and part.function in EXTREMES else ()


def _unlike(one: Node, other: Node) -> int:
    return sum(a != b for a, b in zip_longest(one.name, other.name))


def _shortest(value: float, room: float) -> float:
    """The decimal of the fewest digits within `room` of a value."""
    for digits in range(8):
        near = float(f"{value:.{digits}g}") if digits else 0.0
        if abs(near - value) <= room:
            return near
    return value


def carried(rewritings: Rewritings, readings: Iterable[Reading]) -> dict[str, str]:
    """For each parameter and state, where the next update finds it under these readings."""
    found = dict(rewritings.structure.graph.carried)
    for reading in readings:
        if reading.kind != EXCHANGED:
            labels = rewritings.of(reading.kind).carried
            found = {old: labels.get(new, new) for old, new in found.items()}
    return found


def given_under(
    readings: Iterable[Reading], key: AnswerKey, first: AnswerKey
) -> Iterator[tuple[str, float]]:
    """The given numbers of one update that these readings replace."""
    later = key is not first
    leaves, names = key.graph.leaf, first.structure.slots
    own, before = (
        [leaf.name for leaf in each.graph.leaves if leaf.kind in SAMPLED] for each in (key, first)
    )
    for reading in readings:
        if reading.stale and later:
            parameters = [name for name in key.graph.parameters if name in names and name in leaves]
            pairs = zip(own, before) if reading.kind == SAMPLES else zip(parameters, parameters)  # noqa: B905
            for name, its in pairs:
                yield name, first.truth[names[its]]
        for name, value in reading.given:
            leaf = leaves.get(name)
            if leaf is not None and not (later and leaf.kind == "parameter"):
                yield name, value
