"""The slope of every function of the closed list, derived by SymPy and kept as a formula.

Functions that a student meets as activations differentiate to their primed forms (σ′, ReLU′), so
that no Heaviside step and no ½ at a kink comes up; `max` and `min` to the share of their winner.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

from backprop_cli.formula.functions import FUNCTIONS, ROWS
from backprop_cli.formula.nodes import Call, Formula, Name
from backprop_cli.formula.parse import parse


@lru_cache(maxsize=2)
def function_classes(*, taught: bool = False) -> dict[str, Any]:
    """SymPy's own functions where it has them, else opaque ones with our slopes.

    With `taught` a slope is what is taught, σ(1 − σ) and 1 − tanh², not σ′ and tanh′.
    """
    import sympy
    from sympy.core.function import ArgumentIndexError

    classes: dict[str, Any] = {
        name: getattr(sympy, "log" if name == "ln" else name)
        for name in ("exp", "ln", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "erf")
    }

    def opaque(name: str, *slopes: Any) -> None:
        """`slopes[i]` gives the slope by argument i; the last one serves all further arguments."""

        def fdiff(self: Any, argindex: int = 1) -> Any:
            if not slopes:
                raise ArgumentIndexError(self, argindex)
            return slopes[min(argindex, len(slopes)) - 1](self, argindex - 1)

        classes[name] = type(name, (sympy.Function,), {"fdiff": fdiff, "nargs": None})

    def zero(self: Any, index: int) -> Any:
        return sympy.S.Zero

    def one(self: Any, index: int) -> Any:
        return sympy.S.One

    def primed(self: Any, index: int) -> Any:
        return classes[type(self).__name__ + "'"](*self.args)

    def share(self: Any, index: int) -> Any:
        if len(self.args) == 2:
            text = _EXTREME_SLOPES[type(self).__name__][index]
            return _written_slope(classes, text, self, index)
        rest = self.args[:index] + self.args[index + 1 :]
        return classes[type(self).__name__ + "_share"](self.args[index], *rest)

    def call(name: str, *arguments: Any) -> Any:
        return classes[name](*arguments)

    opaque("identity", one)
    opaque("identity'", zero)
    opaque("relu", primed)
    opaque("relu'", zero)
    opaque("leaky_relu", primed, lambda self, _: call("min", self.args[0], sympy.S.Zero))
    opaque("leaky_relu'", zero, lambda self, _: 1 - call("relu'", self.args[0]))
    opaque("elu", primed, lambda self, _: sympy.exp(call("min", self.args[0], sympy.S.Zero)) - 1)
    opaque(
        "elu'",
        lambda self, _: (1 - call("relu'", self.args[0])) * self,
        lambda self, _: (
            (1 - call("relu'", self.args[0])) * sympy.exp(call("min", self.args[0], sympy.S.Zero))
        ),
    )
    for name in ("step", "sign"):
        opaque(name, zero)
        opaque(name + "'", zero)
    opaque("abs", primed)
    opaque("abs'", zero)
    opaque("max", share)
    opaque("min", share)
    opaque("max_share", zero)
    opaque("min_share", zero)
    opaque("log1p", lambda self, _: 1 / (1 + self.args[0]))
    opaque("logsumexp", lambda self, index: sympy.exp(self.args[index] - self))

    def sigmoid_bend(z: Any) -> Any:
        return call("sigmoid'", z) * (1 - 2 * call("sigmoid", z))

    opaque("sigmoid", (lambda self, _: self * (1 - self)) if taught else primed)
    opaque("sigmoid'", lambda self, _: sigmoid_bend(self.args[0]))
    opaque("tanh", (lambda self, _: 1 - self**2) if taught else primed)
    opaque("tanh'", lambda self, _: -2 * call("tanh", self.args[0]) * self)
    opaque("softplus", (lambda self, _: call("sigmoid", self.args[0])) if taught else primed)
    opaque("softplus'", lambda self, _: call("sigmoid'", self.args[0]))
    opaque("swish", primed)
    opaque(
        "swish'",
        lambda self, _: (
            2 * call("sigmoid'", self.args[0]) + self.args[0] * sigmoid_bend(self.args[0])
        ),
    )
    opaque("gelu", primed)
    opaque(
        "gelu'",
        lambda self, _: (
            (2 - self.args[0] ** 2) * sympy.exp(-(self.args[0] ** 2) / 2) / sympy.sqrt(2 * sympy.pi)
        ),
    )
    for row in ROWS:
        if row.slopes:
            opaque(row.name, *(partial(_written_slope, classes, text) for text in row.slopes))
    return classes


def _written_slope(classes: Mapping[str, Any], text: str, call: Any, index: int) -> Any:
    """The slope that a row of the table writes down, at the arguments of this call."""
    from backprop_cli.algebra.bridge import to_sympy

    at = {f"u{place}": argument for place, argument in enumerate(call.args)}
    return to_sympy(written(text), at.__getitem__, classes)


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
    names = [Name(f"u{at}") for at in range(arity)]
    return Call(f"{function}_share", (names.pop(index), *names))


@lru_cache(maxsize=512)
def function_slope(function: str, arity: int, index: int) -> Formula | None:
    """The slope of a function by its argument `index`, in the names u0, u1, …; None without one."""
    import sympy

    from backprop_cli.algebra.bridge import from_sympy

    if function in FUNCTIONS and (slopes := FUNCTIONS[function].slopes):
        return written(slopes[min(index, len(slopes) - 1)])
    if function in _EXTREME_SLOPES:
        return _extreme_slope(function, arity, index)
    found = function_classes().get(function)
    if found is None:
        return None
    arguments = sympy.symbols([f"u{at}" for at in range(arity)])
    slope = sympy.diff(found(*arguments), arguments[index])
    return from_sympy(slope, {symbol: Name(symbol.name) for symbol in arguments})
