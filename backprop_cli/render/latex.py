"""LaTeX that any TeX distribution compiles: article, amsmath, geometry, booktabs, longtable.

The output is ASCII. Long formulas stay in text style, where TeX itself breaks lines before the
operators of the outermost level; curves and networks are drawn in LaTeX's own picture mode.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import assert_never

from backprop_cli.diagnostics import spelled
from backprop_cli.formula import latex, unicode
from backprop_cli.formula.characters import visible
from backprop_cli.formula.layout import Operator, is_tall, pieces
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.notation import in_line, stacked
from backprop_cli.formula.shape import by_shape
from backprop_cli.formula.spelling import LATIN, Spelling
from backprop_cli.render import picture
from backprop_cli.render.breaking import cells, narrowed_to
from backprop_cli.render.reading import (
    CALLOUT_WORD,
    KEPT_TOGETHER,
    aligned,
    alone,
    at_point,
    full_rows,
    set_in,
    titled_blocks,
)
from backprop_cli.render.wide import IN_CELL, IN_LINE, line_width, narrow_cell, narrowed, width
from backprop_cli.worksheet import document as doc

PAPERS = {"letter": "letterpaper", "us-letter": "letterpaper", "letterpaper": "letterpaper"}
PREAMBLE = r"""
\usepackage[margin=20mm]{geometry}
\usepackage{amsmath,amssymb}
\usepackage{booktabs,longtable,array}
\setlength{\parindent}{0pt}\setlength{\parskip}{0.5\baselineskip}
\setlength{\emergencystretch}{3em}\raggedbottom\allowdisplaybreaks
\binoppenalty=600 \relpenalty=300 % rather before an operator, where \allowbreak stands
% A line of a derivation: left side, sign, right side (it goes on behind the sign), label.
\newlength{\bpleft}
\newcommand{\bpstep}[3]{\par{\raggedright\hangindent=\dimexpr\bpleft+4em\relax\hangafter=1
  \makebox[\bpleft][r]{#1}\makebox[2em]{#2}#3\par}}
\newcommand{\bplabelled}[4]{\bpstep{#1}{#2}{#3\hfil\penalty0\hspace{1.5em}\hbox{}\nobreak\hfill{\small #4}}}
\newcommand{\bpnote}[2]{\par\medskip\noindent\begin{tabular}{@{}!{\vrule width 2pt}@{\hspace{0.8em}}p{0.93\linewidth}@{}}
  \textbf{#1:} #2\end{tabular}\par\medskip}
\renewcommand{\arraystretch}{1.25}
\newcommand{\bptall}{\rule[-2.2ex]{0pt}{5.6ex}}
\newcolumntype{L}[1]{>{\raggedright\arraybackslash}p{#1}}
"""

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}", "'": "'", "-": "-{}", "−": "$-$", "–": "--", "—": "---",
    "·": r"$\cdot$", "×": r"$\times$", "÷": r"$\div$", "≈": r"$\approx$", "≤": r"$\le$",
    "≥": r"$\ge$", "≠": r"$\ne$", "→": r"$\to$", "←": r"$\leftarrow$", "∂": r"$\partial$",
    "∇": r"$\nabla$", "∞": r"$\infty$", "√": r"$\surd$", "⊙": r"$\odot$", "∘": r"$\circ$",
    "′": r"$'$", "…": r"\dots{}", "½": r"$\frac12$", "¼": r"$\frac14$", "±": r"$\pm$",
    "²": r"$^{2}$", "³": r"$^{3}$", "°": r"$^{\circ}$", "ᵀ": r"$^{\mathsf{T}}$", "•": r"\textbullet{}",
    "“": "``", "”": "''", "‘": "`", "’": "'", "∈": r"$\in$", "∑": r"$\sum$", "ß": r"\ss{}",
    "æ": r"\ae{}", "Æ": r"\AE{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}",
    "œ": r"\oe{}", "Œ": r"\OE{}", "ı": r"\i{}", "§": r"\S{}", "¶": r"\P{}", "©": r"\copyright{}",
    "¡": "!`", "¿": "?`", "«": "<<", "»": ">>", "✓": r"$\checkmark$", "\u00a0": "~",
}  # fmt: skip
_SPECIAL['"'] = "''"
_GREEK = {
    **LATIN, "ε": "varepsilon", "ς": "varsigma", "υ": "upsilon", "φ": "varphi", "Υ": "Upsilon",
    "µ": "mu",
}  # fmt: skip
_ACCENTS = {
    "\u0300": "\\`", "\u0301": "\\'", "\u0302": "\\^", "\u0303": "\\~", "\u0304": "\\=",
    "\u0306": "\\u", "\u0307": "\\.", "\u0308": '\\"', "\u030a": "\\r", "\u030b": "\\H",
    "\u030c": "\\v", "\u0323": "\\d", "\u0327": "\\c", "\u0328": "\\k", "\u0331": "\\b",
}  # fmt: skip
_LOWERED = "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎"
_SCRIPTS = {
    **dict(zip(_LOWERED, "0123456789+-=()", strict=True)),
    **dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾", "0123456789+-=()", strict=True)),
}
LONGEST_WORD = 24
BREAK = r"\allowbreak{}"


def escape(text: str) -> str:
    """Text for LaTeX in ASCII: what TeX's fonts lack is written as its code (`\\u4e2d`)."""
    return "".join(run if blank else _word(run) for blank, run in _runs(text))


def _kept(line: str) -> str:
    """A line of a listing, each of its blanks kept."""
    runs = _runs(line.rstrip())
    return "".join("~" * len(run) if blank else _letters(run) for blank, run in runs) or "~"


def _runs(text: str) -> Iterator[tuple[bool, str]]:
    """Blanks and words in turn."""
    for blank, run in groupby(unicodedata.normalize("NFC", visible(text)), str.isspace):
        yield blank, "".join(run)


def _word(word: str) -> str:
    """A word; TeX cannot hyphenate a very long one, so places to break are given."""
    if len(word) <= LONGEST_WORD:
        return _letters(word)
    step = LONGEST_WORD // 2
    pieces = [word[place : place + step] for place in range(0, len(word), step)]
    return BREAK.join(map(_letters, pieces))


def _letters(text: str) -> str:
    parts = []
    for kind, characters in groupby(text, _kind):
        run = "".join(characters)
        if kind == "line" and len(run) > 2:  # a line to write on
            parts.append(f"\\rule[-2pt]{{{min(len(run), 60) / 2:g}em}}{{0.4pt}}")
        elif kind == ":":  # a build log takes `::error::` for a command
            parts.append("{}".join(run))
        elif kind in ("_", "^"):
            parts.append(f"${kind}{{{''.join(_SCRIPTS[c] for c in run)}}}$")
        else:
            parts.append("".join(map(_character, run)))
    return "".join(parts)


def _kind(character: str) -> str:
    """What a run of such characters is: a subscript, a superscript, a line, colons, or letters."""
    if character in _SCRIPTS:
        return "_" if character in _LOWERED else "^"
    return {"_": "line", ":": ":"}.get(character, "")


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character
    if character in _GREEK:
        return f"$\\{_GREEK[character]}$"
    decomposed = unicodedata.normalize("NFD", character)
    if len(decomposed) == 2 and decomposed[0].isascii() and decomposed[1] in _ACCENTS:
        letter = {"i": "\\i", "j": "\\j"}.get(decomposed[0], decomposed[0])
        return f"{_ACCENTS[decomposed[1]]}{{{letter}}}"
    compatible = unicodedata.normalize("NFKC", character)
    if compatible != character and len(compatible) < 8:
        return "".join(map(_character, compatible))
    return _SPECIAL["\\"] + spelled(character)[1:]


def render(document: doc.Document, *, paper: str = "a4") -> str:
    """The document as one `.tex` file; `paper` is `a4` or `letter`."""
    size = PAPERS.get(paper.lower(), "a4paper")
    body = "\n".join(_block(block, document.spelling) for block in titled_blocks(document))
    head = f"\\documentclass[11pt,{size}]{{article}}{PREAMBLE}"
    return f"{head}\\begin{{document}}\n{body}\n\\end{{document}}\n"


def _block(block: doc.Block, spelling: Spelling) -> str:
    match block:
        case doc.Heading(level, text):
            command = {1: "section*", 2: "subsection*", 3: "subsubsection*"}[level]
            return f"\\{command}{{{inline(text, spelling)}}}\n"
        case doc.Paragraph(text):
            written = inline(text, spelling, DISPLAY if alone(text) else "")
            return f"{written}\\par\n"
        case doc.Bullets(items):
            rows = "".join(f"\\item {{}}{inline(item, spelling)}\n" for item in items)
            return f"\\begin{{itemize}}\n{rows}\\end{{itemize}}\n" if items else ""
        case doc.Listing(lines):
            rows = "\\\\{}\n".join(_kept(line) for line in lines.splitlines())
            return f"\\begin{{quote}}\\small\\ttfamily\\raggedright\n{rows}\n\\end{{quote}}\n"
        case doc.Table():
            return _table(block, spelling)
        case doc.Derivation(lines):
            return _derivation(lines, spelling)
        case doc.Callout(kind, text):
            return f"\\bpnote{{{CALLOUT_WORD[kind]}}}{{{inline(text, spelling)}}}\n"
        case doc.Curve() | doc.Diagram():
            return picture.draw(block, spelling, partial(inline, spelling=spelling))
        case doc.HeatMap():  # the same numbers stand in a matrix; framed ones are said in words
            return f"{{\\small {inline(block.description, spelling)}}}\\par\n"
        case doc.Answers(spaces):
            return _answers(spaces, spelling)
        case _:
            assert_never(block)


# Lines and formulas

DISPLAY = r"\displaystyle "
COMMANDS = {"plain": "", "strong": "textbf", "emphasis": "emph", "code": "texttt"}


def inline(line: doc.Line, spelling: Spelling, style: str = "") -> str:
    """A line of words and formulas, these in a `style`."""
    return "".join(
        set_in(line, _words, lambda formula: f"${style}{formula_tex(formula, spelling, IN_CELL)}$")
    )


def _words(text: str, style: str) -> str:
    if style == "code":  # names of quantities are long and have no blanks: they break at signs
        runs = groupby(text, "_/".__contains__)
        written = "".join(escape("".join(run)) + BREAK * sign for sign, run in runs)
    else:
        written = escape(text)
    return f"\\{COMMANDS[style]}{{{written}}}" if COMMANDS[style] else written


@by_shape(stacked, latex.spell, width, between=None)
def formula_tex(formula: Formula, spelling: Spelling, most: int = IN_LINE) -> str:
    """A formula for text style; TeX may break it between its pieces.

    In a long one the brackets have a fixed size: TeX never breaks between `\\left` and `\\right`.
    """
    wide = width(formula, spelling)
    node = stacked(spelling).node(formula)
    if wide <= WHOLE:
        return latex.spell(node)
    dialect = latex.FIXED if wide > most else latex.LATEX
    first, *rest = (latex.spell(piece, dialect) for piece in pieces(node))
    return first + "".join(r"\allowbreak " + piece.lstrip() for piece in rest)


# Blocks

ON_ONE_PAGE = 18  # rows of a table that is kept together; longer ones need a second run of TeX
WHOLE = 16  # a formula of so many characters is not broken
LINE = 88  # about so many characters stand on a line


def _derivation(lines: Sequence[doc.DerivationLine], spelling: Spelling) -> str:
    lefts = [line.left for line in lines if line.left is not None]
    widest = max(lefts, key=lambda left: width(left, spelling), default=None)
    own_line = widest is not None and width(widest, spelling) > LINE * 2 // 5
    indent = "2em" if own_line or widest is None else ""
    setting = (
        f"\\setlength{{\\bpleft}}{{{indent}}}"
        if indent or widest is None
        else f"\\settowidth{{\\bpleft}}{{$\\displaystyle {formula_tex(widest, spelling)}$}}"
    )
    steps = []
    for line in lines:
        left = f"$\\displaystyle {formula_tex(line.left, spelling)}$" if line.left else ""
        if own_line and left:
            steps.append(f"{{\\raggedright {left}\\par}}\\nopagebreak")
            left = ""
        formula = narrowed(line.right, spelling, IN_LINE)
        right = f"$\\displaystyle {formula_tex(formula, spelling)}$"
        step = f"{{{left}}}{{${latex.spell(Operator(line.sign)).strip()}$}}{{{right}}}"
        if line.label:
            steps.append(f"\\bplabelled{step}{{{inline(line.label, spelling)}}}")
        else:
            steps.append(f"\\bpstep{step}")
    # A short derivation is not torn apart by the end of a page.
    between = "\\nopagebreak\n" if len(steps) <= KEPT_TOGETHER else "\n"
    return "\\medskip{" + setting + "\n" + between.join(steps) + "}\n"


def _table(table: doc.Table, spelling: Spelling) -> str:
    columns = list(table.columns)
    rows = [[narrow_cell(cell, spelling) for cell in row] for row in full_rows(table)]
    lines = list(zip([column.heading for column in columns], *rows, strict=True))
    widths = [max(line_width(line, spelling) for line in each) for each in lines]
    least = [max(_least_width(line, spelling) for line in each) for each in lines]
    size, given = _fit(columns, widths, least)
    if given is None:
        return _records(table, rows, spelling)
    numerals = [
        column.align == "decimal" and any(aligned(row[n]) for row in rows)
        for n, column in enumerate(columns)
    ]
    spec, heads = [], []
    for place, column in enumerate(columns):
        heading = f"\\textbf{{{inline(column.heading, spelling)}}}" if column.heading else ""
        if numerals[place]:
            spec.append("r@{}l")
            heading = f"\\multicolumn{{2}}{{c}}{{{heading}}}"
        elif given[place]:
            spec.append(f"L{{{given[place]}\\linewidth}}")
        else:
            spec.append("l" if column.align == "left" else "r")
        heads.append(heading)
    caption = (
        f"\\emph{{{inline(table.caption, spelling)}}}\\par\\nopagebreak\n" if table.caption else ""
    )
    top = "\\toprule\n"
    if any(column.heading for column in columns):
        top += f"{' & '.join(heads)} \\\\\n\\midrule\n"
    body = "".join(
        " & ".join(_cell(cell, numerals[n], spelling) for n, cell in enumerate(row)) + " \\\\\n"
        for row in rows
    )
    columns_spec = f"{{@{{}}{''.join(spec)}@{{}}}}"
    if len(rows) <= ON_ONE_PAGE:
        return (
            f"{caption}{{{size}\\noindent\\begin{{tabular}}{columns_spec}\n{top}{body}"
            "\\bottomrule\n\\end{tabular}\\par}\\medskip\n"
        )
    return (
        f"{caption}{{{size}\\setlength{{\\LTpre}}{{4pt}}\\setlength{{\\LTpost}}{{6pt}}\n"
        f"\\begin{{longtable}}[l]{columns_spec}\n{top}\\endhead\n\\bottomrule\n\\endlastfoot\n"
        f"{body}\\end{{longtable}}}}\n"
    )


def _fit(
    columns: Sequence[doc.Column], widths: Sequence[int], least: Sequence[int]
) -> tuple[str, list[float] | None]:
    """The type size, and for each column its share of the line where it must be broken (else 0).

    `least` is how narrow each column can be made. No shares at all: the table does not fit.
    """
    for size, line in (("", LINE), ("\\small", 98), ("\\footnotesize", 110)):
        floors = {n: least[n] for n, column in enumerate(columns) if column.wrap}
        given = narrowed_to(line - 3 * len(columns), widths, floors)
        if given is not None:
            pairs = zip(given, widths, strict=True)
            return size, [round((own + 1) / line, 3) if own < all_ else 0.0 for own, all_ in pairs]
    return "", None


def _least_width(line: doc.Line, spelling: Spelling) -> int:
    """How narrow a cell can be made: as its longest piece."""
    least = [8]
    for part in line:
        match part:
            case doc.Text(text):
                least.extend(map(cells, text.split()))
            case doc.Math() | doc.Relation():
                node = in_line(spelling).node(part.formula)
                least.extend(cells(unicode.spell(piece)) for piece in pieces(node))
            case doc.Numeral():
                least.append(line_width((part,), spelling))
            case _:
                assert_never(part)
    return max(least) + 2


def _records(table: doc.Table, rows: Sequence[Sequence[doc.Line]], spelling: Spelling) -> str:
    items = []
    for row in rows:
        cells = [
            (f"\\textbf{{{inline(c.heading, spelling)}:}} " if c.heading else "")
            + inline(cell, spelling)
            for c, cell in zip(table.columns, row, strict=True)
            if cell
        ]
        items.append("\\item[] {\\raggedright " + "\\par ".join(cells) + "\\par}\n")
    return f"\\begin{{itemize}}\n{''.join(items)}\\end{{itemize}}\n" if items else ""


def _cell(line: doc.Line, decimal: bool, spelling: Spelling) -> str:
    if not decimal:
        formula = alone(line)
        tall = formula is not None and is_tall(stacked(spelling).node(formula))
        return rf"\bptall {inline(line, spelling, DISPLAY)}" if tall else inline(line, spelling)
    numeral = aligned(line)
    if numeral is None:
        return f"\\multicolumn{{2}}{{r}}{{{inline(line, spelling)}}}"
    before = (
        rf"\approx{'  -' if numeral.negative else '  '}"
        if numeral.rounded
        else "-" * numeral.negative
    )
    whole, _, ten = numeral.digits
    power = "" if ten is None else rf"$\times 10^{{{ten}}}$"
    after = at_point(numeral)[1]
    if after and not numeral.over:
        after = f"${after}$"
    return f"${before}{whole}$ & {after}{power}"


def _answers(spaces: Sequence[doc.AnswerSpace], spelling: Spelling) -> str:
    widest = max((space.left for space in spaces), key=lambda left: width(left, spelling))
    rows = []
    for space in spaces:
        key = inline((doc.Text(space.name, "code"),), spelling)
        left = f"$\\displaystyle {formula_tex(space.left, spelling)}$"
        rows.append(
            f"\\makebox[\\bpleft][l]{{{left}}} $=$ \\hrulefill\\quad {{\\small {key}}}\\par"
        )
        rows.extend(["\\hspace*{\\bpleft} \\phantom{$=$} \\hrulefill\\par"] * (space.lines - 1))
    return (
        f"{{\\settowidth{{\\bpleft}}{{$\\displaystyle {formula_tex(widest, spelling)}$}}"
        "\\setlength{\\parskip}{1.1\\baselineskip}\n" + "\n".join(rows) + "}\n"
    )
