"""Broken and hostile files: read or refused, in time, never a traceback (see the fuzz script)."""

from __future__ import annotations

import pytest
from fuzz_problem_files import mutants, verdict
from hypothesis import given
from hypothesis import strategies as st

TEXTS = list(mutants(400, seed=2))


@pytest.mark.parametrize("part", range(4))
def test_mutants_of_the_problem_files(part: int) -> None:
    for text in TEXTS[part::4]:
        verdict(text)


SCALARS = st.sampled_from(
    [
        "relu",
        "sigmoid",
        "softmax",
        "1",
        "-2.5",
        "1e-3",
        "0",
        "null",
        "true",
        "yes",
        "x1",
        "y",
        "w1_1_1",
        "all",
        "adam",
        "mse",
        "perceptron",
        "'*'",
        "'z^2'",
        "f",
        "1:30",
        "'(y - yhat)^2'",
        "{init: he}",
        "step",
    ]
)
KEYS = st.sampled_from(
    [
        "inputs",
        "targets",
        "samples",
        "layers",
        "loss",
        "activation",
        "weights",
        "biases",
        "units",
        "batch_norm",
        "frozen",
        "trainable",
        "training",
        "steps",
        "batch",
        "optimizer",
        "clip",
        "rule",
        "name",
        "formula",
        "state",
        "equations",
        "given",
        "parameters",
        "output",
        "with_respect_to",
        "learning_rate",
        "notation",
        "rounding",
        "digits",
        "marking",
        "ask",
        "points",
        "init",
        "seed",
    ]
)
NODES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(KEYS, inner, max_size=4).map(
            lambda entries: "{" + ", ".join(f"{key}: {one}" for key, one in entries.items()) + "}"
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, NODES, max_size=7))
def test_files_of_known_words_in_any_arrangement(entries: dict[str, str]) -> None:
    verdict("".join(f"{key}: {value}\n" for key, value in entries.items()))


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    verdict(text)


@pytest.mark.parametrize(
    "formula",
    [
        "9**9**9**9",
        "(" * 100_000,
        "__import__('os').system('true')",
        "factorial(10**9)",
        "x" + "+x" * 100_000,
        "-" * 100_000 + "x",
        "x^" * 10_000 + "x",
        "exp(" * 1000 + "x" + ")" * 1000,
        "1 if x > 0 else " * 5000 + "1",
    ],
)
def test_hostile_formulas(formula: str) -> None:
    verdict(f'equations: {{f: "{formula}"}}\ngiven: {{x: 1}}\n')
    verdict(f'inputs: [1]\nlayers: [{{activation: {{formula: "{formula}"}}, weights: [[1]]}}]\n')
