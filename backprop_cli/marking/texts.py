"""What the text of an answer is: a number, an expression, or something that has to be asked.

What the plain readers take (`read_number`, the parser of formulas) means what it always meant; the
dialects here are tried on what they refuse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from backprop_cli.diagnostics import escape
from backprop_cli.formula.characters import plain_characters
from backprop_cli.formula.functions import FUNCTIONS
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.words import is_function
from backprop_cli.marking.handwriting import cleaned, closing, from_latex
from backprop_cli.marking.names import AnswerNames
from backprop_cli.marking.numbers import Written, read_number
from backprop_cli.marking.submission import MOST_CHARACTERS
from backprop_cli.patterns import pattern

Commas: TypeAlias = Literal["", "decimal", "groups"]
"""What a comma between digits is in a file: not known, the decimal point, or between thousands."""

MOST_TAILS = 5
LONGEST_NUMBER = 400


class Text(NamedTuple):
    """One text as it was read: a number or the text of an expression.

    `read_as` is what it was taken for where it does not look like that; with `question` it can be
    read in two ways.
    """

    expression: str = ""
    number: Written | None = None
    read_as: str = ""
    question: str = ""


# --- numbers --------------------------------------------------------------------------------------

_BEFORE = pattern(
    r"(?:[=≈≅≃≐~→]|:=|->|about|approx(?:imately|\.)?|ca\.|circa|roughly|around)\s*", re.I
)
_CALL = pattern(
    r"(?:[A-Za-z]{1,8}\.)?(?:float(?:16|32|64)?|double|[Tt]ensor|array|Decimal)"
    r"\(\s*\[?\s*['\"]?([-+.\deE]{1,60})['\"]?\s*\]?\s*(?:,[^()]{0,60})?\)"
)
_SILENT = pattern(
    r"\s*(?:\.\.\.|…|[.;,✓✔☑✅]|\((?:rounded|cut off|truncated|approx\.?|approximately|"
    r"(?:to )?\d{1,2} ?(?:d\.? ?p\.?|s\.? ?f\.?|digits|decimals|decimal places))\)"
    r"|\(?(?:rounded|approx\.?)\)?)\Z",
    re.I,
)
_ASIDE = pattern(r"\s*[(\[]([^()\[\]*/^·×=+]{2,60})[)\]]\Z")
"""`0.4778 (was 0.5)`"""
_SPREAD = pattern(r"\s*(?:±|\+/-|\+-)\s*[\d.,]{1,30}(?:[eE][+-]?\d{1,3})?\Z")
_WORD = pattern(r"[^\W\d_]{2,}")
_ONLY_WORDS = pattern(r"[^\d*/^·×=+()\[\]]{2,80}")
_MINUS = pattern(r"\Aminus\s+", re.I)
_UNIT = pattern(r"\s*([A-Za-zµ°Ω]{1,12})(?:\^?-?\d)?\Z")
_SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_RAISED = pattern("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_TENS = pattern(
    r"\s*(?:[*×·⋅∙•]|[xX](?=\s*10))\s*10\s*(?:\^|\*\*)\s*[({]?\s*([+-]?\s?\d{1,3})\s*[)}]?\Z"
    r"|\s*[xX]\s*10\s*([+-]\d{1,3})\Z"
)
_SPACED_E = pattern(r"(?:\s+[eE]\s*|[eE]\s+)([+-]?\s?\d{1,3})\Z")
_POINT = pattern(r"\d{1,400}(?:\.\d{0,400})?|\.\d{1,400}")
_GROUPED = pattern(r"(\d{1,3}(?:([ '’_])\d{3})(?:\2\d{3}){0,20})((?:[.,]\d{0,60})?)")
_COMMA_GROUPS = pattern(r"\d{1,3}(?:,\d{3}){2,20}(?:\.\d{0,60})?|\d{1,3},\d{3}\.\d{0,60}")
_COMMA_POINT = pattern(r"\d{1,400},\d{0,400}|\d{1,3}(?:\.\d{3}){1,20},\d{0,60}")
_EITHER = pattern(r"[1-9]\d{0,2},\d{3}")
_NUMBERS = pattern(r"(?<![\w.,])[-+]?\d[\d.,]{0,60}")


def commas_of(texts: Iterable[str]) -> Commas:
    """What the numbers of a file show about its commas; nothing where they contradict each other."""
    decimal = groups = points = False
    for text in texts:
        for found in _NUMBERS.findall(text):
            number = found.lstrip("+-").rstrip(".,")
            if "," not in number:
                points = points or "." in number
            elif _COMMA_GROUPS.fullmatch(number):
                groups = True
            elif _COMMA_POINT.fullmatch(number) and not _EITHER.fullmatch(number):
                decimal = True
    if decimal:
        return "" if groups or points else "decimal"
    return "groups" if groups or points else ""


def read_loosely(text: str, commas: Commas, known: Callable[[str], bool]) -> Text | None:
    """A number in one of the ways that people write them, or None.

    `known` tells the names of the sheet: a letter that names a quantity is no unit.
    """
    if len(text) > LONGEST_NUMBER or not any(map(str.isdigit, text)):
        return None
    rest = _RAISED.sub(lambda found: "^" + found[0].translate(_SUPER), text)
    rest = from_latex(cleaned(rest)).strip()
    if before := _BEFORE.match(rest):
        rest = rest[before.end() :]
    rest = _MINUS.sub("-", rest)
    if call := _CALL.fullmatch(rest):
        rest = call[1]
    told = False
    power = 0
    for _ in range(MOST_TAILS):
        if rest.endswith("%"):
            rest, power, told = rest[:-1].rstrip(), -2, True
        elif (tail := _SILENT.search(rest)) or (
            (tail := _ASIDE.search(rest)) and is_remark(tail[1], known)
        ):
            rest = rest[: tail.start()]
        elif tail := _SPREAD.search(rest):
            rest, told = rest[: tail.start()], True
        else:
            break
    exponent = _TENS.search(rest) or (None if known("e") else _SPACED_E.search(rest))
    if exponent is not None:
        power += int("".join((exponent[1] or exponent[exponent.lastindex or 1]).split()))
        rest = rest[: exponent.start()]
    elif (unit := _UNIT.search(rest)) and not _has_meaning(unit[1], known):
        rest, told = rest[: unit.start()], True
    if power == 0 and (number := read_number(rest)) is not None:
        return Text(number=number, read_as=rest if told else "")
    sign = rest[:1] if rest[:1] in ("+", "-") else ""
    mantissa = rest[len(sign) :].strip()
    plain: str | None = mantissa
    if _EITHER.fullmatch(mantissa) and not commas:
        one, other = mantissa.replace(",", "."), mantissa.replace(",", "")
        return Text(
            question=f"{sign}{mantissa} can be {sign}{one} or {sign}{other}; write the one you mean"
        )
    if not _POINT.fullmatch(mantissa):
        plain = _with_point(mantissa, commas)
        told = told or (commas != "decimal" and _EITHER.fullmatch(mantissa) is not None)
    if plain is None:
        return None
    written = f"{sign}{plain}e{power}" if power else f"{sign}{plain}"
    number = read_number(written)
    if number is None:
        return None
    shown = _moved_point(sign, plain) if power == -2 and exponent is None else written
    return Text(number=number, read_as=shown if told else "")


def _with_point(mantissa: str, commas: Commas) -> str | None:
    """Digits with a decimal point and nothing between thousands."""
    if grouped := _GROUPED.fullmatch(mantissa):
        return grouped[1].replace(grouped[2], "") + grouped[3].replace(",", ".")
    if _COMMA_GROUPS.fullmatch(mantissa):
        return mantissa.replace(",", "")
    if _COMMA_POINT.fullmatch(mantissa):
        if commas == "groups" and _EITHER.fullmatch(mantissa):
            return mantissa.replace(",", "")
        return mantissa.replace(".", "").replace(",", ".")
    return None


def _moved_point(sign: str, plain: str) -> str:
    """A percentage as a share, in the digits that were written."""
    whole, _, decimals = plain.partition(".")
    digits = whole.rjust(3, "0")
    return f"{sign}{digits[:-2].lstrip('0') or '0'}.{digits[-2:]}{decimals}"


def is_remark(text: str, known: Callable[[str], bool]) -> bool:
    """Whether there are words in a text, and none that a formula could be about."""
    words = _WORD.findall(text)
    return bool(words) and not any(_has_meaning(word, known) for word in words)


def _has_meaning(word: str, known: Callable[[str], bool]) -> bool:
    return known(word) or word in FUNCTIONS or word.lower() in ("x", "e", "inf", "nan")


# --- expressions ----------------------------------------------------------------------------------

_MARKS = (
    r"(?:\^(?:\(\d{1,3}\)|\{\(?\d{1,3}\)?\}|\[\d{1,3}\])|_?\{[\d,_]{1,12}\}|_\d{1,6}|\d{1,6}"
    r"|\[\d{1,4}(?:,\d{1,4}){0,3}\]|_?hat(?![a-z])){0,6}"
)
_SYMBOL = rf"[A-Za-z]{{1,12}}{_MARKS}"
_NAME = pattern(rf"(?<![A-Za-z0-9_])(?:d_?{_SYMBOL} ?/ ?d_?{_SYMBOL}|{_SYMBOL})'?")
_LAST_MARK = pattern(r"(?:\^?[({\[]{1,2}[\d,_]*[)}\]]{1,2}|_?\d+|'|_?hat)\Z")
_MODULE = pattern(r"\b(?:np|numpy|math|torch|jnp|tf|F|nn)\.(?=[A-Za-z])")
_SLOPE = pattern(r"(?<![A-Za-z0-9_])(?:d_?([A-Za-z]{2,12})|([A-Za-z]{2,12})_prime)(?= ?\()")
_LOG_BASE = pattern(r"\blog_?[({]?(2|10)[)}]?(?= ?\()")
_RAISED_FUNCTION = pattern(r"\b([A-Za-z]{2,12}) ?\^ ?(?:(\d)|[({](\d)[)}]) ?(?=\()")
_RAISED_BARE = pattern(r"\b([A-Za-z]{2,12}) ?\^ ?(?:(\d)|[({](\d)[)}]) +([A-Za-z]\w*)")
_CALLED = pattern(r"(?<![A-Za-z0-9_])([A-Za-z]{2,12})('?)(?= ?\()")
_BESIDE = pattern(r"\)\s*(?=[\d.])")
_CROSS = pattern(
    r"(?<=[\w)\]])\s*(?<![A-Za-z])[xX](?![A-Za-z])\s*(?=10\b)|(?<=[\w)\]])\s+[xX]\s+(?=[\w(.-])"
)
_CROSS_TEN = pattern(r"(?<=[\d)])\s*[xX]\s*(?=10\s*(?:\^|\*\*))")
_DIGIT_COMMA = pattern(r"(?<=\d),(?=\d)")
_SOFTMAX = pattern(r"\bsoftmax(?:_\{?(\d{1,3})\}?)? ?\(", re.I)
_SUMMED, _POWER = pattern(r"(?:\bsum +|[Σ∑] *)(?=\()"), pattern(r" *(?:(?:\^|\*\*) *\d|[²³])")
_SHORT_NAMES = {"RL": "relu", "rl": "relu", "sig": "sigmoid", "sigm": "sigmoid"}


def translated(text: str, names: AnswerNames, commas: Commas, unit: int | None) -> tuple[str, bool]:
    """A formula that the parser refuses, in the parser's own words as far as they are known, and
    whether something in it was taken for what it need not be: x for times."""
    plain = from_latex(cleaned(text))
    plain = plain[about.end() :] if (about := _BEFORE.match(plain)) else plain
    plain = plain_characters(plain).text.replace("⁽", "").replace("⁾", "")
    plain = _MODULE.sub("", plain)
    plain = _LOG_BASE.sub(r"log\1", plain)
    plain = _SLOPE.sub(_slope, plain)
    plain = _CALLED.sub(_called, plain)
    plain, crosses = (_CROSS_TEN if "x" in names.known else _CROSS).subn("*", plain)
    plain = _BESIDE.sub(")*", plain)
    plain = _powers_of_functions(plain)
    plain = _softmax(plain, unit)
    plain = " ".join(_NAME.sub(lambda found: _named(found, names), plain).split())
    if commas == "decimal" or (not commas and not _EITHER.search(plain)):
        plain = _DIGIT_COMMA.sub(".", plain)
    return plain, bool(crosses)


def _named(found: re.Match[str], names: AnswerNames) -> str:
    chunk = found[0]
    if chunk in names.known or chunk in FUNCTIONS:
        return chunk
    following = found.string[found.end() : found.end() + 2].lstrip()[:1]
    if following == "(" and is_function(chunk.rstrip("'")):
        return chunk
    rest = ""
    while chunk:
        name = names.find(chunk)
        if name is not None:
            return f" {name} {rest}"
        mark = _LAST_MARK.search(chunk)
        if mark is None or mark.start() == 0:
            break
        chunk, rest = chunk[: mark.start()], mark[0] + rest
        if chunk in names.known:
            return chunk + rest
    return found[0]


def _slope(found: re.Match[str]) -> str:
    word = _function(found[1] or found[2])
    return found[0] if word is None or f"{word}'" not in FUNCTIONS else f"{word}'"


def _called(found: re.Match[str]) -> str:
    word = _function(found[1])
    return found[0] if word is None else word + found[2]


def _function(word: str) -> str | None:
    """The table's function for a word, whatever its capitals."""
    for each in (word, word.lower(), _SHORT_NAMES.get(word, word)):
        if each in FUNCTIONS and not FUNCTIONS[each].constant:
            return each
    return None


def _powers_of_functions(text: str) -> str:
    """`tanh^2(z)`, and `tanh^2 z` as by hand, is (tanh(z))^2."""
    text = _RAISED_BARE.sub(
        lambda found: (
            f"{found[1]}^{found[2] or found[3]}({found[4]})" if _function(found[1]) else found[0]
        ),
        text,
    )
    for _ in range(20):
        found = _RAISED_FUNCTION.search(text)
        if found is None or _function(found[1]) is None:
            return text
        end = closing(text, found.end())
        if end is None:
            return text
        inner, power = text[found.end() : end], found[2] or found[3]
        text = f"{text[: found.start()]}({found[1]}{inner})^{power}{text[end:]}"
    return text


def _softmax(text: str, unit: int | None) -> str:
    """One output of a softmax, that of the quantity in question unless an index says otherwise."""
    for _ in range(5):
        found = _SOFTMAX.search(text)
        end = None if found is None else closing(text, found.end() - 1)
        if found is None or end is None:
            return text
        parts = list(_arguments(text[found.end() : end - 1]))
        place = int(found[1]) if found[1] else unit
        if place is None or not 1 <= place <= len(parts) or len(parts) < 2:
            return text
        below = " + ".join(f"exp({part})" for part in parts)
        text = f"{text[: found.start()]}(exp({parts[place - 1]})/({below})){text[end:]}"
    return text


def _of_powers(text: str) -> str:
    """`sum (Z - Y)^2` as the sum of squares that it is by hand; nothing where no such sum stands."""
    found = _SUMMED.search(text)
    end = None if found is None else closing(text, found.end())
    power = _POWER.match(text, end) if end is not None else None
    if found is None or power is None:
        return ""
    inner = text[found.end() : power.end()]
    return f"{text[: found.start()]}sum({inner}){text[power.end() :]}"


def _arguments(text: str) -> Iterator[str]:
    depth = start = 0
    for place, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            yield text[start:place].strip()
            start = place + 1
    yield text[start:].strip()


# --- answers --------------------------------------------------------------------------------------

_EQUALS = pattern(
    r"(?<![<>=!:-])=(?![=>])|:=|[≈≅≃≐→~]|[-=]>(?!=)|\\(?:approx|simeq|cong)(?![A-Za-z])"
)
MOST_PARTS = 4
"""What has more parts than this between signs of equality is no answer."""


def parts_of(texts: Sequence[str]) -> Iterator[str]:
    """`tanh(0.23) = 0.226` is an expression and a number, and `≈ 0.226` just the number.

    Each part keeps its column, for messages.
    """
    for text in texts:
        signs = [found.span() for found in _EQUALS.finditer(text)]
        ends = [*signs, (len(text), len(text))]
        if not 1 < len(ends) <= MOST_PARTS + 1 or not text.strip(" =≈~→:"):
            yield text
            continue
        start = 0
        for end, following in ends:
            if text[start:end].strip():
                yield " " * start + text[start:end]
            start = following


class TextReader:
    """Reads the texts of one sheet's answers. `parsed` gives a formula or why there is none."""

    def __init__(self, names: AnswerNames, parsed: Callable[[str], Formula | str]) -> None:
        self.names = names
        self.parsed = parsed
        self._known = names.known.__contains__

    def in_words(self, text: str) -> bool:
        """Whether a text beside a number only says something of it."""
        alone = text.strip() in FUNCTIONS
        return _ONLY_WORDS.fullmatch(text) is not None and (alone or is_remark(text, self._known))

    def read(self, text: str, commas: Commas, symbolic: bool, unit: int | None) -> Text:
        """What a text is: a number, unless the sheet is `symbolic`, or an expression."""
        if not symbolic and (number := read_number(text.strip())) is not None:
            return Text(number=number)
        if len(text) > MOST_CHARACTERS:
            return Text(text)
        loose = read_loosely(text.strip(), commas, self._known)
        if loose is not None and not (symbolic and loose.number):
            spaced = loose.number is not None and not loose.read_as
            if spaced or isinstance(self.parsed(text), str):
                return loose
        if self.names.graph.arrays and (squares := _of_powers(text)):
            return Text(squares, read_as=escape(squares.strip()))
        if not isinstance(self.parsed(text), str):
            return Text(text)
        other, told = translated(text, self.names, commas, unit)
        if other == text or isinstance(self.parsed(other), str):
            return Text(text)
        return Text(other, read_as=" ".join(escape(other).split()) if told else "")
