r"""LaTeX mathematics (with amsmath): `w^{(2)}_{11} \cdot x_1`, `\frac{\partial L}{\partial \hat{y}}`.

The result stands between `$` signs or in a display; it holds no line break and no `&` outside
`cases` and `bmatrix`. Unknown names are escaped, so nothing in them is a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import assert_never

from backprop_cli.dataclass import dataclass
from backprop_cli.formula import layout as tree
from backprop_cli.formula.characters import visible
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.notation import letters, stacked
from backprop_cli.formula.shape import by_digits, by_shape
from backprop_cli.formula.spelling import GREEK, Spelling

COMMANDS = {letter: "\\" + word for word, letter in GREEK.items()}
COMMANDS["ε"] = r"\varepsilon"
_WORDS = {"∂": r"\partial ", "∂²": r"\partial^2 ", "T": r"\mathsf{T}", "½": r"\frac{1}{2}"}
SIGNS: Mapping[str, str] = {
    "negative": "-", "+": " + ", "−": " - ", "·": r" \cdot ", "beside": "", "thin": r"\,", "/": "/",
    "correlation": r" \ast ", "full": r" \mathbin{\ast_{\mathrm{full}}} ",
    "hadamard": r" \odot ", "matmul": r"\,", "wide": r"\quad ", ",": ", ", "if": r" \text{ if } ",
    "else": r" \text{ else } ", "<": " < ", "<=": r" \le ", ">": " > ", ">=": r" \ge ",
    "==": " = ", "!=": r" \ne ", "=": " = ", "≈": r" \approx ", "→": r" \to ", "≥": r" \ge ",
    "≤": r" \le ",
}  # fmt: skip
ESCAPES: Mapping[str, str] = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Dialect:
    """What a reader of LaTeX wants written in its own way."""

    signs: Mapping[str, str] = field(default_factory=lambda: SIGNS)
    escapes: Mapping[str, str] = field(default_factory=lambda: ESCAPES)
    new_row: str = r" \\ "
    bar: str = "|"
    brackets: tuple[str, str] = (r"\left(", r"\right)")  # round what is tall


LATEX = Dialect()
FIXED = Dialect(brackets=(r"\Bigl(", r"\Bigr)"))
"""Brackets of a fixed size: TeX never breaks a line between `\\left` and `\\right`."""


def escape(text: str, dialect: Dialect = LATEX) -> str:
    r"""Any text for use inside `\text{…}`; what LaTeX has no letter for is a question mark."""
    return "".join(
        dialect.escapes[char] if char in dialect.escapes
        else rf"\ensuremath{{{COMMANDS[char]}}}" if char in COMMANDS
        else char if ord(char) < 0x250 else "?"
        for char in visible(text)
    )  # fmt: skip


def word(text: str, dialect: Dialect = LATEX) -> str:
    """A name of letters, upright if it is more than one; Greek as its command."""
    if text in COMMANDS:
        return COMMANDS[text]
    if len(text) == 1 and text.isascii() and text.isalpha():
        return text
    if text.isascii() and text.isalpha():
        return rf"\mathrm{{{text}}}"
    return words(text, dialect)


def words(text: str, dialect: Dialect = LATEX) -> str:
    """Any text in a formula."""
    return rf"\text{{{escape(text, dialect)}}}"


@by_digits
def named(name: tree.Named, dialect: Dialect) -> str:
    return spell(letters(name, stacked=True), dialect)


def spell(node: tree.Node, dialect: Dialect = LATEX) -> str:
    match node:
        case tree.Digits(_, _, power):
            if power is None:
                return node.mantissa
            return rf"{node.mantissa or '{}'} \times 10^{{{power}}}"
        case tree.Named():
            return named(node, dialect)
        case tree.Word():
            return _word(node, dialect)
        case tree.Operator(sign):
            return dialect.signs[sign]
        case tree.Row(parts):
            return "".join([spell(part, dialect) for part in parts])
        case tree.Called(function):
            return function.latex
        case tree.Fence():
            return _fence(node, dialect)
        case tree.Fraction(above, below):
            return rf"\frac{{{spell(above, dialect)}}}{{{spell(below, dialect)}}}"
        case tree.Script(base, below, above):
            raised = "" if above is None else f"^{_braced(spell(above, dialect))}"
            lowered = "" if below is None else f"_{_braced(spell(below, dialect))}"
            written = spell(base, dialect)
            twice = isinstance(base, tree.Script) and base.above is not None and above is not None
            return (f"{{{written}}}" if twice else written) + raised + lowered
        case tree.Grid(kind, rows):
            return _grid(kind, rows, dialect)
        case tree.Under(base, sides):
            shape = r" \times ".join(_word(side, dialect) for side in sides)
            return rf"\underset{{{shape}}}{{{spell(base, dialect)}}}"
        case tree.Blank(unseen):
            return rf"\phantom{{{spell(unseen, dialect)}}}"
        case _:
            assert_never(node)


def _braced(text: str) -> str:
    return text if len(text) == 1 else f"{{{text}}}"


def _word(node: tree.Word, dialect: Dialect) -> str:
    text, kind, accent = node
    match kind:
        case "letter" | "typed":
            written = word(text, dialect)
            if accent == "hat":
                return rf"\widehat{{{written}}}" if len(text) > 1 else rf"\hat{{{written}}}"
            return rf"\tilde{{{written}}}" if accent else written
        case "index":
            return word(GREEK.get(text, text), dialect)
        case "number":
            return text
        case "mark":
            return rf"\mathrm{{{text}}}"
        case "sign":
            return _WORDS.get(text, text)
        case _:
            assert_never(kind)


def _fence(fence: tree.Fence, dialect: Dialect) -> str:
    inside = spell(fence.inside, dialect)
    match fence.kind:
        case "root":
            return rf"\sqrt{{{inside}}}"
        case "abs":
            return rf"\left{dialect.bar}{inside}\right{dialect.bar}"
        case "indicator" | "of":
            return rf"\left[{inside}\right]"
        case "square" | "sample" | "entries":
            return f"[{inside}]"
        case "group" | "call" if tree.is_tall(fence.inside):
            return f"{dialect.brackets[0]}{inside}{dialect.brackets[1]}"
        case "group" | "call" | "layer":
            return f"({inside})"
        case _:
            assert_never(fence.kind)


def _grid(kind: str, rows: tuple[tuple[tree.Node, ...], ...], dialect: Dialect) -> str:
    if kind == "matrix":
        written = [[spell(entry, dialect) for entry in entries] for entries in tree.at_points(rows)]
        body = dialect.new_row.join(map(" & ".join, written))
        return rf"\begin{{bmatrix}} {body} \end{{bmatrix}}"
    written = [[spell(entry, dialect) for entry in entries] for entries in rows]
    lines = [rf"{then} & \text{{if }} {condition}" for then, condition in written[:-1]]
    body = dialect.new_row.join([*lines, rf"{written[-1][0]} & \text{{otherwise}}"])
    return rf"\begin{{cases}} {body} \end{{cases}}"


@by_shape(stacked, spell)
def write(formula: Formula, spelling: Spelling | None = None) -> str:
    """The formula as LaTeX for math mode."""
    return spell(stacked(spelling).node(formula))
