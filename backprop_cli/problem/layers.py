"""The layers of a network, each read from its parts and checked against the one before."""

from __future__ import annotations

from backprop_cli.arrays.array import ArrayError, TooLarge
from backprop_cli.diagnostics import quote
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.array_layers import Handed, Making, Writer, as_output
from backprop_cli.problem.dense import (
    MOST_PARAMETERS,
    DenseReader,
    ReadLayers,
    adds_after,
    note,
    skipped,
)
from backprop_cli.problem.fields import apart, list_of, reference
from backprop_cli.problem.forms import AnyLayer, ArrayLayer, Layer
from backprop_cli.problem.layer_kinds import DENSE, KINDS, LayerKind
from backprop_cli.problem.layer_parts import ADD, MOST_LAYERS, LayerPlace
from backprop_cli.problem.names import value_names
from backprop_cli.problem.samples import Samples
from backprop_cli.problem.values import Refused, Report, rows, word
from backprop_cli.problem.yaml_tree import Node, Scalar, entry

LAYERS = apart(
    "layers",
    list_of(reference("layer"), MOST_LAYERS, minItems=1),
    "a list of layers",
    "From the first hidden layer to the output layer.",
)


def read_layers(
    node: Node, report: Report, samples: Samples, default_bias_input: Number
) -> ReadLayers:
    """Every layer; the first one gets the inputs of the samples, if the file has them.

    A layer with mistakes is there too, with quantities without number where a value is wrong, so
    that the rest of the file can be checked as if it were right.
    """
    read = ReadLayers()
    found = rows(node, report, "`layers`", "layers", "layer", MOST_LAYERS)
    read.structured = bool(found)
    below = _inputs(samples)
    read.handed.append(below)
    writer = Writer()
    room = MOST_PARAMETERS
    for index, row in enumerate(found, 1):
        place = LayerPlace(index, row, report, read.named)
        reader: DenseReader | None = None
        try:
            if (kind := _kind(place, below)) is None:
                reader = DenseReader(place, _flat(place, below, samples), default_bias_input, read)
                layer: AnyLayer = reader.read(room)
            else:
                layer = _array_layer(place, kind, below, writer, samples, read)
                if index == len(found):
                    layer = as_output(layer, value_names("yhat", layer.shape), "yhat")
            read.layers.append(layer)
            below = _handed(index, layer)
            if isinstance(layer, Layer):
                room -= sum(map(sum, layer.connected)) + len(layer.biases)
        except Refused:
            read.structured = False
            below = None if reader is None else _units(index, reader.units)
        if reader is not None:
            read.fan_in = reader.fan_in if index == 1 else read.fan_in
            if reader.too_large:
                return read
        read.handed.append(below)
    read.shape = None if below is None else below.shape
    return read


def _inputs(samples: Samples) -> Handed | None:
    if samples.inputs is None:
        return None
    shape = samples.inputs_shape or (samples.inputs,)
    return Handed("x", shape, value_names("x", shape), "the input is")


def _units(index: int, units: int | None, letter: str = "a") -> Handed | None:
    """What a dense layer hands on."""
    if units is None:
        return None
    names = tuple(f"{letter}{index}_{unit}" for unit in range(1, units + 1))
    return Handed(f"{letter}{index}", (units,), names, f"layer {index} gives")


def _handed(index: int, layer: AnyLayer) -> Handed | None:
    if isinstance(layer, Layer):
        return _units(index, layer.units, "h" if layer.hands_on_more else "a")
    giver = f"layer {index} gives"
    return Handed(layer.handed, layer.shape, layer.outputs, giver, layer.axes)


def _kind(at: LayerPlace, below: Handed | None) -> LayerKind | None:
    """The row of the table for a layer that is not dense, or dense on each row of a sequence."""
    node, name = entry(at.node, "kind"), DENSE
    if node is not None and not (isinstance(node, Scalar) and node.null):
        name = at.report.tried(word, node, f"`kind` of {at}") or DENSE
    if name not in KINDS:
        assert node is not None
        at.report.refuse(
            "unknown-choice", f"{quote(name)} is not a kind of layer", node,
            at.report.nearest(name, KINDS) or "`backprop list layers` shows the kinds",
        )  # fmt: skip
    if name != DENSE:
        return KINDS[name]
    sequence = below is not None and len(below.shape) == 2 and (below.axes == 0 or node is not None)
    return KINDS[DENSE] if sequence else None


def _flat(at: LayerPlace, below: Handed | None, samples: Samples) -> int | None:
    """How many numbers come into a dense layer, which takes them one after the other."""
    if below is None:
        return None
    if len(below.shape) > 1:
        given = samples.samples[0].inputs.node if at.index == 1 else None
        one_row = given is not None and below.shape[0] == 1
        message = f"{at} is dense and takes a list of numbers, and {below.words}"
        help = "leave the inner brackets out" if one_row else "put `{kind: flatten}` before it"
        at.report.error("shape", message, given or at.node, help)
    return len(below.entries)


def _array_layer(
    at: LayerPlace, kind: LayerKind, below: Handed | None, writer: Writer, samples: Samples,
    read: ReadLayers,
) -> ArrayLayer:  # fmt: skip
    """A layer of the table."""
    own = kind.keys.of(at.node, at.report, f"{at} ({kind.name})", of=at)
    note(own, at.index, read)
    settings = kind.settings(own)
    if below is None:
        if at.index == 1 and not samples.have_inputs:
            at.report.error(
                "missing-key", f"nothing says what {at} gets", at.node,
                "give `inputs: [[1, 0], [0, 1]]`, or `inputs: {shape: [4, 4]}` without numbers",
            )  # fmt: skip
        raise Refused
    writer.know(below)
    made = Making(at, own, below, writer, samples, axes=kind.axes, after=adds_after(own, at))
    if (layer := at.report.tried(skipped, own[ADD], at)) is not None:
        made.added = read.handed[layer]
        if made.added is not None:
            writer.know(made.added)
    try:
        out = made.behind(kind.write(made, settings))
    except ArrayError as error:
        code = "too-large" if isinstance(error, TooLarge) else "shape"
        at.report.refuse(code, f"{at}: {error.message}", at.node, error.help)
    return made.layer(kind.name, out)
