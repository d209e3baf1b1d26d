"""What a student has done so far, as one answer file that `check` marks as it stands.

Beside `student` and the answers it has a section `practice` with what tries, hints and shown
values there were; marking passes over it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.diagnostics import Diagnostic, ProblemError, Source, Span
from backprop_cli.marking.answers import read_submission
from backprop_cli.marking.submission import Answer, Cells, Submission
from backprop_cli.patterns import pattern
from backprop_cli.problem.source_file import load
from backprop_cli.problem.values import is_number
from backprop_cli.problem.yaml_tree import Items, Node, Scalar, compose, entry
from backprop_cli.tutor.arrays import written as array
from backprop_cli.tutor.question import Place, Question

MOST_COUNTED = 1_000_000


@dataclass(frozen=True)
class Record:
    """How a quantity was come by: wrong tries, hints looked at, its value shown."""

    wrong: int = 0
    hints: int = 0
    shown: bool = False


@dataclass(frozen=True)
class State:
    """Answers as typed, and how they were come by, in no particular order. `arrays` are whole ones
    in a file, whose entries only a sheet can name."""

    student: str = ""
    answers: Mapping[Place, tuple[str, ...]] = field(default_factory=dict)
    records: Mapping[Place, Record] = field(default_factory=dict)
    arrays: Mapping[Place, Cells] = field(default_factory=dict)

    def with_answers(self, answers: Mapping[Place, tuple[str, ...]]) -> State:
        return replace(self, answers={**self.answers, **answers})

    def with_record(self, place: Place, record: Record) -> State:
        return replace(self, records={**self.records, place: record})

    def submission(self, updates: int) -> Submission:
        """The answers as marking takes them."""
        groups: list[list[Answer]] = [[] for _ in range(updates)]
        for (update, name), texts in self.answers.items():
            if update <= updates:
                groups[update - 1].append(Answer(name, texts, 0, 0))
        return Submission("practice", self.student, tuple(map(tuple, groups)))


def written(state: State, order: Sequence[Question]) -> str:
    """The file, its answers in the order of the sheet, whole arrays as such."""
    lines = [f"student: {_text(state.student)}" if state.student else "student:"]
    updates: dict[int, list[str]] = {question.iteration: [] for question in order}
    left = dict(state.answers)
    for question in order:
        found = {name: left.pop((question.iteration, name), ()) for name in question.entries}
        rows = updates[question.iteration]
        if question.shape and all(len(texts) == 1 for name, texts in found.items() if name):
            cells = [_value(found[name]) if name else "null" for name in question.entries]
            rows.append(f"{_key(question.name)}: {array(cells, question.shape)}")
        else:
            rows += [f"{_key(name)}: {_value(texts)}" for name, texts in found.items() if texts]
    for (update, name), texts in left.items():
        updates.setdefault(update, []).append(f"{_key(name)}: {_value(texts)}")
    if len(updates) == 1:
        lines.append("answers:")
        lines += [f"  {row}" for rows in updates.values() for row in rows]
    else:
        lines.append("iterations:")
        for rows in updates.values():
            lines += ["  - answers:", *(f"      {row}" for row in rows)]
    if state.records:
        lines.append("practice:")
        for (update, name), record in state.records.items():
            shown = "true" if record.shown else "false"
            lines.append(
                f"  - {{iteration: {update}, name: {_text(name)}, wrong: {record.wrong},"
                f" hints: {record.hints}, shown: {shown}}}"
            )
    return "\n".join(lines) + "\n"


_PLAIN_KEY = pattern(r"[A-Za-z∂][\w/ŷ∂]*(?:\[\d+\])?(?:/[\w∂]+(?:\[\d+\])?)?\Z")
_PLAIN_NUMBER = pattern(r"-?[0-9]+(?:\.[0-9]+)?\Z")


def _key(name: str) -> str:
    return name if _PLAIN_KEY.match(name) else _text(name)


def _value(texts: Sequence[str]) -> str:
    parts = [text if _PLAIN_NUMBER.match(text) else _text(text) for text in texts]
    return parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"


def _text(text: str) -> str:
    """In single quotes, where nothing but the quote itself has a meaning."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return "'" + printable.replace("'", "''") + "'"


def read_state(path: str | Path) -> State:
    """What a file says; an empty state where there is no such file yet.

    Raises ProblemError where it is no answer file.
    """
    if not Path(path).exists():
        return State()
    submission = read_submission(str(path))
    if submission.error is not None:
        span = Span(Source(str(path), ""))
        raise ProblemError([Diagnostic("unreadable-answers", submission.error, span)])
    places = {
        (update, answer.name): answer
        for update, group in enumerate(submission.iterations, 1)
        for answer in group
    }
    answers = {place: each.texts for place, each in places.items() if each.texts}
    arrays = {place: each.cells for place, each in places.items() if each.cells is not None}
    root, _ = compose(load(path))
    named = _scalar(entry(root, "student"))
    return State(named, answers, dict(_records(entry(root, "practice"))), arrays)


def _scalar(node: Node | None) -> str:
    return "" if not isinstance(node, Scalar) or node.null else " ".join(node.text.split())


def _records(node: Node | None) -> list[tuple[Place, Record]]:
    """The records that make sense; a student may have edited the file."""
    found = []
    for row in node.items if isinstance(node, Items) else ():
        name, update = _scalar(entry(row, "name")), _count(entry(row, "iteration"))
        if name and update:
            wrong, hints = _count(entry(row, "wrong")), _count(entry(row, "hints"))
            shown = _scalar(entry(row, "shown")) == "true"
            found.append(((update, name), Record(wrong, hints, shown)))
    return found


def _count(node: Node | None) -> int:
    if node is None or not is_number(node) or not isinstance(node, Scalar):
        return 0
    return int(node.text) if node.text.isdigit() and int(node.text) < MOST_COUNTED else 0
