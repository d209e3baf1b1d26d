"""What an update calculates: only what its loss and new parameters need, and once for all samples
where each is worked out as the first is.

What is decided by the sign of a number is decided here too, and when that number is 0. A float that
should be 0 often is not: 0.5·1 − 0.3·2 + 0.1 comes to −2.8e−17, and a ReLU would be off. Where a
sum decides which way to go, at a kink or in a comparison, it is 0 if it is no larger than the
roundings of its terms.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TypeAlias

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.arithmetic import as_float
from backprop_cli.formula.build import (
    ZERO,
    children,
    names_in,
    negative,
    over,
    rebuild,
    rename,
    substitute,
    total,
)
from backprop_cli.formula.defined import bends
from backprop_cli.formula.nodes import (
    Call,
    Comparison,
    Formula,
    Name,
    Negative,
    Number,
    Product,
    Quotient,
    Sum,
)
from backprop_cli.formula.quantity import sampled, without_marks
from backprop_cli.graph.batches import Builder
from backprop_cli.graph.step import Graph
from backprop_cli.run.evaluation import is_clock

Line = tuple[str, Formula]

Batch: TypeAlias = Sequence[Sequence[float]]
"""What is given in each sample of a batch."""

SAMPLES = "s"
"""The index of a sum over the samples."""
NEAR = 0.01
"""Only so near to a kink is it asked whether a number is on it."""
ROUNDING = 2.0**-42
"""A sum that is no larger than this share of its terms is 0: a rounding error away from a kink is
on it."""


@dataclass(frozen=True)
class Program:
    """The steps of an update in order of calculation: those before the samples, those of `each`
    sample, and what is made of them.

    Where every sample is worked out as the first is, `each` has its steps under the names of the
    first, and a sum over the samples is written with the term of the first, Σ ∂L[1]/∂w. Else all
    steps are `before`, those of every sample under its own names.
    """

    graph: Graph
    given: tuple[
        tuple[str, ...], ...
    ]  # what a batch gives, by sample; of the first alone in a loop
    before: tuple[Line, ...]
    each: tuple[Line, ...] = ()
    after: tuple[Line, ...] = ()

    @property
    def samples(self) -> int:
        """How often `each` is worked out."""
        return len(self.graph.batch) if self.each else 1

    @property
    def state(self) -> list[str]:
        """What is carried from update to update; but for their number."""
        return [
            leaf.name
            for leaf in self.graph.leaves
            if leaf.kind in ("parameter", "state") and not is_clock(leaf)
        ]

    @property
    def constants(self) -> dict[str, float]:
        """What is the same in every batch, by its name."""
        return {
            leaf.name: as_float(leaf.value)
            for leaf in self.graph.leaves
            if leaf.sample is None
            and leaf.kind in ("constant", "input", "target")
            and leaf.name not in self.given[0]
            and leaf.value is not None
        }

    @property
    def lines(self) -> tuple[Line, ...]:
        return (*self.before, *self.each, *self.after)


def program(builder: Builder) -> Program:
    """The updates of a problem, in the names of its first batch."""
    graph = builder.update(1)
    marks = graph.batch if len(graph.batch) > 1 else (None,)
    given = tuple(tuple(sampled(name, mark) for name in builder.given) for mark in marks)
    lines = needed(graph)
    return _in_a_loop(graph, given, lines) or Program(graph, given, tuple(lines))


def _in_a_loop(
    graph: Graph, given: tuple[tuple[str, ...], ...], lines: Sequence[Line]
) -> Program | None:
    """The same with the steps of the first sample alone; None where others are worked out in
    another way, or one goes into another."""
    of = {step.name: step.sample for step in graph.steps}
    common: list[Line] = []
    steps: dict[int, dict[str, Line]] = {mark: {} for mark in graph.batch}
    for line in lines:
        if (mark := of[line[0]]) is None:
            common.append(line)
        else:
            steps[mark][without_marks(line[0])] = line
    each = steps[graph.batch[0]]
    if not each or any(own.keys() != each.keys() for own in steps.values()):
        return None
    firsts = [
        dict(zip(there, given[0], strict=True)) | {own[base][0]: each[base][0] for base in each}
        for there, own in zip(given, steps.values(), strict=True)
    ]
    varying = set().union(*firsts)
    summed = set(map(Name, firsts[0]))

    def alike(formulas: Sequence[Formula]) -> bool:
        """Whether the formulas, one of each sample, differ in nothing but the sample."""
        row: list[str] = []
        written = key(formulas[0], row)
        for formula, first in zip(formulas, firsts, strict=True):
            there: list[str] = []
            if key(formula, there) != written:
                return False
            if [first.get(name, "" if name in varying else name) for name in there] != row:
                return False
        return True

    def folded(formula: Formula) -> Formula:
        if isinstance(formula, Sum) and formula.terms[0] in summed:
            terms, rest = formula.terms[: len(firsts)], formula.terms[len(firsts) :]
            if len(terms) == len(firsts) and alike(terms):
                return Sum((over(SAMPLES, terms[0]), *map(folded, rest)))
        return rebuild(formula, folded)

    if not all(alike([own[base][1] for own in steps.values()]) for base in each):
        return None
    before, after, late = [], [], set(varying)
    for name, formula in common:
        formula = folded(formula)
        if late.isdisjoint(names_in(formula)):
            before.append((name, formula))
        elif varying.isdisjoint(names_in(_without_sums(formula))):
            after.append((name, formula))
            late.add(name)
        else:
            return None
    used = {name for _, formula in each.values() for name in names_in(formula)}
    if any(name in used for name, _ in after):
        return None
    # A product that is only added up is worked out within the sum: it need not be kept.
    products = {
        name: formula
        for name, formula in each.values()
        if name not in used
        and isinstance(formula, Product)
        and all(isinstance(factor, Name) for factor in formula.factors)
    }
    lines = [line for line in each.values() if line[0] not in products] or list(each.values())
    after = [(name, substitute(formula, products)) for name, formula in after]
    return Program(graph, given[:1], tuple(before), tuple(lines), tuple(after))


def over_samples(formula: Formula) -> Formula | None:
    """The term of the first sample of a sum over them; None for any other formula."""
    if isinstance(formula, Call) and formula.function == f"sum_{SAMPLES}":
        return formula.arguments[0]
    return None


def _without_sums(formula: Formula) -> Formula:
    return ZERO if over_samples(formula) else rebuild(formula, _without_sums)


def key(formula: Formula, row: list[str]) -> object:
    """What formulas that differ only in names have in common; the names are put into the row."""
    if isinstance(formula, Name):
        row.append(formula.name)
        return ""
    if isinstance(formula, Number):
        return formula.text
    detail = getattr(formula, "function", None) or getattr(formula, "relation", "")
    return (type(formula).__name__, detail, *(key(part, row) for part in children(formula)))


def needed(graph: Graph) -> list[tuple[str, Formula]]:
    """The steps that the loss and the new parameters depend on; what is only another name for an
    earlier quantity (∂L/∂b = ∂L/∂z) is written by that name."""
    formulas = {
        step.name: step.formula if step.kind == "slope" else step.numeric or step.formula
        for step in graph.steps
    }
    wanted = set(graph.carried.values())
    if graph.losses:
        wanted.add(graph.output)
    names: dict[str, tuple[str, ...]] = dict.fromkeys(wanted, ())
    for step in reversed(graph.steps):
        if step.name in names:
            names[step.name] = names_in(formulas[step.name])
            for name in names[step.name]:
                names.setdefault(name, ())
    same: dict[str, str] = {}
    found = []
    for step in graph.steps:
        if step.name not in names:
            continue
        formula = formulas[step.name]
        if not same.keys().isdisjoint(names[step.name]):
            formula = rename(formula, lambda name: same.get(name, name))
        if isinstance(formula, Name) and step.name not in wanted:
            same[step.name] = formula.name
        else:
            found.append((step.name, formula))
    return found


def settled(
    steps: Sequence[tuple[str, Formula]],
) -> tuple[list[tuple[str, Formula]], Set[str]]:
    """The steps, each sum that decides something inside a formula with a line of its own before it,
    as the difference that a comparison asks for; and the names of what decides.
    """
    deciding: dict[str, None] = {}
    lifted: dict[Formula, str] = {}

    def lift(part: Formula, own: list[tuple[str, Formula]]) -> Formula:
        if over_samples(part) is not None:
            return part
        if isinstance(part, Comparison) and part.right != ZERO:
            part = Comparison(total(part.left, negative(part.right)), part.relation, ZERO)
        part = rebuild(part, lambda inner: lift(inner, own))
        if isinstance(part, Call) and part.arguments and part.arguments[0] in bends(part):
            first, *rest = part.arguments
            return Call(part.function, (decide(first, own), *rest))
        if isinstance(part, Comparison) and part.right == ZERO:
            return Comparison(decide(part.left, own), part.relation, ZERO)
        return part

    def decide(part: Formula, own: list[tuple[str, Formula]]) -> Formula:
        if size_of(part) is not None:
            if part not in lifted:
                lifted[part] = f"sum {len(lifted)}"
                own.append((lifted[part], part))
            part = Name(lifted[part])
        if isinstance(part, Name):
            deciding[part.name] = None
        return part

    found: list[tuple[str, Formula]] = []
    for name, formula in steps:
        own: list[tuple[str, Formula]] = []
        changed = lift(formula, own)
        found += [*own, (name, changed)]
    return found, deciding.keys()


def size_of(formula: Formula) -> Formula | None:
    """How large the terms of a sum are together, as often as the sum is taken: a mean over samples
    is a sum too. None for what is none."""
    match formula:
        case Sum(terms):
            return total(*map(_size_of_term, terms))
        case Negative(operand):
            return size_of(operand)
        case Quotient(above, below):
            size = size_of(above)
            return size and Quotient(size, _size_of_term(below))
        case Product(factors) if any(map(size_of, factors)):
            return Product(tuple(size_of(each) or _size_of_term(each) for each in factors))
        case _:
            return None


def _size_of_term(term: Formula) -> Formula:
    inner = over_samples(term)
    return over(SAMPLES, _size_of_term(inner)) if inner else Call("abs", (term,))
