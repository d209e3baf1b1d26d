"""Formulas as fast functions of a list of values, one place for each quantity of the sheet.

The source is made from checked trees only, never from a student's text. Arithmetic is IEEE:
nothing raises, 1/0 is infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, assert_never

from backprop_cli.formula.build import children
from backprop_cli.formula.evaluate import as_float, evaluate, float_power
from backprop_cli.formula.functions import FUNCTIONS
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Matrix,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Shown,
    Sum,
)

Function: TypeAlias = Callable[[Sequence[float]], float]
Functions: TypeAlias = Callable[[Sequence[float]], Sequence[float]]

MOST_DEPTH = 60  # deeper trees are walked instead: Python's own compiler has a limit
MOST_OPERANDS = 400


def divide(above: float, below: float) -> float:
    try:
        return above / below
    except ZeroDivisionError:
        return above * float("inf") if above == above else above


def power(base: float, exponent: float) -> float:
    return float_power(base, exponent)


def multiply(*factors: float) -> float:
    """A product with a logarithm in it: 0 · ln 0 is 0, the limit that log-loss is defined by."""
    result = 1.0
    for factor in factors:
        result *= factor
    return 0.0 if result != result and 0.0 in factors else result


def compile_formula(formula: Formula, slot: Mapping[str, int]) -> Function:
    """A function of the values of all names, each in its slot."""
    if not _compilable(formula):
        return partial(_walk, formula, slot)
    writer = _Writer(slot)
    function: Function = _build(f"lambda v: {writer.write(formula)}", writer.functions)
    return function


def compile_all(formulas: Sequence[Formula], slot: Mapping[str, int]) -> Functions:
    """One function that gives the values of all the formulas."""
    if not all(map(_compilable, formulas)):
        each = [compile_formula(formula, slot) for formula in formulas]
        return lambda v: [function(v) for function in each]
    writer = _Writer(slot)
    parts = "".join(f"{writer.write(formula)}, " for formula in formulas)
    functions: Functions = _build(f"lambda v: ({parts})", writer.functions)
    return functions


def _build(source: str, functions: Mapping[str, Any]) -> Any:
    namespace: dict[str, Any] = {
        "__builtins__": {},
        "sum": sum,
        "inf": float("inf"),
        "_d": divide,
        "_p": power,
        "_m": multiply,
        **functions,
    }
    return eval(compile(source, "<sheet>", "eval"), namespace)


def _walk(formula: Formula, slot: Mapping[str, int], v: Sequence[float]) -> float:
    return as_float(evaluate(formula, lambda name: v[slot[name]]))


def _compilable(formula: Formula) -> bool:
    level: list[Formula] = [formula]
    for _ in range(MOST_DEPTH):
        below: list[Formula] = []
        for node in level:
            parts = children(node)
            if len(parts) > MOST_OPERANDS and not isinstance(node, Sum):
                return False
            below.extend(parts)
        if not below:
            return True
        level = below
    return False


class _Writer:
    def __init__(self, slot: Mapping[str, int]) -> None:
        self.slot = slot
        self.functions: dict[str, Any] = {}

    def write(self, formula: Formula) -> str:
        match formula:
            case Number():
                return f"({as_float(formula.value)!r})"
            case Name(name):
                return f"v[{self.slot[name]}]"
            case Sum(terms):
                return self._sum(terms)
            case Product(factors):
                parts = [self.write(factor) for factor in factors]
                if any(_logarithmic(factor) for factor in factors):
                    return f"_m({', '.join(parts)})"
                return f"({'*'.join(parts)})"
            case Quotient(numerator, denominator):
                if isinstance(denominator, Number) and denominator.value != 0:
                    return f"({self.write(numerator)}/{as_float(denominator.value)!r})"
                return f"_d({self.write(numerator)}, {self.write(denominator)})"
            case Negative(operand):
                return f"(-{self.write(operand)})"
            case Power(base, exponent):
                if isinstance(exponent, Number) and exponent.value == 2 and isinstance(base, Name):
                    written = self.write(base)
                    return f"({written}*{written})"
                return f"_p({self.write(base)}, {self.write(exponent)})"
            case Call(function, arguments):
                row = FUNCTIONS[function]
                key = f"f{sum(map(ord, function))}_{len(function)}"
                while self.functions.get(key, row.numeric) is not row.numeric:
                    key += "_"
                self.functions[key] = row.numeric
                return f"{key}({', '.join(self.write(argument) for argument in arguments)})"
            case Comparison(left, relation, right):
                return f"(1.0 if {self.write(left)} {relation} {self.write(right)} else 0.0)"
            case Conditional(condition, then, otherwise):
                test = f"{self.write(condition.left)} {condition.relation} {self.write(condition.right)}"
                return f"({self.write(then)} if {test} else {self.write(otherwise)})"
            case Matrix() | Shown():
                raise TypeError("a matrix is only shown, never evaluated")
            case _:
                assert_never(formula)

    def _sum(self, terms: Sequence[Formula]) -> str:
        if len(terms) > MOST_OPERANDS:
            return f"sum(({', '.join(map(self.write, terms))},))"
        text = self.write(terms[0])
        for term in terms[1:]:
            if isinstance(term, Negative):
                text += f" - {self.write(term.operand)}"
            else:
                text += f" + {self.write(term)}"
        return f"({text})"


def _logarithmic(formula: Formula) -> bool:
    while isinstance(formula, Negative):
        formula = formula.operand
    return isinstance(formula, Call) and formula.function in ("ln", "log", "log1p")
