"""A rule's smooth piece round a point, as a SymPy expression: what the slopes are proved with."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import sympy

from backprop_cli.algebra.bridge import to_sympy
from backprop_cli.formula.build import rebuild
from backprop_cli.formula.evaluate import evaluate, holds
from backprop_cli.formula.nodes import Call, Conditional, Formula, Negative

# Only textbook mathematics, so that the proofs do not rest on the product's own tables.
TEXTBOOK = {
    "exp": sympy.exp,
    "ln": sympy.log,
    "sqrt": sympy.sqrt,
    "erf": sympy.erf,
    "tanh": sympy.tanh,
    "cosh": sympy.cosh,
    "tanh'": lambda z: 1 - sympy.tanh(z) ** 2,
    "softplus": lambda z: sympy.log(1 + sympy.exp(z)),
    "sigmoid": lambda z: 1 / (1 + sympy.exp(-z)),
}


def smooth_piece(formula: Formula, point: Mapping[str, Fraction]) -> Formula:
    """The formula without cases: the branch, the sign of |·|, the largest and the smallest that hold at a point."""

    def piece(node: Formula) -> Formula:
        match node:
            case Conditional(condition, then, otherwise):
                return piece(then if holds(condition, point.__getitem__) else otherwise)
            case Call("abs", (inner,)):
                positive = evaluate(inner, point.__getitem__) > 0
                return piece(inner) if positive else Negative(piece(inner))
            case Call("max", parts):
                return piece(max(parts, key=lambda part: evaluate(part, point.__getitem__)))
            case Call("min", parts):
                return piece(min(parts, key=lambda part: evaluate(part, point.__getitem__)))
            case _:
                return rebuild(node, piece)

    return piece(formula)


def expression(formula: Formula, point: Mapping[str, Fraction], **known: object) -> sympy.Expr:
    """The smooth piece in SymPy; names are real symbols unless `known` gives an expression."""

    def symbol(name: str) -> object:
        return known.get(name, sympy.Symbol(name, real=True))

    return to_sympy(smooth_piece(formula, point), symbol, TEXTBOOK)


def is_zero(difference: sympy.Expr) -> bool:
    return bool(sympy.simplify(difference) == 0 or sympy.simplify(difference.rewrite("exp")) == 0)
