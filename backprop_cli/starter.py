"""`backprop new`: problem files to start from, written out or taken from the shipped examples.

What is written is read again before it is handed out, by the reader that will read it: whether a
loss fits an output is asked there, not decided here a second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import Diagnostic, ProblemError, nearest, quote
from backprop_cli.problem.read import read
from backprop_cli.problem.values import counted
from backprop_cli.rules import activations, losses
from backprop_cli.rules.activations import ActivationRule
from backprop_cli.rules.written import ByAnyName

MOST_LAYERS = 20
MOST_UNITS = 100
MOST_WRITTEN = 40
"""A layer with more weights than this has them drawn when the file is read: nobody types them."""
MOST_TABLED = 3
"""With more inputs a truth table is too long to be asked for."""
PAGE, REMARKS = 80, 34
"""Columns of a file, and the one in which remarks begin."""

OUTPUTS = ("sigmoid", "identity")
"""What output units are where nothing says it: the first of these that the loss fits, if it is not
made for another."""
USUAL_HIDDEN, USUAL_LOSS, USUAL_SEED = "relu", "half_squared_error", 1


class CannotWrite(Exception):
    """What was asked for makes no problem; the message says what would."""


@dataclass(frozen=True)
class Network:
    """What is asked for: `sizes` from the inputs to the outputs, an activation for each layer."""

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str | None  # None: nothing to learn by gradients, as with step units
    seed: int


def network_file(
    layers: str,
    activation: str | None = None,
    loss: str | None = None,
    seed: int | None = None,
) -> str:
    """A problem file for the network `3-2-2-1` with the activations `relu,sigmoid,sigmoid`.

    One activation is for every layer. Raises CannotWrite, with what would do instead.
    """
    sizes = _sizes(layers)
    rule = None if loss is None else _named("loss", loss, losses.BY_ANY_NAME)
    units = _activations(activation, sizes, rule)
    output = activations.ACTIVATIONS[units[-1]]
    if not output.learns and rule is not None:
        raise CannotWrite(
            f"no loss teaches {quote(output.name)} units, whose slope is 0 everywhere; leave "
            "--loss out"
        )
    if output.learns and rule is None:
        made_for = [one for one, unit in losses.COMBINED if unit == output.name]
        usual = (*made_for * output.layerwise, USUAL_LOSS, *losses.LOSSES)
        rule = next((name for name in usual if _fits(name, units[-1], sizes[-1])), USUAL_LOSS)
    return _checked(Network(sizes, units, rule, USUAL_SEED if seed is None else seed))


def circuit_file(seed: int | None = None) -> str:
    """A problem file with equations of the author's own: a neuron and its loss."""
    seed = USUAL_SEED if seed is None else seed
    dice = Random(seed)
    x, y = _drawn(dice, 1, 6, 2), _drawn(dice, 0, 1, 1)
    w, b = _signed(dice, 5, 95, 100), _signed(dice, 1, 9, 20)
    return f"""\
# Equations to start from. Each line names a value and says how it is calculated
# from names above it or from the numbers below; `backprop solve` finds every
# derivative, step by step. The numbers are drawn (--seed {seed}).
title: A neuron as a circuit
equations:
  z: w x + b                  # 2w, w x and w*x are products
  yhat: sigmoid(z)            # any activation of `backprop list`, exp, log, …
  L: 1/2 (y - yhat)^2         # any names will do; `eta` is shown as η
given: {{x: {x}, y: {y}}}
parameters: {{w: {w}, b: {b}}}
output: L                     # what is differentiated; the last equation if left out
with_respect_to: [w, b]       # by what; the parameters if left out
learning_rate: 0.5            # without it there is no update
"""


def with_variants(text: str) -> str:
    """The same file with other numbers for each student. Raises CannotWrite where none can be
    drawn, as where layers are too wide for anybody to type their weights."""
    draws = {"inputs": "{from: -2, to: 2, step: 0.5, not: [0, 1, -1]}"}
    if re.search(r"^given:.*\by:", text, re.M):
        draws = {"x": draws["inputs"], "y": "{choice: [0, 1]}"}
    draws["parameters"] = "{from: -0.9, to: 0.9, step: 0.1, not: [0]}"
    lines = [
        _line("variants:", "other numbers for each student (`backprop help variants`)"),
        "  draw:",
        *(f"    {name}: {rule}" for name, rule in draws.items()),
        _line("  rules: 2", "how hard a sheet may be: a version that never changes"),
    ]
    made = text + "\n".join(lines) + "\n"
    try:
        read("-", made)
    except ProblemError as error:
        raise CannotWrite(f"--variants: {error.diagnostics[0].message}") from None
    return made


# --- what is asked for -------------------------------------------------------------------------


def _sizes(text: str) -> tuple[int, ...]:
    parts = text.strip().split("-")
    numbers = [int(part) for part in parts if re.fullmatch(r"[0-9]{1,4}", part)]
    if len(numbers) != len(parts) or len(parts) < 2 or 0 in numbers:
        raise CannotWrite(
            "--layers takes the numbers of units from the inputs to the outputs, as in 3-2-2-1, "
            f"not {quote(text)}"
        )
    if len(parts) > MOST_LAYERS + 1 or max(numbers) > MOST_UNITS:
        raise CannotWrite(
            f"--layers takes at most {MOST_LAYERS} layers of at most {MOST_UNITS} units: a sheet "
            "is worked by hand"
        )
    return tuple(numbers)


def _named(what: str, name: str, table: ByAnyName[Any]) -> str:
    """The name of an activation or a loss as its table has it, an alias among others given."""
    plain = name.strip().lower().replace("-", "_")
    if (rule := table.find(plain)) is None:
        close = nearest(plain, table) or f"there are {', '.join(table.rows)}"
        raise CannotWrite(f"{quote(name.strip())} is no {what}; {close}")
    return str(rule.name)


def _activations(text: str | None, sizes: Sequence[int], loss: str | None) -> tuple[str, ...]:
    layers = len(sizes) - 1
    if text is None:
        made_for = [unit for one, unit in losses.COMBINED if one == loss]
        usual = (*reversed(made_for), *OUTPUTS)
        fitting = (name for name in usual if loss is None or _fits(loss, name, sizes[-1]))
        return (*(USUAL_HIDDEN,) * (layers - 1), next(fitting, OUTPUTS[0]))
    names = tuple(_named("activation", name, activations.BY_ANY_NAME) for name in text.split(","))
    if len(names) == 1:
        return names * layers
    if len(names) != layers:
        raise CannotWrite(
            f"--activation takes one name, or one for each of the {layers} layers behind the "
            f"inputs, not {len(names)}"
        )
    return names


# --- what fits ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Targets:
    """What outputs are compared with: `right` for the first of several, `other` for the rest."""

    right: str
    other: str
    alone: str  # one of them, for a single output

    def of(self, outputs: int) -> tuple[str, ...]:
        return (self.alone,) if outputs == 1 else (self.right, *(self.other,) * (outputs - 1))


def _targets(activation: ActivationRule, seed: int) -> Iterator[Targets]:
    """What such an output can come near to: measured values, 1 and 0, 1 and −1."""
    dice = Random(seed)
    # A single unit with a threshold or a margin is wrong at first, so that there is what to learn.
    kinds = [Targets("1", "0", "1" if activation.learns else "0"), Targets("1", "-1", "-1")]
    if activation.low is not None and activation.low.value < 0:
        kinds.reverse()
    if not activation.bounded:
        right, other = _drawn(dice, 5, 30, 10), _drawn(dice, 5, 30, 10)
        kinds.insert(0, Targets(right, other, right))
    for kind in kinds:
        low, high = sorted((Fraction(kind.right), Fraction(kind.other)))
        if (activation.low is None or activation.low.value <= low) and (
            activation.high is None or high <= activation.high.value
        ):
            yield kind


def _complaints(network: Network, targets: Targets) -> list[Diagnostic]:
    """What the reader of problem files says about this one, errors and warnings."""
    right, other = targets.right, targets.other
    ways = [Targets(right, other, alone) for alone in dict.fromkeys((targets.alone, right, other))]
    said: list[Diagnostic] = []
    for way in ways if network.sizes[-1] == 1 else [targets]:
        try:
            said += read("new.yaml", _written(network, way))[1]
        except ProblemError as error:
            said += error.diagnostics
    return said


def _fits(loss: str, activation: str, outputs: int) -> bool:
    """Whether this loss can teach such outputs."""
    rule = activations.ACTIVATIONS[activation]
    trial = Network((1, outputs), (activation,), loss, USUAL_SEED)
    return rule.learns and any(
        not _complaints(trial, targets) for targets in _targets(rule, trial.seed)
    )


def _checked(network: Network) -> str:
    """The file, if its reader has nothing to say against it."""
    output, outputs = network.activations[-1], network.sizes[-1]
    said: list[Diagnostic] = []
    for targets in _targets(activations.ACTIVATIONS[output], network.seed):
        said = _complaints(network, targets)
        if not said:
            return _written(network, targets)
    fitting = [name for name in losses.LOSSES if _fits(name, output, outputs)]
    if network.loss is not None and fitting and network.loss not in fitting:
        raise CannotWrite(
            f"the loss {quote(network.loss)} does not fit {counted(outputs, 'output')} with "
            f"{quote(output)}; what does is {', '.join(fitting)}"
        )
    raise CannotWrite("; ".join(filter(None, (said[0].message, said[0].help))))


# --- how it is written -------------------------------------------------------------------------


def _written(network: Network, targets: Targets) -> str:
    """The file, line by line, its numbers drawn from the seed."""
    return "\n".join(_lines(network, targets)) + "\n"


def _lines(network: Network, targets: Targets) -> Iterator[str]:
    dice = Random(network.seed)
    inputs, outputs = network.sizes[0], network.sizes[-1]
    decides = network.loss is None  # is asked yes or no, and is right or wrong
    learns = not decides or len(network.activations) == 1
    table = decides and inputs <= MOST_TABLED
    about = " and the truth table of AND" if table else ", one training step" * learns
    yield f"# A network to start from. Its numbers are drawn (--seed {network.seed}): put your own in"
    yield "# their place. `backprop validate` says what is wrong with a file, and"
    yield "# `backprop solve` works it out."
    yield f"title: A {'-'.join(map(str, network.sizes))} network{about}"
    if table:
        yield from _truth_table(inputs, outputs, targets)
    else:
        drawn = [_drawn(dice, 1, 6, 2) for _ in range(inputs)]
        yield from _numbers("inputs: ", drawn, "a number for each input; [x1, x2] leaves it open")
        yield from _numbers("targets: ", targets.of(outputs), "what the outputs should be")
    yield "layers:"
    for layer, activation in enumerate(network.activations, 1):
        yield from _layer(network, layer, activation, dice)
    if network.loss is not None:
        yield _line(f"loss: {network.loss}", "`backprop list losses` shows the others")
    if learns:
        yield _line("learning_rate: 0.5", "without it there is no update")
    if learns and decides:
        once = 2**inputs if table else 1
        rule = f"training: {{rule: perceptron, steps: {6 * once}, batch: 1}}"
        yield _line(rule, "only a mistake changes the weights")


def _truth_table(inputs: int, outputs: int, targets: Targets) -> Iterator[str]:
    yield _line("samples:", "what goes in, and what should come out")
    for row in product("01", repeat=inputs):
        wanted = targets.right if set(row) == {"1"} else targets.other
        yield f"  - {{inputs: [{', '.join(row)}], targets: [{', '.join([wanted] * outputs)}]}}"


def _layer(network: Network, layer: int, activation: str, dice: Random) -> Iterator[str]:
    fan_in, units = network.sizes[layer - 1 : layer + 1]
    explained = layer == 1  # what the other layers repeat
    others = "; `backprop list activations` shows the others" * explained
    yield _line(f"  - activation: {activation}", f"layer {layer}{others}")
    if fan_in * units > MOST_WRITTEN:
        yield f"    units: {units}"
        chance = f"{{init: uniform, low: -0.5, high: 0.5, seed: {network.seed + layer}}}"
        yield _line(f"    weights: {chance}", "drawn when the file is read")
        yield "    biases: {init: constant, value: 0.1}"
        return
    yield _line("    weights:", "a row for each unit, a number for each of its inputs" * explained)
    for unit in range(units):
        # The first unit of each layer is on, so that no ReLU network is dead from the start.
        draw = _signed if unit else _drawn
        row = [draw(dice, 5, 95, 100) for _ in range(fan_in)]
        yield from _numbers("      - ", row)
    biases = [_drawn(dice, 1, 9, 20) for _ in range(units)]
    yield from _numbers(
        "    biases: ", biases, "one each; a bare number is one bias for all" * explained
    )


def _numbers(key: str, numbers: Sequence[str], remark: str = "") -> Iterator[str]:
    """`key: [1, 2, 3]`, over several lines where one is too short; then the remark is above."""
    lines = [f"{key}["]
    for number in numbers:
        if len(lines[-1]) + len(number) + 2 > PAGE:
            lines[-1] = lines[-1].rstrip()
            lines.append(" " * (len(key) + 1))
        lines[-1] += f"{number}, "
    lines[-1] = lines[-1].removesuffix(", ") + "]"
    beside = len(lines) == 1 and len(lines[0]) < REMARKS
    if remark and not beside:
        yield f"{' ' * (len(key) - len(key.lstrip()))}# {remark}"
    yield from (_line(line, remark if beside else "") for line in lines)


def _line(text: str, remark: str) -> str:
    """What a key means stands behind it, below the remarks of the lines above."""
    return f"{text:<{REMARKS - 2}}  # {remark}" if remark else text


def _drawn(dice: Random, low: int, high: int, parts: int) -> str:
    """A short decimal between low/parts and high/parts."""
    # Only `random()` draws the same in every version of Python.
    return f"{(low + int((high - low + 1) * dice.random())) / parts:g}"


def _signed(dice: Random, low: int, high: int, parts: int) -> str:
    """The same, negative two times out of five."""
    sign = "-" if dice.random() < 0.4 else ""
    return sign + _drawn(dice, low, high, parts)
