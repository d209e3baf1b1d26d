"""Which options of a command go together: what it cannot honour it refuses, and says why.

Refused is what would be missed in the result. Options of the layout (`--ascii`, `--width`,
`--paper`) that a format has no use for are let pass: scripts give them whatever the format.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from backprop_cli.dataclass import dataclass
from backprop_cli.render.formats import PAGES, REPORTS

FORMS = tuple(f"--form {each}" for each in ("reuse", "chain", "delta", "matrix", "scalar"))
"""That of gates is none of them: it makes other steps, and not only another page."""
WORK = ("--symbolic", "--composed", "--form", "--record", "--exact", "--round-each", "--all")


@dataclass(frozen=True)
class Apart:
    """Options that mean nothing where all of `chosen` are given, which may begin with a command."""

    chosen: tuple[str, ...]
    refused: tuple[str, ...]
    because: str
    unless: str = ""  # an option with which they mean something after all


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
    Apart(("--format json",), FORMS, "it has every step in the same form"),
    Apart(
        ("--format sympy",),
        ("--symbolic", "--composed", *FORMS, "--digits", "--exact"),
        "SymPy does the work, and writes it in its own way",
    ),
    Apart(("--format sympy",), ("--steps", "--show"), "it is a script of the first update"),
    Apart(("--format sympy",), ("--curve", "--record"), "it is a script without pictures"),
    Apart(
        ("worksheet", "--answers"),
        ("--form", "--digits"),
        "they are of the sheet, not of an answer file",
    ),
    *(
        Apart(
            (f"--format {name}",),
            ("--reveal",),
            "it has no place for right values; text, rst, latex, html, pdf and json have",
            unless="--feedback",
        )
        for name in REPORTS.keys() - PAGES.keys() - {"json"} | {"markdown"}
    ),
    Apart(("--random",), ("--student",), "its numbers are nobody's"),
    Apart(("--watch",), ("--answers",), "each is a file of answers, kept or only looked at"),
    Apart(
        ("--watch",),
        ("--only", "--from", "--all-steps", "--tries", "--free"),
        "it asks nothing, and marks the whole file",
    ),
    Apart(("--students",), ("--student",), "it is one student, or a class"),
    Apart(
        ("new", "--equations"),
        ("--activation", "--loss"),
        "they are of networks",
    ),
    Apart(
        ("new", "--from"),
        ("--activation", "--loss", "--seed", "--variants"),
        "an example is copied as it is",
    ),
    Apart(
        ("new", "--list"),
        ("--activation", "--loss", "--seed", "--variants", "--force"),
        "it only says which examples there are",
    ),
)


def conflict(there: Collection[str]) -> str | None:
    """What cannot be honoured among the options that are given, each as `--form` and, with its
    value, as `--form delta`, and the name of the command; None if all go together."""
    for row in TABLE:
        clash = [name for name in there if name in row.refused]
        if clash and set(row.chosen) <= set(there) and row.unless not in there:
            *most, last = clash
            names = f"{', '.join(most)} and {last}" if most else last
            chosen = [name for name in row.chosen if name.startswith("--")]
            return f"{names} cannot be used with {' and '.join(chosen)}: {row.because}"
    return None
