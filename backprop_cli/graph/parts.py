"""What both forms of a problem are expanded with: leaves, rows of rules, the loss of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from backprop_cli.arrays.array import View
from backprop_cli.dataclass import replace
from backprop_cli.formula.build import names_in, number, quotient, rename, total
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.formula.quantity import sampled
from backprop_cli.graph.step import Applied, Graph, Leaf, LeafKind, Step, Unit
from backprop_cli.problem.forms import Value
from backprop_cli.problem.model import Problem
from backprop_cli.rules import losses


def unused(name: str, graph: Graph) -> str:
    """The name, with an underscore behind it where the author uses it for something else."""
    while name in graph.leaf or name in graph.step:
        name += "_"
    return name


def leaf(
    name: str,
    kind: LeafKind,
    value: Value,
    sample: int | None = None,
    title: str = "",
    unit: Unit | None = None,
) -> Leaf:
    """A given quantity, with the digits that its author wrote."""
    number, text = (None, None) if value is None else (value.value, value.text)
    return Leaf(name, kind, number, sample, text=text, title=title, unit=unit)


def parameter_leaf(problem: Problem, name: str, value: Value) -> Leaf:
    """A weight or a bias, or what an author calls a parameter."""
    return replace(leaf(name, "parameter", value), trainable=is_trainable(problem, name))


def is_trainable(problem: Problem, name: str) -> bool:
    """Whether updates move a parameter, as `frozen` and `trainable` of the file say."""
    if problem.trainable is not None:
        return name in problem.trainable
    return name not in problem.frozen


def stable_loss(loss: Applied, outputs: Mapping[str, Applied]) -> Formula | None:
    """The loss in the scores of its outputs, right at extremes; None where the row has no such
    form for what the `outputs` apply."""
    found = [outputs.get(each.name) for each in loss.arguments if isinstance(each, Name)]
    known = [each for each in found if each is not None]
    if len(known) < len(found) or len({each.rule for each in known}) != 1:
        return None
    scores = [each.argument for each in known]
    if len(known[0].arguments) > 1 and set(scores) != set(known[0].arguments):
        return None
    return losses.stable(
        losses.LOSSES[loss.rule], known[0].rule, scores, loss.targets, loss.options
    )


def batch_loss(problem: Problem, name: str, sample_losses: Sequence[str]) -> Step:
    """The loss of a whole batch, from those of its samples."""
    formula = reduce_batch(problem, [Name(each) for each in sample_losses], len(sample_losses))
    return Step(name, formula, "loss", "batch_loss")


def reduce_batch(problem: Problem, terms: Sequence[Formula], count: int) -> Formula:
    """Mean or sum over the `count` samples, as `training.reduction` says."""
    whole = total(*terms)
    return quotient(whole, number(count)) if problem.training.reduction == "mean" else whole


def of_sample(varies: Callable[[str], bool], mark: int | None) -> Callable[[str], str]:
    """The names of a sample: what belongs to all of them stays."""
    return lambda name: sampled(name, mark) if varies(name) else name


def of_samples(
    views: Sequence[View], varies: Callable[[str], bool], marks: Sequence[int | None]
) -> tuple[View, ...]:
    """The arrays of every sample; what no sample changes is there once."""
    found: dict[str, View] = {}
    # An array varies where its entries do; a single number is its own entry.
    varying = {
        view.name
        for view in views
        if any(varies(name) for entry in view.entries for name in names_in(entry))
    }
    for mark in marks:
        own, whole = of_sample(varies, mark), of_sample(varying.__contains__, mark)
        for view in views:
            entries = tuple(rename(entry, own) for entry in view.entries)
            equation = view.equation and rename(view.equation, whole)
            written = view.written and rename(view.written, whole)
            rows = tuple(map(whole, view.rows))
            name = whole(view.name)
            text = view.text
            found.setdefault(name, View(name, view.shape, entries, equation, text, rows, written))
    return tuple(found.values())
