"""The optimizers: one row each, written just as a problem file writes its own rule.

Equations are in `w` (the parameter), `g` (its gradient), `eta` (the learning rate), `t` (the
number of the update, from 1), the states and the options. They are carried out in order; a
state's name means its old value until its own equation has been carried out. Conventions and
defaults are those of PyTorch's documentation of `torch.optim`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.nodes import Formula, Number
from backprop_cli.rules.written import DECAY, NOT_NEGATIVE, ByAnyName, Range, numbers, written

RESERVED = ("w", "g", "eta", "t")
"""Names that an optimizer's equations find already defined."""


@dataclass(frozen=True)
class OptimizerRule:
    name: str
    title: str
    texts: Mapping[str, str]  # name → right-hand side, in order; the last is `w`
    reason: str
    reference: str
    state: Mapping[str, Number] = field(default_factory=dict)  # initial values
    options: Mapping[str, Number] = field(default_factory=dict)  # defaults
    ranges: Mapping[str, Range] = field(default_factory=dict)  # of options, if not any number
    option_aliases: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    point_text: str | None = None  # where the gradient is taken, if not at `w`
    variants: Mapping[str, str] = field(default_factory=dict)  # option that is true → another row

    @property
    def point(self) -> Formula | None:
        return None if self.point_text is None else written(self.point_text)

    @property
    def equations(self) -> dict[str, Formula]:
        return {name: written(text) for name, text in self.texts.items()}

    def with_options(self, options: Mapping[str, Number]) -> dict[str, Number]:
        """Every option's value, the defaults filled in; aliases are accepted."""
        given = {self.option_aliases.get(name, name): value for name, value in options.items()}
        return {**self.options, **given}


_ROWS = (
    OptimizerRule(
        "sgd",
        "gradient descent",
        texts={"w": "w - eta*g"},
        reason="Each parameter moves against its gradient.",
        reference="torch.optim.SGD without momentum",
        aliases=("gradient_descent", "gd"),
    ),
    OptimizerRule(
        "newton",
        "Newton's method",
        texts={"w": "w - eta*n"},
        reason="The step n solves H·n = gradient, H the matrix of second derivatives: it leads to where a parabola through the point has its bottom.",
        reference="Nocedal and Wright 2006, section 3.3; a learning rate other than 1 is a damped step",
        aliases=("newton_raphson",),
    ),
    OptimizerRule(
        "momentum",
        "momentum",
        texts={"v": "momentum*v + g", "w": "w - eta*v"},
        reason="The velocity v adds up past gradients, older ones ever less.",
        reference="torch.optim.SGD with momentum and no dampening: the learning rate multiplies v, not g",
        state=numbers(v="0"),
        options=numbers(momentum="0.9"),
        ranges={"momentum": DECAY},
        option_aliases={"mu": "momentum", "beta": "momentum"},
    ),
    OptimizerRule(
        "nesterov",
        "Nesterov momentum",
        texts={"v": "momentum*v + g", "w": "w - eta*(g + momentum*v)"},
        reason="The step looks ahead: the new velocity is applied once more on top of the gradient.",
        reference="torch.optim.SGD with momentum and nesterov=True",
        state=numbers(v="0"),
        options=numbers(momentum="0.9"),
        ranges={"momentum": DECAY},
        option_aliases={"mu": "momentum", "beta": "momentum"},
        aliases=("nag",),
        variants={"look_ahead": "nesterov_look_ahead"},
    ),
    OptimizerRule(
        "nesterov_look_ahead",
        "Nesterov momentum, gradient at the look-ahead point",
        texts={"v": "momentum*v + eta*g", "w": "w - v"},
        reason="The gradient is taken where the velocity alone would lead; v holds whole steps, learning rate and all.",
        reference="Nesterov 1983, in the form of Sutskever et al. 2013 with the sign of v turned round",
        state=numbers(v="0"),
        options=numbers(momentum="0.9"),
        ranges={"momentum": DECAY},
        option_aliases={"mu": "momentum", "beta": "momentum"},
        point_text="w - momentum*v",
    ),
    OptimizerRule(
        "adagrad",
        "Adagrad",
        texts={"s": "s + g^2", "w": "w - eta*g/(sqrt(s) + epsilon)"},
        reason="Each parameter's step is divided by the root of all its squared gradients so far.",
        reference="torch.optim.Adagrad without decay of the learning rate: epsilon stands outside the root",
        state=numbers(s="0"),
        options=numbers(epsilon="1e-10"),
        ranges={"epsilon": NOT_NEGATIVE},
        option_aliases={"eps": "epsilon"},
    ),
    OptimizerRule(
        "rmsprop",
        "RMSprop",
        texts={"s": "alpha*s + (1 - alpha)*g^2", "w": "w - eta*g/(sqrt(s) + epsilon)"},
        reason="Each parameter's step is divided by the root of a running mean of its squared gradients.",
        reference="torch.optim.RMSprop, not centred, without momentum: epsilon stands outside the root",
        state=numbers(s="0"),
        options=numbers(alpha="0.99", epsilon="1e-8"),
        ranges={"alpha": DECAY, "epsilon": NOT_NEGATIVE},
        option_aliases={"eps": "epsilon", "rho": "alpha", "beta": "alpha"},
    ),
    OptimizerRule(
        "adam",
        "Adam",
        texts={
            "m": "beta1*m + (1 - beta1)*g",
            "v": "beta2*v + (1 - beta2)*g^2",
            "mhat": "m/(1 - beta1^t)",
            "vhat": "v/(1 - beta2^t)",
            "w": "w - eta*mhat/(sqrt(vhat) + epsilon)",
        },
        reason="Running means of the gradient and of its square, corrected for their start at 0, set the step.",
        reference="torch.optim.Adam: epsilon stands outside the root, after the correction",
        state=numbers(m="0", v="0"),
        options=numbers(beta1="0.9", beta2="0.999", epsilon="1e-8"),
        ranges={"beta1": DECAY, "beta2": DECAY, "epsilon": NOT_NEGATIVE},
        option_aliases={"eps": "epsilon"},
    ),
    OptimizerRule(
        "adamw",
        "AdamW",
        texts={
            "m": "beta1*m + (1 - beta1)*g",
            "v": "beta2*v + (1 - beta2)*g^2",
            "mhat": "m/(1 - beta1^t)",
            "vhat": "v/(1 - beta2^t)",
            "w": "w - eta*weight_decay*w - eta*mhat/(sqrt(vhat) + epsilon)",
        },
        reason="Adam, and beside its step each parameter shrinks by a share of itself.",
        reference="torch.optim.AdamW: the decay is applied to the parameter, not added to the gradient",
        state=numbers(m="0", v="0"),
        options=numbers(beta1="0.9", beta2="0.999", epsilon="1e-8", weight_decay="0.01"),
        ranges={
            "beta1": DECAY,
            "beta2": DECAY,
            "epsilon": NOT_NEGATIVE,
            "weight_decay": NOT_NEGATIVE,
        },
        option_aliases={"eps": "epsilon", "decay": "weight_decay"},
    ),
    OptimizerRule(
        "lion",
        "Lion",
        texts={
            "c": "beta1*m + (1 - beta1)*g",
            "m": "beta2*m + (1 - beta2)*g",
            "w": "w - eta*(sign(c, 0) + weight_decay*w)",
        },
        reason="Every parameter moves by the learning rate itself: of the mean gradient only the sign counts.",
        reference="Chen et al. 2023: the sign of 0 is 0, the decay is applied to the parameter",
        state=numbers(m="0"),
        options=numbers(beta1="0.9", beta2="0.99", weight_decay="0"),
        ranges={"beta1": DECAY, "beta2": DECAY, "weight_decay": NOT_NEGATIVE},
        option_aliases={"decay": "weight_decay"},
    ),
)


@dataclass(frozen=True)
class Correction:
    """A rule without a gradient or a loss, for one sample at a time: what enters an output is moved
    by the text, in the input `x`, the target `y` and the `error`, y − ŷ."""

    text: str
    reason: str
    on_mistake: bool = False  # and nothing else moves

    @property
    def step(self) -> Formula:
        return written(self.text)


CORRECTIONS: Mapping[str, Correction] = {
    "error": Correction(
        "eta*error*x", "Each weight moves by η · error · input: no error, no change."
    ),
    "target": Correction(
        "eta*y*x",
        "On a mistake each weight moves by η · target · input, else it stays.",
        on_mistake=True,
    ),
}
"""The perceptron rule in its two forms (Rosenblatt 1958)."""


NEWTON_STEP = "n"
"""What Newton's method calls the step that the second derivatives make of the gradient."""


def takes_newton_steps(equations: Mapping[str, Formula]) -> bool:
    """Whether a rule is Newton's, so that it needs second derivatives."""
    return equations == OPTIMIZERS["newton"].equations


BY_ANY_NAME = ByAnyName(_ROWS)

OPTIMIZERS: Mapping[str, OptimizerRule] = MappingProxyType(BY_ANY_NAME.rows)
