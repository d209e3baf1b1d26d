"""From a name as a student writes it to the quantity on the sheet.

First the sheet's own spellings; then the name is taken apart (letter, layer, indices, hat, prime)
and compared with how the sheet itself writes its quantities. One that fits is meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import NamedTuple

from backprop_cli.arrays.array import View, places
from backprop_cli.dataclass import replace
from backprop_cli.diagnostics import closest
from backprop_cli.formula.build import ONE, names_in, size, substitute
from backprop_cli.formula.characters import plain_characters
from backprop_cli.formula.nodes import Formula, Name
from backprop_cli.formula.quantity import (
    bare,
    derivative_name,
    fraction,
    mark,
    marks,
    sampled,
    slope_name,
    updated,
    without_marks,
)
from backprop_cli.formula.spelling import LATIN, Glyph, Symbol, spell
from backprop_cli.formula.words import is_function
from backprop_cli.graph.step import Graph
from backprop_cli.graph.views import all_views, layer_views
from backprop_cli.marking.handwriting import cleaned, from_latex
from backprop_cli.marking.lines import bare_name, is_word
from backprop_cli.patterns import pattern

LONGEST_NAME = 120
LARGEST = 2000
"""A derivative through several steps has no more nodes than this."""
CACHE_SIZE = 4096
MOST_FITTING = 6

_SAMPLE = pattern(r"(.+)\[(\d{1,6})\]")
_PRIMES = pattern("['’′´`]\\Z")
_NEW = pattern(r"[\^_]?[({]?new[)}]?(?=\Z|\[)", re.I)


class Found(NamedTuple):
    """The quantities that a name fits. `change`: Δw, which is a gradient to some and the change
    of w to others."""

    names: tuple[str, ...] = ()
    change: bool = False

    @property
    def one(self) -> str | None:
        return self.names[0] if len(self.names) == 1 and not self.change else None


NOTHING = Found()


class AnswerNames:
    """The names of one update's sheet; other spellings of them are accepted."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[str, str] = {}
        for name in (*(leaf.name for leaf in graph.leaves), *(step.name for step in graph.steps)):
            self.known[name] = name
        for alias, name in graph.aliases.items():
            self.known.setdefault(alias, name)
        self.others: dict[str, dict[str, None]] = {}  # without samples: what else each is called
        for alias, name in graph.aliases.items():
            self.others.setdefault(bare(name), {})[bare(alias)] = None
        for step in graph.section("backward", "gradient"):
            for written in (step.name, *([step.alias] if step.alias else [])):
                for renamed in _derivative_aliases(written, self.others):
                    self.known.setdefault(renamed, step.name)
        for name in (*graph.leaf, *graph.step):  # where `y` is shown for ŷ, it means ŷ
            for shown in graph.lettering.spellings(name):
                # Where only the numbers are others (y1 is shown as y₂), a file's y2 stays y2.
                if shown not in self.known or _letters(shown) != _letters(name):
                    self.known[shown] = name
        self._searched = lru_cache(CACHE_SIZE)(self._search)
        self._looked_at = lru_cache(CACHE_SIZE)(self._look)
        self._searched_alike = lru_cache(CACHE_SIZE)(self._array_alike)

    def find(self, written: str) -> str | None:
        """The sheet's name for what is written, or None where none or several fit."""
        return self.exactly(written) or self.look(written).one

    @cached_property
    def arrays(self) -> Mapping[str, View]:
        """The arrays of the sheet, an author's before those of its layers."""
        views = (*layer_views(self.graph), *all_views(self.graph))
        return {view.name: view for view in views}

    def array(self, written: str) -> View | None:
        """The array of that name."""
        if len(written) > LONGEST_NAME:
            return None
        found = self.arrays.get(written) or self.arrays.get(normalised(written))
        alike = [name for name in self.arrays if name.lower() == written.lower()]
        return found or (self.arrays[alike[0]] if len(alike) == 1 else None)

    def array_alike(self, written: str) -> View | None:
        """The array that other books call so: `grad_G` or `dE/dG` is dL/dG, `updated W^v` W_v_new."""
        return None if len(written) > LONGEST_NAME else self._searched_alike(written)

    def _array_alike(self, written: str) -> View | None:
        text, new = _without_new(_plain(written))
        gradient = None if new else _LOSS_ABOVE.match(text) or _GRADIENT.match(text)
        output = bare(self.graph.output)
        if gradient:
            text = derivative_name(output, text[gradient.end() :])
        letters = _alphanumeric(updated(text) if new else text)
        for each in (letters, letters.lower(), letters.removesuffix(output)):  # ∇_W L
            if (found := self._by_letters.get(each)) is not None:
                return found
        for part, taken in _PARTS:
            inner = part.fullmatch(written)
            if inner and (view := self.array(inner[1]) or self.array_alike(inner[1])):
                return taken(view, inner[inner.lastindex or 1])
        return None

    @cached_property
    def _by_letters(self) -> Mapping[str, View | None]:
        """Arrays by the letters and digits of their names; in small letters where one has them."""
        found: dict[str, View | None] = {}
        for name, view in self.arrays.items():
            small = _alphanumeric(name).lower()
            found[small] = None if small in found else view
        return found | {_alphanumeric(name): view for name, view in self.arrays.items()}

    @cached_property
    def _entries(self) -> Mapping[str, str]:
        """`W[2,1]` for W_2_1; `b[2]` only where no number of a sample can be meant."""
        found: dict[str, str] = {}
        for view in all_views(self.graph):
            for place, entry in zip(places(view.shape), view.entries, strict=True):
                if isinstance(entry, Name) and (len(place) > 1 or len(self.graph.batch) == 1):
                    marks = ",".join(str(index + 1) for index in place)
                    found[f"{view.name}[{marks}]"] = entry.name
        return found

    def exactly(self, written: str) -> str | None:
        """The sheet's name for one of its own spellings."""
        found = self.known.get(written)
        if found is not None:
            return found
        return None if len(written) > LONGEST_NAME else self._searched(written)

    def look(self, written: str) -> Found:
        """What a name fits that is none of the sheet's own spellings."""
        return NOTHING if len(written) > LONGEST_NAME else self._looked_at(written)

    def _look(self, written: str) -> Found:
        found = self._apart.look(written)
        return found if found.names else self._among_words(written)

    def _among_words(self, written: str) -> Found:
        """`We get z1_1` is z1_1 and `the loss` L, where the words say nothing else."""
        words = bare_name(written).replace("$", " ").split()
        kept = [word for word in words if is_function(word) or not is_word(word)]
        kept = kept[1:] if len(kept) > 1 and kept[0] in ("I", "A", "a") else kept
        if kept and " ".join(kept) != written:
            return self._apart.look(" ".join(kept))
        last = words[-1] if words else ""
        return NOTHING if kept or last == written else self._apart.look(last)

    @cached_property
    def _apart(self) -> _Apart:
        return _Apart(self)

    @cached_property
    def lent(self) -> Mapping[str, tuple[str, str]]:
        """Plain names that the sheet shows another quantity by: whose they are there, and how
        their own is shown. Where ŷ is shown as y and its target as t, y is (`yhat`, `t`)."""
        own = {name: shown for shown, name in self.known.items() if shown != name}
        return {
            name: (holder, own[name])
            for name in (*self.graph.leaf, *self.graph.step)
            if (holder := self.known[name]) != name and name in own
        }

    @cached_property
    def locals(self) -> Mapping[str, Formula]:
        """Local derivatives that are written in place and are no steps: ∂z₁/∂a₁ = w₁₁; and the
        letters of factored forms: L_y = ∂L/∂ŷ."""
        found: dict[str, Formula] = {**self.graph.trivial_slopes}
        found |= {letters: Name(name) for name, letters in self.graph.short.items()}
        for step in self.graph.steps:
            for link in step.links:
                if link.slope is None and link.upstream is not None:
                    found.setdefault(slope_name(link.child, link.parent), link.local)
        for name, formula in list(found.items()):
            for renamed in _derivative_aliases(name, self.others):
                found.setdefault(renamed, formula)
        return {name: formula for name, formula in found.items() if name not in self.known}

    def ends(self, written: str) -> tuple[str, str] | None:
        """A calculated quantity and one that it is to be differentiated by."""
        text = normalised(written[:LONGEST_NAME])
        above, below = fraction(text) or ("", "")
        if not below and self.graph.losses and (gradient := _GRADIENT.match(text)):
            above, below = self.graph.losses[0], text[gradient.end() :]
        one, other = self.find(above), self.find(below)
        if one is None or other is None or one not in self.graph.step:
            return None
        return one, other

    def between(self, written: str) -> tuple[str, Formula] | None:
        """A derivative through several steps, ∂ŷ/∂a₁: its name here, and what it comes to."""
        if (ends := self.ends(written)) is None:
            return None
        from backprop_cli.graph.derivation import towards

        target, name = ends[0], slope_name(*ends)
        if target == ends[1]:
            return name, ONE
        if target not in self._towards:
            steps = towards(self.graph, target).step
            self._towards[target] = {n: s.formula for n, s in steps.items() if n not in self.known}
        inner = self._towards[target]
        formula: Formula = Name(name)
        while open_names := [each for each in names_in(formula) if each in inner]:
            formula = substitute(formula, {each: inner[each] for each in open_names})
            if size(formula) > LARGEST:
                return None
        return None if formula == Name(name) else (name, formula)

    @cached_property
    def _towards(self) -> dict[str, Mapping[str, Formula]]:
        return {}

    def nearest(self, written: str) -> list[str]:
        return list(self.meant(written)) or closest(
            normalised(written[:LONGEST_NAME]), self.known, 3
        )

    def meant(self, written: str) -> tuple[str, ...]:
        """What a name fits in the words of other books, or as it stands."""
        plain = normalised(written[:LONGEST_NAME])
        if word := _OTHER_WORDS.match(plain):
            return self.look(_WORDS[word[1].lower()] + plain[word.end(1) :]).names
        return self.look(plain).names

    def _search(self, written: str) -> str | None:
        plain = normalised(written)
        for candidate in (plain, *self._without_sample(plain)):
            if candidate in self.known:
                return self.known[candidate]
        if "[" in plain and plain in self._entries:
            return self._entries[plain] or None
        return self._by_shown_form(written)

    def _without_sample(self, plain: str) -> tuple[str, ...]:
        """In a batch of one sample `z1_1[1]`, or the sample's own number, is `z1_1`."""
        if len(self.graph.batch) != 1:
            return ()
        own = ("1", str(self.graph.batch[0]))
        found = marks(plain)
        return (without_marks(plain),) if found and all(each in own for each in found) else ()

    def _by_shown_form(self, written: str) -> str | None:
        """Names copied from the sheet as it shows them: ∂L/∂w₁₃⁽²⁾."""
        if written.isascii() and "," not in written:  # a shown name with no other sign is plain
            return None
        return self._shown.get(_composed(written))

    @cached_property
    def _shown(self) -> Mapping[str, str]:
        from backprop_cli.formula import unicode

        def spelling(name: str) -> Glyph:
            return spell(name, self.graph.lettering)

        shown: dict[str, str] = {}
        themselves = {name: name for name in self.known.values()}
        for other, name in (*themselves.items(), *self.known.items()):
            for each in {name, other}:
                shown.setdefault(_composed(unicode.write(Name(each), spelling)), name)
        return shown


class _Written(NamedTuple):
    """A letter with its marks, as it was typed. `layer` is None where none is set apart."""

    base: str
    hat: bool
    layer: str | None
    groups: tuple[str, ...]
    sample: int | None = None


_LOSSES = frozenset({"l", "e", "j", "c", "loss", "cost", "error"})
_TOTAL = pattern(r"_?[({]?tot(?:al)?[)}]?\Z")
_RATES = frozenset({"alpha", "lr", "eta", "rate", "learning_rate", "learningrate", "epsilon"})
_WORDS = dict.fromkeys(("h", "hidden", "act", "out", "o"), "a") | dict.fromkeys(
    ("net", "in", "s"), "z"
)
"""Letters of other books: h and out for what a unit hands on, net for its sum."""
_OTHER_WORDS = pattern(rf"({'|'.join(_WORDS)})(?=_?[\d({{])", re.I)
_LETTERS = pattern(r"(?:hat[_({ ]*(?=[A-Za-z]))?([A-Za-z]+)")
_LETTERS_BELOW = pattern(r"_\{?([A-Za-z]{1,3})\}?(?=[_\d\[({^]|\Z)")
_SUPER = pattern(r"\^([({\[]{0,2})(\d{1,6})([)}\]]{0,2})")
_INDEX = pattern(r"_?([({\[]{0,2})(\d{1,6}(?:[,_]\d{1,6}){0,3})([)}\]]{0,2})")
_HAT = pattern(r"_?hat|\^(?=\Z|_|\d)")
_NEW_BEFORE = pattern(r"(?:new|updated|neu)(?:[_ ]+|(?=[({\[]))", re.I)
_NEXT = r"(?:new|updated|upd|next|neu|after(?:_?update)?|t\+1|k\+1|n\+1|\+)"
_NEW_AFTER = pattern(
    rf"(?:[_^]?(?:\(\{{?{_NEXT}\}}?\)|\{{\(?{_NEXT}\)?\}}|\[{_NEXT}\])|(?<![({{\[])[_^]?{_NEXT}"
    r"|['’′´`*]|\^[({]?['’′][)}]?)\Z",
    re.I,
)
_NEW_INSIDE = pattern(r"[_^,]?(?:\(new\)|\{\(?new\)?\}|new)(?=[_^\d}])", re.I)
_LOSS_ABOVE = pattern(
    r"d_?(?P<above>L|E|J|C|loss|cost|error)(?:_?[({]?tot(?:al)?[)}]?)?(?:\[(?P<sample>\d{1,6})\])?(?:/d_?|_d_?|d|_by_d|/)",
    re.I,
)
_STATE = pattern(r"([A-Za-z]{1,5})(?:_|(?=[\[({]))(?=[^\d])(.+)\Z")
_GRADIENT = pattern(
    r"(?:(?:grad(?:ient)?|(?:partial)?derivative)(?:_?of)?(?:L?w\.?r\.?t\.?)?|d|g)_{0,2}[({\[]?",
    re.I,
)
_CHANGE = pattern(r"(?:Delta_?|delta_?(?=[a-z])|D_?(?=[a-z])|[cC]hange_?(?:in|of)?_?)")
_PAIR = pattern(r"(a|z)_\{?(\d)(\d)\}?", re.I)
_QUOTIENT = pattern(r"d_?([^/]+)/d_?([^/]+)\Z")
_OPEN = {"(": ")", "{": "}", "[": "]"}


class _Apart:
    """The quantities of a sheet by their letters and marks."""

    def __init__(self, names: AnswerNames) -> None:
        self.names = names
        self.graph = names.graph
        self.plain = replace(self.graph.lettering, symbols={})
        self.index: dict[tuple[str, ...], dict[str, None]] = {}
        new = set(self.graph.carried.values())
        themselves = {name: name for name in names.known.values()}
        for written, name in (*themselves.items(), *names.known.items()):
            if name not in new and "/" not in written:
                self._enter(written, name)

    def _enter(self, written: str, name: str) -> None:
        # Only a quantity itself is shown in symbols of one's own, not what else it is called.
        glyph = spell(written, self.graph.lettering if written == name else self.plain)
        if not isinstance(glyph, Symbol) or glyph.of is not None:
            return
        groups = tuple(re.findall(r"\d+", bare(written)))
        letters = filter(str.isalpha, glyph.subscript)
        base, layer = "".join((LATIN.get(glyph.base, glyph.base), *letters)), glyph.superscript
        below, hat = "".join(glyph.subscript) + "-1" * glyph.before, "^" if glyph.hat else ""
        counts = re.findall(r"\d+", ",".join(glyph.subscript))
        for key in (
            ("groups", base, hat, *groups),
            ("joined", base, hat, "".join(groups)),
            ("shown", base, hat, layer, below),
            ("parted", base, hat, layer, *counts),
            *(
                [("below", base, hat, below), ("layer", base, hat, layer)]
                if layer
                else [("groups", base, hat, *counts)]
            ),
            ("letter", base, hat),
        ):
            self.index.setdefault(key, {})[name] = None
            self.index.setdefault((f"{key[0]}*", base.lower(), *key[2:]), {})[name] = None

    def look(self, written: str) -> Found:
        spaced = _plain(written)
        text = "".join(spaced.split())
        if not text or not text.isascii():
            return NOTHING
        bare, new = _without_new(spaced)
        if new:
            old = self._symbol(bare)
            after = [self.graph.carried[name] for name in old if name in self.graph.carried]
            return Found(tuple(dict.fromkeys(after)))
        if change := _CHANGE.match(text):
            found = self._gradients(text[change.end() :])
            if found:
                return Found(found, change=True)
        symbol = self._symbol(text)
        if (pair := _PAIR.fullmatch(text)) and len(symbol) == 1:
            # The sheet shows neither a2_1 nor a1_2 as a₂₁: which comes first is not known.
            symbol += self._symbol(f"{pair[1]}{pair[3]}_{pair[2]}")
            symbol = tuple(dict.fromkeys(symbol))
        return Found(
            symbol
            or self._state(text)
            or self._derivative(text)
            or self._delta(text)
            or self._word(text.lower())
        )

    def _symbol(self, text: str) -> tuple[str, ...]:
        for written in _read(text):
            for kind, base, *rest in _keys(written):
                for key in ((kind, base, *rest), (f"{kind}*", base.lower(), *rest)):
                    names = dict(self.index.get(key, {}))
                    if kind == "below":
                        # z2 may be of unit 2, or of layer 2 where that has a single unit.
                        layer = self.index.get((key[0].replace("below", "layer"), *key[1:]), {})
                        names |= layer if len(layer) == 1 else {}
                    if found := self._of_sample(names, written.sample):
                        return found
        return ()

    def _of_sample(self, names: Iterable[str], sample: int | None) -> tuple[str, ...]:
        if sample is None:
            whole = tuple(name for name in names if "[" not in name)
            return (whole or tuple(names))[:MOST_FITTING]
        return tuple(name for name in names if name.endswith(f"[{sample}]"))

    def _state(self, text: str) -> tuple[str, ...]:
        """An optimizer's v of w, or its gradient after clipping: `v[w_{11}]`."""
        found = _STATE.match(text)
        if found is None:
            return ()
        below = _balanced(found[2])
        names = (f"{found[1]}_{name}" for name in self._symbol(below))
        return tuple(self.names.known[name] for name in names if name in self.names.known)

    def _derivative(self, text: str) -> tuple[str, ...]:
        loss = _LOSS_ABOVE.match(text)
        if loss and (found := self._gradients(text[loss.end() :], loss["sample"])):
            return found
        if parts := _QUOTIENT.match(text):
            above, sample = _without_sample(parts[1])
            return self._quotients(self._bases(above), parts[2], sample)
        if (gradient := _GRADIENT.match(text)) and gradient.end() < len(text):
            rest = text[gradient.end() :]
            if closing := _OPEN.get(gradient[0][-1]):
                rest = rest.removesuffix("L").removesuffix(closing)
            return self._gradients(rest)
        return ()

    def _gradients(self, below: str, sample: str | None = None) -> tuple[str, ...]:
        """∂L/∂ what is written."""
        return self._quotients((bare(self.graph.output),), below, sample)

    def _quotients(self, above: tuple[str, ...], below: str, sample: str | None) -> tuple[str, ...]:
        inner, own = _without_sample(below)
        found = self._of_those(above, inner, own or sample)
        return found or (self._of_those(above, below, sample) if own else ())

    def _of_those(self, above: tuple[str, ...], below: str, sample: str | None) -> tuple[str, ...]:
        known, local = self.names.known, self.names.locals
        found: dict[str, None] = {}
        for one in above:
            for other in self._bases(below):
                plain = derivative_name(one, other)
                own = sampled(one, sample)
                marked = (sampled(plain, sample), derivative_name(own, sampled(other, sample)))
                for name in (*marked, derivative_name(own, other)) if sample else (plain,):
                    if name in known or name in local:
                        found[known.get(name, name)] = None
                        break
                else:
                    if not sample:
                        of_samples = (name for name in known if name.startswith(f"{plain}["))
                        found |= dict.fromkeys(known[name] for name in of_samples)
        return tuple(found)[:MOST_FITTING]

    def _bases(self, text: str) -> tuple[str, ...]:
        """The quantities that a symbol fits, whatever the sample."""
        return tuple(dict.fromkeys(map(bare, self._symbol(text))))

    def _delta(self, text: str) -> tuple[str, ...]:
        """δ of a unit is ∂L/∂z."""
        if text[:5].lower() != "delta":
            return ()
        rest = text[5:]
        return self._gradients(f"z{rest}")

    def _word(self, text: str) -> tuple[str, ...]:
        if _TOTAL.sub("", text) in _LOSSES and self.graph.output in self.graph.step:
            return (self.graph.output,)
        if text in _RATES and "eta" in self.graph.leaf:
            return ("eta",)
        return ()


def _plain(written: str) -> str:
    """The name in plain characters, its spaces kept."""
    text = plain_characters(from_latex(cleaned(written)).replace("∇", "grad_")).text
    return text.replace("⁽", "").replace("⁾", "").strip()


def _without_new(spaced: str) -> tuple[str, bool]:
    """The name of the old value where that of the new one was written: `new w`, `w'`, `w_new`."""
    before = _NEW_BEFORE.match(spaced)
    text = "".join(spaced[before.end() :].split()) if before else "".join(spaced.split())
    if before and text:
        return text, True
    for sign in (_NEW_AFTER, _NEW_INSIDE):
        if (found := sign.search(text)) and found.start() > 0:
            return text[: found.start()] + text[found.end() :], True
    return text, False


def _without_sample(text: str) -> tuple[str, str | None]:
    found = _SAMPLE.fullmatch(text)
    return (text, None) if found is None else (found[1], found[2])


def _balanced(text: str) -> str:
    """The text without brackets that stand round the whole of it."""
    for _ in range(3):
        if len(text) > 2 and _OPEN.get(text[0]) == text[-1]:
            text = text[1:-1]
    return text


def _read(text: str) -> Iterator[_Written]:
    """The letter and marks of a name; a number in brackets at its end may be the sample."""
    if (marked := _SAMPLE.fullmatch(text)) and (whole := _marks(marked[1])):
        yield whole._replace(sample=int(marked[2]))
    if whole := _marks(text):
        yield whole


def _marks(text: str) -> _Written | None:
    found = _LETTERS.match(text)
    if found is None:
        return None
    base = found[1]
    hat = found.start(1) > 0
    if len(base) > 3 and base.lower().endswith("hat"):
        base, hat = base[:-3], True
    layer: str | None = None
    groups: list[str] = []
    place = found.end()
    if text[place - len(text) :][:1] == ")" and "(" in found[0]:
        place += 1
    while place < len(text):
        if above := _SUPER.match(text, place):
            if layer is not None or not _fits(above[1], above[3]):
                return None
            layer, place = above[2], above.end()
        elif index := _INDEX.match(text, place):
            if not _fits(index[1], index[3]):
                return None
            groups += index[2].replace("_", ",").split(",")
            place = index.end()
        elif not hat and (mark := _HAT.match(text, place)):
            hat, place = True, mark.end()
        elif not groups and (letters := _LETTERS_BELOW.match(text, place)):
            base, place = base + letters[1], letters.end()
        else:
            return None
    return _Written(base, hat, layer, tuple(groups))


def _fits(opening: str, closing: str) -> bool:
    return "".join(_OPEN[sign] for sign in reversed(opening)) == closing


def _keys(written: _Written) -> Iterator[tuple[str, ...]]:
    """What the sheet's quantities are compared with, the closest reading first."""
    base, hat = written.base, "^" if written.hat else ""
    joined = "".join(written.groups)
    if written.layer is not None:
        yield ("parted", base, hat, written.layer, *written.groups)
        yield ("shown", base, hat, written.layer, joined)
        if not joined:
            yield ("layer", base, hat, written.layer)
        return
    if joined:
        yield ("groups", base, hat, *written.groups)
        yield ("joined", base, hat, joined)
        yield ("below", base, hat, joined)
    else:
        yield ("joined", base, hat, "")
        yield ("letter", base, hat)


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name))


def _row_of(view: View, number: str) -> View | None:
    """A row of a matrix, from 1."""
    at = int(number)
    if len(view.shape) != 2 or not 0 < at <= view.shape[0]:
        return None
    columns = view.shape[1]
    entries = view.entries[(at - 1) * columns : at * columns]
    return View(f"{view.name}_{at}", (columns,), entries)


def _transposed(view: View, _: str) -> View | None:
    if len(view.shape) != 2:
        return None
    rows, columns = view.shape
    entries = (view.entries[i * columns + j] for j in range(columns) for i in range(rows))
    return View(f"{view.name}^T", (columns, rows), tuple(entries))


def _changed(view: View, _: str) -> View:
    """ΔW, entry by entry."""
    entries = (Name(f"Δ{each.name}") if isinstance(each, Name) else each for each in view.entries)
    return View(f"Δ{view.name}", view.shape, tuple(entries))


_PARTS = (
    (pattern(r"([^\s\[\]]{1,100}?)(?:_?\[|_)?(\d{1,4})(?:, ?:)?\]?"), _row_of),  # Q_2, Q[2, :]
    (pattern(r"(.{1,100})(?:\^\{?(?:T|\\top)\}?|ᵀ|\.T)"), _transposed),
    (pattern(r"(?:Δ|\\?[dD]elta[ _]?)(.{1,100})"), _changed),
)
"""What else an array may be named for: one of its rows, its transpose, its change."""


def _alphanumeric(name: str) -> str:
    return "".join(filter(str.isalnum, name))


def _derivative_aliases(name: str, others: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """`dL/da3_1` for `dL/dyhat`, where `a3_1` is another name of `yhat`."""
    parts = fraction(name)
    if parts is None:
        return
    above, below = parts
    for alias in others.get(bare(above), ()):
        yield derivative_name(alias + mark(above), below)
    for alias in others.get(bare(below), ()):
        yield derivative_name(above, alias + mark(below))


def _composed(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).split())


def normalised(written: str) -> str:
    """`∂L / ∂w2_1_1` as `dL/dw2_1_1`, `w2_1_1'` as `w2_1_1_new`, `η` as `eta`."""
    text = _composed(written)
    if not text.isascii():
        text = text.replace("∂", "d").replace("ŷ", "yhat").replace("y\u0302", "yhat")
        text = "".join(LATIN.get(character, character) for character in text)
    sample = ""
    if text.endswith("]") and "[" in text:
        text, _, rest = text.rpartition("[")
        sample = f"[{rest}"
    if _PRIMES.search(text):
        text = updated(text[:-1])
    elif len(text) > 3 and text[-1] in "w)}" and (found := _NEW.search(text)) and found.start() > 0:
        text = updated(text[: found.start()])
    return text.replace("**", "^") + sample
