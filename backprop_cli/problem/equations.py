"""The equations form: any wiring, in the author's own names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import TypeAlias

from backprop_cli.arrays.array import shape_text
from backprop_cli.dataclass import dataclass, replace
from backprop_cli.diagnostics import listed, quote
from backprop_cli.formula.build import names_in, reached
from backprop_cli.formula.nodes import Formula
from backprop_cli.formula.quantity import updated
from backprop_cli.patterns import pattern
from backprop_cli.problem.array_equations import ArrayEquations, WrittenOut
from backprop_cli.problem.fields import (
    NAME,
    Field,
    Fields,
    any_of,
    apart,
    as_it_is,
    by_name,
    list_of,
    reference,
)
from backprop_cli.problem.forms import Equations, Value
from backprop_cli.problem.formulas import (
    FORMULA,
    defined_name,
    plain_name,
    report_undefined,
    uncut,
)
from backprop_cli.problem.samples import MOST_SAMPLES
from backprop_cli.problem.settings import names_of
from backprop_cli.problem.training import ReadTraining
from backprop_cli.problem.upstream import LOSS, Upstream, read_upstream, stands_alone
from backprop_cli.problem.values import Report, entries, is_mapping, rows
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar

MOST_EQUATIONS = 5_000
MOST_NAMES = 20_000

EQUATIONS = apart(
    "equations", by_name(FORMULA.schema, minProperties=1), "`{name: formula}`", "In any order."
)


def _leaves_row(key: str, about: str) -> Field[Node | None]:
    listed_by = by_name(reference("array"))
    kind = as_it_is(
        any_of(listed_by, list_of(NAME.schema), NAME.schema), "`{name: number or array}`, or names"
    )
    about += " Without numbers: a list of names, or null for a value."
    return Field(key, kind, None, about)


GIVEN = _leaves_row("given", "Inputs, targets and whatever else is not learned.")
PARAMETERS = _leaves_row("parameters", "What is learned.")
OUTPUT = apart(
    "output",
    NAME.schema,
    "the name of an equation",
    "What is differentiated; the last equation unless given.",
)


@dataclass
class _Names:
    """Every name the file defines, with the key or item that defines it."""

    places: dict[str, tuple[str, Node]] = field(default_factory=dict)

    def define(self, name: str, section: str, place: Node, report: Report) -> bool:
        if name in self.places:
            other, first = self.places[name]
            same = other == section
            message = (
                f"{quote(name)} is {'twice in' if same else 'in'} `{section}`"
                + ("" if same else f" and in `{other}`")
                + f"; first on line {first.span.line}"
            )
            report.error("defined-twice", message, place, _both_help(section, other))
            return False
        self.places[name] = (section, place)
        return True

    def of(self, wanted: str) -> tuple[str, ...]:
        """The names that a section defines."""
        return tuple(name for name, (section, _) in self.places.items() if section == wanted)


def _both_help(section: str, other: str) -> str:
    if "equations" in (section, other) and section != other:
        return "a quantity is either given or calculated"
    return "keep one of them"


Written: TypeAlias = dict[str, tuple[Formula | None, Node]]


@dataclass(frozen=True)
class ReadEquations:
    """The model (None if anything in it is wrong) and what is known of its names."""

    model: Equations | None
    places: Mapping[str, Node]  # every name, with the key that defines it
    parameters: tuple[str, ...]
    samples: int | None
    arrays: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The names of the entries of each array of parameters."""


def read_equations(top: Fields, report: Report) -> ReadEquations:
    names = _Names()
    arrays = ArrayEquations(top, report)
    for section in ("given", "parameters"):
        _leaves(top, section, names, report, arrays)
    samples = _samples(top.get("samples"), names, report, arrays)
    values_failed = report.failed
    written = _written(top, names, report, arrays)
    defined = names.places.keys()
    advice = _undeclared_help(top)
    unsound: set[str] = set()
    before = arrays.first_rows()
    for name, (right, node) in written.items():
        if right is None or report_undefined(right, node, defined, report, advice, before):
            unsound.add(name)
    order = _order(written, report) if written else None
    upstream = stands_alone(top, report, "output")
    output = LOSS if upstream is not None else _output(top, written, report)
    if order is not None and output is not None and not report.failed:
        ends = [output]
        if isinstance(upstream, Entries):  # what the equations lead to has these gradients
            ends = [name for key, _ in upstream.entries if (name := key.text.strip()) in written]
        if ends:
            _unused(names, written, ends, report)
    out = None
    if arrays.plain:
        out = _in_numbers(order or (), written, names, arrays)
    elif order is not None and not values_failed:  # what does not fit is said with the rest
        out = arrays.write_out(order, names.of("parameters"), unsound)
    return _finished(top, names, written, out, output, samples, bool(unsound))


def _in_numbers(
    order: Iterable[str], written: Written, names: _Names, arrays: ArrayEquations
) -> WrittenOut:
    """Equations between numbers are written out already."""
    equations = {name: right for name in order if (right := written[name][0]) is not None}
    entries = {name: [name] for name in names.places}
    values = {
        name: arrays.leaves[name].values[0] if name in arrays.leaves else None
        for name in (*names.of("given"), *names.of("parameters"))
    }
    return WrittenOut(equations, values, (), entries, dict.fromkeys(names.places, ()), (), ())


def _finished(
    top: Fields,
    names: _Names,
    written: Written,
    out: WrittenOut | None,
    output: str | None,
    samples: Sequence[Mapping[str, Value]],
    unsound: bool,
) -> ReadEquations:
    """The rest of reading, where everything has become single numbers."""
    report, listed_samples = top.report, top.get("samples") is not None
    count = len(samples) if listed_samples else 1
    places = {name: place for name, (_, place) in names.places.items()}
    if out is None:
        return ReadEquations(None, places, names.of("parameters"), count or None)
    ends = None
    lost = tuple(f"{name}_" for name in written if name not in out.shapes)  # what is wrong is said
    if (upstream := top.get("upstream")) is not None and not lost:
        shapes = {name: out.shapes[name] for name in written}
        of_each = count if listed_samples else None
        ends = read_upstream(upstream, report, shapes, names.places, of_each)
    elif output is not None and (shape := out.shapes.get(output)):
        report.error(
            "shape",
            f"the output {quote(output)} is {shape_text(shape)}, and only a single number can be "
            "differentiated",
            places[output],
            "put `sum(…)` or `mean(…)` around it"
            if output == LOSS
            else f"add an equation that makes one of it, such as `L: sum({output})`",
        )
    for name, own in out.entries.items():
        places.update(dict.fromkeys(own, places.get(name, top.key("equations"))))
    given, parameters = (
        {entry: out.values[entry] for name in names.of(section) for entry in out.entries[name]}
        for section in ("given", "parameters")
    )
    inputs = tuple(
        entry
        for name in (*names.of("given"), *names.of("samples"))
        if name not in out.structural
        for entry in out.entries[name]
    )
    chosen_by = {entry for name in out.choices for entry in out.entries.get(name, ())}
    varied = tuple(entry for entry in inputs if entry not in chosen_by)
    wrt = tuple(parameters) or varied or inputs
    asked = top.get("with_respect_to")
    if asked is not None:
        known = dict.fromkeys([*out.entries, *places, *out.equations])
        groups = {"inputs": inputs, **out.entries}
        cells = asked.items if isinstance(asked, Items) else (asked,)
        texts = [cell.text.strip() for cell in cells if isinstance(cell, Scalar)]
        known |= dict.fromkeys(text for text in texts if text.startswith(lost))
        wrt = names_of(asked, report, "`with_respect_to`", known, groups)
        for each in cells:
            if isinstance(each, Scalar) and each.text.strip() in out.structural:
                message = f"{quote(each.text)} only says which rows are meant: it has no derivative"
                report.error("unknown-name", message, each, "ask for the array whose rows they are")
        if output in wrt:
            message = f"`with_respect_to` names the output {quote(output or '')} itself"
            report.error("unknown-name", message, asked)
    elif not wrt and written and not unsound:
        message = "nothing is given, so there is nothing to differentiate with respect to"
        report.error("missing-key", message, top.key("equations"), _undeclared_help(top))
    arrays = {
        name: own for name, own in out.entries.items() if parameters.keys() >= set(own) and own
    }
    if report.failed or output is None:
        return ReadEquations(None, places, tuple(parameters), count or None, arrays)
    model = Equations(out.equations, given, parameters, output, wrt, tuple(samples), out.views)
    model = model if ends is None else _going_on(model, ends)
    return ReadEquations(model, places, tuple(parameters), count, arrays)


def _going_on(model: Equations, upstream: Upstream) -> Equations:
    """The equations with the loss that has the slopes that are given."""
    first = upstream.samples[0]
    pairs = zip(model.samples, upstream.samples, strict=True) if model.samples else ()
    return replace(
        model,
        equations={**model.equations, LOSS: upstream.loss},
        given=model.given if model.samples else {**model.given, **first},
        samples=tuple({**own, **gradient} for own, gradient in pairs),
        arrays=(*model.arrays, *upstream.views) if model.arrays else (),
        upstream=tuple(first),
    )


def _undeclared_help(top: Fields) -> str:
    if top.get("given") is None and top.get("parameters") is None and top.get("samples") is None:
        return "say what is given: `given: {x: 1}`, or `given: [x]` for a sheet without numbers"
    return "add it under `given` or `parameters`, or write an equation for it"


def _leaves(
    top: Fields,
    section: str,
    names: _Names,
    report: Report,
    arrays: ArrayEquations,
) -> None:
    """`{x: 1, t: null}`, or a list of names without numbers."""
    node = top.get(section)
    if node is None:
        return
    pairs: list[tuple[Scalar, Node | None]] = []
    if isinstance(node, Items):
        for cell in node.items:
            if isinstance(cell, Scalar) and not cell.null:
                pairs.append((cell, None))
            else:
                report.error("not-text", f"`{section}` as a list holds names only", cell)
    elif isinstance(node, Scalar) and not node.null:
        pairs.append((node, None))
    else:
        pairs.extend(entries(node, report, f"`{section}`", "names and numbers"))
    if len(pairs) > MOST_NAMES:
        report.too_many(len(pairs), f"names in `{section}`", MOST_NAMES, node)
        return
    for key, value in pairs:
        what = "a parameter" if section == "parameters" else "a given quantity"
        name = defined_name(key, report, what)
        arrays.leaf(key, value, name)
        if name is not None:
            names.define(name, section, key, report)


def _samples(
    node: Node | None, names: _Names, report: Report, arrays: ArrayEquations
) -> list[Mapping[str, Value]]:
    """`[{x: 1, y: 0}, …]`; every sample has the same names."""
    if node is None:
        return []
    like = "mappings like {x: 1, y: 0}"
    found: list[Mapping[str, Value]] = []
    first: dict[str, None] | None = None
    for index, row in enumerate(rows(node, report, "`samples`", like, "sample", MOST_SAMPLES), 1):
        if not is_mapping(row, report, f"sample {index}", "{x: 1}"):
            continue
        sample: dict[str, Value] = {}
        seen: dict[str, None] = {}
        for key, value in row.entries:
            name = key.text
            if first is None:
                defined = defined_name(key, report, "a given quantity")
                if defined is None:
                    continue
                names.define(defined, "samples", key, report)
                name = defined
            elif name not in first:
                name = defined_name(key, report, "a given quantity") or name
                if name not in first:
                    message = f"sample {index} has {quote(name)}, which sample 1 has not"
                    help = report.nearest(name, first) or "every sample has the same names"
                    report.error("unknown-name", message, key, help)
                    continue
            seen[name] = None
            sample.update(arrays.of_sample(name, value, index))
        if first is None:
            first = seen
        elif missing := [name for name in first if name not in seen]:
            report.error("missing-key", f"sample {index} has no {listed(missing)}", row)
        found.append(sample)
    return found


def _written(top: Fields, names: _Names, report: Report, arrays: ArrayEquations) -> Written:
    node = top.get("equations")
    found: Written = {}
    if node is None:
        report.error("missing-value", "`equations` is empty", top.key("equations"), "f: x*y")
        return found
    if not isinstance(node, Entries):
        listed = isinstance(node, Items)
        advice = " without the dash" if listed else ", each equation on a line of its own"
        what = "a list" if listed else "a single text"
        message = f"`equations` must be a mapping of names and formulas, not {what}"
        report.error("not-a-mapping", message, node, _with_colon(node) + advice)
        return found
    pairs = tuple(uncut(node.entries, report))
    if len(pairs) > MOST_EQUATIONS:
        report.too_many(len(pairs), "equations", MOST_EQUATIONS, top.key("equations"))
        return found
    if not pairs:
        report.error("missing-value", "`equations` is empty", node, "f: x*y")
    keys = [
        (name if name and names.define(name, "equations", key, report) else None, key, value)
        for name, key, value in arrays.keys(pairs)
    ]
    authored = names.places.keys()
    stems = authored | arrays.families.keys()
    for name, key, value in keys:
        right = arrays.formula(name, key, value, authored, stems)
        if name is not None:
            found[name] = (right, value)
    return found


_EQUATION = pattern(r"\s*([^\s=:]{1,30})\s*=\s*([^=\n]{1,60})(?:\n|\Z)")


def _with_colon(node: Node) -> str:
    """How an equation `z = w*x` is written in a file."""
    first = node.items[0] if isinstance(node, Items) and node.items else node
    raw = first.span.source.text[first.span.start or 0 : first.span.end or 0]
    found = _EQUATION.match(raw.lstrip("|> \n"))
    return f"write {quote(f'{found[1]}: {found[2].strip()}' if found else 'f: x*y')}"


def _order(written: Written, report: Report) -> list[str] | None:
    """The equations with each after those it needs, else as the author wrote them.

    None if some of them need each other, which is reported.
    """
    needs = {
        name: [part for part in names_in(right) if part in written] if right is not None else []
        for name, (right, _) in written.items()
    }
    order: list[str] = []
    state: dict[str, str] = {}
    sound = True
    for root in written:
        if root in state:
            continue
        path = [(root, iter(needs[root]))]
        state[root] = "open"
        while path:
            name, rest = path[-1]
            for part in rest:
                if state.get(part) == "open":
                    names = [one for one, _ in path]
                    _cycle(names[names.index(part) :], written, report)
                    sound = False
                elif part not in state:
                    state[part] = "open"
                    path.append((part, iter(needs[part])))
                    break
            else:
                path.pop()
                state[name] = "done"
                order.append(name)
    return order if sound else None


def _cycle(names: list[str], written: Written, report: Report) -> None:
    """Say that equations need each other, at the first of them in the file."""
    earliest = min(names, key=lambda name: written[name][1].span.start or 0)
    at = names.index(earliest)
    names = [*names[at:], *names[:at]]
    node = written[earliest][1]
    if len(names) == 1:
        message = f"the equation of {quote(earliest)} needs {quote(earliest)} itself"
        help = f"call the value before it something else, such as {quote(earliest + '_before')}"
        report.error("cycle", message, node, help)
        return
    shown = [*names[:6], *(["…"] if len(names) > 6 else []), names[0]]
    report.error(
        "cycle",
        "these equations need each other: " + " → ".join(map(quote, shown)),
        node,
        "each quantity is calculated from earlier ones; give one of them a number or another name",
    )


def _output(top: Fields, written: Written, report: Report) -> str | None:
    node = top.get("output")
    if node is None:
        return next(reversed(written), None)
    if not isinstance(node, Scalar):
        report.error("not-text", "`output` must be the name of one equation", node)
        return None
    name = plain_name(node.text.strip())
    if name not in written:
        report.unknown("`output`", name, node, written, kind="equation")
        return None
    return name


def _unused(names: _Names, written: Written, outputs: Sequence[str], report: Report) -> None:
    """Warn of what the outputs do not depend on: most often a slip of the pen."""

    def needed(name: str) -> Sequence[str]:
        right = written[name][0] if name in written else None
        return () if right is None else names_in(right)

    output, used = outputs[0], reached(outputs, needed)
    for name, (section, place) in names.places.items():
        if name in used:
            continue
        if section == "equations":
            message = f"the output {quote(output)} does not depend on the equation {quote(name)}"
            help = f"`output: {name}` would make it the output" if name.isidentifier() else None
            report.warning("unused", message, place, help)
        else:
            kind = {"parameters": "parameter", "given": "given quantity"}.get(section, "quantity")
            message = f"the output {quote(output)} does not depend on the {kind} {quote(name)}"
            report.warning("unused", message, place)


def check_updates(read: ReadEquations, training: ReadTraining, top: Fields, report: Report) -> None:
    """Whether there is something to update, and no name that belongs to the update."""
    if not training.trains:
        return
    key = top.key("learning_rate" if top.get("learning_rate") is not None else "training")
    if not read.parameters:
        help = "put what is learned under `parameters` instead of `given`"
        report.error("missing-key", "there are no `parameters` to update", key, help)
    reserved = {updated(name): name for name in read.parameters}
    for name, place in read.places.items():
        if name in reserved:
            report.error(
                "bad-name",
                f"{quote(name)} is {quote(reserved[name])} after the update, so nothing else can "
                "have this name",
                place,
                "choose another name, or leave `learning_rate` and `training` out",
            )
