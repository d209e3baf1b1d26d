"""Layers that are equations between arrays, while they are read and written out.

A row of `layer_kinds` reads its keys and writes its equations with a `Making`; what comes out is an
`ArrayLayer` of equations between numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from itertools import islice
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias

from backprop_cli.arrays.array import (
    INDEX,
    Array,
    Shape,
    View,
    count,
    entry_names,
    named,
    shape_text,
)
from backprop_cli.arrays.expand import Expansion, tidy
from backprop_cli.arrays.language import read_formula
from backprop_cli.arrays.workshop import Workshop
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.build import rebuild, rename, substitute
from backprop_cli.formula.nodes import Call, Formula, Name, Number, Product
from backprop_cli.problem.array_values import read_levels
from backprop_cli.problem.fields import Fields
from backprop_cli.problem.forms import (
    Activation,
    ArrayLayer,
    Custom,
    Given,
    Line,
    Parameter,
    Role,
    RuleUse,
    Value,
)
from backprop_cli.problem.layer_parts import KEEP, MASKS, OF_ARRAYS, Biases, LayerPlace
from backprop_cli.problem.values import Refused, Report
from backprop_cli.problem.yaml_tree import Node
from backprop_cli.rules.activations import ACTIVATIONS

if TYPE_CHECKING:  # the table of kinds is read without any problem
    from backprop_cli.problem.samples import Samples

LineKind: TypeAlias = Literal["preactivation", "handed_on", "equation"]


@dataclass(frozen=True)
class Handed:
    """What comes into a layer: an array by its name, and what a sentence calls its giver.

    `axes` counts the levels that windows move along, where that is known: 2 of an image, 1 of a
    signal with channels, 0 where each row is something by itself, as in a sequence.
    """

    name: str
    shape: Shape
    entries: tuple[str, ...]
    giver: str
    axes: int | None = None

    @property
    def words(self) -> str:
        """`layer 1 gives 2×4×4`, `the input is a vector of 3`."""
        return f"{self.giver} {shape_text(self.shape)}"


@dataclass
class Writer:
    """The equations between arrays of a whole network; each layer goes on from the ones below."""

    expansion: Expansion = field(default_factory=lambda: Expansion(Workshop(set())))
    rows: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of arrays of all times

    def formula(self, text: str) -> Formula:
        """What is written, arrays of all times as the rows that they are made of."""
        return self._by_rows(read_formula(text, self.expansion.known.keys(), set(), None).formula)

    def _by_rows(self, formula: Formula) -> Formula:
        match formula:
            case Name(name) if name in self.rows:
                return Call("stack", tuple(map(Name, self.rows[name])))
            case Call(function, (Name(name), Number() as at)) if (
                function == INDEX and name in self.rows
            ):
                return Name(self.rows[name][int(at.value) - 1])
            case _:
                return rebuild(formula, self._by_rows)

    def know(self, handed: Handed) -> None:
        """An array that no equation here calculates: inputs, the units of a dense layer."""
        entries = tuple(map(Name, handed.entries))
        self.expansion.known[handed.name] = Array(handed.shape, entries)


@dataclass
class Making:
    """A layer while its equations are written. Names are made of letters and the layer's number;
    `place` is the group that equations are shown under, `split` gives each entry of the first
    level a group of its own."""

    at: LayerPlace
    own: Fields
    below: Handed
    writer: Writer
    samples: Samples  # whose inputs choose the rows of an embedding
    place: int = 1
    split: bool = False
    alone: bool = False  # it has one channel, which is no level of its arrays
    parameters: list[Parameter] = field(default_factory=list)
    given: list[Given] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    of_samples: tuple[tuple[Line, ...], ...] = ()
    views: list[View] = field(default_factory=list)
    activations: list[Activation] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    axes: int | None = None
    recurrent: bool = False
    added: Handed | None = None  # what is added to z, or `after` it and where there is none to a
    after: bool = False

    @property
    def report(self) -> Report:
        return self.at.report

    def name(self, letters: str, time: int | None = None) -> str:
        """`w2`, `f1_3`."""
        return f"{letters}{self.at.index}" + ("" if time is None else f"_{time}")

    def shape(self, name: str) -> Shape:
        return self.writer.expansion.known[name].shape

    def refuse(
        self, code: str, message: str, node: Node | None, help: str | None = None
    ) -> NoReturn:
        """Report a mistake and give the layer up."""
        self.report.refuse(code, message, node or self.at.node, help)

    def refuse_shape(self, takes: str, help: str | None = None) -> NoReturn:
        """Give the layer up, because what comes in is not what such a layer takes."""
        message = f"{self.at} takes {takes}, and {self.below.words}"
        self.refuse("shape", message, self.own.key("kind"), help)

    def refuse_size(self) -> NoReturn:
        """Give the layer up, because nothing says how many units it has."""
        message = f"{self.at} has neither `weights` nor `units`"
        help = "add `weights`, a row per unit; or `units:` for a symbolic layer"
        self.refuse("missing-key", message, self.at.node, help)

    # --- what is given -------------------------------------------------------------------------------

    def array(
        self, node: Node, what: str, known: Shape | None = None, help: str | None = None
    ) -> tuple[Shape, tuple[Value, ...]]:
        """The numbers of a key, of the shape `known` where that follows from the rest."""
        seed = self.at.index + 1000 * len(self.drawn)  # another for each array of the layer
        found = read_levels(node, self.report, f"{what} of {self.at}", seed, known)
        if found.drawn:
            self.drawn.append(found.drawn)
        if known is not None and found.shape != known:
            turned = found.shape == known[::-1] and len(known) == 2
            self.refuse(
                "shape",
                f"{what} of {self.at} must be {shape_text(known)}, not {shape_text(found.shape)}",
                node,
                "rows and columns are exchanged" if turned else help,
            )
        return found.shape, found.values

    def numbers(
        self, node: Node, what: str, known: Shape, help: str | None = None
    ) -> tuple[Value, ...]:
        """Those of an array of that shape, without number where it is wrong, so that the rest of the
        layer is read too."""
        try:
            return self.array(node, what, known, help)[1]
        except Refused:
            return (None,) * count(known)

    def parameter(
        self,
        letters: str,
        shape: Shape,
        values: Iterable[Value],
        role: Role,
        place: int | None = None,
    ) -> str:
        """An array of parameters; each entry of the first level has a group of its own unless a
        `place` is said. One of a single channel is written without that level."""
        name = self.name(letters)
        entries = entry_names(name, shape)
        if self.alone and len(entries) == 1:
            (name,) = entries
        size = count(shape[1:])
        for at, (entry, value) in enumerate(zip(entries, values, strict=True)):
            self.parameters.append(Parameter(entry, value, role, place or at // size + 1))
        if self.alone:
            shape = shape[1:]
        self._keep(name, Array(shape, tuple(map(Name, entries))))
        return name

    def biases(self, read: Biases, place: int | None = None) -> str | None:
        """One for each unit or channel, or one parameter `b2` that all share."""
        if read.kind == "none":
            return None
        if read.drawn:
            self.drawn.append(f"biases {read.drawn}")
        if read.kind == "each":
            return self.parameter("b", (len(read.values),), read.values, "bias", place)
        name = self.name("b")
        self.parameters.append(Parameter(name, read.values[0], "shared bias", len(self.places) + 1))
        self.places.append(f"Layer {self.at.index}, shared bias")
        self._keep(name, Array((), (Name(name),)))
        return name

    def state(self, letters: str, values: Sequence[Value] | None, units: int) -> None:
        """What a recurrence begins with: given numbers, or zeros, whose terms are left out."""
        name, zeros = self.name(letters, 0), (Number("0"),) * units
        self.held(name, (units,), values or zeros, f"Layer {self.at.index}, time 0")
        if values is None:
            self.writer.expansion.known[name] = Array((units,), zeros)

    def held(self, name: str, shape: Shape, values: Sequence[Value], title: str) -> None:
        """An array of numbers that are not learned."""
        pairs = zip(entry_names(name, shape), values, strict=True)
        self.given += [Given(entry, value, title) for entry, value in pairs]
        self._keep(name, named(name, shape))

    def _keep(
        self, name: str, array: Array, equation: Formula | None = None, text: str | None = None
    ) -> None:
        """An array by its name, for the layers above and for who reads the steps."""
        self.writer.expansion.known[name] = array
        self.views.append(View(name, array.shape, array.entries, equation, text, (), equation))

    # --- equations -----------------------------------------------------------------------------------

    def write(
        self, name: str, text: str, shown: str | None = None, kind: LineKind = "equation"
    ) -> None:
        """An equation between arrays. `shown` is what its family is called by: `f_t` for each t.

        Raises ArrayError.
        """
        expansion, formula = self.writer.expansion, self.writer.formula(text)
        done, views = len(expansion.shop.equations), len(expansion.shop.views)
        expansion.write(name, formula, shown or text)
        new = list(islice(expansion.shop.equations.items(), done, None))
        size = len(new) // self.shape(name)[0] if self.shape(name) else 1
        for at, (entry, written) in enumerate(new):
            place = at // size + 1 if self.split else self.place
            self.lines.append(Line(entry, written, place, kind))
        for view in expansion.shop.views[views:]:
            equation = None if view.equation is None else tidy(view.equation)
            self.views.append(replace(view, equation=equation))

    def activate(self, name: str, use: Activation, of: str, shown: str | None = None) -> None:
        """An activation of every entry of an array, or of its rows."""
        expansion = self.writer.expansion
        scores = expansion.known[of]
        names = entry_names(name, scores.shape)
        inside = [entry.name for entry in scores.entries if isinstance(entry, Name)]
        layerwise = isinstance(use, RuleUse) and ACTIVATIONS[use.name].layerwise
        width = scores.shape[-1] if layerwise else 1
        size = len(names) // scores.shape[0]
        expansion.shop.charge(len(names), 2 * width)
        for at, entry in enumerate(names):
            start = at - at % width
            place = at // size + 1 if self.split else self.place
            row = tuple(inside[start : start + width])
            self.lines.append(Line(entry, None, place, activation=use, scores=row, own=at - start))
        self._keep(name, named(name, scores.shape), applied_to(use, Name(of)), shown)

    def sum(self, name: str, text: str) -> None:
        """What an activation is applied to, with what `add` adds to it."""
        if self.added is not None and not self.after:
            formula = self.writer.formula(text)
            self._fits(self.writer.expansion.value(formula).shape)
            text += f" + {self.added.name}"
            self.added = None
        self.write(name, text, kind="preactivation")

    def _fits(self, shape: Shape) -> None:
        assert self.added is not None
        if self.added.shape != shape:
            self.refuse(
                "shape",
                f"`add` of {self.at}: {shape_text(shape)} cannot add {shape_text(self.added.shape)}",
                self.own.get("add"),
                "what is added has the shape of what it is added to",
            )

    def behind(self, out: str) -> str:
        """What stands behind the array that a kind of layer writes: an addition, dropout."""
        text, dropout = out, self.own.get("dropout")
        shape = self.shape(out)
        if self.added is not None:
            self._fits(shape)
            text = f"{out} + {self.added.name}"
        if dropout is not None:
            own = OF_ARRAYS.of(dropout, self.report, f"`dropout` of {self.at}")
            if (node := own[MASKS]) is None or own.get(KEEP.key) is None:
                raise Refused
            _, values = self.array(node, "`mask`", shape)
            if any(value is None or value.value not in (0, 1) for value in values):
                self.refuse("out-of-range", f"`mask` of {self.at} is of 1 and 0 only", node)
            mask = self.name("r")
            self.held(mask, shape, values, f"Dropout mask of layer {self.at.index}")
            text = f"{mask} * {text if text == out else f'({text})'} / {own[KEEP].text}"
        if text == out:
            return out
        self.write(self.name("h"), text, kind="handed_on")
        return self.name("h")

    def pass_on(self, name: str, text: str) -> None:
        """An array whose entries are quantities that have a name: nothing is calculated."""
        formula = self.writer.formula(text)
        self._keep(name, self.writer.expansion.value(formula), formula, text)

    def looked_up(self, name: str, shape: Shape, table: str) -> None:
        """An array of rows of a table, which the inputs number; its lines are in `of_samples`."""
        x = self.below.name
        equation = Call(INDEX, (Name(table), Name(x)))
        self._keep(name, named(name, shape), equation, f"{table}[{x}]")

    def stacked(self, letters: str, times: range, stems: Sequence[str]) -> str:
        """The rows of all times as one array; `stems` are the arrays that its equation has rows of,
        by the names that it has them by."""
        name = self.name(letters)
        rows = tuple(self.name(letters, time) for time in times)
        first = next(view for view in self.views if view.name == rows[-1])
        known = self.writer.expansion.known
        entries = tuple(e for row in rows for e in known[row].entries)
        shape = (len(rows), *first.shape)
        known[name] = Array(shape, entries)
        self.writer.rows[name] = rows
        equation = read_formula(first.text or "", known.keys(), set(stems), "t").formula
        self.views.append(View(name, shape, entries, equation, first.text, rows))
        return name

    # --- the layer -----------------------------------------------------------------------------------

    def layer(self, kind: str, out: str) -> ArrayLayer:
        """What has been written, and the array `out` handed on."""
        array = self.writer.expansion.known[out]
        outputs = tuple(entry.name for entry in array.entries if isinstance(entry, Name))
        own = self.name("a")
        inner = entry_names(own, array.shape)
        aliases = {a: b for a, b in zip(inner, outputs, strict=True) if out == own and a != b}
        if self.alone:  # b1 is read for its only entry, b1_1
            aliases |= {each.name.removesuffix("_1"): each.name for each in self.parameters
                        if each.role == "bias"}  # fmt: skip
        return ArrayLayer(
            kind=kind,
            fan_in=count(self.below.shape),
            shape=array.shape,
            handed=out,
            outputs=outputs,
            parameters=tuple(self.parameters),
            lines=self.of_samples or (tuple(self.lines),),
            places=tuple(self.places) or (f"Layer {self.at.index}",),
            views=tuple(self.views),
            given=tuple(self.given),
            aliases=aliases,
            activations=tuple(self.activations),
            axes=self.axes,
            recurrent=self.recurrent,
            initialised="; ".join(dict.fromkeys(self.drawn)) or None,
        )


def as_output(layer: ArrayLayer, names: Sequence[str], view: str) -> ArrayLayer:
    """The last layer of a network: what it hands on is called ŷ, and is still read as a3_1.

    Where it is the outputs of a recurrence, or only passed on, its names stay and ŷ is read for
    them.
    """
    calculated = {line.name for each in layer.lines for line in each}
    if layer.recurrent or not calculated.issuperset(layer.outputs):
        aliases = dict(zip(names, layer.outputs, strict=True))
        return replace(layer, aliases={**layer.aliases, **aliases})
    new = dict(zip(layer.outputs, names, strict=True))

    def renamed(formula: Formula) -> Formula:
        return rename(formula, lambda name: new.get(name, name))

    own = layer.handed
    return replace(
        layer,
        handed=view,
        outputs=tuple(names),
        lines=tuple(
            tuple(replace(line, name=new.get(line.name, line.name)) for line in each)
            for each in layer.lines
        ),
        views=tuple(
            replace(each, name=view if each.name == own else each.name,
                    entries=tuple(map(renamed, each.entries)))
            for each in layer.views
        ),
        aliases={**layer.aliases, **dict(zip(layer.outputs, names, strict=True))},
    )  # fmt: skip


def applied_to(use: Activation, inside: Formula) -> Formula:
    """g(z) of a whole array, or of an entry."""
    match use:
        case RuleUse("identity"):
            return inside
        case RuleUse(name, options):
            return ACTIVATIONS[name].call(inside, options)
        case Custom(_, formula):
            return in_pairs(substitute(formula, {"z": inside}))


def in_pairs(formula: Formula) -> Formula:
    """Products as formulas between arrays have them: of two factors."""
    match formula:
        case Product((*first, last)) if len(first) > 1:
            return Product((in_pairs(Product(tuple(first))), in_pairs(last)))
        case _:
            return rebuild(formula, in_pairs)
