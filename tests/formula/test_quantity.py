"""Plain names are put together and taken apart by one grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_cli.formula.quantity import (
    ahead_name,
    ahead_of,
    arrays_of,
    bare,
    before_update,
    carried_for,
    derivative_name,
    fraction,
    is_updated,
    last_mark,
    mark,
    marks,
    sampled,
    slope_name,
    updated,
    without_marks,
)

NAMES = st.from_regex(r"[A-Za-z]{1,4}[0-9]{0,2}(_[0-9]{1,2}){0,3}", fullmatch=True)
SAMPLES = st.integers(1, 999)


@given(NAMES, SAMPLES)
def test_what_is_put_together_is_taken_apart(name: str, sample: int) -> None:
    marked = sampled(name, sample)
    assert (bare(marked), mark(marked)) == (name, f"[{sample}]")
    assert last_mark(marked) == (name, str(sample))
    assert before_update(updated(name)) == name
    assert is_updated(updated(name))
    assert ahead_of(ahead_name(name)) == name


@given(NAMES, NAMES, SAMPLES)
def test_derivatives(above: str, below: str, sample: int) -> None:
    assert fraction(derivative_name(above, below)) == (above, below)
    own = derivative_name(sampled(above, sample), sampled(below, sample))
    assert fraction(own) == (sampled(above, sample), sampled(below, sample))
    assert marks(own) == [str(sample)] * 2
    assert without_marks(own) == derivative_name(above, below)
    local = slope_name(sampled(above, sample), below)
    assert local == sampled(derivative_name(above, below), sample)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("v_w1_1_1", ("v", "w1_1_1")),
        ("g_w", ("g", "w")),
        ("w1_1_1", None),
        ("w", None),
        ("_w", None),
    ],
)
def test_what_an_optimizer_carries(name: str, parts: tuple[str, str] | None) -> None:
    assert carried_for(name) == parts


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("W_2_1", [("W_2", ("1",)), ("W", ("2", "1"))]),
        ("h_t", []),
        ("x1", []),
        ("_1", []),
        ("b_3", [("b", ("3",))]),
    ],
)
def test_entries_of_arrays(name: str, arrays: list[tuple[str, tuple[str, ...]]]) -> None:
    assert list(arrays_of(name)) == arrays


@pytest.mark.parametrize("name", ["w", "w1_1_1", "W[2,1]", "z[]", "[2]", "d/d", "L"])
def test_other_names_are_themselves(name: str) -> None:
    assert before_update(name) == name
    assert last_mark(name) is None
    assert fraction(name) is None
    assert ahead_of(name) is None
