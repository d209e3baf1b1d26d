"""The forward pass and the loss as tables: quantity, formula, numbers put in, value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from backprop_cli.formula.build import rename
from backprop_cli.formula.nodes import Name
from backprop_cli.graph.step import Graph, Step
from backprop_cli.worksheet.document import (
    Block,
    Column,
    Heading,
    Inline,
    Line,
    Math,
    Paragraph,
    Table,
    Text,
    named,
    table,
)
from backprop_cli.worksheet.reasons import function_reasons
from backprop_cli.worksheet.sheet import NO_VALUE, Sheet

SECTIONED_SAMPLES = 3
"""Up to so many samples each get a table of their own; more stand side by side."""
SAMPLES_ACROSS = 4
LISTED_SAMPLES = 8
"""Up to so many samples a mean is written with all its numbers."""
TRUTH_COLUMNS = 8
"""A truth table with more z and a than these shows those of the last layer."""


def forward(sheet: Sheet) -> Iterator[Block]:
    """Every quantity from the inputs to the outputs, and what the activations are."""
    steps = sheet.graph.section("forward")
    if not steps:
        return
    yield Heading(2, (Text("Forward pass"),))
    yield from by_sample(sheet, steps)
    yield from function_reasons(sheet)


def outputs(sheet: Sheet) -> Iterator[Block]:
    """What a network without a loss answers to each of its samples: a truth table, and whether
    the answers are right where there are targets."""
    graph, batch = sheet.graph, sheet.graph.batch
    marks: tuple[int | None, ...] = batch if len(batch) > 1 else (None,)
    compared = any(step.target is not None for step in graph.steps)
    if graph.section("loss") or not (compared or len(batch) > 1):
        return
    by_row = [_truth_row(graph, mark, compared) for mark in marks]
    names = [graph.unmarked(step) for step in by_row[0]]
    if not names:
        return
    verdicts = [_right(sheet, mark) for mark in marks]

    def cell(place: int) -> Callable[[tuple[int | None, list[str], bool | None]], Line]:
        return lambda row: sheet.cell(row[1][place])

    yield Heading(2, (Text("Truth table" if compared else "Inputs and outputs"),))
    sample = (Column((Text("Sample"),)), lambda row: (Text(str(row[0])),))
    answer = (Column((Text("Answer"),)), lambda row: ANSWERS[row[2]])
    yield table(
        list(zip(marks, by_row, verdicts, strict=True)),
        *([sample] if len(batch) > 1 else []),
        *((Column((Math(Name(n)),), align="decimal"), cell(at)) for at, n in enumerate(names)),
        *([answer] if compared else []),
    )
    if compared and None not in verdicts and len(batch) > 1:
        yield answered(sum(map(bool, verdicts)), len(batch))


ANSWERS: Mapping[bool | None, Line] = {
    True: (Text("right"),),
    False: (Text("wrong"),),
    None: NO_VALUE,
}


def answered(right: int, count: int) -> Paragraph:
    """How many samples the outputs are right for."""
    return Paragraph((Text(f"{right} of {count} samples are answered correctly."),))


def _truth_row(graph: Graph, mark: int | None, compared: bool) -> list[str]:
    """Inputs, what is worked out from them, and the targets; of a wide network the last layer."""
    steps = [step for step in graph.section("forward") if step.sample == mark and step.unit]
    last = max((step.unit.layer for step in steps if step.unit), default=0)
    kinds = ("preactivation", "activation") if compared else ("activation",)
    steps = [step for step in steps if step.kind in kinds]
    if not compared or len(steps) > TRUTH_COLUMNS:
        steps = [step for step in steps if step.unit and step.unit.layer == last]
    given = [leaf for leaf in graph.leaves if leaf.sample == mark]
    inputs = [leaf.name for leaf in given if leaf.kind == "input"]
    targets = [leaf.name for leaf in given if leaf.kind == "target"] if compared else []
    return [*inputs, *(step.name for step in steps), *targets] if steps else []


def _right(sheet: Sheet, mark: int | None) -> bool | None:
    """Whether every output of a sample is its target; None where a number is missing."""
    pairs = [
        (sheet.value(step.name), sheet.value(step.target))
        for step in sheet.graph.steps
        if step.sample == mark and step.target is not None
    ]
    if any(value is None for pair in pairs for value in pair):
        return None
    return all(answer == target for answer, target in pairs)


def _row_by_row(graph: Graph) -> bool:
    """Whether a truth table is worked out, each of its few rows with the numbers put in."""
    compared = any(step.target is not None for step in graph.steps)
    return compared and not graph.section("loss") and len(graph.batch) <= LISTED_SAMPLES


def loss(sheet: Sheet) -> Iterator[Block]:
    """The loss of each sample and of the batch; the errors of a perceptron."""
    steps = sheet.graph.section("loss")
    if not steps:
        return
    yield Heading(2, (Text(loss_title(sheet)),))
    yield from by_sample(sheet, steps)
    if sheet.first:
        yield from penalised(sheet, in_loss=True)


NAMED = 12
"""More parameters than these are counted, not named."""


def penalised(sheet: Sheet, *, in_loss: bool) -> Iterator[Block]:
    """What the penalties weigh down, and what they spare."""
    everything = sheet.graph.parameters
    for each in sheet.graph.penalties:
        if each.in_loss != in_loss:
            continue
        names = each.parameters
        line: list[Inline] = [Math(Name(each.strength)), Text(f" ({each.norm}) penalises ")]
        if not names:
            line.append(Text("nothing: there are only biases"))
        elif len(names) > NAMED:
            kind = "parameters" if len(names) == len(everything) else "weights"
            line.append(Text(f"all {len(names)} {kind}"))
        else:
            line += named(names)
        if names and len(names) < len(everything):
            line.append(Text("; biases are left alone"))
        yield Paragraph((*line, Text(".")))


def loss_title(sheet: Sheet) -> str:
    """A loss is called so; the perceptron has errors, and a plain function is minimised."""
    if not sheet.graph.losses:
        return "Error"
    if sheet.graph.is_loss:
        return "Loss"
    return "What is maximised" if sheet.graph.ascends else "What is minimised"


def by_sample(sheet: Sheet, steps: Sequence[Step]) -> Iterator[Block]:
    """Tables of steps: sample after sample, or many samples side by side."""
    marks = list(dict.fromkeys(step.sample for step in steps if step.sample is not None))
    alone = len(marks) == 1 and all(step.sample is not None for step in steps)
    woven = sheet.graph.woven and not any(step.section == "forward" for step in steps)
    if not marks or alone or woven:
        yield step_table(sheet, steps)
        return
    few = len(marks) <= SECTIONED_SAMPLES or _row_by_row(sheet.graph)
    if few and not sheet.graph.woven:
        for mark in marks:
            own = [step for step in steps if step.sample == mark]
            yield Paragraph((Text(f"Sample {mark}", "strong"),))
            yield step_table(sheet, own)
    else:
        yield from across(sheet, steps, marks)
    whole = [step for step in steps if step.sample is None]
    if whole and not sheet.graph.woven:
        yield Paragraph((Text("Whole batch", "strong"),))
        yield whole_table(sheet, whole)


def step_table(sheet: Sheet, steps: Sequence[Step]) -> Table:
    """Quantity, formula, numbers put in, value; without numbers just the formulas."""
    first = (
        (Column((Text("Quantity"),)), quantity),
        (Column((Text("Formula"),), wrap=True), lambda step: (Math(sheet.short(step.formula)),)),
    )
    if sheet.symbolic:
        return table(steps, *first)
    return table(
        steps,
        *first,
        (Column((Text("Numbers put in"),), wrap=True), lambda step: _numbers(sheet, step)),
        (Column((Text("Value"),), align="decimal"), lambda step: sheet.cell(step.name)),
    )


def whole_table(sheet: Sheet, steps: Sequence[Step]) -> Table:
    """Means or sums over the samples, each sample named in the formula while they are few."""
    samples = len(sheet.graph.batch)
    if samples <= SECTIONED_SAMPLES or sheet.symbolic:
        return step_table(sheet, steps)
    word = "Mean" if sheet.run.problem.training.reduction == "mean" else "Sum"
    # Its penalty belongs to the whole batch.
    also = ", and the penalty" if sheet.graph.step[sheet.graph.output].added else ""
    said = f"{word} over the{f' {samples}' if samples > LISTED_SAMPLES else ''} samples{also}"
    first = (Column((Text("Quantity"),)), quantity)
    if samples > LISTED_SAMPLES:
        whole = Column((Text(said),), align="decimal")
        return table(steps, first, (whole, lambda step: sheet.cell(step.name)))
    return table(
        steps,
        first,
        (Column((Text(said),), wrap=True), lambda step: _numbers(sheet, step)),
        (Column((Text("Value"),), align="decimal"), lambda step: sheet.cell(step.name)),
    )


def quantity(step: Step) -> Line:
    """The name of a step in the first column."""
    return (Math(Name(step.name)),)


def _numbers(sheet: Sheet, step: Step) -> Line:
    numbers = sheet.substituted(step)
    return NO_VALUE if numbers is None else (Math(sheet.short(numbers)),)


def across(sheet: Sheet, steps: Sequence[Step], marks: Sequence[int]) -> Iterator[Block]:
    """One row a quantity, one column a sample; a few samples to a table so that it fits."""
    # Every sample has the same steps in the same order.
    own: dict[int | None, list[Step]] = {None: [], **{mark: [] for mark in marks}}
    for step in steps:
        own[step.sample].append(step)
    place = {step.name: index for index, step in enumerate(steps)}
    shared = own[None] if sheet.graph.woven else []
    for start in range(0, len(marks), SAMPLES_ACROSS):
        chosen = marks[start : start + SAMPLES_ACROSS]
        columns = [Column((Text("Quantity"),)), Column((Text("Formula"),), wrap=True)]
        columns += [Column((Text(f"Sample {mark}"),), align="decimal") for mark in chosen]
        rows: list[tuple[Line, ...]] = []
        alike = zip(*(own[mark] for mark in chosen), strict=True)

        def without(name: str, mark: int = chosen[0]) -> str:
            return sheet.graph.unmarked(name, mark)

        for step in sorted((*own[chosen[0]], *shared), key=lambda step: place[step.name]):
            if step.sample is not None:
                cells = [sheet.cell(each.name) for each in next(alike)]
                formula = rename(sheet.short(step.formula), without)
                rows.append(((Math(Name(without(step.name))),), (Math(formula),), *cells))
            else:
                same: Line = (Text("the same"),)
                rest = [same for _ in chosen[1:]]
                rows.append((quantity(step), (Math(step.formula),), sheet.cell(step.name), *rest))
        yield Table(tuple(columns), tuple(rows))
