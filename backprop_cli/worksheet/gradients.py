"""Local derivatives, gradients grouped by unit, and derivations line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from backprop_cli.formula.build import product, rebuild, total
from backprop_cli.formula.nodes import Formula, Name, Negative, Product
from backprop_cli.graph.derivation import PATHS, reused_chain, shown_local
from backprop_cli.graph.derivation import Derivation as GradientDerivation
from backprop_cli.graph.step import Step, Unit
from backprop_cli.problem.model import Network
from backprop_cli.worksheet.document import (
    Block,
    Column,
    Derivation,
    DerivationLine,
    Heading,
    Line,
    Math,
    Paragraph,
    Relation,
    Table,
    Text,
)
from backprop_cli.worksheet.given import unit_title
from backprop_cli.worksheet.passes import by_sample, step_table
from backprop_cli.worksheet.remarks import gradient_reasons, slope_reasons
from backprop_cli.worksheet.sheet import Sheet

REUSE_PATHS = 2
"""With more paths than these, a derivation builds on gradients that are already known."""


def slopes(sheet: Sheet) -> Iterator[Block]:
    """The local derivatives, each once."""
    steps = [step for step in sheet.graph.section("backward") if step.kind == "slope"]
    if not steps:
        return
    yield Heading(2, (Text("Local derivatives"),))
    yield from by_sample(sheet, steps)
    yield from slope_reasons(sheet)


def gradients(sheet: Sheet) -> Iterator[Block]:
    """∂L/∂ everything, output layer first, a table or the derivations of each unit."""
    steps = [
        step
        for step in sheet.graph.section("backward", "gradient")
        if step.kind in ("upstream", "gradient", "batch_gradient")
    ]
    if not steps:
        return
    yield Heading(2, (Text("Gradients"),))
    if sheet.choices.form == "delta":
        steps = with_deltas(sheet, steps)
        yield Paragraph(
            (
                Text(
                    "δ of a unit is the derivative of the loss by its pre-activation z: what comes"
                    " back along its outgoing weights, times its slope."
                ),
            )
        )
    for title, group in _groups(sheet, steps):
        if title:
            yield Heading(3, (Text(title),))
        if sheet.choices.symbolic or sheet.symbolic:
            for step in group:
                if step.kind != "batch_gradient":
                    yield derivation(sheet, step)
            whole = [step for step in group if step.kind == "batch_gradient"]
            if whole:
                yield step_table(sheet, whole)
        else:
            yield from _gradient_tables(sheet, group)
        yield from gradient_reasons(sheet, group)


def with_deltas(sheet: Sheet, steps: Sequence[Step]) -> list[Step]:
    """δ = (Σ w·δ of the layer above) · slope in one step: ∂L/∂a has no line of its own."""
    activations = {
        step.name for step in sheet.graph.section("forward") if step.kind == "activation"
    }
    inner = {
        step.name: step.formula
        for step in steps
        if step.kind == "upstream" and step.of in activations
    }
    found = []
    for step in steps:
        if step.name in inner:
            continue
        found.append(replace(step, formula=multiplied_out(step.formula, inner)))
    return found


def multiplied_out(formula: Formula, inner: Mapping[str, Formula]) -> Formula:
    """The formula with names replaced; products flattened, so that no brackets are lost."""
    if isinstance(formula, Product):
        return product(*(multiplied_out(factor, inner) for factor in formula.factors))
    if isinstance(formula, Name):
        return inner.get(formula.name, formula)
    return rebuild(formula, lambda part: multiplied_out(part, inner))


def _gradient_tables(sheet: Sheet, group: Sequence[Step]) -> Iterator[Block]:
    samples = {step.sample for step in group if step.sample is not None}
    if len(samples) <= 1:
        yield step_table(sheet, group)
        return
    upstream = [step for step in group if step.kind == "upstream"]
    if upstream:
        yield from by_sample(sheet, upstream)
    yield batch_table(sheet, [step for step in group if step.kind != "upstream"])


def batch_table(sheet: Sheet, steps: Sequence[Step]) -> Table:
    """One row a parameter: its gradient for each sample, then the batch's."""
    marks = sheet.graph.batch
    reduced = "Mean" if sheet.run.problem.training.reduction == "mean" else "Sum"
    columns = [Column((Text("Gradient"),))]
    columns += [Column((Text(f"Sample {mark}"),), align="decimal") for mark in marks]
    columns.append(Column((Text(reduced),), align="decimal"))
    rows: list[tuple[Line, ...]] = []
    for step in steps:
        if step.kind == "batch_gradient":
            cells = [sheet.cell(f"{step.name}[{mark}]") for mark in marks]
            rows.append(((Math(Name(step.name)),), *cells, sheet.cell(step.name)))
    return Table(tuple(columns), tuple(rows))


def _groups(sheet: Sheet, steps: Sequence[Step]) -> Iterator[tuple[str, list[Step]]]:
    """The steps of each unit together; author's equations stay in one group."""
    network = sheet.run.problem.model
    if not isinstance(network, Network):
        yield "", list(steps)
        return

    def key(step: Step) -> tuple[int, int]:
        unit = step.unit or Unit(len(network.layers), 0)
        return (-unit.layer, unit.index)

    for (depth, unit), group in groupby(sorted(steps, key=key), key):
        yield unit_title(network, -depth, max(unit, 1)), list(group)


# Derivations


def derivation(sheet: Sheet, step: Step) -> Derivation:
    """The lines of one gradient: chain of fractions, local symbols, numbers, result."""
    derived = sheet.derivations.of(step, PATHS)
    full = sheet.choices.form == "chain" or sheet.symbolic or derived.count <= REUSE_PATHS
    if step.product is not None:
        lines = _combined_lines(sheet, step)
    elif sheet.choices.form != "delta" and full and derived.paths:
        lines = _path_lines(derived)
    else:
        lines = _reuse_lines(sheet, step)
    return Derivation((*lines, *_number_lines(sheet, step, derived, lines)))


def _path_lines(derived: GradientDerivation) -> tuple[DerivationLine, ...]:
    name = Name(derived.step.name)
    if len(derived.paths) == 1:
        path = derived.paths[0]
        chain, local = path.chain(), derived.path_local(path)
        if chain == name:  # ∂L/∂ŷ is its own chain
            return (DerivationLine(name, "=", local),)
        lines = [DerivationLine(name, "=", chain)]
        if local != chain:
            lines.append(DerivationLine(None, "=", local))
        return tuple(lines)
    lines = []
    for index, path in enumerate(derived.paths):
        via = derived.via(path)
        label: Line = () if via is None else (Text("via "), Math(Name(via)))
        first = index == 0
        lines.append(
            DerivationLine(name if first else None, "=" if first else "+", path.chain(), label)
        )
    for index, path in enumerate(derived.paths):
        lines.append(added(derived.path_local(path), first=index == 0))
    if derived.closed != derived.local:
        lines.append(DerivationLine(None, "=", derived.closed, (Text("factored"),)))
    return tuple(lines)


def added(term: Formula, *, first: bool) -> DerivationLine:
    """One term of a sum on a line of its own, a minus sign in front of it as the line's sign."""
    if first:
        return DerivationLine(None, "=", term)
    if isinstance(term, Negative):
        return DerivationLine(None, "−", term.operand)
    return DerivationLine(None, "+", term)


def _reuse_lines(sheet: Sheet, step: Step) -> tuple[DerivationLine, ...]:
    """On top of gradients already known: one line a path, then the same in local symbols."""
    name = Name(step.name)
    lines: list[DerivationLine] = []
    for index, link in enumerate(step.links):
        label: Line = ()
        if len(step.links) > 1:
            label = (Text("via "), Math(Name(link.child)))
        first = index == 0
        lines.append(
            DerivationLine(
                name if first else None, "=" if first else "+", reused_chain(link), label
            )
        )
    if lines[0].right == name:  # ∂L/∂ŷ is its own chain
        lines = []
    local = _reused_formula(sheet, step)
    if not lines:
        lines = [DerivationLine(name, "=", local)]
    elif len(lines) > 1 or local != lines[0].right:
        lines.append(DerivationLine(None, "=", local))
    return tuple(lines)


def _reused_formula(sheet: Sheet, step: Step) -> Formula:
    terms = []
    for link in step.links:
        local = shown_local(sheet.graph, link)
        terms.append(local if link.upstream is None else product(Name(link.upstream), local))
    return total(*terms)


def _combined_lines(sheet: Sheet, step: Step) -> tuple[DerivationLine, ...]:
    """σ or softmax with its cross-entropy: the product written out, and what is left of it."""
    chain = [reused_chain(link) for link in step.links]
    lines = [DerivationLine(Name(step.name), "=", chain[0])]
    lines += [DerivationLine(None, "+", each) for each in chain[1:]]
    expanded = []
    for link in step.links:
        upstream = sheet.graph.step[link.upstream] if link.upstream else None
        local = shown_local(sheet.graph, link)
        expanded.append(_times(upstream.formula if upstream else None, local))
    lines += [added(each, first=index == 0) for index, each in enumerate(expanded)]
    lines.append(DerivationLine(None, "=", step.formula, (Text("after cancelling"),)))
    return tuple(lines)


def _times(first: Formula | None, second: Formula) -> Formula:
    return second if first is None else product(first, second)


def _number_lines(
    sheet: Sheet, step: Step, derived: GradientDerivation, lines: Sequence[DerivationLine]
) -> tuple[DerivationLine, ...]:
    value = sheet.value(step.name)
    written = sheet.shown(step.name)
    if value is None or written is None:
        return ()
    last = lines[-1].right
    if len(derived.paths) > 1 and lines[-1].sign in ("+", "−"):
        last = derived.closed
    numbers = sheet.put_in(last, value)
    found = []
    if numbers not in (last, written.formula):
        found.append(DerivationLine(None, "=", numbers))
    found.append(DerivationLine(None, written.sign, written.formula))
    return tuple(found)


def only(sheet: Sheet) -> Iterator[Block]:
    """Just the quantities asked for, each with its whole derivation."""
    for asked in sheet.choices.only:
        name = sheet.graph.aliases.get(asked, asked)
        step = sheet.graph.step.get(name)
        if step is not None:
            if step.links:
                yield derivation(sheet, step)
            else:
                yield equation(sheet, step)
        elif name in sheet.graph.leaf:
            written = sheet.shown(name)
            if written is not None:
                line = Relation(Name(name), written.sign, written.formula)
                yield Paragraph((line, Text(" (given)")))
            else:
                yield Paragraph((Math(Name(name)), Text(" is given, without a number")))
        elif name in sheet.graph.trivial_slopes:
            local = sheet.graph.trivial_slopes[name]
            lines = [DerivationLine(Name(name), "=", local)]
            if not sheet.symbolic and (numbers := sheet.put_in(local, None)) != local:
                lines.append(DerivationLine(None, "=", numbers))
            yield Derivation(tuple(lines))


def equation(sheet: Sheet, step: Step) -> Derivation:
    lines = [DerivationLine(Name(step.name), "=", step.formula)]
    numbers = sheet.substituted(step)
    written = sheet.shown(step.name)
    if numbers is not None and written is not None:
        if numbers != step.formula and numbers != written.formula:
            lines.append(DerivationLine(None, "=", numbers))
        lines.append(DerivationLine(None, written.sign, written.formula))
    return Derivation(tuple(lines))


def known_names(sheet: Sheet) -> tuple[str, ...]:
    """Every name that `--only` accepts."""
    graph = sheet.graph
    return (*graph.leaf, *graph.step, *graph.aliases, *graph.trivial_slopes)
