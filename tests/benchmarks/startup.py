"""Whole commands against merely importing what every one of them may need, and SymPy."""

from __future__ import annotations

from collections.abc import Iterator

from measure import PROBLEMS, SHEET, Row, best_of_each

SYMPY = ["-c", "import sympy, typer, rich.table, yaml"]
LIBRARIES = ["-c", "import typer, rich.table, yaml"]
OWN_NUMBERS = PROBLEMS / "own-numbers.yaml"
ANSWERS = PROBLEMS / "answers" / "two-hidden-layers-perfect.yaml"
COMMANDS = {
    "--help": (["--help"], 0.9),
    "validate": (["validate", str(SHEET)], 1.6),
    "list": (["list"], 1.6),
    "schema": (["schema"], 1.6),
    "variant": (["variant", str(OWN_NUMBERS), "--student", "ada"], 2.2),
    "solve": (["solve", str(SHEET)], 2.2),
    "check": (["check", str(SHEET), str(ANSWERS)], 2.2),
}
SYMBOLIC = ["solve", str(SHEET), "--symbolic"]


def measure() -> Iterator[Row]:
    every = [*(words for words, _ in COMMANDS.values()), SYMBOLIC]
    called = [["-m", "backprop_cli", *words] for words in every]
    sympy, libraries, *commands, symbolic = best_of_each([SYMPY, LIBRARIES, *called])
    yield Row("importing sympy, typer, rich.table, yaml", sympy, " s")
    yield Row("importing typer, rich.table, yaml", libraries, " s")
    for (name, (_, bar)), took in zip(COMMANDS.items(), commands, strict=True):
        yield Row(f"{name} against the imports without SymPy", took / libraries, " times", bar)
    yield Row("solve --symbolic against the imports", symbolic / sympy, " times", 1.35)
