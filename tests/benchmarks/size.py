"""Time per parameter, from 500 to 10,000 of them: reading, solving, writing the sheet."""

from __future__ import annotations

from collections.abc import Iterator

from measure import Row, network, problem, seconds

WIDTHS = (12, 25, 57)  # three layers of w·(w + 1) parameters
FLAT = 1.4


def measure() -> Iterator[Row]:
    from backprop_cli.render import text
    from backprop_cli.run import solve
    from backprop_cli.worksheet.sheet import Choices
    from backprop_cli.worksheet.solution import solution

    def whole(source: str) -> None:
        text.render(solution(solve(problem(source)), Choices(whole=True)), width=80)

    def numbers(source: str) -> None:
        solve(problem(source))

    for what, work in (("values and gradients", numbers), ("the whole sheet", whole)):
        costs = []
        for width in WIDTHS:
            source = network(width, width, width, width)
            count = 3 * width * (width + 1)
            cost = seconds(lambda work=work, source=source: work(source), 2) / count
            costs.append(cost)
            yield Row(f"{what}, {count} parameters", cost * 1e6, " µs each")
        ratio = costs[-1] / costs[0]
        yield Row(f"{what}, most against fewest parameters", ratio, " times", FLAT)
