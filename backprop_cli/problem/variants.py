"""The `variants:` section: which numbers of a file are drawn anew for each student, and how.

What is drawn is a place in the file, not a part of the model: a student's problem is the author's
text with other numbers in it, read like any other file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import get_args

from backprop_cli.dataclass import dataclass
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
from backprop_cli.problem.forms import ArrayLayer, Equations, Layer, Network
from backprop_cli.problem.formulas import plain_name
from backprop_cli.problem.layer_fields import LETTERS, drawn
from backprop_cli.problem.model import Cell, Choice, Draw, Notation, OneHot, Requirement, Variants
from backprop_cli.problem.names import NetworkNames
from backprop_cli.problem.settings import is_pattern, matcher
from backprop_cli.problem.values import Refused, Report, counted, entries, is_number
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
    top: Fields, model: Network | Equations | None, notation: Notation
) -> Variants | None:
    """The section of a file whose model has been read; None where there is none or it is wrong."""
    own, report = top[VARIANTS], top.report
    if own is None:
        return None
    node, require, rules, seed = own.node, own[REQUIRE], own[VERSION], own[SEED]
    rows = own[DRAW]
    if model is None or report.failed:
        return None
    cells = list(_cells(top, model, notation))
    if isinstance(model, Network):
        _refuse_initialised(rows, model, report)
    found = _assigned(rows, cells, report)
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
        message = f"{what} has no {listed([quote(name) for name in missing])}"
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
    rows: Sequence[_Row], cells: list[Cell], report: Report
) -> tuple[tuple[Cell, Draw], ...]:
    """The rule of each drawn cell: a name beats a pattern, a pattern beats a section."""
    found: dict[str, tuple[int, Draw]] = {}
    for row in rows:
        text = row.key.text.strip()
        rank, fitting = _fitting(text, cells)
        if not fitting:
            report.error(
                "unknown-name",
                f"`draw` names {quote(text)}, and the file has no such number",
                row.key,
                report.nearest(text, [*(cell.name for cell in cells), *SECTIONS])
                or "numbers can be drawn that stand in the file, by name, pattern or section",
            )
            continue
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


def _refuse_initialised(rows: Sequence[_Row], network: Network, report: Report) -> None:
    """Weights that an initializer draws have no numbers in the file."""
    drawn = [str(index) for index, layer in enumerate(network.layers, 1) if layer.initialised]
    for row in rows:
        if drawn and row.key.text.strip() in ("weights", "parameters"):
            message = f"the weights of layer {listed(drawn)} are drawn by `init` already"
            help = "write them as numbers, so that they can be drawn for each student"
            report.error("wrong-form", message, row.key, help)


# --- the numbers of a file --------------------------------------------------------------------


def _cells(top: Fields, model: Network | Equations, notation: Notation) -> Iterator[Cell]:
    """Every number that can be drawn, in the order of the sheet."""
    if isinstance(model, Network):
        yield from _layered(top, NetworkNames(model, notation))
    else:
        for section, kind in (("given", "inputs"), ("parameters", "parameters")):
            yield from _named(top.get(section), kind, None)
        for mark, row in _samples(top):
            yield from _named(row, "inputs", mark)
    yield from _cell("learning_rate", "learning_rate", top.get("learning_rate"))


def _cell(name: str, section: str, node: Node | None, sample: int | None = None) -> Iterator[Cell]:
    if node is not None and is_number(node) and node.span.start is not None:
        marked = name if sample is None else f"{name}[{sample}]"
        yield Cell(marked, section, node.span.start, node.span.end or node.span.start, sample)


def _named(node: Node | None, section: str, sample: int | None) -> Iterator[Cell]:
    if isinstance(node, Entries):
        for key, value in node.entries:
            yield from _entries_of(plain_name(key.text.strip()), section, value, sample)


def _entries_of(name: str, section: str, node: Node, sample: int | None) -> Iterator[Cell]:
    """A number, or the entries of an array: `W_1_2`."""
    if isinstance(node, Items):
        for index, item in enumerate(node.items, 1):
            yield from _entries_of(f"{name}_{index}", section, item, sample)
    else:
        yield from _cell(name, section, node, sample)


def _samples(top: Fields) -> Iterator[tuple[int | None, Node]]:
    """The samples with their numbers; a single one has none, as on the sheet."""
    rows = top.get("samples")
    if isinstance(rows, Items):
        single = len(rows.items) == 1
        for mark, row in enumerate(rows.items, 1):
            yield (None if single else mark), row


def _layered(top: Fields, names: NetworkNames) -> Iterator[Cell]:
    rows = list(_samples(top)) if top.get("samples") is not None else [(None, top.node)]
    for mark, row in rows:
        held = _held(row)
        for section, known in (("inputs", names.input_names), ("targets", names.target_names)):
            node = held.get(section)
            if isinstance(node, Entries):
                yield from _named(node, section, mark)
            elif node is not None:
                for name, cell in zip(known, _row_by_row(node), strict=False):
                    yield from _cell(name, section, cell, mark)
    layers = top.get("layers")
    for depth, node in enumerate(layers.items if isinstance(layers, Items) else (), 1):
        layer = names.network.layers[depth - 1]
        if isinstance(layer, ArrayLayer):
            yield from _array_layer(_held(node), depth, names)
        else:
            yield from _layer(_held(node), depth, layer, names)


def _held(node: Node) -> dict[str, Node]:
    entries = node.entries if isinstance(node, Entries) else ()
    return {key.text: value for key, value in entries}


def _row_by_row(node: Node) -> Iterator[Node]:
    """The single values in lists of lists, in order."""
    if isinstance(node, Items):
        for item in node.items:
            yield from _row_by_row(item)
    else:
        yield node


def _array_layer(held: dict[str, Node], depth: int, names: NetworkNames) -> Iterator[Cell]:
    """The numbers of a layer between arrays; those of a gate stand under its letter."""
    arrays = names.arrays()
    for key, first in LETTERS.items():
        node = held.get(key)
        if node is None or drawn(node):
            continue
        section = "biases" if key.endswith("biases") else "weights"
        parts = _held(node) if isinstance(node, Entries) else {first: node}
        for letters, part in parts.items():
            name = f"{letters}{depth}"  # one number that a layer shares has no array
            own = arrays.get(f"{first}{name}") or arrays.get(name) or (name,)
            for name, cell in zip(own, _row_by_row(part), strict=False):
                yield from _cell(name, section, cell)


def _layer(held: dict[str, Node], depth: int, layer: Layer, names: NetworkNames) -> Iterator[Cell]:
    weights, biases = held.get("weights"), held.get("biases")
    for unit, row in enumerate(weights.items if isinstance(weights, Items) else (), 1):
        if isinstance(row, Items):
            for source, cell in enumerate(row.items, 1):
                if is_number(cell):  # where there is no connection there is no name
                    yield from _cell(names.weight(depth, unit, source), "weights", cell)
    if isinstance(biases, Items):
        for unit, cell in enumerate(biases.items, 1):
            yield from _cell(names.bias(depth, unit), "biases", cell)
    elif layer.bias == "shared":
        yield from _cell(names.bias(depth, 1), "biases", biases)
