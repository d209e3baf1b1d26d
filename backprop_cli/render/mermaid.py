"""Networks as Mermaid flowcharts, for pages that draw them themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backprop_cli.formula import unicode
from backprop_cli.formula.spelling import Spelling
from backprop_cli.render.escape import visible
from backprop_cli.render.reading import typographic
from backprop_cli.worksheet.document import Diagram, DiagramNode

SHAPES = {
    "input": ("[", "]"),
    "hidden": ("((", "))"),
    "output": ("(((", ")))"),
    "loss": ("{{", "}}"),
    "parameter": ("([", "])"),
}
_SPECIAL = re.compile(r"[^\w\s.,=+−·/()⁽⁾∂∇]|[_\\]")


def escape(text: str) -> str:
    """Text for a quoted Mermaid label: all but letters, digits and harmless signs as codes."""
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", visible(text))


def diagram(picture: Diagram, spelling: Spelling) -> str:
    """A flowchart from left to right; names and values are text, so nothing depends on fonts."""
    return "\n".join(_lines(picture, spelling)) + "\n"


def _lines(picture: Diagram, spelling: Spelling) -> Iterator[str]:
    yield "flowchart LR"
    yield f"  accTitle: {_sentence(picture.title)}"
    yield f"  accDescr: {_sentence(picture.description)}"
    for place, node in enumerate(picture.nodes):
        begin, end = SHAPES[node.kind]
        yield f'  n{place}{begin}"{_label(node, spelling)}"{end}'
    for edge in picture.edges:
        parts = [
            unicode.write(edge.label, spelling) if edge.label else "",
            typographic(edge.value),
        ]
        label = escape(" = ".join(part for part in parts if part))
        arrow = f'-->|"{label}"|' if label else "-->"
        yield f"  n{edge.start} {arrow} n{edge.end}"


def _label(node: DiagramNode, spelling: Spelling) -> str:
    lines = [escape(unicode.write(node.name, spelling))]
    if node.value:
        lines[0] += f" = {escape(typographic(node.value))}"
    if node.gradient:
        lines.append(f"∇ {escape(typographic(node.gradient))}")
    return "<br/>".join(lines)


def _sentence(text: str) -> str:
    """Text for an accessible title, which knows no codes: special signs are left out."""
    return " ".join(re.sub(r"[^\w\s.,=+−·/()'-]", " ", visible(text)).split()) or "-"
