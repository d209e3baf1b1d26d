"""How a plain name is written: `w2_1_3` as w₁₃⁽²⁾, `dL/dyhat` as ∂L/∂ŷ.

The plain name is the identity of a quantity everywhere. A `Glyph` is its shape on paper, which
each notation prints in its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.quantity import (
    ahead_of,
    before_update,
    derivative_name,
    fraction,
    is_updated,
    last_mark,
    sampled,
    second_derivative_name,
    second_fraction,
    updated,
)
from backprop_cli.patterns import pattern

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν",
    "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "chi": "χ",
    "psi": "ψ", "omega": "ω", "Delta": "Δ", "Sigma": "Σ", "Theta": "Θ", "Omega": "Ω",
    "Gamma": "Γ", "Lambda": "Λ", "Phi": "Φ", "Psi": "Ψ", "Pi": "Π", "Xi": "Ξ",
}  # fmt: skip
Sample: TypeAlias = int | Literal["s"]
"""The number of a sample, or any one of them."""

LATIN = {letter: word for word, letter in GREEK.items()}


class Symbol(NamedTuple):
    """A letter with its marks. `base` is one letter (Greek as the letter itself) or a word."""

    base: str
    subscript: tuple[str, ...] = ()  # with commas between them: `13`, `1` and `13`, `x`
    superscript: str = ""  # the layer, "2"; printed between the two characters of `fence`
    hat: bool = False
    new: bool = False  # after the update
    sample: Sample | None = None
    of: Glyph | None = None  # the quantity that an optimizer's state belongs to: v of w₁₃⁽²⁾
    fence: str = "()"  # or "[]": a^[2]
    tilde: bool = False  # W̃, b̃: what linear layers come to together
    before: bool = False  # the last index is a time, and this is the one before it: t-1


class Derivative(NamedTuple):
    """∂numerator/∂denominator, with a sample index for the pair."""

    numerator: Glyph
    denominator: Glyph
    sample: Sample | None = None
    new: bool = False
    again: Glyph | None = None  # what it is differentiated by once more


Glyph: TypeAlias = Symbol | Derivative
Spelling: TypeAlias = Callable[[str], Glyph]


def with_digits(symbol: Symbol, change: Callable[[str], str]) -> Symbol:
    """The symbol with each of its indices, its layer and its sample changed that are numbers."""

    def changed(text: str) -> str:
        return change(text) if text.isdecimal() and text.isascii() else text

    base, places, layer, hat, new, sample, of, fence, tilde, before = symbol
    places = tuple([changed(each) for each in places])
    layer = changed(layer)
    sample = int(change(str(sample))) if isinstance(sample, int) else sample
    of = with_digits(of, change) if isinstance(of, Symbol) else of
    return Symbol(base, places, layer, hat, new, sample, of, fence, tilde, before)


@dataclass(frozen=True, eq=False)
class Lettering:
    """How a problem writes its names.

    `layered` reads `w2_1_3` as layer 2, to 1, from 3; otherwise digits are one subscript.
    `arrays` are those of layers by name, `gamma2`: beside them `w2`, too, is an array.
    `thresholds` writes a bias as θ, `brackets` the layer as in a^[2]. `symbols` are names of one's
    own, for one quantity (`yhat` shown as `y`) or for every one of a letter (`w` as `theta`).
    """

    layered: bool = False
    arrays: frozenset[str] = frozenset()
    thresholds: bool = False
    brackets: bool = False
    symbols: Mapping[str, str] = field(default_factory=dict)

    def typed(self, name: str) -> str:
        """What is shown as a plain name: `dE/dy` for `dL/dyhat`, where L is E and ŷ is y."""
        if not self.symbols:
            return name
        if marked := last_mark(name):
            return sampled(self.typed(marked[0]), marked[1])
        if is_updated(name):
            return updated(self.typed(before_update(name)))
        if twice := second_fraction(name):
            return second_derivative_name(*map(self.typed, twice))
        if parts := fraction(name):
            return derivative_name(*map(self.typed, parts))
        if name in self.symbols:
            return self.symbols[name]
        found = _STEM.match(name)
        if found and found[1] in self.symbols:
            return self.symbols[found[1]] + found[2]
        return name

    def spellings(self, name: str) -> tuple[str, ...]:
        """Other plain names of a quantity, what is shown last: `dE/dyhat`, `dL/dy`, `dE/dy`."""
        shown = self.typed(name)
        if shown == name:
            return ()
        parts, typed = fraction(name), fraction(shown)
        if parts is None or typed is None:
            return (shown,)
        return derivative_name(typed[0], parts[1]), derivative_name(parts[0], typed[1]), shown

    def letter(self, letter: str) -> str:
        """A letter alone, as the matrix form needs it: W is a capital of what w is shown as."""
        own = self.symbols.get(letter) or self.symbols.get(letter.lower(), letter)
        return own.capitalize() if letter.isupper() else own


PLAIN = Lettering()

_LAYERED = pattern(r"([A-Za-z]+?)(\d+)((?:_\d+)*)\Z")
_STATE = pattern(r"([A-Za-z]+)_([A-Za-z].*)\Z")
_GATED = {part + gate for part in ("", "w", "u", "b", "z") for gate in "ifogrzn"} | {"c", "bun"}
"""Of a recurrent layer: gates, what belongs to a gate, the state."""
_LAYERED_LETTERS = {
    **{letters: letters for letters in _GATED},
    "w": "w", "b": "b", "z": "z", "a": "a", "h": "h", "zhat": "z", "u": "u",
    "gamma": "γ", "beta": "β", "mu": "μ", "var": "var", "delta": "δ",
}  # fmt: skip
_OF_A_LAYER = {*_LAYERED_LETTERS} - {"g", "gamma", "beta", "delta"}
"""What a layer may have one of, or an array; g₁ is a gradient that is given, β₁ an option."""
_ANY_TIME = pattern(r"(.+)_\{([A-Za-z])(-1)?\}\Z")
_WORD = pattern(r"([A-Za-z]+)(\d*)(?:_(\w+))?\Z")
_STEM = pattern(r"([A-Za-z]+)(\d+(?:_\d+)*)\Z")


@lru_cache(maxsize=65536)
def spell(name: str, lettering: Lettering = PLAIN) -> Glyph:
    """The glyph of a plain name."""

    def again(part: str) -> Glyph:
        return spell(part, lettering)

    if twice := second_fraction(name):
        above, one, other = map(again, twice)
        return Derivative(above, one, again=other)
    parts = fraction(name)
    if parts and last_mark(parts[0]):  # each part has its own sample: ∂L[2]/∂ŷ[2]
        return Derivative(again(parts[0]), again(parts[1]))
    if marked := last_mark(name):
        return again(marked[0])._replace(sample="s" if marked[1] == "s" else int(marked[1]))
    if is_updated(name):
        return again(before_update(name))._replace(new=True)
    if name.endswith("}") and (any_time := _ANY_TIME.match(name)):
        first = again(f"{any_time[1]}_1")
        assert isinstance(first, Symbol)
        times = (*first.subscript[:-1], any_time[2])
        return first._replace(subscript=times, before=any_time[3] is not None)
    if name.endswith("~"):
        return _plain(name[:-1])._replace(tilde=True)
    if parts:
        return Derivative(again(parts[0]), again(parts[1]))
    if (behind := ahead_of(name)) is not None:
        return _plain("ahead")._replace(of=again(behind))
    if name in lettering.symbols:
        return _plain(lettering.symbols[name])
    glyph = lettering.layered and _layered(name, lettering)
    if lettering.layered and not glyph:
        found = _STATE.match(name)
        if found and _layered(found[2], lettering):
            return _plain(found[1])._replace(of=again(found[2]))
    glyph = glyph or _plain(name)
    if lettering.symbols and (found := _STEM.match(name)) and found[1] in lettering.symbols:
        own = _plain(lettering.symbols[found[1]])
        return glyph._replace(base=own.base, hat=own.hat)
    return glyph


def _layered(name: str, lettering: Lettering) -> Symbol | None:
    """`w2_1_3`, `b2_1`, `z2_1`, `b2`; inputs, targets and outputs carry no layer."""
    found = _LAYERED.match(name)
    if not found:
        return None
    letter, first, rest = found[1], found[2], found[3].split("_")[1:]
    if letter not in _LAYERED_LETTERS:
        return None
    is_array = name in lettering.arrays or (lettering.arrays and letter in _OF_A_LAYER)
    if not rest and letter != "b" and not is_array:
        return None
    parted = any(len(part) > 1 for part in rest)
    subscript = tuple(rest) if parted else ("".join(rest),) if rest else ()
    base = "θ" if letter == "b" and lettering.thresholds else _LAYERED_LETTERS[letter]
    fence = "[]" if lettering.brackets else "()"
    return Symbol(base, subscript, first, hat=letter == "zhat", fence=fence)


def _plain(name: str) -> Symbol:
    """An author's own name: letters, then digits or an underscored part as the subscript."""
    found = _WORD.match(name)
    if not found:
        return Symbol(name)
    letters = found[1]
    subscript = tuple(filter(None, (found[2], *(found[3] or "").split("_"))))
    stem = letters.removesuffix("hat")
    hat = stem != letters and (len(stem) == 1 or stem in GREEK)
    letters = stem if hat else letters
    return Symbol(GREEK.get(letters, letters), subscript=subscript, hat=hat)
