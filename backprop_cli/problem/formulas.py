"""Formulas in problem files: read, their names checked, mistakes placed inside the YAML text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from typing import TypeVar

from backprop_cli.diagnostics import Span, quote
from backprop_cli.formula.build import children, names_in
from backprop_cli.formula.functions import FUNCTIONS
from backprop_cli.formula.nodes import Call, Comparison, Conditional, Formula, Name
from backprop_cli.patterns import pattern
from backprop_cli.problem.fields import Kind
from backprop_cli.problem.values import Report, sort_of
from backprop_cli.problem.yaml_tree import Node, Scalar

T = TypeVar("T")

FORMULA: Kind[Formula] = Kind(
    lambda node, report, what: formula(node, report, what),
    {
        "type": ["string", "number"],
        "description": "+ - * / ^, implicit multiplication, exp log sqrt abs max min …, every "
        "activation by name, `a if b > c else d`.",
    },
    "a formula",
)
IDENTIFIER = pattern(r"[A-Za-z_][A-Za-z0-9_]*\Z")
LONGEST_NAME = 64


def formula(node: Node, report: Report, what: str, names: Set[str] | None = None) -> Formula:
    """The formula a text holds. A number is one too.

    `names` are those which an author chose: `e` among them is a quantity, not Euler's number.
    """
    from backprop_cli.formula.parse import parse

    read = parsed(node, report, what, lambda text: parse(text, names=names))
    if used_as_number(read):
        advice = "say both numbers: `1 if a > b else 0`"
        report.refuse("bad-formula", f"{what} uses a comparison as a number", node, advice)
    return read


def parsed(node: Node, report: Report, what: str, parse: Callable[[str], T]) -> T:
    """What a parser of formulas makes of a text."""
    from backprop_cli.formula.words import FormulaError

    if not isinstance(node, Scalar):
        advice = "text that begins with `[` or `{`, or holds a comma inside `{…}`, needs quotes"
        report.refuse(
            "not-a-formula", f"{what} must be a formula, not {sort_of(node)}", node, advice
        )
    if node.null or not node.text.strip():
        report.refuse("missing-value", f"{what} is empty", node, "write a formula")
    try:
        return parse(node.text)
    except FormulaError as error:
        column = min(max(error.column, 0), max(len(node.text) - 1, 0))
        length = max(1, min(error.length, len(node.text) - column))
        report.refuse("bad-formula", error.message, node.within(column, length), error.help)


def used_as_number(formula: Formula) -> bool:
    """Whether a comparison stands anywhere but between `if` and `else`, or first in `where`."""
    waiting = [formula]
    while waiting:
        match node := waiting.pop():
            case Comparison():
                return True
            case Conditional(Comparison(left, _, right), then, otherwise):
                waiting += [left, right, then, otherwise]
            case Call("where", (Comparison(left, _, right), *others)):
                waiting += [left, right, *others]
            case _:
                waiting += children(node)
    return False


def defined_name(key: Scalar, report: Report, what: str) -> str | None:
    """A name that an author gives to a quantity; `σ1` and `ŷ` are read as sigma1 and yhat. After a
    mistake it is the name that was meant, if that can be seen."""
    from backprop_cli.formula.words import is_function as is_operation

    text = plain_name(key.text.strip())
    if not IDENTIFIER.match(text) or len(text) > LONGEST_NAME:
        message = f"{quote(text)} cannot be the name of {what}"
        report.error("bad-name", message, key, _name_help(text, what))
        meant = _ASSIGNED.match(text) or _OF_ARGUMENTS.match(text)
        return meant[1] if meant and not is_operation(meant[1]) else None
    if is_function(text):
        message = f"{quote(key.text)} is a function, so {what} cannot have this name"
        report.error("bad-name", message, key, f"call it {quote(text + '1')}, for instance")
        return None
    return text


def uncut(pairs: Iterable[tuple[Scalar, Node]], report: Report) -> Iterator[tuple[Scalar, Node]]:
    """The equations with what a comma cut off: of `{f: max(a, b)}` YAML makes `f: max(a` and `b)`.
    It is reported, and read as it was meant."""
    waiting = list(reversed(list(pairs)))
    while waiting:
        key, value = waiting.pop()
        parts = [value]
        while isinstance(value, Scalar) and value.plain and waiting:
            after, nothing = waiting[-1]
            closed = value.text.count("(") <= value.text.count(")")
            if closed or not (isinstance(nothing, Scalar) and nothing.null):
                break
            waiting.pop()
            parts.append(after)
            begin, end = value.span.start or 0, after.span.end or 0
            value = Scalar(Span(value.span.source, begin, end), value.span.source.text[begin:end])
        if len(parts) > 1 and isinstance(value, Scalar):
            message = "a comma inside `{…}` ends an entry, and so cuts this formula"
            help = f"write it in quotes: {quote(chr(34) + value.text + chr(34))}"
            report.error("bad-formula", message, value, help)
        yield key, value


_ASSIGNED = pattern(r"([A-Za-z_]\w*) ?= ?([^=]{1,60})\Z")
_OF_ARGUMENTS = pattern(r"([A-Za-z_]\w*) ?\([\w ,]*\)\Z")


def _name_help(text: str, what: str) -> str:
    """What to write instead of `z = w*x` or `f(x)` in the place of a name."""
    if found := _ASSIGNED.match(text):
        written = f"{found[1]}: {found[2].strip()}"
        return f"write {quote(written if 'equation' in what else '{' + written + '}')}"
    if found := _OF_ARGUMENTS.match(text):
        return f"write {quote(found[1])} alone: what it depends on is seen from its formula"
    foreign = (char for char in text if char.isalpha() and not char.isascii())
    if odd := next((char for char in foreign if plain_name(char) == char), None):
        called = unicodedata.name(odd, "no letter of the keyboard").lower()
        return f"{quote(odd)} is {called}: a name is made of the letters A to Z, digits and _"
    if "," in text and "=" in text:
        return "write a colon behind each name: `{x: 1, y: 0}`"
    return "a name is made of letters, digits and underscores and does not begin with a digit"


def plain_name(text: str) -> str:
    """The plain spelling of one name: yhat for `ŷ`, w1 for `w₁`. What is no name stays as it is."""
    from backprop_cli.formula.parse import parse
    from backprop_cli.formula.words import FormulaError

    if IDENTIFIER.match(text) or len(text) > LONGEST_NAME:
        return text
    try:
        read = parse(text)
    except FormulaError:
        return text
    return read.name if isinstance(read, Name) else text


def is_function(name: str) -> bool:
    """Whether a name is so much a function's that no quantity may have it."""
    row = FUNCTIONS.get(name)
    if row is None:
        return name in ("if", "else")
    return not (row.constant or row.also_a_name)


def report_undefined(
    read: Formula,
    node: Node,
    known: Collection[str],
    report: Report,
    help: str,
    renamed: Mapping[str, str] | None = None,
) -> bool:
    """Report each name of a formula that nothing defines, at its place. True if there is one."""
    from backprop_cli.formula.words import advice_for

    found = False
    for name in names_in(read):
        if name in known:
            continue
        found = True
        text = node.text if isinstance(node, Scalar) else ""
        behind = re.search(rf"(?<!\w){re.escape(name)} +([A-Za-z]\w*)", text)
        meant = advice_for(name, behind[1] if behind else "")
        advice = meant or report.nearest(name, known) or help
        if renamed and name in renamed:
            advice = renamed[name]
        span = _place(name, node) if isinstance(node, Scalar) else node.span
        report.error("unknown-name", f"{quote(name)} is not defined here", span, advice)
    return found


def _place(name: str, node: Scalar) -> Span:
    """Where a formula has a name, however it is spelled there: `λ` for lambda, `w₁` for w1."""
    from backprop_cli.formula.characters import plain_characters

    characters = plain_characters(node.text)
    alone = re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", characters.text)
    start = alone.start() if alone else characters.text.find(name)
    if start < 0:
        return node.span
    return node.within(*characters.span(start, start + len(name)))
