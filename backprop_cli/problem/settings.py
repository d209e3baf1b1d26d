"""The keys that say how a sheet is written and marked: notation, rounding, marking."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Literal, cast

from backprop_cli.diagnostics import closest, listed, quote, there_are
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.formulas import plain_name
from backprop_cli.problem.model import Marking, Notation, Rounding
from backprop_cli.problem.symbols import ReadNotation, read_symbols
from backprop_cli.problem.values import (
    Fields,
    Report,
    choice,
    entries,
    fields,
    integer,
    items,
    number,
    number_in,
    truth,
    word,
)
from backprop_cli.problem.yaml_tree import Node, Scalar
from backprop_cli.rules import activations, losses
from backprop_cli.rules.kinks import EXTREMES, TIES, Kinks, choosable
from backprop_cli.rules.written import DECAY, NOT_NEGATIVE, SHARE, Range

SECTIONS = ("given", "forward", "loss", "backward", "gradient", "update")
MOST_DIGITS = 15
LONGEST_PATTERN = 200
MOST_PATTERNS = 20_000
MOST_COMPARISONS = 400_000  # of a glob with a name


NOTATION_KEYS = (
    "index_order",
    "names",
    "weight_order",
    "gradient_order",
    "output_units",
    "layer_mark",
    "symbols",
)


def read_notation(top: Fields, report: Report) -> ReadNotation:
    node = top.get("notation")
    if node is None:
        return ReadNotation(Notation())
    own = fields(node, report, "`notation`", NOTATION_KEYS)

    def one_of(name: str, *names: str) -> str:
        return own.read(name, lambda value: choice(value, report, quote(name), names), names[0])

    found = own.get("symbols")
    symbols, places = ({}, {}) if found is None else read_symbols(found, report)
    notation = Notation(
        cast(Literal["to_from", "from_to"], one_of("index_order", "to_from", "from_to")),
        cast(Literal["indexed", "sequential"], one_of("names", "indexed", "sequential")),
        cast(Literal["by_unit", "by_input"], one_of("weight_order", "by_unit", "by_input")),
        cast(
            Literal["by_unit", "weights_first"],
            one_of("gradient_order", "by_unit", "weights_first"),
        ),
        cast(Literal["layered", "numbered"], one_of("output_units", "layered", "numbered")),
        cast(Literal["parentheses", "brackets"], one_of("layer_mark", "parentheses", "brackets")),
        symbols,
    )
    return ReadNotation(notation, node, places)


def read_rounding(top: Fields, report: Report) -> Rounding:
    node = top.get("rounding")
    if node is None:
        return Rounding()
    own = fields(node, report, "`rounding`", ("digits", "every_step"))
    return Rounding(
        own.read("digits", lambda one: integer(one, report, "`digits`", 1, MOST_DIGITS), 4),
        own.read("every_step", lambda one: truth(one, report, "`every_step`"), False),
    )


def read_kinks(top: Fields, report: Report) -> Kinks:
    """`kinks: {relu: 1, max: first}`: slopes where functions have none."""
    node = top.get("kinks")
    if node is None:
        return {}
    found: dict[str, Number | str] = {}
    for key, value in entries(node, report, "`kinks`", "functions and slopes"):
        rule = activations.find(key.text) or losses.find(key.text)
        name = rule.name if rule is not None else key.text
        what = f"the slope of {quote(key.text)} at its kink"
        if name not in choosable():
            report.error(
                "unknown-choice",
                f"{quote(key.text)} has no kink whose slope could be chosen",
                key,
                report.nearest(key.text, choosable()) or f"there are {listed(choosable(), 20)}",
            )
        elif name in EXTREMES:
            tie = choice(value, report, f"a tie in {quote(name)}", TIES)
            if tie is not None:
                found[name] = tie
        elif (slope := number(value, report, what)) is not None:
            found[name] = slope
    return found


MARKING_KEYS = (
    "ask",
    "points",
    "pass",
    "follow_through",
    "imprecise",
    "method",
    "repeated",
    "tolerance",
)


@dataclass(frozen=True)
class ReadMarking:
    """Marking, and where the names stand that are checked once the problem has been read."""

    marking: Marking
    patterns: tuple[Scalar, ...]


def read_marking(top: Fields, report: Report) -> ReadMarking:
    node = top.get("marking")
    if node is None:
        return ReadMarking(Marking(), ())
    own = fields(node, report, "`marking`", MARKING_KEYS)
    asked = _asked(own.get("ask"), report)
    points: dict[str, Fraction] = {}
    keys: list[Scalar] = []
    if (found := own.get("points")) is not None:
        for key, value in entries(found, report, "`points`", "names and points")[:MOST_PATTERNS]:
            worth = number_in(value, report, f"the points of {quote(key.text)}", NOT_NEGATIVE)
            keys.append(key)
            if worth is not None:
                points[key.text] = worth.value
    default = Marking()
    marking = Marking(
        ask=tuple(one.text.strip() for one in asked),
        points=points,
        pass_share=_share(own, "pass", default.pass_share, report),
        follow_through=_share(own, "follow_through", default.follow_through, report),
        imprecise=_share(own, "imprecise", default.imprecise, report),
        method=_share(own, "method", default.method, report),
        repeated=cast(
            Literal["once", "each"],
            own.read(
                "repeated", lambda one: choice(one, report, "`repeated`", ("once", "each")), "once"
            ),
        ),
        tolerance=_tolerance(own.get("tolerance"), default.tolerance, report),
    )
    return ReadMarking(marking, (*asked, *keys))


def _asked(node: Node | None, report: Report) -> list[Scalar]:
    if node is None:
        return []
    cells = (node,) if isinstance(node, Scalar) else items(node, report, "`ask`", "names") or ()
    if len(cells) > MOST_PATTERNS:
        report.error("too-large", f"`ask` may list {MOST_PATTERNS:,} names", node)
    asked: list[Scalar] = []
    for cell in cells[:MOST_PATTERNS]:
        if word(cell, report, "a name that is asked for") is not None:
            assert isinstance(cell, Scalar)
            asked.append(cell)
    return asked


def _share(own: Fields, name: str, default: Fraction, report: Report) -> Fraction:
    node = own.get(name)
    if node is None:
        return default
    value = number_in(node, report, quote(name), SHARE, "1 is all of it, 0.5 is half")
    return default if value is None else value.value


_TOLERANCE = Range(DECAY.words, DECAY.holds)


def _tolerance(node: Node | None, default: Fraction, report: Report) -> Fraction:
    if node is None:
        return default
    if isinstance(node, Scalar):
        found: Node | None = node
    else:
        found = fields(node, report, "`tolerance`", ("relative",)).get("relative")
    if found is None:
        return default
    value = number_in(found, report, "the relative tolerance", _TOLERANCE)
    return default if value is None else value.value


# --- names in lists: frozen, trainable, with_respect_to, ask ----------------------------------------


def is_pattern(text: str) -> bool:
    """Whether a text is a glob of `*` and `?`. Brackets stand for themselves: `z1_1[2]`."""
    return "*" in text or "?" in text


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a name fits a glob: `*` any characters, `?` one; everything else stands for itself."""
    parts = re.split(r"\*+", pattern)

    def fits(name: str) -> bool:
        # Greedy leftmost matching of the parts between stars: linear for each part.
        if len(parts) == 1:
            return len(name) == len(pattern) and _at(name, pattern, 0)
        first, *middle, last = parts
        if len(name) < len(first) + len(last) or not _at(name, first, 0):
            return False
        if last and not _at(name, last, len(name) - len(last)):
            return False
        place, stop = len(first), len(name) - len(last)
        for part in middle:
            while place + len(part) <= stop and not _at(name, part, place):
                place += 1
            if place + len(part) > stop:
                return False
            place += len(part)
        return True

    return fits


def _at(name: str, part: str, place: int) -> bool:
    return all(
        wanted in ("?", found)
        for wanted, found in zip(part, name[place : place + len(part)], strict=True)
    )


def names_of(
    node: Node,
    report: Report,
    what: str,
    known: Collection[str],
    groups: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[str, ...]:
    """The known names that a list of names and globs stands for, in the order of the list; the
    name of a group stands for all of its names."""
    cells = (node,) if isinstance(node, Scalar) else items(node, report, what, "names") or ()
    if len(cells) > MOST_PATTERNS:
        report.error("too-large", f"{what} may list {MOST_PATTERNS:,} names", node)
        return ()
    found: dict[str, None] = {}
    work = 0
    for cell in cells:
        text = word(cell, report, f"a name in {what}")
        if text is None:
            continue
        text = text.strip()
        if (name := plain_name(text)) in groups:
            found.update(dict.fromkeys(groups[name]))
            continue
        if name in known:
            found[name] = None
            continue
        if is_pattern(text) and len(text) <= LONGEST_PATTERN and work < MOST_COMPARISONS:
            work += len(known)
            fits = matcher(text)
            if matching := [name for name in known if fits(name)]:
                found.update(
                    dict.fromkeys(each for name in matching for each in groups.get(name, (name,)))
                )
                continue
        report.error(
            "unknown-name",
            f"{what} names {quote(text)}, and there is no such quantity"
            if not is_pattern(text)
            else f"no quantity fits {quote(text)} in {what}",
            cell,
            report.nearest(text, known) or _among(known),
        )
    return tuple(found)


def _among(known: Collection[str]) -> str | None:
    return there_are(list(known)) if len(known) <= 100 else None


def check_parameters(named: Iterable[Scalar], parameters: Collection[str], report: Report) -> None:
    """Report names under an optimizer's first values that are no parameters."""
    known = frozenset(parameters)
    for cell in named:
        if plain_name(cell.text) not in known:
            report.error(
                "unknown-name",
                f"there is no parameter {quote(cell.text)} to begin with a value",
                cell,
                report.nearest(cell.text, parameters) or _among(parameters),
            )


def check_asked(patterns: Collection[Scalar], known: Collection[str], report: Report) -> None:
    """Report names in `marking` that no sheet of this problem can have.

    `known` are inputs, targets, parameters and forward quantities. What derives from them
    (`dL/dw1`, `da1/dz1`, `w1_new`, `z1[2]`, an optimizer's `v_w1`) is known by its parts.
    """
    names = set(known)
    all_names = [*SECTIONS, *known]
    for cell in patterns:
        text = cell.text.strip()
        if not names and not closest(text, SECTIONS, 1):
            continue  # the problem could not be read far enough to know its names
        if text in SECTIONS or is_pattern(text) or _derived(text, names):
            continue
        report.error(
            "unknown-name",
            f"`marking` names {quote(text)}, and there is no such quantity",
            cell,
            _asked_help(text, all_names, report),
        )


def _derived(text: str, names: Collection[str]) -> bool:
    text = re.sub(r"\[[0-9]{1,6}\]", "", text)
    if text in names:
        return True
    if text.endswith("_new"):
        return _derived(text.removesuffix("_new"), names)
    above, slash, below = text.partition("/")
    if slash:
        return above[:1] == below[:1] == "d" and above[1:] in names and below[1:] in names
    _, underscore, parameter = text.partition("_")
    return bool(underscore) and parameter in names


def _asked_help(text: str, known: list[str], report: Report) -> str | None:
    above, slash, below = text.partition("/d")
    if slash and (meant := report.nearest(below, known)):
        return meant.replace("`", f"`{above}/d", 1) if above.isidentifier() else meant
    return report.nearest(text, known)
