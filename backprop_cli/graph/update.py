"""The update as steps: clipping, penalties, and the optimizer's rule written out per parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from backprop_cli.formula.build import names_in, negative, product, quotient, substitute, total
from backprop_cli.formula.nodes import Call, Comparison, Conditional, Formula, Name, Number, Power
from backprop_cli.graph.naming import derivative_name
from backprop_cli.graph.parts import leaf
from backprop_cli.graph.slopes import linear_coefficients
from backprop_cli.graph.step import Graph, Kind, Leaf, LeafKind, Step
from backprop_cli.problem.model import Network, Optimizer, Problem
from backprop_cli.rules.optimizers import OPTIMIZERS

TWO = Number("2")


def with_updates(problem: Problem, graph: Graph) -> Graph:
    """The graph with a step `…_new` for every parameter that is trained.

    Order of the remedies, as in PyTorch: the gradient is clipped first (its norm is taken over
    all trained parameters), then l1 and l2 are added to it, then the optimizer moves.
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


@dataclass
class _Update:
    problem: Problem
    graph: Graph
    leaves: list[Leaf] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    carried: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.taken = {leaf.name for leaf in self.graph.leaves} | set(self.graph.step)
        self.trained = [
            name
            for name in self.graph.parameters
            if self.graph.leaf[name].trainable and self._has_gradient(name)
        ]

    def _has_gradient(self, name: str) -> bool:
        if self.problem.training.rule == "perceptron":
            return True
        return derivative_name(self.graph.output, name) in self.graph.step

    def graph_with_updates(self) -> Graph:
        self.eta = self._constant("eta", self.problem.learning_rate)
        if self.problem.training.rule == "perceptron":
            self._perceptron()
        else:
            gradients = self._penalised(self._clipped())
            self._optimizer_steps(gradients)
        return replace(
            self.graph,
            leaves=(*self.graph.leaves, *self.leaves),
            steps=(*self.graph.steps, *self.steps),
            carried=self.carried,
        )

    def _fresh(self, name: str) -> str:
        """The name, with an underscore behind it where the author uses it for something else."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _constant(self, name: str, value: Number | None, kind: LeafKind = "constant") -> Name:
        fresh = self._fresh(name)
        self.leaves.append(leaf(fresh, kind, value))
        return Name(fresh)

    def _step(self, name: str, formula: Formula, parameter: str | None, kind: Kind) -> str:
        gradient = self._gradient_step(parameter) if parameter is not None else None
        unit = gradient.unit if gradient is not None else None
        self.steps.append(Step(name, formula, "update", kind, unit=unit, of=parameter))
        return name

    def _gradient_step(self, parameter: str) -> Step | None:
        return self.graph.step.get(derivative_name(self.graph.output, parameter))

    # Remedies

    def _clipped(self) -> dict[str, Formula]:
        raw: dict[str, Formula] = {
            name: Name(derivative_name(self.graph.output, name)) for name in self.trained
        }
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

    def _penalised(self, gradients: Mapping[str, Formula]) -> dict[str, Formula]:
        """The gradient that the optimizer is given: a step `g_…` where it is not the bare one."""
        training = self.problem.training
        l1 = self._constant("lambda1", training.l1) if training.l1.value else None
        l2 = self._constant("lambda2", training.l2) if training.l2.value else None
        if l1 is None and l2 is None and training.clip is None:
            return dict(gradients)
        found: dict[str, Formula] = {}
        for name, gradient in gradients.items():
            terms = [gradient]
            if l2 is not None:
                terms.append(product(l2, Name(name)))
            if l1 is not None:
                terms.append(product(l1, Call("abs'", (Name(name),))))
            step = self._step(self._fresh(f"g_{name}"), total(*terms), name, "penalty")
            found[name] = Name(step)
        return found

    # Rules

    def _optimizer_steps(self, gradients: Mapping[str, Formula]) -> None:
        optimizer = optimizer_of(self.problem)
        common: dict[str, Formula] = {"eta": self.eta}
        for name, option in optimizer.options.items():
            common[name] = self._constant(name, option)
        if any("t" in names_in(formula) for formula in optimizer.equations.values()):
            common["t"] = self._constant("t", Number("1"), "state")
        for parameter, gradient in gradients.items():
            values = {**common, "w": Name(parameter), "g": gradient}
            for state, start in optimizer.state.items():
                values[state] = self._constant(f"{state}_{parameter}", start, "state")
            for name, formula in optimizer.equations.items():
                written = substitute(formula, values)
                if name == "w":
                    new = self._step(self._fresh(f"{parameter}_new"), written, parameter, "update")
                    self.carried[parameter] = new
                elif name in optimizer.state:
                    old = values[name]
                    assert isinstance(old, Name)
                    new = self._step(self._fresh(f"{old.name}_new"), written, parameter, "state")
                    self.carried[old.name] = new
                else:
                    new = self._step(
                        self._fresh(f"{name}_{parameter}"), written, parameter, "state"
                    )
                values[name] = Name(new)

    def _perceptron(self) -> None:
        """w ← w + η(t − y)x for what enters the output units; one sample at a time."""
        network = self.problem.model
        assert isinstance(network, Network)
        outputs = [
            step
            for step in self.graph.steps
            if step.kind == "preactivation"
            and step.unit is not None
            and step.unit.layer == len(network.layers)
        ]
        for step in outputs:
            assert step.unit is not None
            suffix = "" if len(outputs) == 1 else str(step.unit.index)
            entering = linear_coefficients(step.formula) or {}
            for parameter, source in entering.items():
                if parameter not in self.trained:
                    continue
                formula = perceptron_rule(self.problem, parameter, self.eta, source, suffix)
                new = self._step(self._fresh(f"{parameter}_new"), formula, parameter, "update")
                self.carried[parameter] = new


def perceptron_rule(
    problem: Problem, weight: str, eta: Formula, source: Formula, suffix: str
) -> Formula:
    """w + η(t − y)x with the error t − y named e; or w + ηtx on a mistake only."""
    if problem.training.perceptron_update == "error":
        return total(Name(weight), product(eta, Name(f"e{suffix}"), source))
    target = Name(f"y{suffix}")
    moved = total(Name(weight), product(eta, target, source))
    mistake = Comparison(Name(f"yhat{suffix}"), "!=", target)
    return Conditional(mistake, moved, Name(weight))
