"""Tables on a page and in CSV: which cells are names, and which the answers to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from backprop_cli.marking.lines import unwrapped, without_markup
from backprop_cli.patterns import pattern

Row: TypeAlias = tuple[int, list[str]]
"""The number of a line, and the cells on it."""

_NAMED = frozenset({"name", "quantity", "symbol", "variable", "term", "unit", "gate"})
_VALUED = frozenset({"value", "values", "answer", "answers", "result", "results", "number"})
_COLUMNS = (
    (pattern(r"(?:update|iteration|epoch) ?(\d{1,3})"), ""),
    (pattern(r"(?:sample|example) ?(\d{1,4})"), "{name}[{number}]"),
    (pattern(r"(?:unit|neuron) ?(\d{1,4})"), "{name}_{number}"),
    (pattern(r"(?:new|updated)(?: value)?"), "{name} new"),
    (pattern(r"grad(?:ient)?|derivative|backward(?: pass)?"), "grad {name}"),
)
"""What stands below a head that says so: the same in another update, or something else of it."""
_FORWARD = frozenset({*_VALUED, "forward", "forward pass"})
"""What stands in one more column of the same table, beside those."""
_UNITS = frozenset({"", "i", "j", "k", "unit", "neuron", "node", "class"})
COUNTED = frozenset({"update", "iteration", "epoch"})
_OF_UNIT = pattern(r"(?:unit |neuron )?([\d_,]{1,9})", re.I)
_BESIDE = frozenset({"#", "no", "no.", "nr", "nr.", "remark", "remarks", "comment", "comments",
                     "note", "notes", "points", "given", "old", "update", "iteration"})  # fmt: skip
"""Columns of a table beside names and answers."""
_IN_NUMBERS = pattern(r"\s*[-+−–$]*\s*[\d.]|\s*\Z")
_QUANTITY = pattern(r"(?=.*[\d_^\\∂])[^\s\\]+|\\.*|\w{1,2}|\w?hat")
_WORDS = pattern(r"[A-Za-z .'/-]*")
_RULED = pattern(r"[\s|:-]*--[\s|:-]*\|[\s|:-]*\Z")
_CELL = pattern(r"<t[dh][^<>]{0,60}>([^<>]{0,400})</t[dh]>", re.I)


def is_header(words: Sequence[str], begun: bool) -> bool:
    """Whether a row says what stands below it: `Quantity | Your answer`."""
    named = words[0] in _NAMED
    valued = len(words) > 1 and words[1].rpartition(" ")[2] in _VALUED
    return (named and valued) or (not begun and (valued or words[0] == "name"))


def in_pipes(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The lines of a page with the rows of every table, in LaTeX, in HTML or without bars at its
    sides, written as `| z1_1 | 0.5 |`."""
    plain = list(_as_plain(lines))
    bare = any(_RULED.match(text) and text.lstrip()[:1] != "|" for _, text in plain)
    for number, text in plain:
        yield number, f"|{text.lstrip(' |')}" if bare and "|" in text else text


def _as_plain(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    inside = False
    for number, line in lines:
        inside = (inside or r"\begin{tabular" in line) and r"\end{tabular" not in line
        if cells := _CELL.findall(line) if "<t" in line else ():
            yield number, f"|{'|'.join(cells)}|"
        elif inside and "&" in line:
            yield number, f"|{line.replace('&', '|').replace(chr(92) * 2, '')}|"
        elif not (inside and "hline" in line):
            yield number, line


def _cells_of(line: str) -> list[str] | None:
    """The cells of a row of a table; None for the line below its head."""
    if not line.strip("|-: "):
        return None
    cells = re.split(r"(?<!\\)\|", without_markup(line).strip().strip("|"))
    return [unwrapped(cell) for cell in cells]


def table_of(lines: Sequence[tuple[int, str]]) -> tuple[list[Row], bool]:
    """The rows of a table, and whether a line is drawn below its head."""
    table = [(line, cells) for line, text in lines if (cells := _cells_of(text))]
    return table, any(_RULED.match(text) for _, text in lines[1:2])


def answers_of(table: Sequence[Row], ruled: bool, update: int) -> Iterator[tuple[int, Row]]:
    """Names and values of a table, with their updates, whichever way round it stands."""
    head = [cell.lower() for cell in table[0][1]]
    names = [at for at, word in enumerate(head) if word in _NAMED]
    columns = [
        (at, form, found.groups())
        for at, word in enumerate(head)
        for marked, form in _COLUMNS
        if at and (found := marked.fullmatch(word))
    ]
    if columns:
        plain = [at for at, word in enumerate(head) if at and word in _FORWARD]
        columns += [(at, "{name}", ()) for at in plain]
    if not columns and not names and (start := _turned(table)) is not None:
        yield from _below(table, start, update)
        return
    valued = any(word.rpartition(" ")[2] in _VALUED for word in head)
    in_words = ruled and max(map(len, head)) > 4 and all(map(_WORDS.fullmatch, head))
    headed = bool(columns or in_words or (names and valued)) or is_header(head, False)
    beside = {at for at, word in enumerate(head) if headed and word in _BESIDE}
    for line, cells in table[headed:]:
        for at, form, marks in columns:
            name = form.format(name=cells[0], number="".join(marks)) if form else cells[0]
            yield update if form else int(marks[0]), (line, [name, *cells[at : at + 1]])
        if columns:
            continue
        counted = headed and head[0] in COUNTED and cells[0].isdigit()
        number = int(cells[0][:4]) if counted else update
        places = names if headed and names else range(0, len(cells), 2) if _paired(cells) else [0]
        for at, end in zip(places, [*places[1:], len(cells)], strict=True):
            yield (
                number,
                (line, [cells[i] for i in range(at, min(end, len(cells))) if i not in beside]),
            )


def _turned(table: Sequence[Row]) -> int | None:
    """The first column of numbers below a row of names, where a table is one."""
    head, rows = table[0][1], [cells for _, cells in table[1:]]
    for start in (1, 0) if head[0].lower() in _UNITS else (0, 1):
        named = len(head) > 1 + start and all(map(_QUANTITY.fullmatch, head[start:]))
        values = [cell for cells in rows for cell in cells[start:]]
        alone = not start or len(rows) == 1 or all(_OF_UNIT.fullmatch(cells[0]) for cells in rows)
        if named and values and alone and all(map(_IN_NUMBERS.match, values)):
            return start
    return None


def _below(table: Sequence[Row], start: int, update: int) -> Iterator[tuple[int, Row]]:
    """Numbers below their names: a row for each unit, or else for each update."""
    counts = table[0][1][0].lower() in COUNTED
    for number, (line, cells) in enumerate(table[1:], update):
        if counts and cells[0].isdigit():
            number = int(cells[0][:4])
        unit = ""
        if start and not counts and (found := _OF_UNIT.fullmatch(cells[0])):
            unit = f"_{found[1]}"
        for name, value in zip(table[0][1][start:], cells[start:], strict=False):
            yield update if unit else number, (line, [name + unit, value])


def _paired(cells: Sequence[str]) -> bool:
    """Whether a row is name, number, name, number."""
    names, values = cells[::2], cells[1::2]
    fits = all(map(_QUANTITY.fullmatch, names)) and all(map(_IN_NUMBERS.match, values))
    return fits and len(names) == len(values) > 1
