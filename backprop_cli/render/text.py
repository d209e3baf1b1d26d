"""Documents for a terminal or a text file, in Unicode or ASCII, at any width."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from typing import assert_never

from rich.cells import cell_len

from backprop_cli.dataclass import dataclass
from backprop_cli.formula import plain, unicode
from backprop_cli.formula.build import rename
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.spelling import Spelling
from backprop_cli.render.boxes import beside, box, is_tall, line_box, rows_of_boxes
from backprop_cli.render.breaking import (
    BEFORE_FACTOR,
    BEFORE_RELATION,
    BETWEEN_WORDS,
    EMPTY_LINE,
    NEVER,
    WITHIN_BRACKETS,
    Atom,
    fill,
    formula_atoms,
    longest,
    width_of,
    word_atoms,
)
from backprop_cli.render.escape import ascii_only, no_command, visible
from backprop_cli.render.plot import plot
from backprop_cli.render.reading import (
    CALLOUT_WORD,
    Answers,
    at_point,
    grouped,
    titled_blocks,
    typographic,
)
from backprop_cli.worksheet.document import (
    AnswerSpace,
    Block,
    Bullets,
    Callout,
    Curve,
    Derivation,
    DerivationLine,
    Diagram,
    DiagramEdge,
    Document,
    Heading,
    Line,
    Listing,
    Math,
    Paragraph,
    Relation,
    Table,
    Text,
)

ESCAPES = {
    "title": "1",
    "heading": "1;36",
    "strong": "1",
    "emphasis": "3",
    "code": "36",
    "label": "2",
    "rule": "2",
    "caption": "3",
    "note": "34",
    "warning": "1;33",
}
SHORT_RELATION = 24  # `x₁ = 0.5` stays together wherever the line can end before it
READABLE = 100  # running text is not set wider than this
NARROWEST = 20


@dataclass(frozen=True)
class Signs:
    """The signs a sheet is drawn with; every one is a single cell wide but the arrows."""

    thick: str
    thin: str
    dotted: str
    wall: str
    cross: str
    bar: str
    bullet: str
    relation: Callable[[str], str]


UNICODE_SIGNS = Signs("═", "─", "┄", "│", "┼", "┃", "•", str)
ASCII_SIGNS = Signs("=", "-", ".", "|", "+", "|", "*", ascii_only)


@dataclass(frozen=True)
class Page:
    """Where and how a document is set."""

    width: int
    ascii: bool
    spelling: Spelling
    signs: Signs = field(default=UNICODE_SIGNS)
    typed: Callable[[str], str] = str

    def words(self, text: str) -> str:
        text = visible(text)
        return ascii_only(text) if self.ascii else text

    def value(self, digits: str) -> str:
        """A number given as plain digits, with a typographic minus."""
        return self.words(typographic(digits))

    def formula(self, formula: Formula) -> str:
        if self.ascii:
            return ascii_only(visible(plain.write(rename(formula, self.typed))))
        return visible(unicode.write(formula, self.spelling))


Row = list[Atom]
"""One line of output; the atoms' `space` says where blanks stand."""


def render(document: Document, *, width: int = 80, ascii: bool = False, color: bool = False) -> str:
    """The document as text of at most `width` cells a line, ending with a line break.

    `ascii` uses plain names and no character beyond ASCII; `color` adds terminal styles, and
    nothing is said by them alone.
    """
    signs = ASCII_SIGNS if ascii else UNICODE_SIGNS
    page = Page(max(width, NARROWEST), ascii, document.spelling, signs, document.typed)
    lines: list[str] = []
    for block in grouped(titled_blocks(document)):
        if lines:
            lines.append("")
        lines.extend(_written(row, color) for row in _block(block, page))
    return "\n".join(lines) + "\n"


def _written(row: Row, color: bool) -> str:
    parts: list[str] = []
    for place, atom in enumerate(row):
        if atom.space and place:
            parts.append(" ")
        code = ESCAPES.get(atom.style) if color and atom.text.strip() else None
        parts.append(f"\x1b[{code}m{atom.text}\x1b[0m" if code else atom.text)
    return "".join(parts).rstrip()


def _block(block: Block | Answers, page: Page) -> Iterator[Row]:
    match block:
        case Heading(level, text):
            yield from _heading(level, text, page)
        case Paragraph(text):
            yield from fill(inline(text, page), *_twice(min(page.width, READABLE)))
        case Bullets(items):
            for item in items:
                yield from _marked(f"{page.signs.bullet} ", "", inline(item, page), page)
        case Listing(lines):
            yield from _listing(lines, page)
        case Table():
            yield from table(block, page)
        case Derivation(lines):
            yield from derivation(lines, page)
        case Callout(kind, text):
            yield from _callout(kind, text, page)
        case Curve():
            yield from _curve(block, page)
        case Diagram():
            yield from diagram(block, page)
        case AnswerSpace():
            yield from answers((block,), page)
        case Answers(spaces):
            yield from answers(spaces, page)
        case _:
            assert_never(block)


def _twice(width: int) -> tuple[int, int]:
    return width, width


# Lines


def inline(line: Line, page: Page, style: str = "") -> list[Atom]:
    """A line of words and formulas as atoms; one formula set in words is kept close together."""
    atoms: list[Atom] = []
    open_space = False  # the words before end with a blank
    for part in line:
        match part:
            case Text(text, own):
                words = page.words(text)
                new = word_atoms(words, style or ("" if own == "plain" else own))
                ends = words[-1:].isspace()
            case Math(formula):
                new, ends = formula_atoms(page.formula(formula), style), False
            case Relation(left, sign, right):
                new, ends = relation(left, sign, right, page, style), False
            case _:
                assert_never(part)
        if not new:
            open_space = open_space or ends
            continue
        if open_space and not new[0].space:
            new = [Atom(new[0].text, new[0].style, 0.0, True), *new[1:]]
        atoms.extend(new)
        open_space = ends
    return atoms


def relation(left: Formula, sign: str, right: Formula, page: Page, style: str = "") -> list[Atom]:
    """`left sign right`, rather broken at the sign than inside."""
    shown = page.signs.relation(sign)
    first, *rest = formula_atoms(page.formula(right), style)
    begin = formula_atoms(page.formula(left), style)
    short = width_of(begin) + width_of([first, *rest]) <= SHORT_RELATION
    penalty = EMPTY_LINE if short else BEFORE_RELATION
    return [*begin, Atom(f"{shown} {first.text}", style, penalty, True), *rest]


def _marked(mark: str, mark_style: str, atoms: Sequence[Atom], page: Page) -> Iterator[Row]:
    """Text behind a mark, its later lines indented as far."""
    indent = cell_len(mark)
    room = min(page.width, READABLE) - indent
    for place, row in enumerate(fill(atoms, *_twice(room))):
        yield [Atom(mark if not place else " " * indent, mark_style), *_flush(row)]


def _flush(row: Sequence[Atom]) -> Row:
    """The row without the blank before its first atom."""
    if not row:
        return []
    return [Atom(row[0].text, row[0].style, row[0].penalty, False), *row[1:]]


def _heading(level: int, text: Line, page: Page) -> Iterator[Row]:
    style = "title" if level == 1 else "heading"
    signs = page.signs
    under = {1: signs.thick, 2: signs.thin}.get(level, signs.dotted)
    rows = fill(inline(text, page, style), *_twice(page.width))
    yield from rows
    yield [Atom(under * max(map(width_of, rows)), "rule")]


def _listing(text: str, page: Page) -> Iterator[Row]:
    """Lines as they are, a little to the right; what is too long goes on below, further in."""
    for line in text.splitlines():
        words = page.words(line).rstrip()
        bare = words.lstrip()
        indent = min(2 + len(words) - len(bare), page.width // 2)
        rows = fill(_kept_atoms(bare), page.width - indent, max(8, page.width - indent - 4))
        for place, row in enumerate(rows or [[]]):
            yield [Atom(" " * (indent + 4 * bool(place)), "code"), *_flush(row)]


def _kept_atoms(words: str) -> list[Atom]:
    """Words with the blanks between them kept."""
    parts = [part for part in re.split(r"(?<=\S)(?= )", no_command(words)) if part]
    return [
        Atom(part[1:] if part[0] == " " else part, "code", BETWEEN_WORDS, part[0] == " ")
        for part in parts
    ]


def _callout(kind: str, text: Line, page: Page) -> Iterator[Row]:
    bar = f"{page.signs.bar} "
    word = Atom(f"{CALLOUT_WORD[kind]}:", kind)
    body = inline(text, page)
    if body:
        body = [word, Atom(body[0].text, body[0].style, 0.0, True), *body[1:]]
    for row in fill(body or [word], *_twice(min(page.width, READABLE) - 2)):
        yield [Atom(bar, kind), *_flush(row)]


# Derivations


def derivation(lines: Sequence[DerivationLine], page: Page) -> Iterator[Row]:
    """Signs under one another; a long right side goes on behind its sign, a label at the margin."""
    lefts = [page.formula(line.left) if line.left else "" for line in lines]
    signs = [page.signs.relation(line.sign) for line in lines]
    sign_width = max(map(cell_len, signs), default=1)
    indent = max(map(cell_len, lefts), default=0)
    own_line = indent > page.width * 2 // 5
    if own_line:
        indent = 2
    room = page.width - indent - sign_width - 2
    set_lines: list[tuple[list[list[Atom]], list[Atom]]] = []
    if any(is_tall(line.right) for line in lines):
        yield from _tall_derivation(lines, page, sign_width)
        return
    for line in lines:
        right = formula_atoms(page.formula(line.right))
        set_lines.append((fill(right, room, room - 2), inline(line.label, page, "label")))
    margin = _label_margin(set_lines, room)
    for left, sign, (rows, label) in zip(lefts, signs, set_lines, strict=True):
        if own_line and left:
            yield from fill(formula_atoms(left), *_twice(page.width))
            left = ""
        behind = _label_behind(rows, label, margin, room, page)
        for place, row in enumerate(rows):
            last = behind if place == len(rows) - 1 else []
            if place:
                yield [Atom(" " * (indent + sign_width + 4)), *_flush(row), *last]
            else:
                pad = " " * (indent - cell_len(left))
                yield [Atom(f"{pad}{left} {sign:<{sign_width}} "), *_flush(row), *last]
        if label and not behind:
            mark = " " * (indent + sign_width + 2) + f"{page.signs.wall} "
            for row in fill(label, *_twice(max(8, page.width - cell_len(mark)))):
                yield [Atom(mark, "label"), *_flush(row)]


def _tall_derivation(lines: Sequence[DerivationLine], page: Page, sign_width: int) -> Iterator[Row]:
    """A derivation with matrices in it: each line as high as it needs, signs under one another."""
    lefts = [
        box(line.left, page.formula, page.ascii) if line.left else line_box("") for line in lines
    ]
    indent = max(left.width for left in lefts)
    room = max(8, page.width - indent - sign_width - 2)
    wide = max(8, page.width - sign_width - 4)
    own_line = indent > page.width * 2 // 5 or any(
        rows_of_boxes(line.right, room, page.formula, page.ascii) is None
        and rows_of_boxes(line.right, wide, page.formula, page.ascii) is not None
        for line in lines
    )
    if own_line:
        indent = 2
        room = max(8, page.width - indent - sign_width - 2)
    for place, (line, left) in enumerate(zip(lines, lefts, strict=True)):
        if own_line and line.left:
            if left.width <= page.width:
                yield from ([Atom(text)] for text in left.lines)
            else:
                yield from fill(formula_atoms(page.formula(line.left)), *_twice(page.width))
            left = line_box("")
        right = rows_of_boxes(line.right, room, page.formula, page.ascii)
        if right is None:  # too wide even so: written in one line and broken like any formula
            broken = fill(formula_atoms(page.formula(line.right)), room, room - 2)
            right = [
                line_box(("  " if level else "") + _plain(_flush(row)))
                for level, row in enumerate(broken)
            ]
        if place and any(len(part.lines) > 1 for part in right):
            yield []
        sign = f" {page.signs.relation(line.sign):<{sign_width}} "
        for level, part in enumerate(right):
            lead = line_box(" " * (indent - left.width)) if level == 0 else line_box("")
            front = (
                [lead, left, line_box(sign)]
                if level == 0
                else [line_box(" " * (indent + cell_len(sign)))]
            )
            yield from ([Atom(text)] for text in beside([*front, part]).lines)
        if line.label:
            mark = " " * (indent + sign_width + 2) + f"{page.signs.wall} "
            for row in fill(
                inline(line.label, page, "label"), *_twice(max(8, page.width - cell_len(mark)))
            ):
                yield [Atom(mark, "label"), *_flush(row)]


def _label_margin(set_lines: Sequence[tuple[list[list[Atom]], list[Atom]]], room: int) -> int:
    """How far from the sign the labels stand: behind the widest line that leaves room for one."""
    margin = -1
    for rows, label in set_lines:
        if label and len(rows) == 1 and width_of(rows[0]) + width_of(label) + 5 <= room:
            margin = max(margin, width_of(rows[0]))
    widest = max((width_of(label) for _, label in set_lines if label), default=0)
    return margin if margin + widest + 5 <= room else -1


def _label_behind(
    rows: list[list[Atom]], label: list[Atom], margin: int, room: int, page: Page
) -> Row:
    """The label for the end of the last row, empty where there is no room for it."""
    used = width_of(rows[-1]) + (2 if len(rows) > 1 else 0)
    gap = max(margin - used, 0) + 3
    if not label or used + gap + 2 + width_of(label) > room:
        return []
    return [Atom(" " * gap + f"{page.signs.wall} ", "label"), *_flush(label)]


# Tables

GAP = 3  # ` │ `
MINIMUM = 10  # a column that is broken keeps at least so many cells


def table(table: Table, page: Page) -> Iterator[Row]:
    """Box-drawn lines between columns; too wide a table becomes a list of records."""
    if table.caption:
        yield from fill(inline(table.caption, page, "caption"), *_twice(page.width))
    heads = [inline(column.heading, page, "strong") for column in table.columns]
    cells = [[inline(cell, page) for cell in row] for row in table.rows]
    for row in cells:
        row.extend([] for _ in range(len(heads) - len(row)))
    points = [_point(table, cells, place) for place in range(len(heads))]
    natural = [
        max([width_of(heads[place])] + [_cell_width(row[place], points[place]) for row in cells])
        for place in range(len(heads))
    ]
    room = page.width - GAP * (len(heads) - 1)
    # Rather a break inside brackets than a table taken apart.
    widths = _fit(table, natural, heads, cells, room, BEFORE_FACTOR) or _fit(
        table, natural, heads, cells, room, WITHIN_BRACKETS
    )
    if widths is None:
        yield from _records(heads, cells, page)
        return
    if any(heads):
        yield from _table_row(table, heads, widths, [None] * len(heads), page)
        rule = page.signs.thin
        yield [
            Atom(f"{rule}{page.signs.cross}{rule}".join(rule * cells for cells in widths), "rule")
        ]
    for row in cells:
        yield from _table_row(table, row, widths, points, page)


def _plain(atoms: Sequence[Atom]) -> str:
    return "".join(
        (" " if atom.space and place else "") + atom.text for place, atom in enumerate(atoms)
    )


def _point(table: Table, cells: Sequence[Sequence[list[Atom]]], place: int) -> int | None:
    """How many cells a decimal column keeps before the point."""
    if table.columns[place].align != "decimal":
        return None
    cuts = [at_point(_plain(row[place])) for row in cells]
    return max((cell_len(cut[0]) for cut in cuts if cut), default=0)


def _cell_width(atoms: Sequence[Atom], point: int | None) -> int:
    cut = at_point(_plain(atoms)) if point is not None else None
    return point + cell_len(cut[1]) if cut and point is not None else width_of(atoms)


def _fit(
    table: Table,
    natural: Sequence[int],
    heads: Sequence[list[Atom]],
    cells: Sequence[Sequence[list[Atom]]],
    room: int,
    limit: float,
) -> list[int] | None:
    """Widths that fit in the room, the wrapping columns narrowed; None where they cannot without
    a break that costs more than `limit`."""
    widths = list(natural)
    excess = sum(widths) - room
    if excess <= 0:
        return widths
    floors = {
        place: min(
            natural[place],
            max(
                MINIMUM,
                *(longest(a, limit) + 2 for a in (heads[place], *(row[place] for row in cells))),
            ),
        )
        for place, column in enumerate(table.columns)
        if column.wrap
    }
    # The widest wrapping column gives way first, so that all end up about equally wide.
    while excess > 0:
        able = [place for place, floor in floors.items() if widths[place] > floor]
        if not able:
            return None
        widest = max(able, key=lambda place: widths[place])
        widths[widest] -= 1
        excess -= 1
    return widths


def _table_row(
    table: Table,
    cells: Sequence[list[Atom]],
    widths: Sequence[int],
    points: Sequence[int | None],
    page: Page,
) -> Iterator[Row]:
    stacks = [
        fill(atoms, width, max(1, width - 2) if width_of(atoms) > width else width)
        for atoms, width in zip(cells, widths, strict=True)
    ]
    for level in range(max(map(len, stacks), default=0)):
        row: Row = []
        for place, stack in enumerate(stacks):
            atoms = _flush(stack[level]) if level < len(stack) else []
            before = _before(table.columns[place].align, atoms, widths[place], points[place])
            if level and len(stack) > 1 and table.columns[place].align == "left":
                before = 2
            after = widths[place] - before - width_of(atoms)
            row.extend((Atom(" " * before), *atoms))
            if place < len(stacks) - 1:
                row.extend((Atom(" " * (after + 1)), Atom(page.signs.wall, "rule"), Atom(" ")))
        yield row


def _before(align: str, atoms: Sequence[Atom], width: int, point: int | None) -> int:
    if align == "left":
        return 0
    cut = at_point(_plain(atoms)) if point is not None else None
    if cut and point is not None and point - cell_len(cut[0]) + width_of(atoms) <= width:
        return point - cell_len(cut[0])
    return max(0, width - width_of(atoms))


def _records(
    heads: Sequence[list[Atom]], cells: Sequence[Sequence[list[Atom]]], page: Page
) -> Iterator[Row]:
    """A row of the table after the other, each cell behind its heading."""
    for place, row in enumerate(cells):
        if place:
            yield []
        for column, atoms in enumerate(row):
            if column and not atoms:
                continue
            indent = 2 if column else 0
            head = heads[column]
            body = list(atoms)
            if head:
                colon = Atom(":", head[-1].style, NEVER, False)
                begin = _flush(body)
                body = [
                    *head,
                    colon,
                    *(
                        Atom(a.text, a.style, 0.0 if n == 0 else a.penalty, a.space or n == 0)
                        for n, a in enumerate(begin)
                    ),
                ]
            for level, part in enumerate(fill(body, page.width - indent, page.width - indent - 2)):
                yield [Atom(" " * (indent + (2 if level else 0))), *_flush(part)]


# Pictures and answer spaces


def _curve(curve: Curve, page: Page) -> Iterator[Row]:
    yield from fill(word_atoms(page.words(curve.title), "strong"), *_twice(page.width))
    for line in plot(curve, width=page.width, ascii=page.ascii):
        yield [Atom(line)]
    if curve.description:
        yield from fill(
            word_atoms(page.words(curve.description), "caption"), *_twice(min(page.width, READABLE))
        )


def diagram(picture: Diagram, page: Page) -> Iterator[Row]:
    """A network in words: its nodes from left to right, under each the arrows that lead to it."""
    yield from fill(word_atoms(page.words(picture.title), "strong"), *_twice(page.width))
    names = [page.formula(node.name) for node in picture.nodes]
    into: dict[int, list[DiagramEdge]] = {}
    for edge in picture.edges:
        into.setdefault(edge.end, []).append(edge)
    for x in sorted({node.x for node in picture.nodes}):
        here = sorted(
            (place for place, node in enumerate(picture.nodes) if node.x == x),
            key=lambda place: picture.nodes[place].y,
        )
        kinds = dict.fromkeys(picture.nodes[place].kind for place in here)
        yield [Atom(", ".join(kinds), "label")]
        for place in here:
            node = picture.nodes[place]
            parts = [f"{names[place]} = {page.value(node.value)}" if node.value else names[place]]
            if node.gradient:
                parts.append(f"gradient {page.value(node.gradient)}")
            yield from _indented(2, "   ".join(parts), page)
            for edge in into.get(place, ()):
                yield from _indented(6, _arrow(edge, names, page), page)
    yield from fill(
        word_atoms(page.words(picture.description), "caption"), *_twice(min(page.width, READABLE))
    )


def _arrow(edge: DiagramEdge, names: Sequence[str], page: Page) -> str:
    weight = " = ".join(
        part
        for part in (page.formula(edge.label) if edge.label else "", page.value(edge.value))
        if part
    )
    start = f"{page.signs.relation('←')} {names[edge.start]}"
    return f"{start}   {weight}" if weight else start


def _indented(indent: int, text: str, page: Page) -> Iterator[Row]:
    """One line behind blanks, cut only where it does not fit."""
    if indent + cell_len(text) <= page.width:
        yield [Atom(" " * indent + text)]
        return
    room = page.width - indent
    for place, row in enumerate(fill(word_atoms(text), room, room - 2)):
        yield [Atom(" " * (indent + (2 if place else 0))), *_flush(row)]


def answers(spaces: Sequence[AnswerSpace], page: Page) -> Iterator[Row]:
    """`z₁⁽¹⁾ = ______   z1_1`, signs and keys aligned; further lines where there is work to write."""
    lefts = [page.formula(space.left) for space in spaces]
    keys = [page.words(space.name) for space in spaces]
    indent = max(map(cell_len, lefts))
    keyed = [key if key != left else "" for key, left in zip(keys, lefts, strict=True)]
    widest = max(map(cell_len, keyed))
    blank = min(40, page.width - indent - 3 - (widest + 3 if widest else 0))
    narrow = blank < 12
    if narrow:
        indent, blank = 0, page.width - 4
    for space, left, key in zip(spaces, lefts, keyed, strict=True):
        if narrow:
            yield [
                Atom(left),
                Atom(
                    f"   {key}" if key and cell_len(left) + cell_len(key) + 3 <= page.width else "",
                    "label",
                ),
            ]
        pad = " " * max(0, indent - cell_len(left))
        head = "  = " if narrow else f"{left}{pad} = "
        tail = f"   {key}" if key and not narrow else ""
        yield [Atom(head + "_" * blank), Atom(tail, "label")]
        for _ in range(space.lines - 1):
            yield [Atom(" " * cell_len(head) + "_" * blank)]
