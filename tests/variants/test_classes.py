"""A class: rosters, files for each student, and the report on all of them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import yaml
from commands import PROBLEMS, backprop
from drawn import DENSE

from backprop_cli.diagnostics import ProblemError
from backprop_cli.variants.roster import file_names, read_roster


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_roster_names_its_students(tmp_path: Path) -> None:
    named = written(tmp_path / "a.csv", "name,Student,email\nAda,s1,a@b\nBob,s2,b@b\n")
    assert read_roster(named) == ("s1", "s2")
    assert read_roster(written(tmp_path / "b.csv", "s1\ns2\n\ns3")) == ("s1", "s2", "s3")
    assert read_roster(written(tmp_path / "c.csv", "login;x\nb;1\n")) == ("b",)


@pytest.mark.parametrize("text", ["", "student\n", "student\nAda\n ADA\n", "student,x\n,1\n"])
def test_a_bad_roster_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ProblemError):
        read_roster(written(tmp_path / "r.csv", text))


def test_every_student_has_a_file_name_that_is_harmless() -> None:
    names = file_names(["Ada L.", "ada l", "../../etc/passwd", "Müller, Ö", "=cmd|x", "日本"])
    assert list(names.values()) == [
        "ada-l",
        "ada-l-2",
        "etc-passwd",
        "muller-o",
        "cmd-x",
        "student",
    ]


def test_a_class_gets_sheets_keys_and_a_table(tmp_path: Path) -> None:
    problem = written(tmp_path / "p.yaml", DENSE)
    roster = written(tmp_path / "r.csv", "student\nAda\n=Bob\n")
    out = tmp_path / "out"
    made = backprop(
        "variant", problem, "--students", roster, "--output", out, "--format", "markdown", "--key"
    )
    assert made.code == 0, made.complaints
    assert sorted(path.name for path in out.iterdir()) == [
        "ada.key.md", "ada.md", "bob.key.md", "bob.md", "variants.csv",
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO((out / "variants.csv").read_text(encoding="utf-8"))))
    assert [row["student"] for row in rows] == ["Ada", "'=Bob"]
    own = yaml.safe_load(backprop("variant", problem, "--student", "ada").text)
    assert float(rows[0]["x1"]) == own["inputs"][0]


def test_two_students_with_the_same_sheet_are_named(tmp_path: Path) -> None:
    text = (
        DENSE.partition("variants:")[0] + "variants: {draw: {y: {choice: [0, 1]}}, require: []}\n"
    )
    problem = written(tmp_path / "p.yaml", text)
    roster = written(tmp_path / "r.csv", "student\nAda\nBob\nEve\n")
    made = backprop("variant", problem, "--students", roster, "--output", tmp_path / "out")
    assert made.code == 0
    assert "have the same numbers; draw more widely" in made.complaints
    assert "Ada and Eve" in made.complaints  # of three students with two sheets


def test_one_student_everywhere(tmp_path: Path) -> None:
    problem = written(tmp_path / "p.yaml", DENSE)
    own = written(tmp_path / "own.yaml", backprop("variant", problem, "--student", "ada").text)
    for command in ("solve", "worksheet", "draw", "verify"):
        theirs = backprop(command, problem, "--student", "ADA")
        assert theirs.code == 0
        assert theirs.output == backprop(command, own).output
    assert "ada" not in own.read_text(encoding="utf-8")
    named = backprop("variant", problem, "--student", "ada\x1b[31m", "--with-id").text
    assert named.startswith("# The numbers of ada\\x1b[31m.") or "\x1b" not in named


def test_what_cannot_be_is_refused() -> None:
    file = PROBLEMS / "own-numbers.yaml"
    assert backprop("variant", file).code == 2
    assert backprop("variant", file, "--student", " ").code == 2
    assert backprop("variant", file, "--student", "a", "--students", "b").code == 2
    assert (
        "no variants"
        in backprop("solve", PROBLEMS / "one-neuron.yaml", "--student", "a").complaints
    )


def test_the_report_on_a_class(tmp_path: Path) -> None:
    problem = written(tmp_path / "p.yaml", DENSE)
    text = backprop("stress", problem, "--students", "6")
    assert text.code == 0
    assert "6 variants" in text.text
    assert "Nearest slip" in text.text
    data = json.loads(backprop("stress", problem, "--students", "6", "--format", "json").text)
    assert data["format"] == "backprop-stress/1"
    assert data["students"] == 6
    assert {"mean", "median", "max"} == set(data["tries"])
    ways = 8**2 * 18**6 * 8**3 * 2 * 2
    assert data["sheets"] == pytest.approx(ways / data["tries"]["mean"])
    names = [quantity["name"] for quantity in data["quantities"]]
    assert names[:2] == ["z1_1", "z1_2"]
    assert all(
        each["nearest_slip"] is None or each["nearest_slip"] >= 1 for each in data["quantities"]
    )


def test_a_section_that_draws_nothing_is_one_sheet_for_all() -> None:
    file = "equations: {f: w*x}\ngiven: {x: 3}\nparameters: {w: 2}\nvariants: {draw: {}}\n"
    assert "there is 1 way to draw the numbers" in backprop("validate", "-", stdin=file).complaints


def test_few_sheets_are_warned_of_and_counted(tmp_path: Path) -> None:
    text = "equations: {L: x*w}\ngiven: {x: 2}\nparameters: {w: 3}\nvariants: {draw: {DRAW}}\n"
    few = written(tmp_path / "few.yaml", text.replace("DRAW", "x: {choice: [2, 3, 5, 7]}"))
    assert "there are 4 ways to draw the numbers" in backprop("validate", few).complaints
    report = " ".join(backprop("stress", few, "--students", "6").text.split())
    assert "about 4 different sheets; it is all but certain that two of 6 students" in report
    wide = "x: {from: 2, to: 50, step: 1}, w: {from: 2, to: 50, step: 1}"
    many = written(tmp_path / "many.yaml", text.replace("DRAW", wide))
    assert not backprop("validate", many).complaints


def test_an_answer_file_says_whose_it_is(tmp_path: Path) -> None:
    problem = written(tmp_path / "p.yaml", DENSE)
    whose = ("--student", 'Ada "O" K')
    template = backprop("worksheet", problem, *whose, "--answers").text
    assert yaml.safe_load(template)["student"] == 'Ada "O" K'
    table = backprop("worksheet", problem, *whose, "--answers", "--format", "csv").text
    assert list(csv.reader(io.StringIO(table)))[1] == ["student", 'Ada "O" K']
    roster = written(tmp_path / "r.csv", "student\nAda\n")
    for options, name in (((), "____"), (("--with-id",), "Name: Ada ")):
        out = tmp_path / f"out{len(options)}"
        backprop(
            "variant", problem, "--students", roster, "--output", out, "--format", "text", *options
        )
        assert name in (out / "ada.txt").read_text(encoding="utf-8")
