"""A YAML file as a tree of nodes that know where they stand, and no more than that.

Built from PyYAML's events, not from its constructor: nothing is resolved behind the author's
back (`yes`, `1:30`, `0o17` and dates stay the text they are), and no limit is reached before it
has been checked. Anchors, aliases and tags are refused, so a tree is as large as its file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from backprop_cli.diagnostics import Diagnostic, ProblemError, Source, Span, escape, quote

MOST_BYTES = 1 << 20
MOST_DEPTH = 50
MOST_NODES = 300_000
MOST_PROBLEMS = 1_000  # after so many reading stops


@dataclass(frozen=True)
class Scalar:
    """A word, a number or a text. `text` is its content, quotes and escapes resolved."""

    span: Span
    text: str
    plain: bool = True  # written without quotes, so that it may be a number or null

    @property
    def null(self) -> bool:
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")

    def within(self, column: int, length: int = 1) -> Span:
        """The place in the file of some characters of `text`, whatever quotes surround it."""
        start, end = _inside(self, column), _inside(self, column + max(1, length) - 1)
        return Span(self.span.source, start, max(start, end) + 1)


@dataclass(frozen=True)
class Items:
    """A list."""

    span: Span
    items: tuple[Node, ...]
    flow: bool = False  # written in brackets


@dataclass(frozen=True)
class Entries:
    """A mapping; keys are words and each is there once."""

    span: Span
    entries: tuple[tuple[Scalar, Node], ...]
    flow: bool = False


Node: TypeAlias = Scalar | Items | Entries


def load(path: str | Path, *, most_bytes: int = MOST_BYTES) -> Source:
    """The text of a file (`-` is standard input). Raises ProblemError if it is no text."""
    shown = str(path)
    try:
        if shown == "-":
            data = sys.stdin.buffer.read(most_bytes + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        raise ProblemError([_unreadable(shown, error)]) from None
    if len(data) > most_bytes:
        raise ProblemError([_too_large(Source(shown, ""), most_bytes)])
    try:
        return Source(shown, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ProblemError([_not_utf8(shown, data, error.start)]) from None


def _unreadable(path: str, error: OSError | ValueError) -> Diagnostic:
    reasons: dict[type[Exception], str] = {
        FileNotFoundError: "there is no such file",
        IsADirectoryError: "it is a directory",
        PermissionError: "it may not be read",
    }
    reason = reasons.get(type(error)) or getattr(error, "strerror", None) or "it cannot be opened"
    return Diagnostic("unreadable-file", f"cannot read the file: {reason}", Span(Source(path, "")))


def _too_large(source: Source, most_bytes: int) -> Diagnostic:
    return Diagnostic(
        "file-too-large", f"the file is larger than {most_bytes >> 20} MiB", Span(source)
    )


def _not_utf8(path: str, data: bytes, offset: int) -> Diagnostic:
    source = Source(path, data.decode("utf-8", errors="replace"))
    start = len(data[:offset].decode("utf-8", errors="replace"))
    return Diagnostic(
        "not-utf8",
        f"the file is not UTF-8 text (byte 0x{data[offset]:02x})",
        Span(source, start, start + 1),
        help="save it with the encoding UTF-8",
    )


# What YAML does not allow in a file, and the line breaks that only YAML 1.1 knows.
_FORBIDDEN = re.compile("[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def compose(source: Source) -> tuple[Node | None, list[Diagnostic]]:
    """The tree of a source (None if there is none) and everything wrong with its YAML."""
    text = source.text
    if len(text) > MOST_BYTES or len(text.encode("utf-8", "replace")) > MOST_BYTES:
        return None, [_too_large(source, MOST_BYTES)]
    if found := _FORBIDDEN.search(text, 1 if text.startswith("\ufeff") else 0):
        problem = Diagnostic(
            "control-character",
            f"the character {quote(found[0])} may not stand in a file",
            Span(source, found.start(), found.end()),
            help="delete it; it may be invisible in an editor",
        )
        return None, [problem]
    builder = _Builder(source)
    try:
        builder.run()
    except _Stop:
        return None, builder.problems
    except yaml.YAMLError as error:
        return None, [*builder.problems, _syntax(source, error)]
    return builder.root, builder.problems


class _Stop(Exception):
    """Reading ends here; the reason has been recorded."""


class _Open:
    """A collection whose end has not been reached."""

    def __init__(self, event: Any, mapping: bool) -> None:
        self.start: int = event.start_mark.index
        self.flow = bool(event.flow_style)
        self.mapping = mapping
        self.items: list[Node] = []
        self.keys: dict[str, Scalar] = {}
        self.entries: list[tuple[Scalar, Node]] = []
        self.key: Node | None = None


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Diagnostic] = []
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.nodes = 0
        # A byte order mark counts for the author's columns as nothing, for offsets as one.
        self.shift = 1 if source.text.startswith("\ufeff") else 0

    def run(self) -> None:
        documents = 0
        for event in self._events():
            match event:
                case yaml.ScalarEvent():
                    if event.anchor is not None or event.tag is not None:
                        self._marks(event)
                    plain = event.style is None or event.style == ""
                    self._place(Scalar(self._span(event), event.value, plain))
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        self._problem(
                            event,
                            "several-documents",
                            "a file holds one document, and here a second one begins",
                            "delete the `---`, or use one file for each",
                        )
                        raise _Stop
                case yaml.AliasEvent():
                    name = f"*{event.anchor}"
                    self._problem(
                        event,
                        "alias",
                        f"aliases like {quote(name)} are not allowed",
                        "write the value out; text that begins with `*` needs quotes",
                    )
                    self._place(Scalar(self._span(event), "", plain=True))
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    self._marks(event)
                    if len(self.stack) >= MOST_DEPTH:
                        self._problem(
                            event,
                            "too-deep",
                            f"lists and mappings may be nested {MOST_DEPTH} deep, not deeper",
                        )
                        raise _Stop
                    self.stack.append(_Open(event, isinstance(event, yaml.MappingStartEvent)))
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    self._close(event)
                case _:
                    pass

    def _events(self) -> Iterator[Any]:
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        yield from yaml.parse(self.source.text[self.shift :], Loader=loader)

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark.index + self.shift, event.end_mark.index + self.shift
        if (event.anchor and not isinstance(event, yaml.AliasEvent)) or getattr(event, "tag", None):
            # The event begins at the anchor or tag; the text begins behind it.
            while start < end and self.source.text[start] in "&!":
                while start < end and not self.source.text[start].isspace():
                    start += 1
                while start < end and self.source.text[start].isspace():
                    start += 1
        return Span(self.source, start, end if end > start else start)

    def _problem(self, event: Any, code: str, message: str, help: str | None = None) -> None:
        start, end = event.start_mark.index + self.shift, event.end_mark.index + self.shift
        span = Span(self.source, start, max(end, start + 1))
        self._add(Diagnostic(code, message, span, help=help))

    def _add(self, problem: Diagnostic) -> None:
        self.problems.append(problem)
        if len(self.problems) >= MOST_PROBLEMS:
            raise _Stop

    def _marks(self, event: Any) -> None:
        if event.anchor is not None:
            self._problem(
                event,
                "anchor",
                f"anchors like {quote('&' + event.anchor)} are not allowed",
                "write the value where it is used; text that begins with `&` needs quotes",
            )
        if event.tag is not None:
            self._problem(
                event,
                "tag",
                f"tags like {quote(event.tag)} are not allowed",
                "delete it; text that begins with `!` needs quotes",
            )

    def _close(self, event: Any) -> None:
        opened = self.stack.pop()
        end = event.end_mark.index if opened.flow else self._last_end(opened, event)
        start = opened.start + self.shift
        span = Span(self.source, start, max(start, end + self.shift))
        if opened.mapping:
            self._place(Entries(span, tuple(opened.entries), opened.flow))
        else:
            self._place(Items(span, tuple(opened.items), opened.flow))

    def _last_end(self, opened: _Open, event: Any) -> int:
        """Where a block ends: the end event stands where the next thing begins."""
        last = opened.entries[-1][1] if opened.entries else None
        if opened.items:
            last = opened.items[-1]
        if last is None or last.span.end is None:
            return int(event.start_mark.index)
        return last.span.end - self.shift

    def _place(self, node: Node) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            message = f"the file holds more than {MOST_NODES:,} values"
            self.problems.append(Diagnostic("file-too-large", message, Span(self.source)))
            raise _Stop
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1]
        if not parent.mapping:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            key, parent.key = parent.key, None
            if self._key_allowed(parent, key):
                assert isinstance(key, Scalar)
                parent.keys[key.text] = key
                parent.entries.append((key, node))

    def _key_allowed(self, parent: _Open, key: Node) -> bool:
        if not isinstance(key, Scalar):
            problem = Diagnostic(
                "bad-key",
                "a key must be a word, not a list or a mapping",
                key.span,
                help="text in brackets or braces needs quotes",
            )
        elif not key.text.strip():
            problem = Diagnostic("bad-key", "a key is missing before the colon", key.span)
        elif (first := parent.keys.get(key.text)) is not None:
            problem = Diagnostic(
                "duplicate-key",
                f"{quote(key.text)} is given twice; first on line {first.span.line}",
                key.span,
                help="keep one of them",
            )
        else:
            return True
        self._add(problem)
        return False


_SYNTAX_HELP = (
    # part of libyaml's words → message, help
    (
        "mapping values are not allowed",
        "there is a `:` where no key can stand",
        "text with a colon needs quotes; check the indentation of this line and the one above",
    ),
    (
        "cannot start any token",
        "{character} cannot begin a value",
        "text that begins with {character} needs quotes",
    ),
    (
        "expected ',' or ']'",
        "the list that begins on line {context} is not closed here",
        "put a comma between two items, and `]` behind the last one",
    ),
    (
        "expected ',' or '}'",
        "the mapping that begins on line {context} is not closed here",
        "put a comma between two entries, and `}}` behind the last one",
    ),
    (
        "expected node content",
        "a value is missing here",
        "a bracket or brace may not be closed, or a comma stands twice",
    ),
    (
        "expected key",
        "this does not fit into the mapping that begins on line {context}",
        "entries of one mapping begin in the same column; text behind a quoted text is not allowed",
    ),
    (
        "expected '-' indicator",
        "this does not fit into the list that begins on line {context}",
        "items of one list begin in the same column, and so do the keys of one item",
    ),
    ("unexpected end of stream", "the quotes that open on line {context} are not closed", None),
    (
        "could not find expected ':'",
        "this line has no `:`",
        "a key is followed by a colon and a space; longer text needs indentation",
    ),
    (
        "comment or line break",
        "`|` and `>` at the beginning of a value have a meaning in YAML",
        "text that begins with `|` or `>` needs quotes",
    ),
    (
        "expected alphabetic or numeric",
        "`*` and `&` at the beginning of a value have a meaning in YAML",
        "text that begins with `*` or `&` needs quotes",
    ),
    (
        "unknown escape character",
        "this is no escape that YAML knows",
        "in double quotes a backslash is written `\\\\`; single quotes take it as it is",
    ),
    (
        "block sequence entries are not allowed",
        "a list cannot begin here",
        "begin it on a new line",
    ),
)


def _syntax(source: Source, error: yaml.YAMLError) -> Diagnostic:
    """libyaml's complaint in the words of a problem file's author."""
    shift = 1 if source.text.startswith("\ufeff") else 0
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or "this is not YAML")
    at = mark.index + shift if mark is not None else None
    context_mark = getattr(error, "context_mark", None)
    quoted = "quoted" in str(getattr(error, "context", ""))
    if context_mark is not None and quoted and "end of stream" in problem:
        at = context_mark.index + shift  # the quotes, not the end of the file
    at = 0 if at is None else min(at, len(source.text))
    # The complaint often stands at the line break behind the thing complained about.
    while at > 0 and (at == len(source.text) or source.text[at] in "\r\n"):
        at -= 1
    character = source.text[at : at + 1]
    begins = source.position((context_mark.index if context_mark else at) + shift)[0]
    message, help = f"this is not YAML: {escape(problem)}", None
    words = {
        "character": "a tab" if character == "\t" else quote(character),
        "context": begins,
    }
    for part, plain_words, advice in _SYNTAX_HELP:
        if part in problem:
            message = plain_words.format(**words)
            help = advice.format(**words) if advice else None
            break
    if character == "\t" and ("token" in problem or "tab" in problem):
        message, help = "a tab cannot indent a line", "YAML is indented with spaces"
    return Diagnostic("yaml-syntax", message, Span(source, at, at + 1), help=help)


_ESCAPE_LENGTH = {"x": 4, "u": 6, "U": 10}


def _inside(scalar: Scalar, column: int) -> int:
    """The offset in the file of a character of a scalar's text.

    Folding and indentation only ever change white space, so the two texts are walked together:
    each other character of `text` is the next such one of the file.
    """
    span = scalar.span
    assert span.start is not None
    assert span.end is not None
    raw = span.source.text[span.start : span.end]
    if scalar.plain and raw == scalar.text:
        return span.start + min(column, len(raw))
    quote_mark = raw[:1]
    at = 1 if quote_mark in ('"', "'") else 0
    if quote_mark in ("|", ">"):
        at = raw.find("\n") + 1
    for character in scalar.text[:column]:
        at = _past(raw, at, character, quote_mark)
    if column < len(scalar.text) and not scalar.text[column].isspace():
        at = _skip(raw, at, quote_mark)
    return span.start + min(at, max(0, len(raw) - 1))


def _skip(raw: str, at: int, quote_mark: str) -> int:
    while at < len(raw) and (raw[at].isspace() or raw.startswith(("\\\n", "\\\r"), at)):
        at += 2 if raw[at] == "\\" and quote_mark == '"' else 1
    return at


def _past(raw: str, at: int, character: str, quote_mark: str) -> int:
    """The offset behind the written form of one character."""
    if character.isspace() and not (quote_mark == '"' and raw.startswith("\\", at)):
        return at + 1 if at < len(raw) and raw[at].isspace() else at
    if not character.isspace():
        at = _skip(raw, at, quote_mark)
    if quote_mark == '"' and raw.startswith("\\", at):
        return at + _ESCAPE_LENGTH.get(raw[at + 1 : at + 2], 2)
    if quote_mark == "'" and raw.startswith("''", at):
        return at + 2
    return at + 1
