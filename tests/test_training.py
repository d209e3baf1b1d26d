"""Training: published update rules, remedies, batches, and how a run ends.

The oracle's optimizers are written from the documentation of `torch.optim`, on floats, one
parameter at a time; its gradients come from automatic differentiation.
"""

from __future__ import annotations

import copy
import json
import math
import tracemalloc
from typing import Any

import oracle
import ours
import pytest
import strategies
from hypothesis import given
from strategies import Problem, examples

from backprop_cli.problem.read import read_problem
from backprop_cli.render import text
from backprop_cli.rules.optimizers import OPTIMIZERS
from backprop_cli.run import Run
from backprop_cli.worksheet.solution import solution
from backprop_cli.worksheet.solution_json import solution_json

PRECISION = 1e-10

CLIPS: dict[str, dict[str, Any]] = {
    "unclipped": {},
    "clipped by norm": {"clip": {"norm": 0.05}},
    "clipped by value": {"clip": {"value": 0.0213}},
}
PENALTIES: dict[str, dict[str, Any]] = {
    "no penalty": {},
    "l1": {"l1": 0.03},
    "l2": {"l2": 0.1},
    "l2 with biases": {"l2": {"value": 0.1, "biases": True}},
    "l2 in the loss": {"l2": {"value": 0.1, "in_loss": True}, "l1": 0.01},
    "both in the loss": {
        "l1": {"value": 0.02, "in_loss": True, "biases": True},
        "l2": {"value": 0.1, "half": False, "in_loss": True},
    },
}
BATCHES = (1, 2, "all")
# Every pair of remedies, with one kind of batch each: each two of the three meet somewhere.
REMEDIES = [
    pytest.param(clip, penalty, BATCHES[(one + other) % 3], id=f"{clip}, {penalty}")
    for one, clip in enumerate(CLIPS)
    for other, penalty in enumerate(PENALTIES)
]
RULES = sorted(set(OPTIMIZERS) - {"nesterov_look_ahead", "newton"})  # these have tests of their own


def small(**training: Any) -> Problem:
    """Three samples through a 2-2-1 network; batches of two wrap round."""
    return {
        "samples": [
            {"inputs": [0.5, -1.25], "targets": [1]},
            {"inputs": [-0.75, 0.5], "targets": [0]},
            {"inputs": [1, 0.25], "targets": [0.5]},
        ],
        "layers": [
            {
                "activation": "tanh",
                "weights": [[0.3, -0.4], [-0.7, 0.2]],
                "biases": [0.15, 0],
            },
            {"activation": "sigmoid", "weights": [[0.4, -0.3]], "biases": [0.05]},
        ],
        "loss": "half_squared_error",
        # Lion's steps of ±0.1 from 0.3 end on 0, which plain floats miss: there |w| has no slope.
        "learning_rate": 0.0917 if training.get("optimizer") == "lion" else 0.1,
        "training": {"steps": 10, **training},
    }


def assert_same(found: Run, truth: oracle.Solution) -> None:
    assert len(found.losses) == len(truth.losses)
    for place, (mine, theirs) in enumerate(zip(found.losses, truth.losses, strict=True)):
        assert_close(mine, theirs, f"loss {place}")
    for number, update in enumerate(truth.updates[: len(found.iterations)]):
        for name, value in update.items():
            if name.endswith("_new"):
                assert_close(found.iterations[number].values[name], value, name)
    for name, value in truth.final.items():
        assert_close(found.final[name], value, name)


def assert_close(mine: Any, theirs: float, what: str) -> None:
    assert mine is not None, what
    assert math.isclose(float(mine), theirs, rel_tol=PRECISION, abs_tol=PRECISION), what


@pytest.mark.parametrize(("clip", "penalty", "batch"), REMEDIES)
@pytest.mark.parametrize("optimizer", RULES)
def test_ten_updates_follow_the_published_rules(
    optimizer: str, clip: str, penalty: str, batch: Any
) -> None:
    problem = small(optimizer=optimizer, batch=batch, **CLIPS[clip], **PENALTIES[penalty])
    truth = oracle.solve(problem)
    assert_same(ours.run(problem), truth)
    # The same run with all but its first update compiled.
    assert_same(ours.run(problem, show=1), truth)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("batch", BATCHES)
def test_reduction(batch: Any, reduction: str) -> None:
    problem = small(batch=batch, reduction=reduction, clip={"norm": 0.3})
    assert_same(ours.run(problem), oracle.solve(problem))


OPTIONS: tuple[dict[str, Any], ...] = (
    {"name": "momentum", "momentum": 0.5},
    {"name": "nesterov", "momentum": 0.99},
    {"name": "adagrad", "epsilon": 0.01},
    {"name": "rmsprop", "alpha": 0.5, "epsilon": 1e-3},
    {"name": "adam", "beta1": 0.5, "beta2": 0.9, "epsilon": 1e-4},
    {"name": "adamw", "weight_decay": 0.2, "beta1": 0.8},
)


@pytest.mark.parametrize("optimizer", OPTIONS, ids=lambda options: options["name"])
def test_options(optimizer: dict[str, Any]) -> None:
    problem = small(optimizer=optimizer, batch=2)
    assert_same(ours.run(problem), oracle.solve(problem))


@pytest.mark.parametrize("optimizer", [rule for rule in RULES if rule != "lion"])
def test_against_pytorch_where_it_is_installed(optimizer: str) -> None:
    torch = pytest.importorskip("torch")  # which has no Lion
    classes = {
        "sgd": lambda w: torch.optim.SGD(w, lr=0.1),
        "momentum": lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.9),
        "nesterov": lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.9, nesterov=True),
        "adagrad": lambda w: torch.optim.Adagrad(w, lr=0.1),
        "rmsprop": lambda w: torch.optim.RMSprop(w, lr=0.1),
        "adam": lambda w: torch.optim.Adam(w, lr=0.1),
        "adamw": lambda w: torch.optim.AdamW(w, lr=0.1),
    }
    w = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    rule = classes[optimizer]([w])
    for _ in range(10):
        rule.zero_grad()
        ((w[0] * w[1] - 1) ** 2 + torch.sin(w[2])).backward()
        rule.step()
    found = ours.run(
        {
            "equations": {"L": "(u*v - 1)^2 + sin(w)"},
            "parameters": {"u": 0.5, "v": -1, "w": 2},
            "learning_rate": 0.1,
            "training": {"steps": 10, "optimizer": optimizer},
        }
    )
    for name, value in zip("uvw", w.tolist(), strict=True):
        assert_close(found.final[name], value, name)


# An author's own rule


@pytest.mark.parametrize("name", RULES)
def test_the_built_in_rows_written_as_an_author_writes_them(name: str) -> None:
    row = OPTIMIZERS[name]
    own: dict[str, Any] = {"name": "own", "equations": dict(row.texts)}
    if row.state:
        own["state"] = {state: float(value.value) for state, value in row.state.items()}
    own |= {option: float(value.value) for option, value in row.options.items()}
    problem = small(optimizer=name, batch=2)
    built_in = ours.run(problem)
    written = ours.run(problem | {"training": {**problem["training"], "optimizer": own}})
    assert written.final == built_in.final
    assert list(written.losses) == list(built_in.losses)


@pytest.mark.parametrize(
    "rule",
    [
        {
            "state": {"v": 0},
            "equations": {"v": "beta*v + (1 - beta)*g", "w": "w - eta*v"},
            "beta": 0.9,
        },
        {"state": {"d": 0}, "equations": {"d": "alpha*d - eta*g", "w": "w + d"}, "alpha": 0.5},
        {
            "state": {"s": 0},
            "equations": {"s": "s + g^2", "w": "w - eta*g/sqrt(s + eps)"},
            "eps": 0.01,
        },
        {"equations": {"d": "eta*g/t", "w": "w - d"}},
    ],
    ids=["exponential mean", "delta", "epsilon inside the root", "decaying rate"],
)
def test_rules_of_books_that_disagree(rule: dict[str, Any]) -> None:
    problem = small(optimizer={"name": "own", **rule}, batch="all")
    assert_same(ours.run(problem), oracle.solve(problem))


# Who is trained


@pytest.mark.parametrize(
    "only", [{"frozen": ["w1_1_1", "b2_1"]}, {"trainable": ["w2_1_1", "w2_1_2"]}], ids=str
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_frozen_parameters_stay_and_do_not_count_for_the_norm(
    only: dict[str, Any], optimizer: str
) -> None:
    problem = small(optimizer=optimizer, clip={"norm": 0.05}) | only
    found = ours.run(problem)
    assert_same(found, oracle.solve(problem))
    for name in only.get("frozen", ()):
        assert found.final[name] == found.initial[name]


def test_a_shared_bias_moves_as_one() -> None:
    problem = small(batch=2, optimizer="momentum")
    problem["layers"][0]["biases"] = 0.25
    assert_same(ours.run(problem), oracle.solve(problem))


# Batch normalisation


@examples(4, 40)
@given(strategies.networks(norm=True, max_hidden=1, max_units=3))
def test_batch_normalisation_is_differentiated_through_its_statistics(problem: Problem) -> None:
    problem = copy.deepcopy(problem) | {"learning_rate": 0.1}
    (values,) = ours.updates(problem)
    made = oracle.model(problem)
    for name in made.parameters:
        expected = oracle.finite_difference(problem, name)
        found = values[f"dL/d{name}"]
        assert math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12), name


def test_batch_normalisation_over_ten_updates() -> None:
    problem = small(batch="all", optimizer="adam")
    problem["layers"][0]["batch_norm"] = {"epsilon": 1e-3}
    assert_same(ours.run(problem), oracle.solve(problem))


# How a run ends


def diverging(**changes: Any) -> Problem:
    """L = w⁴ from w = 3: with η = 1 each step throws it further, soon beyond floating point."""
    return {
        "title": "Too fast",
        "equations": {"L": "w^4"},
        "parameters": {"w": 3},
        "learning_rate": 1,
        "training": {"steps": 50},
        **changes,
    }


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("ln(w)", "L is infinite, because ln(w) is the logarithm of 0."),
        ("1 + 2*ln(w - 1)", "L is not a number, because ln(w - 1) is the logarithm of a negative"),
        ("(w + 2)/w", "L is infinite, because (w + 2)/w divides by 0."),
        ("sqrt(w - 1)", "because sqrt(w - 1) is the square root of a negative number."),
        ("w^(-1)", "because w^(-1) divides by 0."),
        ("(w - 1)^(1/3)", "because (w - 1)^(1/3) is a root of a negative number."),
        ("exp(w + 1000)", "because exp(w + 1000) is too large for floating point"),
        ("w*ln(w) + (ln(w - 1) if w < 1 else 0)", "because ln(w - 1) is the logarithm of a neg"),
    ],
)
def test_the_operation_that_is_to_blame_is_named(formula: str, said: str) -> None:
    found = ours.run(diverging(equations={"L": formula}, parameters={"w": 0}))
    assert found.stop is not None
    assert found.stop.message.startswith("The run stops at update 1: L is ")
    assert said in found.stop.message


def test_without_updates_there_is_no_run_to_stop() -> None:
    found = ours.run({"title": "Only forward", "equations": {"f": "ln(x)"}, "given": {"x": 0}})
    assert found.stop is not None
    assert found.stop.message == "f is infinite, because ln(x) is the logarithm of 0."


def test_a_loss_beyond_floating_point_stops_the_run_with_the_step_and_the_reason() -> None:
    found = ours.run(diverging())
    assert found.stop is not None
    assert found.stop.reason == "not-finite"
    assert found.updates == found.stop.iteration - 1
    assert len(found.iterations) == found.stop.iteration
    assert len(found.losses) == found.stop.iteration
    assert "infinite" in found.stop.message
    final = found.final["w"]
    assert final is not None
    assert math.isfinite(final)
    sheet = text.render(solution(found), width=100)
    assert found.stop.message[:20] in sheet.replace("\n", " ")
    assert "Update 1" in sheet


@pytest.mark.parametrize("show", [1, 2, 3, 100])
def test_it_stops_at_the_same_update_however_many_are_shown(show: int) -> None:
    whole, short = ours.run(diverging()), ours.run(diverging(), show=show)
    assert short.stop is not None
    assert whole.stop is not None
    assert short.stop.iteration == whole.stop.iteration
    assert short.updates == whole.updates
    assert len(short.losses) == len(whole.losses)
    assert math.isclose(float(short.final["w"]), float(whole.final["w"]), rel_tol=1e-12)  # type: ignore[arg-type]


@pytest.mark.parametrize("show", [1, 10])
def test_not_a_number_stops_too(show: int) -> None:
    problem = {
        "equations": {"L": "ln(w)"},
        "parameters": {"w": 0.5},
        "learning_rate": 0.3,
        "training": {"steps": 20},
    }
    found = ours.run(problem, show=show)
    assert found.stop is not None
    assert found.stop.iteration == 2  # 0.5 − 0.3/0.5 < 0, which has no logarithm
    assert "not a number" in found.stop.message
    assert len(found.losses) == 2
    data = json.loads(solution_json(found))
    assert data["losses"][1] == "nan"
    assert data["stopped"]["iteration"] == 2


def test_a_run_that_stops_at_once_shows_what_there_is() -> None:
    problem = diverging(parameters={"w": -1}, equations={"L": "sqrt(w)"})
    found = ours.run(problem, show=1)
    assert found.stop is not None
    assert found.stop.iteration == 1
    assert found.updates == 0
    assert found.final == found.initial
    assert "not a number" in text.render(solution(found), width=100)


def test_clipping_keeps_it_finite() -> None:
    found = ours.run(diverging(training={"steps": 50, "clip": {"norm": 0.1}}))
    assert found.stop is None
    assert found.updates == 50


# The same again


@pytest.mark.parametrize("name", ["xor-learnt", "adam-by-hand", "small-random-weights"])
def test_the_same_problem_gives_the_same_bytes(name: str) -> None:
    def once() -> tuple[str, str]:
        problem = read_problem(oracle.PROBLEMS / f"{name}.yaml")
        run = ours.solve(problem, show=3)
        return text.render(solution(run), width=80), solution_json(run)

    assert once() == once()


@pytest.mark.parametrize("show", [1, 2, 7])
@pytest.mark.parametrize("optimizer", RULES)
def test_compiled_updates_are_the_careful_ones(optimizer: str, show: int) -> None:
    problem = small(optimizer=optimizer, batch=2, clip={"value": 0.1}, l1=0.01, steps=25)
    careful, compiled = ours.run(problem), ours.run(problem, show=show)
    assert len(compiled.iterations) == show
    for mine, theirs in zip(compiled.losses, careful.losses, strict=True):
        assert_close(mine, float(theirs), "loss")  # type: ignore[arg-type]
    for name, value in careful.final.items():
        assert_close(compiled.final[name], float(value), name)  # type: ignore[arg-type]


@examples(6, 60)
@given(strategies.networks(max_hidden=2, max_units=3))
def test_compiled_updates_of_random_networks(problem: Problem) -> None:
    problem = copy.deepcopy(problem) | {"learning_rate": 0.01, "training": {"steps": 4}}
    careful, compiled = ours.run(problem), ours.run(problem, show=1)
    for mine, theirs in zip(compiled.losses, careful.losses, strict=True):
        assert_close(mine, float(theirs), "loss")  # type: ignore[arg-type]


def test_steps_may_be_given_from_outside() -> None:
    found = ours.run(small(optimizer="adam"), steps=100, show=1)
    assert_same(found, oracle.solve(small(optimizer="adam"), steps=100))
    assert found.updates == 100
    assert len(found.losses) == 101


def test_memory_does_not_grow_with_the_number_of_updates() -> None:
    """Eight bytes for each loss, and nothing else; also while the sheet is written."""
    problem = read_problem(oracle.PROBLEMS / "two-hidden-layers.yaml")

    def peak(steps: int) -> int:
        tracemalloc.start()
        text.render(solution(ours.solve(problem, steps=steps, show=1)))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10)  # what is made once and kept
    assert peak(6_000) - peak(1_000) < 20 * 6_000


# The perceptron rule


def table(targets: list[int], **changes: Any) -> Problem:
    rows = [[0, 0], [0, 1], [1, 0], [1, 1]]
    return {
        "samples": [
            {"inputs": row, "targets": [target]} for row, target in zip(rows, targets, strict=True)
        ],
        "layers": [{"activation": "step", "weights": [[0, 0]], "biases": [0]}],
        "learning_rate": 1,
        "training": {"rule": "perceptron"},
        **changes,
    }


SEPARABLE = {
    "AND": [0, 0, 0, 1],
    "OR": [0, 1, 1, 1],
    "NAND": [1, 1, 1, 0],
    "NOR": [1, 0, 0, 0],
    "first": [0, 0, 1, 1],
    "always": [1, 1, 1, 1],
    "never": [0, 0, 0, 0],
}


def step_output(final: Any, row: list[int]) -> int:
    return int(final["w1_1_1"] * row[0] + final["w1_1_2"] * row[1] + final["b1_1"] >= 0)


@pytest.mark.parametrize("name", SEPARABLE)
@pytest.mark.parametrize("rate", [1, 0.1, 0.3])
def test_a_separable_table_is_learnt(name: str, rate: float) -> None:
    found = ours.run(table(SEPARABLE[name], learning_rate=rate))
    assert found.stop is not None
    assert found.stop.reason == "converged"
    rows = [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert [step_output(found.final, row) for row in rows] == SEPARABLE[name]
    assert found.updates % 4 == 0  # whole epochs, the last one without a mistake


@pytest.mark.parametrize("targets", [[0, 1, 1, 0], [1, 0, 0, 1]], ids=["XOR", "XNOR"])
@pytest.mark.parametrize("rate", [1, 0.1, 0.3])
def test_what_no_line_separates_cycles(targets: list[int], rate: float) -> None:
    found = ours.run(table(targets, learning_rate=rate))
    assert found.stop is not None
    assert found.stop.reason == "cycle"
    assert "cycles" in found.stop.message


@pytest.mark.parametrize("steps", [24, 26, 27])
def test_a_cycle_is_said_also_where_the_file_fixes_the_steps(steps: int) -> None:
    found = ours.run(table([0, 1, 1, 0], training={"rule": "perceptron", "steps": steps}))
    assert found.updates == steps
    assert found.stop is not None
    assert found.stop.reason == "cycle"


@pytest.mark.parametrize(
    "rule", ["perceptron", {"name": "perceptron", "update": "target"}], ids=str
)
def test_the_perceptron_s_updates_are_those_of_the_rule(rule: Any) -> None:
    problem = table([0, 1, 1, 1], training={"rule": rule, "steps": 16, "batch": 1})
    if rule != "perceptron":
        problem["layers"][0]["activation"] = "sign"
        for sample in problem["samples"]:
            sample["targets"] = [2 * sample["targets"][0] - 1]
    found = ours.run(problem)
    truth = oracle.solve(problem)
    for mine, theirs in zip(found.iterations, truth.updates, strict=False):
        for name, value in theirs.items():
            if name.endswith("_new"):
                assert_close(mine.values[name], value, name)


def test_a_perceptron_without_numbers_comes_to_no_verdict() -> None:
    problem = table([0, 1, 1, 1])
    problem["layers"] = [{"activation": "step", "units": 1, "biases": [None]}]
    del problem["layers"][0]["biases"]
    found = ours.run(problem)
    assert found.stop is None
    assert found.symbolic


# Penalties, the direction, first values


def test_a_penalty_spares_the_bias() -> None:
    """By hand: ŷ = 0.75, ∂L/∂w = ∂L/∂b = 0.75, and only w is penalised."""
    problem = {
        "inputs": [1],
        "targets": [0],
        "layers": [{"activation": "identity", "weights": [[0.5]], "biases": [0.25]}],
        "loss": "half_squared_error",
        "learning_rate": 0.1,
    }

    def new(l2: Any, **more: Any) -> tuple[float, float, float]:
        run = ours.run({**problem, **more, "training": {"l2": l2}})
        found = run.iterations[0].values
        return tuple(float(found.get(name) or 0) for name in ("L", "w1_1_1_new", "b1_1_new"))  # type: ignore[return-value]

    assert new(0.1) == pytest.approx((0.28125, 0.42, 0.175))
    assert new({"value": 0.1, "biases": True}) == pytest.approx((0.28125, 0.42, 0.1725))
    assert new({"value": 0.1, "half": False}) == pytest.approx((0.28125, 0.415, 0.175))
    # ½·0.1·0.5² = 0.0125 in the loss
    assert new({"value": 0.1, "in_loss": True}) == pytest.approx((0.29375, 0.42, 0.175))
    whole = {"value": 0.1, "in_loss": True, "half": False, "biases": True}
    assert new(whole) == pytest.approx((0.3125, 0.415, 0.17))
    # Thresholds are biases as well: z = wx − θ, θ = −0.25.
    turned = {"layers": [{**problem["layers"][0], "biases": [-0.25]}], "bias_input": -1}  # type: ignore[index]
    assert new(0.1, **turned)[2] == pytest.approx(-0.175)
    # A frozen weight costs, though it does not move.
    assert new({"value": 0.1, "in_loss": True}, frozen=["w1_1_1"])[0] == pytest.approx(0.29375)


def author(**training: Any) -> Problem:
    """A line and its square among equations: b and c are only added, w and v are not."""
    return {
        "equations": {
            "z": "w*x + b",
            "a": "tanh(z)",
            "yhat": "v*a - c",
            "L": "(y - yhat)^2",
        },
        "samples": [{"x": 0.5, "y": 1}, {"x": -1.25, "y": 0.25}, {"x": 2, "y": -0.5}],
        "parameters": {"w": 0.5, "b": 0.25, "v": -0.75, "c": 0.1},
        "learning_rate": 0.1,
        "training": {"steps": 6, **training},
    }


@pytest.mark.parametrize(("clip", "penalty", "batch"), REMEDIES)
@pytest.mark.parametrize("direction", ["descent", "ascent"])
def test_equations_with_penalties_down_and_up(
    clip: str, penalty: str, batch: Any, direction: str
) -> None:
    problem = author(batch=batch, direction=direction, **CLIPS[clip], **PENALTIES[penalty])
    assert_same(ours.run(problem), oracle.solve(problem))


@pytest.mark.parametrize("optimizer", RULES)
@pytest.mark.parametrize("penalty", ["no penalty", "l2", "both in the loss"])
def test_ascent_is_descent_of_minus_the_loss(optimizer: str, penalty: str) -> None:
    problem = small(optimizer=optimizer, direction="ascent", **PENALTIES[penalty])
    assert_same(ours.run(problem, show=3), oracle.solve(problem))


def test_first_values_of_a_state() -> None:
    """v = 0.9·v + g, w − 0.1·v, by hand for f = (x² + y²)/2 at (1, 2)."""
    problem = {
        "equations": {"f": "(x^2 + y^2)/2"},
        "parameters": {"x": 1, "y": 2},
        "learning_rate": 0.1,
    }

    def after(**optimizer: Any) -> tuple[float, float]:
        training = {"optimizer": {"name": "momentum", "momentum": 0.9, **optimizer}}
        found = ours.run({**problem, "training": training}).final
        return float(found["x"] or 0), float(found["y"] or 0)

    assert after() == pytest.approx((0.9, 1.8))
    assert after(initial=0.1) == pytest.approx((1 - 0.109, 2 - 0.209))
    assert after(initial={"y": 0.1}) == pytest.approx((0.9, 2 - 0.209))
    assert after(state={"v": {"x": -1, "y": 0.1}}) == pytest.approx((1 - 0.01, 2 - 0.209))


def test_nesterov_at_the_look_ahead_point() -> None:
    """By hand: x − μv = 0.91 is the gradient there; v = 0.09 + 0.0091, x = 1 − 0.0991."""
    problem = {
        "equations": {"f": "x^2/2"},
        "parameters": {"x": 1},
        "learning_rate": 0.01,
    }
    spec = {"name": "nesterov", "look_ahead": True, "momentum": 0.9, "initial": 0.1}
    run = ours.run({**problem, "training": {"optimizer": spec}})
    values = run.iterations[0].values
    names = ("df/dx", "ahead_x", "df/dahead_x", "v_x_new", "x_new")
    assert [float(values[name] or 0) for name in names] == pytest.approx(
        [1, 0.91, 0.91, 0.0991, 0.9009]
    )
    assert [float(loss or 0) for loss in run.losses] == pytest.approx([0.5, 0.9009**2 / 2])
    own = {
        "state": {"v": 0.1},
        "look_ahead": "w - mu*v",
        "equations": {"v": "mu*v + eta*g", "w": "w - v"},
        "mu": 0.9,
    }
    assert ours.run({**problem, "training": {"optimizer": own}}).final == run.final
    plain = {**spec, "look_ahead": False}
    assert ours.run({**problem, "training": {"optimizer": plain}}).final != run.final


@pytest.mark.parametrize(("clip", "penalty", "batch"), REMEDIES)
@pytest.mark.parametrize("made", [small, author])
def test_looking_ahead_with_remedies(made: Any, clip: str, penalty: str, batch: Any) -> None:
    spec = {"name": "nesterov", "look_ahead": True, "initial": 0.05}
    problem = made(optimizer=spec, batch=batch, **CLIPS[clip], **PENALTIES[penalty])
    for show in (1, 6):
        assert_same(ours.run(problem, show=show), oracle.solve(problem))
