"""How a plain name is written: `w2_1_3` as w₁₃⁽²⁾, `dL/dyhat` as ∂L/∂ŷ.

The plain name is the identity of a quantity everywhere. A `Glyph` is its shape on paper, which
each notation prints in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν",
    "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "chi": "χ",
    "psi": "ψ", "omega": "ω", "Delta": "Δ", "Sigma": "Σ", "Theta": "Θ", "Omega": "Ω",
    "Gamma": "Γ", "Lambda": "Λ", "Phi": "Φ", "Psi": "Ψ", "Pi": "Π", "Xi": "Ξ",
}  # fmt: skip
LATIN = {letter: word for word, letter in GREEK.items()}


@dataclass(frozen=True)
class Symbol:
    """A letter with its marks. `base` is one letter (Greek as the letter itself) or a word."""

    base: str
    subscript: str = ""  # "13", "1,13", "x"
    superscript: str = ""  # the layer, "2"; printed in parentheses
    hat: bool = False
    new: bool = False  # after the update
    sample: int | None = None
    of: Glyph | None = None  # the quantity that an optimizer's state belongs to: v of w₁₃⁽²⁾


@dataclass(frozen=True)
class Derivative:
    """∂numerator/∂denominator, with a sample index for the pair."""

    numerator: Glyph
    denominator: Glyph
    sample: int | None = None
    new: bool = False


Glyph: TypeAlias = Symbol | Derivative
Spelling: TypeAlias = Callable[[str], Glyph]

_SAMPLE = re.compile(r"(.*)\[(\d+)\]\Z", re.S)
_DERIVATIVE = re.compile(r"d(.+?)/d(.+)\Z", re.S)
_LAYERED = re.compile(r"([A-Za-z]+?)(\d+)((?:_\d+)*)\Z")
_STATE = re.compile(r"([A-Za-z]+)_([A-Za-z].*)\Z")
_LAYERED_LETTERS = {
    "w": "w", "b": "b", "z": "z", "a": "a", "zhat": "z", "u": "u",
    "gamma": "γ", "beta": "β", "mu": "μ", "var": "var", "delta": "δ",
}  # fmt: skip
_WORD = re.compile(r"([A-Za-z]+)(\d*)(?:_(\w+))?\Z")


def spell(name: str, *, layered: bool = False, thresholds: bool = False) -> Glyph:
    """The glyph of a plain name.

    `layered` reads `w2_1_3` as layer 2, to 1, from 3; otherwise digits are one subscript.
    `thresholds` writes a bias as θ.
    """
    return _spell(name, layered, thresholds)


@lru_cache(maxsize=16384)
def _spell(name: str, layered: bool, thresholds: bool) -> Glyph:
    def again(part: str) -> Glyph:
        return _spell(part, layered, thresholds)

    if found := _SAMPLE.match(name):
        return replace(again(found[1]), sample=int(found[2]))
    if name.endswith("_new"):
        return replace(again(name.removesuffix("_new")), new=True)
    if found := _DERIVATIVE.match(name):
        return Derivative(again(found[1]), again(found[2]))
    if layered and (glyph := _layered(name, thresholds)):
        return glyph
    if layered and (found := _STATE.match(name)) and (_layered(found[2], thresholds)):
        return replace(_plain(found[1]), of=again(found[2]))
    return _plain(name)


def _layered(name: str, thresholds: bool) -> Symbol | None:
    """`w2_1_3`, `b2_1`, `z2_1`, `b2`; inputs, targets and outputs carry no layer."""
    found = _LAYERED.match(name)
    if not found:
        return None
    letter, first, rest = found[1], found[2], found[3].split("_")[1:]
    if letter not in _LAYERED_LETTERS:
        return None
    if not rest and letter != "b":
        return None
    separator = "," if any(len(part) > 1 for part in rest) else ""
    base = "θ" if letter == "b" and thresholds else _LAYERED_LETTERS[letter]
    return Symbol(base, separator.join(rest), superscript=first, hat=letter == "zhat")


def _plain(name: str) -> Symbol:
    """An author's own name: letters, then digits or an underscored part as the subscript."""
    found = _WORD.match(name)
    if not found:
        return Symbol(name)
    letters = found[1]
    subscript = ",".join(part for part in (found[2], found[3]) if part).replace("_", ",")
    stem = letters.removesuffix("hat")
    hat = stem != letters and (len(stem) == 1 or stem in GREEK)
    letters = stem if hat else letters
    return Symbol(GREEK.get(letters, letters), subscript=subscript, hat=hat)
