"""What a student wrote: answers as written, with the place where they stand, update by update.

Numbers are never turned into floats here: `0.90` stays `0.90`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.marking.numbers import is_rounded, read_number
from backprop_cli.patterns import pattern

MOST_BYTES = 1 << 20
MOST_ANSWERS = 10_000
MOST_LEVELS = 4  # of lists in lists
MOST_CHARACTERS = 4000
MOST_ITERATIONS = 1000
MOST_TEXTS = 4
MOST_REMARKS = 20
STUDENT_LENGTH = 200


class Cells(NamedTuple):
    """A list as the array that it may be meant for: row by row, the last level running fastest.

    `shape` is None where rows differ in length.
    """

    shape: tuple[int, ...] | None
    answers: tuple[Answer | None, ...]


class Answer(NamedTuple):
    """One answer: the name as written, its number and/or expression as written, and its place.

    `problem` says why it cannot be read at all (given twice, a list within a list).
    """

    name: str
    texts: tuple[str, ...]
    line: int  # of the value, from 1; 0 where the format has no lines
    column: int
    problem: str | None = None
    cells: Cells | None = None  # of a list that only an array can be meant by
    misshapen: str | None = None  # what is wrong with the shape of the array that it begins
    in_words: bool = False  # its name stands among the words of a page, and may be none


@dataclass(frozen=True)
class Submission:
    """One student's file. `iterations` holds the answers update by update.

    With `error` set the file could not be read and holds no answers. `remarks` say how it was
    mended where it is not as it should be.
    """

    file: str
    student: str
    iterations: tuple[tuple[Answer, ...], ...] = ()
    error: str | None = None
    remarks: tuple[str, ...] = ()


class Unusable(Exception):
    """The file is well formed, and is no answer file."""


def spoilt(file: str, reason: str) -> Submission:
    return Submission(file, student_of(file), (), reason)


def student_of(file: str) -> str:
    """Who a file is from when it does not say: its name without the ending."""
    return "-" if file == "-" else Path(file).stem or file


def student_named(text: str) -> str:
    return " ".join(text.split())[:STUDENT_LENGTH]


def bounded(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts of one answer: no more of them, and no more of each, than is told of."""
    return tuple(text[: MOST_CHARACTERS + 1] for text in texts if text)[:MOST_TEXTS]


class Updates:
    """The answers by updates, each name once in each; on a `page` a formula and its number may
    stand in two places."""

    def __init__(self, page: bool = False) -> None:
        self.page = page
        self.count = 0
        self.found: dict[int, list[Answer]] = {}
        self._places: dict[tuple[int, str], int] = {}

    def begin(self, update: int) -> list[Answer]:
        """The answers to an update, though there may be none."""
        return self.found.setdefault(min(max(update, 1), MOST_ITERATIONS), [])

    def add(self, update: int, answer: Answer, values: Sequence[str] = ()) -> None:
        """One answer; with `values` a name that comes again is one more row of an array."""
        group = self.begin(update)
        place = self._places.setdefault((update, answer.name), len(group))
        if place == len(group) or values:
            self.count += len(answer.cells.answers) if answer.cells else 1
        if self.count > MOST_ANSWERS:
            raise Unusable(f"line {answer.line}: more than {MOST_ANSWERS} answers")
        if place == len(group):
            group.append(answer)
            return
        first = group[place]
        group[place] = _with_row(first, values, answer) if values else twice(first, answer.line)
        if self.page and (both := joined(first, answer)):
            group[place] = both._replace(cells=group[place].cells)

    def row(self, update: int, line: int, cells: Sequence[str]) -> None:
        """A name and what stands in the cells beside it: a number, an expression, or an array."""
        name, column = cells[0][:STUDENT_LENGTH], len(cells[0]) + 2
        values = tuple(cell for cell in cells[1:] if cell)[: MOST_ANSWERS + 1]
        if not (texts := bounded(cells[1 : MOST_TEXTS + 1])):
            return
        array = as_list(name, values[0], line, column) if len(values) == 1 else None
        if array is None and len(values) > len(texts):
            array = Cells((len(values),), _entries(name, values, line, column))
        self.add(update, Answer(name, texts, line, column, None, array), values)

    def iterations(self) -> tuple[tuple[Answer, ...], ...]:
        last = max(self.found, default=1)
        return tuple(tuple(self.found.get(each, ())) for each in range(1, last + 1))


def twice(first: Answer, line: int) -> Answer:
    """The answer, marked as given a second time; a third time says no more."""
    if first.problem is not None and first.cells is None:
        return first
    return first._replace(
        cells=None, problem=f"it is given twice, on lines {first.line} and {line}"
    )


def joined(first: Answer, again: Answer) -> Answer | None:
    """A formula and its number that stand in two places as one answer; None for two numbers,
    unless one is the other rounded."""
    read = {text: read_number(text) for text in (*first.texts, *again.texts)}
    numbers = [number for number in read.values() if number is not None]
    finest = min(numbers, key=lambda number: number.unit, default=None)
    if first.problem or again.problem or len(read) - max(0, len(numbers) - 1) > MOST_TEXTS:
        return None
    if finest and not all(is_rounded(number, finest) for number in numbers):
        return None
    return first._replace(texts=tuple(text for text in read if read[text] in (None, finest)))


# Arrays

Nested: TypeAlias = "Answer | list[Nested] | None"
_GAP = pattern(r"(?<=[\d.\]])\s+(?=[-+\d.\[])")
_ROWS_APART = pattern(r"\]\s{0,9};\s{0,9}\[")
_LISTED = pattern(r"\s*(?:(\[)|(\])|,|([^\[\],]+))")


def as_array(nested: Nested) -> Cells | None:
    """Lists in lists row by row; None where there are too many, or what is no list in them."""
    shape: list[int] = []
    level, even = [nested], True
    while any(isinstance(each, list) for each in level):
        rows = [each if isinstance(each, list) else [each] for each in level]
        even = even and len({len(row) for row in rows}) == 1
        shape.append(len(rows[0]))
        level = [item for row in rows for item in row]
        if len(level) > MOST_ANSWERS or len(shape) > MOST_LEVELS:
            return None
    found = tuple(each for each in level if not isinstance(each, list))
    if not shape or any(each is not None and not each.texts for each in found):
        return None
    return Cells(tuple(shape) if even else None, found)


def as_list(name: str, text: str, line: int, column: int) -> Cells | None:
    """`[[1, 2], [3, 4]]` in one cell, or `(1, 2)`."""
    if text[:1] == "(" and text[-1:] == ")" and "," in text:
        text = f"[{text[1:-1]}]"
    if not text.startswith("[") or len(text) > MOST_BYTES // 8:
        return None
    text = _ROWS_APART.sub("],[", text)
    if "," not in text:  # as other programs write them: [[1. 2.] [3. 4.]], [1 2; 3 4]
        lines = _GAP.sub(",", text).split(";")
        text = lines[0] if len(lines) == 1 else f"[{'],['.join(lines)}]"
    open_: list[list[Nested]] = [[]]
    for found in _LISTED.finditer(text):
        if found[1] and len(open_) <= MOST_LEVELS:
            inner: list[Nested] = []
            open_[-1].append(inner)
            open_.append(inner)
        elif found[1] or (len(open_) == 1 and found[0].strip(" ,")):
            return None
        elif found[2]:
            open_.pop()
        elif found[3] and found[3].strip():
            open_[-1] += _entries(name, [found[3].strip()], line, column)
    rows: Nested = open_[0][0] if len(open_[0]) == 1 else open_[0]  # `[1 2] [3 4]` are two
    return as_array(rows) if len(open_) == 1 else None


def _entries(name: str, values: Sequence[str], line: int, column: int) -> tuple[Answer, ...]:
    return tuple(Answer(name, bounded((each,)), line, column) for each in values)


def _with_row(first: Answer, values: Sequence[str], again: Answer) -> Answer:
    """A name again: one more row, where it is that of an array; else it is given twice."""
    row = _entries(first.name, values, again.line, again.column)
    have = first.cells
    if have is None:
        own = _entries(first.name, first.texts, first.line, first.column)
        have = Cells((len(own),), own)
    shape = have.shape
    if shape is not None:
        rows, wide = shape if len(shape) == 2 else (1, shape[0])
        even = wide == len(row) and len(shape) < 3
        shape = (rows + 1, wide) if even else None
    again_ = twice(first._replace(cells=None, problem=None), again.line)
    return again_._replace(cells=Cells(shape, (*have.answers, *row)))
