"""`{init: uniform, …}`: how a file has weights or biases drawn."""

from __future__ import annotations

from collections.abc import Mapping

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import listed, quote
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.fields import fields
from backprop_cli.problem.rule_options import read_options
from backprop_cli.problem.values import Report, entries, integer, word
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


def initializer(node: Node, report: Report, what: str, default_seed: int) -> Initializer | None:
    """`{init: uniform, low: -0.1, high: 0.1, seed: 7}`."""
    found = entries(node, report, what, "`init` and options")
    given = {key.text: value for key, value in found}
    if "init" not in given:
        known = {option for rule in initializers.INITIALIZERS.values() for option in rule.options}
        fields(node, report, what, ("init", "seed", "digits", *sorted(known)))
        report.error("missing-key", f"{what} as a mapping need `init:`", node, "{init: uniform}")
        return None
    name = word(given["init"], report, "an initializer")
    rule = initializers.find(name) if name else None
    if name and rule is None:
        report.error(
            "unknown-initializer",
            f"{quote(name)} is not an initializer",
            given["init"],
            report.nearest(name, initializers.BY_ANY_NAME)
            or f"there are {listed(list(initializers.INITIALIZERS))}",
        )
    seed, decimals = default_seed, initializers.DECIMALS
    if "seed" in given:
        seed = integer(given["seed"], report, "`seed`", 0, 2**63 - 1) or 0
    if "digits" in given:
        decimals = integer(given["digits"], report, "`digits`", 1, 15) or decimals
    if rule is None:
        return None
    rest = [(key, value) for key, value in found if key.text not in ("init", "seed", "digits")]
    options = read_options(rule.name, rest, {o: o for o in rule.options}, rule.ranges, report)
    for option, default in rule.options.items():
        if option not in options:
            if default is None:
                if option not in given:
                    report.error(
                        "missing-key",
                        f"{quote(rule.name)} needs `{option}:`",
                        given["init"],
                        f"{{init: {rule.name}, {option}: 0.1}}",
                    )
                return None
            options[option] = default
    ordered = {option: options[option] for option in rule.options}
    low, high = ordered.get("low"), ordered.get("high")
    if low is not None and high is not None and low.value > high.value:
        report.error(
            "out-of-range", f"`low` is {low.text} and `high` is {high.text}, which is less", node
        )
    return Initializer(rule, ordered, seed, decimals)
