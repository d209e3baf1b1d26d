"""Markdown with `$…$` that reads the same on GitHub and in Jupyter.

Both hand the mathematics to MathJax, but GitHub first drops backslashes before punctuation and
Jupyter cuts the text at every `$`. So formulas are written with commands in letters only, and
no dollar sign of the text is left standing by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import assert_never

from rich.cells import cell_len

from backprop_cli.formula import latex, unicode
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.spelling import Spelling
from backprop_cli.render import mermaid
from backprop_cli.render.escape import visible
from backprop_cli.render.plot import plot
from backprop_cli.render.reading import CALLOUT_WORD, Answers, grouped, titled_blocks
from backprop_cli.render.wide import IN_LINE, narrow_cell, narrowed
from backprop_cli.worksheet.document import (
    AnswerSpace,
    Block,
    Bullets,
    Callout,
    Curve,
    Derivation,
    DerivationLine,
    Diagram,
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

LINE = 64  # about so many characters of a formula stand on a line of an aligned block
PLOT_WIDTH = 72


def render(document: Document) -> str:
    """The document as Markdown, ending with a line break."""
    blocks = [_block(block, document.spelling) for block in grouped(titled_blocks(document))]
    return "\n\n".join(block for block in blocks if block) + "\n"


# Text

# Addresses would become links, `@name` a person, `#1` an issue, `:name:` a picture, and a build log
# takes `::error::` for a command: a comment in between keeps them apart.
_SPECIAL = re.compile(
    r"(?<=\w)(?=://)|(?<=[wW]{3})(?=\.)|(?<=@)(?=\w)|(?<=#)(?=\d)|(?<=:)(?=[\w+-]{1,40}:|:)"
)
_ENTITIES = {
    "\0": "<!-- -->",
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "\\": "&#92;",
    "$": "<span>$</span>",
}
_MARKED = frozenset("`*_[]|~^{}")
_LINE_START = re.compile(r"\A(\s*)(?:([-+#=])|(\d+)([.)]))")


def escape(text: str) -> str:
    """Text that Markdown shows as it is, inside a table too."""
    text = visible(text)
    if found := _LINE_START.match(text):
        # A list, a heading or a rule begins only at the beginning of a line.
        sign = found.end() - 1
        return escape_inside(text[:sign]) + "\\" + text[sign] + escape_inside(text[sign + 1 :])
    return escape_inside(text)


def escape_inside(text: str) -> str:
    """The same for text that does not begin a line."""
    parted = _SPECIAL.sub("\0", visible(text))
    return "".join(_ENTITIES.get(c) or (f"\\{c}" if c in _MARKED else c) for c in parted)


def _code(text: str) -> str:
    text = visible(text)
    if re.fullmatch(r"[\w /.,()=+'-]*[\w/.,()=+'-]", text) and text.strip() == text:
        return f"`{text}`"
    return f"<code>{escape_inside(text)}</code>"


# Formulas

_COMMANDS = {
    r"\,": r"\thinspace ", r"\;": r"\enspace ", r"\:": r"\enspace ", r"\!": "", r"\{": r"\lbrace ",
    r"\}": r"\rbrace ", r"\|": r"\Vert ", r"\\": r"\cr ", r"\ ": r"\enspace ", "|": r"\vert ",
    "<": r"\lt ", ">": r"\gt ", "*": r"\ast ", "~": " ", r"\_": r"\char95 ", r"\#": r"\char35 ",
    r"\&": r"\char38 ", r"\%": r"\char37 ", r"\$": r"\char36 ",
}  # fmt: skip
_COMMAND = re.compile(r"\\[^A-Za-z]|[|<>*~]")


def letters_only(tex: str) -> str:
    """LaTeX without backslashes before punctuation and without signs that mean something else."""
    return re.sub(r" +", " ", _COMMAND.sub(lambda found: _COMMANDS.get(found[0], " "), tex)).strip()


def formula_tex(formula: Formula, spelling: Spelling) -> str:
    return letters_only(latex.write(formula, spelling))


SIGNS = {"=": "=", "≈": r"\approx", "→": r"\to", "<": r"\lt", ">": r"\gt", "≥": r"\ge", "≤": r"\le", "+": "+", "−": "-"}  # fmt: skip


def inline(line: Line, spelling: Spelling) -> str:
    return "".join(_inline(line, spelling))


def _inline(line: Line, spelling: Spelling) -> Iterator[str]:
    for place, part in enumerate(line):
        match part:
            case Text(text, style):
                yield _text(text, style, begins=place == 0)
            case Math(formula):
                yield f"${formula_tex(formula, spelling)}$"
            case Relation(left, sign, right):
                yield f"${formula_tex(left, spelling)} {SIGNS[sign]} {formula_tex(right, spelling)}$"
            case _:
                assert_never(part)


def _text(text: str, style: str, *, begins: bool) -> str:
    if style == "code":
        return _code(text)
    written = escape(text) if begins else escape_inside(text)
    mark = {"plain": "", "strong": "**", "emphasis": "*"}[style]
    bare = written.strip()
    if not mark or not bare:
        return written
    # Marks hold only where they touch a letter: blanks go outside.
    before = written[: len(written) - len(written.lstrip())]
    after = written[len(written.rstrip()) :]
    return f"{before}{mark}{bare}{mark}{after}"


# Blocks


def _block(block: Block | Answers, spelling: Spelling) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {inline(text, spelling)}"
        case Paragraph(text):
            return inline(text, spelling)
        case Bullets(items):
            return "\n".join(f"- {inline(item, spelling)}" for item in items)
        case Listing(lines, language):
            shown = "\n".join(visible(line) for line in lines.splitlines())
            return _fenced(re.sub(r"\W", "", language), shown)
        case Table():
            return _table(block, spelling)
        case Derivation(lines):
            return _derivation(lines, spelling)
        case Callout(kind, text):
            return f"> **{CALLOUT_WORD[kind]}:** {inline(text, spelling)}"
        case Curve():
            return _curve(block)
        case Diagram():
            return _diagram(block, spelling)
        case AnswerSpace():
            return _answers((block,), spelling)
        case Answers(spaces):
            return _answers(spaces, spelling)
        case _:
            assert_never(block)


def _table(table: Table, spelling: Spelling) -> str:
    rules = {"left": ":---", "right": "---:", "decimal": "---:"}
    rows = [
        [inline(column.heading, spelling) for column in table.columns],
        [rules[column.align] for column in table.columns],
    ]
    for row in table.rows:
        cells = [inline(narrow_cell(cell, spelling), spelling) for cell in row]
        rows.append(cells + [""] * (len(table.columns) - len(cells)))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    caption = f"*{inline(table.caption, spelling).strip()}*\n\n" if table.caption else ""
    return caption + "\n".join(lines)


def _derivation(lines: Sequence[DerivationLine], spelling: Spelling) -> str:
    rows = []
    for line in lines:
        left = formula_tex(line.left, spelling) if line.left else ""
        pieces = broken(narrowed(line.right, spelling, IN_LINE), spelling)
        label = f" \\qquad {_label(line.label, spelling)}" if line.label else ""
        first, *rest = pieces
        row = f"{left} &{SIGNS[line.sign]} {first}"
        rows.append(row.strip())
        rows.extend(f"&\\quad {piece}" for piece in rest)
        rows[-1] += label
    body = " \\cr\n".join(rows)
    return f"$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$"


def _label(label: Line, spelling: Spelling) -> str:
    """A label inside a formula: words as `\\text`."""
    parts = []
    for part in label:
        match part:
            case Text(text):
                # Inside `\text` only letters, digits and harmless signs are safe in every reader.
                safe = re.sub(r"[^\w .,:;()/+=−'-]|_", " ", visible(text))
                parts.append(f"\\text{{{safe}}}")
            case Math(formula):
                parts.append(formula_tex(formula, spelling))
            case Relation(left, sign, right):
                parts.append(
                    f"{formula_tex(left, spelling)} {SIGNS[sign]} {formula_tex(right, spelling)}"
                )
            case _:
                assert_never(part)
    return " ".join(parts)


def broken(formula: Formula, spelling: Spelling) -> list[str]:
    """A formula in LaTeX on lines of about `LINE` characters."""
    pieces = [letters_only(piece) for piece in latex.pieces(formula, spelling)]
    widths = [cell_len(piece.strip()) for piece in unicode.Unicode(spelling).pieces(formula)]
    lines = [pieces[0]]
    used = widths[0]
    for piece, width in zip(pieces[1:], widths[1:], strict=True):
        if used + width > LINE:
            lines.append(piece)
            used = 0
        else:
            lines[-1] += f" {piece}"
        used += width
    return lines


def _curve(picture: Curve) -> str:
    lines = "\n".join(plot(picture, width=PLOT_WIDTH))
    parts = [f"**{escape_inside(picture.title).strip()}**" if picture.title.strip() else ""]
    parts.append(_fenced("text", lines))
    parts.append(
        f"*{escape_inside(picture.description).strip()}*" if picture.description.strip() else ""
    )
    return "\n\n".join(part for part in parts if part)


def _diagram(picture: Diagram, spelling: Spelling) -> str:
    parts = [f"**{escape_inside(picture.title).strip()}**" if picture.title.strip() else ""]
    parts.append(_fenced("mermaid", mermaid.diagram(picture, spelling).rstrip("\n")))
    parts.append(
        f"*{escape_inside(picture.description).strip()}*" if picture.description.strip() else ""
    )
    return "\n\n".join(part for part in parts if part)


def _fenced(language: str, content: str) -> str:
    """A code block whose fence is longer than any run of its sign inside."""
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{content}\n{fence}"


def _answers(spaces: Sequence[AnswerSpace], spelling: Spelling) -> str:
    lines = []
    for space in spaces:
        lines.append(f"${formula_tex(space.left, spelling)} =$ {'_' * 24} ({_code(space.name)})")
        lines.extend(["&nbsp;"] * (space.lines - 1))
    return "\n\n".join(lines)
