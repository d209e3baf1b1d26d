"""The update table, the loss again, and the losses of a whole run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from backprop_cli.formula.arithmetic import Value, round_to
from backprop_cli.formula.build import names_in, negative, product, terms_of, total
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Formula, Name, Product
from backprop_cli.formula.quantity import derivative_name
from backprop_cli.graph.batches import batch_of, batch_size
from backprop_cli.graph.expand import expand
from backprop_cli.graph.step import Graph, Step
from backprop_cli.graph.update import optimizer_of
from backprop_cli.problem.model import Optimizer, Problem
from backprop_cli.rules.optimizers import OPTIMIZERS
from backprop_cli.run import Run, evaluate_steps, is_clock
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Column,
    Heading,
    Inline,
    Line,
    Math,
    Paragraph,
    Relation,
    Table,
    Text,
    named,
    table,
)
from backprop_cli.worksheet.given import ranges
from backprop_cli.worksheet.numbers import (
    GUARD_DIGITS,
    InDigits,
    Shown,
    Works,
    enough,
    reproducing,
    shown,
    went,
)
from backprop_cli.worksheet.passes import penalised, step_table
from backprop_cli.worksheet.sheet import NO_VALUE, Choices, Sheet, cell_of

LOSS_ROWS = 24
"""A longer run shows so many of its losses, evenly spaced."""
MOST_DIGITS = 15
CHANGE = product(Name("eta"), Name("gradient"))
MOST_EVALUATED = 500
"""With more samples than these the loss over all of them is not worked out."""


def updates(sheet: Sheet) -> Iterator[Block]:
    """How each parameter moves, and which do not."""
    steps = sheet.graph.section("update")
    if not steps:
        return
    yield Heading(2, (Text("Update"),))
    plain = is_plain(sheet.graph)
    if sheet.first:
        yield Paragraph(rule(sheet, plain))
        yield from penalised(sheet, in_loss=False)
    if plain and not sheet.symbolic:
        yield from plain_table(sheet, steps)
    else:
        yield step_table(sheet, steps)
    yield from not_updated(sheet)


CLIPPED = {
    "norm": "a norm above the threshold is scaled down to it",
    "value": "each of its values is held between −threshold and threshold",
}
MORE_DIGITS = (
    "A gradient with more digits here than above has them so that η · gradient comes out as it is"
    " written."
)


def not_updated(sheet: Sheet) -> Iterator[Paragraph]:
    """Which parameters stay as they are."""
    leaves = [leaf.name for leaf in sheet.graph.leaves if leaf.kind == "parameter"]
    if sheet.first and (still := [name for name in leaves if name not in sheet.graph.carried]):
        yield Paragraph((Text("Not updated: "), *named(still), Text(".")))


def rule(sheet: Sheet, plain: bool) -> Line:
    """What the update does, in a sentence."""
    problem = sheet.run.problem
    if problem.training.correction is not None:
        return (Text(problem.training.correction.reason),)
    if plain:
        way, sign = ("along", "+") if sheet.graph.ascends else ("against", "−")
        return (
            Text(f"Every parameter moves {way} its gradient: new = old {sign} "),
            Math(CHANGE),
            Text(", with "),
            Relation(Name("eta"), "=", sheet.number("eta")),
            Text("."),
        )
    sentences = remedies(problem, sheet.graph)
    row = OPTIMIZERS.get(optimizer_of(problem).name)
    up = problem.training.direction == "ascent"
    if up and problem.training.optimizer is None:
        sentences.append("Each parameter moves along its gradient.")
    else:
        own = f"The rule {optimizer_of(problem).name} of this file."
        sentences.append(row.reason if row else own)
        if up:
            sentences.append("To go up the slope the rule is given the gradient with a minus.")
    return (Text(" ".join(sentences)),)


def remedies(problem: Problem, graph: Graph) -> list[str]:
    """What is done to the gradient before the rule of the update is given it, in sentences."""
    found = []
    if problem.training.clip is not None:
        found.append(f"The gradient is clipped first: {CLIPPED[problem.training.clip.kind]}.")
    if any(not each.in_loss for each in graph.penalties):
        how = "is taken off" if graph.ascends else "is added to"
        found.append(f"The slope of the penalty on large weights {how} the gradient.")
    return found


def is_plain(graph: Graph) -> bool:
    """Whether every update is old − η·gradient (going up: + η·gradient), nothing in between."""
    for step in graph.section("update"):
        if step.kind != "update" or step.of is None:
            return False
        change = product(Name("eta"), Name(derivative_name(graph.output, step.of)))
        if step.formula != moved(graph, Name(step.of), change):
            return False
    return True


def moved(graph: Graph, old: Formula, change: Formula) -> Formula:
    """old − change, or old + change where the update goes up the slope."""
    return total(old, change if graph.ascends else negative(change))


def plain_table(sheet: Sheet, steps: Sequence[Step]) -> Iterator[Block]:
    """Old value, gradient, η·gradient and new value of each parameter."""
    columns = (
        Column((Text("Parameter"),)),
        Column((Text("Old"),), align="decimal"),
        Column((Text("Gradient"),), align="decimal"),
        Column((Math(Name("eta")), Text(" · gradient")), align="decimal"),
        Column((Text("New"),), align="decimal", result=True),
    )
    names = [(step.of or "", derivative_name(sheet.graph.output, step.of or "")) for step in steps]
    moving = moved(sheet.graph, Name("old"), Name("change"))
    rows = [_plain_row(sheet, moving, step, *own) for step, own in zip(steps, names, strict=True)]
    yield Table(columns, tuple(rows))
    if sheet.first and any(
        row[2] != sheet.cell(name) for row, (_, name) in zip(rows, names, strict=True)
    ):
        yield Paragraph((Text(MORE_DIGITS),))


def _plain_row(sheet: Sheet, moving: Formula, step: Step, of: str, name: str) -> tuple[Line, ...]:
    """`old − η·gradient = new` (going up: `+`), each with as many digits as it takes to work out the next."""
    singular, new = sheet.singular.get(name), sheet.value(step.name)
    change = sheet.worth(Product((Name("eta"), Name(name))))
    if change is None or new is None or (singular is not None and singular.value is None):
        return ((Math(Name(of)),), sheet.cell(of), sheet.cell(name), NO_VALUE, NO_VALUE)

    @cache
    def changed(digits: int) -> Shown:
        return shown(change, digits, fractions=sheet.choices.fractions)

    def move(digits: int) -> Mapping[str, Formula]:
        return {"old": sheet.numbers(digits)[of], "change": changed(digits).formula}

    def multiply(digits: int) -> Mapping[str, Formula]:
        return {"eta": sheet.number("eta"), "gradient": sheet.numbers(digits)[name]}

    def length(formula: Formula, numbers: InDigits, works: Works) -> int:
        found = enough(formula, numbers, works, sheet.digits)
        return sheet.digits + GUARD_DIGITS if found is None else found[1]

    written = sheet.shown(step.name)
    works = reproducing(new, sheet.digits, None if written is None else written.exact)
    longer = length(moving, move, works)
    longest = length(CHANGE, multiply, reproducing(change, longer))
    return (
        (Math(Name(of)),),
        cell_of(sheet.shown(of, longer)),
        cell_of(sheet.shown(name, longest)),
        changed(longer).cell,
        sheet.cell(step.name),
    )


def loss_again(sheet: Sheet) -> Iterator[Block]:
    """Whether the step has helped: the loss of the same samples with the new parameters."""
    before, after = sheet.value(sheet.graph.output), sheet.iteration.loss_after
    if before is None or after is None or not sheet.graph.losses:
        return
    old, new = _told_apart(before, after, sheet)
    plural = "s" if len(sheet.graph.batch) > 1 else ""
    same = f" and the same sample{plural}" if sheet.run.problem.sample_count > 1 else ""
    end = ", as it should going up the slope." if sheet.graph.ascends and after > before else "."
    begin = (Text(f"With the new parameters{same}, "), Math(Name(sheet.graph.output)))
    line = (*begin, *went(before, after, old.formula, new.formula), Text(end))
    title = "Loss after the update" if sheet.graph.is_loss else "After the update"
    yield Heading(2, (Text(title),))
    yield Paragraph(line)
    if before != after and (after > before) != sheet.graph.ascends:
        yield Callout("warning", (Text(_why_wrong_way(sheet)),))


def _why_wrong_way(sheet: Sheet) -> str:
    """Why a step raised what it should lower, or going up lowered what it should raise."""
    ascends = sheet.graph.ascends
    text = f"The step {'lowered' if ascends else 'raised'} what it should"
    text += " raise" if ascends else " lower"
    slope = _slope_of_step(sheet)
    if slope is not None and (slope <= 0 if ascends else slope >= 0):
        text += ", and not because it is too long: "
        others = []
        if any(leaf.kind == "state" and not is_clock(leaf) for leaf in sheet.graph.leaves):
            others.append("what is kept from earlier updates")
        if any(not each.in_loss for each in sheet.graph.penalties):
            others.append("the penalty")
        if not others:
            return text + "this rule does not follow the gradient."
        return (
            text
            + f"it does not follow this gradient alone, and {' or '.join(others)} outweighs it."
        )
    text += ": it went too far."
    if _scales_with_rate(optimizer_of(sheet.run.problem)):
        text += " A smaller learning rate would help."
    return text


def _scales_with_rate(optimizer: Optimizer) -> bool:
    """Whether half the learning rate is half the step: w and multiples of eta, nothing else."""
    rule = optimizer.equations["w"]
    terms = terms_of(rule)
    others = [term for term in terms if term != Name("w")]
    states = [right for name, right in optimizer.equations.items() if name != "w"]
    return (
        len(others) == len(terms) - 1
        and all("eta" in names_in(term) for term in others)
        and not any("eta" in names_in(right) for right in states)
    )


def _slope_of_step(sheet: Sheet) -> float | None:
    """Where the step leads from its first bit on, Σ ∂L/∂w · (new − old): up if above 0."""
    slope = 0.0
    for step in sheet.graph.steps:
        if step.kind != "update" or step.of is None:
            continue
        by = sheet.graph.derivative.get(step.of)
        gradient = None if by is None else sheet.value(by.name)
        old, new = sheet.value(step.of), sheet.value(step.name)
        if gradient is None or old is None or new is None:
            return None
        slope += as_float(gradient) * (as_float(new) - as_float(old))
    return slope


def _told_apart(before: Value, after: Value, sheet: Sheet) -> tuple[Shown, Shown]:
    """Both losses with as many digits as show that they differ."""
    fractions = sheet.choices.fractions
    for digits in range(sheet.digits, MOST_DIGITS):
        old, new = (shown(loss, digits, fractions=fractions) for loss in (before, after))
        if before == after or round_to(before, digits) != round_to(after, digits):
            return old, new
    return shown(before, MOST_DIGITS), shown(after, MOST_DIGITS)


def loss_table(run: Run, choices: Choices) -> Iterator[Block]:
    """The loss before each update and after the last; long runs are thinned out evenly."""
    digits = choices.digits or run.problem.rounding.digits
    if run.symbolic or not run.losses:
        return
    last = len(run.losses) - 1
    count = min(LOSS_ROWS, last)
    chosen = sorted({round(place * last / count) for place in range(count + 1)}) if count else [0]
    changing = batch_size(run.problem) < run.problem.sample_count
    output = run.iterations[0].graph.output
    fractions = choices.fractions

    def when(index: int) -> Line:
        done = index == run.updates
        return (Text(f"after update {index}" if done else f"before update {index + 1}"),)

    def samples(index: int) -> Line:
        batch = batch_of(run.problem, index if index == run.updates else index + 1)
        return (Text(ranges(batch)),)

    def loss(index: int) -> Line:
        # By place, for a long run's losses are never all taken into memory at once.
        value = run.losses[index]
        return NO_VALUE if value is None else cell_of(shown(value, digits, fractions=fractions))

    yield table(
        chosen,
        (Column((Text("When"),)), when),
        *([(Column((Text("Samples"),)), samples)] if changing else []),
        (Column((Math(Name(output)),), align="decimal"), loss),
    )
    if changing:
        yield from _over_all_samples(run, digits)


def _over_all_samples(run: Run, digits: int) -> Iterator[Paragraph]:
    """Losses of different samples do not compare; what counts is the loss over all of them."""
    count = run.problem.sample_count
    if count > MOST_EVALUATED:
        return
    graph = expand(run.problem, range(1, count + 1))
    ends = [
        evaluate_steps(graph, parameters, sections=("forward", "loss"))[graph.output]
        for parameters in (run.initial, run.final)
    ]
    line: list[Inline] = [
        Text("These are losses of different samples. Over all of them "),
        Math(Name(graph.output)),
    ]
    for word, value in zip((" goes from ", " to "), ends, strict=True):
        if value is None:
            return
        line += [Text(word), Math(shown(value, digits).formula)]
    yield Paragraph((*line, Text(".")))
