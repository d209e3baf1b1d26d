"""Where in a file a character of a YAML text stands, whatever quotes and folding surround it."""

from __future__ import annotations

_ESCAPE_LENGTH = {"x": 4, "u": 6, "U": 10}


def offset_in(raw: str, text: str, column: int) -> int:
    """The offset in `raw`, a scalar as written in a file, of a character of its `text`.

    Folding and indentation only ever change white space, so the two texts are walked together:
    each other character of `text` is the next such one of the file.
    """
    if raw == text:
        return min(column, len(raw))
    quote_mark = raw[:1]
    at = 1 if quote_mark in ('"', "'") else 0
    if quote_mark in ("|", ">"):
        at = raw.find("\n") + 1
    for character in text[:column]:
        at = _past(raw, at, character, quote_mark)
    if column < len(text) and not text[column].isspace():
        at = _skip(raw, at, quote_mark)
    return min(at, max(0, len(raw) - 1))


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
