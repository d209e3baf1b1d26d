"""Formulas as people type them, read into the tree: own tokens, own precedence, hard limits.

The text is hostile until it has been read. Nothing here evaluates it; recursion is bounded by a
counter, tokens are cut by linear scans, and every refusal says where and what to write instead.

Grammar, loosest first:
    A if C else B;  < <= > >= == !=;  + -;  * / and side by side;  unary -;  ^ ** (to the right)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal, TypeAlias, cast

from backprop_cli.diagnostics import closest, escape, quote
from backprop_cli.formula.build import children
from backprop_cli.formula.characters import Characters, plain_characters
from backprop_cli.formula.functions import FUNCTIONS, ROWS
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
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


class FormulaError(Exception):
    """Why a text is not a formula. `column` counts from 0 into the text."""

    def __init__(self, message: str, column: int, length: int = 1, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.column = column
        self.length = length
        self.help = help


@dataclass(frozen=True)
class Limits:
    """How much is read at all; no honest formula comes near."""

    bytes: int = 4000
    tokens: int = 2000
    depth: int = 50
    digits: int = 40
    exponent: int = 400


DEFAULT = Limits()

NOT_NAMES = frozenset({"if", "else"})
# Written without brackets now and then: `ln x`.
BRACKETLESS = frozenset({"exp", "ln", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh"})
BRACKETS: Mapping[str, str] = {"(": ")", "[": "]", "{": "}"}
RELATIONS: frozenset[str] = frozenset({"<", "<=", ">", ">=", "==", "!="})

Kind: TypeAlias = Literal["number", "name", "function", "word", "operator", "end"]


@dataclass(frozen=True)
class Token:
    """A piece of the plain text, `text[start:end]`; `value` is the canonical name or digits."""

    kind: Kind
    value: str
    start: int
    end: int


LONGEST_RUN = 200  # letters run together that are looked at
LONGEST_PART = 40


class KnownNames:
    """The names of a sheet, made ready for longest match."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)
        self.longest = max(map(len, self.names), default=0)

    @cached_property
    def in_order(self) -> list[str]:
        return sorted(self.names, key=lambda name: (len(name), name))

    def longest_match(self, text: str, start: int) -> tuple[str, int] | None:
        """The longest known name that `text` has at `start`, and where it ends.

        Spaces round `/` and before `[` do not count; `w'` and `w new` are `w_new`.
        """
        best: tuple[str, int] | None = None
        name = ""
        index = start
        while index < len(text) and len(name) < self.longest:
            char = text[index]
            if char == " ":
                rest = text[index : index + 8].lstrip(" ")
                if name.endswith("/") or rest[:1] in ("/", "["):
                    index += 1
                    continue
                break
            name += char
            index += 1
            if name in self.names:
                best = (name, index)
            for mark in ("'", " new"):
                if (
                    text.startswith(mark, index)
                    and name + "_new" in self.names
                    and not is_word_character(text[index + len(mark) : index + len(mark) + 1])
                ):
                    best = (name + "_new", index + len(mark))
        return best


@lru_cache(maxsize=16)
def _known_names(names: frozenset[str]) -> KnownNames:
    return KnownNames(names)


def parse(
    text: str,
    *,
    known: Collection[str] | None = None,
    names: Collection[str] | None = None,
    constants: bool = True,
    limits: Limits = DEFAULT,
) -> Formula:
    """The formula that `text` writes, in the order and grouping of the text.

    Without `known`, names are identifiers (problem files); `names` are then those which the file
    defines: they win over functions and constants of the same name. With `known` (students'
    answers) only those names exist; they may hold `/`, `[`, `]` and `'`. `constants` makes `e`
    and `pi` numbers where they are no names. Raises FormulaError.
    """
    if len(text) > limits.bytes or len(text.encode("utf-8", "surrogatepass")) > limits.bytes:
        raise FormulaError(
            f"the formula is longer than {limits.bytes} bytes", limits.bytes, 1, "write it shorter"
        )
    characters = plain_characters(text)
    reader = Reader(
        characters,
        None if known is None else _known_names(frozenset(known)),
        None if names is None else frozenset(names),
        constants,
        limits,
    )
    formula = Parser(characters, reader.tokens(), limits).whole()
    _refuse_tall(formula, limits)
    return formula


def _refuse_tall(formula: Formula, limits: Limits) -> None:
    """`1/1/1/…` has no brackets and still makes a deep tree: nobody after us may recurse far."""
    tallest = 4 * limits.depth
    waiting = [(formula, 1)]
    while waiting:
        node, height = waiting.pop()
        if height > tallest:
            raise FormulaError("the formula is nested too deeply", 0, 1, "write it in parts")
        waiting.extend((child, height + 1) for child in children(node))


def is_word_character(char: str) -> bool:
    return bool(char) and char.isascii() and (char.isalnum() or char == "_")


# --- tokens ---------------------------------------------------------------------------------------

_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r"\*\*|<=|>=|==|!=|[-+*/^(){}\[\],|<>]")
_INDEX = re.compile(r" ?\[ ?[0-9]+ ?\]")
_STATE = re.compile(r"([A-Za-z]+)\[([A-Za-z][A-Za-z0-9_]*)\]('| new\b)?")
_DERIVATIVE = re.compile(r"d[A-Za-z0-9_]+ {0,2}/ {0,2}d[A-Za-z0-9_]+(?:\[[0-9]+\])?")


@dataclass
class Reader:
    """Cuts the plain text into tokens."""

    characters: Characters
    known: KnownNames | None
    names: frozenset[str] | None
    constants: bool
    limits: Limits

    @property
    def text(self) -> str:
        return self.characters.text

    def error(self, message: str, start: int, end: int, help: str | None = None) -> FormulaError:
        column, length = self.characters.span(start, end)
        return FormulaError(message, column, length, help)

    def tokens(self) -> list[Token]:
        found: list[Token] = []
        text, index = self.text, 0
        while index < len(text):
            char = text[index]
            if char == " ":
                index += 1
                continue
            if char in "0123456789." and (number := _NUMBER.match(text, index)):
                token = self.number(number)
            elif char.isascii() and (char.isalpha() or char == "_"):
                token = self.word(index)
            elif operator := _OPERATOR.match(text, index):
                sign = operator[0]
                token = Token("operator", "^" if sign == "**" else sign, index, operator.end())
            else:
                raise self.unexpected(index)
            found.append(token)
            index = token.end
            if len(found) > self.limits.tokens:
                raise self.error(
                    f"the formula has more than {self.limits.tokens} parts", token.start, token.end
                )
        found.append(Token("end", "", len(text), len(text)))
        return found

    def number(self, found: re.Match[str]) -> Token:
        text = found[0]
        mantissa, _, exponent = text.lower().partition("e")
        if self.text[found.end() : found.end() + 1] == "_":
            raise self.error("`_` cannot follow a number", found.end(), found.end() + 1)
        if exponent and self._is_name(text[len(mantissa) :]):
            name = text[len(mantissa) :]
            raise self.error(
                f"{quote(text)} could be a number or {quote(name)} times {mantissa}",
                found.start(),
                found.end(),
                f"write {quote(f'{mantissa}*{name}')} for the product",
            )
        if len(mantissa) - mantissa.count(".") > self.limits.digits:
            raise self.error(
                f"a number has more than {self.limits.digits} digits", found.start(), found.end()
            )
        digits = exponent.lstrip("+-").lstrip("0")
        if exponent and (len(digits) > 6 or int(digits or "0") > self.limits.exponent):
            raise self.error(
                f"an exponent is beyond {self.limits.exponent}", found.start(), found.end()
            )
        whole, point, decimals = mantissa.partition(".")
        value = (whole or "0") + (point + decimals if decimals else "")
        if exponent:
            value += f"e{int(exponent)}"
        return Token("number", value, found.start(), found.end())

    def _is_name(self, word: str) -> bool:
        if self.known is not None:
            return word in self.known.names
        return self.names is not None and word in self.names

    def unexpected(self, index: int) -> FormulaError:
        char = self.text[index]
        column = self.characters.starts[index]
        original = self.characters.original[column : column + 1] or char
        shown = escape(original) if not original.isspace() else original
        help = _UNEXPECTED_HELP.get(char)
        return self.error(
            f"unexpected character `{shown}` (U+{ord(original):04X})", index, index + 1, help
        )

    # --- words ---

    def word(self, start: int) -> Token:
        run = _WORD.match(self.text, start)
        assert run is not None
        token = self.known_word(run) if self.known is not None else self.free_word(run)
        return token or self.function_word(run)

    def free_word(self, run: re.Match[str]) -> Token | None:
        """A name of a problem file: any identifier that is not a function here."""
        word, end = run[0], run.end()
        if word in NOT_NAMES:
            return Token("word", word, run.start(), end)
        if self.names is not None and word in self.names:
            return Token("name", word, run.start(), end)
        if self._reads_as_function(run):
            return None
        if self.constants and word in FUNCTIONS and FUNCTIONS[word].constant:
            return None
        if self.text[end : end + 1] == "'":
            return None
        if word in BRACKETLESS:
            raise self.without_argument(run)
        if self.names is not None and (first := _only_first_part(word, self.names)):
            # `w1x1` in a file with w1 and x1: there is only one way to read it.
            return Token("name", first, run.start(), run.start() + len(first))
        if self._opens_bracket(end) and self._meant_as_function(word):
            raise self.unknown_function(run)
        return Token("name", word, run.start(), end)

    def known_word(self, run: re.Match[str]) -> Token | None:
        """A name of the sheet by longest match; it may go on past the run of letters."""
        assert self.known is not None
        word, end = run[0], run.end()
        match = self.known.longest_match(self.text, run.start())
        if match is not None and match[1] >= end:
            name, stop = match
            index = _INDEX.match(self.text, stop)
            if index and not name.endswith("]"):
                raise self.unknown_name(run.start(), index.end())
            if not is_word_character(self.text[stop : stop + 1]):
                return Token("name", name, run.start(), stop)
        if word in NOT_NAMES:
            return Token("word", word, run.start(), end)
        if state := _STATE.match(self.text, run.start()):
            # An optimizer's state as it is shown: v[w₁₃⁽²⁾] is v_w2_1_3.
            name = f"{state[1]}_{state[2]}{'_new' if state[3] else ''}"
            if name in self.known.names:
                return Token("name", name, run.start(), state.end())
        if self._reads_as_function(run):
            return None
        if self.constants and word in FUNCTIONS and FUNCTIONS[word].constant:
            return None
        if first := _only_first_part(word, self.known.names):
            # `w2h` on a sheet with w2 and h: there is only one way to read it.
            return Token("name", first, run.start(), run.start() + len(first))
        raise self.not_known(run)

    def _opens_bracket(self, index: int) -> bool:
        return self.text[index : index + 4].lstrip(" ")[:1] in BRACKETS

    def _reads_as_function(self, run: re.Match[str]) -> bool:
        """Whether a word (with its primes) is a function where it stands."""
        word, end = self._primed(run)
        if word not in FUNCTIONS or FUNCTIONS[word].constant:
            return False
        if self._opens_bracket(end):
            return True
        following = self.text[end : end + 2].lstrip(" ")[:1]
        return word in BRACKETLESS and (is_word_character(following) or following in (".", "|"))

    def _primed(self, run: re.Match[str]) -> tuple[str, int]:
        end = run.end()
        while self.text[end : end + 1] == "'" and end - run.end() < 4:
            end += 1
        return run[0] + "'" * (end - run.end()), end

    def function_word(self, run: re.Match[str]) -> Token:
        """A function with its primes, or a constant."""
        word, end = self._primed(run)
        if word in FUNCTIONS:
            return Token("function", FUNCTIONS[word].name, run.start(), end)
        if run[0] in FUNCTIONS and FUNCTIONS[run[0]].constant:
            return Token("function", FUNCTIONS[run[0]].name, run.start(), run.end())
        if self._opens_bracket(end):
            raise self.unknown_function(run)
        raise self.error(f"{quote(word)} is not defined here", run.start(), end)

    def without_argument(self, run: re.Match[str]) -> FormulaError:
        return self.error(
            f"{quote(run[0])} is a function and stands without its argument",
            run.start(),
            run.end(),
            f"write the argument first: {quote(run[0] + '(x)^2')}",
        )

    def _meant_as_function(self, word: str) -> bool:
        """`sigmod(z)` is a misspelt function, `a3(1 - a3)` a product."""
        if self.names is not None:
            return word.isalpha() and len(word) > 2
        return word.isalpha() and len(word) > 3 and bool(closest(word, FUNCTIONS, 1))

    def unknown_function(self, run: re.Match[str]) -> FormulaError:
        word, end = self._primed(run)
        known = [row.name for row in ROWS]
        if self.known is not None:
            known += self.known.in_order
        elif self.names is not None:
            known += sorted(self.names)
        return self.error(
            f"{quote(word)} is not a function", run.start(), end, _did_you_mean(word, known)
        )

    def unknown_name(self, start: int, end: int) -> FormulaError:
        assert self.known is not None
        word = self.text[start:end].replace(" ", "")
        samples = [name for name in self.known.in_order if name.startswith(word + "[")]
        if samples:
            help: str | None = f"say which sample is meant: {' or '.join(map(quote, samples[:3]))}"
        else:
            help = _did_you_mean(word, self.known.in_order)
        return self.error(f"{quote(word)} is not a name on the sheet", start, end, help)

    def not_known(self, run: re.Match[str]) -> FormulaError:
        """Say why a run of letters is no name: several run together, or a slip of the pen."""
        assert self.known is not None
        if derivative := _DERIVATIVE.match(self.text, run.start()):
            return self.unknown_name(run.start(), derivative.end())
        if index := _INDEX.match(self.text, run.end()):
            return self.unknown_name(run.start(), index.end())
        if run[0] in BRACKETLESS:
            return self.without_argument(run)
        if parts := self._parts(run[0]):
            return self.error(
                f"{quote(run[0])} runs several names together",
                run.start(),
                run.end(),
                f"write {quote('*'.join(parts))} if the product is meant",
            )
        if self._opens_bracket(self._primed(run)[1]) and len(run[0]) > 2:
            return self.unknown_function(run)
        return self.unknown_name(run.start(), self._primed(run)[1])

    def _parts(self, word: str) -> list[str] | None:
        """The fewest names and functions that a run of letters can be cut into, if any."""
        assert self.known is not None
        if len(word) > LONGEST_RUN:
            return None
        ways: list[list[str] | None] = [[]] + [None] * len(word)
        for end in range(1, len(word) + 1):
            for start in range(max(0, end - LONGEST_PART), end):
                before, piece = ways[start], word[start:end]
                if before is None or not (
                    piece in self.known.names
                    or (piece in FUNCTIONS and end == len(word) and len(piece) > 1)
                ):
                    continue
                shortest = ways[end]
                if shortest is None or len(before) + 1 < len(shortest):
                    ways[end] = [*before, piece]
        return ways[-1]


_UNEXPECTED_HELP = {
    "=": "write only the right-hand side (or `==` to compare)",
    "!": "there is no factorial here",
    ".": "write a digit after the decimal point",
    "'": "a prime belongs to a function (`relu'(z)`) or to a parameter after its update (`w'`)",
    "%": "write a share as a decimal number",
    "\\": "write the formula in plain text, not in LaTeX",
    "$": "write the formula in plain text, not in LaTeX",
}


def _only_first_part(word: str, names: frozenset[str]) -> str | None:
    """The first of the names that a run of letters is made of, if it can be cut into `names` in
    just one way."""
    if len(word) > LONGEST_RUN:
        return None
    ways = [0] * len(word) + [1]  # ways to cut what begins at each place, from the back
    for start in range(len(word) - 1, -1, -1):
        for end in range(start + 1, min(len(word), start + LONGEST_PART) + 1):
            if ways[end] and word[start:end] in names:
                ways[start] += ways[end]
    if ways[0] != 1:
        return None
    return next(word[:end] for end in range(1, len(word) + 1) if ways[end] and word[:end] in names)


def _did_you_mean(word: str, known: Iterable[str]) -> str | None:
    found = closest(word, known, 3)
    if not found:
        return None
    return f"did you mean {' or '.join(map(quote, found))}?"


# --- the grammar ----------------------------------------------------------------------------------


@dataclass
class Parser:
    """Precedence climbing over the tokens; `depth` bounds every way it calls itself."""

    characters: Characters
    tokens: list[Token]
    limits: Limits
    position: int = 0
    depth: int = 0
    open: list[Token] = field(default_factory=list)  # brackets and bars not yet closed

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def advance(self) -> Token:
        token = self.tokens[self.position]
        self.position += 1
        return token

    def sees(self, *operators: str) -> bool:
        return self.token.kind == "operator" and self.token.value in operators

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
        if token.value == ",":
            help = "numbers have a decimal point: `0.5`"
            return self.error("a comma only separates a function's arguments", token, None, help)
        if token.kind == "number":
            return self.error(
                f"{quote(token.value)} follows without a sign", token, None, "write `*` between"
            )
        return self.error(f"{quote(token.value)} cannot stand here", token)

    # loosest first

    def expression(self) -> Formula:
        """A conditional, a comparison or a sum."""
        self.deeper()
        formula = self.comparison()
        if self.sees_word("if"):
            start = self.advance()
            condition = self.comparison()
            if not isinstance(condition, Comparison):
                raise self.error(
                    "what follows `if` must compare two values", start, self.tokens[self.position - 1],
                    "as in `z if z > 0 else 0`",
                )  # fmt: skip
            if not self.sees_word("else"):
                raise self.error("`if` needs an `else`", start, None, "as in `z if z > 0 else 0`")
            self.advance()
            formula = Conditional(condition, formula, self.expression())
        self.depth -= 1
        return formula

    def comparison(self) -> Formula:
        left = self.sum()
        if not self.sees(*RELATIONS):
            return left
        relation = cast(Relation, self.advance().value)
        formula = Comparison(left, relation, self.sum())
        if self.sees(*RELATIONS):
            raise self.error("a comparison has two sides", self.token)
        return formula

    def sum(self) -> Formula:
        terms = [self.signed_term()]
        while self.sees("+", "-"):
            minus = self.advance().value == "-"
            term = self.signed_term()
            terms.append(Negative(term) if minus else term)
        return terms[0] if len(terms) == 1 else Sum(tuple(terms))

    def signed_term(self) -> Formula:
        """A term with the signs before it: −a·b is −(a·b)."""
        minus = self.signs()
        term = self.term()
        for _ in range(minus):
            term = Negative(term)
        return term

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
            return not (self.open and self.open[-1].value == "|")
        return self.sees(*BRACKETS)

    def refuse_after_division(self, first: Token, divisor: Token, quotient: Formula) -> None:
        """`1/2x` may mean either; `1/2(a - b)` can only mean half of it."""
        match quotient:
            case Quotient(Number(), Number()) if self.sees(*BRACKETS):
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
        minus = self.signs()
        formula = self.power()
        for _ in range(minus):
            formula = Negative(formula)
        return formula

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
        if token.kind == "number":
            self.advance()
            if self.token.kind == "number":
                raise self.misplaced()
            return Number(token.value)
        if token.kind == "name":
            self.advance()
            if self.token.kind == "number":
                raise self.misplaced()
            return Name(token.value)
        if token.kind == "function":
            return self.call()
        if self.sees(*BRACKETS):
            return self.inside(BRACKETS[token.value])[0]
        if self.sees("|"):
            return Call("abs", (self.inside("|")[0],))
        raise self.misplaced()

    def inside(self, closer: str, several: bool = False) -> list[Formula]:
        """What stands between this bracket and its `closer`; `several` parted by commas."""
        opener = self.advance()
        self.open.append(opener)
        found: list[Formula] = []
        if self.sees(closer):
            raise self.error("nothing stands in the brackets", opener, self.token)
        while True:
            found.append(self.expression())
            if several and self.sees(","):
                self.advance()
                continue
            if not self.sees(closer):
                raise self.misplaced()
            self.advance()
            self.open.pop()
            if self.token.kind == "number":
                raise self.misplaced()
            return found

    def call(self) -> Formula:
        token = self.advance()
        function = FUNCTIONS[token.value]
        if function.constant:
            return Call(function.name, ())
        if self.sees(*BRACKETS):
            arguments = self.inside(BRACKETS[self.token.value], several=True)
        else:
            arguments = [self.bare_argument(token)]
        count = len(arguments)
        if count < function.fewest or (function.most is not None and count > function.most):
            raise self.error(
                f"{quote(function.name)} takes {_count(function.fewest, function.most)}, not {count}",
                token, self.tokens[self.position - 1],
                f"{function.note}" if function.note and function.most != 1 else None,
            )  # fmt: skip
        return Call(function.name, tuple(arguments))

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
