"""The functions of the closed list as SymPy has them: its own, or opaque ones with our slopes."""

from __future__ import annotations

from typing import Any

from backprop_cli.algebra.bridge import to_sympy
from backprop_cli.algebra.derivative import function_slope, written
from backprop_cli.formula.build import names_in
from backprop_cli.formula.defined import defined, variables
from backprop_cli.formula.functions import FUNCTIONS, derived, functions
from backprop_cli.formula.nodes import Call, Formula

SYMPYS = ("exp", "ln", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "erf")
"""Functions that are SymPy's own here."""


@derived
def function_classes(*, taught: bool = False) -> dict[str, Any]:
    """SymPy's own functions where it has them, else opaque ones with our slopes.

    With `taught` a slope is what is taught, σ(1 − σ) and 1 − tanh², not σ′ and tanh′.
    """
    import sympy

    classes: dict[str, Any] = {
        name: getattr(sympy, "log" if name == "ln" else name) for name in SYMPYS
    }
    classes["log"] = classes["ln"]

    def fdiff(self: Any, argindex: int = 1) -> Any:
        name, arity = type(self).__name__, len(self.args)
        slope = read_off(name, arity) if taught else None
        slope = slope or function_slope(name, arity, argindex - 1)
        if slope is None:
            raise sympy.core.function.ArgumentIndexError(self, argindex)
        at = dict(zip(variables(arity), self.args, strict=True))
        return to_sympy(slope, at.__getitem__, classes)

    for row in functions():
        if row.name not in classes and not row.constant:
            classes[row.name] = type(row.name, (sympy.Function,), {"fdiff": fdiff, "nargs": None})
    return classes


@derived
def read_off(function: str, arity: int) -> Formula | None:
    """A slope that is read off the value, σ(1 − σ), or is another function: what is written for f′
    where a formula is composed. None where f′ says more."""
    row = FUNCTIONS.get(function + "'")
    if row is None or not row.definition:
        return None
    slope = written(row.definition)
    short = set(names_in(slope)) == {"a"} or (isinstance(slope, Call) and slope.arguments)
    return defined(row.name, arity) if short else None
