"""From a name as a student writes it to the quantity on the sheet."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from backprop_cli.diagnostics import closest
from backprop_cli.formula.nodes import Name
from backprop_cli.formula.spelling import LATIN, Glyph, spell
from backprop_cli.graph.step import Graph

LONGEST_NAME = 80
CACHE_SIZE = 4096

_MARK = re.compile(r"\[([0-9]+)\]")
_PRIMES = re.compile("['’′´`]\\Z")
_NEW = re.compile(r"[\^_]?[({]?new[)}]?(?=\Z|\[)", re.I)


class AnswerNames:
    """The names of one update's sheet; other spellings of them are accepted."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[str, str] = {}
        for name in (*(leaf.name for leaf in graph.leaves), *(step.name for step in graph.steps)):
            self.known[name] = name
        for alias, name in graph.aliases.items():
            self.known.setdefault(alias, name)
        others: dict[str, dict[str, None]] = {}
        for alias, name in graph.aliases.items():
            others.setdefault(_bare(name), {})[_bare(alias)] = None
        for step in graph.section("backward", "gradient"):
            for written in (step.name, *([step.alias] if step.alias else [])):
                for renamed in _derivative_aliases(written, others):
                    self.known.setdefault(renamed, step.name)
        for name in (*graph.leaf, *graph.step):  # where `y` is shown for ŷ, it means ŷ
            self.known.update(dict.fromkeys(graph.lettering.spellings(name), name))
        self._cache: dict[str, str | None] = {}
        self._shown: Mapping[str, str] | None = None

    def find(self, written: str) -> str | None:
        """The sheet's name for what is written, or None."""
        found = self.known.get(written)
        if found is not None:
            return found
        if len(written) > LONGEST_NAME:
            return None
        if written not in self._cache:
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[written] = self._search(written)
        return self._cache[written]

    def nearest(self, written: str) -> list[str]:
        plain = normalised(written[:LONGEST_NAME])
        return closest(plain, self.known, 3)

    def _search(self, written: str) -> str | None:
        plain = normalised(written)
        for candidate in (plain, *self._without_sample(plain)):
            if candidate in self.known:
                return self.known[candidate]
        return self._by_shown_form(written)

    def _without_sample(self, plain: str) -> tuple[str, ...]:
        """In a batch of one sample `z1_1[1]`, or the sample's own number, is `z1_1`."""
        if len(self.graph.batch) != 1:
            return ()
        own = ("1", str(self.graph.batch[0]))
        marks = _MARK.findall(plain)
        return (_MARK.sub("", plain),) if marks and all(mark in own for mark in marks) else ()

    def _by_shown_form(self, written: str) -> str | None:
        """Names copied from the sheet as it shows them: ∂L/∂w₁₃⁽²⁾."""
        if written.isascii():
            return None
        if self._shown is None:
            self._shown = {}
            from backprop_cli.formula import unicode

            def spelling(name: str) -> Glyph:
                return spell(name, self.graph.lettering)

            shown: dict[str, str] = {}
            for other, name in self.known.items():
                for each in {name, other}:
                    text = unicode.write(Name(each), spelling)
                    shown.setdefault("".join(unicodedata.normalize("NFC", text).split()), name)
            self._shown = shown
        return self._shown.get("".join(unicodedata.normalize("NFC", written).split()))


def _bare(name: str) -> str:
    """The name without its sample."""
    return name.partition("[")[0]


def _derivative_aliases(name: str, others: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """`dL/da3_1` for `dL/dyhat`, where `a3_1` is another name of `yhat`."""
    above, slash, below = name.partition("/")
    if not slash:
        return
    for place, part in enumerate((above, below)):
        stem, bracket, sample = part[1:].partition("[")
        for alias in others.get(stem, ()):
            renamed = f"d{alias}{bracket}{sample}"
            yield f"{renamed}/{below}" if place == 0 else f"{above}/{renamed}"


def normalised(written: str) -> str:
    """`∂L / ∂w2_1_1` as `dL/dw2_1_1`, `w2_1_1'` as `w2_1_1_new`, `η` as `eta`."""
    text = "".join(unicodedata.normalize("NFC", written).split())
    if not text.isascii():
        text = text.replace("∂", "d").replace("ŷ", "yhat").replace("y\u0302", "yhat")
        text = "".join(LATIN.get(character, character) for character in text)
    sample = ""
    if text.endswith("]") and "[" in text:
        text, _, rest = text.rpartition("[")
        sample = f"[{rest}"
    if _PRIMES.search(text):
        text = f"{text[:-1]}_new"
    elif len(text) > 3 and text[-1] in "w)}" and (found := _NEW.search(text)) and found.start() > 0:
        text = f"{text[: found.start()]}_new"
    return text.replace("**", "^") + sample
