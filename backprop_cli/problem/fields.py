"""Mappings with known keys: how each is read, what it may be, and what it is for.

A row of a table says it once; the reader, the JSON Schema and the reference come from the rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Generic, TypeAlias, TypeVar

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.diagnostics import closest, listed, nearest, quote, there_are
from backprop_cli.formula.nodes import Number
from backprop_cli.problem.values import (
    Report,
    choice,
    entries,
    integer,
    items,
    number,
    number_in,
    truth,
    word,
)
from backprop_cli.problem.yaml_tree import Entries, Node, Scalar
from backprop_cli.rules.written import Range

T = TypeVar("T")
L = TypeVar("L", bound=str)
T_co = TypeVar("T_co", covariant=True)

Schema: TypeAlias = dict[str, Any]

# `1e-5` is a number here and in YAML 1.2; programs that still read YAML 1.1 hand it over as text.
EXPONENT = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"
SCALAR = ["string", "number", "boolean", "null"]


@dataclass(frozen=True)
class Kind(Generic[T_co]):
    """What a value may be.

    `read` takes the node and what messages call it, and raises Refused after it has reported what
    is wrong; `schema` is the same in JSON Schema, `words` in words.
    """

    read: Callable[[Node, Report, str], T_co]
    schema: Schema
    words: str

    def then(self, make: Callable[[T_co], T]) -> Kind[T]:
        return Kind(
            lambda node, report, what: make(self.read(node, report, what)), self.schema, self.words
        )


@dataclass(frozen=True)
class Field(Generic[T_co]):
    """A key of a mapping: what it may be, what holds where it is left out, what it is for."""

    key: str
    kind: Kind[T_co]
    default: T_co
    about: str

    @property
    def schema(self) -> Schema:
        default = _as_data(self.default)
        return {
            **self.kind.schema,
            **({} if default is None else {"default": default}),
            "description": self.about,
        }

    @property
    def unless_given(self) -> str:
        """What holds where the key is left out, as a file says it; "" where there is no word."""
        match _as_data(self.default):
            case bool() as truth:
                return str(truth).lower()
            case float() as value:
                return f"{value:g}"
            case None:
                return ""
            case other:
                return str(other)


def _as_data(default: object) -> object:
    """A default as JSON has it; None where it is no number, word or truth value."""
    match default:
        case Number():
            return float(default.value)
        case Fraction():
            return float(default)
        case bool() | int():
            return default
        case str():
            return default or None
        case _:
            return None


class Keys:
    """The keys that a mapping may have."""

    def __init__(
        self,
        about: str,
        *rows: Field[Any],
        required: Collection[Field[Any]] = (),
        example: str | None = None,
        of: bool = False,
        options: str | None = None,
        **more: Any,
    ) -> None:
        """`example` is what messages show where a required key is missing or no mapping stands, `of` says that they call
        a key by its mapping too; `options` is the help where a key that is none of the rows was
        hardly meant for one of them but for an option, and `more` is for the schema alone."""
        self.about, self.rows, self.required = about, rows, required
        self.example, self.by_mapping, self.options, self.more = example, of, options, more

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(row.key for row in self.rows)

    def of(
        self,
        node: Node,
        report: Report,
        what: str,
        offered: Collection[str] | None = None,
        of: object = "",
    ) -> Fields:
        """The entries of a mapping, unknown and missing keys reported; see `fields`. `of` is what
        messages add to the name of a key."""
        of = of or (what if self.by_mapping else "")
        whose = f" of {of}" if of else ""
        like = self.example or f"write {self.words}"
        own = fields(node, report, what, self.names, offered, whose, self.options, like)
        for row in self.required if isinstance(node, Entries) else ():
            if own.get(row.key) is None:
                message = f"{what} has no {quote(row.key)}"
                report.error("missing-key", message, node, self.example)
        return own

    def read(self, make: Callable[[Fields], T]) -> Kind[T]:
        """A mapping with these keys, made into something."""
        return Kind(
            lambda node, report, what: make(self.of(node, report, what)), self.schema, self.words
        )

    def row(self, key: str, make: Callable[[Fields], T], default: T) -> Field[T]:
        """A key of another mapping that has this one as its value."""
        return Field(key, self.read(make), default, self.about)

    def filled(
        self,
        key: str,
        make: Callable[..., T],
        called: Mapping[str, str] = MappingProxyType({}),
    ) -> Field[T]:
        """A key with these as its value, where each of them is an argument of `make`, by its name or
        the one that it is `called` there."""
        return self.row(key, lambda own: self.fill(make, own, called), make())

    def fill(
        self, make: Callable[..., T], own: Fields, called: Mapping[str, str] = MappingProxyType({})
    ) -> T:
        """What `make` gives of the values of a mapping; see `filled`."""
        return make(**{called.get(row.key, row.key): own[row] for row in self.rows})

    @property
    def words(self) -> str:
        """`{norm: …}`, the first of many keys."""
        keys = [f"{row.key}: …" for row in self.rows]
        return f"`{{{', '.join(keys if len(keys) <= 4 else [*keys[:2], '…'])}}}`"

    @property
    def schema(self) -> Schema:
        return mapping(
            self.about,
            {
                row.key: row.schema if row in self.required else or_nothing(row.schema)
                for row in self.rows
            },
            **({"required": [row.key for row in self.required]} if self.required else {}),
            **self.more,
        )


def mapping(about: str, properties: Mapping[str, Schema], **more: Any) -> Schema:
    """The schema of a mapping with these keys and no others."""
    return {
        "type": "object",
        "description": about,
        "properties": dict(properties),
        "additionalProperties": False,
        **more,
    }


def by_name(schema: Schema, **more: Any) -> Schema:
    """A mapping from any names."""
    return {"type": "object", "additionalProperties": schema, **more}


def list_of(schema: Schema, most: int | None = None, **more: Any) -> Schema:
    limit = {} if most is None else {"maxItems": most}
    return {"type": "array", "items": schema, **limit, **more}


def reference(name: str) -> Schema:
    """A part of the schema that stands in `$defs`."""
    return {"$ref": f"#/$defs/{name}"}


def any_of(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def or_nothing(schema: Schema) -> Schema:
    """The same, or `null`: a key without a value counts as left out."""
    match schema:
        case {"type": str(kind), **rest}:
            return {"type": [kind, "null"], **rest}
        case {"type": list(kinds), **rest}:
            return {"type": [*dict.fromkeys((*kinds, "null"))], **rest}
        case {"enum": list(names), **rest}:
            return {"enum": [*names, None], **rest}
    about: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    bare = {key: part for key, part in schema.items() if key not in about}
    return {**any_of(*bare.get("anyOf", [bare]), {"type": "null"}), **about}


# --- kinds of values --------------------------------------------------------------------------

NUMBER: Kind[Number] = Kind(number, {"type": ["number", "string"], "pattern": EXPONENT}, "a number")
TRUTH: Kind[bool] = Kind(truth, {"type": "boolean"}, "true or false")
TEXT: Kind[str] = Kind(word, {"type": SCALAR}, "text")
NAME: Kind[str] = Kind(word, {"type": "string", "minLength": 1, "maxLength": 64}, "a name")
NUMBER_OR_NULL: Schema = {**NUMBER.schema, "type": ["number", "string", "null"]}


def number_of(allowed: Range, help: str | None = None) -> Kind[Number]:
    return Kind(
        lambda node, report, what: number_in(node, report, what, allowed, help),
        {**NUMBER.schema, **allowed.limits},
        f"a number, {allowed.words}",
    )


def fraction_of(allowed: Range, help: str | None = None) -> Kind[Fraction]:
    """The value of a number in a range, where its digits do not matter."""
    return number_of(allowed, help).then(lambda number: number.value)


def as_it_is(schema: Schema, words: str) -> Kind[Node]:
    """What can be read only with the rest of the file."""
    return Kind(lambda node, report, what: node, schema, words)


def number_or_name(pattern: str, *more: Schema) -> Schema:
    """The schema of a number, or of the name that stands for one without."""
    return any_of(NUMBER.schema, {"type": "string", "pattern": f"^{pattern}$"}, *more)


NAMES = as_it_is(reference("names"), "a name, or a list of names")


def apart(key: str, schema: Schema, words: str, about: str) -> Field[Node | None]:
    """A key whose value can be read only with the rest of the file."""
    return Field(key, as_it_is(schema, words), None, about)


def whole(low: int, high: int, help: str | None = None) -> Kind[int]:
    return Kind(
        lambda node, report, what: integer(node, report, what, low, high, help),
        {"type": "integer", "minimum": low, "maximum": high},
        f"a whole number from {low} to {high:,}" if low < high else str(low),
    )


def one_of(*names: L) -> Kind[L]:
    words = listed(list(names), len(names), last="or")
    return Kind(
        lambda node, report, what: choice(node, report, what, names), {"enum": list(names)}, words
    )


def selected(key: str, about: str, *names: L) -> Field[L]:
    """A key for one of a few words, the first of them where it is left out."""
    return Field(key, one_of(*names), names[0], about)


def several(kind: Kind[T], of: str, most: int, least: int = 0) -> Kind[tuple[T, ...]]:
    """A list of values; those that are wrong are reported and left out."""

    def read(node: Node, report: Report, what: str) -> tuple[T, ...]:
        cells = items(node, report, what, of)
        if len(cells) > most:
            report.refuse("too-large", f"{what} may list {most:,} {of}", node)
        if len(cells) < least:
            report.refuse("missing-value", f"{what} is empty", node)
        read = (report.tried(kind.read, cell, f"an entry of {what}") for cell in cells)
        return tuple(value for value in read if value is not None)

    least_of = {"minItems": least} if least else {}
    return Kind(read, list_of(kind.schema, most, **least_of), f"a list of {of}")


def one_or_several(kind: Kind[T], of: str, most: int) -> Kind[tuple[T, ...]]:
    """A list of values, or one without brackets."""
    listing = several(kind, of, most)

    def read(node: Node, report: Report, what: str) -> tuple[T, ...]:
        if not isinstance(node, Scalar):
            return listing.read(node, report, what)
        return (kind.read(node, report, what),)

    return Kind(read, any_of(kind.schema, listing.schema), f"{kind.words}, or {listing.words}")


def alone_or(alone: Kind[T], keys: Keys, read: Callable[[Fields], T]) -> Kind[T]:
    """A single value, or a mapping where there is more to say."""
    more = keys.read(read)
    return Kind(
        lambda node, *at: (alone if isinstance(node, Scalar) else more).read(node, *at),
        any_of(alone.schema, more.schema),
        f"{alone.words}, or {more.words}",
    )


# --- a mapping that has been read -------------------------------------------------------------


@dataclass(frozen=True)
class Fields:
    """A mapping with known keys. Making one with `fields` reports the unknown ones.

    A misspelt key stands for the one it was meant for, so that its value is checked too and is
    not reported as missing besides.
    """

    node: Node
    values: Mapping[str, Node]
    keys: Mapping[str, Scalar]
    report: Report
    what: str  # what messages call it
    whose: str = ""  # what they add to the name of a key

    def get(self, name: str) -> Node | None:
        """The value of a key that is there and not empty."""
        node = self.values.get(name)
        return None if node is None or (isinstance(node, Scalar) and node.null) else node

    def key(self, name: str) -> Node:
        """The key itself, to point at; the whole mapping where there is none."""
        return self.keys.get(name, self.node)

    def __getitem__(self, row: Field[T]) -> T:
        """The value under a key of the table, its default where there is none or it is wrong."""
        if (node := self.get(row.key)) is None:
            return row.default
        value = self.report.tried(row.kind.read, node, quote(row.key) + self.whose)
        return row.default if value is None else value


def found_in(
    node: Node, report: Report, what: str, of: str, alone: bool = False, help: str | None = None
) -> Fields:
    """The entries of a mapping, whatever their keys; `alone` says that a single value may stand in
    its place, which has none."""
    found = () if alone and isinstance(node, Scalar) else entries(node, report, what, of, help)
    values = {key.text: value for key, value in found}
    return Fields(node, values, {key.text: key for key, _ in found}, report, what)


def fields(
    node: Node,
    report: Report,
    what: str,
    known: Collection[str],
    offered: Collection[str] | None = None,
    whose: str = "",
    options: str | None = None,
    like: str | None = None,
) -> Fields:
    """The entries of a mapping by key. Whatever is no mapping counts as an empty one.

    `offered` are the known keys to speak of where that is not all of them; `options` is the help
    for others that were meant for options, `like` that where there is no mapping.
    """
    offered = known if offered is None else offered
    meant_by = {name: target for name, target in _MEANT.items() if target in offered}
    own = replace(found_in(node, report, what, "keys and values", help=like), whose=whose)
    values, keys = dict(own.values), dict(own.keys)
    for text, value in own.values.items():
        key = own.keys[text]
        if text in known:
            continue
        for meant in () if report.crowded else _meant_key(key.text, meant_by, offered):
            if meant not in values:
                values[meant], keys[meant] = value, key
        message = f"{quote(key.text)} is not a key of {what}"
        help = None if report.crowded else _key_help(node, key, value, meant_by, offered, options)
        report.error("unknown-option" if options else "unknown-key", message, key, help)
    return replace(own, values=values, keys=keys)


# Keys by other names, and keys that stand elsewhere: what is meant, and what to write.
_MEANT: Mapping[str, str] = {
    **dict.fromkeys(("lr", "eta", "η", "alpha", "rate", "step_size"), "learning_rate"),
    **dict.fromkeys(("outputs", "y", "labels", "expected", "t"), "targets"),
    **dict.fromkeys(("x", "features", "data"), "inputs"),
    **dict.fromkeys(("w", "kernel"), "weights"),
    "b": "biases",
    **dict.fromkeys(("act", "function", "g"), "activation"),
    **dict.fromkeys(("neurons", "size", "nodes", "hidden_size"), "units"),
    **dict.fromkeys(("cost", "criterion", "objective"), "loss"),
    **dict.fromkeys(("formulas", "functions", "graph"), "equations"),
    **dict.fromkeys(("name", "heading"), "title"),
    **dict.fromkeys(("values", "constants"), "given"),
    "wrt": "with_respect_to",
}
_ELSEWHERE: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("optimizer", "optimiser", "batch", "batch_size", "reduction", "clip", "l1", "l2", "rule"),
        ("training", "it stands in the training: `training: {optimizer: adam, batch: 1}`"),
    ),
    **dict.fromkeys(
        ("epochs", "steps", "iterations"), ("training", "write `training: {steps: 3}`")
    ),
    **dict.fromkeys(
        ("activation", "activations", "weights", "biases", "bias", "units"),
        ("layers", "each layer has its own: `layers: [{activation: sigmoid, weights: [[…]]}]`"),
    ),
    **dict.fromkeys(
        ("hidden", "network", "model"),
        ("layers", "write a layer for each: `layers: [{activation: sigmoid, units: 2}, …]`"),
    ),
    **dict.fromkeys(
        ("kernel_size", "filters", "in_channels", "out_channels", "channels"),
        ("kernels", "the kernels say it: `kernels: [[[1, 0], [0, -1]]]` is one of 2×2"),
    ),
    "digits": ("rounding", "write `rounding: {digits: 4}`"),
}


def _meant_key(text: str, meant_by: Mapping[str, str], offered: Collection[str]) -> list[str]:
    """The key that an unknown one stands for."""
    lower = text.lower()
    if lower in meant_by:
        return [meant_by[lower]]
    if lower in _ELSEWHERE and _ELSEWHERE[lower][0] in offered:
        return []
    return closest(text, offered, 1)


def _key_help(
    node: Node,
    key: Scalar,
    value: Node,
    meant_by: Mapping[str, str],
    known: Iterable[str],
    otherwise: str | None,
) -> str | None:
    flow = isinstance(node, Entries) and node.flow
    if flow and isinstance(value, Scalar) and value.null and value.plain:
        head, colon, _ = key.text.partition(":")
        if colon and head.strip() in known:
            return "put a space behind the colon"
        if not re.match(r"[A-Za-z_]+\Z", key.text):
            return "inside { } text that holds a comma needs quotes"
    known = list(known)
    lower = key.text.lower()
    if lower in meant_by:
        return f"did you mean {quote(meant_by[lower])}?"
    if lower in _ELSEWHERE and _ELSEWHERE[lower][0] in known:
        return _ELSEWHERE[lower][1]
    return nearest(key.text, known) or otherwise or there_are(known, 30)
