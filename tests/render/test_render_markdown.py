"""Markdown that GitHub and Jupyter read alike."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sheets
from hypothesis import given
from hypothesis import strategies as st

from backprop_cli.formula.nodes import Call, Name, Product, Sum
from backprop_cli.formula.spelling import spell
from backprop_cli.render import latex, markdown
from backprop_cli.render import text as plain_text
from backprop_cli.worksheet.document import Column, Document, Math, Paragraph, Table, Text


def formulas(written: str) -> list[str]:
    """What stands between dollar signs, code blocks and escaped signs left out."""
    written = re.sub(r"```.*?```", "", written, flags=re.S).replace("<span>$</span>", "")
    return re.findall(r"\$\$(.+?)\$\$|\$([^$]+)\$", written, flags=re.S)


def test_formulas_use_commands_of_letters_only() -> None:
    found = ["".join(pair) for pair in formulas(markdown.render(sheets.SHEET))]
    assert found
    for tex in found:
        # GitHub drops a backslash before punctuation; `<`, `|` and `*` mean something to it.
        assert not re.search(r"\\[^A-Za-z]", tex), tex
        assert not re.search(r"[<>|*~]", tex), tex


def test_braces_and_dollars_balance() -> None:
    for sheet in (sheets.SHEET, sheets.hostile()):
        written = re.sub(r"```.*?```", "", markdown.render(sheet), flags=re.S)
        assert written.replace("<span>$</span>", "").count("$") % 2 == 0
    for pair in formulas(markdown.render(sheets.SHEET)):
        tex = "".join(pair)
        assert tex.count("{") == tex.count("}")


def test_every_row_of_a_table_has_all_its_cells() -> None:
    for sheet in (sheets.SHEET, sheets.hostile()):
        heads = 0
        for line in re.sub(r"```.*?```", "", markdown.render(sheet), flags=re.S).splitlines():
            if not line.startswith("| "):
                heads = 0
                continue
            bars = len(re.findall(r"(?<!\\)\|", line))
            assert heads in (0, bars)
            heads = bars


def test_hostile_text_is_no_markup() -> None:
    # In a code block words are words; outside they have to be escaped.
    written = re.sub(r"```.*?```", "", markdown.render(sheets.hostile()), flags=re.S)
    assert "<script" not in written
    assert not re.search(r"(?<!\\)\]\(", written)
    assert "&#92;input" in written
    assert "\x1b" not in written
    assert "\u202e" not in written
    assert all(line.count("`") % 2 == 0 for line in written.splitlines() if "```" not in line)


def test_a_curve_is_drawn_in_a_code_block_and_a_network_by_mermaid() -> None:
    written = markdown.render(sheets.SHEET)
    assert "```text\nvalue\n" in written
    assert "```mermaid\nflowchart LR\n" in written


def test_a_long_derivation_is_broken_into_lines() -> None:
    written = markdown.render(Document("", (sheets.PATHS,), sheets.layered))
    rows = written.split("\\cr")
    assert len(rows) > len(sheets.PATHS.lines)
    assert written.count("\\begin{aligned}") == 1
    assert "\\text{via }" in written


def test_signs_that_tables_and_tags_use() -> None:
    formula = Sum((Call("abs", (Name("x"),)), Product((Name("a_b"), Name("c")))))
    table = Table((Column((Text("a|b"),)),), (((Math(formula),),),))
    written = markdown.render(Document("", (table,), spell))
    assert "a\\|b" in written
    assert "\\vert" in written


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_stays_in_its_paragraph(content: str) -> None:
    written = markdown.render(Document("", (Paragraph((Text(content),)),), spell))
    assert len(written.strip("\n").splitlines()) <= 1
    assert not re.match(r"\s*(#{1,6} |[-+*] |\d+[.)] |>|```|~~~|=+$|-+$)", written)
    assert not re.search(r"<(?!span>\$</span>|/span>|!-- -->)", written)


@pytest.mark.parametrize("text", ["::error file=a::pwn", "  ::warning::x", "##[error]x"])
@pytest.mark.parametrize("render", [markdown.render, latex.render, plain_text.render])
def test_no_line_is_a_command_for_a_build_log(render: Callable[[Document], str], text: str) -> None:
    document = Document(text, (Paragraph((Text(text),)),), spell)
    for line in render(document).splitlines():
        assert not line.lstrip().startswith("::")
        assert "##[" not in line.replace("\\##[", "")
