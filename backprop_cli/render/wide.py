"""Formulas that are too wide for a line, written so that they can be broken at all.

A fraction bar and a root sign hold everything together on one line: (a + b + c)/n is written
1/n·(a + b + c) where it would not fit, and √(a + b + c) as (a + b + c) to the power ½.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from backprop_cli.formula import unicode
from backprop_cli.formula.build import children, rebuild
from backprop_cli.formula.layout import Node, Operator, pieces
from backprop_cli.formula.nodes import (
    Call,
    Formula,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Shown,
    Sum,
)
from backprop_cli.formula.notation import stacked
from backprop_cli.formula.spelling import Spelling
from backprop_cli.render.breaking import cells
from backprop_cli.render.reading import set_in, spoken
from backprop_cli.worksheet.document import DerivationLine, Line, Math

DIGITS = frozenset("0123456789.")
IN_CELL = 24
IN_LINE = 64


def width(formula: Formula, spelling: Spelling | None) -> int:
    """About how many characters wide a formula is on one line."""
    return cells(unicode.write(formula, spelling))


def line_width(line: Line, spelling: Spelling) -> int:
    """The same of a line of words and formulas."""
    return cells(spoken(line, spelling))


def narrowed(formula: Formula, spelling: Spelling, most: float) -> Formula:
    """The same formula without fractions and roots wider than `most` on its outermost levels."""
    if isinstance(formula, Shown):
        return (
            rebuild(formula, lambda term: narrowed(term, spelling, most))
            if formula.form in ("term", "further")
            else formula
        )
    if not _stiff(formula) or _at_most(formula) <= most or width(formula, spelling) <= most:
        return formula
    match formula:
        case Sum(terms):
            return Sum(tuple(narrowed(term, spelling, most) for term in terms))
        case Negative(operand):
            return Negative(narrowed(operand, spelling, most))
        case Product(factors):
            return _product(*(narrowed(factor, spelling, most) for factor in factors))
        case Quotient(numerator, denominator) if width(numerator, spelling) > most:
            return _product(Quotient(Number("1"), denominator), numerator)
        case Call("sqrt", (argument,)):
            return Power(argument, Quotient(Number("1"), Number("2")))
        case _:
            return formula


def _at_most(formula: Formula) -> float:
    """What a product of numbers takes with all the signs and brackets that it may need; of anything
    else that is not seen at a glance."""
    match formula:
        case Number(text):
            return len(text) + 4 * (not DIGITS.issuperset(text))
        case Negative() | Product():
            parts = children(formula)
            return 3 * len(parts) + sum(map(_at_most, parts))
        case _:
            return inf


def _stiff(formula: Formula) -> bool:
    """Whether there is something on its outermost levels that could be written otherwise."""
    match formula:
        case Sum(terms):
            return any(map(_stiff, terms))
        case Product(factors):
            return any(isinstance(part, Product | Negative) or _stiff(part) for part in factors)
        case Negative(operand):
            return _stiff(operand)
        case Quotient() | Call("sqrt"):
            return True
        case _:
            return False


LINE = 72
"""About so many characters of a formula stand on a line of a derivation in LaTeX."""


def aligned_rows(
    lines: Sequence[DerivationLine],
    spelling: Spelling,
    tex: Callable[[Node], str],
    words: Callable[[str], str],
) -> list[str]:
    """A derivation as rows of LaTeX, its signs under one another; what is long goes on behind its
    sign, and words of a label are in `\\text`."""
    layout = stacked(spelling)
    rows: list[str] = []
    for line in lines:
        rows.append(tex(layout.node(line.left)) if line.left else "")
        used, between = 0, f" &{tex(Operator(line.sign))}"
        for piece in pieces(layout.node(narrowed(line.right, spelling, IN_LINE))):
            width = cells(unicode.spell(piece).strip())
            if used and used + width > LINE:
                rows.append("&\\quad")
                used = 0
            rows[-1] += f"{between} {tex(piece)}"
            used, between = used + width, ""
        if line.label:
            label = set_in(
                line.label, lambda text, _: words(text), lambda each: tex(layout.node(each))
            )
            rows[-1] += f" \\qquad {' '.join(label)}"
    return [row.strip() for row in rows]


def narrow_cell(line: Line, spelling: Spelling) -> Line:
    """A table's cell, its formulas narrowed."""
    return tuple(
        Math(narrowed(part.formula, spelling, IN_CELL)) if isinstance(part, Math) else part
        for part in line
    )


def _product(*factors: Formula) -> Formula:
    """A product of factors, products among them taken apart, a minus sign brought to the front."""
    flat: list[Formula] = []
    minus = False
    for factor in factors:
        if isinstance(factor, Negative):
            minus, factor = not minus, factor.operand
        flat.extend(factor.factors if isinstance(factor, Product) else (factor,))
    return Negative(Product(tuple(flat))) if minus else Product(tuple(flat))
