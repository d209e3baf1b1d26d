"""The whole calculation as one expression, differentiated by SymPy: how `verify` checks gradients.

Worksheets never do this: the composed derivative explodes (645,000 operations for 4-4-4-4-2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from backprop_cli.algebra.bridge import Beyond, to_sympy
from backprop_cli.algebra.precise import Arithmetic, Definitions, Precise, arithmetic
from backprop_cli.algebra.slopes import function_classes
from backprop_cli.formula.build import children
from backprop_cli.formula.nodes import Formula, Name

LARGEST = 40_000
"""How many nodes the composed formula may have, times the names to differentiate by."""

_DIGITS = 40


def composed_size(definitions: Definitions, output: str) -> int:
    """The number of nodes of the output once every name is replaced by its definition."""
    sizes: dict[str, int] = {}

    def count(formula: Formula) -> int:
        if isinstance(formula, Name):
            return sizes.get(formula.name, 1)
        return 1 + sum(map(count, children(formula)))

    for name, formula in definitions:
        sizes[name] = count(formula)
    return sizes.get(output, 1)


def composed_gradient(
    definitions: Definitions,
    output: str,
    wrt: Sequence[str],
    values: Mapping[str, Fraction | float],
    largest: int = LARGEST,
) -> dict[str, float] | None:
    """d output / d each name of `wrt`: composed, differentiated by SymPy, then evaluated precisely.

    None where the composed formula is too large (see LARGEST) or outside SymPy's reach.
    `definitions` are in order of calculation; `values` hold every other name.
    """
    if composed_size(definitions, output) * len(wrt) > largest:
        return None
    import sympy

    symbols: dict[str, Any] = {}
    expressions: dict[str, Any] = {}

    def symbol(name: str) -> Any:
        if name in expressions:
            return expressions[name]
        if name not in symbols:
            symbols[name] = sympy.Symbol(f"v{len(symbols)}")
        return symbols[name]

    try:
        for name, formula in definitions:
            expressions[name] = to_sympy(formula, symbol, function_classes())
        composed = expressions[output]
        on = arithmetic(_DIGITS)
        known = {symbols[name]: on.number(values[name]) for name in symbols}
        reader = _Reader(on, known)
        return {
            name: float(reader.value(sympy.diff(composed, symbol(name))))
            if name in symbols
            else 0.0
            for name in wrt
        }
    except (ArithmeticError, NotImplementedError, RecursionError, TypeError, ValueError):
        return None


class _Reader:
    """Values of SymPy expressions; equal parts are calculated once."""

    def __init__(self, on: Arithmetic, known: Mapping[Any, Precise]) -> None:
        self.on = on
        self.found: dict[Any, Precise] = dict(known)

    def value(self, node: Any) -> Precise:
        found = self.found.get(node)
        if found is None:
            found = self.found[node] = self._value(node)
        return found

    def _value(self, node: Any) -> Precise:
        import sympy

        on = self.on
        if node.is_Rational:
            return on.number(Fraction(int(node.p), int(node.q)))
        if node is sympy.pi or node is sympy.E:
            return on.call("pi" if node is sympy.pi else "e", ())
        if node.is_Add:
            return sum(map(self.value, node.args), on.mp.zero)
        if node.is_Mul:
            return on.mp.fprod(map(self.value, node.args))
        if node.is_Pow:
            return on.power(self.value(node.base), self.value(node.exp))
        if isinstance(node, sympy.Piecewise):
            for expression, condition in node.args:
                if self.holds(condition):
                    return self.value(expression)
            return on.mp.nan
        if node.is_Function:
            return on.call(type(node).__name__, list(map(self.value, node.args)))
        raise Beyond(f"{type(node).__name__} has no value here")

    def holds(self, condition: Any) -> bool:
        import sympy

        if condition is sympy.true or condition is sympy.false:
            return bool(condition)
        if isinstance(condition, sympy.And | sympy.Or):
            combine = all if isinstance(condition, sympy.And) else any
            return combine(map(self.holds, condition.args))
        if isinstance(condition, sympy.Not):
            return not self.holds(condition.args[0])
        if isinstance(condition, sympy.ITE):
            return self.holds(condition.args[1 if self.holds(condition.args[0]) else 2])
        if not isinstance(condition, sympy.core.relational.Relational):
            raise Beyond(f"{type(condition).__name__} is no condition here")
        left, right = self.value(condition.lhs), self.value(condition.rhs)
        return bool(
            {
                "<": left < right,
                "<=": left <= right,
                ">": left > right,
                ">=": left >= right,
                "==": left == right,
                "!=": left != right,
            }[condition.rel_op]
        )
