"""Slips that are made with whole arrays: entry by entry, what each would have made of a step.

A matrix taken with rows and columns exchanged, two matrices multiplied in the wrong order, rows that
were not added up, a kernel that was flipped, a window that starts elsewhere: each gives another
equation to every entry. Over an array it is one idea, whatever the entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeAlias

from backprop_cli.arrays.array import View, places
from backprop_cli.dataclass import dataclass
from backprop_cli.formula import plain
from backprop_cli.formula.build import names_in, product, put_together, rebuild, rename
from backprop_cli.formula.nodes import Call, Formula, Name, Number, Quotient, Shown, Sum
from backprop_cli.graph.array_rules import ArrayRules, parts_of
from backprop_cli.graph.step import Graph, Step
from backprop_cli.graph.views import all_views
from backprop_cli.marking.model import Code

Place: TypeAlias = tuple[int, ...]


class ArraySlip(NamedTuple):
    """A step as a slip makes it; `role` tells ideas of one code apart."""

    code: Code
    message: str
    formula: Formula
    role: str


class Throughout(NamedTuple):
    """A slip wherever it can be made: the formulas of the steps that it changes."""

    code: Code
    message: str
    formulas: dict[str, Formula]


class _Factor(NamedTuple):
    """An operand of a matrix product: a matrix by its name, perhaps transposed."""

    name: str
    shape: tuple[int, int]
    entry: Callable[[int, int], str | None]


@dataclass(frozen=True)
class ArraySlips:
    """The slips of the entries of a graph's arrays. `values` are numbers of its quantities, by which
    rules between arrays are found."""

    graph: Graph
    values: Mapping[str, float]

    @cached_property
    def views(self) -> dict[str, View]:
        return {view.name: view for view in all_views(self.graph)}

    @cached_property
    def where(self) -> dict[str, tuple[View, Place]]:
        """The array of each entry, and its place there; of an array of all times its row's."""
        found: dict[str, tuple[View, Place]] = {}
        for view in self.views.values():
            for entry, place in zip(view.entries, places(view.shape), strict=True):
                if isinstance(entry, Name) and entry.name and not view.rows:
                    found.setdefault(entry.name, (view, place))
        return found

    @cached_property
    def rules(self) -> ArrayRules:
        return ArrayRules(self.graph, self.values)

    @cached_property
    def formulas(self) -> dict[str, Formula]:
        """What each array is calculated by, in other arrays."""
        found = {v.name: v.equation for v in self.views.values() if v.equation is not None}
        for gradient in self.rules.gradients:
            if gradient.formula is not None:
                found[gradient.name] = gradient.formula
        return found

    @cached_property
    def throughout(self) -> dict[str, Throughout]:
        """Each slip made in all entries of an array, and in all arrays where it can be made: the
        steps that come out otherwise, by a word for the slip."""
        found: dict[str, Throughout] = {}
        for step in self.graph.steps:
            own: dict[str, None] = {}
            for slip in self.of(step):
                array = self.where[step.name][0].name
                for where in (array, step.section, "everywhere"):
                    kind = f"{slip.code} {slip.role} {where}"
                    if kind not in own:  # of several in one entry the first
                        own[kind] = None
                        if kind not in found:
                            found[kind] = Throughout(slip.code, slip.message, {})
                        found[kind].formulas[step.name] = slip.formula
        alike: set[tuple[tuple[str, Formula], ...]] = set()
        for kind, each in list(found.items()):
            made = tuple(each.formulas.items())
            if len(made) < 2 or made in alike:
                del found[kind]
            alike.add(made)
        return found

    def of(self, step: Step) -> Iterator[ArraySlip]:
        """The slips of one entry; none that needs what is nowhere calculated."""
        if step.name not in self.where:
            return
        for slip in self._all(step):
            if all(name in self.values for name in names_in(slip.formula)):
                yield slip

    def _all(self, step: Step) -> Iterator[ArraySlip]:
        view, place = self.where[step.name]
        formula = self._written_out(step)
        rule = self.formulas.get(view.name)
        if step.section in ("backward", "gradient", "forward"):
            yield from self._mirrored(view, place)
        if rule is not None:
            yield from self._operands(rule, formula, place)
            yield from self._kernels(rule, formula)
            yield from self._windows(view, rule, formula, place)
        yield from self._sums(step, view, rule)
        yield from self._diagonal(step)
        yield from self._scale(formula)

    def _written_out(self, step: Step) -> Formula:
        """The step with the formulas of its local derivatives."""
        steps = self.graph.step
        slopes = {
            name: steps[name].formula
            for name in names_in(step.formula)
            if name in steps and steps[name].kind == "slope"
        }
        return put_together(step.formula, slopes) if slopes else step.formula

    # --- rows and columns ---

    def _mirrored(self, view: View, place: Place) -> Iterator[ArraySlip]:
        """The entry that stands at this place of the transposed matrix."""
        if len(view.shape) != 2 or view.shape[0] != view.shape[1] or place[0] == place[1]:
            return
        entry = view.entries[place[1] * view.shape[1] + place[0]]
        other = self.graph.step.get(entry.name) if isinstance(entry, Name) else None
        if other is not None:
            message = f"rows and columns of {view.name} are exchanged: this is the transpose"
            yield ArraySlip("transposed", message, self._written_out(other), "result")

    def _operands(self, rule: Formula, formula: Formula, place: Place) -> Iterator[ArraySlip]:
        """A factor of a matrix product transposed, or the factors in the other order."""
        for part in parts_of(rule):
            if not isinstance(part, Shown) or part.form != "matmul" or len(part.operands) != 2:
                continue
            one, other = map(self._factor, part.operands)
            for factor, operand in ((one, part.operands[0]), (other, part.operands[1])):
                if factor is None or factor.shape[0] != factor.shape[1] or factor.shape[0] < 2:
                    continue
                turned = isinstance(operand, Shown)
                message = (
                    f"{factor.name} was taken as it is; its transpose belongs here"
                    if turned
                    else f"{factor.name} was taken transposed; it belongs here as it is"
                )
                mirror = self._mirror(factor.name)
                yield ArraySlip("transposed", message, rename(formula, mirror), f"{turned}")
            if one is None or other is None or one.shape != other.shape:
                continue
            if one.shape[0] != one.shape[1] or one.shape[0] < 2 or len(place) != 2:
                continue
            exchanged: dict[str, str] = {}
            for k in range(one.shape[0]):
                pairs = (
                    (one.entry(place[0], k), other.entry(place[0], k)),
                    (other.entry(k, place[1]), one.entry(k, place[1])),
                )
                exchanged.update((a, b) for a, b in pairs if a is not None and b is not None)
            message = f"the factors {one.name} and {other.name} were multiplied in the other order"
            changed = rename(formula, lambda name, e=exchanged: e.get(name, name))  # type: ignore[misc]
            yield ArraySlip("matrix-order", message, changed, "")

    def _factor(self, operand: Formula) -> _Factor | None:
        match operand:
            case Name(name) if name in self.views and len(self.views[name].shape) == 2:
                view = self.views[name]
                rows, columns = view.shape

                def entry(row: int, column: int) -> str | None:
                    found = view.entries[row * columns + column]
                    return found.name if isinstance(found, Name) else None

                return _Factor(name, (rows, columns), entry)
            case Shown("transpose", (Name() as inner,)) if found := self._factor(inner):
                rows, columns = found.shape
                return _Factor(found.name, (columns, rows), lambda i, j: found.entry(j, i))
            case _:
                return None

    def _mirror(self, name: str) -> Callable[[str], str]:
        view = self.views[name]
        size = view.shape[0]
        exchanged: dict[str, str] = {}
        for at, entry in enumerate(view.entries):
            other = view.entries[at % size * size + at // size]
            if isinstance(entry, Name) and isinstance(other, Name):
                exchanged[entry.name] = other.name
        return lambda each: exchanged.get(each, each)

    # --- kernels and windows ---

    def _kernels(self, rule: Formula, formula: Formula) -> Iterator[ArraySlip]:
        """The kernel turned round where it belongs as it is, or the other way."""
        for part in parts_of(rule):
            if not isinstance(part, Call):
                continue
            levels = {"conv1d": 1, "conv2d": 2, "full": 2}.get(part.function)
            at = 2 if part.function == "full" else 1
            if part.function == "full":
                last = part.arguments[-1]
                levels = int(last.value) if isinstance(last, Number) else 2
            kernel = part.arguments[at] if levels is not None else None
            if levels is None or not isinstance(kernel, Name) or kernel.name not in self.views:
                continue
            forward = part.function != "full"
            message = (
                f"the kernel {kernel.name} was flipped; here it is laid over the image as it is"
                if forward
                else f"the kernel {kernel.name} was not flipped; going back it is turned round"
            )
            flipped = self._flipped(self.views[kernel.name], levels)
            yield ArraySlip("kernel-flipped", message, rename(formula, flipped), f"{forward}")

    def _flipped(self, view: View, levels: int) -> Callable[[str], str]:
        names = dict(zip(places(view.shape), view.entries, strict=True))
        found: dict[str, str] = {}
        for place, entry in names.items():
            front, own = place[:-levels], place[-levels:]
            sizes = view.shape[-levels:]
            other = names[(*front, *(size - 1 - at for size, at in zip(sizes, own, strict=True)))]
            if isinstance(entry, Name) and isinstance(other, Name):
                found[entry.name] = other.name
        return lambda each: found.get(each, each)

    def _windows(
        self, view: View, rule: Formula, formula: Formula, place: Place
    ) -> Iterator[ArraySlip]:
        """The window of another place: moved by one, or by a stride of 1."""
        for part in parts_of(rule):
            if not isinstance(part, Call) or part.function not in _LEVELS:
                continue
            image = part.arguments[0]
            levels = min(_LEVELS[part.function], len(view.shape))
            if not isinstance(image, Name) or image.name not in self.views:
                continue
            corner = place[-levels:]
            stride = self._stride(part)
            moves: list[tuple[str, Sequence[int]]] = []
            if stride > 1 and any(corner):
                moves.append(("stride", [-at * (stride - 1) for at in corner]))
            for axis in range(levels):
                step = [0] * levels
                for way in (1, -1):
                    step[axis] = way
                    moves.append((f"{axis} {way}", list(step)))
            for role, move in moves:
                moved = self._moved(self.views[image.name], move, formula)
                if moved is not None:
                    said = "starts elsewhere" if role != "stride" else "moves on by 1 only"
                    message = f"the window over {image.name} {said}"
                    yield ArraySlip("wrong-window", message, moved, role)

    def _stride(self, call: Call) -> int:
        for part in call.arguments:
            match part:
                case Call("stride=", (Number() as found,)):
                    return int(found.value)
        numbers = [part for part in call.arguments[1:] if isinstance(part, Number)]
        if call.function.endswith("pool"):
            return int(numbers[-1].value) if numbers else 1
        return int(numbers[0].value) if numbers else 1

    def _moved(self, view: View, move: Sequence[int], formula: Formula) -> Formula | None:
        names = dict(zip(places(view.shape), view.entries, strict=True))
        at = {entry.name: place for place, entry in names.items() if isinstance(entry, Name)}
        found: dict[str, str] = {}
        for name in names_in(formula):
            if name in at:
                place = at[name]
                levels = len(move)
                own = tuple(p + m for p, m in zip(place[-levels:], move, strict=True))
                other = names.get((*place[:-levels], *own))
                if not isinstance(other, Name):
                    return None
                found[name] = other.name
        return rename(formula, lambda each: found.get(each, each))

    # --- sums and scales ---

    def _sums(self, step: Step, view: View, rule: Formula | None) -> Iterator[ArraySlip]:
        """Of the rows that have to be added up, only one."""
        if step.section not in ("backward", "gradient") or not isinstance(step.formula, Sum):
            return
        if rule is None or not any(_adds_rows(part) for part in parts_of(rule)):
            return
        count = len(step.formula.terms)
        for at, term in enumerate(step.formula.terms, 1):
            message = f"this is row {at} alone: the gradient is the sum of all {count} rows"
            yield ArraySlip("missing-sum", message, term, str(at))
        mean = Quotient(step.formula, Number(str(count)))
        yield ArraySlip("missing-sum", f"the mean of the {count} rows was taken", mean, "mean")

    def _diagonal(self, step: Step) -> Iterator[ArraySlip]:
        """Of the paths through a softmax only that of a score's own share."""
        for link in step.links:
            child = self.graph.step[link.child]
            if link.slope is None or link.upstream is None or child.applied is None:
                continue
            own = len(step.links) > 1 and len(child.applied.arguments) > 1
            if own and child.applied.argument == Name(step.of or ""):
                message = (
                    "of a softmax only the slope of each share by its own score was taken; every "
                    "share depends on every score of its line"
                )
                formula = product(Name(link.upstream), Name(link.slope))
                yield ArraySlip("softmax-diagonal", message, formula, "")

    def _scale(self, formula: Formula) -> Iterator[ArraySlip]:
        """Without a division by a number: 1/√d, 1/N."""
        scales: dict[Formula, None] = {}
        for part in parts_of(formula):
            if isinstance(part, Quotient) and not names_in(part.denominator):
                scales[part.denominator] = None
        for scale in scales:
            bare = _without(formula, scale)
            text = plain.write(scale)
            yield ArraySlip("missing-scale", f"the division by {text} was left out", bare, "")


_LEVELS = {"conv1d": 1, "conv2d": 2, "max_pool": 2, "avg_pool": 2}


def _adds_rows(part: Formula) -> bool:
    return isinstance(part, Call) and part.function == "sum"


def _without(formula: Formula, scale: Formula) -> Formula:
    match formula:
        case Quotient(above, below) if below == scale:
            return _without(above, scale)
        case _:
            return rebuild(formula, lambda part: _without(part, scale))
