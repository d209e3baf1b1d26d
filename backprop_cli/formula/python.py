"""Python source for straight-line code: made from a checked tree only, never from text.

The source follows the same IEEE arithmetic as `evaluate` on floats and never raises: what could
(division, powers, exponentials, logarithms) goes through a helper unless it is safe as it stands.
Names become the caller's identifiers; besides them it mentions only what `HELPERS` holds, whose
names all begin with `f_`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from types import CodeType, MappingProxyType
from typing import Any, assert_never

from backprop_cli.formula.arithmetic import as_float, float_power, is_logarithm, number, quotient
from backprop_cli.formula.build import children, names_in, negative, size
from backprop_cli.formula.defined import defined, variables
from backprop_cli.formula.functions import FUNCTIONS, Numeric, derived
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
    Relation,
    Shown,
    Sum,
)

LARGEST_EXPONENT = 700  # of e: a little larger and it is out of range
LONGEST_INLINE = 20  # nodes
LONGEST_TWICE = 40  # characters of a dividend
LARGEST_PRODUCT = 4  # x^4 is written x*x*x*x
LONGEST_CHAIN = 50  # a chain of operators is a nest for Python's compiler, a tuple is not

TEMPORARY = "f_t"


def divide(above: float, below: float) -> float:
    return above / below if below else float(quotient(above, below))


def times_logarithm(factor: float, logarithm: float) -> float:
    """Their product, where 0 times an infinite logarithm is 0."""
    return 0.0 if factor == 0 and math.isinf(logarithm) else factor * logarithm


def _identifier(function: str) -> str:
    return "f_" + function.replace("'", "_slope")


_HELPERS: Mapping[str, object] = MappingProxyType(
    {
        "f_divide": divide,
        "f_power": float_power,
        "f_times_logarithm": times_logarithm,
        "f_sum": partial(reduce, operator.add),  # `sum` is another one from Python 3.12 on
        "f_product": math.prod,
        "f_math_exp": math.exp,
        "f_math_sqrt": math.sqrt,
        "f_inf": math.inf,
        "f_nan": math.nan,
    }
)


def scope(code: CodeType) -> dict[str, object]:
    """What generated code needs around it: the globals that it is executed with."""
    found: dict[str, object] = {}
    for word in code.co_names:
        name = word.removeprefix("f_").removesuffix("_slope") + "'" * word.endswith("_slope")
        if word in _HELPERS:
            found[word] = _HELPERS[word]
        elif word == _identifier(name) and name in FUNCTIONS:
            found[word] = numeric(name)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            found |= scope(each)
    return found


def build(source: str) -> Any:
    """What a generated expression is: a function where it is a lambda."""
    code = compile(source, "<formula>", "eval")
    return eval(code, {"__builtins__": {}, **scope(code)})  # made from checked trees only


@derived
def numeric(function: str) -> Numeric:
    """A function on floats: IEEE arithmetic, nan of nan, never an exception."""
    row = FUNCTIONS[function]
    if row.primitive is not None:
        return row.primitive
    names = variables(row.most or row.fewest)
    formula = defined(function, len(names), "stable")
    assert formula is not None, function
    known = " and ".join(f"{name} == {name}" for name in names)
    defaults = dict(zip(reversed(names), reversed(row.defaults), strict=False))
    head = ", ".join(f"{n}={float(defaults[n])!r}" if n in defaults else n for n in names)
    made: Numeric = build(f"lambda {head}: {write(formula, str)} if {known} else f_nan")
    return made


def write(formula: Formula, identifier: Callable[[str], str]) -> str:
    """An expression in brackets (or an atom) for `formula`, names through `identifier`."""
    return _write(formula, identifier, ())


def _write(formula: Formula, identifier: Callable[[str], str], small: tuple[Formula, ...]) -> str:
    """`small`: what is known not to be too large for the exponential function."""

    def go(part: Formula) -> str:
        return _write(part, identifier, small)

    match formula:
        case Number():
            return literal(as_float(number(formula.text)))
        case Name(name):
            return identifier(name)
        case Sum(terms):
            return _sum(terms, go)
        case Product(factors):
            return _product(factors, go)
        case Quotient(numerator, denominator):
            return _quotient(numerator, denominator, go)
        case Negative(operand):
            return f"(-{go(operand)})"
        case Power(base, exponent):
            return _power(base, exponent, go)
        case Call("exp", (argument,)) if argument in small or _is_minus_size(argument):
            return f"f_math_exp({go(argument)})"
        case Call(function, arguments):
            written = [go(argument) for argument in arguments]
            if function == "sqrt" and _is_atom(written[0]):
                return f"(f_math_sqrt({written[0]}) if {written[0]} >= 0.0 else f_nan)"
            name = FUNCTIONS[function].name
            return _inline(name, written) or f"{_identifier(name)}({', '.join(written)})"
        case Comparison():
            return f"(1.0 if {_condition(formula, go)} else 0.0)"
        case Conditional(condition, then, otherwise):
            here, there = (
                _write(part, identifier, (*small, *_small(condition, holds)))
                for part, holds in ((then, True), (otherwise, False))
            )
            return f"({here} if {_condition(condition, go)} else {there})"
        case Matrix() | Shown():
            raise TypeError("a matrix is only shown, never evaluated")
        case _:
            assert_never(formula)


def _small(condition: Comparison, holds: bool) -> tuple[Formula, ...]:
    """What cannot be large where a comparison with a number holds, or does not."""
    left, right = condition.left, condition.right
    sign = -1 if isinstance(right, Negative) else 1
    bare = right.operand if isinstance(right, Negative) else right
    if not isinstance(bare, Number) or condition.relation in ("==", "!="):
        return ()
    bound = sign * as_float(number(bare.text))
    if (condition.relation in (">", ">=")) == holds:
        return (negative(left),) if bound >= -LARGEST_EXPONENT else ()
    return (left,) if bound <= LARGEST_EXPONENT else ()


def _is_minus_size(formula: Formula) -> bool:
    return (
        isinstance(formula, Negative)
        and isinstance(formula.operand, Call)
        and formula.operand.function == "abs"
    )


def _is_positive(formula: Formula) -> bool:
    """Whether a denominator such as 1 + exp(z) is sure not to be 0."""
    match formula:
        case Number():
            return formula.value > 0
        case Sum(terms):
            return any(map(_is_positive, terms)) and all(map(_is_not_negative, terms))
        case Power(base, Number("2")):
            return _is_positive(base)
        case _:
            return False


def _is_not_negative(formula: Formula) -> bool:
    match formula:
        case Number():
            return formula.value >= 0
        case Call("exp" | "sqrt" | "abs", _):
            return True
        case _:
            return False


def literal(value: float) -> str:
    if math.isnan(value):
        return "f_nan"
    if math.isinf(value):
        return "f_inf" if value > 0 else "(-f_inf)"
    return repr(value) if value >= 0 else f"({value!r})"


_Go = Callable[[Formula], str]


def _sum(terms: Sequence[Formula], go: _Go) -> str:
    if len(terms) > LONGEST_CHAIN:
        return f"f_sum(({', '.join(map(go, terms))}))"
    first, *rest = terms
    text = go(first)
    for term in rest:
        text += f" - {go(term.operand)}" if isinstance(term, Negative) else f" + {go(term)}"
    return f"({text})"


def _product(factors: Sequence[Formula], go: _Go) -> str:
    logarithms = [factor for factor in factors if is_logarithm(factor)]
    if logarithms and len(factors) > 1:
        rest = list(factors)
        rest.remove(logarithms[-1])
        others = go(rest[0]) if len(rest) == 1 else _product(rest, go)
        return f"f_times_logarithm({others}, {go(logarithms[-1])})"
    if len(factors) > LONGEST_CHAIN:
        return f"f_product(({', '.join(map(go, factors))}))"
    return f"({'*'.join(map(go, factors))})"


def _quotient(numerator: Formula, denominator: Formula, go: _Go) -> str:
    if _is_positive(denominator) and (
        not isinstance(denominator, Number) or as_float(number(denominator.text)) != 0
    ):
        return f"({go(numerator)}/{go(denominator)})"
    above, below = go(numerator), go(denominator)
    if len(above) > LONGEST_TWICE or TEMPORARY in above + below:
        return f"f_divide({above}, {below})"
    first, again = once(below)
    return f"({above}/{again} if {first} else f_divide({above}, {again}))"


def _power(base: Formula, exponent: Formula, go: _Go) -> str:
    written = go(base)
    if isinstance(exponent, Number) and exponent.text.isdecimal():
        times = int(exponent.text[:9])
        if times == 1:
            return written
        if 2 <= times <= LARGEST_PRODUCT:
            first, again = once(written)
            return f"({'*'.join([first] + [again] * (times - 1))})"
    return f"f_power({written}, {go(exponent)})"


def _is_atom(written: str) -> bool:
    """A variable, or a place in a list."""
    return written.partition("[")[0].isidentifier()


def once(written: str) -> tuple[str, str]:
    """How to write an expression the first time and again, so that it is evaluated once."""
    if _is_atom(written):
        return written, written
    return f"({TEMPORARY} := {written})", TEMPORARY


def _inline(function: str, arguments: Sequence[str]) -> str | None:
    """A short definition written out, which saves a call. None where a call is what is needed."""
    body = short(function) if len(arguments) == 1 else None
    if body is None:
        return None
    [written] = arguments
    if _is_atom(written) or isinstance(body, Name):
        return _write(body, lambda _: written, ())
    if not isinstance(body, Conditional):
        return None
    # What is compared is evaluated first.
    first, again = once(written)
    return _write(body, lambda _: again, ()).replace(f" if {again} ", f" if {first} ", 1)


@derived
def short(function: str) -> Formula | None:
    """The definition of a function of u0 where it is short, defined by functions that are not, and
    nan where u0 is (a slope need not be: then the loss is)."""
    row = FUNCTIONS[function]
    body = (
        None
        if row.primitive is not None
        else defined(function, 1, "stable")
        if row.fewest == 1
        else None
    )
    if body is None or size(body) > LONGEST_INLINE or not _is_plain(body):
        return None
    if isinstance(body, Conditional):
        condition = body.condition
        if condition.left != Name("u0") or not isinstance(condition.right, Number | Negative):
            return None
        if not names_in(body.otherwise) and names_in(body.then):
            opposite = Comparison(condition.left, _OPPOSITE[condition.relation], condition.right)
            body = Conditional(opposite, body.otherwise, body.then)
        strict = bool(names_in(body.otherwise))
    else:
        strict = bool(names_in(body))
    return body if strict or row.of else None


_OPPOSITE: Mapping[Relation, Relation] = {
    ">": "<=", "<=": ">", "<": ">=", ">=": "<", "==": "!=", "!=": "==",
}  # fmt: skip


def _is_plain(formula: Formula) -> bool:
    """Whether a definition is written out without further bindings."""
    match formula:
        case Call(function, _) if FUNCTIONS[function].primitive is None:
            return False
        case Power():
            return False
        case _:
            return all(map(_is_plain, children(formula)))


def _condition(comparison: Comparison, go: _Go) -> str:
    return f"{go(comparison.left)} {comparison.relation} {go(comparison.right)}"
