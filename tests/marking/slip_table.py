"""How often each slip is found: `python tests/marking/slip_table.py [sheets per code]`.

Students make exactly one slip and carry it on. A case counts where the slip shows: where the
first answer that it changes is further from the right one than what an answer may be off by.
Then the first wrong answer must be that one, with the right code, and no later answer wrong.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
import simulated
from honest_rounding import submission

from backprop_cli.graph.step import Graph
from backprop_cli.marking.check import Checker
from backprop_cli.marking.numbers import read_number
from backprop_cli.run import Iteration

HANDS = (simulated.Hand(), simulated.Hand(4), simulated.Hand(5, cut=True), simulated.Hand(6))
TOLERANCE = 0.005
TRIVIAL = (0.0, 1.0)
SQUARED = ("squared_error", "half_squared_error", "mean_squared_error")


@dataclass
class Row:
    made: int = 0
    hidden: int = 0  # does not show, or makes the rest trivial
    named: int = 0
    other: Counter[str] = field(default_factory=Counter)
    later: int = 0  # later answers
    later_wrong: int = 0
    right_called_wrong: int = 0

    @property
    def shows(self) -> int:
        return self.made - self.hidden


def first_that_shows(
    graph: Graph, hand: simulated.Paper, honest: simulated.Paper, answers: dict[str, str]
) -> str | None:
    """The first answer that a slip changes, if it changes it by more than an answer may be off."""
    for name, text in answers.items():
        difference = abs(hand.values[name] - honest.values[name])
        step = graph.step[name]
        right = honest.values[name]
        scale = (
            abs(right - honest.values[step.of]) if step.kind == "update" and step.of else abs(right)
        )
        if difference > 1e-12 * scale:
            written = read_number(text)
            assert written is not None
            shows = difference > 2 * max(TOLERANCE * scale, written.unit) and written.digits > 1
            return name if shows else None
    return None


def case(
    row: Row,
    code: str,
    checker: Checker,
    update: Iteration,
    hand: simulated.Hand,
    name: str,
    slip: simulated.Slip,
    show: bool = False,
) -> None:
    """One student with one slip, marked and counted."""
    honest = simulated.work_out(update, hand)
    paper = simulated.work_out(update, hand, {name: slip})
    answers = paper.answers(update.graph)
    first = first_that_shows(update.graph, paper, honest, answers)
    row.made += 1
    if first is None or paper.values[name] in TRIVIAL:
        row.hidden += 1
        return
    position = list(answers).index(first)
    marked = {a.name: a for a in checker.mark(submission(answers)).answers}
    found = marked[first]
    if found.verdict == "wrong" and found.mistake is not None and found.mistake.code == code:
        row.named += 1
    else:
        row.other[found.mistake.code if found.mistake else found.verdict] += 1
        if show:
            print(f"{code} at {name}: {first} = {found.given}: {found.verdict} {found.mistake}")
    for place, asked in enumerate(answers):
        answer = marked[asked]
        if place > position:
            row.later += 1
            if answer.verdict not in ("correct", "follow_through", "imprecise"):
                row.later_wrong += 1
                if show:
                    print(f"  later: {code} at {name}: {asked} = {answer.given}: {answer}")
        if (
            place != position
            and answer.verdict == "wrong"
            and answers[asked] == honest.texts[asked]
        ):
            row.right_called_wrong += 1


def count(code: str, sheets: int, show: bool = False) -> Row:
    """Students who make this slip, three to a sheet."""
    row = Row()
    for number in range(sheets):
        random = Random(f"{code}-{number}")
        options: dict[str, str] = {}
        samples = None
        if code == "loss-constant":
            options["loss"] = random.choice(SQUARED)
        if code in ("sum-not-mean", "mean-not-sum"):
            samples = random.randint(2, 3)
            options["reduction"] = "mean" if code == "sum-not-mean" else "sum"
        problem = simulated.random_problem(random, samples, **options)
        update = simulated.first_update(problem)
        checker = Checker(problem)
        choices = list(simulated.slips(update.graph, code, random))
        for name, slip in random.sample(choices, min(3, len(choices))):
            case(row, code, checker, update, random.choice(HANDS), name, slip, show)
    return row


def main(sheets: int, codes: tuple[str, ...] = simulated.CODES, show: bool = False) -> int:
    head = ("slip", "made", "shows", "named", "later", "wrong", "right called wrong")
    print("{:30} {:>6} {:>6} {:>7} {:>7} {:>6} {:>18}   named otherwise".format(*head))
    bad = 0
    for code in codes:
        row = count(code, sheets, show)
        share = row.named / row.shows if row.shows else 0.0
        bad += share < 0.95 or row.right_called_wrong > 0 or row.later_wrong > 0.001 * row.later
        others = ", ".join(f"{name} {times}" for name, times in row.other.most_common(4))
        print(
            f"{code:30} {row.made:>6} {row.shows:>6} {share:>7.1%} {row.later:>7} "
            f"{row.later_wrong:>6} {row.right_called_wrong:>18}   {others}"
        )
    return 1 if bad else 0


if __name__ == "__main__":
    chosen = tuple(code for code in sys.argv[2:] if code in simulated.CODES) or simulated.CODES
    sheets = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    sys.exit(main(sheets, chosen, show="-v" in sys.argv))
