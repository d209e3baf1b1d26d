"""Vectors, matrices and higher arrays in a file: nested lists, drawn numbers, shapes alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from backprop_cli.arrays.array import MOST_LEVELS, Shape, count, shape_text
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.diagnostics import quote
from backprop_cli.problem.fields import Fields, any_of, apart, by_name, list_of, whole
from backprop_cli.problem.forms import Value
from backprop_cli.problem.rule_use import initializer
from backprop_cli.problem.values import Refused, Report, entries, items, number, number_or_null
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar, entry

MOST_VALUES = 10_000  # numbers in all arrays of a file

SIZE = whole(1, MOST_VALUES)
SHAPE = apart(
    "shape",
    any_of(SIZE.schema, list_of(SIZE.schema, MOST_LEVELS, minItems=1)),
    "a size, or several",
    "How many numbers there are in each direction.",
)
SHAPES = apart(
    "shapes",
    by_name(SHAPE.kind.schema),
    "`{name: sizes}`",
    "Arrays without numbers: `{W: [2, 3]}`.",
)


@dataclass(frozen=True)
class ReadArray:
    """A value with its shape, row by row; `masked` are the places that hold minus infinity."""

    shape: Shape
    values: tuple[Value, ...]
    masked: frozenset[int] = frozenset()
    drawn: str = ""  # how, if they were: "uniform, low −0.1, high 0.1, seed 7"


def has_arrays(top: Fields) -> bool:
    """Whether a file has anything that is not a single number."""
    if top.get("index") is not None or top.get("shapes") is not None:
        return True
    equations = top.get("equations")
    if isinstance(equations, Entries) and any(
        isinstance(value, Scalar) and "@" in value.text for _, value in equations.entries
    ):
        return True
    rows: list[Node] = [node for name in ("given", "parameters") if (node := top.get(name))]
    samples = top.get("samples")
    if isinstance(samples, Items):
        rows += samples.items[:1]
    return any(
        isinstance(value, Items | Entries)
        for row in rows
        if isinstance(row, Entries)
        for _, value in row.entries
    )


def read_shapes(top: Fields, report: Report) -> dict[str, tuple[Shape, Node]]:
    """`shapes: {W: [2, 3], b: 3}`."""
    found: dict[str, tuple[Shape, Node]] = {}
    node = top.get("shapes")
    for key, value in entries(node, report, "`shapes`", "names and shapes") if node else ():
        if shape := report.tried(read_shape, value, f"the shape of {quote(key.text)}"):
            found[key.text.strip()] = (shape, key)
    return found


def read_shape(node: Node, report: Report, what: str) -> Shape:
    cells = (node,) if isinstance(node, Scalar) else items(node, report, what, "sizes")
    if not 1 <= len(cells) <= MOST_LEVELS:
        report.refuse("shape", f"{what} must have 1 to {MOST_LEVELS} sizes, not {len(cells)}", node)
    sizes = [report.tried(SIZE.read, cell, f"a size in {what}") for cell in cells]
    shape = tuple(size for size in sizes if size is not None)
    if len(shape) < len(sizes):
        raise Refused
    return _not_too_large(shape, node, report)


def _not_too_large(shape: Shape, node: Node, report: Report, most: int = MOST_VALUES) -> Shape:
    if (size := count(shape)) > most:
        message = (
            f"the array has {size + MOST_VALUES - most:,} entries; {MOST_VALUES:,} are allowed"
        )
        report.refuse(
            "too-large", message, node, "a worksheet shows every step: take a smaller example"
        )
    return shape


def read_levels(
    node: Node, report: Report, what: str, seed: int = 0, known: Shape | None = None
) -> ReadArray:
    """Numbers in lists of lists; drawn, `{init: …, shape: […]}`; or a shape alone, for none.

    `known` is the shape where it follows from the rest of the file.
    """
    match node:
        case Items():
            found = ArrayReader(report, {}).nested(node, what)
        case Entries():
            found = _filled(node, report, what, seed, known, _of_kernels)
        case Scalar():
            report.refuse("not-a-list", f"{what} must be lists of numbers", node)
    if found.masked:
        report.refuse("not-a-number", f"{what} has −∞, which is for masks of equations", node)
    return found


def _filled(
    node: Entries,
    report: Report,
    what: str,
    seed: int,
    known: Shape | None,
    fans: Callable[[Shape], tuple[int, int]],
) -> ReadArray:
    """`{init: …}` or `{shape: […]}`; `fans` is what initializers take for inputs and outputs."""
    given = {key.text: value for key, value in node.entries}
    shape = known
    if (said := given.get("shape")) is not None:
        shape = read_shape(said, report, f"the shape of {what}")
    if given.keys() == {"shape"} and shape is not None:
        return ReadArray(shape, (None,) * count(shape))
    rest = tuple(pair for pair in node.entries if pair[0].text != "shape")
    rule = initializer(replace(node, entries=rest), report, what, seed)
    if shape is None:
        report.refuse(
            "missing-key", f"{what} as a mapping needs `shape:`", node,
            "{init: uniform, shape: [2, 3], seed: 7}",
        )  # fmt: skip
    columns, fan_out = fans(_not_too_large(shape, node, report))
    drawn = rule.values(count(shape) // columns, columns, columns, fan_out)
    values = tuple(value for row in drawn for value in row)
    return ReadArray(shape, values, drawn=rule.sentence)


def _of_kernels(shape: Shape) -> tuple[int, int]:
    """Every level but the first comes in."""
    return count(shape[1:]), shape[0] * count(shape[2:])


def _of_rows(shape: Shape) -> tuple[int, int]:
    """A row comes in; a vector is one, and as many go out."""
    return shape[-1], count(shape[:-1]) if len(shape) > 1 else shape[-1]


class ArrayReader:
    """Reads values of a file; `left` is how many more numbers it may hold."""

    def __init__(self, report: Report, shapes: Mapping[str, tuple[Shape, Node]]) -> None:
        self.report = report
        self.shapes = shapes
        self.left = MOST_VALUES

    def read(self, node: Node | None, name: str, seed: int = 0, what: str = "") -> ReadArray | None:
        """A value of any kind; None where it is wrong, which is reported."""
        try:
            return self._read(node, name, seed, what or quote(name))
        except Refused:
            return None

    def _read(self, node: Node | None, name: str, seed: int, what: str) -> ReadArray:
        declared = self.shapes.get(name)
        if node is None or (isinstance(node, Scalar) and node.null):
            if declared is None:
                return ReadArray((), (None,))
            return self._within(node or declared[1], declared[0])
        match node:
            case Scalar():
                found = ReadArray((), (number(node, self.report, what),))
            case Entries():
                found = self._drawn(node, name, seed, what)
            case Items():
                found = self.nested(node, what)
        if declared is not None and declared[0] != found.shape:
            self.report.refuse(
                "shape",
                f"`shapes` says that {what} is {shape_text(declared[0])}, and it is "
                f"{shape_text(found.shape)}",
                node,
                "`shapes` may be left out where there are numbers",
            )
        return found

    def _within(self, node: Node, shape: Shape) -> ReadArray:
        left, self.left = self.left, self.left - count(shape)
        _not_too_large(shape, node, self.report, left)
        return ReadArray(shape, (None,) * count(shape))

    def _drawn(self, node: Entries, name: str, seed: int, what: str) -> ReadArray:
        if entry(node, "init") is None:
            self.report.refuse(
                "not-a-number",
                f"{what} must be a number, a list, or `{{init: …, shape: […]}}`, not a mapping",
                node,
                f"an array without numbers: `shapes: {{{name}: [2, 3]}}`"
                if entry(node, "shape") is not None
                else "{init: uniform, shape: [2, 3], low: -1, high: 1, seed: 7}",
            )
        found = _filled(node, self.report, what, seed, None, _of_rows)
        self._within(node, found.shape)
        return found

    def nested(self, node: Items, what: str) -> ReadArray:
        shape: list[int] = []
        first: Node = node
        while isinstance(first, Items):
            if len(shape) == MOST_LEVELS:
                self.report.refuse(
                    "shape", f"{what} has more than {MOST_LEVELS} levels of lists", node
                )
            if not first.items:
                self.report.refuse("missing-value", f"{what} is an empty list", first)
            shape.append(len(first.items))
            first = first.items[0]
        cells: list[Scalar] = []
        if not self._walk(node, shape, what, "", cells):
            raise Refused
        self._within(node, tuple(shape))
        start = len(self.report.problems)
        values: list[Value] = []
        masked: set[int] = set()
        for at, cell in enumerate(cells):
            if cell.plain and cell.text.lower() in ("-inf", "-.inf", "-∞", "−∞"):
                masked.add(at)
                values.append(None)
            else:
                values.append(self.report.tried(number_or_null, cell, f"an entry of {what}"))
        if self.report.failed_since(start):
            raise Refused
        empty = [value is None for at, value in enumerate(values) if at not in masked]
        if any(empty) and not all(empty):
            cell = next(c for c, v in zip(cells, values, strict=True) if v is None)
            self.report.refuse(
                "not-a-number", f"{what} has numbers, and here is none", cell,
                "give all entries or none",
            )  # fmt: skip
        return ReadArray(tuple(shape), tuple(values), frozenset(masked))

    def _walk(
        self, node: Node, shape: list[int], what: str, where: str, cells: list[Scalar]
    ) -> bool:
        """Whether every list is as long as the first of its level; the numbers in order."""
        if not shape:
            if isinstance(node, Scalar):
                cells.append(node)
                return True
            self.report.error(
                "shape", f"{what} has a list{where} where its first row has a number", node
            )
            return False
        if not isinstance(node, Items):
            self.report.error(
                "shape", f"{what} has a single value{where} where its first row has a list", node,
                "every row is a list: `[[1, 2], [3, 4]]`",
            )  # fmt: skip
            return False
        if len(node.items) != shape[0]:
            message = (
                f"{what} has {len(node.items)} entr{'y' if len(node.items) == 1 else 'ies'}{where}, "
                f"and {shape[0]} in its first row"
            )
            self.report.error("shape", message, node, "all rows of a matrix are equally long")
            return False
        fits = [
            self._walk(item, shape[1:], what, f"{where or ' in row'} {at}", cells)
            for at, item in enumerate(node.items, 1)
        ]
        return all(fits)
