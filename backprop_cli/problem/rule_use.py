"""What a file says in place of an activation or a loss: a name, options, a formula."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from backprop_cli.diagnostics import escape, listed, quote
from backprop_cli.problem.formulas import report_undefined
from backprop_cli.problem.model import Activation, Custom, RuleUse
from backprop_cli.problem.rule_options import read_options, read_parts, refuse_options
from backprop_cli.problem.values import (
    Report,
    word,
)
from backprop_cli.problem.yaml_tree import Entries, Node, Scalar
from backprop_cli.rules import activations, losses
from backprop_cli.rules.written import ByAnyName


def activation(node: Node, report: Report) -> Activation | None:
    """The activation of a unit: a name, a name with options, or an own formula in `z`."""
    if isinstance(node, Scalar):
        return _named_activation(node, (), report)
    parts = read_parts(node, report, "an activation")
    if parts.formula_node is not None:
        refuse_options(parts, report, "an activation")
        if parts.formula is None or report_undefined(
            parts.formula,
            parts.formula_node,
            ("z",),
            report,
            "the formula of an activation is in `z` alone; write other numbers out",
        ):
            return None
        return Custom(parts.name or "g", parts.formula)
    if parts.name is None:
        if isinstance(node, Entries) and parts.name_node is node:
            report.error("missing-key", "this activation has no `name`", node, "add `name:`")
        return None
    return _named_activation(parts.name_node, parts.rest, report)


def _named_activation(
    node: Node, rest: Sequence[tuple[Scalar, Node]], report: Report
) -> RuleUse | None:
    name = word(node, report, "an activation")
    if name is None:
        return None
    rule = activations.find(name)
    if rule is None:
        report.error(
            "unknown-activation",
            f"{quote(name)} is not an activation",
            node,
            _as_formula(name, activations.BY_ANY_NAME)
            or report.nearest(name, activations.NAMES)
            or f"there are {listed(list(activations.ACTIVATIONS), 20)}, or a formula of your own",
        )
        return None
    return RuleUse(rule.name, read_options(rule.name, rest, {o: o for o in rule.options}, report))


_CALLED = re.compile(r"([\w ]+)\(([^()]*)\)\Z")


def _as_formula(
    text: str, table: ByAnyName[activations.ActivationRule] | ByAnyName[losses.LossRule]
) -> str | None:
    """What to write instead of `leaky_relu(0.1)` or a formula in the place of a name."""
    called = _CALLED.match(text[:80])
    rule = table.find(called[1]) if called else None
    if called and rule is not None and rule.options:
        option = next(iter(rule.options))
        return f"write {{name: {rule.name}, {option}: {called[2].rpartition('=')[2].strip()}}}"
    if len(text) <= 60 and re.search(r"[-+*/^()]", text) and '"' not in text:
        return f'write {{formula: "{escape(text)}"}}'
    return None


def loss(
    node: Node,
    report: Report,
    names: Sequence[str] | None,
    help: str = "",
    renamed: Mapping[str, str] | None = None,
) -> RuleUse | Custom | None:
    """A loss: a name, a name with options, or an own formula.

    `names` are the outputs and targets that a formula may use, None if they are not known.
    """
    name_node, rest = node, ()  # type: tuple[Node, tuple[tuple[Scalar, Node], ...]]
    if not isinstance(node, Scalar):
        parts = read_parts(node, report, "a loss")
        if parts.formula_node is not None:
            refuse_options(parts, report, "a loss")
            if parts.formula is None or (
                names is not None
                and report_undefined(
                    parts.formula, parts.formula_node, names, report, help, renamed
                )
            ):
                return None
            return Custom(parts.name or "loss", parts.formula)
        if parts.name is None:
            if isinstance(node, Entries) and parts.name_node is node:
                report.error(
                    "missing-key", "this loss has no `name`", node, "add `name:` or `formula:`"
                )
            return None
        name_node, rest = parts.name_node, parts.rest
    name = word(name_node, report, "a loss")
    if name is None:
        return None
    rule = losses.find(name)
    if rule is None:
        report.error(
            "unknown-loss",
            f"{quote(name)} is not a loss",
            name_node,
            _as_formula(name, losses.BY_ANY_NAME)
            or report.nearest(name, losses.NAMES)
            or f"there are {listed(list(losses.LOSSES), 20)}, or {{formula: …}}",
        )
        return None
    return RuleUse(rule.name, read_options(rule.name, rest, {o: o for o in rule.options}, report))
