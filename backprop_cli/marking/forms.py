"""Files that hold answers from end to end: YAML, JSON, CSV, and what is left of one line by line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from backprop_cli.diagnostics import Diagnostic, Source, escape, quote
from backprop_cli.marking.lines import answer_of, statements, update_of
from backprop_cli.marking.submission import (
    MOST_ANSWERS,
    MOST_CHARACTERS,
    MOST_ITERATIONS,
    MOST_REMARKS,
    MOST_TEXTS,
    STUDENT_LENGTH,
    Answer,
    Nested,
    Submission,
    Unusable,
    Updates,
    as_array,
    bounded,
    spoilt,
    student_named,
    student_of,
    twice,
)
from backprop_cli.marking.tables import COUNTED, Row, is_header
from backprop_cli.patterns import pattern
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar, compose

HEADS = frozenset({"student", "answers", "iterations", "practice"})
ABOUT = frozenset(
    {"problem", "title", "name", "date", "course", "email", "id", "group", "team", "author",
     "comment", "comments", "note", "notes", "format", "version"}
)  # fmt: skip
"""What may stand above the answers, about the file."""
WRITTEN_IN = {"": "yaml", "yaml": "yaml", "yml": "yaml", "json": "json", "csv": "csv"}
"""The languages of blocks that are read, and the endings of files in them."""
_SPECIAL = frozenset("&*!|>@`%{")


def of_form(file: str, text: str) -> Submission:
    """The answers of a file that holds nothing else, mended line by line where it must be."""
    found = in_form(file, text)
    if found.error is None:
        return found
    return _by_lines(file, numbered(text), found.error) or found


def in_form(file: str, text: str) -> Submission:
    """The answers of a file that is CSV, JSON or YAML from end to end."""
    if not text.strip():
        return spoilt(file, "the file is empty")
    if is_csv(file, text):
        return of_rows(file, _csv_rows(text))
    return _quick(file, text) or _of_tree(file, text)


def is_csv(file: str, text: str) -> bool:
    ending = file.rpartition(".")[2].lower()
    if ending in WRITTEN_IN:
        return WRITTEN_IN[ending] == "csv"
    return re.match(r"[^\n:{=]*,[^\n:]*(\n|\Z)", text.lstrip()[:200]) is not None


def numbered(text: str) -> list[tuple[int, str]]:
    return list(enumerate(text.replace("\r\n", "\n").split("\n"), 1))


# The plain case, read line by line: about ten times as fast as a YAML parser. Whatever is not
# plainly `name: value` on one line makes it give up, and the YAML parser decides.

_ENTRY = pattern(
    r"( *)(- )?([A-Za-z∂ŷ][^\s:#{}\"`\\]*) *:"
    r"(?: +(?!- |\? )([-+.()A-Za-z0-9∂ŷσ−][^#:]*))? *(?:(?<= )#.*)?"
)
_BLANK = pattern(r" *(?:#.*)?")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


def _quick(file: str, text: str) -> Submission | None:
    """The submission, or None if the file is not of the plain kind."""
    student = section = ""
    heads: set[str] = set()
    groups: list[list[Answer]] = []
    seen: set[str] = set()
    indent = dash = -1
    for number, line in numbered(text):
        found = _ENTRY.fullmatch(line)
        if found is None or not line.isprintable():
            if line.isprintable() and _BLANK.fullmatch(line):
                continue
            return None
        space, bullet, name, value = found.groups()
        depth, value = len(space), (value or "").rstrip()
        if not depth and not bullet:
            if name in heads or name not in HEADS or (name == "student") != bool(value):
                return None
            heads.add(name)
            section = name
            if name == "student":
                student = "" if value in _NULLS else value
            elif name == "answers":
                groups.append([])
            continue
        if bullet:
            if section != "iterations" or dash not in (-1, depth):
                return None
            dash, indent = depth, depth + 2
            groups.append([])
            seen.clear()
        elif indent < 0 and section == "answers":
            indent = depth
        elif depth != indent or section not in ("answers", "iterations"):
            return None
        if name in seen or len(value) > MOST_CHARACTERS:
            return None
        seen.add(name)
        if value not in _NULLS:
            groups[-1].append(Answer(name, (value,), number, found.start(4) + 1))
    if not groups or len(heads - {"student"}) != 1 or len(groups) > MOST_ITERATIONS:
        return None
    if sum(map(len, groups)) > MOST_ANSWERS or len(student) > STUDENT_LENGTH:
        return None
    return Submission(file, student or student_of(file), tuple(map(tuple, groups)))


# YAML and JSON

_PAIR = pattern(r"(?:\\u[dD][89a-fA-F][0-9a-fA-F]{2}){1,2}")
_QUOTED = pattern(r'"(?:[^"\\\n]|\\.){0,4000}"')
_MEANT = pattern(
    r'\\(?!["\\/]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}(?![0-9A-Za-z])|[nt0](?![A-Za-z]))|\\\\(?=[A-Za-z])'
)


def _as_yaml(text: str) -> str:
    """A backslash in quotes begins a word of LaTeX: `"\\times"` is no tab before `imes`. JSON is
    YAML but for tabs between values and characters that are written in two halves."""
    if text.lstrip().startswith("{"):
        text = _PAIR.sub(_of_halves, text.replace("\t", " "))
    return _QUOTED.sub(lambda found: _MEANT.sub(lambda _: "\\\\", found[0]), text)


def _of_halves(found: re.Match[str]) -> str:
    units = bytes.fromhex(found[0].replace("\\u", ""))
    return units.decode("utf-16-be", "replace")


def _of_tree(file: str, text: str) -> Submission:
    root, problems = compose(Source(file, _as_yaml(text)))
    again = [problem for problem in problems if problem.code == "duplicate-key"]
    fatal = [problem for problem in problems if problem.code != "duplicate-key"]
    if fatal:
        return spoilt(file, _located(fatal[0]))
    try:
        return _submission(file, root, again)
    except Unusable as error:
        return spoilt(file, str(error))


def _located(problem: Diagnostic) -> str:
    span = problem.span if problem.span and problem.span.start is not None else None
    where = f"line {span.line}, column {span.column}: " if span else ""
    help = f" ({problem.help})" if problem.help else ""
    return f"{where}{problem.message}{help}"


def _place(node: Node, message: str) -> Unusable:
    return Unusable(f"line {node.span.line}, column {node.span.column}: {message}")


def _submission(file: str, root: Node | None, again: list[Diagnostic]) -> Submission:
    if root is None or (isinstance(root, Scalar) and root.null):
        raise Unusable("the file is empty")
    if not isinstance(root, Entries):
        raise _place(root, "an answer file begins with `answers:`")
    top = {key.text: node for key, node in root.entries}
    student = student_of(file)
    if (node := top.get("student")) is not None:
        if not isinstance(node, Scalar):
            raise _place(node, "`student` is a name or a number")
        student = (not node.null and student_named(node.text)) or student
    named = [(key, node) for key, node in root.entries if key.text not in HEADS]
    outside = [
        (key, node)
        for key, node in named
        if key.text not in ABOUT and isinstance(node, Scalar | Items)
    ]
    found = Updates()
    keys: list[Key] = []
    remarks: list[str] = []
    if "answers" in top and "iterations" in top:
        key = next(key for key, _ in root.entries if key.text == "iterations")
        raise _place(key, "give either `answers` or `iterations`, not both")
    listed = top.get("answers")
    if isinstance(listed, Items) and all(isinstance(each, Entries) for each in listed.items):
        top["iterations"] = top.pop("answers")
    if "answers" in top:
        _enter(found, keys, 1, top["answers"])
        count = len(found.begin(1))
        _enter(found, keys, 1, Entries(root.span, tuple(outside)))
        if added := found.begin(1)[count:]:
            where = f"Line {added[0].line}"
            where += f" to {added[-1].line} stand" if len(added) > 1 else " stands"
            remarks = [f"{where} outside `answers:` and was read all the same."]
    elif "iterations" in top:
        node = top["iterations"]
        if not isinstance(node, Items):
            raise _place(node, "`iterations` is a list with the answers of one update each")
        if len(node.items) > MOST_ITERATIONS:
            raise _place(node, f"more than {MOST_ITERATIONS} updates")
        for update, item in enumerate(node.items, 1):
            entries = item.entries if isinstance(item, Entries) else ()
            inner = entries[0] if len(entries) == 1 else None
            inside = inner[1] if inner and inner[0].text == "answers" else item
            _enter(found, keys, update, inside)
        remarks = [
            f"Line {key.span.line}: {key.text[:STUDENT_LENGTH]} belongs to no update; it was not read."
            for key, _ in outside
        ]
    elif not any(isinstance(node, Entries) for _, node in named):
        # Names and values without `answers:` round them: it is clear what is meant.
        _enter(found, keys, 1, Entries(root.span, tuple(named)))
    elif all(update_of(key.text) and isinstance(node, Entries) for key, node in named):
        for key, node in named:
            _enter(found, keys, update_of(key.text), node)
    else:
        known = ", ".join(quote(key.text) for key, _ in root.entries[:4])
        raise _place(root, f"there is no `answers:` here, only {known}")
    for problem in again:
        _mark_twice(keys, problem)
    return Submission(file, student, found.iterations(), None, tuple(remarks[:MOST_REMARKS]))


Key: TypeAlias = tuple[int, str, list[Answer], int]
"""Where a key stands, what it is, and the place that its answer has among others if it has one."""


def _enter(found: Updates, keys: list[Key], update: int, node: Node) -> None:
    """The answers of a mapping, as those of an update."""
    group = found.begin(update)
    if isinstance(node, Scalar) and node.null:
        return
    if not isinstance(node, Entries):
        raise _place(node, "answers are written as `name: value`, one to a line")
    for key, value in node.entries:
        keys.append((key.span.start or 0, key.text, group, len(group)))
        if (answer := _answer(key.text[:STUDENT_LENGTH], value)) is not None:
            found.add(update, answer)


def _answer(name: str, value: Node) -> Answer | None:
    """One entry; None where it has been left empty."""
    place = value.span.line, value.span.column
    if isinstance(value, Entries):
        return Answer(name, (), *place, "it is a mapping, not a number or an expression")
    parts = value.items if isinstance(value, Items) else (value,)
    lists = [part for part in parts if isinstance(part, Items)]
    worked_out = len(parts) == 2 and len(lists) == 1  # `[X @ W, [[1, 2], [3, 4]]]`
    cells = as_array(_nested(name, lists[0] if worked_out else value))
    if not all(isinstance(part, Scalar) for part in parts):
        return Answer(name, (), *place, "it is a list within a list", cells)
    texts = [part.text.strip() for part in parts if isinstance(part, Scalar) and not part.null]
    if not any(texts):
        return None
    if (count := sum(map(bool, texts))) > MOST_TEXTS:
        return Answer(name, bounded(texts), *place, f"it holds {count} values", cells)
    return Answer(name, bounded(texts), *place)


def _nested(name: str, value: Node) -> Nested:
    """A list of a tree, or lists in a list, with answers in it."""
    if isinstance(value, Items):
        return [_nested(name, item) for item in value.items]
    if not isinstance(value, Scalar) or value.null or not value.text.strip():
        return None if isinstance(value, Scalar) else Answer(name, (), 0, 0)
    return Answer(name, bounded((value.text.strip(),)), value.span.line, value.span.column)


def _mark_twice(keys: Iterable[Key], problem: Diagnostic) -> None:
    """Marks the answer to the key that is given again."""
    assert problem.span is not None
    span = problem.span
    start, name = span.start or 0, span.source.text[span.start : span.end].strip("\"'")
    before = [key for key in keys if key[1] == name and key[0] < start]
    for _, _, group, place in before[-1:]:
        if group[place : place + 1] and group[place].name == name[:STUDENT_LENGTH]:
            group[place] = twice(group[place], span.line)


# CSV


def of_rows(file: str, rows: Iterable[Row], updates: bool = False) -> Submission:
    """Rows `name,value`; a further column may hold an expression beside the number. A header is
    skipped; with a first column `iteration`, or of `updates`, there are several."""
    student = student_of(file)
    found = Updates()
    wide: list[str] = []
    try:
        for line, row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            words = [cell.lower() for cell in cells]
            if not found.found and words[0] in COUNTED:
                updates = True
                wide = [] if is_header(words[1:], False) else cells[1:]
                continue
            if is_header(words, bool(found.found)):
                continue
            update = 1
            if updates:
                if not cells[0].isascii() or not cells[0].isdigit() or len(cells[0]) > 4:
                    raise Unusable(f"line {line}: the first column is the number of the update")
                update = int(cells.pop(0))
                if not 1 <= update <= MOST_ITERATIONS:
                    raise Unusable(f"line {line}: there is no update {update}")
            if len(wide) > 1:  # a column for each quantity, a row for each update
                for name, cell in zip(wide, cells, strict=False):
                    found.row(update, line, [name, cell])
                continue
            while len(cells) > 2 and cells[0].count("[") > cells[0].count("]"):
                cells[:2] = [",".join(cells[:2])]  # W1[2,1]
            if len(cells) < 2:
                raise Unusable(f"line {line}: a row is `name,value`")
            if cells[0].lower() == "student":
                student = student_named(cells[1]) or student
            else:
                found.row(update, line, cells)
    except Unusable as error:
        return spoilt(file, str(error))
    except csv.Error as error:
        return spoilt(file, f"this is not CSV: {escape(str(error))}")
    for group in found.found.values():
        group[:] = _rejoined(group)
    return Submission(file, student, found.iterations())


_HALVES = pattern(r"[-+−]?\d{1,40},\d{1,40}(?:[eE][-+]?\d{1,4})?")


def _rejoined(answers: list[Answer]) -> list[Answer]:
    """Decimal commas in a file whose cells commas part: `z1_1,0,855` in every row."""
    if all(len(a.texts) == 2 and _HALVES.fullmatch(",".join(a.texts)) for a in answers):
        return [answer._replace(texts=(",".join(answer.texts),)) for answer in answers]
    return answers


def _csv_rows(text: str) -> Iterator[Row]:
    first = next((line for line in text.split("\n") if line.strip()), "")
    lines = [line for line in text.split("\n")[:200] if line.strip() and line[:1] != "#"]
    semicolons = bool(lines) and all(";" in line for line in lines)
    delimiter = ";" if semicolons else "," if "," in first else "\t"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    before = 0
    for row in reader:
        yield before + 1, row
        before = reader.line_num


# Line by line: what is left of a file that is no YAML. One bad line costs nothing but itself.


def _by_lines(file: str, lines: Iterable[tuple[int, str]], reason: str) -> Submission | None:
    """The answers on the lines that can be read, or None where that is no answer file either."""
    found = Updates()
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
            name = said.name
            if place == 0 and top and name in HEADS:
                if name == "student":
                    student = student_named(said.value)
                elif said.written.strip("{[ "):
                    return None
                section = name
                if name == "answers":
                    update += 1
                    found.begin(update)
                break
            if section == "practice":
                if not top:
                    break
                section = ""
            if not update or (section == "iterations" and line.lstrip().startswith("- ")):
                update += place == 0
            special = said.written[:1] if said.written[:1] in _SPECIAL else ""
            if not name or name[0] in "{[" or special or ": " in said.value:
                bad += 1
                problem = "an answer is written as `name: value`"
                problem = f"it begins with {quote(special)}" if special else problem
                name = name or line.strip()[:STUDENT_LENGTH]
                found.add(
                    update, Answer(name, bounded((said.written,)), number, said.column, problem)
                )
            elif said.value and said.value not in _NULLS:
                good += 1
                answer = answer_of(said, name)._replace(in_words=False)
                found.add(update, answer, (said.value,) if answer.cells else ())
    if good <= bad and not (good and section):
        return None
    remarks = (f"The file was read line by line: {reason.rstrip('.')}.",) if bad else ()
    return Submission(file, student or student_of(file), found.iterations(), None, remarks)
