"""Which options of a command go together: what it cannot honour it refuses, and says why.

Refused is what would be missed in the result. Options of the layout (`--ascii`, `--width`,
`--paper`) that a format has no use for are let pass: scripts give them whatever the format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backprop_cli.dataclass import dataclass

WORK = ("--symbolic", "--composed", "--form", "--record", "--exact", "--round-each")


@dataclass(frozen=True)
class Apart:
    """Options that mean nothing where all of `chosen` are given."""

    chosen: tuple[str, ...]
    refused: tuple[str, ...]
    because: str


TABLE: Sequence[Apart] = (
    Apart(
        ("--lr-sweep",),
        (*WORK, "--only", "--show", "--digits", "--curve", "--format json", "--format sympy"),
        "it compares the losses of whole runs",
    ),
    Apart(
        ("--curve", "--only"),
        (*WORK, "--steps", "--show", "--digits"),
        "only the curves of these quantities are drawn, at the beginning of the run",
    ),
    Apart(
        ("--format json",),
        ("--curve", "--digits", "--exact", "--record"),
        "its numbers are in full precision, and it has no pictures",
    ),
    Apart(("--format sympy",), ("--curve", "--record"), "it is a script without pictures"),
)


def conflict(given: Mapping[str, object]) -> str | None:
    """What cannot be honoured among the options of a command, by the value each has; None if all
    go together. An option that is None, False or empty is not given."""
    there = [name for name, value in given.items() if value not in (None, False, [], ())]
    for row in TABLE:
        if not set(row.chosen) <= set(there):
            continue
        clash = [name for name in there if name in row.refused]
        if clash:
            *most, last = clash
            names = f"{', '.join(most)} and {last}" if most else last
            return f"{names} cannot be used with {' and '.join(row.chosen)}: {row.because}"
    return None
