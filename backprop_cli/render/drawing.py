"""What is in a picture and where, in a few shapes that each format has a pen for: curves, networks,
heat maps. Lengths are pixels, heights count downwards. No colour says anything that a shape, a dash
or a word does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple, TypeAlias, assert_never

from rich.cells import cell_len

from backprop_cli.dataclass import dataclass
from backprop_cli.formula import unicode
from backprop_cli.formula.characters import visible
from backprop_cli.formula.layout import Fence, Named, Node, Row, Script, Word
from backprop_cli.formula.notation import in_line, letters
from backprop_cli.formula.spelling import Spelling, Symbol
from backprop_cli.render.breaking import cells
from backprop_cli.render.layout import Box, Plan, Point, Way, layout
from backprop_cli.render.plot import drawable, finite, numeral, share, spread, thinned
from backprop_cli.render.reading import set_in, spoken, written_out
from backprop_cli.worksheet.document import (
    Curve,
    Diagram,
    DiagramEdge,
    DiagramNode,
    HeatMap,
    Line,
    Math,
    Relation,
    Series,
    Text,
)


@dataclass(frozen=True)
class Stroke:
    """Straight from point to point: an axis, a line of the grid, or a series by its number."""

    points: tuple[Point, ...]
    kind: Literal["axis", "grid"] | int


@dataclass(frozen=True)
class Arrow:
    way: Way


@dataclass(frozen=True)
class Frame:
    """What stands round words: a node of a network by its kind, or a square of a heat map, the
    darker the larger its `shade`."""

    box: Box
    kind: Literal["input", "hidden", "output", "loss", "parameter", "array", "cell", "framed"]
    shade: float = 0.0


@dataclass(frozen=True)
class Label:
    """Words on one line; `clear` is kept clear of the lines that it stands on, and `upwards` is read
    from below."""

    words: Line
    where: Point
    size: float
    anchor: Literal["start", "middle", "end"] = "middle"
    kind: Literal["ink", "grad", "paper"] = "ink"
    clear: Box | None = None
    upwards: bool = False


Shape: TypeAlias = Stroke | Arrow | Frame | Label


class Drawing(NamedTuple):
    """Shapes, those in front later, and how much room they take below a title; `notes` say what the
    signs of the picture mean."""

    shapes: Sequence[Shape]
    width: float
    height: float
    notes: Sequence[str] = ()


def drawn(picture: Curve | Diagram | HeatMap, spelling: Spelling) -> Drawing:
    match picture:
        case Curve():
            return curve(picture, spelling)
        case Diagram():
            return diagram(picture, spelling)
        case HeatMap():
            return heat_map(picture)
        case _:
            assert_never(picture)


# Text with raised and lowered parts


@dataclass(frozen=True)
class Run:
    """A piece of text, its size and how far its baseline is lowered, both in ems."""

    text: str
    size: float = 1.0
    down: float = 0.0
    italic: bool = False


def runs(line: Line, spelling: Spelling) -> list[Run]:
    """A line, the names in its formulas as letters with subscripts and superscripts."""
    layout = in_line(spelling)
    words = set_in(
        line, lambda text, _: [Run(visible(text))], lambda each: runs_of(layout.node(each))
    )
    return merged([run for part in words for run in part])


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


def shortened(line: Line, most: int, spelling: Spelling) -> Line:
    """A line cut to so many cells; formulas in it stay whole."""
    kept: list[Text | Math] = []
    for part in written_out(line):
        taken = cells(visible(spoken((part,), spelling)))
        if taken <= most:
            kept.append(part)
            most -= taken
            continue
        words = visible(part.text) if isinstance(part, Text) else ""
        while cells(words) >= most > 0:
            words = words[:-1]
        return (*kept, Text(f"{words.rstrip()}…"))
    return tuple(kept)


# Curves

POINTS = 600  # of a series; more cannot be told apart
PLOT = Box(64, 34, 420, 220)  # left, top, width, height of the area inside the axes


def curve(picture: Curve, spelling: Spelling) -> Drawing:
    """A plot with axes, a grid, a legend; points that are not finite interrupt the line."""
    points = [point for series in picture.series for point in finite(series)]
    across, down = PLOT.right + 24, PLOT.bottom + 48
    if not points:
        nothing = Label((Text("no finite values to draw"),), PLOT.middle, 13)
        return Drawing([nothing], across, down)
    xs = nice_range(*spread([x for x, _ in points]))
    ys = nice_range(*spread([y for _, y in points]))
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    frame = Axes((x_low, x_high) if x_high > x_low else (xs[0], xs[-1]), (ys[0], ys[-1]))
    shapes = list(
        _axes(picture, frame, [x for x in xs if frame.x[0] <= x <= frame.x[1]], ys, spelling)
    )
    for place, series in enumerate(picture.series):
        shapes.extend(_lines(series, place, frame))
    if len(picture.series) > 1:
        legend, down = _legend(picture.series, down, spelling)
        shapes.extend(legend)
    return Drawing(shapes, across, down)


@dataclass(frozen=True)
class Axes:
    """The ranges of both axes, and where a point of them lies."""

    x: Point
    y: Point

    def at(self, x: float, y: float) -> Point:
        return (
            PLOT.left + PLOT.width * share(x, self.x),
            PLOT.top + PLOT.height * (1 - share(y, self.y)),
        )


def nice_range(low: float, high: float) -> list[float]:
    """Round ticks, three to eight, from at or below `low` to at or above `high`."""
    gap = (high - low) / 5
    step = 10.0 ** math.floor(math.log10(gap))
    step *= next(factor for factor in (1, 2, 5, 10) if step * factor >= gap * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if not 1 <= last - first <= 12:  # the ends agree in all but their last digits
        return [low, high]
    return [n * step for n in range(first, last + 1)]


def _axes(
    picture: Curve, frame: Axes, xs: Sequence[float], ys: Sequence[float], spelling: Spelling
) -> Iterator[Shape]:
    for x in xs:
        left, _ = frame.at(x, 0)
        yield Stroke(((left, PLOT.top), (left, PLOT.bottom)), "grid")
        yield Label((Math(numeral(x, frame.x)),), (left, PLOT.bottom + 16), 12)
    for y in ys:
        _, top = frame.at(frame.x[0], y)
        yield Stroke(((PLOT.left, top), (PLOT.right, top)), "grid")
        yield Label((Math(numeral(y, frame.y)),), (PLOT.left - 6, top + 4), 12, "end")
    corner = (PLOT.left, PLOT.bottom)
    yield Stroke(((PLOT.left, PLOT.top), corner, (PLOT.right, PLOT.bottom)), "axis")
    across, up = shortened(picture.x_label, 50, spelling), shortened(picture.y_label, 30, spelling)
    yield Label(across, (PLOT.middle[0], PLOT.bottom + 36), 13)
    yield Label(up, (16.0, PLOT.middle[1]), 13, upwards=True)


def _lines(series: Series, place: int, frame: Axes) -> Iterator[Stroke]:
    for whole, points in groupby(thinned(series.points, POINTS), drawable):
        if whole:
            run = [frame.at(x, y) for x, y in points]
            if len(run) == 1:  # a point by itself is drawn as a short dash
                run = [(run[0][0] - 2, run[0][1]), (run[0][0] + 2, run[0][1])]
            yield Stroke(tuple(run), place)


def _legend(series: Sequence[Series], top: float, spelling: Spelling) -> tuple[list[Shape], float]:
    """A dash of each series beside its name, and how far down they reach."""
    shapes: list[Shape] = []
    left, height = PLOT.left, top + 10
    for place, one in enumerate(series):
        label = shortened(one.label, 50, spelling)
        wide = 40 + 13 * width_in_ems(runs(label, spelling)) + 20
        if left > PLOT.left and left + wide > PLOT.right:
            left, height = PLOT.left, height + 18
        shapes.append(Stroke(((left, height - 4), (left + 30, height - 4)), place))
        shapes.append(Label(label, (left + 36, height), 13, "start"))
        left += wide
    return shapes, height + 12


# Networks

SMALL = 11.5
LONGEST_NUMBER = 16


def plan(picture: Diagram, spelling: Spelling) -> Plan:
    """Where everything stands in this picture."""

    def ems(line: Line) -> float:
        return width_in_ems(runs(line, spelling))

    radii = [
        max(25.0, 15 * ems((Math(node.name),)) / 2 + 9, 12 * ems(_below(node, spelling)) / 2 + 8)
        for node in picture.nodes
    ]
    labels = [ems(_beside(edge, spelling)) for edge in picture.edges]
    return layout(
        picture, radii, [(SMALL * wide + 4, SMALL + 5) if wide else None for wide in labels]
    )


def _beside(edge: DiagramEdge, spelling: Spelling) -> Line:
    """What stands beside an edge: the weight, its value, or both."""
    value = edge.value
    if edge.label is not None and value is not None:
        return (Relation(edge.label, "=", value),)
    one = edge.label or value
    return () if one is None else (Math(one),)


def _below(node: DiagramNode, spelling: Spelling) -> Line:
    """What stands under the name: a value, or the shape of an array."""
    line: Line = (Text(node.shape),) if node.value is None else (Math(node.value),)
    return shortened(line, LONGEST_NUMBER, spelling)


def diagram(picture: Diagram, spelling: Spelling) -> Drawing:
    """The network from left to right: name and value in a node, its gradient below it."""
    whole = plan(picture, spelling)
    shapes: list[Shape] = list(map(Arrow, whole.ways))
    for node, placed in zip(picture.nodes, whole.nodes, strict=True):
        x, y = placed.centre
        shapes.append(Frame(placed.box, node.kind))
        below, name = _below(node, spelling), (Math(node.name),)
        if node.value is None and not node.shape:
            shapes.append(Label(name, (x, y + 5), 15))
        else:
            shapes += [Label(name, (x, y - 3), 15), Label(below, (x, y + 13), 12)]
        if node.gradient:
            gradient = shortened((Math(node.gradient),), LONGEST_NUMBER, spelling)
            shapes.append(Label((Text("∇ "), *gradient), (x, y + 40), 12, kind="grad"))
    for edge, box in zip(picture.edges, whole.labels, strict=True):
        if box is not None:
            where = (box.middle[0], box.bottom - 4)
            shapes.append(Label(_beside(edge, spelling), where, SMALL, clear=box))
    return Drawing(shapes, whole.width, whole.height, list(notes(picture, whole.unlabelled)))


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


def heat_map(picture: HeatMap) -> Drawing:
    """Squares with their numbers, rows and columns counted at the edge; what is framed has a
    thick border, so that nothing depends on colour."""
    wide, high = CELL
    left, top = 34.0, 56.0
    columns = max(map(len, picture.cells))
    shapes: list[Shape] = [Label((Math(picture.name),), (left - 8, top - 8), 14, "end")]
    for column in range(columns):
        where = (left + (column + 0.5) * wide, top - 8)
        shapes.append(Label((Text(str(column + 1)),), where, 11))
    for row, (entries, shades) in enumerate(zip(picture.cells, picture.shades, strict=True)):
        y = top + row * high
        shapes.append(Label((Text(str(row + 1)),), (left - 8, y + high / 2 + 4), 11, "end"))
        for column, (entry, shade) in enumerate(zip(entries, shades, strict=True)):
            box = Box(left + column * wide, y, wide, high)
            where = (box.middle[0], box.middle[1] + 4)
            ink: Literal["paper", "ink"] = "paper" if shade > 0.6 else "ink"
            shapes += [Frame(box, "cell", shade), Label((Math(entry),), where, 12, kind=ink)]
    for row, column in picture.framed:
        x, y = left + column * wide, top + row * high
        shapes.append(Frame(Box(x + 1.5, y + 1.5, wide - 3, high - 3), "framed"))
    return Drawing(shapes, left + columns * wide + 16, top + len(picture.cells) * high + 14)
