"""Pictures as self-contained SVG: curves, and networks with weights, values and gradients.

Colours are presentation attributes, so that every SVG reader understands them; a style sheet
only adds the dark scheme. No colour says anything that a shape, a dash or a word does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape as escape_html
from itertools import groupby
from typing import TypeAlias, assert_never

from rich.cells import cell_len

from backprop_cli.dataclass import dataclass
from backprop_cli.formula import unicode
from backprop_cli.formula.characters import visible
from backprop_cli.formula.layout import Fence, Named, Node, Row, Script, Word
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.notation import in_line, letters
from backprop_cli.formula.spelling import Spelling, Symbol, spell
from backprop_cli.render.layout import Box, Placed, Plan, Point, at, layout
from backprop_cli.render.plot import drawable, finite, numeral, spread, thinned
from backprop_cli.render.reading import spoken
from backprop_cli.worksheet.document import (
    Curve,
    Diagram,
    DiagramEdge,
    DiagramNode,
    HeatMap,
    Series,
)

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


def _words(text: str) -> str:
    return escape_html(visible(text), quote=True)


def _n(value: float) -> str:
    """A coordinate: at most one decimal, never `-0`."""
    return f"{round(value, 1) + 0.0:g}"


# Text with raised and lowered parts


@dataclass(frozen=True)
class Run:
    """A piece of text, its size and how far its baseline is lowered, both in ems."""

    text: str
    size: float = 1.0
    down: float = 0.0
    italic: bool = False


def formula_runs(formula: Formula, spelling: Spelling) -> list[Run]:
    """A formula in one line, its names as letters with subscripts and superscripts."""
    return runs_of(in_line(spelling).node(formula))


def runs_of(node: Node) -> list[Run]:
    match node:
        case Named(Symbol()):
            return runs_of(letters(node, stacked=True))
        case Named():
            return runs_of(letters(node, stacked=False))
        case Word(text, "letter"):
            return [Run(unicode.spell(node), italic=len(text) == 1 and text.isalpha())]
        case Word("new", "mark"):
            return [Run("new", 0.7, RAISED)]
        case Row(parts):
            return merged([run for part in parts for run in runs_of(part)])
        case Fence(kind, inside):
            left, right = unicode.ends(kind)
            return merged([Run(left), *runs_of(inside), Run(right)])
        case Script(base, below, above):
            runs = runs_of(base)
            if below is not None:
                runs.append(Run(unicode.spell(below), 0.7, LOWERED))
            if above is not None:
                runs.append(Run(unicode.spell(above), 0.7, RAISED))
            return runs
        case _:
            return [Run(unicode.spell(node))]


def merged(runs: Sequence[Run]) -> list[Run]:
    """Neighbours that look the same as one."""
    looks = groupby(runs, lambda run: (run.size, run.down, run.italic))
    return [Run("".join(run.text for run in alike), *look) for look, alike in looks]


LOWERED, RAISED = 0.22, -0.38


def width_in_ems(runs: Sequence[Run]) -> float:
    """A generous estimate; the fonts of a reader are not known."""
    return sum(_ems(run.text) * run.size for run in runs)


def _ems(text: str) -> float:
    return sum(
        cell_len(c) * (0.3 if c in "()[].,/ ‘'|" else 0.62 if c in "∂−=wm+∇" else 0.53)
        for c in text
    )


def text(
    runs: Sequence[Run],
    where: Point,
    size: float,
    *,
    anchor: str = "middle",
    kind: str = "ink",
    fill: str = INK,
    halo: bool = False,
) -> str:
    """One line of text; `halo` puts paper round the letters where they stand on lines."""
    spans = []
    lowered = 0.0
    for run in runs:
        shift = round(run.down - lowered, 3)
        lowered = run.down
        attributes = ""
        if shift:
            attributes += f' dy="{_n(shift * size)}"'
        if run.size != 1:
            attributes += f' font-size="{_n(run.size * size)}"'
        if run.italic:
            attributes += ' font-style="italic"'
        spans.append(
            f"<tspan{attributes}>{_words(run.text)}</tspan>" if attributes else _words(run.text)
        )
    body = "".join(spans)
    place = f'x="{_n(where[0])}" y="{_n(where[1])}" font-size="{_n(size)}" text-anchor="{anchor}"'
    behind = ""
    if halo:
        behind = (
            f'<text class="bp-halo" {place} fill="none" stroke="{PAPER}" stroke-width="4" '
            f'stroke-linejoin="round" aria-hidden="true">{body}</text>'
        )
    return f'{behind}<text class="bp-{kind}" {place} fill="{fill}">{body}</text>'


def shortened(words: str, most: int) -> str:
    """Words cut to so many cells; the whole of a title is in the picture's `<title>`."""
    words = visible(words)
    if cell_len(words) <= most:
        return words
    kept = ""
    for character in words:
        if cell_len(kept + character) >= most:
            break
        kept += character
    return kept.rstrip() + "…"


def _plain(words: str, where: Point, size: float, *, anchor: str = "middle") -> str:
    return text([Run(words)], where, size, anchor=anchor)


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
    match picture:
        case Curve():
            parts, size = curve(picture)
        case Diagram():
            parts, size = diagram(picture, spelling)
        case HeatMap():
            parts, size = heat_map(picture, spelling)
        case _:
            assert_never(picture)
    title, description = picture.title, spoken(picture.description, spelling)
    width, height = map(math.ceil, size)
    mark = (
        key
        or sha256("\0".join((title, description, *parts)).encode("utf-8", "replace")).hexdigest()[
            :8
        ]
    )
    smallest = f' style="min-width:{round(least * width)}px"' if least else ""
    drawn = Picture(
        f'<svg{smallest} xmlns="http://www.w3.org/2000/svg" role="img" class="bp-picture" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{FONT}" '
        f'aria-labelledby="t-{mark} d-{mark}">'
        f'<title id="t-{mark}">{_words(title)}</title>'
        f'<desc id="d-{mark}">{_words(description)}</desc>'
        f"<style>{DARK}</style>" + "\n".join(parts) + "</svg>\n"
    )
    drawn.size = (width, height)
    return drawn


# Curves

POINTS = 600  # of a series; more cannot be told apart
PLOT = Box(64, 34, 420, 220)  # left, top, width, height of the area inside the axes


Drawn: TypeAlias = tuple[list[str], Point]
"""The parts of a picture, and how large it is."""


def curve(picture: Curve) -> Drawn:
    """A plot with axes, a grid, a legend; points that are not finite interrupt the line."""
    points = [point for series in picture.series for point in finite(series)]
    parts = [_plain(shortened(picture.title, LONGEST_TITLE), (PLOT.left + PLOT.width / 2, 20), 15)]
    size = (PLOT.left + PLOT.width + 24, PLOT.top + PLOT.height + 48)
    if not points:
        parts.append(_plain("no finite values to draw", PLOT.middle, 13))
        return parts, size
    xs = nice_range(*spread([x for x, _ in points]))
    ys = nice_range(*spread([y for _, y in points]))
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    frame = Frame((x_low, x_high) if x_high > x_low else (xs[0], xs[-1]), (ys[0], ys[-1]))
    parts.extend(_axes(picture, frame, [x for x in xs if frame.x[0] <= x <= frame.x[1]], ys))
    for place, series in enumerate(picture.series):
        parts.append(_line(series, place, frame))
    legend, height = _legend(picture.series, size[1])
    parts.extend(legend)
    return parts, (size[0], height)


@dataclass(frozen=True)
class Frame:
    """The ranges of both axes, and where a point of them lies."""

    x: Point
    y: Point

    def at(self, x: float, y: float) -> Point:
        return (
            PLOT.left + PLOT.width * share(x, self.x),
            PLOT.top + PLOT.height * (1 - share(y, self.y)),
        )


def share(value: float, bounds: Point) -> float:
    low, high = bounds
    return (value - low) / (high - low)


def nice_range(low: float, high: float) -> list[float]:
    """Round ticks, three to eight, from at or below `low` to at or above `high`."""
    gap = (high - low) / 5
    step = 10.0 ** math.floor(math.log10(gap))
    step *= next(factor for factor in (1, 2, 5, 10) if step * factor >= gap * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if not 1 <= last - first <= 12:  # the ends agree in all but their last digits
        return [low, high]
    return [n * step for n in range(first, last + 1)]


def _axes(picture: Curve, frame: Frame, xs: Sequence[float], ys: Sequence[float]) -> Iterator[str]:
    for x in xs:
        left, _ = frame.at(x, 0)
        yield _rule((left, PLOT.top), (left, PLOT.bottom), "grid", "#e2e6ea")
        yield _plain(numeral(x, frame.x), (left, PLOT.bottom + 16), 12)
    for y in ys:
        _, top = frame.at(frame.x[0], y)
        yield _rule((PLOT.left, top), (PLOT.right, top), "grid", "#e2e6ea")
        yield _plain(numeral(y, frame.y), (PLOT.left - 6, top + 4), 12, anchor="end")
    yield _rule((PLOT.left, PLOT.bottom), (PLOT.right, PLOT.bottom), "line", INK)
    yield _rule((PLOT.left, PLOT.top), (PLOT.left, PLOT.bottom), "line", INK)
    yield _plain(shortened(picture.x_label, 50), (PLOT.left + PLOT.width / 2, PLOT.bottom + 36), 13)
    where = (16.0, PLOT.top + PLOT.height / 2)
    label = _plain(shortened(picture.y_label, 30), where, 13)
    yield f'<g transform="rotate(-90 {_n(where[0])} {_n(where[1])})">{label}</g>'


def _rule(start: Point, end: Point, kind: str, colour: str) -> str:
    return (
        f'<path class="bp-{kind}" d="M{_n(start[0])} {_n(start[1])}L{_n(end[0])} {_n(end[1])}" '
        f'stroke="{colour}" fill="none"/>'
    )


def _stroke(place: int) -> str:
    dash = DASHES[place % len(DASHES)]
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    colour = place % len(SERIES)
    return f'class="bp-s{colour}" stroke="{SERIES[colour]}" stroke-width="2" fill="none"{dashes}'


def _line(series: Series, place: int, frame: Frame) -> str:
    runs: list[list[Point]] = [[]]
    for x, y in thinned(series.points, POINTS):
        if drawable((x, y)):
            runs[-1].append(frame.at(x, y))
        elif runs[-1]:
            runs.append([])
    path = ""
    for run in runs:
        if len(run) == 1:  # a point by itself is drawn as a short dash
            run = [(run[0][0] - 2, run[0][1]), (run[0][0] + 2, run[0][1])]
        path += "".join(f"{'L' if n else 'M'}{_n(x)} {_n(y)}" for n, (x, y) in enumerate(run))
    return f'<path {_stroke(place)} stroke-linejoin="round" d="{path}"/>'


def _legend(series: Sequence[Series], top: float) -> tuple[list[str], float]:
    if len(series) < 2:
        return [], top
    parts = []
    left, height = PLOT.left, top + 10
    for place, one in enumerate(series):
        label = shortened(one.label, 50)
        wide = 40 + 13 * _ems(label) + 20
        if left > PLOT.left and left + wide > PLOT.right:
            left, height = PLOT.left, height + 18
        parts.append(f'<path {_stroke(place)} d="M{_n(left)} {_n(height - 4)}h30"/>')
        parts.append(_plain(label, (left + 36, height), 13, anchor="start"))
        left += wide
    return parts, height + 12


# Networks

LEGEND = 12
LONGEST_TITLE = 90
SMALL = 11.5


def plan(picture: Diagram, spelling: Spelling) -> Plan:
    """Where everything stands in this picture, in any format."""
    return plan_of(
        picture,
        [formula_runs(node.name, spelling) for node in picture.nodes],
        [_edge_runs(edge, spelling) for edge in picture.edges],
    )


def plan_of(
    picture: Diagram, names: Sequence[Sequence[Run]], labels: Sequence[Sequence[Run]]
) -> Plan:
    radii = [
        max(
            25.0,
            15 * width_in_ems(runs) / 2 + 9,
            12 * _ems(_below(node)) / 2 + 8,
        )
        for node, runs in zip(picture.nodes, names, strict=True)
    ]
    sizes = [(width_in_ems(runs) * SMALL + 4, SMALL + 5.0) if runs else None for runs in labels]
    return layout(picture, radii, sizes)


def _edge_runs(edge: DiagramEdge, spelling: Spelling) -> list[Run]:
    runs = formula_runs(edge.label, spelling) if edge.label else []
    value = _digits(edge.value)
    return [*runs, Run(f" = {value}" if runs else value)] if value else runs


def _below(node: DiagramNode) -> str:
    """What stands under the name: a value, or the shape of an array."""
    return _digits(node.value) or node.shape


def _digits(value: Formula | None) -> str:
    return "" if value is None else shortened(unicode.write(value), 16)


def diagram(picture: Diagram, spelling: Spelling) -> Drawn:
    """The network from left to right: name and value in a node, its gradient below it."""
    names = [formula_runs(node.name, spelling) for node in picture.nodes]
    labels = [_edge_runs(edge, spelling) for edge in picture.edges]
    whole = plan_of(picture, names, labels)
    title = shortened(picture.title, LONGEST_TITLE)
    parts = [_plain(title, (whole.width / 2, 20), 15)]
    for edge, way in zip(picture.edges, whole.ways, strict=True):
        parts.append(_edge(way, whole.nodes[edge.end]))
    for node, runs, placed in zip(picture.nodes, names, whole.nodes, strict=True):
        parts.extend(_node(node, runs, placed))
    for runs, box in zip(labels, whole.labels, strict=True):
        if box is not None:
            where = (box.left + box.width / 2, box.top + box.height - 4)
            parts.append(text(runs, where, SMALL, halo=True))
    remarks = list(notes(picture, whole.unlabelled))
    height = whole.height
    for note in remarks:
        height += 17
        parts.append(_plain(note, (12, height), LEGEND, anchor="start"))
    width = max(
        [whole.width, *(LEGEND * _ems(note) + 24 for note in remarks), 15 * _ems(title) + 24]
    )
    return parts, (width, height + 12)


def notes(picture: Diagram, unlabelled: int) -> Iterator[str]:
    """What the signs of this picture mean."""
    arrays = any(node.shape for node in picture.nodes)
    if arrays or any(node.value for node in picture.nodes):
        yield "In a node: its name and " + ("shape, or value." if arrays else "value.")
    if any(node.gradient for node in picture.nodes):
        end = "loss" if any(node.kind == "loss" for node in picture.nodes) else "output"
        yield f"∇: derivative of the {end} with respect to the node."
    if unlabelled:
        yield f"{unlabelled} labels on edges are left out, there is no room for them."


CELL = (58.0, 30.0)  # width and height of a square of a heat map


def heat_map(picture: HeatMap, spelling: Spelling) -> Drawn:
    """Squares with their numbers, rows and columns counted at the edge; what is framed has a
    thick border, so that nothing depends on colour."""
    wide, high = CELL
    left, top = 34.0, 56.0
    runs = formula_runs(picture.name, spelling)
    columns = max(map(len, picture.cells))
    size = (left + columns * wide + 16, top + len(picture.cells) * high + 14)
    title = shortened(picture.title, LONGEST_TITLE)
    parts = [
        _plain(title, (12, 20), 14, anchor="start"),
        text(runs, (left - 8, top - 8), 14, anchor="end"),
    ]
    for column in range(columns):
        parts.append(_plain(str(column + 1), (left + (column + 0.5) * wide, top - 8), 11))
    for row, (cells, shades) in enumerate(zip(picture.cells, picture.shades, strict=True)):
        y = top + row * high
        parts.append(_plain(str(row + 1), (left - 8, y + high / 2 + 4), 11, anchor="end"))
        for column, (cell, shade) in enumerate(zip(cells, shades, strict=True)):
            x = left + column * wide
            fill = _shaded(shade)
            parts.append(
                f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(wide)}" height="{_n(high)}" '
                f'fill="{fill}" stroke="{FAINT}"/>'
            )
            ink = PAPER if shade > 0.6 else INK
            where = (x + wide / 2, y + high / 2 + 4)
            parts.append(text([Run(_digits(cell))], where, 12, kind="cell", fill=ink))
    for row, column in picture.framed:
        parts.append(
            f'<rect x="{_n(left + column * wide + 1.5)}" y="{_n(top + row * high + 1.5)}" '
            f'width="{_n(wide - 3)}" height="{_n(high - 3)}" fill="none" stroke="{GRADIENT}" '
            'stroke-width="3"/>'
        )
    across = max(size[0], 14 * _ems(title) + 24)
    return parts, (across, size[1])


def _shaded(shade: float) -> str:
    """From paper to blue."""
    dark = (5, 80, 174)
    return "#" + "".join(f"{round(255 + (each - 255) * shade):02x}" for each in dark)


def _edge(way: tuple[Point, Point, Point], end: Placed) -> str:
    """A line or a bow, with a head that touches the node it ends in."""
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


def _node(node: DiagramNode, runs: Sequence[Run], placed: Placed) -> Iterator[str]:
    x, y = placed.centre
    paint = f'class="bp-node" fill="{FILL[node.kind]}" stroke="{INK}" stroke-width="1.3"'
    half = placed.radius
    match node.kind:
        case "input" | "parameter" | "loss" | "array":
            corner = {"input": 4, "parameter": 12, "loss": 0, "array": 1}[node.kind]
            yield (
                f'<rect {paint} x="{_n(x - half)}" y="{_n(y - 23)}" width="{_n(2 * half)}" '
                f'height="46" rx="{corner}"/>'
            )
        case "hidden" | "output":
            yield f'<ellipse {paint} cx="{_n(x)}" cy="{_n(y)}" rx="{_n(half)}" ry="25"/>'
            if node.kind == "output":
                inner = f'class="bp-node" fill="none" stroke="{INK}" stroke-width="1.3"'
                yield f'<ellipse {inner} cx="{_n(x)}" cy="{_n(y)}" rx="{_n(half - 3)}" ry="22"/>'
        case _:
            assert_never(node.kind)
    if below := _below(node):
        yield text(runs, (x, y - 3), 15)
        yield text([Run(below)], (x, y + 13), 12)
    else:
        yield text(runs, (x, y + 5), 15)
    if node.gradient:
        yield text(
            [Run(f"∇ {_digits(node.gradient)}")],
            (x, y + 40),
            12,
            kind="grad",
            fill=GRADIENT,
            halo=True,
        )
