"""The one list that everything else reads: named equations in the order of calculation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from functools import cached_property
from typing import Literal, TypeAlias

from backprop_cli.arrays.array import View
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import ONE, calls_in, size
from backprop_cli.formula.nodes import Call, Formula, Number
from backprop_cli.formula.quantity import derivative_name, sampled
from backprop_cli.formula.spelling import PLAIN, Lettering
from backprop_cli.graph.layered import Layers

Section: TypeAlias = Literal["given", "forward", "loss", "backward", "gradient", "update"]

LeafKind: TypeAlias = Literal["input", "target", "parameter", "constant", "state"]

Kind: TypeAlias = Literal[
    "preactivation",  # z = Σ w·x + b
    "normalisation",  # a step of batch normalisation between z and a
    "activation",  # a = g(z), also ŷ
    "handed_on",  # what a unit hands on where that is more than a: h = r·a/keep, h = a + x
    "equation",  # an author's own equation
    "loss",  # the loss of one sample
    "regularisation",  # the penalty on large weights, where it is a part of the loss
    "batch_loss",  # mean or sum of the samples' losses
    "slope",  # a local derivative ∂a/∂z
    "upstream",  # ∂L/∂(an intermediate quantity)
    "gradient",  # ∂L/∂(a parameter), of one sample or of the whole batch
    "batch_gradient",  # mean or sum over the samples
    "second",  # ∂²L/∂(one parameter)∂(another)
    "penalty",  # gradient after l1, l2 or clipping
    "ahead",  # of the pass that finds the gradient at an optimizer's look-ahead point
    "state",  # v, s, m, … of an optimizer
    "update",  # parameter after the update
]


Role: TypeAlias = Literal["weight", "bias", "shared bias", "scale", "shift"]
"""What a parameter is for; a threshold is a bias with the input −1."""


@dataclass(frozen=True)
class Unit:
    """The group that a quantity is shown under, in their order: where it stands in a layered
    network (layers and units count from 1), and what a heading calls that."""

    layer: int
    index: int
    title: str = field(default="", compare=False)


@dataclass(frozen=True)
class Applied:
    """A row of the tables at work.

    An activation is applied to its one argument; one of a whole layer (softmax) to the scores of
    all units, of which the step has number `own` (from 0). A loss compares `arguments` with
    `targets`, one by one.
    """

    rule: str
    arguments: tuple[Formula, ...]
    options: Mapping[str, Number] = field(default_factory=dict, hash=False)
    targets: tuple[Formula, ...] = ()
    own: int = 0
    sum_to_one: bool = False  # the targets of a loss do, in every sample of the file
    taught: bool = True  # written as the table writes it, so that the slope is as taught too

    @property
    def joint(self) -> bool:
        """Whether each output depends on the scores of all units, as softmax does."""
        return len(self.arguments) > 1 and not self.targets

    @property
    def argument(self) -> Formula:
        """What the step's own value is calculated from: its z."""
        return self.arguments[self.own]


@dataclass(frozen=True)
class Leaf:
    """A quantity that is given: no formula, perhaps no number either (symbolic problems)."""

    name: str
    kind: LeafKind
    value: Fraction | float | None
    sample: int | None = None
    trainable: bool = False
    text: str | None = None  # the digits as the author wrote them
    role: Role | None = None  # of a parameter, where that is known
    unit: Unit | None = None  # the group that a parameter is shown under
    title: str = ""  # what that group is called among what is given
    drawn: str | None = None  # how its number was drawn: "uniform, low −0.1, high 0.1, seed 7"


@dataclass(frozen=True)
class Link:
    """One arrow of the graph, seen from the loss: `child` is computed from `parent`.

    `local` is ∂child/∂parent. Where it is worth a line of its own, `slope` names the step that
    holds it (`da2_1/dz2_1`); else it is a number or a name and is written in place.
    `upstream` names ∂L/∂child, or is None when child is the loss itself. `weight` is ∂L/∂L[s] where
    the losses of several samples come together here, the share of this sample's.
    """

    child: str
    parent: str
    local: Formula
    slope: str | None
    upstream: str | None
    weight: Formula = ONE


@dataclass(frozen=True)
class Step:
    """One named equation `name = formula`.

    `formula` mentions leaves and earlier steps only. `links` are the paths that a gradient sums
    over, in writing order. `numeric` is the same quantity in a form that is exact at extremes
    (log-loss at saturation) and is what gets evaluated; the sheet writes `formula`.
    `product` is the chain-rule product that `formula` was combined from (σ with cross-entropy).
    `added` is the part of a loss's formula that is not its rule's: a penalty. A gradient is the
    derivative of the loss `over`, that of the batch or of one sample, and `alias` is another name
    under which it is read. An output is compared with its `target`. What the step applies of the tables
    is `applied`, whoever wrote it; a slope carries what its child applies.
    """

    name: str
    formula: Formula
    section: Section
    kind: Kind
    sample: int | None = None
    unit: Unit | None = None
    applied: Applied | None = None
    links: tuple[Link, ...] = ()
    numeric: Formula | None = None
    product: Formula | None = None
    added: Formula | None = None
    called: str = ""  # what the file calls a rule of its own
    own_slope: Formula | None = None  # the author's own, by the one quantity in `formula`
    of: str | None = None  # the parameter that a gradient, state or update belongs to
    over: str | None = None
    alias: str | None = None
    target: str | None = None

    @property
    def rule(self) -> str | None:
        """The name of the row that the step applies."""
        return None if self.applied is None else self.applied.rule

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """Every function call in the formula, outermost first."""
        return tuple(calls_in(self.formula))


@dataclass(frozen=True)
class Penalised:
    """Which parameters a penalty weighs down, and how strongly: `strength` names λ."""

    norm: Literal["l1", "l2"]
    strength: str
    parameters: tuple[str, ...]
    half: bool
    in_loss: bool


@dataclass(frozen=True)
class Graph:
    """Leaves and steps of one update over one batch, in order of calculation.

    `output` is the loss (of the batch); `losses` are the per-sample losses it is reduced from.
    `carried` maps each parameter and state to the step that holds its next value.
    `penalties` are in force in the update or in the loss. `ascends` says that the update goes up
    the slope of the output.
    `lettering` says how names are written.
    """

    leaves: tuple[Leaf, ...]
    steps: tuple[Step, ...]
    output: str
    losses: tuple[str, ...]
    batch: tuple[int, ...]  # sample numbers, from 1
    parameters: tuple[str, ...]  # trainable or not, in sheet order
    wrt: tuple[str, ...]  # what gradients are asked for
    lettering: Lettering = PLAIN
    carried: Mapping[str, str] = field(default_factory=dict)
    penalties: tuple[Penalised, ...] = ()
    ascends: bool = False
    is_loss: bool = True  # by its name; an author's equations may be about any function
    alike: bool = False  # every sample has the same equations, under its own mark
    # Other accepted names: a3_1 → yhat, dL/dz2_1[2] → dL[2]/dz2_1[2].
    aliases: Mapping[str, str] = field(default_factory=dict)
    arrays: tuple[View, ...] = ()  # what is shown and answered as vectors and matrices
    no_arrays: str = ""  # why not, where an author wrote layers between arrays
    layers: Layers | str = "equations have no layers"  # the arrays of a network, or why it has none
    trivial_slopes: Mapping[str, Formula] = field(default_factory=dict)  # dz2_1/da1_1 → w2_1_1

    @cached_property
    def step(self) -> Mapping[str, Step]:
        return {step.name: step for step in self.steps}

    @cached_property
    def joint(self) -> Mapping[int | None, Sequence[Step]]:
        """By sample: the forward steps that apply a row to the scores of several units."""
        found: dict[int | None, list[Step]] = {}
        for step in self.section("forward", "loss"):
            if step.applied is not None and step.applied.joint:
                found.setdefault(step.sample, []).append(step)
        return found

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Where each step stands in the order of calculation."""
        return {step.name: place for place, step in enumerate(self.steps)}

    @cached_property
    def derivative(self) -> Mapping[str, Step]:
        """∂L/∂ each quantity: that of the batch's loss if there is one, else of its sample's."""
        found: dict[str, Step] = {}
        for step in self.steps:
            if step.of is None or step.over is None:
                continue
            if step.over == self.output or step.of not in found:
                found[step.of] = step
        return found

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The groups that the forward pass is shown in, in order; none in equations."""
        units = (step.unit for step in self.steps if step.section == "forward")
        return tuple(dict.fromkeys(unit for unit in units if unit is not None))

    @cached_property
    def woven(self) -> bool:
        """Whether quantities of the whole batch stand between those of its samples, as a mean and
        a variance over the batch do."""
        forward = self.section("forward")
        return len(self.batch) > 1 and any(step.sample is None for step in forward)

    @cached_property
    def handed_on(self) -> tuple[Step, ...]:
        """What the units of the last layer hand on, in every sample; none in equations."""
        last = self.units[-1].layer if self.units else 0
        found: dict[tuple[Unit, int | None], Step] = {}
        for step in self.section("forward"):
            sampled = step.sample is not None or len(self.batch) == 1
            if step.unit is not None and step.unit.layer == last and sampled:
                found[step.unit, step.sample] = step
        return tuple(found.values())

    @cached_property
    def array_names(self) -> frozenset[str]:
        """What is an array, by its name."""
        return frozenset(view.name for view in self.arrays if view.shape)

    @cached_property
    def leaf(self) -> Mapping[str, Leaf]:
        return {leaf.name: leaf for leaf in self.leaves}

    @cached_property
    def loss_slopes(self) -> tuple[Step, ...]:
        """The gradients that come from the loss and nothing else: ∂L/∂ŷ."""
        return tuple(
            step
            for step in self.section("backward")
            if step.kind == "upstream" and all(link.upstream is None for link in step.links)
        )

    @cached_property
    def short(self) -> Mapping[str, str]:
        """What factored forms call such a slope, where it is a formula of its own: L_y."""
        found = {}
        for step in self.loss_slopes:
            letters = map(self.lettering.typed, (self.output, step.of or ""))
            name = "_".join(letter.removesuffix("hat") for letter in letters)
            if (
                step.sample is None
                and size(step.formula) > 2
                and name not in {*self.step, *self.leaf}
            ):
                found[step.name] = name
        return found

    @cached_property
    def own_losses(self) -> frozenset[str]:
        """The losses of single samples, to ask whether a name is one."""
        return frozenset(self.losses)

    def unmarked(self, name: str, only: int | None = None) -> str:
        """The name without the number of its sample (if that is `only`, where it is given); what
        tells a sample's own loss from that of the batch stays: ∂L[s]/∂w."""
        step = self.step.get(name)
        known = step or self.leaf.get(name)
        mark = None if known is None else known.sample
        if mark is None or len(self.batch) == 1 or only not in (None, mark):
            return name
        if name in self.own_losses:
            return sampled(self.output, "s")
        if step is not None and step.of is not None and step.over in self.own_losses:
            return derivative_name(sampled(self.output, "s"), self.unmarked(step.of))
        return name.removesuffix(f"[{mark}]")

    @cached_property
    def _sections(self) -> dict[tuple[Section, ...], tuple[Step, ...]]:
        return {}

    def section(self, *sections: Section) -> tuple[Step, ...]:
        """The steps of some sections, in order of calculation."""
        if sections not in self._sections:
            own = (step for step in self.steps if step.section in sections)
            self._sections[sections] = tuple(own)
        return self._sections[sections]
