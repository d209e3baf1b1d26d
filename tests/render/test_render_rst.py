"""reStructuredText that docutils takes without a word, and hostile words as words."""

from __future__ import annotations

from typing import Any

import pytest
import sheets

from backprop_cli.formula.nodes import Name, Product
from backprop_cli.formula.spelling import spell
from backprop_cli.render import rst
from backprop_cli.worksheet.document import Document, Paragraph, Text


def read(source: str) -> Any:
    """The document as docutils reads it; the least complaint is an error."""
    core = pytest.importorskip("docutils.core")
    settings = {"halt_level": 2, "report_level": 2, "raw_enabled": True}
    return core.publish_doctree(source, settings_overrides=settings)


def test_a_sheet_is_read_without_a_complaint() -> None:
    tree = read(rst.render(sheets.SHEET))
    kinds = {node.tagname for node in tree.findall()}
    assert kinds >= {"table", "math", "math_block", "note", "warning", "literal_block", "raw"}
    assert tree["title"] == "Two hidden layers, one training step"


def test_hostile_words_are_words() -> None:
    tree = read(rst.render(sheets.hostile()))
    kinds = {node.tagname for node in tree.findall()}
    assert not kinds & {"reference", "problematic", "substitution_reference"}
    shown = "".join(sheets.HOSTILE.replace("\x1b", "\\x1b").replace("\x07", "\\x07").split())
    shown = shown.replace("\u202e", "\\u202e")
    assert shown in "".join(tree.astext().split())


@pytest.mark.parametrize(
    "text",
    ["- a", "1. a", "a) b", "(i) x", ".. x::", ":a: b", ">>> 1", "| a", "====", "--x y", "a::"],
)
def test_a_paragraph_is_never_something_else(text: str) -> None:
    tree = read(rst.render(Document("", (Paragraph((Text(text),)),), spell)))
    assert [node.tagname for node in tree.children] == ["paragraph"]
    assert tree.astext() == text


def test_a_formula() -> None:
    assert rst.tex(Product((Name("w1"), Name("x`1"))), spell) == r"w_1 \cdot \text{x'1}"
