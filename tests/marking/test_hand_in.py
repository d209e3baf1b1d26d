"""Files, folders and archives of answers, whose they are, and sheets for each student."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import stat
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backprop_cli.cli import app
from backprop_cli.marking import hand_in
from backprop_cli.marking.answers import parse_submission
from backprop_cli.marking.check import Checker
from backprop_cli.marking.hand_in import Place, named, places
from backprop_cli.marking.reports import REPORTS
from backprop_cli.marking.submission import Submission
from backprop_cli.problem.read import read_problem
from backprop_cli.variants import students as students_module
from backprop_cli.variants.students import Marker
from backprop_cli.variants.variant import Drawer

PROBLEM = """\
title: One neuron
inputs: [2]
targets: [1]
layers: [{activation: identity, weights: [[0.5]], biases: [0.25]}]
loss: half_squared_error
learning_rate: 0.5
"""
VARIANTS = (
    PROBLEM + "variants: {draw: {inputs: {from: 1, to: 9, step: 0.5}}, require: [], seed: s}\n"
)
GOOD = "answers:\n  z1_1: 1.25\n  yhat: 1.25\n"


def students(path: Path, problem: str = "none") -> list[tuple[str, str | None]]:
    return [
        (place.student, place.read().error) for place in named(list(places([str(path)], problem)))
    ]


def archive(path: Path, entries: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return path


def test_a_folder_of_folders(tmp_path: Path) -> None:
    for who in ("alice", "bob"):
        (tmp_path / who).mkdir()
        (tmp_path / who / "answers.yaml").write_text(GOOD)
    (tmp_path / "carol.csv").write_text("z1_1,1.25\n")
    (tmp_path / "dave").mkdir()
    (tmp_path / "dave" / "answers.yaml").write_text("student: s4\n" + GOOD)
    (tmp_path / "notes.txt").write_text("no answers")
    (tmp_path / ".hidden.yaml").write_text(GOOD)
    problem = tmp_path / "problem.yaml"
    problem.write_text(PROBLEM)
    (tmp_path / "link.yaml").symlink_to(problem)
    found = [place.read().student for place in named(list(places([str(tmp_path)], str(problem))))]
    assert found == ["carol", "alice", "bob", "s4"]


def test_two_files_of_the_same_name_are_two_students(tmp_path: Path) -> None:
    found = named([Place("alice/answers.yaml"), Place("bob/answers.yaml"), Place("x/hw.yaml"),
                   Place("y/hw.yaml"), Place("z/eve.yaml")])  # fmt: skip
    assert [place.student for place in found] == ["alice", "bob", "x/hw", "y/hw", "eve"]
    assert named([Place("alice/answers.yaml")])[0].student == "answers"


def test_an_archive(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "class.zip",
        {
            "alice/answers.yaml": GOOD,
            "bob/answers.yaml": GOOD,
            "__MACOSX/._x.yaml": "x",
            "r.md": "",
        },
    )
    assert students(path) == [("alice", None), ("bob", None)]


def test_hostile_archives(tmp_path: Path) -> None:
    bomb = {f"s{n}.yaml": b"a" * (64 << 20) for n in range(2)}
    link = zipfile.ZipInfo("link.yaml")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive(tmp_path / "a.zip", bomb), "a", zipfile.ZIP_DEFLATED) as made:
        made.writestr(link, "/etc/passwd")
        made.writestr("../out.yaml", GOOD)
        made.writestr("/abs.yaml", GOOD)
        made.writestr("good.yaml", GOOD)
    tracemalloc.start()
    found = dict(students(tmp_path / "a.zip"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["good"] is None
    reasons = sorted(reason for reason in found.values() if reason)
    assert sum("larger than 1 MiB" in reason for reason in reasons) == 2
    assert any("a link" in reason for reason in reasons)
    assert peak < 20 << 20


def test_an_entry_that_lies_about_its_size_is_read_no_further(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"s.yaml": b"a" * (8 << 20)})
    data = path.read_bytes().replace(struct.pack("<I", 8 << 20), struct.pack("<I", 100))
    path.write_bytes(data)
    (_, error) = students(path)[0]
    assert error


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 1000, b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_archive_has_a_reason(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    ((_, error),) = students(tmp_path / "a.zip")
    assert error


def test_thousands_of_entries_are_bounded(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {f"s{n}.yaml": "" for n in range(10_001)})
    start = time.process_time()
    ((_, error),) = students(path)
    assert error is not None
    assert "more than 10,000 entries" in error
    assert time.process_time() - start < 2


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    assert students(tmp_path) == [("", "there are no answer files in it")]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", *arguments])
    return result.exit_code, result.stdout


def test_feedback_and_rows(tmp_path: Path) -> None:
    problem = tmp_path / "problem.yaml"
    problem.write_text(PROBLEM)
    path = archive(
        tmp_path / "class.zip",
        {"../x.yaml": GOOD, "Ä b/answers.yaml": GOOD, "a-b/answers.yaml": GOOD + "  q: 5\n"},
    )
    out = tmp_path / "sheets"
    code, text = run(str(problem), str(path), "--feedback", str(out), "-f", "csv-answers")
    assert code == 1
    assert sorted(each.name for each in out.iterdir()) == ["a-b-2.md", "a-b.md", "x.md"]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["student"] for row in rows} == {"x", "Ä b", "a-b"}
    assert [row["given"] for row in rows if row["name"] == "q"] == ["5"]
    code, text = run(str(problem), str(path), "-f", "html")
    assert text.startswith("<!DOCTYPE html>")
    assert "Unknown" in text


def own_numbers(student: str) -> str:
    """Right answers to a student's own sheet: one neuron, so z = 0.5 x + 0.25."""
    numbers = Drawer(read_problem("p.yaml", VARIANTS)).variant(student).numbers
    z = 0.5 * float(numbers["x"]) + 0.25
    return f"answers: {{z1_1: {z}}}\n"


def marks(place: Place, **options: object) -> tuple[str, float, bool, str]:
    marker = Marker(
        read_problem("p.yaml", VARIANTS),
        pass_mark=0.1,
        **{"environment": {}, **options},  # type: ignore[arg-type]
    )
    report = marker.mark(place)
    return report.student, report.score, report.passed, " ".join(report.remarks)


def test_a_student_s_own_numbers(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text("student: Alice\n" + own_numbers("alice"))
    assert marks(Place(str(path))) == ("Alice", 1.0, True, "")
    assert marks(Place(str(path)), student="alice")[:3] == ("alice", 1.0, True)
    who, _, passed, remark = marks(Place(str(path)), student="bob")
    assert (who, passed) == ("bob", False)
    assert "Alice" in remark
    who, _, passed, _ = marks(Place(str(path)), roster=["alice", "bob"])
    assert (who, passed) == ("alice", True)
    path.write_text(own_numbers("alice"))
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "course/hw1-alice"}
    assert marks(Place(str(path)), roster=["alice"], environment=environment)[:3] == (
        "alice", 1.0, True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("repository", "actor", "event", "own", "expected"),
    [
        ("course/hw1-alice", "alice", {}, "", "alice"),
        ("course/hw1-alice", "alice", {}, "bob", "alice"),  # a friend's sheet
        ("course/hw1-alice", "teacher", {}, "alice", "alice"),
        ("course/hw1-alice", "github-classroom[bot]", {}, "Alice", "Alice"),
        ("course/hw1-ann-lee", "Ann-Lee", {}, "lee", "Ann-Lee"),
        ("course/hw", "teacher", {"pull_request": {"user": {"login": "eve"}}}, "", "eve"),
        ("eve/hw", "teacher", {"repository": {"fork": True, "owner": {"login": "eve"}}}, "", "eve"),
        ("teacher/hw", "eve", {"repository": {"fork": False, "owner": {"login": "t"}}}, "", "eve"),
        ("course/hw", "robot[bot]", {}, "bob", "bob"),
        ("course/hw", "eve", {"repository": 7, "pull_request": []}, "", "eve"),
    ],
)
def test_whose_a_repository_is(
    repository: str, actor: str, event: dict, own: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "event.json").write_text(json.dumps(event))
    path = tmp_path / "answers.yaml"
    path.write_text(f"student: {own}\n" + own_numbers(expected))
    environment = {
        "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": repository, "GITHUB_ACTOR": actor,
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
    }  # fmt: skip
    who, score, passed, _ = marks(Place(str(path)), environment=environment)
    assert (who, score) == (expected, 1.0)
    assert passed == (own.lower() in ("", expected.lower()))


def test_a_class_in_one_repository_is_not_its_teachers(tmp_path: Path) -> None:
    for student in ("alice", "bob"):
        (tmp_path / f"{student}.yaml").write_text(f"student: {student}\n" + own_numbers(student))
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "teacher"}
    marker = Marker(read_problem("p.yaml", VARIANTS), pass_mark=0.1, environment=environment)
    reports = list(students_module.mark_all(marker, named(list(places([str(tmp_path)], "none")))))
    assert [(each.student, each.passed) for each in reports] == [("alice", True), ("bob", True)]


def test_the_folder_beats_the_file_and_the_metadata_beat_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "submission"
    (folder / "alice").mkdir(parents=True)
    path = folder / "alice" / "answers.yaml"
    path.write_text("student: bob\n" + own_numbers("bob"))
    (place,) = named(list(places([str(folder)], "none")))
    who, _, passed, remark = marks(place)
    assert (who, passed) == ("alice", False)
    assert "bob" in remark
    (tmp_path / "submission_metadata.json").write_text(
        json.dumps({"users": [{"email": "bob", "name": "Bob"}]})
    )
    (folder / "submission").mkdir()
    (folder / "submission_metadata.json").write_text(json.dumps({"users": [{"email": "eve"}]}))
    assert marks(place)[:3] == ("bob", 1.0, True)


def test_somebody_who_is_not_in_the_class(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text("student: mallory\n" + GOOD)
    marker = Marker(read_problem("p.yaml", PROBLEM), roster=["alice"], environment={})
    assert "no `mallory`" in (marker.mark(Place(str(path))).error or "")


def test_two_processes_mark_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for number in range(40):
        path = tmp_path / f"s{number}.yaml"
        path.write_text(f"answers: {{z1_1: 1.{number}, yhat: 1.25}}\n")
        found.append(Place(str(path)))
    marker = Marker(read_problem("p.yaml", PROBLEM), environment={})
    one = list(students_module.mark_all(marker, found))
    monkeypatch.setattr(students_module, "MANY", 10)
    monkeypatch.setattr(students_module, "AT_ONCE", 16)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert list(students_module.mark_all(marker, found)) == one


def test_a_checker_can_be_sent_to_another_process() -> None:
    checker = Checker(read_problem("p.yaml", PROBLEM), tolerance=0.01, reveal=True)
    again = pickle.loads(pickle.dumps(checker))
    submission = parse_submission("x.yaml", GOOD)
    assert again.mark(submission) == checker.mark(submission)
    assert again.head == checker.head


def test_gradescope_holds_no_class_in_memory() -> None:
    checker = Checker(read_problem("p.yaml", PROBLEM))
    report = checker.mark(parse_submission("x.yaml", GOOD))
    tracemalloc.start()
    for _ in REPORTS["gradescope"](checker.head, (report for _ in range(3000))):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20


def test_a_page_in_a_folder_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ada.md").write_text("z1_1 = __1.5__ (`z1_1`)\n", encoding="utf-8")
    read = []

    def reading(path: str) -> Submission:
        read.append(path)
        return parse_submission(path, Path(path).read_bytes())

    monkeypatch.setattr(hand_in, "read_submission", reading)
    (place,) = named(list(places([str(tmp_path)], "none")))
    assert (place.read().student, len(read)) == ("ada", 1)
