"""PDF pages by Typst: real pages, the same bytes each time, hostile words as words."""

from __future__ import annotations

import builtins
import contextlib
import re
import zlib
from typing import Any

import pytest
import sheets

from backprop_cli.formula import typst as notation
from backprop_cli.formula.nodes import Formula, Name, Number, Product, Quotient, Sum
from backprop_cli.formula.notation import Stacked
from backprop_cli.formula.spelling import spell
from backprop_cli.render import pdf, typst
from backprop_cli.worksheet.document import (
    Bullets,
    Callout,
    Column,
    Document,
    Math,
    Paragraph,
    Table,
    Text,
)


def outside_strings(source: str) -> str:
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', source)


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_it_is_a_pdf_and_the_same_each_time(paper: str) -> None:
    pytest.importorskip("typst")
    made = pdf.render(sheets.SHEET, paper=paper)
    assert made.startswith(b"%PDF-")
    assert made == pdf.render(sheets.SHEET, paper=paper)


def page_size(made: bytes) -> tuple[int, int]:
    """Width and height of the first page in points; page objects may be compressed."""
    parts = [made]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", made, re.S):
        with contextlib.suppress(zlib.error):
            parts.append(zlib.decompressobj().decompress(stream))
    found = re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", b"\n".join(parts))
    assert found
    return round(float(found[1])), round(float(found[2]))


def test_paper_sizes_differ() -> None:
    pytest.importorskip("typst")
    assert page_size(pdf.render(sheets.SHEET, paper="a4")) == (595, 842)
    assert page_size(pdf.render(sheets.SHEET, paper="letter")) == (612, 792)


def test_hostile_words_make_a_pdf_too() -> None:
    pytest.importorskip("typst")
    assert pdf.render(sheets.hostile()).startswith(b"%PDF-")


def test_words_are_string_literals() -> None:
    source = outside_strings(typst.render(sheets.hostile()))
    for word in ("script", "panic", "javascript", "input", "evil", "red"):
        assert word not in source


def test_words_are_closed_so_that_nothing_is_called_on_them() -> None:
    document = Document("", (Paragraph((Text("a"), Text(".len() [x] (y)"))),), spell)
    assert '#"a";#".len() [x] (y)";' in typst.render(document)


@pytest.mark.parametrize("tall", [False, True])
def test_lines_stand_further_apart_where_there_are_fractions_among_words(tall: bool) -> None:
    line = (Text("Look at "), Math(Name("dL/dw1" if tall else "w1")))
    cell = Table((Column((Text("Remark"),), wrap=True),), ((line,),))
    for block in (Paragraph(line), Bullets((line,)), Callout("note", line), cell):
        _, written = typst.render(Document("", (block,), spell)).split("#set document")
        assert ("wide[" in written) is tall


def test_long_brackets_can_be_broken() -> None:
    def shown(formula: Formula) -> str:
        return notation.loose(Stacked(spell).node(formula))

    long = Sum((Name("x1"),) * 40)
    inside = " + ".join(["x_(1)"] * 40)
    assert shown(Product((Name("a"), long))) == f"a \\({inside}\\)"
    assert shown(Quotient(long, Number("2"))) == f"frac({inside}, 2)"
    assert shown(Product((Name("a"), Sum((Name("b"), Name("c")))))) == "a (b + c)"


def test_without_the_package_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **options: Any) -> Any:
        if name == "typst":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(pdf.PdfUnavailable, match=r"pip install 'backprop-cli\[pdf\]'"):
        pdf.render(sheets.SHEET)


def test_system_fonts_only_for_letters_that_typst_lacks() -> None:
    assert not pdf.needs_system_fonts(typst.render(sheets.SHEET))
    assert pdf.needs_system_fonts("中文")
