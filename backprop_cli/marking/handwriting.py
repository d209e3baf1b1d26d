"""Text as people type and paste it, brought to plain characters: invisible ones, wide digits, LaTeX.

Everything here is a bounded number of linear scans over bounded text; nothing is evaluated.
"""

from __future__ import annotations

import re
import unicodedata

from backprop_cli.formula.spelling import GREEK
from backprop_cli.patterns import pattern

MOST_FRACTIONS = 40

_DASHES = dict.fromkeys(map(ord, "−–—‐‑‒―﹣－⁃➖"), "-")
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2009\u200a\u202f\u2002\u2003\u2007\u3000\t\n\r\f\v"), " ")
_TABLE = {**_DASHES, **_SPACES, ord("＝"): "=", ord("．"): ".", ord("，"): ","}


def cleaned(text: str) -> str:
    """Without what nobody sees; any dash a minus, any space a space, wide digits narrow."""
    if text.isascii() and text.isprintable():
        return text
    found = text.translate(_TABLE)
    return "".join(
        unicodedata.normalize("NFKC", character) if "\uff01" <= character <= "\uff5e" else character
        for character in found
        if unicodedata.category(character) != "Cf"
    )


_NOTHING = pattern(
    r"\\(?:(?:left|right|[bB]igg?[lr]?|displaystyle|limits|quad|qquad)(?![A-Za-z])|[,;:!> ])"
)
_WRAPPED = pattern(
    r"\\(?:text|textbf|boxed|mathrm|mathbf|mathit|operatorname|mathcal|boldsymbol)\s*\{([^{}]*)\}"
)
_HATTED = pattern(r"\\(?:wide)?hat\s*(?:\{\s*([A-Za-z])\s*\}|([A-Za-z]))")
_COMMAND = pattern(r"\\([A-Za-z]+)\s*")
_WORDS = {
    "partial": "d", "nabla": "grad_", "cdot": "*", "times": "*", "ast": "*", "div": "/",
    "pm": "±", "approx": "≈", "simeq": "≈", "cong": "≈", "sim": "~", "to": "→",
    "rightarrow": "→", "prime": "'", "ldots": "…", "dots": "…", "lbrace": "(", "rbrace": ")",
    "leq": "<=", "le": "<=", "geq": ">=", "ge": ">=", "varepsilon": "epsilon", "ell": "L",
}  # fmt: skip
_WORDS |= {word: word for word in GREEK}
_FUNCTIONS = ("exp", "ln", "log", "max", "min", "sin", "cos", "tan", "tanh")
_WORDS |= {word: word for word in _FUNCTIONS}
_FRACTION = pattern(r"\\[dt]?frac\s*(?=\{)|\\[dt]?frac\s*(\d)\s*(\d)")
_ROOT = pattern(r"\\sqrt\s*(?=\{)")
_DERIVED = pattern(
    r"\s*(?:(?:\\partial|∂|\\mathrm\{d\}|\\text\{d\})\s*|d\s*(?![a-z]{3}))(?=[\\A-Za-zŷ])"
)


def from_latex(text: str) -> str:
    """LaTeX as plain text: `\\frac{\\partial L}{\\partial w_{12}}` is `dL/dw_{12}`.

    What is not known stays as it is, for the reader after this to refuse.
    """
    if "$" in text:
        text = text.replace("$", " ").strip()
    if "\\" not in text:
        return text
    text = text.replace("\\{", "(").replace("\\}", ")").replace("\\(", "").replace("\\)", "")
    text = text.replace("\\%", "%").replace("\\_", "_")
    text = _NOTHING.sub(" ", text)
    text = _WRAPPED.sub(r"\1", text)
    text = _HATTED.sub(lambda found: f"{_apart(found)}{found[1] or found[2]}hat", text)
    for _ in range(MOST_FRACTIONS):
        found = _FRACTION.search(text)
        if found is None:
            break
        text = _without_fraction(text, found)
    for _ in range(MOST_FRACTIONS):
        found = _ROOT.search(text)
        if found is None or (inner := _braced(text, found.end())) is None:
            break
        text = f"{text[: found.start()]}sqrt({inner[0]}){text[inner[1] :]}"
    return " ".join(_COMMAND.sub(_plain_command, text).split())


def _apart(found: re.Match[str]) -> str:
    return " " if found.string[: found.start()][-1:].isalpha() else ""


def _plain_command(found: re.Match[str]) -> str:
    word = _WORDS.get(found[1])
    if word is None:
        return found[0]
    following = found.string[found.end() : found.end() + 1]
    apart = word[-1:].isalpha() and word != "d" and (following.isalpha() or following == "\\")
    apart = apart or (word in _FUNCTIONS and following.isdigit())
    return f"{word} " if apart else word


def _without_fraction(text: str, found: re.Match[str]) -> str:
    if found[1]:
        return f"{text[: found.start()]}({found[1]}/{found[2]}){text[found.end() :]}"
    above = _braced(text, found.end())
    below = None if above is None else _braced(text, above[1])
    if above is None or below is None:
        return text[: found.start()] + " " + text[found.end() :]
    derived = _DERIVED.match(above[0]) and _DERIVED.match(below[0])
    fraction = f" {above[0].strip()}/{below[0].strip()} "
    middle = fraction if derived else f"(({above[0]})/({below[0]}))"
    return text[: found.start()] + middle + text[below[1] :]


def _braced(text: str, start: int) -> tuple[str, int] | None:
    """What stands in the braces that open at `start`, and where they end."""
    start += len(text[start:]) - len(text[start:].lstrip(" "))
    end = closing(text, start) if text[start : start + 1] == "{" else None
    return None if end is None else (text[start + 1 : end - 1], end)


def closing(text: str, start: int) -> int | None:
    """Where the bracket that opens at `start` has been closed."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] in "([{") - (text[place] in ")]}")
        if depth == 0:
            return place + 1
    return None
