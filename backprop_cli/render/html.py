"""One self-contained HTML file with MathML: no script, no network, no fonts to fetch."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape as escape_html
from math import inf
from typing import assert_never

from backprop_cli.formula import mathml
from backprop_cli.formula.characters import visible
from backprop_cli.formula.layout import Operator
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.notation import stacked
from backprop_cli.formula.shape import by_shape
from backprop_cli.formula.spelling import Spelling
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
    titled_blocks,
)
from backprop_cli.render.wide import IN_CELL, IN_LINE, narrowed, width
from backprop_cli.worksheet import document as doc

STYLE = """
.bp{--ink:#1f2328;--soft:#57606a;--paper:#fff;--rule:#d0d7de;--tint:#f6f8fa;--note:#0550ae;--warn:#9a4b00;
color:var(--ink);background:var(--paper);font:1.05rem/1.55 Charter,'Bitstream Charter','Source Serif 4',Georgia,serif;
max-width:52rem;margin:0 auto;padding:1.5rem 1rem 4rem;overflow-wrap:break-word}
.bp math{font-family:'STIX Two Math','Latin Modern Math','Cambria Math','Libertinus Math',math,serif;font-size:1.04em}
.bp h1,.bp h2,.bp h3{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;line-height:1.25;text-wrap:balance}
.bp h1{font-size:1.7rem;margin:.2em 0 .8em}
.bp h2{font-size:1.25rem;margin:2em 0 .7em;padding-bottom:.25em;border-bottom:1px solid var(--rule)}
.bp h3{font-size:1.05rem;margin:1.6em 0 .5em}
.bp p{margin:.7em 0}.bp code{font-size:.88em;background:var(--tint);padding:.1em .3em;border-radius:3px;overflow-wrap:anywhere}
.bp-scroll{overflow-x:auto;margin:1em 0}.bp-scroll:focus-visible,.bp-steps:focus-visible{outline:2px solid var(--note)}
.bp table{border-collapse:collapse;font-variant-numeric:tabular-nums lining-nums}
.bp caption{text-align:left;font-style:italic;color:var(--soft);padding-bottom:.35em}
.bp th,.bp td{padding:.3em .8em .3em 0;vertical-align:baseline;border-bottom:1px solid var(--rule)}
.bp thead th{border-bottom:2px solid var(--soft);font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:.86em}
.bp tbody th{font-weight:normal}.bp tbody tr:has(mfrac,mtable)>*{padding-top:.45em;padding-bottom:.45em}
.bp th,.bp td{white-space:nowrap}.bp .bp-wrap{white-space:normal;min-width:12em}
.bp .bp-scroll tr>th,.bp .bp-scroll tr>td{text-align:left}
.bp .bp-scroll tr>.bp-right,.bp .bp-scroll tr>.bp-decimal{text-align:right}
.bp-num{display:inline-flex}.bp-int{text-align:right}.bp-int+span{text-align:left}.bp-num sup{line-height:0;font-size:.72em}
.bp-steps{display:grid;grid-template-columns:max-content max-content minmax(0,max-content) minmax(max-content,1fr);
column-gap:.5em;row-gap:.45em;margin:1em 0;padding:.25em 0;align-items:baseline;overflow-x:auto;overflow-y:hidden}
.bp-steps math,.bp-answer math,.bp-display math,.bp td math,.bp tbody th math{math-style:normal}
@supports (-webkit-app-region:none){.bp :is(.matrix,.cases)>mo,.bp .tall>mo:is(:first-child,:last-child):is([stretchy=true]){display:none}
.bp .matrix>mtable{border:solid;border-width:0 .07em;padding:.1em .15em;margin:0 .15em;print-color-adjust:exact;--bar:linear-gradient(currentColor,currentColor);
background:var(--bar) 0 0,var(--bar) 100% 0,var(--bar) 0 100%,var(--bar) 100% 100%;background-size:.3em .07em;background-repeat:no-repeat}
.bp .cases{margin-left:.15em;padding-left:.6em;print-color-adjust:exact;--bar:linear-gradient(currentColor,currentColor);background:
radial-gradient(circle at 100% 100%,#0000 .18em,currentColor .19em .25em,#0000 .26em) .19em 0,radial-gradient(circle at 100% 0,#0000 .18em,currentColor .19em .25em,#0000 .26em) .19em 100%,
radial-gradient(circle at 0 0,#0000 .18em,currentColor .19em .25em,#0000 .26em) 0 calc(50% - .125em),radial-gradient(circle at 0 100%,#0000 .18em,currentColor .19em .25em,#0000 .26em) 0 calc(50% + .125em),
var(--bar) .19em .25em,var(--bar) .19em calc(100% - .25em);background-repeat:no-repeat;
background-size:.25em .25em,.25em .25em,.25em .25em,.25em .25em,.06em calc(50% - .5em),.06em calc(50% - .5em)}
.bp .tall{border:solid;border-width:0 .08em;border-radius:.5em/50%;padding:0 .25em}
.bp .tall.left{border-right-width:0;border-radius:.5em 0 0 .5em/50%;padding-right:0}.bp .tall.right{border-left-width:0;border-radius:0 .5em .5em 0/50%;padding-left:0}}
.bp-right-side{padding-left:1.6em;text-indent:-1.6em}.bp-right-side>*{text-indent:0}
.bp-label{color:var(--soft);font-size:.9em;padding-left:1em;border-left:2px solid var(--rule)}
.bp-callout{margin:1em 0;padding:.5em .9em;border-left:4px solid var(--note);background:var(--tint)}
.bp-callout strong:first-child{color:var(--note)}
.bp-warning{border-left-style:double;border-left-width:6px;border-left-color:var(--warn)}
.bp-warning strong:first-child{color:var(--warn)}
.bp figure{margin:1.4em 0;overflow-x:auto;overflow-y:hidden;padding-bottom:.4em}.bp figure svg{max-width:100%;height:auto}
.bp figcaption{color:var(--soft);font-size:.92em}
.bp-answer{display:grid;grid-template-columns:max-content minmax(0,1fr) max-content;column-gap:.5em;row-gap:.9em;align-items:end;margin:1.2em 0}
.bp-room{border-bottom:1px solid var(--soft);height:2.1em}.bp-key{font-size:.9em;color:var(--soft)}
@media (max-width:36rem){.bp{font-size:1rem;padding:1rem .8rem 3rem}
.bp-steps{grid-template-columns:max-content minmax(0,1fr)}.bp-left{grid-column:1/-1}.bp-sign{grid-column:1}
.bp-left:empty{display:none}.bp-right-side{grid-column:2}.bp-label{grid-column:2;justify-self:start}
.bp-label:empty{display:none}.bp-key{grid-column:1/-1}
.bp-remarks tr{display:grid;grid-template-columns:repeat(var(--n),minmax(0,1fr));border-bottom:1px solid var(--rule)}
.bp .bp-remarks th,.bp .bp-remarks td{border:0;white-space:normal;min-width:0}.bp-remarks th:nth-child(n+5):last-child{display:none}
.bp-remarks td:last-child{grid-column:1/-1}.bp-remarks td:last-child:empty{display:none}}
@media screen and (prefers-color-scheme:dark){.bp{--ink:#e6edf3;--soft:#9aa4af;--paper:#0d1117;--rule:#30363d;
--tint:#161b22;--note:#79b8ff;--warn:#ffab70}}
@media print{.bp{max-width:none;padding:0;font-size:10.5pt;color:#000;background:#fff}
.bp h1,.bp h2,.bp h3{break-after:avoid}.bp tr,.bp figure,.bp-callout,.bp-answer,.bp-kept{break-inside:avoid}
.bp thead{display:table-header-group}.bp-scroll,.bp-steps,.bp figure{overflow:visible}
.bp figure svg{max-height:75mm;max-width:80%;width:auto;min-width:0!important}.bp h2{margin-top:1.4em}.bp .bp-wrap{min-width:0}.bp p{orphans:3;widows:3}}
"""
PAGE_STYLE = """
:root{color-scheme:light dark}body{margin:0;background:#fff}
@media screen and (prefers-color-scheme:dark){body{background:#0d1117}}
@page{size:%s;margin:20mm 18mm}
@media print{body{background:#fff}:root{color-scheme:light}}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render(document: doc.Document, *, paper: str = "auto", language: str = "en") -> str:
    """The document as one HTML file. `paper` is `A4`, `letter`, or whatever the printer holds."""
    title = escape(document.title) or "Worksheet"
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{title}</title>\n<style>{PAGE_STYLE % escape(paper)}{STYLE}</style>\n</head>\n"
        f'<body>\n<main class="bp">\n{_body(document)}</main>\n</body>\n</html>\n'
    )


def fragment(document: doc.Document) -> str:
    """The document as a piece of a page, a notebook's say, that brings its own style."""
    return f'<style>{STYLE}</style>\n<section class="bp">\n{_body(document)}</section>\n'


def escape(text: str) -> str:
    """Text for an element or a quoted attribute."""
    return escape_html(visible(text), quote=True)


def _body(document: doc.Document) -> str:
    blocks = titled_blocks(document)
    return "".join(
        _block(block, document.spelling, f"bp{place}") for place, block in enumerate(blocks)
    )


def _block(block: doc.Block, spelling: Spelling, key: str) -> str:
    match block:
        case doc.Heading(level, text):
            return f"<h{level}>{inline(text, spelling)}</h{level}>\n"
        case doc.Paragraph(text):
            kind = ' class="bp-display"' if alone(text) else ""
            return f"<p{kind}>{inline(text, spelling)}</p>\n"
        case doc.Bullets(items):
            rows = "".join(f"<li>{inline(item, spelling)}</li>\n" for item in items)
            return f"<ul>\n{rows}</ul>\n"
        case doc.Listing(lines):
            rows = "".join(f"{escape(line)}\n" for line in lines.splitlines())
            return f'<pre class="bp-scroll" tabindex="0">{rows}</pre>\n'
        case doc.Table():
            return _table(block, spelling)
        case doc.Derivation(lines):
            return _derivation(lines, spelling)
        case doc.Callout(kind, text):
            return (
                f'<aside class="bp-callout bp-{kind}" role="note">'
                f"<strong>{CALLOUT_WORD[kind]}:</strong> {inline(text, spelling)}</aside>\n"
            )
        case doc.Curve() | doc.Diagram() | doc.HeatMap():
            words = inline(block.description, spelling)
            caption = f"<figcaption>{words}</figcaption>" if words else ""
            # As wide as the page at most, but never so small that its words cannot be read.
            picture = svg.draw(block, spelling, key=key, least=0.6)
            return f"<figure>\n{picture}{caption}</figure>\n"
        case doc.Answers(spaces):
            return _answers(spaces, spelling)
        case _:
            assert_never(block)


# Lines and formulas


TAGS = {"plain": "", "strong": "strong", "emphasis": "em", "code": "code"}


def inline(line: doc.Line, spelling: Spelling, most: float = inf) -> str:
    """A line of words and formulas, these narrowed to `most` signs."""
    parts = set_in(line, _words, lambda formula: formula_pieces(formula, spelling, most))
    return "".join(parts)


def _words(text: str, style: str) -> str:
    tag = TAGS[style]
    return f"<{tag}>{escape(text)}</{tag}>" if tag else escape(text)


@by_shape(stacked, mathml.spell, width)
def formula_pieces(formula: Formula, spelling: Spelling, most: float = inf) -> str:
    """The formula as a row of `math` elements, between which a browser may break the line."""
    return mathml.broken(stacked(spelling).node(narrowed(formula, spelling, most)))


# Blocks


def _derivation(lines: Sequence[doc.DerivationLine], spelling: Spelling) -> str:
    rows = []
    for line in lines:
        left = formula_pieces(line.left, spelling) if line.left else ""
        rows.append(
            f'<div class="bp-left">{left}</div>'
            f'<div class="bp-sign">{mathml.math(Operator(line.sign))}</div>'
            f'<div class="bp-right-side">{formula_pieces(line.right, spelling, IN_LINE)}</div>'
            f'<div class="{"bp-label" if line.label else "bp-none"}">'
            f"{inline(line.label, spelling)}</div>\n"
        )
    kept = " bp-kept" if len(lines) <= KEPT_TOGETHER else ""
    return f'<div class="bp-steps{kept}" role="group" aria-label="Derivation" tabindex="0">\n{"".join(rows)}</div>\n'


def _table(table: doc.Table, spelling: Spelling) -> str:
    caption = f"<caption>{inline(table.caption, spelling)}</caption>\n" if table.caption else ""
    head = ""
    if any(column.heading for column in table.columns):
        cells = "".join(
            f'<th scope="col"{_kind(column)}>{inline(column.heading, spelling)}</th>'
            for column in table.columns
        )
        head = f"<thead><tr>{cells}</tr></thead>\n"
    columns = [_cells(lines, column, spelling) for column, lines in by_column(table)]
    ends = [
        (f"<td{_kind(column)}>", "</td>")
        if place
        else (f'<th scope="row"{_kind(column)}>', "</th>")
        for place, column in enumerate(table.columns)
    ]
    body = "".join(
        f"<tr>{''.join(f'{begin}{cell}{end}' for (begin, end), cell in zip(ends, row, strict=True))}</tr>\n"
        for row in zip(*columns, strict=True)
    )
    # On a phone a last column of sentences stands below the others.
    wide = len(table.columns) - 1 if table.columns[-1].wrap else 0
    remarks = f' class="bp-remarks" style="--n:{wide}"' if wide > 2 else ""
    label = escape("".join(p.text for p in table.caption if isinstance(p, doc.Text))) or "Table"
    return (
        f'<div class="bp-scroll" role="region" tabindex="0" aria-label="{label}">'
        f"<table{remarks}>\n{caption}{head}<tbody>\n{body}</tbody>\n</table></div>\n"
    )


def _kind(column: doc.Column) -> str:
    kinds = [f"bp-{column.align}"] if column.align != "left" else []
    if column.wrap:
        kinds.append("bp-wrap")
    return f' class="{" ".join(kinds)}"' if kinds else ""


def _cells(lines: Sequence[doc.Line], column: doc.Column, spelling: Spelling) -> list[str]:
    """The cells of a column; the numerals of a decimal one are set round their points."""
    numerals = [aligned(line) if column.align == "decimal" else None for line in lines]
    before = max((len(at_point(each)[0]) + 0.2 for each in numerals if each), default=0.0)
    after = max((_after(each) for each in numerals if each), default=0.0)
    written = []
    for line, each in zip(lines, numerals, strict=True):
        if each is None:
            written.append(inline(line, spelling, IN_CELL))
            continue
        begin, end = map(escape, at_point(each))
        end += f"×10<sup>{raised(each)}</sup>" if raised(each) else ""
        written.append(
            f'<span class="bp-num"><span class="bp-int" style="min-width:{before:g}ch">'
            f'{begin}</span><span style="min-width:{after:g}ch">{end}</span></span>'
        )
    return written


def _after(numeral: doc.Numeral) -> float:
    """How wide a numeral is from its point on, in widths of a digit."""
    power = 3 + 0.65 * len(raised(numeral)) if raised(numeral) else 0
    point = 0.5 if numeral.digits.decimals and not numeral.over else 0.0
    return round(len(at_point(numeral)[1]) - point + 0.2 + power, 2)


def _answers(spaces: Sequence[doc.AnswerSpace], spelling: Spelling) -> str:
    rows = []
    for space in spaces:
        rows.append(
            f"<div>{formula_pieces(space.left, spelling)} {mathml.math(Operator('='))}</div>"
            f'<div class="bp-room"></div><code class="bp-key">{escape(space.name)}</code>\n'
        )
        rows.append('<div></div><div class="bp-room"></div><div></div>\n' * (space.lines - 1))
    return f'<div class="bp-answer">\n{"".join(rows)}</div>\n'
