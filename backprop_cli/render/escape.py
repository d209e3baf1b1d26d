"""Hostile text made harmless, once for every format.

Titles, notes and names come from files that anyone may have written. `visible` takes away every
character that a terminal, browser or typesetter would act on instead of showing; each format
then escapes its own syntax on top of it.
"""

from __future__ import annotations

import re
import unicodedata

# Controls (C0, DEL, C1), line and paragraph separators, fillers and spaces of no width,
# bidirectional marks, embeddings, overrides and isolates, language tags, surrogates, private use,
# and noncharacters: none of them is ever part of a worksheet's text. The joiners U+200C and U+200D
# stay: Persian and several Indian scripts are not written without them.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufdd0-\ufdef\ufffe\uffff"
    "\ud800-\udfff\ue000-\uf8ff\U000e0000-\U0010ffff]"
)


def visible(text: str) -> str:
    """The text with every control and invisible character spelled out, as `\\x1b` or `\\u202e`.

    Line breaks and tabs are blanks: a renderer decides where lines end.
    """
    return _INVISIBLE.sub(_spelled, re.sub(r"[\t\n\v\f\r\x85]+", " ", text))


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


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
_SCIENTIFIC = re.compile("×10([⁻⁰¹²³⁴-⁹]+)")
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_POWER = re.compile("(?<!\\^)(?<![⁰¹²³⁴-⁹⁽⁻])[⁻⁰¹²³⁴-⁹]+(?!⁾)")


def ascii_only(text: str) -> str:
    """The text in ASCII: known signs by their usual stand-ins, accents dropped, the rest escaped."""
    if text.isascii():
        return text
    text = _SCIENTIFIC.sub(lambda found: "e" + found[1].translate(_RAISED), text)
    text = _POWER.sub(lambda found: "^" + found[0].translate(_RAISED), text)
    return "".join(_ascii_character(character) for character in text)


def _ascii_character(character: str) -> str:
    if character.isascii():
        return character
    if character in _ASCII:
        return _ASCII[character]
    if not unicodedata.combining(character):
        plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
        if plain:
            return plain
        code = ord(character)
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return ""
