"""Networks as Mermaid flowcharts, for pages that draw them themselves."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_cli.formula import unicode
from backprop_cli.formula.characters import visible
from backprop_cli.formula.spelling import Spelling
from backprop_cli.render.reading import spoken
from backprop_cli.worksheet.document import Diagram, DiagramNode

SHAPES = {
    "input": ("[", "]"),
    "hidden": ("((", "))"),
    "output": ("(((", ")))"),
    "loss": ("{{", "}}"),
    "parameter": ("([", "])"),
    "array": ("[", "]"),
}
_HARMLESS = frozenset(".,=+−·/()⁽⁾∂∇ ")


def escape(text: str) -> str:
    """Text for a quoted Mermaid label: all but letters, digits and harmless signs as codes."""
    return "".join(c if c.isalnum() or c in _HARMLESS else f"#{ord(c)};" for c in visible(text))


def draw(picture: Diagram, spelling: Spelling) -> str:
    """A flowchart from left to right; names and values are text, so nothing depends on fonts."""
    return "\n".join(lines(picture, spelling)) + "\n"


def lines(picture: Diagram, spelling: Spelling) -> Iterator[str]:
    """The same line by line."""
    yield "flowchart LR"
    yield f"  accTitle: {_sentence(spoken(picture.title, spelling))}"
    yield f"  accDescr: {_sentence(spoken(picture.description, spelling))}"
    for place, node in enumerate(picture.nodes):
        begin, end = SHAPES[node.kind]
        yield f'  n{place}{begin}"{_label(node, spelling)}"{end}'
    for edge in picture.edges:
        parts = [unicode.write(each, spelling) for each in (edge.label, edge.value) if each]
        label = escape(" = ".join(parts))
        arrow = f'-->|"{label}"|' if label else "-->"
        yield f"  n{edge.start} {arrow} n{edge.end}"


def _label(node: DiagramNode, spelling: Spelling) -> str:
    parts = [escape(unicode.write(node.name, spelling))]
    if node.value:
        parts[0] += f" = {escape(unicode.write(node.value, spelling))}"
    if node.shape:
        parts[0] += f" {escape(node.shape)}"
    if node.gradient:
        parts.append(f"∇ {escape(unicode.write(node.gradient, spelling))}")
    return "<br/>".join(parts)


def _sentence(text: str) -> str:
    """Text for an accessible title, which knows no codes: special signs are left out."""
    kept = (c if c.isalnum() or c in "_.,=+−·/()'-√⊙∗≈" else " " for c in visible(text))
    return " ".join("".join(kept).split()) or "-"
