"""What the numbers reveal: twins, kinks, saturated and dead units, vanishing gradients."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fractions import Fraction

from backprop_cli.formula.build import ZERO, names_in, substitute
from backprop_cli.formula.build import number as literal
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Call, Formula, Name
from backprop_cli.formula.quantity import derivative_name
from backprop_cli.graph.slopes import linear_coefficients
from backprop_cli.graph.stages import Stage, activation_of, stages
from backprop_cli.graph.step import Graph, Step, Unit
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.rules.kinks import EXTREMES, Side, chosen, flat_side, kinks_of
from backprop_cli.rules.losses import LOSSES
from backprop_cli.rules.written import Kink, signed
from backprop_cli.run import Run, layer_sizes
from backprop_cli.run.model import Flow
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Column,
    Heading,
    Line,
    Math,
    Paragraph,
    Relation,
    Text,
    listed,
    named,
    table,
)
from backprop_cli.worksheet.given import ranges
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.reasons import BEYOND, MOST_NAMED
from backprop_cli.worksheet.sheet import NO_VALUE, Sheet, cell_of
from backprop_cli.worksheet.singular import logarithm_remarks, singular_remarks

SATURATED = 0.01
"""A slope of σ, tanh or softmax smaller than this is called saturated."""
VANISHES = 0.2
"""Three or more layers whose gradients shrink below this share per layer are pointed out."""
EXPLODES = 3.0
FLOW_DIGITS = 3


def before(sheet: Sheet) -> Iterator[Block]:
    """What can be said of the problem before any number is worked out."""
    drawn: dict[str, dict[int, None]] = {}
    for leaf in sheet.graph.leaves:
        if leaf.drawn is not None and leaf.unit is not None:
            drawn.setdefault(leaf.drawn, {})[leaf.unit.layer] = None
    for how, layers in drawn.items():
        depths = list(layers)
        which = f"Layer {depths[0]} is" if len(depths) == 1 else f"Layers {ranges(depths)} are"
        yield Callout("note", (Text(f"{which} initialised: {how}."),))
    if sheet.graph.losses:
        yield from _twins(sheet)
        yield from _nothing_learns(sheet)


def _twins(sheet: Sheet) -> Iterator[Callout]:
    """Units with the same weights in and out stay the same for ever."""
    for twins in alike(sheet.graph):
        if not _treated_alike(sheet.graph, twins):
            continue
        unit = sheet.graph.step[twins[0]].unit
        who: Line = (*named(map(sheet.graph.unmarked, twins)), HAVE)
        like = "together they work"
        if unit is not None:
            who, like = (Text(f"All units of layer {unit.layer} have"),), "the layer works"
            if len(twins) != sum(each.layer == unit.layer for each in sheet.graph.units):
                continue
        text = (
            " the same weights, in and out. They compute the same value, get the same gradient and"
            f" stay identical for ever: {like} like a single unit. Different (random) starting"
            " weights break this symmetry."
        )
        yield Callout("warning", (*who, Text(text)))


HAVE = Text(" have")


def alike(graph: Graph) -> Iterator[list[str]]:
    """Activations of the first sample that apply the same rule to the same numbers, because the
    parameters they use start with the same values."""
    same: dict[Formula, str] = {}
    first: dict[str, Formula] = {}
    groups: dict[str, list[str]] = {}
    for step in graph.section("forward"):
        if step.sample not in (None, graph.batch[0]):
            continue
        own = same.setdefault(substitute(_valued(graph, step.formula), first), step.name)
        first[step.name] = Name(own)
        if activation_of(step) is not None:
            groups.setdefault(own, []).append(step.name)
    yield from (names for names in groups.values() if len(names) > 1)


def _valued(graph: Graph, formula: Formula) -> Formula:
    """The formula with numbers for the parameters in it, where they have any."""
    values = {
        name: literal(graph.leaf[name].value or Fraction(0))
        for name in names_in(formula)
        if name in graph.leaf
        and graph.leaf[name].kind == "parameter"
        and graph.leaf[name].value is not None
    }
    return substitute(formula, values)


def _treated_alike(graph: Graph, names: Sequence[str]) -> bool:
    """Whether whatever uses one of some quantities uses all of them, with the same weight."""
    for step in graph.section("forward", "loss"):
        if step.kind == "batch_loss" or not {*names_in(step.formula)}.intersection(names):
            continue
        if (coefficients := linear_coefficients(step.formula)) is None:
            return False
        weights = {_valued(graph, coefficients.get(name, ZERO)) for name in names}
        if len(weights) > 1:
            return False
    return True


def _nothing_learns(sheet: Sheet) -> Iterator[Callout]:
    uses = {step.rule or "" for step in sheet.graph.section("forward")}
    flat = sorted(name for name in uses if name in ACTIVATIONS and not ACTIVATIONS[name].learns)
    if flat:
        yield Callout(
            "warning",
            (
                Text(
                    f"The slope of {' and '.join(flat)} is 0 everywhere, so no gradient passes such"
                    " a unit and nothing before it can learn by gradient descent. The perceptron"
                    " rule (rule: perceptron) is made for these units."
                ),
            ),
        )


# After the numbers are known


def after(sheet: Sheet) -> Iterator[Block]:
    """Kinks, saturation, dead units, and the size of the gradient layer by layer."""
    if sheet.symbolic or not sheet.graph.wrt:
        return
    found = [*logarithm_remarks(sheet), *singular_remarks(sheet)]
    found += [*_kinks(sheet), *_ties(sheet), *_saturated(sheet), *_flat(sheet)]
    flow = list(_gradient_flow(sheet))
    if found or flow:
        yield Heading(2, (Text("What the numbers show"),))
    yield from found
    yield from flow


def _kinks(sheet: Sheet) -> Iterator[Callout]:
    """Quantities that sit where a rule has no derivative, and which slope is used there."""
    kinks = sheet.run.problem.kinks
    found: dict[str, dict[Relation, None]] = {}
    for step in sheet.graph.section("forward", "loss"):
        for name, kink, values in _kinks_of(step):
            quantity = substitute(kink.quantity, values)
            if any(sheet.value(part) is None for part in names_in(quantity)):
                continue
            place = evaluate(substitute(kink.at, values), sheet.known)
            if evaluate(quantity, sheet.known) == place:
                at = shown(place, sheet.digits, fractions=sheet.choices.fractions)
                relation = Relation(quantity, at.sign, at.formula)
                own = chosen(kinks, name)
                said = kink.convention if own is None else kink.chosen(own.text)
                found.setdefault(said, {})[relation] = None
    for convention, relations in found.items():
        where = listed((relation,) for relation in relations)
        yield Callout("note", (*where, Text(f": {convention}")))


def _kinks_of(step: Step) -> Iterator[tuple[str, Kink, Mapping[str, Formula]]]:
    """The kinks of what a step applies, by the name of the rule, with the sheet's own names."""
    applied = step.applied
    if applied is not None and applied.targets and applied.taught:
        for output, target in zip(applied.arguments, applied.targets, strict=True):
            values = {"yhat": output, "y": target}
            yield from ((applied.rule, kink, values) for kink in LOSSES[applied.rule].kinks)
        return
    calls = [*step.calls]
    if applied is not None and not applied.targets:
        options = signed(ACTIVATIONS[applied.rule].with_options(applied.options))
        calls.insert(0, Call(applied.rule, (applied.argument, *options.values())))
    for call in dict.fromkeys(calls):
        yield from ((call.function, kink, values) for kink, values in kinks_of(call))


def _ties(sheet: Sheet) -> Iterator[Callout]:
    """max or min with a tie in an author's own formula."""
    kinks = sheet.run.problem.kinks
    for step in sheet.graph.section("forward", "loss"):
        if step.applied is not None and step.applied.targets and step.applied.taught:
            continue
        for call in step.calls:
            compares = call.function in EXTREMES and len(call.arguments) > 1
            if not compares or any(sheet.value(name) is None for name in names_in(call)):
                continue
            values = [evaluate(argument, sheet.known) for argument in call.arguments]
            tied = values.count(max(values) if call.function == "max" else min(values))
            if tied > 1:
                text = _tie(tied, str(kinks.get(call.function, "share")))
                yield Callout("note", (Math(call), Text(text)))


def _tie(tied: int, chosen: str) -> str:
    if chosen == "share":
        share = "½" if tied == 2 else f"1/{tied}"
        return (
            f" is a tie, where it has no derivative; each of the {tied} equal"
            f" arguments is given {share} of the gradient."
        )
    return (
        f" is a tie, where it has no derivative; the {chosen} of the {tied} equal arguments is"
        " given all of the gradient, as the file chooses."
    )


def _saturated(sheet: Sheet) -> Iterator[Callout]:
    found: list[str] = []
    for step in sheet.graph.section("backward"):
        if step.kind != "slope" or (value := sheet.value(step.name)) is None or step.of is None:
            continue
        applied = activation_of(sheet.graph.step[step.of])
        rule = ACTIVATIONS.get(applied[0]) if applied else None
        of_another = rule and rule.layerwise and len(names_in(step.formula)) > 1
        if rule and rule.saturates and not of_another and abs(as_float(value)) < SATURATED:
            found.append(step.of)
    if found:
        yield Callout(
            "warning",
            (
                Text("Saturated: "),
                *named(found),
                Text(
                    f". The slope there is below {SATURATED}, so hardly any gradient passes and the"
                    " weights before it learn slowly."
                ),
            ),
        )


def _flat(sheet: Sheet) -> Iterator[Callout]:
    """Units that pass no gradient in any sample of the batch, as a ReLU that is off."""
    sides: dict[tuple[str, Unit | str], set[Side | None]] = {}
    steps = [
        (step, known) for step in sheet.graph.section("forward") if (known := activation_of(step))
    ]
    many = Counter((step.rule, step.unit, step.sample) for step, _ in steps)  # of a channel, say
    for step, (rule, z) in steps:
        assert step.applied is not None
        single = step.unit is not None and many[rule, step.unit, step.sample] == 1
        unit = step.unit if step.unit and single else sheet.graph.unmarked(step.name)
        side = flat_side(rule, step.applied.options, sheet.value(z))
        sides.setdefault((rule, unit), set()).add(side)
    groups: dict[tuple[int, str, tuple[Side, ...]], list[Unit | str]] = {}
    for (rule, unit), found in sides.items():
        flat = tuple(sorted(side for side in found if side is not None))
        if len(flat) == len(found):
            depth = unit.layer if isinstance(unit, Unit) else 0
            groups.setdefault((depth, rule, flat), []).append(unit)
    for (depth, rule, flat), units in sorted(groups.items(), key=lambda group: group[0][0]):
        title = ACTIVATIONS[rule].title
        many_of, is_off, pass_none = (
            ("", "is", "passes") if len(units) == 1 else ("s", "are", "pass")
        )
        says = f"{is_off} {_how(flat)} and {pass_none} no gradient."
        alone = [unit for unit in units if isinstance(unit, str)]
        indices = [unit.index for unit in units if isinstance(unit, Unit)]
        where = f"the {title}{many_of} of unit{many_of} {ranges(indices)}"
        line: Line = (Text(f"Layer {depth}: {where} {says}"),)
        if alone:
            line = (Text(f"The {title}{many_of} "), *named(alone), Text(f" {says}"))
        elif len(units) > 1 and len(units) == sum(u.layer == depth for u in sheet.graph.units):
            line = (Text(_whole_layer_flat(depth, rule, flat)),)
        yield Callout("warning", line)


def _how(sides: Sequence[Side]) -> str:
    """`off (z < 0)`"""
    where = " or ".join(f"z {relation} {bound}".replace("-", "−") for relation, bound in sides)
    return f"{' or '.join(BEYOND[relation] for relation, _ in sides)} ({where})"


def _whole_layer_flat(depth: int, rule: str, sides: Sequence[Side]) -> str:
    row = ACTIVATIONS[rule]
    which = [f"a {'positive' if relation == '<' else 'negative'} bias" for relation, _ in sides]
    bias = which[0] if len(which) == 1 else "other biases"
    helps = f", {bias} or a {ACTIVATIONS[row.instead].title}" if row.instead else f" or {bias}"
    return (
        f"Every {row.title} of layer {depth} is {_how(sides)}: the layer passes no gradient, so"
        f" nothing in it or before it learns from this step. Other starting weights{helps} would"
        " help."
    )


def _gradient_flow(sheet: Sheet) -> Iterator[Block]:
    """The mean size of ∂L/∂z in each layer or stage, from the output back."""
    means = layer_sizes(sheet.graph, sheet.iteration.values)
    if len(numbers := sorted(means, reverse=True)) < 2:
        return
    found = stages(sheet.graph)
    above = dict(zip(numbers[1:], numbers, strict=False))

    def share(number: int) -> Line:
        if number not in above or means[above[number]] <= 0:
            return NO_VALUE
        return cell_of(shown(means[number] / means[above[number]], FLOW_DIGITS))

    layered = found[numbers[0]].label is not None
    timed = any(view.rows for view in sheet.graph.arrays)
    size: Line = (Text("Mean size of "), Math(Name(derivative_name(sheet.graph.output, "z"))))
    yield Heading(
        3, (Text(f"Gradient {'one time after the other' if timed else 'layer by layer'}"),)
    )
    if not layered:
        yield Paragraph((Text("Here z stands for what an activation is applied to."),))
    yield table(
        numbers,
        (Column((Text("Layer" if layered else "z"),), wrap=True), lambda n: _stage_name(found[n])),
        (Column(size, align="decimal"), lambda n: cell_of(shown(means[n], FLOW_DIGITS))),
        (
            Column((Text(f"Share of the {'row' if timed else 'layer'} above"),), align="decimal"),
            share,
        ),
    )
    ends = as_float(means[numbers[0]]), as_float(means[numbers[-1]])
    clips = sheet.run.problem.training.clip is not None
    yield from _trend(found.values(), *ends, len(numbers), clips)


def _stage_name(stage: Stage) -> Line:
    """The layer, or the quantities of a stage without a name of its own."""
    if stage.label is not None:
        return (Text(stage.label),)
    first = named(stage.preactivations[:MOST_NAMED])
    more = len(stage.preactivations) - MOST_NAMED
    return listed((first, (Text(f"{more} more"),))) if more > 0 else first


def flow_over_run(run: Run) -> Iterator[Block]:
    """The mean size of ∂L/∂z in each layer at a few updates of a long run."""
    if not (rows := [flow for flow in run.flow if len(flow.sizes) > 1]):
        return
    graph = run.iterations[0].graph
    found = stages(graph)
    slope = Name(derivative_name(graph.output, "z"))
    yield Heading(3, (Text("Gradient layer by layer"),))
    yield Paragraph((Text("The mean size of "), Math(slope), Text(" on the way:")))

    def title(stage: Stage) -> Line:
        if stage.label is None:
            return _stage_name(stage)
        return (Text("Output" if stage.label == "output" else f"Layer {stage.label}"),)

    def size(number: int) -> Callable[[Flow], Line]:
        return lambda flow: cell_of(shown(flow.sizes[number], FLOW_DIGITS))

    yield table(
        rows,
        (Column((Text("Update"),), align="right"), lambda flow: (Text(str(flow.update)),)),
        *((Column(title(found[n]), align="decimal"), size(n)) for n in sorted(rows[0].sizes)),
    )


CLIPPED = "It is clipped here, which keeps the step short; smaller weights help too."
UNCLIPPED = (
    "The weights of the first layers are thrown far off. Clipping the gradient or smaller weights"
    " help."
)


def _trend(
    found: Collection[Stage], last: float, first: float, layers: int, clips: bool
) -> Iterator[Callout]:
    """Vanishing or exploding, judged by the mean factor from one layer to the one before it."""
    if layers < 3 or not (0 < last < math.inf and 0 < first < math.inf):
        return
    factor = math.exp((math.log(first) - math.log(last)) / (layers - 1))
    if factor < VANISHES:
        rules = [
            ACTIVATIONS[rule] for rule in sorted({rule for each in found for rule in each.rules})
        ]
        bounds = [f"{row.steepest} for {row.symbol or row.title}" for row in rules if row.steepest]
        steepest = f", at most {' and '.join(bounds)}" if bounds else ""
        text = (
            "The gradient vanishes: on its way back each layer multiplies it by its weights and"
            f" by the slopes of its units{steepest}, and the first layers hardly learn."
        )
    elif factor > EXPLODES:
        text = (
            "The gradient explodes: on its way back each layer multiplies it by weights that"
            f" together are large. {CLIPPED if clips else UNCLIPPED}"
        )
    else:
        return
    yield Callout("warning", (Text(text),))
