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
from functools import reduce
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from backprop_cli.dataclass import dataclass
from backprop_cli.formula import python
from backprop_cli.formula.arithmetic import COMPARE, as_float, float_power, is_logarithm
from backprop_cli.formula.build import children, names_in, rebuild
from backprop_cli.formula.evaluate import evaluate
from backprop_cli.formula.functions import FUNCTIONS
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Conditional,
    Formula,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)
from backprop_cli.graph.step import Graph
from backprop_cli.run.evaluation import is_clock
from backprop_cli.run.settled import NEAR, ROUNDING, settled, size_of

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

    formula: Formula  # in p0, p1, …: places in a row of names
    decides: bool  # whether a sum near 0 is 0
    names: list[str]
    rows: list[list[str]]


def grouped(graph: Graph, steps: Sequence[tuple[str, Formula]]) -> list[Group] | None:
    """The steps in groups, in an order in which they can be worked out; None where that would be
    slower than one step after the other."""
    kinds: dict[object, int] = {}
    formulas: list[Formula] = []
    rows: dict[str, list[str]] = {}
    kind_of: dict[str, int] = {}
    for name, formula in steps:
        key = _key(formula, rows.setdefault(name, []))
        if key not in kinds:
            kinds[key] = len(formulas)
            formulas.append(_in_places(formula))
        kind_of[name] = kinds[key]
    decided = [[int(p[1:]) for p in settled([("", f)])[1] if p[0] == "p"] for f in formulas]
    deciding = {rows[name][place] for name, kind in kind_of.items() for place in decided[kind]}
    level = _levels(graph, rows)
    groups: dict[tuple[int, int, bool], Group] = {}
    # Sample after sample, so that what is added up over samples lies in rows.
    for name in sorted(rows, key=lambda name: graph.step[name].sample or 0):
        kind, decides, row = kind_of[name], name in deciding, rows[name]
        where = (level[name], kind, decides)
        group = groups.setdefault(where, Group(formulas[kind], decides, [], []))
        group.names.append(name)
        group.rows.append(row)
    if len(steps) < SPARSE * len(groups):
        return None
    return [groups[where] for where in sorted(groups)]


def _key(formula: Formula, row: list[str]) -> object:
    """What formulas that differ only in names have in common; the names are put into the row."""
    if isinstance(formula, Name):
        row.append(formula.name)
        return ""
    if isinstance(formula, Number):
        return formula.text
    detail = getattr(formula, "function", None) or getattr(formula, "relation", "")
    return (type(formula).__name__, detail, *(_key(part, row) for part in children(formula)))


def _in_places(formula: Formula) -> Formula:
    """The formula with p0, p1, … for its names, in the order of its parts."""
    count = iter(range(1 << 30))

    def number(part: Formula) -> Formula:
        match part:
            case Name():
                return Name(f"p{next(count)}")
            case Conditional(condition, then, otherwise):
                first, compared, last = map(number, (then, condition, otherwise))
                assert isinstance(compared, Comparison)
                return Conditional(compared, first, last)
            case _:
                return rebuild(part, number)

    return number(formula)


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

    def __init__(
        self, graph: Graph, groups: Sequence[Group], state: Sequence[str], given: Sequence[str]
    ) -> None:
        names = [leaf.name for leaf in graph.leaves]
        names += [name for group in groups for name in group.names]
        place = {name: index for index, name in enumerate(names)}
        self.values = np.full(len(names), math.nan)
        for leaf in graph.leaves:
            if leaf.kind == "constant" and leaf.value is not None:
                self.values[place[leaf.name]] = as_float(leaf.value)
        self.state = _indices([place[name] for name in state])
        self.news = _indices([place[graph.carried.get(name, name)] for name in state])
        self.given = _indices([place[name] for name in given])
        self.clocks = _indices([place[leaf.name] for leaf in graph.leaves if is_clock(leaf)])
        self.loss = place[graph.output] if graph.losses else None
        start = len(graph.leaves)
        self.work: list[Callable[[], None]] = []
        for group in groups:
            columns = _indices([[place[name] for name in row] for row in group.rows])
            own = slice(start, start + len(group.names))
            self.work.append(_Expression(self.values, columns.T, group, own).work)
            start = own.stop

    def updates(
        self,
        state: Sequence[float],
        batches: Sequence[Sequence[float]],
        done: int,
        wanted: int,
        record: Callable[[float], None],
    ) -> tuple[int, tuple[float, ...]]:
        """The loop over updates; see `compiled.Loop`."""
        values = self.values
        values[self.state] = state
        with np.errstate(all="ignore"):
            while done < wanted:
                values[self.given] = batches[done % len(batches)]
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
        terms = {p: columns[p : p + count * width : width] for p, (count, width) in runs.items()}
        even = [place for place, rows in terms.items() if _even(rows)]
        axes = _axes(columns[[*alone, *even]])
        self.shape = axes or (columns.shape[1],)
        self.known: dict[str, Array] = {}
        self.picked: dict[str, Array] = {}
        self.copied: list[tuple[Array, Array]] = []
        for place in alone:
            self._read(f"p{place}", columns[place], axes is not None)
        for place, rows in terms.items():
            self._read(f"p{place}", rows, axes is not None and place in even)
        self.target = values[own].reshape(self.shape)
        self.lines = [
            (
                name,
                _part(formula),
                size_of(formula) if name in deciding or (not name and group.decides) else None,
            )
            for name, formula in lines
        ]
        self.sizes = [None if size is None else _part(size) for _, _, size in self.lines]

    def _read(self, name: str, places: Array, regular: bool) -> None:
        """A name as a view of all values, or as what is picked from them at each update."""
        places = places.reshape(*places.shape[:-1], *self.shape)
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
        for copy, view in self.copied:
            copy[...] = view
        for name, places in self.picked.items():
            known[name] = self.values[places]
        for (name, part, decides), size in zip(self.lines, self.sizes, strict=True):
            found = part(known)
            if name:
                found = known[name] = np.array(np.broadcast_to(found, self.shape))
            else:
                self.target[...] = found
                found = self.target
            if decides is not None and (near := np.abs(found) < NEAR).any():
                assert size is not None
                near &= np.abs(found) <= ROUNDING * size(known)
                found[near] = 0.0


def _even(rows: Array) -> bool:
    """Whether all names move by the same step from term to term."""
    steps = np.diff(rows, axis=0)
    return bool((steps == steps[0, 0]).all())


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


def _terms(formula: Sum) -> Iterator[tuple[Formula, int]]:
    """The terms, those that are written alike and follow one another as the first and their
    number, if they are many."""
    for _, alike in groupby(formula.terms, key=lambda term: _key(term, [])):
        terms = list(alike)
        in_places = all(name[0] == "p" for term in terms for name in names_in(term))
        if len(terms) >= FEWEST_TERMS and in_places and names_in(terms[0]):
            yield terms[0], len(terms)
        else:
            yield from ((term, 1) for term in terms)


def _runs(formula: Formula) -> Iterator[tuple[int, tuple[int, int]]]:
    """Each place in the first term of a long sum: how many terms there are, and how many names in
    each."""
    if isinstance(formula, Sum):
        for term, count in _terms(formula):
            if count > 1:
                row: list[str] = []
                _key(term, row)
                yield from ((int(name[1:]), (count, len(row))) for name in row)
            else:
                yield from _runs(term)
    else:
        for part in children(formula):
            yield from _runs(part)


def _part(formula: Formula, *, within: bool = False) -> Part:
    """How a formula is worked out; `within`: it is of one term of a long sum."""

    def go(part: Formula) -> Part:
        return _part(part, within=within)

    match formula:
        case Number():
            number = np.array(as_float(evaluate(formula, _no_names)))
            return lambda known: number
        case Name(name):
            return lambda known: known[name]
        case Negative(operand):
            inner = go(operand)
            return lambda known: -inner(known)
        case Sum():
            return _sum(formula, within=within)
        case Product(factors):
            logarithms = [factor for factor in factors if is_logarithm(factor)]
            if logarithms and len(factors) > 1:
                rest = list(factors)
                rest.remove(logarithms[-1])
                others = rest[0] if len(rest) == 1 else Product(tuple(rest))
                return _called(python.times_logarithm, (go(others), go(logarithms[-1])))
            return _folded(operator.mul, list(map(go, factors)))
        case Quotient(numerator, denominator):
            return _quotient(go(numerator), go(denominator))
        case Power(base, exponent):
            inner = go(base)
            if isinstance(exponent, Number) and exponent.text.isdecimal():
                times = int(exponent.text[:9])
                if 1 <= times <= python.LARGEST_PRODUCT:
                    return lambda known: reduce(operator.mul, [inner(known)] * times)
            return _called(float_power, (inner, go(exponent)))
        case Call(function, arguments):
            return _call(function, tuple(map(go, arguments)))
        case Comparison():
            condition = _condition(formula, go)
            return lambda known: np.where(condition(known), 1.0, 0.0)
        case Conditional(condition, then, otherwise):
            branches = go(then), go(otherwise)
            apart = _has_call(then, otherwise) and (within or not list(_runs(formula)))
            return _chosen(_condition(condition, go), *branches, names_in(formula) if apart else ())
        case _:
            raise TypeError("a matrix is only shown, never evaluated")


def _no_names(name: str) -> float:
    raise KeyError(name)


def _folded(operation: Callable[[Array, Array], Array], parts: Sequence[Part]) -> Part:
    first, *rest = parts

    def part(known: Known) -> Array:
        found = first(known)
        for each in rest:
            found = operation(found, each(known))
        return found

    return part


def _sum(formula: Sum, *, within: bool) -> Part:
    parts: list[Callable[[Array, Known], Array]] = []
    for term, count in ((term, 1) for term in formula.terms) if within else _terms(formula):
        minus = isinstance(term, Negative) and count == 1 and bool(parts)
        inner = _part(term.operand if minus else term, within=within or count > 1)  # type: ignore[union-attr]
        parts.append(_added(inner, term, count, minus=minus))

    def part(known: Known) -> Array:
        found = None
        for each in parts:
            found = each(found, known)
        return found

    return part


def _added(
    inner: Part, term: Formula, count: int, *, minus: bool
) -> Callable[[Array, Known], Array]:
    """Adds terms to a sum so far, or begins it: one after the other, as in a loop."""
    names = names_in(term)

    def one(found: Array, known: Known) -> Array:
        if found is None:
            return inner(known)
        return found - inner(known) if minus else found + inner(known)

    def many(found: Array, known: Known) -> Array:
        arrays = [known[name] for name in names]
        shape = tuple(map(max, zip(*(array.shape[1:] for array in arrays), strict=True)))
        for start in range(0, count, at_once := max(1, AT_ONCE // math.prod(shape))):
            some = slice(start, start + at_once)
            rows = inner({name: a[some] for name, a in zip(names, arrays, strict=True)})
            found = _with_rows(found, rows)
        return found

    return one if count == 1 else many


def _with_rows(found: Array | None, rows: Array) -> Array:
    """Rows added to a sum so far, one after the other: NumPy adds them so where it cannot go along
    a row, and in another order where it can."""
    shape = rows.shape[1:]
    if found is not None:
        shape = np.broadcast_shapes(found.shape, shape)
        stacked = np.empty((len(rows) + 1, *shape))
        stacked[0], stacked[1:] = found, rows
        rows = stacked
    if math.prod(shape) == 1:
        return np.full(shape, reduce(operator.add, rows.ravel().tolist()))
    return np.add.reduce(np.ascontiguousarray(rows), axis=0)


def _quotient(above: Part, below: Part) -> Part:
    def part(known: Known) -> Array:
        numerator, denominator = above(known), below(known)
        if denominator.all():
            return numerator / denominator
        return _number_by_number(python.divide, (numerator, denominator))

    return part


def _condition(comparison: Comparison, go: Callable[[Formula], Part]) -> Part:
    compare = COMPARE[comparison.relation]
    left, right = go(comparison.left), go(comparison.right)
    return lambda known: compare(left(known), right(known))


def _has_call(*formulas: Formula) -> bool:
    return any(isinstance(f, Call) or _has_call(*children(f)) for f in formulas)


def _chosen(condition: Part, then: Part, otherwise: Part, names: Sequence[str]) -> Part:
    """One of two, number by number; with `names`, each is worked out only where it is needed."""

    def everywhere(known: Known) -> Array:
        return np.where(condition(known), then(known), otherwise(known))

    def apart(known: Known) -> Array:
        holds = condition(known)
        shape = np.broadcast_shapes(holds.shape, *(known[name].shape for name in names))
        holds = np.broadcast_to(holds, shape)
        found = np.empty(shape)
        for where, branch in ((holds, then), (~holds, otherwise)):
            if where.any():
                own = {name: np.broadcast_to(known[name], shape)[where] for name in names}
                found[where] = branch(own)
        return found

    return apart if names else everywhere


def _call(function: str, arguments: Sequence[Part]) -> Part:
    row = FUNCTIONS[function]
    if row.constant:
        number = np.array(python.numeric(row.name)())
        return lambda known: number
    body = python.short(row.name) if len(arguments) == 1 else None
    if body is not None:
        [argument], inner = arguments, _part(body, within=True)
        return lambda known: inner({"u0": argument(known)})
    if row.name in _EXACT and len(arguments) == 1:
        [argument], exact = arguments, _EXACT[row.name]
        return lambda known: exact(argument(known))
    return _called(python.numeric(row.name), arguments)


def _called(function: Callable[..., float], arguments: Sequence[Part]) -> Part:
    return lambda known: _number_by_number(function, [each(known) for each in arguments])


def _number_by_number(function: Callable[..., float], arrays: Sequence[Array]) -> Array:
    arrays = np.broadcast_arrays(*arrays)
    numbers = [array.ravel().tolist() for array in arrays]
    count = arrays[0].size
    return np.fromiter(map(function, *numbers), float, count).reshape(arrays[0].shape)


def _exp(array: Array) -> Array:
    try:
        return _number_by_number(math.exp, [array])
    except OverflowError:
        return _number_by_number(python.numeric("exp"), [array])


_EXACT: Mapping[str, Callable[[Array], Array]] = {"exp": _exp, "abs": np.abs, "sqrt": np.sqrt}
"""Functions of which NumPy has every bit right, or which are quicker without the care for what is
out of range."""
