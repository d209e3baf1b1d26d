"""What a worksheet is made of: a small closed set of nodes, one total `match` per renderer.

Renderers know these nodes and formulas, and nothing of graphs, problems or runs. Mathematics
stays a `Formula` until a renderer prints it in its own notation; names in it are looked up
through the document's `spelling`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias, TypeVar

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.layout import Digits
from backprop_cli.formula.nodes import Formula, Name, Negative, Number, Quotient, Shown
from backprop_cli.formula.notation import signed
from backprop_cli.formula.spelling import Spelling

Thing = TypeVar("Thing")
Style: TypeAlias = Literal["plain", "strong", "emphasis", "code"]


@dataclass(frozen=True)
class Text:
    """Plain words. May hold hostile characters; each renderer escapes."""

    text: str
    style: Style = "plain"


@dataclass(frozen=True)
class Math:
    """A formula in a line of text or a table cell."""

    formula: Formula


@dataclass(frozen=True)
class Relation:
    """`left = right` (or ≈, ←, →) in a line of text or a table cell."""

    left: Formula
    sign: Literal["=", "≈", "→", "<", ">", "≥", "≤"]
    right: Formula

    @property
    def formula(self) -> Formula:
        """Both sides and the sign in one."""
        return Shown(self.sign, (self.left, self.right))


@dataclass(frozen=True)
class Numeral:
    """A number taken apart, so that those of a column can stand with their points under one
    another: 1.2×10⁻⁵, −3/4. `rounded` has ≈ in front."""

    digits: Digits
    over: str = ""  # the denominator of digits/over
    negative: bool = False
    rounded: bool = False

    @property
    def formula(self) -> Formula:
        """The number without ≈."""
        power = "" if self.digits.power is None else f"e{self.digits.power}"
        number: Formula = Number(self.digits.mantissa + power)
        if self.over:
            number = Quotient(number, Number(self.over))
        return Negative(number) if self.negative else number


Inline: TypeAlias = Text | Math | Relation | Numeral
Line: TypeAlias = tuple[Inline, ...]


def listed(items: Iterable[Line], between: str = ", ") -> Line:
    """Several things parted by commas."""
    return tuple(part for item in items for part in (Text(between), *item))[1:]


def named(names: Iterable[str]) -> Line:
    """Quantities parted by commas."""
    return listed((Math(Name(name)),) for name in names)


def and_so_on(names: Sequence[str], most: int) -> Line:
    """Quantities parted by commas, and of many how many more there are."""
    more = len(names) - most
    return (*named(names[:most]), *((Text(f" and {more} more"),) if more > 0 else ()))


def together(names: Sequence[str]) -> Line:
    """Quantities in a sentence: `a, b and c`."""
    *most, last = names
    return (*named(most), *([Text(" and ")] if most else []), Math(Name(last)))


def numeral(formula: Formula, *, rounded: bool = False) -> Line:
    """A number in a cell, ≈ in front where it is rounded; what is none (`inf`) as a formula."""
    match formula.operand if isinstance(formula, Negative) else formula:
        case Number(text):
            over = ""
        case Quotient(Number(text), Number(over)):
            pass
        case _:
            return (Text("≈ "), Math(formula)) if rounded else (Math(formula),)
    minus, digits = signed(text)
    return (Numeral(digits, over, minus or isinstance(formula, Negative), rounded),)


@dataclass(frozen=True)
class Heading:
    level: Literal[1, 2, 3]
    text: Line


@dataclass(frozen=True)
class Paragraph:
    text: Line


@dataclass(frozen=True)
class Bullets:
    items: tuple[Line, ...]


@dataclass(frozen=True)
class Listing:
    """Lines that stand as they are: a file, a command and what it shows."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Column:
    heading: Line
    align: Literal["left", "right", "decimal"] = "left"  # decimal: on the decimal point
    wrap: bool = False  # may be broken when the page is narrow
    result: bool = False  # what an update comes to, to be seen at a glance


@dataclass(frozen=True)
class Table:
    columns: tuple[Column, ...]
    rows: tuple[tuple[Line, ...], ...]
    caption: Line = ()


def table(
    things: Iterable[Thing], *columns: tuple[Column, Callable[[Thing], Line]], caption: Line = ()
) -> Table:
    """A row for each thing, with what each column reads of it."""
    rows = (tuple(read(each) for _, read in columns) for each in things)
    return Table(tuple(column for column, _ in columns), tuple(rows), caption)


@dataclass(frozen=True)
class DerivationLine:
    """One line of a derivation: `left sign right` and perhaps a label (`via a₁⁽²⁾`).

    `left` is None on the lines that go on from the one above.
    """

    left: Formula | None
    sign: Literal["=", "≈", "+", "−"]
    right: Formula
    label: Line = ()


@dataclass(frozen=True)
class Derivation:
    lines: tuple[DerivationLine, ...]


@dataclass(frozen=True)
class Callout:
    """A remark set apart: `note` explains, `warning` says what the numbers reveal."""

    kind: Literal["note", "warning"]
    text: Line


@dataclass(frozen=True)
class Series:
    label: Line
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Curve:
    """A plot of one or more series; `description` says what is to be seen."""

    series: tuple[Series, ...]
    x_label: Line
    y_label: Line
    title: Line
    description: Line


@dataclass(frozen=True)
class DiagramNode:
    """A circle of a network picture. `x` counts layers from the left, `y` places from the top."""

    name: Formula
    x: float
    y: float
    kind: Literal["input", "hidden", "output", "loss", "parameter", "array"]
    value: Formula | None = None  # a number as it is shown
    gradient: Formula | None = None
    shape: str = ""  # of an array, in place of a value: 2×3


@dataclass(frozen=True)
class DiagramEdge:
    start: int  # index into nodes
    end: int
    label: Formula | None = None
    value: Formula | None = None


@dataclass(frozen=True)
class Diagram:
    """The network or the graph of equations, laid out in layers."""

    nodes: tuple[DiagramNode, ...]
    edges: tuple[DiagramEdge, ...]
    title: Line
    description: Line


@dataclass(frozen=True)
class HeatMap:
    """A matrix as squares with its numbers in them, the darker the larger (`shades`, 0 to 1); some
    of them are `framed`, by row and column from 0."""

    name: Formula
    cells: tuple[tuple[Formula, ...], ...]
    shades: tuple[tuple[float, ...], ...]
    framed: tuple[tuple[int, int], ...]
    title: Line
    description: Line


@dataclass(frozen=True)
class AnswerSpace:
    """Room to write on a blank sheet: `lines` empty lines after `left =`, `name` the answer key, or the shape of a matrix."""

    left: Formula
    name: str
    lines: int = 1


@dataclass(frozen=True)
class Answers:
    """Answer spaces that stand together, so that their signs can be aligned."""

    spaces: tuple[AnswerSpace, ...]


Block: TypeAlias = (
    Heading
    | Paragraph
    | Bullets
    | Listing
    | Table
    | Derivation
    | Callout
    | Curve
    | Diagram
    | HeatMap
    | Answers
)


@dataclass(frozen=True)
class Document:
    title: str
    blocks: tuple[Block, ...]
    spelling: Spelling
    typed: Callable[[str], str] = str  # the plain name of what is shown, for plain surroundings
