"""Reverse accumulation: gradient steps appended to the list of equations.

Each step is differentiated locally, once; ∂L/∂v is then the sum over the steps c that use v of
∂L/∂c · ∂c/∂v. The composed loss is never differentiated: it explodes with depth.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from heapq import heappop, heappush
from itertools import groupby

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.build import (
    ONE,
    ZERO,
    names_in,
    negative,
    product,
    total,
)
from backprop_cli.formula.nodes import (
    Formula,
    Name,
)
from backprop_cli.formula.quantity import arrays_of, bare, derivative_name, sampled, slope_name
from backprop_cli.graph.combined import combined_slope
from backprop_cli.graph.parts import reduce_batch
from backprop_cli.graph.penalty import slope_in_loss
from backprop_cli.graph.repeated import in_all, repeated
from backprop_cli.graph.second import with_second_derivatives
from backprop_cli.graph.slopes import Local, is_trivial, local_derivatives
from backprop_cli.graph.step import Graph, Kind, Link, Step, Unit
from backprop_cli.problem.model import Problem


def with_gradients(problem: Problem, graph: Graph) -> Graph:
    """The graph with local derivatives and ∂output/∂v for everything between `wrt` and the loss.

    What reaches only the loss of one of several samples is a derivative of that loss, ∂L[2]/∂ŷ[2];
    a parameter's batch gradient then reduces those of the samples. Where the ways of samples come
    together before that (the statistics of batch normalisation), each has its share in L.
    """
    if not graph.wrt:
        return graph
    return with_second_derivatives(problem, _Backward(problem, graph).graph_with_gradients())


def backward_order(steps: Sequence[Step], arrays: Collection[str]) -> list[Step]:
    """The steps in the order in which a person goes back through them, each behind all that it
    goes into.

    Sample by sample, output layer first, unit by unit; units that a rule of several scores ties
    together, and samples that a statistic of the batch does, are gone through stage by stage. The
    entries of one of the `arrays` come in their own order, from the first.
    """
    wanted = _as_a_person_would(steps, arrays)
    rank = {step.name: place for place, step in enumerate(wanted)}
    parents = [[rank[each] for each in names_in(step.formula) if each in rank] for step in wanted]
    uses = Counter(place for places in parents for place in places)
    ready = [place for place in range(len(wanted)) if not uses[place]]  # in order, and so a heap
    order: list[Step] = []
    while ready:
        place = heappop(ready)
        order.append(wanted[place])
        for parent in parents[place]:
            uses[parent] -= 1
            if not uses[parent]:
                heappush(ready, parent)
    return order


def _as_a_person_would(steps: Sequence[Step], arrays: Collection[str]) -> list[Step]:
    """The order by place alone, whatever goes into what."""
    position = {step.name: index for index, step in enumerate(steps)}
    if any(step.unit is None and step.kind not in ("loss", "regularisation") for step in steps):
        begun: dict[tuple[str, int | None], int] = {}
        first: dict[str, int] = {}
        for step in steps:
            own = _array_of(step.name, arrays), step.sample
            first[step.name] = begun.setdefault(own, position[step.name])
        return sorted(
            steps,
            key=lambda step: (
                step.sample is None,
                step.sample or 0,
                -first[step.name],
                position[step.name],
            ),
        )
    units = [step for step in steps if step.unit is not None]
    tied = len({step.sample is None for step in units}) > 1
    stage = _stages(units)

    def key(step: Step) -> tuple[int, ...]:
        sample = step.sample or 0
        layer = step.unit.layer if step.unit else len(steps) + 1
        index = step.unit.index if step.unit else 0
        first = 0 if step.unit is None or (step.applied and step.applied.joint) else 1
        back, place = -stage.get(step.name, 0), position[step.name]
        if tied:
            return (-layer, first, index, back, sample, place)
        return (sample, -layer, first, index, back, place)

    return sorted(steps, key=key)


def _array_of(name: str, arrays: Collection[str]) -> str:
    """The array that a quantity is an entry of; of any other its own name."""
    return next((stem for stem, _ in arrays_of(bare(name)) if stem in arrays), name)


def _stages(steps: Sequence[Step]) -> Mapping[str, int]:
    """Which of its unit's quantities each step is, in order of calculation, in any sample; the
    entries of an array, `z1_1_2` of z1, are one quantity."""
    seen: dict[Unit | None, dict[str, int]] = {}
    found = {}
    for step in steps:
        own = seen.setdefault(step.unit, {})
        letters = step.name.partition("[")[0].partition("_")[0]
        found[step.name] = own.setdefault(letters, len(own))
    return found


@dataclass
class _Backward:
    problem: Problem
    graph: Graph
    slopes: dict[str, Step] = field(default_factory=dict)
    gradients: dict[str, Step] = field(default_factory=dict)
    trivial: dict[str, Formula] = field(default_factory=dict)
    parent: dict[str, str] = field(default_factory=dict)  # of slopes

    def __post_init__(self) -> None:
        wrt = set(self.graph.wrt)
        several = len(self.graph.batch) > 1
        marks: tuple[int | None, ...] = self.graph.batch if several else (None,)
        # Where samples are alike, all go back the same way as the first.
        self.marks, self.repeated = (marks[:1], marks) if self.graph.alike else (marks, marks[:1])
        self.steps = [
            step
            for step in self.graph.steps
            if step.kind != "batch_loss" and step.sample in (None, *self.marks)
        ]
        self.active = {leaf.name for leaf in self.graph.leaves if bare(leaf.name) in wrt}
        self.consumers: dict[str, list[Step]] = defaultdict(list)
        self.in_sample: dict[tuple[str, int | None], list[Step]] = defaultdict(list)
        for step in self.steps:
            parents = names_in(step.formula)
            if any(parent in self.active for parent in parents) or bare(step.name) in wrt:
                self.active.add(step.name)
            for parent in parents:
                self.consumers[parent].append(step)
                self.in_sample[parent, step.sample].append(step)
        self.locals: dict[str, Mapping[str, Local]] = {}
        self.adjoint: dict[str, Step] = {}
        self.seeds = set(self.graph.losses)

    def graph_with_gradients(self) -> Graph:
        reached = self._reaching_loss()
        order = backward_order(self.steps, self.graph.array_names)
        rank = {step.name: index for index, step in enumerate(order)}
        parameters_of = self._parameters_by_last_use(rank, reached)
        for step in order:
            if step.name in reached and step.name in self.active:
                if step.name not in self.seeds:
                    self._accumulate(step.name, step)
                for name in parameters_of.get(step.name, ()):
                    self._accumulate_wanted(name)
        self._add_zeros()
        slopes, gradients = map(self._in_all_samples, (self.slopes, self.gradients))
        aliases = {step.alias: step.name for step in gradients if step.alias}
        return replace(
            self.graph,
            steps=(*self.graph.steps, *slopes, *gradients),
            aliases={**self.graph.aliases, **aliases},
            trivial_slopes=dict(in_all(tuple(self.trivial.items()), self.repeated)),
        )

    def _in_all_samples(self, steps: Mapping[str, Step]) -> Sequence[Step]:
        """Of the steps of the first sample those of all: each sample is gone back through by
        itself, and what a leaf gets from them stands together, behind the last of its uses."""
        own = [step for step in steps.values() if step.sample is not None]
        if len(self.repeated) == 1 or not own:
            return list(steps.values())
        place = {step.name: place for place, step in enumerate(own)}
        of_sample = repeated(own, self.graph.batch[0])
        samples = {mark: of_sample(mark) for mark in self.graph.batch}
        *before, last = sorted(samples)
        way = [place[step.name] for step in own if self._leaf_of(step) is None]
        found = [samples[mark][at] for mark in before for at in way]
        for leaf, group in groupby(steps.values(), self._leaf_of):
            together = list(group)
            for mark in (last,) if leaf is None else samples:
                here = samples[mark]
                found += [here[place[step.name]] for step in together if step.name in place]
            found += [step for step in together if step.name not in place]
        return found

    def _leaf_of(self, step: Step) -> str | None:
        """What is given and has this gradient, or this slope on its way; None where that is
        calculated."""
        name = self.parent.get(step.name, step.of or "")
        return None if name in self.graph.step else bare(name)

    def _add_zeros(self) -> None:
        """What the loss does not depend on has the gradient 0; the sheet says so."""
        known = {step.of for step in self.gradients.values()}
        for name in self._wanted_in_order():
            if not known.intersection((name, *self._samples_of(name))):
                self._append_whole(name, ZERO, "gradient")

    def _reaching_loss(self) -> set[str]:
        reached = set(self.seeds)
        for step in reversed(self.steps):
            if step.name in reached:
                reached.update(names_in(step.formula))
        return reached

    def _parameters_by_last_use(
        self, rank: Mapping[str, int], reached: set[str]
    ) -> dict[str, list[str]]:
        """Which gradients can be written once the derivative of a step is known: that of the
        user which comes last on the way back. An array's are written together."""
        entries: dict[str, list[str]] = defaultdict(list)
        users: dict[str, list[str]] = defaultdict(list)
        for name in self._wanted_in_order():
            steps = (self.consumers[each] for each in (name, *self._samples_of(name)))
            own = [step.name for each in steps for step in each if step.name in reached]
            if own:
                array = _array_of(name, self.graph.array_names)
                entries[array].append(name)
                users[array] += own
        found: dict[str, list[str]] = defaultdict(list)
        for array, names in entries.items():
            found[max(users[array], key=rank.__getitem__)] += names
        return found

    def _wanted_in_order(self) -> tuple[str, ...]:
        return tuple(name for name in self.graph.wrt if name not in self.graph.step)

    def _samples_of(self, name: str) -> list[str]:
        return [sampled(name, mark) for mark in self.marks if mark is not None]

    # Local derivatives

    def _locals(self, step: Step) -> Mapping[str, Local]:
        if step.name not in self.locals:
            self.locals[step.name] = local_derivatives(self.problem, self.graph, step, self.active)
        return self.locals[step.name]

    def _link(self, child: Step, parent: str) -> Link | None:
        local = self._locals(child).get(parent)
        if local is None:
            return None
        if child.name in self.seeds:
            return Link(child.name, parent, local.formula, None, None)
        upstream = self.adjoint.get(child.name)
        if upstream is None:
            return None
        slope = slope_name(child.name, parent)
        if is_trivial(local.formula):
            self.trivial[slope] = local.formula
            return Link(child.name, parent, local.formula, None, upstream.name)
        if slope not in self.slopes:
            self.parent[slope] = parent
            self.slopes[slope] = Step(
                name=slope,
                formula=local.formula,
                section="backward",
                kind="slope",
                sample=child.sample,
                unit=child.unit,
                applied=child.applied,
                numeric=local.numeric,
                of=child.name,
            )
        return Link(child.name, parent, local.formula, slope, upstream.name)

    # Gradients

    def _links(self, name: str, sample: int | None = None) -> list[Link]:
        """The links by which `name` reaches the loss, in order of calculation; only those of one
        sample if that is given."""
        users = self.consumers[name] if sample is None else self.in_sample[name, sample]
        consumers = [step for step in users if step.name in self.active]
        return [link for step in consumers if (link := self._link(step, name)) is not None]

    def _over(self, link: Link) -> str:
        """The loss that a link leads down from."""
        if link.upstream is None:
            return link.child
        over = self.adjoint[link.child].over
        assert over is not None
        return over

    def _gradient(
        self, of: str, links: Sequence[Link], unit: Unit | None, kind: Kind = "gradient"
    ) -> Step:
        """∂L/∂of as the sum over the links: of one sample's loss if they all come from it."""
        output, losses = self.graph.output, {self._over(link): None for link in links}
        over = output if len(losses) > 1 else next(iter(losses))
        if over == output and len(self.graph.losses) > 1:
            share = reduce_batch(self.problem, [ONE], len(self.graph.losses))
            links = [
                link if self._over(link) == output else replace(link, weight=share)
                for link in links
            ]
        name = derivative_name(over, of)
        mark = self.graph.step[over].sample
        own = (self.graph.step.get(of) or self.graph.leaf[of]).sample
        alias = None
        if mark is not None:
            alias = derivative_name(output, of if own is not None else sampled(of, mark))
        return Step(
            name=name,
            formula=total(*map(link_product, links)),
            section="gradient" if kind == "gradient" else "backward",
            kind=kind,
            sample=mark if own is None else own,
            unit=unit,
            links=tuple(links),
            numeric=self._numeric(links) if of in self.graph.step else None,
            of=of,
            over=over,
            alias=alias,
        )

    def _accumulate(self, name: str, step: Step) -> None:
        links = self._links(name)
        if not links:
            return
        wanted = bare(name) in self.graph.wrt
        gradient = self._gradient(name, links, step.unit, "gradient" if wanted else "upstream")
        self.adjoint[name] = gradient
        self.gradients[gradient.name] = self._combined(gradient, step)

    def _numeric(self, links: Sequence[Link]) -> Formula | None:
        """The form for extremes of a slope that is a gradient as it stands: ∂L/∂ŷ of the loss."""
        if len(links) != 1 or links[0].upstream is not None:
            return None
        return self.locals[links[0].child][links[0].parent].numeric

    def _combined(self, gradient: Step, step: Step) -> Step:
        """Where cross-entropy meets σ or softmax, ∂L/∂z in its simple form ŷ − y."""
        combined = combined_slope(self.graph, gradient, step, self.gradients)
        if combined is None:
            return gradient
        return replace(gradient, formula=combined, product=gradient.formula, numeric=None)

    def _accumulate_wanted(self, name: str) -> None:
        """The gradient of a parameter, or of a given quantity that the file asks for."""
        leaf = self.graph.leaf.get(name)
        if leaf is None:  # it differs from sample to sample: ∂L/∂x[1], ∂L/∂x[2]
            for mark in self.marks:
                if links := self._links(sampled(name, mark)):
                    self._append_gradient(sampled(name, mark), links)
            return
        own = {mark: links for mark in self.marks if (links := self._links(name, mark))}
        losses = {self._over(link) for links in own.values() for link in links}
        penalty = slope_in_loss(self.graph, name)
        if self.problem.training.direction == "ascent":
            penalty = negative(penalty)
        several = len(self.graph.batch) > 1
        if several and self.graph.output in losses:  # the samples have come together before
            together = [link for links in own.values() for link in links]
            if penalty == ZERO:
                self._append_gradient(name, together)
            else:
                whole = self._gradient(name, together, None).formula
                self._append_whole(name, total(whole, penalty))
            return
        parts = [self._append_gradient(name, links) for links in own.values()]
        if several and (parts or penalty != ZERO):
            names = map(Name, in_all(parts, self.repeated))
            whole = reduce_batch(self.problem, list(names), len(self.graph.losses))
            self._append_whole(name, total(whole, penalty))

    def _append_whole(self, name: str, formula: Formula, kind: Kind = "batch_gradient") -> None:
        """The gradient of the batch's loss, made of those of its samples."""
        gradient = derivative_name(self.graph.output, name)
        self.gradients[gradient] = Step(
            name=gradient,
            formula=formula,
            section="gradient",
            kind=kind,
            unit=self._unit_of(name),
            of=name,
            over=self.graph.output,
        )

    def _append_gradient(self, name: str, links: Sequence[Link]) -> str:
        gradient = self._gradient(name, links, self._unit_of(name))
        self.gradients[gradient.name] = gradient
        return gradient.name

    def _unit_of(self, name: str) -> Unit | None:
        leaf = self.graph.leaf.get(name)
        return None if leaf is None else leaf.unit


def link_product(link: Link) -> Formula:
    """∂L/∂c · ∂c/∂v, with names for what has a line of its own."""
    local: Formula = Name(link.slope) if link.slope else link.local
    upstream = () if link.upstream is None else (Name(link.upstream),)
    return product(link.weight, *upstream, local)
