"""The package's answer to a problem, in the shape in which `oracle` gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import strategies

from backprop_cli.problem.read import read_problem
from backprop_cli.run import Run, solve


def run(problem: Mapping[str, Any], **options: Any) -> Run:
    return solve(read_problem("problem.yaml", strategies.as_yaml(dict(problem))), **options)


def updates(problem: Mapping[str, Any], **options: Any) -> list[dict[str, float]]:
    """For every update: each name on the sheet with its number."""
    return [
        {name: float(value) for name, value in iteration.values.items() if value is not None}
        for iteration in run(problem, **options).iterations
    ]
