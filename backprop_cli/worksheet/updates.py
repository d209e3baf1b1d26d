"""The update table, the loss again, and the losses of a whole run."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_cli.formula.build import negative, product, total
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.graph.backward import derivative_name
from backprop_cli.graph.step import Step
from backprop_cli.run import Run
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Column,
    Heading,
    Line,
    Math,
    Paragraph,
    Relation,
    Table,
    Text,
)
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.passes import step_table
from backprop_cli.worksheet.sheet import NO_VALUE, Choices, Sheet

LOSS_ROWS = 24
"""A longer run shows so many of its losses, evenly spaced."""


def updates(sheet: Sheet) -> Iterator[Block]:
    steps = sheet.graph.section("update")
    if not steps:
        return
    yield Heading(2, (Text("Update"),))
    changes = [step for step in steps if step.kind == "update"]
    if sheet.symbolic:
        yield step_table(sheet, steps)
    elif is_plain_descent(sheet, steps):
        yield Paragraph(
            (
                Text("Every parameter moves against its gradient: new = old − "),
                Math(product(Name("eta"), Name("gradient"))),
                Text(", with "),
                Relation(Name("eta"), "=", sheet.number("eta")),
                Text("."),
            )
        )
        yield descent_table(sheet, changes)
    else:
        yield step_table(sheet, steps)
    frozen = [leaf.name for leaf in sheet.graph.leaves if leaf.kind == "parameter"]
    frozen = [name for name in frozen if name not in sheet.graph.carried]
    if frozen:
        line: list[Text | Math] = [Text("Not updated: ")]
        for index, name in enumerate(frozen):
            line += [Text(", ")] * (index > 0) + [Math(Name(name))]
        yield Paragraph((*line, Text(".")))


def is_plain_descent(sheet: Sheet, steps: tuple[Step, ...]) -> bool:
    """Whether every update is old − η·gradient, nothing in between."""
    for step in steps:
        if step.kind != "update" or step.of is None:
            return False
        gradient = Name(derivative_name(sheet.graph.output, step.of))
        plain = total(Name(step.of), negative(product(Name("eta"), gradient)))
        if step.formula != plain:
            return False
    return True


def descent_table(sheet: Sheet, steps: list[Step]) -> Table:
    columns = (
        Column((Text("Parameter"),)),
        Column((Text("Old"),), align="decimal"),
        Column((Text("Gradient"),), align="decimal"),
        Column((Math(Name("eta")), Text(" · gradient")), align="decimal"),
        Column((Text("New"),), align="decimal"),
    )
    rows: list[tuple[Line, ...]] = []
    for step in steps:
        assert step.of is not None
        gradient = derivative_name(sheet.graph.output, step.of)
        rate, slope = sheet.value("eta"), sheet.value(gradient)
        moved: Line = NO_VALUE
        if rate is not None and slope is not None:
            change = shown(rate * slope, sheet.digits, fractions=sheet.choices.fractions)
            moved = (Math(change.formula),)
        rows.append(
            (
                (Math(Name(step.of)),),
                _bare(sheet, step.of),
                _bare(sheet, gradient),
                moved,
                _bare(sheet, step.name),
            )
        )
    return Table(columns, tuple(rows))


def _bare(sheet: Sheet, name: str) -> Line:
    written = sheet.shown(name)
    return NO_VALUE if written is None else (Math(written.formula),)


def loss_again(sheet: Sheet) -> Iterator[Block]:
    """Whether the step has helped: the loss of the same samples with the new parameters."""
    before, after = sheet.value(sheet.graph.output), sheet.iteration.loss_after
    if before is None or after is None or not sheet.graph.losses:
        return
    digits = sheet.digits
    old, new = shown(before, digits), shown(after, digits)
    while old.formula == new.formula and before != after and digits < 15:
        digits += 1
        old, new = shown(before, digits), shown(after, digits)
    change: Formula = Name(sheet.graph.output)
    if after < before:
        words = " falls from "
    elif after > before:
        words = " rises from "
    else:
        yield Paragraph((Text("The loss stays at "), Math(old.formula), Text(".")))
        return
    given = any(leaf.kind in ("input", "target") for leaf in sheet.graph.leaves)
    samples = "the same samples" if len(sheet.graph.batch) > 1 else "the same sample"
    line: Line = (
        Text(f"With the new parameters and {samples}, " if given else "With the new parameters, "),
        Math(change),
        Text(words),
        Math(old.formula),
        Text(" to "),
        Math(new.formula),
        Text("."),
    )
    yield Heading(2, (Text("Loss after the update"),))
    yield Paragraph(line)
    if after > before:
        yield Callout(
            "warning",
            (
                Text(
                    "The step raised the loss: it went past the minimum. A smaller learning rate"
                    " would help."
                ),
            ),
        )


def loss_table(run: Run, choices: Choices) -> Iterator[Block]:
    """The loss before each update and after the last; long runs are thinned out evenly."""
    digits = choices.digits or run.problem.rounding.digits
    if not run.losses:
        return
    last = len(run.losses) - 1
    count = min(LOSS_ROWS, last)
    chosen = sorted({round(place * last / count) for place in range(count + 1)}) if count else [0]
    rows: list[tuple[Line, ...]] = []
    for index in chosen:
        value = run.losses[index]
        if value is None:
            return
        label = f"after update {index}" if index == run.updates else f"before update {index + 1}"
        rows.append(((Text(label),), (Math(shown(value, digits).formula),)))
    columns = (Column((Text("When"),)), Column((Text("Loss"),), align="decimal"))
    yield Table(columns, tuple(rows))
