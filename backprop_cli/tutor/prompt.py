"""Where typed lines come from: a terminal with editing and history, or a pipe, which is echoed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from backprop_cli.interrupts import hears_signals

PROMPT = "> "


def reader(write: Callable[[str], None]) -> Callable[[], str]:
    """A function that gives the next line; it raises EOFError at the end."""
    if sys.stdin is None:
        return _nothing
    if sys.stdin.isatty():
        with suppress(ImportError):  # Windows: its console edits lines by itself
            import readline  # noqa: F401  # input() edits lines and keeps a history with it
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and hears_signals():
            # As what a shell starts in the background has it: then nothing but q would end this.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return lambda: input(PROMPT)

    def piped() -> str:
        write(PROMPT)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        # A terminal shows what is typed; the transcript of a pipe has it too.
        write("".join(char if char.isprintable() else "?" for char in line.rstrip("\n")) + "\n")
        return line

    return piped


def _nothing() -> str:
    raise EOFError
