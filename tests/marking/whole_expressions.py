"""Students who answer in formulas and have one idea everywhere: `python
tests/marking/whole_expressions.py [-v]`.

Formulas are written out back to what was worked out going forward; nothing of
`backprop_cli.marking` makes them. One idea costs one mark, give or take one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import simulated
import whole_sheets

from backprop_cli.formula import plain
from backprop_cli.formula.build import names_in, negative, product, rename, substitute, total
from backprop_cli.formula.nodes import Call, Formula, Name, Negative, Number, Power, Product, Sum
from backprop_cli.graph.step import Graph, Step
from backprop_cli.marking.check import Checker
from backprop_cli.marking.model import SubmissionReport
from backprop_cli.marking.submission import Answer, Submission
from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read_problem

PROBLEMS = Path(__file__).parents[2] / "problems"
SHEETS = (
    "tanh-two-outputs-symbolic",
    "two-hidden-layers",
    "relu-regression-symbolic",
    "textbook-sigmoid-3-2-1",
    "xor-with-hidden-layer",
)

Idea = Callable[[Step, Graph], Formula | None]
"""What a step is taken for, or None where it is done as it should be."""


def no_slope(step: Step, graph: Graph) -> Formula | None:
    links = step.links
    if step.kind != "upstream" or not any(link.slope for link in links):
        return None
    slopes = {
        link.slope: Number("1")
        for link in links
        if link.slope and graph.step[link.child].kind == "activation"
    }
    return substitute(step.formula, slopes) if slopes else None


def at_z(step: Step, graph: Graph) -> Formula | None:
    if step.kind != "slope" or step.of not in graph.step:
        return None
    names = names_in(graph.step[step.of].formula)
    return substitute(step.formula, {step.of: Name(names[0])}) if len(names) == 1 else None


def of_update(change: Callable[[Name, Name, Name], Formula]) -> Idea:
    def idea(step: Step, graph: Graph) -> Formula | None:
        if step.kind != "update" or step.of is None:
            return None
        gradient = next(n for n in names_in(step.formula) if n not in (step.of, "eta"))
        return change(Name(step.of), Name("eta"), Name(gradient))

    return idea


def no_bias(step: Step, graph: Graph) -> Formula | None:
    match step.formula:
        case Sum(terms) if step.kind == "preactivation" and isinstance(terms[-1], Name):
            return total(*terms[:-1])
    return None


def no_input(step: Step, graph: Graph) -> Formula | None:
    match step.formula:
        case Product((Name() as first, Name())) if step.kind == "gradient":
            return first
    return None


def no_weight(step: Step, graph: Graph) -> Formula | None:
    if step.kind != "upstream":
        return None
    weights = {n: Number("1") for n in names_in(step.formula) if n in graph.parameters}
    return substitute(step.formula, weights) if weights else None


def first_path(step: Step, graph: Graph) -> Formula | None:
    match step.formula:
        case Sum(terms) if step.kind == "upstream" and len(step.links) > 1:
            return terms[0]
    return None


def turned(step: Step, graph: Graph) -> Formula | None:
    seed = step.kind == "upstream" and any(link.upstream is None for link in step.links)
    return negative(step.formula) if seed else None


def doubled(step: Step, graph: Graph) -> Formula | None:
    return product(Number("2"), step.formula) if turned(step, graph) is not None else None


def last_layer(graph: Graph) -> int:
    return max(step.unit.layer for step in graph.steps if step.unit is not None)


def other_activation(step: Step, graph: Graph) -> Formula | None:
    hidden = step.rule in ("tanh", "sigmoid", "relu") and bool(
        step.unit and step.unit.layer < last_layer(graph)
    )
    if not hidden:
        return None
    other = "sigmoid" if step.rule == "tanh" else "tanh"
    if step.kind == "activation" and isinstance(step.formula, Call):
        return Call(other, step.formula.arguments)
    if step.kind == "slope":
        a = Name(step.of or "")
        one = Number("1")
        if other == "sigmoid":
            return product(a, Sum((one, Negative(a))))
        return Sum((one, Negative(Power(a, Number("2")))))
    return None


def no_activation(step: Step, graph: Graph) -> Formula | None:
    if step.kind == "activation" and isinstance(step.formula, Call):
        return step.formula.arguments[0]
    return Number("1") if step.kind == "slope" and step.rule else None


def swapped(step: Step, graph: Graph) -> Formula | None:
    swap = whole_sheets.exchanged(graph)
    return rename(step.formula, lambda name: swap.get(name, name)) if swap else None


IDEAS: dict[str, Idea] = {
    "no slope": no_slope,
    "slope at z": at_z,
    "ascent": of_update(lambda w, eta, g: Sum((w, product(eta, g)))),
    "no rate": of_update(lambda w, eta, g: Sum((w, Negative(g)))),
    "no bias": no_bias,
    "no input": no_input,
    "no weight": no_weight,
    "first path": first_path,
    "turned": turned,
    "doubled": doubled,
    "other activation": other_activation,
    "no activation": no_activation,
    "indices exchanged": swapped,
}


def written(graph: Graph, idea: Idea) -> dict[str, str] | None:
    """The asked formulas, backward steps written out; None where the idea changes nothing."""
    changed = False
    back: dict[str, Formula] = {}
    texts = {}
    for step in graph.steps:
        made = idea(step, graph)
        formula = step.formula if made is None else made
        changed |= formula != step.formula
        formula = substitute(formula, {n: back[n] for n in names_in(formula) if n in back})
        if step.section in ("backward",):
            back[step.name] = formula
        elif step.section in simulated.ASKED:
            texts[step.name] = plain.write(formula)
    return texts if changed else None


def cases() -> Iterator[tuple[str, str, Problem, dict[str, str]]]:
    for sheet in SHEETS:
        problem = read_problem(PROBLEMS / f"{sheet}.yaml")
        graph = simulated.first_update(problem).graph
        for name, idea in IDEAS.items():
            texts = written(graph, idea)
            if texts is not None:
                yield sheet, name, problem, texts


def marked(checker: Checker, texts: dict[str, str]) -> SubmissionReport:
    rows = tuple(Answer(name, (text,), 0, 0) for name, text in texts.items())
    others = tuple(() for _ in checker.keys[1:])
    return checker.mark(Submission("s.yaml", "s", (rows, *others)))


def main(show: bool = False) -> int:
    bad = 0
    checkers: dict[str, Checker] = {}
    for sheet, name, problem, texts in cases():
        checker = checkers.setdefault(sheet, Checker(problem))
        start = time.perf_counter()
        report = marked(checker, texts)
        first = time.perf_counter() - start
        start = time.perf_counter()
        marked(checker, texts)
        again = time.perf_counter() - start
        answered = [a for a in report.answers if a.iteration == 1 and a.verdict != "missing"]
        lost = sum(a.max_points - a.points for a in answered)
        named = {a.mistake.code if a.mistake else "-" for a in answered if a.points < a.max_points}
        bad += lost > 2
        print(
            f"{sheet:28} {name:18} lost {lost:5.1f} of {len(answered)} "
            f"{1000 * first:6.0f} ms, again {1000 * again:5.0f} ms {', '.join(sorted(named))}"
        )
        if show and lost > 2:
            for a in answered:
                if a.points < a.max_points:
                    print(f"    {a.name}: {a.given}: {a.verdict} {a.feedback[:120]}")
    return bad


if __name__ == "__main__":
    sys.exit(main("-v" in sys.argv))
