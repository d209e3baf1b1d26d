"""How a formula stands on paper, before any notation has spelled it.

`notation` turns a formula into a tree of these few nodes: it has decided what stands in brackets,
what is a fraction, and before which signs a line may end. A notation is one total `match` over the
nodes. Whoever breaks lines, aligns, or draws reads the tree and never the text that is made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple, TypeAlias

from backprop_cli.formula.functions import Function
from backprop_cli.formula.nodes import Relation
from backprop_cli.formula.spelling import Derivative, Glyph

NEVER = 1000.0
"""What it costs to end a line where only a hard limit forces it."""
AT_RELATION = 0.5
AT_SUM = 1.5
AT_FACTOR = 3.0
AT_BRACKET = 30.0
"""Between a quantity and its bracket, as in ŷ(1 − ŷ)."""


class Digits(NamedTuple):
    """An unsigned number: what stands before its point, the point and what is behind it, and a
    power of ten or none."""

    whole: str
    decimals: str = ""
    power: int | None = None

    @property
    def mantissa(self) -> str:
        """The number without its power of ten."""
        return self.whole + self.decimals


class Word(NamedTuple):
    """Letters or digits in one piece. A `letter` is a quantity's, an `index` belongs to one, a
    `number` is an index or an exponent of digits, a `mark` is an upright word, a `sign` none of the
    operators, and what is `typed` a plain name."""

    text: str
    kind: Literal["letter", "index", "number", "mark", "sign", "typed"]
    accent: Literal["", "hat", "tilde"] = ""


class Called(NamedTuple):
    """The name of a function, or of a constant."""

    function: Function


class Named:
    """A quantity by its glyph, whose own tree is `notation.letters`; `transposed` marks a matrix.

    `notation.quantity` has one of each, which is equal to itself only: what is spelled is kept by it.
    """

    __slots__ = ("glyph", "transposed")
    __match_args__ = ("glyph", "transposed")

    def __init__(self, glyph: Glyph, transposed: bool = False) -> None:
        self.glyph = glyph
        self.transposed = transposed


Sign: TypeAlias = Literal[
    "+",
    "−",
    "negative",
    "·",
    "beside",
    "thin",
    "/",
    "hadamard",
    "matmul",
    "wide",
    "correlation",
    "full",
    ",",
    "if",
    "else",
    "column",
    "=",
    "≈",
    "→",
    "≥",
    "≤",
]


class Operator(NamedTuple):
    """A sign between two parts of a row (or the minus before one), and what it costs to end a line
    before it; behind a comma. `tight`: without blanks."""

    sign: Sign | Relation
    cost: float = NEVER
    tight: bool = False


class Row(NamedTuple):
    """Parts side by side; in a sum a factor of a term stands deeper than the terms."""

    parts: tuple[Node, ...]
    is_sum: bool = False


class Fence(NamedTuple):
    """Something in brackets, as tall as it is; a `root` is a sign and a bar over it, a `layer` the
    number in small brackets, an `indicator` a comparison that counts as 1 or 0."""

    kind: Literal[
        "group", "call", "abs", "root", "indicator", "layer", "square", "of", "sample", "entries"
    ]
    inside: Node


class Fraction(NamedTuple):
    above: Node
    below: Node


class Script(NamedTuple):
    """A base with a subscript and a superscript, either of which may be missing."""

    base: Node
    below: Node | None
    above: Node | None


class Grid(NamedTuple):
    """A matrix in square brackets, or `cases`: each row a value and its condition, in the last
    one only the value otherwise."""

    kind: Literal["matrix", "cases"]
    rows: tuple[tuple[Node, ...], ...]


class Under(NamedTuple):
    """A matrix, and its shape in the middle below it."""

    base: Node
    shape: tuple[Word, ...]


class Blank(NamedTuple):
    """As much room as something takes that is not shown."""

    unseen: Node


Node: TypeAlias = (
    Digits
    | Word
    | Called
    | Named
    | Operator
    | Row
    | Fence
    | Fraction
    | Script
    | Grid
    | Under
    | Blank
)

MINUS = Operator("negative")


def row(parts: Sequence[Node]) -> Node:
    """Parts side by side; one alone is itself."""
    return parts[0] if len(parts) == 1 else Row(tuple(parts))


def within(node: Node) -> Sequence[Node]:
    """What stands side by side in the node: the parts of a row, else the node alone."""
    return node.parts if isinstance(node, Row) else (node,)


def parts_of(node: Node) -> Sequence[Node]:
    """What the node is made of."""
    match node:
        case Row(parts):
            return parts
        case Fence(_, inside):
            return (inside,)
        case Fraction(above, below):
            return (above, below)
        case Script(base, below, above):
            return tuple(part for part in (base, below, above) if part is not None)
        case Grid(_, rows):
            return tuple(entry for entries in rows for entry in entries)
        case Under(base, _):
            return (base,)
        case _:
            return ()


LONGEST_RAISED = 3
"""Digits of an exponent that small letters are written for in a line."""


def is_short(number: Digits) -> bool:
    """Whether a number is whole and may be raised; ½ and x² are written in ways of their own."""
    whole, *rest = number
    return rest == ["", None] and len(whole) <= LONGEST_RAISED and whole.isdecimal()


def is_leaf(node: Node) -> bool:
    """A name, or a number that is not short: whatever it is, the rest looks the same."""
    typed = isinstance(node, Word) and node.kind == "typed"
    return typed or isinstance(node, Named) or (isinstance(node, Digits) and not is_short(node))


def is_tall(node: Node) -> bool:
    """Whether it is higher than a line: brackets round it grow."""
    match node:
        case Fraction() | Grid() | Under() | Fence("root"):
            return True
        case Named(glyph):
            return isinstance(glyph, Derivative)
        case _:
            return any(map(is_tall, parts_of(node)))


def pieces(node: Node) -> Iterator[Row]:
    """The node cut before the operators of its outermost level: set side by side the pieces are
    the whole."""
    piece: list[Node] = []
    for part in within(node):
        if isinstance(part, Operator) and part.cost < NEVER and piece:
            yield Row(tuple(piece))
            piece = []
        piece.append(part)
    yield Row(tuple(piece))


def at_points(rows: Sequence[Sequence[Node]]) -> Iterator[tuple[Node, ...]]:
    """The rows of a matrix. Where a column is all numbers, each has as much room on both sides of
    its point as the widest, so that in the middle of the column point stands under point."""
    columns = zip_longest(*rows, fillvalue=Row(()))
    return zip(*map(_at_point, columns), strict=True)


def _at_point(column: Sequence[Node]) -> Sequence[Node]:
    numbers = [number for number in map(_number, column) if number is not None]
    if len(numbers) < len(column):
        return column
    minus = any(negative for negative, _ in numbers)
    before = max(len(digits.whole) for _, digits in numbers)
    behind = max(len(digits.decimals) for _, digits in numbers)
    power = max((digits.power for _, digits in numbers if digits.power is not None), default=None)
    aligned: list[Node] = []
    for node, (negative, (whole, decimals, own)) in zip(column, numbers, strict=True):
        begin = Digits("0" * (before - len(whole)))
        point = "." * (len(decimals) < behind and not decimals)
        end = Digits(
            "", point + "0" * (behind - len(decimals + point)), power if own is None else None
        )
        parts: list[Node] = [Blank(MINUS)] if minus and not negative else []
        parts += [Blank(begin)] if begin.whole else []
        parts += within(node)
        parts += [Blank(end)] if end.decimals or end.power is not None else []
        aligned.append(row(parts))
    return aligned


def _number(node: Node) -> tuple[bool, Digits] | None:
    """Whether a number is negative, and its digits; None for what is none."""
    match node:
        case Digits():
            return False, node
        case Row((Digits() as above, Operator("/"), Digits() as below)):  # its bar is its point
            return False, Digits(above.mantissa, f"/{below.mantissa}")
        case Row((Operator("negative"), inner)) if number := _number(inner):
            return True, number[1]
        case _:
            return None
