"""No module needs itself: what two of them share lies below both."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

from commands import ROOT


def test_no_module_imports_itself_by_way_of_others() -> None:
    files = {_name(path): path for path in (ROOT / "backprop_cli").rglob("*.py")}
    imported = {name: _imported(path, set(files)) - {name} for name, path in files.items()}
    # Raises CycleError, with the modules of the circle.
    TopologicalSorter(imported).prepare()


READERS = {"characters", "quantity", "spelling", "words"}
"""The modules of `formula` that take apart what people write: names, and the words of a formula."""


PATTERNS = {"re", "backprop_cli.patterns"}


def test_nothing_printed_is_taken_apart_again() -> None:
    """What writes formulas and pages has a tree of what it writes, and no use for patterns."""
    written = [
        *(ROOT / "backprop_cli" / "render").glob("*.py"),
        *(ROOT / "backprop_cli" / "formula").glob("*.py"),
    ]
    with_patterns = {
        path.stem
        for path in written
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and not PATTERNS.isdisjoint(
            (getattr(node, "module", None), *(each.name for each in node.names))
        )
    }
    assert with_patterns == READERS


TAKEN_APART = {"partition", "rpartition", "split", "rsplit", "startswith", "endswith", "find", "rfind",
               "removeprefix", "removesuffix", "replace", "count", "lstrip", "rstrip", "strip"}  # fmt: skip
"""Methods that look into a text; blanks at its ends, and lines and words in it, may be looked for."""
LOOK_INTO = {
    "shape._around": "the holes that were put in the place of names and numbers",
    "notation.signed": "a number of a formula is a text",
    "escape": "words into ASCII, and what a build log would take for a command",
    "breaking._cut": "what a build log would take for a command",
    "terminal.theme_name": "what a terminal says of its colours",
}
"""Where that is done in what writes formulas and pages, and why it is no formula taken apart."""


def test_what_is_looked_into_is_no_formula() -> None:
    formula = ("layout", "notation", "unicode", "plain", "latex", "mathml", "typst", "shape")
    written = [
        *(ROOT / "backprop_cli" / "render").glob("*.py"),
        *(ROOT / "backprop_cli" / "formula" / f"{name}.py" for name in formula),
    ]
    found = set()
    for path in written:
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef) and any(map(_looks_into, ast.walk(function))):
                place = f"{path.stem}.{function.name}"
                found.add(path.stem if path.stem in LOOK_INTO else place)
    assert found == set(LOOK_INTO)


def _looks_into(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    blanks = node.func.attr.endswith(("strip", "split")) and not node.args
    return node.func.attr in TAKEN_APART and not blanks


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def _imported(path: Path, modules: set[str]) -> set[str]:
    """Every module of the package that a file mentions, also where it is loaded on demand."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in modules:
            whole = [f"{node.module}.{each.name}" for each in node.names]
            found |= {name if name in modules else node.module for name in whole}
    return found
