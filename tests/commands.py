"""Runs `backprop` commands inside the test's own process, with their exit code and output."""

from __future__ import annotations

import io
import os
import shlex
import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from glob import glob
from itertools import chain
from pathlib import Path
from unittest.mock import patch

from backprop_cli.cli import outcome

ROOT = Path(__file__).resolve().parent.parent
PROBLEMS = ROOT / "problems"


@dataclass(frozen=True)
class Outcome:
    code: int
    output: bytes
    complaints: str

    @property
    def text(self) -> str:
        return self.output.decode("utf-8")


class Screen(io.TextIOWrapper):
    """A stream that can be read afterwards; a terminal if said so."""

    def __init__(self, encoding: str = "utf-8", terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n", write_through=True)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def contents(self) -> bytes:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue()


def backprop(
    *arguments: str | Path,
    stdin: str = "",
    encoding: str = "utf-8",
    terminal: bool = False,
    **environment: str,
) -> Outcome:
    """What a command does, its stdout a pipe 80 columns wide unless said otherwise."""
    screen, complaints = Screen(encoding, terminal), Screen()
    surroundings = {"COLUMNS": "80", "TERM": "xterm-256color", "BACKPROP_TRACEBACK": "1"}
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, {**surroundings, **environment}))
        if "NO_COLOR" not in environment:
            os.environ.pop("NO_COLOR", None)
        stack.enter_context(
            patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8"))))
        )
        stack.enter_context(redirect_stdout(screen))
        stack.enter_context(redirect_stderr(complaints))
        try:
            code = outcome([str(argument) for argument in arguments])
        except SystemExit as leaving:  # a shell has been told what could be typed
            assert "_BACKPROP_COMPLETE" in environment
            code = int(leaving.code or 0)
    return Outcome(code, screen.contents(), complaints.contents().decode("utf-8"))


def run_line(line: str) -> Outcome:
    """A command as it is typed into a shell, its first word `backprop`, with * in file names;
    what it reads may come from a `printf '…' |` in front."""
    typed, bar, command = line.rpartition(" | ")
    lines = ""
    if bar:
        printf, lines = shlex.split(typed)
        assert printf == "printf", line
    first, *words = shlex.split(command)
    assert first == "backprop", line
    files = chain.from_iterable(sorted(glob(word)) or [word] for word in words)
    return backprop(*files, stdin=lines.replace("\\n", "\n"))
