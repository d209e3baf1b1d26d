"""The later updates of a large run with NumPy: steps that are written alike, worked out together.

All quantities stand in one array. Steps that differ only in their names and need nothing of each
other (the z of a layer, in all samples) are a group: one expression on whole arrays, in which each
name is a view of that array, or numbers picked from it where they do not lie regularly. Operations
and their order are those of the straight-line code in `compiled`, so that every bit of every result
is the same; what NumPy rounds otherwise (e^z) or does not have is called number by number.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial, reduce
from itertools import groupby
from types import CodeType
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from backprop_cli.dataclass import dataclass
from backprop_cli.formula import python
from backprop_cli.formula.build import calls_in, children, names_in, rebuild
from backprop_cli.formula.nodes import Comparison, Conditional, Formula, Name, Sum
from backprop_cli.graph.step import Graph
from backprop_cli.run.evaluation import is_clock
from backprop_cli.run.program import (
    NEAR,
    ROUNDING,
    Batch,
    Program,
    key,
    over_samples,
    settled,
    size_of,
)

Array: TypeAlias = Any
"""A NumPy array; along an axis of length 1 its numbers are the same for all."""

Known: TypeAlias = Mapping[str, Array]
Part: TypeAlias = Callable[[Known], Array]
"""Part of a formula: from the arrays of its names to its own."""

FEWEST_TERMS = 4
"""So many terms that are written alike are added up as an array."""
AT_ONCE = 1 << 15
"""So many numbers of such terms are worked out at a time: they stay in the processor's cache."""
REPEATED = 4
"""What is used so many times over is put in order before."""
SPARSE = 80
"""With fewer steps in a group, on average, straight-line code is quicker."""


@dataclass
class Group:
    """Steps that are written alike: their names, and the names in the formula of each."""

    formula: Formula  # in p0, p1, …
    places: list[tuple[int, int]]  # of each p, where it is in a row of names, and in which sample
    each: bool  # whether there is one for every sample
    decides: bool  # whether a sum near 0 is 0
    names: list[str]
    rows: list[list[str]]


def grouped(work: Program) -> list[Group] | None:
    """The steps in groups, in an order in which they can be worked out; None where that would be
    slower than one step after the other."""
    each = {name for name, _ in work.each}
    kinds: dict[object, int] = {}
    formulas: list[tuple[Formula, list[tuple[int, int]]]] = []
    rows: dict[str, list[str]] = {}
    kind_of: dict[str, int] = {}
    for name, formula in work.lines:
        kind = (key(formula, rows.setdefault(name, [])), name in each)
        if kind not in kinds:
            kinds[kind] = len(formulas)
            formulas.append(_in_places(formula, work.samples))
        kind_of[name] = kinds[kind]
    decided = [
        [places[int(p[1:])][0] for p in settled([("", formula)])[1] if p[0] == "p"]
        for formula, places in formulas
    ]
    deciding = {rows[name][place] for name, kind in kind_of.items() for place in decided[kind]}
    level = _levels(work.graph, rows)
    groups: dict[tuple[int, int, bool], Group] = {}
    # Sample after sample, so that what is added up over samples lies in rows.
    for name in sorted(rows, key=lambda name: work.graph.step[name].sample or 0):
        where = (level[name], kind_of[name], name in deciding)
        if where not in groups:
            groups[where] = Group(*formulas[where[1]], name in each, where[2], [], [])
        groups[where].names.append(name)
        groups[where].rows.append(rows[name])
    if len(rows) + (work.samples - 1) * len(each) < SPARSE * len(groups):
        return None
    return [groups[where] for where in sorted(groups)]


def _in_places(formula: Formula, samples: int) -> tuple[Formula, list[tuple[int, int]]]:
    """The formula with p0, p1, … for its names, in the order of its parts; a sum over the samples
    is written out. And for each p, which name it is and of which sample (from 0)."""
    places: list[tuple[int, int]] = []
    at = 0

    def number(part: Formula, sample: int) -> Formula:
        nonlocal at
        match part:
            case Name():
                places.append((at, sample))
                at += 1
                return Name(f"p{len(places) - 1}")
            case Sum((first, *rest)) if (term := over_samples(first)) is not None:
                start, terms = at, []
                for each in range(samples):
                    at = start
                    terms.append(number(term, each))
                return Sum((*terms, *(number(other, sample) for other in rest)))
            case Conditional(condition, then, otherwise):
                first, compared, last = (number(p, sample) for p in (then, condition, otherwise))
                assert isinstance(compared, Comparison)
                return Conditional(compared, first, last)
            case _:
                return rebuild(part, lambda inner: number(inner, sample))

    return number(formula, 0), places


def _levels(graph: Graph, rows: dict[str, list[str]]) -> dict[str, int]:
    """When each step is worked out: what leads to the loss and back as early as it can be; what
    is of the update as late, so that the parameters of all layers are worked out together."""
    level: dict[str, int] = {}
    for name, row in rows.items():
        level[name] = 1 + max((level.get(other, 0) for other in row), default=0)
    last = max(level.values())
    latest = {step.name: last for step in graph.section("update")}
    for name in reversed(rows):
        if name in latest:
            level[name] = latest[name]
            for other in rows[name]:
                if other in latest:
                    latest[other] = min(latest[other], level[name] - 1)
    return level


class Vectorized:
    """One array of all quantities, and what is done to it in an update."""

    def __init__(self, work: Program, groups: Sequence[Group]) -> None:
        graph = work.graph
        given = [name for row in work.given for name in row]
        others = [leaf.name for leaf in graph.leaves if leaf.name not in set(given)]
        # Where a quantity lies, and how far apart those of two samples are.
        place = {name: index for index, name in enumerate(given)}
        apart = dict.fromkeys(given, len(given) if work.each else 0)
        size = len(given) * work.samples
        for names, count in (
            (others, 1),
            *((g.names, work.samples if g.each else 1) for g in groups),
        ):
            for index, name in enumerate(names):
                place[name], apart[name] = size + index, len(names) if count > 1 else 0
            size += len(names) * count
        self.values = np.full(size, math.nan)
        for name, value in work.constants.items():
            self.values[place[name]] = value
        self.state = _indices([place[name] for name in work.state])
        self.news = _indices([place[graph.carried.get(name, name)] for name in work.state])
        self.given = slice(0, len(given) * work.samples)
        self.clocks = _indices([place[leaf.name] for leaf in graph.leaves if is_clock(leaf)])
        self.loss = place[graph.output] if graph.losses else None
        samples = np.arange(work.samples)
        self.work: list[Callable[[], None]] = []
        for group in groups:
            which, sample = _indices(group.places).reshape(-1, 2).T
            starts, steps = (
                _indices([[known[name] for name in row] for row in group.rows]).T
                for known in (place, apart)
            )
            columns = starts[which] + steps[which] * sample[:, None]
            own = slice(place[group.names[0]], place[group.names[0]] + len(group.names))
            if group.each:
                columns = columns[:, None] + steps[which][:, None] * samples[:, None]
                columns = columns.reshape(len(which), len(group.names) * work.samples)
                own = slice(own.start, own.start + columns.shape[1])
            self.work.append(_Expression(self.values, columns, group, own).work)

    def updates(
        self,
        state: Sequence[float],
        batches: Sequence[Batch],
        done: int,
        wanted: int,
        record: Callable[[float], None],
    ) -> tuple[int, tuple[float, ...]]:
        """The loop over updates; see `compiled.Loop`."""
        values = self.values
        values[self.state] = state
        given = [np.array(batch).ravel() for batch in batches]
        with np.errstate(all="ignore"):
            while done < wanted:
                values[self.given] = given[done % len(given)]
                values[self.clocks] = done + 1.0
                for work in self.work:
                    work()
                news = values[self.news]
                if self.loss is not None:
                    loss = float(values[self.loss])
                    if not (math.isfinite(loss) and np.isfinite(news).all()):
                        break
                    record(loss)
                values[self.state] = news
                done += 1
        return done, tuple(values[self.state].tolist())


def _indices(places: object) -> Array:
    return np.array(places, dtype=np.intp)


class _Expression:
    """The formula of a group: where its names stand, and how it is worked out.

    The members lie in a grid (samples by units, say) along whose axes each name moves by equal
    steps; else in one row. The terms of a long sum are a further axis, the first.
    """

    def __init__(self, values: Array, columns: Array, group: Group, own: slice) -> None:
        self.values = values
        lines, deciding = settled([("", group.formula)])
        runs = {place: run for _, formula in lines for place, run in _runs(formula)}
        covered = {p + t * width for p, (count, width) in runs.items() for t in range(count)}
        alone = [place for place in range(len(columns)) if place not in covered]
        terms = {p: slice(p, p + count * width, width) for p, (count, width) in runs.items()}
        steps = {p: np.diff(columns[run], axis=0) for p, run in terms.items()}
        even = [p for p, step in steps.items() if (step == step[0, 0]).all()]
        axes = _axes(columns[[*alone, *even]])
        shape = axes or (columns.shape[1],)
        # NumPy is quick along the last axis: where terms are added up, that is the longest.
        order = sorted(range(len(shape)), key=shape.__getitem__) if terms else range(len(shape))
        columns = columns.reshape(-1, *shape).transpose(0, *(axis + 1 for axis in order))
        self.target = values[own].reshape(shape).transpose(order)
        self.shape = self.target.shape
        self.known: dict[str, Array] = {}
        self.picked: dict[str, Array] = {}
        self.copied: list[tuple[Array, Array]] = []
        for place in alone:
            self._read(f"p{place}", columns[place], axes is not None)
        for place, run in terms.items():
            self._read(f"p{place}", columns[run], axes is not None and place in even)
        self.lines: list[tuple[str, Part, Part | None]] = []
        for name, formula in lines:
            size = size_of(formula) if name in deciding or (group.decides and not name) else None
            self.lines.append((name, _part(formula), None if size is None else _part(size)))

    def _read(self, name: str, places: Array, regular: bool) -> None:
        """A name as a view of all values, or as what is picked from them at each update."""
        steps = [
            int(np.take(places, 1, axis).flat[0] - places.flat[0]) if length > 1 else 0
            for axis, length in enumerate(places.shape)
        ]
        if regular or (places == places.flat[0]).all():
            terms = places.ndim - len(self.shape)
            view = as_strided(
                self.values[int(places.flat[0]) :],
                [
                    length if step or axis < terms else 1
                    for axis, (length, step) in enumerate(zip(places.shape, steps, strict=True))
                ],
                [step * self.values.itemsize for step in steps],
                writeable=False,
            )
            if REPEATED * view.size <= places.size and not view.flags.c_contiguous:
                copy = self.known[name] = np.empty(view.shape)
                self.copied.append((copy, view))
            else:
                self.known[name] = view
        else:
            self.picked[name] = places

    def work(self) -> None:
        known = self.known
        for own, view in self.copied:
            own[...] = view
        for name, places in self.picked.items():
            known[name] = self.values[places]
        for name, part, size in self.lines:
            found = known[name] = np.empty(self.shape) if name else self.target
            found[...] = part(known)
            if size is not None and (near := np.abs(found) < NEAR).any():
                near &= np.abs(found) <= ROUNDING * size(known)
                found[near] = 0.0


def _axes(columns: Array) -> tuple[int, ...] | None:
    """The shape of the grid in which all columns move by equal steps along each axis, the last axis
    running fastest; None where there is none."""
    shape: list[int] = []
    starts = columns
    if not len(columns):
        return None
    while (count := starts.shape[1]) > 1:
        steps = np.diff(starts, axis=1)
        changes = (steps != steps[:, :1]).any(axis=0)
        length = int(changes.argmax()) + 1 if changes.any() else count
        if count % length:
            return None
        blocks = starts.reshape(len(starts), -1, length)
        inner = blocks - blocks[:, :, :1]
        if (inner != inner[:, :1]).any():
            return None
        shape.insert(0, length)
        starts = blocks[:, :, 0]
    return tuple(shape) or (1,)


def _terms(terms: Sequence[Formula]) -> Iterator[tuple[Formula, int]]:
    """The terms of a sum, those that are written alike and follow one another as the first and
    their number, if they are many."""
    for _, alike in groupby(terms, key=lambda term: key(term, [])):
        run = list(alike)
        in_places = all(name[0] == "p" for term in run for name in names_in(term))
        if len(run) >= FEWEST_TERMS and in_places and names_in(run[0]):
            yield run[0], len(run)
        else:
            yield from ((term, 1) for term in run)


def _runs(formula: Formula) -> Iterator[tuple[int, tuple[int, int]]]:
    """Each place in the first term of a long sum: how many terms there are, and how many names in
    each."""
    if isinstance(formula, Sum):
        for term, count in _terms(formula.terms):
            if count > 1:
                row: list[str] = []
                key(term, row)
                yield from ((int(name[1:]), (count, len(row))) for name in row)
            else:
                yield from _runs(term)
    else:
        for part in children(formula):
            yield from _runs(part)


def _part(formula: Formula) -> Part:
    """How a formula is worked out."""
    names: dict[str, str] = {}  # of a long sum those in its first term

    def identifier(name: str) -> str:
        return names.setdefault(name, name.replace(" ", "_"))

    written = _Writer(identifier)(formula)
    function = python.build(f"lambda {', '.join(names.values())}: {written}", _scope)
    return lambda known: function(*(known[name] for name in names))


class _Writer(python.Writer):
    """Writes formulas as expressions between arrays."""

    within = False  # one term of a long sum, or numbers picked from an array

    def inside(self, formula: Formula) -> str:
        own = copy(self)
        own.within = True
        return own(formula)

    def sum(self, terms: Sequence[Formula]) -> str:
        parts = [(term, 1) for term in terms] if self.within else list(_terms(terms))
        if all(count == 1 for _, count in parts):
            return super().sum(terms)
        text = ""
        for term, count in parts:
            if count > 1:
                names = ", ".join(map(self.identifier, names_in(term)))
                term_of = f"lambda {names}: {self.inside(term)}"
                text = f"f_added({text or None}, {count}, {term_of}, {names})"
            elif text:
                text = f"({text} + {self(term)})"
            else:
                text = self(term)
        return text

    def divided(self, above: str, below: str) -> str:
        return f"f_divide({above}, {below})"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        if function == "sqrt":
            return f"f_sqrt({arguments[0]})"
        return super().call(function, arguments)

    def inline(self, body: Formula | None, argument: str) -> str | None:
        return None if body is None else f"(lambda u0: {_Writer(str).inside(body)})({argument})"

    def conditional(self, formula: Conditional) -> str:
        """Where it costs much, each of two is worked out only where it is needed."""
        names = ", ".join(map(self.identifier, names_in(formula)))
        branches = self.branches(formula)
        long = not self.within and any(_runs(formula))
        calls = any(calls_in(formula.then)) or any(calls_in(formula.otherwise))
        if long or not names or not calls:
            return self.choice(formula.condition, *branches)
        here, there = (f"lambda {names}: {branch}" for branch in branches)
        return f"f_chosen({self.condition(formula.condition)}, {here}, {there}, {names})"

    def choice(self, condition: Comparison, here: str, there: str) -> str:
        return f"f_where({self.condition(condition)}, {here}, {there})"


def _added(found: Array | None, count: int, term_of: Callable[..., Array], *arrays: Array) -> Array:
    """So many terms added to a sum so far: one after the other, as in a loop."""
    shape = tuple(map(max, zip(*(array.shape[1:] for array in arrays), strict=True)))
    for start in range(0, count, at_once := max(1, AT_ONCE // math.prod(shape))):
        some = slice(start, start + at_once)
        found = _with_rows(found, term_of(*(array[some] for array in arrays)))
    return found


def _with_rows(found: Array | None, rows: Array) -> Array:
    """Rows added to a sum so far, one after the other: NumPy adds them so where it cannot go along
    a row, and in another order where it can."""
    shape = rows.shape[1:]
    if found is not None:
        shape = np.broadcast_shapes(np.shape(found), shape)
        if not rows.flags.owndata or rows.shape[1:] != shape:
            rows = np.broadcast_to(rows, (len(rows), *shape)).copy()
        rows[0] += found
    if math.prod(shape) == 1:
        return np.full(shape, reduce(operator.add, rows.ravel().tolist()))
    return np.add.reduce(np.ascontiguousarray(rows), axis=0)


def _divide(above: Array, below: Array) -> Array:
    if np.all(below):
        return np.divide(above, below)
    return _number_by_number(python.divide, above, below)


def _chosen(
    holds: Array, here: Callable[..., Array], there: Callable[..., Array], *arrays: Array
) -> Array:
    """One of two, number by number, each worked out only where it is needed."""
    if np.all(holds):
        return here(*arrays)
    shape = np.broadcast_shapes(np.shape(holds), *map(np.shape, arrays))
    holds = np.broadcast_to(holds, shape)
    found = np.empty(shape)
    for where, branch in ((holds, here), (~holds, there)):
        if where.any():
            found[where] = branch(*(np.broadcast_to(array, shape)[where] for array in arrays))
    return found


def _number_by_number(function: Callable[..., float], *arrays: Array) -> Array:
    arrays = np.broadcast_arrays(*arrays)
    numbers = [array.ravel().tolist() for array in arrays]
    count = arrays[0].size
    return np.fromiter(map(function, *numbers), float, count).reshape(arrays[0].shape)


def _exp(array: Array) -> Array:
    """e^x as the C library has it. NumPy's own is another in the last bit; e^(x + 0i) is the C
    library's times 1, where it is in range."""
    if _SAME and np.max(array) < python.LARGEST_EXPONENT:
        return np.exp(array + 0j).real
    return _number_by_number(python.numeric("exp"), array)


_PROBE = np.linspace(-40, 40, 257)
_SAME = np.exp(_PROBE + 0j).real.tolist() == list(map(math.exp, _PROBE.tolist()))
"""Whether it is so on this machine."""


_ON_ARRAYS: Mapping[str, object] = {
    "f_added": _added, "f_chosen": _chosen, "f_where": np.where, "f_divide": _divide,
    "f_exp": _exp, "f_math_exp": _exp, "f_abs": np.abs, "f_sqrt": np.sqrt,
}  # fmt: skip
"""What generated code means by these words; of functions those of which NumPy has every bit right,
or which are quicker without the care for what is out of range."""


def _scope(code: CodeType) -> dict[str, object]:
    """What generated code needs around it: functions of numbers go through arrays one by one."""
    return {
        **{
            word: partial(_number_by_number, known)
            if word not in _FOLDED and callable(known)
            else known
            for word, known in python.scope(code).items()
        },
        **_ON_ARRAYS,
    }


_FOLDED = ("f_sum", "f_product")
"""These are made of operators, and so of what arrays have too."""
