"""Dense layers as arrays: the names of their entries, and the equations that the arrays obey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from backprop_cli.arrays.array import View
from backprop_cli.dataclass import replace
from backprop_cli.formula.build import ONE, ZERO, number, product, quotient, total
from backprop_cli.formula.nodes import Formula, Name, Shown
from backprop_cli.formula.quantity import sampled
from backprop_cli.graph.layered import Layer, Layers, transposed
from backprop_cli.problem import forms
from backprop_cli.problem.names import NetworkNames
from backprop_cli.rules.activations import ACTIVATIONS


def in_columns(names: NetworkNames, marks: Sequence[int | None]) -> Layers | str:
    """The arrays of a network, with a column for each sample, or why there are none."""
    network = names.network

    def columns(letter: str, count: int, name: Callable[[int], str]) -> View:
        own = map(name, range(1, count + 1))
        return View.of_rows(letter, [[Name(sampled(each, mark)) for mark in marks] for each in own])

    handed = [columns("x", network.inputs, names.input)]
    layers: list[Layer] = []
    for depth, dense in enumerate(network.layers, 1):
        if isinstance(dense, forms.ArrayLayer):
            return f"layer {depth} is more than a weighted sum"
        units = range(1, dense.units + 1)
        merged, *mixed = {names.merged(depth, unit) for unit in units}
        if mixed:
            return f"some units of layer {depth} have no z of their own"
        weights = View.of_rows(f"W({depth})", weight_rows(names, depth, dense))
        weighing = (
            weights.letter if ZERO in weights.entries else letter_of_weights("W({})", depth, dense)
        )
        biases, factor = None, number(dense.bias_input.value)
        if dense.bias != "none" and factor != ZERO:
            biases = View.of_rows(
                f"b({depth})", [[Name(names.bias(depth, unit))] for unit in units]
            )
        more = () if dense.add is None else (handed[dense.add],)
        added, behind = ((), more) if dense.add_after else (more, ())
        terms: list[Formula] = [Shown("matmul", (weighing, handed[-1].letter))]
        if biases is not None:
            terms.append(product(factor, biases.letter))
        terms += (each.letter for each in added)
        output = "yhat" if depth == len(network.layers) else ""
        own = "" if dense.hands_on_more else output
        a = columns(own or f"a({depth})", dense.units, partial(names.a, depth))
        z = a if merged else columns(f"z({depth})", dense.units, partial(names.z, depth))
        z = replace(z, equation=total(*terms))
        layer = Layer(
            depth, handed[-1], weights, weighing, biases, ONE if biases is None else factor,
            dense.bias == "shared", added, z, a, merged, dense.batch_norm is not None, a, behind,
        )  # fmt: skip
        use, *others = dense.activations
        if isinstance(use, forms.RuleUse) and others.count(use) == len(others) and not merged:
            layer = replace(layer, row=ACTIVATIONS[use.name], options=use.options)
        if not layer.normalised:
            a = replace(a, equation=z.equation if merged else layer.activated(z.letter))
        out = a
        if dense.hands_on_more:
            out = columns(output or f"h({depth})", dense.units, partial(names.handed, depth))
            whole = total(a.letter, *(each.letter for each in behind))
            if (dropout := dense.dropout) is not None:
                left_in = [[Name(names.of_unit("r", depth, unit))] * len(marks) for unit in units]
                mask, scale = View.of_rows(f"r({depth})", left_in), quotient(ONE, dropout.keep)
                whole = Shown("hadamard", (product(scale, mask.letter), whole))
                layer = replace(layer, mask=mask, scale=scale)
            out = replace(out, equation=whole)
        layers.append(replace(layer, a=a, out=out))
        handed.append(out)
    targets = columns("y", network.targets, names.target) if network.targets else None
    return Layers(handed[0], tuple(layers), targets)


def weight_rows(names: NetworkNames, depth: int, layer: forms.Layer) -> list[list[Formula]]:
    """The weights into each unit, 0 where there is no connection."""
    return [
        [
            Name(names.weight(depth, unit, source)) if connected else ZERO
            for source, connected in enumerate(row, 1)
        ]
        for unit, row in enumerate(layer.connected, 1)
    ]


def letter_of_weights(pattern: str, depth: int, layer: forms.Layer) -> Formula:
    """W of a layer; of one that is tied that of another layer, perhaps turned."""
    if layer.tied is None:
        return Name(pattern.format(depth))
    other = Name(pattern.format(layer.tied.layer))
    return transposed(other) if layer.tied.transposed else other
