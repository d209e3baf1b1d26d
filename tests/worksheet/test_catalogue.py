"""`backprop list`: every rule is there, with its slope, its curve, and nothing heavy imported."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from backprop_cli.arrays.operations import OPERATIONS
from backprop_cli.formula.functions import FUNCTIONS
from backprop_cli.formula.spelling import spell
from backprop_cli.problem.layer_kinds import KINDS
from backprop_cli.render import html, latex, markdown, text, typst
from backprop_cli.render.reading import spoken
from backprop_cli.rules import remedies
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.rules.initializers import INITIALIZERS
from backprop_cli.rules.losses import LOSSES
from backprop_cli.rules.optimizers import OPTIMIZERS
from backprop_cli.worksheet.catalogue import UnknownRule, catalogue, curve
from backprop_cli.worksheet.catalogue_json import catalogue_json
from backprop_cli.worksheet.document import Curve, Document

FUNCTIONS_OF_FILES = {
    row.name
    for row in FUNCTIONS.values()
    if not row.name.endswith("'") and row.name not in ("max_share", "min_share")
}
"""What an author may call; the others only gradients are written with."""
ROOT = Path(__file__).parent.parent.parent


def listed(*what: str, width: int = 100, ascii: bool = False) -> str:
    return text.render(catalogue(what), width=width, ascii=ascii)


def curves(document: Document) -> list[Curve]:
    return [block for block in document.blocks if isinstance(block, Curve)]


def test_the_whole_list_has_every_rule() -> None:
    found = listed()
    for table in (
        ACTIVATIONS,
        LOSSES,
        OPTIMIZERS,
        INITIALIZERS,
        remedies.BY_ANY_NAME.rows,
        FUNCTIONS_OF_FILES,
    ):
        for name in table:
            assert name in found


def test_what_belongs_where() -> None:
    shown = listed("toolbox", width=250)
    rows = {
        first.strip(): [cell.strip().split(", ") for cell in cells]
        for first, *cells in (line.split("│") for line in shown.splitlines())
    }
    hidden, _ = rows["hidden layers"]
    assert {"sigmoid", "tanh", "relu", "leaky_relu"} <= set(hidden)
    assert not {"identity", "softmax", "step"} & set(hidden)
    assert rows["output, for numbers (regression)"][0] == ["identity"]
    assert "mean_squared_error" in rows["output, for numbers (regression)"][1]
    assert rows["output, for two classes"][0] == ["sigmoid", "tanh"]
    assert "binary_cross_entropy" in rows["output, for two classes"][1]
    assert rows["output, for one of several classes"] == [["softmax"], ["cross_entropy"]]
    assert rows["perceptrons, without a gradient"][0] == ["step", "sign"]
    assert rows["all samples (gradient descent)"] == [["w new = w − η/N·Σᵢ(∂Lᵢ/∂w)"]]
    assert shown.partition("\n\n")[2] in listed(width=250)


def test_every_rule_has_its_place() -> None:
    shown = listed("toolbox", width=200)
    for name in (*ACTIVATIONS, *LOSSES):
        assert re.search(rf"\b{name}\b", shown), name


@pytest.mark.parametrize(
    ("name", "also"),
    [
        ("relu", "max(0, z)"),
        ("leaky_relu", "max(0.01·z, z)"),
        ("sigmoid", "exp(z)/(exp(z) + 1)"),
        ("tanh", "2·σ(2·z) − 1"),
        ("softmax", "exp(zᵢ)/Σⱼ(exp(zⱼ))"),
    ],
)
def test_identities(name: str, also: str) -> None:
    assert f"Also written     │ {also}\n" in listed(name)
    assert also in listed("activations", width=160)


def test_two_activations_share_a_picture() -> None:
    document = catalogue(("sigmoid", "tanh"))
    values, slopes = curves(document)
    assert [spoken(each.label, spell) for each in values.series] == ["σ(z)", "tanh(z)"]
    assert [spoken(each.label, spell) for each in slopes.series] == ["σ′(z)", "tanh′(z)"]
    for row, series in zip(("sigmoid", "tanh"), values.series, strict=True):
        alone = curve(ACTIVATIONS[row]).series[0].points
        for z, a in series.points:
            if any(z == there for there, _ in alone):
                assert (z, a) in alone
    assert spoken(values.title, spell) == "sigmoid and tanh"
    assert len(curves(catalogue(("sigmoid",)))) == 1


@pytest.mark.parametrize("form", [html, latex, markdown, typst], ids=lambda form: form.__name__)
def test_the_list_in_every_format(form: Any) -> None:
    written = form.render(catalogue())
    for name in (*ACTIVATIONS, *LOSSES, *OPTIMIZERS, *INITIALIZERS, *remedies.BY_ANY_NAME.rows):
        assert name.replace("_", "") in re.sub(r"\\?_|<wbr>|\\allowbreak\{\}", "", written)


def test_the_list_as_json() -> None:
    rules = json.loads(catalogue_json())
    assert rules.pop("format") == "backprop-rules/1"
    tables: dict[str, Collection[str]] = {
        "activations": ACTIVATIONS,
        "losses": LOSSES,
        "optimizers": OPTIMIZERS,
        "initializers": INITIALIZERS,
        "remedies": remedies.BY_ANY_NAME.rows,
        "functions": FUNCTIONS_OF_FILES - set(ACTIVATIONS),
        "layers": KINDS,
        "operations": OPERATIONS,
    }
    assert {name: {row["name"] for row in rows} for name, rows in rules.items()} == {
        name: set(table) for name, table in tables.items()
    }
    [relu] = json.loads(catalogue_json(("ReLU",)))["activations"]
    assert relu["formula"]["text"] == "z if z > 0 else 0"
    assert relu["also"] == {"text": "max(0, z)", "latex": r"\max(0, z)"}
    assert relu["slope"]["text"] == "1 if z > 0 else 0"
    [adam] = json.loads(catalogue_json(("adam",)))["optimizers"]
    assert adam["options"] == {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    assert list(json.loads(catalogue_json(("losses", "l2")))) == ["format", "losses", "remedies"]


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
    assert [spoken(each.title, spell) for each in curves(catalogue())] == [
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
