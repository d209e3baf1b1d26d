"""∂L/∂ each array as a formula between arrays, accumulated backwards over the array equations.

The gradients of single numbers are the truth. Every formula is evaluated as arrays and compared with
them; one that does not come to them is not a rule, and is not said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from backprop_cli.algebra.derivative import function_slope
from backprop_cli.arrays.array import MINUS_INFINITY, View, count, entry_names
from backprop_cli.arrays.evaluate import Evaluator, Grid
from backprop_cli.arrays.gradients import Back, Reason, Share
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.build import (
    ONE,
    ZERO,
    names_in,
    negative,
    number,
    replaced,
    substitute,
    total,
    walk,
)
from backprop_cli.formula.defined import variables
from backprop_cli.formula.functions import FUNCTIONS
from backprop_cli.formula.nodes import Call, Conditional, Formula, Name, Number, Quotient
from backprop_cli.formula.quantity import derivative_name
from backprop_cli.graph.penalty import slope as penalty_slope
from backprop_cli.graph.step import Graph
from backprop_cli.rules.activations import ACTIVATIONS
from backprop_cli.rules.losses import COMBINED

TOLERANCE = 1e-9
ROUNDING = 1e-12
"""What cancelling may cost, as a share of the numbers that come in."""
NOTHING_LEFT = 1e-14
"""A number that is no larger than this share of those that come in is a rounding error of 0."""


@dataclass(frozen=True)
class ArrayGradient:
    """∂L/∂ an array: what the equations that use it send back.

    `formula` is the sum of the shares, None where no rule holds; `short` is the same after
    cancelling. `values` are those of the single numbers, and of the rule where these have none.
    """

    name: str
    of: View
    shares: tuple[Share, ...]
    formula: Formula | None
    values: Grid
    short: Formula | None = None

    @property
    def view(self) -> View:
        """The array itself, by the names of its entries."""
        names = entry_names(self.of.name, self.of.shape)
        output = self.name.removesuffix(f"/d{self.of.name}").removeprefix("d")
        entries = (
            Name(derivative_name(output, entry.name if isinstance(entry, Name) else name))
            for entry, name in zip(self.of.entries, names, strict=True)
        )
        return View(self.name, self.of.shape, tuple(entries))

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return tuple(dict.fromkeys(reason for share in self.shares for reason in share.reasons))

    @property
    def constant(self) -> bool:
        """Whether it is a number whatever the numbers are, as ∂L/∂L₁ = 1 is."""
        return self.formula is not None and not names_in(self.formula)


class _Known(dict[str, Grid]):
    """Arrays by name, and single numbers."""

    def __init__(self, values: Mapping[str, float]) -> None:
        super().__init__()
        self.values_ = values

    def __missing__(self, name: str) -> Grid:
        return Grid((), [self.values_[name]])


@dataclass
class ArrayRules:
    """The gradients of a graph's arrays where its quantities have the numbers `values`."""

    graph: Graph
    values: Mapping[str, float]

    def __post_init__(self) -> None:
        known = _Known(self.values)
        for view in self.graph.arrays:
            known[view.name] = Grid(view.shape, [self._entry(each) for each in view.entries])
        self.evaluator = Evaluator(known)
        self.views = {view.name: view for view in self.graph.arrays}
        self.users: dict[str, list[str]] = {}
        for view in self.graph.arrays:
            if view.equation is not None and not view.rows:
                for name in names_in(view.equation):
                    self.users.setdefault(name, []).append(view.name)
        self.known = known
        self.found: dict[str, ArrayGradient] = {}  # of the loss that is at work, by array
        self.by_name: dict[str, ArrayGradient] = {}
        self.extra: dict[str, float] = {}  # entries that are calculated by no step

    def _entry(self, entry: Formula) -> float:
        if isinstance(entry, Name):
            return self.values[entry.name]
        return (
            -math.inf
            if entry == MINUS_INFINITY
            else float(entry.value)
            if isinstance(entry, Number)
            else math.nan
        )

    @cached_property
    def gradients(self) -> Sequence[ArrayGradient]:
        """In the order in which a person goes back: each array once all that use it are done, a
        parameter with the last of them."""
        losses = self.graph.losses
        found = [gradient for loss in losses for gradient in self._of(loss)]
        if len(losses) > 1:
            for view in self.graph.arrays:
                if not view.rows:
                    found += self._of_batch(view)
        return found

    def _of(self, loss: str) -> Iterator[ArrayGradient]:
        views = [view for view in self.graph.arrays if not view.rows]
        wanted = {view.name for view in views if self._truth(loss, view) is not None}
        for view in views:  # and what is 0 only here, as behind a state that begins with zeros
            if view.equation is not None and not wanted.isdisjoint(names_in(view.equation)):
                wanted.add(view.name)
        back = self.back = Back(self.evaluator, slope, wanted)
        shares: dict[str, list[Share]] = {}
        first: dict[str, str] = {}
        for view in views:
            for name in () if view.equation is None else names_in(view.equation):
                first.setdefault(name, view.name)
        leaves = [view for view in views if view.equation is None and view.name in wanted]
        for view in reversed(views):
            if view.equation is None:
                continue
            upstream: Formula | None = ONE if view.name == loss else None
            if view.name in wanted and upstream is None:
                gradient = self._gradient(loss, view, shares.get(view.name, ()))
                if gradient.shares or gradient.formula is None:
                    yield gradient
                if gradient.shares:
                    upstream = gradient.formula if gradient.constant else Name(gradient.name)
            if upstream is not None:
                for share in back.through(view.name, view.equation, upstream):
                    shares.setdefault(share.to, []).append(share)
            for leaf in leaves:
                if first.get(leaf.name) == view.name:
                    yield self._gradient(loss, leaf, shares.get(leaf.name, ()))

    def _truth(self, loss: str, view: View) -> list[float | None] | None:
        """∂loss/∂ each entry; None where there is none of them."""
        names = [
            derivative_name(loss, entry.name) if isinstance(entry, Name) else ""
            for entry in view.entries
        ]
        found = [self.values.get(name) for name in names]
        return found if any(value is not None for value in found) else None

    def _gradient(self, loss: str, view: View, shares: Sequence[Share]) -> ArrayGradient:
        shares = (*self._merged(shares), *self._penalties(loss, view))
        return self._held(loss, view, shares)

    def _held(self, loss: str, view: View, shares: Sequence[Share]) -> ArrayGradient:
        """The gradient with its rule, if that comes to the gradients of the single numbers."""
        name = derivative_name(loss, view.name)
        truth = self._truth(loss, view) or [None] * count(view.shape)
        formula = total(*(share.formula for share in shares)) if shares else None
        if not shares and all(value in (0, None) for value in truth):
            formula = Call("zeros", tuple(map(number, view.shape))) if view.shape else ZERO
        grid = None if formula is None else self.evaluator.value(formula)
        short = None if formula is None else self._short(loss, view, shares)
        if grid is not None and not self._holds(grid, view, truth, shares):
            # At extremes what cancels has to be cancelled before there are numbers: ∞ · 0.
            formula, grid = short, None if short is None else self.evaluator.value(short)
        rest = NOTHING_LEFT * self._largest(shares)
        else_ = [
            0.0 if abs(own) <= rest else own
            for own in (grid.values if grid else [0.0] * len(truth))
        ]
        gradient = ArrayGradient(name, view, tuple(shares), formula, Grid(view.shape, else_))
        names = (each.name for each in gradient.view.entries if isinstance(each, Name))
        missing = (value is None for value in truth)
        self.extra.update(
            (each, own) for each, own, none in zip(names, else_, missing, strict=True) if none
        )
        values = [own if value is None else value for own, value in zip(else_, truth, strict=True)]
        self.known[name] = Grid(view.shape, values)
        gradient = replace(gradient, values=self.known[name], short=short)
        self.found[view.name] = self.by_name[name] = gradient
        return gradient

    def _holds(
        self, grid: Grid, view: View, truth: Sequence[float | None], shares: Sequence[Share]
    ) -> bool:
        if grid.shape != view.shape:
            return False
        known = [abs(value) for value in truth if value is not None]
        allowed = TOLERANCE * max(known, default=0) + ROUNDING * self._largest(shares)
        return all(
            value is None or value == own or abs(value - own) <= allowed
            for own, value in zip(grid.values, truth, strict=True)
        )

    def _largest(self, shares: Sequence[Share]) -> float:
        """The size of the largest number that goes into a rule."""
        used = {name for share in shares for name in names_in(share.formula)}
        sizes = (abs(each) for name in used for each in self.known[name].values)
        return max(filter(math.isfinite, sizes), default=0)

    def _short(self, loss: str, view: View, shares: Sequence[Share]) -> Formula | None:
        """P − Y, times what comes back to each row, where a cross-entropy meets its softmax or σ."""
        if len(shares) != 1 or loss not in self.views:
            return None
        outputs = self.views.get(shares[0].via)
        users = [] if outputs is None else self.users.get(outputs.name, [])
        if outputs is None or len(users) != 1 or outputs.equation is None:
            return None
        cancels = {activation for _, activation in COMBINED}
        if not isinstance(outputs.equation, Call) or outputs.equation.function not in cancels:
            return None
        user = self.views[users[0]]
        assert user.equation is not None
        if Call("ln", (outputs.letter,)) not in walk(user.equation):
            return None
        upstream = self._sent(loss, user)
        for name in names_in(user.equation):
            target = self.views.get(name)
            if target is None or target.shape != outputs.shape or target is outputs:
                continue
            left = total(outputs.letter, negative(target.letter))
            rows = upstream
            if self.back.shape(upstream):
                rows = self.back.reshaped(upstream, (*view.shape[:-1], 1))
            for size in sorted({1, *view.shape, count(view.shape)}):
                found = self.back.over(self.back.times(rows, left), number(size))
                truth = self._truth(loss, view) or ()
                if self._holds(self.evaluator.value(found), view, truth, shares):
                    return found
        return None

    def _sent(self, loss: str, view: View) -> Formula:
        """∂L/∂ the result of an equation as others write it."""
        if view.name == loss:
            return ONE
        found = self.found[view.name]
        return found.formula if found.constant and found.formula is not None else Name(found.name)

    def _merged(self, shares: Sequence[Share]) -> Sequence[Share]:
        """In the order of calculation; what one equation sends twice is one share."""
        found: dict[str, Share] = {}
        for share in reversed(shares):
            have = found.get(share.via)
            found[share.via] = (
                share
                if have is None
                else Share(
                    share.to,
                    share.via,
                    self.back.added(share.formula, have.formula),
                    (*share.reasons, *have.reasons),
                )
            )
        return tuple(found.values())

    def _penalties(self, loss: str, view: View) -> Iterator[Share]:
        if loss != self.graph.output:
            return
        names = {entry.name for entry in view.entries if isinstance(entry, Name)}
        for each in self.graph.penalties:
            if each.in_loss and names <= set(each.parameters):
                yield Share(view.name, "", penalty_slope(each, Name(view.name)), ())

    def _of_batch(self, view: View) -> Iterator[ArrayGradient]:
        """The mean or the sum over the samples."""
        output = self.graph.output
        if self._truth(output, view) is None:
            return
        names = [derivative_name(loss, view.name) for loss in self.graph.losses]
        own = [Name(name) for name in names if name in self.known]
        if not own:
            return
        for whole in (Quotient(total(*own), number(len(self.graph.losses))), total(*own)):
            shares = (Share(view.name, "", whole, ()), *self._penalties(output, view))
            found = self._held(output, view, shares)
            if found.formula is not None:
                break
        yield found


def slope(call: Call, at: int, result: Formula | None) -> tuple[Formula, Reason] | None:
    """The slope of a function as it is taught, by its result where that has a name."""
    row = FUNCTIONS.get(call.function)
    rule = None if row is None else ACTIVATIONS.get(row.name)
    if row is None:
        return None
    if rule is not None and at == 0:
        options = dict(zip(rule.options, call.arguments[1:], strict=False))
        numbers = {name: each for name, each in options.items() if isinstance(each, Number)}
        argument = call.arguments[0]
        if isinstance(result, Name) and not isinstance(rule.slope, Conditional):
            return rule.slope_of(argument, result.name, numbers), (rule.reason,)
        return rule.slope_call(argument, numbers), (rule.reason,)
    found = function_slope(row.name, len(call.arguments), at)
    if found is None:
        return None
    found = substitute(
        found, dict(zip(variables(len(call.arguments)), call.arguments, strict=True))
    )
    if result is not None:
        found = replaced(found, call, result)
    if isinstance(found, Conditional) and (found.then, found.otherwise) == (ONE, ZERO):
        found = found.condition
    return found, ()
