"""Curves and networks in LaTeX's own picture mode: straight lines as Bézier curves, no package."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from backprop_cli.formula import latex
from backprop_cli.formula.spelling import Spelling
from backprop_cli.render import svg
from backprop_cli.render.layout import HALF_HEIGHT, Box, Plan, Point, Way, at
from backprop_cli.render.plot import drawable, finite, numeral, spread, thinned
from backprop_cli.worksheet.document import Curve, Diagram, Series

Escape = Callable[[str], str]

WIDTH, HEIGHT = 300.0, 150.0  # of a plot, in points
POINTS = 60  # of a series; each is a curve of dots for TeX
PAGE = 440.0  # the widest picture


def curve(picture: Curve, escape: Escape, description: str) -> str:
    """A plot with its title above and its description below."""
    points = [point for series in picture.series for point in finite(series)]
    if not points:
        return f"{_title(picture.title, escape)}{description}\\par\n"
    xs = svg.nice_range(*spread([x for x, _ in points]))
    ys = svg.nice_range(*spread([y for _, y in points]))
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    if low == high:
        low, high = xs[0], xs[-1]
    across, up = (low, high), (ys[0], ys[-1])

    def place(point: Point) -> Point:
        return WIDTH * svg.share(point[0], across), HEIGHT * svg.share(point[1], up)

    lines = list(_axes([x for x in xs if low <= x <= high], ys, across, up, place))
    for number, series in enumerate(picture.series):
        lines.extend(_series(series, number, place))
    label = escape(picture.x_label)
    lines.append(_put(WIDTH / 2, -26, f"\\makebox(0,0){{{label}}}"))
    lines.append(_put(-44, HEIGHT + 12, f"\\makebox(0,0)[l]{{{escape(picture.y_label)}}}"))
    below = 36
    if len(picture.series) > 1:
        for number, series in enumerate(picture.series):
            below += 12
            lines.extend(_dashed(((0, -below), (26, -below)), number))
            lines.append(_put(32, -below - 3, escape(svg.shortened(series.label, 60))))
    body = "\n".join(lines)
    total = (WIDTH + 60, HEIGHT + below + 26)
    return (
        f"{_title(picture.title, escape)}"
        f"{{\\setlength{{\\unitlength}}{{1pt}}\\footnotesize\n"
        f"\\begin{{picture}}({_n(total[0])},{_n(total[1])})(-46,{_n(-below - 6)})\n{body}\n\\end{{picture}}\\par}}\n"
        f"{{\\small {description}}}\\par\n"
    )


def _title(title: str, escape: Escape) -> str:
    return f"\\par\\medskip\\textbf{{{escape(title)}}}\\par\\nopagebreak\n"


def _n(value: float) -> str:
    return f"{round(value, 1) + 0.0:g}"


def _put(x: float, y: float, what: str) -> str:
    return f"\\put({_n(x)},{_n(y)}){{{what}}}"


def _axes(
    xs: Sequence[float],
    ys: Sequence[float],
    across: Point,
    up: Point,
    place: Callable[[Point], Point],
) -> Iterator[str]:
    yield _put(0, 0, f"\\line(1,0){{{_n(WIDTH)}}}")
    yield _put(0, 0, f"\\line(0,1){{{_n(HEIGHT)}}}")
    for x in xs:
        left, _ = place((x, up[0]))
        yield _put(left, 0, "\\line(0,-1){3}")
        yield _put(left, -10, f"\\makebox(0,0){{${numeral(x, across, '-')}$}}")
    for y in ys:
        _, height = place((across[0], y))
        yield _put(0, height, "\\line(-1,0){3}")
        yield _put(-6, height, f"\\makebox(0,0)[r]{{${numeral(y, up, '-')}$}}")


def _series(series: Series, number: int, place: Callable[[Point], Point]) -> Iterator[str]:
    run: list[Point] = []
    for x, y in thinned(series.points, POINTS):
        if drawable((x, y)):
            run.append(place((x, y)))
        else:
            yield from _dashed(run, number)
            run = []
    yield from _dashed(run, number)


DASHES = ((), (6.0, 4.0), (1.2, 2.6), (9.0, 2.5, 1.2, 2.5))  # drawn, left out, drawn, …


def _dashed(points: Sequence[Point], number: int) -> Iterator[str]:
    """A line through the points; each further series has a dash of its own."""
    dashes = DASHES[number % len(DASHES)]
    if not dashes:
        for start, end in pairwise(points):
            yield from _segment(start, end)
        return
    turn, left = 0, dashes[0]
    for start, end in pairwise(points):
        length = math.hypot(end[0] - start[0], end[1] - start[1])
        done = 0.0
        while length - done > 1e-6:
            step = min(left, length - done)
            if turn % 2 == 0:
                yield from _segment(
                    _between(start, end, done / length),
                    _between(start, end, (done + step) / length),
                )
            done, left = done + step, left - step
            if left <= 1e-6:
                turn = (turn + 1) % len(dashes)
                left = dashes[turn]


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _segment(start: Point, end: Point) -> Iterator[str]:
    """A straight piece, as dots so close that they touch."""
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    dots = max(1, min(400, math.ceil(length / 0.35)))
    yield f"{{\\linethickness{{0.8pt}}{_bezier((start, _between(start, end, 0.5), end), dots)}}}"


def _bezier(way: Way, dots: int) -> str:
    points = "".join(f"({_n(x)},{_n(y)})" for x, y in way)
    return f"\\qbezier[{dots}]{points}"


def diagram(picture: Diagram, spelling: Spelling, escape: Escape, description: str) -> str:
    """The network that `svg.diagram` draws, with its lines interrupted where labels stand."""
    plan = svg.plan(picture, spelling)
    scale = min(1.0, PAGE / plan.width)
    lines: list[str] = []
    for way in plan.ways:
        lines.extend(_edge(way, plan.labels, plan))
    for node, placed in zip(picture.nodes, plan.nodes, strict=True):
        x, y = placed.centre
        wide, high = 2 * placed.radius, 2 * HALF_HEIGHT
        frame = "\\framebox" if node.kind in ("input", "loss", "array") else ""
        name = latex.write(node.name, spelling)
        inside = f"${name}$"
        if node.value is not None:
            inside = f"\\shortstack{{{inside}\\\\ ${latex.write(node.value)}$}}"
        elif node.shape:
            inside = f"\\shortstack{{{inside}\\\\ {escape(node.shape)}}}"
        if frame:
            lines.append(
                _put(
                    x - placed.radius,
                    _up(plan, y + HALF_HEIGHT),
                    f"{frame}({_n(wide)},{_n(high)}){{{inside}}}",
                )
            )
        else:
            lines.append(_put(x, _up(plan, y), f"\\oval({_n(wide)},{_n(high)})"))
            if node.kind == "output":
                lines.append(_put(x, _up(plan, y), f"\\oval({_n(wide - 5)},{_n(high - 5)})"))
            lines.append(_put(x, _up(plan, y), f"\\makebox(0,0){{{inside}}}"))
        if node.gradient:
            gradient = latex.write(node.gradient)
            lines.append(_put(x, _up(plan, y + 36), f"\\makebox(0,0){{$\\nabla$ ${gradient}$}}"))
    for edge, box in zip(picture.edges, plan.labels, strict=True):
        if box is None:
            continue
        parts = [latex.write(edge.label, spelling)] if edge.label else []
        if edge.value is not None:
            parts.append(latex.write(edge.value))
        x, y = box.middle
        lines.append(
            _put(x, _up(plan, y), f"\\makebox(0,0){{\\scriptsize ${'{}={}'.join(parts)}$}}")
        )
    notes = "".join(f"{escape(note)} " for note in svg.notes(picture, plan.unlabelled))
    body = "\n".join(lines)
    size = r"\footnotesize" if scale > 0.75 else r"\scriptsize" if scale > 0.55 else r"\tiny"
    return (
        f"{_title(picture.title, escape)}"
        f"{{\\setlength{{\\unitlength}}{{{scale:.3f}pt}}{size}\n"
        f"\\begin{{picture}}({_n(plan.width)},{_n(plan.height - 26)})\n{body}\n\\end{{picture}}\\par}}\n"
        f"{{\\small {notes}{description}}}\\par\n"
    )


def _up(plan: Plan, y: float) -> float:
    """TeX counts heights from below."""
    return plan.height - y


def _edge(way: Way, labels: Sequence[Box | None], plan: Plan) -> Iterator[str]:
    """The way in short straight pieces, without those on a label, and a head at its end."""
    count = 24
    points = [at(way, step / count) for step in range(count + 1)]
    begin: Point | None = None
    last = points[0]
    for point in points:
        covered = any(
            box is not None
            and box.left - 1 <= point[0] <= box.right + 1
            and box.top <= point[1] <= box.bottom
            for box in labels
        )
        if covered and begin is not None:
            yield from _straight(begin, last, plan)
            begin = None
        elif not covered and begin is None:
            begin = point
        last = point
    if begin is not None:
        yield from _straight(begin, last, plan)
    tip, before = points[-1], at(way, 0.96)
    angle = math.atan2(tip[1] - before[1], tip[0] - before[0])
    for turn in (2.75, -2.75):
        wing = (tip[0] + 7 * math.cos(angle + turn), tip[1] + 7 * math.sin(angle + turn))
        yield from _straight(wing, tip, plan)


def _straight(start: Point, end: Point, plan: Plan) -> Iterator[str]:
    yield from _segment((start[0], _up(plan, start[1])), (end[0], _up(plan, end[1])))
