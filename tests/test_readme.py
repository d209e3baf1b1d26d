"""Every example in README.md and in the reference is real: commands are run, files are read,
code is executed.

In a `console` block a line `$ backprop …` is followed by what it shows; a line of `…` stands for
any lines left out. A `yaml` block is a problem file, an answer file or a few keys of a problem
file; one that begins with `# name.yaml` is there for the commands to use.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from commands import ROOT, run_line
from reference import PAGES, README, Block, blocks, lay_out

from backprop_cli import load
from backprop_cli.marking.answers import parse_submission
from backprop_cli.problem.read import read_problem

EXPLAINED = ("codes.md", "slips.md")
"""Pages of mistakes: `tests/test_explain.py` runs their examples."""
BASE = {
    "inputs": "inputs: [6, 2, 5]",
    "targets": "targets: [1]",
    "layers": "layers: [{activation: sigmoid, weights: [[0.1, 0.2, 0.3]], biases: [0.1]}]",
    "loss": "loss: half_squared_error",
    "learning_rate": "learning_rate: 0.7",
}
"""A problem that a few keys shown alone are put into."""


def sessions(block: Block) -> Iterator[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines shown below it."""
    command: str | None = None
    shown: list[str] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if command is not None:
                yield command, shown
            command, shown = line[2:], []
        else:
            assert command is not None, f"{block}: begins without a command"
            shown.append(line.rstrip())
    if command is not None:
        yield command, shown


def as_pattern(shown: list[str]) -> re.Pattern[str]:
    """The output shown, `…` for any number of lines, or for the rest of one."""
    while shown and not shown[-1]:
        shown = shown[:-1]
    return re.compile(
        "".join(
            r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n"
            for line in shown
        )
    )


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the problems and the files that the pages show."""
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", blocks("console"), ids=str)
@pytest.mark.usefixtures("desk")
def test_commands_show_what_the_pages_show(block: Block) -> None:
    for command, shown in sessions(block):
        result = run_line(command)
        said = result.text + result.complaints
        said = said.rstrip("\n") + "\n"
        if shown and not as_pattern(shown).fullmatch(said):
            pytest.fail(f"{block}: {command} shows\n{said}", pytrace=False)
        assert result.code in (0, 1), f"{command}\n{said}"


def test_the_commands_taught_are_run() -> None:
    run = {command.split()[1] for block in blocks("console") for command, _ in sessions(block)}
    assert run >= {"solve", "check", "worksheet", "draw", "verify", "validate"}


@pytest.mark.parametrize(
    "block", [block for block in blocks("yaml") if block.page not in EXPLAINED], ids=str
)
def test_files_are_what_they_should_be(block: Block) -> None:
    keys = re.findall(r"^(\w+):", block.text, re.M)
    if "jobs" in keys:
        assert set(yaml.safe_load(block.text)["jobs"])
    elif "answers" in keys or "iterations" in keys:
        assert parse_submission("answers.yaml", block.text.encode()).error is None
    elif {"layers", "equations"} & set(keys):
        read_problem(block.page, block.text)
    else:
        instead = {"inputs", "targets"} if "samples" in keys else set()
        rest = [line for key, line in BASE.items() if key not in {*keys, *instead}]
        read_problem(block.page, "\n".join([*rest, block.text]))


@pytest.mark.parametrize("block", blocks("python"), ids=str)
@pytest.mark.usefixtures("desk")
def test_python_examples(block: Block) -> None:
    """Each `expression  # value` of an example has that value."""
    names: dict[str, object] = {"load": load}
    for statement in block.text.splitlines():
        code, mark, value = statement.partition("  # ")
        if mark and "=" not in code:
            assert repr(eval(code, names)) == value, f"{block}: {code}"
        else:
            exec(code, names)


def test_the_two_commands_are_single_lines_that_install_what_exists() -> None:
    first, second = (block.text.strip() for block in blocks("sh") if block.page == README.name)
    assert re.fullmatch(r"python3 -m venv .venv && .*backprop solve (problems/\S+)", first)
    assert (ROOT / first.split()[-1]).is_file()
    assert second.endswith(".venv/bin/python -m pytest")
    extra = re.search(r"'\.\[(\w+)\]'", second)
    assert extra is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert extra[1] in project["optional-dependencies"]
    assert "\n" not in first + second
    assert sys.version_info >= (3, 11)


def test_every_file_they_name_is_there() -> None:
    for page, text in PAGES.items():
        for path in re.findall(
            r"[`(]((?:problems|tests|backprop_cli|\.ci|\.github)/[\w./-]*)[`)]", text
        ):
            assert (ROOT / path).exists(), f"{page}: {path}"
