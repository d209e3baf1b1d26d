"""LaTeX that compiles as it is, whatever the words are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import sheets
from hypothesis import given
from hypothesis import strategies as st

from backprop_cli.formula.nodes import Name, Number, Quotient, Sum
from backprop_cli.formula.spelling import spell
from backprop_cli.render import latex
from backprop_cli.render.wide import narrowed
from backprop_cli.worksheet.document import Column, Document, Math, Table, Text

DOCUMENTS = {"sheet": sheets.SHEET, "hostile": sheets.hostile(), "empty": Document("", (), spell)}
ALLOWED = {"amsmath", "amssymb", "array", "booktabs", "geometry", "longtable"}


def balanced(tex: str) -> bool:
    """Whether braces and environments close in order; escaped braces do not count."""
    open_marks: list[str] = []
    for found in re.finditer(r"\\begin\{(\w+\*?)\}|\\end\{(\w+\*?)\}|\\.|[{}]", tex, re.S):
        if found[1]:
            open_marks.append(found[1])
        elif found[2]:
            if not open_marks or open_marks.pop() != found[2]:
                return False
        elif found[0] == "{":
            open_marks.append("{")
        elif found[0] == "}" and (not open_marks or open_marks.pop() != "{"):
            return False
    return not open_marks


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_it_is_ascii_and_everything_closes(document: Document) -> None:
    tex = latex.render(document)
    assert tex.isascii()
    assert balanced(tex)
    used = {
        name
        for group in re.findall(r"\\usepackage(?:\[.*?\])?\{(.*?)\}", tex)
        for name in group.split(",")
    }
    assert used == ALLOWED


@pytest.mark.parametrize("paper", ["a4", "letter"])
@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_it_compiles_and_nothing_sticks_out(document: Document, paper: str, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no TeX here; everything closes all the same (the test above)")
    (tmp_path / "sheet.tex").write_text(latex.render(document, paper=paper), encoding="ascii")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "sheet.tex"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    log = done.stdout.decode("latin-1")
    assert done.returncode == 0, log[-2000:]
    if document is sheets.SHEET:
        assert not re.search(r"Overfull \\hbox \((?:[5-9]|\d\d)", log)


def test_hostile_words_are_no_commands() -> None:
    tex = latex.render(sheets.hostile())
    assert "\\input" not in tex
    assert "\\textbackslash{}input\\{x\\}" in tex


@given(st.text(max_size=50))
def test_any_text_is_ascii_and_closes(content: str) -> None:
    written = latex.escape(content)
    assert written.isascii()
    assert balanced(written)
    assert re.sub(r"\\\$", "", written).count("$") % 2 == 0
    assert not re.search(r"(?<!\\)[#%&]", written)


def test_letters_of_europe_and_greece_are_kept() -> None:
    assert latex.escape("Übung für Čapek") == '\\"{U}bung f\\"{u}r \\v{C}apek'
    assert latex.escape("η = ½") == "$\\eta$ = $\\frac12$"
    assert latex.escape("w₁₁⁽²⁾") == "w$_{11}$$^{(2)}$"


def test_a_wide_mean_gives_up_its_fraction_bar() -> None:
    mean = Quotient(Sum(tuple(Name(f"loss_number_{n}") for n in range(9))), Number("9"))
    assert narrowed(mean, spell, 200) == mean
    narrow = narrowed(mean, spell, 40)
    assert "\\frac{1}{9}" in latex.formula_tex(narrow, spell)
    assert "\\Bigl(" in latex.formula_tex(narrow, spell) or "(" in latex.formula_tex(narrow, spell)


def test_a_table_too_wide_for_any_type_becomes_records() -> None:
    wide = tuple(Column((Text(f"column number {n}"),)) for n in range(12))
    rows = (tuple((Math(Name(f"value{n}")),) for n in range(12)),)
    tex = latex.render(Document("", (Table(wide, rows),), spell))
    assert "\\begin{tabular}{@{}l" not in tex
    assert "\\item[]" in tex
