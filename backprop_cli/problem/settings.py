"""The keys that say how a sheet is written and marked: notation, rounding, kinks, marking."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType

from backprop_cli.diagnostics import closest, listed, quote
from backprop_cli.formula.nodes import Number
from backprop_cli.formula.quantity import before_update, derivative_name, fraction, without_marks
from backprop_cli.problem.fields import (
    NAMES,
    TEXT,
    TRUTH,
    Field,
    Fields,
    Keys,
    Kind,
    alone_or,
    apart,
    by_name,
    fraction_of,
    one_or_several,
    reference,
    selected,
    whole,
)
from backprop_cli.problem.formulas import plain_name
from backprop_cli.problem.model import Marking, Notation, Rounding
from backprop_cli.problem.symbols import read_symbols
from backprop_cli.problem.values import Report, choice, entries, items, number, word
from backprop_cli.problem.yaml_tree import Node, Scalar
from backprop_cli.rules import activations, losses
from backprop_cli.rules.kinks import EXTREMES, TIES, Kinks, choosable
from backprop_cli.rules.written import DECAY, NOT_NEGATIVE, SHARE

SECTIONS = ("given", "forward", "loss", "backward", "gradient", "update")
MOST_DIGITS = 15
LONGEST_PATTERN = 200
MOST_PATTERNS = 20_000
MOST_COMPARISONS = 400_000  # of a glob with a name


NOTATION_KEYS = Keys(
    "How quantities are called.",
    selected(
        "index_order",
        "w2_1_3 is the weight to 1 from 3, or from 1 to 3.",
        *("to_from", "from_to"),
    ),
    selected(
        "names", "z2_1, w2_1_3; or z1, w1, b1 counted through the network.", "indexed", "sequential"
    ),
    selected("weight_order", "How sequential weights are counted.", "by_unit", "by_input"),
    selected(
        "gradient_order",
        "The gradient as a vector: unit by unit, or all weights and then all biases.",
        *("by_unit", "weights_first"),
    ),
    selected(
        "output_units",
        "Output units with their layer, or counted on after the last hidden layer: z3, a3, w13, b3.",
        *("layered", "numbered"),
    ),
    selected("layer_mark", "The layer as in a^(2), or as in a^[2].", "parentheses", "brackets"),
    Field(
        "symbols",
        Kind(
            lambda node, report, what: read_symbols(node, report),
            by_name(TEXT.schema),
            "`{name: symbol}`",
        ),
        {},
        "What quantities are shown as, by their names or letters in files: {eta: alpha, yhat: y, y: t}.",
    ),
)
NOTATION = NOTATION_KEYS.filled("notation", Notation)

ROUNDING_KEYS = Keys(
    "How numbers are written.",
    Field("digits", whole(1, MOST_DIGITS), 4, "Significant digits."),
    Field(
        "every_step",
        TRUTH,
        False,
        "Round each written value before it is used, as one does by hand.",
    ),
)
ROUNDING = ROUNDING_KEYS.filled("rounding", Rounding)


def _kinks(node: Node, report: Report, called: str) -> Kinks:
    found: dict[str, Number | str] = {}
    for key, value in entries(node, report, called, "functions and slopes"):
        rule = activations.find(key.text) or losses.find(key.text)
        name = rule.name if rule is not None else key.text
        what = f"the slope of {quote(key.text)} at its kink"
        if name not in choosable():
            message = f"{quote(key.text)} has no kink whose slope could be chosen"
            help = report.nearest(key.text, choosable()) or f"there are {listed(choosable(), 20)}"
            report.error("unknown-choice", message, key, help)
        elif name in EXTREMES:
            found[name] = report.tried(choice, value, f"a tie in {quote(name)}", TIES) or TIES[0]
        else:
            found[name] = report.tried(number, value, what) or Number("0")
    return found


KINKS = Field[Kinks](
    "kinks",
    Kind(_kinks, reference("kinks"), "`{relu: 1, max: first}`"),
    {},
    "Slopes where functions have none.",
)

CREDIT = fraction_of(SHARE, "1 is all of it, 0.5 is half")
POINT = fraction_of(NOT_NEGATIVE)
RELATIVE = Field("relative", fraction_of(DECAY), Marking.tolerance, "As a share of the scale.")


def _asked(node: Node, report: Report, what: str) -> str:
    text = word(node, report, what)
    if isinstance(node, Scalar):
        report.asked.append(node)
    return text.strip()


def _points(node: Node, report: Report, what: str) -> dict[str, Fraction]:
    found: dict[str, Fraction] = {}
    for key, value in entries(node, report, what, "names and points")[:MOST_PATTERNS]:
        report.asked.append(key)
        worth = report.tried(POINT.read, value, f"the points of {quote(key.text)}")
        found[key.text] = worth or Fraction(0)
    return found


MARKING_KEYS = Keys(
    "What `check` asks for and how it counts.",
    Field(
        "ask",
        one_or_several(Kind(_asked, TEXT.schema, "a name"), "names", MOST_PATTERNS),
        (),
        "Sections (forward, loss, gradient, update, …) or names, with * and ?.",
    ),
    Field(
        "points",
        Kind(_points, by_name(POINT.schema), "`{name: points}`"),
        {},
        "Points by name, with * and ?; 1 otherwise.",
    ),
    Field("pass", CREDIT, Marking.pass_share, "The share of points that passes."),
    Field(
        "follow_through",
        CREDIT,
        Marking.follow_through,
        "Credit for right work from a wrong value.",
    ),
    Field("imprecise", CREDIT, Marking.imprecise, "Credit for a value that was rounded too early."),
    Field("method", CREDIT, Marking.method, "Credit for a right formula with a wrong number."),
    selected(
        "repeated", "Whether the same slip costs once or wherever it is made.", "once", "each"
    ),
    Field(
        "tolerance",
        alone_or(
            fraction_of(DECAY), Keys("Relative tolerance.", RELATIVE), lambda own: own[RELATIVE]
        ),
        Marking.tolerance,
        "How far a rounded value may be from the right one, as a share of its scale.",
    ),
)
MARKING = MARKING_KEYS.filled("marking", Marking, {"pass": "pass_share"})


WITH_RESPECT_TO = apart(
    "with_respect_to",
    reference("names"),
    "names, or `inputs`",
    "What it is differentiated by, or `inputs`; the parameters unless given.",
)

# --- names in lists: frozen, trainable, with_respect_to, ask ----------------------------------------


def is_pattern(text: str) -> bool:
    """Whether a text is a glob of `*` and `?`. Brackets stand for themselves: `z1_1[2]`."""
    return "*" in text or "?" in text


def matcher(pattern: str) -> Callable[[str], object]:
    """Whether a name fits a glob: `*` any characters, `?` one; everything else stands for itself."""
    glob = pattern.replace("[", "[[]")
    return re.compile(fnmatch.translate(glob)).match


def names_of(
    node: Node,
    report: Report,
    what: str,
    known: Collection[str],
    groups: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[str, ...]:
    """The known names that a list of names and globs stands for, in the order of the list; the
    name of a group stands for all of its names."""
    cells = (node,) if isinstance(node, Scalar) else report.tried(items, node, what, "names") or ()
    if len(cells) > MOST_PATTERNS:
        report.error("too-large", f"{what} may list {MOST_PATTERNS:,} names", node)
        return ()
    found: dict[str, None] = {}
    work = 0
    for cell in cells:
        text = report.tried(word, cell, f"a name in {what}")
        if text is None:
            continue
        text = text.strip()
        if (name := plain_name(text)) in groups:
            found.update(dict.fromkeys(groups[name]))
            continue
        if name in known:
            found[name] = None
            continue
        if is_pattern(text) and len(text) <= LONGEST_PATTERN and work < MOST_COMPARISONS:
            work += len(known)
            fits = matcher(text)
            if matching := [name for name in known if fits(name)]:
                found.update(
                    dict.fromkeys(each for name in matching for each in groups.get(name, (name,)))
                )
                continue
        report.unknown(what, text, cell, known)
    return tuple(found)


def check_parameters(parameters: Collection[str], report: Report) -> None:
    """Report names under an optimizer's first values that are no parameters."""
    known = frozenset(parameters)
    for cell in report.firsts:
        if plain_name(cell.text) not in known:
            report.unknown("the optimizer", cell.text, cell, parameters, kind="parameter")


def check_asked(known: Collection[str], report: Report) -> None:
    """Report names in `marking` that no sheet of this problem can have.

    `known` are inputs, targets, parameters and forward quantities. What derives from them
    (`dL/dw1`, `da1/dz1`, `w1_new`, `z1[2]`, an optimizer's `v_w1`) is known by its parts.
    """
    names = set(known)
    all_names = [*SECTIONS, *known]
    for cell in report.asked:
        text = cell.text.strip()
        if not names and not closest(text, SECTIONS, 1):
            continue  # the problem could not be read far enough to know its names
        if text in SECTIONS or is_pattern(text) or _derived(text, names):
            continue
        report.unknown("`marking`", text, cell, all_names, _asked_help(text, all_names, report))


def _derived(text: str, names: Collection[str]) -> bool:
    text = before_update(without_marks(text))
    if text in names:
        return True
    if parts := fraction(text):
        return all(part in names for part in parts)
    _, underscore, parameter = text.partition("_")
    return bool(underscore) and parameter in names


def _asked_help(text: str, known: list[str], report: Report) -> str | None:
    parts = fraction(text)
    if parts and (meant := report.nearest(parts[1], known)):
        above, _ = parts
        return (
            meant.replace("`", f"`{derivative_name(above, '')}", 1)
            if above.isidentifier()
            else meant
        )
    return None


# --- frozen and trainable ---

FROZEN = Field("frozen", NAMES, None, "Parameters that stay as they are.")
TRAINABLE = Field("trainable", NAMES, None, "The only parameters that are updated.")


def top_lists(
    top: Fields,
    parameters: Iterable[str],
    report: Report,
    groups: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The two lists of the whole file; None where there is no `trainable`. `groups` are names that
    stand for several parameters."""
    known = dict.fromkeys(parameters)
    frozen, trainable = top.get("frozen"), top.get("trainable")
    return (
        () if frozen is None else names_of(frozen, report, "`frozen`", known, groups),
        None if trainable is None else names_of(trainable, report, "`trainable`", known, groups),
    )


def refuse_both(
    frozen: Collection[str], trainable: Collection[str] | None, top: Fields, report: Report
) -> None:
    both = [name for name in trainable or () if name in frozen]
    if both:
        message = f"{listed(both, 5)} {'is' if len(both) == 1 else 'are'} both frozen and trainable"
        help = "name a parameter in one of the lists"
        report.error("both-forms", message, top.key("trainable"), help)
