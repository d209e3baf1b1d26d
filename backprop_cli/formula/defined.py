"""Functions that are defined by others: σ(z) = 1/(1 + e^−z). What they come to is read from
the texts of their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeVar

from backprop_cli.formula.build import negative, substitute, total
from backprop_cli.formula.functions import FUNCTIONS, derived
from backprop_cli.formula.nodes import Call, Formula, Name, Negative, Number
from backprop_cli.formula.parse import parse

T = TypeVar("T")


def variables(count: int) -> tuple[str, ...]:
    """What the arguments are called in what is read here: u0, u1, …."""
    return tuple(f"u{place}" for place in range(count))


def defined(
    function: str, arity: int, form: Literal["definition", "stable"] = "definition"
) -> Formula | None:
    """What a function of `arity` arguments comes to, in u0, u1, …: as it is taught, or in a form
    that is right at extremes. None for what is not defined by others."""
    row = FUNCTIONS[function]
    text = (row.stable or row.definition) if form == "stable" else row.definition
    return read(function, text, arity) if text else None


def by_definition(
    function: str,
    form: Literal["definition", "stable"],
    evaluate: Callable[[Formula, Callable[[str], T]], T],
) -> Callable[..., T]:
    """A function of values of any kind by what defines it; `evaluate` works a formula out, with the
    values of its names."""

    def value(*arguments: T) -> T:
        formula = defined(function, len(arguments), form)
        assert formula is not None, function
        at = dict(zip(variables(len(arguments)), arguments, strict=True))
        return evaluate(formula, at.__getitem__)

    return value


@derived
def read(function: str, text: str, arity: int) -> Formula:
    """A text of a function's row, in u0, u1, …; arguments that are left out have their defaults."""
    row = FUNCTIONS[function]
    names = row.arguments or variables(arity)
    given: list[Formula] = [Name(name) for name in variables(arity)]
    given += [_signed(row.defaults[place - len(names)]) for place in range(arity, len(names))]
    values = dict(zip(names, given, strict=False))
    if row.of:
        values["a"] = Call(row.of, tuple(given[:arity]))
    return substitute(parse(text), values)


def _signed(text: str) -> Formula:
    return Negative(Number(text[1:])) if text.startswith("-") else Number(text)


def bends(call: Call) -> Iterator[Formula]:
    """What is 0 where the call stands on a kink of its function."""
    row, arity = FUNCTIONS[call.function], len(call.arguments)
    values = dict(zip(variables(arity), call.arguments, strict=True))
    for quantity, at in row.bends:
        here, there = (substitute(read(row.name, text, arity), values) for text in (quantity, at))
        yield total(here, negative(there))
