"""The blank sheet: the problem, room to write, and the names to answer under."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from backprop_cli.formula.nodes import Name
from backprop_cli.graph.step import Graph, Step
from backprop_cli.marking.asked import asked, points_of, updates_asked
from backprop_cli.problem.model import Network, Problem
from backprop_cli.run import Run
from backprop_cli.worksheet import given
from backprop_cli.worksheet.document import (
    AnswerSpace,
    Block,
    Document,
    Heading,
    Line,
    Math,
    Paragraph,
    Relation,
    Text,
)
from backprop_cli.worksheet.sheet import DEFAULT, Sheet, spelling_of

SECTION_TITLES = {
    "forward": "Forward pass",
    "loss": "Loss",
    "backward": "Local derivatives and gradients on the way",
    "gradient": "Gradients",
    "update": "Update",
}
DERIVATION_LINES = 3
"""Room for a formula, where a number needs one line."""


def blank(run: Run) -> Document:
    """The sheet to hand out. What it asks for is what `check` marks."""
    graph = run.iterations[0].graph
    return Document(run.problem.title, tuple(_blocks(run)), spelling_of(graph))


def _blocks(run: Run) -> Iterator[Block]:
    problem = run.problem
    first = Sheet(run, run.iterations[0], DEFAULT)
    if problem.description:
        yield Paragraph((Text(problem.description.strip()),))
    yield Paragraph((Text("Name: ______________________    Date: ______________"),))
    yield from (block for block in given.given(first) if not isinstance(block, Paragraph))
    yield from _rules(problem, first.graph)
    yield Paragraph(
        (
            Text(
                "Write at least four significant digits and carry on with what you wrote. Each"
                " answer goes under the name at its right."
                if not first.symbolic
                else "Write each derivative with the names of the sheet."
            ),
        )
    )
    count = updates_asked(problem)
    for iteration in run.iterations[:count]:
        if count > 1:
            yield Heading(2, (Text(f"Update {iteration.number}"),))
        sheet = Sheet(run, iteration, DEFAULT)
        yield from _spaces(sheet, asked(problem, iteration.graph), 3 if count > 1 else 2)


def _rules(problem: Problem, graph: Graph) -> Iterator[Block]:
    """Which activations, loss and update the sheet is about: a blank sheet has no formulas."""
    model = problem.model
    if not isinstance(model, Network):
        yield Heading(2, (Text("Equations"),))
        for name, formula in model.equations.items():
            yield Paragraph((Relation(Name(name), "=", formula),))
        return
    words = []
    for depth, layer in enumerate(model.layers, 1):
        names = list(dict.fromkeys(use.name.replace("_", " ") for use in layer.activations))
        place = "output layer" if depth == len(model.layers) else f"layer {depth}"
        words.append(f"{place}: {', '.join(names)}")
    text = f"Activations: {'; '.join(words)}."
    line: Line = (Text(text),)
    if model.loss is not None and graph.losses:
        loss = graph.step[graph.losses[0]]
        named = f" Loss ({model.loss.name.replace('_', ' ')}): "
        line = (*line, Text(named), Relation(Name(loss.name), "=", loss.formula), Text("."))
    yield Paragraph(line)


def _spaces(sheet: Sheet, steps: Sequence[Step], level: int) -> Iterator[Block]:
    lines = DERIVATION_LINES if sheet.symbolic else 1
    for section, group in groupby(steps, key=lambda step: step.section):
        yield Heading(3 if level == 3 else 2, (Text(SECTION_TITLES[section]),))
        for step in group:
            worth = points_of(sheet.run.problem.marking, step)
            if worth != 1:
                yield Paragraph((Math(Name(step.name)), Text(f": {worth:g} points")))
            yield AnswerSpace(Name(step.name), step.name, lines)


def answers_template(run: Run) -> str:
    """The YAML file to fill in, every name in the order of the sheet."""
    problem = run.problem
    count = updates_asked(problem)
    title = " ".join(problem.title.split())
    lines = [f"# Answers to: {printable(title)}", "student:"]
    if count == 1:
        lines.append("answers:")
        lines += [f"  {name}:" for name in _names(problem, run.iterations[0].graph)]
    else:
        lines.append("iterations:")
        for iteration in run.iterations[:count]:
            names = _names(problem, iteration.graph)
            lines += [
                f"  {'- ' if index == 0 else '  '}{name}:" for index, name in enumerate(names)
            ]
    return "\n".join(lines) + "\n"


def printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _names(problem: Problem, graph: Graph) -> list[str]:
    return [step.name for step in asked(problem, graph)]
