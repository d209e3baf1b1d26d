"""`backprop list`: the rules a problem file may name, with formulas, slopes and curves of both.

Everything is read off the rule tables, so that a new row is listed, drawn and described by being
there. SymPy is not needed for it: the slopes are those of the tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from backprop_cli.diagnostics import nearest, quote
from backprop_cli.formula.build import negative, product
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import Formula, Name, Number, Quotient
from backprop_cli.formula.spelling import spell
from backprop_cli.rules import activations, initializers, losses, optimizers
from backprop_cli.rules.activations import ActivationRule
from backprop_cli.rules.initializers import InitializerRule
from backprop_cli.rules.losses import LossRule
from backprop_cli.rules.optimizers import OptimizerRule
from backprop_cli.worksheet.document import (
    Block,
    Column,
    Curve,
    Document,
    Heading,
    Inline,
    Line,
    Math,
    Paragraph,
    Relation,
    Series,
    Table,
    Text,
)

SKETCHED = ("sigmoid", "tanh", "relu")
"""The activations whose curves stand in the list of everything."""

POINTS = 97
FLAT = 0.02
"""A curve is drawn as far as its slope is still worth looking at."""
NOTHING: Line = (Text("–"),)

Row: TypeAlias = Any
"""A row of the rule table that a group was made for."""


class UnknownRule(Exception):
    """A name that is neither a group nor a rule; the message says so and what may be meant."""


@dataclass(frozen=True)
class Group:
    """One rule table: how it is called, listed, and how one of its rows is described."""

    name: str
    title: str
    words: tuple[str, ...]  # what it may be asked for by, beside its name
    rows: Mapping[str, Row]
    names: tuple[str, ...]  # of its rows, aliases among them
    find: Callable[[str], Row | None]
    overview: Callable[[Sequence[Row]], Iterator[Block]]
    details: Callable[[Row], Iterator[Block]]


def catalogue(what: Sequence[str] = ()) -> Document:
    """The list of everything, of the groups asked for, or of single rules.

    A group (`losses`, `optimisers`) is a table and, for activations, the curves; a rule is
    described in full. Raises UnknownRule for any other name.
    """
    blocks: list[Block] = []
    if not what:
        for group in GROUPS:
            blocks += listed(group)
        blocks += _sketches(SKETCHED)
        blocks.append(Paragraph(_HINT))
    for asked in dict.fromkeys(what):
        blocks += _asked(asked)
    return Document("Rules a problem file may name", tuple(blocks), spell)


_HINT: Line = (
    Text("backprop list activations", "code"),
    Text(" draws every curve, "),
    Text("backprop list adam", "code"),
    Text(" describes one rule. Any of these can also be written by the author as a formula."),
)


def _asked(name: str) -> list[Block]:
    plain = name.strip().lower().replace("-", "_")
    for group in GROUPS:
        if plain == group.name or plain in group.words:
            found = listed(group)
            if group.name == "activations":
                found += _sketches(tuple(group.rows))
            return found
    rows = [(group, row) for group in GROUPS if (row := group.find(plain)) is not None]
    if not rows:
        known = [word for group in GROUPS for word in (group.name, *group.words, *group.names)]
        close = nearest(plain, known)
        groups = ", ".join(group.name for group in GROUPS)
        hint = close or f"groups are {groups}"
        raise UnknownRule(f"{quote(name)} is neither a rule nor a group of rules; {hint}")
    return [block for group, row in rows for block in (_named(group, row), *group.details(row))]


def listed(group: Group) -> list[Block]:
    """A group as one list, without curves."""
    return [Heading(2, (Text(group.title),)), *group.overview(tuple(group.rows.values()))]


def _named(group: Group, row: Row) -> Heading:
    return Heading(2, (Text(f"{row.title[:1].upper()}{row.title[1:]} ({group.title.lower()})"),))


# What the groups have in common


def _code(name: str) -> Line:
    return (Text(name, "code"),)


def _spellings(row: Row) -> Line:
    """How a problem file names the rule: `swish`, also `silu`."""
    line: list[Inline] = [Text(row.name, "code")]
    for index, alias in enumerate(row.aliases):
        line += [Text(", " if index else ", also "), Text(alias, "code")]
    return tuple(line)


def _options(options: Mapping[str, Number | None]) -> Line:
    """`slope: 0.01`, as a problem file sets it: the defaults, and what has to be given."""
    line: list[Inline] = []
    for name, value in options.items():
        line += [Text(", ")] * bool(line)
        line += [Text(f"{name}: {'…' if value is None else value.text}", "code")]
        line += [Text(" (must be given)")] * (value is None)
    return tuple(line) or NOTHING


def _range(row: ActivationRule) -> Line:
    return (Text(row.range.replace(">=", "≥").replace("-", "−")),)


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
        ("Name", "Formula", "Slope"),
        [(_code(row.name), (Math(row.formula),), (Math(row.slope),)) for row in rows],
    )
    yield _table(
        ("Name", "Output", "Where it belongs", "Options"),
        [(_code(row.name), _range(row), (Text(row.use),), _options(row.options)) for row in rows],
    )


def _activation(row: ActivationRule) -> Iterator[Block]:
    yield _properties(
        ("In problem files", _spellings(row)),
        ("Formula", (Relation(Name("a"), "=", row.formula),)),
        ("Slope", (Relation(Name("da/dz"), "=", row.slope),)),
        ("Output", _range(row)),
        ("Where it belongs", (Text(row.use),)),
        ("Options", _options(row.options)),
    )
    yield Paragraph((Text(row.reason),))
    for kink in row.kinks:
        yield Paragraph((Text(kink.convention),))
    yield curve(row)


def _sketches(names: Sequence[str]) -> list[Block]:
    heading: Block = Heading(2, (Text("Curves of activations and their slopes"),))
    return [heading, *(curve(activations.ACTIVATIONS[name]) for name in names)]


def curve(row: ActivationRule) -> Curve:
    """The activation and its slope over z. Softmax: of one unit of two, the other's z held at 0."""
    reach = 3.0
    if row.saturates and abs(_point(row, reach)[1]) > FLAT:
        reach = 6.0
    values, slopes = [], []
    for place in range(POINTS):
        z = reach * (2 * place - (POINTS - 1)) / (POINTS - 1)
        a, slope = _point(row, z)
        values.append((z, a))
        slopes.append((z, slope))
    over = f"z from −{reach:g} to {reach:g}"
    of_two = ", one unit of two, the other z held at 0" if row.layerwise else ""
    return Curve(
        series=(Series(f"a = {row.name}(z)", tuple(values)), Series("slope", tuple(slopes))),
        x_label="z",
        y_label="a and its slope",
        title=f"{row.title} and its slope{of_two}",
        description=f"For {over} the output {_extent(values)} and the slope {_extent(slopes)}.",
    )


def _point(row: ActivationRule, z: float) -> tuple[float, float]:
    """The activation and its slope at one z, options at their defaults."""
    known = {name: option.value for name, option in row.options.items()}
    names: dict[str, Fraction | float] = {**known, "z": z, "rest": Fraction(1)}
    a = evaluate(row.formula, names.__getitem__)
    slope = evaluate(row.slope, {**names, "a": a}.__getitem__)
    return as_float(a), as_float(slope)


def _extent(points: Sequence[tuple[float, float]]) -> str:
    finite = [y for _, y in points if math.isfinite(y)]
    low, high = f"{min(finite):.3g}", f"{max(finite):.3g}"
    words = f"is {low} throughout" if low == high else f"lies between {low} and {high}"
    return words.replace("-", "−")


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
    yield Paragraph((Text(row.reason),))
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
    return [(Relation(Name(name), "=", formula),) for name, formula in row.equations.items()]


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
        ("Options", _options(row.options)),
        ("As in", (Text(row.reference),)),
    )
    yield Paragraph((Text(row.reason),))


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


GROUPS: tuple[Group, ...] = (
    Group(
        "activations",
        "Activations",
        ("activation",),
        activations.ACTIVATIONS,
        activations.NAMES,
        activations.find,
        _activations,
        _activation,
    ),
    Group("losses", "Losses", ("loss",), losses.LOSSES, losses.NAMES, losses.find, _losses, _loss),
    Group(
        "optimizers",
        "Optimizers",
        ("optimizer", "optimisers", "optimiser"),
        optimizers.OPTIMIZERS,
        optimizers.NAMES,
        optimizers.find,
        _optimizers,
        _optimizer,
    ),
    Group(
        "initializers",
        "Initializers",
        ("initializer", "initialisers", "initialiser"),
        initializers.INITIALIZERS,
        initializers.NAMES,
        initializers.find,
        _initializers,
        _initializer,
    ),
)
