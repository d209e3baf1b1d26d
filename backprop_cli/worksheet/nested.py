"""The network as one formula: ŷ = σ(w₂·σ(w₁·x + b₁) + b₂), or in layers, and L as a function."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_cli.algebra.compose import composed_size
from backprop_cli.formula.build import ONE, names_in, put_together, size, total, walk
from backprop_cli.formula.nodes import Call, Formula, Name, Shown
from backprop_cli.graph.step import Graph
from backprop_cli.worksheet.array_notation import matmul
from backprop_cli.worksheet.document import Block, Derivation, DerivationLine, Paragraph, Text
from backprop_cli.worksheet.sheet import Sheet

LONGEST = 24
"""A nested formula with more numbers, names and signs than this is not read at a glance."""
LONGEST_LOSS = LONGEST + 10
MOST_PARAMETERS = 8
MOST_LAYERS = 5
MOST_OUTPUTS = 3


def nested(sheet: Sheet) -> Iterator[Block]:
    """The output in inputs and parameters alone, where activations stand in one another."""
    if not sheet.first or len(sheet.graph.batch) > 1:
        return
    lines = _scalar(sheet.graph) or _in_layers(sheet)
    if lines:
        yield Paragraph((Text("As one formula:"),))
        yield from (Derivation((line,)) for line in lines)


def nested_loss(sheet: Sheet) -> Iterator[Block]:
    """The loss as a function of all parameters: L(w₁, b₁, w₂, b₂) = …"""
    graph = sheet.graph
    names = graph.parameters
    if not sheet.first or len(graph.batch) > 1 or not 1 <= len(names) <= MOST_PARAMETERS:
        return
    is_loss = graph.output in {step.name for step in graph.section("loss")}
    if is_loss and _scalar(graph) and (whole := _whole(graph, graph.output, LONGEST_LOSS)):
        left = Shown("applied", (Name(graph.output), *map(Name, names)))
        yield Paragraph((Text("As a function of the parameters:"),))
        yield Derivation((DerivationLine(left, "=", whole),))


def _scalar(graph: Graph) -> list[DerivationLine]:
    """Each output of the forward pass, where every one of them is short."""
    forward = graph.section("forward")
    used = {name for step in forward for name in names_in(step.formula)}
    outputs = [step.name for step in forward if step.name not in used]
    if len(outputs) > MOST_OUTPUTS:
        return []
    wholes = [(name, _whole(graph, name, LONGEST)) for name in outputs]
    found = [DerivationLine(Name(name), "=", f) for name, f in wholes if f and _calls(f) > 1]
    return found if len(found) == len(outputs) else []


def _whole(graph: Graph, name: str, most: int) -> Formula | None:
    """A quantity with everything on the way to it put in; None where that becomes too long."""
    definitions = {step.name: step.formula for step in graph.section("forward", "loss")}
    if composed_size([*definitions.items()], name) > 3 * most:  # what is put together is shorter
        return None

    def put_in(formula: Formula) -> Formula:
        below = [name for name in names_in(formula) if name in definitions]
        return put_together(formula, {name: put_in(definitions[name]) for name in below})

    whole = put_in(Name(name))
    return None if size(whole) > most or _stops(whole) else whole


def _stops(formula: Formula) -> bool:
    """Whether a part passes no gradient: then the whole is no function to be differentiated."""
    return any(isinstance(part, Call) and part.function == "stop" for part in walk(formula))


def _calls(formula: Formula) -> int:
    """How many functions of something stand in a formula."""
    return sum(isinstance(part, Call) and bool(part.arguments) for part in walk(formula))


# --- in layers ---


def _in_layers(sheet: Sheet) -> list[DerivationLine]:
    """σ(W⁽²⁾ σ(W⁽¹⁾ x + b⁽¹⁾) + b⁽²⁾), where every layer is of that kind and fully connected."""
    arrays = sheet.graph.layers
    if isinstance(arrays, str) or arrays.scattered or not 2 <= len(arrays.layers) <= MOST_LAYERS:
        return []
    inside: Formula = arrays.inputs.letter
    for layer in arrays.layers:
        if layer.connections or not layer.bare or layer.bias_input != ONE:
            return []
        weighed = matmul(layer.weighing, inside)
        inside = weighed if layer.biases is None else total(weighed, layer.biases.letter)
        if layer.linear:
            continue
        if layer.row is None or layer.row.options:
            return []
        inside = layer.activated(inside)
    return [DerivationLine(arrays.layers[-1].a.letter, "=", inside)]
