"""What all notations share: which parts need brackets, and how the factors of a product meet.

A notation is a `Printer` subclass that says how each node looks once its parts are text. Nothing
here knows a format, and no format knows another.
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import IntEnum
from typing import Literal, TypeAlias, assert_never

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import names_in
from backprop_cli.formula.functions import Function, spelled
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
from backprop_cli.formula.spelling import Derivative, Glyph, Spelling, Symbol, spell


class Level(IntEnum):
    """How tightly a node holds together; a part that holds less tightly gets brackets."""

    CONDITIONAL = 0
    COMPARISON = 1
    SUM = 2
    NEGATIVE = 3
    PRODUCT = 4
    QUOTIENT = 5
    POWER = 6
    ATOM = 7


LEVELS: dict[type, Level] = {
    Conditional: Level.CONDITIONAL,
    Comparison: Level.COMPARISON,
    Sum: Level.SUM,
    Negative: Level.NEGATIVE,
    Product: Level.PRODUCT,
    Quotient: Level.QUOTIENT,
    Power: Level.POWER,
    Call: Level.ATOM,
    Name: Level.ATOM,
    Number: Level.ATOM,
    Matrix: Level.ATOM,
    Shown: Level.PRODUCT,
}

Join: TypeAlias = Literal["first", "dot", "beside"]
Form: TypeAlias = Literal[
    "transpose", "hadamard", "matmul", "correlation", "full", "entries", "shape", "applied"
]
INFIX = ("hadamard", "matmul", "correlation", "full")
"""Forms that stand between their operands."""


@dataclass(frozen=True)
class Factor:
    """A factor of a product: how it meets the one before it, and its text."""

    join: Join
    text: str


def visible(text: str) -> str:
    """The text with everything unprintable written as `\\u{1b}`: it may come from a stranger."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)


def hatted(base: str) -> str:
    """ŷ where the letter exists, else the letter with a combining hat after its first letter."""
    return unicodedata.normalize("NFC", base[:1] + "\u0302" + base[1:])


def split_number(text: str) -> tuple[str, str]:
    """Mantissa and exponent of a number's text; no exponent is the empty string."""
    mantissa, _, exponent = text.lower().partition("e")
    if not exponent:
        return mantissa, ""
    return mantissa, str(int(exponent)) if len(exponent) < 20 else exponent.lstrip("+")


def whole_exponent(formula: Formula) -> str | None:
    """The digits of an exponent that is a whole number, with `-` before it if negative."""
    if isinstance(formula, Negative):
        digits = whole_exponent(formula.operand)
        return None if digits is None or digits.startswith("-") else "-" + digits
    if isinstance(formula, Number):
        digits = formula.text.removeprefix("-")
        return formula.text if digits.isdecimal() and digits.isascii() else None
    return None


def opens_with_bracket(formula: Formula) -> bool:
    """(a − b) or (a − b)²: in a product it can stand right after the factor before it."""
    return isinstance(formula.base if isinstance(formula, Power) else formula, Sum)


def is_numeric(formula: Formula) -> bool:
    """No name in it: the formula is a substituted one."""
    return not names_in(formula)


class Printer(ABC):
    """Writes formulas in one notation. A subclass holds only how each node looks."""

    stacked = False  # a fraction is drawn as one: its parts need no brackets
    juxtaposes = True  # 2(a − b), (a)(b): brackets side by side are a product

    def __init__(self, spelling: Spelling | None = None) -> None:
        self.spelling: Spelling = spelling or spell

    # --- how each node looks ---

    @abstractmethod
    def number(self, mantissa: str, exponent: str) -> str: ...
    @abstractmethod
    def name(self, name: str) -> str: ...
    @abstractmethod
    def negative(self, operand: str) -> str: ...
    @abstractmethod
    def continued(self, minus: bool, term: str) -> str:
        """A term of a sum after the first, with its sign before it."""

    @abstractmethod
    def joined(self, factor: Factor, tight: bool) -> str:
        """A factor with what stands between it and the one before; `tight` inside a sum and
        where every factor is simple."""

    def row(self, pieces: Sequence[str]) -> str:
        """Pieces set side by side."""
        return "".join(pieces)

    @abstractmethod
    def quotient(self, numerator: str, denominator: str) -> str: ...
    @abstractmethod
    def power(self, base: str, exponent: Formula) -> str: ...
    @abstractmethod
    def call(self, function: Function, arguments: Sequence[Formula]) -> str: ...
    @abstractmethod
    def comparison(self, left: str, relation: Relation, right: str) -> str: ...
    @abstractmethod
    def conditional(self, branches: Sequence[tuple[str, str]], otherwise: str) -> str:
        """Branches are (value, condition) in order; notations with `stacked` get them all."""

    @abstractmethod
    def matrix(self, rows: Sequence[Sequence[str]]) -> str: ...
    @abstractmethod
    def shown(self, form: Form, operands: Sequence[Formula]) -> str: ...
    @abstractmethod
    def brackets(self, text: str) -> str: ...
    @abstractmethod
    def indicator(self, comparison: str) -> str:
        """A comparison used as the number 1 or 0: `[z > w]`."""

    # --- what stands in brackets ---

    def level(self, formula: Formula) -> Level:
        if isinstance(formula, Number) and formula.text.startswith("-"):
            return Level.NEGATIVE
        if isinstance(formula, Shown):
            return Level.PRODUCT if formula.form in INFIX else Level.ATOM
        if isinstance(formula, Name):
            return self.name_level(formula.name)
        if self.stacked and isinstance(formula, Conditional):
            return Level.ATOM
        return LEVELS[type(formula)]

    def name_level(self, name: str) -> Level:
        """A derivative written in a line (∂L/∂w) is a quotient, any other name is whole."""
        glyph = self.spelling(name)
        if isinstance(glyph, Derivative):
            return Level.POWER if self.stacked else Level.QUOTIENT
        return Level.POWER if glyph.new else Level.ATOM

    def fit(self, formula: Formula, least: Level) -> str:
        """The text of a part, in brackets unless it holds together at least this tightly."""
        if isinstance(formula, Comparison):
            return self.indicator(self.text(formula))
        text = self.text(formula)
        return text if self.level(formula) >= least else self.brackets(text)

    # --- the one walk over a tree ---

    def text(self, formula: Formula, inside_sum: bool = False) -> str:
        match formula:
            case Number(text):
                mantissa, exponent = split_number(text.lstrip("+-"))
                written = self.number(visible(mantissa), visible(exponent))
                return self.negative(written) if text.startswith("-") else written
            case Name(name):
                return self.name(name)
            case Negative(Product(factors)):
                return self.negative(self.row(self._factors(factors, inside_sum)))
            case Negative(operand):
                return self.negative(self._term(operand))
            case Sum(terms):
                return self.row(self._terms(terms))
            case Product(factors):
                return self.row(self._factors(factors, inside_sum))
            case Quotient(numerator, denominator):
                return self._quotient(numerator, denominator)
            case Power(base, exponent):
                return self.power(self.power_base(base), exponent)
            case Call(function, arguments):
                return self.call(spelled(function), arguments)
            case Comparison(left, relation, right):
                return self.comparison(
                    self.fit(left, Level.SUM), relation, self.fit(right, Level.SUM)
                )
            case Conditional(condition, then, otherwise):
                return self._conditional(condition, then, otherwise)
            case Matrix(rows):
                return self.matrix([[self.text(entry) for entry in row] for row in rows])
            case Shown(form, operands):
                return self.shown(form, operands)
            case _:
                assert_never(formula)

    def pieces(self, formula: Formula) -> list[str]:
        """The formula cut where a line may be broken: before each further term of a sum, each
        further factor of a product. Set side by side the pieces are the whole formula."""
        match formula:
            case Sum(terms):
                return self._terms(terms)
            case Product(factors):
                return self._factors(factors, inside_sum=False)
            case Negative(Product(factors)):
                first, *rest = self._factors(factors, inside_sum=False)
                return [self.negative(first), *rest]
            case _:
                return [self.text(formula)]

    def _terms(self, terms: Sequence[Formula]) -> list[str]:
        first, *rest = terms
        negative = self.level(first) is Level.NEGATIVE
        written = [self.text(first, inside_sum=True) if negative else self._term(first)]
        for term in rest:
            if isinstance(term, Negative):
                written.append(self.continued(True, self._term(term.operand)))
            else:
                # A number may carry its own sign: 0.3 + (−0.2).
                written.append(self.continued(False, self._term(term)))
        return written

    def _term(self, formula: Formula) -> str:
        """A term after a sign."""
        if isinstance(formula, Product):
            return self.text(formula, inside_sum=True)
        return self.fit(formula, Level.PRODUCT)

    def _factors(self, factors: Sequence[Formula], inside_sum: bool) -> list[str]:
        opens = [opens_with_bracket(factor) for factor in factors]
        simple = not any(opens) and not any(map(self._stands_apart, factors))
        # (0.734 − 1)(0.734)(0.901): a product of numbers with brackets in it has them throughout.
        all_brackets = self.juxtaposes and any(opens) and all(map(is_numeric, factors))
        written: list[str] = []
        for index, factor in enumerate(factors):
            text = self.fit(factor, self._least(factor, index))
            join: Join = "dot"
            if index == 0:
                join = "first"
            elif all_brackets and isinstance(factor, Number | Negative | Quotient | Sum):
                join = "beside"
                if self.level(factor) > Level.QUOTIENT:
                    text = self.brackets(text)
            elif (
                opens[index] and self.juxtaposes and self._stands_before_bracket(factors[index - 1])
            ):
                join = "beside"
            written.append(self.joined(Factor(join, text), tight=simple or inside_sum))
        return written

    def _least(self, factor: Formula, index: int) -> Level:
        """What a factor must hold together by: a quotient needs brackets unless it comes first."""
        if isinstance(factor, Name):
            return Level.QUOTIENT
        return Level.QUOTIENT if index == 0 or self.stacked else Level.POWER

    def _stands_apart(self, factor: Formula) -> bool:
        """What would be misread without blanks round the dot: ∂L/∂z·a, y/ŷ·ŷ."""
        if isinstance(factor, Quotient):
            parts = (factor.numerator, factor.denominator)
            return not self.stacked and not all(isinstance(part, Number) for part in parts)
        return isinstance(factor, Name) and isinstance(self.spelling(factor.name), Derivative)

    def _stands_before_bracket(self, factor: Formula) -> bool:
        """ŷ(1 − ŷ) and (a)(b) are products; σ(z)(…) and ∂L/∂z(…) would be misread."""
        if isinstance(factor, Name):
            glyph = self.spelling(factor.name)
            return isinstance(glyph, Symbol) and not (glyph.new or glyph.of or glyph.sample)
        if isinstance(factor, Power):
            return whole_exponent(factor.exponent) is not None
        return isinstance(factor, Number | Sum) or (
            isinstance(factor, Quotient) and (self.stacked or self.level(factor) >= Level.POWER)
        )

    def _quotient(self, numerator: Formula, denominator: Formula) -> str:
        if self.stacked:
            return self.quotient(self.text(numerator), self.text(denominator))
        if isinstance(numerator, Product):
            above = self.text(numerator, inside_sum=True)
        else:
            above = self.fit(numerator, self._numerator_level(numerator))
        return self.quotient(above, self.fit(denominator, Level.POWER))

    def _numerator_level(self, numerator: Formula) -> Level:
        return Level.POWER if isinstance(numerator, Name) else Level.PRODUCT

    def power_base(self, base: Formula) -> str:
        return self.fit(base, Level.ATOM)

    def _conditional(self, condition: Comparison, then: Formula, otherwise: Formula) -> str:
        branches = [(self.fit(then, Level.SUM), self.text(condition))]
        while self.stacked and isinstance(otherwise, Conditional):
            branches.append((self.fit(otherwise.then, Level.SUM), self.text(otherwise.condition)))
            otherwise = otherwise.otherwise
        return self.conditional(branches, self.fit(otherwise, Level.CONDITIONAL))

    def arguments(self, arguments: Sequence[Formula]) -> list[str]:
        def written(argument: Formula) -> str:
            if isinstance(argument, Comparison) and argument.relation == "==":
                return self.text(argument)  # an option by its name: padding = 1
            return self.fit(argument, Level.CONDITIONAL)

        return [written(argument) for argument in arguments]


def has_superscript(glyph: Glyph) -> bool:
    """Whether an exponent straight after it would run into the layer or the word `new`."""
    match glyph:
        case Symbol():
            return bool(glyph.superscript or glyph.new or glyph.sample or glyph.of)
        case Derivative():
            return True
        case _:
            assert_never(glyph)
