"""What is derived rather than written: derivatives, cancellations, proofs, precise numbers.

The only room SymPy lives in, and each function here imports it when it first needs it: a sheet
of sums and products, `--help` and `list` never do.
"""

from __future__ import annotations

from backprop_cli.algebra.combine import combine, equal
from backprop_cli.algebra.compose import TooLarge, composed_gradient, composed_size
from backprop_cli.algebra.derivative import NotDifferentiable, derivatives, differentiate
from backprop_cli.algebra.precise import finite_difference, precise_value
from backprop_cli.algebra.recognise import recognise

__all__ = [
    "NotDifferentiable",
    "TooLarge",
    "combine",
    "composed_gradient",
    "composed_size",
    "derivatives",
    "differentiate",
    "equal",
    "finite_difference",
    "precise_value",
    "recognise",
]
