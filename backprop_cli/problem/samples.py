"""Inputs and targets of a layered problem: one sample or several, with numbers or without."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from backprop_cli.arrays.array import Shape, shape_text
from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import listed, quote
from backprop_cli.problem.array_values import read_levels
from backprop_cli.problem.fields import (
    Field,
    Fields,
    Keys,
    any_of,
    apart,
    list_of,
    number_or_name,
    reference,
)
from backprop_cli.problem.forms import Sample, Value
from backprop_cli.problem.values import Report, is_mapping, number, rows
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar

MOST_SAMPLES = 10_000
MOST_VALUES = 2_000  # inputs or targets of one sample


def _row(key: str, letter: str, about: str) -> Field[Node | None]:
    name = f"{letter}[0-9]*"
    one = number_or_name(name, {"type": "null"})
    by_name = {
        "type": "object",
        "patternProperties": {f"^{name}$": one},
        "additionalProperties": False,
        "maxProperties": MOST_VALUES,
    }
    listed = list_of(one, MOST_VALUES, minItems=1)
    either = any_of(number_or_name(name), listed, reference("levels"), by_name)
    words = f"a number, a list, lists of lists, or `{{{letter}1: number}}`"
    about += f" A name such as {letter}1 stands for a quantity without number."
    return apart(key, either, words, about)


INPUTS = _row("inputs", "x", "The inputs.")
TARGETS = _row("targets", "y", "The targets, one for each output.")
SAMPLE = Keys("One sample.", INPUTS, TARGETS, required=[INPUTS])
SAMPLES = apart(
    "samples",
    list_of({"type": "object"}, MOST_SAMPLES, minItems=1),
    "a list of mappings",
    "Several samples. Layers: `{inputs: …, targets: …}`; equations: `{x: 1, y: 0}`, the same names in "
    "each.",
)
_OTHER_NAME = re.compile(r"(?![yYnN]\Z)[^\W\d_]_?[0-9]*\Z")
"""A name that people give a quantity, but for the truth values `y` and `n` of YAML."""


@dataclass(frozen=True)
class ReadSample:
    """One sample as far as it could be read. None: not said (or wrong, and reported)."""

    inputs: tuple[Value, ...] | None
    targets: tuple[Value, ...] | None
    inputs_node: Node | None
    targets_node: Node | None
    inputs_shape: Shape = ()  # of lists in lists; empty: one after the other
    targets_shape: Shape = ()


@dataclass(frozen=True)
class Samples:
    """All samples. `listed` says that the file has them under `samples:`."""

    samples: tuple[ReadSample, ...]
    listed: bool

    @property
    def inputs(self) -> int | None:
        return _usual(sample.inputs for sample in self.samples)

    @property
    def targets(self) -> int | None:
        return _usual(sample.targets for sample in self.samples)

    @property
    def inputs_shape(self) -> Shape:
        """Of an image or a sequence, as the first sample has it; else empty."""
        return next((each.inputs_shape for each in self.samples if each.inputs is not None), ())

    @property
    def have_targets(self) -> bool:
        return any(sample.targets_node is not None for sample in self.samples)

    @property
    def have_inputs(self) -> bool:
        return any(sample.inputs_node is not None for sample in self.samples)

    def complete(self, inputs: int, targets: int) -> tuple[Sample, ...]:
        """The samples of a problem, what was left out filled with quantities without number."""
        return tuple(
            Sample(sample.inputs or (None,) * inputs, sample.targets or (None,) * targets)
            for sample in self.samples
        )


def _usual(rows: Iterable[tuple[Value, ...] | None]) -> int | None:
    """How many values a sample has: what most samples say, the first of them in a tie."""
    counts = Counter(len(row) for row in rows if row is not None)
    return counts.most_common(1)[0][0] if counts else None


def read_samples(top: Fields, report: Report) -> Samples:
    """`samples:`, or `inputs:` and `targets:` for one."""
    node = top.get("samples")
    if node is None:
        return Samples((_sample(top, report, ""),), listed=False)
    for name in ("inputs", "targets"):
        if top.get(name) is not None:
            report.error(
                "both-forms",
                f"{quote(name)} stands beside `samples`",
                top.key(name),
                "each sample has its own: `samples: [{inputs: …, targets: …}]`",
            )
    like = "{inputs: …, targets: …}"
    found: list[ReadSample] = []
    listed_rows = rows(node, report, "`samples`", f"mappings {like}", "sample", MOST_SAMPLES)
    for index, row in enumerate(listed_rows, 1):
        if not is_mapping(row, report, f"sample {index}", like):
            found.append(ReadSample(None, None, None, None))
            continue
        own = SAMPLE.of(row, report, f"sample {index}")
        found.append(_sample(own, report, f" of sample {index}"))
    read = Samples(tuple(found), listed=True)
    _same_counts(read, report, node)
    return read


def _sample(own: Fields, report: Report, of: str) -> ReadSample:
    inputs, targets = own.get("inputs"), own.get("targets")
    x = _NOTHING if inputs is None else _values(inputs, "x", report, of)
    y = _NOTHING if targets is None else _values(targets, "y", report, of)
    return ReadSample(x[0], y[0], inputs, targets, x[1], y[1])


_NOTHING: tuple[None, Shape] = None, ()


def _same_counts(samples: Samples, report: Report, at: Node) -> None:
    for what, usual in (("inputs", samples.inputs), ("targets", samples.targets)):
        with_targets = samples.have_targets
        for index, sample in enumerate(samples.samples, 1):
            row = sample.inputs if what == "inputs" else sample.targets
            node = sample.inputs_node if what == "inputs" else sample.targets_node
            if node is None:
                if what == "targets" and with_targets and sample.inputs_node is not None:
                    report.error(
                        "missing-key",
                        f"sample {index} has no `targets`, and other samples have",
                        sample.inputs_node,
                    )
            elif row is not None and usual is not None and len(row) != usual:
                report.error(
                    "shape",
                    f"sample {index} has {counted(len(row), what[:-1])}, and the others have {usual}",
                    node,
                )
    shape = samples.inputs_shape
    for index, sample in enumerate(samples.samples, 1):
        if sample.inputs is not None and sample.inputs_shape != shape:
            report.error(
                "shape",
                f"the inputs of sample {index} are {_levels(sample.inputs_shape)}, and those of"
                f" sample 1 {_levels(shape)}",
                sample.inputs_node or at,
            )


def _levels(shape: Shape) -> str:
    return shape_text(shape) if shape else "one list"


def _values(
    node: Node, letter: Literal["x", "y"], report: Report, of: str
) -> tuple[tuple[Value, ...] | None, Shape]:
    """Numbers in a list or by name, a number alone, lists in lists with their shape; a name or
    `null` has no number."""
    kind = "input" if letter == "x" else "target"
    if not _in_levels(node):
        return _one_list(node, letter, report, of), ()
    read = read_levels(node, report, f"`{kind}s`{of}")
    if read is None:
        return _NOTHING
    if len(read.values) > MOST_VALUES:
        report.too_many(len(read.values), f"{kind}s", MOST_VALUES, node)
        return _NOTHING
    return read.values, read.shape if len(read.shape) > 1 else ()


def _in_levels(node: Node) -> bool:
    """Whether a value is an image or a sequence: lists in lists, or its shape alone."""
    if isinstance(node, Entries):
        return any(key.text == "shape" for key, _ in node.entries)
    return isinstance(node, Items) and isinstance(next(iter(node.items), None), Items)


def _one_list(
    node: Node, letter: Literal["x", "y"], report: Report, of: str
) -> tuple[Value, ...] | None:
    kind = "input" if letter == "x" else "target"
    start = len(report.problems)
    cells: list[tuple[Node, str]]
    match node:
        case Scalar():
            cells = [(node, "")]
        case Items(_, found):
            cells = [(cell, f" {index}") for index, cell in enumerate(found, 1)]
            if not found:
                report.error("missing-value", f"`{kind}s`{of} is an empty list", node)
        case Entries():
            cells = _by_name(node, letter, report, of)
    if len(cells) > MOST_VALUES:
        report.too_many(len(cells), f"{kind}s", MOST_VALUES, node)
        return None
    values = tuple(
        _value(cell, letter, index, len(cells), report, f"{kind}{place}{of}")
        for index, (cell, place) in enumerate(cells, 1)
    )
    failed = any(problem.severity == "error" for problem in report.problems[start:])
    return None if failed and not values else values


def _value(cell: Node, letter: str, index: int, count: int, report: Report, what: str) -> Value:
    if isinstance(cell, Scalar):
        if cell.null:
            return None
        own = re.match(rf"{letter}_?[0-9]*\Z", cell.text[:20])
        if own or (cell.plain and _OTHER_NAME.match(cell.text[:20])):
            names = {f"{letter}{index}"} | ({letter} if count == 1 else set())
            if cell.text not in names:
                name = letter if count == 1 else f"{letter}{index}"
                report.error(
                    "bad-name",
                    f"{what} is called {quote(name)} on the worksheet, not {quote(cell.text)}",
                    cell,
                    f"write {quote(name)}, or its number",
                )
            return None
    return number(cell, report, what)


def _by_name(node: Entries, letter: str, report: Report, of: str) -> list[tuple[Node, str]]:
    """The values of `{x1: 6, x2: 2}` in the order of their numbers."""
    kind = "inputs" if letter == "x" else "targets"
    count = len(node.entries)
    expected = [f"{letter}{index}" for index in range(1, count + 1)]
    found: dict[str, Node] = {}
    for key, value in node.entries:
        name = f"{letter}1" if count == 1 and key.text == letter else key.text
        found[name] = value
        if name not in expected:
            names = [letter] if count == 1 else expected
            head, colon, _ = key.text.partition(":")
            if colon and node.flow and (head in expected or head == letter):
                report.error(
                    "bad-name",
                    f"{quote(key.text)} is not a name",
                    key,
                    "put a space behind the colon",
                )
                found[f"{letter}1" if head == letter else head] = _unread(key)
                continue
            report.error(
                "bad-name",
                f"{quote(key.text)} is not the name of one of {counted(count, kind[:-1])}{of}",
                key,
                f"they are called {listed(names)}"
                if count > 1
                else f"it is called {quote(letter)}",
            )
    return [(found[name], f" {quote(name)}") for name in expected if name in found]


def _unread(key: Scalar) -> Scalar:
    """What stands for a value that could not be read: no number, and no second message."""
    return Scalar(key.span, "", plain=True)


def counted(count: int, noun: str) -> str:
    """ "1 unit", "2 units"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
