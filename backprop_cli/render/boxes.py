"""Matrices for a terminal: brackets over several lines, and shapes written under factors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import children
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Formula,
    Matrix,
    Name,
    Negative,
    Power,
    Product,
    Quotient,
    Shown,
    Sum,
)
from backprop_cli.render.reading import at_point

Write = Callable[[Formula], str]


@dataclass(frozen=True)
class Box:
    """Lines of equal width, one of which (`middle`) stands on the line of writing."""

    lines: tuple[str, ...]
    middle: int

    @property
    def width(self) -> int:
        return cell_len(self.lines[0])


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


def is_tall(formula: Formula) -> bool:
    """Whether the formula has a matrix or a shape in it."""
    if isinstance(formula, Matrix) or (isinstance(formula, Shown) and formula.form == "shape"):
        return True
    return any(map(is_tall, children(formula)))


def line_box(text: str) -> Box:
    return Box((text,), 0)


def rows_of_boxes(formula: Formula, room: int, write: Write, ascii: bool) -> list[Box] | None:
    """The formula as boxes one below the other, none wider than `room`; None if one must be."""
    whole = box(formula, write, ascii)
    pieces = [whole] if whole.width <= room else _pieces(formula, write, ascii)
    rows: list[Box] = []
    for piece in pieces:
        joined = beside((rows[-1], line_box(" "), piece)) if rows else piece
        if rows and joined.width <= room:
            rows[-1] = joined
        else:
            rows.append(piece)
    return rows if all(row.width <= room for row in rows) else None


def _pieces(formula: Formula, write: Write, ascii: bool) -> list[Box]:
    """The outermost terms or factors, each behind its sign."""
    if isinstance(formula, Sum):
        pieces = []
        for place, term in enumerate(formula.terms):
            minus = isinstance(term, Negative)
            body = box(term.operand if isinstance(term, Negative) else term, write, ascii)
            sign = ("- " if ascii else "− ") if minus else "+ " if place else ""
            pieces.append(beside((line_box(sign), body)) if sign else body)
        return pieces
    if isinstance(formula, Shown) and formula.form in _JOIN:
        sign = _JOIN[formula.form][ascii].strip()
        return [
            beside((line_box(f"{sign} "), _fit(part, write, ascii)))
            if place and sign
            else _fit(part, write, ascii)
            for place, part in enumerate(formula.operands)
        ]
    if isinstance(formula, Call) and len(formula.arguments) == 1:
        first, *middle = _pieces(formula.arguments[0], write, ascii)
        if middle:
            last = middle.pop()
            word = line_box(_word(formula.function, write))
            return [beside((word, _half(first, 0, ascii))), *middle, _half(last, 1, ascii)]
    return [box(formula, write, ascii)]


def _word(function: str, write: Write) -> str:
    """What the notation writes before the bracket: ReLU, σ′, …"""
    return write(Call(function, (Sum((Name("x"), Name("y"))),))).partition("(")[0]


_JOIN = {
    "hadamard": (" ⊙ ", " (.) "),
    "matmul": (" ", " "),
    "correlation": (" ∗ ", " (*) "),
    "full": (" ∗full ", " (*full) "),
}


def box(formula: Formula, write: Write, ascii: bool) -> Box:
    """Any formula as a box; what has no matrix in it is one line."""
    if not is_tall(formula):
        return line_box(write(formula))
    match formula:
        case Matrix(rows):
            return _matrix([[write(entry) for entry in row] for row in rows], ascii)
        case Shown("shape", (what, shape)):
            written = shape.name if isinstance(shape, Name) else write(shape)
            return _above(_fit(what, write, ascii), written.replace("×", "x") if ascii else written)
        case Shown("transpose", (what,)):
            inner = _fit(what, write, ascii)
            mark = "^T" if ascii else "ᵀ"
            return beside((inner, _raised(mark, inner.middle)))
        case Call(function, (argument,)):
            inner = box(argument, write, ascii)
            return beside((line_box(_word(function, write)), bracketed(inner, ascii)))
        case Call(function, arguments):
            word = write(Call(function, arguments)).partition("(")[0]
            parts = [box(part, write, ascii) for part in arguments]
            return beside((line_box(word), bracketed(_joined(parts, ", "), ascii)))
        case Quotient(above, below):
            parts = [_fit(above, write, ascii), _divisor(below, write, ascii)]
            return _joined(parts, "/")
        case Power(base, exponent):
            inner = _fit(base, write, ascii)
            mark = write(Power(Name("x"), exponent)).removeprefix("x")
            return beside((inner, _raised(mark, inner.middle)))
        case Negative(operand):
            return beside((line_box("-" if ascii else "−"), _fit(operand, write, ascii)))
        case Comparison(left, relation, right):
            sign = write(Comparison(Name("x"), relation, Name("x"))).strip("x")
            parts = [box(left, write, ascii), box(right, write, ascii)]
            return _joined(parts, sign)
        case Shown("entries", (what, *at)):
            places = ", ".join(map(write, at))
            return beside((_fit(what, write, ascii), line_box(f"[{places}]")))
        case Shown("hadamard" | "matmul" | "correlation" | "full" as form, operands):
            parts = [_fit(part, write, ascii) for part in operands]
            return _joined(parts, _JOIN[form][ascii])
        case Sum():
            return _joined(_pieces(formula, write, ascii), " ")
        case Product(factors):
            return _joined(
                [_fit(part, write, ascii) for part in factors], " * " if ascii else " · "
            )
        case _:
            return line_box(write(formula))


def _raised(mark: str, middle: int) -> Box:
    """A mark at the upper end of a bracket."""
    return Box((mark, *["".ljust(len(mark))] * middle), middle)


def _divisor(formula: Formula, write: Write, ascii: bool) -> Box:
    inner = box(formula, write, ascii)
    whole = isinstance(formula, Product | Quotient) or is_infix(formula)
    return bracketed(inner, ascii) if whole or isinstance(formula, Sum) else inner


def is_infix(formula: Formula) -> bool:
    return isinstance(formula, Shown) and formula.form in _JOIN


def _fit(formula: Formula, write: Write, ascii: bool) -> Box:
    """A factor; a sum or a product of matrices inside another gets brackets."""
    inner = box(formula, write, ascii)
    if isinstance(formula, Sum) or is_infix(formula):
        return bracketed(inner, ascii)
    if isinstance(formula, Comparison):  # as the number 1 or 0
        return beside((line_box("["), inner, line_box("]")))
    return inner


def bracketed(inner: Box, ascii: bool) -> Box:
    """Round brackets as tall as the box; the shapes below it stay below them."""
    return _half(_half(inner, 0, ascii), 1, ascii)


def _half(inner: Box, side: int, ascii: bool) -> Box:
    """The left or the right bracket alone."""
    signs = _ends(len(inner.lines), ASCII_ROUND if ascii else ROUND)
    bracket = Box(tuple(pair[side] for pair in signs), inner.middle)
    return beside((inner, bracket) if side else (bracket, inner))


def _ends(tall: int, brackets: Brackets) -> list[tuple[str, str]]:
    """The left and right sign of each line of a bracket."""
    if tall == 1:
        return [brackets.single]
    return [brackets.top, *[brackets.side] * (tall - 2), brackets.bottom]


def _joined(parts: Sequence[Box], sign: str) -> Box:
    row: list[Box] = []
    for part in parts:
        row.extend((line_box(sign), part) if row else (part,))
    return beside(row)


def beside(parts: Sequence[Box]) -> Box:
    """Boxes next to each other, their lines of writing level."""
    above = max(part.middle for part in parts)
    below = max(len(part.lines) - part.middle for part in parts)
    lines = []
    for level in range(-above, below):
        line = ""
        for part in parts:
            place = level + part.middle
            inside = 0 <= place < len(part.lines)
            line += part.lines[place] if inside else " " * part.width
        lines.append(line)
    return Box(tuple(lines), above)


def _above(inner: Box, under: str) -> Box:
    """A box with its shape in the middle of the line below."""
    width = max(inner.width, cell_len(under))

    def centred(line: str) -> str:
        left = (width - cell_len(line)) // 2
        return " " * left + line + " " * (width - cell_len(line) - left)

    return Box((*map(centred, inner.lines), centred(under)), inner.middle)


def _matrix(rows: Sequence[Sequence[str]], ascii: bool) -> Box:
    count = max(map(len, rows), default=0)
    full = [[*row, *[""] * (count - len(row))] for row in rows] or [[]]
    columns = [_column([row[place] for row in full]) for place in range(count)]
    signs = _ends(len(full), ASCII_SQUARE if ascii else SQUARE)
    lines = tuple(
        f"{left}{'  '.join(column[level] for column in columns)}{right}"
        for level, (left, right) in enumerate(signs)
    )
    return Box(lines, (len(lines) - 1) // 2)


def _column(cells: Sequence[str]) -> list[str]:
    """Entries of equal width: numerals with their points under one another, else centred."""
    cuts = [at_point(cell) for cell in cells]
    if all(cuts):
        before = max(cell_len(cut[0]) for cut in cuts if cut)
        cells = [" " * (before - cell_len(cut[0])) + "".join(cut) for cut in cuts if cut]
        width = max(map(cell_len, cells))
        return [cell + " " * (width - cell_len(cell)) for cell in cells]
    width = max(map(cell_len, cells))
    lefts = [(width - cell_len(cell)) // 2 for cell in cells]
    return [
        " " * left + cell + " " * (width - left - cell_len(cell))
        for left, cell in zip(lefts, cells, strict=True)
    ]
