"""Time per parameter, from 500 to 10,000 of them: reading, solving, writing the sheet."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from json import dumps

from measure import Row, network, problem, seconds

WIDTHS = (12, 25, 57)  # three layers of w·(w + 1) parameters
FLAT = 1.4


def measure() -> Iterator[Row]:
    from backprop_cli.__main__ import GARBAGE
    from backprop_cli.render.formats import render
    from backprop_cli.run import solve
    from backprop_cli.worksheet.sheet import Choices
    from backprop_cli.worksheet.solution import solution

    gc.set_threshold(*GARBAGE)  # as a command does

    def sheet(source: str, format: str) -> None:
        render(format, solution(solve(problem(source)), Choices(whole=True)), width=80)

    works = {
        "values and gradients": lambda source: solve(problem(source)),
        "the whole sheet": lambda source: sheet(source, "text"),
        "the whole sheet as HTML": lambda source: sheet(source, "html"),
    }
    for what, work in works.items():
        costs = []
        for width in WIDTHS:
            source = network(width, width, width, width)
            count = 3 * width * (width + 1)
            cost = seconds(lambda work=work, source=source: work(source), 2) / count
            costs.append(cost)
            yield Row(f"{what}, {count} parameters", cost * 1e6, " µs each")
        ratio = costs[-1] / costs[0]
        yield Row(f"{what}, most against fewest parameters", ratio, " times", FLAT)
    yield from _data()


def _data() -> Iterator[Row]:
    """Writing JSON, against what the standard library takes for the same data."""
    from backprop_cli.run import solve
    from backprop_cli.worksheet.solution_json import solution_data, solution_json

    run = solve(problem(network(30, 30, 10)))
    data = solution_data(run)
    ratio = seconds(lambda: solution_json(run), 2) / seconds(lambda: dumps(data, indent=1), 2)
    yield Row("JSON of 1,240 parameters, against json.dumps", ratio, " times", 10)
