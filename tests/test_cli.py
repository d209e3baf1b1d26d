"""The command line from outside: exit codes, streams, files, terminals, and no tracebacks."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from commands import PROBLEMS, ROOT, Screen, backprop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

import backprop_cli
from backprop_cli import api
from backprop_cli.console import Progress

SHEET = PROBLEMS / "two-hidden-layers.yaml"
CIRCUIT = PROBLEMS / "sigmoid-circuit.yaml"
PERFECT = PROBLEMS / "answers" / "two-hidden-layers-perfect.yaml"
HANDWRITTEN = PROBLEMS / "answers" / "two-hidden-layers-handwritten.yaml"
EVERY_PROBLEM = sorted(PROBLEMS.glob("*.yaml"))
COMMANDS = (
    "solve",
    "check",
    "worksheet",
    "draw",
    "validate",
    "list",
    "schema",
    "help",
    "explain",
    "verify",
)

TINY = """\
title: One neuron
inputs: 2
targets: 1
layers:
  - {activation: sigmoid, weights: [[0.5]], biases: [0.1]}
loss: half_squared_error
learning_rate: 0.5
"""


def process(
    *arguments: str, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "backprop_cli", *arguments],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        timeout=60,
    )


# Exit codes and streams


def test_a_solution_goes_to_stdout_and_nothing_to_stderr() -> None:
    result = backprop("solve", SHEET)
    assert (result.code, result.complaints) == (0, "")
    assert result.text.startswith("Two hidden layers, one training step\n")
    assert "L falls from 0.03526 to 0.03005." in result.text


def test_a_wrong_file_is_2_and_goes_to_stderr() -> None:
    result = backprop("solve", "-", stdin=TINY.replace("sigmoid", "sigmod"))
    assert (result.code, result.text) == (2, "")
    assert result.complaints == (
        "-:5:18: error[unknown-activation]: `sigmod` is not an activation\n"
        "  |\n"
        "5 |   - {activation: sigmod, weights: [[0.5]], biases: [0.1]}\n"
        "  |                  ^^^^^^\n"
        "  = help: did you mean `sigmoid`?\n"
    )


def test_stdin_is_a_dash() -> None:
    from_stdin = backprop("solve", "-", stdin=TINY)
    assert from_stdin.code == 0
    assert "One neuron" in from_stdin.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["solve"], "Missing argument"),
        (["solve", SHEET, "--formt", "json"], "--format"),
        (["slove", SHEET], "solve"),
        (["solve", SHEET, "--form", "sideways"], "matrix"),
        (["solve", SHEET, "--format", "docx"], "markdown"),
        (["solve", SHEET, "--digits", "0"], "--digits: `0` is no whole number from 1 to 15"),
        (["solve", SHEET, "--steps", "many"], "no whole number from 1 to 1,000,000"),
        (["practice", SHEET, "--tries", "2.5"], "no whole number from 1 to 100"),
        (["solve", SHEET, "--only", "dL/dw11_1_1"], "did you mean `dL/dw1_1_1`?"),
        (["solve", SHEET, "--only", "z1_3"], "did you mean `z1_"),
        (["solve", SHEET, "--curve", "x1"], "NAME=LOW:HIGH"),
        (["solve", SHEET, "--curve", "x1=3:nan"], "NAME=LOW:HIGH"),
        (["solve", SHEET, "--curve", "x4=0:1"], "did you mean"),
        (["solve", SHEET, "--lr-sweep", "0.1,fast"], "0.1,0.5,1"),
        (["solve", SHEET, "--output", "sheet.docx"], ".html"),
        (["solve", CIRCUIT, "--steps", "3"], "learning_rate"),
        (["solve", "no-such-file.yaml"], "there is no such file"),
        (["solve", PROBLEMS], "it is a directory"),
        (["solve", "nul\0byte.yaml"], "cannot"),
        (["validate", "no-such-file.yaml"], "there is no such file"),
        (["check", SHEET], "ANSWERS"),
        (["check", SHEET, PERFECT, "--pass-mark", "60"], "--pass-mark"),
        (["check", SHEET, PERFECT, "--format", "docx"], "gradescope"),
        (["check", SHEET, PERFECT, "--output", "marks.docx"], ".xml"),
        (["check", "-", "-"], "only one file"),
        (["check", "no-such-file.yaml", PERFECT], "there is no such file"),
        (["list", "sigmod"], "did you mean `sigmoid`?"),
        (["schema", "sheets"], "answers"),
        (["help", "answer"], "did you mean `answers`?"),
        (["explain", "unknown-activaton"], "did you mean `unknown-activation`?"),
        (["explain", "42"], "in brackets"),
        (["worksheet", SHEET, "--format", "sympy"], "it has text, markdown"),
        (["draw", SHEET, "--format", "png"], "mermaid"),
        (["draw", SHEET, "--output", "net.png"], ".svg"),
        ([], "Usage: backprop"),
    ],
)
def test_wrong_usage_is_2_and_says_what_would_be_right(
    arguments: list[str | Path], said: str
) -> None:
    result = backprop(*arguments)
    assert result.code == 2
    assert said in result.complaints
    assert result.text == ""
    assert "Traceback" not in result.complaints


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("∂L/∂w3_1_1", "dL/dw3_1_1"),
        ("dL / dw3_1_1", "dL/dw3_1_1"),
        ("∂L/∂w₁₁⁽³⁾", "dL/dw3_1_1"),
        ("w3_1_1'", "w3_1_1_new"),
        ("a3_1", "yhat"),
        ("dL/da3_1", "dL/dyhat"),
        ("ŷ", "yhat"),
        ("z1_1[1]", "z1_1"),
    ],
)
def test_only_knows_a_name_in_every_spelling(spelled: str, name: str) -> None:
    asked = backprop("solve", SHEET, "--only", spelled, "--format", "json")
    assert asked.code == 0, asked.complaints
    assert [step["name"] for step in json.loads(asked.text)["steps"]] == [name]


@pytest.mark.parametrize("asked", ["dL[2]/dw1_1_1", "dL/dw1_1_1[2]", "dL?2?/dw1_1_1"])
def test_the_gradient_of_one_sample_by_either_name(asked: str) -> None:
    result = backprop("solve", "problems/line-fit-full-batch.yaml", "--only", asked, "--show", 1)
    assert "∂L[2]/∂w₁₁⁽¹⁾ = ∂L[2]/∂ŷ[2] · ∂ŷ/∂z₁⁽¹⁾[2] · ∂z₁⁽¹⁾/∂w₁₁⁽¹⁾[2]" in result.text
    assert result.text.count("= ∂L[2]/∂ŷ[2]") == 1


FUNCTION = PROBLEMS / "network-as-a-function.yaml"


def test_curves_of_chosen_quantities_alone() -> None:
    asked = [part for name in ("z1", "a1", "z3") for part in ("--only", name)]
    shown = backprop("solve", FUNCTION, "--curve", "x=-5:5", *asked)
    assert "z₁, a₁, z₃ as functions of x" in shown.text
    assert "Forward pass" not in shown.text
    for mark, name in zip("●×▲", ("z₁", "a₁", "z₃"), strict=True):
        assert f"{mark} {name}" in shown.text
        assert shown.text.count(mark) > 5  # also where curves run together
    page = backprop("solve", FUNCTION, "--curve", "x=-5:5", *asked, "--format", "html").text
    assert page.count("stroke-dasharray") >= 2


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        ("solve --lr-sweep 0.1 --symbolic --digits 3", "--symbolic and --digits"),
        *(
            (f"solve --lr-sweep 0.1 {option}", option.partition(" ")[0])
            for option in (
                *("--composed", "--only L", "--form delta", "--show 2", "--exact"),
                *("--round-each 3", "--curve x1=0:1", "--form gates --record"),
            )
        ),
        ("solve --lr-sweep 0.1 --format json", "--format json"),
        ("solve --curve x1=0:1 --format json", "--curve"),
        ("solve --curve x1=0:1 --only L --symbolic", "--symbolic"),
        ("solve --curve x1=0:1 --only w1_1_1_new", "--curve"),
        ("solve --curve x1=0:1 --only *1_1*", "--curve"),
        ("solve --format json --digits 3", "--digits"),
        ("solve --format json --exact", "--exact"),
        ("worksheet --format json --digits 3", "--digits"),
    ],
)
def test_what_a_command_cannot_honour_is_refused(arguments: str, refused: str) -> None:
    command, *options = arguments.split()
    result = backprop(command, SHEET, *options)
    assert (result.code, result.text) == (2, "")
    assert result.complaints.startswith(f"error: {refused} ")


@pytest.mark.parametrize(
    "command",
    [
        "solve --format html",
        "solve --format latex",
        "solve --format json",
        "solve --format sympy",
        "worksheet --answers",
        "worksheet --format json",
        "worksheet --format markdown",
        "draw",
        "draw --format mermaid",
        "verify --format json",
    ],
)
def test_a_layout_that_a_format_does_not_need_changes_nothing(command: str) -> None:
    name, *options = command.split()
    plain = backprop(name, SHEET, *options)
    assert plain.code == 0
    for layout in (["--width", "90"], ["--ascii"]):
        assert backprop(name, SHEET, *options, *layout).text == plain.text


def test_a_report_for_programs_has_no_width(tmp_path: Path) -> None:
    answers = tmp_path / "a.yaml"
    answers.write_text("answers: {z1_1: 5.02}\n", encoding="utf-8")
    for form in ("csv", "json", "junit", "gradescope", "classroom50", "markdown"):
        asked = ("check", SHEET, answers, "--exit-zero", "--format", form)
        assert backprop(*asked, "--width", "90").text == backprop(*asked).text


def test_validate_reports_every_file_and_goes_on(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("layers: 3\n", encoding="utf-8")
    result = backprop("validate", wrong, SHEET)
    assert result.code == 2
    assert result.text == f"{SHEET}: ok\n"
    assert "wrong.yaml:1:9: error" in result.complaints


def test_marks_decide_the_exit_code(tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.yaml", tmp_path / "missing.yaml"
    broken.write_text("answers: [", encoding="utf-8")
    for answers, options, code in (
        ([PERFECT], [], 0),
        ([HANDWRITTEN], [], 1),
        ([HANDWRITTEN], ["--pass-mark", "0.5"], 0),
        ([HANDWRITTEN], ["--exit-zero"], 0),
        ([PERFECT, HANDWRITTEN], [], 1),
        ([PERFECT, broken], [], 1),
        ([broken], [], 2),
        ([missing], [], 2),
        ([broken, missing], [], 2),
        ([broken], ["--exit-zero"], 0),
    ):
        result = backprop("check", SHEET, *answers, *options)
        assert result.code == code, (answers, options, result)
        assert "Traceback" not in result.complaints


def test_what_is_wrong_with_answers_goes_to_stderr_and_into_the_report(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    result = backprop("check", SHEET, PERFECT, missing, "--format", "json")
    first, second = json.loads(result.text)["submissions"]
    assert (first["passed"], first["error"]) == (True, None)
    assert (second["score"], second["passed"]) == (0, False)
    assert "there is no such file" in second["error"]
    assert result.complaints.startswith(f"{missing}: error[unreadable-answers]: ")


def test_answers_from_stdin() -> None:
    result = backprop("check", SHEET, "-", stdin=PERFECT.read_text(encoding="utf-8"))
    assert (result.code, result.complaints) == (0, "")


@pytest.mark.parametrize(
    ("ending", "start"),
    [(".json", '{"format": "backprop-report/1"'), (".xml", "<?xml"), (".csv", ""), (".md", "")],
)
def test_the_ending_of_a_report_says_the_format(ending: str, start: str, tmp_path: Path) -> None:
    file = tmp_path / f"marks{ending}"
    result = backprop("check", SHEET, HANDWRITTEN, "--output", file)
    assert (result.code, result.text) == (1, "")
    marks = file.read_text(encoding="utf-8")
    assert marks.startswith(start)
    assert "handwritten" in marks
    assert list(tmp_path.iterdir()) == [file]


def test_nothing_is_given_away_unless_asked() -> None:
    quiet = backprop("check", SHEET, HANDWRITTEN, "--format", "json")
    told = backprop("check", SHEET, HANDWRITTEN, "--format", "json", "--reveal")
    assert json.loads(quiet.text)["submissions"][0]["answers"][0]["expected"] is None
    assert json.loads(told.text)["submissions"][0]["answers"][0]["expected"] == 5.02


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a file one may not read")
def test_a_file_one_may_not_read(tmp_path: Path) -> None:
    locked = tmp_path / "locked.yaml"
    locked.write_text(TINY, encoding="utf-8")
    locked.chmod(0)
    result = backprop("solve", locked)
    assert (result.code, "may not be read" in result.complaints) == (2, True)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"\x00" * 50, b"[" * 10_000, b"\x1b[31m"]
)
def test_files_that_are_no_problem(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "odd.yaml"
    file.write_bytes(content)
    result = backprop("solve", file)
    assert result.code == 2
    assert "Traceback" not in result.complaints
    assert "\x1b" not in result.complaints


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(["solve", "list", "-", "--only", "\x1b[31m", "-x", "", "--", "z"])))
def test_any_arguments_get_an_answer(arguments: list[str]) -> None:
    result = backprop(*arguments)
    assert result.code in (0, 2)
    assert "\x1b" not in result.complaints


def test_a_mistake_of_ours_is_said_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("\x1b[31moops")

    monkeypatch.setattr("backprop_cli.run.solve", broken)
    result = backprop("solve", SHEET, BACKPROP_TRACEBACK="")
    assert result.code == 2
    assert "RuntimeError: \\x1b[31moops" in result.complaints


# Files


@pytest.mark.parametrize(
    ("ending", "start"),
    [
        (".txt", "Two hidden layers"),
        (".md", "# Two hidden layers"),
        (".tex", "\\documentclass"),
        (".html", "<!DOCTYPE html>"),
        (".HTM", "<!DOCTYPE html>"),
        (".json", '{\n "format": "backprop-solution/1"'),
        ("", "Two hidden layers"),
    ],
)
def test_the_ending_of_the_output_says_the_format(ending: str, start: str, tmp_path: Path) -> None:
    file = tmp_path / f"sheet{ending}"
    result = backprop("solve", SHEET, "--output", file)
    assert (result.code, result.text, result.complaints) == (0, "", "")
    assert file.read_text(encoding="utf-8").lstrip("\n").startswith(start)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("ending", "start"),
    [(".svg", "<svg "), (".mmd", "flowchart"), (".txt", "Two hidden layers")],
)
def test_the_ending_of_a_picture_says_the_format(ending: str, start: str, tmp_path: Path) -> None:
    file = tmp_path / f"network{ending}"
    assert backprop("draw", SHEET, "--output", file).code == 0
    assert file.read_text(encoding="utf-8").startswith(start)


def test_the_answer_file_to_fill_in_names_what_the_blank_sheet_asks() -> None:
    blank = backprop("worksheet", SHEET)
    answers = backprop("worksheet", SHEET, "--answers")
    assert (blank.code, answers.code) == (0, 0)
    names = re.findall(r"^  (\S+):$", answers.text, re.M)
    assert {"z1_1", "L", "dL/dw1_1_1", "w3_2_1_new"} <= set(names)
    for name in names:  # at the end of its line, where it is not shown so anyway
        key = re.escape(name)
        assert re.search(rf"(\s{key}|^{key}\s*= _+)$", blank.text, re.M), name


@pytest.mark.parametrize(
    ("ending", "start"), [(".yaml", "# Answers"), (".json", "{"), (".csv", "name,value\n")]
)
def test_the_ending_of_an_answer_file_says_its_format(
    ending: str, start: str, tmp_path: Path
) -> None:
    file = tmp_path / f"answers{ending}"
    assert backprop("worksheet", SHEET, "--answers", "-o", file).code == 0
    assert file.read_text(encoding="utf-8").startswith(start)
    assert backprop("check", SHEET, file).code == 1  # read, and nothing in it
    assert backprop("worksheet", SHEET, "--answers", "-f", "html").code == 2


def test_only_takes_patterns_as_marking_does() -> None:
    wanted = ["dL/dw3_1_1", "dL/dw3_2_1"]
    listed = backprop("solve", SHEET, *(part for name in wanted for part in ("--only", name)))
    assert backprop("solve", SHEET, "--only", "dL/dw3_*").text == listed.text
    assert backprop("solve", SHEET, "--only", "dL/dw3_?_1").text == listed.text
    assert backprop("solve", SHEET, "--only", "q*").code == 2


def test_what_marking_asks_for_in_vain_is_said(tmp_path: Path) -> None:
    problem = tmp_path / "problem.yaml"
    marking = "marking: {ask: [forward, 'zz*', 'z*[9]'], points: {'d?': 2, 'y*': 2}}\n"
    problem.write_text(SHEET.read_text(encoding="utf-8") + marking, encoding="utf-8")
    answers = tmp_path / "answers.yaml"
    asked = backprop("worksheet", problem, "--answers", "-o", answers)
    marked = backprop("check", problem, answers, "--exit-zero")
    for ran in (asked, marked):
        assert ran.code == 0
        assert re.findall("nothing on the sheet fits `(.*)` in", ran.complaints) == [
            "zz*",
            "z*[9]",
            "d?",
        ]


def test_the_format_asked_for_wins_over_the_ending(tmp_path: Path) -> None:
    file = tmp_path / "sheet.txt"
    assert backprop("solve", SHEET, "-o", file, "-f", "json").code == 0
    assert json.loads(file.read_text(encoding="utf-8"))["losses"]


def test_a_file_is_replaced_whole_or_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sheet.txt"
    file.write_text("the old sheet", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    result = backprop("solve", SHEET, "--output", file)
    assert result.code == 2
    assert result.complaints.endswith("sheet.txt: No space left on device\n")
    assert file.read_text(encoding="utf-8") == "the old sheet"
    assert list(tmp_path.iterdir()) == [file]


def test_no_result_is_written_over_what_it_is_made_of(tmp_path: Path) -> None:
    sheet, answers, roster = (tmp_path / name for name in ("sheet.yaml", "mine.csv", "class.csv"))
    sheet.write_text(TINY, encoding="utf-8")
    answers.write_text("name,value\nL,1\n", encoding="utf-8")
    roster.write_text("student\nAda\n", encoding="utf-8")
    (tmp_path / "link.txt").symlink_to(sheet)
    before = {file: file.read_text(encoding="utf-8") for file in (sheet, answers, roster)}
    for words in (
        ("solve", sheet, "-o", sheet),
        ("worksheet", sheet, "-o", tmp_path / "link.txt"),
        ("check", sheet, answers, "-o", answers),
        ("check", sheet, answers, "--students", roster, "-o", roster),
    ):
        result = backprop(*words)
        assert (result.code, result.text) == (2, "")
        assert "is read here; name another file" in result.complaints
    assert before == {file: file.read_text(encoding="utf-8") for file in before}


def test_output_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    result = backprop("solve", SHEET, "--output", tmp_path / "nowhere" / "sheet.txt")
    assert result.code == 2
    assert "No such file or directory" in result.complaints


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions and links")
def test_a_replaced_file_keeps_its_permissions_and_its_link(tmp_path: Path) -> None:
    file, link = tmp_path / "sheet.txt", tmp_path / "link.txt"
    file.write_text("", encoding="utf-8")
    file.chmod(0o640)
    link.symlink_to(file)
    assert backprop("solve", SHEET, "--output", link).code == 0
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert file.read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "sheet.txt"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert backprop("solve", "-", "--only", "L", "--output", pipe, stdin=TINY).code == 0
        assert os.read(reader, 1 << 16)
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


# Terminals


def test_colour_only_on_a_terminal_that_wants_it() -> None:
    assert b"\x1b[" not in backprop("solve", SHEET).output
    assert b"\x1b[" in backprop("solve", SHEET, terminal=True).output
    assert b"\x1b[" not in backprop("solve", SHEET, terminal=True, NO_COLOR="1").output
    assert b"\x1b[" not in backprop("solve", SHEET, terminal=True, TERM="dumb").output


def test_a_terminal_shows_every_number_of_the_page() -> None:
    numbers = re.compile(r"[0-9]+\.[0-9]+")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", backprop("solve", SHEET, terminal=True).text)
    assert set(numbers.findall(backprop("solve", SHEET).text)) <= set(numbers.findall(shown))


def test_a_pager_shows_the_sheet_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("pydoc.pager", shown.append)
    assert backprop("solve", SHEET, "--pager").text == backprop("solve", SHEET).text
    assert not shown
    assert not backprop("solve", SHEET, "--pager", terminal=True).output
    assert shown == [backprop("solve", SHEET, terminal=True).text]


def test_long_work_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(terminal=True)
    monkeypatch.setattr("backprop_cli.console.PATIENCE", 0.0)
    monkeypatch.setattr(sys, "stderr", screen)
    with Progress("updates done", 40) as progress:
        progress(10)
        progress(10)
    shown = screen.contents().decode()
    assert "20 of 40 updates done" in shown
    assert "/s, 0:" in shown


def test_a_terminal_without_unicode_gets_ascii() -> None:
    plain = backprop("solve", SHEET, "--ascii").output
    assert plain.isascii()
    assert backprop("solve", SHEET, encoding="ascii").output == plain
    assert backprop("solve", SHEET, encoding="latin-1").output == plain


def test_pdf_without_its_package_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    result = backprop("solve", SHEET, "--output", tmp_path / "sheet.pdf")
    assert result.code == 2
    assert "pip install 'backprop-cli[pdf]'" in result.complaints
    assert list(tmp_path.iterdir()) == []


def test_pdf_is_not_thrown_at_a_terminal() -> None:
    result = backprop("solve", SHEET, "--format", "pdf", terminal=True)
    assert (result.code, result.output) == (2, b"")


@pytest.mark.parametrize("problem", EVERY_PROBLEM, ids=lambda path: path.stem)
def test_no_line_is_wider_than_asked(problem: Path) -> None:
    """Sheets with all derivations: `render/test_render_problems.py`."""
    solved = api.solve(problem)
    for width, ascii in ((80, True), (120, False)):
        texts = [solved.to_text(width, ascii)]
        for command in (("draw", "-f", "text"), ("worksheet",)):
            options = ("--width", str(width), *(["--ascii"] if ascii else []))
            texts.append(backprop(command[0], problem, *command[1:], *options).text)
        for text in texts:
            assert text
            assert text.isascii() or not ascii
            assert [line for line in text.splitlines() if cell_len(line) > width] == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m backprop_cli solve {SHEET} --symbolic | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, cwd=ROOT, timeout=60
    )
    assert done.stderr == b""
    assert done.returncode == 0
    assert done.stdout.decode() == "Two hidden layers, one training step\n"


@pytest.mark.skipif(os.name == "nt", reason="POSIX streams")
@pytest.mark.parametrize(
    ("arguments", "closed", "said"),
    [
        (["solve", str(SHEET)], [1], "standard output is closed; give --output FILE"),
        (["solve", str(SHEET), "-f", "pdf"], [1], "standard output is closed"),
        (["draw", str(SHEET)], [1], "standard output is closed"),
        (["check", str(SHEET), str(PERFECT), "-f", "csv"], [1], "standard output is closed"),
        (["list"], [1], "standard output is closed"),
        (["solve", "-"], [0], "-: error[unreadable-file]: cannot read the file: standard input"),
        (["check", str(SHEET), "-"], [0], "standard input is closed"),
        (["solve", "nowhere.yaml"], [2], ""),
        (["solve", "nowhere.yaml"], [0, 1, 2], ""),
    ],
)
def test_streams_may_be_closed(arguments: list[str], closed: list[int], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "backprop_cli", *arguments],
        preexec_fn=lambda: [os.close(stream) for stream in closed] and None,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        timeout=60,
    )
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert b"mistake in backprop itself" not in done.stderr
    assert bool(done.stderr) == (2 not in closed)


def test_a_file_can_be_written_without_stdout(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "backprop_cli", "solve", SHEET, "-o", tmp_path / "sheet.txt"],
        preexec_fn=lambda: os.close(1),
        stderr=subprocess.PIPE,
        cwd=ROOT,
        timeout=60,
    )
    assert (done.stderr, done.returncode) == (b"", 0)
    assert "L falls from 0.03526" in (tmp_path / "sheet.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", ["loop.txt", "loop.txt/sheet.txt"])
def test_links_in_a_circle_cannot_be_written_to(tmp_path: Path, place: str) -> None:
    (tmp_path / "loop.txt").symlink_to(tmp_path / "again.txt")
    (tmp_path / "again.txt").symlink_to(tmp_path / "loop.txt")
    result = backprop("solve", SHEET, "--output", tmp_path / place)
    assert (result.code, result.text) == (2, "")
    assert result.complaints.startswith(f"error: {tmp_path / place}: ")
    assert backprop("solve", tmp_path / "loop.txt").code == 2


# The program as a whole


def test_help_of_every_command() -> None:
    overview = backprop("--help")
    assert overview.code == 0
    for command in COMMANDS:
        shown = backprop(command, "--help")
        assert (shown.code, shown.complaints) == (0, "")
        assert f"backprop {command}" in shown.text
        assert command in overview.text


def test_version() -> None:
    assert backprop("--version").text == f"backprop {backprop_cli.__version__}\n"


def test_the_module_is_the_command() -> None:
    done = process("--version")
    assert done.returncode == 0
    assert done.stdout.decode() == f"backprop {backprop_cli.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["solve", "--help"],
        ["list"],
        ["schema"],
        ["help", "rules"],
        ["validate", str(SHEET)],
        ["solve", str(SHEET), "--only", "L", "--digits", "5", "--form", "delta", "--width", "60"],
        ["worksheet", str(SHEET), "--output", os.devnull],
    ],
    ids=" ".join,
)
def test_light_commands_load_nothing_heavy(arguments: list[str]) -> None:
    watched = (
        "import sys; from backprop_cli.cli import outcome; code = outcome(sys.argv[1:]);"
        "heavy = {'sympy', 'mpmath', 'numpy', 'pydantic'} & set(sys.modules);"
        "sys.exit(str(sorted(heavy)) if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", watched, *arguments], capture_output=True, cwd=ROOT, timeout=60
    )
    assert (done.stderr.decode(), done.returncode) == ("", 0)


def test_the_help_tells_the_commands_apart_by_group() -> None:
    shown = backprop("--help").text
    assert max(map(len, shown.splitlines())) <= 80
    headings = [line for line in shown.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == ["Options:", "Solve:", "Hand out:", "Mark:", "Look up:", "Problem files:"]
    assert "..." not in shown.partition("Options:")[2]  # every sentence is whole


def test_the_same_problem_gives_the_same_bytes() -> None:
    first = process("solve", str(SHEET), "--symbolic", "-f", "json", PYTHONHASHSEED="1")
    again = process("solve", str(SHEET), "--symbolic", "-f", "json", PYTHONHASHSEED="2")
    assert first.returncode == 0
    assert first.stdout == again.stdout
