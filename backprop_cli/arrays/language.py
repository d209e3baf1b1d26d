"""Formulas between arrays, read into the tree of `formula.nodes`.

What single numbers have no use for is written with nodes that no step ever holds: `Shown` for
products, transposes and entry-by-entry products, and calls of the names below.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import field
from typing import ClassVar, Literal, NamedTuple

from backprop_cli.arrays.array import BESIDE, INDEX, KEYWORD, SLICE, WHOLE
from backprop_cli.arrays.operations import KEYWORDS, OPERATIONS
from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import nearest, quote
from backprop_cli.formula.characters import plain_characters
from backprop_cli.formula.nodes import Call, Formula, Number, Product, Quotient, Shown, Sum
from backprop_cli.formula.parse import Parser, refuse_long, refuse_tall
from backprop_cli.formula.quantity import arrays_of
from backprop_cli.formula.words import BRACKETS, DEFAULT, FormulaError, Reader, Token
from backprop_cli.patterns import pattern

SCORED = frozenset({"softmax", "log_softmax", "logsumexp"})
"""Functions of scores, to which a mask is added."""
EITHER = "×·⋅∙•"
"""Signs that books write for products of both kinds: between two arrays they say as little as none."""

_OPERATOR = pattern(r"\*\*|<=|>=|==|!=|[-+*/^(){}\[\],|<>@:=⊙∘ᵀ⊤]")
_SUBSCRIPT = pattern(
    r"([A-Za-z_][A-Za-z0-9_]*)_\{ ?([A-Za-z]\w*|[0-9]+) ?(?:([-+]) ?([0-9]+) ?)?\}"
)
_TIMED = pattern(r"([A-Za-z](?:[A-Za-z0-9_]*[A-Za-z0-9])?)_?[(\[] ?([A-Za-z]) ?(- ?1 ?)?[)\]]")
_LIKE_SHIFT = pattern(r"-1(?![0-9.])")


class Doubt(NamedTuple):
    """What is read, and may be meant otherwise: a warning's code and words, and the column and
    length of what it is about. `row` is the family whose row before may be meant."""

    code: str
    message: str
    column: int
    length: int
    advice: str
    row: str = ""


@dataclass(frozen=True)
class Written:
    """A formula, and where its parts stand in the text: column and length by identity."""

    formula: Formula
    spans: Mapping[int, tuple[int, int]]
    doubts: tuple[Doubt, ...] = ()

    def span(self, part: Formula | None) -> tuple[int, int] | None:
        return None if part is None else self.spans.get(id(part))


def read_formula(text: str, names: Set[str], stems: Set[str], index: str | None) -> Written:
    """`names` are the quantities of the file, `stems` those of which rows can be asked by a
    subscript `index`, as in `h_t`; such a name is read as `h_{t}`, one step back as `h_{t-1}`.

    Raises FormulaError.
    """
    refuse_long(text, DEFAULT)
    characters = plain_characters(text)
    reader = ArrayReader(characters, names, True, DEFAULT, stems, index)
    parser = ArrayParser(characters, reader.tokens(), DEFAULT, names=names)
    formula = parser.whole()
    refuse_tall(formula, DEFAULT)
    return Written(formula, parser.spans, (*reader.doubts, *parser.doubts))


@dataclass
class ArrayReader(Reader):
    """Words that only arrays have: rows by subscript, functions of arrays."""

    stems: Set[str] = frozenset()
    index: str | None = None
    doubts: list[Doubt] = field(default_factory=list)
    operator: ClassVar[re.Pattern[str]] = _OPERATOR

    def is_function(self, word: str) -> bool:
        return word in OPERATIONS or super().is_function(word)

    def free_word(self, run: re.Match[str]) -> Token | None:
        word, end = run[0], run.end()
        if (braced := _SUBSCRIPT.match(self.text, run.start())) and word.endswith("_"):
            return self.subscript(braced)
        if (timed := _TIMED.match(self.text, run.start())) and timed[2] == self.index:
            written = f"{timed[1]}_{{{timed[2]}-1}}" if timed[3] else f"{timed[1]}_{timed[2]}"
            raise self.error(
                f"{quote(timed[2])} is a subscript, not a number", *timed.span(),
                f"write {quote(written)}",
            )  # fmt: skip
        if self.names is not None and word in self.names:
            return Token("name", word, run.start(), end)
        if self.index is not None and word.endswith(f"_{self.index}"):
            stem = word.removesuffix(f"_{self.index}")
            if stem in self.stems:
                if shift := _LIKE_SHIFT.match(self.text, end):
                    column, length = self.characters.span(run.start(), shift.end())
                    self.doubts.append(
                        Doubt(
                            "shift",
                            f"{quote(word + '-1')} is {quote(word)} minus 1",
                            column,
                            length,
                            f"the row before is written {quote(f'{stem}_{{{self.index}-1}}')}",
                            stem,
                        )
                    )
                return Token("name", f"{stem}_{{{self.index}}}", run.start(), end)
        for stem, _ in arrays_of(word):
            if self.names is not None and (stem in self.names or stem in self.stems):
                return Token("name", word, run.start(), end)
        if word == "T" and self.text[: run.start()].rstrip(" ").endswith("^"):
            return Token("name", word, run.start(), end)
        if word in KEYWORDS and self.text[end : end + 2].lstrip(" ")[:1] == "=":
            return Token("name", word, run.start(), end)
        if word in ("true", "false") and self.text[: run.start()].rstrip(" ").endswith("="):
            return Token("number", "1" if word == "true" else "0", run.start(), end)
        return super().free_word(run)

    def subscript(self, found: re.Match[str]) -> Token:
        stem, of, sign, shift = found[1], found[2], found[3], found[4]
        place = found.start(), found.end()
        if of.isdigit() and sign is None:
            return Token("name", f"{stem}_{of}", *place)
        if of != self.index:
            declared = f"{quote(self.index)} is" if self.index else "none is"
            raise self.error(
                f"{quote(of)} is not an index here: {declared}", *place,
                f"declare it: `index: {{{of}: 1..3}}`",
            )  # fmt: skip
        if stem not in self.stems:
            raise self.error(f"{quote(stem)} has no rows", *place)
        if sign is None:
            return Token("name", f"{stem}_{{{of}}}", *place)
        if (sign, shift) != ("-", "1"):
            raise self.error(
                f"{quote('{' + of + sign + shift + '}')} looks elsewhere than one step back", *place,
                f"only {quote('{' + of + '-1}')} is possible: carry older values along as equations",
            )  # fmt: skip
        return Token("name", f"{stem}_{{{of}-1}}", *place)

    def advice(self, word: str) -> str | None:
        if word in ("∑", "Sigma", "Sum", "summation"):
            return "`sum(A)` is the sum of all entries, `sum(A, axis=0)` that down the rows"
        return super().advice(word)

    def function_word(self, run: re.Match[str]) -> Token:
        if run[0] in OPERATIONS:
            return Token("function", OPERATIONS[run[0]].name, run.start(), run.end())
        return super().function_word(run)

    def attribute(self, dotted: re.Match[str]) -> FormulaError:
        base, _, last = dotted[0].rpartition(".")
        if last == "T" and self.names is not None and base in self.names:
            return self.foreign(dotted, f"write {quote(base + '^T')}")
        if last in OPERATIONS or last == "matmul":
            written = "A @ B" if last in ("dot", "matmul") else OPERATIONS[last].signature
            return self.foreign(dotted, f"write {quote(written)}")
        return super().attribute(dotted)


@dataclass
class ArrayParser(Parser):
    """The grammar of formulas with `@` and `⊙` beside `*`, transposes, entries and keywords."""

    names: Set[str] = frozenset()
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    kept: list[Formula] = field(default_factory=list)  # so that identities last
    doubts: list[Doubt] = field(default_factory=list)

    def mark(self, first: Token, formula: Formula) -> Formula:
        if id(formula) not in self.spans:
            last = self.tokens[self.position - 1]
            self.spans[id(formula)] = self.characters.span(first.start, last.end)
            self.kept.append(formula)
        return formula

    def expression(self) -> Formula:
        return self.mark(self.token, super().expression())

    def sum(self) -> Formula:
        return self.mark(self.token, super().sum())

    def power(self) -> Formula:
        return self.mark(self.token, super().power())

    def term(self) -> Formula:
        """As for numbers; a product of arrays is left as it is grouped."""
        first = self.token
        found = self.power()
        divisor: Token | None = None
        while True:
            if self.sees("*"):
                sign, right = self.advance(), self.signed_power()
                between = self.characters.original[self.characters.starts[sign.start]] in EITHER
                found = Call(BESIDE, (found, right)) if between else Product((found, right))
                divisor = None
            elif self.sees("⊙", "∘", "@"):
                form: Literal["matmul", "hadamard"] = "matmul" if self.sees("@") else "hadamard"
                self.advance()
                found, divisor = Shown(form, (found, self.signed_power())), None
            elif self.sees("/"):
                self.advance()
                divisor = self.token
                found = Quotient(found, self.signed_power())
            elif self.starts_factor():
                if divisor is not None:
                    self.refuse_after_division(first, divisor, found)
                found = Call(BESIDE, (found, self.power()))
            else:
                return found
            self.mark(first, found)

    def atom(self) -> Formula:
        first = self.token
        if self.sees("["):
            raise self.error(
                "a list of numbers stands under `given` or `parameters`, not in a formula", first,
                None, "give it a name there",
            )  # fmt: skip
        if first.kind == "name" and first.value in KEYWORDS and self.next_is("="):
            raise self.error(
                f"{quote(first.value + '=')} belongs inside a function's brackets", first
            )
        found = self.mark(first, super().atom())
        while True:
            if self.sees("["):
                found = self.entries(found)
            elif self.sees("ᵀ", "⊤"):
                self.advance()
                found = Shown("transpose", (found,))
            elif self.sees("^") and self._transposes():
                self.advance()
                if "T" in self.names:
                    written = self.written(first, self.tokens[self.position - 2])
                    raise self.error(
                        f"{quote(written + '^T')} could be the transpose or a power, for the file "
                        "has a quantity T", first, self.token,
                        f"write {quote(written + 'ᵀ')} or {quote(f'transpose({written})')}",
                    )  # fmt: skip
                self.advance()
                found = Shown("transpose", (found,))
            else:
                return found
            self.mark(first, found)

    def next_is(self, sign: str) -> bool:
        following = self.tokens[min(self.position + 1, len(self.tokens) - 1)]
        return following.kind == "operator" and following.value == sign

    def _transposes(self) -> bool:
        following = self.tokens[self.position + 1]
        return following.kind == "name" and following.value == "T"

    def entries(self, base: Formula) -> Formula:
        """`A[2]`, `A[:, 1]`, `A[1:2, 3]`, `E[tokens]`."""
        self.deeper()
        places = self.inside(self.place)
        self.depth -= 1
        return Call(INDEX, (base, *places))

    def place(self) -> Formula:
        """A place on an axis, or a range of them."""
        first = self.token
        low: Formula | None = None if self.sees(":") else self.expression()
        if low is not None and not self.sees(":"):
            return low
        self.advance()
        high: Formula | None = None if self.sees(",", "]") else self.expression()
        if (low is None) != (high is None):
            raise self.error(
                "a range has both ends or neither", first, self.tokens[self.position - 1],
                "as in `A[1:2]` or `A[:, 1]`",
            )  # fmt: skip
        return WHOLE if low is None or high is None else Call(SLICE, (low, high))

    def call(self) -> Formula:
        first = self.token
        if first.value not in OPERATIONS:
            return self.mark(first, super().call())
        operation = OPERATIONS[first.value]
        if self.tokens[self.position + 1].value not in BRACKETS:
            raise self.error(f"{quote(first.value)} stands without its brackets", first)
        self.advance()
        arguments, seen = self.inside(self.argument), set[str]()
        positional = 0
        for argument in arguments:
            match argument:
                case Call(function, _) if function.endswith(KEYWORD):
                    keyword = function.removesuffix(KEYWORD)
                    if keyword not in operation.keywords:
                        raise self.error(
                            f"{quote(operation.name)} has no `{keyword}=`", first,
                            self.tokens[self.position - 1], f"it is {quote(operation.signature)}",
                        )  # fmt: skip
                    if keyword in seen:
                        raise self.error(f"`{keyword}=` is given twice", first)
                    seen.add(keyword)
                case _ if seen:
                    raise self.error(
                        "what has no name stands first", first, self.tokens[self.position - 1],
                        f"it is {quote(operation.signature)}",
                    )  # fmt: skip
                case _:
                    positional += 1
        most = operation.most
        if positional < operation.fewest or (most is not None and positional > most):
            raise self.error(
                f"{quote(operation.name)} is {quote(operation.signature)}, and here "
                f"{'is one argument' if positional == 1 else f'are {positional} arguments'}",
                first, self.tokens[self.position - 1],
            )  # fmt: skip
        if operation.name in SCORED:
            arguments[0] = self.masked(arguments[0])
        found = self.mark(first, Call(operation.name, tuple(arguments)))
        if operation.name == "sum" and self.sees("^", "**"):
            message = "`sum(…)^2` is the square of the sum"
            advice = "write `sum((…)^2)` for the sum of the squares, `(sum(…))^2` for this"
            self.doubts.append(Doubt("squared-sum", message, *self.spans[id(found)], advice))
        return found

    def masked(self, scores: Formula) -> Formula:
        """`causal_mask(S)` where scores are meant, and not their mask alone, is S with its mask."""
        match scores:
            case Call("causal_mask", (own,)) if not isinstance(own, Number):
                found = Sum((own, scores))
                self.spans[id(found)] = self.spans[id(scores)]
                self.kept.append(found)
                return found
            case _:
                return scores

    def argument(self) -> Formula:
        """An argument by its place or, with `=` before it, by its name."""
        if self.token.kind != "name" or not self.next_is("="):
            return self.expression()
        if self.token.value not in KEYWORDS:
            raise self.error(
                f"{quote(self.token.value)} is not the name of an argument", self.token, None,
                nearest(self.token.value, KEYWORDS) or "there are " + ", ".join(sorted(KEYWORDS)),
            )  # fmt: skip
        keyword = self.advance()
        self.advance()
        return Call(keyword.value + KEYWORD, (self.expression(),))
