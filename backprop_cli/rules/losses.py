"""The losses: one row each. A loss is a factor times the sum of one term per output.

`term` and `slope` are in `y` (target), `yhat` (output), `m` (number of outputs) and the row's
options; `slope` is ∂L/∂ŷ of one output as it is taught. A test proves each slope from its term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from types import MappingProxyType
from typing import Literal, TypeAlias

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.build import ONE, ZERO, negative, product, total
from backprop_cli.formula.nodes import Call, Formula, Name, Number, Quotient
from backprop_cli.rules.written import (
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    ByAnyName,
    Kink,
    Range,
    instantiate,
    named,
    numbers,
    signed,
    written,
)

Kind: TypeAlias = Literal["numbers", "probabilities", "distribution", "signs", "counts"]
"""What targets are: any numbers; 0, 1 or between; the same with the sum 1; −1 or 1; 0 or more."""


@dataclass(frozen=True)
class Combination:
    """What a loss comes to on the outputs of one activation.

    `slope` is ∂L/∂z where the two cancel; `stable` the share of one output in the loss, in `z` or,
    where an output depends on the whole layer, in `surprise`, −ln ŷ.
    """

    activation: str
    stable: str
    slope_text: str | None = None  # in y and yhat
    general_text: str | None = (
        None  # in y, yhat and `targets` (their sum), if they need not sum to 1
    )
    reason: str = ""
    loss: str = ""  # as its row says

    @property
    def slope(self) -> Formula:
        assert self.slope_text is not None
        return written(self.slope_text)


@dataclass(frozen=True)
class LossRule:
    name: str
    title: str
    term_text: str
    slope_text: str  # without the factor that depends on m, see `per_output`
    use: str
    reason: str
    factor: Number | Quotient | None = None  # 1/2 in front of the sum
    minus: bool = False  # the sum stands behind a minus sign
    per_output: bool = False  # the sum is divided by the number of outputs
    slope_factor: int = 1  # number in front of the slope, divided by m where `per_output`
    options: Mapping[str, Number] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)  # of options, if not any number
    aliases: tuple[str, ...] = ()
    kinks: tuple[Kink, ...] = ()
    targets: Kind = "numbers"
    place: Literal["regression", "two classes", "several classes"] = "regression"
    output: str | None = None  # the activation that keeps ŷ where its logarithm exists
    low: int | None = None  # bounds of ŷ
    high: int | None = None
    saturated_text: str | None = None  # the slope where ŷ may be exactly 0 or 1: no 0/0
    combines: tuple[Combination, ...] = ()

    @property
    def target_note(self) -> str:
        return _TARGETS[self.targets]

    @property
    def term(self) -> Formula:
        """One output's share, without the factor in front."""
        return written(self.term_text)

    @property
    def slope(self) -> Formula:
        """∂L/∂ŷ for one output, factors included, with `m` left as a name."""
        slope = written(self.slope_text)
        if not self.per_output:
            return slope
        return product(Quotient(Number(str(self.slope_factor)), Name("m")), slope)

    def with_options(self, options: Mapping[str, Number]) -> dict[str, Number]:
        return {**self.options, **options}


_TARGETS: Mapping[Kind, str] = {
    "numbers": "targets are any numbers",
    "probabilities": "targets are 0 or 1, or probabilities between",
    "distribution": "targets are one-hot or class probabilities, which sum to 1",
    "signs": "targets are −1 or 1",
    "counts": "targets are counts, 0 or more",
}

_ROWS = (
    LossRule(
        "squared_error",
        "squared error",
        term_text="(y - yhat)^2",
        slope_text="-2*(y - yhat)",
        use="regression",
        reason="The 2 comes from the square, the minus from the inner derivative of y − ŷ.",
        aliases=("sse", "sum_squared_error", "se"),
    ),
    LossRule(
        "half_squared_error",
        "half the squared error",
        term_text="(y - yhat)^2",
        slope_text="yhat - y",
        factor=Quotient(Number("1"), Number("2")),
        use="regression",
        reason="The ½ is there to cancel the 2 of the square, which leaves ŷ − y.",
        aliases=("half_sse", "half_mse"),
    ),
    LossRule(
        "mean_squared_error",
        "mean squared error",
        term_text="(y - yhat)^2",
        slope_text="yhat - y",
        slope_factor=2,
        per_output=True,
        use="regression",
        reason="The mean over the m outputs puts 2/m in front of ŷ − y.",
        aliases=("mse",),
    ),
    LossRule(
        "binary_cross_entropy",
        "binary cross-entropy",
        term_text="y*log(yhat) + (1 - y)*log(1 - yhat)",
        slope_text="-y/yhat + (1 - y)/(1 - yhat)",
        minus=True,
        use="two classes or independent yes/no labels, with sigmoid outputs",
        reason="With a sigmoid output the fractions cancel and ∂L/∂z is just ŷ − y.",
        aliases=("bce", "log_loss"),
        targets="probabilities",
        output="sigmoid",
        low=0,
        high=1,
        saturated_text="(0 if y == 0 else -y/yhat) + (0 if y == 1 else (1 - y)/(1 - yhat))",
        place="two classes",
        combines=(
            Combination(
                "sigmoid",
                stable="y*softplus(-z) + (1 - y)*softplus(z)",
                slope_text="yhat - y",
                reason="The slope of the cross-entropy and the slope ŷ(1 − ŷ) of the sigmoid cancel.",
            ),
        ),
    ),
    LossRule(
        "cross_entropy",
        "cross-entropy",
        term_text="y*log(yhat)",
        slope_text="-y/yhat",
        minus=True,
        use="one class among several, with softmax outputs",
        reason="With a softmax layer the sum over the outputs collapses and ∂L/∂z is just ŷ − y.",
        aliases=("ce", "categorical_cross_entropy"),
        targets="distribution",
        output="softmax",
        low=0,
        high=1,
        saturated_text="0 if y == 0 else -y/yhat",
        place="several classes",
        combines=(
            Combination(
                "sigmoid",
                stable="y*softplus(-z)",
                slope_text="-y*(1 - yhat)",
                reason="The fraction of the cross-entropy cancels one factor of ŷ(1 − ŷ).",
            ),
            Combination(
                "softmax",
                stable="y*surprise",
                slope_text="yhat - y",
                general_text="yhat*targets - y",
                reason="Summed over the outputs, the slopes of cross-entropy and softmax cancel, since the targets sum to 1.",
            ),
        ),
    ),
    LossRule(
        "absolute_error",
        "absolute error",
        term_text="abs(y - yhat)",
        slope_text="1 if yhat > y else (-1 if yhat < y else 0)",
        use="regression with outliers",
        reason="The absolute error pulls with the same force however large the error is: only its sign counts.",
        aliases=("l1", "sae"),
        kinks=(
            Kink(
                "yhat", "y", "The absolute error has no derivative where ŷ = y", "0 is used there"
            ),
        ),
    ),
    LossRule(
        "huber",
        "Huber loss",
        term_text="1/2*(y - yhat)^2 if abs(y - yhat) <= delta else delta*(abs(y - yhat) - 1/2*delta)",
        slope_text="yhat - y if abs(y - yhat) <= delta else (delta if yhat > y else -delta)",
        use="regression with outliers",
        reason="Within delta the Huber loss is half the squared error, beyond it grows with constant slope.",
        options=numbers(delta="1"),
        ranges={"delta": POSITIVE},
    ),
    LossRule(
        "log_cosh",
        "log-cosh",
        term_text="ln(cosh(yhat - y))",
        slope_text="tanh(yhat - y)",
        use="regression with outliers, smooth everywhere",
        reason="The slope of ln cosh is tanh: like the error itself where it is small, at most 1 where it is large.",
        aliases=("logcosh",),
    ),
    LossRule(
        "poisson",
        "Poisson loss",
        term_text="yhat - y*ln(yhat)",
        slope_text="1 - y/yhat",
        use="counts, with outputs that are positive",
        reason="The slope 1 − y/ŷ is 0 where the output is the count itself, and steep where a count was thought unlikely.",
        aliases=("poisson_nll",),
        targets="counts",
        output="softplus",
        low=0,
        saturated_text="1 - (0 if y == 0 else y/yhat)",
    ),
    LossRule(
        "focal",
        "focal loss",
        term_text="alpha*y*(1 - yhat)^gamma*ln(yhat) + (1 - alpha)*(1 - y)*yhat^gamma*ln(1 - yhat)",
        slope_text="-alpha*y*(1 - yhat)^gamma*(1/yhat - gamma*ln(yhat)/(1 - yhat))"
        " + (1 - alpha)*(1 - y)*yhat^gamma*(1/(1 - yhat) - gamma*ln(1 - yhat)/yhat)",
        minus=True,
        use="two classes of which one is rare, with sigmoid outputs",
        reason="The factor (1 − ŷ)^γ makes little of what is right already; α weighs the two classes.",
        options=numbers(gamma="2", alpha="0.25"),
        ranges={"gamma": NOT_NEGATIVE, "alpha": SHARE},
        aliases=("focal_loss", "binary_focal"),
        targets="probabilities",
        output="sigmoid",
        low=0,
        high=1,
        place="two classes",
        # Where y = 1 and ŷ = 1 the bracket is 0/0: what is left is −α for γ = 0, else 0.
        saturated_text="(0 if y == 0 else -alpha*y*0^gamma if yhat == 1 else"
        " -alpha*y*(1 - yhat)^gamma*(1/yhat - gamma*ln(yhat)/(1 - yhat)))"
        " + (0 if y == 1 else (1 - alpha)*(1 - y)*0^gamma if yhat == 0 else"
        " (1 - alpha)*(1 - y)*yhat^gamma*(1/(1 - yhat) - gamma*ln(1 - yhat)/yhat))",
        combines=(
            Combination(
                "sigmoid",
                stable="alpha*y*sigmoid(-z)^gamma*softplus(-z)"
                " + (1 - alpha)*(1 - y)*sigmoid(z)^gamma*softplus(z)",
            ),
        ),
    ),
    LossRule(
        "hinge",
        "hinge loss",
        term_text="max(0, 1 - y*yhat)",
        slope_text="-y if y*yhat < 1 else 0",
        use="two classes with targets −1 and 1, linear output",
        reason="Once an example is on the right side by a margin of 1 the hinge loss lets go of it.",
        kinks=(
            Kink(
                "y*yhat", "1", "The hinge loss has no derivative where y·ŷ = 1", "0 is used there"
            ),
        ),
        targets="signs",
        place="two classes",
    ),
)


BY_ANY_NAME: ByAnyName[LossRule] = ByAnyName((), behind="loss")

LOSSES: Mapping[str, LossRule] = MappingProxyType(BY_ANY_NAME.rows)


_NO_OPTIONS: Mapping[str, Number] = MappingProxyType({})


find = BY_ANY_NAME.find
"""The row of a name or alias, however it is spelled."""


def _share(numerator: int, m: int) -> Formula:
    """numerator/m in lowest terms, 1 where they cancel."""
    share = Fraction(numerator, m)
    top = Number(str(share.numerator))
    return top if share.denominator == 1 else Quotient(top, Number(str(share.denominator)))


def _of_one(
    rule: LossRule,
    text: str,
    output: Formula | str,
    target: Formula | str,
    options: Mapping[str, Number],
) -> Formula:
    """What a row says of one output and its target."""
    values = {"y": named(target), "yhat": named(output), **signed(rule.with_options(options))}
    return instantiate(text, values)


def loss_of_arrays(
    rule: LossRule, output: Formula, target: Formula, options: Mapping[str, Number]
) -> Formula:
    """The whole loss of an array of outputs, entry by entry, as a formula between arrays."""
    term = _of_one(rule, rule.term_text, output, target, options)
    whole: Formula = Call("mean" if rule.per_output else "sum", (term,))
    whole = negative(whole) if rule.minus else whole
    return whole if rule.factor is None else product(rule.factor, whole)


def loss_formula(
    rule: LossRule,
    outputs: Sequence[Formula | str],
    targets: Sequence[Formula | str],
    options: Mapping[str, Number] = _NO_OPTIONS,
) -> Formula:
    """The loss of one sample as written: `1/2*((y1 - yhat1)^2 + (y2 - yhat2)^2)`."""
    pairs = zip(outputs, targets, strict=True)
    terms = [_of_one(rule, rule.term_text, *pair, options) for pair in pairs]
    factor: Formula = rule.factor or (_share(1, len(terms)) if rule.per_output else ONE)
    written_out = product(factor, total(*terms))
    return negative(written_out) if rule.minus else written_out


def loss_slope(
    rule: LossRule,
    output: Formula | str,
    target: Formula | str,
    m: int = 1,
    options: Mapping[str, Number] = _NO_OPTIONS,
) -> Formula:
    """∂L/∂ŷ of one of m outputs, as taught."""
    slope = _of_one(rule, rule.slope_text, output, target, options)
    return product(_share(rule.slope_factor, m), slope) if rule.per_output else slope


def saturated_slope(
    rule: LossRule,
    output: Formula | str,
    target: Formula | str,
    options: Mapping[str, Number] = _NO_OPTIONS,
) -> Formula | None:
    """∂L/∂ŷ in a form that is right at ŷ = 0 and 1: a term whose target is 0 is not there, however
    small the ŷ below it. None where the slope as taught is never 0/0."""
    text = rule.saturated_text
    return None if text is None else _of_one(rule, text, output, target, options)


COMBINED: dict[tuple[str, str], Combination] = {}
"""By loss and activation, where their slopes cancel."""


def add(*rows: LossRule) -> None:
    """Rows for the table."""
    for row in rows:
        BY_ANY_NAME.add(row)
        for each in row.combines:
            if each.slope_text is not None:
                COMBINED[row.name, each.activation] = replace(each, loss=row.name)


add(*_ROWS)


def combined_slope(
    loss: str,
    activation: str,
    output: Formula | str,
    target: Formula | str,
    targets: Sequence[Formula | str] = (),
    *,
    targets_sum_to_one: bool = True,
) -> Formula | None:
    """∂L/∂z of one output unit where loss and activation cancel, else None.

    `targets` are all targets of the sample; they are written where their sum need not be 1.
    """
    if (row := COMBINED.get((loss, activation))) is None:
        return None
    text = row.slope_text if targets_sum_to_one or not row.general_text else row.general_text
    assert text is not None
    return instantiate(
        text,
        {"y": named(target), "yhat": named(output), "targets": total(*map(named, targets))},
    )


# Differences z_k − z_j keep digits that logsumexp(z) − z_j loses; beyond this many outputs
# the quadratic number of them is not worth it.
_MANY_OUTPUTS = 16


def stable(
    rule: LossRule,
    activation: str,
    zs: Sequence[Formula | str],
    ys: Sequence[Formula | str],
    options: Mapping[str, Number] = _NO_OPTIONS,
) -> Formula | None:
    """The loss in terms of the pre-activations, equal to the written one and right at extremes.
    None where its row has no such form for this activation: the written form is evaluated."""
    row = next((each for each in rule.combines if each.activation == activation), None)
    if row is None:
        return None
    scores = [named(z) for z in zs]
    known = signed(rule.with_options(options))
    shares = []
    for own, (y, z) in enumerate(zip(ys, scores, strict=True)):
        values = {**known, "y": named(y), "z": z, "surprise": _minus_log_softmax(own, scores)}
        shares.append(instantiate(row.stable, values))
    return total(*shares)


def _minus_log_softmax(j: int, zs: Sequence[Formula]) -> Formula:
    if len(zs) > _MANY_OUTPUTS:
        return total(Call("logsumexp", tuple(zs)), negative(zs[j]))
    own = zs[j]
    differences = tuple(ZERO if k == j else total(z, negative(own)) for k, z in enumerate(zs))
    return Call("logsumexp", differences)
