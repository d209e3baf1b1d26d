"""The activations: one row each. Everything else about an activation follows from its row.

`formula` is in `z` and the row's options; `slope` is its derivative as it is taught, in `z`,
the options and `a`, the unit's own output. A test proves each slope from its formula. Where one of
them overflows or loses its digits, `stable` and `stable_slope` say the same in another form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import Literal, TypeAlias

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.build import negative, over, product, substitute, total
from backprop_cli.formula.functions import FUNCTIONS, Function, define, slope_of, spelling
from backprop_cli.formula.nodes import Call, Formula, Name, Number, Power, Quotient, Sum
from backprop_cli.rules.written import (
    POSITIVE,
    ByAnyName,
    Kink,
    Range,
    instantiate,
    named,
    numbers,
    signed,
    written,
)

Place: TypeAlias = Literal["hidden", "regression", "two classes", "several classes", "perceptron"]
"""Where in a network an activation belongs; all but `hidden` are kinds of output units."""


@dataclass(frozen=True)
class Joint:
    """A rule of several scores at once, each output depending on all of them; units count from 0.

    `formula` is output j as written, `numeric` the same right at extremes, `slope` that of output j
    by score k in the outputs. `read` finds the scores and j in what an author wrote out.
    """

    formula: Callable[[int, Sequence[Formula]], Formula]
    numeric: Callable[[int, Sequence[Formula]], Formula]
    slope: Callable[[int, int, Sequence[Formula]], Formula]
    read: Callable[[Formula], tuple[tuple[Formula, ...], int] | None]
    with_indices: Formula  # output i of a layer


@dataclass(frozen=True)
class ActivationRule:
    name: str
    title: str  # as a sentence calls it
    formula_text: str
    slope_text: str
    use: str  # where it belongs: hidden or output units, classification or regression
    reason: str  # why its slope is what it is, in a sentence
    options: Mapping[str, Number] = field(default_factory=dict)  # defaults
    ranges: Mapping[str, Range] = field(default_factory=dict)  # of options, if not any number
    variants: Mapping[str, str] = field(default_factory=dict)  # option that is true → another row
    aliases: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()  # what formulas call it beside its name
    symbol: str = ""  # how it is written before (z), if not by its name
    stable: str = ""
    stable_slope: str = ""
    forms: tuple[str, ...] = ()  # other ways in which authors write the formula
    kinks: tuple[Kink, ...] = ()
    low: Number | None = None  # bounds of the output, where it has any
    high: Number | None = None
    range: str = "any number"
    saturates: bool = False  # its slope vanishes far from zero on both sides
    steepest: str = ""  # its largest slope, where that is less than 1
    learns: bool = True  # False: the slope is 0 everywhere, so no gradient passes
    instead: str = ""  # the row that is like it and passes a gradient where this one is flat
    joint: Joint | None = None  # of one that takes the z of a whole layer
    also_text: str = ""  # the same in other words, options at their defaults
    places: tuple[Place, ...] = ("hidden",)  # on a toolbox page
    slope_calls: tuple[str, ...] = ()  # how notes write its slope without a prime: dRL(z)
    also_a_name: bool = False  # a word that files may use for a quantity

    @property
    def layerwise(self) -> bool:
        """Whether each output depends on every z of the layer, so that all units have the rule."""
        return self.joint is not None

    @property
    def bounded(self) -> bool:
        return self.low is not None and self.high is not None

    @property
    def formula(self) -> Formula:
        """The activation in `z` and its options. Softmax: of one unit among several."""
        return written(self.formula_text)

    @property
    def also(self) -> Formula | None:
        """The same written otherwise, options at their defaults. Softmax: of unit i of a layer."""
        if self.joint is not None:
            return self.joint.with_indices
        return instantiate(self.also_text, signed(self.options)) if self.also_text else None

    @property
    def slope(self) -> Formula:
        """∂a/∂z in `z`, `a` and the options, as taught."""
        return written(self.slope_text)

    @property
    def functions(self) -> tuple[Function, ...]:
        """f and f′ as formulas may call them."""
        if self.layerwise:
            return ()
        own = Function(
            self.name,
            1,
            1 + len(self.options),
            None,
            None,
            *spelling(self.symbol or self.name),
            aliases=self.calls,
            note=self._signature if self.options else "",
            definition=self.formula_text,
            stable=self.stable,
            slopes=() if self.learns else ("0",),
            bends=tuple((kink.quantity_text, kink.at_text) for kink in self.kinks),
            forms=self.forms,
            arguments=("z", *self.options),
            defaults=tuple(option.text for option in self.options.values()),
            also_a_name=self.also_a_name,
        )
        known = FUNCTIONS.get(self.name)
        if known is not None and known.primitive is not None:  # tanh is on every calculator
            own = replace(known, arguments=("z",), definition=self.formula_text, forms=self.forms)
        slope = slope_of(
            own,
            most=1 + len(self.options),
            definition=self.slope_text,
            stable=self.stable_slope,
        )
        return own, replace(slope, aliases=(*slope.aliases, *self.slope_calls))

    @property
    def _signature(self) -> str:
        options = ", ".join(f"{name} = {option.text}" for name, option in self.options.items())
        return f"{self.name}(z, {options})"

    def with_options(self, options: Mapping[str, Number]) -> dict[str, Number]:
        """Every option's value, the defaults filled in."""
        return {**self.options, **options}

    def formula_with(self, values: Mapping[str, Formula]) -> Formula:
        """The formula with anything for z and for options; the defaults fill in the rest."""
        every = {**signed(self.options), **values}
        return instantiate(_text(self, self.formula_text, every), every)

    def slope_of(
        self,
        z: Formula | str,
        a: Formula | str,
        options: Mapping[str, Number] = MappingProxyType({}),
    ) -> Formula:
        """The slope as taught for a sheet's own z and a, options as numbers."""
        values = {**signed(self.with_options(options)), "z": named(z), "a": named(a)}
        return instantiate(self.slope_text, values)

    def of_unit(
        self,
        j: int,
        zs: Sequence[Formula],
        options: Mapping[str, Number] = MappingProxyType({}),
    ) -> Formula:
        """The activation of unit j (from 0) of a layer as a sheet writes it."""
        if self.joint is not None:
            return self.joint.formula(j, zs)
        return zs[j] if self.name == "identity" else self.call(zs[j], options)

    def call(
        self, z: Formula | str, options: Mapping[str, Number] = MappingProxyType({})
    ) -> Formula:
        """The activation as a function: `sigmoid(z)`, `leaky_relu(z, 0.2)`."""
        return Call(self.name, (named(z), *self._arguments(options)))

    def slope_call(
        self, z: Formula | str, options: Mapping[str, Number] = MappingProxyType({})
    ) -> Formula:
        """The slope as a function: `sigmoid'(z)`, `leaky_relu'(z, 0.2)`."""
        return Call(f"{self.name}'", (named(z), *self._arguments(options)))

    def _arguments(self, options: Mapping[str, Number]) -> tuple[Formula, ...]:
        """Option values behind z, as far as they differ from the defaults."""
        chosen = self.with_options(options)
        if all(chosen[name].value == default.value for name, default in self.options.items()):
            return ()
        return tuple(signed(chosen).values())


def _text(rule: ActivationRule, text: str, values: Mapping[str, Formula]) -> str:
    """The step is written in two cases when its value at the threshold is 0 or 1."""
    if rule.name == "step" and isinstance(middle := values["at_threshold"], Number):
        if middle.value == 1:
            return "1 if z >= threshold else 0"
        if middle.value == 0:
            return "1 if z > threshold else 0"
    return text


# Softmax, the rule that takes the scores of a whole layer


def softmax_formula(j: int, zs: Sequence[Formula]) -> Formula:
    """exp(z_j)/(exp(z_1) + … + exp(z_n)), as written; j counts from 0."""
    powers = tuple(Call("exp", (z,)) for z in zs)
    return Quotient(powers[j], total(*powers))


def softmax_numeric(j: int, zs: Sequence[Formula]) -> Formula:
    """The same value without overflow: exp(z_j − logsumexp(z_1, …, z_n))."""
    return Call("exp", (total(zs[j], negative(Call("logsumexp", tuple(zs)))),))


def softmax_slope(j: int, k: int, activations: Sequence[Formula]) -> Formula:
    """∂a_j/∂z_k: a_j(1 − a_j) for its own z, −a_j·a_k for another's; both count from 0."""
    if j == k:
        return substitute(written("a*(1 - a)"), {"a": activations[j]})
    return negative(product(activations[j], activations[k]))


def softmax_scores(formula: Formula) -> tuple[tuple[Formula, ...], int] | None:
    """The scores in e^z₁/(e^z₁ + e^z₂ + …), each a quantity of its own, and which is on top."""
    if not isinstance(formula, Quotient) or not isinstance(formula.denominator, Sum):
        return None
    own, *scores = map(_exponent, (formula.numerator, *formula.denominator.terms))
    zs = tuple(score for score in scores if score is not None)
    if own is None or own not in zs or len(set(zs)) != len(scores):
        return None
    return zs, zs.index(own)


def _exponent(formula: Formula) -> Name | None:
    match formula:
        case Call("exp", (Name() as z,)) | Power(Name("e"), Name() as z):
            return z
        case _:
            return None


SOFTMAX = Joint(
    softmax_formula,
    softmax_numeric,
    softmax_slope,
    softmax_scores,
    Quotient(Call("exp", (Name("z_i"),)), over("j", Call("exp", (Name("z_j"),)))),
)


_ROWS = (
    ActivationRule(
        "identity",
        "identity",
        formula_text="z",
        slope_text="1",
        use="output units for regression; in hidden units layers would collapse into one linear map",
        reason="The identity hands z on unchanged, so its slope is 1.",
        aliases=("linear", "none"),
        places=("regression",),
        symbol="id",
        calls=("linear", "id"),
    ),
    ActivationRule(
        "sigmoid",
        "sigmoid",
        formula_text="1/(1 + exp(-z))",
        slope_text="a*(1 - a)",
        use="output unit for two classes or for yes/no labels; hidden units in small or older networks",
        reason="The slope of σ can be read off its own output: σ(1 − σ), at most 1/4.",
        aliases=("logistic",),
        low=Number("0"),
        high=Number("1"),
        range="0 < a < 1",
        saturates=True,
        steepest="1/4",
        also_text="exp(z)/(exp(z) + 1)",
        places=("hidden", "two classes"),
        symbol="σ",
        calls=("sigma", "σ", "Sigmoid", "sig", "logistic"),
        slope_calls=("dsigmoid",),
        # Below −700 exp(−z) is out of range.
        stable="1/(1 + exp(-z)) if z > -700 else exp(z)",
        # a(1 − a) would lose all digits where a is next to 1.
        stable_slope="exp(-abs(z))/(1 + exp(-abs(z)))^2",
        forms=("1/(1 + e^(-z))", "exp(z)/(1 + exp(z))", "e^z/(1 + e^z)"),
    ),
    ActivationRule(
        "tanh",
        "tanh",
        formula_text="(exp(z) - exp(-z))/(exp(z) + exp(-z))",
        slope_text="1 - a^2",
        use="hidden units, recurrent networks; output units with targets from −1 to 1",
        reason="The slope of tanh can be read off its own output: 1 − tanh², at most 1.",
        low=Number("-1"),
        high=Number("1"),
        range="-1 < a < 1",
        saturates=True,
        also_text="2*sigmoid(2*z) - 1",
        places=("hidden", "two classes"),
        stable_slope="4*sigmoid'(2*z)",
        forms=(
            "(e^z - e^(-z))/(e^z + e^(-z))",
            "2*sigmoid(2*z) - 1",
            "(exp(2*z) - 1)/(exp(2*z) + 1)",
        ),
    ),
    ActivationRule(
        "relu",
        "ReLU",
        formula_text="z if z > 0 else 0",
        slope_text="1 if z > 0 else 0",
        use="hidden units, the usual choice; not for outputs unless the target cannot be negative",
        reason="A ReLU passes the gradient on where z > 0 and blocks it elsewhere.",
        kinks=(Kink("z", "0", "ReLU has no derivative at z = 0", "0 is used there"),),
        low=Number("0"),
        range="a >= 0",
        instead="leaky_relu",
        also_text="max(0, z)",
        symbol="ReLU",
        calls=("ReLU", "Relu", "RELU"),
        slope_calls=("dReLU", "dRelu", "drelu", "dRL"),
        # max(0, z) is none: at its tie each gets ½, at a ReLU's kink the slope is 0.
        forms=("z if z >= 0 else 0",),
    ),
    ActivationRule(
        "relu6",
        "ReLU6",
        formula_text="0 if z <= 0 else (z if z < 6 else 6)",
        slope_text="0 if z <= 0 else (1 if z < 6 else 0)",
        use="hidden units of small networks for phones, whose numbers have few bits",
        reason="A ReLU6 passes the gradient on where 0 < z < 6 and blocks it elsewhere.",
        kinks=(
            Kink("z", "0", "ReLU6 has no derivative at z = 0", "0 is used there"),
            Kink("z", "6", "ReLU6 has no derivative at z = 6", "0 is used there"),
        ),
        low=Number("0"),
        high=Number("6"),
        range="0 <= a <= 6",
        instead="leaky_relu",
        also_text="min(max(0, z), 6)",
        symbol="ReLU6",
        calls=("ReLU6", "Relu6"),
        also_a_name=True,
    ),
    ActivationRule(
        "leaky_relu",
        "leaky ReLU",
        formula_text="z if z > 0 else slope*z",
        slope_text="1 if z > 0 else slope",
        use="hidden units, where ReLUs die",
        reason="A leaky ReLU lets a small share of the gradient through where z < 0.",
        options=numbers(slope="0.01"),
        aliases=("leakyrelu", "lrelu"),
        kinks=(
            Kink(
                "z",
                "0",
                "Leaky ReLU has no derivative at z = 0",
                "the slope of its negative side is used there",
            ),
        ),
        also_text="max(slope*z, z)",
        symbol="LeakyReLU",
        calls=("LeakyReLU", "leakyrelu", "lrelu"),
    ),
    ActivationRule(
        "elu",
        "ELU",
        formula_text="z if z > 0 else alpha*(exp(z) - 1)",
        slope_text="1 if z > 0 else a + alpha",
        use="hidden units",
        reason="Where z < 0 the slope of ELU is α·exp(z), which is its own output plus α.",
        options=numbers(alpha="1"),
        kinks=(
            Kink(
                "z",
                "0",
                "ELU has slopes 1 and alpha on the two sides of z = 0",
                "alpha is used there",
            ),
        ),
        range="a > -alpha",
        also_text="max(0, z) + min(0, alpha*(exp(z) - 1))",
        symbol="ELU",
        calls=("ELU",),
        stable="z if z > 0 else alpha*expm1(z)",
        stable_slope="1 if z > 0 else alpha*exp(z)",
    ),
    ActivationRule(
        "softplus",
        "softplus",
        formula_text="log(1 + exp(z))",
        slope_text="sigmoid(z)",
        use="hidden units as a smooth ReLU; output units that must be positive",
        reason="The slope of softplus is the sigmoid.",
        low=Number("0"),
        range="a > 0",
        calls=("Softplus",),
        stable="(z if z > 0 else 0) + log1p(exp(-abs(z)))",
    ),
    ActivationRule(
        "swish",
        "swish",
        formula_text="z/(1 + exp(-z))",
        slope_text="a + sigmoid(z)*(1 - a)",
        use="hidden units of deep networks",
        reason="By the product rule on z·σ(z), the slope of swish is a + σ(z)(1 − a).",
        aliases=("silu",),
        range="a > -0.2785",
        also_text="z*sigmoid(z)",
        calls=("silu", "SiLU", "Swish"),
        stable="0 if z < -800 else z*sigmoid(z)",
        stable_slope="sigmoid(z) + (z*sigmoid'(z) if abs(z) < 800 else 0)",
        forms=("z*sigmoid(z)",),
    ),
    ActivationRule(
        "gelu",
        "GELU",
        formula_text="1/2*z*(1 + erf(z/sqrt(2)))",
        slope_text="1/2*(1 + erf(z/sqrt(2))) + z*exp(-z^2/2)/sqrt(2*pi)",
        use="hidden units of transformers",
        reason="GELU is z·Φ(z), so its slope is Φ(z) + z·φ(z) with the normal distribution Φ and its density φ.",
        range="a > -0.17",
        symbol="GELU",
        calls=("GELU",),
        variants={"approximate": "gelu_tanh"},
        stable="0 if z < -40 else z*erfc(-z/sqrt(2))/2",
        stable_slope="erfc(-z/sqrt(2))/2 + (z*exp(-z^2/2)/sqrt(2*pi) if abs(z) < 40 else 0)",
    ),
    ActivationRule(
        "gelu_tanh",
        "GELU by tanh",
        formula_text="1/2*z*(1 + tanh(sqrt(2/pi)*(z + 0.044715*z^3)))",
        slope_text="1/2*(1 + tanh(sqrt(2/pi)*(z + 0.044715*z^3)))"
        " + 1/2*z*tanh'(sqrt(2/pi)*(z + 0.044715*z^3))*sqrt(2/pi)*(1 + 0.134145*z^2)",
        use="hidden units of transformers, where the error function is too slow",
        reason="The bracket is nearly 2Φ(z), so the slope is nearly that of GELU: product rule, then the chain rule on tanh.",
        aliases=("gelu_approximate", "gelu_new"),
        symbol="GELUtanh",
        stable="0 if z < -40 else z*sigmoid(2*sqrt(2/pi)*(z + 0.044715*z^3))",
        stable_slope="sigmoid(2*sqrt(2/pi)*(z + 0.044715*z^3))"
        " + (2*z*sigmoid'(2*sqrt(2/pi)*(z + 0.044715*z^3))*sqrt(2/pi)*(1 + 0.134145*z^2)"
        " if abs(z) < 40 else 0)",
        range="a > -0.171",
        also_a_name=True,
    ),
    ActivationRule(
        "mish",
        "Mish",
        formula_text="z*tanh(ln(1 + exp(z)))",
        slope_text="tanh(softplus(z)) + z*sigmoid(z)*(1 - tanh(softplus(z))^2)",
        use="hidden units of deep networks",
        reason="By the product rule on z·tanh(softplus(z)): the slope of tanh is 1 − tanh², that of softplus is σ.",
        calls=("Mish",),
        also_a_name=True,
        stable="0 if z < -800 else z*tanh(softplus(z))",
        stable_slope="tanh(softplus(z)) + (z*sigmoid(z)*tanh'(softplus(z)) if abs(z) < 800 else 0)",
        forms=("z*tanh(softplus(z))",),
        range="a > -0.309",
        also_text="z*tanh(softplus(z))",
    ),
    ActivationRule(
        "selu",
        "SELU",
        formula_text="scale*z if z > 0 else scale*alpha*(exp(z) - 1)",
        slope_text="scale if z > 0 else a + scale*alpha",
        use="hidden units of deep networks without normalisation",
        reason="SELU is an ELU times a factor, both chosen so that layers keep mean 0 and variance 1.",
        options=numbers(alpha="1.6732632423543772", scale="1.0507009873554805"),
        ranges={"alpha": POSITIVE, "scale": POSITIVE},
        symbol="SELU",
        calls=("SELU",),
        also_a_name=True,
        stable="scale*z if z > 0 else scale*alpha*expm1(z)",
        stable_slope="scale if z > 0 else scale*alpha*exp(z)",
        kinks=(
            Kink(
                "z",
                "0",
                "SELU has slopes scale and scale·alpha on the two sides of z = 0",
                "scale·alpha is used there",
            ),
        ),
        range="a > -scale*alpha",
        also_text="scale*(max(0, z) + min(0, alpha*(exp(z) - 1)))",
    ),
    ActivationRule(
        "hard_sigmoid",
        "hard sigmoid",
        formula_text="0 if z <= -3 else (z/6 + 1/2 if z < 3 else 1)",
        slope_text="0 if z <= -3 else (1/6 if z < 3 else 0)",
        use="gates and yes/no units of small networks: a sigmoid without the exponential function",
        reason="Between −3 and 3 the hard sigmoid is a straight line of slope 1/6, beyond it is flat.",
        aliases=("hardsigmoid",),
        calls=("hardsigmoid", "HardSigmoid", "Hardsigmoid"),
        symbol="hardsigmoid",
        also_a_name=True,
        kinks=(
            Kink("z", "-3", "The hard sigmoid has no derivative at z = −3", "0 is used there"),
            Kink("z", "3", "The hard sigmoid has no derivative at z = 3", "0 is used there"),
        ),
        low=Number("0"),
        high=Number("1"),
        range="0 <= a <= 1",
        steepest="1/6",
        instead="sigmoid",
        also_text="min(max(z/6 + 1/2, 0), 1)",
    ),
    ActivationRule(
        "step",
        "step",
        formula_text="1 if z > threshold else (at_threshold if z == threshold else 0)",
        slope_text="0",
        use="perceptrons and truth tables; no gradient passes a step",
        reason="A step is flat, so its slope is 0 and no gradient passes: learn with the perceptron rule.",
        options=numbers(threshold="0", at_threshold="1"),
        aliases=("heaviside", "threshold", "binary_step"),
        kinks=(
            Kink(
                "z",
                "threshold",
                "The step jumps at its threshold",
                "0 is used as its slope there too",
            ),
        ),
        low=Number("0"),
        high=Number("1"),
        range="0 or 1",
        learns=False,
        places=("perceptron",),
        calls=("heaviside",),
    ),
    ActivationRule(
        "sign",
        "sign",
        formula_text="1 if z >= 0 else -1",
        slope_text="0",
        use="bipolar perceptrons; no gradient passes a step",
        reason="The bipolar step is flat, so its slope is 0 and no gradient passes: learn with the perceptron rule.",
        aliases=("sgn", "bipolar_step", "bipolar"),
        kinks=(
            Kink("z", "0", "The bipolar step jumps at z = 0", "0 is used as its slope there too"),
        ),
        low=Number("-1"),
        high=Number("1"),
        range="-1 or 1",
        learns=False,
        places=("perceptron",),
    ),
    ActivationRule(
        "softmax",
        "softmax",
        formula_text="exp(z)/(exp(z) + rest)",  # rest: the sum of exp(z_k) over the other units
        slope_text="a*(1 - a)",
        use="output layer for one class among several; its outputs sum to 1",
        reason="Each softmax output depends on every z of the layer: slope a(1 − a) on its own z, −a·aₖ on another's.",
        low=Number("0"),
        high=Number("1"),
        range="0 < a < 1, sum 1",
        saturates=True,
        joint=SOFTMAX,
        places=("several classes",),
    ),
)

BY_ANY_NAME: ByAnyName[ActivationRule] = ByAnyName(())

ACTIVATIONS: Mapping[str, ActivationRule] = MappingProxyType(BY_ANY_NAME.rows)


def add(*rows: ActivationRule) -> None:
    """Rows for the table; formulas may call them from now on."""
    for row in rows:
        BY_ANY_NAME.add(row)
        define(*row.functions)


add(*_ROWS)

find = BY_ANY_NAME.find
"""The row of a name or alias, however it is spelled."""
