"""The student's own numbers: what was written, and what follows from it where nothing was."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import NamedTuple

from backprop_cli.formula.nodes import Name
from backprop_cli.marking.compiled import Function
from backprop_cli.marking.numbers import divides, quantum
from backprop_cli.marking.sheet import AnswerKey, Node, walk

MOST_HIDDEN = 60
"""So many unwritten steps before a number are looked at."""
MOST_STEPS = 8
"""So far back numbers are followed that a student may have carried on as they were."""
EASY, IMPOSSIBLE, THROUGH = 1, 2, 3
"""Marks of a number that makes what rests on it trivial, and of unwritten steps it goes through."""


class Habit(NamedTuple):
    """How a student rounds: to so many significant digits, or to a unit where that is seen."""

    digits: int
    unit: float = 0.0

    def rounds(self, value: float) -> float:
        """The unit that a value is rounded to on the way; 0 where nothing is rounded off it."""
        unit = self.unit or quantum(value, self.digits)
        return 0.0 if divides(unit, value) else unit


class Work:
    """Own values of all quantities of one update, with the unit each is known to.

    A quantity that was not written has the value that follows from the student's earlier
    numbers; its unit is what their units come to, to first order.
    """

    __slots__ = (
        "_kinds",
        "_levels",
        "_ranked",
        "_widened",
        "begun",
        "key",
        "known",
        "nodes",
        "right",
        "tainted",
        "unit",
        "v",
        "written",
    )

    def __init__(self, key: AnswerKey) -> None:
        count = len(key.truth)
        leaves = key.structure.leaves
        self.key = key
        self.nodes = key.structure.nodes
        self.v = list(key.truth)
        self.unit = [0.0] * count
        self.known = bytearray(b"\1" * leaves + b"\0" * (count - leaves))
        self.right = bytearray(b"\1" * count)
        self.written = bytearray(count)
        self._levels: dict[int, list[tuple[int, int]]] = {}
        self._widened: dict[tuple[Habit, bool], tuple[list[float], set[int]]] = {}
        self._ranked: tuple[list[float], list[int]] | None = None
        self._kinds: dict[tuple[str, int | None], list[float]] = {}
        self.begun = False  # whether anything before the gradients was written
        # What rests on a number that makes the rest of the work trivial.
        self.tainted = bytearray(count)

    def copy(self) -> Work:
        other = copy(self)
        other._widened, other._ranked, other._kinds = {}, None, {}
        other.v, other.unit = list(self.v), list(self.unit)
        other.known, other.right = bytearray(self.known), bytearray(self.right)
        other.written, other.tainted = bytearray(self.written), bytearray(self.tainted)
        return other

    def write(self, slot: int, value: float, unit: float) -> None:
        self.v[slot] = value
        self.unit[slot] = unit
        self.known[slot] = 1
        self.written[slot] = 1
        self._changed()
        self._levels.clear()
        node = self.nodes[slot]
        if node is not None and node.step.section in ("forward", "loss", "backward"):
            self.begun = True

    def short(self, node: Node) -> bool:
        """Whether nothing had to be rounded in what this step is calculated from."""
        short = node.polynomial and self.key.short[node.slot]
        return short and not any(self.unit[parent] for parent in node.parents)

    def forget(self, slot: int) -> None:
        """The written number says too little: go on with what follows from the earlier ones."""
        self.known[slot] = 0
        self.written[slot] = 0
        self._changed()
        self._levels.clear()
        self.settle((slot,))

    def exact(self, slot: int) -> None:
        """Nothing was rounded off this number."""
        self.unit[slot] = 0.0
        self._widened.clear()

    def _changed(self) -> None:
        self._widened.clear()
        self._forget_order()

    def _forget_order(self) -> None:
        self._ranked = None
        self._kinds.clear()

    @property
    def ranked(self) -> tuple[list[float], list[int]]:
        """The known values from the smallest to the largest, and their slots."""
        if self._ranked is None:
            v, known = self.v, self.known
            rows = ((v[slot], slot) for slot in range(len(v)) if known[slot] and v[slot] == v[slot])
            pairs = sorted(rows)
            self._ranked = [value for value, _ in pairs], [slot for _, slot in pairs]
        return self._ranked

    def among(self, kind: tuple[str, int | None], slots: Iterable[int]) -> list[float]:
        """The known values of these quantities, which are of one kind, in order."""
        if kind not in self._kinds:
            v, known = self.v, self.known
            self._kinds[kind] = sorted(v[at] for at in slots if known[at] and v[at] == v[at])
        return self._kinds[kind]

    def assume(self, slot: int, value: float, unit: float) -> None:
        """The student must have used this value; what follows from it is calculated anew."""
        self.v[slot] = value
        self.unit[slot] = unit
        self.known[slot] = 1
        self.right[slot] = 0
        self._changed()
        users = self.key.structure.users
        waiting = list(users.get(slot, ()))
        while waiting:
            user = waiting.pop()
            if self.known[user] and not self.written[user]:
                self.known[user] = 0
                waiting.extend(users.get(user, ()))

    def settle(self, slots: Iterable[int]) -> None:
        """Makes the own values of these quantities, and of all they rest on, known."""
        known = self.known
        waiting = [slot for slot in slots if not known[slot]]
        if not waiting:
            return
        self._forget_order()
        for node in walk(self.nodes, waiting, known.__getitem__):
            slot = node.slot
            value, spread = self.value(node)
            self.v[slot] = value
            self.unit[slot] = spread
            self.known[slot] = 1
            self.right[slot] = all(self.right[parent] for parent in node.parents)
            if any(self.tainted[parent] for parent in node.parents):
                easy = any(self.tainted[factor] == EASY for factor in node.factors)
                self.tainted[slot] = IMPOSSIBLE if easy else THROUGH

    def carry(self, before: Work, carried: Mapping[str, str]) -> None:
        """Parameters and states begin where the last update ended."""
        slots = self.key.structure.slots
        earlier = before.key.structure.slots
        before.settle(earlier[new] for new in carried.values() if new in earlier)
        for old, new in carried.items():
            slot, source = slots.get(old), earlier.get(new)
            if slot is None or source is None or slot >= self.key.structure.leaves:
                continue
            self.v[slot] = before.v[source]
            self.unit[slot] = before.unit[source]
            self.right[slot] = before.right[source]
            self.tainted[slot] = before.tainted[source]

    def value(self, node: Node) -> tuple[float, float]:
        """What the step comes to from own values, and Σ|∂f/∂pᵢ|·uᵢ."""
        return self.evaluate(node.function, node.parents, self.unit)

    def unrounded(self, node: Node, levels: int) -> float:
        """What the step comes to where the last numbers before it, so many levels of them, went
        on as they were before they were rounded to be written down. A number that only hands on
        another one, as the gradient of a bias does, is written down for it."""
        return self._came_to(node, levels, MOST_STEPS, node.slot, {})

    def _came_to(
        self, node: Node, levels: int, steps: int, asked: int, done: dict[tuple[int, int], float]
    ) -> float:
        v = self.v
        before: dict[int, float] = {}
        for parent in node.parents:
            at = self.nodes[parent]
            if at is not None and self.known[parent]:
                if (parent, levels) not in done:
                    done[parent, levels] = self._as_it_was(at, levels, steps, asked, done)
                before[parent] = done[parent, levels]
        written = {parent: v[parent] for parent in before}
        for parent, value in before.items():
            v[parent] = value
        found = node.function(v)
        for parent, value in written.items():
            v[parent] = value
        return found

    def _as_it_was(
        self, node: Node, levels: int, steps: int, asked: int, done: dict[tuple[int, int], float]
    ) -> float:
        """A number before it was rounded, where it is what its own parents give."""
        slot = node.slot
        written = slot if self.written[slot] else self._handed_on(slot, asked)
        if (written == slot and not levels) or not steps:
            return self.v[slot]
        found = self._came_to(
            node, levels if written is None else max(levels - 1, 0), steps - 1, asked, done
        )
        if written is None:
            return found
        value = self.v[written]
        if abs(found - value) <= self.unit[written]:
            return found if levels else value
        return value if written == slot else found

    def _handed_on(self, slot: int, asked: int) -> int | None:
        """A written number that is another name of this quantity."""
        for user in self.key.structure.users.get(slot, ()):
            at = self.nodes[user]
            if user != asked and self.written[user] and at and isinstance(at.step.formula, Name):
                return user
        return None

    def evaluate(
        self, function: Function, parents: Sequence[int], units: Sequence[float]
    ) -> tuple[float, float]:
        """A function of own values, and how far it moves when each parent moves by its unit."""
        v = self.v
        value = function(v)
        spread = 0.0
        for parent in parents:
            unit = units[parent]
            if unit:
                old = v[parent]
                v[parent] = old + unit
                above = abs(function(v) - value)
                v[parent] = old - unit
                below = abs(function(v) - value)
                v[parent] = old
                spread += above if above >= below else below
        return value, (spread if spread == spread else math.inf)

    def widened(self, node: Node, habit: Habit, asked: bool = False) -> float:
        """Σ|∂f/∂pᵢ|·uᵢ where steps that are not `asked` for, or all, were rounded on the way."""
        units, done = self._widened.setdefault((habit, asked), (list(self.unit), set()))
        for slot in sorted(self.hidden(node)):
            at = self.nodes[slot]
            if slot in done or at is None:
                continue
            done.add(slot)
            # What is asked for and not written was not written down and rounded either.
            rounded = asked or slot not in self.key.asked
            unit = habit.rounds(self.v[slot]) if rounded else 0.0
            unit += self.evaluate(at.function, at.parents, units)[1]
            units[slot] = max(units[slot], unit)
        return self.evaluate(node.function, node.parents, units)[1]

    def hidden(self, node: Node, most: int = MOST_HIDDEN) -> list[int]:
        """The steps that were not written between this one and written ones, nearest first."""
        return [slot for slot, _ in self.levels(node, most)]

    def levels(self, node: Node, most: int = MOST_HIDDEN) -> list[tuple[int, int]]:
        """The same, with how many steps away each is; a step that only hands on does not count."""
        found = self._levels.get(node.slot)
        if found is None:
            found = self._levels[node.slot] = self._search(node)
        return found[:most]

    def _search(self, node: Node) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        step = 0 if isinstance(node.step.formula, Name) else 1
        waiting = [(parent, step) for parent in node.parents]
        seen = {parent for parent, _ in waiting}
        for slot, level in waiting:
            at = self.nodes[slot]
            if self.written[slot] or at is None:
                continue
            found.append((slot, level))
            if len(found) >= MOST_HIDDEN:
                break
            step = 0 if isinstance(at.step.formula, Name) else 1
            fresh = [parent for parent in at.parents if parent not in seen]
            seen.update(fresh)
            waiting += [(parent, level + step) for parent in fresh]
        return found
