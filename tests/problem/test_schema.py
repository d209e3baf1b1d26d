"""The schema editors use agrees with the reader: what it refuses, the reader refuses too."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from yaml_data import data_of

from backprop_cli.diagnostics import ProblemError, Source
from backprop_cli.problem import (
    dense,
    layer_parts,
    optimizer_use,
    read,
    rule_use,
    samples,
    settings,
    training,
    variants,
)
from backprop_cli.problem.fields import Field, Keys
from backprop_cli.problem.formulas import FORMULA
from backprop_cli.problem.layer_kinds import KINDS
from backprop_cli.problem.read import read_problem
from backprop_cli.problem.schema import answers_schema, problem_schema
from backprop_cli.problem.values import Report
from backprop_cli.problem.yaml_tree import compose
from backprop_cli.rules import activations, initializers, losses, optimizers

PROBLEMS = sorted((Path(__file__).parents[2] / "problems").glob("*.yaml"))
CHECK = jsonschema.Draft202012Validator(problem_schema())

NETWORK = """
inputs: [1, 2]
targets: [1]
layers: [{activation: sigmoid, weights: [[0.1, 0.2]], biases: [0.3]}]
loss: half_squared_error
"""
EQUATIONS = "equations: {f: w*x}\nparameters: {w: 2}\ngiven: {x: 3}\n"


def test_the_schemas_are_schemas() -> None:
    jsonschema.Draft202012Validator.check_schema(problem_schema())
    jsonschema.Draft202012Validator.check_schema(answers_schema())


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_every_problem_of_this_repository_fits(path: Path) -> None:
    CHECK.validate(data_of(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_programs_that_take_exponents_for_text_can_check_files_too(path: Path) -> None:
    CHECK.validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_other_text_is_no_number() -> None:
    for text in ("0.5", "1e", "e5", "1e-5x", "yes"):
        assert not CHECK.is_valid(
            data_of(NETWORK + f"learning_rate: 1\ntraining: {{l2: '{text}'}}\n")
        )


def one_layer(layer: str, more: str = "") -> str:
    return f"inputs: [1, 2]\ntargets: [1]\nloss: squared_error\nlayers:\n  - {layer}\n{more}"


@pytest.mark.parametrize(
    "text",
    [
        NETWORK,
        EQUATIONS,
        NETWORK.replace("sigmoid", "Sigmoid").replace("half_squared_error", "Cross-Entropy Loss"),
        NETWORK.replace("sigmoid", "{name: LeakyReLU, slope: 0.2}").replace(
            "half_squared_error", "MSELoss"
        ),
        NETWORK + "learning_rate: 1\ntraining: {optimizer: SGD}\n",
        NETWORK + "learning_rate: 1e-3\n",
        NETWORK + "learning_rate: eta\n",
        NETWORK + "rounding: {digits: 3, every_step: true}\n",
        NETWORK + "notation: {index_order: from_to, names: sequential, weight_order: by_input}\n",
        NETWORK + "marking: {ask: [forward, 'dL/*'], points: {L: 2}, pass: 0.5, tolerance: 0.01}\n",
        NETWORK + "marking: {tolerance: {relative: 0.01}, imprecise: 0}\n",
        NETWORK + "learning_rate: 1\ntraining: {steps: 3, batch: all, clip: {norm: 1}, l2: 0.1}\n",
        NETWORK + "learning_rate: 1\ntraining: {optimizer: {name: adam, beta1: 0.8, eps: 0}}\n",
        NETWORK + "learning_rate: 1\nfrozen: [b1_1]\n",
        NETWORK + "learning_rate: 1\ntrainable: 'w*'\n",
        NETWORK
        + "training: {optimizer: {name: mine, state: {v: 0}, beta: 0.9, "
        + "equations: {v: beta*v + g, w: w - 0.1*v}}}\n",
        one_layer("{units: 1, activation: sigmoid}")
        .replace("[1, 2]", "[x1, x2]")
        .replace("[1]", "y"),
        one_layer("{units: 1, activation: tanh, biases: none, weights: {init: he, seed: 3}}"),
        one_layer("{activation: {name: leaky_relu, slope: 0.2}, weights: [[1, null]], biases: 1}"),
        one_layer("{activation: {formula: z^2}, weights: [[1, 2]], bias_input: -1, biases: 2}"),
        one_layer("{activation: [elu], weights: [[1, 2]], frozen: true}", "learning_rate: 1\n"),
        EQUATIONS.replace("{x: 3}", "[x]").replace("{w: 2}", "w"),
        "equations: {f: 3*x}\nsamples: [{x: 1}, {x: 2}]\n",
        "equations: {f: sum(x)}\nsamples: [{x: [1, 2]}, {x: [3, 4]}]\n",
        "samples: [{inputs: 1}, {inputs: {x: 2}}]\nlayers: [{activation: step, weights: [[1]]}]\n",
    ],
)
def test_what_the_reader_takes_the_schema_takes(text: str) -> None:
    read_problem("good.yaml", text)
    CHECK.validate(data_of(text))


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "title: nothing else\n",
        NETWORK + "learning_rate: 0\n",
        NETWORK + "learning_rate: fast\n",
        NETWORK + "lerning_rate: 1\n",
        NETWORK + "given: {x: 1}\n",
        NETWORK + EQUATIONS,
        NETWORK + "rounding: {digits: 16}\n",
        NETWORK + "rounding: {every_step: 'yes'}\n",
        NETWORK + "marking: {pass: 2}\n",
        NETWORK + "learning_rate: 1\ntraining: {steps: 0}\n",
        NETWORK + "learning_rate: 1\ntraining: {steps: 1.5}\n",
        NETWORK + "learning_rate: 1\ntraining: {batch: some}\n",
        NETWORK + "learning_rate: 1\ntraining: {clip: {norm: 1, value: 1}}\n",
        NETWORK + "learning_rate: 1\ntraining: {optimizer: {name: adam, beta3: 0.8}}\n",
        NETWORK + "learning_rate: 1\ntraining: {optimizer: adan}\n",
        NETWORK + "training: {optimizer: {equations: {v: g}}}\n",
        NETWORK + "notation: {names: short}\n",
        NETWORK.replace("sigmoid", "sigmod"),
        NETWORK.replace("half_squared_error", "{name: huber, epsilon: 1}"),
        NETWORK.replace("[[0.1, 0.2]]", "[0.1, 0.2]"),
        NETWORK.replace("[[0.1, 0.2]]", "[[0.1, '0.2']]"),
        NETWORK.replace("[0.3]", "[null]"),
        NETWORK.replace("[1, 2]", "[one, two]"),
        NETWORK.replace("[1, 2]", "{age: 1, height: 2}"),
        one_layer("{activation: relu, weights: {init: constant}, units: 1}"),
        one_layer("{activation: relu, weights: {init: zero, low: 1}, units: 1}"),
        one_layer("{activation: relu, weights: [[1, 2]], bias_input: 0}"),
        one_layer("{activation: relu, units: 3000}"),
        "equations: {}\n",
        "equations: {f: [1]}\n",
        "equations: {f: x}\ngiven: {x: one}\n",
        "equations: {f: x}\nsamples: []\n",
        "equations: {f: x}\nsamples: [{x: {inputs: [1]}}]\n",
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(text: str) -> None:
    assert not CHECK.is_valid(data_of(text))
    with pytest.raises(ProblemError):
        read_problem("bad.yaml", text)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (activations.BY_ANY_NAME, NETWORK.replace("sigmoid", "{}")),
        (losses.BY_ANY_NAME, NETWORK.replace("half_squared_error", "{}")),
        (optimizers.BY_ANY_NAME, NETWORK + "learning_rate: 1\ntraining: {{optimizer: {}}}\n"),
        (
            [name for name in initializers.BY_ANY_NAME if name != "constant"],
            one_layer("{{units: 1, activation: relu, weights: {{init: {}}}}}"),
        ),
    ],
    ids=["activations", "losses", "optimizers", "initializers"],
)
def test_every_row_of_the_rule_tables_is_in_it(names: tuple[str, ...], text: str) -> None:
    for name in names:
        written = text.replace("{}", name).replace("{{", "{").replace("}}", "}")
        read_problem("good.yaml", written)
        CHECK.validate(data_of(written))


@pytest.mark.parametrize(
    ("valid", "text"),
    [
        (True, "student: s1234\nanswers: {z1_1: 5.02, 'dL/db3_1': (yhat - y)*yhat}\n"),
        (True, "answers: {z1_1: ['(yhat-y)a2_2', -0.05]}\n"),
        (True, "iterations: [{z1_1: 1}, {z1_1: 2}]\n"),
        (False, "answers: {z1_1: {value: 5}}\n"),
        (False, "answers: {}\niterations: []\n"),
        (False, "student: s1234\n"),
        (False, "answers: [1]\n"),
    ],
)
def test_answer_files(valid: bool, text: str) -> None:
    assert jsonschema.Draft202012Validator(answers_schema()).is_valid(data_of(text)) is valid


# --- generated files --------------------------------------------------------------------------

ALREADY = [data_of(path.read_text(encoding="utf-8")) for path in PROBLEMS]
SETTINGS = {
    "notation": {"index_order": "to_from", "names": "indexed", "symbols": {"eta": "alpha"}},
    "rounding": {"digits": 3, "every_step": False},
    "marking": {
        "ask": ["forward"],
        "points": {"L": 2},
        "pass": 0.5,
        "tolerance": {"relative": 0.01},
        "repeated": "once",
    },
    "training": {
        "steps": 1,
        "batch": "all",
        "l2": {"value": 0.1, "biases": True, "half": False},
        "clip": {"norm": 1},
        "optimizer": {"name": "adam", "beta1": 0.9},
        "direction": "descent",
        "rule": {"name": "gradient"},
    },
    "learning_rate": 0.1,
    "variants": {
        "draw": {"learning_rate": {"from": 0.1, "to": 1, "step": 0.1, "not": [0.5]}},
        "require": ["alive"],
        "rules": 1,
        "seed": "a",
    },
}
VALUES: list[Any] = [
    *(0, 1, -1, 0.5, 2, 3.5, -0.5, 10**9, "1e-3", "0.5"),
    *(True, False, None, "", " ", "x", "relu", "all", "mean", "none", "target"),
    *([], [1], [0.5, 2], ["w1_1_1"], {}, {"value": 1}, {"name": "relu"}, {"norm": 1}),
]


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    held = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in held:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def keys_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from keys_in(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from keys_in(part)


KEYS = sorted(set(keys_in(problem_schema())))


def changed(draw: random.Random) -> dict[str, Any]:
    """A problem of this repository with settings added and one place changed."""
    data = copy.deepcopy(draw.choice(ALREADY))
    data |= {
        key: copy.deepcopy(value)
        for key, value in SETTINGS.items()
        if key not in data and draw.random() < 0.4
    }
    *path, last = draw.choice(list(places(data)))
    at = data
    for key in path:
        at = at[key]
    if (kind := draw.random()) < 0.15:
        del at[last]
    elif kind < 0.35 and isinstance(at, dict):
        at[draw.choice(KEYS)] = draw.choice(VALUES)
    else:
        at[last] = draw.choice(VALUES)
    return data


# What a file may say by itself, and only the rest of it shows to be wrong.
BEYOND_A_SCHEMA = {
    *("shape", "unknown-name", "bad-name", "shown-alike", "cycle", "defined-twice", "both-forms"),
    *("missing-key", "missing-value", "missing-loss", "missing-targets", "unknown-option"),
    *(
        "out-of-range",
        "no-connection",
        "batch-of-one",
        "bad-formula",
        "not-a-formula",
        "not-a-number",
        "wrong-form",
        "perceptron-activation",
        "too-large",
    ),
}


def agreed(text: str) -> None:
    """What the reader takes the schema takes; what the schema refuses the reader refuses."""
    fits = CHECK.is_valid(data_of(text))
    try:
        read_problem("generated.yaml", text)
    except ProblemError as error:
        codes = {each.code for each in error.diagnostics if each.severity == "error"}
        assert not fits or codes & BEYOND_A_SCHEMA, (codes, text)
    else:
        assert fits, text


@pytest.mark.parametrize("seed", range(6))
def test_schema_and_reader_agree_on_generated_files(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(60):
        agreed(json.dumps(changed(draw), ensure_ascii=False))


# --- every key of every table -----------------------------------------------------------------

DENSE: dict[str, Any] = {
    "inputs": [1, 2],
    "targets": [1, 0],
    "layers": [
        {"activation": "tanh", "weights": [[0.1, 0.2], [0.3, 0.4]], "biases": [0.1, 0.2]},
        {"activation": "sigmoid", "weights": [[0.5, 0.6], [0.7, 0.8]], "biases": 0.3},
    ],
    "loss": "half_squared_error",
    "learning_rate": 0.5,
    "training": {"steps": 1},
}
CIRCUIT = {
    "equations": {"z": "w*x + b", "L": "(z - y)^2"},
    "given": {"x": 1, "y": 2},
    "parameters": {"w": 2, "b": 1},
    "learning_rate": 0.1,
}
SAMPLED = {key: value for key, value in DENSE.items() if key not in ("inputs", "targets")} | {
    "samples": [{"inputs": [1, 2], "targets": [1, 0]}, {"inputs": [3, 4], "targets": [0, 1]}]
}
IMAGE = [[1, 0, 2], [0, 1, 0], [2, 1, 1]]
OF_KIND: dict[str, tuple[Any, dict[str, Any]]] = {
    "conv2d": (IMAGE, {"kernels": [[[1, 0], [0, 1]]], "biases": [0.1], "activation": "relu"}),
    "conv1d": ([1, 2, 3], {"kernels": [[1, -1]], "biases": [0.1], "activation": "relu"}),
    "max_pool": (IMAGE, {"size": 2, "stride": 1}),
    "avg_pool": (IMAGE, {"size": 3}),
    "flatten": (IMAGE, {}),
    "layer_norm": ([1, 2, 3], {"epsilon": 0.1}),
    "embedding": ([2, 1], {"weights": [[0.1, 0.2], [0.3, 0.4]]}),
    "rnn": ([[1, 2], [0, 1]], {"units": 1, "weights": [[1, 2]], "recurrent": [[0.5]]}),
    "gru": ([[1, 2], [0, 1]], {"units": 1}),
    "lstm": ([[1, 2], [0, 1]], {"units": 1}),
    "dense": ([[1, 2], [0, 1]], {"units": 1, "activation": "tanh"}),
}
MASK = {"mask": [1, 0], "keep": 0.5}
STEPS = {"from": 0, "to": 1, "step": 0.1}


def of_kind(name: str) -> dict[str, Any]:
    inputs, keys = OF_KIND[name]
    return {"inputs": inputs, "layers": [{"kind": name, **keys}]}


def with_layer(**keys: Any) -> dict[str, Any]:
    first, last = DENSE["layers"]
    return DENSE | {"layers": [first, last | keys]}


def with_training(**keys: Any) -> dict[str, Any]:
    return DENSE | {"training": keys}


OWN_RULE = {"state": {"v": 0}, "equations": {"v": "0.9*v + g", "w": "w - eta*v"}}
PLACES: list[tuple[Keys, dict[str, Any], tuple[Any, ...]]] = [
    (read.PROBLEM, DENSE, ()),
    (read.PROBLEM, CIRCUIT, ()),
    (read.LAYER_FORM, DENSE, ()),
    (read.EQUATION_FORM, CIRCUIT, ()),
    (read.BOTH_FORMS, CIRCUIT, ()),
    (samples.SAMPLE, SAMPLED, ("samples", 0)),
    (dense.LAYER, DENSE, ("layers", 1)),
    (dense.TIED, with_layer(weights={"same_as": 1}), ("layers", 1, "weights")),
    (
        layer_parts.BATCH_NORM,
        SAMPLED | {"layers": with_layer(batch_norm={"gamma": 1})["layers"]},
        ("layers", 1, "batch_norm"),
    ),
    (layer_parts.DROPOUT, with_layer(dropout=MASK), ("layers", 1, "dropout")),
    (
        layer_parts.OF_ARRAYS,
        {"inputs": [1, 2], "layers": [{"kind": "layer_norm", "dropout": MASK}]},
        ("layers", 0, "dropout"),
    ),
    (
        rule_use.OWN_ACTIVATION,
        with_layer(activation={"formula": "z^2"}),
        ("layers", 1, "activation"),
    ),
    (rule_use.OWN_LOSS, DENSE | {"loss": {"formula": "(y1 - yhat1)^2"}}, ("loss",)),
    (optimizer_use.OWN, with_training(optimizer=OWN_RULE), ("training", "optimizer")),
    (training.TRAINING_KEYS, DENSE, ("training",)),
    (training.CLIP_KEYS, with_training(clip={"norm": 1}), ("training", "clip")),
    (settings.NOTATION_KEYS, DENSE | {"notation": {}}, ("notation",)),
    (settings.ROUNDING_KEYS, DENSE | {"rounding": {}}, ("rounding",)),
    (settings.MARKING_KEYS, DENSE | {"marking": {}}, ("marking",)),
    (
        variants.VARIANTS_KEYS,
        DENSE | {"variants": {"draw": {"inputs": STEPS}}},
        ("variants",),
    ),
    (
        variants.DRAWN,
        DENSE | {"variants": {"draw": {"inputs": STEPS}}},
        ("variants", "draw", "inputs"),
    ),
    *((row.keys, of_kind(row.name), ("layers", 0)) for row in KINDS.values()),
]
ODD: list[Any] = [
    *VALUES,
    *("eta", "inputs", "all", "last", "layer", "L", "b1", "1e-400", [0, 1], [1, 2], [[1, 2]]),
    *([[1, 2], [3, 4]], [[1, None], ["w", "w2_2_2"]], [[[1]]], [None], ["relu", "tanh"]),
    *({"init": "he", "seed": 3}, {"init": "he", "shape": [2, 2]}, {"shape": [2]}, {"same_as": 1}),
    *({"x": 1}, {"x1": 1, "x2": 2}, {"formula": "z^2"}, {"yhat": [1, 2]}, {"L": 1}, {"t": "1..3"}),
    *(MASK, {"max": "first"}, {"relu": 1}, {"i": [[1]]}, {"w": "w - g"}, [{"inputs": [1, 2]}]),
]


def ends(schema: Any) -> Iterator[Any]:
    """The numbers at both ends of every range in a schema and just beyond, the words of each choice
    and others: what is in and what is out."""
    match schema:
        case {"minimum": low} | {"exclusiveMinimum": low}:
            yield from (low, low - 1, low + 1, low + 0.5)
    match schema:
        case {"maximum": high} | {"exclusiveMaximum": high}:
            yield from (high, high + 1, high - 0.5)
    match schema:
        case {"enum": list(words)}:
            yield from (*words, f"{words[0]}s")
        case {"const": word}:
            yield from (word, f"{word}s")
    for part in schema.get("anyOf", ()) if isinstance(schema, dict) else ():
        yield from ends(part)


def test_every_table_of_keys_has_its_place_here() -> None:
    modules = (read, samples, dense, layer_parts, rule_use, optimizer_use)
    modules += (training, settings, variants)
    found = {each for module in modules for each in vars(module).values() if isinstance(each, Keys)}
    assert found == {keys for keys, _, path in PLACES if "kind" not in keys.names} | {dense.LAYER}


@pytest.mark.parametrize(
    ("keys", "file", "path"), PLACES, ids=[f"{keys.about[:30]}" for keys, _, _ in PLACES]
)
def test_schema_and_reader_agree_on_every_key_of_every_table(
    keys: Keys, file: dict[str, Any], path: tuple[Any, ...]
) -> None:
    read_problem("whole.yaml", json.dumps(file))
    CHECK.validate(data_of(json.dumps(file)))
    draw = random.Random(keys.about)
    for row in keys.rows:
        for value in [*ends(row.kind.schema), *draw.sample(ODD, 6)]:
            data = copy.deepcopy(file)
            at: Any = data
            for key in path:
                at = at[key]
            at[row.key] = value
            agreed(json.dumps(data, ensure_ascii=False))


def every_row() -> Iterator[tuple[str, Field[Any]]]:
    """The rows whose values are read by themselves, not with the rest of the file."""
    node = compose(Source("node.yaml", "[]"))[0]
    assert node is not None
    for keys, _, _ in PLACES:
        for row in keys.rows:
            if Report().tried(row.kind.read, node, "it") is not node:
                yield f"{keys.about[:20]}: {row.key}", row


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in every_row()])
def test_a_value_that_is_read_by_itself_is_refused_where_its_schema_refuses_it(
    row: Field[Any],
) -> None:
    whole = {**row.kind.schema, "$defs": problem_schema()["$defs"]}
    fits = jsonschema.Draft202012Validator(whole)
    for value in [*ends(row.kind.schema), *ODD]:
        if value is None:
            continue  # a key without a value is left out
        if isinstance(value, bool) and row.kind is FORMULA:
            continue  # the formula of a quantity called so, which the rest of the file shows wrong
        text = json.dumps(value, ensure_ascii=False)
        node, _ = compose(Source("value.yaml", text))
        assert node is not None
        report = Report()
        report.tried(row.kind.read, node, "it")
        codes = {each.code for each in report.problems if each.severity == "error"}
        if fits.is_valid(data_of(text)):
            assert codes <= BEYOND_A_SCHEMA - {"out-of-range", "too-large"}, (codes, text)
        else:
            assert codes, text
