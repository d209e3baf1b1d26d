"""Many conditions, terms and arguments: the right value, and no work that doubles with each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import backprop


def file_of(source: str, tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(source, encoding="utf-8")
    return file


def test_conditions_one_behind_the_other_are_verified_one_by_one(tmp_path: Path) -> None:
    """As one formula they would be 2²⁰ cases."""
    equations, value, slope = ["  c0: 1*x"], 0.5, 1.0
    for n in range(1, 21):
        edge = f"0.{20 + n}"
        equations.append(f"  c{n}: 0.9*c{n - 1} if c{n - 1} > {edge} else 1.1*c{n - 1}")
        factor = 0.9 if value > float(edge) else 1.1
        value, slope = value * factor, slope * factor
    source = "equations:\n" + "\n".join(equations) + "\ngiven: {x: 0.5}\n"
    result = backprop("verify", file_of(source, tmp_path), "--format", "json")
    report = json.loads(result.text)
    assert (result.code, report["agrees"]) == (0, True)
    found = {each["name"]: each for each in report["gradients"]}
    assert found["dc20/dx"]["value"] == pytest.approx(slope, rel=1e-12)
    assert found["dc20/dx"]["quotient"] == pytest.approx(slope, rel=1e-9)


def test_a_sum_of_hundreds_of_terms_is_taken_apart(tmp_path: Path) -> None:
    file = file_of(f"equations: {{f: {' + '.join(['w'] * 492)}}}\nparameters: {{w: 1}}\n", tmp_path)
    result = backprop("solve", file, "--form", "gates")
    assert result.code == 0
    assert "∂f/∂w in all │ –         │ –            │ 492\n" in result.text


def test_the_largest_of_many_takes_all(tmp_path: Path) -> None:
    names = [f"x{n}" for n in range(60)]
    given = {name: (n * 37) % 61 for n, name in enumerate(names)}
    source = f"equations: {{f: 'max({', '.join(names)})^2'}}\ngiven: {json.dumps(given)}\n"
    result = backprop("solve", file_of(source, tmp_path), "--format", "json")
    steps = json.loads(result.text)["steps"]
    slopes = {step["name"]: step["value"] for step in steps if step["section"] == "gradient"}
    top = max(given.values())
    assert slopes == {f"df/d{name}": 2 * top if given[name] == top else 0 for name in names}


def test_a_tie_of_three_is_shared(tmp_path: Path) -> None:
    source = "equations: {m: 'max(x, y, z, u)', f: 6*m}\ngiven: {x: 3, y: 3, z: 1, u: 3}\n"
    text = backprop("solve", file_of(source, tmp_path)).text
    said = "Share of max is what the argument written first gets: 1 where it alone is the largest"
    assert said in " ".join(text.split())
    assert [line.split("│")[-1].strip() for line in text.splitlines() if "∂f/∂m ·" in line] == [
        "2", "2", "0", "2",
    ]  # fmt: skip
    assert "each of the 3 equal arguments is given 1/3 of the gradient" in " ".join(
        text.replace("┃", " ").split()
    )
