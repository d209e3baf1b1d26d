"""Rows of the rule tables are texts; this reads them when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from fractions import Fraction
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any, Protocol, TypeVar

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import product, rebuild, substitute
from backprop_cli.formula.nodes import Formula, Name, Negative, Number, Product


@lru_cache(maxsize=1024)
def written(text: str) -> Formula:
    """The formula of a text in a rule table (never of an author's or a student's text)."""
    from backprop_cli.formula.parse import parse  # tables must be readable without a parser

    return parse(text)


def instantiate(text: str, replacements: Mapping[str, Formula]) -> Formula:
    """A row's formula with its names replaced by the sheet's; an option of 1 or 0 as a factor is
    not written."""
    return _tidy(substitute(written(text), replacements))


def _tidy(formula: Formula) -> Formula:
    if isinstance(formula, Product):
        return product(*map(_tidy, formula.factors))
    return rebuild(formula, _tidy)


def named(quantity: Formula | str) -> Formula:
    return Name(quantity) if isinstance(quantity, str) else quantity


def signed(options: Mapping[str, Number]) -> dict[str, Formula]:
    """Option values for a formula: −0.1 is a minus sign in front of 0.1."""
    return {
        name: Negative(Number(option.text[1:])) if option.text.startswith("-") else option
        for name, option in options.items()
    }


def numbers(**values: str) -> dict[str, Number]:
    return {name: Number(text) for name, text in values.items()}


@dataclass(frozen=True)
class Range:
    """What a number must be: "at least 0 and less than 1". `limits` are in JSON Schema's words."""

    words: str
    limits: Mapping[str, Any] = field(hash=False)

    def holds(self, value: Fraction) -> bool:
        return all(_LIMITS[word](value, limit) for word, limit in self.limits.items())


_LIMITS: Mapping[str, Callable[[Fraction, Any], bool]] = {
    "minimum": ge,
    "maximum": le,
    "exclusiveMinimum": gt,
    "exclusiveMaximum": lt,
    "enum": lambda value, allowed: value in allowed,
    "not": lambda value, other: value != other["const"],
}

POSITIVE = Range("greater than 0", {"exclusiveMinimum": 0})
NOT_NEGATIVE = Range("0 or more", {"minimum": 0})
DECAY = Range("at least 0 and less than 1", {"minimum": 0, "exclusiveMaximum": 1})
SHARE = Range("from 0 to 1", {"minimum": 0, "maximum": 1})
NOT_ZERO = Range("other than 0", {"not": {"const": 0}})


@dataclass(frozen=True)
class Kink:
    """Where a rule has no derivative: there `quantity` equals `at`.

    `where` says so, `used` which slope is used there unless the file chooses another.
    """

    quantity_text: str
    at_text: str
    where: str
    used: str

    @property
    def convention(self) -> str:
        return f"{self.where}; {self.used}."

    def chosen(self, slope: str) -> str:
        """What a sheet says whose file chooses the slope."""
        slope = slope.replace("-", "−")
        return f"{self.where}; {slope} is used there, as the file chooses."

    @property
    def quantity(self) -> Formula:
        return written(self.quantity_text)

    @property
    def at(self) -> Formula:
        return written(self.at_text)


class Row(Protocol):
    """What every table's rows have: a name and what else it is called."""

    @property
    def name(self) -> str: ...
    @property
    def aliases(self) -> tuple[str, ...]: ...


R = TypeVar("R", bound=Row)

_BETWEEN = " _-"  # what may stand between the words of a name


class ByAnyName(dict[str, R]):
    """A table's rows by name and alias, `rows` by name alone. `find` also takes them as programs
    and people spell them: `LeakyReLU`, `MSE`, `cross-entropy`; a word such as `Loss` may stand
    behind."""

    def __init__(self, rows: Iterable[R], behind: str = "") -> None:
        super().__init__()
        self.behind = behind
        self.rows: dict[str, R] = {}
        self.folded: dict[str, R] = {}
        for row in rows:
            self.add(row)

    def add(self, row: R) -> None:
        self.rows[row.name] = row
        for name in (row.name, *row.aliases):
            self[name] = self.folded[fold(name)] = row

    def find(self, name: str) -> R | None:
        if name in self:
            return self[name]
        wanted = fold(name)
        return self.folded.get(wanted) or self.folded.get(wanted.removesuffix(self.behind))

    def pattern(self, row: R) -> str:
        """A regular expression for every spelling of a row's names."""
        names = dict.fromkeys(fold(name) for name in (row.name, *row.aliases))
        between = f"[{_BETWEEN}]*"
        spelled = [between.join(map(_any_case, name)) for name in names]
        behind = between.join(["", *map(_any_case, self.behind)])
        return f"^(?:{'|'.join(spelled)})" + (f"(?:{behind})?$" if self.behind else "$")


def fold(name: str) -> str:
    """The name without what spellings of it differ in."""
    return "".join(char for char in name.lower() if char not in _BETWEEN)


def _any_case(char: str) -> str:
    return f"[{char.upper()}{char}]" if char.isalpha() else char
