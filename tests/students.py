"""Students who solve a sheet on paper, each with at most one slip, and carry on from there.

They write the files of `problems/answers/`: `python tests/students.py` does it again. Every
number is rounded as it is written and used as rounded; what is only in the student's head (the
gradients for z and a) is not. Nothing of the package is used here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import oracle

ANSWERS = Path(__file__).parent.parent / "problems" / "answers"

DIGITS = 5


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def as_written(value: float, digits: int = DIGITS) -> str:
    """The number on paper: rounded, no exponent, no minus in front of zero."""
    return format(Decimal(f"{value + 0.0:.{digits}g}"), "f")


@dataclass
class Paper:
    """What a student has written so far, name by name."""

    answers: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, value: float) -> float:
        """Write a value down and go on with what stands there."""
        self.answers[name] = as_written(value)
        return float(self.answers[name])


def two_hidden_layers(slip: str = "") -> list[Paper]:
    """problems/two-hidden-layers.yaml from top to bottom."""
    w = oracle.model(oracle.read("two-hidden-layers")).parameters
    x, y, eta = {1: 6.0, 2: 2.0, 3: 5.0}, 1.0, 0.7
    units = (1, 2)
    paper = Paper()
    write = paper.write

    z1 = {
        j: write(f"z1_{j}", sum(w[f"w1_{i}_{j}"] * x[i] for i in x) + w[f"b1_{j}"]) for j in units
    }
    a1 = {j: write(f"a1_{j}", max(0.0, z1[j])) for j in units}

    z2, a2 = {}, {}
    for j in units:
        last = w[f"w2_2_{j}"]
        if slip == "wrong-operand" and j == 2:
            last = a2[1]
        z2[j] = write(f"z2_{j}", w[f"w2_1_{j}"] * a1[1] + last * a1[2] + w[f"b2_{j}"])
        wrong = slip == "wrong-activation" and j == 1
        a2[j] = write(f"a2_{j}", math.tanh(z2[j]) if wrong else sigmoid(z2[j]))

    bias = 0.0 if slip == "missing-bias" else w["b3_1"]
    z3 = write("z3_1", w["w3_1_1"] * a2[1] + w["w3_2_1"] * a2[2] + bias)
    yhat = write("yhat", sigmoid(z3))
    write("L", (y - yhat) ** 2 / 2)

    error = yhat - y
    if slip == "sign-flipped":
        error = y - yhat
    if slip == "loss-constant":
        error = 2 * (yhat - y)
    dz3 = error if slip == "missing-activation-derivative" else error * yhat * (1 - yhat)
    new: dict[str, float] = {}

    def update(name: str, gradient: float) -> None:
        rate = 1.0 if slip == "missing-learning-rate" and name == "w3_2_1" else eta
        rate = -rate if slip == "ascent" and name == "w3_1_1" else rate
        new[name] = write(f"{name}_new", w[name] - rate * gradient)

    def parameter(name: str, gradient: float) -> None:
        if slip == "decimal-slip" and name == "w2_1_1":
            gradient = gradient * 10
        if slip == "extra-factor" and name == "b2_1":
            gradient = gradient * w["w2_1_1"]
        update(name, write(f"dL/d{name}", gradient))

    for i in units:
        parameter(f"w3_{i}_1", dz3 * a2[i])
    parameter("b3_1", dz3)

    dz2 = {}
    for j in units:
        weight = w[f"w3_{j}_1"]
        if slip == "used-updated-weights" and j == 1:
            weight = new["w3_1_1"]
        slope = a2[j] * (1 - a2[j])
        if slip == "derivative-at-wrong-point" and j == 1:
            slope = z2[1] * (1 - z2[1])
        dz2[j] = dz3 * weight * slope
        for i in units:
            left_out = slip == "missing-factor" and (j, i) == (1, 2)
            parameter(f"w2_{i}_{j}", dz2[j] if left_out else dz2[j] * a1[i])
        parameter(f"b2_{j}", dz2[j])

    for j in units:
        paths = [dz2[1] * w[f"w2_{j}_1"], dz2[2] * w[f"w2_{j}_2"]]
        if slip == "missing-path" and j == 1:
            paths.pop()
        dz1 = sum(paths)  # both ReLUs are on
        for i in x:
            parameter(f"w1_{i}_{j}", dz1 * x[i])
        parameter(f"b1_{j}", dz1)
    return [paper]


def vanishing_gradient(slip: str = "") -> list[Paper]:
    """problems/vanishing-gradient.yaml: three sigmoids in a row, every weight 0.5."""
    w, x, y = 0.5, 1.0, 1.0
    paper = Paper()
    write = paper.write
    z1 = write("z1_1", w * x)
    a1 = write("a1_1", sigmoid(z1))
    z2 = write("z2_1", w * a1)
    a2 = write("a2_1", z2 if slip == "missing-activation" else sigmoid(z2))
    z3 = write("z3_1", w * a2)
    yhat = write("yhat", sigmoid(z3))
    write("L", (y - yhat) ** 2 / 2)
    dz3 = (yhat - y) * yhat * (1 - yhat)
    write("dL/dw3_1_1", dz3 * a2)
    dz2 = dz3 * w * a2 * (1 - a2)
    write("dL/dw2_1_1", dz2 * a1)
    dz1 = dz2 * w * a1 * (1 - a1)
    write("dL/dw1_1_1", dz1 * x)
    return [paper]


def line_fit(problem: str, slip: str = "") -> list[Paper]:
    """problems/line-fit-full-batch.yaml or line-fit-sum.yaml, update by update."""
    file = oracle.read(problem)
    training = file["training"]
    share = 1.0 if training.get("reduction") == "sum" else 1 / len(file["samples"])
    w, b = 1.0, 0.0
    papers = []
    for update in range(training.get("steps", 1)):
        paper = Paper()
        write = paper.write
        losses, for_w, for_b = 0.0, 0.0, 0.0
        for s, sample in enumerate(file["samples"], 1):
            x, y = sample["inputs"][0], sample["targets"][0]
            z = write(f"z1_1[{s}]", w * x + b)
            yhat = write(f"yhat[{s}]", z)
            losses += write(f"L[{s}]", (y - yhat) ** 2 / 2)
            for_w += write(f"dL[{s}]/dw1_1_1", (yhat - y) * x)
            for_b += write(f"dL[{s}]/db1_1", yhat - y)
        write("L", losses * share)
        here = share
        if update == 0 and slip == "sum-not-mean":
            here = 1.0
        if update == 0 and slip == "mean-not-sum":
            here = 1 / len(file["samples"])
        dw = write("dL/dw1_1_1", for_w * here)
        db = write("dL/db1_1", for_b * share)
        eta = file["learning_rate"]
        w = write("w1_1_1_new", w - eta * dw)
        b = write("b1_1_new", b - eta * db)
        papers.append(paper)
    return papers


Solver = Callable[[str], list[Paper]]

SLIPS: Mapping[str, tuple[str, Solver, str]] = {
    code: (problem, solver, story)
    for code, problem, solver, story in (
        (
            "sign-flipped",
            "two-hidden-layers",
            two_hidden_layers,
            "takes the slope of the loss as y - ŷ, so that every gradient has the wrong sign.",
        ),
        (
            "missing-activation-derivative",
            "two-hidden-layers",
            two_hidden_layers,
            "forgets the factor ŷ(1 - ŷ) of the output unit.",
        ),
        (
            "derivative-at-wrong-point",
            "two-hidden-layers",
            two_hidden_layers,
            "writes the slope of unit 1 of layer 2 as z(1 - z) where a(1 - a) belongs.",
        ),
        (
            "missing-path",
            "two-hidden-layers",
            two_hidden_layers,
            "follows only the path through unit 1 of layer 2 back to unit 1 of layer 1.",
        ),
        (
            "missing-factor",
            "two-hidden-layers",
            two_hidden_layers,
            "leaves out the activation a1_2 in the gradient for w2_1_2.",
        ),
        (
            "extra-factor",
            "two-hidden-layers",
            two_hidden_layers,
            "multiplies the gradient for the bias b2_1 by the weight w2_1_1.",
        ),
        (
            "loss-constant",
            "two-hidden-layers",
            two_hidden_layers,
            "takes the slope of the loss as 2(ŷ - y), as if there were no ½.",
        ),
        (
            "wrong-operand",
            "two-hidden-layers",
            two_hidden_layers,
            "uses the activation a2_1 in z2_2 where the weight w2_2_2 belongs.",
        ),
        (
            "used-updated-weights",
            "two-hidden-layers",
            two_hidden_layers,
            "goes back through w3_1_1 after updating it.",
        ),
        (
            "ascent",
            "two-hidden-layers",
            two_hidden_layers,
            "adds the step to w3_1_1 instead of subtracting it.",
        ),
        (
            "missing-learning-rate",
            "two-hidden-layers",
            two_hidden_layers,
            "subtracts the whole gradient from w3_1_2.",
        ),
        (
            "missing-bias",
            "two-hidden-layers",
            two_hidden_layers,
            "forgets the bias in z3_1.",
        ),
        (
            "missing-activation",
            "vanishing-gradient",
            vanishing_gradient,
            "hands z2_1 on as a2_1.",
        ),
        (
            "wrong-activation",
            "two-hidden-layers",
            two_hidden_layers,
            "puts z2_1 into tanh instead of the sigmoid.",
        ),
        (
            "sum-not-mean",
            "line-fit-full-batch",
            lambda slip: line_fit("line-fit-full-batch", slip),
            "takes the sum of the samples' gradients for the weight, in the first update.",
        ),
        (
            "mean-not-sum",
            "line-fit-sum",
            lambda slip: line_fit("line-fit-sum", slip),
            "takes the mean of the samples' gradients for the weight.",
        ),
        (
            "decimal-slip",
            "two-hidden-layers",
            two_hidden_layers,
            "loses a zero in the gradient for w2_1_1.",
        ),
    )
}


def answer_file(problem: str, papers: list[Paper], student: str, story: str) -> str:
    """An answer file as a student hands it in, with a comment for the reader in front."""
    lines = [f"# Problem: problems/{problem}.yaml", f"# {story}", f"student: {student}"]
    if len(papers) == 1:
        lines.append("answers:")
        lines += [f"  {name}: {text}" for name, text in papers[0].answers.items()]
        return "\n".join(lines) + "\n"
    lines.append("iterations:")
    for paper in papers:
        for index, (name, text) in enumerate(paper.answers.items()):
            lines.append(f"  {' ' if index else '-'} {name}: {text}")
    return "\n".join(lines) + "\n"


def perfect() -> str:
    """C2 with every asked number right to five digits, none of them carried on rounded."""
    truth = oracle.solve(oracle.read("two-hidden-layers")).updates[0]
    paper = Paper()
    for name in two_hidden_layers()[0].answers:
        paper.write(name, truth[name])
    return answer_file(
        "two-hidden-layers", [paper], "perfect", "Every number is right, rounded to five digits."
    )


def files() -> Iterator[tuple[Path, str]]:
    """Every generated answer file with its text."""
    yield ANSWERS / "two-hidden-layers-perfect.yaml", perfect()
    for code, (problem, solver, story) in SLIPS.items():
        text = answer_file(problem, solver(code), code, f"Slip: {code}. The student {story}")
        yield ANSWERS / "slips" / f"{code}.yaml", text


if __name__ == "__main__":
    for path, text in files():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
