"""`{init: uniform, …}`: how a file has weights or biases drawn."""

from __future__ import annotations

from collections.abc import Mapping

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import quote
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.fields import Field, fields, found_in, whole
from backprop_cli.problem.rule_options import Choices
from backprop_cli.problem.values import Refused, Report
from backprop_cli.problem.yaml_tree import Node
from backprop_cli.rules import initializers


@dataclass(frozen=True)
class Initializer:
    """How values are drawn, and the sentence in which the sheet says so."""

    rule: initializers.InitializerRule
    options: Mapping[str, Number]
    seed: int
    decimals: int

    @property
    def sentence(self) -> str:
        parts = [self.rule.name]
        parts += [f"{name} {value.text.replace('-', '−')}" for name, value in self.options.items()]
        if self.rule.random:
            parts.append(f"seed {self.seed}")
        return ", ".join(parts)

    def values(
        self, rows: int, columns: int, fan_in: int, fan_out: int
    ) -> tuple[tuple[Number, ...], ...]:
        return initializers.draws(
            self.rule,
            rows,
            columns,
            fan_in=fan_in,
            fan_out=fan_out,
            options=self.options,
            seed=self.seed,
            decimals=self.decimals,
        )


SEED = Field[int | None](
    "seed", whole(0, 2**63 - 1), None, "The same seed always draws the same numbers."
)
DIGITS = Field(
    "digits", whole(1, 15), initializers.DECIMALS, "Decimals that drawn numbers are rounded to."
)
INITIALIZERS = Choices(
    "unknown-initializer",
    "an initializer",
    initializers.BY_ANY_NAME,
    "init",
    beside=(SEED.key, DIGITS.key),
)


def initializer(node: Node, report: Report, what: str, default_seed: int) -> Initializer:
    """`{init: uniform, low: -0.1, high: 0.1, seed: 7}`."""
    own = found_in(node, report, what, "`init` and options")
    if "init" not in own.values:
        known = {option for rule in initializers.INITIALIZERS.values() for option in rule.options}
        fields(node, report, what, ("init", SEED.key, DIGITS.key, *sorted(known)))
        report.refuse("missing-key", f"{what} as a mapping need `init:`", node, "{init: uniform}")
    seed, decimals = own[SEED], own[DIGITS]
    chosen = INITIALIZERS.read(node, report)
    rule, options = chosen.rule, chosen.options
    for option, default in rule.options.items():
        if option in options:
            continue
        if default is None:
            if option in own.values:
                raise Refused
            message, example = f"{quote(rule.name)} needs `{option}:`", f"{option}: 0.1"
            example = f"{{init: {rule.name}, {example}}}"
            report.refuse("missing-key", message, own.values["init"], example)
        options[option] = default
    # What is drawn with them has no place in the file, even where it is the same number.
    ordered = {option: Number(options[option].text) for option in rule.options}
    low, high = ordered.get("low"), ordered.get("high")
    if low is not None and high is not None and low.value > high.value:
        report.error(
            "out-of-range", f"`low` is {low.text} and `high` is {high.text}, which is less", node
        )
    return Initializer(rule, ordered, default_seed if seed is None else seed, decimals)
