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
from copy import copy
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


def build(source: str, around: Callable[[CodeType], Mapping[str, object]] = scope) -> Any:
    """What a generated expression is: a function where it is a lambda."""
    code = compile(source, "<formula>", "eval")
    return eval(code, {"__builtins__": {}, **around(code)})  # made from checked trees only


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
    return Writer(identifier)(formula)


class Writer:
    """Writes formulas as expressions between floats; who calculates with something else spells
    otherwise what that does otherwise.

    `small` is known not to be too large for the exponential function.
    """

    def __init__(self, identifier: Callable[[str], str], small: tuple[Formula, ...] = ()) -> None:
        self.identifier = identifier
        self.small = small

    def __call__(self, formula: Formula) -> str:
        match formula:
            case Number():
                return literal(as_float(number(formula.text)))
            case Name(name):
                return self.identifier(name)
            case Sum(terms):
                return self.sum(terms)
            case Product(factors):
                return self._product(factors)
            case Quotient(numerator, denominator):
                return self._quotient(numerator, denominator)
            case Negative(operand):
                return f"(-{self(operand)})"
            case Power(base, exponent):
                return self._power(base, exponent)
            case Call("exp", (argument,)) if argument in self.small or _is_minus_size(argument):
                return f"f_math_exp({self(argument)})"
            case Call(function, arguments):
                row = FUNCTIONS[function]
                if row.constant:
                    return literal(numeric(row.name)())
                written = [self(argument) for argument in arguments]
                return self.call(row.name, written)
            case Comparison():
                return self.choice(formula, "1.0", "0.0")
            case Conditional():
                return self.conditional(formula)
            case Matrix() | Shown():
                raise TypeError("a matrix is only shown, never evaluated")
            case _:
                assert_never(formula)

    # What arrays are spelled otherwise in

    def sum(self, terms: Sequence[Formula]) -> str:
        if len(terms) > LONGEST_CHAIN:
            return f"f_sum(({', '.join(map(self, terms))}))"
        first, *rest = terms
        text = self(first)
        for term in rest:
            text += f" - {self(term.operand)}" if isinstance(term, Negative) else f" + {self(term)}"
        return f"({text})"

    def divided(self, above: str, below: str) -> str:
        """A quotient whose denominator may be 0."""
        if len(above) > LONGEST_TWICE or TEMPORARY in above + below:
            return f"f_divide({above}, {below})"
        first, again = once(below)
        return f"({above}/{again} if {first} else f_divide({above}, {again}))"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        if function == "sqrt" and _is_atom(arguments[0]):
            return f"(f_math_sqrt({arguments[0]}) if {arguments[0]} >= 0.0 else f_nan)"
        written = self.inline(short(function), *arguments) if len(arguments) == 1 else None
        return written or f"{_identifier(function)}({', '.join(arguments)})"

    def inline(self, body: Formula | None, argument: str) -> str | None:
        """A short definition written out, which saves a call. None where a call is what is needed."""
        if body is None:
            return None
        if _is_atom(argument) or isinstance(body, Name):
            return write(body, lambda _: argument)
        if not isinstance(body, Conditional):
            return None
        # What is compared is evaluated first.
        first, again = once(argument)
        return write(body, lambda _: again).replace(f" if {again} ", f" if {first} ", 1)

    def conditional(self, formula: Conditional) -> str:
        return self.choice(formula.condition, *self.branches(formula))

    def choice(self, condition: Comparison, here: str, there: str) -> str:
        return f"({here} if {self.condition(condition)} else {there})"

    # What is the same for all

    def condition(self, comparison: Comparison) -> str:
        return f"{self(comparison.left)} {comparison.relation} {self(comparison.right)}"

    def branches(self, formula: Conditional) -> list[str]:
        """What stands where the condition holds, and where it does not."""
        found = []
        for part, holds in ((formula.then, True), (formula.otherwise, False)):
            own = copy(self)
            own.small = (*self.small, *_small(formula.condition, holds))
            found.append(own(part))
        return found

    def _product(self, factors: Sequence[Formula]) -> str:
        logarithms = [factor for factor in factors if is_logarithm(factor)]
        if logarithms and len(factors) > 1:
            rest = list(factors)
            rest.remove(logarithms[-1])
            others = self(rest[0]) if len(rest) == 1 else self._product(rest)
            return f"f_times_logarithm({others}, {self(logarithms[-1])})"
        if len(factors) > LONGEST_CHAIN:
            return f"f_product(({', '.join(map(self, factors))}))"
        return f"({'*'.join(map(self, factors))})"

    def _quotient(self, numerator: Formula, denominator: Formula) -> str:
        above, below = self(numerator), self(denominator)
        if _is_positive(denominator) and (
            not isinstance(denominator, Number) or as_float(number(denominator.text)) != 0
        ):
            return f"({above}/{below})"
        return self.divided(above, below)

    def _power(self, base: Formula, exponent: Formula) -> str:
        written = self(base)
        if isinstance(exponent, Number) and exponent.text.isdecimal():
            times = int(exponent.text[:9])
            if times == 1:
                return written
            if 2 <= times <= LARGEST_PRODUCT:
                first, again = once(written)
                return f"({'*'.join([first] + [again] * (times - 1))})"
        return f"f_power({written}, {self(exponent)})"


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


def _is_atom(written: str) -> bool:
    """A variable, or a place in a list."""
    return written.partition("[")[0].isidentifier()


def once(written: str) -> tuple[str, str]:
    """How to write an expression the first time and again, so that it is evaluated once."""
    if _is_atom(written):
        return written, written
    return f"({TEMPORARY} := {written})", TEMPORARY


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
