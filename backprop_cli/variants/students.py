"""Whose a submission is, and marking it by that student's own numbers.

Surest first: the student named to the program, one of a roster, the repository's or the
submission's metadata, the folder, and last the file's own word. A file that says otherwise than a
surer source heads its report and does not pass.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backprop_cli.dataclass import replace
from backprop_cli.diagnostics import ProblemError, quote
from backprop_cli.interrupts import undisturbed
from backprop_cli.marking.check import Checker
from backprop_cli.marking.hand_in import Place
from backprop_cli.marking.model import Head, SubmissionReport
from backprop_cli.marking.submission import Submission, student_of
from backprop_cli.problem.model import Problem
from backprop_cli.variants.draw import normalised

if TYPE_CHECKING:
    from backprop_cli.variants.variant import Drawer

METADATA = "submission_metadata.json"
MOST_METADATA = 1 << 22
KEPT = 64
"""So many students' sheets are kept ready, for those who hand in twice."""


class Marker:
    """Marks each submission: by the problem's numbers, or by the student's own where it has
    `variants`. `alone` says that no other file is marked, so that a whole repository is one
    student's. Raises ProblemError for what is wrong with the problem."""

    def __init__(
        self,
        problem: Problem,
        *,
        tolerance: float | None = None,
        pass_mark: float | None = None,
        reveal: bool = False,
        student: str | None = None,
        roster: Sequence[str] = (),
        environment: Mapping[str, str] = os.environ,
        alone: bool = True,
    ) -> None:
        self.problem = problem
        self.alone = alone
        self._settings: dict[str, Any] = {
            "tolerance": tolerance,
            "pass_mark": pass_mark,
            "reveal": reveal,
            "student": student,
            "roster": tuple(roster),
            "environment": dict(environment),
        }
        self.checker = self._made(problem)
        self.student = student
        self.roster = {normalised(each): each for each in roster}
        self.environment = environment
        self.drawer: Drawer | None = None
        if problem.variants is not None:
            from backprop_cli.variants.variant import Drawer

            self.drawer = Drawer(problem)
        self._own = lru_cache(maxsize=KEPT)(self._drawn)

    def __reduce__(self) -> tuple[object, ...]:
        return partial(Marker, self.problem, alone=self.alone, **self._settings), ()

    @property
    def head(self) -> Head:
        return self.checker.head

    def _made(self, problem: Problem) -> Checker:
        options = ("tolerance", "pass_mark", "reveal")
        return Checker(problem, **{name: self._settings[name] for name in options})

    def _drawn(self, student: str) -> Checker:
        assert self.drawer is not None
        return self._made(self.drawer.variant(student).problem)

    def mark(self, place: Place) -> SubmissionReport:
        """The report on one answer file; what is wrong with the file is in the report."""
        submission = place.read()
        own = self._own_word(place, submission)
        surer = self._surer(place, own)
        student = surer or own or submission.student
        submission = replace(submission, student=student)
        if self.roster and normalised(student) not in self.roster:
            reason = f"the roster has no {quote(student)}"
            return self.checker.mark(replace(submission, iterations=(), error=reason))
        if self.drawer is None or submission.error is not None:
            report = self.checker.mark(submission)
        else:
            try:
                report = self._own(normalised(student)).mark(submission)
            except ProblemError as error:
                reason = error.diagnostics[0].message
                report = self.checker.mark(replace(submission, iterations=(), error=reason))
        told = self.drawer is not None or self.student is not None or bool(self.roster)
        if told and surer and own and normalised(own) != normalised(surer):
            remark = (
                f"This file says that it is by {own}; it was handed in by {surer}, whose numbers are "
                "others. It does not pass."
            )
            return replace(report, passed=False, remarks=(remark, *report.remarks))
        return report

    @staticmethod
    def _own_word(place: Place, submission: Submission) -> str:
        """The student that the file itself names."""
        by_place = {place.student, student_of(submission.file)}
        return "" if submission.student in by_place else submission.student

    def _surer(self, place: Place, own: str) -> str:
        if self.student is not None:
            return self.student
        candidates = list(self._candidates(place, own))
        if self.roster:
            for candidate in (*candidates, place.folder, student_of(place.file), own):
                if known := self.roster.get(normalised(candidate)):
                    return known
            return self._by_repository()
        if candidates:
            return candidates[0]
        if self.drawer is None:
            return ""
        return place.folder if place.student == place.folder else ""

    def _candidates(self, place: Place, own: str) -> Iterator[str]:
        if (self.drawer is None and not self.roster) or place.member is not None:
            return
        if place.path != "-":
            yield from _of_submission(Path(place.path))
        if self.alone and self.environment.get("GITHUB_ACTIONS") == "true":
            if self.roster and (known := self._by_repository()):
                yield known
            yield from _of_github(self.environment, own)

    def _by_repository(self) -> str:
        """The student of the roster whose id ends the name of the repository: hw1-alice."""
        name = _repository(self.environment)
        found = [student for student in self.roster.values() if _is_named_after(name, student)]
        return max(found, key=len, default="")


MANY = 400
"""From so many files on two processes mark them."""
AT_ONCE = 256
_here: list[Marker] = []  # of a process that marks for another


def mark_all(marker: Marker, found: Sequence[Place]) -> Iterator[SubmissionReport]:
    """The reports in the order of the files, made by two processes where there are many."""
    marker.alone = len(found) == 1
    if len(found) < MANY or (os.cpu_count() or 1) < 2 or any(each.path == "-" for each in found):
        yield from map(marker.mark, found)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(2, get_context("spawn"), _begin, (marker,)) as pool:
        for start in range(0, len(found), AT_ONCE):
            with undisturbed():  # the processes: Ctrl-C is this one's to answer
                reports = pool.map(_mark_here, found[start : start + AT_ONCE], chunksize=16)
            yield from reports


def _begin(marker: Marker) -> None:
    _here[:] = [marker]


def _mark_here(place: Place) -> SubmissionReport:
    return _here[0].mark(place)


def _repository(environment: Mapping[str, str]) -> str:
    return environment.get("GITHUB_REPOSITORY", "").rpartition("/")[2].lower()


def _is_named_after(repository: str, student: str) -> bool:
    """Whether a repository is the student's by its name: hw1-alice."""
    known = normalised(student).replace(" ", "-")
    return bool(known) and (repository == known or repository.endswith(f"-{known}"))


def _of_github(environment: Mapping[str, str], own: str) -> Iterator[str]:
    """Whose work a workflow of GitHub runs on, the surest first: whom the repository is named
    after, whoever opened the pull request, the owner of a fork, whoever pushed. A teacher or a
    robot may push to a student's repository."""
    repository = _repository(environment)
    actor = environment.get("GITHUB_ACTOR", "")
    event = _json_of(Path(environment.get("GITHUB_EVENT_PATH") or os.devnull))
    if _is_named_after(repository, actor):
        yield actor
    author = _at(event, "pull_request", "user", "login")
    if isinstance(author, str) and author:
        yield author
    if _is_named_after(repository, own):
        yield own
    owner = _at(event, "repository", "owner", "login")
    if _at(event, "repository", "fork") is True and isinstance(owner, str) and owner:
        yield owner
    if actor and not actor.endswith("[bot]"):
        yield actor


def _of_submission(path: Path) -> Iterator[str]:
    """Who Gradescope says handed this in. Its metadata lies outside the student's own folder: of
    several such files the outermost counts."""
    outermost = None
    for folder in path.resolve().parents:
        if folder.name == "submission" and (folder.parent / METADATA).is_file():
            outermost = folder.parent / METADATA
    users = None if outermost is None else _at(_json_of(outermost), "users")
    for user in users if isinstance(users, list) else ():
        for key in ("email", "sid", "id", "name"):
            if found := _at(user, key):
                yield str(found)


def _json_of(path: Path) -> object:
    """What a file of the surroundings says; nothing where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return json.loads(stream.read(MOST_METADATA))
    except (OSError, ValueError, RecursionError):
        return None


def _at(data: object, *keys: str) -> object:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data
