"""What a student entered for one update: every answer at its place on the sheet, as the number and
the formulas that it is read as, and how this student rounds."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from backprop_cli.arrays.array import places
from backprop_cli.diagnostics import quote
from backprop_cli.formula.build import inside
from backprop_cli.formula.nodes import Formula, Name, Negative, Sum
from backprop_cli.marking import typed_rows
from backprop_cli.marking.expressions import Expressions, came_to
from backprop_cli.marking.lines import is_word
from backprop_cli.marking.numbers import (
    Written,
    is_rounded,
    quantum,
    read_number,
    written_the_same,
)
from backprop_cli.marking.sheet import AnswerKey
from backprop_cli.marking.submission import Answer, Cells, as_list, joined
from backprop_cli.marking.texts import Commas, parts_of
from backprop_cli.marking.work import Habit
from backprop_cli.patterns import pattern

GRADIENT, ADDED, TAKEN = "the gradient", "the change, new − old", "what is taken off, old − new"
"""What Δw may be."""
GIVEN_LENGTH = 200
FEWEST_DIFFERENT = 4
"""A number at places where at least so many different ones belong was not worked out there."""
NOT_ANSWERED = frozenset({"?", "??", "???", "-", "\u2013", "\u2014", "\u2026", "...", "n/a", "N/A"})
"""What stands where nothing was worked out: the answer is missing, not unreadable."""

_RUN_ON = pattern(
    r"([-+−–]?[\d.,]+(?:[eE][-+−]?\d+)?)\s+([^\W\d][^\s=≈]*)\s*[=≈]\s*([-+−–]?[\d.]\S*(?:\s.*)?)"
)
"""A number, and another name with its own."""


_IN_A_CALL = pattern(r"(?:[A-Za-z]{1,8}\.)?(?:as)?(?:array|[tT]ensor|[mM]atrix)\(([^()]*)\)\Z")
_BEHIND_ARRAY = pattern(
    r"(?<=\])(?:\s{0,40}\([^\[\]]{0,200}\)|[,;]?\s{1,40}[A-Za-z][^\[\]\d]{0,200})\Z"
)
"""What stands round an array: a call, a remark."""


def _typed(answer: Answer, shape: tuple[int, ...]) -> Cells | None:
    """An array that is written as text: rows without brackets, in one line or a text each, behind
    a formula, in a call of a program, before a remark."""
    texts, place = answer.texts, (answer.line, answer.column)
    if answer.cells is not None:  # a list of rows
        cells = (each for each in answer.cells.answers if each is not None)
        texts = tuple(text for each in cells for text in each.texts)
    for lines in (texts, *([text] for text in texts)):
        bare = (_BEHIND_ARRAY.sub("", line.strip()) for line in lines)
        tail = [_IN_A_CALL.sub(r"\1", re.split("[=≈]", each)[-1].strip()) for each in bare]
        if len(tail) == 1 and (found := as_list(answer.name, tail[0], *place)) is not None:
            return found
        if len(shape) < 3:
            rows, columns, *_ = *shape, 1, 1
            if written := typed_rows.as_list(tail, (rows, columns)):
                return as_list(answer.name, written, *place)
    return None


def misfit(given: tuple[int, ...] | None, wanted: tuple[int, ...]) -> str | None:
    """Why a list cannot be the array; a vector may stand as a row or as a column."""
    if given is None:
        return "its rows are not equally long"
    if given == wanted or [n for n in given if n > 1] == [n for n in wanted if n > 1]:
        return None
    if given == (1,):
        return f"this is one answer where {'×'.join(map(str, wanted))} belong: give a list"
    shown, belongs = ("×".join(map(str, shape)) for shape in (given, wanted))
    question = ""
    if len(given) == 2 and given == wanted[::-1]:
        question = ": transposed?"
    elif len(given) == 2 and given[1:] == wanted:
        question = f": are its {given[0]} rows not added up yet?"
    return f"this is {shown} where {belongs} belongs{question}"


def _is_aside(typed: str) -> bool:
    """Whether a name that is none of the sheet's may be the student's own: `Let e`, `error`."""
    *words, last = typed.split() or [""]
    return last == "e" or all(map(is_word, (*words, last)))


def given_text(answer: Answer) -> str:
    """What was written, on one line and of bounded length."""
    text = " = ".join(answer.texts)
    if len(answer.texts) > 1 and all(map(read_number, answer.texts)):
        text = f"[{', '.join(answer.texts)}]"  # a formula and its number are none
    return text if len(text) <= GIVEN_LENGTH else text[:GIVEN_LENGTH] + "…"


class Entered:
    """What was written for one update, read once."""

    def __init__(
        self,
        key: AnswerKey,
        expressions: Expressions,
        answers: tuple[Answer, ...],
        commas: Commas,
    ) -> None:
        self.key = key
        self.expressions = expressions
        self.commas = commas
        self.typed: dict[int, str] = {}  # names that are not the sheet's own spelling
        self.read_as: dict[int, str] = {}  # what was taken for something that it does not look like
        self.changes: dict[str, tuple[str, bool]] = {}  # Δw as what, and whether it follows
        self.extras: list[tuple[Answer, str, Formula]] = []  # right or wrong, and not on the sheet
        self.given: dict[int, Answer] = {}
        self.numbers: dict[int, Written] = {}
        self.stated: dict[int, Written] = {}  # of given quantities, written down again
        self.texts: dict[int, tuple[str, ...]] = {}
        self.terms: dict[int, int] = {}  # so many are added up in the working
        self.strangers: list[Answer] = []
        self._sort(answers)
        self.habit = self._habit()
        self.fewest = self._fewest()
        self.everywhere = self._everywhere()
        self.order = sorted(self.key.asked.keys() | self.given.keys())

    def _sort(self, answers: tuple[Answer, ...]) -> None:
        names = self.key.names
        changes: list[tuple[Answer, str]] = []
        for answer in self._entry_by_entry(self._one_by_one(answers)):
            if answer.texts and NOT_ANSWERED.issuperset(answer.texts):
                continue
            name = names.exactly(answer.name)
            if name is not None:
                self._enter(name, answer)
                continue
            found = names.look(answer.name)
            if found.change and len(found.names) == 1 and not self.key.symbolic:
                changes.append((answer, found.names[0]))
            elif found.one is not None:
                self._enter(found.one, answer, answer.name)
            elif not found.names and (derivative := names.between(answer.name)) is not None:
                self.extras.append((answer, *derivative))
            elif not answer.in_words or (found.names and any(map(str.isdigit, answer.name))):
                self.strangers.append(answer)
        if changes:
            self._sort_changes(changes)
        self._move_new_values()

    def _one_by_one(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        """The answers, `.855 a1_1 = .7` under z1_1 as two of them where a1_1 comes later: then it
        is no factor."""
        for answer in answers:
            while len(answer.texts) == 1 and " " in answer.texts[0]:
                found = _RUN_ON.fullmatch(answer.texts[0])
                if not found or not self._is_later(found[2], answer.name):
                    break
                yield answer._replace(texts=(found[1],), cells=None)
                answer = answer._replace(name=found[2], texts=(found[3],), cells=None)
            yield answer

    def _is_later(self, name: str, other: str) -> bool:
        """Whether one quantity is calculated from another, or stands behind it in the forward pass."""
        structure, names = self.key.structure, self.key.names
        at, before = (structure.slots.get(names.find(each) or "", -1) for each in (name, other))
        node = structure.nodes[before]
        forward = node is not None and node.step.section in ("forward", "loss")
        return at > before >= 0 and (forward or at in structure.later(before))

    def _move_new_values(self) -> None:
        """New values under the names of the old ones, `w = 0.2 - 0.5*0.3 = 0.05`, where at least
        half of what is no given number is one."""
        slots, truth = self.key.structure.slots, self.key.truth
        moved, fitting = [], 0
        for old, new in ((slots[old], slots[new]) for old, new in self.key.graph.carried.items()):
            found, texts = self.stated.get(old), self.texts.get(old, ())
            if old not in self.given or new in self.given or (found and self.is_given(old, found)):
                continue
            if found or texts:
                moved.append((old, new))
                worked = any(re.search(r"\S\s*[-+−–]", text) for text in texts)
                same = found and found.unit <= abs(truth[new] - truth[old])
                same = same and found and written_the_same(found.value, found.unit, truth[new])
                fitting += bool(worked or same)
        for old, new in moved if 2 * fitting >= len(moved) else ():
            answer = self.given.pop(old)
            self.stated.pop(old, None)
            self.texts.pop(old, None)
            self.given[new], self.typed[new] = answer, answer.name
            self._read(new, answer)
            self.read_as[new] = "the new value"

    def _enter(self, name: str, answer: Answer, typed: str = "") -> None:
        """An answer to what the sheet calls so, under its own spelling or as it was `typed`."""
        if (extra := self.key.names.locals.get(name)) is not None:
            self.extras.append((answer, name, extra))
            return
        slot = self.key.structure.slots[name]
        if (first := self.given.get(slot)) is not None:
            before, aside = _is_aside(self.typed.get(slot, "")), _is_aside(typed)
            if aside and not before:
                return  # `error: yhat - y = -0.23` beside L is no loss
            if before and not aside:
                self.typed.pop(slot, None)
            self.numbers.pop(slot, None)
            self.texts.pop(slot, None)
            both = joined(first, answer) if before == aside else answer
            if both is None:
                problem = f"it is given twice, as {first.name} and as {answer.name}"
                both = first._replace(problem=problem)
            answer = both
        if typed:
            self.typed.setdefault(slot, typed)
        self.given[slot] = answer
        if answer.problem is None:
            self._read(slot, answer)

    def _sort_changes(self, changes: Sequence[tuple[Answer, str]]) -> None:
        """Δw is to some the gradient, to some the change of w and to some what is taken off it:
        all are read as what most of them are the value of, or follow as from own numbers."""
        votes = Counter(kind for each in changes for kind, fits in self._kinds(*each) if any(fits))
        kinds = votes.most_common(2)
        if not kinds or (len(kinds) > 1 and kinds[0][1] == kinds[1][1]):
            self.strangers += [answer for answer, _ in changes]
            return
        kind = kinds[0][0]
        for answer, gradient in changes:
            if kind == GRADIENT:
                self._enter(gradient, answer, answer.name)
                self.read_as[self.key.structure.slots[gradient]] = kind
                continue
            old = self.key.graph.step[gradient].of or ""
            new = Name(self.key.graph.carried[old])
            pair = (new, Name(old)) if kind == ADDED else (Name(old), new)
            name = f"{pair[0].name} - {pair[1].name}"
            self.extras.append((answer, name, Sum((pair[0], Negative(pair[1])))))
            self.changes[name] = kind, dict(self._kinds(answer, gradient)).get(kind, (False,))[-1]

    def _kinds(self, answer: Answer, gradient: str) -> Iterator[tuple[str, tuple[bool, ...]]]:
        """What the number in Δw can be: whether it is that on the sheet, and in the own work."""
        slots, truth = self.key.structure.slots, self.key.truth
        text = answer.texts[0].strip() if len(answer.texts) == 1 else ""
        found = self.expressions.reader.read(text, self.commas, False, None).number
        old = self.key.graph.step[gradient].of or ""
        new = self.key.graph.carried.get(old)
        if found is None or not found.digits or new is None:
            return
        rate = truth[slots["eta"]] if "eta" in slots else math.nan
        before = truth[slots[old]]
        after, slope = self.numbers.get(slots[new]), self.numbers.get(slots[gradient])
        change = truth[slots[new]] - before
        kinds = [(ADDED, 1.0, change), (TAKEN, -1.0, -change)]
        if slots[gradient] not in self.given:
            kinds.insert(0, (GRADIENT, -rate, truth[slots[gradient]]))
        for kind, factor, value in kinds:
            own = factor * found.value
            follows = after is not None and abs(own) > after.unit and (
                abs(before + own - after.value) <= after.unit + abs(factor) * found.unit
            )  # fmt: skip
            if (
                slope is not None
                and abs(own + rate * slope.value) <= rate * slope.unit + found.unit
            ):
                follows = True
            yield kind, (written_the_same(found.value, found.unit, value), follows)

    def _entry_by_entry(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        """The answers, whole arrays as an answer to each of their entries. An array that does not
        fit is an answer to the first of them, which cannot be read."""
        for answer in answers:
            exactly = self.key.names.exactly(answer.name) is not None
            view = None if exactly else self.key.names.array(answer.name)
            alike = None if exactly else view or self.key.names.array_alike(answer.name)
            cells = answer.cells
            if alike is not None and (cells is None or misfit(cells.shape, alike.shape)):
                cells = _typed(answer, alike.shape) or cells
            if cells is not None:
                view = alike
            if view is None:
                yield answer
                continue
            names = [entry.name if isinstance(entry, Name) else "" for entry in view.entries]
            if answer.problem is None and cells is None:
                each = tuple(answer._replace(texts=(text,)) for text in answer.texts)
                cells = Cells((len(each),), each)
            problem = None if cells is None else misfit(cells.shape, view.shape)
            said: str | None = None
            if problem and cells is not None and len(view.shape) == 2:
                rows, columns = view.shape
                if cells.shape == (columns, rows):  # it is read as what it is the transpose of
                    turned = (cells.answers[j * rows + i] for i, j in places(view.shape))
                    cells, problem, said = Cells(view.shape, tuple(turned)), None, problem
            elif problem and cells is not None and self._not_added_up(names, cells, view.shape):
                first_row = cells.answers[: len(names)]
                cells, problem, said = Cells(view.shape, first_row), None, problem
            if cells is None or problem is not None:
                first = next(name for name in names if name)
                reason = (
                    f"{view.name} is a whole array, and {problem}" if problem else answer.problem
                )
                if cells is not None and cells.shape == (1,):
                    reason = f"{reason}, or each its own name, as {first}"
                yield Answer(first, answer.texts, answer.line, answer.column, reason)
                continue
            for name, cell in zip(names, cells.answers, strict=True):
                if name and cell is not None:
                    yield cell._replace(name=name, misshapen=said)
                    said = None

    def _not_added_up(self, names: Sequence[str], cells: Cells, shape: tuple[int, ...]) -> bool:
        """Whether a gradient was handed in by the rows that each of its entries is the sum of."""
        nodes, slots = self.key.structure.nodes, self.key.structure.slots
        rows = {
            node and len(node.step.links) for node in (nodes[slots[name]] for name in names if name)
        }
        return cells.shape is not None and cells.shape[1:] == shape and rows == {cells.shape[0]}

    def _read(self, slot: int, answer: Answer) -> None:
        """The numbers and expressions in one answer."""
        node = self.key.structure.nodes[slot]
        symbolic = self.key.symbolic
        numbers = self.stated if node is None else self.numbers
        alone = answer.texts[0].strip() if len(answer.texts) == 1 and not symbolic else ""
        if (number := read_number(alone)) is not None:  # nearly all answers of nearly all students
            numbers[slot] = number
            return
        expressions = []
        read_as: list[str] = []
        texts = list(parts_of(answer.texts))
        if len(texts) > 1:  # `z1_1 = 0.855` under z1_1
            own = self.key.structure.names[slot]
            texts = [text for text in texts if self.key.names.find(text.strip()) != own] or texts
            texts = [text for text in texts if not self.expressions.reader.in_words(text)] or texts
        unit = None if node is None or node.step.unit is None else node.step.unit.index
        for text in texts:
            found = self.expressions.reader.read(text, self.commas, symbolic, unit)
            if found.question:
                self.given[slot] = answer._replace(problem=found.question)
                return
            written = found.number
            read_as += [found.read_as] if found.read_as else []
            if written is None:
                expressions.append(found.expression or text)
            elif slot in numbers and is_rounded(numbers[slot], written):
                numbers[slot] = written
            elif slot in numbers and not is_rounded(written, numbers[slot]):
                self.given[slot] = answer._replace(problem="it holds two numbers")
            else:
                numbers.setdefault(slot, written)
        if node is not None and not symbolic:
            expressions = self._without_working(slot, expressions)
        if expressions:
            self.texts[slot] = tuple(expressions)
        if read_as:
            self.read_as[slot] = " = ".join(read_as)

    def _without_working(self, slot: int, texts: Sequence[str]) -> list[str]:
        """The expressions but those that only have numbers put in and come to the answer's number;
        the last such one is the number where no other is given."""
        left: list[str] = []
        for text in reversed(texts):
            found = self.expressions.constant(text)
            if found and not isinstance(formula := self.expressions.parsed(text), str):
                self.terms[slot] = 1 + sum(
                    len(part.terms) - 1 for part, _ in inside(formula) if isinstance(part, Sum)
                )
            if found and not math.isfinite(found.value):
                problem = f"{quote(text.strip())} comes to no number"
                self.given[slot] = self.given[slot]._replace(problem=problem)
                return []
            number = self.numbers.setdefault(slot, found) if found else self.numbers.get(slot)
            if not (found and number and came_to(found, number)):
                left.append(text)
        return left[::-1]

    def _habit(self) -> Habit:
        """How this student rounds: to significant digits as a rule, or to the same decimals."""
        numbers = [written for written in self.numbers.values() if written.style]
        if not numbers:
            return Habit(17)
        styles = sorted(written.style for written in numbers)
        digits = styles[3 * len(styles) // 4]
        unit, times = Counter(written.unit for written in numbers).most_common(1)[0]
        other = Counter(written.digits for written in numbers).most_common(1)[0][1]
        decimals = len(numbers) >= FEWEST_DIFFERENT and times > max(other, 0.75 * len(numbers))
        return Habit(digits, unit if decimals else 0.0)

    def _fewest(self) -> Habit:
        """The fewest digits that a gradient has, zeros at its end left out, and the largest unit: so
        coarse may the roundings on the way have been."""
        nodes = self.key.structure.nodes
        digits, unit = 17, 0.0
        for slot, written in self.numbers.items():
            node = nodes[slot]
            if written.digits and node is not None and node.step.section == "gradient":
                mantissa = f"{abs(written.value):.{min(written.digits, 17) - 1}e}".partition("e")[0]
                shown = len(mantissa.replace(".", "").rstrip("0")) or 1
                digits, unit = min(digits, shown), max(unit, quantum(written.value, shown))
        return Habit(digits, unit)

    def _everywhere(self) -> frozenset[float]:
        """The numbers that stand at most places of a section, though others belong there."""
        truth = self.key.truth
        sections: dict[str, dict[float, list[int]]] = {}
        for slot, written in self.numbers.items():
            node = self.key.structure.nodes[slot]
            if node is not None and written.digits:
                places = sections.setdefault(node.step.section, {})
                places.setdefault(written.value, []).append(slot)
        found = set()
        for places in sections.values():
            value, most = max(places.items(), key=lambda each: len(each[1]))
            belongs = {
                f"{truth[slot]:.3g}"
                for slot in most
                if not written_the_same(value, self.numbers[slot].unit, truth[slot])
            }
            all_of_it = sum(map(len, places.values()))
            if len(belongs) >= FEWEST_DIFFERENT and 2 * len(most) > all_of_it:
                found.add(value)
        return frozenset(found)

    def misstated(self) -> Iterator[tuple[str, float]]:
        """Given quantities that were written down as another number."""
        for slot, written in self.stated.items():
            if not self.is_given(slot, written):
                yield self.key.structure.names[slot], written.value

    def is_given(self, slot: int, written: Written) -> bool:
        truth = self.key.truth[slot]
        return abs(written.value - truth) <= max(written.unit / 2, 1e-12 * abs(truth))
