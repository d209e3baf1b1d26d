"""Typst source, from which `pdf` makes pages. Every word is a string literal, so none is markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from backprop_cli.formula import typst
from backprop_cli.formula.layout import Operator, Row, is_tall, pieces
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.notation import stacked
from backprop_cli.formula.shape import by_shape
from backprop_cli.formula.spelling import Spelling
from backprop_cli.formula.typst import quoted
from backprop_cli.render import svg
from backprop_cli.render.reading import (
    CALLOUT_WORD,
    KEPT_TOGETHER,
    aligned,
    alone,
    at_point,
    by_column,
    raised,
    set_in,
    spoken,
    titled_blocks,
    written_out,
)
from backprop_cli.render.wide import IN_LINE, line_width, narrow_cell, narrowed, width
from backprop_cli.worksheet import document as doc

PREAMBLE = """\
#set page(margin: (x: 18mm, y: 20mm), numbering: "1 / 1")
#set text(font: "Libertinus Serif", size: 10.5pt, number-width: "tabular", lang: "en")
#set par(leading: 0.62em, spacing: 0.9em)
#show math.equation: set text(font: "New Computer Modern Math")
#show heading.where(level: 1): set text(size: 17pt)
#show heading.where(level: 1): set block(below: 1em)
#show heading.where(level: 2): it => block(above: 1.7em, below: 0.9em, width: 100%, stroke: (bottom: 0.5pt + luma(60%)), inset: (bottom: 4pt), sticky: true, text(size: 13pt, it.body))
#show heading.where(level: 3): set text(size: 11pt)
#show heading.where(level: 3): set block(above: 1.4em, below: 0.8em)
#show raw: set text(size: 9.5pt)
#let dec(a, b, ends) = { box(width: ends.at(0), align(right, a)); box(width: ends.at(1), align(left, b)) }
#let ends(a, b) = (measure(a).width, measure(b).width)
#let remark(color, thickness, body) = block(width: 100%, stroke: (left: thickness + color), fill: luma(96%), inset: (x: 9pt, y: 7pt), breakable: false, body)
#let tall(body) = pad(y: 0.5em, par(leading: 1.5em, hanging-indent: 1.5em, body))
#let wide(body) = par(leading: 1.1em, body)
#let flat(body) = par(hanging-indent: 1.5em, body)
#let steps(whole, columns, ..cells) = block(above: 1.2em, below: 1.2em, breakable: not whole, grid(columns: columns, column-gutter: 5pt, row-gutter: 8pt, align: (right + horizon, center + horizon, left + horizon, left + horizon), ..cells))
#let long-steps(whole, columns, ..cells) = block(above: 1.2em, below: 1.2em, breakable: not whole, grid(columns: columns, column-gutter: 5pt, row-gutter: 8pt, align: (center + horizon, left + horizon, left + horizon), ..cells))
#let sheet(columns, align, ..cells) = block(above: 1em, below: 1.2em, table(columns: columns, align: align, stroke: (x, y) => (bottom: if y == 0 { 0.9pt } else { 0.35pt + luma(70%) }), inset: (x: 5pt, y: 6pt), ..cells))
#let rule = box(width: 100%, height: 0.9em, stroke: (bottom: 0.5pt))
#let label(body) = block(stroke: (left: 1pt + luma(70%)), inset: (left: 6pt, y: 2pt), text(size: 9.5pt, fill: luma(30%), body))
"""
PAPERS = {"a4": "a4", "letter": "us-letter", "us-letter": "us-letter"}
LINE = 84  # about so many characters stand on a line


def render(document: doc.Document, *, paper: str = "a4") -> str:
    """The document as Typst source; `paper` is `a4` or `letter`."""
    size = PAPERS.get(paper.lower(), "a4")
    head = f"#set document(title: {quoted(document.title)}, date: none)\n"
    blocks = titled_blocks(document)
    pairs = zip(blocks, [*blocks[1:], None], strict=True)
    body = "\n".join(_kept(block, after, document.spelling) for block, after in pairs)
    return f"#set page(paper: {quoted(size)})\n{PREAMBLE}{head}{body}\n"


def words(text: str) -> str:
    """Text in markup: a literal, closed so that nothing after it is read as its method."""
    return f"#{quoted(text)};"


def _kept(block: doc.Block, after: doc.Block | None, spelling: Spelling) -> str:
    """A block; a line above the room for answers stays on the page of that."""
    written = _block(block, spelling)
    if isinstance(block, doc.Paragraph) and isinstance(after, doc.Answers):
        return f"#block(sticky: true)[\n{written}]\n"
    return written


def _block(block: doc.Block, spelling: Spelling) -> str:
    match block:
        case doc.Heading(level, text):
            return f"#heading(level: {level})[{inline(text, spelling)}]\n"
        case doc.Paragraph(text):
            if formula := alone(text):
                return f"#{_tall(formula, spelling)}\n"
            return f"#{_wide(text, spelling) or 'par'}[{inline(text, spelling)}]\n"
        case doc.Bullets(items):
            rows = "".join(f"{_wide(item, spelling)}[{inline(item, spelling)}], " for item in items)
            return f"#list({rows})\n" if items else ""
        case doc.Listing(lines):
            rows = "\\n".join(quoted(line)[1:-1] for line in lines.splitlines())
            return f'#raw("{rows}", block: true)\n'
        case doc.Table():
            return _table(block, spelling)
        case doc.Derivation(lines):
            return _derivation(lines, spelling)
        case doc.Callout(kind, text):
            look = {"note": "rgb(5, 80, 174), 2.5pt", "warning": "rgb(154, 75, 0), 4pt"}[kind]
            body = f"#strong[{CALLOUT_WORD[kind]}:] {inline(text, spelling)}"
            return f"#remark({look}, {_wide(text, spelling)}[{body}])\n"
        case doc.Curve():
            return _picture(block, spelling, 0.56)
        case doc.Diagram() | doc.HeatMap():
            return _picture(block, spelling, 0.72)
        case doc.Answers(spaces):
            return _answers(spaces, spelling)
        case _:
            assert_never(block)


# Lines and formulas


CALLS = {"plain": "", "strong": "strong", "emphasis": "emph", "code": "raw"}


def inline(line: doc.Line, spelling: Spelling) -> str:
    return "".join(set_in(line, _words, lambda formula: f"${_tex(formula, spelling)}$"))


def _words(text: str, style: str) -> str:
    return f"#{CALLS[style]}({quoted(text)});" if CALLS[style] else words(text)


def _tall(formula: Formula, spelling: Spelling) -> str:
    """A formula by itself, its fractions at full size."""
    return f"tall[$display({_tex(formula, spelling)})$]"


def _wide(line: doc.Line, spelling: Spelling) -> str:
    """What sets lines further apart, where fractions stand among words."""
    formulas = (part.formula for part in written_out(line) if isinstance(part, doc.Math))
    return "wide" if any(_is_tall(each, spelling) for each in formulas) else ""


@by_shape(stacked, typst.spell, lambda formula, spelling: len(typst.write(formula, spelling)))
def _tex(formula: Formula, spelling: Spelling) -> str:
    """A formula in math mode, broken by Typst before the operators of its outermost level."""
    return typst.loose(stacked(spelling).node(formula))


def _shown(formula: Formula, spelling: Spelling) -> str:
    """A formula in a line of its own: fractions at full size, yet breakable.

    Typst breaks a formula behind an operator; a person breaks before it. So a long one is set
    piece by piece, its operators as plain signs with the space that they would have.
    """
    node = stacked(spelling).node(formula)
    if width(formula, spelling) <= LINE // 2:
        return f"$display({typst.loose(node)})$"
    return "".join(f"$display({_piece(piece)})$" for piece in pieces(node))


def _piece(piece: Row) -> str:
    first, *rest = piece.parts
    if not isinstance(first, Operator) or first.sign not in BINARY:
        return typst.loose(piece)
    sign = typst.spell(first).strip()
    return f'med class("normal", {sign}) med {typst.loose(Row(tuple(rest)))}'


BINARY = ("+", "−", "·", "hadamard", "correlation", "full")


# Blocks


def _derivation(lines: Sequence[doc.DerivationLine], spelling: Spelling) -> str:
    lefts = [width(line.left, spelling) for line in lines if line.left]
    long = max(lefts, default=0) > LINE * 2 // 5
    cells = []
    for line in lines:
        left = _spaced(line.left, spelling)
        if long and line.left:
            cells.append(f"grid.cell(colspan: 3, align: left, {left})")
        elif not long:
            cells.append(left)
        right = narrowed(line.right, spelling, IN_LINE)
        sign = f"[${typst.spell(Operator(line.sign)).strip()}$]"
        # Beside several lines the sign stands at the first, beside a fraction in the middle.
        several = width(right, spelling) > LINE and not _is_tall(right, spelling)
        cells.append(f"grid.cell(align: center + top, {sign})" if several else sign)
        cells.append(_spaced(right, spelling))
        cells.append(f"[#label[{inline(line.label, spelling)}]]" if line.label else "[]")
    name = "long-steps" if long else "steps"
    # A label stands close to its line where there is room, else at the margin.
    rights = [
        line_width((doc.Math(line.right), *line.label), spelling) for line in lines if line.label
    ]
    last = "auto, 1fr" if max(rights, default=0) < LINE // 2 else "1fr, auto"
    columns = f"(auto, {last})" if long else f"(auto, auto, {last})"
    whole = "true" if len(lines) <= KEPT_TOGETHER else "false"
    return f"#{name}({whole}, {columns},\n  " + ",\n  ".join(cells) + ",\n)\n"


def _is_tall(formula: Formula, spelling: Spelling) -> bool:
    return is_tall(stacked(spelling).node(formula))


def _spaced(formula: Formula | None, spelling: Spelling) -> str:
    """A cell; Typst reckons a fraction in a line less high than it is, so it gets room."""
    if formula is None:
        return "[]"
    kind = "tall" if _is_tall(formula, spelling) else "flat"
    return f"[#{kind}[{_shown(formula, spelling)}]]"


def _table(table: doc.Table, spelling: Spelling) -> str:
    columns = [
        _cells([narrow_cell(line, spelling) for line in lines], column, f"ends{n}", spelling)
        for n, (column, lines) in enumerate(by_column(table))
    ]
    aligns = ", ".join(
        ("left" if column.align == "left" else "right") + " + horizon" for column in table.columns
    )
    cells = []
    if any(column.heading for column in table.columns):
        heads = ", ".join(
            f"[#strong[{inline(column.heading, spelling)}]]" for column in table.columns
        )
        cells.append(f"table.header({heads})")
    cells.extend(", ".join(row) for row in zip(*(cells for _, cells in columns), strict=True))
    caption = (
        f"#block(sticky: true, above: 1.3em, below: 0.4em)[#emph[{inline(table.caption, spelling)}]]\n"
        if table.caption
        else ""
    )
    body = ",\n  ".join(cells)
    sheet = f"sheet({len(table.columns)}, ({aligns},),\n  {body},\n)"
    # Once for a table: where every cell measures for itself, that takes a tenth of all memory.
    widths = [f"let ends{n} = {ends}\n" for n, (ends, _) in enumerate(columns) if ends]
    sheet = f"context {{\n{''.join(widths)}{sheet}\n}}" if widths else sheet
    return f"{caption}#{sheet}\n"


def _cells(
    lines: Sequence[doc.Line], column: doc.Column, ends: str, spelling: Spelling
) -> tuple[str, list[str]]:
    """The cells of a column: numerals set round their points, unbroken unless the column wraps.

    Before them how wide numerals are on both sides, which they know as `ends`; empty without any.
    """
    numerals = [aligned(line) if column.align == "decimal" else None for line in lines]
    parts = [(at_point(each)[0], _after(each)) for each in numerals if each]
    before = max((begin for begin, _ in parts), key=len, default="")
    after = max((end for _, end in parts), key=lambda end: len("".join(end)), default=("", ""))
    widths = f"ends({_content(before)}, {_content(*after)})" if parts else ""
    written = []
    for line, each in zip(lines, numerals, strict=True):
        if each:
            own = f"{_content(at_point(each)[0])}, {_content(*_after(each))}"
            written.append(f"[#dec({own}, {ends})]")
            continue
        wide, text = _wide(line, spelling), inline(line, spelling)
        if wide and (formula := alone(line)):
            text, wide = f"#{_tall(formula, spelling)}", ""
        # A short formula stays whole; a long one has to give way on a narrow page.
        whole = not column.wrap and line_width(line, spelling) <= LINE // 2
        written.append(f"[#box[{text}]]" if whole else f"{wide}[{text}]")
    return widths, written


def _after(numeral: doc.Numeral) -> tuple[str, str]:
    """What stands behind the point of a numeral, and its power of ten."""
    return at_point(numeral)[1], raised(numeral)


def _content(digits: str, power: str = "") -> str:
    text = words(digits) if digits else ""
    return f"[{text}{words('×10')}#super({quoted(power)});]" if power else f"[{text}]"


LINE_POINTS, PAGE_POINTS = 490, 620  # the width of a line, the height a picture may take


def _picture(block: doc.Curve | doc.Diagram | doc.HeatMap, spelling: Spelling, scale: float) -> str:
    """A picture at `scale` points a pixel, smaller where the line or the page is."""
    picture, description = svg.draw(block, spelling), inline(block.description, spelling)
    across, down = picture.size
    share = min(1.0, scale * across / LINE_POINTS, PAGE_POINTS / down * across / LINE_POINTS)
    part = f"{100 * share:.1f}%"
    alt = quoted(f"{spoken(block.title, spelling)}. {spoken(block.description, spelling)}")
    caption = f"#text(size: 9.5pt)[{description}]" if description else ""
    return (
        f"#block(breakable: false, above: 1.2em, below: 1.2em)[#image(bytes({typst.literal(picture)}), "
        f'format: "svg", width: {part}, alt: {alt})\n{caption}]\n'
    )


def _answers(spaces: Sequence[doc.AnswerSpace], spelling: Spelling) -> str:
    cells = []
    for space in spaces:
        cells.append(
            f"{_spaced(space.left, spelling)}, [$=$], [#rule], [#raw({quoted(space.name)});]"
        )
        cells.extend(["[], [], [#rule], []"] * (space.lines - 1))
    body = ",\n  ".join(cells)
    return (
        "#block(above: 1.2em, grid(columns: (auto, auto, 1fr, auto), column-gutter: 6pt, "
        f"row-gutter: 14pt, align: (left + horizon, center + horizon, left + horizon, left + horizon),\n  {body},\n))\n"
    )
