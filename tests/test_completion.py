"""What a shell is told while a command is being typed, without any shell being there."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import PROBLEMS, Outcome, backprop

from backprop_cli import completion, manual
from backprop_cli.rules import activations, initializers, losses, optimizers

SHELLS = ("bash", "zsh", "fish")
SHEET = PROBLEMS / "two-hidden-layers.yaml"


def asked(shell: str, typed: str) -> Outcome:
    """What the shell's script asks for when a word of the line is to be completed."""
    words = typed.split(" ")
    return backprop(
        _BACKPROP_COMPLETE=f"complete_{shell}",
        COMP_WORDS=typed,
        COMP_CWORD=str(len(words) - 1),
        _TYPER_COMPLETE_ARGS=typed,
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )


def offered(typed: str, shell: str = "bash") -> list[str]:
    result = asked(shell, typed)
    assert (result.code, result.complaints) == (0, "")
    return result.text.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script_of_its_own(shell: str) -> None:
    scripts = {each: backprop(_BACKPROP_COMPLETE=f"source_{each}").text for each in SHELLS}
    assert len(set(scripts.values())) == len(SHELLS)
    assert f"_BACKPROP_COMPLETE=complete_{shell}" in scripts[shell]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_is_told_the_words(shell: str) -> None:
    told = asked(shell, "backprop list soft").text
    assert "softplus" in told
    assert "softmax" in told
    assert "sigmoid" not in told


@pytest.fixture(autouse=True)
def on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a shell is kept waiting is said by one test; the others look at what is offered."""
    monkeypatch.setattr(completion, "PATIENCE", 60.0)


def test_commands_and_options() -> None:
    assert offered("backprop wor") == ["worksheet"]
    assert offered("backprop solve --symb") == ["--symbolic"]


def test_names_of_rules_and_of_their_groups() -> None:
    tables = (activations.ACTIVATIONS, losses.LOSSES, optimizers.OPTIMIZERS)
    every = {name for table in (*tables, initializers.INITIALIZERS) for name in table}
    assert set(offered("backprop list ")) >= every | {"activations", "losses"}
    assert offered("backprop list adam sigm") == ["sigmoid"]


def test_names_of_examples() -> None:
    assert set(offered("backprop new --from ")) == {path.stem for path in PROBLEMS.glob("*.yaml")}
    assert offered("backprop new --from vanishing-gradient-") == ["vanishing-gradient-by-gates"]


def test_what_a_new_network_may_be_made_of() -> None:
    assert offered("backprop new --loss half") == ["half_squared_error"]
    assert offered("backprop new --layers 2-1 --activation sigm") == ["sigmoid"]
    assert offered("backprop new --activation relu,sigm") == ["relu,sigmoid"]


def test_pages_and_codes() -> None:
    assert set(offered("backprop help ")) == set(manual.TOPICS)
    assert offered("backprop explain unknown-act") == ["unknown-activation"]
    assert offered("backprop explain missing-p") == ["missing-path"]


def test_names_on_the_sheet_of_the_problem_on_the_line() -> None:
    found = offered(f"backprop solve {SHEET} --only dL/dw3")
    assert found == ["dL/dw3_1_1", "dL/dw3_2_1"]
    assert "w1_1_1_new" in offered(f"backprop solve {SHEET} --only dL/db3_1 --only w1")


@pytest.mark.parametrize("file", ["", "-", "nowhere.yaml", "broken.yaml", "."])
def test_nothing_is_said_where_nothing_can_be_read(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.yaml").write_text("layers: [\x07")
    monkeypatch.chdir(tmp_path)
    line = " ".join(filter(None, ("backprop solve", file, "--only d")))
    assert offered(line) == []


def test_no_shell_is_kept_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = tmp_path / "large.yaml"
    weights = "{init: uniform, seed: 1}"
    layer = f"{{activation: tanh, units: 100, weights: {weights}}}"
    large.write_text(
        f"inputs: [1, 2]\ntargets: {[0] * 100}\nlayers: [{layer}, {layer}, {layer}]\n"
        "loss: squared_error\nlearning_rate: 1\n"
    )
    assert backprop("validate", large).code == 0
    monkeypatch.setattr(completion, "PATIENCE", 0.2)
    assert offered(f"backprop solve {large} --only d") == []
