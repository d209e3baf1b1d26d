"""The equations form with vectors, matrices and time: written out as equations of numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import field

from backprop_cli.arrays.array import (
    INDEX,
    MINUS_INFINITY,
    SLICE,
    Array,
    ArrayError,
    Shape,
    TooLarge,
    View,
    entry_names,
    shape_text,
)
from backprop_cli.arrays.expand import Expansion, tidy
from backprop_cli.arrays.language import SCORED, Written, read_formula
from backprop_cli.arrays.operations import OPERATIONS
from backprop_cli.arrays.workshop import Workshop
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.diagnostics import quote
from backprop_cli.formula.build import children, names_in, rebuild
from backprop_cli.formula.nodes import Call, Formula, Name, Number
from backprop_cli.formula.quantity import arrays_of
from backprop_cli.patterns import pattern
from backprop_cli.problem.array_values import ArrayReader, ReadArray, has_arrays, read_shapes
from backprop_cli.problem.fields import Fields, apart, by_name
from backprop_cli.problem.forms import Value
from backprop_cli.problem.formulas import defined_name, formula, parsed, used_as_number
from backprop_cli.problem.values import Report, entries, word
from backprop_cli.problem.yaml_tree import Node, Scalar

MOST_TIMES = 100
INDEX_ROW = apart(
    "index",
    by_name({"type": "string"}, maxProperties=1),
    "`{name: range}`",
    "Time: `{t: 1..3}` makes h_t one equation for each t.",
)
_RANGE = pattern(r"([0-9]{1,18}) ?(?:\.\.|…|-) ?([0-9]{1,18})\Z")
_BRACED = pattern(r"(.+)_\{ ?(\w+) ?\}\Z")


@dataclass(frozen=True)
class Index:
    """`index: {t: 1..3}`."""

    name: str
    low: int
    high: int

    @property
    def range(self) -> range:
        return range(self.low, self.high + 1)


def read_index(top: Fields, report: Report) -> Index | None:
    """The index of time. Where it cannot be read it is taken for what it seems to be, so that what
    uses it is not reported as well."""
    node = top.get("index")
    if node is None:
        return None
    like, seems = "{t: 1..3}", node.text.strip() if isinstance(node, Scalar) else ""
    found = entries(node, report, "`index`", "one name and its range")
    if len(found) > 1:
        report.error("too-large", "`index` has one name: that of time", node, like)
    if not found:
        return Index(seems if re.fullmatch("[A-Za-z]", seems) else "t", 1, 1)
    key, value = found[0]
    name = key.text.strip()
    if not re.match(r"[A-Za-z]\Z", name):
        report.error("bad-name", f"an index is a single letter, not {quote(name)}", key)
    text = report.tried(word, value, f"the range of {quote(name)}")
    match = _RANGE.match(text.strip()) if text else None
    if match is None:
        if text:
            message = f"the range of {quote(name)} must be like `1..3`"
            report.error("out-of-range", message, value, like)
        return Index(name, 1, 1)
    said = int(match[1]), int(match[2])
    low = max(1, min(said))
    high = min(max(1, *said), low + MOST_TIMES - 1)
    if (low, high) != said:
        limits = f"from 1 or more upwards, over {MOST_TIMES} steps at most"
        report.error("out-of-range", f"{quote(name)} must run {limits}", value)
    return Index(name, low, high)


@dataclass
class Equation:
    """One array equation, for one time where it belongs to a family."""

    written: Written
    node: Scalar
    text: str
    formula: Formula


@dataclass
class ArrayEquations:
    """What the reader of equations needs to know of arrays; see `problem.equations`."""

    top: Fields
    report: Report
    leaves: dict[str, ReadArray] = field(default_factory=dict)
    families: dict[str, list[str]] = field(default_factory=dict)
    equations: dict[str, Equation] = field(default_factory=dict)
    varying: set[str] = field(default_factory=set)  # of these each sample has its own
    index: Index | None = None
    places: dict[str, Node] = field(default_factory=dict)  # what defines a name
    kept: list[Formula] = field(default_factory=list)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plain = not has_arrays(self.top)  # it has nothing but single numbers
        self.index = read_index(self.top, self.report)
        self.shapes = read_shapes(self.top, self.report)
        self.reader = ArrayReader(self.report, self.shapes)
        self.unwritten = set(self.shapes)

    # --- reading ---

    def leaf(self, key: Scalar, value: Node | None, name: str | None) -> None:
        """Read a value; it is not among the leaves where it is wrong."""
        if name is None:  # that is wrong, and more may be
            self.reader.read(value, key.text, what=quote(key.text))
            return
        self.unwritten.discard(name)
        self.places[name] = key
        if self.index is not None and name == self.index.name:
            self.report.error(
                "bad-name", f"{quote(name)} counts the times here: it is no quantity", key,
                "give the quantity, or the index, another letter",
            )  # fmt: skip
            return
        read = self.reader.read(value, name, len(self.leaves), quote(key.text))
        if read is not None:
            self.leaves[name] = read

    def of_sample(self, name: str, value: Node, sample: int) -> dict[str, Value]:
        """The numbers of one sample, by the names of entries."""
        first = self.leaves.get(name)
        what = f"{quote(name)} of sample {sample}"
        read = self.reader.read(value, name, what=what)
        if read is None:
            return {name: None} if self.plain else {}
        if first is None:
            self.leaves[name] = read
            self.varying.add(name)
        if first is not None and read.shape != first.shape:
            usual = f"that of sample 1 {shape_text(first.shape)}"
            self.report.error("shape", f"{what} is {shape_text(read.shape)}, and {usual}", value)
            return {}
        if read.masked:
            self.report.error(
                "not-a-number", f"{what} has −∞, which must be the same in all samples", value,
                "give the mask under `given`",
            )  # fmt: skip
            return {}
        return dict(zip(entry_names(name, read.shape), read.values, strict=True))

    def first_rows(self) -> dict[str, str]:
        """What to say where the row before the first is missing, or the index."""
        if self.index is None:
            return {}
        before = self.index.low - 1
        return {
            f"{stem}_{before}": "give the row before the first under `given`: "
            f"`{stem}_{before}: [0, 0]`"
            for stem in self.families
        } | {
            stem: f"{quote(f'{stem}_{self.index.name}')} stands for all of its times"
            for stem in self.families
        }

    def keys(
        self, pairs: Iterable[tuple[Scalar, Node]]
    ) -> Iterator[tuple[str | None, Scalar, Node]]:
        """The names that each key defines, rows of a family one by one; None for what is no name."""
        for key, value in pairs:
            stem = self.stem(key.text.strip())
            if stem is None or self.index is None:
                yield defined_name(key, self.report, "an equation"), key, value
                continue
            own = [f"{stem}_{time}" for time in self.index.range]
            self.families[stem] = own
            for name in own:
                yield name, key, value

    def stem(self, text: str) -> str | None:
        """`h` for `h_t` or `h_{t}`, where t is an index."""
        if self.index is None:
            return None
        if (braced := _BRACED.match(text)) and braced[2] == self.index.name:
            return braced[1]
        tail = f"_{self.index.name}"
        return text.removesuffix(tail) if text.endswith(tail) and text != tail else None

    def formula(
        self, name: str | None, key: Scalar, value: Node, names: Set[str], stems: Set[str]
    ) -> Formula | None:
        """The tree of an equation, rows put in by their own names; see `read_formula`."""
        what = f"the equation of {quote(key.text)}"
        if self.plain:
            return self.report.tried(formula, value, what, names)
        index = None if self.index is None else self.index.name
        written = self.report.tried(
            parsed, value, what, lambda text: read_formula(text, names, stems, index)
        )
        if written is None or not isinstance(value, Scalar):
            return None
        itself = False
        for doubt in written.doubts:
            place = value.within(doubt.column, doubt.length)
            own = doubt.row != "" and doubt.row == self.stem(key.text.strip())
            itself = itself or own
            tell = self.report.error if own else self.report.warning
            tell(doubt.code, doubt.message, place, doubt.advice)
        if itself:
            return None
        self.spans.update(written.spans)
        self.kept.append(written.formula)
        if used_as_number(written.formula):
            advice = "say both numbers: `1 if a > b else 0`, or `where(a > b, 1, 0)`"
            message = f"{what} uses a comparison as a number"
            self.report.error("bad-formula", message, value, advice)
            return None
        time = None
        if name is None:
            return written.formula
        if (stem := self.stem(key.text.strip())) in self.families and self.index is not None:
            time = self.index.low + self.families[stem].index(name)
        found = self.settled(written.formula, time, frozenset(names))
        self.places[name] = value
        self.equations[name] = Equation(written, value, value.text, found)
        return found

    def settled(self, formula: Formula, time: int | None, names: frozenset[str]) -> Formula:
        """Rows and entries by the names that they have, all rows where no time is given."""
        found: Formula
        if isinstance(formula, Name):
            found = self.row(formula.name, time, names)
        else:
            found = rebuild(formula, lambda part: self.settled(part, time, names))
        if found is not formula:
            self.kept.append(found)
            if id(formula) in self.spans:
                self.spans[id(found)] = self.spans[id(formula)]
        return found

    def row(self, name: str, time: int | None, names: frozenset[str]) -> Formula:
        if name in names:
            return Name(name)
        if braced := _BRACED_ROW.match(name):
            assert self.index is not None
            stem, shift = braced[1], -1 if braced[3] else 0
            if time is not None:
                return self._row_at(stem, time + shift)
            low, high = self.index.low + shift, self.index.high + shift
            if stem in self.families:
                return Call("stack", tuple(self._row_at(stem, at) for at in range(low, high + 1)))
            ends = Number(str(low)), Number(str(high))
            return Call(INDEX, (Name(stem), Call(SLICE, ends)))
        for stem, place in arrays_of(name):
            if stem in names:
                return Call(INDEX, (Name(stem), *map(Number, place)))
        return Name(name)

    def _row_at(self, stem: str, time: int) -> Formula:
        if stem in self.families:
            return Name(f"{stem}_{time}")
        return Call(INDEX, (Name(stem), Number(str(time))))

    def masks_alone(self) -> None:
        """Warn of `softmax(M)` where M is nothing but the mask of some scores."""
        masks = {
            name: own.name
            for name, each in self.equations.items()
            if (own := _masked(each.formula)) is not None
        }
        waiting = [(each, each.formula) for each in self.equations.values() if masks]
        while waiting:
            equation, formula = waiting.pop()
            waiting += [(equation, part) for part in children(formula)]
            match formula:
                case Call(function, (Name(name) as mask, *_)) if (
                    function in SCORED and name in masks
                ):
                    scores, place = masks[name], self.spans.get(id(mask))
                    at = equation.node if place is None else equation.node.within(*place)
                    message = (
                        f"`{function}` is of the mask `{name}` alone, without its scores `{scores}`"
                    )
                    advice = f"write `{name}: {scores} + causal_mask({scores})`"
                    self.report.warning("unused", message, at, advice)

    # --- writing out ---

    def write_out(
        self, order: Iterable[str], parameters: Collection[str], unsound: Iterable[str] = ()
    ) -> WrittenOut:
        """The equations between numbers, without those that are `unsound` or do not fit, which is
        reported, and what needs them."""
        self.masks_alone()
        used = _used(each.formula for each in self.equations.values())
        taken = {*self.leaves, *self.equations, *self.families}
        shop = Workshop(set(taken))
        expansion = Expansion(shop)
        values: dict[str, Value] = {}
        structural: set[str] = set()
        for name, leaf in self.leaves.items():
            names = entry_names(name, leaf.shape)
            as_places = (
                used.get(name) == {"place"} and None not in leaf.values and name not in self.varying
            )
            entries_: list[Formula] = []
            for at, (entry, value) in enumerate(zip(names, leaf.values, strict=True)):
                if at in leaf.masked:
                    entries_.append(MINUS_INFINITY)
                elif as_places and name not in parameters and value is not None:
                    entries_.append(value)
                else:
                    entries_.append(Name(entry))
                    values[entry] = value
                if value is not None and name not in self.varying and name not in parameters:
                    expansion.numbers[entry] = value.value
            if as_places:
                structural.add(name)
            expansion.known[name] = Array(leaf.shape, tuple(entries_))
            shop.views.append(View(name, leaf.shape, tuple(entries_)))
        failed = set(unsound)
        for name in order:
            if name in failed:
                continue
            equation = self.equations[name]
            if any(part in failed for part in names_in(equation.formula)):
                failed.add(name)
                continue
            try:
                shape = expansion.write(name, equation.formula, equation.text)
                declared = self.shapes.get(name)
                self.unwritten.discard(name)
                if declared is not None and declared[0] != shape:
                    raise ArrayError(
                        f"`shapes` says that this is {shape_text(declared[0])}, and it is "
                        f"{shape_text(shape)}"
                    )
            except ArrayError as error:
                failed.add(name)
                self._report(error, equation)
        for name in self.unwritten:
            help = "list it under `given` or `parameters` too: `parameters: [W]`"
            self.report.unknown("`shapes`", name, self.shapes[name][1], (), help)
        self._refuse_rows(expansion.known)
        views = [
            view
            if view.equation is None or view.written is None
            else replace(view, equation=tidy(view.equation), written=tidy(view.written))
            for view in shop.views
        ]
        for stem, own in self.families.items():
            rows = [expansion.known.get(name) for name in own]
            shape = () if rows[0] is None else rows[0].shape
            if stem in expansion.known or any(row is None or row.shape != shape for row in rows):
                continue
            entries_ = [entry for name in own for entry in expansion.known[name].entries]
            first = self.equations[own[0]]
            views.append(
                View(
                    stem,
                    (len(own), *shape),
                    tuple(entries_),
                    tidy(first.written.formula),
                    first.text,
                    tuple(own),
                )
            )
        choices = {name for name, ways in used.items() if ways == {"choice"}}
        places: dict[str, list[str]] = {}
        for view in views:
            places.setdefault(view.name, [e.name for e in view.entries if isinstance(e, Name)])
        shapes = {name: array.shape for name, array in expansion.known.items()}
        return WrittenOut(shop.equations, values, tuple(views), places, shapes, structural, choices)

    def _report(self, error: ArrayError, equation: Equation) -> None:
        place = self.spans.get(id(error.at)) if error.at is not None else None
        node = equation.node
        at = node.within(*place) if place is not None else node
        code = "too-large" if isinstance(error, TooLarge) else "shape"
        self.report.error(code, error.message, at, error.help)

    def _refuse_rows(self, known: Mapping[str, Array]) -> None:
        """`W` and `W_1` cannot both be quantities, where W is an array."""
        for name in known:
            for stem, _ in arrays_of(name):
                if stem in known and known[stem].shape:
                    message = f"{quote(name)} would be an entry of the array {quote(stem)}"
                    self.report.error(
                        "bad-name",
                        f"{message}, which is a quantity too",
                        self.places.get(name, self.top.node),
                        "give one of them another name",
                    )
                    break


def _masked(formula: Formula) -> Name | None:
    """The scores that a formula is the mask of."""
    match formula:
        case Call("causal_mask", (Name() as scores,)):
            return scores
        case _:
            return None


_BRACED_ROW = pattern(r"(.+)_\{(\w+)(-1)?\}\Z")


@dataclass(frozen=True)
class WrittenOut:
    """Equations between numbers; `entries` are the names that an array's name stands for,
    `structural` the lists that only say which rows are meant, `choices` what is nothing but a mask
    or a one-hot target."""

    equations: Mapping[str, Formula]
    values: Mapping[str, Value]
    views: tuple[View, ...]
    entries: Mapping[str, list[str]]
    shapes: Mapping[str, Shape]
    structural: Collection[str]
    choices: Collection[str]


def _used(formulas: Iterable[Formula]) -> Mapping[str, Set[str]]:
    """How each name is used: as a `place` in an array, as a `choice` of entries, as a `value`."""
    used: dict[str, set[str]] = {}
    waiting: list[tuple[Formula, str]] = [(formula, "value") for formula in formulas]
    while waiting:
        node, way = waiting.pop()
        match node:
            case Name(name):
                used.setdefault(name, set()).add(way)
            case Call(function, parts) if function == INDEX:
                waiting.append((parts[0], way if way == "place" else "value"))
                waiting.extend((part, "place") for part in parts[1:])
            case Call(function, parts) if function in OPERATIONS:
                which = OPERATIONS[function].chooses
                waiting.extend(
                    (part, "choice" if at == which else way) for at, part in enumerate(parts)
                )
            case _:
                waiting.extend((part, way) for part in children(node))
    return used
