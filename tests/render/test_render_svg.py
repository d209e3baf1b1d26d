"""Pictures: well-formed, described in words, nothing on top of anything else."""

from __future__ import annotations

import math
import re
import time
from itertools import combinations
from xml.etree import ElementTree

import pytest
import sheets
from commands import backprop

from backprop_cli.formula.nodes import Name, Negative, Number
from backprop_cli.formula.spelling import spell
from backprop_cli.render import drawing, mermaid, svg
from backprop_cli.render.layout import at
from backprop_cli.worksheet.document import (
    Curve,
    Diagram,
    DiagramEdge,
    DiagramNode,
    Series,
    Text,
)

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)


def text_of(element: ElementTree.Element) -> str:
    return "".join(element.itertext())


MINUS = Negative(Number("0.5678"))


def layered(*sizes: int) -> Diagram:
    """A network with every connection, weights named and numbered."""
    nodes = [
        DiagramNode(
            Name(f"a{x}_{y + 1}"), x, y + (max(sizes) - size) / 2, "hidden", Number("0.1234"), MINUS
        )
        for x, size in enumerate(sizes)
        for y in range(size)
    ]
    starts = [sum(sizes[:x]) for x in range(len(sizes))]
    edges = [
        DiagramEdge(starts[x] + i, starts[x + 1] + j, Name(f"w{x + 1}_{j + 1}_{i + 1}"), MINUS)
        for x in range(len(sizes) - 1)
        for i in range(sizes[x])
        for j in range(sizes[x + 1])
    ]
    return Diagram(tuple(nodes), tuple(edges), (Text("net"),), (Text("a net"),))


PICTURES = {
    "network": svg.draw(sheets.NETWORK, sheets.layered),
    "sigmoid": svg.draw(sheets.SIGMOID),
    "loss": svg.draw(sheets.LOSS),
    "hostile network": svg.draw(sheets.hostile().blocks[8], spell),  # type: ignore[arg-type]
    "hostile curve": svg.draw(sheets.hostile().blocks[7]),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES.keys())
def test_a_picture_says_in_words_what_it_shows(picture: str) -> None:
    root = parsed(picture)
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert text_of(title)
    assert text_of(description)
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES.keys())
def test_a_picture_is_self_contained_and_does_nothing(picture: str) -> None:
    tags = {element.tag.removeprefix(SVG) for element in parsed(picture).iter()}
    assert tags <= {
        "svg",
        "title",
        "desc",
        "style",
        "g",
        "path",
        "rect",
        "ellipse",
        "text",
        "tspan",
    }
    assert not re.search(r"href|url\(|@import|\son\w+=", re.sub(r">[^<]*<", "><", picture))


def test_hostile_titles_are_only_text() -> None:
    title = parsed(PICTURES["hostile network"]).find(f"{SVG}title")
    assert title is not None
    assert "<script>alert(1)</script>" in text_of(title)
    assert "\\u202e" in text_of(title)


def test_names_have_real_subscripts_and_values_a_real_minus() -> None:
    shown = text_of(parsed(PICTURES["network"]))
    assert "w11(1) = 0.42" in shown
    assert "∇ −0.0317" in shown
    assert "ŷ" in shown
    assert 'dy="' in PICTURES["network"]


def test_every_coordinate_is_a_number_inside_the_picture() -> None:
    for picture in PICTURES.values():
        root = parsed(picture)
        width, height = float(root.get("width", "0")), float(root.get("height", "0"))
        assert "nan" not in re.sub(r">[^<]*<", "><", picture)
        for element in root.iter(f"{SVG}text"):
            assert 0 <= float(element.get("x", "-1")) <= width
            assert 0 <= float(element.get("y", "-1")) <= height


@pytest.mark.parametrize("sizes", [(3, 2, 2, 1), (2, 2, 1), (4, 4, 2), (1, 1, 1, 1), (5, 3, 5)])
def test_labels_stand_apart_and_on_their_edges(sizes: tuple[int, ...]) -> None:
    picture = layered(*sizes)
    plan = drawing.plan(picture, sheets.layered)
    assert plan.unlabelled == 0
    boxes = [box for box in plan.labels if box is not None]
    assert not any(one.meets(other) for one, other in combinations(boxes, 2))
    assert not any(box.meets(node.box) for box in boxes for node in plan.nodes)
    for box, way in zip(plan.labels, plan.ways, strict=True):
        assert box is not None
        near = min(math.dist(box.middle, at(way, n / 200)) for n in range(201))
        assert near < 1


def test_an_edge_goes_round_the_nodes_between() -> None:
    nodes = tuple(DiagramNode(Name(f"n{x}"), x, 0, "hidden") for x in range(4))
    picture = Diagram(nodes, (DiagramEdge(0, 3, Name("w")),), (Text("t"),), (Text("d"),))
    plan = drawing.plan(picture, spell)
    points = [at(plan.ways[0], n / 40) for n in range(41)]
    for node in plan.nodes[1:3]:
        box = node.box
        assert not any(box.left <= x <= box.right and box.top <= y <= box.bottom for x, y in points)


def test_a_crowded_network_says_what_it_leaves_out() -> None:
    shown = svg.draw(layered(30, 30), sheets.layered)
    assert "labels on edges are left out" in shown


@pytest.mark.parametrize(
    "points",
    [
        (),
        ((0.0, 1.0),),
        ((0.0, math.nan), (1.0, math.inf)),
        ((0.0, -1.7e308), (1.0, 1.7e308)),
        ((0.0, 5e-324), (1.0, 0.0)),
        ((0.0, 1.0), (1.0, 1.0 + 1e-15)),
        ((3.0, 2.0), (3.0, 2.0)),
        tuple((float(n), float(n % 7)) for n in range(20000)),
    ],
)
def test_curves_survive_any_numbers(points: tuple[tuple[float, float], ...]) -> None:
    picture = svg.draw(
        Curve(
            (Series((Text("s"),), points),), (Text("x"),), (Text("y"),), (Text("t"),), (Text("d"),)
        )
    )
    parsed(picture)
    assert len(picture) < 20000


def test_a_gap_in_the_numbers_is_a_gap_in_the_line() -> None:
    points = ((0.0, 0.0), (1.0, 1.0), (2.0, math.inf), (3.0, 1.0), (4.0, 0.0))
    picture = svg.draw(
        Curve(
            (Series((Text("s"),), points),), (Text("x"),), (Text("y"),), (Text("t"),), (Text("d"),)
        )
    )
    lines = [
        each for each in parsed(picture).iter(f"{SVG}path") if "bp-s0" in each.get("class", "")
    ]
    assert len(lines) == 2


def test_series_differ_by_more_than_colour() -> None:
    strokes = re.findall(r'class="bp-s\d"[^>]*?d="', PICTURES["sigmoid"])
    dashes = {re.search(r"dasharray=\"([^\"]*)", stroke) is None for stroke in strokes}
    assert dashes == {True, False}


def test_the_same_picture_has_the_same_bytes() -> None:
    assert svg.draw(sheets.NETWORK, sheets.layered) == PICTURES["network"]


def test_mermaid_is_a_flowchart_with_codes_for_special_signs() -> None:
    shown = mermaid.draw(sheets.NETWORK, sheets.layered)
    assert shown.startswith("flowchart LR\n")
    assert 'n0 -->|"w₁₁⁽¹⁾ = 0.42"| n3' in shown
    hostile = mermaid.draw(sheets.hostile().blocks[8], spell)  # type: ignore[arg-type]
    labels = re.findall(r'"([^"]*)"', hostile)
    assert hostile.count('"') == 2 * len(labels)
    for label in labels:
        assert not set(label.replace("<br/>", "")) & set("<>`{}[]|")


def test_a_wide_network_is_drawn_at_once() -> None:
    """Finding a way past the nodes compares each edge with each node: 13 s for 100-40-1."""
    inputs = ", ".join(["0.1"] * 100)
    weights = "{init: uniform, low: -0.1, high: 0.1, seed: 1}"
    problem = f"""
inputs: [{inputs}]
targets: [1]
layers:
  - {{activation: tanh, units: 40, weights: {weights}}}
  - {{activation: sigmoid, units: 1, weights: {weights}}}
loss: squared_error
"""
    begun = time.process_time()
    drawn = backprop("draw", "-", stdin=problem).text
    assert time.process_time() - begun < 5
    assert drawn.count("<path") >= 4040
