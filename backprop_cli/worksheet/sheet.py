"""One update of a run as a sheet sees it: names with their numbers, ready to be written."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache, cached_property
from random import Random
from typing import TYPE_CHECKING, Literal, TypeAlias

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.build import names_in, rebuild
from backprop_cli.formula.evaluate import Lookup, as_float, evaluate, known_in
from backprop_cli.formula.nodes import Call, Formula, Name, Number, Sum
from backprop_cli.formula.quantity import before_update, carried_for
from backprop_cli.formula.spelling import (
    GREEK,
    Derivative,
    Glyph,
    Lettering,
    Spelling,
    Symbol,
    spell,
)
from backprop_cli.graph.array_rules import ArrayRules
from backprop_cli.graph.derivation import Derivations, towards
from backprop_cli.graph.layered import Layers
from backprop_cli.graph.step import Graph, Step
from backprop_cli.patterns import pattern
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.run import (
    Iteration,
    Precisely,
    Run,
    Singular,
    Value,
    evaluate_steps,
    singularities,
)
from backprop_cli.worksheet.array_notation import Notation
from backprop_cli.worksheet.document import (
    DerivationLine,
    Inline,
    Line,
    Math,
    Relation,
    Text,
)
from backprop_cli.worksheet.numbers import (
    InDigits,
    Numbers,
    Shown,
    authored,
    enough,
    fraction,
    put_in,
    reproducing,
    rounded_text,
    short_fraction,
    shown,
    signed,
)

NO_DIFFERENCE = 1e-40
"""As a share of a value known to 50 digits."""

if TYPE_CHECKING:
    from backprop_cli.graph.composed import Wholes

Form: TypeAlias = Literal["reuse", "chain", "delta", "matrix", "scalar", "gates"]

NO_VALUE: Line = (Text("–"),)
MOST_COMPARED = 4
"""Of more arguments than these beside the first a share of max names the first alone."""
NO_DERIVATIVE: Line = (Text("none"),)


@dataclass(frozen=True)
class Choices:
    """What the reader of a sheet asked for.

    `form`: gradients on top of earlier ones (`reuse`), written out to the loss (`chain`), with δ,
    with matrices, or gate by gate; None reuses in tables and writes few paths out in derivations. `only`: just these quantities. `pictures`: the network and the
    curves of its activations, for pages that can show them well. `composed`: each derivative as
    one formula in what is given. `record`: gate by gate, also what an autograd engine keeps.
    `whole`: everything, of however large a sheet.
    """

    symbolic: bool = False
    only: tuple[str, ...] = ()
    form: Form | None = None
    digits: int | None = None
    fractions: bool = False
    curve: tuple[str, float, float] | None = None
    pictures: bool = False
    composed: bool = False
    record: bool = False
    whole: bool = False


DEFAULT = Choices()


def _kept_for(graph: Graph) -> dict[str, str]:
    """Each optimizer state and its like, and the parameter it is kept for."""
    own = {leaf.name for leaf in graph.leaves if leaf.kind == "state"}
    own |= {step.name for step in graph.steps if step.kind in ("state", "penalty")}
    found = {}
    for name in own:
        old = before_update(name)
        owner = carried_for(old)
        if owner is not None and owner[1] in graph.leaf:
            found[old] = owner[1]
    return found


@dataclass(frozen=True)
class Sheet:
    """An update of a run together with the reader's choices."""

    run: Run
    iteration: Iteration
    choices: Choices

    @property
    def graph(self) -> Graph:
        return self.iteration.graph

    @property
    def first(self) -> bool:
        """Whether this is the first update of the run: what has been explained once is enough."""
        return self.iteration.number == 1

    @cached_property
    def digits(self) -> int:
        """Significant digits of what is rounded: all that are carried where values are rounded
        on the way."""
        asked = self.choices.digits or self.run.problem.rounding.digits
        return max(asked, self.run.round_each or 0)

    @property
    def end(self) -> Inline:
        """What every gradient is of, as a sentence calls it: the loss, or a function by its name."""
        return Text("the loss") if self.graph.is_loss else Math(Name(self.graph.output))

    @cached_property
    def symbolic(self) -> bool:
        """Whether the sheet has no numbers but those that are so whatever is given, as ∂L/∂L₁ = 1."""
        steps, values = self.graph.steps, self.iteration.values
        valued = [step for step in steps if values[step.name] is not None]
        return not any(names_in(step.formula) for step in valued) and (
            not valued or any(names_in(step.formula) for step in steps)
        )

    @cached_property
    def derivations(self) -> Derivations:
        return Derivations(self.graph)

    @cached_property
    def wholes(self) -> Wholes:
        from backprop_cli.graph.composed import Wholes

        return Wholes(self.graph, self.derivations)

    @cached_property
    def abbreviated(self) -> Derivations:
        """The same with L_y for ∂L/∂ŷ, where that is a formula of its own."""
        short = {name: Name(letters) for name, letters in self.graph.short.items()}
        return Derivations(self.graph, short)

    @cached_property
    def matrices(self) -> Layers | str:
        """The arrays in which the whole pass is written, or why it is not."""
        found = self.graph.layers
        if isinstance(found, Layers) and any(layer.normalised for layer in found.layers):
            return "batch normalisation ties the samples together"
        if isinstance(found, Layers) and found.scattered:
            return "weights stand in several places"
        return found

    @cached_property
    def in_arrays(self) -> bool:
        """Whether the sheet is written in the arrays of its equations: so it is where there are
        any, unless another form is asked for."""
        return bool(self.graph.arrays) and self.choices.form in (None, "matrix")

    @cached_property
    def array_rules(self) -> ArrayRules:
        """The gradients of whole arrays, compared with those of single numbers: with the sheet's own
        numbers, where they are not rounded on the way; without numbers with some."""
        values = self.iteration.values
        known = all(values.get(step.name) is not None for step in self.graph.steps)
        if not known or None in values.values() or self.run.round_each is not None:
            draw = Random(len(values))
            leaves = tuple(
                leaf
                if values.get(leaf.name) is not None
                else replace(leaf, value=round(draw.uniform(0.3, 1.7), 3))
                for leaf in self.graph.leaves
            )
            graph = replace(self.graph, leaves=leaves)
            given = {name: value for name, value in values.items() if value is not None}
            values = evaluate_steps(
                graph, {leaf.name: given.get(leaf.name, leaf.value) for leaf in leaves}
            )
        floats = {name: as_float(value) for name, value in values.items() if value is not None}
        return ArrayRules(self.graph, floats)

    @cached_property
    def notation(self) -> Notation:
        return Notation(self.array_rules)

    def entry(self, name: str) -> Shown | None:
        """The number of an entry of an array, also where no step calculates it."""
        if (written := self.shown(name)) is not None or self.symbolic:
            return written
        value = self.array_rules.extra.get(name)
        return None if value is None else shown(value, self.digits)

    @cached_property
    def towards(self) -> Callable[[str], Derivations]:
        """Derivations of ∂target/∂q, for whatever `target` is calculated from."""
        return cache(lambda target: Derivations(towards(self.graph, target)))

    @cached_property
    def passed_back(self) -> dict[str, Formula]:
        """∂L/∂a of every unit with a z of its own: with δ it has no line, but goes into δ."""
        found = {}
        for step in self.graph.section("backward"):
            owner = self.graph.step.get(step.of or "")
            if step.kind != "upstream" or owner is None or owner.kind != "activation":
                continue
            before = (self.graph.step.get(name) for name in names_in(owner.formula))
            if any(z is not None and z.kind == "preactivation" for z in before):
                found[step.name] = step.formula
        return found

    @cached_property
    def singular(self) -> Mapping[str, Singular]:
        """The derivatives that come to no number step by step."""
        return singularities(self.graph, self.iteration.values)

    def value(self, name: str) -> Value | None:
        """The value of a name; None without a number."""
        return self.iteration.values.get(name)

    @cached_property
    def known(self) -> Lookup:
        """The value of a name that has one."""
        return known_in(self.iteration.values)

    def shown(self, name: str, digits: int | None = None) -> Shown | None:
        """The number of a name; what the author wrote is written as he wrote it."""
        return self._written(name, digits or self.digits)

    @cached_property
    def _written(self) -> Callable[[str, int], Shown | None]:
        return cache(self._write)

    def _write(self, name: str, digits: int) -> Shown | None:
        if (value := self.value(name)) is None:
            return None
        leaf = self.graph.leaf.get(name)
        if leaf is not None and leaf.text is not None and value == leaf.value:
            return authored(Number(leaf.text), digits, fractions=self.choices.fractions)
        written = shown(value, digits, fractions=self.choices.fractions)
        if value == 0 or not math.isfinite(as_float(value)):
            return written
        if written.exact and isinstance(value, float) and not self._is_whole(name, value):
            return Shown(signed(rounded_text(value, digits), value < 0), False)
        if not written.exact or not self._rounded_by_hand(name, value):
            return written
        kept = self.run.round_each
        if self.choices.fractions or kept is None:
            return Shown(written.formula, False)
        return Shown(signed(rounded_text(value, kept), value < 0), False)

    def _is_whole(self, name: str, value: float) -> bool:
        """Whether a float is the short decimal that it looks like, as σ(40) is not 1."""
        step = self.graph.step.get(name)
        if step is None:
            return True
        if abs(value) < sys.float_info.min:  # below it floats lose their digits
            return False
        for term in step.formula.terms if isinstance(step.formula, Sum) else ():
            # What is added is not nothing, however small: −0.323 − 10⁻⁸⁷ is not −0.323.
            if 0 < abs(as_float(evaluate(term, self.known))) < NO_DIFFERENCE * abs(value):
                return False
        if not self._inexact:
            difference = as_float(self._precisely.value(name) - Fraction(repr(value)))
            if abs(difference) > NO_DIFFERENCE * abs(value):
                return False
        works = reproducing(value, self.digits, True)
        return enough(step.formula, self.numbers, works, self.digits, self._others) is not None

    @cached_property
    def _inexact(self) -> bool:
        """Whether earlier updates have left floats, of which nobody knows the last digits."""
        leaves = self.graph.leaves
        return any(isinstance(self.value(leaf.name), float) for leaf in leaves)

    def _rounded_by_hand(self, name: str, value: Value) -> bool:
        """Whether each value is rounded before it is used, and this one was not whole."""
        step = self.graph.step.get(name)
        if self.run.round_each is None or step is None:
            return False
        return evaluate(step.formula, self.known) != value

    def number(self, name: str) -> Formula:
        """The number of a name, or the name itself where it has none."""
        return self.numbers(self.digits)[name]

    @cached_property
    def numbers(self) -> InDigits:
        """The same of every name, with so many digits."""
        return cache(lambda digits: Numbers(lambda name: self._number(name, digits)))

    def _number(self, name: str, digits: int) -> Formula:
        if (singular := self.singular.get(name)) is not None and singular.value is None:
            return Name("none")
        written = self.shown(name, digits)
        return Name(name) if written is None else written.formula

    def _as_fraction(self, name: str, digits: int) -> Formula:
        value = self.value(name)
        if isinstance(value, Fraction) and short_fraction(value):
            return fraction(value)
        return self._number(name, digits)

    def _in_many_digits(self, name: str, digits: int) -> Formula:
        if self.run.round_each is not None or not isinstance(self.value(name), float):
            return self._number(name, digits)
        return shown(self._precisely.value(name), digits).formula

    @cached_property
    def _precisely(self) -> Precisely:
        return Precisely(self.graph, self.iteration.values)

    def evaluated(self, formula: Formula) -> tuple[Value, Shown] | tuple[None, None]:
        """The value of any formula in the sheet's names, and how it is written."""
        if (value := self.worth(formula)) is None:
            return None, None
        return value, shown(value, self.digits, fractions=self.choices.fractions)

    def worth(self, formula: Formula) -> Value | None:
        """The value of any formula in the sheet's names; None where one has none."""
        if any(self.value(name) is None for name in names_in(formula)):
            return None
        return evaluate(formula, self._as_written)

    def _as_written(self, name: str) -> Value:
        """The value of a name; a float that is shown as a whole decimal is that decimal."""
        value, written = self.known(name), self.shown(name)
        if isinstance(value, float) and math.isfinite(value) and written and written.exact:
            return Fraction(repr(value))
        return value

    def cell(self, name: str) -> Line:
        """A table cell with the value of a name."""
        if (singular := self.singular.get(name)) is not None and singular.value is None:
            return NO_DERIVATIVE
        return cell_of(self.shown(name))

    def put_in(self, formula: Formula, result: Value | None, exact: bool | None = None) -> Formula:
        """The formula with numbers for names, long enough to reproduce the result; `exact` says
        whether that is written whole."""
        return put_in(formula, self.numbers, result, self.digits, self._others, exact)

    @cached_property
    def _others(self) -> Sequence[InDigits]:
        return [
            lambda digits, write=write: Numbers(lambda name: write(name, digits))  # type: ignore[misc]
            for write in (self._as_fraction, self._in_many_digits)
        ]

    def short(self, formula: Formula) -> Formula:
        """A formula for a table: without the options of a flat unit, which are the same in the
        whole sheet, and with the first of many arguments that are compared."""
        if not self._shortens:
            return formula
        match formula:
            case Call(function, (first, *_)) if function in self._flat:
                return Call(function, (self.short(first),))
            case Call("max_share" | "min_share" as function, (first, *others)):
                if len(others) > MOST_COMPARED:
                    return Call(function, (first, Name("…")))
                return formula
            case _:
                return rebuild(formula, self.short)

    @cached_property
    def _shortens(self) -> bool:
        """Whether anything is ever made shorter."""
        steps = self.graph.section("forward", "loss")
        called = {call.function for step in steps for call in step.calls}
        return bool(self._flat or called & {"max", "min", "max_share", "min_share"})

    @cached_property
    def _flat(self) -> frozenset[str]:
        """The activations without a slope whose options are the same in every unit."""
        found: dict[str, set[tuple[Formula, ...]]] = {}
        for step in self.graph.section("forward", "loss"):
            match step.formula:
                case Call(function, (_, *options)) if step.rule == function:
                    found.setdefault(function, set()).add(tuple(options))
        return frozenset(
            name for name, own in found.items() if len(own) == 1 and not ACTIVATIONS[name].learns
        )

    def substituted(self, step: Step) -> Formula | None:
        """The step's formula with numbers, or None where one is missing."""
        value = self.value(step.name)
        written = self.shown(step.name)
        return None if written is None else self.put_in(step.formula, value, written.exact)


def number_lines(sheet: Sheet, name: str | None, formula: Formula) -> tuple[DerivationLine, ...]:
    """The formula with numbers put in, and the result, as far as they are new.

    The result is what the sheet has for the name; without one, what the formula comes to.
    """
    value, written = (None, None) if name is None else (sheet.value(name), sheet.shown(name))
    if value is None or written is None:  # a local derivative written in place, or no numbers
        value, written = sheet.evaluated(formula)
    if value is None or written is None:
        return ()
    numbers = sheet.put_in(formula, value)
    found = []
    if numbers not in (formula, written.formula):
        found.append(DerivationLine(None, "=", numbers))
    singular = sheet.singular.get(name or "")
    if written.formula != formula and (singular is None or singular.value is not None):
        found.append(DerivationLine(None, written.sign, written.formula))
    return tuple(found)


def equal(name: str, written: Shown | None) -> Line:
    """`w₁ = 0.42`; the name alone where there is no number."""
    if written is None:
        return (Math(Name(name)),)
    return (Relation(Name(name), written.sign, written.formula),)


def cell_of(written: Shown | None) -> Line:
    """A table cell with a number, ≈ in front where it is rounded."""
    if written is None:
        return NO_VALUE
    return written.cell


_MATRIX = pattern(r"(?:d(?P<over>\w+)/d)?(?P<letter>\w+)\((?P<layer>\d+)\)\Z")


def matrix_glyph(found: re.Match[str], lettering: Lettering) -> Glyph:
    """`W(2)` is the weight matrix of layer 2, `dL/dW(2)` its gradient."""
    own = lettering.letter(found["letter"])
    fence = "[]" if lettering.brackets else "()"
    symbol = Symbol(GREEK.get(own, own), superscript=found["layer"], fence=fence)
    over = found["over"]
    return symbol if over is None else Derivative(spell(over, lettering), symbol)


def spelling_of(graph: Graph, *, deltas: bool = False) -> Spelling:
    """How the names of a graph are written; with `deltas`, ∂L/∂z of a unit as its δ.

    What an optimizer keeps for a parameter is written as a letter of that parameter: v[w₁].
    """
    kept = _kept_for(graph)

    def spelling(name: str) -> Glyph:
        if name.endswith(")") and (matrix := _MATRIX.match(name)) is not None:
            return matrix_glyph(matrix, graph.lettering)
        if name.startswith("∇"):
            of = spell(name[1:], graph.lettering)
            assert isinstance(of, Symbol)
            return of._replace(base=f"∇{of.base}")
        old = before_update(name)
        if old in kept:
            parameter = kept[old]
            letter = spell(old.removesuffix(f"_{parameter}"))
            assert isinstance(letter, Symbol)
            return letter._replace(of=spelling(parameter), new=old != name)
        if deltas and (step := graph.step.get(name)) is not None and step.over is not None:
            owner = graph.step.get(step.of or "")
            if owner is not None and owner.kind == "preactivation":
                glyph = spell(owner.name, graph.lettering)
                assert isinstance(glyph, Symbol)
                delta = graph.lettering.letter("delta")
                return glyph._replace(base=GREEK.get(delta, delta), hat=False)
        return spell(name, graph.lettering)

    return spelling
