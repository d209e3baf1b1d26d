"""The later updates of a run: the list of equations as straight-line Python.

The source is generated from the checked tree only, once for a problem, and holds the whole
update (forward, backward, optimizer) with one local variable a step, so that an update costs
about as much as its arithmetic.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from importlib.util import find_spec
from itertools import pairwise
from typing import TypeAlias, cast

from backprop_cli.formula import python
from backprop_cli.formula.build import children, names_in, rebuild
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import (
    Comparison,
    Conditional,
    Formula,
    Name,
    Negative,
    Number,
    Sum,
)
from backprop_cli.graph.batches import Builder
from backprop_cli.run.evaluation import is_clock
from backprop_cli.run.losses import Losses
from backprop_cli.run.model import Value
from backprop_cli.run.program import (
    NEAR,
    ROUNDING,
    Batch,
    Program,
    over_samples,
    program,
    settled,
    size_of,
)

Loop = Callable[
    [Sequence[float], Sequence[Batch], int, int, Callable[[float], None]],
    tuple[int, tuple[float, ...]],
]
"""(state, batches, updates done, updates wanted, record loss) → (updates done, state)"""

Settled: TypeAlias = tuple[str, Formula, Formula | None]
"""A name, what it is calculated by, and what decides whether it is 0, if anything does."""

FEWEST_STEPS = 1_000
"""With fewer steps straight-line code is quicker than arrays, and soon built."""


class Compiled:
    """The updates of a problem in floating point."""

    def __init__(self, builder: Builder) -> None:
        self.batches = builder.cycle()
        self.work = program(builder)
        self.loop = _loop(self.work, single=len(self.batches) == 1)

    def run(
        self, carried: Mapping[str, Value | None], done: int, wanted: int, losses: Losses
    ) -> tuple[dict[str, Value | None], int]:
        """What is carried on from the updates after `done` up to `wanted`, and how many are done
        then: fewer, where one leads to what is no number. Their losses are appended."""
        state = [as_float(carried[name] or 0) for name in self.work.state]
        done, news = self.loop(state, self.batches, done, wanted, losses.record)
        return {**carried, **dict(zip(self.work.state, news, strict=True))}, done


def _loop(work: Program, *, single: bool) -> Loop:
    """The loop over updates: for many steps with NumPy, if it is there. The results are the same to
    the last bit."""
    steps = len(work.lines) + (work.samples - 1) * len(work.each)
    if steps >= FEWEST_STEPS and find_spec("numpy") is not None:
        from backprop_cli.run.vectorized import Vectorized, grouped

        if (groups := grouped(work)) is not None:
            return Vectorized(work, groups).updates
    return compile_updates(work, single=single)


def compile_updates(work: Program, *, single: bool = False) -> Loop:
    """The loop over updates as a Python function; `single`: there is one batch."""
    source = update_source(work, single=single)
    code = compile(source, "<update>", "exec")  # generated from the checked tree only
    scope = {**python.scope(code), "f_all_finite": lambda some: all(map(math.isfinite, some))}
    exec(code, scope)
    return cast(Loop, scope["updates"])


def update_source(work: Program, *, single: bool = False) -> str:
    """Python source of the loop."""
    identifiers: dict[str, str] = {}

    def identifier(name: str) -> str:
        return identifiers.setdefault(name, f"v{len(identifiers)}")

    def written(steps: Sequence[Settled], indent: str) -> Iterator[str]:
        for name, formula, size in steps:
            found = identifier(name)
            yield f"{indent}{found} = {python.write(formula, identifier)}"
            if size is not None:
                least = f"{ROUNDING}*{python.write(size, identifier)}"
                yield f"{indent}if {-NEAR} < {found} < {NEAR} and abs({found}) <= {least}:"
                yield f"{indent}    {found} = 0.0"

    graph = work.graph
    constants = work.constants
    fixed, steps, sums = _steps(work, constants.keys())
    state = _tuple(map(identifier, work.state))
    news = [identifier(graph.carried.get(name, name)) for name in work.state]
    rows = [_tuple(map(identifier, row)) for row in work.given]
    take = f"{'rows' if work.each else _tuple(rows)} = batches"
    before, each, after = steps
    source = [
        "def updates(state, batches, done, wanted, record):",
        f"    {state} = state",
        *(f"    {identifier(name)} = {python.literal(own)}" for name, own in constants.items()),
        *written(fixed, "    "),
        f"    {take}[0]" if single else "    count = len(batches)",
        "    while done < wanted:",
        *(() if single else (f"        {take}[done % count]",)),
        *(
            f"        {identifier(leaf.name)} = done + 1.0"
            for leaf in graph.leaves
            if is_clock(leaf)
        ),
        *written(before, " " * 8),
    ]
    if work.each:
        # From −0.0, to which anything may be added without changing a bit of it.
        source += [f"        {identifier(name)} = -0.0" for name in sums.values()]
        source += [f"        for {rows[0]} in rows:", *written(each, " " * 12)]
        source += [
            f"            {identifier(name)} += {python.write(term, identifier)}"
            for term, name in sums.items()
        ]
    source += written(after, " " * 8)
    if graph.losses:
        loss = identifier(graph.output)
        source += _left_if_not_finite([loss, *news], f"done, {state}")
        source.append(f"        record({loss})")
    source.append(f"        {state} = {_tuple(news)}")
    source.append("        done += 1")
    source.append(f"    return done, {state}")
    return "\n".join(source) + "\n"


def _steps(
    work: Program, constants: Set[str]
) -> tuple[list[Settled], list[list[Settled]], Mapping[Formula, str]]:
    """What is calculated before all updates, then the steps before, in and after the loop over the
    samples; and what sums over them are called, by the term of the first."""
    sums: dict[Formula, str] = {}

    def named(part: Formula) -> Formula:
        if (term := over_samples(part)) is not None:
            return Name(sums.setdefault(term, f"sum over samples {len(sums)}"))
        return rebuild(part, named)

    found: list[Settled] = []
    lines, deciding = settled(work.lines)
    for name, formula in lines:
        size = size_of(formula) if name in deciding else None
        found.append((name, named(formula), size and named(size)))
    fixed, steps = _once(found, constants)
    place = {name: place for place, (name, _, _) in enumerate(steps, 1)}
    ends = [0]
    for part in (work.before, work.each, work.after):
        ends.append(place[part[-1][0]] if part else ends[-1])
    return fixed, [steps[start:end] for start, end in pairwise(ends)], sums


def _left_if_not_finite(watched: Sequence[str], result: str) -> list[str]:
    """Leaves the loop before an update with a value that is infinite or not a number.

    Their sum is finite only if they all are, and is quick to look at; a sum that overflows by
    itself is looked at again one by one.
    """
    return [
        f"        f_check = {python.write(Sum(tuple(map(Name, watched))), str)}",
        "        if f_check - f_check != 0.0 and not f_all_finite(",
        f"            {_tuple(watched)}",
        "        ):",
        f"            return {result}",
    ]


def _tuple(names: Iterable[str]) -> str:
    parts = list(names)
    return "(" + ", ".join(parts) + ("," if len(parts) == 1 else "") + ")" if parts else "()"


def _once(steps: Sequence[Settled], constants: Set[str]) -> tuple[list[Settled], list[Settled]]:
    """What is calculated before all updates, and the steps, each part that occurs several times
    with a line of its own: Adam's 1 − βᵗ is the same for every parameter."""
    counts: Counter[Formula] = Counter()

    def count(part: Formula) -> None:
        if isinstance(part, Name | Number | Conditional):  # of which one branch is done
            return
        counts[part] += 1
        if counts[part] == 1:
            for inner in children(part):
                count(inner)

    for _, formula, _ in steps:
        count(formula)
    named: dict[Formula, str] = {}
    fixed: list[Settled] = []

    def shared(part: Formula, own: list[Settled]) -> Formula:
        if counts[part] == 0:
            return part
        if part in named:
            return Name(named[part])
        found = rebuild(part, lambda inner: shared(inner, own))
        names = names_in(part)
        before = set(names) <= constants and bool(names)
        if isinstance(part, Comparison | Negative) or not (before or counts[part] > 1):
            return found
        named[part] = f"part {len(named)}"
        (fixed if before else own).append((named[part], found, None))
        return Name(named[part])

    done: list[Settled] = []
    for name, formula, decides in steps:
        own: list[Settled] = []
        changed = rebuild(formula, lambda inner: shared(inner, own))  # noqa: B023 - called at once
        done += [*own, (name, changed, decides)]
    return fixed, done
