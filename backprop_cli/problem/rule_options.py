"""The mapping form of a rule: `{name: leaky_relu, slope: 0.01}`, its options and their ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import listed, quote
from backprop_cli.formula.nodes import Formula, Number
from backprop_cli.problem.formulas import formula
from backprop_cli.problem.values import (
    Report,
    entries,
    number,
    number_in,
    truth,
    word,
)
from backprop_cli.problem.yaml_tree import Node, Scalar
from backprop_cli.rules.written import Range


class _Rule(Protocol):
    @property
    def variants(self) -> Mapping[str, str]: ...


R = TypeVar("R", bound=_Rule)


def read_options(
    rule: str,
    found: Sequence[tuple[Scalar, Node]],
    known: Mapping[str, str],
    ranges: Mapping[str, Range],
    report: Report,
) -> dict[str, Number]:
    """The options of a rule; `known` maps each accepted key to the option it means,
    `ranges` an option to what it must be, if not just any number."""
    options: dict[str, Number] = {}
    for key, node in found:
        name = known.get(key.text)
        if name is None:
            own = sorted(set(known.values()))
            report.error(
                "unknown-option",
                f"{quote(rule)} has no option {quote(key.text)}",
                key,
                report.nearest(key.text, known)
                or (f"its options are {listed(own)}" if own else "it has no options"),
            )
            continue
        what = f"{quote(key.text)} of {quote(rule)}"
        allowed = ranges.get(name)
        if name in options:
            report.error("duplicate-key", f"{what} is given twice", key, "keep one of them")
        elif value := (
            number_in(node, report, what, allowed) if allowed else number(node, report, what)
        ):
            options[name] = value
    return options


def with_variant(
    rule: R, rows: Mapping[str, R], found: Sequence[tuple[Scalar, Node]], report: Report
) -> tuple[R, tuple[tuple[Scalar, Node], ...]]:
    """The row that is meant where `{name: nesterov, look_ahead: true}` means one of its own, and
    the keys that are left."""
    rest = tuple((key, value) for key, value in found if key.text not in rule.variants)
    chosen = rule
    for key, value in found:
        if key.text in rule.variants and truth(value, report, quote(key.text)):
            chosen = rows[rule.variants[key.text]]
    return chosen, rest


@dataclass(frozen=True)
class Parts:
    """The mapping form of a rule: its name, its own formula if any, everything else."""

    name: str | None
    name_node: Node
    formula: Formula | None
    formula_node: Node | None
    rest: tuple[tuple[Scalar, Node], ...]


def read_parts(node: Node, report: Report, kind: str) -> Parts:
    name: str | None = None
    name_node, read, formula_node = node, None, None
    rest: list[tuple[Scalar, Node]] = []
    for key, value in entries(node, report, kind, "a name and options"):
        if key.text == "name":
            name_node, name = value, word(value, report, f"the name of {kind}")
        elif key.text == "formula":
            formula_node, read = value, formula(value, report, f"the formula of {kind}")
        else:
            rest.append((key, value))
    return Parts(name, name_node, read, formula_node, tuple(rest))


def refuse_options(parts: Parts, report: Report, kind: str) -> None:
    for key, value in parts.rest:
        if isinstance(value, Scalar) and value.null and not key.text.isidentifier():
            # `{formula: max(0, z)}` is the formula `max(0` and a key `z)`.
            report.error(
                "unknown-option",
                f"the formula of {kind} ends at its comma",
                key,
                "inside { } text that holds a comma needs quotes",
            )
            continue
        report.error(
            "unknown-option",
            f"{kind} with its own formula has no option {quote(key.text)}",
            key,
            "write its number into the formula",
        )
