"""Which options of a command go together: what it cannot honour it refuses, and says why."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from backprop_cli.dataclass import dataclass
from backprop_cli.render.formats import ANSWERS, PICTURES, REPORTS, SOLUTIONS

FORMS = tuple(f"--form {each}" for each in ("reuse", "chain", "delta", "matrix", "scalar"))
"""That of gates is none of them: it makes other steps, and not only another page."""
WORK = ("--symbolic", "--composed", "--form", "--record", "--exact", "--round-each", "--all")
PAGE = ("--ascii", "--width", "--paper", "--pager")


@dataclass(frozen=True)
class Apart:
    """Options that mean nothing where all of `chosen` are given, which may begin with a command."""

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
    Apart(("--format json",), (*FORMS, "--all"), "it has every step in the same form, all of them"),
    Apart(
        ("--format sympy",),
        ("--symbolic", "--composed", *FORMS, "--digits", "--exact", "--all"),
        "SymPy does the work, and writes it in its own way",
    ),
    Apart(("--format sympy",), ("--steps", "--show"), "it is a script of the first update"),
    Apart(("--format sympy",), ("--curve", "--record"), "it is a script without pictures"),
    Apart(
        ("worksheet", "--answers"),
        ("--form", "--digits", *PAGE),
        "they are of the sheet, not of an answer file",
    ),
    Apart(("--output",), ("--pager",), "a pager is for what comes on the screen"),
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
        ("--activation", "--loss", *PAGE),
        "they are of networks and of pages",
    ),
    Apart(("new", "--layers"), PAGE, "they are of pages, and this is a problem file"),
    Apart(
        ("new", "--from"),
        ("--activation", "--loss", "--seed", "--variants", *PAGE),
        "an example is copied as it is",
    ),
    Apart(
        ("new", "--list"),
        ("--activation", "--loss", "--seed", "--variants", "--force"),
        "it only says which examples there are",
    ),
    *(
        Apart(
            (f"--format {each.name}",),
            tuple(f"--{way}" for way in ways if way not in each.honours),
            because,
        )
        for each in {**SOLUTIONS, **PICTURES, **REPORTS, **ANSWERS}.values()
        for ways, because in (
            (("width", "ascii"), "only text is made of columns and letters"),
            (("paper",), "only latex and pdf have pages of paper"),
        )
    ),
)


def conflict(there: Collection[str]) -> str | None:
    """What cannot be honoured among the options that are given, each as `--form` and, with its
    value, as `--form delta`, and the name of the command; None if all go together."""
    for row in TABLE:
        clash = [name for name in there if name in row.refused]
        if clash and set(row.chosen) <= set(there):
            *most, last = clash
            names = f"{', '.join(most)} and {last}" if most else last
            chosen = [name for name in row.chosen if name.startswith("--")]
            return f"{names} cannot be used with {' and '.join(chosen)}: {row.because}"
    return None
