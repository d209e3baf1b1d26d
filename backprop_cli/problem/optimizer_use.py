"""The optimizer of a file: a row of the table with options, or the author's own equations."""

from __future__ import annotations

from dataclasses import field

from backprop_cli.dataclass import dataclass
from backprop_cli.diagnostics import listed, quote
from backprop_cli.formula.nodes import Formula, Number
from backprop_cli.problem.fields import (
    NUMBER,
    TEXT,
    Field,
    Fields,
    Keys,
    any_of,
    apart,
    by_name,
    found_in,
    several,
)
from backprop_cli.problem.formulas import (
    FORMULA,
    defined_name,
    formula,
    plain_name,
    report_undefined,
)
from backprop_cli.problem.model import Optimizer
from backprop_cli.problem.rule_use import Choices
from backprop_cli.problem.values import Report, entries, number
from backprop_cli.problem.yaml_tree import Entries, Node, Scalar
from backprop_cli.rules import optimizers

MOST_EQUATIONS = 100

_FIRST = any_of(
    NUMBER.schema,
    by_name(NUMBER.schema, description="From parameters to numbers; the others begin at 0."),
)
STATE = apart(
    "state",
    by_name(_FIRST),
    "`{name: number}`",
    "First value of each quantity carried from update to update.",
)
INITIAL = apart("initial", _FIRST, "a number", "First value of the one quantity carried on.")
OWN_NAME = Field("name", TEXT, "own rule", "How the sheet calls it.")
INTERMEDIATES = Field(
    "intermediates",
    several(TEXT, "names", MOST_EQUATIONS),
    (),
    "For the reader's sake: every equation that is for no state is one.",
)
LOOK_AHEAD = apart(
    "look_ahead", FORMULA.schema, FORMULA.words, "Where the gradient is taken instead of at w."
)
EQUATIONS = apart(
    "equations",
    by_name(FORMULA.schema, required=["w"]),
    "`{name: formula}`",
    "In w (the parameter), g (its gradient), eta, t (the number of the update), states and options; "
    "carried out in order.",
)
OWN = Keys(
    "A rule of your own; other keys are its options.",
    *(OWN_NAME, STATE, INTERMEDIATES, LOOK_AHEAD, EQUATIONS),
    required=[EQUATIONS],
    additionalProperties=NUMBER.schema,
)
OPTIMIZERS = Choices(
    "unknown-optimizer",
    "an optimizer",
    optimizers.BY_ANY_NAME,
    "name",
    "equations",
    "; one of your own needs `equations:`",
    beside=(STATE.key, INITIAL.key),
)


def optimizer(node: Node, report: Report) -> Optimizer | None:
    """A row of the optimizer table with options, or the author's own equations; None is plain
    gradient descent, as in `Training`."""
    own = found_in(node, report, "an optimizer", "a name and options", alone=True)
    if EQUATIONS.key in own.values:
        return _own_optimizer(own, _FirstValues(report))
    chosen = OPTIMIZERS.read(node, report)
    rule = chosen.rule
    first = _FirstValues(report, dict(rule.state))
    for key, initial in _states(own):
        if key.text in rule.state:
            first.read(key.text, initial)
        else:
            help = f"its states are {listed(list(rule.state))}" if rule.state else None
            message = f"{quote(rule.name)} has no state {quote(key.text)}"
            report.error("unknown-name", message, key, help)
    if INITIAL.key in own.values:
        _initial(rule, own, first)
    if rule.name == "sgd":
        return None
    options = rule.with_options(chosen.options)
    return Optimizer(rule.name, first.common, rule.equations, options, first.starts, rule.point)


def _states(own: Fields) -> tuple[tuple[Scalar, Node], ...]:
    if (node := own.values.get(STATE.key)) is None:
        return ()
    return entries(node, own.report, "`state`", "names and first values")


@dataclass
class _FirstValues:
    """What each state begins with: for all parameters alike, or for some of them."""

    report: Report
    common: dict[str, Number] = field(default_factory=dict)
    starts: dict[str, dict[str, Number]] = field(default_factory=dict)

    def read(self, state: str, node: Node) -> None:
        """A number, or a mapping from parameters to numbers (the others begin at 0)."""
        what = f"the first value of {quote(state)}"
        if not isinstance(node, Entries):
            self.common[state] = self.report.tried(number, node, what) or Number("0")
            return
        own: dict[str, Number] = {}
        for key, value in node.entries:
            self.report.firsts.append(key)
            if (initial := self.report.tried(number, value, what)) is not None:
                own[plain_name(key.text)] = initial
        self.common.setdefault(state, Number("0"))
        self.starts[state] = own


def _initial(rule: optimizers.OptimizerRule, own: Fields, first: _FirstValues) -> None:
    """`initial:` is the first value of a rule's one state."""
    if len(rule.state) == 1:
        first.read(next(iter(rule.state)), own.values[INITIAL.key])
        return
    states = ", ".join(f"{state}: 0.1" for state in rule.state)
    own.report.error(
        "unknown-option",
        f"{quote(rule.name)} has {'several states' if rule.state else 'no state'}, "
        "so `initial` is not clear",
        own.key(INITIAL.key),
        f"write `state: {{{states}}}`" if rule.state else "leave it out",
    )


def _own_optimizer(own: Fields, first: _FirstValues) -> Optimizer | None:
    report, equations_key = own.report, own.key(EQUATIONS.key)
    start = len(report.problems)
    written = entries(own.values[EQUATIONS.key], report, "`equations`", "names and formulas")
    if len(written) > MOST_EQUATIONS:
        message = f"an optimizer may have {MOST_EQUATIONS} equations, not {len(written):,}"
        report.error("too-large", message, equations_key)
        return None
    name, _ = own[OWN_NAME], own[INTERMEDIATES]
    for key, initial in _states(own):
        _own_name(key, "a state", report)
        first.read(key.text, initial)
    options: dict[str, Number] = {}
    for text, value in own.values.items():
        if text not in OWN.names and _own_name(own.keys[text], "an option", report):
            what = f"the option {quote(text)}"
            options[text] = report.tried(number, value, what) or Number("0")
    state = first.common
    known = dict.fromkeys((*optimizers.RESERVED, *state, *options))
    authored = {*known, *(key.text for key, _ in written)}
    point: Formula | None = None
    if (point_node := own.values.get(LOOK_AHEAD.key)) is not None:
        point = report.tried(formula, point_node, "`look_ahead`", authored)
        if point is not None:
            advice = "it is in `w`, `eta`, `t`, the states and the options"
            report_undefined(
                point, point_node, [each for each in known if each != "g"], report, advice
            )
    equations: dict[str, Formula] = {}
    for key, value in written:
        target = key.text if key.text == "w" else defined_name(key, report, "a quantity")
        read = report.tried(formula, value, f"the equation of {quote(key.text)}", authored)
        if target is None:
            continue
        if target in ("g", "eta", "t") or target in options:
            message = f"{quote(target)} is given to an optimizer, so it has no equation"
            help = "an equation is for `w`, a state, or a name of your own"
            report.error("bad-name", message, key, help)
        if read is not None:
            advice = (
                "an optimizer's equations are in `w`, `g`, `eta`, `t`, its states and its options"
            )
            report_undefined(read, value, known, report, advice)
            equations[target] = read
        known[target] = None
    if "w" not in {key.text for key, _ in written}:
        message = "the optimizer has no equation for `w`, the parameter"
        report.error("missing-key", message, equations_key, 'add one, such as `w: "w - eta*g"`')
    for unchanged in [one for one in state if one not in equations]:
        message = f"the state {quote(unchanged)} has no equation, so it keeps its first value"
        report.warning("unchanged-state", message, equations_key)
    if report.failed_since(start):
        return None
    return Optimizer(name, state, equations, options, first.starts, point)


def _own_name(key: Scalar, what: str, report: Report) -> bool:
    if key.text in optimizers.RESERVED:
        message = f"{quote(key.text)} already has a meaning in an optimizer"
        help = "`w` is the parameter, `g` its gradient, `eta` the learning rate"
        message = f"{message}, so {what} cannot be called so"
        report.error("bad-name", message, key, f"{help}, `t` the update's number")
        return False
    return defined_name(key, report, what) is not None
