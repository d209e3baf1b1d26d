"""What is filled in by the shape of a formula is what is written of that formula alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from backprop_cli.formula import latex, mathml, plain, typst, unicode
from backprop_cli.formula.build import substitute
from backprop_cli.formula.layout import Node
from backprop_cli.formula.nodes import Formula, Name, Number, Sum
from backprop_cli.formula.notation import InLine, Layout, Stacked, Typed, letters, quantity, stacked
from backprop_cli.formula.parse import parse
from backprop_cli.formula.shape import Shapes
from backprop_cli.formula.spelling import Lettering, spell
from backprop_cli.render.breaking import UNICODE, Flow, formula_atoms
from backprop_cli.render.html import formula_pieces
from backprop_cli.render.wide import IN_CELL, narrowed

layered = partial(spell, lettering=Lettering(layered=True))

SHAPES = (
    "A*B", "A*B + C*D + E", "A*(1 - A)", "(A - B)*A*(1 - A)", "-A/B", "A/(B*C)", "(A/B)*C", "A^B",
    "A^2*(B - C)", "exp(-A)*B", "sqrt(A)/(sqrt(B) + C)", "1/2*(A - B)^2", "max(A, B)*C",
    "A if B > 0 else C*A", "-(A + B)*C", "(A + B)^C", "A - -B", "log(A)*(B/C)^D", "1/N*(A + B)",
)  # fmt: skip
LEAVES = (
    ("w", "n", "yhat", "eta", "p", "rho"),
    ("w2_1_3", "b1_12", "dL/dw2_1_3", "dL/dyhat", "w2_1_3_new", "z1_1[2]"),
    ("0.5", "0.7400", "1e-5", "3.", "2.5e-7"),
    ("-0.25", "-3", "2", "7", "12", "1234", "-2.5e-7", "100000"),
)


def formulas(seed: int) -> list[Formula]:
    draw = Random(seed)
    found = []
    for shape in SHAPES * 80:
        names = {letter: Name(draw.choice(draw.choice(LEAVES))) for letter in "ABCDEN"}
        found.append(_put(parse(shape), names))
    draw.shuffle(found)
    return found


def _put(formula: Formula, names: dict[str, Name]) -> Formula:
    numeric = {
        letter: Number(leaf.name) if leaf.name[0] in "-0123456789" else leaf
        for letter, leaf in names.items()
    }
    return substitute(formula, numeric)


@pytest.mark.parametrize(
    ("layout", "spelled"),
    [
        (InLine(layered), unicode.spell),
        (Stacked(layered), latex.spell),
        (Typed(), plain.spell),
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_a_formula_is_filled_in_as_it_is_written_alone(
    layout: Layout, spelled: Callable[[Node], str], seed: int
) -> None:
    shapes = Shapes(layout, spelled)
    for formula in formulas(seed):
        assert shapes.write(formula) == spelled(layout.node(formula))
    assert shapes._pieces  # or nothing was filled in


@pytest.mark.parametrize("seed", range(2))
def test_formulas_of_one_shape_are_broken_at_the_same_places(seed: int) -> None:
    layout = InLine(layered)
    shapes, flows = Shapes(layout, unicode.spell), dict[object, Flow]()
    for formula in formulas(seed):
        shape, texts = shapes.take(formula)
        flow = flows.setdefault(shape, Flow(layout.node(formula), UNICODE))
        if len(flow.texts) == len(texts):
            node = layout.node(formula)
            assert flow.line(texts) == unicode.spell(node)
            for styled in (False, True):
                alone = formula_atoms(node, UNICODE, styled=styled)
                assert flow.atoms(texts, styled=styled) == alone


def names(seed: int) -> list[str]:
    """Names of every kind, with numbers of one digit to three in them."""
    draw = Random(seed)
    kinds = ("w#_#_#", "b#_#", "z#_#[#]", "w#_#_#_new", "v_w#_#_#", "zhat#_#", "x#", "p#_#", "W#")
    whole = ("dL/d{}", "da#_#/d{}", "{}", "{}", "{}")
    found = []
    for _ in range(1500):
        name = draw.choice(whole).format(draw.choice(kinds))
        while "#" in name:
            name = name.replace("#", str(draw.randrange(draw.choice((10, 100, 1000)))), 1)
        found.append(name)
    return found


@pytest.mark.parametrize("seed", range(2))
def test_the_digits_of_a_name_are_filled_in_as_it_is_written_alone(seed: int) -> None:
    for name in names(seed):
        whole = quantity(layered(name))
        in_print = letters(whole, stacked=True)
        assert unicode.named(whole) == unicode.spell(letters(whole, stacked=False))
        assert mathml.named(whole) == mathml.spell(in_print)
        assert typst.named(whole) == typst.spell(in_print)
        assert latex.named(whole, latex.FIXED) == latex.spell(in_print, latex.FIXED)


@pytest.mark.parametrize("seed", range(2))
def test_a_page_breaks_what_is_filled_in_where_it_breaks_it_alone(seed: int) -> None:
    long = [Sum(tuple(some)) for some in zip(*[iter(formulas(seed))] * 12, strict=False)]
    several = 0
    for formula in (*formulas(seed), *long, *formulas(seed + 2)):
        alone = mathml.broken(stacked(layered).node(narrowed(formula, layered, IN_CELL)))
        assert formula_pieces(formula, layered, IN_CELL) == alone
        several += alone.count("<math>") > 1
    assert several > 100
