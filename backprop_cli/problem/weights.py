"""The weights of a layer, a row per unit, and whether their shape fits what comes in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from backprop_cli.dataclass import dataclass
from backprop_cli.problem.fields import list_of, number_or_name
from backprop_cli.problem.forms import Value
from backprop_cli.problem.layer_parts import MOST_UNITS, LayerPlace
from backprop_cli.problem.values import Refused, counted, decimal_comma, items
from backprop_cli.problem.yaml_tree import Items, Node, Scalar

MOST_PARAMETERS = 200_000

WEIGHTS_SCHEMA = list_of(list_of(number_or_name("w[0-9_]*", {"type": "null"})), MOST_UNITS)


@dataclass(frozen=True)
class Grid:
    """Weights as written: values, and where there is a connection at all."""

    values: tuple[tuple[Value, ...], ...]
    connected: tuple[tuple[bool, ...], ...]

    @property
    def symbolic(self) -> bool:
        """Every connection is there and none has a number."""
        return all(map(all, self.connected)) and all(
            value is None for row in self.values for value in row
        )


def full(values: tuple[tuple[Value, ...], ...]) -> Grid:
    return Grid(values, tuple((True,) * len(row) for row in values))


class WrittenWeights:
    """Reads `weights: [[…], …]`; `units` and `fan_in` are what is known of them afterwards.

    `said` is what `units:` says, `hint` how many units other keys of the layer speak of.
    `grid` is None where the shape is wrong.
    """

    def __init__(
        self, node: Node, at: LayerPlace, fan_in: int | None, said: int | None, hint: int | None
    ) -> None:
        self.at, self.report = at, at.report
        self.fan_in, self.units = fan_in, said
        self.said, self.hint = said, said or hint
        self.too_large = False
        self.grid: Grid | None = None
        with suppress(Refused):
            self.grid = self._read(node)

    @property
    def _giver(self) -> str:
        assert self.fan_in is not None
        if self.at.index == 1:
            verb = "is" if self.fan_in == 1 else "are"
            return f"there {verb} {counted(self.fan_in, 'input')}"
        return f"layer {self.at.index - 1} gives {counted(self.fan_in, 'value')}"

    def _wrong_shape(self, node: Node, help: str) -> None:
        units = self.units or 0
        message = (
            f"{self.at} has {counted(units, 'unit')} and {self._giver}, so weights must be "
            f"{counted(units, 'row')} of {counted(self.fan_in or 0, 'number')}"
        )
        self.report.error("shape", message, node, help)

    def _read(self, node: Node) -> Grid | None:
        if not isinstance(node, Items):
            message = f"weights of {self.at} must be rows in brackets, a row per unit"
            help = "[[…], […]], or {init: uniform, low: -0.1, high: 0.1, seed: 7}"
            self.report.refuse("not-a-list", message, node, help)
        rows = node.items
        if not rows:
            self.report.refuse("missing-value", f"weights of {self.at} are empty", node)
        if not any(isinstance(row, Items) for row in rows):
            self._one_row(node)
        size = sum(len(row.items) for row in rows if isinstance(row, Items))
        if len(rows) > MOST_UNITS or size > MOST_PARAMETERS:
            self.too_large = True
            raise Refused
        values: list[tuple[Value, ...]] = []
        connected: list[tuple[bool, ...]] = []
        for unit, row in enumerate(rows, 1):
            what = f"row {unit} of the weights of {self.at}"
            cells = self.report.tried(items, row, what, "numbers") or ()
            values.append(
                tuple(self._weight(cell, unit, source) for source, cell in enumerate(cells, 1))
            )
            connected.append(tuple(not (isinstance(cell, Scalar) and cell.null) for cell in cells))
        self.units = self.said or len(rows)
        lengths = [len(row) for row in values]
        fits = self._fits(node, lengths) if self.fan_in is not None else self._alike(node, lengths)
        if fits and self.said is not None and self.said != len(rows):
            self.report.refuse(
                "shape",
                f"`units` says that {self.at} has {counted(self.said, 'unit')}, and its weights "
                f"have {counted(len(rows), 'row')}",
                node,
                "weights have a row per unit; `units` may be left out",
            )
        return Grid(tuple(values), tuple(connected)) if fits else None

    def _one_row(self, node: Items) -> NoReturn:
        """A row without its outer brackets, or one number for each unit."""
        one_unit = self.fan_in is None or self.fan_in == len(node.items)
        shown = [row.text if isinstance(row, Scalar) else "…" for row in node.items[:4]]
        advice = (", " if one_unit else "], [").join(shown)
        more = ", …" if len(node.items) > 4 else ""
        message = f"weights of {self.at} must be a list of rows, a row per unit"
        if self.said is None and self.fan_in is not None:
            self.units = 1 if one_unit else len(node.items)
        self.report.refuse("not-a-list", message, node, f"write [[{advice}{more}]]")

    def _weight(self, cell: Node, unit: int, source: int) -> Value:
        if isinstance(cell, Scalar) and cell.null:
            return None
        what = f"weight {source} of unit {unit} in {self.at}"
        return self.at.number(cell, "w", what, unit, source)

    def _alike(self, node: Items, lengths: Sequence[int]) -> bool:
        """Whether all rows are as long as most are, where nothing else says how long."""
        usual = Counter(lengths).most_common(1)[0][0]
        if self.at.index == 1:
            self.fan_in = usual
        for unit, (row, length) in enumerate(zip(node.items, lengths, strict=True), 1):
            if length != usual:
                self.report.error(
                    "shape",
                    f"row {unit} of the weights of {self.at} has {counted(length, 'number')}, "
                    f"and the others have {usual}",
                    row,
                )
        return set(lengths) == {usual}

    def _fits(self, node: Items, lengths: Sequence[int]) -> bool:
        """Whether each row has a number for each value that comes in."""
        bad = [unit for unit, length in enumerate(lengths, 1) if length != self.fan_in]
        commas = {
            unit: comma
            for unit in bad
            if (comma := decimal_comma(node.items[unit - 1], lengths[unit - 1], self.fan_in or 0))
        }
        rows = counted(len(lengths), "row")
        these = "this is" if len(lengths) == 1 else "these are"
        if bad and len(lengths) == self.fan_in and set(lengths) == {self.hint}:
            self.units = self.hint
            self._wrong_shape(
                node,
                f"{these} {rows} of {counted(lengths[0], 'number')}: rows and columns are "
                "exchanged",
            )
        elif len(bad) == len(lengths):
            of = f" of {counted(lengths[0], 'number')}" if len(set(lengths)) == 1 else ""
            self._wrong_shape(node, "; ".join([f"{these} {rows}{of}", *list(commas.values())[:1]]))
        else:
            for unit in bad:
                has = f"row {unit} has {counted(lengths[unit - 1], 'number')}"
                advice = "; ".join([has, commas[unit]]) if unit in commas else has
                self._wrong_shape(node.items[unit - 1], advice)
        return not bad
