"""Pictures as self-contained SVG: curves, and networks with weights, values and gradients.

Colours are presentation attributes, so that every SVG reader understands them; a style sheet
only adds the dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape as escape_html
from typing import assert_never

from backprop_cli.formula.characters import visible
from backprop_cli.formula.spelling import Spelling, spell
from backprop_cli.render.drawing import (
    Arrow,
    Frame,
    Label,
    Run,
    Shape,
    Stroke,
    drawn,
    runs,
    shortened,
    width_in_ems,
)
from backprop_cli.render.layout import Box, Way, at
from backprop_cli.render.reading import spoken
from backprop_cli.worksheet.document import Curve, Diagram, HeatMap, Text

FONT = "'Libertinus Serif','STIX Two Text','Cambria',Georgia,'Times New Roman',serif"
INK, FAINT, PAPER = "#1f2328", "#8b949e", "#ffffff"
DARK = (
    "@media screen and (prefers-color-scheme:dark){"
    ".bp-ink{fill:#e6edf3}.bp-line{stroke:#9aa4af}.bp-grid{stroke:#30363d}.bp-head{fill:#9aa4af}"
    ".bp-halo{stroke:#0d1117}.bp-paper{fill:#0d1117}.bp-node{stroke:#9aa4af;fill:#161b22}"
    ".bp-grad{fill:#ff9bce}.bp-s0{stroke:#79b8ff}.bp-s1{stroke:#ffab70}.bp-s2{stroke:#85e89d}"
    ".bp-s3{stroke:#d2a8ff}}"
)
SERIES = ("#0550ae", "#b35900", "#116329", "#8250df")
DASHES = ("", "7 4", "2 3", "9 3 2 3")
FILL = {
    "input": "#eef4fb",
    "hidden": "#ffffff",
    "output": "#eef7ee",
    "loss": "#fdf1ee",
    "parameter": "#f7f4fb",
    "array": "#ffffff",
}
GRADIENT = "#a0145a"
INKS = {"ink": INK, "grad": GRADIENT, "paper": PAPER}


def _words(text: str) -> str:
    return escape_html(visible(text), quote=True)


def _n(value: float) -> str:
    """A coordinate: at most one decimal, never `-0`."""
    return f"{round(value, 1) + 0.0:g}"


LONGEST_TITLE = 90
LEGEND = 12


class Picture(str):
    """The source of a picture, which knows how large that is in pixels."""

    size: tuple[int, int]


def draw(
    picture: Curve | Diagram | HeatMap,
    spelling: Spelling = spell,
    *,
    key: str = "",
    least: float = 0.0,
) -> Picture:
    """The whole file. `key` tells the ids of several pictures on one page apart, which may make
    them smaller, but not below the share `least`."""
    drawing = drawn(picture, spelling)
    head = shortened(picture.title, LONGEST_TITLE, spelling)
    notes = [
        Label((Text(note),), (12, drawing.height + 17 * (place + 1)), LEGEND, "start")
        for place, note in enumerate(drawing.notes)
    ]
    across = [drawing.width, 15 * width_in_ems(runs(head, spelling)) + 24]
    across += [LEGEND * width_in_ems(runs(note.words, spelling)) + 24 for note in notes]
    width = math.ceil(max(across))
    height = math.ceil(drawing.height + 17 * len(notes) + 12 * bool(notes))
    shapes = (Label(head, (width / 2, 20), 15), *drawing.shapes, *notes)
    parts = [_shape(shape, spelling) for shape in shapes]
    title, description = (spoken(line, spelling) for line in (picture.title, picture.description))
    told = "\0".join((title, description, *parts)).encode("utf-8", "replace")
    mark = key or sha256(told).hexdigest()[:8]
    smallest = f' style="min-width:{round(least * width)}px"' if least else ""
    finished = Picture(
        f'<svg{smallest} xmlns="http://www.w3.org/2000/svg" role="img" class="bp-picture" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{FONT}" '
        f'aria-labelledby="t-{mark} d-{mark}">'
        f'<title id="t-{mark}">{_words(title)}</title>'
        f'<desc id="d-{mark}">{_words(description)}</desc>'
        f"<style>{DARK}</style>" + "\n".join(parts) + "</svg>\n"
    )
    finished.size = (width, height)
    return finished


def _shape(shape: Shape, spelling: Spelling) -> str:
    match shape:
        case Stroke(points, kind):
            path = "".join(f"{'L' if n else 'M'}{_n(x)} {_n(y)}" for n, (x, y) in enumerate(points))
            return f'<path {_stroke(kind)} fill="none" d="{path}"/>'
        case Arrow(way):
            return _arrow(way)
        case Frame(box, kind, shade):
            return "".join(_frame(box, kind, shade))
        case Label():
            return _label(shape, runs(shape.words, spelling))
        case _:
            assert_never(shape)


LINES = {"grid": 'class="bp-grid" stroke="#e2e6ea"', "axis": f'class="bp-line" stroke="{INK}"'}


def _stroke(kind: str | int) -> str:
    if isinstance(kind, str):
        return LINES[kind]
    dash, colour = DASHES[kind % len(DASHES)], kind % len(SERIES)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    line = f'stroke="{SERIES[colour]}" stroke-width="2" stroke-linejoin="round"'
    return f'class="bp-s{colour}" {line}{dashes}'


def _label(label: Label, written: Sequence[Run]) -> str:
    """One line of text, paper round its letters where they stand on lines."""
    spans = ""
    lowered = 0.0
    for run in written:
        shift = round(run.down - lowered, 3)
        lowered = run.down
        attributes = f' dy="{_n(shift * label.size)}"' if shift else ""
        if run.size != 1:
            attributes += f' font-size="{_n(run.size * label.size)}"'
        if run.italic:
            attributes += ' font-style="italic"'
        letters = _words(run.text)
        spans += f"<tspan{attributes}>{letters}</tspan>" if attributes else letters
    x, y = map(_n, label.where)
    place = f'x="{x}" y="{y}" font-size="{_n(label.size)}" text-anchor="{label.anchor}"'
    behind = ""
    if label.clear or label.kind == "grad":
        behind = (
            f'<text class="bp-halo" {place} fill="none" stroke="{PAPER}" stroke-width="4" '
            f'stroke-linejoin="round" aria-hidden="true">{spans}</text>'
        )
    # What stands on a dark square keeps the colour of paper in every scheme.
    kind = "cell" if label.kind == "paper" else label.kind
    written_out = (
        f'{behind}<text class="bp-{kind}" {place} fill="{INKS[label.kind]}">{spans}</text>'
    )
    return f'<g transform="rotate(-90 {x} {y})">{written_out}</g>' if label.upwards else written_out


def _shaded(shade: float) -> str:
    """From paper to blue."""
    dark = (5, 80, 174)
    return "#" + "".join(f"{round(255 + (each - 255) * shade):02x}" for each in dark)


def _arrow(way: Way) -> str:
    """A line or a bow with a head."""
    tip = at(way, 1)
    before = at(way, 0.97)
    angle = math.atan2(tip[1] - before[1], tip[0] - before[0])
    back = (tip[0] - 8 * math.cos(angle), tip[1] - 8 * math.sin(angle))
    across = (3.5 * math.sin(angle), -3.5 * math.cos(angle))
    start, bend, _ = way
    path = f"M{_n(start[0])} {_n(start[1])}Q{_n(bend[0])} {_n(bend[1])} {_n(back[0])} {_n(back[1])}"
    head = (
        f"M{_n(tip[0])} {_n(tip[1])}L{_n(back[0] + across[0])} {_n(back[1] + across[1])}"
        f"L{_n(back[0] - across[0])} {_n(back[1] - across[1])}Z"
    )
    return (
        f'<path class="bp-line" d="{path}" stroke="{FAINT}" fill="none"/>'
        f'<path class="bp-head" d="{head}" fill="{FAINT}"/>'
    )


CORNERS = {"input": 4, "parameter": 12, "loss": 0, "array": 1}


def _frame(box: Box, kind: str, shade: float) -> Iterator[str]:
    x, y = box.middle
    size = f'width="{_n(box.width)}" height="{_n(box.height)}"'
    corner = f'x="{_n(box.left)}" y="{_n(box.top)}" {size}'
    line = f'stroke="{INK}" stroke-width="1.3"'
    match kind:
        case "cell":
            yield f'<rect {corner} fill="{_shaded(shade)}" stroke="{FAINT}"/>'
        case "framed":
            yield f'<rect {corner} fill="none" stroke="{GRADIENT}" stroke-width="3"/>'
        case "hidden" | "output":
            paint = f'class="bp-node" fill="{FILL[kind]}" {line}'
            half = box.width / 2
            yield f'<ellipse {paint} cx="{_n(x)}" cy="{_n(y)}" rx="{_n(half)}" ry="25"/>'
            if kind == "output":
                inner = f'class="bp-node" fill="none" {line}'
                yield f'<ellipse {inner} cx="{_n(x)}" cy="{_n(y)}" rx="{_n(half - 3)}" ry="22"/>'
        case _:
            paint = f'class="bp-node" fill="{FILL[kind]}" {line} rx="{CORNERS[kind]}"'
            flat = f'x="{_n(box.left)}" y="{_n(y - 23)}" width="{_n(box.width)}" height="46"'
            yield f"<rect {paint} {flat}/>"
