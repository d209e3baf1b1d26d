"""HTML that a parser accepts, a screen reader can follow and no title can take over."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import html5lib
import pytest
import sheets

from backprop_cli.formula.nodes import Formula, Matrix, Name, Negative, Number, Product, Sum
from backprop_cli.formula.spelling import spell
from backprop_cli.render import html
from backprop_cli.worksheet.document import (
    Answers,
    AnswerSpace,
    Column,
    Document,
    Math,
    Paragraph,
    Table,
    Text,
    numeral,
)

NAMESPACE = "{http://www.w3.org/1999/xhtml}"
MATHML = "{http://www.w3.org/1998/Math/MathML}"


def tree(page: str) -> ElementTree.Element:
    return html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"), strict=True).parse(page)


@pytest.fixture(scope="module", params=["sheet", "hostile"])
def page(request: pytest.FixtureRequest) -> str:
    return html.render(sheets.SHEET if request.param == "sheet" else sheets.hostile())


def test_it_is_valid_and_does_nothing(page: str) -> None:
    root = tree(page)
    for element in root.iter():
        tag = str(element.tag).split("}")[-1]
        assert tag not in (
            "script",
            "iframe",
            "object",
            "embed",
            "link",
            "img",
            "a",
            "base",
            "form",
        )
        assert not any(name.lower().startswith("on") for name in element.attrib)
    assert "http://" not in re.sub(r'xmlns="[^"]*"', "", page)


def test_ids_are_unique_and_labels_lead_somewhere(page: str) -> None:
    elements = list(tree(page).iter())
    ids = [element.attrib["id"] for element in elements if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    for element in elements:
        for target in element.attrib.get("aria-labelledby", "").split():
            assert target in ids


def test_tables_have_headers() -> None:
    root = tree(html.render(sheets.SHEET))
    tables = list(root.iter(f"{NAMESPACE}table"))
    assert tables
    for table in tables:
        scopes = {cell.get("scope") for cell in table.iter(f"{NAMESPACE}th")}
        assert scopes == {"col", "row"}


def test_callouts_and_figures_say_in_words_what_they_are() -> None:
    page = html.render(sheets.SHEET)
    assert "<strong>Warning:</strong>" in page
    assert "<strong>Note:</strong>" in page
    captions = list(tree(page).iter(f"{NAMESPACE}figcaption"))
    assert len(captions) == 3


def test_hostile_text_is_shown_as_it_is() -> None:
    root = tree(html.render(sheets.hostile()))
    title = root.find(f".//{NAMESPACE}title")
    assert title is not None
    assert title.text is not None
    assert title.text.startswith("<script>alert(1)</script> & \\input{x}")
    assert "\u202e" not in html.render(sheets.hostile())
    assert "\x1b" not in html.render(sheets.hostile())


def test_a_fragment_brings_its_style_and_no_page() -> None:
    piece = html.fragment(sheets.SHEET)
    assert piece.startswith("<style>")
    assert "<html" not in piece
    assert "<body" not in piece


def test_long_formulas_are_cut_before_operators() -> None:
    terms = tuple(Product((Name(f"w{n}"), Name(f"x{n}"))) for n in range(1, 6))

    def elements(formula: Formula) -> list[str]:
        parts = html.formula_pieces(formula, spell).split("</math>")[:-1]
        return [f"{part}</math>" for part in parts]

    pieces = elements(Sum(terms))
    assert len(pieces) == 5
    assert all('form="infix">+' in piece for piece in pieces[1:])
    inside = elements(Product((Name("eta"), Sum(terms))))
    assert len(inside) > 5
    assert len(elements(Sum(terms[:3]))) == 1  # short enough for a phone
    for piece in (*pieces, *inside):
        ElementTree.fromstring(piece)
    words = "".join(re.sub("<[^>]*>", "", piece) for piece in inside)
    assert words == "η(w1·x1+w2·x2+w3·x3+w4·x4+w5·x5)"


def test_decimals_are_set_round_their_points() -> None:
    rows = (
        (numeral(Negative(Number("0.0468"))),),
        (numeral(Number("12.5"), rounded=True),),
        (numeral(Number("1.2e-5")),),
    )
    shown = html.render(Document("t", (Table((Column((Text("v"),), "decimal"),), rows),), spell))
    widths = set(re.findall(r'bp-int" style="min-width:([\d.]+)ch', shown))
    assert len(widths) == 1
    assert "×10<sup>−5</sup>" in shown
    assert "−0</span>" in shown


def test_a_formula_by_itself_stands_at_full_size() -> None:
    page = html.render(Document("t", (Paragraph((Math(Name("dL/dw1")),)),), spell))
    assert '<p class="bp-display">' in page
    assert f"{MATHML}mfrac" in {element.tag for element in tree(page).iter()}


def test_answers_keep_a_distance() -> None:
    """A fraction is higher than its line: without a gap each ran into the next."""
    shown = html.render(Document("T", (Answers((AnswerSpace(Name("dL/dw1"), "dL/dw1"),)),), spell))
    (style,) = re.findall(r"\.bp-answer\{([^}]*display:grid[^}]*)\}", shown)
    (gap,) = re.findall(r"row-gap:([.\d]+)em", style)
    assert float(gap) >= 0.8


def test_the_same_document_has_the_same_bytes() -> None:
    assert html.render(sheets.SHEET) == html.render(sheets.SHEET)


def test_the_decimals_of_a_matrix_stand_under_one_another() -> None:
    """What is not shown makes up for what a number lacks on either side of its point."""
    column = ("0.25", "-12.5", "3", "1.5e-05")
    numbers = [(Number(each.lstrip("-")), each[0] == "-") for each in column]
    rows = tuple((Negative(each) if minus else each, Name("a")) for each, minus in numbers)
    page = tree(html.render(Document("t", (Paragraph((Math(Matrix(rows)),)),), spell)))
    first = [next(iter(line)) for line in page.iter(f"{MATHML}mtr")]
    written = ["".join(cell.itertext()) for cell in first]
    mantissas = [each.partition("×")[0].replace("−", "") for each in written]
    assert {len(each.partition(".")[0]) for each in mantissas} == {2}
    assert {each.count("−") for each in written} == {2}  # of the number, and of the power
    assert {sum(map(str.isdigit, each)) for each in written} == {7}  # 00.00 and 10, 5
    unseen = [
        "".join(hidden.itertext()) for cell in first for hidden in cell.iter(f"{MATHML}mphantom")
    ]
    assert set("".join(unseen)) <= set("0.×1−5")
