"""The arrays of a graph: those of its equations, their gradients, and what the update makes of them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from functools import partial

from backprop_cli.arrays.array import View
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.graph.naming import derivative_name
from backprop_cli.graph.step import Graph

NONE = Name("")
"""Stands for an entry that has no gradient."""


def all_views(graph: Graph) -> Iterator[View]:
    """Every array that can be shown or answered, in the order of a sheet: what is given and
    calculated, gradients of all samples together and of each, parameters after the update."""
    yield from graph.arrays
    loss_of = {step.name: step for step in graph.steps if step.of is not None}
    outputs = dict.fromkeys((graph.output, *graph.losses))
    for output in outputs:
        for view in reversed(graph.arrays):
            found = _entries(view, partial(derivative_name, output), loss_of)
            if found is not None:
                yield View(derivative_name(output, view.name), view.shape, found)
    for view in graph.arrays:
        found = _entries(view, lambda name: graph.carried.get(name, ""), graph.step)
        if found is not None:
            yield View(f"{view.name}_new", view.shape, found)


def _entries(
    view: View, other: Callable[[str], str], known: Container[str]
) -> tuple[Formula, ...] | None:
    """The same array of other quantities; None where there is none of them."""
    found: list[Formula] = []
    for entry in view.entries:
        name = other(entry.name) if isinstance(entry, Name) else ""
        found.append(Name(name) if name in known else NONE)
    return tuple(found) if any(entry != NONE for entry in found) else None
