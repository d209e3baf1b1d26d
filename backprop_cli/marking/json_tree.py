"""JSON as the tree that YAML files are read into: number tokens as written, places kept.

The `json` module of the standard library has neither.
"""

from __future__ import annotations

import re

from backprop_cli.diagnostics import Diagnostic, Source, Span
from backprop_cli.problem.yaml_tree import MOST_DEPTH, Entries, Items, Node, Scalar

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
      (?P<mark>[][{}:,])
    | (?P<text>"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*")
    | (?P<word>[-+.0-9A-Za-z_]+)
    )""",
    re.X,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_SIMPLE = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class _Bad(Exception):
    pass


def parse_json(source: Source) -> tuple[Node | None, list[Diagnostic]]:
    """The tree of a JSON text and what is wrong with it (syntax: the first; keys given twice)."""
    reader = _Reader(source)
    try:
        return reader.read(), reader.problems
    except _Bad:
        return None, reader.problems


class _Open:
    def __init__(self, start: int, mapping: bool) -> None:
        self.start = start
        self.mapping = mapping
        self.items: list[Node] = []
        self.entries: list[tuple[Scalar, Node]] = []
        self.keys: dict[str, int] = {}
        self.key: Scalar | None = None


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Diagnostic] = []
        self.at = 0

    def fail(
        self, message: str, start: int, end: int | None = None, code: str = "json-syntax"
    ) -> _Bad:
        self.problems.insert(
            0, Diagnostic(code, message, Span(self.source, start, end or start + 1))
        )
        return _Bad()

    def token(self) -> tuple[str, str, int]:
        found = _TOKEN.match(self.source.text, self.at)
        if found is None:
            rest = self.source.text[self.at :]
            start = self.at + len(rest) - len(rest.lstrip(" \t\r\n"))
            if start >= len(self.source.text):
                return "end", "", start
            raise self.fail("this is not JSON", start)
        self.at = found.end()
        kind = found.lastgroup or "end"
        return kind, found[kind], found.start(kind)

    def read(self) -> Node | None:
        """Iterative: no depth of nesting can exhaust the stack."""
        stack: list[_Open] = []
        kind, text, start = self.token()
        if kind == "end":
            return None
        while True:
            # A value begins here.
            node: Node | None = None
            if kind == "mark" and text in "[{":
                if len(stack) >= MOST_DEPTH:
                    raise self.fail(f"nested more than {MOST_DEPTH} deep", start, code="too-deep")
                opened = _Open(start, text == "{")
                closing = "}" if opened.mapping else "]"
                kind, text, start = self.token()
                if kind == "mark" and text == closing:
                    node = self._closed(opened)
                else:
                    stack.append(opened)
                    if opened.mapping:
                        self._key(opened, kind, text, start)
                        kind, text, start = self.token()
                    continue
            elif kind in ("text", "word"):
                node = self._scalar(kind, text, start)
            else:
                raise self.fail("a value is missing here", start)
            # A value has ended: give it to what is open, and close what ends with it.
            while True:
                if not stack:
                    kind, text, start = self.token()
                    if kind != "end":
                        raise self.fail(
                            "there is something behind the end of the JSON value", start
                        )
                    return node
                opened = stack[-1]
                self._put(opened, node)
                kind, text, start = self.token()
                if kind == "mark" and text == ",":
                    kind, text, start = self.token()
                    if opened.mapping:
                        self._key(opened, kind, text, start)
                        kind, text, start = self.token()
                    break
                if kind == "mark" and text == ("}" if opened.mapping else "]"):
                    stack.pop()
                    node = self._closed(opened)
                    continue
                raise self.fail("a comma or the closing bracket is missing here", start)

    def _key(self, opened: _Open, kind: str, text: str, start: int) -> None:
        if kind != "text":
            raise self.fail("a name in double quotes is missing here", start)
        opened.key = self._scalar(kind, text, start)
        kind, text, start = self.token()
        if kind != "mark" or text != ":":
            raise self.fail("a colon is missing here", start)

    def _put(self, opened: _Open, node: Node) -> None:
        if not opened.mapping:
            opened.items.append(node)
            return
        key = opened.key
        assert key is not None
        if key.text in opened.keys:
            line = opened.keys[key.text]
            message = f"`{key.text}` is given twice; first on line {line}"
            self.problems.append(Diagnostic("duplicate-key", message, key.span))
            return
        opened.keys[key.text] = key.span.line
        opened.entries.append((key, node))

    def _closed(self, opened: _Open) -> Node:
        span = Span(self.source, opened.start, self.at)
        if opened.mapping:
            return Entries(span, tuple(opened.entries), flow=True)
        return Items(span, tuple(opened.items), flow=True)

    def _scalar(self, kind: str, text: str, start: int) -> Scalar:
        span = Span(self.source, start, start + len(text))
        if kind == "word":
            return Scalar(span, text, plain=True)
        return Scalar(span, _unescape(text[1:-1]), plain=False)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else _SIMPLE.get(found[2], found[2]), text
    )
    # Two \u escapes may be the halves of one character; a lone half is no character at all.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
