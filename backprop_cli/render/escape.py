"""Words made harmless for a build log, and brought into ASCII."""

from __future__ import annotations

import unicodedata
from itertools import groupby

from backprop_cli.diagnostics import spelled
from backprop_cli.formula.spelling import LATIN


def no_command(word: str) -> str:
    """A word that no build log takes for a command (`::error::`, `##[group]`) at a line's begin."""
    return "\\" + word if word.startswith(("::", "##[")) else word


_ASCII = {
    **LATIN,
    "−": "-", "–": "-", "—": "-", "·": "*", "×": "x", "⋅": "*", "÷": "/", "≈": "~", "≤": "<=",
    "≥": ">=", "≠": "!=", "→": "->", "←": "<-", "∂": "d", "Σ": "sum", "√": "sqrt", "∞": "inf",
    "′": "'", "…": "...", "⊙": ".*", "∇": "grad ", "∘": " o ", "“": '"', "”": '"', "‘": "'",
    "’": "'", "½": "1/2", "¼": "1/4", "⁽": "^(", "⁾": ")", "⁻": "-", "₋": "-", "ᵀ": "^T",
    "ß": "ss", "│": "|", "─": "-",
    "✓": "ok", "✔": "ok", "✗": "x", "•": "*", "∈": "in", "ŷ": "yhat",
}  # fmt: skip
_RAISED = dict(zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True))


def ascii_only(text: str) -> str:
    """The text in ASCII: known signs by their usual stand-ins, accents dropped, the rest escaped."""
    if text.isascii():
        return text
    written = ""
    for raised, run in groupby(text, _RAISED.__contains__):
        if not raised:
            written += "".join(map(_ascii_character, run))
        elif written.endswith("x10"):
            written = written.removesuffix("x10") + "e" + "".join(map(_RAISED.__getitem__, run))
        else:
            mark = "" if written.endswith(("^(", "^")) else "^"
            written += mark + "".join(map(_RAISED.__getitem__, run))
    return written


def _ascii_character(character: str) -> str:
    if character.isascii():
        return character
    if character in _ASCII:
        return _ASCII[character]
    if not unicodedata.combining(character):
        plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
        if plain:
            return plain
        return spelled(character)
    return ""
