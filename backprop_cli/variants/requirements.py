"""What a drawn sheet has to fulfil: one row for each requirement and version.

A row looks at one update of a draw beside the same update of the file's own numbers, and names
the quantities that fall short. Every comparison with a threshold goes through a `Scale`: where
floats are too near to it to tell, the draw is worked out again in many digits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from typing import NamedTuple

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.arithmetic import rounded
from backprop_cli.formula.build import ZERO, children, names_in, substitute
from backprop_cli.formula.evaluate import as_float, evaluate, known_in
from backprop_cli.formula.nodes import Call, Comparison, Formula, Sum
from backprop_cli.graph.step import Step
from backprop_cli.problem.model import Requirement
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.run.model import Value, Values
from backprop_cli.variants.trial import CARRIED_DIGITS, Update

FLATTEST = Fraction(2, 100)
"""A unit with a smaller slope is saturated."""
SEEN = Fraction(5, 100)
"""Carried in three digits, a gradient is off by less than this share of itself: two digits hold."""
UPDATE_DIGITS = 4
ALLOWANCE = 0.005
NOTHING = 1e-6
"""So far from 0 a slip is seen where the right value is 0."""
WORK_BAND = Fraction(1, 10)
"""Nonzero terms and paths may be so much more or fewer than in the file's own numbers."""
DIGITS_BAND = Fraction(1, 2)
"""The same for the digits of the numbers given."""
NEAR = 1e-9
IDENTICAL = 1e-12
ABOUT_ONE = 1.01


@dataclass
class Scale:
    """Compares with thresholds, and remembers whether floats could not tell."""

    in_doubt: bool = False

    def less(self, value: Value, threshold: Value) -> bool:
        self.same(value, threshold)
        return value < threshold

    def same(self, value: Value, other: Value) -> bool:
        if not (isinstance(value, Fraction) and isinstance(other, Fraction)):
            size = max(abs(as_float(value)), abs(as_float(other)))
            if abs(as_float(value) - as_float(other)) <= NEAR * size:
                self.in_doubt = True
        return value == other


class OwnSlips(NamedTuple):
    """What the file's own numbers say of the slips of a step: which of them change nothing
    there, and which two give one number."""

    harmless: Sequence[bool]
    alike: frozenset[tuple[int, int]]


@dataclass(frozen=True)
class View:
    """One update of a draw and the same one of the file's own numbers."""

    update: Update
    own: Update
    digits: int  # of all numbers drawn
    own_digits: int
    own_slips: Mapping[str, OwnSlips]
    scale: Scale = field(compare=False)

    def value(self, name: str) -> Value | None:
        return _finite(self.update.values.get(name))

    def slips(self) -> Iterator[tuple[str, Sequence[float]]]:
        """What the slips of each asked step lead to; nan for one that is none."""
        for name, slips in self.update.slips.values(self.update.asked, self.update.values):
            yield (
                name,
                [
                    math.nan if harmless else slip
                    for slip, harmless in zip(slips, self.own_slips[name].harmless, strict=True)
                ],
            )


def _float(value: Value | None) -> float:
    return math.nan if value is None else as_float(value)


def _size(value: Value) -> Value:
    return -value if value < 0 else value


Check = Callable[[View], Iterator[str]]


def _finite(value: Value | None) -> Value | None:
    return None if value is None or not math.isfinite(as_float(value)) else value


# --- units ------------------------------------------------------------------------------------


def _off(update: Update) -> list[str]:
    """The units that pass no gradient at all."""
    return [
        step.of or step.name
        for step in update.graph.steps
        if step.kind == "slope" and update.values.get(step.name) == 0
    ]


def alive(view: View) -> Iterator[str]:
    """As many units are off as with the file's own numbers."""
    # A unit counts as often as it is off, as a row of an embedding that is picked twice.
    off, before = Counter(_off(view.update)), Counter(_off(view.own))
    if off.total() != before.total():
        more, fewer = (off, before) if off.total() > before.total() else (before, off)
        yield next(iter(more - fewer))


def unsaturated(view: View) -> Iterator[str]:
    """No unit is so far out on its curve that hardly any gradient passes."""
    for step in view.update.graph.steps:
        if step.kind != "slope" or not _saturates(view.update, step):
            continue
        value = view.value(step.name)
        if value is not None and view.scale.less(_size(value), FLATTEST):
            yield step.of or step.name


def _saturates(update: Update, step: Step) -> bool:
    owner = update.graph.step.get(step.of or "")
    rule = ACTIVATIONS.get(step.rule or "")
    if rule is None and owner is not None and isinstance(owner.formula, Call):
        rule = ACTIVATIONS.get(owner.formula.function)
    # An output of softmax has a slope of its own and one across to each other score.
    across = rule is not None and rule.layerwise and len(names_in(step.formula)) > 1
    return rule is not None and (rule.saturates or rule.layerwise) and not across


def never_flat(updates: Sequence[Update], quantity: str) -> bool:
    """Whether a unit has a slope that only becomes 0 where floats have no smaller number."""
    return any(
        step.kind == "slope" and step.of == quantity and _saturates(update, step)
        for update in updates
        for step in update.graph.steps
    )


def off_kinks(view: View) -> Iterator[str]:
    """No quantity is where a function has no derivative, or jumps."""
    values = view.update.values
    for step in view.update.graph.section("forward", "loss"):
        if any(values.get(name) is None for name in names_in(step.formula)):
            continue
        for left, right in _edges(step.formula):
            if view.scale.same(_valued(left, values), _valued(right, values)):
                yield step.name
                break


def _edges(formula: Formula) -> Iterator[tuple[Formula, Formula]]:
    """Pairs that are equal where a part of the formula has no derivative."""
    match formula:
        case Comparison(left, _, right):
            yield left, right
        case Call("max" | "min", arguments):
            yield from ((one, two) for i, one in enumerate(arguments) for two in arguments[:i])
        case Call("abs", (argument,)):
            yield argument, ZERO
        case Call(function, (argument, *options)) if rule := ACTIVATIONS.get(function):
            named = dict(zip(rule.options, options, strict=False)) or dict(rule.options)
            for kink in rule.kinks:
                places = {**named, "z": argument}
                yield substitute(kink.quantity, places), substitute(kink.at, places)
    for part in children(formula):
        yield from _edges(part)


def _valued(formula: Formula, values: Values) -> Value:
    return evaluate(formula, known_in(values))


# --- numbers ----------------------------------------------------------------------------------


def visible(view: View) -> Iterator[str]:
    """Every gradient asked for survives three carried digits, and its update shows at four."""
    graph = view.update.graph
    for name in view.update.asked:
        step = graph.step[name]
        value, by_hand = view.value(name), _finite(view.update.by_hand.get(name))
        if value is None or by_hand is None:
            continue
        if step.section == "gradient" and value != 0:
            if not view.scale.less(_size(value - by_hand), SEEN * _size(value)):
                yield name
        elif step.kind == "update" and step.of is not None:
            before = view.value(step.of)
            if before is not None and value != before and _same_digits(value, before):
                yield name


def _same_digits(one: Value, other: Value) -> bool:
    return one != 0 and other != 0 and rounded(one, UPDATE_DIGITS) == rounded(other, UPDATE_DIGITS)


def distinct_slips(view: View) -> Iterator[str]:
    """No slip in the structure of an asked step comes so near that it would pass.

    What is no slip with the file's own numbers (a ReLU left out that is on) is none here.
    """
    for name, slips in view.slips():
        if view.scale.less(_margin(name, slips, view), 1.0):
            yield name


def nameable_slips(view: View) -> Iterator[str]:
    """Nor do two slips of an asked step give one number, which could be called either: with the
    input −1 a factor left out is also a sign turned round.

    What the file's own numbers do not tell apart need not be told apart here.
    """
    for name, slips in view.slips():
        if view.scale.less(_margin(name, slips, view), 1.0) or _is_ambiguous(name, slips, view):
            yield name


def _is_ambiguous(name: str, slips: Sequence[float], view: View) -> bool:
    codes, alike = view.update.slips.codes(name), view.own_slips[name].alike
    for one, other, distance in _near(slips, view.update, name):
        called = {codes[one], codes[other]}
        known = len(called) == 1 or None in called or (one, other) in alike
        if not known and view.scale.less(distance, 1.0):
            return True
    return False


def own_slips(own: Update) -> Mapping[str, OwnSlips]:
    """The slips of the asked steps, with the file's own numbers."""
    return {
        name: OwnSlips(
            [abs(slip - _float(own.values[name])) <= IDENTICAL for slip in found],
            frozenset((one, other) for one, other, distance in _near(found, own, name)),
        )
        for name, found in own.slips.values(own.asked, own.values, drawn=False)
    }


def slip_margins(view: View) -> Iterator[tuple[str, float]]:
    """For each asked quantity how far the nearest slip is from the right value, in the room that
    an answer with three digits has; infinite where no slip is possible."""
    for name, slips in view.slips():
        yield name, _margin(name, slips, view)


def _margin(name: str, slips: Sequence[float], view: View) -> float:
    value = view.value(name)
    if value is None:
        return math.inf
    right = as_float(value)
    distances = (abs(slip - right) for slip in slips if math.isfinite(slip))
    return min(distances, default=math.inf) / _room(right, view.update, name)


def _near(slips: Sequence[float], update: Update, name: str) -> Iterator[tuple[int, int, float]]:
    """Two slips by their places, and how far apart they are in the room of three digits, where
    that is less than about one."""
    order = sorted((slip, place) for place, slip in enumerate(slips) if math.isfinite(slip))
    for start, (low, one) in enumerate(order):
        room = _room(low, update, name)
        for high, other in order[start + 1 :]:
            if high - low > room * ABOUT_ONE:
                break
            yield min(one, other), max(one, other), (high - low) / room


def _room(value: float, update: Update, name: str) -> float:
    """How far off a number written with three digits may be: half a unit of the third, or the
    relative tolerance, which for an update is that of its change."""
    if value == 0:
        return NOTHING
    step = update.graph.step[name]
    before = update.values.get(step.of or "") if step.kind == "update" else None
    scale = value if before is None else value - as_float(before)
    digits = math.floor(math.log10(abs(value))) - CARRIED_DIGITS + 1
    return max(10.0**digits / 2, ALLOWANCE * abs(scale))


# --- work -------------------------------------------------------------------------------------


def equal_work(view: View) -> Iterator[str]:
    """As many terms and paths that count, and as many digits, as with the file's own numbers."""
    for what, count in (("terms", _terms), ("paths", _paths)):
        mine, own = count(view.update), count(view.own)
        if abs(mine - own) > WORK_BAND * own:
            yield what
    if abs(view.digits - view.own_digits) > DIGITS_BAND * view.own_digits:
        yield "digits"


def _terms(update: Update) -> int:
    """Terms of sums of the forward pass that are not 0."""
    return sum(
        1
        for step in update.graph.section("forward", "loss")
        if isinstance(step.formula, Sum)
        for term in step.formula.terms
        if not _zero(term, update.values)
    )


def _paths(update: Update) -> int:
    """Links by which a gradient reaches the loss, and that pass anything on."""
    values = update.values
    return sum(
        1
        for step in update.graph.section("backward", "gradient")
        for link in step.links
        if not _zero(link.local, values)
        and (link.upstream is None or values.get(link.upstream) != 0)
    )


def _zero(formula: Formula, values: Values) -> bool:
    return all(values.get(name) is not None for name in names_in(formula)) and (
        _valued(formula, values) == 0
    )


REQUIREMENTS: Mapping[int, Mapping[Requirement, Check]] = {
    1: {
        "alive": alive,
        "off_kinks": off_kinks,
        "unsaturated": unsaturated,
        "equal_work": equal_work,
        "visible": visible,
        "distinct_slips": distinct_slips,
    },
    2: {
        "alive": alive,
        "off_kinks": off_kinks,
        "unsaturated": unsaturated,
        "equal_work": equal_work,
        "distinct_slips": nameable_slips,
        "visible": visible,
    },
}
"""The requirements by version, the quickest first. A version stays as it is for ever."""
