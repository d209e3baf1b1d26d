"""The arrays of a graph: those of its equations, their gradients, and what the update makes of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Container, Iterator
from functools import partial

from backprop_cli.arrays.array import View
from backprop_cli.formula.nodes import Name
from backprop_cli.formula.quantity import derivative_name, sampled, updated
from backprop_cli.graph.layered import Layers
from backprop_cli.graph.step import Graph

NONE = Name("")
"""Stands for an entry that has no gradient."""


def all_views(graph: Graph) -> Iterator[View]:
    """Every array that can be shown or answered, in the order of a sheet."""
    arrays = [view for view in graph.arrays if view.shape]
    yield from arrays
    yield from gradient_views(graph)
    for view in arrays:
        yield from _of_others(
            updated(view.name), view, lambda name: graph.carried.get(name, ""), graph.step
        )


def whole_arrays(graph: Graph, names: Collection[str], *, in_rows: bool = False) -> dict[str, View]:
    """The array of each name whose array is among the names with all of its entries; of an array of
    all times that one, not its rows, or `in_rows` the row, which is worked out before the next."""
    families = {view.name for view in graph.arrays if view.rows} if in_rows else set()
    found: dict[str, View] = {}
    for view in sorted(all_views(graph), key=lambda view: -len(view.entries)):
        entries = names_of(view)
        if view.name.rpartition("/d")[2] in families:
            continue
        if view.shape and all(name in names and name not in found for name in entries):
            found.update(dict.fromkeys(entries, view))
    return found


def names_of(view: View) -> list[str]:
    """The quantities among the entries of an array."""
    return [entry.name for entry in view.entries if isinstance(entry, Name)]


def gradient_views(graph: Graph) -> Iterator[View]:
    """∂L/∂ each array, the last calculated first, of all samples together and of each."""
    known = {step.name: step for step in graph.steps if step.of is not None}
    for output in dict.fromkeys((graph.output, *graph.losses)):
        for view in reversed([view for view in graph.arrays if view.shape]):
            other = partial(derivative_name, output)
            yield from _of_others(other(view.name), view, other, known)


def layer_views(graph: Graph) -> Iterator[View]:
    """The arrays of a graph in layers: W1, b1, z1, a1, their gradients, and what the update makes
    of them. A single number is none, nor what is called like one: a bias shared by its layer, an
    output of every sample, `yhat[1]`."""
    found = None if graph.arrays else graph.layers
    for view in found.views if isinstance(found, Layers) else ():
        name = re.sub(r"[()]", "", view.name)
        taken = (name, *(sampled(name, mark) for mark in graph.batch))
        if len(view.entries) == 1 or any(n in graph.step or n in graph.leaf for n in taken):
            continue
        yield View(name, view.shape, view.entries)
        for after, other in (
            (derivative_name(graph.output, name), partial(derivative_name, graph.output)),
            (updated(name), lambda each: graph.carried.get(each, "")),
        ):
            yield from _of_others(after, view, other, graph.step)


def _of_others(
    name: str, view: View, other: Callable[[str], str], known: Container[str]
) -> Iterator[View]:
    """The same array of other quantities, if there is any of them."""
    others = (other(entry.name) if isinstance(entry, Name) else "" for entry in view.entries)
    found = tuple(Name(each) if each in known else NONE for each in others)
    if any(entry != NONE for entry in found):
        yield View(name, view.shape, found)
