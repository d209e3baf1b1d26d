"""An answer file edited elsewhere: marked again, and the report redrawn, at every save."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from backprop_cli.marking.answers import read_submission
from backprop_cli.marking.check import Checker
from backprop_cli.problem.model import Problem
from backprop_cli.tutor.page import Page
from backprop_cli.worksheet.marked import marked

PAUSE = 0.3
"""Seconds between two looks at the file."""
CLEAR = "\x1b[H\x1b[2J"


def watch_file(
    problem: Problem,
    path: Path,
    write: Callable[[str], None],
    page: Page,
    wait: Callable[[], None] = lambda: time.sleep(PAUSE),
) -> bool:
    """Mark a file whenever it changes, until the student stops (Ctrl-C). Whether it passes.

    `wait` is called between two looks; KeyboardInterrupt out of it ends the watch.
    """
    checker = Checker(problem)
    seen: tuple[int, int] | None = None
    passed = False
    write(f"Watching {path.name}: save it to see it marked, Ctrl-C ends.\n\n")
    try:
        while True:
            now = _look(path)
            if now is not None and now != seen:
                report = checker.mark(read_submission(str(path)))
                passed = report.passed
                document = marked(checker.head, report, checker.graph)
                write((CLEAR if page.color and seen else "") + page.written(document) + "\n")
                seen = now
            wait()
    except KeyboardInterrupt:
        write("\n")
        return passed


def _look(path: Path) -> tuple[int, int] | None:
    """When a file was saved, and how long it is; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
