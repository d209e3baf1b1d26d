"""The later updates of a run: the list of equations as straight-line Python.

The source is generated from the checked tree only, once for a problem, and holds the whole
update (forward, backward, optimizer) with one local variable a step, so that an update costs
about as much as its arithmetic.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from importlib.util import find_spec
from typing import TypeAlias, cast

from backprop_cli.formula import python
from backprop_cli.formula.build import children, names_in, rebuild, rename
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import (
    Comparison,
    Conditional,
    Formula,
    Name,
    Negative,
    Number,
)
from backprop_cli.graph.batches import Builder
from backprop_cli.graph.step import Graph
from backprop_cli.run.evaluation import clock_value, evaluate_steps, is_clock, stop_if_not_finite
from backprop_cli.run.losses import Losses
from backprop_cli.run.model import Stop, Value, Values
from backprop_cli.run.settled import NEAR, ROUNDING, settled, size_of

Loop = Callable[
    [Sequence[float], Sequence[Sequence[float]], int, int, Callable[[float], None]],
    tuple[int, tuple[float, ...]],
]
"""(state, batches, updates done, updates wanted, record loss) → (updates done, state)"""

Settled: TypeAlias = tuple[str, Formula, Formula | None]
"""A name, what it is calculated by, and what decides whether it is 0, if anything does."""

PROGRESS_EVERY = 20_000
FEWEST_STEPS = 1_000
"""With fewer steps straight-line code is quicker than arrays, and soon built."""


def run_on(
    builder: Builder,
    carried: dict[str, Value | None],
    done: int,
    wanted: int,
    losses: Losses,
    progress: Callable[[int], None] | None = None,
    pauses: Sequence[int] = (),
    look: Callable[[int, Values], None] | None = None,
) -> tuple[dict[str, Value | None], Stop | None]:
    """Carry out the updates after `done` up to `wanted`; losses are appended.

    Before each update in `pauses` (in order), `look` is told its number and what is carried into
    it. Returns what is carried on, and why the run stopped if it did: then the state is that before
    the update that went wrong.
    """
    if any(value is None for value in carried.values()):
        return carried, None
    graph = builder.update(1)
    names = _state_names(graph)
    state: Sequence[float] = [as_float(_known(carried[name])) for name in names]
    batches = [_given(expanded) for expanded in builder.cycle()]
    loop = _loop(graph, single=len(batches) == 1)
    waiting = [] if look is None else list(pauses)
    while done < wanted:
        if look is not None and waiting and waiting[0] == done + 1:
            look(waiting.pop(0), {**carried, **dict(zip(names, state, strict=True))})
        pause = waiting[0] - 1 if waiting else wanted
        goal = min(wanted, done + PROGRESS_EVERY, pause)
        reached, state = loop(state, batches, done, goal, losses.record)
        if progress is not None:
            progress(reached - done)
        done = reached
        if done == goal:
            continue
        # What floats cannot do, many digits may: a gradient of 0·∞ has a value after all.
        number = done + 1
        failed = builder.update(number)
        before = {**carried, **dict(zip(names, state, strict=True))}
        values = evaluate_steps(failed, {**before, **clock_value(failed, number)})
        losses.append(values.get(failed.output))
        stop = stop_if_not_finite(failed, number, values)
        if stop is not None:
            return before, stop
        state = [as_float(_known(values[failed.carried.get(name, name)])) for name in names]
        done = number
    return {**carried, **dict(zip(names, state, strict=True))}, None


def _loop(graph: Graph, *, single: bool) -> Loop:
    """The loop over updates: for many steps with NumPy, if it is there. The results are the same to
    the last bit."""
    steps = needed(graph)
    if len(steps) >= FEWEST_STEPS and find_spec("numpy") is not None:
        from backprop_cli.run.vectorized import Vectorized, grouped

        if (groups := grouped(graph, steps)) is not None:
            return Vectorized(graph, groups, _state_names(graph), _given_names(graph)).updates
    return compile_updates(graph, single=single)


def _known(value: Value | None) -> Value:
    assert value is not None
    return value


def _state_names(graph: Graph) -> list[str]:
    return [
        leaf.name
        for leaf in graph.leaves
        if leaf.kind in ("parameter", "state") and not is_clock(leaf)
    ]


def _given_names(graph: Graph) -> list[str]:
    return [leaf.name for leaf in graph.leaves if leaf.kind in ("input", "target")]


def _given(graph: Graph) -> tuple[float, ...]:
    """The inputs and targets of a batch, in the order of its leaves, which is that of the first's."""
    return tuple(
        as_float(_known(leaf.value)) for leaf in graph.leaves if leaf.kind in ("input", "target")
    )


def compile_updates(graph: Graph, *, single: bool = False) -> Loop:
    """The loop over updates of one graph as a Python function; `single`: there is one batch."""
    source = update_source(graph, single=single)
    code = compile(source, "<update>", "exec")  # generated from the checked tree only
    scope = {**python.scope(code), "f_all_finite": _all_finite}
    exec(code, scope)
    return cast(Loop, scope["updates"])


def update_source(graph: Graph, *, single: bool = False) -> str:
    """Python source of the loop."""
    identifiers: dict[str, str] = {}

    def identifier(name: str) -> str:
        return identifiers.setdefault(name, f"v{len(identifiers)}")

    state = _state_names(graph)
    given = _given_names(graph)
    constants = {
        identifier(leaf.name): as_float(_known(leaf.value))
        for leaf in graph.leaves
        if leaf.kind == "constant"
    }
    clocks = [leaf.name for leaf in graph.leaves if is_clock(leaf)]
    lines, deciding = settled(needed(graph))
    fixed, steps = _once(
        [
            (name, formula, size_of(formula) if name in deciding else None)
            for name, formula in lines
        ],
        {leaf.name for leaf in graph.leaves if leaf.kind == "constant"},
    )
    take = f"{_tuple(map(identifier, given))} = batches"
    source = [
        "def updates(state, batches, done, wanted, record):",
        f"    {_tuple(map(identifier, state))} = state",
        *(f"    {key} = {python.literal(value)}" for key, value in constants.items()),
        *(f"    {identifier(name)} = {python.write(part, identifier)}" for name, part in fixed),
        f"    {take}[0]" if single else "    count = len(batches)",
        "    while done < wanted:",
        *(() if single else (f"        {take}[done % count]",)),
        *(f"        {identifier(name)} = done + 1.0" for name in clocks),
    ]
    for name, formula, decides in steps:
        written = python.write(formula, identifier)
        source.append(f"        {identifier(name)} = {written}")
        if decides is not None:
            found, size = identifier(name), python.write(decides, identifier)
            source.append(
                f"        if {-NEAR} < {found} < {NEAR} and abs({found}) <= {ROUNDING}*{size}:"
            )
            source.append(f"            {found} = 0.0")
    news = [identifier(graph.carried.get(name, name)) for name in state]
    if graph.losses:
        loss = identifier(graph.output)
        source += _left_if_not_finite([loss, *news], f"done, {_tuple(map(identifier, state))}")
        source.append(f"        record({loss})")
    source.append(f"        {_tuple(map(identifier, state))} = {_tuple(news)}")
    source.append("        done += 1")
    source.append(f"    return done, {_tuple(map(identifier, state))}")
    return "\n".join(source) + "\n"


def _left_if_not_finite(watched: Sequence[str], result: str) -> list[str]:
    """Leaves the loop before an update with a value that is infinite or not a number.

    Their sum is finite only if they all are, and is quick to look at; a sum that overflows by
    itself is looked at again one by one.
    """
    lines = []
    for start in range(0, len(watched), python.LONGEST_CHAIN):
        part = " + ".join(watched[start : start + python.LONGEST_CHAIN])
        lines.append(f"        f_check = {part}" if start == 0 else f"        f_check += {part}")
    return [
        *lines,
        "        if f_check - f_check != 0.0 and not f_all_finite(",
        f"            {_tuple(watched)}",
        "        ):",
        f"            return {result}",
    ]


def _all_finite(values: Sequence[float]) -> bool:
    return all(map(math.isfinite, values))


def _tuple(names: Iterable[str]) -> str:
    parts = list(names)
    return "(" + ", ".join(parts) + ("," if len(parts) == 1 else "") + ")" if parts else "()"


def _once(
    steps: Sequence[Settled], constants: Set[str]
) -> tuple[list[tuple[str, Formula]], list[Settled]]:
    """What is calculated before all updates, and the steps, each part that occurs several times
    with a line of its own: Adam's 1 − βᵗ is the same for every parameter."""
    counts: Counter[Formula] = Counter()

    def count(part: Formula) -> None:
        if isinstance(part, Name | Number):
            return
        counts[part] += 1
        if counts[part] == 1 and not isinstance(part, Conditional):  # of which one branch is done
            for inner in children(part):
                count(inner)

    for _, formula, _ in steps:
        count(formula)
    named: dict[Formula, str] = {}
    fixed: list[tuple[str, Formula]] = []

    def shared(part: Formula, own: list[Settled]) -> Formula:
        if isinstance(part, Name | Number | Conditional) or counts[part] == 0:
            return part
        if part in named:
            return Name(named[part])
        found = rebuild(part, lambda inner: shared(inner, own))
        names = names_in(part)
        before = set(names) <= constants and bool(names)
        if isinstance(part, Comparison | Negative) or not (before or counts[part] > 1):
            return found
        named[part] = f"part {len(named)}"
        if before:
            fixed.append((named[part], found))
        else:
            own.append((named[part], found, None))
        return Name(named[part])

    done: list[Settled] = []
    for name, formula, decides in steps:
        own: list[Settled] = []
        changed = rebuild(formula, lambda inner: shared(inner, own))  # noqa: B023 - called at once
        done += [*own, (name, changed, decides)]
    return fixed, done


def needed(graph: Graph) -> list[tuple[str, Formula]]:
    """The steps that the loss and the new parameters depend on; what is only another name for an
    earlier quantity (∂L/∂b = ∂L/∂z) is written by that name."""
    formulas = {
        step.name: step.formula if step.kind == "slope" else step.numeric or step.formula
        for step in graph.steps
    }
    wanted = set(graph.carried.values())
    if graph.losses:
        wanted.add(graph.output)
    names: dict[str, tuple[str, ...]] = dict.fromkeys(wanted, ())
    for step in reversed(graph.steps):
        if step.name in names:
            names[step.name] = names_in(formulas[step.name])
            for name in names[step.name]:
                names.setdefault(name, ())
    same: dict[str, str] = {}
    found = []
    for step in graph.steps:
        if step.name not in names:
            continue
        formula = formulas[step.name]
        if not same.keys().isdisjoint(names[step.name]):
            formula = rename(formula, lambda name: same.get(name, name))
        if isinstance(formula, Name) and step.name not in wanted:
            same[step.name] = formula.name
        else:
            found.append((step.name, formula))
    return found
