"""An upstream gradient: of the loss nothing is known but its slopes by some quantities.

The loss is then the sum that has just these slopes, Σ g·q, and is differentiated like any other.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from backprop_cli.arrays.array import Shape, View, count, entry_names, shape_text
from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import quote
from backprop_cli.formula.build import product, total
from backprop_cli.formula.nodes import Call, Formula, Name, Shown
from backprop_cli.problem.array_values import read_levels
from backprop_cli.problem.fields import Fields, apart, by_name, reference
from backprop_cli.problem.forms import Value
from backprop_cli.problem.values import Refused, Report, counted, entries, items, number_or_null
from backprop_cli.problem.yaml_tree import Node, Scalar

UPSTREAM = "upstream gradient"
"""What the loss is called whose slopes are given."""
LOSS = "L"

GRADIENTS = apart(
    "upstream",
    by_name(reference("gradient"), minProperties=1),
    "`{name: gradient}`",
    "Gradients in place of a loss: `{yhat: [0.1, -0.2]}`, or by the names of equations; with samples "
    "a list of them.",
)

Gradient = tuple[tuple[Value, ...], ...]
"""The numbers for the entries of a quantity, for each sample."""


def slopes_sum(gradients: Sequence[str], quantities: Sequence[str]) -> Formula:
    """Σ g·q, whose slope by each quantity is the gradient given for it."""
    pairs = zip(gradients, quantities, strict=True)
    return total(*(product(Name(g), Name(q)) for g, q in pairs))


def read_gradient(
    node: Node, report: Report, name: str, shape: Shape, samples: int | None
) -> Gradient:
    """∂L/∂ a quantity of that shape; a list of them where samples are listed."""
    what = f"the gradient of {quote(name)}"
    rows: Sequence[Node] = (node,)
    if samples is not None:
        rows = report.tried(items, node, what, "gradients, one for each sample") or ()
        if len(rows) != samples:
            wanted = f"{counted(samples, 'sample')}, so {what} must have as many entries"
            report.refuse("shape", f"there are {wanted}, not {len(rows)}", node)
    found = [report.tried(_one, row, name, what, shape) for row in rows]
    read = tuple(each for each in found if each is not None)
    if len(read) < len(found):
        raise Refused
    return read


def _one(node: Node, report: Report, name: str, what: str, shape: Shape) -> tuple[Value, ...]:
    values: tuple[Value, ...]
    seen: Shape
    if isinstance(node, Scalar):
        values, seen = (number_or_null(node, report, what),), ()
    else:
        read = read_levels(node, report, what)
        values, seen = read.values, read.shape
    if seen != shape and not (count(shape) == count(seen) == 1):
        said = f"{quote(name)} is {shape_text(shape)}, so {what} must be that too"
        report.refuse("shape", f"{said}, not {shape_text(seen)}", node)
    return values


@dataclass(frozen=True)
class Upstream:
    """The loss of equations that has the given slopes, and the gradients as quantities. `views` are
    for a file with arrays: the gradients that are, and the loss."""

    loss: Formula
    samples: tuple[Mapping[str, Value], ...]  # of each sample, or one where none are listed
    views: tuple[View, ...]


def read_upstream(
    node: Node,
    report: Report,
    shapes: Mapping[str, Shape],
    taken: Container[str],
    samples: int | None,
) -> Upstream | None:
    """`upstream: {Z: [[1, 0], …]}` in equations: `shapes` are those of what is calculated."""
    terms: list[Formula] = []
    values: list[dict[str, Value]] = [{} for _ in range(1 if samples is None else samples)]
    views: list[View] = []
    of_arrays: list[Formula] = []
    for key, value in entries(node, report, "`upstream`", "names and gradients"):
        name, letter = key.text.strip(), f"g_{key.text.strip()}"
        if name not in shapes:
            report.unknown("`upstream`", name, key, shapes, kind="equation")
            continue
        for called in (letter, LOSS):
            if called in taken:
                why = f"{quote(called)} is what the sheet calls "
                why += "the loss" if called == LOSS else f"the gradient of {quote(name)}"
                report.error("bad-name", f"with `upstream` {why}", key, "rename yours")
        gradient = report.tried(read_gradient, value, name, shapes[name], samples)
        if gradient is None:
            continue
        names = entry_names(letter, shapes[name])
        terms.append(slopes_sum(names, entry_names(name, shapes[name])))
        for own, numbers in zip(values, gradient, strict=True):
            own.update(zip(names, numbers, strict=True))
        if shapes[name]:
            views.append(View(letter, shapes[name], tuple(map(Name, names))))
        pair = (Name(letter), Name(name))
        whole = Call("sum", (Shown("hadamard", pair),)) if shapes[name] else product(*pair)
        of_arrays.append(whole)
    views.append(View(LOSS, (), (Name(LOSS),), total(*of_arrays)))
    return Upstream(total(*terms), tuple(values), tuple(views)) if terms else None


def stands_alone(top: Fields, report: Report, *others: str) -> Node | None:
    """The value of `upstream`, which stands in place of some other keys."""
    node = top.get("upstream")
    for name in others if node is not None else ():
        if top.get(name) is not None:
            message = f"`upstream` gives the gradient of the outputs, and there is `{name}`"
            help = f"leave `{name}` out, or `upstream`"
            report.error("both-forms", message, top.key("upstream"), help)
    return node
