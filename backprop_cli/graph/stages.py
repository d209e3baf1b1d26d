"""The activations of a graph, one behind another: layers of a network, gates of a circuit."""

from __future__ import annotations

from collections.abc import Mapping

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import names_in
from backprop_cli.formula.nodes import Name
from backprop_cli.graph.step import Graph, Step


@dataclass(frozen=True)
class Stage:
    """What is as many activations away from the inputs: its pre-activations (those of every
    sample of the batch) and the rules applied to them. `label` is a layer's number or `output`,
    None where nothing but the names tells the stages apart."""

    preactivations: tuple[str, ...]
    rules: frozenset[str]
    label: str | None


def stages(graph: Graph) -> Mapping[int, Stage]:
    """The stages by their number, from 1 at the inputs."""
    found: dict[int, list[tuple[str, str | None]]] = {}
    layered = False
    depth: dict[str, int] = {}
    for step in graph.section("forward", "loss"):
        if step.unit is not None:
            layered = True
            if _is_preactivation(graph, step):
                found.setdefault(step.unit.layer, []).append((step.name, None))
            elif step.kind == "activation":
                found.setdefault(step.unit.layer, []).append(("", step.rule))
            continue
        below = max((depth.get(name, 0) for name in names_in(step.formula)), default=0)
        applied = activation_of(step)
        depth[step.name] = below + (applied is not None)
        if applied is not None:
            rule, argument = applied
            if argument in graph.step:
                found.setdefault(depth[step.name], []).append((argument, rule))
    last = max(found, default=0)
    return {
        number: Stage(
            tuple(dict.fromkeys(name for name, _ in parts if name)),
            frozenset(rule for _, rule in parts if rule),
            None if not layered else "output" if number == last else str(number),
        )
        for number, parts in sorted(found.items())
    }


def _is_preactivation(graph: Graph, step: Step) -> bool:
    # A linear output with sequential names is one equation, without a z of its own.
    return step.kind == "preactivation" or (
        step.kind == "activation"
        and step.rule is None
        and all(
            name not in graph.step or graph.step[name].unit != step.unit
            for name in names_in(step.formula)
        )
    )


def activation_of(step: Step) -> tuple[str, str] | None:
    """The rule that a step applies, and the quantity that it is applied to."""
    applied = step.applied
    if applied is None or applied.targets or not isinstance(applied.argument, Name):
        return None
    return applied.rule, applied.argument.name
