"""README.md and the pages of the reference: their blocks of code, and the files that they show."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from commands import ROOT

README = ROOT / "README.md"
PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in (README, *sorted((ROOT / "backprop_cli" / "pages").glob("*.md")))
}


@dataclass(frozen=True)
class Block:
    page: str
    language: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(language: str) -> list[Block]:
    fenced = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
    return [
        Block(page, found[1], text.count("\n", 0, found.start()) + 1, found[2])
        for page, text in PAGES.items()
        for found in fenced.finditer(text)
        if found[1] == language
    ]


def lay_out(folder: Path) -> None:
    """Put there the problems, and the files that begin with their name (`# neuron.yaml`)."""
    shutil.copytree(ROOT / "problems", folder / "problems")
    for block in blocks("yaml"):
        if named := re.match(r"# ([\w.-]+\.yaml)\n", block.text):
            (folder / named[1]).write_text(block.text, encoding="utf-8")
