"""Slips that are made with whole arrays: an equation between arrays written otherwise, or a way back
through one left out, written out as equations of single numbers.

A matrix taken with rows and columns exchanged, a sum along the wrong axis, a kernel that was flipped,
a window that starts elsewhere: each is an edit of an equation. It is made on the way forward, going
back, or both ways; going back to all that stands in the equation or to one part of it; in one array,
at all times, or wherever it can be made. Over all of these it is one idea.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from operator import ge
from typing import NamedTuple, TypeAlias

from backprop_cli.algebra.derivative import NotDifferentiable, derivatives
from backprop_cli.arrays.array import (
    AS,
    KEYWORD,
    MINUS_INFINITY,
    Array,
    ArrayError,
    View,
    argument,
    arguments_of,
    places,
)
from backprop_cli.arrays.expand import Expansion
from backprop_cli.arrays.workshop import Workshop
from backprop_cli.dataclass import dataclass
from backprop_cli.formula import plain
from backprop_cli.formula.build import (
    ONE,
    ZERO,
    Put,
    children,
    inside,
    names_in,
    negative,
    number,
    product,
    rebuild,
    substitute,
    terms_of,
    total,
    without,
)
from backprop_cli.formula.evaluate import as_float, evaluate
from backprop_cli.formula.nodes import (
    Call,
    Formula,
    Name,
    Number,
    Power,
    Product,
    Quotient,
    Shown,
    Sum,
)
from backprop_cli.graph.backward import link_product
from backprop_cli.graph.slopes import linear_coefficients
from backprop_cli.graph.step import Graph, Link, Step
from backprop_cli.marking.kept import grouped, kept, spread
from backprop_cli.marking.model import Code, Mistake, Throughout
from backprop_cli.rules.activations import ACTIVATIONS

Slopes: TypeAlias = Mapping[str, Mapping[str, Formula]]
"""∂child/∂parent, by child."""

SAME = 1e-9
MOST_ENTRIES = 400
"""Larger arrays are not written out otherwise."""
FORWARD, BACK, THROUGHOUT = "forward", "back", "throughout"
ITSELF, OTHERS = "back to itself", "back to the others"
EVERYWHERE = "everywhere"


class Edit(NamedTuple):
    """Another equation for an array.

    `kind` says what was done and where in the equation, `sort` to what, as far as that is done
    elsewhere too. Going back it may have another name (`back`), and another for the gradient of the
    very `part` that was changed, or not be made (`onward`). It is made there going back to what
    stands `inside`, where that is not all of the equation. One that is not `alone` is seen in a
    single number by other means.
    """

    kind: str
    equation: Formula
    code: Code
    message: str
    back: tuple[Code, str] | None = None
    part: str = ""
    of_part: str = ""
    sort: str = ""
    alone: bool = True
    onward: bool = False
    inside: Collection[str] | None = None

    def named(self, mode: str) -> tuple[Code, str]:
        if mode in (FORWARD, THROUGHOUT) or self.back is None:
            return self.code, self.message
        code, message = self.back
        return code, self.of_part if mode == ITSELF and self.of_part else message


@dataclass(frozen=True, eq=False)
class _Change:
    """An edit made: what the entries of an array come to."""

    view: View
    edit: Edit
    entries: Mapping[str, Formula]
    operands: Sequence[str]  # the arrays in the equation that have a gradient


@dataclass(frozen=True)
class ArraySlips:
    """The slips of the arrays of a graph. `values` are numbers of its quantities, by which what is
    written out is compared with the steps."""

    graph: Graph
    values: Mapping[str, float]

    @cached_property
    def views(self) -> dict[str, View]:
        return {view.name: view for view in self.graph.arrays if not view.rows}

    @cached_property
    def array_of(self) -> dict[str, View]:
        """The array that each quantity is an entry of; of several the one it is calculated in."""
        found: dict[str, View] = {}
        for view in self.views.values():
            for entry in view.entries:
                if isinstance(entry, Name):
                    found.setdefault(entry.name, view)
        return found

    @cached_property
    def times(self) -> dict[str, tuple[str, int]]:
        """For each row of an array of all times that array, and the row's number."""
        families = [view for view in self.graph.arrays if view.rows]
        return {row: (view.name, at) for view in families for at, row in enumerate(view.rows)}

    @cached_property
    def gradients(self) -> dict[str, list[Step]]:
        """The gradients of each quantity that are a sum over paths."""
        steps = self.graph.section("backward", "gradient")
        return grouped((step.of, step) for step in steps if step.of is not None and step.links)

    def stem(self, name: str) -> str:
        """What the arrays of one author's equation, or of all times, have in common."""
        return self.times[name][0] if name in self.times else name.partition("_")[0]

    # --- slips of whole sheets ---

    @cached_property
    def throughout(self) -> dict[str, Throughout]:
        """Each slip in one array, in those that belong together, and in all arrays where it can be
        made, by a word for it."""
        rows = (
            (
                f"{change.edit.kind} {mode}",
                (name, self.stem(name), f"every {change.edit.sort}", EVERYWHERE),
                (mode, change),
                change,
            )
            for name in self.views
            for change in self.changes(name)
            for mode in self._modes(change)
        )
        paths = (
            (path.kind, (array, self.stem(array), EVERYWHERE), step.name, path)
            for x, steps in self.gradients.items()
            for array in (self.array_of[x].name if x in self.array_of else x,)
            for step in steps
            for path in self._paths(step)
        )
        made = {kind: self._thrown(tuple(group)) for kind, group in spread(rows)}
        left = {kind: self._left(group) for kind, group in spread(paths) if len(group) > 1}
        return made | left

    def _modes(self, change: _Change) -> Iterator[str]:
        if change.operands:
            yield THROUGHOUT
        yield FORWARD
        if change.operands and not change.edit.onward:
            itself = change.edit.part in change.operands
            if not itself or len(change.operands) > 1:
                yield BACK
            if itself:
                yield from (ITSELF, OTHERS)[: len(change.operands)]
            elif len(change.operands) > 1:
                yield from (f"{BACK} to {operand}" for operand in change.operands)

    def _thrown(self, made: Sequence[tuple[str, _Change]]) -> Throughout:
        mode, changes = made[0][0], [change for _, change in made]
        names: set[str] = set()
        for change in changes:
            if mode in (FORWARD, THROUGHOUT):
                names.update(change.entries)
            names.update(
                step.name for x in self._reached(change, mode) for step in self.gradients[x]
            )
        names.update(self._combined if mode != FORWARD else ())
        mistake = Mistake(*changes[0].edit.named(mode))
        return Throughout(mistake, frozenset(names), lambda: self._made(mode, changes))

    def _made(self, mode: str, changes: Sequence[_Change]) -> dict[str, Formula]:
        found: dict[str, Formula] = {}
        slopes: dict[str, dict[str, Mapping[str, Formula]]] = defaultdict(dict)
        for change in changes:
            if mode in (FORWARD, THROUGHOUT):
                found |= change.entries
            reached = dict.fromkeys(self._reached(change, mode))
            if mode == THROUGHOUT:
                reached |= dict.fromkeys(chain(*self._slopes(change).values()))
            for x in reached:
                slopes[x] |= self._slopes(change)
        for x, each in slopes.items():
            for step in self.gradients[x]:
                found[step.name] = self._summed(step, each)
        found |= self._uncombined(found)
        return found

    @cached_property
    def _moving(self) -> Collection[str]:
        """What has a gradient on the sheet, and what is made of that."""
        found = set(self.gradients)
        for step in self.graph.section("forward", "loss"):
            if not found.isdisjoint(names_in(step.formula)):
                found.add(step.name)
        return found

    @cached_property
    def _combined(self) -> frozenset[str]:
        return frozenset(step.name for step in self.graph.steps if step.product is not None)

    def _uncombined(self, found: Mapping[str, Formula]) -> dict[str, Formula]:
        """What rests on gradients that come out otherwise is no longer as simple as ŷ − y."""
        changed, apart = set(found), {}
        for step in self.graph.section("backward", "gradient"):
            combined = step.product if step.name not in found else None
            if combined is not None and not changed.isdisjoint(names_in(combined)):
                apart[step.name] = combined
            if not changed.isdisjoint(names_in(apart.get(step.name, step.formula))):
                changed.add(step.name)
        return apart

    def _reached(self, change: _Change, mode: str) -> Iterator[str]:
        """What stands in an equation and has a gradient, as far as a slip is made going back to it.
        One on the way forward is in the slopes by what was not in its place."""
        inside = change.operands if change.edit.inside is None else change.edit.inside
        for operand in change.operands:
            itself = operand == change.edit.part
            reached = {
                THROUGHOUT: True,
                FORWARD: operand not in inside,
                BACK: operand in inside,
                ITSELF: itself,
                OTHERS: operand in inside and not itself,
            }.get(mode, mode == f"{BACK} to {operand}" and operand in inside)
            if reached:
                yield from self._entries(operand)

    def _entries(self, name: str) -> Iterator[str]:
        entries = self.views[name].entries if name in self.views else (Name(name),)
        for entry in entries:
            if isinstance(entry, Name) and entry.name in self.gradients:
                yield entry.name

    @kept
    def _slopes(self, change: _Change) -> Slopes:
        slopes = _of_shares(change.entries) or {
            entry: _derivatives(formula, self._moving) for entry, formula in change.entries.items()
        }
        return {entry: self._seen(own) for entry, own in slopes.items()}

    def _seen(self, slopes: Mapping[str, Formula]) -> Mapping[str, Formula]:
        """Slopes by what has a gradient on the sheet, through what has none there, as it reaches the
        loss only by the slip: a score that is masked, and what it alone is made of."""
        found: dict[str, Formula] = {}
        for name, slope in slopes.items():
            inner: Mapping[str, Formula] = {name: ONE} if name in self.gradients else {}
            if name in self._moving and not inner:
                inner = self._seen(_derivatives(self.graph.step[name].formula, self._moving))
            for x, own in inner.items():
                found[x] = total(found.get(x, ZERO), product(slope, own))
        return found

    def _summed(self, step: Step, slopes: Slopes) -> Formula:
        """A gradient whose paths through some children have other slopes."""
        terms = [link_product(link) for link in step.links if link.child not in slopes]
        weights = {link.child: link.weight for link in step.links}
        for child, own in slopes.items():
            upstream = self._upstream(child, step.over) if step.of in own else None
            if upstream is not None:
                terms.append(product(weights.get(child, ONE), upstream, own[step.of or ""]))
        return total(*terms)

    @kept
    def _upstream(self, child: str, over: str | None) -> Formula | None:
        """The gradient of a quantity; of one that has none on the sheet what it is made of."""
        if child == over:
            return ONE
        for step in self.gradients.get(child, ()):
            if step.over == over:
                return Name(step.name)
        terms = [
            product(up, slope)
            for user in (self._users.get(child, ()) if child not in self.gradients else ())
            if (up := self._upstream(user.name, over)) is not None
            for slope in _derivatives(user.formula, (child,)).values()
        ]
        return total(*terms) if terms else None

    @cached_property
    def _users(self) -> dict[str, list[Step]]:
        """What each quantity is put into."""
        steps = self.graph.section("forward", "loss")
        return grouped((name, step) for step in steps for name in names_in(step.formula))

    # --- slips of single numbers ---

    def of(self, step: Step) -> Iterator[tuple[Code, str, Formula, str]]:
        """The slips of one entry: each with what the step comes to, and what tells it from others of
        its code."""
        if step.section == "forward" or step.section == "loss":
            view = self.array_of.get(step.name)
            for change in () if view is None else self.changes(view.name):
                if change.edit.alone and step.name in change.entries:
                    edit = change.edit
                    yield edit.code, edit.message, change.entries[step.name], edit.kind
        elif step.of in self.gradients and step.links:
            own = {link.child: self.array_of.get(link.child) for link in step.links}
            for view in {each.name: each for each in own.values() if each is not None}.values():
                for change in self.changes(view.name):
                    if change.edit.alone and not change.edit.onward:
                        itself = step.of in self._entries(change.edit.part)
                        code, message = change.edit.named(ITSELF if itself else BACK)
                        formula = self._summed(step, self._slopes(change))
                        yield code, message, formula, change.edit.kind
            for path in self._paths(step):
                if path.alone:
                    yield path.code, path.message, path.make(step), path.kind

    # --- edits, written out ---

    @cached_property
    def known(self) -> dict[str, Array]:
        """The arrays by name; a quantity alone is one of a single number."""
        found: dict[str, Array] = _Known()
        for view in self.graph.arrays:
            found[view.name] = Array(view.shape, view.entries)
        return found

    @kept
    def changes(self, name: str) -> Sequence[_Change]:
        """The edits of an array's equation that give an array of its shape."""
        view = self.views[name]
        if view.equation is None or len(view.entries) > MOST_ENTRIES:
            return ()
        right = self._written(view, view.equation)
        if right is None or not all(self._is(name, formula) for name, formula in right.items()):
            return ()
        seen, found = [right], []
        operands = [
            name for name in names_in(view.equation) if next(self._entries(name), None) is not None
        ]
        for edit in self._edits(view, view.equation):
            entries = self._written(view, edit.equation, larger=edit.kind.startswith("stride"))
            if entries is not None and entries not in seen:
                seen.append(entries)
                found.append(_Change(view, edit, entries, operands))
        return found

    def _written(
        self, view: View, equation: Formula, larger: bool = False
    ) -> dict[str, Formula] | None:
        """What each entry comes to; of a larger result those that have a place."""
        value, shape = self._expanded(equation), view.shape
        if value is None:
            return None
        if value.shape != shape and not (
            larger and len(value.shape) == len(shape) and all(map(ge, value.shape, shape))
        ):
            return None
        found = {}
        for entry, place in zip(view.entries, places(shape), strict=True):
            formula = value.at(place)
            if isinstance(entry, Name) and entry.name in self.graph.step:
                if formula == MINUS_INFINITY:
                    return None
                found[entry.name] = formula
        return found

    def _expanded(self, equation: Formula) -> Array | None:
        shop = Workshop(set())
        try:
            value = Expansion(shop, self.known).value(equation)
        except (ArrayError, KeyError):
            return None
        named: dict[str, Formula] = {}
        for name, formula in shop.equations.items():
            named[name] = substitute(formula, named)
        entries = (substitute(each, named) if named else each for each in value.entries)
        return Array(value.shape, tuple(entries))

    def _is(self, name: str, formula: Formula) -> bool:
        value, own = self.values[name], as_float(evaluate(formula, self.values.__getitem__))
        return math.isclose(value, own, rel_tol=SAME, abs_tol=SAME)

    def _edits(self, view: View, equation: Formula) -> Iterator[Edit]:
        name, shape = view.name, view.shape
        if len(shape) == 2 and shape[0] == shape[1] > 1:
            message = f"rows and columns of {name} are exchanged: this is the transpose"
            turned = f"rows and columns of the gradient of {name} are exchanged"
            yield Edit("turned", _turned(equation), "transposed", message, ("transposed", turned))
        lines = self._other_lines(equation)
        if lines != equation:
            down = any(map(self._down, (part for part, _ in inside(equation))))
            ways = ("along the rows", "down the columns")
            message = f"{name} was worked out {ways[not down]}; it goes {ways[down]}"
            yield Edit("lines", lines, "transposed", message)
        seen: dict[str, int] = defaultdict(int)
        for part, put in inside(equation):
            word = getattr(part, "form", getattr(part, "function", ""))
            at, seen[word] = seen[word], seen[word] + 1  # the first product, the second
            for edit in self._of_part(part, put, at, part is equation):
                yield edit._replace(inside=names_in(part))

    def _of_part(self, part: Formula, put: Put, at: int, whole: bool) -> Iterator[Edit]:
        for word, other, code, message in self._simply(part):
            yield Edit(word, put(other), code, message)
        match part:
            case Shown("matmul", (one, other)):
                yield from self._of_product(at, one, other, put)
            case Call("conv1d" | "conv2d" | "max_pool" | "avg_pool"):
                yield from self._of_windows(at, part, put)
            case Call(function, (argument_,)) if function in SIMPLE:
                yield from _of_function(function, argument_, put)
            case Product(factors) | Shown("hadamard", factors):
                for place, factor in enumerate(factors if names_in(part) else ()):
                    if names_in(factor):
                        rest = without(factors, place)
                        left = Shown("hadamard", rest) if len(rest) > 1 else rest[0]
                        message = f"the factor {plain.write(factor)} was left out"
                        yield Edit(
                            f"factor {plain.write(factor)}", put(left), "missing-factor", message,
                            part=plain.write(factor), alone=False,
                        )  # fmt: skip
            case Name(name) if self._masks(part) and name in self.views:
                for edit in self._unmasked(name):
                    yield edit._replace(equation=put(edit.equation))
            case Sum(terms):
                for place, term in enumerate(terms if whole else ()):
                    message = f"{plain.write(term)} was left out of the sum"
                    bias = isinstance(term, Name) and term.name in self.gradients
                    yield Edit(
                        f"term {place}", put(total(*without(terms, place))),
                        "missing-bias" if bias else "missing-path", message,
                        alone=False, onward=True,
                    )  # fmt: skip

    def _simply(self, part: Formula) -> Iterator[tuple[str, Formula, Code, str]]:
        """What may be written for a part: what was done, the other formula, and what to say."""
        match part:
            case Call("mean", (of, *_) as arguments):
                message = "the sum was taken; the mean divides it by the number of entries"
                yield "mean", Call("sum", arguments), "missing-scale", message
                if isinstance(of, Power) and (less := self._one_less(part)) is not None:
                    message = "the sum of the squares was divided by one less than their number"
                    yield "one less", less, "sum-not-mean", message
            case Quotient(above, below) if not names_in(below):
                message = f"the division by {plain.write(below)} was left out"
                yield "scale", above, "missing-scale", message
            case Call("sqrt", (of,)):
                message = "the root was left out: what stands under it was taken as it is"
                yield "root", of, "missing-factor", message
                match of:
                    case Sum((inner, small)) if not names_in(small):
                        root, said = Call("sqrt", (inner,)), plain.write(small)
                        message = f"{said} was left out under the root"
                        yield "small", root, "missing-path", message
                        message = f"{said} was added to the root; it belongs under it"
                        yield "outside", Sum((root, small)), "missing-path", message
            case Product((Name() as gate, whole)) | Shown("hadamard", (Name() as gate, whole)):
                match terms_of(whole):
                    case (Shown("matmul", (weights, of)), *rest):
                        message = (
                            f"{plain.write(of)} was multiplied by {gate.name} before it was weighed"
                        )
                        weighed = Shown("matmul", (weights, Shown("hadamard", (gate, of))))
                        yield "gate first", total(weighed, *rest), "matrix-order", message
            case Call("where", (_, *branches)):
                for place, branch in enumerate(branches):
                    message = f"the mask was left out: {plain.write(branch)} was taken everywhere"
                    yield f"mask {place}", branch, "missing-factor", message
            case Call("dropout", (value, _, keep)):
                message = f"the mask was left out: all of {plain.write(value)} was kept"
                yield "mask", value, "missing-factor", message
                yield "mask alone", Quotient(value, keep), "missing-factor", message
            case Sum(terms):
                if kept := [term for term in terms if not self._masks(term)]:
                    message = "the mask was left out: what is masked counts here as well"
                    yield "mask", total(*kept), "missing-factor", message
                match terms:
                    case (Product((one, first)), Product((other, second))) if not self._weigh(
                        one, other
                    ):
                        gates = plain.write(one), plain.write(other)
                        message = f"{' and '.join(gates)} stand each where the other belongs"
                        to = Sum((Product((other, first)), Product((one, second))))
                        yield "gates", to, "wrong-operand", message

    def _weigh(self, *parts: Formula) -> bool:
        """Whether weights or numbers stand here alone, and no gate that is worked out."""
        names = [names_in(part) for part in parts]
        return not all(
            each and all(name in self.views and self.views[name].equation for name in each)
            for each in names
        )

    def _one_less(self, mean: Formula) -> Formula | None:
        """A mean whose sum is divided by one less; None where that leaves nothing to divide by."""
        whole, squares = self._expanded(mean), self._expanded(next(iter(children(mean))))
        if whole is None or squares is None or len(squares.entries) <= 2 * len(whole.entries):
            return None
        count = len(squares.entries) // len(whole.entries)
        return product(Quotient(number(count), number(count - 1)), mean)

    def _unmasked(self, name: str) -> Iterator[Edit]:
        """A masked array that has a name, with what would stand where it is masked."""
        equation = self.views[name].equation
        for part, put in () if equation is None else inside(equation):
            edits = self._of_part(part, put, 0, False) if isinstance(part, Sum) else ()
            for edit in edits:
                value, masked = self._expanded(edit.equation), self.known[name]
                if value is not None and value.shape == masked.shape:
                    pairs = zip(masked.entries, value.entries, strict=True)
                    entries = (own if each == MINUS_INFINITY else each for each, own in pairs)
                    made = Name(f"{name} unmasked")
                    self.known[made.name] = Array(value.shape, tuple(entries))
                    yield edit._replace(equation=made)

    def _masks(self, term: Formula) -> bool:
        """Whether this adds minus infinity."""
        match term:
            case Name(name):
                return MINUS_INFINITY in self.known[name].entries
            case Call(function):
                return function == "causal_mask"
            case _:
                return False

    def _of_product(self, at: int, one: Formula, other: Formula, put: Put) -> Iterator[Edit]:
        for place, factor in enumerate((one, other)):
            turned = isinstance(factor, Shown) and factor.form == "transpose"
            inner = factor.operands[0] if isinstance(factor, Shown) and turned else factor
            if not isinstance(inner, Name) or len(self.known[inner.name].shape) != 2:
                continue
            both = (_turned(one), other) if place == 0 else (one, _turned(other))
            yield Edit(
                f"factor turned {at} {place}", put(Shown("matmul", both)), "transposed",
                _as_it_is(inner.name, turned), ("transposed", _as_it_is(inner.name, not turned)),
                inner.name, f"rows and columns of the gradient of {inner.name} are exchanged",
            )  # fmt: skip
        first, second = map(plain.write, (one, other))
        message = f"the factors {first} and {second} were multiplied in the other order"
        yield Edit(f"order {at}", put(Shown("matmul", (other, one))), "matrix-order", message)

    def _of_windows(self, at: int, call: Call, put: Put) -> Iterator[Edit]:
        """The kernel turned round; windows that start elsewhere."""
        convolves = call.function.startswith("conv")
        (image, *kernels), _ = arguments_of(call)
        if not isinstance(image, Name):
            return
        shape = self.known[image.name].shape
        levels = 1 if call.function == "conv1d" else min(2, len(shape))
        if convolves and isinstance(kernels[0], Name):
            kernel = kernels[0].name
            flipped = self._moved(kernel, levels, "flipped", lambda size, p, _: size - 1 - p)
            yield Edit(
                f"flipped {at}", put(_with(call, at=1, operand=flipped)), "kernel-flipped",
                f"the kernel {kernel} was flipped; here it is laid over the image as it is",
                ("kernel-flipped", f"the kernel {kernel} was not flipped; going back it is turned round"),
                kernel, f"the gradient of the kernel {kernel} is flipped: it lies as the kernel does",
            )  # fmt: skip
        stride = argument(call, "stride", 2)
        if stride != ONE and not (stride is None and convolves):
            one = _with(call, ONE, argument(call, "padding", 3) if convolves else None)
            said = f"the window over {image.name} moves on by 1 only"
            yield Edit(f"stride {at}", put(one), "wrong-window", said)
        fill = MINUS_INFINITY if call.function == "max_pool" else ZERO
        padding = argument(call, "padding", 3) if convolves else None
        room = int(padding.value) if isinstance(padding, Number) else 0
        for move in places((3,) * levels):
            step = [(p + 2) % 3 - 1 for p in move]  # one further, one back, not at all
            if any(step):
                word = f"moved {' '.join(map(str, step))}"
                way = {1: "one place too far", -1: "one place too early"}
                said = way[max(step, key=abs)] if min(step) * max(step) >= 0 else "elsewhere"
                message = f"the window over {image.name} starts {said}"
                by = [each - room for each in step]
                to = self._moved(image.name, levels, word, lambda size, p, m: p + m, by, fill, room)
                moved = _with(_with(call, stride, ZERO if room else padding), at=0, operand=to)
                yield Edit(f"{word} {at}", put(moved), "wrong-window", message)

    def _moved(
        self,
        name: str,
        levels: int,
        word: str,
        to: Callable[[int, int, int], int],
        by: Sequence[int] = (),
        fill: Formula = ZERO,
        room: int = 0,
    ) -> Name:
        """A name for the array with its entries at other places of its last levels, and `room`
        around them."""
        made = Name(f"{name} {word}")
        array = self.known[name]
        entries: list[Formula] = []
        sizes = array.shape[-levels:]
        shape = (*array.shape[:-levels], *(size + 2 * room for size in sizes))
        for place in places(shape):
            moves = by or [0] * levels
            own = [to(n, p, m) for n, p, m in zip(sizes, place[-levels:], moves, strict=True)]
            inside = all(0 <= p < n for p, n in zip(own, sizes, strict=True))
            entries.append(array.at((*place[:-levels], *own)) if inside else fill)
        self.known[made.name] = Array(shape, tuple(entries))
        return made

    def _other_lines(self, formula: Formula) -> Formula:
        """The same with everything that is taken along rows taken down columns, and the other way."""
        match formula:
            case Call(function, (operand, *rest)) if function in LINES:
                axis = argument(formula, "axis")
                if axis is None and function not in ("softmax", "log_softmax"):
                    return formula
                down = axis == ZERO
                others = [each for each in rest if not _is_axis(each)]
                along = Call(f"axis{KEYWORD}", (number(1 if down else 0),))
                return Call(function, (self._other_lines(operand), *others, along))
            case Call(function, (Name() as line, _, size)) if function == AS and size == ONE:
                return line
            case Name(name) if self._down(formula):
                return Call(AS, (formula, number(self.known[name].shape[0]), ONE))
            case _:
                return rebuild(formula, self._other_lines)

    def _down(self, part: Formula) -> bool:
        """Whether this is taken down the columns of a matrix, or is a number for each of them."""
        match part:
            case Call(function) as call if function in LINES:
                return argument(call, "axis") == ZERO
            case Name(name) if name in self.views and len(self.views[name].shape) == 1:
                found = self.views[name].equation
                return isinstance(found, Call) and self._down(found)
            case _:
                return False

    # --- paths left out ---

    def _left(self, made: Mapping[str, _Path]) -> Throughout:
        first, steps = next(iter(made.values())), self.graph.step
        return Throughout(
            Mistake(first.code, first.message),
            frozenset(made),
            lambda: {name: path.make(steps[name]) for name, path in made.items()},
        )

    def _paths(self, step: Step) -> Iterator[_Path]:
        """Ways of summing a gradient over some of its paths only."""
        own = self.array_of.get(step.of or "")
        name = step.of or "" if own is None else own.name
        vias: dict[str, View] = {}
        for link in step.links:
            if (array := self.array_of.get(link.child)) is not None:
                vias[array.name] = array
        few = own is None or len(own.shape) < 2
        yield from self._rows(step, few, list(vias.values()))
        if any(self._shared(step, link) for link in step.links):
            message = (
                "of a softmax only the slope of each share by its own score was taken; every share "
                "depends on every score of its line"
            )
            yield _Path(
                "diagonal", "softmax-diagonal", message,
                _kept(lambda link: not self._shared(step, link)), True,
            )  # fmt: skip
        later = [via for via in vias if self._later(via, name)]
        through = [via for via in later if self.times[via][0] != self.times[name][0]]
        for kind, left in (("time", later), ("gates", through)):
            if left and (left != later or kind == "time"):
                message = f"the paths through {' and '.join(left)} were left out of the gradient of {name}"
                yield _Path(kind, "missing-path", message, self._not_through(left), True)
        if len(vias) < 2:
            return
        stems = {via: self.times.get(via, (via, 0))[0] for via in vias}
        alike = len(set(stems.values())) == 1
        for stem in dict.fromkeys(stems.values() if not alike else ()):
            left = [via for via in vias if stems[via] == stem]
            message = (
                f"the path through {' and '.join(left)} was left out of the gradient of {name}"
            )
            yield _Path(f"without {stem}", "missing-path", message, self._not_through(left))
        for word, via in (("first", next(iter(vias))), ("last", next(reversed(vias)))):
            message = (
                f"only what comes back through {via} was counted; {name} was used {len(vias)} times"
            )
            code: Code = "missing-sum" if alike else "missing-path"
            yield _Path(f"only {word}", code, message, self._not_through({*vias} - {via}))

    def _not_through(self, arrays: Collection[str]) -> Callable[[Step], Formula]:
        own = {name for name in arrays for name in self._names(name)}
        return _kept(lambda link: link.child not in own)

    def _names(self, array: str) -> Iterator[str]:
        return (entry.name for entry in self.views[array].entries if isinstance(entry, Name))

    def _later(self, via: str, name: str) -> bool:
        """Whether one array belongs to a later time than another."""
        one, other = self.times.get(name), self.times.get(via)
        return one is not None and other is not None and other[1] > one[1]

    def _shared(self, step: Step, link: Link) -> bool:
        """Whether a path goes by another score of a softmax than that of the share itself."""
        applied = self.graph.step[link.child].applied
        joint = applied is not None and len(applied.arguments) > 1 and not applied.targets
        return joint and applied is not None and applied.argument != Name(step.of or "")

    def _rows(self, step: Step, alone: bool, vias: Sequence[View]) -> Iterator[_Path]:
        """Of the rows that have to be added up, only one."""
        if len(vias) != 1 or len(vias[0].shape) != 2 or len(step.links) < 2:
            return
        entries = zip(vias[0].entries, places(vias[0].shape), strict=True)
        where = {entry.name: place for entry, place in entries if isinstance(entry, Name)}
        rows = dict.fromkeys(where[link.child][0] for link in step.links)
        if len(rows) < 2 or (not alone and len({where[link.child][1] for link in step.links}) > 1):
            return
        for at in rows:
            message = f"this is row {at + 1} alone: the gradient is the sum of {len(rows)} rows"
            kept = _kept(lambda link, at=at: where[link.child][0] == at)  # type: ignore[misc]
            yield _Path(f"row {at}", "missing-sum", message, kept, alone)
        message = f"the mean of the {len(rows)} rows was taken, not their sum"
        yield _Path(
            "mean of rows", "missing-sum", message,
            lambda step: Quotient(step.formula, number(len(rows))), alone,
        )  # fmt: skip


class _Path(NamedTuple):
    """A gradient summed over some of its paths."""

    kind: str
    code: Code
    message: str
    make: Callable[[Step], Formula]
    alone: bool = False


LINES = frozenset(
    {"softmax", "log_softmax", "sum", "mean", "var", "std", "max", "min", "norm", "logsumexp"}
)
"""What is taken along one axis."""
SIMPLE = frozenset(row.name for row in ACTIVATIONS.values() if not row.layerwise)
SQUASHING = ("tanh", "sigmoid", "relu")


class _Known(dict[str, Array]):
    def __missing__(self, name: str) -> Array:
        return Array((), (Name(name),))


def _kept(keep: Callable[[Link], bool]) -> Callable[[Step], Formula]:
    return lambda step: total(*(link_product(link) for link in step.links if keep(link)))


def _derivatives(formula: Formula, of: Collection[str]) -> Mapping[str, Formula]:
    """The derivatives by those of some quantities that stand in a formula, where it has any."""
    names = [name for name in names_in(formula) if name in of]
    found = linear_coefficients(formula)
    if found is None:
        try:
            return derivatives(formula, names)
        except NotDifferentiable:
            return {}
    return {name: found[name] for name in names}


def _of_shares(entries: Mapping[str, Formula]) -> Slopes | None:
    """The slopes of the entries of a softmax by its scores, in terms of the entries."""
    lines: dict[Formula, dict[str, str]] = defaultdict(dict)  # by their sum: each score's entry
    for entry, formula in entries.items():
        match formula:
            case Quotient(Call("exp", (Name(score),)), Sum() as whole):
                lines[whole][score] = entry
            case _:
                return None
    return {
        entry: {
            other: product(Name(entry), total(ONE, negative(Name(entry))))
            if other == score
            else negative(product(Name(entry), Name(share)))
            for other, share in line.items()
        }
        for line in lines.values()
        for score, entry in line.items()
    }


def _turned(formula: Formula) -> Formula:
    match formula:
        case Shown("transpose", (inner,)):
            return inner
        case _:
            return Shown("transpose", (formula,))


def _as_it_is(name: str, wanted: bool) -> str:
    if wanted:
        return f"{name} was taken as it is; its transpose belongs here"
    return f"{name} was taken transposed; it belongs here as it is"


def _is_axis(part: Formula) -> bool:
    return isinstance(part, Call) and part.function == f"axis{KEYWORD}"


def _of_function(function: str, argument_: Formula, put: Put) -> Iterator[Edit]:
    title = ACTIVATIONS[function].title
    yield Edit(
        "function", put(argument_), "missing-activation", f"the activation {title} was not applied",
        ("missing-activation-derivative", f"the slope of {title} was left out"), sort=function,
        alone=False,
    )  # fmt: skip
    for other in SQUASHING:
        if other != function:
            message = f"{ACTIVATIONS[other].title} was applied where {title} belongs"
            to = put(Call(other, (argument_,)))
            yield Edit(
                f"{other} for", to, "wrong-activation", message,
                sort=function, alone=False, onward=True,
            )  # fmt: skip


def _with(
    call: Call,
    stride: Formula | None = None,
    padding: Formula | None = None,
    *,
    at: int = -1,
    operand: Formula | None = None,
) -> Call:
    """A call with another operand, or with another stride and padding."""
    if operand is not None:
        return Call(call.function, (*call.arguments[:at], operand, *call.arguments[at + 1 :]))
    pools = call.function.endswith("pool")
    settings = {"stride": stride, "padding": padding}
    if pools:
        settings["size"] = argument(call, "size", 1)
    named = (Call(key + KEYWORD, (value,)) for key, value in settings.items() if value is not None)
    return Call(call.function, (*arguments_of(call)[0][: 1 if pools else 2], *named))
