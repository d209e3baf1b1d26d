"""What Ctrl-C does, and when."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C does nothing meanwhile, nor ever to a process that is started here."""
    if not hears_signals():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def hears_signals() -> bool:
    """Whether this is the thread that may say what a signal does."""
    return threading.current_thread() is threading.main_thread()


def interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: what loads a module may make another of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
