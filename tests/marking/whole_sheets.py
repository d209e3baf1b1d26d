"""Students with an idea of their own, who have it everywhere: `python tests/marking/whole_sheets.py
[sheets per idea]`.

Each idea is carried through a whole sheet by hand, from the numbers; nothing of
`backprop_cli.marking` is used. One idea costs one mark, give or take one; two cost two; another
convention that gives the same parameters costs none.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import simulated
import yaml

from backprop_cli.formula.build import names_in
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Call, Name, Product, Sum
from backprop_cli.graph.step import Graph, Step
from backprop_cli.marking.check import Checker
from backprop_cli.marking.model import SubmissionReport
from backprop_cli.marking.submission import Answer, Submission
from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read_problem
from backprop_cli.run import Iteration, solve

Values = Mapping[str, float]
Change = Callable[[Step, Values], float | None]
"""What a student makes of a step, or None where it is done as it should be."""


@dataclass
class Idea:
    """A way of working: changed steps, given numbers read as others, names read as others."""

    change: Change = lambda step, v: None
    given: dict[str, float] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)  # the sheet's name for the student's
    stale: bool = False  # every update begins with the parameters of the first
    shift: int = 0  # gradients copied so many rows too low


def plain(step: Step, v: Values) -> float:
    value = as_float(evaluate(step.formula, v.__getitem__))
    if not math.isfinite(value) and step.numeric is not None:
        value = as_float(evaluate(step.numeric, v.__getitem__))
    return value


def problem(random: Random, **fixed: Any) -> Problem:
    """A sheet with two layers of sigmoid units, square where indices are to be exchanged."""
    hidden = fixed.get("hidden", random.choice(("sigmoid", "tanh")))
    inputs = fixed.get("inputs", random.randint(2, 3))
    units = inputs if fixed.get("square") else random.randint(2, 3)
    outputs = 3 if fixed.get("softmax") else 1

    def number(low: float = -0.9) -> float:
        while abs(value := round(random.uniform(low, 0.95), 2)) < 0.1:
            pass
        return value

    layers = [
        {
            "activation": hidden,
            "weights": [[number() for _ in range(inputs)] for _ in range(units)],
            "biases": [number() for _ in range(units)],
        },
        {
            "activation": "softmax" if fixed.get("softmax") else fixed.get("output", "sigmoid"),
            "weights": [[number() for _ in range(units)] for _ in range(outputs)],
            "biases": [number() for _ in range(outputs)],
        },
    ]
    targets = [1, 0, 0] if fixed.get("softmax") else [round(random.uniform(0.05, 0.95), 2)]
    rows = [
        {"inputs": [number(0.1) + 0.31 for _ in range(inputs)], "targets": list(targets)}
        for _ in range(fixed.get("samples", 1))
    ]
    for row in rows:
        row["inputs"] = [round(x, 2) for x in row["inputs"]]
    data: dict[str, Any] = {"title": "Whole", "layers": layers}
    data |= rows[0] if len(rows) == 1 else {"samples": rows}
    data["loss"] = "cross_entropy" if fixed.get("softmax") else "half_squared_error"
    data["learning_rate"] = random.choice((0.3, 0.5, 0.7))
    training: dict[str, Any] = {"optimizer": "adam"} if fixed.get("adam") else {}
    if fixed.get("steps"):
        training["steps"] = fixed["steps"]
    if fixed.get("momentum"):
        training["optimizer"] = {"name": "momentum", "momentum": 0.9}
    if fixed.get("l2"):
        training["l2"] = 0.1
    if training:
        data["training"] = training
    return read_problem("whole.yaml", yaml.safe_dump(data, sort_keys=False))


def work_out(
    made: Problem, ideas: list[Idea], hand: simulated.Hand
) -> tuple[list[Iteration], list[dict[str, str]]]:
    """Every update of a sheet as these ideas have it, each number rounded as it is written."""
    steps = made.training.steps
    run = solve(made, steps=steps, show=steps)
    pages = []
    carried: dict[str, float] = {}
    for iteration in run.iterations[:steps]:
        graph = iteration.graph
        values = {leaf.name: as_float(iteration.values[leaf.name] or 0) for leaf in graph.leaves}
        first = {
            leaf.name: as_float(run.iterations[0].values.get(leaf.name) or 0)
            for leaf in graph.leaves
        }
        values |= carried
        for idea in ideas:
            if idea.stale:
                values |= {name: first[name] for name in graph.parameters}
            values |= {name: value for name, value in idea.given.items() if name in values}
        texts: dict[str, str] = {}
        for step in graph.steps:
            value = None
            for idea in ideas:
                value = idea.change(step, values) if value is None else value
            texts[step.name] = hand.text(plain(step, values) if value is None else value)
            values[step.name] = float(texts[step.name])
        carried = {old: values[new] for old, new in graph.carried.items()}
        page = {s.name: texts[s.name] for s in graph.steps if s.section in simulated.ASKED}
        for idea in ideas:
            if idea.named:
                page = {idea.named.get(name, name): text for name, text in page.items()}
                page = {s.name: page[s.name] for s in graph.steps if s.name in page}
            if idea.shift:
                page = shifted(graph, page)
        pages.append(page)
    return list(run.iterations[:steps]), pages


def shifted(graph: Graph, page: dict[str, str]) -> dict[str, str]:
    rows = [name for name in page if graph.step[name].section == "gradient"]
    moved = dict(zip(rows[1:], [page[name] for name in rows[:-1]], strict=True))
    return {name: moved.get(name, text) for name, text in page.items() if name != rows[0]}


def submission(pages: list[dict[str, str]]) -> Submission:
    rows = tuple(
        tuple(Answer(name, (text,), 0, 0) for name, text in page.items()) for page in pages
    )
    return Submission("student.yaml", "student", rows)


# The ideas


def of_kind(kinds: tuple[str, ...], value: Callable[[Step, Values], float | None]) -> Idea:
    return Idea(lambda step, v: value(step, v) if step.kind in kinds else None)


def gradient_of(step: Step) -> str:
    """The name that an update takes its gradient from."""
    (name,) = (n for n in names_in(step.formula) if n not in (step.of, "eta"))
    return name


def without_bias(step: Step, v: Values) -> float | None:
    match step.formula:
        case Sum(terms) if isinstance(terms[-1], Name):
            return sum(as_float(evaluate(term, v.__getitem__)) for term in terms[:-1])
        case _:
            return None


def other_activation(other: str) -> Idea:
    slopes: dict[str, Callable[[float], float]] = {
        "tanh": lambda a: 1 - a * a,
        "sigmoid": lambda a: a * (1 - a),
    }

    def change(step: Step, v: Values) -> float | None:
        if step.kind == "activation" and isinstance(step.formula, Call) and step.rule != other:
            return as_float(evaluate(Call(other, step.formula.arguments), v.__getitem__))
        if step.kind == "slope" and step.rule in slopes and step.rule != other and step.of in v:
            return slopes[other](v[step.of])
        return None

    return Idea(change)


def without_slope(step: Step, v: Values) -> float | None:
    (link,) = step.links if len(step.links) == 1 else (None,)
    if link is None or link.slope is None or link.upstream is None or step.product is not None:
        return None
    return v[link.upstream]


def without_input(step: Step, v: Values) -> float | None:
    match step.formula:
        case Product((Name(first), Name(_))):
            return v[first]
        case _:
            return None


def exchanged(graph: Graph) -> dict[str, str]:
    """w1_1_2 for w1_2_1 and the other way round, with their gradients and new values."""
    swap: dict[str, str] = {}
    for name in graph.parameters:
        letter, *places = name.split("_")
        if letter[0] == "w" and len(places) == 2:
            other = f"{letter}_{places[1]}_{places[0]}"
            if other in graph.parameters and other != name:
                swap[name] = other
    return swap


def from_to(graph: Graph, formulas: bool) -> Idea:
    """Weights named from-to: in what is computed, or only in how results are named."""
    swap = exchanged(graph)
    named = {}
    for step in graph.steps:
        if step.of in swap and step.section in ("gradient", "update"):
            other = next(
                s.name
                for s in graph.steps
                if s.of == swap[step.of] and s.kind == step.kind and s.sample == step.sample
            )
            named[step.name] = other
    given = {}
    if formulas:
        given = {name: as_float(graph.leaf[other].value or 0) for name, other in swap.items()}
    return Idea(given=given, named=named)


def ideas(random: Random) -> Mapping[str, tuple[dict[str, Any], Callable[[Problem, Graph], Idea]]]:
    """Each idea with what its sheet must be like."""
    wrong_rate = random.choice((0.1, 0.05, 0.2))

    def misread(kind: str) -> Callable[[Problem, Graph], Idea]:
        def make(_: Problem, graph: Graph) -> Idea:
            leaf = random.choice([leaf for leaf in graph.leaves if leaf.kind == kind])
            value = as_float(leaf.value or 0)
            return Idea(given={leaf.name: round(value + random.choice((0.18, -0.27, 0.36)), 2)})

        return make

    def inputs_exchanged(_: Problem, graph: Graph) -> Idea:
        """x1 read as x2 and x2 as x1, in every sample."""
        names = [leaf.name for leaf in graph.leaves if leaf.kind == "input"]
        one, other = random.sample(sorted({name.partition("[")[0] for name in names}), 2)
        given = {}
        for name in names:
            bare, _, sample = name.partition("[")
            if bare in (one, other):
                its = (other if bare == one else one) + (sample and f"[{sample}")
                given[name] = as_float(graph.leaf[its].value or 0)
        return Idea(given=given)

    def always(idea: Idea) -> Callable[[Problem, Graph], Idea]:
        return lambda made, graph: idea

    def added(step: Step, v: Values) -> float | None:
        return v[step.of or ""] + v["eta"] * v[gradient_of(step)]

    def turned(step: Step, v: Values) -> float | None:
        seed = any(link.upstream is None for link in step.links)
        return -plain(step, v) if seed or step.product is not None else None

    def other_momentum(step: Step, v: Values) -> float | None:
        g = next(n for n in names_in(step.formula) if n not in ("momentum", f"v_{step.of}"))
        return 0.9 * v[f"v_{step.of}"] + (1 - 0.9) * v[g]

    def uncorrected(step: Step, v: Values) -> float | None:
        kind, _, of = step.name.partition("hat_")
        return v[f"{kind}_{of}_new"] if of and kind in ("m", "v") else None

    def sums(step: Step, v: Values) -> float | None:
        return plain(step, v) * 2

    def bias_gets_activation(step: Step, v: Values) -> float | None:
        if step.of is None or step.of[0] != "b":
            return None
        return plain(step, v) * v["x1" if step.of[1] == "1" else "a1_1"]

    def own_class_only(step: Step, v: Values) -> float | None:
        if step.kind != "upstream" or step.product is None or step.unit is None:
            return None
        place = step.unit.index
        return -v[f"y{place}"] * (1 - v[f"yhat{place}"])

    def weights_exchanged_going_back(step: Step, v: Values) -> float | None:
        one, other = "w2_1_1", "w2_1_2"
        if step.kind != "upstream" or {one, other}.isdisjoint(names_in(step.formula)):
            return None
        return plain(step, {**v, one: v[other], other: v[one]})

    def biases_decayed(step: Step, v: Values) -> float | None:
        if step.of is None or step.of[0] != "b":
            return None
        return v[step.of] - v["eta"] * (v[gradient_of(step)] + v["lambda2"] * v[step.of])

    return {
        "weights exchanged going back": ({}, always(Idea(weights_exchanged_going_back))),
        "biases decayed": ({"l2": True, "steps": 2}, always(of_kind(("update",), biases_decayed))),
        "added": ({}, always(of_kind(("update",), added))),
        "no rate": (
            {},
            always(of_kind(("update",), lambda s, v: v[s.of or ""] - v[gradient_of(s)])),
        ),
        "other rate": ({}, always(Idea(given={"eta": wrong_rate}))),
        "no bias": ({}, always(of_kind(("preactivation",), without_bias))),
        "tanh for sigmoid": ({"hidden": "sigmoid"}, always(other_activation("tanh"))),
        "no slope": ({}, always(of_kind(("upstream",), without_slope))),
        "no input": ({}, always(of_kind(("gradient",), without_input))),
        "bias times input": ({}, always(of_kind(("gradient",), bias_gets_activation))),
        "turned error": ({}, always(of_kind(("upstream",), turned))),
        "misread input": ({}, misread("input")),
        "inputs exchanged": ({}, inputs_exchanged),
        "inputs exchanged, two samples": ({"samples": 2}, inputs_exchanged),
        "misread weight": ({}, misread("parameter")),
        "misread target": ({}, misread("target")),
        "indices exchanged": ({"square": True}, lambda p, g: from_to(g, True)),
        "sums for means": (
            {"samples": 2, "steps": 2},
            always(of_kind(("batch_loss", "batch_gradient"), sums)),
        ),
        "other momentum": (
            {"momentum": True, "steps": 2},
            always(of_kind(("state",), other_momentum)),
        ),
        "Adam without corrections": (
            {"adam": True, "steps": 2},
            always(of_kind(("state",), uncorrected)),
        ),
        "stale": ({"steps": 2}, always(Idea(stale=True))),
        "own class only": ({"softmax": True}, always(Idea(own_class_only))),
        "rows too low": ({}, always(Idea(shift=1))),
        "no bias, softmax": ({"softmax": True}, always(of_kind(("preactivation",), without_bias))),
    }


def conventions() -> Mapping[str, tuple[dict[str, Any], Callable[[Problem, Graph], Idea]]]:
    """What is no slip: the parameters come out the same."""

    def turned_and_added(step: Step, v: Values) -> float | None:
        if step.kind == "upstream" and any(link.upstream is None for link in step.links):
            return -plain(step, v)
        if step.kind == "update":
            return v[step.of or ""] + v["eta"] * v[gradient_of(step)]
        return None

    def rate_in_velocity(sign: int) -> Idea:
        def change(step: Step, v: Values) -> float | None:
            old = f"v_{step.of}"
            if step.kind == "state":
                g = next(n for n in names_in(step.formula) if n not in ("momentum", old))
                return 0.9 * v[old] + sign * v["eta"] * v[g]
            if step.kind == "update":
                return v[step.of or ""] - sign * v[f"{old}_new"]
            return None

        return Idea(change)

    return {
        "error turned, update added": ({}, lambda p, g: Idea(turned_and_added)),
        "rate in the velocity": ({"momentum": True, "steps": 2}, lambda p, g: rate_in_velocity(1)),
        "velocity downhill": ({"momentum": True, "steps": 2}, lambda p, g: rate_in_velocity(-1)),
        "names exchanged": ({"square": True}, lambda p, g: from_to(g, False)),
    }


HANDS = (simulated.Hand(4), simulated.Hand(5), simulated.Hand(4, cut=True), simulated.Hand(6))


@dataclass
class Count:
    sheets: int = 0
    near: int = 0  # lost as many marks as the student has ideas, give or take one
    lost: list[float] = field(default_factory=list)


def marked(random: Random, kinds: list[str]) -> tuple[float, SubmissionReport]:
    """One student's sheet, marked: the marks lost and the report."""
    table = {**ideas(random), **conventions()}
    fixed: dict[str, Any] = {}
    for kind in kinds:
        fixed |= table[kind][0]
    made = problem(random, **fixed)
    graph = solve(made, steps=1, show=1).iterations[0].graph
    own = [table[kind][1](made, graph) for kind in kinds]
    _, pages = work_out(made, own, random.choice(HANDS))
    report = Checker(made).mark(submission(pages))
    return report.max_score - report.score, report


def count(kinds: list[str], sheets: int, expected: float, show: bool = False) -> Count:
    found = Count()
    for number in range(sheets):
        lost, report = marked(Random(f"{'+'.join(kinds)}-{number}"), kinds)
        found.sheets += 1
        found.near += abs(lost - expected) <= 1
        found.lost.append(lost)
        if show and abs(lost - expected) > 1:
            print(f"{kinds} {number}: {lost} of {report.max_score} lost")
            for answer in report.answers:
                if answer.points < answer.max_points:
                    code = answer.mistake.code if answer.mistake else ""
                    print(
                        f"   {answer.iteration} {answer.name} = {answer.given}: {answer.verdict} {code} {answer.feedback[:90]}"
                    )
    return found


PAIRS = (
    ["added", "no bias"],
    ["no slope", "no rate"],
    ["misread input", "added"],
    ["tanh for sigmoid", "no rate"],
    ["turned error", "no bias"],
    ["other rate", "no slope"],
    ["other rate", "no bias"],
    ["other rate", "misread input"],
    ["other rate", "sums for means"],
)


def rows(sheets: int) -> Iterator[tuple[str, float, list[str]]]:
    for kind in ideas(Random(0)):
        yield kind, 1, [kind]
    for kind in conventions():
        yield kind, 0, [kind]
    for pair in PAIRS:
        yield " + ".join(pair), 2, pair


def main(sheets: int, only: str = "", show: bool = False) -> int:
    bad = 0
    for name, expected, kinds in rows(sheets):
        if only not in name:
            continue
        found = count(kinds, sheets, expected, show)
        share = found.near / found.sheets
        bad += share < (0.95 if expected < 2 else 0.9)
        mean = sum(found.lost) / len(found.lost)
        print(f"{name:32} expected {expected}, lost {mean:5.2f} on average, near {share:7.1%}")
    return 1 if bad else 0


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    sys.exit(main(number, sys.argv[2] if len(sys.argv) > 2 else "", "-v" in sys.argv))
