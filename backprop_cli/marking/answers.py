"""Answer files: what a student wrote, as written, with the place where it stands.

Three formats (YAML, JSON, CSV) become one `Submission`. Numbers are never turned into floats
here: `0.90` stays `0.90`. Whatever is wrong with a file as a whole ends up in `error`; reading
raises nothing, so that one bad file in a class spoils only itself.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from backprop_cli.diagnostics import Diagnostic, Source, escape, quote
from backprop_cli.marking.json_tree import parse_json
from backprop_cli.problem.source_file import standard_input
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar, compose

MOST_BYTES = 1 << 20
MOST_ANSWERS = 5000
MOST_CHARACTERS = 4000
MOST_ITERATIONS = 1000
STUDENT_LENGTH = 200


class Answer(NamedTuple):
    """One answer: the name as written, its number and/or expression as written, and its place.

    `problem` says why it cannot be read at all (given twice, a list within a list).
    """

    name: str
    texts: tuple[str, ...]
    line: int  # of the value, from 1; 0 where the format has no lines
    column: int
    problem: str | None = None


@dataclass(frozen=True)
class Submission:
    """One student's file. `iterations` holds the answers update by update.

    With `error` set the file could not be read and holds no answers.
    """

    file: str
    student: str
    iterations: tuple[tuple[Answer, ...], ...] = ()
    error: str | None = None


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
        reasons: dict[type[Exception], str] = {
            FileNotFoundError: "there is no such file",
            IsADirectoryError: "it is a directory",
        }
        reason = reasons.get(type(error)) or getattr(error, "strerror", None) or "cannot be opened"
        return _spoilt(file, f"cannot read the file: {reason}")
    return parse_submission(file, data)


def parse_submission(file: str, data: bytes | str) -> Submission:
    """The answers in `data`; the ending of `file` tells the format, YAML by default."""
    if isinstance(data, bytes):
        if len(data) > MOST_BYTES:
            return _spoilt(file, "the file is larger than 1 MiB")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            return _spoilt(file, f"line {line}: the file is not UTF-8 text")
    else:
        text = data.removeprefix("\ufeff")
        if len(text) > MOST_BYTES:
            return _spoilt(file, "the file is larger than 1 MiB")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return _spoilt(file, f"line {line}: the file is not text")
    kind = _kind(file, text)
    if kind == "csv":
        return _parse_csv(file, text)
    if kind == "yaml" and (quick := _quick_yaml(file, text)) is not None:
        return quick
    return _parse_tree(file, text, kind)


def _kind(file: str, text: str) -> str:
    ending = file.rpartition(".")[2].lower()
    if ending in ("json", "csv"):
        return ending
    start = text.lstrip()[:200]
    if ending not in ("yaml", "yml"):
        if start.startswith("{"):
            return "json"
        if re.match(r"[^\n:{]*,[^\n:]*(\n|\Z)", start):
            return "csv"
    return "yaml"


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
    if not sections & {"answers", "iterations"} or len(sections & {"answers", "iterations"}) > 1:
        return None
    if count > MOST_ANSWERS or len(student) > STUDENT_LENGTH or len(groups) > MOST_ITERATIONS:
        return None
    if "iterations" in sections and not groups:
        return None
    return Submission(file, student or student_of(file), tuple(map(tuple, groups)))


def _twice(first: Answer, line: int) -> Answer:
    """The answer, marked as given a second time; a third time says no more."""
    if first.problem is not None:
        return first
    return first._replace(problem=f"it is given twice, on lines {first.line} and {line}")


def _parse_tree(file: str, text: str, kind: str) -> Submission:
    source = Source(file, text)
    root, problems = parse_json(source) if kind == "json" else compose(source)
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
    if "answers" in top and "iterations" in top:
        raise _place(top["iterations"][0], "give either `answers` or `iterations`, not both")
    if "answers" in top:
        iterations: tuple[tuple[Answer, ...], ...] = (reader.mapping(top["answers"][1]),)
    elif "iterations" in top:
        node = top["iterations"][1]
        if not isinstance(node, Items):
            raise _place(node, "`iterations` is a list with the answers of one update each")
        if len(node.items) > MOST_ITERATIONS:
            raise _place(node, f"more than {MOST_ITERATIONS} updates")
        iterations = tuple(reader.mapping(item, "answers") for item in node.items)
    elif all(isinstance(node, Scalar | Items) for _, node in root.entries):
        # Names and values without `answers:` round them: it is clear what is meant.
        entries = tuple(entry for entry in root.entries if entry[0].text != "student")
        iterations = (reader.mapping(Entries(root.span, entries)),)
    else:
        known = ", ".join(quote(key.text) for key, _ in root.entries[:4])
        raise _place(root, f"there is no `answers:` here, only {known}")
    return Submission(file, student, iterations)


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
        self.count += len(found)
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
        texts = []
        for part in parts:
            if not isinstance(part, Scalar):
                return Answer(name, (), line, column, "it is a list within a list")
            if part.null or not part.text.strip():
                continue
            texts.append(part.text.strip())
        if not texts:
            return None
        if len(texts) > 4:
            return Answer(name, tuple(texts[:4]), line, column, f"it holds {len(texts)} values")
        if any(len(text) > MOST_CHARACTERS for text in texts):
            texts = [text[: MOST_CHARACTERS + 1] for text in texts]
        return Answer(name, tuple(texts), line, column)


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


def _parse_csv(file: str, text: str) -> Submission:
    """Rows `name,value`; a further column may hold an expression beside the number.

    A header row is skipped. With a first column `iteration` there are several updates.
    """
    student = student_of(file)
    groups: dict[int, list[Answer]] = {}
    places: dict[tuple[int, str], int] = {}
    numbered = False
    try:
        for line, row in _csv_rows(text):
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            words = [cell.lower() for cell in cells]
            if not places and words[:1] == ["iteration"]:
                numbered = True
                continue
            if not places and words[:1] == ["name"]:
                continue
            update = 1
            if numbered:
                if not cells[0].isascii() or not cells[0].isdigit() or len(cells[0]) > 4:
                    return _spoilt(
                        file, f"line {line}: the first column is the number of the update"
                    )
                update = int(cells.pop(0))
                if not 1 <= update <= MOST_ITERATIONS:
                    return _spoilt(file, f"line {line}: there is no update {update}")
            if len(cells) < 2:
                return _spoilt(file, f"line {line}: a row is `name,value`")
            name, texts = cells[0][:STUDENT_LENGTH], tuple(cell for cell in cells[1:5] if cell)
            if name.lower() == "student":
                student = " ".join(cells[1].split())[:STUDENT_LENGTH] or student
                continue
            if not texts:
                continue
            group = groups.setdefault(update, [])
            column = 1 + len(row[0]) + 1
            if (update, name) in places:
                place = places[update, name]
                group[place] = _twice(group[place], line)
                continue
            places[update, name] = len(group)
            if len(places) > MOST_ANSWERS:
                return _spoilt(file, f"line {line}: more than {MOST_ANSWERS} answers")
            group.append(Answer(name, tuple(t[: MOST_CHARACTERS + 1] for t in texts), line, column))
    except csv.Error as error:
        return _spoilt(file, f"this is not CSV: {escape(str(error))}")
    if not groups and not text.strip():
        return _spoilt(file, "the file is empty")
    last = max(groups, default=1)
    return Submission(file, student, tuple(tuple(groups.get(n, ())) for n in range(1, last + 1)))


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    first = text.split("\n", 1)[0]
    delimiter = ";" if ";" in first and "," not in first else "," if "," in first else "\t"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    before = 0
    for row in reader:
        yield before + 1, row
        before = reader.line_num
