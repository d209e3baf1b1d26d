"""What a reader sees when something is wrong with a file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_cli.diagnostics import (
    Diagnostic,
    ProblemError,
    Source,
    Span,
    closest,
    escape,
    listed,
    nearest,
    quote,
    render,
    render_all,
)


def shown(text: str, start: int, end: int, help: str | None = None, path: str = "f.yaml") -> str:
    span = Span(Source(path, text), start, end)
    return render(Diagnostic("code", "a message", span, help=help))


def test_the_example_of_the_manual() -> None:
    text = "\n" * 5 + "  - {activation: sigmod, weights: [[0.17, 0.29]]}\n"
    start = text.index("sigmod")
    found = Diagnostic(
        "unknown-activation",
        "`sigmod` is not an activation",
        Span(Source("problems/demo.yaml", text), start, start + 6),
        help="did you mean `sigmoid`?",
    )
    assert render(found) == (
        "problems/demo.yaml:6:18: error[unknown-activation]: `sigmod` is not an activation\n"
        "  |\n"
        "6 |   - {activation: sigmod, weights: [[0.17, 0.29]]}\n"
        "  |                  ^^^^^^\n"
        "  = help: did you mean `sigmoid`?"
    )


def test_a_line_number_of_two_digits_widens_the_gutter() -> None:
    text = "\n" * 11 + "abc"
    assert shown(text, 12, 13, help="x").split("\n")[1:] == [
        "   |",
        "12 | abc",
        "   |  ^",
        "   = help: x",
    ]


def test_a_warning_says_so_and_a_file_as_a_whole_has_no_line() -> None:
    found = Diagnostic("code", "a message", Span(Source("f.yaml", "")), severity="warning")
    assert render(found) == "f.yaml: warning[code]: a message"
    assert render(Diagnostic("code", "a message", help="h")) == (
        "error[code]: a message\n  = help: h"
    )


def test_a_span_over_several_lines_marks_the_rest_of_its_first() -> None:
    assert shown("a: [1,\n 2]\nb", 3, 10).split("\n")[2:] == ["1 | a: [1,", "  |    ^^^"]


def test_a_span_at_the_end_of_a_line_or_file_still_has_a_caret() -> None:
    assert shown("ab", 2, 2).split("\n")[2:] == ["1 | ab", "  |   ^"]
    assert shown("ab\ncd", 2, 3).split("\n")[2:] == ["1 | ab", "  |   ^"]


@pytest.mark.parametrize(
    ("line", "marked", "printed", "carets"),
    [
        ("\tx: y", "y", "    x: y", "       ^"),  # a tab is printed as four spaces
        ("漢字: y", "y", "漢字: y", "      ^"),  # these take two columns each
        ("漢字: y", "字", "漢字: y", "  ^^"),
        ("e\u0301: y", "y", "e\u0301: y", "   ^"),  # a combining mark takes none
        ("a\u202eb: y", "y", "a\\u202eb: y", "          ^"),  # text is never turned round
        ("a\x1b[31m: y", "\x1b", "a\\x1b[31m: y", " ^^^^"),
        ("a\u200bb", "b", "a\\u200bb", "       ^"),
    ],
)
def test_carets_stand_below_what_they_mark(
    line: str, marked: str, printed: str, carets: str
) -> None:
    start = line.index(marked)
    assert shown(line, start, start + len(marked)).split("\n")[2:] == [
        f"1 | {printed}",
        f"  | {carets}",
    ]


def test_a_long_line_is_cut_round_the_caret() -> None:
    line = "a" * 5000 + "HERE" + "b" * 5000
    _, _, quoted, carets = shown(line, 5000, 5004).split("\n")
    assert len(quoted) < 110
    assert quoted.startswith("1 | …a")
    assert quoted.endswith("b…")
    at = carets.index("^^^^")
    assert quoted[at : at + 4] == "HERE"


@given(st.text(max_size=300), st.integers(0, 300), st.integers(0, 300), st.text(max_size=80))
def test_any_text_is_shown_in_a_few_plain_lines(
    text: str, start: int, length: int, words: str
) -> None:
    start = min(start, len(text))
    found = Diagnostic("code", quote(words), Span(Source(words, text), start, start + length))
    lines = render(found).split("\n")
    assert all(line.isprintable() for line in lines)
    assert len(lines) in (1, 4)
    if len(lines) == 4:
        assert lines[3].lstrip(" |").strip("^") == ""
        assert "^" in lines[3]


@given(st.text(alphabet="ab \t漢", min_size=1, max_size=400), st.data())
def test_the_first_caret_is_below_the_marked_character(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    text = text[:at] + "X" + text[at + 1 :]
    _, _, quoted, carets = shown(text, at, at + 1).split("\n")
    column = len(carets) - 1
    columns = [2 if character == "漢" else 1 for character in quoted]
    cell = next(index for index in range(len(quoted)) if sum(columns[:index]) == column)
    assert quoted[cell] == "X"


def test_names_in_messages() -> None:
    assert quote("a\nb") == "`a\\nb`"
    assert quote("x" * 100) == "`" + "x" * 60 + "…`"
    assert escape("\x07\u2066é−") == "\\x07\\u2066é−"
    assert listed(["a"]) == "`a`"
    assert listed(["a", "b", "c"]) == "`a`, `b` and `c`"
    assert listed(["a", "b"], last="or") == "`a` or `b`"
    assert listed(list("abcd"), most=2) == "`a`, `b` and 2 more"


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("sigmod", ["relu", "sigmoid", "sign"], "sigmoid"),
        ("Relu", ["relu", "leaky_relu"], "relu"),
        ("w1_1", ["w1_1_1", "b1_1", "x1"], "w1_1_1"),
        ("cosine", ["sigmoid", "relu"], None),
        ("", ["a"], None),
        ("x" * 1000, ["x" * 999], None),
    ],
)
def test_suggestions(name: str, known: list[str], meant: str | None) -> None:
    assert nearest(name, known) == (f"did you mean `{meant}`?" if meant else None)
    assert closest(name, known, 1) == ([meant] if meant else [])


def test_an_error_holds_every_mistake() -> None:
    first = Diagnostic("one", "first", Span(Source("f", "a"), 0, 1))
    second = Diagnostic("two", "second")
    error = ProblemError([first, second])
    assert error.diagnostics == (first, second)
    assert str(error) == "f:1:1: error[one]: first\n  |\n1 | a\n  | ^\n\nerror[two]: second"
    assert str(error) == render_all(error.diagnostics)
