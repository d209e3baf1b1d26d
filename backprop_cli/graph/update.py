"""The update as steps: clipping, penalties, and the optimizer's rule written out per parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.formula.build import (
    names_in,
    negative,
    product,
    put_together,
    quotient,
    rename,
    total,
)
from backprop_cli.formula.nodes import Call, Comparison, Conditional, Formula, Name, Number, Power
from backprop_cli.formula.quantity import ahead_name, derivative_name, slope_name, updated
from backprop_cli.graph import penalty
from backprop_cli.graph.parts import leaf
from backprop_cli.graph.second import curvature, determinant_of, newton_step
from backprop_cli.graph.slopes import linear_coefficients
from backprop_cli.graph.step import Graph, Kind, Leaf, LeafKind, Link, Step
from backprop_cli.problem.model import Optimizer, Problem
from backprop_cli.rules.optimizers import NEWTON_STEP, OPTIMIZERS, Correction

TWO = Number("2")


def with_updates(problem: Problem, graph: Graph) -> Graph:
    """The graph with a step `…_new` for every parameter that is trained.

    Order of the remedies, as in PyTorch: the gradient is clipped first (its norm is taken over
    all trained parameters), then the slopes of l1 and l2 are added to it where they are not in the
    loss already, then the optimizer moves. Going up (`direction: ascent`) the optimizer is given
    the gradient with a minus, and the penalties are taken off.
    """
    if not problem.trains or problem.learning_rate is None:
        return graph
    return _Update(problem, graph).graph_with_updates()


def optimizer_of(problem: Problem) -> Optimizer:
    """The problem's optimizer; plain gradient descent where it names none."""
    if problem.training.optimizer is not None:
        return problem.training.optimizer
    row = OPTIMIZERS["sgd"]
    return Optimizer(row.name, row.state, row.equations, row.options)


def _adds_gradient(optimizer: Optimizer) -> bool:
    """Whether the rule of a file is plain ascent, w + eta*g."""
    eta, g = Name("eta"), Name("g")
    ways = [total(Name("w"), product(*step)) for step in ((eta, g), (g, eta))]
    return len(optimizer.equations) == 1 and optimizer.equations["w"] in ways


def _ahead(step: Step, link: Link | None) -> str:
    """The name of a step's copy in the pass at the look-ahead point."""
    if step.of is not None and step.over is not None:
        return derivative_name(step.over, ahead_name(step.of))
    if link is not None:
        return slope_name(ahead_name(link.child), ahead_name(link.parent))
    return ahead_name(step.name)


@dataclass
class _Update:
    problem: Problem
    graph: Graph
    leaves: list[Leaf] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    carried: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.taken = {leaf.name for leaf in self.graph.leaves} | set(self.graph.step)
        corrected = self.problem.training.correction is not None
        self.trained = [
            name
            for name in self.graph.parameters
            if self.graph.leaf[name].trainable
            and (corrected or derivative_name(self.graph.output, name) in self.graph.step)
        ]

    def graph_with_updates(self) -> Graph:
        self.eta = self._constant("eta", self.problem.learning_rate, title="Learning rate")
        if (correction := self.problem.training.correction) is not None:
            self._corrected(correction)
        else:
            optimizer = optimizer_of(self.problem)
            known = self._known(optimizer)
            points = self._points(optimizer, known)
            gradients = self._penalised(self._clipped(self._slopes_at(points)), points)
            if self.problem.training.newton:
                self._newton(known)
            self._optimizer_steps(optimizer, known, gradients)
        # The learning rate stands first among the constants of a sheet.
        strengths = tuple(leaf for leaf in self.graph.leaves if leaf.kind == "constant")
        given = tuple(leaf for leaf in self.graph.leaves if leaf.kind != "constant")
        eta, *others = self.leaves
        return replace(
            self.graph,
            leaves=(*given, eta, *strengths, *others),
            steps=(*self.graph.steps, *self.steps),
            carried=self.carried,
            ascends=self.ascends != _adds_gradient(optimizer_of(self.problem)),
        )

    def _fresh(self, name: str) -> str:
        """The name, with an underscore behind it where the author uses it for something else."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _constant(
        self, name: str, value: Number | None, kind: LeafKind = "constant", title: str = ""
    ) -> Name:
        fresh = self._fresh(name)
        self.leaves.append(leaf(fresh, kind, value, title=title))
        return Name(fresh)

    def _step(self, name: str, formula: Formula, parameter: str | None, kind: Kind) -> str:
        slope = derivative_name(self.graph.output, parameter or "")
        gradient = self.graph.step.get(slope)
        unit = gradient.unit if gradient is not None else None
        self.steps.append(Step(name, formula, "update", kind, unit=unit, of=parameter))
        return name

    # Remedies

    def _clipped(self, raw: dict[str, Formula]) -> dict[str, Formula]:
        clip = self.problem.training.clip
        if clip is None or not raw:
            return raw
        threshold = self._constant("threshold", clip.threshold)
        if clip.kind == "value":
            return {
                name: Call("max", (negative(threshold), Call("min", (threshold, gradient))))
                for name, gradient in raw.items()
            }
        squares = [Power(gradient, TWO) for gradient in raw.values()]
        norm = self._fresh("norm")
        self._step(norm, Call("sqrt", (total(*squares),)), None, "penalty")
        factor = self._fresh("clip")
        shrink = quotient(threshold, Name(norm))
        over = Comparison(Name(norm), ">", threshold)
        self._step(factor, Conditional(over, shrink, Number("1")), None, "penalty")
        return {name: product(Name(factor), gradient) for name, gradient in raw.items()}

    def _penalised(
        self, gradients: Mapping[str, Formula], points: Mapping[str, str]
    ) -> dict[str, Formula]:
        """The gradient that the optimizer is given: a step `g_…` where it is not the bare one."""
        found: dict[str, Formula] = {}
        for name, gradient in gradients.items():
            slopes = [
                penalty.slope(each, Name(points.get(name, name)))
                for each in self.graph.penalties
                if not each.in_loss and name in each.parameters
            ]
            if self.ascends:
                slopes = list(map(negative, slopes))
            if not slopes and self.problem.training.clip is None:
                found[name] = gradient
                continue
            whole = total(gradient, *slopes)
            found[name] = Name(self._step(self._fresh(f"g_{name}"), whole, name, "penalty"))
        return found

    @property
    def ascends(self) -> bool:
        return self.problem.training.direction == "ascent"

    # Rules

    def _known(self, optimizer: Optimizer) -> dict[str, dict[str, Formula]]:
        """What the letters of the rule stand for before the update, parameter by parameter."""
        common: dict[str, Formula] = {"eta": self.eta}
        for name, option in optimizer.options.items():
            common[name] = self._constant(name, option)
        points = () if optimizer.point is None else (optimizer.point,)
        if any("t" in names_in(formula) for formula in (*optimizer.equations.values(), *points)):
            common["t"] = self._constant("t", Number("1"), "state")
        known: dict[str, dict[str, Formula]] = {}
        for parameter in self.trained:
            values = known[parameter] = {**common, "w": Name(parameter)}
            for state, start in optimizer.state.items():
                first = optimizer.starts.get(state, {}).get(parameter, start)
                values[state] = self._constant(f"{state}_{parameter}", first, "state")
        return known

    def _newton(self, known: Mapping[str, dict[str, Formula]]) -> None:
        """n of every parameter: the step that the second derivatives make of the gradient."""
        determinant = determinant_of(curvature(self.graph, self.trained))
        if len(self.trained) > 1:
            determinant = Name(self._step(self._fresh("det"), determinant, None, "state"))
        for name, step in zip(
            self.trained, newton_step(self.graph, self.trained, determinant), strict=True
        ):
            known[name][NEWTON_STEP] = Name(
                self._step(self._fresh(f"n_{name}"), step, name, "state")
            )

    # The look-ahead point

    def _points(
        self, optimizer: Optimizer, known: Mapping[str, Mapping[str, Formula]]
    ) -> dict[str, str]:
        """A step for each parameter of the point where the gradient is taken; none where that is
        the parameter itself."""
        if optimizer.point is None:
            return {}
        return {
            name: self._step(
                self._fresh(ahead_name(name)), put_together(optimizer.point, values), name, "state"
            )
            for name, values in known.items()
        }

    def _slopes_at(self, points: Mapping[str, str]) -> dict[str, Formula]:
        """The gradients by their names: those on the sheet, or the pass worked out once more with
        the points in place of the parameters."""
        names = {name: derivative_name(self.graph.output, name) for name in self.trained}
        links = {link.slope: link for step in self.graph.steps for link in step.links}
        moved = dict(points)
        passed: list[Step] = []
        for step in self.graph.steps if points else ():
            if any(name in moved for name in names_in(step.numeric or step.formula)):
                moved[step.name] = self._fresh(_ahead(step, links.get(step.name)))
                passed.append(step)
        needed = {moved.get(name) for name in names.values()}
        copies: list[Step] = []
        for step in reversed(passed):
            if moved[step.name] not in needed:
                continue
            formula = rename(step.formula, lambda name: moved.get(name, name))
            numeric = step.numeric and rename(step.numeric, lambda name: moved.get(name, name))
            needed.update(names_in(formula))
            last = step.name in names.values()
            copies.append(
                Step(
                    moved[step.name],
                    formula,
                    "update",
                    "penalty" if last else "ahead",
                    sample=step.sample,
                    numeric=numeric,
                    of=step.of if last else None,
                )
            )
        self.steps += reversed(copies)
        return {name: Name(moved.get(slope, slope)) for name, slope in names.items()}

    def _optimizer_steps(
        self,
        optimizer: Optimizer,
        known: Mapping[str, Mapping[str, Formula]],
        gradients: Mapping[str, Formula],
    ) -> None:
        for parameter, gradient in gradients.items():
            uphill = negative(gradient) if self.ascends else gradient
            values = {**known[parameter], "g": uphill}
            for name, formula in optimizer.equations.items():
                old = values[name] if name == "w" or name in optimizer.state else None
                fresh = updated(old.name) if isinstance(old, Name) else f"{name}_{parameter}"
                kind: Kind = "update" if name == "w" else "state"
                written = put_together(formula, values)
                new = self._step(self._fresh(fresh), written, parameter, kind)
                if isinstance(old, Name):
                    self.carried[old.name] = new
                values[name] = Name(new)

    def _corrected(self, correction: Correction) -> None:
        """w ← w + η(t − y)x for what enters the output units; one sample at a time."""
        for output in self.graph.steps:
            if output.target is None:
                continue
            error = next(
                step for step in self.graph.section("loss") if output.name in names_in(step.formula)
            )
            known: dict[str, Formula] = {
                "eta": self.eta, "y": Name(output.target), "error": Name(error.name)
            }  # fmt: skip
            mistake = Comparison(Name(output.name), "!=", Name(output.target))
            z = self.graph.step[names_in(output.formula)[0]]  # of a step unit
            entering = linear_coefficients(z.formula) or {}
            for parameter, source in entering.items():
                if parameter not in self.trained:
                    continue
                w = Name(parameter)
                formula = total(w, put_together(correction.step, {**known, "x": source}))
                if correction.on_mistake:
                    formula = Conditional(mistake, formula, w)
                new = self._step(self._fresh(updated(parameter)), formula, parameter, "update")
                self.carried[parameter] = new
