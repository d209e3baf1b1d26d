"""`--format sympy`: a script that derives every gradient again and ends with 0 if all agree."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from commands import PROBLEMS, backprop
from strategies import as_yaml

COURSE = sorted(PROBLEMS.glob("*.yaml"))


def script(problem: dict[str, Any] | Path, *options: str) -> str:
    if isinstance(problem, Path):
        found = backprop("solve", problem, "--format", "sympy", *options)
    else:
        found = backprop("solve", "-", "--format", "sympy", *options, stdin=as_yaml(problem))
    assert found.code == 0, found.complaints
    return found.text


def run(source: str) -> str:
    """What the script prints; AssertionError where a gradient differs."""
    said = io.StringIO()
    with redirect_stdout(said):
        exec(compile(source, "script.py", "exec"), {"__name__": "__main__"})
    return said.getvalue()


SEVERAL: dict[str, dict[str, Any]] = {
    "tanh and softmax": {
        "inputs": [0.5, -1],
        "targets": [0, 1],
        "layers": [
            {"activation": "tanh", "weights": [[0.1, 0.2], [0.3, -0.4]], "biases": [0.1, 0.2]},
            {"activation": "softmax", "weights": [[0.5, 0.1], [-0.2, 0.7]]},
        ],
        "loss": "cross_entropy",
    },
    "relu three deep": {
        "inputs": [1, 2],
        "targets": [1],
        "layers": [
            *[{"activation": "relu", "weights": [[0.5, 0.3], [0.2, 0.4]]}] * 3,
            {"activation": "leaky_relu", "weights": [[-0.5, -1]]},
        ],
        "loss": "squared_error",
    },
    "samples": {
        "samples": [{"inputs": [1], "targets": [0]}, {"inputs": [2], "targets": [1]}],
        "layers": [{"activation": "sigmoid", "weights": [[0.3]], "biases": [0.1]}],
        "loss": "binary_cross_entropy",
        "learning_rate": 0.1,
    },
    "cases and ties": {
        "equations": {
            "h": "max(x, w, 1/2)",
            "k": "min(w, x) + abs(w - x) + clip(w*x, 0, 1) + relu6(w)",
            "L": "(h*k)^2 if h > 0.1 else k/3 + 2^(-1)",
        },
        "given": {"x": 0.5},
        "parameters": {"w": 0.75},
    },
    "softmax without numbers": {
        "inputs": ["x1"],
        "targets": ["y1", "y2"],
        "layers": [{"activation": "softmax", "units": 2}],
        "loss": "cross_entropy",
    },
    "gelu without numbers": {
        "equations": {"h": "gelu(w*x) + swish(b)", "L": "(h - y)^2/3"},
        "given": ["x", "y"],
        "parameters": ["w", "b"],
    },
    "no gradient through a part": {
        "equations": {"a": "stop(w*x)*w", "L": "a^2"},
        "given": {"x": 2},
        "parameters": {"w": 3},
    },
    "names that Python and SymPy have": {
        "title": "Line one\nimport os # \u202e",
        "equations": {"sp": "lambda*E + print^2*S", "L": "sp*I/N + abs1*beta + Q*η"},
        "given": {"E": 1, "I": 2, "N": 3, "S": 4, "Q": 5, "abs1": 2, "print": 3},
        "parameters": {"lambda": 0.5, "beta": 2, "η": 1},
    },
}


@pytest.mark.parametrize("name", SEVERAL)
def test_it_agrees(name: str) -> None:
    said = run(script(SEVERAL[name]))
    assert re.search(r"^dL/d\w+ = ", said, re.M)


@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_every_problem(path: Path) -> None:
    found = backprop("solve", path, "--format", "sympy")
    if found.code:
        assert "too large" in found.complaints or "no gradient" in found.complaints
    else:
        run(found.text)


@pytest.mark.parametrize("name", ["relu three deep", "gelu without numbers"])
def test_a_wrong_gradient_does_not_pass(name: str) -> None:
    source = script(SEVERAL[name])
    (entry,) = re.findall(r"^    \('dL/d\w+', \w+, (.*)\),$", source, re.M)[-1:]
    with pytest.raises(AssertionError, match="dL/d"):
        run(source.replace(entry, f"({entry})*sp.Rational('1.00001')"))


def test_plain_python_with_sympy_alone(tmp_path: Path) -> None:
    target = tmp_path / "again.py"
    made = backprop("solve", PROBLEMS / "relu-regression-step.yaml", "--output", target)
    assert made.code == 0
    assert "backprop" not in target.read_text(encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", target], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("dL/d") == 13


def test_one_gradient_alone() -> None:
    assert run(script(PROBLEMS / "two-hidden-layers.yaml", "--only", "dL/db3_1")).count("\n") == 1


def test_what_no_script_can_do() -> None:
    rounded = backprop("solve", PROBLEMS / "one-neuron.yaml", "-f", "sympy", "--round-each", "3")
    assert rounded.code == 2
    assert "rounded at every step" in rounded.complaints
    large = backprop("solve", PROBLEMS / "batch-norm-before-activation.yaml", "-f", "sympy")
    assert large.code == 2
    assert "too large" in large.complaints
    other = backprop("worksheet", PROBLEMS / "one-neuron.yaml", "-f", "sympy")
    assert other.code == 2


def test_slopes_that_the_file_says_itself() -> None:
    problem = {
        "equations": {"L": "relu(w)^2"},
        "parameters": {"w": 0.5},
        "kinks": {"relu": 1},
    }
    found = backprop("solve", "-", "--format", "sympy", stdin=as_yaml(problem))
    assert found.code == 2
    assert "slopes that the file says itself" in found.complaints
