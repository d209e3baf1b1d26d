"""What a problem file says, read and checked: no names of quantities yet, no formulas derived."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from fractions import Fraction
from typing import Literal, TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import escape
from backprop_cli.formula.nodes import Formula, Number
from backprop_cli.problem.forms import Equations, Network, Value, counted
from backprop_cli.rules.kinks import Kinks
from backprop_cli.rules.optimizers import Correction, takes_newton_steps


@dataclass(frozen=True)
class Optimizer:
    """A row of the optimizer table with its options, or the author's own rule of the same shape.

    `equations` are in `w` (the parameter), `g` (its gradient), `eta`, `t` (update number from 1),
    the states and the options; they are carried out in order, a state's name meaning its old
    value until its own equation has been carried out.
    """

    name: str
    state: Mapping[str, Number]
    equations: Mapping[str, Formula]
    options: Mapping[str, Number]
    starts: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)
    """First values of a state that differ from parameter to parameter: state → parameter → it."""
    point: Formula | None = None
    """Where the gradient is taken, in `w`, the states before the update and the options."""


@dataclass(frozen=True)
class Penalty:
    """What large weights cost: λ|w| (l1) or λw² (l2), summed over what is penalised.

    `half` writes l2 as ½λw², whose slope is λw. `biases` penalises them too. `in_loss` makes the
    penalty a part of the loss, so that its slope is clipped with the rest of the gradient; else
    only its slope is added to the clipped gradient.
    """

    value: Number = Number("0")
    biases: bool = False
    half: bool = True
    in_loss: bool = False


@dataclass(frozen=True)
class Clip:
    kind: Literal["norm", "value"]
    threshold: Number


@dataclass(frozen=True)
class Training:
    steps: int = 1
    batch: int | None = None  # None: all samples
    reduction: Literal["mean", "sum"] = "mean"
    optimizer: Optimizer | None = None  # None: plain gradient descent
    clip: Clip | None = None
    l1: Penalty = Penalty()
    l2: Penalty = Penalty()
    direction: Literal["descent", "ascent"] = "descent"
    correction: Correction | None = None  # the perceptron rule, in place of a gradient

    @property
    def newton(self) -> bool:
        """Whether updates need second derivatives."""
        return self.optimizer is not None and takes_newton_steps(self.optimizer.equations)


@dataclass(frozen=True)
class Notation:
    index_order: Literal["to_from", "from_to"] = "to_from"
    names: Literal["indexed", "sequential"] = "indexed"
    weight_order: Literal["by_unit", "by_input"] = "by_unit"
    gradient_order: Literal["by_unit", "weights_first"] = "by_unit"
    output_units: Literal["layered", "numbered"] = "layered"
    layer_mark: Literal["parentheses", "brackets"] = "parentheses"
    symbols: Mapping[str, str] = field(default_factory=dict)  # file name or letter → as shown


@dataclass(frozen=True)
class Rounding:
    digits: int = 4  # significant digits shown
    every_step: bool = False  # each written value is rounded before it is used


@dataclass(frozen=True)
class Marking:
    ask: tuple[str, ...] = ()  # sections or names, globs allowed; empty: the default
    points: Mapping[str, Fraction] = field(default_factory=dict)  # glob → points
    pass_share: Fraction = Fraction(1)
    follow_through: Fraction = Fraction(1)
    imprecise: Fraction = Fraction(1, 2)
    method: Fraction = Fraction(1, 2)  # for a right formula whose number is wrong
    repeated: Literal["once", "each"] = "once"  # what the same slip in several places costs
    tolerance: Fraction = Fraction(5, 1000)


@dataclass(frozen=True)
class Choice:
    """One of the numbers listed, as they are written; a range is a list too."""

    numbers: tuple[str, ...]


@dataclass(frozen=True)
class OneHot:
    """A 1 among zeros: which of a sample's targets it is."""


Draw: TypeAlias = Choice | OneHot

Requirement: TypeAlias = Literal[
    "alive", "unsaturated", "off_kinks", "visible", "distinct_slips", "equal_work"
]


@dataclass(frozen=True)
class Cell:
    """A number of the problem file: what it is the value of, and where it stands in the text."""

    name: str  # as on the sheet, `x1[2]` where the file has several samples
    section: str  # inputs, targets, weights, biases, parameters, learning_rate
    start: int
    end: int
    sample: int | None = None


@dataclass(frozen=True)
class Variants:
    """What is drawn anew for each student, and what a drawn sheet has to fulfil.

    `draws` gives each drawn cell of the file its rule, in the order of the file. `text` is the
    file itself, `own` the place of the section `variants` in it: a student's file is that text
    with other numbers and without the section.
    """

    draws: tuple[tuple[Cell, Draw], ...]
    require: tuple[Requirement, ...]
    rules: int
    seed: str
    text: str
    own: tuple[int, int]

    @property
    def ways(self) -> int:
        """In how many ways the numbers can be drawn; not every one has to do."""
        numbers = [len(draw.numbers) for _, draw in self.draws if isinstance(draw, Choice)]
        samples = Counter(cell.sample for cell, draw in self.draws if isinstance(draw, OneHot))
        return math.prod([*numbers, *samples.values()])


@dataclass(frozen=True)
class Problem:
    title: str
    model: Network | Equations
    learning_rate: Value = None
    description: str = ""
    training: Training = Training()
    trains: bool = False  # the file has a learning rate or a `training` section: updates are shown
    frozen: tuple[str, ...] = ()
    trainable: tuple[str, ...] | None = None  # the only ones in the update, when given
    notation: Notation = Notation()
    rounding: Rounding = Rounding()
    marking: Marking = Marking()
    kinks: Kinks = field(
        default_factory=dict
    )  # slopes where functions have none, as the file chooses
    path: str = "-"
    second_derivatives: bool = False  # of the loss by every pair of what is asked for
    by_gates: bool = False  # an author's equations are taken apart into single operations
    variants: Variants | None = None  # other numbers for each student, where the file has them

    @property
    def sample_count(self) -> int:
        """How many samples the file has; one where it lists none."""
        return max(1, len(self.model.samples))

    @property
    def summary(self) -> str:
        """What it is about, on one line."""
        updates = counted(self.training.steps, "updates") if self.trains else []
        return ", ".join([self.model.summary, *updates])

    def __repr__(self) -> str:
        return f"<Problem {escape(self.title or self.path)!r}: {escape(self.summary)}>"

    def _repr_html_(self) -> str:
        import html

        about = f"<p>{html.escape(escape(self.description))}</p>" if self.description else ""
        name, summary = (
            html.escape(escape(each)) for each in (self.title or self.path, self.summary)
        )
        return f"<p><strong>{name}</strong>: {summary}</p>{about}"
