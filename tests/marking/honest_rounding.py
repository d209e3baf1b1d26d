"""Counts what marking says of honest students: `python tests/marking/honest_rounding.py [5000 [seed]]`.

Each random sheet is solved at full precision, and rounded or cut off to 2 to 6 significant digits
at every step along the way, with the rounded numbers carried on. No answer may be wrong.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
import simulated
from simulated import Hand

from backprop_cli.marking.check import Checker
from backprop_cli.marking.model import SubmissionReport
from backprop_cli.marking.submission import Answer, Submission

HANDS = [Hand()] + [Hand(digits, cut) for digits in range(2, 7) for cut in (False, True)]


def submission(answers: dict[str, str]) -> Submission:
    rows = tuple(Answer(name, (text,), 0, 0) for name, text in answers.items())
    return Submission("student.yaml", "student", (rows,))


def sheet(random: Random, sections: tuple[str, ...]) -> Iterator[tuple[Hand, SubmissionReport]]:
    """What marking says of one random sheet, worked out in each of the ways of rounding."""
    problem = simulated.random_problem(random)
    update = simulated.first_update(problem)
    checker = Checker(problem)
    for hand in HANDS:
        answers = simulated.work_out(update, hand).answers(update.graph, sections)
        yield hand, checker.mark(submission(answers))


def main(count: int, seed: int = 0, sections: tuple[str, ...] = simulated.ASKED) -> int:
    totals: dict[Hand, Counter[str]] = {hand: Counter() for hand in HANDS}
    shown = 0
    for number in range(count):
        for hand, report in sheet(Random(f"{seed}-{number}"), sections):
            for answer in report.answers:
                totals[hand][answer.verdict] += 1
                if answer.verdict not in ("correct", "imprecise", "follow_through") and shown < 12:
                    shown += 1
                    print(f"sheet {number}, {hand}: {answer.name} = {answer.given}: {answer}")
    print(f"{'digits':>8} {'':8} {'correct':>9} {'imprecise':>9} {'follow':>9} {'wrong':>9}")
    wrong = 0
    for hand, counts in totals.items():
        wrong += (
            sum(counts.values())
            - counts["correct"]
            - counts["imprecise"]
            - counts["follow_through"]
        )
        print(
            f"{hand.digits or 'full':>8} {'cut' if hand.cut else 'rounded':8} {counts['correct']:>9} "
            f"{counts['imprecise']:>9} {counts['follow_through']:>9} {counts['wrong']:>9}"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3] or [5000])))
