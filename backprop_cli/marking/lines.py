"""Statements on the lines of a page: `1. **$z_1$** = 0.5; h ≈ 0.6` is two names with their values.

What stands round them (bullets, quotes, emphasis, markup, alignment) is taken off; nothing here
knows the names of a sheet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from backprop_cli.marking.handwriting import cleaned
from backprop_cli.marking.numbers import read_number
from backprop_cli.marking.submission import STUDENT_LENGTH, Answer, as_list, bounded
from backprop_cli.patterns import pattern

LONGEST_NAME = 118
LONGEST_LINE = 5000
"""No line is longer that goes on from one to the next."""
MOST_SIGNS = 60
"""In a line with more signs of equality than this no second statement is looked for."""


class Statement(NamedTuple):
    """A name and what is said of it; neither where a line has no sign between them."""

    number: int
    line: str
    name: str = ""
    sign: str = ""
    written: str = ""
    value: str = ""  # what is written, without what stands round it

    @property
    def column(self) -> int:
        return max(self.line.rfind(self.written), 0) + 1

    @property
    def in_words(self) -> bool:
        """Whether the name stands among words, so that it may be none."""
        words = self.name.split()
        return (len(words) > 1 or not self.sign) and any(
            is_word(word) or word.endswith(("^2", "^3")) for word in words
        )

    @property
    def heading(self) -> str | None:
        """What a parameter is called below a line that only says what follows."""
        if self.value or not (found := _HEADED.match(self.line)):
            return None
        return "{} new" if found[1] else "grad {}" if found[2] else "{}"

    @property
    def is_blank(self) -> bool:
        """Whether a name stands here and no value, and it is no heading."""
        empty = is_name(self.name) and _BLANK_VALUE.fullmatch(self.value) is not None
        return empty and bool(self.value or self.sign != ":")

    @property
    def is_answer(self) -> bool:
        """Whether something among other lines looks like an answer."""
        if not is_name(self.name) or _BLANK_VALUE.fullmatch(self.value):
            return False
        if self.sign != ":":
            return _PROSE.fullmatch(self.value) is None
        digits = not self.in_words and any(map(str.isdigit, self.value))
        return digits or _MATHS.match(self.value) is not None


def answer_of(said: Statement, name: str) -> Answer:
    """A statement as the answer under a name."""
    place, text = (said.number, said.column), said.value
    general = not any(map(str.isdigit, name)) and read_number(text) is None
    inside = text[1:-1].split(", ") if text[:1] == "[" and text[-1:] == "]" else []
    listed = [part for each in inside if (part := each.strip("\"' "))]  # `[0.5, 2*x]`
    return Answer(
        name[:STUDENT_LENGTH],
        bounded(listed or [text]),
        *place,
        cells=as_list(name, text, *place),
        in_words=said.in_words or (general and not _RESULT.search(text)),
    )


def is_word(text: str) -> bool:
    """Whether something beside a name says nothing of which quantity it is."""
    return text.isalpha() and text.isascii() and not _CALLED.fullmatch(text) and len(text) > 1


_ENTITY = pattern(r"&(?:#\d{1,6}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,10});")
_SCRIPT = pattern(r"<(sub|sup)>([^<>]{0,60})</\1>", re.I)
_TAG = pattern(r"</?(?:b|i|u|em|strong|code|p|span|li|ul|ol|div)\b[^<>]{0,100}>|<!--", re.I)
_MARKUP = pattern(
    r"\\(?:begin|end|tag|label)\{[^{}]{0,40}\}(?:\{[^{}]{0,20}\})?|\\(?:nonumber|item)(?![A-Za-z])"
    r"|\\[\[\]]|\$\$|&(?=\s*(?:[=≈:]|\\approx|\\simeq))|(?<==)&"
)
_STRONG = pattern(r"(?<![\w)*])(\*\*|__)(?=[^\s*_])(.{1,120}?)(?<=[^\s*_])\1(?![\w(*])")
_BOXED = pattern(r"\\boxed\s?\{((?:[^{}]|\{(?:[^{}]|\{[^{}]{0,40}\}){0,80}\}){0,200})\}")
_BEFORE = pattern(
    r"(?:\s|>|:\s|#{1,6}\s|[-*+•▪‣]\s|\[[ xX]\]\s|(?:\d{1,3}|[a-z]|[ivx]{2,4})[.)]\s"
    r"|\((?:\d{1,3}|[a-z]|[ivx]{1,4})\)\s)*"
)
_MATRIX = pattern(
    r"(?:\\left[(\[.] ?)?\\begin\{[pbvB]?(?:matrix|array)\}(?:\{[lcr| ]{0,40}\})?(.{0,4000}?)"
    r"\\end\{[pbvB]?(?:matrix|array)\}(?: ?\\right[)\].])?"
)
_OPENS, _CLOSES = pattern(r"\\\[|\\begin\{"), pattern(r"\\\]|\\end\{")
_BREAK = pattern(r"\\(?:\\|cr)(?![A-Za-z])|<br ?/?>", re.I)
_SIGN = pattern(
    r"(?<![<>!=:])(?::=|=(?![=>])|[≈≅≃≐→~]|->|(?P<becomes>←|<-|\\(?:leftarrow|gets)(?![A-Za-z]))"
    r"|\\(?:approx|simeq|cong|sim|to|rightarrow)(?![A-Za-z])|(?P<colon>:)(?=[\s$`*]|\Z))"
)
_PART = pattern(
    r"\s*(?:;|\$\s*\$|&|,(?!\d)|⇒|=>|\\(?:qquad|quad|implies|Rightarrow)(?![A-Za-z])|\band\b|\s\|\s"
    r"|(?<=[a-z])\.\s|(?<=[\w$)])\.\s+(?=[A-Z$\\])|\s\s)\s*"
)
_WORKED = pattern(
    r"[+·×⋅∙](?=.)|\\(?:cdot|times)|[^\s*]\s*[-−–*]\s+\S|\d\s*(?:\*|/(?!\s*(?:[d∂]|\\partial)))|(?<=[\w)}])\*(?=\w)|\A[\d.−–-]"
)
"""A calculation, so no name."""
_BESIDE = pattern(r"([^\s.…]+)[\s.…]*\s([-+−–]?\d*[.,]\d+(?:[eE][-+]?\d+)?)\.?")
"""`z1_1 ... 0.855`"""
_ALIKE = pattern(r"\s*[-+−–]?[\d.,]+\s+(([A-Za-z]+)[\d_^({\[]\S*)\s*\Z")
"""`-0.7 z1_2` before a sign, where z1_1 was said to be the number."""
_CALLED_SO = pattern(r"(?:[d∂][^\s=≈+*/()-]{0,60}/)?[^\W\d][^\s=≈+*/()-]{0,60}")
_ASIDE = pattern(r"(#{1,6}\s[^=(]{0,120}\w)\s\(.{0,120}\)\s*")
"""A heading that says in brackets how something is calculated."""
_AFTER = pattern(r"[.,;:)]*(?:\s+[A-Za-z(]|\s*\Z)")
_SAID = pattern(
    r"\s*[✓✔☑✅]|(?<=\d)\s*[<>]\s*0(?=\s*(?:[,;]|\Z))|\s+(?://|#)\s|\s+\(\s*[=≈]|,?\s+[(\[]?(?:which|since|because|as|where|with|using|by|for|see|from|so"
    r"|hence|thus|therefore|then|but|when)\s(?![^=]{0,40}=)"
)
"""Words behind a value."""
_NAMES = pattern(r"[^\W_]|[\\$`*∂∇({\[\"'_]")
_CALLED = pattern(
    r"new|neu|next|old|updated?|upd|after|before|grad(?:ient)?s?|derivatives?|partial|delta|change|slope"
    r"|hat|bar|minus|negative|plus|times|half|twice|squared|sum|[dD][A-Za-z]",
    re.I,
)
_TITLE = pattern(r"[^\d_^\\/∂]{2,}|[A-Za-z]{3,} [^_^\\/∂]*")
_MATHS = pattern(r"[-+−–≈~]?\s*[\d.,(\\]|[^=^*/·+×(]{0,60}[=^*/·+×(]|\S{1,60} [-−–] \S")
_RESULT = pattern(r"[=≈]\s*[-+−–]?[\d.]|\A[-+−–]?[\d.,]+\s*(?:\Z|[^-+*/^\s\d])")
_BLANK_VALUE = pattern(r"[._ ?–—…-]*")
_HEADED = pattern(
    r"(?:[\s#*_>-]|\d+[.)]|\(?[a-z]\))*(?:(?:the |all |my )?(new|updated?)\b|(?:the |all |my )?(grad|deriv)|\w)"
    r"[^.=]{0,60}[:*_\s]*\Z",
    re.I,
)
_OPEN, _ENDS_ROW = ("=", ":"), " ,;"
_CALL = pattern(r"\A(?:[A-Za-z]{1,8}\.)?(?:as)?(?:array|tensor|matrix)\(", re.I)
_AROUND = " \t,;|[](){}⎡⎢⎣⎤⎥⎦│\\"
_BETWEEN, _NUMERAL = pattern(r"[\s,;&|]+"), pattern(r"[-+−–]?(?:\d+[.,]?\d*|\.\d+)(?:e[-+]?\d+)?")
_LETTER = pattern(r"[\d_/^∂\\]|(?<![A-Za-z])[A-Za-z]{1,2}(?![A-Za-z])")
"""What a quantity has in its name, and a word has not."""
_UPDATE = pattern(
    r"(?:[\s#*]*|.*\{)(?:(?:Update|Iteration|Epoch|(?:mini-?)?batch)(?: | ?(?:#|no\.?) ?)(\d{1,4})\b|(1st|2nd|3rd|first|second|third) "
    r"(?:update|iteration|epoch)\b)(?!.*[=|])",
    re.I,
)
_ORDER = {"1st": 1, "2nd": 2, "3rd": 3, "first": 1, "second": 2, "third": 3}
_PROSE = pattern(r"[A-Za-z]{2,},? [A-Za-z]{2,}\b[^\d=^*/·+×(\\]*")


def is_name(text: str) -> bool:
    """Whether something can be the name of a quantity, perhaps with words before it."""
    text = text.strip()
    if not text or len(text) > LONGEST_NAME or not _NAMES.match(text) or not _closed(text):
        return False
    return _WORKED.search(text.strip("*")) is None


def _closed(text: str) -> bool:
    return all(text.count(sign) == text.count(other) for sign, other in ("()", "[]", "{}"))


def update_of(text: str) -> int:
    """The number of the update that a heading begins; 0 where it is none."""
    found = _UPDATE.match(text)
    return 0 if found is None else int(found[1] or 0) or _ORDER.get((found[2] or "").lower(), 0)


def unwrapped(text: str) -> str:
    """A name or a value without quotes, emphasis and the signs of code and formulas round it."""
    text = text.strip()
    for _ in range(6):
        if len(text) < 2 or text[0] != text[-1] or text[0] not in "*_`$\"'":
            break
        text = text[1:-1].strip()
    if text[:1] and text[0] in '*_`$"':
        text = text.lstrip(text[0] + " ")
    return text.rstrip('$" ')


def _value(written: str) -> str:
    text = unwrapped(written.removesuffix("\\")).rstrip("*_`$ ")
    if text[-1:] in (",", ";", ".") and text[-2:] != "..":
        text = unwrapped(text[:-1]).rstrip("*_`$ ")
    return text


def bare_name(text: str) -> str:
    """A name without the number of a list before it and without emphasis."""
    begun = _BEFORE.match(text)
    return unwrapped(_STRONG.sub(r"\2", text[begun.end() if begun else 0 :]))


def without_markup(line: str) -> str:
    """Without what only says how a line is set."""
    if "&" in line:
        import html  # with a table of all entities, which few pages need

        line = _ENTITY.sub(lambda found: html.unescape(found[0]), line)
    if "<" in line:
        line = _SCRIPT.sub(lambda each: f"{'^' if each[1][2] in 'pP' else '_'}{{{each[2]}}}", line)
        line = _TAG.sub("", line)
    if "\\" in line:
        line = _BOXED.sub(r"\1", line).replace("~", " ").replace("\\(", "$").replace("\\)", "$")
    line = _MARKUP.sub(" ", _STRONG.sub(r"\2", line))
    return line if line.isprintable() else cleaned(line)


def _rows(found: re.Match[str]) -> str:
    rows = (row for row in _BREAK.split(found[1]) if row.strip())
    return f"[{', '.join('[' + row.replace('&', ', ').strip() + ']' for row in rows)}]"


def statements(lines: Iterable[tuple[int, str]]) -> Iterator[Statement]:
    """What the lines say, in order; a line that goes on with `= 0.5`, or in a formula that is set
    apart, belongs to the one before it."""
    number, held, whole = 0, "", ""
    inside, fresh, rows = False, True, False
    for at, line in lines:
        if not inside and _OPENS.search(line):
            inside = fresh = True
        pieces = _BREAK.split(_MATRIX.sub(_rows, line) if "\\end" in line else line)
        for place, piece in enumerate(pieces, 1):
            aside = _ASIDE.fullmatch(piece)
            text = without_markup(aside[1] if aside else piece)
            begun = _BEFORE.match(text)
            text = text[begun.end() if begun else 0 :].rstrip()
            rows = is_row(text) and (rows or _begins(held, text)) and len(held) < LONGEST_LINE
            if rows:
                joint = " " if held[-1:] in _OPEN else "; "
                held = f"{held.rstrip(_ENDS_ROW)}{joint}{text.rstrip(_ENDS_ROW)}"
                continue
            if text:
                sign = _SIGN.match(text)
                goes_on = (sign and not sign["colon"]) or not (
                    (fresh and held[-1:] != "=") or _starts(text)
                )
                if held and goes_on and len(held) < LONGEST_LINE:
                    held = f"{held} {text}"
                else:
                    yield from _stated(number, held, whole)
                    number, held, whole = at, text, line
            fresh = not inside or place < len(pieces) or (fresh and not text)
        if line.count("$$") % 2:
            inside, fresh = not inside, True
        if _CLOSES.search(line):
            inside, fresh = False, True
    yield from _stated(number, held, whole)


def is_row(text: str) -> bool:
    """Whether a line is a row of numbers, in brackets or in none."""
    return len(text) < LONGEST_LINE and all(map(_NUMERAL.fullmatch, _cells(text)))


def _cells(row: str) -> list[str]:
    """The numbers of `[0.5, -0.2]`, or of `array([[0.5, -0.2],`."""
    return _BETWEEN.split(_CALL.sub("", row).strip(_AROUND))


def _begins(held: str, row: str) -> bool:
    """Whether a row is the first, `dL/dG =` standing above it, or the second, below `G = [1 2`."""
    if held[-1:] in _OPEN:
        return bool(named(held))
    first = held.rpartition("=")[2].strip()
    bracket = _CALL.sub("", first)[:1] in ("[", "(")
    return bracket and is_row(first) and len(_cells(first)) == len(_cells(row)) > 1


def named(line: str) -> str:
    """What a line names of which nothing is said on it, `dL/dG =` or `## dL/dG`; `Gradients:`
    names nothing."""
    name = bare_name(without_markup(line)).rstrip("".join((*_OPEN, " ")))
    fits = is_name(name) and _LETTER.search(name) and not _SIGN.search(name)
    return name if fits else ""


def _starts(text: str) -> bool:
    sign = _SIGN.search(text)
    return sign is not None and is_name(text[: sign.start()])


def _stated(number: int, text: str, line: str) -> Iterator[Statement]:
    signs = list(islice(_SIGN.finditer(text), MOST_SIGNS))
    if not text:
        return
    if not signs:
        beside = _BESIDE.fullmatch(text) if len(text) < LONGEST_NAME else None
        yield Statement(number, line, *((beside[1], "", beside[2], beside[2]) if beside else ()))
        return
    begun: list[tuple[int, int, re.Match[str]]] = []  # where a value ends, the next name, its sign
    for sign in signs:
        start = begun[-1][2].end() if begun else 0
        found = _begin(text, start, sign.start())
        before = text[start : sign.start()]
        heading = text[begun[0][1] : begun[0][2].start()] if len(begun) == 1 else ""
        if heading and begun[0][2]["colon"] and is_name(before) and _TITLE.fullmatch(heading):
            begun = [(0, start, sign)]  # `Hidden layer: z1_1 = 0.5`
            continue
        alike = _ALIKE.match(text, start, sign.start()) if begun and found is None else None
        if alike and text.startswith(alike[2], begun[-1][1]):
            found = alike.start(1), alike.start(1)
        if found is not None:
            begun.append((*found, sign))
        elif not begun:
            begun.append((0, max(0, sign.start() - LONGEST_NAME), sign))
    for (_, start, sign), following in zip(begun, [*begun[1:], None], strict=True):
        name = unwrapped(text[start : sign.start()])
        if sign["becomes"]:
            name = f"{name.removesuffix(' new')} new"
        value = text[sign.end() : following[0] if following else None]
        if text.count("$", 0, sign.start()) % 2:
            inside, _, after = value.partition("$")
            value = inside if inside.strip() and _AFTER.match(after) else value
        value = _SAID.split(value, maxsplit=1)[0].strip()
        value_, others = _shared(_value(value))
        yield Statement(number, line, name, sign[0], value, value_)
        for other, its_value in others:
            yield Statement(number, line, other, "", value, its_value)


def _shared(value: str) -> tuple[str, list[tuple[str, str]]]:
    """A value without the name at its end, and what else has it: `z2_1 = 0.6*3 + 0.06 = 1.86` under
    yhat is that of both, as is `0.6*3 + 0.06 = 1.86 = yhat` under z2_1."""
    parts = re.split("[=≈]", value)
    found: list[tuple[str, str]] = []
    if not 1 < len(parts) <= MOST_SIGNS:
        return value, found
    last, before = parts[-1].strip(), parts[-2].strip()
    if _CALLED_SO.fullmatch(last) and _is_short_number(before):
        value = value[: -len(parts.pop()) - 1].rstrip()
        found.append((last, before))
    first = parts[0].strip()
    if len(first) > 1 and _CALLED_SO.fullmatch(first) and _is_short_number(parts[-1].strip()):
        found.append((first, value[len(parts[0]) + 1 :].strip()))
    return value, found


def _is_short_number(text: str) -> bool:
    return len(text) < LONGEST_NAME and read_number(text) is not None


def _begin(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where a name begins that ends at `end`, and where what stands before it ends."""
    low = max(start, end - LONGEST_NAME)
    for part in reversed(list(_PART.finditer(text, low, end))):
        if is_name(text[part.end() : end]):
            return part.start(), part.end()
    return None
