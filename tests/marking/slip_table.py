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

from backprop_cli.marking.check import Checker
from backprop_cli.marking.numbers import read_number

HANDS = (simulated.Hand(), simulated.Hand(4), simulated.Hand(5, cut=True), simulated.Hand(6))
TOLERANCE = 0.005
TRIVIAL = (0.0, 1.0)


@dataclass
class Row:
    made: int = 0
    hidden: int = 0  # does not show, or makes the rest trivial
    named: int = 0
    other: Counter[str] = field(default_factory=Counter)
    later: int = 0  # later answers
    later_wrong: int = 0
    right_called_wrong: int = 0


def change(graph, name: str, value: float, values: dict[str, float]) -> float:  # type: ignore[no-untyped-def]
    step = graph.step[name]
    return abs(value - values[step.of]) if step.kind == "update" and step.of else abs(value)


def case(row: Row, checker: Checker, update, hand, name: str, slip, show: bool) -> None:  # type: ignore[no-untyped-def]
    code = row_code[id(row)]
    honest = simulated.work_out(update, hand)
    paper = simulated.work_out(update, hand, {name: slip})
    answers = paper.answers(update.graph)
    first = None
    for asked in answers:
        difference = abs(paper.values[asked] - honest.values[asked])
        written = read_number(answers[asked])
        assert written is not None
        if difference > 0:
            scale = change(update.graph, asked, honest.values[asked], honest.values)
            allowed = max(TOLERANCE * scale, written.unit)
            if difference > 1e-12 * scale:
                first = asked if difference > 2 * allowed and written.digits > 1 else None
                break
    row.made += 1
    if first is None or paper.values[name] in TRIVIAL:
        row.hidden += 1
        return
    report = checker.mark(submission(answers))
    position = list(answers).index(first)
    marked = {answer.name: answer for answer in report.answers}
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
        elif place < position and answer.verdict == "wrong":
            row.right_called_wrong += 1
        if answers[asked] == honest.texts[asked] and answer.verdict == "wrong":
            row.right_called_wrong += 1


row_code: dict[int, str] = {}


def main(sheets: int, codes: tuple[str, ...] = simulated.CODES, show: bool = False) -> int:
    print(
        f"{'slip':32} {'made':>6} {'shows':>6} {'named':>7} {'later':>7} {'wrong':>6} {'right called wrong':>18}"
    )
    bad = 0
    for code in codes:
        row = Row()
        row_code[id(row)] = code
        for number in range(sheets):
            random = Random(f"{code}-{number}")
            options: dict[str, object] = {}
            if code == "loss-constant":
                options["loss"] = random.choice(
                    ("squared_error", "half_squared_error", "mean_squared_error")
                )
            samples = None
            if code in ("sum-not-mean", "mean-not-sum"):
                samples = random.randint(2, 3)
                options["reduction"] = "mean" if code == "sum-not-mean" else "sum"
            problem = simulated.random_problem(random, samples, **options)
            update = simulated.first_update(problem)
            checker = Checker(problem)
            choices = list(simulated.slips(update.graph, code, random))
            for name, slip in random.sample(choices, min(3, len(choices))):
                case(row, checker, update, random.choice(HANDS), name, slip, show)
        shows = row.made - row.hidden
        share = row.named / shows if shows else 0.0
        bad += share < 0.95 or row.right_called_wrong > 0
        others = ", ".join(f"{name} {count}" for name, count in row.other.most_common(4))
        print(
            f"{code:32} {row.made:>6} {shows:>6} {share:>7.1%} {row.later:>7} {row.later_wrong:>6} "
            f"{row.right_called_wrong:>18}   {others}"
        )
    return 1 if bad else 0


if __name__ == "__main__":
    chosen = tuple(code for code in sys.argv[2:] if code in simulated.CODES) or simulated.CODES
    sheets = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    sys.exit(main(sheets, chosen, show="-v" in sys.argv))
