"""A number as a student wrote it: its value, the unit of its last digit, its significant digits."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import NamedTuple

from backprop_cli.patterns import pattern


class Written(NamedTuple):
    """`-4.7e-3` is −0.0047 with a last unit of 0.0001 and 2 significant digits.

    `digits` counts from the first digit that is not 0 to the last written one; it is 0 where
    nothing but zeros is written. The zeros at the end of `15000` count as digits, but need not be
    meant: its unit is 1000. `style` leaves out zeros that a program may have written or dropped.
    """

    value: float
    unit: float
    digits: int
    style: int

    @property
    def last(self) -> float:
        """The unit of the last digit that is written, also where it is a 0 before the point."""
        return min(self.unit, quantum(self.value, self.digits)) if self.unit > 1 else self.unit


_NUMBER = pattern(r"([+\-−–]?)(\d{1,400})?(?:\.(\d{0,400}))?(?:[eE]([+\-−]?\d{1,4}))?", re.A)
_TENS = [10.0**-n for n in range(23)]
CACHED_NUMBERS = 50_000
"""The same texts come again and again in a class."""


@lru_cache(CACHED_NUMBERS)
def read_number(text: str) -> Written | None:
    """The number in `text`, or None if it is anything else."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return _not_finite(text)
    sign, whole, fraction, exponent = found.groups()
    if not whole and not fraction:
        return None
    fraction = fraction or ""
    mantissa = (whole or "") + fraction
    negative = sign not in ("", "+")
    ten = (exponent or "0").replace("−", "-")
    value = float(f"{whole or '0'}.{fraction or '0'}e{ten}")
    power = int(ten) - len(fraction)
    significant = mantissa.lstrip("0")
    if found.group(3) is None and significant:
        # 15000 may have been rounded to the thousands: zeros at its end need not be meant.
        bare = significant.rstrip("0")
        power += len(significant) - len(bare)
    unit = _TENS[-power] if -22 <= power <= 0 else 10.0**power if power < 308 else math.inf
    if not math.isfinite(value):
        return None
    # `0.90` has two digits, but the zero of `5.0` or `16000.0` may come from a program.
    meant = significant if len(fraction) > 1 else significant.rstrip("0")
    return Written(-value if negative else value, unit, len(significant), len(meant))


def _not_finite(text: str) -> Written | None:
    found = {"inf": math.inf, "+inf": math.inf, "-inf": -math.inf, "nan": math.nan}.get(
        text.lower()
    )
    return None if found is None else Written(found, 0.0, 1, 1)


LONGEST_SHORT = 6
"""A decimal of at most so many significant digits is written whole."""


def is_short(value: float) -> bool:
    """Whether a value is a decimal of few digits, but for what floats add at the end."""
    if not math.isfinite(value):
        return False
    near = float(f"{value:.{LONGEST_SHORT}g}")
    return abs(value - near) <= 1e-12 * abs(near)


def divides(unit: float, value: float) -> bool:
    """Whether a value has no digit below a unit."""
    if unit == 0:
        return True
    count = value / unit
    return abs(count - round(count)) <= 1e-6 if abs(count) < 1e15 else True


FEWEST_TYPED = 4
"""With fewer digits too many numbers are one digit away from another."""


def is_mistyped(written: Written, right: float) -> bool:
    """Whether one digit is another than that of the right number, or two are exchanged."""
    unit = written.last
    if written.digits < FEWEST_TYPED or not unit or written.value * right <= 0:
        return False
    if not math.isfinite(max(abs(right), abs(written.value)) / unit):
        return False
    count = round(abs(right) / unit)
    typed = round(abs(written.value) / unit)
    # Of what is not exact the last digit is what roundings on the way have made of it.
    near = 0 if is_short(right) else 2
    return any(_one_apart(typed, meant) for meant in range(max(count - near, 0), count + near + 1))


def _one_apart(one: int, other: int) -> bool:
    """Whether one digit is another one, or two that stand side by side are exchanged."""
    if len(str(abs(one - other)).rstrip("0")) > 2:
        return False  # 9 or 81 times a power of ten are the most that this can come to
    typed, meant = (str(each).zfill(len(str(max(one, other)))) for each in (one, other))
    places = [place for place, digit in enumerate(typed) if digit != meant[place]]
    if meant.endswith("0") and not typed.endswith("0"):
        return False  # nobody writes the zeros at the end of a short number
    match places:
        case [_]:
            return True
        case [one, other]:
            return other == one + 1 and typed[one : other + 1] == meant[one : other + 1][::-1]
        case _:
            return False


def quantum(value: float, digits: int) -> float:
    """The unit of the last of `digits` significant digits of `value`."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    return 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1)


def is_rounded(number: Written, finer: Written) -> bool:
    """Whether a number is another one with fewer digits, or the same."""
    same = written_the_same(number.value, number.unit, finer.value)
    return number.unit >= finer.unit and same


def written_the_same(value: float, unit: float, other: float) -> bool:
    """Whether `other`, rounded or cut off to the unit of `value`, would be written as `value`."""
    distance = abs(value - other)
    if distance <= 0.5 * unit * (1 + 1e-6):
        return True
    return distance < unit * (1 - 1e-9) and abs(value) <= abs(other) and value * other >= 0
