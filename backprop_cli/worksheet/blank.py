"""The blank sheet: the problem, room to write, and the names to answer under."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal, TypeAlias, assert_never

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import json_text
from backprop_cli.formula.build import (
    names_in,
    negative,
    put_together,
    rename,
    substitute,
    total,
)
from backprop_cli.formula.nodes import Conditional, Formula, Name
from backprop_cli.formula.quantity import derivative_name, updated
from backprop_cli.graph.batches import batch_size
from backprop_cli.graph.layered import Layer, Layers
from backprop_cli.graph.step import Graph, Section, Step
from backprop_cli.graph.update import optimizer_of
from backprop_cli.graph.views import layer_views, whole_arrays
from backprop_cli.marking.asked import asked, points_of, updates_asked
from backprop_cli.problem.model import Problem
from backprop_cli.rules.optimizers import OPTIMIZERS
from backprop_cli.run import Run
from backprop_cli.worksheet import array_sheet, given
from backprop_cli.worksheet.array_numbers import size_of
from backprop_cli.worksheet.diagram import MOST_DRAWN, diagram
from backprop_cli.worksheet.document import (
    Answers,
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
from backprop_cli.worksheet.matrices import layer_matrices
from backprop_cli.worksheet.passes import loss_title, penalised
from backprop_cli.worksheet.sheet import DEFAULT, Choices, Sheet, spelling_of
from backprop_cli.worksheet.updates import remedies

SECTION_TITLES = {
    "forward": "Forward pass",
    "backward": "Local derivatives and gradients on the way",
    "gradient": "Gradients",
    "update": "Update",
}
GOING_BACK = "Local derivatives and gradients"
"""The title of both, where both are asked: one is needed for the other, so they take turns."""
ALIKE = "Each answer is worth 1 point."
OTHERWISE = "An answer is worth 1 point where nothing else is said."
DERIVATION_LINES = 3
"""Room for a formula, where a number needs one line."""


def blank(run: Run, choices: Choices = DEFAULT, student: str = "") -> Document:
    """The sheet to hand out, to a student if one is named. What it asks for is what `check` marks,
    but with δ or in matrices.

    Then there is room for what these forms write: δ takes up ∂L/∂a, a matrix takes up its entries.
    """
    graph = run.iterations[0].graph
    spelling = spelling_of(graph, deltas=choices.form in ("delta", "matrix"))
    return Document(
        run.problem.title, tuple(_blocks(run, choices, student)), spelling, graph.lettering.typed
    )


def _blocks(run: Run, choices: Choices, student: str) -> Iterator[Block]:
    problem = run.problem
    first = Sheet(run, run.iterations[0], choices)
    if problem.description:
        yield Paragraph((Text(problem.description.strip()),))
    count = updates_asked(problem)
    sheets = [Sheet(run, iteration, choices) for iteration in run.iterations[:count]]
    rooms = [_rooms(sheet) for sheet in sheets]
    points = f"{sum(room.points for each in rooms for room in each):g}"
    alike = {room.points for each in rooms for room in each} == {1.0}
    name = printable(" ".join(student.split())) or "______________________"
    head = f"Name: {name}    Date: ______________    Points: ______ of {points}"
    yield Paragraph((Text(head),))
    yield Heading(2, (Text("Given"),))
    yield from given.what_is_given(first)
    if choices.pictures and len(first.graph.leaves) <= MOST_DRAWN:
        yield diagram(run, blank=True)
    yield from map(Paragraph, rules(first))
    for in_loss in (True, False):
        yield from penalised(first, in_loss=in_loss)
    how = _how_to_answer(problem, first)
    yield Paragraph((Text(f"{how} {ALIKE if alike else OTHERWISE}"),))
    titled = count > 1 or batch_size(problem) < problem.sample_count
    for sheet, each in zip(sheets, rooms, strict=True):
        if titled:
            yield Heading(2, (Text(given.update_title(sheet)),))
        yield from _spaces(sheet, each, 3 if titled else 2)


def _how_to_answer(problem: Problem, sheet: Sheet) -> str:
    if sheet.symbolic:
        return "Answer with formulas in the names of this sheet."
    if problem.rounding.every_step:
        digits = problem.rounding.digits
        return f"Round each value to {digits} significant digits before you use it."
    text = f"Write at least {sheet.digits} significant digits and carry on with what you wrote."
    if sheet.choices.form == "delta":
        return text
    return text + " In an answer file, each answer goes under the name at its right."


def rules(sheet: Sheet) -> Iterator[Line]:
    """Which activations, loss and update the sheet is about: a blank sheet has no formulas."""
    problem, graph = sheet.run.problem, sheet.graph
    if sheet.in_arrays or (graph.units and graph.arrays):
        yield from array_sheet.rules(sheet)
    elif graph.units:
        yield from _layer_rules(graph)
        if isinstance(arrays := graph.layers, Layers):
            for layer in arrays.layers:
                yield from _extras(arrays, layer)
    else:
        for step in graph.section("forward", "loss"):
            if step.sample in (None, graph.batch[0]) and step.kind in ("equation", "loss"):
                yield (_of_any_sample(step),)
    if len(graph.losses) > 1:
        word = problem.training.reduction
        also = "" if graph.step[graph.output].added is None else ", and the penalty"
        yield (Text(f"The loss of a batch is the {word} of its samples' losses{also}."),)
    for step in graph.steps:
        if step.kind == "regularisation":
            yield (Relation(Name(step.name), "=", step.formula),)
    yield from _update_rule(problem, graph)


def _extras(arrays: Layers, layer: Layer) -> Iterator[Line]:
    """What a layer adds to its z or to its outputs, and what dropout leaves of them."""
    for letter, views in (("z", layer.added), ("a", layer.added_behind)):
        for view in views:
            which = f"To {letter} of layer {layer.depth} {arrays.handed_on(view)} added"
            yield (Text(f"{which}, unit by unit."),)
    if layer.mask is not None and layer.out.equation is not None:
        left = (
            Text(f"Dropout in layer {layer.depth}: "),
            Relation(layer.out.letter, "=", layer.out.equation),
        )
        yield (*left, Text(", unit by unit."))


def _of_any_sample(step: Step) -> Relation:
    """A step without the number of its sample."""
    mark = f"[{step.sample}]"
    bare = rename(step.formula, lambda name: name.removesuffix(mark))
    return Relation(Name(step.name.removesuffix(mark)), "=", bare)


def _layer_rules(graph: Graph) -> Iterator[Line]:
    steps = [step for step in graph.section("forward") if step.unit is not None]
    layers: dict[int, dict[str, None]] = {}
    own: dict[str, Step] = {}
    for step in steps:
        if step.kind == "activation" and step.unit is not None:
            name = step.rule or step.called
            layers.setdefault(step.unit.layer, {})[name.replace("_", " ")] = None
            if step.called and len(names_in(step.formula)) == 1:
                own.setdefault(step.called, step)
    words = [
        f"{'output layer' if depth == max(layers) else f'layer {depth}'}: {', '.join(names)}"
        for depth, names in layers.items()
    ]
    yield (Text(f"Activations: {'; '.join(words)}."),)
    for called, step in own.items():
        (z,) = names_in(step.formula)
        yield (
            Text(f"{called}: "),
            Relation(Name("a"), "=", substitute(step.formula, {z: Name("z")})),
        )
    normalised = [step for step in steps if step.kind == "normalisation"]
    if normalised:
        hat, scaled = normalised[2:4]
        yield (
            Text("Before the activation, with mean μ and variance var over the batch: "),
            _in_letters("zhat", hat, "z", "mu", "var"),
            Text(", "),
            _in_letters("u", scaled, "gamma", "zhat", "beta"),
        )
    if graph.losses:
        loss = graph.step[graph.losses[0]]
        named = (loss.rule or loss.called).replace("_", " ")
        of = "Loss of a sample" if len(graph.losses) > 1 else "Loss"
        yield (Text(f"{of} ({named}): "), Relation(Name(loss.name), "=", loss.formula))


def _in_letters(name: str, step: Step, *letters: str) -> Relation:
    """A step of any unit, its quantities by their letters alone."""
    names = dict(zip(names_in(step.formula), letters, strict=True))
    return Relation(Name(name), "=", rename(step.formula, lambda old: names[old]))


def _update_rule(problem: Problem, graph: Graph) -> Iterator[Line]:
    """How a parameter w with the gradient g is updated."""
    if not graph.carried:
        return
    if (correction := problem.training.correction) is not None:
        error = total(Name("y"), negative(Name("yhat")))
        moved = total(Name("w"), put_together(correction.step, {"error": error}))
        title = "On a mistake: " if correction.on_mistake else "Update: "
        yield (Text(title), Relation(Name(updated("w")), "=", moved))
        return
    optimizer = optimizer_of(problem)
    row = OPTIMIZERS.get(optimizer.name)
    slope = Name(derivative_name(graph.output, "w"))
    title = f"Update ({row.title if row else optimizer.name}), where "
    point = optimizer.point
    place: Line = () if point is None else (Text(" at "), Math(point))
    yield (Text(title), Relation(Name("g"), "=", slope), *place, Text(":"))
    ascends = problem.training.direction == "ascent"
    values: dict[str, Formula] = {"g": negative(Name("g"))} if ascends else {}
    for name, formula in optimizer.equations.items():
        left = Name(updated(name) if name == "w" or name in optimizer.state else name)
        yield (Relation(left, "=", put_together(formula, values)),)
        values[name] = left  # from here on its name means the new value
    for step in graph.section("update"):
        if isinstance(step.formula, Conditional):  # by how much a gradient is shortened
            yield (Relation(Name(step.name), "=", step.formula),)
    yield from ((Text(said),) for said in remedies(problem, graph))


@dataclass(frozen=True)
class Room:
    """What one answer is about, and what it is worth."""

    section: Section
    points: float
    space: AnswerSpace


def _rooms(sheet: Sheet) -> list[Room]:
    """Room for all that is asked in one update, in the order of the sheet."""
    problem = sheet.run.problem
    wanted = asked(problem, sheet.graph, sheet.iteration.values)
    lines = DERIVATION_LINES if sheet.symbolic else 1
    form = sheet.choices.form
    within = layer_matrices(sheet) if form == "matrix" else {}
    arrays = whole_arrays(sheet.graph, {step.name for step in wanted}) if sheet.in_arrays else {}
    steps, marked = list(wanted), {step.name for step in wanted}
    answered = {view.name for view in layer_views(sheet.graph)} | marked
    if form in ("delta", "matrix"):
        names = marked.union(delta.name for delta in deltas(sheet.graph)) - {*sheet.passed_back}
        steps = [step for step in sheet.graph.steps if step.name in names]
    found: dict[str, Room] = {}
    for step in steps:
        if within and step.kind == "slope":  # a matrix of δ has the slopes in it
            continue
        points = points_of(problem.marking, step, sheet.graph) if step.name in marked else 0.0
        key, space = step.name, AnswerSpace(Name(step.name), step.name, lines)
        if (view := arrays.get(step.name)) is not None:
            rows = len(view.entries) // view.shape[-1] if len(view.shape) > 1 else view.shape[0]
            key, size = view.name, f"{view.name} ({size_of(view)})"
            space = AnswerSpace(view.letter, size, rows * lines)
        if step.name in within:
            left, rows, columns = within[step.name]
            called = re.sub(r"[()]", "", left.name) if rows * columns > 1 else step.name
            size = f"{rows}×{columns}"  # δ is on the way: it is asked for by no name
            size = f"{called} ({size})" if called in answered else size
            key, space = left.name, AnswerSpace(left, size, rows * lines)
        before = found[key].points if key in found else 0.0
        found[key] = Room(step.section, before + points, space)
    return list(found.values())


def deltas(graph: Graph) -> list[Step]:
    """The gradients that δ stands for: those of the units' pre-activations."""
    units = {step.name for step in graph.steps if step.kind == "preactivation"}
    going_back = graph.section("backward", "gradient")
    return [step for step in going_back if step.of in units and step.links]


def _spaces(sheet: Sheet, rooms: Sequence[Room], level: Literal[2, 3]) -> Iterator[Block]:
    titles = {**SECTION_TITLES, "loss": loss_title(sheet)}
    if {"backward", "gradient"} <= {room.section for room in rooms}:
        titles |= dict.fromkeys(("backward", "gradient"), GOING_BACK)
    for title, group in groupby(rooms, key=lambda room: titles[room.section]):
        yield Heading(level, (Text(title),))
        yield from _room(list(group))


def _room(rooms: Sequence[Room]) -> Iterator[Block]:
    """Room for the answers of a section; above them what each is worth, if that is not 1 point."""
    said = any(room.points != 1 for room in rooms)
    for points, group in groupby(rooms, key=lambda room: room.points):
        alike = list(group)
        unit = "point" if points == 1 else "points"
        each = " each" if len(alike) > 1 else ""
        worth = f"{points:g} {unit}{each}" if points else "On the way, without points"
        if said:
            yield Paragraph((Text(worth, "emphasis"),))
        yield Answers(tuple(room.space for room in alike))


AnswerKind: TypeAlias = Literal["yaml", "json", "csv"]


def answers_template(run: Run, kind: AnswerKind = "yaml", student: str = "") -> str:
    """The answer file to fill in, every name in the order of the sheet; a named student's own."""
    problem = run.problem
    whose = printable(" ".join(student.split()))
    count = updates_asked(problem)
    updates = [
        [step.name for step in asked(problem, iteration.graph, iteration.values)]
        for iteration in run.iterations[:count]
    ]
    whole = [
        _with_arrays(iteration.graph, names)
        for iteration, names in zip(run.iterations, updates, strict=False)
    ]
    match kind:
        case "yaml":
            return _yaml_template(run, whole, f" {json_text(whose).strip()}" if whose else "")
        case "json":
            blank_ones = [dict.fromkeys(names) for names in whole]
            body = {"iterations": blank_ones} if count > 1 else {"answers": blank_ones[0]}
            return json_text({"student": whose or None, **body})
        case "csv":
            return _csv_template(updates, whose)
        case _:
            assert_never(kind)


def _with_arrays(graph: Graph, names: Sequence[str]) -> dict[str, str]:
    """What is asked, whole arrays by their names, and what a comment says of it: its shape."""
    arrays = whole_arrays(graph, set(names))
    named = {name: (view.name, view.shape) for name, view in arrays.items()}
    found = (named.get(name, (name, ())) for name in names)
    return {name: f"  # {'×'.join(map(str, shape))}" if shape else "" for name, shape in found}


def _yaml_template(run: Run, updates: Sequence[Mapping[str, str]], whose: str) -> str:
    title = " ".join(run.problem.title.split())
    how = EXPRESSIONS if Sheet(run, run.iterations[0], DEFAULT).symbolic else NUMBERS
    lines = [f"# Answers to: {printable(title)}", how, f"student:{whose}"]
    first, others = ("  ", "  ") if len(updates) == 1 else ("  - ", "    ")
    lines.append("answers:" if len(updates) == 1 else "iterations:")
    for names in updates:
        for at, (name, comment) in enumerate(names.items()):
            lines.append(f"{others if at else first}{name}:{comment}")
    if any(comment for names in updates for comment in names.values()):
        lines.insert(2, ARRAYS)
    return "\n".join(lines) + "\n"


NUMBERS = "# An answer is a number, a formula in the names of the sheet, or [formula, number]."
ARRAYS = "# An array is a list of its rows: [[1, 0.5], [0, 2]]; a vector a list of numbers."
EXPRESSIONS = "# An answer is a formula in the names of the sheet."


def _csv_template(updates: Sequence[Sequence[str]], whose: str) -> str:
    own = f'"{whose.replace(chr(34), chr(34) * 2)}"' if re.search('[,;"]', whose) else whose
    rows = [(at, name, "") for at, names in enumerate(updates, 1) for name in names]
    whole = [("iteration", "name", "value"), (1, "student", own), *rows]
    start = 1 if len(updates) == 1 else 0
    return "".join(",".join(map(str, row[start:])) + "\n" for row in whole)


def printable(text: str) -> str:
    """The text without control characters, which a comment in YAML may not hold."""
    return "".join(char if char.isprintable() else "?" for char in text)
