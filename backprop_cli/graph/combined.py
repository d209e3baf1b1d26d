"""Where cross-entropy meets σ or softmax: the product of slopes in its simple form ŷ − y."""

from __future__ import annotations

from collections.abc import Mapping

from backprop_cli import algebra
from backprop_cli.formula.build import ONE, children, names_in, product, total
from backprop_cli.formula.nodes import Formula, Name, Quotient
from backprop_cli.graph.parts import activation_row, loss_row
from backprop_cli.graph.slopes import is_trivial, layer_outputs
from backprop_cli.graph.step import Graph, Step
from backprop_cli.problem.model import Network, Problem, RuleUse
from backprop_cli.rules import losses


def combined_slope(
    problem: Problem, graph: Graph, gradient: Step, step: Step, known: Mapping[str, Step]
) -> Formula | None:
    """ŷ − y for the z of a σ or softmax unit under its cross-entropy, else None.

    In a layered network this is a row of the table of combined rules (each proved in the tests);
    among an author's own equations SymPy cancels the product.
    """
    if isinstance(problem.model, Network):
        return _combined_by_table(problem.model, graph, gradient, step)
    return _combined_by_algebra(gradient, known)


def _combined_by_algebra(gradient: Step, known: Mapping[str, Step]) -> Formula | None:
    """Cancel ∂L/∂ŷ · ∂ŷ/∂z where ∂L/∂ŷ has fractions (a logarithm's derivative) in it."""
    if len(gradient.links) != 1:
        return None
    link = gradient.links[0]
    upstream = known.get(link.upstream or "")
    if upstream is None or upstream.product is not None or is_trivial(link.local):
        return None
    terms = []
    for above in upstream.links:
        # A loss written in parts, L = L1 + L2: what comes from each part is a number.
        factor = ONE if above.upstream is None else _as_number(above.upstream, known)
        if factor is None:
            return None
        terms.append(product(factor, above.local))
    written = total(*terms)
    if not _divides_by(written, link.child):
        return None
    return algebra.combine(product(written, link.local))


def _as_number(name: str, known: Mapping[str, Step]) -> Formula | None:
    """A derivative that is only a number, by whatever name it is written."""
    for _ in range(len(known)):
        formula = known[name].formula if name in known else None
        if not isinstance(formula, Name):
            return formula if formula is not None and not names_in(formula) else None
        name = formula.name
    return None


def _divides_by(formula: Formula, name: str) -> bool:
    if isinstance(formula, Quotient) and name in names_in(formula.denominator):
        return True
    return any(_divides_by(part, name) for part in children(formula))


def _combined_by_table(
    network: Network, graph: Graph, gradient: Step, step: Step
) -> Formula | None:
    last = network.layers[-1]
    if step.unit is None or step.unit.layer != len(network.layers) or last.batch_norm:
        return None
    if step.kind != "preactivation" or not isinstance(network.loss, RuleUse):
        return None
    use = last.activations[step.unit.index - 1]
    if not isinstance(use, RuleUse):
        return None
    outputs = [output.name for output in layer_outputs(graph, step)]
    targets = [output.replace("yhat", "y", 1) for output in outputs]
    own = step.unit.index - 1
    return losses.combined_slope(
        loss_row(network.loss).name,
        activation_row(use).name,
        outputs[own],
        targets[own],
        targets,
        targets_sum_to_one=_targets_sum_to_one(network),
    )


def _targets_sum_to_one(network: Network) -> bool:
    """True as well where no numbers are given: then the targets are taken as class probabilities."""
    for sample in network.samples:
        known = [target.value for target in sample.targets if target is not None]
        if len(known) == len(sample.targets) and sum(known) != 1:
            return False
    return True
