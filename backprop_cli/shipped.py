"""The example problems that come with the program, in a wheel, a zip or the source tree alike."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from backprop_cli.diagnostics import nearest, quote
from backprop_cli.formula.spelling import spell
from backprop_cli.problem.read import read_problem
from backprop_cli.worksheet.document import Column, Document, Paragraph, Table, Text


class NoSuchExample(Exception):
    """No example has this name; the message says which has one like it."""


def names() -> tuple[str, ...]:
    """The examples, as `backprop new --from` takes them."""
    return tuple(sorted(file.name.removesuffix(".yaml") for file in _shelf() if _is_problem(file)))


def titles() -> dict[str, str]:
    """Every example with its title."""
    return {name: read_problem(f"{name}.yaml", text(name)).title for name in names()}


def contents() -> Document:
    """The same as a sheet."""
    rows = tuple(((Text(name, "code"),), (Text(title),)) for name, title in titles().items())
    columns = (Column((Text("Name"),)), Column((Text("What it is about"),), wrap=True))
    hint = Paragraph((Text("backprop new --from NAME", "code"), Text(" writes one of them.")))
    return Document("Shipped examples", (Table(columns, rows), hint), spell)


def text(name: str) -> str:
    """The file of an example, comments included. Raises NoSuchExample."""
    known = names()
    plain = name.strip().removesuffix(".yaml")
    if plain not in known:
        hint = nearest(plain, known) or "`backprop new --list` shows them"
        raise NoSuchExample(f"{quote(name)} is no shipped example; {hint}")
    for file in _shelf():
        if file.name == f"{plain}.yaml":
            return file.read_text(encoding="utf-8")
    raise AssertionError(plain)


def _shelf() -> list[Traversable]:
    packed = files("backprop_cli") / "problems"
    if packed.is_dir():
        return list(packed.iterdir())
    # In the source tree they lie beside the package, where their readers find them.
    return list((Path(__file__).resolve().parent.parent / "problems").iterdir())


def _is_problem(file: Traversable) -> bool:
    return file.name.endswith(".yaml") and file.is_file()
