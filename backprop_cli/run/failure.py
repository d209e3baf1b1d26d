"""Why a value is infinite or not a number, in words: the operation that made it so."""

from __future__ import annotations

import math

from backprop_cli.formula import plain
from backprop_cli.formula.build import children, size
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Matrix,
    Name,
    Power,
    Quotient,
    Shown,
)
from backprop_cli.graph.step import Step
from backprop_cli.run.model import Values

LONGEST = 24
"""A quotient with more numbers, names and signs than this is not written in a sentence."""
OUT_OF_RANGE = "the numbers have left the range of floating point"
SMALLER_STEPS = ". A smaller learning rate or clipping keeps the steps small"
SMALLER_SCORES = (
    " is too large for floating point, which ends near 1.8×10³⁰⁸. Subtract the largest score from"
    " all scores first: the shares of a softmax stay the same, and ln(Σ exp) is logsumexp"
)


def reason(step: Step, values: Values, *, trained: bool) -> str:
    """A clause for the value of `step`, which is not finite though what it needs is; `trained`
    says that updates led there."""

    def number(part: Formula) -> float:
        def lookup(name: str) -> float:
            value = values.get(name)
            return math.nan if value is None else as_float(value)

        return as_float(evaluate(part, lookup))

    def culprit(part: Formula) -> Formula | None:
        """The innermost operation that turns finite numbers into one that is not."""
        if isinstance(part, Name | Matrix | Shown | Comparison) or math.isfinite(number(part)):
            return None
        if isinstance(part, Conditional):
            chosen = part.then if number(part.condition) else part.otherwise
            return culprit(chosen)
        for child in children(part):
            if not math.isfinite(number(child)):
                return culprit(child)
        return part

    match culprit(step.formula):
        case Call("ln" | "log1p" as function, (argument,)) as logarithm:
            value = number(argument) + (function == "log1p")
            found = "0" if value == 0 else "a negative number"
            return f"{plain.write(logarithm)} is the logarithm of {found}"
        case Call("sqrt", (argument,)) as root if number(argument) < 0:
            return f"{plain.write(root)} is the square root of a negative number"
        case Quotient(_, below) as division if number(below) == 0 and size(division) > LONGEST:
            return f"it divides by {plain.write(below)}, which is 0"
        case Quotient(_, below) as division if number(below) == 0:
            return f"{plain.write(division)} divides by 0"
        case Power(base, exponent) as power if number(base) == 0 and number(exponent) < 0:
            return f"{plain.write(power)} divides by 0"
        case Power(base, exponent) as power if number(base) < 0 and number(exponent) % 1:
            return f"{plain.write(power)} is a root of a negative number"
        case Call("exp") as power if not trained:
            return f"{plain.write(power)}{SMALLER_SCORES}"
        case _:
            return OUT_OF_RANGE + (SMALLER_STEPS if trained else "")
