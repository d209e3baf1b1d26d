"""The picture of a network or of a graph of equations: nodes, edges, places, words."""

from __future__ import annotations

from itertools import pairwise

import pytest
from pages import NEURON, PROBLEMS, run

from backprop_cli.formula import plain
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.spelling import spell
from backprop_cli.render.reading import spoken
from backprop_cli.worksheet.diagram import diagram
from backprop_cli.worksheet.document import Diagram

SHEETS = sorted(path.stem for path in PROBLEMS.glob("*.yaml"))


def named(picture: Diagram) -> dict[str, tuple[float, str, str]]:
    return {
        written(node.name): (node.x, written(node.value), written(node.gradient))
        for node in picture.nodes
    }


def written(formula: Formula | None) -> str:
    return "" if formula is None else plain.write(formula)


def test_a_neuron() -> None:
    picture = diagram(run(NEURON))
    assert named(picture) == {
        "x1": (0, "1", ""),
        "x2": (0, "0.5", ""),
        "1": (0, "", ""),
        "yhat": (1, "0.5987", "0.5987"),
        "y": (1, "0", ""),
        "L": (2, "0.1792", ""),
    }
    edges = {
        (
            written(picture.nodes[edge.start].name),
            written(picture.nodes[edge.end].name),
            written(edge.label),
            written(edge.value),
        )
        for edge in picture.edges
    }
    assert edges == {
        ("x1", "yhat", "w1_1_1", "0.4"),
        ("x2", "yhat", "w1_1_2", "-0.2"),
        ("1", "yhat", "b1_1", "0.1"),
        ("yhat", "L", "", ""),
        ("y", "L", "", ""),
    }
    assert spoken(picture.description, spell) == (
        "A 2-1 network: 2 inputs, then a layer of 1 unit. Each circle holds a value, and below it"
        " the gradient of the loss by it; the lines carry the weights."
    )


def test_equations() -> None:
    picture = diagram(run("sum-times-circuit"))
    assert named(picture) == {
        "x": (0, "-2", "-4"),
        "y": (0, "5", "-4"),
        "z": (1, "-4", "3"),  # just before it is used
        "q": (1, "3", "-4"),
        "f": (2, "-12", "1"),
    }


@pytest.mark.parametrize("source", SHEETS)
def test_no_two_nodes_share_a_place_and_lines_go_to_the_right(source: str) -> None:
    picture = diagram(run(source, show=1))
    places = sorted((node.x, node.y) for node in picture.nodes)
    assert all(first != second for first, second in pairwise(places))
    for edge in picture.edges:
        assert picture.nodes[edge.start].x <= picture.nodes[edge.end].x


def test_missing_connections_are_not_drawn() -> None:
    picture = diagram(
        run("inputs: [1, 2]\nlayers: [{activation: relu, weights: [[3, null], [5, 7]]}]\n")
    )
    assert len(picture.edges) == 3


def test_too_many_lines_go_without_names() -> None:
    picture = diagram(
        run(
            """
            inputs: [1, 2, 3, 4, 5, 6, 7, 8]
            layers: [{activation: relu, units: 8, weights: {init: uniform, low: 0, high: 1}}]
            """
        )
    )
    assert len(picture.edges) == 64
    assert all(edge.label is None for edge in picture.edges)


@pytest.mark.parametrize("stem", SHEETS)
def test_a_blank_one_has_no_numbers_but_the_given_ones(stem: str) -> None:
    filled = run((PROBLEMS / f"{stem}.yaml").read_text(encoding="utf-8"))
    given = set(filled.iterations[0].graph.leaf)
    picture = diagram(filled, blank=True)
    assert all(not node.gradient for node in picture.nodes)
    for node in picture.nodes:
        assert not node.value or plain.write(node.name) in given
    whole = diagram(filled)
    assert [node.name for node in picture.nodes] == [node.name for node in whole.nodes]
    assert picture.edges == whole.edges
    assert "holds a value" not in spoken(picture.description, spell)
