"""The sheet on a terminal: styles that say nothing alone, and formulas that fit where they are."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sheets
from commands import PROBLEMS, ROOT
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from trees import formulas

from backprop_cli.formula.nodes import Formula, Matrix, Name, Number, Product, Sum
from backprop_cli.formula.spelling import spell
from backprop_cli.problem.read import read_problem
from backprop_cli.render import terminal, text
from backprop_cli.render.breaking import Atom, fill, longest, width_of
from backprop_cli.render.text import page_of
from backprop_cli.run import solve
from backprop_cli.worksheet.document import (
    Callout,
    Column,
    Derivation,
    DerivationLine,
    Document,
    Math,
    Paragraph,
    Table,
    Text,
)
from backprop_cli.worksheet.sheet import Choices
from backprop_cli.worksheet.solution import solution

PICTURE = Path(__file__).parent / "golden" / "sheet.svg"

WORDS = re.compile(r"[\w⁽⁾]+(?:\.\d+)?")


def bare(shown: str) -> str:
    return re.sub("\x1b\\[[0-9;]*m", "", shown)


def atoms(formula: Formula) -> list[Atom]:
    return page_of(Document("", (), spell), 200, False, styled=True).atoms(formula)


def without_remarks(document: Document) -> Document:
    return replace(document, blocks=tuple(b for b in document.blocks if not isinstance(b, Callout)))


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_style_says_what_the_plain_page_says(
    width: int, ascii: bool, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKPROP_THEME", theme)
    styled = terminal.render(sheets.SHEET, width=width, ascii=ascii)
    assert "\x1b[" in styled
    assert all(cell_len(line) <= width for line in bare(styled).splitlines())
    plain = text.render(sheets.SHEET, width=width, ascii=ascii)
    assert set(WORDS.findall(plain)) <= set(WORDS.findall(bare(styled)))
    if ascii:
        assert bare(styled).isascii()


def test_hostile_text_reaches_the_terminal_as_letters() -> None:
    rest = bare(terminal.render(sheets.hostile(), width=100))
    assert all(character.isprintable() or character == "\n" for character in rest)
    assert "\u202e" not in rest
    assert "[red]rich[/]" in rest


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("document", [sheets.SHEET, sheets.hostile()])
def test_but_for_the_frames_of_remarks_the_styles_are_all_that_differs(
    document: Document, width: int, ascii: bool
) -> None:
    document = without_remarks(document)
    plain = text.render(document, width=width, ascii=ascii)
    assert bare(terminal.render(document, width=width, ascii=ascii)) == plain


@given(formulas, st.integers(1, 60))
def test_a_formula_fits_where_it_says_that_it_fits(formula: Formula, width: int) -> None:
    parts = atoms(formula)
    least, natural = longest(parts), width_of(parts)
    assert least <= natural
    for room in (least, natural, max(width, least)):
        lines = fill(parts, room, room)
        assert all(width_of(line) <= room for line in lines)
        if room >= natural:
            assert len(lines) == 1


def styles_of(document: Document) -> dict[str, object]:
    screen = terminal.console(80, "dark")
    sheet = terminal.Sheet(document, page_of(document, 80, False, styled=True))
    return {part.text.strip(): part.style for part in screen.render(sheet) if part.text.strip()}


def test_numbers_names_and_operators_differ() -> None:
    formula = Sum((Product((Number("0.42"), Name("x1"))), Name("b")))
    styles = styles_of(Document("", (Paragraph((Math(formula),)),), spell))
    assert styles["0.42"] != styles["x₁"] != styles["+"]
    assert styles["x₁"] == styles["b"]


def test_the_result_of_an_update_is_seen_at_a_glance() -> None:
    columns = (Column((Text("old"),)), Column((Text("new"),), "decimal", result=True))
    rows = (((Math(Number("2")),), (Math(Number("3")),)),)
    styles = styles_of(Document("", (Table(columns, rows),), spell))
    number, strong = (
        terminal.console(80, "dark").get_style(f"sheet.{n}") for n in ("number", "strong")
    )
    assert (styles["2"], styles["3"]) == (number, number + strong)


def test_numbers_in_matrices_are_told_apart_too() -> None:
    matrix = Matrix(((Number("0.5"), Name("w")), (Number("1"), Number("-2.25"))))
    document = Document("", (Derivation((DerivationLine(Name("A"), "=", matrix),)),), spell)
    styles, screen = styles_of(document), terminal.console(80, "dark")
    assert styles["0.5"] == styles["−2.25"] == screen.get_style("sheet.number")
    assert styles["w"] == screen.get_style("sheet.name")


def test_a_formula_breaks_before_an_operator() -> None:
    long = Sum(tuple(Product((Name(f"w{n}"), Name(f"x{n}"))) for n in range(1, 5)))
    document = Document("", (Paragraph((Math(long),)),), spell)
    lines = bare(terminal.render(document, width=20)).splitlines()
    assert lines == ["w₁·x₁ + w₂·x₂", "+ w₃·x₃ + w₄·x₄"]


def test_a_remark_stands_in_a_frame_with_its_kind() -> None:
    document = Document("", (Callout("warning", (Text("Mind the gap."),)),), spell)
    first, middle, last = bare(terminal.render(document, width=30)).splitlines()
    assert first == "╭─ Warning ──────────────────╮"
    assert middle == "│ Mind the gap.              │"
    assert last == "╰────────────────────────────╯"


@pytest.mark.parametrize(
    ("environment", "theme"),
    [
        ({}, "dark"),
        ({"COLORFGBG": "0;15"}, "light"),
        ({"COLORFGBG": "15;0"}, "dark"),
        ({"COLORFGBG": "0;15", "BACKPROP_THEME": "dark"}, "dark"),
        ({"BACKPROP_THEME": "neon"}, "dark"),
    ],
)
def test_the_theme(
    environment: dict[str, str], theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COLORFGBG", "BACKPROP_THEME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert terminal.theme_name() == theme


def words_of(picture: str) -> str:
    """What is to be read in a picture, whichever version of Rich has drawn it."""
    root = ElementTree.fromstring(picture)
    texts = (element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text"))
    return "".join("".join(texts).split())


def test_the_picture_of_the_readme_is_the_sheet_of_today() -> None:
    run = solve(read_problem(PROBLEMS / "sum-times-circuit.yaml"))
    drawn = terminal.picture(
        solution(run, Choices(pictures=False)),
        width=88,
        title="backprop solve sum-times-circuit.yaml",
    )
    if os.environ.get("BACKPROP_WRITE_GOLDEN"):
        PICTURE.write_text(drawn, encoding="utf-8")
    assert words_of(PICTURE.read_text(encoding="utf-8")) == words_of(drawn)
    assert f"]({PICTURE.relative_to(ROOT)})" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_words_stay_whole_at_any_width() -> None:
    document = Document("", (Paragraph((Text("one two three"),)),), spell)
    assert bare(terminal.render(document, width=20)) == "one two three\n"
