"""Linear layers multiplied out into the one map W̃x + b̃ that they are."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from backprop_cli.formula.build import total
from backprop_cli.formula.nodes import Formula, Matrix, Name, Shown
from backprop_cli.problem.model import Network
from backprop_cli.problem.names import NetworkNames
from backprop_cli.run import Value
from backprop_cli.worksheet.document import Block, Derivation, DerivationLine
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.sheet import Sheet


def collapsed(sheet: Sheet, network: Network, names: NetworkNames) -> Iterator[Block]:
    """ŷ = W̃x + b̃ with the numbers of W̃ and b̃; nothing where numbers are missing."""
    if sheet.symbolic:
        return
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
    written = Matrix(tuple(tuple(_written(sheet, entry) for entry in row) for row in product))
    constant = Matrix(tuple((_written(sheet, entry),) for entry in offset))
    right = total(Shown("matmul", (written, inputs)), constant)
    yield Derivation((DerivationLine(left, "=", right),))


def _dot(row: list[Value], column: tuple[Value, ...] | list[Value]) -> Value:
    result: Value = Fraction(0)
    for left, right in zip(row, column, strict=True):
        result = result + left * right
    return result


def _written(sheet: Sheet, value: Value) -> Formula:
    return shown(value, sheet.digits, fractions=sheet.choices.fractions).formula
