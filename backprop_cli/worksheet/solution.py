"""The worked solution: which sections a sheet has, and in which order."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_cli.formula.nodes import Name
from backprop_cli.run import Run
from backprop_cli.worksheet import gates, given, gradients, matrices, passes, remarks, updates
from backprop_cli.worksheet.curves import function_curve, loss_curve
from backprop_cli.worksheet.diagram import diagram
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Document,
    Heading,
    Line,
    Math,
    Paragraph,
    Relation,
    Text,
)
from backprop_cli.worksheet.epochs import perceptron_table
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.sheet import DEFAULT, Choices, Sheet, spelling_of

MOST_DRAWN = 150
"""A network with more given quantities than this has no picture on its sheet."""


def solution(run: Run, choices: Choices = DEFAULT) -> Document:
    """The worked solution of a run as a document."""
    graph = run.iterations[0].graph
    spelling = spelling_of(graph, deltas=choices.form == "delta")
    blocks = tuple(_blocks(run, choices))
    return Document(run.problem.title, blocks, spelling)


def _blocks(run: Run, choices: Choices) -> Iterator[Block]:
    if choices.only:
        for iteration in run.iterations:
            sheet = Sheet(run, iteration, choices)
            if len(run.iterations) > 1:
                yield Heading(2, (Text(f"Update {iteration.number}"),))
            yield from gradients.only(sheet)
        return
    first = Sheet(run, run.iterations[0], choices)
    if run.problem.description:
        yield Paragraph((Text(run.problem.description.strip()),))
    yield from given.given(first)
    if choices.pictures and len(first.graph.leaves) <= MOST_DRAWN:
        yield diagram(run)
    yield from remarks.before(first)
    if choices.curve is not None:
        yield function_curve(run, choices.curve)
    several = len(run.iterations) > 1
    for iteration in run.iterations:
        sheet = Sheet(run, iteration, choices)
        if several:
            yield Heading(2, update_title(sheet))
            if iteration.number > 1:
                yield from given.changed(sheet)
        blocks = one_update(sheet)
        yield from map(deeper, blocks) if several else blocks
    yield from _ending(run, choices)


def update_title(sheet: Sheet) -> tuple[Text, ...]:
    batch = sheet.graph.batch
    title = f"Update {sheet.iteration.number}"
    if len(given.all_samples(sheet.run.problem)) > 1:
        samples = ", ".join(map(str, batch))
        title += f": sample{'s' if len(batch) > 1 else ''} {samples}"
    return (Text(title),)


def deeper(block: Block) -> Block:
    """A section inside an update: its heading stands one level lower."""
    if not isinstance(block, Heading):
        return block
    return Heading(3, block.text) if block.level < 3 else Paragraph(strong(block.text))


def strong(line: Line) -> Line:
    return tuple(Text(part.text, "strong") if isinstance(part, Text) else part for part in line)


def one_update(sheet: Sheet) -> Iterator[Block]:
    """Forward, loss, local derivatives, gradients, update, and the loss again."""
    match sheet.choices.form:
        case "gates":
            yield from gates.gates(sheet)
        case "matrix":
            yield from matrices.matrices(sheet)
            yield from updates.updates(sheet)
        case _:
            yield from passes.forward(sheet)
            yield from passes.loss(sheet)
            yield from gradients.slopes(sheet)
            yield from gradients.gradients(sheet)
            yield from updates.updates(sheet)
    yield from remarks.after(sheet)
    yield from updates.loss_again(sheet)


def _ending(run: Run, choices: Choices) -> Iterator[Block]:
    if run.presented:
        yield from perceptron_table(run, choices)
    if run.stop is not None:
        good = run.stop.reason == "converged"
        yield Callout("note" if good else "warning", (Text(run.stop.message),))
    if run.losses and (run.updates > len(run.iterations) or len(run.losses) > 3):
        yield Heading(2, (Text("All updates"),))
        yield from updates.loss_table(run, choices)
        if (curve := loss_curve(run)) is not None:
            yield curve
    if run.updates > len(run.iterations):
        yield from _final_parameters(run, choices)


def _final_parameters(run: Run, choices: Choices) -> Iterator[Block]:
    digits = choices.digits or run.problem.rounding.digits
    yield Heading(3, (Text(f"Parameters after update {run.updates}"),))
    line: list[Text | Math | Relation] = []
    for name, value in run.final.items():
        if value is None:
            continue
        written = shown(value, digits, fractions=choices.fractions)
        if line:
            line.append(Text(",  "))
        line.append(Relation(Name(name), written.sign, written.formula))
    if line:
        yield Paragraph(tuple(line))
