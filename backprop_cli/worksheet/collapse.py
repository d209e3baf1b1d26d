"""Linear layers multiplied out into the one map W̃x + b̃ that they are."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from backprop_cli.formula.build import total
from backprop_cli.formula.nodes import Matrix, Name, Shown
from backprop_cli.problem.model import Network, RuleUse
from backprop_cli.problem.names import NetworkNames
from backprop_cli.run import Value
from backprop_cli.worksheet.document import (
    Block,
    Derivation,
    DerivationLine,
    Heading,
    Paragraph,
    Text,
)
from backprop_cli.worksheet.numbers import Shown as Written
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.sheet import Sheet


def collapsed(sheet: Sheet) -> Iterator[Block]:
    """Where every unit is linear: ŷ = W̃x + b̃, with numbers if there are any."""
    network = sheet.run.problem.model
    if not isinstance(network, Network) or not _is_linear(network) or not sheet.first:
        return
    yield Heading(3, (Text("All units are linear: the layers collapse"),))
    yield Paragraph((Text(COLLAPSE),))
    if not sheet.symbolic:
        yield _one_map(sheet, network, NetworkNames(network, sheet.run.problem.notation))


COLLAPSE = (
    "Without a nonlinear activation W(Vx + c) + b = (WV)x + (Wc + b): however many layers there"
    " are, the network is one linear map."
)


def _is_linear(network: Network) -> bool:
    uses = [use for layer in network.layers for use in layer.activations]
    return (
        len(network.layers) > 1
        and all(isinstance(use, RuleUse) and use.name == "identity" for use in uses)
        and not any(layer.batch_norm for layer in network.layers)
    )


def _one_map(sheet: Sheet, network: Network, names: NetworkNames) -> Derivation:
    """The layers multiplied out into one matrix and one column."""
    product: list[list[Value]] | None = None
    offset: list[Value] = []
    for depth, layer in enumerate(network.layers, 1):
        rows = range(1, layer.units + 1)
        weights: list[list[Value]] = [
            [
                sheet.known(names.weight(depth, unit, source))
                if layer.connected[unit - 1][source - 1]
                else Fraction(0)
                for source in range(1, layer.fan_in + 1)
            ]
            for unit in rows
        ]
        biases: list[Value] = [
            sheet.known(names.bias(depth, unit)) * layer.bias_input.value
            if layer.bias != "none"
            else Fraction(0)
            for unit in rows
        ]
        if product is None:
            product, offset = weights, biases
        else:
            inner = list(zip(*product, strict=True))
            offset = [_dot(row, offset) + bias for row, bias in zip(weights, biases, strict=True)]
            product = [[_dot(row, column) for column in inner] for row in weights]
    assert product is not None
    last = len(network.layers)
    left = Matrix(
        tuple((Name(names.a(last, unit)),) for unit in range(1, network.layers[-1].units + 1))
    )
    inputs = Matrix(tuple((Name(names.input(i)),) for i in range(1, network.inputs + 1)))
    rows_shown = [[_shown(sheet, entry) for entry in row] for row in product]
    column_shown = [_shown(sheet, entry) for entry in offset]
    written = Matrix(tuple(tuple(entry.formula for entry in row) for row in rows_shown))
    constant = Matrix(tuple((entry.formula,) for entry in column_shown))
    exact = all(entry.exact for row in [*rows_shown, column_shown] for entry in row)
    sign: Literal["=", "≈"] = "=" if exact else "≈"
    right = total(Shown("matmul", (written, inputs)), constant)
    return Derivation((DerivationLine(left, sign, right),))


def _dot(row: list[Value], column: tuple[Value, ...] | list[Value]) -> Value:
    result: Value = Fraction(0)
    for left, right in zip(row, column, strict=True):
        result = result + left * right
    return result


def _shown(sheet: Sheet, value: Value) -> Written:
    return shown(value, sheet.digits, fractions=sheet.choices.fractions)
