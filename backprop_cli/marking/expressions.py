"""The verdict on each expression: equal as functions of inputs, targets and parameters.

Names of the sheet stand for their definitions. Nothing is simplified: a wrong answer costs no
more time than a right one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, lru_cache

from backprop_cli.arrays.array import ArrayError
from backprop_cli.arrays.expand import Expansion
from backprop_cli.arrays.language import read_formula
from backprop_cli.arrays.workshop import MOST_PARTS, Workshop
from backprop_cli.formula.build import children, names_in, rebuild, size, substitute
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Formula, Name, Number
from backprop_cli.formula.parse import parse
from backprop_cli.formula.words import FormulaError
from backprop_cli.marking.feedback import FOLLOWS, ONLY_HERE, TRIVIAL, look_again
from backprop_cli.marking.judge import CORRECT, Judgement, NumberJudge
from backprop_cli.marking.numbers import Written, read_number, written_the_same
from backprop_cli.marking.points import points, same
from backprop_cli.marking.recipes import Recipes
from backprop_cli.marking.sheet import AnswerKey, Node, step_at
from backprop_cli.marking.slips import SlipFinder
from backprop_cli.marking.submission import MOST_CHARACTERS
from backprop_cli.marking.texts import Commas, TextReader, parts_of
from backprop_cli.marking.work import Work

CACHE_SIZE = 5000
FEW_POINTS = 5
"""Where a slip is looked for in a wrong expression."""
ROUND_OFF = 1e-9
MOST_LOOKED = 50
"""So many wrong expressions of a submission are looked up among what slips give."""
MOST_WRITTEN = 5000
"""So many numbers and names an expression in arrays has when it is written out."""
LARGEST = 600
"""In a wrong expression with more nodes than this no slip is looked for."""


class Expressions:
    """What judging expressions on one sheet needs and no student changes."""

    def __init__(self, key: AnswerKey, finder: SlipFinder) -> None:
        self.key = key
        self.finder = finder
        self.parsed = lru_cache(CACHE_SIZE)(self._parse)
        self.is_equal = lru_cache(CACHE_SIZE)(self._is_equal)

    @cached_property
    def points(self) -> list[list[float]]:
        return points(self.key)

    @cached_property
    def recipes(self) -> Recipes:
        return Recipes(self.key, self.finder, self.points)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset((*self.key.names.known, *self.key.names.locals))

    @cached_property
    def reader(self) -> TextReader:
        return TextReader(self.key.names, self.parsed)

    def constant(self, text: str) -> Written | None:
        """What an expression without names comes to, which may be no number; None for any other."""
        formula = self.parsed(text) if len(text) <= MOST_CHARACTERS else ""
        if isinstance(formula, str) or names_in(formula):
            return None
        return self.worked_out(formula)

    def worked_out(
        self, formula: Formula, value_of: Callable[[str], float] | None = None
    ) -> Written:
        given = {abs(v) for v in self.key.truth[: self.key.structure.leaves]}
        return worked_out(formula, given, value_of or _no_name)

    def _parse(self, text: str) -> Formula | str:
        """The formula a text writes, or why it cannot be read."""
        if len(text) > 1 and text[0] == "=":
            text = text[1:].strip()
        try:
            return self._in_place(self._as_named(parse(text, known=self.names)))
        except FormulaError as error:
            help = f" ({error.help})" if error.help else ""
            return self._of_arrays(text) or f"Column {error.column + 1}: {error.message}{help}."

    def _of_arrays(self, text: str) -> Formula | None:
        """An expression in whole arrays that comes to one number, as `sum((Z - Y)^2)` does, written
        out in their entries; None for any other, and where that would be long."""
        arrays = self.finder.slips.arrays
        if arrays is None:
            return None
        shop = Workshop(set(), parts=MOST_PARTS - MOST_WRITTEN)
        names = {*arrays.known, *self.names}
        try:
            formula = read_formula(text, names, frozenset(), None).formula
            value = Expansion(shop, arrays.known).value(formula)
        except (FormulaError, ArrayError):
            return None
        known = not value.shape and self.names.issuperset(names_in(value.scalar))
        return value.scalar if known and not shop.equations else None

    def _as_named(self, formula: Formula) -> Formula:
        """In the plain names throughout where one stands that the sheet shows otherwise: beside
        `yhat`, `y` is the target, though ŷ is shown as y."""
        lent, used = self.key.names.lent, names_in(formula)
        plainly = {
            name: Name(own)
            for name, (holder, own) in lent.items()
            if holder in used and own not in used
        }
        return substitute(formula, plainly) if plainly else formula

    def _in_place(self, formula: Formula) -> Formula:
        """Local derivatives that are no steps of the sheet as what they are: ∂z₁/∂a₁ is w₁₁."""
        local = self.key.names.locals
        if local.keys().isdisjoint(names_in(formula)):
            return formula
        if isinstance(formula, Name):
            return local.get(formula.name, formula)
        return rebuild(formula, self._in_place)

    def agrees(self, texts: Sequence[str], right: Formula, commas: Commas) -> bool:
        """Whether every number and expression in an answer is a given formula."""
        for text in parts_of(texts):
            found = self.reader.read(text, commas, self.key.symbolic, None)
            if (number := found.number) is not None:
                if not written_the_same(
                    number.value, number.unit, self.value(right, self.key.truth)
                ):
                    return False
                continue
            formula = self.parsed(found.expression or text)
            if isinstance(formula, str):
                return False
            points = self.points if names_in(formula) or self.key.symbolic else self.points[:1]
            if not same(self.values(formula, points), self.values(right, points)):
                return False
        return True

    def _is_equal(self, slot: int, text: str) -> bool:
        """Whether an expression that can be read is the quantity, at every point."""
        formula, truth = self.parsed(text), [v[slot] for v in self.points]
        assert not isinstance(formula, str)
        first = [self.value(formula, v) for v in self.points[:1]]
        return same(first, truth[:1]) and same(self.values(formula, self.points), truth)

    def values(self, formula: Formula, points: Sequence[Sequence[float]]) -> list[float]:
        return [self.value(formula, v) for v in points]

    def value(self, formula: Formula, v: Sequence[float]) -> float:
        slots, known = self.key.structure.slots, self.key.names.known
        return as_float(evaluate(formula, lambda name: v[slots[known[name]]]))

    def circular(self, node: Node, formula: Formula) -> str | None:
        """The first name in an expression that is itself calculated from the quantity."""
        later = self.key.structure.later(node.slot)
        slots, known = self.key.structure.slots, self.key.names.known
        return next((name for name in names_in(formula) if slots[known[name]] in later), None)


class ExpressionJudge:
    """Judges the expressions of one submission for one update, in the order of the sheet."""

    def __init__(
        self,
        shared: Expressions,
        work: Work,
        numbers: NumberJudge,
        texts: Mapping[int, Sequence[str]],
    ) -> None:
        self.shared = shared
        self.key = shared.key
        self.work = work
        self.numbers = numbers
        self.texts = texts
        self.own: dict[int, Formula] = {}  # the student's own expressions that are not the sheet's
        self._own_points: list[list[float]] | None = None
        self._upto = 0
        self._changed: set[int] = set()
        self._looked = 0

    def judge(self, node: Node, text: str, number: Written | None) -> Judgement:
        """The verdict on one expression. Where there is no number beside it, own work goes on with
        what the expression comes to."""
        shared = self.shared
        formula = shared.parsed(text)
        if isinstance(formula, str):
            return Judgement("unreadable", formula)
        circular = shared.circular(node, formula)
        if circular is not None:
            what = node.name if circular == node.name else f"{circular}, which comes from it"
            return Judgement("wrong", f"{node.name} cannot be given by {what}.")
        if not self.key.symbolic and not names_in(formula):
            return self._number(node, formula)
        if shared.is_equal(node.slot, text):
            return CORRECT
        if size(formula) > LARGEST:
            return Judgement("wrong", look_again(node.step))
        if number is not None and (stands := self._leads_to(node, formula, number)):
            return stands
        judgement = self._not_equal(node, formula)
        if judgement.right:
            return judgement
        self.own[node.slot] = formula
        if number is None and not self.key.symbolic:
            self.work.settle(self._slots(formula))
            value = shared.value(formula, self.work.v)
            if math.isfinite(value):
                self.work.write(node.slot, value, 0.0)
            self.work.right[node.slot] = 0
        return judgement

    def _slots(self, formula: Formula) -> list[int]:
        slots, known = self.key.structure.slots, self.key.names.known
        return [slots[known[name]] for name in names_in(formula)]

    def _leads_to(self, node: Node, formula: Formula, number: Written) -> Judgement | None:
        """The verdict on a formula with rounded numbers put in for some of its names, where it comes
        to a number that is right."""
        slots, known, v = self.key.structure.slots, self.key.names.known, self.work.v
        self.work.settle(self._slots(formula))
        working = self.shared.worked_out(formula, lambda name: v[slots[known[name]]])
        leads = working.unit > 0 and came_to(working, number)
        return self.numbers.stands(node, number) if leads else None

    def _number(self, node: Node, formula: Formula) -> Judgement:
        """Numbers put in, beside the number that they came to: nothing is kept of them, for the
        number is what is judged."""
        written = self.shared.worked_out(formula)
        stands = math.isfinite(written.value) and self.numbers.stands(node, written)
        return stands or Judgement("wrong")

    def _not_equal(self, node: Node, formula: Formula) -> Judgement:
        shared = self.shared
        points = shared.points
        if not self.key.symbolic and same(
            [shared.value(formula, points[0])], [points[0][node.slot]]
        ):
            return Judgement("correct", ONLY_HERE, right=True)
        values = shared.values(formula, points[-FEW_POINTS:])
        if self.own:
            own_points = self._own_values(node.slot)
            if any(parent in self._changed for parent in node.parents):
                if self._follows(node, formula, own_points):
                    degenerate = not any(node.function(v) for v in own_points)
                    if degenerate and any(v[node.slot] for v in points):
                        return Judgement("wrong", TRIVIAL)
                    return Judgement("follow_through", FOLLOWS)
                found = self._explained(node, values, own_points)
                if found is not None:
                    return found
        if not names_in(formula):
            feedback = "This sheet has no numbers, so the answer is an expression in its names."
            return Judgement("wrong", feedback)
        found = self._known(node, formula) or self._explained(node, values, points)
        return found or Judgement("wrong", look_again(node.step))

    def _known(self, node: Node, formula: Formula) -> Judgement | None:
        """One of the slips that are known of this sheet, looked up."""
        shared, numbers = self.shared, self.numbers
        self._looked += 1
        if self._looked > MOST_LOOKED:
            return None
        explanation = shared.recipes.explain(
            node, lambda v: shared.value(formula, v), numbers.charged or ()
        )
        return None if explanation is None else numbers.charge(node, explanation)

    def _explained(
        self, node: Node, values: Sequence[float], points: Sequence[list[float]]
    ) -> Judgement | None:
        numbers = self.numbers
        explanation = numbers.finder.explain_values(
            self.key, node, values, points[-FEW_POINTS:], numbers.budget
        )
        return None if explanation is None else numbers.charge(node, explanation)

    def _follows(self, node: Node, formula: Formula, own_points: Sequence[list[float]]) -> bool:
        """Whether an expression is what own expressions give, in names of the sheet or worked out
        with them."""
        shared = self.shared
        for places in (shared.points, own_points):
            some = [shared.value(formula, places[-1])]
            if same(some, [node.function(own_points[-1])]):
                own = [node.function(v) for v in own_points]
                if same(shared.values(formula, places), own):
                    return True
        return False

    def _own_values(self, slot: int) -> list[list[float]]:
        """All quantities before `slot` as the student's own expressions make them."""
        if self._own_points is None:
            self._own_points = [list(v) for v in self.shared.points]
            self._upto = self.key.structure.leaves
        for at in range(self._upto, slot):
            node, formula = step_at(self.key.structure.nodes, at), self.own.get(at)
            if formula is not None:
                for v in self._own_points:
                    v[at] = self.shared.value(formula, v)
                self._changed.add(at)
            elif any(parent in self._changed for parent in node.parents) and not self._given(at):
                for v in self._own_points:
                    v[at] = node.function(v)
                self._changed.add(at)
        self._upto = max(self._upto, slot)
        return self._own_points

    def _given(self, slot: int) -> bool:
        """Whether the student wrote an expression here that is the sheet's own."""
        return slot in self.texts and slot not in self.own


def came_to(working: Written, number: Written) -> bool:
    """Whether numbers put in come to a number that is written, rounded as it may be."""
    return abs(working.value - number.value) <= (working.unit + number.unit) * (1 + ROUND_OFF)


def _no_name(name: str) -> float:
    raise KeyError(name)


def worked_out(
    formula: Formula, exact: Collection[float], value_of: Callable[[str], float]
) -> Written:
    """The value of an expression; its unit follows from the decimals in it that are not `exact`
    as given on the sheet."""
    value = as_float(evaluate(formula, value_of))
    if not math.isfinite(value):
        return Written(value, 0.0, 1, 1)
    spread = 0.0
    digits = 17
    for part in _numbers(formula):
        if "." not in part.text:
            continue
        written = read_number(part.text)
        if written is None or written.value == 0 or written.value in exact:
            continue
        digits = min(digits, max(1, written.digits))
        moved = as_float(evaluate(_moved(formula, part, written), value_of))
        spread += abs(moved - value)
    return Written(value, spread if math.isfinite(spread) else 0.0, digits, digits)


def _numbers(formula: Formula) -> list[Number]:
    found: list[Number] = []
    waiting = [formula]
    while waiting and len(found) < 40:
        part = waiting.pop()
        if isinstance(part, Number):
            found.append(part)
        waiting.extend(children(part))
    return found


def _moved(formula: Formula, number: Number, written: Written) -> Formula:
    if formula is number:
        return Number(repr(abs(written.value + written.unit)))
    return rebuild(formula, lambda part: _moved(part, number, written))
