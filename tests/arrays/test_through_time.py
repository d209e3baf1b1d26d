"""Every gradient through time against central differences of 40 digits.

The loss is worked out again from the recurrence itself, by mpmath. By hand, over many problems:
`python tests/arrays/test_through_time.py 200`.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence

import mpmath
import pytest

from backprop_cli.problem.read import read_problem
from backprop_cli.run import solve

Loss = Callable[[Mapping[str, "mpmath.matrix"]], "mpmath.mpf"]

FUNCTIONS = {
    "tanh": mpmath.tanh,
    "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
    "softplus": lambda z: mpmath.log(1 + mpmath.exp(z)),
    "sin": mpmath.sin,
}


class Made:
    """A problem with random numbers, and its loss as a function of its parameters."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.low = rng.choice((1, 1, 2))
        self.high = self.low + rng.randint(1, 3)
        self.times = range(self.low, self.high + 1)
        self.given: dict[str, list[list[float]]] = {}
        self.parameters: dict[str, list[list[float]]] = {}
        self.width, self.units = rng.randint(1, 3), rng.randint(1, 3)
        self.act = rng.choice(sorted(FUNCTIONS))

    def numbers(self, rows: int, columns: int) -> list[list[float]]:
        return [
            [round(self.rng.uniform(-1.5, 1.5), 2) for _ in range(columns)] for _ in range(rows)
        ]

    def row(self, name: str, time: int) -> mpmath.matrix:
        return mpmath.matrix([[each] for each in self.given[name][time - 1]])

    def sequence(self, name: str, width: int) -> None:
        """Rows from 1 on, whichever of them are asked for."""
        self.given[name] = self.numbers(self.high, width)

    def first(self, name: str, width: int) -> None:
        self.given[f"{name}_{self.low - 1}"] = self.numbers(1, width)

    def start(self, name: str) -> mpmath.matrix:
        return mpmath.matrix([[each] for each in self.given[f"{name}_{self.low - 1}"][0]])

    def text(self, equations: str) -> str:
        def listed(name: str, value: list[list[float]], column: bool) -> str:
            flat = value[0] if column else value
            return f"  {name}: {flat}"

        given = [listed(n, v, n.endswith(f"_{self.low - 1}")) for n, v in self.given.items()]
        own = [
            listed(n, [[row[0] for row in v]] if n.startswith("b") else v, n.startswith("b"))
            for n, v in self.parameters.items()
        ]
        lines = ["title: t", f"index: {{t: {self.low}..{self.high}}}", "equations:"]
        lines += [f"  {line}" for line in equations.strip().splitlines()]
        return "\n".join([*lines, "given:", *given, "parameters:", *own, ""])


def each(function: str, of: mpmath.matrix) -> mpmath.matrix:
    return of.apply(FUNCTIONS[function])


def times(one: mpmath.matrix, other: mpmath.matrix) -> mpmath.matrix:
    return mpmath.matrix([[a * b] for a, b in zip(one, other, strict=True)])


def squares(of: mpmath.matrix) -> mpmath.mpf:
    return mpmath.fsum(value**2 for value in of)


def rnn(made: Made) -> tuple[str, Loss]:
    """An output at every time, the loss their sum or their mean."""
    made.sequence("x", made.width)
    made.sequence("y", 2)
    made.first("h", made.units)
    shapes = {"Wx": (made.units, made.width), "Wh": (made.units, made.units), "b": (made.units, 1),
              "Wy": (2, made.units), "bc": (2, 1)}  # fmt: skip
    made.parameters = {name: made.numbers(*shape) for name, shape in shapes.items()}
    whole = made.rng.choice(("sum", "mean"))
    text = f"""
h_t: {made.act}(Wx @ x_t + Wh @ h_{{t-1}} + b)
o_t: Wy @ h_t + bc
L_t: ½ sum((o_t - y_t)²)
L: {whole}(L_t)
"""

    def loss(p: Mapping[str, mpmath.matrix]) -> mpmath.mpf:
        h, found = made.start("h"), mpmath.mpf(0)
        for t in made.times:
            h = each(made.act, p["Wx"] * made.row("x", t) + p["Wh"] * h + p["b"])
            found += squares(p["Wy"] * h + p["bc"] - made.row("y", t)) / 2
        return found / (1 if whole == "sum" else len(made.times))

    return text, loss


def lstm(made: Made) -> tuple[str, Loss]:
    """Gates, a state and an output; the loss is of the last output alone."""
    made.sequence("x", made.width)
    made.first("h", made.units)
    made.first("c", made.units)
    for gate in "ifog":
        made.parameters |= {f"W{gate}": made.numbers(made.units, made.width)}
        made.parameters |= {f"U{gate}": made.numbers(made.units, made.units)}
        made.parameters |= {f"b{gate}": made.numbers(made.units, 1)}
    gates = "\n".join(
        f"{gate}_t: {'tanh' if gate == 'g' else 'sigmoid'}(W{gate} @ x_t + U{gate} @ h_{{t-1}} + b{gate})"
        for gate in "ifog"
    )
    text = f"""
{gates}
c_t: f_t * c_{{t-1}} + i_t * g_t
h_t: o_t * {made.act}(c_t)
L: sum(h_{made.high}²) + sum(c_{made.low})
"""

    def loss(p: Mapping[str, mpmath.matrix]) -> mpmath.mpf:
        h, c, first = made.start("h"), made.start("c"), mpmath.mpf(0)
        for t in made.times:
            x = made.row("x", t)
            i, f, o, g = (
                each(
                    "tanh" if gate == "g" else "sigmoid",
                    p[f"W{gate}"] * x + p[f"U{gate}"] * h + p[f"b{gate}"],
                )
                for gate in "ifog"
            )
            c = times(f, c) + times(i, g)
            h = times(o, each(made.act, c))
            if t == made.low:
                first = mpmath.fsum(c)
        return squares(h) + first

    return text, loss


def scalars(made: Made) -> tuple[str, Loss]:
    """A sequence of single numbers, and another that adds it up."""
    made.given["x"] = [made.numbers(1, made.high)[0]]
    made.given[f"s_{made.low - 1}"] = made.numbers(1, 1)
    made.given[f"m_{made.low - 1}"] = made.numbers(1, 1)
    made.parameters = {name: made.numbers(1, 1) for name in ("w", "u", "v")}
    text = f"""
s_t: {made.act}(w*x_t + u*s_{{t-1}})
m_t: v*m_{{t-1}} + (1 - v)*s_t*x_t
L: mean(m_t²) + s_{made.high}
"""

    def loss(p: Mapping[str, mpmath.matrix]) -> mpmath.mpf:
        w, u, v = (p[name][0] for name in ("w", "u", "v"))
        s, m = (mpmath.mpf(made.given[f"{name}_{made.low - 1}"][0][0]) for name in "sm")
        all_m = []
        for t in made.times:
            x = mpmath.mpf(made.given["x"][0][t - 1])
            s = FUNCTIONS[made.act](w * x + u * s)
            m = v * m + (1 - v) * s * x
            all_m.append(m)
        return mpmath.fsum(value**2 for value in all_m) / len(all_m) + s

    return text, loss


def written(made: Made, kind: str) -> tuple[str, Loss]:
    equations, loss = KINDS[kind](made)
    text = made.text(equations)
    if kind == "scalars":  # numbers, not lists of one
        for name, value in made.parameters.items():
            text = text.replace(f"  {name}: {value}", f"  {name}: {value[0][0]}")
        for name in ("s", "m"):
            first = f"{name}_{made.low - 1}"
            text = text.replace(
                f"{first}: {made.given[first][0]}", f"{first}: {made.given[first][0][0]}"
            )
        text = text.replace(f"  x: {made.given['x']}", f"  x: {made.given['x'][0]}")
    return text, loss


KINDS: Mapping[str, Callable[[Made], tuple[str, Loss]]] = {
    "rnn": rnn,
    "lstm": lstm,
    "scalars": scalars,
}


def furthest(seed: int, kind: str) -> tuple[int, float]:
    """How many gradients were compared, and the largest difference as a share of the gradient."""
    made = Made(random.Random(f"{kind}{seed}"))
    text, loss = written(made, kind)
    values = solve(read_problem("t.yaml", text)).iterations[0].values
    with mpmath.workdps(40):
        # The numbers as they are written, not as floats have them.
        def exact(rows: Sequence[Sequence[float]]) -> mpmath.matrix:
            return mpmath.matrix([[mpmath.mpf(str(value)) for value in row] for row in rows])

        made.given = {
            n: [[mpmath.mpf(str(v)) for v in row] for row in rows] for n, rows in made.given.items()
        }
        point = {name: exact(rows) for name, rows in made.parameters.items()}
        assert abs(loss(point) - float(values["L"])) <= 1e-12 * max(1, abs(loss(point)))
        step, worst, count = mpmath.mpf(10) ** -12, 0.0, 0
        for name, matrix in point.items():
            for row in range(matrix.rows):
                for column in range(matrix.cols):
                    ends = []
                    for sign in (1, -1):
                        moved = matrix.copy()
                        moved[row, column] += sign * step
                        ends.append(loss({**point, name: moved}))
                    quotient = (ends[0] - ends[1]) / (2 * step)
                    places = [] if kind == "scalars" else [row + 1, column + 1]
                    places = places[:1] if name.startswith("b") else places
                    own = float(values["_".join(["dL/d" + name, *map(str, places)])])
                    worst = max(
                        worst, float(abs(own - quotient) / max(abs(quotient), mpmath.mpf("1e-6")))
                    )
                    count += 1
    return count, worst


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_every_gradient_through_time_is_its_quotient(kind: str, seed: int) -> None:
    count, worst = furthest(seed, kind)
    assert count > 2
    assert worst < 1e-9


if __name__ == "__main__":
    many = int(sys.argv[1]) if sys.argv[1:] else 200
    found = [
        (seed, kind, *furthest(seed, kind))
        for seed in range(many)
        for kind in [list(KINDS)[seed % 3]]
    ]
    print(sum(count for _, _, count, _ in found), "gradients of", many, "problems")
    print("furthest:", max(found, key=lambda each: each[3]))
