"""Markdown with `$…$` that reads the same on GitHub and in Jupyter.

Both hand the mathematics to MathJax, but GitHub first drops backslashes before punctuation and
Jupyter cuts the text at every `$`. So formulas are written with commands in letters only, and
no dollar sign of the text is left standing by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby, takewhile
from math import inf
from typing import assert_never

from backprop_cli.formula import latex
from backprop_cli.formula.characters import visible
from backprop_cli.formula.layout import Node
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.notation import stacked
from backprop_cli.formula.shape import by_shape
from backprop_cli.formula.spelling import Spelling
from backprop_cli.render import mermaid
from backprop_cli.render.plot import plot
from backprop_cli.render.reading import CALLOUT_WORD, full_rows, set_in, spoken, titled_blocks
from backprop_cli.render.wide import IN_CELL, aligned_rows, narrowed, width
from backprop_cli.worksheet import document as doc

PLOT_WIDTH = 72


def render(document: doc.Document) -> str:
    """The document as Markdown, ending with a line break."""
    blocks = [_block(block, document.spelling) for block in titled_blocks(document)]
    return "\n\n".join(block for block in blocks if block) + "\n"


# Text

_ENTITIES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "\\": "&#92;",
    "$": "<span>$</span>",
}
_MARKED = frozenset("`*_[]|~^{}")
_APART = "<!-- -->"


def begun(written: str) -> str:
    """What is written, so that it begins no list, heading or rule: those only begin a line."""
    blanks = "".join(takewhile(str.isspace, written))
    digits = "".join(takewhile(str.isdecimal, written[len(blanks) :]))
    place = len(blanks + digits)
    sign = written[place : place + 1]
    begins = bool(sign) and sign in (".)" if digits else "-+#=")
    return f"{written[:place]}\\{written[place:]}" if begins else written


def escape(text: str) -> str:
    """Text that Markdown shows as it is, inside a table too."""
    text = visible(text)
    return "".join(
        _apart(text, place) + (_ENTITIES.get(c) or (f"\\{c}" if c in _MARKED else c))
        for place, c in enumerate(text)
    )


def _apart(text: str, place: int) -> str:
    """A comment between what would become something else: an address a link, `@name` a person, `#1`
    an issue, `:name:` a picture, and `::error::` a command of a build log."""
    before, here = text[place - 1 : place] or " ", text[place]
    starts_name = here.isalnum() or here == "_"
    match before:
        case "@" if starts_name:
            return _APART
        case "#" if here.isdecimal():
            return _APART
        case ":" if here == ":" or _is_shortcode(text, place):
            return _APART
        case _ if here == ":" and text[place + 1 : place + 3] == "//":
            return _APART if before.isalnum() or before == "_" else ""
        case _ if here == "." and text[max(0, place - 3) : place].lower() == "www":
            return _APART
        case _:
            return ""


def _is_shortcode(text: str, place: int) -> bool:
    """Whether a `:` and a word follow each other up to another `:`."""
    word = takewhile(lambda c: c.isalnum() or c in "_+-", text[place : place + 40])
    end = place + len(list(word))
    return end > place and text[end : end + 1] == ":"


_PLAIN_CODE = frozenset(" /.,()=+'-_")


def _code(text: str) -> str:
    text = visible(text)
    if text.strip() == text != "" and all(c.isalnum() or c in _PLAIN_CODE for c in text):
        return f"`{text}`"
    return f"<code>{escape(text)}</code>"


# Formulas

DIALECT = latex.Dialect(
    signs={**latex.SIGNS, "thin": r"\thinspace ", "matmul": r"\thinspace ", "<": r" \lt ", ">": r" \gt "},
    escapes={
        **latex.ESCAPES, "_": r"\char95 ", "#": r"\char35 ", "&": r"\char38 ", "%": r"\char37 ",
        "$": r"\char36 ", "{": r"\lbrace ", "}": r"\rbrace ", "*": r"\ast ",
    },
    new_row=r" \cr ",
    bar=r"\vert ",
)  # fmt: skip
"""Commands in letters only, and no sign that means something else in Markdown."""


def tex(node: Node) -> str:
    """LaTeX as both readers take it."""
    return " ".join(latex.spell(node, DIALECT).split())


@by_shape(stacked, tex, width, between=" ")
def formula_tex(formula: Formula, spelling: Spelling, most: float = inf) -> str:
    return tex(stacked(spelling).node(narrowed(formula, spelling, most)))


def inline(line: doc.Line, spelling: Spelling, most: float = inf) -> str:
    parts = set_in(line, _words, lambda formula: f"${formula_tex(formula, spelling, most)}$")
    return begun("".join(parts))


MARKS = {"plain": "", "strong": "**", "emphasis": "*"}


def _words(text: str, style: str) -> str:
    if style == "code":
        return _code(text)
    written = escape(text)
    bare = written.strip()
    if not MARKS[style] or not bare:
        return written
    # Marks hold only where they touch a letter: blanks go outside.
    before = written[: len(written) - len(written.lstrip())]
    after = written[len(written.rstrip()) :]
    return f"{before}{MARKS[style]}{bare}{MARKS[style]}{after}"


# Blocks


def _block(block: doc.Block, spelling: Spelling) -> str:
    match block:
        case doc.Heading(level, text):
            return f"{'#' * level} {inline(text, spelling)}"
        case doc.Paragraph(text):
            return inline(text, spelling)
        case doc.Bullets(items):
            return "\n".join(f"- {inline(item, spelling)}" for item in items)
        case doc.Listing(lines, language):
            shown = "\n".join(visible(line) for line in lines.splitlines())
            return _fenced("".join(filter(str.isalnum, language)), shown)
        case doc.Table():
            return _table(block, spelling)
        case doc.Derivation(lines):
            return _derivation(lines, spelling)
        case doc.Callout(kind, text):
            return f"> **{CALLOUT_WORD[kind]}:** {inline(text, spelling)}"
        case doc.Curve():
            drawn = _fenced(
                "text", "\n".join(plot(block, partial(spoken, spelling=spelling), width=PLOT_WIDTH))
            )
            return _picture(block, drawn, spelling)
        case doc.Diagram():
            drawn = _fenced("mermaid", "\n".join(mermaid.lines(block, spelling)))
            return _picture(block, drawn, spelling)
        case doc.HeatMap():  # the same numbers stand in a matrix; framed ones are said in words
            return _emphasised(block.description, spelling)
        case doc.Answers(spaces):
            return _answers(spaces, spelling)
        case _:
            assert_never(block)


def _table(table: doc.Table, spelling: Spelling) -> str:
    rules = {"left": ":---", "right": "---:", "decimal": "---:"}
    rows = [
        [inline(column.heading, spelling) for column in table.columns],
        [rules[column.align] for column in table.columns],
    ]
    for row in full_rows(table):
        rows.append([inline(cell, spelling, IN_CELL) for cell in row])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    caption = f"*{inline(table.caption, spelling).strip()}*\n\n" if table.caption else ""
    return caption + "\n".join(lines)


def _derivation(lines: Sequence[doc.DerivationLine], spelling: Spelling) -> str:
    body = " \\cr\n".join(aligned_rows(lines, spelling, tex, _harmless))
    return f"$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$"


def _harmless(text: str) -> str:
    """Inside `\\text` only letters, digits and harmless signs are safe in every reader."""
    safe = (c if c.isalnum() or c in " .,:;()/+=−'-" else " " for c in visible(text))
    return f"\\text{{{''.join(safe)}}}"


def _emphasised(line: doc.Line, spelling: Spelling, mark: str = "*") -> str:
    """The line set off, if it is of words alone: marks do not go round a formula."""
    words = inline(line, spelling).strip()
    plain = all(isinstance(part, doc.Text) for part in line)
    return f"{mark}{words}{mark}" if plain and words else words


def _picture(picture: doc.Curve | doc.Diagram, drawn: str, spelling: Spelling) -> str:
    """A picture in a code block between its title and its description."""
    title = _emphasised(picture.title, spelling, "**")
    parts = [title, drawn, _emphasised(picture.description, spelling)]
    return "\n\n".join(filter(None, parts))


def _fenced(language: str, content: str) -> str:
    """A code block whose fence is longer than any run of its sign inside."""
    longest = max((len(list(run)) for sign, run in groupby(content) if sign == "`"), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{content}\n{fence}"


def _answers(spaces: Sequence[doc.AnswerSpace], spelling: Spelling) -> str:
    lines = []
    for space in spaces:
        lines.append(f"${formula_tex(space.left, spelling)} =$ {'_' * 24} ({_code(space.name)})")
        lines.extend(["&nbsp;"] * (space.lines - 1))
    return "\n\n".join(lines)
