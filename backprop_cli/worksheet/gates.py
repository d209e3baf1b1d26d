"""Circuits: local × incoming = gradient at every gate, and the record an autograd engine keeps."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_cli.formula import plain
from backprop_cli.formula.build import names_in, product
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.nodes import Formula, Name, Number
from backprop_cli.graph.backward import derivative_name
from backprop_cli.graph.step import Link, Step
from backprop_cli.worksheet.document import (
    Block,
    Column,
    Heading,
    Inline,
    Line,
    Math,
    Paragraph,
    Relation,
    Table,
    Text,
)
from backprop_cli.worksheet.numbers import Shown, shown
from backprop_cli.worksheet.passes import step_table
from backprop_cli.worksheet.sheet import NO_VALUE, Sheet


def gates(sheet: Sheet) -> Iterator[Block]:
    """The forward pass, then gate by gate from the output back; last the autograd record."""
    steps = [step for step in sheet.graph.section("forward", "loss") if step.kind != "batch_loss"]
    yield Heading(2, (Text("Forward pass, gate by gate"),))
    yield step_table(sheet, steps)
    if not sheet.graph.losses or not sheet.graph.wrt:
        return
    yield Heading(2, (Text("Backward pass: local × incoming = gradient"),))
    yield Paragraph(
        (
            Text(
                "Each gate multiplies the gradient that comes in from its output (incoming) by its"
                " own derivative by each input (local). A quantity used in several gates adds up"
                " what they send back."
            ),
        )
    )
    yield _backward_table(sheet)
    yield Heading(2, (Text("What an autograd engine records"),))
    yield _record_table(sheet, steps)


def _sent(sheet: Sheet) -> list[tuple[str, Link]]:
    """Every (receiver, link) of the backward pass, in its order."""
    found = []
    for step in sheet.graph.section("backward", "gradient"):
        if step.kind in ("upstream", "gradient") and step.of is not None:
            found += [(step.of, link) for link in step.links]
    return found


def _incoming(sheet: Sheet, link: Link) -> Formula:
    return Number("1") if link.upstream is None else Name(link.upstream)


def _backward_table(sheet: Sheet) -> Table:
    rows: list[tuple[Line, ...]] = []
    for step in sheet.graph.section("backward", "gradient"):
        if step.kind not in ("upstream", "gradient"):
            continue
        for link in step.links:
            sent = product(_incoming(sheet, link), link.local)
            value = None if sheet.symbolic else _number(sheet, sent)
            rows.append(
                (
                    (Math(Name(link.child)), Text(" → "), Math(Name(link.parent))),
                    _cell(sheet, link.local),
                    _cell(sheet, _incoming(sheet, link)),
                    (Math(sent),) if value is None else _shown(value),
                )
            )
        if len(step.links) > 1:
            line: Line = (Math(Name(step.name)), Text(" in all"))
            rows.append((line, NO_VALUE, NO_VALUE, sheet.cell(step.name)))
    columns = (
        Column((Text("Gate → input"),)),
        Column((Text("Local"),), wrap=True),
        Column((Text("Incoming"),), wrap=True),
        Column((Text("Gradient"),), align="decimal", wrap=True),
    )
    return Table(columns, tuple(rows))


def _number(sheet: Sheet, formula: Formula) -> Shown | None:
    if any(sheet.value(name) is None for name in names_in(formula)):
        return None
    value = evaluate(formula, sheet.known)
    return shown(value, sheet.digits, fractions=sheet.choices.fractions)


def _shown(number: Shown) -> Line:
    return (Math(number.formula),) if number.exact else (Text("≈ "), Math(number.formula))


def _cell(sheet: Sheet, formula: Formula) -> Line:
    """`formula = number`, or just the number where the formula is one."""
    written = None if sheet.symbolic else _number(sheet, formula)
    if written is None or written.formula == formula:
        return (Math(formula),)
    return (Relation(formula, written.sign, written.formula),)


def _record_table(sheet: Sheet, steps: list[Step]) -> Table:
    """One row an operation: inputs, output, what is kept for the way back, gradients in and out."""
    sent: dict[str, list[Link]] = {}
    for _, link in _sent(sheet):
        sent.setdefault(link.child, []).append(link)
    rows: list[tuple[Line, ...]] = []
    for step in steps:
        links = sent.get(step.name, [])
        kept = dict.fromkeys(name for link in links for name in names_in(link.local))
        seed = step.name in sheet.graph.losses
        incoming = Number("1") if seed else Name(derivative_name(sheet.graph.output, step.name))
        known = seed or isinstance(incoming, Number) or incoming.name in sheet.graph.step
        rows.append(
            (
                (Math(Name(step.name)),),
                (Text(operation(step.formula)),),
                _values(sheet, names_in(step.formula)),
                sheet.cell(step.name),
                _values(sheet, tuple(kept)) if kept else (Text("nothing"),),
                _cell(sheet, incoming) if known else NO_VALUE,
                _outgoing(sheet, links),
            )
        )
    columns = (
        Column((Text("Variable"),)),
        Column((Text("Function (backward)"),), wrap=True),
        Column((Text("Input data"),), wrap=True),
        Column((Text("Output"),)),
        Column((Text("Kept"),), wrap=True),
        Column((Text("Incoming"),), wrap=True),
        Column((Text("Outgoing"),), wrap=True),
    )
    return Table(columns, tuple(rows))


def _values(sheet: Sheet, names: tuple[str, ...]) -> Line:
    line: list[Inline] = []
    for name in names:
        if line:
            line.append(Text(", "))
        written = sheet.shown(name)
        if written is None:
            line.append(Math(Name(name)))
        else:
            line.append(Relation(Name(name), written.sign, written.formula))
    return tuple(line)


def _outgoing(sheet: Sheet, links: list[Link]) -> Line:
    line: list[Inline] = []
    for link in links:
        if line:
            line.append(Text(", "))
        sent = product(_incoming(sheet, link), link.local)
        number = None if sheet.symbolic else _number(sheet, sent)
        line += [Text("to "), Math(Name(link.parent)), Text(": ")]
        line.append(Math(sent if number is None else number.formula))
    return tuple(line) if line else NO_VALUE


def operation(formula: Formula) -> str:
    """The name an engine gives the operation, with its backward function: `Mul (MulBackward)`."""
    kind = {
        "Sum": "Add",
        "Product": "Mul",
        "Quotient": "Div",
        "Negative": "Neg",
        "Power": "Pow",
        "Name": "Identity",
        "Conditional": "Where",
        "Number": "Constant",
    }.get(type(formula).__name__)
    if kind is None:
        kind = plain.write(formula).partition("(")[0].capitalize()
    return f"{kind} ({kind}Backward)"
