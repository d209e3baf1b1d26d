"""`backprop list`: the rules a problem file may name, with formulas, slopes and curves of both.

Everything is read off the rule tables, so that a new row is listed, drawn and described by being
there. SymPy is not needed for it: the slopes are those of the tables.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

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
    table,
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


Facet: TypeAlias = tuple[str, Callable[[Row], Line | list[Line]]]
"""A heading, and what a row has to say under it: a line, or several one below the other."""


@dataclass(frozen=True)
class Group:
    """One rule table: how it is called and listed, and what describes one of its rows."""

    title: str
    words: tuple[str, ...]  # what it may be asked for by, its name first
    table: ByAnyName[Row]
    note: str  # above the list; names between dollars, code between backticks
    columns: tuple[tuple[Facet, ...], ...]  # of each table of the list
    properties: tuple[Facet, ...]
    more: Callable[[Row], Iterable[Block]] = lambda row: ()  # below the properties

    @property
    def name(self) -> str:
        return self.words[0]

    @property
    def rows(self) -> Mapping[str, Row]:
        return self.table.rows

    def overview(self) -> Iterator[Block]:
        """What is said of the group, and its rows in tables."""
        if self.note:
            yield Paragraph(_words(self.note))
        for facets in self.columns:
            rows = [line for row in self.rows.values() for line in _below(facets, row)]
            yield _table([heading for heading, _ in facets], rows)

    def details(self, row: Row) -> Iterator[Block]:
        """All there is to say of one row."""
        yield _properties(self.properties, row)
        yield from self.more(row)


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
        blocks.append(Paragraph(_words(_HINT)))
    compared: list[ActivationRule] = []
    for asked in dict.fromkeys(what):
        blocks += _asked(asked, compared)
    blocks += curves(compared)
    return Document("Rules a problem file may name", tuple(blocks), spell)


_HINT = (
    "`backprop list activations` draws every curve, `backprop list adam` describes one rule. Any of"
    " these can also be written by the author as a formula."
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
    return [Heading(2, (Text(group.title),)), *group.overview()]


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
    own = Name("dL_i/dw")
    terms = {"total": over("i", own), "own": own}
    updates = [
        ((Text(words),), (Relation(Name(updated("w")), "=", instantiate(text, terms)),))
        for words, text in _UPDATES
    ]
    return [
        Heading(2, (Text("What belongs where"),)),
        table(
            _PLACES,
            (Column((Text("Where"),)), lambda place: (Text(place[1]),)),
            (
                Column((Text("Activations"),), wrap=True),
                lambda place: _names(
                    [row.name for row in activations.ACTIVATIONS.values() if place[0] in row.places]
                ),
            ),
            (
                Column((Text("Losses"),), wrap=True),
                lambda place: _names(
                    [row.name for row in losses.LOSSES.values() if row.place == place[0]]
                ),
            ),
        ),
        _table(("An update looks at", "Each parameter"), updates),
    ]


def _names(names: Sequence[str]) -> Line:
    return _listed(map(_code, names)) or NOTHING


# What the groups have in common


def _words(text: str) -> Line:
    """A sentence, in which code stands between backticks and a name between dollars."""
    return tuple(map(_word, filter(None, re.split(r"(`[^`]+`|\$[^$]+\$)", text))))


def _word(part: str) -> Text | Math:
    match part[0]:
        case "`":
            return Text(part[1:-1], "code")
        case "$":
            return Math(Name(part[1:-1]))
        case _:
            return Text(part)


def _code(name: str) -> Line:
    return (Text(name, "code"),)


def _plain(text: str) -> Line:
    return (Text(text),)


def _math(formula: Formula | None) -> Line:
    return NOTHING if formula is None else (Math(formula),)


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


def _table(headings: Sequence[str], rows: Sequence[tuple[Line, ...]]) -> Table:
    columns = (
        Column((Text(headings[0]),)),
        *(Column((Text(heading),), wrap=True) for heading in headings[1:]),
    )
    return Table(columns, tuple(rows))


def _lines(said: Line | list[Line]) -> list[Line]:
    return said if isinstance(said, list) else [said]


def _below(facets: Sequence[Facet], row: Row) -> Iterator[tuple[Line, ...]]:
    """The lines of a row in a table, empty where a facet has no more of them."""
    return zip_longest(*(_lines(read(row)) for _, read in facets), fillvalue=(Text(""),))


def _properties(facets: Sequence[Facet], row: Row) -> Table:
    rows = [
        ((Text("then" if place else heading),), line)
        for heading, read in facets
        for place, line in enumerate(_lines(read(row)))
        if line and line != NOTHING
    ]
    return _table(("What", "How"), rows)


def _remarks(row: ActivationRule | LossRule) -> list[Block]:
    """Why the slope is what it is, and what holds at its kinks."""
    return [
        Paragraph(_words(row.reason)),
        *(Paragraph((Text(kink.convention),)) for kink in row.kinks),
    ]


# Activations


def _range(row: ActivationRule) -> Line:
    return (Text(row.range.replace(">=", "≥").replace("<=", "≤").replace("-", "−")),)


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
        _together(drawn, reach, 0, (Math(Name("a")),), names),
        _together(drawn, reach, 1, (Text("slope"),), f"Slopes of {names}"),
    ]


def _together(
    drawn: Sequence[tuple[ActivationRule, tuple[Points, Points]]],
    reach: float,
    which: Literal[0, 1],
    label: Line,
    title: str,
) -> Curve:
    """The activations themselves (0) or their slopes (1) in one picture."""
    prime = "'" * which
    series = [(Math(Call(row.name + prime, (Name("z"),))), points[which]) for row, points in drawn]
    said: list[Line] = [(name, *_extent(points)) for name, points in series]
    return Curve(
        series=tuple(Series((name,), points) for name, points in series),
        x_label=(Math(Name("z")),),
        y_label=label,
        title=(Text(title),),
        description=(Text("For "), *_there(reach), Text(": "), *_listed(said, "; "), Text(".")),
    )


def _listed_words(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}"


def curve(row: ActivationRule) -> Curve:
    """The activation and its slope over z. Softmax: of one unit of two, the other's z held at 0."""
    reach = _reach(row)
    values, slopes = _values_and_slopes(row, reach)
    a, z = Name("a"), Name("z")
    of_two = ", one unit of two, the other z held at 0" if row.layerwise else ""
    return Curve(
        series=(
            Series((Relation(a, "=", Call(row.name, (z,))),), values),
            Series((Text("slope"),), slopes),
        ),
        x_label=(Math(z),),
        y_label=(Math(a), Text(" and its slope")),
        title=(Text(f"{row.title} and its slope{of_two}"),),
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


def _why(row: LossRule) -> list[Block]:
    reason, *kinks = _remarks(row)
    combined = [
        Paragraph(
            (
                Text(f"With {combination.activation} outputs: "),
                Relation(Name("dL/dz"), "=", combination.slope),
                Text("."),
            )
        )
        for combination in losses.COMBINED.values()
        if combination.loss == row.name
    ]
    return [reason, *combined, *kinks]


# Optimizers and remedies


def _equations(row: OptimizerRule) -> list[Line]:
    point: list[Line] = [] if row.point is None else [(*_words("$g$ at "), Math(row.point))]
    return [*point, *_written(row.equations)]


def _written(equations: Mapping[str, Formula]) -> list[Line]:
    return [(Relation(Name(name), "=", formula),) for name, formula in equations.items()]


def _keys(row: RemedyRule) -> list[Line]:
    """How a file asks for it, once for all equations that it stands for."""
    return [
        (Text(""),) if place else _code(setting.key)
        for setting in row.settings
        for place in range(len(setting.equations))
    ]


_SETTINGS: Facet = (
    "Equations",
    lambda row: [line for setting in row.settings for line in _written(setting.equations)],
)


# Functions

_FUNCTIONS: ByAnyName[Function] = ByAnyName(
    row
    for row in functions.PLAIN_FUNCTIONS
    # Activations have a list of their own; with the others only gradients are written.
    if row.name not in (*activations.ACTIVATIONS, "max_share", "min_share", "abs'", "clip'")
)


def called(row: Function) -> Formula:
    """As it is written, with as many arguments as it needs; max and the like with two."""
    usual = ((), ("z",), ("x", "y"))
    arguments = row.arguments or usual[2 if row.most is None else row.fewest]
    return Call(row.name, tuple(map(Name, arguments)))


def _meaning(row: Function | Operation) -> Line:
    return _words(row.note) if row.note else NOTHING


# Kinds of layers


def _keys_of(row: LayerKind) -> Iterator[Block]:
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


# The groups

_NAME: Facet = ("Name", lambda row: _code(row.name))
_SPELLED: Facet = ("In problem files", _spellings)
_FOR: Facet = ("For", lambda row: _plain(row.use))
_BELONGS: Facet = ("Where it belongs", lambda row: _plain(row.use))
_DEFAULTS: Facet = ("Options", lambda row: _options(row.options))
_OR_OTHERS: Facet = ("Options", lambda row: _options(row.options, row.variants))
_OUTPUT: Facet = ("Output", _range)
_VALUE: Facet = ("Each value", lambda row: _plain(row.formula_text))
_EQUATIONS: Facet = ("Equations", _equations)
_SHOWN: Facet = ("Shown as", lambda row: _math(called(row)))
_MEANING: Facet = ("What it is", _meaning)
_BACKWARD: Facet = ("Its gradient", lambda row: _plain(row.backward))
_OF: Facet = ("Of", lambda row: _plain(row.takes))
_DOES: Facet = ("What it does", lambda row: _plain(row.note))

GROUPS: tuple[Group, ...] = (
    Group(
        "Activations",
        ("activations", "activation"),
        activations.BY_ANY_NAME,
        "The slope is written as it is taught, with $a$ for the unit's own output.",
        (
            (
                _NAME,
                ("Formula", lambda row: _math(row.formula)),
                ("Also", lambda row: _math(row.also)),
                ("Slope", lambda row: _math(row.slope)),
            ),
            (_NAME, _OUTPUT, _BELONGS, _DEFAULTS),
        ),
        (
            _SPELLED,
            ("Formula", lambda row: (Relation(Name("a"), "=", row.formula),)),
            ("Also written", lambda row: _math(row.also)),
            ("Slope", lambda row: (Relation(Name("da/dz"), "=", row.slope),)),
            _OUTPUT,
            _BELONGS,
            _OR_OTHERS,
        ),
        _remarks,
    ),
    Group(
        "Losses",
        ("losses", "loss"),
        losses.BY_ANY_NAME,
        "Each is written for one output and summed over all $m$ of them; logarithms are natural.",
        (
            (
                _NAME,
                ("Loss of one output", lambda row: _math(loss_of_one_output(row))),
                ("Slope ∂L/∂ŷ", lambda row: _math(row.slope)),
            ),
            (_NAME, ("For", lambda row: _plain(f"{row.use}; {row.target_note}")), _DEFAULTS),
        ),
        (
            _SPELLED,
            ("One output's share", lambda row: _math(loss_of_one_output(row))),
            ("Slope", lambda row: (Relation(Name("dL/dyhat"), "=", row.slope),)),
            _FOR,
            ("Targets", lambda row: _plain(row.target_note)),
            _DEFAULTS,
        ),
        _why,
    ),
    Group(
        "Optimizers",
        ("optimizers", "optimizer", "optimisers", "optimiser"),
        optimizers.BY_ANY_NAME,
        "Carried out from top to bottom for each parameter $w$ with its gradient $g$, the learning"
        " rate $eta$ and the number $t$ of the update; what stands on the left is the new value.",
        ((_NAME, _EQUATIONS, _DEFAULTS),),
        (
            _SPELLED,
            _EQUATIONS,
            ("State at the start", lambda row: _options(row.state)),
            _OR_OTHERS,
            ("As in", lambda row: _plain(row.reference)),
        ),
        lambda row: [Paragraph(_words(row.reason))],
    ),
    Group(
        "Initializers",
        ("initializers", "initializer", "initialisers", "initialiser"),
        initializers.BY_ANY_NAME,
        "Drawn with a seed, so that the same file gives the same numbers, and rounded to"
        f" {initializers.DECIMALS} decimals.",
        ((_NAME, _VALUE, _DEFAULTS, _FOR),),
        (_SPELLED, _VALUE, _FOR, _DEFAULTS),
    ),
    Group(
        "Penalties, clipping, normalisation",
        ("remedies", "remedy", "penalties", "penalty"),
        remedies.BY_ANY_NAME,
        "Penalties and clipping stand under `training` and change the gradient $g$ of a parameter"
        " $w$ before the optimizer sees it, or the loss $L$; what stands on the left is the new"
        " value.",
        ((_NAME, ("In problem files", _keys), _SETTINGS),),
        (_FOR, ("Also called", lambda row: _names(row.aliases))),
        lambda row: [
            _table(("Setting", "Equations"), list(_below((("Setting", _keys), _SETTINGS), row))),
            Paragraph(_words(row.reason)),
        ],
    ),
    Group(
        "Functions",
        ("functions", "function"),
        _FUNCTIONS,
        "These may be called in formulas, and so may every activation by its name: `sigmoid(z)`,"
        " `leaky_relu(z, 0.2)`.",
        ((_NAME, _SHOWN, ("Also", lambda row: _names(row.aliases)), _MEANING),),
        (
            ("In formulas", lambda row: _code(", ".join((row.name, *row.aliases)))),
            _SHOWN,
            _MEANING,
        ),
    ),
    Group(
        "Kinds of layers",
        ("layers", "layer", "kinds", "kind"),
        ByAnyName(KINDS.values()),
        "",
        (
            (
                ("Kind", lambda row: _code(row.name)),
                _OF,
                _DOES,
                ("Keys", lambda row: _names([field.key for field in row.fields])),
            ),
        ),
        (_OF, _DOES),
        _keys_of,
    ),
    Group(
        "Operations on arrays",
        ("operations", "operation"),
        ByAnyName(OPERATIONS.values()),
        "",
        ((("Called", lambda row: _code(row.signature)), _MEANING, _BACKWARD),),
        (("In formulas", lambda row: _code(row.signature)), _MEANING, _BACKWARD),
    ),
)
