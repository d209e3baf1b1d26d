"""Two short sheets in every format, as files that a reviewer can read.

After a change that is meant, write them anew and look at the difference:

    BACKPROP_WRITE_GOLDEN=1 python -m pytest tests/render/test_render_golden.py
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from backprop_cli.problem.read import read_problem
from backprop_cli.render import html, latex, markdown, mermaid, svg, text, typst
from backprop_cli.run import solve
from backprop_cli.worksheet.diagram import diagram
from backprop_cli.worksheet.document import Document
from backprop_cli.worksheet.sheet import Choices
from backprop_cli.worksheet.solution import solution

HERE = Path(__file__).parent / "golden"
PROBLEMS = Path(__file__).parents[2] / "problems"
NAMES = ("one-neuron", "sum-times-circuit")

# Preambles and style sheets are the same for every sheet and are not repeated here.
FORMATS: dict[str, Callable[[Document], str]] = {
    "txt": lambda document: text.render(document, width=80),
    "ascii.txt": lambda document: text.render(document, width=60, ascii=True),
    "md": markdown.render,
    "tex": lambda document: (
        "\\begin{document}" + latex.render(document).split("\\begin{document}")[1]
    ),
    "html": lambda document: "<main" + html.render(document).split("<main")[1],
    "typ": lambda document: "#set document" + typst.render(document).split("#set document")[1],
}


@pytest.mark.parametrize("ending", [*FORMATS, "svg", "mmd"])
@pytest.mark.parametrize("name", NAMES)
def test_the_sheet_is_as_reviewed(name: str, ending: str) -> None:
    run = solve(read_problem(PROBLEMS / f"{name}.yaml"))
    document = solution(run, Choices(pictures=False))
    if ending == "svg":
        shown = svg.draw(diagram(run), document.spelling)
    elif ending == "mmd":
        shown = mermaid.draw(diagram(run), document.spelling)
    else:
        shown = FORMATS[ending](document)
    golden = HERE / f"{name}.{ending}"
    if os.environ.get("BACKPROP_WRITE_GOLDEN"):
        HERE.mkdir(exist_ok=True)
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")
