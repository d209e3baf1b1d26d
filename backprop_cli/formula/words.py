"""The words of a formula: its text cut into tokens by linear scans, and what to say of what is none.

The text is hostile until it has been read: every refusal says where, and what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import closest, escape, quote
from backprop_cli.formula.characters import Characters
from backprop_cli.formula.functions import FUNCTIONS, functions
from backprop_cli.formula.quantity import updated
from backprop_cli.patterns import pattern


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
WRITTEN_OUT = frozenset({"sum", "mean", "norm"})  # of several values: a formula in them

Kind: TypeAlias = Literal["number", "name", "function", "word", "operator", "end"]


class Token(NamedTuple):
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


def is_word_character(char: str) -> bool:
    return bool(char) and char.isascii() and (char.isalnum() or char == "_")


_NUMBER = pattern(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = pattern(r"\*\*|<=|>=|==|!=|[-+*/^(){}\[\],|<>]")
_INDEX = pattern(r" ?\[ ?[0-9]+ ?\]")
_STATE = pattern(r"([A-Za-z]+)\[([A-Za-z][A-Za-z0-9_]*)\]('| new\b)?")
_DOTTED = pattern(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_DERIVATIVE = pattern(r"d[A-Za-z0-9_]+ {0,2}/ {0,2}d[A-Za-z0-9_]+(?:\[[0-9]+\])?")


@dataclass
class Reader:
    """Cuts the plain text into tokens."""

    characters: Characters
    names: Set[str] | None
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
        return self.names is not None and word in self.names

    def unexpected(self, index: int) -> FormulaError:
        char = self.text[index]
        column = self.characters.starts[index]
        original = self.characters.original[column : column + 1] or char
        shown = escape(original) if not original.isspace() else original
        help = self.advice(char)
        return self.error(
            f"unexpected character `{shown}` (U+{ord(original):04X})", index, index + 1, help
        )

    # --- words ---

    def word(self, start: int) -> Token:
        run = _WORD.match(self.text, start)
        assert run is not None
        if dotted := _DOTTED.match(self.text, start):
            raise self.attribute(dotted)
        if (token := self.free_word(run)) is None:
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
        if known is not None or word in WRITTEN_OUT:
            written = word if known is not None and known.constant else word + "(…)"
            return self.foreign(dotted, f"write {quote(written)} alone")
        on_paper = "write the formula as on paper, as in `w1*x1 + w2*x2`"
        return self.foreign(dotted, self.advice(word) or on_paper)

    def foreign(self, dotted: re.Match[str], help: str) -> FormulaError:
        message = f"{quote(dotted[0])} is a programming language's, not a formula's"
        return self.error(message, *dotted.span(), help)

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

    def suggested(self) -> list[str]:
        """The names of quantities that a misspelt word may mean."""
        return sorted(self.names or ())

    def _opens_bracket(self, index: int) -> bool:
        return self.text[index : index + 4].lstrip(" ")[:1] in BRACKETS

    def _reads_as_function(self, run: re.Match[str]) -> bool:
        """Whether a word (with its primes) is a function, or a constant, where it stands."""
        word, end = self._primed(run)
        if self.constants and run[0] in FUNCTIONS and FUNCTIONS[run[0]].constant:
            return True
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
        power = "^2" if self.text[run.end() :].lstrip().startswith("^") else ""
        return self.error(
            f"{quote(run[0])} is a function and stands without its argument",
            run.start(),
            run.end(),
            f"write its argument in brackets: {quote(f'{run[0]}(x){power}')}",
        )

    def _meant_as_function(self, word: str) -> bool:
        """`sigmod(z)` is a misspelt function, `a3(1 - a3)` a product, where names are not known."""
        return word.isalpha() and len(word) > 3 and bool(closest(word, FUNCTIONS, 1))

    def advice(self, word: str) -> str | None:
        """What to write instead of a word or sign that is no part of formulas."""
        return advice_for(word)

    def unknown_function(self, run: re.Match[str]) -> FormulaError:
        word, end = self._primed(run)
        known = [*(row.name for row in functions()), *self.suggested()]
        message = f"{quote(word)} is not a function"
        if self.names is not None:
            message += ", nor a quantity of the file that the bracket would multiply"
        help = self.advice(run[0]) or _did_you_mean(word, known) or _FUNCTIONS_HELP
        return self.error(message, run.start(), end, help)


@dataclass
class SheetReader(Reader):
    """Words of an answer, in which there are only the names of its sheet."""

    known: KnownNames

    def _is_name(self, word: str) -> bool:
        return word in self.known.names

    def free_word(self, run: re.Match[str]) -> Token | None:
        """A name of the sheet by longest match; it may go on past the run of letters."""
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
        if first := _only_first_part(word, self.known.names):
            # `w2h` on a sheet with w2 and h: there is only one way to read it.
            return Token("name", first, run.start(), run.start() + len(first))
        raise self.not_known(run)

    def suggested(self) -> list[str]:
        return self.known.in_order

    def unknown_name(self, start: int, end: int) -> FormulaError:
        word = self.text[start:end].replace(" ", "")
        samples = [name for name in self.known.in_order if name.startswith(word + "[")]
        if samples:
            help: str | None = f"say which sample is meant: {' or '.join(map(quote, samples[:3]))}"
        else:
            help = _did_you_mean(word, self.known.in_order)
        return self.error(f"{quote(word)} is not a name on the sheet", start, end, help)

    def not_known(self, run: re.Match[str]) -> FormulaError:
        """Say why a run of letters is no name: several run together, or a slip of the pen."""
        if derivative := _DERIVATIVE.match(self.text, run.start()):
            return self.unknown_name(run.start(), derivative.end())
        if index := _INDEX.match(self.text, run.end()):
            return self.unknown_name(run.start(), index.end())
        parts = self._parts(run[0])
        if run[0] in BRACKETLESS or parts == [run[0]]:
            return self.without_argument(run)
        if parts:
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

# What to write instead of words and signs that are no part of formulas here.
_ADVICE: Mapping[str, str] = {
    **dict.fromkeys(("Sigma", "Sum", "summation"), _SUM_HELP),
    **dict.fromkeys(("dot", "matmul", "inner", "mm"), _PRODUCT_HELP),
    **dict.fromkeys(("def", "lambda", "return", "print", "import"), _EXPRESSION_HELP),
    **dict.fromkeys(("square", "pow", "power"), "write a power, as in `x^2`"),
    **dict.fromkeys(("maximum", "fmax", "amax"), "write `max(x, y)`"),
    **dict.fromkeys(("minimum", "fmin", "amin"), "write `min(x, y)`"),
    **dict.fromkeys(("where", "piecewise"), "write the cases, as in `x if x > 0 else 0`"),
    **dict.fromkeys(("average", "avg"), "write `mean(x1, x2)`"),
    **dict.fromkeys(("mse", "MSE", "mse_loss"), "write the loss out, as in `mean((y - yhat)^2)`"),
    **dict.fromkeys(("inv", "inverse", "det"), "matrices are not inverted here"),
    **dict.fromkeys(("inf", "infinity"), "minus infinity stands in a mask under `given` only"),
    "T": _PRODUCT_HELP,
    "absolute": "write `abs(x)`",
    "expit": "write `sigmoid(z)`",
    "round": "write `floor(x + 1/2)`",
    "in": "write the two comparisons, as in `1 if 0 < x < 1 else 0`",
    **dict.fromkeys(("True", "true"), "write 1"),
    **dict.fromkeys(("False", "false", "None"), "write 0"),
    "∑": _SUM_HELP,
    "∏": _PRODUCT_HELP,
    "@": _PRODUCT_HELP,
    ":": _EXPRESSION_HELP,
    ";": "write one formula only",
    "&": "write `and` between two comparisons",
    "?": "a choice is written `a if x > 0 else b`",
    "∞": "leave it out, or write a large number",
    "=": "write only the right-hand side (or `==` to compare)",
    "!": "there is no factorial here",
    ".": "write a digit after the decimal point",
    "'": "a prime belongs to a function (`relu'(z)`) or to a parameter after its update (`w'`)",
    "%": "write a share as a decimal number",
    "\\": "write the formula in plain text, not in LaTeX",
    "$": "write the formula in plain text, not in LaTeX",
}

_FUNCTIONS_HELP = (
    "there are exp, ln, sqrt, abs, max, min, sin, cos, tan and all activations, among others"
)


def _only_first_part(word: str, names: Set[str]) -> str | None:
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


def advice_for(word: str, behind: str = "") -> str | None:
    """What to write instead of a word that is no quantity here, where that is known; `behind` is the
    word that follows."""
    if behind and is_function(word):
        return f"{quote(word)} is a function: write {quote(f'{word}({behind})')}"
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
