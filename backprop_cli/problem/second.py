"""Second derivatives, and the Newton step that is made of them: for few quantities only."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from backprop_cli.problem.fields import TRUTH, Field, Fields
from backprop_cli.problem.training import ReadTraining
from backprop_cli.problem.values import Report

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
