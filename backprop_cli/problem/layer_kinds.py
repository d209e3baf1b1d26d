"""The kinds of layers beside the dense one: a row each, with its keys and the equations it writes.

From the keys come the reader, the JSON Schema and the table of the reference; from the equations,
which are written between arrays, come the steps and everything that reads steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from backprop_cli.arrays.array import Shape, count, entry_name, shape_text
from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import quote
from backprop_cli.formula.nodes import Name, Number
from backprop_cli.problem.array_layers import Making
from backprop_cli.problem.fields import (
    NUMBER,
    Field,
    Fields,
    Keys,
    any_of,
    as_it_is,
    number_of,
    one_of,
    reference,
    whole,
)
from backprop_cli.problem.forms import Activation, Line, RuleUse, Value
from backprop_cli.problem.layer_parts import (
    ACTIVATION,
    ADD,
    AFTER,
    CHANNEL_BIASES,
    FROZEN,
    LARGEST,
    LEVELS,
    MASKED,
    ROW_PER_UNIT,
    STRIDE,
    TRAINABLE,
    UNITS,
    activation_field,
    by_gate,
    is_layerwise,
    listed_activations,
    or_none,
    read_biases,
)
from backprop_cli.problem.recurrent_layers import GRU, LSTM, RNN, recurrent, recurrent_fields
from backprop_cli.problem.values import Refused, counted, number_or_null
from backprop_cli.problem.yaml_tree import Items, Node, Scalar
from backprop_cli.rules.written import NOT_NEGATIVE

DENSE = "dense"  # what a layer is that says no kind


@dataclass(frozen=True)
class LayerKind:
    """A row: `takes` says of what, `note` what it does. `write` gets what a layer says under the
    keys of its `fields`, writes the equations, and returns the name of the array handed on.

    `axes` as in `Handed`; `example` is one of the first field, where no layer is without it.
    """

    name: str
    takes: str
    note: str
    fields: tuple[Field[Any], ...]
    write: Callable[[Making, Mapping[str, Any]], str]
    axes: int | None = None
    example: str | None = None

    @property
    def title(self) -> str:
        return self.name if len(self.name) > 4 else self.name.upper()

    @property
    def aliases(self) -> tuple[str, ...]:
        return ()

    @property
    def keys(self) -> Keys:
        """The keys that such a layer may have."""
        kind = Field("kind", one_of(self.name), self.name, "What kind of layer it is.")
        every = (ADD, AFTER, MASKED, FROZEN, TRAINABLE)
        about = f"Of {self.takes}: {self.note}"
        required = [*([] if self.name == DENSE else [kind]), *self.fields[: bool(self.example)]]
        return Keys(about, kind, *self.fields, *every, required=required, example=self.example)

    def settings(self, own: Fields) -> Mapping[str, Any]:
        """What a layer says under each key. Raises Refused where one is missing that it needs."""
        found = {row.key: own[row] for row in self.fields}
        if any(found[row.key] is None for row in self.fields[:1] if self.example):
            raise Refused
        return found


# --- windows over signals and images --------------------------------------------------------------------


def _channels(made: Making, levels: int, what: str) -> tuple[int, Shape]:
    """How many channels come in (0: the level is not there), and the sizes behind them."""
    shape = made.below.shape
    if len(shape) not in (levels, levels + 1):
        image = "an image is rows of numbers: `inputs: [[1, 0], [0, 1]]`"
        made.refuse_shape(what, image if levels == 2 else None)
    return (shape[0] if len(shape) > levels else 0), shape[-levels:]


def _of_first(name: str) -> str:
    return f"{name}[1]"


def _convolution(levels: int) -> Callable[[Making, Mapping[str, Any]], str]:
    what = "an image, or channels of images" if levels == 2 else "a signal, or channels of signals"
    sizes_in_words = "rows × columns" if levels == 2 else "width"

    def write(made: Making, settings: Mapping[str, Any]) -> str:
        channels, sizes = _channels(made, levels, what)
        node: Node = settings["kernels"]
        shape, values = made.array(node, "`kernels`")
        full = f"output channels × input channels × {sizes_in_words}"
        if channels > 1 and len(shape) != levels + 2:
            made.refuse(
                "shape",
                f"`kernels` of {made.at} must be {full}, for {made.below.words}; these have"
                f" {counted(len(shape), 'level')}",
                node,
            )
        if len(shape) == levels:
            shape = (1, *shape)
        if len(shape) == levels + 2 and shape[1] == 1 and channels <= 1:
            shape = (shape[0], *shape[2:])
        expected = levels + (2 if channels > 1 else 1)
        if len(shape) != expected or (channels > 1 and shape[1] != channels):
            less = "" if channels > 1 else ", the input channels left out where there is one"
            made.refuse(
                "shape",
                f"`kernels` of {made.at} must be {full}{less}: {made.below.words}, and these are"
                f" {shape_text(shape)}",
                node,
            )
        stride, padding, window = settings["stride"], settings["padding"], shape[-levels:]
        if any(wide > size + 2 * padding for wide, size in zip(window, sizes, strict=True)):
            message = (
                f"the window of {made.at} is {_sizes(window)}, larger than {_sizes(sizes)}"
                + (f" with {padding} around it" if padding else "")
            )
            made.refuse("shape", message, node, "give a smaller kernel or more `padding`")
        kernels = shape[0]
        use = _one_activation(made, settings)
        made.places += _places(made, "channel", kernels)
        made.split, made.alone = kernels > 1, kernels == 1
        w = made.parameter("w", shape, values, "weight")
        read = read_biases(
            made.own.get("biases"), made.at, kernels, count(shape[1:]), None in values, "channel"
        )
        b = made.biases(read)
        x = _of_first(made.below.name) if channels == 1 else made.below.name
        options = (f", stride={stride}" if stride > 1 else "") + (
            f", padding={padding}" if padding else ""
        )
        text = f"conv{levels}d({x}, {w}{options})"
        if b is not None and made.shape(b):
            b = f"reshape({b}, {', '.join(map(str, (kernels, *(1,) * levels)))})"
        text += f" + {b}" if b else ""
        return _activated(made, text, use)

    return write


def _sizes(sizes: Shape) -> str:
    return "×".join(map(str, sizes))


def _places(made: Making, what: str, many: int) -> list[str]:
    layer = f"Layer {made.at.index}"
    return [f"{layer}, {what} {at}" for at in range(1, many + 1)] if many > 1 else [layer]


def _one_activation(made: Making, settings: Mapping[str, Any], shared: bool = False) -> Activation:
    use: Activation | None = settings["activation"]
    if made.own.get("activation") is None:
        (use,) = listed_activations(made.own, made.at)
    if use is None:
        use = RuleUse("identity")  # it is wrong, which has been said
    if is_layerwise(use) and not shared:
        made.refuse(
            "out-of-range", f"softmax in {made.at} has no units to choose among",
            made.own.get("activation"),
            "put it on a dense layer, behind `{kind: flatten}`",
        )  # fmt: skip
    made.activations.append(use)
    return use


def _activated(made: Making, text: str, use: Activation) -> str:
    """z as it is written, and a = g(z)."""
    z, a = made.name("z"), made.name("a")
    made.sum(z, text)
    made.activate(a, use, z)
    return a


def _pooling(name: str) -> Callable[[Making, Mapping[str, Any]], str]:
    def write(made: Making, settings: Mapping[str, Any]) -> str:
        shape, x, a = made.below.shape, made.below.name, made.name("a")
        signals = len(shape) == 2 and made.below.axes == 1
        levels = 1 if signals or len(shape) == 1 else 2
        channels, sizes = _channels(made, levels, "a signal, an image, or channels of them")
        size = settings["size"]
        stride = settings["stride"] or size
        if any(size > each for each in sizes):
            window = f"the window of {made.at} is {_sizes((size,) * levels)}"
            made.refuse("shape", f"{window}, larger than {_sizes(sizes)}", made.own.key("size"))
        made.places += _places(made, "channel", channels)
        made.split, made.axes = channels > 1, levels
        options = f", {size}" + (f", stride={stride}" if stride != size else "")
        if signals:
            each = ", ".join(f"{name}({x}[{c}]{options})" for c in range(1, channels + 1))
            made.write(a, f"stack({each})")
        else:
            made.write(a, f"{name}({_of_first(x) if channels == 1 else x}{options})")
        return a

    return write


def _flatten(made: Making, settings: Mapping[str, Any]) -> str:
    text = f"flatten({made.below.name})"
    if made.below.name in made.writer.rows:
        made.write(made.name("a"), text)  # what a recurrence goes on with is no longer the same
    else:
        made.pass_on(made.name("a"), text)
    return made.name("a")


# --- rows: normalisation, embedding ----------------------------------------------------------------------


def _layer_norm(made: Making, settings: Mapping[str, Any]) -> str:
    """(x − μ)/√(σ² + ε), then γ and β: over a vector, or each row by itself."""
    shape, x = made.below.shape, made.below.name
    if len(shape) > 2:
        made.refuse_shape("a vector or rows", "put `{kind: flatten}` before it")
    rows = len(shape) == 2
    made.places += _places(made, "row", shape[0] if rows else 1)
    made.split = False
    width = shape[-1]
    last = len(made.places) + 1
    if rows:
        made.places.append(f"Layer {made.at.index}, γ and β")
    for letters, default, role in (("gamma", "1", "scale"), ("beta", "0", "shift")):
        node: Node | None = settings[letters]
        values: Sequence[Value] = (Number(default),) * width
        if isinstance(node, Scalar):
            values = (number_or_null(node, made.report, f"{quote(letters)} of {made.at}"),) * width
        elif node is not None:
            values = made.numbers(node, quote(letters), (width,))
        made.parameter(letters, (width,), values, cast(Any, role), last if rows else 1)
    made.split = rows
    names = {each: made.name(each) for each in ("mu", "var", "zhat", "gamma", "beta", "a")}
    mu, var, hat = names["mu"], names["var"], names["zhat"]
    axis = ", axis=-1" if rows else ""

    def column(name: str) -> str:
        return f"reshape({name}, {shape[0]}, 1)" if rows else name

    epsilon = settings["epsilon"].text
    made.write(mu, f"mean({x}{axis})")
    made.write(var, f"mean(({x} - {column(mu)})^2{axis})")
    made.write(hat, f"({x} - {column(mu)}) / sqrt({column(var)} + {epsilon})")
    made.write(names["a"], f"{names['gamma']} * {hat} + {names['beta']}")
    return names["a"]


def _embedding(made: Making, settings: Mapping[str, Any]) -> str:
    """The rows of a table that the inputs number: a row for each, in the order of the inputs."""
    node: Node = settings["weights"]
    if made.at.index > 1 or len(made.below.shape) > 1:
        made.refuse(
            "shape", f"{made.at} takes the numbers of tokens: the inputs, as one list",
            made.own.key("kind"), "`inputs: [2, 4, 2]`, and the embedding as the first layer",
        )  # fmt: skip
    shape, values = made.array(node, "`weights`")
    if len(shape) != 2:
        made.refuse(
            "shape",
            f"`weights` of {made.at} must be rows, one for each token, not {shape_text(shape)}",
            node,
        )
    many, width = shape
    w = made.parameter("w", shape, values, "weight")
    layer = f"Layer {made.at.index}"
    made.places += [f"{layer}, token {token}" for token in range(1, many + 1)]
    a = made.name("a")
    single = len(made.below.entries) == 1
    out: Shape = (width,) if single else (len(made.below.entries), width)
    for position, sample in enumerate(made.samples.samples, 1):
        of = f" of sample {position}" if made.samples.listed else ""
        lines: list[Line] = []
        for at, token in enumerate(sample.inputs.values or (), 1):
            if token is None or token.value.denominator != 1 or not 1 <= token.value <= many:
                given = sample.inputs.node
                shown = "a token without a number" if token is None else token.text
                made.refuse(
                    "out-of-range",
                    f"input {at}{of} must be the number of a row of `weights` of {made.at}, from 1"
                    f" to {many}, not {shown}",
                    given.items[at - 1] if isinstance(given, Items) else given,
                    "tokens are counted from 1",
                )
            row = int(token.value)
            for column in range(width):
                place = (column,) if single else (at - 1, column)
                source = entry_name(w, (row - 1, column))
                lines.append(Line(entry_name(a, place), Name(source), row))
        made.of_samples += (tuple(lines),)
    made.looked_up(a, out, w)
    return a


def _rows(made: Making, settings: Mapping[str, Any]) -> str:
    """A dense layer on every row of a sequence, with the same weights: z = x Wᵀ + b."""
    times, features = made.below.shape
    given: Node | None = settings["weights"]
    units: int | None = settings["units"] or (
        len(given.items) if isinstance(given, Items) else None
    )
    if units is None:
        made.refuse_size()
    if given is None:
        made.writer.expansion.shop.charge(units, features)
        w: tuple[Value, ...] = (None,) * (units * features)
    else:
        w = made.numbers(given, "`weights`", (units, features), ROW_PER_UNIT)
    use = _one_activation(made, settings, shared=True)
    made.split = True
    made.places += [f"Layer {made.at.index}, row {row}" for row in range(1, times + 1)]
    made.places.append(f"Layer {made.at.index}, parameters")
    place = len(made.places)
    weights = made.parameter("w", (units, features), w, "weight", place)
    read = read_biases(made.own.get("biases"), made.at, units, features, given is None)
    b = made.biases(read, place=place)
    text = f"{made.below.name} @ transpose({weights})"
    if times == units == 1:  # a product of 1×1 is a number, and this stays a row
        text = f"reshape({text}, 1, 1)"
    text += f" + {b}" if b else ""
    return _activated(made, text, use)


# --- the table ------------------------------------------------------------------------------------------


_PER_COLUMN = as_it_is(any_of(reference("levels"), NUMBER.schema), "a number, or one for each")
_IMAGES, _SEQUENCE = "a signal, an image, or channels of them", "a sequence, a row for each time"
_WINDOW = (
    Field("size", whole(1, LARGEST), 2, "Of the window, in each direction."),
    Field("stride", whole(1, LARGEST), None, "How far the window moves; its size unless given."),
)


def _kernels(window: str, around: str) -> tuple[Field[Any], ...]:
    shape = f"Output channels × input channels × {window}, a level less where one comes in."
    padding = Field("padding", whole(0, LARGEST), 0, f"How many zeros are put {around}.")
    return Field("kernels", LEVELS, None, shape), CHANNEL_BIASES, STRIDE, padding, ACTIVATION


ROWS: tuple[LayerKind, ...] = (
    LayerKind("conv2d", "an image, or channels of images", "cross-correlation with each kernel, as frameworks have it",
              _kernels("rows × columns", "around the image"), _convolution(2), 2,
              "`kernels: [[[1, 0], [0, -1]]]` is one kernel of 2×2"),
    LayerKind("conv1d", "a signal, or channels of signals", "the same along one direction",
              _kernels("width", "at both ends"), _convolution(1), 1,
              "`kernels: [[1, -1]]` is one kernel of width 2"),
    LayerKind("max_pool", _IMAGES, "the largest of each window", _WINDOW, _pooling("max_pool")),
    LayerKind("avg_pool", _IMAGES, "the mean of each window", _WINDOW, _pooling("avg_pool")),
    LayerKind("flatten", "anything", "all numbers one after the other, row by row", (), _flatten),
    LayerKind("layer_norm", "a vector, or rows", "(x − mean)/√(variance + ε), then γ and β; each row by itself",
              (Field("epsilon", number_of(NOT_NEGATIVE), Number("1e-5"), "Added to the variance."),
               Field("gamma", _PER_COLUMN, None, "First value, 1 unless given."),
               Field("beta", _PER_COLUMN, None, "First value, 0 unless given.")), _layer_norm, 0),
    LayerKind("embedding", "the numbers of tokens, from 1", "the row of the table for each token",
              (Field("weights", LEVELS, None, "A row for each token."),), _embedding, 0,
              "a row for each token: `weights: [[0.1, 0.2], [0.5, -0.3]]`"),
    LayerKind("rnn", _SEQUENCE, "a = g(W x + U a₋₁ + b)",
              (*recurrent_fields(RNN), activation_field("tanh unless given.")), recurrent(RNN), 0),
    LayerKind("gru", _SEQUENCE, "gates r, z, n; a = (1 − z) ⊙ n + z ⊙ a₋₁",
              (*recurrent_fields(GRU),
               Field("recurrent_biases", or_none(by_gate(["n"])), None, "Of n: added before r multiplies.")), recurrent(GRU), 0),
    LayerKind("lstm", _SEQUENCE, "gates i, f, g, o; c = f ⊙ c₋₁ + i ⊙ g, a = o ⊙ tanh(c)",
              recurrent_fields(LSTM), recurrent(LSTM), 0),
    LayerKind(DENSE, "a vector, or rows", "weighted sums, on each row with the same weights",
              (UNITS, Field("weights", LEVELS, None, "A row for each unit."), CHANNEL_BIASES, ACTIVATION), _rows, 0),
)  # fmt: skip

KINDS: Mapping[str, LayerKind] = {row.name: row for row in ROWS}
