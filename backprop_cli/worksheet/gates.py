"""Circuits: local × incoming = gradient at every gate, and the record an autograd engine keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from backprop_cli.formula.build import names_in, product
from backprop_cli.formula.nodes import (
    Call,
    Conditional,
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)
from backprop_cli.graph.step import Link, Step
from backprop_cli.worksheet.document import (
    Block,
    Column,
    Heading,
    Line,
    Math,
    Paragraph,
    Relation,
    Table,
    Text,
    listed,
)
from backprop_cli.worksheet.passes import step_table
from backprop_cli.worksheet.reasons import share_reasons
from backprop_cli.worksheet.sheet import NO_VALUE, Sheet, cell_of, equal


def gates(sheet: Sheet) -> Iterator[Block]:
    """The forward pass, then gate by gate from the output back; last the autograd record if that
    is asked for."""
    steps = [step for step in sheet.graph.section("forward", "loss") if step.kind != "batch_loss"]
    if sheet.first:
        yield from (Paragraph((Text(line),)) for line in RECIPE)
    yield Heading(2, (Text("Forward pass, gate by gate"),))
    yield step_table(sheet, steps)
    if not sheet.graph.losses or not sheet.graph.wrt:
        return
    yield Heading(2, (Text("Backward pass: local × incoming = gradient"),))
    if sheet.first:
        yield Paragraph((Text(LOCAL_TIMES_INCOMING),))
    yield _backward_table(sheet)
    yield from share_reasons(sheet)
    if sheet.choices.record:
        yield Heading(2, (Text("What an autograd engine records"),))
        yield from _record(sheet, steps)


RECIPE = (
    "1. Take the formula apart into single operations, the gates, and name what each gives.",
    "2. Write down each gate's local derivatives, and draw the graph: an arrow from each quantity"
    " to the gates that use it.",
    "3. Forward: put the numbers in, from the given quantities to the output.",
    "4. Backward: begin with 1 at the output; at each gate multiply what comes in by the local"
    " derivative.",
)

LOCAL_TIMES_INCOMING = (
    "Each gate multiplies the gradient that comes in from its output (incoming) by its own"
    " derivative by each input (local). A quantity used in several gates adds up what they send"
    " back."
)


def _incoming(link: Link) -> Formula:
    return Number("1") if link.upstream is None else Name(link.upstream)


def _sent_back(sheet: Sheet) -> Iterator[Step]:
    """The gradients, each the sum of what gates send back."""
    going_back = sheet.graph.section("backward", "gradient")
    return (step for step in going_back if step.kind in ("upstream", "gradient"))


def _backward_table(sheet: Sheet) -> Table:
    rows: list[tuple[Line, ...]] = []
    for step in _sent_back(sheet):
        for link in step.links:
            sent = product(_incoming(link), link.local)
            _, number = sheet.evaluated(sent)
            rows.append(
                (
                    (Math(Name(link.child)), Text(" → "), Math(Name(link.parent))),
                    _cell(sheet, link.local),
                    _cell(sheet, _incoming(link)),
                    (Math(sent),) if number is None else cell_of(number),
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


def _cell(sheet: Sheet, formula: Formula) -> Line:
    """`formula = number`, or just the number where the formula is one."""
    _, written = sheet.evaluated(formula)
    if written is None or written.formula == formula:
        return (Math(formula),)
    return (Relation(formula, written.sign, written.formula),)


def _record(sheet: Sheet, steps: Sequence[Step]) -> Iterator[Table]:
    """What is kept of each operation going forward, and what is made of it going back."""
    sent: dict[str, list[Link]] = {}
    for link in (link for step in _sent_back(sheet) for link in step.links):
        sent.setdefault(link.child, []).append(link)
    yield Table(
        (
            Column((Text("Variable"),)),
            Column((Text("Function"),)),
            Column((Text("Input data"),), wrap=True),
            Column((Text("forward()"),), wrap=True),
            Column((Text("Output"),), align="decimal"),
        ),
        tuple(_forward_row(sheet, step) for step in steps),
    )
    yield Table(
        (
            Column((Text("Gate → input"),)),
            Column((Text("grad_fn"),)),
            Column((Text("Kept"),), wrap=True),
            Column((Text("Incoming"),), align="decimal"),
            Column((Text("backward()"),), wrap=True),
            Column((Text("Outgoing"),), align="decimal"),
        ),
        tuple(
            _backward_row(sheet, step, link)
            for step in reversed(steps)
            for link in sent.get(step.name, [])
        ),
    )


def _forward_row(sheet: Sheet, step: Step) -> tuple[Line, ...]:
    return (
        (Math(Name(step.name)),),
        (Text(operation(step)),),
        _values(sheet, names_in(step.formula)),
        (Math(step.formula),),
        sheet.cell(step.name),
    )


def _backward_row(sheet: Sheet, step: Step, link: Link) -> tuple[Line, ...]:
    _, incoming = sheet.evaluated(_incoming(link))
    sent = product(_incoming(link), link.local)
    _, outgoing = sheet.evaluated(sent)
    kept = names_in(link.local)
    return (
        (Math(Name(link.child)), Text(" → "), Math(Name(link.parent))),
        (Text(f"{operation(step)}Backward"),),
        _values(sheet, kept) if kept else (Text("nothing"),),
        (Math(_incoming(link)),) if incoming is None else cell_of(incoming),
        (Math(product(Name("incoming"), link.local)),),
        (Math(sent),) if outgoing is None else cell_of(outgoing),
    )


def _values(sheet: Sheet, names: Sequence[str]) -> Line:
    """`x = −2, y = 5`; names alone where there are no numbers."""
    return listed(equal(name, sheet.shown(name)) for name in names) or NO_VALUE


OPERATIONS: Mapping[type, str] = {
    Product: "Mul",
    Quotient: "Div",
    Negative: "Neg",
    Power: "Pow",
    Name: "Identity",
    Conditional: "Where",
    Number: "Constant",
}


def operation(step: Step) -> str:
    """The name an engine gives the operation: Mul, Exp, Sigmoid; Linear for a weighted sum."""
    match step.formula:
        case Sum(terms) if any(isinstance(term, Product) for term in terms):
            return "Linear"
        case Sum((one, Negative())) if not isinstance(one, Negative):
            return "Subtract"
        case Sum():
            return "Add"
        case _ if step.kind == "preactivation":
            return "Linear"
        case _ if step.rule is not None:
            return "".join(word.capitalize() for word in step.rule.split("_"))
        case Call(function, _):
            return function.capitalize()
        case formula:
            return OPERATIONS.get(type(formula), "Function")
