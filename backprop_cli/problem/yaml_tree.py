"""A YAML file as a tree of nodes that know where they stand, and no more than that.

Built from PyYAML's events, not from its constructor: nothing is resolved behind the author's
back (`yes`, `1:30`, `0o17` and dates stay the text they are), and no limit is reached before it
has been checked. Anchors, aliases and tags are refused, so a tree is as large as its file.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import Diagnostic, Source, Span, quote
from backprop_cli.patterns import pattern
from backprop_cli.problem.scalar_places import offset_in
from backprop_cli.problem.source_file import MOST_BYTES, too_large

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
        begin, end = self.span.start or 0, self.span.end or 0
        raw = self.span.source.text[begin:end]
        first = offset_in(raw, self.text, column)
        last = offset_in(raw, self.text, column + max(1, length) - 1)
        return Span(self.span.source, begin + first, begin + max(first, last) + 1)


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


def entry(node: Node | None, *keys: str) -> Node | None:
    """The value under the first of these keys that a mapping has; None where it has none of them,
    or is none."""
    found = node.entries if isinstance(node, Entries) else ()
    return next((value for key, value in found if key.text in keys), None)


# What YAML does not allow in a file, and the line breaks that only YAML 1.1 knows.
_FORBIDDEN = pattern("[\0-\b\v\f\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def compose(source: Source) -> tuple[Node | None, list[Diagnostic]]:
    """The tree of a source (None if there is none) and everything wrong with its YAML."""
    text = source.text
    if len(text) > MOST_BYTES or len(text.encode("utf-8", "replace")) > MOST_BYTES:
        return None, [too_large(source)]
    if found := _FORBIDDEN.search(text, 1 if text.startswith("\ufeff") else 0):
        problem = Diagnostic(
            "control-character",
            f"the character {quote(found[0])} may not stand in a file",
            Span(source, found.start(), found.end()),
            help="delete it; it may be invisible in an editor",
        )
        return None, [problem]
    import yaml  # which takes its time to load, and not every command reads a file

    try:
        return _built(_Builder(source, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except _OwnLimit:
        # libyaml reads ahead within a line and may count 1,000 brackets before it hands out the
        # first; the reader in Python has no limit, so that ours is the one that speaks.
        return _built(_Builder(source, yaml.SafeLoader))


def _built(builder: _Builder) -> tuple[Node | None, list[Diagnostic]]:
    import yaml

    try:
        builder.run()
    except _Stop:
        return None, builder.problems
    except yaml.YAMLError as error:
        if "nesting depth" in str(error):
            raise _OwnLimit from None
        from backprop_cli.problem.yaml_syntax import syntax_problem

        return None, [*builder.problems, syntax_problem(builder.source, error)]
    return builder.root, builder.problems


class _OwnLimit(Exception):
    """The library has a limit of its own on nesting, and has reached it before ours."""


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


_HALVES = pattern(r"[-+−]?\d{1,40},\d{1,40}(?:[eE][-+]?\d{1,4})?")


def _with_comma(opened: _Open, key: Node, value: Node) -> Scalar | None:
    """The value before, where `{z1_1: 0,855}` has a decimal comma, and no key 855 without a value."""
    before = opened.entries[-1][1]
    if not (isinstance(key, Scalar) and isinstance(value, Scalar) and value.null):
        return None
    if not isinstance(before, Scalar) or key.span.start != (before.span.end or 0) + 1:
        return None
    text = f"{before.text},{key.text}"
    span = Span(before.span.source, before.span.start, key.span.end)
    return Scalar(span, text) if _HALVES.fullmatch(text) else None


class _Builder:
    def __init__(self, source: Source, loader: Any) -> None:
        self.source = source
        self.loader = loader
        self.problems: list[Diagnostic] = []
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.nodes = 0
        # A byte order mark counts for the author's columns as nothing, for offsets as one.
        self.shift = 1 if source.text.startswith("\ufeff") else 0

    def run(self) -> None:
        import yaml

        documents = 0
        for event in yaml.parse(self.source.text[self.shift :], Loader=self.loader):
            match event:
                case yaml.ScalarEvent():
                    if event.anchor is not None or event.tag is not None:
                        self._marks(event)
                    plain = event.style is None or event.style == ""
                    self._place(Scalar(self._span(event), event.value, plain))
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        message = "a file holds one document, and here a second one begins"
                        help = "delete the `---`, or use one file for each"
                        self._problem(event, "several-documents", message, help)
                        raise _Stop
                case yaml.AliasEvent():
                    name = f"*{event.anchor}"
                    message = f"aliases like {quote(name)} are not allowed"
                    help = "write the value out; text that begins with `*` needs quotes"
                    self._problem(event, "alias", message, help)
                    self._place(Scalar(self._span(event), "", plain=True))
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    self._marks(event)
                    if len(self.stack) >= MOST_DEPTH:
                        message = f"lists and mappings may be nested {MOST_DEPTH} deep, not deeper"
                        self._problem(event, "too-deep", message)
                        raise _Stop
                    self.stack.append(_Open(event, isinstance(event, yaml.MappingStartEvent)))
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    self._close(event)
                case _:
                    pass

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark.index + self.shift, event.end_mark.index + self.shift
        # Nodes alone have `implicit`; an alias begins with its anchor.
        if hasattr(event, "implicit") and (event.anchor or event.tag):
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
            message = f"anchors like {quote('&' + event.anchor)} are not allowed"
            help = "write the value where it is used; text that begins with `&` needs quotes"
            self._problem(event, "anchor", message, help)
        if event.tag is not None:
            help = "delete it; text that begins with `!` needs quotes"
            self._problem(event, "tag", f"tags like {quote(event.tag)} are not allowed", help)

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
        held = opened.items or [value for _, value in opened.entries[-1:]]
        last = held[-1] if held else None
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
            if parent.flow and parent.entries and (whole := _with_comma(parent, key, node)):
                parent.entries[-1] = (parent.entries[-1][0], whole)
            elif self._key_allowed(parent, key):
                assert isinstance(key, Scalar)
                parent.keys[key.text] = key
                parent.entries.append((key, node))

    def _key_allowed(self, parent: _Open, key: Node) -> bool:
        if not isinstance(key, Scalar):
            message = "a key must be a word, not a list or a mapping"
            help = "text in brackets or braces needs quotes"
            self._add(Diagnostic("bad-key", message, key.span, help=help))
            return False
        if not key.text.strip():
            self._add(Diagnostic("bad-key", "a key is missing before the colon", key.span))
            return False
        if (first := parent.keys.get(key.text)) is not None:
            message = f"{quote(key.text)} is given twice; first on line {first.span.line}"
            self._add(Diagnostic("duplicate-key", message, key.span, help="keep one of them"))
            return False
        return True
