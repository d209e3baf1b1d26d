"""Functions that are defined by others: σ(z) = 1/(1 + e^−z). All that is needed of them follows
from the texts of their rows."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from backprop_cli.formula import python
from backprop_cli.formula.build import negative, substitute, total
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.functions import FUNCTIONS, Exact, Function, Numeric, derived
from backprop_cli.formula.nodes import Call, Formula, Name, Negative, Number


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


@derived
def read(function: str, text: str, arity: int) -> Formula:
    """A text of a function's row, in u0, u1, …; arguments that are left out have their defaults."""
    from backprop_cli.formula.parse import parse  # the parser reads the table of functions

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


def compiled(row: Function) -> Numeric:
    """The function on floats, out of its definition."""
    names = variables(row.most or row.fewest)
    formula = defined(row.name, len(names), "stable")
    assert formula is not None, row.name
    numbers = " and ".join(f"{name} == {name}" for name in names)
    defaults = dict(zip(reversed(names), reversed(row.defaults), strict=False))
    head = ", ".join(f"{n}={float(defaults[n])!r}" if n in defaults else n for n in names)
    source = f"lambda {head}: {python.write(formula, str)} if {numbers} else f_nan"
    function: Numeric = python.build(source)
    return function


def exact(row: Function) -> Exact:
    """The function on fractions, out of its definition."""

    def value(*arguments: Fraction) -> Fraction | None:
        formula = defined(row.name, len(arguments))
        assert formula is not None, row.name
        known = dict(zip(variables(len(arguments)), arguments, strict=True))
        found = evaluate(formula, known.__getitem__)
        return found if isinstance(found, Fraction) else None

    return value
