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
        and "re" in (getattr(node, "module", None), *(each.name for each in node.names))
    }
    assert with_patterns == READERS


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
