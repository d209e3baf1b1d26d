"""MathML Core, as browsers draw it without a script: `<msubsup>`, `<mfrac>`, `<mover>`.

`math` gives a whole `<math>` element whose child is one `<mrow>`. Browsers break lines only
between `<math>` elements, so a long formula is best set as its pieces, each in one of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import assert_never

from backprop_cli.formula import layout as tree
from backprop_cli.formula import unicode
from backprop_cli.formula.characters import visible
from backprop_cli.formula.functions import Function, spelled
from backprop_cli.formula.notation import COMMA, letters
from backprop_cli.formula.shape import by_digits
from backprop_cli.formula.spelling import GREEK, Derivative

SIGNS: dict[str, str] = {
    "negative": '<mo form="prefix">−</mo>', "+": '<mo form="infix">+</mo>',
    "−": '<mo form="infix">−</mo>', "·": "<mo>·</mo>", "beside": "",
    "thin": '<mspace width="0.2em"></mspace>', "/": "<mo>/</mo>", "correlation": "<mo>∗</mo>", "full": "<msub><mo>∗</mo><mtext>full</mtext></msub>",
    "hadamard": "<mo>⊙</mo>",
    "matmul": '<mspace width="0.15em"></mspace>', "wide": '<mspace width="0.5em"></mspace>',
    ",": "<mo>,</mo>",
    "if": "<mtext>&#xA0;if&#xA0;</mtext>", "else": "<mtext>&#xA0;else&#xA0;</mtext>",
    "<": "<mo>&lt;</mo>", "<=": "<mo>≤</mo>", ">": "<mo>&gt;</mo>", ">=": "<mo>≥</mo>",
    "==": "<mo>=</mo>", "!=": "<mo>≠</mo>",
    **{sign: f'<mo form="infix">{sign}</mo>' for sign in "=≈→≥≤"},
}  # fmt: skip
_WORDS = {
    "∂²": "<msup><mo>∂</mo><mn>2</mn></msup>",
    "T": '<mi mathvariant="normal">T</mi>',
    "½": "<mfrac><mn>1</mn><mn>2</mn></mfrac>",
}
APPLY = "<mo>\u2061</mo>"
_ACCENTS = {"hat": "^", "tilde": "~"}
_ENDS = {"indicator": "[]", "square": "[]", "of": "[]", "sample": "[]", "entries": "[]"}


def math(*nodes: tree.Node) -> str:
    """Nodes in one element that a browser never breaks."""
    return element(map(inside_of, nodes))


def element(parts: Iterable[str]) -> str:
    return f"<math><mrow>{''.join(parts)}</mrow></math>"


LONG = 30
"""Signs in a line of text of a piece that stays whole even on a phone."""
_CUT = frozenset(("+", "−", "·", "hadamard", "correlation", "full", "beside"))


def broken(node: tree.Node) -> str:
    """The formula as elements between which a line may be broken: before its outermost operators,
    and inside the brackets of what is still too long."""
    if isinstance(node, tree.Named) or not is_long(node):
        return math(node)
    found: list[str] = []
    for piece in tree.pieces(node):
        found += map(element, _opened(piece)) if is_long(piece) else [math(piece)]
    return "".join(found)


def _opened(node: tree.Node) -> list[list[str]]:
    """A long row in pieces. Only brackets are opened: a fraction or a root stays whole."""
    found: list[list[str]] = [[]]

    def walk(node: tree.Node) -> None:
        match node:
            case tree.Row(parts):
                for part in parts:
                    if (
                        isinstance(part, tree.Operator)
                        and part.sign in _CUT
                        and part.cost < tree.NEVER
                    ):
                        found.append([])
                    walk(part)
                    if part == COMMA:
                        found.append([])
            case tree.Fence("group" | "call" | "indicator", inside):
                if node.kind == "call":
                    found[-1].append(APPLY)
                begin, at = found[-1], len(found[-1])
                walk(inside)
                tall = tree.is_tall(inside)
                left, right = bracket(node, 0, tall), bracket(node, 1, tall)
                if begin is found[-1]:
                    begin[at:] = [_between(left, "".join(begin[at:]), right, tall)]
                else:  # in two halves, either as tall as the whole
                    strut = _strut(inside) if tall else ""
                    begin[at:] = [_between(left, strut + "".join(begin[at:]), "", tall)]
                    found[-1][:] = [_between("", strut + "".join(found[-1]), right, tall)]
            case tree.Script(tree.Fence("group") as base, None, above) if above is not None:
                walk(base)
                found[-1][-1] = f"<msup>{found[-1][-1]}{spell(above)}</msup>"
            case _:
                found[-1].append(spell(node))

    walk(node)
    return [piece for piece in found if piece]


def _height(node: tree.Node) -> int:
    """How many lines high it is, about."""
    match node:
        case tree.Fraction(above, below):
            return _height(above) + _height(below)
        case tree.Grid(_, rows):
            return sum(max(map(_height, entries)) for entries in rows)
        case tree.Under(base):
            return _height(base) + 1
        case tree.Named(glyph):
            return 1 + isinstance(glyph, Derivative)
        case _:
            return max(map(_height, tree.parts_of(node)), default=1)


def _strut(inside: tree.Node) -> str:
    """The height of the tallest that is side by side, without its width."""
    tallest = max(tree.within(inside), key=_height)
    return f'<mpadded width="0"><mphantom>{spell(tallest)}</mphantom></mpadded>'


def _between(left: str, inside: str, right: str, tall: bool) -> str:
    """What stands between brackets, or behind or before one of them. Round what is tall the style
    of a page draws them, where the browser has no font to stretch them by."""
    sides = "tall" if left and right else "tall left" if left else "tall right"
    kind = f' class="{sides}"' if tall else ""
    return f"<mrow{kind}>{left}{inside}{right}</mrow>"


def is_long(node: tree.Node) -> bool:
    """Whether it is wider than a phone, by its signs in a line of text."""
    return len(unicode.spell(node)) > LONG


def inside_of(node: tree.Node) -> str:
    """A node that stands in a row already."""
    return "".join(map(spell, node.parts)) if isinstance(node, tree.Row) else spell(node)


@by_digits
def named(name: tree.Named) -> str:
    return spell(letters(name, stacked=True))


def spell(node: tree.Node) -> str:
    """One element, or the sign before one."""
    match node:
        case tree.Digits(_, _, power):
            return _number(node.mantissa, power)
        case tree.Named():
            return named(node)
        case tree.Word(text, kind, accent):
            written = _word(text, kind)
            if not accent:
                return written
            mark = f'<mo stretchy="false">{_ACCENTS[accent]}</mo>'
            return f'<mover accent="true">{written}{mark}</mover>'
        case tree.Operator(sign):
            return SIGNS[sign]
        case tree.Row(parts):
            return f"<mrow>{''.join(map(spell, parts))}</mrow>"
        case tree.Called(function):
            return _function(function)
        case tree.Fence():
            return _fence(node)
        case tree.Fraction(above, below):
            return f"<mfrac>{spell(above)}{spell(below)}</mfrac>"
        case tree.Script(base, below, None) if below is not None:
            return f"<msub>{spell(base)}{spell(below)}</msub>"
        case tree.Script(base, None, above) if above is not None:
            return f"<msup>{spell(base)}{spell(above)}</msup>"
        case tree.Script(base, below, above):
            scripts = "".join(spell(part) for part in (below, above) if part is not None)
            return f"<msubsup>{spell(base)}{scripts}</msubsup>"
        case tree.Grid(kind, rows):
            return _grid(kind, rows)
        case tree.Under(base, sides):
            shape = "<mo>×</mo>".join(map(spell, sides))
            return f"<munder>{spell(base)}<mrow>{shape}</mrow></munder>"
        case tree.Blank(unseen):
            return f"<mphantom>{spell(unseen)}</mphantom>"
        case _:
            assert_never(node)


def _number(mantissa: str, power: int | None) -> str:
    written = f"<mn>{escape(mantissa)}</mn>"
    if power is None:
        return written
    raised = f"<mn>{abs(power)}</mn>"
    raised = f"<mrow><mo>−</mo>{raised}</mrow>" if power < 0 else raised
    return f"<mrow>{written}<mo>×</mo><msup><mn>10</mn>{raised}</msup></mrow>"


def _word(text: str, kind: str) -> str:
    if kind == "mark":
        return f"<mtext>{text}</mtext>"
    if kind == "sign":
        return _WORDS.get(text) or f"<mo>{text}</mo>"
    if kind == "number":
        return f"<mn>{text}</mn>"
    # One letter is set in italics, a word upright.
    return f"<mi>{escape(visible(GREEK.get(text, text)))}</mi>"


def _function(function: Function) -> str:
    """σ′ with its prime raised as an operator, so that it is not slanted with the letter."""
    if function.of:
        return f"<msup>{_function(spelled(function.of))}<mo>′</mo></msup>"
    return f"<mi>{escape(function.unicode)}</mi>"


def _fence(fence: tree.Fence) -> str:
    match fence.kind:
        case "root":
            return f"<msqrt>{inside_of(fence.inside)}</msqrt>"
        case "abs":
            inside = inside_of(fence.inside)
            return f'<mrow><mo form="prefix">|</mo>{inside}<mo form="postfix">|</mo></mrow>'
        case "layer" | "square":
            ends = _ENDS.get(fence.kind, "()")
            left, right = (f'<mo stretchy="false">{sign}</mo>' for sign in ends)
            return f"<mrow>{left}{inside_of(fence.inside)}{right}</mrow>"
        case _:
            tall = tree.is_tall(fence.inside)
            apply = APPLY if fence.kind == "call" else ""
            begin, end = bracket(fence, 0, tall), bracket(fence, 1, tall)
            return apply + _between(begin, inside_of(fence.inside), end, tall)


def bracket(fence: tree.Fence, side: int, tall: bool) -> str:
    """The opening (0) or closing (1) bracket, which grows only round what is tall."""
    stretchy = "true" if tall else "false"
    form = ("prefix", "postfix")[side]
    sign = _ENDS.get(fence.kind, "()")[side]
    return f'<mo form="{form}" stretchy="{stretchy}">{sign}</mo>'


def _grid(kind: str, rows: tuple[tuple[tree.Node, ...], ...]) -> str:
    if kind == "matrix":
        body = "".join(
            f"<mtr>{''.join(f'<mtd>{spell(entry)}</mtd>' for entry in entries)}</mtr>"
            for entries in tree.at_points(rows)
        )
        return f'<mrow class="matrix"><mo>[</mo><mtable>{body}</mtable><mo>]</mo></mrow>'
    lines = [
        _case(spell(then), f"<mtext>if&#xA0;</mtext>{inside_of(condition)}")
        for then, condition in rows[:-1]
    ]
    lines.append(_case(spell(rows[-1][0]), "<mtext>otherwise</mtext>"))
    brace = '<mo form="prefix" stretchy="true">{</mo>'
    return f'<mrow class="cases">{brace}<mtable>{"".join(lines)}</mtable></mrow>'


def _case(then: str, condition: str) -> str:
    cell = '<mtd style="text-align: left">'
    return f"<mtr>{cell}{then}</mtd>{cell}<mrow>{condition}</mrow></mtd></mtr>"
