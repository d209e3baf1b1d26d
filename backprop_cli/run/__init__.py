"""Solving: values for the list of equations, update by update."""

from __future__ import annotations

from backprop_cli.run.evaluation import evaluate_steps, is_clock, leaf_values
from backprop_cli.run.flow import layer_sizes
from backprop_cli.run.model import Iteration, Run, Stop, Value, Values
from backprop_cli.run.precise import Precisely, Singular, singularities
from backprop_cli.run.solve import solve

__all__ = [
    "Iteration",
    "Precisely",
    "Run",
    "Singular",
    "Stop",
    "Value",
    "Values",
    "evaluate_steps",
    "is_clock",
    "layer_sizes",
    "leaf_values",
    "singularities",
    "solve",
]
