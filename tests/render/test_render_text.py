"""The terminal sheet, at every width, in Unicode and ASCII."""

from __future__ import annotations

import re

import pytest
import sheets
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from trees import formulas

from backprop_cli.formula.characters import visible
from backprop_cli.formula.nodes import Formula, Name, Negative, Number, Product
from backprop_cli.formula.notation import InLine, Typed
from backprop_cli.formula.spelling import spell
from backprop_cli.render import text
from backprop_cli.render.breaking import PLAIN, UNICODE, cells, fill, formula_atoms, word_atoms
from backprop_cli.render.escape import ascii_only
from backprop_cli.worksheet.document import (
    Column,
    Curve,
    Derivation,
    DerivationLine,
    Document,
    Heading,
    Math,
    Paragraph,
    Series,
    Table,
    Text,
    numeral,
)


def written(*blocks: object, **options: object) -> str:
    return text.render(Document("", blocks, spell), **options)  # type: ignore[arg-type]


def words(text: str) -> tuple[Text, ...]:
    return (Text(text),)


@pytest.mark.parametrize("width", [20, 33, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("sheet", [sheets.SHEET, sheets.hostile()], ids=["sheet", "hostile"])
def test_no_line_is_wider_than_the_page(sheet: Document, width: int, ascii: bool) -> None:
    for line in text.render(sheet, width=width, ascii=ascii).splitlines():
        assert cell_len(line) <= width, line
        assert line == line.rstrip()


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("ascii", [False, True])
def test_nothing_is_clipped(width: int, ascii: bool) -> None:
    shown = re.sub(r"[\s│|┼+─-]+", "", text.render(sheets.SHEET, width=width, ascii=ascii))
    for number in ("5.02", "0.734", "0.00305", "0.419992", "0.0341", "0.6428"):
        assert number in shown
    assert "dL/dw3_1_1" in shown


def test_ascii_is_ascii() -> None:
    assert text.render(sheets.SHEET, ascii=True).isascii()
    assert text.render(sheets.hostile(), ascii=True).isascii()


def test_hostile_text_reaches_a_page_as_letters() -> None:
    shown = text.render(sheets.hostile(), width=100)
    assert all(character.isprintable() or character == "\n" for character in shown)
    assert "\u202e" not in shown
    assert "[red]rich[/]" in shown


@pytest.mark.parametrize("width", range(20, 60))
def test_no_line_is_a_command_for_a_build_log(width: int) -> None:
    for title in ("a b c ::error::x", "::" * 60, "x" * 37 + "::warning::", "##[group]"):
        for line in written(Heading(1, words(title)), width=width).splitlines():
            assert not line.lstrip().startswith(("::", "##["))


def test_a_derivation_has_its_signs_under_one_another() -> None:
    shown = text.render(Document("", (sheets.CHAIN,), sheets.layered), width=80)
    assert shown == (
        "∂L/∂w₁₁⁽³⁾ = ∂L/∂ŷ · ∂ŷ/∂z₁⁽³⁾ · ∂z₁⁽³⁾/∂w₁₁⁽³⁾\n"
        "           = (ŷ − y) · ŷ(1 − ŷ) · a₁⁽²⁾\n"
        "           = (0.734 − 1)(0.734)(1 − 0.734)(0.901)\n"
        "           ≈ −0.0468\n"
    )


def test_a_long_formula_goes_on_behind_its_sign_and_keeps_its_label() -> None:
    shown = text.render(Document("", (sheets.PATHS,), sheets.layered), width=60)
    assert shown.splitlines()[:3] == [
        "∂L/∂w₁₁⁽¹⁾ = ∂L/∂ŷ · ∂ŷ/∂z₁⁽³⁾ · ∂z₁⁽³⁾/∂a₁⁽²⁾",
        "               · ∂a₁⁽²⁾/∂z₁⁽²⁾ · ∂z₁⁽²⁾/∂a₁⁽¹⁾",
        "               · ∂a₁⁽¹⁾/∂z₁⁽¹⁾ · ∂z₁⁽¹⁾/∂w₁₁⁽¹⁾",
    ]
    assert "│ via a₁⁽²⁾" in shown


def test_matrices_stand_in_tall_brackets_with_their_shapes_below() -> None:
    shown = text.render(Document("", (sheets.MATRICES,), sheets.layered), width=60)
    assert shown == (
        "z₁  = ⎡w₁₁⁽¹⁾  w₁₂⁽¹⁾⎤ ⎡x₁⎤ + ⎡b₁⁽¹⁾⎤\n"
        "2×1   ⎣w₂₁⁽¹⁾  w₂₂⁽¹⁾⎦ ⎣x₂⎦   ⎣b₂⁽¹⁾⎦\n"
        "            2×2        2×1      2×1\n"
        "    = (W₂ᵀ δ₂) ⊙ g₁\n"
    )


def test_decimals_stand_under_one_another() -> None:
    numbers = (Negative(Number("0.0468")), Number("12"), Number("1.2e-5"), Negative(Number("3.5")))
    rows = tuple((numeral(number),) for number in (*numbers, Name("inf")))
    shown = written(Table((Column(words("value"), "decimal"),), rows), width=40)
    assert shown == (
        "    value\n"
        "─────────\n"
        "−0.0468\n"
        "12\n"
        " 1.2×10⁻⁵\n"
        "−3.5\n"
        "      inf\n"
    )  # fmt: skip


def test_a_table_gives_way_where_it_may_and_becomes_records_where_it_must() -> None:
    formula = (Math(Product(tuple(Name(f"factor{n}") for n in range(6)))),)
    rows = ((words("a"), formula, words("1.5")),)
    heads = (words("name"), words("formula"), words("value"))

    def shown(wrap: bool, width: int) -> list[str]:
        columns = tuple(Column(head, wrap=wrap and n == 1) for n, head in enumerate(heads))
        return written(Table(columns, rows), width=width).splitlines()

    assert all("│" in line for line in shown(True, 40)[2:])
    assert shown(False, 40)[0] == "name: a"
    assert shown(False, 40)[-1] == "  value: 1.5"


def test_wide_characters_count_as_two() -> None:
    table = Table(
        (Column(words("名前")), Column(words("x"))),
        ((words("中文字"), words("1")), (words("ab"), words("2"))),
    )
    assert written(table, width=40) == "名前   │ x\n───────┼──\n中文字 │ 1\nab     │ 2\n"


def test_a_title_is_written_once() -> None:
    titled = Document("Sheet", (Heading(1, words("Sheet")), Paragraph(words("x"))), spell)
    assert text.render(titled) == text.render(Document("Sheet", titled.blocks[1:], spell))


def test_curves_keep_their_legend_and_survive_any_numbers() -> None:
    shown = written(sheets.SIGMOID, width=60, ascii=True)
    assert "* sigmoid(z)" in shown
    assert "+ sigmoid'(z)" in shown
    huge = ((0.0, -1.7e308), (1.0, 1.7e308), (2.0, float("nan")), (3.0, 5e-324))
    for points in ((), ((1.0, 1.0),), huge, ((0.0, float("inf")),), ((1.0, 3.0), (1.0, 3.0))):
        assert written(
            Curve(
                (Series((Text("s"),), points),),
                (Text("x"),),
                (Text("y"),),
                (Text("t"),),
                (Text("d"),),
            ),
            width=40,
        )


def test_a_number_is_never_broken_before_its_power_of_ten() -> None:
    derivation = Derivation(
        (DerivationLine(Name("a"), "=", Product((Number("1.25e-5"), Name("b")))),)
    )
    assert "1.25×10⁻⁵" in written(derivation, width=20)


@given(st.text(max_size=80), st.integers(20, 90))
def test_any_text_fits_and_stays(content: str, width: int) -> None:
    shown = written(Paragraph(words(content)), width=width)
    assert all(cell_len(line) <= width for line in shown.splitlines())
    assert all(c.isprintable() or c in "\n\u200c\u200d" for c in shown)
    if ":" not in content and "#" not in content:
        assert "".join(shown.split()) == "".join(visible(content).split())


@given(formulas, st.integers(1, 40))
def test_breaking_keeps_every_character(formula: Formula, width: int) -> None:
    for layout, notation in ((InLine(), UNICODE), (Typed(), PLAIN)):
        node = layout.node(formula)
        lines = fill(formula_atoms(node, notation), width, width)
        joined = "".join(atom.text for line in lines for atom in line)
        assert joined.replace(" ", "") == notation.spell(node).replace(" ", "")


@given(formulas)
def test_the_parts_of_a_styled_formula_are_its_text(formula: Formula) -> None:
    for atom in formula_atoms(InLine().node(formula), UNICODE, styled=True):
        assert "".join(text for text, _ in atom.spans) == atom.text


def test_words_break_between_words() -> None:
    lines = fill(word_atoms("one two three"), 7, 7)
    assert [" ".join(atom.text for atom in line) for line in lines] == ["one two", "three"]


@given(st.text(max_size=60))
def test_ascii_stand_ins_are_ascii(content: str) -> None:
    assert ascii_only(content).isascii()


def test_letters_and_signs_take_as_many_cells_as_a_terminal_gives_them() -> None:
    for code in (*range(0x20, 0x3000), *range(0x1F300, 0x1F320)):
        assert cells(chr(code)) == cell_len(chr(code))
    assert cells("∂L/∂w₁₁⁽¹⁾ ≈ −1.2×10⁻⁵") == 22
