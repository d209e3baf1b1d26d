"""The `training:` section and the learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backprop_cli.diagnostics import quote
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.forms import Value
from backprop_cli.problem.model import Clip, Penalty, Training
from backprop_cli.problem.optimizer_use import optimizer
from backprop_cli.problem.samples import counted
from backprop_cli.problem.values import (
    Fields,
    Report,
    choice,
    fields,
    integer,
    number_in,
    truth,
)
from backprop_cli.problem.yaml_tree import Entries, Node, Scalar
from backprop_cli.rules.written import NOT_NEGATIVE, POSITIVE

MOST_STEPS = 1_000_000

TRAINING_KEYS = (
    "steps",
    "batch",
    "reduction",
    "optimizer",
    "clip",
    "l1",
    "l2",
    "direction",
    "rule",
)


@dataclass(frozen=True)
class ReadTraining:
    """The section with the places of what is checked against the rest of the file."""

    training: Training
    trains: bool
    learning_rate: Value
    section: Fields | None
    named: tuple[Scalar, ...] = ()  # parameters that an optimizer's first values are given for


def read_training(top: Fields, report: Report, samples: int | None) -> ReadTraining:
    """`samples` is how many samples the file has, None if that could not be read."""
    node = top.values.get("training")
    section = fields(node, report, "`training`", TRAINING_KEYS) if node is not None else None
    named: list[Scalar] = []
    training = _training(section, report, samples, named) if section is not None else Training()
    rate_node = top.get("learning_rate")
    symbolic = "learning_rate" in top.values and (rate_node is None or _is_name(rate_node))
    rate: Value = None
    if rate_node is not None and not symbolic:
        rate = number_in(
            rate_node,
            report,
            "`learning_rate`",
            POSITIVE,
            "an update subtracts learning rate times gradient, so that the loss falls; to go up "
            "the slope instead, write `training: {direction: ascent}`",
        )
    elif "learning_rate" not in top.values and section is not None:
        if training.rule == "perceptron":
            rate = Number("1")
        elif training.optimizer is None or _uses_rate(training):
            report.error(
                "missing-key",
                "`training` needs a learning rate",
                top.key("training"),
                "add `learning_rate: 0.1`, or `learning_rate: eta` for updates without numbers",
            )
    return ReadTraining(
        training,
        trains=section is not None or "learning_rate" in top.values,
        learning_rate=rate,
        section=section,
        named=tuple(named),
    )


def _is_name(node: Node) -> bool:
    return isinstance(node, Scalar) and node.text in ("eta", "η")


def _uses_rate(training: Training) -> bool:
    from backprop_cli.formula.build import names_in

    assert training.optimizer is not None
    return any("eta" in names_in(right) for right in training.optimizer.equations.values())


def _training(own: Fields, report: Report, samples: int | None, named: list[Scalar]) -> Training:
    rule, update = "gradient", "error"
    if (node := own.get("rule")) is not None:
        rule, update = _rule(node, report)
    reduction = own.read(
        "reduction", lambda one: choice(one, report, "`reduction`", ("mean", "sum")), "mean"
    )
    return Training(
        steps=own.read("steps", lambda one: _steps(one, report), 1),
        batch=_batch(own.get("batch"), report, samples),
        reduction="sum" if reduction == "sum" else "mean",
        optimizer=(
            optimizer(node, report, named) if (node := own.get("optimizer")) is not None else None
        ),
        clip=_clip(node, report) if (node := own.get("clip")) is not None else None,
        l1=own.read("l1", lambda one: _penalty(one, "l1", report), Penalty()),
        l2=own.read("l2", lambda one: _penalty(one, "l2", report), Penalty()),
        direction=_direction(own, rule, report),
        rule="perceptron" if rule == "perceptron" else "gradient",
        perceptron_update="target" if update == "target" else "error",
    )


def _steps(node: Node, report: Report) -> int | None:
    return integer(node, report, "`steps`", 1, MOST_STEPS, "without updates leave `training` out")


def _batch(node: Node | None, report: Report, samples: int | None) -> int | None:
    if node is None or (isinstance(node, Scalar) and node.text == "all"):
        return None
    if isinstance(node, Scalar) and node.plain and not any(map(str.isdigit, node.text)):
        report.error(
            "unknown-choice",
            f"`batch` cannot be {quote(node.text)}",
            node,
            "it is `all`, or how many samples an update uses",
        )
        return None
    size = integer(node, report, "`batch`", 1, 1_000_000, "it is `all` or a number of samples")
    if size is not None and samples is not None and size > samples:
        verb = "is" if samples == 1 else "are"
        report.error(
            "out-of-range",
            f"a batch of {size} samples is larger than the data: there {verb} "
            f"{counted(samples, 'sample')}",
            node,
            "`batch: all` uses every sample for each update",
        )
        return None
    return size


def _direction(own: Fields, rule: str, report: Report) -> Literal["descent", "ascent"]:
    names = ("descent", "ascent")
    found = own.read("direction", lambda one: choice(one, report, "`direction`", names), "descent")
    if found == "ascent" and rule == "perceptron":
        report.error(
            "unknown-option",
            "the perceptron rule has no direction: it moves towards the target",
            own.key("direction"),
            "leave `direction` out",
        )
    return "ascent" if found == "ascent" else "descent"


def _penalty(node: Node, name: str, report: Report) -> Penalty | None:
    """A strength alone, or with what it covers and where it stands."""
    if isinstance(node, Scalar):
        strength = number_in(node, report, quote(name), NOT_NEGATIVE)
        return None if strength is None else Penalty(strength)
    # |w| has no ½ that could cancel anything.
    keys = (
        ("value", "biases", "half", "in_loss") if name == "l2" else ("value", "biases", "in_loss")
    )
    own = fields(node, report, quote(name), keys)
    found = own.get("value")
    if found is None:
        if isinstance(node, Entries):
            report.error(
                "missing-key", f"{quote(name)} has no `value`", node, "{value: 0.1, biases: true}"
            )
        return None
    strength = number_in(found, report, f"`value` of {quote(name)}", NOT_NEGATIVE)

    def said(key: str, default: bool) -> bool:
        return own.read(key, lambda one: truth(one, report, quote(key)), default)

    biases, half, in_loss = said("biases", False), said("half", True), said("in_loss", False)
    return None if strength is None else Penalty(strength, biases, half, in_loss)


def _clip(node: Node, report: Report) -> Clip | None:
    own = fields(node, report, "`clip`", ("norm", "value"))
    given = [name for name in ("norm", "value") if own.get(name) is not None]
    if len(given) != 1:
        if node is own.node and (own.values or not given):
            report.error(
                "both-forms" if given else "missing-key",
                "`clip` has both `norm` and `value`" if given else "`clip` needs `norm` or `value`",
                node,
                "{norm: 1.0} scales the whole gradient, {value: 0.5} cuts each of its numbers",
            )
        return None
    found = own.get(given[0])
    assert found is not None
    threshold = number_in(found, report, f"{quote(given[0])} of `clip`", POSITIVE)
    if threshold is None:
        return None
    return Clip("norm" if given[0] == "norm" else "value", threshold)


def _rule(node: Node, report: Report) -> tuple[str, str]:
    names = ("gradient", "perceptron")
    if isinstance(node, Scalar):
        return choice(node, report, "`rule`", names) or "gradient", "error"
    own = fields(node, report, "`rule`", ("name", "update"))
    if own.get("name") is None:
        report.error(
            "missing-key", "`rule` has no `name`", node, "{name: perceptron, update: target}"
        )
    name = own.read("name", lambda one: choice(one, report, "`rule`", names), "gradient")
    update = own.read(
        "update", lambda one: choice(one, report, "`update`", ("error", "target")), "error"
    )
    if name == "gradient" and "update" in own.values and own.get("name") is not None:
        report.error(
            "unknown-option",
            "`update` belongs to the perceptron rule",
            own.key("update"),
            "{name: perceptron, update: target}",
        )
    return name, update
