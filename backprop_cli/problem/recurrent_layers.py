"""Recurrent layers: cells as gates and what follows from them, written out over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from backprop_cli.arrays.array import Shape, count
from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import listed, quote
from backprop_cli.problem.array_layers import LineKind, Making
from backprop_cli.problem.fields import Field, any_of, as_it_is, fields, selected
from backprop_cli.problem.forms import Activation, RuleUse, Value
from backprop_cli.problem.layer_parts import (
    LETTERS,
    LEVELS,
    ROW_PER_UNIT,
    UNITS,
    by_gate,
    by_name,
    or_none,
)
from backprop_cli.problem.yaml_tree import Entries, Items, Node, Scalar, entry

MOST_TIMES = 100
DRAWN = ("init", "shape")
"""Keys of numbers that are drawn, or of which only the shape is said."""


@dataclass(frozen=True)
class Gate:
    """g_t = activation(W x_t + U a_{t−1} + b). `times`: the gate that U a_{t−1} and a bias of its
    own are multiplied by, entry by entry. The only gate of a cell has no letter, and is its output."""

    letter: str
    activation: str
    times: str = ""


@dataclass(frozen=True)
class Cell:
    """A recurrent layer: gates, and what follows from them, both at time t; `a_` and `c_` are the
    output and the state one step before."""

    gates: tuple[Gate, ...]
    equations: tuple[tuple[str, str], ...] = ()
    states: tuple[str, ...] = ("a",)


RNN = Cell((Gate("", "tanh"),))
GRU = Cell(
    (Gate("r", "sigmoid"), Gate("z", "sigmoid"), Gate("n", "tanh", times="r")),
    (("a", "(1 - {z}) * {n} + {z} * {a_}"),),
)
LSTM = Cell(
    (Gate("i", "sigmoid"), Gate("f", "sigmoid"), Gate("g", "tanh"), Gate("o", "sigmoid")),
    (("c", "{f} * {c_} + {i} * {g}"), ("a", "{o} * tanh({c})")),
    ("a", "c"),
)
"""As PyTorch has them, its two biases of a gate as one where they are only added."""


def recurrent(cell: Cell) -> Callable[[Making, Mapping[str, Any]], str]:
    def write(made: Making, settings: Mapping[str, Any]) -> str:
        return _Recurrence(made, settings, cell).write()

    return write


class _Recurrence:
    def __init__(self, made: Making, settings: Mapping[str, Any], cell: Cell) -> None:
        self.made, self.settings, self.cell = made, settings, cell
        shape = made.below.shape
        if len(shape) > 2:
            made.refuse_shape("a sequence, a row for each time")
        self.times, self.features = shape[0], shape[1] if len(shape) == 2 else 1
        if self.times > MOST_TIMES:
            made.refuse(
                "too-large", f"{made.at} has {self.times:,} steps; {MOST_TIMES} are allowed",
                made.at.node,
            )  # fmt: skip

    def write(self) -> str:
        made, cell = self.made, self.cell
        made.recurrent = True
        layer = f"Layer {made.at.index}"
        made.places += [f"{layer}, time {time}" for time in range(self.times, 0, -1)]
        use: Activation | None = self.settings.get("activation")
        if use is not None:
            made.activations.append(use)
        self._parameters()
        self._begin()
        for time in range(1, self.times + 1):
            made.place = self.times - time + 1
            for gate in cell.gates:
                z, out = f"z{gate.letter}", gate.letter or "a"
                self._equation(z, time, self._sum(gate), "preactivation")
                rule = use if use is not None and not gate.letter else RuleUse(gate.activation)
                made.activate(
                    made.name(out, time), rule, made.name(z, time),
                    f"{rule.name}({made.name(z)}_t)",
                )  # fmt: skip
            for name, text in cell.equations:
                self._equation(name, time, text)
        times = range(1, self.times + 1)
        letters = [each for gate in cell.gates for each in (f"z{gate.letter}", gate.letter or "a")]
        calculated = (*letters, *(name for name, _ in cell.equations))
        stems = (made.below.name, *map(made.name, calculated))
        for name in calculated:
            made.stacked(name, times, stems)
        return made.name("a") if self.settings["returns"] == "all" else made.name("a", self.times)

    def _sum(self, gate: Gate) -> str:
        """The score of a gate, in the names of parameters, of `x` and of the output before."""
        name, g = self.made.name, gate.letter
        b = f" + {name('b' + g)}" if name("b" + g) in self.made.writer.expansion.known else ""
        inner = name("bu" + g)
        again = f"{name('u' + g)} @ {{a_}}"
        if not gate.times:
            return f"{name('w' + g)} @ {{x}} + {again}{b}"
        if inner in self.made.writer.expansion.known:
            again = f"{again} + {inner}"
        return f"{name('w' + g)} @ {{x}}{b} + {{{gate.times}}} * ({again})"

    def _equation(self, letters: str, time: int, text: str, kind: LineKind = "equation") -> None:
        name, x = self.made.name, self.made.below.name
        own = {*self.cell.states, *(gate.letter for gate in self.cell.gates)}
        now = {each: name(each, time) for each in own}
        now |= {f"{each}_": name(each, time - 1) for each in self.cell.states}
        shown = {each: f"{name(each)}_t" for each in own}
        shown |= {f"{each}_": f"{name(each)}_{{t-1}}" for each in self.cell.states}
        row = f"{x}[{time}]" if len(self.made.below.shape) == 2 else f"{x}[{time}:{time}]"
        self.made.write(
            name(letters, time),
            text.format(**now, x=row),
            text.format(**shown, x=f"{x}_t"),
            kind,
        )

    # --- what is given ---

    def _parameters(self) -> None:
        """Weights W, recurrent weights U and biases of every gate, a group for each gate."""
        made, gates = self.made, self.cell.gates
        given = _ByGate(made, gates)
        units = self.settings["units"] or given.units()
        if units is None:
            made.refuse_size()
        self.units: int = units
        gate_units = len(gates) * units
        made.writer.expansion.shop.charge(gate_units * self.times, self.features + units)
        numbers = {
            "w": given.arrays("weights", "w", units, self.features),
            "u": given.arrays("recurrent", "u", units, units),
        }
        symbolic = not given.any("weights")
        biases = given.biases("biases", "b", units, symbolic)
        inner = given.biases("recurrent_biases", "bu", units, symbolic)
        for gate in gates:
            place = len(made.places) + 1
            what = f"gate {gate.letter}" if gate.letter else "parameters"
            made.places.append(f"Layer {made.at.index}, {what}")
            for letter, columns in (("w", self.features), ("u", units)):
                shape = (units, columns)
                values = numbers[letter][gate.letter]
                made.parameter(letter + gate.letter, shape, values, "weight", place)
            for letter, found in (("b", biases), ("bu", inner)):
                if (own := found.get(gate.letter)) is not None:
                    made.parameter(letter + gate.letter, (units,), own, "bias", place)

    def _begin(self) -> None:
        """The states before the first step: zeros unless the file has others."""
        made = self.made
        node: Node | None = self.settings["initial"]
        held: dict[str, Node] = {}
        whole = isinstance(node, Items) or entry(node, *DRAWN) is not None
        if node is not None and "c" in self.cell.states and whole:
            message = f"`initial` of {made.at} is an output a and a state c"
            made.report.error("not-a-mapping", message, node, "write `{a: […], c: […]}`")
        elif node is not None and (whole or not self.cell.equations):
            held = {"a": node}
        elif node is not None:
            own = fields(node, made.report, f"`initial` of {made.at}", self.cell.states)
            held = {name: value for name in own.values if (value := own.get(name)) is not None}
        for letter in self.cell.states:
            values = None
            if (each := held.get(letter)) is not None:
                called = f"`initial` {letter}" if self.cell.equations else "`initial`"
                values = made.numbers(each, called, (self.units,))
            made.state(letter, values, self.units)


def prefixed(gates: Sequence[str]) -> tuple[str, ...]:
    """What `weights` may say of gates by the names of the sheet: `wf`, `uf`, `bf`."""
    return tuple(letter + gate for gate in gates for letter in ("w", "u", "b", "bu"))


class _ByGate:
    """What a file says of each gate: `weights: {f: …, i: …}`, or for all gates at once.

    `weights: {wf: …, uf: …, bf: …}` says everything in one place, by the names of the sheet.
    """

    def __init__(self, made: Making, gates: Sequence[Gate]) -> None:
        self.made, self.gates, self.letters = made, gates, [gate.letter for gate in gates]
        self.named = bool(self.letters[0])
        self.held: dict[str, dict[str, Node]] = {}
        for key in ("weights", "recurrent", "biases", "recurrent_biases"):
            node = made.own.get(key)
            if not self.named or not isinstance(node, Entries) or entry(node, *DRAWN) is not None:
                continue
            known = (*self.letters, *(prefixed(self.letters) if key == "weights" else ()))
            own = fields(node, made.report, f"`{key}` of {made.at}", known, tuple(self.letters))
            self.held[key] = {name: value for name in known if (value := own.get(name)) is not None}
        everything = self.held.get("weights", {})
        for key, letter in LETTERS.items():
            for gate in self.letters if key != "kernels" else ():
                if gate in self.held.get(key, {}) and letter + gate in everything:
                    self.made.report.error(
                        "both-forms",
                        f"`{letter}{gate}` stands beside `{key}: {{{gate}: …}}`, which is the same",
                        everything[letter + gate],
                        "leave one of them out",
                    )

    def any(self, key: str) -> bool:
        return self.made.own.get(key) is not None

    def _node(self, key: str, prefix: str, letter: str) -> Node | None:
        own = self.held.get(key, {})
        return own.get(letter) or self.held.get("weights", {}).get(prefix + letter)

    def units(self) -> int | None:
        """What the weights say: they have a row for each unit."""
        for key, prefix in (("weights", "w"), ("recurrent", "u"), ("biases", "b")):
            for letter in self.letters:
                node = self._node(key, prefix, letter) if self.named else self.made.own.get(key)
                if isinstance(node, Items):
                    return len(node.items)
        return None

    def _numbers(
        self, key: str, prefix: str, shape: Shape, letters: Sequence[str], needed: bool = False
    ) -> dict[str, tuple[Value, ...]]:
        """What the file has of each gate, row by row; of all that are `needed`, or of none."""
        node, size = self.made.own.get(key), count(shape)
        help = ROW_PER_UNIT if len(shape) > 1 else None
        if node is not None and (not self.named or entry(node, *DRAWN) is not None):
            together = (len(letters) * shape[0], *shape[1:])
            values = self.made.numbers(node, quote(key), together, help)
            return {g: values[at * size :][:size] for at, g in enumerate(letters)}
        if node is not None and key not in self.held:
            message = f"`{key}` of {self.made.at} are by gate: {listed(self.letters)}"
            advice = f"write `{key}: {{{', '.join(f'{g}: …' for g in self.letters)}}}`"
            self.made.report.error("not-a-mapping", message, node, advice)
            return {}
        held = {g: own for g in letters if (own := self._node(key, prefix, g)) is not None}
        if needed and len(held) < len(letters) and (held or self.any("weights")):
            self._report_missing(key, shape, [g for g in letters if g not in held])
        return {
            g: self.made.numbers(own, f"`{key}` of gate {g}" if g else quote(key), shape, help)
            for g, own in held.items()
        }

    def _report_missing(self, key: str, shape: Shape, missing: Sequence[str]) -> None:
        written, size = ", ".join(f"{g}: [[…]]" for g in self.letters), "×".join(map(str, shape))
        self.made.report.error(
            "missing-key",
            f"{self.made.at} has no `{key}`"
            if len(missing) == len(self.letters)
            else f"`{key}` of {self.made.at} has none of gate {listed(missing)}",
            self.made.own.key(key if self.any(key) else "weights"),
            f"write `{key}: {{{written}}}`, each {size}"
            if self.named
            else f"write `{key}: [[…]]`, {size}",
        )

    def arrays(
        self, key: str, prefix: str, units: int, columns: int
    ) -> Mapping[str, tuple[Value, ...]]:
        nothing = dict.fromkeys(self.letters, (None,) * (units * columns))
        return nothing | self._numbers(key, prefix, (units, columns), self.letters, needed=True)

    def biases(
        self, key: str, prefix: str, units: int, symbolic: bool
    ) -> Mapping[str, tuple[Value, ...]]:
        """The biases of every gate that has some; `recurrent_biases` are of those that multiply."""
        node = self.made.own.get(key)
        inner = key == "recurrent_biases"
        letters = [gate.letter for gate in self.gates if gate.times or not inner]
        if isinstance(node, Scalar):
            if node.text != "none":
                message = f"`{key}` of {self.made.at} must be lists of numbers, or `none`"
                self.made.report.error("not-a-list", message, node)
            return {}
        nothing = dict.fromkeys(letters, (None,) * units) if symbolic else {}
        return nothing | self._numbers(key, prefix, (units,), letters)


def recurrent_fields(cell: Cell) -> tuple[Field[Any], ...]:
    gates = [gate.letter for gate in cell.gates]
    of, each, everything, states = "", LEVELS, LEVELS, LEVELS
    if any(gates):
        of, each = f", by gate: {', '.join(gates)}", by_gate(gates)
        everything = by_gate([*gates, *prefixed(gates)])
        before = by_name(cell.states, f"a list of numbers for each of {', '.join(cell.states)}")
        either = as_it_is(
            any_of(before.schema, LEVELS.schema), f"{LEVELS.words}, or {before.words}"
        )
        states = before if len(cell.states) > 1 else either
    return (
        UNITS,
        Field("weights", everything, None, f"Of the inputs, a row for each unit{of}."),
        Field("recurrent", each, None, f"Of the outputs before, a row for each unit{of}."),
        Field("biases", or_none(each), None, f"One for each unit{of}."),
        Field("initial", states, None, "What time 0 has; zeros unless given."),
        selected("returns", "The output of the last step, or all of them as rows.", "last", "all"),
    )
