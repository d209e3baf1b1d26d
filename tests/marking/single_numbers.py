"""What marking makes of single numbers: `python tests/marking/single_numbers.py [sheets]`.

- Integers one off, on sheets where everything is exact: all wrong, alone and on a full sheet.
- One mistyped digit in a perfect sheet: one mark, and no slip is named that it is not.
- Two numbers of a kind exchanged, in copying or in working, beside another slip or not: one mark.
- Gradients only, rounded on the way to two or three digits or decimals: nobody is accused, and
  what is within 10 % of the truth is not wrong. `single_numbers.py 1000 2 2 1` counts this alone, on
  2-2-1 networks, with four digits in the end.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from itertools import combinations, pairwise
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import simulated
import whole_sheets
import yaml

from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.marking.check import Checker
from backprop_cli.marking.model import AnswerResult
from backprop_cli.marking.submission import Answer, Submission
from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read_problem

SHIPPED = Path(__file__).parents[2] / "problems"


def submission(answers: dict[str, str]) -> Submission:
    rows = tuple(Answer(name, (text,), 0, 0) for name, text in answers.items())
    return Submission("student.yaml", "student", (rows,))


# Exact sheets


def exact_problem(random: Random) -> Problem:
    """Integers all the way: a circuit of sums, products and `max`, or a network of ReLUs."""
    if random.random() < 0.5:
        names = ["x", "y", "z"]
        equations: dict[str, str] = {}
        for place in range(random.randint(2, 4)):
            one, other = random.sample(names, 2)
            form = random.choice(("{} + {}", "{}*{}", "max({}, {})", "{} - {}", "2*{} + {}"))
            equations[f"q{place}"] = form.format(one, other)
            names.append(f"q{place}")
        given = dict(zip("xyz", random.sample([*range(-9, 0), *range(1, 10)], 3), strict=True))
        data: dict[str, Any] = {"equations": equations, "given": given}
    else:
        units = random.randint(1, 2)
        data = {
            "inputs": [random.randint(1, 5), random.randint(-4, -1)],
            "targets": [random.randint(-3, 9)],
            "layers": [
                {
                    "activation": "relu",
                    "weights": [
                        [random.randint(1, 4), random.randint(-3, 3)] for _ in range(units)
                    ],
                    "biases": [random.randint(-2, 2) for _ in range(units)],
                },
                {
                    "activation": "identity",
                    "weights": [[random.randint(1, 3) for _ in range(units)]],
                },
            ],
            "loss": "squared_error",
            "learning_rate": 1,
        }
    return read_problem("exact.yaml", yaml.safe_dump({"title": "Exact", **data}))


def one_off(random: Random) -> tuple[int, list[str]]:
    """How many integers of a sheet were written one off, and those not called wrong."""
    problem = exact_problem(random)
    checker = Checker(problem)
    key = checker.keys[0]
    names = key.structure.names
    right = {
        names[slot]: f"{key.truth[slot]:.0f}"
        for slot in key.asked
        if key.truth[slot] == round(key.truth[slot])
    }
    tried, missed = 0, []
    for name, text in right.items():
        other = str(int(text) + random.choice((1, -1)))
        for answers in ({name: other}, {**right, name: other}):
            tried += 1
            report = checker.mark(submission(answers))
            verdict = next(a.verdict for a in report.answers if a.name == name)
            if verdict != "wrong":
                missed.append(f"{name}: {other} for {text}, {len(answers)} answers: {verdict}")
    return tried, missed


# A mistyped digit


def mistyped(random: Random) -> tuple[float, str, str]:
    """Marks lost by one mistyped digit in a perfect sheet, the slip named there, what was typed."""
    problem = whole_sheets.problem(random)
    update = simulated.first_update(problem)
    hand = random.choice((simulated.Hand(4), simulated.Hand(5)))
    answers = simulated.work_out(update, hand).answers(update.graph)
    name = random.choice(list(answers))
    text = answers[name]
    places = [place for place, letter in enumerate(text) if letter.isdigit()]
    first = next(place for place in places if text[place] != "0")
    place = random.choice([place for place in places if place >= first])
    digit = random.choice([d for d in "123456789" if d != text[place]])
    typed = text[:place] + digit + text[place + 1 :]
    report = Checker(problem).mark(submission({**answers, name: typed}))
    found = next(a for a in report.answers if a.name == name)
    others = sum(a.max_points - a.points for a in report.answers if a.name != name)
    code = found.mistake.code if found.mistake else ""
    own = found.max_points - found.points
    return (
        own + others,
        code,
        f"{name}: {typed} for {text}: {found.verdict} {code}, others {others}",
    )


# Two numbers exchanged


def exchanged(problem: Problem, random: Random) -> tuple[float, set[str], str] | None:
    """Marks lost by two numbers of a kind that stand each in the other's place, the slips named
    there, and what was done. They are gone on with, or the right ones are."""
    update = simulated.first_update(problem)
    hand = random.choice((simulated.Hand(3), simulated.Hand(4), simulated.Hand(5)))
    slip: dict[str, simulated.Slip] = {}
    made = list(simulated.slips(update.graph, "missing-bias", random))
    if made and random.random() < 0.25:
        slip = dict([random.choice(made)])
    paper = simulated.work_out(update, hand, slip)
    answers = paper.answers(update.graph)
    checker = Checker(problem)
    before = checker.mark(submission(answers)).score
    structure = checker.keys[0].structure
    pairs = [
        (one, other)
        for one, other in combinations(answers, 2)
        if update.graph.step[one].kind == update.graph.step[other].kind
        and structure.slots[other] not in structure.later(structure.slots[one])
        and abs(paper.values[one] - paper.values[other])
        > 0.05 * max(abs(paper.values[one]), abs(paper.values[other]))
        and not {paper.values[one], paper.values[other]} & {0.0, 1.0}
        and not {one, other} & slip.keys()
    ]
    if not pairs:
        return None
    one, other = random.choice(pairs)
    values = paper.values
    if random.random() < 0.5:  # gone on with
        put = {one: lambda v, o=other: values[o], other: lambda v, o=one: values[o]}
        answers = simulated.work_out(update, hand, slip | put).answers(update.graph)
    answers |= {one: paper.texts[other], other: paper.texts[one]}
    report = checker.mark(submission(answers))
    first = [a for a in report.answers if a.iteration == 1 and a.name in (one, other)]
    named = {a.mistake.code if a.mistake else a.verdict for a in first}
    lost = before - report.score
    beside = f", beside a slip at {', '.join(slip)}" if slip else ""
    return lost, named, f"{problem.title}: {one}, {other}: {named}, lost {lost}{beside}"


def has_numbers(problem: Problem) -> bool:
    """Whether a sheet is one of a network that is worked out and not too long to be."""
    update = simulated.first_update(problem)
    steps = update.graph.steps
    return len(steps) < 120 and all(update.values.get(step.name) is not None for step in steps)


def pairs(sheets: int) -> Iterator[tuple[float, set[str], str]]:
    """The same on sheets of the package and random ones."""
    shipped = [read_problem(path) for path in sorted(SHIPPED.glob("*.yaml"))]
    shipped = list(filter(has_numbers, shipped))
    drawn = (simulated.random_problem, whole_sheets.problem, lambda random: random.choice(shipped))
    for number in range(sheets):
        random = Random(f"pair-{number}")
        found = exchanged(random.choice(drawn)(random), random)
        if found is not None:
            yield found


# Gradients only

Rounding = Callable[[float], str]


def significant(digits: int) -> Rounding:
    return simulated.Hand(digits).text


def decimals(places: int) -> Rounding:
    unit = Decimal(1).scaleb(-places)
    return lambda value: str(Decimal(repr(value)).quantize(unit, ROUND_HALF_UP))


ROUNDINGS: tuple[Rounding, ...] = (significant(2), significant(3), decimals(2), decimals(3))


def network(random: Random, sizes: Sequence[int]) -> Problem:
    """A network of so many units in each layer, with numbers as a worksheet has them."""
    layers = [
        {
            "activation": random.choice(
                ("sigmoid", "tanh", "relu") if k < len(sizes) - 1 else ("sigmoid", "identity")
            ),
            "weights": [
                [round(random.uniform(-1, 1), 2) or 0.3 for _ in range(width)] for _ in range(units)
            ],
            "biases": [round(random.uniform(-0.5, 0.5), 2) for _ in range(units)],
        }
        for k, (width, units) in enumerate(pairwise(sizes), 1)
    ]
    data = {
        "title": "-".join(map(str, sizes)),
        "inputs": [round(random.uniform(0.1, 2), 2) for _ in range(sizes[0])],
        "targets": [round(random.uniform(0.05, 0.95), 2) for _ in range(sizes[-1])],
        "layers": layers,
        "loss": "half_squared_error",
        "learning_rate": 0.5,
    }
    return read_problem("network.yaml", yaml.safe_dump(data, sort_keys=False))


def gradients_only(
    random: Random, problem: Problem, rounding: Rounding, end: Rounding | None = None
) -> tuple[list[AnswerResult], list[tuple[float, str]]]:
    """The answers accused of a slip among gradients rounded at each step on the way, and how far
    off each is. They are written as they were rounded, or rounded otherwise in the `end`. Where
    nothing had to be rounded another number is no rounded one."""
    update = simulated.first_update(problem)
    values = {leaf.name: as_float(update.values[leaf.name] or 0) for leaf in update.graph.leaves}
    texts = {}
    for step in update.graph.steps:
        value = as_float(evaluate(step.formula, values.__getitem__))
        text = rounding(value) if value == value and abs(value) < 1e9 else "1"
        values[step.name] = float(text)
        texts[step.name] = end(value) if end and text != "1" else text
    names = [step.name for step in update.graph.steps if step.section == "gradient"]
    checker = Checker(problem)
    report = checker.mark(submission({name: texts[name] for name in names}))
    key = checker.keys[0]
    off = []
    for answer in report.answers:
        if answer.name in names:
            slot = key.structure.slots[answer.name]
            truth = key.truth[slot]
            zero = not float(texts[answer.name])
            far = abs(float(texts[answer.name]) - truth) / abs(truth) if truth and not zero else 1.0
            off.append((far if not key.short[slot] else 1.0, answer.verdict))
    accused = [
        a for a in report.answers if a.mistake and not key.short[key.structure.slots[a.name]]
    ]
    return accused, off


def main(sheets: int) -> int:
    tried, missed = 0, []
    for number in range(sheets):
        some, others = one_off(Random(f"off-{number}"))
        tried, missed = tried + some, missed + others
    print(f"integers one off: {tried} written, {len(missed)} not wrong", *missed[:5], sep="\n  ")

    lost, named, wrong = Counter[float](), Counter[str](), []
    for number in range(sheets):
        marks, code, story = mistyped(Random(f"typed-{number}"))
        lost[marks] += 1
        named[code] += 1
        if code not in ("", "mistyped") or marks > 1:
            wrong.append(story)
    print(f"one mistyped digit: lost {dict(lost)}, named {dict(named)}", *wrong[:8], sep="\n  ")

    cost, codes, odd = Counter[float](), Counter[str](), []
    for lost, named, story in pairs(sheets):
        cost[lost] += 1
        codes.update(named)
        odd += [story] if lost != 1 or named != {"values-exchanged"} else []
    print(f"two exchanged: lost {dict(cost)}, named {dict(codes)}", *odd[:8], sep="\n  ")

    bad = len(missed) + (len(wrong) > 0.01 * sheets) + honest_gradients(sheets)
    return 1 if bad else 0


def honest_gradients(sheets: int, end: Rounding | None = None, *sizes: int) -> int:
    """Counts what is said of gradients handed in alone, on random sheets or networks of a size."""
    bad = 0
    for place, rounding in enumerate(ROUNDINGS):
        accused, near, near_wrong, answers = [], 0, 0, 0
        for number in range(sheets // len(ROUNDINGS) if not sizes else sheets):
            random = Random(f"only-{place}-{number}")
            drawn = random.choice((simulated.random_problem, whole_sheets.problem))
            problem = network(random, sizes) if sizes else drawn(random)
            found, off = gradients_only(random, problem, rounding, end)
            accused += found
            answers += len(off)
            near += sum(far <= 0.1 for far, _ in off)
            near_wrong += sum(far <= 0.1 and verdict == "wrong" for far, verdict in off)
        what = ("2 digits", "3 digits", "2 decimals", "3 decimals")[place]
        print(
            f"gradients only, {'-'.join(map(str, sizes))} {what} on the way: {len(accused)} of "
            f"{answers} accused; {near_wrong} of {near} within 10 % wrong",
            *(f"{a.name} = {a.given}: {a.mistake}" for a in accused[:8]),
            sep="\n  ",
            flush=True,
        )
        bad += len(accused) + (near_wrong > 0.01 * near)
    return bad


if __name__ == "__main__":
    count, *sizes = map(int, sys.argv[1:] or [500])
    sys.exit(honest_gradients(count, significant(4), *sizes) if sizes else main(count))
