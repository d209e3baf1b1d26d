"""The problems of the repository in every format: the same numbers, nothing too wide. Each is
parsed as HTML or compared in all formats; both take long."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import html5lib
import pytest
from rich.cells import cell_len

from backprop_cli.formula.nodes import Number
from backprop_cli.problem.read import read_problem
from backprop_cli.render import html, latex, markdown, pdf, text, typst
from backprop_cli.run import solve
from backprop_cli.worksheet.document import Document
from backprop_cli.worksheet.sheet import Choices
from backprop_cli.worksheet.solution import solution

PROBLEMS = sorted((Path(__file__).parents[2] / "problems").glob("*.yaml"))
FEW = ["two-hidden-layers", "batch-norm-by-hand", "sigmoid-circuit", "gradient-clipping"]


@cache
def sheet(path: Path, form: str = "reuse", symbolic: bool = True) -> Document:
    run = solve(read_problem(path), show=1)
    choices = Choices(symbolic=symbolic, pictures=True, form=form)  # type: ignore[arg-type]
    return solution(run, choices)


def numbers(node: object) -> Iterator[str]:
    """The mantissas of all numbers in the formulas of a document."""
    if isinstance(node, Number):
        yield node.text.lower().lstrip("+-").split("e")[0]
    elif isinstance(node, tuple):
        for part in node:
            yield from numbers(part)
    elif dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            if field.name != "spelling":
                yield from numbers(getattr(node, field.name))


RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def numerals(written: str) -> set[str]:
    """All numerals; a raised or lowered digit is not part of the one before it."""
    raised = "".join(f"{each} " for each in re.findall("[⁰¹²³⁴-⁹]+", written)).translate(RAISED)
    return set(re.findall(r"[0-9]+(?:\.[0-9]+)?", f"{written} {raised}"))


def words_of_html(page: str) -> str:
    """What is read on the page. The parts of a numeral in a table are joined, others are not."""
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    return re.sub(r"<[^>]*>", " ", re.sub(r"</?span[^>]*>", "", page))


@pytest.mark.parametrize("path", PROBLEMS[::2], ids=lambda path: path.stem)
def test_every_format_has_the_same_numbers(path: Path) -> None:
    document = sheet(path)
    expected = set(numbers(document.blocks))
    # Numerals of a decimal column are cut at their points; here they are joined again.
    tex = re.sub(r"\$ & \$(?=\.)", "", latex.render(document))
    source = re.sub(r"\";\], \[#\"(?=\.)", "", typst.render(document))
    assert expected
    assert expected <= numerals(text.render(document, width=400))
    assert expected <= numerals(text.render(document, width=400, ascii=True))
    assert expected <= numerals(words_of_html(html.render(document)))
    assert expected <= numerals(markdown.render(document))
    assert expected <= numerals(tex)
    assert expected <= numerals(source)


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_no_line_is_wider_than_the_page(path: Path, width: int) -> None:
    for ascii in (False, True):
        shown = text.render(sheet(path), width=width, ascii=ascii)
        assert max(map(cell_len, shown.splitlines())) <= width
        assert shown.isascii() or not ascii


@pytest.mark.parametrize("path", PROBLEMS[1::2], ids=lambda path: path.stem)
def test_html_is_valid(path: Path) -> None:
    derived = PROBLEMS.index(path) % 3 == 0  # the parser takes seconds for long derivations
    html5lib.HTMLParser(strict=True).parse(html.render(sheet(path, symbolic=derived)))


@pytest.mark.parametrize("form", ["reuse", "chain", "delta", "matrix"])
@pytest.mark.parametrize("name", FEW)
def test_latex_compiles_and_nothing_sticks_out(name: str, form: str, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no TeX here")
    path = next(path for path in PROBLEMS if path.stem == name)
    (tmp_path / "sheet.tex").write_text(latex.render(sheet(path, form)), encoding="ascii")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "sheet.tex"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    log = done.stdout.decode("latin-1")
    assert done.returncode == 0, log[-2000:]
    assert not re.search(r"Overfull \\hbox \((?:[5-9]|\d\d)", log)


@pytest.mark.parametrize("name", FEW)
def test_pdf_is_made(name: str) -> None:
    pytest.importorskip("typst")
    path = next(path for path in PROBLEMS if path.stem == name)
    assert pdf.render(sheet(path)).startswith(b"%PDF-")
