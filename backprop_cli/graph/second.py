"""Second derivatives, and the step of Newton's method that is made of them.

A gradient, written in the quantities of the forward pass, is differentiated once more by each of
them, times how that one moves: by hand one does the same. It is for small calculations.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

from backprop_cli.algebra.derivative import differentiate
from backprop_cli.dataclass import replace
from backprop_cli.diagnostics import Diagnostic, ProblemError
from backprop_cli.formula.build import ONE, names_in, negative, product, quotient, total
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.formula.quantity import derivative_name, second_derivative_name, slope_name
from backprop_cli.graph.step import Graph, Step
from backprop_cli.problem.model import Problem

LARGEST = 400
"""A gradient with more numbers, names and signs than this is not differentiated again."""


def with_second_derivatives(problem: Problem, graph: Graph) -> Graph:
    """The graph with ∂²L/∂v∂w for every pair of what is asked for, where the file wants them.

    Raises ProblemError where a gradient is too large to be differentiated again.
    """
    if not problem.second_derivatives:
        return graph
    found = []
    for one, other in combinations_with_replacement(graph.wrt, 2):
        gradient = derivative_name(graph.output, one)
        found.append(
            Step(
                second_derivative_name(graph.output, one, other),
                _by(graph, gradient, other),
                "gradient",
                "second",
                of=other,
                over=gradient,
            )
        )
    return replace(graph, steps=(*graph.steps, *found))


def _by(graph: Graph, gradient: str, name: str) -> Formula:
    """The derivative of a step by what is given: the gradient in the quantities of the forward
    pass, by each of them, times how that one moves."""
    from backprop_cli.algebra.compose import compose, composed_size

    back = [(step.name, step.formula) for step in graph.section("backward", "gradient")]
    if composed_size(back, gradient) > LARGEST:
        message = (
            f"{gradient} written out has more than {LARGEST} numbers, names and signs, too many to"
            " be differentiated again"
        )
        help = "leave `second_derivatives` and `newton` to smaller calculations"
        raise ProblemError([Diagnostic("too-large", message, help=help)])
    whole = compose(Name(gradient), dict(back))
    moves = _moves(graph, name)
    return total(
        *(
            product(differentiate(whole, each), moves[each])
            for each in names_in(whole)
            if each in moves
        )
    )


def _moves(graph: Graph, name: str) -> dict[str, Formula]:
    """The derivative by what is given of everything in the forward pass that depends on it, in the
    local derivatives of the sheet."""
    found: dict[str, Formula] = {name: ONE}
    for step in graph.section("forward"):
        terms = []
        for parent in names_in(step.formula):
            if parent in found:
                slope = slope_name(step.name, parent)
                local: Formula | None = Name(slope) if slope in graph.step else None
                local = local or graph.trivial_slopes.get(slope)
                local = local or differentiate(step.formula, parent)
                terms.append(product(local, found[parent]))
        if terms:
            found[step.name] = total(*terms)
    return found


def newton_step(graph: Graph, names: Sequence[str], determinant: Formula) -> list[Formula]:
    """n of H·n = g, parameter by parameter, by Cramer's rule; `determinant` is that of H."""
    slopes = [Name(derivative_name(graph.output, name)) for name in names]
    matrix = curvature(graph, names)
    found = []
    for place in range(len(names)):
        rows = [
            [slope if column == place else entry for column, entry in enumerate(row)]
            for row, slope in zip(matrix, slopes, strict=True)
        ]
        found.append(quotient(determinant_of(rows), determinant))
    return found


def curvature(graph: Graph, names: Sequence[str]) -> list[list[Formula]]:
    """The matrix of second derivatives by their names; it is symmetric."""
    place = {name: index for index, name in enumerate(graph.wrt)}

    def entry(one: str, other: str) -> Formula:
        first, second = sorted((one, other), key=place.__getitem__)
        return Name(second_derivative_name(graph.output, first, second))

    return [[entry(one, other) for other in names] for one in names]


def determinant_of(rows: Sequence[Sequence[Formula]]) -> Formula:
    """Along the first row (Laplace): a·d − b·c."""
    first, *others = rows
    if not others:
        return first[0]
    terms = []
    for column, entry in enumerate(first):
        minor = [[each for at, each in enumerate(row) if at != column] for row in others]
        term = product(entry, determinant_of(minor))
        terms.append(term if column % 2 == 0 else negative(term))
    return total(*terms)
