"""Thousands of broken problem files: each must be read or refused, in time, without a traceback.

Run by hand for the full count: `python tests/fuzz_problem_files.py --count 5000 --seed 1`. A few
hundred run with the tests (tests/problem/test_hostile_files.py).
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from backprop_cli.diagnostics import ProblemError, render
from backprop_cli.problem.model import Problem
from backprop_cli.problem.read import read

PROBLEMS = Path(__file__).resolve().parent.parent / "problems"
SECONDS = 2.0

# Values of every kind that does not belong where it will be put.
ODD = (
    "null", "~", "yes", "1:30", "0o17", "1e-3", "1e999", "-1", "0", "1.5", "2024-01-01", ".nan",
    ".inf", "''", '"0.5"', "[]", "{}", "[[]]", "[[1, 2], [3]]", "{a: 1}", "*a", "&a 1", "!!int 3",
    "relu", "softmax", "sigmod", "x1", "w1_1_1", "dL/dw1_1_1", "9**9**9**9", "((((((((", "ŷ", "−1",
    "\t", "\x00", "\x1b[31m", "\u202e", "\ufeff", "::error::", "'", '"', "{", "}", "[", "]", "- ",
    ": ", "# ", "\n", "---\n", "a" * 300, "[" * 60, "1" * 60, "__import__('os')", "exp(exp(",
    "{init: uniform}", "{name: huber, delta: 0}", "all", "adam", "if", "w*x if x > 0 else 0",
)  # fmt: skip


def _change_character(random: random.Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(ODD) + text[at + random.randrange(3) :]


def _drop_line(random: random.Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    del lines[random.randrange(len(lines))]
    return "".join(lines)


def _repeat_line(random: random.Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    lines.insert(random.randrange(len(lines)), random.choice(lines))
    return "".join(lines)


def _change_value(random: random.Random, text: str) -> str:
    """Another value behind one colon or comma."""
    places = [at for at, character in enumerate(text) if character in ":,[" and at + 1 < len(text)]
    if not places:
        return text
    start = random.choice(places) + 1
    end = start
    while end < len(text) and text[end] not in ",]}\n":
        end += 1
    return f"{text[:start]} {random.choice(ODD)}{text[end:]}"


def _indent(random: random.Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    at = random.randrange(len(lines))
    lines[at] = " " * random.randrange(4) + lines[at].lstrip()
    return "".join(lines)


def _cut(random: random.Random, text: str) -> str:
    start, end = sorted(random.randrange(len(text) + 1) for _ in range(2))
    return text[:start] + text[end:] if random.random() < 0.3 else text[:end]


def _swap(random: random.Random, text: str) -> str:
    words = text.split(" ")
    one, other = random.randrange(len(words)), random.randrange(len(words))
    words[one], words[other] = words[other], words[one]
    return " ".join(words)


ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2.5, 1e-12, 7, 10**9, 10**50, "", "x", "y", "w", "relu", "softmax",
    "step", "shared", "none", "all", "eta", "z1_1", "f", "1", "x + 1", "1/0", "f(x)", [], {}, [[]],
    [1, 2], [[1, 2], [3, 4]], [[None]], {"name": "adam"}, {"init": "he", "seed": 3}, {"x": 1},
    {"name": "g", "formula": "z^2"}, {"formula": "(y - yhat)^2"}, [{"inputs": [1], "targets": [1]}],
    {"equations": {"w": "w - g"}}, {"norm": 1}, {"epsilon": 0}, {"name": "perceptron"}, "perceptron",
)  # fmt: skip
ODD_KEYS = (
    "inputs", "targets", "samples", "layers", "loss", "equations", "given", "parameters", "output",
    "weights", "units", "biases", "activation", "batch_norm", "frozen", "trainable", "training",
    "learning_rate", "marking", "rounding", "notation", "bias_input", "with_respect_to", "title",
    "steps", "batch", "rule", "optimizer", "clip", "l2", "ask", "points", "x1", "e", "exp", "a b",
)  # fmt: skip


def _change_node(random: random.Random, text: str) -> str:
    """One value or key of the tree changed, and the whole written as JSON, which is YAML too."""
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text
    places: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        inner = node.items() if isinstance(node, dict) else ()
        inner = enumerate(node) if isinstance(node, list) else inner
        for key, value in inner:
            places.append((node, key))
            waiting.append(value)
    if not places:
        return text
    node, key = random.choice(places)
    match random.randrange(5):
        case 0 if isinstance(node, dict):
            node[random.choice(ODD_KEYS)] = node.pop(key)
        case 1:
            del node[key]
        case 2 if isinstance(node, list):
            node.insert(key, copy.deepcopy(random.choice([*node, *ODD_VALUES])))
        case 3 if isinstance(node, dict):
            node[random.choice(ODD_KEYS)] = copy.deepcopy(random.choice(ODD_VALUES))
        case _:
            other, other_key = random.choice(places)
            found = other[other_key] if other_key in _keys(other) else None
            node[key] = copy.deepcopy(random.choice([found, *ODD_VALUES]))
    return json.dumps(tree, ensure_ascii=False, default=str)


def _keys(node: Any) -> Any:
    return node if isinstance(node, dict) else range(len(node))


MUTATIONS: tuple[Callable[[random.Random, str], str], ...] = (
    _change_character,
    _change_value,
    _change_value,
    _change_value,
    _drop_line,
    _repeat_line,
    _indent,
    _cut,
    _swap,
)


def mutants(count: int, seed: int) -> Iterator[str]:
    """Problem files of this repository, each with one to four things done to it."""
    chance = random.Random(seed)
    texts = [path.read_text(encoding="utf-8") for path in sorted(PROBLEMS.glob("*.yaml"))]
    for _ in range(count):
        text = chance.choice(texts)
        change = _change_node if chance.random() < 0.5 else None
        for _ in range(chance.randint(1, 4)):
            if text:
                text = (change or chance.choice(MUTATIONS))(chance, text)
        yield text


def verdict(text: str) -> str:
    """ "read" or the codes of the mistakes. Raises whatever the reader lets through."""
    start = time.perf_counter()
    try:
        problem, warnings = read("mutant.yaml", text)
        assert isinstance(problem, Problem)
        assert all(warning.severity == "warning" for warning in warnings)
        result, messages = "read", warnings
    except ProblemError as error:
        messages = list(error.diagnostics)
        assert any(message.severity == "error" for message in messages), "refused without reason"
        result = " ".join(sorted({message.code for message in messages}))
    for message in messages:
        _check_rendered(render(message))
    seconds = time.perf_counter() - start
    assert seconds < SECONDS, f"took {seconds:.1f} s"
    return result


def _check_rendered(rendered: str) -> None:
    for line in rendered.split("\n"):
        assert line.isprintable(), f"a control character in {line!r}"
    assert len(rendered) < 2_000, "a message without end"


def solved(text: str, *options: str) -> None:
    """Solve what can be read, through the command, errors let through."""
    from commands import backprop

    outcome = backprop("solve", "-", *options, stdin=text)
    assert outcome.code in (0, 2), f"exit code {outcome.code}"
    assert "Traceback" not in outcome.complaints


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--solve", action="store_true", help="solve what can be read")
    options = parser.parse_args()
    codes: Counter[str] = Counter()
    failures = 0
    slowest = 0.0
    for text in mutants(options.count, options.seed):
        start = time.perf_counter()
        try:
            found = set(verdict(text).split())
            codes.update(found)
            if options.solve and found == {"read"}:
                solved(text)
                solved(text, "--symbolic", "--format", "json")
                solved(text, "--form", "chain")
        except Exception as error:
            failures += 1
            place = traceback.format_exc().splitlines()[-4:]
            print(f"{type(error).__name__}: {error}\n{text}\n", *place, "-" * 60, sep="\n")
        slowest = max(slowest, time.perf_counter() - start)
    for code, times in codes.most_common():
        print(f"{times:6} {code}")
    print(f"{options.count} files, {failures} failures, the slowest took {slowest:.3f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
