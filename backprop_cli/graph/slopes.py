"""Local derivatives: ∂child/∂parent of one step, as taught where a rule has taught it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from backprop_cli.algebra.derivative import derivatives, differentiate
from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import (
    ONE,
    children,
    names_in,
    negative,
    product,
    quotient,
    replaced,
    terms_of,
    total,
)
from backprop_cli.formula.nodes import (
    Call,
    Formula,
    Name,
    Negative,
    Number,
    Product,
    Quotient,
)
from backprop_cli.graph.penalty import slope_in_loss
from backprop_cli.graph.step import Applied, Graph, Step
from backprop_cli.problem.model import Problem
from backprop_cli.rules import activations, losses
from backprop_cli.rules.kinks import chosen, kinks_of, to_differentiate, with_slope_at
from backprop_cli.rules.written import signed


@dataclass(frozen=True)
class Local:
    """∂child/∂parent as written, and a form of it that is exact at extremes."""

    formula: Formula
    numeric: Formula | None = None


def is_trivial(formula: Formula) -> bool:
    """A number or a name, perhaps with a minus sign: written in place, not on a line of its own."""
    if isinstance(formula, Negative):
        formula = formula.operand
    if isinstance(formula, Quotient):
        return isinstance(formula.numerator, Number) and isinstance(formula.denominator, Number)
    return isinstance(formula, Number | Name)


def local_derivatives(
    problem: Problem, graph: Graph, step: Step, active: set[str]
) -> Mapping[str, Local]:
    """∂step/∂parent for each of its parents that leads to something asked for."""
    parents = [name for name in names_in(step.formula) if name in active]
    if step.kind == "regularisation":
        return {name: Local(slope_in_loss(graph, name)) for name in parents}
    if step.applied is not None and step.applied.targets:
        return _loss_slopes(problem, step, step.applied, parents)
    if step.applied is not None:
        return _activation_slopes(problem, graph, step, step.applied, parents)
    if step.own_slope is not None:
        return {name: Local(step.own_slope) for name in parents}
    coefficients = linear_coefficients(step.formula)
    if coefficients is not None:
        return {name: Local(coefficients[name]) for name in parents}
    return {name: Local(slope) for name, slope in _derivatives(problem, step, parents).items()}


def _derivatives(problem: Problem, step: Step, names: Sequence[str]) -> dict[str, Formula]:
    """The derivatives, the step's own formula written by its name (the slope of e^x is e^x)."""
    formula = to_differentiate(step.formula, problem.kinks)
    found = derivatives(formula, names)
    if not children(step.formula):
        return found
    own = Name(step.name)
    return {name: replaced(slope, step.formula, own) for name, slope in found.items()}


def _at_kinks(
    problem: Problem, slope: Formula, rule: str, z: Formula, options: Mapping[str, Number]
) -> Formula:
    """A slope as taught, with what the file chooses at the kinks of its activation."""
    value = chosen(problem.kinks, rule)
    if value is not None:
        row = activations.ACTIVATIONS[rule]
        for kink, values in kinks_of(Call(rule, (z, *signed(row.with_options(options)).values()))):
            slope = with_slope_at(slope, kink, values, signed({"": value})[""])
    return slope


def _activation_slopes(
    problem: Problem, graph: Graph, step: Step, applied: Applied, parents: Sequence[str]
) -> dict[str, Local]:
    row = activations.ACTIVATIONS[applied.rule]
    if row.joint is not None:
        return _joint_slopes(graph, step, row.joint, parents)
    z, options = applied.argument, applied.options
    taught = row.slope_of(z, step.name, options)
    written = _at_kinks(problem, taught, row.name, z, options)
    exact = None if is_trivial(written) or written != taught else row.slope_call(z, options)
    found = {}
    for parent in parents:
        inner = ONE if z == Name(parent) else differentiate(z, parent)
        found[parent] = Local(product(written, inner), exact and product(exact, inner))
    return found


def _joint_slopes(
    graph: Graph, step: Step, joint: activations.Joint, parents: Sequence[str]
) -> dict[str, Local]:
    """Every output depends on every z of its layer: the full Jacobian."""
    assert step.applied is not None
    own, scores = step.applied.own, step.applied.arguments
    outputs = [Name(output.name) for output in layer_outputs(graph, step)]
    return {
        parent: Local(joint.slope(own, scores.index(Name(parent)), outputs)) for parent in parents
    }


def layer_outputs(graph: Graph, step: Step) -> list[Step]:
    """The steps that apply the same row to the same scores: all outputs of a joint rule, in order."""
    assert step.applied is not None
    if not step.applied.joint:
        return [step]
    found = {
        other.applied.own: other
        for other in graph.joint[step.sample]
        if other.applied is not None
        and other.rule == step.rule
        and other.applied.arguments == step.applied.arguments
    }
    return [found[own] for own in sorted(found)]


def _loss_slopes(
    problem: Problem, step: Step, applied: Applied, parents: Sequence[str]
) -> dict[str, Local]:
    row = losses.LOSSES[applied.rule]
    target = dict(zip(applied.arguments, applied.targets, strict=True))
    # As the author wrote the loss: (ŷ − y)² gives 2(ŷ − y).
    untaught = [parent for parent in parents if not (applied.taught and Name(parent) in target)]
    own, found = _derivatives(problem, step, untaught), dict[str, Local]()
    for parent in parents:
        name = Name(parent)
        if name not in target:  # a penalty; a target, where the file asks for its derivative
            found[parent] = Local(own[parent])
            continue
        numeric = losses.saturated_slope(row, name, target[name], applied.options)
        if not applied.taught:
            found[parent] = Local(own[parent], numeric)
            continue
        formula = losses.loss_slope(row, name, target[name], len(target), applied.options)
        if (value := chosen(problem.kinks, row.name)) is not None:
            for kink in row.kinks:
                values = {"yhat": name, "y": target[name]}
                formula = with_slope_at(formula, kink, values, signed({"": value})[""])
        found[parent] = Local(formula, numeric)
    return found


def linear_coefficients(formula: Formula) -> dict[str, Formula] | None:
    """The derivative by each name of a sum of products of names and numbers, in one pass; None
    where the formula is not such a sum (then SymPy differentiates it)."""
    found: dict[str, list[Formula]] = defaultdict(list)
    terms = terms_of(formula)
    for term in terms:
        divisor: Formula = ONE
        minus = False
        if isinstance(term, Negative):
            minus, term = True, term.operand
        if isinstance(term, Quotient) and isinstance(term.denominator, Number):
            divisor, term = term.denominator, term.numerator
        factors = term.factors if isinstance(term, Product) else (term,)
        named = [factor.name for factor in factors if isinstance(factor, Name)]
        if any(not isinstance(factor, Name | Number) for factor in factors):
            return None
        if len(set(named)) != len(named):
            return None
        for index, factor in enumerate(factors):
            if isinstance(factor, Name):
                rest = quotient(product(*factors[:index], *factors[index + 1 :]), divisor)
                found[factor.name].append(negative(rest) if minus else rest)
    return {name: total(*parts) for name, parts in found.items()}
