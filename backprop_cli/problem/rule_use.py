"""What a file says in place of an activation or a loss: a name, options, a formula."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from backprop_cli.diagnostics import escape, listed, quote
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Formula
from backprop_cli.problem.forms import Activation, Custom, RuleUse
from backprop_cli.problem.formulas import formula, report_undefined
from backprop_cli.problem.rule_options import read_options, read_parts, refuse_options, with_variant
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
        slopes = [value for key, value in parts.rest if key.text == "slope"]
        others = tuple(pair for pair in parts.rest if pair[0].text != "slope")
        refuse_options(replace(parts, rest=others), report, "an activation")
        if parts.formula is None or report_undefined(
            parts.formula,
            parts.formula_node,
            ("z",),
            report,
            "the formula of an activation is in `z` alone; write other numbers out",
        ):
            return None
        own = _own_slope(slopes[0], parts.formula, report) if slopes else None
        return Custom(parts.name or "g", parts.formula, own)
    if parts.name is None:
        if isinstance(node, Entries) and parts.name_node is node:
            report.error("missing-key", "this activation has no `name`", node, "add `name:`")
        return None
    return _named_activation(parts.name_node, parts.rest, report)


_LOOKED_AT = (-2.3, -0.7, 0.4, 1.9)  # where an author's slope is compared; no usual kink
_APART, _AGREES = 1e-5, 1e-4


def _own_slope(node: Node, activation: Formula, report: Report) -> Formula | None:
    """An author's own slope in `z` and `a`, with a warning where it is no derivative."""
    slope = formula(node, report, "the slope of an activation", {"z", "a"})
    advice = "the slope of an activation is in `z` and its output `a`"
    if slope is None or report_undefined(slope, node, ("z", "a"), report, advice):
        return None

    def value(of: Formula, z: float, a: float = 0.0) -> float:
        return as_float(evaluate(of, {"z": z, "a": a}.__getitem__))

    for z in _LOOKED_AT:
        after, before = value(activation, z + _APART), value(activation, z - _APART)
        derivative = (after - before) / (2 * _APART)
        own = value(slope, z, value(activation, z))
        if abs(own - derivative) > _AGREES * max(1.0, abs(derivative)):
            report.warning(
                "own-slope",
                f"the slope is {own:.4g} at z = {z}, where the derivative of the formula is "
                f"{derivative:.4g}",
                node,
                "the sheet uses it as it is given: a surrogate gradient may be meant",
            )
            break
    return slope


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
            or report.nearest(name, activations.BY_ANY_NAME)
            or f"there are {listed(list(activations.ACTIVATIONS), 20)}, or a formula of your own",
        )
        return None
    rule, rest = with_variant(rule, activations.ACTIVATIONS, rest, report)
    known = {option: option for option in rule.options}
    return RuleUse(rule.name, read_options(rule.name, rest, known, rule.ranges, report))


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
            or report.nearest(name, losses.BY_ANY_NAME)
            or f"there are {listed(list(losses.LOSSES), 20)}, or {{formula: …}}",
        )
        return None
    known = {option: option for option in rule.options}
    return RuleUse(rule.name, read_options(rule.name, rest, known, rule.ranges, report))
