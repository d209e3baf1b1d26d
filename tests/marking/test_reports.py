"""Report files against the specifications of those who read them."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.marking.model import VERDICTS, SubmissionReport
from backprop_cli.marking.reports import REPORTS, classroom50, github
from backprop_cli.marking.reports.common import notices
from backprop_cli.problem.read import read_problem

PROBLEM = """\
title: "A neuron <b>& more</b> ::error::x | y"
inputs: [2]
targets: [1]
layers: [{activation: identity, weights: [[0.5]], biases: [0.25]}]
loss: half_squared_error
learning_rate: 0.5
marking: {points: {L: 2}}
"""
GOOD = "answers: {z1_1: 1.25, yhat: 1.25, L: 0.03125, dL/dw1_1_1: 0.5, dL/db1_1: 0.25, w1_1_1_new: 0.25, b1_1_new: 0.125}"
HOSTILE = """\
student: "=cmd|' /C calc'!A0 <script> ::error::pwned ##[error]x"
answers:
  z1_1: 1.00
  yhat: 1.00
  L: "]]> ::set-output name=x::y %0A::error::z"
  dL/dw1_1_1: 0.25
  "<img src=x onerror=alert(1)>": 5
  "::warning::x": 5
  w1_1_1_new: 0.2
"""


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker(read_problem("homework/neuron.yaml", PROBLEM))


@pytest.fixture(scope="module")
def reports(checker: Checker) -> list[SubmissionReport]:
    files = {
        "class/good.yaml": GOOD,
        "class/::error::,%0A.yaml": HOSTILE,
        "class/bad.yaml": "\x1b]0;x",
    }
    return [checker.mark(parse_submission(file, text)) for file, text in files.items()]


def written(checker: Checker, format: str, reports: list[SubmissionReport]) -> str:
    return "".join(REPORTS[format](checker.head, reports))


@pytest.mark.parametrize("format", sorted(REPORTS))
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_no_report_holds_what_a_terminal_or_a_log_acts_on(
    checker: Checker, reports: list[SubmissionReport], format: str, count: int
) -> None:
    text = written(checker, format, reports[1 : 1 + count] if count < 3 else reports)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "##[" not in text
    for line in text.splitlines():
        if line.lstrip().startswith("::"):
            assert format == "github"
            assert re.fullmatch(
                r"::(error|warning) file=[^:,]*,line=\d+,col=\d+,title=[^:]*::.*", line
            )


# ------------------------------------------------------------------------------- JSON

MISTAKE = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
    "required": ["code", "message"],
    "additionalProperties": False,
}
ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "iteration": {"type": "integer", "minimum": 1},
        "name": {"type": "string"},
        "given": {"type": "string"},
        "verdict": {"enum": list(VERDICTS)},
        "points": {"type": "number"},
        "max_points": {"type": "number"},
        "expected": {"type": ["number", "string", "null"]},
        "expected_from_own_work": {"type": ["number", "string", "null"]},
        "mistake": {"anyOf": [{"type": "null"}, MISTAKE]},
        "feedback": {"type": "string"},
        "typed": {"type": "string"},
        "read_as": {"type": "string"},
        "same_as": {"type": "string"},
    },
    "required": [
        "iteration",
        "name",
        "given",
        "verdict",
        "points",
        "max_points",
        "expected_from_own_work",
        "mistake",
        "feedback",
    ],
    "additionalProperties": False,
}
REPORT = {
    "type": "object",
    "properties": {
        "format": {"const": "backprop-report/1"},
        "problem": {"type": "string"},
        "pass_mark": {"type": "number"},
        "submissions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "file": {"type": "string"},
                    "student": {"type": "string"},
                    "score": {"type": "number"},
                    "max_score": {"type": "number"},
                    "passed": {"type": "boolean"},
                    "error": {"type": ["string", "null"]},
                    "notices": {"type": "array", "items": {"type": "string"}},
                    "answers": {"type": "array", "items": ANSWER},
                },
                "required": [
                    "file",
                    "student",
                    "score",
                    "max_score",
                    "passed",
                    "error",
                    "notices",
                    "answers",
                ],
                "additionalProperties": False,
            },
        },
    },
    "required": ["format", "problem", "pass_mark", "submissions"],
    "additionalProperties": False,
}


def test_json(checker: Checker, reports: list[SubmissionReport]) -> None:
    report = json.loads(written(checker, "json", reports))
    jsonschema.validate(report, REPORT)
    good, hostile, bad = report["submissions"]
    assert (good["score"], good["max_score"], good["passed"]) == (8, 8, True)
    assert bad["error"] is not None
    assert not bad["answers"]
    first = hostile["answers"][0]
    assert first["given"] == "1.00"
    assert first["mistake"]["code"] == "missing-bias"
    assert first["expected"] is None
    assert "1.25" not in json.dumps(hostile)  # no value still to be found is given away


def test_json_reveals_when_asked(reports: list[SubmissionReport]) -> None:
    checker = Checker(read_problem("neuron.yaml", PROBLEM), reveal=True)
    report = checker.mark(parse_submission("x.yaml", "answers: {z1_1: 1.0, yhat: 1.0}"))
    found = json.loads(written(checker, "json", [report]))["submissions"][0]["answers"]
    assert [answer["expected"] for answer in found[:2]] == [1.25, 1.25]
    assert [answer["expected_from_own_work"] for answer in found[:2]] == [1.25, 1.0]


def test_json_without_submissions(checker: Checker) -> None:
    assert json.loads(written(checker, "json", []))["submissions"] == []


# ------------------------------------------------------------------------------- JUnit

# Elements, their attributes and their children in Jenkins' junit-10.xsd.
JUNIT: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "disabled", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "time", "disabled", "skipped", "timestamp",
         "hostname", "id", "package"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": (
        {"name", "assertions", "time", "classname", "status"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "error": ({"type", "message"}, set()),
    "failure": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}  # fmt: skip


def test_junit(checker: Checker, reports: list[SubmissionReport]) -> None:
    root = ElementTree.fromstring(written(checker, "junit", reports).encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = JUNIT[element.tag]
        assert set(element.attrib) <= attributes
        assert {child.tag for child in element} <= children
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == sum(c.find("failure") is not None for c in cases)
        assert int(suite.attrib["errors"]) == sum(c.find("error") is not None for c in cases)
        assert all({"name", "classname"} <= set(c.attrib) for c in cases)
    assert [len(suite.findall("testcase")) for suite in root] == [7, 9, 1]


# ------------------------------------------------------------------------------- Gradescope

FORMATS = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
GRADESCOPE = {
    "type": "object",
    "properties": {
        "score": {"type": "number"},
        "execution_time": {"type": "number"},
        "output": {"type": "string"},
        "output_format": FORMATS,
        "test_output_format": FORMATS,
        "test_name_format": FORMATS,
        "visibility": VISIBILITY,
        "stdout_visibility": VISIBILITY,
        "extra_data": {"type": "object"},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "score": {"type": "number"},
                    "max_score": {"type": "number"},
                    "status": {"enum": ["passed", "failed"]},
                    "name": {"type": "string"},
                    "name_format": FORMATS,
                    "number": {"type": "string"},
                    "output": {"type": "string"},
                    "output_format": FORMATS,
                    "tags": {"type": "array"},
                    "visibility": VISIBILITY,
                    "extra_data": {"type": "object"},
                },
                "additionalProperties": False,
            },
        },
        "leaderboard": {"type": "array"},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize("count", [1, 3])
def test_gradescope(checker: Checker, reports: list[SubmissionReport], count: int) -> None:
    report = json.loads(written(checker, "gradescope", reports[:count]))
    jsonschema.validate(report, GRADESCOPE)
    assert report["score"] == sum(each.score for each in reports[:count])
    assert report["score"] == sum(test["score"] for test in report["tests"])


# ------------------------------------------------------------------------------- Classroom 50


def test_classroom50(reports: list[SubmissionReport], checker: Checker) -> None:
    environment = {"CLASSROOM": "cs", "ASSIGNMENT": "backprop", "COMMIT_URL": "https://x/1"}
    for report in reports:
        text = "".join(classroom50.write(checker.head, [report], environment))
        result = json.loads(text)
        assert result["schema"] == "classroom50/result/v1"
        assert (result["classroom"], result["review"]) == ("cs", "https://x/1")
        assert type(result["score"]) is int
        assert type(result["max-score"]) is int
        assert result["score"] == sum(test["score"] for test in result["tests"])
        assert result["max-score"] == sum(test["max-score"] for test in result["tests"])
        for test in result["tests"]:
            assert {"test-name", "passed", "score", "max-score"} <= set(test)
            assert type(test["passed"]) is bool
            assert type(test["score"]) is int
            assert 0 <= test["score"] <= test["max-score"]
        # Half points exist on this sheet, so that every point counts as two, for every student.
        assert result["max-score"] == 16


# ------------------------------------------------------------------------------- GitHub


def test_github(checker: Checker, reports: list[SubmissionReport], tmp_path: Path) -> None:
    paths = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    environment = {name: str(path) for name, path in paths.items()}
    text = "".join(github.write(checker.head, reports[1:2], environment))
    first = text.splitlines()[0]
    assert first.startswith(
        "::error file=class/%3A%3Aerror%3A%3A%2C%250A.yaml,line=3,col=9,title=z1_1 is wrong::1.00: "
    )
    assert not paths["GITHUB_OUTPUT"].exists()
    summary = paths["GITHUB_STEP_SUMMARY"].read_text()
    assert "| `z1_1` | `1.00` | ✗ wrong | 0/1 |" in summary
    assert "<script>" not in summary


def test_github_shows_ten_errors_and_ten_warnings(checker: Checker) -> None:
    answers = "".join(f"  q{n}: 1\n" for n in range(40))
    report = checker.mark(parse_submission("x.yaml", f"answers:\n{answers}"))
    lines = "".join(github.write(checker.head, [report, report, report], {})).splitlines()
    assert sum(line.startswith("::error") for line in lines) == 10
    assert sum(line.startswith("::warning") for line in lines) == 10


def test_github_points_at_what_makes_a_file_unreadable(checker: Checker) -> None:
    report = checker.mark(parse_submission("x.yaml", "answers:\n  z1_1: &a 1\n"))
    (annotation, _) = github.write(checker.head, [report], {})
    assert annotation.startswith("::error file=x.yaml,line=2,col=9,title=The file cannot be marked")
    report = checker.mark(parse_submission("x.yaml", ""))
    assert ",line=1,col=1," in "".join(github.write(checker.head, [report], {}))


def test_github_writes_no_file_when_there_is_none_to_write(checker: Checker) -> None:
    assert "".join(github.write(checker.head, [], {})) == ""


# ------------------------------------------------------------------------------- tables


def test_csv(checker: Checker, reports: list[SubmissionReport]) -> None:
    rows = list(csv.DictReader(io.StringIO(written(checker, "csv", reports))))
    assert [row["score"] for row in rows] == ["8", "2", "0"]
    assert [row["passed"] for row in rows] == ["yes", "no", "no"]
    assert (rows[1]["first_slip"], rows[1]["first_slip_kind"]) == ("z1_1", "missing-bias")
    assert rows[1]["student"].startswith("'=cmd")  # no formula for a spreadsheet
    assert rows[2]["error"]


def test_markdown(checker: Checker, reports: list[SubmissionReport]) -> None:
    text = written(checker, "markdown", reports)
    assert "<script>" not in text
    assert "| `z1_1` | missing-bias | 1 |" in text
    assert "3 submissions, 1 passed" in text
    assert "- " not in text.split("\n")[0][:2]


def test_an_answer_that_pays_for_a_slip_is_reported_as_failed(checker: Checker) -> None:
    answers = "answers: {dL/dz1_1: -0.25, dL/dw1_1_1: -0.5, dL/db1_1: -0.25}"
    report = checker.mark(parse_submission("x.yaml", answers))
    tests = json.loads(written(checker, "gradescope", [report]))["tests"]
    status = {test["name"]: (test["status"], test["score"]) for test in tests}
    assert status["dL/dw1_1_1"] == ("failed", 0)
    assert status["dL/db1_1"] == ("passed", 1)


def test_what_many_answers_have_in_common_is_said_once(checker: Checker) -> None:
    text = """answers: {z1_1: "1,25", yhat: "1,25", L: "0,03125", dL/dw1_1_1: "?", dL/db1_1: "§", w1_1_1_new: "§", Δw1_1_1: 7.7, Δb1_1: 8.8}"""
    report = checker.mark(parse_submission("student.yaml", text))
    verdicts = [answer.verdict for answer in report.answers]
    unread = ["missing", "unreadable", "unreadable", "missing", "unknown", "unknown"]
    assert verdicts == ["correct"] * 3 + unread  # decimal commas need no word
    signs, changes = notices(report)
    assert "§" in signs
    assert "So is w1_1_1_new" in signs
    assert "Δw1_1_1 is unknown. To some this is a gradient" in changes
    assert "So is Δb1_1" in changes


@pytest.mark.parametrize("format", sorted(REPORTS))
def test_how_a_sheet_was_read_is_said_before_the_answers(format: str) -> None:
    """The error as y − ŷ, and the step added: no slip, and said once, but in a table of answers."""
    checker = Checker(
        read_problem("neuron.yaml", PROBLEM.replace("weights: [[0.5]]", "weights: [[0.7]]"))
    )
    answers = "{z1_1: 1.65, yhat: 1.65, dL/dw1_1_1: -1.3, dL/db1_1: -0.65, w1_1_1_new: 0.05, b1_1_new: -0.075}"
    report = checker.mark(parse_submission("student.yaml", f"answers: {answers}"))
    assert {answer.verdict for answer in report.answers} == {"correct", "missing"}
    text = written(checker, format, [report])
    said = [found.start() for found in re.finditer("Read with the error as target", text)]
    assert len(said) == (len(report.answers) if format == "csv-answers" else 1)
    if format not in ("csv", "csv-answers", "junit", "gradescope"):  # Gradescope shows it on top
        first = text.find("dL/dw1_1_1")
        assert said[0] < first or first < 0
