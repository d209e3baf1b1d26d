"""Formulas as people type them, read into the tree: own tokens, own precedence, hard limits.

The text is hostile until it has been read. Nothing here evaluates it; recursion is bounded by a
counter, tokens are cut by linear scans, and every refusal says where and what to write instead.

Grammar, loosest first:
    A if C else B;  or;  and;  not;  < <= > >= == !=;  + -;  * / and side by side;  unary -;
    ^ ** (to the right)

A condition of several comparisons becomes a list of cases: `A if 0 < x < 1 else B` is
`B if x <= 0 else (A if x < 1 else B)`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import ClassVar, Literal, TypeAlias, TypeGuard, cast

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import closest, escape, quote
from backprop_cli.formula.build import children
from backprop_cli.formula.characters import Characters, plain_characters
from backprop_cli.formula.functions import FUNCTIONS, functions
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
from backprop_cli.formula.quantity import updated


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
JOINS = frozenset({"and", "or", "not"})  # of conditions, unless a quantity has the name
# Written without brackets now and then: `ln x`.
BRACKETLESS = frozenset({"exp", "ln", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh"})
BRACKETS: Mapping[str, str] = {"(": ")", "[": "]", "{": "}"}
OPPOSITE: Mapping[Relation, Relation] = {
    "<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "==",
}  # fmt: skip
MIRRORED: Mapping[Relation, Relation] = {
    "<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!=",
}  # fmt: skip
RELATIONS: frozenset[str] = frozenset(OPPOSITE)
MOST_COMPARISONS = 8  # in one condition: its cases are written out
WRITTEN_OUT = frozenset({"sum", "mean", "norm"})  # of several values: a formula in them

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
                    and updated(name) in self.names
                    and not is_word_character(text[index + len(mark) : index + len(mark) + 1])
                ):
                    best = (updated(name), index + len(mark))
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
    refuse_long(text, limits)
    characters = plain_characters(text)
    reader = Reader(
        characters,
        None if known is None else _known_names(frozenset(known)),
        None if names is None else frozenset(names),
        constants,
        limits,
    )
    tokens = reader.tokens()
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


def is_word_character(char: str) -> bool:
    return bool(char) and char.isascii() and (char.isalnum() or char == "_")


# --- tokens ---------------------------------------------------------------------------------------

_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r"\*\*|<=|>=|==|!=|[-+*/^(){}\[\],|<>]")
_INDEX = re.compile(r" ?\[ ?[0-9]+ ?\]")
_STATE = re.compile(r"([A-Za-z]+)\[([A-Za-z][A-Za-z0-9_]*)\]('| new\b)?")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_DERIVATIVE = re.compile(r"d[A-Za-z0-9_]+ {0,2}/ {0,2}d[A-Za-z0-9_]+(?:\[[0-9]+\])?")


@dataclass
class Reader:
    """Cuts the plain text into tokens."""

    characters: Characters
    known: KnownNames | None
    names: frozenset[str] | None
    constants: bool
    limits: Limits
    operator: ClassVar[re.Pattern[str]] = _OPERATOR

    def is_function(self, word: str) -> bool:
        """Whether a word before brackets is a function."""
        return is_function(word)

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
            elif operator := self.operator.match(text, index):
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
        if dotted := _DOTTED.match(self.text, start):
            raise self.attribute(dotted)
        token = self.known_word(run) if self.known is not None else self.free_word(run)
        if token is None:
            return self.function_word(run)
        if (
            token.kind == "name"
            and self.is_function(token.value)
            and self._opens_bracket(token.end)
        ):
            name = token.value
            raise self.error(
                f"{quote(name + '(…)')} could be the function or the quantity {quote(name)} times "
                "a bracket",
                token.start,
                token.end,
                f"write {quote(name + '*(…)')} for the product, or give the quantity another name",
            )
        return token

    def attribute(self, dotted: re.Match[str]) -> FormulaError:
        """`np.max`: what a programmer writes before a function's name is not needed here."""
        word = dotted[0].rpartition(".")[2]
        known = FUNCTIONS.get(word)
        help = "write the formula as on paper, as in `w1*x1 + w2*x2`"
        if known is not None or word in WRITTEN_OUT:
            written = word if known is not None and known.constant else word + "(…)"
            help = f"write {quote(written)} alone"
        else:
            help = _ADVICE.get(word, help)
        return self.error(
            f"{quote(dotted[0])} is a programming language's, not a formula's",
            dotted.start(),
            dotted.end(),
            help,
        )

    def free_word(self, run: re.Match[str]) -> Token | None:
        """A name of a problem file: any identifier that is not a function here."""
        word, end = run[0], run.end()
        if word in NOT_NAMES:
            return Token("word", word, run.start(), end)
        if self.names is not None and word in self.names:
            if index := _INDEX.match(self.text, end):
                raise self.entry(run, index)
            return Token("name", word, run.start(), end)
        if word in JOINS:
            return Token("word", word, run.start(), end)
        if self.names is not None and (derivative := _DERIVATIVE.match(self.text, run.start())):
            raise self.derivative(derivative)
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
        if self._opens_bracket(end) and (self.names is not None or self._meant_as_function(word)):
            raise self.unknown_function(run)
        return Token("name", word, run.start(), end)

    def derivative(self, found: re.Match[str]) -> FormulaError:
        """`dL/dw` in a file: the sheet works it out, and no equation can use it."""
        return self.error(
            f"{quote(found[0])} is a derivative",
            found.start(),
            found.end(),
            "leave it out: every derivative is worked out on the sheet",
        )

    def entry(self, run: re.Match[str], index: re.Match[str]) -> FormulaError:
        """`x[1]` is no product, and no quantity here has entries."""
        which = index[0].strip(" []")
        return self.error(
            f"{quote(run[0] + index[0])} asks for an entry, and {quote(run[0])} is a single number",
            run.start(),
            index.end(),
            f"write {quote(run[0] + which)} for a quantity of its own, "
            f"{quote(f'{run[0]}*{which}')} for the product",
        )

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
        if word in NOT_NAMES or word in JOINS:
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
        if not self.is_function(word):
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
        if self.is_function(word):
            return Token("function", word, run.start(), end)
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
        """`sigmod(z)` is a misspelt function, `a3(1 - a3)` a product, where names are not known."""
        return word.isalpha() and len(word) > 3 and bool(closest(word, FUNCTIONS, 1))

    def unknown_function(self, run: re.Match[str]) -> FormulaError:
        word, end = self._primed(run)
        known = [row.name for row in functions()]
        if self.known is not None:
            known += self.known.in_order
        elif self.names is not None:
            known += sorted(self.names)
        message = f"{quote(word)} is not a function"
        if self.names is not None:
            message += ", nor a quantity of the file that the bracket would multiply"
        help = advice_for(run[0]) or _did_you_mean(word, known) or _FUNCTIONS_HELP
        return self.error(message, run.start(), end, help)

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


_SUM_HELP = "write the sum out, as in `x1 + x2 + x3` or `sum(x1, x2, x3)`"
_PRODUCT_HELP = "write the product out, as in `w1*x1 + w2*x2`"
_EXPRESSION_HELP = "write what is calculated, as in `x^2 + 1`"

# What to write instead of words that are no functions here.
_ADVICE: Mapping[str, str] = {
    **dict.fromkeys(("Sigma", "Sum", "summation"), _SUM_HELP),
    **dict.fromkeys(("dot", "matmul", "inner", "mm"), _PRODUCT_HELP),
    **dict.fromkeys(("def", "lambda", "return", "print", "import"), _EXPRESSION_HELP),
    **dict.fromkeys(("square", "pow", "power"), "write a power, as in `x^2`"),
    **dict.fromkeys(("maximum", "fmax", "amax"), "write `max(x, y)`"),
    **dict.fromkeys(("minimum", "fmin", "amin"), "write `min(x, y)`"),
    **dict.fromkeys(("where", "piecewise"), "write the cases, as in `x if x > 0 else 0`"),
    **dict.fromkeys(("average", "avg"), "write `mean(x1, x2)`"),
    "T": _PRODUCT_HELP,
    "absolute": "write `abs(x)`",
    "expit": "write `sigmoid(z)`",
    "round": "write `floor(x + 1/2)`",
    "in": "write the two comparisons, as in `1 if 0 < x < 1 else 0`",
    **dict.fromkeys(("True", "true"), "write 1"),
    **dict.fromkeys(("False", "false", "None"), "write 0"),
}

_FUNCTIONS_HELP = (
    "there are exp, ln, sqrt, abs, max, min, sin, cos, tan and all activations, among others"
)

_UNEXPECTED_HELP = {
    "∑": _SUM_HELP,
    "∏": _PRODUCT_HELP,
    "@": _PRODUCT_HELP,
    ":": _EXPRESSION_HELP,
    ";": "write one formula only",
    "&": "write `and` between two comparisons",
    "?": "write `a if x > 0 else b`",
    "∞": "leave it out, or write a large number",
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


def advice_for(word: str) -> str | None:
    """What to write instead of a word that is no quantity here, where that is known."""
    if word.partition("_")[0] in ("sum", "Sum", "Sigma"):
        return _SUM_HELP
    if is_function(word):
        return f"{quote(word)} is a function: write {quote(word + '(x)')}"
    return _ADVICE.get(word)


def is_function(word: str) -> bool:
    """Whether a word before brackets is a function: one of the table, or one that is written out."""
    if word in WRITTEN_OUT or word == "softmax":
        return True
    return word in FUNCTIONS and not FUNCTIONS[word].constant


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
        if self.joined is not None and _has_joined(formula):
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
            if not _is_condition(condition):
                raise self.error(
                    "what follows `if` must compare two values", start, self.tokens[self.position - 1],
                    "as in `z if z > 0 else 0`",
                )  # fmt: skip
            if not self.sees_word("else"):
                raise self.error("`if` needs an `else`", start, None, "as in `z if z > 0 else 0`")
            self.advance()
            if _comparisons(condition) > MOST_COMPARISONS:
                raise self.error(
                    f"a condition has more than {MOST_COMPARISONS} comparisons", start, None,
                    "write it as several equations",
                )  # fmt: skip
            formula = _cases(condition, formula, self.expression())
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
        """Two conditions (for `not`, one) under a word. It never leaves the parser: `_cases` turns
        it into cases."""
        self.joined = word
        parts = tuple(part for part in (left, right) if part is not None)
        if not all(map(_is_condition, parts)):
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
        if self.sees(closer) and closer != "|":
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
            arguments = self.inside(BRACKETS[self.token.value], several=True)
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
        values = self.inside(BRACKETS[self.token.value], several=True)
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


def _is_condition(formula: Formula) -> TypeGuard[Comparison | Call]:
    return isinstance(formula, Comparison) or _is_joined(formula)


def _is_joined(formula: Formula) -> bool:
    return isinstance(formula, Call) and formula.function in JOINS


def _has_joined(formula: Formula) -> bool:
    """Whether conditions were joined where no `if` made cases of them."""
    waiting = [formula]
    while waiting:
        node = waiting.pop()
        if _is_joined(node):
            return True
        waiting.extend(children(node))
    return False


def _comparisons(condition: Formula) -> int:
    """How many comparisons a condition joins."""
    waiting, count = [condition], 0
    while waiting:
        node = waiting.pop()
        if _is_joined(node):
            waiting.extend(children(node))
        else:
            count += 1
    return count


def _cases(condition: Formula, then: Formula, otherwise: Formula) -> Formula:
    """`then if condition else otherwise` as a list of cases with one comparison each."""
    match condition:
        case Call("not", (denied,)):
            return _cases(_opposite(denied), then, otherwise)
        case Call("or", (first, second)):
            return _cases(first, then, _cases(second, then, otherwise))
        case Call("and", (first, second)):
            return _cases(_opposite(first), otherwise, _cases(second, then, otherwise))
        case Comparison():
            return Conditional(condition, then, otherwise)
        case _:
            raise TypeError("not a condition")


def _opposite(condition: Formula) -> Formula:
    match condition:
        case Call("not", (denied,)):
            return denied
        case Call("or", parts):
            return Call("and", tuple(map(_opposite, parts)))
        case Call("and", parts):
            return Call("or", tuple(map(_opposite, parts)))
        case Comparison(Number() as left, relation, right) if not isinstance(right, Number):
            return Comparison(right, MIRRORED[OPPOSITE[relation]], left)  # x ≤ 0, not 0 ≥ x
        case Comparison(left, relation, right):
            return Comparison(left, OPPOSITE[relation], right)
        case _:
            raise TypeError("not a condition")


def _product(factors: list[Formula]) -> Formula:
    return factors[0] if len(factors) == 1 else Product(tuple(factors))


def _count(fewest: int, most: int | None) -> str:
    if most is None:
        return f"{fewest} or more arguments"
    if fewest == most:
        return "one argument" if most == 1 else f"{most} arguments"
    return f"{fewest} to {most} arguments"
