"""What a sheet says where step by step a derivative comes to no number, and of 0·ln 0."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from backprop_cli.formula.build import walk
from backprop_cli.formula.evaluate import Lookup, as_float, evaluate, is_logarithm
from backprop_cli.formula.nodes import Formula, Name, Product
from backprop_cli.run import Singular
from backprop_cli.worksheet.document import Callout, Line, Math, Text, and_so_on, listed
from backprop_cli.worksheet.sheet import Sheet

NAMED = 4
"""Of more derivatives than these only the first are named."""


def singular_remarks(sheet: Sheet, names: Collection[str] | None = None) -> Iterator[Callout]:
    """Where each derivative that is 0/0 or 0·∞ step by step has its value from, or has none."""
    groups: dict[tuple[object, ...], list[Singular]] = {}
    for each in sheet.singular.values():
        if names is None or each.name in names:
            reason = each.why if each.value is None else each.at_an_edge
            groups.setdefault((each.value is None, each.output, reason), []).append(each)
    for group in groups.values():
        yield Callout("note", _remark(group))


def _remark(group: list[Singular]) -> Line:
    first = group[0]
    names = and_so_on([each.name for each in group], NAMED)
    alone = len(group) == 1
    of: Line = (Text(" as a function of "), Math(Name(first.variable)))
    each: Line = (Text(" as a function of each"),)
    function = (Math(Name(first.output)), *(of if alone else each))
    if first.value is not None:
        text = ": step by step this comes to 0/0 or 0·∞, which says nothing. "
        ending = " alone has a derivative there, and that is the value."
        if first.at_an_edge:
            ending = " alone is defined on one side only; the value is its slope on that side."
        return (*names, Text(text), *function, Text(ending))
    if first.sides is None:
        text = " is not asked for: there are too many derivatives like it to decide each."
        return (*names, Text(text))
    are = " has no value here and is" if alone else " have no value here and are"
    return (
        *names,
        Text(f"{are} not asked for: "),
        *function,
        Text(f" {first.why}, so that there is no derivative."),
    )


def plain_note(singular: Singular) -> str:
    """The same in a few words, for JSON."""
    if singular.value is not None:
        where = ", on the side where it is defined" if singular.at_an_edge else ""
        return (
            "0/0 or 0·∞ step by step; this is the derivative of"
            f" {singular.output} by {singular.variable} alone{where}"
        )
    if singular.sides is None:
        return "not decided"
    return f"no derivative: {singular.output} {singular.why}"


def logarithm_remarks(sheet: Sheet) -> Iterator[Callout]:
    """0·ln(0) = 0, where a value rests on it."""
    found: dict[Formula, None] = {}
    for step in sheet.graph.section("forward", "loss"):
        value = sheet.value(step.name)
        if step.numeric is None and value is not None and math.isfinite(as_float(value)):
            found.update(dict.fromkeys(_nothing_times_logarithms(step.formula, sheet.known)))
    if line := listed((Math(product),) for product in list(found)[:NAMED]):
        text = ": 0 · ln(0) is taken as 0, which is what p · ln(p) tends to as p goes to 0."
        yield Callout("note", (*line, Text(text)))


def _nothing_times_logarithms(formula: Formula, values: Lookup) -> Iterator[Formula]:
    for part in walk(formula):
        if isinstance(part, Product) and any(map(is_logarithm, part.factors)):
            sizes = [as_float(evaluate(factor, values)) for factor in part.factors]
            if 0 in sizes and any(map(math.isinf, sizes)):
                yield part
