"""What is wrong with a file, said so that its author can mend it: place, line, caret, help.

Everything here treats text as hostile: what is printed never holds a control character, an
escape sequence, a mark that reorders text, or an endless line.
"""

from __future__ import annotations

import json
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import cached_property
from itertools import islice
from typing import Literal, TypeAlias

from backprop_cli.dataclass import dataclass

Severity: TypeAlias = Literal["error", "warning"]

LINE_WIDTH = 100  # columns of a quoted line; longer ones are cut round the caret
QUOTE_LENGTH = 60  # characters of a word repeated in a message
TAB = "    "
MOST_LOOKED_AT, MOST_COMPARED = 5_000, 200  # names considered for a suggestion


@dataclass(frozen=True)
class Source:
    """A text and the name of the file it came from. Offsets count characters from 0."""

    path: str
    text: str

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        text = self.text
        at = text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = text.find("\n", at + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """A line without its line break."""
        start = self._starts[number - 1]
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")


@dataclass(frozen=True)
class Span:
    """A stretch of a source from offset `start` up to `end`; None for the file as a whole."""

    source: Source
    start: int | None = None
    end: int | None = None

    @property
    def line(self) -> int:
        return self.source.position(self.start or 0)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start or 0)[1]


@dataclass(frozen=True)
class Diagnostic:
    """One mistake, or one warning: `code` is stable and short, `message` is a sentence."""

    code: str
    message: str
    span: Span | None = None
    severity: Severity = "error"
    help: str | None = None


class ProblemError(Exception):
    """A file cannot be used. Holds every mistake found in it, and the warnings beside them.

    As text it is what the command line says: places, lines with carets, help.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(render_all(self.diagnostics))


def summary(diagnostic: Diagnostic) -> str:
    """The first line: `file:line:column: error[code]: message`."""
    where = ""
    if (span := diagnostic.span) is not None:
        where = f"{escape(span.source.path)}: "
        if span.start is not None:
            where = f"{escape(span.source.path)}:{span.line}:{span.column}: "
    return f"{where}{diagnostic.severity}[{diagnostic.code}]: {escape(diagnostic.message)}"


def render(diagnostic: Diagnostic) -> str:
    """The whole message as plain text: place, quoted line with carets, help. No last newline."""
    lines = [summary(diagnostic)]
    gutter = " "
    span = diagnostic.span
    if span is not None and span.start is not None and span.source.line(span.line).strip():
        number = str(span.line)
        gutter = " " * len(number)
        quoted, indent, width = _excerpt(span)
        lines.append(f"{gutter} |")
        lines.append(f"{number} | {quoted}".rstrip())
        lines.append(f"{gutter} | {' ' * indent}{'^' * width}")
    if diagnostic.help is not None:
        lines.append(f"{gutter} = help: {escape(diagnostic.help)}")
    return "\n".join(lines)


def render_all(diagnostics: Iterable[Diagnostic]) -> str:
    """Every message, an empty line between two."""
    return "\n\n".join(map(render, diagnostics))


def _excerpt(span: Span) -> tuple[str, int, int]:
    """The line of a span as printed, and where the carets begin and how many there are."""
    assert span.start is not None
    line = span.source.line(span.line)
    start = min(span.column - 1, len(line))
    end = min(start + max(1, (span.end or span.start) - span.start), max(len(line), start + 1))
    # Only a window of a long line is escaped and measured: a megabyte on one line stays cheap.
    first = max(0, start - LINE_WIDTH)
    cells = [_cell(character) for character in line[first : end + LINE_WIDTH]]
    left, right = start - first, min(end, len(line)) - first
    right = min(right, left + LINE_WIDTH // 2)
    low, high = 0, len(cells)
    room = LINE_WIDTH - sum(map(_width, cells[left:right]))
    before = _fitting(reversed(cells[:left]), room if high == right else room * 2 // 3)
    after = _fitting(iter(cells[right:]), room - before[1])
    before = _fitting(reversed(cells[:left]), room - after[1])
    low, high = left - before[0], right + after[0]
    prefix = "…" if low + first > 0 else ""
    suffix = "…" if high + first < len(line) else ""
    indent = len(prefix) + sum(map(_width, cells[low:left]))
    width = max(1, sum(map(_width, cells[left:right])))
    return f"{prefix}{''.join(cells[low:high])}{suffix}", indent, width


def _fitting(cells: Iterable[str], room: int) -> tuple[int, int]:
    """How many cells fit into a number of columns, and how many columns they take."""
    count = used = 0
    for cell in cells:
        if used + _width(cell) > room:
            break
        used += _width(cell)
        count += 1
    return count, used


def _cell(character: str) -> str:
    return TAB if character == "\t" else escape(character)


def _width(cell: str) -> int:
    """Columns on a terminal: wide East Asian characters take two, combining marks none."""
    if cell.isascii():
        return len(cell)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in cell
    )


def escape(text: str) -> str:
    """The text with everything that is not plainly visible written as `\\x1b` or `\\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    # isprintable is False for controls, formats (bidi marks, zero widths), surrogates, private
    # and unassigned characters, and for every separator but the plain space.
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def json_text(data: object, indent: int = 1) -> str:
    """JSON that a person can read too, ending in a line feed: letters of every language as they
    are, what is not plainly visible (bidirectional marks among it) as `\\u202e`."""
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    if text.isascii():
        return text + "\n"
    lines = text.split("\n")
    return "".join(f"{line if line.isprintable() else _shown(line)}\n" for line in lines)


def _shown(line: str) -> str:
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def _escaped(character: str) -> str:
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character) or spelled(character)


def spelled(character: str) -> str:
    """The code of a character in ASCII."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote(text: str) -> str:
    """A word from a file inside a message: in backquotes, escaped, cut when long."""
    return f"`{escape(cut(text))}`"


def cut(text: str) -> str:
    """The text as far as it is repeated in a message."""
    return text if len(text) <= QUOTE_LENGTH else f"{text[:QUOTE_LENGTH]}…"


def closest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that `name` may have been meant for, the likeliest first."""
    if not name or len(name) > QUOTE_LENGTH:
        return []
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(name.lower())
    scored: list[tuple[float, bool, int, str]] = []
    for index, candidate in enumerate(_candidates(name, known)):
        matcher.set_seq1(candidate.lower())
        # A word of two or three letters is near every other one: ask for more of it.
        enough = 0.65 if len(name) > 3 else 0.5
        if (
            matcher.real_quick_ratio() >= enough
            and matcher.quick_ratio() >= enough
            and (ratio := matcher.ratio()) >= enough
        ):
            scored.append((-ratio, not candidate.startswith(f"{name}_"), index, candidate))
    return [candidate for *_, candidate in sorted(scored)[:count]]


def _candidates(name: str, known: Iterable[str]) -> list[str]:
    """The known names worth comparing: all of a few, else those that begin alike."""
    few = islice(known, MOST_LOOKED_AT)
    candidates = [one for one in few if abs(len(one) - len(name)) <= max(len(name), 4)]
    candidates = [one for one in candidates if len(one) > 1 or len(name) < 3]
    if len(candidates) <= MOST_COMPARED:
        return candidates
    first = name[0].lower()
    alike = [
        one for one in candidates if one[:1].lower() == first and -3 < len(one) - len(name) < 3
    ]
    return (alike or candidates)[:MOST_COMPARED]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A help sentence with the nearest of the known names: "did you mean `sigmoid`?"."""
    found = closest(name, known, 1)
    return f"did you mean {quote(found[0])}?" if found else None


def there_are(names: Sequence[str], most: int = 12) -> str | None:
    """What could have been written instead: "there are `a` and `b`"; None where nothing could."""
    if not names:
        return None
    return f"there {'is' if len(names) == 1 else 'are'} {listed(names, most)}"


def listed(names: Sequence[str], most: int = 12, last: str = "and") -> str:
    """Names in a sentence: "`a`, `b` and `c`", cut where there are very many."""
    shown = [quote(name) for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}"
