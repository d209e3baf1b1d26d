"""From a formula to its layout: what needs brackets, how the factors of a product meet, where a
line may end. All of precedence is here, once for every notation.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import assert_never

from backprop_cli.formula.build import names_in
from backprop_cli.formula.characters import visible
from backprop_cli.formula.functions import spelled
from backprop_cli.formula.layout import (
    AT_BRACKET,
    AT_FACTOR,
    AT_RELATION,
    AT_SUM,
    LONGEST_RAISED,
    MINUS,
    Called,
    Digits,
    Fence,
    Fraction,
    Grid,
    Named,
    Node,
    Operator,
    Row,
    Script,
    Under,
    Word,
    row,
    within,
)
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
from backprop_cli.formula.spelling import Derivative, Glyph, Spelling, Symbol, spell


class Level(IntEnum):
    """How tightly a formula holds together; a part that holds less tightly gets brackets."""

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
    Matrix: Level.ATOM,
}

INFIX = ("hadamard", "matmul", "correlation", "full")
"""Forms that stand between their operands."""

HALF = Quotient(Number("1"), Number("2"))
NEW = Word("new", "mark")
TRANSPOSED = Word("T", "sign")
THIN = Operator("thin")
BESIDE = Operator("beside")
SLASH = Operator("/")
COMMA = Operator(",", AT_FACTOR)
PLUS, LESS = Operator("+", AT_SUM), Operator("−", AT_SUM)
DOTS = (Operator("·", AT_FACTOR), Operator("·", AT_FACTOR, tight=True))
PARTIAL, TWICE = Word("∂", "sign"), Word("∂²", "sign")
HALF_SIGN = Word("½", "sign")
ONE_BACK = Word("-", "sign"), Word("1", "number")


def shaped(operands: Sequence[Formula]) -> bool:
    """Whether factors have shapes under them, which must not run together."""
    return any(isinstance(each, Shown) and each.form == "shape" for each in operands)


def hatted(base: str) -> str:
    """ŷ where the letter exists, else the letter with a combining hat after its first letter."""
    return unicodedata.normalize("NFC", base[:1] + "\u0302" + base[1:])


@lru_cache(maxsize=65536)
def signed(text: str) -> tuple[bool, Digits]:
    """Whether a number's text begins with a minus, and what stands behind it, the exponent without
    needless signs and zeros."""
    mantissa, _, exponent = visible(text.lower()).partition("e")
    whole, point, fraction = mantissa.lstrip("+-").partition(".")
    return mantissa[:1] == "-", Digits(whole, point + fraction, int(exponent) if exponent else None)


def whole_exponent(formula: Formula) -> str | None:
    """The digits of an exponent that is a whole number, with `-` before it if negative."""
    match formula:
        case Negative(Number(text)) | Number(text):
            minus, (whole, *rest) = signed(text)
            minus = minus or isinstance(formula, Negative)
            return None if rest != ["", None] or not whole.isdecimal() else "-" * minus + whole
        case _:
            return None


def opens_with_bracket(formula: Formula) -> bool:
    """(a − b) or (a − b)²: in a product it can stand right after the factor before it."""
    return isinstance(formula.base if isinstance(formula, Power) else formula, Sum)


def is_numeric(formula: Formula) -> bool:
    """No name in it: the formula is a substituted one."""
    return not names_in(formula)


# --- quantities ----------------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def quantity(glyph: Glyph, transposed: bool = False) -> Named:
    """The one node of a quantity, for which whatever is made of it is kept."""
    return Named(glyph, transposed)


@lru_cache(maxsize=65536)
def letters(named: Named, stacked: bool) -> Node:
    """The glyph of a quantity as a layout; `stacked` draws a derivative as a fraction, and the
    mark of a new value above the letter."""
    glyph = named.glyph
    marks: list[Node] = [*[NEW] * (glyph.new and stacked), *[TRANSPOSED] * named.transposed]
    parts: list[Node] = []
    match glyph:
        case Symbol():
            layer = _layer(glyph)
            below = _indices(glyph) if glyph.subscript else None
            letter = Word(
                glyph.base, "letter", "hat" if glyph.hat else "tilde" if glyph.tilde else ""
            )
            parts = [scripted(letter, below, [*layer, *marks])]
            if glyph.of is not None:
                parts += [BESIDE, Fence("of", letters(quantity(glyph.of), stacked))]
        case Derivative(numerator, denominator, again=other):
            above, below = _differential(numerator, stacked), _differential(denominator, stacked)
            if other is not None:
                above = Row((TWICE, *above.parts[1:]))
                below = _twice(below, None if other == denominator else other, stacked)
            if stacked:
                parts = [scripted(Fraction(above, below), None, marks)]
            else:
                parts = [*above.parts, SLASH, *below.parts]
        case _:
            assert_never(glyph)
    if glyph.sample is not None:
        parts.append(Fence("sample", index(str(glyph.sample))))
    if glyph.new and not stacked:
        parts += [THIN, NEW]
    return row(parts)


def scripted(base: Node, below: Node | None, marks: Sequence[Node]) -> Node:
    """The base with what stands below and above it, if anything does."""
    above = row([part for mark in marks for part in (THIN, mark)][1:]) if marks else None
    return base if below is None and above is None else Script(base, below, above)


def _layer(glyph: Symbol) -> list[Node]:
    if not glyph.superscript:
        return []
    return [Fence("square" if glyph.fence == "[]" else "layer", index(glyph.superscript))]


def index(text: str) -> Word:
    """One index, a number or a letter."""
    return Word(text, "number" if text.isdecimal() else "index")


def _indices(symbol: Symbol) -> Node:
    """The indices with commas between them, the last one step back if it is the time before."""
    parts = [part for each in symbol.subscript for part in (Word(",", "sign"), index(each))][1:]
    return row([*parts, *(ONE_BACK if symbol.before else ())])


def _twice(below: Row, other: Glyph | None, stacked: bool) -> Row:
    """∂w∂v, or ∂w² where it is the same again."""
    if other is None:
        partial, written = below.parts
        if isinstance(written, Named):  # its own marks stand above it too
            written = letters(written, stacked)
        return Row((partial, Script(written, None, Word("2", "number"))))
    between = [THIN] * stacked
    return Row((*below.parts, *between, *_differential(other, stacked).parts))


def _differential(glyph: Glyph, stacked: bool) -> Row:
    """The numerator or denominator of a derivative."""
    written: Node = quantity(glyph)
    if not stacked and (isinstance(glyph, Derivative) or glyph.new):
        written = Fence("group", written)
    return Row((PARTIAL, written))


# --- formulas ------------------------------------------------------------------------------------


class Layout:
    """Lays formulas out in a line, with fractions over one another, or as they are typed."""

    stacked = False  # a fraction is drawn as one: its parts need no brackets
    juxtaposes = True  # 2(a − b), (a)(b): brackets side by side are a product
    scientific = Level.QUOTIENT  # 1.2×10⁻⁵ is a product
    matrix_factor = Level.QUOTIENT  # what a factor in a product of matrices must hold together by
    raised: Sequence[str] = ()  # functions that hold together like a power: a root, e to something

    def __init__(self, spelling: Spelling | None = None) -> None:
        self._spelling: Spelling = spelling or spell
        self._named: dict[str, Named] = {}

    def spelling(self, name: str) -> Glyph:
        """How a name is written."""
        return self.named(name).glyph

    def named(self, name: str) -> Named:
        if (known := self._named.get(name)) is None:
            known = self._named[name] = quantity(self._spelling(name))
        return known

    def name(self, name: str) -> Node:
        return self.named(name)

    def kind(self, name: str) -> Hashable:
        """All that the layout of a formula depends on of a name in it."""
        glyph = self.spelling(name)
        if isinstance(glyph, Derivative):
            return Derivative
        return glyph.new, bool(glyph.of or glyph.sample), bool(glyph.superscript)

    # --- what stands in brackets ---

    def level(self, formula: Formula) -> Level:
        kind = type(formula)
        if (level := LEVELS.get(kind)) is not None:
            return level
        match formula:
            case Name(name):
                return self.name_level(name)
            case Number(text):
                minus, (_, _, power) = signed(text)
                if minus:
                    return Level.NEGATIVE
                return Level.ATOM if power is None else self.scientific
            case Call():
                return Level.POWER if formula.function in self.raised else Level.ATOM
            case Shown(form):
                return Level.PRODUCT if form in INFIX else Level.ATOM
            case _:
                return Level.ATOM

    def name_level(self, name: str) -> Level:
        """A derivative written in a line (∂L/∂w) is a quotient, any other name is whole."""
        glyph = self.spelling(name)
        if isinstance(glyph, Derivative):
            return Level.POWER if self.stacked else Level.QUOTIENT
        return Level.POWER if glyph.new else Level.ATOM

    def fit(self, formula: Formula, least: Level) -> Node:
        """A part, in brackets unless it holds together at least this tightly."""
        node = self.node(formula)
        if isinstance(formula, Name) and least <= Level.QUOTIENT:  # no name holds less
            return node
        if isinstance(formula, Comparison):
            return Fence("indicator", node)
        return node if self.level(formula) >= least else Fence("group", node)

    # --- the one walk over a formula ---

    def node(self, formula: Formula, inside_sum: bool = False) -> Node:
        """The layout of a formula; in a term of a sum the factors of a product stand closer."""
        match formula:
            case Name(name):
                return self.name(name)
            case Number(text):
                minus, written = signed(text)
                return Row((MINUS, written)) if minus else written
            case Negative(Product(factors)):
                return Row((MINUS, *self._factors(factors, inside_sum)))
            case Negative(operand):
                return Row((MINUS, self._term(operand)))
            case Product(factors):
                return Row(tuple(self._factors(factors, inside_sum)))
            case Sum(terms):
                return Row(tuple(self._terms(terms)), is_sum=True)
            case Quotient(numerator, denominator):
                return self.quotient(numerator, denominator)
            case Power(base, exponent):
                return Script(self.power_base(base), None, self.exponent(exponent))
            case Call():
                return self.call(formula)
            case Comparison(left, relation, right):
                sign = Operator(relation, AT_RELATION)
                return Row((self.fit(left, Level.SUM), sign, self.fit(right, Level.SUM)))
            case Conditional():
                return self.conditional(formula)
            case Matrix(rows):
                return Grid("matrix", tuple(tuple(map(self.node, entries)) for entries in rows))
            case Shown():
                return self.shown(formula)
            case _:
                assert_never(formula)

    def _terms(self, terms: Sequence[Formula], further: bool = False) -> list[Node]:
        """Terms with the signs between them, if they are `further` ones before the first too."""
        parts: list[Node] = []
        for term in terms:
            if not (parts or further):
                negative = self.level(term) is Level.NEGATIVE
                parts.append(self.node(term, inside_sum=True) if negative else self._term(term))
            elif isinstance(term, Negative):
                parts += (LESS, self._term(term.operand))
            else:
                # A number may carry its own sign: 0.3 + (−0.2).
                parts += (PLUS, self._term(term))
        return parts

    def _term(self, formula: Formula) -> Node:
        """A term after a sign."""
        if isinstance(formula, Product):
            return self.node(formula, inside_sum=True)
        return self.fit(formula, Level.PRODUCT)

    def _factors(self, factors: Sequence[Formula], inside_sum: bool) -> list[Node]:
        opens = list(map(opens_with_bracket, factors))
        some_open = True in opens
        tight = inside_sum or not (some_open or any(map(self._stands_apart, factors)))
        # (0.734 − 1)(0.734)(0.901): a product of numbers with brackets in it has them throughout.
        all_brackets = self.juxtaposes and some_open and all(map(is_numeric, factors))
        parts: list[Node] = []
        for index, factor in enumerate(factors):
            node = self.fit(factor, self._least(factor, index))
            if index == 0:
                parts.append(node)
                continue
            beside = False
            if all_brackets and isinstance(factor, Number | Negative | Quotient | Sum):
                beside = True
                if self.level(factor) > Level.QUOTIENT:
                    node = Fence("group", node)
            elif opens[index] and self.juxtaposes:
                beside = self._stands_before_bracket(factors[index - 1])
            if beside:
                cost = AT_FACTOR if closes(parts[-1]) else AT_BRACKET
                parts += (Operator("beside", cost), node)
            else:
                parts += (DOTS[tight], node)
        return parts

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

    def quotient(self, numerator: Formula, denominator: Formula) -> Node:
        if isinstance(numerator, Product):
            above = self.node(numerator, inside_sum=True)
        else:
            above = self.fit(numerator, self._numerator_level(numerator))
        return Row((above, SLASH, self.fit(denominator, Level.POWER)))

    def _numerator_level(self, numerator: Formula) -> Level:
        # A product of matrices is taken for one of its factors where only that seems divided.
        return Level.POWER if isinstance(numerator, Name | Shown) else Level.PRODUCT

    def power_base(self, base: Formula) -> Node:
        if isinstance(base, Name) and has_superscript(self.spelling(base.name)):
            return Fence("group", self.node(base))
        return self.fit(base, Level.ATOM)

    def exponent(self, exponent: Formula) -> Node:
        raised = whole_exponent(exponent)
        if raised is not None and len(raised) <= LONGEST_RAISED:
            return Word(raised, "number")
        return self.fit(exponent, Level.ATOM)

    def arguments(self, call: Call) -> Node:
        return listed([self._argument(each, at) for at, each in enumerate(call.arguments)])

    def _argument(self, argument: Formula, at: int) -> Node:
        match argument:
            case Comparison(Name(word), "==", value) if at:  # by its name: axis=2
                return Row((Word(word, "letter"), Word("=", "sign"), self.node(value)))
            case _:
                return self.node(argument)

    def call(self, call: Call) -> Node:
        function = spelled(call.function)
        if function.constant:
            return Called(function)
        return Row((Called(function), Fence("call", self.arguments(call))))

    def conditional(self, formula: Conditional) -> Node:
        return Row(
            (
                self.fit(formula.then, Level.SUM),
                Operator("if", AT_RELATION),
                self.node(formula.condition),
                Operator("else", AT_RELATION),
                self.fit(formula.otherwise, Level.CONDITIONAL),
            )
        )

    def shown(self, formula: Shown) -> Node:
        match formula:
            case Shown("hadamard" | "matmul" | "correlation" | "full" as sign, operands):
                parts: list[Node] = []
                apart = sign == "matmul" and shaped(operands)
                for operand in operands:
                    scaled = sign == "hadamard" and isinstance(operand, Product)
                    least = min(self.matrix_factor, Level.PRODUCT if scaled else Level.ATOM)
                    part = self.fit(operand, least)
                    between = Operator("wide" if apart else sign, AT_FACTOR)
                    parts += [between, part] if parts else [part]
                return row(parts)
            case Shown("transpose", (operand,)):
                return self.transposed(operand)
            case Shown("shape", (what, *sides)):
                written = [side.name if isinstance(side, Name) else "" for side in sides]
                base = self.node(what) if isinstance(what, Name) else self.fit(what, Level.ATOM)
                return Under(base, tuple(map(index, written)))
            case Shown("entries", (what, *places)):
                inside = Fence("entries", listed(list(map(self.node, places))))
                return Row((self.fit(what, Level.ATOM), BESIDE, inside))
            case Shown("group", (operand,)):
                return Fence("group", self.node(operand))
            case Shown("term" | "further" as form, operands):
                return Row(tuple(self._terms(operands, form == "further")), is_sum=True)
            case Shown("applied", (what, *arguments)):
                inside = Fence("group", listed(list(map(self.node, arguments))))
                return Row((self.node(what), BESIDE, inside))
            case Shown("=" | "≈" | "→" | "<" | ">" | "≥" | "≤" as sign, (left, right)):
                between = Operator(sign, AT_RELATION)
                return Row((*within(self.node(left)), between, *within(self.node(right))))
            case _:
                raise ValueError(f"no such notation: {formula.form}")

    def transposed(self, operand: Formula) -> Node:
        return Script(self.fit(operand, Level.ATOM), None, TRANSPOSED)


def closes(node: Node) -> bool:
    """Whether it ends with a bracket."""
    return isinstance(node, Fence) or (isinstance(node, Row) and closes(node.parts[-1]))


def listed(nodes: Sequence[Node]) -> Node:
    """Nodes with commas between them."""
    return row([part for node in nodes for part in (COMMA, node)][1:]) if nodes else Row(())


class InLine(Layout):
    """On one line, in mathematical signs."""

    raised = ("sqrt",)

    def level(self, formula: Formula) -> Level:
        if isinstance(formula, Quotient) and formula == HALF:
            return Level.POWER
        return super().level(formula)

    def quotient(self, numerator: Formula, denominator: Formula) -> Node:
        if numerator == HALF.numerator and denominator == HALF.denominator:
            return HALF_SIGN
        return super().quotient(numerator, denominator)

    def call(self, call: Call) -> Node:
        if call.function == "abs":
            return Fence("abs", self.arguments(call))
        if call.function == "sqrt":
            (argument,) = call.arguments
            short = isinstance(argument, Number | Name) and self.level(argument) >= Level.ATOM
            inside = self.node(argument)
            return Row((Called(spelled("sqrt")), inside if short else Fence("group", inside)))
        return super().call(call)


class Stacked(Layout):
    """As in print: fractions over one another, roots under a bar, cases one below the other."""

    stacked = True
    raised = ("exp",)

    def level(self, formula: Formula) -> Level:
        return Level.ATOM if isinstance(formula, Conditional) else super().level(formula)

    def quotient(self, numerator: Formula, denominator: Formula) -> Node:
        return Fraction(self.node(numerator), self.node(denominator))

    def exponent(self, exponent: Formula) -> Node:
        return self.node(exponent)

    def call(self, call: Call) -> Node:
        match call:
            case Call("exp", (argument,)):
                return Script(Word("e", "letter"), None, self.node(argument))
            case Call("sqrt", (argument,)):
                return Fence("root", self.node(argument))
            case Call("abs"):
                return Fence("abs", self.arguments(call))
            case _:
                return super().call(call)

    def conditional(self, formula: Conditional) -> Node:
        rows: list[tuple[Node, ...]] = []
        otherwise: Formula = formula
        while isinstance(otherwise, Conditional):
            condition = self.node(otherwise.condition)
            rows.append((self.fit(otherwise.then, Level.SUM), condition))
            otherwise = otherwise.otherwise
        rows.append((self.fit(otherwise, Level.CONDITIONAL),))
        return Grid("cases", tuple(rows))

    def transposed(self, operand: Formula) -> Node:
        if isinstance(operand, Name):
            glyph = self.spelling(operand.name)
            if isinstance(glyph, Symbol):
                return quantity(glyph, True)
        return super().transposed(operand)


@lru_cache(maxsize=2)
def in_line(spelling: Spelling | None = None) -> InLine:
    """The layout that knows every name of a spelling that it has met."""
    return InLine(spelling)


@lru_cache(maxsize=2)
def stacked(spelling: Spelling | None = None) -> Stacked:
    """The same with fractions."""
    return Stacked(spelling)


class Typed(Layout):
    """As a person types it and `parse` reads it back: names are plain, powers have a `^`."""

    juxtaposes = False
    scientific = Level.ATOM
    matrix_factor = Level.POWER

    def name(self, name: str) -> Node:
        return Word(name, "typed")

    def kind(self, name: str) -> Hashable:
        return "/" in name

    def name_level(self, name: str) -> Level:
        return Level.QUOTIENT if self.kind(name) else Level.ATOM

    def _stands_apart(self, factor: Formula) -> bool:
        return False  # every sign of a product looks the same

    def power_base(self, base: Formula) -> Node:
        return self.fit(base, Level.ATOM)

    def exponent(self, exponent: Formula) -> Node:
        return self.fit(exponent, Level.ATOM)


def has_superscript(glyph: Glyph) -> bool:
    """Whether an exponent straight after it would run into the layer or the word `new`."""
    match glyph:
        case Symbol():
            return bool(glyph.superscript or glyph.new or glyph.sample or glyph.of)
        case Derivative():
            return True
        case _:
            assert_never(glyph)
