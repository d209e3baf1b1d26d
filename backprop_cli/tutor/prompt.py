"""Where typed lines come from: a terminal with editing and history, or a pipe, which is echoed."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PROMPT = "> "


def reader(write: Callable[[str], None]) -> Callable[[], str]:
    """A function that gives the next line; it raises EOFError at the end."""
    if sys.stdin is None:
        return _nothing
    if sys.stdin.isatty():
        with suppress(ImportError):  # Windows: its console edits lines by itself
            import readline  # noqa: F401  # input() edits lines and keeps a history with it
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and _hears_signals():
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


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whoever presses Ctrl-C twice still gets what the first one asked for."""
    if not _hears_signals():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _hears_signals() -> bool:
    return threading.current_thread() is threading.main_thread()
