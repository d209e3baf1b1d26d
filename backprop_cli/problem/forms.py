"""The two forms of a problem: layers of a network, and an author's own equations.

Only what reads files and what expands a problem into steps knows them: everything else reads the
steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cached_property
from typing import Literal, TypeAlias

from backprop_cli.arrays.array import Shape, View
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.nodes import Formula, Number

Value: TypeAlias = Number | None
"""A number as the author wrote it, or None in a symbolic problem."""

Role: TypeAlias = Literal["weight", "bias", "shared bias", "scale", "shift"]


@dataclass(frozen=True)
class Custom:
    """An author's own activation `formula` in `z`, or loss in `y` and `yhat`.

    For an activation the formula is in the name `z`. For a loss it is the whole loss of one
    sample, in the names of outputs and targets (`y1`, `yhat1`, … or `y`, `yhat`). `slope` is the
    author's own for an activation, in `z` and `a`; it need not be the derivative.
    """

    name: str
    formula: Formula
    slope: Formula | None = None


@dataclass(frozen=True)
class RuleUse:
    """A row of a rule table with the options set in the file: leaky_relu with slope 0.01."""

    name: str
    options: Mapping[str, Number] = field(default_factory=dict)


Activation: TypeAlias = RuleUse | Custom
Loss: TypeAlias = RuleUse | Custom


@dataclass(frozen=True)
class Layer:
    """One layer: `weights[j][i]` into unit j from input i.

    `weights` is None in a symbolic layer (every connection there). An entry is `ABSENT` where
    the file says `null`: no connection.
    """

    units: int
    fan_in: int
    activations: tuple[Activation, ...]  # one per unit
    weights: tuple[tuple[Value, ...], ...] | None
    connected: tuple[tuple[bool, ...], ...]  # same shape, False where there is no connection
    bias: Literal["each", "shared", "none"]
    biases: tuple[Value, ...]  # one per unit, or one if shared, or none
    bias_input: Number = Number("1")
    batch_norm: BatchNorm | None = None
    add: int | None = None  # the layer whose output is added to z, 0 for the inputs
    add_after: bool = False  # to a, behind the activation, in place of z
    dropout: Dropout | None = None
    tied: Tied | None = None
    initialised: str | None = None  # "uniform, low −0.1, high 0.1, seed 7" when drawn

    @property
    def hands_on_more(self) -> bool:
        """Whether something stands between the activations and what the layer hands on."""
        return self.add_after or self.dropout is not None


@dataclass(frozen=True)
class Line:
    """An equation of a layer: `formula`, or `activation` of the score number `own` (from 0) among
    `scores`. `place` is the group that it is shown under; see `ArrayLayer.places`."""

    name: str
    formula: Formula | None
    place: int
    kind: Literal["preactivation", "handed_on", "equation"] = "equation"
    activation: Activation | None = None
    scores: tuple[str, ...] = ()
    own: int = 0


@dataclass(frozen=True)
class Parameter:
    """A parameter of a layer, shown under a unit of a dense layer or a place of another."""

    name: str
    value: Value
    role: Role
    place: int


@dataclass(frozen=True)
class Given:
    """A number of a layer that is not learned: of a mask, of a state to begin with."""

    name: str
    value: Value
    title: str  # what such numbers are called among what is given


@dataclass(frozen=True)
class ArrayLayer:
    """A layer of another kind than dense, as the equations between numbers that it stands for.

    `lines` has them once, or for each sample where the samples choose (the rows of an embedding).
    `places` are the titles of the groups that they are shown in, in the order going back.
    """

    kind: str
    fan_in: int
    shape: Shape  # of what is handed on
    handed: str  # the array that is handed on
    outputs: tuple[str, ...]  # its entries, row by row
    parameters: tuple[Parameter, ...]
    lines: tuple[tuple[Line, ...], ...]
    places: tuple[str, ...]
    views: tuple[View, ...]
    given: tuple[Given, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)  # other names of what is handed on
    activations: tuple[Activation, ...] = ()  # of what is handed on, where it has one
    axes: int | None = None  # levels that a window over the output moves along, where known
    recurrent: bool = False  # it goes on with its own outputs, from time to time
    initialised: str | None = None

    @property
    def units(self) -> int:
        """How many numbers are handed on."""
        return len(self.outputs)

    def of_sample(self, position: int) -> tuple[Line, ...]:
        """The equations for the sample at a position (from 1)."""
        return self.lines[position - 1 if len(self.lines) > 1 else 0]


AnyLayer: TypeAlias = "Layer | ArrayLayer"


@dataclass(frozen=True)
class Tied:
    """The layer whose weights these are, rows and columns exchanged if `transposed`."""

    layer: int
    transposed: bool


@dataclass(frozen=True)
class Dropout:
    """Inverted dropout by a given mask (Srivastava and others 2014): what is handed on is
    mask·a/keep."""

    mask: tuple[Number, ...]  # one per unit, 1 where it stays, 0 where it is dropped
    keep: Number


@dataclass(frozen=True)
class BatchNorm:
    epsilon: Number
    gamma: tuple[Number, ...]  # one per unit, default 1
    beta: tuple[Number, ...]  # one per unit, default 0


@dataclass(frozen=True)
class Sample:
    inputs: tuple[Value, ...]
    targets: tuple[Value, ...]


@dataclass(frozen=True)
class Network:
    """The layers form. `samples` holds one entry with None values when no numbers are given."""

    layers: tuple[AnyLayer, ...]
    loss: Loss | None  # None: forward pass only (no targets), or the perceptron rule
    inputs: int
    targets: int
    samples: tuple[Sample, ...]
    with_respect_to: tuple[str, ...] = ()  # empty: the parameters
    upstream: bool = False  # targets are ∂L/∂ŷ, and the loss the sum that has these slopes
    inputs_shape: Shape = ()  # of an image or a sequence; empty: one after the other

    @cached_property
    def targets_sum_to_one(self) -> bool:
        """Whether those of each sample do; what has no number is taken as a class probability."""
        return all(
            None in sample.targets or sum(each.value for each in sample.targets if each) == 1
            for sample in self.samples
        )

    @property
    def summary(self) -> str:
        """Sizes, activations, loss: `3-2-1, relu, sigmoid, half_squared_error`."""
        sizes = "-".join(
            shortened(map(str, (self.inputs, *(layer.units for layer in self.layers))))
        )
        names = shortened(
            layer.kind
            if isinstance(layer, ArrayLayer)
            else "/".join(dict.fromkeys(use.name for use in layer.activations))
            for layer in self.layers
        )
        loss = [self.loss.name] if self.loss is not None else []
        return ", ".join([sizes, *names, *loss, *counted(len(self.samples), "samples")])


@dataclass(frozen=True)
class Equations:
    """The equations form: the author's own names throughout."""

    equations: Mapping[str, Formula]  # in order of calculation (a file may list them in any order)
    given: Mapping[str, Value]
    parameters: Mapping[str, Value]
    output: str
    with_respect_to: tuple[str, ...]
    samples: tuple[Mapping[str, Value], ...] = ()  # values per sample, beside `given`
    arrays: tuple[View, ...] = ()  # what of it is vectors and matrices
    upstream: tuple[str, ...] = ()  # gradients that are given, and stand for a loss

    @property
    def summary(self) -> str:
        """The names of what is calculated: `z, yhat, L`."""
        return ", ".join([*shortened(self.equations), *counted(len(self.samples), "samples")])


MOST_NAMED = 8


def shortened(names: Iterable[str]) -> list[str]:
    """The first of many names, and the last."""
    every = list(names)
    return every if len(every) <= MOST_NAMED else [*every[: MOST_NAMED - 2], "…", every[-1]]


def counted(count: int, what: str) -> list[str]:
    """`["3 samples"]`, nothing where there is only one."""
    return [f"{count} {what}"] if count > 1 else []
