"""Each remedy's equations give what the sheet gives for a file that asks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from backprop_cli import load, solve
from backprop_cli.formula.build import rebuild
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Call, Formula, Number
from backprop_cli.rules.remedies import BY_ANY_NAME, Setting

LINE = """\
inputs: [1.5, -2]
targets: [0.25]
layers: [{activation: identity, weights: [[0.75, -0.5]], biases: [0.125]}]
loss: half_squared_error
learning_rate: 0.1
training: {%s}
"""
BATCH = """\
samples: [{inputs: 1, targets: 0}, {inputs: 2, targets: 1}, {inputs: 4, targets: 1}]
layers: [{activation: tanh, weights: [[0.75]], biases: [0.125], %s}]
loss: half_squared_error
"""
WEIGHTS = (0.75, -0.5)
GRADIENTS = (3.0, -4.0, 2.0)  # ŷ − y = 2.25 − 0.25, times 1.5, −2 and 1


def worked_out(
    setting: Setting, known: Mapping[str, float], sums: Mapping[str, tuple[float, ...]]
) -> dict[str, float]:
    """The equations in order, each `x_i` of a sum taking the values of `sums`."""
    values = dict(known)

    def numbers(formula: Formula) -> Formula:
        if isinstance(formula, Call) and formula.function == "sum_i":
            [term] = formula.arguments
            count = len(next(iter(sums.values())))
            parts = [
                as_float(
                    evaluate(term, {**values, **{k: v[i] for k, v in sums.items()}}.__getitem__)
                )
                for i in range(count)
            ]
            return Number(repr(sum(parts)))
        return rebuild(formula, numbers)

    for name, formula in setting.equations.items():
        values[name] = as_float(evaluate(numbers(formula), values.__getitem__))
    return values


def sheet(text: str) -> dict[str, float]:
    return {
        step["name"]: step["value"]
        for step in json.loads(solve(load(text=text)).to_json())["steps"]
    }


def moved(found: Mapping[str, float], name: str, old: float) -> float:
    """The gradient that an update came from: (old − new)/η."""
    return (old - found[f"{name}_new"]) / 0.1


@pytest.mark.parametrize("key", ["l2: 0.1", "l2: {value: 0.1, half: false}", "l1: 0.1"])
def test_penalties_change_the_gradients_of_weights(key: str) -> None:
    [setting] = [
        each for row in BY_ANY_NAME.rows.values() for each in row.settings if each.key == key
    ]
    found = sheet(LINE % key)
    for name, w, g in zip(("w1_1_1", "w1_1_2"), WEIGHTS, GRADIENTS, strict=False):
        expected = worked_out(setting, {"g": g, "w": w, "lambda": 0.1}, {})["g"]
        assert moved(found, name, w) == pytest.approx(expected, rel=1e-12)
        assert expected != g
    assert moved(found, "b1_1", 0.125) == pytest.approx(GRADIENTS[2], rel=1e-12)


@pytest.mark.parametrize(
    "key", ["l2: {value: 0.1, in_loss: true}", "l1: {value: 0.1, in_loss: true}"]
)
def test_penalties_in_the_loss(key: str) -> None:
    [setting] = [
        each for row in BY_ANY_NAME.rows.values() for each in row.settings if each.key == key
    ]
    expected = worked_out(setting, {"L": 2.0, "lambda": 0.1}, {"w_i": WEIGHTS})["L"]
    assert solve(load(text=LINE % key)).losses[0] == pytest.approx(expected, rel=1e-12)
    assert expected > 2


def test_clipping_by_norm_and_by_value() -> None:
    by_norm, by_value = BY_ANY_NAME.rows["clip"].settings
    parameters = [("w1_1_1", 0.75), ("w1_1_2", -0.5), ("b1_1", 0.125)]
    for setting, threshold in ((by_norm, 1.0), (by_value, 0.5)):
        found = sheet(LINE % setting.key)
        for (name, old), g in zip(parameters, GRADIENTS, strict=True):
            known = {"g": g, "threshold": threshold}
            expected = worked_out(setting, known, {"g_i": GRADIENTS})["g"]
            assert moved(found, name, old) == pytest.approx(expected, rel=1e-12)
            assert abs(expected) < abs(g)


def test_batch_normalisation() -> None:
    [setting] = BY_ANY_NAME.rows["batch_norm"].settings
    found = sheet(BATCH % setting.key)
    zs = tuple(found[f"z1_1[{sample}]"] for sample in (1, 2, 3))
    assert zs == pytest.approx((0.875, 1.625, 3.125), rel=1e-15)
    for sample, z in enumerate(zs, 1):
        known = {"z": z, "n": 3.0, "epsilon": 1e-5, "gamma": 1.0, "beta": 0.0}
        expected = worked_out(setting, known, {"z_i": zs})
        for name in ("zhat", "u"):
            assert found[f"{name}1_1[{sample}]"] == pytest.approx(expected[name], rel=1e-12)


def test_every_setting_is_tried() -> None:
    assert {row.name: len(row.settings) for row in BY_ANY_NAME.rows.values()} == {
        "l2": 3,
        "l1": 2,
        "clip": 2,
        "batch_norm": 1,
    }
    assert (
        BY_ANY_NAME.find("batch-norm")
        is BY_ANY_NAME.find("BatchNorm")
        is BY_ANY_NAME.rows["batch_norm"]
    )
