"""How simple each slip is: where several explain an answer, the one of the lowest rank is named."""

from __future__ import annotations

from backprop_cli.marking.model import Code

RANK: dict[Code, float] = {
    "sign-flipped": 1,
    "ascent": 1,
    "missing-bias": 1,
    "missing-activation": 1,
    "missing-activation-derivative": 2,
    "missing-learning-rate": 2,
    "loss-constant": 2,
    "sum-not-mean": 1,
    "mean-not-sum": 1,
    "decimal-slip": 3.5,
    "softmax-diagonal": 1.5,
    "transposed": 1.5,
    "matrix-order": 2,
    "missing-sum": 2,
    "missing-scale": 2,
    "kernel-flipped": 2,
    "wrong-window": 3,
    "shape": 0,
    "other-rule": 2,
    "log-base": 2,
    "misread-given": 3,
    "stale-parameters": 3,
    "row-shift": 3,
    "values-exchanged": 3,
    "formula-right": 0,
    "missing-path": 3,
    "missing-factor": 3,
    "mistyped": 3.6,  # one of dozens of numbers: a point moved or a term left out is one of few
    "derivative-at-wrong-point": 4,
    "used-updated-weights": 4,
    "wrong-activation": 5,
    "extra-factor": 6,
    "wrong-operand": 7,
}

LATER: dict[str, float] = {
    "": 0,
    # What was done
    "one term": 0.5,  # the sign of a part, not of the whole
    "whole update": 0.25,  # from 0 a step the wrong way has the wrong sign too: name the step
    "not the extreme": -5,  # a sign overlooked, as to take the largest by its size
    "other gate": -3.5,
    "another count": 3.5,  # below a mean than that of the samples
    "gate": -1,  # as simple as to leave out an activation's slope
    "every path": -0.25,
    "transposed": -0.5,
    "other row": -0.25,
    "not taught": 0.5,  # an activation that learners do not meet
    "value for slope": -1.5,
    "input for slope": 0.5,
    "slope 1": 1.5,
    "slope at the value": 0.25,
    "other slope": 0.5,
    "one weight": 0.5,
    "other kind": 1,  # an operand that is none of those nearby
    "other sample": 0.4,  # the input of another sample
    # Where it was done
    "hidden": 1,  # in a step before the answer
    "deeper": 0.1,  # for each step further away
    "not written": 5.5,  # where that step is asked for: it would have been written
    "true parents": 0.1,  # only the true values explain it, not the student's own
    "twice": 1,  # two slips at once
    "loose": 10,  # a match that needs the allowance of own roundings
}
"""What is added to the rank of a slip, and why."""

SIMPLE = 4.0
"""Slips of this rank are seen at a glance where numbers are short."""
