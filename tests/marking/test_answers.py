"""Answer files: three formats, digits as written, places kept, bad files refused with a reason."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_cli.marking import forms
from backprop_cli.marking.answers import parse_submission, read_submission
from backprop_cli.marking.submission import Answer, Submission

YAML = """\
student: s1234   # who
answers:
  z1_1: 5.02
  L: 0.90
  dL/dw3_1_1: (yhat - y)*yhat*(1 - yhat)
  dL/dw3_1_2: ["(yhat-y)yhat(1-yhat)a2_2", -0.0519]
  w3_1_1_new:
"""


def test_yaml() -> None:
    found = parse_submission("homework/a.yaml", YAML)
    assert (found.student, found.error) == ("s1234", None)
    assert found.iterations == (
        (
            Answer("z1_1", ("5.02",), 3, 9),
            Answer("L", ("0.90",), 4, 6),
            Answer("dL/dw3_1_1", ("(yhat - y)*yhat*(1 - yhat)",), 5, 15),
            Answer("dL/dw3_1_2", ("(yhat-y)yhat(1-yhat)a2_2", "-0.0519"), 6, 15),
        ),
    )


def test_json_keeps_digits_and_places() -> None:
    text = '{"student": 7,\n "answers": {"L": 0.90, "z": ["a\\u0031 + 1", -1.50e-3], "x": null}}'
    found = parse_submission("b.json", text)
    assert found.student == "7"
    assert found.iterations == (
        (Answer("L", ("0.90",), 2, 19), Answer("z", ("a1 + 1", "-1.50e-3"), 2, 30)),
    )


def test_csv() -> None:
    text = 'name,value\nstudent,Ada\nz1_1,5.02\nL,"max(0, z1_1)",0.90\n\n# later\nw,\n'
    found = parse_submission("c.csv", text)
    assert found.student == "Ada"
    assert found.iterations == (
        (Answer("z1_1", ("5.02",), 3, 6), Answer("L", ("max(0, z1_1)", "0.90"), 4, 3)),
    )


def test_csv_with_semicolons_or_several_updates() -> None:
    semicolons = parse_submission("c.csv", "name;value\nz;1.5\n")
    assert semicolons.iterations == ((Answer("z", ("1.5",), 2, 3),),)
    updates = parse_submission("c.csv", "iteration,name,value\n1,z,1\n2,z,2\n")
    assert [[a.texts for a in update] for update in updates.iterations] == [[("1",)], [("2",)]]


@pytest.mark.parametrize(
    "text",
    [
        "iterations:\n  - z: 1\n    w_new: 2\n  - z: 3\n",
        "iterations:\n- z: 1\n  w_new: 2\n- z: 3\n",
        "iterations: [{z: 1, w_new: 2}, {z: 3}]\n",
        "iterations:\n  - answers: {z: 1, w_new: 2}\n  - answers: {z: 3}\n",
        '{"iterations": [{"z": 1, "w_new": 2}, {"z": 3}]}',
    ],
)
def test_several_updates(text: str) -> None:
    found = parse_submission("x.json" if text.startswith("{") else "x.yaml", text)
    written = [[(a.name, a.texts) for a in update] for update in found.iterations]
    assert written == [[("z", ("1",)), ("w_new", ("2",))], [("z", ("3",))]]


def test_as_many_answers_as_a_sheet_may_have_quantities() -> None:
    lines = [f"  w{number}: 0.{number}" for number in range(9_000)]
    for text in ("answers:\n" + "\n".join(lines), "answers:\n  *\n" + "\n".join(lines * 2)):
        found = parse_submission("x.yaml", text)
        assert len(found.iterations[0]) in (9_000, 9_001)


def test_the_file_name_is_the_student() -> None:
    assert parse_submission("class/s77.yaml", "answers: {z: 1}").student == "s77"
    assert parse_submission("-", "answers: {z: 1}").student == "-"


def test_answers_without_their_heading() -> None:
    assert parse_submission("x.yaml", "z1: 5\nz2: 6\n").iterations == (
        (Answer("z1", ("5",), 1, 5), Answer("z2", ("6",), 2, 5)),
    )


@pytest.mark.parametrize("ending", ["yaml", "json", "csv"])
def test_given_twice_spoils_that_answer_only(ending: str) -> None:
    text = {
        "yaml": "answers:\n  a: 1\n  b: 2\n  a: 3\n",
        "json": '{"answers": {\n"a": 1,\n"b": 2,\n"a": 3}}',
        "csv": "name,value\na,1\nb,2\na,3\n",
    }[ending]
    found = parse_submission(f"x.{ending}", text)
    first, second = found.iterations[0]
    assert first.problem == "it is given twice, on lines 2 and 4"
    assert second == Answer("b", ("2",), 3, second.column)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "the file is empty"),
        (b"\xff\xfe\x00a", "not UTF-8"),
        (b"answers:\n  a: \xe9\n", "line 2: the file is not UTF-8"),
        (b"a\0b", "not text"),
        (b"\x7fELF\x02", "may not stand in a file"),
        (b"answers: [1, 2]", "line 1, column 10: answers are written as `name: value`"),
        (b"answers: {a: 1", "line 1"),
        (b"- a\n- b\n", "begins with `answers:`"),
        (b"answers:\n  a: &x 1\n", "line 2, column 6: anchors"),
        (b"answers:\n  a: *x\n", "line 2, column 6: aliases"),
        (b"answers: !!python/object/apply:os.system [ls]\n", "tags"),
        (b"answers: {a: 1}\niterations: []\n", "not both"),
        (b"problem: {a: {b: 1}}\n", "no `answers:` here"),
        (b"[" * 100_000, "nested 50 deep"),
        (b"a: " * 1000, "line 1"),
        (b"x" * (1 << 20) + b"y", "larger than 1 MiB"),
        (b"answers:\n" + b"".join(b"  a%d: 1\n" % n for n in range(10001)), "more than 10000"),
    ],
)
def test_a_bad_file_has_a_reason(text: bytes, reason: str) -> None:
    found = parse_submission("x.yaml", text)
    assert found.iterations == ()
    assert reason in (found.error or "")
    assert (found.error or "").isprintable()


@pytest.mark.parametrize(
    "text",
    ["{", "[" * 100_000, '{"answers": {"a": 1}}}', '{"answers": {"a": 1}} x', '{"a" 1}', "nul{"],
)
def test_bad_json_has_a_reason(text: str) -> None:
    assert "line 1" in (parse_submission("x.json", text).error or "")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{'a': 1}", "a"),
        ('{"a": 1,\n}', "a"),
        ('{\n\t"answers":\t{\n\t\t"a":1\n\t}\n}', "a"),
        (r'{"\ud835\udc67": 1}', "\U0001d467"),
    ],
)
def test_json_of_other_programs(text: str, name: str) -> None:
    found = parse_submission("x.json", text)
    assert found.error is None
    assert [(a.name, a.texts) for a in found.iterations[0]] == [(name, ("1",))]


def test_an_alias_bomb_is_refused_at_once() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    start = time.process_time()
    assert "anchors" in (parse_submission("x.yaml", bomb).error or "")
    assert time.process_time() - start < 0.5


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    assert "no such file" in (read_submission(tmp_path / "none.yaml").error or "")
    assert "directory" in (read_submission(tmp_path).error or "")


names = st.from_regex(r"[A-Za-z∂][A-Za-z0-9_/\[\]'^]{0,8}", fullmatch=True)
scalars = st.one_of(
    st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{0,4})?(e-?[0-9])?", fullmatch=True),
    st.text(st.sampled_from("ab12.()+-*/^ yhat,[]{}#:'\"&*!|>%@`?~=\\é∂"), max_size=12),
    st.sampled_from(["", "null", "~", "yes", "- 1", "? 1", "1:30", "#", "a #b", "a: b", "---"]),
)
spaces = st.sampled_from(["", " ", "  ", "   "])


@given(
    st.lists(st.tuples(names, spaces, spaces, scalars, spaces), max_size=5),
    st.sampled_from(
        ["answers:\n", "student: s1\nanswers:\n", "answers: # x\n", "iterations:\n  - q: 1\n"]
    ),
    st.sampled_from(["  ", "    ", " ", ""]),
)
def test_the_quick_reader_agrees_with_the_yaml_parser(
    rows: list[tuple[str, str, str, str, str]], head: str, indent: str
) -> None:
    lines = [f"{indent}{name}{a}:{b}{value}{c}\n" for name, a, b, value, c in rows]
    text = head + "".join(lines)
    quick = forms._quick("x.yaml", text)
    if quick is not None:
        assert quick == forms._of_tree("x.yaml", text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for file in ("x.yaml", "x.json", "x.csv"):
        found = parse_submission(file, text)
        assert isinstance(found, Submission)
        assert found.error is None or found.error.isprintable()


MARKS = ["z1_1", "w'", " = ", ": ", "0.5", "0,5", "| ", "|", "\n", "\n\n", "---|---", "**", "`", "$", "$$", "- ", "> ",
         "1. ", "# ", "Update 2", "&", "\\\\", "\\begin{align}", "\\end{align}", "\\boxed{", "\\frac{1}{2}", "{", "}", "[",
         "]", "(", ")", ", ", "; ", "```", "```yaml\n", "answers:\n", "  ", "new ", "gradient ", "←", "→", "≈", "<sub>",
         "</sub>", "&minus;", "\\begin{pmatrix}", "\\end{pmatrix}", "name", "value", "\u200b"]  # fmt: skip


@given(st.lists(st.sampled_from(MARKS), max_size=30).map("".join))
def test_any_page_is_read_or_refused(text: str) -> None:
    for file in ("x.md", "x.txt", "x.tex", "x.yaml", "x.csv"):
        found = parse_submission(file, text)
        assert found.error is None or found.error.isprintable()
        assert all(0 < a.line <= text.count("\n") + 1 for group in found.iterations for a in group)
        assert all(a.texts or a.problem for group in found.iterations for a in group)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=5), s, max_size=3),
    )
)
def test_any_json_value_is_read_or_refused(value: object) -> None:
    found = parse_submission("x.json", json.dumps({"answers": value}))
    updates = {1, len(value)} if isinstance(value, list) else {1}  # a mapping for each update
    assert found.error is not None or len(found.iterations) in updates


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("answers: {z1_1: 0,855, L: -0,5}", {"z1_1": "0,855", "L": "-0,5"}),
        ("answers:\n  z: 5.02\n  a = 4.52\n  L: 0.7\n", {"z": "5.02", "a": "4.52", "L": "0.7"}),
        ("z = 5.02\na ≈ 4.52\n", {"z": "5.02", "a": "4.52"}),
        ("answers:\nz: 5.02\nL: 1\n", {"z": "5.02", "L": "1"}),
        ("answers:\n  z: 5.02\nL: 1\n", {"z": "5.02", "L": "1"}),
        ("answers:\n\tz: 5.02\n\tL: 1\n", {"z": "5.02", "L": "1"}),
        ("answers:\n  z: 5.02\n    L: 1\n", {"z": "5.02", "L": "1"}),
        ("answers:\n  z: *5.02\n  L: 1\n  a: 2\n", {"z": "*5.02", "L": "1", "a": "2"}),
        ("answers:\n  z: 1: 2\n  L: 1\n", {"z": "1: 2", "L": "1"}),
        ('answers:\n  z: "\\frac{1}{2} \\times 3"\n', {"z": "\\frac{1}{2} \\times 3"}),
        ('answers:\n  z: "\\sigma(z) \\neq \\rho"\n', {"z": "\\sigma(z) \\neq \\rho"}),
        ("practice:\n  z: {tries: 2}\nanswers:\n  z: 4\n", {"z": "4"}),
        ("answers:\n  z: 4\npractice:\n  z: {tries: 2}\n", {"z": "4"}),
    ],
)
def test_a_person_can_read_it(text: str, read: dict[str, str]) -> None:
    found = parse_submission("x.yaml", text)
    assert found.error is None
    assert {answer.name: " ".join(answer.texts) for answer in found.iterations[0]} == read


def test_lines_that_cannot_be_read_say_where_they_stand() -> None:
    found = parse_submission("x.yaml", "answers:\n  z: *5\n  L: 1\n  nothing at all\n  a: 2\n")
    problems = [(a.name, a.line) for a in found.iterations[0] if a.problem]
    assert problems == [("z", 2), ("nothing at all", 4)]
    assert "line 2" in found.remarks[0]


def test_backslashes_in_json_are_latex() -> None:
    found = parse_submission("x.json", '{"answers": {"z": "\\frac{1}{2}\\times\\u0031\\n"}}')
    assert found.iterations[0][0].texts == ("\\frac{1}{2}\\times1",)


@pytest.mark.parametrize("text", ["z;0,855\nL;0,5\n", "z,0,855\nL,0,5\n", "name;value\nz;0,855\n"])
def test_decimal_commas_in_csv(text: str) -> None:
    assert parse_submission("x.csv", text).iterations[0][0].texts == ("0,855",)
