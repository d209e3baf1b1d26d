"""Derivatives of the composed formula, beside what the steps of a sheet come to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

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
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import ZERO
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.graph.derivation import Derivations
from backprop_cli.graph.step import Graph
from backprop_cli.graph.whole import Asked, Definitions, Forward, differentiated, forward_pass


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
        return differentiated(self.graph)

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
            composition = Composition(steps)
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
        return self.forward.leading_to(asked.output)

    def _composition(self, asked: Asked) -> Composition:
        return Composition(self._definitions(asked))

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
