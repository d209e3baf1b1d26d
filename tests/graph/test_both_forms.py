"""The same net as layers and as equations: the sheet says the same, sentence by sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import assert_never

import nets
import pytest

from backprop_cli.formula import plain
from backprop_cli.problem.read import read_problem
from backprop_cli.run import Run, solve
from backprop_cli.worksheet.document import Callout, Math, Paragraph, Relation, Text
from backprop_cli.worksheet.sheet import DEFAULT
from backprop_cli.worksheet.solution import solution

ONLY_LAYERS = (
    "As one formula:",
    "Without a nonlinear activation",  # layers collapse; equations are no layers
    ": dropout leaves this unit out",  # an equation does not say why it multiplies by 0
)
ONLY_EQUATIONS = "Here z stands for what an activation is applied to."
SAME = {  # the mean of one square is the sum, the mean of two is half of it: the same formula
    "The mean over the m outputs puts 2/m in front of ŷ − y.": "squares",
    "The ½ is there to cancel the 2 of the square, which leaves ŷ − y.": "squares",
    "The 2 comes from the square, the minus from the inner derivative of y − ŷ.": "squares",
}
OFF = "ReLUs are off"
NAMES = re.compile(r"[a-z]+\d*(?:_\d+)*(?:\[[\ds]\])?")


@pytest.mark.parametrize("seed", nets.SEEDS)
def test_layers_and_equations_say_the_same(seed: int) -> None:
    pair = nets.both(seed)
    if pair is None:
        return
    one, other = map(solve, pair)
    assert one.losses == pytest.approx(other.losses, rel=1e-12)
    assert said(one) == said(other)


@pytest.mark.parametrize("net", nets.OF_KINDS)
def test_layers_between_arrays_and_equations_say_the_same(net: str) -> None:
    one, other = (solve(read_problem("t.yaml", text)) for text in nets.OF_KINDS[net])
    assert said(one) == said(other)


def said(run: Run) -> Counter[str]:
    """Every sentence of the sheet. Which quantity stands for all of its kind in an example is left
    open: layers are gone through unit by unit, equations in the order that they need."""
    found: Counter[str] = Counter()
    for block in solution(run, DEFAULT).blocks:
        if isinstance(block, Callout | Paragraph):
            parts: list[str] = []
            for part in block.text:
                match part:
                    case Text(text, style):
                        parts.append("" if style == "strong" else text)  # a heading of a sample
                    case Math(formula):
                        parts.append(_kind(plain.write(formula)))
                    case Relation(left, sign, right):
                        parts.append(_kind(f"{plain.write(left)} {sign} {plain.write(right)}"))
                    case _:
                        assert_never(part)
            found.update(_alike("".join(parts)))
    found[OFF] = min(1, found[OFF])  # layer by layer, or all together
    return found


def _kind(name: str) -> str:
    """`z` for z2_1, `dL/da` for dL/da2_1."""
    return NAMES.sub(lambda found: re.match(r"[a-z]+", found[0])[0], name)  # type: ignore[index]


def _alike(text: str) -> Iterator[str]:
    """A sentence as both forms have it: layers name the place, equations the quantity."""
    if text.startswith(ONLY_EQUATIONS) or any(each in text for each in ONLY_LAYERS) or not text:
        return
    for off in (
        r"Every ReLU of layer \d+ is off",
        r"Layer \d+: the ReLUs? of units? [\d–, ]+ (is|are) off",
        r"The ReLUs? [^.]* (is|are) off \(z < 0\) and pass",
    ):
        if re.match(off, text):
            yield OFF
            return
    text = re.sub(
        r"^All units of layer \d+ have|^[a, []+.* have the same w", "have the same w", text
    )
    text = text.replace("have the same w the same w", "have the same w")
    text = re.sub(r"^[a-z] acts on the loss through [a-z, ]+", "acts through several", text)
    text = text.replace("the layer works", "together they work")
    yield SAME.get(text, text)
