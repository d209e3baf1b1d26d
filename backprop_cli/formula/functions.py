"""The closed table of functions a formula may call: every number a sheet holds comes from here.

The numeric implementations take floats and follow IEEE arithmetic: out of range is `inf`, not
defined is `nan`, and nothing raises. They are stable at extremes, so that σ(−1000) and log-loss
at saturation come out right. The exact ones take fractions and return None where the result is
not known to be rational.

At a kink the slopes follow the worksheets: ReLU′(0) = 0, leaky ReLU′(0) is its slope, ELU′(0) its
alpha (both from the left), |·|′(0) = 0, a clip passes nothing at its edges, and the slope of a step
is 0 everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

Numeric: TypeAlias = Callable[..., float]
Exact: TypeAlias = Callable[..., Fraction | None]

INF = math.inf
NAN = math.nan
ROOT_HALF = math.sqrt(0.5)
ROOT_TWO_PI = math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class Function:
    """One row: `fewest` to `most` arguments (None: any number), its arithmetic, its spellings."""

    name: str
    fewest: int
    most: int | None
    numeric: Numeric
    exact: Exact | None
    unicode: str
    latex: str
    typst: str
    aliases: tuple[str, ...] = ()
    note: str = ""
    definition: str = ""  # in other functions, of u0, u1, …: what high precision evaluates
    slopes: tuple[str, ...] = ()  # by u0, u1, …, where SymPy is not told otherwise
    also_a_name: bool = False  # a word that files may use for a quantity
    arguments: tuple[str, ...] = ()  # what they are called where `z`, or `x, y`, does not do

    @property
    def title(self) -> str:
        """As a sentence calls it."""
        return self.name

    @property
    def plain(self) -> str:
        return self.name

    @property
    def constant(self) -> bool:
        """Written without brackets: `pi`, `e`."""
        return self.most == 0


# --- numeric implementations: floats in, float out, never an exception ---------------------------


def exp(z: float) -> float:
    try:
        return math.exp(z)
    except OverflowError:
        return INF


def ln(z: float) -> float:
    if z > 0:
        return math.log(z)
    return -INF if z == 0 else NAN


def log1p(z: float) -> float:
    if z > -1:
        return math.log1p(z)
    return -INF if z == -1 else NAN


def sqrt(z: float) -> float:
    return math.sqrt(z) if z >= 0 else NAN


def log2(z: float) -> float:
    return math.log2(z) if 0 < z < INF else ln(z)


def log10(z: float) -> float:
    return math.log10(z) if 0 < z < INF else ln(z)


def exp2(z: float) -> float:
    try:
        return math.exp2(z)
    except OverflowError:
        return INF


def asin(z: float) -> float:
    return math.asin(z) if -1 <= z <= 1 else NAN


def acos(z: float) -> float:
    return math.acos(z) if -1 <= z <= 1 else NAN


def floor(z: float) -> float:
    return float(math.floor(z)) if math.isfinite(z) else z


def ceil(z: float) -> float:
    return float(math.ceil(z)) if math.isfinite(z) else z


def clip(z: float, low: float, high: float) -> float:
    return smallest(largest(z, low), high)


def clip_slope(z: float, low: float, high: float) -> float:
    if z != z or low != low or high != high:
        return NAN
    return 1.0 if low < z < high else 0.0


def sin(z: float) -> float:
    return math.sin(z) if math.isfinite(z) else NAN


def cos(z: float) -> float:
    return math.cos(z) if math.isfinite(z) else NAN


def tan(z: float) -> float:
    return math.tan(z) if math.isfinite(z) else NAN


def sinh(z: float) -> float:
    try:
        return math.sinh(z)
    except OverflowError:
        return math.copysign(INF, z)


def cosh(z: float) -> float:
    try:
        return math.cosh(z)
    except OverflowError:
        return INF


def largest(*values: float) -> float:
    result = values[0]
    for value in values:
        if value != value:
            return NAN
        if value > result:
            result = value
    return result


def smallest(*values: float) -> float:
    return -largest(*(-value for value in values))


def max_share(*values: float) -> float:
    """How much of ∂L/∂max reaches the first argument: all if it alone is largest, equal shares
    in a tie, else nothing."""
    top = largest(*values)
    if top != top:
        return NAN
    return 1.0 / values.count(top) if values[0] == top else 0.0


def min_share(*values: float) -> float:
    return max_share(*(-value for value in values))


def logsumexp(*values: float) -> float:
    top = largest(*values)
    if not math.isfinite(top):
        return top
    return top + math.log(sum(math.exp(value - top) for value in values))


def sigmoid(z: float) -> float:
    if z >= 0:
        return 1.0 / (1.0 + math.exp(-z))
    small = math.exp(z)
    return small / (1.0 + small)


def sigmoid_slope(z: float) -> float:
    # a·(1 − a) would lose all digits where a is next to 1.
    small = math.exp(-abs(z))
    return small / ((1.0 + small) * (1.0 + small))


def tanh_slope(z: float) -> float:
    small = math.exp(-2.0 * abs(z))
    return 4.0 * small / ((1.0 + small) * (1.0 + small))


def relu(z: float) -> float:
    return 0.0 if z <= 0 else z


def relu_slope(z: float) -> float:
    return (1.0 if z > 0 else 0.0) if z == z else NAN


def relu6(z: float) -> float:
    return clip(z, 0.0, 6.0)


def relu6_slope(z: float) -> float:
    return clip_slope(z, 0.0, 6.0)


def leaky_relu(z: float, slope: float = 0.01) -> float:
    return z if z > 0 else slope * z


def leaky_relu_slope(z: float, slope: float = 0.01) -> float:
    return (1.0 if z > 0 else slope) if z == z else NAN


def elu(z: float, alpha: float = 1.0) -> float:
    return z if z > 0 else alpha * math.expm1(z)


def elu_slope(z: float, alpha: float = 1.0) -> float:
    return 1.0 if z > 0 else alpha * math.exp(z)


def softplus(z: float) -> float:
    return (z if z > 0 else 0.0) + math.log1p(math.exp(-abs(z)))


def swish(z: float) -> float:
    return 0.0 if z == -INF else z * sigmoid(z)


def swish_slope(z: float) -> float:
    return sigmoid(z) + (0.0 if math.isinf(z) else z * sigmoid_slope(z))


def erf(z: float) -> float:
    return math.erf(z)


def gelu(z: float) -> float:
    return 0.0 if z == -INF else 0.5 * z * math.erfc(-z * ROOT_HALF)


def gelu_slope(z: float) -> float:
    bell = 0.0 if math.isinf(z) else z * math.exp(-0.5 * z * z) / ROOT_TWO_PI
    return 0.5 * math.erfc(-z * ROOT_HALF) + bell


def step(z: float, threshold: float = 0.0, at_threshold: float = 1.0) -> float:
    if z == threshold:
        return at_threshold
    return (1.0 if z > threshold else 0.0) if z == z and threshold == threshold else NAN


def sign(z: float, at_zero: float = 1.0) -> float:
    if z == 0:
        return at_zero
    return (1.0 if z > 0 else -1.0) if z == z else NAN


def abs_slope(z: float) -> float:
    return sign(z, 0.0)


def flat(z: float, *options: float) -> float:
    return 0.0 if z == z else NAN


# --- exact implementations: fractions in, fraction or None out -----------------------------------


def _at(point: int, value: Fraction) -> Exact:
    """Rational at one point only: exp(0) = 1, σ(0) = ½."""

    def exact(z: Fraction) -> Fraction | None:
        return value if z == point else None

    return exact


def _exact_log(base: int) -> Exact:
    """Rational at the whole powers of the base."""

    def exact(z: Fraction) -> Fraction | None:
        if z <= 0:
            return None
        large = max(z.numerator, z.denominator)
        power = round(math.log(large, base))
        if min(z.numerator, z.denominator) != 1 or base**power != large:
            return None
        return Fraction(power if z >= 1 else -power)

    return exact


def _exact_exp2(z: Fraction) -> Fraction | None:
    return Fraction(2) ** int(z) if z.denominator == 1 and abs(z) <= _LARGEST_POWER else None


def _exact_floor(z: Fraction) -> Fraction:
    return Fraction(math.floor(z))


def _exact_ceil(z: Fraction) -> Fraction:
    return Fraction(math.ceil(z))


def _exact_clip(z: Fraction, low: Fraction, high: Fraction) -> Fraction:
    return min(max(z, low), high)


def _exact_clip_slope(z: Fraction, low: Fraction, high: Fraction) -> Fraction:
    return Fraction(1 if low < z < high else 0)


def _exact_relu6(z: Fraction) -> Fraction:
    return _exact_clip(z, _ZERO, _SIX)


def _exact_relu6_slope(z: Fraction) -> Fraction:
    return _exact_clip_slope(z, _ZERO, _SIX)


def _exact_sqrt(z: Fraction) -> Fraction | None:
    if z < 0:
        return None
    top, bottom = math.isqrt(z.numerator), math.isqrt(z.denominator)
    whole = top * top == z.numerator and bottom * bottom == z.denominator
    return Fraction(top, bottom) if whole else None


def _exact_max_share(*values: Fraction) -> Fraction:
    top = max(values)
    return Fraction(1, values.count(top)) if values[0] == top else Fraction(0)


def _exact_min_share(*values: Fraction) -> Fraction:
    return _exact_max_share(*(-value for value in values))


def _exact_relu(z: Fraction) -> Fraction:
    return z if z > 0 else Fraction(0)


def _exact_relu_slope(z: Fraction) -> Fraction:
    return Fraction(1 if z > 0 else 0)


def _exact_leaky_relu(z: Fraction, slope: Fraction = Fraction(1, 100)) -> Fraction:
    return z if z > 0 else slope * z


def _exact_leaky_relu_slope(z: Fraction, slope: Fraction = Fraction(1, 100)) -> Fraction:
    return Fraction(1) if z > 0 else slope


def _exact_elu(z: Fraction, alpha: Fraction = Fraction(1)) -> Fraction | None:
    return z if z >= 0 else None


def _exact_elu_slope(z: Fraction, alpha: Fraction = Fraction(1)) -> Fraction | None:
    if z > 0:
        return Fraction(1)
    return alpha if z == 0 else None


def _exact_step(
    z: Fraction, threshold: Fraction = Fraction(0), at_threshold: Fraction = Fraction(1)
) -> Fraction:
    if z == threshold:
        return at_threshold
    return Fraction(1 if z > threshold else 0)


def _exact_sign(z: Fraction, at_zero: Fraction = Fraction(1)) -> Fraction:
    if z == 0:
        return at_zero
    return Fraction(1 if z > 0 else -1)


def _exact_abs_slope(z: Fraction) -> Fraction:
    return _exact_sign(z, Fraction(0))


def _exact_flat(z: Fraction, *options: Fraction) -> Fraction:
    return Fraction(0)


def _exact_one(z: Fraction) -> Fraction:
    return Fraction(1)


def _exact_identity(z: Fraction) -> Fraction:
    return z


def _exact_max(*values: Fraction) -> Fraction:
    return max(values)


def _exact_min(*values: Fraction) -> Fraction:
    return min(values)


# --- the table -----------------------------------------------------------------------------------


def _word(word: str) -> tuple[str, str, str]:
    """Spellings of a function written as an upright word."""
    escaped = word.replace("_", r"\_")
    return (word, rf"\mathrm{{{escaped}}}", f'"{word}"')


def _usual(word: str) -> tuple[str, str, str]:
    """Spellings of a function that LaTeX and Typst know by the same word."""
    return (word, rf"\{word}", word)


_HALF = Fraction(1, 2)
_QUARTER = Fraction(1, 4)
_ZERO = Fraction(0)
_ONE = Fraction(1)
_SIX = Fraction(6)
_LARGEST_POWER = 256  # of 2 that is written out


def _identity(z: float) -> float:
    return z


def _one(z: float) -> float:
    return 1.0 if z == z else NAN


def _pi() -> float:
    return math.pi


def _e() -> float:
    return math.e


PLAIN_FUNCTIONS = (
    Function("pi", 0, 0, _pi, None, "π", r"\pi", "pi", note="the circle's circumference over its diameter"),
    Function("e", 0, 0, _e, None, "e", "e", "e", note="the base of the natural logarithm"),
    Function("exp", 1, 1, exp, _at(0, _ONE), *_usual("exp"), note="e to the power z"),
    Function("ln", 1, 1, ln, _at(1, _ZERO), *_usual("ln"), aliases=("log",),
             note="the natural logarithm; `log2` and `log10` have other bases"),
    Function("log1p", 1, 1, log1p, _at(0, _ZERO), *_word("log1p"), note="ln(1 + z)"),
    Function("sqrt", 1, 1, sqrt, _exact_sqrt, "√", r"\sqrt", "sqrt", note="the square root"),
    Function("abs", 1, 1, abs, abs, *_word("abs"), note="the size without the sign"),
    Function("max", 1, None, largest, _exact_max, *_usual("max"), note="the largest of any number of values"),
    Function("min", 1, None, smallest, _exact_min, *_usual("min"), note="the smallest of any number of values"),
    Function("max_share", 1, None, max_share, _exact_max_share, *_word("share of max"),
             note="share of the gradient of max that goes to the first argument"),
    Function("min_share", 1, None, min_share, _exact_min_share, *_word("share of min"),
             note="share of the gradient of min that goes to the first argument"),
    Function("sin", 1, 1, sin, _at(0, _ZERO), *_usual("sin"), note="the sine of an angle in radians"),
    Function("cos", 1, 1, cos, _at(0, _ONE), *_usual("cos"), note="the cosine"),
    Function("tan", 1, 1, tan, _at(0, _ZERO), *_usual("tan"), note="the tangent"),
    Function("sinh", 1, 1, sinh, _at(0, _ZERO), *_usual("sinh"), note="the hyperbolic sine"),
    Function("cosh", 1, 1, cosh, _at(0, _ONE), *_usual("cosh"), note="the hyperbolic cosine"),
    Function("log2", 1, 1, log2, _exact_log(2), "log₂", r"\log_{2}", "log_2",
             note="to the base 2", definition="ln(u0)/ln(2)", slopes=("1/(u0*ln(2))",),
             also_a_name=True),
    Function("log10", 1, 1, log10, _exact_log(10), "log₁₀", r"\log_{10}", "log_10",
             note="to the base 10", definition="ln(u0)/ln(10)", slopes=("1/(u0*ln(10))",),
             also_a_name=True),
    Function("exp2", 1, 1, exp2, _exact_exp2, *_word("exp2"), note="2^z",
             definition="2^u0", slopes=("exp2(u0)*ln(2)",), also_a_name=True),
    Function("asin", 1, 1, asin, _at(0, _ZERO), "arcsin", r"\arcsin", "arcsin",
             aliases=("arcsin",), note="the angle whose sine is z", slopes=("1/sqrt(1 - u0^2)",), also_a_name=True),
    Function("acos", 1, 1, acos, _at(1, _ZERO), "arccos", r"\arccos", "arccos",
             aliases=("arccos",), note="the angle whose cosine is z", slopes=("-1/sqrt(1 - u0^2)",), also_a_name=True),
    Function("atan", 1, 1, math.atan, _at(0, _ZERO), "arctan", r"\arctan", "arctan",
             aliases=("arctan",), note="the angle whose tangent is z", slopes=("1/(1 + u0^2)",), also_a_name=True),
    Function("atan2", 2, 2, math.atan2, None, *_word("atan2"), aliases=("arctan2",),
             note="the angle of the point (x, y)", arguments=("y", "x"),
             slopes=("u1/(u0^2 + u1^2)", "-u0/(u0^2 + u1^2)"), also_a_name=True),
    Function("floor", 1, 1, floor, _exact_floor, *_word("floor"),
             note="the next whole number below; its slope is 0", slopes=("0",), also_a_name=True),
    Function("ceil", 1, 1, ceil, _exact_ceil, *_word("ceil"), aliases=("ceiling",),
             note="the next whole number above; its slope is 0", slopes=("0",), also_a_name=True),
    Function("stop", 1, 1, _identity, _exact_identity, *_word("stop"),
             aliases=("stop_gradient", "stopgrad", "detach"),
             note="stop(x) is x, and passes no gradient back",
             definition="u0", slopes=("0",), also_a_name=True),
    Function("clip", 3, 3, clip, _exact_clip, *_word("clip"), aliases=("clamp",),
             note="z held between low and high", arguments=("z", "low", "high"),
             definition="min(max(u0, u1), u2)",
             slopes=("clip'(u0, u1, u2)", "relu'(u1 - u0)", "relu'(u0 - u2)"),
             also_a_name=True),
    Function("erf", 1, 1, erf, _at(0, _ZERO), *_word("erf"), note="the error function of the normal distribution"),
    Function("logsumexp", 1, None, logsumexp, None, *_word("logsumexp"),
             note="ln of the sum of exponentials"),
)  # fmt: skip

ACTIVATION_FUNCTIONS = (
    Function("identity", 1, 1, _identity, _exact_identity, *_word("id"), aliases=("linear", "id")),
    Function("sigmoid", 1, 1, sigmoid, _at(0, _HALF), "σ", r"\sigma", "σ",
             aliases=("sigma", "σ", "Sigmoid", "sig", "logistic")),
    Function("tanh", 1, 1, math.tanh, _at(0, _ZERO), *_usual("tanh"), aliases=("Tanh",)),
    Function("relu", 1, 1, relu, _exact_relu, *_word("ReLU"), aliases=("ReLU", "Relu", "RELU")),
    Function("relu6", 1, 1, relu6, _exact_relu6, *_word("ReLU6"), aliases=("ReLU6", "Relu6"),
             definition="min(max(u0, 0), 6)", slopes=("relu6'(u0)",), also_a_name=True),
    Function("leaky_relu", 1, 2, leaky_relu, _exact_leaky_relu, *_word("LeakyReLU"),
             aliases=("LeakyReLU", "leakyrelu", "lrelu"), note="leaky_relu(z, slope = 0.01)"),
    Function("elu", 1, 2, elu, _exact_elu, *_word("ELU"), aliases=("ELU",),
             note="elu(z, alpha = 1)"),
    Function("softplus", 1, 1, softplus, None, *_word("softplus"), aliases=("Softplus",)),
    Function("swish", 1, 1, swish, _at(0, _ZERO), *_word("swish"),
             aliases=("silu", "SiLU", "Swish")),
    Function("gelu", 1, 1, gelu, _at(0, _ZERO), *_word("GELU"), aliases=("GELU",)),
    Function("step", 1, 3, step, _exact_step, *_word("step"), aliases=("heaviside",),
             note="step(z, threshold = 0, at_threshold = 1): 1 from the threshold on, else 0"),
    Function("sign", 1, 2, sign, _exact_sign, *_word("sign"), aliases=("sgn",),
             note="sign(z, at_zero = 1), the bipolar step: 1 from 0 on, else -1"),
)  # fmt: skip

_SLOPES: tuple[tuple[str, Numeric, Exact | None], ...] = (
    ("identity", _one, _exact_one),
    ("sigmoid", sigmoid_slope, _at(0, _QUARTER)),
    ("tanh", tanh_slope, _at(0, _ONE)),
    ("relu", relu_slope, _exact_relu_slope),
    ("leaky_relu", leaky_relu_slope, _exact_leaky_relu_slope),
    ("elu", elu_slope, _exact_elu_slope),
    ("softplus", sigmoid, _at(0, _HALF)),
    ("swish", swish_slope, _at(0, _HALF)),
    ("gelu", gelu_slope, _at(0, _HALF)),
    ("step", flat, _exact_flat),
    ("sign", flat, _exact_flat),
    ("abs", abs_slope, _exact_abs_slope),
    ("relu6", relu6_slope, _exact_relu6_slope),
    ("clip", clip_slope, _exact_clip_slope),
)

# Slopes that high precision evaluates by a formula; each is flat itself.
_SLOPE_DEFINITIONS = {
    "relu6": "0 if u0 <= 0 else (1 if u0 < 6 else 0)",
    "clip": "0 if u0 <= u1 else (1 if u0 < u2 else 0)",
}


# How notes write a slope without a prime: dRL(z) for ReLU′(z).
_SLOPE_ALIASES = {"relu": ("dReLU", "dRelu", "drelu", "dRL"), "sigmoid": ("dsigmoid",)}


def _slope(of: Function, numeric: Numeric, exact: Exact | None) -> Function:
    return Function(
        of.name + "'",
        of.fewest,
        of.most,
        numeric,
        exact,
        of.unicode + "′",
        of.latex + "'",
        of.typst + "'",
        aliases=(*(alias + "'" for alias in of.aliases), *_SLOPE_ALIASES.get(of.name, ())),
        note=f"the slope of {of.name}",
        definition=_SLOPE_DEFINITIONS.get(of.name, ""),
        slopes=("0",) if of.name in _SLOPE_DEFINITIONS else (),
    )


_BY_NAME = {row.name: row for row in PLAIN_FUNCTIONS + ACTIVATION_FUNCTIONS}

ROWS: tuple[Function, ...] = (
    *_BY_NAME.values(),
    *(_slope(_BY_NAME[name], numeric, exact) for name, numeric, exact in _SLOPES),
)

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {row.name: row for row in ROWS} | {alias: row for row in ROWS for alias in row.aliases}
)
"""Every function by its name and by what students also call it; `row.name` is the plain name."""


SUMS: Mapping[str, str] = {"sum_i": "ᵢ", "sum_j": "ⱼ"}
"""A sum over an index that a rule of general form is written with: Σⱼ exp(zⱼ)."""


def _undefined(*values: float) -> float:
    return NAN


@lru_cache(maxsize=64)
def spelled(name: str) -> Function:
    """How a function is written. No formula of a file can call softmax of a whole column, or the g
    of a layer whose units differ, but a sheet in matrices writes both: by their own names."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    if name in SUMS:
        sign = f"Σ{SUMS[name]}"
        return Function(name, 1, 1, _undefined, None, sign, rf"\sum_{name[-1]}", f"sum_{name[-1]}")
    letter = name.rstrip("'")
    row = Function(letter, 1, None, _undefined, None, *_word(letter))
    if len(letter) == 1:
        row = replace(row, latex=letter, typst=letter)
    return row if letter == name else _slope(row, _undefined, None)
