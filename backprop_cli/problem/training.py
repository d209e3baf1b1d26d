"""The `training:` section, the learning rate, and second derivatives, which a Newton step is made of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.diagnostics import quote
from backprop_cli.formula.build import names_in
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.fields import (
    TRUTH,
    Field,
    Fields,
    Keys,
    Kind,
    alone_or,
    any_of,
    number_of,
    reference,
    selected,
    whole,
)
from backprop_cli.problem.forms import Value
from backprop_cli.problem.model import Clip, Penalty, Training
from backprop_cli.problem.optimizer_use import optimizer
from backprop_cli.problem.values import Report, counted, integer, number_in
from backprop_cli.problem.yaml_tree import Entries, Node, Scalar, entry
from backprop_cli.rules.optimizers import CORRECTIONS, Correction
from backprop_cli.rules.written import NOT_NEGATIVE, POSITIVE

MOST_STEPS = 1_000_000

STEPS = Field(
    "steps", whole(1, MOST_STEPS, "without updates leave `training` out"), 1, "How many updates."
)
BATCH = Field[int | Literal["all"]](
    "batch",
    Kind(
        lambda node, report, what: _batch(node, report),
        any_of({"enum": ["all"]}, whole(1, MOST_STEPS).schema),
        "`all`, or a whole number",
    ),
    "all",
    "Samples per update, taken in order, wrapping round.",
)

NORM = Field[Number | None]("norm", number_of(POSITIVE), None, "Scale the whole gradient to it.")
LARGEST = Field[Number | None](
    "value", number_of(POSITIVE), None, "Cut each number of the gradient to it."
)
CLIP_KEYS = Keys(
    "Limit the gradient: its norm, or each of its numbers.",
    *(NORM, LARGEST),
    of=True,
    example="{norm: 1.0} scales the whole gradient, {value: 0.5} cuts each of its numbers",
    oneOf=[{"required": ["norm"]}, {"required": ["value"]}],
)
CLIP = CLIP_KEYS.row("clip", lambda own: _clip(own), None)

BIASES = Field("biases", TRUTH, False, "Whether biases are penalised too.")
IN_LOSS = Field(
    "in_loss", TRUTH, False, "The penalty is a part of the loss, and clipped with its gradient."
)
HALF = Field("half", TRUTH, True, "½λw², whose slope is λw; false: λw², whose slope is 2λw.")


def _penalty(key: str, about: str, *more: Field[bool]) -> Field[Penalty]:
    """A strength alone, or with what it covers and where it stands."""
    alone = number_of(NOT_NEGATIVE)
    strength = Field[Number | None]("value", alone, None, "λ, the strength of the penalty.")

    def with_options(own: Fields) -> Penalty:
        half = own[HALF] if HALF in more else HALF.default
        return Penalty(own[strength] or Penalty.value, own[BIASES], half, own[IN_LOSS])

    rows = (strength, BIASES, IN_LOSS, *more)
    example = "{value: 0.1, biases: true}"
    keys = Keys("With options.", *rows, required=[strength], example=example, of=True)
    return Field(key, alone_or(alone.then(Penalty), keys, with_options), Penalty(), about)


# |w| has no ½ that could cancel anything.
L1 = _penalty("l1", "Adds l1·sign(w) to the gradient of each weight.")
L2 = _penalty("l2", "Adds l2·w to the gradient of each weight.", HALF)
PERCEPTRON = "{name: perceptron, update: target}"
RULE_NAME: Field[Literal["gradient", "perceptron"]] = selected(
    "name", "Which rule.", "gradient", "perceptron"
)
RULE_UPDATE: Field[Literal["error", "target"]] = selected(
    "update", "Of the perceptron: by η(t − y)x, or on a mistake by η·t·x.", "error", "target"
)
RULE = Field[Correction | None](
    "rule",
    alone_or(
        RULE_NAME.kind.then(lambda name: _correction(name, RULE_UPDATE.default)),
        Keys(
            "A rule and how it moves.",
            *(RULE_NAME, RULE_UPDATE),
            required=[RULE_NAME],
            example=PERCEPTRON,
        ),
        lambda own: _rule(own),
    ),
    None,
    "gradient, or perceptron: w ← w + η(t − y)x for step and sign units.",
)
TRAINING_KEYS = Keys(
    "How parameters are updated.",
    STEPS,
    BATCH,
    selected("reduction", "How the samples of a batch are put together.", "mean", "sum"),
    Field(
        "optimizer",
        Kind(
            lambda node, report, what: optimizer(node, report),
            reference("optimizer"),
            "a name, `{name: …}` with options, or `{equations: …}`",
        ),
        None,
        "How a gradient becomes an update.",
    ),
    CLIP,
    L1,
    L2,
    selected("direction", "Down the slope, or up: w + η·gradient.", "descent", "ascent"),
    RULE,
    type=["object", "null"],
)
TRAINING = TRAINING_KEYS.row("training", lambda own: own, None)
ETA = ("eta", "η")
_OTHER_LETTERS = ("alpha", "α", "lr", "epsilon", "ε", "gamma", "γ", "lambda", "λ", "rho", "ρ")


def _rate(node: Node, report: Report, what: str) -> Number | Literal["eta"]:
    if isinstance(node, Scalar) and node.text in ETA:
        return "eta"
    if isinstance(node, Scalar) and node.text in _OTHER_LETTERS:
        message = f"{what} must be a number, or `eta` where the update has none"
        report.refuse("not-a-number", message, node, "write `learning_rate: eta`")
    help = (
        "an update subtracts learning rate times gradient, so that the loss falls; to go up "
        "the slope instead, write `training: {direction: ascent}`"
    )
    return number_in(node, report, what, POSITIVE, help)


LEARNING_RATE = Field[Number | Literal["eta"] | None](
    "learning_rate",
    Kind(_rate, any_of(number_of(POSITIVE).schema, {"enum": [*ETA]}), "a number, or `eta`"),
    None,
    "Without it there is no update. `eta`: an update without numbers.",
)


@dataclass(frozen=True)
class ReadTraining:
    """The section with the places of what is checked against the rest of the file."""

    training: Training
    trains: bool
    learning_rate: Value
    section: Fields | None


def read_training(top: Fields, report: Report, samples: int | None) -> ReadTraining:
    """`samples` is how many samples the file has, None if that could not be read."""
    node = top.values.get("training")
    section = TRAINING_KEYS.of(node, report, "`training`") if node is not None else None
    training = Training() if section is None else _training(section, samples)
    said = top[LEARNING_RATE]
    rate = None if said == "eta" else said
    if "learning_rate" not in top.values and section is not None:
        if training.correction is not None or training.newton:
            rate = Number("1")
        elif training.optimizer is None or any(
            "eta" in names_in(right) for right in training.optimizer.equations.values()
        ):
            message = "`training` needs a learning rate"
            help = "add `learning_rate: 0.1`, or `learning_rate: eta` for updates without numbers"
            report.error("missing-key", message, top.key("training"), help)
    if top.get("upstream") is not None and (section is None or not section.get("reduction")):
        # What is given is the gradient of the whole batch's loss, row by row.
        training = replace(training, reduction="sum")
    return ReadTraining(
        training,
        trains=section is not None or "learning_rate" in top.values,
        learning_rate=rate,
        section=section,
    )


def _training(own: Fields, samples: int | None) -> Training:
    training = TRAINING_KEYS.fill(Training, own, {"rule": "correction"})
    training = replace(training, batch=_batch_of(own, samples))
    if training.direction == "ascent" and training.correction is not None:
        message = "the perceptron rule has no direction: it moves towards the target"
        own.report.error("unknown-option", message, own.key("direction"), "leave `direction` out")
    return training


def _batch(node: Node, report: Report) -> int | Literal["all"]:
    if isinstance(node, Scalar) and node.text == "all":
        return "all"
    if isinstance(node, Scalar) and node.plain and not any(map(str.isdigit, node.text)):
        help = "it is `all`, or how many samples an update uses"
        report.refuse("unknown-choice", f"`batch` cannot be {quote(node.text)}", node, help)
    return integer(node, report, "`batch`", 1, MOST_STEPS, "it is `all` or a number of samples")


def _batch_of(own: Fields, samples: int | None) -> int | None:
    """How many samples an update uses, None for all of them."""
    size = own[BATCH]
    if size == "all":
        return None
    named = entry(own.node, BATCH.key) is not None  # a misspelt key has been said
    if samples is not None and size > samples and named:
        there = f"there {'is' if samples == 1 else 'are'} {counted(samples, 'sample')}"
        message = f"a batch of {size} samples is larger than the data: {there}"
        help = "`batch: all` uses every sample for each update"
        own.report.error("out-of-range", message, own.values["batch"], help)
    return size


def _clip(own: Fields) -> Clip | None:
    given = [row.key for row in (NORM, LARGEST) if own.get(row.key) is not None]
    help = CLIP_KEYS.example
    if len(given) == 2:
        own.report.refuse("both-forms", "`clip` has both `norm` and `value`", own.node, help)
    if not given and isinstance(own.node, Entries):
        own.report.error("missing-key", "`clip` needs `norm` or `value`", own.node, help)
    if (norm := own[NORM]) is not None:
        return Clip("norm", norm)
    return None if (value := own[LARGEST]) is None else Clip("value", value)


def _correction(name: str, update: str) -> Correction | None:
    return CORRECTIONS[update] if name == "perceptron" else None


def _rule(own: Fields) -> Correction | None:
    name, update = own[RULE_NAME], own[RULE_UPDATE]
    if name == "gradient" and "update" in own.values and own.get("name") is not None:
        message = "`update` belongs to the perceptron rule"
        own.report.error("unknown-option", message, own.key("update"), PERCEPTRON)
    return _correction(name, update)


MOST_NAMES = 4
MOST_MOVED = 3
"""A step by more parameters is a system of equations that nobody solves by hand."""
SECOND = Field(
    "second_derivatives",
    TRUTH,
    False,
    "Whether the sheet goes on to d2L/dw1dw2 of what is asked for.",
)


def read_second(
    top: Fields,
    training: ReadTraining,
    asked: Sequence[str],
    parameters: Sequence[str],
    given: Collection[str],
    report: Report,
) -> bool:
    """Whether `second_derivatives: true` wants them, or a Newton step does. `asked` is what is
    differentiated by, `given` what may be."""
    wanted, node = top[SECOND], top.get(SECOND.key)
    if training.training.newton and training.section is not None:
        section = training.section
        if len(parameters) > MOST_MOVED:
            most = f"a Newton step moves {MOST_MOVED} parameters at most"
            message = f"{most}, and here are {len(parameters)}"
            report.error("too-large", message, section.key("optimizer"))
        for key in ("clip", "l1", "l2", "direction"):
            if section.get(key) is not None:
                message = f"a Newton step is made of the loss as it is, and there is `{key}`"
                help = "write a penalty into the loss" if key in ("l1", "l2") else "leave it out"
                report.error("unknown-option", message, section.key(key), help)
        return True
    if not wanted or node is None:
        return False
    if len(asked) > MOST_NAMES:
        most = f"second derivatives are by {MOST_NAMES} quantities at most"
        help = "`with_respect_to: [w1, w2]` says by which"
        report.error("too-large", f"{most}, and these are {len(asked)} quantities", node, help)
    elif calculated := [name for name in asked if name not in given]:
        message = f"second derivatives are by what is given, and `{calculated[0]}` is calculated"
        report.error("unknown-name", message, node)
    return True
