"""Values out of YAML nodes: numbers, words, choices, lists, and what to say when they are not.

Every reader takes a node and returns the value, or raises Refused after it has reported what is
wrong. Whoever can go on without the value asks with `Report.tried`, so that the rest is read too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import field
from decimal import Decimal
from typing import Concatenate, NoReturn, ParamSpec, TypeGuard, TypeVar

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import Diagnostic, Severity, Span, listed, nearest, quote, there_are
from backprop_cli.formula.nodes import Number
from backprop_cli.patterns import pattern
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar
from backprop_cli.rules.written import Range

T = TypeVar("T")
P = ParamSpec("P")
L = TypeVar("L", bound=str)

MOST_DIGITS = 40
MOST_EXPONENT = 300
MOST_PROBLEMS = 100


class Refused(Exception):
    """A value cannot be read; why has been reported."""


@dataclass
class Report:
    """The mistakes and warnings found so far."""

    problems: list[Diagnostic] = field(default_factory=list)
    dropped: int = 0  # beyond any number a person would read
    failed: bool = False  # there is an error among them
    numbers: dict[int, tuple[Number, Span]] = field(default_factory=dict)
    """The numbers that were read, by identity, and where each stands."""
    firsts: list[Scalar] = field(default_factory=list)
    """Names of parameters that an optimizer has first values for, to be checked with all of them."""
    asked: list[Scalar] = field(default_factory=list)
    """Names that marking asks for, to be checked with all of the sheet."""
    symbols: dict[str, Scalar] = field(default_factory=dict)
    """Quantities that have symbols of the author's own, to be checked in the same way."""

    def error(self, code: str, message: str, at: Node | Span, help: str | None = None) -> None:
        self._add("error", code, message, at, help)

    def refuse(self, code: str, message: str, at: Node | Span, help: str | None = None) -> NoReturn:
        """Report a mistake and give the value up."""
        self.error(code, message, at, help)
        raise Refused

    def tried(
        self,
        read: Callable[Concatenate[Node, Report, P], T],
        node: Node | None,
        *args: P.args,
        **named: P.kwargs,
    ) -> T | None:
        """What a reader makes of a node; None where there is none, or it refuses."""
        try:
            return None if node is None else read(node, self, *args, **named)
        except Refused:
            return None

    def warning(self, code: str, message: str, at: Node | Span, help: str | None = None) -> None:
        self._add("warning", code, message, at, help)

    def _add(
        self, severity: Severity, code: str, message: str, at: Node | Span, help: str | None
    ) -> None:
        span = at if isinstance(at, Span) else at.span
        if len(self.problems) >= 10 * MOST_PROBLEMS and self.failed:
            self.dropped += 1
            return
        self.failed = self.failed or severity == "error"
        self.problems.append(Diagnostic(code, message, span, severity, help))

    def failed_since(self, start: int) -> bool:
        """Whether there is an error behind the first so many messages."""
        return any(problem.severity == "error" for problem in self.problems[start:])

    def place_of(self, value: Number | None) -> Span | None:
        """Where a number of the file stands; None for one that is drawn, or the usual one."""
        _, place = self.numbers.get(id(value), (None, None))
        return place

    def unknown(
        self,
        what: str,
        name: str,
        at: Node,
        known: Collection[str],
        help: str | None = None,
        kind: str = "quantity",
    ) -> None:
        """Report a name that a key has, and nothing else in the file."""
        few = there_are(list(known)) if len(known) <= MOST_PROBLEMS else None
        message = f"{what} names {quote(name)}, and there is no such {kind}"
        self.error("unknown-name", message, at, help or self.nearest(name, known) or few)

    def too_many(self, count: int, of: str, most: int, at: Node | Span) -> None:
        self.error("too-large", f"there are {count:,} {of}; {most:,} are allowed", at)

    def __post_init__(self) -> None:
        self.failed = self.failed_since(0)

    def nearest(self, name: str, known: Iterable[str]) -> str | None:
        """A suggestion, as long as there are few enough messages for anybody to read it."""
        return None if self.crowded else nearest(name, known)

    @property
    def crowded(self) -> bool:
        """There are so many messages that nobody will read another one's help."""
        return len(self.problems) >= MOST_PROBLEMS

    def in_order(self) -> list[Diagnostic]:
        """By place in the file, each once; a hostile file's thousands are cut short."""
        unique = dict.fromkeys(self.problems)
        ordered = sorted(unique, key=lambda problem: _start(problem.span))
        errors = [problem for problem in ordered if problem.severity == "error"]
        if len(ordered) <= MOST_PROBLEMS and not self.dropped:
            return ordered
        kept = ordered[:MOST_PROBLEMS]
        if errors and not any(problem.severity == "error" for problem in kept):
            kept[-1] = errors[0]
        last = kept[-1].span
        more = len(ordered) - len(kept) + self.dropped
        rest = f"there are {more:,} more messages about this file"
        span = Span(last.source) if last is not None else None
        return [*kept, Diagnostic("too-many", rest, span, "error" if errors else "warning")]


def _start(span: Span | None) -> int:
    return -1 if span is None or span.start is None else span.start


def counted(count: int, noun: str) -> str:
    """ "1 unit", "2 units"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def sort_of(node: Node) -> str:
    match node:
        case Items():
            return "a list"
        case Entries():
            return "a mapping"
        case Scalar():
            return "a single value"


_NUMBER = pattern(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_LEADING_ZERO = pattern(r"([-+]?)0+(?=[0-9])")


def is_number(node: Node) -> bool:
    """Whether a node is written as a number (which may still be too large)."""
    return isinstance(node, Scalar) and node.plain and bool(_NUMBER.match(node.text))


def number(node: Node, report: Report, what: str) -> Number:
    """A number with its digits as written."""
    if not isinstance(node, Scalar):
        advice = "leave the inner brackets out" if isinstance(node, Items) else None
        report.refuse("not-a-number", f"{what} must be a number, not {sort_of(node)}", node, advice)
    text = node.text
    if not is_number(node):
        reason, advice = _why_no_number(node)
        report.refuse("not-a-number", f"{what} must be a number, {reason}", node, advice)
    digits, _, exponent = text.lower().partition("e")
    if _LEADING_ZERO.match(text):
        shorter = _LEADING_ZERO.sub(r"\1", text)
        message = f"{what} begins with a 0, which some YAML readers take for base 8"
        report.refuse("not-a-number", message, node, f"write {quote(shorter)}")
    count = sum(map(str.isdigit, digits))
    if count > MOST_DIGITS:
        report.refuse(
            "number-too-long", f"{what} has {count} digits; {MOST_DIGITS} are allowed", node
        )
    if len(exponent.lstrip("+-0")) > 4 or abs(Decimal(text).adjusted()) > MOST_EXPONENT:
        message = f"{what} is beyond the range of the numbers this tool calculates with"
        help = f"numbers go up to 1e{MOST_EXPONENT} and down to 1e-{MOST_EXPONENT}"
        report.refuse("number-too-large", message, node, help)
    value = Number(text.removeprefix("+"))
    report.numbers[id(value)] = (value, node.span)
    return value


# What looks like a number to somebody: pattern, reason, help.
_TRAPS: tuple[tuple[re.Pattern[str], str, str | None], ...] = (
    (pattern(r"(?i)(?:yes|no|on|off|y|n|true|false)\Z"), "not a truth value", "write 1 or 0"),
    (
        pattern(r"[-+]?[0-9]+(?::[0-9]+)+(?:\.[0-9]*)?\Z"),
        "not a time",
        "write it as one number",
    ),
    (pattern(r"(?i)[-+]?0[xob][0-9a-f_]+\Z"), "written in base ten", None),
    (pattern(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?\Z"), "not a date", None),
    (
        pattern(r"(?i)[-+]?\.?inf(?:inity)?\Z"),
        "and infinity is not one that can be calculated with",
        "leave it out, or write a large number",
    ),
    (pattern(r"(?i)[-+]?\.?nan\Z"), "and nan means that there is none", "leave it out"),
    (pattern(r"[-+]?[0-9]+,[0-9]+\Z"), "with a point, not a comma", None),
    (pattern(r"[-+]?[0-9]+(?:[_'][0-9]+)+(?:\.[0-9]*)?\Z"), "without separators", None),
    (
        pattern(r"[-+0-9.eE]+(?:[ ;]+[-+0-9.eE]+)+\Z"),
        "and these are several",
        "put a comma between two numbers",
    ),
    (
        pattern(r"[-+]?[0-9.]+ ?[/*^] ?[0-9.]+\Z"),
        "not a formula",
        "write it as a decimal",
    ),
    (pattern("[\u2212\u2013\u2014][0-9.]"), "with the minus sign of the keyboard", None),
    (pattern(r"[-+]?[0-9.]+ ?%\Z"), "not a percentage", "write it as a decimal"),
    (pattern("[-+]?[0-9]*[¼-¾⅐-⅞]\\Z"), "not a fraction", "write it as a decimal"),
)


def _why_no_number(node: Scalar) -> tuple[str, str | None]:
    text = node.text
    if node.null:
        return "and here is nothing", None
    if not node.plain:
        meant = text.startswith("[") or (len(text) < 400 and _NUMBER.match(text))
        advice = "remove the quotes" if meant else None
        return f"not the text {quote(text)}", advice
    plain = unicodedata.normalize("NFKC", text[:80])
    if "," in plain and "," not in text:
        return f"and here is another comma than `,`: {quote(text)}", "write `,` and a space"
    if _NUMBER.match(plain):
        return f"in the digits of the keyboard: {quote(text)}", f"write {plain}"
    if len(text) < 80:
        for pattern, reason, advice in _TRAPS:
            if pattern.match(text):
                return f"{reason}: {quote(text)}", advice or _meant(text)
    return f"not {quote(text)}", None


def _meant(text: str) -> str | None:
    """How the number is written that a trap's text stands for."""
    candidate = re.sub("^[\u2212\u2013\u2014]", "-", text).replace(",", ".")
    candidate = re.sub(r"[_']", "", candidate)
    if re.match(r"(?i)[-+]?0[xob]", candidate):
        try:
            candidate = str(int(candidate, 0))
        except ValueError:
            return None
    return f"write {candidate}" if _NUMBER.match(candidate) else None


_TIGHT_COMMA = pattern(r"(?<![0-9.])([0-9]+),([0-9]+)(?![0-9.])")


def decimal_comma(node: Node, count: int, wanted: int) -> str | None:
    """Help for a list of `count` numbers where `wanted` belong: `[0,5, 0,3]` has four."""
    raw = node.span.source.text[node.span.start or 0 : node.span.end or 0][:2000]
    found = list(_TIGHT_COMMA.finditer(raw))
    like = [each for each in found if each[1] == "0"]
    if not like and (not found or count - len(found) != wanted):
        return None
    first = (like or found)[0]
    return f"numbers have a decimal point: write {first[1]}.{first[2]} for `{first[0]}`"


def number_or_null(node: Node, report: Report, what: str) -> Number | None:
    """A number; nothing at all (`null`) is allowed too and is None."""
    if isinstance(node, Scalar) and node.null:
        return None
    return number(node, report, what)


def integer(
    node: Node, report: Report, what: str, low: int, high: int, help: str | None = None
) -> int:
    value = number(node, report, what)
    if value.value.denominator != 1:
        report.refuse("not-whole", f"{what} must be a whole number, not {value.text}", node, help)
    if not low <= value.value <= high:
        report.refuse(
            "out-of-range", f"{what} must be from {low} to {high:,}, not {value.text}", node, help
        )
    return int(value.value)


def number_in(
    node: Node, report: Report, what: str, allowed: Range, help: str | None = None
) -> Number:
    value = number(node, report, what)
    if not allowed.holds(value.value):
        report.refuse(
            "out-of-range", f"{what} must be {allowed.words}, not {value.text}", node, help
        )
    return value


def word(node: Node, report: Report, what: str) -> str:
    """A text of at least one character."""
    if not isinstance(node, Scalar):
        report.refuse("not-text", f"{what} must be text, not {sort_of(node)}", node)
    if node.null or not node.text.strip():
        report.refuse("missing-value", f"{what} is empty", node)
    return node.text


def truth(node: Node, report: Report, what: str) -> bool:
    """`true` or `false`, and nothing else that YAML readers of other years take for it."""
    if (said := said_truth(node)) is None:
        shown = f", not {quote(node.text)}" if isinstance(node, Scalar) else ""
        report.refuse("not-true-or-false", f"{what} must be true or false{shown}", node)
    return said


def said_truth(node: Node) -> bool | None:
    """True or false where something else could stand, None where that does."""
    said = node.text.lower() if isinstance(node, Scalar) and node.plain else ""
    return said == "true" if said in ("true", "false") else None


def choice(node: Node, report: Report, what: str, names: Sequence[L]) -> L:
    text = word(node, report, what)
    found = [name for name in names if name == text]
    if not found:
        help = report.nearest(text, names) or f"it can be {listed(list(names), last='or')}"
        report.refuse("unknown-choice", f"{what} cannot be {quote(text)}", node, help)
    return found[0]


def misnamed(cell: Scalar, report: Report, what: str, name: str) -> None:
    """Report that the name in place of a number is not the one that the sheet gives."""
    message = f"{what} is called {quote(name)} on the worksheet, not {quote(cell.text)}"
    report.error("bad-name", message, cell, f"write {quote(name)}, or its number")


def items(node: Node, report: Report, what: str, of: str) -> tuple[Node, ...]:
    help = None
    if isinstance(node, Entries) and node.entries and of.startswith(("layers", "mappings")):
        first = quote(f"{node.entries[0][0].text}:")
        braces = "put [ ] round it" if node.flow else f"put `- ` before {first}"
        help = f"{braces}, for a list of one item"
    if not isinstance(node, Items):
        message = f"{what} must be a list of {of}, not {sort_of(node)}"
        report.refuse("not-a-list", message, node, help)
    return node.items


def rows(node: Node, report: Report, what: str, of: str, one: str, most: int) -> tuple[Node, ...]:
    """The items of a list that holds one at least; none after a mistake."""
    found = report.tried(items, node, what, of) or ()
    if isinstance(node, Items) and not found:
        report.error("missing-value", f"{what} is an empty list", node, f"give one {one} at least")
    if len(found) > most:
        report.too_many(len(found), f"{one}s", most, node)
        return ()
    return found


def is_mapping(
    node: Node, report: Report, what: str, like: str, help: str | None = None
) -> TypeGuard[Entries]:
    if not isinstance(node, Entries):
        message = f"{what} must be a mapping like {like}, not {sort_of(node)}"
        report.error("not-a-mapping", message, node, help)
    return isinstance(node, Entries)


def entries(
    node: Node, report: Report, what: str, of: str, help: str | None = None
) -> tuple[tuple[Scalar, Node], ...]:
    """The entries of a mapping; nothing at all is an empty one."""
    if isinstance(node, Entries):
        return node.entries
    if not (isinstance(node, Scalar) and node.null):
        message = f"{what} must be a mapping of {of}, not {sort_of(node)}"
        report.error("not-a-mapping", message, node, help)
    return ()
