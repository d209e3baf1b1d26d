"""The `variants:` section: which numbers of a file are drawn anew for each student, and how.

What is drawn is a place in the file, not a part of the model: a student's problem is the author's
text with other numbers in it, read like any other file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import get_args

from backprop_cli.arrays.array import entry_names
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.diagnostics import listed, quote
from backprop_cli.formula.nodes import Number
from backprop_cli.formula.quantity import arrays_of, bare
from backprop_cli.problem.fields import (
    NUMBER,
    TEXT,
    TRUTH,
    Field,
    Fields,
    Keys,
    Kind,
    any_of,
    by_name,
    number_of,
    one_of,
    one_or_several,
    several,
    whole,
)
from backprop_cli.problem.forms import Equations, Network, Value
from backprop_cli.problem.formulas import plain_name
from backprop_cli.problem.model import Cell, Choice, Draw, Notation, OneHot, Requirement, Variants
from backprop_cli.problem.names import NetworkNames, Valued
from backprop_cli.problem.settings import is_pattern, matcher
from backprop_cli.problem.values import Refused, Report, counted, entries
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar
from backprop_cli.rules.written import POSITIVE

RULES = 2
"""The newest version of the requirements. An older one stays what it was, and a file that names
none has the first for ever: a sheet handed out must not change."""
FIRST_RULES = 1
REQUIREMENTS: tuple[Requirement, ...] = get_args(Requirement)
SECTIONS = ("inputs", "targets", "weights", "biases", "parameters")
MOST_NUMBERS = 10_000
MOST_CHOICES = 1_000
MOST_DRAWN = 2_000
FEW_SHEETS = 1_000


@dataclass(frozen=True)
class _Row:
    key: Scalar
    draw: Draw | None


FROM = Field[Number | None]("from", NUMBER, None, "The least.")
TO = Field[Number | None]("to", NUMBER, None, "The greatest.")
STEP = Field[Number | None]("step", number_of(POSITIVE), None, "How far they lie apart.")
NOT = Field[tuple[Number, ...]](
    "not",
    one_or_several(NUMBER, "numbers", MOST_CHOICES),
    (),
    "Numbers that are left out.",
)
NUMBERS = several(NUMBER, "numbers", MOST_CHOICES, least=1)
CHOICE = Field[tuple[Number, ...]]("choice", NUMBERS, (), "One of these.")
ONE_HOT = Field("one_hot", TRUTH, True, "A 1 among zeros: which of the targets it is.")
DRAWN = Keys("How a number is drawn.", FROM, TO, STEP, NOT, CHOICE, ONE_HOT)

DRAW = Field[tuple[_Row, ...]](
    "draw",
    Kind(
        lambda node, report, what: _draws(node, report),
        by_name(
            any_of(
                Keys(
                    "A decimal between two bounds.", FROM, TO, STEP, NOT, required=(FROM, TO, STEP)
                ).schema,
                Keys("One of some numbers.", CHOICE, required=[CHOICE]).schema,
                Keys("A 1 among zeros.", ONE_HOT, required=[ONE_HOT]).schema,
                NUMBERS.schema,
            )
        ),
        "`{name: range}`, `{name: [numbers]}`",
    ),
    (),
    "What is drawn: names with * and ?, or inputs, targets, weights, biases, parameters.",
)
REQUIRE = Field[tuple[Requirement, ...]](
    "require",
    several(one_of(*REQUIREMENTS), "requirements", len(REQUIREMENTS)).then(
        lambda names: tuple(dict.fromkeys(names))
    ),
    REQUIREMENTS,
    "What a drawn sheet has to fulfil; all of them unless given.",
)
VERSION = Field("rules", whole(1, RULES), FIRST_RULES, "The version of the requirements.")
SEED = Field("seed", TEXT, "", "Another seed gives everyone other numbers.")
VARIANTS_KEYS = Keys(
    "Other numbers for each student.",
    *(DRAW, REQUIRE, VERSION, SEED),
    required=[DRAW],
    example="add `draw: {inputs: {from: -2, to: 2, step: 0.5}}`",
)
VARIANTS: Field[Fields | None] = VARIANTS_KEYS.row("variants", lambda own: own, None)


def read_variants(
    top: Fields, model: Network | Equations | None, notation: Notation, rate: Value
) -> Variants | None:
    """The section of a file whose model has been read; None where there is none or it is wrong."""
    own, report = top[VARIANTS], top.report
    if own is None:
        return None
    node, require, rules, seed = own.node, own[REQUIRE], own[VERSION], own[SEED]
    rows = own[DRAW]
    if model is None or report.failed:
        return None
    cells = list(_cells(report, model, notation, rate))
    found = _assigned(rows, cells, _initialised(model), report)
    if report.failed:
        return None
    key = top.key("variants").span
    variants = Variants(
        draws=found,
        require=require,
        rules=rules,
        seed=" ".join(seed.split()),
        text=node.span.source.text,
        own=_place_of_section(key.start or 0, node.span.end or 0, node.span.source.text),
    )
    if variants.ways < FEW_SHEETS:
        report.warning(
            "few-sheets",
            f"there {'is' if variants.ways == 1 else 'are'} {counted(variants.ways, 'way')} to draw"
            " the numbers, so that students share sheets",
            rows[0].key if rows else top.key("variants"),
            "draw more numbers, from a wider range or in finer steps",
        )
    return variants


def _place_of_section(start: int, end: int, text: str) -> tuple[int, int]:
    """The section with its line breaks, or with the comma that parts it from its neighbour."""
    line = text.rfind("\n", 0, start) + 1
    if not text[line:start].strip("\ufeff"):
        stop = text.find("\n", end)
        return line, len(text) if stop < 0 else stop + 1
    before = len(text[:start].rstrip())
    if before and text[before - 1] == ",":
        return before - 1, end
    after = re.match(r"\s*,\s*", text[end:])
    return start, end + (len(after[0]) if after else 0)


# --- what is drawn ----------------------------------------------------------------------------


def _draws(node: Node, report: Report) -> tuple[_Row, ...]:
    return tuple(
        _Row(key, report.tried(_draw, value, key.text))
        for key, value in entries(node, report, "`draw`", "names and ranges")
    )


def _draw(node: Node, report: Report, key: str) -> Draw:
    what = f"the draw of {quote(key)}"
    if isinstance(node, Items):
        node = Entries(node.span, ((Scalar(node.span, CHOICE.key), node),))
    own = replace(DRAWN.of(node, report, what), whose=f" of {what}")
    for row in (ONE_HOT, CHOICE):
        if own.get(row.key) is None:
            continue
        for other in [name for name in own.values if name != row.key][:1]:
            report.error(
                "both-forms", f"{what} has {quote(row.key)} and {quote(other)}", own.key(other)
            )
        if row is CHOICE:
            return Choice(tuple(dict.fromkeys(one.text for one in own[CHOICE])))
        if not own[ONE_HOT]:
            report.error("missing-value", f"{what} says nothing", node, "leave it out")
        return OneHot()
    return _steps(own)


def _steps(own: Fields) -> Choice:
    what, report = own.what, own.report
    missing = [row.key for row in (FROM, TO, STEP) if own.get(row.key) is None]
    if missing:
        message = f"{what} has no {listed(missing)}"
        help = "{from: -1, to: 1, step: 0.1}, or {choice: [0, 1]}"
        report.refuse("missing-key", message, own.node, help)
    low, high, step, without = own[FROM], own[TO], own[STEP], own[NOT]
    if low is None or high is None or step is None:
        raise Refused
    if high.value < low.value:
        report.refuse("out-of-range", f"`to` of {what} is less than `from`", own.key("to"))
    count = (high.value - low.value) // step.value + 1
    if count > MOST_NUMBERS:
        message = f"{what} is one of {count:,} numbers; {MOST_NUMBERS:,} are allowed"
        report.refuse("too-large", message, own.key("step"))
    left_out = {one.value for one in without}
    values = [low.value + place * step.value for place in range(int(count))]
    texts = tuple(decimal(value) for value in values if value not in left_out)
    if not texts:
        report.refuse("out-of-range", f"{what} leaves no number", own.key("not"))
    return Choice(texts)


def decimal(value: Fraction) -> str:
    """A decimal fraction as it is written: `-0.5`, `2`."""
    return f"{Decimal(value.numerator) / Decimal(value.denominator):f}"


def _assigned(
    rows: Sequence[_Row], cells: list[Cell], initialised: list[str], report: Report
) -> tuple[tuple[Cell, Draw], ...]:
    """The rule of each drawn cell: a name beats a pattern, a pattern beats a section. The weights of
    layers that are `initialised` have no numbers in the file."""
    found: dict[str, tuple[int, Draw]] = {}
    for row in rows:
        text = row.key.text.strip()
        rank, fitting = _fitting(text, cells)
        if initialised and text in ("weights", "parameters"):
            message = (
                f"the weights of layer {' and '.join(initialised)} are drawn by `init` already"
            )
            help = "write them as numbers, so that they can be drawn for each student"
            report.error("wrong-form", message, row.key, help)
        elif not fitting:
            report.error(
                "unknown-name",
                f"`draw` names {quote(text)}, and the file has no such number",
                row.key,
                report.nearest(text, [*(cell.name for cell in cells), *SECTIONS])
                or "numbers can be drawn that stand in the file, by name, pattern or section",
            )
        if row.draw is None:
            continue
        if isinstance(row.draw, OneHot) and any(cell.section != "targets" for cell in fitting):
            report.error("wrong-form", "`one_hot` is for `targets`", row.key, "draw the targets")
            continue
        for cell in fitting:
            before = found.get(cell.name)
            if before is None or before[0] <= rank:
                found[cell.name] = (rank, row.draw)
    if len(found) > MOST_DRAWN:
        message = f"{len(found):,} numbers are drawn; {MOST_DRAWN:,} are allowed"
        report.error("too-large", message, rows[0].key)
    return tuple((cell, found[cell.name][1]) for cell in cells if cell.name in found)


def _fitting(text: str, cells: list[Cell]) -> tuple[int, list[Cell]]:
    """How particular a key of `draw` is, and the cells it stands for."""
    name = plain_name(text)
    if exact := [cell for cell in cells if cell.name in (text, name)]:
        return 3, exact
    if each := [cell for cell in cells if bare(cell.name) in (text, name)]:
        return 2, each
    if entries_of := [cell for cell in cells if _is_entry(cell.name, name)]:
        return 2, entries_of
    if is_pattern(text):
        fits = matcher(text)
        return 1, [cell for cell in cells if fits(cell.name) or fits(bare(cell.name))]
    if text == "parameters":
        return 0, [cell for cell in cells if cell.section in ("weights", "biases", "parameters")]
    return 0, [cell for cell in cells if cell.section == text]


def _is_entry(cell: str, array: str) -> bool:
    """Whether a cell is an entry of the array of a name: `W_1_2` of `W`."""
    return any(stem == array for stem, _ in arrays_of(bare(cell)))


def _initialised(model: Network | Equations) -> list[str]:
    """The numbers of the layers whose weights an initializer draws."""
    layers = model.layers if isinstance(model, Network) else ()
    return [str(index) for index, layer in enumerate(layers, 1) if layer.initialised]


# --- the numbers of a file --------------------------------------------------------------------


def _cells(
    report: Report, model: Network | Equations, notation: Notation, rate: Value
) -> Iterator[Cell]:
    """Every number that can be drawn, in the order of the sheet: what the model has of the file."""
    values = NetworkNames(model, notation).values() if isinstance(model, Network) else _named(model)
    seen: set[str] = set()
    for name, section, value, sample in [*values, ("learning_rate", "learning_rate", rate, None)]:
        marked = name if sample is None else f"{name}[{sample}]"
        span = report.place_of(value) if section in (*SECTIONS, "learning_rate") else None
        if span is not None and marked not in seen:
            seen.add(marked)
            start = span.start or 0
            yield Cell(marked, section, start, span.end or start, sample)


def _named(model: Equations) -> Valued:
    given = {name: value for name, value in model.given.items() if name not in model.upstream}
    for view in model.arrays:  # lists that only say which rows are meant are no quantities
        for name, entry in zip(entry_names(view.name, view.shape), view.entries, strict=True):
            if isinstance(entry, Number):
                given[name] = entry
    for section, values in (("inputs", given), ("parameters", model.parameters)):
        for name, value in values.items():
            yield name, section, value, None
    several = len(model.samples) > 1
    for index, sample in enumerate(model.samples, 1):
        for name, value in sample.items():
            if name not in model.upstream:
                yield name, "inputs", value, index if several else None
