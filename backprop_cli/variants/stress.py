"""What the variants of a whole class come to: how many tries they took, and how alike they are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import combinations
from statistics import mean, median

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import json_text
from backprop_cli.formula.evaluate import as_float
from backprop_cli.formula.nodes import Name, Number
from backprop_cli.problem.model import Problem
from backprop_cli.variants.draw import Numbers
from backprop_cli.variants.variant import Drawer, Shortfall, Variant
from backprop_cli.worksheet.document import (
    Block,
    Column,
    Document,
    Heading,
    Line,
    Math,
    Paragraph,
    Table,
    Text,
    numeral,
    table,
)
from backprop_cli.worksheet.numbers import shown
from backprop_cli.worksheet.sheet import cell_of, spelling_of

DIGITS = 4
MOST_COMPARED = 1_000
"""So many students are compared with each other; the number of pairs grows with the square."""
MOST_ROWS = 40
RARE, CERTAIN = 0.005, 0.995
FORMAT = "backprop-stress/1"


@dataclass
class Spread:
    """The values of one asked quantity over the class, and how near its nearest slip came."""

    values: list[float] = field(default_factory=list)
    nearest_slip: float = math.inf  # in rooms: 1 is just at the allowance


@dataclass(frozen=True)
class Stress:
    """A class of variants of one problem."""

    problem: Problem
    drawer: Drawer
    variants: Sequence[Variant]
    spreads: Mapping[tuple[int, str], Spread]  # by update and name

    @property
    def tries(self) -> list[int]:
        return [variant.tries for variant in self.variants]

    @property
    def shortfalls(self) -> Counter[Shortfall]:
        return sum((Counter(each.shortfalls) for each in self.variants), Counter())

    @property
    def sheets(self) -> float:
        """About how many different sheets there are: the ways to draw the numbers, of which one
        in so many tries will do."""
        return self.drawer.variants.ways / mean(self.tries)

    @property
    def shared(self) -> float:
        """How likely two of a class of this size get the same sheet."""
        each = (max(0.0, 1 - others / self.sheets) for others in range(len(self.variants)))
        return 1 - math.prod(each)

    def most_alike(self) -> tuple[int, int, int]:
        """Two students, counted from 1, and how many of their numbers are the same."""
        rows = [list(variant.numbers.values()) for variant in self.variants[:MOST_COMPARED]]
        same = (
            (sum(map(str.__eq__, rows[one], rows[two])), -one, -two)
            for one, two in combinations(range(len(rows)), 2)
        )
        count, one, two = max(same, default=(0, 0, 0))
        return 1 - one, 1 - two, count


def stress(
    problem: Problem, students: int, progress: Callable[[int], None] | None = None
) -> Stress:
    """Draw for `students` students, called student-1 and so on.

    Raises ProblemError as `Drawer` does.
    """
    drawer = Drawer(problem)
    spreads: dict[tuple[int, str], Spread] = {}
    variants: list[Variant] = []
    for number in range(1, students + 1):
        variant = drawer.variant(f"student-{number}")
        variants.append(variant)
        _look_at(drawer, variant.numbers, spreads)
        if progress is not None:
            progress(1)
    return Stress(problem, drawer, variants, spreads)


def _look_at(drawer: Drawer, numbers: Numbers, spreads: dict[tuple[int, str], Spread]) -> None:
    for update, margins in drawer.margins(numbers):
        for name in update.asked:
            value = update.values.get(name)
            if value is not None:
                spread = spreads.setdefault((update.number, name), Spread())
                spread.values.append(as_float(value))
                spread.nearest_slip = min(spread.nearest_slip, margins.get(name, math.inf))


# --- written ----------------------------------------------------------------------------------


def document(found: Stress) -> Document:
    """The report to read."""
    graph = found.drawer.sheet.updates[0][0]
    title = f"{found.problem.title}: {len(found.variants)} variants"
    return Document(title, tuple(_blocks(found)), spelling_of(graph))


def _blocks(found: Stress) -> Iterator[Block]:
    tries = found.tries
    yield _said(
        f"A variant took {mean(tries):.1f} tries on average (half of them at most"
        f" {median(tries):g}, the longest {max(tries):,})."
    )
    one, two, same = found.most_alike()
    count = len(found.variants[0].numbers)
    if len(found.variants) > 1:
        yield _said(
            f"The two most alike are those of student-{one} and student-{two}: {same} of {count}"
            " numbers are the same."
        )
    yield Paragraph(
        (
            Text("There are about "),
            Math(shown(float(f"{found.sheets:.1g}"), 1).formula),
            Text(
                f" different sheets; {_chance(found.shared)} that two of"
                f" {len(found.variants)} students get the same one."
            ),
        )
    )
    yield Heading(2, (Text("Why draws were put aside"),))
    rows = found.shortfalls.most_common(MOST_ROWS)
    if rows:
        yield Table(
            (
                Column((Text("Requirement"),)),
                Column((Text("Where"),)),
                Column((Text("Times"),), align="right"),
            ),
            tuple(
                ((Text(each.requirement),), _where(found, each.quantity), (Text(f"{times:,}"),))
                for each, times in rows
            ),
        )
    else:
        yield _said("None was: every first draw will do.")
    yield Heading(2, (Text("The quantities asked for"),))
    updates = {update for update, _ in found.spreads}
    for update in sorted(updates):
        if len(updates) > 1:
            yield Heading(3, (Text(f"Update {update}"),))
        yield _spread_table(found, update)
    yield _said(
        "The last column says how near the nearest slip comes to the right value, in allowances"
        " of an answer with three digits: below 1 it would pass for right."
    )


def _chance(share: float) -> str:
    if share < RARE:
        return "it is very unlikely"
    return f"the chance is {100 * share:.0f} %" if share < CERTAIN else "it is all but certain"


def _spread_table(found: Stress, update: int) -> Table:
    def figure(of: Callable[[Sequence[float]], float]) -> Callable[[tuple[str, Spread]], Line]:
        return lambda row: cell_of(shown(of(_finite(row[1].values)), DIGITS))

    return table(
        [(name, spread) for (number, name), spread in found.spreads.items() if number == update],
        (Column((Text("Quantity"),)), lambda row: (Math(Name(row[0])),)),
        (Column((Text("Least"),), align="decimal"), figure(min)),
        (Column((Text("Middle"),), align="decimal"), figure(median)),
        (Column((Text("Greatest"),), align="decimal"), figure(max)),
        (Column((Text("Nearest slip"),), align="decimal"), lambda row: _nearest(row[1])),
    )


def _finite(values: Sequence[float]) -> Sequence[float]:
    return list(filter(math.isfinite, values)) or [math.nan]


def _nearest(spread: Spread) -> Line:
    near = spread.nearest_slip
    return (Text("–"),) if math.isinf(near) else numeral(Number(f"{near:.2f}"))


def _where(found: Stress, quantity: str) -> Line:
    graph = found.drawer.sheet.updates[0][0]
    return (Math(Name(quantity)),) if quantity in graph.step else (Text(quantity),)


def _said(text: str) -> Paragraph:
    return Paragraph((Text(text),))


def report_json(found: Stress) -> str:
    """The same for programs."""
    one, two, same = found.most_alike()
    data = {
        "format": FORMAT,
        "problem": found.problem.title,
        "students": len(found.variants),
        "tries": {
            "mean": mean(found.tries),
            "median": median(found.tries),
            "max": max(found.tries),
        },
        "sheets": round(found.sheets),
        "shortfalls": [
            {"requirement": each.requirement, "quantity": each.quantity, "times": times}
            for each, times in found.shortfalls.most_common()
        ],
        "most_alike": {
            "students": [f"student-{one}", f"student-{two}"],
            "same": same,
            "of": len(found.variants[0].numbers),
        },
        "quantities": [
            {
                "iteration": update,
                "name": name,
                "min": min(spread.values),
                "median": median(spread.values),
                "max": max(spread.values),
                "nearest_slip": None if math.isinf(spread.nearest_slip) else spread.nearest_slip,
            }
            for (update, name), spread in found.spreads.items()
        ],
    }
    return json_text(data, 2)
