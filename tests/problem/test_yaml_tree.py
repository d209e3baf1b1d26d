"""YAML read with places: nothing resolved silently, nothing read that has no bound."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_cli.diagnostics import Diagnostic, ProblemError, Source, render
from backprop_cli.problem.source_file import load
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar, compose


def tree(text: str) -> Node:
    root, problems = compose(Source("f.yaml", text))
    assert not problems
    assert root is not None
    return root


def mistakes(text: str) -> list[Diagnostic]:
    return compose(Source("f.yaml", text))[1]


def in_source(node: Node) -> str:
    assert node.span.start is not None
    return node.span.source.text[node.span.start : node.span.end]


def test_every_node_knows_its_place() -> None:
    root = tree("a: [1, 'two']\nb:\n  c: {d: 3}\n  e:\n    - x\n    - y z # why\n")
    assert isinstance(root, Entries)
    (a, one_two), (b, inner) = root.entries
    assert (a.text, in_source(one_two)) == ("a", "[1, 'two']")
    assert isinstance(one_two, Items)
    assert [in_source(item) for item in one_two.items] == ["1", "'two'"]
    assert (b.text, in_source(inner)) == ("b", "c: {d: 3}\n  e:\n    - x\n    - y z")


def test_scalars_stay_text() -> None:
    root = tree("[yes, 1:30, 0o17, 1e-3, 2024-01-01, ~, '~', 0.90]")
    assert isinstance(root, Items)
    scalars = [item for item in root.items if isinstance(item, Scalar)]
    assert [one.text for one in scalars] == [
        "yes", "1:30", "0o17", "1e-3", "2024-01-01", "~", "~", "0.90",
    ]  # fmt: skip
    assert [one.null for one in scalars] == [False] * 5 + [True, False, False]


@pytest.mark.parametrize("text", ["\ufeffa: 1\n", "a: 1\r\n", "a: 1", "---\na: 1\n...\n"])
def test_byte_order_marks_and_line_ends_do_not_matter(text: str) -> None:
    root = tree(text)
    assert isinstance(root, Entries)
    ((key, value),) = root.entries
    assert (in_source(key), in_source(value)) == ("a", "1")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("a + b", "a + b"),
        ("'it''s a'", "it's a"),
        (r'"\x61\u0062 \"c\" \\ d"', 'ab "c" \\ d'),
        ("a +\n   b *\n   c", "a + b * c"),
        (">\n  a +\n  b\n", "a + b\n"),
        ("|\n  a +\n  b\n", "a +\nb\n"),
        ("'a +\n   b''c'", "a + b'c"),
        ('"a \\\n   b"', "a b"),
    ],
)
def test_a_character_of_a_text_is_found_in_the_file(written: str, text: str) -> None:
    root = tree(f"f: {written}")
    assert isinstance(root, Entries)
    ((_, value),) = root.entries
    assert isinstance(value, Scalar)
    assert value.text == text
    for column, character in enumerate(text):
        if character.isspace():
            continue
        start = value.within(column).start
        assert start is not None
        raw = value.span.source.text[start:]
        assert raw.startswith((character, "\\", "''"))


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3\n", "duplicate-key", 3, 1),
        ("a: 1\n'a': 3\n", "duplicate-key", 2, 1),
        ("a: {b: 1, b: 2}\n", "duplicate-key", 1, 11),
        ("a: &x 1\n", "anchor", 1, 4),
        ("a: &x [1]\n", "anchor", 1, 4),
        ("a: *x\n", "alias", 1, 4),
        ("<<: *x\n", "alias", 1, 5),
        ("a: !!int 3\n", "tag", 1, 4),
        ("a: !!python/object/apply:os.system ['true']\n", "tag", 1, 4),
        ("[1]: 2\n", "bad-key", 1, 1),
        ("'': 2\n", "bad-key", 1, 1),
        ("a: 1\n---\nb: 1\n", "several-documents", 2, 1),
        ("a: \x07\n", "control-character", 1, 4),
        ("a: b\u2028c\n", "control-character", 1, 5),
        ("a: \ud800\n", "control-character", 1, 4),
        ("[" * 51 + "]" * 51, "too-deep", 1, 51),
        ("- " * 60, "too-deep", 1, 101),
        ("a:\n\t- b\n", "yaml-syntax", 2, 1),
        ("a: [1, 2\nb: 3\n", "yaml-syntax", 2, 2),
        ("a: 'b\n", "yaml-syntax", 1, 4),
        ("a: b: c\n", "yaml-syntax", 1, 5),
        ("a: @b\n", "yaml-syntax", 1, 4),
    ],
)
def test_refused(text: str, code: str, line: int, column: int) -> None:
    found = mistakes(text)[0]
    assert found.span is not None
    assert (found.code, found.span.line, found.span.column) == (code, line, column)


NESTED = {
    "brackets": lambda depth: "[" * depth + "]" * depth,
    "braces": lambda depth: "{a: " * depth + "}" * depth,
    "both": lambda depth: ("[{a: " * depth)[: depth // 2 * 5] + "[" * (depth % 2) + "]" * (depth % 2) + "}]" * (depth // 2),
    "dashes": lambda depth: "- " * depth + "x\n",
    "questions": lambda depth: "? " * depth + "x\n",
    "keys": lambda depth: "".join(f"{' ' * level}a:\n" for level in range(depth)),
    "lists of mappings": lambda depth: "".join(
        f"{'  ' * level}- a:\n" for level in range(depth // 2)
    ) + "  " * depth + "- x\n" * (depth % 2),
    "on lines": lambda depth: "[\n" * depth + "]\n" * depth,
    "quoted": lambda depth: "{'[': " * depth + "}" * depth,
}  # fmt: skip


@pytest.mark.parametrize("style", NESTED)
def test_fifty_levels_are_read_and_no_more(style: str) -> None:
    nested = NESTED[style]
    deepest = [found.code for found in mistakes(nested(50))]
    assert "too-deep" not in deepest
    assert "yaml-syntax" not in deepest
    for depth in (51, 60, 1_050):
        (problem,) = [found for found in mistakes(nested(depth)) if found.code == "too-deep"]
        assert problem.message == "lists and mappings may be nested 50 deep, not deeper"


@pytest.mark.parametrize("opening", ["[", "{", "[{", "- ", "&a [", "!t [", "? "])
def test_depth_is_counted_before_the_library_counts(opening: str) -> None:
    """Newer libyaml refuses 1,000 levels by itself, before it has handed out the first."""
    found = mistakes(opening * 100_000)
    assert found[-1].code == "too-deep"


def test_a_duplicate_key_is_shown() -> None:
    assert render(mistakes("loss: a\nloss: b\n")[0]) == (
        "f.yaml:2:1: error[duplicate-key]: `loss` is given twice; first on line 1\n"
        "  |\n"
        "2 | loss: b\n"
        "  | ^^^^\n"
        "  = help: keep one of them"
    )


def test_every_anchor_alias_and_tag_is_reported_at_once() -> None:
    codes = [found.code for found in mistakes("a: &x 1\nb: *x\nc: !t 2\nd: 1\nd: 2\n")]
    assert codes == ["anchor", "alias", "tag", "duplicate-key"]


BILLION_LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
    "text",
    [
        "[" * (MEBIBYTE - 1),
        "{" * (MEBIBYTE - 1),
        "- " * (MEBIBYTE // 2 - 1),
        "? " * (MEBIBYTE // 2 - 1),
        "'" * (MEBIBYTE - 1),
        "a" * (MEBIBYTE + 1),
        BILLION_LAUGHS,
    ],
    ids=["brackets", "braces", "dashes", "keys", "quotes", "too large", "billion laughs"],
)
def test_bombs_are_refused_at_once(text: str) -> None:
    start = time.process_time()
    assert mistakes(text)
    assert time.process_time() - start < 5


@given(st.text(alphabet="ab:-[]{},'\"#&*!|>%@ \n\t?~\\1.é\x00\x85\u2028", max_size=60))
def test_any_text_gives_a_tree_or_a_reason(text: str) -> None:
    root, problems = compose(Source("f.yaml", text))
    for problem in problems:
        assert all(line.isprintable() for line in render(problem).split("\n"))
    if root is None and not problems:
        # No document at all: only white space, comments and markers.
        assert not set(text) - set(" \n\t#-.%\ufeff") or "#" in text or "%" in text


# --- files --------------------------------------------------------------------------------------


def refused(path: Path | str) -> str:
    with pytest.raises(ProblemError) as caught:
        load(path)
    (found,) = caught.value.diagnostics
    return render(found)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    assert refused(missing).endswith(
        "none.yaml: error[unreadable-file]: cannot read the file: there is no such file"
    )
    assert refused(tmp_path).endswith("cannot read the file: it is a directory")
    assert "unreadable-file" in refused("a\x00b")


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("title: Übung\n".encode("latin-1"))
    assert "latin.yaml:1:8: error[not-utf8]: the file is not UTF-8 text (byte 0xdc)" in refused(
        path
    )


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (MEBIBYTE + 1))
    assert refused(path).endswith("error[file-too-large]: the file is larger than 1 MiB")
    path.write_bytes(b"#" * MEBIBYTE)
    assert len(load(path).text) == MEBIBYTE


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO("\ufefftitle: ŷ\n".encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    assert load("-") == Source("-", "title: ŷ\n")
