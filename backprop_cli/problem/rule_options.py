"""A row of a rule table as files choose it: `relu`, or `{name: leaky_relu, slope: 0.01}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import escape, listed, quote
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.fields import Fields, found_in
from backprop_cli.problem.values import Refused, Report, number, number_in, truth, word
from backprop_cli.problem.yaml_tree import Entries, Node, Scalar
from backprop_cli.rules.written import ByAnyName, Range


class Rule(Protocol):
    """A row whose options are numbers; a default of None says that the number must be given."""

    @property
    def name(self) -> str: ...
    @property
    def aliases(self) -> tuple[str, ...]: ...
    @property
    def options(self) -> Mapping[str, Number | None]: ...
    @property
    def ranges(self) -> Mapping[str, Range]: ...


R = TypeVar("R", bound=Rule)


@dataclass(frozen=True)
class Chosen(Generic[R]):
    """A row, the options that the file sets, and everything that it says of it."""

    rule: R
    options: dict[str, Number]
    own: Fields


@dataclass(frozen=True)
class Choices(Generic[R]):
    """The rows of a table, named under a key; `unknown` is the code where none is, `one` what
    messages call a row. `instead` is the key of what may stand in place of one, `offered` says so
    behind the list of rows; `beside` are keys that are no options."""

    unknown: str
    one: str
    table: ByAnyName[R]
    key: str
    instead: str = ""
    offered: str = ""
    beside: tuple[str, ...] = ()

    def read(self, node: Node, report: Report) -> Chosen[R]:
        """The row of a name, or of a mapping with options."""
        own = found_in(node, report, self.one, "a name and options", alone=True)
        named = node if isinstance(node, Scalar) else own.values.get(self.key)
        if named is None:
            if isinstance(node, Entries):
                advice = f"add `{self.key}:`" + (f" or `{self.instead}:`" if self.instead else "")
                message = f"this {self.one.split()[-1]} has no `{self.key}`"
                report.error("missing-key", message, node, advice)
            raise Refused
        name = word(named, report, self.one)
        rule = self.table.find(name)
        if rule is None:
            help = (
                self._as_mapping(name)
                or report.nearest(name, self.table)
                or f"there are {listed(list(self.table.rows), 20)}{self.offered}"
            )
            report.refuse(self.unknown, f"{quote(name)} is not {self.one}", named, help)
        variants: Mapping[str, str] = getattr(rule, "variants", {})
        for key in own.values.keys() & variants:
            if report.tried(truth, own.values[key], quote(key)):
                rule = self.table.rows[variants[key]]
        apart = {self.key, *self.beside, *variants}
        return Chosen(rule, _options(rule, own, own.values.keys() - apart), own)

    def _as_mapping(self, text: str) -> str | None:
        """What to write instead of `leaky_relu(0.1)`, `nn.Sigmoid()`, σ or a formula in the place of a
        name."""
        bare = text[:80].removesuffix("()").rpartition(".")[2]
        spelled = (row for row in self.table.rows.values() if bare in getattr(row, "calls", ()))
        if meant := self.table.find(bare) or next(spelled, None):
            return f"write {quote(meant.name)}"
        called = _CALLED.match(text[:80])
        rule = self.table.find(called[1]) if called else None
        if called and rule is not None and rule.options:
            option = next(iter(rule.options))
            value = called[2].rpartition("=")[2].strip()
            return f"write {{{self.key}: {rule.name}, {option}: {value}}}"
        if self.instead == "formula" and len(text) <= 60 and _FORMULA.search(text):
            return None if '"' in text else f'write {{formula: "{escape(text)}"}}'
        return None


_CALLED = re.compile(r"([\w ]+)\(([^()]*)\)\Z")
_FORMULA = re.compile(r"[-+*/^()]")


def _options(rule: Rule, own: Fields, keys: Iterable[str]) -> dict[str, Number]:
    """The numbers that a file gives the options of a rule, each under one of its names."""
    aliases: Mapping[str, str] = getattr(rule, "option_aliases", {})
    known = {option: option for option in rule.options} | dict(aliases)
    options: dict[str, Number] = {}
    for text in [each for each in own.values if each in keys]:
        key, node, report = own.keys[text], own.values[text], own.report
        name = known.get(text)
        if name is None:
            allowed = sorted(rule.options)
            message = f"{quote(rule.name)} has no option {quote(text)}"
            help = report.nearest(text, known) or (
                f"its options are {listed(allowed)}" if allowed else "it has no options"
            )
            report.error("unknown-option", message, key, help)
            continue
        what = f"{quote(text)} of {quote(rule.name)}"
        limits = rule.ranges.get(name)
        if name in options:
            report.error("duplicate-key", f"{what} is given twice", key, "keep one of them")
        elif value := (
            report.tried(number_in, node, what, limits)
            if limits
            else report.tried(number, node, what)
        ):
            options[name] = value
    return options
