"""Mathematical characters as people type them, turned to plain text with every position kept; and
hostile ones made harmless, once for every notation and format.

Titles, notes and names come from files that anyone may have written. `visible` takes away every
character that a terminal, browser or typesetter would act on instead of showing; each format
then escapes its own syntax on top of it.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import spelled
from backprop_cli.formula.spelling import LATIN
from backprop_cli.patterns import pattern

_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-", strict=True))
_SAME = {
    **dict.fromkeys("×·⋅∙∗•", "*"),
    **dict.fromkeys("÷∕⁄", "/"),
    **dict.fromkeys("−–—‐‑﹣－", "-"),
    **dict.fromkeys("′’ʹ´‘", "'"),
    **dict.fromkeys("\u00a0\u2009\u200a\u202f\u2002\u2003\t\n\r", " "),
    "≤": "<=", "≥": ">=", "≠": "!=", "⩽": "<=", "⩾": ">=",
    "½": "(1/2)", "¼": "(1/4)", "¾": "(3/4)", "⅓": "(1/3)", "⅔": "(2/3)",
    "ϵ": "epsilon", "ϑ": "theta", "ϕ": "phi", "ε": "epsilon",
    "µ": "mu",
}  # fmt: skip
_LETTER_VARIANTS = ("ϵ", "ϑ", "ϕ", "µ")  # µ is the micro sign, which keyboards have
_COMBINING_HAT = "\u0302"
_LETTERS_OF_WORDS = pattern(r"[A-Za-z]\Z")

# w₁₃⁽²⁾ (or w⁽²⁾₁₃): the layer in small brackets, one digit an index unless commas part them.
_LAYERED = pattern(
    r"(?P<letter>[A-Za-zα-ωϵ])"
    r"(?:(?P<below>[₀-₉][₀-₉,]{0,20})⁽(?P<layer>[⁰¹²³⁴-⁹]{1,3})⁾"
    r"|⁽(?P<first>[⁰¹²³⁴-⁹]{1,3})⁾(?P<after>[₀-₉][₀-₉,]{0,20})?)"
)


@dataclass(frozen=True)
class Characters:
    """Plain `text` with, for each of its characters, where it came from in the `original`."""

    original: str
    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Column and length in the original of a stretch of the plain text."""
        if start >= len(self.text):
            return len(self.original), 1
        column = self.starts[start]
        return column, max(1, self.ends[max(start, end - 1)] - column)


def plain_characters(original: str) -> Characters:
    """`2·ŷ²` becomes `2*yhat^(2)`. What is not known is left for the tokenizer to refuse."""
    if original.isascii() and not any(c in original for c in "\t\n\r"):
        places = tuple(range(len(original)))
        return Characters(original, original, places, tuple(place + 1 for place in places))
    text: list[str] = []
    starts: list[int] = []
    ends: list[int] = []

    def put(piece: str, start: int, end: int) -> None:
        text.extend(piece)
        starts.extend([start] * len(piece))
        ends.extend([end] * len(piece))

    def part_from_letters(start: int) -> None:
        # A Greek letter or ŷ is a name of its own: `wŷ` is two names side by side. `∂` and the
        # `d` of a derivative belong to what follows.
        if text and _LETTERS_OF_WORDS.match(text[-1]):
            derivative = text[-1] == "d" and not (len(text) > 1 and text[-2].isalnum())
            if not derivative:
                put(" ", start, start)

    index, length = 0, len(original)
    while index < length:
        start, char = index, original[index]
        if found := _LAYERED.match(original, index):
            part_from_letters(start) if char in LATIN else None
            put(_layered_name(found), start, index := found.end())
            continue
        index += 1
        hat = original[index : index + 1] == _COMBINING_HAT
        base = unicodedata.normalize("NFD", char)
        if hat:
            index += 1
        elif len(base) == 2 and base[1] == _COMBINING_HAT and base[0].isascii():
            char, hat = base[0], True
        if char in LATIN or char in _LETTER_VARIANTS or hat:
            part_from_letters(start)
            word = LATIN.get(char) or _SAME.get(char, char)
            put(word + ("hat" if hat else ""), start, index)
            following = original[index : index + 1]
            if following.isalpha() and following not in _SUBSCRIPTS:
                put(" ", index, index)
        elif char == "∂":
            part_from_letters(start)
            put("d", start, index)
        elif char == "√":
            put(" sqrt ", start, index)
        elif char in _SUBSCRIPTS:
            put(_SUBSCRIPTS[char], start, index)
        elif char in _SUPERSCRIPTS:
            end = index
            while end < length and original[end] in _SUPERSCRIPTS:
                end += 1
            digits = "".join(_SUPERSCRIPTS[c] for c in original[start:end])
            put(f"^({digits})", start, end)
            index = end
        else:
            put(_SAME.get(char, char), start, index)
    return Characters(original, "".join(text), tuple(starts), tuple(ends))


def _layered_name(found: re.Match[str]) -> str:
    """`w2_1_3` for w₁₃⁽²⁾."""
    letter = found["letter"]
    word = _SAME.get(letter) or LATIN.get(letter, letter)
    layer = "".join(_SUPERSCRIPTS[c] for c in found["layer"] or found["first"])
    below = "".join(_SUBSCRIPTS.get(c, c) for c in found["below"] or found["after"] or "")
    # One digit an index for a weight; a unit's number may have several.
    parts = below.split(",") if "," in below or letter != "w" else list(below)
    return word + "_".join([layer, *(part for part in parts if part)])


# --- what may not be shown -----------------------------------------------------------------------

# Letters that are printable by name but leave no mark: fillers, the grapheme joiner, soft marks.
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
# Persian and several Indian scripts are not written without these two, and neither acts alone.
_JOINERS = frozenset("\u200c\u200d")
_LINE_ENDS = frozenset("\t\n\v\f\r\x85")


def visible(text: str) -> str:
    """The text with every control and invisible character spelled out, as `\\x1b` or `\\u202e`.

    That takes in bidirectional overrides, private use and lone surrogates. Line breaks and tabs
    are blanks: a renderer decides where lines end.
    """
    if text.isprintable() and _BLANK_LETTERS.isdisjoint(text):
        return text
    written = ""
    for ends_line, run in groupby(text, _LINE_ENDS.__contains__):
        written += " " if ends_line else "".join(map(_visible_character, run))
    return written


def _visible_character(character: str) -> str:
    if character in _JOINERS:
        return character
    if character.isprintable():
        return spelled(character) if character in _BLANK_LETTERS else character
    return " " if unicodedata.category(character) == "Zs" else spelled(character)
