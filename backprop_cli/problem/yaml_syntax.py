"""What the YAML library complains of, in the words of a problem file's author."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backprop_cli.diagnostics import Diagnostic, Source, Span, escape, quote
from backprop_cli.patterns import pattern

if TYPE_CHECKING:
    import yaml

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
        "expected <document start>",
        "something stands here behind the end of what the file holds",
        "a bracket or brace may stand once too often",
    ),
    (
        "block sequence entries are not allowed",
        "a list cannot begin here",
        "begin it on a new line",
    ),
)


def syntax_problem(source: Source, error: yaml.YAMLError) -> Diagnostic:
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
    if "expected ',' or '}'" in problem and character in "[{":
        help = "a formula with a bracket, a brace or a comma inside `{…}` needs quotes"
    if (colon := colon_meant(source.text, at)) is not None:
        place, message, help = colon
        return Diagnostic("yaml-syntax", message, Span(source, place, place + 1), help=help)
    if character == "\t" and ("token" in problem or "tab" in problem):
        message, help = "a tab cannot indent a line", "YAML is indented with spaces"
    return Diagnostic("yaml-syntax", message, Span(source, at, at + 1), help=help)


_COLONS = (
    # a key with what stands for the colon behind it → message, help
    (
        pattern(r"[ ]*[\w.'/()∂⁰-⁹₀-₉]{1,40} ?=(?!=)"),
        "there is a `=` where a `:` belongs",
        "a key is followed by a colon and a space, not by `=`",
    ),
    (
        pattern(r"[ ]*(?:- )?[\w.]{1,40} ?[：﹕︰꞉∶]"),
        "there is another colon than `:`",
        "write the `:` of the keyboard, and a space behind it",
    ),
    (
        pattern(r"[ ]*(?:- )?[\w.]{1,40} ?:[\u00a0\u1680\u2000-\u200d\u202f\u205f\u3000\ufeff]"),
        "behind this colon stands another space than that of the keyboard",
        "write the space anew; it may be invisible in an editor",
    ),
)


def colon_meant(text: str, at: int) -> tuple[int, str, str] | None:
    """Where something stands for a colon and a space, in the line of a complaint or the one above
    it: the place, a message, help."""
    start = text.rfind("\n", 0, at) + 1
    above = text.rfind("\n", 0, max(start - 1, 0)) + 1
    for begin in dict.fromkeys((above, start)):
        for colon, message, help in _COLONS:
            if (found := colon.match(text, begin)) is not None:
                return found.end() - 1, message, help
    return None
