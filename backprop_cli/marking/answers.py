"""Answer files: what a student wrote, as written, with the place where it stands.

YAML, JSON, CSV and pages with answers on them become one `Submission`. Numbers are never turned into floats
here: `0.90` stays `0.90`. Whatever is wrong with a file as a whole ends up in `error`; reading
raises nothing, so that one bad file in a class spoils only itself.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import Diagnostic, Source, escape, quote
from backprop_cli.marking import typed_rows
from backprop_cli.marking.lines import Statement, is_name, statements, unwrapped, without_markup
from backprop_cli.marking.numbers import is_rounded, read_number
from backprop_cli.problem.source_file import standard_input
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar, compose

MOST_BYTES = 1 << 20
MOST_ANSWERS = 5000
MOST_LEVELS = 4  # of lists in lists
MOST_CHARACTERS = 4000
MOST_ITERATIONS = 1000
MOST_BLOCKS = 100  # of code on a page
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


def read_submission(path: str | Path) -> Submission:
    """Reads a file (`-` is standard input); never raises for what is in it or missing."""
    file = str(path)
    try:
        if file == "-":
            data = standard_input(MOST_BYTES + 1)
        else:
            with open(file, "rb", buffering=0) as stream:
                data = stream.read(MOST_BYTES + 1) or b""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "cannot be opened"
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else reason
        reason = "it is a directory" if isinstance(error, IsADirectoryError) else reason
        return _spoilt(file, f"cannot read the file: {reason}")
    return parse_submission(file, data)


def parse_submission(file: str, data: bytes | str) -> Submission:
    """The answers in `data`; the ending of `file` tells the format, YAML by default."""
    if len(data) > MOST_BYTES:
        return _spoilt(file, "the file is larger than 1 MiB")
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return _spoilt(file, f"line {line}: the file is not UTF-8 text")
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return _spoilt(file, f"line {line}: the file is not text")
    try:
        if is_page(file) and (page := _of_page(file, text)) is not None:
            return page
        found = _in_form(file, text)
        if found.error is None:
            return found
        lines = _numbered(text)
        if is_page(file) and not any(_HEAD.match(line) for _, line in lines):
            return _of_lines(file, lines) or found
        return _by_lines(file, lines, found.error) or found
    except _Unusable as error:
        return _spoilt(file, str(error))


def _numbered(text: str) -> list[tuple[int, str]]:
    return list(enumerate(text.replace("\r\n", "\n").split("\n"), 1))


def _in_form(file: str, text: str) -> Submission:
    """The answers of a file that is CSV, JSON or YAML from end to end."""
    if not text.strip():
        return _spoilt(file, "the file is empty")
    if _is_csv(file, text):
        return _of_rows(file, _csv_rows(text))
    return _quick_yaml(file, text) or _parse_tree(file, _as_yaml(text))


_PAIR = re.compile(r"(?:\\u[dD][89a-fA-F][0-9a-fA-F]{2}){1,2}")
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.){0,4000}"')
_MEANT = re.compile(
    r'\\(?!["\\/]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}(?![0-9A-Za-z])|[nt0](?![A-Za-z]))|\\\\(?=[A-Za-z])'
)


# Pages: what stands between words and pictures. Tables, the lines of a blank sheet that was filled in
# (in each notation that it is written in), or one block of YAML, JSON or CSV.

_FENCE, _NONE = re.compile(r"\s*(?:```|~~~)\s*([\w-]*)"), re.compile(r"(?!)")
_KEY = re.compile(
    r"\((?:\\ )?(?:`+|<code>|\*)(?P<name>[^`<*\n]+)(?:`+|</code>|\*)(?:\\ )?\)\Z"
    r"|\\hrulefill\\quad \{\\small \\texttt\{(?P<typeset>.+)\}\}\\par\}?\Z"
    r"|(?<=[\s_])\s{2}(?P<aside>[A-Za-z][^\s()]*(?: \([\d×]+\))?)\Z"
)
"""What ends a line of a blank sheet: the name to answer under."""
LONGEST_KEY = 400
MOST_ROWS = 200
"""So many lines are looked through for the rows of an array."""
_RULE = re.compile(r"(?:(?:\\_)+|_{3,}|\.{4,}|&nbsp;)")
_UPDATE = re.compile(
    r"(?:[\s#*]*|.*\{)(?:(?:Update|Iteration|Epoch) (\d{1,4})\b|(1st|2nd|3rd|first|second|third) "
    r"(?:update|iteration|epoch)\b)(?!.*[=|])",
    re.I,
)
_ORDER = {"1st": 1, "2nd": 2, "3rd": 3, "first": 1, "second": 2, "third": 3}
_MARKUP = frozenset({"md", "markdown"})
_PAGES = _MARKUP | {"txt", "text", "rst", "tex"}
_WRITTEN_IN = {"": "yaml", "yaml": "yaml", "yml": "yaml", "json": "json", "csv": "csv"}
"""The languages of blocks that are read, and the endings of files in them."""
_LINES_IN = frozenset({"", "text", "txt", "plaintext", "math", "latex", "tex", "markdown", "md"})
"""The languages of blocks whose lines are as good as those outside."""
_PROGRAM = re.compile(r"\s*[A-Za-z][\w\[\], ]{0,60}=\s*[-\d(A-Za-z]")
_HEAD = re.compile(r"(?:answers|iterations):\s*\Z")
NO_ANSWERS = "there are no answers on this page"
Row: TypeAlias = tuple[int, list[str]]


def is_page(file: str) -> bool:
    """Whether a file may hold answers among other things, or none at all."""
    return file.rpartition(".")[2].lower() in _PAGES


def _of_page(file: str, text: str) -> Submission | None:
    """The answers of a blank sheet that was filled in; in Markdown also those of blocks, of tables
    and of lines. None where the page is to be read as plain text is."""
    ending = file.rpartition(".")[2].lower()
    blocks, lines = _fenced(text, _FENCE if ending in _MARKUP else _NONE)
    if filled := list(_filled(lines, ending in ("txt", "text") and "Points:" in text)):
        return _of_rows(file, filled, numbered=True)
    if len(blocks) > MOST_BLOCKS:
        return _spoilt(file, f"more than {MOST_BLOCKS} blocks of code")
    headed = any(_HEAD.match(line) for _, line in lines)
    if ending not in _MARKUP:
        stated = any(said.sign not in ("", ":") for said in statements(lines))
        stated = stated or any(_update(line) for _, line in lines)
        plain = stated and not headed and not text.lstrip().startswith("{")
        plain = plain and not _is_csv(file, text)
        return _of_lines(file, lines) if plain else None
    found: list[Submission] = []
    remarks: list[str] = []
    for kind, first, block in blocks:
        whole = "\n" * first + "\n".join(block)
        if kind in _WRITTEN_IN and whole.strip():
            inner = (parse_submission if kind else _in_form)(f"page.{_WRITTEN_IN[kind]}", whole)
            if inner.error is None:
                found.append(inner)
                continue
            if kind:
                remarks.append(f"{inner.error[:1].upper()}{inner.error[1:]}.")
        if kind in _LINES_IN:
            lines += [(first, "$$"), *enumerate(block, first + 1), (first, "$$")]
        elif kind not in _WRITTEN_IN and any(map(_PROGRAM.match, block)):
            remarks.append(f"The block of {kind} from line {first} on was not read.")
    if not found and headed:
        return None
    if outside := _of_lines(file, lines):
        found.append(outside)
    if not found:
        return _spoilt(file, " ".join(remarks).removesuffix(".") or NO_ANSWERS)
    return _together(file, found, remarks)


def _together(file: str, found: Sequence[Submission], remarks: Sequence[str]) -> Submission:
    """The answers of a page as one; what an earlier part says, a later one only repeats."""
    updates = max(len(part.iterations) for part in found)
    groups: list[dict[str, Answer]] = [{} for _ in range(updates)]
    for part in found:
        for group, answers in zip(groups, part.iterations, strict=False):
            for answer in answers:
                group.setdefault(answer.name, answer)
    own = (part.student for part in found if part.student not in ("page", student_of(file)))
    said = (*remarks, *(remark for part in found for remark in part.remarks))
    iterations = tuple(tuple(group.values()) for group in groups)
    return Submission(file, next(own, student_of(file)), iterations, None, said[:MOST_REMARKS])


def _fenced(
    text: str, mark: re.Pattern[str]
) -> tuple[list[tuple[str, int, list[str]]], list[tuple[int, str]]]:
    """Blocks between fences, with their language and the line before them; and all other lines."""
    blocks: list[tuple[str, int, list[str]]] = []
    others: list[tuple[int, str]] = []
    inside: list[str] | None = None
    for number, line in _numbered(text):
        if (fence := mark.match(line)) is not None:
            if inside is None:
                inside = []
                blocks.append((fence[1].lower(), number, inside))
            else:
                inside = None
        elif inside is not None:
            inside.append(line)
        else:
            others.append((number, line))
    return blocks, others


def _filled(lines: Iterable[tuple[int, str]], plain: bool) -> Iterator[Row]:
    """`$z =$ 5.02 (`z1_1`)` as update, name and value; what is left blank has no value. On the
    `plain` text of a sheet the name stands aside, below what is given, or is what it looks like."""
    update, begun = 1, False
    open_: tuple[int, int, str, tuple[int, int], list[str]] | None = None
    for number, line in lines:
        begun = begun or (plain and re.search(r"(?:point|said)\.\s*\Z", line) is not None)
        row = _RULE.sub("", line).strip()
        if open_ and "=" not in line and typed_rows.is_row(row) and len(open_[-1]) < MOST_ROWS:
            open_[-1].append(row)
            continue
        if open_ is not None:
            yield _closed(*open_)
            open_ = None
        if heading := _update(line):
            update = heading
        elif "=" in line:
            whole = line.strip()
            found = _KEY.search(whole, max(0, len(whole) - LONGEST_KEY))
            left, _, value = whole[: found.start() if found else None].partition("=")
            named = found and (found["name"] or found["typeset"])
            begun = begun or bool(named)
            if not named and not (begun and is_name(left)):
                continue
            written = named or (found and found["aside"]) or left.strip()
            written = re.sub(r"\\(?:allowbreak\{\}|(?=[_\[\]]))", "", written)
            name = written.partition(" ")[0] if named or "\\" not in written else written
            name, shape = name.strip(" $"), typed_rows.shape_of(written)
            value = _RULE.sub("", value).replace(r"\_", "_").strip(" \t_*`$")
            if shape is None:
                yield number, [str(update), name, value]
            else:
                open_ = number, update, name, shape, [value]
    if open_ is not None:
        yield _closed(*open_)


def _closed(
    number: int, update: int, name: str, shape: tuple[int, int], rows: Sequence[str]
) -> Row:
    """An array of a blank sheet, with what was typed into the room for its rows."""
    rows = [row for row in rows if row]
    return number, [str(update), name, typed_rows.as_list(rows, shape) or " ".join(rows)]


def _cells_of(line: str) -> list[str] | None:
    """The cells of a row of a table."""
    if not line.lstrip().startswith("|") or not line.strip("|-: "):
        return None
    cells = re.split(r"(?<!\\)\|", without_markup(line).strip().strip("|"))
    return [unwrapped(cell) for cell in cells]


_COLUMNS = (
    (re.compile(r"(?:update|iteration|epoch) ?(\d{1,3})"), ""),
    (re.compile(r"(?:sample|example) ?(\d{1,4})"), "{name}[{number}]"),
    (re.compile(r"(?:unit|neuron) ?(\d{1,4})"), "{name}_{number}"),
    (re.compile(r"(?:new|updated)(?: value)?"), "{name} new"),
    (re.compile(r"grad(?:ient)?|derivative"), "grad {name}"),
)
"""What stands below a head that says so: the same in another update, or something else of it."""
_UNITS = frozenset({"", "i", "j", "k", "unit", "neuron", "node", "class"})
_OF_UNIT = re.compile(r"(?:unit |neuron )?([\d_,]{1,9})", re.I)
_BESIDE = frozenset({"#", "no", "no.", "nr", "nr.", "remark", "remarks", "comment", "comments",
                     "note", "notes", "points", "given", "old", "update", "iteration"})  # fmt: skip
"""Columns of a table beside names and answers."""
_IN_NUMBERS = re.compile(r"\s*[-+−–$]*\s*[\d.]|\s*\Z")
_QUANTITY = re.compile(r"(?=.*[\d_^\\∂])[^\s\\]+|\\.*|\w{1,2}|\w?hat")
_WORDS = re.compile(r"[A-Za-z .'/-]*")
_RULED = re.compile(r"[\s|:-]*--[\s|:-]*\|[\s|:-]*\Z")


def _rows_of(table: Sequence[Row], update: int, ruled: bool) -> Iterator[tuple[int, Row]]:
    """Names and values of a table, with their updates, whichever way round it stands; `ruled`
    where a line is drawn below its first row."""
    head = [cell.lower() for cell in table[0][1]]
    names = [at for at, word in enumerate(head) if word in _NAMED]
    columns = [
        (at, form, found.groups())
        for at, word in enumerate(head)
        for pattern, form in _COLUMNS
        if at and (found := pattern.fullmatch(word))
    ]
    start = None if columns or names else _turned(table)
    if start is not None:
        for number, (line, cells) in enumerate(table[1:], update):
            unit = f"_{found[1]}" if start and (found := _OF_UNIT.fullmatch(cells[0])) else ""
            pairs = zip(table[0][1][start:], cells[start:], strict=False)
            for name, value in pairs:
                yield update if unit else number, (line, [name + unit, value])
        return
    headed = bool(columns) or _is_header(head, False)
    headed = headed or bool(names and any(word.rpartition(" ")[2] in _VALUED for word in head))
    headed = headed or (ruled and max(map(len, head)) > 4 and all(map(_WORDS.fullmatch, head)))
    for line, cells in table[headed:]:
        for at, form, marks in columns:
            name = form.format(name=cells[0], number="".join(marks)) if form else cells[0]
            yield update if form else int(marks[0]), (line, [name, *cells[at : at + 1]])
        if columns:
            continue
        number = update
        if headed and head[0] in ("update", "iteration") and cells[0].isdigit():
            number = int(cells[0][:4])
        places = names if headed and names else range(0, len(cells), 2) if _paired(cells) else [0]
        for at, end in zip(places, [*places[1:], len(cells)], strict=True):
            own = [
                cell
                for place, cell in enumerate(cells[at:end], at)
                if not (headed and place < len(head) and head[place] in _BESIDE)
            ]
            yield number, (line, own)


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


def _paired(cells: Sequence[str]) -> bool:
    """Whether a row is name, number, name, number."""
    names, values = cells[::2], cells[1::2]
    fits = all(map(_QUANTITY.fullmatch, names)) and all(map(_IN_NUMBERS.match, values))
    return fits and len(names) == len(values) > 1


def _as_yaml(text: str) -> str:
    """A backslash in quotes begins a word of LaTeX: `"\\times"` is no tab before `imes`. JSON is
    YAML but for tabs between values and characters that are written in two halves."""
    if text.lstrip().startswith("{"):
        text = _PAIR.sub(_of_halves, text.replace("\t", " "))
    return _QUOTED.sub(lambda found: _MEANT.sub(lambda _: "\\\\", found[0]), text)


def _of_halves(found: re.Match[str]) -> str:
    units = bytes.fromhex(found[0].replace("\\u", ""))
    return units.decode("utf-16-be", "replace")


class _Updates:
    """The answers by updates, each name once in each."""

    def __init__(self, page: bool = False) -> None:
        self.page = page
        self.found: dict[int, list[Answer]] = {}
        self._places: dict[tuple[int, str], int] = {}

    def add(self, update: int, answer: Answer, values: Sequence[str] = ()) -> None:
        """One answer; with `values` a name that comes again is one more row of an array."""
        update = min(max(update, 1), MOST_ITERATIONS)
        group = self.found.setdefault(update, [])
        place = self._places.setdefault((update, answer.name), len(group))
        if len(self._places) > MOST_ANSWERS:
            raise _Unusable(f"line {answer.line}: more than {MOST_ANSWERS} answers")
        if place == len(group):
            group.append(answer)
            return
        first = group[place]
        group[place] = _with_row(first, values, answer) if values else _twice(first, answer.line)
        if self.page and (both := joined(first, answer)):
            group[place] = both._replace(cells=group[place].cells)

    def row(self, update: int, line: int, cells: Sequence[str]) -> None:
        """A name and what stands in the cells beside it: a number, an expression, or an array."""
        name, column = cells[0][:STUDENT_LENGTH], len(cells[0]) + 2
        values = tuple(cell for cell in cells[1:] if cell)[: MOST_ANSWERS + 1]
        texts = tuple(text[: MOST_CHARACTERS + 1] for text in cells[1:5] if text)
        if not texts:
            return
        array = _as_list(name, values[0], line, column) if len(values) == 1 else None
        if array is None and len(values) > len(texts):
            array = Cells((len(values),), _entries_of(name, values, line, column))
        self.add(update, Answer(name, texts, line, column, None, array), values)

    def iterations(self) -> tuple[tuple[Answer, ...], ...]:
        last = max(self.found, default=1)
        return tuple(tuple(self.found.get(each, ())) for each in range(1, last + 1))


def joined(first: Answer, again: Answer) -> Answer | None:
    """A formula and its number that stand in two places as one answer; None for two numbers,
    unless one is the other rounded."""
    read = {text: read_number(text) for text in (*first.texts, *again.texts)}
    numbers = [number for number in read.values() if number is not None]
    finest = min(numbers, key=lambda number: number.unit, default=None)
    if first.problem or again.problem or len(read) - max(0, len(numbers) - 1) > 4:
        return None
    if finest and not all(is_rounded(number, finest) for number in numbers):
        return None
    return first._replace(texts=tuple(text for text in read if read[text] in (None, finest)))


# Pages: statements among words, and tables.

_MATHS = re.compile(r"[-+−–≈~]?\s*[\d.,(\\]|[^=^*/·+×(]{0,60}[=^*/·+×(]|\S{1,60} [-−–] \S")
_RESULT = re.compile(r"[=≈]\s*[-+−–]?[\d.]|\A[-+−–]?[\d.,]+\s*(?:\Z|[^-+*/^\s\d])")
_BLANK_VALUE = re.compile(r"[._ ?–—…-]*")
_EQUATED = re.compile(r"[^=]{1,80}=|\Z")
_HEADING = re.compile(
    r"(?:[\s#*_>-]|\d+[.)]|\(?[a-z]\))*(?:(?:the |all |my )?(new|updated?)\b|(?:the |all |my )?(grad|deriv)|\w)"
    r"[^.=]{0,60}[:*_\s]*\Z",
    re.I,
)
_PARAMETER = re.compile(r"\$?[wWbB](?:[\d_^({\[][^'’′´`+*]*)?(?<!new)(?<!new[)}])")
_PROSE = re.compile(r"[A-Za-z]{2,},? [A-Za-z]{2,}\b[^\d=^*/·+×(\\]*")


def _of_lines(file: str, lines: Sequence[tuple[int, str]]) -> Submission | None:
    """The answers on the lines and in the tables of a page, or None where there are none."""
    found, student, update = _Updates(page=True), "", 1
    lines = list(_tabular(lines))
    if any(_RULED.match(text) and text.lstrip()[:1] != "|" for _, text in lines):
        lines = [(line, f"|{text.lstrip(' |')}" if "|" in text else text) for line, text in lines]
    for kind, part in groupby(lines, lambda each: _kind_of_line(each[1])):
        if kind == "table":
            whole = list(part)
            table = [(line, cells) for line, text in whole if (cells := _cells_of(text))]
            ruled = any(_RULED.match(text) for _, text in whole[1:2])
            if all(len(cells) == 1 or all(map(_EQUATED.match, cells)) for _, cells in table):
                inside = [(line, cell) for line, cells in table for cell in cells]
                _take(found, update, statements(inside))
                continue
            found.found.setdefault(update, [])
            for number, (line, cells) in _rows_of(table, update, ruled):
                found.row(number, line, cells)
        elif kind == "update":
            update = _update([text for _, text in part][-1])
        else:
            student = _take(found, update, statements(part)) or student
    if not found.found:
        return None
    return Submission(file, student or student_of(file), found.iterations())


_CELL = re.compile(r"<t[dh][^<>]{0,60}>([^<>]{0,400})</t[dh]>", re.I)


def _tabular(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The rows of a table in LaTeX or HTML as those of any other."""
    inside = False
    for number, line in lines:
        inside = (inside or r"\begin{tabular" in line) and r"\end{tabular" not in line
        if cells := _CELL.findall(line) if "<t" in line else ():
            yield number, f"|{'|'.join(cells)}|"
        elif inside and "&" in line:
            yield number, f"|{line.replace('&', '|').replace(chr(92) * 2, '')}|"
        elif not (inside and "hline" in line):
            yield number, line


def _take(found: _Updates, update: int, said: Iterable[Statement]) -> str:
    """Enters what looks like an answer; returns the student where one is named. Below `New
    weights` or `Gradients` a parameter is what the heading says."""
    student = ""
    form = "{}"
    for each in said:
        name = each.name[:STUDENT_LENGTH]
        if not each.value and (heading := _HEADING.match(each.line)):
            form = "{} new" if heading[1] else "grad {}" if heading[2] else "{}"
        elif name.lower() == "student":
            student = " ".join(each.value.split())[:STUDENT_LENGTH]
        elif is_name(name) and _BLANK_VALUE.fullmatch(each.value):
            if each.value or each.sign != ":":  # a blank, and no heading
                found.found.setdefault(update, [])
        elif _is_said(each):
            name = form.format(name) if _PARAMETER.fullmatch(name) else name
            place = each.number, each.column
            array = _as_list(name, each.value, *place)
            texts = tuple(text[: MOST_CHARACTERS + 1] for text in _listed(each.value)[:4])
            general = not any(map(str.isdigit, name)) and read_number(each.value) is None
            aside = each.in_words or (general and not _RESULT.search(each.value))
            answer = Answer(name, texts, *place, None, array, None, aside)
            found.add(update, answer, (each.value,))
    return student


def _kind_of_line(text: str) -> str:
    if text.lstrip().startswith("|"):
        return "table"
    return "update" if _update(text) else ""


def _update(text: str) -> int:
    """The number of the update that a heading begins; 0 where it is none."""
    found = _UPDATE.match(text)
    return 0 if found is None else int(found[1] or 0) or _ORDER.get((found[2] or "").lower(), 0)


def _is_said(said: Statement) -> bool:
    """Whether something on a page looks like an answer."""
    if not is_name(said.name) or said.name.lower() in _ABOUT:
        return False
    if said.sign != ":":
        return _PROSE.fullmatch(said.value) is None
    digits = not said.in_words and any(map(str.isdigit, said.value))
    return digits or _MATHS.match(said.value) is not None


# Line by line: what is left of a file that is no YAML. One bad line costs nothing but itself.

_SPECIAL = frozenset("&*!|>@`%{")
_HEADS = frozenset({"student", "answers", "iterations", "practice"})


def _by_lines(file: str, lines: Iterable[tuple[int, str]], reason: str) -> Submission | None:
    """The answers on the lines that can be read, or None where that is no answer file either."""
    found = _Updates()
    student = section = ""
    update = good = bad = 0
    braces = False
    for number, whole in lines:
        line = whole.replace("\t", "    ").partition(" #")[0].rstrip().removesuffix(",")
        braces = braces or (number == 1 and whole[:1] == "{")
        if not line.strip("{}[] -.") or line.lstrip().startswith("#"):
            continue
        if not line.isprintable() or update > MOST_ITERATIONS:
            return None
        top = not line.startswith((" ", "-")) or braces
        for place, said in enumerate(statements([(number, line)])):
            name, value = said.name, said.value
            if place == 0 and top and name in _HEADS:
                if name == "student":
                    student = " ".join(value.split())[:STUDENT_LENGTH]
                elif said.written.strip("{[ "):
                    return None
                section = name
                if name == "answers":
                    update += 1
                    found.found[update] = []
                break
            if section == "practice":
                if not top:
                    break
                section = ""
            if not update or (section == "iterations" and line.lstrip().startswith("- ")):
                update += place == 0
            special = said.written[:1] in _SPECIAL and bool(said.written)
            if not name or name[0] in "{[" or special or ": " in value:
                bad += 1
                problem = "an answer is written as `name: value`"
                problem = f"it begins with {quote(said.written[:1])}" if special else problem
                texts: tuple[str, ...] = (said.written,) if said.written else ()
                name = name or line.strip()[:STUDENT_LENGTH]
                found.add(update, Answer(name, texts, number, said.column, problem))
            elif value and value not in _NULLS:
                good += 1
                texts = tuple(text[: MOST_CHARACTERS + 1] for text in _listed(value)[:4])
                found.add(update, Answer(name, texts, number, said.column))
    if good <= bad and not (good and section):
        return None
    remarks = (f"The file was read line by line: {reason.rstrip('.')}.",) if bad else ()
    return Submission(file, student or student_of(file), found.iterations(), None, remarks)


def _listed(value: str) -> list[str]:
    """`[0.5, 2*x]` is a number and an expression."""
    inside = value[1:-1].split(", ") if value[:1] == "[" and value[-1:] == "]" else []
    return [part for each in inside if (part := each.strip("\"' "))] or [value]


def _is_csv(file: str, text: str) -> bool:
    ending = file.rpartition(".")[2].lower()
    if ending in _WRITTEN_IN:
        return _WRITTEN_IN[ending] == "csv"
    return re.match(r"[^\n:{=]*,[^\n:]*(\n|\Z)", text.lstrip()[:200]) is not None


def student_of(file: str) -> str:
    """Who a file is from when it does not say: its name without the ending."""
    return "-" if file == "-" else Path(file).stem or file


def _spoilt(file: str, reason: str) -> Submission:
    return Submission(file, student_of(file), (), reason)


# The plain case, read line by line: about ten times as fast as a YAML parser. Whatever is not
# plainly `name: value` on one line makes it give up, and the YAML parser decides.

_ENTRY = re.compile(
    r"( *)(- )?([A-Za-z∂ŷ][^\s:#]*) *:(?: +(?!- |\? )([-+.()A-Za-z0-9∂ŷσ−][^#:]*))? *(?:(?<= )#.*)?"
)
_BLANK = re.compile(r" *(?:#.*)?")
_FORBIDDEN_IN_KEY = frozenset('{}"`\\')
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


def _quick_yaml(file: str, text: str) -> Submission | None:
    """The submission, or None if the file is not of the plain kind."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    student = ""
    groups: list[list[Answer]] = []
    current: list[Answer] = []
    seen: dict[str, int] = {}
    section = ""
    sections: set[str] = set()
    indent = dash = -1
    count = 0
    whole_line = _ENTRY.fullmatch
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        if not line.isprintable():
            return None
        found = whole_line(line)
        if found is None:
            if _BLANK.fullmatch(line):
                continue
            return None
        space, bullet, name, value = found.groups()
        if not _FORBIDDEN_IN_KEY.isdisjoint(name):
            return None
        if value is not None:
            value = value.rstrip()
        depth = len(space)
        if depth == 0 and bullet is None:
            if name == "student" and value and name not in sections:
                sections.add(name)
                student = "" if value in _NULLS else value
                section = ""
            elif name in ("answers", "iterations") and value is None and not groups:
                section = name
                sections.add(name)
                indent = dash = -1
                if name == "answers":
                    groups.append(current)
            else:
                return None
            continue
        if bullet is not None:
            if section != "iterations" or (dash >= 0 and depth != dash):
                return None
            dash = depth
            indent = depth + 2
            current, seen = [], {}
            groups.append(current)
        elif section == "" or (section == "iterations" and dash < 0):
            return None
        elif indent < 0:
            indent = depth
        elif depth != indent:
            return None
        if name in seen:
            place = seen[name]
            if place >= 0:
                current[place] = _twice(current[place], number)
            continue
        if value is None or value in _NULLS:
            seen[name] = -1
            continue
        if len(value) > MOST_CHARACTERS:
            return None
        count += 1
        seen[name] = len(current)
        current.append(Answer(name, (value,), number, found.start(4) + 1))
    if len(sections - {"student"}) != 1 or not groups or len(groups) > MOST_ITERATIONS:
        return None
    if count > MOST_ANSWERS or len(student) > STUDENT_LENGTH:
        return None
    return Submission(file, student or student_of(file), tuple(map(tuple, groups)))


def _twice(first: Answer, line: int) -> Answer:
    """The answer, marked as given a second time; a third time says no more."""
    if first.problem is not None and first.cells is None:
        return first
    return first._replace(
        cells=None, problem=f"it is given twice, on lines {first.line} and {line}"
    )


def _parse_tree(file: str, text: str) -> Submission:
    root, problems = compose(Source(file, text))
    twice = [problem for problem in problems if problem.code == "duplicate-key"]
    fatal = [problem for problem in problems if problem.code != "duplicate-key"]
    if fatal:
        return _spoilt(file, _located(fatal[0]))
    try:
        return _submission(file, root, twice)
    except _Unusable as error:
        return _spoilt(file, str(error))


def _located(problem: Diagnostic) -> str:
    where = ""
    if problem.span is not None and problem.span.start is not None:
        where = f"line {problem.span.line}, column {problem.span.column}: "
    help = f" ({problem.help})" if problem.help else ""
    return f"{where}{problem.message}{help}"


class _Unusable(Exception):
    """The file is well formed, and is no answer file."""


def _place(node: Node, message: str) -> _Unusable:
    return _Unusable(f"line {node.span.line}, column {node.span.column}: {message}")


def _submission(file: str, root: Node | None, twice: list[Diagnostic]) -> Submission:
    if root is None or (isinstance(root, Scalar) and root.null):
        raise _Unusable("the file is empty")
    if not isinstance(root, Entries):
        raise _place(root, "an answer file begins with `answers:`")
    top = {key.text: (key, node) for key, node in root.entries}
    student = student_of(file)
    if "student" in top:
        node = top["student"][1]
        if not isinstance(node, Scalar):
            raise _place(node, "`student` is a name or a number")
        if not node.null:
            student = " ".join(node.text.split())[:STUDENT_LENGTH] or student
    reader = _TreeReader(root, twice)
    outside = [
        (key, node)
        for key, node in root.entries
        if key.text not in _HEADS and key.text not in _ABOUT and isinstance(node, Scalar | Items)
    ]
    remarks: tuple[str, ...] = ()
    if "answers" in top and "iterations" in top:
        raise _place(top["iterations"][0], "give either `answers` or `iterations`, not both")
    if "answers" in top:
        inside = reader.mapping(top["answers"][1])
        added = reader.mapping(Entries(root.span, tuple(outside)))
        iterations: tuple[tuple[Answer, ...], ...] = ((*inside, *added),)
        if added:
            where = f"Line {added[0].line}"
            where += f" to {added[-1].line} stand" if len(added) > 1 else " stands"
            remarks = (f"{where} outside `answers:` and was read all the same.",)
    elif "iterations" in top:
        node = top["iterations"][1]
        if not isinstance(node, Items):
            raise _place(node, "`iterations` is a list with the answers of one update each")
        if len(node.items) > MOST_ITERATIONS:
            raise _place(node, f"more than {MOST_ITERATIONS} updates")
        iterations = tuple(reader.mapping(item, "answers") for item in node.items)
        remarks = tuple(
            f"Line {key.span.line}: {key.text[:STUDENT_LENGTH]} belongs to no update; it was not read."
            for key, _ in outside
        )
    elif all(
        isinstance(node, Scalar | Items) for key, node in root.entries if key.text != "practice"
    ):
        # Names and values without `answers:` round them: it is clear what is meant.
        entries = tuple(entry for entry in root.entries if entry[0].text not in _HEADS)
        iterations = (reader.mapping(Entries(root.span, entries)),)
    else:
        known = ", ".join(quote(key.text) for key, _ in root.entries[:4])
        raise _place(root, f"there is no `answers:` here, only {known}")
    return Submission(file, student, iterations, None, remarks[:MOST_REMARKS])


MOST_REMARKS = 20
_ABOUT = frozenset(
    {"problem", "title", "name", "date", "course", "email", "id", "group", "team", "author",
     "comment", "comments", "note", "notes", "format", "version"}
)  # fmt: skip
"""What may stand above the answers, about the file."""


class _TreeReader:
    def __init__(self, root: Node, twice: list[Diagnostic]) -> None:
        self.count = 0
        # Where the first of two equal keys stands, and the line of the second.
        self.twice: dict[int, int] = {}
        if twice:
            keys = sorted(_keys(root))
            for problem in twice:
                assert problem.span is not None
                assert problem.span.start is not None
                start, end = problem.span.start, problem.span.end
                written = problem.span.source.text[start:end].strip("\"'")
                before = [at for at, text in keys if text == written and at < start]
                if before:
                    self.twice.setdefault(before[-1], problem.span.line)

    def mapping(self, node: Node, inner: str | None = None) -> tuple[Answer, ...]:
        if isinstance(node, Scalar) and node.null:
            return ()
        if not isinstance(node, Entries):
            raise _place(node, "answers are written as `name: value`, one to a line")
        if inner is not None and len(node.entries) == 1 and node.entries[0][0].text == inner:
            return self.mapping(node.entries[0][1])
        found = []
        for key, value in node.entries:
            answer = self.answer(key, value)
            if answer is not None:
                line = self.twice.get(key.span.start or 0)
                found.append(answer if line is None else _twice(answer, line))
        self.count += sum(len(each.cells.answers) if each.cells else 1 for each in found)
        if self.count > MOST_ANSWERS:
            raise _place(node, f"more than {MOST_ANSWERS} answers")
        return tuple(found)

    def answer(self, key: Scalar, value: Node) -> Answer | None:
        """One entry; None where it has been left empty."""
        name = key.text[:STUDENT_LENGTH]
        line, column = value.span.line, value.span.column
        match value:
            case Scalar():
                parts: tuple[Node, ...] = (value,)
            case Items(_, items):
                parts = items
            case Entries():
                return Answer(
                    name, (), line, column, "it is a mapping, not a number or an expression"
                )
        cells = _array(_cells(name, value))
        texts = []
        for part in parts:
            if not isinstance(part, Scalar):
                return Answer(name, (), line, column, "it is a list within a list", cells)
            if part.null or not part.text.strip():
                continue
            texts.append(part.text.strip())
        if not texts:
            return None
        if len(texts) > 4:
            many = f"it holds {len(texts)} values"
            return Answer(name, tuple(texts[:4]), line, column, many, cells)
        if any(len(text) > MOST_CHARACTERS for text in texts):
            texts = [text[: MOST_CHARACTERS + 1] for text in texts]
        return Answer(name, tuple(texts), line, column)


Nested: TypeAlias = "Answer | list[Nested] | None"


def _cells(name: str, value: Node) -> Nested:
    """A list of a tree, or lists in a list, with answers in it."""
    if isinstance(value, Items):
        return [_cells(name, item) for item in value.items]
    if not isinstance(value, Scalar) or value.null or not value.text.strip():
        return None if isinstance(value, Scalar) else Answer(name, (), 0, 0)
    text = value.text.strip()[: MOST_CHARACTERS + 1]
    return Answer(name, (text,), value.span.line, value.span.column)


def _array(nested: Nested) -> Cells | None:
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


_HALVES = re.compile(r"[-+−]?\d{1,40},\d{1,40}(?:[eE][-+]?\d{1,4})?")


def _keys(node: Node) -> Iterator[tuple[int, str]]:
    """Where every key of a tree stands, and its text."""
    match node:
        case Entries():
            for key, value in node.entries:
                yield key.span.start or 0, key.text
                yield from _keys(value)
        case Items():
            for item in node.items:
                yield from _keys(item)
        case Scalar():
            pass


_NAMED = frozenset({"name", "quantity", "symbol", "variable", "term", "unit"})
_VALUED = frozenset({"value", "values", "answer", "answers", "result", "results", "number"})


def _is_header(words: Sequence[str], begun: bool) -> bool:
    """Whether a row says what stands below it: `Quantity | Your answer`."""
    named = words[0] in _NAMED
    valued = len(words) > 1 and words[1].rpartition(" ")[2] in _VALUED
    return (named and valued) or (not begun and (valued or words[0] == "name"))


def _of_rows(file: str, rows: Iterable[Row], numbered: bool = False) -> Submission:
    """Rows `name,value`; a further column may hold an expression beside the number. A header is
    skipped; with a first column `iteration`, or `numbered`, there are several updates."""
    student = student_of(file)
    found = _Updates()
    try:
        for line, row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            words = [cell.lower() for cell in cells]
            if not found.found and words[:1] == ["iteration"]:
                numbered = True
                continue
            if _is_header(words, bool(found.found)):
                continue
            update = 1
            if numbered:
                if not cells[0].isascii() or not cells[0].isdigit() or len(cells[0]) > 4:
                    raise _Unusable(f"line {line}: the first column is the number of the update")
                update = int(cells.pop(0))
                if not 1 <= update <= MOST_ITERATIONS:
                    raise _Unusable(f"line {line}: there is no update {update}")
            while len(cells) > 2 and cells[0].count("[") > cells[0].count("]"):
                cells[:2] = [",".join(cells[:2])]  # W1[2,1]
            if len(cells) < 2:
                raise _Unusable(f"line {line}: a row is `name,value`")
            if cells[0].lower() == "student":
                student = " ".join(cells[1].split())[:STUDENT_LENGTH] or student
                continue
            found.row(update, line, cells)
    except (csv.Error, _Unusable) as error:
        unfit = f"this is not CSV: {escape(str(error))}"
        return _spoilt(file, str(error) if isinstance(error, _Unusable) else unfit)
    for group in found.found.values():
        group[:] = _rejoined(group)
    return Submission(file, student, found.iterations())


def _entries_of(name: str, values: Sequence[str], line: int, column: int) -> tuple[Answer, ...]:
    return tuple(Answer(name, (each[: MOST_CHARACTERS + 1],), line, column) for each in values)


def _with_row(first: Answer, values: Sequence[str], again: Answer) -> Answer:
    """A name again: one more row, where it is that of an array; else it is given twice."""
    row = _entries_of(first.name, values, again.line, again.column)
    have = first.cells
    if have is None:
        own = _entries_of(first.name, first.texts, first.line, first.column)
        have = Cells((len(own),), own)
    shape = have.shape
    if shape is not None:
        rows, wide = shape if len(shape) == 2 else (1, shape[0])
        even = wide == len(row) and len(shape) < 3
        shape = (rows + 1, wide) if even else None
    twice = _twice(first._replace(cells=None, problem=None), again.line)
    if len(have.answers) + len(row) > MOST_ANSWERS:
        return twice
    return twice._replace(cells=Cells(shape, (*have.answers, *row)))


def _as_list(name: str, text: str, line: int, column: int) -> Cells | None:
    """`[[1, 2], [3, 4]]` in one cell, or `(1, 2)`."""
    if text[:1] == "(" and text[-1:] == ")" and "," in text:
        text = f"[{text[1:-1]}]"
    if not text.startswith("[") or len(text) > MOST_BYTES // 8:
        return None
    if "," not in text:  # as other programs write them: [[1. 2.] [3. 4.]], [1 2; 3 4]
        rows = _GAP.sub(",", text).split(";")
        text = rows[0] if len(rows) == 1 else f"[{'],['.join(rows)}]"
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
            open_[-1] += _entries_of(name, [found[3].strip()], line, column)
    return _array(open_[0][0]) if len(open_) == 1 and len(open_[0]) == 1 else None


_GAP = re.compile(r"(?<=[\d.\]])\s+(?=[-+\d.\[])")
_LISTED = re.compile(r"\s*(?:(\[)|(\])|,|([^\[\],]+))")


def _rejoined(answers: list[Answer]) -> list[Answer]:
    """Decimal commas in a file whose cells commas part: `z1_1,0,855` in every row."""
    if all(len(a.texts) == 2 and _HALVES.fullmatch(",".join(a.texts)) for a in answers):
        return [answer._replace(texts=(",".join(answer.texts),)) for answer in answers]
    return answers


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    first = next((line for line in text.split("\n") if line.strip()), "")
    lines = [line for line in text.split("\n")[:200] if line.strip() and line[:1] != "#"]
    semicolons = bool(lines) and all(";" in line for line in lines)
    delimiter = ";" if semicolons else "," if "," in first else "\t"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    before = 0
    for row in reader:
        yield before + 1, row
        before = reader.line_num
