"""Work backpropagation by hand: solve, explain and mark worksheets.

    from backprop_cli import load, solve

    solution = solve(load("problems/two-hidden-layers.yaml"))
    solution.value("dL/dw3_1_1")
    print(solution)

What is offered here is loaded when it is first used: importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backprop_cli.api import (
        Marks,
        Problem,
        ProblemError,
        Solution,
        TooLarge,
        UnknownName,
        check,
        load,
        practice,
        solve,
    )

__version__ = "0.2.0"
__all__ = [
    "Marks",
    "Problem",
    "ProblemError",
    "Solution",
    "TooLarge",
    "UnknownName",
    "check",
    "load",
    "practice",
    "solve",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("backprop_cli.api"), name)
    raise AttributeError(f"module 'backprop_cli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
