"""Matrices for a terminal: brackets over several lines, and shapes written under factors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.formula import layout as tree
from backprop_cli.formula.notation import COMMA, INFIX
from backprop_cli.render.breaking import UNICODE, Atom, Notation, Span, cells, formula_atoms

Spans: TypeAlias = tuple[Span, ...]
"""A line in pieces, each with the name of its style."""


@dataclass(frozen=True)
class Box:
    """Lines of equal width, one of which (`middle`) stands on the line of writing."""

    lines: tuple[Spans, ...]
    middle: int

    @property
    def width(self) -> int:
        return width_of(self.lines[0])

    @property
    def atoms(self) -> Iterator[Atom]:
        """Each line as something that is never broken."""
        return (Atom("".join(text for text, _ in line), spans=line) for line in self.lines)


@dataclass(frozen=True)
class Brackets:
    """Signs for the top, middle and bottom of a tall bracket, left then right."""

    top: tuple[str, str]
    side: tuple[str, str]
    bottom: tuple[str, str]
    single: tuple[str, str]


SQUARE = Brackets(("⎡", "⎤"), ("⎢", "⎥"), ("⎣", "⎦"), ("[", "]"))
ROUND = Brackets(("⎛", "⎞"), ("⎜", "⎟"), ("⎝", "⎠"), ("(", ")"))
ASCII_SQUARE = Brackets(("[", "]"), ("[", "]"), ("[", "]"), ("[", "]"))
ASCII_ROUND = Brackets(("/", "\\"), ("|", "|"), ("\\", "/"), ("(", ")"))


def is_tall(node: tree.Node) -> bool:
    """Whether there is a matrix or a shape in it."""
    return isinstance(node, tree.Grid | tree.Under) or any(map(is_tall, tree.parts_of(node)))


def line_box(text: str, style: str = "") -> Box:
    return Box((((text, style),),), 0)


@dataclass(frozen=True)
class Boxes:
    """Draws layouts as boxes."""

    notation: Notation

    @property
    def ascii(self) -> bool:
        return self.notation is not UNICODE

    def rows(self, node: tree.Node, room: int) -> list[Box] | None:
        """The formula as boxes one below the other, none wider than `room`; None if one must be."""
        rows: list[Box] = []
        for piece in self._pieces(node, room):
            joined = beside((rows[-1], line_box(" "), piece)) if rows else piece
            if rows and joined.width <= room:
                rows[-1] = joined
            else:
                rows.append(piece)
        return rows if all(row.width <= room for row in rows) else None

    def _pieces(self, node: tree.Node, room: int) -> list[Box]:
        """The whole if it fits, else its outermost terms or factors, each behind its sign; what is
        still too wide goes on inside its brackets."""
        whole = self.box(node)
        match node:
            case _ if whole.width <= room:
                return [whole]
            case tree.Fence("group" | "call", inside):
                first, *middle = self._pieces(inside, room - 2)
                if not middle:
                    return [whole]
                last = middle.pop()
                return [self._half(first, 0), *middle, self._half(last, 1)]
            case tree.Script(base, _, above) if above is not None:
                *before, last = self._pieces(base, room - 2)
                return [*before, self._raised(last, above)]
            case tree.Row(parts):
                found: list[Box] = []
                for piece in _cut(parts):
                    found += self._opened(piece, room)
                return found
            case _:
                return [whole]

    def _opened(self, parts: Sequence[tree.Node], room: int) -> list[Box]:
        """A term or factor behind its sign, its widest part in pieces if it is too wide."""
        whole = self._piece(parts)
        if whole.width <= room:
            return [whole]
        widest = max(range(len(parts)), key=lambda at: self.box(parts[at]).width)
        inner = self._pieces(parts[widest], room - whole.width + self.box(parts[widest]).width)
        if len(inner) > 1:
            if widest:
                inner[0] = beside((self._piece(parts[:widest]), inner[0]))
            inner[-1] = beside((inner[-1], *map(self.box, parts[widest + 1 :])))
        return inner if len(inner) > 1 else [whole]

    def _piece(self, parts: Sequence[tree.Node]) -> Box:
        first, *rest = parts
        if isinstance(first, tree.Operator) and first.sign != "negative":
            sign = self._sign(first).strip()
            begin = line_box(f"{sign} " if sign else "", "operator")
            return beside([begin, *map(self.box, rest)])
        if parts[-1] == COMMA and len(parts) > 1:
            return beside([*map(self.box, parts[:-1]), line_box(",", "operator")])
        return beside([self.box(part) for part in parts])

    def _sign(self, operator: tree.Operator) -> str:
        if self.ascii and operator.sign in ASCII_SIGNS:
            return ASCII_SIGNS[operator.sign]
        return self.notation.sign(operator._replace(tight=False))

    def box(self, node: tree.Node) -> Box:
        """What has no matrix in it is one line."""
        if isinstance(node, tree.Operator):
            return line_box(self._sign(node), "operator")
        if not is_tall(node):
            return Box((self._spans(node),), 0)
        match node:
            case tree.Grid(_, rows):
                return self._matrix(rows)
            case tree.Under(base, sides):
                return _above(
                    self.box(base),
                    ("x" if self.ascii else "×").join(map(self.notation.spell, sides)),
                )
            case tree.Script(base, _, above) if above is not None:
                return self._raised(self.box(base), above)
            case tree.Fence("group" | "call", inside):
                return self.bracketed(self.box(inside))
            case tree.Fence(kind, inside):
                left, right = (line_box(end, "operator") for end in self.notation.ends(kind))
                return beside((left, self.box(inside), right))
            case _:
                return beside([self.box(part) for part in tree.parts_of(node)])

    def _raised(self, inner: Box, above: tree.Node) -> Box:
        """With an exponent, which stands at the upper end of a bracket."""
        mark = self.notation.mark(above) or f"^{self.notation.spell(above)}"
        blank = " " * cells(mark)
        raised = [((mark, ""),), *[((blank, ""),)] * inner.middle]
        return beside((inner, Box(tuple(raised), inner.middle)))

    def bracketed(self, inner: Box) -> Box:
        """Round brackets as tall as the box; the shapes below it stay below them."""
        return self._half(self._half(inner, 0), 1)

    def _half(self, inner: Box, side: int) -> Box:
        """The left or the right bracket alone."""
        signs = _ends(len(inner.lines), ASCII_ROUND if self.ascii else ROUND)
        bracket = Box(tuple(((pair[side], "operator"),) for pair in signs), inner.middle)
        return beside((inner, bracket) if side else (bracket, inner))

    def _spans(self, node: tree.Node) -> Spans:
        """A formula on one line, its parts with their styles."""
        spans: list[Span] = []
        for atom in formula_atoms(node, self.notation, styled=True):
            spans += [*([(" ", "")] if atom.space else []), *atom.spans]
        return tuple(spans)

    def _matrix(self, rows: Sequence[Sequence[tree.Node]]) -> Box:
        """Entries in the middle of their columns, numbers with their points under one another."""
        columns = [
            _centred(list(map(self._spans, each)))
            for each in zip(*tree.at_points(rows), strict=True)
        ]
        signs = _ends(max(1, len(rows)), ASCII_SQUARE if self.ascii else SQUARE)
        lines: list[Spans] = []
        for level, (left, right) in enumerate(signs):
            line: list[Span] = [(left, "operator")]
            for place, column in enumerate(columns):
                line += [*([("  ", "")] if place else []), *column[level]]
            lines.append((*line, (right, "operator")))
        return Box(tuple(lines), (len(lines) - 1) // 2)


ASCII_SIGNS = {"matmul": " ", "·": " * "}


_CUT = ("+", "−", "/", "·", *INFIX)


def _cut(parts: Sequence[tree.Node]) -> Iterator[Sequence[tree.Node]]:
    """The parts of a row, each piece with the sign before it; a comma stands behind one."""
    piece: list[tree.Node] = []
    for part in parts:
        if isinstance(part, tree.Operator) and part.sign in _CUT and piece:
            yield piece
            piece = []
        piece.append(part)
        if part == COMMA:
            yield piece
            piece = []
    yield piece


def _ends(tall: int, brackets: Brackets) -> list[tuple[str, str]]:
    """The left and right sign of each line of a bracket."""
    if tall == 1:
        return [brackets.single]
    return [brackets.top, *[brackets.side] * (tall - 2), brackets.bottom]


def beside(parts: Sequence[Box]) -> Box:
    """Boxes next to each other, their lines of writing level."""
    above = max(part.middle for part in parts)
    below = max(len(part.lines) - part.middle for part in parts)
    lines = []
    for level in range(-above, below):
        line: list[Span] = []
        for part in parts:
            place = level + part.middle
            inside = 0 <= place < len(part.lines)
            line += part.lines[place] if inside else [(" " * part.width, "")]
        lines.append(tuple(line))
    return Box(tuple(lines), above)


def _above(inner: Box, under: str) -> Box:
    """A box with its shape in the middle of the line below."""
    return Box(tuple(_centred([*inner.lines, ((under, "label"),)])), inner.middle)


def _centred(lines: Sequence[Spans]) -> list[Spans]:
    width = max(map(width_of, lines), default=0)
    lefts = [(width - width_of(line)) // 2 for line in lines]
    return [
        ((" " * left, ""), *line, (" " * (width - left - width_of(line)), ""))
        for left, line in zip(lefts, lines, strict=True)
    ]


def width_of(line: Spans) -> int:
    """The cells of a line."""
    return sum(cells(text) for text, _ in line)
