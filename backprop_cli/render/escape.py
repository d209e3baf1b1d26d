"""Hostile text made harmless, once for every format.

Titles, notes and names come from files that anyone may have written. `visible` takes away every
character that a terminal, browser or typesetter would act on instead of showing; each format
then escapes its own syntax on top of it.
"""

from __future__ import annotations

import unicodedata
from itertools import groupby

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


def spelled(character: str) -> str:
    """The code of a character in ASCII."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def no_command(word: str) -> str:
    """A word that no build log takes for a command (`::error::`, `##[group]`) at a line's begin."""
    return "\\" + word if word.startswith(("::", "##[")) else word


_ASCII = {
    "−": "-", "–": "-", "—": "-", "·": "*", "×": "x", "⋅": "*", "÷": "/", "≈": "~", "≤": "<=",
    "≥": ">=", "≠": "!=", "→": "->", "←": "<-", "∂": "d", "Σ": "sum", "√": "sqrt", "∞": "inf",
    "′": "'", "…": "...", "⊙": "(.)", "∇": "grad ", "∘": " o ", "“": '"', "”": '"', "‘": "'",
    "’": "'", "½": "1/2", "¼": "1/4", "⁽": "^(", "⁾": ")", "⁻": "-", "₋": "-", "ᵀ": "^T",
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta",
    "η": "eta", "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu",
    "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi", "χ": "chi",
    "ψ": "psi", "ω": "omega", "Δ": "Delta", "Θ": "Theta", "Ω": "Omega", "Γ": "Gamma",
    "Λ": "Lambda", "Φ": "Phi", "Ψ": "Psi", "Π": "Pi", "Ξ": "Xi", "ß": "ss", "│": "|", "─": "-",
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
