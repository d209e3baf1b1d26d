"""Sentences a student can act on. None of them gives away a value still to be found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backprop_cli.graph.step import Kind, Step
from backprop_cli.marking.model import Mistake

NO_DIGITS = "No digit of this tells anything; write at least two significant digits."
TOO_COARSE = "Too few digits to tell this from a wrong value; carry more digits."
UNCHANGED = "At these digits the change cannot be seen; write more of them."
ZERO = "A bare 0 shows nothing; write at least one digit that is not 0."
ROUNDED_EARLY = "Close, and the method looks right: carry more digits on the way."
TRIVIAL = (
    "This follows from an earlier number of yours that makes the rest trivial, so it earns nothing; "
    "mend that one first."
)
ACCIDENT = (
    "So few of your numbers follow from those before them that this one may by accident; "
    "it shows nothing."
)
EVERYWHERE = "The same number stands nearly everywhere, so that it follows from nothing."
FORMULA_RIGHT = "the formula is right, but the number does not follow from it"
BESIDE = "The number is right, but what stands beside it comes to another one."
MISTYPED = "one digit seems to be mistyped, or two are exchanged"
ONLY_HERE = "Right at this sheet's numbers, but not in general."
MISSING = "Not answered."
LOCAL = "Look again at this local derivative: one quantity by another that stands in its formula."
THROUGH = (
    "Look again at this derivative: the sum over every path from one quantity to the other, each a "
    "product of local derivatives."
)
OF_CHANGE = "Look again at this: the new value less the old one, or the gradient."
CHANGE = (
    "To some this is a gradient, to others the change of a parameter. Write {gradient} for the "
    "gradient, or the new value of the parameter."
)
FOLLOWS = "Right from your own earlier numbers."

_HINTS: Mapping[Kind, str] = {
    "preactivation": "each weight times what comes in, added up, then the bias",
    "normalisation": "the mean and the variance are taken over the batch",
    "activation": "the activation of this unit's own z",
    "handed_on": "what is added to the unit's output, and what dropout leaves of it",
    "equation": "put the numbers into its equation one by one",
    "loss": "target and output put into the loss, with its constants",
    "regularisation": "the strength times what every penalised weight adds, squares or sizes",
    "batch_loss": "the samples' losses, reduced as the sheet says",
    "slope": "the slope of this unit's activation, at this unit",
    "upstream": "one path for every place where the quantity is used, each a product, then the sum",
    "gradient": "the error of what uses it, times what it is multiplied with there",
    "batch_gradient": "the samples' gradients, reduced as the sheet says",
    "second": "the gradient, differentiated once more with all that it depends on",
    "penalty": "the gradient, and what is added to it or how it is shortened",
    "ahead": "the same equation as before, with the look-ahead point in place of the parameters",
    "state": "the optimizer's rule, with the old value of its state",
    "update": "old value − eta · gradient, with the gradient's own sign",
}


def look_again(step: Step, mistake: Mistake | None = None) -> str:
    """What to look at again."""
    hint = _hint(step)
    if mistake is None:
        return f"Look again at {step.name}: {hint}."
    return f"{sentence(mistake.message)} Look again at {step.name}: {hint}."


def _hint(step: Step) -> str:
    if step.kind == "upstream":
        above = [link for link in step.links if link.upstream is not None]
        if not above:
            return "the slope of the loss itself, at these numbers"
        if len(step.links) == 1:
            return "the gradient of what it leads to, times the local derivative on the way"
    if step.kind == "loss" and step.applied is None:  # no loss of the tables, or a plain function
        return _HINTS["equation"]
    return _HINTS[step.kind]


def sentence(message: str) -> str:
    """With a capital letter, unless it begins with a name of the sheet, and a full stop."""
    first = message.partition(" ")[0]
    if first.isalpha() and first.islower() and len(first) > 1:
        message = message[:1].upper() + message[1:]
    elif first == "a":
        message = f"A{message[1:]}"
    return f"{message}."


def same_slip(first: str) -> str:
    """For an answer with a slip that has cost its mark elsewhere."""
    return f"The same slip as at {first}; it is counted there."


def counted_here(names: Sequence[str]) -> str:
    """For an answer that pays for slips in working that earns no points itself."""
    return (
        f"Right from your own earlier numbers; the slip at {' and '.join(names)} is counted here."
    )
