"""Where cross-entropy meets σ or softmax: the product of slopes in its simple form ŷ − y."""

from __future__ import annotations

from collections.abc import Mapping

from backprop_cli.formula.build import ONE, names_in, product, total, walk
from backprop_cli.formula.nodes import Formula, Name, Quotient
from backprop_cli.graph.slopes import is_trivial, layer_outputs
from backprop_cli.graph.step import Applied, Graph, Step
from backprop_cli.rules import losses


def combined_slope(
    graph: Graph, gradient: Step, step: Step, known: Mapping[str, Step]
) -> Formula | None:
    """ŷ − y for the z of a σ or softmax unit under its cross-entropy, else None.

    Where the loss is a row of the table, so is what it comes to (each proved in the tests);
    of any other SymPy cancels the product.
    """
    loss = graph.step[gradient.over or graph.output].applied
    if loss is not None and loss.targets:
        return _combined_by_table(graph, loss, gradient, step)
    return _combined_in_part(graph, gradient, step, known) or _combined_by_algebra(gradient, known)


def _combined_in_part(
    graph: Graph, gradient: Step, step: Step, known: Mapping[str, Step]
) -> Formula | None:
    """Where the loss is a mean or a sum of such losses, as over the rows of a matrix: what comes
    back to the one that compares these outputs, times ŷ − y."""
    ups = [link.upstream for link in gradient.links if link.upstream is not None]
    above = [known[each].links for each in ups if each in known]
    parts = {link.child for links in above for link in links}
    if len(above) < len(gradient.links) or len(parts) != 1:
        return None
    part = graph.step[parts.pop()]
    if part.applied is None or not part.applied.targets or above[0][0].weight != ONE:
        return None
    combined = _combined_by_table(graph, part.applied, gradient, step)
    upstream = above[0][0].upstream
    if combined is None or upstream is None:
        return combined
    return product(_as_number(upstream, known) or Name(upstream), combined)


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
    from backprop_cli.algebra.combine import combine

    return combine(product(written, link.local))


def _as_number(name: str, known: Mapping[str, Step]) -> Formula | None:
    """A derivative that is only a number, by whatever name it is written."""
    for _ in range(len(known)):
        formula = known[name].formula if name in known else None
        if not isinstance(formula, Name):
            return formula if formula is not None and not names_in(formula) else None
        name = formula.name
    return None


def _divides_by(formula: Formula, name: str) -> bool:
    return any(
        isinstance(part, Quotient) and name in names_in(part.denominator) for part in walk(formula)
    )


def _combined_by_table(graph: Graph, loss: Applied, gradient: Step, step: Step) -> Formula | None:
    """By the rows of the loss and of what takes `step` to its outputs, and nothing else."""
    child = graph.step[gradient.links[0].child]
    if child.applied is None:
        return None
    outputs = layer_outputs(graph, child)
    own = next(
        (each for each in outputs if each.applied and each.applied.argument == Name(step.name)),
        None,
    )
    if own is None or {link.child for link in gradient.links} != {each.name for each in outputs}:
        return None
    pairs = dict(zip(loss.arguments, loss.targets, strict=True))
    if not all(Name(each.name) in pairs for each in outputs):
        return None
    return losses.combined_slope(
        loss.rule,
        child.applied.rule,
        own.name,
        pairs[Name(own.name)],
        loss.targets,
        targets_sum_to_one=loss.sum_to_one,
    )
