"""`backprop new`: whatever it writes is read without a word and can be worked out."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from commands import PROBLEMS, backprop
from rich.cells import cell_len

from backprop_cli import Solution, load, solve
from backprop_cli.problem.read import read
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.rules.losses import LOSSES
from backprop_cli.starter import CannotWrite, network_file

FOR_NUMBERS = {"squared_error", "half_squared_error", "mean_squared_error", "absolute_error"}
FITTING = {
    # what the output units are, and how many → the losses that make sense there
    ("identity", 1): FOR_NUMBERS | {"huber", "hinge"},
    ("identity", 3): FOR_NUMBERS | {"huber", "hinge"},
    ("tanh", 1): FOR_NUMBERS | {"huber", "hinge"},
    ("sigmoid", 1): FOR_NUMBERS | {"huber", "binary_cross_entropy"},
    ("sigmoid", 3): FOR_NUMBERS | {"huber", "binary_cross_entropy", "cross_entropy"},
    ("softmax", 3): FOR_NUMBERS | {"huber", "binary_cross_entropy", "cross_entropy"},
    ("softmax", 1): set(),  # is always 1
    ("relu", 2): FOR_NUMBERS | {"huber"},
    ("step", 1): set(),  # has no slope
}


def worked_out(text: str) -> Solution:
    """The file is read without a warning, and every number on its sheet is finite."""
    _, warnings = read("new.yaml", text)
    assert [warning.message for warning in warnings] == []
    assert max(map(cell_len, text.splitlines())) <= 96
    solution = solve(load(text=text))
    assert all(value is not None and math.isfinite(value) for value in solution.values().values())
    return solution


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_loss_behind_every_activation(activation: str, loss: str) -> None:
    for outputs in (1, 2, 3):
        try:
            text = network_file(f"2-{outputs}", activation, loss)
        except CannotWrite as error:
            text, refused = None, str(error)
        if text is None:
            assert f"`{activation}`" in refused or "softmax over the one unit" in refused
        else:
            learnt = worked_out(text)
            assert any(learnt.gradients.values()), "nothing is learnt"
            assert yaml.safe_load(text)["loss"] == loss
        if (activation, outputs) in FITTING and loss in FOR_NUMBERS.union(*FITTING.values()):
            assert (text is not None) == (loss in FITTING[activation, outputs])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", ["1-1", "1-2-2-1", "3-2-2-1", "2-2-2", "4-3-2-3-2", "2-9-1"])
def test_every_activation_in_every_shape(sizes: str, activation: str) -> None:
    counts = [int(size) for size in sizes.split("-")]
    hidden = activation if activation != "softmax" or 1 not in counts[1:-1] else "tanh"
    names = ",".join([*[hidden] * (len(counts) - 2), "sigmoid"])
    solution = worked_out(network_file(sizes, names, seed=3))
    connections = sum(a * b for a, b in pairwise(counts))
    assert len(solution.parameters) == connections + sum(counts[1:])


@pytest.mark.parametrize("seed", [0, 1, 2, 7, 10**9])
def test_no_relu_network_is_dead_from_the_start(seed: int) -> None:
    for sizes in ("1-1-1-1", "2-3-1", "3-2-2-1"):
        gradients = worked_out(network_file(sizes, "relu", seed=seed)).gradients
        assert any(gradients.values())


def test_one_file_as_it_is_written() -> None:
    result = backprop(
        *("new", "--layers", "3-2-2-1", "--activation", "relu,sigmoid,sigmoid"),
        *("--loss", "half_squared_error"),
    )
    assert (result.code, result.complaints) == (0, "")
    assert (
        result.text
        == """\
# A network to start from. Its numbers are drawn (--seed 1): put your own in
# their place. `backprop validate` says what is wrong with a file, and
# `backprop solve` works it out.
title: A 3-2-2-1 network, one training step
inputs: [0.5, 3, 2.5]             # a number for each input; [x1, x2] leaves it open
targets: [1]                      # what the outputs should be
layers:
  - activation: relu              # layer 1; `backprop list activations` shows the others
    weights:                      # a row for each unit, a number for each of its inputs
      - [0.28, 0.5, 0.45]
      - [0.76, -0.07, 0.44]
    biases: [0.35, 0.05]          # one each; a bare number is one bias for all
  - activation: sigmoid           # layer 2
    weights:
      - [0.45, 0.7]
      - [-0.91, 0.07]
    biases: [0.05, 0.25]
  - activation: sigmoid           # layer 3
    weights:
      - [0.9, 0.39]
    biases: [0.1]
loss: half_squared_error          # `backprop list losses` shows the others
learning_rate: 0.5                # without it there is no update
"""
    )


def test_the_seed_decides_the_numbers() -> None:
    first, again, other = (network_file("2-2-1", seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_what_is_left_out_is_chosen_to_fit() -> None:
    def chosen(*asked: str | None) -> tuple[object, object]:
        keys = yaml.safe_load(network_file(*asked))  # type: ignore[arg-type]
        return keys["layers"][-1]["activation"], keys.get("loss")

    assert chosen("2-2-1") == ("sigmoid", "half_squared_error")
    assert chosen("2-3", "softmax") == ("softmax", "cross_entropy")
    assert chosen("2-3", None, "cross-entropy") == ("softmax", "cross_entropy")
    assert chosen("2-1", None, "bce") == ("sigmoid", "binary_cross_entropy")
    assert chosen("2-1", None, "hinge") == ("identity", "hinge")
    assert chosen("2-1", "step") == ("step", None)


@pytest.mark.parametrize(("activation", "no"), [("step", 0), ("sign", -1)])
def test_units_that_decide_get_a_truth_table(activation: str, no: int) -> None:
    perceptron = network_file("2-1", activation)
    keys = yaml.safe_load(perceptron)
    assert [(row["inputs"], row["targets"]) for row in keys["samples"]] == [
        ([0, 0], [no]), ([0, 1], [no]), ([1, 0], [no]), ([1, 1], [1]),
    ]  # fmt: skip
    assert keys["training"]["rule"] == "perceptron"
    assert "loss" not in keys
    learnt = worked_out(perceptron).to_text()
    assert "4 of 4 samples are answered correctly" in learnt
    given = network_file("3-2-2", activation)  # only a last layer has targets to learn from
    assert not {"learning_rate", "training", "loss"} & set(yaml.safe_load(given))
    assert "of 8 samples are answered correctly" in worked_out(given).to_text()
    many = yaml.safe_load(network_file("4-1", activation))
    assert len(many["inputs"]) == 4


def test_large_layers_are_drawn_when_the_file_is_read() -> None:
    text = network_file("100-100-10", "tanh,softmax")
    assert len(text.splitlines()) < 50
    _, warnings = read("new.yaml", text)
    assert warnings == []


@pytest.mark.parametrize("seed", ["0", "1", "99"])
def test_equations(seed: str) -> None:
    result = backprop("new", "--equations", "--seed", seed)
    assert (result.code, result.complaints) == (0, "")
    solution = worked_out(result.text)
    x, y, w, b = (solution.value(name) or 0.0 for name in ("x", "y", "w", "b"))
    yhat = 1 / (1 + math.exp(-(w * x + b)))
    assert solution.value("dL/dw") == pytest.approx((yhat - y) * yhat * (1 - yhat) * x)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([], "give one of --layers, --equations, --from and --list\n"),
        (["--layers", "2-1", "--list"], "not --layers and --list"),
        (["--layers", "3-2-x"], "as in 3-2-2-1, not `3-2-x`"),
        (["--layers", "3"], "as in 3-2-2-1"),
        (["--layers", "3-0-1"], "as in 3-2-2-1"),
        (["--layers", "²-1"], "as in 3-2-2-1"),
        (["--layers", "2-\x1b[31m"], "not `2-\\x1b[31m`"),
        (["--layers", "2-101"], "at most 20 layers of at most 100 units"),
        (["--layers", "-".join(["1"] * 22)], "at most 20 layers"),
        (["--layers", "2-2-2-1", "--activation", "relu,relu"], "each of the 3 layers"),
        (["--layers", "2-1", "--activation", "sigmod"], "did you mean `sigmoid`?"),
        (["--layers", "2-1", "--activation", ""], "`` is no activation; there are "),
        (["--layers", "2-1", "--loss", "hing"], "did you mean `hinge`?"),
        (
            ["--layers", "2-1", "--loss", "hinge", "--activation", "sigmoid"],
            "the loss `hinge` does not fit 1 output with `sigmoid`; what does is squared_error, ",
        ),
        (["--layers", "2-1", "--loss", "cross_entropy"], "binary_cross_entropy"),
        (["--layers", "2-1", "--activation", "softmax"], "is always 1"),
        (["--layers", "2-1-2", "--activation", "softmax"], "is always 1"),
        (["--layers", "2-1", "--activation", "step", "--loss", "hinge"], "leave --loss out"),
        (["--equations", "--loss", "hinge"], "--loss cannot be used with --equations"),
        (["--from", "one-neuron", "--seed", "2"], "--seed cannot be used with --from"),
        (["--from", "two-hiden-layers"], "did you mean `two-hidden-layers`?"),
        (["--from", "../pyproject"], "`../pyproject` is no shipped example"),
    ],
)
def test_what_cannot_be_written(asked: list[str], said: str) -> None:
    result = backprop("new", *asked)
    assert (result.code, result.text) == (2, "")
    assert result.complaints.startswith("error: ")
    assert said in result.complaints
    assert "\x1b" not in result.complaints


def test_nothing_is_written_over_unless_asked(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    assert backprop("new", "--layers", "2-1", "-o", file).code == 0
    mine = file.read_text()
    refused = backprop("new", "--equations", "-o", file)
    assert (refused.code, refused.complaints) == (
        2,
        f"error: {file} is there already; --force writes over it\n",
    )
    assert file.read_text() == mine
    (tmp_path / "link.yaml").symlink_to(tmp_path / "nowhere.yaml")
    assert backprop("new", "--equations", "-o", tmp_path / "link.yaml").code == 2
    assert backprop("new", "--equations", "-o", file, "--force").code == 0
    assert "equations:" in file.read_text()


def test_a_problem_file_is_called_like_one(tmp_path: Path) -> None:
    result = backprop("new", "--layers", "2-1", "-o", tmp_path / "mine.json")
    assert result.code == 2
    assert "name it *.yaml, not `mine.json`" in result.complaints
    assert list(tmp_path.iterdir()) == []
    assert backprop("new", "--layers", "2-1", "-o", tmp_path / "mine.yml").code == 0


@pytest.mark.parametrize("problem", sorted(PROBLEMS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_shipped_as_it_is(problem: Path) -> None:
    result = backprop("new", "--from", problem.stem)
    assert (result.code, result.complaints) == (0, "")
    assert result.text == problem.read_text(encoding="utf-8")


def test_the_list_has_every_example_with_its_title(tmp_path: Path) -> None:
    shown = backprop("new", "--list").text
    assert max(map(cell_len, shown.splitlines())) <= 80
    assert shown.count("\n") > len(list(PROBLEMS.glob("*.yaml")))
    for problem in PROBLEMS.glob("*.yaml"):
        (row,) = [line for line in shown.splitlines() if line.split(" ")[0] == problem.stem]
        assert row.split("│")[1].split()[:2] == load(problem).title.split()[:2]
    assert backprop("new", "--list", "--ascii").output.isascii()
    assert backprop("new", "--list", "-o", tmp_path / "list.md").code == 0
    assert "| `one-neuron` | One neuron |" in (tmp_path / "list.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [("--layers", "2-2-1"), ("--layers", "3-3-2", "--activation", "softmax"), ("--equations",)],
)
def test_a_new_file_may_draw_other_numbers_for_each_student(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "new.yaml"
    assert backprop("new", *words, "--variants", "--output", file).code == 0
    assert not backprop("validate", file).complaints
    texts = {backprop("variant", file, "--student", student).text for student in ("ada", "bob")}
    assert len(texts) == 2
    assert "\n  rules: 2 " in file.read_text(encoding="utf-8")


def test_weights_that_nobody_types_are_not_drawn_again() -> None:
    made = backprop("new", "--layers", "30-30-1", "--variants")
    assert made.code == 2
    assert "--variants: the weights of layer 1 are drawn by `init` already" in made.complaints
    assert backprop("new", "--list", "--variants").code == 2
