"""The same net as layers and as equations: the same slips are found in the same answers."""

from __future__ import annotations

from random import Random

import nets
import pytest
import simulated

from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.run import solve

CODES = (
    "sign-flipped", "missing-bias", "missing-path", "missing-activation", "wrong-activation",
    "missing-activation-derivative", "derivative-at-wrong-point", "missing-factor",
    "extra-factor", "loss-constant", "wrong-operand", "ascent", "missing-learning-rate",
    "sum-not-mean",
)  # fmt: skip
HAND = simulated.Hand(6)


@pytest.mark.parametrize("seed", nets.SEEDS)
def test_both_forms_find_the_same_slips(seed: int) -> None:
    """A whole sheet with one slip of each kind that can be made on it."""
    pair = nets.both(seed)
    if pair is None:
        return
    random = Random(seed)
    first = solve(pair[0], show=1).iterations[0]
    shared = solve(pair[1], show=1).iterations[0].graph.step
    checkers = list(map(Checker, pair))
    for code in CODES:
        made = list(simulated.slips(first.graph, code, random))
        if not made:
            continue
        paper = simulated.work_out(first, HAND, dict([random.choice(made)]))
        lines = [f"  {name}: {text}\n" for name, text in paper.texts.items() if name in shared]
        one, other = (verdicts(checker, f"answers:\n{''.join(lines)}") for checker in checkers)
        assert one == other, code


def verdicts(checker: Checker, text: str) -> dict[str, tuple[str, str | None, str]]:
    """Each answer that was given: what it is worth, what slip was found, and what is said of it."""
    report = checker.mark(parse_submission("a.yaml", text))
    return {
        answer.name: (
            answer.verdict,
            answer.mistake and answer.mistake.code,
            answer.mistake.message if answer.mistake else "",
        )
        for answer in report.answers
        if answer.verdict != "missing"
    }
