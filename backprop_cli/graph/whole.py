"""What each gradient on a sheet is the derivative of: one calculation, one output, one variable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from backprop_cli.algebra.compose import (
    LARGEST,
    LARGEST_WRITTEN,
    Composition,
    Proof,
    TooLarge,
    compose,
    composed_size,
    derivative_size,
    proved_equal,
    written,
)
from backprop_cli.algebra.expressions import public
from backprop_cli.formula.build import ZERO, names_in, substitute, total
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.graph.derivation import Derivations
from backprop_cli.graph.naming import derivative_name
from backprop_cli.graph.step import Graph, Step

Definitions: TypeAlias = list[tuple[str, Formula]]


@dataclass(frozen=True)
class Asked:
    """A gradient and what it is the derivative of: `output` by `variable`, both among the
    definitions."""

    name: str
    output: str
    variable: str
    wanted: bool  # of a parameter, not on the way to one


SUM_OF_LOSSES = "sum of the losses"


@dataclass(frozen=True)
class Forward:
    """The forward pass and the loss as definitions; in a batch each sample has its own copy of
    what the samples share.

    The gradient of one sample is that by its copies, so that what goes through the statistics of
    batch normalisation is counted where the sheet counts it.
    """

    copies: Mapping[str, str]  # w2_1_1[3] → w2_1_1
    steps: Definitions
    saturated: bool  # the loss is worked out in its stable form, from z and past ŷ

    @property
    def definitions(self) -> Definitions:
        return [*((copy, Name(name)) for copy, name in self.copies.items()), *self.steps]


def forward_pass(graph: Graph, *, saturated: bool) -> Forward:
    shared = {leaf.name for leaf in graph.leaves if leaf.sample is None}
    copies: dict[str, str] = {}
    steps: Definitions = []
    for step in graph.section("forward", "loss"):
        formula = step.numeric if saturated and step.numeric is not None else step.formula
        if len(graph.batch) > 1 and step.sample is not None:
            own = {name: f"{name}[{step.sample}]" for name in names_in(formula) if name in shared}
            copies.update({copy: name for name, copy in own.items()})
            formula = substitute(formula, {name: Name(copy) for name, copy in own.items()})
        steps.append((step.name, formula))
    if len(graph.losses) > 1:
        steps.append((SUM_OF_LOSSES, total(*map(Name, graph.losses))))
    return Forward(copies, steps, saturated)


def differentiated(graph: Graph) -> list[Asked]:
    """The gradients on the sheet, and those it leaves off because nothing leads there."""
    several = len(graph.losses) > 1
    of_samples = SUM_OF_LOSSES if several else graph.output
    found = []
    for step in graph.section("backward", "gradient"):
        if step.of is None or step.kind not in ("gradient", "upstream", "batch_gradient"):
            continue
        wanted = step.section == "gradient"
        if step.kind == "batch_gradient":
            found.append(Asked(step.name, graph.output, step.of, wanted))
        else:
            found.append(Asked(step.name, of_samples, _variable(graph, step, several), wanted))
    names = {asked.name for asked in found}
    for name in graph.wrt:
        gradient = derivative_name(graph.output, name)
        if gradient not in names and name in graph.leaf:
            found.append(Asked(gradient, graph.output, name, True))
    return found


def _variable(graph: Graph, step: Step, several: bool) -> str:
    assert step.of is not None
    leaf = graph.leaf.get(step.of)
    if several and leaf is not None and leaf.sample is None and step.sample is not None:
        return f"{step.of}[{step.sample}]"
    return step.of


@dataclass(frozen=True)
class Whole:
    """One derivative of the composed formula, and whether the steps lead to the same.

    `formula` is None where it is too large to be read; `size` is then about its number of nodes.
    `targets_sum_to_one` says that the two are the same only for such targets.
    """

    name: str
    size: int
    formula: Formula | None = None
    proof: Proof = "open"
    targets_sum_to_one: bool = False


class Wholes:
    """The whole derivatives of one graph. Raises KeyError for what is no gradient on it."""

    def __init__(self, graph: Graph, derivations: Derivations) -> None:
        self.graph = graph
        self.derivations = derivations
        self._known: dict[str, Whole] = {}

    @cached_property
    def forward(self) -> Forward:
        return forward_pass(self.graph, saturated=False)

    @cached_property
    def asked(self) -> dict[str, Asked]:
        """The gradients that can be asked for."""
        return {each.name: each for each in differentiated(self.graph)}

    def of(self, name: str) -> Whole:
        if name not in self._known:
            self._known[name] = self._derive(name)
        return self._known[name]

    def proof(self, name: str) -> tuple[Proof, bool]:
        """Whether the steps come to SymPy's derivative, and whether for targets that sum to 1 only.

        Whoever asks has looked at its size.
        """
        composition = self._composition(self.asked[name])
        try:
            derivative = self._derivative(name, composition)
            steps = composition.of(compose(Name(name), self._steps))
        except ValueError:
            return "open", False
        proof = proved_equal(derivative, steps)
        if proof == "unequal" and (shares := self._last_shares(composition)):
            # ŷ − y behind softmax: what cross-entropy's targets are taken for.
            proof = proved_equal(derivative.xreplace(shares), steps.xreplace(shares))
            return proof, True
        return proof, False

    @cached_property
    def _steps(self) -> Mapping[str, Formula]:
        """Every step by its name; a gradient that the sheet leaves off is 0."""
        missing = {name: ZERO for name in self.asked if name not in self.graph.step}
        return missing | {step.name: step.formula for step in self.graph.steps}

    def size(self, name: str) -> int:
        """About how many nodes the derivative has: counted, not written down."""
        asked = self.asked[name]
        steps = [(step.name, step.formula) for step in self.graph.steps]
        return max(
            derivative_size(self._definitions(asked), asked.output, asked.variable),
            composed_size(steps, name),
        )

    def composed(self, name: str) -> Any:
        """Any quantity in what is given alone, as SymPy writes it for people. Raises TooLarge."""
        asked = self.asked.get(name)
        steps = list(self._steps.items())
        size = composed_size(steps, name) if asked is None else self.size(name)
        if size > LARGEST:
            raise TooLarge(f"it would have about {size:.2g} numbers, names and signs")
        if asked is None:
            composition = Composition(steps, {})
            return public(composition.expression(name), composition.by_symbol())
        composition = self._composition(asked)
        return public(self._derivative(name, composition), composition.by_symbol())

    def down_to(self, formula: Formula, known: Collection[str]) -> Formula:
        """The formula with every step but the known ones written out."""
        return compose(
            formula, {name: step for name, step in self._steps.items() if name not in known}
        )

    def _derivative(self, name: str, composition: Composition) -> Any:
        return composition.derivative(self.asked[name].output, self.asked[name].variable)

    def _definitions(self, asked: Asked) -> Definitions:
        # The derivative by a parameter of the whole batch moves every copy of it.
        by_copy = asked.variable in self.forward.copies or asked.variable in self.graph.step
        return self.forward.steps if by_copy else self.forward.definitions

    def _composition(self, asked: Asked) -> Composition:
        return Composition(self._definitions(asked), self.forward.copies)

    def _derive(self, name: str) -> Whole:
        size = self.size(name)
        step = self.graph.step.get(name)
        if size > LARGEST_WRITTEN or step is None:
            return Whole(name, size)
        composition = self._composition(self.asked[name])
        like = compose(self.derivations.forms(step).closed, self._steps)
        try:
            formula = written(self._derivative(name, composition), like, composition)
        except ValueError:
            return Whole(name, size)
        return Whole(name, size, formula, *self.proof(name))

    def _last_shares(self, composition: Composition) -> dict[Any, Any]:
        """The last target of each sample as what the others leave of 1."""
        found = {}
        targets = [leaf for leaf in self.graph.leaves if leaf.kind == "target"]
        for sample in dict.fromkeys(leaf.sample for leaf in targets):
            *others, last = (
                composition.symbol(leaf.name) for leaf in targets if leaf.sample == sample
            )
            if others:
                found[last] = 1 - sum(others)
        return found
