"""Where the nodes, edges and labels of a network picture stand: geometry only, no notation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.formula import unicode
from backprop_cli.render.breaking import cells
from backprop_cli.worksheet.document import Diagram

Point: TypeAlias = tuple[float, float]
Way: TypeAlias = tuple[Point, Point, Point]
"""A quadratic Bézier curve: start, bend, end. A straight edge bends in its middle."""


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def middle(self) -> Point:
        return self.left + self.width / 2, self.top + self.height / 2

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


@dataclass(frozen=True)
class Placed:
    """A node's middle and half its width; every node is 50 high, its gradient below it."""

    centre: Point
    radius: float

    @property
    def box(self) -> Box:
        return Box(self.centre[0] - self.radius, self.centre[1] - 25, 2 * self.radius, 50)


@dataclass(frozen=True)
class Plan:
    width: float
    height: float
    nodes: tuple[Placed, ...]
    ways: tuple[Way, ...]
    labels: tuple[Box | None, ...]
    unlabelled: int


HALF_HEIGHT = 25
GRADIENT_HEIGHT = 16.0  # what is written below a node
TOP = 44.0
MARGIN = 16.0
MOST_LABELS = 400  # placing them compares each with each
MOST_BENT = 400  # so does finding a way past the nodes; with more edges all are straight
SCALES = ((1.0, 1.0), (1.2, 1.15), (1.5, 1.3), (1.9, 1.6), (2.4, 2.0))
TRIED = (1 / 3, 0.28, 0.38, 0.44, 0.5, 0.56, 0.62, 0.68, 0.23, 0.73, 0.78, 0.18)


def at(way: Way, share: float) -> Point:
    """The point of the curve at a share of its way."""
    (x0, y0), (x1, y1), (x2, y2) = way
    rest = 1 - share
    return (
        rest * rest * x0 + 2 * rest * share * x1 + share * share * x2,
        rest * rest * y0 + 2 * rest * share * y1 + share * share * y2,
    )


def layout(picture: Diagram, radii: Sequence[float], sizes: Sequence[Point | None]) -> Plan:
    """The smallest of a few plans in which no two labels overlap; else labels are left out."""
    plan = None
    for across, down in SCALES:
        plan = _plan(picture, radii, sizes, across, down)
        if not plan.unlabelled or len(sizes) > MOST_LABELS:
            break
    assert plan is not None
    return plan


def _plan(
    picture: Diagram,
    radii: Sequence[float],
    sizes: Sequence[Point | None],
    across: float,
    down: float,
) -> Plan:
    nodes = _nodes(picture, radii, sizes, across, down)
    straight = len(picture.edges) > MOST_BENT
    below = [GRADIENT_HEIGHT if node.gradient else 0.0 for node in picture.nodes]
    ways = tuple(
        _way(nodes, below, edge.start, edge.end, straight=straight) for edge in picture.edges
    )
    labels = tuple(_labels(picture, nodes, ways, sizes))
    right = max([node.box.right for node in nodes], default=100.0) + MARGIN
    bottom = max([node.box.bottom for node in nodes], default=TOP) + 22
    # A bow may reach beyond the outermost nodes.
    reach = [at(way, 0.5)[1] for way in ways]
    bottom = max([bottom, *(y + 16 for y in reach)])
    lift = max(0.0, TOP - 8 - min([TOP, *(y - 12 for y in reach)]))
    if lift:
        nodes = tuple(Placed((n.centre[0], n.centre[1] + lift), n.radius) for n in nodes)
        ways = tuple(_lifted(way, lift) for way in ways)
        labels = tuple(b and Box(b.left, b.top + lift, b.width, b.height) for b in labels)
    missing = sum(size is not None and box is None for size, box in zip(sizes, labels, strict=True))
    return Plan(right, bottom + lift, nodes, ways, labels, missing)


def _lifted(way: Way, lift: float) -> Way:
    (x0, y0), (x1, y1), (x2, y2) = way
    return (x0, y0 + lift), (x1, y1 + lift), (x2, y2 + lift)


def _nodes(
    picture: Diagram,
    radii: Sequence[float],
    sizes: Sequence[Point | None],
    across: float,
    down: float,
) -> tuple[Placed, ...]:
    """Columns as wide as their widest node, with room for the labels between them."""
    widest: dict[float, float] = {}
    for node, radius in zip(picture.nodes, radii, strict=True):
        widest[node.x] = max(widest.get(node.x, 0.0), radius)
    crowd: dict[float, int] = {}
    label: dict[float, float] = {}
    for edge, size in zip(picture.edges, sizes, strict=True):
        begin = picture.nodes[edge.start].x
        crowd[begin] = crowd.get(begin, 0) + 1
        if size is not None:
            label[begin] = max(label.get(begin, 0.0), size[0])
    left = MARGIN
    middle: dict[float, float] = {}
    for x in sorted(widest):
        middle[x] = left + widest[x]
        gap = max(46.0, label.get(x, 0.0) * (1.35 if crowd.get(x, 0) > 2 else 1.2) + 24) * across
        left = middle[x] + widest[x] + gap
    highest = min((node.y for node in picture.nodes), default=0.0)
    return tuple(
        Placed((middle[node.x], TOP + HALF_HEIGHT + (node.y - highest) * 88 * down), radius)
        for node, radius in zip(picture.nodes, radii, strict=True)
    )


def _straight(first: Placed, last: Placed) -> Way:
    begin, finish = _rim(first, last.centre), _rim(last, first.centre)
    return begin, ((begin[0] + finish[0]) / 2, (begin[1] + finish[1]) / 2), finish


def _way(
    nodes: Sequence[Placed], below: Sequence[float], start: int, end: int, *, straight: bool
) -> Way:
    """Straight where nothing is in the way, else the flattest bow that passes the other nodes."""
    first, last = nodes[start], nodes[end]
    if straight:
        return _straight(first, last)
    low, high = sorted((first.centre[0], last.centre[0]))
    others = [
        Box(n.box.left - 4, n.box.top - 4, n.box.width + 8, n.box.height + 8 + room)
        for place, (n, room) in enumerate(zip(nodes, below, strict=True))
        if low <= n.centre[0] <= high and place not in (start, end)
    ]
    for bow in (0, -60, 60, -100, 100, -150, 150, -210, 210, -280, 280):
        (x0, y0), (x1, y1) = first.centre, last.centre
        bend = ((x0 + x1) / 2, (y0 + y1) / 2 + bow)
        way = (_rim(first, bend), bend, _rim(last, bend)) if bow else _straight(first, last)
        if not any(_inside(at(way, step / 24), box) for step in range(25) for box in others):
            return way
    return _straight(first, last)


def _inside(point: Point, box: Box) -> bool:
    return box.left <= point[0] <= box.right and box.top <= point[1] <= box.bottom


def _rim(node: Placed, towards: Point) -> Point:
    """Where the line from a node's middle leaves its ellipse."""
    x, y = node.centre
    dx, dy = towards[0] - x, towards[1] - y
    length = math.hypot(dx / (node.radius + 1), dy / (HALF_HEIGHT + 1)) or 1.0
    return x + dx / length, y + dy / length


def _labels(
    picture: Diagram, nodes: Sequence[Placed], ways: Sequence[Way], sizes: Sequence[Point | None]
) -> Iterator[Box | None]:
    """A box on each edge, about a third along it, clear of all nodes and of other labels."""
    taken = [node.box for node in nodes]
    for node, placed in zip(picture.nodes, nodes, strict=True):
        if node.gradient:
            x, y = placed.centre
            half = max(placed.radius, 3.4 * cells(unicode.write(node.gradient)) + 12)
            taken.append(Box(x - half, y + HALF_HEIGHT, 2 * half, 20))
    for place, (way, size) in enumerate(zip(ways, sizes, strict=True)):
        if size is None or place >= MOST_LABELS:
            yield None
            continue
        box = _free(way, size, taken)
        if box is not None:
            taken.append(box)
        yield box


def _free(way: Way, size: Point, taken: Sequence[Box]) -> Box | None:
    for share in TRIED:
        x, y = at(way, share)
        box = Box(x - size[0] / 2, y - size[1] / 2, *size)
        if not any(box.meets(other) for other in taken):
            return box
    return None
