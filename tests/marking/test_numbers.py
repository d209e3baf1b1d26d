"""Numbers as written: value, unit of the last digit, significant digits."""

from __future__ import annotations

import pytest

from backprop_cli.marking.numbers import read_number, written_the_same


@pytest.mark.parametrize(
    ("text", "value", "unit", "digits"),
    [
        ("0.642", 0.642, 0.001, 3),
        ("0.90", 0.9, 0.01, 2),
        ("-4.7e-3", -0.0047, 0.0001, 2),
        ("-0.00", 0.0, 0.01, 0),
        ("5", 5, 1, 1),
        ("+5.", 5, 1, 1),
        (".5", 0.5, 0.1, 1),
        ("−0.3", -0.3, 0.1, 1),
        ("1.50E2", 150, 1, 3),
        ("0", 0, 1, 0),
        ("15000", 15000, 1000, 5),
        ("15000.0", 15000, 0.1, 6),
        ("007", 7, 1, 1),
    ],
)
def test_numbers(text: str, value: float, unit: float, digits: int) -> None:
    written = read_number(text)
    assert written is not None
    assert written.value == value
    assert written.unit == pytest.approx(unit)
    assert written.digits == digits


@pytest.mark.parametrize(
    "text",
    ["", ".", "-", "1,5", "1 000", "1_0", "0x1f", "1e", "e5", "1.2.3", "١٢", "½", "--1", "1e99999"],
)
def test_what_is_no_number(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize(
    ("written", "unit", "other", "same"),
    [
        (0.64, 0.01, 0.6449, True),  # rounded down
        (0.65, 0.01, 0.6451, True),  # rounded up
        (0.64, 0.01, 0.6499, True),  # cut off
        (-0.64, 0.01, -0.6499, True),
        (0.65, 0.01, 0.6420, False),
        (0.64, 0.01, 0.6501, False),
        (0.0, 0.01, 0.0099, True),
    ],
)
def test_written_the_same(written: float, unit: float, other: float, same: bool) -> None:
    assert written_the_same(written, unit, other) is same
