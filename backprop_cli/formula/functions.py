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
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar, cast

from backprop_cli.dataclass import dataclass, replace

Numeric: TypeAlias = Callable[..., float]
Exact: TypeAlias = Callable[..., Fraction | None]
C = TypeVar("C", bound=Callable[..., Any])

INF = math.inf
NAN = math.nan


@dataclass(frozen=True)
class Function:
    """One row: `fewest` to `most` arguments (None: any number), its arithmetic, its spellings.

    What has no arithmetic of its own has a definition, from which everything follows. Texts are in
    `arguments`, or in u0, u1, … where a row names none.
    """

    name: str
    fewest: int
    most: int | None
    primitive: Numeric | None
    primitive_exact: Exact | None
    unicode: str
    latex: str
    typst: str
    aliases: tuple[str, ...] = ()
    note: str = ""
    definition: str = ""  # in other functions
    stable: str = ""  # the same in a form that is right at extremes
    slopes: tuple[str, ...] = ()  # by each argument, where they are not those of the definition
    bends: tuple[tuple[str, str], ...] = ()  # (quantity, where it stands on a kink)
    forms: tuple[str, ...] = ()  # how authors write it out
    of: str = ""  # the function whose slope this is; its value is `a` in the texts
    also_a_name: bool = False  # a word that files may use for a quantity
    arguments: tuple[str, ...] = ()  # what they are called where `z`, or `x, y`, does not do
    defaults: tuple[str, ...] = ()  # of the last arguments

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


def _of_negatives(share: C) -> C:
    """The share of min from that of max."""
    return cast(C, lambda *values: share(*(-value for value in values)))


def logsumexp(*values: float) -> float:
    top = largest(*values)
    if not math.isfinite(top):
        return top
    return top + math.log(sum(math.exp(value - top) for value in values))


def expm1(z: float) -> float:
    try:
        return math.expm1(z)
    except OverflowError:
        return INF


def sign(z: float, at_zero: float = 1.0) -> float:
    if z == 0:
        return at_zero
    return (1.0 if z > 0 else -1.0) if z == z else NAN


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


def exact_root(z: Fraction) -> Fraction | None:
    """The square root where it is rational."""
    if z < 0:
        return None
    top, bottom = math.isqrt(z.numerator), math.isqrt(z.denominator)
    whole = top * top == z.numerator and bottom * bottom == z.denominator
    return Fraction(top, bottom) if whole else None


def _exact_max_share(*values: Fraction) -> Fraction:
    top = max(values)
    return Fraction(1, values.count(top)) if values[0] == top else Fraction(0)


def _exact_sign(z: Fraction, at_zero: Fraction = Fraction(1)) -> Fraction:
    if z == 0:
        return at_zero
    return Fraction(1 if z > 0 else -1)


# --- the table -----------------------------------------------------------------------------------


def _word(word: str) -> tuple[str, str, str]:
    """Spellings of a function written as an upright word."""
    escaped = word.replace("_", r"\_")
    return (word, rf"\mathrm{{{escaped}}}", f'"{word}"')


def _usual(word: str) -> tuple[str, str, str]:
    """Spellings of a function that LaTeX and Typst know by the same word."""
    return (word, rf"\{word}", word)


_ZERO = Fraction(0)
_ONE = Fraction(1)
_LARGEST_POWER = 256  # of 2 that is written out


PLAIN_FUNCTIONS = (
    Function("pi", 0, 0, lambda: math.pi, None, "π", r"\pi", "pi", note="the circle's circumference over its diameter"),
    Function("e", 0, 0, lambda: math.e, None, "e", "e", "e", note="the base of the natural logarithm"),
    Function("exp", 1, 1, exp, _at(0, _ONE), *_usual("exp"), note="e to the power z", slopes=("exp(u0)",)),
    Function("expm1", 1, 1, expm1, _at(0, _ZERO), *_word("expm1"), note="e^z − 1", slopes=("exp(u0)",),
             also_a_name=True),
    Function("ln", 1, 1, ln, _at(1, _ZERO), *_usual("ln"), aliases=("log",), slopes=("1/u0",),
             note="the natural logarithm; `log2` and `log10` have other bases"),
    Function("log1p", 1, 1, log1p, _at(0, _ZERO), *_word("log1p"), note="ln(1 + z)",
             slopes=("1/(u0 + 1)",)),
    Function("sqrt", 1, 1, sqrt, exact_root, "√", r"\sqrt", "sqrt", note="the square root",
             slopes=("1/(2*sqrt(u0))",)),
    Function("abs", 1, 1, abs, abs, *_word("abs"), note="the size without the sign",
             slopes=("abs'(u0)",), bends=(("u0", "0"),)),
    Function("abs'", 1, 1, None, None, "abs′", r"\mathrm{abs}'", "\"abs\"'", note="the slope of abs",
             definition="sign(u0, 0)", slopes=("0",), bends=(("u0", "0"),)),
    Function("max", 1, None, largest, lambda *values: max(values), *_usual("max"), note="the largest of any number of values"),
    Function("min", 1, None, smallest, lambda *values: min(values), *_usual("min"), note="the smallest of any number of values"),
    Function("max_share", 1, None, max_share, _exact_max_share, *_word("share of max"), slopes=("0",),
             note="share of the gradient of max that goes to the first argument"),
    Function("min_share", 1, None, _of_negatives(max_share), _of_negatives(_exact_max_share), *_word("share of min"), slopes=("0",),
             note="share of the gradient of min that goes to the first argument"),
    Function("sin", 1, 1, sin, _at(0, _ZERO), *_usual("sin"), note="the sine of an angle in radians",
             slopes=("cos(u0)",)),
    Function("cos", 1, 1, cos, _at(0, _ONE), *_usual("cos"), note="the cosine", slopes=("-sin(u0)",)),
    Function("tan", 1, 1, tan, _at(0, _ZERO), *_usual("tan"), note="the tangent",
             slopes=("tan(u0)^2 + 1",)),
    Function("sinh", 1, 1, sinh, _at(0, _ZERO), *_usual("sinh"), note="the hyperbolic sine",
             slopes=("cosh(u0)",)),
    Function("cosh", 1, 1, cosh, _at(0, _ONE), *_usual("cosh"), note="the hyperbolic cosine",
             slopes=("sinh(u0)",)),
    Function("tanh", 1, 1, math.tanh, _at(0, _ZERO), *_usual("tanh"), aliases=("Tanh",),
             slopes=("tanh'(u0)",)),
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
             slopes=("x/(y^2 + x^2)", "-y/(y^2 + x^2)"), also_a_name=True),
    Function("floor", 1, 1, floor, lambda z: Fraction(math.floor(z)), *_word("floor"),
             note="the next whole number below; its slope is 0", slopes=("0",), also_a_name=True),
    Function("ceil", 1, 1, ceil, lambda z: Fraction(math.ceil(z)), *_word("ceil"), aliases=("ceiling",),
             note="the next whole number above; its slope is 0", slopes=("0",), also_a_name=True),
    Function("sign", 1, 2, sign, _exact_sign, *_word("sign"), aliases=("sgn",), slopes=("0",),
             note="sign(z, at_zero = 1), the bipolar step: 1 from 0 on, else -1", bends=(("u0", "0"),)),
    Function("stop", 1, 1, None, None, *_word("stop"),
             aliases=("stop_gradient", "stopgrad", "detach"),
             note="stop(x) is x, and passes no gradient back",
             definition="u0", slopes=("0",), also_a_name=True),
    Function("clip", 3, 3, None, None, *_word("clip"), aliases=("clamp",),
             note="z held between low and high", arguments=("z", "low", "high"),
             definition="min(max(z, low), high)",
             slopes=("clip'(z, low, high)", "relu'(low - z)", "relu'(z - high)"),
             bends=(("z", "low"), ("z", "high")), also_a_name=True),
    Function("clip'", 3, 3, None, None, "clip′", r"\mathrm{clip}'", "\"clip\"'", aliases=("clamp'",),
             note="the slope of clip", arguments=("z", "low", "high"),
             definition="0 if z <= low else (1 if z < high else 0)", slopes=("0",)),
    Function("erf", 1, 1, math.erf, _at(0, _ZERO), *_word("erf"), slopes=("2*exp(-u0^2)/sqrt(pi)",),
             note="the error function of the normal distribution"),
    Function("erfc", 1, 1, math.erfc, _at(0, _ONE), *_word("erfc"), slopes=("-2*exp(-u0^2)/sqrt(pi)",),
             note="1 − erf(z), with all digits where that is next to 0", also_a_name=True),
    Function("logsumexp", 1, None, logsumexp, None, *_word("logsumexp"),
             note="ln of the sum of exponentials"),
)  # fmt: skip

FUNCTIONS: dict[str, Function] = {}
"""Every function by its name and by what students also call it; `row.name` is the plain name. The
activations of `rules` add theirs."""

_DERIVED: list[Callable[[], None]] = []


def derived(make: C) -> C:
    """A function whose results follow from the table: they are kept until a row is added."""
    kept = lru_cache(maxsize=4096)(make)
    _DERIVED.append(kept.cache_clear)
    return cast(C, kept)


def define(*rows: Function) -> None:
    """Add functions to the table."""
    for row in rows:
        for name in (row.name, *row.aliases):
            FUNCTIONS[name] = row
    for forget in _DERIVED:
        forget()


def functions() -> Iterator[Function]:
    """Each function once."""
    return (row for name, row in FUNCTIONS.items() if name == row.name)


define(*PLAIN_FUNCTIONS)


def spelling(symbol: str) -> tuple[str, str, str]:
    """How a letter, or a word, is written in Unicode, LaTeX and Typst."""
    return (symbol, _LETTERS[symbol], symbol) if symbol in _LETTERS else _word(symbol)


def slope_of(row: Function, **more: Any) -> Function:
    """The row of f′, its spellings those of f."""
    own: dict[str, Any] = {
        "name": row.name + "'",
        "unicode": row.unicode + "′",
        "latex": row.latex + "'",
        "typst": row.typst + "'",
        "aliases": tuple(alias + "'" for alias in row.aliases),
        "note": f"the slope of {row.name}",
        "stable": "",
        "slopes": (),
        "forms": (),
        "of": row.name,
        "primitive": None,
        "primitive_exact": None,
    }
    return replace(row, **{**own, **more})


_LETTERS = {"σ": r"\sigma"}

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
        below = rf"\sum_{name[-1]}", f"sum_({name[-1]})"
        return Function(name, 1, 1, _undefined, None, sign, *below)
    if name.endswith("_rows"):  # down the rows of a matrix: `rowsum` goes along each
        word = name.removesuffix("_rows")
        sign, latex, typst = _word(word) if word != "sum" else ("Σ", r"\Sigma", "Sigma")
        text = "Σ rows" if word == "sum" else f"{word} of rows"
        below = rf"{latex}_{{\mathrm{{rows}}}}", f'{typst}_("rows")'
        return Function(name, 1, 1, _undefined, None, text, *below)
    letter = name.rstrip("'")
    row = Function(letter, 1, None, _undefined, None, *_word(letter))
    if len(letter) == 1:
        row = replace(row, latex=letter, typst=letter)
    return row if letter == name else slope_of(row, name=letter, primitive=_undefined)
