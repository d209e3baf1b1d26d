"""Curves for a terminal: Braille dots for one series, a marker for each of several, or ASCII."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from backprop_cli.formula.characters import visible
from backprop_cli.formula.nodes import Formula, Negative, Number
from backprop_cli.render.breaking import cells, fill, word_atoms
from backprop_cli.worksheet.document import Curve, Line, Math, Series

Point = tuple[float, float]

MARKERS = "●×▲◇+○"
ASCII_MARKERS = "*+ox#@"
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_HEIGHT = 14


def plot(curve: Curve, say: Callable[[Line], str], *, width: int, ascii: bool = False) -> list[str]:
    """The lines of a plot at most `width` cells wide: axes, labels, and a legend for several; `say`
    writes what stands at them."""

    def words(line: Line) -> str:
        return visible(say(line))

    def tick(value: float, bounds: Point) -> str:
        return words((Math(numeral(value, bounds)),))

    points = [point for series in curve.series for point in finite(series)]
    if not points:
        return ["(no finite values to draw)"]
    x_range = spread([x for x, _ in points])
    y_range = spread([y for _, y in points])
    scale = [tick(y, y_range) for y in (y_range[1], sum(y_range) / 2, y_range[0])]
    gutter = max(map(len, scale))
    columns = max(8, min(width - gutter - 2, 72))
    rows = max(6, min(_HEIGHT, columns // 3))
    canvas = (
        _braille(finite(curve.series[0]), columns, rows, x_range, y_range)
        if len(curve.series) == 1 and not ascii
        else _marked(curve.series, columns, rows, x_range, y_range, ascii)
    )
    wall, floor, corner = ("|", "-", "+") if ascii else ("┤", "─", "└")
    side = "|" if ascii else "│"
    ticks = {0: scale[0], (rows - 1) // 2: "", rows - 1: scale[2]}
    lines = _beside("", words(curve.y_label), width)
    for place, row in enumerate(canvas):
        mark = ticks.get(place, "")
        lines.append(f"{mark:>{gutter}} {wall if mark else side}{row}".rstrip())
    lines.append(" " * (gutter + 1) + corner + floor * columns)
    low, high = (tick(x, x_range) for x in x_range)
    label = words(curve.x_label)
    room = columns - len(low) - len(high)
    middle = f" {label} " if cells(label) + 2 <= room else ""
    left = (room - cells(middle)) // 2
    right = room - cells(middle) - left
    lines.append(" " * (gutter + 2) + low + " " * left + middle + " " * right + high)
    if label and not middle:
        lines.extend(_beside(" " * (gutter + 2), label, width))
    if len(curve.series) > 1:
        markers = ASCII_MARKERS if ascii else MARKERS
        for place, series in enumerate(curve.series):
            mark = " " * (gutter + 2) + markers[place % len(markers)] + " "
            lines.extend(_beside(mark, words(series.label), width))
    return lines


def _beside(mark: str, text: str, width: int) -> list[str]:
    """Words behind a mark, their later lines indented as far."""
    indent = cells(mark)
    room = max(4, width - indent)
    return [
        (" " * indent if place else mark) + " ".join(atom.text for atom in row)
        for place, row in enumerate(fill(word_atoms(text), room))
    ]


def finite(series: Series) -> list[Point]:
    """The points that can be drawn."""
    return [point for point in series.points if drawable(point)]


def drawable(point: Point) -> bool:
    """Finite, and so far from the largest float that the differences are finite too."""
    return all(abs(value) < 1e300 for value in point)


def thinned(points: Sequence[Point], most: int) -> Sequence[Point]:
    """At most about `most` points that keep the peaks: of each stretch the least and greatest."""
    if len(points) <= most:
        return points
    stretch = math.ceil(len(points) / max(1, (most - 2) // 2))
    kept = [0, len(points) - 1]
    for begin in range(0, len(points), stretch):
        places = range(begin, min(begin + stretch, len(points)))
        gaps = [n for n in places if not drawable(points[n])]
        whole = [n for n in places if drawable(points[n])]
        kept.extend(gaps[:1])
        if whole:
            kept.append(min(whole, key=lambda n: points[n][1]))
            kept.append(max(whole, key=lambda n: points[n][1]))
    return [points[n] for n in sorted(set(kept))]


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Least and greatest, moved apart where they are the same."""
    low, high = min(values), max(values)
    if high - low <= max(1e-12 * max(abs(low), abs(high)), 1e-290):
        margin = abs(low) / 2 if abs(low) > 1e-290 else 1.0
        return low - margin, high + margin
    return low, high


def numeral(value: float, bounds: tuple[float, float]) -> Formula:
    """A number for an axis: as many digits as tell its two ends apart."""
    gap = bounds[1] - bounds[0]
    size = max(abs(bounds[0]), abs(bounds[1]))
    digits = max(3, min(12, 2 + math.ceil(math.log10(size / gap)) if size > gap else 3))
    if abs(value) < gap * 1e-9:
        value = 0.0
    number = Number(f"{abs(value):.{digits}g}")
    return Negative(number) if value < 0 else number


def share(value: float, bounds: Point) -> float:
    """How far between the bounds a value is."""
    low, high = bounds
    return (value - low) / (high - low)


def _place(value: float, bounds: tuple[float, float], cells: int) -> int:
    return max(0, min(cells - 1, round(share(value, bounds) * (cells - 1))))


def _track(
    points: Sequence[Point], across: int, down: int, x_range: Point, y_range: Point
) -> list[tuple[int, int]]:
    """The cells that a line through the points passes, one step at a time."""
    corners = [(_place(x, x_range, across), down - 1 - _place(y, y_range, down)) for x, y in points]
    cells = corners[:1]
    for (x0, y0), (x1, y1) in pairwise(corners):
        count = max(abs(x1 - x0), abs(y1 - y0))
        cells.extend(
            (round(x0 + (x1 - x0) * n / count), round(y0 + (y1 - y0) * n / count))
            for n in range(1, count + 1)
        )
    return cells


def _braille(
    points: Sequence[Point], columns: int, rows: int, x_range: Point, y_range: Point
) -> list[str]:
    grid = [[0] * columns for _ in range(rows)]
    for x, y in _track(points, columns * 2, rows * 4, x_range, y_range):
        grid[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    return ["".join(chr(0x2800 + dots) if dots else " " for dots in row) for row in grid]


def _marked(
    series: Sequence[Series], columns: int, rows: int, x_range: Point, y_range: Point, ascii: bool
) -> list[str]:
    markers = ASCII_MARKERS if ascii else MARKERS
    grid = [[" "] * columns for _ in range(rows)]
    passing: dict[tuple[int, int], dict[str, None]] = {}
    for place, one in enumerate(series):
        for cell in _track(finite(one), columns, rows, x_range, y_range):
            passing.setdefault(cell, {})[markers[place % len(markers)]] = None
    for (x, y), those in passing.items():  # where curves run together they take turns
        grid[y][x] = list(those)[x % len(those)]
    return ["".join(row) for row in grid]
