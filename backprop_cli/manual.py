"""The reference: pages in a small Markdown, as documents for the terminal.

A page is a file `pages/TOPIC.md`. It may hold a line `{{name}}` by itself, in whose place stands
what `tables` has under that name: what the rules and the commands know is not said twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import resources
from typing import TypeAlias

from backprop_cli.diagnostics import nearest, quote
from backprop_cli.formula.spelling import spell
from backprop_cli.marking.model import Verdict
from backprop_cli.patterns import pattern
from backprop_cli.problem.dense import LAYER
from backprop_cli.problem.fields import Keys
from backprop_cli.problem.read import BOTH_FORMS, EQUATION_FORM, LAYER_FORM
from backprop_cli.problem.settings import MARKING_KEYS, NOTATION_KEYS, ROUNDING_KEYS
from backprop_cli.problem.training import TRAINING_KEYS
from backprop_cli.problem.variants import VARIANTS_KEYS
from backprop_cli.worksheet.catalogue import GROUPS, listed, toolbox
from backprop_cli.worksheet.document import (
    Block,
    Bullets,
    Column,
    Document,
    Heading,
    Inline,
    Line,
    Listing,
    Paragraph,
    Table,
    Text,
)

TOPICS = (
    "problems",
    "equations",
    "arrays",
    "layers",
    "training",
    "notation",
    "names",
    "answers",
    "marking",
    "slips",
    "practice",
    "variants",
    "commands",
    "rules",
    "json",
    "courses",
    "python",
    "conventions",
    "codes",
    "changes",
)
"""The pages, in the order in which a reader meets them."""

Tables: TypeAlias = Mapping[str, Callable[[], Sequence[Block]]]

VERDICTS: Mapping[Verdict, str] = {
    "correct": "right, to the digits written",
    "follow_through": "right from the student's own numbers, one of which is wrong",
    "imprecise": "the right method, rounded too early",
    "wrong": "and, where it is recognised, what kind of slip it is",
    "missing": "asked for and not given",
    "unreadable": "neither a number nor a formula",
    "unknown": "no such name on the sheet",
}


EXPLAINED = ("codes", "slips")
"""The pages with a section for each code."""


class UnknownTopic(Exception):
    """There is no such page or code; the message says which may be meant."""


def source(topic: str) -> str:
    """The Markdown of a page."""
    page = resources.files("backprop_cli") / "pages" / f"{topic}.md"
    return page.read_text(encoding="utf-8")


def title(topic: str) -> str:
    """What stands over the page."""
    return source(topic).partition("\n")[0].removeprefix("# ")


def contents() -> list[Block]:
    """Every topic with its title."""
    return [two_columns(("Topic", "What it says"), [(topic, title(topic)) for topic in TOPICS])]


def page(topic: str, helps: Mapping[str, str], tables: Tables) -> Document:
    """A page with its places filled, and the help of a command of that name.

    `helps` is the help of every command, `tables` what the commands put into places beside
    `TABLES`. Raises UnknownTopic.
    """
    if topic in TOPICS:
        written = list(blocks(source(topic), {**TABLES, **tables}))
        if topic in helps:
            written += [heading(f"backprop {topic}"), Listing(helps[topic])]
        return Document(title(topic), tuple(written), spell)
    if topic in helps:
        return Document(f"backprop {topic}", (Listing(helps[topic]),), spell)
    close = nearest(topic, (*TOPICS, *helps)) or f"topics are {', '.join(TOPICS)}"
    raise UnknownTopic(f"{quote(topic)} is no topic of the reference; {close}")


def heading(text: str) -> Heading:
    """What stands over a part of a page."""
    return Heading(2, (Text(text),))


_IN_MESSAGE = pattern(r"^(?:error|warning)\[(.*)\]:?$")


def explanation(code: str) -> Document:
    """The section on a code of a message or of a slip, which may be copied with its `error[…]`.

    Raises UnknownTopic.
    """
    known = {name: section for topic in EXPLAINED for name, section in sections(topic).items()}
    code = _IN_MESSAGE.sub(r"\1", code.strip()).lower().replace("_", "-")
    if code not in known:
        close = nearest(code, known) or "messages show theirs in brackets, as in error[shape]"
        raise UnknownTopic(f"{quote(code)} is no code of a message or a slip; {close}")
    return Document(code, tuple(blocks(known[code], {})), spell)


def sections(topic: str) -> dict[str, str]:
    """The Markdown under each heading of a page."""
    _, *parts = re.split(r"(?m)^## ", source(topic))
    return {name: text.strip() for name, _, text in (part.partition("\n") for part in parts)}


def two_columns(headings: tuple[str, str], rows: Sequence[tuple[str, str]]) -> Table:
    """A word of code and what it means, which is written as pages are."""
    first, second = headings
    return Table(
        (Column((Text(first),)), Column((Text(second),), wrap=True)),
        tuple(
            ((Text(f"`{word}`", "code"),), inline(" ".join(meaning.split())))
            for word, meaning in rows
        ),
    )


def blocks(markdown: str, tables: Tables) -> Iterator[Block]:
    """Headings, paragraphs, bullets, tables and fenced code of a page."""
    lines = markdown.splitlines()
    while lines:
        first = lines[0]
        if not first.strip():
            lines.pop(0)
        elif fence := re.fullmatch(r"```(\w*)", first):
            end = lines.index("```", 1)
            yield Listing("\n".join(lines[1:end]), fence[1])
            del lines[: end + 1]
        elif place := re.fullmatch(r"\{\{(.+)\}\}", first):
            yield from tables[place[1]]()
            lines.pop(0)
        elif heading := re.fullmatch(r"(#{1,3}) (.+)", first):
            yield Heading(len(heading[1]), inline(heading[2]))  # type: ignore[arg-type]
            lines.pop(0)
        else:
            together = _paragraph(lines)
            del lines[: len(together)]
            yield _running(together)


def _paragraph(lines: Sequence[str]) -> list[str]:
    """The lines up to an empty one, or to the code that begins."""
    together: list[str] = []
    for line in lines:
        if not line.strip() or line.startswith("```"):
            break
        together.append(line)
    return together


def _running(lines: Sequence[str]) -> Block:
    if lines[0].startswith("|"):
        heading, _, *rows = map(_cells, lines)
        return Table(tuple(Column(cell, wrap=True) for cell in heading), tuple(rows))
    if lines[0].startswith("- "):
        items = "\n".join(lines)[2:].split("\n- ")
        return Bullets(tuple(inline(" ".join(item.split())) for item in items))
    return Paragraph(inline(" ".join(lines)))


def _cells(row: str) -> tuple[Line, ...]:
    cells = re.split(r"(?<!\\)\|", row.strip().strip("|"))
    return tuple(inline(cell.strip().replace(r"\|", "|")) for cell in cells)


_INLINE = pattern(r"(`[^`]+`)|\*\*([^*]+)\*\*|(?<!\w)\*([^*]+)\*(?!\w)")


def inline(text: str) -> Line:
    """Words with `code`, **strong** and *emphasis*; code keeps its marks, as it is copied."""
    parts: list[Inline] = []
    done = 0
    for found in _INLINE.finditer(text):
        parts.append(Text(text[done : found.start()]))
        code, strong, emphasis = found.groups()
        if code:
            parts.append(Text(code, "code"))
        elif strong:
            parts.append(Text(strong, "strong"))
        else:
            parts.append(Text(emphasis, "emphasis"))
        done = found.end()
    parts.append(Text(text[done:]))
    return tuple(part for part in parts if not isinstance(part, Text) or part.text)


def _keys(table: Keys) -> list[Block]:
    """What a mapping of a problem file may hold."""
    headings = ("Key", "May be", "Unless given", "What for")
    rows = [
        (
            (Text(f"`{row.key}`", "code"),),
            inline(row.kind.words),
            (Text(f"`{row.unless_given}`", "code"),) if row.unless_given else (),
            inline(row.about),
        )
        for row in table.rows
    ]
    return [Table(tuple(Column((Text(each),), wrap=True) for each in headings), tuple(rows))]


def _slips() -> list[Block]:
    meanings = [(code, text.split("\n\n")[0]) for code, text in sections("slips").items()]
    return [two_columns(("Slip", "What happened"), meanings)]


TABLES: Tables = {
    "verdicts": lambda: [two_columns(("Verdict", "Means"), list(VERDICTS.items()))],
    "slips": _slips,
    "toolbox": toolbox,
    "both forms": lambda: _keys(BOTH_FORMS),
    "layer form": lambda: _keys(LAYER_FORM),
    "equation form": lambda: _keys(EQUATION_FORM),
    "layer": lambda: _keys(LAYER),
    "notation": lambda: _keys(NOTATION_KEYS),
    "rounding": lambda: _keys(ROUNDING_KEYS),
    "marking": lambda: _keys(MARKING_KEYS),
    "training": lambda: _keys(TRAINING_KEYS),
    "variants": lambda: _keys(VARIANTS_KEYS),
    **{f"list {group.name}": partial(listed, group) for group in GROUPS},
}
"""What stands in the places of pages, as far as rules and marking know it."""
