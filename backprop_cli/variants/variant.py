"""A student's own numbers: drawn until the sheet they make is as hard as the author's."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import Diagnostic, ProblemError, Source, Span, quote
from backprop_cli.problem.model import Problem, Requirement, Variants
from backprop_cli.problem.read import read_problem
from backprop_cli.variants.draw import Draws, Numbers, text_with
from backprop_cli.variants.requirements import (
    REQUIREMENTS,
    Scale,
    View,
    never_flat,
    own_slips,
    slip_margins,
)
from backprop_cli.variants.trial import Arithmetic, Sheet, Update

ARITHMETICS: tuple[Arithmetic, ...] = ("quick", "exact", "precise")
MOST_TRIES = 10_000
MOST_SECONDS = 10.0
"""Only a message is lost by giving up: no student gets other numbers on a slower machine."""


@dataclass(frozen=True)
class Shortfall:
    """A requirement that a draw did not fulfil, and the quantity where."""

    requirement: Requirement
    quantity: str


@dataclass(frozen=True)
class Variant:
    """A student's numbers, the file they make, and the draws that were put aside before."""

    problem: Problem
    text: str
    numbers: Numbers
    tries: int
    shortfalls: Mapping[Shortfall, int]


class Drawer:
    """Draws variants of one problem; what does not depend on a student is made once.

    Raises ProblemError where the problem has no `variants`.
    """

    def __init__(self, problem: Problem) -> None:
        if problem.variants is None:
            raise ProblemError([_without_section(problem)])
        self.problem = problem
        self.variants: Variants = problem.variants
        self.sheet = Sheet(problem)
        self.own = self.sheet.worked_out({}, "exact")
        self.own_slips = [own_slips(own) for own in self.own]
        written = {
            cell.name: self.variants.text[cell.start : cell.end] for cell, _ in self.variants.draws
        }
        self.own_digits = _digits(written)

    def variant(self, student: str) -> Variant:
        """The numbers of a student: the first draw that fulfils what is required.

        Raises ProblemError where none does, with the requirement that fails most.
        """
        shortfalls: Counter[Shortfall] = Counter()
        draws = Draws(self.variants, student)
        start = time.monotonic()
        for attempt in range(1, MOST_TRIES + 1):
            numbers = draws[attempt]
            found = self.shortfall(numbers)
            if found is None:
                text = text_with(self.variants, numbers)
                problem = read_problem(self.problem.path, text)
                return Variant(problem, text, numbers, attempt, shortfalls)
            shortfalls[found] += 1
            if time.monotonic() - start > MOST_SECONDS:
                break
        raise ProblemError([self._hopeless(shortfalls)])

    def shortfall(self, numbers: Numbers) -> Shortfall | None:
        """What a draw lacks first, or None.

        Floats put most draws aside. What passes, or is too close to tell, is worked out again
        with more care.
        """
        values = {name: _value(text) for name, text in numbers.items()}
        digits = _digits(numbers)
        found = None
        for arithmetic in ARITHMETICS:
            scale = Scale()
            updates = self.sheet.worked_out(values, arithmetic)
            found = self._shortfall(updates, digits, scale)
            if not scale.in_doubt and (found is not None or arithmetic == "exact"):
                break
        return found

    def _shortfall(self, updates: Sequence[Update], digits: int, scale: Scale) -> Shortfall | None:
        for name, check in REQUIREMENTS[self.variants.rules].items():
            if name not in self.variants.require:
                continue
            for update, own, slips in zip(updates, self.own, self.own_slips, strict=True):
                view = View(update, own, digits, self.own_digits, slips, scale)
                for quantity in check(view):
                    return Shortfall(name, quantity)
        return None

    def margins(self, numbers: Numbers) -> Iterator[tuple[Update, Mapping[str, float]]]:
        """The updates of a draw, with how near the nearest slip comes to each asked value, in
        the room that an answer of three digits has."""
        values = {name: _value(text) for name, text in numbers.items()}
        updates = self.sheet.worked_out(values, "exact")
        for update, own, harmless in zip(updates, self.own, self.own_slips, strict=True):
            view = View(update, own, 0, 0, harmless, Scale())
            yield update, dict(slip_margins(view))

    def _hopeless(self, shortfalls: Counter[Shortfall]) -> Diagnostic:
        tries = sum(shortfalls.values())
        by_requirement = Counter(each.requirement for each in shortfalls.elements())
        worst, times = by_requirement.most_common(1)[0]
        where = max(
            (each for each in shortfalls if each.requirement == worst), key=shortfalls.__getitem__
        )
        source = Source(self.problem.path, self.variants.text)
        help = (
            f"draw from a wider range or in finer steps, or leave {quote(worst)} out of `require`"
        )
        if worst == "alive" and never_flat(self.own, where.quantity):
            help = (
                f"{quote(where.quantity)} lies so far out on its curve that its slope is calculated as"
                " 0, in the draws or with the file's own numbers: take smaller ones"
            )
        return Diagnostic(
            "no-variant",
            f"none of {tries:,} draws fulfils what `variants` requires: {quote(worst)} fails most"
            f" ({times:,} times), mostly at {quote(where.quantity)}",
            Span(source, *self.variants.own),
            help=help,
        )


def _without_section(problem: Problem) -> Diagnostic:
    return Diagnostic(
        "no-variants",
        "the problem has no variants: every student gets the same numbers",
        Span(Source(problem.path, "")),
        help="add `variants: {draw: {inputs: {from: -2, to: 2, step: 0.5}}}`",
    )


@lru_cache(maxsize=65536)
def _value(text: str) -> Fraction:
    return Fraction(text)


def _digits(numbers: Numbers) -> int:
    """The significant digits of all numbers together: what has to be carried along by hand."""
    return sum(map(_significant, numbers.values()))


@lru_cache(maxsize=65536)
def _significant(text: str) -> int:
    return len(text.lower().partition("e")[0].lstrip("+-0.").replace(".", "")) or 1
