"""What a file says in place of a rule: an activation, a loss, an optimizer, an initializer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backprop_cli.diagnostics import listed, quote
from backprop_cli.formula.nodes import Formula, Number
from backprop_cli.problem.formulas import formula, report_undefined
from backprop_cli.problem.model import Activation, Custom, Optimizer, RuleUse
from backprop_cli.problem.values import (
    DECAY,
    NOT_NEGATIVE,
    POSITIVE,
    Range,
    Report,
    entries,
    fields,
    integer,
    number,
    number_in,
    word,
)
from backprop_cli.problem.yaml_tree import Entries, Node, Scalar
from backprop_cli.rules import activations, initializers, losses, optimizers

# What an option must be, wherever it is not just any number.
_RANGES: Mapping[tuple[str, str], Range] = {
    ("huber", "delta"): POSITIVE,
    ("momentum", "momentum"): DECAY,
    ("nesterov", "momentum"): DECAY,
    ("adagrad", "epsilon"): NOT_NEGATIVE,
    ("rmsprop", "alpha"): DECAY,
    ("rmsprop", "epsilon"): NOT_NEGATIVE,
    ("adam", "beta1"): DECAY,
    ("adam", "beta2"): DECAY,
    ("adam", "epsilon"): NOT_NEGATIVE,
    ("adamw", "beta1"): DECAY,
    ("adamw", "beta2"): DECAY,
    ("adamw", "epsilon"): NOT_NEGATIVE,
    ("adamw", "weight_decay"): NOT_NEGATIVE,
    ("normal", "std"): NOT_NEGATIVE,
    ("xavier", "gain"): POSITIVE,
}


def _options(
    rule: str,
    found: Sequence[tuple[Scalar, Node]],
    known: Mapping[str, str],
    report: Report,
) -> dict[str, Number]:
    """The options of a rule; `known` maps each accepted key to the option it means."""
    options: dict[str, Number] = {}
    for key, node in found:
        name = known.get(key.text)
        if name is None:
            own = sorted(set(known.values()))
            report.error(
                "unknown-option",
                f"{quote(rule)} has no option {quote(key.text)}",
                key,
                report.nearest(key.text, known)
                or (f"its options are {listed(own)}" if own else "it has no options"),
            )
            continue
        what = f"{quote(key.text)} of {quote(rule)}"
        allowed = _RANGES.get((rule, name))
        if name in options:
            report.error("duplicate-key", f"{what} is given twice", key, "keep one of them")
        elif value := (
            number_in(node, report, what, allowed) if allowed else number(node, report, what)
        ):
            options[name] = value
    return options


@dataclass(frozen=True)
class _Parts:
    """The mapping form of a rule: its name, its own formula if any, everything else."""

    name: str | None
    name_node: Node
    formula: Formula | None
    formula_node: Node | None
    rest: tuple[tuple[Scalar, Node], ...]


def _parts(node: Node, report: Report, kind: str) -> _Parts:
    name: str | None = None
    name_node, read, formula_node = node, None, None
    rest: list[tuple[Scalar, Node]] = []
    for key, value in entries(node, report, kind, "a name and options"):
        if key.text == "name":
            name_node, name = value, word(value, report, f"the name of {kind}")
        elif key.text == "formula":
            formula_node, read = value, formula(value, report, f"the formula of {kind}")
        else:
            rest.append((key, value))
    return _Parts(name, name_node, read, formula_node, tuple(rest))


def _no_options(parts: _Parts, report: Report, kind: str) -> None:
    for key, value in parts.rest:
        if isinstance(value, Scalar) and value.null and not key.text.isidentifier():
            # `{formula: max(0, z)}` is the formula `max(0` and a key `z)`.
            report.error(
                "unknown-option",
                f"the formula of {kind} ends at its comma",
                key,
                "inside { } text that holds a comma needs quotes",
            )
            continue
        report.error(
            "unknown-option",
            f"{kind} with its own formula has no option {quote(key.text)}",
            key,
            "write its number into the formula",
        )


def activation(node: Node, report: Report) -> Activation | None:
    """The activation of a unit: a name, a name with options, or an own formula in `z`."""
    if isinstance(node, Scalar):
        return _named_activation(node, (), report)
    parts = _parts(node, report, "an activation")
    if parts.formula_node is not None:
        _no_options(parts, report, "an activation")
        if parts.formula is None or report_undefined(
            parts.formula,
            parts.formula_node,
            ("z",),
            report,
            "the formula of an activation is in `z` alone; write other numbers out",
        ):
            return None
        return Custom(parts.name or "g", parts.formula)
    if parts.name is None:
        if isinstance(node, Entries) and parts.name_node is node:
            report.error("missing-key", "this activation has no `name`", node, "add `name:`")
        return None
    return _named_activation(parts.name_node, parts.rest, report)


def _named_activation(
    node: Node, rest: Sequence[tuple[Scalar, Node]], report: Report
) -> RuleUse | None:
    name = word(node, report, "an activation")
    if name is None:
        return None
    rule = activations.find(name)
    if rule is None:
        report.error(
            "unknown-activation",
            f"{quote(name)} is not an activation",
            node,
            report.nearest(name, activations.NAMES)
            or f"there are {listed(list(activations.ACTIVATIONS), 20)}, or a formula of your own",
        )
        return None
    return RuleUse(rule.name, _options(rule.name, rest, {o: o for o in rule.options}, report))


def loss(
    node: Node,
    report: Report,
    names: Sequence[str] | None,
    help: str = "",
    renamed: Mapping[str, str] | None = None,
) -> RuleUse | Custom | None:
    """A loss: a name, a name with options, or an own formula.

    `names` are the outputs and targets that a formula may use, None if they are not known.
    """
    name_node, rest = node, ()  # type: tuple[Node, tuple[tuple[Scalar, Node], ...]]
    if not isinstance(node, Scalar):
        parts = _parts(node, report, "a loss")
        if parts.formula_node is not None:
            _no_options(parts, report, "a loss")
            if parts.formula is None or (
                names is not None
                and report_undefined(
                    parts.formula, parts.formula_node, names, report, help, renamed
                )
            ):
                return None
            return Custom(parts.name or "loss", parts.formula)
        if parts.name is None:
            if isinstance(node, Entries) and parts.name_node is node:
                report.error(
                    "missing-key", "this loss has no `name`", node, "add `name:` or `formula:`"
                )
            return None
        name_node, rest = parts.name_node, parts.rest
    name = word(name_node, report, "a loss")
    if name is None:
        return None
    rule = losses.find(name)
    if rule is None:
        report.error(
            "unknown-loss",
            f"{quote(name)} is not a loss",
            name_node,
            report.nearest(name, losses.NAMES)
            or f"there are {listed(list(losses.LOSSES), 20)}, or {{formula: …}}",
        )
        return None
    return RuleUse(rule.name, _options(rule.name, rest, {o: o for o in rule.options}, report))


def optimizer(node: Node, report: Report) -> Optimizer | None:
    """A row of the optimizer table with options, or the author's own equations.

    Plain gradient descent is None, as in `Training`.
    """
    name_node: Node | None = node
    found: tuple[tuple[Scalar, Node], ...] = ()
    if not isinstance(node, Scalar):
        found = entries(node, report, "an optimizer", "a name and options")
        given = {key.text: value for key, value in found}
        if "equations" in given:
            return _own_optimizer(found, report)
        name_node = given.get("name")
        if name_node is None:
            if isinstance(node, Entries):
                advice = "add `name:`, or `equations:` for a rule of your own"
                report.error("missing-key", "this optimizer has no `name`", node, advice)
            return None
    assert name_node is not None
    name = word(name_node, report, "an optimizer")
    if name is None:
        return None
    rule = optimizers.find(name)
    if rule is None:
        report.error(
            "unknown-optimizer",
            f"{quote(name)} is not an optimizer",
            name_node,
            report.nearest(name, optimizers.NAMES)
            or f"there are {listed(list(optimizers.OPTIMIZERS), 20)}; "
            "one of your own needs `equations:`",
        )
        return None
    rest = [(key, value) for key, value in found if key.text not in ("name", "state")]
    known = {option: option for option in rule.options} | dict(rule.option_aliases)
    options = _options(rule.name, rest, known, report)
    state = dict(rule.state)
    for key, value in found:
        if key.text == "state":
            for state_key, initial in _state(value, report):
                if state_key.text not in rule.state:
                    report.error(
                        "unknown-name",
                        f"{quote(rule.name)} has no state {quote(state_key.text)}",
                        state_key,
                        f"its states are {listed(list(rule.state))}" if rule.state else None,
                    )
                else:
                    state[state_key.text] = initial
    if rule.name == "sgd":
        return None
    return Optimizer(rule.name, state, rule.equations, rule.with_options(options))


def _state(node: Node, report: Report) -> list[tuple[Scalar, Number]]:
    found: list[tuple[Scalar, Number]] = []
    for key, value in entries(node, report, "`state`", "names and first values"):
        initial = number(value, report, f"the first value of {quote(key.text)}")
        found.append((key, initial or Number("0")))
    return found


def _own_optimizer(found: Sequence[tuple[Scalar, Node]], report: Report) -> Optimizer | None:
    from backprop_cli.problem.formulas import defined_name

    name = "own rule"
    state: dict[str, Number] = {}
    options: dict[str, Number] = {}
    equations: dict[str, Formula] = {}
    written: list[tuple[Scalar, Node]] = []
    intermediates: list[str] = []
    start = len(report.problems)
    equations_key: Scalar | None = None
    for key, value in found:
        match key.text:
            case "name":
                name = word(value, report, "the name of an optimizer") or name
            case "state":
                for state_key, initial in _state(value, report):
                    _own_name(state_key, "a state", report)
                    state[state_key.text] = initial
            case "intermediates":
                pass  # said for the reader's sake: every other equation is one
            case "equations":
                equations_key = key
                written = list(entries(value, report, "`equations`", "names and formulas"))
            case _:
                if _own_name(key, "an option", report):
                    initial_value = number(value, report, f"the option {quote(key.text)}")
                    options[key.text] = initial_value or Number("0")
    assert equations_key is not None
    known = {*optimizers.RESERVED, *state, *options}
    for key, value in written:
        target = key.text if key.text == "w" else defined_name(key, report, "a quantity")
        read = formula(value, report, f"the equation of {quote(key.text)}")
        if target is None:
            continue
        if target in ("g", "eta", "t") or target in options:
            report.error(
                "bad-name",
                f"{quote(target)} is given to an optimizer, so it has no equation",
                key,
                "an equation is for `w`, a state, or a name of your own",
            )
        if read is not None:
            report_undefined(
                read,
                value,
                known,
                report,
                "an optimizer's equations are in `w`, `g`, `eta`, `t`, its states and its options",
            )
            equations[target] = read
        known.add(target)
        if target != "w" and target not in state:
            intermediates.append(target)
    if "w" not in {key.text for key, _ in written}:
        report.error(
            "missing-key",
            "the optimizer has no equation for `w`, the parameter",
            equations_key,
            'add one, such as `w: "w - eta*g"`',
        )
    for unchanged in [one for one in state if one not in equations]:
        report.warning(
            "unchanged-state",
            f"the state {quote(unchanged)} has no equation, so it keeps its first value",
            equations_key,
        )
    failed = any(problem.severity == "error" for problem in report.problems[start:])
    return None if failed else Optimizer(name, state, equations, options)


def _own_name(key: Scalar, what: str, report: Report) -> bool:
    from backprop_cli.problem.formulas import defined_name

    if key.text in optimizers.RESERVED:
        report.error(
            "bad-name",
            f"{quote(key.text)} already has a meaning in an optimizer, so {what} cannot be called so",
            key,
            "`w` is the parameter, `g` its gradient, `eta` the learning rate, `t` the update's number",
        )
        return False
    return defined_name(key, report, what) is not None


@dataclass(frozen=True)
class Initializer:
    """How values are drawn, and the sentence in which the sheet says so."""

    rule: initializers.InitializerRule
    options: Mapping[str, Number]
    seed: int
    decimals: int

    @property
    def sentence(self) -> str:
        parts = [self.rule.name]
        parts += [f"{name} {value.text.replace('-', '−')}" for name, value in self.options.items()]
        if self.rule.random:
            parts.append(f"seed {self.seed}")
        return ", ".join(parts)

    def values(
        self, rows: int, columns: int, fan_in: int, fan_out: int
    ) -> tuple[tuple[Number, ...], ...]:
        return initializers.draws(
            self.rule,
            rows,
            columns,
            fan_in=fan_in,
            fan_out=fan_out,
            options=self.options,
            seed=self.seed,
            decimals=self.decimals,
        )


def initializer(node: Node, report: Report, what: str, default_seed: int) -> Initializer | None:
    """`{init: uniform, low: -0.1, high: 0.1, seed: 7}`."""
    found = entries(node, report, what, "`init` and options")
    given = {key.text: value for key, value in found}
    if "init" not in given:
        fields(node, report, what, ())
        report.error("missing-key", f"{what} as a mapping need `init:`", node, "{init: uniform}")
        return None
    name = word(given["init"], report, "an initializer")
    rule = initializers.find(name) if name else None
    if name and rule is None:
        report.error(
            "unknown-initializer",
            f"{quote(name)} is not an initializer",
            given["init"],
            report.nearest(name, initializers.NAMES)
            or f"there are {listed(list(initializers.INITIALIZERS))}",
        )
    seed, decimals = default_seed, initializers.DECIMALS
    if "seed" in given:
        seed = integer(given["seed"], report, "`seed`", 0, 2**63 - 1) or 0
    if "digits" in given:
        decimals = integer(given["digits"], report, "`digits`", 1, 15) or decimals
    if rule is None:
        return None
    rest = [(key, value) for key, value in found if key.text not in ("init", "seed", "digits")]
    options = _options(rule.name, rest, {o: o for o in rule.options}, report)
    for option, default in rule.options.items():
        if option not in options:
            if default is None:
                if option not in given:
                    report.error(
                        "missing-key",
                        f"{quote(rule.name)} needs `{option}:`",
                        given["init"],
                        f"{{init: {rule.name}, {option}: 0.1}}",
                    )
                return None
            options[option] = default
    ordered = {option: options[option] for option in rule.options}
    low, high = ordered.get("low"), ordered.get("high")
    if low is not None and high is not None and low.value > high.value:
        report.error(
            "out-of-range", f"`low` is {low.text} and `high` is {high.text}, which is less", node
        )
    return Initializer(rule, ordered, seed, decimals)
