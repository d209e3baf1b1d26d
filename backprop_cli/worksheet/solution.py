"""The worked solution: which sections a sheet has, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from backprop_cli.dataclass import replace
from backprop_cli.run import Run
from backprop_cli.worksheet import (
    array_sheet,
    collapse,
    composed,
    derivations,
    findings,
    gates,
    given,
    gradients,
    matrices,
    nested,
    passes,
    updates,
)
from backprop_cli.worksheet.curves import function_curve, loss_curve
from backprop_cli.worksheet.diagram import MOST_DRAWN, diagram
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Document,
    Heading,
    Line,
    Paragraph,
    Text,
)
from backprop_cli.worksheet.epochs import perceptron_table
from backprop_cli.worksheet.sheet import DEFAULT, Choices, Sheet, spelling_of
from backprop_cli.worksheet.shortened import shortened
from backprop_cli.worksheet.wording import worded


def solution(run: Run, choices: Choices = DEFAULT) -> Document:
    """The worked solution of a run as a document."""
    graph = run.iterations[0].graph
    spelling = spelling_of(graph, deltas=choices.form in ("delta", "matrix"))
    written: Iterable[Block] = _blocks(run, choices)
    if not choices.whole:
        written = shortened(tuple(written), len(run.iterations))
    blocks = tuple(_introduction(run, choices))
    blocks += tuple(worded(block, graph.lettering) for block in written)
    return Document(run.problem.title, blocks, spelling, graph.lettering.typed)


def _introduction(run: Run, choices: Choices) -> Iterator[Block]:
    """The author's own words."""
    if run.problem.description and not choices.only:
        yield Paragraph((Text(run.problem.description.strip()),))


def _blocks(run: Run, choices: Choices) -> Iterator[Block]:
    sheets = [Sheet(run, iteration, choices) for iteration in run.iterations]
    if choices.curve is not None and choices.only:
        yield function_curve(run, choices.curve, choices.only)
        return
    if choices.only:
        for sheet in sheets:
            if len(sheets) > 1:
                yield Heading(2, (Text(given.update_title(sheet)),))
            yield from array_sheet.only(sheet) if sheet.in_arrays else derivations.only(sheet)
        return
    first = sheets[0]
    yield from given.given(first)
    if choices.pictures and len(first.graph.leaves) <= MOST_DRAWN:
        yield diagram(run)
    yield from findings.before(first)
    if choices.curve is not None:
        yield function_curve(run, choices.curve)
    for sheet in sheets:
        if len(sheets) == 1 and run.updates <= 1:
            yield from one_update(sheet)
        else:
            yield Heading(2, (Text(given.update_title(sheet)),))
            if not sheet.first:
                yield from given.changed(sheet)
            yield from map(deeper, one_update(sheet))
    yield from _ending(run, choices)


def deeper(block: Block) -> Block:
    """A section inside an update: its heading stands one level lower."""
    if not isinstance(block, Heading):
        return block
    return Heading(3, block.text) if block.level < 3 else Paragraph(strong(block.text))


def strong(line: Line) -> Line:
    return tuple(Text(part.text, "strong") if isinstance(part, Text) else part for part in line)


def one_update(sheet: Sheet) -> Iterator[Block]:
    """Forward, loss, local derivatives, gradients, update, and the loss again."""
    if sheet.first and sheet.graph.no_arrays:
        text = f"Written in single numbers, not in arrays: {sheet.graph.no_arrays}."
        yield Callout("note", (Text(text),))
    in_arrays = sheet.in_arrays and sheet.choices.form != "gates"
    own = IN_ARRAYS if in_arrays else IN_FORM.get(sheet.choices.form, IN_NUMBERS)
    moved = array_sheet.updates if in_arrays else updates.updates
    after = (gradients.second_derivatives, moved, updates.loss_again, findings.after)
    for section in (*own, *after):
        yield from section(sheet)
    if sheet.choices.composed and sheet.first:
        yield from composed.whole_derivatives(sheet)


Sections: TypeAlias = tuple[Callable[[Sheet], Iterable[Block]], ...]

IN_NUMBERS: Sections = (
    passes.forward,
    nested.nested,
    collapse.collapsed,
    passes.outputs,
    passes.loss,
    nested.nested_loss,
    gradients.slopes,
    gradients.gradients,
)
IN_ARRAYS: Sections = (array_sheet.forward, array_sheet.gradients)
IN_FORM: Mapping[str | None, Sections] = {"gates": (gates.gates,), "matrix": (matrices.matrices,)}
"""What a sheet of each form has before its update."""


def _ending(run: Run, choices: Choices) -> Iterator[Block]:
    if run.presented:
        yield from perceptron_table(run, choices)
    if run.stop is not None:
        good = run.stop.reason == "converged"
        yield Callout("note" if good else "warning", (Text(run.stop.message),))
    if run.losses and (run.updates > len(run.iterations) or len(run.losses) > 3):
        yield Heading(2, (Text("All updates"),))
        yield from updates.loss_table(run, choices)
        if (curve := loss_curve(run, choices)) is not None:
            yield curve
        yield from findings.flow_over_run(run)
    if run.updates > len(run.iterations):
        yield Heading(3, (Text(f"Parameters after update {run.updates}"),))
        last = replace(
            run.iterations[-1],
            number=run.updates,
            values={**run.iterations[-1].values, **run.final},
        )
        yield from given.final(Sheet(run, last, choices))
