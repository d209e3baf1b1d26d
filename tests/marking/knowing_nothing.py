"""Answers that show nothing earn nothing: `python tests/marking/knowing_nothing.py [sheets]`.

Over every sheet in `problems/` and random ones, what ways of writing numbers without working
anything out earn beyond what is right in itself; and what honest students at two decimals lose.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
import simulated
import whole_sheets

from backprop_cli.marking.check import Checker
from backprop_cli.marking.numbers import divides, read_number
from backprop_cli.marking.sheet import AnswerKey
from backprop_cli.marking.submission import Answer, Submission
from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read_problem

PROBLEMS = Path(__file__).parents[2] / "problems"

Strategy = Callable[[AnswerKey, int, dict[int, str], Random], str | None]
"""What is written for a quantity, from the sheet and what was written before."""


def _number(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}"


def _parents(key: AnswerKey, slot: int) -> list[int]:
    node = key.structure.nodes[slot]
    assert node is not None
    return list(node.parents)


def _section(key: AnswerKey, slot: int) -> str:
    node = key.structure.nodes[slot]
    return "" if node is None else node.step.section


def _old(key: AnswerKey, slot: int, before: dict[int, str]) -> float | None:
    """The value before an update, as it was written in the update before."""
    node = key.structure.nodes[slot]
    if node is None or node.base < 0:
        return None
    return float(before.get(_carried(node.base), key.truth[node.base]))


def _carried(slot: int) -> int:
    return -1 - slot


def zeros(key: AnswerKey, slot: int, before: dict[int, str], random: Random) -> str:
    return "0"


def zeros_with_decimals(key: AnswerKey, slot: int, before: dict[int, str], random: Random) -> str:
    return "0.0000"


def ones(key: AnswerKey, slot: int, before: dict[int, str], random: Random) -> str:
    return "1"


def unchanged(key: AnswerKey, slot: int, before: dict[int, str], random: Random) -> str:
    old = _old(key, slot, before)
    return "0.00" if old is None else _number(old, 2)


def target_as_output(key: AnswerKey, slot: int, before: dict[int, str], random: Random) -> str:
    """The target as the output, so that everything after it is 0 and nothing changes."""
    node = key.structure.nodes[slot]
    assert node is not None
    old = _old(key, slot, before)
    if old is not None:
        return _number(old)
    if node.step.section == "forward":
        targets = [
            place
            for place, leaf in enumerate(key.structure.graph.leaves)
            if leaf.kind == "target" and leaf.sample == node.step.sample
        ]
        return _number(key.truth[targets[0]]) if targets else "0"
    return "0"


def killed(key: AnswerKey, slot: int, before: dict[int, str], random: Random) -> str:
    """Every unit killed by an invented −1."""
    node = key.structure.nodes[slot]
    assert node is not None
    old = _old(key, slot, before)
    if old is not None:
        return _number(old)
    return "-1" if node.step.kind == "preactivation" else "0"


def same_everywhere(key: AnswerKey, slot: int, before: dict[int, str], random: Random) -> str:
    return "0.37"


def copied(key: AnswerKey, slot: int, before: dict[int, str], random: Random) -> str:
    """The number of what comes just before it."""
    for parent in reversed(_parents(key, slot)):
        if parent in before:
            return before[parent]
        if parent < key.structure.leaves:
            return _number(key.truth[parent])
    return "0.5"


def last_written(key: AnswerKey, slot: int, before: dict[int, str], random: Random) -> str:
    return before[max(before)] if before and max(before) >= 0 else "0.5"


def invented(key: AnswerKey, slot: int, before: dict[int, str], random: Random) -> str:
    return _number(random.uniform(-1, 1), 2)


def given(key: AnswerKey, slot: int, before: dict[int, str], random: Random) -> str:
    """Any number of the sheet."""
    return _number(random.choice(key.truth[: key.structure.leaves]))


def small(key: AnswerKey, slot: int, before: dict[int, str], random: Random) -> str:
    """What outputs, gradients and updates look like: a half, nearly nothing, no change."""
    old = _old(key, slot, before)
    if old is not None:
        return _number(old)
    node = key.structure.nodes[slot]
    assert node is not None
    return "0.5" if node.step.section == "forward" else "0.01"


STRATEGIES: tuple[Strategy, ...] = (
    zeros,
    zeros_with_decimals,
    ones,
    unchanged,
    target_as_output,
    killed,
    same_everywhere,
    copied,
    last_written,
    invented,
    given,
    small,
)


GUESSES = ("invented", "given", "same_everywhere")
"""Strategies that hit a number now and then."""


def truly_right(key: AnswerKey, slot: int, text: str, before: dict[int, str]) -> bool:
    """Right by value, a bare 0 for what is not 0 left aside; of a parameter that seems not to
    change, right by its gradient."""
    written = read_number(text)
    assert written is not None
    value, truth, unit = written.value, key.truth[slot], written.unit
    if value == truth:
        return True
    old = _old(key, slot, before)
    if not written.digits:
        return False
    if old is not None and truth != old and abs(value - old) <= unit / 2:
        near = (at for at in _parents(key, slot) if at in before and at in key.asked)
        return abs(value - truth) < unit and any(
            truly_right(key, at, before[at], before) for at in near
        )
    if key.short[slot]:
        return not divides(unit, truth) and abs(value - truth) < unit
    return abs(value - truth) < max(unit, 0.005 * key.scale[slot])


def submitted(checker: Checker, strategy: Strategy, random: Random) -> tuple[Submission, float]:
    """A submission written by a strategy, and the points of what is right in it by itself."""
    right = 0.0
    iterations = []
    before: dict[int, str] = {}
    for key in checker.keys:
        for slot, points in key.asked.items():
            text = strategy(key, slot, before, random)
            if text is not None:
                before[slot] = text
                right += points * truly_right(key, slot, text, before)
        names, slots = key.structure.names, key.structure.slots
        rows = {slot: text for slot, text in before.items() if slot >= 0}
        iterations.append(tuple(Answer(names[slot], (text,), 0, 0) for slot, text in rows.items()))
        before = {
            _carried(slots[old]): rows[slots[new]]
            for old, new in key.graph.carried.items()
            if slots.get(new) in rows and old in slots
        }
    return Submission("s.yaml", "s", tuple(iterations)), right


def sheets(count: int, seed: int = 0) -> Iterator[tuple[str, Problem]]:
    for path in sorted(PROBLEMS.glob("*.yaml")):
        yield path.stem, read_problem(path)
    for number in range(count):
        yield f"random {number}", simulated.random_problem(Random(f"nothing-{seed}-{number}"))
        made = whole_sheets.problem(Random(f"nothing-{seed}-{number}"))
        yield f"whole {number}", made


def excess(problem: Problem, seed: int = 0) -> Iterator[tuple[str, float, float]]:
    """For each strategy the share of the points it earns beyond what is right in itself, and
    how many points there are."""
    checker = Checker(problem)
    if not checker.max_score or checker.keys[0].symbolic:
        return
    for strategy in STRATEGIES:
        submission, right = submitted(checker, strategy, Random(seed))
        score = checker.mark(submission).score
        yield strategy.__name__, (score - right) / checker.max_score, checker.max_score


def dressed(problem: Problem, seed: int = 0) -> Iterator[tuple[str, float, float]]:
    """For each strategy the points of its numbers, each with working before it that says nothing
    (`1*12 = 12`, and `0.613 + 1.258 = 12`), beyond those of the numbers alone."""
    checker = Checker(problem)
    for strategy in () if not checker.max_score or checker.keys[0].symbolic else STRATEGIES:
        bare, _ = submitted(checker, strategy, Random(seed))
        score = checker.mark(bare).score
        for working in ("1*({0}) = {0}", "0.613 + 1.258 = {0}"):
            rows = (
                tuple(each._replace(texts=(working.format(each.texts[0]),)) for each in row)
                for row in bare.iterations
            )
            yield (
                strategy.__name__,
                checker.mark(replace(bare, iterations=tuple(rows))).score,
                score,
            )


def honest_loss(problem: Problem, places: int = 2) -> float:
    """The share that an honest student loses who writes every number to two decimals, on a
    sheet with gradients that show a digit there."""
    checker = Checker(problem)
    if not checker.max_score or checker.keys[0].symbolic:
        return 0.0
    rows = []
    for key in checker.keys:
        gradients = [slot for slot in key.asked if _section(key, slot) == "gradient"]
        if not any(abs(key.truth[slot]) >= 0.5 * 10**-places for slot in gradients):
            return 0.0
        rows.append(
            tuple(
                Answer(key.structure.names[slot], (f"{key.truth[slot]:.{places}f}",), 0, 0)
                for slot in key.asked
            )
        )
    report = checker.mark(Submission("s.yaml", "s", tuple(rows)))
    return 1 - report.score / report.max_score


def main(count: int, show: bool = False) -> int:
    worst: dict[str, tuple[float, str]] = {}
    lost = []
    bad = 0
    for name, problem in sheets(count):
        for strategy, share, _ in excess(problem):
            bad += share > 0.05
            if share > 0.05:
                print(f"  {name}: {strategy} earns {share:.1%} beyond what is right")
            worst[strategy] = max(worst.get(strategy, (0.0, "")), (share, name))
        lost.append((honest_loss(problem), name))
    for strategy, (share, name) in worst.items():
        print(f"{strategy:22} at most {share:6.1%} ({name})")
    mean = sum(share for share, _ in lost) / len(lost)
    print(f"honest at two decimals: {mean:.1%} lost on average; most: {sorted(lost)[-5:]}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
