"""What verifying a problem came to, as a sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backprop_cli.algebra.compose import DIGITS as POINT_DIGITS
from backprop_cli.algebra.compose import POINTS
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.verify import BATCHES, DIGITS, Comparison, Findings, Verification, evenly
from backprop_cli.worksheet.array_notation import Notation
from backprop_cli.worksheet.composed import SUM_TO_ONE
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Column,
    Document,
    Inline,
    Line,
    Math,
    Paragraph,
    Table,
    Text,
    numeral,
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
    several = any(each.place for each in rows)
    columns = [Column((Text("Gradient"),)), Column((Text("Equal to SymPy's"),))]
    if several:
        columns.insert(1, Column((Text("At"),)))
    cells = [
        (
            (Math(Name(each.name)),),
            *(((Text(each.place),),) if several else ()),
            (Text(HOW[each.proof]),),
        )
        for each in rows
    ]
    caption: Line = ()
    if len(rows) < len(findings.proved):
        caption = (Text(f"{len(rows)} of {len(findings.proved)} gradients compared"),)
    yield Table(tuple(columns), tuple(cells), caption)
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
    kinks = [each for each in findings.comparisons if each.on_kink]
    if kinks:
        yield Callout("note", (*_names([each.name for each in kinks]), Text(KINK)))
    for at_an_edge, text in ((False, NO_DERIVATIVE), (True, EDGE)):
        names = [each.name for each in findings.singular if each.at_an_edge == at_an_edge]
        if names:
            yield Callout("note", (*_names(names), Text(text)))
    if findings.bypassed:
        line = _names(findings.bypassed)
        yield Callout("note", (*line, Text(SATURATED)))
    rounded = [each for each in compared if each.rounding]
    if rounded:
        yield Callout("note", (*_names([each.name for each in rounded]), Text(CANCELLED)))
    wrong = [each for each in compared if not each.agrees]
    if wrong:
        yield Callout(
            "warning",
            (Text("These do not agree: "), *_names([each.name for each in wrong]), Text(".")),
        )
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


def _rules(findings: Findings) -> Iterator[Block]:
    """The rules between whole arrays, each evaluated as arrays."""
    if findings.array_rules is None or not findings.rules:
        return
    notation = Notation(findings.array_rules)
    rows: list[tuple[Line, ...]] = []
    for rule in findings.rules:
        holds = f"here and at {rule.points} random points" if rule.points else "here"
        if rule.failed:
            holds = f"not at {rule.failed} of {rule.points} random points"
        written = NO_VALUE if rule.formula is None else (Math(notation.letters(rule.formula)),)
        said = (Text("no rule, entry by entry" if rule.formula is None else holds),)
        rows.append(((Math(Name(rule.name)),), written, said))
    columns = (
        Column((Text("Array"),)),
        Column((Text("Rule"),), wrap=True),
        Column((Text("Holds"),)),
    )
    yield Table(columns, tuple(rows))


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
    caption: Line = ()
    if len(rows) > ROWS:
        shown_rows = {id(each) for each in evenly(rows, ROWS)}
        shown_rows |= {id(each) for each in [r for r in rows if not r.agrees][:ROWS]}
        rows = [each for each in rows if id(each) in shown_rows]
        caption = (Text(f"{len(rows)} of {len(findings.comparisons)} gradients compared"),)
    several = any(each.place for each in rows)
    columns = [
        Column((Text("Gradient"),)),
        Column((Text("On the sheet"),), align="decimal"),
        Column((Text("Difference"),), align="decimal"),
        Column((Text("SymPy"),), align="decimal"),
        Column((Text("Relative error"),), align="right"),
    ]
    if several:
        columns.insert(1, Column((Text("At"),)))
    return Table(tuple(columns), tuple(_row(each, several) for each in rows), caption)


def _row(each: Comparison, several: bool) -> tuple[Line, ...]:
    cells: list[Line] = [(Math(Name(each.name)),)]
    if several:
        cells.append((Text(each.place),))
    cells.append(numeral(shown(each.ours, SHOWN_DIGITS).formula))
    if each.on_kink:
        return (*cells, (Text("on a kink"),), NO_VALUE, NO_VALUE)
    cells.append(numeral(shown(each.difference, SHOWN_DIGITS).formula))
    cells.append(
        NO_VALUE if each.symbolic is None else numeral(shown(each.symbolic, SHOWN_DIGITS).formula)
    )
    cells.append((Text("rounding"),) if each.rounding else (Math(_error(each.error)),))
    return tuple(cells)


def _error(error: float) -> Formula:
    return shown(error, 2).formula


def _names(mentioned: Sequence[str]) -> Line:
    line: list[Inline] = []
    names = list(dict.fromkeys(mentioned))
    for name in names[:NAMED]:
        line += [Text(", ")] * bool(line) + [Math(Name(name))]
    if len(names) > NAMED:
        line.append(Text(f" and {len(names) - NAMED} more"))
    return tuple(line)


def _omissions(findings: Findings) -> Iterator[Block]:
    if findings.left_out:
        yield Callout(
            "note",
            (
                Text(
                    f"{findings.left_out} more gradients were left out to keep the time bounded;"
                    " the ones compared are spread evenly over the sheet."
                ),
            ),
        )
    if findings.batches_left_out:
        text = f"The first {BATCHES} batches were compared, {findings.batches_left_out} left out."
        yield Callout("note", (Text(text),))
    if findings.undefined:
        yield Callout(
            "warning",
            (
                Text(
                    "Where the loss is not a finite number there is nothing to compare"
                    f" ({findings.undefined} time{'s' if findings.undefined > 1 else ''})."
                ),
            ),
        )
