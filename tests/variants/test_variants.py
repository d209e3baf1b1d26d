"""Variants: the same for the same student, different for others, and as hard as the original.

The guarantees are worked out again here, from the text of each variant alone, by the tests' own
interpreter of problem files.
"""

from __future__ import annotations

import itertools
import math
import os
from decimal import ROUND_HALF_UP, Context, Decimal
from hashlib import sha256

import oracle
import pytest
import simulated
import yaml
from drawn import (
    CIRCUIT,
    DEEP,
    DENSE,
    NETWORKS,
    ONE_BY_ONE,
    RELU,
    SHEETS,
    SOFTMAX,
    TWO_SAMPLES,
    second,
)

from backprop_cli import load
from backprop_cli.diagnostics import ProblemError
from backprop_cli.formula.evaluate import as_float
from backprop_cli.marking.asked import asked
from backprop_cli.problem.read import read_problem
from backprop_cli.run import solve
from backprop_cli.variants.draw import Draws
from backprop_cli.variants.variant import Drawer, Variant

STUDENTS = 300 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 12


def variants_of(text: str, students: int = STUDENTS) -> list[Variant]:
    drawer = Drawer(load(text=text))
    return [drawer.variant(f"s{number}") for number in range(students)]


def test_a_student_keeps_the_numbers() -> None:
    drawer = Drawer(load(text=DENSE))
    first = drawer.variant("Ada Lovelace")
    assert drawer.variant("  ada   LOVELACE ").numbers == first.numbers
    assert Drawer(load(text=DENSE)).variant("ada lovelace").text == first.text
    assert drawer.variant("ada lovelac").numbers != first.numbers


def test_the_numbers_are_those_of_sha_256() -> None:
    """Worked out by hand here, so that another version of the program cannot change them."""
    draws = Draws(load(text=DENSE).variants, "Ada")  # type: ignore[arg-type]
    start = "1\x1f\x1fada\x1f3\x1f"
    digest = sha256((start + "targets").encode()).digest()
    assert int.from_bytes(digest, "big")  # another name, another number
    digest = sha256((start + "learning_rate").encode()).digest()
    expected = ["0.2", "0.5"][int.from_bytes(digest, "big") % 2]
    assert draws[3]["learning_rate"] == expected
    digest = sha256((start + "x1").encode()).digest()
    steps = ["-2.0", "-1.5", "-1.0", "-0.5", "0.5", "1.0", "1.5", "2.0"]
    assert float(draws[3]["x1"]) == float(steps[int.from_bytes(digest, "big") % 8])


@pytest.mark.parametrize(
    ("text", "tries", "numbers"),
    [
        (DENSE, 2, "-0.5 -0.5 0 0.5 -0.3 0.9 0.3 -0.3 0.1 -0.5 0.5 -0.4 0.5"),
        (RELU, 3, "-1.5 -0.5 -0.5 -0.3 0.3 0.4 0.8 -0.1 -0.1 0.2 0.9 -0.3"),
    ],
    ids=["dense", "relu"],
)
def test_version_1_of_the_requirements_stays(text: str, tries: int, numbers: str) -> None:
    """A sheet that has been handed out must not change: these are Ada's, for ever."""
    for file in (text, text.replace("variants:", "variants:\n  rules: 1")):
        variant = Drawer(load(text=file)).variant("ada")
        assert variant.tries == tries
        assert " ".join(variant.numbers.values()) == numbers


@pytest.mark.parametrize(("rules", "digest"), [(1, "9cb673d9a7afd3b9"), (2, "4ea206085e6947fa")])
def test_a_sheet_handed_out_stays_the_sheet(rules: int, digest: str) -> None:
    """Whatever the program learns: another number here is a student who gets another sheet."""
    found = sha256()
    for text in (*SHEETS.values(), DEEP):
        if text == SOFTMAX:  # of one class for everyone, until classes were drawn
            continue
        drawer = Drawer(load(text=text.replace("\nvariants:", f"\nvariants:\n  rules: {rules}")))
        for number in range(4):
            found.update(repr(list(drawer.variant(f"s{number}").numbers.values())).encode())
    assert found.hexdigest()[:16] == digest


@pytest.mark.parametrize("text", NETWORKS)
def test_version_2_leaves_no_slip_with_two_names(text: str) -> None:
    for variant in variants_of(text, 3):
        update = simulated.first_update(variant.problem)
        values = {name: as_float(value or 0) for name, value in update.values.items()}
        for step in asked(variant.problem, update.graph):
            if step.section == "update":
                continue
            far_fetched = {"decimal-slip", "missing-factor" if step.section == "forward" else ""}
            slips = [
                (code, value)
                for code, value in simulated.at_a_glance(step, values)
                if code not in far_fetched and abs(value - values[step.name]) > 1e-9
            ]
            for (one, value), (other, same) in itertools.combinations(slips, 2):
                assert one == other or abs(value - same) > 0.004 * abs(value), step.name


@pytest.mark.parametrize("text", [SOFTMAX, second(SOFTMAX)], ids=["rules 1", "rules 2"])
def test_every_class_is_somebodys(text: str) -> None:
    """With a 1 for another class than the file's own, leaving out that 1 is no slip either."""
    drawn = {
        tuple(number for name, number in variant.numbers.items() if name.startswith("y"))
        for variant in variants_of(text, 30)
    }
    assert drawn == {("1", "0", "0"), ("0", "1", "0"), ("0", "0", "1")}


def test_another_seed_gives_everyone_others() -> None:
    one = Drawer(load(text=DENSE)).variant("ada").numbers
    other = Drawer(load(text=DENSE + "  seed: 2027\n")).variant("ada").numbers
    assert one != other


@pytest.mark.parametrize("text", SHEETS.values(), ids=SHEETS)
def test_no_two_are_alike(text: str) -> None:
    texts = [variant.text for variant in variants_of(text)]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("text", SHEETS.values(), ids=SHEETS)
def test_a_variant_is_the_file_with_other_numbers(text: str) -> None:
    own = yaml.safe_load(text)
    drawn = own.pop("variants")["draw"]
    for variant in variants_of(text, 3):
        read = yaml.safe_load(variant.text)
        assert "variants" not in read
        assert _shape(read) == _shape(own)
        assert variant.problem.variants is None
        if "biases" not in drawn and "parameters" not in drawn and "layers" in own:
            assert [layer["biases"] for layer in read["layers"]] == [
                layer["biases"] for layer in own["layers"]
            ]


def _shape(data: object) -> object:
    if isinstance(data, dict):
        return {key: _shape(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_shape(value) for value in data]
    return "number" if isinstance(data, int | float) else data


@pytest.mark.parametrize("text", SHEETS.values(), ids=SHEETS)
def test_what_was_tried_is_what_the_file_gives(text: str) -> None:
    """The try puts numbers into equations built once; the file is read from the start."""
    drawer = Drawer(load(text=text))
    for number in range(4):
        variant = drawer.variant(f"s{number}")
        run = solve(variant.problem)
        tried = [update for update, _ in drawer.margins(variant.numbers)]
        for update, iteration in zip(tried, run.iterations, strict=True):
            assert dict(update.values) == dict(iteration.values)


# --- the guarantees, worked out again ---------------------------------------------------------


def own_and_variants(text: str) -> tuple[dict, list[dict]]:
    return yaml.safe_load(text), [yaml.safe_load(variant.text) for variant in variants_of(text)]


def off(problem: dict) -> int:
    values = oracle.solve(problem).updates[0]
    return sum(value <= 0 for name, value in values.items() if name.startswith("z1_"))


def test_as_many_units_are_alive() -> None:
    own, drawn = own_and_variants(RELU)
    assert off(own) == 1
    assert {off(problem) for problem in drawn} == {1}


@pytest.mark.parametrize("text", [DENSE, SOFTMAX, TWO_SAMPLES], ids=["dense", "softmax", "two"])
def test_no_unit_is_saturated(text: str) -> None:
    for problem in own_and_variants(text)[1]:
        values = oracle.solve(problem).updates[0]
        for name, value in values.items():
            if name.startswith("a1"):
                assert 1 - value**2 >= 0.02
            elif name.startswith("yhat"):
                assert value * (1 - value) >= 0.02


def test_nothing_sits_on_a_kink() -> None:
    for problem in own_and_variants(RELU)[1]:
        assert oracle.closest_kink(problem) > 1e-12


def rounded(value: float, digits: int) -> Decimal:
    return Context(prec=digits, rounding=ROUND_HALF_UP).create_decimal(repr(value))


@pytest.mark.parametrize("text", [DENSE, SOFTMAX, TWO_SAMPLES], ids=["dense", "softmax", "two"])
def test_every_update_shows_at_four_digits(text: str) -> None:
    for problem in own_and_variants(text)[1]:
        values = oracle.solve(problem).updates[0]
        before = oracle.model(problem).parameters
        for name, old in before.items():
            new = values[f"{name}_new"]
            assert new == old or rounded(new, 4) != rounded(old, 4)


def test_gradients_survive_three_carried_digits() -> None:
    for variant in variants_of(DENSE):
        true = oracle.solve(yaml.safe_load(variant.text)).updates[0]
        by_hand = _by_hand(yaml.safe_load(variant.text))
        for name, value in by_hand.items():
            assert math.isclose(value, true[name], rel_tol=0.0500001), (name, value, true[name])


def _by_hand(problem: dict) -> dict[str, float]:
    """The 2-2-1 net worked with three digits carried at every step, written out."""

    def r(value: float) -> float:
        return float(rounded(value, 3)) if value else 0.0

    (x1, x2), (y,) = problem["inputs"], problem["targets"]
    hidden, output = problem["layers"]
    z = [
        r(w[0] * x1 + w[1] * x2 + b)
        for w, b in zip(hidden["weights"], hidden["biases"], strict=True)
    ]
    a = [r(math.tanh(each)) for each in z]
    (v,), (c,) = output["weights"], output["biases"]
    yhat = r(1 / (1 + math.exp(-r(v[0] * a[0] + v[1] * a[1] + c))))
    error = r(r(yhat - y) * r(yhat * (1 - yhat)))
    found = {"dL/db2_1": error}
    for unit in (0, 1):
        found[f"dL/dw2_1_{unit + 1}"] = r(error * a[unit])
        back = r(r(error * v[unit]) * r(1 - a[unit] ** 2))
        found[f"dL/db1_{unit + 1}"] = back
        found[f"dL/dw1_{unit + 1}_1"], found[f"dL/dw1_{unit + 1}_2"] = r(back * x1), r(back * x2)
    return found


def test_slips_give_other_numbers() -> None:
    """Those of one unit, made by hand: a factor, a path, a sign, a bias left out."""
    for problem in own_and_variants(DENSE)[1]:
        values = oracle.solve(problem).updates[0]
        (x1, x2) = problem["inputs"]
        (w1, w2), b = problem["layers"][0]["weights"][0], problem["layers"][0]["biases"][0]
        slips = [
            w1 * x1 + w2 * x2,
            w1 * x1 - w2 * x2 + b,
            w1 * x1 + b,
            w2 * x2 + b,
            w1 + w2 * x2 + b,
        ]
        for slip in slips:
            assert abs(slip - values["z1_1"]) > 0.005 * abs(values["z1_1"])
        gradient, v = values["dL/dz2_1"], problem["layers"][1]["weights"][0][0]
        slope = 1 - values["a1_1"] ** 2
        for slip in (gradient * v, gradient * slope, -gradient * v * slope):
            right = values["dL/db1_1"]
            assert abs(slip * x1 - right * x1) > 0.005 * abs(right * x1)


def test_the_work_is_equal() -> None:
    """Every term of the circuit and every path through it is there, as in the file's own numbers."""
    for problem in own_and_variants(CIRCUIT)[1]:
        x, y, z, w = (problem["given"][name] for name in "xyzw")
        q = x * y + w
        assert 0 not in (x, y, z, w, q, 2 * q * z)


def test_samples_taken_one_by_one_get_their_own_numbers() -> None:
    for variant in variants_of(ONE_BY_ONE, 4):
        problem = yaml.safe_load(variant.text)
        drawn = [variant.numbers[f"x1[{mark}]"] for mark in (1, 2)]
        assert [str(float(text)) for text in drawn] == [
            str(float(sample["inputs"][0])) for sample in problem["samples"]
        ]


# --- what cannot be drawn ---------------------------------------------------------------------


def test_a_hopeless_file_says_what_fails() -> None:
    text = DENSE.replace("inputs: {from: -2, to: 2, step: 0.5, not: [0]}", "inputs: {choice: [0]}")
    with pytest.raises(ProblemError) as caught:
        Drawer(load(text=text)).variant("ada")
    (found,) = caught.value.diagnostics
    assert found.code == "no-variant"
    assert "`equal_work` fails most" in found.message
    assert "at `terms`" in found.message


def test_units_that_are_far_out_on_a_curve_are_not_said_to_be_dead() -> None:
    """A sigmoid is nowhere flat: what fails is that floats have no number small enough."""
    text = """
inputs: [1.5, -0.5]
targets: [1]
layers:
  - {activation: sigmoid, weights: [[4, -3]], biases: [0.1]}
  - {activation: sigmoid, weights: [[0.5]], biases: [0.1]}
loss: half_squared_error
variants: {draw: {w1_1_1: {choice: [-900, -800]}}, require: [alive], rules: 2}
"""
    with pytest.raises(ProblemError) as caught:
        Drawer(load(text=text)).variant("ada")
    (found,) = caught.value.diagnostics
    assert "`alive` fails most" in found.message
    assert found.help is not None
    assert "its slope is calculated as 0" in found.help
    flat = text.replace("sigmoid", "relu")
    with pytest.raises(ProblemError) as caught:
        Drawer(load(text=flat)).variant("ada")
    assert "in finer steps" in str(caught.value.diagnostics[0].help)


def test_a_file_without_variants_says_so() -> None:
    with pytest.raises(ProblemError, match="no variants"):
        Drawer(load(text=DENSE.partition("variants:")[0]))


@pytest.mark.parametrize(
    ("draw", "code"),
    [
        ("{v9: {choice: [1]}}", "unknown-name"),
        ("{inputs: {from: 2, to: -2, step: 1}}", "out-of-range"),
        ("{inputs: {from: -2, to: 2}}", "missing-key"),
        ("{inputs: {from: 0, to: 1e9, step: 1e-9}}", "too-large"),
        ("{inputs: {from: 0, to: 0, step: 1, not: [0]}}", "out-of-range"),
        ("{weights: {one_hot: true}}", "wrong-form"),
        ("{inputs: {choice: []}}", "missing-value"),
        ("{inputs: {choice: [a]}}", "not-a-number"),
        ("{inputs: {choice: [1], from: 2}}", "both-forms"),
        ("{inputs: 3}", "not-a-mapping"),
    ],
)
def test_bad_draws_are_refused_with_their_place(draw: str, code: str) -> None:
    text = DENSE.partition("variants:")[0] + f"variants: {{draw: {draw}}}\n"
    with pytest.raises(ProblemError) as caught:
        load(text=text)
    assert code in {each.code for each in caught.value.diagnostics}
    assert not any("``" in each.message for each in caught.value.diagnostics)
    assert all(each.span is not None and each.span.start for each in caught.value.diagnostics)


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_section_is_cut_out_wherever_it_stands(flow: bool, place: int) -> None:
    keys = ["equations: {f: x*w}", "given: {x: 2, w: 3}"]
    keys.insert(place, "variants: {draw: {x: {choice: [4, 5]}}, require: []}")
    text = "{" + ", ".join(keys) + "}" if flow else "\n".join(keys)
    (variant,) = variants_of(text, 1)
    read = yaml.safe_load(variant.text)
    assert list(read) == ["equations", "given"]
    assert read["given"] in ({"x": 4, "w": 3}, {"x": 5, "w": 3})


def test_the_more_particular_key_wins() -> None:
    text = DENSE.partition("variants:")[0] + (
        "variants: {draw: {w1_1_2: {choice: [0.2]}, 'w1_*': {choice: [0.3]},"
        " weights: {choice: [0.4]}}, require: []}"
    )
    numbers = variants_of(text, 1)[0].numbers
    assert numbers == {
        "w1_1_1": "0.3", "w1_1_2": "0.2", "w1_2_1": "0.3", "w1_2_2": "0.3",
        "w2_1_1": "0.4", "w2_1_2": "0.4",
    }  # fmt: skip


def test_no_student_can_be_read_off_the_file() -> None:
    assert "zaphod" not in Drawer(load(text=DENSE)).variant("Zaphod").text.lower()


def test_two_alike_are_rare() -> None:
    rows = [list(variant.numbers.values()) for variant in variants_of(DENSE)]
    worst = max(sum(map(str.__eq__, one, two)) for one, two in itertools.combinations(rows, 2))
    assert worst < len(rows[0])


def test_a_row_that_is_picked_twice_counts_twice_among_the_units_that_are_off() -> None:
    """The file's own ReLU is off for one word of three, a draw for the two that are the same."""
    text = (
        "{equations: {A: 'E[tokens]', H: relu(A), L: sum(H)}, given: {tokens: [1, 2, 1]},"
        " parameters: {E: [[0.5], [-0.4]]}, learning_rate: 0.1,"
        " variants: {require: [alive], draw: {E: {from: -1, to: 1, step: 0.1, not: [0]}}}}"
    )
    drawn = Drawer(read_problem("e.yaml", text)).variant("ada")
    first, second = (float(drawn.numbers[name]) for name in ("E_1_1", "E_2_1"))
    assert first > 0 > second
