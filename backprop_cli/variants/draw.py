"""From a student and a seed to numbers: the same on every machine, without floats or chance.

Each number is picked by SHA-256 of the seed, the student, the try and the number's name, among
the decimals that its rule leaves. So a number does not depend on which others are drawn, and
nothing of the student can be read off it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from backprop_cli.problem.model import Cell, Choice, OneHot, Variants

Numbers = Mapping[str, str]
"""What is drawn: the text of each number by the name of its cell."""

LONGEST_ID = 200


def normalised(student: str) -> str:
    """A student's id without what people write now this way and now that: case, width of the
    characters, spaces."""
    return " ".join(unicodedata.normalize("NFKC", student[:LONGEST_ID]).casefold().split())


class Draws:
    """The tries of one student, by their numbers from 1."""

    def __init__(self, variants: Variants, student: str) -> None:
        self.variants = variants
        parts = (str(variants.rules), variants.seed, normalised(student), "")
        from hashlib import sha256  # which takes its time to load, and few problems draw

        self._start = sha256("\x1f".join(parts).encode("utf-8", "replace"))

    def __getitem__(self, attempt: int) -> dict[str, str]:
        start = self._start.copy()
        start.update(f"{attempt}\x1f".encode())

        def pick(name: str, count: int) -> int:
            own = start.copy()
            own.update(name.encode())
            # 256 bits leave no bias that anybody could see.
            return int.from_bytes(own.digest(), "big") % count

        numbers: dict[str, str] = {}
        groups: dict[int | None, list[Cell]] = {}
        for cell, rule in self.variants.draws:
            match rule:
                case Choice(texts):
                    numbers[cell.name] = texts[pick(cell.name, len(texts))]
                case OneHot():
                    groups.setdefault(cell.sample, []).append(cell)
                    numbers[cell.name] = "0"
        for cells in groups.values():
            chosen = pick(f"one_hot {cells[0].name}", len(cells))
            numbers[cells[chosen].name] = "1"
        return numbers


def text_with(variants: Variants, numbers: Numbers) -> str:
    """The author's file with other numbers, and without its section `variants`."""
    places = [(cell.start, cell.end, numbers[cell.name]) for cell, _ in variants.draws]
    places.append((*variants.own, ""))
    text = variants.text
    for start, end, number in sorted(places, reverse=True):
        text = text[:start] + number + text[end:]
    return text
