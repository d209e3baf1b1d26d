"""The initializers: one row each. They draw the weights or biases a file leaves to chance.

Draws use only `random.Random(seed).random()`, whose sequence Python guarantees, and are rounded
to a few decimals: a sheet has to be worked by hand, with the numbers that stand on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import field
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.nodes import Number
from backprop_cli.rules.written import NOT_NEGATIVE, POSITIVE, ByAnyName, Range, numbers

if TYPE_CHECKING:  # for most files nothing is drawn
    from random import Random

    Draw: TypeAlias = Callable[[Random, int, int, "Options"], float]

Options: TypeAlias = Mapping[str, float]

DECIMALS = 4


@dataclass(frozen=True)
class InitializerRule:
    """`draw` gives one value from the generator, the fan-in and fan-out and the options."""

    name: str
    title: str
    formula_text: str  # how a table of rules writes it
    use: str
    draw: Draw
    options: Mapping[str, Number | None] = field(default_factory=dict)  # None: must be given
    ranges: Mapping[str, Range] = field(default_factory=dict)  # of options, if not any number
    random: bool = True  # False: every value is the same and no seed is needed
    aliases: tuple[str, ...] = ()


def _uniform(random: Random, low: float, high: float) -> float:
    return low + (high - low) * random.random()


def _normal(random: Random, mean: float, std: float) -> float:
    """One value of the normal distribution by the method of Box and Muller."""
    # 1 − random() lies in (0, 1], so its logarithm exists.
    radius = math.sqrt(-2 * math.log(1 - random.random()))
    return mean + std * radius * math.cos(2 * math.pi * random.random())


def _xavier(random: Random, fan_in: int, fan_out: int, options: Options) -> float:
    bound = options["gain"] * math.sqrt(6 / (fan_in + fan_out))
    return _uniform(random, -bound, bound)


_ROWS = (
    InitializerRule(
        "uniform",
        "uniform",
        formula_text="low + (high - low)*u, u uniform in [0, 1)",
        use="small values around zero, so that no unit starts saturated and no two start alike",
        draw=lambda random, _in, _out, options: _uniform(random, options["low"], options["high"]),
        options=numbers(low="-0.1", high="0.1"),
    ),
    InitializerRule(
        "normal",
        "normal",
        formula_text="mean + std*n, n from the standard normal distribution",
        use="small values around zero",
        draw=lambda random, _in, _out, options: _normal(random, options["mean"], options["std"]),
        options=numbers(mean="0", std="0.1"),
        ranges={"std": NOT_NEGATIVE},
        aliases=("gaussian",),
    ),
    InitializerRule(
        "xavier",
        "Xavier (Glorot)",
        formula_text="uniform between -r and r, r = gain*sqrt(6/(fan_in + fan_out))",
        use="sigmoid and tanh layers: keeps the size of values and gradients from layer to layer",
        draw=_xavier,
        options=numbers(gain="1"),
        ranges={"gain": POSITIVE},
        aliases=("glorot",),
    ),
    InitializerRule(
        "he",
        "He (Kaiming)",
        formula_text="normal with mean 0 and std = sqrt(2/fan_in)",
        use="ReLU layers, where half of the units pass nothing on",
        draw=lambda random, fan_in, _out, _options: _normal(random, 0.0, math.sqrt(2 / fan_in)),
        aliases=("kaiming",),
    ),
    InitializerRule(
        "zeros",
        "zeros",
        formula_text="0",
        use="biases; weights that are all zero make the units of a layer learn the same",
        draw=lambda _random, _in, _out, _options: 0.0,
        random=False,
        aliases=("zero",),
    ),
    InitializerRule(
        "constant",
        "constant",
        formula_text="value",
        use="to see what equal weights do: the units of a layer stay equal",
        draw=lambda _random, _in, _out, options: options["value"],
        options={"value": None},
        random=False,
    ),
)


BY_ANY_NAME = ByAnyName(_ROWS)

INITIALIZERS: Mapping[str, InitializerRule] = MappingProxyType(BY_ANY_NAME.rows)


def draws(
    rule: InitializerRule,
    rows: int,
    columns: int,
    *,
    fan_in: int,
    fan_out: int,
    options: Mapping[str, Number],
    seed: int,
    decimals: int = DECIMALS,
) -> tuple[tuple[Number, ...], ...]:
    """`rows` × `columns` values, row by row, rounded to `decimals` places."""
    from random import Random

    random = Random(seed)
    if rule.name == "constant":  # as written, unrounded
        return tuple((options["value"],) * columns for _ in range(rows))
    values = {name: float(value.value) for name, value in options.items()}
    return tuple(
        tuple(
            _rounded(rule.draw(random, max(fan_in, 1), max(fan_out, 1), values), decimals)
            for _ in range(columns)
        )
        for _ in range(rows)
    )


def _rounded(value: float, decimals: int) -> Number:
    text = format(Decimal(value).quantize(Decimal(1).scaleb(-decimals)), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return Number("0" if text in ("-0", "") else text)
