"""The recipes for courses: every script shown is read by its interpreter, and does what it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from commands import PROBLEMS, ROOT, backprop

from backprop_cli.manual import source

PAGE = source("courses")
PROBLEM = PROBLEMS / "two-hidden-layers.yaml"
PERFECT = (PROBLEMS / "answers" / "two-hidden-layers-perfect.yaml").read_text(encoding="utf-8")
WRONG = PERFECT.replace("z1_1:", "z1_1: 77 #")


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="scripts for bash")


def shown(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


def read_by_bash(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script.encode(), capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")


def test_no_script_is_broken_on_a_terminal() -> None:
    """A page that is copied from 80 columns is still what runs."""
    on_screen = backprop("help", "courses").text
    for language in ("yaml", "py", "bash"):
        for script in shown(language):
            for line in filter(None, script.splitlines()):
                assert f"\n  {line}\n" in on_screen


# ------------------------------------------------------------------------------ GitHub Actions


@needs_bash
def test_the_workflow_annotates_and_fails_where_the_pass_mark_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = shown("yaml")
    workflow = yaml.load(text, Loader=yaml.BaseLoader)  # `on` is a word there
    assert set(workflow) == {"name", "on", "permissions", "jobs"}
    ((_, job),) = workflow["jobs"].items()
    assert all(set(step) <= {"uses", "with", "run"} for step in job["steps"])
    commands = [step["run"] for step in job["steps"] if "run" in step]
    for command in commands:
        read_by_bash(command)
    install, check = commands
    assert install == "pip install backprop-cli"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "problem.yaml").write_bytes(PROBLEM.read_bytes())
    for answers, code in ((PERFECT, 0), (WRONG, 1)):
        (tmp_path / "answers.yaml").write_text(answers, encoding="utf-8")
        summary = tmp_path / f"summary-{code}"
        result = backprop(*check.split()[1:], GITHUB_STEP_SUMMARY=str(summary))
        assert result.code == code
        assert ("::error file=answers.yaml,line=" in result.text) == (code == 1)
        assert "| `z1_1` |" in summary.read_text(encoding="utf-8")


# ------------------------------------------------------------------------------- Classroom 50

WHOLE = {"type": "integer", "minimum": 0}
WORD = {"type": "string", "minLength": 1}
RESULT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "schema": {"const": "classroom50/result/v1"},
        "classroom": {"const": "cs"},
        "assignment": {"const": "hello"},
        "assignment_type": {"const": "individual"},
        "owner": {"const": "alice"},
        "submission": {"type": "string", "pattern": "^submit/"},
        "commit": WORD,
        "release": WORD,
        "review": WORD,
        "datetime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        "score": WHOLE,
        "max-score": WHOLE,
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "test-name": WORD,
                    "passed": {"type": "boolean"},
                    "score": WHOLE,
                    "max-score": WHOLE,
                },
                "required": ["test-name", "passed", "score", "max-score"],
            },
        },
    },
}
RESULT["required"] = list(RESULT["properties"])
STAMPED = {
    "owner": "alice",
    "assignment_type": "individual",
    "datetime": "2026-06-01T14:33:11Z",
}
"""What the runner writes over whatever an autograder says of it."""
IDENTITY = {
    "CLASSROOM": "cs",
    "ASSIGNMENT": "hello",
    "SUBMISSION_TAG": "submit/2026-06-01T14-32-05Z-a1b2c3d",
    "COMMIT_URL": "https://example.org/commit/abc",
    "RELEASE_URL": "https://example.org/releases/tag/x",
    "REVIEW_URL": "https://example.org/compare/abc...def",
}
WITHOUT_PIP = """\
import runpy, subprocess, sys
real = subprocess.run
subprocess.run = lambda words, **named: None if "pip" in words else real(words, **named)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    ("file", "text", "passes"),
    [
        ("answers.yaml", PERFECT, True),
        ("answers.yml", WRONG, False),
        ("answers.csv", "name,value\n\x07", False),
        ("notes.txt", "nothing handed in", False),
    ],
)
def test_the_autograder_for_classroom_50(
    file: str, text: str, passes: bool, tmp_path: Path
) -> None:
    (script,) = shown("py")
    bundle, checkout = tmp_path / "bundle", tmp_path / "checkout"
    bundle.mkdir()
    checkout.mkdir()
    (bundle / "autograder.py").write_text(script, encoding="utf-8")
    (bundle / "problem.yaml").write_bytes(PROBLEM.read_bytes())
    (checkout / file).write_text(text, encoding="utf-8")
    for module in ("backprop_cli", "yaml", "typer"):  # a student would like to mark himself
        (checkout / f"{module}.py").write_text("raise SystemExit('taken over')")
    done = subprocess.run(
        [sys.executable, "-P", "-c", WITHOUT_PIP, str(bundle / "autograder.py")],
        cwd=checkout,
        env={**os.environ, **IDENTITY, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads((checkout / "result.json").read_text(encoding="utf-8"))
    jsonschema.validate({**result, **STAMPED}, RESULT)
    tests = result["tests"]
    assert tests
    assert result["score"] == sum(test["score"] for test in tests) <= result["max-score"]
    assert result["max-score"] == sum(test["max-score"] for test in tests) > 0
    assert all(test["score"] <= test["max-score"] for test in tests)
    assert all(test["passed"] for test in tests) == passes
    assert (checkout / "release-body.md").read_text(encoding="utf-8").startswith("#")


# --------------------------------------------------------------------------------- Gradescope


@needs_bash
def test_gradescope_scripts_can_be_read() -> None:
    setup, run = shown("bash")
    for script in (setup, run):
        assert script.startswith("#!/usr/bin/env bash\n")
        read_by_bash(script)


def gradescope(tmp_path: Path, files: dict[str, str]) -> dict[str, Any]:
    """What `run_autograder` leaves on a machine of Gradescope's, for an upload."""
    _, script = shown("bash")
    home = tmp_path / "autograder"
    for name in ("source", "submission", "results"):
        (home / name).mkdir(parents=True)
    (home / "source" / "problem.yaml").write_bytes(PROBLEM.read_bytes())
    for name, text in files.items():
        (home / "submission" / name).write_text(text, encoding="utf-8")
    tool = tmp_path / "bin" / "backprop"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m backprop_cli "$@"\n')
    tool.chmod(0o755)
    assert script.count("/autograder\n") == 1
    assert script.count("/opt/backprop/bin/backprop ") == 1
    script = script.replace("/autograder\n", f"{home}\n").replace(
        "/opt/backprop/bin/backprop ", f"{tool} "
    )
    done = subprocess.run(
        ["bash"],
        input=script.encode(),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads((home / "results" / "results.json").read_text(encoding="utf-8"))


CSV = "name,value\nz1_1,5.02\n"


@needs_bash
@pytest.mark.parametrize(
    ("name", "text", "score"),
    [
        ("answers.yaml", PERFECT, None),
        ("answers.yml", PERFECT, None),
        ("My Answers (2).YML", PERFECT, None),
        ('-it\'s "mine"; $(x).csv', CSV, 1),
        ("answers.json", '{"answers": {"z1_1": 5.02}}', 1),
    ],
)
def test_an_answer_file_is_marked(
    name: str, text: str, score: float | None, tmp_path: Path
) -> None:
    result = gradescope(tmp_path, {name: text, "photo.jpg": "beside it"})
    most = sum(test["max_score"] for test in result["tests"])
    assert result["score"] == (most if score is None else score)


@needs_bash
@pytest.mark.parametrize(
    "files",
    [
        {},
        {"answers.pdf": "%PDF"},
        {"answers.docx": "PK", "photo.jpg": ""},
        {"answers.yaml": PERFECT, "answers.csv": CSV},
        {"yaml": PERFECT},
    ],
    ids=str,
)
def test_any_other_upload_is_told_what_to_hand_in(files: dict[str, str], tmp_path: Path) -> None:
    result = gradescope(tmp_path, files)
    assert result["score"] == 0
    assert result["output"] == "Hand in one .yaml, .yml, .json or .csv file."
