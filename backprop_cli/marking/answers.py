"""Answer files: YAML, JSON, CSV and pages with answers on them become one `Submission`.

Whatever is wrong with a file as a whole ends up in its `error`; reading raises nothing, so that one
bad file in a class spoils only itself.
"""

from __future__ import annotations

from pathlib import Path

from backprop_cli.marking.forms import of_form
from backprop_cli.marking.pages import is_page, of_page
from backprop_cli.marking.submission import MOST_BYTES, Submission, Unusable, spoilt
from backprop_cli.problem.source_file import standard_input


def read_submission(path: str | Path) -> Submission:
    """Reads a file (`-` is standard input); never raises for what is in it or missing."""
    file = str(path)
    try:
        if file == "-":
            data = standard_input(MOST_BYTES + 1)
        else:
            with open(file, "rb", buffering=0) as stream:
                data = stream.read(MOST_BYTES + 1) or b""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "cannot be opened"
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else reason
        reason = "it is a directory" if isinstance(error, IsADirectoryError) else reason
        return spoilt(file, f"cannot read the file: {reason}")
    return parse_submission(file, data)


def parse_submission(file: str, data: bytes | str) -> Submission:
    """The answers in `data`; the ending of `file` tells the format, YAML by default."""
    if len(data) > MOST_BYTES:
        return spoilt(file, "the file is larger than 1 MiB")
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return spoilt(file, f"line {line}: the file is not UTF-8 text")
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return spoilt(file, f"line {line}: the file is not text")
    try:
        return of_page(file, text) if is_page(file) else of_form(file, text)
    except Unusable as error:
        return spoilt(file, str(error))
