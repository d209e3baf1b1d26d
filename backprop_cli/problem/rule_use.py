"""What a file says in place of an activation or a loss: a name, options, a formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Formula
from backprop_cli.problem.fields import TEXT, Field, Keys, apart, reference
from backprop_cli.problem.forms import Activation, Custom, RuleUse
from backprop_cli.problem.formulas import FORMULA, formula, report_undefined
from backprop_cli.problem.rule_options import Choices
from backprop_cli.problem.values import Refused, Report
from backprop_cli.problem.yaml_tree import Entries, Node
from backprop_cli.rules import activations, losses

CALLED = "How the sheet calls it."
INTO_FORMULA = "write its number into the formula"
OWN_FORMULA = Field[Formula | None]("formula", FORMULA, None, "In `z`.")
SLOPE = apart(
    "slope", FORMULA.schema, FORMULA.words, "Its slope in z and a, where it is not the derivative."
)
ACTIVATION_NAME = Field("name", TEXT, "g", CALLED)
OWN_ACTIVATION = Keys(
    "An activation of your own.",
    *(ACTIVATION_NAME, OWN_FORMULA, SLOPE),
    required=[OWN_FORMULA],
    options=INTO_FORMULA,
)
ACTIVATIONS = Choices(
    "unknown-activation",
    "an activation",
    activations.BY_ANY_NAME,
    "name",
    "formula",
    ", or a formula of your own",
)

LOSS_FORMULA = Field[Formula | None]("formula", FORMULA, None, "Of one sample.")
LOSS_NAME = Field("name", TEXT, "loss", CALLED)
OWN_LOSS = Keys(
    "A loss of your own, in the outputs (yhat or yhat1, …) and targets (y or y1, …).",
    *(LOSS_NAME, LOSS_FORMULA),
    required=[LOSS_FORMULA],
    options=INTO_FORMULA,
)
LOSSES = Choices(
    "unknown-loss", "a loss", losses.BY_ANY_NAME, "name", "formula", ", or {formula: …}"
)
LOSS = apart(
    "loss",
    reference("loss"),
    "a name, `{name: …}` with options, or `{formula: …}`",
    "What is made small: how far the outputs are from the targets.",
)


def _of_ones_own(node: Node) -> bool:
    return isinstance(node, Entries) and any(key.text == "formula" for key, _ in node.entries)


def activation(node: Node, report: Report) -> Activation:
    """The activation of a unit: a name, a name with options, or an own formula in `z`."""
    if not _of_ones_own(node):
        chosen = ACTIVATIONS.read(node, report)
        return RuleUse(chosen.rule.name, chosen.options)
    own = OWN_ACTIVATION.of(node, report, "an activation with its own formula", of="an activation")
    read, advice = own[OWN_FORMULA], "the formula of an activation is in `z` alone; write other"
    if read is None or report_undefined(
        read, own.values["formula"], ("z",), report, f"{advice} numbers out"
    ):
        raise Refused
    slope = own[SLOPE]
    return Custom(
        own[ACTIVATION_NAME], read, None if slope is None else _own_slope(slope, read, report)
    )


_LOOKED_AT = (-2.3, -0.7, 0.4, 1.9)  # where an author's slope is compared; no usual kink
_APART, _AGREES = 1e-5, 1e-4


def _own_slope(node: Node, activation: Formula, report: Report) -> Formula | None:
    """An author's own slope in `z` and `a`, with a warning where it is no derivative."""
    slope = report.tried(formula, node, "the slope of an activation", {"z", "a"})
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


def loss(
    node: Node,
    report: Report,
    names: Sequence[str] | None,
    help: str = "",
    renamed: Mapping[str, str] | None = None,
) -> RuleUse | Custom:
    """A loss: a name, a name with options, or an own formula.

    `names` are the outputs and targets that a formula may use, None if they are not known.
    """
    if not _of_ones_own(node):
        chosen = LOSSES.read(node, report)
        return RuleUse(chosen.rule.name, chosen.options)
    own = OWN_LOSS.of(node, report, "a loss with its own formula", of="a loss")
    read, place = own[LOSS_FORMULA], own.values["formula"]
    if read is None or (
        names is not None and report_undefined(read, place, names, report, help, renamed)
    ):
        raise Refused
    return Custom(own[LOSS_NAME], read)
