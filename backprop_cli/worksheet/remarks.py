"""What a good teacher says beside the numbers: reasons, and what the numbers reveal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backprop_cli.formula.build import ZERO, children, names_in
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Call, Formula, Name
from backprop_cli.graph.backward import derivative_name
from backprop_cli.graph.step import Step
from backprop_cli.problem.model import Network, RuleUse
from backprop_cli.rules import losses
from backprop_cli.rules.activations import ACTIVATIONS, ActivationRule
from backprop_cli.worksheet.catalogue import curve
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Column,
    Heading,
    Line,
    Math,
    Paragraph,
    Relation,
    Table,
    Text,
)
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.sheet import Sheet

SATURATED = 0.01
"""A slope of σ, tanh or softmax smaller than this is called saturated."""
SHRINKS = 0.1
"""A layer whose gradient is smaller than this share of the layer above's is pointed out."""
GROWS = 10.0


def before(sheet: Sheet) -> Iterator[Block]:
    """What can be said of the problem before any number is worked out."""
    network = sheet.run.problem.model
    if not isinstance(network, Network):
        return
    for depth, layer in enumerate(network.layers, 1):
        if layer.initialised is not None:
            yield Callout("note", (Text(f"Layer {depth} is initialised: {layer.initialised}."),))
    yield from _identical_units(network)
    yield from _nothing_learns(sheet, network)


def _identical_units(network: Network) -> Iterator[Block]:
    """Units with the same weights in and out stay twins for ever."""
    for depth, layer in enumerate(network.layers[:-1], 1):
        if layer.units < 2 or layer.weights is None:
            continue
        following = network.layers[depth].weights
        if following is None:
            continue
        incoming = {_values(row) for row in layer.weights}
        biases = set(_values(layer.biases)) if layer.bias == "each" else {None}
        outgoing = {_values([row[unit] for row in following]) for unit in range(layer.units)}
        if len(incoming) == len(biases) == len(outgoing) == 1 and _all_equal(layer.activations):
            yield Callout(
                "warning",
                (
                    Text(
                        f"All units of layer {depth} have the same weights, in and out. They compute"
                        " the same value, get the same gradient and stay identical for ever: the"
                        " layer works like a single unit. Different (random) starting weights break"
                        " this symmetry."
                    ),
                ),
            )


def _all_equal(items: Sequence[object]) -> bool:
    return all(item == items[0] for item in items)


def _values(row: Sequence[object]) -> tuple[object, ...]:
    return tuple(getattr(entry, "value", None) for entry in row)


def _nothing_learns(sheet: Sheet, network: Network) -> Iterator[Block]:
    if sheet.run.problem.training.rule == "perceptron":
        return
    rules = {rule.name for rule in _rules(network) if not rule.learns}
    if rules and sheet.graph.losses:
        which = " and ".join(sorted(rules))
        yield Callout(
            "warning",
            (
                Text(
                    f"The slope of {which} is 0 everywhere, so no gradient passes such a unit and"
                    " nothing before it can learn by gradient descent. The perceptron rule"
                    " (rule: perceptron) is made for these units."
                ),
            ),
        )


def _rules(network: Network) -> Iterator[ActivationRule]:
    for layer in network.layers:
        for use in layer.activations:
            if isinstance(use, RuleUse):
                yield ACTIVATIONS[use.name]


def forward_reasons(sheet: Sheet) -> Iterator[Block]:
    """What each activation function used on the sheet is, once."""
    network = sheet.run.problem.model
    if not isinstance(network, Network):
        return
    rules = {
        rule.name: rule for rule in _rules(network) if rule.name not in ("identity", "softmax")
    }
    for rule in rules.values():
        head: Formula = Call(rule.name, (Name("z"),))
        yield Paragraph((Relation(head, "=", rule.formula_of("z")),))
        if sheet.choices.pictures and sheet.iteration.number == 1:
            yield curve(rule)


def slope_reasons(sheet: Sheet) -> Iterator[Block]:
    used = dict.fromkeys(step.rule for step in sheet.graph.steps if step.kind == "slope")
    for name in used:
        if name is not None and name in ACTIVATIONS:
            yield Paragraph((Text(ACTIVATIONS[name].reason),))


def gradient_reasons(sheet: Sheet, group: Sequence[Step]) -> Iterator[Block]:
    """One sentence where students stumble, adapted to the numbers."""
    sentences: list[Line] = []
    for step in group:
        if step.product is not None:
            sentences.append(_combined_reason(sheet, step))
        if step.kind == "upstream" and len(step.links) > 1 and _worth_saying(sheet, step):
            assert step.of is not None
            sentences.append(
                (
                    Math(Name(step.of)),
                    Text(
                        f" is used in {len(step.links)} places, so its gradient is the sum of"
                        f" {len(step.links)} paths."
                    ),
                )
            )
    bias = next((step for step in group if _is_bias(sheet, step)), None)
    if bias is not None and _is_first_bias(sheet, bias):
        sentences.append(
            (
                Text("A bias always has the input "),
                Math(bias.links[0].local),
                Text(", so its gradient is "),
                Math(Name(bias.links[0].upstream or bias.name)),
                Text(" itself." if len(bias.links) == 1 else " and its like, added up."),
            )
        )
    sentences += _off_units(sheet, group)
    for line in dict.fromkeys(sentences):
        yield Paragraph(line)


def _worth_saying(sheet: Sheet, step: Step) -> bool:
    """Once for a quantity of each sample; a combined form and batch statistics speak for
    themselves."""
    first_sample = step.sample in (None, sheet.graph.batch[0])
    owner = sheet.graph.step.get(step.of or "")
    statistics = owner is not None and owner.kind == "normalisation"
    return step.product is None and first_sample and not statistics


def _combined_reason(sheet: Sheet, step: Step) -> Line:
    network = sheet.run.problem.model
    reason = "The slope of the cross-entropy and the slope of the unit cancel."
    if isinstance(network, Network) and isinstance(network.loss, RuleUse) and step.unit:
        use = network.layers[step.unit.layer - 1].activations[step.unit.index - 1]
        if isinstance(use, RuleUse) and (row := losses.COMBINED.get((network.loss.name, use.name))):
            reason = row.reason
    return (Text(reason),)


def _is_bias(sheet: Sheet, step: Step) -> bool:
    return (
        step.kind == "gradient"
        and bool(step.links)
        and step.links[0].upstream is not None
        and not names_in(step.links[0].local)
        and step.of in sheet.graph.leaf
    )


def _is_first_bias(sheet: Sheet, bias: Step) -> bool:
    gradients = sheet.graph.section("gradient")
    return next((step for step in gradients if _is_bias(sheet, step)), None) is bias


def _off_units(sheet: Sheet, group: Sequence[Step]) -> list[Line]:
    """z < 0: this ReLU is off and passes no gradient."""
    found: list[Line] = []
    for step in group:
        if step.kind != "upstream" or step.of is None:
            continue
        owner = sheet.graph.step.get(step.of)
        z = sheet.value(step.of)
        if owner is None or owner.kind != "preactivation" or z is None:
            continue
        users = [link for link in step.links if sheet.graph.step[link.child].rule == "relu"]
        if users and z < 0:
            found.append(
                (
                    Relation(Name(step.of), "<", ZERO),
                    Text(", so this ReLU is off: it passes no gradient, and its weights stay."),
                )
            )
    return found


# After the numbers are known


def after(sheet: Sheet) -> Iterator[Block]:
    """Saturation, dead units, kinks, and the size of the gradient layer by layer."""
    if sheet.symbolic:
        return
    callouts = [*_kinks(sheet), *_saturated(sheet), *_dead(sheet)]
    flow = list(_gradient_flow(sheet))
    if callouts or flow:
        yield Heading(2, (Text("What the numbers show"),))
    yield from callouts
    yield from flow


def _kinks(sheet: Sheet) -> Iterator[Callout]:
    """Values on a kink, with the slope that is used there; without gradients it does not matter."""
    if not sheet.graph.wrt:
        return
    for step in sheet.graph.section("forward", "loss"):
        rule = ACTIVATIONS.get(step.rule or "")
        if rule is not None:
            for kink in rule.kinks:
                if _on_kink(sheet, step, kink.quantity_text, kink.at_text):
                    z = Name(names_in(step.formula)[0])
                    at = sheet.number(z.name)
                    yield Callout("note", (Relation(z, "=", at), Text(f": {kink.convention}")))
        yield from _formula_kinks(sheet, step)


def _on_kink(sheet: Sheet, step: Step, quantity: str, at: str) -> bool:
    names = names_in(step.formula)
    value = sheet.value(names[0]) if names else None
    if value is None or quantity != "z":
        return False
    try:
        place = float(at)
    except ValueError:
        arguments = step.formula.arguments if isinstance(step.formula, Call) else ()
        place = float(evaluate(arguments[1], _no_names)) if len(arguments) > 1 else 0.0
    return as_float(value) == place


def _no_names(name: str) -> float:
    raise KeyError(name)


def _formula_kinks(sheet: Sheet, step: Step) -> Iterator[Callout]:
    """max with a tie and |0| in an author's own equations."""
    for call in calls_in(step.formula):
        if any(sheet.value(name) is None for name in names_in(call)):
            continue
        values = [evaluate(argument, sheet.known) for argument in call.arguments]
        if call.function in ("max", "min") and len(values) > 1:
            extreme = max(values) if call.function == "max" else min(values)
            tied = values.count(extreme)
            if tied > 1:
                share = "½" if tied == 2 else f"1/{tied}"
                yield Callout(
                    "note",
                    (
                        Math(call),
                        Text(
                            f" is a tie, where it has no derivative; each of the {tied} equal"
                            f" arguments is given {share} of the gradient."
                        ),
                    ),
                )
        elif call.function in ("abs", "relu") and values[0] == 0 and step.rule is None:
            yield Callout(
                "note",
                (Math(call), Text(" sits on its kink, where it has no derivative; 0 is used.")),
            )


def calls_in(formula: Formula) -> Iterator[Call]:
    if isinstance(formula, Call):
        yield formula
    for part in children(formula):
        yield from calls_in(part)


def _saturated(sheet: Sheet) -> Iterator[Callout]:
    found: list[Text | Math] = []
    for step in sheet.graph.section("backward"):
        rule = ACTIVATIONS.get(step.rule or "")
        value = sheet.value(step.name)
        if step.kind != "slope" or rule is None or not rule.saturates or value is None:
            continue
        own = not (rule.layerwise and len(names_in(step.formula)) > 1)
        if own and abs(as_float(value)) < SATURATED:
            assert step.of is not None
            found += [Text(", ")] * bool(found) + [Math(Name(step.of))]
    if found:
        yield Callout(
            "warning",
            (
                Text("Saturated: "),
                *found,
                Text(
                    f". The slope there is below {SATURATED}, so hardly any gradient passes and the"
                    " weights before it learn slowly."
                ),
            ),
        )


def _dead(sheet: Sheet) -> Iterator[Callout]:
    """ReLU units that are off for every sample of the batch."""
    network = sheet.run.problem.model
    if not isinstance(network, Network):
        return
    for depth in range(1, len(network.layers) + 1):
        units: dict[int, list[float]] = {}
        for step in sheet.graph.section("forward"):
            if step.rule == "relu" and step.unit and step.unit.layer == depth:
                z = sheet.value(names_in(step.formula)[0])
                if z is not None:
                    units.setdefault(step.unit.index, []).append(as_float(z))
        off = [unit for unit, zs in units.items() if all(z < 0 for z in zs)]
        if not off:
            continue
        if len(off) == network.layers[depth - 1].units:
            text = (
                f"Every ReLU of layer {depth} is off (z < 0): the layer passes no gradient, so"
                " nothing in it or before it learns from this step. Smaller negative sums need"
                " other starting weights or biases, or a leaky ReLU."
            )
        else:
            listed = ", ".join(map(str, off))
            text = (
                f"Layer {depth}: the ReLU of unit {listed} is off (z < 0) and passes no gradient."
            )
        yield Callout("warning", (Text(text),))


def _gradient_flow(sheet: Sheet) -> Iterator[Block]:
    """The mean size of ∂L/∂z in each layer, from the output back."""
    network = sheet.run.problem.model
    if not isinstance(network, Network) or len(network.layers) < 2 or not sheet.graph.losses:
        return
    sizes: dict[int, list[float]] = {}
    for step in sheet.graph.section("forward"):
        if step.kind == "preactivation" and step.unit is not None:
            value = sheet.value(derivative_name(sheet.graph.output, step.name))
            if value is not None:
                sizes.setdefault(step.unit.layer, []).append(abs(as_float(value)))
    means = {layer: sum(values) / len(values) for layer, values in sizes.items()}
    if len(means) < 2:
        return
    layers = sorted(means, reverse=True)
    rows: list[tuple[Line, ...]] = []
    for above, layer in zip([None, *layers], layers, strict=False):
        mean = means[layer]
        ratio: Line = (Text("–"),)
        if above is not None and means[above] > 0:
            ratio = (Math(shown(mean / means[above], 3).formula),)
        label = "output" if layer == len(network.layers) else str(layer)
        rows.append(((Text(label),), (Math(shown(mean, 3).formula),), ratio))
    columns = (
        Column((Text("Layer"),)),
        Column((Text("Mean size of ∂L/∂z"),), align="decimal"),
        Column((Text("Share of the layer above"),), align="decimal"),
    )
    yield Heading(3, (Text("Gradient layer by layer"),))
    yield Table(columns, tuple(rows))
    first, last = means[layers[-1]], means[layers[0]]
    per_layer = (first / last) ** (1 / (len(layers) - 1)) if last > 0 and first > 0 else 1.0
    if len(layers) > 2 and 0 < per_layer < SHRINKS * 2:
        yield Callout(
            "warning",
            (
                Text(
                    "The gradient vanishes: on its way back each layer multiplies it by its weights"
                    " and by slopes that are at most ¼ for σ, and the first layers hardly learn."
                ),
            ),
        )
    elif len(layers) > 2 and per_layer > GROWS / 3:
        yield Callout(
            "warning",
            (
                Text(
                    "The gradient explodes: each layer multiplies it by weights larger than 1, and"
                    " the first layers are thrown far away. Clipping the gradient or smaller"
                    " weights help."
                ),
            ),
        )
