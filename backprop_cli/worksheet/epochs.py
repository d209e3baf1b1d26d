"""A perceptron run at a glance: one row a presentation, and the truth table it ends with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backprop_cli.formula.nodes import Name
from backprop_cli.graph.batches import Builder
from backprop_cli.graph.step import Graph
from backprop_cli.run import Iteration, Run, evaluate_steps
from backprop_cli.worksheet.document import (
    Block,
    Column,
    Heading,
    Line,
    Math,
    Paragraph,
    Text,
    table,
)
from backprop_cli.worksheet.passes import ANSWERS, answered
from backprop_cli.worksheet.sheet import Choices, Sheet


def perceptron_table(run: Run, choices: Choices) -> Iterator[Block]:
    """Every presentation with its error and the weights after it; then what has been learnt."""
    graph = run.presented[0].graph
    names = [
        *(leaf.name for leaf in graph.leaves if leaf.kind in ("input", "target")),
        *(step.name for step in graph.section("forward", "loss")),
    ]
    count = run.problem.sample_count
    yield Heading(2, (Text("All presentations"),))
    yield Paragraph((Text("The weights are those after the presentation."),))

    def counted(number: int) -> Line:
        return (Text(str(number + 1)),)

    yield table(
        [Sheet(run, iteration, choices) for iteration in run.presented],
        (Column((Text("Epoch"),)), lambda sheet: counted((sheet.iteration.number - 1) // count)),
        (Column((Text("Sample"),)), lambda sheet: counted((sheet.iteration.number - 1) % count)),
        *(_column(name, name) for name in names),
        *(_column(name, after) for name, after in graph.carried.items()),
    )
    yield from truth_table(run, choices)


def truth_table(run: Run, choices: Choices) -> Iterator[Block]:
    """What the final weights answer to every sample."""
    builder = Builder(run.problem)
    count = run.problem.sample_count

    def worked_out(sample: int) -> Sheet:
        graph = builder.graph((sample,))
        values = evaluate_steps(graph, run.final, sections=("forward", "loss"))
        return Sheet(run, Iteration(run.updates, graph, values, None), choices)

    def right(sheet: Sheet) -> bool:
        return all(sheet.value(step.name) == 0 for step in sheet.graph.section("loss"))

    sheets = [worked_out(sample) for sample in range(1, count + 1)]
    yield Heading(3, (Text("What it answers now"),))
    yield table(
        sheets,
        *(_column(name, name) for name in _shown(sheets[0].graph)),
        (Column((Text("Answer"),)), lambda sheet: ANSWERS[right(sheet)]),
    )
    yield answered(sum(map(right, sheets)), count)


def _column(head: str, name: str) -> tuple[Column, Callable[[Sheet], Line]]:
    """The numbers of a name, one below the other."""
    return Column((Math(Name(head)),), align="decimal"), lambda sheet: sheet.cell(name)


def _shown(graph: Graph) -> list[str]:
    """Inputs, targets and the outputs of the last layer."""
    given = [leaf.name for leaf in graph.leaves if leaf.kind in ("input", "target")]
    return [*given, *(step.name for step in graph.handed_on)]
