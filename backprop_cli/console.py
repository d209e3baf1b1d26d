"""Where text goes: stdout, stderr or a file, whatever these can take."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from backprop_cli.diagnostics import escape

PATIENCE = 0.5
"""Seconds that nobody minds waiting without a word."""


class Undeliverable(Exception):
    """A result cannot be written where it should go; the message says why."""


def write(text: str, stream: TextIO | None = None) -> None:
    """Text to stdout (or `stream`), what its encoding lacks replaced by `?`."""
    out = standard_output() if stream is None else stream
    encoding = getattr(out, "encoding", None) or "utf-8"
    out.write(text.encode(encoding, "replace").decode(encoding))
    out.flush()


def standard_output() -> TextIO:
    """Stdout. Raises Undeliverable where the program was started without one (`>&-`)."""
    if sys.stdout is None:
        raise Undeliverable("standard output is closed; give --output FILE")
    return sys.stdout


def complain(message: str) -> None:
    """A message on stderr; nobody hears it where that is closed."""
    if sys.stderr is None:
        return
    try:
        write(message + "\n", sys.stderr)
    except BrokenPipeError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """The reader has gone (`| head`): nothing to say, and nowhere to say it."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def file_of(output: Path | None) -> Path | None:
    """The file that a result goes to; None means stdout, and so does `-`."""
    return None if output is None or str(output) == "-" else output


def deliver_stream(parts: Iterable[str], output: Path | None) -> None:
    """The same for a result that is made piece by piece, so that a long one is never in memory."""
    if (file := file_of(output)) is None:
        for part in parts:
            write(part)
        return
    _save(file, (part.encode("utf-8", "replace") for part in parts))


def deliver(content: str | bytes, output: Path | None) -> None:
    """The result to the file, whole or not at all; to stdout without one.

    Raises Undeliverable with the reason.
    """
    if isinstance(content, str):
        deliver_stream((content,), output)
    elif (file := file_of(output)) is not None:
        _save(file, (content,))
    elif (out := standard_output()).isatty():
        raise Undeliverable("a terminal cannot show this format; give --output FILE")
    else:
        out.buffer.write(content)
        out.buffer.flush()


def _save(output: Path, parts: Iterable[bytes]) -> None:
    try:
        _replace(output, parts)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be written"
        raise Undeliverable(f"{escape(str(output))}: {reason}") from None


def _replace(output: Path, parts: Iterable[bytes]) -> None:
    """A file is swapped in one go; a device or a pipe is written to as it is."""
    with suppress(FileNotFoundError):
        output.stat()  # says that links lead in a circle, which resolving takes in its own ways
    place = output.resolve()
    if place.exists() and not place.is_file():
        with open(place, "wb") as device:
            device.writelines(parts)
        return
    mode = place.stat().st_mode & 0o7777 if place.exists() else 0o666 & ~_umask()
    import tempfile

    descriptor, unfinished = tempfile.mkstemp(prefix=".backprop-", dir=place.parent)
    try:
        with open(descriptor, "wb") as file:
            file.writelines(parts)
        os.chmod(unfinished, mode)
        os.replace(unfinished, place)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def width_of_page(asked: int | None) -> int:
    """Columns of a text sheet: as asked, else the terminal's within reason."""
    if asked is not None:
        return asked
    return max(40, min(shutil.get_terminal_size((80, 24)).columns, 160))


def wants_color() -> bool:
    """Whether stdout is a terminal whose user has not asked for plain text (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return standard_output().isatty()


def show_in_pages(text: str) -> None:
    """A long sheet through the reader's pager (`PAGER`, else less), styles kept."""
    from rich.pager import SystemPager

    os.environ.setdefault("LESS", "-R")
    SystemPager().show(text)


def writes_unicode() -> bool:
    """Whether stdout can take the signs of a Unicode sheet."""
    try:
        "∂σŷ₁⁽²⁾│─≈−".encode(standard_output().encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class Progress:
    """Says on stderr how far long work is, how fast it goes and how long it will take, while
    someone is watching; of `total` things, where that is known."""

    def __init__(self, what: str, total: int | None = None) -> None:
        self.what, self.total = what, total
        self.done = 0
        self.begun = self.said = time.monotonic()
        self.bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __call__(self, more: int) -> None:
        self.done += more
        now = time.monotonic()
        if now - self.said < PATIENCE:
            return
        # Once there is a bar, stderr is its own, which some versions of Rich call no terminal.
        if self.bar is None and (sys.stderr is None or not sys.stderr.isatty()):
            return
        self.said = now
        if self.bar is None:
            self.bar = self._begin()
        self.bar.update(self.bar.task_ids[0], completed=self.done, pace=self._pace(now))
        self.bar.refresh()

    def _pace(self, now: float) -> str:
        """How much is done in a second, and how long the rest will take at that."""
        rate = self.done / max(now - self.begun, 1e-9)
        written = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"
        if self.total is None or not rate:
            return written
        left = max(0, round((self.total - self.done) / rate))
        return f"{written}, {left // 60}:{left % 60:02} left"

    def _begin(self) -> Any:
        """The bar; what draws it is loaded now, for most work ends before anyone has to wait."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        counts = "{task.completed:,.0f}" + (" of {task.total:,.0f}" if self.total else "")
        columns = [TextColumn(f"{counts} {self.what}"), TextColumn("{task.fields[pace]}")]
        more = [BarColumn()] if self.total else []
        bar = Progress(
            *columns,
            *more,
            console=Console(stderr=True),
            transient=True,
            auto_refresh=False,
        )
        bar.add_task("", total=self.total, completed=self.done, pace=self._pace(self.said))
        bar.start()
        return bar

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()
