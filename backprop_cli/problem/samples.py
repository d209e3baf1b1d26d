"""Inputs and targets of a layered problem: one sample or several, with numbers or without."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from backprop_cli.arrays.array import Shape, shape_text
from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import listed, quote
from backprop_cli.patterns import pattern
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
from backprop_cli.problem.names import value_names
from backprop_cli.problem.values import Report, counted, is_mapping, misnamed, number, rows
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar, entry

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
_OTHER_NAME = pattern(r"(?![yYnN]\Z)[^\W\d_]_?[0-9]*\Z")
"""A name that people give a quantity, but for the truth values `y` and `n` of YAML."""


@dataclass(frozen=True)
class ReadValues:
    """The inputs or the targets of a sample as far as they could be read. `values` are None where
    they are not said (or wrong, and reported); an empty shape says that they are one after the
    other, any other that they are lists in lists."""

    node: Node | None = None
    values: tuple[Value, ...] | None = None
    shape: Shape = ()


@dataclass(frozen=True)
class ReadSample:
    inputs: ReadValues = ReadValues()
    targets: ReadValues = ReadValues()


@dataclass(frozen=True)
class Samples:
    """All samples. `listed` says that the file has them under `samples:`."""

    samples: tuple[ReadSample, ...]
    listed: bool

    @property
    def inputs(self) -> int | None:
        return _usual(sample.inputs.values for sample in self.samples)

    @property
    def targets(self) -> int | None:
        return _usual(sample.targets.values for sample in self.samples)

    @property
    def inputs_shape(self) -> Shape:
        """Of an image or a sequence, as the first sample has it; else empty."""
        read = (sample.inputs for sample in self.samples)
        return next((each.shape for each in read if each.values is not None), ())

    @property
    def have_targets(self) -> bool:
        return any(sample.targets.node is not None for sample in self.samples)

    @property
    def have_inputs(self) -> bool:
        return any(sample.inputs.node is not None for sample in self.samples)

    def complete(self, inputs: int, targets: int) -> tuple[Sample, ...]:
        """The samples of a problem, what was left out filled with quantities without number."""
        return tuple(
            Sample(
                sample.inputs.values or (None,) * inputs,
                sample.targets.values or (None,) * targets,
            )
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
            message = f"{quote(name)} stands beside `samples`"
            help = "each sample has its own: `samples: [{inputs: …, targets: …}]`"
            report.error("both-forms", message, top.key(name), help)
    like = "{inputs: …, targets: …}"
    found: list[ReadSample] = []
    listed_rows = rows(node, report, "`samples`", f"mappings {like}", "sample", MOST_SAMPLES)
    for index, row in enumerate(listed_rows, 1):
        if not is_mapping(row, report, f"sample {index}", like):
            found.append(ReadSample())
            continue
        own = SAMPLE.of(row, report, f"sample {index}")
        found.append(_sample(own, report, f" of sample {index}"))
    read = Samples(tuple(found), listed=True)
    _same_counts(read, report)
    return read


def _sample(own: Fields, report: Report, of: str) -> ReadSample:
    return ReadSample(
        _Values("input", "x", report, of).read(own[INPUTS]),
        _Values("target", "y", report, of).read(own[TARGETS]),
    )


def _same_counts(samples: Samples, report: Report) -> None:
    have_targets = samples.have_targets
    for what, usual in (("inputs", samples.inputs), ("targets", samples.targets)):
        for index, sample in enumerate(samples.samples, 1):
            own = sample.inputs if what == "inputs" else sample.targets
            node, row = own.node, own.values
            if node is None:
                at = sample.inputs.node
                if what == "targets" and have_targets and at is not None:
                    message = f"sample {index} has no `targets`, and other samples have"
                    report.error("missing-key", message, at)
            elif row is not None and usual is not None and len(row) != usual:
                message = f"sample {index} has {counted(len(row), what[:-1])}"
                report.error("shape", f"{message}, and the others have {usual}", node)
    shape = samples.inputs_shape
    for index, sample in enumerate(samples.samples, 1):
        own = sample.inputs
        if own.node is not None and own.values is not None and own.shape != shape:
            found = f"the inputs of sample {index} are {_levels(own.shape)}"
            report.error("shape", f"{found}, and those of sample 1 {_levels(shape)}", own.node)


def _levels(shape: Shape) -> str:
    return shape_text(shape) if shape else "one list"


@dataclass(frozen=True)
class _Values:
    """Reads the inputs or the targets of a sample; `of` says in messages which sample's."""

    kind: Literal["input", "target"]
    letter: Literal["x", "y"]
    report: Report
    of: str

    def read(self, node: Node | None) -> ReadValues:
        """Numbers in a list or by name, a number alone, lists in lists with their shape; a name or
        `null` has no number."""
        if node is None or not _in_levels(node):
            return ReadValues(node, None if node is None else self._one_list(node))
        read = self.report.tried(read_levels, node, f"`{self.kind}s`{self.of}")
        if read is None or self._too_many(len(read.values), node):
            return ReadValues(node)
        return ReadValues(node, read.values, read.shape if len(read.shape) > 1 else ())

    def _too_many(self, count: int, node: Node) -> bool:
        if count > MOST_VALUES:
            self.report.too_many(count, f"{self.kind}s", MOST_VALUES, node)
        return count > MOST_VALUES

    def _one_list(self, node: Node) -> tuple[Value, ...] | None:
        start = len(self.report.problems)
        cells: list[tuple[Node, str]]
        match node:
            case Scalar():
                cells = [(node, "")]
            case Items(_, found):
                cells = [(cell, f" {index}") for index, cell in enumerate(found, 1)]
                if not found:
                    message = f"`{self.kind}s`{self.of} is an empty list"
                    self.report.error("missing-value", message, node)
            case Entries():
                cells = self._by_name(node)
        if self._too_many(len(cells), node):
            return None
        names = value_names(self.letter, (len(cells),)) if cells else ()
        values = tuple(
            self._value(cell, name, f"{self.kind}{place}{self.of}")
            for name, (cell, place) in zip(names, cells, strict=True)
        )
        sure = isinstance(node, Items) and values  # how many there are, whatever is wrong with them
        return values if sure or not self.report.failed_since(start) else None

    def _value(self, cell: Node, name: str, what: str) -> Value:
        if isinstance(cell, Scalar):
            if cell.null:
                return None
            own = re.match(rf"{self.letter}_?[0-9]*\Z", cell.text[:20])
            other = cell.plain and cell.text[:1].isalpha() and _OTHER_NAME.match(cell.text[:20])
            if own or other:
                if cell.text not in (name, f"{self.letter}1" if name == self.letter else name):
                    misnamed(cell, self.report, what, name)
                return None
        return self.report.tried(number, cell, what)

    def _by_name(self, node: Entries) -> list[tuple[Node, str]]:
        """The values of `{x1: 6, x2: 2}` in the order of their numbers."""
        letter, count = self.letter, len(node.entries)
        expected = [f"{letter}{index}" for index in range(1, count + 1)]
        found: dict[str, Node] = {}
        for key, value in node.entries:
            name = f"{letter}1" if count == 1 and key.text == letter else key.text
            found[name] = value
            if name in expected:
                continue
            head, colon, _ = key.text.partition(":")
            if colon and node.flow and (head in expected or head == letter):
                message, help = f"{quote(key.text)} is not a name", "put a space behind the colon"
                # What stands for the value has no number, and gets no second message.
                found[f"{letter}1" if head == letter else head] = Scalar(key.span, "")
            else:
                of = f"{counted(count, self.kind)}{self.of}"
                message = f"{quote(key.text)} is not the name of one of {of}"
                help = f"they are called {listed(expected)}"
                help = help if count > 1 else f"it is called {quote(letter)}"
            self.report.error("bad-name", message, key, help)
        return [(found[name], f" {quote(name)}") for name in expected if name in found]


def _in_levels(node: Node) -> bool:
    """Whether a value is an image or a sequence: lists in lists, or its shape alone."""
    listed = isinstance(node, Items) and isinstance(next(iter(node.items), None), Items)
    return listed or entry(node, "shape") is not None
