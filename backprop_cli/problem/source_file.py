"""Files as text: read within a limit, or refused with the reason."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

from backprop_cli.diagnostics import Diagnostic, ProblemError, Source, Span

MOST_BYTES = 1 << 20


def load(path: str | Path, *, most_bytes: int = MOST_BYTES) -> Source:
    """The text of a file (`-` is standard input). Raises ProblemError if it is no text."""
    shown = str(path)
    try:
        if shown == "-":
            data = standard_input(most_bytes + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        raise ProblemError([_unreadable(shown, error)]) from None
    if len(data) > most_bytes:
        raise ProblemError([too_large(Source(shown, ""), most_bytes)])
    try:
        return Source(shown, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ProblemError([_not_utf8(shown, data, error.start)]) from None


def standard_input(most_bytes: int) -> bytes:
    """What stdin holds, up to so many bytes. Raises OSError where it is closed (`<&-`)."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer.read(most_bytes)


def _unreadable(path: str, error: OSError | ValueError) -> Diagnostic:
    reasons: dict[type[Exception], str] = {
        FileNotFoundError: "there is no such file",
        IsADirectoryError: "it is a directory",
        PermissionError: "it may not be read",
    }
    reason = reasons.get(type(error)) or getattr(error, "strerror", None) or "it cannot be opened"
    return Diagnostic("unreadable-file", f"cannot read the file: {reason}", Span(Source(path, "")))


def too_large(source: Source, most_bytes: int = MOST_BYTES) -> Diagnostic:
    return Diagnostic(
        "file-too-large", f"the file is larger than {most_bytes >> 20} MiB", Span(source)
    )


def _not_utf8(path: str, data: bytes, offset: int) -> Diagnostic:
    source = Source(path, data.decode("utf-8", errors="replace"))
    start = len(data[:offset].decode("utf-8", errors="replace"))
    return Diagnostic(
        "not-utf8",
        f"the file is not UTF-8 text (byte 0x{data[offset]:02x})",
        Span(source, start, start + 1),
        help="save it with the encoding UTF-8",
    )
