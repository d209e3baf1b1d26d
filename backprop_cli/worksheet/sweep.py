"""`--lr-sweep`: the same run with several learning rates, their losses side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Formula, Name, Number
from backprop_cli.problem.model import Problem
from backprop_cli.run import Run, Value, solve
from backprop_cli.worksheet.curves import LOSS_POINTS
from backprop_cli.worksheet.document import (
    Block,
    Callout,
    Column,
    Curve,
    Document,
    Heading,
    Line,
    Math,
    Paragraph,
    Relation,
    Series,
    Table,
    Text,
    listed,
    numeral,
    table,
)
from backprop_cli.worksheet.numbers import shown, signed, went
from backprop_cli.worksheet.sheet import NO_VALUE, spelling_of
from backprop_cli.worksheet.wording import worded

ROWS = 16
"""Longer runs show so many of their losses, evenly spaced."""
ACROSS = 5
"""So many learning rates stand side by side; more go on in a table below."""
LONGEST_PLAIN = 1e5
"""Losses of diverging runs are written with a power of ten from here on."""
TALLEST = 3.0
"""Losses beyond so many times the one at the start are cut off in the picture."""


@dataclass(frozen=True)
class Swept:
    """One learning rate, as written, and its run."""

    rate: str
    run: Run

    @property
    def losses(self) -> Sequence[Value | None]:
        return self.run.losses

    @property
    def stopped(self) -> int | None:
        """The update at which the numbers left floating point."""
        stop = self.run.stop
        return stop.iteration if stop is not None and stop.reason == "not-finite" else None

    def loss(self, index: int) -> float | None:
        """The loss after `index` updates, None from where the run has stopped."""
        if index >= len(self.losses):
            return None
        value = self.losses[index]
        return None if value is None else as_float(value)

    @property
    def last(self) -> float:
        value = self.losses[-1]
        return math.nan if value is None else as_float(value)


def sweep(problem: Problem, rates: Sequence[str], steps: int | None = None) -> Document:
    """Losses per learning rate: a table thinned out evenly, and one curve with a series each.

    The rates are decimal texts above 0; `steps` overrides the file's number of updates. What
    cannot be swept (no update, a perceptron, no numbers) is said on the sheet.
    """
    runs = [Swept(rate, _run(problem, rate, steps)) for rate in dict.fromkeys(rates)]
    graph = runs[0].run.iterations[0].graph
    blocks = tuple(worded(block, graph.lettering) for block in _blocks(problem, runs))
    title = f"{problem.title}: learning rates"
    return Document(title, blocks, spelling_of(graph), graph.lettering.typed)


def _run(problem: Problem, rate: str, steps: int | None) -> Run:
    return solve(replace(problem, learning_rate=Number(rate), trains=True), steps=steps, show=1)


def _blocks(problem: Problem, runs: Sequence[Swept]) -> Iterator[Block]:
    first = runs[0].run
    graph = first.iterations[0].graph
    for refused, why in (
        (not graph.losses, "There is no loss to compare here, so learning rates cannot be swept."),
        (first.symbolic, "Learning rates can be compared only where every number is given."),
        (
            not graph.carried,
            "Nothing in this problem is updated, so learning rates cannot be swept.",
        ),
    ):
        if refused:
            yield Callout("note", (Text(why),))
            return
    wanted = max(each.stopped or each.run.updates for each in runs)
    yield Paragraph((Text(_introduction(first)),))
    for start in range(0, len(runs), ACROSS):
        yield _table(runs[start : start + ACROSS], wanted, problem.rounding.digits)
    if (curve := _curve(runs, wanted)) is not None:
        yield curve
    yield from _remarks(runs)


def _introduction(run: Run) -> str:
    text = "The same problem from the same start, once with each learning rate."
    which = " Each loss is that of the batch which the next update uses."
    return text + which * (run.problem.sample_count > len(run.iterations[0].graph.batch))


def _table(runs: Sequence[Swept], wanted: int, digits: int) -> Table:
    count = min(ROWS - 1, wanted)
    chosen = sorted({round(place * wanted / count) for place in range(count + 1)}) if count else [0]

    def losses(each: Swept) -> Callable[[int], Line]:
        return lambda index: _cell(each, index, digits)

    return table(
        chosen,
        (Column((Text("Updates done"),), align="right"), lambda index: (Text(str(index)),)),
        *(
            (
                Column(_rate(each), align="decimal"),
                losses(each),
            )
            for each in runs
        ),
    )


def _cell(each: Swept, index: int, digits: int) -> Line:
    if (loss := each.loss(index)) is None:
        return (Text("stopped"),) if each.stopped is not None else NO_VALUE
    return numeral(_number(loss, digits))


def _number(value: float, digits: int) -> Formula:
    if LONGEST_PLAIN <= abs(value) < math.inf:
        return signed(f"{abs(value):.{digits - 1}e}".replace("e+", "e"), value < 0)
    return shown(value, digits).formula


def _curve(runs: Sequence[Swept], wanted: int) -> Curve | None:
    """One series a rate; a run that explodes is drawn as far as the picture reaches."""
    if (start := runs[0].loss(0)) is None or wanted < 2:
        return None
    ceiling = TALLEST * max(abs(start), 1e-12)
    places = [*range(0, wanted, max(1, -(-wanted // LOSS_POINTS))), wanted]

    def drawn(each: Swept) -> Series:
        losses = ((float(index), each.loss(index)) for index in places)
        reached = takewhile(lambda at: at[1] is not None and abs(at[1]) <= ceiling, losses)
        return Series(_rate(each), tuple((x, y) for x, y in reached if y is not None))

    series = tuple(each for each in map(drawn, runs) if each.points)
    if not any(len(each.points) > 1 for each in series):
        return None
    ends = [(*_rate(each), Text(":"), *_fate(each)) for each in runs]
    return Curve(
        series=series,
        x_label=(Text("updates done"),),
        y_label=(Text("loss"),),
        title=(Text("Loss for each learning rate"),),
        description=(*listed(ends, "; "), Text(".")),
    )


def _rate(each: Swept) -> Line:
    return (Relation(Name("eta"), "=", Number(each.rate)),)


def _fate(each: Swept) -> Line:
    if each.stopped is not None:
        return (Text(f" left floating point at update {each.stopped}"),)
    start = each.loss(0)
    assert start is not None
    return went(start, each.last, _number(start, 4), _number(each.last, 4))


def _remarks(runs: Sequence[Swept]) -> Iterator[Block]:
    yield Heading(2, (Text("What the rates do"),))
    ascends = runs[0].run.iterations[0].graph.ascends
    for each in runs:
        if each.stopped is not None and each.run.stop is not None:
            text = f" diverges. {each.run.stop.message}"
            yield Callout("warning", (*_rate(each), Text(text)))
        elif (each.last < (each.loss(0) or 0.0)) if ascends else each.last > (each.loss(0) or 0.0):
            worse, end = ("lower", "maximum") if ascends else ("higher", "minimum")
            text = f" ends with a {worse} loss than it began with: its steps go past the {end}."
            yield Callout("warning", (*_rate(each), Text(text)))
    ended = [each for each in runs if each.stopped is None and math.isfinite(each.last)]
    if ended:
        best = (max if ascends else min)(ended, key=lambda each: each.last)
        yield Paragraph(
            (
                Text(f"The {'highest' if ascends else 'lowest'} loss at the end has "),
                *_rate(best),
                Text(": "),
                Math(_number(best.last, 4)),
                Text("."),
            )
        )
