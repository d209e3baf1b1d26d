"""`backprop list`: every rule is there, with its slope, its curve, and nothing heavy imported."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from backprop_cli.render import text
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.rules.initializers import INITIALIZERS
from backprop_cli.rules.losses import LOSSES
from backprop_cli.rules.optimizers import OPTIMIZERS
from backprop_cli.worksheet.catalogue import UnknownRule, catalogue, curve
from backprop_cli.worksheet.document import Curve, Document

ROOT = Path(__file__).parent.parent.parent


def listed(*what: str, width: int = 100, ascii: bool = False) -> str:
    return text.render(catalogue(what), width=width, ascii=ascii)


def curves(document: Document) -> list[Curve]:
    return [block for block in document.blocks if isinstance(block, Curve)]


def test_the_whole_list_has_every_rule() -> None:
    found = listed()
    for table in (ACTIVATIONS, LOSSES, OPTIMIZERS, INITIALIZERS):
        for name in table:
            assert name in found


def test_the_losses_with_their_slopes() -> None:
    rows = {
        tuple(cell.strip() for cell in line.split("│")) for line in listed("losses").splitlines()
    }
    for row in (
        ("squared_error", "(y − ŷ)²", "−2(y − ŷ)"),
        ("half_squared_error", "½(y − ŷ)²", "ŷ − y"),
        ("mean_squared_error", "1/m · (y − ŷ)²", "2/m · (ŷ − y)"),
        ("cross_entropy", "−y·ln(ŷ)", "−y/ŷ"),
    ):
        assert row in rows
    assert "sigmoid(z)" not in listed("losses")


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        ("optimisers", "optimizers"),
        ("initialisers", "initializers"),
        ("Activations", "activations"),
        ("silu", "swish"),
        ("loss", "losses"),
    ],
)
def test_other_spellings(asked: str, same: str) -> None:
    assert listed(asked) == listed(same)


def test_one_rule_is_described_in_full() -> None:
    found = listed("binary-cross-entropy")
    for part in ("bce, log_loss", "−y/ŷ + (1 − y)/(1 − ŷ)", "With sigmoid outputs: ∂L/∂z = ŷ − y."):
        assert part in found
    assert "slope: 0.01" in listed("leaky_relu")
    assert "must be given" in listed("constant")


def test_a_group_and_a_rule_side_by_side() -> None:
    found = listed("losses", "adam")
    assert "hinge" in found
    assert "Running means" in found


@pytest.mark.parametrize("name", ["sigmod", "", "adam2", "\x1b[31m", "x" * 5000])
def test_an_unknown_name_is_refused_in_visible_characters(name: str) -> None:
    with pytest.raises(UnknownRule) as refused:
        catalogue((name,))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300
    if name == "sigmod":
        assert "did you mean `sigmoid`?" in str(refused.value)


def test_the_group_of_activations_has_a_curve_of_each() -> None:
    assert len(curves(catalogue(("activations",)))) == len(ACTIVATIONS)
    assert [each.title for each in curves(catalogue())] == [
        "sigmoid and its slope",
        "tanh and its slope",
        "ReLU and its slope",
    ]


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_the_slope_curve_is_the_slope_of_the_curve(name: str) -> None:
    """Away from a kink, the rise of the first curve is the height of the second."""
    values, slopes = curve(ACTIVATIONS[name]).series
    for index in range(1, len(values.points) - 1):
        (before, low), (z, _), (after, high) = values.points[index - 1 : index + 2]
        if ACTIVATIONS[name].kinks and abs(z) <= after - before:
            continue
        rise = (high - low) / (after - before)
        assert math.isclose(rise, slopes.points[index][1], abs_tol=0.01), z


@pytest.mark.parametrize("width", [40, 80, 120])
def test_ascii(width: int) -> None:
    found = listed("activations", "losses", "optimizers", width=width, ascii=True)
    assert found.isascii()
    assert "\\u" not in found
    assert "\\x" not in found


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["solve", "--help"],
        ["list"],
        ["list", "activations"],
        ["validate", "problems/two-hidden-layers.yaml", "problems/sigmoid-circuit.yaml"],
        ["schema"],
        ["schema", "answers"],
    ],
    ids=" ".join,
)
def test_these_never_import_sympy(arguments: list[str]) -> None:
    program = (
        "import sys, runpy\n"
        "sys.argv = ['backprop', *sys.argv[1:]]\n"
        "try:\n"
        "    runpy.run_module('backprop_cli', run_name='__main__')\n"
        "except SystemExit as leaving:\n"
        "    assert not leaving.code, leaving.code\n"
        "heavy = {'sympy', 'mpmath', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
