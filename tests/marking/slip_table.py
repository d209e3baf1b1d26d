"""How often each slip is found: `python tests/marking/slip_table.py [sheets per code]`, on random
networks or, with `--variants`, on the numbers that students get of a problem with variants.

Students make exactly one slip and carry it on. A case counts where the slip shows: where the
first answer that it changes is further from the right one than what an answer may be off by, in
four digits or more (with `--digits 3` in three, by students who write three). Then the first wrong answer must be that one, with the right code (or that of
a slip that is as simple and gives the same number), and no later answer wrong.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "variants"))
import simulated
from drawn import NETWORKS
from honest_rounding import submission

from backprop_cli import load
from backprop_cli.graph.step import Graph
from backprop_cli.marking.check import Checker
from backprop_cli.marking.numbers import read_number
from backprop_cli.problem.model import Problem
from backprop_cli.run import Iteration
from backprop_cli.variants.variant import Drawer

HANDS = (simulated.Hand(), simulated.Hand(4), simulated.Hand(5, cut=True), simulated.Hand(6))
TOLERANCE = 0.005
DIGITS = 4
SHORT = (simulated.Hand(3), simulated.Hand(3, cut=True))
TRIVIAL = (0.0, 1.0)
SQUARED = ("squared_error", "half_squared_error", "mean_squared_error")


@dataclass
class Row:
    made: int = 0
    hidden: int = 0  # does not show, or makes the rest trivial
    short: int = 0  # shows in less than four digits
    named: int = 0
    same: int = 0  # named as a slip at a glance that gives the same number
    other: Counter[str] = field(default_factory=Counter)
    later: int = 0  # later answers
    later_wrong: int = 0
    right_called_wrong: int = 0

    @property
    def counted(self) -> int:
        return self.made - self.hidden - self.short

    @property
    def share(self) -> float:
        return (self.named + self.same) / self.counted if self.counted else 1.0


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
    digits: int = DIGITS,
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
    given = found.mistake.code if found.verdict == "wrong" and found.mistake else ""
    alike = {
        other
        for other, value in simulated.at_a_glance(update.graph.step[first], paper.values)
        if hand.text(value) == answers[first]
    }
    written = read_number(answers[first])
    if written is None or written.digits < digits:
        row.short += 1
    elif given == code:
        row.named += 1
    elif given in alike:
        row.same += 1
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


Source = Callable[[str, int, Random], Problem]


def random_sheet(code: str, number: int, random: Random) -> Problem:
    """A random network on which this slip can be made."""
    options: dict[str, str] = {}
    samples = None
    if code == "loss-constant":
        options["loss"] = random.choice(SQUARED)
    if code in ("sum-not-mean", "mean-not-sum"):
        samples = random.randint(2, 3)
        options["reduction"] = "mean" if code == "sum-not-mean" else "sum"
    return simulated.random_problem(random, samples, **options)


def drawn_sheet(code: str, number: int, random: Random) -> Problem:
    """The numbers that a student gets of one of the networks with variants."""
    return _drawer(number % len(NETWORKS)).variant(f"student {number}").problem


@cache
def _drawer(place: int) -> Drawer:
    return Drawer(load(text=NETWORKS[place]))


def count(
    code: str,
    sheets: int,
    source: Source = random_sheet,
    show: bool = False,
    digits: int = DIGITS,
) -> Row:
    """Students who make this slip, three to a sheet."""
    row = Row()
    for number in range(sheets):
        random = Random(f"{code}-{number}")
        problem = source(code, number, random)
        update = simulated.first_update(problem)
        checker = Checker(problem)
        choices = list(simulated.slips(update.graph, code, random))
        for name, slip in random.sample(choices, min(3, len(choices))):
            hand = random.choice(HANDS if digits >= DIGITS else SHORT)
            case(row, code, checker, update, hand, name, slip, show, digits)
    return row


def main(
    sheets: int, codes: Sequence[str], source: Source, show: bool = False, digits: int = DIGITS
) -> int:
    head = ("slip", "made", "counted", "named", "same", "later", "wrong", "right called wrong")
    print("{:30} {:>6} {:>7} {:>7} {:>6} {:>7} {:>6} {:>18}   named otherwise".format(*head))
    bad = 0
    for code in codes:
        row = count(code, sheets, source, show, digits)
        bad += (
            row.share < (0.95 if digits >= DIGITS else 0.8)
            or row.right_called_wrong > 0
            or row.later_wrong > 0.001 * row.later
        )
        others = ", ".join(f"{name} {times}" for name, times in row.other.most_common(4))
        named, same = (each / max(row.counted, 1) for each in (row.named, row.same))
        print(
            f"{code:30} {row.made:>6} {row.counted:>7} {named:>7.1%} {same:>6.1%} {row.later:>7} "
            f"{row.later_wrong:>6} {row.right_called_wrong:>18}   {others}",
            flush=True,
        )
    return 1 if bad else 0


if __name__ == "__main__":
    words = sys.argv[1:]
    digits = int(words.pop(words.index("--digits") + 1)) if "--digits" in words else DIGITS
    numbers = [int(word) for word in words if word.isdigit()]
    chosen = [code for code in words if code in simulated.CODES] or simulated.CODES
    source = drawn_sheet if "--variants" in words else random_sheet
    sys.exit(main(numbers[0] if numbers else 200, chosen, source, "-v" in words, digits))
