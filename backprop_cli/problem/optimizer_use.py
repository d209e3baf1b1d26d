"""The optimizer of a file: a row of the table with options, or the author's own equations."""

from __future__ import annotations

from collections.abc import Sequence

from backprop_cli.diagnostics import listed, quote
from backprop_cli.formula.nodes import Formula, Number
from backprop_cli.problem.formulas import defined_name, formula, report_undefined
from backprop_cli.problem.model import Optimizer
from backprop_cli.problem.rule_options import read_options
from backprop_cli.problem.values import (
    Report,
    entries,
    number,
    word,
)
from backprop_cli.problem.yaml_tree import Entries, Node, Scalar
from backprop_cli.rules import optimizers

MOST_EQUATIONS = 100


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
    options = read_options(rule.name, rest, known, report)
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
    known = {*optimizers.RESERVED, *state, *options}
    authored = {*known, *(key.text for key, _ in written)}
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
    return None if failed else Optimizer(name, state, equations, options)


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
