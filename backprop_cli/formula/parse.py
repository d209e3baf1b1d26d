"""Formulas as people type them, read into the tree: own precedence, hard limits.

Nothing here evaluates the text; recursion is bounded by a counter, and every refusal says where
and what to write instead.

Grammar, loosest first:
    A if C else B;  or;  and;  not;  < <= > >= == !=;  + -;  * / and side by side;  unary -;
    ^ ** (to the right)

A condition of several comparisons becomes a list of cases: `A if 0 < x < 1 else B` is
`B if x <= 0 else (A if x < 1 else B)`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Set
from dataclasses import field
from functools import lru_cache
from itertools import pairwise
from typing import cast

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import quote
from backprop_cli.formula.build import children
from backprop_cli.formula.characters import Characters, plain_characters
from backprop_cli.formula.conditions import RELATIONS, cases, comparisons, has_joined, is_condition
from backprop_cli.formula.functions import FUNCTIONS
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Sum,
)
from backprop_cli.formula.words import (
    BRACKETS,
    DEFAULT,
    FormulaError,
    KnownNames,
    Limits,
    Reader,
    SheetReader,
    Token,
)

MOST_COMPARISONS = 8  # in one condition: its cases are written out


@lru_cache(maxsize=16)
def _known_names(names: frozenset[str]) -> KnownNames:
    return KnownNames(names)


def parse(
    text: str,
    *,
    known: Collection[str] | None = None,
    names: Set[str] | None = None,
    constants: bool = True,
    limits: Limits = DEFAULT,
) -> Formula:
    """The formula that `text` writes, in the order and grouping of the text.

    Without `known`, names are identifiers (problem files); `names` are then those which the file
    defines: they win over functions and constants of the same name. With `known` (students'
    answers) only those names exist; they may hold `/`, `[`, `]` and `'`. `constants` makes `e`
    and `pi` numbers where they are no names. Raises FormulaError.
    """
    refuse_long(text, limits)
    characters = plain_characters(text)
    tokens = (
        Reader(characters, names, constants, limits)
        if known is None
        else SheetReader(characters, names, constants, limits, _known_names(frozenset(known)))
    ).tokens()
    try:
        formula = Parser(characters, tokens, limits).whole()
    except FormulaError:
        nested = _with_bars_in_bars(characters, tokens, limits)
        if nested is None:
            raise
        formula = nested
    refuse_tall(formula, limits)
    return formula


def refuse_long(text: str, limits: Limits) -> None:
    if len(text) > limits.bytes or len(text.encode("utf-8", "surrogatepass")) > limits.bytes:
        raise FormulaError(
            f"the formula is longer than {limits.bytes} bytes", limits.bytes, 1, "write it shorter"
        )


def _with_bars_in_bars(
    characters: Characters, tokens: list[Token], limits: Limits
) -> Formula | None:
    """A second reading of a text that has just been refused: `|2|y||` is |2·|y||, where a bar
    after a factor was taken for the closing one. None if that is none either."""
    bars = sum(token.value == "|" for token in tokens)
    if bars < 4 or bars % 2:
        return None
    try:
        return Parser(characters, tokens, limits, nested_bars=True).whole()
    except FormulaError:
        return None  # the error of the first reading is the plainer one


def refuse_tall(formula: Formula, limits: Limits) -> None:
    """`1/1/1/…` has no brackets and still makes a deep tree: nobody after us may recurse far."""
    tallest = 4 * limits.depth
    waiting = [(formula, 1)]
    while waiting:
        node, height = waiting.pop()
        if height > tallest:
            raise FormulaError("the formula is nested too deeply", 0, 1, "write it in parts")
        waiting.extend((child, height + 1) for child in children(node))


@dataclass
class Parser:
    """Precedence climbing over the tokens; `depth` bounds every way it calls itself."""

    characters: Characters
    tokens: list[Token]
    limits: Limits
    position: int = 0
    depth: int = 0
    open: list[Token] = field(default_factory=list)  # brackets and bars not yet closed
    nested_bars: bool = False  # a bar between two factors opens, though others are open
    joined: Token | None = None  # the last `and`, `or`, `not`, or relation of a chain

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def advance(self) -> Token:
        token = self.tokens[self.position]
        self.position += 1
        return token

    def sees(self, *operators: str) -> bool:
        token = self.tokens[self.position]
        return token.kind == "operator" and token.value in operators

    def sees_word(self, word: str) -> bool:
        return self.token.kind == "word" and self.token.value == word

    def error(
        self, message: str, first: Token, last: Token | None = None, help: str | None = None
    ) -> FormulaError:
        column, length = self.characters.span(first.start, (last or first).end)
        return FormulaError(message, column, length, help)

    def written(self, first: Token, last: Token) -> str:
        return self.characters.text[first.start : last.end]

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > self.limits.depth:
            raise self.error(f"nested more than {self.limits.depth} deep", self.token)

    def whole(self) -> Formula:
        if self.token.kind == "end":
            raise FormulaError("the formula is empty", 0, 1, "write a number or a formula")
        formula = self.expression()
        if self.position < len(self.tokens) - 1:
            raise self.misplaced()
        if self.joined is not None and has_joined(formula):
            raise self.error(
                "a condition stands only between `if` and `else`", self.joined, None,
                "say both numbers, as in `1 if 0 < x and x < 1 else 0`",
            )  # fmt: skip
        return formula

    def misplaced(self) -> FormulaError:
        """The token here cannot stand here."""
        token = self.token
        if token.kind == "end":
            if self.open:
                opener = self.open[-1]
                return self.error(f"`{opener.value}` is never closed", opener)
            column, _ = self.characters.span(max(0, token.start - 1), token.start)
            return FormulaError("something is missing at the end", column, 1)
        if token.value in BRACKETS.values():
            if self.open and BRACKETS.get(self.open[-1].value) == token.value:
                return self.error(f"something is missing before `{token.value}`", token)
            if self.open:
                opener = self.open[-1]
                return self.error(
                    f"`{token.value}` does not close `{opener.value}`", token, None,
                    f"write `{BRACKETS.get(opener.value, opener.value)}`",
                )  # fmt: skip
            return self.error(f"`{token.value}` closes nothing", token)
        if "|" in (token.value, *(opener.value for opener in self.open)):
            return self.out_of_place(token, "write `abs(…)` where bars stand inside bars")
        if token.value == ",":
            help = "numbers have a decimal point: `0.5`"
            return self.error("a comma only separates a function's arguments", token, None, help)
        if token.kind == "number":
            return self.error(
                f"{quote(token.value)} follows without a sign", token, None, "write `*` between"
            )
        if token.value == "if":
            return self.out_of_place(token, "the value stands first, as in `a if a > 0 else 0`")
        return self.out_of_place(token)

    def out_of_place(self, token: Token, help: str | None = None) -> FormulaError:
        return self.error(f"{quote(token.value)} cannot stand here", token, None, help)

    # loosest first

    def expression(self) -> Formula:
        """A conditional, a comparison or a sum."""
        self.deeper()
        formula = self.alternatives()
        if self.sees_word("if"):
            start = self.advance()
            condition = self.alternatives()
            if not is_condition(condition):
                raise self.error(
                    "what follows `if` must compare two values", start, self.tokens[self.position - 1],
                    "as in `z if z > 0 else 0`",
                )  # fmt: skip
            if not self.sees_word("else"):
                raise self.error("`if` needs an `else`", start, None, "as in `z if z > 0 else 0`")
            self.advance()
            if comparisons(condition) > MOST_COMPARISONS:
                raise self.error(
                    f"a condition has more than {MOST_COMPARISONS} comparisons", start, None,
                    "write it as several equations",
                )  # fmt: skip
            formula = cases(condition, formula, self.expression())
        self.depth -= 1
        return formula

    def alternatives(self) -> Formula:
        """Conditions joined by `or`; most often just a sum, or one comparison."""
        found = self.together()
        while self.sees_word("or"):
            found = self.join(found, self.advance(), self.together())
        return found

    def together(self) -> Formula:
        """Conditions joined by `and`."""
        found = self.denied()
        while self.sees_word("and"):
            found = self.join(found, self.advance(), self.denied())
        return found

    def denied(self) -> Formula:
        if not self.sees_word("not"):
            return self.comparison()
        self.deeper()
        sign = self.advance()
        found = self.join(None, sign, self.denied())
        self.depth -= 1
        return found

    def join(self, left: Formula | None, word: Token, right: Formula) -> Formula:
        """Two conditions (for `not`, one) under a word. It never leaves the parser: `cases` turns
        it into cases."""
        self.joined = word
        parts = tuple(part for part in (left, right) if part is not None)
        if not all(map(is_condition, parts)):
            raise self.error(
                f"{quote(word.value)} joins comparisons", word, None,
                "as in `1 if x > 0 and x < 1 else 0`",
            )  # fmt: skip
        return Call(word.value, parts)

    def comparison(self) -> Formula:
        """A sum, or a comparison of two; `a < b < c` is `a < b and b < c`."""
        sides, relations = [self.sum()], list[Token]()
        while self.sees(*RELATIONS):
            relations.append(self.advance())
            sides.append(self.sum())
        if not relations:
            return sides[0]
        found: list[Formula] = [
            Comparison(left, cast(Relation, relation.value), right)
            for (left, right), relation in zip(pairwise(sides), relations, strict=True)
        ]
        if len(found) > 1:
            self.joined = relations[1]
        whole = found[0]
        for part in found[1:]:
            whole = Call("and", (whole, part))
        return whole

    def sum(self) -> Formula:
        terms = [self.signed_term()]
        while self.sees("+", "-"):
            minus = self.advance().value == "-"
            term = self.signed_term()
            terms.append(Negative(term) if minus else term)
        return terms[0] if len(terms) == 1 else Sum(tuple(terms))

    def signed_term(self) -> Formula:
        """A term with the signs before it: −a·b is −(a·b)."""
        return self.signed(self.term)

    def signed(self, part: Callable[[], Formula]) -> Formula:
        minus, found = self.signs(), part()
        for _ in range(minus):
            found = Negative(found)
        return found

    def signs(self) -> int:
        """How many minus signs stand here; plus signs mean nothing."""
        minus = 0
        while self.sees("+", "-"):
            minus += self.advance().value == "-"
            if minus > self.limits.depth:
                raise self.error("too many signs in a row", self.token)
        return minus

    def term(self) -> Formula:
        """Factors and divisors, from the left: a·b/c·d is ((a·b)/c)·d."""
        first = self.token
        factors = [self.power()]
        divisor: Token | None = None
        while True:
            if self.sees("*"):
                self.advance()
                factors.append(self.signed_power())
                divisor = None
            elif self.sees("/"):
                self.advance()
                divisor = self.token
                factors = [Quotient(_product(factors), self.signed_power())]
            elif self.starts_factor():
                if divisor is not None:
                    self.refuse_after_division(first, divisor, factors[0])
                factors.append(self.power())
            else:
                return _product(factors)

    def starts_factor(self) -> bool:
        """Whether what follows is a factor set beside the last one without a sign."""
        if self.token.kind in ("name", "function"):
            return True
        if self.sees("|"):
            inside = bool(self.open) and self.open[-1].value == "|"
            return not inside or (self.nested_bars and self._operand_follows())
        return self.sees(*BRACKETS)

    def _operand_follows(self) -> bool:
        following = self.tokens[self.position + 1]
        return following.kind in ("number", "name", "function") or following.value in BRACKETS

    def refuse_after_division(self, first: Token, divisor: Token, quotient: Formula) -> None:
        """`1/2x` may mean either; `1/2(a - b)` can only mean half of it."""
        match quotient:
            case Quotient(Number(), Number()) if self.sees("|", *BRACKETS):
                return
        above = self.characters.text[first.start : divisor.start].rstrip("/ ")
        below = self.written(divisor, self.tokens[self.position - 1])
        following = self.token.value if self.token.kind in ("name", "function") else "(…)"
        raise self.error(
            f"{quote(self.written(first, self.token))} can be read in two ways",
            first,
            self.token,
            f"write {quote(f'({above}/{below})*{following}')} or "
            f"{quote(f'{above}/({below}*{following})')}",
        )

    def signed_power(self) -> Formula:
        return self.signed(self.power)

    def power(self) -> Formula:
        start = self.token
        base = self.atom()
        if not self.sees("^"):
            return base
        self.advance()
        self.deeper()
        first = self.token
        exponent = self.signed_power()
        self.depth -= 1
        if base == Call("e", ()) and first.value != "(" and self.starts_factor():
            written = self.written(first, self.tokens[self.position - 1])
            raise self.error(
                "it is not clear where the exponent ends", start, self.token,
                f"put the exponent in brackets, as in {quote(f'e^({written})')}",
            )  # fmt: skip
        return Power(base, exponent)

    def atom(self) -> Formula:
        token = self.token
        if token.kind in ("number", "name"):
            self.advance()
            if self.token.kind == "number":
                raise self.misplaced()
            return Number(token.value) if token.kind == "number" else Name(token.value)
        if token.kind == "function":
            return self.call()
        if self.sees(*BRACKETS):
            return self.inside()[0]
        if self.sees("|"):
            return Call("abs", (self.inside()[0],))
        raise self.misplaced()

    def inside(self, each: Callable[[], Formula] | None = None) -> list[Formula]:
        """What stands between this bracket or bar and the one that closes it: an expression, or
        several parts, `each` read so, with commas between them."""
        opener = self.advance()
        closer = BRACKETS.get(opener.value, "|")
        self.open.append(opener)
        if self.sees(closer) and closer != "|":
            raise self.error("nothing stands in the brackets", opener, self.token)
        found = [(each or self.expression)()]
        while each and self.sees(","):
            self.advance()
            found.append(each())
        if not self.sees(closer):
            raise self.misplaced()
        self.advance()
        self.open.pop()
        if self.token.kind == "number":
            raise self.misplaced()
        return found

    def call(self) -> Formula:
        token = self.advance()
        if token.value not in FUNCTIONS:
            return self.written_out(token)
        function = FUNCTIONS[token.value]
        if function.name == "e" and self.sees("("):
            raise self.error(
                "`e(…)` could be a power of e or a product", token, None,
                "write `e^(…)` or `exp(…)` for the power, `e*(…)` for the product",
            )  # fmt: skip
        if function.constant:
            return Call(function.name, ())
        if self.sees(*BRACKETS):
            arguments = self.inside(self.expression)
        else:
            arguments = [self.bare_argument(token)]
        count = len(arguments)
        if count < function.fewest or (function.most is not None and count > function.most):
            raise self.error(
                f"{quote(function.name)} takes {_count(function.fewest, function.most)}, not {count}",
                token, self.tokens[self.position - 1],
                function.note or None,
            )  # fmt: skip
        return Call(function.name, tuple(arguments))

    def written_out(self, token: Token) -> Formula:
        """A function of several values that is only short for a formula in them."""
        name = token.value
        values = self.inside(self.expression)
        last = self.tokens[self.position - 1]
        if name == "softmax":
            raise self.error(
                "`softmax` is not a function with one value: it has one for each of its arguments",
                token, None,
                "write the output that is meant: `exp(z1)/(exp(z1) + exp(z2) + exp(z3))`",
            )  # fmt: skip
        if len(values) < 2:
            raise self.error(
                f"{quote(name)} is of several values, and every quantity here is a single number",
                token, last,
                f"list them, as in {quote(name + '(x1, x2, x3)')}; for samples there is "
                "`training: {reduction: …}`",
            )  # fmt: skip
        if name == "norm":
            squares = tuple(Power(value, Number("2")) for value in values)
            return Call("sqrt", (Sum(squares),))
        whole = Sum(tuple(values))
        return Quotient(whole, Number(str(len(values)))) if name == "mean" else whole

    def bare_argument(self, function: Token) -> Formula:
        """`ln x`: one name or number, with nothing after it that might belong to it."""
        self.deeper()
        first = self.token
        argument = self.atom()
        self.depth -= 1
        if self.starts_factor() or self.sees("^"):
            raise self.error(
                f"it is not clear where the argument of {quote(function.value)} ends",
                function, self.token,
                f"write {quote(f'{function.value}({self.written(first, self.tokens[self.position - 1])})')}",
            )  # fmt: skip
        return argument


def _product(factors: list[Formula]) -> Formula:
    return factors[0] if len(factors) == 1 else Product(tuple(factors))


def _count(fewest: int, most: int | None) -> str:
    if most is None:
        return f"{fewest} or more arguments"
    if fewest == most:
        return "one argument" if most == 1 else f"{most} arguments"
    return f"{fewest} to {most} arguments"
