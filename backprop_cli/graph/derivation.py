"""How a gradient is derived on paper: its paths to the loss, written out or factored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from backprop_cli.formula.build import children, product, size, total
from backprop_cli.formula.nodes import Conditional, Formula, Name, Negative, Product
from backprop_cli.graph.backward import slope_name
from backprop_cli.graph.step import Graph, Link, Step

PATHS = 32
"""More paths than these are counted, not written out."""

CLOSED_SIZE = 400
"""A factored form with more nodes than this stops at the name of an earlier gradient."""


@dataclass(frozen=True)
class Path:
    """One way from the loss down to a quantity: the links in the order of the chain rule.

    `head` is a gradient that is written as one (σ with cross-entropy: ∂L/∂z = ŷ − y), or None
    where the path starts at the loss itself.
    """

    head: Step | None
    links: tuple[Link, ...]

    def chain(self) -> Formula:
        """∂L/∂ŷ · ∂ŷ/∂z · ∂z/∂w"""
        fractions: list[Formula] = [] if self.head is None else [Name(self.head.name)]
        fractions += [Name(slope_name(link.child, link.parent)) for link in self.links]
        return product(*fractions)


@dataclass(frozen=True)
class Derivation:
    """The derivation of one gradient step.

    `paths` is empty where there are more than `PATHS` of them; `count` is their true number.
    """

    step: Step
    graph: Graph
    paths: tuple[Path, ...]
    count: int
    closed: Formula

    @cached_property
    def chain(self) -> Formula:
        """The sum over the paths of their chains of fractions; where they are too many, the last
        links only, on top of gradients already known."""
        if not self.paths:
            return total(*(reused_chain(link) for link in self.step.links))
        return total(*(path.chain() for path in self.paths))

    @cached_property
    def local(self) -> Formula:
        """The same with each local derivative written out."""
        if not self.paths:
            return total(*(self._reused_local(link) for link in self.step.links))
        return total(*(self.path_local(path) for path in self.paths))

    def path_local(self, path: Path) -> Formula:
        factors = [] if path.head is None else [path.head.formula]
        return product(*factors, *(shown_local(self.graph, link) for link in path.links))

    def _reused_local(self, link: Link) -> Formula:
        local = shown_local(self.graph, link)
        return local if link.upstream is None else product(Name(link.upstream), local)

    def via(self, path: Path) -> str | None:
        """The quantity by which a path differs from its neighbours: the first place, going from
        the loss, where it and some other path part."""
        for other in self.paths:
            for mine, theirs in zip(path.links, other.links, strict=False):
                if mine.parent != theirs.parent:
                    return mine.parent
        return None


def reused_chain(link: Link) -> Formula:
    local = Name(slope_name(link.child, link.parent))
    return local if link.upstream is None else product(Name(link.upstream), local)


def shown_local(graph: Graph, link: Link) -> Formula:
    """A local derivative as a derivation writes it: a slope in cases by its name, ReLU′(z)."""
    if link.slope is not None and _has_cases(link.local):
        return graph.step[link.slope].numeric or link.local
    return link.local


def _has_cases(formula: Formula) -> bool:
    return isinstance(formula, Conditional) or any(map(_has_cases, children(formula)))


class Derivations:
    """Derives the gradients of one graph, each factored form once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._closed: dict[str, tuple[Formula, ...]] = {}
        self._counts: dict[str, int] = {}

    def of(self, step: Step, limit: int = PATHS) -> Derivation:
        count = sum(self._count(link) for link in step.links)
        paths = tuple(self._paths(step)) if count <= limit else ()
        return Derivation(step, self.graph, paths, count, product(*self._factors(step)))

    def _count(self, link: Link) -> int:
        if link.upstream is None:
            return 1
        if link.upstream not in self._counts:
            upstream = self.graph.step[link.upstream]
            self._counts[link.upstream] = (
                1 if upstream.product is not None else sum(map(self._count, upstream.links))
            )
        return self._counts[link.upstream]

    def _paths(self, step: Step) -> list[Path]:
        found = []
        for link in step.links:
            if link.upstream is None:
                found.append(Path(None, (link,)))
                continue
            upstream = self.graph.step[link.upstream]
            if upstream.product is not None:
                found.append(Path(upstream, (link,)))
                continue
            found += [Path(path.head, (*path.links, link)) for path in self._paths(upstream)]
        return found

    def _factors(self, step: Step) -> tuple[Formula, ...]:
        """The factored closed form as its factors, what the paths share in front."""
        if step.name not in self._closed:
            self._closed[step.name] = self._derive_factors(step)
        return self._closed[step.name]

    def _derive_factors(self, step: Step) -> tuple[Formula, ...]:
        if step.product is not None:
            return factors_of(step.formula)
        branches = []
        for link in step.links:
            above: tuple[Formula, ...] = ()
            if link.upstream is not None:
                above = self._factors(self.graph.step[link.upstream])
            branches.append((*above, *factors_of(shown_local(self.graph, link))))
        if sum(size(factor) for branch in branches for factor in branch) > CLOSED_SIZE:
            branches = [
                (
                    *((Name(link.upstream),) if link.upstream else ()),
                    *factors_of(shown_local(self.graph, link)),
                )
                for link in step.links
            ]
        if len(branches) == 1:
            return branches[0]
        shared = common_prefix(branches)
        rests = [product(*branch[len(shared) :]) for branch in branches]
        return (*shared, total(*rests))


def factors_of(formula: Formula) -> tuple[Formula, ...]:
    """The factors of a product; a minus sign stays with the first."""
    if isinstance(formula, Product):
        return formula.factors
    if isinstance(formula, Negative):
        first, *rest = factors_of(formula.operand)
        return (Negative(first), *rest)
    return (formula,)


def common_prefix(branches: Sequence[tuple[Formula, ...]]) -> tuple[Formula, ...]:
    shared: list[Formula] = []
    for factors in zip(*branches, strict=False):
        if any(factor != factors[0] for factor in factors):
            break
        shared.append(factors[0])
    return tuple(shared)
