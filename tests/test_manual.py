"""`backprop help`: every page, filled from the tables, at any width."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args

import pytest
from commands import ROOT, backprop, run_line
from reference import README, Block, blocks, lay_out
from rich.cells import cell_len

from backprop_cli import manual
from backprop_cli.cli import EXIT_CODES, command_helps, command_lines
from backprop_cli.marking.model import VERDICTS, Code
from backprop_cli.worksheet.catalogue import GROUPS

PAGES = ROOT / "backprop_cli" / "pages"


def shown(topic: str, *options: str) -> str:
    result = backprop("help", topic, *options)
    assert (result.code, result.complaints) == (0, ""), topic
    return result.text


def test_every_page_is_a_topic() -> None:
    assert sorted(manual.TOPICS) == sorted(page.stem for page in PAGES.glob("*.md"))
    overview = backprop("help").text
    for topic in manual.TOPICS:
        assert re.search(rf"^`{topic}` +│ {re.escape(manual.title(topic))}$", overview, re.M)


def test_the_readme_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"^\| \[`(\w+)`\]\(backprop_cli/pages/(\w+)\.md\)", readme, re.M)
    assert linked == [(topic, topic) for topic in manual.TOPICS]


@pytest.mark.parametrize("topic", manual.TOPICS)
def test_pages_are_whole_at_any_width(topic: str) -> None:
    for width in (40, 80, 120):
        text = shown(topic, "--width", str(width))
        assert " ".join(text.partition("═")[0].split()) == manual.title(topic)
        assert max(map(cell_len, text.splitlines())) <= width
        assert not re.search(r"^ *\{\{", text, re.M)
    assert shown(topic, "--ascii").isascii()


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_files_stand_on_a_page_as_they_are(block: Block) -> None:
    """Two columns to the right on a terminal of 80, so that they can be copied from there."""
    if block.page != README.name:
        assert max(map(cell_len, block.text.splitlines())) <= 78


def plain_words(part: object) -> Iterator[str]:
    """What is neither code nor emphasised in a block, however deep."""
    match part:
        case manual.Text(text, "plain"):
            yield text
        case tuple():
            for each in part:
                yield from plain_words(each)
        case _ if is_dataclass(part):
            for field in fields(part):
                yield from plain_words(getattr(part, field.name))
        case _:
            pass


@pytest.mark.parametrize("topic", manual.TOPICS)
def test_no_marks_of_markdown_are_left_in_words(topic: str) -> None:
    places = re.findall(r"^\{\{(.+)\}\}$", manual.source(topic), re.M)
    for block in manual.blocks(manual.source(topic), {place: lambda: () for place in places}):
        for words in plain_words(block):
            assert not re.search(r"[`#|]|\*\*|\]\(|^\d\. ", words), words


def test_a_page_with_everything_a_page_may_hold() -> None:
    markdown = (
        "# Title\n\nWords with `a b`, **strong** and *soft* ones,\ngoing on.\n```yaml\n"
        "a:\n  - 1\n```\n\n- one\n  goes on\n- two\n\n| A | B |\n|---|---|\n| `x\\|y` | z |\n"
        "\n{{filled}}\n"
    )
    blocks = list(manual.blocks(markdown, {"filled": lambda: [manual.Paragraph(())]}))
    kinds = [type(block).__name__ for block in blocks]
    assert kinds == ["Heading", "Paragraph", "Listing", "Bullets", "Table", "Paragraph"]
    _, words, listing, bullets, table, _ = blocks
    assert isinstance(words, manual.Paragraph)
    assert [(part.text, part.style) for part in words.text if isinstance(part, manual.Text)] == [
        ("Words with ", "plain"),
        ("`a b`", "code"),
        (", ", "plain"),
        ("strong", "strong"),
        (" and ", "plain"),
        ("soft", "emphasis"),
        (" ones, going on.", "plain"),
    ]
    assert listing == manual.Listing("a:\n  - 1", "yaml")
    assert isinstance(bullets, manual.Bullets)
    assert bullets.items == ((manual.Text("one goes on"),), (manual.Text("two"),))
    assert isinstance(table, manual.Table)
    assert table.rows == (((manual.Text("`x|y`", "code"),), (manual.Text("z"),)),)


def test_what_the_tables_know_stands_on_the_pages() -> None:
    marking = shown("marking")
    for word in (*VERDICTS, *get_args(Code)):
        assert f"`{word}`" in marking
    commands = shown("commands", "--width", "100")
    for line in command_lines():
        assert f"`{line}`" in commands
    for code, meaning in EXIT_CODES.items():
        assert f"`{code}`" in commands
        assert meaning in commands
    for text in command_helps().values():
        assert re.sub(r"(?m)^(?=.)", "  ", text).replace("[  ", "[") in commands
    # Operations on arrays stand beside them, kinds of layers beside layers.
    rules = shown("rules") + shown("arrays") + shown("layers")
    for group in GROUPS:
        for name in group.rows:
            assert name in rules


@pytest.mark.parametrize(
    ("topic", "said"), [("nam", "did you mean `names`?"), ("1234", "topics are problems, ")]
)
def test_a_topic_that_is_none(topic: str, said: str) -> None:
    result = backprop("help", topic)
    assert (result.code, result.text) == (2, "")
    assert said in result.complaints


@pytest.mark.parametrize("command", command_helps())
def test_every_command_is_a_topic(command: str) -> None:
    helped = backprop(command, "--help", COLUMNS="78").text
    page = shown(command, "--width", "100")
    for line in helped.splitlines():
        assert line.strip() in page


@pytest.mark.parametrize("command", command_helps())
def test_help_ends_with_an_example_that_works(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(tmp_path)
    perfect = tmp_path / "problems" / "answers" / "two-hidden-layers-perfect.yaml"
    shutil.copy(perfect, tmp_path / "answers.yaml")
    monkeypatch.chdir(tmp_path)
    *_, last = backprop(command, "--help").text.strip().splitlines()
    assert last.startswith(f"  Example: backprop {command} ")
    result = run_line(last.removeprefix("  Example: "))
    assert result.code == 0, result.complaints
