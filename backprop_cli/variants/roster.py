"""Who is in a class, from a CSV file, and what each student's files are called."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from backprop_cli.diagnostics import Diagnostic, ProblemError, Source, Span, quote
from backprop_cli.problem.source_file import load
from backprop_cli.variants.draw import LONGEST_ID, normalised

HEADS = ("student", "id", "sid", "student id", "login", "github_username", "username", "email")
"""Columns that say who somebody is, the surest first."""
MOST_STUDENTS = 10_000


def read_roster(path: str | Path) -> tuple[str, ...]:
    """The students of a class, in the order of the file: the column `student` (or id, login,
    email), else the first one. Raises ProblemError where two are the same."""
    source = load(path)
    rows = [row for row in _rows(source) if any(cell.strip() for cell in row)]
    column, body = _column(rows)
    found: dict[str, str] = {}
    problems: list[Diagnostic] = []
    for number, row in body:
        student = " ".join(row[column].split()) if column < len(row) else ""
        if not student:
            problems.append(_at(source, number, f"row {number} names no student"))
        elif len(student) > LONGEST_ID:
            problems.append(
                _at(source, number, f"row {number}: an id has {LONGEST_ID} letters at most")
            )
        elif (known := normalised(student)) in found:
            problems.append(_at(source, number, f"{quote(student)} is there twice"))
        else:
            found[known] = student
    if not found and not problems:
        problems.append(_at(source, 1, "there are no students in this file"))
    if len(found) > MOST_STUDENTS:
        problems.append(_at(source, 1, f"there are more than {MOST_STUDENTS:,} students"))
    if problems:
        raise ProblemError(problems[:20])
    return tuple(found.values())


def _at(source: Source, row: int, message: str) -> Diagnostic:
    return Diagnostic(
        "bad-roster",
        message,
        Span(source),
        help="a row for each student: `student`, a line, the ids below",
    )


def _rows(source: Source) -> Iterator[list[str]]:
    first = source.text.partition("\n")[0]
    delimiter = ";" if ";" in first and "," not in first else "," if "," in first else "\t"
    try:
        yield from csv.reader(io.StringIO(source.text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise ProblemError([_at(source, 1, f"this is not CSV: {error}")]) from None


def _column(rows: Sequence[list[str]]) -> tuple[int, list[tuple[int, list[str]]]]:
    numbered = list(enumerate(rows, 1))
    heads = [cell.strip().lower() for cell in rows[0]] if rows else []
    known = [heads.index(head) for head in HEADS if head in heads]
    return (known[0], numbered[1:]) if known else (0, numbered)


class FileNames:
    """File names without ending: letters, digits, `-` and `_`, and each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, student: str) -> str:
        """The name for one more student's file."""
        plain = unicodedata.normalize("NFKD", normalised(student))
        slug = re.sub(r"[^a-z0-9_]+", "-", plain.encode("ascii", "ignore").decode()).strip("-")
        base = slug[:60] or "student"
        name, count = base, 2
        while name in self._taken:
            name, count = f"{base}-{count}", count + 1
        self._taken.add(name)
        return name


def file_names(students: Sequence[str]) -> dict[str, str]:
    """A file name for each student of a class."""
    names = FileNames()
    return {student: names.of(student) for student in students}
