"""A whole `solve` against merely importing what it may need."""

from __future__ import annotations

from collections.abc import Iterator

from measure import SHEET, Row, best_of_each

BARE = ["-c", "import sympy, typer, rich.table, yaml"]
LIBRARIES = ["-c", "import typer, rich.table, yaml"]
SOLVE = ["-m", "backprop_cli", "solve", str(SHEET)]
SYMBOLIC = [*SOLVE, "--symbolic"]
HELP = ["-m", "backprop_cli", "--help"]


def measure() -> Iterator[Row]:
    bare, libraries, solve, symbolic, manual = best_of_each(
        [BARE, LIBRARIES, SOLVE, SYMBOLIC, HELP]
    )
    yield Row("importing sympy, typer, rich.table, yaml", bare, " s")
    yield Row("importing typer, rich.table, yaml", libraries, " s")
    yield Row("solve of the 3-2-2-1 sheet", solve, " s")
    yield Row("solve against the bare imports", solve / bare, " times", 1.35)
    yield Row("solve --symbolic against the bare imports", symbolic / bare, " times", 1.35)
    yield Row("--help against the bare imports", manual / bare, " times", 1.0)
