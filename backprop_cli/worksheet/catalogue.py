"""`backprop list`: the rules a problem file may name, with formulas, slopes and curves of both.

Everything is read off the rule tables, so that a new row is listed, drawn and described by being
there. SymPy is not needed for it: the slopes are those of the tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeAlias

from backprop_cli.arrays.operations import OPERATIONS, Operation
from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import nearest, quote
from backprop_cli.formula import functions
from backprop_cli.formula.build import negative, over, product
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.functions import Function
from backprop_cli.formula.nodes import Call, Formula, Name, Number, Quotient
from backprop_cli.formula.quantity import updated
from backprop_cli.formula.spelling import spell
from backprop_cli.problem.layer_kinds import KINDS, LayerKind
from backprop_cli.rules import activations, initializers, losses, optimizers, remedies
from backprop_cli.rules.activations import ActivationRule
from backprop_cli.rules.initializers import InitializerRule
from backprop_cli.rules.losses import LossRule
from backprop_cli.rules.optimizers import OptimizerRule
from backprop_cli.rules.remedies import RemedyRule
from backprop_cli.rules.written import ByAnyName, instantiate
from backprop_cli.worksheet.document import (
    Block,
    Column,
    Curve,
    Document,
    Heading,
    Line,
    Math,
    Paragraph,
    Relation,
    Series,
    Table,
    Text,
)
from backprop_cli.worksheet.document import listed as _listed
from backprop_cli.worksheet.numbers import in_a_sentence

SKETCHED = ("sigmoid", "tanh", "relu")
"""The activations whose curves stand in the list of everything."""

POINTS = 97
FLAT = 0.02
"""A curve is drawn as far as its slope is still worth looking at."""
NOTHING: Line = (Text("–"),)

Row: TypeAlias = Any
"""A row of the rule table that a group was made for."""


Points: TypeAlias = tuple[tuple[float, float], ...]


class UnknownRule(Exception):
    """A name that is neither a group nor a rule; the message says so and what may be meant."""


@dataclass(frozen=True)
class Group:
    """One rule table: how it is called, listed, and how one of its rows is described."""

    title: str
    words: tuple[str, ...]  # what it may be asked for by, its name first
    table: ByAnyName[Row]
    overview: Callable[[Sequence[Row]], Iterator[Block]]
    details: Callable[[Row], Iterator[Block]]

    @property
    def name(self) -> str:
        return self.words[0]

    @property
    def rows(self) -> Mapping[str, Row]:
        return self.table.rows


def catalogue(what: Sequence[str] = ()) -> Document:
    """The list of everything, of the groups asked for, or of single rules.

    A group (`losses`, `optimisers`) is a table and, for activations, the curves; a rule is
    described in full. Raises UnknownRule for any other name.
    """
    blocks: list[Block] = []
    if not what:
        blocks += toolbox()
        for group in GROUPS:
            blocks += listed(group)
        blocks += _sketches(SKETCHED)
        blocks.append(Paragraph(_HINT))
    compared: list[ActivationRule] = []
    for asked in dict.fromkeys(what):
        blocks += _asked(asked, compared)
    blocks += curves(compared)
    return Document("Rules a problem file may name", tuple(blocks), spell)


_HINT: Line = (
    Text("backprop list activations", "code"),
    Text(" draws every curve, "),
    Text("backprop list adam", "code"),
    Text(" describes one rule. Any of these can also be written by the author as a formula."),
)


def _asked(name: str, compared: list[ActivationRule]) -> list[Block]:
    """What is said about a group or a rule; activations are `compared`, to be drawn together."""
    match found(name):
        case None:
            return toolbox()
        case Group() as group:
            whole = listed(group)
            if group.name == "activations":
                whole += _sketches(tuple(group.rows))
            return whole
        case rows:
            compared += [row for _, row in rows if isinstance(row, ActivationRule)]
            return [
                block for group, row in rows for block in (_named(group, row), *group.details(row))
            ]


def found(name: str) -> Group | list[tuple[Group, Row]] | None:
    """The group of a name, else every row of that name with its group; None for the toolbox.

    Raises UnknownRule.
    """
    plain = name.strip().lower().replace("-", "_")
    if plain == TOOLBOX:
        return None
    for group in GROUPS:
        if plain in group.words:
            return group
    rows = [(group, row) for group in GROUPS if (row := group.table.find(plain)) is not None]
    if not rows:
        known = [word for group in GROUPS for word in (*group.words, *group.table)]
        close = nearest(plain, known)
        groups = ", ".join(group.name for group in GROUPS)
        hint = close or f"groups are {groups}"
        raise UnknownRule(f"{quote(name)} is neither a rule nor a group of rules; {hint}")
    return rows


def listed(group: Group) -> list[Block]:
    """A group as one list, without curves."""
    return [Heading(2, (Text(group.title),)), *group.overview(tuple(group.rows.values()))]


def _named(group: Group, row: Row) -> Heading:
    return Heading(2, (Text(f"{row.title[:1].upper()}{row.title[1:]} ({group.name})"),))


# What belongs where

TOOLBOX = "toolbox"

_PLACES: tuple[tuple[activations.Place, str], ...] = (
    ("hidden", "hidden layers"),
    ("regression", "output, for numbers (regression)"),
    ("two classes", "output, for two classes"),
    ("several classes", "output, for one of several classes"),
    ("perceptron", "perceptrons, without a gradient"),
)

_UPDATES = (
    ("all samples (gradient descent)", "w - eta*1/N*total"),
    ("the k samples of a mini-batch", "w - eta*1/k*total"),
    ("one sample (stochastic)", "w - eta*own"),
)
"""How a parameter moves, by the samples an update looks at."""


def toolbox() -> list[Block]:
    """What is used where, on one page."""
    rows: list[tuple[Line, ...]] = []
    for place, words in _PLACES:
        fitting = [row.name for row in activations.ACTIVATIONS.values() if place in row.places]
        losses_there = [row.name for row in losses.LOSSES.values() if row.place == place]
        rows.append(((Text(words),), _names(fitting), _names(losses_there)))
    own = Name("dL_i/dw")
    terms = {"total": over("i", own), "own": own}
    updates = [
        ((Text(words),), (Relation(Name(updated("w")), "=", instantiate(text, terms)),))
        for words, text in _UPDATES
    ]
    return [
        Heading(2, (Text("What belongs where"),)),
        _table(("Where", "Activations", "Losses"), rows),
        _table(("An update looks at", "Each parameter"), updates),
    ]


def _names(names: Sequence[str]) -> Line:
    return _listed(map(_code, names)) or NOTHING


# What the groups have in common


def _words(text: str) -> Line:
    """Words of a table, in which code stands between backticks."""
    parts = enumerate(text.split("`"))
    return tuple(Text(part, "code" if place % 2 else "plain") for place, part in parts if part)


def _code(name: str) -> Line:
    return (Text(name, "code"),)


def _spellings(row: Row) -> Line:
    """How a problem file names the rule: `swish`, also `silu`."""
    also = (Text(", also "), *_listed(map(_code, row.aliases))) if row.aliases else ()
    return (Text(row.name, "code"), *also)


def _options(
    options: Mapping[str, Number | None], variants: Mapping[str, str] = MappingProxyType({})
) -> Line:
    """`slope: 0.01`, as a problem file sets it: the defaults, and what has to be given; of
    variants the rule that they stand for."""
    settings = [
        (*_code(f"{name}: …"), Text(" (must be given)"))
        if value is None
        else _code(f"{name}: {value.text}")
        for name, value in options.items()
    ]
    settings += [
        (Text(f"{name}: true", "code"), Text(" for "), Text(other, "code"))
        for name, other in variants.items()
    ]
    return _listed(settings) or NOTHING


def _range(row: ActivationRule) -> Line:
    return (Text(row.range.replace(">=", "≥").replace("<=", "≤").replace("-", "−")),)


def _table(headings: Sequence[str], rows: Sequence[tuple[Line, ...]]) -> Table:
    columns = (
        Column((Text(headings[0]),)),
        *(Column((Text(heading),), wrap=True) for heading in headings[1:]),
    )
    return Table(columns, tuple(rows))


def _properties(*pairs: tuple[str, Line]) -> Table:
    rows = [((Text(label),), line) for label, line in pairs if line and line != NOTHING]
    return _table(("What", "How"), rows)


# Activations


def _activations(rows: Sequence[ActivationRule]) -> Iterator[Block]:
    yield Paragraph(
        (
            Text("The slope is written as it is taught, with "),
            Math(Name("a")),
            Text(" for the unit's own output."),
        )
    )
    yield _table(
        ("Name", "Formula", "Also", "Slope"),
        [(_code(row.name), (Math(row.formula),), _also(row), (Math(row.slope),)) for row in rows],
    )
    yield _table(
        ("Name", "Output", "Where it belongs", "Options"),
        [(_code(row.name), _range(row), (Text(row.use),), _options(row.options)) for row in rows],
    )


def _also(row: ActivationRule) -> Line:
    return NOTHING if row.also is None else (Math(row.also),)


def _activation(row: ActivationRule) -> Iterator[Block]:
    yield _properties(
        ("In problem files", _spellings(row)),
        ("Formula", (Relation(Name("a"), "=", row.formula),)),
        ("Also written", _also(row)),
        ("Slope", (Relation(Name("da/dz"), "=", row.slope),)),
        ("Output", _range(row)),
        ("Where it belongs", (Text(row.use),)),
        ("Options", _options(row.options, row.variants)),
    )
    yield Paragraph(_words(row.reason))
    for kink in row.kinks:
        yield Paragraph((Text(kink.convention),))


def _sketches(names: Sequence[str]) -> list[Block]:
    heading: Block = Heading(2, (Text("Curves of activations and their slopes"),))
    return [heading, *(curve(activations.ACTIVATIONS[name]) for name in names)]


def curves(rows: Sequence[ActivationRule]) -> list[Block]:
    """One activation with its slope; of several the activations in one picture, then the slopes."""
    if len(rows) < 2:
        return [curve(row) for row in rows]
    reach = max(_reach(row) for row in rows)
    drawn = [(row, _values_and_slopes(row, reach)) for row in rows]
    names = _listed_words([row.title for row in rows])
    return [
        Curve(
            series=tuple(
                Series(f"{before}{row.name}{after}", points[which]) for row, points in drawn
            ),
            x_label="z",
            y_label=label,
            title=title,
            description=(
                *(Text("For "), *_there(reach), Text(": ")),
                *_listed(((Text(row.name), *_extent(all_[which])) for row, all_ in drawn), "; "),
                Text("."),
            ),
        )
        for which, before, after, label, title in (
            (0, "", "(z)", "a", names),
            (1, "", "′(z)", "slope", f"Slopes of {names}"),
        )
    ]


def _listed_words(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}"


def curve(row: ActivationRule) -> Curve:
    """The activation and its slope over z. Softmax: of one unit of two, the other's z held at 0."""
    reach = _reach(row)
    values, slopes = _values_and_slopes(row, reach)
    of_two = ", one unit of two, the other z held at 0" if row.layerwise else ""
    return Curve(
        series=(Series(f"a = {row.name}(z)", values), Series("slope", slopes)),
        x_label="z",
        y_label="a and its slope",
        title=f"{row.title} and its slope{of_two}",
        description=(
            *(Text("For "), *_there(reach), Text(" the output"), *_extent(values)),
            *(Text(" and the slope"), *_extent(slopes), Text(".")),
        ),
    )


def _there(reach: float) -> Line:
    ends = (*in_a_sentence(-reach), Text(" to "), *in_a_sentence(reach))
    return (Math(Name("z")), Text(" from "), *ends)


def _reach(row: ActivationRule) -> float:
    """How far from 0 a curve is drawn."""
    return 6.0 if row.saturates and abs(_point(row, 3.0)[1]) > FLAT else 3.0


def _values_and_slopes(row: ActivationRule, reach: float) -> tuple[Points, Points]:
    values, slopes = [], []
    for place in range(POINTS):
        z = reach * (2 * place - (POINTS - 1)) / (POINTS - 1)
        a, slope = _point(row, z)
        values.append((z, a))
        slopes.append((z, slope))
    return tuple(values), tuple(slopes)


def _point(row: ActivationRule, z: float) -> tuple[float, float]:
    """The activation and its slope at one z, options at their defaults."""
    known = {name: option.value for name, option in row.options.items()}
    names: dict[str, Fraction | float] = {**known, "z": z, "rest": Fraction(1)}
    a = evaluate(row.formula, names.__getitem__)
    slope = evaluate(row.slope, {**names, "a": a}.__getitem__)
    return as_float(a), as_float(slope)


def _extent(points: Sequence[tuple[float, float]]) -> Line:
    finite = [y for _, y in points if math.isfinite(y)]
    low, high = (in_a_sentence(end, 3) for end in (min(finite), max(finite)))
    if low == high:
        return (Text(" is "), *low, Text(" throughout"))
    return (Text(" lies between "), *low, Text(" and "), *high)


# Losses


def loss_of_one_output(row: LossRule) -> Formula:
    """The loss as written for a single output, `1/m` in front where it is a mean."""
    factor: Formula = row.factor or (
        Quotient(Number("1"), Name("m")) if row.per_output else Number("1")
    )
    written = product(factor, row.term)
    return negative(written) if row.minus else written


def _losses(rows: Sequence[LossRule]) -> Iterator[Block]:
    yield Paragraph(
        (
            Text("Each is written for one output and summed over all "),
            Math(Name("m")),
            Text(" of them; logarithms are natural."),
        )
    )
    yield _table(
        ("Name", "Loss of one output", "Slope ∂L/∂ŷ"),
        [(_code(row.name), (Math(loss_of_one_output(row)),), (Math(row.slope),)) for row in rows],
    )
    yield _table(
        ("Name", "For", "Options"),
        [
            (_code(row.name), (Text(f"{row.use}; {row.target_note}"),), _options(row.options))
            for row in rows
        ],
    )


def _loss(row: LossRule) -> Iterator[Block]:
    yield _properties(
        ("In problem files", _spellings(row)),
        ("One output's share", (Math(loss_of_one_output(row)),)),
        ("Slope", (Relation(Name("dL/dyhat"), "=", row.slope),)),
        ("For", (Text(row.use),)),
        ("Targets", (Text(row.target_note),)),
        ("Options", _options(row.options)),
    )
    yield Paragraph(_words(row.reason))
    for combination in losses.COMBINED.values():
        if combination.loss == row.name:
            yield Paragraph(
                (
                    Text(f"With {combination.activation} outputs: "),
                    Relation(Name("dL/dz"), "=", combination.slope),
                    Text("."),
                )
            )
    for kink in row.kinks:
        yield Paragraph((Text(kink.convention),))


# Optimizers


def _equations(row: OptimizerRule) -> list[Line]:
    lines: list[Line] = [
        (Relation(Name(name), "=", formula),) for name, formula in row.equations.items()
    ]
    return (
        lines if row.point is None else [(Math(Name("g")), Text(" at "), Math(row.point)), *lines]
    )


def _optimizers(rows: Sequence[OptimizerRule]) -> Iterator[Block]:
    yield Paragraph(
        (
            Text("Carried out from top to bottom for each parameter "),
            Math(Name("w")),
            Text(" with its gradient "),
            Math(Name("g")),
            Text(", the learning rate "),
            Math(Name("eta")),
            Text(" and the number "),
            Math(Name("t")),
            Text(" of the update; what stands on the left is the new value."),
        )
    )
    lines: list[tuple[Line, ...]] = []
    for row in rows:
        for index, equation in enumerate(_equations(row)):
            first = index == 0
            lines.append(
                (
                    _code(row.name) if first else (Text(""),),
                    equation,
                    _options(row.options) if first else (Text(""),),
                )
            )
    yield _table(("Name", "Equations", "Options"), lines)


def _optimizer(row: OptimizerRule) -> Iterator[Block]:
    first, *rest = _equations(row)
    yield _properties(
        ("In problem files", _spellings(row)),
        ("Equations", first),
        *(("then", equation) for equation in rest),
        ("State at the start", _options(row.state)),
        ("Options", _options(row.options, row.variants)),
        ("As in", (Text(row.reference),)),
    )
    yield Paragraph(_words(row.reason))


# Initializers


def _initializers(rows: Sequence[InitializerRule]) -> Iterator[Block]:
    yield Paragraph(
        (
            Text("Drawn with a seed, so that the same file gives the same numbers, and rounded to"),
            Text(f" {initializers.DECIMALS} decimals."),
        )
    )
    yield _table(
        ("Name", "Each value", "Options", "For"),
        [
            (_code(row.name), (Text(row.formula_text),), _options(row.options), (Text(row.use),))
            for row in rows
        ],
    )


def _initializer(row: InitializerRule) -> Iterator[Block]:
    yield _properties(
        ("In problem files", _spellings(row)),
        ("Each value", (Text(row.formula_text),)),
        ("For", (Text(row.use),)),
        ("Options", _options(row.options)),
    )


# Remedies


def _settings(row: RemedyRule) -> Iterator[tuple[Line, ...]]:
    """How a file asks for it, and an equation on each line."""
    for setting in row.settings:
        key = _code(setting.key)
        for name, formula in setting.equations.items():
            yield key, (Relation(Name(name), "=", formula),)
            key = (Text(""),)


def _remedies(rows: Sequence[RemedyRule]) -> Iterator[Block]:
    yield Paragraph(
        (
            Text("Penalties and clipping stand under "),
            Text("training", "code"),
            Text(" and change the gradient "),
            Math(Name("g")),
            Text(" of a parameter "),
            Math(Name("w")),
            Text(" before the optimizer sees it, or the loss "),
            Math(Name("L")),
            Text("; what stands on the left is the new value."),
        )
    )
    lines: list[tuple[Line, ...]] = []
    for row in rows:
        name = _code(row.name)
        for setting in _settings(row):
            lines.append((name, *setting))
            name = (Text(""),)
    yield _table(("Name", "In problem files", "Equations"), lines)


def _remedy(row: RemedyRule) -> Iterator[Block]:
    yield _properties(("For", (Text(row.use),)), ("Also called", _names(row.aliases)))
    yield _table(("Setting", "Equations"), list(_settings(row)))
    yield Paragraph(_words(row.reason))


# Functions

_FUNCTIONS: ByAnyName[Function] = ByAnyName(
    row
    for row in functions.PLAIN_FUNCTIONS
    # Activations have a list of their own; with the others only gradients are written.
    if row.name not in (*activations.ACTIVATIONS, "max_share", "min_share", "abs'", "clip'")
)


def _functions(rows: Sequence[Function]) -> Iterator[Block]:
    yield Paragraph(
        (
            Text("These may be called in formulas, and so may every activation by its name: "),
            Text("sigmoid(z)", "code"),
            Text(", "),
            Text("leaky_relu(z, 0.2)", "code"),
            Text("."),
        )
    )
    yield _table(
        ("Name", "Shown as", "Also", "What it is"),
        [
            (_code(row.name), (Math(called(row)),), _names(row.aliases), _meaning(row))
            for row in rows
        ],
    )


def _function(row: Function) -> Iterator[Block]:
    yield _properties(
        ("In formulas", (Text(", ".join((row.name, *row.aliases)), "code"),)),
        ("Shown as", (Math(called(row)),)),
        ("What it is", _meaning(row)),
    )


def called(row: Function) -> Formula:
    """As it is written, with as many arguments as it needs; max and the like with two."""
    usual = ((), ("z",), ("x", "y"))
    arguments = row.arguments or usual[2 if row.most is None else row.fewest]
    return Call(row.name, tuple(map(Name, arguments)))


def _meaning(row: Function) -> Line:
    return _words(row.note) if row.note else NOTHING


# Operations on arrays


def _operations(rows: Sequence[Operation]) -> Iterator[Block]:
    yield _table(
        ("Called", "What it is", "Its gradient"),
        [(_code(row.signature), _words(row.note), (Text(row.backward),)) for row in rows],
    )


def _operation(row: Operation) -> Iterator[Block]:
    yield _properties(
        ("In formulas", _code(row.signature)),
        ("What it is", _words(row.note)),
        ("Its gradient", (Text(row.backward),)),
    )


# Kinds of layers


def _layers(rows: Sequence[LayerKind]) -> Iterator[Block]:
    yield _table(
        ("Kind", "Of", "What it does", "Keys"),
        [
            (_code(row.name), (Text(row.takes),), (Text(row.note),), _names(_keys_of(row)))
            for row in rows
        ],
    )


def _keys_of(row: LayerKind) -> Sequence[str]:
    return [field.key for field in row.fields]


def _layer(row: LayerKind) -> Iterator[Block]:
    yield _properties(("Of", (Text(row.takes),)), ("What it does", (Text(row.note),)))
    if row.fields:
        yield _table(
            ("Key", "Takes", "Unless given", "What for"),
            [
                (
                    _code(field.key),
                    _words(field.kind.words),
                    (Text(field.unless_given or "–"),),
                    (Text(field.about),),
                )
                for field in row.fields
            ],
        )


GROUPS: tuple[Group, ...] = (
    Group(
        "Activations",
        ("activations", "activation"),
        activations.BY_ANY_NAME,
        _activations,
        _activation,
    ),
    Group("Losses", ("losses", "loss"), losses.BY_ANY_NAME, _losses, _loss),
    Group(
        "Optimizers",
        ("optimizers", "optimizer", "optimisers", "optimiser"),
        optimizers.BY_ANY_NAME,
        _optimizers,
        _optimizer,
    ),
    Group(
        "Initializers",
        ("initializers", "initializer", "initialisers", "initialiser"),
        initializers.BY_ANY_NAME,
        _initializers,
        _initializer,
    ),
    Group(
        "Penalties, clipping, normalisation",
        ("remedies", "remedy", "penalties", "penalty"),
        remedies.BY_ANY_NAME,
        _remedies,
        _remedy,
    ),
    Group("Functions", ("functions", "function"), _FUNCTIONS, _functions, _function),
    Group(
        "Kinds of layers",
        ("layers", "layer", "kinds", "kind"),
        ByAnyName(KINDS.values()),
        _layers,
        _layer,
    ),
    Group(
        "Operations on arrays",
        ("operations", "operation"),
        ByAnyName(OPERATIONS.values()),
        _operations,
        _operation,
    ),
)
