"""Curves and networks in LaTeX's own picture mode: straight lines as Bézier curves, no package."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import TypeAlias, assert_never

from backprop_cli.formula.spelling import Spelling
from backprop_cli.render.drawing import Arrow, Frame, Label, Shape, Stroke, drawn
from backprop_cli.render.layout import Box, Point, Way, at
from backprop_cli.render.plot import thinned
from backprop_cli.worksheet.document import Curve, Diagram, Line, Text

Inline: TypeAlias = Callable[[Line], str]

PAGE = 440.0  # the widest picture, in points
POINTS = 60  # of a series; each is a curve of dots for TeX


def draw(picture: Curve | Diagram, spelling: Spelling, inline: Inline) -> str:
    """A picture with its title above and its description below."""
    drawing = drawn(picture, spelling)
    scale = min(1.0, PAGE / drawing.width)
    clear = [shape.clear for shape in drawing.shapes if isinstance(shape, Label) and shape.clear]
    pen = _Pen(drawing.height, clear, inline)
    body = "\n".join(line for shape in drawing.shapes for line in pen.shape(shape))
    size = r"\footnotesize" if scale > 0.75 else r"\scriptsize" if scale > 0.55 else r"\tiny"
    notes = "".join(f"{inline((Text(note),))} " for note in drawing.notes)
    return (
        f"\\par\\medskip\\textbf{{{inline(picture.title)}}}\\par\\nopagebreak\n"
        f"{{\\setlength{{\\unitlength}}{{{scale:.3f}pt}}{size}\n"
        f"\\begin{{picture}}({_n(drawing.width)},{_n(drawing.height - TITLE)})\n{body}\n\\end{{picture}}\\par}}\n"
        f"{{\\small {notes}{inline(picture.description)}}}\\par\n"
    )


TITLE = 18.0
"""What a title takes of the height, which stands above the picture here."""


def _n(value: float) -> str:
    return f"{round(value, 1) + 0.0:g}"


def _put(x: float, y: float, what: str) -> str:
    return f"\\put({_n(x)},{_n(y)}){{{what}}}"


class _Pen:
    def __init__(self, height: float, clear: Sequence[Box], inline: Inline) -> None:
        self.height = height
        self.clear = clear
        self.inline = inline

    def up(self, point: Point) -> Point:
        """TeX counts heights from below."""
        return point[0], self.height - point[1]

    def shape(self, shape: Shape) -> Iterator[str]:
        match shape:
            case Stroke(points, kind):
                dashes = DASHES[kind % len(DASHES)] if isinstance(kind, int) else ()
                run = list(map(self.up, thinned(points, POINTS)))
                yield from _dashed(run, dashes, WEIGHTS.get(kind, 0.8))
            case Arrow(way):
                yield from self.arrow(way)
            case Frame(box, kind):
                x, y = self.up(box.middle)
                size = f"({_n(box.width)},{_n(box.height)})"
                if kind in ("hidden", "output"):
                    yield _put(x, y, f"\\oval{size}")
                    if kind == "output":
                        yield _put(x, y, f"\\oval({_n(box.width - 5)},{_n(box.height - 5)})")
                else:
                    yield _put(x - box.width / 2, y - box.height / 2, f"\\framebox{size}{{}}")
            case Label(words, (x, y), size, anchor):
                side = {"start": "[l]", "middle": "", "end": "[r]"}[anchor]
                if shape.upwards:  # nothing is turned here: it stands above its axis
                    x, y, side = 4.0, 28.0, "[l]"
                written = f"\\makebox(0,0){side}{{{SMALLER * (size < 12)}{self.inline(words)}}}"
                yield _put(*self.up((x, y - size / 3)), written)
            case _:
                assert_never(shape)

    def arrow(self, way: Way) -> Iterator[str]:
        """The way without what is on a label, a bow in short straight pieces; a head at its end."""
        points = [at(way, step / PIECES) for step in range(PIECES + 1)]
        bent = math.dist(way[1], _between(way[0], way[2], 0.5)) > 0.1
        for free, run in groupby(points, self.is_free):
            if free:
                first, *rest = run
                for start, end in pairwise((first, *(rest if bent else rest[-1:]))):
                    yield self.straight(start, end)
        tip, before = points[-1], at(way, 0.96)
        angle = math.atan2(tip[1] - before[1], tip[0] - before[0])
        for turn in (2.75, -2.75):
            wing = (tip[0] + 7 * math.cos(angle + turn), tip[1] + 7 * math.sin(angle + turn))
            yield self.straight(wing, tip)

    def is_free(self, point: Point) -> bool:
        """Whether no label stands there."""
        x, y = point
        boxes = self.clear
        return not any(b.left - 1 <= x <= b.right + 1 and b.top <= y <= b.bottom for b in boxes)

    def straight(self, start: Point, end: Point) -> str:
        return _segment(self.up(start), self.up(end), 0.8)


PIECES = 24
SMALLER = r"\scriptsize "
WEIGHTS: dict[str | int, float] = {"grid": 0.1, "axis": 0.5}


DASHES = ((), (6.0, 4.0), (1.2, 2.6), (9.0, 2.5, 1.2, 2.5))  # drawn, left out, drawn, …


def _dashed(points: Sequence[Point], dashes: Sequence[float], weight: float) -> Iterator[str]:
    """A line through the points; each further series has a dash of its own."""
    dashes = dashes or (math.inf,)
    turn, left = 0, dashes[0]
    for start, end in pairwise(points):
        length = math.hypot(end[0] - start[0], end[1] - start[1])
        done = 0.0
        while length - done > 1e-6:
            step = min(left, length - done)
            if turn % 2 == 0:
                begin = _between(start, end, done / length)
                yield _segment(begin, _between(start, end, (done + step) / length), weight)
            done, left = done + step, left - step
            if left <= 1e-6:
                turn = (turn + 1) % len(dashes)
                left = dashes[turn]


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _segment(start: Point, end: Point, weight: float) -> str:
    """A straight piece: a rule along an axis, else dots so close that they touch."""
    (x0, y0), (x1, y1) = start, end
    length = math.hypot(x1 - x0, y1 - y0)
    if x0 == x1 or y0 == y1:
        way = f"({(x1 > x0) - (x1 < x0)},{(y1 > y0) - (y1 < y0)})"
        drawn = _put(x0, y0, f"\\line{way}{{{_n(length)}}}")
    else:
        dots = max(1, min(400, math.ceil(length / 0.35)))
        places = (start, _between(start, end, 0.5), end)
        drawn = f"\\qbezier[{dots}]" + "".join(f"({_n(x)},{_n(y)})" for x, y in places)
    return f"{{\\linethickness{{{weight}pt}}{drawn}}}"
