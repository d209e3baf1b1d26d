"""Ctrl-C at any moment: the exit code says so, and nothing else is printed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backprop_cli.interrupts import interrupted

ROOT = Path(__file__).parent.parent

AT_IMPORT = """
import os, runpy, signal, sys

# A shell that starts the tests in the background hands an ignored Ctrl-C down.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
sys.argv = ["backprop", "solve", "problems/one-neuron.yaml"]
runpy.run_module("backprop_cli", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("module", "code"),
    [("typer", -signal.SIGINT), ("backprop_cli.worksheet.solution", 130)],
)
@pytest.mark.skipif(sys.platform == "win32", reason="its Ctrl-C is no signal")
def test_it_ends_the_program_quietly_whatever_is_being_loaded(module: str, code: int) -> None:
    source = f"MODULE = {module!r}{AT_IMPORT}"
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_it_is_found_behind_what_was_made_of_it() -> None:
    error = RuntimeError("while a class was being made")
    error.__cause__ = KeyboardInterrupt()
    assert interrupted(error)
    assert not interrupted(ValueError("a mistake of our own"))
