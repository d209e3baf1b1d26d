"""How a gradient is derived on paper: its paths to the loss, written out or factored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.build import (
    ONE,
    names_in,
    product,
    put_together,
    reached,
    size,
    total,
    walk,
)
from backprop_cli.formula.nodes import Conditional, Formula, Name, Negative, Product
from backprop_cli.formula.quantity import derivative_name, slope_name
from backprop_cli.graph.step import Graph, Link, Step

PATHS = 32
"""More paths than these are counted, not written out."""

LONGEST_PATH = 60
"""A path with more links than this is not written out either: nobody reads on so far."""

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

    @property
    def stations(self) -> tuple[str, ...]:
        """What the path passes, from the loss down."""
        return (self.links[0].child, *(link.parent for link in self.links))

    def chain(self) -> Formula:
        """∂L/∂ŷ · ∂ŷ/∂z · ∂z/∂w"""
        fractions: list[Formula] = [] if self.head is None else [Name(self.head.name)]
        return product(*self.weights, *fractions, *map(fraction, self.links))

    @property
    def weights(self) -> Iterator[Formula]:
        """The share of its sample's loss in that of the batch."""
        return (link.weight for link in self.links)


@dataclass(frozen=True)
class Derivation:
    """The derivation of one gradient step.

    `paths` is empty where there are more than `PATHS` of them or one is longer than
    `LONGEST_PATH`; `count` is their true number.
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
            return reused(self.step)
        return total(*(path.chain() for path in self.paths))

    @cached_property
    def local(self) -> Formula:
        """The same with each local derivative written out."""
        if not self.paths:
            return reused_local(self.graph, self.step)
        return total(*(self.path_local(path) for path in self.paths))

    def path_local(self, path: Path) -> Formula:
        """One path with each local derivative written out."""
        factors = [] if path.head is None else [path.head.formula]
        locals_ = (shown_local(self.graph, link) for link in path.links)
        return product(*path.weights, *factors, *locals_)

    def via(self, path: Path) -> tuple[str, ...]:
        """The quantities by which a path is told from the others, going from the loss: wherever
        one of them parts from it."""
        found: dict[str, None] = {}
        for other in self.paths:
            for mine, theirs in zip(path.stations, other.stations, strict=False):
                if mine != theirs:
                    found[mine] = None
                    break
        return tuple(station for station in path.stations if station in found)


@dataclass(frozen=True)
class Forms:
    """One gradient three times: as chains of fractions, in local symbols, and factored."""

    chain: Formula
    local: Formula
    closed: Formula


def reused(step: Step) -> Formula:
    """The chain rule's last links, on top of gradients already known."""
    return total(*map(reused_chain, step.links))


def fraction(link: Link) -> Name:
    """∂z/∂w; ∂L[2]/∂ŷ[2] where the link starts at a loss."""
    name = derivative_name if link.upstream is None else slope_name
    return Name(name(link.child, link.parent))


def reused_chain(link: Link) -> Formula:
    """∂L/∂z · ∂z/∂w, whatever ∂L/∂z is itself."""
    return product(*_above(link), fraction(link))


def _above(link: Link) -> tuple[Formula, ...]:
    """What comes in from the child of a link."""
    return (link.weight,) if link.upstream is None else (link.weight, Name(link.upstream))


def reused_local(graph: Graph, step: Step) -> Formula:
    """The same with the local derivatives written out."""
    return total(*(product(*_above(link), shown_local(graph, link)) for link in step.links))


def shown_local(graph: Graph, link: Link) -> Formula:
    """A local derivative as a derivation writes it: a slope in cases by its name, ReLU′(z)."""
    in_cases = any(isinstance(part, Conditional) for part in walk(link.local))
    if link.slope is not None and in_cases:
        return graph.step[link.slope].numeric or link.local
    return link.local


def towards(graph: Graph, target: str) -> Graph:
    """The graph with ∂target/∂q for every q that reaches `target` on the way to the loss.

    A local derivative that is there already (∂ŷ/∂z) keeps its step and gets its one link.
    """
    found: dict[str, Step] = {}
    for step in graph.steps:
        links = []
        for link in step.links:
            above = slope_name(target, link.child)
            if link.child == target or above in found:
                links.append(replace(link, upstream=None if link.child == target else above))
        if links:
            name = slope_name(target, links[0].parent)
            own = graph.step.get(name)
            if own is None:
                own = Step(name, Name(name), "backward", "upstream", step.sample, step.unit)
            made = replace(own, links=tuple(links), of=links[0].parent)
            written = own.formula if name in graph.step else reused_local(graph, made)
            found[name] = replace(made, formula=written)
    return replace(graph, steps=tuple({**graph.step, **found}.values()))


class Derivations:
    """Derives the gradients of one graph, each factored form once.

    `short` are gradients that factored forms call by another name: L_y for ∂L/∂ŷ.
    """

    def __init__(self, graph: Graph, short: Mapping[str, Formula] | None = None) -> None:
        self.graph = graph
        self.short = short or {}
        self._closed: dict[str, tuple[Formula, ...]] = {}

    def of(self, step: Step, limit: int = PATHS) -> Derivation:
        """The derivation of a gradient step, its paths written out if there are at most `limit`
        and none is too long."""
        count, longest = measured(step, self._measures)
        written = count <= limit and longest <= LONGEST_PATH
        paths = tuple(self._paths(step)) if written else ()
        return Derivation(step, self.graph, paths, count, self.closed(step))

    def forms(self, step: Step) -> Forms:
        """The forms of any gradient; that of a batch is put together from its samples'."""
        if step.kind != "batch_gradient":
            derived = self.of(step)
            return Forms(derived.chain, derived.local, derived.closed)
        # Beside its samples' gradients a batch may have the slope of a penalty.
        own = [self.graph.step[name] for name in names_in(step.formula) if name in self.graph.step]
        samples = {part.name: self.forms(part) for part in own}
        if sum(size(forms.local) for forms in samples.values()) > CLOSED_SIZE:
            return Forms(step.formula, step.formula, step.formula)
        return Forms(
            put_together(step.formula, {name: forms.chain for name, forms in samples.items()}),
            put_together(step.formula, {name: forms.local for name, forms in samples.items()}),
            put_together(step.formula, {name: forms.closed for name, forms in samples.items()}),
        )

    def count(self, step: Step) -> int:
        """How many paths lead from the loss to the quantity."""
        return measured(step, self._measures)[0]

    def closed(self, step: Step) -> Formula:
        """The factored form down to quantities of the forward pass."""
        above = (link.upstream for link in step.links if link.upstream is not None)
        # Going through the gradients in order, all that one builds on is there already.
        ready = all(name in self._closed for name in above)
        for earlier in (step,) if ready else self._leading_to(step):
            if earlier.name not in self._closed:
                self._closed[earlier.name] = self._derive_factors(earlier)
        return product(*self._closed[step.name])

    @cached_property
    def _measures(self) -> Mapping[str, tuple[int, int]]:
        """How many paths lead to each quantity that others build on, and how long they are; what is
        written as one (σ with cross-entropy) starts a path of its own, and is left out."""
        found: dict[str, tuple[int, int]] = {}
        for step in self.graph.steps:
            if step.links and step.product is None:
                found[step.name] = measured(step, found)
        return found

    def _paths(self, step: Step) -> list[Path]:
        found: list[Path] = []
        waiting: list[tuple[Step | None, tuple[Link, ...]]] = [(step, ())]
        while waiting:
            current, below = waiting.pop()
            if current is None or (below and current.product is not None):
                found.append(Path(current, below))
                continue
            for link in reversed(current.links):
                above = self.graph.step[link.upstream] if link.upstream else None
                waiting.append((above, (link, *below)))
        return found

    def _leading_to(self, step: Step) -> list[Step]:
        """The gradients that a gradient builds on, itself last, in order of calculation."""
        steps = self.graph.step
        found = reached(
            [step.name], lambda name: (link.upstream for link in steps[name].links if link.upstream)
        )
        return [steps[name] for name in sorted(found, key=self.graph.place.__getitem__)]

    def _derive_factors(self, step: Step) -> tuple[Formula, ...]:
        """The factored closed form as its factors, what the paths share in front."""
        if step.name in self.short:
            return (self.short[step.name],)
        if step.product is not None:
            return factors_of(step.formula)
        branches = []
        for link in step.links:
            above = () if link.upstream is None else self._closed[link.upstream]
            share = () if link.weight == ONE else (link.weight,)
            branches.append((*share, *above, *factors_of(shown_local(self.graph, link))))
        if sum(size(factor) for branch in branches for factor in branch) > CLOSED_SIZE:
            branches = [
                (*_above(link), *factors_of(shown_local(self.graph, link))) for link in step.links
            ]
        if len(branches) == 1:
            return branches[0]
        shared = common_prefix(branches)
        rests = [product(*branch[len(shared) :]) for branch in branches]
        return (*shared, total(*rests))


def measured(step: Step, known: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """How many paths lead to the quantity of a gradient, and how many links the longest of them
    has, by those of what it builds on."""
    above = [known.get(link.upstream or "", (1, 0)) for link in step.links]
    return sum(ways for ways, _ in above), 1 + max((far for _, far in above), default=0)


def factors_of(formula: Formula) -> tuple[Formula, ...]:
    """The factors of a product; a minus sign stays with the first."""
    if isinstance(formula, Product):
        return formula.factors
    if isinstance(formula, Negative):
        first, *rest = factors_of(formula.operand)
        return (Negative(first), *rest)
    return (formula,)


def common_prefix(branches: Sequence[tuple[Formula, ...]]) -> tuple[Formula, ...]:
    """The factors that all branches begin with."""
    shared: list[Formula] = []
    for factors in zip(*branches, strict=False):
        if any(factor != factors[0] for factor in factors):
            break
        shared.append(factors[0])
    return tuple(shared)
