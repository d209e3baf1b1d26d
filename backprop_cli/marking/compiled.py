"""Formulas as fast functions of a list of values, one place for each quantity of the sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from backprop_cli.formula import python
from backprop_cli.formula.build import children
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Formula

Function: TypeAlias = Callable[[Sequence[float]], float]
Functions: TypeAlias = Callable[[Sequence[float]], Sequence[float]]

MOST_DEPTH = 40  # deeper trees are walked instead: Python's own compiler has a limit


def compile_formula(formula: Formula, slot: Mapping[str, int]) -> Function:
    """A function of the values of all names, each in its slot."""
    if not _compilable(formula):
        return partial(_walk, formula, slot)
    function: Function = python.build(f"lambda v: {_written(formula, slot)}")
    return function


def compile_all(formulas: Sequence[Formula], slot: Mapping[str, int]) -> Functions:
    """One function that gives the values of all the formulas."""
    if not all(map(_compilable, formulas)):
        each = [compile_formula(formula, slot) for formula in formulas]
        return lambda v: [function(v) for function in each]
    parts = "".join(f"{_written(formula, slot)}, " for formula in formulas)
    functions: Functions = python.build(f"lambda v: ({parts})")
    return functions


def _written(formula: Formula, slot: Mapping[str, int]) -> str:
    return python.write(formula, lambda name: f"v[{slot[name]}]")


def _walk(formula: Formula, slot: Mapping[str, int], v: Sequence[float]) -> float:
    return as_float(evaluate(formula, lambda name: v[slot[name]]))


def _compilable(formula: Formula) -> bool:
    level: Sequence[Formula] = [formula]
    for _ in range(MOST_DEPTH):
        level = [part for node in level for part in children(node)]
        if not level:
            return True
    return False
