"""The small closed set of nodes that written mathematics is made of.

A tree keeps the order and the grouping in which a person writes: `w1*x1 + w2*x2 + b1` stays
just so. Nothing here simplifies on construction; `build` holds the constructors that do.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Literal, TypeAlias

from backprop_cli.dataclass import dataclass

Relation: TypeAlias = Literal["<", "<=", ">", ">=", "==", "!="]


@dataclass(frozen=True)
class Number:
    """A number as written: `0.90` keeps its last zero, `1e-3` its exponent."""

    text: str

    @cached_property
    def value(self) -> Fraction:
        """The exact value of the text; the text is always a plain decimal, `p/q` never occurs."""
        return Fraction(Decimal(self.text))


@dataclass(frozen=True)
class Name:
    """A quantity of the worksheet by its plain name: `w2_1_3`, `yhat`, `dL/dz2_1[2]`."""

    name: str


@dataclass(frozen=True)
class Sum:
    """Two or more terms in writing order; a subtracted term is a `Negative`."""

    terms: tuple[Formula, ...]


@dataclass(frozen=True)
class Product:
    """Two or more factors in writing order."""

    factors: tuple[Formula, ...]


@dataclass(frozen=True)
class Quotient:
    numerator: Formula
    denominator: Formula


@dataclass(frozen=True)
class Negative:
    operand: Formula


@dataclass(frozen=True)
class Power:
    base: Formula
    exponent: Formula


@dataclass(frozen=True)
class Call:
    """A function of the closed list in `functions`, `relu'` for a slope, `pi` without arguments."""

    function: str
    arguments: tuple[Formula, ...]


@dataclass(frozen=True)
class Comparison:
    left: Formula
    relation: Relation
    right: Formula


@dataclass(frozen=True)
class Conditional:
    """`then if condition else otherwise`."""

    condition: Comparison
    then: Formula
    otherwise: Formula


@dataclass(frozen=True)
class Matrix:
    """A matrix or column vector of formulas, with its shape written under it (`2×3`).

    It appears only in what is shown (matrix form), never in what is evaluated.
    """

    rows: tuple[tuple[Formula, ...], ...]


@dataclass(frozen=True)
class Shown:
    """Notation that only a sheet uses: `transpose`, `hadamard`, `matmul`, `correlation` (∗) and
    that over all overlaps (`full`), `entries` (an array and the places that are meant), `shape` (a
    formula and its sizes as names), `applied` (a name and what it is a function of), `group` (what
    stands in brackets behind the sign of its line), a `term` of a sum that is written apart, with its
    sign if it is `further` than the first, and what is said of two formulas by a sign between them
    (`=`). Never evaluated as a number."""

    form: Literal[
        "transpose", "hadamard", "matmul", "correlation", "full", "entries", "shape", "applied",
        "group", "term", "further", "=", "≈", "→", "<", ">", "≥", "≤",
    ]  # fmt: skip
    operands: tuple[Formula, ...]


Formula: TypeAlias = (
    Number
    | Name
    | Sum
    | Product
    | Quotient
    | Negative
    | Power
    | Call
    | Comparison
    | Conditional
    | Matrix
    | Shown
)
