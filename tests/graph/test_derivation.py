"""Paths from the loss to a quantity: how many, which, and how they are told apart."""

from __future__ import annotations

import itertools

import ours
import pytest
import strategies
from hypothesis import given
from pages import problem
from strategies import Problem, examples

from backprop_cli.formula import plain
from backprop_cli.formula.build import size
from backprop_cli.formula.parse import parse
from backprop_cli.graph.batches import build
from backprop_cli.graph.derivation import (
    CLOSED_SIZE,
    LONGEST_PATH,
    Derivations,
    fraction,
    put_together,
    towards,
)
from backprop_cli.graph.step import Graph


def layered(*units: int) -> Graph:
    layers = "\n".join(f"  - {{activation: tanh, units: {count}}}" for count in units)
    source = f"""inputs: [1]
targets: {[1] * units[-1]}
layers:
{layers}
loss: half_squared_error
"""
    return build(problem(source), (1,))


@pytest.mark.parametrize(
    ("units", "count"), [((1,), 1), ((2, 1), 1), ((2, 3, 1), 3), ((2, 3, 4, 2), 24)]
)
def test_paths_multiply_from_layer_to_layer(units: tuple[int, ...], count: int) -> None:
    graph = layered(*units)
    derivations = Derivations(graph)
    step = graph.step["dL/dw1_1_1"]
    assert derivations.count(step) == count
    assert len(derivations.of(step, limit=count).paths) == count
    assert derivations.of(step, limit=count - 1).paths == ()


def test_a_hundred_thousand_paths_are_counted_in_no_time() -> None:
    graph = layered(*[10] * 6, 1)
    assert Derivations(graph).count(graph.step["dL/dw1_1_1"]) == 10**5


@pytest.mark.parametrize(("depth", "written"), [(29, 1), (30, 0)])
def test_a_path_longer_than_anyone_reads_is_not_written_out(depth: int, written: int) -> None:
    """A layer makes two links, from z to a and from a to z above; the weight makes the last."""
    graph = layered(*[1] * depth)
    step = graph.step["dL/dw1_1_1"]
    derived = Derivations(graph).of(step)
    assert (derived.count, len(derived.paths)) == (1, written)
    if written:
        assert len(derived.paths[0].links) == 2 * depth + 1 <= LONGEST_PATH


def test_a_path_is_a_chain_of_fractions() -> None:
    graph = layered(1, 2, 1)
    derived = Derivations(graph).of(graph.step["dL/dw1_1_1"])
    first, second = derived.paths
    assert plain.write(first.chain()) == (
        "dL/dyhat*dyhat/dz3_1*dz3_1/da2_1*da2_1/dz2_1*dz2_1/da1_1*da1_1/dz1_1*dz1_1/dw1_1_1"
    )
    assert derived.via(first) == ("a2_1",)
    assert derived.via(second) == ("a2_2",)


def test_every_path_has_a_label_of_its_own() -> None:
    graph = layered(1, 2, 3, 2)
    derived = Derivations(graph).of(graph.step["dL/dw1_1_1"])
    labels = [derived.via(path) for path in derived.paths]
    assert len(labels) == 12
    assert len(set(labels)) == 12


def test_a_combined_gradient_starts_its_paths() -> None:
    source = """
        inputs: [1]
        targets: [1, 0]
        layers: [{activation: tanh, units: 1}, {activation: softmax, units: 2}]
        loss: cross_entropy
    """
    graph = build(problem(source), (1,))
    derived = Derivations(graph).of(graph.step["dL/dw1_1_1"])
    assert derived.count == 2
    assert [path.head.name for path in derived.paths if path.head] == ["dL/dz2_1", "dL/dz2_2"]
    assert [derived.via(path) for path in derived.paths] == [("z2_1",), ("z2_2",)]


def test_a_factored_form_has_an_end() -> None:
    graph = layered(*[8] * 5, 1)
    derivations = Derivations(graph)
    for step in graph.section("gradient"):
        assert size(derivations.closed(step)) < 4 * CLOSED_SIZE


@examples(15, 150)
@given(strategies.networks(max_hidden=3, max_units=4))
def test_counting_is_the_same_as_listing(network: Problem) -> None:
    graph = ours.run(network).iterations[0].graph
    derivations = Derivations(graph)
    for step in itertools.islice(graph.section("gradient"), 12):
        derived = derivations.of(step, limit=10**6)
        assert len(derived.paths) == derived.count
        assert len({path.stations for path in derived.paths}) == derived.count


def test_putting_together_runs_sums_and_products_together() -> None:
    parts = {"p": parse("a + b"), "q": parse("c*d")}
    assert plain.write(put_together(parse("p + x"), parts)) == "a + b + x"
    assert plain.write(put_together(parse("q*x"), parts)) == "c*d*x"
    assert plain.write(put_together(parse("p*x"), parts)) == "(a + b)*x"
    assert plain.write(put_together(parse("p/2"), parts)) == "(a + b)/2"


def test_a_fraction_is_called_as_its_own_line_is_in_every_sample() -> None:
    source = """
        layers: [{activation: tanh, weights: [[1]], biases: [0]}]
        loss: half_squared_error
        samples: [{inputs: [1], targets: [0]}, {inputs: [3], targets: [1]}]
    """
    whole = build(problem(source), (1, 2))
    named = {fraction(link).name for step in whole.steps for link in step.links}
    assert {"dL[1]/dyhat[1]", "dL[2]/dyhat[2]", "dyhat/dz1_1[2]"} <= named
    assert named <= {*whole.step, *whole.trivial_slopes}


def test_towards_a_quantity_there_is_what_reaches_it_and_nothing_else() -> None:
    found = {name for name in towards(layered(2, 2, 1), "a2_1").step if name.startswith("da2_1/")}
    below = {"w2_1_1", "w2_1_2", "b2_1", "a1_1", "z1_1", "w1_1_1", "a1_2", "w1_2_1"}
    assert {f"da2_1/d{name}" for name in below} <= found
    beside = {"z2_2", "w2_2_1", "b2_2", "a2_2", "w3_1_1", "yhat", "z3_1"}
    assert found.isdisjoint(f"da2_1/d{name}" for name in beside)
