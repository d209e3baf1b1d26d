"""Single quantities line by line: the chain of fractions, local symbols, numbers, the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from backprop_cli.dataclass import replace
from backprop_cli.formula.build import product, put_together
from backprop_cli.formula.nodes import Formula, Name, Negative, Shown, Sum
from backprop_cli.formula.quantity import fraction, mark, slope_name
from backprop_cli.graph.derivation import (
    LONGEST_PATH,
    PATHS,
    factors_of,
    reused,
    reused_chain,
    reused_local,
    shown_local,
)
from backprop_cli.graph.derivation import Derivation as GradientDerivation
from backprop_cli.graph.step import Link, Step
from backprop_cli.worksheet.composed import composed
from backprop_cli.worksheet.document import (
    Block,
    Derivation,
    DerivationLine,
    Line,
    Math,
    Paragraph,
    Relation,
    Text,
    named,
)
from backprop_cli.worksheet.sheet import Sheet, number_lines
from backprop_cli.worksheet.singular import singular_remarks

REUSE_PATHS = 2
"""With more paths than these, a derivation builds on gradients that are already known."""


def known_names(sheet: Sheet) -> tuple[str, ...]:
    """Every name that `--only` accepts."""
    graph = sheet.graph
    return (*graph.leaf, *graph.step, *graph.aliases, *graph.trivial_slopes)


def only(sheet: Sheet) -> Iterator[Block]:
    """Just the quantities asked for, each with its whole derivation."""
    for asked in sheet.choices.only:
        name = sheet.graph.aliases.get(asked, asked)
        step = sheet.graph.step.get(name)
        if step is not None:
            yield derivation(sheet, step)
            yield from path_remarks(sheet, [step])
            if sheet.choices.composed:
                yield from composed(sheet, [step])
            yield from singular_remarks(sheet, [name])
        elif name in sheet.graph.leaf:
            yield _given(sheet, name)
        elif name in sheet.graph.trivial_slopes:
            yield _equation(sheet, name, sheet.graph.trivial_slopes[name])
        elif (ends := between(sheet, name)) is not None:
            yield through(sheet, *ends)


def between(sheet: Sheet, name: str) -> tuple[str, str] | None:
    """`dyhat/da1` as ŷ and a₁, where the one is calculated from the other."""
    target, below = fraction(name) or ("", "")
    for end in (target + mark(below), target):
        if end in sheet.graph.step and slope_name(end, below) in sheet.towards(end).graph.step:
            return end, below
    return None


def through(sheet: Sheet, target: str, name: str) -> Derivation:
    """∂target/∂q, the sum over the paths between them."""
    derived = sheet.towards(target)
    step = derived.graph.step[slope_name(target, name)]
    found = derived.of(step, PATHS)
    lines = _path_lines(found) if found.paths else _reuse_lines(sheet, step)
    return Derivation((*lines, *number_lines(sheet, step.name, found.closed)))


def _given(sheet: Sheet, name: str) -> Paragraph:
    written = sheet.shown(name)
    if written is None:
        return Paragraph((Math(Name(name)), Text(" is given, without a number.")))
    return Paragraph((Relation(Name(name), written.sign, written.formula), Text(" (given)")))


def derivation(sheet: Sheet, step: Step) -> Derivation:
    """The lines of one step; those of a gradient go back to the loss, or to a gradient above."""
    if not step.links:
        return _equation(sheet, step.name, step.formula)
    derived = sheet.derivations.of(step, PATHS)
    last: Formula | None = None
    if step.product is not None:
        lines = _combined_lines(sheet, step)
    elif sheet.choices.form == "delta":
        lines = _delta_lines(sheet, step)
    elif _written_out(sheet, derived):
        lines = (*_path_lines(derived), *_short_line(sheet, derived))
        last = derived.closed
    else:
        lines = _reuse_lines(sheet, step)
    return Derivation((*lines, *number_lines(sheet, step.name, last or lines[-1].right)))


def _written_out(sheet: Sheet, derived: GradientDerivation) -> bool:
    """Whether every path is written, not only the last links of them."""
    if not derived.paths or sheet.choices.form == "reuse":
        return False
    return sheet.choices.form == "chain" or sheet.symbolic or derived.count <= REUSE_PATHS


def path_remarks(sheet: Sheet, steps: Sequence[Step]) -> Iterator[Paragraph]:
    """How many paths a derivation stands for whose paths are not written out."""
    if sheet.choices.form == "reuse":
        return
    counts: dict[int, list[Step]] = {}
    far: list[Step] = []
    for step in steps:
        if step.links and step.product is None and sheet.choices.form != "delta":
            derived = sheet.derivations.of(step, PATHS)
            if not derived.paths and derived.count <= PATHS:
                far.append(step)
            elif not _written_out(sheet, derived):
                counts.setdefault(derived.count, []).append(step)
    if far:
        start = Text(f" more than {LONGEST_PATH} links away from ")
        rest = Text(": it goes on from gradients above.")
        yield Paragraph((*_these(far), start, sheet.end, rest))
    for count, those in counts.items():
        start = Text(f" the sum of {count:,} paths to ")
        if count > PATHS:
            text = f": more than {PATHS} are not written out, so it goes on from gradients above."
        else:
            text = "; --form chain writes them out."
        yield Paragraph((*_these(those), start, sheet.end, Text(text)))


def _these(steps: Sequence[Step]) -> Line:
    if len(steps) > 1:
        return (Text("Each of these gradients is"),)
    return (Math(Name(steps[0].name)), Text(" is"))


def _equation(sheet: Sheet, name: str, formula: Formula) -> Derivation:
    line = DerivationLine(Name(name), "=", formula)
    return Derivation((line, *number_lines(sheet, name, formula)))


def _path_lines(derived: GradientDerivation) -> tuple[DerivationLine, ...]:
    name = Name(derived.step.name)
    if len(derived.paths) == 1:
        path = derived.paths[0]
        return _unless_same(name, path.chain(), derived.path_local(path))
    chains = [
        (path.chain(), _label([each for each in derived.via(path) if each != derived.step.of]))
        for path in derived.paths
    ]
    lines = [*_one_a_line(name, chains), *_terms(map(derived.path_local, derived.paths))]
    if derived.closed != derived.local:
        lines.append(DerivationLine(None, "=", derived.closed, (Text("factored"),)))
    return tuple(lines)


def _short_line(sheet: Sheet, derived: GradientDerivation) -> tuple[DerivationLine, ...]:
    """Several paths of letters with L_y in front: L_y(w₇·ReLU′(z₃)·w₃ + …) · ReLU′(z₁) · x."""
    if not sheet.symbolic or len(derived.paths) < 2:
        return ()
    short = sheet.abbreviated.closed(derived.step)
    names = [
        (name, known)
        for known, name in sheet.abbreviated.short.items()
        if name in factors_of(short)
    ]
    if not names:
        return ()
    ((name, known),) = names
    label: Line = (Text("with "), Relation(name, "=", Name(known)))
    return (DerivationLine(None, "=", short, label),)


def _label(via: Sequence[str]) -> Line:
    """What a path goes by; it is direct where the others only take a longer way."""
    return (Text("via "), *named(via)) if via else (Text("direct"),)


def _one_a_line(name: Name, chains: Sequence[tuple[Formula, Line]]) -> Iterator[DerivationLine]:
    """A sum, each term on a line of its own with its label."""
    for place, (chain, label) in enumerate(chains):
        yield DerivationLine(None if place else name, "+" if place else "=", chain, label)


def _terms(formulas: Iterable[Formula]) -> Iterator[DerivationLine]:
    """The same sum in local symbols."""
    for place, formula in enumerate(formulas):
        yield added(None, formula, first=place == 0)


def added(left: Formula | None, term: Formula, label: Line = (), *, first: bool) -> DerivationLine:
    """One term of a sum on a line of its own, a minus sign in front of it as the line's sign."""
    if first:
        return DerivationLine(left, "=", term, label)
    sign: Literal["+", "−"] = "−" if isinstance(term, Negative) else "+"
    term = term.operand if isinstance(term, Negative) else term
    apart = isinstance(term, Sum) and (sign == "−" or isinstance(term.terms[0], Negative))
    return DerivationLine(None, sign, Shown("group", (term,)) if apart else term, label)


def _unless_same(name: Name, chain: Formula, local: Formula) -> tuple[DerivationLine, ...]:
    """Chain and local symbols, the chain left out where it says nothing: ∂L/∂ŷ = ∂L/∂ŷ."""
    if chain == name:
        return (DerivationLine(name, "=", local),)
    line = DerivationLine(name, "=", chain)
    return (line,) if local == chain else (line, DerivationLine(None, "=", local))


def _reuse_lines(sheet: Sheet, step: Step) -> tuple[DerivationLine, ...]:
    """On top of gradients already known: one line a path, then the same in local symbols."""
    name = Name(step.name)
    local = reused_local(sheet.graph, step)
    if len(step.links) == 1:
        return _unless_same(name, reused(step), local)
    chains = [(reused_chain(link), _label([link.child])) for link in step.links]
    return (*_one_a_line(name, chains), DerivationLine(None, "=", local))


def with_delta(sheet: Sheet, step: Step) -> Step:
    """δ = (Σ w·δ of the layer above) · slope in one step: ∂L/∂a has no line of its own."""
    return replace(step, formula=put_together(step.formula, sheet.passed_back))


def _delta_lines(sheet: Sheet, step: Step) -> tuple[DerivationLine, ...]:
    """What comes back along the weights times the slope, the slope by its name and written out."""
    formula = with_delta(sheet, step).formula
    if formula == step.formula and step.of not in sheet.graph.step:
        return _reuse_lines(sheet, step)
    slopes = {
        link.slope: shown_local(sheet.graph, link) for link in step.links if link.slope is not None
    }
    return _unless_same(Name(step.name), formula, put_together(formula, slopes))


def _combined_lines(sheet: Sheet, step: Step) -> tuple[DerivationLine, ...]:
    """σ or softmax with its cross-entropy: the product written out, and what is left of it."""
    several = len(step.links) > 1
    chains = [(reused_chain(link), _label([link.child]) if several else ()) for link in step.links]

    def term(link: Link) -> Formula:
        above = [sheet.graph.step[link.upstream].formula] if link.upstream else []
        return product(*above, shown_local(sheet.graph, link))

    last = DerivationLine(None, "=", step.formula, (Text("after cancelling"),))
    return (*_one_a_line(Name(step.name), chains), *_terms(map(term, step.links)), last)
