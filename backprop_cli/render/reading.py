"""What every renderer needs to know of a document before it writes a line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backprop_cli.dataclass import dataclass
from backprop_cli.formula import unicode
from backprop_cli.formula.spelling import Spelling
from backprop_cli.worksheet.document import (
    AnswerSpace,
    Block,
    Document,
    Heading,
    Line,
    Math,
    Text,
)

KEPT_TOGETHER = 9  # lines of a derivation that stays on one page
CALLOUT_WORD = {"note": "Note", "warning": "Warning"}


def titled_blocks(document: Document) -> tuple[Block, ...]:
    """The blocks with the title in front, unless they begin with a heading of the first level."""
    first = document.blocks[0] if document.blocks else None
    if isinstance(first, Heading) and first.level == 1:
        return document.blocks
    if not document.title.strip():
        return document.blocks
    return (Heading(1, (Text(document.title),)), *document.blocks)


@dataclass(frozen=True)
class Answers:
    """Answer spaces that stand together, so that their signs can be aligned."""

    spaces: tuple[AnswerSpace, ...]


def grouped(blocks: tuple[Block, ...]) -> Iterator[Block | Answers]:
    """The blocks in order, neighbouring answer spaces as one group."""
    waiting: list[AnswerSpace] = []
    for block in blocks:
        if isinstance(block, AnswerSpace):
            waiting.append(block)
            continue
        if waiting:
            yield Answers(tuple(waiting))
            waiting = []
        yield block
    if waiting:
        yield Answers(tuple(waiting))


_NUMERAL = re.compile(
    r"([≈~ ]*[−+-]?[0-9]+)((?:\.[0-9]*)?(?:×10[⁻⁰¹²³⁴-⁹]+|e[+-]?[0-9]+|/[0-9]+)?)"
)


def at_point(written: str) -> tuple[str, str] | None:
    """A numeral cut before its decimal point (or exponent), or None where it is no numeral."""
    found = _NUMERAL.fullmatch(written)
    return (found[1], found[2]) if found else None


_PLAIN_NUMBER = re.compile(r"(-?)([0-9.]+)(?:[eE]([+-]?)0*([0-9]+))?")
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def typographic(digits: str) -> str:
    """`-1.2e-05` as −1.2×10⁻⁵; what is no plain number is left as it is."""
    found = _PLAIN_NUMBER.fullmatch(digits)
    if not found:
        return digits
    sign, mantissa, exponent_sign, exponent = found.groups()
    power = ""
    if exponent:
        power = "×10" + ("⁻" if exponent_sign == "-" else "") + exponent.translate(_RAISED)
    return ("−" if sign else "") + mantissa + power


def numeral(line: Line, spelling: Spelling) -> str:
    """A cell that is nothing but a number, perhaps with ≈ before it, as text; else nothing."""
    written = ""
    for part in line:
        match part:
            case Math(formula):
                written += unicode.write(formula, spelling)
            case Text(text, "plain"):
                written += typographic(text.strip()) if len(line) == 1 else text
            case _:
                return ""
    return written if at_point(written) else ""


def is_display(line: Line) -> bool:
    """Whether the line is a formula by itself, to be set at full size."""
    return bool(line) and not any(isinstance(part, Text) for part in line)
