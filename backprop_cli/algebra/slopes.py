"""The slope of every function of the closed list, as a formula.

Functions that a student meets as activations differentiate to their primed forms (σ′, ReLU′), so
that no Heaviside step and no ½ at a kink comes up; `max` and `min` to the share of their winner.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from backprop_cli.formula.build import names_in, negative, total
from backprop_cli.formula.defined import defined, read, variables
from backprop_cli.formula.functions import FUNCTIONS, derived, functions
from backprop_cli.formula.nodes import Call, Formula, Name
from backprop_cli.formula.parse import parse

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
        from backprop_cli.algebra.bridge import to_sympy

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


@lru_cache(maxsize=128)
def written(text: str) -> Formula:
    """The formula of a text in the table of functions."""
    return parse(text)


# Of two values the larger (the smaller) one has the slope 1, as on paper; in a tie, where there is
# no derivative, each gets half.
_EXTREME_SLOPES: Mapping[str, tuple[str, str]] = {
    "max": ("1 if u0 > u1 else 0 if u0 < u1 else 1/2", "1 if u1 > u0 else 0 if u1 < u0 else 1/2"),
    "min": ("1 if u0 < u1 else 0 if u0 > u1 else 1/2", "1 if u1 < u0 else 0 if u1 > u0 else 1/2"),
}


def _extreme_slope(function: str, arity: int, index: int) -> Formula:
    """Of more than two values: the share of ∂L/∂max that goes to one, written first."""
    if arity == 2:
        return written(_EXTREME_SLOPES[function][index])
    names = [Name(own) for own in variables(arity)]
    return Call(f"{function}_share", (names.pop(index), *names))


@derived
def function_slope(function: str, arity: int, index: int) -> Formula | None:
    """The slope of a function by its argument `index`, in the names u0, u1, …; None without one."""
    row = FUNCTIONS.get(function)
    if row is None:
        return None
    arguments = tuple(map(Name, variables(arity)))
    if row.slopes:
        return read(row.name, row.slopes[min(index, len(row.slopes) - 1)], arity)
    if function in _EXTREME_SLOPES:
        return _extreme_slope(function, arity, index)
    if function == "logsumexp":
        return Call("exp", (total(arguments[index], negative(Call(function, arguments))),))
    if index == 0 and function + "'" in FUNCTIONS:
        return Call(function + "'", arguments)
    return slope_of_definition(function, arity, index)


@derived
def slope_of_definition(function: str, arity: int, index: int = 0) -> Formula | None:
    """The same derived from what the function is defined by, if it is."""
    definition = defined(function, arity)
    if definition is None:
        return None
    from backprop_cli.algebra.derivative import differentiate  # which asks for slopes

    return differentiate(definition, variables(arity)[index])
