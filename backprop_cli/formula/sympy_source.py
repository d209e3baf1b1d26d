"""Python source that builds a formula in SymPy: made from a checked tree only, never from text.

Every number is exact, what has cases is a Piecewise. Names become the caller's identifiers; besides them
the source mentions `sp` (SymPy) and functions that `definitions` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from backprop_cli.formula.build import children, names_in
from backprop_cli.formula.defined import defined, variables
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

LONGEST_NUMBER = 200


class Unwritable(ValueError):
    """What cannot be written out exactly: a very long number; the message says what."""


_SYMPYS = {
    "exp": "exp", "ln": "log", "log": "log", "sqrt": "sqrt", "sin": "sin", "cos": "cos",
    "tan": "tan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "erf": "erf", "asin": "asin",
    "acos": "acos", "atan": "atan", "atan2": "atan2", "floor": "floor", "ceil": "ceiling",
}  # fmt: skip


def _share_of(loses: str) -> str:
    beaten = f"sp.Or(*(sp.{loses}(z, other) for other in others))"
    ties = "sum(sp.Piecewise((1, sp.Eq(z, other)), (0, True)) for other in others)"
    return f"(0, {beaten}), (sp.Integer(1)/(1 + {ties}), True)"


_DEFINED: Mapping[str, tuple[str, str]] = {
    "log1p": ("z", "sp.log(1 + z)"),
    "logsumexp": ("*zs", "sp.log(sum(map(sp.exp, zs)))"),
    "expm1": ("z", "sp.exp(z) - 1"),
    "erfc": ("z", "1 - sp.erf(z)"),
    "max": ("*zs", "reduce(_larger, zs)"),
    "min": ("*zs", "reduce(_smaller, zs)"),
}
"""Each function by its arguments and what it returns."""

_IN_CASES: Mapping[str, tuple[str, str]] = {
    "sign": ("z, at_zero=1", "(1, z > 0), (-1, z < 0), (at_zero, True)"),
    "abs": ("z", "(z, z > 0), (-z, z < 0), (0, True)"),
    "larger": ("z, other", "(z, z > other), (other, z < other), ((z + other)/2, True)"),
    "smaller": ("z, other", "(z, z < other), (other, z > other), ((z + other)/2, True)"),
    "max_share": ("z, *others", _share_of("Lt")),
    "min_share": ("z, *others", _share_of("Gt")),
    "if<": ("left, right, then, otherwise", "(then, sp.Lt(left, right)), (otherwise, True)"),
    "if<=": ("left, right, then, otherwise", "(then, sp.Le(left, right)), (otherwise, True)"),
    "if>": ("left, right, then, otherwise", "(then, sp.Gt(left, right)), (otherwise, True)"),
    "if>=": ("left, right, then, otherwise", "(then, sp.Ge(left, right)), (otherwise, True)"),
    "if==": ("left, right, then, otherwise", "(then, sp.Eq(left, right)), (otherwise, True)"),
    "if!=": ("left, right, then, otherwise", "(then, sp.Ne(left, right)), (otherwise, True)"),
}
"""The same for a Piecewise, by its cases; where two operands tie, each gets half the slope."""

_NEEDS = {"max": "larger", "min": "smaller"}

_CASES = """\
def _cases(function):
    \"""A function in cases, told apart where its arguments are numbers: of one Piecewise inside
    another SymPy merges the conditions, and the time for it doubles with each.\"""

    def evaluate(cls, *zs):
        if all(sp.S(z).is_number for z in zs):
            return function(*zs)

    def slope(self, index=1):
        zs = sp.symbols(f"z:{len(self.args)}", real=True)
        return sp.diff(function(*zs), zs[index - 1]).xreplace(dict(zip(zs, self.args)))

    own = {"eval": classmethod(evaluate), "fdiff": slope}
    return type(function.__name__, (sp.Function,), own)
"""


def definitions(formulas: Iterable[Formula]) -> str:
    """The functions that formulas need and SymPy does not have, one after the other."""
    wanted: set[str] = set()
    waiting = list(formulas)
    while waiting:
        formula = waiting.pop()
        waiting += children(formula)
        if isinstance(formula, Conditional):
            wanted.add(f"if{formula.condition.relation}")
        if isinstance(formula, Call) and (name := _row(formula.function)) not in wanted:
            wanted |= {name, _NEEDS.get(name, name)}
            if not _is_known(name) and (definition := defined(name, _most(name))):
                waiting.append(definition)
    written = [text for name in sorted(wanted) if (text := _define(name))]
    if wanted & _IN_CASES.keys():
        written.insert(0, _CASES)
    return "\n\n".join(written)


_STOP = """\
class _stop(sp.Function):
    \"""z itself, whose derivative is taken to be 0.\"""

    @classmethod
    def eval(cls, z):
        return z if sp.S(z).is_number else None

    def fdiff(self, index=1):
        return sp.Integer(0)
"""


def _define(name: str) -> str | None:
    """The source of one function; None for what SymPy has."""
    if name == "stop":
        return _STOP
    if name in _IN_CASES:
        arguments, cases = _IN_CASES[name]
        head, result = "@_cases\n", f"sp.Piecewise({cases})"
    elif name in _DEFINED:
        head, (arguments, result) = "", _DEFINED[name]
    elif name not in _SYMPYS and (definition := defined(name, _most(name))):
        names, defaults = variables(_most(name)), FUNCTIONS[name].defaults
        own = dict(zip(reversed(names), map(_number, reversed(defaults)), strict=False))
        arguments = ", ".join(f"{each}={own[each]}" if each in own else each for each in names)
        head, result = "", write(definition, str)
    else:
        return None
    return f"{head}def {_function(name)}({arguments}):\n    return {result}\n"


def _is_known(name: str) -> bool:
    return name in _DEFINED or name in _IN_CASES or name in _SYMPYS


def _most(name: str) -> int:
    row = FUNCTIONS[name]
    return row.fewest if row.most is None else row.most


def _row(function: str) -> str:
    return FUNCTIONS[function].name


def _function(name: str) -> str:
    """No quantity is called so: identifiers of quantities do not begin with an underscore."""
    for sign, word in _WORDS.items():
        name = name.replace(sign, word)
    return "_" + name


_WORDS = {
    "'": "_slope",
    "if<=": "if_at_most",
    "if<": "if_less",
    "if>=": "if_at_least",
    "if>": "if_more",
    "if==": "if_equal",
    "if!=": "if_not_equal",
}


def write(formula: Formula, identifier: Callable[[str], str]) -> str:
    """An expression for `formula` on the right of `=`, names through `identifier`."""
    return _bare(_write(formula, identifier))


def _write(formula: Formula, identifier: Callable[[str], str]) -> str:
    """The same as an atom: in brackets, or a name, a number, a call."""

    def go(part: Formula) -> str:
        return _write(part, identifier)

    def term(part: Formula) -> str:
        """Products bind more closely than the signs of a sum."""
        return _bare(go(part)) if isinstance(part, Product | Quotient | Power) else go(part)

    def dividend(part: Formula) -> str:
        """What Python itself would divide or raise as a float."""
        return go(part) if names_in(part) or isinstance(part, Call) else f"sp.S({_bare(go(part))})"

    match formula:
        case Number(text):
            return _number(text)
        case Name(name):
            return identifier(name)
        case Sum((first, *rest)):
            written = term(first)
            for part in rest:
                minus = isinstance(part, Negative)
                written += " - " if minus else " + "
                written += term(part.operand if isinstance(part, Negative) else part)
            return f"({written})"
        case Sum() | Product(()):
            raise TypeError("a sum has terms, a product factors")
        case Product(factors):
            return f"({'*'.join(map(go, factors))})"
        case Quotient(numerator, denominator):
            return f"({dividend(numerator)}/{go(denominator)})"
        case Negative(operand):
            return f"(-{go(operand)})"
        case Power(base, exponent):
            return f"({dividend(base)}**{go(exponent)})"
        case Call("pi", ()):
            return "sp.pi"
        case Call("e", ()):
            return "sp.E"
        case Call(function, arguments):
            name = _row(function)
            called = f"sp.{_SYMPYS[name]}" if name in _SYMPYS else _function(name)
            return f"{called}({', '.join(_bare(go(argument)) for argument in arguments)})"
        case Conditional(condition, then, otherwise):
            called = _function(f"if{condition.relation}")
            parts = (condition.left, condition.right, then, otherwise)
            return f"{called}({', '.join(_bare(go(part)) for part in parts)})"
        case Comparison():
            raise Unwritable("a comparison is no number")
        case Matrix() | Shown():
            raise TypeError("a matrix is only shown, never evaluated")
        case _:
            assert_never(formula)


def _number(text: str) -> str:
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > LONGEST_NUMBER or (exponent and abs(int(exponent)) > LONGEST_NUMBER):
        raise Unwritable(f"the number {text[:20]}… is too long to be written out exactly")
    return str(int(text)) if text.isdecimal() else f'sp.Rational("{text}")'


def _bare(text: str) -> str:
    """Without the brackets round the whole, if there are any."""
    if not text.startswith("("):
        return text
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return text[1:-1] if place == len(text) - 1 else text
    return text
