"""What verifying a problem came to, as a sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from backprop_cli.algebra.compose import DIGITS as POINT_DIGITS
from backprop_cli.algebra.compose import POINTS
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.verify import (
    BATCHES,
    DIGITS,
    ArrayRule,
    Comparison,
    Findings,
    Proved,
    Verification,
    evenly,
)
from backprop_cli.worksheet.array_notation import Notation
from backprop_cli.worksheet.composed import SUM_TO_ONE
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Column,
    Document,
    Line,
    Math,
    Paragraph,
    Table,
    Text,
    and_so_on,
    numeral,
    table,
)
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.sheet import NO_VALUE, spelling_of

ROWS = 40
SHOWN_DIGITS = 6


def verification_sheet(verified: Verification) -> Document:
    """The comparison as a document."""
    title = f"{verified.problem.title}: gradients verified"
    blocks: tuple[Block, ...] = (Paragraph((Text(NOTHING),)),)
    if verified.findings is not None:
        blocks = tuple(_blocks(verified.findings))
    graph = verified.graph
    return Document(title, blocks, spelling_of(graph), graph.lettering.typed)


NOTHING = "This problem has no gradient to compare: nothing in it is differentiated."


def _proved(findings: Findings) -> Iterator[Block]:
    """Gradients without numbers: by what each is known to equal SymPy's own."""
    text = (
        "Without numbers, SymPy differentiates the whole loss as one formula, and each gradient,"
        " put together from its steps, is compared with that."
    )
    yield Paragraph((Text(text),))
    rows = evenly(findings.proved, ROWS)
    yield table(
        rows,
        (Column((Text("Gradient"),)), lambda each: (Math(Name(each.name)),)),
        *_place_of(rows),
        (Column((Text("Equal to SymPy's"),)), lambda each: (Text(HOW[each.proof]),)),
        caption=_of_how_many(rows, findings.proved),
    )
    if any(each.targets_sum_to_one for each in findings.proved):
        yield Callout("note", (Text(SUM_TO_ONE),))
    if not findings.comparisons:
        by_points = sum(each.proof == "points" for each in findings.proved)
        yield Paragraph((Text(_all_equal(len(findings.proved), by_points), "strong"),))


HOW = {
    "cancelled": "proved: everything cancels",
    "points": f"at {POINTS} random points, {POINT_DIGITS} digits",
}


def _all_equal(count: int, by_points: int) -> str:
    if not by_points:
        if count == 1:
            return "The gradient agrees and is proved equal."
        return f"All {count} gradients agree and are proved equal."
    if by_points == count:
        return f"All {count} gradients agree at random points."
    return (
        f"All {count} gradients agree: {count - by_points} are proved equal, {by_points} agree at"
        " random points."
    )


def _place_of(
    rows: Sequence[Comparison | Proved],
) -> Iterator[tuple[Column, Callable[[Comparison | Proved], Line]]]:
    """A column for the batch or the point of each, where there are several."""
    if any(each.place for each in rows):
        yield Column((Text("At"),)), lambda each: (Text(each.place),)


def _of_how_many(rows: Sequence[object], every: Sequence[object]) -> Line:
    if len(rows) == len(every):
        return ()
    return (Text(f"{len(rows)} of {len(every)} gradients compared"),)


def _blocks(findings: Findings) -> Iterator[Block]:
    compared = [each for each in findings.comparisons if not each.on_kink]
    if findings.proved:
        yield from _proved(findings)
    if findings.comparisons or not findings.proved:
        yield Paragraph((Text(_method(findings)),))
    if findings.comparisons:
        yield _table(findings)
    yield from _rules(findings)
    yield from _omissions(findings)
    for names, text in _remarks(findings, compared):
        if names:
            yield Callout("note", (*_names(names), Text(text)))
    if wrong := [each.name for each in compared if not each.agrees]:
        yield Callout("warning", (Text("These do not agree: "), *_names(wrong), Text(".")))
    if compared:
        worst = max(compared, key=lambda each: each.error)
        verdict = f"All {len(compared)} gradients compared agree."
        if len(compared) == 1:
            verdict = "The gradient agrees." if findings.agree else "The gradient differs."
        elif not findings.agree:
            verdict = f"{len(wrong)} of {len(compared)} gradients differ."
        yield Paragraph(
            (
                Text(verdict, "strong"),
                Text(" Largest relative error: "),
                Math(_error(worst.error)),
                *((Text(" at "), Math(Name(worst.name))) if worst.error else ()),
                Text("."),
            )
        )


def _remarks(findings: Findings, compared: Sequence[Comparison]) -> Iterator[tuple[list[str], str]]:
    """What there is to say of some gradients, with their names."""
    yield [each.name for each in findings.comparisons if each.on_kink], KINK
    yield [each.name for each in findings.singular if not each.at_an_edge], NO_DERIVATIVE
    yield [each.name for each in findings.singular if each.at_an_edge], EDGE
    yield findings.bypassed, SATURATED
    yield [each.name for each in compared if each.rounding], CANCELLED


def _rules(findings: Findings) -> Iterator[Block]:
    """The rules between whole arrays, each evaluated as arrays."""
    if findings.array_rules is None or not findings.rules:
        return
    notation = Notation(findings.array_rules)

    def written(rule: ArrayRule) -> Line:
        return NO_VALUE if rule.formula is None else (Math(notation.letters(rule.formula)),)

    yield table(
        findings.rules,
        (Column((Text("Array"),)), lambda rule: (Math(Name(rule.name)),)),
        (Column((Text("Rule"),), wrap=True), written),
        (Column((Text("Holds"),)), lambda rule: (Text(_holds(rule)),)),
    )


def _holds(rule: ArrayRule) -> str:
    if rule.formula is None:
        return "no rule, entry by entry"
    if rule.failed:
        return f"not at {rule.failed} of {rule.points} random points"
    return f"here and at {rule.points} random points" if rule.points else "here"


KINK = (
    ": the numbers sit on a kink or a jump, where there is no derivative and so nothing to"
    " compare with. What the sheet has there is a convention, not a mismatch, and it says which."
)
NO_DERIVATIVE = ": there is no derivative here, as the sheet says, and so nothing to compare with."
EDGE = (
    ": here the loss is defined on one side only, so that there is no central difference. The sheet"
    " gives the slope on that side, if it has one, and says so."
)
CANCELLED = (
    ": terms cancel or saturate here, and floating point is left with little more than its"
    " rounding; the same equations worked out with 50 digits agree."
)
SATURATED = (
    ": the output is so near to 0 or 1 that the loss is worked out from z instead, and nothing"
    " can be compared on the way through ŷ."
)
NAMED = 8


def _method(findings: Findings) -> str:
    text = (
        f"Each gradient is compared with the central difference of the forward pass in {DIGITS}"
        " digits, which knows nothing of the backward pass"
    )
    if findings.composed is None:
        return (
            text
            + ". The whole loss as one formula is too large for SymPy to differentiate, so that"
            " comparison is left out."
            if findings.comparisons
            else text + "."
        )
    return (
        text + ", and with SymPy's derivative of the whole loss as one formula"
        f" ({findings.composed} nodes)."
    )


def _table(findings: Findings) -> Table:
    rows = findings.comparisons
    if len(rows) > ROWS:
        shown_rows = {id(each) for each in evenly(rows, ROWS)}
        shown_rows |= {id(each) for each in [r for r in rows if not r.agrees][:ROWS]}
        rows = [each for each in rows if id(each) in shown_rows]
    return table(
        rows,
        (Column((Text("Gradient"),)), lambda each: (Math(Name(each.name)),)),
        *_place_of(rows),
        (Column((Text("On the sheet"),), align="decimal"), lambda each: _number(each.ours)),
        (Column((Text("Difference"),), align="decimal"), _difference),
        (
            Column((Text("SymPy"),), align="decimal"),
            lambda each: (
                NO_VALUE if each.on_kink or each.symbolic is None else _number(each.symbolic)
            ),
        ),
        (Column((Text("Relative error"),), align="right"), _how_far),
        caption=_of_how_many(rows, findings.comparisons),
    )


def _number(value: float) -> Line:
    return numeral(shown(value, SHOWN_DIGITS).formula)


def _difference(each: Comparison) -> Line:
    return (Text("on a kink"),) if each.on_kink else _number(each.difference)


def _how_far(each: Comparison) -> Line:
    if each.on_kink:
        return NO_VALUE
    return (Text("rounding"),) if each.rounding else (Math(_error(each.error)),)


def _error(error: float) -> Formula:
    return shown(error, 2).formula


def _names(mentioned: Sequence[str]) -> Line:
    return and_so_on(list(dict.fromkeys(mentioned)), NAMED)


def _omissions(findings: Findings) -> Iterator[Callout]:
    often = f"{findings.undefined} time{'s' if findings.undefined > 1 else ''}"
    said: tuple[tuple[int, Literal["note", "warning"], str], ...] = (
        (
            findings.left_out,
            "note",
            f"{findings.left_out} more gradients were left out to keep the time bounded; the ones"
            " compared are spread evenly over the sheet.",
        ),
        (
            findings.batches_left_out,
            "note",
            f"The first {BATCHES} batches were compared, {findings.batches_left_out} left out.",
        ),
        (
            findings.undefined,
            "warning",
            f"Where the loss is not a finite number there is nothing to compare ({often}).",
        ),
    )
    for count, kind, text in said:
        if count:
            yield Callout(kind, (Text(text),))
