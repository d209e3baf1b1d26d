"""The grammar of plain names: they are put together and taken apart here.

| written | is |
|---|---|
| `z1_1[2]` | the quantity of sample 2 |
| `w1_1_1_new` | the parameter after the update |
| `dL/dw1_1_1`, `dL[2]/dz1_1[2]` | a derivative; that of the loss of sample 2 alone |
| `da1_1/dz1_1[2]` | a local derivative of sample 2 |
| `d2L/dw1dw2` | a second derivative |
| `v_w1_1_1` | what an optimizer carries for a parameter |
| `ahead_w1_1_1` | the parameter at the point that an optimizer looks ahead to |
| `W_2_1` | row 2, column 1 of the array W |
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from backprop_cli.patterns import pattern

_AHEAD = "ahead_"
_NEW = "_new"
_MARK = pattern(r"\[([0-9]{1,6}|s)\]")
_SECOND = pattern(r"d2(.+?)/d(.+?)d(.+)\Z", re.S)
_DERIVATIVE = pattern(r"d(.+?)/d(.+)\Z", re.S)


def sampled(name: str, sample: int | str | None) -> str:
    """`z1_1[2]`, or `z1_1` in a batch of one."""
    return name if sample is None else f"{name}[{sample}]"


def updated(name: str) -> str:
    """`w1_1_1_new`"""
    return name + _NEW


def derivative_name(output: str, name: str) -> str:
    """`dL/dw1_1_1`; of the loss of sample 2 alone `dL[2]/dz1_1[2]`, `dL[2]/dw1_1_1`."""
    return f"d{output}/d{name}"


def second_derivative_name(output: str, one: str, other: str) -> str:
    """`d2L/dw1dw2`"""
    return f"d2{output}/d{one}d{other}"


def second_fraction(name: str) -> tuple[str, str, str] | None:
    """`L`, `w1` and `w2` for `d2L/dw1dw2`; None for what is no second derivative."""
    found = _SECOND.match(name)
    return None if found is None else (found[1], found[2], found[3])


def slope_name(child: str, parent: str) -> str:
    """`da1_1/dz1_1`, and `da1_1/dz1_1[2]` for sample 2."""
    return derivative_name(bare(child), bare(parent)) + (mark(child) or mark(parent))


def ahead_name(name: str) -> str:
    """`ahead_w1_1_1`"""
    return _AHEAD + name


def ahead_of(name: str) -> str | None:
    """`w1_1_1` for `ahead_w1_1_1`; None for any other name."""
    return name.removeprefix(_AHEAD) if name.startswith(_AHEAD) else None


def bare(name: str) -> str:
    """`z1_1` for `z1_1[2]`"""
    return name.partition("[")[0]


def mark(name: str) -> str:
    """`[2]` for `z1_1[2]`, "" where there is no sample."""
    return name[len(bare(name)) :]


def without_marks(name: str) -> str:
    """`dL/dz1_1` for `dL[2]/dz1_1[2]`"""
    return _MARK.sub("", name)


def marks(name: str) -> list[str]:
    """The samples that a name has behind its parts."""
    return _MARK.findall(name)


def last_mark(name: str) -> tuple[str, str] | None:
    """`z1_1` and `2` for `z1_1[2]`; None where there is no sample at the end."""
    stem, bracket, sample = name.rpartition("[")
    if not stem or not bracket or not _MARK.fullmatch(f"[{sample}"):
        return None
    return stem, sample[:-1]


def before_update(name: str) -> str:
    """`w1_1_1` for `w1_1_1_new`; any other name is itself."""
    return name.removesuffix(_NEW)


def is_updated(name: str) -> bool:
    """Whether a name is that of a value after the update."""
    return name.endswith(_NEW)


def fraction(name: str) -> tuple[str, str] | None:
    """`L` and `w1_1_1` for `dL/dw1_1_1`; None for what is no derivative."""
    found = _DERIVATIVE.match(name)
    return None if found is None else (found[1], found[2])


def carried_for(name: str) -> tuple[str, str] | None:
    """`v` and `w1_1_1` for `v_w1_1_1`; None where nothing stands behind the letters."""
    letters, underscore, rest = name.partition("_")
    return (letters, rest) if underscore and letters.isalpha() else None


def arrays_of(name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The arrays that a name may be an entry of, and its place there: `W_2_1` may be entry 1 of
    W_2, or entry 2, 1 of W."""
    stem, _, count = name.rpartition("_")
    place: tuple[str, ...] = ()
    while stem and count.isdigit():
        place = (count, *place)
        yield stem, place
        stem, _, count = stem.rpartition("_")
