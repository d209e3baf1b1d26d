"""The optimizer of a file: a row of the table with options, or the author's own equations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import listed, quote
from backprop_cli.formula.nodes import Formula, Number
from backprop_cli.problem.formulas import defined_name, formula, plain_name, report_undefined
from backprop_cli.problem.model import Optimizer
from backprop_cli.problem.rule_options import read_options, with_variant
from backprop_cli.problem.values import (
    Report,
    entries,
    number,
    word,
)
from backprop_cli.problem.yaml_tree import Entries, Node, Scalar
from backprop_cli.rules import optimizers

MOST_EQUATIONS = 100


@dataclass(frozen=True)
class ReadOptimizer:
    """The rule of a file: plain gradient descent is None, as in `Training`. `named` are the places
    of parameters that first values are given for, to be checked once the parameters are known."""

    optimizer: Optimizer | None = None
    named: tuple[Scalar, ...] = ()


def optimizer(node: Node, report: Report) -> ReadOptimizer:
    """A row of the optimizer table with options, or the author's own equations."""
    named: list[Scalar] = []
    return ReadOptimizer(_optimizer(node, report, named), tuple(named))


def _optimizer(node: Node, report: Report, named: list[Scalar]) -> Optimizer | None:
    name_node: Node | None = node
    found: tuple[tuple[Scalar, Node], ...] = ()
    if not isinstance(node, Scalar):
        found = entries(node, report, "an optimizer", "a name and options")
        given = {key.text: value for key, value in found}
        if "equations" in given:
            return _own_optimizer(found, report, named)
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
            report.nearest(name, optimizers.BY_ANY_NAME)
            or f"there are {listed(list(optimizers.OPTIMIZERS), 20)}; "
            "one of your own needs `equations:`",
        )
        return None
    rule, found = with_variant(rule, optimizers.OPTIMIZERS, found, report)
    rest = [(key, value) for key, value in found if key.text not in ("name", "state", "initial")]
    known = {option: option for option in rule.options} | dict(rule.option_aliases)
    options = read_options(rule.name, rest, known, rule.ranges, report)
    first = _FirstValues(dict(rule.state))
    for key, value in found:
        if key.text == "state":
            for state_key, initial in entries(value, report, "`state`", "names and first values"):
                if state_key.text not in rule.state:
                    report.error(
                        "unknown-name",
                        f"{quote(rule.name)} has no state {quote(state_key.text)}",
                        state_key,
                        f"its states are {listed(list(rule.state))}" if rule.state else None,
                    )
                else:
                    first.read(state_key.text, initial, report, named)
        elif key.text == "initial":
            _initial(rule, key, value, first, report, named)
    if rule.name == "sgd":
        return None
    return Optimizer(
        rule.name,
        first.common,
        rule.equations,
        rule.with_options(options),
        first.starts,
        rule.point,
    )


@dataclass
class _FirstValues:
    """What each state begins with: for all parameters alike, or for some of them."""

    common: dict[str, Number] = field(default_factory=dict)
    starts: dict[str, dict[str, Number]] = field(default_factory=dict)

    def read(self, state: str, node: Node, report: Report, named: list[Scalar]) -> None:
        """A number, or a mapping from parameters to numbers (the others begin at 0)."""
        what = f"the first value of {quote(state)}"
        if not isinstance(node, Entries):
            self.common[state] = number(node, report, what) or Number("0")
            return
        own: dict[str, Number] = {}
        for key, value in node.entries:
            named.append(key)
            if (initial := number(value, report, what)) is not None:
                own[plain_name(key.text)] = initial
        self.common.setdefault(state, Number("0"))
        self.starts[state] = own


def _initial(
    rule: optimizers.OptimizerRule,
    key: Scalar,
    node: Node,
    first: _FirstValues,
    report: Report,
    named: list[Scalar],
) -> None:
    """`initial:` is the first value of a rule's one state."""
    if len(rule.state) == 1:
        first.read(next(iter(rule.state)), node, report, named)
    else:
        states = ", ".join(f"{state}: 0.1" for state in rule.state)
        report.error(
            "unknown-option",
            f"{quote(rule.name)} has {'several states' if rule.state else 'no state'}, "
            "so `initial` is not clear",
            key,
            f"write `state: {{{states}}}`" if rule.state else "leave it out",
        )


def _own_optimizer(
    found: Sequence[tuple[Scalar, Node]], report: Report, named: list[Scalar]
) -> Optimizer | None:
    name = "own rule"
    first = _FirstValues()
    options: dict[str, Number] = {}
    equations: dict[str, Formula] = {}
    written: list[tuple[Scalar, Node]] = []
    intermediates: list[str] = []
    start = len(report.problems)
    equations_key: Scalar | None = None
    point_node: Node | None = None
    for key, value in found:
        match key.text:
            case "name":
                name = word(value, report, "the name of an optimizer") or name
            case "state":
                for state_key, initial in entries(
                    value, report, "`state`", "names and first values"
                ):
                    _own_name(state_key, "a state", report)
                    first.read(state_key.text, initial, report, named)
            case "look_ahead":
                point_node = value
            case "intermediates":
                pass  # said for the reader's sake: every other equation is one
            case "equations":
                equations_key = key
                written = list(entries(value, report, "`equations`", "names and formulas"))
                if len(written) > MOST_EQUATIONS:
                    report.error(
                        "too-large",
                        f"an optimizer may have {MOST_EQUATIONS} equations, not {len(written):,}",
                        key,
                    )
                    return None
            case _:
                if _own_name(key, "an option", report):
                    initial_value = number(value, report, f"the option {quote(key.text)}")
                    options[key.text] = initial_value or Number("0")
    assert equations_key is not None
    state = first.common
    known = {*optimizers.RESERVED, *state, *options}
    authored = {*known, *(key.text for key, _ in written)}
    point: Formula | None = None
    if point_node is not None:
        point = formula(point_node, report, "`look_ahead`", authored)
        if point is not None:
            inside = known - {"g"}
            advice = "it is in `w`, `eta`, `t`, the states and the options"
            report_undefined(point, point_node, inside, report, advice)
    for key, value in written:
        target = key.text if key.text == "w" else defined_name(key, report, "a quantity")
        read = formula(value, report, f"the equation of {quote(key.text)}", authored)
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
    return None if failed else Optimizer(name, state, equations, options, first.starts, point)


def _own_name(key: Scalar, what: str, report: Report) -> bool:
    if key.text in optimizers.RESERVED:
        report.error(
            "bad-name",
            f"{quote(key.text)} already has a meaning in an optimizer, so {what} cannot be called so",
            key,
            "`w` is the parameter, `g` its gradient, `eta` the learning rate, `t` the update's number",
        )
        return False
    return defined_name(key, report, what) is not None
