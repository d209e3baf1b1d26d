"""Rows of the rule tables as files choose them: `relu`, or `{name: leaky_relu, slope: 0.01}`; or a
formula in place of one, or `{init: uniform, …}` in place of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import escape, listed, quote
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Formula, Number
from backprop_cli.patterns import pattern
from backprop_cli.problem.fields import (
    TEXT,
    Field,
    Fields,
    Keys,
    apart,
    fields,
    found_in,
    reference,
    whole,
)
from backprop_cli.problem.forms import Activation, Custom, RuleUse
from backprop_cli.problem.formulas import FORMULA, formula, report_undefined
from backprop_cli.problem.values import Refused, Report, number, number_in, truth, word
from backprop_cli.problem.yaml_tree import Entries, Node, Scalar, entry
from backprop_cli.rules import activations, initializers, losses
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


_CALLED = pattern(r"([\w ]+)\(([^()]*)\)\Z")
_FORMULA = pattern(r"[-+*/^()]")


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


CALLED = "How the sheet calls it."
INTO_FORMULA = "write its number into the formula"
OWN_FORMULA = Field[Formula | None]("formula", FORMULA, None, "In `z`.")
SLOPE = apart(
    "slope", FORMULA.schema, FORMULA.words, "Its slope in z and a, where it is not the derivative."
)
ACTIVATION_NAME = Field("name", TEXT, "g", CALLED)
OWN_ACTIVATION = Keys(
    "An activation of your own.",
    *(ACTIVATION_NAME, OWN_FORMULA, SLOPE),
    required=[OWN_FORMULA],
    options=INTO_FORMULA,
)
ACTIVATIONS = Choices(
    "unknown-activation",
    "an activation",
    activations.BY_ANY_NAME,
    "name",
    "formula",
    ", or a formula of your own",
)

LOSS_FORMULA = Field[Formula | None]("formula", FORMULA, None, "Of one sample.")
LOSS_NAME = Field("name", TEXT, "loss", CALLED)
OWN_LOSS = Keys(
    "A loss of your own, in the outputs (yhat or yhat1, …) and targets (y or y1, …).",
    *(LOSS_NAME, LOSS_FORMULA),
    required=[LOSS_FORMULA],
    options=INTO_FORMULA,
)
LOSSES = Choices(
    "unknown-loss", "a loss", losses.BY_ANY_NAME, "name", "formula", ", or {formula: …}"
)
LOSS = apart(
    "loss",
    reference("loss"),
    "a name, `{name: …}` with options, or `{formula: …}`",
    "What is made small: how far the outputs are from the targets.",
)


def activation(node: Node, report: Report) -> Activation:
    """The activation of a unit: a name, a name with options, or an own formula in `z`."""
    if entry(node, "formula") is None:
        chosen = ACTIVATIONS.read(node, report)
        return RuleUse(chosen.rule.name, chosen.options)
    own = OWN_ACTIVATION.of(node, report, "an activation with its own formula", of="an activation")
    read, advice = own[OWN_FORMULA], "the formula of an activation is in `z` alone; write other"
    if read is None or report_undefined(
        read, own.values["formula"], ("z",), report, f"{advice} numbers out"
    ):
        raise Refused
    slope = own[SLOPE]
    return Custom(
        own[ACTIVATION_NAME], read, None if slope is None else _own_slope(slope, read, report)
    )


_LOOKED_AT = (-2.3, -0.7, 0.4, 1.9)  # where an author's slope is compared; no usual kink
_APART, _AGREES = 1e-5, 1e-4


def _own_slope(node: Node, activation: Formula, report: Report) -> Formula | None:
    """An author's own slope in `z` and `a`, with a warning where it is no derivative."""
    slope = report.tried(formula, node, "the slope of an activation", {"z", "a"})
    advice = "the slope of an activation is in `z` and its output `a`"
    if slope is None or report_undefined(slope, node, ("z", "a"), report, advice):
        return None

    def value(of: Formula, z: float, a: float = 0.0) -> float:
        return as_float(evaluate(of, {"z": z, "a": a}.__getitem__))

    for z in _LOOKED_AT:
        after, before = value(activation, z + _APART), value(activation, z - _APART)
        derivative = (after - before) / (2 * _APART)
        own = value(slope, z, value(activation, z))
        if abs(own - derivative) > _AGREES * max(1.0, abs(derivative)):
            report.warning(
                "own-slope",
                f"the slope is {own:.4g} at z = {z}, where the derivative of the formula is "
                f"{derivative:.4g}",
                node,
                "the sheet uses it as it is given: a surrogate gradient may be meant",
            )
            break
    return slope


def loss(
    node: Node,
    report: Report,
    names: Sequence[str] | None,
    help: str = "",
    renamed: Mapping[str, str] | None = None,
) -> RuleUse | Custom:
    """A loss: a name, a name with options, or an own formula.

    `names` are the outputs and targets that a formula may use, None if they are not known.
    """
    if entry(node, "formula") is None:
        chosen = LOSSES.read(node, report)
        return RuleUse(chosen.rule.name, chosen.options)
    own = OWN_LOSS.of(node, report, "a loss with its own formula", of="a loss")
    read, place = own[LOSS_FORMULA], own.values["formula"]
    if read is None or (
        names is not None and report_undefined(read, place, names, report, help, renamed)
    ):
        raise Refused
    return Custom(own[LOSS_NAME], read)


@dataclass(frozen=True)
class Initializer:
    """How values are drawn, and the sentence in which the sheet says so."""

    rule: initializers.InitializerRule
    options: Mapping[str, Number]
    seed: int
    decimals: int

    @property
    def sentence(self) -> str:
        parts = [self.rule.name]
        parts += [f"{name} {value.text.replace('-', '−')}" for name, value in self.options.items()]
        if self.rule.random:
            parts.append(f"seed {self.seed}")
        return ", ".join(parts)

    def values(
        self, rows: int, columns: int, fan_in: int, fan_out: int
    ) -> tuple[tuple[Number, ...], ...]:
        return initializers.draws(
            self.rule,
            rows,
            columns,
            fan_in=fan_in,
            fan_out=fan_out,
            options=self.options,
            seed=self.seed,
            decimals=self.decimals,
        )


SEED = Field[int | None](
    "seed", whole(0, 2**63 - 1), None, "The same seed always draws the same numbers."
)
DIGITS = Field(
    "digits", whole(1, 15), initializers.DECIMALS, "Decimals that drawn numbers are rounded to."
)
INITIALIZERS = Choices(
    "unknown-initializer",
    "an initializer",
    initializers.BY_ANY_NAME,
    "init",
    beside=(SEED.key, DIGITS.key),
)


def initializer(node: Node, report: Report, what: str, default_seed: int) -> Initializer:
    """`{init: uniform, low: -0.1, high: 0.1, seed: 7}`."""
    own = found_in(node, report, what, "`init` and options")
    if "init" not in own.values:
        known = {option for rule in initializers.INITIALIZERS.values() for option in rule.options}
        fields(node, report, what, ("init", SEED.key, DIGITS.key, *sorted(known)))
        report.refuse("missing-key", f"{what} as a mapping need `init:`", node, "{init: uniform}")
    seed, decimals = own[SEED], own[DIGITS]
    chosen = INITIALIZERS.read(node, report)
    rule, options = chosen.rule, chosen.options
    for option, default in rule.options.items():
        if option in options:
            continue
        if default is None:
            if option in own.values:
                raise Refused
            message, example = f"{quote(rule.name)} needs `{option}:`", f"{option}: 0.1"
            example = f"{{init: {rule.name}, {example}}}"
            report.refuse("missing-key", message, own.values["init"], example)
        options[option] = default
    # What is drawn with them has no place in the file, even where it is the same number.
    ordered = {option: Number(options[option].text) for option in rule.options}
    low, high = ordered.get("low"), ordered.get("high")
    if low is not None and high is not None and low.value > high.value:
        report.error(
            "out-of-range", f"`low` is {low.text} and `high` is {high.text}, which is less", node
        )
    return Initializer(rule, ordered, default_seed if seed is None else seed, decimals)
