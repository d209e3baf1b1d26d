"""Documents for a terminal or a text file, in Unicode or ASCII, at any width."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from functools import cached_property, lru_cache, partial
from itertools import groupby
from operator import le
from typing import NamedTuple, assert_never

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.characters import visible
from backprop_cli.formula.layout import MINUS, NEVER, Node, Word
from backprop_cli.formula.nodes import Formula, Name, Number
from backprop_cli.formula.notation import InLine, Layout, Typed
from backprop_cli.formula.shape import Shape, Shapes, one_by_one
from backprop_cli.render.boxes import Box, Boxes, beside, is_tall, line_box
from backprop_cli.render.breaking import (
    BEFORE_FACTOR,
    BEFORE_RELATION,
    BETWEEN_WORDS,
    EMPTY_LINE,
    PLAIN,
    UNICODE,
    WITHIN_BRACKETS,
    Atom,
    Flow,
    Notation,
    cells,
    fill,
    formula_atoms,
    longest,
    narrowed_to,
    once,
    opened,
    width_of,
    word_atoms,
)
from backprop_cli.render.escape import ascii_only, no_command
from backprop_cli.render.plot import plot
from backprop_cli.render.reading import (
    CALLOUT_WORD,
    aligned,
    at_point,
    full_rows,
    titled_blocks,
)
from backprop_cli.worksheet import document as doc

SHORT_RELATION = 24  # `x₁ = 0.5` stays together wherever the line can end before it
READABLE = 100  # running text is not set wider than this
NARROWEST = 20
MOST_LAID_OUT = 4096  # formulas whose layout is kept
LONG_LEFT = 6  # a left side longer than this rather has a line of its own than to break the right


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


class Ascii(Typed):
    """Formulas as they are typed, in the names that the sheet shows."""

    def __init__(self, typed: Callable[[str], str]) -> None:
        super().__init__()
        self.typed = typed

    def name(self, name: str) -> Node:
        return Word(ascii_only(visible(self.typed(name))), "typed")


@dataclass(frozen=True, eq=False)
class Page:
    """Where and how a document is set."""

    width: int
    layout: Layout
    notation: Notation
    signs: Signs
    styled: bool = False
    flows: dict[Shape, Flow] = field(default_factory=dict)

    @cached_property
    def shapes(self) -> Shapes:
        return Shapes(self.layout, self.notation.spell, self._spelled)

    @cached_property
    def node(self) -> Callable[[Formula], Node]:
        """The layout of a formula, made once of what is both written and broken."""
        return lru_cache(maxsize=MOST_LAID_OUT)(self.layout.node)

    def _spelled(self, formula: Formula) -> str:
        return self.notation.spell(self.node(formula))

    @property
    def ascii(self) -> bool:
        return self.notation is PLAIN

    def words(self, text: str) -> str:
        text = visible(text)
        return ascii_only(text) if self.ascii else text

    def atoms(self, formula: Formula, style: str = "") -> list[Atom]:
        """The formula, to be broken before its operators."""
        if self.styled:
            return self._broken((formula,), style)
        if len(terms := one_by_one(formula)) > 1:
            return self._broken(terms, style)
        whole = isinstance(formula, Name | Number)  # most are
        parts = None if whole else once(partial(self._broken, terms, style))
        return [Atom(self.formula(formula), style, NEVER, False, (), parts)]

    def _broken(self, terms: Sequence[Formula], style: str) -> list[Atom]:
        found: list[Atom] = []
        for term in terms:
            shape, texts = self.shapes.take(term)
            if (flow := self.flows.get(shape)) is None:
                flow = Flow(self.node(term), self.notation)
                if flow.texts == texts:
                    self.flows[shape] = flow
                texts = flow.texts
            # Nothing stands before the sign of a further term.
            found += flow.atoms(texts, style, self.styled)[bool(found) :]
        return found

    def formula(self, formula: Formula) -> str:
        """The formula on one line."""
        return self.shapes.write(formula)

    def number(self, numeral: doc.Numeral) -> str:
        """A number that is no fraction, without its ≈."""
        return self.notation.sign(MINUS) * numeral.negative + self.notation.spell(numeral.digits)

    def text(self, line: doc.Line) -> str | None:
        """What is but one thing, as most cells are, on one line."""
        match line:
            case (doc.Math(formula),) if len(one_by_one(formula)) == 1:
                return self.formula(formula)
            case (doc.Numeral(over="") as numeral,):
                return f"{self.signs.relation('≈')} " * numeral.rounded + self.number(numeral)
            case (doc.Relation(left, sign, right),):
                return f"{self.formula(left)} {self.signs.relation(sign)} {self.formula(right)}"
            case _:
                return None


def page_of(document: doc.Document, width: int, ascii: bool, *, styled: bool = False) -> Page:
    """How this document is set."""
    width = max(width, NARROWEST)
    if ascii:
        return Page(width, Ascii(document.typed), PLAIN, ASCII_SIGNS, styled)
    return Page(width, InLine(document.spelling), UNICODE, UNICODE_SIGNS, styled)


Row = list[Atom]
"""One line of output; the atoms' `space` says where blanks stand."""


def render(document: doc.Document, *, width: int = 80, ascii: bool = False) -> str:
    """The document as text of at most `width` cells a line, ending with a line break.

    `ascii` uses plain names and no character beyond ASCII.
    """
    page = page_of(document, width, ascii)
    lines: list[str] = []
    for block in titled_blocks(document):
        if lines:
            lines.append("")
        lines.extend(_plain(row).rstrip() for row in rows_of(block, page))
    return "\n".join(lines) + "\n"


def rows_of(block: doc.Block, page: Page) -> Iterator[Row]:
    """The lines of a block."""
    match block:
        case doc.Heading(level, text):
            yield from _heading(level, text, page)
        case doc.Paragraph(text):
            yield from fill(inline(text, page), min(page.width, READABLE))
        case doc.Bullets(items):
            for item in items:
                yield from _marked(f"{page.signs.bullet} ", "", inline(item, page), page)
        case doc.Listing(lines):
            yield from _listing(lines, page)
        case doc.Table():
            yield from table(block, page)
        case doc.Derivation(lines):
            yield from derivation(lines, page)
        case doc.Callout(kind, text):
            yield from _callout(kind, text, page)
        case doc.Curve():
            yield from _curve(block, page)
        case doc.Diagram():
            yield from diagram(block, page)
        case doc.HeatMap():  # the same numbers stand in a matrix
            yield from fill(inline(block.description, page), page.width)
        case doc.Answers(spaces):
            yield from answers(spaces, page)
        case _:
            assert_never(block)


# Lines


def inline(line: doc.Line, page: Page, style: str = "") -> list[Atom]:
    """A line of words and formulas as atoms; one formula set in words is kept close together."""
    atoms: list[Atom] = []
    open_space = False  # the words before end with a blank
    for part in line:
        match part:
            case doc.Text(text, own):
                words = page.words(text)
                new = word_atoms(words, style or ("" if own == "plain" else own))
                ends = words[-1:].isspace()
            case doc.Math(formula):
                new, ends = page.atoms(formula, style), False
            case doc.Numeral():
                new, ends = number_atoms(part, page, style), False
            case doc.Relation(left, sign, right):
                new, ends = relation(left, sign, right, page, style), False
            case _:
                assert_never(part)
        if not new:
            open_space = open_space or ends
            continue
        if open_space and not new[0].space:
            new = [new[0]._replace(penalty=BETWEEN_WORDS, space=True), *new[1:]]
        atoms.extend(new)
        open_space = ends
    return atoms


def number_atoms(numeral: doc.Numeral, page: Page, style: str = "") -> list[Atom]:
    """A number that may stand apart from its ≈."""
    if numeral.over:
        (fraction,) = page.atoms(numeral.formula, style)
        written, spans = fraction.text, fraction.spans
    else:
        written = page.number(numeral)
        spans = ((written, "number"),) * page.styled
    if not numeral.rounded:
        return [Atom(written, style, NEVER, spans=spans)]
    about = Atom(page.signs.relation("≈"), style, NEVER)
    return [about, Atom(written, style, BETWEEN_WORDS, True, spans)]


def relation(left: Formula, sign: str, right: Formula, page: Page, style: str = "") -> list[Atom]:
    """`left sign right`, rather broken at the sign than inside."""
    shown = page.signs.relation(sign)
    end = page.atoms(right, style)
    begin = page.atoms(left, style)
    short = width_of(begin) + width_of(end) <= SHORT_RELATION
    return [*begin, *_led(f"{shown} ", end, EMPTY_LINE if short else BEFORE_RELATION)]


def _led(sign: str, atoms: Sequence[Atom], penalty: float) -> list[Atom]:
    """Atoms with a sign that goes with the first of them, before which a line may end."""
    (text, style, _, _, spans, own), *rest = atoms
    spans = ((sign, "operator"), *spans) if spans else ()
    parts = None if own is None else lambda: _led(sign, own(), penalty)
    return [Atom(sign + text, style, penalty, True, spans, parts), *rest]


def _marked(mark: str, mark_style: str, atoms: Sequence[Atom], page: Page) -> Iterator[Row]:
    """Text behind a mark, its later lines indented as far."""
    indent = cells(mark)
    room = min(page.width, READABLE) - indent
    for place, row in enumerate(fill(atoms, room)):
        yield [Atom(mark if not place else " " * indent, mark_style), *flush(row)]


def flush(row: Sequence[Atom]) -> Row:
    """The row without the blank before its first atom."""
    if not row:
        return []
    return [row[0]._replace(space=False), *row[1:]] if row[0].space else list(row)


def _heading(level: int, text: doc.Line, page: Page) -> Iterator[Row]:
    style = "title" if level == 1 else "heading"
    signs = page.signs
    under = {1: signs.thick, 2: signs.thin}.get(level, signs.dotted)
    rows = fill(inline(text, page, style), page.width)
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
            yield [Atom(" " * (indent + 4 * bool(place)), "code"), *flush(row)]


def _kept_atoms(words: str) -> list[Atom]:
    """Words with the blanks between them kept."""
    atoms: list[Atom] = []
    blanks = ""
    for is_blank, run in groupby(no_command(words), str.isspace):
        if is_blank:
            blanks = "".join(run)
        else:
            atoms.append(Atom(blanks[1:] + "".join(run), "code", BETWEEN_WORDS, bool(blanks)))
    return atoms


def _callout(kind: str, text: doc.Line, page: Page) -> Iterator[Row]:
    bar = f"{page.signs.bar} "
    word = Atom(f"{CALLOUT_WORD[kind]}:", kind)
    body = inline(text, page)
    if body:
        body = [word, body[0]._replace(penalty=BETWEEN_WORDS, space=True), *body[1:]]
    for row in fill(body or [word], min(page.width, READABLE) - 2):
        yield [Atom(bar, kind), *flush(row)]


# Derivations


def derivation(lines: Sequence[doc.DerivationLine], page: Page) -> Iterator[Row]:
    """Signs under one another; a long right side goes on behind its sign, a label at the margin."""
    rights = [page.layout.node(line.right) for line in lines]
    if any(map(is_tall, rights)):
        yield from _tall_derivation(lines, rights, page)
        return
    lefts = [page.atoms(line.left) if line.left else [] for line in lines]
    signs = [page.signs.relation(line.sign) for line in lines]
    sign_width = max(map(cells, signs), default=1)
    indent = max(map(width_of, lefts), default=0)
    own_line = indent > page.width * 2 // 5
    if own_line:
        indent = 2
    room = page.width - indent - sign_width - 2
    set_lines: list[tuple[list[list[Atom]], list[Atom]]] = []
    for line in lines:
        right = page.atoms(line.right)
        set_lines.append((fill(right, room, room - 2), inline(line.label, page, "label")))
    margin = _label_margin(set_lines, room)
    for left, sign, (rows, label) in zip(lefts, signs, set_lines, strict=True):
        if own_line and left:
            yield from fill(left, page.width)
            left = []
        behind = _label_behind(rows, label, margin, room, page)
        for place, row in enumerate(rows):
            last = behind if place == len(rows) - 1 else []
            if place:
                yield [Atom(" " * (indent + sign_width + 4)), *flush(row), *last]
            else:
                pad = Atom(" " * (indent - width_of(left)))
                begin = Atom(f" {sign:<{sign_width}} ", "operator")
                yield [pad, *left, begin, *flush(row), *last]
        if label and not behind:
            yield from _label_below(label, indent + sign_width + 2, page)


def _label_below(label: Sequence[Atom], indent: int, page: Page) -> Iterator[Row]:
    """A label that has no room behind its line."""
    mark = " " * indent + f"{page.signs.wall} "
    for row in fill(label, max(8, page.width - cells(mark))):
        yield [Atom(mark, "label"), *flush(row)]


def _tall_derivation(
    lines: Sequence[doc.DerivationLine], rights: Sequence[Node], page: Page
) -> Iterator[Row]:
    """A derivation with matrices in it: each line as high as it needs, signs under one another."""
    boxes = Boxes(page.notation)
    blank = line_box("")
    lefts = [boxes.box(page.layout.node(line.left)) if line.left else blank for line in lines]
    signs = [page.signs.relation(line.sign) for line in lines]
    sign_width = max(map(cells, signs))
    indent = max(left.width for left in lefts)
    room = max(8, page.width - indent - sign_width - 2)
    wide = max(8, page.width - sign_width - 4)
    own_line = indent > page.width * 2 // 5 or any(
        _in_one(boxes.rows(node, wide), indent) and not _in_one(boxes.rows(node, room), indent)
        for node in rights
    )
    if own_line:
        indent = 2
        room = wide
    for place, (line, left, node) in enumerate(zip(lines, lefts, rights, strict=True)):
        if own_line and line.left:
            if left.width <= page.width:
                yield from ([atom] for atom in left.atoms)
            else:
                yield from fill(page.atoms(line.left), page.width)
            left = blank
        right = boxes.rows(node, room)
        if right is None:  # too wide even so: written in one line and broken like any formula
            broken = fill(formula_atoms(node, page.notation), room, room - 2)
            right = [
                line_box(("  " if level else "") + _plain(flush(row)))
                for level, row in enumerate(broken)
            ]
        if place and any(len(part.lines) > 1 for part in right):
            yield []
        sign = f" {signs[place]:<{sign_width}} "
        for level, part in enumerate(right):
            lead = line_box(" " * (indent - left.width)) if level == 0 else blank
            front = (
                [lead, left, line_box(sign)]
                if level == 0
                else [line_box(" " * (indent + cells(sign)))]
            )
            yield from ([atom] for atom in beside([*front, part]).atoms)
        if line.label:
            label = inline(line.label, page, "label")
            yield from _label_below(label, indent + sign_width + 2, page)


def _in_one(rows: Sequence[Box] | None, indent: int) -> bool:
    """Whether a right side is set as boxes; behind a long left one, as one box."""
    return rows is not None and (len(rows) == 1 or indent <= LONG_LEFT)


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
    return [Atom(" " * gap + f"{page.signs.wall} ", "label"), *flush(label)]


# Tables

GAP = 3  # ` │ `
MINIMUM = 10  # a column that is broken keeps at least so many cells


class Cell:
    """What stands in a table's cell on one line, how wide that is, and what of it stands before a
    point; cut into its atoms where it is broken."""

    __slots__ = ("kept", "line", "page", "point", "style", "text", "width")

    def __init__(self, line: doc.Line, decimal: bool, page: Page, style: str) -> None:
        self.line, self.page, self.style = line, page, style
        self.kept: list[Atom] | None = None
        text, numeral = page.text(line), aligned(line) if decimal else None
        self.text = _plain(self.atoms()) if text is None else text
        self.width = cells(self.text)
        self.point = None if numeral is None else len(at_point(numeral)[0])

    def atoms(self) -> list[Atom]:
        if self.kept is None:
            self.kept = list(opened(inline(self.line, self.page, self.style)))
        return self.kept


class Plan(NamedTuple):
    """A table as it is set: its cells, how wide each column is (None where it has to become a list
    of records), and how far from its left the points of a column are."""

    table: doc.Table
    heads: list[Cell]
    rows: list[list[Cell]]
    widths: list[int] | None
    points: list[int]

    def blanks(self, place: int, width: int, used: int, point: int | None) -> tuple[int, int]:
        """The blanks before and behind what stands on one line of a cell."""
        room = max(0, width - used)
        if self.table.columns[place].align == "left":
            return 0, room
        before = room if point is None else min(room, self.points[place] - point)
        return before, room - before


def plan(table: doc.Table, page: Page) -> Plan:
    """How a table is set on this page."""
    heads = [Cell(column.heading, False, page, "strong") for column in table.columns]
    kinds = [(column.align == "decimal", "strong" * column.result) for column in table.columns]
    rows = [
        [
            Cell(line, decimal, page, style)
            for line, (decimal, style) in zip(row, kinds, strict=True)
        ]
        for row in full_rows(table)
    ]
    columns = list(zip(heads, *rows, strict=True))
    points = [max([cell.point or 0 for cell in cells]) for cells in columns]
    natural = [
        max([cell.width + (0 if cell.point is None else point - cell.point) for cell in cells])
        for cells, point in zip(columns, points, strict=True)
    ]
    room = page.width - GAP * (len(heads) - 1)
    widths = natural if sum(natural) <= room else None
    # Rather a break inside brackets than a table taken apart.
    for limit in (BEFORE_FACTOR, WITHIN_BRACKETS) if widths is None else ():
        floors = {
            place: min(natural[place], _floor(columns[place], limit))
            for place, column in enumerate(table.columns)
            if column.wrap
        }
        widths = widths or narrowed_to(room, natural, floors)
    return Plan(table, heads, rows, widths, points)


def _floor(cells: Sequence[Cell], limit: float) -> int:
    """How narrow a column can be without a break that costs more than the limit."""
    floor = MINIMUM
    for cell in cells:
        if cell.width + 2 > floor:
            floor = max(floor, longest(cell.atoms(), limit) + 2)
    return floor


def table(table: doc.Table, page: Page) -> Iterator[Row]:
    """Box-drawn lines between columns; too wide a table becomes a list of records."""
    if table.caption:
        yield from fill(inline(table.caption, page, "caption"), page.width)
    planned = plan(table, page)
    if planned.widths is None:
        yield from _records(planned.heads, planned.rows, page)
        return
    if any(head.text for head in planned.heads):
        yield from _table_row(planned, planned.widths, planned.heads, page)
        rule = page.signs.thin
        joint = f"{rule}{page.signs.cross}{rule}"
        yield [Atom(joint.join(rule * width for width in planned.widths), "rule")]
    for row in planned.rows:
        yield from _table_row(planned, planned.widths, row, page)


def _plain(atoms: Sequence[Atom]) -> str:
    return "".join([f" {atom.text}" if atom.space else atom.text for atom in flush(atoms)])


def _table_row(
    planned: Plan, widths: Sequence[int], row: Sequence[Cell], page: Page
) -> Iterator[Row]:
    wall = f" {page.signs.wall} "
    if not page.styled and all(map(le, [cell.width for cell in row], widths)):
        texts = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            before, behind = planned.blanks(place, width, cell.width, cell.point)
            texts.append(f"{' ' * before}{cell.text}{' ' * behind}")
        yield [Atom(wall.join(texts))]
        return
    stacks = [
        fill(cell.atoms(), width, max(1, width - 2))
        for cell, width in zip(row, widths, strict=True)
    ]
    between = Atom(wall, spans=((" ", ""), (page.signs.wall, "rule"), (" ", "")))
    for level in range(max(map(len, stacks), default=0)):
        line: Row = []
        for place, (stack, width) in enumerate(zip(stacks, widths, strict=True)):
            atoms = flush(stack[level]) if level < len(stack) else []
            point = None if len(stack) > 1 or level else row[place].point
            before, behind = planned.blanks(place, width, width_of(atoms), point)
            if level and len(stack) > 1 and not before:
                before, behind = 2, behind - 2
            line += (Atom(" " * before), *atoms, Atom(" " * behind), between)
        yield line[:-1]


def _records(heads: Sequence[Cell], rows: Sequence[Sequence[Cell]], page: Page) -> Iterator[Row]:
    """A row of the table after the other, each cell behind its heading."""
    for place, row in enumerate(rows):
        if place:
            yield []
        for column, cell in enumerate(row):
            body = cell.atoms()
            if column and not body:
                continue
            indent = 2 if column else 0
            head = heads[column].atoms()
            if head:
                colon = Atom(":", head[-1].style, NEVER, False)
                begin = [a._replace(penalty=BETWEEN_WORDS, space=True) for a in body[:1]]
                body = [*head, colon, *begin, *body[1:]]
            for level, part in enumerate(fill(body, page.width - indent, page.width - indent - 2)):
                yield [Atom(" " * (indent + (2 if level else 0))), *flush(part)]


# Pictures and answer spaces


def _curve(curve: doc.Curve, page: Page) -> Iterator[Row]:
    yield from fill(inline(curve.title, page, "strong"), page.width)

    def say(line: doc.Line) -> str:
        return _plain(inline(line, page))

    for line in plot(curve, say, width=page.width, ascii=page.ascii):
        yield [Atom(line)]
    if curve.description:
        yield from fill(inline(curve.description, page, "caption"), min(page.width, READABLE))


def diagram(picture: doc.Diagram, page: Page) -> Iterator[Row]:
    """A network in words: its nodes from left to right, under each the arrows that lead to it."""
    yield from fill(inline(picture.title, page, "strong"), page.width)
    into: dict[int, list[doc.DiagramEdge]] = {}
    for edge in picture.edges:
        into.setdefault(edge.end, []).append(edge)
    layers: dict[float, list[int]] = {}
    for place, node in sorted(enumerate(picture.nodes), key=lambda each: (each[1].x, each[1].y)):
        layers.setdefault(node.x, []).append(place)
    for here in layers.values():
        kinds = dict.fromkeys(picture.nodes[place].kind for place in here)
        yield [Atom(", ".join(kinds), "label")]
        for place in here:
            node = picture.nodes[place]
            parts = [_equal(node.name, node.value, page)]
            if node.shape:
                parts[0] += [Atom(page.words(node.shape), space=True)]
            if node.gradient:
                parts.append(inline((doc.Text("gradient "), doc.Math(node.gradient)), page))
            yield from _indented(2, parts, page)
            for edge in into.get(place, ()):
                arrow = Atom(page.signs.relation("←"), "operator")
                start = page.atoms(picture.nodes[edge.start].name)
                parts = [[arrow, start[0]._replace(space=True), *start[1:]]]
                yield from _indented(6, [*parts, _equal(edge.label, edge.value, page)], page)
    yield from fill(inline(picture.description, page, "caption"), min(page.width, READABLE))


def _equal(left: Formula | None, right: Formula | None, page: Page) -> list[Atom]:
    """`left = right`, or the one that is there."""
    if left is not None and right is not None:
        return relation(left, "=", right, page)
    one = left or right
    return [] if one is None else page.atoms(one)


def _indented(indent: int, parts: Sequence[Sequence[Atom]], page: Page) -> Iterator[Row]:
    """Parts that stand apart on one line behind blanks, cut only where it does not fit."""
    first, *others = filter(None, parts)
    atoms = [*first, *(atom for part in others for atom in (WIDE, *part))]
    room = page.width - indent
    rows = [atoms] if width_of(atoms) <= room else fill(atoms, room, room - 2)
    for place, row in enumerate(rows):
        yield [Atom(" " * (indent + (2 if place else 0))), *flush(row)]


WIDE = Atom("   ", penalty=BETWEEN_WORDS)


def answers(spaces: Sequence[doc.AnswerSpace], page: Page) -> Iterator[Row]:
    """`z₁⁽¹⁾ = ______   z1_1`, signs and keys aligned; further lines where there is work to write."""
    lefts = [page.formula(space.left) for space in spaces]
    keys = [page.words(space.name) for space in spaces]
    indent = max(map(cells, lefts))
    keyed = [key if key != left else "" for key, left in zip(keys, lefts, strict=True)]
    widest = max(map(cells, keyed))
    blank = min(40, page.width - indent - 3 - (widest + 3 if widest else 0))
    narrow = blank < 12
    if narrow:
        indent, blank = 0, page.width - 4
    for space, left, key in zip(spaces, lefts, keyed, strict=True):
        if narrow:
            yield [
                Atom(left),
                Atom(
                    f"   {key}" if key and cells(left) + cells(key) + 3 <= page.width else "",
                    "label",
                ),
            ]
        pad = " " * max(0, indent - cells(left))
        head = "  = " if narrow else f"{left}{pad} = "
        tail = f"   {key}" if key and not narrow else ""
        yield [Atom(head + "_" * blank), Atom(tail, "label")]
        for _ in range(space.lines - 1):
            yield [Atom(" " * cells(head) + "_" * blank)]
